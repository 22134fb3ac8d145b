/*
 * A network as networks are: of 24 nodes five are slow, one stands still and one sends wrong bytes. Every symbol comes
 * all the same, whole, and hardly anything is fetched twice. How long it takes is measured elsewhere (bench/tail.sh).
 */
#include "cluster.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES        24
#define VALUES       800
#define SLOW_NODES   5 /* the first ones */
#define STILL_NODE   5
#define CORRUPT_NODE 6
/* What may come beside what is needed: a tenth, and a little that does not grow with it, as what is under way at once.
 */
#define EXTRA_SYMBOLS 16

static struct cluster *cluster;
static struct sw_key *keys;

static void restart_with_fault(uint32_t node, const char *spec)
{
    const char *const arguments[] = {"--store-fault", spec, NULL};
    cluster_signal(cluster, node, SIGKILL);
    cluster_restart_with(cluster, node, arguments);
}

static int start_all(void **state)
{
    (void)state;
    cluster = cluster_start(NODES);
    struct sw_client *client = cluster_client(cluster, NULL);
    keys = values_store(client, VALUES, VALUE_BYTES);
    sw_client_close(client);
    char rate[32];
    snprintf(rate, sizeof(rate), "rate=%d",
             10 * VALUE_BYTES); /* ten values a second, where it is asked for a hundred */
    for (uint32_t i = 0; i < SLOW_NODES; i++)
        restart_with_fault(i, rate);
    restart_with_fault(CORRUPT_NODE, "corrupt=100");
    cluster_signal(cluster, STILL_NODE, SIGSTOP);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    free(keys);
    cluster_stop(cluster);
    return 0;
}

static const struct sw_report_node *node_of(const struct sw_report *report, uint32_t node)
{
    for (uint64_t i = 0; i < report->node_count; i++)
        if (strcmp(report->nodes[i]->id, cluster->nodes[node].id) == 0)
            return report->nodes[i];
    return NULL;
}

/* Retrieves that many and checks all that must hold; the caller frees the report. */
static struct sw_report *retrieve(struct sw_client *client, uint64_t required, const char *task_id)
{
    struct value_sink values;
    struct sw_report *report;
    struct sw_error error = {.message = ""};
    value_sink_init(&values, VALUES, VALUE_BYTES);
    const struct sw_sink sink = value_sink_as_sink(&values);
    /* The deadline is far off: a retrieval that hung on the node that stands still would run into it. */
    const struct sw_retrieve_options options = {
        .size = sizeof(options), .task_id = task_id, .required = required, .deadline_ms = 120000};
    enum sw_status status = sw_retrieve_stream(client, keys, VALUES, &options, &sink, &report, &error);
    uint64_t needed = required * VALUE_BYTES;
    print_message("%llu symbols in %.2f s, %.3f of them received, budget high water %llu KiB %s\n",
                  (unsigned long long)required, (double)report->elapsed_us / 1e6,
                  (double)report->bytes_received / (double)needed,
                  (unsigned long long)report->budget_high_water_bytes / 1024, error.message);
    assert_int_equal(status, SW_OK);
    assert_int_equal(values.received, required);
    assert_int_equal(values.wrong, 0);
    assert_int_equal(report->bytes, needed);
    assert_true(report->bytes_received <= needed + needed / 10 + EXTRA_SYMBOLS * VALUE_BYTES);
    assert_true(report->budget_high_water_bytes <= report->budget_bytes);
    value_sink_clear(&values);
    return report;
}

static void test_all_symbols_come_by_a_fresh_client(void **state)
{
    (void)state;
    struct sw_client *client = cluster_client(cluster, NULL);
    struct sw_report *report = retrieve(client, VALUES, "fresh");
    const struct sw_report_node *corrupt = node_of(report, CORRUPT_NODE);
    assert_non_null(corrupt);
    assert_true(corrupt->corrupt > 0);
    assert_int_equal(corrupt->found, 0);
    const struct sw_report_node *still = node_of(report, STILL_NODE);
    assert_non_null(still);
    assert_int_equal(still->found, 0);
    sw_report_free(report);
    sw_client_close(client);
}

static void test_all_symbols_come_by_a_client_that_has_met_the_nodes(void **state)
{
    (void)state;
    struct sw_client *client = cluster_client(cluster, NULL);
    sw_report_free(retrieve(client, VALUES, "first"));
    sw_report_free(retrieve(client, VALUES, "second"));
    sw_client_close(client);
}

static void test_a_part_of_the_symbols_comes(void **state)
{
    (void)state;
    struct sw_client *client = cluster_client(cluster, NULL);
    sw_report_free(retrieve(client, VALUES * 17 / 100, "part"));
    sw_client_close(client);
}

static void test_all_symbols_come_within_a_small_budget(void **state)
{
    (void)state;
    const struct sw_client_options options = {.size = sizeof(options), .budget_bytes = 2u << 20};
    struct sw_client *client = cluster_client(cluster, &options);
    struct sw_report *report = retrieve(client, VALUES, "small");
    assert_int_equal(report->budget_bytes, 2u << 20);
    sw_report_free(report);
    sw_client_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_symbols_come_by_a_fresh_client),
        cmocka_unit_test(test_all_symbols_come_by_a_client_that_has_met_the_nodes),
        cmocka_unit_test(test_a_part_of_the_symbols_comes),
        cmocka_unit_test(test_all_symbols_come_within_a_small_budget),
    };
    return cmocka_run_group_tests_name("tail", tests, start_all, stop_all);
}
