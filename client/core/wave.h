/*
 * The wave engine: decides, for one retrieval, which key is asked of which node and when it is over.
 *
 * Pure: no system call, no thread, no clock. Whoever drives it passes events, with the time in them, and carries out
 * the actions it answers with, in their order. The driver hashes values; the engine judges them.
 *
 *     START -> (ASK_LOCAL -> SYMBOL.. LOCAL_DONE)* -> SEND.. -> {SYMBOL -> DELIVER -> TAKEN | MISSING | ..}* -> DONE
 *
 * After DONE every event is accepted and answered with nothing but DROP.
 */
#ifndef SW_WAVE_H
#define SW_WAVE_H

#include "client/core/budget.h"
#include "client/core/route.h"
#include "symwave/key.h"
#include "symwave/status.h"

/* Limits of one engine; the SDK's options and their reasons are in symwave/client.h. All must be set. */
struct sw_wave_options {
    uint32_t candidates;         /* K, 1 to SW_ROUTE_CANDIDATES_MAX */
    uint32_t request_keys_max;   /* keys in one request */
    uint32_t requests_max;       /* requests in flight */
    uint32_t node_requests_max;  /* requests in flight at one node */
    uint32_t window_keys_max;    /* keys in nodes' queues or asked */
    uint32_t local_keys_max;     /* keys in one ASK_LOCAL; 0: there is no local store */
    uint64_t stall_timeout_us;   /* a request without an answered key for this long is overdue */
    uint64_t down_backoff_us;    /* how long a node that failed is passed over at first; doubles up to 32 times */
    uint64_t symbol_bytes_guess; /* expected size of a symbol until one has come */
    uint64_t value_bytes_max;    /* a larger symbol is refused */
    uint64_t request_bytes_aim;  /* about how many bytes of symbols one request should ask for */
    bool in_order;               /* a key is asked only when those before it in the list cannot be enough */
    uint32_t first_keys_max;     /* keys asked at first of a node of which nothing is known */
    uint64_t queue_us;           /* work that should lie ready at a node beyond its round trip, at its rate */
    uint64_t lease_us_min;       /* no lease is shorter: 1.5 times what the node was expected to take, or this */
    uint64_t lapse_us_min;       /* a lease has lapsed after 4 times what was expected, or this */
    uint32_t hedge_requests_max; /* requests in flight beside requests_max, for keys whose leases are out */
    uint32_t hedge_per_cent;     /* of the keys asked: so many may be asked for beyond what is required */
    uint32_t hedge_keys_min;     /* or so many, where that is more */
};

/*
 * The node's health, as far as one retrieval tells the next; grouped per client, guarded by its lock. Its rate, its
 * silence, and what was good and bad of it fade with a half-life of a minute, so that no node is lost for ever.
 */
struct sw_wave_node_health {
    uint64_t down_until_us;        /* passed over until then, while a key has other candidates */
    uint64_t pushed_back_until_us; /* not asked until then, for it said so; unless it is also corrupt */
    uint32_t failures;             /* in a row */
    uint32_t corrupt;              /* wrong bytes, unasked keys: ever */
    uint64_t measured_us;          /* when what follows was last brought up to date; 0: never */
    uint64_t work_bytes;           /* that came ... */
    uint64_t work_us;              /* ... while the node had work: their ratio is its rate */
    uint64_t
        silent_us; /* that it has been silent since, with work to do: it counts as slow, and is expected as before */
    uint64_t first_us;  /* from a request to an idle node to its first symbol */
    uint64_t good, bad; /* symbols, in 1/256ths */
};

/* The number of a request; never 0, not used again within an engine. */
typedef uint64_t sw_wave_request;
#define SW_WAVE_LOCAL ((sw_wave_request)0)

