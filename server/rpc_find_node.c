/* FindNode: whom the node knows near a target. Looked up in memory, on the network thread. */
#include "client/core/route.h"
#include "common/protobuf.h"
#include "server/known_nodes.h"
#include "server/unary.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <string.h>

#define REQUEST_BYTES_MAX 128
#define COUNT_DEFAULT     SW_ROUTE_CANDIDATES_MAX

static void *start(struct sw_rpc_server_call *call, void *service)
{
    return sw_unary_start(call, service, 0);
}

/* Packs each node as it is told, since the list may change right after. */
static void add(const struct sw_node *node, void *visit_data)
{
    struct sw_rpc_message *answer = visit_data;
    Symwave__V1__FindNodeResponse part = SYMWAVE__V1__FIND_NODE_RESPONSE__INIT;
    Symwave__V1__NodeAddress item = SYMWAVE__V1__NODE_ADDRESS__INIT, *items[] = {&item};
    uint8_t packed[SW_NODE_ID_BYTES_MAX + SW_NODE_ADDRESS_BYTES_MAX + 32];
    item.id = (char *)node->id;
    item.address = (char *)node->address;
    part.nodes = items;
    part.n_nodes = 1;
    /* Messages of one field each, in a row, are one message with all of them. */
    sw_rpc_message_add_copy(answer, packed, symwave__v1__find_node_response__pack(&part, packed));
}

static enum sw_status find(const struct sw_unary *self, struct sw_rpc_message *answer, struct sw_error *error)
{
    enum sw_status status = SW_OK;
    struct sw_key target;
    Symwave__V1__FindNodeRequest *message =
        sw_protobuf_unpack(&symwave__v1__find_node_request__descriptor, self->request, REQUEST_BYTES_MAX);
    if (!message)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the request is not a FindNodeRequest");
    const uint32_t count = message->count ? message->count : COUNT_DEFAULT;
    if (message->target.len != SW_KEY_BYTES)
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "target: it has %d bytes, got %zu", SW_KEY_BYTES,
                              message->target.len);
    else if (count > SW_ROUTE_CANDIDATES_MAX)
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "count: it may be at most %d, got %u",
                              SW_ROUTE_CANDIDATES_MAX, count);
    else
        memcpy(target.bytes, message->target.data, SW_KEY_BYTES);
    symwave__v1__find_node_request__free_unpacked(message, &sw_protobuf_allocator);
    if (status == SW_OK)
        sw_known_nodes_nearest(self->service->known_nodes, &target, count, add, answer);
    return status;
}

static void message(void *state, struct sw_rpc_message *request)
{
    struct sw_unary *self = state;
    struct sw_error error = {0};
    self->request = request;
    struct sw_rpc_message *answer = sw_rpc_message_new();
    enum sw_status status =
        answer ? find(self, answer, &error) : sw_error_set(&error, SW_NO_MEMORY, "no memory for the answer");
    if (status != SW_OK) {
        sw_rpc_message_free(answer);
        answer = NULL;
    }
    sw_service_finish(self->call, answer, status, &error);
}

const struct sw_rpc_server_handler sw_find_node_handler = {.start = start, .message = message, .end = sw_unary_end};
