/*
 * The wave engine's plan: which key waits for which node, and which node is asked next.
 *
 * A key waits in the queue of one node: of its wave's provider, unless that one is passed over. A node with keys
 * waiting is in the list of those with as many requests in flight, so the least busy is found at once and ties go
 * round. Nodes that are passed over (they failed lately, or too much is held against them) form a list of their own,
 * and are asked only for what nobody else can give.
 */
#include "client/core/wave_internal.h"
#include <assert.h>

static uint32_t passed_over_list(const struct sw_wave_engine *engine)
{
    return engine->options.node_requests_max;
}

static bool is_struck(const struct wave_node *node)
{
    return node->strikes >= SW_WAVE_STRIKES_MAX;
}

static bool is_passed_over(const struct sw_wave_engine *engine, uint32_t node)
{
    return is_struck(&engine->nodes[node]) || engine->health[node].down_until_us > engine->now_us;
}

/* A node that failed gets one request at a time until it answers one. */
static uint32_t requests_allowed(const struct sw_wave_engine *engine, uint32_t node)
{
    return engine->health[node].failures > 0 ? 1 : engine->options.node_requests_max;
}

static uint32_t list_wanted(const struct sw_wave_engine *engine, uint32_t index)
{
    const struct wave_node *node = &engine->nodes[index];

    if (node->queued == 0)
        return SW_WAVE_NONE;
    if (node->passed_over)
        return node->in_flight == 0 ? passed_over_list(engine) : SW_WAVE_NONE;
    return node->in_flight < requests_allowed(engine, index) ? node->in_flight : SW_WAVE_NONE;
}

static void list_remove(struct sw_wave_engine *engine, struct wave_node *node)
{
    struct wave_list *list = &engine->lists[node->list];

    if (node->list_previous != SW_WAVE_NONE)
        engine->nodes[node->list_previous].list_next = node->list_next;
    else
        list->first = node->list_next;
    if (node->list_next != SW_WAVE_NONE)
        engine->nodes[node->list_next].list_previous = node->list_previous;
    else
        list->last = node->list_previous;
    node->list = SW_WAVE_NONE;
}

static void list_append(struct sw_wave_engine *engine, uint32_t index, uint32_t list_index)
{
    struct wave_node *node = &engine->nodes[index];
    struct wave_list *list = &engine->lists[list_index];

    node->list = list_index;
    node->list_previous = list->last;
    node->list_next = SW_WAVE_NONE;
    if (list->last != SW_WAVE_NONE)
        engine->nodes[list->last].list_next = index;
    else
        list->first = index;
    list->last = index;
}

/* Puts the node into the list where it belongs now; at its end, so that ties go round. */
static void relist(struct sw_wave_engine *engine, uint32_t index)
{
    struct wave_node *node = &engine->nodes[index];
    uint32_t wanted = list_wanted(engine, index);

    if (wanted == node->list)
        return;
    if (node->list != SW_WAVE_NONE)
        list_remove(engine, node);
    if (wanted != SW_WAVE_NONE)
        list_append(engine, index, wanted);
    if (wanted == passed_over_list(engine) && !is_struck(node) && engine->health[index].down_until_us < engine->wake_us)
        engine->wake_us = engine->health[index].down_until_us;
}

void sw_wave_node_refresh(struct sw_wave_engine *engine, uint32_t index)
{
    struct wave_node *node = &engine->nodes[index];

    if (node->passed_over && !is_passed_over(engine, index)) {
        node->passed_over = false;
        engine->queued_passed_over -= node->queued;
    }
    relist(engine, index);
}

static void queue_push(struct sw_wave_engine *engine, uint32_t key_index, uint32_t node_index, bool front)
{
    struct wave_node *node = &engine->nodes[node_index];
    struct wave_key *key = &engine->states[key_index];

    sw_wave_key_move(engine, key_index, WAVE_KEY_QUEUED);
    key->place = node_index;
    key->next = front ? node->queue_first : SW_WAVE_NONE;
    if (node->queued > 0 && !front)
        engine->states[node->queue_last].next = key_index;
    if (node->queued == 0 || front)
        node->queue_first = key_index;
    if (node->queued == 0 || !front)
        node->queue_last = key_index;
    node->queued++;
    if (node->passed_over)
        engine->queued_passed_over++;
    sw_wave_node_refresh(engine, node_index);
}

