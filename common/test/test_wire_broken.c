/* Messages written by hand: strange but good ones are read, broken ones refused with the field and the byte. */
#include "wire_told.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY_TEXT "0123456789abcdefghijklmnopqrstuv" /* 32 bytes */

/* Reads text as a response, in one segment and in single bytes; both must agree. */
static enum sw_status read_text(const char *text, size_t count, struct told *told, struct sw_error *error)
{
    struct told told_bytewise;
    struct sw_error error_bytewise = {0};
    struct sw_rpc_message *message = cut((const uint8_t *)text, count, 0);

    told_init(told);
    told_init(&told_bytewise);
    memset(error, 0, sizeof(*error));
    enum sw_status status = sw_wire_read_response(message, &all_handlers, told, error);
    sw_rpc_message_free(message);
    message = cut((const uint8_t *)text, count, 1);
    assert_int_equal(sw_wire_read_response(message, &all_handlers, &told_bytewise, &error_bytewise), status);
    assert_string_equal(error_bytewise.message, error->message);
    assert_int_equal(told_bytewise.callbacks, told->callbacks);
    sw_rpc_message_free(message);
    told_clear(&told_bytewise);
    return status;
}

#define READ(text, told, error) read_text(text, sizeof(text) - 1, told, error)

static void test_fields_of_a_symbol_may_come_in_any_order_and_the_last_counts(void **state)
{
    struct told told;
    struct sw_error error;

    (void)state;
    /* value, an unknown field 7, key, value again */
    assert_int_equal(READ("\x0a\x2c\x12\x02no\x38\x05\x0a\x20" KEY_TEXT "\x12\x02ok", &told, &error), SW_OK);
    assert_int_equal(told.response.n_symbols, 1);
    assert_memory_equal(told.response.symbols[0]->key.data, KEY_TEXT, 32);
    assert_int_equal(told.response.symbols[0]->value.len, 2);
    assert_memory_equal(told.response.symbols[0]->value.data, "ok", 2);
    told_clear(&told);
}

static void test_unknown_fields_of_every_wire_type_are_passed_over(void **state)
{
    struct told told;
    struct sw_error error;

    (void)state;
    assert_int_equal(READ("\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" /* 7, varint */
                          "\x41"
                          "12345678"    /* 8, 64 bits */
                          "\x4a\x03xyz" /* 9, bytes */
                          "\x55"
                          "1234"                     /* 10, 32 bits */
                          "\xfa\xff\xff\xff\x0f\x00" /* 2^29-1, bytes */
                          "\x12\x20" KEY_TEXT,
                          &told, &error),
                     SW_OK);
    assert_int_equal(told.callbacks, 1);
    assert_int_equal(told.response.n_missing, 1);
    told_clear(&told);
    assert_int_equal(READ("", &told, &error), SW_OK);
    assert_int_equal(told.callbacks, 0);
    told_clear(&told);
}

static void test_what_is_not_a_response_is_refused_with_field_and_byte(void **state)
{
    static const struct {
        const char *text;
        size_t count;
        const char *said;
    } cases[] = {
#define CASE(text, said) {text, sizeof(text) - 1, said}
        CASE("\x0a", "RetrieveBatchResponse.symbols[0]: a number is cut short at byte 1"),
        CASE("\x80", "RetrieveBatchResponse: a number is cut short at byte 0"),
        CASE("\x0a\x01", "RetrieveBatchResponse.symbols[0]: a length goes past the end at byte 1"),
        CASE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "symbols[0]: a length goes past the end at byte 1"),
        CASE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "symbols[0]: a length goes past the end at byte 1"),
        CASE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "symbols[0]: a number has more than 64 bits at byte 1"),
        CASE("\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", "left_out_bytes[0]: a number has more than 64 bits"),
        CASE("\x00\x01", "RetrieveBatchResponse: no field has this number at byte 0"),
        CASE("\x82\x80\x80\x80\x10\x00", "RetrieveBatchResponse: no field has this number at byte 0"),
        CASE("\x0a\x00", "RetrieveBatchResponse.symbols[0].key: a symbol lacks its key at byte 1"),
        CASE("\x0a\x04\x12\x02hi", "symbols[0].key: a symbol lacks its key at byte 1"),
        CASE("\x12\x20" KEY_TEXT "\x12\x1f" KEY_TEXT, "missing[1]: a key is not 32 bytes at byte 35"),
        CASE("\x1a\x00", "left_out[0]: a key is not 32 bytes at byte 1"),
        CASE("\x2a\x21" KEY_TEXT "x", "corrupt[0]: a key is not 32 bytes at byte 1"),
        CASE("\x32\x20" KEY_TEXT "\x32\x00", "held[1]: a key is not 32 bytes at byte 35"),
        CASE("\x0a\x21\x0a\x1f" KEY_TEXT, "symbols[0].key: a key is not 32 bytes at byte 1"),
        CASE("\x0a\x02\x12\x05hello", "symbols[0].value: a length goes past the end at byte 3"),
        CASE("\x0a\x01\x0a", "symbols[0].key: a number is cut short at byte 3"),
        CASE("\x08\x01", "symbols[0]: a field has the wrong wire type at byte 0"),
        CASE("\x10\x01", "missing[0]: a field has the wrong wire type at byte 0"),
        CASE("\x22\x01x", "left_out_bytes[0]: a field has the wrong wire type at byte 0"),
        CASE("\x30\x01", "held[0]: a field has the wrong wire type at byte 0"),
        CASE("\x0a\x02\x10\x01", "symbols[0].value: a field has the wrong wire type at byte 2"),
        CASE("\x0b\x0c", "symbols[0]: a field has the wrong wire type at byte 0"),
        CASE("\x3b\x3c", "RetrieveBatchResponse: a group or an unknown wire type at byte 0"),
        CASE("\x3e", "RetrieveBatchResponse: a group or an unknown wire type at byte 0"),
        CASE("\x39"
             "1234",
             "RetrieveBatchResponse: a field is cut short at byte 0"),
        CASE("\x3a\x05x", "RetrieveBatchResponse: a length goes past the end at byte 1"),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct told told;
        struct sw_error error;
        assert_int_equal(read_text(cases[i].text, cases[i].count, &told, &error), SW_PROTOCOL_ERROR);
        if (!strstr(error.message, cases[i].said))
            fail_msg("case %zu: wanted \"%s\", got \"%s\"", i, cases[i].said, error.message);
        told_clear(&told);
    }
}

