/*
 * A simulated network for the wave engine: nodes, honest and not, a local store and a sink, on a virtual clock, all
 * from one seed. It drives the engine as the SDK does, keeps its own account of everything, and fails the running test,
 * with the seed, when the engine breaks one of its promises.
 */
#ifndef SW_TEST_SIM_H
#define SW_TEST_SIM_H

#include "client/core/wave.h"

/* What a node does with a request. The first few give every key that they hold, whatever else they do. */
enum sim_kind {
    SIM_HONEST,
    SIM_SLOW,       /* half a stall timeout away */
    SIM_UNASKED,    /* a key that nobody asked for before each one that was */
    SIM_DUPLICATES, /* everything twice */
    SIM_BABBLES,    /* says all kinds of things about keys that were not asked */
    SIM_GIVING_KINDS,
    SIM_DEAD = SIM_GIVING_KINDS, /* refuses the connection */
    SIM_STALLED,                 /* takes the request and says nothing, ever */
    SIM_SLUGGISH,                /* says everything right, when it is too late */
    SIM_TRICKLE,                 /* something comes, but never an answer */
    SIM_BREAKS,                  /* half the answers, then an error */
    SIM_BAD_BYTES,
    SIM_WRONG_KEY,      /* right bytes under another key */
    SIM_EMPTY,          /* no bytes */
    SIM_OVER_MAX,       /* more bytes than were asked for */
    SIM_DENIES,         /* missing, all of them */
    SIM_SAYS_CORRUPT,   /* corrupt, all of them */
    SIM_SILENT,         /* ends well without an answer */
    SIM_LEAVES_OUT,     /* leaves out everything, without a size */
    SIM_LEAVES_FITTING, /* ... with a size that would have fitted */
    SIM_LEAVES_GROWING, /* ... with a size that is always a little too large */
    SIM_LEAVES_HUGE,    /* ... with a size beyond all limits */
    SIM_FLOODS,         /* unasked keys without end */
    SIM_BUSY,           /* has no room, ever */
    SIM_KINDS
};

const char *sim_kind_name(enum sim_kind kind);

struct sim_options {
    uint64_t seed;
    uint32_t node_count;
    uint32_t key_count;
    uint32_t required;
    uint32_t fault_per_cent; /* nodes that are of one of faults, in turn */
    uint32_t fault_count;    /* 0: all kinds but the honest one */
    enum sim_kind faults[4];
    uint32_t exist_per_mille; /* keys that anybody holds */
    uint32_t held_per_mille;  /* candidates of such a key that hold it */
    uint32_t local_per_mille; /* keys that the local store holds; one in ten of them is bad there */
    uint64_t hold_us_max;     /* time that an answer may wait on our own side */
    uint64_t sink_us_max;     /* time that the sink takes for a symbol */
    uint64_t budget_bytes;
    uint64_t cancel_at_us;  /* 0: never */
    uint32_t sink_fails_at; /* the delivery that the sink refuses, from 1; 0: none */
    bool rival;             /* others reserve from the budget and give back */
    bool health_noise;      /* others find nodes down or up */
    uint32_t check_every;   /* steps between two looks at the engine's whole inside */
    struct sw_wave_options wave;
};

/* 50 honest nodes, 10,000 keys that all of their candidates hold, all required; sizes about a thousandth of the SDK's.
 */
struct sim_options sim_defaults(uint64_t seed);

struct sim_result {
    enum sw_status status;
    uint64_t end_us; /* when the engine was done */
    uint64_t steps;
    uint32_t obtainable; /* keys that the local store or a candidate that gives what it holds would give */
    uint32_t delivered, lost;
    uint64_t keys_sent; /* over all requests */
    uint32_t keys_per_request_max;
    uint32_t kinds_met;         /* bit kind: a node of it was asked */
    struct sw_wave_stats stats; /* without nodes */
};

/* Runs one retrieval to its end and everything that is under way then to its own. */
struct sim_result sim_run(const struct sim_options *options);

/* The seed of all seeds: SYMWAVE_SEED or 1; printed. */
uint64_t sim_seed(void);

#endif
