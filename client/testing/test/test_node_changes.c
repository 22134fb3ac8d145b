/*
 * The node list is replaced while retrievals run: nodes that join are asked, nodes that leave are not waited for, and
 * reports, traces and progress are of the whole.
 */
#include "symwave/symwave.h"
#include "symwave/testing.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES       8
#define VALUES      400
#define VALUE_BYTES 3000

/* Between two changes: a retrieval has several, and several legs. */
#if defined(__SANITIZE_THREAD__)
#define CHANGE_US 20000
#else
#define CHANGE_US 1000
#endif

struct world {
    struct sw_test_nodes *nodes;
    struct sw_client *client;
    struct sw_key keys[VALUES];
    atomic_uint legs; /* beyond the first, as the log has them */
};

static void fill(uint8_t value[VALUE_BYTES], unsigned index)
{
    for (size_t i = 0; i < VALUE_BYTES; i++)
        value[i] = (uint8_t)(i * 13 + (i >> 8));
    value[0] = (uint8_t)index;
    value[1] = (uint8_t)(index >> 8);
}

static void log_line(enum sw_log_level level, const char *message, const char *fields, void *user_data)
{
    struct world *world = user_data;
    (void)level;
    (void)fields;
    if (strcmp(message, "retrieval goes on with other nodes") == 0)
        atomic_fetch_add(&world->legs, 1);
}

/* A list of the nodes of a mask. */
static struct sw_node_list *list_of(const struct world *world, unsigned mask)
{
    struct sw_node_list *all = sw_test_nodes_list(world->nodes), *list = sw_node_list_new();
    for (unsigned i = 0; i < NODES; i++)
        if (mask >> i & 1) {
            const struct sw_node *node = sw_node_list_at(all, i);
            assert_int_equal(sw_node_list_add(list, node->id, node->address, NULL), SW_OK);
        }
    sw_node_list_free(all);
    return list;
}

static void set_nodes(struct world *world, unsigned mask)
{
    struct sw_node_list *list = list_of(world, mask);
    assert_int_equal(sw_client_set_nodes(world->client, list, NULL), SW_OK);
    sw_node_list_free(list);
}

/* Value i is at the nodes of holders[i % 2]; the client knows those of known. */
static void world_start(struct world *world, unsigned known, unsigned even, unsigned odd)
{
    uint8_t value[VALUE_BYTES];
    memset(world, 0, sizeof(*world));
    assert_int_equal(sw_test_nodes_start(NODES, &world->nodes, NULL), SW_OK);
    for (unsigned i = 0; i < VALUES; i++) {
        fill(value, i);
        for (uint32_t node = 0; node < NODES; node++)
            if ((i % 2 ? odd : even) >> node & 1)
                assert_int_equal(sw_test_nodes_add(world->nodes, node, value, VALUE_BYTES, &world->keys[i], NULL),
                                 SW_OK);
    }
    struct sw_client_options options = SW_CLIENT_OPTIONS_INIT;
    options.log = log_line;
    options.log_data = world;
    options.log_level = SW_LOG_INFO;
    struct sw_node_list *list = list_of(world, known);
    assert_int_equal(sw_client_open(&options, list, &world->client, NULL), SW_OK);
    sw_node_list_free(list);
}

static void world_stop(struct world *world)
{
    sw_client_close(world->client);
    sw_test_nodes_stop(world->nodes);
}

/* What a sink has seen, and what it does. */
struct taken {
    struct world *world;
    uint8_t seen[VALUES];
    unsigned count;
    unsigned change_at, change_to; /* the list becomes this when so many have come; 0: never */
};

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct taken *taken = user_data;
    uint8_t value[VALUE_BYTES];
    (void)error;
    fill(value, (unsigned)symbol->key_index);
    assert_true(symbol->key_index < VALUES && !taken->seen[symbol->key_index]);
    assert_true(symbol->value_bytes == VALUE_BYTES && memcmp(symbol->value, value, VALUE_BYTES) == 0);
    assert_int_equal(sw_key_compare(symbol->key, &taken->world->keys[symbol->key_index]), 0);
    taken->seen[symbol->key_index] = 1;
    if (++taken->count == taken->change_at)
        set_nodes(taken->world, taken->change_to);
    return SW_OK;
}

