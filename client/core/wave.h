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
};

/* The node's health, as far as one retrieval tells the next; grouped per client, guarded by its lock. */
struct sw_wave_node_health {
    uint64_t down_until_us; /* passed over until then, while a key has other candidates */
    uint32_t failures;      /* in a row */
    uint32_t corrupt;       /* wrong bytes, unasked keys: ever */
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
    SW_WAVE_SINK_FAILED, /* the sink did not take key_index: the retrieval ends with status */
    SW_WAVE_MISSING,     /* the node of request lacks key */
    SW_WAVE_CORRUPT,     /* the node of request holds key, and knows that its bytes are bad */
    SW_WAVE_LEFT_OUT,    /* the node of request did not send key for want of max_bytes; bytes: size of the one that did
                            not fit, 0 where it was not said */
    SW_WAVE_ACTIVITY,    /* something came with request; held: what came waits on our own side (hashing, sink) */
    SW_WAVE_ENDED,       /* request is over, after all that it brought; status says how */
    SW_WAVE_TICK,        /* the time that sw_wave_deadline told has come, or budget was given back elsewhere */
    SW_WAVE_CANCEL,      /* the caller gives up: status is SW_CANCELLED or SW_DEADLINE_EXCEEDED */
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
};

enum sw_wave_action_type {
    SW_WAVE_ASK_LOCAL, /* ask the local store for keys first_key to first_key + key_count */
    SW_WAVE_SEND,      /* send request to node for key_count keys, indexes in keys; with max_bytes and verify */
    SW_WAVE_ABORT,     /* cancel request; ENDED is still to come and is expected */
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
    uint32_t requests_in_flight;
    uint32_t keys_outstanding; /* asked of nodes and not answered, or being delivered */
    uint32_t wave_count;
    struct sw_wave_wave_stats waves[SW_ROUTE_CANDIDATES_MAX];
    const struct sw_wave_node_stats *nodes; /* one a node of the table */
};

struct sw_wave_engine;

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

bool sw_wave_is_done(const struct sw_wave_engine *engine);
const struct sw_wave_stats *sw_wave_stats(const struct sw_wave_engine *engine);

/* Whether a key has been delivered; and whether it was given up, every candidate having been asked. */
bool sw_wave_key_is_delivered(const struct sw_wave_engine *engine, uint32_t key_index);
bool sw_wave_key_is_lost(const struct sw_wave_engine *engine, uint32_t key_index);

#endif
