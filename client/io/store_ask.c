/*
 * Asking before sending: which of a group of symbols a node holds already. Those are placed without their bytes; the
 * others go into a stream of their own, which is closed at once.
 */
#include "client/io/messages.h"
#include "client/io/store.h"
#include "common/memory.h"
#include "common/wire.h"
#include <stdio.h>
#include <string.h>

/* What an answer may have beside its keys: a message's framing for each, and one message of slack. */
#define KEY_OVERHEAD_BYTES 64
#define ANSWER_SLACK_BYTES (64u << 10)

struct store_ask {
    struct store_run *run;
    struct store_ask *next; /* of the run's */
    struct sw_task task;
    uint32_t node;
    /* under the store's lock */
    struct sw_rpc_client_call *call; /* NULL: still collecting */
    struct stored_list symbols;
    uint64_t sent_us;
    bool timed_out;
    bool too_much; /* came */
    bool given_up; /* the whole store ends early */
    /* from the call, before its end */
    struct sw_rpc_message **messages;
    size_t message_count, message_room; /* one more than there are keys: a node answers each once, and may end apart */
    uint64_t answer_bytes;
    enum sw_rpc_code code;
    char details[SW_ERROR_MESSAGE_SIZE / 2];
    /* while the answer is read */
    bool *held;
    size_t next_answer;
    struct sw_error error;
};

/* ---- on the network thread ---- */

static void message_came(void *state, struct sw_rpc_message *message)
{
    struct store_ask *ask = state;
    ask->answer_bytes += sw_rpc_message_bytes(message);
    if (ask->message_count < ask->message_room &&
        ask->answer_bytes <= (uint64_t)ask->symbols.count * KEY_OVERHEAD_BYTES + ANSWER_SLACK_BYTES) {
        ask->messages[ask->message_count++] = message;
        return;
    }
    sw_rpc_message_free(message);
    pthread_mutex_lock(&ask->run->lock); /* start may still be setting call */
    if (!ask->too_much)
        sw_rpc_client_cancel(ask->call);
    ask->too_much = true;
    pthread_mutex_unlock(&ask->run->lock);
}

static void call_ended(void *state, enum sw_rpc_code code, const char *details)
{
    struct store_ask *ask = state;
    ask->code = code;
    snprintf(ask->details, sizeof(ask->details), "%s", details);
    sw_pool_submit(ask->run->client->pool, &ask->task);
}

static const struct sw_rpc_client_handler call_handler = {.message = message_came, .end = call_ended};

/* ---- the answer, on the pool ---- */

/* Nodes answer in the order of the question; keys that were not asked are passed over. */
static bool held_came(void *state, const struct sw_key *key)
{
    struct store_ask *ask = state;
    for (size_t tried = 0; tried < ask->symbols.count; tried++) {
        size_t i = (ask->next_answer + tried) % ask->symbols.count;
        if (memcmp(&ask->symbols.items[i]->key, key, sizeof(*key)) == 0) {
            ask->held[i] = true;
            ask->next_answer = i + 1;
            return true;
        }
    }
    return true;
}

static enum sw_status read_answer(struct store_ask *ask)
{
    static const struct sw_wire_response_handler handler = {.held = held_came};
    if (ask->timed_out)
        return sw_error_set(&ask->error, SW_DEADLINE_EXCEEDED, "too slow: did not say within %u ms what it holds",
                            ask->run->client->options.store_timeout_ms);
    if (ask->given_up)
        return sw_error_set(&ask->error, SW_CANCELLED, "had not answered yet when the store was ended");
    if (ask->too_much)
        return sw_error_set(&ask->error, SW_PROTOCOL_ERROR, "sent more than the keys that it was asked about");
    if (ask->code != SW_RPC_OK)
        return sw_error_set(&ask->error, sw_rpc_code_to_status(ask->code), "%s: %s", sw_rpc_code_name(ask->code),
                            ask->details);
    enum sw_status status = SW_OK;
    for (size_t i = 0; i < ask->message_count && status == SW_OK; i++)
        status = sw_wire_read_response(ask->messages[i], &handler, ask, &ask->error);
    return status;
}

static void ask_free(struct store_ask *ask)
{
    if (ask->call)
        sw_rpc_client_release(ask->call);
    for (size_t i = 0; i < ask->message_count; i++)
        sw_rpc_message_free(ask->messages[i]);
    sw_free(ask->messages);
    sw_free(ask->held);
    sw_free(ask->symbols.items);
    sw_free(ask);
}

/* Takes an ask out of the run's lists. Under the store's lock. */
static void ask_remove(struct store_ask *ask)
{
    struct store_run *run = ask->run;
    struct store_ask **at = &run->asks;
    while (*at != ask)
        at = &(*at)->next;
    *at = ask->next;
    if (ask->call)
        sw_store_request_ended(run, ask->node);
    if (run->node[ask->node].collecting == ask)
        run->node[ask->node].collecting = NULL;
}

static void fail_all(struct store_ask *ask)
{
    for (size_t i = 0; i < ask->symbols.count; i++) {
        ask->run->report.replicas_failed++;
        ask->run->node[ask->node].report.keys_asked++;
        sw_store_replica_done(ask->run, ask->symbols.items[i], &ask->run->node[ask->node], false);
    }
}

