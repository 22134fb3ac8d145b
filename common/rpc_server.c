/* The server side: methods, calls, and an orderly stop. */
#include "common/clock.h"
#include "common/cond.h"
#include "common/rpc_core.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls of one method that may arrive before the loop thread looks again; more wait inside gRPC. */
#define ARMED_CALLS 16
/* Calls under way on one connection; a client's further ones wait in the client. */
#define STREAMS_MAX 1024

/* How long a client may take to answer the ping that goes with the server's goodbye. */
#define GOODBYE_US 2000000

struct method {
    struct sw_rpc_server *server;
    const struct sw_rpc_server_handler *handler;
    void *service;
    void *registered; /* gRPC's handle; NULL for the last one, which answers calls of unknown methods */
    bool client_streams;
    bool serves_while_stopping;
};

struct sw_rpc_server {
    struct sw_rpc_loop *loop;
    grpc_server *server;
    struct sw_rpc_tag shut_down;
    size_t method_count; /* with the one for unknown methods */
    struct method *methods;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t live;        /* calls, armed ones included, that are not freed yet */
    size_t armed;       /* of those, calls that wait for a client */
    bool stopping;      /* calls are refused, but for methods that serve while stopping */
    bool shutting_down; /* gRPC takes no more calls */
    bool is_shut_down;
};

struct sw_rpc_server_call {
    struct method *method;
    grpc_call *call;
    void *state;
    struct sw_rpc_tag arrival, close, read, send, status;
    atomic_bool cancelled; /* the client is known to be gone */
    int64_t pushback_ms;   /* -1: none; who finishes the call sets it */
    /* under lock */
    pthread_mutex_t lock;
    uint32_t pending; /* operations whose tags are still to come */
    bool sending;
    bool initial_metadata_sent;
    bool finished;       /* finish was called */
    bool cancelled_told; /* the handler's cancelled was called */
    /* loop thread only */
    gpr_timespec deadline;
    grpc_call_details details; /* of an unknown method */
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
    int was_cancelled;
};

static void arrival_done(struct sw_rpc_tag *tag, bool ok);
static void close_done(struct sw_rpc_tag *tag, bool ok);
static void read_done(struct sw_rpc_tag *tag, bool ok);
static void send_done(struct sw_rpc_tag *tag, bool ok);
static void status_done(struct sw_rpc_tag *tag, bool ok);

