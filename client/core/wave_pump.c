/*
 * The wave engine's pump: what is sent now.
 *
 * First come keys that nobody was asked for, at nodes that are ready for them. A node that has none waiting takes some
 * from the candidate that would be through with its own last; but no key leaves its node for less than a lease, so that
 * each is asked of its primary when all is well. When nothing is left that nobody was asked for, keys whose leases are
 * out are asked a second time. Towards the end a node that would answer later than the others are through is not asked
 * any more.
 *
 * Beyond what is required only hedges are sent: no more than there are keys whose lease is out, and no more than the
 * allowance.
 */
#include "client/core/wave_internal.h"

/* Idle nodes that are looked at before it is taken that none is worth asking. */
#define IDLE_LOOKS 8
/* Per cent of the time in which the others would be through that a node may take for its last key. */
#define LAST_KEY_PERCENT 107
/* A lease is cut short when the hedge would come sooner by this. */
#define CUT_GAIN_US 8000

/* Whether the keys in the window may be enough; those that only nodes passed over may give do not count. */
static bool window_suffices(const struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;

    return counts[WAVE_KEY_QUEUED] - engine->queued_passed_over + engine->asked[WAVE_LEASE_RUNNING] +
               counts[WAVE_KEY_DELIVERING] + counts[WAVE_KEY_DELIVERED] >=
           engine->required;
}

static void fill_window(struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;

    while (counts[WAVE_KEY_FRESH] > 0 && counts[WAVE_KEY_QUEUED] + counts[WAVE_KEY_ASKED] < engine->window.size &&
           !(engine->options.in_order && window_suffices(engine))) {
        if (engine->states[engine->fresh_next].state == WAVE_KEY_FRESH)
            sw_wave_assign(engine, engine->fresh_next);
        engine->fresh_next++;
    }
}

/* What is left of the hedge allowance. */
static uint64_t allowance_left(const struct sw_wave_engine *engine)
{
    uint64_t allowance =
        sw_wave_larger(engine->options.hedge_keys_min, engine->keys_asked * engine->options.hedge_per_cent / 100);
    return allowance > engine->hedges_spent ? allowance - engine->hedges_spent : 0;
}

/* How many keys may be asked beyond what is required. */
static uint32_t hedge_need(const struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;
    uint64_t expected = (uint64_t)engine->asked[WAVE_LEASE_RUNNING] + engine->asked[WAVE_LEASE_OUT] +
                        counts[WAVE_KEY_DELIVERING] + counts[WAVE_KEY_DELIVERED];
    uint64_t beyond = expected > engine->required ? expected - engine->required : 0;
    uint64_t room = sw_wave_smaller(allowance_left(engine), engine->asked[WAVE_LEASE_OUT]);

    return room > beyond ? (uint32_t)(room - beyond) : 0;
}

/* What may be asked now. */
struct need {
    uint32_t keys;
    bool hedge;
};

static struct need find_need(const struct sw_wave_engine *engine)
{
    struct need need = {.keys = sw_wave_need(engine)};

    if (need.keys > 0 && engine->free_count > engine->slots - engine->options.requests_max)
        return need;
    /* The slots beside the primary ones: for hedges, and for keys of requests that hold the primary ones in vain. */
    uint64_t overdue = (uint64_t)engine->asked[WAVE_LEASE_OUT] + engine->asked[WAVE_LEASE_LAPSED];
    need.hedge = true;
    need.keys = need.keys > 0 ? (uint32_t)sw_wave_smaller(need.keys, overdue) : hedge_need(engine);
    if (engine->free_count == 0)
        need.keys = 0;
    return need;
}

/* ---- which node ---- */

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
    uint32_t node;

    while ((node = sw_wave_ready_first(engine)) != SW_WAVE_NONE && sw_wave_is_passed_over(engine, node))
        sw_wave_pass_over(engine, node); /* another retrieval found it down */
    return node;
}

