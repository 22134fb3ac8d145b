/* The simulation's run: drives the engine, and holds what it does against an account of its own. */
#include "client/core/test/sim.h"
#include "client/core/test/sim_world.h"
#include "client/core/wave_internal.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    ASKED_NOW = 1,  /* asked, and not left out */
    ASKED_EVER = 2, /* asked at all */
};

const char *sim_kind_name(enum sim_kind kind)
{
    static const char *const names[SIM_KINDS] = {
        "honest",  "slow",       "unasked",    "duplicates",  "babbles",     "dead",     "stalled", "sluggish",
        "trickle", "breaks",     "bad bytes",  "wrong key",   "empty",       "over max", "denies",  "says corrupt",
        "silent",  "leaves out", "leaves fit", "leaves grow", "leaves huge", "floods",   "busy",
    };
    return names[kind];
}

uint64_t sim_seed(void)
{
    const char *text = getenv("SYMWAVE_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
    printf("SYMWAVE_SEED=%" PRIu64 "\n", seed);
    return seed;
}

struct sim_options sim_defaults(uint64_t seed)
{
    return (struct sim_options){
        .seed = seed,
        .node_count = 50,
        .key_count = 10000,
        .required = 10000,
        .exist_per_mille = 1000,
        .held_per_mille = 1000,
        .budget_bytes = 32 * 1024,
        .hold_us_max = 1000,
        .sink_us_max = 100,
        .check_every = 64,
        .wave = {.candidates = 6,
                 .request_keys_max = 600,
                 .requests_max = 32,
                 .node_requests_max = 4,
                 .window_keys_max = 12000,
                 .stall_timeout_us = 2000000,
                 .down_backoff_us = 1000000,
                 .symbol_bytes_guess = 64,
                 .value_bytes_max = 1024,
                 .request_bytes_aim = 1024},
    };
}

void sim_fail(const struct sim *sim, const char *what, const char *file, int line)
{
    const struct sim_options *options = &sim->options;
    fprintf(stderr,
            "does not hold: %s\n  seed %" PRIu64 ", %" PRIu32 " nodes, %" PRIu32 " keys, %" PRIu32
            " required, step %" PRIu64 ", %" PRIu64 " us\n",
            what, options->seed, options->node_count, options->key_count, options->required, sim->result.steps,
            sim->now_us);
    _fail(file, line);
    abort();
}

static struct sim_request *find_request(struct sim *sim, sw_wave_request id)
{
    for (size_t i = sim->request_count; i-- > 0;)
        if (sim->requests[i].id == id)
            return &sim->requests[i];
    SIM_MUST(sim, !"a request that was never sent");
    return NULL;
}

static uint8_t *asked_of(struct sim *sim, uint32_t key, uint32_t node)
{
    for (uint32_t w = 0; w < sim->candidates; w++)
        if (sim->providers[(size_t)key * sim->candidates + w] == node)
            return &sim->asked[(size_t)key * sim->candidates + w];
    SIM_MUST(sim, !"a node that is not a candidate of the key");
    return NULL;
}

/* The key is not in its request any more. */
static void answer_key(struct sim *sim, uint32_t key)
{
    if (sim->states[key].state != SIM_KEY_ASKED)
        return;
    sim->states[key].state = SIM_KEY_IDLE;
    sim->keys_asked--;
}

static void answer_keys(struct sim *sim, const struct sim_request *request)
{
    uint32_t index = (uint32_t)(request - sim->requests);
    for (uint32_t i = 0; i < request->key_count; i++)
        if (sim->states[request->keys[i]].request == index)
            answer_key(sim, request->keys[i]);
}

/* The position of a key in a live request in which it is open; UINT32_MAX otherwise. */
static uint32_t open_key(struct sim *sim, const struct sw_wave_event *event)
{
    struct sim_request *request = find_request(sim, event->request);
    uint32_t index = (uint32_t)(request - sim->requests);

    for (uint32_t i = 0; !request->aborted && i < request->key_count; i++) {
        uint32_t at = (request->next_key + i) % request->key_count, key = request->keys[at];
        if (memcmp(&sim->keys[key], &event->key, sizeof(event->key)) == 0)
            return sim->states[key].state == SIM_KEY_ASKED && sim->states[key].request == index &&
                           !sim->states[key].left_out
                       ? key
                       : UINT32_MAX;
    }
    return UINT32_MAX;
}

static void on_send(struct sim *sim, const struct sw_wave_action *action)
{
    struct sim_node *node = &sim->nodes[action->node];
    const struct sw_wave_options *wave = &sim->options.wave;
    uint32_t index = (uint32_t)sim->request_count;
    bool verify = false;

    SIM_MUST(sim, !sim->done && !sim->local_open && sim->local_delivering == 0);
    SIM_MUST(sim, action->request != 0 && action->max_bytes > 0);
    SIM_MUST(sim, action->key_count >= 1 && action->key_count <= wave->request_keys_max && action->key_count <= 600);
    SIM_MUST(sim, ++sim->in_flight <= wave->requests_max);
    SIM_MUST(sim, ++node->in_flight <= wave->node_requests_max);
    if (sim->request_count == sim->request_size) {
        sim->request_size = sim->request_size * 2 + 64;
        sim->requests = realloc(sim->requests, sim->request_size * sizeof(*sim->requests));
        assert_non_null(sim->requests);
    }
    struct sim_request *request = &sim->requests[sim->request_count++];
    *request = (struct sim_request){.id = action->request,
                                    .node = action->node,
                                    .keys = malloc(action->key_count * sizeof(*request->keys)),
                                    .key_count = action->key_count,
                                    .max_bytes = action->max_bytes};
    assert_non_null(request->keys);
    for (uint32_t i = 0; i < action->key_count; i++) {
        uint32_t key = request->keys[i] = action->keys[i];
        uint8_t *asked = asked_of(sim, key, action->node);
        SIM_MUST(sim, key < sim->options.key_count && sim->states[key].state == SIM_KEY_IDLE);
        SIM_MUST(sim, !(*asked & ASKED_NOW));
        *asked = ASKED_NOW | ASKED_EVER;
        sim->states[key].state = SIM_KEY_ASKED;
        sim->states[key].request = index;
        sim->states[key].left_out = false;
        verify |= sim->states[key].came_wrong;
    }
    SIM_MUST(sim, action->verify == verify);
    sim->keys_asked += action->key_count;
    sim->result.keys_sent += action->key_count;
    sim->result.kinds_met |= 1u << node->kind;
    if (action->key_count > sim->result.keys_per_request_max)
        sim->result.keys_per_request_max = action->key_count;
    sim_schedule(sim, node->latency_us, (struct sim_event){.type = SIM_EVENT_SERVE, .index = index});
}

static void on_abort(struct sim *sim, const struct sw_wave_action *action)
{
    struct sim_request *request = find_request(sim, action->request);
    uint64_t latency_us = sim->nodes[request->node].latency_us;

    SIM_MUST(sim, !sim->done && !request->aborted && !request->ended);
    request->aborted = true;
    answer_keys(sim, request);
    sim_schedule(sim, sim_random(sim, latency_us * 2),
                 (struct sim_event){
                     .type = SIM_EVENT_END, .index = (uint32_t)(request - sim->requests), .status = SW_CANCELLED});
}

static void on_deliver(struct sim *sim, const struct sw_wave_event *event, const struct sw_wave_action *action)
{
    uint32_t key = action->key_index;

    SIM_MUST(sim, event->type == SW_WAVE_SYMBOL && key < sim->options.key_count && !sim->done);
    SIM_MUST(sim, memcmp(&event->digest, &sim->keys[key], sizeof(event->digest)) == 0);
    if (event->request == SW_WAVE_LOCAL) {
        SIM_MUST(sim, sim->states[key].state == SIM_KEY_IDLE && sim->local_open);
        sim->states[key].came_local = true;
        sim->local_delivering++;
    } else {
        SIM_MUST(sim, open_key(sim, event) == key);
        answer_key(sim, key);
    }
    sim->states[key].state = SIM_KEY_DELIVERING;
    sim->keys_delivering++;
    sim_schedule(sim, sim_random(sim, sim->options.sink_us_max + 1),
                 (struct sim_event){.type = SIM_EVENT_SINK, .index = key});
}

static void on_drop(struct sim *sim, const struct sw_wave_event *event, const struct sw_wave_action *action)
{
    SIM_MUST(sim, event->type == SW_WAVE_SYMBOL && event->request == action->request);
    if (event->request == SW_WAVE_LOCAL)
        return;
    uint32_t key = open_key(sim, event);
    bool is_live = !find_request(sim, event->request)->aborted;
    SIM_MUST(sim, (action->reason == SW_WAVE_DROP_LATE) == !is_live);
    SIM_MUST(sim, (action->reason == SW_WAVE_DROP_CORRUPT) == (key != UINT32_MAX));
    if (key == UINT32_MAX)
        return;
    sim->states[key].came_wrong = true;
    answer_key(sim, key);
}

static void on_done(struct sim *sim, const struct sw_wave_action *action)
{
    SIM_MUST(sim, !sim->done);
    sim->done = true;
    sim->result.status = action->status;
    sim->result.end_us = sim->now_us;
    for (size_t i = 0; i < sim->request_count; i++)
        SIM_MUST(sim, sim->requests[i].aborted || sim->requests[i].ended);
}

/* A node that had no room may be asked again for all that it did not answer. */
static void forget_asking(struct sim *sim, const struct sim_request *request)
{
    const uint32_t index = (uint32_t)(request - sim->requests);
    for (uint32_t i = 0; i < request->key_count; i++)
        if (sim->states[request->keys[i]].request == index)
            *asked_of(sim, request->keys[i], request->node) &= (uint8_t)~ASKED_NOW;
}

/* What the engine must conclude from an event before it acts on it. */
static void account_event(struct sim *sim, const struct sw_wave_event *event)
{
    if (event->type == SW_WAVE_MISSING || event->type == SW_WAVE_CORRUPT || event->type == SW_WAVE_LEFT_OUT) {
        uint32_t key = open_key(sim, event);
        if (key == UINT32_MAX)
            return;
        if (event->type == SW_WAVE_LEFT_OUT && event->bytes <= sim->options.wave.value_bytes_max &&
            event->bytes <= sim->options.budget_bytes) {
            *asked_of(sim, key, find_request(sim, event->request)->node) &= (uint8_t)~ASKED_NOW;
            sim->states[key].left_out = true;
            return;
        }
        sim->states[key].came_wrong |= event->type != SW_WAVE_MISSING;
        answer_key(sim, key);
    } else if (event->type == SW_WAVE_ENDED) {
        if (event->status == SW_RESOURCE_EXHAUSTED)
            forget_asking(sim, find_request(sim, event->request));
        answer_keys(sim, find_request(sim, event->request));
    } else if (event->type == SW_WAVE_TAKEN || event->type == SW_WAVE_SINK_FAILED) {
        struct sim_key *key = &sim->states[event->key_index];
        SIM_MUST(sim, key->state == SIM_KEY_DELIVERING);
        key->state = event->type == SW_WAVE_TAKEN ? SIM_KEY_DELIVERED : SIM_KEY_IDLE;
        sim->keys_delivering--;
        sim->keys_delivered += event->type == SW_WAVE_TAKEN;
        sim->local_delivering -= key->came_local;
    }
}

static void check_always(struct sim *sim)
{
    const struct sw_wave_stats *stats = sw_wave_stats(sim->engine);

    SIM_MUST(sim, sim->keys_asked + sim->keys_delivering <= sim->options.required - sim->keys_delivered);
    SIM_MUST(sim, stats->keys_outstanding == sim->keys_asked + sim->keys_delivering);
    SIM_MUST(sim, stats->delivered == sim->keys_delivered);
    SIM_MUST(sim, stats->requests_in_flight == sim->in_flight);
    SIM_MUST(sim, sim->budget.reserved_bytes <= sim->budget.limit_bytes);
    SIM_MUST(sim, sw_wave_is_done(sim->engine) == sim->done);
    if (sim->result.steps % sim->options.check_every == 0) {
        const char *broken = sw_wave_check(sim->engine);
        if (broken)
            sim_fail(sim, broken, __FILE__, __LINE__);
    }
}

void sim_step(struct sim *sim, struct sw_wave_event *event)
{
    bool was_done = sim->done, judged = false;

    event->now_us = sim->now_us;
    account_event(sim, event);
    struct sw_wave_actions actions = sw_wave_step(sim->engine, event);
    sim->result.steps++;
    for (size_t i = 0; i < actions.count; i++) {
        const struct sw_wave_action *action = &actions.items[i];
        SIM_MUST(sim, !was_done || action->type == SW_WAVE_DROP);
        if (action->type == SW_WAVE_SEND) {
            on_send(sim, action);
        } else if (action->type == SW_WAVE_ABORT) {
            on_abort(sim, action);
        } else if (action->type == SW_WAVE_DELIVER || action->type == SW_WAVE_DROP) {
            SIM_MUST(sim, !judged);
            judged = true;
            (action->type == SW_WAVE_DELIVER ? on_deliver : on_drop)(sim, event, action);
        } else if (action->type == SW_WAVE_DONE) {
            on_done(sim, action);
        } else {
            SIM_MUST(sim, action->type == SW_WAVE_ASK_LOCAL && !sim->local_open);
            SIM_MUST(sim, action->key_count >= 1 && action->key_count <= sim->options.wave.local_keys_max);
            sim->local_open = true;
            sim_schedule(
                sim, 100,
                (struct sim_event){.type = SIM_EVENT_LOCAL, .index = action->first_key, .count = action->key_count});
        }
    }
    SIM_MUST(sim, judged == (event->type == SW_WAVE_SYMBOL));
    check_always(sim);
}

static void on_end(struct sim *sim, uint32_t index, enum sw_status status)
{
    struct sim_request *request = &sim->requests[index];
    struct sw_wave_event event = {.type = SW_WAVE_ENDED, .request = request->id, .status = status};

    if (request->ended)
        return;
    /* Held answers come before the end. */
    request->ended = true;
    sim->in_flight--;
    sim->nodes[request->node].in_flight--;
    sim_step(sim, &event);
}

static void on_sink(struct sim *sim, uint32_t key)
{
    struct sw_wave_event event = {.type = SW_WAVE_TAKEN, .key_index = key};

    if (++sim->deliveries == sim->options.sink_fails_at) {
        event.type = SW_WAVE_SINK_FAILED;
        event.status = SW_NO_SPACE;
    }
    sim_step(sim, &event);
}

static void tick(struct sim *sim)
{
    struct sw_wave_event event = {.type = SW_WAVE_TICK};
    sim_step(sim, &event);
}

/* Somebody else's retrieval takes some of the budget, or gives it back. */
static void on_rival(struct sim *sim)
{
    if (sim->rival_bytes > 0) {
        sw_budget_release(&sim->budget, sim->rival_bytes);
        sim->rival_bytes = 0;
        if (sw_wave_wants_budget(sim->engine))
            tick(sim);
    } else {
        sim->rival_bytes = sim_random(sim, sw_budget_available(&sim->budget) + 1);
        sw_budget_reserve(&sim->budget, sim->rival_bytes);
    }
    if (!sim->done)
        sim_schedule(sim, sim_random(sim, 5000), (struct sim_event){.type = SIM_EVENT_RIVAL});
    else if (sim->rival_bytes > 0)
        on_rival(sim);
}

/* Somebody else's retrieval finds a node down, or up. */
static void on_noise(struct sim *sim)
{
    struct sw_wave_node_health *health = &sim->health[sim_random(sim, sim->options.node_count)];

    health->failures = (uint32_t)sim_random(sim, 4);
    health->down_until_us = health->failures ? sim->now_us + sim_random(sim, 500000) : 0;
    if (!sim->done)
        sim_schedule(sim, sim_random(sim, 5000), (struct sim_event){.type = SIM_EVENT_NOISE});
}

static void on_event(struct sim *sim, const struct sim_event *event)
{
    struct sw_wave_event cancel = {.type = SW_WAVE_CANCEL, .status = SW_CANCELLED};

    switch (event->type) {
    case SIM_EVENT_SERVE:
        if (!sim->requests[event->index].ended)
            sim_serve(sim, event->index);
        break;
    case SIM_EVENT_END:
        on_end(sim, event->index, event->status);
        break;
    case SIM_EVENT_SINK:
        on_sink(sim, event->index);
        break;
    case SIM_EVENT_LOCAL:
        sim_answer_local(sim, event->index, event->count);
        break;
    case SIM_EVENT_RIVAL:
        on_rival(sim);
        break;
    case SIM_EVENT_NOISE:
        on_noise(sim);
        break;
    case SIM_EVENT_CANCEL:
        sim_step(sim, &cancel);
        break;
    }
}

static void run(struct sim *sim)
{
    struct sw_wave_event start = {.type = SW_WAVE_START};

    if (sim->options.cancel_at_us > 0)
        sim_schedule(sim, sim->options.cancel_at_us, (struct sim_event){.type = SIM_EVENT_CANCEL});
    if (sim->options.rival)
        sim_schedule(sim, 0, (struct sim_event){.type = SIM_EVENT_RIVAL});
    if (sim->options.health_noise)
        sim_schedule(sim, 0, (struct sim_event){.type = SIM_EVENT_NOISE});
    sim_step(sim, &start);
    for (;;) {
        uint64_t deadline_us = sw_wave_deadline(sim->engine);
        if (deadline_us != UINT64_MAX && (sim->event_count == 0 || deadline_us <= sim->events[0].at_us)) {
            sim->now_us = deadline_us > sim->now_us ? deadline_us : sim->now_us;
            tick(sim);
            SIM_MUST(sim, sw_wave_deadline(sim->engine) > sim->now_us);
        } else if (sim->event_count > 0) {
            struct sim_event event = sim_next_event(sim);
            sim->now_us = event.at_us;
            on_event(sim, &event);
        } else {
            break;
        }
    }
    SIM_MUST(sim, sim->done && sim->in_flight == 0 && sim->keys_delivering == 0);
}

/* Whatever the end: what was promised about the keys, and nothing stays reserved. */
static void check_end(struct sim *sim)
{
    const struct sim_options *options = &sim->options;
    struct sim_result *result = &sim->result;

    for (uint32_t key = 0; key < options->key_count; key++) {
        const uint8_t *asked = &sim->asked[(size_t)key * sim->candidates];
        bool lost = sw_wave_key_is_lost(sim->engine, key);
        result->lost += lost;
        SIM_MUST(sim, sw_wave_key_is_delivered(sim->engine, key) == (sim->states[key].state == SIM_KEY_DELIVERED));
        SIM_MUST(sim, !lost || (sim->states[key].state == SIM_KEY_IDLE && !sim->states[key].obtainable));
        for (uint32_t w = 0; lost && w < sim->candidates; w++)
            SIM_MUST(sim, asked[w] & ASKED_EVER);
        SIM_MUST(sim, result->status != SW_SHORT || lost || sim->states[key].state == SIM_KEY_DELIVERED);
    }
    result->delivered = sim->keys_delivered;
    result->stats = *sw_wave_stats(sim->engine);
    result->stats.nodes = NULL;
    SIM_MUST(sim, result->status != SW_OK || result->delivered == options->required);
    SIM_MUST(sim, result->status != SW_SHORT || result->delivered < options->required);
    SIM_MUST(sim, result->status != SW_SHORT || result->delivered >= result->obtainable);
    SIM_MUST(sim, sim->budget.reserved_bytes == 0 && sim->rival_bytes == 0);
    SIM_MUST(sim, !sw_wave_wants_budget(sim->engine));
}

struct sim_result sim_run(const struct sim_options *options)
{
    struct sim sim = {.options = *options};

    sim_world_make(&sim);
    sim.engine = sw_wave_engine_new(&options->wave, sim.keys, options->key_count, options->required, "task", sim.table,
                                    sim.health, &sim.budget);
    assert_non_null(sim.engine);
    run(&sim);
    check_end(&sim);
    sw_wave_engine_free(sim.engine);
    sim_world_free(&sim);
    return sim.result;
}
