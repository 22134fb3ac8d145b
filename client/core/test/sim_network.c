/*
 * The modelled network: nodes with bandwidths and round trips behind one downlink.
 *
 * A request reaches its node half a round trip after it was sent. What the node lacks it says at once; the symbols of
 * its requests it sends one at a time, round-robin, at its bandwidth. Each takes half a round trip, none overtaking
 * another of the node's, and then its time on the client's downlink. The bytes of a symbol whose request is aborted
 * meanwhile count as far as they were sent.
 */
#include "client/core/test/sim_ideal.h"
#include "client/core/test/sim_world.h"
#include <stddef.h>
#include <stdlib.h>

#define RETRANSMISSION_US 200000
#define RESTART_US        300000
#define TRICKLE_BYTES     1000 /* a second */
#define LOCAL_END_US      100  /* within which an aborted request's end is told */
#define NS_IN_SECOND      UINT64_C(1000000000)

const char *sim_trouble_name(enum sim_trouble trouble)
{
    static const char *const names[SIM_TROUBLES] = {"fine",  "ten times slower", "stalls",  "trickles",    "denying",
                                                    "lying", "restarts",         "cut off", "pushes back", "refusing",
                                                    "mute"};
    return names[trouble];
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static const struct sim_network *network_of(const struct sim *sim)
{
    return &sim->options.network;
}

/* Log-uniform: of density 1/x. Source: von Neumann's rejection method. */
static uint64_t random_bandwidth(struct sim *sim)
{
    uint64_t min = network_of(sim)->bandwidth_min, max = network_of(sim)->bandwidth_max, bandwidth;
    do
        bandwidth = min + sim_random(sim, max - min + 1);
    while (sim_random(sim, bandwidth) >= min);
    return bandwidth;
}

void sim_network_make(struct sim *sim)
{
    const struct sim_network *network = network_of(sim);
    uint32_t count = sim->options.node_count, *order = malloc(count * sizeof(*order)), next = 0;

    SIM_NEEDS(order);
    for (uint32_t n = 0; n < count; n++) {
        struct sim_node *node = &sim->nodes[n];
        uint64_t spread_us = network->round_trip_us_max - network->round_trip_us_min;
        node->symbol_ns = divide_up(network->symbol_bytes * NS_IN_SECOND, random_bandwidth(sim));
        node->round_trip_us = network->round_trip_us_min + sim_random(sim, spread_us + 1);
        node->first = node->last = SIM_NONE;
        uint32_t at = (uint32_t)sim_random(sim, n + 1);
        order[n] = order[at];
        order[at] = n;
    }
    for (int trouble = SIM_FINE + 1; trouble < SIM_TROUBLES; trouble++)
        for (uint32_t i = 0; i < divide_up(count * network->per_cent[trouble], 100) && next < count; i++)
            sim->nodes[order[next++]].trouble = (enum sim_trouble)trouble;
    for (uint32_t n = 0; n < count; n++) {
        const struct sim_node_script *script = network->script ? &network->script[n] : NULL;
        struct sim_node *node = &sim->nodes[n];
        if (script) {
            node->trouble = script->trouble;
            node->symbol_ns = divide_up(network->symbol_bytes * NS_IN_SECOND, script->bandwidth);
            node->round_trip_us = script->round_trip_us;
        }
        node->symbol_ns *= node->trouble == SIM_TEN_TIMES_SLOWER ? 10 : 1;
    }
    free(order);
}

static bool gives(const struct sim *sim, uint32_t node, uint32_t key)
{
    enum sim_trouble trouble = sim->nodes[node].trouble;
    return trouble != SIM_STALLS && trouble != SIM_TRICKLES && trouble != SIM_DENYING && trouble != SIM_LYING &&
           trouble != SIM_REFUSING && trouble != SIM_MUTE && !sim_copy_is_bad(sim, node, key);
}

bool sim_network_wants_key(const struct sim *sim, uint32_t key)
{
    const uint32_t *providers = &sim->providers[(size_t)key * sim->candidates];
    bool is_given = !network_of(sim)->all_obtainable;

    if (network_of(sim)->primaries && network_of(sim)->primaries[key] != providers[0])
        return false;
    for (uint32_t w = 0; w < sim->candidates; w++)
        is_given |= gives(sim, providers[w], key);
    return is_given && (!network_of(sim)->primaries_stall ||
                        (sim->nodes[providers[0]].trouble == SIM_STALLS && sim->candidates > 1 &&
                         sim->nodes[providers[1]].trouble != SIM_STALLS));
}

void sim_network_start(struct sim *sim)
{
    const struct sim_network *network = network_of(sim);

    for (uint32_t n = 0; n < sim->options.node_count; n++)
        if (sim->nodes[n].trouble == SIM_RESTARTS)
            sim_schedule(sim, sim_random(sim, network->restarts_by_us + 1),
                         (struct sim_event){.type = SIM_EVENT_RESTART, .index = n});
    if (network->jump_us > 0)
        sim_schedule(sim, network->jump_at_us, (struct sim_event){.type = SIM_EVENT_JUMP});
}

/* When a message that leaves at a time, from the node or from the client, is at the other end. */
static uint64_t transit(struct sim *sim, const struct sim_node *node, uint64_t leaves_us)
{
    const struct sim_network *network = network_of(sim);
    uint64_t half_us = node->round_trip_us / 2, jitter_us = half_us * network->jitter_per_cent / 100;
    uint64_t takes_us = half_us - jitter_us + sim_random(sim, 2 * jitter_us + 1), at_us = leaves_us + takes_us;
    bool is_cut =
        node->trouble == SIM_CUT_OFF && at_us >= network->cut_off_from_us && leaves_us < network->cut_off_to_us;

    return is_cut ? network->cut_off_to_us + takes_us : at_us;
}

void sim_network_send(struct sim *sim, uint32_t request_index)
{
    struct sim_request *request = &sim->requests[request_index];

    request->reaches_us = transit(sim, &sim->nodes[request->node], sim->now_us);
    sim_schedule_at(sim, request->reaches_us, (struct sim_event){.type = SIM_EVENT_REACHES, .index = request_index});
}

void sim_network_abort(struct sim *sim, uint32_t request_index)
{
    const struct sim_request *request = &sim->requests[request_index];
    uint64_t at_us = transit(sim, &sim->nodes[request->node], sim->now_us);

    sim_schedule(sim, sim_random(sim, LOCAL_END_US),
                 (struct sim_event){.type = SIM_EVENT_END, .index = request_index, .status = SW_CANCELLED});
    sim_schedule_at(sim, at_us > request->reaches_us ? at_us : request->reaches_us + 1,
                    (struct sim_event){.type = SIM_EVENT_CUT, .index = request_index});
}

/* The node says something, now, about a key or that it is through. */
static void say(struct sim *sim, uint32_t node_index, struct sim_event message)
{
    struct sim_node *node = &sim->nodes[node_index];
    uint64_t at_us = transit(sim, node, sim->world_us);

    if (message.what == SW_WAVE_SYMBOL && sim_random(sim, 1000) < network_of(sim)->lost_per_mille)
        at_us += RETRANSMISSION_US;
    if (at_us < node->last_message_us)
        at_us = node->last_message_us;
    node->last_message_us = at_us;
    message.type = SIM_EVENT_COMES;
    sim_schedule_at(sim, at_us, message);
}

static void say_end(struct sim *sim, uint32_t request_index, enum sw_status status, uint64_t pushback_us)
{
    say(sim, sim->requests[request_index].node,
        (struct sim_event){
            .index = request_index, .what = SW_WAVE_ENDED, .status = status, .pushback_us = pushback_us});
}

static bool has(const struct sim *sim, uint32_t node, uint32_t key)
{
    return sim->nodes[node].trouble != SIM_DENYING && sim_node_holds(sim, node, key);
}

/* Goes on to the next key that the node has, past the one that was sent. */
static void skip_missing(const struct sim *sim, struct sim_request *request)
{
    while (request->next_key < request->key_count && !has(sim, request->node, request->keys[request->next_key]))
        request->next_key++;
}

static void list_append(struct sim *sim, struct sim_node *node, uint32_t request_index)
{
    sim->requests[request_index].next = SIM_NONE;
    sim->requests[request_index].served = true;
    if (node->last == SIM_NONE)
        node->first = request_index;
    else
        sim->requests[node->last].next = request_index;
    node->last = request_index;
}

static void list_remove(struct sim *sim, struct sim_node *node, uint32_t request_index)
{
    uint32_t previous = SIM_NONE;

    for (uint32_t at = node->first; at != request_index; at = sim->requests[at].next)
        previous = at;
    uint32_t next = sim->requests[request_index].next;
    if (previous == SIM_NONE)
        node->first = next;
    else
        sim->requests[previous].next = next;
    if (node->last == request_index)
        node->last = previous;
    sim->requests[request_index].served = false;
}

/* What does not fit into max_bytes is left out, the first of it with its size. */
static void leave_out_rest(struct sim *sim, uint32_t request_index)
{
    struct sim_request *request = &sim->requests[request_index];
    uint64_t bytes = network_of(sim)->symbol_bytes;

    for (; request->next_key < request->key_count; request->next_key++, skip_missing(sim, request)) {
        say(sim, request->node,
            (struct sim_event){.index = request_index,
                               .what = SW_WAVE_LEFT_OUT,
                               .key = request->keys[request->next_key],
                               .count = (uint32_t)bytes});
        bytes = 0;
    }
}

/* Begins with the next symbol, if there is one and the node is not through with it all. */
static void send_next(struct sim *sim, uint32_t node_index)
{
    const struct sim_network *network = network_of(sim);
    struct sim_node *node = &sim->nodes[node_index];
    uint64_t now_ns = sim->world_us * 1000, start_ns = node->free_ns > now_ns ? node->free_ns : now_ns;

    if (node->sending || node->first == SIM_NONE || (node->trouble == SIM_STALLS && node->symbols_sent > 0))
        return;
    if (node->trouble == SIM_CUT_OFF && start_ns / 1000 >= network->cut_off_from_us &&
        start_ns / 1000 < network->cut_off_to_us)
        start_ns = network->cut_off_to_us * 1000;
    node->sending = true;
    node->sending_since_ns = start_ns;
    node->sending_ns = node->trouble == SIM_TRICKLES && node->symbols_sent > 0
                           ? network->symbol_bytes * NS_IN_SECOND / TRICKLE_BYTES
                           : node->symbol_ns;
    node->free_ns = start_ns + node->sending_ns;
    sim_schedule_at(sim, divide_up(node->free_ns, 1000),
                    (struct sim_event){.type = SIM_EVENT_SENT, .index = node_index, .count = ++node->sending_number});
}

/* The request goes on with its next symbol when its turn comes again, or is through. */
static void next_turn(struct sim *sim, uint32_t request_index)
{
    struct sim_request *request = &sim->requests[request_index];

    skip_missing(sim, request);
    if (request->next_key < request->key_count &&
        request->sent_bytes + network_of(sim)->symbol_bytes > request->max_bytes)
        leave_out_rest(sim, request_index);
    if (request->next_key < request->key_count)
        list_append(sim, &sim->nodes[request->node], request_index);
    else
        say_end(sim, request_index, SW_OK, 0);
}

static void on_sent(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->index];
    uint32_t request_index = node->first;

    if (!node->sending || node->sending_number != event->count)
        return;
    struct sim_request *request = &sim->requests[request_index];
    node->sending = false;
    node->symbols_sent++;
    request->sent_bytes += network_of(sim)->symbol_bytes;
    sim->result.wire_bytes += network_of(sim)->symbol_bytes;
    say(sim, event->index,
        (struct sim_event){.index = request_index, .what = SW_WAVE_SYMBOL, .key = request->keys[request->next_key++]});
    list_remove(sim, node, request_index);
    next_turn(sim, request_index);
    send_next(sim, event->index);
}

