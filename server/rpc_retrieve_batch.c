/*
 * RetrieveBatch: symbols as they are read. When one message is out the next is read, and no more: a slow client holds
 * back the reading, and a stream never has more than one message in memory.
 */
#include "common/wire.h"
#include "server/messages.h"
#include "server/service.h"
#include <stdlib.h>
#include <string.h>

/*
 * A message is full with this many bytes: the first with one symbol of 60 or 64 KiB, so that it comes soon, others with
 * two, since a message costs both sides as much as the bytes of one; small symbols are packed. With the keys this keeps
 * a stream below SW_RETRIEVE_CALL_BYTES.
 */
#define FIRST_MESSAGE_BYTES ((size_t)48 << 10)
#define MESSAGE_BYTES       ((size_t)112 << 10)
/* It is also full after this many look-ups, so that missing keys are told soon. */
#define MESSAGE_KEYS 256

struct retrieval {
    struct sw_task task;
    struct sw_service *service;
    struct sw_rpc_server_call *call;
    struct sw_rpc_message *request_message; /* until the task has read it */

    /* the task's while it runs, else sent's: one of them starts the other */
    struct sw_key_request request;
    size_t next;             /* the first key that is not answered yet */
    uint64_t value_bytes;    /* of values answered */
    uint64_t left_out_bytes; /* of the value that did not fit; not 0: nothing more is read */
    bool to_sync;            /* a key said to be held may not be durable yet */
    bool over;               /* nothing more will be read */
    enum sw_status status;
    struct sw_error error;
};

static void count(const struct retrieval *self, enum sw_metric metric)
{
    sw_metrics_add(self->service->metrics, metric, 1);
}

static void *start(struct sw_rpc_server_call *call, void *user)
{
    struct sw_service *service = user;
    if (!sw_service_enter(service, call, SW_RETRIEVE_CALL_BYTES))
        return NULL;
    struct retrieval *self = calloc(1, sizeof(*self));
    if (!self) {
        sw_service_leave(service, call, SW_RETRIEVE_CALL_BYTES);
        sw_service_no_room(call, "no memory for the call");
        return NULL;
    }
    self->service = service;
    self->call = call;
    return self;
}

/* ---- reading; in the task ---- */

static void log_symbol(const struct retrieval *self, const char *what, const struct sw_key *key, const char *why)
{
    char text[SW_KEY_BASE58_SIZE], quoted[SW_ERROR_MESSAGE_SIZE];
    sw_key_to_base58(key, text);
    sw_log(self->service->logger, SW_LOG_ERROR, what, "key=%s error=%s", text,
           sw_log_quote(why, quoted, sizeof(quoted)));
}

static enum sw_status read_request(struct retrieval *self)
{
    size_t bytes_count = sw_rpc_message_bytes(self->request_message);
    const uint8_t *bytes = sw_rpc_message_flatten(self->request_message);
    enum sw_status status;
    if (!bytes && bytes_count > 0)
        status = sw_error_set(&self->error, SW_NO_MEMORY, "no memory for the request");
    else
        status = sw_key_request_read(bytes, bytes_count, sw_service_limits(self->service).keys_max, &self->request,
                                     &self->error);
    sw_rpc_message_free(self->request_message);
    self->request_message = NULL;
    return status;
}

/* Answers one key: by reading it, or, where only the keys are wanted and no hashes, by looking it up. */
static enum sw_status add_key(struct retrieval *self, const struct sw_key *key, struct sw_rpc_message *message)
{
    struct sw_store *store = self->service->store;
    const struct sw_key_request *request = &self->request;
    struct sw_store_value value = {0};
    struct sw_error error = {0};
    bool held = false;
    enum sw_status status;
    if (request->keys_only && !request->verify) {
        status = store->contains(store, key, &held, &error);
    } else {
        const struct sw_store_reader reader = sw_service_reader(self->call);
        status = store->get(store, key, &reader, &value, &error);
        held = value.bytes != NULL;
    }
    if (status == SW_CANCELLED)
        return sw_error_set(&self->error, SW_CANCELLED, "the caller is gone");
    if (status == SW_DATA_LOSS || status == SW_IO_ERROR) { /* one cannot be read; the others may well be whole */
        log_symbol(self, "a stored symbol cannot be read back", key, error.message);
        sw_wire_add_corrupt(message, key);
        count(self, SW_METRIC_SYMBOLS_CORRUPT);
        return SW_OK;
    }
    if (status != SW_OK) {
        char text[SW_KEY_BASE58_SIZE];
        sw_key_to_base58(key, text);
        log_symbol(self, "cannot read a symbol", key, error.message);
        return sw_error_set(&self->error, SW_INTERNAL, "keys[%zu]: the node cannot read the value of %s: %s",
                            self->next, text, sw_status_name(status));
    }
    if (!held) {
        sw_wire_add_missing(message, key);
        count(self, SW_METRIC_KEYS_MISSING);
    } else if (request->verify && !sw_service_is_whole(key, &value)) {
        log_symbol(self, "a stored symbol is damaged", key, "its bytes do not hash to its key");
        sw_wire_add_corrupt(message, key);
        count(self, SW_METRIC_SYMBOLS_CORRUPT);
        value.release(value.release_data);
        sw_service_set_aside(self->service, key);
    } else if (request->keys_only) {
        sw_wire_add_held(message, key);
        count(self, SW_METRIC_KEYS_HELD);
        self->to_sync = true;
        if (value.bytes)
            value.release(value.release_data);
    } else if (request->max_bytes > 0 && value.bytes_count > request->max_bytes - self->value_bytes) {
        self->left_out_bytes = value.bytes_count;
        value.release(value.release_data);
        sw_wire_add_left_out(message, key);
        sw_wire_add_left_out_bytes(message, self->left_out_bytes);
        count(self, SW_METRIC_KEYS_LEFT_OUT);
    } else {
        count(self, SW_METRIC_SYMBOLS_SENT);
        sw_metrics_add(self->service->metrics, SW_METRIC_SYMBOL_BYTES_SENT, value.bytes_count);
        self->value_bytes += value.bytes_count;
        sw_wire_add_symbol(message, key, value.bytes, value.bytes_count, value.release, value.release_data);
    }
    return SW_OK;
}

