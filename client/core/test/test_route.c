/* Routes: the worked cases in data/, and random tables against sorting all nodes. */
#include "client/core/route.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA SYMWAVE_SOURCE_DIR "/client/core/test/data/"

static uint64_t random_state;

static uint64_t random_next(void)
{
    /* Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014 (SplitMix64). */
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static struct sw_key random_key(void)
{
    struct sw_key key;
    for (int i = 0; i < SW_KEY_BYTES; i++)
        key.bytes[i] = (uint8_t)random_next();
    return key;
}

static struct sw_route_table *table_of_named_nodes(uint32_t count)
{
    struct sw_key *places = malloc(count * sizeof(*places));
    assert_non_null(places);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        int length = snprintf(name, sizeof(name), "node-%04u", i);
        places[i] = sw_key_of_value(name, (size_t)length);
    }
    struct sw_route_table *table = sw_route_table_new(places, count);
    assert_non_null(table);
    free(places);
    return table;
}

static void check_row(const struct sw_route_table *table, char *row)
{
    char *rest = row, *task = strsep(&rest, "\t"), *text = strsep(&rest, "\t"), *base = strsep(&rest, "\t");
    uint32_t nodes[6], k = sw_route_table_count(table) < 6 ? sw_route_table_count(table) : 6;
    struct sw_key key;

    assert_int_equal(sw_key_from_base58(text, strlen(text), &key, NULL), SW_OK);
    assert_int_equal(sw_route_base(&key, task, k), strtoul(base, NULL, 10));
    assert_int_equal(sw_route_nearest(table, &key, 6, nodes), k);
    for (uint32_t i = 0; i < k; i++) {
        char *name = strsep(&rest, "\t");
        assert_non_null(name);
        assert_int_equal(nodes[i], strtoul(name + strlen("node-"), NULL, 10));
    }
    assert_null(rest);
}

static void check_file(const char *path, uint32_t node_count, unsigned rows_expected)
{
    struct sw_route_table *table = table_of_named_nodes(node_count);
    FILE *file = fopen(path, "r");
    char row[1024];
    unsigned rows = 0;

    assert_non_null(file);
    while (fgets(row, sizeof(row), file)) {
        row[strcspn(row, "\n")] = '\0';
        if (row[0] == '#' || row[0] == '\0')
            continue;
        check_row(table, row);
        rows++;
    }
    assert_int_equal(rows, rows_expected);
    fclose(file);
    sw_route_table_free(table);
}

static void test_agrees_with_every_worked_case_of_50_nodes(void **state)
{
    (void)state;
    check_file(DATA "routing-50-nodes.tsv", 50, 64);
}

static void test_agrees_with_every_worked_case_of_3_nodes(void **state)
{
    (void)state;
    check_file(DATA "routing-3-nodes.tsv", 3, 8);
}

static const struct sw_key *sort_key, *sort_places;

static int compare_nodes(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    for (int i = 0; i < SW_KEY_BYTES; i++) {
        int da = sort_places[a].bytes[i] ^ sort_key->bytes[i], db = sort_places[b].bytes[i] ^ sort_key->bytes[i];
        if (da != db)
            return da - db;
    }
    return a < b ? -1 : a > b;
}

static void check_against_sorting(const struct sw_route_table *table, const struct sw_key *places, uint32_t count,
                                  const struct sw_key *key, uint32_t k, uint32_t *sorted)
{
    uint32_t nodes[64];

    assert_true(k <= 64);
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = i;
    sort_key = key;
    sort_places = places;
    qsort(sorted, count, sizeof(*sorted), compare_nodes);
    assert_int_equal(sw_route_nearest(table, key, k, nodes), k < count ? k : count);
    assert_memory_equal(nodes, sorted, (k < count ? k : count) * sizeof(*sorted));
}

/* Places that share their first bits with others, at a depth that varies; depth 256 is the same place again. */
static void fill_places(struct sw_key *places, uint32_t count, uint32_t shared_per_cent)
{
    for (uint32_t i = 0; i < count; i++) {
        places[i] = random_key();
        if (i == 0 || random_next() % 100 >= shared_per_cent)
            continue;
        const struct sw_key *other = &places[random_next() % i];
        uint32_t bits = (uint32_t)(random_next() % 257);
        memcpy(places[i].bytes, other->bytes, bits / 8);
        if (bits % 8) {
            uint8_t mask = (uint8_t)(0xff00 >> bits % 8);
            places[i].bytes[bits / 8] =
                (uint8_t)((other->bytes[bits / 8] & mask) | (places[i].bytes[bits / 8] & ~mask));
        }
    }
}

