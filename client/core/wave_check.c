/* The wave engine's invariant, in full: for tests, which look at it after every step. */
#include "client/core/wave_internal.h"
#include <string.h>

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return #condition;                                                                                         \
    } while (0)

static const char *check_keys(const struct sw_wave_engine *engine)
{
    uint32_t counts[WAVE_KEY_STATES] = {0};
    uint64_t delivering_bytes = 0, requests_bytes = 0;

    for (uint32_t i = 0; i < engine->key_count; i++) {
        const struct wave_key *key = &engine->states[i];
        MUST(key->state < WAVE_KEY_STATES);
        counts[key->state]++;
        if (key->state == WAVE_KEY_DELIVERING && !(key->flags & WAVE_KEY_LOCAL))
            delivering_bytes += key->bytes;
        MUST(!(key->flags & WAVE_KEY_LEFT_OUT) || key->state == WAVE_KEY_ASKED || key->state == WAVE_KEY_LEFT);
        MUST(key->state != WAVE_KEY_LOST || key->asked == (1u << engine->candidates) - 1);
        MUST(key->state != WAVE_KEY_QUEUED || !(key->asked & 1u << key->wave));
        MUST(key->state != WAVE_KEY_ASKED || key->asked & 1u << key->wave);
        MUST(key->state != WAVE_KEY_FRESH || key->asked == 0);
        MUST(key->state != WAVE_KEY_FRESH || engine->phase != WAVE_NETWORK || i >= engine->fresh_next);
    }
    MUST(memcmp(counts, engine->counts, sizeof(counts)) == 0);
    for (uint32_t slot = 0; slot < engine->options.requests_max; slot++)
        if (engine->requests[slot].id != 0)
            requests_bytes += engine->requests[slot].reserved_bytes;
    MUST(delivering_bytes + requests_bytes == engine->reserved_bytes);
    MUST(engine->reserved_bytes <= engine->budget->reserved_bytes);
    MUST(engine->budget->reserved_bytes <= engine->budget->limit_bytes);
    return NULL;
}

static const char *check_nodes(const struct sw_wave_engine *engine)
{
    uint32_t queued = 0, queued_passed_over = 0, in_flight = 0, listed = 0, in_lists = 0;

    for (uint32_t n = 0; n < sw_route_table_count(engine->table); n++) {
        const struct wave_node *node = &engine->nodes[n];
        uint32_t length = 0, last = SW_WAVE_NONE;
        for (uint32_t i = node->queue_first; length < node->queued; i = engine->states[i].next, length++) {
            MUST(i < engine->key_count && engine->states[i].state == WAVE_KEY_QUEUED && engine->states[i].place == n);
            last = i;
        }
        MUST(last == node->queue_last);
        queued += node->queued;
        queued_passed_over += node->passed_over ? node->queued : 0;
        in_flight += node->in_flight;
        listed += node->list != SW_WAVE_NONE;
        MUST(node->in_flight <= engine->options.node_requests_max);
        MUST(node->list == SW_WAVE_NONE || node->queued > 0);
        /* Nobody is forgotten: what waits at a node is either in a list or behind a request that will end. */
        MUST(node->queued == 0 || node->in_flight > 0 || node->list != SW_WAVE_NONE);
    }
    for (uint32_t l = 0; l <= engine->options.node_requests_max; l++) {
        uint32_t previous = SW_WAVE_NONE;
        for (uint32_t n = engine->lists[l].first; n != SW_WAVE_NONE; n = engine->nodes[n].list_next) {
            bool last = l == engine->options.node_requests_max;
            MUST(engine->nodes[n].list == l && engine->nodes[n].list_previous == previous);
            MUST(engine->nodes[n].passed_over == last && engine->nodes[n].in_flight == (last ? 0 : l));
            previous = n;
            in_lists++;
        }
        MUST(engine->lists[l].last == previous);
    }
    MUST(listed == in_lists);
    MUST(queued == engine->counts[WAVE_KEY_QUEUED]);
    MUST(queued_passed_over == engine->queued_passed_over);
    MUST(in_flight == engine->stats.requests_in_flight);
    return NULL;
}

