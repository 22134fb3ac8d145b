/* Calls with one request and one answer: what those of the node's RPCs that are such have in common. */
#ifndef SW_SERVER_UNARY_H
#define SW_SERVER_UNARY_H

#include "server/service.h"

struct sw_unary {
    struct sw_task task;
    struct sw_service *service;
    struct sw_rpc_server_call *call;
    struct sw_rpc_message *request; /* NULL before it has come; the call frees it */
    uint64_t reserved_bytes;        /* of the memory of all calls */
};

/* Begins a call that reserves so many bytes; 0: none. NULL where there is no room, and the call has been ended so. */
struct sw_unary *sw_unary_start(struct sw_rpc_server_call *call, struct sw_service *service, uint64_t reserved_bytes);
/* Its request has come, which becomes the call's: run is to work on it, on a pool, and to finish the call. */
void sw_unary_submit(struct sw_unary *unary, struct sw_rpc_message *request, struct sw_pool *pool,
                     void (*run)(struct sw_task *task));
/* The handler's end. */
void sw_unary_end(void *state);

#endif
