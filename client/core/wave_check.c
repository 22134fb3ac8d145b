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
    uint32_t asked[WAVE_LEASES] = {0};
    uint64_t delivering_bytes = 0, requests_bytes = 0;

    for (uint32_t i = 0; i < engine->key_count; i++) {
        const struct wave_key *key = &engine->states[i];
        MUST(key->state < WAVE_KEY_STATES);
        counts[key->state]++;
        if (key->state == WAVE_KEY_DELIVERING && !(key->flags & WAVE_KEY_LOCAL))
            delivering_bytes += key->bytes;
        uint32_t holders = 0, best = WAVE_LEASES;
        for (uint32_t lease = WAVE_LEASES; lease-- > 0;) {
            holders += key->holders[lease];
            if (key->holders[lease] > 0)
                best = lease;
        }
        MUST((holders > 0) == (key->state == WAVE_KEY_ASKED));
        if (best < WAVE_LEASES)
            asked[best]++;
        if (key->state == WAVE_KEY_QUEUED || key->state == WAVE_KEY_ASKED)
            MUST(key->slot < engine->window.size && engine->window.slots[key->slot].key == i &&
                 (engine->window.slots[key->slot].linked ^ key->asked) == (1u << engine->candidates) - 1);
        if (key->state == WAVE_KEY_QUEUED || key->state == WAVE_KEY_ASKED)
            MUST(engine->window.slots[key->slot].owner == (key->state == WAVE_KEY_QUEUED ? key->node : SW_WAVE_NONE));
        MUST(key->state != WAVE_KEY_LOST || key->asked == (1u << engine->candidates) - 1);
        MUST(key->state != WAVE_KEY_QUEUED || !(key->asked & 1u << key->wave));
        MUST(key->state != WAVE_KEY_FRESH || key->asked == 0);
        MUST(key->state != WAVE_KEY_FRESH || engine->phase != WAVE_NETWORK || i >= engine->fresh_next);
    }
    MUST(memcmp(counts, engine->counts, sizeof(counts)) == 0);
    MUST(memcmp(asked, engine->asked, sizeof(asked)) == 0);
    for (uint32_t slot = 0; slot < engine->slots; slot++)
        if (engine->requests[slot].id != 0)
            requests_bytes += engine->requests[slot].reserved_bytes;
    MUST(delivering_bytes + requests_bytes == engine->reserved_bytes);
    MUST(engine->reserved_bytes <= engine->budget->reserved_bytes);
    MUST(engine->budget->reserved_bytes <= engine->budget->limit_bytes);
    return NULL;
}

static const char *check_queue(const struct sw_wave_engine *engine, uint32_t n)
{
    const struct wave_node *node = &engine->nodes[n];
    uint32_t length = 0, last = SW_WAVE_NONE;

    for (uint32_t i = node->queue_first; length < node->queued; i = engine->states[i].next, length++) {
        MUST(i < engine->key_count && engine->states[i].state == WAVE_KEY_QUEUED && engine->states[i].node == n);
        MUST(engine->states[i].previous == last);
        last = i;
    }
    MUST(last == node->queue_last);
    return NULL;
}

/* The keys that the node is a candidate for and was not asked for: how many. */
static const char *check_links(const struct sw_wave_engine *engine, uint32_t n, uint32_t *count)
{
    const struct wave_window *window = &engine->window;
    uint32_t previous = SW_WAVE_NONE, near_last = SW_WAVE_NONE, length = 0;

    for (uint32_t at = engine->nodes[n].first_link; at != SW_WAVE_NONE; at = window->links[at].next) {
        MUST(window->nodes[at] == n && window->links[at].previous == previous);
        MUST(window->slots[at / engine->candidates].linked & 1u << at % engine->candidates);
        bool is_near = window->slots[at / engine->candidates].near & 1u << at % engine->candidates;
        MUST(is_near == (length < SW_WAVE_STEAL_LOOKS));
        near_last = is_near ? at : near_last;
        previous = at;
        length++;
    }
    MUST(engine->nodes[n].last_link == previous && engine->nodes[n].near_last == near_last);
    MUST(engine->nodes[n].near_count == sw_wave_smaller(length, SW_WAVE_STEAL_LOOKS));
    *count += length;
    return NULL;
}

