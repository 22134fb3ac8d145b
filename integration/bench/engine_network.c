/*
 * The network of bench_engine. A node answers its requests one after the other, a symbol at a time, each at its rate
 * give or take a tenth; all symbols pass one downlink, and then one sink. Times are nanoseconds within and microseconds
 * for the engine.
 */
#include "integration/bench/engine_network.h"
#include "integration/bench/meter.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET_BYTES  ((uint64_t)32 << 20)
#define REQUESTS_MAX  128
#define HEDGES_MAX    (REQUESTS_MAX / 4 + 1)
#define SLOTS         (REQUESTS_MAX + HEDGES_MAX)
#define NODE_REQUESTS 4
#define REQUEST_KEYS  600
#define RING          4096 /* more than the budget has room for, and their requests' ends */
#define SECOND_NS     UINT64_C(1000000000)
#define TASK          "2024-07-01T00:00:00Z/main"

struct request {
    sw_wave_request id; /* 0: free */
    uint32_t node, key_count, fitting, next;
    uint32_t keys[REQUEST_KEYS];
    uint64_t ready_ns;        /* when it has reached its node */
    bool has_ended, has_news; /* its end is under way; something came since the engine was last told */
};

struct node {
    uint64_t symbol_ns, round_trip_ns;
    uint64_t next_ns; /* when its next symbol is out */
    struct request *queue[NODE_REQUESTS];
    uint32_t queued;
};

/* Something on its way to the engine. */
struct message {
    uint64_t at_ns;
    enum sw_wave_event_type type;
    struct request *request;
    uint32_t key_index;
};

/* Messages in the order in which they come. */
struct ring {
    struct message items[RING];
    size_t first, count;
    uint64_t free_ns; /* when what passes here is through with the last */
};

struct network {
    const struct network_case *what;
    const struct network_setup *setup;
    struct sw_wave_engine *engine;
    uint64_t now_ns;
    struct node nodes[NETWORK_NODES];
    struct request requests[SLOTS];
    struct ring downlink, sink;
    struct tape tape;
};

struct network_setup network_setup_new(const struct network_case *what)
{
    struct network_setup setup = {.keys = malloc(what->key_count * sizeof(*setup.keys)),
                                  .options = {.candidates = 6,
                                              .request_keys_max = REQUEST_KEYS,
                                              .requests_max = REQUESTS_MAX,
                                              .node_requests_max = NODE_REQUESTS,
                                              .window_keys_max = 12000,
                                              .stall_timeout_us = 2000000,
                                              .down_backoff_us = 500000,
                                              .symbol_bytes_guess = NETWORK_SYMBOL_BYTES,
                                              .value_bytes_max = 1 << 20,
                                              .request_bytes_aim = 1 << 20,
                                              .first_keys_max = sw_wave_first_keys(what->required, NETWORK_NODES),
                                              .queue_us = 20000,
                                              .lease_us_min = 50000,
                                              .lapse_us_min = 250000,
                                              .hedge_requests_max = HEDGES_MAX,
                                              .hedge_per_cent = 5,
                                              .hedge_keys_min = 32}};
    struct sw_key places[NETWORK_NODES];

    if (!setup.keys)
        meter_die("no memory");
    meter_seed(1); /* the same nodes in every case */
    for (size_t i = 0; i < NETWORK_NODES; i++)
        places[i] = meter_random_key();
    for (size_t i = 0; i < what->key_count; i++)
        setup.keys[i] = meter_random_key();
    setup.table = sw_route_table_new(places, NETWORK_NODES);
    if (!setup.table)
        meter_die("no memory");
    return setup;
}

void network_setup_clear(struct network_setup *setup)
{
    sw_route_table_free(setup->table);
    free(setup->keys);
}

struct sw_wave_engine *network_engine_new(struct network_setup *setup, const struct network_case *what)
{
    memset(setup->health, 0, sizeof(setup->health));
    setup->budget = (struct sw_budget){.limit_bytes = BUDGET_BYTES};
    struct sw_wave_engine *engine = sw_wave_engine_new(&setup->options, setup->keys, what->key_count, what->required,
                                                       TASK, setup->table, setup->health, &setup->budget);
    if (!engine)
        meter_die("no memory");
    return engine;
}