/* Whether there are many more keys to ask than are required. */
static bool has_surplus(const struct sw_wave_engine *engine, uint32_t need)
{
    uint64_t waiting = engine->counts[WAVE_KEY_QUEUED] - engine->queued_passed_over;
    if (!engine->options.in_order)
        waiting += engine->counts[WAVE_KEY_FRESH];
    return waiting / 2 >= need;
}

/*
 * How many of keys the node may be asked for now: those that it would answer before the others, at their rates, are
 * through with everything. Where they have too few keys for that, or there are none, all.
 */
static uint32_t worth_asking(const struct sw_wave_engine *engine, uint32_t index, uint32_t keys, uint32_t need)
{
    const struct wave_node *node = &engine->nodes[index];
    uint64_t others = engine->busy_rate - node->busy_rate;
    uint64_t left = (uint64_t)need + engine->asked[WAVE_LEASE_RUNNING];

    if (engine->answered_count == 0 || others == 0 || engine->asked[WAVE_LEASE_RUNNING] == node->open ||
        !has_surplus(engine, need))
        return keys;
    uint64_t bytes =
        sw_wave_smaller(left * sw_wave_symbol_bytes(engine, node), UINT64_MAX / 1000000 / LAST_KEY_PERCENT);
    uint64_t through_us = bytes * 1000000 / others * LAST_KEY_PERCENT / 100;
    while (keys > 0 && sw_wave_answer_us(engine, node, (uint64_t)node->open + keys - 1) > through_us)
        keys--;
    return keys;
}

/* ---- which keys ---- */

static void pick(struct sw_wave_engine *engine, uint32_t *count, uint32_t key_index, uint32_t wave)
{
    engine->picked[*count] = key_index;
    engine->picked_waves[*count] = (uint8_t)wave;
    ++*count;
}

/* When the node will be through with what it has to do. */
static uint64_t through_us(const struct sw_wave_engine *engine, const struct wave_node *node)
{
    return sw_wave_answer_us(engine, node, (uint64_t)node->open + node->queued);
}

/* Whether a node was at work for long enough to take keys from it for its rate; one that never answered was. */
static bool is_judged(const struct sw_wave_engine *engine, uint32_t node)
{
    const struct sw_wave_node_health *health = &engine->health[node];
    return health->work_us + health->silent_us >= engine->options.lease_us_min;
}

/*
 * A key at the front of a queue goes to another candidate where that one would answer it sooner, with all that waits
 * for it. Whether it went.
 */
static bool hand_on(struct sw_wave_engine *engine, uint32_t key_index, uint64_t answer_us)
{
    const struct wave_key *key = &engine->states[key_index];
    const uint32_t *nodes = sw_wave_window_nodes(engine, key_index);
    uint32_t best = SW_WAVE_NONE;

    for (uint32_t w = 0; w < engine->candidates; w++) {
        const struct wave_node *node = &engine->nodes[nodes[w]];
        if (key->asked & 1u << w || nodes[w] == key->node || sw_wave_is_passed_over(engine, nodes[w]))
            continue;
        uint64_t us = through_us(engine, node);
        if (sw_wave_later(us, engine->options.lease_us_min) < answer_us) {
            answer_us = us;
            best = w;
        }
    }
    if (best == SW_WAVE_NONE)
        return false;
    sw_wave_queue_move(engine, key_index, nodes[best], best);
    return true;
}

static void pick_waiting(struct sw_wave_engine *engine, uint32_t index, uint32_t keys, uint32_t *count)
{
    struct wave_node *node = &engine->nodes[index];

    while (*count < keys && node->queued > 0) {
        uint32_t key_index = node->queue_first;
        uint32_t wave = engine->states[key_index].wave;
        sw_wave_queue_remove(engine, key_index);
        pick(engine, count, key_index, wave);
    }
}

