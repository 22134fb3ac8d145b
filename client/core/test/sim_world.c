/* The simulated world: values, nodes and what they say, the local store, and what happens when. */
#include "client/core/test/sim_world.h"
#include "common/blake3.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}

/* Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014 (SplitMix64). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t sim_random(struct sim *sim, uint64_t below)
{
    sim->random_state += UINT64_C(0x9e3779b97f4a7c15);
    return below ? mix(sim->random_state) % below : 0;
}

size_t sim_value(const struct sim *sim, uint32_t key, uint8_t value[SIM_VALUE_BYTES_MAX])
{
    uint64_t words[SIM_VALUE_BYTES_MAX / 8];
    words[0] = (uint64_t)key << 32 | (uint32_t)sim->options.seed;
    for (size_t i = 1; i < SIM_VALUE_BYTES_MAX / 8; i++)
        words[i] = mix(words[i - 1]);
    memcpy(value, words, SIM_VALUE_BYTES_MAX);
    return 8 + words[1] % (SIM_VALUE_BYTES_MAX - 7);
}

bool sim_node_holds(const struct sim *sim, uint32_t node, uint32_t key)
{
    uint64_t chance = mix(sim->options.seed ^ mix((uint64_t)node << 32 | key));
    return sim->states[key].exists && chance % 1000 < sim->options.held_per_mille;
}

void sim_schedule(struct sim *sim, uint64_t delay_us, struct sim_event event)
{
    event.at_us = sim->now_us + delay_us;
    event.sequence = sim->event_sequence++;
    if (sim->event_count == sim->event_size) {
        sim->event_size = sim->event_size * 2 + 64;
        sim->events = realloc(sim->events, sim->event_size * sizeof(*sim->events));
        assert_non_null(sim->events);
    }
    size_t at = sim->event_count++;
    while (at > 0 && sim->events[(at - 1) / 2].at_us > event.at_us) {
        sim->events[at] = sim->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->events[at] = event;
}

static bool is_earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

struct sim_event sim_next_event(struct sim *sim)
{
    struct sim_event first = sim->events[0], last = sim->events[--sim->event_count];
    size_t at = 0, child;

    while ((child = at * 2 + 1) < sim->event_count) {
        if (child + 1 < sim->event_count && is_earlier(&sim->events[child + 1], &sim->events[child]))
            child++;
        if (!is_earlier(&sim->events[child], &last))
            break;
        sim->events[at] = sim->events[child];
        at = child;
    }
    sim->events[at] = last;
    return first;
}

static uint64_t prefix_of(const struct sw_key *key)
{
    uint64_t prefix = 0;
    for (int i = 0; i < 8; i++)
        prefix = prefix << 8 | key->bytes[i];
    return prefix;
}

/*
 * The design's formula, told again from its text: the K nodes nearest by XOR, and of them number (base + w) mod k in
 * wave w, base being the hash of the key's text and the task.
 */
static void find_providers(struct sim *sim, uint32_t key, const char *task)
{
    uint64_t distances[SW_ROUTE_CANDIDATES_MAX] = {0}, hash = UINT64_C(1469598103934665603);
    uint32_t nearest[SW_ROUTE_CANDIDATES_MAX] = {0}, count = 0, k = sim->candidates;
    char text[SW_KEY_BASE58_SIZE];

    for (uint32_t n = 0; n < sim->options.node_count; n++) {
        uint64_t distance = prefix_of(&sim->nodes[n].place) ^ prefix_of(&sim->keys[key]);
        uint32_t i = count < k ? count++ : k;
        for (; i > 0 && distances[i - 1] > distance; i--) {
            if (i < k) {
                distances[i] = distances[i - 1];
                nearest[i] = nearest[i - 1];
            }
        }
        if (i < k) {
            distances[i] = distance;
            nearest[i] = n;
        }
    }
    sw_key_to_base58(&sim->keys[key], text);
    for (const char *c = text; *c; c++)
        hash = (hash ^ (uint8_t)*c) * UINT64_C(1099511628211);
    for (const char *c = task; *c; c++)
        hash = (hash ^ (uint8_t)*c) * UINT64_C(1099511628211);
    for (uint32_t w = 0; w < k; w++)
        sim->providers[(size_t)key * k + w] = nearest[(hash % k + w) % k];
}

