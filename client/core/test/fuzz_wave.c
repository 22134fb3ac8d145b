/*
 * Fuzz target: bytes become a world's limits and then a stream of events, as a driver that keeps to the rules passes
 * them on from nodes that do not. The oracle is the engine's own invariant, and that it gives everything back.
 */
#include "client/core/wave_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES       5
#define KEYS        24
#define REQUESTS    8
#define HEDGES      4
#define ACTIONS_MAX 400000
/* No clock goes on for so long. */
#define CLOCK_END_US (UINT64_C(1) << 62)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    const uint8_t *data;
    size_t left;
    struct sw_wave_engine *engine;
    struct sw_key keys[KEYS];
    uint32_t key_count;
    uint64_t now_us, lag_us;                     /* lag: from a message's arrival until the engine is told */
    sw_wave_request requests[REQUESTS + HEDGES]; /* sent and not over */
    uint32_t request_count, requests_max;
    uint32_t deliveries[KEYS]; /* with the sink */
    uint32_t delivery_count;
    bool delivered[KEYS], local_asked, done;
};

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static uint8_t next(struct world *world)
{
    if (world->left == 0)
        return 0;
    world->left--;
    return *world->data++;
}

static void act(struct world *world, const struct sw_wave_action *action)
{
    must(!world->done || action->type == SW_WAVE_DROP, "nothing but drops after the end");
    switch (action->type) {
    case SW_WAVE_ASK_LOCAL:
        world->local_asked = true;
        break;
    case SW_WAVE_SEND:
        must(world->request_count < world->requests_max, "requests in flight");
        world->requests[world->request_count++] = action->request;
        break;
    case SW_WAVE_DELIVER:
        must(!world->delivered[action->key_index], "a key is delivered once");
        world->delivered[action->key_index] = true;
        world->deliveries[world->delivery_count++] = action->key_index;
        break;
    case SW_WAVE_DONE:
        world->done = true;
        break;
    default:
        break;
    }
}

static void step(struct world *world, struct sw_wave_event *event)
{
    event->now_us = world->now_us;
    event->arrived_us = world->now_us > world->lag_us ? world->now_us - world->lag_us : 0;
    struct sw_wave_actions actions = sw_wave_step(world->engine, event);
    for (size_t i = 0; i < actions.count; i++)
        act(world, &actions.items[i]);
    const char *broken = sw_wave_check(world->engine);
    must(!broken, broken);
    if (event->type == SW_WAVE_TICK)
        must(world->done || sw_wave_deadline(world->engine) > world->now_us, "a tick moves the deadline on");
}

/* What a node may say about a key, or about none. */
static void answer(struct world *world, enum sw_wave_event_type type)
{
    struct sw_wave_event event = {.type = type};
    uint8_t which = next(world), key = next(world), how = next(world);

    if (type == SW_WAVE_SYMBOL && which % 8 == 0 && world->local_asked)
        event.request = SW_WAVE_LOCAL;
    else if (world->request_count > 0)
        event.request = world->requests[which % world->request_count];
    else
        event.request = 1 + which;
    if (key < 2 * KEYS)
        event.key = world->keys[key % world->key_count];
    else
        event.key.bytes[0] = key;
    event.key_index = key % world->key_count;
    event.digest = event.key;
    event.digest.bytes[31] ^= how % 4 == 3;
    event.bytes = how % 4 == 2 ? (uint64_t)how << (how % 32) : how;
    event.held = how & 1;
    step(world, &event);
}

static void end_request(struct world *world, uint32_t index, enum sw_status status, uint64_t pushback_us)
{
    struct sw_wave_event event = {
        .type = SW_WAVE_ENDED, .request = world->requests[index], .status = status, .pushback_us = pushback_us};
    world->requests[index] = world->requests[--world->request_count];
    step(world, &event);
}

static void end_delivery(struct world *world, uint32_t index, bool taken)
{
    struct sw_wave_event event = {.type = taken ? SW_WAVE_TAKEN : SW_WAVE_SINK_FAILED,
                                  .key_index = world->deliveries[index],
                                  .status = taken ? SW_OK : SW_NO_SPACE};
    world->deliveries[index] = world->deliveries[--world->delivery_count];
    step(world, &event);
}

static void next_end(struct world *world, uint8_t what)
{
    static const enum sw_status statuses[] = {SW_OK, SW_UNAVAILABLE, SW_OK, SW_RESOURCE_EXHAUSTED};
    uint32_t index = next(world);
    uint64_t pushback_us = what & 32 ? (uint64_t)1 << next(world) % 64 : 0;

    if (world->request_count > 0)
        end_request(world, index % world->request_count, statuses[what >> 6], pushback_us);
}

