/* The server side: calls, from their arrival to their end. */
#include "common/clock.h"
#include "common/memory.h"
#include "common/rpc_server_core.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void arrival_done(struct sw_rpc_tag *tag, bool ok);
static void close_done(struct sw_rpc_tag *tag, bool ok);
static void read_done(struct sw_rpc_tag *tag, bool ok);
static void send_done(struct sw_rpc_tag *tag, bool ok);
static void status_done(struct sw_rpc_tag *tag, bool ok);

/* Puts a call that a client has made among those that are looked after, or takes it out. */
static void list(struct sw_rpc_server_call *call, bool in)
{
    struct sw_rpc_server *server = call->method->server;
    pthread_mutex_lock(&server->lock);
    if (in) {
        call->next = server->first_call;
        if (call->next)
            call->next->previous = call;
        server->first_call = call;
    } else if (call->is_listed) {
        if (call->next)
            call->next->previous = call->previous;
        if (call->previous)
            call->previous->next = call->next;
        else
            server->first_call = call->next;
    }
    call->is_listed = in;
    pthread_mutex_unlock(&server->lock);
}

/* Waits for a client to call a method, with zeroed memory for the call, which becomes the server's. */
static void arm_with(struct method *method, struct sw_rpc_server_call *call)
{
    struct sw_rpc_server *server = method->server;
    pthread_mutex_lock(&server->lock);
    const bool allowed = !server->shutting_down;
    if (allowed) {
        server->live++;
        server->armed++;
    }
    pthread_mutex_unlock(&server->lock);
    if (!allowed) {
        sw_free(call);
        return;
    }
    call->method = method;
    call->arrival.done = arrival_done;
    call->close.done = close_done;
    call->read.done = read_done;
    call->send.done = send_done;
    call->status.done = status_done;
    atomic_init(&call->cancelled, false);
    atomic_init(&call->waiting_since_us, 0);
    atomic_init(&call->bytes_in, 0);
    atomic_init(&call->bytes_out, 0);
    call->pushback_ms = -1;
    pthread_mutex_init(&call->lock, NULL);
    grpc_metadata_array_init(&call->metadata);
    grpc_call_details_init(&call->details);
    grpc_completion_queue *queue = server->loop->queue;
    SW_RPC_HANDED_OVER(&call->arrival);
    grpc_call_error refused =
        method->registered
            ? grpc_server_request_registered_call(server->server, method->registered, &call->call, &call->deadline,
                                                  &call->metadata, NULL, queue, queue, &call->arrival)
            : grpc_server_request_call(server->server, &call->call, &call->details, &call->metadata, queue, queue,
                                       &call->arrival);
    assert(refused == GRPC_CALL_OK);
    (void)refused;
}

bool sw_rpc_server_arm(struct method *method)
{
    struct sw_rpc_server_call *call = sw_calloc(1, sizeof(*call));
    if (call)
        arm_with(method, call);
    return call != NULL;
}

