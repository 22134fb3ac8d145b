/*
 * The client: retrieves symbols from many nodes and stores them there.
 *
 * A client owns a fixed number of threads (one for the network, and options.workers for hashing), its connections, and
 * one byte budget that all its work shares, of which no call may have all. All functions may be called from any thread.
 * Sinks, sources, local stores, progress functions and all other callbacks are called on the thread that called the
 * retrieval or the store, one at a time.
 */
#ifndef SYMWAVE_CLIENT_H
#define SYMWAVE_CLIENT_H

#include "symwave/log.h"
#include "symwave/node_list.h"
#include "symwave/report.h"
#include "symwave/sink.h"
#include "symwave/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a client is told once. In every field 0 means the default, given with its reason. Set size to
 * sizeof(struct sw_client_options), as SW_CLIENT_OPTIONS_INIT does; fields are only ever added at the end.
 */
struct sw_client_options {
    size_t size;
    /*
     * Bytes asked for and not yet in a sink, and bytes read and not yet stored; default 32 MiB, 1 MiB to 16 GiB.
     * Enough to keep 16 requests of 32 symbols of 64 KiB in flight.
     */
    uint64_t budget_bytes;
    /* Candidates a key, the design's K; default 6, 1 to 16. Must be the same in every client of a network. */
    uint32_t candidates;
    /* Keys in one request; default 600, the network's own limit, 1 to 600. */
    uint32_t request_keys_max;
    /*
     * RPCs in flight, over all nodes; default 128, 1 to 1024: two at each of 64 nodes, one at work and one on its way.
     * Bytes are bounded by the budget, not by this. Hedges have a fourth as many more.
     */
    uint32_t requests_max;
    /* RPCs in flight at one node; default 4, 1 to 1024: a round trip is hidden, and no node holds all of them. */
    uint32_t node_requests_max;
    /*
     * Keys handed out to nodes' queues at once; default 12,000 (8 batches of 1,500), 1 to 10,000,000. Bounds what a
     * retrieval holds.
     */
    uint32_t window_keys_max;
    /* Keys asked of the local store at once; default 5,000, 1 to 10,000,000. */
    uint32_t local_keys_max;
    /*
     * Milliseconds without an answered key after which a request is given up; default 2,000, 10 to 3,600,000. Its keys
     * are asked elsewhere long before, as soon as the node is later than is expected of it. A node that takes no
     * connection within 2 s counts as not reachable, in stores too.
     */
    uint32_t stall_timeout_ms;
    /* Bytes of the largest symbol that is accepted; default 1 MiB, at most 64 MiB. */
    uint64_t value_bytes_max;
    /* Threads that check what comes; default 2, 1 to 64. */
    uint32_t workers;
    /*
     * Milliseconds that a node may take over one group of stored symbols; default 30,000 (it waits for its disk), 10 to
     * 3,600,000.
     */
    uint32_t store_timeout_ms;
    /* Most detailed level passed to log; default SW_LOG_INFO. */
    enum sw_log_level log_level;
    sw_log_fn log; /* NULL: no log */
    void *log_data;
    /*
     * Per cent of the keys asked that may be asked for beyond what is required, or a second time, because a node is
     * late; default 5, 1 to 100. A few tens of keys may be in any case.
     */
    uint32_t hedge_percent;
    /*
     * TLS to all nodes but those at "unix:" addresses; set by any of the next three too. Files are PEM, and are read
     * once, by sw_client_open; strings are borrowed for that call.
     */
    bool tls;
    const char *tls_ca;          /* file of the CAs that nodes' certificates come from; default: the system's */
    const char *tls_certificate; /* files of this client's own certificate, with those that lead to its CA, ... */
    const char *tls_key;         /* ... and of its key; both or neither */
    const char *tls_server_name; /* whom a node's certificate must name; default: the host of its address */
    /*
     * File whose first line is sent to nodes as a bearer token. Without TLS only to nodes on this machine: with others
     * in the list, opening the client fails.
     */
    const char *token_file;
};

#define SW_CLIENT_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        .size = sizeof(struct sw_client_options)                                                                       \
    }

struct sw_client;

/*
 * Opens a client on a list of nodes, which is copied. Connects to nobody yet. options may be NULL. The caller closes
 * *client, which is NULL where it fails. SW_INVALID_ARGUMENT (an option out of bounds, an empty list, a file that is no
 * certificate), SW_NOT_FOUND (a file), SW_NO_MEMORY, SW_IO_ERROR (no thread, or a file that cannot be read).
 */
