/* What the simulated nodes say that answer in no time, honestly or in all wrong ways; and the local store. */
#include "client/core/test/sim_world.h"

static void say(struct sim *sim, const struct sim_request *request, enum sw_wave_event_type type,
                const struct sw_key *key, uint64_t bytes)
{
    struct sw_wave_event event = {.type = type, .request = request->id, .key = *key, .bytes = bytes};
    sim_step(sim, &event);
}

/* Says that value is key's. */
static void say_symbol(struct sim *sim, const struct sim_request *request, const struct sw_key *key,
                       const uint8_t *value, size_t bytes)
{
    struct sw_wave_event event = {.type = SW_WAVE_SYMBOL, .request = request->id, .key = *key, .bytes = bytes};
    event.digest = sw_key_of_value(value, bytes);
    sim_step(sim, &event);
}

/* A symbol that is right in itself and not in the request: another key of the world, or of none. */
static void say_unasked(struct sim *sim, const struct sim_request *request)
{
    uint8_t value[SIM_VALUE_BYTES_MAX];
    uint32_t key = (uint32_t)sim_random(sim, sim->options.key_count);
    size_t bytes = sim_value(sim, key, value);

    for (uint32_t i = 0; i < request->key_count; i++)
        if (request->keys[i] == key)
            value[0] ^= 0xff;
    struct sw_key claimed = sw_key_of_value(value, bytes);
    say_symbol(sim, request, &claimed, value, bytes);
}

static void say_babble(struct sim *sim, const struct sim_request *request)
{
    static const enum sw_wave_event_type types[] = {SW_WAVE_MISSING, SW_WAVE_CORRUPT, SW_WAVE_LEFT_OUT};
    struct sw_key unknown = sw_key_of_value(&sim->random_state, sizeof(sim->random_state));
    say(sim, request, types[sim_random(sim, 3)], &unknown, sim_random(sim, 100));
}

/* As an honest node does: the value, or that it is missing, or from max_bytes on that it is left out. */
static void answer_right(struct sim *sim, struct sim_request *request, uint32_t key)
{
    uint8_t value[SIM_VALUE_BYTES_MAX];
    size_t bytes = sim_value(sim, key, value);
    bool first = !request->leaves_out, obeys = sim->nodes[request->node].kind != SIM_OVER_MAX;

    if (!request->leaves_out && !sim_node_holds(sim, request->node, key)) {
        say(sim, request, SW_WAVE_MISSING, &sim->keys[key], 0);
        return;
    }
    if (obeys && request->sent_bytes + bytes > request->max_bytes)
        request->leaves_out = true;
    if (request->leaves_out) {
        say(sim, request, SW_WAVE_LEFT_OUT, &sim->keys[key], first ? bytes : 0);
        return;
    }
    request->sent_bytes += bytes;
    say_symbol(sim, request, &sim->keys[key], value, bytes);
}

static void answer(struct sim *sim, uint32_t request_index)
{
    struct sim_request *request = &sim->requests[request_index];
    uint32_t key = request->keys[request->next_key];
    const struct sw_key *name = &sim->keys[key];
    uint8_t value[SIM_VALUE_BYTES_MAX];
    size_t bytes = sim_value(sim, key, value);

    switch (sim->nodes[request->node].kind) {
    case SIM_BAD_BYTES:
        value[sim_random(sim, bytes)] ^= (uint8_t)(1 + sim_random(sim, 255));
        say_symbol(sim, request, name, value, bytes);
        break;
    case SIM_WRONG_KEY:
        key = request->keys[sim_random(sim, request->key_count)];
        name = request->keys[request->next_key] == key ? &sim->nodes[0].place : &sim->keys[key];
        say_symbol(sim, request, name, value, bytes);
        break;
    case SIM_EMPTY:
        say_symbol(sim, request, name, value, 0);
        break;
    case SIM_DENIES:
        say(sim, request, SW_WAVE_MISSING, name, 0);
        break;
    case SIM_SAYS_CORRUPT:
        say(sim, request, SW_WAVE_CORRUPT, name, 0);
        break;
    case SIM_LEAVES_OUT:
        say(sim, request, SW_WAVE_LEFT_OUT, name, 0);
        break;
    case SIM_LEAVES_FITTING:
        say(sim, request, SW_WAVE_LEFT_OUT, name, 1 + sim_random(sim, request->max_bytes));
        break;
    case SIM_LEAVES_GROWING:
        say(sim, request, SW_WAVE_LEFT_OUT, name, request->max_bytes + 1);
        break;
    case SIM_LEAVES_HUGE:
        say(sim, request, SW_WAVE_LEFT_OUT, name, UINT64_MAX);
        break;
    case SIM_UNASKED:
        if (!request->leaves_out)
            say_unasked(sim, request);
        answer_right(sim, &sim->requests[request_index], key);
        break;
    case SIM_BABBLES:
        say_babble(sim, request);
        answer_right(sim, &sim->requests[request_index], key);
        break;
    case SIM_DUPLICATES:
        answer_right(sim, request, key);
        answer_right(sim, &sim->requests[request_index], key);
        break;
    default:
        answer_right(sim, request, key);
    }
}

