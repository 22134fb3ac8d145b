/*
 * The account that the simulation keeps of the engine: which request holds which key, told again from the actions and
 * events alone, and what the engine must never do.
 *
 * A key may be in several live requests at once, each at another of its candidates. It is asked of one more only when
 * all that hold it have been silent for the shortest lease at least; the first good answer is delivered, and what the
 * others bring then is dropped without blame.
 */
#include "client/core/test/sim_world.h"
#include "client/core/wave_internal.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t hash_of(const struct sim *sim, sw_wave_request id)
{
    return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (sim->request_table_size - 1);
}

static void table_put(struct sim *sim, uint32_t index)
{
    size_t at = hash_of(sim, sim->requests[index].id);
    while (sim->request_table[at] != 0) {
        SIM_MUST(sim, sim->requests[sim->request_table[at] - 1].id != sim->requests[index].id);
        at = (at + 1) & (sim->request_table_size - 1);
    }
    sim->request_table[at] = index + 1;
}

static struct sim_request *add_request(struct sim *sim, const struct sw_wave_action *action)
{
    if (sim->request_count == sim->request_size) {
        sim->request_size = sim->request_size * 2 + 64;
        sim->requests = realloc(sim->requests, sim->request_size * sizeof(*sim->requests));
        SIM_NEEDS(sim->requests);
    }
    if ((sim->request_count + 1) * 2 > sim->request_table_size) {
        sim->request_table_size = sim->request_table_size ? sim->request_table_size * 2 : 128;
        free(sim->request_table);
        sim->request_table = calloc(sim->request_table_size, sizeof(*sim->request_table));
        SIM_NEEDS(sim->request_table);
        for (uint32_t i = 0; i < sim->request_count; i++)
            table_put(sim, i);
    }
    struct sim_request *request = &sim->requests[sim->request_count++];
    *request = (struct sim_request){.id = action->request,
                                    .node = action->node,
                                    .keys = malloc(action->key_count * sizeof(*request->keys)),
                                    .key_count = action->key_count,
                                    .max_bytes = action->max_bytes,
                                    .sent_us = sim->now_us,
                                    .last_us = sim->now_us,
                                    .next = SIM_NONE};
    SIM_NEEDS(request->keys);
    memcpy(request->keys, action->keys, action->key_count * sizeof(*request->keys));
    table_put(sim, (uint32_t)(request - sim->requests));
    return request;
}

struct sim_request *sim_find_request(struct sim *sim, sw_wave_request id)
{
    for (size_t at = sim->request_table_size ? hash_of(sim, id) : 0; sim->request_table_size;) {
        uint32_t index = sim->request_table[at];
        if (index == 0)
            break;
        if (sim->requests[index - 1].id == id)
            return &sim->requests[index - 1];
        at = (at + 1) & (sim->request_table_size - 1);
    }
    SIM_MUST(sim, !"a request that was never sent");
    return NULL;
}

static struct sim_ask *ask_of(struct sim *sim, uint32_t key, uint32_t node)
{
    for (uint32_t w = 0; w < sim->candidates; w++)
        if (sim->providers[(size_t)key * sim->candidates + w] == node)
            return &sim->asks[(size_t)key * sim->candidates + w];
    SIM_MUST(sim, !"a node that is not a candidate of the key");
    return NULL;
}

/* Whether the key counts as asked: held by a request, and wanted. */
static bool is_asked(const struct sim_key *key)
{
    return key->state == SIM_KEY_WANTED && key->open > 0;
}

/* The request does not hold the key any more. */
static void close_ask(struct sim *sim, uint32_t key, struct sim_ask *ask)
{
    bool was_asked = is_asked(&sim->states[key]);

    if (!(ask->flags & SIM_ASK_OPEN))
        return;
    ask->flags &= (uint8_t) ~(SIM_ASK_OPEN | SIM_ASK_LEFT_OUT);
    sim->requests[ask->request].open--;
    sim->states[key].open--;
    sim->keys_asked -= was_asked && !is_asked(&sim->states[key]);
}

