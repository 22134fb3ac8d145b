/*
 * A healthy network in memory, on a virtual clock, that drives a wave engine through one retrieval and records every
 * event. The engine is deterministic, so the record can be replayed against a fresh engine with nothing else under way.
 */
#ifndef SW_BENCH_ENGINE_NETWORK_H
#define SW_BENCH_ENGINE_NETWORK_H

#include "client/core/wave.h"

#define NETWORK_NODES        50
#define NETWORK_SYMBOL_BYTES 65536

struct network_case {
    const char *name;
    uint32_t key_count, required;
    uint64_t bandwidth_min, bandwidth_max; /* bytes a second; of a node: log-uniform between them */
    uint64_t round_trip_us_min, round_trip_us_max;
    uint64_t downlink; /* bytes a second */
    uint64_t sink_ns;  /* for a symbol */
};

/* An event as it is kept: keys are known by their index. */
struct tape_event {
    sw_wave_request request;
    uint64_t now_us;
    uint32_t key_index;
    uint8_t type, status;
};

struct tape {
    struct tape_event *events;
    size_t count, size;
    uint64_t actions;   /* that the engine answered with, in all */
    uint32_t delivered; /* keys */
};

/* What an engine is made of; health and budget as they are before a retrieval. */
struct network_setup {
    struct sw_wave_options options;
    struct sw_key *keys;
    struct sw_route_table *table;
    struct sw_wave_node_health health[NETWORK_NODES];
    struct sw_budget budget;
};

struct network_setup network_setup_new(const struct network_case *what);
void network_setup_clear(struct network_setup *setup);
/* Makes an engine, with health and budget as of old. Ends the program where there is no memory. */
struct sw_wave_engine *network_engine_new(struct network_setup *setup, const struct network_case *what);

/* The event as the engine takes it; keys: a copy of the setup's, as they would come with the answers. */
struct sw_wave_event network_event(const struct tape_event *event, const struct sw_key *keys);

/* Runs the retrieval to its end and that of everything under way. The caller frees the events. */
struct tape network_record(struct network_setup *setup, const struct network_case *what);

#endif
