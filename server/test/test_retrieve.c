/* A real node's reading side over gRPC: BatchGetValues, RetrieveBatch, GetNodeInfo, and what they refuse. */
#include "server/test/node_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef Symwave__V1__RetrieveBatchResponse Response;

/* A list of keys as protobuf-c has it. */
struct key_list {
    ProtobufCBinaryData *data;
    struct sw_key *keys;
    size_t count;
};

static struct key_list keys_new(size_t count)
{
    struct key_list list = {calloc(count, sizeof(*list.data)), calloc(count, sizeof(*list.keys)), count};
    for (size_t i = 0; i < count; i++)
        list.data[i] = (ProtobufCBinaryData){.len = SW_KEY_BYTES, .data = list.keys[i].bytes};
    return list;
}

static void keys_free(struct key_list *list)
{
    free(list->data);
    free(list->keys);
}

/* A key that no test stores. */
static struct sw_key missing_key(uint32_t number)
{
    struct sw_key key;
    memset(key.bytes, 0xee, sizeof(key.bytes));
    memcpy(key.bytes, &number, sizeof(number));
    return key;
}

static struct reply batch_get(struct node *node, const struct key_list *list)
{
    Symwave__V1__BatchGetValuesRequest request = SYMWAVE__V1__BATCH_GET_VALUES_REQUEST__INIT;
    request.n_keys = list->count;
    request.keys = list->data;
    return node_call_packed(node, SYMBOL_STORE "BatchGetValues", &request.base);
}

static struct reply retrieve(struct node *node, const struct key_list *list, uint64_t max_bytes, bool verify)
{
    Symwave__V1__RetrieveBatchRequest request = SYMWAVE__V1__RETRIEVE_BATCH_REQUEST__INIT;
    request.n_keys = list->count;
    request.keys = list->data;
    request.max_bytes = max_bytes;
    request.verify = verify;
    return node_call_packed(node, SYMBOL_STORE "RetrieveBatch", &request.base);
}

/* Asks for the keys only; and for no more than one byte of values, which must not matter. */
static struct reply retrieve_keys(struct node *node, const struct key_list *list, bool verify)
{
    Symwave__V1__RetrieveBatchRequest request = SYMWAVE__V1__RETRIEVE_BATCH_REQUEST__INIT;
    request.n_keys = list->count;
    request.keys = list->data;
    request.max_bytes = 1;
    request.verify = verify;
    request.keys_only = true;
    return node_call_packed(node, SYMBOL_STORE "RetrieveBatch", &request.base);
}

/* ---- what a stream's messages say, in order ---- */

enum kind {
    SYMBOL,
    MISSING,
    LEFT_OUT,
    CORRUPT,
    HELD
};

struct told {
    enum kind kind[10000];
    struct sw_key keys[10000];
    size_t bytes[10000]; /* of a symbol */
    size_t count;
    uint64_t value_bytes;
    uint64_t left_out_bytes;
    size_t largest_message;
};

static void tell(struct told *told, enum kind kind, const ProtobufCBinaryData *key, size_t bytes)
{
    assert_int_equal(key->len, SW_KEY_BYTES);
    told->kind[told->count] = kind;
    told->bytes[told->count] = bytes;
    memcpy(told->keys[told->count++].bytes, key->data, SW_KEY_BYTES);
}

