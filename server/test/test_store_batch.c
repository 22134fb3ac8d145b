/* A real node's writing side over gRPC: StoreBatch, what it refuses and why, and what it does when the disk fails. */
#include "server/test/node_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef Symwave__V1__StoreBatchResponse Response;
#define STORED         SYMWAVE__V1__STORE_RESULT__OUTCOME__STORED
#define ALREADY_STORED SYMWAVE__V1__STORE_RESULT__OUTCOME__ALREADY_STORED
#define REFUSED        SYMWAVE__V1__STORE_RESULT__OUTCOME__REFUSED

#define METHOD SYMBOL_STORE "StoreBatch"

/* Sends one message of count values, with the key that goes with the first of them where it is not NULL. */
static bool send_values(struct stream *stream, uint8_t *const *values, const size_t *sizes, size_t count,
                        const void *key, size_t key_bytes)
{
    Symwave__V1__StoreBatchRequest request = SYMWAVE__V1__STORE_BATCH_REQUEST__INIT;
    Symwave__V1__StoreSymbol *symbols = calloc(count, sizeof(*symbols));
    Symwave__V1__StoreSymbol **pointers = calloc(count, sizeof(*pointers));
    for (size_t i = 0; i < count; i++) {
        symwave__v1__store_symbol__init(&symbols[i]);
        symbols[i].value = (ProtobufCBinaryData){.len = sizes[i], .data = values[i]};
        pointers[i] = &symbols[i];
    }
    symbols[0].key = (ProtobufCBinaryData){.len = key_bytes, .data = (uint8_t *)key};
    request.n_symbols = count;
    request.symbols = pointers;
    bool sent = stream_send_packed(stream, &request.base);
    free(symbols);
    free(pointers);
    return sent;
}

static bool send_value(struct stream *stream, uint32_t number, size_t bytes)
{
    uint8_t *value = value_make(number, bytes);
    bool sent = send_values(stream, &value, &bytes, 1, NULL, 0);
    free(value);
    return sent;
}

/* The response of a reply, which is cleared; the caller frees it. */
static Response *response_of(struct reply *reply)
{
    if (reply->code != SW_RPC_OK)
        fail_msg("%s: %s", sw_rpc_code_name(reply->code), reply->details);
    assert_int_equal(reply->count, 1);
    Response *response =
        symwave__v1__store_batch_response__unpack(NULL, reply->messages[0].bytes_count, reply->messages[0].bytes);
    assert_non_null(response);
    reply_clear(reply);
    return response;
}

static void assert_result(const Response *response, size_t at, int outcome, const char *reason)
{
    assert_true(at < response->n_results);
    assert_int_equal(response->results[at]->outcome, outcome);
    assert_int_equal(response->results[at]->key.len, SW_KEY_BYTES);
    assert_string_equal(response->results[at]->reason, reason);
}

static void assert_held(struct node *node, uint32_t number, size_t bytes)
{
    uint8_t *value = value_make(number, bytes);
    struct sw_key key = sw_key_of_value(value, bytes);
    struct sw_store_value held;
    struct sw_error error;
    assert_int_equal(node->rocksdb->get(node->rocksdb, &key, NULL, &held, &error), SW_OK);
    assert_non_null(held.bytes);
    assert_int_equal(held.bytes_count, bytes);
    assert_memory_equal(held.bytes, value, bytes);
    held.release(held.release_data);
    free(value);
}

static void test_symbols_of_many_messages_are_stored_in_order(void **state)
{
    struct node *node = *state;
    struct stream *stream = stream_open(node, METHOD);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(send_value(stream, i, 1 + i * 2600));
    struct reply reply = stream_close(stream);
    Response *response = response_of(&reply);
    assert_int_equal(response->n_results, 100);
    for (uint32_t i = 0; i < 100; i++) {
        uint8_t *value = value_make(i, 1 + i * 2600);
        struct sw_key key = sw_key_of_value(value, 1 + i * 2600);
        assert_result(response, i, STORED, "");
        assert_memory_equal(response->results[i]->key.data, &key, sizeof(key));
        assert_held(node, i, 1 + i * 2600);
        free(value);
    }
    symwave__v1__store_batch_response__free_unpacked(response, NULL);
}

