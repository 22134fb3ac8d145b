/*
 * One retrieval at work: what retrieve.c (the caller's thread, the engine's actions, the sink) and request.c (what
 * comes from the nodes) share.
 *
 * The engine is stepped under the client's lock, by whichever thread has an event for it. A request's messages are
 * handled one at a time, in order, by a task; several requests' at once. Good symbols queue up for the caller's thread,
 * which gives them to the sink one by one: a sink that blocks holds up its own retrieval and no other.
 */
#ifndef SW_RETRIEVAL_H
#define SW_RETRIEVAL_H

#include "client/io/client_internal.h"

struct request;
struct delivery;
struct trace;
struct proofs;

struct retrieval {
    /* constant once it runs */
    struct sw_client *client;
    struct sw_retrieve_options options;
    const struct sw_sink *sink;
    uint64_t keys_duplicate;
    uint64_t keys_total; /* distinct */
    uint64_t started_us;
    uint64_t deadline_us;
    struct sw_timer timer;
    struct cancel_hook cancel_hook;

    /*
     * Constant during a leg. When the client's nodes change, the engine is closed, and the keys that are not there yet
     * go into another leg, with an engine on the new nodes.
     */
    struct node_set *nodes;
    const struct sw_key *keys; /* distinct */
    struct sw_key *keys_copy;  /* what keys points to where it is not the caller's list */
    uint32_t *caller_index;    /* of each key in the caller's list; NULL where they are the same */
    uint32_t key_count;
    struct earlier_legs {
        uint32_t count;
        struct sw_report *report;  /* of all of them; NULL: there were none */
        bool is_whole;             /* there was memory for all of it */
        uint64_t delivered, bytes; /* symbols in the sink, and their bytes */
        sw_wave_request trace_ids; /* the highest that was told */
    } before;

    atomic_bool over; /* what still comes is not worth looking at; set with done, read by any thread */

    /* under the client's lock */
    struct retrieval *next; /* in the client's list */
    struct sw_wave_engine *engine;
    struct request *requests; /* in flight */
    struct delivery *first_delivery, **last_delivery;
    bool timer_set; /* the timer is armed, or its task queued or running */
    uint64_t timer_at_us;
    bool cancelled;     /* by the caller */
    bool nodes_changed; /* since the leg began */
    bool closing;       /* the engine was told to come to an end, for that */
    bool done;          /* the engine said so */
    enum sw_status status;
    struct sw_error error;                   /* the sink's */
    uint32_t local_first, local_count;       /* keys to ask of the local store; count 0: none */
    char **last_errors;                      /* one a node; NULL where there was none */
    struct trace *first_trace, **last_trace; /* requests that are over, to be told */
    uint64_t proof_count;
    struct proofs *proofs; /* NULL before the first */
    uint64_t first_symbol_us;
    uint64_t budget_high_water_bytes;
    pthread_cond_t changed; /* done, local_count, first_delivery, news, or the last of requests, timer_set has gone */
};

/* What the engine said about the symbol of a step. */
enum verdict {
    VERDICT_NONE,
    VERDICT_DELIVER,
    VERDICT_DROP
};

/*
 * Steps the engine and carries out its actions. For a symbol, tells the verdict, and the key that it is. Under the
 * client's lock.
 */
enum verdict sw_retrieval_step(struct retrieval *retrieval, struct sw_wave_event *event, uint32_t *key_index,
                               enum sw_wave_drop *reason);

/* Sets a timer to run the engine at a time, if it is not set to one before that. Under the client's lock. */
void sw_retrieval_wake_at(struct retrieval *retrieval, uint64_t at_us);

/* Remembers why a node failed; the text is copied. Under the client's lock. */
void sw_retrieval_note_error(struct retrieval *retrieval, uint32_t node, const char *text);

/* A good symbol on its way to the sink. */
struct delivery {
    struct delivery *next;
    struct arrival *arrival; /* what value points into; NULL where it points to copy */
    const uint8_t *value;
    size_t value_bytes;
    uint32_t node;
    uint32_t key_index;
    uint8_t copy[];
};

/* ---- deliver.c; under the client's lock, which the last two give back for a while ---- */

