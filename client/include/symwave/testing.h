/*
 * For tests of programs that use the SDK: nodes in the test's own process that do as they are told, a clock that stands
 * still, and a simulated network.
 *
 * In a library of its own, libsymwave-testing, which is linked beside libsymwave. Nothing here is a promise: names,
 * structs and what they do may differ in the next version.
 */
#ifndef SYMWAVE_TESTING_H
#define SYMWAVE_TESTING_H

#include "symwave/key.h"
#include "symwave/node_list.h"
#include "symwave/status.h"
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- nodes ---- */

/*
 * Nodes on loopback that speak the wire contract over real gRPC: RetrieveBatch, StoreBatch, GetNodeInfo and the health
 * service. What they hold is in memory, as much as it takes, and gone with them. They are called "node-0", "node-1" and
 * so on. All functions may be called from any thread, while clients are at work.
 */
struct sw_test_nodes;

#define SW_TEST_NODES_MAX  64
#define SW_TEST_EVERY_NODE UINT32_MAX

/* What a node does with a key that it is asked for, or with a whole request. */
enum sw_test_manner {
    SW_TEST_HONEST = 0,
    SW_TEST_BAD_BYTES,  /* one bit of the value is flipped */
    SW_TEST_WRONG_KEY,  /* another value, which the key is not of */
    SW_TEST_EMPTY,      /* no bytes */
    SW_TEST_DUPLICATES, /* each symbol twice */
    SW_TEST_UNASKED,    /* before each symbol another one that nobody asked for */
    SW_TEST_GARBAGE,    /* a message that is none */
    SW_TEST_LACKS,      /* "missing", whatever it holds */
    SW_TEST_CORRUPT,    /* "corrupt", whatever it holds */
    SW_TEST_SILENT,     /* nothing more, and no end: after the client's stall_timeout_ms it is given up */
    SW_TEST_ENDS,       /* nothing more, and an end as if all were well */
    SW_TEST_FAILS,      /* the call ends with the script's status, whatever is called: of a node's status too */
    SW_TEST_TRUNCATED,  /* the value without its second half */
    /* 1 MiB of zeros: more than symwaved sends, and not what was asked for; a request that sends more than was
       reserved for it is ended. */
    SW_TEST_OVERSIZED,
};

/*
 * How a node behaves; the report of a retrieval counts such a node's answers as `corrupt` (SW_TEST_BAD_BYTES,
 * WRONG_KEY, EMPTY and TRUNCATED, with a proof of each; DUPLICATES, UNASKED, CORRUPT) or `missing` (LACKS, ENDS), or
 * its requests as failed (GARBAGE, OVERSIZED, FAILS; SILENT once it is given up); that of a store its replicas as
 * failed. All zero: at once, and honestly. Of stores only latency_ms, read_only, SW_TEST_SILENT and SW_TEST_FAILS
 * count; one that fails keeps nothing, one that is silent keeps it. Set size to sizeof(struct sw_test_script).
 */
struct sw_test_script {
    size_t size;
    enum sw_test_manner manner;
    uint32_t after_answers;    /* the first so many keys of each request are answered honestly all the same */
    uint32_t latency_ms;       /* before the first answer to a request */
    uint64_t bytes_per_second; /* of values, each request by itself; 0: as fast as it goes */
    enum sw_status status;     /* of SW_TEST_FAILS, as symwaved would tell it by gRPC; SW_OK: SW_UNAVAILABLE */
    uint32_t pushback_ms;      /* told with it: to be left alone for so long; 0: nothing is told */
    bool read_only;            /* stores are refused (replicas_refused), and it says that it is not writable */
};

/* What came to a node since it was started. */
struct sw_test_counts {
    uint64_t requests;        /* RetrieveBatch calls */
    uint64_t keys_asked;      /* in them */
    uint64_t symbols_sent;    /* good or bad */
    uint64_t symbols_stored;  /* in StoreBatch calls that were answered; those that it held before count too */
    uint64_t requests_broken; /* RetrieveBatch calls that the client ended early */
};

/*
 * Starts 1 to SW_TEST_NODES_MAX nodes, which hold nothing and are honest; *nodes is the caller's to stop. Takes two
 * threads for all of them. SW_INVALID_ARGUMENT, SW_NO_MEMORY, SW_IO_ERROR.
 */
SW_PUBLIC enum sw_status sw_test_nodes_start(uint32_t count, struct sw_test_nodes **nodes, struct sw_error *error);

/* Ends them, and calls that are still under way; frees all they hold. NULL is allowed. */
SW_PUBLIC void sw_test_nodes_stop(struct sw_test_nodes *nodes);

/* A list of all of them, the i-th being node-i, for sw_client_open, which the caller frees with sw_node_list_free. NULL
 * without memory. */
SW_PUBLIC struct sw_node_list *sw_test_nodes_list(const struct sw_test_nodes *nodes);

/*
 * Sets how a node, or SW_TEST_EVERY_NODE, behaves towards requests that come from now on. The script is copied.
 * SW_INVALID_ARGUMENT: there is no such node.
 */
SW_PUBLIC enum sw_status sw_test_nodes_script(struct sw_test_nodes *nodes, uint32_t node,
                                              const struct sw_test_script *script, struct sw_error *error);

