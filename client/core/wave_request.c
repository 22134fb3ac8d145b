/* The wave engine's requests: how large one is, how it is sent, and how it ends. */
#include "client/core/wave_internal.h"
#include <assert.h>
#include <string.h>

static uint32_t slot_of(const struct sw_wave_engine *engine, const struct wave_request *request)
{
    return (uint32_t)(request - engine->requests);
}

struct wave_request *sw_wave_request_find(struct sw_wave_engine *engine, sw_wave_request id)
{
    struct wave_request *request = &engine->requests[id % engine->slots];
    return id != 0 && request->id == id ? request : NULL;
}

/*
 * A node that is passed over gets many keys at once, for if it is dead it answers them all at once; but only room for a
 * usual request: if it is alive it leaves the rest out, which then wait their turn.
 */
static uint32_t size_probe(const struct sw_wave_engine *engine, uint64_t keys, uint64_t expected, uint64_t aim,
                           uint64_t room, uint64_t *max_bytes)
{
    if (engine->counts[WAVE_KEY_QUEUED] != engine->queued_passed_over)
        keys = sw_wave_smaller(keys, sw_wave_shortage(engine));
    *max_bytes = sw_wave_smaller(sw_wave_smaller(keys, aim / expected) * expected, room);
    return room < expected ? 0 : (uint32_t)keys;
}

uint32_t sw_wave_request_size(const struct sw_wave_engine *engine, uint32_t index, uint32_t keys_max,
                              uint64_t *max_bytes)
{
    const struct wave_node *node = &engine->nodes[index];
    uint64_t expected = sw_wave_symbol_bytes(engine, node),
             room = sw_budget_room(engine->budget, engine->reserved_bytes, expected);
    uint64_t aim = sw_wave_larger(engine->options.request_bytes_aim, expected);
    uint64_t keys = sw_wave_smaller(keys_max, engine->options.request_keys_max);
    uint64_t wanted = sw_wave_open_wanted(engine, index);

    if (node->queued > 0)
        keys = sw_wave_smaller(keys, node->queued);
    if (node->passed_over)
        return size_probe(engine, keys, expected, aim, room, max_bytes);
    /*
     * Several small ones: when half is answered, the next is on its way. But not where the budget holds the nodes back
     * and not the way to them: then few large ones cost less.
     */
    if (node->rate > 0 && room >= engine->budget->limit_bytes / 4)
        wanted = (wanted + 1) / 2;
    keys = sw_wave_smaller(keys, sw_wave_smaller(aim / expected, wanted));
    uint64_t fitting = sw_wave_smaller(keys, room / expected);
    /* A small request now and another soon cost more than one that waits for what is under way here. */
    bool under_way = engine->free_count < engine->slots || engine->counts[WAVE_KEY_DELIVERING] > 0;
    if (fitting < keys && under_way && fitting * 2 < keys)
        fitting = 0;
    *max_bytes = fitting * expected;
    return (uint32_t)fitting;
}

/* ---- sending ---- */

