/*
 * The wave engine's plan: which key waits for which node, and which nodes are ready for more.
 *
 * A key waits in the queue of one node: of its wave's provider, unless that one is passed over. A node that has keys
 * waiting, and fewer open than keep it busy, is in a list by the time in which it would answer; so the one that would
 * answer first is found at once, and ties go round. Nodes that are passed over (they failed lately, are silent, asked
 * to be left alone, or too much is held against them) form a list of their own, and are asked only for what nobody else
 * can give.
 */
#include "client/core/wave_internal.h"
#include <assert.h>

static bool is_struck(const struct sw_wave_engine *engine, uint32_t index)
{
    const struct wave_node *node = &engine->nodes[index];
    return (node->strikes >= SW_WAVE_STRIKES_MAX && node->strikes > node->good) ||
           sw_wave_health_is_corrupt(&engine->health[index]);
}

bool sw_wave_is_passed_over(const struct sw_wave_engine *engine, uint32_t node)
{
    return engine->nodes[node].late || engine->health[node].down_until_us > engine->now_us || is_struck(engine, node);
}

/* A node that failed, or had no room, gets one request at a time until it answers one. */
static uint32_t requests_allowed(const struct sw_wave_engine *engine, uint32_t node)
{
    bool is_weak = engine->health[node].failures > 0 || engine->nodes[node].busy > 0;
    return is_weak ? 1 : engine->options.node_requests_max;
}

/* Two an octave. */
static uint32_t bucket_of(uint64_t us)
{
    uint32_t octave = us > 1 ? 63 - (uint32_t)__builtin_clzll(us) : 0;
    uint32_t bucket = octave * 2 + (octave > 0 && us >> (octave - 1) & 1);
    return bucket < SW_WAVE_BUCKETS ? bucket : SW_WAVE_BUCKETS - 1;
}

static uint32_t list_wanted(const struct sw_wave_engine *engine, uint32_t index)
{
    const struct wave_node *node = &engine->nodes[index];

    if (node->passed_over && node->in_flight > 0)
        return SW_WAVE_NONE;
    if (node->passed_over)
        return node->queued > 0 ? WAVE_LIST_PASSED_OVER : WAVE_LIST_DOWN;
    if (node->in_flight >= requests_allowed(engine, index))
        return SW_WAVE_NONE;
    if (node->open > 0 && node->open > sw_wave_open_wanted(engine, index) / 2)
        return SW_WAVE_NONE;
    /* What one says of its symbols' size may never fit: nobody is to wait for it. */
    if (node->queued > 0 && sw_wave_claims_more(engine, node))
        return SW_WAVE_BUCKETS - 1;
    if (node->queued > 0)
        return bucket_of(sw_wave_answer_us(engine, node, node->open));
    if (node->first_link == SW_WAVE_NONE)
        return SW_WAVE_NONE;
    return node->unlucky ? WAVE_LIST_UNLUCKY : WAVE_LIST_IDLE;
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
    if (list->first == SW_WAVE_NONE && node->list < SW_WAVE_BUCKETS)
        engine->buckets &= ~(UINT64_C(1) << node->list);
    engine->moves++;
    node->list = SW_WAVE_NONE;
}

static void list_append(struct sw_wave_engine *engine, uint32_t index, uint32_t list_index)
{
    struct wave_node *node = &engine->nodes[index];
    struct wave_list *list = &engine->lists[list_index];

    engine->moves++;
    node->list = list_index;
    node->list_previous = list->last;
    node->list_next = SW_WAVE_NONE;
    if (list->last != SW_WAVE_NONE)
        engine->nodes[list->last].list_next = index;
    else
        list->first = index;
    list->last = index;
    if (list_index < SW_WAVE_BUCKETS)
        engine->buckets |= UINT64_C(1) << list_index;
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
    if ((wanted == WAVE_LIST_PASSED_OVER || wanted == WAVE_LIST_DOWN) && !is_struck(engine, index))
        engine->wake_us = sw_wave_smaller(engine->wake_us, engine->health[index].down_until_us);
}

void sw_wave_node_refresh(struct sw_wave_engine *engine, uint32_t index)
{
    struct wave_node *node = &engine->nodes[index];

    sw_wave_rate_work(engine, index);
    if (node->passed_over && !sw_wave_is_passed_over(engine, index)) {
        node->passed_over = false;
        engine->queued_passed_over -= node->queued;
    }
    relist(engine, index);
}

void sw_wave_node_asked(struct sw_wave_engine *engine, uint32_t index)
{
    if (engine->nodes[index].list != SW_WAVE_NONE)
        list_remove(engine, &engine->nodes[index]);
    sw_wave_node_refresh(engine, index);
}

