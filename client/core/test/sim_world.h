/*
 * The inside of the simulation.
 *
 *     sim.c          the run: what happens next, and the engine is told
 *     sim_account.c  the account kept of the engine, and what it must never do
 *     sim_world.c    nodes, keys and values; what happens when
 *     sim_nodes.c    what nodes say that answer in no time and misbehave in every way
 *     sim_network.c  nodes with bandwidths and round trips
 *     sim_trace.c    telling it
 */
#ifndef SW_TEST_SIM_WORLD_H
#define SW_TEST_SIM_WORLD_H

#include "client/core/test/sim.h"
#include "client/core/test/sim_ideal.h"

#define SIM_VALUE_BYTES_MAX 64
#define SIM_NONE            UINT32_MAX

struct sim_node {
    struct sw_key place;
    enum sim_kind kind;
    uint64_t latency_us, symbol_us;
    uint32_t in_flight;
    uint64_t last_us;        /* when it was given work while it had none, or its last answer reached this machine */
    uint64_t silence_end_us; /* the last silence of the shortest lease or more ended then */

    /* In the modelled network. */
    enum sim_trouble trouble;
    uint64_t round_trip_us, symbol_ns;
    uint64_t last_message_us; /* when the last of its messages reaches the client: none overtakes another */
    uint32_t first, last;     /* the requests that it serves, a list, next turn first */
    bool sending;             /* a symbol of the first one is on its way out */
    uint32_t sending_number;  /* counts them, so that one that was cut off is not missed */
    uint64_t sending_since_ns, sending_ns, free_ns;
    uint32_t symbols_sent, refused;
    uint64_t refuses_until_us, left_alone_until_us;
};

enum sim_key_state {
    SIM_KEY_WANTED,
    SIM_KEY_DELIVERING,
    SIM_KEY_DELIVERED
};

struct sim_key {
    enum sim_key_state state;
    uint32_t open; /* requests that hold it */
    uint32_t salt; /* which of its possible values it has */
    bool exists, obtainable, local, local_is_bad, came_wrong, came_local;
};

enum {
    SIM_ASKED_NOW = 1,  /* asked, and not left out */
    SIM_ASKED_EVER = 2, /* asked at all */
    SIM_ASK_OPEN = 4,   /* in a live request, not answered */
    SIM_ASK_LEFT_OUT = 8,
};

/* What is between a key and one of its candidates. */
struct sim_ask {
    uint32_t request; /* the last that asked */
    uint8_t flags;
};

struct sim_request {
    sw_wave_request id;
    uint32_t node;
    uint32_t *keys;
    uint32_t key_count, next_key;
    uint32_t open; /* keys that are not answered */
    uint64_t max_bytes, sent_bytes;
    uint64_t sent_us;
    uint64_t last_us; /* when it was sent, or what answered a key last reached this machine */
    bool was_late;    /* silent for the shortest lease once */
    bool leaves_out;  /* max_bytes is reached */
    bool waited;      /* the answer at hand waits on our side */
    bool aborted, ended;
    uint8_t lease_told; /* in the trace */

    /* In the modelled network. */
    uint32_t next;       /* in its node's list */
    bool served;         /* in that list */
    uint64_t reaches_us; /* its node */
    uint64_t told_us;    /* when the engine is told what came last */
};

enum sim_event_type {
    SIM_EVENT_SERVE, /* index: request */
    SIM_EVENT_END,   /* index: request */
    SIM_EVENT_SINK,  /* index: key */
    SIM_EVENT_LOCAL, /* index: first key */
    SIM_EVENT_RIVAL,
    SIM_EVENT_NOISE,
    SIM_EVENT_CANCEL,
    SIM_EVENT_CLOSE,
    SIM_EVENT_REACHES, /* index: request; its node */
    SIM_EVENT_CUT,     /* index: request; the node learns that it was aborted */
    SIM_EVENT_SENT,    /* index: node; count: sending_number */
    SIM_EVENT_COMES,   /* index: request; what: reaches the downlink */
    SIM_EVENT_ARRIVES, /* index: request; what: the engine is told */
    SIM_EVENT_RESTART, /* index: node */
    SIM_EVENT_JUMP,
};

struct sim_event {
    uint64_t at_us, sequence;
    enum sim_event_type type;
    uint32_t index, count;
    enum sw_status status;
    enum sw_wave_event_type what; /* SYMBOL, MISSING, LEFT_OUT or ENDED */
    uint32_t key;
    uint64_t arrived_us, pushback_us;
};

struct sim {
    struct sim_options options;
    uint64_t random_state, now_us;
    uint64_t world_us;   /* behind now_us after a jump, until what came meanwhile has been told */
    uint32_t candidates; /* min(K, nodes) */

