/*
 * The wave engine's leases: which requests hold a key, and what it may still expect of them.
 *
 * A request's lease is half as much again as its node is expected to need for the next answer. The keys that are open
 * when it is out may be asked elsewhere, within the hedge allowance, while the request runs on; when it has lapsed they
 * count as not asked. What ends a request for good is an end that its node sends, or a stall timeout without an
 * answered key.
 */
#include "client/core/wave_internal.h"
#include <assert.h>

/* ---- keys and the requests that hold them ---- */

enum wave_lease sw_wave_key_lease(const struct wave_key *key)
{
    if (key->holders[WAVE_LEASE_RUNNING] > 0)
        return WAVE_LEASE_RUNNING;
    return key->holders[WAVE_LEASE_OUT] > 0 ? WAVE_LEASE_OUT : WAVE_LEASE_LAPSED;
}

bool sw_wave_key_is_held(const struct wave_key *key)
{
    return key->holders[WAVE_LEASE_RUNNING] + key->holders[WAVE_LEASE_OUT] + key->holders[WAVE_LEASE_LAPSED] > 0;
}

void sw_wave_key_hold(struct sw_wave_engine *engine, struct wave_key *key, enum wave_lease lease)
{
    if (sw_wave_key_is_held(key))
        engine->asked[sw_wave_key_lease(key)]--;
    key->holders[lease]++;
    engine->asked[sw_wave_key_lease(key)]++;
}

static void unhold(struct sw_wave_engine *engine, struct wave_key *key, enum wave_lease lease)
{
    engine->asked[sw_wave_key_lease(key)]--;
    key->holders[lease]--;
    if (sw_wave_key_is_held(key))
        engine->asked[sw_wave_key_lease(key)]++;
}

void sw_wave_entry_close(struct sw_wave_engine *engine, struct wave_request *request, uint32_t at,
                         enum wave_entry became)
{
    assert(request->entries[at] == WAVE_ENTRY_OPEN || request->entries[at] == WAVE_ENTRY_LEFT_OUT);
    request->entries[at] = (uint8_t)became;
    request->open--;
    request->beaten += became == WAVE_ENTRY_BEATEN;
    engine->nodes[request->node].open--;
    unhold(engine, &engine->states[request->keys[at]], (enum wave_lease)request->lease);
}

void sw_wave_entry_fail(struct sw_wave_engine *engine, struct wave_request *request, uint32_t at)
{
    sw_wave_entry_close(engine, request, at, WAVE_ENTRY_ANSWERED);
    if (!sw_wave_key_is_held(&engine->states[request->keys[at]]))
        sw_wave_assign(engine, request->keys[at]);
}

/* ---- time ---- */

static uint64_t overdue_us(const struct sw_wave_engine *engine, const struct wave_request *request)
{
    return sw_wave_smaller(sw_wave_later(request->last_us, engine->options.stall_timeout_us), request->life_end_us);
}

/* When the request's lease gets to be this bad: its node, or the request itself, has been silent for too long. */
static uint64_t lease_end_us(const struct sw_wave_engine *engine, const struct wave_request *request,
                             enum wave_lease lease)
{
    const struct wave_node *node = &engine->nodes[request->node];
    uint64_t least_us = lease == WAVE_LEASE_OUT ? engine->options.lease_us_min : engine->options.lapse_us_min;
    uint64_t gap_us = node->due_gap_us, node_us = gap_us + node->due_round_trip_us;

    /* Of a node that never answered no more than twice what the others, the faster ones first, have shown meanwhile. */
    if (node->rate == 0)
        node_us = sw_wave_smaller(node_us, (sw_wave_gap_us(engine, node) + sw_wave_round_trip_us(engine, node)) * 2);
    uint64_t request_us = node_us + gap_us * node->open;

    node_us = lease == WAVE_LEASE_OUT ? node_us + node_us / 2 : node_us * 4;
    request_us = lease == WAVE_LEASE_OUT ? request_us + request_us / 2 : request_us * 4;
    uint64_t end_us = sw_wave_later(request->last_us, sw_wave_larger(least_us, request_us));
    if (node->held > 0) /* it is not silent: what it said waits on our side */
        return end_us;
    return sw_wave_smaller(end_us, sw_wave_later(node->last_us, sw_wave_larger(least_us, node_us)));
}

static uint64_t look_at_us(const struct sw_wave_engine *engine, const struct wave_request *request)
{
    uint64_t us = overdue_us(engine, request);
    if (request->open > 0 && request->lease < WAVE_LEASE_LAPSED)
        us = sw_wave_smaller(us, lease_end_us(engine, request, (enum wave_lease)(request->lease + 1)));
    return us;
}

void sw_wave_lease_note(struct sw_wave_engine *engine, const struct wave_request *request)
{
    uint64_t us = sw_wave_larger(look_at_us(engine, request), engine->now_us + 1);
    if (!request->held)
        engine->overdue_us = sw_wave_smaller(engine->overdue_us, us);
}

