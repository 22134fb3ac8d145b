/* Nodes that register at a real etcd, and a client whose node list follows it: nodes and etcd itself come and go. */
#include "cluster.h"
#include "common/etcd.h"
#include "news.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES   3
#define SYMBOLS 60
#define TTL     "2"

static char folder[] = "/tmp/symwave-etcd-XXXXXX";
static char endpoint[64];
static int client_port, peer_port;
static pid_t etcd_pid;
static struct cluster *cluster;
static const char *arguments[] = {"--etcd-endpoints", endpoint, "--etcd-ttl-seconds", TTL, NULL};

/* A port that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, bytes) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void etcd_start(void)
{
    char data[128], log[128], client_url[64], peer_url[64], initial[80];
    snprintf(data, sizeof(data), "%s/data", folder);
    snprintf(log, sizeof(log), "%s/log", folder);
    snprintf(client_url, sizeof(client_url), "http://127.0.0.1:%d", client_port);
    snprintf(peer_url, sizeof(peer_url), "http://127.0.0.1:%d", peer_port);
    snprintf(initial, sizeof(initial), "test=%s", peer_url);
    etcd_pid = fork();
    assert_true(etcd_pid >= 0);
    if (etcd_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execlp("etcd", "etcd", "--name", "test", "--data-dir", data, "--listen-client-urls", client_url,
               "--advertise-client-urls", client_url, "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls",
               peer_url, "--initial-cluster", initial, (char *)NULL);
        _exit(127);
    }
}

static void etcd_stop(void)
{
    int status;
    kill(etcd_pid, SIGKILL);
    assert_int_equal(waitpid(etcd_pid, &status, 0), etcd_pid);
    assert_true(WIFSIGNALED(status)); /* it ran until now, and so is installed */
}

static int start_all(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    client_port = free_port();
    peer_port = free_port();
    snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%d", client_port);
    etcd_start();
    cluster = cluster_start_with(NODES, arguments);
    return 0;
}

