#include "common/protobuf.h"
#include "common/memory.h"

static void *allocate(void *state, size_t bytes)
{
    (void)state;
    return sw_malloc(bytes);
}

static void release(void *state, void *block)
{
    (void)state;
    sw_free(block);
}

ProtobufCAllocator sw_protobuf_allocator = {.alloc = allocate, .free = release};

struct sw_rpc_message *sw_protobuf_pack(const ProtobufCMessage *message)
{
    struct sw_rpc_message *packed = sw_rpc_message_new();
    uint8_t *bytes = sw_malloc(protobuf_c_message_get_packed_size(message) + 1); /* which may be 0 */
    if (packed && bytes) {
        sw_rpc_message_add_copy(packed, bytes, protobuf_c_message_pack(message, bytes));
    } else {
        sw_rpc_message_free(packed);
        packed = NULL;
    }
    sw_free(bytes);
    return packed;
}

void *sw_protobuf_unpack(const ProtobufCMessageDescriptor *type, struct sw_rpc_message *message, size_t bytes_max)
{
    const size_t bytes = sw_rpc_message_bytes(message);
    if (bytes > bytes_max)
        return NULL;
    const uint8_t *flat = bytes > 0 ? sw_rpc_message_flatten(message) : (const uint8_t *)"";
    return flat ? protobuf_c_message_unpack(type, &sw_protobuf_allocator, bytes, flat) : NULL;
}
