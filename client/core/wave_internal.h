/*
 * The inside of the wave engine: what its files share.
 *
 *     wave.c          making, the step and its events, the end
 *     wave_local.c    the caller's local store
 *     wave_plan.c     which key waits for which node, and which node is asked next
 *     wave_request.c  requests: sending, answers, ends, what is overdue
 *     wave_check.c    the invariant
 *
 * Everything is allocated when the engine is made; a step allocates nothing. A key's record is small and its candidates
 * are not kept: they are found again when the key is assigned again.
 */
#ifndef SW_WAVE_INTERNAL_H
#define SW_WAVE_INTERNAL_H

#include "client/core/wave.h"

#define SW_WAVE_NONE UINT32_MAX

/* Things held against a node in one retrieval, from which on it is asked only for what nobody else has. */
#define SW_WAVE_STRIKES_MAX 3
/* Requests in a row of which a node leaves out everything. One is honest, when symbols are larger than expected. */
#define SW_WAVE_FRUITLESS_MAX 3
/* How often in a row a node may be busy, without a symbol between, and its keys be asked of it again nevertheless. */
#define SW_WAVE_BUSY_MAX 8
/* A request is given up when what came unasked is more than this, its keys twice over, ... */
#define SW_WAVE_JUNK_SYMBOLS_MAX 16
/* ... or this often what it may bring in bytes. */
#define SW_WAVE_JUNK_BYTES_FACTOR 4
/* A request lives this many stall timeouts and the time of its bytes at this rate, so that no trickle holds keys. */
#define SW_WAVE_LIFE_STALLS        4
#define SW_WAVE_LIFE_BYTES_PER_SEC 65536
/* The backoff of a node that fails doubles this often. */
#define SW_WAVE_BACKOFF_DOUBLINGS 5

enum wave_key_state {
    WAVE_KEY_FRESH,      /* not yet in the window */
    WAVE_KEY_QUEUED,     /* waits in the queue of one node */
    WAVE_KEY_ASKED,      /* in one request */
    WAVE_KEY_DELIVERING, /* with the sink */
    WAVE_KEY_DELIVERED,
    WAVE_KEY_LOST, /* every candidate was asked */
    WAVE_KEY_LEFT, /* under way when the retrieval ended */
    WAVE_KEY_STATES
};

enum wave_key_flags {
    WAVE_KEY_VERIFY = 1,   /* came wrong once */
    WAVE_KEY_LEFT_OUT = 2, /* ASKED, and said to be left out: goes back to its node when the request ends */
    WAVE_KEY_LOCAL = 4,    /* came from the local store, so nothing is reserved for it */
};

struct wave_key {
    uint64_t bytes;     /* DELIVERING: of its value */
    uint32_t next;      /* QUEUED: the key behind it */
    uint32_t place;     /* QUEUED: the node; ASKED: the request's slot */
    uint16_t asked;     /* bit w: the candidate of wave w was asked, had time, and did not leave the key out */
    uint8_t base, wave; /* wave: that of the node it is queued at or was asked of last */
    uint8_t state, flags;
};

struct wave_node {
    uint32_t queue_first, queue_last, queued;
    uint32_t in_flight;
    uint32_t list, list_previous, list_next; /* which of the engine's lists it is in, SW_WAVE_NONE for none */
    uint32_t strikes;
    uint32_t fruitless;
    uint32_t busy;                 /* requests in a row that it had no room for */
    bool passed_over;              /* as the lists have it; the health may have moved on */
    sw_wave_request trusted_since; /* requests with a lower number were sent before its last failure */
    sw_wave_request sized_since;   /* ... before it was last fruitless */
    uint64_t symbol_bytes;         /* the largest symbol that it left out, by its own word */
};

struct wave_list {
    uint32_t first, last;
};

/* Where each kind of answer was last found in a request: a node answers in order, kind by kind. */
enum wave_cursor {
    WAVE_CURSOR_SYMBOL,
    WAVE_CURSOR_MISSING,
    WAVE_CURSOR_CORRUPT,
    WAVE_CURSOR_LEFT_OUT,
    WAVE_CURSORS
};

struct wave_request {
    sw_wave_request id; /* 0: the slot is free */
    uint32_t node;
    uint32_t key_count;
    uint32_t *keys;
    uint64_t *prefixes; /* the first bytes of each key */
    uint32_t cursors[WAVE_CURSORS];
    uint32_t answered; /* keys found, missing or corrupt */
    uint32_t left_out;
    uint32_t junk_symbols;
    uint64_t junk_bytes;
    uint64_t left_out_bytes; /* the largest size that was said with a key left out */
    uint64_t max_bytes;
    uint64_t reserved_bytes; /* of the budget; what of max_bytes has not come */
    uint64_t last_us;        /* sent, or answered last */
    uint64_t life_end_us;
    uint64_t held_since_us;
    bool held;
    bool aborted;
    bool probe; /* sent to a node that was passed over */
};

enum wave_phase {
    WAVE_IDLE,
    WAVE_LOCAL,
    WAVE_NETWORK,
    WAVE_DONE
};

struct sw_wave_engine {
    struct sw_wave_options options;
    const struct sw_key *keys;
    uint32_t key_count;
    uint32_t required;
    uint32_t candidates; /* options.candidates, or the number of nodes */
    const char *task;
    const struct sw_route_table *table;
    struct sw_wave_node_health *health;
    struct sw_wave_node_health *own_health; /* where the caller gave none */
    struct sw_budget *budget;