void sw_wave_cheer_up(struct sw_wave_engine *engine)
{
    uint32_t index;

    while ((index = engine->lists[WAVE_LIST_UNLUCKY].first) != SW_WAVE_NONE) {
        engine->nodes[index].unlucky = false;
        relist(engine, index);
    }
}

void sw_wave_node_unlucky(struct sw_wave_engine *engine, uint32_t node)
{
    engine->nodes[node].unlucky = true;
    relist(engine, node);
}

static void queue_push(struct sw_wave_engine *engine, uint32_t key_index, uint32_t node_index, bool front)
{
    struct wave_node *node = &engine->nodes[node_index];
    struct wave_key *key = &engine->states[key_index];

    sw_wave_key_move(engine, key_index, WAVE_KEY_QUEUED);
    engine->moves++;
    key->node = node_index;
    key->next = front ? node->queue_first : SW_WAVE_NONE;
    key->previous = front ? SW_WAVE_NONE : node->queue_last;
    if (key->previous != SW_WAVE_NONE)
        engine->states[key->previous].next = key_index;
    else
        node->queue_first = key_index;
    if (key->next != SW_WAVE_NONE)
        engine->states[key->next].previous = key_index;
    else
        node->queue_last = key_index;
    node->queued++;
    sw_wave_window_waits(engine, key_index);
    if (node->passed_over)
        engine->queued_passed_over++;
    sw_wave_node_refresh(engine, node_index);
}

void sw_wave_queue_remove(struct sw_wave_engine *engine, uint32_t key_index)
{
    const struct wave_key *key = &engine->states[key_index];
    struct wave_node *node = &engine->nodes[key->node];

    assert(key->state == WAVE_KEY_QUEUED && node->queued > 0);
    if (key->previous != SW_WAVE_NONE)
        engine->states[key->previous].next = key->next;
    else
        node->queue_first = key->next;
    if (key->next != SW_WAVE_NONE)
        engine->states[key->next].previous = key->previous;
    else
        node->queue_last = key->previous;
    node->queued--;
    sw_wave_window_waits_no_more(engine, key_index);
    if (node->passed_over)
        engine->queued_passed_over--;
}

void sw_wave_queue_move(struct sw_wave_engine *engine, uint32_t key_index, uint32_t node, uint32_t wave)
{
    uint32_t from = engine->states[key_index].node;

    sw_wave_queue_remove(engine, key_index);
    sw_wave_node_refresh(engine, from);
    engine->states[key_index].wave = (uint8_t)wave;
    queue_push(engine, key_index, node, false);
}

void sw_wave_assign(struct sw_wave_engine *engine, uint32_t key_index)
{
    struct wave_key *key = &engine->states[key_index];
    uint32_t node = SW_WAVE_NONE, wave = 0;

    if (key->state == WAVE_KEY_FRESH && !sw_wave_window_enter(engine, key_index)) {
        sw_wave_key_move(engine, key_index, WAVE_KEY_LOST);
        return;
    }
    const uint32_t *nodes = sw_wave_window_nodes(engine, key_index);
    for (uint32_t w = 0; w < engine->candidates; w++) {
        if (key->asked & 1u << w)
            continue;
        bool passed_over = sw_wave_is_passed_over(engine, nodes[w]);
        if (node == SW_WAVE_NONE || !passed_over) {
            node = nodes[w];
            wave = w;
        }
        if (!passed_over)
            break;
    }
    if (node == SW_WAVE_NONE) {
        sw_wave_window_leave(engine, key_index);
        sw_wave_key_move(engine, key_index, WAVE_KEY_LOST);
        return;
    }
    key->wave = (uint8_t)wave;
    queue_push(engine, key_index, node, false);
    /* Idle nodes that could give it are to know. */
    for (uint32_t w = 0; w < engine->candidates; w++) {
        struct wave_node *candidate = &engine->nodes[nodes[w]];
        if (!candidate->unlucky && candidate->list != SW_WAVE_NONE)
            continue;
        candidate->unlucky = false;
        relist(engine, nodes[w]);
    }
}

void sw_wave_assign_again(struct sw_wave_engine *engine, uint32_t key_index, uint32_t node, uint32_t wave)
{
    if (sw_wave_is_passed_over(engine, node)) {
        sw_wave_assign(engine, key_index);
        return;
    }
    engine->states[key_index].wave = (uint8_t)wave;
    queue_push(engine, key_index, node, true);
}