SW_PUBLIC enum sw_status sw_client_open(const struct sw_client_options *options, const struct sw_node_list *nodes,
                                        struct sw_client **client, struct sw_error *error);

/*
 * Replaces the node list, which is copied. Retrievals under way go on with the new one: what they have asked of nodes
 * that are still there comes in, as far as it is not late, requests to nodes that have left are given up, and keys that
 * are not there yet are asked of their candidates among the new nodes, from the first wave. Stores under way go on with
 * the list they began with. Does not block. SW_INVALID_ARGUMENT, SW_NO_MEMORY.
 */
SW_PUBLIC enum sw_status sw_client_set_nodes(struct sw_client *client, const struct sw_node_list *nodes,
                                             struct sw_error *error);

/* Closes a client, NULL allowed, once no call on it is running; waits for its threads. */
SW_PUBLIC void sw_client_close(struct sw_client *client);

/* A means to end calls from any thread. It may be passed to several calls at once and ends them all. */
struct sw_cancel;
SW_PUBLIC struct sw_cancel *sw_cancel_new(void);         /* NULL without memory */
SW_PUBLIC void sw_cancel_free(struct sw_cancel *cancel); /* after the calls that use it have returned */
/*
 * Ends the calls: they return SW_CANCELLED soon; what has come already may still be delivered. Never waits, any thread,
 * from their own callbacks too, any number of times; not in a signal handler.
 */
SW_PUBLIC void sw_cancel_fire(struct sw_cancel *cancel);

/* What a call is at. */
enum sw_stage {
    SW_STAGE_TRANSFER, /* symbols come from nodes or go to them, or to a folder */
    SW_STAGE_ENCODE,   /* a file is read and its source block made ready; only bytes, of the file, and time count */
    SW_STAGE_DECODE,   /* lost source symbols are worked out; the same */
    SW_STAGE_CHECK,    /* a file is hashed; the same */
};

/* How a call is getting on. */
struct sw_progress {
    /* Done; of a store: answered by all of their nodes, or failed there; of a get, with those that were there before.
     */
    uint64_t symbols;
    uint64_t symbols_total; /* required; 0 where it is not known */
    uint64_t bytes;         /* of values done: of a get's transfer of symbols, which may be more than the file has */
    uint32_t wave;          /* the highest wave that was asked */
    uint32_t requests;      /* in flight */
    uint64_t elapsed_us;
    enum sw_stage stage;
    uint64_t bytes_total; /* that bytes will come to; 0 where it is not known, as while symbols are on their way */
    uint32_t nodes;       /* at work: with requests in flight */
};

/*
 * Told about every progress_interval_ms, 1 at the least, and once more at the end of a retrieval, of a store, and of a
 * stage whose bytes are known, however short it was and however it ended. Does not overlap with itself or the sink;
 * must not block for long.
 */
typedef void (*sw_progress_fn)(const struct sw_progress *progress, void *user_data);

/*
 * Told of each value that does not hash to the key under which a node sent it; what proof points to is valid during the
 * call. Must not block for long: while it or the sink does, 256 more proofs wait; those beyond are in the report's
 * proof_count, and in its sample where that has room, but are not told.
 */
typedef void (*sw_corrupt_fn)(const struct sw_corrupt_proof *proof, void *user_data);

/* What one retrieval is told; 0 and NULL mean the default. Set size as with sw_client_options. */
struct sw_retrieve_options {
    size_t size;
    const char *task_id;  /* decides who is each key's primary; default "" */
    uint64_t required;    /* stop at this many symbols; default (0) all keys, and so is more than there are keys */
    uint32_t deadline_ms; /* for the whole call; default none */
    uint32_t progress_interval_ms;      /* default 200 */
    const struct sw_local_store *local; /* asked first; default none */
    struct sw_cancel *cancel;
    sw_progress_fn progress;
    void *progress_data;
    /* Ask a key only when those before it in the list cannot be enough; default: whichever come first. */
    bool in_order;
    /*
     * Asked on the calling thread when the required number of symbols is in the sink: how many more are needed. 0 ends
     * the retrieval; more than there are keys left ends it with SW_SHORT. Default none: required is enough.
     */
    uint32_t (*more)(void *user_data);
    void *more_data;
    sw_corrupt_fn corrupt; /* default none: the report has how many there were, and the first of them */
    void *corrupt_data;
    /*
     * Told of every request, once it is over; none is left out. Must not block for long. A request's record is kept
     * until then: some 700 bytes for each that is in flight or not told yet.
     */
    sw_trace_fn trace;
    void *trace_data;
};