static void call_free(struct sw_rpc_server_call *call)
{
    struct sw_rpc_server *server = call->method->server;
    if (call->call)
        grpc_call_unref(call->call);
    grpc_metadata_array_destroy(&call->metadata);
    grpc_call_details_destroy(&call->details);
    if (call->payload)
        grpc_byte_buffer_destroy(call->payload);
    pthread_mutex_destroy(&call->lock);
    free(call);
    pthread_mutex_lock(&server->lock);
    server->live--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* Waits for a client to call a method. Without memory, or when stopping, it does not; a later arrival tries again. */
static void arm(struct method *method)
{
    struct sw_rpc_server *server = method->server;
    pthread_mutex_lock(&server->lock);
    bool allowed = !server->shutting_down;
    struct sw_rpc_server_call *call = allowed ? calloc(1, sizeof(*call)) : NULL;
    if (call) {
        server->live++;
        server->armed++;
    }
    pthread_mutex_unlock(&server->lock);
    if (!call)
        return;
    call->method = method;
    call->arrival.done = arrival_done;
    call->close.done = close_done;
    call->read.done = read_done;
    call->send.done = send_done;
    call->status.done = status_done;
    atomic_init(&call->cancelled, false);
    call->pushback_ms = -1;
    pthread_mutex_init(&call->lock, NULL);
    grpc_metadata_array_init(&call->metadata);
    grpc_call_details_init(&call->details);
    grpc_completion_queue *queue = server->loop->queue;
    SW_RPC_HANDED_OVER(&call->arrival);
    grpc_call_error refused =
        method->registered
            ? grpc_server_request_registered_call(server->server, method->registered, &call->call, &call->deadline,
                                                  &call->metadata, method->client_streams ? NULL : &call->payload,
                                                  queue, queue, &call->arrival)
            : grpc_server_request_call(server->server, &call->call, &call->details, &call->metadata, queue, queue,
                                       &call->arrival);
    assert(refused == GRPC_CALL_OK);
    (void)refused;
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

static void read_done(struct sw_rpc_tag *tag, bool ok)
{
    struct sw_rpc_server_call *call = SW_RPC_OWNER(tag, struct sw_rpc_server_call, read);
    grpc_byte_buffer *buffer = call->payload;
    call->payload = NULL;
    struct sw_rpc_message *message = NULL;
    if (buffer && ok) {
        message = sw_rpc_message_from_buffer(buffer);
        if (!message) {
            /* No memory: it must not look like the end of the stream. */
            atomic_store(&call->cancelled, true);
            grpc_call_cancel_with_status(call->call, GRPC_STATUS_RESOURCE_EXHAUSTED, "no memory for a message", NULL);
        }
    } else if (buffer) {
        grpc_byte_buffer_destroy(buffer);
    }
    if (call->state)
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

static void serve(struct sw_rpc_server_call *call)
{
    struct method *method = call->method;
    call->pending = 2; /* the close, and this function itself */
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &call->was_cancelled};
    sw_rpc_start_batch(call->call, &op, 1, &call->close);
    pthread_mutex_lock(&method->server->lock);
    bool refuse = method->server->stopping && !method->serves_while_stopping;
    pthread_mutex_unlock(&method->server->lock);
    if (refuse) {
        sw_rpc_server_set_pushback(call, SW_RPC_PUSHBACK_STOPPING_MS);
        sw_rpc_server_finish(call, NULL, SW_RPC_UNAVAILABLE, "the server is stopping: ask another one");
    } else if (!method->registered) {
        refuse_unknown(call);
    } else if (!method->client_streams && !call->payload) {
        sw_rpc_server_finish(call, NULL, SW_RPC_INVALID_ARGUMENT, "the call carries no request message");
    } else {
        call->state = method->handler->start(call, method->service);
        if (call->state && !method->client_streams) {
            struct sw_rpc_message *message = sw_rpc_message_from_buffer(call->payload);
            call->payload = NULL;
            if (message) {
                method->handler->message(call->state, message);
            } else {
                sw_rpc_server_set_pushback(call, SW_RPC_PUSHBACK_ROOM_MS);
                sw_rpc_server_finish(call, NULL, SW_RPC_RESOURCE_EXHAUSTED, "no memory for the request");
            }
        }
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
    arm(call->method);
    serve(call);
}

void sw_rpc_server_read(struct sw_rpc_server_call *call)
{
    pthread_mutex_lock(&call->lock);
    assert(!call->finished);
    call->pending++;
    pthread_mutex_unlock(&call->lock);
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->payload};
    sw_rpc_start_batch(call->call, &op, 1, &call->read);
}

void sw_rpc_server_send(struct sw_rpc_server_call *call, struct sw_rpc_message *message)
{
    pthread_mutex_lock(&call->lock);
    assert(!call->sending && !call->finished);
    call->pending++;
    call->sending = true;
    bool with_metadata = !call->initial_metadata_sent;
    call->initial_metadata_sent = true;
    pthread_mutex_unlock(&call->lock);
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
    pthread_mutex_lock(&call->lock);
    assert(!call->sending && !call->finished);
    call->pending++;
    call->finished = true;
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

bool sw_rpc_server_is_cancelled(const struct sw_rpc_server_call *call)
{
    return atomic_load(&call->cancelled);
}

static void shut_down_done(struct sw_rpc_tag *tag, bool ok)
{
    (void)ok;
    struct sw_rpc_server *server = SW_RPC_OWNER(tag, struct sw_rpc_server, shut_down);
    pthread_mutex_lock(&server->lock);
    server->is_shut_down = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static grpc_server *new_grpc_server(const struct sw_rpc_server_options *options)
{
    size_t message_bytes = options->message_bytes_max ? options->message_bytes_max : 4u << 20;
    grpc_resource_quota *quota = grpc_resource_quota_create("server");
    if (options->memory_bytes_max)
        grpc_resource_quota_resize(quota, options->memory_bytes_max);
    grpc_arg args[] = {
        /* What has not become a call yet, as a request whose end never comes, counts here and nowhere else. */
        {.type = GRPC_ARG_POINTER,
         .key = GRPC_ARG_RESOURCE_QUOTA,
         .value.pointer = {.p = quota, .vtable = grpc_resource_quota_arg_vtable()}},
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_MAX_CONCURRENT_STREAMS, .value.integer = STREAMS_MAX},
        /* No compression: 4 MiB of a peer's gzip would become 4 GiB before anyone looks at the size. */
        {.type = GRPC_ARG_INTEGER, .key = GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, .value.integer = 1},
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, .value.integer = 0},
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = (int)message_bytes},
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ALLOW_REUSEPORT, .value.integer = 0}, /* two nodes on a port: no */
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_KEEPALIVE_TIME_MS, .value.integer = 30000},
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_KEEPALIVE_TIMEOUT_MS, .value.integer = 10000},
        {.type = GRPC_ARG_INTEGER,
         .key = GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
         .value.integer = 1000}, /* clients may find a stopped node quickly without being called abusive */
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, .value.integer = 1},
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_TCP_READ_CHUNK_SIZE, .value.integer = SW_RPC_IDLE_CHUNK_BYTES},
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_TCP_MIN_READ_CHUNK_SIZE, .value.integer = SW_RPC_IDLE_CHUNK_BYTES},
        {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, .value.integer = SW_RPC_READ_CHUNK_BYTES},
    };
    grpc_channel_args server_args = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    grpc_server *server = grpc_server_create(&server_args, NULL);
    grpc_resource_quota_unref(quota);
    return server;
}

