/*
 * The SDK with an allocator of its host: every allocation fails once, in turn, over a retrieve, a store, a call, a put
 * and a get on real nodes. Each ends with an error or all the same, what it says is true, every block goes back to the
 * allocator that gave it, and none is left. gRPC's own allocations are its own: it aborts where one fails.
 */
#include "cluster.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define NODES      2
#define SYMBOLS    8
#define FILE_BYTES 150001
#define TIMEOUT_MS 60000

/* ---- allocations ---- */

static atomic_long until_failure; /* allocations until one fails; below 0: none does */
static atomic_long live;          /* blocks that have not been freed */

/* In front of each block: so that a block of another allocator is found out. */
union head {
    uint64_t mark;
    max_align_t align;
};
#define MARK UINT64_C(0x53594d5741564531)

static bool fails(void)
{
    return atomic_load(&until_failure) >= 0 && atomic_fetch_sub(&until_failure, 1) == 0;
}

static union head *head_of(void *block)
{
    union head *head = (union head *)block - 1;
    if (head->mark != MARK) {
        fputs("a block that this allocator did not give\n", stderr);
        abort();
    }
    return head;
}

static void *allocate(size_t bytes, void *user_data)
{
    assert_ptr_equal(user_data, &live);
    if (bytes == 0)
        abort();
    union head *head = fails() ? NULL : malloc(sizeof(*head) + bytes);
    if (!head)
        return NULL;
    atomic_fetch_add(&live, 1);
    head->mark = MARK;
    return head + 1;
}

static void *resize(void *block, size_t bytes, void *user_data)
{
    (void)user_data;
    union head *head = head_of(block);
    head = fails() ? NULL : realloc(head, sizeof(*head) + bytes);
    return head ? head + 1 : NULL;
}

static void release(void *block, void *user_data)
{
    (void)user_data;
    union head *head = head_of(block);
    head->mark = 0;
    free(head);
    atomic_fetch_sub(&live, 1);
}

/* ---- work ---- */

static struct cluster *cluster;
static struct sw_node_list *list;
static struct sw_key *keys;
static char file_path[400], layout_path[400], out_path[400], part_layout_path[400];

static int start_all(void **state)
{
    (void)state;
    static const struct sw_allocator allocator = {allocate, resize, release, &live};
    atomic_store(&until_failure, -1);
    if (sw_allocator_set(&allocator, NULL) != SW_OK)
        return -1;
    cluster = cluster_start(NODES);
    list = cluster_list(cluster);
    strcpy(file_path, cluster_path(cluster, "file"));
    strcpy(layout_path, cluster_path(cluster, "layout"));
    strcpy(part_layout_path, cluster_path(cluster, "new-layout"));
    strcpy(out_path, cluster_path(cluster, "out"));
    struct sw_client *client = cluster_client(cluster, NULL);
    keys = values_store(client, SYMBOLS, VALUE_BYTES);
    uint8_t *bytes = malloc(FILE_BYTES);
    FILE *file = fopen(file_path, "w");
    value_fill(bytes, FILE_BYTES, 3);
    fwrite(bytes, 1, FILE_BYTES, file);
    fclose(file);
    free(bytes);
    int failed = sw_put_file(client, file_path, layout_path, NULL, NULL, NULL) != SW_OK;
    sw_client_close(client);
    return failed ? -1 : 0;
}

static int stop_all(void **state)
{
    (void)state;
    free(keys);
    sw_node_list_free(list);
    cluster_stop(cluster);
    return atomic_load(&live) == 0 ? 0 : -1;
}

/* One of the four, from opening a client to closing it. What ends well must be right: it fails the test otherwise. */
typedef enum sw_status (*work_fn)(struct sw_error *error);

static struct sw_client *open_client(struct sw_error *error)
{
    struct sw_client *client;
    return sw_client_open(NULL, list, &client, error) == SW_OK ? client : NULL;
}

