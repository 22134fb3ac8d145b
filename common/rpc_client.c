/* The client side: channels and calls. */
#include "common/clock.h"
#include "common/memory.h"
#include "common/rpc_core.h"
#include "common/thread.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct sw_rpc_channel {
    struct sw_rpc_loop *loop;
    grpc_channel *channel;
    char *authorization; /* the header's value; NULL: none */
};

struct sw_rpc_client_call {
    /* constant */
    grpc_call *call;
    const struct sw_rpc_client_handler *handler;
    void *state;
    struct sw_rpc_tag start, receive, send, close, status;
    atomic_uint references; /* the caller's, and one for each operation whose tag is still to come */
    /* under lock; written by the loop thread */
    pthread_mutex_t lock;
    bool over; /* end has been, or is being, told: no operation may start */
    /* loop thread only */
    bool received_all, has_status;
    struct sw_rpc_lost lost; /* a message: it must not vanish from the middle of a stream */
    grpc_metadata_array initial_metadata;
    grpc_metadata_array trailing_metadata;
    grpc_byte_buffer *received;
    grpc_status_code code;
    grpc_slice details;
    int64_t pushback_us; /* set before end, and constant from then on */
};

static grpc_arg integer_arg(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

struct sw_rpc_channel *sw_rpc_channel_new(struct sw_rpc_loop *loop, const char *address,
                                          const struct sw_rpc_channel_options *options)
{
    struct sw_rpc_channel *channel = sw_calloc(1, sizeof(*channel));
    if (!channel)
        return NULL;
    if (options->token) {
        channel->authorization = sw_text_new("Bearer %s", options->token);
        if (!channel->authorization) {
            sw_free(channel);
            return NULL;
        }
    }
    size_t message_bytes = options->message_bytes_max ? options->message_bytes_max : 4u << 20;
    grpc_arg args[] = {
        integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)message_bytes),
        /* No compression: a message's size is checked only once it has been decompressed. */
        integer_arg(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1),
        integer_arg(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
        integer_arg(GRPC_ARG_KEEPALIVE_TIME_MS, (int)(options->keepalive_ms ? options->keepalive_ms : 20000)),
        integer_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                    (int)(options->keepalive_timeout_ms ? options->keepalive_timeout_ms : 5000)),
        integer_arg(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        integer_arg(GRPC_ARG_TCP_READ_CHUNK_SIZE, SW_RPC_READ_CHUNK_BYTES),
        integer_arg(GRPC_ARG_TCP_MIN_READ_CHUNK_SIZE, SW_RPC_READ_CHUNK_BYTES),
        integer_arg(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, SW_RPC_READ_CHUNK_BYTES),
        integer_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200),
        integer_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000), /* which is also the time that a connect may take */
        integer_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000),
        integer_arg(GRPC_ARG_ENABLE_RETRIES, 0), /* what to ask again, and of whom, is the wave engine's matter */
        integer_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        integer_arg(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        integer_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1), /* two clients of a process share no connection */
        {.type = GRPC_ARG_STRING, /* the last two: there may be none */},
        {.type = GRPC_ARG_STRING},
    };
    size_t arg_count = sizeof(args) / sizeof(args[0]) - 2;
    if (loop->quota)
        args[arg_count++] = (grpc_arg){.type = GRPC_ARG_POINTER,
                                       .key = GRPC_ARG_RESOURCE_QUOTA,
                                       .value.pointer = {.p = loop->quota, .vtable = grpc_resource_quota_arg_vtable()}};
    if (options->tls && options->tls_server_name)
        args[arg_count++] = (grpc_arg){.type = GRPC_ARG_STRING,
                                       .key = GRPC_SSL_TARGET_NAME_OVERRIDE_ARG,
                                       .value.string = (char *)options->tls_server_name};
    grpc_channel_args channel_args = {.num_args = arg_count, .args = args};
    grpc_channel_credentials *credentials = sw_rpc_channel_credentials(options);
    channel->loop = loop;
    sigset_t before;
    sw_thread_signals_block(&before);
    channel->channel = grpc_channel_create(address, credentials, &channel_args);
    sw_thread_signals_restore(&before);
    grpc_channel_credentials_release(credentials);
    return channel;
}

