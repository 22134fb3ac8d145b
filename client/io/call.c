#include "client/io/call.h"
#include "common/memory.h"
#include "common/thread.h"
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- the call's thread ---- */

/* Under lock. */
static void signal_fd(const struct sw_call *call)
{
    const uint64_t one = 1;
    ssize_t written = write(call->fd, &one, sizeof(one)); /* it can only fail where it is signalled already */
    (void)written;
}

static void *run(void *arg)
{
    struct sw_call *call = arg;
    call->self = pthread_self();
    pthread_setname_np(call->self, "sw-call");
    enum sw_status status = call->work(call, &call->error);
    void (*done)(struct sw_call * call, void *user_data) = call->options.done;
    void *done_data = call->options.done_data;
    pthread_mutex_lock(&call->lock);
    call->status = status;
    call->over = true;
    signal_fd(call);
    pthread_cond_broadcast(&call->changed);
    /* With a done, the call is freed by that or after it; without, whoever waits frees it once it has the lock. */
    pthread_mutex_unlock(&call->lock);
    if (done)
        done(call, done_data);
    return NULL;
}

void sw_call_run(struct sw_call *call, void (*callback)(void *data), void *data)
{
    /* A local store that is asked elsewhere gives what it has to the sink from there. */
    if (!call->options.dispatch || !pthread_equal(pthread_self(), call->self)) {
        callback(data);
        return;
    }
    pthread_mutex_lock(&call->lock);
    call->waits = callback;
    call->waits_data = data;
    call->held = true;
    signal_fd(call);
    pthread_cond_broadcast(&call->changed);
    while (call->held)
        pthread_cond_wait(&call->changed, &call->lock);
    pthread_mutex_unlock(&call->lock);
}

struct telling {
    struct sw_call *call;
    const struct sw_progress *progress;
};

static void tell_progress(void *data)
{
    const struct telling *telling = data;
    telling->call->progress(telling->progress, telling->call->progress_data);
}

/* The progress function of all calls. */
static void progress(const struct sw_progress *now, void *user_data)
{
    struct sw_call *call = user_data;
    pthread_mutex_lock(&call->lock);
    call->last = *now;
    pthread_mutex_unlock(&call->lock);
    if (call->progress)
        sw_call_run(call, tell_progress, &(struct telling){.call = call, .progress = now});
}

static void callers_cancel_fired(struct cancel_hook *hook)
{
    struct sw_call *call = (struct sw_call *)((char *)hook - offsetof(struct sw_call, hook));
    sw_cancel_fire(call->cancel);
}

/* ---- making and freeing ---- */

static void destroy(struct sw_call *call)
{
    if (call->callers_cancel)
        sw_cancel_detach(call->callers_cancel, &call->hook);
    if (call->release)
        call->release(call);
    sw_cancel_free(call->cancel);
    if (call->fd >= 0)
        close(call->fd);
    pthread_cond_destroy(&call->changed);
    pthread_mutex_destroy(&call->lock);
}

enum sw_status sw_call_init(struct sw_call *call, enum sw_call_kind kind, const struct sw_call_options *options,
                            struct sw_cancel **cancel, sw_progress_fn *callers_progress, void **progress_data,
                            struct sw_error *error)
{
    call->kind = kind;
    SW_OPTIONS_COPY(&call->options, options);
    pthread_mutex_init(&call->lock, NULL);
    sw_cond_init(&call->changed);
    call->cancel = sw_cancel_new();
    call->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int failed = call->fd < 0 ? errno : 0;
    if (!call->cancel || failed) {
        destroy(call);
        return failed ? sw_error_set(error, SW_IO_ERROR, "cannot make a descriptor for the call: %s", strerror(failed))
                      : sw_error_set(error, SW_NO_MEMORY, "no memory for a call");
    }
    call->progress = *callers_progress;
    call->progress_data = *progress_data;
    *callers_progress = progress;
    *progress_data = call;
    call->callers_cancel = *cancel;
    call->hook.fired = callers_cancel_fired;
    sw_cancel_attach(call->callers_cancel, &call->hook);
    *cancel = call->cancel;
    return SW_OK;
}

void sw_call_discard(struct sw_call *call)
{
    destroy(call);
    sw_free(call);
}

enum sw_status sw_call_start(struct sw_call *call, struct sw_call **out, struct sw_error *error)
{
    /* The thread writes to the call as soon as it is, and may end it: out is set before. */
    *out = call;
    const int failed = sw_thread_start(&call->thread, NULL, run, call);
    if (!failed)
        return SW_OK;
    *out = NULL;
    sw_call_discard(call);
    return sw_error_set(error, SW_IO_ERROR, "cannot start a thread for the call: %s", strerror(failed));
}

enum sw_status sw_call_end(struct sw_call *call, enum sw_call_kind kind, void **report, struct sw_error *error)
{
    if (report)
        *report = NULL;
    if (call->kind != kind)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the call is of another kind, and is not ended");
    while (!sw_call_wait(call, UINT32_MAX))
        ;
    if (pthread_equal(pthread_self(), call->self))
        pthread_detach(call->thread);
    else
        pthread_join(call->thread, NULL);
    const enum sw_status status = call->status;
    if (error && status != SW_OK)
        *error = call->error;
    if (report)
        *report = call->report;
    sw_call_discard(call);
    return status;
}

/* ---- what callers do with any of them ---- */

void sw_call_cancel(struct sw_call *call)
{
    sw_cancel_fire(call->cancel);
}

int sw_call_fd(const struct sw_call *call)
{
    return call->fd;
}

/* Runs what waits. Under lock, which it gives back meanwhile. */
static void dispatch(struct sw_call *call)
{
    void (*callback)(void *data) = call->waits;
    void *data = call->waits_data;
    call->waits = NULL;
    pthread_mutex_unlock(&call->lock);
    callback(data);
    pthread_mutex_lock(&call->lock);
    call->held = false;
    pthread_cond_broadcast(&call->changed);
}

bool sw_call_dispatch(struct sw_call *call)
{
    uint64_t count;
    pthread_mutex_lock(&call->lock);
    /* Readable only while there is something to do: what comes from here on signals again. */
    if (!call->over && read(call->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        count = 0;
    if (call->waits)
        dispatch(call);
    const bool over = call->over;
    pthread_mutex_unlock(&call->lock);
    return over;
}

bool sw_call_wait(struct sw_call *call, uint32_t timeout_ms)
{
    const uint64_t until_us = sw_clock_us() + (uint64_t)timeout_ms * 1000;
    bool in_time = true;
    pthread_mutex_lock(&call->lock);
    while (!call->over && in_time) {
        if (call->waits)
            dispatch(call);
        else
            in_time = sw_cond_wait_until(&call->changed, &call->lock, until_us);
    }
    const bool over = call->over;
    pthread_mutex_unlock(&call->lock);
    return over;
}

void sw_call_progress(struct sw_call *call, struct sw_progress *progress, size_t progress_bytes)
{
    memset(progress, 0, progress_bytes);
    pthread_mutex_lock(&call->lock);
    memcpy(progress, &call->last, progress_bytes < sizeof(call->last) ? progress_bytes : sizeof(call->last));
    pthread_mutex_unlock(&call->lock);
}