static enum sw_status retrieve(struct sw_error *error)
{
    struct sw_symbol_map *map = NULL;
    struct sw_report *report = NULL;
    struct sw_client *client = open_client(error);
    if (!client)
        return error->status;
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    options.deadline_ms = TIMEOUT_MS;
    enum sw_status status = sw_batch_retrieve(client, keys, SYMBOLS, &options, &map, &report, error);
    if (status == SW_OK)
        assert_int_equal(sw_symbol_map_count(map), SYMBOLS);
    if (report) {
        sw_free(sw_report_to_json(report));
        assert_int_equal(report->status, status);
    }
    sw_symbol_map_free(map);
    sw_report_free(report);
    sw_client_close(client);
    return status;
}

static enum sw_status store(struct sw_error *error)
{
    static const struct sw_value values[] = {
        {.bytes = "one", .bytes_count = 3}, {.bytes = "two", .bytes_count = 3}, {.bytes = "three", .bytes_count = 5}};
    struct sw_store_report *report = NULL;
    struct sw_client *client = open_client(error);
    if (!client)
        return error->status;
    struct sw_store_options options = SW_STORE_OPTIONS_INIT;
    options.deadline_ms = TIMEOUT_MS;
    enum sw_status status = sw_store(client, values, 3, &options, &report, error);
    if (status == SW_OK && report)
        assert_int_equal(report->symbols, 3);
    if (report)
        sw_free(sw_store_report_to_json(report));
    sw_store_report_free(report);
    sw_client_close(client);
    return status;
}

static enum sw_status put(struct sw_error *error)
{
    struct sw_put_report *report = NULL;
    struct sw_client *client = open_client(error);
    struct stat facts;
    if (!client)
        return error->status;
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;
    options.deadline_ms = TIMEOUT_MS;
    remove(part_layout_path);
    enum sw_status status = sw_put_file(client, file_path, part_layout_path, &options, &report, error);
    /* A layout is there whole or not at all. */
    assert_true((stat(part_layout_path, &facts) == 0) == (status == SW_OK));
    if (report)
        sw_free(sw_put_report_to_json(report));
    sw_put_report_free(report);
    sw_client_close(client);
    return status;
}

static enum sw_status get(struct sw_error *error)
{
    struct sw_get_report *report = NULL;
    struct sw_layout *layout = NULL;
    struct stat facts;
    struct sw_client *client = open_client(error);
    if (!client)
        return error->status;
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;
    options.deadline_ms = TIMEOUT_MS;
    remove(out_path);
    enum sw_status status = sw_layout_load(layout_path, &layout, error);
    if (status == SW_OK)
        status = sw_get_file(client, layout, out_path, &options, &report, error);
    assert_true((stat(out_path, &facts) == 0) == (status == SW_OK));
    if (status == SW_OK)
        assert_int_equal(facts.st_size, FILE_BYTES);
    if (report)
        sw_free(sw_get_report_to_json(report));
    sw_get_report_free(report);
    sw_layout_free(layout);
    sw_client_close(client);
    return status;
}

static enum sw_status count_symbol(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    size_t *received = user_data;
    (void)symbol;
    (void)error;
    ++*received;
    return SW_OK;
}

/* The same as calls that do not block, with a node beside the program asked first. */
static enum sw_status call(struct sw_error *error)
{
    char address[300];
    size_t received = 0;
    struct sw_node_store *beside = NULL;
    struct sw_call *started = NULL;
    struct sw_client *client = open_client(error);
    if (!client)
        return error->status;
    snprintf(address, sizeof(address), "unix:%s/admin.sock", cluster->nodes[0].data);
    const struct sw_sink sink = {.take = count_symbol, .user_data = &received};
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    struct sw_call_options call_options = SW_CALL_OPTIONS_INIT;
    struct sw_local_store local;
    options.deadline_ms = TIMEOUT_MS;
    options.task_id = "task";
    call_options.dispatch = true;
    enum sw_status status = sw_node_store_open(address, NULL, &beside, error);
    if (status == SW_OK) {
        local = sw_node_store_as_local_store(beside);
        options.local = &local;
        status = sw_retrieve_start(client, keys, SYMBOLS, &options, &sink, &call_options, &started, error);
    }
    if (status == SW_OK)
        status = sw_retrieve_end(started, NULL, error);
    if (status == SW_OK)
        assert_int_equal(received, SYMBOLS);
    sw_node_store_close(beside);
    sw_client_close(client);
    return status;
}

