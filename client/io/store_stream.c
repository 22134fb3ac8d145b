/* StoreBatch streams: symbols out, one answer back, and what it says told to the symbols. */
#include "client/io/messages.h"
#include "client/io/store.h"
#include "common/memory.h"
#include "common/wire.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Small symbols share a message up to this size; a large one has its own. */
#define MESSAGE_BYTES_AIM (64u << 10)
/* A stream is closed at this many symbols, well below any node's limit. */
#define STREAM_SYMBOLS_MAX 4096
/*
 * A stream that is closed may take its time-out and the time of all that is not sent yet, to whomever, at this rate: a
 * slow line is no node's fault, but a trickle must not hold a store for hours.
 */
#define BYTES_PER_SEC_MIN 65536
/* A node that failed is not tried again for this long, twice as long after each further failure in a row, ... */
#define DOWN_US        1000000
#define DOWN_DOUBLINGS 6
/* ... and for at least this many time-outs when it kept the store waiting for one. */
#define DOWN_TIMEOUTS 4

struct store_stream {
    struct store_run *run;
    struct store_stream *next; /* of the run's */
    struct sw_task task;
    uint32_t node;
    /* under the store's lock */
    struct sw_rpc_client_call *call;
    struct stored_list symbols;
    size_t sent; /* symbols handed to gRPC */
    bool sending;
    bool closing;     /* nothing is added any more */
    bool half_closed; /* the node has been asked for its answer */
    bool timed_out;
    bool given_up;        /* the whole store ends early */
    uint64_t progress_us; /* when it last got on */
    uint64_t life_end_us; /* once it is closing: when it is too slow, whatever comes */
    /* from the call, before its end */
    struct sw_rpc_message *answer;
    enum sw_rpc_code code;
    char details[SW_ERROR_MESSAGE_SIZE / 2];
    /* while the answer is read */
    size_t answered;
    struct sw_error error;
};

static void value_sent(void *release_data)
{
    sw_store_value_unref(release_data);
}

/* Sends the next symbols, or closes the sending side when there are none left. Under the store's lock. */
static void send_next(struct store_stream *stream)
{
    if (stream->sending || stream->half_closed)
        return;
    if (stream->sent == stream->symbols.count) {
        if (stream->closing) {
            stream->half_closed = true;
            stream->progress_us = sw_clock_us();
            sw_rpc_client_half_close(stream->call);
        }
        return;
    }
    struct sw_rpc_message *message = sw_rpc_message_new();
    if (!message) {
        sw_rpc_client_cancel(stream->call);
        return;
    }
    do {
        struct stored *symbol = stream->symbols.items[stream->sent++];
        atomic_fetch_add(&symbol->value->references, 1);
        sw_wire_add_store_value(message, symbol->value->bytes, symbol->bytes_count, value_sent, symbol->value);
        stream->run->report.bytes_sent += symbol->bytes_count;
        stream->run->unsent_bytes -= symbol->bytes_count;
    } while (stream->sent < stream->symbols.count &&
             sw_rpc_message_bytes(message) + stream->symbols.items[stream->sent]->bytes_count <= MESSAGE_BYTES_AIM);
    stream->sending = true;
    stream->progress_us = sw_clock_us();
    sw_rpc_client_send(stream->call, message);
}

static void message_sent(void *state)
{
    struct store_stream *stream = state;
    pthread_mutex_lock(&stream->run->lock);
    stream->sending = false;
    send_next(stream);
    pthread_mutex_unlock(&stream->run->lock);
}

static void answer_came(void *state, struct sw_rpc_message *message)
{
    struct store_stream *stream = state;
    sw_rpc_message_free(stream->answer); /* there is one answer: a second replaces it and fails to match */
    stream->answer = message;
}

static void call_ended(void *state, enum sw_rpc_code code, const char *details)
{
    struct store_stream *stream = state;
    stream->code = code;
    snprintf(stream->details, sizeof(stream->details), "%s", details);
    sw_pool_submit(stream->run->client->pool, &stream->task);
}

static const struct sw_rpc_client_handler call_handler = {
    .message = answer_came, .sent = message_sent, .end = call_ended};