/* Makes durable what has been called held: a caller relies on it, and sends nothing. */
static enum sw_status sync_held(struct retrieval *self)
{
    struct sw_store *store = self->service->store;
    struct sw_error error = {0};
    char quoted[SW_ERROR_MESSAGE_SIZE];
    self->to_sync = false;
    enum sw_status status = store->sync(store, &error);
    if (status == SW_OK)
        return SW_OK;
    sw_log(self->service->logger, SW_LOG_ERROR, "cannot make symbols durable", "error=%s",
           sw_log_quote(error.message, quoted, sizeof(quoted)));
    return sw_error_set(&self->error, SW_INTERNAL, "the node cannot make symbols durable: %s", sw_status_name(status));
}

/* Fills the next message. NULL, with self->status set, where there is none to send any more. */
static struct sw_rpc_message *read_message(struct retrieval *self)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    if (!message) {
        self->status = sw_error_set(&self->error, SW_NO_MEMORY, "no memory for a message");
        return NULL;
    }
    size_t first = self->next, full = first == 0 ? FIRST_MESSAGE_BYTES : MESSAGE_BYTES;
    if (self->left_out_bytes > 0)
        sw_wire_add_left_out_bytes(message, self->left_out_bytes);
    while (self->next < self->request.count && self->next - first < MESSAGE_KEYS &&
           sw_rpc_message_bytes(message) < full) {
        if (sw_rpc_server_is_cancelled(self->call)) {
            self->status = sw_error_set(&self->error, SW_CANCELLED, "the caller is gone");
            break;
        }
        const struct sw_key *key = &self->request.keys[self->next];
        if (self->left_out_bytes > 0) {
            sw_wire_add_left_out(message, key);
            count(self, SW_METRIC_KEYS_LEFT_OUT);
        } else {
            self->status = add_key(self, key, message);
        }
        if (self->status != SW_OK)
            break;
        self->next++;
    }
    bool durable = !self->to_sync || sync_held(self) == SW_OK;
    if (!durable)
        self->status = SW_INTERNAL;
    if (self->next > first && self->status != SW_CANCELLED && durable)
        return message; /* an error follows what was read before it */
    sw_rpc_message_free(message);
    return NULL;
}

/* ---- the flow ---- */

static void finish(struct retrieval *self)
{
    if (self->status == SW_OK && sw_rpc_server_is_cancelled(self->call))
        sw_rpc_server_finish(self->call, NULL, SW_RPC_CANCELLED, "the caller is gone");
    else
        sw_service_finish(self->call, NULL, self->status, &self->error);
}

static void run(struct sw_task *task)
{
    struct retrieval *self = (struct retrieval *)task;
    if (self->request_message)
        self->status = read_request(self);
    struct sw_rpc_message *message = self->status == SW_OK ? read_message(self) : NULL;
    self->over = self->status != SW_OK || self->next == self->request.count;
    if (message)
        sw_rpc_server_send(self->call, message); /* sent may have run before this returns, and self be gone */
    else
        finish(self);
}

static void message(void *state, struct sw_rpc_message *request)
{
    struct retrieval *self = state;
    self->request_message = request;
    self->task.run = run;
    sw_pool_submit(self->service->pool, &self->task);
}

/* A caller that is gone needs no callback of its own: either a send is outstanding or the task runs, and sees it. */
static void sent(void *state)
{
    struct retrieval *self = state;
    if (self->over || sw_rpc_server_is_cancelled(self->call))
        finish(self);
    else
        sw_pool_submit(self->service->pool, &self->task);
}

static void end(void *state)
{
    struct retrieval *self = state;
    sw_rpc_message_free(self->request_message);
    free(self->request.keys);
    sw_service_leave(self->service, self->call, SW_RETRIEVE_CALL_BYTES);
    free(self);
}

const struct sw_rpc_server_handler sw_retrieve_batch_handler = {
    .start = start, .message = message, .sent = sent, .end = end};