/* The keys that wait for a node, by the nodes that they may be taken from it for. */
static const char *check_waiting(const struct sw_wave_engine *engine, uint32_t n)
{
    uint32_t waiting[SW_WAVE_COUNTED_NODES_MAX] = {0}, nodes = sw_route_table_count(engine->table), left;

    MUST((engine->window.waiting != NULL) == (nodes <= SW_WAVE_COUNTED_NODES_MAX));
    if (!engine->window.waiting)
        return NULL;
    for (uint32_t i = engine->nodes[n].queue_first; i != SW_WAVE_NONE; i = engine->states[i].next)
        for (left = engine->window.slots[engine->states[i].slot].near; left > 0; left &= left - 1)
            waiting[sw_wave_window_nodes(engine, i)[__builtin_ctz(left)]]++;
    for (uint32_t other = 0; other < nodes; other++)
        MUST(engine->window.waiting[other * SW_WAVE_COUNTED_NODES_MAX + n] == waiting[other] &&
             (engine->window.owners_of[other * SW_WAVE_SET_WORDS + n / 64] >> n % 64 & 1) == (waiting[other] > 0));
    return NULL;
}

static const char *check_lists(const struct sw_wave_engine *engine, uint32_t listed)
{
    uint32_t in_lists = 0;

    for (uint32_t l = 0; l < WAVE_LISTS; l++) {
        uint32_t previous = SW_WAVE_NONE;
        for (uint32_t n = engine->lists[l].first; n != SW_WAVE_NONE; n = engine->nodes[n].list_next) {
            const struct wave_node *node = &engine->nodes[n];
            MUST(node->list == l && node->list_previous == previous);
            MUST(node->passed_over == (l == WAVE_LIST_PASSED_OVER || l == WAVE_LIST_DOWN));
            MUST((node->queued > 0) == (l < SW_WAVE_BUCKETS || l == WAVE_LIST_PASSED_OVER));
            previous = n;
            in_lists++;
        }
        MUST(engine->lists[l].last == previous);
        MUST(l >= SW_WAVE_BUCKETS || (engine->buckets >> l & 1) == (previous != SW_WAVE_NONE));
    }
    MUST(listed == in_lists);
    return NULL;
}

static const char *check_nodes(const struct sw_wave_engine *engine)
{
    uint32_t queued = 0, queued_passed_over = 0, in_flight = 0, listed = 0, links = 0, linked = 0;
    uint64_t busy_rate = 0;

    for (uint32_t n = 0; n < sw_route_table_count(engine->table); n++) {
        const struct wave_node *node = &engine->nodes[n];
        const char *broken = check_queue(engine, n);
        if (!broken)
            broken = check_links(engine, n, &links);
        if (!broken)
            broken = check_waiting(engine, n);
        if (broken)
            return broken;
        queued += node->queued;
        queued_passed_over += node->passed_over ? node->queued : 0;
        in_flight += node->in_flight;
        busy_rate += node->busy_rate;
        listed += node->list != SW_WAVE_NONE;
        MUST(node->in_flight <= engine->options.node_requests_max);
        MUST(!node->late || node->in_flight > 0);
        /* Nobody is forgotten: what waits at a node is either in a list or behind a request that will end. */
        MUST(node->queued == 0 || node->in_flight > 0 || node->list != SW_WAVE_NONE);
    }
    for (uint32_t i = 0; i < engine->key_count; i++)
        if (engine->states[i].state == WAVE_KEY_QUEUED || engine->states[i].state == WAVE_KEY_ASKED)
            for (uint32_t w = 0; w < engine->candidates; w++)
                linked += !(engine->states[i].asked & 1u << w);
    MUST(engine->phase == WAVE_DONE || links == linked);
    MUST(busy_rate == engine->busy_rate);
    MUST(queued == engine->counts[WAVE_KEY_QUEUED]);
    MUST(queued_passed_over == engine->queued_passed_over);
    MUST(in_flight == engine->stats.requests_in_flight);
    return check_lists(engine, listed);
}

