/*
 * The key lists are read field by field over flat bytes; the answers are written around values that stay where they
 * are.
 */
#include "server/messages.h"
#include "common/wire.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The wire types of protobuf. */
enum {
    VARINT = 0,
    FIXED64 = 1,
    BYTES = 2,
    FIXED32 = 5,
};

/* Field numbers of symwave/v1/symbol_store.proto. */
enum {
    REQUEST_KEYS = 1,
    REQUEST_MAX_BYTES = 2,
    REQUEST_VERIFY = 3,
    REQUEST_KEYS_ONLY = 4,
};

/* ---- reading ---- */

struct reader {
    const uint8_t *bytes;
    size_t count;
    size_t at;
};

/* A tag has 32 bits; more bytes than they need at most are refused, as protobuf's own readers do. */
#define TAG_BYTES_MAX 5

static bool read_varint(struct reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 70 && reader->at < reader->count; shift += 7) {
        uint8_t byte = reader->bytes[reader->at++];
        if (shift == 63 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* One field: its number and type, and a varint's value or where its bytes are. */
struct field {
    uint64_t number;
    unsigned type;
    uint64_t value;
    const uint8_t *bytes;
    size_t bytes_count;
};

/* False where the bytes are not a field; reader->at is then left somewhere in it. */
static bool read_field(struct reader *reader, struct field *field)
{
    uint64_t tag, length;
    size_t start = reader->at;
    if (!read_varint(reader, &tag) || tag >> 3 == 0 || tag > UINT32_MAX || reader->at - start > TAG_BYTES_MAX)
        return false;
    *field = (struct field){.number = tag >> 3, .type = tag & 7};
    switch (field->type) {
    case VARINT:
        return read_varint(reader, &field->value);
    case FIXED64:
        length = 8;
        break;
    case FIXED32:
        length = 4;
        break;
    case BYTES:
        if (!read_varint(reader, &length))
            return false;
        break;
    default:
        return false;
    }
    if (length > reader->count - reader->at)
        return false;
    field->bytes = reader->bytes + reader->at;
    field->bytes_count = length;
    reader->at += length;
    return true;
}

static const char *field_name(uint64_t number)
{
    static const char *const names[] = {"an unknown field", "keys", "max_bytes", "verify", "keys_only"};
    return names[number < sizeof(names) / sizeof(names[0]) ? number : 0];
}

/* Takes the fields of a request in; counts keys beyond the limit without keeping them. */
static enum sw_status read_fields(struct reader *reader, uint32_t keys_max, struct sw_key_request *request,
                                  struct sw_error *error)
{
    struct field field = {0};
    while (reader->at < reader->count) {
        size_t start = reader->at;
        field.number = 0;
        if (!read_field(reader, &field))
            return sw_error_set(error, SW_INVALID_ARGUMENT,
                                "the request is malformed: %s, at byte %zu, is cut short or is no field",
                                field_name(field.number), start);
        unsigned expected = field.number == REQUEST_KEYS ? BYTES : VARINT;
        if (field.number <= REQUEST_KEYS_ONLY && field.type != expected)
            return sw_error_set(error, SW_INVALID_ARGUMENT,
                                "the request is malformed: %s, at byte %zu, has wire type %u and not %u",
                                field_name(field.number), start, field.type, expected);
        if (field.number == REQUEST_KEYS) {
            if (field.bytes_count != SW_KEY_BYTES)
                return sw_error_set(error, SW_INVALID_ARGUMENT, "keys[%zu]: a key is %d bytes, got %zu", request->count,
                                    SW_KEY_BYTES, field.bytes_count);
            if (request->count < keys_max)
                memcpy(request->keys[request->count].bytes, field.bytes, SW_KEY_BYTES);
            request->count++;
        } else if (field.number == REQUEST_MAX_BYTES) {
            request->max_bytes = field.value;
        } else if (field.number == REQUEST_VERIFY) {
            request->verify = field.value != 0;
        } else if (field.number == REQUEST_KEYS_ONLY) {
            request->keys_only = field.value != 0;
        }
    }
    return SW_OK;
}

enum sw_status sw_key_request_read(const uint8_t *bytes, size_t bytes_count, uint32_t keys_max,
                                   struct sw_key_request *request, struct sw_error *error)
{
    memset(request, 0, sizeof(*request));
    /* A key takes 34 bytes, so a small request cannot make a large allocation. */
    size_t capacity = bytes_count / (2 + SW_KEY_BYTES) + 1;
    request->keys = malloc((capacity < keys_max ? capacity : keys_max) * sizeof(*request->keys));
    if (!request->keys)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for the keys of a request");
    struct reader reader = {.bytes = bytes, .count = bytes_count};
    enum sw_status status = read_fields(&reader, keys_max, request, error);
    if (status == SW_OK && request->count == 0)
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "keys: the list is empty; give 1 to %u keys", keys_max);
    if (status == SW_OK && request->count > keys_max)
        status = sw_error_set(error, SW_INVALID_ARGUMENT,
                              "keys: %zu keys in one request, the limit is %u (limits.keys_max); ask for the rest in "
                              "another",
                              request->count, keys_max);
    if (status != SW_OK) {
        free(request->keys);
        request->keys = NULL;
    }
    return status;
}

/* ---- writing ---- */

#define VARINT_BYTES_MAX 10

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        out[count++] = (uint8_t)(value | 0x80);
    out[count++] = (uint8_t)value;
    return count;
}

