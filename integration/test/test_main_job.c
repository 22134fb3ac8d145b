/* The main job on real nodes: what is stored is retrieved, early, locally, partly, and all of it through node losses.
 */
#include "cluster.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES  8
#define VALUES 1500

static struct cluster *cluster;
static struct sw_client *client;
static struct sw_key *keys;

static int start_all(void **state)
{
    (void)state;
    cluster = cluster_start(NODES);
    client = cluster_client(cluster, NULL);
    keys = values_store(client, VALUES, VALUE_BYTES);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    free(keys);
    sw_client_close(client);
    cluster_stop(cluster);
    return 0;
}

/* Retrieves, checks that nothing wrong was delivered, and gives the report for the test to look at and free. */
static struct sw_report *retrieve(struct sw_client *with, uint64_t key_count, const struct sw_retrieve_options *options,
                                  enum sw_status expected)
{
    struct value_sink values;
    struct sw_report *report;
    struct sw_error error = {.message = ""};
    value_sink_init(&values, key_count, VALUE_BYTES);
    const struct sw_sink sink = value_sink_as_sink(&values);
    enum sw_status status = sw_retrieve_stream(with, keys, key_count, options, &sink, &report, &error);
    if (status != expected)
        print_message("%s\n", error.message);
    assert_int_equal(status, expected);
    assert_non_null(report);
    assert_int_equal(report->status, expected);
    assert_int_equal(values.wrong, 0);
    assert_int_equal(values.received, report->found_local + report->found_network);
    assert_true(report->budget_high_water_bytes <= report->budget_bytes);
    value_sink_clear(&values);
    return report;
}

/* How many the primaries give is not asked: one that is behind by more than a lease, on a busy machine, loses keys. */
static void test_all_symbols_come_back_in_waves(void **state)
{
    (void)state;
    const struct sw_retrieve_options options = {.size = sizeof(options), .task_id = "all"};
    struct sw_report *report = retrieve(client, VALUES, &options, SW_OK);
    assert_int_equal(report->found_network, VALUES);
    uint64_t found = 0;
    for (uint32_t wave = 0; wave < report->wave_count; wave++)
        found += report->waves[wave]->found;
    assert_int_equal(found, VALUES);
    assert_true(report->waves[0]->found > 0);
    assert_int_equal(report->bytes_received, (uint64_t)VALUES * VALUE_BYTES + report->bytes_wasted);
    assert_true(report->symbols_wasted <= VALUES / 20);
    assert_int_equal(report->node_count, NODES);
    assert_true(report->first_symbol_us > 0);
    sw_report_free(report);
}

static void test_early_stop_fetches_no_more_than_required(void **state)
{
    (void)state;
    const struct sw_retrieve_options options = {.size = sizeof(options), .required = VALUES * 17 / 100};
    struct sw_report *report = retrieve(client, VALUES, &options, SW_OK);
    assert_int_equal(report->found_network, VALUES * 17 / 100);
    /* But for hedges: 32 keys, where nodes are late. */
    assert_true(report->waves[0]->keys_asked <= VALUES * 17 / 100 + 32);
    assert_int_equal(report->bytes_received, (uint64_t)(VALUES * 17 / 100) * VALUE_BYTES + report->bytes_wasted);
    assert_true(report->symbols_wasted <= 32);
    sw_report_free(report);
}

static void test_map_in_memory_holds_the_same_symbols(void **state)
{
    (void)state;
    struct sw_symbol_map *map;
    assert_int_equal(sw_batch_retrieve(client, keys, 200, NULL, &map, NULL, NULL), SW_OK);
    assert_int_equal(sw_symbol_map_count(map), 200);
    uint8_t expected[VALUE_BYTES];
    for (uint64_t i = 0; i < 200; i++) {
        size_t bytes = 0;
        const void *value = sw_symbol_map_get(map, &keys[i], &bytes);
        value_fill(expected, sizeof(expected), i);
        assert_int_equal(bytes, VALUE_BYTES);
        assert_memory_equal(value, expected, VALUE_BYTES);
    }
    assert_null(sw_symbol_map_get(map, &keys[200], NULL));
    sw_symbol_map_free(map);
}

