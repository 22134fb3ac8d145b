/*
 * The inside of the wave engine: what its files share.
 *
 *     wave.c          making, the step and its events, the end
 *     wave_local.c    the caller's local store
 *     wave_window.c   the keys that are at work, and which nodes could give each
 *     wave_rate.c     how fast a node is, and when an answer is due
 *     wave_plan.c     which key waits for which node, and which nodes are ready for more
 *     wave_pump.c     what is sent now: keys that wait, keys taken from slower nodes, keys whose lease is out
 *     wave_request.c  requests: sending, ends
 *     wave_answer.c   requests: what answers mean
 *     wave_lease.c    requests: what their keys may still expect
 *     wave_check.c    the invariant
 *
 * Everything is allocated when the engine is made; a step allocates nothing.
 */
#ifndef SW_WAVE_INTERNAL_H
#define SW_WAVE_INTERNAL_H

#include "client/core/wave.h"

#define SW_WAVE_NONE UINT32_MAX

/* Things held against a node in one retrieval, more than its good symbols, from which on it is asked only for what
 * nobody else has. */
#define SW_WAVE_STRIKES_MAX 3
/* Requests in a row of which a node leaves out everything. One is honest, when symbols are larger than expected. */
#define SW_WAVE_FRUITLESS_MAX 3
/* How often in a row a node may be busy or break off, without a symbol between, and still be asked the same again. */
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
/* Lists of nodes that are ready for a request, by the time in which they would answer its first key: two an octave. As
 * many as a word has bits. */
#define SW_WAVE_BUCKETS 64
/* Up to so many nodes it is counted which may take keys from which. */
#define SW_WAVE_COUNTED_NODES_MAX 256
/* The words of a set of nodes, then. */
#define SW_WAVE_SET_WORDS (SW_WAVE_COUNTED_NODES_MAX / 64)
/* Keys of a node's candidates that are looked at when it has nothing of its own to do. */
#define SW_WAVE_STEAL_LOOKS 512

enum wave_key_state {
    WAVE_KEY_FRESH,      /* not yet in the window */
    WAVE_KEY_QUEUED,     /* waits in the queue of one node */
    WAVE_KEY_ASKED,      /* in one request, or in several where leases are out */
    WAVE_KEY_DELIVERING, /* with the sink */
    WAVE_KEY_DELIVERED,
    WAVE_KEY_LOST, /* every candidate was asked */
    WAVE_KEY_LEFT, /* under way when the retrieval ended */
    WAVE_KEY_STATES
};

/* A lease: what a request's open keys may still expect of it. It only ever gets worse. */
enum wave_lease {
    WAVE_LEASE_RUNNING, /* the answer is not due yet */
    WAVE_LEASE_OUT,     /* it is: the hedge allowance may be used for it */
    WAVE_LEASE_LAPSED,  /* long: the key counts as not asked, though its answer is still welcome */
    WAVE_LEASES
};

enum wave_key_flags {
    WAVE_KEY_VERIFY = 1, /* came wrong once */
    WAVE_KEY_LOCAL = 2,  /* came from the local store, so nothing is reserved for it */
};

struct wave_key {
    uint32_t next, previous; /* QUEUED: its neighbours in the queue */
    uint32_t node;           /* QUEUED: whose queue; DELIVERING and later: who gave it */
    union {
        uint32_t slot;  /* QUEUED, ASKED: its place in the window */
        uint32_t bytes; /* DELIVERING: of its value */
    };
    uint16_t asked;     /* bit w: the candidate of wave w was asked, had time, and did not leave the key out */
    uint8_t base, wave; /* wave: that of the node it is queued at or was asked of last */
    uint8_t state, flags;
    uint8_t holders[WAVE_LEASES]; /* ASKED: requests in which it is open, by their lease */
};

struct wave_link {
    uint32_t previous, next;
};

struct wave_slot {
    uint32_t key;    /* or the next free slot */
    uint32_t owner;  /* the node in whose queue the key is, SW_WAVE_NONE if in none */
    uint16_t linked; /* bit w: it is in the list of the candidate of wave w, ... */
    uint16_t near;   /* ... and one of the first SW_WAVE_STEAL_LOOKS there */
};

/* The keys that are QUEUED or ASKED, each with its candidates, which in turn know the keys they may be asked for. */
struct wave_window {
    uint32_t size, free_first;
    struct wave_slot *slots;
    uint32_t *nodes;         /* slot x candidates, in the order of waves */
    struct wave_link *links; /* the same */
    /* Of each node, for each node: keys in that one's queue that are near in this one's list, and a bit whether there
     * are any. NULL where there are many nodes, as then each has few keys to look through. */
    uint32_t *waiting;
    uint64_t *owners_of;
};

