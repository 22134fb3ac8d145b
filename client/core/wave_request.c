/*
 * The wave engine's requests: how large one is, what its answers mean, how it ends, and when it is overdue.
 *
 * A key of a request is open until it is answered. What else comes (keys that were not asked, answers twice, more bytes
 * than allowed) changes nothing but the node's standing.
 */
#include "client/core/wave_internal.h"
#include <assert.h>
#include <string.h>

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint32_t slot_of(const struct sw_wave_engine *engine, const struct wave_request *request)
{
    return (uint32_t)(request - engine->requests);
}

struct wave_request *sw_wave_request_find(struct sw_wave_engine *engine, sw_wave_request id)
{
    struct wave_request *request = &engine->requests[id % engine->options.requests_max];
    return id != 0 && request->id == id ? request : NULL;
}

static uint64_t key_prefix(const struct sw_key *key)
{
    uint64_t prefix;
    memcpy(&prefix, key->bytes, sizeof(prefix));
    return prefix;
}

/* Nothing larger is taken, or fits. */
static uint64_t symbol_bytes_limit(const struct sw_wave_engine *engine)
{
    return smaller(engine->options.value_bytes_max, engine->budget->limit_bytes);
}

/* How large a symbol of the node is expected to be. */
static uint64_t symbol_bytes_expected(const struct sw_wave_engine *engine, const struct wave_node *node)
{
    uint64_t seen = engine->symbol_bytes ? engine->symbol_bytes : engine->options.symbol_bytes_guess;
    return larger(1, smaller(larger(seen, node->symbol_bytes), symbol_bytes_limit(engine)));
}

/*
 * How many keys the next request to the node carries and how many bytes it may bring, as far as the budget has room;
 * 0 keys where the room is too small and more is to come.
 *
 * A node that is passed over gets many keys at once, for if it is dead it answers them all at once; but only room for a
 * usual request: if it is alive it leaves the rest out, which then wait their turn.
 */
static uint32_t size_request(const struct sw_wave_engine *engine, const struct wave_node *node, uint64_t *max_bytes)
{
    uint64_t expected = symbol_bytes_expected(engine, node), room = sw_budget_available(engine->budget);
    uint64_t aim = larger(engine->options.request_bytes_aim, expected);
    uint64_t keys = smaller(smaller(sw_wave_need(engine), node->queued), engine->options.request_keys_max);

    if (node->passed_over) {
        if (engine->counts[WAVE_KEY_QUEUED] != engine->queued_passed_over)
            keys = smaller(keys, sw_wave_shortage(engine));
        *max_bytes = smaller(smaller(keys, aim / expected) * expected, room);
        return room < expected ? 0 : (uint32_t)keys;
    }
    keys = smaller(keys, aim / expected);
    uint64_t fitting = smaller(keys, room / expected);
    /* A small request now and another soon cost more than one that waits for what is under way here. */
    bool under_way = engine->free_count < engine->options.requests_max || engine->counts[WAVE_KEY_DELIVERING] > 0;
    if (fitting < keys && under_way && fitting * 2 < keys)
        fitting = 0;
    *max_bytes = fitting * expected;
    return (uint32_t)fitting;
}

static void take_keys(struct sw_wave_engine *engine, struct wave_request *request, uint32_t key_count, bool *verify)
{
    *verify = false;
    for (uint32_t i = 0; i < key_count; i++) {
        uint32_t index = sw_wave_queue_pop(engine, request->node);
        struct wave_key *key = &engine->states[index];
        sw_wave_key_move(engine, index, WAVE_KEY_ASKED);
        key->place = slot_of(engine, request);
        key->asked |= (uint16_t)(1u << key->wave);
        *verify |= (key->flags & WAVE_KEY_VERIFY) != 0;
        request->keys[i] = index;
        request->prefixes[i] = key_prefix(&engine->keys[index]);
        engine->stats.waves[key->wave].keys_asked++;
        if (key->wave >= engine->stats.wave_count)
            engine->stats.wave_count = key->wave + 1u;
    }
    request->key_count = key_count;
    engine->node_stats[request->node].keys_asked += key_count;
}

