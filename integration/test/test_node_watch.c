/* Node lists that follow a file and the network, under a client at work on real nodes. */
#include "cluster.h"
#include "news.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES   4
#define SYMBOLS 40

static struct cluster *cluster;

static int start_all(void **state)
{
    (void)state;
    cluster = cluster_start(NODES);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    cluster_stop(cluster);
    return 0;
}

static const char *path(const char *name)
{
    return cluster_path(cluster, name);
}

/* Writes a list of the first nodes. */
static void write_list(const char *name, uint32_t count)
{
    FILE *file = fopen(path(name), "w");
    assert_non_null(file);
    fputs("nodes:\n", file);
    for (uint32_t i = 0; i < count; i++)
        fprintf(file, "- id: %s\n  address: %s\n", cluster->nodes[i].id, cluster->nodes[i].address);
    assert_int_equal(fclose(file), 0);
}

/* As news_wait, and the failures are so many and no more. */
static void wait_for(struct news *news, size_t count, unsigned failed)
{
    assert_int_equal(news_wait(news, count, failed), failed);
}

static uint32_t candidates(struct sw_client *client)
{
    struct sw_route route;
    const struct sw_key key = sw_key_of_value("x", 1);
    assert_int_equal(sw_client_route(client, &key, "", &route, NULL), SW_OK);
    return route.candidate_count;
}

static struct sw_client *client_on(uint32_t count)
{
    struct sw_node_list *list = sw_node_list_new();
    struct sw_client *client;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(sw_node_list_add(list, cluster->nodes[i].id, cluster->nodes[i].address, NULL), SW_OK);
    assert_int_equal(sw_client_open(NULL, list, &client, NULL), SW_OK);
    sw_node_list_free(list);
    return client;
}

/* ---- tests ---- */

static void test_a_list_follows_its_file(void **state)
{
    struct news news = NEWS;
    struct sw_client *client = client_on(1);
    struct sw_node_watch *watch;
    struct sw_error error = {0};
    (void)state;
    assert_int_equal(sw_node_watch_file(client, path("none"), news_tell, &news, &watch, &error), SW_NOT_FOUND);
    assert_null(watch);
    write_list("list", 2);
    assert_int_equal(sw_node_watch_file(client, path("list"), news_tell, &news, &watch, &error), SW_OK);
    assert_int_equal(news.count, 2); /* taken before it returns */
    assert_int_equal(candidates(client), 2);
    /* Replaced by a rename. */
    write_list("list.new", 3);
    assert_int_equal(rename(path("list.new"), path("list")), 0);
    wait_for(&news, 3, 0);
    assert_int_equal(candidates(client), 3);
    /* What is none is told of, and not taken. */
    FILE *file = fopen(path("list.new"), "w");
    fputs("nodes: 7\n", file);
    fclose(file);
    assert_int_equal(rename(path("list.new"), path("list")), 0);
    wait_for(&news, 3, 1);
    assert_non_null(strstr(news.error.message, "list:1:"));
    assert_int_equal(candidates(client), 3);
    /* Gone, it stays; and written in place. */
    assert_int_equal(unlink(path("list")), 0);
    usleep(100000);
    assert_int_equal(candidates(client), 3);
    write_list("list", 4);
    wait_for(&news, 4, 1);
    sw_node_watch_stop(watch);
    /* Behind a symbolic link that is swapped, as orchestrators do it. */
    assert_int_equal(mkdir(path("v1"), 0700) | mkdir(path("v2"), 0700), 0);
    write_list("v1/list", 1);
    write_list("v2/list", 2);
    assert_int_equal(symlink("v1", path("now")) | symlink("now/list", path("link")), 0);
    assert_int_equal(sw_node_watch_file(client, path("link"), news_tell, &news, &watch, &error), SW_OK);
    assert_int_equal(candidates(client), 1);
    assert_int_equal(symlink("v2", path("next")), 0);
    assert_int_equal(rename(path("next"), path("now")), 0);
    wait_for(&news, 2, 1);
    assert_int_equal(candidates(client), 2);
    sw_node_watch_stop(watch);
    sw_node_watch_stop(NULL);
    sw_client_close(client);
}

static void test_a_list_changes_under_retrievals(void **state)
{
    struct sw_client *client = client_on(NODES);
    struct sw_node_watch *watch;
    struct sw_error error = {0};
    (void)state;
    write_list("busy", NODES);
    struct sw_key *keys = values_store(client, SYMBOLS, VALUE_BYTES);
    assert_int_equal(sw_node_watch_file(client, path("busy"), NULL, NULL, &watch, &error), SW_OK);
    for (uint32_t i = 0; i < 30; i++) {
        struct value_sink values;
        value_sink_init(&values, SYMBOLS, VALUE_BYTES);
        const struct sw_sink sink = value_sink_as_sink(&values);
        struct sw_call *call;
        assert_int_equal(sw_retrieve_start(client, keys, SYMBOLS, NULL, &sink, NULL, &call, &error), SW_OK);
        write_list("busy.new", 1 + i % NODES);
        assert_int_equal(rename(path("busy.new"), path("busy")), 0);
        if (sw_retrieve_end(call, NULL, &error) != SW_OK)
            fail_msg("%s", error.message);
        assert_int_equal(values.received, SYMBOLS);
        value_sink_clear(&values);
    }
    sw_node_watch_stop(watch);
    sw_client_close(client);
    free(keys);
}

static bool is_serving(const struct sw_node_status *status, void *user_data)
{
    (void)user_data;
    return status->serving;
}

static void test_a_list_follows_the_network(void **state)
{
    struct news news = NEWS;
    struct sw_discover_options options = SW_DISCOVER_OPTIONS_INIT;
    struct sw_node_watch *watch;
    struct sw_error error = {0};
    struct sw_client *client = client_on(1);
    (void)state;
    /* The first node tells of nobody yet. */
    assert_int_equal(sw_node_watch_network(client, &options, 100, news_tell, &news, &watch, &error), SW_NOT_FOUND);
    assert_null(watch);
    write_list("known", NODES);
    char known[256];
    snprintf(known, sizeof(known), "%s", path("known"));
    const char *const arguments[] = {"--nodes", known, NULL};
    for (uint32_t i = 0; i < NODES; i++) {
        cluster_signal(cluster, i, SIGKILL);
        cluster_restart_with(cluster, i, arguments);
    }
    options.eligible = is_serving;
    assert_int_equal(sw_node_watch_network(client, &options, 100, news_tell, &news, &watch, &error), SW_OK);
    assert_int_equal(news.count, NODES);
    assert_int_equal(candidates(client), NODES);
    /* A node that goes is dropped, and taken in when it is back. */
    cluster_signal(cluster, 2, SIGKILL);
    wait_for(&news, NODES - 1, 0);
    assert_int_equal(candidates(client), NODES - 1);
    cluster_restart_with(cluster, 2, arguments);
    wait_for(&news, NODES, 0);
    sw_node_watch_stop(watch);
    sw_client_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_follows_its_file),
        cmocka_unit_test(test_a_list_changes_under_retrievals),
        cmocka_unit_test(test_a_list_follows_the_network),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