/* Reads all messages with protobuf-c, checks each symbol against its key, and clears the reply. */
static struct told *told_of(struct reply *reply)
{
    struct told *told = calloc(1, sizeof(*told));
    if (reply->code != SW_RPC_OK)
        fail_msg("%s: %s", sw_rpc_code_name(reply->code), reply->details);
    for (size_t m = 0; m < reply->count; m++) {
        Response *response = symwave__v1__retrieve_batch_response__unpack(NULL, reply->messages[m].bytes_count,
                                                                          reply->messages[m].bytes);
        assert_non_null(response);
        for (size_t i = 0; i < response->n_missing; i++)
            tell(told, MISSING, &response->missing[i], 0);
        for (size_t i = 0; i < response->n_symbols; i++) {
            const ProtobufCBinaryData *value = &response->symbols[i]->value;
            struct sw_key key = sw_key_of_value(value->data, value->len);
            tell(told, SYMBOL, &response->symbols[i]->key, value->len);
            assert_memory_equal(&key, &told->keys[told->count - 1], sizeof(key));
            told->value_bytes += value->len;
        }
        for (size_t i = 0; i < response->n_corrupt; i++)
            tell(told, CORRUPT, &response->corrupt[i], 0);
        for (size_t i = 0; i < response->n_left_out; i++)
            tell(told, LEFT_OUT, &response->left_out[i], 0);
        for (size_t i = 0; i < response->n_held; i++)
            tell(told, HELD, &response->held[i], 0);
        if (response->n_left_out > 0)
            told->left_out_bytes = response->left_out_bytes;
        if (reply->messages[m].bytes_count > told->largest_message)
            told->largest_message = reply->messages[m].bytes_count;
        symwave__v1__retrieve_batch_response__free_unpacked(response, NULL);
    }
    reply_clear(reply);
    return told;
}

static void assert_told(const struct told *told, size_t at, enum kind kind, const struct sw_key *key)
{
    assert_int_equal(told->kind[at], kind);
    assert_memory_equal(&told->keys[at], key, sizeof(*key));
}

/* Every third key of the list, from the first on, is told as missing and the others as a kind, each in its order. */
static void assert_told_in_order_with_every_third_missing(const struct told *told, const struct key_list *list,
                                                          enum kind kind)
{
    size_t at[2] = {0, 0};
    assert_int_equal(told->count, list->count);
    for (size_t i = 0; i < told->count; i++) {
        assert_true(told->kind[i] == kind || told->kind[i] == MISSING);
        size_t *next = &at[told->kind[i] == MISSING];
        while ((*next % 3 == 0) != (told->kind[i] == MISSING))
            ++*next;
        assert_memory_equal(&told->keys[i], &list->keys[*next], sizeof(struct sw_key));
        ++*next;
    }
}

/* ---- BatchGetValues ---- */

static void test_batch_get_answers_every_key_in_order(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(4);
    list.keys[0] = node_put(node, 1, 65536);
    list.keys[1] = missing_key(1);
    list.keys[2] = node_put(node, 2, 1);
    list.keys[3] = list.keys[0];
    struct reply reply = batch_get(node, &list);
    assert_int_equal(reply.code, SW_RPC_OK);
    assert_int_equal(reply.count, 1);
    Symwave__V1__BatchGetValuesResponse *response =
        symwave__v1__batch_get_values_response__unpack(NULL, reply.messages[0].bytes_count, reply.messages[0].bytes);
    assert_non_null(response);
    assert_int_equal(response->n_values, 4);
    static const size_t sizes[] = {65536, 0, 1, 65536};
    static const uint32_t numbers[] = {1, 0, 2, 1};
    for (size_t i = 0; i < 4; i++) {
        const Symwave__V1__Value *value = response->values[i];
        assert_int_equal(value->key.len, SW_KEY_BYTES);
        assert_memory_equal(value->key.data, &list.keys[i], SW_KEY_BYTES);
        assert_int_equal(value->found, i != 1);
        assert_int_equal(value->value.len, sizes[i]);
        uint8_t *expected = value_make(numbers[i], sizes[i]);
        if (sizes[i] > 0)
            assert_memory_equal(value->value.data, expected, sizes[i]);
        free(expected);
    }
    symwave__v1__batch_get_values_response__free_unpacked(response, NULL);
    reply_clear(&reply);
    keys_free(&list);
}

static void test_batch_get_beyond_a_message_says_what_to_do(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(70);
    struct sw_key key = node_put(node, 1, 65536);
    for (size_t i = 0; i < list.count; i++)
        list.keys[i] = key;
    struct reply reply = batch_get(node, &list);
    /* 63 values of 65,536 bytes and their framing fit into 4,194,304 bytes; the 64th does not. */
    reply_expect(&reply, SW_RPC_RESOURCE_EXHAUSTED, "keys[63]: the values up to here pass 4194304 bytes");
    list.count = 63;
    reply = batch_get(node, &list);
    assert_int_equal(reply.code, SW_RPC_OK);
    assert_true(reply.messages[0].bytes_count <= 4u << 20);
    reply_clear(&reply);
    keys_free(&list);
}

