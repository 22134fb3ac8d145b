/* The simulated world: nodes, keys, values, who holds what, and what happens when. */
#include "client/core/test/sim_world.h"
#include "common/blake3.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    SIM_NEEDS(memory);
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
    words[0] = ((uint64_t)key << 32 | (uint32_t)sim->options.seed) + mix(sim->states[key].salt);
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

bool sim_copy_is_bad(const struct sim *sim, uint32_t node, uint32_t key)
{
    uint64_t chance = mix(~sim->options.seed ^ mix(((uint64_t)node << 32 | key) + mix(sim->states[key].salt)));
    return chance % 1000 < sim->options.network.corrupt_per_mille;
}

void sim_schedule(struct sim *sim, uint64_t delay_us, struct sim_event event)
{
    sim_schedule_at(sim, sim->now_us + delay_us, event);
}

void sim_schedule_at(struct sim *sim, uint64_t at_us, struct sim_event event)
{
    event.at_us = at_us;
    event.sequence = sim->event_sequence++;
    if (sim->event_count == sim->event_size) {
        sim->event_size = sim->event_size * 2 + 64;
        sim->events = realloc(sim->events, sim->event_size * sizeof(*sim->events));
        SIM_NEEDS(sim->events);
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
static void find_providers_by_hand(struct sim *sim, uint32_t key, const char *task)
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

/* Among many nodes a quicker way is taken, whose own tests hold it to the formula. */
static void find_providers(struct sim *sim, uint32_t key, const char *task)
{
    uint32_t nearest[SW_ROUTE_CANDIDATES_MAX], k = sim->candidates;

    if (sim->options.node_count <= 100) {
        find_providers_by_hand(sim, key, task);
        return;
    }
    sw_route_nearest(sim->table, &sim->keys[key], k, nearest);
    uint32_t base = sw_route_base(&sim->keys[key], task, k);
    for (uint32_t w = 0; w < k; w++)
        sim->providers[(size_t)key * k + w] = nearest[(base + w) % k];
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

    for (;; state->salt++) {
        size_t bytes = sim_value(sim, key, value);
        sim->keys[key] = sw_key_of_value(value, bytes);
        find_providers(sim, key, "task");
        if (!sim->options.network.on || sim_network_wants_key(sim, key))
            break;
    }
    state->exists = sim_random(sim, 1000) < sim->options.exist_per_mille;
    state->local = sim_random(sim, 1000) < sim->options.local_per_mille;
    state->local_is_bad = state->local && sim_random(sim, 10) == 0;
    for (uint32_t w = 0; w < sim->candidates; w++) {
        uint32_t node = sim->providers[(size_t)key * sim->candidates + w];
        state->obtainable |= sim->nodes[node].kind < SIM_GIVING_KINDS && sim->nodes[node].trouble == SIM_FINE &&
                             sim_node_holds(sim, node, key) && !sim_copy_is_bad(sim, node, key);
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
    sim->asks = make((size_t)options->key_count * k, sizeof(*sim->asks));
    sim->budget.limit_bytes = options->budget_bytes;
    make_nodes(sim);
    if (options->network.on)
        sim_network_make(sim);
    for (uint32_t i = 0; i < options->node_count; i++)
        places[i] = sim->nodes[i].place;
    sim->table = sw_route_table_new(places, options->node_count);
    SIM_NEEDS(sim->table);
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
    free(sim->asks);
    free(sim->request_table);
    sw_route_table_free(sim->table);
}