/* The hash of 65,536 zero bytes, from b3sum. */
static void test_node_computes_keys_itself(void **state)
{
    struct node *node = *state;
    const char *expected = "3bdeaf8f8e98780b318106aafdc3ca257f73df123d97b69112b26044c91a7d56";
    struct sw_key key;
    assert_int_equal(sw_key_from_hex(expected, 64, &key, NULL), SW_OK);
    uint8_t *zeros = calloc(1, 65536);
    const size_t bytes = 65536;
    struct stream *stream = stream_open(node, METHOD);
    send_values(stream, &zeros, &bytes, 1, &key, sizeof(key));
    struct reply reply = stream_close(stream);
    Response *response = response_of(&reply);
    assert_result(response, 0, STORED, "");
    assert_memory_equal(response->results[0]->key.data, &key, sizeof(key));
    symwave__v1__store_batch_response__free_unpacked(response, NULL);
    free(zeros);
}

static void test_symbol_that_is_there_is_already_stored(void **state)
{
    struct node *node = *state;
    node_put(node, 1, 5000);
    struct stream *stream = stream_open(node, METHOD);
    uint8_t *values[] = {value_make(1, 5000), value_make(2, 70000), value_make(2, 70000)};
    const size_t sizes[] = {5000, 70000, 70000};
    send_values(stream, values, sizes, 3, NULL, 0);
    send_value(stream, 2, 70000);
    struct reply reply = stream_close(stream);
    Response *response = response_of(&reply);
    assert_int_equal(response->n_results, 4);
    assert_result(response, 0, ALREADY_STORED, "");
    assert_result(response, 1, STORED, "");
    assert_result(response, 2, ALREADY_STORED, ""); /* twice in one message */
    assert_result(response, 3, ALREADY_STORED, ""); /* and in another */
    symwave__v1__store_batch_response__free_unpacked(response, NULL);
    for (int i = 0; i < 3; i++)
        free(values[i]);
}

static void test_damaged_symbol_is_healed_by_storing_it_again(void **state)
{
    struct node *node = *state;
    struct sw_error error;
    struct sw_key key = node_put(node, 1, 5000);
    const uint8_t *wrong = (const uint8_t *)"rotten";
    const size_t wrong_bytes = 6;
    assert_int_equal(node->rocksdb->put_batch(node->rocksdb, &key, &wrong, &wrong_bytes, 1, &error), SW_OK);
    struct stream *stream = stream_open(node, METHOD);
    send_value(stream, 1, 5000);
    struct reply reply = stream_close(stream);
    Response *response = response_of(&reply);
    assert_result(response, 0, STORED, "");
    symwave__v1__store_batch_response__free_unpacked(response, NULL);
    assert_held(node, 1, 5000);
}

static void test_bad_symbols_are_refused_and_the_others_stored(void **state)
{
    struct node *node = *state;
    struct stream *stream = stream_open(node, METHOD);
    uint8_t *empty = value_make(0, 0), *large = value_make(1, 262145), *good = value_make(2, 100);
    const size_t none = 0, large_bytes = 262145, good_bytes = 100;
    struct sw_key other = {{1}};
    send_values(stream, &empty, &none, 1, NULL, 0);
    send_values(stream, &large, &large_bytes, 1, NULL, 0);
    send_values(stream, &good, &good_bytes, 1, &other, 31);
    send_values(stream, &good, &good_bytes, 1, "0123456789012345678901234567890123456789", 40);
    send_values(stream, &good, &good_bytes, 1, &other, 32);
    send_value(stream, 3, 262144);
    struct reply reply = stream_close(stream);
    Response *response = response_of(&reply);
    assert_int_equal(response->n_results, 6);
    assert_result(response, 0, REFUSED, "value: it is empty; a value has 1 to 262144 bytes");
    assert_result(response, 1, REFUSED, "value: it has 262145 bytes, the limit is 262144 (limits.value_bytes_max)");
    assert_result(response, 2, REFUSED, "key: a key is 32 bytes, got 31");
    assert_result(response, 3, REFUSED, "key: a key is 32 bytes, got 40");
    assert_result(response, 4, REFUSED, "key: the value does not hash to it");
    assert_result(response, 5, STORED, "");
    /* The hash of nothing, from b3sum. */
    struct sw_key hash;
    sw_key_from_hex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262", 64, &hash, NULL);
    assert_memory_equal(response->results[0]->key.data, &hash, sizeof(hash));
    symwave__v1__store_batch_response__free_unpacked(response, NULL);
    struct sw_store_info info;
    struct sw_error error;
    node->rocksdb->info(node->rocksdb, &info, &error);
    assert_int_equal(info.symbol_count, 1);
    free(empty);
    free(large);
    free(good);
}

