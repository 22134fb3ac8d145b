/*
 * A real node whose callers go away, do not read, or are many: nothing is held for them any longer than needed, and the
 * node's memory stays flat.
 */
#include "server/test/node_fixture.h"
#include "symwave/client.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SYMBOLS      256
#define SYMBOL_BYTES 65536
#define KEYS         4096 /* each symbol 16 times: 256 MiB in one stream */

/* ---- a store that counts what is taken from it and given back, laid over the real one ---- */

struct counting_store {
    struct sw_store store;
    struct sw_store *under;
    atomic_uint gets;
    atomic_int held;
};

struct counted_value {
    struct counting_store *store;
    struct sw_store_value value;
};

static void counted_release(void *data)
{
    struct counted_value *counted = data;
    counted->value.release(counted->value.release_data);
    atomic_fetch_sub(&counted->store->held, 1);
    free(counted);
}

static enum sw_status counting_get(struct sw_store *store, const struct sw_key *key,
                                   const struct sw_store_reader *reader, struct sw_store_value *value,
                                   struct sw_error *error)
{
    struct counting_store *self = (struct counting_store *)store;
    struct counted_value *counted = malloc(sizeof(*counted));
    counted->store = self;
    enum sw_status status = self->under->get(self->under, key, reader, &counted->value, error);
    atomic_fetch_add(&self->gets, 1);
    *value = counted->value;
    if (status != SW_OK || !value->bytes) {
        free(counted);
        return status;
    }
    atomic_fetch_add(&self->held, 1);
    value->release = counted_release;
    value->release_data = counted;
    return SW_OK;
}

struct fixture {
    struct node *node;
    struct counting_store store;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->node = node_new();
    fixture->store.store = *fixture->node->rocksdb; /* what is not counted is never called here */
    fixture->store.store.get = counting_get;
    fixture->store.store.info = node_store_info;
    fixture->store.store.set_floor = NULL;
    fixture->store.under = fixture->node->rocksdb;
    fixture->node->store = &fixture->store.store;
    for (uint32_t i = 0; i < SYMBOLS; i++)
        node_put(fixture->node, i, SYMBOL_BYTES);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    node_free(fixture->node);
    assert_int_equal(atomic_load(&fixture->store.held), 0);
    free(fixture);
    return 0;
}

/* ---- a request for 256 MiB ---- */

struct large_request {
    Symwave__V1__RetrieveBatchRequest request;
    struct sw_key keys[SYMBOLS];
    ProtobufCBinaryData data[KEYS];
};

static struct large_request *large_request_new(void)
{
    struct large_request *large = calloc(1, sizeof(*large));
    for (uint32_t i = 0; i < SYMBOLS; i++) {
        uint8_t *value = value_make(i, SYMBOL_BYTES);
        large->keys[i] = sw_key_of_value(value, SYMBOL_BYTES);
        free(value);
    }
    for (size_t i = 0; i < KEYS; i++)
        large->data[i] = (ProtobufCBinaryData){.len = SW_KEY_BYTES, .data = large->keys[i % SYMBOLS].bytes};
    symwave__v1__retrieve_batch_request__init(&large->request);
    large->request.n_keys = KEYS;
    large->request.keys = large->data;
    return large;
}

static void wait_for_none_held(struct fixture *fixture)
{
    while (atomic_load(&fixture->store.held) > 0)
        usleep(1000);
}

static void test_cancel_in_mid_stream_ends_the_reading_and_frees_all(void **state)
{
    struct fixture *fixture = *state;
    node_start(fixture->node);
    struct large_request *large = large_request_new();
    for (size_t after = 0; after < 20; after++) {
        atomic_store(&fixture->store.gets, 0);
        struct stream *stream = stream_open_with(fixture->node, SYMBOL_STORE "RetrieveBatch", &large->request.base);
        stream_wait(stream, after);
        stream_cancel(stream);
        struct reply reply = stream_end(stream);
        reply_expect(&reply, SW_RPC_CANCELLED, "");
        wait_for_none_held(fixture);
        assert_true(atomic_load(&fixture->store.gets) < KEYS);
    }
    /* And the node is as good as before. */
    large->request.n_keys = SYMBOLS;
    struct reply reply = node_call_packed(fixture->node, SYMBOL_STORE "RetrieveBatch", &large->request.base);
    assert_int_equal(reply.count, SYMBOLS / 2 + 1); /* the first alone */
    reply_expect(&reply, SW_RPC_OK, "");
    free(large);
}