static void again(struct sim *sim, uint32_t request_index, uint64_t delay_us)
{
    sim_schedule(sim, delay_us, (struct sim_event){.type = SIM_EVENT_SERVE, .index = request_index});
}

static void end(struct sim *sim, uint32_t request_index, enum sw_status status)
{
    sim_schedule(sim, 0, (struct sim_event){.type = SIM_EVENT_END, .index = request_index, .status = status});
}

static void say_activity(struct sim *sim, const struct sim_request *request, bool held)
{
    struct sw_wave_event event = {.type = SW_WAVE_ACTIVITY, .request = request->id, .held = held};
    sim_step(sim, &event);
}

/* One answer, or that it has come and waits on our side. */
static void serve_key(struct sim *sim, uint32_t request_index)
{
    struct sim_request *request = &sim->requests[request_index];
    const struct sim_node *node = &sim->nodes[request->node];

    if (!request->waited && sim_random(sim, 16) == 0) {
        request->waited = true;
        say_activity(sim, request, true);
        again(sim, request_index, sim_random(sim, sim->options.hold_us_max + 1));
        return;
    }
    answer(sim, request_index);
    request = &sim->requests[request_index];
    request->next_key++;
    if (request->waited) {
        request->waited = false;
        say_activity(sim, request, false);
        request = &sim->requests[request_index];
    }
    if (request->next_key == request->key_count)
        end(sim, request_index, SW_OK);
    else if (node->kind == SIM_BREAKS && request->next_key * 2 >= request->key_count)
        end(sim, request_index, SW_UNAVAILABLE);
    else
        again(sim, request_index, node->symbol_us);
}

void sim_serve(struct sim *sim, uint32_t request_index)
{
    struct sim_request *request = &sim->requests[request_index];
    struct sim_node *node = &sim->nodes[request->node];

    switch (node->kind) {
    case SIM_DEAD:
        end(sim, request_index, SW_UNAVAILABLE);
        break;
    case SIM_BUSY:
        end(sim, request_index, SW_RESOURCE_EXHAUSTED);
        break;
    case SIM_STALLED:
        break;
    case SIM_SILENT:
        end(sim, request_index, SW_OK);
        break;
    case SIM_TRICKLE:
        say_activity(sim, request, false);
        again(sim, request_index, sim->options.wave.stall_timeout_us / 2);
        break;
    case SIM_FLOODS:
        say_unasked(sim, request);
        again(sim, request_index, node->symbol_us);
        break;
    default:
        serve_key(sim, request_index);
    }
}

void sim_answer_local(struct sim *sim, uint32_t first_key, uint32_t key_count)
{
    uint8_t value[SIM_VALUE_BYTES_MAX];

    for (uint32_t key = first_key; key < first_key + key_count; key++) {
        size_t bytes = sim_value(sim, key, value);
        if (!sim->states[key].local)
            continue;
        if (sim->states[key].local_is_bad)
            value[bytes - 1] ^= 1;
        struct sw_wave_event event = {
            .type = SW_WAVE_SYMBOL, .request = SW_WAVE_LOCAL, .key = sim->keys[key], .key_index = key, .bytes = bytes};
        event.digest = sw_key_of_value(value, bytes);
        for (uint64_t times = 1 + (sim_random(sim, 20) == 0); times > 0; times--)
            sim_step(sim, &event);
    }
    sim->local_open = false;
    struct sw_wave_event done = {.type = SW_WAVE_LOCAL_DONE};
    sim_step(sim, &done);
}