static uint64_t ids[10000];
static size_t id_count;

static void trace(const struct sw_trace_request *request, void *user_data)
{
    (void)user_data;
    for (size_t i = 0; i < id_count; i++)
        assert_true(ids[i] != request->id);
    assert_true(id_count < sizeof(ids) / sizeof(ids[0]));
    ids[id_count++] = request->id;
}

static void test_a_node_that_joins_gives_what_nobody_else_has(void **state)
{
    struct world world;
    struct sw_report *report;
    (void)state;
    world_start(&world, 0x0f, 0x0f, 0xf0);
    struct taken taken = {.world = &world, .change_at = 1, .change_to = 0xff};
    const struct sw_sink sink = {.take = take, .user_data = &taken};
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    options.trace = trace;
    id_count = 0;
    assert_int_equal(sw_retrieve_stream(world.client, world.keys, VALUES, &options, &sink, &report, NULL), SW_OK);
    assert_int_equal(taken.count, VALUES);
    assert_int_equal(world.legs, 1);
    assert_int_equal(report->status, SW_OK);
    assert_int_equal(report->keys, VALUES);
    assert_int_equal(report->required, VALUES);
    assert_int_equal(report->found_network, VALUES);
    assert_int_equal(report->missing, 0);
    assert_int_equal(report->requests, id_count);
    assert_true(report->first_symbol_us > 0 && report->first_symbol_us <= report->elapsed_us);
    uint64_t found = 0;
    for (uint64_t i = 0; i < report->node_count; i++)
        found += report->nodes[i]->found;
    assert_int_equal(found, VALUES);
    sw_report_free(report);
    world_stop(&world);
}

static void *change_when_asked(void *data)
{
    struct world *world = data;
    for (uint64_t requests = 0; requests == 0;)
        for (uint32_t i = 0; i < 4; i++) {
            struct sw_test_counts counts;
            sw_test_nodes_counts(world->nodes, i, &counts, sizeof(counts));
            requests += counts.requests;
        }
    set_nodes(world, 0xf0);
    return NULL;
}

static void test_nodes_that_leave_are_not_waited_for(void **state)
{
    struct world world;
    struct sw_report *report;
    pthread_t thread;
    const struct sw_test_script silent = {.size = sizeof(silent), .manner = SW_TEST_SILENT};
    (void)state;
    sw_test_clock_stop(); /* so that nothing else can end what waits for them */
    world_start(&world, 0x0f, 0xff, 0xff);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(sw_test_nodes_script(world.nodes, i, &silent, NULL), SW_OK);
    struct taken taken = {.world = &world};
    const struct sw_sink sink = {.take = take, .user_data = &taken};
    assert_int_equal(pthread_create(&thread, NULL, change_when_asked, &world), 0);
    assert_int_equal(sw_retrieve_stream(world.client, world.keys, VALUES, NULL, &sink, &report, NULL), SW_OK);
    pthread_join(thread, NULL);
    assert_int_equal(taken.count, VALUES);
    assert_int_equal(world.legs, 1);
    for (uint64_t i = 0; i < report->node_count; i++)
        assert_true(report->nodes[i]->found == 0 || strcmp(report->nodes[i]->id, "node-4") >= 0);
    sw_report_free(report);
    world_stop(&world);
    sw_test_clock_run();
}