enum sw_wave_event_type {
    SW_WAVE_START,
    /* A value has come with request (or SW_WAVE_LOCAL): key as claimed, digest as hashed by the driver, bytes. */
    SW_WAVE_SYMBOL,
    SW_WAVE_LOCAL_DONE,  /* the last ASK_LOCAL is answered */
    SW_WAVE_TAKEN,       /* the sink took key_index: it counts */
    SW_WAVE_SINK_FAILED, /* the sink did not take key_index: the retrieval ends with status, unless it is over */
    SW_WAVE_MISSING,     /* the node of request lacks key */
    SW_WAVE_CORRUPT,     /* the node of request holds key, and knows that its bytes are bad */
    SW_WAVE_LEFT_OUT,    /* the node of request did not send key for want of max_bytes; bytes: size of the one that did
                            not fit, 0 where it was not said */
    SW_WAVE_ACTIVITY,    /* something came with request; held: what came waits on our own side (hashing, sink) */
    SW_WAVE_ENDED,       /* request is over, after all that it brought; status says how */
    SW_WAVE_TICK,   /* the time that sw_wave_deadline told has come, or budget was given back elsewhere; what waits on
                       the driver's side has been told. Leases are looked at now, and then only */
    SW_WAVE_CANCEL, /* the caller gives up: status is SW_CANCELLED or SW_DEADLINE_EXCEEDED */
    SW_WAVE_CLOSE,  /* nothing more is to be asked: DONE comes, with SW_CANCELLED unless all is there, once nothing
                       outstanding is within its lease */
};

struct sw_wave_event {
    enum sw_wave_event_type type;
    uint64_t now_us;
    sw_wave_request request;
    struct sw_key key;
    struct sw_key digest;
    uint64_t bytes;
    uint32_t key_index;
    bool held;
    enum sw_status status;
    uint64_t arrived_us;  /* when what is told of reached this machine; 0: now */
    uint64_t pushback_us; /* ENDED: the node asks to be left alone for this long; 0: it does not */
};

enum sw_wave_action_type {
    SW_WAVE_ASK_LOCAL, /* ask the local store for keys first_key to first_key + key_count */
    SW_WAVE_SEND,      /* send request to node for key_count keys, indexes in keys; with max_bytes and verify */
    SW_WAVE_ABORT, /* cancel request; ENDED is still to come and is expected. status says why: SW_CANCELLED (not needed
                      any more), SW_DEADLINE_EXCEEDED (too slow), SW_RESOURCE_EXHAUSTED (slow, and others want what it
                      holds; its keys may be asked of the node again), SW_PROTOCOL_ERROR */
    SW_WAVE_DELIVER, /* the SYMBOL of this event is good: give it to the sink as key_index, answer TAKEN or SINK_FAILED
                      */
    SW_WAVE_DROP,    /* the SYMBOL of this event is not wanted: free it; reason says why */
    SW_WAVE_DONE,    /* over, with status; requests were aborted before it, deliveries under way may still end */
};

enum sw_wave_drop {
    SW_WAVE_DROP_CORRUPT,   /* does not hash to its key, or is too large */
    SW_WAVE_DROP_UNASKED,   /* a key that was not asked of this node */
    SW_WAVE_DROP_DUPLICATE, /* already delivered or answered */
    SW_WAVE_DROP_LATE,      /* after the end */
    SW_WAVE_DROP_HEDGE,     /* the key was asked of this node, and another's answer came first: nobody's fault */
    SW_WAVE_DROPS
};

struct sw_wave_action {
    enum sw_wave_action_type type;
    sw_wave_request request;
    uint32_t node;
    uint32_t first_key;
    uint32_t key_count;
    const uint32_t *keys; /* valid until the next step */
    uint64_t max_bytes;
    bool verify;
    bool hedge; /* the request is one of the hedges' */
    uint32_t key_index;
    enum sw_wave_drop reason;
    enum sw_status status;
};

/* The engine's; valid until the next step. */
struct sw_wave_actions {
    const struct sw_wave_action *items;
    size_t count;
};

struct sw_wave_wave_stats {
    uint64_t keys_asked, found, missing, failed, corrupt;
};