/* What it would gain to take a key from the queue of another node, which is the higher the later that one is. */
static uint64_t take_worth(const struct sw_wave_engine *engine, uint32_t from, uint64_t answer_us)
{
    const struct wave_node *owner = &engine->nodes[from];

    if (owner->passed_over)
        return UINT64_MAX;
    if (!is_judged(engine, from))
        return 0;
    uint64_t us = through_us(engine, owner);
    return us > sw_wave_later(answer_us, engine->options.lease_us_min) ? us - answer_us + 2 : 0;
}

/* How bad the leases must be of keys that were asked of others before they are asked of one more. */
static enum wave_lease lease_wanted(bool beyond)
{
    return beyond ? WAVE_LEASE_OUT : WAVE_LEASE_LAPSED;
}

/* How well the key of a slot serves an idle node: the higher the better, 0 not at all. */
static uint64_t steal_worth(const struct sw_wave_engine *engine, uint32_t index, uint32_t slot, uint64_t answer_us,
                            bool beyond)
{
    uint32_t owner = engine->window.slots[slot].owner;

    if (owner != SW_WAVE_NONE)
        return owner == index ? 0 : take_worth(engine, owner, answer_us);
    if (engine->asked[lease_wanted(beyond)] == 0) /* no need to look at it */
        return 0;
    return sw_wave_key_lease(&engine->states[engine->window.slots[slot].key]) == lease_wanted(beyond);
}

/*
 * What the best key would be worth to an idle node, or more: 0 where a look through its keys would find nothing. Where
 * all that are worth so much are sure to be in one queue, sole_owner is whose, otherwise SW_WAVE_NONE.
 */
static uint64_t steal_worth_max(const struct sw_wave_engine *engine, uint32_t index, uint64_t answer_us, bool beyond,
                                uint32_t *sole_owner)
{
    const uint64_t *owners = engine->window.owners_of;
    uint64_t most = engine->asked[lease_wanted(beyond)] > 0;

    *sole_owner = SW_WAVE_NONE;
    if (!owners)
        return UINT64_MAX;
    owners += (size_t)index * SW_WAVE_SET_WORDS;
    for (uint32_t word = 0; word < SW_WAVE_SET_WORDS; word++)
        for (uint64_t left = owners[word]; left > 0; left &= left - 1) {
            uint32_t owner = word * 64 + (uint32_t)__builtin_ctzll(left);
            uint64_t worth = owner == index ? 0 : take_worth(engine, owner, answer_us);
            if (worth >= most)
                *sole_owner = worth > most ? owner : SW_WAVE_NONE;
            most = sw_wave_larger(most, worth);
        }
    return most;
}

/*
 * Picks keys that are another node's, or were asked of one in vain: the best kind that there is. answer_us: when the
 * node would answer them, had it to wait.
 */
static void pick_stolen(struct sw_wave_engine *engine, uint32_t index, uint32_t keys, uint64_t answer_us, bool beyond,
                        uint32_t *count)
{
    const struct wave_window *window = &engine->window;
    uint32_t looks = SW_WAVE_STEAL_LOOKS, first = SW_WAVE_NONE, sole_owner;
    uint64_t best = 0, most = steal_worth_max(engine, index, answer_us, beyond, &sole_owner);

    for (uint32_t at = engine->nodes[index].first_link; at != SW_WAVE_NONE && best < most && looks-- > 0;
         at = window->links[at].next) {
        uint32_t slot = at / engine->candidates;
        if (sole_owner != SW_WAVE_NONE && window->slots[slot].owner != sole_owner)
            continue;
        uint64_t worth = steal_worth(engine, index, slot, answer_us, beyond);
        if (worth > best) {
            best = worth;
            first = at;
        }
    }
    if (first == SW_WAVE_NONE)
        return;
    uint32_t owner = window->slots[first / engine->candidates].owner;
    if (owner != SW_WAVE_NONE && !engine->nodes[owner].passed_over)
        keys = (uint32_t)sw_wave_smaller(keys, engine->nodes[owner].queued / 2 + 1);
    looks = SW_WAVE_STEAL_LOOKS;
    for (uint32_t at = first; at != SW_WAVE_NONE && looks-- > 0 && *count < keys; at = window->links[at].next) {
        uint32_t slot = at / engine->candidates;
        if (window->slots[slot].owner != owner ||
            (owner == SW_WAVE_NONE && steal_worth(engine, index, slot, answer_us, beyond) == 0))
            continue;
        if (owner != SW_WAVE_NONE)
            sw_wave_queue_remove(engine, window->slots[slot].key);
        pick(engine, count, window->slots[slot].key, at % engine->candidates);
    }
    if (owner != SW_WAVE_NONE)
        sw_wave_node_refresh(engine, owner);
}