static const char *check_requests(const struct sw_wave_engine *engine)
{
    uint32_t in_flight = 0, probes = 0, asked = 0;

    for (uint32_t slot = 0; slot < engine->options.requests_max; slot++) {
        const struct wave_request *request = &engine->requests[slot];
        uint32_t left_out = 0;
        if (request->id == 0)
            continue;
        in_flight++;
        probes += request->probe;
        MUST(request->id % engine->options.requests_max == slot);
        MUST(request->key_count >= 1 && request->key_count <= engine->options.request_keys_max);
        MUST(request->reserved_bytes <= request->max_bytes);
        MUST(request->aborted || engine->phase == WAVE_NETWORK);
        for (uint32_t i = 0; i < request->key_count; i++) {
            const struct wave_key *key = &engine->states[request->keys[i]];
            if (key->state != WAVE_KEY_ASKED || key->place != slot)
                continue;
            asked++;
            left_out += (key->flags & WAVE_KEY_LEFT_OUT) != 0;
            MUST(!request->aborted);
        }
        MUST(request->aborted || left_out == request->left_out);
        MUST(request->aborted || request->held || engine->overdue_us <= request->life_end_us);
    }
    MUST(in_flight == engine->stats.requests_in_flight);
    MUST(in_flight + engine->free_count == engine->options.requests_max);
    MUST(probes == engine->probes);
    MUST(asked == engine->counts[WAVE_KEY_ASKED]);
    return NULL;
}

static const char *check_stats(const struct sw_wave_engine *engine)
{
    const struct sw_wave_stats *stats = &engine->stats;
    uint64_t outstanding = engine->counts[WAVE_KEY_ASKED] + engine->counts[WAVE_KEY_DELIVERING];
    uint64_t answered = 0, asked = 0;

    MUST(stats->delivered == engine->counts[WAVE_KEY_DELIVERED]);
    MUST(stats->delivered + outstanding <= engine->required);
    MUST(stats->keys_outstanding == outstanding);
    for (uint32_t w = 0; w < SW_ROUTE_CANDIDATES_MAX; w++) {
        const struct sw_wave_wave_stats *wave = &stats->waves[w];
        MUST(w < stats->wave_count || wave->keys_asked == 0);
        asked += wave->keys_asked;
        answered += wave->found + wave->missing + wave->failed + wave->corrupt;
    }
    MUST(engine->phase == WAVE_DONE || asked == answered + engine->counts[WAVE_KEY_ASKED]);
    return NULL;
}

static const char *check_phase(const struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;

    MUST(counts[WAVE_KEY_QUEUED] + counts[WAVE_KEY_ASKED] <= engine->options.window_keys_max);
    MUST(engine->phase == WAVE_NETWORK || engine->phase == WAVE_DONE ||
         counts[WAVE_KEY_QUEUED] + counts[WAVE_KEY_ASKED] + counts[WAVE_KEY_LOST] == 0);
    MUST(engine->phase != WAVE_DONE || counts[WAVE_KEY_ASKED] == 0);
    MUST(engine->phase == WAVE_DONE || counts[WAVE_KEY_LEFT] == 0);
    MUST(engine->phase == WAVE_DONE || counts[WAVE_KEY_DELIVERED] < engine->required);
    if (engine->phase != WAVE_NETWORK)
        return NULL;
    MUST(counts[WAVE_KEY_FRESH] + counts[WAVE_KEY_QUEUED] + counts[WAVE_KEY_ASKED] + counts[WAVE_KEY_DELIVERING] > 0);
    /* It never comes to a stand: something is under way, or it waits for the budget that another holds. */
    MUST(engine->stats.requests_in_flight > 0 || counts[WAVE_KEY_DELIVERING] > 0 ||
         (engine->wants_budget && engine->budget->reserved_bytes > engine->reserved_bytes));
    return NULL;
}

const char *sw_wave_check(const struct sw_wave_engine *engine)
{
    const char *(*const checks[])(const struct sw_wave_engine *) = {check_keys, check_nodes, check_requests,
                                                                    check_stats, check_phase};
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        const char *broken = checks[i](engine);
        if (broken)
            return broken;
    }
    return NULL;
}
