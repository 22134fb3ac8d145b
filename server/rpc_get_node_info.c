/* GetNodeInfo: who the node is, what it holds and what it accepts. */
#include "server/unary.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <stdlib.h>

static void *start(struct sw_rpc_server_call *call, void *service)
{
    return sw_unary_start(call, service, 0);
}

static struct sw_rpc_message *make_answer(struct sw_service *service, const struct sw_store_info *info)
{
    const struct sw_limits now = sw_service_limits(service);
    Symwave__V1__Limits limits = SYMWAVE__V1__LIMITS__INIT;
    limits.keys_max = now.keys_max;
    limits.value_bytes_max = now.value_bytes_max;
    limits.message_bytes_max = now.message_bytes_max;
    limits.store_symbols_max = now.store_symbols_max;
    limits.store_bytes_max = now.store_bytes_max;
    Symwave__V1__GetNodeInfoResponse response = SYMWAVE__V1__GET_NODE_INFO_RESPONSE__INIT;
    response.node_id = (char *)service->node_id;
    response.version = SYMWAVE_VERSION;
    response.limits = &limits;
    response.symbol_count = info->symbol_count;
    response.stored_bytes = info->stored_bytes;
    response.writable = info->writable;
    size_t bytes = symwave__v1__get_node_info_response__get_packed_size(&response);
    uint8_t *packed = malloc(bytes);
    struct sw_rpc_message *answer = packed ? sw_rpc_message_new() : NULL;
    if (answer)
        sw_rpc_message_add_copy(answer, packed, symwave__v1__get_node_info_response__pack(&response, packed));
    free(packed);
    return answer;
}

static void run(struct sw_task *task)
{
    struct sw_unary *self = (struct sw_unary *)task;
    struct sw_service *service = self->service;
    struct sw_store_info info;
    struct sw_error error = {0};
    struct sw_rpc_message *answer = NULL;
    enum sw_status status = service->store->info(service->store, &info, &error);
    if (status != SW_OK) {
        char quoted[SW_ERROR_MESSAGE_SIZE];
        sw_log(service->logger, SW_LOG_ERROR, "cannot ask the store for its size", "error=%s",
               sw_log_quote(error.message, quoted, sizeof(quoted)));
        sw_error_set(&error, status, "the node cannot ask its store for its size: %s", sw_status_name(status));
    } else {
        answer = make_answer(service, &info);
        if (!answer)
            status = sw_error_set(&error, SW_NO_MEMORY, "no memory for the answer");
    }
    sw_service_finish(self->call, answer, status, &error);
}

/* The request is an empty message: nothing in it is looked at. */
static void message(void *state, struct sw_rpc_message *request)
{
    struct sw_unary *self = state;
    sw_unary_submit(self, request, self->service->info_pool, run);
}

const struct sw_rpc_server_handler sw_get_node_info_handler = {.start = start, .message = message, .end = sw_unary_end};