static void test_missing_keys_are_reported_and_the_rest_delivered(void **state)
{
    (void)state;
    struct sw_key some[20];
    memcpy(some, keys, sizeof(some));
    some[5] = sw_key_of_value("nobody stored this", 18);
    some[17] = sw_key_of_value("nor this", 8);
    struct value_sink values;
    struct sw_report *report;
    struct sw_error error;
    value_sink_init(&values, 20, VALUE_BYTES);
    const struct sw_sink sink = value_sink_as_sink(&values);
    assert_int_equal(sw_retrieve_stream(client, some, 20, NULL, &sink, &report, &error), SW_SHORT);
    assert_int_equal(values.received, 18);
    assert_int_equal(values.wrong, 0);
    assert_int_equal(report->missing, 2);
    assert_int_equal(report->missing_sample_count, 2);
    assert_int_equal(sw_key_compare(&report->missing_sample[0], &some[5]), 0);
    assert_int_equal(report->wave_count, 6); /* every candidate was asked */
    uint64_t said_missing = 0;
    for (uint32_t i = 0; i < report->wave_count; i++)
        said_missing += report->waves[i]->missing;
    assert_int_equal(said_missing, 12);
    assert_non_null(strstr(error.message, "18 of 20"));
    sw_report_free(report);
    value_sink_clear(&values);
}

static void test_keys_given_twice_are_delivered_once(void **state)
{
    (void)state;
    struct sw_key twice[30];
    memcpy(twice, keys, 10 * sizeof(*keys));
    memcpy(twice + 10, keys, 20 * sizeof(*keys));
    struct sw_symbol_map *map;
    struct sw_report *report;
    assert_int_equal(sw_batch_retrieve(client, twice, 30, NULL, &map, &report, NULL), SW_OK);
    assert_int_equal(report->keys, 20);
    assert_int_equal(report->keys_duplicate, 10);
    assert_int_equal(report->found_network, 20);
    sw_report_free(report);
    sw_symbol_map_free(map);
}

/* ---- local stores ---- */

static enum sw_status have_even_ones(const struct sw_key *asked, size_t key_count,
                                     bool (*found)(size_t, const void *, size_t, void *), void *found_data,
                                     struct sw_error *error, void *user_data)
{
    (void)error;
    size_t first = (size_t)(asked - keys);
    uint8_t value[VALUE_BYTES];
    ++*(int *)user_data;
    for (size_t i = 0; i < key_count; i++) {
        if ((first + i) % 2 != 0)
            continue;
        value_fill(value, sizeof(value), first + i);
        if ((first + i) % 10 == 0)
            value[0] ^= 1; /* rotten */
        if (!found(i, value, sizeof(value), found_data))
            break;
    }
    return SW_OK;
}

static void test_local_store_is_asked_first_and_not_trusted(void **state)
{
    (void)state;
    int batches = 0;
    const struct sw_local_store local = {.get_batch = have_even_ones, .user_data = &batches};
    const struct sw_retrieve_options options = {.size = sizeof(options), .local = &local};
    struct sw_report *report = retrieve(client, 1000, &options, SW_OK);
    assert_int_equal(batches, 1);
    assert_int_equal(report->found_local, 400);
    assert_int_equal(report->found_network, 600);
    sw_report_free(report);
}

static void test_local_store_that_has_enough_spares_the_network(void **state)
{
    (void)state;
    int batches = 0;
    const struct sw_local_store local = {.get_batch = have_even_ones, .user_data = &batches};
    const struct sw_retrieve_options options = {.size = sizeof(options), .local = &local, .required = 400};
    struct sw_report *report = retrieve(client, 1000, &options, SW_OK);
    assert_int_equal(report->requests, 0);
    assert_int_equal(report->found_local, 400);
    sw_report_free(report);
}

/* ---- sinks ---- */

static enum sw_status full_after_ten(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    (void)symbol;
    if (++*(int *)user_data > 10)
        return sw_error_set(error, SW_NO_SPACE, "the shelf is full");
    return SW_OK;
}