struct sw_wave_node_stats {
    uint64_t requests, requests_failed, keys_asked, found, missing, corrupt, bytes;
};

struct sw_wave_stats {
    uint64_t required, delivered, found_local, requests, requests_failed;
    uint64_t bytes_delivered, bytes_received, bytes_wasted, symbols_wasted;
    uint64_t wasted_bytes[SW_WAVE_DROPS]; /* bytes_wasted by cause */
    uint64_t hedges_sent, hedges_won;     /* keys of the hedges' requests; those of them that were delivered */
    uint64_t late_found;                  /* delivered though the lease was out */
    uint64_t leases_out, leases_lapsed;   /* keys whose lease ran out; lapsed */
    uint32_t requests_in_flight;
    uint32_t nodes_in_flight;  /* that have requests in flight */
    uint32_t keys_outstanding; /* asked of nodes, within their lease, or being delivered */
    uint32_t keys_late;        /* asked, all of their leases being out */
    uint32_t wave_count;
    struct sw_wave_wave_stats waves[SW_ROUTE_CANDIDATES_MAX];
    const struct sw_wave_node_stats *nodes; /* one a node of the table */
};

struct sw_wave_engine;

/* A good first_keys_max for a retrieval: no node should hold, before it is known, more than half its share of it. */
uint32_t sw_wave_first_keys(uint32_t required, uint32_t node_count);

/*
 * Makes an engine. keys (distinct), table, task, health (one a node of the table, or NULL) and budget are borrowed for
 * its life; required is 1 to key_count. NULL without memory.
 */
struct sw_wave_engine *sw_wave_engine_new(const struct sw_wave_options *options, const struct sw_key *keys,
                                          uint32_t key_count, uint32_t required, const char *task,
                                          const struct sw_route_table *table, struct sw_wave_node_health *health,
                                          struct sw_budget *budget);
/* Gives back what the engine still has reserved. NULL is allowed. */
void sw_wave_engine_free(struct sw_wave_engine *engine);

/* Takes one event. Never fails: without memory it ends the retrieval with SW_NO_MEMORY. */
struct sw_wave_actions sw_wave_step(struct sw_wave_engine *engine, const struct sw_wave_event *event);

/*
 * Raises what is required by more, which may pass the number of keys: the retrieval then ends short. Takes effect with
 * the next step; to be called before the TAKEN that would end the retrieval.
 */
void sw_wave_require_more(struct sw_wave_engine *engine, uint32_t more);

/* When the engine wants a TICK, in the events' time; UINT64_MAX for never. */
uint64_t sw_wave_deadline(const struct sw_wave_engine *engine);

/* Whether the engine would send more if the budget had room: a TICK is then due when another engine gives some back. */
bool sw_wave_wants_budget(const struct sw_wave_engine *engine);

/* One of the last symbols. */
struct sw_wave_tail_symbol {
    uint32_t key_index, node, wave;
    bool hedge;
    uint64_t asked_us, arrived_us; /* in the events' time */
};
/* The last of the symbols that came from nodes, in the order in which they came: a twentieth of those required at
 * first.
 */
uint32_t sw_wave_tail_count(const struct sw_wave_engine *engine);
struct sw_wave_tail_symbol sw_wave_tail_at(const struct sw_wave_engine *engine, uint32_t index);

/* The highest number that a request has had, or more; 0 before the first. */
sw_wave_request sw_wave_last_request(const struct sw_wave_engine *engine);

bool sw_wave_is_done(const struct sw_wave_engine *engine);
const struct sw_wave_stats *sw_wave_stats(const struct sw_wave_engine *engine);

/* Whether a key has been delivered; and whether it was given up, every candidate having been asked. */
bool sw_wave_key_is_delivered(const struct sw_wave_engine *engine, uint32_t key_index);
bool sw_wave_key_is_lost(const struct sw_wave_engine *engine, uint32_t key_index);

#endif