/* ---- sending ---- */

/* Sends what a ready node has waiting. False when nothing can be sent to anybody now. */
static bool send_waiting(struct sw_wave_engine *engine, uint32_t node, struct need need)
{
    uint64_t max_bytes;
    uint32_t count = 0, keys = sw_wave_request_size(engine, node, need.keys, &max_bytes);

    if (keys == 0) {
        engine->wants_budget = true;
        return false;
    }
    if (!engine->nodes[node].passed_over) {
        uint32_t worth = worth_asking(engine, node, keys, need.keys);
        worth = worth > 0 ? worth : 1; /* it was, before others were looked at */
        max_bytes = max_bytes / keys * worth;
        keys = worth;
    }
    if (!engine->nodes[node].passed_over && !has_surplus(engine, need.keys)) {
        uint64_t own_us = through_us(engine, &engine->nodes[node]);
        pick_stolen(engine, node, keys, own_us + own_us / 4, false, &count);
    }
    pick_waiting(engine, node, keys, &count);
    sw_wave_request_send(engine, node, count, max_bytes, need.hedge);
    return true;
}

/* Hands on the first keys of a node that others would answer sooner. Whether the node is still ready with some. */
static bool still_best(struct sw_wave_engine *engine, uint32_t index, uint32_t need)
{
    struct wave_node *node = &engine->nodes[index];

    if (has_surplus(engine, need) || !is_judged(engine, index))
        return true;
    while (node->queued > 0 && hand_on(engine, node->queue_first, sw_wave_answer_us(engine, node, node->open)))
        continue;
    return node->queued > 0;
}

/* Sends to an idle node what it can take from others. False when the budget has no room. */
static bool send_stolen(struct sw_wave_engine *engine, uint32_t index, struct need need)
{
    struct wave_node *node = &engine->nodes[index];
    uint64_t max_bytes;
    uint32_t count = 0, keys = sw_wave_request_size(engine, index, need.keys, &max_bytes);

    if (keys == 0 && sw_wave_claims_more(engine, node)) {
        sw_wave_node_unlucky(engine, index);
        return true;
    }
    if (keys == 0) {
        engine->wants_budget = true;
        return false;
    }
    pick_stolen(engine, index, keys, sw_wave_answer_us(engine, node, node->open), sw_wave_need(engine) == 0, &count);
    if (count == 0) {
        sw_wave_node_unlucky(engine, index);
        return true;
    }
    sw_wave_request_send(engine, index, count, max_bytes / keys * count, need.hedge);
    return true;
}

/* The node that would answer first of those that are ready or idle. */
static uint32_t quickest(const struct sw_wave_engine *engine)
{
    uint32_t ready = sw_wave_ready_first(engine), idle = engine->lists[WAVE_LIST_IDLE].first;

    if (ready != SW_WAVE_NONE)
        return ready;
    return idle == SW_WAVE_NONE ? engine->lists[WAVE_LIST_UNLUCKY].first : idle;
}

/*
 * When all that is required is asked for, and a node that is ready would answer sooner than others will be through with
 * what is open at them, their leases are over. Whether any are.
 */