/* ---- the answer, on the pool ---- */

static void result_came(void *state, const uint8_t *key, size_t key_bytes, enum sw_stored stored, const char *reason)
{
    struct store_stream *stream = state;
    if (stream->answered == stream->symbols.count)
        return;
    struct store_run *run = stream->run;
    struct store_node *node = &run->node[stream->node];
    struct stored *symbol = stream->symbols.items[stream->answered++];
    bool is_its_key = key_bytes == SW_KEY_BYTES && memcmp(key, symbol->key.bytes, SW_KEY_BYTES) == 0;
    if (!is_its_key) {
        run->report.replicas_failed++;
        sw_store_note_failure(run, stream->node, "answered for another symbol than it was sent");
    } else if (stored == SW_STORED_REFUSED) {
        char text[SW_ERROR_MESSAGE_SIZE], key_text[SW_KEY_BASE58_SIZE];
        sw_key_to_base58(&symbol->key, key_text);
        snprintf(text, sizeof(text), "refused symbol %s: %.300s", key_text, reason);
        run->report.replicas_refused++;
        sw_store_note_failure(run, stream->node, text);
    } else if (stored == SW_STORED_NEW) {
        run->report.replicas_placed++;
    } else {
        run->report.replicas_present++;
    }
    sw_store_replica_done(run, symbol, node, is_its_key && stored != SW_STORED_REFUSED);
}

/* Why the stream gave no answer, or no full one. */
static void explain(struct store_stream *stream, enum sw_status status, char *text, size_t text_bytes)
{
    if (stream->timed_out)
        snprintf(text, text_bytes, "too slow: no progress within %u ms", stream->run->client->options.store_timeout_ms);
    else if (stream->given_up)
        snprintf(text, text_bytes, "had not answered yet when the store was ended");
    else if (stream->code != SW_RPC_OK)
        snprintf(text, text_bytes, "%s: %s", sw_rpc_code_name(stream->code), stream->details);
    else if (status != SW_OK)
        snprintf(text, text_bytes, "%s", stream->error.message);
    else
        snprintf(text, text_bytes, "answered for %zu of %zu symbols", stream->answered, stream->symbols.count);
}

void sw_store_node_failed(struct store_run *run, uint32_t index, bool timed_out, const char *text)
{
    struct store_node *node = &run->node[index];
    uint64_t down_us = (uint64_t)DOWN_US << (node->failures < DOWN_DOUBLINGS ? node->failures : DOWN_DOUBLINGS);
    uint64_t timeout_us = (uint64_t)run->client->options.store_timeout_ms * 1000;
    if (timed_out && down_us < timeout_us * DOWN_TIMEOUTS)
        down_us = timeout_us * DOWN_TIMEOUTS;
    node->failures++;
    node->down_until_us = sw_clock_us() + down_us;
    node->report.requests_failed++;
    sw_store_note_failure(run, index, text);
}

bool sw_store_node_is_down(const struct store_run *run, uint32_t index)
{
    return sw_clock_us() < run->node[index].down_until_us;
}

static void fail_rest(struct store_stream *stream, const char *text)
{
    struct store_run *run = stream->run;
    sw_store_node_failed(run, stream->node, stream->timed_out, text);
    while (stream->answered < stream->symbols.count) {
        run->report.replicas_failed++;
        sw_store_replica_done(run, stream->symbols.items[stream->answered++], &run->node[stream->node], false);
    }
}

static void stream_free(struct store_stream *stream)
{
    sw_rpc_client_release(stream->call);
    sw_rpc_message_free(stream->answer);
    sw_free(stream->symbols.items);
    sw_free(stream);
}