struct wave_node {
    uint32_t queue_first, queue_last, queued;
    uint32_t first_link, last_link; /* keys in the window that it is a candidate for and was not asked for */
    uint32_t near_last, near_count; /* the first of these: those that are looked at */
    uint32_t in_flight;
    uint32_t open;                           /* keys that are open in its requests */
    uint32_t held;                           /* requests of it that wait on our side */
    uint32_t list, list_previous, list_next; /* which of the engine's lists it is in, SW_WAVE_NONE for none */
    uint32_t strikes, good;
    uint32_t fruitless;
    uint32_t busy;                 /* requests in a row that it had no room for, or broke off */
    bool passed_over;              /* as the lists have it; the health may have moved on */
    bool late;                     /* silent beyond its lease */
    bool unlucky;                  /* found nothing to do when it was last idle */
    sw_wave_request trusted_since; /* requests with a lower number were sent before its last failure */
    sw_wave_request sized_since;   /* ... before it was last fruitless */
    uint64_t symbol_bytes;         /* the largest symbol that it left out, by its own word */
    uint64_t last_us;              /* it answered last, or was given work when it had none */
    uint64_t rate;                 /* bytes a second, as measured; 0: not known */
    uint64_t useful_rate;          /* of good symbols, its present silence counted */
    uint64_t gap_us;               /* the time that it needs for a symbol of gap_bytes at that rate */
    uint64_t gap_bytes;
    uint64_t wanted_symbol_bytes, wanted_work_bytes; /* while these and the gap hold, ... */
    uint32_t wanted;                                 /* ... so many keys should be open at it */
    uint64_t first_us;                               /* the time to its first symbol, as measured, with rate */
    bool is_known;              /* its rate is of more than its first symbol, and in the engine's sums */
    uint64_t due_round_trip_us; /* what was expected of it when it was last known to be well: leases go by that */
    uint64_t due_gap_us;
    uint64_t busy_rate; /* what of it is in the engine's busy_rate */
};

struct wave_list {
    uint32_t first, last;
};

/* The lists after the buckets. */
enum wave_lists {
    WAVE_LIST_PASSED_OVER = SW_WAVE_BUCKETS, /* has keys waiting, and is passed over */
    WAVE_LIST_DOWN,                          /* the same, without keys */
    WAVE_LIST_IDLE,                          /* has room, and no keys waiting */
    WAVE_LIST_UNLUCKY,                       /* the same, and found nothing to take from others */
    WAVE_LISTS
};

/* Where each kind of answer was last found in a request: a node answers in order, kind by kind. */
enum wave_cursor {
    WAVE_CURSOR_SYMBOL,
    WAVE_CURSOR_MISSING,
    WAVE_CURSOR_CORRUPT,
    WAVE_CURSOR_LEFT_OUT,
    WAVE_CURSORS
};

/* What became of one key of a request. */
enum wave_entry {
    WAVE_ENTRY_OPEN,
    WAVE_ENTRY_LEFT_OUT, /* goes back to its node when the request ends */
    WAVE_ENTRY_ANSWERED,
    WAVE_ENTRY_BEATEN, /* another node's answer came first */
};

struct wave_request {
    sw_wave_request id; /* 0: the slot is free */
    uint32_t node;
    uint32_t key_count;
    uint32_t *keys;
    uint64_t *prefixes; /* the first bytes of each key */
    uint8_t *waves;     /* in which each was asked */
    uint8_t *entries;
    uint32_t cursors[WAVE_CURSORS];
    uint32_t open;     /* entries OPEN or LEFT_OUT */
    uint32_t answered; /* keys found, missing or corrupt */
    uint32_t left_out;
    uint32_t beaten;
    uint32_t junk_symbols;
    uint64_t junk_bytes;
    uint64_t left_out_bytes; /* the largest size that was said with a key left out */
    uint64_t max_bytes;
    uint64_t reserved_bytes; /* of the budget; what of max_bytes has not come */
    uint64_t sent_us;
    uint64_t last_us; /* sent, or answered last */
    uint64_t life_end_us;
    uint64_t held_since_us;
    uint8_t lease;
    bool held;
    bool aborted;
    bool probe; /* sent to a node that was passed over */
    bool hedge;
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
    uint32_t slots;      /* of requests: options.requests_max and hedge_requests_max */
    const char *task;
    const struct sw_route_table *table;
    struct sw_wave_node_health *health;
    struct sw_wave_node_health *own_health; /* where the caller gave none */
    struct sw_budget *budget;