static void worsen(struct sw_wave_engine *engine, struct wave_request *request)
{
    enum wave_lease lease = (enum wave_lease)request->lease;

    request->lease++;
    for (uint32_t i = 0; i < request->key_count; i++) {
        struct wave_key *key = &engine->states[request->keys[i]];
        if (request->entries[i] != WAVE_ENTRY_OPEN && request->entries[i] != WAVE_ENTRY_LEFT_OUT)
            continue;
        unhold(engine, key, lease);
        sw_wave_key_hold(engine, key, (enum wave_lease)request->lease);
        if (request->lease == WAVE_LEASE_OUT)
            engine->stats.leases_out++;
        else
            engine->stats.leases_lapsed++;
    }
    sw_wave_cheer_up(engine);
}

/* The node has been silent for too long: nothing more is asked of it until it answers, or its requests are over. */
static void node_is_late(struct sw_wave_engine *engine, uint32_t index)
{
    sw_wave_rate_silence(engine, index);
    engine->nodes[index].late = true;
    sw_wave_pass_over(engine, index);
    sw_wave_node_refresh(engine, index);
}

static void look(struct sw_wave_engine *engine, struct wave_request *request)
{
    const struct wave_node *node = &engine->nodes[request->node];

    if (overdue_us(engine, request) <= engine->now_us) {
        sw_wave_request_abort(engine, request, SW_DEADLINE_EXCEEDED);
        sw_wave_request_fail(engine, request, SW_DEADLINE_EXCEEDED);
        return;
    }
    while (look_at_us(engine, request) <= engine->now_us) {
        bool node_silent = node->last_us <= request->last_us || node->late;
        worsen(engine, request);
        if (node_silent && (!node->late || request->lease == WAVE_LEASE_LAPSED))
            node_is_late(engine, request->node);
    }
    sw_wave_lease_note(engine, request);
}

/* Whether the next key of a request, behind those of the node's earlier ones, is expected to come later than that. */
static bool comes_later(const struct sw_wave_engine *engine, const struct wave_request *request, uint64_t answer_us)
{
    const struct wave_node *node = &engine->nodes[request->node];
    uint64_t keys = 1, gone_us = engine->now_us - node->last_us, gap_us = sw_wave_gap_us(engine, node);

    if (gap_us * (1 + node->open - request->open) <= answer_us) /* though it were behind all that is open there */
        return false;
    for (uint32_t slot = 0; slot < engine->slots; slot++) {
        const struct wave_request *other = &engine->requests[slot];
        if (other->id != 0 && other->id < request->id && other->node == request->node)
            keys += other->open;
    }
    uint64_t whole_us = gap_us * keys;
    return whole_us > gone_us && whole_us - gone_us > answer_us;
}

uint32_t sw_wave_leases_cut(struct sw_wave_engine *engine, uint64_t answer_us, uint32_t keys_max)
{
    uint32_t keys = 0;

    for (uint32_t slot = 0; slot < engine->slots && keys < keys_max; slot++) {
        struct wave_request *request = &engine->requests[slot];
        if (request->id == 0 || request->aborted || request->held || request->lease != WAVE_LEASE_RUNNING ||
            request->open == 0 || !comes_later(engine, request, answer_us))
            continue;
        keys += request->open;
        worsen(engine, request);
        sw_wave_lease_note(engine, request);
    }
    return keys;
}

/* This machine slept for so long: what came meanwhile waits on our side, and nobody is late for it. */
static void forgive(struct sw_wave_engine *engine, uint64_t slept_us)
{
    engine->forgave = true;
    for (uint32_t slot = 0; slot < engine->slots; slot++) {
        struct wave_request *request = &engine->requests[slot];
        if (request->id == 0)
            continue;
        request->last_us = engine->nodes[request->node].last_us = engine->now_us;
        request->life_end_us = sw_wave_later(request->life_end_us, slept_us);
    }
}

void sw_wave_leases_look(struct sw_wave_engine *engine)
{
    if (engine->now_us < engine->overdue_us)
        return;
    if (engine->now_us - engine->overdue_us > engine->options.lapse_us_min && !engine->forgave)
        forgive(engine, engine->now_us - engine->overdue_us);
    engine->overdue_us = UINT64_MAX;
    sw_wave_cheer_up(engine);
    for (uint32_t slot = 0; slot < engine->slots; slot++) {
        struct wave_request *request = &engine->requests[slot];
        if (request->id != 0 && !request->aborted && !request->held)
            look(engine, request);
    }
}

static bool has_others(const struct sw_wave_engine *engine, const struct wave_request *request)
{
    for (uint32_t i = 0; i < request->key_count; i++)
        if ((request->entries[i] == WAVE_ENTRY_OPEN || request->entries[i] == WAVE_ENTRY_LEFT_OUT) &&
            engine->states[request->keys[i]].asked == (1u << engine->candidates) - 1)
            return false;
    return true;
}

void sw_wave_leases_reclaim(struct sw_wave_engine *engine)
{
    for (uint32_t slot = 0; slot < engine->slots; slot++) {
        struct wave_request *request = &engine->requests[slot];
        if (request->id == 0 || request->aborted || request->held || request->lease != WAVE_LEASE_LAPSED ||
            engine->nodes[request->node].busy >= SW_WAVE_BUSY_MAX || !has_others(engine, request))
            continue;
        /* Its node may only be slow: it may be asked again. */
        sw_wave_request_abort(engine, request, SW_RESOURCE_EXHAUSTED);
        sw_wave_request_fail(engine, request, SW_RESOURCE_EXHAUSTED);
    }
}
