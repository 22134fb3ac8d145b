/*
 * Requests: one RetrieveBatch in flight. What comes is queued by the network thread and handled, message by message, by
 * a task: hashed, judged by the engine, and passed on or dropped.
 */
#include "client/io/messages.h"
#include "client/io/node_set.h"
#include "client/io/retrieval.h"
#include "common/blake3.h"
#include "common/memory.h"
#include "common/wire.h"
#include <stdio.h>
#include <string.h>

/* What may come beside the values: a message's framing for each key, and one message of slack. */
#define KEY_OVERHEAD_BYTES  64
#define MESSAGE_SLACK_BYTES (64u << 10)
#define MESSAGES_SLACK      16

/* A message that has come; several deliveries may point into it. */
struct arrival {
    struct arrival *next;
    struct sw_rpc_message *message;
    uint64_t arrived_us;
    atomic_uint references;
};

struct request {
    struct retrieval *retrieval;
    struct sw_rpc_client_call *call;
    struct sw_task task;
    sw_wave_request id;
    uint32_t node;
    uint64_t bytes_allowed;
    uint64_t messages_allowed; /* each key may be answered by itself, and some again: what has no bytes counts too */
    /* loop thread only */
    uint64_t bytes_arrived;
    uint64_t messages_arrived;
    /* handling task only */
    enum sw_status broken; /* not SW_OK: the node broke the protocol, what else it sends is passed over */
    struct sw_error error;
    /* under lock */
    pthread_mutex_t lock;
    struct arrival *first, **last;
    bool handling; /* the task is queued or running */
    bool over;
    enum sw_rpc_code code;
    char details[SW_ERROR_MESSAGE_SIZE / 2];
    uint64_t first_us;   /* when the first message came; 0: none has */
    uint64_t ended_us;   /* when the end came */
    uint64_t arrived_us; /* when something last came */
    bool held;           /* what came is not handled yet */
    /* under the client's lock */
    struct request *next;
    struct trace *trace; /* NULL where the caller wants none */
    uint64_t told_us;    /* the arrived_us that the engine knows of */
    bool told_held;
    bool aborted;
    enum sw_trace_end why_aborted;
};

static void arrival_unref(struct arrival *arrival)
{
    if (!arrival || atomic_fetch_sub(&arrival->references, 1) > 1)
        return;
    sw_rpc_message_free(arrival->message);
    sw_free(arrival);
}

void sw_delivery_free(struct delivery *delivery)
{
    arrival_unref(delivery->arrival);
    sw_free(delivery);
}

void sw_retrieval_note_error(struct retrieval *retrieval, uint32_t node, const char *text)
{
    char why[SW_ERROR_MESSAGE_SIZE];
    sw_log(&retrieval->client->logger, SW_LOG_DEBUG, "node failed", "node=%s why=%s", retrieval->nodes->peers[node]->id,
           sw_log_quote(text, why, sizeof(why)));
    char *copy = sw_strdup(text);
    if (!copy)
        return;
    sw_free(retrieval->last_errors[node]);
    retrieval->last_errors[node] = copy;
}

/* ---- on the network thread ---- */

/* Gives the request to its task, unless it has it. Under the request's lock. */
static void hand_over(struct request *request)
{
    if (request->handling)
        return;
    request->handling = true;
    sw_pool_submit(request->retrieval->client->pool, &request->task);
}

static bool sent_too_much(const struct request *request)
{
    return request->bytes_arrived > request->bytes_allowed || request->messages_arrived > request->messages_allowed;
}

static void message_arrived(void *state, struct sw_rpc_message *message)
{
    struct request *request = state;
    request->bytes_arrived += sw_rpc_message_bytes(message);
    request->messages_arrived++;
    struct arrival *arrival = sw_malloc(sizeof(*arrival));
    if (!arrival || sent_too_much(request)) {
        /* More than was asked for is not worth reading: the budget would be passed. */
        sw_free(arrival);
        sw_rpc_message_free(message);
        pthread_mutex_lock(&request->lock); /* start may still be setting call */
        sw_rpc_client_cancel(request->call);
        pthread_mutex_unlock(&request->lock);
        return;
    }
    arrival->next = NULL;
    arrival->message = message;
    arrival->arrived_us = sw_clock_us();
    atomic_init(&arrival->references, 1);
    pthread_mutex_lock(&request->lock);
    *request->last = arrival;
    request->last = &arrival->next;
    request->arrived_us = arrival->arrived_us;
    if (request->first_us == 0)
        request->first_us = arrival->arrived_us;
    request->held = true;
    hand_over(request);
    pthread_mutex_unlock(&request->lock);
}