/* ---- bad requests: the same for both ---- */

static void test_bad_key_lists_are_refused_by_name_index_and_limit(void **state)
{
    struct node *node = *state;
    static const char *const methods[] = {SYMBOL_STORE "BatchGetValues", SYMBOL_STORE "RetrieveBatch"};
    for (size_t i = 0; i < 2; i++) {
        struct reply reply = node_call(node, methods[i], "", 0);
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "keys: the list is empty; give 1 to 5000 keys");

        uint8_t keys[4 * 34 - 1];
        memset(keys, 7, sizeof(keys));
        for (size_t k = 0; k < 4; k++) {
            keys[k * 34] = 0x0a;
            keys[k * 34 + 1] = k == 3 ? 31 : 32;
        }
        reply = node_call(node, methods[i], keys, sizeof(keys));
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "keys[3]: a key is 32 bytes, got 31");
        reply = node_call(node, methods[i], keys, 3 * 34 - 1);
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "keys, at byte 68, is cut short");
        reply = node_call(node, methods[i], "\x0b", 1);
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "byte 0");
        reply = node_call(node, methods[i], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "malformed");
        reply = node_call(node, methods[i], "\x90\x80\x80\x80\x80\x00\x01", 7); /* max_bytes, its tag in six bytes */
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "malformed");
        reply = node_call(node, methods[i], "\x12\x01x", 3);
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "max_bytes, at byte 0, has wire type 2 and not 0");
        reply = node_call(node, methods[i], "\x22\x01x", 3);
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "keys_only, at byte 0, has wire type 2 and not 0");

        struct key_list list = keys_new(5001);
        reply = i == 0 ? batch_get(node, &list) : retrieve(node, &list, 0, false);
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "keys: 5001 keys in one request, the limit is 5000");
        keys_free(&list);
    }
}

static void test_request_beyond_the_message_limit_is_refused(void **state)
{
    struct node *node = *state;
    size_t bytes = (4u << 20) + 1;
    uint8_t *request = calloc(1, bytes);
    struct reply reply = node_call(node, SYMBOL_STORE "RetrieveBatch", request, bytes);
    reply_expect(&reply, SW_RPC_RESOURCE_EXHAUSTED, "");
    free(request);
}

static void test_unknown_fields_of_a_later_version_are_passed_over(void **state)
{
    struct node *node = *state;
    struct sw_key key = node_put(node, 1, 10);
    /* Field 5 a number, field 6 a string, field 7 four bytes, and then the one key. */
    uint8_t request[10 + 34] = {0x28, 0x05, 0x32, 0x01, 'x', 0x3d, 1, 2, 3, 4, 0x0a, 32};
    memcpy(request + 12, &key, sizeof(key));
    struct reply reply = node_call(node, SYMBOL_STORE "RetrieveBatch", request, sizeof(request));
    struct told *told = told_of(&reply);
    assert_int_equal(told->count, 1);
    assert_told(told, 0, SYMBOL, &key);
    free(told);
}

/* ---- RetrieveBatch ---- */

static void test_retrieve_answers_each_key_once_in_order(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(900);
    for (uint32_t i = 0; i < list.count; i++)
        list.keys[i] = i % 3 == 0 ? missing_key(i) : node_put(node, i, i % 50 == 1 ? 65536 : 1 + i * 3);
    struct reply reply = retrieve(node, &list, 0, false);
    struct told *told = told_of(&reply);
    assert_told_in_order_with_every_third_missing(told, &list, SYMBOL);
    free(told);
    keys_free(&list);
}