/* The node stops serving a request; what it has sent of a symbol is on the wire. */
static void cut(struct sim *sim, uint32_t request_index)
{
    uint32_t node_index = sim->requests[request_index].node;
    struct sim_node *node = &sim->nodes[node_index];
    uint64_t now_ns = sim->world_us * 1000;

    if (!sim->requests[request_index].served)
        return;
    if (node->sending && node->first == request_index) {
        uint64_t sent_ns = now_ns > node->sending_since_ns ? now_ns - node->sending_since_ns : 0;
        sim->result.wire_bytes += network_of(sim)->symbol_bytes * sent_ns / node->sending_ns;
        node->sending = false;
        node->free_ns = now_ns;
    }
    list_remove(sim, node, request_index);
    send_next(sim, node_index);
}

static void on_reaches(struct sim *sim, uint32_t request_index)
{
    struct sim_request *request = &sim->requests[request_index];
    struct sim_node *node = &sim->nodes[request->node];

    if (node->trouble == SIM_MUTE)
        return;
    if (sim->world_us < node->refuses_until_us || node->trouble == SIM_REFUSING) {
        say_end(sim, request_index, SW_UNAVAILABLE, 0);
        return;
    }
    if (node->trouble == SIM_PUSHES_BACK && node->refused < network_of(sim)->pushbacks) {
        node->refused++;
        sim->result.pushed_back++;
        say_end(sim, request_index, SW_RESOURCE_EXHAUSTED, network_of(sim)->pushback_us);
        return;
    }
    for (uint32_t i = 0; i < request->key_count; i++)
        if (!has(sim, request->node, request->keys[i]))
            say(sim, request->node,
                (struct sim_event){.index = request_index, .what = SW_WAVE_MISSING, .key = request->keys[i]});
    request->next_key = 0;
    next_turn(sim, request_index);
    send_next(sim, request->node);
}