static uint64_t key_prefix(const struct sw_key *key)
{
    uint64_t prefix;
    memcpy(&prefix, key->bytes, sizeof(prefix));
    return prefix;
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

static void take_key(struct sw_wave_engine *engine, struct wave_request *request, uint32_t at)
{
    uint32_t index = engine->picked[at], wave = engine->picked_waves[at];
    struct wave_key *key = &engine->states[index];

    if (key->state == WAVE_KEY_QUEUED)
        sw_wave_key_move(engine, index, WAVE_KEY_ASKED);
    else
        engine->hedges_spent += sw_wave_key_lease(key) == WAVE_LEASE_OUT;
    sw_wave_key_hold(engine, key, WAVE_LEASE_RUNNING);
    key->wave = (uint8_t)wave;
    sw_wave_window_asked(engine, index, wave);
    request->keys[at] = index;
    request->waves[at] = (uint8_t)wave;
    request->entries[at] = WAVE_ENTRY_OPEN;
    request->prefixes[at] = key_prefix(&engine->keys[index]);
    engine->stats.waves[wave].keys_asked++;
    if (wave >= engine->stats.wave_count)
        engine->stats.wave_count = wave + 1u;
}

static struct wave_request *open_request(struct sw_wave_engine *engine, uint32_t node, uint64_t max_bytes)
{
    uint32_t slot = engine->free_slots[--engine->free_count];
    struct wave_request *request = &engine->requests[slot];
    bool reserved = sw_budget_reserve(engine->budget, max_bytes);

    assert(reserved && request->id == 0);
    (void)reserved;
    engine->reserved_bytes += max_bytes;
    *request = (struct wave_request){.id = ++engine->request_seq * engine->slots + slot,
                                     .node = node,
                                     .keys = request->keys,
                                     .prefixes = request->prefixes,
                                     .waves = request->waves,
                                     .entries = request->entries,
                                     .max_bytes = max_bytes,
                                     .reserved_bytes = max_bytes,
                                     .sent_us = engine->now_us,
                                     .last_us = engine->now_us,
                                     .life_end_us = sw_wave_later(engine->now_us, life_us(engine, max_bytes)),
                                     .probe = engine->nodes[node].passed_over};
    return request;
}

void sw_wave_request_send(struct sw_wave_engine *engine, uint32_t node_index, uint32_t key_count, uint64_t max_bytes,
                          bool hedge)
{
    struct wave_node *node = &engine->nodes[node_index];
    struct wave_request *request = open_request(engine, node_index, max_bytes);
    bool verify = false;

    for (uint32_t i = 0; i < key_count; i++) {
        verify |= (engine->states[engine->picked[i]].flags & WAVE_KEY_VERIFY) != 0;
        take_key(engine, request, i);
    }
    request->key_count = request->open = key_count;
    request->hedge = hedge;
    if (node->open == 0)
        node->last_us = engine->now_us;
    node->open += key_count;
    engine->stats.nodes_in_flight += node->in_flight++ == 0;
    sw_wave_rate_expect(engine, node_index);
    engine->keys_asked += key_count;
    engine->probes += request->probe;
    engine->stats.hedges_sent += hedge ? key_count : 0;
    engine->stats.requests++;
    engine->stats.requests_in_flight++;
    engine->node_stats[node_index].requests++;
    engine->node_stats[node_index].keys_asked += key_count;
    sw_wave_lease_note(engine, request);
    sw_wave_node_asked(engine, node_index);

    struct sw_wave_action *action = sw_wave_act(engine, SW_WAVE_SEND);
    action->request = request->id;
    action->node = node_index;
    action->keys = request->keys;
    action->key_count = key_count;
    action->max_bytes = max_bytes;
    action->verify = verify;
    action->hedge = hedge;
}

void sw_wave_request_activity(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    struct wave_request *request = sw_wave_request_find(engine, event->request);

    if (!request || request->aborted)
        return;
    if (event->held || request->held) {
        request->last_us = engine->now_us;
        engine->nodes[request->node].last_us = engine->now_us;
    }
    if (event->held && !request->held) {
        request->held = true;
        engine->nodes[request->node].held++;
        request->held_since_us = engine->now_us;
    } else if (!event->held && request->held) {
        request->held = false;
        engine->nodes[request->node].held--;
        request->life_end_us = sw_wave_later(request->life_end_us, engine->now_us - request->held_since_us);
    }
    sw_wave_lease_note(engine, request);
}

/* ---- the end ---- */

void sw_wave_request_abort(struct sw_wave_engine *engine, struct wave_request *request, enum sw_status status)
{
    struct sw_wave_action *action = sw_wave_act(engine, SW_WAVE_ABORT);
    action->request = request->id;
    action->node = request->node;
    action->status = status;
    request->aborted = true;
}

/* A key that was left out waits for its node again: that was no answer. */
static void give_back(struct sw_wave_engine *engine, struct wave_request *request, uint32_t at)
{
    uint32_t index = request->keys[at], wave = request->waves[at];

    sw_wave_entry_close(engine, request, at, WAVE_ENTRY_ANSWERED);
    sw_wave_window_unasked(engine, index, wave);
    engine->stats.waves[wave].keys_asked--;
    engine->node_stats[request->node].keys_asked--;
    if (!sw_wave_key_is_held(&engine->states[index]))
        sw_wave_assign_again(engine, index, request->node, wave);
}

/*
 * The keys that the request still holds have failed at its node. Those left out have not, unless nothing was answered:
 * each request must bring at least one key on, or a node could be asked for ever. Where they have failed only this
 * time, they may be asked of it again.
 */
static void fail_keys(struct sw_wave_engine *engine, struct wave_request *request, bool this_time)
{
    struct wave_node *node = &engine->nodes[request->node];
    const bool again = this_time && node->busy < SW_WAVE_BUSY_MAX;

    node->busy += again;
    for (uint32_t i = 0; i < request->key_count; i++) {
        if (request->entries[i] == WAVE_ENTRY_LEFT_OUT && request->answered > 0) {
            give_back(engine, request, i);
        } else if (request->entries[i] == WAVE_ENTRY_OPEN || request->entries[i] == WAVE_ENTRY_LEFT_OUT) {
            engine->stats.waves[request->waves[i]].failed++;
            if (again)
                sw_wave_window_unasked(engine, request->keys[i], request->waves[i]);
            sw_wave_entry_fail(engine, request, i);
        }
    }
}

/*
 * Whether a failure may be over soon. The node, or this machine on its behalf, had no room; or it broke off in the
 * middle of its answers, as when it was stopped, the network was gone, or this very process stood still for a while.
 */
static bool is_passing(const struct wave_request *request, enum sw_status status)
{
    return status == SW_RESOURCE_EXHAUSTED ||
           (request->answered > 0 && (status == SW_UNAVAILABLE || status == SW_DEADLINE_EXCEEDED));
}

void sw_wave_request_fail(struct sw_wave_engine *engine, struct wave_request *request, enum sw_status status)
{
    engine->stats.requests_failed++;
    engine->node_stats[request->node].requests_failed++;
    sw_wave_node_failed(engine, request);
    fail_keys(engine, request, is_passing(request, status));
    sw_wave_node_refresh(engine, request->node);
}

/*
 * Whether a request that brought nothing, all being left out, means that its node cannot or will not. At first it is
 * believed, and the next request has room for the size that it told; then for the largest symbol there may be. What was
 * sent before the node told its size does not count.
 */
static bool is_fruitless(const struct sw_wave_engine *engine, struct wave_node *node,
                         const struct wave_request *request)
{
    uint64_t said = request->left_out_bytes, limit = sw_wave_symbol_bytes_limit(engine);

    node->symbol_bytes = sw_wave_larger(node->symbol_bytes, said);
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
        sw_wave_node_strike(engine, node, 1);
        sw_wave_request_fail(engine, request, SW_PROTOCOL_ERROR);
        return;
    }
    for (uint32_t i = request->key_count; i-- > 0;) { /* backwards, so that the queue's front keeps their order */
        if (request->entries[i] == WAVE_ENTRY_LEFT_OUT) {
            give_back(engine, request, i);
        } else if (request->entries[i] == WAVE_ENTRY_OPEN) {
            silent++;
            engine->stats.waves[request->waves[i]].missing++;
            engine->node_stats[node].missing++;
            sw_wave_entry_fail(engine, request, i);
        }
    }
    if (silent > 0)
        sw_wave_node_strike(engine, node, 1);
}

