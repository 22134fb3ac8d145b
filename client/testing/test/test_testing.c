/*
 * The testing library as a program's own tests use it: public headers alone, both shared libraries, real gRPC.
 */
#include "symwave/symwave.h"
#include "symwave/testing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES       6
#define VALUES      60
#define VALUE_BYTES 5000

/* Nodes that all hold the same values, and a client on them. */
struct world {
    struct sw_test_nodes *nodes;
    struct sw_client *client;
    struct sw_key keys[VALUES];
};

static void fill(uint8_t value[VALUE_BYTES], unsigned index)
{
    for (size_t i = 0; i < VALUE_BYTES; i++)
        value[i] = (uint8_t)(index * 7 + i * 13 + (i >> 8));
}

static void world_start(struct world *world, bool with_values)
{
    struct sw_error error;
    uint8_t value[VALUE_BYTES];
    assert_int_equal(sw_test_nodes_start(NODES, &world->nodes, &error), SW_OK);
    for (unsigned i = 0; with_values && i < VALUES; i++) {
        fill(value, i);
        assert_int_equal(
            sw_test_nodes_add(world->nodes, SW_TEST_EVERY_NODE, value, VALUE_BYTES, &world->keys[i], &error), SW_OK);
    }
    struct sw_node_list *list = sw_test_nodes_list(world->nodes);
    assert_non_null(list);
    assert_int_equal(sw_client_open(NULL, list, &world->client, &error), SW_OK);
    sw_node_list_free(list);
}

static void world_stop(struct world *world)
{
    sw_client_close(world->client);
    sw_test_nodes_stop(world->nodes);
}

static void set_manner(struct world *world, uint32_t node, struct sw_test_script script)
{
    script.size = sizeof(script);
    assert_int_equal(sw_test_nodes_script(world->nodes, node, &script, NULL), SW_OK);
}

/* Retrieves all values; each that comes must be right. */
static struct sw_report *retrieve(struct world *world, enum sw_status expected)
{
    struct sw_symbol_map *map;
    struct sw_report *report;
    uint8_t value[VALUE_BYTES];
    assert_int_equal(sw_batch_retrieve(world->client, world->keys, VALUES, NULL, &map, &report, NULL), expected);
    for (unsigned i = 0; i < VALUES; i++) {
        size_t bytes;
        const void *found = sw_symbol_map_get(map, &world->keys[i], &bytes);
        fill(value, i);
        assert_true(!found || (bytes == VALUE_BYTES && memcmp(found, value, VALUE_BYTES) == 0));
        assert_true(found || expected == SW_SHORT);
    }
    sw_symbol_map_free(map);
    return report;
}

static struct sw_test_counts counts_of(const struct world *world, uint32_t node)
{
    struct sw_test_counts counts;
    sw_test_nodes_counts(world->nodes, node, &counts, sizeof(counts));
    return counts;
}

static void test_honest_nodes_give_what_they_hold(void **state)
{
    struct world world;
    uint64_t keys_asked = 0, symbols_sent = 0;
    (void)state;
    world_start(&world, true);
    struct sw_report *report = retrieve(&world, SW_OK);
    for (uint32_t i = 0; i < NODES; i++) {
        keys_asked += counts_of(&world, i).keys_asked;
        symbols_sent += counts_of(&world, i).symbols_sent;
    }
    assert_int_equal(report->found_network, VALUES);
    assert_true(symbols_sent >= VALUES && keys_asked >= symbols_sent);
    sw_report_free(report);
    world_stop(&world);
}