static void on_restart(struct sim *sim, uint32_t node_index)
{
    struct sim_node *node = &sim->nodes[node_index];

    node->refuses_until_us = sim->world_us + RESTART_US;
    while (node->first != SIM_NONE) {
        uint32_t request_index = node->first;
        cut(sim, request_index);
        say_end(sim, request_index, SW_UNAVAILABLE, 0);
    }
}

/* Everything passes the downlink in turn; the engine is told of each request's answers in their order. */
static void on_comes(struct sim *sim, struct sim_event message)
{
    const struct sim_network *network = network_of(sim);
    struct sim_request *request = &sim->requests[message.index];
    uint64_t now_ns = sim->world_us * 1000;

    if (sim->downlink_free_ns < now_ns)
        sim->downlink_free_ns = now_ns;
    if (message.what == SW_WAVE_SYMBOL)
        sim->downlink_free_ns += network->symbol_bytes * NS_IN_SECOND / network->downlink;
    message.type = message.what == SW_WAVE_ENDED ? SIM_EVENT_END : SIM_EVENT_ARRIVES;
    uint64_t arrived_us = divide_up(sim->downlink_free_ns, 1000);
    uint64_t told_us = arrived_us + sim_random(sim, network->lag_us_max + 1);
    if (told_us < request->told_us)
        told_us = request->told_us;
    message.arrived_us = arrived_us + sim_random(sim, (told_us - arrived_us) / 2 + 1);
    request->told_us = told_us;
    sim_schedule_at(sim, told_us, message);
}