static void test_retrieve_packs_small_symbols_and_sends_large_ones_by_twos(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(64);
    for (uint32_t i = 0; i < list.count; i++)
        list.keys[i] = node_put(node, i, 1000);
    struct reply reply = retrieve(node, &list, 0, false);
    assert_int_equal(reply.count, 2); /* 48 KiB are 48 symbols of 1,000 bytes and 38 more each */
    free(told_of(&reply));
    for (uint32_t i = 0; i < list.count; i++)
        list.keys[i] = node_put(node, i, 61440);
    reply = retrieve(node, &list, 0, false);
    assert_int_equal(reply.count, 1 + 63 / 2 + 1); /* the first alone, so that it comes soon; and the last */
    struct told *told = told_of(&reply);
    assert_true(told->largest_message < 2 * (61440 + 64));
    free(told);
    keys_free(&list);
}

static void test_retrieve_tells_runs_of_missing_keys_in_pieces(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(5000);
    for (uint32_t i = 0; i < list.count; i++)
        list.keys[i] = missing_key(i);
    struct reply reply = retrieve(node, &list, 0, false);
    assert_int_equal(reply.count, 20); /* ceil(5000 / 256) */
    struct told *told = told_of(&reply);
    assert_int_equal(told->count, 5000);
    for (size_t i = 0; i < told->count; i++)
        assert_told(told, i, MISSING, &list.keys[i]);
    free(told);
    keys_free(&list);
}

static void test_max_bytes_is_never_passed_and_the_rest_is_left_out(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(3000);
    for (uint32_t i = 0; i < list.count; i++)
        list.keys[i] = i < 10 && i != 2 ? node_put(node, i, 1000 + i) : missing_key(i);
    /* 0, 1, 3, 4 fit into 4,010 bytes: 1,000 + 1,001 + 1,003 + 1,004 = 4,008; 5 has 1,005. */
    struct reply reply = retrieve(node, &list, 4010, false);
    struct told *told = told_of(&reply);
    assert_int_equal(told->count, list.count);
    assert_int_equal(told->value_bytes, 4008);
    assert_int_equal(told->left_out_bytes, 1005);
    assert_told(told, 0, MISSING, &list.keys[2]);
    assert_told(told, 1, SYMBOL, &list.keys[0]);
    assert_told(told, 4, SYMBOL, &list.keys[4]);
    for (size_t i = 5; i < told->count; i++)
        assert_told(told, i, LEFT_OUT, &list.keys[i]);
    free(told);

    list.count = 1;
    reply = retrieve(node, &list, 999, false);
    told = told_of(&reply);
    assert_told(told, 0, LEFT_OUT, &list.keys[0]);
    assert_int_equal(told->left_out_bytes, 1000);
    free(told);
    reply = retrieve(node, &list, 1000, false);
    told = told_of(&reply);
    assert_told(told, 0, SYMBOL, &list.keys[0]);
    free(told);
    keys_free(&list);
}

/* Puts a value of which one bit is wrong under the key of value_make(number, bytes). */
static void put_damaged(struct node *node, const struct sw_key *key, uint32_t number, size_t bytes)
{
    struct sw_error error;
    uint8_t *wrong = value_make(number, bytes);
    wrong[bytes - 1] ^= 1;
    assert_int_equal(node->rocksdb->put_batch(node->rocksdb, key, (const uint8_t *const *)&wrong, &bytes, 1, &error),
                     SW_OK);
    free(wrong);
}

static void test_verify_answers_damaged_values_as_corrupt_and_logs_them(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(3);
    for (uint32_t i = 0; i < 3; i++)
        list.keys[i] = node_put(node, i, 60000);
    put_damaged(node, &list.keys[1], 1, 60000);
    struct reply reply = retrieve(node, &list, 0, true);
    struct told *told = told_of(&reply);
    assert_int_equal(told->count, 3);
    assert_told(told, 0, SYMBOL, &list.keys[0]);
    size_t corrupt = told->kind[1] == CORRUPT ? 1 : 2;
    assert_told(told, corrupt, CORRUPT, &list.keys[1]);
    assert_told(told, 3 - corrupt, SYMBOL, &list.keys[2]);
    assert_int_equal(atomic_load(&node->errors_logged), 1);
    free(told);
    keys_free(&list);
}

/* ---- RetrieveBatch of keys only ---- */

