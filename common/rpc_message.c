/* Messages: a list of gRPC slices that is being filled, or a byte buffer that has come. */
#include "common/memory.h"
#include "common/rpc_core.h"
#include <assert.h>
#include <string.h>

#define INLINE_SLICES 4
/* Segments of small pieces: each is twice as large as the one before it, from the first to the last of these. */
#define SMALL_BYTES_MIN ((size_t)64)
#define SMALL_BYTES_MAX ((size_t)16 << 10)

struct sw_rpc_message {
    grpc_byte_buffer *received; /* NULL in a message that is being filled */
    grpc_slice *slices;         /* inline_slices, an allocation, or the received buffer's */
    size_t count;
    size_t capacity;
    size_t bytes;
    size_t small_capacity; /* of the last slice where it is one of small pieces; else 0 */
    uint8_t *flat;         /* what flatten made */
    grpc_slice inline_slices[INLINE_SLICES];
};

struct sw_rpc_message *sw_rpc_message_new(void)
{
    struct sw_rpc_message *message = sw_malloc(sizeof(*message));
    if (!message)
        return NULL;
    message->received = NULL;
    message->slices = message->inline_slices;
    message->count = 0;
    message->capacity = INLINE_SLICES;
    message->bytes = 0;
    message->small_capacity = 0;
    message->flat = NULL;
    return message;
}

struct sw_rpc_message *sw_rpc_message_from_buffer(grpc_byte_buffer *buffer, struct sw_rpc_lost *lost)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    if (!message) {
        *lost = (struct sw_rpc_lost){SW_RPC_RESOURCE_EXHAUSTED, "no memory for a message"};
        grpc_byte_buffer_destroy(buffer);
        return NULL;
    }
    assert(buffer->type == GRPC_BB_RAW); /* the one type there is */
    if (buffer->data.raw.compression != GRPC_COMPRESS_NONE) {
        /* Nobody is told that compression is understood here; what comes compressed all the same is no message. */
        *lost = (struct sw_rpc_lost){SW_RPC_UNIMPLEMENTED, "a message is compressed: send it as it is"};
        grpc_byte_buffer_destroy(buffer);
        sw_free(message);
        return NULL;
    }
    message->received = buffer;
    message->slices = buffer->data.raw.slice_buffer.slices;
    message->count = buffer->data.raw.slice_buffer.count;
    message->bytes = buffer->data.raw.slice_buffer.length;
    return message;
}

void sw_rpc_message_free(struct sw_rpc_message *message)
{
    if (!message)
        return;
    if (message->received) {
        grpc_byte_buffer_destroy(message->received);
    } else {
        for (size_t i = 0; i < message->count; i++)
            grpc_slice_unref(message->slices[i]);
        if (message->slices != message->inline_slices)
            gpr_free(message->slices);
    }
    sw_free(message->flat);
    sw_free(message);
}

grpc_byte_buffer *sw_rpc_message_to_buffer(struct sw_rpc_message *message)
{
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(message->slices, message->count);
    sw_rpc_message_free(message);
    return buffer;
}

static void add_slice(struct sw_rpc_message *message, grpc_slice slice)
{
    assert(!message->received);
    if (message->count == message->capacity) {
        /* gRPC aborts without memory, as it does everywhere in this layer: a few pointers are not worth a status. */
        size_t capacity = message->capacity * 2;
        grpc_slice *slices = gpr_malloc(capacity * sizeof(*slices));
        memcpy(slices, message->slices, message->count * sizeof(*slices));
        if (message->slices != message->inline_slices)
            gpr_free(message->slices);
        message->slices = slices;
        message->capacity = capacity;
    }
    message->slices[message->count++] = slice;
    message->bytes += GRPC_SLICE_LENGTH(slice);
    message->small_capacity = 0;
}

void sw_rpc_message_add_copy(struct sw_rpc_message *message, const void *bytes, size_t count)
{
    if (count > 0)
        add_slice(message, grpc_slice_from_copied_buffer(bytes, count));
}

void sw_rpc_message_add_small(struct sw_rpc_message *message, const void *bytes, size_t count)
{
    size_t used = message->small_capacity > 0 ? GRPC_SLICE_LENGTH(message->slices[message->count - 1]) : 0;
    if (count > message->small_capacity - used) {
        size_t capacity = message->small_capacity > 0 ? 2 * message->small_capacity : SMALL_BYTES_MIN;
        if (capacity > SMALL_BYTES_MAX)
            capacity = SMALL_BYTES_MAX;
        if (capacity < count)
            capacity = count;
        grpc_slice slice = grpc_slice_malloc_large(capacity);
        GRPC_SLICE_SET_LENGTH(slice, 0);
        add_slice(message, slice);
        message->small_capacity = capacity;
        used = 0;
    }
    grpc_slice *last = &message->slices[message->count - 1];
    if (count > 0)
        memcpy(GRPC_SLICE_START_PTR(*last) + used, bytes, count);
    GRPC_SLICE_SET_LENGTH(*last, used + count);
    message->bytes += count;
}

void sw_rpc_message_add_external(struct sw_rpc_message *message, const void *bytes, size_t count,
                                 void (*release)(void *release_data), void *release_data)
{
    add_slice(message, grpc_slice_new_with_user_data((void *)bytes, count, release, release_data));
}

size_t sw_rpc_message_bytes(const struct sw_rpc_message *message)
{
    return message->bytes;
}

size_t sw_rpc_message_segments(const struct sw_rpc_message *message)
{
    return message->count;
}

const uint8_t *sw_rpc_message_segment(const struct sw_rpc_message *message, size_t index, size_t *bytes)
{
    assert(index < message->count);
    *bytes = GRPC_SLICE_LENGTH(message->slices[index]);
    return GRPC_SLICE_START_PTR(message->slices[index]);
}

const uint8_t *sw_rpc_message_flatten(struct sw_rpc_message *message)
{
    if (message->count == 1)
        return GRPC_SLICE_START_PTR(message->slices[0]);
    if (!message->flat && message->bytes > 0) {
        message->flat = sw_malloc(message->bytes);
        size_t at = 0;
        for (size_t i = 0; message->flat && i < message->count; i++) {
            memcpy(message->flat + at, GRPC_SLICE_START_PTR(message->slices[i]), GRPC_SLICE_LENGTH(message->slices[i]));
            at += GRPC_SLICE_LENGTH(message->slices[i]);
        }
    }
    return message->flat;
}