static void test_what_a_node_loses_comes_from_another_and_what_all_lose_is_missing(void **state)
{
    struct world world;
    (void)state;
    world_start(&world, true);
    for (unsigned i = 0; i < VALUES; i++)
        sw_test_nodes_remove(world.nodes, i % NODES, &world.keys[i]);
    assert_false(sw_test_nodes_hold(world.nodes, 0, &world.keys[0]));
    assert_true(sw_test_nodes_hold(world.nodes, 1, &world.keys[0]));
    sw_report_free(retrieve(&world, SW_OK));
    sw_test_nodes_remove(world.nodes, SW_TEST_EVERY_NODE, &world.keys[7]);
    struct sw_report *report = retrieve(&world, SW_SHORT);
    assert_int_equal(report->missing, 1);
    assert_int_equal(report->missing_sample_count, 1);
    assert_int_equal(sw_key_compare(report->missing_sample, &world.keys[7]), 0);
    sw_report_free(report);
    world_stop(&world);
}

static void test_of_a_node_that_sent_nothing_nothing_is_measured(void **state)
{
    struct world world;
    (void)state;
    world_start(&world, true);
    for (unsigned i = 0; i < VALUES; i++)
        sw_test_nodes_remove(world.nodes, 0, &world.keys[i]);
    for (int times = 0; times < 3; times++) {
        struct sw_report *report = retrieve(&world, SW_OK);
        for (uint64_t i = 0; i < report->node_count; i++)
            assert_true(strcmp(report->nodes[i]->id, "node-0") != 0 || report->nodes[i]->first_symbol_us == 0);
        sw_report_free(report);
    }
    world_stop(&world);
}

/* Two of six behave in each manner in turn: everything comes right all the same. */
static void test_no_manner_of_a_few_nodes_hurts(void **state)
{
    (void)state;
    for (int manner = SW_TEST_HONEST; manner <= SW_TEST_OVERSIZED; manner++)
        for (uint32_t after = 0; after <= 2; after += 2) {
            struct world world;
            world_start(&world, true);
            for (uint32_t node = 0; node < 2; node++)
                set_manner(&world, node,
                           (struct sw_test_script){.manner = (enum sw_test_manner)manner, .after_answers = after});
            struct sw_report *report = retrieve(&world, SW_OK);
            if (manner == SW_TEST_BAD_BYTES || manner == SW_TEST_WRONG_KEY || manner == SW_TEST_EMPTY ||
                manner == SW_TEST_TRUNCATED)
                assert_true(report->proof_count > 0);
            else
                assert_int_equal(report->proof_count, 0);
            assert_true(counts_of(&world, 0).requests + counts_of(&world, 1).requests > 0);
            sw_report_free(report);
            world_stop(&world);
        }
}

/* What a report counts at two nodes of one manner. No time passes, so that nobody else is asked instead. */
static void test_a_report_tells_the_manner_of_a_node(void **state)
{
    static const char counted[] = {
        [SW_TEST_HONEST] = 'f',     [SW_TEST_BAD_BYTES] = 'c', [SW_TEST_WRONG_KEY] = 'c', [SW_TEST_EMPTY] = 'c',
        [SW_TEST_DUPLICATES] = 'c', [SW_TEST_UNASKED] = 'c',   [SW_TEST_GARBAGE] = 'r',   [SW_TEST_LACKS] = 'm',
        [SW_TEST_CORRUPT] = 'c',    [SW_TEST_ENDS] = 'm',      [SW_TEST_FAILS] = 'r',     [SW_TEST_TRUNCATED] = 'c',
        [SW_TEST_OVERSIZED] = 'r',
    };
    (void)state;
    sw_test_clock_stop();
    for (int manner = SW_TEST_HONEST; manner <= SW_TEST_OVERSIZED; manner++) {
        struct world world;
        uint64_t corrupt = 0, missing = 0, failed = 0;
        if (manner == SW_TEST_SILENT)
            continue;
        world_start(&world, true);
        for (uint32_t node = 0; node < 2; node++)
            set_manner(&world, node, (struct sw_test_script){.manner = (enum sw_test_manner)manner});
        struct sw_report *report = retrieve(&world, SW_OK);
        for (uint64_t i = 0; i < report->node_count; i++)
            if (strcmp(report->nodes[i]->id, "node-0") == 0 || strcmp(report->nodes[i]->id, "node-1") == 0) {
                corrupt += report->nodes[i]->corrupt;
                missing += report->nodes[i]->missing;
                failed += report->nodes[i]->requests_failed;
            }
        assert_int_equal(corrupt > 0, counted[manner] == 'c');
        assert_int_equal(missing > 0, counted[manner] == 'm');
        assert_int_equal(failed > 0, counted[manner] == 'r');
        sw_report_free(report);
        world_stop(&world);
    }
    sw_test_clock_run();
}