    struct sim_node *nodes;
    struct sw_wave_node_health *health;
    struct sw_key *keys;
    struct sim_key *states;
    uint32_t *providers;  /* of each key, wave by wave */
    struct sim_ask *asks; /* for each of them */
    struct sw_route_table *table;
    struct sw_budget budget;
    uint64_t rival_bytes;
    uint64_t downlink_free_ns;
    struct sw_wave_engine *engine;

    struct sim_request *requests;
    size_t request_count, request_size;
    uint32_t *request_table; /* by hash of the id: index + 1, or 0 */
    size_t request_table_size;
    struct sim_event *events; /* a heap, earliest first */
    size_t event_count, event_size;
    uint64_t event_sequence;

    uint32_t in_flight, keys_asked, keys_delivering, keys_delivered, deliveries;
    uint64_t blame;  /* held against the node of the event at hand, before it */
    uint32_t losers; /* requests aborted soon, for that nothing in them was open */
    uint32_t local_delivering;
    uint32_t keys_left_out; /* sent, and left out */
    uint32_t early_hedges;  /* keys asked once more before anybody was late */
    bool local_open, done, closed;
    struct sim_result result;
};

/* Fails the test unless condition holds, and says with which seed. */
#define SIM_MUST(sim, condition)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            sim_fail(sim, #condition, __FILE__, __LINE__);                                                             \
    } while (0)
void sim_fail(const struct sim *sim, const char *what, const char *file, int line);
/* Ends the running test, or the process where there is none. In sim_fail.c, or where a library has its own. */
_Noreturn void sim_end_test(const char *file, int line);

/* sim_world.c */
uint64_t sim_random(struct sim *sim, uint64_t below);
void sim_world_make(struct sim *sim);
void sim_world_free(struct sim *sim);
size_t sim_value(const struct sim *sim, uint32_t key, uint8_t value[SIM_VALUE_BYTES_MAX]);
bool sim_node_holds(const struct sim *sim, uint32_t node, uint32_t key);
/* Whether the copy at the node is bad. */
bool sim_copy_is_bad(const struct sim *sim, uint32_t node, uint32_t key);
void sim_schedule(struct sim *sim, uint64_t delay_us, struct sim_event event);
void sim_schedule_at(struct sim *sim, uint64_t at_us, struct sim_event event);
struct sim_event sim_next_event(struct sim *sim);

/* sim_nodes.c */
/* The node of a request says the next thing. */
void sim_serve(struct sim *sim, uint32_t request_index);
void sim_answer_local(struct sim *sim, uint32_t first_key, uint32_t key_count);

/* sim_network.c */
void sim_network_make(struct sim *sim);
/* Whether the key is one that this network is to have. */
bool sim_network_wants_key(const struct sim *sim, uint32_t key);
void sim_network_start(struct sim *sim);
void sim_network_send(struct sim *sim, uint32_t request_index);
void sim_network_abort(struct sim *sim, uint32_t request_index);
void sim_network_event(struct sim *sim, const struct sim_event *event);
uint64_t sim_network_ideal_us(const struct sim *sim);

/* sim_account.c */
struct sim_request *sim_find_request(struct sim *sim, sw_wave_request id);
/* What the engine must conclude from an event before it acts on it. */
void sim_account_event(struct sim *sim, const struct sw_wave_event *event);
void sim_account_send(struct sim *sim, const struct sw_wave_action *action);
void sim_account_abort(struct sim *sim, const struct sw_wave_action *action);
void sim_account_deliver(struct sim *sim, const struct sw_wave_event *event, const struct sw_wave_action *action);
void sim_account_drop(struct sim *sim, const struct sw_wave_event *event, const struct sw_wave_action *action);
void sim_account_done(struct sim *sim, const struct sw_wave_action *action);
/* What must hold after every step, and at the end. */
void sim_account_check(struct sim *sim);
void sim_account_check_end(struct sim *sim);

/* sim_trace.c: nothing where there is no trace */
void sim_trace_world(const struct sim *sim);
void sim_trace_event(struct sim *sim, const struct sw_wave_event *event);
void sim_trace_action(struct sim *sim, const struct sw_wave_event *event, const struct sw_wave_action *action);
void sim_trace_leases(struct sim *sim);

/* sim.c: passes an event to the engine and carries out, and checks, what it answers. */
void sim_step(struct sim *sim, struct sw_wave_event *event);
/* When a message reached the process; one that came while it stood still reaches it when it goes on. */
uint64_t sim_arrived_us(const struct sim *sim, const struct sim_event *message);

#endif
