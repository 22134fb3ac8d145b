/*
 * StoreBatch: takes symbols in. Each message is hashed and written before the next is asked for, so that a stream holds
 * one message; one sync at its end makes all of it durable, and only then comes the answer.
 */
#include "common/wire.h"
#include "server/messages.h"
#include "server/service.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Symbols and bytes in one write to the store. */
#define GROUP_SYMBOLS_MAX 256
#define GROUP_BYTES_MAX   ((size_t)4 << 20)

/* Symbols of one message that are to be written together. */
struct group {
    struct sw_key keys[GROUP_SYMBOLS_MAX];
    const uint8_t *values[GROUP_SYMBOLS_MAX];
    size_t values_bytes[GROUP_SYMBOLS_MAX];
    uint8_t *copies[GROUP_SYMBOLS_MAX]; /* of values that straddle segments; NULL for the others */
    size_t count;
    size_t bytes;
};

struct storing {
    struct sw_task task;
    struct sw_service *service;
    struct sw_rpc_server_call *call;
    /* The loop thread's until it queues the task; the task's until it reads or finishes. */
    struct sw_rpc_message *message; /* NULL: the client has sent all */
    struct group *group;
    struct sw_limits limits; /* as they were when the call came */
    struct sw_store_answer answer;
    uint32_t symbols;
    uint64_t bytes;
    bool to_sync; /* something that the answer will call stored may not be durable yet */
    enum sw_status status;
    struct sw_error error;
};

/* A message as it came, and what the store copies of it into a batch. */
static uint64_t call_bytes(const struct sw_service *service)
{
    return 2 * service->message_bytes_max;
}

static void *start(struct sw_rpc_server_call *call, void *user)
{
    struct sw_service *service = user;
    if (!sw_service_enter(service, call, call_bytes(service)))
        return NULL;
    struct storing *self = calloc(1, sizeof(*self));
    struct group *group = calloc(1, sizeof(*group));
    if (!self || !group) {
        free(self);
        free(group);
        sw_service_leave(service, call, call_bytes(service));
        sw_service_no_room(call, "no memory for the call");
        return NULL;
    }
    self->service = service;
    self->call = call;
    self->group = group;
    self->limits = sw_service_limits(service);
    sw_rpc_server_read(call);
    return self;
}

/* Logs what failed in the store, and makes of it what the caller is told: its paths are not the caller's business. */
static enum sw_status store_failed(struct storing *self, const char *what, enum sw_status status,
                                   const struct sw_error *cause)
{
    char quoted[SW_ERROR_MESSAGE_SIZE];
    sw_log(self->service->logger, SW_LOG_ERROR, what, "error=%s", sw_log_quote(cause->message, quoted, sizeof(quoted)));
    if (status == SW_NO_SPACE)
        return sw_error_set(&self->error, SW_NO_SPACE, "the node's disk is full; store on another node");
    return sw_error_set(&self->error, SW_INTERNAL, "the node %s: %s", what, sw_status_name(status));
}

/* Writes the group and empties it. */
static enum sw_status write_group(struct storing *self)
{
    struct group *group = self->group;
    struct sw_store *store = self->service->store;
    struct sw_error error = {0};
    enum sw_status status = SW_OK;
    if (group->count > 0 && self->status == SW_OK) {
        pthread_rwlock_rdlock(&self->service->damage_lock);
        status = store->put_batch(store, group->keys, group->values, group->values_bytes, group->count, &error);
        pthread_rwlock_unlock(&self->service->damage_lock);
    }
    for (size_t i = 0; i < group->count; i++) {
        free(group->copies[i]);
        group->copies[i] = NULL;
    }
    group->count = 0;
    group->bytes = 0;
    return status == SW_OK ? SW_OK : store_failed(self, "cannot write symbols", status, &error);
}

static bool group_has(const struct group *group, const struct sw_key *key)
{
    for (size_t i = 0; i < group->count; i++)
        if (memcmp(&group->keys[i], key, sizeof(*key)) == 0)
            return true;
    return false;
}

/*
 * Whether the store has a value already. It is read and compared: a symbol that has been damaged on disk is so healed
 * by storing it again.
 */
