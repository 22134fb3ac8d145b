#include "server/test/node_fixture.h"
#include "common/clock.h"
#include "server/test/temp_folder.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TIMEOUT_US ((uint64_t)120 * 1000000)

/* ---- the node ---- */

static void count_errors(enum sw_log_level level, const char *message, const char *fields, void *user_data)
{
    struct node *node = user_data;
    (void)message;
    (void)fields;
    if (level == SW_LOG_ERROR)
        atomic_fetch_add(&node->errors_logged, 1);
}

struct node *node_new(void)
{
    struct node *node = calloc(1, sizeof(*node));
    struct sw_error error = {0};
    node->path = temp_folder_make();
    char *argv[] = {"symwaved", "--data", node->path, "--node-id", "node-1", "--listen", "127.0.0.1:0", NULL};
    sw_config_parse(&node->config, 7, argv);
    node->logger = (struct sw_logger){.level = SW_LOG_INFO, .fn = count_errors, .user_data = node};
    if (sw_store_rocksdb_open(node->path, &node->rocksdb, &error) != SW_OK)
        fail_msg("%s", error.message);
    node->store = node->rocksdb;
    return node;
}

void node_start(struct node *node)
{
    struct sw_error error = {0};
    int port;
    if (sw_daemon_start(&node->config, node->store, &node->logger, &node->daemon, &port, &error) != SW_OK)
        fail_msg("%s", error.message);
    snprintf(node->address, sizeof(node->address), "127.0.0.1:%d", port);
    assert_int_equal(sw_rpc_loop_new(&node->loop, &error), SW_OK);
    node->channel = sw_rpc_channel_new(node->loop, node->address, &(struct sw_rpc_channel_options){0});
    assert_non_null(node->channel);
}

size_t node_stop(struct node *node, uint32_t grace_ms)
{
    assert_false(node->stopped);
    node->stopped = true;
    return sw_daemon_stop(node->daemon, grace_ms);
}

void node_free(struct node *node)
{
    if (node->daemon) {
        if (!node->stopped)
            node_stop(node, 0);
        sw_daemon_free(node->daemon);
        sw_rpc_channel_free(node->channel);
        sw_rpc_loop_free(node->loop);
    }
    node->rocksdb->close(node->rocksdb); /* leaks, for the sanitizer to see, where a value is still held */
    sw_config_clear(&node->config);
    temp_folder_remove(node->path);
    free(node);
}

int node_setup(void **state)
{
    struct node *node = node_new();
    node_start(node);
    *state = node;
    return 0;
}

int node_teardown(void **state)
{
    node_free(*state);
    return 0;
}

/* ---- calls ---- */

struct stream {
    struct sw_rpc_client_call *call;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    struct reply reply;
    bool sending;
    bool ended;
};

static void on_message(void *state, struct sw_rpc_message *message)
{
    struct stream *stream = state;
    struct reply *reply = &stream->reply;
    size_t bytes_count = sw_rpc_message_bytes(message);
    uint8_t *bytes = malloc(bytes_count + 1);
    if (bytes_count > 0)
        memcpy(bytes, sw_rpc_message_flatten(message), bytes_count);
    sw_rpc_message_free(message);
    pthread_mutex_lock(&stream->lock);
    reply->messages = realloc(reply->messages, (reply->count + 1) * sizeof(*reply->messages));
    reply->messages[reply->count++] = (struct reply_message){bytes, bytes_count};
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

static void on_sent(void *state)
{
    struct stream *stream = state;
    pthread_mutex_lock(&stream->lock);
    stream->sending = false;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

static void on_end(void *state, enum sw_rpc_code code, const char *details)
{
    struct stream *stream = state;
    pthread_mutex_lock(&stream->lock);
    stream->reply.code = code;
    stream->reply.pushback_us = sw_rpc_client_pushback_us(stream->call);
    snprintf(stream->reply.details, sizeof(stream->reply.details), "%s", details ? details : "");
    stream->ended = true;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

static const struct sw_rpc_client_handler handler = {.message = on_message, .sent = on_sent, .end = on_end};

static struct stream *open_with(struct node *node, const char *method, struct sw_rpc_message *request)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->changed, NULL);
    pthread_mutex_lock(&stream->lock); /* the end, which looks at the call, may come before start has returned */
    stream->call = sw_rpc_client_start(node->channel, method, request, TIMEOUT_US, &handler, stream);
    pthread_mutex_unlock(&stream->lock);
    assert_non_null(stream->call);
    return stream;
}

static struct sw_rpc_message *message_of(const void *bytes, size_t bytes_count)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    sw_rpc_message_add_copy(message, bytes, bytes_count);
    return message;
}