void sw_rpc_channel_free(struct sw_rpc_channel *channel)
{
    if (!channel)
        return;
    sigset_t before;
    sw_thread_signals_block(&before);
    grpc_channel_destroy(channel->channel);
    sw_thread_signals_restore(&before);
    sw_free(channel->authorization);
    sw_free(channel);
}

static void unref(struct sw_rpc_client_call *call)
{
    if (atomic_fetch_sub(&call->references, 1) > 1)
        return;
    sigset_t before;
    sw_thread_signals_block(&before);
    grpc_call_unref(call->call);
    sw_thread_signals_restore(&before);
    grpc_metadata_array_destroy(&call->initial_metadata);
    grpc_metadata_array_destroy(&call->trailing_metadata);
    grpc_slice_unref(call->details);
    pthread_mutex_destroy(&call->lock);
    sw_free(call);
}

/* Counts an operation that is about to start; false where the call is over. */
static bool begin(struct sw_rpc_client_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool allowed = !call->over;
    if (allowed)
        atomic_fetch_add(&call->references, 1);
    pthread_mutex_unlock(&call->lock);
    return allowed;
}

/*
 * Tells the end once the status has come and nothing more is received. Sends are not waited for: while a connection is
 * stuck in a write gRPC holds their tags back, for as long as the other side pleases, even those of cancelled calls.
 */
static void end_if_over(struct sw_rpc_client_call *call)
{
    if (!call->received_all || !call->has_status)
        return;
    pthread_mutex_lock(&call->lock);
    call->over = true;
    pthread_mutex_unlock(&call->lock);
    call->pushback_us = sw_rpc_pushback_of(&call->trailing_metadata);
    char *details = grpc_slice_to_c_string(call->details);
    if (call->lost.why)
        call->handler->end(call->state, call->lost.code, call->lost.why);
    else
        call->handler->end(call->state, (enum sw_rpc_code)call->code, details);
    gpr_free(details);
}

static void start_done(struct sw_rpc_tag *tag, bool ok)
{
    (void)ok;
    unref(SW_RPC_OWNER(tag, struct sw_rpc_client_call, start));
}

static void close_done(struct sw_rpc_tag *tag, bool ok)
{
    (void)ok;
    unref(SW_RPC_OWNER(tag, struct sw_rpc_client_call, close));
}

static void status_done(struct sw_rpc_tag *tag, bool ok)
{
    (void)ok;
    struct sw_rpc_client_call *call = SW_RPC_OWNER(tag, struct sw_rpc_client_call, status);
    call->has_status = true;
    end_if_over(call);
    unref(call);
}

static void send_done(struct sw_rpc_tag *tag, bool ok)
{
    struct sw_rpc_client_call *call = SW_RPC_OWNER(tag, struct sw_rpc_client_call, send);
    if (ok && !call->over && call->handler->sent)
        call->handler->sent(call->state);
    unref(call);
}

static void start_receive(struct sw_rpc_client_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->received};
    sw_rpc_start_batch(call->call, &op, 1, &call->receive);
}

static void receive_done(struct sw_rpc_tag *tag, bool ok)
{
    struct sw_rpc_client_call *call = SW_RPC_OWNER(tag, struct sw_rpc_client_call, receive);
    grpc_byte_buffer *buffer = call->received;
    call->received = NULL;
    struct sw_rpc_message *message = buffer ? sw_rpc_message_from_buffer(buffer, &call->lost) : NULL;
    if (call->lost.why)
        sw_rpc_client_cancel(call);
    if (!ok || !message) {
        sw_rpc_message_free(message);
        call->received_all = true;
        end_if_over(call);
        unref(call);
        return;
    }
    start_receive(call); /* before the message is handed over: a receive is outstanding at all times */
    if (call->handler->message)
        call->handler->message(call->state, message);
    else
        sw_rpc_message_free(message);
}

