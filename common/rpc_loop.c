/* The loop: gRPC's start and stop, one completion queue, and the one thread that polls it. */
#include "common/clock.h"
#include "common/cond.h"
#include "common/memory.h"
#include "common/rpc_core.h"
#include "common/thread.h"
#include <assert.h>
#include <string.h>

/* How long freeing a loop waits for gRPC to give everything back. */
#define FREE_US 2000000

static void release(struct sw_rpc_loop *loop)
{
    pthread_cond_destroy(&loop->changed);
    pthread_mutex_destroy(&loop->lock);
    sw_free(loop);
}

/* The thread's last act: tells who waits, or cleans up where nobody does. */
static void end(struct sw_rpc_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->ended = true;
    pthread_cond_broadcast(&loop->changed);
    bool abandoned = loop->abandoned;
    pthread_mutex_unlock(&loop->lock);
    if (!abandoned)
        return;
    grpc_completion_queue_destroy(loop->queue);
    grpc_shutdown();
    release(loop);
}

static void *poll_queue(void *arg)
{
    struct sw_rpc_loop *loop = arg;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(loop->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            break;
        struct sw_rpc_tag *tag = event.tag;
        SW_RPC_TAKEN_OVER(tag);
        tag->done(tag, event.success != 0);
    }
    end(loop);
    return NULL;
}

enum sw_status sw_rpc_loop_new(struct sw_rpc_loop **out, struct sw_error *error)
{
    *out = NULL;
    struct sw_rpc_loop *loop = sw_calloc(1, sizeof(*loop));
    if (!loop)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for the network loop");
    pthread_mutex_init(&loop->lock, NULL);
    sw_cond_init(&loop->changed);
    sigset_t before;
    sw_thread_signals_block(&before); /* gRPC starts threads of its own */
    grpc_init();
    sw_thread_signals_restore(&before);
    loop->queue = grpc_completion_queue_create_for_next(NULL);
    int failed = sw_thread_start(&loop->thread, "sw-network", poll_queue, loop);
    if (failed) {
        grpc_completion_queue_shutdown(loop->queue);
        grpc_completion_queue_destroy(loop->queue);
        grpc_shutdown();
        release(loop);
        return sw_error_set(error, SW_IO_ERROR, "cannot start the network thread: %s", strerror(failed));
    }
    *out = loop;
    return SW_OK;
}

/*
 * One quota for the process, as gRPC's own default is, and never freed: a connection that is still closing when its
 * client is gone refers to it, and what is posted there goes with it.
 */
static struct {
    pthread_mutex_t lock;
    grpc_resource_quota *quota;
    size_t bytes;
} channels = {.lock = PTHREAD_MUTEX_INITIALIZER};

static grpc_resource_quota *resize_quota(size_t more_bytes, size_t less_bytes)
{
    pthread_mutex_lock(&channels.lock);
    if (!channels.quota)
        channels.quota = grpc_resource_quota_create("channels");
    channels.bytes += more_bytes - less_bytes;
    if (channels.bytes > 0)
        grpc_resource_quota_resize(channels.quota, channels.bytes);
    pthread_mutex_unlock(&channels.lock);
    return channels.quota;
}

void sw_rpc_loop_bound_memory(struct sw_rpc_loop *loop, size_t bytes)
{
    assert(!loop->quota);
    loop->quota = resize_quota(bytes, 0);
    loop->quota_bytes = bytes;
}

void sw_rpc_loop_free(struct sw_rpc_loop *loop)
{
    if (!loop)
        return;
    if (loop->quota)
        resize_quota(0, loop->quota_bytes);
    grpc_completion_queue_shutdown(loop->queue);
    uint64_t until_us = sw_clock_us() + FREE_US;
    pthread_mutex_lock(&loop->lock);
    while (!loop->ended && !loop->abandoned)
        if (!sw_cond_wait_until(&loop->changed, &loop->lock, until_us) && !loop->ended)
            loop->abandoned = true;
    bool abandoned = loop->abandoned;
    /* Once it is abandoned and unlocked, the loop is its thread's. */
    if (abandoned)
        pthread_detach(loop->thread);
    pthread_mutex_unlock(&loop->lock);
    if (abandoned)
        return;
    pthread_join(loop->thread, NULL);
    grpc_completion_queue_destroy(loop->queue);
    sigset_t before;
    sw_thread_signals_block(&before);
    grpc_shutdown_blocking();
    sw_thread_signals_restore(&before);
    release(loop);
}

void sw_rpc_start_batch(grpc_call *call, const grpc_op *ops, size_t count, struct sw_rpc_tag *tag)
{
    SW_RPC_HANDED_OVER(tag);
    grpc_call_error refused = grpc_call_start_batch(call, ops, count, tag, NULL);
    assert(refused == GRPC_CALL_OK);
    (void)refused;
}