static uint64_t overdue_at(const struct sw_wave_engine *engine, const struct wave_request *request)
{
    return smaller(sw_wave_later(request->last_us, engine->options.stall_timeout_us), request->life_end_us);
}

/* How long a request may live, whatever comes. */
static uint64_t life_us(const struct sw_wave_engine *engine, uint64_t max_bytes)
{
    uint64_t stall_us = engine->options.stall_timeout_us, seconds = max_bytes / SW_WAVE_LIFE_BYTES_PER_SEC;
    uint64_t rest_us = max_bytes % SW_WAVE_LIFE_BYTES_PER_SEC * 1000000 / SW_WAVE_LIFE_BYTES_PER_SEC;

    if (stall_us > UINT64_MAX / SW_WAVE_LIFE_STALLS || seconds > UINT64_MAX / 1000000)
        return UINT64_MAX;
    return sw_wave_later(sw_wave_later(seconds * 1000000, rest_us), stall_us * SW_WAVE_LIFE_STALLS);
}

bool sw_wave_request_send(struct sw_wave_engine *engine, uint32_t node_index)
{
    struct wave_node *node = &engine->nodes[node_index];
    uint64_t max_bytes;
    uint32_t key_count = size_request(engine, node, &max_bytes);
    bool verify;

    if (key_count == 0)
        return false;
    uint32_t slot = engine->free_slots[--engine->free_count];
    struct wave_request *request = &engine->requests[slot];
    uint32_t *keys = request->keys;
    uint64_t *prefixes = request->prefixes;
    bool reserved = sw_budget_reserve(engine->budget, max_bytes);
    assert(reserved && request->id == 0);
    (void)reserved;
    engine->reserved_bytes += max_bytes;
    *request = (struct wave_request){.id = ++engine->request_seq * engine->options.requests_max + slot,
                                     .node = node_index,
                                     .keys = keys,
                                     .prefixes = prefixes,
                                     .max_bytes = max_bytes,
                                     .reserved_bytes = max_bytes,
                                     .last_us = engine->now_us,
                                     .life_end_us = sw_wave_later(engine->now_us, life_us(engine, max_bytes)),
                                     .probe = node->passed_over};
    take_keys(engine, request, key_count, &verify);
    node->in_flight++;
    engine->probes += request->probe;
    engine->stats.requests++;
    engine->stats.requests_in_flight++;
    engine->node_stats[node_index].requests++;
    engine->overdue_us = smaller(engine->overdue_us, overdue_at(engine, request));
    sw_wave_node_refresh(engine, node_index);

    struct sw_wave_action *action = sw_wave_act(engine, SW_WAVE_SEND);
    action->request = request->id;
    action->node = node_index;
    action->keys = keys;
    action->key_count = key_count;
    action->max_bytes = max_bytes;
    action->verify = verify;
    return true;
}

/* Where in the request a key is, SW_WAVE_NONE if nowhere; looked for from where the last of its kind was. */
static uint32_t find_key(const struct sw_wave_engine *engine, struct wave_request *request, const struct sw_key *key,
                         enum wave_cursor cursor)
{
    uint64_t prefix = key_prefix(key);
    uint32_t at = request->cursors[cursor];

    for (uint32_t i = 0; i < request->key_count; i++) {
        uint32_t next = at + 1 < request->key_count ? at + 1 : 0;
        if (request->prefixes[at] == prefix && memcmp(&engine->keys[request->keys[at]], key, sizeof(*key)) == 0) {
            request->cursors[cursor] = next;
            return at;
        }
        at = next;
    }
    return SW_WAVE_NONE;
}

/* Whether a key of the request is in it still: not answered, or left out and not yet gone back. */
static bool is_held(const struct sw_wave_engine *engine, const struct wave_request *request, uint32_t key_index)
{
    const struct wave_key *key = &engine->states[key_index];
    return key->state == WAVE_KEY_ASKED && key->place == slot_of(engine, request);
}