static void next_event(struct world *world)
{
    struct sw_wave_event event = {.type = SW_WAVE_TICK};
    uint8_t what = next(world);

    switch (what % 16) {
    case 0:
        world->now_us += (uint64_t)next(world) << (what / 16);
        step(world, &event);
        break;
    case 1:
        if (sw_wave_deadline(world->engine) < CLOCK_END_US && sw_wave_deadline(world->engine) > world->now_us)
            world->now_us = sw_wave_deadline(world->engine);
        step(world, &event);
        break;
    case 2:
        answer(world, SW_WAVE_MISSING);
        break;
    case 3:
        answer(world, SW_WAVE_CORRUPT);
        break;
    case 4:
        answer(world, SW_WAVE_LEFT_OUT);
        break;
    case 5:
        answer(world, SW_WAVE_ACTIVITY);
        break;
    case 6:
    case 7:
        next_end(world, what);
        break;
    case 8:
    case 9:
        if (world->delivery_count > 0)
            end_delivery(world, next(world) % world->delivery_count, what != 249);
        break;
    case 10:
        event.type = SW_WAVE_LOCAL_DONE;
        if (world->local_asked) {
            world->local_asked = false;
            step(world, &event);
        }
        break;
    case 11:
        event.type = SW_WAVE_CANCEL;
        event.status = SW_CANCELLED;
        if (what == 251) {
            step(world, &event);
        } else if (what == 235) {
            event.type = SW_WAVE_CLOSE;
            step(world, &event);
        } else
            world->lag_us = (uint64_t)next(world) << what / 16;
        break;
    default:
        answer(world, SW_WAVE_SYMBOL);
    }
}

/* Nothing is under way: every node that is left asked to be left alone for a while. */
static void wait_for_deadline(struct world *world)
{
    struct sw_wave_event event = {.type = SW_WAVE_TICK};

    must(sw_wave_deadline(world->engine) < UINT64_MAX, "it never comes to a stand");
    if (sw_wave_deadline(world->engine) < CLOCK_END_US) {
        world->now_us = sw_wave_deadline(world->engine);
    } else {
        event.type = SW_WAVE_CANCEL;
        event.status = SW_CANCELLED;
    }
    step(world, &event);
}

static struct sw_wave_options limits(struct world *world)
{
    struct sw_wave_options options = {.candidates = 1 + next(world) % SW_ROUTE_CANDIDATES_MAX,
                                      .request_keys_max = 1 + next(world) % KEYS,
                                      .requests_max = 1 + next(world) % REQUESTS,
                                      .node_requests_max = 1 + next(world) % 4,
                                      .window_keys_max = 1 + next(world) % KEYS,
                                      .local_keys_max = next(world) % KEYS,
                                      .stall_timeout_us = (uint64_t)1 << next(world) % 64,
                                      .down_backoff_us = ((uint64_t)1 << next(world) % 56) - 1,
                                      .symbol_bytes_guess = next(world),
                                      .value_bytes_max = 1 + next(world),
                                      .request_bytes_aim = (uint64_t)next(world) * 16};
    options.in_order = options.request_bytes_aim % 32 != 0;
    options.first_keys_max = 1 + next(world) % KEYS;
    options.queue_us = (uint64_t)1 << next(world) % 64;
    options.lease_us_min = (uint64_t)1 << next(world) % 64;
    options.lapse_us_min = (uint64_t)1 << next(world) % 64;
    options.hedge_requests_max = next(world) % (HEDGES + 1);
    options.hedge_per_cent = next(world) % 101;
    options.hedge_keys_min = next(world) % KEYS;
    return options;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.data = data, .left = size};
    struct sw_budget budget = {.limit_bytes = 1 + (uint64_t)next(&world) * next(&world)};
    struct sw_wave_options options = limits(&world);
    struct sw_key places[NODES] = {{{0}}};
    struct sw_wave_event start = {.type = SW_WAVE_START};
    uint32_t node_count = next(&world) % (NODES + 1);

    world.requests_max = options.requests_max + options.hedge_requests_max;
    world.key_count = 1 + next(&world) % KEYS;
    for (uint32_t i = 0; i < node_count; i++)
        places[i].bytes[0] = (uint8_t)(i * 53);
    for (uint32_t i = 0; i < world.key_count; i++)
        world.keys[i].bytes[0] = (uint8_t)(i * 11 + 3);
    struct sw_route_table *table = sw_route_table_new(places, node_count);
    world.engine = sw_wave_engine_new(&options, world.keys, world.key_count, 1 + next(&world) % world.key_count, "t",
                                      table, NULL, &budget);
    must(table && world.engine, "memory");
    step(&world, &start);
    while (world.left > 0)
        next_event(&world);
    /* Everything under way comes to its end; what a node never answers is given up in the end. */
    for (int i = 0; i < ACTIONS_MAX && !world.done; i++) {
        if (world.delivery_count > 0)
            end_delivery(&world, 0, true);
        else if (world.request_count > 0)
            end_request(&world, 0, SW_UNAVAILABLE, 0);
        else if (!world.local_asked)
            wait_for_deadline(&world);
        if (world.local_asked) {
            struct sw_wave_event local = {.type = SW_WAVE_LOCAL_DONE};
            world.local_asked = false;
            step(&world, &local);
        }
    }
    must(world.done, "it comes to an end");
    while (world.delivery_count > 0)
        end_delivery(&world, 0, true);
    while (world.request_count > 0)
        end_request(&world, 0, SW_CANCELLED, 0);
    must(budget.reserved_bytes == 0, "everything is given back");
    sw_wave_engine_free(world.engine);
    sw_route_table_free(table);
    return 0;
}