static enum sw_status next_value(struct sw_value *value, struct sw_error *error, void *user_data)
{
    static uint8_t bytes[VALUE_BYTES];
    unsigned *next = user_data;
    (void)error;
    if (*next == VALUES)
        return SW_OK;
    fill(bytes, (*next)++);
    *value = (struct sw_value){.bytes = bytes, .bytes_count = VALUE_BYTES};
    return SW_OK;
}

/* Of values that were stored; sets the world's keys. */
static void check_held_by_all_but(struct world *world, uint32_t without)
{
    for (unsigned i = 0; i < VALUES; i++) {
        uint8_t value[VALUE_BYTES];
        fill(value, i);
        world->keys[i] = sw_key_of_value(value, VALUE_BYTES);
        for (uint32_t node = 0; node < NODES; node++)
            assert_int_equal(sw_test_nodes_hold(world->nodes, node, &world->keys[i]), node != without);
    }
}

static void test_what_is_stored_is_held_but_by_nodes_that_are_read_only(void **state)
{
    struct world world;
    struct sw_store_report *report;
    struct sw_node_status **statuses;
    size_t count;
    unsigned next = 0;
    (void)state;
    world_start(&world, false);
    set_manner(&world, 2, (struct sw_test_script){.read_only = true});
    set_manner(&world, 3, (struct sw_test_script){.latency_ms = 20});
    assert_int_equal(sw_store_stream(world.client, next_value, &next, NULL, &report, NULL), SW_OK);
    assert_int_equal(report->symbols, VALUES);
    assert_int_equal(report->symbols_without_replica, 0);
    assert_int_equal(report->replicas_placed, VALUES * (NODES - 1));
    sw_store_report_free(report);
    check_held_by_all_but(&world, 2);
    assert_int_equal(counts_of(&world, 0).symbols_stored, VALUES);
    assert_int_equal(counts_of(&world, 2).symbols_stored, 0);
    assert_int_equal(sw_client_node_statuses(world.client, 10000, &statuses, &count, NULL), SW_OK);
    assert_int_equal(count, NODES);
    for (uint32_t i = 0; i < NODES; i++) {
        assert_true(statuses[i]->reached && statuses[i]->serving);
        char id[16];
        snprintf(id, sizeof(id), "node-%u", i); /* in the order of the list */
        assert_string_equal(statuses[i]->id, id);
        assert_int_equal(statuses[i]->writable, i != 2);
    }
    sw_free(statuses);
    sw_report_free(retrieve(&world, SW_OK));
    world_stop(&world);
}

static void test_nodes_that_fail_keep_nothing_and_are_counted(void **state)
{
    struct world world;
    struct sw_store_report *stored;
    unsigned next = 0;
    (void)state;
    world_start(&world, false);
    const struct sw_test_script fails = {.manner = SW_TEST_FAILS, .status = SW_RESOURCE_EXHAUSTED};
    set_manner(&world, 1, fails);
    assert_int_equal(sw_store_stream(world.client, next_value, &next, NULL, &stored, NULL), SW_OK);
    assert_int_equal(stored->replicas_failed, VALUES);
    sw_store_report_free(stored);
    check_held_by_all_but(&world, 1);
    set_manner(&world, SW_TEST_EVERY_NODE, fails);
    struct sw_report *report = retrieve(&world, SW_SHORT);
    assert_int_equal(report->missing, VALUES);
    assert_true(report->requests > 0);
    assert_int_equal(report->requests_failed, report->requests);
    for (uint64_t i = 0; i < report->node_count; i++)
        assert_int_equal(report->nodes[i]->requests_failed, report->nodes[i]->requests);
    sw_report_free(report);
    world_stop(&world);
}