static enum sim_kind kind_for(const struct sim_options *options, uint32_t number)
{
    if (options->fault_count > 0)
        return options->faults[number % options->fault_count];
    return (enum sim_kind)(1 + (number + options->seed) % (SIM_KINDS - 1));
}

static void make_nodes(struct sim *sim)
{
    const struct sim_options *options = &sim->options;
    uint32_t faulty = options->node_count * options->fault_per_cent / 100;

    for (uint32_t i = 0; i < options->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];
        char name[16];
        int length = snprintf(name, sizeof(name), "node-%04u", i);
        node->place = sw_key_of_value(name, (size_t)length);
        node->latency_us = 200 + sim_random(sim, 2000);
        node->symbol_us = 10 + sim_random(sim, 50);
    }
    for (uint32_t i = 0; i < faulty; i++) {
        uint32_t n = (uint32_t)sim_random(sim, options->node_count);
        while (sim->nodes[n].kind != SIM_HONEST)
            n = (n + 1) % options->node_count;
        sim->nodes[n].kind = kind_for(options, i);
        if (sim->nodes[n].kind == SIM_SLOW)
            sim->nodes[n].latency_us = options->wave.stall_timeout_us / 2;
        if (sim->nodes[n].kind == SIM_SLUGGISH)
            sim->nodes[n].latency_us = options->wave.stall_timeout_us * 5 / 4;
    }
}

static void make_key(struct sim *sim, uint32_t key)
{
    uint8_t value[SIM_VALUE_BYTES_MAX];
    struct sim_key *state = &sim->states[key];
    size_t bytes = sim_value(sim, key, value);

    sim->keys[key] = sw_key_of_value(value, bytes);
    find_providers(sim, key, "task");
    state->exists = sim_random(sim, 1000) < sim->options.exist_per_mille;
    state->local = sim_random(sim, 1000) < sim->options.local_per_mille;
    state->local_is_bad = state->local && sim_random(sim, 10) == 0;
    for (uint32_t w = 0; w < sim->candidates; w++) {
        uint32_t node = sim->providers[(size_t)key * sim->candidates + w];
        state->obtainable |= sim->nodes[node].kind < SIM_GIVING_KINDS && sim_node_holds(sim, node, key);
    }
    state->obtainable |= state->local && !state->local_is_bad && sim->options.wave.local_keys_max > 0;
    sim->result.obtainable += state->obtainable;
}

void sim_world_make(struct sim *sim)
{
    const struct sim_options *options = &sim->options;
    uint32_t k = options->wave.candidates < options->node_count ? options->wave.candidates : options->node_count;
    struct sw_key *places = make(options->node_count, sizeof(*places));

    sim->random_state = options->seed;
    sim->candidates = k;
    sim->nodes = make(options->node_count, sizeof(*sim->nodes));
    sim->health = make(options->node_count, sizeof(*sim->health));
    sim->keys = make(options->key_count, sizeof(*sim->keys));
    sim->states = make(options->key_count, sizeof(*sim->states));
    sim->providers = make((size_t)options->key_count * k, sizeof(*sim->providers));
    sim->asked = make((size_t)options->key_count * k, sizeof(*sim->asked));
    sim->budget.limit_bytes = options->budget_bytes;
    make_nodes(sim);
    for (uint32_t i = 0; i < options->node_count; i++)
        places[i] = sim->nodes[i].place;
    sim->table = sw_route_table_new(places, options->node_count);
    assert_non_null(sim->table);
    free(places);
    for (uint32_t key = 0; key < options->key_count; key++)
        make_key(sim, key);
}

void sim_world_free(struct sim *sim)
{
    for (size_t i = 0; i < sim->request_count; i++)
        free(sim->requests[i].keys);
    free(sim->requests);
    free(sim->events);
    free(sim->nodes);
    free(sim->health);
    free(sim->keys);
    free(sim->states);
    free(sim->providers);
    free(sim->asked);
    sw_route_table_free(sim->table);
}

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
