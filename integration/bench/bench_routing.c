/*
 * How long a key's candidates take to find: the 6 nearest of 50 to 1,000,000 nodes, by the route table, and beside it
 * by a scan of all nodes that keeps the 6 nearest. Prints samples, one a thing and round:
 *
 *     bench_routing [ROUNDS]
 *
 * Times are this thread's processor time; everything is random and made before. What the table finds is compared with
 * what the scan finds, for each key that is scanned for.
 */
#include "client/core/route.h"
#include "integration/bench/meter.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS       1000000
#define CANDIDATES 6
#define TASK       "2024-07-01T00:00:00Z/main"
/* Nodes that a scan looks at in a round: it gets fewer keys the more nodes there are. */
#define SCAN_NODES 20000000

static struct sw_key *random_keys(size_t count)
{
    struct sw_key *keys = malloc(count * sizeof(*keys));

    if (!keys)
        meter_die("no memory");
    for (size_t i = 0; i < count; i++)
        keys[i] = meter_random_key();
    return keys;
}

static void print_sample(const char *case_name, const char *what, double seconds, size_t keys, uint64_t allocations)
{
    printf("{\"row\":\"routing\",\"case\":\"%s\",\"what\":\"%s\",\"figures\":{\"ns_per_key\":%.2f,"
           "\"allocations_per_key\":%.6g}}\n",
           case_name, what, seconds * 1e9 / (double)keys, (double)allocations / (double)keys);
}

static void scan(const struct sw_key *places, uint32_t node_count, const struct sw_key *key, uint32_t *nearest)
{
    uint32_t found = 0;

    for (uint32_t node = 0; node < node_count; node++) {
        uint32_t at = found;
        while (at > 0 && sw_key_compare_distance(key, &places[node], &places[nearest[at - 1]]) < 0)
            at--;
        if (at == CANDIDATES)
            continue;
        found += found < CANDIDATES;
        memmove(&nearest[at + 1], &nearest[at], (found - 1 - at) * sizeof(*nearest));
        nearest[at] = node;
    }
}

static void measure_table(const char *case_name, const struct sw_route_table *table, const struct sw_key *keys)
{
    const uint64_t allocations = meter_memory().allocations;
    const double start = meter_seconds();
    uint32_t nodes[CANDIDATES], sum = 0;

    for (size_t i = 0; i < KEYS; i++) {
        sw_route_nearest(table, &keys[i], CANDIDATES, nodes);
        sum += nodes[0];
    }
    const double seconds = meter_seconds() - start;
    if (sum == UINT32_MAX)
        fprintf(stderr, "a sum that nobody expected\n"); /* so that all are needed */
    print_sample(case_name, "sw_route_nearest", seconds, KEYS, meter_memory().allocations - allocations);
}

static void measure_scan(const char *case_name, const struct sw_route_table *table, const struct sw_key *places,
                         uint32_t node_count, const struct sw_key *keys)
{
    const size_t count = SCAN_NODES / node_count < KEYS ? SCAN_NODES / node_count : KEYS;
    const uint64_t allocations = meter_memory().allocations;
    uint32_t found[CANDIDATES] = {0}, expected[CANDIDATES];
    const double start = meter_seconds();

    for (size_t i = 0; i < count; i++)
        scan(places, node_count, &keys[i], found);
    print_sample(case_name, "scan", meter_seconds() - start, count, meter_memory().allocations - allocations);
    for (size_t i = 0; i < count && i < 1000; i++) {
        scan(places, node_count, &keys[i], expected);
        if (sw_route_nearest(table, &keys[i], CANDIDATES, found) != CANDIDATES ||
            memcmp(found, expected, sizeof(found)) != 0)
            meter_die("the table and the scan find different nodes");
    }
}

static void measure_base(const struct sw_key *keys)
{
    const uint64_t allocations = meter_memory().allocations;
    const double start = meter_seconds();
    uint32_t sum = 0;

    for (size_t i = 0; i < KEYS; i++)
        sum += sw_route_base(&keys[i], TASK, CANDIDATES);
    const double seconds = meter_seconds() - start;
    if (sum == 0)
        meter_die("all bases are 0");
    print_sample("any number of nodes", "sw_route_base", seconds, KEYS, meter_memory().allocations - allocations);
}

static void measure_bases(const struct sw_key *keys)
{
    const uint64_t allocations = meter_memory().allocations;
    const double start = meter_seconds();
    uint32_t bases[SW_ROUTE_BASES], sum = 0;

    for (size_t i = 0; i + SW_ROUTE_BASES <= KEYS; i += SW_ROUTE_BASES) {
        sw_route_bases(&keys[i], TASK, CANDIDATES, bases);
        sum += bases[0];
    }
    const double seconds = meter_seconds() - start;
    if (sum == 0)
        meter_die("all bases are 0");
    print_sample("any number of nodes", "sw_route_bases", seconds, KEYS, meter_memory().allocations - allocations);
}

int main(int argc, char **argv)
{
    static const uint32_t node_counts[] = {50, 1000, 100000, 1000000};
    const size_t cases = sizeof(node_counts) / sizeof(node_counts[0]);
    const int rounds = argc > 1 ? atoi(argv[1]) : 5;
    struct sw_key *keys = random_keys(KEYS), *places = random_keys(node_counts[cases - 1]);
    struct sw_route_table *tables[sizeof(node_counts) / sizeof(node_counts[0])];

    for (size_t c = 0; c < cases; c++)
        if (!(tables[c] = sw_route_table_new(places, node_counts[c])))
            meter_die("no memory");
    for (int round = 0; round < rounds; round++) {
        for (size_t c = 0; c < cases; c++) {
            char name[32];
            snprintf(name, sizeof(name), "%" PRIu32 " nodes", node_counts[c]);
            measure_table(name, tables[c], keys);
            measure_scan(name, tables[c], places, node_counts[c], keys);
        }
        measure_base(keys);
        measure_bases(keys);
    }
    for (size_t c = 0; c < cases; c++)
        sw_route_table_free(tables[c]);
    free(places);
    free(keys);
    return 0;
}
