/* The wave engine: how it is made, its step, which event goes where, and its end. */
#include "client/core/wave_internal.h"
#include "common/memory.h"
#include <assert.h>
#include <string.h>

#define BIT(state) (1u << (state))
/* Enough to tell a node's rate by, and to hide a round trip a few times as long as a symbol takes. */
#define FIRST_KEYS_MAX 4

/* The moves that a key may make. */
static const uint8_t moves[WAVE_KEY_STATES] = {
    [WAVE_KEY_FRESH] = BIT(WAVE_KEY_QUEUED) | BIT(WAVE_KEY_DELIVERING) | BIT(WAVE_KEY_LOST),
    [WAVE_KEY_QUEUED] = BIT(WAVE_KEY_QUEUED) | BIT(WAVE_KEY_ASKED),
    [WAVE_KEY_ASKED] = BIT(WAVE_KEY_QUEUED) | BIT(WAVE_KEY_DELIVERING) | BIT(WAVE_KEY_LOST) | BIT(WAVE_KEY_LEFT),
    [WAVE_KEY_DELIVERING] = BIT(WAVE_KEY_DELIVERED) | BIT(WAVE_KEY_LEFT),
};

void sw_wave_key_move(struct sw_wave_engine *engine, uint32_t key_index, enum wave_key_state state)
{
    struct wave_key *key = &engine->states[key_index];
    assert(moves[key->state] & BIT(state));
    engine->counts[key->state]--;
    engine->counts[state]++;
    key->state = (uint8_t)state;
}

uint32_t sw_wave_need(const struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;
    uint64_t expected = (uint64_t)counts[WAVE_KEY_DELIVERED] + counts[WAVE_KEY_DELIVERING] +
                        engine->asked[WAVE_LEASE_RUNNING] + engine->asked[WAVE_LEASE_OUT];
    return expected < engine->required ? (uint32_t)(engine->required - expected) : 0;
}

struct sw_wave_action *sw_wave_act(struct sw_wave_engine *engine, enum sw_wave_action_type type)
{
    assert(engine->action_count < engine->actions_max);
    struct sw_wave_action *action = &engine->actions[engine->action_count++];
    *action = (struct sw_wave_action){.type = type};
    return action;
}

static void count_waste(struct sw_wave_engine *engine, uint64_t bytes, enum sw_wave_drop reason)
{
    engine->stats.bytes_wasted += bytes;
    engine->stats.wasted_bytes[reason] += bytes;
    engine->stats.symbols_wasted++;
}

void sw_wave_drop(struct sw_wave_engine *engine, const struct sw_wave_event *event, enum sw_wave_drop reason)
{
    struct sw_wave_action *action = sw_wave_act(engine, SW_WAVE_DROP);
    action->request = event->request;
    action->key_index = event->key_index;
    action->reason = reason;
    if (event->request != SW_WAVE_LOCAL)
        count_waste(engine, event->bytes, reason);
}

void sw_wave_finish(struct sw_wave_engine *engine, enum sw_status status)
{
    sw_wave_request_abort_all(engine);
    engine->phase = WAVE_DONE;
    engine->wants_budget = false;
    sw_wave_act(engine, SW_WAVE_DONE)->status = status;
}

/* What of a delivery the budget holds. */
static void release_delivery(struct sw_wave_engine *engine, const struct wave_key *key)
{
    if (key->flags & WAVE_KEY_LOCAL)
        return;
    sw_budget_release(engine->budget, key->bytes);
    engine->reserved_bytes -= key->bytes;
}

static void on_start(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    (void)event;
    if (engine->phase != WAVE_IDLE)
        return;
    sw_wave_rate_start(engine);
    sw_wave_local_start(engine);
}

static void on_symbol(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    if (event->request == SW_WAVE_LOCAL)
        sw_wave_local_symbol(engine, event);
    else
        sw_wave_request_symbol(engine, event);
}

static void on_local_done(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    (void)event;
    if (engine->phase == WAVE_LOCAL)
        sw_wave_local_done(engine);
}

