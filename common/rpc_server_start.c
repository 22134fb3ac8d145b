/* The server side: making a server, looking after its calls, and an orderly stop. */
#include "common/clock.h"
#include "common/cond.h"
#include "common/memory.h"
#include "common/rpc_server_core.h"
#include "common/thread.h"
#include <assert.h>
#include <limits.h>
#include <string.h>

/* Calls of one method that may arrive before the loop thread looks again; more wait inside gRPC. */
#define ARMED_CALLS 16
/* Calls under way on one connection, where nothing else is said; a client's further ones wait in the client. */
#define STREAMS_MAX 1024
/* Bytes of the headers of one call: a token is the longest of them. */
#define METADATA_BYTES_MAX 16384
/* How long a client may take to answer the ping that goes with the server's goodbye. */
#define GOODBYE_US 2000000
/* How often calls are looked after: a hundredth of the patience with them, within these. */
#define SWEEP_US_MIN 20000
#define SWEEP_US_MAX 1000000

static void shut_down_done(struct sw_rpc_tag *tag, bool ok)
{
    (void)ok;
    struct sw_rpc_server *server = SW_RPC_OWNER(tag, struct sw_rpc_server, shut_down);
    pthread_mutex_lock(&server->lock);
    server->is_shut_down = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* An argument that has a default. */
static grpc_arg integer_arg(const char *key, uint64_t value, int fallback)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value ? (int)value : fallback};
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
        integer_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, options->streams_max, STREAMS_MAX),
        integer_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, options->handshake_timeout_ms, 10000),
        integer_arg(GRPC_ARG_MAX_CONNECTION_IDLE_MS, options->idle_timeout_ms, INT_MAX),
        integer_arg(GRPC_ARG_MAX_METADATA_SIZE, 0, METADATA_BYTES_MAX),
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
        method->role = from->role;
        method->client_streams = from->client_streams;
        method->serves_while_stopping = from->serves_while_stopping;
        method->registered = grpc_server_register_method(server->server, from->path, NULL, GRPC_SRM_PAYLOAD_NONE, 0);
        assert(method->registered);
    }
    server->methods[server->method_count++].server = server;
}

/* ---- looking after calls ---- */

static void end_waiting(struct sw_rpc_server *server, uint64_t patience_us)
{
    const uint64_t now_us = sw_clock_us();
    for (struct sw_rpc_server_call *call = server->first_call; call; call = call->next) {
        const uint64_t since_us = atomic_load(&call->waiting_since_us);
        if (since_us == 0 || now_us < since_us + patience_us)
            continue;
        atomic_store(&call->waiting_since_us, 0);
        grpc_call_cancel_with_status(call->call, GRPC_STATUS_DEADLINE_EXCEEDED,
                                     "a message was not taken, or did not come, in time", NULL);
        if (server->hooks.gave_up)
            server->hooks.gave_up(server->hooks_data, call, now_us - since_us);
    }
}

