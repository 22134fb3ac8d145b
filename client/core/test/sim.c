/* The simulation's run: what happens next is told to the engine, and what it answers is carried out. */
#include "client/core/test/sim.h"
#include "client/core/test/sim_world.h"
#include "client/core/wave_internal.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
                 .request_bytes_aim = 1024,
                 .first_keys_max = 4,
                 .queue_us = 20000,
                 .lease_us_min = 50000,
                 .lapse_us_min = 250000,
                 .hedge_requests_max = 8,
                 .hedge_per_cent = 5,
                 .hedge_keys_min = 16},
    };
}

struct sim_options sim_network_defaults(uint64_t seed)
{
    struct sim_options options = sim_defaults(seed);

    options.required = options.key_count * 17 / 100;
    options.budget_bytes = 32 << 20;
    options.hold_us_max = 0;
    options.check_every = 1009;
    options.wave.requests_max = 128;
    options.wave.down_backoff_us = 500000;
    options.wave.symbol_bytes_guess = 65536;
    options.wave.value_bytes_max = 1 << 20;
    options.wave.request_bytes_aim = 1 << 20;
    options.wave.hedge_requests_max = 32;
    options.network = (struct sim_network){
        .on = true,
        .bandwidth_min = 1000000,
        .bandwidth_max = 4000000,
        .round_trip_us_min = 5000,
        .round_trip_us_max = 50000,
        .jitter_per_cent = 10,
        .downlink = 125000000,
        .symbol_bytes = 65536,
        .restarts_by_us = 1000000,
        .pushbacks = 2,
        .pushback_us = 300000,
        .ideal = true,
    };
    return options;
}

void sim_fail(const struct sim *sim, const char *what, const char *file, int line)
{
    const struct sim_options *options = &sim->options;
    fprintf(stderr,
            "does not hold: %s\n  seed %" PRIu64 ", %" PRIu32 " nodes, %" PRIu32 " keys, %" PRIu32
            " required, step %" PRIu64 ", %" PRIu64 " us\n",
            what, options->seed, options->node_count, options->key_count, options->required, sim->result.steps,
            sim->now_us);
    sim_end_test(file, line);
}

static void on_send(struct sim *sim, const struct sw_wave_action *action)
{
    uint32_t index = (uint32_t)sim->request_count;

    SIM_MUST(sim, !sim->closed);
    sim_account_send(sim, action);
    if (sim->options.network.on)
        sim_network_send(sim, index);
    else
        sim_schedule(sim, sim->nodes[action->node].latency_us,
                     (struct sim_event){.type = SIM_EVENT_SERVE, .index = index});
}

static void on_abort(struct sim *sim, const struct sw_wave_action *action)
{
    const struct sim_request *request = sim_find_request(sim, action->request);
    struct sim_event end = {
        .type = SIM_EVENT_END, .index = (uint32_t)(request - sim->requests), .status = SW_CANCELLED};

    sim_account_abort(sim, action);
    if (sim->options.network.on)
        sim_network_abort(sim, end.index);
    else
        sim_schedule(sim, sim_random(sim, sim->nodes[request->node].latency_us * 2), end);
}

static void on_deliver(struct sim *sim, const struct sw_wave_event *event, const struct sw_wave_action *action)
{
    sim_account_deliver(sim, event, action);
    sim_schedule(sim, sim_random(sim, sim->options.sink_us_max + 1),
                 (struct sim_event){.type = SIM_EVENT_SINK, .index = action->key_index});
}