static void call_free(struct sw_rpc_server_call *call)
{
    struct method *method = call->method;
    struct sw_rpc_server *server = method->server;
    const bool takes_own_place = call->takes_own_place;
    list(call, false);
    if (call->call)
        grpc_call_unref(call->call);
    grpc_metadata_array_destroy(&call->metadata);
    grpc_call_details_destroy(&call->details);
    if (call->payload)
        grpc_byte_buffer_destroy(call->payload);
    gpr_free(call->peer);
    pthread_mutex_destroy(&call->lock);
    if (takes_own_place)
        arm_with(method, memset(call, 0, sizeof(*call)));
    else
        sw_free(call);
    pthread_mutex_lock(&server->lock);
    server->live--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* Counts an operation that has ended; frees the call after the last one once it is finished. Loop thread. */
static void operation_ended(struct sw_rpc_server_call *call)
{
    pthread_mutex_lock(&call->lock);
    assert(call->pending > 0);
    call->pending--;
    bool over = call->pending == 0 && call->finished;
    pthread_mutex_unlock(&call->lock);
    if (!over)
        return;
    const struct sw_rpc_server *server = call->method->server;
    if (server->hooks.ended)
        server->hooks.ended(server->hooks_data, call, (size_t)(call->method - server->methods), call->code,
                            sw_clock_us() - call->started_us);
    if (call->state)
        call->method->handler->end(call->state);
    call_free(call);
}

/* Tells the handler, once, that the client is gone, unless a send is outstanding or the call is finished. */
static void tell_cancelled(struct sw_rpc_server_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool tell = !call->sending && !call->finished && !call->cancelled_told;
    if (tell)
        call->cancelled_told = true;
    pthread_mutex_unlock(&call->lock);
    if (tell && call->state && call->method->handler->cancelled)
        call->method->handler->cancelled(call->state);
}

static void close_done(struct sw_rpc_tag *tag, bool ok)
{
    struct sw_rpc_server_call *call = SW_RPC_OWNER(tag, struct sw_rpc_server_call, close);
    if (!ok || call->was_cancelled) {
        atomic_store(&call->cancelled, true);
        tell_cancelled(call);
    }
    operation_ended(call);
}

/* The one message of a client that sends one, or NULL where it does not come. */
static void take_request(struct sw_rpc_server_call *call, struct sw_rpc_message *message)
{
    struct method *method = call->method;
    call->waits_for_request = false;
    if (atomic_load(&call->cancelled)) {
        sw_rpc_message_free(message);
        sw_rpc_server_finish(call, NULL, SW_RPC_CANCELLED, "the caller is gone");
    } else if (!message) {
        sw_rpc_server_finish(call, NULL, SW_RPC_INVALID_ARGUMENT, "the call carries no request message");
    } else {
        call->state = method->handler->start(call, method->service);
        if (call->state)
            method->handler->message(call->state, message);
        else
            sw_rpc_message_free(message);
    }
}

static void read_done(struct sw_rpc_tag *tag, bool ok)
{
    struct sw_rpc_server_call *call = SW_RPC_OWNER(tag, struct sw_rpc_server_call, read);
    grpc_byte_buffer *buffer = call->payload;
    call->payload = NULL;
    struct sw_rpc_message *message = NULL;
    atomic_store(&call->waiting_since_us, 0);
    if (buffer && ok) {
        message = sw_rpc_message_from_buffer(buffer, &call->lost);
        if (!message)
            atomic_store(&call->cancelled, true); /* for the handler, which ends the call */
    } else if (buffer) {
        grpc_byte_buffer_destroy(buffer);
    }
    if (message)
        atomic_fetch_add(&call->bytes_in, sw_rpc_message_bytes(message));
    if (call->waits_for_request)
        take_request(call, message);
    else if (call->state)
        call->method->handler->message(call->state, message);
    else
        sw_rpc_message_free(message);
    operation_ended(call);
}

static void send_done(struct sw_rpc_tag *tag, bool ok)
{
    struct sw_rpc_server_call *call = SW_RPC_OWNER(tag, struct sw_rpc_server_call, send);
    if (!ok)
        atomic_store(&call->cancelled, true);
    atomic_store(&call->waiting_since_us, 0);
    pthread_mutex_lock(&call->lock);
    call->sending = false;
    pthread_mutex_unlock(&call->lock);
    if (call->state && call->method->handler->sent)
        call->method->handler->sent(call->state);
    if (atomic_load(&call->cancelled))
        tell_cancelled(call);
    operation_ended(call);
}

static void status_done(struct sw_rpc_tag *tag, bool ok)
{
    (void)ok;
    operation_ended(SW_RPC_OWNER(tag, struct sw_rpc_server_call, status));
}

static void refuse_unknown(struct sw_rpc_server_call *call)
{
    char *name = grpc_slice_to_c_string(call->details.method);
    char text[320];
    snprintf(text, sizeof(text), "unknown method %.200s: ask the reflection service for those that there are", name);
    gpr_free(name);
    sw_rpc_server_finish(call, NULL, SW_RPC_UNIMPLEMENTED, text);
}

/* Whether the server's owner lets the call in; else it is finished. */
static bool is_allowed(struct sw_rpc_server_call *call)
{
    const struct sw_rpc_server *server = call->method->server;
    char details[SW_ERROR_MESSAGE_SIZE] = "";
    if (!server->hooks.allow)
        return true;
    enum sw_rpc_code code = server->hooks.allow(server->hooks_data, call, call->method->role, details, sizeof(details));
    call->allowed = code == SW_RPC_OK;
    if (!call->allowed)
        sw_rpc_server_finish(call, NULL, code, details);
    return call->allowed;
}

static void serve(struct sw_rpc_server_call *call)
{
    struct method *method = call->method;
    struct sw_rpc_server *server = method->server;
    call->pending = 2; /* the close, and this function itself */
    call->started_us = sw_clock_us();
    call->peer = grpc_call_get_peer(call->call);
    list(call, true);
    if (server->hooks.started)
        server->hooks.started(server->hooks_data, (size_t)(method - server->methods));
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &call->was_cancelled};
    sw_rpc_start_batch(call->call, &op, 1, &call->close);
    pthread_mutex_lock(&server->lock);
    bool refuse = server->stopping && !method->serves_while_stopping;
    pthread_mutex_unlock(&server->lock);
    if (refuse) {
        sw_rpc_server_set_pushback(call, SW_RPC_PUSHBACK_STOPPING_MS);
        sw_rpc_server_finish(call, NULL, SW_RPC_UNAVAILABLE, "the server is stopping: ask another one");
    } else if (call->takes_own_place) {
        sw_rpc_server_set_pushback(call, SW_RPC_PUSHBACK_ROOM_MS);
        sw_rpc_server_finish(call, NULL, SW_RPC_RESOURCE_EXHAUSTED, "no memory for a call");
    } else if (!method->registered) {
        refuse_unknown(call);
    } else if (is_allowed(call)) {
        call->waits_for_request = !method->client_streams;
        if (method->client_streams)
            call->state = method->handler->start(call, method->service);
        else
            sw_rpc_server_read(call);
    }
    operation_ended(call);
}

