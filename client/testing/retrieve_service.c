/*
 * RetrieveBatch as a test's node answers it: one answer at a time, each when its time has come, in the node's manner.
 *
 * What is due at once goes out on the loop's thread, what is due later on the pool's.
 */
#include "client/testing/nodes.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/protobuf.h"
#include "common/wire.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <string.h>

struct serving {
    struct sw_timer timer; /* first: it is found by it */
    struct sw_rpc_server_call *call;
    struct test_node *node;
    struct sw_test_script script;
    struct sw_key *keys;
    size_t count, next;
    uint64_t room; /* of max_bytes; what is left */
    bool keys_only;
    uint64_t due_us; /* the next answer */
    pthread_mutex_t lock;
    bool sending;
};

static void step(struct serving *self);

static void timer_ran(struct sw_task *task)
{
    step((struct serving *)task);
}

static void *start(struct sw_rpc_server_call *call, void *service)
{
    struct serving *self = sw_calloc(1, sizeof(*self));
    if (!self) {
        sw_rpc_server_finish(call, NULL, SW_RPC_RESOURCE_EXHAUSTED, "no memory for the call");
        return NULL;
    }
    self->call = call;
    self->node = service;
    self->script = sw_test_node_script(self->node);
    self->timer.task.run = timer_ran;
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

static void end(void *state)
{
    struct serving *self = state;
    pthread_mutex_destroy(&self->lock);
    sw_free(self->keys);
    sw_free(self);
}

static void count_one(struct serving *self, uint64_t *what)
{
    pthread_mutex_lock(&self->node->nodes->lock);
    ++*what;
    pthread_mutex_unlock(&self->node->nodes->lock);
}

static enum sw_test_manner manner_of(const struct serving *self)
{
    return self->next < self->script.after_answers ? SW_TEST_HONEST : self->script.manner;
}

/* Adds a value under a key, and gives up the reference to it. */
static void add(struct sw_rpc_message *message, const struct sw_key *key, struct test_value *value)
{
    sw_wire_add_symbol(message, key, value->bytes, value->count, sw_test_value_unref, value);
}

static void add_flipped(struct sw_rpc_message *message, const struct sw_key *key, struct test_value *value)
{
    uint8_t *bytes = sw_malloc(value->count);
    if (bytes) {
        memcpy(bytes, value->bytes, value->count);
        bytes[value->count / 2] ^= 1;
        sw_wire_add_symbol(message, key, bytes, value->count, sw_free, bytes);
    }
    sw_test_value_unref(value);
}

/* A right symbol that nobody can have asked for. */
static void add_unasked(const struct serving *self, struct sw_rpc_message *message)
{
    char text[64];
    size_t bytes =
        (size_t)snprintf(text, sizeof(text), "nobody asked node %u for this: %zu", self->node->index, self->next);
    const struct sw_key key = sw_key_of_value(text, bytes);
    sw_wire_add_symbol(message, &key, text, bytes, NULL, NULL); /* copied: it is small */
}

static const uint8_t oversized[1 << 20];

/* A symbol that the node holds and has the room for, in its manner. */
static void add_in_manner(struct serving *self, struct sw_rpc_message *message, const struct sw_key *key,
                          struct test_value *value)
{
    struct test_value *other = NULL;
    switch (manner_of(self)) {
    case SW_TEST_BAD_BYTES:
        add_flipped(message, key, value);
        return;
    case SW_TEST_WRONG_KEY:
        other = sw_test_values_other(self->node->nodes->values, key);
        if (!other) {
            add_flipped(message, key, value);
            return;
        }
        add(message, key, other);
        break;
    case SW_TEST_EMPTY:
        sw_wire_add_symbol(message, key, value->bytes, 0, NULL, NULL);
        break;
    case SW_TEST_TRUNCATED:
        sw_wire_add_symbol(message, key, value->bytes, value->count / 2, sw_test_value_unref, value);
        return;
    case SW_TEST_OVERSIZED:
        sw_wire_add_symbol(message, key, oversized, sizeof(oversized), NULL, NULL);
        break;
    case SW_TEST_DUPLICATES:
        atomic_fetch_add(&value->references, 2);
        add(message, key, value);
        add(message, key, value);
        break;
    case SW_TEST_UNASKED:
        add_unasked(self, message);
        add(message, key, value);
        return;
    default:
        add(message, key, value);
        return;
    }
    sw_test_value_unref(value);
}

/* The answer for the next key. */
static struct sw_rpc_message *answer(struct serving *self)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    const struct sw_key *key = &self->keys[self->next];
    const enum sw_test_manner manner = manner_of(self);
    if (!message)
        return NULL;
    if (manner == SW_TEST_GARBAGE) {
        sw_rpc_message_add_copy(message, "\xff\xff\xff\xff\xff not a message", 20);
        return message;
    }
    struct test_value *value = sw_test_values_find(self->node->nodes->values, self->node->index, key);
    if (manner == SW_TEST_CORRUPT) {
        sw_wire_add_corrupt(message, key);
    } else if (!value || manner == SW_TEST_LACKS) {
        sw_wire_add_missing(message, key);
    } else if (self->keys_only) {
        sw_wire_add_held(message, key);
    } else if (value->count > self->room) {
        sw_wire_add_left_out(message, key);
        sw_wire_add_left_out_bytes(message, value->count);
    } else {
        self->room -= value->count;
        if (self->script.bytes_per_second > 0)
            self->due_us += value->count * 1000000 / self->script.bytes_per_second;
        count_one(self, &self->node->counts.symbols_sent);
        add_in_manner(self, message, key, value);
        return message;
    }
    sw_test_value_unref(value);
    return message;
}