static void on_taken(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    assert(event->key_index < engine->key_count);
    struct wave_key *key = &engine->states[event->key_index];

    sw_wave_key_move(engine, event->key_index, WAVE_KEY_DELIVERED);
    release_delivery(engine, key);
    engine->stats.delivered++;
    engine->stats.bytes_delivered += key->bytes;
    if (key->flags & WAVE_KEY_LOCAL)
        engine->stats.found_local++;
    if (engine->phase == WAVE_DONE)
        return;
    if (engine->counts[WAVE_KEY_DELIVERED] >= engine->required)
        sw_wave_finish(engine, SW_OK);
    else if (engine->phase == WAVE_LOCAL)
        sw_wave_local_through(engine);
}

static void on_sink_failed(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    assert(event->key_index < engine->key_count && event->status != SW_OK);
    const struct wave_key *key = &engine->states[event->key_index];

    sw_wave_key_move(engine, event->key_index, WAVE_KEY_LEFT);
    release_delivery(engine, key);
    if (!(key->flags & WAVE_KEY_LOCAL))
        count_waste(engine, key->bytes, SW_WAVE_DROP_LATE);
    if (engine->phase != WAVE_DONE)
        sw_wave_finish(engine, event->status);
}

static void on_tick(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    (void)engine;
    (void)event;
}

static void on_cancel(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    assert(event->status != SW_OK);
    if (engine->phase != WAVE_DONE)
        sw_wave_finish(engine, event->status);
}

static void on_close(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    (void)event;
    engine->closing = true;
}

static void (*const handlers[])(struct sw_wave_engine *, const struct sw_wave_event *) = {
    [SW_WAVE_START] = on_start,
    [SW_WAVE_SYMBOL] = on_symbol,
    [SW_WAVE_LOCAL_DONE] = on_local_done,
    [SW_WAVE_TAKEN] = on_taken,
    [SW_WAVE_SINK_FAILED] = on_sink_failed,
    [SW_WAVE_MISSING] = sw_wave_request_answer,
    [SW_WAVE_CORRUPT] = sw_wave_request_answer,
    [SW_WAVE_LEFT_OUT] = sw_wave_request_answer,
    [SW_WAVE_ACTIVITY] = sw_wave_request_activity,
    [SW_WAVE_ENDED] = sw_wave_request_ended,
    [SW_WAVE_TICK] = on_tick,
    [SW_WAVE_CANCEL] = on_cancel,
    [SW_WAVE_CLOSE] = on_close,
};

struct sw_wave_actions sw_wave_step(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    assert((size_t)event->type < sizeof(handlers) / sizeof(handlers[0]));
    engine->action_count = 0;
    if (event->now_us > engine->now_us)
        engine->now_us = event->now_us;
    handlers[event->type](engine, event);
    /* Only when the driver has had the time to tell what waits on its side. */
    if (event->type == SW_WAVE_TICK && engine->phase == WAVE_NETWORK)
        sw_wave_leases_look(engine);
    if (engine->phase == WAVE_NETWORK)
        sw_wave_pump(engine);
    engine->stats.keys_late = engine->asked[WAVE_LEASE_OUT] + engine->asked[WAVE_LEASE_LAPSED];
    engine->stats.keys_outstanding = engine->asked[WAVE_LEASE_RUNNING] + engine->counts[WAVE_KEY_DELIVERING];
    return (struct sw_wave_actions){engine->actions, engine->action_count};
}

void sw_wave_require_more(struct sw_wave_engine *engine, uint32_t more)
{
    assert(engine->phase != WAVE_DONE);
    engine->required = more < SW_WAVE_NONE - engine->required ? engine->required + more : SW_WAVE_NONE;
    engine->stats.required = engine->required;
}

uint64_t sw_wave_deadline(const struct sw_wave_engine *engine)
{
    if (engine->phase != WAVE_NETWORK)
        return UINT64_MAX;
    uint64_t wake_us = !engine->closing && sw_wave_waits_for_nodes(engine) ? engine->wake_us : UINT64_MAX;
    return engine->overdue_us < wake_us ? engine->overdue_us : wake_us;
}