    enum wave_phase phase;
    bool closing; /* nothing more is asked */
    uint64_t now_us;

    struct wave_key *states;
    uint32_t counts[WAVE_KEY_STATES];
    uint32_t asked[WAVE_LEASES];      /* of the keys ASKED, those whose best lease is this */
    uint32_t based_next;              /* keys before it know their base */
    uint32_t fresh_next;              /* keys before it have been in the window or came from the local store */
    uint32_t local_next, local_count; /* the batch that the local store is asked for */
    struct wave_window window;

    struct wave_node *nodes;
    uint32_t queued_passed_over; /* keys queued at nodes that are passed over */
    struct wave_list lists[WAVE_LISTS];
    uint64_t buckets;                    /* bit b: that bucket has nodes */
    uint64_t moves;                      /* of nodes between lists and keys between queues, so far */
    uint64_t wake_us;                    /* none of those passed over is to be asked as any other before */
    uint64_t known_rate, known_first_us; /* sums over the nodes that were measured */
    uint32_t known_count;
    uint32_t answered_count, silent_count; /* nodes by what their first request brought */
    uint64_t busy_rate;                    /* of the nodes that have something to do, and are not late */

    struct wave_request *requests;
    uint32_t *free_slots;
    uint32_t free_count;
    uint32_t probes;      /* requests in flight at nodes passed over */
    uint64_t request_seq; /* a request's number is this times slots plus its slot */
    uint64_t overdue_us;  /* no lease ends before */
    bool forgave;         /* this machine slept, and nobody has answered since */
    uint64_t reserved_bytes;
    uint64_t symbol_bytes; /* the largest that was good; 0 until one has come */
    uint64_t keys_asked;   /* over all requests */
    uint64_t hedges_spent; /* keys asked twice whose first answer may still come */
    bool wants_budget;

    uint32_t *picked; /* keys for the request that is being put together, and their waves */
    uint8_t *picked_waves;

    struct sw_wave_action *actions;
    uint32_t action_count, actions_max;

    struct sw_wave_stats stats;
    struct sw_wave_node_stats *node_stats;
    struct sw_wave_tail_symbol *tail; /* a ring */
    uint32_t tail_size;
    uint64_t tail_seen;
};

static inline uint64_t sw_wave_smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t sw_wave_larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t sw_wave_later(uint64_t now_us, uint64_t delay_us)
{
    return delay_us < UINT64_MAX - now_us ? now_us + delay_us : UINT64_MAX;
}

/* No request has this number or a higher one yet. */
static inline sw_wave_request sw_wave_next_request(const struct sw_wave_engine *engine)
{
    return (engine->request_seq + 1) * engine->slots;
}

/* ---- wave.c ---- */
struct sw_wave_action *sw_wave_act(struct sw_wave_engine *engine, enum sw_wave_action_type type);
void sw_wave_key_move(struct sw_wave_engine *engine, uint32_t key_index, enum wave_key_state state);
/* Keys that may still be asked, so that those asked and not delivered do not exceed what is still required. */
uint32_t sw_wave_need(const struct sw_wave_engine *engine);
void sw_wave_drop(struct sw_wave_engine *engine, const struct sw_wave_event *event, enum sw_wave_drop reason);
/* Aborts what is in flight; the retrieval is over. */
void sw_wave_finish(struct sw_wave_engine *engine, enum sw_status status);

/* ---- wave_local.c ---- */
void sw_wave_local_start(struct sw_wave_engine *engine);
void sw_wave_local_symbol(struct sw_wave_engine *engine, const struct sw_wave_event *event);
void sw_wave_local_done(struct sw_wave_engine *engine);
/* Goes on to the network when the local store has been asked and the sink has all that came of it. */
void sw_wave_local_through(struct sw_wave_engine *engine);