/* Sends the next answer, or ends the call. */
static void step(struct serving *self)
{
    pthread_mutex_lock(&self->lock);
    bool gone = sw_rpc_server_is_cancelled(self->call);
    self->sending = !gone;
    pthread_mutex_unlock(&self->lock);
    struct sw_rpc_message *message = NULL;
    if (gone)
        sw_rpc_server_finish(self->call, NULL, SW_RPC_CANCELLED, NULL);
    else if (self->next == self->count || manner_of(self) == SW_TEST_ENDS)
        sw_rpc_server_finish(self->call, NULL, SW_RPC_OK, NULL);
    else if (manner_of(self) == SW_TEST_FAILS)
        sw_test_node_fail(&self->script, self->call);
    else if (!(message = answer(self)))
        sw_rpc_server_finish(self->call, NULL, SW_RPC_RESOURCE_EXHAUSTED, "no memory for an answer");
    else {
        self->next++;
        sw_rpc_server_send(self->call, message);
    }
}

/* Does the next step when its time has come; a silent node has none. */
static void go_on(struct serving *self)
{
    if (self->next < self->count && manner_of(self) == SW_TEST_SILENT && !sw_rpc_server_is_cancelled(self->call))
        return;
    if (self->due_us > sw_clock_us() && self->next < self->count && !sw_rpc_server_is_cancelled(self->call))
        sw_pool_timer_set(self->node->nodes->pool, &self->timer, self->due_us);
    else
        step(self);
}

static bool read_request(struct serving *self, struct sw_rpc_message *message)
{
    Symwave__V1__RetrieveBatchRequest *request =
        sw_protobuf_unpack(&symwave__v1__retrieve_batch_request__descriptor, message, SIZE_MAX);
    bool is_right = request && request->n_keys > 0;
    for (size_t i = 0; is_right && i < request->n_keys; i++)
        is_right = request->keys[i].len == SW_KEY_BYTES;
    if (is_right && (self->keys = sw_calloc(request->n_keys, sizeof(*self->keys)))) {
        self->count = request->n_keys;
        for (size_t i = 0; i < self->count; i++)
            memcpy(self->keys[i].bytes, request->keys[i].data, SW_KEY_BYTES);
        self->room = request->max_bytes > 0 ? request->max_bytes : UINT64_MAX;
        self->keys_only = request->keys_only;
    }
    symwave__v1__retrieve_batch_request__free_unpacked(request, &sw_protobuf_allocator);
    return self->count > 0;
}

static void request_came(void *state, struct sw_rpc_message *message)
{
    struct serving *self = state;
    bool is_right = message && read_request(self, message);
    sw_rpc_message_free(message);
    if (!is_right) {
        sw_rpc_server_finish(self->call, NULL, SW_RPC_INVALID_ARGUMENT, "keys: 1 or more of 32 bytes");
        return;
    }
    struct sw_test_counts *counts = &self->node->counts;
    pthread_mutex_lock(&self->node->nodes->lock);
    counts->requests++;
    counts->keys_asked += self->count;
    pthread_mutex_unlock(&self->node->nodes->lock);
    self->due_us = sw_clock_us() + (uint64_t)self->script.latency_ms * 1000;
    go_on(self);
}

static void sent(void *state)
{
    struct serving *self = state;
    pthread_mutex_lock(&self->lock);
    self->sending = false;
    pthread_mutex_unlock(&self->lock);
    go_on(self);
}

/* What is being sent, and a timer that has run out, find out by themselves. */
static void cancelled(void *state)
{
    struct serving *self = state;
    count_one(self, &self->node->counts.requests_broken);
    pthread_mutex_lock(&self->lock);
    bool waits = !self->sending &&
                 (manner_of(self) == SW_TEST_SILENT || sw_pool_timer_stop(self->node->nodes->pool, &self->timer));
    pthread_mutex_unlock(&self->lock);
    if (waits)
        sw_rpc_server_finish(self->call, NULL, SW_RPC_CANCELLED, NULL);
}

const struct sw_rpc_server_handler sw_test_retrieve_handler = {
    .start = start, .message = request_came, .sent = sent, .cancelled = cancelled, .end = end};