static gpr_timespec deadline_from(uint64_t timeout_us)
{
    if (timeout_us == SW_CLOCK_NEVER)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros((int64_t)timeout_us, GPR_TIMESPAN));
}

static void start_operations(struct sw_rpc_client_call *call, const char *authorization, struct sw_rpc_message *request)
{
    grpc_metadata token = {.key = grpc_slice_from_static_string("authorization"), .value = grpc_empty_slice()};
    grpc_byte_buffer *buffer = request ? sw_rpc_message_to_buffer(request) : NULL;
    grpc_op ops[4] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &call->initial_metadata},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
    };
    if (authorization) {
        token.value = grpc_slice_from_copied_string(authorization);
        ops[0].data.send_initial_metadata.count = 1;
        ops[0].data.send_initial_metadata.metadata = &token;
    }
    sw_rpc_start_batch(call->call, ops, request ? 4 : 2, &call->start);
    grpc_slice_unref(token.value);
    if (buffer)
        grpc_byte_buffer_destroy(buffer);
    start_receive(call);
    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                      .data.recv_status_on_client = {.trailing_metadata = &call->trailing_metadata,
                                                     .status = &call->code,
                                                     .status_details = &call->details}};
    sw_rpc_start_batch(call->call, &status, 1, &call->status);
}

struct sw_rpc_client_call *sw_rpc_client_start(struct sw_rpc_channel *channel, const char *method,
                                               struct sw_rpc_message *request, uint64_t timeout_us,
                                               const struct sw_rpc_client_handler *handler, void *state)
{
    struct sw_rpc_client_call *call = sw_calloc(1, sizeof(*call));
    if (!call) {
        sw_rpc_message_free(request);
        return NULL;
    }
    call->handler = handler;
    call->state = state;
    call->start.done = start_done;
    call->receive.done = receive_done;
    call->send.done = send_done;
    call->close.done = close_done;
    call->status.done = status_done;
    atomic_init(&call->references, 4); /* the caller's, and those of start, receive and status */
    pthread_mutex_init(&call->lock, NULL);
    grpc_metadata_array_init(&call->initial_metadata);
    grpc_metadata_array_init(&call->trailing_metadata);
    call->details = grpc_empty_slice();
    call->pushback_us = -1;
    /*
     * gRPC starts threads when there is work for them, whatever it was called for: the first call looks up names and
     * connects, and its executor gets one more where it falls behind. So it is everywhere in this file.
     */
    sigset_t before;
    sw_thread_signals_block(&before);
    grpc_slice path = grpc_slice_from_copied_string(method);
    call->call = grpc_channel_create_call(channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS, channel->loop->queue, path,
                                          NULL, deadline_from(timeout_us), NULL);
    grpc_slice_unref(path);
    start_operations(call, channel->authorization, request);
    sw_thread_signals_restore(&before);
    return call;
}

void sw_rpc_client_send(struct sw_rpc_client_call *call, struct sw_rpc_message *message)
{
    if (!begin(call)) {
        sw_rpc_message_free(message);
        return;
    }
    sigset_t before;
    sw_thread_signals_block(&before);
    grpc_byte_buffer *buffer = sw_rpc_message_to_buffer(message);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer};
    sw_rpc_start_batch(call->call, &op, 1, &call->send);
    grpc_byte_buffer_destroy(buffer);
    sw_thread_signals_restore(&before);
}

void sw_rpc_client_half_close(struct sw_rpc_client_call *call)
{
    if (!begin(call))
        return;
    sigset_t before;
    sw_thread_signals_block(&before);
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    sw_rpc_start_batch(call->call, &op, 1, &call->close);
    sw_thread_signals_restore(&before);
}

void sw_rpc_client_cancel(struct sw_rpc_client_call *call)
{
    sigset_t before;
    sw_thread_signals_block(&before);
    grpc_call_cancel(call->call, NULL);
    sw_thread_signals_restore(&before);
}

void sw_rpc_client_release(struct sw_rpc_client_call *call)
{
    unref(call);
}

int64_t sw_rpc_client_pushback_us(const struct sw_rpc_client_call *call)
{
    return call->pushback_us;
}
