/*
 * Reads protobuf's wire format over the segments of a received message, so that values are not copied. Any byte may be
 * the first of a segment, so everything is read through a cursor that steps from segment to segment. What writes the
 * same messages is wire_write.c.
 */
#include "common/wire_format.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- the cursor ---- */

struct cursor {
    const struct sw_rpc_message *message;
    const uint8_t *bytes; /* of the segment it is in */
    size_t segment;
    size_t segment_bytes;
    size_t offset;   /* in the segment */
    size_t position; /* in the message */
};

/* Makes sure that a byte that is known to exist is in the current segment. */
static void enter_segment(struct cursor *cursor)
{
    while (cursor->offset == cursor->segment_bytes) {
        cursor->segment++;
        assert(cursor->segment < sw_rpc_message_segments(cursor->message));
        cursor->bytes = sw_rpc_message_segment(cursor->message, cursor->segment, &cursor->segment_bytes);
        cursor->offset = 0;
    }
}

static void cursor_init(struct cursor *cursor, const struct sw_rpc_message *message)
{
    *cursor = (struct cursor){.message = message};
    if (sw_rpc_message_segments(message) > 0)
        cursor->bytes = sw_rpc_message_segment(message, 0, &cursor->segment_bytes);
}

/* Passes over count bytes that are known to exist, and copies them to out where it is not NULL. */
static void take(struct cursor *cursor, size_t count, uint8_t *out)
{
    while (count > 0) {
        enter_segment(cursor);
        size_t left = cursor->segment_bytes - cursor->offset;
        size_t part = count < left ? count : left;
        if (out) {
            memcpy(out, cursor->bytes + cursor->offset, part);
            out += part;
        }
        cursor->offset += part;
        cursor->position += part;
        count -= part;
    }
}

/* Passes over a value and says where it is. */
static struct sw_wire_value take_value(struct cursor *cursor, size_t bytes)
{
    if (bytes > 0)
        enter_segment(cursor);
    struct sw_wire_value value = {
        .message = cursor->message, .segment = cursor->segment, .offset = cursor->offset, .bytes = bytes};
    take(cursor, bytes, NULL);
    return value;
}

const uint8_t *sw_wire_value_flatten(const struct sw_wire_value *value, uint8_t *scratch)
{
    size_t segment_bytes;

    if (value->bytes == 0)
        return (const uint8_t *)"";
    const uint8_t *segment = sw_rpc_message_segment(value->message, value->segment, &segment_bytes);
    if (segment_bytes - value->offset >= value->bytes)
        return segment + value->offset;
    struct cursor cursor = {.message = value->message,
                            .bytes = segment,
                            .segment = value->segment,
                            .segment_bytes = segment_bytes,
                            .offset = value->offset};
    take(&cursor, value->bytes, scratch);
    return scratch;
}

/* ---- reading fields ---- */

/* What is being read: the cursor, and names for the error. */
struct reader {
    struct cursor cursor;
    const char *message_name;
    const char *field_name; /* of the message, empty while none is being read */
    size_t index;           /* of the element of a repeated field */
    const char *member;     /* ".key" and so on, or empty */
    struct sw_error *error;
};

static enum sw_status broken(const struct reader *reader, size_t position, const char *what)
{
    char where[96] = "";

    if (reader->field_name[0] != '\0')
        snprintf(where, sizeof(where), ".%s[%zu]%s", reader->field_name, reader->index, reader->member);
    return sw_error_set(reader->error, SW_PROTOCOL_ERROR, "%s%s: %s at byte %zu", reader->message_name, where, what,
                        position);
}

static enum sw_status read_varint(struct reader *reader, size_t end, uint64_t *value)
{
    struct cursor *cursor = &reader->cursor;
    size_t start = cursor->position;
    uint64_t result = 0;

    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        if (cursor->position >= end)
            return broken(reader, start, "a number is cut short");
        enter_segment(cursor);
        uint8_t byte = cursor->bytes[cursor->offset++];
        cursor->position++;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1)
            break;
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = result;
            return SW_OK;
        }
    }
    return broken(reader, start, "a number has more than 64 bits");
}

static enum sw_status read_tag(struct reader *reader, size_t end, uint32_t *tag)
{
    size_t start = reader->cursor.position;
    uint64_t value;
    enum sw_status status = read_varint(reader, end, &value);

    if (status != SW_OK)
        return status;
    /* protobuf's own readers take no tag of more bytes than 32 bits need at most. */
    if (value > UINT32_MAX || value >> 3 == 0 || reader->cursor.position - start > 5)
        return broken(reader, start, "no field has this number");
    *tag = (uint32_t)value;
    return SW_OK;
}