static void close_asks(struct sim *sim, const struct sim_request *request)
{
    uint32_t index = (uint32_t)(request - sim->requests);
    for (uint32_t i = 0; i < request->key_count; i++) {
        struct sim_ask *ask = ask_of(sim, request->keys[i], request->node);
        if (ask->request == index)
            close_ask(sim, request->keys[i], ask);
    }
}

/* What an event is about: a key that a live request holds unanswered, or one that it once held, or NULL. */
static struct sim_ask *ask_for(struct sim *sim, const struct sw_wave_event *event, uint32_t *key, bool *is_open)
{
    struct sim_request *request = sim_find_request(sim, event->request);
    uint32_t index = (uint32_t)(request - sim->requests);

    *is_open = false;
    for (uint32_t i = 0; i < request->key_count; i++) {
        *key = request->keys[(request->next_key + i) % request->key_count];
        if (memcmp(&sim->keys[*key], &event->key, sizeof(event->key)) != 0)
            continue;
        struct sim_ask *ask = ask_of(sim, *key, request->node);
        *is_open =
            !request->aborted && ask->request == index && ask->flags & SIM_ASK_OPEN && !(ask->flags & SIM_ASK_LEFT_OUT);
        return ask;
    }
    *key = SIM_NONE;
    return NULL;
}

/* Whether the request, or its node, is or has been silent for the shortest lease; a lease that is out stays so. */
static bool is_late(const struct sim *sim, const struct sim_request *request)
{
    const struct sim_node *node = &sim->nodes[request->node];
    uint64_t lease_us = sim->options.wave.lease_us_min;

    return request->was_late || sim->now_us - request->last_us >= lease_us || sim->now_us - node->last_us >= lease_us ||
           request->sent_us < node->silence_end_us;
}

/* A key may be asked of one more when each request that holds it is late; or sooner, as far as the allowance goes. */
static void check_leases(struct sim *sim, uint32_t key)
{
    const struct sim_ask *asks = &sim->asks[(size_t)key * sim->candidates];

    if (sim->states[key].open == 0)
        return;
    sim->result.keys_hedged++;
    bool is_early = false;
    for (uint32_t w = 0; w < sim->candidates; w++)
        is_early |= asks[w].flags & SIM_ASK_OPEN && !is_late(sim, &sim->requests[asks[w].request]);
    sim->early_hedges += is_early;
    uint64_t allowance = (sim->result.keys_sent + sim->keys_left_out) * sim->options.wave.hedge_per_cent / 100;
    SIM_MUST(sim, sim->early_hedges <=
                      (allowance > sim->options.wave.hedge_keys_min ? allowance : sim->options.wave.hedge_keys_min));
}

void sim_account_send(struct sim *sim, const struct sw_wave_action *action)
{
    struct sim_node *node = &sim->nodes[action->node];
    const struct sw_wave_options *wave = &sim->options.wave;
    bool verify = false;

    SIM_MUST(sim, !sim->done && !sim->local_open && sim->local_delivering == 0);
    SIM_MUST(sim, action->request != 0 && action->max_bytes > 0);
    SIM_MUST(sim, action->key_count >= 1 && action->key_count <= wave->request_keys_max && action->key_count <= 600);
    SIM_MUST(sim, ++sim->in_flight <= wave->requests_max + wave->hedge_requests_max);
    node->last_us = node->in_flight == 0 ? sim->now_us : node->last_us;
    SIM_MUST(sim, ++node->in_flight <= wave->node_requests_max);
    sim->result.pushback_ignored += sim->now_us < node->left_alone_until_us;
    uint32_t index = (uint32_t)(add_request(sim, action) - sim->requests);
    for (uint32_t i = 0; i < action->key_count; i++) {
        uint32_t key = action->keys[i];
        SIM_MUST(sim, key < sim->options.key_count && sim->states[key].state == SIM_KEY_WANTED);
        struct sim_ask *ask = ask_of(sim, key, action->node);
        SIM_MUST(sim, !(ask->flags & (SIM_ASKED_NOW | SIM_ASK_OPEN)));
        check_leases(sim, key);
        sim->keys_asked += !is_asked(&sim->states[key]);
        ask->flags = SIM_ASKED_NOW | SIM_ASKED_EVER | SIM_ASK_OPEN;
        ask->request = index;
        sim->states[key].open++;
        sim->requests[index].open++;
        verify |= sim->states[key].came_wrong;
    }
    SIM_MUST(sim, action->verify == verify);
    sim->result.keys_sent += action->key_count;
    sim->result.kinds_met |= 1u << node->kind;
    if (action->key_count > sim->result.keys_per_request_max)
        sim->result.keys_per_request_max = action->key_count;
}