static bool is_open(const struct sw_wave_engine *engine, const struct wave_request *request, uint32_t key_index)
{
    return is_held(engine, request, key_index) && !(engine->states[key_index].flags & WAVE_KEY_LEFT_OUT);
}

/* A key that was left out waits for its node again: that was no answer. */
static void give_back(struct sw_wave_engine *engine, const struct wave_request *request, uint32_t index)
{
    struct wave_key *key = &engine->states[index];

    key->flags &= (uint8_t)~WAVE_KEY_LEFT_OUT;
    key->asked &= (uint16_t) ~(1u << key->wave);
    engine->stats.waves[key->wave].keys_asked--;
    engine->node_stats[request->node].keys_asked--;
    sw_wave_assign_again(engine, index, request->node);
}

/*
 * The keys that the request still holds have failed at its node. Those left out have not, unless nothing was answered:
 * each request must bring at least one key on, or a node could be asked for ever. Where the node, or this machine on
 * its behalf, had no room, they have failed this time and may be asked of it again.
 */
static void fail_keys(struct sw_wave_engine *engine, struct wave_request *request, bool was_busy)
{
    struct wave_node *node = &engine->nodes[request->node];
    const bool again = was_busy && node->busy < SW_WAVE_BUSY_MAX;

    node->busy += again;
    for (uint32_t i = 0; i < request->key_count; i++) {
        uint32_t index = request->keys[i];
        struct wave_key *key = &engine->states[index];
        if (!is_held(engine, request, index))
            continue;
        if (key->flags & WAVE_KEY_LEFT_OUT && request->answered > 0) {
            give_back(engine, request, index);
            continue;
        }
        key->flags &= (uint8_t)~WAVE_KEY_LEFT_OUT;
        engine->stats.waves[key->wave].failed++;
        if (again)
            key->asked &= (uint16_t) ~(1u << key->wave);
        sw_wave_assign(engine, index);
    }
}

static void fail(struct sw_wave_engine *engine, struct wave_request *request, enum sw_status status)
{
    engine->stats.requests_failed++;
    engine->node_stats[request->node].requests_failed++;
    sw_wave_node_failed(engine, request);
    fail_keys(engine, request, status == SW_RESOURCE_EXHAUSTED);
}

static void abort_request(struct sw_wave_engine *engine, struct wave_request *request)
{
    struct sw_wave_action *action = sw_wave_act(engine, SW_WAVE_ABORT);
    action->request = request->id;
    action->node = request->node;
    request->aborted = true;
}

/* Something came that was not asked for, or came again. */
static void junk(struct sw_wave_engine *engine, struct wave_request *request, uint64_t bytes)
{
    request->junk_symbols++;
    request->junk_bytes += bytes;
    engine->health[request->node].corrupt++;
    engine->node_stats[request->node].corrupt++;
    sw_wave_node_strike(engine, request->node);
    if (request->junk_symbols / 2 > request->key_count + SW_WAVE_JUNK_SYMBOLS_MAX ||
        request->junk_bytes / SW_WAVE_JUNK_BYTES_FACTOR > larger(request->max_bytes, engine->options.value_bytes_max)) {
        abort_request(engine, request);
        fail(engine, request, SW_PROTOCOL_ERROR);
    }
}

static void deliver(struct sw_wave_engine *engine, struct wave_request *request, uint32_t index, uint64_t bytes)
{
    struct wave_key *key = &engine->states[index];

    request->answered++;
    request->last_us = engine->now_us;
    request->reserved_bytes -= bytes;
    key->bytes = bytes;
    engine->symbol_bytes = larger(engine->symbol_bytes, bytes);
    engine->stats.waves[key->wave].found++;
    engine->node_stats[request->node].found++;
    engine->nodes[request->node].busy = 0;
    sw_wave_key_move(engine, index, WAVE_KEY_DELIVERING);
    sw_wave_node_alive(engine, request);

    struct sw_wave_action *action = sw_wave_act(engine, SW_WAVE_DELIVER);
    action->request = request->id;
    action->node = request->node;
    action->key_index = index;
}