uint32_t sw_wave_queue_pop(struct sw_wave_engine *engine, uint32_t node_index)
{
    struct wave_node *node = &engine->nodes[node_index];
    uint32_t key_index = node->queue_first;

    assert(node->queued > 0);
    node->queue_first = engine->states[key_index].next;
    node->queued--;
    if (node->queued == 0)
        node->queue_last = SW_WAVE_NONE;
    if (node->passed_over)
        engine->queued_passed_over--;
    return key_index;
}

void sw_wave_assign(struct sw_wave_engine *engine, uint32_t key_index)
{
    struct wave_key *key = &engine->states[key_index];
    uint32_t nodes[SW_ROUTE_CANDIDATES_MAX], node = SW_WAVE_NONE, wave = 0;
    uint32_t count = sw_route_nearest(engine->table, &engine->keys[key_index], engine->candidates, nodes);

    if (key->state == WAVE_KEY_FRESH && count > 0)
        key->base = (uint8_t)sw_route_base(&engine->keys[key_index], engine->task, count);
    for (uint32_t w = 0; w < count; w++) {
        uint32_t candidate = nodes[(key->base + w) % count];
        if (key->asked & 1u << w)
            continue;
        bool passed_over = is_passed_over(engine, candidate);
        if (node == SW_WAVE_NONE || !passed_over) {
            node = candidate;
            wave = w;
        }
        if (!passed_over)
            break;
    }
    if (node == SW_WAVE_NONE) {
        sw_wave_key_move(engine, key_index, WAVE_KEY_LOST);
        return;
    }
    key->wave = (uint8_t)wave;
    queue_push(engine, key_index, node, false);
}

void sw_wave_assign_again(struct sw_wave_engine *engine, uint32_t key_index, uint32_t node)
{
    if (is_passed_over(engine, node))
        sw_wave_assign(engine, key_index);
    else
        queue_push(engine, key_index, node, true);
}

/* From now on the node is passed over; what waits for it is assigned again, and comes back where nobody else is left.
 */
static void pass_over(struct sw_wave_engine *engine, uint32_t index)
{
    struct wave_node *node = &engine->nodes[index];
    uint32_t key_index = node->queue_first;

    if (node->passed_over || !is_passed_over(engine, index))
        return;
    node->queue_first = node->queue_last = SW_WAVE_NONE;
    node->queued = 0;
    node->passed_over = true;
    relist(engine, index);
    while (key_index != SW_WAVE_NONE) {
        uint32_t next = engine->states[key_index].next;
        sw_wave_assign(engine, key_index);
        key_index = next;
    }
}

void sw_wave_node_failed(struct sw_wave_engine *engine, const struct wave_request *request)
{
    struct wave_node *node = &engine->nodes[request->node];
    struct sw_wave_node_health *health = &engine->health[request->node];

    /* Requests that went out together and fail together are one failure. */
    if (request->id >= node->trusted_since) {
        uint32_t doublings =
            health->failures < SW_WAVE_BACKOFF_DOUBLINGS ? health->failures : SW_WAVE_BACKOFF_DOUBLINGS;
        uint64_t backoff_us = engine->options.down_backoff_us;
        backoff_us = backoff_us > UINT64_MAX >> doublings ? UINT64_MAX : backoff_us << doublings;
        if (health->failures < UINT32_MAX)
            health->failures++;
        health->down_until_us = sw_wave_later(engine->now_us, backoff_us);
        node->trusted_since = sw_wave_next_request(engine);
    }
    pass_over(engine, request->node);
    sw_wave_node_refresh(engine, request->node);
}

void sw_wave_node_alive(struct sw_wave_engine *engine, const struct wave_request *request)
{
    struct sw_wave_node_health *health = &engine->health[request->node];

    if (health->failures == 0 || request->id < engine->nodes[request->node].trusted_since)
        return;
    health->failures = 0;
    health->down_until_us = 0;
    sw_wave_node_refresh(engine, request->node);
}

