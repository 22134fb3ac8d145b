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
