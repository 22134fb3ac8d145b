/* What the files of the RocksDB store share, and the only place where RocksDB's header is included. */
#ifndef SW_SERVER_STORE_ROCKSDB_CORE_H
#define SW_SERVER_STORE_ROCKSDB_CORE_H

#include "server/store.h"
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

struct sync_waiter;

struct rocksdb_store {
    struct sw_store store;
    char *path;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read;
    rocksdb_readoptions_t *read_cached;
    rocksdb_writeoptions_t *write;
    atomic_size_t values_held;
    atomic_uint_fast64_t failed_at_us; /* the last write that failed; 0: none */
    atomic_uint_fast64_t free_bytes_min;
    atomic_uint free_percent_min;
    atomic_bool full; /* below these, and not yet far enough above */

    pthread_rwlock_t log_lock; /* a write holds it shared until it has told whether it failed */
    pthread_mutex_t log_state_lock;
    /* under log_state_lock */
    uint64_t log_failures; /* writes to the log that failed */
    bool log_failed;       /* and none that began later has succeeded */

    pthread_mutex_t compact_lock;
    pthread_mutex_t sync_lock;
    pthread_cond_t sync_done;
    /* under sync_lock */
    struct sync_waiter *sync_waiters; /* not yet covered by a sync */
    bool syncing;
};

/* Takes RocksDB's message and makes a status of it. */
enum sw_status sw_store_rocksdb_fail(const struct rocksdb_store *self, const char *what, char *message,
                                     struct sw_error *error);
/* Writes a batch, and frees it; what is for the error's text. */
enum sw_status sw_store_rocksdb_write(struct rocksdb_store *self, rocksdb_writebatch_t *batch, const char *what,
                                      struct sw_error *error);
/* A number that RocksDB has; 0 where it has none. */
uint64_t sw_store_rocksdb_property(const struct rocksdb_store *self, const char *name);
/* Makes a folder's entry in its parent durable: without it, a crash may take the folder with all that was synced. */
enum sw_status sw_store_rocksdb_sync_parent(const char *path, struct sw_error *error);

/* store_rocksdb_admin.c: members of the vtable */
void sw_store_rocksdb_statistics(struct sw_store *store,
                                 void (*visit)(const char *name, const char *type, const char *help, double value,
                                               void *visit_data),
                                 void *visit_data);
enum sw_status sw_store_rocksdb_delete_batch(struct sw_store *store, const struct sw_key *keys, size_t count,
                                             struct sw_error *error);
enum sw_status sw_store_rocksdb_backup(struct sw_store *store, const char *path, struct sw_error *error);
enum sw_status sw_store_rocksdb_scan(struct sw_store *store, const struct sw_key *after,
                                     bool (*visit)(const struct sw_key *key, const uint8_t *value, size_t value_bytes,
                                                   void *visit_data),
                                     void *visit_data, struct sw_error *error);
enum sw_status sw_store_rocksdb_compact(struct sw_store *store, struct sw_error *error);

#endif