/* ---- wave_window.c ---- */
bool sw_wave_window_init(struct sw_wave_engine *engine);
void sw_wave_window_clear(struct sw_wave_engine *engine);
/* Brings a FRESH key into the window; false where there is no node at all. */
bool sw_wave_window_enter(struct sw_wave_engine *engine, uint32_t key_index);
void sw_wave_window_leave(struct sw_wave_engine *engine, uint32_t key_index);
/* The key's candidates in the order of waves: engine->candidates of them. */
const uint32_t *sw_wave_window_nodes(const struct sw_wave_engine *engine, uint32_t key_index);
/* Takes note that the key is in the queue of its node now, or is not any more. */
void sw_wave_window_waits(struct sw_wave_engine *engine, uint32_t key_index);
void sw_wave_window_waits_no_more(struct sw_wave_engine *engine, uint32_t key_index);
/* Takes note that the candidate of a wave was asked, or may be asked again. */
void sw_wave_window_asked(struct sw_wave_engine *engine, uint32_t key_index, uint32_t wave);
void sw_wave_window_unasked(struct sw_wave_engine *engine, uint32_t key_index, uint32_t wave);

/* ---- wave_rate.c ---- */
/* Takes over what the health knows of the nodes. */
void sw_wave_rate_start(struct sw_wave_engine *engine);
/* The node has answered a key of a request, which brought bytes. */
void sw_wave_rate_answer(struct sw_wave_engine *engine, const struct wave_request *request, uint64_t bytes);
/* The node was silent until now though it had work. */
void sw_wave_rate_silence(struct sw_wave_engine *engine, uint32_t node);
/* Leases of the node go by what is known of it now, unless it is late. */
void sw_wave_rate_expect(struct sw_wave_engine *engine, uint32_t node);
/* What the node has to do has changed. */
void sw_wave_rate_work(struct sw_wave_engine *engine, uint32_t node);
/* How large a symbol of the node is expected to be. */
uint64_t sw_wave_symbol_bytes(const struct sw_wave_engine *engine, const struct wave_node *node);
/* Whether that is more than is usual, by the node's own word. */
bool sw_wave_claims_more(const struct sw_wave_engine *engine, const struct wave_node *node);
/* Nothing larger is taken, or fits. */
uint64_t sw_wave_symbol_bytes_limit(const struct sw_wave_engine *engine);
/* The time that the node needs for one symbol, and the round trip to it. */
uint64_t sw_wave_gap_us(const struct sw_wave_engine *engine, const struct wave_node *node);
uint64_t sw_wave_round_trip_us(const struct sw_wave_engine *engine, const struct wave_node *node);
/* In how long a key would come that the node is asked for now, behind keys more of them. */
uint64_t sw_wave_answer_us(const struct sw_wave_engine *engine, const struct wave_node *node, uint64_t keys);
/* How many keys should be open at the node: enough to keep it busy and little more. */
uint32_t sw_wave_open_wanted(const struct sw_wave_engine *engine, uint32_t node);
/* Whether too much of what the node sends is wrong, by what is known from all retrievals. */
bool sw_wave_health_is_corrupt(const struct sw_wave_node_health *health);
void sw_wave_health_judge(struct sw_wave_engine *engine, uint32_t node, uint32_t good, uint32_t bad);

/* ---- wave_plan.c ---- */
/* Queues a key at the candidate whose turn it is, or gives it up when every candidate was asked. */
void sw_wave_assign(struct sw_wave_engine *engine, uint32_t key_index);
/* Puts a key that its node left out back to the front of that node's queue, unless the node is passed over. */
void sw_wave_assign_again(struct sw_wave_engine *engine, uint32_t key_index, uint32_t node, uint32_t wave);
/* Moves a key that waits to another of its candidates. */
void sw_wave_queue_move(struct sw_wave_engine *engine, uint32_t key_index, uint32_t node, uint32_t wave);
void sw_wave_queue_remove(struct sw_wave_engine *engine, uint32_t key_index);
bool sw_wave_is_passed_over(const struct sw_wave_engine *engine, uint32_t node);
/* The node is passed over from now on, if it is to be; what waits for it goes elsewhere. */
void sw_wave_pass_over(struct sw_wave_engine *engine, uint32_t node);
/* The node failed request: it is passed over for a while, and what waits for it goes elsewhere. */
void sw_wave_node_failed(struct sw_wave_engine *engine, const struct wave_request *request);
/* The node asks to be left alone for a while. */
void sw_wave_node_pushed_back(struct sw_wave_engine *engine, uint32_t node, uint64_t pushback_us);
/* The node answered request. */
void sw_wave_node_alive(struct sw_wave_engine *engine, const struct wave_request *request);
/* Holds something against the node, this many times over. */
void sw_wave_node_strike(struct sw_wave_engine *engine, uint32_t node, uint32_t times);
/* What the node has in flight, or waiting for it, has changed. */
void sw_wave_node_refresh(struct sw_wave_engine *engine, uint32_t node);
/* The node was sent a request: others come first now. */
void sw_wave_node_asked(struct sw_wave_engine *engine, uint32_t node);
/* Nodes that found nothing to do are to look again. */
void sw_wave_cheer_up(struct sw_wave_engine *engine);
/* The node found nothing to do. */
void sw_wave_node_unlucky(struct sw_wave_engine *engine, uint32_t node);
/* Nodes whose time has come are asked as any other again. */
void sw_wave_wake(struct sw_wave_engine *engine);
/* The first of the nodes that would answer first, of those that are ready; SW_WAVE_NONE if there is none. */
uint32_t sw_wave_ready_first(const struct sw_wave_engine *engine);
/* A node with keys waiting that is passed over, and did not ask to be left alone; SW_WAVE_NONE if there is none. */
uint32_t sw_wave_probe_pick(const struct sw_wave_engine *engine);
/* How many keys only nodes passed over can still give, as far as is known. */
uint32_t sw_wave_shortage(const struct sw_wave_engine *engine);
/* Whether keys are queued at nodes that are passed over and have nothing in flight. */
bool sw_wave_waits_for_nodes(const struct sw_wave_engine *engine);