static void test_stop_cancels_streams_that_outlive_the_grace(void **state)
{
    struct fixture *fixture = *state;
    struct large_request *large = large_request_new();
    struct stream *streams[9];
    node_start(fixture->node);
    for (size_t i = 0; i < 8; i++)
        streams[i] = stream_open_with(fixture->node, SYMBOL_STORE "RetrieveBatch", &large->request.base);
    streams[8] = stream_open(fixture->node, SYMBOL_STORE "StoreBatch"); /* and one that sends nothing more */
    stream_send(streams[8], "", 0);
    for (size_t i = 0; i < 8; i++)
        assert_true(stream_wait(streams[i], 1));
    size_t cancelled = node_stop(fixture->node, 0);
    assert_in_range(cancelled, 1, 9);
    for (size_t i = 0; i < 9; i++) {
        struct reply reply = stream_end(streams[i]);
        assert_int_not_equal(reply.code, SW_RPC_OK);
        reply_clear(&reply);
    }
    free(large);
}

static void test_stop_lets_streams_finish_within_the_grace(void **state)
{
    struct fixture *fixture = *state;
    struct large_request *large = large_request_new();
    large->request.n_keys = 1000;
    node_start(fixture->node);
    struct stream *stream = stream_open_with(fixture->node, SYMBOL_STORE "RetrieveBatch", &large->request.base);
    assert_true(stream_wait(stream, 1));
    assert_int_equal(node_stop(fixture->node, 3600000), 0);
    struct reply reply = stream_end(stream);
    assert_int_equal(reply.count, 1000 / 2 + 1);
    reply_expect(&reply, SW_RPC_OK, "");
    free(large);
}

static void test_calls_beyond_the_memory_for_calls_are_told_that_the_node_is_busy(void **state)
{
    struct fixture *fixture = *state;
    fixture->node->config.limits.calls_bytes_max = 8u << 20; /* one StoreBatch */
    node_start(fixture->node);
    struct stream *stream = stream_open(fixture->node, SYMBOL_STORE "StoreBatch");
    assert_true(stream_send(stream, "", 0));
    /* The second message is only asked for once the first has been taken, so the stream is known to be under way. */
    assert_true(stream_send(stream, "", 0));
    struct large_request *large = large_request_new();
    large->request.n_keys = 1;
    struct reply reply;
    do { /* until the node has met the stream */
        reply = node_call_packed(fixture->node, SYMBOL_STORE "RetrieveBatch", &large->request.base);
        if (reply.code == SW_RPC_OK)
            reply_clear(&reply);
    } while (reply.code == SW_RPC_OK);
    reply_expect_pushback(&reply, SW_RPC_RESOURCE_EXHAUSTED, "the node is busy", 200);
    reply = node_call(fixture->node, "/grpc.health.v1.Health/Check", "", 0);
    reply_expect(&reply, SW_RPC_OK, ""); /* which is not to say that it is ill */
    reply = stream_close(stream);
    reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "the stream has none");
    do { /* until the node has forgotten it */
        reply = node_call_packed(fixture->node, SYMBOL_STORE "RetrieveBatch", &large->request.base);
        if (reply.code != SW_RPC_OK)
            reply_clear(&reply);
    } while (reply.code != SW_RPC_OK);
    reply_expect(&reply, SW_RPC_OK, "");
    free(large);
}

/* ---- slow readers: processes that ask for 256 MiB a stream and stop reading after the first messages ---- */

#define READERS        8
#define READER_STREAMS 4

static atomic_uint reader_messages;

static void stall_message(void *state, struct sw_rpc_message *message)
{
    sw_rpc_message_free(message);
    (void)state;
    if (atomic_fetch_add(&reader_messages, 1) + 1 < READER_STREAMS)
        return;
    if (write(STDOUT_FILENO, "r", 1) == 1)
        pause(); /* on the only thread that reads from the network */
}

