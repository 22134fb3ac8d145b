/* The loop: gRPC's start and stop, one completion queue, and the one thread that polls it. */
#include "common/rpc_core.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *poll_queue(void *arg)
{
    struct sw_rpc_loop *loop = arg;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(loop->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        struct sw_rpc_tag *tag = event.tag;
        SW_RPC_TAKEN_OVER(tag);
        tag->done(tag, event.success != 0);
    }
}

enum sw_status sw_rpc_loop_new(struct sw_rpc_loop **out, struct sw_error *error)
{
    *out = NULL;
    struct sw_rpc_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for the network loop");
    grpc_init();
    loop->queue = grpc_completion_queue_create_for_next(NULL);
    int failed = pthread_create(&loop->thread, NULL, poll_queue, loop);
    if (failed) {
        grpc_completion_queue_shutdown(loop->queue);
        grpc_completion_queue_destroy(loop->queue);
        grpc_shutdown();
        free(loop);
        return sw_error_set(error, SW_IO_ERROR, "cannot start the network thread: %s", strerror(failed));
    }
    pthread_setname_np(loop->thread, "sw-network");
    *out = loop;
    return SW_OK;
}

void sw_rpc_loop_free(struct sw_rpc_loop *loop)
{
    if (!loop)
        return;
    grpc_completion_queue_shutdown(loop->queue);
    pthread_join(loop->thread, NULL);
    grpc_completion_queue_destroy(loop->queue);
    grpc_shutdown_blocking();
    free(loop);
}

void sw_rpc_start_batch(grpc_call *call, const grpc_op *ops, size_t count, struct sw_rpc_tag *tag)
{
    SW_RPC_HANDED_OVER(tag);
    grpc_call_error refused = grpc_call_start_batch(call, ops, count, tag, NULL);
    assert(refused == GRPC_CALL_OK);
    (void)refused;
}
