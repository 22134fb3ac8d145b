/*
 * Tells a simulated retrieval for people to read: the world first, then a line for each thing that comes and each thing
 * that the engine does about it, with the time in ms. What the engine does is in capitals; when a lease is out or has
 * lapsed is read from its inside.
 */
#include "client/core/test/sim_world.h"
#include "client/core/wave_internal.h"
#include <inttypes.h>
#include <string.h>

static FILE *begin_line(const struct sim *sim, const char *word)
{
    fprintf(sim->options.trace, "%6" PRIu64 ".%" PRIu64 "  %-9s", sim->now_us / 1000, sim->now_us / 100 % 10, word);
    return sim->options.trace;
}

/* Requests are numbered in the order in which they were sent. */
static uint32_t number_of(struct sim *sim, sw_wave_request request)
{
    return (uint32_t)(sim_find_request(sim, request) - sim->requests) + 1;
}

static uint32_t key_of(const struct sim *sim, const struct sw_key *key)
{
    for (uint32_t i = 0; i < sim->options.key_count; i++)
        if (memcmp(&sim->keys[i], key, sizeof(*key)) == 0)
            return i;
    return SIM_NONE;
}

void sim_trace_world(const struct sim *sim)
{
    FILE *out = sim->options.trace;

    if (!out)
        return;
    for (uint32_t n = 0; n < sim->options.node_count; n++) {
        const struct sim_node *node = &sim->nodes[n];
        fprintf(out, "node %" PRIu32 ": a symbol takes %" PRIu64 " ms, a round trip %" PRIu64 " ms; %s\n", n,
                (node->symbol_ns + 500000) / 1000000, node->round_trip_us / 1000, sim_trouble_name(node->trouble));
    }
    for (uint32_t key = 0; key < sim->options.key_count; key++) {
        fprintf(out, "key %" PRIu32 ": nodes", key);
        for (uint32_t w = 0; w < sim->candidates; w++) {
            uint32_t node = sim->providers[(size_t)key * sim->candidates + w];
            fprintf(out, " %" PRIu32 "%s", node, sim_copy_is_bad(sim, node, key) ? " (bad copy)" : "");
        }
        fprintf(out, "\n");
    }
    fprintf(out, "required: %" PRIu32 " of %" PRIu32 "\n\n", sim->options.required, sim->options.key_count);
}

/* SYMBOL, TAKEN and TICK are not told: what they lead to is. */
void sim_trace_event(struct sim *sim, const struct sw_wave_event *event)
{
    static const char *const words[] = {
        [SW_WAVE_MISSING] = "missing", [SW_WAVE_LEFT_OUT] = "left out", [SW_WAVE_ENDED] = "ended"};

    if (!sim->options.trace || event->type >= sizeof(words) / sizeof(words[0]) || !words[event->type])
        return;
    FILE *out = begin_line(sim, words[event->type]);
    const struct sim_request *request = sim_find_request(sim, event->request);
    if (event->type == SW_WAVE_ENDED)
        fprintf(out, "request %" PRIu32 " to node %" PRIu32 ": %s", number_of(sim, event->request), request->node,
                sw_status_name(event->status));
    else
        fprintf(out, "key %" PRIu32 " at node %" PRIu32, key_of(sim, &event->key), request->node);
    if (event->pushback_us > 0)
        fprintf(out, ", leave me alone for %" PRIu64 " ms", event->pushback_us / 1000);
    fprintf(out, "\n");
}

static void trace_send(const struct sim *sim, const struct sw_wave_action *action, FILE *out)
{
    fprintf(out, "request %zu to node %" PRIu32 ": key%s", sim->request_count + 1, action->node,
            action->key_count > 1 ? "s" : "");
    for (uint32_t i = 0; i < action->key_count; i++)
        fprintf(out, " %" PRIu32, action->keys[i]);
    fprintf(out, "%s%s\n", action->verify ? ", to be verified" : "", action->hedge ? ", a hedge" : "");
}

/* What came and what becomes of it. */
static void trace_symbol(struct sim *sim, const struct sw_wave_event *event, FILE *out)
{
    fprintf(out, "key %" PRIu32 " from ", key_of(sim, &event->key));
    if (event->request == SW_WAVE_LOCAL)
        fprintf(out, "the local store");
    else
        fprintf(out, "node %" PRIu32, sim_find_request(sim, event->request)->node);
}

void sim_trace_leases(struct sim *sim)
{
    static const char *const words[WAVE_LEASES] = {
        [WAVE_LEASE_OUT] = "may be asked elsewhere too", [WAVE_LEASE_LAPSED] = "counts as not asked"};

    if (!sim->options.trace || sim->done)
        return;
    for (uint32_t slot = 0; slot < sim->engine->slots; slot++) {
        const struct wave_request *request = &sim->engine->requests[slot];
        /* Those that are being sent in this step have not been told of yet. */
        if (request->id == 0 || request->aborted || request->id / sim->engine->slots > sim->request_count)
            continue;
        struct sim_request *told = sim_find_request(sim, request->id);
        if (told->lease_told != request->lease && request->open > 0)
            fprintf(begin_line(sim, "late"), "request %" PRIu32 " to node %" PRIu32 ": what is open in it %s\n",
                    number_of(sim, request->id), request->node, words[request->lease]);
        told->lease_told = request->lease;
    }
}

void sim_trace_action(struct sim *sim, const struct sw_wave_event *event, const struct sw_wave_action *action)
{
    static const char *const words[] = {
        [SW_WAVE_ASK_LOCAL] = "LOCAL", [SW_WAVE_SEND] = "SEND", [SW_WAVE_ABORT] = "ABORT",
        [SW_WAVE_DELIVER] = "DELIVER", [SW_WAVE_DROP] = "DROP", [SW_WAVE_DONE] = "DONE"};
    static const char *const reasons[SW_WAVE_DROPS] = {[SW_WAVE_DROP_CORRUPT] = "corrupt",
                                                       [SW_WAVE_DROP_UNASKED] = "unasked",
                                                       [SW_WAVE_DROP_DUPLICATE] = "a duplicate",
                                                       [SW_WAVE_DROP_LATE] = "too late",
                                                       [SW_WAVE_DROP_HEDGE] = "had from elsewhere"};

    if (!sim->options.trace)
        return;
    if (action->type == SW_WAVE_SEND) /* why it is sent comes first */
        sim_trace_leases(sim);
    FILE *out = begin_line(sim, words[action->type]);
    switch (action->type) {
    case SW_WAVE_ASK_LOCAL:
        fprintf(out, "keys %" PRIu32 " to %" PRIu32 "\n", action->first_key, action->first_key + action->key_count - 1);
        break;
    case SW_WAVE_SEND:
        trace_send(sim, action, out);
        break;
    case SW_WAVE_ABORT:
        fprintf(out, "request %" PRIu32 " to node %" PRIu32 "\n", number_of(sim, action->request),
                sim_find_request(sim, action->request)->node);
        break;
    case SW_WAVE_DELIVER:
        trace_symbol(sim, event, out);
        fprintf(out, "\n");
        break;
    case SW_WAVE_DROP:
        trace_symbol(sim, event, out);
        fprintf(out, ": %s\n", reasons[action->reason]);
        break;
    case SW_WAVE_DONE:
        fprintf(out, "%s\n", sw_status_name(action->status));
        break;
    }
}
