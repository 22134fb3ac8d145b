/*
 * Both readers over any bytes in any segments: what they tell is inside the message, and a response that is accepted is
 * one for protobuf-c too, with the same contents.
 */
#include "common/wire.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

struct told {
    const Symwave__V1__RetrieveBatchResponse *expected; /* NULL: protobuf-c refuses the bytes */
    size_t symbols;
    size_t missing;
    size_t held;
};

static bool on_symbol(void *state, const struct sw_key *key, const struct sw_wire_value *value)
{
    struct told *told = state;
    uint8_t *scratch = malloc(value->bytes + 1);
    const uint8_t *bytes = sw_wire_value_flatten(value, scratch);

    if (told->expected) {
        REQUIRE(told->symbols < told->expected->n_symbols);
        const Symwave__V1__Symbol *symbol = told->expected->symbols[told->symbols];
        REQUIRE(symbol->key.len == SW_KEY_BYTES && memcmp(symbol->key.data, key->bytes, SW_KEY_BYTES) == 0);
        REQUIRE(symbol->value.len == value->bytes);
        REQUIRE(value->bytes == 0 || memcmp(symbol->value.data, bytes, value->bytes) == 0);
    }
    told->symbols++;
    free(scratch);
    return true;
}

static void require_next(const ProtobufCBinaryData *keys, size_t count, size_t next, const struct sw_key *key)
{
    REQUIRE(next < count);
    REQUIRE(keys[next].len == SW_KEY_BYTES && memcmp(keys[next].data, key->bytes, SW_KEY_BYTES) == 0);
}

static bool on_missing(void *state, const struct sw_key *key)
{
    struct told *told = state;

    if (told->expected)
        require_next(told->expected->missing, told->expected->n_missing, told->missing, key);
    told->missing++;
    return true;
}

static bool on_held(void *state, const struct sw_key *key)
{
    struct told *told = state;

    if (told->expected)
        require_next(told->expected->held, told->expected->n_held, told->held, key);
    told->held++;
    return true;
}

static bool on_store(void *state, const struct sw_wire_value *value, const uint8_t *key, size_t key_bytes)
{
    uint8_t *scratch = malloc(value->bytes + 1);

    (void)state;
    /* Copied, so that the sanitizer sees every byte being read. */
    memmove(scratch, sw_wire_value_flatten(value, scratch), value->bytes);
    uint8_t head[SW_KEY_BYTES];
    if (key_bytes > 0)
        memcpy(head, key, key_bytes < SW_KEY_BYTES ? key_bytes : SW_KEY_BYTES);
    REQUIRE((key == NULL) == (key_bytes == 0));
    free(scratch);
    return true;
}

/* The first byte chooses how the rest is cut into segments. */
static struct sw_rpc_message *message_of(const uint8_t *data, size_t size, size_t step)
{
    struct sw_rpc_message *message = sw_rpc_message_new();

    for (size_t at = 0; at < size; at += step)
        sw_rpc_message_add_copy(message, data + at, size - at < step ? size - at : step);
    return message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sw_wire_response_handler handler = {
        .symbol = on_symbol, .missing = on_missing, .held = on_held};
    struct sw_error error = {0};

    if (size == 0)
        return 0;
    size_t step = data[0] ? data[0] : SIZE_MAX / 2;
    data++;
    size--;
    struct sw_rpc_message *message = message_of(data, size, step);
    Symwave__V1__RetrieveBatchResponse *expected =
        symwave__v1__retrieve_batch_response__unpack(NULL, size, size ? data : (const uint8_t *)"");
    struct told told = {.expected = expected};
    enum sw_status status = sw_wire_read_response(message, &handler, &told, &error);
    REQUIRE(status == SW_OK || (status == SW_PROTOCOL_ERROR && error.message[0] != '\0'));
    if (status == SW_OK && expected)
        REQUIRE(told.symbols == expected->n_symbols && told.missing == expected->n_missing &&
                told.held == expected->n_held);
    if (expected)
        symwave__v1__retrieve_batch_response__free_unpacked(expected, NULL);
    status = sw_wire_read_store_request(message, on_store, NULL, &error);
    REQUIRE(status == SW_OK || status == SW_PROTOCOL_ERROR);
    sw_rpc_message_free(message);
    return 0;
}