bool sw_wave_wants_budget(const struct sw_wave_engine *engine)
{
    return engine->wants_budget;
}

uint32_t sw_wave_tail_count(const struct sw_wave_engine *engine)
{
    return (uint32_t)sw_wave_smaller(engine->tail_seen, engine->tail_size);
}

struct sw_wave_tail_symbol sw_wave_tail_at(const struct sw_wave_engine *engine, uint32_t index)
{
    uint64_t first = engine->tail_seen - sw_wave_tail_count(engine);
    return engine->tail[(first + index) % engine->tail_size];
}

sw_wave_request sw_wave_last_request(const struct sw_wave_engine *engine)
{
    return engine->request_seq > 0 ? sw_wave_next_request(engine) : 0;
}

bool sw_wave_is_done(const struct sw_wave_engine *engine)
{
    return engine->phase == WAVE_DONE;
}

const struct sw_wave_stats *sw_wave_stats(const struct sw_wave_engine *engine)
{
    return &engine->stats;
}

bool sw_wave_key_is_delivered(const struct sw_wave_engine *engine, uint32_t key_index)
{
    return engine->states[key_index].state == WAVE_KEY_DELIVERED;
}

bool sw_wave_key_is_lost(const struct sw_wave_engine *engine, uint32_t key_index)
{
    return engine->states[key_index].state == WAVE_KEY_LOST;
}

uint32_t sw_wave_first_keys(uint32_t required, uint32_t node_count)
{
    uint32_t share = node_count > 0 ? required / node_count / 2 : required;
    return share < 1 ? 1 : share < FIRST_KEYS_MAX ? share : FIRST_KEYS_MAX;
}

static bool allocate_requests(struct sw_wave_engine *engine)
{
    uint32_t slots = engine->slots, keys_max = engine->options.request_keys_max;

    engine->requests = sw_calloc(slots, sizeof(*engine->requests));
    engine->free_slots = sw_calloc(slots, sizeof(*engine->free_slots));
    engine->picked = sw_calloc(keys_max, sizeof(*engine->picked));
    engine->picked_waves = sw_calloc(keys_max, sizeof(*engine->picked_waves));
    if (!engine->requests || !engine->free_slots || !engine->picked || !engine->picked_waves)
        return false;
    /* The first request has the room of all of them: memory that is never used is then never touched. */
    struct wave_request *first = &engine->requests[0];
    first->keys = sw_calloc((size_t)slots * keys_max, sizeof(*first->keys));
    first->prefixes = sw_calloc((size_t)slots * keys_max, sizeof(*first->prefixes));
    first->waves = sw_calloc((size_t)slots * keys_max, sizeof(*first->waves));
    first->entries = sw_calloc((size_t)slots * keys_max, sizeof(*first->entries));
    if (!first->keys || !first->prefixes || !first->waves || !first->entries)
        return false;
    for (uint32_t i = 0; i < slots; i++) {
        struct wave_request *request = &engine->requests[i];
        request->keys = first->keys + (size_t)i * keys_max;
        request->prefixes = first->prefixes + (size_t)i * keys_max;
        request->waves = first->waves + (size_t)i * keys_max;
        request->entries = first->entries + (size_t)i * keys_max;
        engine->free_slots[engine->free_count++] = slots - 1 - i;
    }
    return true;
}