static void test_keys_only_tells_held_and_missing_in_order_without_values(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(900);
    for (uint32_t i = 0; i < list.count; i++)
        list.keys[i] = i % 3 == 0 ? missing_key(i) : node_put(node, i, i % 50 == 1 ? 65536 : 1 + i * 3);
    for (int verify = 0; verify < 2; verify++) {
        struct reply reply = retrieve_keys(node, &list, verify);
        assert_int_equal(reply.count, 4); /* ceil(900 / 256) */
        struct told *told = told_of(&reply);
        assert_told_in_order_with_every_third_missing(told, &list, HELD);
        assert_int_equal(told->largest_message, 256 * 34);
        free(told);
    }
    keys_free(&list);
}

static void test_keys_only_takes_as_many_keys_as_any_request(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(5001);
    for (uint32_t i = 0; i < list.count; i++)
        list.keys[i] = i % 3 == 0 ? missing_key(i) : i < 300 ? node_put(node, i, 5000) : list.keys[i % 300];
    struct reply reply = retrieve_keys(node, &list, false);
    reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "keys: 5001 keys in one request, the limit is 5000");
    list.count = 5000;
    reply = retrieve_keys(node, &list, false);
    assert_int_equal(reply.count, 20); /* ceil(5000 / 256) */
    struct told *told = told_of(&reply);
    assert_told_in_order_with_every_third_missing(told, &list, HELD);
    free(told);
    keys_free(&list);
}

static void test_keys_only_finds_damage_where_it_is_to_verify(void **state)
{
    struct node *node = *state;
    struct key_list list = keys_new(4);
    for (uint32_t i = 0; i < 3; i++)
        list.keys[i] = node_put(node, i, i == 0 ? 100 : 60000); /* in a table, in blob files */
    list.keys[3] = missing_key(3);
    put_damaged(node, &list.keys[1], 1, 60000);
    struct reply reply = retrieve_keys(node, &list, true);
    struct told *told = told_of(&reply);
    assert_int_equal(told->count, 4);
    assert_told(told, 0, MISSING, &list.keys[3]);
    assert_told(told, 1, CORRUPT, &list.keys[1]);
    assert_told(told, 2, HELD, &list.keys[0]);
    assert_told(told, 3, HELD, &list.keys[2]);
    assert_int_equal(atomic_load(&node->errors_logged), 1);
    free(told);

    /* What was found damaged has been set aside. */
    reply = retrieve_keys(node, &list, false);
    told = told_of(&reply);
    assert_int_equal(told->count, 4);
    assert_told(told, 0, MISSING, &list.keys[1]);
    assert_told(told, 1, MISSING, &list.keys[3]);
    assert_told(told, 2, HELD, &list.keys[0]);
    assert_told(told, 3, HELD, &list.keys[2]);
    free(told);
    keys_free(&list);
}

/* A store over the real one whose look-up of one key fails, and that counts how often it is read from and synced. */
struct half_blind_store {
    struct sw_store store;
    struct sw_store *under;
    struct sw_key key;
    _Atomic(enum sw_status) status;
    atomic_uint gets, syncs;
};

static enum sw_status half_blind_get(struct sw_store *store, const struct sw_key *key,
                                     const struct sw_store_reader *reader, struct sw_store_value *value,
                                     struct sw_error *error)
{
    struct half_blind_store *self = (struct half_blind_store *)store;
    atomic_fetch_add(&self->gets, 1);
    return self->under->get(self->under, key, reader, value, error);
}

static enum sw_status half_blind_contains(struct sw_store *store, const struct sw_key *key, bool *held,
                                          struct sw_error *error)
{
    struct half_blind_store *self = (struct half_blind_store *)store;
    if (sw_key_compare(key, &self->key) == 0)
        return sw_error_set(error, self->status, "the disk has burnt");
    return self->under->contains(self->under, key, held, error);
}

static enum sw_status half_blind_sync(struct sw_store *store, struct sw_error *error)
{
    struct half_blind_store *self = (struct half_blind_store *)store;
    atomic_fetch_add(&self->syncs, 1);
    return self->under->sync(self->under, error);
}

