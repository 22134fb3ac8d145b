/*
 * A store: where a node keeps its symbols. A vtable, so that a fault filter can be laid over the real one.
 *
 * All functions may be called from several threads at once and may block on the disk; none runs on the network thread.
 */
#ifndef SW_STORE_H
#define SW_STORE_H

#include "symwave/key.h"

/* A value as the store holds it: valid until release(release_data), which may be called from any thread. */
struct sw_store_value {
    const uint8_t *bytes; /* NULL: the store lacks the key */
    size_t bytes_count;
    void (*release)(void *release_data);
    void *release_data;
};

/* Who a value is for. A store that waits for long asks now and then whether it is still wanted; from any thread. */
struct sw_store_reader {
    bool (*is_gone)(const void *user_data);
    const void *user_data;
};

struct sw_store_info {
    uint64_t symbol_count; /* an estimate */
    uint64_t stored_bytes; /* on disk */
    bool writable;
    uint64_t free_bytes; /* of the disk, that may still be written */
};

struct sw_store {
    size_t size; /* of this struct, first, so that a filter can check what it wraps */
    /*
     * The value of a key. A missing key is SW_OK with bytes NULL. reader may be NULL: one that stays. SW_IO_ERROR,
     * SW_DATA_LOSS; SW_CANCELLED where the reader has gone.
     */
    enum sw_status (*get)(struct sw_store *store, const struct sw_key *key, const struct sw_store_reader *reader,
                          struct sw_store_value *value, struct sw_error *error);
    /* Whether the store holds a key. */
    enum sw_status (*contains)(struct sw_store *store, const struct sw_key *key, bool *held, struct sw_error *error);
    /*
     * Writes count values under their keys, all or none; they may be lost in a crash until sync returns. The same key
     * may be put again. SW_IO_ERROR, SW_NO_SPACE.
     */
    enum sw_status (*put_batch)(struct sw_store *store, const struct sw_key *keys, const uint8_t *const *values,
                                const size_t *values_bytes, size_t count, struct sw_error *error);
    /* Makes durable every put_batch that returned before this was called. Concurrent calls share one sync. */
    enum sw_status (*sync)(struct sw_store *store, struct sw_error *error);
    enum sw_status (*info)(struct sw_store *store, struct sw_store_info *info, struct sw_error *error);
    /*
     * Below so much free disk, in bytes and in per cent of the disk, of which the larger counts, the store takes no
     * values; until there is a twentieth more again. NULL: it knows no disk.
     */
    void (*set_floor)(struct sw_store *store, uint64_t free_bytes_min, uint32_t free_percent_min);
    /*
     * Tells what the store counts of itself, each with a name as Prometheus has them, a help text, and whether it is a
     * "counter" or a "gauge". NULL: nothing.
     */
    void (*statistics)(struct sw_store *store,
                       void (*visit)(const char *name, const char *type, const char *help, double value,
                                     void *visit_data),
                       void *visit_data);
    /* Takes values out, all or none; as put_batch is durable. Keys that are not there are passed over. SW_IO_ERROR. */
    enum sw_status (*delete_batch)(struct sw_store *store, const struct sw_key *keys, size_t count,
                                   struct sw_error *error);
    /*
     * Makes a copy of the store as it is, durable, in a folder that does not exist. SW_INVALID_ARGUMENT where it does,
     * SW_IO_ERROR, SW_NO_SPACE.
     */
    enum sw_status (*backup)(struct sw_store *store, const char *path, struct sw_error *error);
    /*
     * Visits values in the order of their keys, those after a key (NULL: all), until visit says so by false. What visit
     * is given is valid during it. SW_IO_ERROR, SW_DATA_LOSS: what comes after cannot be read.
     */
    enum sw_status (*scan)(struct sw_store *store, const struct sw_key *after,
                           bool (*visit)(const struct sw_key *key, const uint8_t *value, size_t value_bytes,
                                         void *visit_data),
                           void *visit_data, struct sw_error *error);
    /* Gives back the disk space of what was deleted; takes long. SW_IO_ERROR. */
    enum sw_status (*compact)(struct sw_store *store, struct sw_error *error);
    /* Closes the store and frees it. After every value has been released. */
    void (*close)(struct sw_store *store);
};

/* A file of this name is in a folder until all of a backup is restored into it; it cannot be opened until then. */
#define SW_STORE_RESTORING "RESTORING"

/*
 * Opens a RocksDB store in a folder, which is made if it does not exist. One process at a time: SW_IO_ERROR says who
 * else. The caller closes *store.
 */
enum sw_status sw_store_rocksdb_open(const char *path, struct sw_store **store, struct sw_error *error);

/* The same in a folder that is there, even where it has the file SW_STORE_RESTORING: for who restores. */
enum sw_status sw_store_rocksdb_open_marked(const char *path, struct sw_store **store, struct sw_error *error);

#endif