static void call_ended(void *state, enum sw_rpc_code code, const char *details)
{
    struct request *request = state;
    pthread_mutex_lock(&request->lock);
    request->over = true;
    request->ended_us = sw_clock_us();
    request->code = code;
    snprintf(request->details, sizeof(request->details), "%s", details);
    hand_over(request);
    pthread_mutex_unlock(&request->lock);
}

static const struct sw_rpc_client_handler call_handler = {.message = message_arrived, .end = call_ended};

/* ---- on the pool ---- */

struct handling {
    struct request *request;
    struct arrival *arrival;
};

/* The value with what keeps it alive: the message itself where the value lies in one piece, or a copy. */
static struct delivery *delivery_of(struct arrival *arrival, const struct sw_wire_value *value)
{
    size_t segment_bytes = 0;
    if (value->bytes > 0)
        sw_rpc_message_segment(value->message, value->segment, &segment_bytes);
    bool in_one_piece = value->bytes == 0 || segment_bytes - value->offset >= value->bytes;
    struct delivery *delivery = sw_malloc(sizeof(*delivery) + (in_one_piece ? 0 : value->bytes));
    if (!delivery)
        return NULL;
    delivery->next = NULL;
    delivery->arrival = NULL;
    if (in_one_piece) {
        delivery->arrival = arrival;
        atomic_fetch_add(&arrival->references, 1);
    }
    delivery->value = sw_wire_value_flatten(value, delivery->copy);
    delivery->value_bytes = value->bytes;
    return delivery;
}

static void log_drop(const struct request *request, const struct sw_key *key, enum sw_wave_drop reason)
{
    static const char *const names[] = {
        [SW_WAVE_DROP_CORRUPT] = "corrupt", [SW_WAVE_DROP_UNASKED] = "unasked", [SW_WAVE_DROP_DUPLICATE] = "duplicate",
        [SW_WAVE_DROP_LATE] = "late",       [SW_WAVE_DROP_HEDGE] = "hedge",
    };
    char text[SW_KEY_BASE58_SIZE];
    sw_key_to_base58(key, text);
    sw_log(&request->retrieval->client->logger, SW_LOG_DEBUG, "symbol dropped", "key=%s node=%s reason=%s", text,
           request->retrieval->nodes->peers[request->node]->id, names[reason]);
}

static bool symbol_came(void *state, const struct sw_key *key, const struct sw_wire_value *value)
{
    struct handling *handling = state;
    struct request *request = handling->request;
    struct retrieval *retrieval = request->retrieval;
    struct delivery *delivery = delivery_of(handling->arrival, value);
    if (!delivery) {
        request->broken = sw_error_set(&request->error, SW_NO_MEMORY, "no memory for a symbol");
        return false;
    }
    struct sw_wave_event event = {.type = SW_WAVE_SYMBOL,
                                  .request = request->id,
                                  .key = *key,
                                  .bytes = value->bytes,
                                  .arrived_us = handling->arrival->arrived_us};
    const bool counts = !atomic_load(&retrieval->over);
    if (counts)
        sw_blake3(delivery->value, delivery->value_bytes, event.digest.bytes);
    delivery->node = request->node;
    const struct proof proof = {request->node, *key, event.digest, value->bytes};
    const bool is_wrong = counts && sw_key_compare(key, &event.digest) != 0;

    enum sw_wave_drop reason = SW_WAVE_DROP_LATE;
    pthread_mutex_lock(&retrieval->client->lock);
    enum verdict verdict = sw_retrieval_step(retrieval, &event, &delivery->key_index, &reason);
    if (verdict == VERDICT_DELIVER)
        sw_retrieval_deliver(retrieval, delivery);
    else if (verdict == VERDICT_DROP && reason == SW_WAVE_DROP_CORRUPT)
        sw_retrieval_note_error(retrieval, request->node,
                                is_wrong ? "sent bytes that do not hash to their key" : "sent too large a symbol");
    if (is_wrong)
        sw_retrieval_note_proof(retrieval, &proof);
    if (request->trace) {
        request->trace->request.bytes += proof.bytes;
        request->trace->request.found += verdict == VERDICT_DELIVER;
        request->trace->request.corrupt += is_wrong;
    }
    pthread_mutex_unlock(&retrieval->client->lock);
    if (verdict != VERDICT_DELIVER) {
        log_drop(request, key, reason);
        sw_delivery_free(delivery);
    }
    return true;
}

static void tell(const struct handling *handling, enum sw_wave_event_type type, const struct sw_key *key,
                 uint64_t bytes)
{
    struct request *request = handling->request;
    struct retrieval *retrieval = request->retrieval;
    struct sw_wave_event event = {
        .type = type, .request = request->id, .key = *key, .bytes = bytes, .arrived_us = handling->arrival->arrived_us};
    pthread_mutex_lock(&retrieval->client->lock);
    if (request->trace) {
        request->trace->request.missing += type == SW_WAVE_MISSING;
        request->trace->request.corrupt += type == SW_WAVE_CORRUPT;
    }
    sw_retrieval_step(retrieval, &event, NULL, NULL);
    pthread_mutex_unlock(&retrieval->client->lock);
}