void sw_wave_request_ended(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    struct wave_request *request = sw_wave_request_find(engine, event->request);

    if (!request)
        return;
    if (!request->aborted && event->status == SW_OK) {
        close_request(engine, request);
    } else if (!request->aborted && event->pushback_us > 0) {
        sw_wave_node_pushed_back(engine, request->node, event->pushback_us);
        fail_keys(engine, request, true);
    } else if (!request->aborted) {
        sw_wave_request_fail(engine, request, event->status);
    }
    struct wave_node *node = &engine->nodes[request->node];
    node->held -= request->held;
    sw_budget_release(engine->budget, request->reserved_bytes);
    engine->reserved_bytes -= request->reserved_bytes;
    engine->free_slots[engine->free_count++] = slot_of(engine, request);
    engine->stats.nodes_in_flight -= --node->in_flight == 0;
    engine->probes -= request->probe;
    engine->stats.requests_in_flight--;
    request->id = 0;
    /* Its silence is in its rate; what is asked of it next has a lease of its own. */
    if (node->in_flight == 0 && node->late)
        node->late = false;
    sw_wave_node_refresh(engine, request->node);
}

void sw_wave_request_abort_all(struct sw_wave_engine *engine)
{
    for (uint32_t slot = 0; slot < engine->slots; slot++) {
        struct wave_request *request = &engine->requests[slot];
        if (request->id == 0 || request->aborted)
            continue;
        sw_wave_request_abort(engine, request, SW_CANCELLED);
        for (uint32_t i = 0; i < request->key_count; i++) {
            if (request->entries[i] != WAVE_ENTRY_OPEN && request->entries[i] != WAVE_ENTRY_LEFT_OUT)
                continue;
            sw_wave_entry_close(engine, request, i, WAVE_ENTRY_ANSWERED);
            if (!sw_wave_key_is_held(&engine->states[request->keys[i]]))
                sw_wave_key_move(engine, request->keys[i], WAVE_KEY_LEFT);
        }
    }
}