/* The key's bytes are bad at this node, as it says itself or as was seen. */
static void key_is_corrupt(struct sw_wave_engine *engine, struct wave_request *request, uint32_t index)
{
    struct wave_key *key = &engine->states[index];

    request->answered++;
    request->last_us = engine->now_us;
    key->flags |= WAVE_KEY_VERIFY;
    engine->stats.waves[key->wave].corrupt++;
    engine->node_stats[request->node].corrupt++;
    sw_wave_assign(engine, index);
}

void sw_wave_request_symbol(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    struct wave_request *request = sw_wave_request_find(engine, event->request);

    engine->stats.bytes_received += event->bytes;
    if (request)
        engine->node_stats[request->node].bytes += event->bytes;
    if (!request || request->aborted) {
        sw_wave_drop(engine, event, SW_WAVE_DROP_LATE);
        return;
    }
    uint32_t at = find_key(engine, request, &event->key, WAVE_CURSOR_SYMBOL);
    if (at == SW_WAVE_NONE || !is_open(engine, request, request->keys[at])) {
        sw_wave_drop(engine, event, at == SW_WAVE_NONE ? SW_WAVE_DROP_UNASKED : SW_WAVE_DROP_DUPLICATE);
        junk(engine, request, event->bytes);
        return;
    }
    uint32_t index = request->keys[at];
    if (memcmp(&event->digest, &event->key, sizeof(event->key)) == 0 &&
        event->bytes <= engine->options.value_bytes_max && event->bytes <= request->reserved_bytes) {
        deliver(engine, request, index, event->bytes);
        return;
    }
    sw_wave_drop(engine, event, SW_WAVE_DROP_CORRUPT);
    engine->health[request->node].corrupt++;
    sw_wave_node_strike(engine, request->node);
    key_is_corrupt(engine, request, index);
}

void sw_wave_request_answer(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    static const enum wave_cursor cursors[] = {[SW_WAVE_MISSING] = WAVE_CURSOR_MISSING,
                                               [SW_WAVE_CORRUPT] = WAVE_CURSOR_CORRUPT,
                                               [SW_WAVE_LEFT_OUT] = WAVE_CURSOR_LEFT_OUT};
    struct wave_request *request = sw_wave_request_find(engine, event->request);

    if (!request || request->aborted)
        return;
    uint32_t at = find_key(engine, request, &event->key, cursors[event->type]);
    if (at == SW_WAVE_NONE || !is_open(engine, request, request->keys[at])) {
        junk(engine, request, 0);
        return;
    }
    uint32_t index = request->keys[at];
    struct wave_key *key = &engine->states[index];
    sw_wave_node_alive(engine, request);
    if (event->type == SW_WAVE_MISSING) {
        request->answered++;
        request->last_us = engine->now_us;
        engine->stats.waves[key->wave].missing++;
        engine->node_stats[request->node].missing++;
        sw_wave_assign(engine, index);
    } else if (event->type == SW_WAVE_CORRUPT || event->bytes > symbol_bytes_limit(engine)) {
        key_is_corrupt(engine, request, index);
    } else {
        request->last_us = engine->now_us;
        request->left_out++;
        request->left_out_bytes = larger(request->left_out_bytes, event->bytes);
        key->flags |= WAVE_KEY_LEFT_OUT;
    }
}

void sw_wave_request_activity(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    struct wave_request *request = sw_wave_request_find(engine, event->request);

    if (!request || request->aborted)
        return;
    request->last_us = engine->now_us;
    if (event->held && !request->held) {
        request->held = true;
        request->held_since_us = engine->now_us;
    } else if (!event->held && request->held) {
        request->held = false;
        request->life_end_us = sw_wave_later(request->life_end_us, engine->now_us - request->held_since_us);
        engine->overdue_us = smaller(engine->overdue_us, overdue_at(engine, request));
    }
}

/*
 * Whether a request that brought nothing, all being left out, means that its node cannot or will not. At first it is
 * believed, and the next request has room for the size that it told; then for the largest symbol there may be. What was
 * sent before the node told its size does not count.
 */