static void place_or_send(struct store_ask *ask)
{
    struct store_run *run = ask->run;
    struct store_node *node = &run->node[ask->node];
    for (size_t i = 0; i < ask->symbols.count; i++) {
        if (ask->held[i]) {
            run->report.replicas_present++;
            node->report.keys_asked++;
            sw_store_replica_done(run, ask->symbols.items[i], node, true);
        } else {
            sw_store_stream_add(run, ask->node, ask->symbols.items[i]);
        }
    }
    sw_store_stream_close(run, ask->node);
}

static void asked(struct sw_task *task)
{
    struct store_ask *ask = (struct store_ask *)((char *)task - offsetof(struct store_ask, task));
    struct store_run *run = ask->run;
    pthread_mutex_lock(&run->lock);
    ask_remove(ask);
    if (read_answer(ask) == SW_OK) {
        place_or_send(ask);
    } else {
        sw_store_node_failed(run, ask->node, ask->timed_out, ask->error.message);
        fail_all(ask);
    }
    ask_free(ask);
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

/* ---- from the source's side ---- */

static struct sw_rpc_message *question(const struct store_ask *ask)
{
    const struct sw_key **keys = sw_malloc(ask->symbols.count * sizeof(*keys));
    if (!keys)
        return NULL;
    for (size_t i = 0; i < ask->symbols.count; i++)
        keys[i] = &ask->symbols.items[i]->key;
    struct sw_rpc_message *message = sw_message_presence_request(keys, (uint32_t)ask->symbols.count);
    sw_free(keys);
    return message;
}

static void ask_send(struct store_ask *ask)
{
    struct store_run *run = ask->run;
    struct sw_client *client = run->client;
    run->node[ask->node].collecting = NULL;
    pthread_mutex_lock(&client->lock);
    struct sw_rpc_channel *channel = sw_peer_channel(client, run->nodes->peers[ask->node]);
    pthread_mutex_unlock(&client->lock);
    struct sw_rpc_message *message = question(ask);
    ask->held = sw_calloc(ask->symbols.count, sizeof(*ask->held));
    ask->message_room = ask->symbols.count + 1;
    ask->messages = sw_calloc(ask->message_room, sizeof(struct sw_rpc_message *));
    ask->sent_us = sw_clock_us();
    if (channel && message && ask->held && ask->messages)
        ask->call = sw_rpc_client_start(channel, SW_METHOD_RETRIEVE_BATCH, message, SW_CLOCK_NEVER, &call_handler, ask);
    else
        sw_rpc_message_free(message);
    if (!ask->call) {
        sw_store_note_failure(run, ask->node, "no memory on this machine to ask it");
        fail_all(ask);
        ask_remove(ask);
        ask_free(ask);
        return;
    }
    sw_store_request_sent(run, ask->node);
}

static struct store_ask *ask_begin(struct store_run *run, uint32_t node)
{
    struct store_ask *ask = sw_calloc(1, sizeof(*ask));
    if (!ask)
        return NULL;
    ask->run = run;
    ask->node = node;
    ask->task.run = asked;
    ask->next = run->asks;
    run->asks = ask;
    run->node[node].collecting = ask;
    return ask;
}

void sw_store_ask_add(struct store_run *run, uint32_t index, struct stored *symbol)
{
    struct store_node *node = &run->node[index];
    bool down = sw_store_node_is_down(run, index);
    struct store_ask *ask = node->collecting;
    if (!ask && !down)
        ask = ask_begin(run, index);
    if (down || !ask || !sw_stored_list_add(&ask->symbols, symbol)) {
        if (!down)
            sw_store_note_failure(run, index, "no memory on this machine to ask it");
        run->report.replicas_failed++;
        node->report.keys_asked++;
        sw_store_replica_done(run, symbol, node, false);
        return;
    }
    if (ask->symbols.count == run->client->options.request_keys_max)
        ask_send(ask);
}

void sw_store_asks_send(struct store_run *run)
{
    for (struct store_ask *ask = run->asks, *next; ask; ask = next) {
        next = ask->next;
        if (ask->symbols.count == 0) {
            ask_remove(ask);
            ask_free(ask);
        } else if (!ask->call) {
            ask_send(ask);
        }
    }
}

void sw_store_asks_cancel_slow(struct store_run *run, uint64_t now_us)
{
    for (struct store_ask *ask = run->asks; ask; ask = ask->next) {
        if (ask->call && !ask->timed_out &&
            now_us > ask->sent_us + (uint64_t)run->client->options.store_timeout_ms * 1000) {
            ask->timed_out = true;
            sw_rpc_client_cancel(ask->call);
        }
    }
}

void sw_store_asks_give_up(struct store_run *run)
{
    for (struct store_ask *ask = run->asks, *next; ask; ask = next) {
        next = ask->next;
        ask->given_up = true;
        if (ask->call) {
            sw_rpc_client_cancel(ask->call);
        } else {
            fail_all(ask);
            ask_remove(ask);
            ask_free(ask);
        }
    }
}

uint32_t sw_store_asks_in_flight(const struct store_run *run)
{
    uint32_t count = 0;
    for (const struct store_ask *ask = run->asks; ask; ask = ask->next)
        count += ask->call != NULL;
    return count;
}