    enum wave_phase phase;
    uint64_t now_us;

    struct wave_key *states;
    uint32_t counts[WAVE_KEY_STATES];
    uint32_t fresh_next;              /* keys before it have been in the window or came from the local store */
    uint32_t local_next, local_count; /* the batch that the local store is asked for */

    struct wave_node *nodes;
    uint32_t queued_passed_over; /* keys queued at nodes that are passed over */
    /* Nodes to ask: lists[n], n < node_requests_max, by requests in flight; the last list: those passed over. */
    struct wave_list *lists;
    uint64_t wake_us; /* none of the last list is to be asked as any other before */

    struct wave_request *requests;
    uint32_t *free_slots;
    uint32_t free_count;
    uint32_t probes;      /* requests in flight at nodes passed over */
    uint64_t request_seq; /* a request's number is this times requests_max plus its slot */
    uint64_t overdue_us;  /* no request is overdue before */
    uint64_t reserved_bytes;
    uint64_t symbol_bytes; /* the largest that was good; 0 until one has come */
    bool wants_budget;

    struct sw_wave_action *actions;
    uint32_t action_count, actions_max;

    struct sw_wave_stats stats;
    struct sw_wave_node_stats *node_stats;
};

static inline uint64_t sw_wave_later(uint64_t now_us, uint64_t delay_us)
{
    return delay_us < UINT64_MAX - now_us ? now_us + delay_us : UINT64_MAX;
}

/* No request has this number or a higher one yet. */
static inline sw_wave_request sw_wave_next_request(const struct sw_wave_engine *engine)
{
    return (engine->request_seq + 1) * engine->options.requests_max;
}

/* wave.c */
struct sw_wave_action *sw_wave_act(struct sw_wave_engine *engine, enum sw_wave_action_type type);
void sw_wave_key_move(struct sw_wave_engine *engine, uint32_t key_index, enum wave_key_state state);
/* Keys that may still be asked, so that those asked and not delivered do not exceed what is still required. */
uint32_t sw_wave_need(const struct sw_wave_engine *engine);
void sw_wave_drop(struct sw_wave_engine *engine, const struct sw_wave_event *event, enum sw_wave_drop reason);
/* Aborts what is in flight; the retrieval is over. */
void sw_wave_finish(struct sw_wave_engine *engine, enum sw_status status);

/* wave_local.c */
void sw_wave_local_start(struct sw_wave_engine *engine);
void sw_wave_local_symbol(struct sw_wave_engine *engine, const struct sw_wave_event *event);
void sw_wave_local_done(struct sw_wave_engine *engine);
/* Goes on to the network when the local store has been asked and the sink has all that came of it. */
void sw_wave_local_through(struct sw_wave_engine *engine);

/* wave_plan.c */
/* Queues a key at the candidate whose turn it is, or gives it up when every candidate was asked. */
void sw_wave_assign(struct sw_wave_engine *engine, uint32_t key_index);
/* Puts a key that its node left out back to the front of that node's queue, unless the node is passed over. */
void sw_wave_assign_again(struct sw_wave_engine *engine, uint32_t key_index, uint32_t node);
/* The node failed request: it is passed over for a while, and what waits for it goes elsewhere. */
void sw_wave_node_failed(struct sw_wave_engine *engine, const struct wave_request *request);
/* The node answered request. */
void sw_wave_node_alive(struct sw_wave_engine *engine, const struct wave_request *request);
/* Holds something against the node. */
void sw_wave_node_strike(struct sw_wave_engine *engine, uint32_t node);
/* The number of the node's requests in flight has changed. */
void sw_wave_node_refresh(struct sw_wave_engine *engine, uint32_t node);
uint32_t sw_wave_queue_pop(struct sw_wave_engine *engine, uint32_t node);
/* Does all that can be done now: gives up what is overdue, fills the window, sends, ends. */
void sw_wave_pump(struct sw_wave_engine *engine);
/* How many keys only nodes passed over can still give, as far as is known. */
uint32_t sw_wave_shortage(const struct sw_wave_engine *engine);
/* Whether keys are queued at nodes that are passed over and have nothing in flight. */
bool sw_wave_waits_for_nodes(const struct sw_wave_engine *engine);

/* wave_request.c */
struct wave_request *sw_wave_request_find(struct sw_wave_engine *engine, sw_wave_request id);
/* Sends a request for the first keys in the node's queue; false where the budget has no room for it now. */
bool sw_wave_request_send(struct sw_wave_engine *engine, uint32_t node);
void sw_wave_request_symbol(struct sw_wave_engine *engine, const struct sw_wave_event *event);
/* MISSING, CORRUPT and LEFT_OUT. */
void sw_wave_request_answer(struct sw_wave_engine *engine, const struct sw_wave_event *event);
void sw_wave_request_activity(struct sw_wave_engine *engine, const struct sw_wave_event *event);
void sw_wave_request_ended(struct sw_wave_engine *engine, const struct sw_wave_event *event);
void sw_wave_request_abort_overdue(struct sw_wave_engine *engine);
void sw_wave_request_abort_all(struct sw_wave_engine *engine);

/* wave_check.c: looks at everything; for tests. NULL, or what does not hold. */
const char *sw_wave_check(const struct sw_wave_engine *engine);

#endif