/* Whether the node had a trouble and has got over it. */
static bool has_recovered(const struct sim *sim, const struct sim_node *node)
{
    return (node->trouble == SIM_RESTARTS && node->refuses_until_us > 0 && sim->world_us > node->refuses_until_us) ||
           (node->trouble == SIM_CUT_OFF && sim->world_us > network_of(sim)->cut_off_to_us) ||
           (node->trouble == SIM_PUSHES_BACK && node->refused > 0);
}

static void on_arrives(struct sim *sim, const struct sim_event *message)
{
    const struct sim_request *request = &sim->requests[message->index];
    struct sw_wave_event event = {.type = message->what,
                                  .request = request->id,
                                  .key = sim->keys[message->key],
                                  .arrived_us = sim_arrived_us(sim, message)};
    uint8_t value[SIM_VALUE_BYTES_MAX];

    if (request->ended)
        return;
    if (event.type == SW_WAVE_LEFT_OUT)
        event.bytes = message->count;
    if (event.type == SW_WAVE_SYMBOL) {
        size_t bytes = sim_value(sim, message->key, value);
        value[0] ^= sim->nodes[request->node].trouble == SIM_LYING || sim_copy_is_bad(sim, request->node, message->key);
        event.digest = sw_key_of_value(value, bytes);
        event.bytes = network_of(sim)->symbol_bytes;
        sim->result.recovered_symbols += has_recovered(sim, &sim->nodes[request->node]);
    }
    sim_step(sim, &event);
}