static void arrival_done(struct sw_rpc_tag *tag, bool ok)
{
    struct sw_rpc_server_call *call = SW_RPC_OWNER(tag, struct sw_rpc_server_call, arrival);
    struct sw_rpc_server *server = call->method->server;
    pthread_mutex_lock(&server->lock);
    server->armed--;
    pthread_mutex_unlock(&server->lock);
    if (!ok) { /* the server is shutting down */
        call_free(call);
        return;
    }
    /* Without memory for the next call this one makes room for it, so that there are never fewer that wait. */
    call->takes_own_place = !sw_rpc_server_arm(call->method);
    serve(call);
}

void sw_rpc_server_read(struct sw_rpc_server_call *call)
{
    pthread_mutex_lock(&call->lock);
    assert(!call->finished);
    call->pending++;
    pthread_mutex_unlock(&call->lock);
    atomic_store(&call->waiting_since_us, sw_clock_us());
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->payload};
    sw_rpc_start_batch(call->call, &op, 1, &call->read);
}

void sw_rpc_server_send(struct sw_rpc_server_call *call, struct sw_rpc_message *message)
{
    pthread_mutex_lock(&call->lock);
    assert(!call->sending && !call->finished);
    call->pending++;
    call->sending = true;
    atomic_store(&call->waiting_since_us, sw_clock_us());
    bool with_metadata = !call->initial_metadata_sent;
    call->initial_metadata_sent = true;
    pthread_mutex_unlock(&call->lock);
    atomic_fetch_add(&call->bytes_out, sw_rpc_message_bytes(message));
    grpc_byte_buffer *buffer = sw_rpc_message_to_buffer(message);
    grpc_op ops[2] = {
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer},
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
    };
    sw_rpc_start_batch(call->call, ops, with_metadata ? 2 : 1, &call->send);
    grpc_byte_buffer_destroy(buffer);
}

void sw_rpc_server_set_pushback(struct sw_rpc_server_call *call, uint32_t ms)
{
    call->pushback_ms = ms;
}

void sw_rpc_server_finish(struct sw_rpc_server_call *call, struct sw_rpc_message *message, enum sw_rpc_code code,
                          const char *details)
{
    if (call->lost.why) {
        code = call->lost.code;
        details = call->lost.why;
    }
    pthread_mutex_lock(&call->lock);
    assert(!call->sending && !call->finished);
    call->pending++;
    call->finished = true;
    call->code = code;
    atomic_store(&call->waiting_since_us, sw_clock_us());
    bool with_metadata = !call->initial_metadata_sent;
    call->initial_metadata_sent = true;
    pthread_mutex_unlock(&call->lock);

    grpc_slice details_slice = grpc_slice_from_copied_string(details ? details : "");
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
                       .data.send_status_from_server = {.status = (grpc_status_code)code,
                                                        .status_details = details ? &details_slice : NULL}}};
    size_t count = 1;
    grpc_metadata pushback = {.value = grpc_empty_slice()};
    if (call->pushback_ms >= 0) {
        pushback = sw_rpc_pushback_metadata((uint32_t)call->pushback_ms);
        ops[0].data.send_status_from_server.trailing_metadata_count = 1;
        ops[0].data.send_status_from_server.trailing_metadata = &pushback;
    }
    if (with_metadata)
        ops[count++] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    grpc_byte_buffer *buffer = NULL;
    if (message && code == SW_RPC_OK) {
        atomic_fetch_add(&call->bytes_out, sw_rpc_message_bytes(message));
        buffer = sw_rpc_message_to_buffer(message);
        ops[count++] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer};
    } else {
        sw_rpc_message_free(message);
    }
    sw_rpc_start_batch(call->call, ops, count, &call->status);
    if (buffer)
        grpc_byte_buffer_destroy(buffer);
    grpc_slice_unref(pushback.value);
    grpc_slice_unref(details_slice);
}

bool sw_rpc_server_was_allowed(const struct sw_rpc_server_call *call)
{
    return call->allowed;
}

bool sw_rpc_server_is_cancelled(const struct sw_rpc_server_call *call)
{
    return atomic_load(&call->cancelled);
}

grpc_call *sw_rpc_server_core_call(const struct sw_rpc_server_call *call)
{
    return call->call;
}

bool sw_rpc_server_token(const struct sw_rpc_server_call *call, const char **token, size_t *bytes)
{
    static const char scheme[] = "bearer ";
    for (size_t i = 0; i < call->metadata.count; i++) {
        const grpc_metadata *entry = &call->metadata.metadata[i];
        const size_t count = GRPC_SLICE_LENGTH(entry->value);
        const char *value = (const char *)GRPC_SLICE_START_PTR(entry->value);
        if (grpc_slice_str_cmp(entry->key, "authorization") != 0 || count < sizeof(scheme) ||
            strncasecmp(value, scheme, sizeof(scheme) - 1) != 0)
            continue;
        *token = value + sizeof(scheme) - 1;
        *bytes = count - (sizeof(scheme) - 1);
        return true;
    }
    return false;
}

void sw_rpc_server_bytes(const struct sw_rpc_server_call *call, uint64_t *in, uint64_t *out)
{
    *in = atomic_load(&call->bytes_in);
    *out = atomic_load(&call->bytes_out);
}