void sim_step(struct sim *sim, struct sw_wave_event *event)
{
    bool was_done = sim->done, judged = false;

    event->now_us = sim->now_us;
    sim_trace_event(sim, event);
    sim_account_event(sim, event);
    struct sw_wave_actions actions = sw_wave_step(sim->engine, event);
    sim->result.steps++;
    for (size_t i = 0; i < actions.count; i++) {
        const struct sw_wave_action *action = &actions.items[i];
        SIM_MUST(sim, !was_done || action->type == SW_WAVE_DROP);
        sim_trace_action(sim, event, action);
        if (action->type == SW_WAVE_SEND) {
            on_send(sim, action);
        } else if (action->type == SW_WAVE_ABORT) {
            on_abort(sim, action);
        } else if (action->type == SW_WAVE_DELIVER || action->type == SW_WAVE_DROP) {
            SIM_MUST(sim, !judged);
            judged = true;
            (action->type == SW_WAVE_DELIVER ? on_deliver : sim_account_drop)(sim, event, action);
        } else if (action->type == SW_WAVE_DONE) {
            sim_account_done(sim, action);
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
    sim_trace_leases(sim);
    sim_account_check(sim);
}

uint64_t sim_arrived_us(const struct sim *sim, const struct sim_event *message)
{
    return sim->world_us < sim->now_us ? sim->now_us : message->arrived_us;
}

static void on_end(struct sim *sim, const struct sim_event *end)
{
    struct sim_request *request = &sim->requests[end->index];
    struct sw_wave_event event = {.type = SW_WAVE_ENDED,
                                  .request = request->id,
                                  .status = end->status,
                                  .arrived_us = sim_arrived_us(sim, end),
                                  .pushback_us = end->pushback_us};

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
    struct sw_wave_event close = {.type = SW_WAVE_CLOSE};

    switch (event->type) {
    case SIM_EVENT_SERVE:
        if (!sim->requests[event->index].ended)
            sim_serve(sim, event->index);
        break;
    case SIM_EVENT_END:
        on_end(sim, event);
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
    case SIM_EVENT_CLOSE:
        sim->closed = true;
        sim_step(sim, &close);
        break;
    case SIM_EVENT_JUMP:
        sim->now_us += sim->options.network.jump_us;
        break;
    default:
        sim_network_event(sim, event);
    }
}

static void run(struct sim *sim)
{
    struct sw_wave_event start = {.type = SW_WAVE_START};

    if (sim->options.cancel_at_us > 0)
        sim_schedule(sim, sim->options.cancel_at_us, (struct sim_event){.type = SIM_EVENT_CANCEL});
    if (sim->options.close_at_us > 0)
        sim_schedule(sim, sim->options.close_at_us, (struct sim_event){.type = SIM_EVENT_CLOSE});
    if (sim->options.rival)
        sim_schedule(sim, 0, (struct sim_event){.type = SIM_EVENT_RIVAL});
    if (sim->options.health_noise)
        sim_schedule(sim, 0, (struct sim_event){.type = SIM_EVENT_NOISE});
    if (sim->options.network.on)
        sim_network_start(sim);
    sim_step(sim, &start);
    for (;;) {
        uint64_t deadline_us = sw_wave_deadline(sim->engine);
        if (deadline_us != UINT64_MAX && (sim->event_count == 0 || deadline_us <= sim->events[0].at_us)) {
            sim->now_us = deadline_us > sim->now_us ? deadline_us : sim->now_us;
            tick(sim);
            SIM_MUST(sim, sw_wave_deadline(sim->engine) > sim->now_us);
        } else if (sim->event_count > 0) {
            struct sim_event event = sim_next_event(sim);
            sim->world_us = event.at_us;
            sim->now_us = event.at_us > sim->now_us ? event.at_us : sim->now_us;
            on_event(sim, &event);
        } else {
            break;
        }
    }
    SIM_MUST(sim, sim->done && sim->in_flight == 0 && sim->keys_delivering == 0);
}

struct sim_result sim_run(const struct sim_options *options)
{
    struct sim sim = {.options = *options};

    sim_world_make(&sim);
    sim.engine = sw_wave_engine_new(&options->wave, sim.keys, options->key_count, options->required, "task", sim.table,
                                    sim.health, &sim.budget);
    SIM_NEEDS(sim.engine);
    if (options->network.on && options->network.ideal)
        sim.result.ideal_us = sim_network_ideal_us(&sim);
    sim_trace_world(&sim);
    run(&sim);
    sim_account_check_end(&sim);
    sw_wave_engine_free(sim.engine);
    sim_world_free(&sim);
    return sim.result;
}