static bool allocate(struct sw_wave_engine *engine)
{
    uint32_t nodes = sw_route_table_count(engine->table);

    /* One more node, so that a table without any is like all others. */
    engine->nodes = sw_calloc((size_t)nodes + 1, sizeof(*engine->nodes));
    engine->node_stats = sw_calloc((size_t)nodes + 1, sizeof(*engine->node_stats));
    engine->states = sw_calloc(engine->key_count, sizeof(*engine->states));
    engine->tail_size = engine->required / 20 + 1;
    engine->tail = sw_calloc(engine->tail_size, sizeof(*engine->tail));
    /* A step sends or aborts each request at most once, judges one symbol, and ends. */
    engine->actions_max = engine->slots * 2 + 2;
    engine->actions = sw_calloc(engine->actions_max, sizeof(*engine->actions));
    if (!engine->health)
        engine->health = engine->own_health = sw_calloc((size_t)nodes + 1, sizeof(*engine->health));
    if (!engine->nodes || !engine->node_stats || !engine->states || !engine->tail || !engine->actions ||
        !engine->health)
        return false;
    for (uint32_t i = 0; i < nodes; i++) {
        struct wave_node *node = &engine->nodes[i];
        node->queue_first = node->queue_last = node->list = SW_WAVE_NONE;
        node->first_link = node->last_link = node->near_last = SW_WAVE_NONE;
    }
    for (uint32_t i = 0; i < WAVE_LISTS; i++)
        engine->lists[i] = (struct wave_list){SW_WAVE_NONE, SW_WAVE_NONE};
    return allocate_requests(engine) && sw_wave_window_init(engine);
}

struct sw_wave_engine *sw_wave_engine_new(const struct sw_wave_options *options, const struct sw_key *keys,
                                          uint32_t key_count, uint32_t required, const char *task,
                                          const struct sw_route_table *table, struct sw_wave_node_health *health,
                                          struct sw_budget *budget)
{
    assert(options->candidates >= 1 && options->candidates <= SW_ROUTE_CANDIDATES_MAX);
    assert(options->request_keys_max >= 1 && options->requests_max >= 1 && options->node_requests_max >= 1);
    assert(options->window_keys_max >= 1 && options->value_bytes_max >= 1 && budget->limit_bytes >= 1);
    assert(options->value_bytes_max <= UINT32_MAX);
    assert(required >= 1 && required <= key_count && key_count < SW_WAVE_NONE);

    struct sw_wave_engine *engine = sw_calloc(1, sizeof(*engine));
    if (!engine)
        return NULL;
    engine->options = *options;
    /* What can never be used need not be held ready. (More requests than keys can: those given up and not yet over.) */
    if (engine->options.request_keys_max > key_count)
        engine->options.request_keys_max = key_count;
    if (engine->options.node_requests_max > engine->options.requests_max)
        engine->options.node_requests_max = engine->options.requests_max;
    if (engine->options.lapse_us_min < engine->options.lease_us_min)
        engine->options.lapse_us_min = engine->options.lease_us_min;
    engine->slots = engine->options.requests_max + engine->options.hedge_requests_max;
    engine->keys = keys;
    engine->key_count = engine->counts[WAVE_KEY_FRESH] = key_count;
    engine->required = required;
    engine->task = task;
    engine->table = table;
    engine->candidates = options->candidates;
    if (engine->candidates > sw_route_table_count(table))
        engine->candidates = sw_route_table_count(table);
    engine->health = health;
    engine->budget = budget;
    engine->wake_us = engine->overdue_us = UINT64_MAX;
    engine->stats.required = required;
    if (!allocate(engine)) {
        sw_wave_engine_free(engine);
        return NULL;
    }
    engine->stats.nodes = engine->node_stats;
    return engine;
}

void sw_wave_engine_free(struct sw_wave_engine *engine)
{
    if (!engine)
        return;
    sw_budget_release(engine->budget, engine->reserved_bytes);
    if (engine->requests) {
        sw_free(engine->requests[0].keys);
        sw_free(engine->requests[0].prefixes);
        sw_free(engine->requests[0].waves);
        sw_free(engine->requests[0].entries);
    }
    sw_free(engine->requests);
    sw_free(engine->free_slots);
    sw_free(engine->nodes);
    sw_free(engine->node_stats);
    sw_wave_window_clear(engine);
    sw_free(engine->picked);
    sw_free(engine->picked_waves);
    sw_free(engine->tail);
    sw_free(engine->states);
    sw_free(engine->actions);
    sw_free(engine->own_health);
    sw_free(engine);
}
