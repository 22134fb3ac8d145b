/* The inside of the simulation: the world (sim_world.c), and the account kept of the engine (sim.c). */
#ifndef SW_TEST_SIM_WORLD_H
#define SW_TEST_SIM_WORLD_H

#include "client/core/test/sim.h"

#define SIM_VALUE_BYTES_MAX 64

struct sim_node {
    struct sw_key place;
    enum sim_kind kind;
    uint64_t latency_us, symbol_us;
    uint32_t in_flight;
};

enum sim_key_state {
    SIM_KEY_IDLE,
    SIM_KEY_ASKED,
    SIM_KEY_DELIVERING,
    SIM_KEY_DELIVERED
};

struct sim_key {
    enum sim_key_state state;
    uint32_t request; /* ASKED: of which request */
    bool exists, obtainable, local, local_is_bad, left_out, came_wrong, came_local;
};

struct sim_request {
    sw_wave_request id;
    uint32_t node;
    uint32_t *keys;
    uint32_t key_count, next_key;
    uint64_t max_bytes, sent_bytes;
    bool leaves_out; /* max_bytes is reached */
    bool waited;     /* the answer at hand waits on our side */
    bool aborted, ended;
};

enum sim_event_type {
    SIM_EVENT_SERVE, /* index: request */
    SIM_EVENT_END,   /* index: request */
    SIM_EVENT_SINK,  /* index: key */
    SIM_EVENT_LOCAL, /* index: first key */
    SIM_EVENT_RIVAL,
    SIM_EVENT_NOISE,
    SIM_EVENT_CANCEL,
};

struct sim_event {
    uint64_t at_us, sequence;
    enum sim_event_type type;
    uint32_t index, count;
    enum sw_status status;
};

struct sim {
    struct sim_options options;
    uint64_t random_state, now_us;
    uint32_t candidates; /* min(K, nodes) */

    struct sim_node *nodes;
    struct sw_wave_node_health *health;
    struct sw_key *keys;
    struct sim_key *states;
    uint32_t *providers; /* of each key, wave by wave */
    uint8_t *asked;      /* for each of them */
    struct sw_route_table *table;
    struct sw_budget budget;
    uint64_t rival_bytes;
    struct sw_wave_engine *engine;

    struct sim_request *requests;
    size_t request_count, request_size;
    struct sim_event *events; /* a heap, earliest first */
    size_t event_count, event_size;
    uint64_t event_sequence;

    uint32_t in_flight, keys_asked, keys_delivering, keys_delivered, deliveries;
    uint32_t local_delivering;
    bool local_open, done;
    struct sim_result result;
};

/* Fails the test unless condition holds, and says with which seed. */
#define SIM_MUST(sim, condition)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            sim_fail(sim, #condition, __FILE__, __LINE__);                                                             \
    } while (0)
void sim_fail(const struct sim *sim, const char *what, const char *file, int line);

/* sim_world.c */
uint64_t sim_random(struct sim *sim, uint64_t below);
void sim_world_make(struct sim *sim);
void sim_world_free(struct sim *sim);
size_t sim_value(const struct sim *sim, uint32_t key, uint8_t value[SIM_VALUE_BYTES_MAX]);
bool sim_node_holds(const struct sim *sim, uint32_t node, uint32_t key);
void sim_schedule(struct sim *sim, uint64_t delay_us, struct sim_event event);
struct sim_event sim_next_event(struct sim *sim);
/* The node of a request says the next thing. */
void sim_serve(struct sim *sim, uint32_t request_index);
void sim_answer_local(struct sim *sim, uint32_t first_key, uint32_t key_count);

/* sim.c: passes an event to the engine and carries out, and checks, what it answers. */
void sim_step(struct sim *sim, struct sw_wave_event *event);

#endif