static bool cut_leases(struct sw_wave_engine *engine)
{
    uint64_t allowance = allowance_left(engine);
    uint32_t node = quickest(engine);

    if (sw_wave_need(engine) > 0 || node == SW_WAVE_NONE || engine->asked[WAVE_LEASE_OUT] >= allowance)
        return false;
    uint64_t answer_us = sw_wave_answer_us(engine, &engine->nodes[node], engine->nodes[node].open);
    return sw_wave_leases_cut(engine, sw_wave_later(answer_us, CUT_GAIN_US),
                              (uint32_t)allowance - engine->asked[WAVE_LEASE_OUT]) > 0;
}

/* An idle node that is worth asking, of the first few. */
static uint32_t pick_idle(struct sw_wave_engine *engine, uint32_t need)
{
    for (int looks = 0; looks < IDLE_LOOKS; looks++) {
        uint32_t node;
        while ((node = engine->lists[WAVE_LIST_IDLE].first) != SW_WAVE_NONE && sw_wave_is_passed_over(engine, node))
            sw_wave_pass_over(engine, node); /* another retrieval found it down */
        if (node == SW_WAVE_NONE || worth_asking(engine, node, 1, need) > 0)
            return node;
        sw_wave_node_asked(engine, node); /* it comes last now */
    }
    return SW_WAVE_NONE;
}

/* Whether an idle node that has shown what it can do would answer in half the time of another. */
static bool is_much_sooner(const struct sw_wave_engine *engine, uint32_t idle, uint32_t other)
{
    const struct wave_node *a = &engine->nodes[idle], *b = &engine->nodes[other];
    return a->rate > 0 && sw_wave_answer_us(engine, a, a->open) * 2 < sw_wave_answer_us(engine, b, b->open);
}

/* Sends one request, or finds out that a node has nothing to do. False when there is nothing more to be done. */
static bool send_one(struct sw_wave_engine *engine)
{
    struct need need = find_need(engine);

    if (need.keys == 0)
        return false;
    uint32_t node = pick_node(engine), idle = pick_idle(engine, need.keys);
    if (node != SW_WAVE_NONE && idle != SW_WAVE_NONE && is_much_sooner(engine, idle, node))
        return send_stolen(engine, idle, need);
    if (node != SW_WAVE_NONE && worth_asking(engine, node, 1, need.keys) > 0)
        return still_best(engine, node, need.keys) ? send_waiting(engine, node, need) : true;
    if (idle != SW_WAVE_NONE)
        return send_stolen(engine, idle, need);
    if (node == SW_WAVE_NONE && may_probe(engine)) {
        node = sw_wave_probe_pick(engine);
        return node != SW_WAVE_NONE && send_waiting(engine, node, need);
    }
    return false;
}

/* Sends all that can be sent. Whether trying again could do more though nothing else happens. */
static bool send_all(struct sw_wave_engine *engine)
{
    uint64_t moves;

    do {
        moves = engine->moves;
    } while (send_one(engine));
    return engine->moves != moves;
}

void sw_wave_pump(struct sw_wave_engine *engine)
{
    const uint32_t *counts = engine->counts;

    if (engine->closing) {
        engine->wants_budget = false;
        if (engine->asked[WAVE_LEASE_RUNNING] + counts[WAVE_KEY_DELIVERING] == 0)
            sw_wave_finish(engine, SW_CANCELLED);
        return;
    }
    sw_wave_wake(engine);
    fill_window(engine);
    engine->wants_budget = false;
    bool again = send_all(engine);
    if (cut_leases(engine) || again)
        send_all(engine);
    if (sw_wave_need(engine) > 0 && (engine->wants_budget || engine->free_count == 0))
        sw_wave_leases_reclaim(engine);
    if (counts[WAVE_KEY_FRESH] + counts[WAVE_KEY_QUEUED] + counts[WAVE_KEY_ASKED] + counts[WAVE_KEY_DELIVERING] == 0)
        sw_wave_finish(engine, SW_SHORT);
}