#define SW_RETRIEVE_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        .size = sizeof(struct sw_retrieve_options)                                                                     \
    }

/*
 * Retrieves symbols into a sink: asks the local store, then each key's nodes in waves, checks every symbol, and stops
 * at the required number. Each key is delivered at most once. Blocks; many may run at once on one client. keys, options
 * and sink are borrowed for the call, no callback runs after it.
 *
 * *report, where report is not NULL, is set on success and failure alike (NULL only without memory); the caller frees
 * it with sw_report_free.
 *
 * SW_OK: required symbols are in the sink. SW_SHORT: fewer could be had, every candidate was asked, and one that was
 * busy or broke off up to nine times; one that says nothing is given up after stall_timeout_ms, so that this may come
 * before a deadline that is further off. SW_CANCELLED, SW_DEADLINE_EXCEEDED: ended early, what was delivered stays.
 * SW_INVALID_ARGUMENT (no keys, among others), SW_NO_MEMORY, or the sink's status.
 */
SW_PUBLIC enum sw_status sw_retrieve_stream(struct sw_client *client, const struct sw_key *keys, size_t key_count,
                                            const struct sw_retrieve_options *options, const struct sw_sink *sink,
                                            struct sw_report **report, struct sw_error *error);

/* A map from keys to values in memory, as sw_batch_retrieve returns it. Read-only use from any thread. */
struct sw_symbol_map;
SW_PUBLIC void sw_symbol_map_free(struct sw_symbol_map *map); /* NULL is allowed */
SW_PUBLIC size_t sw_symbol_map_count(const struct sw_symbol_map *map);
/* The value of a key, valid until the map is freed, or NULL where the map lacks it. value_bytes may be NULL. */
SW_PUBLIC const void *sw_symbol_map_get(const struct sw_symbol_map *map, const struct sw_key *key, size_t *value_bytes);

/*
 * As sw_retrieve_stream, into a map. The map holds all values: use it for what fits in memory. *map is set on every
 * return, to NULL only without memory or with an invalid argument; the caller frees it.
 */
SW_PUBLIC enum sw_status sw_batch_retrieve(struct sw_client *client, const struct sw_key *keys, size_t key_count,
                                           const struct sw_retrieve_options *options, struct sw_symbol_map **map,
                                           struct sw_report **report, struct sw_error *error);

/*
 * A value to store. release, where not NULL, is called once, when the bytes have been copied or the store has ended:
 * before the source is called again, and before the call returns. On the thread that called; for a call that does not
 * block (symwave/call.h) on the call's own, also where it dispatches.
 */
struct sw_value {
    const void *bytes;
    size_t bytes_count;
    void (*release)(const void *bytes, void *release_data);
    void *release_data;
};

/*
 * Gives the next value to store: SW_OK with value->bytes set, or with value->bytes NULL, as it comes, at the end. Any
 * other status ends the store with it. The bytes are copied before the next call: they may be of a buffer that is used
 * again. Called on the thread that called sw_store_stream; may block.
 */
typedef enum sw_status (*sw_source_fn)(struct sw_value *value, struct sw_error *error, void *user_data);

/*
 * Told what became of each symbol, in the order of the source, when all of its nodes have answered or failed. Who is
 * not content ends the store by options.cancel, or by its source.
 */
typedef void (*sw_stored_fn)(uint64_t index, const struct sw_key *key, uint32_t replicas, uint32_t replicas_wanted,
                             void *user_data);

/* What one store is told; 0 and NULL mean the default. */
struct sw_store_options {
    size_t size;
    uint32_t deadline_ms; /* for the whole call; default none; with replicas enough by then the store ends well */
    uint32_t progress_interval_ms; /* default 200 */
    /* Per cent of replica writes that must succeed; default 75. A symbol without any replica always fails the store. */
    uint32_t replicas_percent_min;
    struct sw_cancel *cancel;
    sw_progress_fn progress; /* symbols and bytes count what has been answered by all nodes */
    void *progress_data;
    sw_stored_fn stored;
    void *stored_data;
    /* Ask each node which symbols it holds, and send it only the others; default: send, the node says if it had it. */
    bool ask_first;
};