static size_t varint_bytes(uint64_t value)
{
    uint8_t out[VARINT_BYTES_MAX];
    return put_varint(out, value);
}

static size_t put_key(uint8_t *out, unsigned field, const struct sw_key *key)
{
    out[0] = (uint8_t)(field << 3 | BYTES);
    out[1] = SW_KEY_BYTES;
    memcpy(out + 2, key->bytes, SW_KEY_BYTES);
    return 2 + SW_KEY_BYTES;
}

/* A Value without its tag and length. */
static size_t value_body_bytes(size_t value_bytes)
{
    return 2 + SW_KEY_BYTES + (value_bytes > 0 ? 2 + 1 + varint_bytes(value_bytes) + value_bytes : 2);
}

size_t sw_message_value_bytes(size_t value_bytes)
{
    size_t body = value_body_bytes(value_bytes);
    return 1 + varint_bytes(body) + body;
}

void sw_message_add_value(struct sw_rpc_message *message, const struct sw_key *key, const uint8_t *value,
                          size_t value_bytes, void (*release)(void *release_data), void *release_data)
{
    uint8_t head[2 * (1 + VARINT_BYTES_MAX) + 2 + SW_KEY_BYTES + 2];
    size_t count = 0;
    head[count++] = 1 << 3 | BYTES; /* BatchGetValuesResponse.values */
    count += put_varint(head + count, value ? value_body_bytes(value_bytes) : 2 + SW_KEY_BYTES);
    count += put_key(head + count, 1, key);
    if (value) {
        head[count++] = 2 << 3 | VARINT; /* found */
        head[count++] = 1;
    }
    if (value && value_bytes > 0) {
        head[count++] = 3 << 3 | BYTES; /* value */
        count += put_varint(head + count, value_bytes);
    }
    sw_rpc_message_add_small(message, head, count);
    if (value && value_bytes > SW_WIRE_COPY_BYTES_MAX) {
        sw_rpc_message_add_external(message, value, value_bytes, release, release_data);
    } else if (value) {
        sw_rpc_message_add_small(message, value, value_bytes);
        release(release_data);
    }
}

static bool reserve(struct sw_store_answer *answer, size_t more)
{
    if (answer->capacity - answer->count >= more)
        return true;
    size_t capacity = answer->capacity ? answer->capacity * 2 : 1024;
    uint8_t *bytes = realloc(answer->bytes, capacity);
    if (!bytes)
        return false;
    answer->bytes = bytes;
    answer->capacity = capacity;
    return true;
}

bool sw_store_answer_add(struct sw_store_answer *answer, const struct sw_key *key, enum sw_outcome outcome,
                         const char *reason)
{
    if (!reserve(answer, SW_STORE_RESULT_BYTES_MAX))
        return false;
    size_t reason_bytes = reason ? strnlen(reason, SW_STORE_REASON_BYTES_MAX) : 0;
    uint8_t *out = answer->bytes + answer->count;
    size_t count = 0;
    out[count++] = 1 << 3 | BYTES; /* StoreBatchResponse.results */
    count += put_varint(out + count, 2 + SW_KEY_BYTES + 2 + (reason_bytes > 0 ? 2 + reason_bytes : 0));
    count += put_key(out + count, 1, key);
    out[count++] = 2 << 3 | VARINT; /* outcome */
    out[count++] = (uint8_t)outcome;
    if (reason_bytes > 0) {
        out[count++] = 3 << 3 | BYTES; /* reason */
        count += put_varint(out + count, reason_bytes);
        memcpy(out + count, reason, reason_bytes);
        count += reason_bytes;
    }
    assert(count <= SW_STORE_RESULT_BYTES_MAX);
    answer->count += count;
    return true;
}

struct sw_rpc_message *sw_store_answer_message(struct sw_store_answer *answer)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    if (!message || answer->count == 0)
        return message;
    sw_rpc_message_add_external(message, answer->bytes, answer->count, free, answer->bytes);
    memset(answer, 0, sizeof(*answer));
    return message;
}

void sw_store_answer_clear(struct sw_store_answer *answer)
{
    free(answer->bytes);
    memset(answer, 0, sizeof(*answer));
}