static void test_many_small_symbols_in_one_message_are_grouped(void **state)
{
    struct node *node = *state;
    enum {
        COUNT = 16384 /* limits.store_symbols_max */
    };
    uint8_t **values = calloc(COUNT, sizeof(*values));
    size_t *sizes = calloc(COUNT, sizeof(*sizes));
    for (uint32_t i = 0; i < COUNT; i++) {
        values[i] = value_make(i, 16);
        sizes[i] = 16;
    }
    struct stream *stream = stream_open(node, METHOD);
    send_values(stream, values, sizes, COUNT, NULL, 0);
    struct reply reply = stream_close(stream);
    Response *response = response_of(&reply);
    assert_int_equal(response->n_results, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_result(response, i, STORED, "");
    symwave__v1__store_batch_response__free_unpacked(response, NULL);
    assert_held(node, COUNT - 1, 16);

    stream = stream_open(node, METHOD);
    send_values(stream, values, sizes, COUNT, NULL, 0);
    send_values(stream, values, sizes, 1, NULL, 0);
    reply = stream_close(stream);
    reply_expect(&reply, SW_RPC_RESOURCE_EXHAUSTED, "more than 16384 symbols (limits.store_symbols_max)");
    for (uint32_t i = 0; i < COUNT; i++)
        free(values[i]);
    free(values);
    free(sizes);
}

static void test_stream_beyond_its_bytes_is_ended(void **state)
{
    struct node *node = node_new();
    (void)state;
    node->config.limits.store_bytes_max = 1 << 20;
    node_start(node);
    struct stream *stream = stream_open(node, METHOD);
    for (uint32_t i = 0; i < 100 && send_value(stream, i, 65536); i++)
        ;
    struct reply reply = stream_close(stream);
    reply_expect(&reply, SW_RPC_RESOURCE_EXHAUSTED, "more than 1048576 bytes of values (limits.store_bytes_max)");
    node_free(node);
}

static void test_malformed_and_empty_streams_are_refused(void **state)
{
    struct node *node = *state;
    struct reply reply = stream_close(stream_open(node, METHOD));
    reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "symbols: the stream has none");

    static const char *const bad[] = {"\x0a\x05\x0a\x04xy", "\x0b", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
                                      "\x09\x01"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct stream *stream = stream_open(node, METHOD);
        send_value(stream, 1, 100);
        stream_send(stream, bad[i], strlen(bad[i]));
        reply = stream_close(stream);
        assert_non_null(strstr(reply.details, "byte "));
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "malformed");
    }
    struct stream *stream = stream_open(node, METHOD);
    size_t bytes = (4u << 20) + 1;
    uint8_t *large = calloc(1, bytes);
    stream_send(stream, large, bytes);
    reply = stream_close(stream);
    reply_expect(&reply, SW_RPC_RESOURCE_EXHAUSTED, "");
    free(large);
    reply = node_call(node, SYMBOL_STORE "GetNodeInfo", "", 0);
    reply_expect(&reply, SW_RPC_OK, "");
}

/* ---- a store that fails, laid over the real one ---- */

struct failing_store {
    struct sw_store store;
    struct sw_store *under;
    _Atomic(enum sw_status) get, put, sync; /* what each answers; SW_OK: as the store below */
};

static enum sw_status failing_get(struct sw_store *store, const struct sw_key *key,
                                  const struct sw_store_reader *reader, struct sw_store_value *value,
                                  struct sw_error *error)
{
    struct failing_store *self = (struct failing_store *)store;
    memset(value, 0, sizeof(*value));
    return self->get != SW_OK ? sw_error_set(error, self->get, "the disk has burnt")
                              : self->under->get(self->under, key, reader, value, error);
}

static enum sw_status failing_contains(struct sw_store *store, const struct sw_key *key, bool *held,
                                       struct sw_error *error)
{
    struct failing_store *self = (struct failing_store *)store;
    return self->under->contains(self->under, key, held, error);
}

static enum sw_status failing_put(struct sw_store *store, const struct sw_key *keys, const uint8_t *const *values,
                                  const size_t *values_bytes, size_t count, struct sw_error *error)
{
    struct failing_store *self = (struct failing_store *)store;
    return self->put != SW_OK ? sw_error_set(error, self->put, "/secret/path: the disk is full")
                              : self->under->put_batch(self->under, keys, values, values_bytes, count, error);
}