/*
 * Has a node, or SW_TEST_EVERY_NODE, hold a copy of a value of at least 1 byte; its key goes to *key, which may be
 * NULL. SW_INVALID_ARGUMENT, SW_NO_MEMORY.
 */
SW_PUBLIC enum sw_status sw_test_nodes_add(struct sw_test_nodes *nodes, uint32_t node, const void *value,
                                           size_t value_bytes, struct sw_key *key, struct sw_error *error);

/* Has a node, or SW_TEST_EVERY_NODE, lose a key. */
SW_PUBLIC void sw_test_nodes_remove(struct sw_test_nodes *nodes, uint32_t node, const struct sw_key *key);

/* Whether a node holds a key. */
SW_PUBLIC bool sw_test_nodes_hold(const struct sw_test_nodes *nodes, uint32_t node, const struct sw_key *key);

/* What came to a node; all zero for a node that there is not. counts_bytes is sizeof(struct sw_test_counts). */
SW_PUBLIC void sw_test_nodes_counts(const struct sw_test_nodes *nodes, uint32_t node, struct sw_test_counts *counts,
                                    size_t counts_bytes);

/* ---- time ---- */

/*
 * Stops the clock of the SDK, and of the nodes above, in the whole process: deadlines, timeouts, back-offs and
 * latencies are reached only by sw_test_clock_advance_ms, and reports tell times of this clock. To be called before
 * clients are opened and nodes started. What waits for a time waits for this clock, sw_call_wait and calls that block
 * with it: start a call that does not (symwave/call.h), and advance the clock while sw_call_wait(call, 0) is false.
 * Bytes travel as ever, and gRPC's own timers (to connect again, keepalive) run on. While it stands still each thread
 * that waits for a time looks at it once a real millisecond, sw_call_wait(call, 0) too, and the clock may be some steps
 * further when it does: to see that something ends at a time and not before, advance to the millisecond before it, see
 * that the call is not over, advance by one, and wait without going further. A deadline counts from when the call's
 * own thread begins, and what a node is late with from when it was asked: sw_test_nodes_counts shows that both have.
 * Clients are closed and nodes stopped while it stands still, too.
 */
SW_PUBLIC void sw_test_clock_stop(void);
/* Moves the clock that stands still on. */
SW_PUBLIC void sw_test_clock_advance_ms(uint64_t ms);
/* Lets it run again, from where it is. */
SW_PUBLIC void sw_test_clock_run(void);

/* ---- a simulated network ---- */

/* What is the matter with a simulated node. */
enum sw_test_trouble {
    SW_TEST_FINE = 0,
    SW_TEST_SLOWER,   /* ten times slower than it is described */
    SW_TEST_STALLS,   /* sends one symbol, ever */
    SW_TEST_TRICKLES, /* 1,000 bytes a second after its first symbol */
    SW_TEST_DENIES,   /* lacks every key */
    SW_TEST_LIES,     /* every symbol's bytes are wrong */
    SW_TEST_REFUSES,  /* every request, as one that is down does */
    SW_TEST_MUTE,     /* takes requests and says nothing, ever */
};

struct sw_test_network_node {
    uint64_t bytes_per_second;
    uint32_t round_trip_us;
    enum sw_test_trouble trouble;
};

/*
 * One retrieval over nodes that are described, each key being held by its nearest six. All of it is virtual: nothing is
 * sent, and ten minutes take a blink. The engine that decides is the SDK's own. Set size to the struct's.
 */
struct sw_test_network {
    size_t size;
    const struct sw_test_network_node *nodes;
    uint32_t node_count;                /* 1 to 10,000 */
    uint32_t key_count;                 /* 1 to 1,000,000 */
    uint32_t required;                  /* 1 to key_count */
    uint32_t symbol_bytes;              /* default 65,536; at most 1 MiB */
    uint64_t budget_bytes;              /* default 32 MiB */
    uint64_t downlink_bytes_per_second; /* of the client; default 125 MB/s */
    uint32_t jitter_per_cent;           /* of half a round trip: a message takes up to so much less or more */
    uint64_t seed;                      /* all that is random comes from it: where keys and nodes are, jitter */
};

struct sw_test_network_result {
    enum sw_status status; /* as a retrieval would have ended */
    uint64_t elapsed_us;   /* of virtual time */
    uint64_t found;        /* symbols */
    uint64_t keys_asked;   /* over all requests */
    uint64_t requests;
    uint64_t requests_failed;
    uint64_t bytes_sent; /* by nodes, of symbols, whole or in part, used or not */
    uint64_t hedges;     /* keys asked of a second node while the first might still answer */
    uint32_t waves;      /* the highest wave that was asked, and one */
};

/*
 * Runs it to its end. told, which may be NULL, gets a line of text for each thing that happens, with its time in
 * milliseconds. The same description gives the same result, byte for byte, and the same text. result_bytes is
 * sizeof(struct sw_test_network_result). SW_INVALID_ARGUMENT where the description is not one. Without memory, or where
 * the engine breaks a promise of its own, the process ends with a message.
 */
SW_PUBLIC enum sw_status sw_test_simulate(const struct sw_test_network *network, FILE *told,
                                          struct sw_test_network_result *result, size_t result_bytes,
                                          struct sw_error *error);

#ifdef __cplusplus
}
#endif

#endif
