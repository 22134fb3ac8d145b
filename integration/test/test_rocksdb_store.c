/* The data folder of a node as a local store, while the node runs, when it is gone, and when the folder is none. */
#include "cluster.h"
#include "symwave/rocksdb_store.h"
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define NODES   2
#define SYMBOLS 300
#define MORE    100 /* stored later */

static struct cluster *cluster;
static struct sw_client *client;
static struct sw_key *keys;

static int start_all(void **state)
{
    (void)state;
    cluster = cluster_start(NODES);
    client = cluster_client(cluster, NULL);
    keys = values_store(client, SYMBOLS, VALUE_BYTES);
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

static struct sw_rocksdb_store *open_store(void)
{
    struct sw_rocksdb_store *store;
    struct sw_error error = {0};
    if (sw_rocksdb_store_open(cluster->nodes[0].data, &store, &error) != SW_OK)
        fail_msg("%s", error.message);
    return store;
}

/* Retrieves count symbols, the store being asked first, and returns how many came from it. */
static uint64_t retrieve(struct sw_rocksdb_store *store, uint64_t count)
{
    const struct sw_local_store local = sw_rocksdb_store_as_local_store(store);
    const struct sw_retrieve_options options = {.size = sizeof(options), .local = &local};
    struct value_sink values;
    struct sw_report *report;
    struct sw_error error = {0};
    value_sink_init(&values, count, VALUE_BYTES);
    const struct sw_sink sink = value_sink_as_sink(&values);
    if (sw_retrieve_stream(client, keys, count, &options, &sink, &report, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_int_equal(values.wrong, 0);
    assert_int_equal(values.received, count);
    assert_int_equal(report->found_local + report->found_network, count);
    uint64_t local_count = report->found_local;
    sw_report_free(report);
    value_sink_clear(&values);
    return local_count;
}

/* Names, sizes and times of all that is in a folder, in one number that changes when any of them does. */
static uint64_t state_of(const char *path)
{
    uint64_t sum = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char name[600];
        struct stat st;
        uint64_t hash = 14695981039346656037u;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, "..") == 0 || lstat(name, &st) != 0)
            continue;
        for (const char *c = entry->d_name; *c; c++)
            hash = (hash ^ (uint8_t)*c) * 1099511628211u;
        sum += hash * ((uint64_t)st.st_size * 31 + (uint64_t)st.st_mtim.tv_sec * 7 + (uint64_t)st.st_mtim.tv_nsec + 1);
    }
    closedir(folder);
    return sum;
}

static void test_a_node_that_runs_is_read_beside(void **state)
{
    (void)state;
    struct sw_rocksdb_store *store = open_store();
    assert_int_equal(retrieve(store, SYMBOLS), SYMBOLS);
    /* What is stored now is seen once the store is opened anew; the node goes on as before. */
    free(keys);
    keys = values_store(client, SYMBOLS + MORE, VALUE_BYTES);
    assert_int_equal(retrieve(store, SYMBOLS + MORE), SYMBOLS);
    assert_int_equal(sw_rocksdb_store_refresh(store, NULL), SW_OK);
    assert_int_equal(retrieve(store, SYMBOLS + MORE), SYMBOLS + MORE);
    sw_rocksdb_store_close(store);
}

static void test_the_folder_of_a_dead_node_is_read_and_left_as_it_is(void **state)
{
    (void)state;
    cluster_signal(cluster, 0, SIGKILL);
    uint64_t before = state_of(cluster->nodes[0].data);
    struct sw_rocksdb_store *store = open_store();
    assert_int_equal(retrieve(store, SYMBOLS + MORE), SYMBOLS + MORE);
    sw_rocksdb_store_close(store);
    assert_true(state_of(cluster->nodes[0].data) == before);
    cluster_restart(cluster, 0);
}

static void test_what_is_no_store_is_said_to_be_none(void **state)
{
    struct sw_rocksdb_store *store;
    struct sw_error error;
    (void)state;
    assert_int_equal(sw_rocksdb_store_open(cluster_path(cluster, "nothing"), &store, &error), SW_NOT_FOUND);
    assert_null(store);
    assert_non_null(strstr(error.message, "symwaved --data"));
    const char *folder = cluster_path(cluster, "folder");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(sw_rocksdb_store_open(folder, &store, &error), SW_NOT_FOUND);
    char path[600];
    snprintf(path, sizeof(path), "%s/CURRENT", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("not a manifest\n", file);
    fclose(file);
    enum sw_status status = sw_rocksdb_store_open(folder, &store, &error);
    assert_true(status == SW_DATA_LOSS || status == SW_IO_ERROR);
    assert_non_null(strstr(error.message, folder));
    sw_rocksdb_store_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_node_that_runs_is_read_beside),
        cmocka_unit_test(test_the_folder_of_a_dead_node_is_read_and_left_as_it_is),
        cmocka_unit_test(test_what_is_no_store_is_said_to_be_none),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