static int stop_all(void **state)
{
    char command[160];
    (void)state;
    cluster_stop(cluster);
    etcd_stop();
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

/* A client that knows one node that is not there, and what follows etcd for it. */
static struct sw_client *client_new(struct news *news, struct sw_node_watch **watch)
{
    const struct sw_etcd_options options = {.size = sizeof(options), .endpoints = endpoint};
    struct sw_node_list *list = sw_node_list_new();
    struct sw_client *client;
    struct sw_error error = {0};
    assert_int_equal(sw_node_list_add(list, "nobody", "127.0.0.1:1", NULL), SW_OK);
    assert_int_equal(sw_client_open(NULL, list, &client, NULL), SW_OK);
    sw_node_list_free(list);
    /* Nodes register once they serve, and etcd takes a moment to. */
    for (int tries = 0; sw_node_watch_etcd(client, &options, news_tell, news, watch, &error) != SW_OK; tries++) {
        if (tries == 600)
            fail_msg("%s", error.message);
        usleep(100000);
    }
    return client;
}

static void test_nodes_come_and_go(void **state)
{
    struct news news = NEWS;
    struct sw_node_watch *watch;
    struct sw_client *client = client_new(&news, &watch);
    (void)state;
    news_wait(&news, NODES, 0);
    struct sw_key *keys = values_store(client, SYMBOLS, VALUE_BYTES);

    cluster_signal(cluster, 1, SIGKILL); /* its lease ends */
    news_wait(&news, NODES - 1, 0);
    struct value_sink values;
    value_sink_init(&values, SYMBOLS, VALUE_BYTES);
    const struct sw_sink sink = value_sink_as_sink(&values);
    assert_int_equal(sw_retrieve_stream(client, keys, SYMBOLS, NULL, &sink, NULL, NULL), SW_OK);
    assert_int_equal(values.received, SYMBOLS);
    value_sink_clear(&values);
    cluster_restart_with(cluster, 1, arguments);
    news_wait(&news, NODES, 0);

    sw_node_watch_stop(watch);
    sw_client_close(client);
    free(keys);
}

static void test_etcd_itself_goes_and_comes_back(void **state)
{
    struct news news = NEWS;
    struct sw_node_watch *watch;
    struct sw_client *client = client_new(&news, &watch);
    (void)state;
    news_wait(&news, NODES, 0);
    etcd_stop();
    news_wait(&news, NODES, 1); /* told, and the list stays */
    struct sw_key *keys = values_store(client, SYMBOLS, VALUE_BYTES);
    free(keys);
    etcd_start();
    cluster_signal(cluster, 2, SIGKILL);
    news_wait(&news, NODES - 1, 1);
    cluster_restart_with(cluster, 2, arguments);
    news_wait(&news, NODES, 1);
    sw_node_watch_stop(watch);
    sw_client_close(client);
}

static void test_keys_that_are_no_nodes_are_passed_over(void **state)
{
    static const char *const bad[][2] = {{"no address", "nowhere"}, {"x", ""}, {"a b", "127.0.0.1:1"}, {"", "h:1"}};
    const struct sw_tls_files none = {.ca = NULL};
    struct sw_etcd *etcd;
    struct sw_node_list *list;
    struct sw_error error = {0};
    int64_t revision, leases[5];
    size_t passed_over;
    (void)state;
    assert_int_equal(sw_etcd_new(endpoint, NULL, false, &none, &etcd, &error), SW_OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(sw_etcd_register(etcd, bad[i][0], bad[i][1], 60, &leases[i], &error), SW_OK);
    assert_int_equal(sw_etcd_register(etcd, "z", "127.0.0.1:1", 60, &leases[4], &error), SW_OK);
    assert_int_equal(sw_etcd_list(etcd, &list, &revision, &passed_over, &error), SW_OK);
    assert_int_equal(passed_over, 4);
    assert_int_equal(sw_node_list_count(list), NODES + 1);
    assert_true(revision > 0);
    sw_node_list_free(list);
    assert_int_equal(sw_etcd_keep_alive(etcd, leases[4], &error), SW_OK);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(sw_etcd_revoke(etcd, leases[i], &error), SW_OK);
    assert_int_equal(sw_etcd_keep_alive(etcd, leases[4], &error), SW_NOT_FOUND);
    sw_etcd_free(etcd);
}

static void test_a_list_of_many_pages_is_whole(void **state)
{
    enum {
        MANY = 2100
    };
    const struct sw_tls_files none = {.ca = NULL};
    struct sw_etcd *etcd;
    struct sw_node_list *list;
    int64_t revision, lease;
    size_t passed_over;
    (void)state;
    /* Two endpoints, of which the first is dead. */
    char endpoints[100];
    snprintf(endpoints, sizeof(endpoints), "127.0.0.1:1,%s", endpoint);
    assert_int_equal(sw_etcd_new(endpoints, "/many/", false, &none, &etcd, NULL), SW_OK);
    assert_int_equal(sw_etcd_list(etcd, &list, &revision, &passed_over, NULL), SW_OK);
    assert_int_equal(sw_node_list_count(list), 0);
    sw_node_list_free(list);
    for (int i = 0; i < MANY; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%04d", i);
        assert_int_equal(sw_etcd_register(etcd, id, "127.0.0.1:1", 600, &lease, NULL), SW_OK);
    }
    assert_int_equal(sw_etcd_list(etcd, &list, &revision, &passed_over, NULL), SW_OK);
    assert_int_equal(sw_node_list_count(list), MANY);
    sw_node_list_free(list);
    sw_etcd_free(etcd);
}

static void test_what_cannot_be_asked_says_so(void **state)
{
    static const char *const wrong[] = {"", "nowhere", "127.0.0.1:1,", "127.0.0.1:1,x y:2"};
    struct sw_node_list *list = sw_node_list_new();
    struct sw_client *client;
    struct sw_node_watch *watch;
    struct sw_error error;
    (void)state;
    assert_int_equal(sw_node_list_add(list, "nobody", "127.0.0.1:1", NULL), SW_OK);
    assert_int_equal(sw_client_open(NULL, list, &client, NULL), SW_OK);
    sw_node_list_free(list);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct sw_etcd_options options = {.size = sizeof(options), .endpoints = wrong[i]};
        assert_int_equal(sw_node_watch_etcd(client, &options, NULL, NULL, &watch, &error), SW_INVALID_ARGUMENT);
        assert_null(watch);
    }
    struct sw_etcd_options options = {.size = sizeof(options), .endpoints = "127.0.0.1:1"};
    assert_int_equal(sw_node_watch_etcd(client, &options, NULL, NULL, &watch, &error), SW_UNAVAILABLE);
    assert_non_null(strstr(error.message, "127.0.0.1:1"));
    options.endpoints = endpoint;
    options.prefix = "/empty/";
    /* It has begun to watch by then, and ends while etcd's first answer to that is on its way. */
    for (int i = 0; i < 300; i++)
        assert_int_equal(sw_node_watch_etcd(client, &options, NULL, NULL, &watch, &error), SW_NOT_FOUND);
    options.prefix = "";
    assert_int_equal(sw_node_watch_etcd(client, &options, NULL, NULL, &watch, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_node_watch_etcd(client, NULL, NULL, NULL, &watch, &error), SW_INVALID_ARGUMENT);
    sw_client_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_come_and_go),
        cmocka_unit_test(test_etcd_itself_goes_and_comes_back),
        cmocka_unit_test(test_keys_that_are_no_nodes_are_passed_over),
        cmocka_unit_test(test_a_list_of_many_pages_is_whole),
        cmocka_unit_test(test_what_cannot_be_asked_says_so),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