static bool is_fruitless(const struct sw_wave_engine *engine, struct wave_node *node,
                         const struct wave_request *request)
{
    uint64_t said = request->left_out_bytes, limit = symbol_bytes_limit(engine);

    node->symbol_bytes = larger(node->symbol_bytes, said);
    if (request->answered > 0)
        node->fruitless = 0;
    if (request->answered > 0 || request->left_out == 0)
        return false;
    if (said > 0 ? said <= request->max_bytes : request->max_bytes >= limit)
        return true; /* it had the room */
    if (request->id < node->sized_since)
        return false;
    node->sized_since = sw_wave_next_request(engine);
    node->fruitless++;
    if (said == 0 || node->fruitless > 1)
        node->symbol_bytes = limit;
    return node->fruitless >= SW_WAVE_FRUITLESS_MAX;
}

/* The node says that it is through: what it left out waits for it again, what it passed over in silence it lacks. */
static void close_request(struct sw_wave_engine *engine, struct wave_request *request)
{
    uint32_t node = request->node, silent = 0;

    if (is_fruitless(engine, &engine->nodes[node], request)) {
        sw_wave_node_strike(engine, node);
        fail(engine, request, SW_PROTOCOL_ERROR);
        return;
    }
    for (uint32_t i = request->key_count; i-- > 0;) { /* backwards, so that the queue's front keeps their order */
        uint32_t index = request->keys[i];
        struct wave_key *key = &engine->states[index];
        if (!is_held(engine, request, index))
            continue;
        if (key->flags & WAVE_KEY_LEFT_OUT) {
            key->flags &= (uint8_t)~WAVE_KEY_LEFT_OUT;
            key->asked &= (uint16_t) ~(1u << key->wave);
            engine->stats.waves[key->wave].keys_asked--;
            engine->node_stats[node].keys_asked--;
            sw_wave_assign_again(engine, index, node);
        } else {
            silent++;
            engine->stats.waves[key->wave].missing++;
            engine->node_stats[node].missing++;
            sw_wave_assign(engine, index);
        }
    }
    if (silent > 0)
        sw_wave_node_strike(engine, node);
}

void sw_wave_request_ended(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    struct wave_request *request = sw_wave_request_find(engine, event->request);

    if (!request)
        return;
    if (!request->aborted && event->status == SW_OK)
        close_request(engine, request);
    else if (!request->aborted)
        fail(engine, request, event->status);
    sw_budget_release(engine->budget, request->reserved_bytes);
    engine->reserved_bytes -= request->reserved_bytes;
    engine->free_slots[engine->free_count++] = slot_of(engine, request);
    engine->nodes[request->node].in_flight--;
    engine->probes -= request->probe;
    engine->stats.requests_in_flight--;
    request->id = 0;
    sw_wave_node_refresh(engine, request->node);
}

void sw_wave_request_abort_overdue(struct sw_wave_engine *engine)
{
    uint64_t earliest_us = UINT64_MAX;

    if (engine->now_us < engine->overdue_us)
        return;
    for (uint32_t slot = 0; slot < engine->options.requests_max; slot++) {
        struct wave_request *request = &engine->requests[slot];
        if (request->id == 0 || request->aborted || request->held)
            continue;
        if (overdue_at(engine, request) <= engine->now_us) {
            abort_request(engine, request);
            fail(engine, request, SW_DEADLINE_EXCEEDED);
        } else {
            earliest_us = smaller(earliest_us, overdue_at(engine, request));
        }
    }
    engine->overdue_us = earliest_us;
}

void sw_wave_request_abort_all(struct sw_wave_engine *engine)
{
    for (uint32_t slot = 0; slot < engine->options.requests_max; slot++) {
        struct wave_request *request = &engine->requests[slot];
        if (request->id == 0 || request->aborted)
            continue;
        abort_request(engine, request);
        for (uint32_t i = 0; i < request->key_count; i++)
            if (is_held(engine, request, request->keys[i]))
                sw_wave_key_move(engine, request->keys[i], WAVE_KEY_LEFT);
    }
}