#define SW_STORE_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        .size = sizeof(struct sw_store_options)                                                                        \
    }

/*
 * Stores each value of a source on its K nearest nodes, with at most the client's byte budget in memory. Blocks. A
 * value is placed when the node has answered that it is durable. *report as in sw_retrieve_stream, freed with
 * sw_store_report_free.
 *
 * SW_OK, of no values too; SW_SHORT: fewer replicas than asked for, be it that nodes refused them or could not be
 * reached: the report says how many and why, error has the first cause; SW_CANCELLED,
 * SW_DEADLINE_EXCEEDED, SW_INVALID_ARGUMENT (an empty value, or one above the client's value_bytes_max), SW_NO_MEMORY,
 * or the source's status. A value above what a node takes, 256 KiB with symwaved, is refused by it: SW_SHORT.
 */
SW_PUBLIC enum sw_status sw_store_stream(struct sw_client *client, sw_source_fn source, void *source_data,
                                         const struct sw_store_options *options, struct sw_store_report **report,
                                         struct sw_error *error);

/* The same for an array, borrowed for the call; release functions are called. */
SW_PUBLIC enum sw_status sw_store(struct sw_client *client, const struct sw_value *values, size_t value_count,
                                  const struct sw_store_options *options, struct sw_store_report **report,
                                  struct sw_error *error);

/* One key's way: its candidates nearest first, and the base index of its wave 0. */
struct sw_route {
    uint32_t base;
    uint32_t candidate_count;
    struct {
        const char *id; /* valid until the client is closed or gets another node list */
        const char *address;
    } candidates[SW_WAVES_MAX];
};

/* Where a key of a task is asked for. Does not block, asks nobody. SW_INVALID_ARGUMENT. */
SW_PUBLIC enum sw_status sw_client_route(struct sw_client *client, const struct sw_key *key, const char *task_id,
                                         struct sw_route *route, struct sw_error *error);

/* What a node says of itself (GetNodeInfo, health Check). */
struct sw_node_status {
    const char *id;      /* as in the node list */
    const char *address; /* as in the node list */
    bool reached;        /* it answered both without an error */
    bool serving;        /* by health Check */
    bool writable;
    uint64_t symbol_count;
    uint64_t stored_bytes;
    uint64_t latency_us;                        /* of GetNodeInfo on an open connection */
    char reported_id[SW_NODE_ID_BYTES_MAX + 1]; /* what the node calls itself */
    char version[32];
    uint32_t keys_max;
    uint64_t value_bytes_max;
    uint64_t message_bytes_max;
    char error[SW_ERROR_MESSAGE_SIZE]; /* why it was not reached */
};

/*
 * Asks every node of the list, all at once, within timeout_ms; (*statuses)[i] is what the i-th said. The caller frees
 * *statuses, as a whole, with sw_free; its strings live as long as the client's node list. Blocks. SW_OK even where
 * nodes were not reached; SW_NO_MEMORY.
 */
SW_PUBLIC enum sw_status sw_client_node_statuses(struct sw_client *client, uint32_t timeout_ms,
                                                 struct sw_node_status ***statuses, size_t *status_count,
                                                 struct sw_error *error);

/* How nodes are discovered; 0 and NULL mean the default. Set size as with sw_client_options. */
struct sw_discover_options {
    size_t size;
    uint32_t nodes_max;  /* more than so many are an error; default 1,000,000 */
    uint32_t timeout_ms; /* for all of it; default 30,000 */
    uint32_t seeds;      /* how many of the client's nodes are asked for all that they know; default 3 */
    /*
     * Whether a node is to be in the list: each is then asked how it is first. On the calling thread. Default: all are,
     * and are not asked. A node that cannot be reached has status->reached false.
     */
    bool (*eligible)(const struct sw_node_status *status, void *user_data);
    void *eligible_data;
    struct sw_cancel *cancel;
};

#define SW_DISCOVER_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        .size = sizeof(struct sw_discover_options)                                                                     \
    }