static bool missing_came(void *state, const struct sw_key *key)
{
    tell(state, SW_WAVE_MISSING, key, 0);
    return true;
}

static bool corrupt_came(void *state, const struct sw_key *key)
{
    tell(state, SW_WAVE_CORRUPT, key, 0);
    return true;
}

/* The size that did not fit stands in the same message as the keys left out, before or after them. */
static bool left_out_bytes_came(void *state, uint64_t bytes)
{
    *(uint64_t *)state = bytes;
    return true;
}

struct left_out {
    struct handling handling;
    uint64_t bytes;
};

static bool left_out_came(void *state, const struct sw_key *key)
{
    struct left_out *left_out = state;
    tell(&left_out->handling, SW_WAVE_LEFT_OUT, key, left_out->bytes);
    return true;
}

/* Reads a message three times over its few small fields, so that each key left out is told with the size. */
static void handle_arrival(struct request *request, struct arrival *arrival)
{
    static const struct sw_wire_response_handler symbols = {
        .symbol = symbol_came, .missing = missing_came, .corrupt = corrupt_came};
    static const struct sw_wire_response_handler sizes = {.left_out_bytes = left_out_bytes_came};
    static const struct sw_wire_response_handler leftovers = {.left_out = left_out_came};
    struct handling handling = {.request = request, .arrival = arrival};
    enum sw_status status = sw_wire_read_response(arrival->message, &symbols, &handling, &request->error);
    struct left_out left_out = {.handling = handling};
    if (status == SW_OK && request->broken == SW_OK) {
        sw_wire_read_response(arrival->message, &sizes, &left_out.bytes, NULL);
        sw_wire_read_response(arrival->message, &leftovers, &left_out, NULL);
    }
    if (status != SW_OK)
        request->broken = status;
    if (request->broken != SW_OK)
        sw_rpc_client_cancel(request->call);
}

/* How it ended, for the engine; text says so for people. Over and handled, so nobody else looks at the request. */
static enum sw_status outcome(struct request *request, char *text, size_t text_bytes)
{
    if (request->broken != SW_OK) {
        snprintf(text, text_bytes, "%s", request->error.message);
        return request->broken;
    }
    if (sent_too_much(request)) {
        snprintf(text, text_bytes, "sent more than it was asked for");
        return SW_PROTOCOL_ERROR;
    }
    if (request->code == SW_RPC_OK)
        return SW_OK;
    snprintf(text, text_bytes, "%s: %s", sw_rpc_code_name(request->code), request->details);
    return sw_rpc_code_to_status(request->code);
}

static void request_free(struct request *request)
{
    sw_rpc_client_release(request->call);
    pthread_mutex_destroy(&request->lock);
    sw_free(request);
}

/* How long the node asks to be left alone. */
static uint64_t pushback_us(const struct request *request)
{
    int64_t us = sw_rpc_client_pushback_us(request->call);
    return us > 0 ? (uint64_t)us : 0; /* never is the largest there is: the engine has a bound of its own */
}

static void trace_over(struct request *request, enum sw_status status, const char *error)
{
    struct retrieval *retrieval = request->retrieval;
    struct trace *trace = request->trace;
    if (!trace)
        return;
    if (request->first_us > 0)
        trace->request.first_answer_us = request->first_us - retrieval->started_us;
    trace->request.ended_us = request->ended_us - retrieval->started_us;
    trace->request.end = status == SW_OK ? SW_TRACE_ANSWERED : SW_TRACE_FAILED;
    if (request->aborted) {
        trace->request.end = request->why_aborted;
        error = "sent what it was not asked for";
    }
    sw_trace_over(retrieval, trace, error);
}

static void ended(struct request *request)
{
    struct retrieval *retrieval = request->retrieval;
    struct sw_client *client = retrieval->client;
    char text[SW_ERROR_MESSAGE_SIZE] = "";
    struct sw_wave_event event = {.type = SW_WAVE_ENDED, .request = request->id, .pushback_us = pushback_us(request)};
    event.status = outcome(request, text, sizeof(text));

    pthread_mutex_lock(&client->lock);
    struct request **at = &retrieval->requests;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    if (event.status != SW_OK && event.status != SW_CANCELLED)
        sw_retrieval_note_error(retrieval, request->node, text);
    trace_over(request, event.status, text);
    sw_retrieval_step(retrieval, &event, NULL, NULL);
    request_free(request);
    if (!retrieval->requests)
        pthread_cond_broadcast(&retrieval->changed); /* the caller may now return: the retrieval is not ours any more */
    pthread_mutex_unlock(&client->lock);
}