struct sw_wave_event network_event(const struct tape_event *event, const struct sw_key *keys)
{
    struct sw_wave_event full = {.type = (enum sw_wave_event_type)event->type,
                                 .now_us = event->now_us,
                                 .request = event->request,
                                 .key_index = event->key_index,
                                 .status = (enum sw_status)event->status};

    if (full.type == SW_WAVE_SYMBOL || full.type == SW_WAVE_LEFT_OUT) {
        full.key = full.digest = keys[event->key_index];
        full.bytes = NETWORK_SYMBOL_BYTES;
        full.arrived_us = event->now_us;
    }
    return full;
}

/* ---- on their way ---- */

static void push(struct ring *ring, struct message message, uint64_t after_ns, uint64_t takes_ns)
{
    if (ring->count == RING)
        meter_die("more is under way than the budget has room for");
    ring->free_ns = (ring->free_ns > after_ns ? ring->free_ns : after_ns) + takes_ns;
    message.at_ns = ring->free_ns;
    ring->items[(ring->first + ring->count++) % RING] = message;
}

static struct message pop(struct ring *ring)
{
    struct message message = ring->items[ring->first];
    ring->first = (ring->first + 1) % RING;
    ring->count--;
    return message;
}

static uint64_t time_of(const struct ring *ring)
{
    return ring->count > 0 ? ring->items[ring->first].at_ns : UINT64_MAX;
}

/* ---- nodes ---- */

static void plan_next(struct node *node, uint64_t now_ns)
{
    node->next_ns = UINT64_MAX;
    if (node->queued == 0)
        return;
    const uint64_t ready_ns = node->queue[0]->ready_ns;
    node->next_ns = (ready_ns > now_ns ? ready_ns : now_ns) + node->symbol_ns / 10 * (9 + meter_random() % 3);
}

static void leave_node(struct network *network, struct request *request)
{
    struct node *node = &network->nodes[request->node];
    uint32_t at = 0;

    while (node->queue[at] != request)
        at++;
    node->queued--;
    memmove(&node->queue[at], &node->queue[at + 1], (node->queued - at) * sizeof(node->queue[0]));
    request->has_ended = true;
    push(&network->downlink, (struct message){.type = SW_WAVE_ENDED, .request = request}, network->now_ns, 0);
    if (at == 0)
        plan_next(node, network->now_ns);
}

/* A node's next answer is out. */
static void serve(struct network *network, struct node *node)
{
    struct request *request = node->queue[0];
    const bool fits = request->next < request->fitting;
    struct message message = {.type = fits ? SW_WAVE_SYMBOL : SW_WAVE_LEFT_OUT,
                              .request = request,
                              .key_index = request->keys[request->next++]};

    push(&network->downlink, message, network->now_ns,
         fits ? NETWORK_SYMBOL_BYTES * SECOND_NS / network->what->downlink : 0);
    if (request->next == request->key_count)
        leave_node(network, request);
    else
        plan_next(node, network->now_ns);
}

static struct request *find(struct network *network, sw_wave_request id)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (network->requests[i].id == id)
            return &network->requests[i];
    meter_die("a request that is not there");
}

/* ---- the engine ---- */

static void send(struct network *network, const struct sw_wave_action *action)
{
    struct request *request = find(network, 0);
    struct node *node = &network->nodes[action->node];

    request->id = action->request;
    request->node = action->node;
    request->key_count = action->key_count;
    request->fitting = (uint32_t)(action->max_bytes / NETWORK_SYMBOL_BYTES);
    request->next = 0;
    request->ready_ns = network->now_ns + node->round_trip_ns;
    request->has_ended = request->has_news = false;
    memcpy(request->keys, action->keys, action->key_count * sizeof(*action->keys));
    node->queue[node->queued++] = request;
    if (node->queued == 1)
        plan_next(node, network->now_ns);
}

static void step(struct network *network, enum sw_wave_event_type type, sw_wave_request request, uint32_t key_index,
                 enum sw_status status)
{
    struct tape *tape = &network->tape;