/* A node that had no room, or broke off amid its answers, may be asked again for all that it did not answer. */
static void forget_asking(struct sim *sim, const struct sim_request *request, enum sw_status status)
{
    const bool broke_off =
        request->open < request->key_count && (status == SW_UNAVAILABLE || status == SW_DEADLINE_EXCEEDED);
    if (status != SW_RESOURCE_EXHAUSTED && !broke_off)
        return;
    uint32_t index = (uint32_t)(request - sim->requests);
    for (uint32_t i = 0; i < request->key_count; i++) {
        struct sim_ask *ask = ask_of(sim, request->keys[i], request->node);
        if (ask->request == index && ask->flags & SIM_ASK_OPEN)
            ask->flags &= (uint8_t)~SIM_ASKED_NOW;
    }
}

void sim_account_abort(struct sim *sim, const struct sw_wave_action *action)
{
    struct sim_request *request = sim_find_request(sim, action->request);

    SIM_MUST(sim, !sim->done && !request->aborted && !request->ended);
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < request->key_count; i++)
        wanted += sim->states[request->keys[i]].state == SIM_KEY_WANTED;
    sim->losers += wanted == 0 && request->open > 0 && sim->now_us - request->last_us < sim->options.wave.lapse_us_min;
    forget_asking(sim, request, action->status);
    close_asks(sim, request);
    request->aborted = true;
}

void sim_account_deliver(struct sim *sim, const struct sw_wave_event *event, const struct sw_wave_action *action)
{
    uint32_t index = action->key_index, asked;
    bool is_open;

    SIM_MUST(sim, event->type == SW_WAVE_SYMBOL && index < sim->options.key_count && !sim->done);
    SIM_MUST(sim, memcmp(&event->digest, &sim->keys[index], sizeof(event->digest)) == 0);
    struct sim_key *key = &sim->states[index];
    SIM_MUST(sim, key->state == SIM_KEY_WANTED);
    if (event->request == SW_WAVE_LOCAL) {
        SIM_MUST(sim, key->open == 0 && sim->local_open);
        key->came_local = true;
        sim->local_delivering++;
    } else {
        struct sim_ask *ask = ask_for(sim, event, &asked, &is_open);
        SIM_MUST(sim, is_open && asked == index);
        close_ask(sim, index, ask);
    }
    sim->keys_asked -= is_asked(key);
    key->state = SIM_KEY_DELIVERING;
    sim->keys_delivering++;
}

/* Nobody's fault, so nothing is held against the node. */
static void check_no_blame(struct sim *sim, uint32_t node)
{
    SIM_MUST(sim, sim->blame == sim->health[node].corrupt + sw_wave_stats(sim->engine)->nodes[node].corrupt);
}