static void stall_end(void *state, enum sw_rpc_code code, const char *details)
{
    (void)state;
    fprintf(stderr, "a slow reader's stream ended: %s %s\n", sw_rpc_code_name(code), details);
}

static int reader_main(const char *address)
{
    static const struct sw_rpc_client_handler handler = {.message = stall_message, .end = stall_end};
    struct sw_rpc_loop *loop;
    struct sw_error error;
    struct large_request *large = large_request_new();
    size_t bytes_count = protobuf_c_message_get_packed_size(&large->request.base);
    uint8_t *bytes = malloc(bytes_count);
    protobuf_c_message_pack(&large->request.base, bytes);
    if (sw_rpc_loop_new(&loop, &error) != SW_OK)
        return 1;
    struct sw_rpc_channel *channel = sw_rpc_channel_new(loop, address, &(struct sw_rpc_channel_options){0});
    for (int i = 0; i < READER_STREAMS; i++) {
        struct sw_rpc_message *request = sw_rpc_message_new();
        sw_rpc_message_add_copy(request, bytes, bytes_count);
        sw_rpc_client_start(channel, SYMBOL_STORE "RetrieveBatch", request, UINT64_MAX, &handler, NULL);
    }
    for (;;)
        pause();
}

static pid_t start_reader(const char *address, int ready)
{
    pid_t child = fork();
    if (child == 0) {
        dup2(ready, STDOUT_FILENO);
        execl("/proc/self/exe", "test_node_load", "--reader", address, (char *)NULL);
        _exit(127);
    }
    return child;
}

/* Bytes of memory that this process has now. */
static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0, resident = 0;
    assert_int_equal(fscanf(file, "%zu %zu", &pages, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_32_slow_readers_keep_memory_flat(void **state)
{
    struct fixture *fixture = *state;
    struct large_request *large = large_request_new();
    node_start(fixture->node);
    /* Warms up, with little, since freed memory would hide what the readers cost. */
    large->request.n_keys = 32;
    struct reply reply = node_call_packed(fixture->node, SYMBOL_STORE "RetrieveBatch", &large->request.base);
    reply_expect(&reply, SW_RPC_OK, "");
    wait_for_none_held(fixture);

    size_t before = resident_bytes();
    int ready[2];
    pid_t readers[READERS];
    assert_int_equal(pipe(ready), 0);
    for (int i = 0; i < READERS; i++)
        readers[i] = start_reader(fixture->node->address, ready[1]);
    for (int i = 0; i < READERS; i++) {
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
    }
    /* Until nothing more is read for them. */
    for (unsigned gets = 0; gets != atomic_load(&fixture->store.gets); usleep(500000))
        gets = atomic_load(&fixture->store.gets);
    size_t after = resident_bytes();
    int held = atomic_load(&fixture->store.held);
    print_message("%d streams stalled: %d values held, memory %zu -> %zu KiB\n", READERS * READER_STREAMS, held,
                  before >> 10, after >> 10);
    /* First, since readers that are left keep whoever runs this test waiting for the end of its output. */
    for (int i = 0; i < READERS; i++) {
        kill(readers[i], SIGKILL);
        waitpid(readers[i], NULL, 0);
    }
    close(ready[0]);
    close(ready[1]);
    /* Two messages of one value, and at most two more that the transport has begun to send. */
    assert_in_range(held, 1, READERS * READER_STREAMS * 4);
#if !defined(__SANITIZE_THREAD__) /* which has memory of its own for each byte that is touched, and for each thread */
    assert_true(after < before + READERS * READER_STREAMS * ((size_t)1 << 20));
#endif
    wait_for_none_held(fixture);
    free(large);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    sw_process_tune();
    if (argc == 3 && strcmp(argv[1], "--reader") == 0)
        return reader_main(argv[2]);
    const struct CMUnitTest tests[] = {
        TEST(test_cancel_in_mid_stream_ends_the_reading_and_frees_all),
        TEST(test_stop_cancels_streams_that_outlive_the_grace),
        TEST(test_stop_lets_streams_finish_within_the_grace),
        TEST(test_calls_beyond_the_memory_for_calls_are_told_that_the_node_is_busy),
        TEST(test_32_slow_readers_keep_memory_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
