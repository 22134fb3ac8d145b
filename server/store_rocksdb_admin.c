/* The RocksDB store: what those who run a node want of it. What calls want is in store_rocksdb.c. */
#include "server/store_rocksdb_core.h"
#include <string.h>
#include <sys/stat.h>

void sw_store_rocksdb_statistics(struct sw_store *store,
                                 void (*visit)(const char *name, const char *type, const char *help, double value,
                                               void *visit_data),
                                 void *visit_data)
{
    static const struct {
        const char *property, *name, *help;
    } gauges[] = {
        {"rocksdb.estimate-num-keys", "rocksdb_estimate_num_keys", "Keys, estimated."},
        {"rocksdb.estimate-live-data-size", "rocksdb_estimate_live_data_bytes", "Bytes of live data in tables."},
        {"rocksdb.total-sst-files-size", "rocksdb_total_sst_files_bytes", "Bytes of all tables."},
        {"rocksdb.num-blob-files", "rocksdb_num_blob_files", "Blob files."},
        {"rocksdb.total-blob-file-size", "rocksdb_total_blob_file_bytes", "Bytes of all blob files."},
        {"rocksdb.live-blob-file-size", "rocksdb_live_blob_file_bytes", "Bytes of blob files with live values."},
        {"rocksdb.cur-size-all-mem-tables", "rocksdb_mem_tables_bytes", "Bytes of memtables."},
        {"rocksdb.num-immutable-mem-table", "rocksdb_num_immutable_mem_tables", "Memtables that wait to be flushed."},
        {"rocksdb.mem-table-flush-pending", "rocksdb_mem_table_flush_pending", "1 while a flush waits."},
        {"rocksdb.num-running-flushes", "rocksdb_num_running_flushes", "Flushes that run."},
        {"rocksdb.num-running-compactions", "rocksdb_num_running_compactions", "Compactions that run."},
        {"rocksdb.estimate-pending-compaction-bytes", "rocksdb_estimate_pending_compaction_bytes",
         "Bytes that compactions have to rewrite."},
        {"rocksdb.background-errors", "rocksdb_background_errors", "Errors of background work since the start."},
        {"rocksdb.is-write-stopped", "rocksdb_is_write_stopped", "1 while writes are stopped."},
        {"rocksdb.actual-delayed-write-rate", "rocksdb_actual_delayed_write_rate",
         "Bytes a second to which writes are slowed down; 0: they are not."},
        {"rocksdb.block-cache-capacity", "rocksdb_block_cache_capacity_bytes", "Bytes that the block cache may have."},
        {"rocksdb.block-cache-usage", "rocksdb_block_cache_usage_bytes", "Bytes in the block cache."},
        {"rocksdb.block-cache-pinned-usage", "rocksdb_block_cache_pinned_usage_bytes", "... of those, pinned ones."},
    };
    const struct rocksdb_store *self = (struct rocksdb_store *)store;
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
        visit(gauges[i].name, "gauge", gauges[i].help, (double)sw_store_rocksdb_property(self, gauges[i].property),
              visit_data);
    visit("symwave_store_values_held", "gauge", "Values that calls hold.", (double)atomic_load(&self->values_held),
          visit_data);
}

enum sw_status sw_store_rocksdb_delete_batch(struct sw_store *store, const struct sw_key *keys, size_t count,
                                             struct sw_error *error)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (size_t i = 0; i < count; i++)
        rocksdb_writebatch_delete(batch, (const char *)keys[i].bytes, SW_KEY_BYTES);
    return sw_store_rocksdb_write((struct rocksdb_store *)store, batch, "delete", error);
}

enum sw_status sw_store_rocksdb_backup(struct sw_store *store, const char *path, struct sw_error *error)
{
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    char *message = NULL;
    struct stat facts;
    if (lstat(path, &facts) == 0)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "path: %s exists; name a new folder", path);
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(self->db, &message);
    if (!message)
        rocksdb_checkpoint_create(checkpoint, path, 0, &message); /* it syncs its files and its folder */
    if (checkpoint)
        rocksdb_checkpoint_object_destroy(checkpoint);
    return message ? sw_store_rocksdb_fail(self, "backup", message, error) : sw_store_rocksdb_sync_parent(path, error);
}

/* Blob files are only ever rewritten here: see make_options. */
enum sw_status sw_store_rocksdb_compact(struct sw_store *store, struct sw_error *error)
{
    static const char *const names[] = {"enable_blob_garbage_collection", "blob_garbage_collection_age_cutoff"};
    static const char *const collected[] = {"true", "1.0"}, *const kept[] = {"false", "0.25"};
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    char *message = NULL;
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    pthread_mutex_lock(&self->compact_lock);                            /* the options are the store's: one at a time */
    rocksdb_compactoptions_set_bottommost_level_compaction(options, 2); /* force: also what no delete touches */
    rocksdb_set_options(self->db, 2, names, collected, &message);
    if (!message) {
        rocksdb_compact_range_opt(self->db, options, NULL, 0, NULL, 0);
        rocksdb_set_options(self->db, 2, names, kept, &message);
    }
    pthread_mutex_unlock(&self->compact_lock);
    rocksdb_compactoptions_destroy(options);
    return message ? sw_store_rocksdb_fail(self, "compact", message, error) : SW_OK;
}

enum sw_status sw_store_rocksdb_scan(struct sw_store *store, const struct sw_key *after,
                                     bool (*visit)(const struct sw_key *key, const uint8_t *value, size_t value_bytes,
                                                   void *visit_data),
                                     void *visit_data, struct sw_error *error)
{
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    struct sw_key key;
    size_t key_bytes, value_bytes;
    bool goes_on = true;
    char *message = NULL;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(options, 0); /* whoever asks compares with the key */
    rocksdb_readoptions_set_fill_cache(options, 0);
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(self->db, options);
    if (after)
        rocksdb_iter_seek(iterator, (const char *)after->bytes, SW_KEY_BYTES);
    else
        rocksdb_iter_seek_to_first(iterator);
    for (; goes_on && rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
        const char *bytes = rocksdb_iter_key(iterator, &key_bytes);
        if (key_bytes != SW_KEY_BYTES || (after && memcmp(bytes, after->bytes, SW_KEY_BYTES) == 0))
            continue;
        memcpy(key.bytes, bytes, SW_KEY_BYTES);
        const char *value = rocksdb_iter_value(iterator, &value_bytes);
        goes_on = visit(&key, (const uint8_t *)value, value_bytes, visit_data);
    }
    rocksdb_iter_get_error(iterator, &message);
    rocksdb_iter_destroy(iterator);
    rocksdb_readoptions_destroy(options);
    return message ? sw_store_rocksdb_fail(self, "scan", message, error) : SW_OK;
}