/* ---- time ---- */

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    (void)symbol;
    (void)error;
    (void)user_data;
    return SW_OK;
}

/* Starts to retrieve everything, with a deadline. */
static struct sw_call *start_retrieval(struct world *world, uint32_t deadline_ms)
{
    static const struct sw_sink sink = {.take = take};
    const struct sw_retrieve_options options = {.size = sizeof(options), .deadline_ms = deadline_ms};
    struct sw_call *call;
    assert_int_equal(sw_retrieve_start(world->client, world->keys, VALUES, &options, &sink, NULL, &call, NULL), SW_OK);
    return call;
}

/* Waits until nodes have been asked for something. */
static void wait_for_requests(const struct world *world)
{
    for (uint64_t requests = 0; requests == 0;)
        for (uint32_t i = 0; i < NODES; i++)
            requests += counts_of(world, i).requests;
}

static void test_a_deadline_of_an_hour_passes_when_the_test_says_so(void **state)
{
    struct world world;
    struct sw_report *report;
    (void)state;
    sw_test_clock_stop();
    world_start(&world, true);
    set_manner(&world, SW_TEST_EVERY_NODE, (struct sw_test_script){.latency_ms = 7200 * 1000});
    struct sw_call *call = start_retrieval(&world, 3600 * 1000);
    wait_for_requests(&world);
    sw_test_clock_advance_ms(3600 * 1000 - 1);
    sw_test_clock_advance_ms(1);
    assert_int_equal(sw_retrieve_end(call, &report, NULL), SW_DEADLINE_EXCEEDED);
    assert_true(report->elapsed_us == 3600000000u);
    sw_report_free(report);
    world_stop(&world);
    sw_test_clock_run();
}

static void test_a_latency_of_minutes_is_over_when_the_test_says_so(void **state)
{
    struct world world;
    struct sw_report *report;
    (void)state;
    sw_test_clock_stop();
    world_start(&world, true);
    set_manner(&world, SW_TEST_EVERY_NODE, (struct sw_test_script){.latency_ms = 1500});
    struct sw_call *call = start_retrieval(&world, 0);
    /* Each request waits for its node by itself: time is moved on until all have been answered. */
    wait_for_requests(&world);
    while (!sw_call_wait(call, 0))
        sw_test_clock_advance_ms(1);
    assert_int_equal(sw_retrieve_end(call, &report, NULL), SW_OK);
    assert_int_equal(report->found_network, VALUES);
    assert_true(report->elapsed_us >= 1500000);
    sw_report_free(report);
    world_stop(&world);
    sw_test_clock_run();
}

/* ---- a simulated network ---- */

/* Leaves some bytes where the frames of the next call will be. */
__attribute__((noinline)) static void leave_on_the_stack(int byte)
{
    volatile unsigned char bytes[8192];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)byte;
}

static struct sw_test_network_result simulate(struct sw_test_network_node *nodes, uint32_t count, uint64_t seed,
                                              FILE *told)
{
    const struct sw_test_network network = {.size = sizeof(network),
                                            .nodes = nodes,
                                            .node_count = count,
                                            .key_count = 2000,
                                            .required = 2000,
                                            .jitter_per_cent = 10,
                                            .seed = seed};
    struct sw_test_network_result result, again;
    leave_on_the_stack(0x55);
    assert_int_equal(sw_test_simulate(&network, told, &result, sizeof(result), NULL), SW_OK);
    leave_on_the_stack(0xaa);
    assert_int_equal(sw_test_simulate(&network, NULL, &again, sizeof(again), NULL), SW_OK);
    assert_memory_equal(&result, &again, sizeof(result));
    return result;
}