static enum sw_status is_stored(struct storing *self, const struct sw_key *key, const uint8_t *value,
                                size_t value_bytes, bool *stored)
{
    struct sw_store *store = self->service->store;
    struct sw_store_value held = {0};
    struct sw_error error = {0};
    enum sw_status status = store->contains(store, key, stored, &error);
    if (status != SW_OK)
        return store_failed(self, "cannot look up a symbol", status, &error);
    if (!*stored)
        return SW_OK;
    const struct sw_store_reader reader = sw_service_reader(self->call);
    status = store->get(store, key, &reader, &held, &error);
    if (status == SW_CANCELLED)
        return sw_error_set(&self->error, SW_CANCELLED, "the caller is gone");
    if (status != SW_OK && status != SW_DATA_LOSS && status != SW_IO_ERROR)
        return store_failed(self, "cannot read a symbol", status, &error);
    *stored =
        status == SW_OK && held.bytes && held.bytes_count == value_bytes && memcmp(held.bytes, value, value_bytes) == 0;
    if (held.bytes)
        held.release(held.release_data);
    if (!*stored) {
        char text[SW_KEY_BASE58_SIZE];
        sw_key_to_base58(key, text);
        sw_log(self->service->logger, SW_LOG_WARN, "a damaged symbol is replaced", "key=%s", text);
    }
    return SW_OK;
}

/* Why a symbol is refused, into reason; false where it is not. */
static bool refuses(const struct storing *self, const struct sw_key *key, size_t value_bytes, const uint8_t *wanted,
                    size_t wanted_bytes, char reason[SW_STORE_REASON_BYTES_MAX + 1])
{
    unsigned long long value_bytes_max = self->limits.value_bytes_max;
    const size_t size = SW_STORE_REASON_BYTES_MAX + 1;
    if (value_bytes == 0)
        snprintf(reason, size, "value: it is empty; a value has 1 to %llu bytes", value_bytes_max);
    else if (value_bytes > value_bytes_max)
        snprintf(reason, size, "value: it has %zu bytes, the limit is %llu (limits.value_bytes_max)", value_bytes,
                 value_bytes_max);
    else if (wanted_bytes != 0 && wanted_bytes != SW_KEY_BYTES)
        snprintf(reason, size, "key: a key is %d bytes, got %zu", SW_KEY_BYTES, wanted_bytes);
    else if (wanted_bytes != 0 && memcmp(wanted, key->bytes, SW_KEY_BYTES) != 0)
        snprintf(reason, size, "key: the value does not hash to it");
    else
        return false;
    return true;
}

/* Decides on one symbol whose bytes lie in a row, adds its result, and adds it to the group if it is to be written. */
static enum sw_status take_value(struct storing *self, const uint8_t *value, size_t value_bytes, const uint8_t *wanted,
                                 size_t wanted_bytes, bool *grouped)
{
    struct group *group = self->group;
    struct sw_key key = sw_key_of_value(value, value_bytes);
    char reason[SW_STORE_REASON_BYTES_MAX + 1];
    enum sw_outcome outcome = SW_OUTCOME_STORED;
    if (refuses(self, &key, value_bytes, wanted, wanted_bytes, reason)) {
        outcome = SW_OUTCOME_REFUSED;
    } else {
        bool stored = group_has(group, &key);
        enum sw_status status = stored ? SW_OK : is_stored(self, &key, value, value_bytes, &stored);
        if (status != SW_OK)
            return status;
        /* What is there already may have come in another stream that has not synced yet. */
        self->to_sync = true;
        outcome = stored ? SW_OUTCOME_ALREADY_STORED : SW_OUTCOME_STORED;
    }
    if (!sw_store_answer_add(&self->answer, &key, outcome, outcome == SW_OUTCOME_REFUSED ? reason : NULL))
        return sw_error_set(&self->error, SW_NO_MEMORY, "no memory for the answer");
    *grouped = outcome == SW_OUTCOME_STORED;
    sw_metrics_add(self->service->metrics,
                   outcome == SW_OUTCOME_STORED    ? SW_METRIC_SYMBOLS_STORED
                   : outcome == SW_OUTCOME_REFUSED ? SW_METRIC_SYMBOLS_REFUSED
                                                   : SW_METRIC_SYMBOLS_ALREADY_STORED,
                   1);
    if (*grouped)
        sw_metrics_add(self->service->metrics, SW_METRIC_SYMBOL_BYTES_STORED, value_bytes);
    if (*grouped) {
        group->keys[group->count] = key;
        group->values[group->count] = value;
        group->values_bytes[group->count] = value_bytes;
        group->bytes += value_bytes;
    }
    return SW_OK;
}