static void test_sink_that_fails_ends_the_retrieval_at_once(void **state)
{
    (void)state;
    int taken = 0;
    const struct sw_sink sink = {.take = full_after_ten, .user_data = &taken};
    struct sw_report *report;
    struct sw_error error;
    assert_int_equal(sw_retrieve_stream(client, keys, VALUES, NULL, &sink, &report, &error), SW_NO_SPACE);
    assert_string_equal(error.message, "the shelf is full");
    assert_int_equal(taken, 11);
    assert_int_equal(report->found_network, 10);
    sw_report_free(report);
}

static void dawdle(struct value_sink *sink)
{
    (void)sink;
    usleep(500);
}

static void test_slow_sink_slows_the_network_and_stays_in_budget(void **state)
{
    (void)state;
    const struct sw_client_options options = {.size = sizeof(options), .budget_bytes = 2u << 20};
    struct sw_client *small = cluster_client(cluster, &options);
    struct value_sink values;
    struct sw_report *report;
    value_sink_init(&values, 500, VALUE_BYTES);
    values.each = dawdle;
    const struct sw_sink sink = value_sink_as_sink(&values);
    assert_int_equal(sw_retrieve_stream(small, keys, 500, NULL, &sink, &report, NULL), SW_OK);
    assert_int_equal(values.wrong, 0);
    assert_true(report->budget_high_water_bytes <= 2u << 20);
    assert_int_equal(report->requests_failed, 0); /* a sink's slowness is not held against a node */
    sw_report_free(report);
    value_sink_clear(&values);
    sw_client_close(small);
}

/* ---- many at once ---- */

static void *retrieve_some(void *arg)
{
    const struct sw_retrieve_options options = {.size = sizeof(options), .task_id = arg};
    struct sw_report *report = retrieve(client, 300, &options, SW_OK);
    uint64_t found = report->found_network;
    sw_report_free(report);
    return (void *)(uintptr_t)found;
}

static void test_many_retrievals_share_one_client_and_its_budget(void **state)
{
    (void)state;
    static char tasks[12][16];
    pthread_t threads[12];
    for (int i = 0; i < 12; i++) {
        snprintf(tasks[i], sizeof(tasks[i]), "task-%d", i);
        assert_int_equal(pthread_create(&threads[i], NULL, retrieve_some, tasks[i]), 0);
    }
    for (int i = 0; i < 12; i++) {
        void *found;
        pthread_join(threads[i], &found);
        assert_int_equal((uintptr_t)found, 300);
    }
}

/* In the first symbol's sink, when the budget has filled: others must get what they want nevertheless. */
static void work_with_the_rest(struct value_sink *sink)
{
    const struct sw_retrieve_options options = {.size = sizeof(options), .deadline_ms = 60000};
    struct sw_client *small = sink->each_data;
    struct value_sink values;

    if (sink->received > 1)
        return;
    usleep(300000);
    value_sink_init(&values, 300, VALUE_BYTES);
    const struct sw_sink other = value_sink_as_sink(&values);
    assert_int_equal(sw_retrieve_stream(small, keys, 300, &options, &other, NULL, NULL), SW_OK);
    assert_int_equal(values.wrong, 0);
    value_sink_clear(&values);
    free(values_store(small, 100, VALUE_BYTES));
}

static void test_a_sink_that_stands_still_starves_nobody(void **state)
{
    (void)state;
    const struct sw_client_options options = {.size = sizeof(options), .budget_bytes = 2u << 20};
    struct sw_client *small = cluster_client(cluster, &options);
    struct value_sink values;
    struct sw_report *report;
    value_sink_init(&values, 500, VALUE_BYTES);
    values.each = work_with_the_rest;
    values.each_data = small;
    const struct sw_sink sink = value_sink_as_sink(&values);
    assert_int_equal(sw_retrieve_stream(small, keys, 500, NULL, &sink, &report, NULL), SW_OK);
    assert_int_equal(values.received, 500);
    assert_int_equal(values.wrong, 0);
    assert_true(report->budget_high_water_bytes <= 2u << 20);
    sw_report_free(report);
    value_sink_clear(&values);
    sw_client_close(small);
}