static void register_methods(struct sw_rpc_server *server, const struct sw_rpc_server_options *options)
{
    for (size_t i = 0; i < options->method_count; i++) {
        const struct sw_rpc_server_method *from = &options->methods[i];
        struct method *method = &server->methods[server->method_count++];
        method->server = server;
        method->handler = from->handler;
        method->service = from->service;
        method->client_streams = from->client_streams;
        method->serves_while_stopping = from->serves_while_stopping;
        method->registered = grpc_server_register_method(
            server->server, from->path, NULL,
            from->client_streams ? GRPC_SRM_PAYLOAD_NONE : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
        assert(method->registered);
    }
    server->methods[server->method_count++].server = server;
}

enum sw_status sw_rpc_server_new(struct sw_rpc_loop *loop, const char *address,
                                 const struct sw_rpc_server_options *options, struct sw_rpc_server **out, int *port,
                                 struct sw_error *error)
{
    *out = NULL;
    struct sw_rpc_server *server = calloc(1, sizeof(*server));
    struct method *methods = calloc(options->method_count + 1, sizeof(*methods));
    if (!server || !methods) {
        free(server);
        free(methods);
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a server");
    }
    server->loop = loop;
    server->methods = methods;
    server->shut_down.done = shut_down_done;
    pthread_mutex_init(&server->lock, NULL);
    sw_cond_init(&server->changed);
    server->server = new_grpc_server(options);
    grpc_server_register_completion_queue(server->server, loop->queue, NULL);
    register_methods(server, options);

    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    int bound = grpc_server_add_http2_port(server->server, address, credentials);
    grpc_server_credentials_release(credentials);
    if (bound == 0) {
        sw_rpc_server_stop(server, 0);
        sw_rpc_server_free(server);
        return sw_error_set(error, SW_IO_ERROR,
                            "cannot listen on %s: is the address this machine's, and the port free?", address);
    }
    grpc_server_start(server->server);
    for (size_t i = 0; i < server->method_count; i++)
        for (int n = 0; n < ARMED_CALLS; n++)
            arm(&server->methods[i]);
    if (port)
        *port = bound;
    *out = server;
    return SW_OK;
}

/* Waits, under lock, until is_reached or the time has come. Returns whether it is. */
static bool wait_until(struct sw_rpc_server *server, bool (*is_reached)(const struct sw_rpc_server *server),
                       uint64_t until_us)
{
    while (!is_reached(server))
        if (!sw_cond_wait_until(&server->changed, &server->lock, until_us))
            return is_reached(server);
    return true;
}

static bool no_call_is_under_way(const struct sw_rpc_server *server)
{
    return server->live == server->armed;
}

static bool all_is_over(const struct sw_rpc_server *server)
{
    return server->live == 0 && server->is_shut_down;
}

/*
 * gRPC is shut down only once no call is under way. It then sends each client a GOAWAY and a ping, and closes when the
 * ping is answered, which is after the client has read all that was sent before. The other way round it closes a
 * connection with its last call, and with what the socket still held of the answer.
 */
size_t sw_rpc_server_stop(struct sw_rpc_server *server, uint64_t grace_us)
{
    uint64_t until_us = sw_clock_us() + grace_us;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    bool finished = wait_until(server, no_call_is_under_way, until_us);
    size_t cancelled = server->live - server->armed;
    server->shutting_down = true;
    pthread_mutex_unlock(&server->lock);

    SW_RPC_HANDED_OVER(&server->shut_down);
    grpc_server_shutdown_and_notify(server->server, server->loop->queue, &server->shut_down);
    uint64_t goodbye_us = sw_clock_us() + GOODBYE_US;
    pthread_mutex_lock(&server->lock);
    if (!finished || !wait_until(server, all_is_over, goodbye_us < until_us ? goodbye_us : until_us)) {
        pthread_mutex_unlock(&server->lock);
        grpc_server_cancel_all_calls(server->server);
        pthread_mutex_lock(&server->lock);
        wait_until(server, all_is_over, SW_CLOCK_NEVER);
    }
    pthread_mutex_unlock(&server->lock);
    return cancelled;
}

void sw_rpc_server_free(struct sw_rpc_server *server)
{
    if (!server)
        return;
    grpc_server_destroy(server->server);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server->methods);
    free(server);
}