/* ---- wave_pump.c ---- */
/* Does all that can be done now: fills the window, sends, ends. */
void sw_wave_pump(struct sw_wave_engine *engine);

/* ---- wave_request.c ---- */
struct wave_request *sw_wave_request_find(struct sw_wave_engine *engine, sw_wave_request id);
/* How many keys a next request to the node may carry, of at most this many, and how many bytes it may bring; 0 keys
 * where the budget has no room for it now. */
uint32_t sw_wave_request_size(const struct sw_wave_engine *engine, uint32_t node, uint32_t keys_max,
                              uint64_t *max_bytes);
/* Sends a request for the first key_count of the keys picked, which have left their queues. */
void sw_wave_request_send(struct sw_wave_engine *engine, uint32_t node, uint32_t key_count, uint64_t max_bytes,
                          bool hedge);
void sw_wave_request_abort_all(struct sw_wave_engine *engine);
void sw_wave_request_activity(struct sw_wave_engine *engine, const struct sw_wave_event *event);
void sw_wave_request_ended(struct sw_wave_engine *engine, const struct sw_wave_event *event);
void sw_wave_request_abort(struct sw_wave_engine *engine, struct wave_request *request, enum sw_status status);
/* Counts the request as failed, and moves its keys on. */
void sw_wave_request_fail(struct sw_wave_engine *engine, struct wave_request *request, enum sw_status status);
/* ---- wave_lease.c ---- */
/* The best lease of those of the requests that hold a key; whether any does. */
enum wave_lease sw_wave_key_lease(const struct wave_key *key);
bool sw_wave_key_is_held(const struct wave_key *key);
void sw_wave_key_hold(struct sw_wave_engine *engine, struct wave_key *key, enum wave_lease lease);
/* The entry is open no more, and the key not in the request; it may be left without any. */
void sw_wave_entry_close(struct sw_wave_engine *engine, struct wave_request *request, uint32_t at,
                         enum wave_entry became);
/* As entry_close, and the key moves on where no other request holds it. */
void sw_wave_entry_fail(struct sw_wave_engine *engine, struct wave_request *request, uint32_t at);
/* Moves leases on, gives up what is overdue, and finds out when to look again. */
void sw_wave_leases_look(struct sw_wave_engine *engine);
/* Looks no later than the lease of this request may end. */
void sw_wave_lease_note(struct sw_wave_engine *engine, const struct wave_request *request);
/* Ends the leases of requests whose next key will come later than this, of so many keys at most or a few more. Returns
 * of how many. */
uint32_t sw_wave_leases_cut(struct sw_wave_engine *engine, uint64_t answer_us, uint32_t keys_max);
/* Gives up requests whose leases have lapsed and whose keys have other candidates: they hold what others want. */
void sw_wave_leases_reclaim(struct sw_wave_engine *engine);

/* ---- wave_answer.c ---- */
void sw_wave_request_symbol(struct sw_wave_engine *engine, const struct sw_wave_event *event);
/* MISSING, CORRUPT and LEFT_OUT. */
void sw_wave_request_answer(struct sw_wave_engine *engine, const struct sw_wave_event *event);

/* wave_check.c: looks at everything; for tests. NULL, or what does not hold. */
const char *sw_wave_check(const struct sw_wave_engine *engine);

#endif