/* ---- progress ---- */

static void keep_last(const struct sw_progress *progress, void *user_data)
{
    *(struct sw_progress *)user_data = *progress;
}

static enum sw_status one_value(struct sw_value *value, struct sw_error *error, void *user_data)
{
    unsigned *left = user_data;
    (void)error;
    if (*left > 0)
        *value = (struct sw_value){.bytes = "a value", .bytes_count = 7};
    *left -= *left > 0;
    return SW_OK;
}

/* However short they are: the interval is one that never passes. */
static void test_progress_is_told_at_the_end_of_all(void **state)
{
    (void)state;
    struct sw_progress last = {.symbols = 0};
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    options.progress = keep_last;
    options.progress_data = &last;
    options.progress_interval_ms = 3600 * 1000;
    sw_report_free(retrieve(client, 300, &options, SW_OK));
    assert_int_equal(last.symbols, 300);
    assert_int_equal(last.symbols_total, 300);
    assert_int_equal(last.bytes, 300 * VALUE_BYTES);
    assert_int_equal(last.requests + last.nodes, 0);

    struct sw_store_options store = SW_STORE_OPTIONS_INIT;
    unsigned left = 3;
    store.progress = keep_last;
    store.progress_data = &last;
    store.progress_interval_ms = 3600 * 1000;
    assert_int_equal(sw_store_stream(client, one_value, &left, &store, NULL, NULL), SW_OK);
    assert_int_equal(last.symbols, 3);
    assert_int_equal(last.bytes, 21);
}

/* ---- ends ---- */

static void *fire_soon(void *cancel)
{
    usleep(20000);
    sw_cancel_fire(cancel);
    return NULL;
}

static void test_cancel_from_another_thread_ends_the_call(void **state)
{
    (void)state;
    struct sw_cancel *cancel = sw_cancel_new();
    struct value_sink values;
    struct sw_report *report;
    pthread_t thread;
    value_sink_init(&values, VALUES, VALUE_BYTES);
    values.each = dawdle;
    const struct sw_sink sink = value_sink_as_sink(&values);
    const struct sw_retrieve_options options = {.size = sizeof(options), .cancel = cancel};
    assert_int_equal(pthread_create(&thread, NULL, fire_soon, cancel), 0);
    assert_int_equal(sw_retrieve_stream(client, keys, VALUES, &options, &sink, &report, NULL), SW_CANCELLED);
    pthread_join(thread, NULL);
    assert_true(values.received < VALUES);
    assert_int_equal(values.wrong, 0);
    sw_report_free(report);
    value_sink_clear(&values);
    /* One that was fired before ends a call before it asks anyone. */
    report = retrieve(client, VALUES, &options, SW_CANCELLED);
    sw_report_free(report);
    sw_cancel_free(cancel);
}

static void test_arguments_are_checked(void **state)
{
    (void)state;
    struct sw_error error;
    struct sw_report *report = (struct sw_report *)1;
    const struct sw_sink none = {.take = NULL};
    assert_int_equal(sw_retrieve_stream(client, keys, 1, NULL, &none, &report, &error), SW_INVALID_ARGUMENT);
    assert_null(report);
    assert_int_equal(sw_retrieve_stream(client, keys, 0, NULL, &none, &report, &error), SW_INVALID_ARGUMENT);
    const struct sw_client_options options = {.size = sizeof(options), .request_keys_max = 601};
    struct sw_node_list *list = cluster_list(cluster);
    struct sw_client *refused;
    assert_int_equal(sw_client_open(&options, list, &refused, &error), SW_INVALID_ARGUMENT);
    assert_null(refused);
    assert_non_null(strstr(error.message, "request_keys_max"));
    sw_node_list_free(list);
    list = sw_node_list_new();
    assert_int_equal(sw_client_open(NULL, list, &refused, &error), SW_INVALID_ARGUMENT);
    sw_node_list_free(list);
    const struct sw_value empty = {.bytes = "", .bytes_count = 0};
    assert_int_equal(sw_store(client, &empty, 1, NULL, NULL, &error), SW_INVALID_ARGUMENT);
}