static void handle(struct sw_task *task)
{
    struct request *request = (struct request *)((char *)task - offsetof(struct request, task));
    pthread_mutex_lock(&request->lock);
    while (request->first) {
        struct arrival *arrival = request->first;
        request->first = arrival->next;
        if (!request->first)
            request->last = &request->first;
        pthread_mutex_unlock(&request->lock);
        if (request->broken == SW_OK)
            handle_arrival(request, arrival);
        arrival_unref(arrival);
        pthread_mutex_lock(&request->lock);
    }
    request->held = false;
    request->handling = false;
    bool over = request->over;
    pthread_mutex_unlock(&request->lock);
    if (over)
        ended(request);
}

/* ---- from the engine's actions ---- */

bool sw_request_start(struct retrieval *retrieval, const struct sw_wave_action *send)
{
    struct sw_client *client = retrieval->client;
    struct peer *peer = retrieval->nodes->peers[send->node];
    struct sw_rpc_channel *channel = sw_peer_channel(client, peer);
    struct sw_rpc_message *message =
        sw_message_retrieve_request(retrieval->keys, send->keys, send->key_count, send->max_bytes, send->verify);
    struct request *request = sw_calloc(1, sizeof(*request));
    struct trace *trace = retrieval->options.trace ? sw_trace_new(retrieval, send) : NULL;
    if (!channel || !message || !request || (retrieval->options.trace && !trace)) {
        sw_rpc_message_free(message);
        sw_free(request);
        sw_free(trace);
        return false;
    }
    request->trace = trace;
    request->retrieval = retrieval;
    request->task.run = handle;
    request->id = send->request;
    request->node = send->node;
    request->bytes_allowed = send->max_bytes + (uint64_t)send->key_count * KEY_OVERHEAD_BYTES + MESSAGE_SLACK_BYTES;
    request->messages_allowed = 2 * (uint64_t)send->key_count + MESSAGES_SLACK;
    request->last = &request->first;
    pthread_mutex_init(&request->lock, NULL);
    /* The call's first callback may come before start returns: it must find the call. */
    pthread_mutex_lock(&request->lock);
    request->call =
        sw_rpc_client_start(channel, SW_METHOD_RETRIEVE_BATCH, message, SW_CLOCK_NEVER, &call_handler, request);
    pthread_mutex_unlock(&request->lock);
    if (!request->call) {
        pthread_mutex_destroy(&request->lock);
        sw_free(request);
        sw_free(trace);
        return false;
    }
    request->next = retrieval->requests;
    retrieval->requests = request;
    return true;
}

static bool is_answered(const struct sw_trace_request *request)
{
    return (uint64_t)request->found + request->missing + request->corrupt >= request->keys;
}

void sw_request_abort(struct retrieval *retrieval, sw_wave_request id, enum sw_trace_end why)
{
    for (struct request *request = retrieval->requests; request; request = request->next) {
        if (request->id != id)
            continue;
        /* One that is through but for its end is not too slow. */
        if (retrieval->done && request->trace && is_answered(&request->trace->request))
            why = SW_TRACE_CANCELLED;
        request->aborted = true;
        request->why_aborted = why;
        if (why == SW_TRACE_SLOW)
            sw_retrieval_note_error(retrieval, request->node,
                                    "too slow: its request was given up and its keys asked elsewhere");
        else if (why == SW_TRACE_FAILED)
            sw_retrieval_note_error(retrieval, request->node, "sent what it was not asked for");
        sw_rpc_client_cancel(request->call);
        return;
    }
}

void sw_request_drop_gone(struct retrieval *retrieval, const struct node_set *nodes)
{
    for (struct request *request = retrieval->requests; request; request = request->next) {
        if (request->aborted || sw_node_set_has(nodes, retrieval->nodes->peers[request->node]))
            continue;
        request->aborted = true;
        request->why_aborted = SW_TRACE_CANCELLED;
        sw_rpc_client_cancel(request->call);
    }
}

bool sw_request_tell_activity(struct retrieval *retrieval, uint64_t now_us)
{
    bool any_held = false;
    for (struct request *request = retrieval->requests; request; request = request->next) {
        pthread_mutex_lock(&request->lock);
        bool held = request->held;
        uint64_t arrived_us = request->arrived_us;
        pthread_mutex_unlock(&request->lock);
        any_held |= held;
        if (arrived_us == request->told_us && held == request->told_held)
            continue;
        request->told_us = arrived_us;
        request->told_held = held;
        struct sw_wave_event event = {.type = SW_WAVE_ACTIVITY, .now_us = now_us, .request = request->id, .held = held};
        sw_retrieval_step(retrieval, &event, NULL, NULL);
    }
    return any_held;
}
