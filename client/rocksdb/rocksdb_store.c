/* A node's data folder as a local store: what symwave/rocksdb_store.h promises. A program of the SDK's public headers.
 */
#include "symwave/rocksdb_store.h"
#include <errno.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Index, filter and key blocks; values go through the page cache. */
#define BLOCK_CACHE_BYTES ((size_t)16 << 20)
#define OPEN_FILES_MAX    512
/* A folder that cannot be made: else RocksDB would begin a log of its own, and rename the node's. */
#define NO_LOG_FOLDER "/dev/null/none"

struct sw_rocksdb_store {
    char *path;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read;
    pthread_rwlock_t lock; /* written by refresh */
    rocksdb_t *db;
};

static enum sw_status fail(struct sw_error *error, enum sw_status status, const char *format, ...) SW_PRINTF(3, 4);
static enum sw_status fail(struct sw_error *error, enum sw_status status, const char *format, ...)
{
    va_list args;
    if (!error)
        return status;
    va_start(args, format);
    error->status = status;
    vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    return status;
}

/* What RocksDB says; frees it. */
static enum sw_status fail_by(struct sw_error *error, const char *path, const char *what, char *message)
{
    enum sw_status status = strncmp(message, "Corruption", 10) == 0 ? SW_DATA_LOSS : SW_IO_ERROR;
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    fail(error, status, "%s: %s: %s", path, what, message);
    rocksdb_free(message);
    return status;
}

static rocksdb_options_t *make_options(void)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(BLOCK_CACHE_BYTES);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    rocksdb_cache_destroy(cache);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    /* As the node opens it: what is damaged in its log takes nothing else with it. */
    rocksdb_options_set_wal_recovery_mode(options, rocksdb_skip_any_corrupted_records_recovery);
    rocksdb_options_set_db_log_dir(options, NO_LOG_FOLDER);
    return options;
}

static enum sw_status open_db(const struct sw_rocksdb_store *store, rocksdb_t **db, struct sw_error *error)
{
    char current[4096], *message = NULL;
    snprintf(current, sizeof(current), "%s/CURRENT", store->path);
    if (access(current, R_OK) != 0)
        return fail(error, errno == ENOENT || errno == ENOTDIR ? SW_NOT_FOUND : SW_IO_ERROR,
                    "%.300s: no store can be read there: %s; name the folder that symwaved --data names", store->path,
                    strerror(errno));
    *db = rocksdb_open_for_read_only(store->options, store->path, 0, &message);
    return message ? fail_by(error, store->path, "cannot open the store", message) : SW_OK;
}

void sw_rocksdb_store_close(struct sw_rocksdb_store *store)
{
    if (!store)
        return;
    if (store->db)
        rocksdb_close(store->db);
    if (store->read)
        rocksdb_readoptions_destroy(store->read);
    if (store->options)
        rocksdb_options_destroy(store->options);
    pthread_rwlock_destroy(&store->lock);
    free(store->path);
    free(store);
}

enum sw_status sw_rocksdb_store_open(const char *path, struct sw_rocksdb_store **store, struct sw_error *error)
{
    *store = NULL;
    struct sw_rocksdb_store *self = calloc(1, sizeof(*self));
    if (!self)
        return fail(error, SW_NO_MEMORY, "no memory to open %.300s", path);
    pthread_rwlock_init(&self->lock, NULL);
    self->path = strdup(path);
    if (!self->path) {
        sw_rocksdb_store_close(self);
        return fail(error, SW_NO_MEMORY, "no memory to open %.300s", path);
    }
    self->options = make_options();
    self->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(self->read, 0); /* values are hashed, which tells more */
    rocksdb_readoptions_set_fill_cache(self->read, 0);
    enum sw_status status = open_db(self, &self->db, error);
    if (status != SW_OK) {
        sw_rocksdb_store_close(self);
        return status;
    }
    *store = self;
    return SW_OK;
}

enum sw_status sw_rocksdb_store_refresh(struct sw_rocksdb_store *store, struct sw_error *error)
{
    rocksdb_t *db, *before;
    enum sw_status status = open_db(store, &db, error);
    if (status != SW_OK)
        return status;
    pthread_rwlock_wrlock(&store->lock);
    before = store->db;
    store->db = db;
    pthread_rwlock_unlock(&store->lock);
    rocksdb_close(before);
    return SW_OK;
}

static enum sw_status get_batch(const struct sw_key *keys, size_t key_count,
                                bool (*found)(size_t index, const void *value, size_t value_bytes, void *found_data),
                                void *found_data, struct sw_error *error, void *user_data)
{
    struct sw_rocksdb_store *self = user_data;
    enum sw_status status = SW_OK;
    bool more = true;
    pthread_rwlock_rdlock(&self->lock);
    for (size_t i = 0; i < key_count && more && status == SW_OK; i++) {
        char *message = NULL;
        rocksdb_pinnableslice_t *slice =
            rocksdb_get_pinned(self->db, self->read, (const char *)keys[i].bytes, SW_KEY_BYTES, &message);
        if (message) {
            status = fail_by(error, self->path, "cannot read a symbol", message);
        } else if (slice) {
            size_t bytes;
            const char *value = rocksdb_pinnableslice_value(slice, &bytes);
            more = found(i, value, bytes, found_data);
            rocksdb_pinnableslice_destroy(slice);
        }
    }
    pthread_rwlock_unlock(&self->lock);
    return status;
}

struct sw_local_store sw_rocksdb_store_as_local_store(struct sw_rocksdb_store *store)
{
    return (struct sw_local_store){.get_batch = get_batch, .user_data = store};
}