static void test_a_simulation_is_what_its_description_and_seed_make_it(void **state)
{
    struct sw_test_network_node nodes[40];
    char *text = NULL;
    size_t text_bytes;
    (void)state;
    for (size_t i = 0; i < 40; i++)
        nodes[i] = (struct sw_test_network_node){.bytes_per_second = 2000000, .round_trip_us = 20000};
    struct sw_test_network_result well = simulate(nodes, 40, 1, NULL), again = simulate(nodes, 40, 1, NULL);
    assert_int_equal(well.status, SW_OK);
    assert_int_equal(well.found, 2000);
    assert_memory_equal(&well, &again, sizeof(well));
    again = simulate(nodes, 40, 2, NULL);
    assert_memory_not_equal(&well, &again, sizeof(well));
    /* 131 MB over 80 MB/s. */
    assert_true(well.elapsed_us > 1600000 && well.elapsed_us < 3200000);
    for (size_t i = 0; i < 10; i++)
        nodes[i].trouble = (enum sw_test_trouble)(i % (SW_TEST_MUTE + 1));
    FILE *told = open_memstream(&text, &text_bytes);
    struct sw_test_network_result ill = simulate(nodes, 40, 1, told);
    fclose(told);
    assert_int_equal(ill.status, SW_OK);
    assert_true(ill.elapsed_us > well.elapsed_us && ill.requests_failed > 0 && ill.bytes_sent >= 2000u * 65536);
    assert_non_null(strstr(text, "DONE     ok"));
    free(text);
}

static void test_descriptions_that_are_none_are_refused(void **state)
{
    struct sw_test_network_node node = {.bytes_per_second = 2000000, .round_trip_us = 20000};
    const struct sw_test_network good = {
        .size = sizeof(good), .nodes = &node, .node_count = 1, .key_count = 10, .required = 10};
    struct sw_test_network bad[] = {good, good, good, good, good, good, good};
    struct sw_test_network_result result;
    struct sw_error error;
    struct sw_test_nodes *nodes;
    (void)state;
    assert_int_equal(sw_test_simulate(&good, NULL, &result, sizeof(result), &error), SW_OK);
    assert_int_equal(result.status, SW_OK);
    bad[0].node_count = 0;
    bad[1].key_count = 2000000;
    bad[2].required = 11;
    bad[3].symbol_bytes = 2 << 20;
    bad[4].budget_bytes = 1;
    bad[4].symbol_bytes = 2;
    bad[5].jitter_per_cent = 101;
    bad[6].downlink_bytes_per_second = 1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sw_test_simulate(&bad[i], NULL, &result, sizeof(result), &error), SW_INVALID_ARGUMENT);
    node.bytes_per_second = 0;
    assert_int_equal(sw_test_simulate(&good, NULL, &result, sizeof(result), &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "node 0"));
    assert_int_equal(sw_test_nodes_start(0, &nodes, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_test_nodes_start(SW_TEST_NODES_MAX + 1, &nodes, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_test_nodes_start(1, &nodes, &error), SW_OK);
    assert_int_equal(sw_test_nodes_add(nodes, 1, "x", 1, NULL, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_test_nodes_add(nodes, 0, "", 0, NULL, &error), SW_INVALID_ARGUMENT);
    sw_test_nodes_stop(nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest_nodes_give_what_they_hold),
        cmocka_unit_test(test_what_a_node_loses_comes_from_another_and_what_all_lose_is_missing),
        cmocka_unit_test(test_of_a_node_that_sent_nothing_nothing_is_measured),
        cmocka_unit_test(test_no_manner_of_a_few_nodes_hurts),
        cmocka_unit_test(test_a_report_tells_the_manner_of_a_node),
        cmocka_unit_test(test_what_is_stored_is_held_but_by_nodes_that_are_read_only),
        cmocka_unit_test(test_nodes_that_fail_keep_nothing_and_are_counted),
        cmocka_unit_test(test_a_deadline_of_an_hour_passes_when_the_test_says_so),
        cmocka_unit_test(test_a_latency_of_minutes_is_over_when_the_test_says_so),
        cmocka_unit_test(test_a_simulation_is_what_its_description_and_seed_make_it),
        cmocka_unit_test(test_descriptions_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
