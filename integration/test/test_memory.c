/*
 * Memory: a client that fetches 2 GiB stays under 64 MiB, and a server stays flat under 32 readers that do not read.
 *
 * Each side is a process of its own, so the peak that the kernel kept for it is its alone. Sanitizers keep memory of
 * their own: this test is built without them only.
 */
#include "cluster.h"
#include "common/clock.h"
#include "common/rpc.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES        8
#define VALUES       34953 /* 2 GiB */
#define READERS      32
#define CLIENT_KIB   (64 * 1024)
#define KIB_A_READER 1024

static struct cluster *cluster;
static struct sw_key *keys;

/* One replica of each, so that the test writes 2 GiB and not 12. */
static const struct sw_client_options client_options = {.size = sizeof(client_options), .candidates = 1};

static void store_all(void)
{
    sw_process_tune();
    struct sw_client *client = cluster_client(cluster, &client_options);
    free(values_store(client, VALUES, VALUE_BYTES));
    sw_client_close(client);
}

static int start_all(void **state)
{
    (void)state;
    cluster = cluster_start(NODES);
    assert_true(cluster_in_child(store_all));
    keys = calloc(VALUES, sizeof(*keys));
    uint8_t value[VALUE_BYTES];
    for (uint64_t i = 0; i < VALUES; i++) {
        value_fill(value, sizeof(value), i);
        keys[i] = sw_key_of_value(value, sizeof(value));
    }
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    free(keys);
    cluster_stop(cluster);
    return 0;
}

static void fetch_all(void)
{
    sw_process_tune();
    struct sw_client *client = cluster_client(cluster, &client_options);
    struct value_sink values;
    struct sw_report *report;
    struct sw_error error = {.message = ""};
    value_sink_init(&values, VALUES, VALUE_BYTES);
    const struct sw_sink sink = value_sink_as_sink(&values);
    enum sw_status status = sw_retrieve_stream(client, keys, VALUES, NULL, &sink, &report, &error);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    fprintf(stderr, "fetched %llu symbols in %.2f s, client peak %ld KiB, budget high water %llu KiB %s\n",
            (unsigned long long)values.received, (double)report->elapsed_us / 1e6, usage.ru_maxrss,
            (unsigned long long)report->budget_high_water_bytes / 1024, error.message);
    if (status != SW_OK || values.received != VALUES || values.wrong != 0 || usage.ru_maxrss > CLIENT_KIB)
        _exit(1);
    sw_report_free(report);
    sw_client_close(client);
}

static void test_client_fetches_2_gib_in_64_mib(void **state)
{
    (void)state;
    assert_true(cluster_in_child(fetch_all));
}

/* ---- slow readers ---- */

static atomic_int streaming; /* readers that have had a message */

/* state: whether this reader has had one; the network thread's alone. */
static void message_came(void *state, struct sw_rpc_message *message)
{
    bool *had_one = state;
    if (!*had_one)
        atomic_fetch_add(&streaming, 1);
    *had_one = true;
    sw_rpc_message_free(message);
}

static void ignore_end(void *state, enum sw_rpc_code code, const char *details)
{
    (void)state;
    (void)code;
    (void)details;
}

/* RetrieveBatchRequest: keys in field 1, no bound on bytes. */
static struct sw_rpc_message *request_for(const struct sw_key *wanted, size_t count)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    for (size_t i = 0; i < count; i++) {
        uint8_t field[2 + SW_KEY_BYTES] = {0x0a, SW_KEY_BYTES};
        memcpy(field + 2, wanted[i].bytes, SW_KEY_BYTES);
        sw_rpc_message_add_copy(message, field, sizeof(field));
    }
    return message;
}

/* 32 connections that ask node 0 for everything it has, and then stop reading for good. */
static void ask_and_stop(void)
{
    static const struct sw_rpc_client_handler handler = {.message = message_came, .end = ignore_end};
    const struct sw_rpc_channel_options options = {.message_bytes_max = 0};
    struct sw_rpc_loop *loop;
    struct sw_rpc_channel *channels[READERS];
    static bool had_one[READERS];
    if (sw_rpc_loop_new(&loop, NULL) != SW_OK)
        _exit(1);
    for (int i = 0; i < READERS; i++) {
        channels[i] = sw_rpc_channel_new(loop, cluster->nodes[0].address, &options);
        sw_rpc_client_start(channels[i], "/symwave.v1.SymbolStore/RetrieveBatch", request_for(keys, 5000),
                            SW_CLOCK_NEVER, &handler, &had_one[i]);
    }
    while (atomic_load(&streaming) < READERS)
        usleep(100);
    raise(SIGSTOP);
    _exit(0);
}

static void test_server_stays_flat_while_32_slow_readers_stream(void **state)
{
    (void)state;
    /* Afresh, so that nothing is hidden in memory which the server took for the store and keeps. */
    cluster_signal(cluster, 0, SIGKILL);
    cluster_restart(cluster, 0);
    long before = cluster_memory_kib(cluster, 0, "VmRSS");
    pid_t reader = fork();
    assert_true(reader >= 0);
    if (reader == 0)
        ask_and_stop();
    int status;
    assert_int_equal(waitpid(reader, &status, WUNTRACED), reader);
    assert_true(WIFSTOPPED(status));
    sleep(1); /* the server fills what windows and sockets take, and then waits */
    long during = cluster_memory_kib(cluster, 0, "VmRSS");
    sleep(1);
    long later = cluster_memory_kib(cluster, 0, "VmRSS");
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    print_message("server: %ld KiB before, %ld KiB with %d slow readers, %ld KiB a second later\n", before, during,
                  READERS, later);
    assert_true(during - before < READERS * KIB_A_READER);
    assert_true(later - during < 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_fetches_2_gib_in_64_mib),
        cmocka_unit_test(test_server_stays_flat_while_32_slow_readers_stream),
    };
    return cmocka_run_group_tests_name("memory", tests, start_all, stop_all);
}