/* Queues a delivery, which becomes the retrieval's. */
void sw_retrieval_deliver(struct retrieval *retrieval, struct delivery *delivery);
/* Gives the first symbol that waits to the sink. */
void sw_retrieval_deliver_next(struct retrieval *retrieval);
/* Asks the local store for one batch. */
void sw_retrieval_ask_local(struct retrieval *retrieval);

void sw_delivery_free(struct delivery *delivery);

/* ---- watch.c; under the client's lock, which tell_news gives back for a while ---- */

/* A request, from when it is sent until the caller has been told of its end. */
struct trace {
    struct trace *next;
    struct sw_trace_request request;
    char error[SW_ERROR_MESSAGE_SIZE];
};

/* The trace of a request that is being sent, for request.c to fill; NULL without memory. */
struct trace *sw_trace_new(const struct retrieval *retrieval, const struct sw_wave_action *send);
/* Queues the trace, which becomes the retrieval's, its end being set; error is copied where that is SW_TRACE_FAILED. */
void sw_trace_over(struct retrieval *retrieval, struct trace *trace, const char *error);

/* A value that does not hash to the key that it came under. */
struct proof {
    uint32_t node;
    struct sw_key key;
    struct sw_key digest;
    uint64_t bytes;
};

/* As many as the caller's thread may be behind with; symwave/client.h has the number. */
#define PROOFS_QUEUED_MAX 256

struct proofs {
    uint32_t sample_count;
    struct proof sample[SW_REPORT_PROOF_SAMPLE_MAX];
    uint32_t queue_first, queued; /* to be told; a ring */
    struct proof queue[PROOFS_QUEUED_MAX];
};

/* Counts a proof, and keeps it where there is room. */
void sw_retrieval_note_proof(struct retrieval *retrieval, const struct proof *proof);
/* The proof as callers see it; its names live as long as the retrieval. */
struct sw_corrupt_proof sw_proof_named(const struct retrieval *retrieval, const struct proof *proof);

/* Whether there is something to tell, and telling one of it, on the caller's thread. */
bool sw_retrieval_has_news(const struct retrieval *retrieval);
void sw_retrieval_tell_news(struct retrieval *retrieval);

/* ---- leg.c; without the client's lock ---- */

/* No answer is late before, so that a node that was busy for a moment is not asked twice. */
#define SW_LEASE_US_MIN 50000

/* Makes the engine of a leg, on its nodes and its keys, of which so many are required. SW_NO_MEMORY. */
enum sw_status sw_leg_prepare(struct retrieval *retrieval, uint64_t required, struct sw_error *error);
/* Gives back what a leg has of its own. */
void sw_leg_clear(struct retrieval *retrieval);
/* Whether the leg ended because it was told to, for other nodes, and for nothing else. */
bool sw_leg_was_closed(const struct retrieval *retrieval);
/* Whether the retrieval goes on with other nodes: its leg was closed for them, or found too little without them. */
bool sw_leg_wants_next(const struct retrieval *retrieval);
/* Begins another leg, with the keys that are not there yet, on the client's nodes as they are now. SW_NO_MEMORY. */
enum sw_status sw_leg_next(struct retrieval *retrieval, struct sw_error *error);
/* The report of all legs, the caller's to free. NULL without memory. */
struct sw_report *sw_leg_report(struct retrieval *retrieval);

/* ---- request.c ---- */

/* Sends a request as the engine's action says; false without memory. Under the client's lock. */
bool sw_request_start(struct retrieval *retrieval, const struct sw_wave_action *send);
/* Cancels the request of a number, if it is still in flight. Under the client's lock. */
void sw_request_abort(struct retrieval *retrieval, sw_wave_request id, enum sw_trace_end why);
/* Gives up requests to nodes that another set has not. Under the client's lock. */
void sw_request_drop_gone(struct retrieval *retrieval, const struct node_set *nodes);
/*
 * Tells the engine which requests have brought something since it was last told. Returns whether it knows any as held.
 * Under the client's lock.
 */
bool sw_request_tell_activity(struct retrieval *retrieval, uint64_t now_us);

#endif