static const char *check_entries(const struct sw_wave_engine *engine, const struct wave_request *request,
                                 uint32_t *held)
{
    uint32_t open = 0, left_out = 0, beaten = 0;

    for (uint32_t i = 0; i < request->key_count; i++) {
        const struct wave_key *key = &engine->states[request->keys[i]];
        left_out += request->entries[i] == WAVE_ENTRY_LEFT_OUT;
        beaten += request->entries[i] == WAVE_ENTRY_BEATEN;
        if (request->entries[i] != WAVE_ENTRY_OPEN && request->entries[i] != WAVE_ENTRY_LEFT_OUT)
            continue;
        open++;
        MUST(key->state == WAVE_KEY_ASKED && key->holders[request->lease] > 0);
        MUST(key->asked & 1u << request->waves[i]);
    }
    *held += open;
    MUST(open == request->open);
    MUST(beaten == request->beaten);
    MUST(request->aborted ? open == 0 : left_out == request->left_out);
    return NULL;
}

static const char *check_requests(const struct sw_wave_engine *engine)
{
    uint32_t in_flight = 0, nodes_in_flight = 0, probes = 0, held = 0, holders = 0, open = 0;

    for (uint32_t slot = 0; slot < engine->slots; slot++) {
        const struct wave_request *request = &engine->requests[slot];
        if (request->id == 0)
            continue;
        in_flight++;
        probes += request->probe;
        MUST(request->id % engine->slots == slot);
        MUST(request->key_count >= 1 && request->key_count <= engine->options.request_keys_max);
        MUST(request->reserved_bytes <= request->max_bytes);
        MUST(request->aborted || engine->phase == WAVE_NETWORK);
        MUST(request->aborted || request->held || engine->overdue_us <= request->life_end_us);
        const char *broken = check_entries(engine, request, &held);
        if (broken)
            return broken;
    }
    for (uint32_t i = 0; i < engine->key_count; i++)
        for (uint32_t lease = 0; lease < WAVE_LEASES; lease++)
            holders += engine->states[i].holders[lease];
    for (uint32_t n = 0; n < sw_route_table_count(engine->table); n++) {
        open += engine->nodes[n].open;
        nodes_in_flight += engine->nodes[n].in_flight > 0;
    }
    MUST(nodes_in_flight == engine->stats.nodes_in_flight);
    MUST(held == holders && held == open);
    MUST(in_flight == engine->stats.requests_in_flight);
    MUST(in_flight + engine->free_count == engine->slots);
    MUST(probes == engine->probes);
    return NULL;
}

static const char *check_stats(const struct sw_wave_engine *engine)
{
    const struct sw_wave_stats *stats = &engine->stats;
    uint64_t outstanding = engine->asked[WAVE_LEASE_RUNNING] + engine->counts[WAVE_KEY_DELIVERING];

    MUST(stats->delivered == engine->counts[WAVE_KEY_DELIVERED]);
    /* Beyond what is required there is only what came late though it had been replaced. */
    MUST(stats->delivered + outstanding <= engine->required + stats->late_found);
    MUST(stats->keys_outstanding == outstanding);
    for (uint32_t w = 0; w < SW_ROUTE_CANDIDATES_MAX; w++)
        MUST(w < stats->wave_count || stats->waves[w].keys_asked == 0);
    MUST(stats->hedges_won <= stats->hedges_sent);
    return NULL;
}

static const char *check_phase(const struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;

    MUST(counts[WAVE_KEY_QUEUED] + counts[WAVE_KEY_ASKED] <= engine->window.size);
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
         (sw_wave_waits_for_nodes(engine) && engine->wake_us != UINT64_MAX) ||
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