static void check_tables(uint32_t count_max, unsigned tables, unsigned keys)
{
    struct sw_key *places = malloc(count_max * sizeof(*places));
    uint32_t *sorted = malloc(count_max * sizeof(*sorted));

    assert_non_null(places);
    assert_non_null(sorted);
    for (unsigned t = 0; t < tables; t++) {
        uint32_t count = 1 + (uint32_t)(random_next() % count_max);
        fill_places(places, count, (uint32_t[]){0, 50, 95}[t % 3]);
        struct sw_route_table *table = sw_route_table_new(places, count);
        assert_non_null(table);
        assert_int_equal(sw_route_table_count(table), count);
        for (unsigned i = 0; i < keys; i++) {
            struct sw_key key = random_key();
            if (i % 2) { /* near a place, or equal to it */
                key = places[random_next() % count];
                if (i % 4 == 1)
                    key.bytes[random_next() % SW_KEY_BYTES] ^= (uint8_t)(1u << random_next() % 8);
            }
            check_against_sorting(table, places, count, &key, (uint32_t[]){6, 1, 16, 64, 2}[i % 5], sorted);
        }
        sw_route_table_free(table);
    }
    free(places);
    free(sorted);
}

static void test_small_tables_agree_with_sorting_all_nodes(void **state)
{
    (void)state;
    check_tables(40, 600, 20);
}

static void test_large_tables_agree_with_sorting_all_nodes(void **state)
{
    (void)state;
    check_tables(5000, 15, 12);
}

static void test_one_place_many_times_gives_the_first_nodes(void **state)
{
    struct sw_key places[100], key = random_key();
    uint32_t nodes[6];
    (void)state;

    places[0] = random_key();
    for (int i = 1; i < 100; i++)
        places[i] = places[0];
    struct sw_route_table *table = sw_route_table_new(places, 100);
    assert_non_null(table);
    assert_int_equal(sw_route_nearest(table, &key, 6, nodes), 6);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(nodes[i], i);
    sw_route_table_free(table);
}

static void test_bases_of_several_keys_are_those_of_each(void **state)
{
    (void)state;

    for (int round = 0; round < 1000; round++) {
        struct sw_key keys[SW_ROUTE_BASES];
        uint32_t bases[SW_ROUTE_BASES];
        for (uint32_t i = 0; i < SW_ROUTE_BASES; i++) {
            keys[i] = random_key();
            /* Zeros in front make a shorter text. */
            memset(keys[i].bytes, 0, random_next() % 2 ? 0 : random_next() % (SW_KEY_BYTES + 1));
        }
        const char *task = round % 2 ? "task" : "";
        const uint32_t k = 1 + (uint32_t)(random_next() % SW_ROUTE_CANDIDATES_MAX);
        sw_route_bases(keys, task, k, bases);
        for (uint32_t i = 0; i < SW_ROUTE_BASES; i++)
            assert_int_equal(bases[i], sw_route_base(&keys[i], task, k));
    }
}

static void test_no_nodes_give_no_candidates(void **state)
{
    struct sw_key key = random_key();
    uint32_t nodes[6];
    struct sw_route_table *table = sw_route_table_new(NULL, 0);
    (void)state;

    assert_non_null(table);
    assert_int_equal(sw_route_table_count(table), 0);
    assert_int_equal(sw_route_nearest(table, &key, 6, nodes), 0);
    sw_route_table_free(table);
    sw_route_table_free(NULL);
}

int main(void)
{
    const char *seed = getenv("SYMWAVE_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_every_worked_case_of_50_nodes),
        cmocka_unit_test(test_agrees_with_every_worked_case_of_3_nodes),
        cmocka_unit_test(test_small_tables_agree_with_sorting_all_nodes),
        cmocka_unit_test(test_large_tables_agree_with_sorting_all_nodes),
        cmocka_unit_test(test_one_place_many_times_gives_the_first_nodes),
        cmocka_unit_test(test_bases_of_several_keys_are_those_of_each),
        cmocka_unit_test(test_no_nodes_give_no_candidates),
    };
    random_state = seed ? strtoull(seed, NULL, 0) : 1;
    printf("SYMWAVE_SEED=%llu\n", (unsigned long long)random_state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