/* Checks the stream's limits against one more symbol. */
static enum sw_status count_symbol(struct storing *self, size_t value_bytes)
{
    const struct sw_limits *limits = &self->limits;
    self->symbols++;
    self->bytes += value_bytes;
    if (self->symbols > limits->store_symbols_max)
        return sw_error_set(&self->error, SW_RESOURCE_EXHAUSTED,
                            "the stream has more than %u symbols (limits.store_symbols_max); store the rest in another",
                            limits->store_symbols_max);
    if (self->bytes > limits->store_bytes_max)
        return sw_error_set(
            &self->error, SW_RESOURCE_EXHAUSTED,
            "the stream has more than %llu bytes of values (limits.store_bytes_max); store the rest in another",
            (unsigned long long)limits->store_bytes_max);
    return SW_OK;
}

/* Whether a value is in one segment of its message. */
static bool in_a_row(const struct sw_wire_value *value)
{
    if (value->bytes == 0)
        return true;
    size_t segment_bytes;
    sw_rpc_message_segment(value->message, value->segment, &segment_bytes);
    return segment_bytes - value->offset >= value->bytes;
}

/* One symbol of a message; false stops the reading of it, with self->status set. */
static bool take_symbol(void *state, const struct sw_wire_value *value, const uint8_t *wanted, size_t wanted_bytes)
{
    struct storing *self = state;
    struct group *group = self->group;
    self->status = count_symbol(self, value->bytes);
    if (self->status != SW_OK)
        return false;
    uint8_t *copy = NULL;
    if (!in_a_row(value)) {
        copy = malloc(value->bytes);
        if (!copy) {
            self->status = sw_error_set(&self->error, SW_NO_MEMORY, "no memory for a value");
            return false;
        }
    }
    bool grouped = false;
    self->status = take_value(self, sw_wire_value_flatten(value, copy), value->bytes, wanted, wanted_bytes, &grouped);
    if (grouped)
        group->copies[group->count++] = copy;
    else
        free(copy);
    if (self->status == SW_OK && (group->count == GROUP_SYMBOLS_MAX || group->bytes >= GROUP_BYTES_MAX))
        self->status = write_group(self);
    return self->status == SW_OK;
}

/* Takes in the message that has come. */
static void take_message(struct storing *self)
{
    struct sw_error error = {0};
    enum sw_status status = sw_wire_read_store_request(self->message, take_symbol, self, &error);
    if (status != SW_OK)
        self->status = sw_error_set(&self->error, SW_INVALID_ARGUMENT, "the request is malformed: %s", error.message);
    status = write_group(self);
    if (self->status == SW_OK)
        self->status = status;
    sw_rpc_message_free(self->message);
    self->message = NULL;
}

/* Makes the stream durable and gives the answer to send, or sets self->status. */
static struct sw_rpc_message *make_answer(struct storing *self)
{
    struct sw_store *store = self->service->store;
    struct sw_error error = {0};
    struct sw_rpc_message *answer = NULL;
    if (sw_rpc_server_is_cancelled(self->call))
        self->status = sw_error_set(&self->error, SW_CANCELLED, "the caller is gone");
    else if (self->symbols == 0)
        self->status = sw_error_set(&self->error, SW_INVALID_ARGUMENT, "symbols: the stream has none; send at least 1");
    if (self->status == SW_OK && self->to_sync) {
        enum sw_status status = store->sync(store, &error);
        if (status != SW_OK)
            self->status = store_failed(self, "cannot make symbols durable", status, &error);
    }
    if (self->status == SW_OK) {
        answer = sw_store_answer_message(&self->answer);
        if (!answer)
            self->status = sw_error_set(&self->error, SW_NO_MEMORY, "no memory for the answer");
    }
    return answer;
}

static void run(struct sw_task *task)
{
    struct storing *self = (struct storing *)task;
    struct sw_rpc_message *answer = NULL;
    if (self->message) {
        take_message(self);
        if (self->status == SW_OK) {
            sw_rpc_server_read(self->call);
            return; /* self is the loop thread's again */
        }
    } else {
        answer = make_answer(self);
    }
    sw_service_finish(self->call, answer, self->status, &self->error);
}

/* A caller that is gone shows as a message of NULL, which every read ends with at the latest. */
static void message(void *state, struct sw_rpc_message *message)
{
    struct storing *self = state;
    self->message = message;
    self->task.run = run;
    sw_pool_submit(self->service->pool, &self->task);
}

static void end(void *state)
{
    struct storing *self = state;
    sw_rpc_message_free(self->message);
    sw_store_answer_clear(&self->answer);
    sw_service_leave(self->service, self->call, call_bytes(self->service));
    free(self->group);
    free(self);
}

const struct sw_rpc_server_handler sw_store_batch_handler = {.start = start, .message = message, .end = end};
