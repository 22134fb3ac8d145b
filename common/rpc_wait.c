#include "common/rpc_wait.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/memory.h"
#include <stdio.h>
#include <string.h>

struct arrival {
    struct arrival *next;
    struct sw_rpc_message *message;
};

struct waiting {
    const struct sw_rpc_wait *what;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    struct arrival *first, **last;
    bool sent, ended, no_memory;
    enum sw_rpc_code code;
    char details[SW_ERROR_MESSAGE_SIZE];
};

/* ---- on the loop thread ---- */

static void on_message(void *state, struct sw_rpc_message *message)
{
    struct waiting *self = state;
    struct arrival *arrival = sw_malloc(sizeof(*arrival));
    if (!arrival)
        sw_rpc_message_free(message);
    else
        *arrival = (struct arrival){.message = message};
    pthread_mutex_lock(&self->lock);
    if (arrival) {
        *self->last = arrival;
        self->last = &arrival->next;
    } else {
        self->no_memory = true;
    }
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void on_sent(void *state)
{
    struct waiting *self = state;
    pthread_mutex_lock(&self->lock);
    self->sent = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void on_end(void *state, enum sw_rpc_code code, const char *details)
{
    struct waiting *self = state;
    pthread_mutex_lock(&self->lock);
    self->code = code;
    snprintf(self->details, sizeof(self->details), "%s", details ? details : "");
    self->ended = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* ---- on the caller's ---- */

/* Under lock, which it gives back while a message is taken. False where the caller wants no more. */
static bool take_first(struct waiting *self, bool wanted)
{
    struct arrival *arrival = self->first;
    self->first = arrival->next;
    if (!self->first)
        self->last = &self->first;
    pthread_mutex_unlock(&self->lock);
    if (wanted)
        wanted = self->what->message(self->what->user_data, arrival->message);
    else
        sw_rpc_message_free(arrival->message);
    sw_free(arrival);
    pthread_mutex_lock(&self->lock);
    return wanted;
}

/* Sends the next message, or closes. Under lock, which it gives back meanwhile. False where that was the last. */
static bool send_next(struct waiting *self, struct sw_rpc_client_call *call)
{
    self->sent = false;
    pthread_mutex_unlock(&self->lock);
    struct sw_rpc_message *next = self->what->next(self->what->user_data);
    if (next)
        sw_rpc_client_send(call, next);
    else
        sw_rpc_client_half_close(call);
    pthread_mutex_lock(&self->lock);
    return next != NULL;
}

/* When the call is given up, where nothing happens until then. */
static uint64_t deadline(const struct waiting *self)
{
    const uint64_t stall_us = self->what->stall_us, end_us = self->what->deadline_us;
    const uint64_t until_us = stall_us == SW_CLOCK_NEVER ? SW_CLOCK_NEVER : sw_clock_us() + stall_us;
    return end_us && end_us < until_us ? end_us : until_us;
}

static bool is_late(const struct waiting *self)
{
    return self->what->deadline_us && sw_clock_us() >= self->what->deadline_us;
}

/*
 * Hands messages over, and sends what there is to send, until the call has ended. SW_OK: it ended, or message ended it,
 * which *wanted tells. Under lock.
 */
static enum sw_status attend(struct waiting *self, struct sw_rpc_client_call *call, bool *wanted)
{
    enum sw_status status = SW_OK;
    bool sends = self->what->next != NULL;
    uint64_t until_us = deadline(self);
    self->sent = sends; /* the first may be sent at once */
    while (!self->ended || self->first) {
        if (*wanted && (self->no_memory || is_late(self))) {
            status = self->no_memory ? SW_NO_MEMORY : SW_DEADLINE_EXCEEDED;
            *wanted = false;
            sw_rpc_client_cancel(call); /* the end follows */
        } else if (self->first) {
            if (!take_first(self, *wanted) && *wanted) {
                *wanted = false;
                sw_rpc_client_cancel(call);
            }
            until_us = deadline(self);
        } else if (*wanted && sends && self->sent) {
            sends = send_next(self, call);
            until_us = deadline(self);
        } else if (!sw_cond_wait_until(&self->changed, &self->lock, *wanted ? until_us : SW_CLOCK_NEVER)) {
            status = SW_DEADLINE_EXCEEDED;
            *wanted = false;
            sw_rpc_client_cancel(call);
        }
    }
    return *wanted && self->no_memory ? SW_NO_MEMORY : status; /* the end may come before anybody has looked */
}

/* ---- stopping ---- */

void sw_rpc_stop(struct sw_rpc_stop *stop)
{
    pthread_mutex_lock(&stop->lock);
    stop->stopped = true;
    if (stop->call)
        sw_rpc_client_cancel(stop->call);
    pthread_mutex_unlock(&stop->lock);
}

/* Has a call stopped from now on; at once where that was asked for already. NULL: none any more. */
static bool set_call(struct sw_rpc_stop *stop, struct sw_rpc_client_call *call)
{
    if (!stop)
        return false;
    pthread_mutex_lock(&stop->lock);
    const bool stopped = stop->stopped;
    stop->call = call;
    if (stopped && call)
        sw_rpc_client_cancel(call);
    pthread_mutex_unlock(&stop->lock);
    return stopped;
}

enum sw_status sw_rpc_wait(struct sw_rpc_channel *channel, const struct sw_rpc_wait *what, struct sw_error *error)
{
    static const struct sw_rpc_client_handler handler = {.message = on_message, .sent = on_sent, .end = on_end};
    struct waiting self = {.what = what};
    enum sw_status status = SW_NO_MEMORY;
    bool wanted = true;
    self.last = &self.first;
    pthread_mutex_init(&self.lock, NULL);
    sw_cond_init(&self.changed);
    pthread_mutex_lock(&self.lock);
    struct sw_rpc_client_call *call =
        sw_rpc_client_start(channel, what->method, what->request, SW_CLOCK_NEVER, &handler, &self);
    if (call) {
        set_call(what->stop, call);
        status = attend(&self, call, &wanted);
    }
    pthread_mutex_unlock(&self.lock);
    const bool stopped = set_call(what->stop, NULL);
    if (call)
        sw_rpc_client_release(call);
    pthread_cond_destroy(&self.changed);
    pthread_mutex_destroy(&self.lock);
    if (status == SW_NO_MEMORY)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a call");
    if (stopped && (status != SW_OK || (wanted && self.code != SW_RPC_OK)))
        return sw_error_set(error, SW_CANCELLED, "stopped");
    if (status != SW_OK && is_late(&self))
        return sw_error_set(error, status, "the server has not ended in time");
    if (status != SW_OK)
        return sw_error_set(error, status, "the server has not moved for %llu ms",
                            (unsigned long long)(what->stall_us / 1000));
    if (!wanted || self.code == SW_RPC_OK)
        return SW_OK;
    return sw_error_set(error, sw_rpc_code_to_status(self.code), "%.20s: %.480s", sw_rpc_code_name(self.code),
                        self.details);
}
