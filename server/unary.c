#include "server/unary.h"
#include <stdlib.h>

struct sw_unary *sw_unary_start(struct sw_rpc_server_call *call, struct sw_service *service, uint64_t reserved_bytes)
{
    if (reserved_bytes > 0 && !sw_service_enter(service, call, reserved_bytes))
        return NULL;
    struct sw_unary *unary = calloc(1, sizeof(*unary));
    if (!unary) {
        if (reserved_bytes > 0)
            sw_service_leave(service, call, reserved_bytes);
        sw_service_no_room(call, "no memory for the call");
        return NULL;
    }
    unary->service = service;
    unary->call = call;
    unary->reserved_bytes = reserved_bytes;
    return unary;
}

void sw_unary_submit(struct sw_unary *unary, struct sw_rpc_message *request, struct sw_pool *pool,
                     void (*run)(struct sw_task *task))
{
    unary->request = request;
    unary->task.run = run;
    sw_pool_submit(pool, &unary->task);
}

void sw_unary_end(void *state)
{
    struct sw_unary *unary = state;
    sw_rpc_message_free(unary->request);
    if (unary->reserved_bytes > 0)
        sw_service_leave(unary->service, unary->call, unary->reserved_bytes);
    free(unary);
}
