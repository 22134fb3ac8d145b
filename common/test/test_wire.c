/* The symbol messages against protobuf-c: what one writes the other reads, however it is cut into segments. */
#include "wire_told.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void random_bytes(uint8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)random_next();
}

static ProtobufCBinaryData random_data(size_t count)
{
    ProtobufCBinaryData data = {.len = count, .data = count ? malloc(count) : NULL};
    random_bytes(data.data, count);
    return data;
}

static size_t random_value_bytes(void)
{
    static const size_t edges[] = {0, 1, 127, 128, 129, 16383, 16384, 65536};
    uint64_t choice = random_next() % 16;
    return choice < 8 ? edges[choice] : random_next() % 300;
}

static void random_keys(ProtobufCBinaryData **keys, size_t *count)
{
    *count = random_next() % 5;
    *keys = *count ? malloc(*count * sizeof(**keys)) : NULL;
    for (size_t i = 0; i < *count; i++)
        (*keys)[i] = random_data(SW_KEY_BYTES);
}

static void random_response(Response *response)
{
    symwave__v1__retrieve_batch_response__init(response);
    response->n_symbols = random_next() % 5;
    response->symbols = malloc((response->n_symbols + 1) * sizeof(void *));
    for (size_t i = 0; i < response->n_symbols; i++) {
        response->symbols[i] = malloc(sizeof(Symwave__V1__Symbol));
        symwave__v1__symbol__init(response->symbols[i]);
        response->symbols[i]->key = random_data(SW_KEY_BYTES);
        response->symbols[i]->value = random_data(random_value_bytes());
    }
    random_keys(&response->missing, &response->n_missing);
    random_keys(&response->left_out, &response->n_left_out);
    random_keys(&response->corrupt, &response->n_corrupt);
    random_keys(&response->held, &response->n_held);
    response->left_out_bytes = random_next() >> (random_next() % 64);
}

static void test_what_protobuf_c_packs_is_read_the_same_in_any_segments(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        Response response;
        struct told told;
        size_t count, count_again;
        random_response(&response);
        uint8_t *bytes = pack_response(&response, &count);
        struct sw_rpc_message *message = cut(bytes, count, round % 3);
        struct sw_error error = {0};
        told_init(&told);
        if (sw_wire_read_response(message, &all_handlers, &told, &error) != SW_OK)
            fail_msg("%s", error.message);
        uint8_t *again = pack_response(&told.response, &count_again);
        assert_int_equal(count_again, count);
        assert_memory_equal(again, bytes, count);
        assert_int_equal(told.left_out_bytes_count, response.left_out_bytes > 0);
        /* Nobody to tell is fine, too. */
        struct sw_wire_response_handler nobody = {0};
        assert_int_equal(sw_wire_read_response(message, &nobody, NULL, NULL), SW_OK);
        sw_rpc_message_free(message);
        free(again);
        free(bytes);
        told_clear(&told);
        response_clear(&response);
    }
}

static int released;

static void count_release(void *release_data)
{
    (void)release_data;
    released++;
}

static struct sw_key key_of(const ProtobufCBinaryData *data)
{
    struct sw_key key;
    assert_int_equal(data->len, SW_KEY_BYTES);
    memcpy(key.bytes, data->data, SW_KEY_BYTES);
    return key;
}

static struct sw_rpc_message *write_response(const Response *response)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    struct sw_key key;

    for (size_t i = 0; i < response->n_symbols; i++) {
        key = key_of(&response->symbols[i]->key);
        sw_wire_add_symbol(message, &key, response->symbols[i]->value.data, response->symbols[i]->value.len,
                           count_release, NULL);
    }
    for (size_t i = 0; i < response->n_missing; i++) {
        key = key_of(&response->missing[i]);
        sw_wire_add_missing(message, &key);
    }
    for (size_t i = 0; i < response->n_left_out; i++) {
        key = key_of(&response->left_out[i]);
        sw_wire_add_left_out(message, &key);
    }
    if (response->left_out_bytes > 0)
        sw_wire_add_left_out_bytes(message, response->left_out_bytes);
    for (size_t i = 0; i < response->n_corrupt; i++) {
        key = key_of(&response->corrupt[i]);
        sw_wire_add_corrupt(message, &key);
    }
    for (size_t i = 0; i < response->n_held; i++) {
        key = key_of(&response->held[i]);
        sw_wire_add_held(message, &key);
    }
    return message;
}

