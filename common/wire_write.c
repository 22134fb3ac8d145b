/*
 * Writes the messages that carry symbols. What surrounds a value goes into one small segment, and the value is another,
 * by reference; but values that are small themselves are copied, as a segment costs more than they do.
 */
#include "common/wire_format.h"
#include <string.h>

/* What precedes a value: at most two tags and lengths and a key. */
struct header {
    uint8_t bytes[2 * (1 + VARINT_BYTES_MAX) + 2 + SW_KEY_BYTES];
    size_t count;
};

static size_t varint_bytes(uint64_t value)
{
    size_t bytes = 1;
    for (; value >= 0x80; value >>= 7)
        bytes++;
    return bytes;
}

static void put_varint(struct header *header, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        header->bytes[header->count++] = (uint8_t)(value | 0x80);
    header->bytes[header->count++] = (uint8_t)value;
}

static void put_tag(struct header *header, uint32_t field, enum wire_type type)
{
    put_varint(header, field << 3 | type);
}

static void put_key(struct header *header, uint32_t field, const struct sw_key *key)
{
    put_tag(header, field, WIRE_BYTES);
    put_varint(header, SW_KEY_BYTES);
    memcpy(header->bytes + header->count, key->bytes, SW_KEY_BYTES);
    header->count += SW_KEY_BYTES;
}

static void keep(void *release_data)
{
    (void)release_data;
}

/* Writes a header and its value; proto3 leaves an empty value out. */
static void add_value(struct sw_rpc_message *message, struct header *header, uint32_t field, const void *value,
                      size_t value_bytes, void (*release)(void *release_data), void *release_data)
{
    if (value_bytes > 0) {
        put_tag(header, field, WIRE_BYTES);
        put_varint(header, value_bytes);
    }
    sw_rpc_message_add_small(message, header->bytes, header->count);
    if (value_bytes > SW_WIRE_COPY_BYTES_MAX) {
        sw_rpc_message_add_external(message, value, value_bytes, release ? release : keep, release_data);
        return;
    }
    sw_rpc_message_add_small(message, value, value_bytes);
    if (release)
        release(release_data);
}

static size_t value_field_bytes(size_t value_bytes)
{
    return value_bytes > 0 ? 1 + varint_bytes(value_bytes) + value_bytes : 0;
}

void sw_wire_add_symbol(struct sw_rpc_message *message, const struct sw_key *key, const void *value, size_t value_bytes,
                        void (*release)(void *release_data), void *release_data)
{
    struct header header = {.count = 0};

    put_tag(&header, RESPONSE_SYMBOLS, WIRE_BYTES);
    put_varint(&header, 2 + SW_KEY_BYTES + value_field_bytes(value_bytes));
    put_key(&header, SYMBOL_KEY, key);
    add_value(message, &header, SYMBOL_VALUE, value, value_bytes, release, release_data);
}

static void add_key(struct sw_rpc_message *message, uint32_t field, const struct sw_key *key)
{
    struct header header = {.count = 0};

    put_key(&header, field, key);
    sw_rpc_message_add_small(message, header.bytes, header.count);
}

void sw_wire_add_missing(struct sw_rpc_message *message, const struct sw_key *key)
{
    add_key(message, RESPONSE_MISSING, key);
}

void sw_wire_add_left_out(struct sw_rpc_message *message, const struct sw_key *key)
{
    add_key(message, RESPONSE_LEFT_OUT, key);
}

void sw_wire_add_corrupt(struct sw_rpc_message *message, const struct sw_key *key)
{
    add_key(message, RESPONSE_CORRUPT, key);
}

void sw_wire_add_held(struct sw_rpc_message *message, const struct sw_key *key)
{
    add_key(message, RESPONSE_HELD, key);
}

void sw_wire_add_left_out_bytes(struct sw_rpc_message *message, uint64_t bytes)
{
    struct header header = {.count = 0};

    put_tag(&header, RESPONSE_LEFT_OUT_BYTES, WIRE_VARINT);
    put_varint(&header, bytes);
    sw_rpc_message_add_small(message, header.bytes, header.count);
}

void sw_wire_add_store_value(struct sw_rpc_message *message, const void *value, size_t value_bytes,
                             void (*release)(void *release_data), void *release_data)
{
    struct header header = {.count = 0};

    put_tag(&header, STORE_SYMBOLS, WIRE_BYTES);
    put_varint(&header, value_field_bytes(value_bytes));
    add_value(message, &header, STORE_SYMBOL_VALUE, value, value_bytes, release, release_data);
}