static void test_node_statuses_tell_what_each_node_holds(void **state)
{
    (void)state;
    struct sw_node_status **statuses;
    size_t count;
    assert_int_equal(sw_client_node_statuses(client, 5000, &statuses, &count, NULL), SW_OK);
    assert_int_equal(count, NODES);
    for (size_t i = 0; i < count; i++) {
        assert_true(statuses[i]->reached && statuses[i]->serving && statuses[i]->writable);
        assert_string_equal(statuses[i]->id, statuses[i]->reported_id);
        assert_true(statuses[i]->symbol_count > 0);
        assert_true(statuses[i]->keys_max >= 600);
    }
    sw_free(statuses);
}

static void test_node_list_is_replaced_at_run_time(void **state)
{
    (void)state;
    struct sw_node_list *wrong = sw_node_list_new();
    for (uint32_t i = 0; i < NODES; i++)
        assert_int_equal(sw_node_list_add(wrong, cluster->nodes[i].id, "127.0.0.1:1", NULL), SW_OK);
    struct sw_client *moved;
    assert_int_equal(sw_client_open(NULL, wrong, &moved, NULL), SW_OK);
    struct sw_report *report = retrieve(moved, 100, NULL, SW_SHORT);
    assert_int_equal(report->found_network, 0);
    assert_non_null(strstr(report->nodes[0]->last_error, "UNAVAILABLE"));
    sw_report_free(report);
    struct sw_node_list *right = cluster_list(cluster);
    assert_int_equal(sw_client_set_nodes(moved, right, NULL), SW_OK);
    report = retrieve(moved, 100, NULL, SW_OK);
    sw_report_free(report);
    sw_node_list_free(right);
    sw_node_list_free(wrong);
    sw_client_close(moved);
}

static void test_storing_again_finds_everything_present(void **state)
{
    (void)state;
    uint8_t bytes[3][VALUE_BYTES];
    struct sw_value values[3];
    for (int i = 0; i < 3; i++) {
        value_fill(bytes[i], VALUE_BYTES, (uint64_t)i);
        values[i] = (struct sw_value){.bytes = bytes[i], .bytes_count = VALUE_BYTES};
    }
    struct sw_store_report *report;
    assert_int_equal(sw_store(client, values, 3, NULL, &report, NULL), SW_OK);
    assert_int_equal(report->replicas_present, 18);
    assert_int_equal(report->replicas_placed, 0);
    sw_store_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_symbols_come_back_in_waves),
        cmocka_unit_test(test_early_stop_fetches_no_more_than_required),
        cmocka_unit_test(test_map_in_memory_holds_the_same_symbols),
        cmocka_unit_test(test_missing_keys_are_reported_and_the_rest_delivered),
        cmocka_unit_test(test_keys_given_twice_are_delivered_once),
        cmocka_unit_test(test_local_store_is_asked_first_and_not_trusted),
        cmocka_unit_test(test_local_store_that_has_enough_spares_the_network),
        cmocka_unit_test(test_sink_that_fails_ends_the_retrieval_at_once),
        cmocka_unit_test(test_slow_sink_slows_the_network_and_stays_in_budget),
        cmocka_unit_test(test_many_retrievals_share_one_client_and_its_budget),
        cmocka_unit_test(test_a_sink_that_stands_still_starves_nobody),
        cmocka_unit_test(test_progress_is_told_at_the_end_of_all),
        cmocka_unit_test(test_cancel_from_another_thread_ends_the_call),
        cmocka_unit_test(test_arguments_are_checked),
        cmocka_unit_test(test_node_statuses_tell_what_each_node_holds),
        cmocka_unit_test(test_node_list_is_replaced_at_run_time),
        cmocka_unit_test(test_storing_again_finds_everything_present),
    };
    return cmocka_run_group_tests_name("main job", tests, start_all, stop_all);
}
