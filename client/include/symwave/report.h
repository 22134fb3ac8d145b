/*
 * Reports: what a retrieval or a store did, in numbers.
 *
 * A report is made by the library and freed by the caller. Its structs only ever grow at their ends, and what there are
 * several of is a table of pointers, report->nodes[i]->found, so that a program need not be compiled again for a newer
 * library.
 */
#ifndef SYMWAVE_REPORT_H
#define SYMWAVE_REPORT_H

#include "symwave/key.h"
#include "symwave/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SW_WAVES_MAX 16

/*
 * What happened in one wave, wave 0 being each key's primary: a key whose primary has failed or lied of late begins in
 * a later one. Late and hedged symbols count in the wave of the request that they came by. Those that had come when the
 * retrieval had enough, or was ended, count too though they were not delivered: the sum of found over all waves is
 * found_network or more. One that came after another node's of the same key counts in none of these, but in
 * symbols_wasted, so that keys_asked may be more than what came of them.
 */
struct sw_report_wave {
    uint64_t keys_asked;
    uint64_t found;
    uint64_t missing; /* the node said that it lacks the key */
    uint64_t failed;  /* the request failed or was too slow before this key was answered; each time that it did */
    uint64_t corrupt; /* bytes came that do not hash to the key */
    /* Of the last twentieth of the symbols, as in struct sw_report. */
    uint64_t tail_symbols;
    uint64_t tail_wait_us;
};

/* What happened at one node. */
struct sw_report_node {
    const char *id;
    const char *address;
    uint64_t requests;
    /* Ended by an error or given up as too slow. Of a retrieval, not by a node that is busy and says for how long,
       which is no failure: last_error has that, and failed of a wave. */
    uint64_t requests_failed;
    uint64_t keys_asked;
    uint64_t found; /* good symbols that came, as in a wave; for a store placed or already there */
    uint64_t missing;
    uint64_t corrupt;                       /* wrong bytes, keys never asked for, duplicates */
    uint64_t bytes;                         /* of values, good or not */
    char last_error[SW_ERROR_MESSAGE_SIZE]; /* empty where there was none */
    /* Of a retrieval: its part of the last twentieth of the symbols, as in struct sw_report. */
    uint64_t tail_symbols;
    uint64_t tail_wait_us;
    /* Of a retrieval, as its client has measured the node, in this and earlier calls; 0 where it has not. */
    uint64_t rate_bytes_per_second; /* of values, while it had something to do */
    uint64_t first_symbol_us;       /* from a request to the node, when it has no other, to the first symbol */
};

/* Bytes that prove a node wrong: it sent them under a key to which they do not hash. */
struct sw_corrupt_proof {
    const char *node_id;
    const char *address;
    struct sw_key key;    /* as the node claims */
    struct sw_key digest; /* BLAKE3-256 of the bytes that came */
    uint64_t bytes;       /* how many those were */
};

/* A retrieval. */
struct sw_report {
    enum sw_status status;
    uint64_t keys;           /* distinct keys asked for */
    uint64_t keys_duplicate; /* more of the same in the caller's list */
    uint64_t required;
    uint64_t found_local;
    uint64_t found_network;
    uint64_t missing; /* required - found, when that is above 0 */
    uint64_t requests;
    uint64_t requests_failed;
    uint64_t bytes;          /* of values delivered to the sink, local ones included */
    uint64_t bytes_received; /* of values that came over the network */
    uint64_t bytes_wasted;   /* of those, what was not delivered; by cause below */
    uint64_t symbols_wasted;
    uint64_t budget_bytes;            /* the client's byte budget */
    uint64_t budget_high_water_bytes; /* the most of it that was reserved at once during this retrieval */
    uint64_t first_symbol_us;         /* from the start to the first symbol in the sink; 0 where none came */
    uint64_t elapsed_us;
    uint32_t wave_count; /* 1 + the highest wave that was asked; 0 where nobody was */
    const struct sw_report_wave *const *waves;
    uint64_t node_count;
    const struct sw_report_node *const *nodes; /* only nodes that were asked, in no order: see their ids */
    /* Some of the keys that every candidate was asked for in vain, if only since it failed; the caller's list order.
       All of them are those of which the sink was told no index. */
    uint64_t missing_sample_count;
    const struct sw_key *missing_sample;
    /* Values that do not hash to the keys under which they came: all of them, and the first. */
    uint64_t proof_count;
    uint64_t proof_sample_count;
    const struct sw_corrupt_proof *const *proofs;
    /* bytes_wasted by cause. */
    uint64_t wasted_corrupt_bytes;   /* wrong or too large */
    uint64_t wasted_unasked_bytes;   /* of keys that were not asked of the node */
    uint64_t wasted_duplicate_bytes; /* of keys that the node had answered */
    uint64_t wasted_late_bytes;      /* too late for the sink, or after their request was given up */
    uint64_t wasted_hedge_bytes;     /* asked of two nodes, hedge or lapsed lease; the other one's came first */
    /* Keys asked of a second node since the first was late: how many, whose symbol was taken, and the others. */
    uint64_t hedges_sent;
    uint64_t hedges_won;
    uint64_t hedges_lost;
    /*
     * A key is asked for a while, its lease: half as much again as the node was expected to take. late_found is how
     * many symbols were taken after that, leases_out how many leases ended without an answer, leases_lapsed how many of
     * them were so long over that the key counted as not asked.
     */
    uint64_t late_found;
    uint64_t leases_out;
    uint64_t leases_lapsed;
    /*
     * What a retrieval waits for at its end: the last symbols that came from nodes, a twentieth of those required, and
     * the time from the arrival of their first to that of their last. Nodes and waves say which part is theirs, and the
     * longest that one of their symbols took from being asked for to its arrival. Of several retrievals, sums, and the
     * longest.
     */
    uint64_t tail_symbols;
    uint64_t tail_us;
};

#define SW_REPORT_MISSING_SAMPLE_MAX 16
#define SW_REPORT_PROOF_SAMPLE_MAX   64

/* A store. A replica is one symbol on one node. */
struct sw_store_report {
    enum sw_status status;
    uint64_t symbols;          /* read from the source */
    uint64_t bytes;            /* of their values, each counted once */
    uint64_t replicas_wanted;  /* symbols x min(K, nodes) */
    uint64_t replicas_placed;  /* newly stored, durable */
    uint64_t replicas_present; /* already there */
    uint64_t replicas_refused; /* a node took the symbol and declined it */
    uint64_t replicas_failed;  /* the node was not reached, or failed or was too slow before it answered */
    uint64_t symbols_without_replica;
    uint64_t requests;
    uint64_t bytes_sent; /* of values, all replicas */
    uint64_t budget_bytes;
    uint64_t budget_high_water_bytes;
    uint64_t elapsed_us;
    uint64_t node_count;
    const struct sw_report_node *const *nodes;
    char first_failure[SW_ERROR_MESSAGE_SIZE]; /* empty where there was none */
};

/* Frees a report; NULL is allowed. */
SW_PUBLIC void sw_report_free(struct sw_report *report);
SW_PUBLIC void sw_store_report_free(struct sw_store_report *report);

/*
 * A report as a JSON object, NUL-terminated, whose members are named as the fields above; the caller frees it with
 * sw_free. NULL without memory. Any thread.
 */
SW_PUBLIC char *sw_report_to_json(const struct sw_report *report);
SW_PUBLIC char *sw_store_report_to_json(const struct sw_store_report *report);

#ifdef __cplusplus
}
#endif

#endif