/*
 * Asks some of the client's nodes, the seeds, whom they know (FindNode), until no node is left that they have not told
 * of, and makes a node list of all of them; the seeds are in it where they are told of. The client's own list stays as
 * it is: sw_client_set_nodes takes the new one. Blocks, for about one round trip for every three nodes. The caller
 * frees *found; it is NULL where this fails.
 *
 * SW_NOT_FOUND: no seed knows anybody, or nobody is eligible; SW_UNAVAILABLE: no seed could be asked;
 * SW_DEADLINE_EXCEEDED, SW_CANCELLED (fired before or meanwhile), SW_RESOURCE_EXHAUSTED (more than nodes_max),
 * SW_NO_MEMORY.
 */
SW_PUBLIC enum sw_status sw_client_discover(struct sw_client *client, const struct sw_discover_options *options,
                                            struct sw_node_list **found, struct sw_error *error);

/* Something that keeps a client's node list up to date, on a thread of its own. */
struct sw_node_watch;

/*
 * Told, on that thread, of each list that the client has taken, the first one too, valid during the call; or, with
 * nodes NULL, why one that there was has not been taken: the list of before stays then, as it does, untold, while a
 * file is gone. Must not stop the watch.
 */
typedef void (*sw_node_watch_fn)(const struct sw_node_list *nodes, const struct sw_error *error, void *user_data);

/*
 * Has a client's node list follow a file: it is read now, and again whenever it is another one, however it was replaced
 * (in place, by a rename, behind a symbolic link); within a second or two, and sooner where the file system tells of
 * changes. told may be NULL; what told_data points to is borrowed until the watch is stopped, which is before the
 * client is closed. SW_IO_ERROR (no thread or descriptor), and what sw_node_list_load and sw_client_set_nodes return:
 * *watch is NULL then.
 */
SW_PUBLIC enum sw_status sw_node_watch_file(struct sw_client *client, const char *path, sw_node_watch_fn told,
                                            void *told_data, struct sw_node_watch **watch, struct sw_error *error);
/*
 * The same by discovery, now and every interval_ms (0: 60,000) from then on; the nodes of the list are the next seeds.
 * options may be NULL, and are copied, what eligible_data points to is borrowed; their cancel is not used. Blocks until
 * the first discovery is done.
 */
SW_PUBLIC enum sw_status sw_node_watch_network(struct sw_client *client, const struct sw_discover_options *options,
                                               uint32_t interval_ms, sw_node_watch_fn told, void *told_data,
                                               struct sw_node_watch **watch, struct sw_error *error);
/*
 * Where a network's nodes register; 0 and NULL mean the default. Strings are borrowed for the call, files read in it.
 * Set size as with sw_client_options.
 */
struct sw_etcd_options {
    size_t size;
    const char *endpoints; /* "host:port", several with commas between; must be given */
    const char *prefix;    /* of the nodes' keys; default "/symwave/nodes/" */
    bool tls;              /* to etcd; set by any of the next three too, which are PEM files */
    const char *tls_ca, *tls_certificate, *tls_key;
};

/*
 * The same by etcd (3.4 or later, its v3 gRPC API): nodes are the keys of a prefix, the prefix and a node's id, each
 * with the node's address as its value; symwaved puts one there by itself, under a lease (--etcd-endpoints). The list
 * is read now, and again when etcd tells of a change, no more than five times a second. While etcd cannot be reached,
 * and while there is no node at all, the list stays as it was, which is told once. Blocks until the first list is
 * there, a minute at most. SW_INVALID_ARGUMENT, SW_NOT_FOUND (there is no node), SW_DEADLINE_EXCEEDED, and what
 * connecting returns.
 */
SW_PUBLIC enum sw_status sw_node_watch_etcd(struct sw_client *client, const struct sw_etcd_options *options,
                                            sw_node_watch_fn told, void *told_data, struct sw_node_watch **watch,
                                            struct sw_error *error);
/* Ends a watch, NULL allowed; waits for its thread. */
SW_PUBLIC void sw_node_watch_stop(struct sw_node_watch *watch);

/*
 * Settings of the whole process that make the network path faster and smaller, for an executable that is willing:
 * malloc keeps its pages; gRPC honours read chunk sizes, by a variable of the environment, which child processes
 * inherit, where that is not set already; and gRPC prints nothing, unless GRPC_VERBOSITY is set, but why it aborts.
 * Call it first in main, before any thread, and before sw_allocator_set. The SDK never does it by itself.
 */
SW_PUBLIC void sw_process_tune(void);

#ifdef __cplusplus
}
#endif

#endif