/* Ends calls whose clients do nothing: neither take what is sent nor send what is waited for. */
static void *sweep(void *user_data)
{
    struct sw_rpc_server *server = user_data;
    pthread_mutex_lock(&server->lock);
    while (!server->shutting_down) {
        const uint64_t patience_us = atomic_load(&server->patience_us);
        uint64_t pause_us = patience_us / 100;
        pause_us = pause_us < SWEEP_US_MIN ? SWEEP_US_MIN : pause_us > SWEEP_US_MAX ? SWEEP_US_MAX : pause_us;
        sw_cond_wait_until(&server->sweeping_ends, &server->lock, sw_clock_us() + pause_us);
        if (patience_us > 0)
            end_waiting(server, patience_us);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

void sw_rpc_server_set_patience(struct sw_rpc_server *server, uint64_t us)
{
    atomic_store(&server->patience_us, us);
}

/* ---- making ---- */

static enum sw_status listen_on(struct sw_rpc_server *server, const struct sw_rpc_server_options *options,
                                const char *address, int *port, struct sw_error *error)
{
    const bool has_ca = options->tls && options->tls->ca;
    grpc_server_credentials *credentials =
        sw_rpc_server_credentials(server->certificates, has_ca, options->tls_client_optional);
    *port = address ? grpc_server_add_http2_port(server->server, address, credentials) : 0;
    grpc_server_credentials_release(credentials);
    if (address && *port == 0)
        return sw_error_set(error, SW_IO_ERROR,
                            "cannot listen on %s: is the address this machine's, and the port free?", address);
    if (!options->local_address)
        return SW_OK;
    credentials = grpc_local_server_credentials_create(UDS);
    int bound = grpc_server_add_http2_port(server->server, options->local_address, credentials);
    grpc_server_credentials_release(credentials);
    return bound ? SW_OK : sw_error_set(error, SW_IO_ERROR, "cannot listen on %s", options->local_address);
}

/* Takes what was made apart again. */
static void abandon(struct sw_rpc_server *server)
{
    sw_rpc_server_stop(server, 0);
    sw_rpc_server_free(server);
}

enum sw_status sw_rpc_server_new(struct sw_rpc_loop *loop, const char *address,
                                 const struct sw_rpc_server_options *options, struct sw_rpc_server **out, int *port,
                                 struct sw_error *error)
{
    int bound;
    *out = NULL;
    struct sw_rpc_server *server = sw_calloc(1, sizeof(*server));
    struct method *methods = sw_calloc(options->method_count + 1, sizeof(*methods));
    struct sw_rpc_certificates *certificates = options->tls ? sw_rpc_certificates_new() : NULL;
    if (!server || !methods || (options->tls && !certificates)) {
        sw_free(server);
        sw_free(methods);
        sw_rpc_certificates_free(certificates);
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a server");
    }
    server->loop = loop;
    server->methods = methods;
    server->certificates = certificates;
    if (certificates)
        sw_rpc_certificates_set(certificates, options->tls);
    if (options->hooks)
        server->hooks = *options->hooks;
    server->hooks_data = options->hooks_data;
    atomic_init(&server->patience_us, options->patience_us);
    server->shut_down.done = shut_down_done;
    pthread_mutex_init(&server->lock, NULL);
    sw_cond_init(&server->changed);
    sw_cond_init(&server->sweeping_ends);
    server->server = new_grpc_server(options);
    grpc_server_register_completion_queue(server->server, loop->queue, NULL);
    register_methods(server, options);
    enum sw_status status = listen_on(server, options, address, &bound, error);
    if (status == SW_OK) {
        server->has_sweeper = sw_thread_start(&server->sweeper, "sw-sweeper", sweep, server) == 0;
        if (!server->has_sweeper)
            status = sw_error_set(error, SW_IO_ERROR, "cannot start a thread for the server");
    }
    if (status != SW_OK) {
        abandon(server);
        return status;
    }
    grpc_server_start(server->server);
    for (size_t n = 0; n < server->method_count * ARMED_CALLS && status == SW_OK; n++)
        if (!sw_rpc_server_arm(&server->methods[n / ARMED_CALLS]))
            status = sw_error_set(error, SW_NO_MEMORY, "no memory for a server's calls");
    if (status != SW_OK) {
        sw_rpc_server_stop(server, 0);
        sw_rpc_server_free(server);
        return status;
    }
    if (port)
        *port = bound;
    *out = server;
    return SW_OK;
}

void sw_rpc_server_set_certificates(struct sw_rpc_server *server, const struct sw_tls_pem *pem)
{
    if (server->certificates)
        sw_rpc_certificates_set(server->certificates, pem);
}

/* ---- the stop ---- */

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
    pthread_cond_broadcast(&server->sweeping_ends);
    pthread_mutex_unlock(&server->lock);
    if (server->has_sweeper)
        pthread_join(server->sweeper, NULL);

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
    sw_rpc_certificates_free(server->certificates);
    pthread_cond_destroy(&server->sweeping_ends);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    sw_free(server->methods);
    sw_free(server);
}