static void ended(struct sw_task *task)
{
    struct store_stream *stream = (struct store_stream *)((char *)task - offsetof(struct store_stream, task));
    struct store_run *run = stream->run;
    pthread_mutex_lock(&run->lock);
    struct store_stream **at = &run->streams;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    sw_store_request_ended(run, stream->node);
    if (run->node[stream->node].open == stream)
        run->node[stream->node].open = NULL;
    for (; stream->sent < stream->symbols.count; stream->sent++)
        run->unsent_bytes -= stream->symbols.items[stream->sent]->bytes_count;
    enum sw_status status = SW_OK;
    if (stream->code == SW_RPC_OK && stream->answer)
        status =
            sw_message_read_store_response(stream->answer, stream->symbols.count, result_came, stream, &stream->error);
    if (stream->answered < stream->symbols.count || stream->code != SW_RPC_OK) {
        char text[SW_ERROR_MESSAGE_SIZE];
        explain(stream, status, text, sizeof(text));
        fail_rest(stream, text);
    } else {
        run->node[stream->node].failures = 0;
    }
    stream_free(stream);
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

/* ---- from the source's side ---- */

static struct store_stream *stream_open(struct store_run *run, uint32_t node)
{
    struct sw_client *client = run->client;
    struct store_stream *stream = sw_calloc(1, sizeof(*stream));
    if (!stream)
        return NULL;
    pthread_mutex_lock(&client->lock);
    struct sw_rpc_channel *channel = sw_peer_channel(client, run->nodes->peers[node]);
    pthread_mutex_unlock(&client->lock);
    stream->run = run;
    stream->node = node;
    stream->task.run = ended;
    stream->progress_us = sw_clock_us();
    if (channel)
        stream->call = sw_rpc_client_start(channel, SW_METHOD_STORE_BATCH, NULL, SW_CLOCK_NEVER, &call_handler, stream);
    if (!stream->call) {
        sw_free(stream);
        return NULL;
    }
    stream->next = run->streams;
    run->streams = stream;
    run->node[node].open = stream;
    sw_store_request_sent(run, node);
    return stream;
}

static void stream_close(struct store_stream *stream)
{
    struct store_run *run = stream->run;
    stream->closing = true;
    stream->life_end_us = sw_clock_us() + (uint64_t)run->client->options.store_timeout_ms * 1000 +
                          run->unsent_bytes * 1000000 / BYTES_PER_SEC_MIN;
    run->node[stream->node].open = NULL;
    send_next(stream);
}

void sw_store_stream_add(struct store_run *run, uint32_t index, struct stored *symbol)
{
    struct store_node *node = &run->node[index];
    node->report.keys_asked++;
    bool down = sw_store_node_is_down(run, index);
    struct store_stream *stream = node->open;
    if (!stream && !down)
        stream = stream_open(run, index);
    if (down || !stream || !sw_stored_list_add(&stream->symbols, symbol)) {
        if (!down)
            sw_store_note_failure(run, index, "no memory on this machine for its stream");
        run->report.replicas_failed++;
        sw_store_replica_done(run, symbol, node, false);
        return;
    }
    run->unsent_bytes += symbol->bytes_count;
    send_next(stream);
    if (stream->symbols.count == STREAM_SYMBOLS_MAX)
        stream_close(stream);
}

void sw_store_streams_close(struct store_run *run)
{
    for (struct store_stream *stream = run->streams; stream; stream = stream->next)
        if (!stream->closing)
            stream_close(stream);
}

void sw_store_stream_close(struct store_run *run, uint32_t node)
{
    if (run->node[node].open)
        stream_close(run->node[node].open);
}

void sw_store_streams_cancel_slow(struct store_run *run, uint64_t now_us)
{
    uint64_t timeout_us = (uint64_t)run->client->options.store_timeout_ms * 1000;
    for (struct store_stream *stream = run->streams; stream; stream = stream->next) {
        bool waits = stream->sending || stream->half_closed;
        bool is_slow =
            (waits && now_us > stream->progress_us + timeout_us) || (stream->closing && now_us > stream->life_end_us);
        if (is_slow && !stream->timed_out) {
            stream->timed_out = true;
            sw_rpc_client_cancel(stream->call);
        }
    }
}

void sw_store_streams_give_up(struct store_run *run)
{
    for (struct store_stream *stream = run->streams; stream; stream = stream->next) {
        stream->given_up = true;
        sw_rpc_client_cancel(stream->call);
    }
}

bool sw_store_streams_are_due(const struct store_run *run)
{
    for (const struct store_stream *stream = run->streams; stream; stream = stream->next)
        if (stream->closing)
            return true;
    return false;
}