/* What waits for the node is assigned again, and comes back where nobody else is left. */
void sw_wave_pass_over(struct sw_wave_engine *engine, uint32_t index)
{
    struct wave_node *node = &engine->nodes[index];
    uint32_t key_index = node->queue_first;

    if (node->passed_over || !sw_wave_is_passed_over(engine, index))
        return;
    node->queue_first = node->queue_last = SW_WAVE_NONE;
    node->queued = 0;
    node->passed_over = true;
    sw_wave_node_refresh(engine, index);
    while (key_index != SW_WAVE_NONE) {
        uint32_t next = engine->states[key_index].next;
        sw_wave_window_waits_no_more(engine, key_index);
        sw_wave_assign(engine, key_index);
        key_index = next;
    }
    sw_wave_cheer_up(engine);
}

static uint64_t backoff_us(const struct sw_wave_engine *engine, uint32_t doublings)
{
    uint64_t us = engine->options.down_backoff_us;
    return us > UINT64_MAX >> doublings ? UINT64_MAX : us << doublings;
}

void sw_wave_node_failed(struct sw_wave_engine *engine, const struct wave_request *request)
{
    struct wave_node *node = &engine->nodes[request->node];
    struct sw_wave_node_health *health = &engine->health[request->node];

    /* Requests that went out together and fail together are one failure. */
    if (request->id >= node->trusted_since) {
        uint32_t doublings =
            health->failures < SW_WAVE_BACKOFF_DOUBLINGS ? health->failures : SW_WAVE_BACKOFF_DOUBLINGS;
        uint64_t until_us = sw_wave_later(engine->now_us, backoff_us(engine, doublings));
        if (health->failures < UINT32_MAX)
            health->failures++;
        health->down_until_us = sw_wave_larger(until_us, health->pushed_back_until_us);
        node->trusted_since = sw_wave_next_request(engine);
    }
    sw_wave_pass_over(engine, request->node);
    sw_wave_node_refresh(engine, request->node);
}

void sw_wave_node_pushed_back(struct sw_wave_engine *engine, uint32_t node, uint64_t pushback_us)
{
    uint64_t until_us = sw_wave_later(engine->now_us, pushback_us);
    uint64_t longest_us = sw_wave_later(engine->now_us, backoff_us(engine, SW_WAVE_BACKOFF_DOUBLINGS));
    struct sw_wave_node_health *health = &engine->health[node];

    health->down_until_us = sw_wave_larger(health->down_until_us, sw_wave_smaller(until_us, longest_us));
    health->pushed_back_until_us = health->down_until_us;
    sw_wave_pass_over(engine, node);
    sw_wave_node_refresh(engine, node);
}

void sw_wave_node_alive(struct sw_wave_engine *engine, const struct wave_request *request)
{
    struct sw_wave_node_health *health = &engine->health[request->node];
    struct wave_node *node = &engine->nodes[request->node];

    if (health->failures > 0 && request->id >= node->trusted_since) {
        health->failures = 0;
        health->down_until_us = health->pushed_back_until_us = 0;
    }
    node->late = false;
    sw_wave_rate_expect(engine, request->node);
    sw_wave_node_refresh(engine, request->node);
}

void sw_wave_node_strike(struct sw_wave_engine *engine, uint32_t node, uint32_t times)
{
    engine->nodes[node].strikes += times;
    sw_wave_health_judge(engine, node, 0, times);
    sw_wave_pass_over(engine, node);
}

uint32_t sw_wave_ready_first(const struct sw_wave_engine *engine)
{
    return engine->buckets ? engine->lists[__builtin_ctzll(engine->buckets)].first : SW_WAVE_NONE;
}

uint32_t sw_wave_probe_pick(const struct sw_wave_engine *engine)
{
    uint32_t node = engine->lists[WAVE_LIST_PASSED_OVER].first;

    while (node != SW_WAVE_NONE && !is_struck(engine, node) &&
           engine->health[node].pushed_back_until_us > engine->now_us)
        node = engine->nodes[node].list_next;
    return node;
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
    return engine->lists[WAVE_LIST_PASSED_OVER].first != SW_WAVE_NONE ||
           engine->lists[WAVE_LIST_DOWN].first != SW_WAVE_NONE;
}

static void wake_list(struct sw_wave_engine *engine, enum wave_lists list)
{
    for (uint32_t index = engine->lists[list].first, next; index != SW_WAVE_NONE; index = next) {
        next = engine->nodes[index].list_next;
        sw_wave_node_refresh(engine, index);
        if (engine->nodes[index].passed_over && !is_struck(engine, index))
            engine->wake_us = sw_wave_smaller(engine->wake_us, engine->health[index].down_until_us);
    }
}

void sw_wave_wake(struct sw_wave_engine *engine)
{
    if (engine->now_us < engine->wake_us)
        return;
    engine->wake_us = UINT64_MAX;
    wake_list(engine, WAVE_LIST_PASSED_OVER);
    wake_list(engine, WAVE_LIST_DOWN);
    sw_wave_cheer_up(engine);
}
