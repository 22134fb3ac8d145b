/* A real node whose reads hang or fail: what needs no read is answered all the same, and nothing is held for ever. */
#include "server/test/node_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEALTH_CHECK "/grpc.health.v1.Health/Check"
#define CALLS        24 /* three times the workers that a node has */

/* ---- a node whose store has faults, and counts the reads that have begun ---- */

struct counting_store {
    struct sw_store store;
    struct sw_store *under;
    atomic_uint gets;
};

static enum sw_status counting_get(struct sw_store *store, const struct sw_key *key,
                                   const struct sw_store_reader *reader, struct sw_store_value *value,
                                   struct sw_error *error)
{
    struct counting_store *self = (struct counting_store *)store;
    atomic_fetch_add(&self->gets, 1);
    return self->under->get(self->under, key, reader, value, error);
}

static enum sw_status counting_info(struct sw_store *store, struct sw_store_info *info, struct sw_error *error)
{
    struct counting_store *self = (struct counting_store *)store;
    return self->under->info(self->under, info, error);
}

struct faulty_node {
    struct node *node;
    struct counting_store counting;
    struct sw_key key; /* of a value that it holds */
};

static void faulty_node_start(struct faulty_node *faulty, const char *spec)
{
    struct node *node = node_new();
    struct sw_store_faults faults;
    struct sw_error error = {0};
    struct sw_store *store;
    faulty->key = node_put(node, 1, 5000);
    if (sw_store_faults_parse(spec, &faults, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_int_equal(sw_store_fault_open(node->rocksdb, &faults, &store, &error), SW_OK);
    node->rocksdb = store; /* closing it closes both */
    faulty->counting = (struct counting_store){
        .store = {.size = sizeof(struct sw_store), .get = counting_get, .info = counting_info}, .under = store};
    faulty->node = node;
    node->store = &faulty->counting.store;
    node_start(node);
}

static struct stream *retrieve_open(struct faulty_node *faulty)
{
    ProtobufCBinaryData data = {.len = SW_KEY_BYTES, .data = faulty->key.bytes};
    Symwave__V1__RetrieveBatchRequest request = SYMWAVE__V1__RETRIEVE_BATCH_REQUEST__INIT;
    request.n_keys = 1;
    request.keys = &data;
    return stream_open_with(faulty->node, SYMBOL_STORE "RetrieveBatch", &request.base);
}

static void expect_served(struct node *node)
{
    struct reply reply = node_call(node, SYMBOL_STORE "GetNodeInfo", "", 0);
    reply_expect(&reply, SW_RPC_OK, "");
    reply = node_call(node, HEALTH_CHECK, "", 0);
    reply_expect(&reply, SW_RPC_OK, "");
    uint8_t name[] = {0x3a, 0x00}; /* list_services */
    struct stream *reflection = stream_open(node, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    assert_true(stream_send(reflection, name, sizeof(name)));
    assert_true(stream_wait(reflection, 1));
    reply = stream_close(reflection);
    reply_expect(&reply, SW_RPC_OK, "");
}

/* Reads until every worker hangs in one, and more wait for a worker. */
static void hang_all_workers(struct faulty_node *faulty, struct stream *streams[CALLS])
{
    for (size_t i = 0; i < CALLS; i++)
        streams[i] = retrieve_open(faulty);
    while (atomic_load(&faulty->counting.gets) < faulty->node->config.workers)
        usleep(1000);
}

static void test_reads_that_hang_on_all_workers_hold_up_nothing_else(void **state)
{
    (void)state;
    struct faulty_node faulty;
    struct stream *streams[CALLS];
    faulty_node_start(&faulty, "stall_after=0");
    hang_all_workers(&faulty, streams);
    expect_served(faulty.node);
    /* As symwaved does when it is told to stop: the calls then end well, within the grace. */
    sw_store_fault_end_waits(faulty.counting.under);
    assert_int_equal(node_stop(faulty.node, 3600000), 0);
    for (size_t i = 0; i < CALLS; i++) {
        struct reply reply = stream_end(streams[i]);
        if (reply.code == SW_RPC_UNAVAILABLE) /* it came after the node had begun to stop */
            reply_expect_pushback(&reply, SW_RPC_UNAVAILABLE, "", 1000);
        else
            reply_expect(&reply, SW_RPC_OK, "");
    }
    node_free(faulty.node);
}

static void test_reads_that_hang_end_when_their_callers_go(void **state)
{
    (void)state;
    struct faulty_node faulty;
    struct stream *streams[CALLS];
    faulty_node_start(&faulty, "stall_after=0");
    hang_all_workers(&faulty, streams);
    for (size_t i = 0; i < CALLS; i++) {
        stream_cancel(streams[i]);
        struct reply reply = stream_end(streams[i]);
        reply_expect(&reply, SW_RPC_CANCELLED, "");
    }
    assert_int_equal(node_stop(faulty.node, 3600000), 0); /* the node forgets them: it would wait for an hour */
    node_free(faulty.node);
}

static void test_read_that_fails_is_told_as_corrupt(void **state)
{
    (void)state;
    struct faulty_node faulty;
    faulty_node_start(&faulty, "error=100");
    struct stream *stream = retrieve_open(&faulty);
    assert_true(stream_wait(stream, 1));
    struct reply_message message = stream_message(stream, 0);
    Symwave__V1__RetrieveBatchResponse *response =
        symwave__v1__retrieve_batch_response__unpack(NULL, message.bytes_count, message.bytes);
    assert_non_null(response);
    assert_int_equal(response->n_corrupt, 1);
    assert_int_equal(response->n_symbols, 0);
    symwave__v1__retrieve_batch_response__free_unpacked(response, NULL);
    struct reply reply = stream_end(stream);
    reply_expect(&reply, SW_RPC_OK, "");
    node_free(faulty.node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_that_hang_on_all_workers_hold_up_nothing_else),
        cmocka_unit_test(test_reads_that_hang_end_when_their_callers_go),
        cmocka_unit_test(test_read_that_fails_is_told_as_corrupt),
    };
    return cmocka_run_group_tests_name("node fault", tests, NULL, NULL);
}