    if (tape->count == tape->size) {
        tape->size = tape->size * 2 + 1024;
        tape->events = realloc(tape->events, tape->size * sizeof(*tape->events));
        if (!tape->events)
            meter_die("no memory");
    }
    struct tape_event *kept = &tape->events[tape->count++];
    *kept = (struct tape_event){request, network->now_ns / 1000, key_index, (uint8_t)type, (uint8_t)status};
    const struct sw_wave_event event = network_event(kept, network->setup->keys);
    const struct sw_wave_actions actions = sw_wave_step(network->engine, &event);
    tape->actions += actions.count;
    for (size_t i = 0; i < actions.count; i++) {
        const struct sw_wave_action *action = &actions.items[i];
        if (action->type == SW_WAVE_SEND)
            send(network, action);
        else if (action->type == SW_WAVE_ABORT && !find(network, action->request)->has_ended)
            leave_node(network, find(network, action->request));
        else if (action->type == SW_WAVE_DELIVER)
            push(&network->sink, (struct message){.type = SW_WAVE_TAKEN, .key_index = action->key_index},
                 network->now_ns, network->what->sink_ns);
    }
}

static void arrive(struct network *network, struct message message)
{
    struct request *request = message.request;
    const sw_wave_request id = request->id;
    const bool is_cut_short = message.type == SW_WAVE_ENDED && request->next < request->key_count;

    request->has_news = true;
    if (message.type == SW_WAVE_ENDED)
        request->id = 0;
    step(network, message.type, id, message.key_index, is_cut_short ? SW_CANCELLED : SW_OK);
}

/* As the client does: first it tells which requests have brought something, then the time. */
static void tick(struct network *network)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct request *request = &network->requests[i];
        if (request->id == 0 || !request->has_news)
            continue;
        request->has_news = false;
        step(network, SW_WAVE_ACTIVITY, request->id, 0, SW_OK);
    }
    step(network, SW_WAVE_TICK, 0, 0, SW_OK);
}

/* Lets happen what comes next; false at the end. */
static bool go_on(struct network *network)
{
    const uint64_t deadline_us = sw_wave_deadline(network->engine);
    const uint64_t deadline_ns = deadline_us == UINT64_MAX ? UINT64_MAX : deadline_us * 1000;
    const uint64_t came_ns = time_of(&network->downlink), taken_ns = time_of(&network->sink);
    uint64_t first_ns = came_ns < taken_ns ? came_ns : taken_ns;
    struct node *node = NULL;

    for (size_t i = 0; i < NETWORK_NODES; i++)
        if (network->nodes[i].next_ns < first_ns) {
            node = &network->nodes[i];
            first_ns = node->next_ns;
        }
    if (deadline_ns < first_ns)
        first_ns = deadline_ns;
    if (first_ns == UINT64_MAX)
        return false;
    network->now_ns = first_ns > network->now_ns ? first_ns : network->now_ns;
    if (first_ns == deadline_ns)
        tick(network);
    else if (node)
        serve(network, node);
    else if (first_ns == came_ns)
        arrive(network, pop(&network->downlink));
    else
        step(network, SW_WAVE_TAKEN, 0, pop(&network->sink).key_index, SW_OK);
    return true;
}

static double random_between(uint64_t min, uint64_t max)
{
    return (double)min * pow((double)max / (double)min, (double)(meter_random() >> 11) / 9007199254740992.0);
}

struct tape network_record(struct network_setup *setup, const struct network_case *what)
{
    struct network *network = calloc(1, sizeof(*network));

    if (!network)
        meter_die("no memory");
    network->what = what;
    network->setup = setup;
    network->engine = network_engine_new(setup, what);
    network->now_ns = SECOND_NS;
    meter_seed(2);
    for (size_t i = 0; i < NETWORK_NODES; i++) {
        struct node *node = &network->nodes[i];
        const double bandwidth = random_between(what->bandwidth_min, what->bandwidth_max);
        node->symbol_ns = (uint64_t)(NETWORK_SYMBOL_BYTES * 1e9 / bandwidth);
        node->round_trip_ns = (uint64_t)(random_between(what->round_trip_us_min, what->round_trip_us_max) * 1000);
        node->next_ns = UINT64_MAX;
    }
    step(network, SW_WAVE_START, 0, 0, SW_OK);
    while (go_on(network))
        continue;
    if (!sw_wave_is_done(network->engine))
        meter_die("the retrieval came to a stand");
    network->tape.delivered = (uint32_t)sw_wave_stats(network->engine)->delivered;
    if (network->tape.delivered < what->required)
        meter_die("the retrieval ended short");
    sw_wave_engine_free(network->engine);
    const struct tape tape = network->tape;
    free(network);
    return tape;
}