void sim_account_drop(struct sim *sim, const struct sw_wave_event *event, const struct sw_wave_action *action)
{
    uint32_t key;
    bool is_open;

    SIM_MUST(sim, event->type == SW_WAVE_SYMBOL && event->request == action->request);
    if (event->request == SW_WAVE_LOCAL)
        return;
    const struct sim_request *request = sim_find_request(sim, event->request);
    struct sim_ask *ask = ask_for(sim, event, &key, &is_open);
    bool is_good = ask && memcmp(&event->digest, &event->key, sizeof(event->key)) == 0;
    bool is_wanted = ask && sim->states[key].state == SIM_KEY_WANTED;
    if (request->aborted) {
        SIM_MUST(sim, action->reason == SW_WAVE_DROP_LATE || (ask && action->reason == SW_WAVE_DROP_HEDGE));
        check_no_blame(sim, request->node);
    } else if (!is_open) {
        SIM_MUST(sim, action->reason == SW_WAVE_DROP_UNASKED || (ask && action->reason == SW_WAVE_DROP_DUPLICATE));
    } else if (is_wanted || !is_good || event->bytes > request->max_bytes) {
        SIM_MUST(sim, action->reason == SW_WAVE_DROP_CORRUPT || (!is_wanted && action->reason == SW_WAVE_DROP_HEDGE));
        sim->states[key].came_wrong |= is_wanted;
        close_ask(sim, key, ask);
    } else {
        SIM_MUST(sim, action->reason == SW_WAVE_DROP_HEDGE);
        check_no_blame(sim, request->node);
        close_ask(sim, key, ask);
    }
}

void sim_account_done(struct sim *sim, const struct sw_wave_action *action)
{
    SIM_MUST(sim, !sim->done);
    sim->done = true;
    sim->result.status = action->status;
    sim->result.end_us = sim->now_us;
    for (size_t i = 0; i < sim->request_count; i++)
        SIM_MUST(sim, sim->requests[i].aborted || sim->requests[i].ended);
}

static void note_answer(struct sim *sim, struct sim_request *request, uint64_t arrived_us)
{
    struct sim_node *node = &sim->nodes[request->node];
    uint64_t lease_us = sim->options.wave.lease_us_min;

    request->was_late |= sim->now_us - request->last_us >= lease_us;
    if (sim->now_us - node->last_us >= lease_us)
        node->silence_end_us = sim->now_us;
    request->last_us = arrived_us > request->last_us ? arrived_us : request->last_us;
    node->last_us = arrived_us > node->last_us ? arrived_us : node->last_us;
}

static void account_answer(struct sim *sim, const struct sw_wave_event *event)
{
    struct sim_request *request = sim_find_request(sim, event->request);
    uint32_t key;
    bool is_open;
    struct sim_ask *ask = ask_for(sim, event, &key, &is_open);

    if (!is_open)
        return;
    note_answer(sim, request, event->arrived_us ? event->arrived_us : event->now_us);
    if (event->type == SW_WAVE_SYMBOL)
        return;
    if (event->type == SW_WAVE_LEFT_OUT && event->bytes <= sim->options.wave.value_bytes_max &&
        event->bytes <= sim->options.budget_bytes) {
        ask->flags &= (uint8_t)~SIM_ASKED_NOW;
        ask->flags |= SIM_ASK_LEFT_OUT;
        sim->result.keys_sent--;
        sim->keys_left_out++;
        return;
    }
    sim->states[key].came_wrong |= event->type != SW_WAVE_MISSING;
    close_ask(sim, key, ask);
}

