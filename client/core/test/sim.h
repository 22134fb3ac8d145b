/*
 * A simulated network for the wave engine: nodes, honest and not, a local store and a sink, on a virtual clock, all
 * from one seed. It drives the engine as the SDK does, keeps its own account of everything, and fails the running test,
 * with the seed, when the engine breaks one of its promises.
 */
#ifndef SW_TEST_SIM_H
#define SW_TEST_SIM_H

#include "client/core/wave.h"
#include <stdio.h>

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

/* What is the matter with a node of the modelled network. */
enum sim_trouble {
    SIM_FINE,
    SIM_TEN_TIMES_SLOWER,
    SIM_STALLS,      /* sends one symbol, ever */
    SIM_TRICKLES,    /* 1,000 bytes a second after its first symbol */
    SIM_DENYING,     /* lacks every key */
    SIM_LYING,       /* every symbol's bytes are wrong */
    SIM_RESTARTS,    /* once its requests end, and it refuses any for 300 ms */
    SIM_CUT_OFF,     /* unreachable for a while */
    SIM_PUSHES_BACK, /* its first requests are refused, with a time for which to leave it alone */
    SIM_REFUSING,    /* every request, as one that is down does */
    SIM_MUTE,        /* takes requests and says nothing, ever */
    SIM_TROUBLES
};

/* One node as a story has it. */
struct sim_node_script {
    enum sim_trouble trouble;
    uint64_t bandwidth, round_trip_us;
};

/*
 * A network with bandwidths and round trips. A node sends its requests' symbols round-robin, one at a time; all pass
 * the client's downlink in the order in which they reach it.
 */
struct sim_network {
    bool on;
    uint64_t bandwidth_min, bandwidth_max; /* bytes a second; of a node: log-uniform between them */
    uint64_t round_trip_us_min, round_trip_us_max;
    uint32_t jitter_per_cent;        /* of half a round trip: a message takes up to so much less or more */
    uint64_t downlink;               /* bytes a second */
    uint32_t symbol_bytes;           /* what every value weighs, whatever its real length */
    uint32_t per_cent[SIM_TROUBLES]; /* of the nodes, rounded up; no node has two troubles */
    uint32_t corrupt_per_mille;      /* of all copies: wrong bytes */
    uint32_t lost_per_mille;         /* of symbols: come 200 ms later, and all behind them in the connection */
    bool primaries_stall;            /* of every key the primary is of SIM_STALLS, and the second candidate is not */
    bool all_obtainable;             /* of every key there is a good copy at a node without lasting trouble */
    uint64_t restarts_by_us;         /* at a random time before */
    uint64_t cut_off_from_us, cut_off_to_us;
    uint32_t pushbacks; /* requests that are refused */
    uint64_t pushback_us;
    uint64_t lag_us_max;                  /* from a message's arrival until the engine is told */
    uint64_t jump_at_us, jump_us;         /* the process stands still at that time, for so long; 0: never */
    const struct sim_node_script *script; /* one a node, instead of random ones; NULL: none */
    const uint32_t *primaries;            /* one a key: the node that is to be its primary; NULL: as it comes */
    bool ideal;                           /* find the ideal too */
};

const char *sim_trouble_name(enum sim_trouble trouble);

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
    uint64_t close_at_us;   /* 0: never */
    uint32_t sink_fails_at; /* the delivery that the sink refuses, from 1; 0: none */
    bool rival;             /* others reserve from the budget and give back */
    bool health_noise;      /* others find nodes down or up */
    uint32_t check_every;   /* steps between two looks at the engine's whole inside */
    struct sw_wave_options wave;
    struct sim_network network;
    FILE *trace; /* where to tell what happens, line by line; NULL: nowhere */
};

/* 50 honest nodes, 10,000 keys that all of their candidates hold, all required; sizes about a thousandth of the SDK's.
 */
struct sim_options sim_defaults(uint64_t seed);

/* The same, 17 % required, in a healthy network, with the SDK's limits and symbols of 65,536 bytes. */
struct sim_options sim_network_defaults(uint64_t seed);

struct sim_result {
    enum sw_status status;
    uint64_t end_us; /* when the engine was done */
    uint64_t steps;
    uint32_t obtainable; /* keys that the local store or a candidate that gives what it holds would give */
    uint32_t delivered, lost;
    uint64_t keys_sent; /* over all requests, but for those that were left out */
    uint32_t keys_per_request_max;
    uint32_t kinds_met;         /* bit kind: a node of it was asked */
    uint64_t ideal_us;          /* the soonest that it could have been done, everything being known; 0: not found */
    uint64_t wire_bytes;        /* that nodes have sent of symbols, whole or in part */
    uint32_t keys_hedged;       /* asked while another request held them */
    uint32_t pushed_back;       /* requests refused with a time */
    uint32_t pushback_ignored;  /* requests sent to a node within the time for which it asked to be left alone */
    uint32_t recovered_symbols; /* that came from nodes whose passing trouble was over */
    struct sw_wave_stats stats; /* without nodes */
};

/* Runs one retrieval to its end and everything that is under way then to its own. */
struct sim_result sim_run(const struct sim_options *options);

/* Of N worlds of a kind, those that are run: the address sanitizer takes three times as long over each. */
#ifdef __SANITIZE_ADDRESS__
#define SIM_WORLDS(n) (((n) + 2) / 3)
#else
#define SIM_WORLDS(n) (n)
#endif

/* The seed of all seeds: SYMWAVE_SEED or 1; printed. */
uint64_t sim_seed(void);

#endif