void sim_network_event(struct sim *sim, const struct sim_event *event)
{
    if (event->type == SIM_EVENT_REACHES)
        on_reaches(sim, event->index);
    else if (event->type == SIM_EVENT_CUT)
        cut(sim, event->index);
    else if (event->type == SIM_EVENT_SENT)
        on_sent(sim, event);
    else if (event->type == SIM_EVENT_COMES)
        on_comes(sim, *event);
    else if (event->type == SIM_EVENT_ARRIVES)
        on_arrives(sim, event);
    else
        on_restart(sim, event->index);
}

uint64_t sim_network_ideal_us(const struct sim *sim)
{
    const struct sim_network *network = network_of(sim);
    uint32_t nodes = sim->options.node_count, keys = sim->options.key_count, k = sim->candidates;
    struct sim_ideal_node *ideal = calloc(nodes, sizeof(*ideal));
    uint32_t *usable = malloc((size_t)keys * k * sizeof(*usable));

    SIM_NEEDS(ideal && usable);
    for (uint32_t n = 0; n < nodes; n++) {
        const struct sim_node *node = &sim->nodes[n];
        bool gives_none = node->trouble == SIM_DENYING || node->trouble == SIM_LYING || node->trouble == SIM_REFUSING ||
                          node->trouble == SIM_MUTE;
        uint64_t half_us = node->round_trip_us / 2;
        /* As fast as jitter allows. */
        ideal[n].round_trip_ns = 2000 * (half_us - half_us * network->jitter_per_cent / 100);
        ideal[n].first_ns = ideal[n].next_ns = node->symbol_ns;
        ideal[n].symbols_max = gives_none ? 0 : node->trouble == SIM_STALLS ? 1 : UINT32_MAX;
        if (node->trouble == SIM_TRICKLES)
            ideal[n].next_ns = network->symbol_bytes * NS_IN_SECOND / TRICKLE_BYTES;
    }
    for (size_t i = 0; i < (size_t)keys * k; i++) {
        uint32_t node = sim->providers[i], key = (uint32_t)(i / k);
        bool is_usable = sim_node_holds(sim, node, key) && !sim_copy_is_bad(sim, node, key);
        usable[i] = is_usable && ideal[node].symbols_max > 0 ? node : SIM_IDEAL_NONE;
    }
    uint64_t us =
        sim_ideal_us(&(struct sim_ideal){.nodes = ideal,
                                         .node_count = nodes,
                                         .candidates = usable,
                                         .key_count = keys,
                                         .candidate_count = k,
                                         .required = sim->options.required,
                                         .downlink_ns = network->symbol_bytes * NS_IN_SECOND / network->downlink});
    free(ideal);
    free(usable);
    return us;
}
