/*
 * A node beside the program, asked before the network: over its Unix socket and on loopback; and what becomes of a
 * retrieval when that node is wrong, slow or not there.
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

#define NODES   6
#define SYMBOLS 300 /* of 60 KiB: more than is asked for at a time */

static struct cluster *cluster;
static struct sw_client *client;
static struct sw_key *keys;
static char local_socket[300];

static int start_all(void **state)
{
    (void)state;
    cluster = cluster_start(NODES);
    client = cluster_client(cluster, NULL);
    keys = values_store(client, SYMBOLS, VALUE_BYTES);
    snprintf(local_socket, sizeof(local_socket), "unix:%s/admin.sock", cluster->nodes[0].data);
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

/* Retrieves all with a store at an address asked first: the report is the caller's. */
static struct sw_report *retrieve(const char *address, const struct sw_node_store_options *options, uint64_t required)
{
    struct value_sink values;
    struct sw_node_store *store;
    struct sw_report *report;
    struct sw_error error = {0};
    value_sink_init(&values, SYMBOLS, VALUE_BYTES);
    assert_int_equal(sw_node_store_open(address, options, &store, &error), SW_OK);
    const struct sw_local_store local = sw_node_store_as_local_store(store);
    const struct sw_sink sink = value_sink_as_sink(&values);
    struct sw_retrieve_options retrieve_options = SW_RETRIEVE_OPTIONS_INIT;
    retrieve_options.local = &local;
    retrieve_options.required = required;
    if (sw_retrieve_stream(client, keys, SYMBOLS, &retrieve_options, &sink, &report, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_int_equal(values.wrong, 0);
    assert_int_equal(values.received, required ? required : SYMBOLS);
    sw_node_store_close(store);
    value_sink_clear(&values);
    return report;
}

static void expect_local(struct sw_report *report, uint64_t found)
{
    assert_int_equal(report->found_local, found);
    sw_report_free(report);
}

static void test_all_comes_from_the_node_beside(void **state)
{
    (void)state;
    expect_local(retrieve(local_socket, NULL, 0), SYMBOLS);
    expect_local(retrieve(cluster->nodes[0].address, NULL, 0), SYMBOLS);
    /* In small requests; and no more than is wanted. */
    struct sw_node_store_options options = SW_NODE_STORE_OPTIONS_INIT;
    options.keys_max = 7;
    expect_local(retrieve(local_socket, &options, 0), SYMBOLS);
    expect_local(retrieve(local_socket, &options, 10), 10);
    /* A symbol that is too large for it comes from the network. */
    options.keys_max = 0;
    options.value_bytes_max = VALUE_BYTES - 1;
    expect_local(retrieve(local_socket, &options, 0), 0);
}

static void test_what_it_has_wrong_comes_from_the_network(void **state)
{
    static const char *const half_wrong[] = {"--store-fault", "corrupt=50", NULL};
    (void)state;
    cluster_signal(cluster, 0, SIGKILL);
    cluster_restart_with(cluster, 0, half_wrong);
    struct sw_report *report = retrieve(local_socket, NULL, 0);
    assert_in_range(report->found_local, SYMBOLS / 5, SYMBOLS * 4 / 5);
    assert_int_equal(report->found_local + report->found_network, SYMBOLS);
    sw_report_free(report);
    cluster_signal(cluster, 0, SIGKILL);
    cluster_restart(cluster, 0);
}

static void test_without_it_all_comes_from_the_network(void **state)
{
    struct sw_node_store_options options = SW_NODE_STORE_OPTIONS_INIT;
    (void)state;
    options.stall_timeout_ms = 200;
    cluster_signal(cluster, 0, SIGSTOP);
    expect_local(retrieve(local_socket, &options, 0), 0);
    cluster_signal(cluster, 0, SIGCONT);
    cluster_signal(cluster, 0, SIGKILL);
    expect_local(retrieve(local_socket, NULL, 0), 0);
    expect_local(retrieve("unix:/nowhere/admin.sock", NULL, 0), 0);
    cluster_restart(cluster, 0);
    expect_local(retrieve(local_socket, NULL, 0), SYMBOLS);
}

static void test_an_address_of_another_machine_is_refused(void **state)
{
    struct sw_node_store *store;
    struct sw_error error = {0};
    struct sw_node_store_options options = SW_NODE_STORE_OPTIONS_INIT;
    char path[200] = "unix:";
    (void)state;
    assert_int_equal(sw_node_store_open("node.example:7400", NULL, &store, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "node.example:7400 is no address of this machine"));
    assert_null(store);
    assert_int_equal(sw_node_store_open(NULL, NULL, &store, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_node_store_open("unix:", NULL, &store, &error), SW_INVALID_ARGUMENT);
    memset(path + strlen("unix:"), 'a', 107);
    assert_int_equal(sw_node_store_open(path, NULL, &store, &error), SW_OK);
    sw_node_store_close(store);
    path[strlen(path)] = 'a';
    assert_int_equal(sw_node_store_open(path, NULL, &store, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "the path of a socket has 1 to 107 bytes, not 108"));
    options.keys_max = 1000000;
    assert_int_equal(sw_node_store_open(local_socket, &options, &store, &error), SW_INVALID_ARGUMENT);
    sw_node_store_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_comes_from_the_node_beside),
        cmocka_unit_test(test_what_it_has_wrong_comes_from_the_network),
        cmocka_unit_test(test_without_it_all_comes_from_the_network),
        cmocka_unit_test(test_an_address_of_another_machine_is_refused),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