void sim_account_event(struct sim *sim, const struct sw_wave_event *event)
{
    if (event->request != SW_WAVE_LOCAL) {
        uint32_t node = sim_find_request(sim, event->request)->node;
        sim->blame = sim->health[node].corrupt + sw_wave_stats(sim->engine)->nodes[node].corrupt;
    }
    if (event->type == SW_WAVE_MISSING || event->type == SW_WAVE_CORRUPT || event->type == SW_WAVE_LEFT_OUT ||
        (event->type == SW_WAVE_SYMBOL && event->request != SW_WAVE_LOCAL)) {
        account_answer(sim, event);
    } else if (event->type == SW_WAVE_ENDED) {
        struct sim_request *request = sim_find_request(sim, event->request);
        forget_asking(sim, request, event->status);
        if (event->pushback_us > 0 && !request->aborted)
            sim->nodes[request->node].left_alone_until_us = event->now_us + event->pushback_us;
        close_asks(sim, request);
    } else if (event->type == SW_WAVE_TAKEN || event->type == SW_WAVE_SINK_FAILED) {
        struct sim_key *key = &sim->states[event->key_index];
        SIM_MUST(sim, key->state == SIM_KEY_DELIVERING);
        key->state = event->type == SW_WAVE_TAKEN ? SIM_KEY_DELIVERED : SIM_KEY_WANTED;
        sim->keys_asked += is_asked(key);
        sim->keys_delivering--;
        sim->keys_delivered += event->type == SW_WAVE_TAKEN;
        sim->local_delivering -= key->came_local;
    }
}

void sim_account_check(struct sim *sim)
{
    const struct sw_wave_stats *stats = sw_wave_stats(sim->engine);

    SIM_MUST(sim, stats->keys_outstanding + stats->delivered <= stats->required + stats->late_found);
    SIM_MUST(sim, stats->keys_outstanding + stats->keys_late == sim->keys_asked + sim->keys_delivering);
    SIM_MUST(sim, stats->delivered == sim->keys_delivered);
    SIM_MUST(sim, sim->done || stats->delivered < stats->required);
    SIM_MUST(sim, stats->requests_in_flight == sim->in_flight);
    SIM_MUST(sim, stats->requests_failed + sim->losers <= stats->requests);
    SIM_MUST(sim, sim->budget.reserved_bytes <= sim->budget.limit_bytes);
    SIM_MUST(sim, sw_wave_is_done(sim->engine) == sim->done);
    if (sim->result.steps % sim->options.check_every == 0) {
        const char *broken = sw_wave_check(sim->engine);
        if (broken)
            sim_fail(sim, broken, __FILE__, __LINE__);
    }
}

/* Whatever the end: what was promised about the keys, and nothing stays reserved. */
void sim_account_check_end(struct sim *sim)
{
    const struct sim_options *options = &sim->options;
    struct sim_result *result = &sim->result;

    for (uint32_t key = 0; key < options->key_count; key++) {
        const struct sim_ask *asks = &sim->asks[(size_t)key * sim->candidates];
        bool lost = sw_wave_key_is_lost(sim->engine, key);
        result->lost += lost;
        SIM_MUST(sim, sw_wave_key_is_delivered(sim->engine, key) == (sim->states[key].state == SIM_KEY_DELIVERED));
        SIM_MUST(sim, sim->states[key].open == 0);
        SIM_MUST(sim, !lost || (sim->states[key].state == SIM_KEY_WANTED && !sim->states[key].obtainable));
        for (uint32_t w = 0; lost && w < sim->candidates; w++)
            SIM_MUST(sim, asks[w].flags & SIM_ASKED_EVER);
        SIM_MUST(sim, result->status != SW_SHORT || lost || sim->states[key].state == SIM_KEY_DELIVERED);
    }
    result->delivered = sim->keys_delivered;
    result->stats = *sw_wave_stats(sim->engine);
    result->stats.nodes = NULL;
    SIM_MUST(sim, result->status != SW_OK || result->delivered >= options->required);
    /* What was with the sink at the end may still be taken. */
    SIM_MUST(sim, result->delivered <= options->required + result->stats.late_found);
    SIM_MUST(sim, result->status != SW_SHORT || result->delivered < options->required);
    SIM_MUST(sim, result->status != SW_SHORT || result->delivered >= result->obtainable);
    SIM_MUST(sim, result->ideal_us == 0 || result->status != SW_OK || result->ideal_us <= result->end_us);
    SIM_MUST(sim, sim->budget.reserved_bytes == 0 && sim->rival_bytes == 0);
    SIM_MUST(sim, !sw_wave_wants_budget(sim->engine));
}