/* The length of a length-delimited field, checked against what is left. */
static enum sw_status read_length(struct reader *reader, size_t end, size_t *length)
{
    size_t start = reader->cursor.position;
    uint64_t value;
    enum sw_status status = read_varint(reader, end, &value);

    if (status != SW_OK)
        return status;
    if (value > end - reader->cursor.position)
        return broken(reader, start, "a length goes past the end");
    *length = (size_t)value;
    return SW_OK;
}

/* Passes over a field that is not ours. tag_position is where its tag was. */
static enum sw_status skip_field(struct reader *reader, size_t end, uint32_t tag, size_t tag_position)
{
    uint64_t number;
    size_t bytes = 0;
    enum sw_status status = SW_OK;

    switch (tag & 7) {
    case WIRE_VARINT:
        return read_varint(reader, end, &number);
    case WIRE_FIXED64:
        bytes = 8;
        break;
    case WIRE_FIXED32:
        bytes = 4;
        break;
    case WIRE_BYTES:
        status = read_length(reader, end, &bytes);
        break;
    default:
        return broken(reader, tag_position, "a group or an unknown wire type");
    }
    if (status != SW_OK)
        return status;
    if (bytes > end - reader->cursor.position)
        return broken(reader, tag_position, "a field is cut short");
    take(&reader->cursor, bytes, NULL);
    return SW_OK;
}

/* A field's wire type must be the one of the .proto file: a peer that sends another is not of our kind. */
static enum sw_status expect_type(const struct reader *reader, uint32_t tag, enum wire_type type, size_t tag_position)
{
    if ((tag & 7) == (uint32_t)type)
        return SW_OK;
    return broken(reader, tag_position, "a field has the wrong wire type");
}

static enum sw_status read_key(struct reader *reader, size_t end, struct sw_key *key)
{
    size_t start = reader->cursor.position;
    size_t bytes = 0;
    enum sw_status status = read_length(reader, end, &bytes);

    if (status != SW_OK)
        return status;
    if (bytes != SW_KEY_BYTES)
        return broken(reader, start, "a key is not 32 bytes");
    take(&reader->cursor, SW_KEY_BYTES, key->bytes);
    return SW_OK;
}

/* ---- symbols inside ---- */

/* A symbol as it comes, of either message. */
struct symbol {
    struct sw_wire_value key;
    struct sw_wire_value value;
};

/* Reads a message of two bytes fields, in any order; of a field that comes twice the last one counts. */
static enum sw_status read_symbol(struct reader *reader, size_t end, uint32_t key_field, uint32_t value_field,
                                  struct symbol *symbol)
{
    enum sw_status status = read_length(reader, end, &end);

    *symbol = (struct symbol){{0}, {0}};
    end += reader->cursor.position;
    while (status == SW_OK && reader->cursor.position < end) {
        size_t tag_position = reader->cursor.position;
        uint32_t tag = 0;
        size_t bytes = 0;
        reader->member = "";
        status = read_tag(reader, end, &tag);
        if (status != SW_OK)
            break;
        if (tag >> 3 != key_field && tag >> 3 != value_field) {
            status = skip_field(reader, end, tag, tag_position);
            continue;
        }
        struct sw_wire_value *target = tag >> 3 == key_field ? &symbol->key : &symbol->value;
        reader->member = tag >> 3 == key_field ? ".key" : ".value";
        status = expect_type(reader, tag, WIRE_BYTES, tag_position);
        if (status == SW_OK)
            status = read_length(reader, end, &bytes);
        if (status == SW_OK)
            *target = take_value(&reader->cursor, bytes);
    }
    if (status == SW_OK)
        reader->member = "";
    return status;
}

/* Copies up to SW_KEY_BYTES of a value from wherever they lie. */
static void copy_key(const struct sw_wire_value *value, struct sw_key *key)
{
    struct sw_wire_value head = *value;
    const uint8_t *bytes;

    if (head.bytes > SW_KEY_BYTES)
        head.bytes = SW_KEY_BYTES;
    bytes = sw_wire_value_flatten(&head, key->bytes);
    if (bytes != key->bytes)
        memcpy(key->bytes, bytes, head.bytes);
}

/* ---- RetrieveBatchResponse ---- */

static const char *const response_field_names[RESPONSE_FIELDS] = {
    [RESPONSE_SYMBOLS] = "symbols",   [RESPONSE_MISSING] = "missing",
    [RESPONSE_LEFT_OUT] = "left_out", [RESPONSE_LEFT_OUT_BYTES] = "left_out_bytes",
    [RESPONSE_CORRUPT] = "corrupt",   [RESPONSE_HELD] = "held",
};