static enum sw_status failing_sync(struct sw_store *store, struct sw_error *error)
{
    struct failing_store *self = (struct failing_store *)store;
    return self->sync != SW_OK ? sw_error_set(error, self->sync, "the disk has burnt")
                               : self->under->sync(self->under, error);
}

static struct reply store_one(struct node *node)
{
    struct stream *stream = stream_open(node, METHOD);
    send_value(stream, 1, 5000);
    return stream_close(stream);
}

static void test_failures_of_the_store_fail_the_call_and_are_logged(void **state)
{
    struct node *node = node_new();
    struct failing_store failing = {.store = {.size = sizeof(struct sw_store),
                                              .get = failing_get,
                                              .info = node_store_info,
                                              .contains = failing_contains,
                                              .put_batch = failing_put,
                                              .sync = failing_sync},
                                    .under = node->rocksdb};
    (void)state;
    node->store = &failing.store;
    node_start(node);
    failing.put = SW_NO_SPACE;
    struct reply reply = store_one(node);
    assert_null(strstr(reply.details, "/secret"));
    reply_expect(&reply, SW_RPC_RESOURCE_EXHAUSTED, "disk is full");
    failing.put = SW_IO_ERROR;
    reply = store_one(node);
    reply_expect(&reply, SW_RPC_INTERNAL, "cannot write symbols");
    failing.put = SW_OK;
    failing.sync = SW_IO_ERROR;
    reply = store_one(node);
    reply_expect(&reply, SW_RPC_INTERNAL, "cannot make symbols durable");
    failing.get = SW_NO_MEMORY;
    reply = store_one(node); /* it is there now, but cannot be compared */
    reply_expect(&reply, SW_RPC_INTERNAL, "cannot read a symbol");
    assert_int_equal(atomic_load(&node->errors_logged), 4);

    uint8_t *value = value_make(1, 5000);
    struct sw_key key = sw_key_of_value(value, 5000);
    free(value);
    uint8_t request[34] = {0x0a, 32};
    memcpy(request + 2, &key, sizeof(key));
    char text[SW_KEY_BASE58_SIZE];
    sw_key_to_base58(&key, text);
    reply = node_call(node, SYMBOL_STORE "RetrieveBatch", request, sizeof(request));
    reply_expect(&reply, SW_RPC_INTERNAL, text);
    reply = node_call(node, SYMBOL_STORE "BatchGetValues", request, sizeof(request));
    reply_expect(&reply, SW_RPC_INTERNAL, text);

    /* One value that is damaged or cannot be read does not end a stream, and is replaced when it comes again. */
    static const enum sw_status failures[] = {SW_DATA_LOSS, SW_IO_ERROR};
    for (size_t i = 0; i < 2; i++) {
        failing.get = failures[i];
        reply = node_call(node, SYMBOL_STORE "RetrieveBatch", request, sizeof(request));
        assert_int_equal(reply.count, 1);
        Symwave__V1__RetrieveBatchResponse *response =
            symwave__v1__retrieve_batch_response__unpack(NULL, reply.messages[0].bytes_count, reply.messages[0].bytes);
        assert_int_equal(response->n_corrupt, 1);
        symwave__v1__retrieve_batch_response__free_unpacked(response, NULL);
        reply_expect(&reply, SW_RPC_OK, "");
        failing.sync = SW_OK;
        reply = store_one(node);
        Response *stored = response_of(&reply);
        assert_result(stored, 0, STORED, "");
        symwave__v1__store_batch_response__free_unpacked(stored, NULL);
    }
    node_free(node);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_setup, node_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_symbols_of_many_messages_are_stored_in_order),
        TEST(test_node_computes_keys_itself),
        TEST(test_symbol_that_is_there_is_already_stored),
        TEST(test_damaged_symbol_is_healed_by_storing_it_again),
        TEST(test_bad_symbols_are_refused_and_the_others_stored),
        TEST(test_many_small_symbols_in_one_message_are_grouped),
        cmocka_unit_test(test_stream_beyond_its_bytes_is_ended),
        TEST(test_malformed_and_empty_streams_are_refused),
        cmocka_unit_test(test_failures_of_the_store_fail_the_call_and_are_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