/* A retrieval during which another node joins, of what is there and one key that is nowhere. */
struct changing {
    struct sw_client *client;
    size_t received;
    enum sw_status status;
    struct sw_error error;
};

static enum sw_status change_nodes(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct changing *changing = user_data;
    (void)symbol;
    (void)error;
    if (changing->received++ == 0)
        changing->status = sw_client_set_nodes(changing->client, list, &changing->error);
    return SW_OK;
}

static enum sw_status retrieve_through_a_change(struct sw_error *error)
{
    struct sw_key more[SYMBOLS + 1];
    struct changing changing = {.status = SW_OK};
    struct sw_report *report = NULL;
    struct sw_node_list *fewer = sw_node_list_new();
    enum sw_status status =
        fewer ? SW_OK : (snprintf(error->message, sizeof(error->message), "no memory for a list"), SW_NO_MEMORY);
    for (size_t i = 0; i + 1 < sw_node_list_count(list) && status == SW_OK; i++)
        status = sw_node_list_add(fewer, sw_node_list_at(list, i)->id, sw_node_list_at(list, i)->address, error);
    if (status == SW_OK)
        status = sw_client_open(NULL, fewer, &changing.client, error);
    sw_node_list_free(fewer);
    if (status != SW_OK)
        return status;
    memcpy(more, keys, SYMBOLS * sizeof(*keys));
    memset(&more[SYMBOLS], 7, sizeof(more[SYMBOLS]));
    const struct sw_sink sink = {.take = change_nodes, .user_data = &changing};
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    options.deadline_ms = TIMEOUT_MS;
    status = sw_retrieve_stream(changing.client, more, SYMBOLS + 1, &options, &sink, &report, error);
    if (report)
        assert_int_equal(report->status, status);
    sw_report_free(report);
    sw_client_close(changing.client);
    if (status == SW_SHORT && changing.status == SW_OK && changing.received == SYMBOLS)
        return SW_OK; /* as it has to be */
    if (status == SW_SHORT && changing.status != SW_OK)
        *error = changing.error;
    return status == SW_SHORT && changing.status != SW_OK ? changing.status : status;
}

/* ---- the tests ---- */

/* Fails one allocation after the other, until the work is done before the one that would. */
static void fail_each(const char *name, work_fn work)
{
    struct sw_error error = {0};
    unsigned failed = 0, survived = 0;
    if (work(&error) != SW_OK)
        fail_msg("%s without failures: %s", name, error.message);
    for (long at = 0;; at++) {
        memset(&error, 0, sizeof(error));
        atomic_store(&until_failure, at);
        const long before = atomic_load(&live);
        enum sw_status status = work(&error);
        const bool was_reached = atomic_exchange(&until_failure, -1) < 0;
        assert_int_equal(atomic_load(&live), before);
        if (status != SW_OK && error.message[0] == '\0')
            fail_msg("%s, allocation %ld: %s, and nothing said", name, at, sw_status_name(status));
        if (!was_reached)
            break;
        *(status == SW_OK ? &survived : &failed) += 1;
    }
    printf("%s: %u allocations failed it, %u did not\n", name, failed, survived);
    assert_true(failed > 0);
    if (work(&error) != SW_OK)
        fail_msg("%s afterwards: %s", name, error.message);
}

static void test_retrieve(void **state)
{
    (void)state;
    fail_each("retrieve", retrieve);
}

static void test_retrieve_through_a_change(void **state)
{
    (void)state;
    fail_each("retrieve through a change", retrieve_through_a_change);
}

static void test_store(void **state)
{
    (void)state;
    fail_each("store", store);
}

static void test_call(void **state)
{
    (void)state;
    fail_each("call", call);
}

static void test_put(void **state)
{
    (void)state;
    fail_each("put", put);
}

static void test_get(void **state)
{
    (void)state;
    fail_each("get", get);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retrieve), cmocka_unit_test(test_retrieve_through_a_change),
        cmocka_unit_test(test_store),    cmocka_unit_test(test_call),
        cmocka_unit_test(test_put),      cmocka_unit_test(test_get),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