static enum sw_status read_response_symbol(struct reader *reader, size_t end,
                                           const struct sw_wire_response_handler *handler, void *state, bool *go_on)
{
    size_t start = reader->cursor.position;
    struct symbol symbol;
    struct sw_key key;
    enum sw_status status = read_symbol(reader, end, SYMBOL_KEY, SYMBOL_VALUE, &symbol);

    if (status != SW_OK)
        return status;
    reader->member = ".key";
    if (symbol.key.bytes != SW_KEY_BYTES)
        return broken(reader, start, symbol.key.bytes == 0 ? "a symbol lacks its key" : "a key is not 32 bytes");
    reader->member = "";
    if (symbol.value.bytes == 0)
        symbol.value.message = reader->cursor.message;
    copy_key(&symbol.key, &key);
    if (handler->symbol)
        *go_on = handler->symbol(state, &key, &symbol.value);
    return SW_OK;
}

static enum sw_status read_response_field(struct reader *reader, size_t end, uint32_t tag,
                                          const struct sw_wire_response_handler *handler, void *state, bool *go_on)
{
    bool (*const told[RESPONSE_FIELDS])(void *, const struct sw_key *) = {
        [RESPONSE_MISSING] = handler->missing,
        [RESPONSE_LEFT_OUT] = handler->left_out,
        [RESPONSE_CORRUPT] = handler->corrupt,
        [RESPONSE_HELD] = handler->held,
    };
    uint32_t field = tag >> 3;

    if (field == RESPONSE_SYMBOLS)
        return read_response_symbol(reader, end, handler, state, go_on);
    if (field == RESPONSE_LEFT_OUT_BYTES) {
        uint64_t bytes = 0;
        enum sw_status status = read_varint(reader, end, &bytes);
        if (status == SW_OK && handler->left_out_bytes)
            *go_on = handler->left_out_bytes(state, bytes);
        return status;
    }
    struct sw_key key;
    enum sw_status status = read_key(reader, end, &key);
    if (status == SW_OK && told[field])
        *go_on = told[field](state, &key);
    return status;
}

enum sw_status sw_wire_read_response(const struct sw_rpc_message *message,
                                     const struct sw_wire_response_handler *handler, void *state,
                                     struct sw_error *error)
{
    struct reader reader = {.message_name = "RetrieveBatchResponse", .field_name = "", .member = "", .error = error};
    size_t end = sw_rpc_message_bytes(message);
    size_t seen[RESPONSE_FIELDS] = {0};
    enum sw_status status = SW_OK;
    bool go_on = true;

    cursor_init(&reader.cursor, message);
    while (status == SW_OK && go_on && reader.cursor.position < end) {
        size_t tag_position = reader.cursor.position;
        uint32_t tag = 0;
        reader.field_name = "";
        status = read_tag(&reader, end, &tag);
        if (status != SW_OK)
            break;
        uint32_t field = tag >> 3;
        if (field >= RESPONSE_FIELDS) {
            status = skip_field(&reader, end, tag, tag_position);
            continue;
        }
        reader.field_name = response_field_names[field];
        reader.index = seen[field]++;
        status = expect_type(&reader, tag, field == RESPONSE_LEFT_OUT_BYTES ? WIRE_VARINT : WIRE_BYTES, tag_position);
        if (status == SW_OK)
            status = read_response_field(&reader, end, tag, handler, state, &go_on);
    }
    return status;
}

/* ---- StoreBatchRequest ---- */

enum sw_status sw_wire_read_store_request(const struct sw_rpc_message *message,
                                          bool (*symbol)(void *state, const struct sw_wire_value *value,
                                                         const uint8_t *key, size_t key_bytes),
                                          void *state, struct sw_error *error)
{
    struct reader reader = {.message_name = "StoreBatchRequest", .field_name = "", .member = "", .error = error};
    size_t end = sw_rpc_message_bytes(message);
    size_t seen = 0;
    enum sw_status status = SW_OK;
    bool go_on = true;

    cursor_init(&reader.cursor, message);
    while (status == SW_OK && go_on && reader.cursor.position < end) {
        size_t tag_position = reader.cursor.position;
        uint32_t tag = 0;
        struct symbol found;
        struct sw_key key;
        reader.field_name = "";
        status = read_tag(&reader, end, &tag);
        if (status != SW_OK)
            break;
        if (tag >> 3 != STORE_SYMBOLS) {
            status = skip_field(&reader, end, tag, tag_position);
            continue;
        }
        reader.field_name = "symbols";
        reader.index = seen++;
        status = expect_type(&reader, tag, WIRE_BYTES, tag_position);
        if (status == SW_OK)
            status = read_symbol(&reader, end, STORE_SYMBOL_KEY, STORE_SYMBOL_VALUE, &found);
        if (status != SW_OK)
            break;
        if (found.value.bytes == 0)
            found.value.message = message;
        copy_key(&found.key, &key);
        go_on = symbol(state, &found.value, found.key.bytes > 0 ? key.bytes : NULL, found.key.bytes);
    }
    return status;
}