static void test_every_truncation_is_refused_or_a_whole_shorter_message(void **state)
{
    static const char text[] = "\x0a\x2a\x0a\x20" KEY_TEXT "\x12\x06"
                               "abcdef"
                               "\x12\x20" KEY_TEXT "\x20\x80\x01";

    (void)state;
    for (size_t length = 0; length < sizeof(text); length++) {
        struct told told;
        struct sw_error error;
        bool whole = length == 0 || length == 44 || length == 78 || length == 81;
        assert_int_equal(read_text(text, length, &told, &error), whole ? SW_OK : SW_PROTOCOL_ERROR);
        assert_int_equal(told.callbacks, (length >= 44) + (length >= 78) + (length >= 81));
        told_clear(&told);
    }
}

static void test_a_handler_can_stop_the_reading(void **state)
{
    static const char text[] = "\x12\x20" KEY_TEXT "\x1a\x20" KEY_TEXT "\x33";
    struct sw_rpc_message *message = cut((const uint8_t *)text, sizeof(text) - 1, 0);
    struct told told;

    (void)state;
    told_init(&told);
    told.stop_after = 2;
    /* The broken end is never reached. */
    assert_int_equal(sw_wire_read_response(message, &all_handlers, &told, NULL), SW_OK);
    assert_int_equal(told.callbacks, 2);
    sw_rpc_message_free(message);
    told_clear(&told);
}

static void test_a_store_request_hands_on_keys_of_any_length(void **state)
{
    /* value "hi"; key of 40 bytes; neither: an empty symbol */
    static const char text[] = "\x0a\x04\x0a\x02hi"
                               "\x0a\x2d\x12\x28" KEY_TEXT "wxyzWXYZ\x0a\x01!"
                               "\x0a\x00"
                               "\x10\x07";

    (void)state;
    for (int how = 0; how < 3; how++) {
        struct sw_rpc_message *message = cut((const uint8_t *)text, sizeof(text) - 1, how);
        struct told told;
        told_init(&told);
        assert_int_equal(sw_wire_read_store_request(message, on_store, &told, NULL), SW_OK);
        assert_int_equal(told.request.n_symbols, 3);
        assert_int_equal(told.request.symbols[0]->value.len, 2);
        assert_int_equal(told.request.symbols[0]->key.len, 0);
        assert_memory_equal(told.request.symbols[1]->key.data, KEY_TEXT, 32);
        assert_int_equal(told.request.symbols[2]->value.len, 0);
        sw_rpc_message_free(message);
        told_clear(&told);
    }
}

static void test_a_broken_store_request_is_refused_with_field_and_byte(void **state)
{
    static const char text[] = "\x0a\x04\x0a\x02hi\x0a\x04\x08\x02hi";
    struct sw_rpc_message *message = cut((const uint8_t *)text, sizeof(text) - 1, 1);
    struct sw_error error;
    struct told told;

    (void)state;
    told_init(&told);
    assert_int_equal(sw_wire_read_store_request(message, on_store, &told, &error), SW_PROTOCOL_ERROR);
    assert_string_equal(error.message, "StoreBatchRequest.symbols[1].value: a field has the wrong wire type at byte 8");
    assert_int_equal(told.request.n_symbols, 1);
    sw_rpc_message_free(message);
    told_clear(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_a_symbol_may_come_in_any_order_and_the_last_counts),
        cmocka_unit_test(test_unknown_fields_of_every_wire_type_are_passed_over),
        cmocka_unit_test(test_what_is_not_a_response_is_refused_with_field_and_byte),
        cmocka_unit_test(test_every_truncation_is_refused_or_a_whole_shorter_message),
        cmocka_unit_test(test_a_handler_can_stop_the_reading),
        cmocka_unit_test(test_a_store_request_hands_on_keys_of_any_length),
        cmocka_unit_test(test_a_broken_store_request_is_refused_with_field_and_byte),
    };
    return cmocka_run_group_tests(tests, seed_random, NULL);
}