static struct sw_rpc_message *packed(const ProtobufCMessage *message)
{
    size_t bytes_count = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(bytes_count + 1);
    protobuf_c_message_pack(message, bytes);
    struct sw_rpc_message *out = message_of(bytes, bytes_count);
    free(bytes);
    return out;
}

struct stream *stream_open(struct node *node, const char *method)
{
    return open_with(node, method, NULL);
}

struct stream *stream_open_with(struct node *node, const char *method, const ProtobufCMessage *request)
{
    return open_with(node, method, packed(request));
}

static bool send_message(struct stream *stream, struct sw_rpc_message *message)
{
    stream->sending = true;
    sw_rpc_client_send(stream->call, message);
    pthread_mutex_lock(&stream->lock);
    while (stream->sending && !stream->ended)
        pthread_cond_wait(&stream->changed, &stream->lock);
    bool sent = !stream->sending;
    pthread_mutex_unlock(&stream->lock);
    return sent;
}

bool stream_send(struct stream *stream, const void *message, size_t message_bytes)
{
    return send_message(stream, message_of(message, message_bytes));
}

bool stream_send_packed(struct stream *stream, const ProtobufCMessage *message)
{
    return send_message(stream, packed(message));
}

bool stream_wait(struct stream *stream, size_t count)
{
    pthread_mutex_lock(&stream->lock);
    while (stream->reply.count < count && !stream->ended)
        pthread_cond_wait(&stream->changed, &stream->lock);
    bool enough = stream->reply.count >= count;
    pthread_mutex_unlock(&stream->lock);
    return enough;
}

struct reply_message stream_message(struct stream *stream, size_t index)
{
    pthread_mutex_lock(&stream->lock);
    assert_true(index < stream->reply.count);
    struct reply_message message = stream->reply.messages[index];
    pthread_mutex_unlock(&stream->lock);
    return message;
}

void stream_cancel(struct stream *stream)
{
    sw_rpc_client_cancel(stream->call);
}

struct reply stream_end(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    while (!stream->ended)
        pthread_cond_wait(&stream->changed, &stream->lock);
    pthread_mutex_unlock(&stream->lock);
    struct reply reply = stream->reply;
    sw_rpc_client_release(stream->call);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
    return reply;
}

struct reply stream_close(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool ended = stream->ended;
    pthread_mutex_unlock(&stream->lock);
    if (!ended)
        sw_rpc_client_half_close(stream->call);
    return stream_end(stream);
}

struct reply node_call(struct node *node, const char *method, const void *request, size_t request_bytes)
{
    return stream_end(open_with(node, method, message_of(request, request_bytes)));
}

struct reply node_call_packed(struct node *node, const char *method, const ProtobufCMessage *request)
{
    return stream_end(stream_open_with(node, method, request));
}

void reply_clear(struct reply *reply)
{
    for (size_t i = 0; i < reply->count; i++)
        free(reply->messages[i].bytes);
    free(reply->messages);
    reply->messages = NULL;
    reply->count = 0;
}

static void expect(struct reply *reply, enum sw_rpc_code code, const char *part, int64_t pushback_us)
{
    if (reply->code != code || !strstr(reply->details, part))
        fail_msg("got %s \"%s\" instead of %s \"%s\"", sw_rpc_code_name(reply->code), reply->details,
                 sw_rpc_code_name(code), part);
    assert_int_equal(reply->pushback_us, pushback_us);
    reply_clear(reply);
}

void reply_expect(struct reply *reply, enum sw_rpc_code code, const char *part)
{
    expect(reply, code, part, -1);
}

void reply_expect_pushback(struct reply *reply, enum sw_rpc_code code, const char *part, uint32_t pushback_ms)
{
    expect(reply, code, part, (int64_t)pushback_ms * 1000);
}

/* ---- values ---- */

uint8_t *value_make(uint32_t number, size_t bytes)
{
    uint8_t *value = malloc(bytes + 1);
    uint64_t x = number * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < bytes; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        value[i] = (uint8_t)(x >> 56);
    }
    return value;
}

struct sw_key node_put(struct node *node, uint32_t number, size_t bytes)
{
    struct sw_error error = {0};
    uint8_t *value = value_make(number, bytes);
    struct sw_key key = sw_key_of_value(value, bytes);
    if (node->rocksdb->put_batch(node->rocksdb, &key, (const uint8_t *const *)&value, &bytes, 1, &error) != SW_OK)
        fail_msg("%s", error.message);
    free(value);
    return key;
}

enum sw_status node_store_info(struct sw_store *store, struct sw_store_info *info, struct sw_error *error)
{
    (void)store;
    (void)error;
    *info = (struct sw_store_info){.writable = true};
    return SW_OK;
}
