/*
 * What the RPCs of SymbolStore and Admin share. Each RPC is one file, rpc_<name>.c.
 *
 * Threads: gRPC's callbacks only queue; what reads or writes the store, hashes or parses much runs on the pool.
 */
#ifndef SW_SERVICE_H
#define SW_SERVICE_H

#include "common/log.h"
#include "common/pool.h"
#include "common/rpc.h"
#include "server/admission.h"
#include "server/metrics.h"
#include "server/store.h"
#include <pthread.h>

/* What a node accepts; GetNodeInfo tells the first five. */
struct sw_limits {
    uint32_t keys_max;          /* keys in one request */
    uint64_t value_bytes_max;   /* bytes of one value */
    uint64_t message_bytes_max; /* bytes of one message */
    uint32_t store_symbols_max; /* symbols in one StoreBatch stream */
    uint64_t store_bytes_max;   /* bytes of values in one StoreBatch stream */
    uint64_t calls_bytes_max;   /* memory of all calls under way */
    uint64_t peer_bytes_max;    /* ... of one peer's */
    uint64_t calls_max;         /* calls under way */
    uint64_t peer_calls_max;    /* ... of one peer */
};

struct sw_known_nodes;
struct sw_scrub_schedule;

struct sw_service {
    /* set before the server starts, and constant from then on */
    struct sw_store *store;
    struct sw_pool *pool;
    struct sw_pool *info_pool; /* one thread, for GetNodeInfo alone: it is answered while a bad disk holds all others */
    struct sw_pool *admin_pool; /* a few threads, for what takes minutes */
    struct sw_scrub_schedule *scrub_schedule;
    struct sw_known_nodes *known_nodes;
    pthread_rwlock_t damage_lock; /* shared by who stores, exclusive to who takes out a damaged symbol */
    const char *node_id;
    const char *data; /* the node's folder */
    const struct sw_logger *logger;
    struct sw_metrics *metrics;
    uint64_t message_bytes_max; /* that of limits, which does not change */

    struct sw_admission admission; /* of bytes */
    struct sw_admission calls;     /* of calls, each counting for 1 */
    pthread_mutex_t limits_lock;
    struct sw_limits limits; /* under limits_lock */
};

/* Before anything else; and after everything else. */
void sw_service_init(struct sw_service *service, const struct sw_limits *limits);
void sw_service_clear(struct sw_service *service);

/* The limits as they are now. All but message_bytes_max may change while a node serves. From any thread. */
struct sw_limits sw_service_limits(struct sw_service *service);
void sw_service_set_limits(struct sw_service *service, const struct sw_limits *limits);

/*
 * Bytes of memory that a RetrieveBatch may use: its keys and the message that is being read or sent
 * (rpc_retrieve_batch.c). The bounds of keys_max and value_bytes_max (config.h) keep it below 1 MiB.
 */
#define SW_RETRIEVE_CALL_BYTES ((uint64_t)1 << 20)

/*
 * Reserves memory for a call. Without room for it, the call is finished by sw_service_no_room and false returned. Each
 * reservation is given back with sw_service_leave.
 */
bool sw_service_enter(struct sw_service *service, struct sw_rpc_server_call *call, uint64_t bytes);
void sw_service_leave(struct sw_service *service, const struct sw_rpc_server_call *call, uint64_t bytes);

/* The caller of a call as the store knows it. */
struct sw_store_reader sw_service_reader(const struct sw_rpc_server_call *call);

/* Whether a value hashes to its key. */
bool sw_service_is_whole(const struct sw_key *key, const struct sw_store_value *value);
/*
 * Sets a symbol aside whose bytes do not hash to its key, if a second look finds them so too: into a file named by the
 * key in the folder "damaged", and out of the store. From a thread of a pool.
 */
void sw_service_set_aside(struct sw_service *service, const struct sw_key *key);

/*
 * Ends of a call, each with the pushback that belongs to it. A caller's own mistake has none, nor has a full disk: no
 * wait that could be named would mend it.
 */
/* What would be done another time has no room now: RESOURCE_EXHAUSTED. */
void sw_service_no_room(struct sw_rpc_server_call *call, const char *details);
/* The node stops: UNAVAILABLE. */
void sw_service_stopping(struct sw_rpc_server_call *call);
/* With SW_OK and an answer, which may be NULL; or with a status and what error says, where SW_NO_MEMORY is no room. */
void sw_service_finish(struct sw_rpc_server_call *call, struct sw_rpc_message *answer, enum sw_status status,
                       const struct sw_error *error);

extern const struct sw_rpc_server_handler sw_batch_get_values_handler;
extern const struct sw_rpc_server_handler sw_retrieve_batch_handler;
extern const struct sw_rpc_server_handler sw_store_batch_handler;
extern const struct sw_rpc_server_handler sw_get_node_info_handler;
extern const struct sw_rpc_server_handler sw_find_node_handler;
extern const struct sw_rpc_server_handler sw_delete_batch_handler;
extern const struct sw_rpc_server_handler sw_get_stats_handler;
extern const struct sw_rpc_server_handler sw_list_symbols_handler;
extern const struct sw_rpc_server_handler sw_backup_handler;
extern const struct sw_rpc_server_handler sw_compact_handler;
extern const struct sw_rpc_server_handler sw_scrub_handler;

#endif