static void test_what_is_written_is_byte_for_byte_what_protobuf_c_packs(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        Response response;
        size_t count;
        random_response(&response);
        uint8_t *bytes = pack_response(&response, &count);
        released = 0;
        struct sw_rpc_message *message = write_response(&response);
        assert_int_equal(sw_rpc_message_bytes(message), count);
        if (count > 0)
            assert_memory_equal(sw_rpc_message_flatten(message), bytes, count);
        sw_rpc_message_free(message);
        assert_int_equal(released, response.n_symbols);
        free(bytes);
        response_clear(&response);
    }
}

static void test_a_written_value_is_the_callers_own_bytes_after_one_header(void **state)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    struct sw_key key = {{1}};
    uint8_t *value = calloc(1, 65536);
    size_t bytes;

    (void)state;
    sw_wire_add_symbol(message, &key, value, 65536, NULL, NULL);
    assert_int_equal(sw_rpc_message_segments(message), 2);
    assert_ptr_equal(sw_rpc_message_segment(message, 1, &bytes), value);
    assert_int_equal(bytes, 65536);
    sw_wire_add_store_value(message, value, 65536, NULL, NULL);
    assert_int_equal(sw_rpc_message_segments(message), 4);
    assert_ptr_equal(sw_rpc_message_segment(message, 3, &bytes), value);
    sw_rpc_message_free(message);
    free(value);
}

static void random_request(StoreRequest *request, bool with_keys)
{
    symwave__v1__store_batch_request__init(request);
    request->n_symbols = random_next() % 6;
    request->symbols = malloc((request->n_symbols + 1) * sizeof(void *));
    for (size_t i = 0; i < request->n_symbols; i++) {
        request->symbols[i] = malloc(sizeof(Symwave__V1__StoreSymbol));
        symwave__v1__store_symbol__init(request->symbols[i]);
        request->symbols[i]->value = random_data(random_value_bytes());
        request->symbols[i]->key = random_data(with_keys && random_next() % 2 ? random_next() % 33 : 0);
    }
}

static void test_store_requests_are_read_the_same_in_any_segments(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        StoreRequest request;
        struct told told;
        struct sw_error error = {0};
        size_t count, count_again;
        random_request(&request, true);
        uint8_t *bytes = pack_request(&request, &count);
        struct sw_rpc_message *message = cut(bytes, count, round % 3);
        told_init(&told);
        if (sw_wire_read_store_request(message, on_store, &told, &error) != SW_OK)
            fail_msg("%s", error.message);
        uint8_t *again = pack_request(&told.request, &count_again);
        assert_int_equal(count_again, count);
        assert_memory_equal(again, bytes, count);
        sw_rpc_message_free(message);
        free(again);
        free(bytes);
        told_clear(&told);
        request_clear(&request);
    }
}

static void test_store_values_are_written_as_protobuf_c_packs_them(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        StoreRequest request;
        size_t count;
        random_request(&request, false);
        uint8_t *bytes = pack_request(&request, &count);
        struct sw_rpc_message *message = sw_rpc_message_new();
        released = 0;
        for (size_t i = 0; i < request.n_symbols; i++)
            sw_wire_add_store_value(message, request.symbols[i]->value.data, request.symbols[i]->value.len,
                                    count_release, NULL);
        assert_int_equal(sw_rpc_message_bytes(message), count);
        if (count > 0)
            assert_memory_equal(sw_rpc_message_flatten(message), bytes, count);
        sw_rpc_message_free(message);
        assert_int_equal(released, request.n_symbols);
        free(bytes);
        request_clear(&request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_protobuf_c_packs_is_read_the_same_in_any_segments),
        cmocka_unit_test(test_what_is_written_is_byte_for_byte_what_protobuf_c_packs),
        cmocka_unit_test(test_a_written_value_is_the_callers_own_bytes_after_one_header),
        cmocka_unit_test(test_store_requests_are_read_the_same_in_any_segments),
        cmocka_unit_test(test_store_values_are_written_as_protobuf_c_packs_them),
    };
    return cmocka_run_group_tests(tests, seed_random, NULL);
}