static void test_the_same_nodes_once_more_change_nothing(void **state)
{
    struct world world;
    (void)state;
    world_start(&world, 0x3f, 0xff, 0xff);
    struct taken taken = {.world = &world, .change_at = 1, .change_to = 0x3f};
    const struct sw_sink sink = {.take = take, .user_data = &taken};
    assert_int_equal(sw_retrieve_stream(world.client, world.keys, VALUES, NULL, &sink, NULL, NULL), SW_OK);
    assert_int_equal(taken.count, VALUES);
    assert_int_equal(world.legs, 0);
    world_stop(&world);
}

static void test_what_is_nowhere_is_short_after_a_change_too(void **state)
{
    struct world world;
    struct sw_report *report;
    struct sw_error error;
    (void)state;
    world_start(&world, 0x0f, 0x0f, 0xf0);
    struct taken taken = {.world = &world, .change_at = 1, .change_to = 0x03};
    const struct sw_sink sink = {.take = take, .user_data = &taken};
    assert_int_equal(sw_retrieve_stream(world.client, world.keys, VALUES, NULL, &sink, &report, &error), SW_SHORT);
    assert_int_equal(taken.count, VALUES / 2);
    assert_non_null(strstr(error.message, "200 of 400"));
    assert_int_equal(report->found_network, VALUES / 2);
    assert_int_equal(report->missing, VALUES / 2);
    assert_int_equal(report->keys, VALUES);
    sw_report_free(report);
    world_stop(&world);
}

static void test_required_counts_over_all_legs(void **state)
{
    struct world world;
    struct sw_report *report;
    (void)state;
    world_start(&world, 0x0f, 0x0f, 0xf0);
    struct taken taken = {.world = &world, .change_at = 100, .change_to = 0xf0};
    const struct sw_sink sink = {.take = take, .user_data = &taken};
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    options.required = 250;
    assert_int_equal(sw_retrieve_stream(world.client, world.keys, VALUES, &options, &sink, &report, NULL), SW_OK);
    assert_int_equal(taken.count, 250);
    assert_int_equal(report->required, 250);
    assert_int_equal(report->found_network, 250);
    sw_report_free(report);
    world_stop(&world);
}

static atomic_bool stop_changing;

static void *keep_changing(void *data)
{
    struct world *world = data;
    for (unsigned i = 0; !atomic_load(&stop_changing); i++) {
        const unsigned masks[] = {0x0f, 0x3c, 0xf0, 0xff, 0xc3};
        set_nodes(world, masks[i % 5]);
        usleep(CHANGE_US);
    }
    return NULL;
}

/* Over several retrievals: nothing is lost, given twice, or wrong. */
static void test_nodes_that_come_and_go_all_the_time_lose_nothing(void **state)
{
    struct world world;
    pthread_t thread;
    (void)state;
    world_start(&world, 0xff, 0xff, 0xff);
    atomic_store(&stop_changing, false);
    assert_int_equal(pthread_create(&thread, NULL, keep_changing, &world), 0);
    for (int i = 0; i < 20; i++) {
        struct taken taken = {.world = &world};
        const struct sw_sink sink = {.take = take, .user_data = &taken};
        struct sw_report *report;
        assert_int_equal(sw_retrieve_stream(world.client, world.keys, VALUES, NULL, &sink, &report, NULL), SW_OK);
        assert_int_equal(taken.count, VALUES);
        assert_int_equal(report->found_network, VALUES);
        assert_int_equal(report->keys, VALUES);
        sw_report_free(report);
    }
    atomic_store(&stop_changing, true);
    pthread_join(thread, NULL);
    assert_true(world.legs > 0);
    world_stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_node_that_joins_gives_what_nobody_else_has),
        cmocka_unit_test(test_nodes_that_leave_are_not_waited_for),
        cmocka_unit_test(test_the_same_nodes_once_more_change_nothing),
        cmocka_unit_test(test_what_is_nowhere_is_short_after_a_change_too),
        cmocka_unit_test(test_required_counts_over_all_legs),
        cmocka_unit_test(test_nodes_that_come_and_go_all_the_time_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