void sw_wave_node_strike(struct sw_wave_engine *engine, uint32_t node)
{
    engine->nodes[node].strikes++;
    pass_over(engine, node);
}

uint32_t sw_wave_shortage(const struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;
    uint32_t elsewhere = counts[WAVE_KEY_FRESH] + counts[WAVE_KEY_QUEUED] - engine->queued_passed_over +
                         counts[WAVE_KEY_ASKED] + counts[WAVE_KEY_DELIVERING] + counts[WAVE_KEY_DELIVERED];
    return elsewhere < engine->required ? engine->required - elsewhere : 0;
}

bool sw_wave_waits_for_nodes(const struct sw_wave_engine *engine)
{
    return engine->lists[passed_over_list(engine)].first != SW_WAVE_NONE;
}

/* Nodes whose time has come are asked as any other again. */
static void wake(struct sw_wave_engine *engine)
{
    if (engine->now_us < engine->wake_us)
        return;
    engine->wake_us = UINT64_MAX;
    for (uint32_t index = engine->lists[passed_over_list(engine)].first, next; index != SW_WAVE_NONE; index = next) {
        next = engine->nodes[index].list_next;
        sw_wave_node_refresh(engine, index);
        if (engine->nodes[index].passed_over && !is_struck(&engine->nodes[index]) &&
            engine->health[index].down_until_us < engine->wake_us)
            engine->wake_us = engine->health[index].down_until_us;
    }
}

/* Whether the keys in the window may be enough; those that only nodes passed over may give do not count. */
static bool window_suffices(const struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;

    return counts[WAVE_KEY_QUEUED] - engine->queued_passed_over + counts[WAVE_KEY_ASKED] + counts[WAVE_KEY_DELIVERING] +
               counts[WAVE_KEY_DELIVERED] >=
           engine->required;
}

static void fill_window(struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;

    while (counts[WAVE_KEY_FRESH] > 0 &&
           counts[WAVE_KEY_QUEUED] + counts[WAVE_KEY_ASKED] < engine->options.window_keys_max &&
           !(engine->options.in_order && window_suffices(engine))) {
        if (engine->states[engine->fresh_next].state == WAVE_KEY_FRESH)
            sw_wave_assign(engine, engine->fresh_next);
        engine->fresh_next++;
    }
}

/*
 * Nodes passed over are asked when nothing else is to be asked, or when it is certain that the others do not have
 * enough; and never with all requests, or they would hold up what is found elsewhere meanwhile.
 */
static bool may_probe(const struct sw_wave_engine *engine)
{
    if (engine->probes > 0 && engine->probes >= engine->options.requests_max / 2)
        return false;
    return engine->counts[WAVE_KEY_QUEUED] == engine->queued_passed_over || sw_wave_shortage(engine) > 0;
}

static uint32_t pick_node(struct sw_wave_engine *engine)
{
    for (uint32_t list = 0; list < passed_over_list(engine);) {
        uint32_t node = engine->lists[list].first;
        if (node == SW_WAVE_NONE) {
            list++;
        } else if (is_passed_over(engine, node)) { /* another retrieval found it down */
            pass_over(engine, node);
            list = 0;
        } else {
            return node;
        }
    }
    return may_probe(engine) ? engine->lists[passed_over_list(engine)].first : SW_WAVE_NONE;
}

void sw_wave_pump(struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;

    sw_wave_request_abort_overdue(engine);
    wake(engine);
    fill_window(engine);
    engine->wants_budget = false;
    while (engine->free_count > 0 && sw_wave_need(engine) > 0 && !engine->wants_budget) {
        uint32_t node = pick_node(engine);
        if (node == SW_WAVE_NONE)
            break;
        engine->wants_budget = !sw_wave_request_send(engine, node);
    }
    if (counts[WAVE_KEY_FRESH] + counts[WAVE_KEY_QUEUED] + counts[WAVE_KEY_ASKED] + counts[WAVE_KEY_DELIVERING] == 0)
        sw_wave_finish(engine, SW_SHORT);
}