static void test_a_look_up_that_fails_is_answered_as_a_read_that_fails(void **state)
{
    struct node *node = node_new();
    struct half_blind_store blind = {.store = {.size = sizeof(struct sw_store),
                                               .get = half_blind_get,
                                               .info = node_store_info,
                                               .contains = half_blind_contains,
                                               .sync = half_blind_sync},
                                     .under = node->rocksdb};
    struct key_list list = keys_new(3);
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        list.keys[i] = node_put(node, i, 5000);
    blind.key = list.keys[1];
    node->store = &blind.store;
    node_start(node);
    static const enum sw_status one_is_bad[] = {SW_IO_ERROR, SW_DATA_LOSS};
    for (unsigned i = 0; i < 2; i++) {
        blind.status = one_is_bad[i];
        struct reply reply = retrieve_keys(node, &list, false);
        struct told *told = told_of(&reply);
        assert_int_equal(told->count, 3);
        assert_told(told, 0, CORRUPT, &list.keys[1]);
        assert_told(told, 1, HELD, &list.keys[0]);
        assert_told(told, 2, HELD, &list.keys[2]);
        assert_int_equal(atomic_load(&node->errors_logged), 1 + i);
        free(told);
        /* What is called held may have come in a stream that has not been synced. */
        assert_int_equal(atomic_load(&blind.syncs), 1 + i);
    }
    blind.status = SW_NO_MEMORY;
    struct reply reply = retrieve_keys(node, &list, false);
    reply_expect(&reply, SW_RPC_INTERNAL, "keys[1]: the node cannot read the value of ");
    assert_int_equal(atomic_load(&blind.gets), 0);
    keys_free(&list);
    node_free(node);
}

/* ---- GetNodeInfo ---- */

static void test_node_info_tells_who_what_and_limits(void **state)
{
    struct node *node = *state;
    for (uint32_t i = 0; i < 5; i++)
        node_put(node, i, 65536);
    struct reply reply = node_call(node, SYMBOL_STORE "GetNodeInfo", "", 0);
    assert_int_equal(reply.code, SW_RPC_OK);
    Symwave__V1__GetNodeInfoResponse *info =
        symwave__v1__get_node_info_response__unpack(NULL, reply.messages[0].bytes_count, reply.messages[0].bytes);
    assert_string_equal(info->node_id, "node-1");
    assert_string_equal(info->version, SYMWAVE_VERSION);
    assert_int_equal(info->symbol_count, 5);
    assert_true(info->stored_bytes >= 5 * 65536);
    assert_true(info->writable);
    assert_int_equal(info->limits->keys_max, 5000);
    assert_int_equal(info->limits->value_bytes_max, 262144);
    assert_int_equal(info->limits->message_bytes_max, 4194304);
    assert_int_equal(info->limits->store_symbols_max, 16384);
    assert_int_equal(info->limits->store_bytes_max, 268435456);
    symwave__v1__get_node_info_response__free_unpacked(info, NULL);
    reply_clear(&reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_setup, node_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_batch_get_answers_every_key_in_order),
        TEST(test_batch_get_beyond_a_message_says_what_to_do),
        TEST(test_bad_key_lists_are_refused_by_name_index_and_limit),
        TEST(test_request_beyond_the_message_limit_is_refused),
        TEST(test_unknown_fields_of_a_later_version_are_passed_over),
        TEST(test_retrieve_answers_each_key_once_in_order),
        TEST(test_retrieve_packs_small_symbols_and_sends_large_ones_by_twos),
        TEST(test_retrieve_tells_runs_of_missing_keys_in_pieces),
        TEST(test_max_bytes_is_never_passed_and_the_rest_is_left_out),
        TEST(test_verify_answers_damaged_values_as_corrupt_and_logs_them),
        TEST(test_keys_only_tells_held_and_missing_in_order_without_values),
        TEST(test_keys_only_takes_as_many_keys_as_any_request),
        TEST(test_keys_only_finds_damage_where_it_is_to_verify),
        cmocka_unit_test(test_a_look_up_that_fails_is_answered_as_a_read_that_fails),
        TEST(test_node_info_tells_who_what_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
