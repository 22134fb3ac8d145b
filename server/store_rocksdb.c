/*
 * The RocksDB store: symbols in blob files, their keys in a small LSM tree. What those who run a node want of it is in
 * store_rocksdb_admin.c; nothing else knows RocksDB.
 *
 * A value is never changed and hardly ever deleted, so nothing here rewrites values: they go to the log, to a memtable,
 * and once to a blob file, while compactions move 50-byte references. Checksums are not verified when a value is read:
 * its key is its hash, and whoever asks checks that.
 */
#include "common/clock.h"
#include "common/memory.h"
#include "server/store_rocksdb_core.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* Three memtables, each flushed to one blob file; the log is as large as they are. */
#define MEMTABLE_BYTES ((size_t)64 << 20)
#define MEMTABLES_MAX  3
#define WAL_BYTES_MAX  ((uint64_t)256 << 20)
/* Index, filter and key blocks; values are not cached here but in the page cache. */
#define BLOCK_CACHE_BYTES ((size_t)64 << 20)
/* Values from here on go to blob files: a smaller one is cheaper beside its key. */
#define BLOB_BYTES_MIN ((uint64_t)4096)
/* Table and blob files held open, about 64 MiB each; connections need descriptors too. */
#define OPEN_FILES_MIN 64
#define OPEN_FILES_MAX 8192
/* Writes are refused below this much free disk, so that what has been taken in can still be flushed and compacted. */
#define FREE_BYTES_MIN ((uint64_t)256 << 20) /* where nothing else is said */
/* After a write that failed, the store calls itself not writable for so long. */
#define FAILURE_MEMORY_US ((uint64_t)30 * 1000000)
/* How long close waits for values that are still held. */
#define CLOSE_WAIT_US ((uint64_t)10 * 1000000)
/* The read tier that touches no disk (RocksDB's kBlockCacheTier); c.h gives it no name. */
#define READ_TIER_CACHE 1

/* One caller of sync, on its own stack. */
struct sync_waiter {
    struct sync_waiter *next;
    bool done;
    enum sw_status status;
    struct sw_error error;
};

/* What a value's release needs. */
struct held_value {
    struct rocksdb_store *store;
    rocksdb_pinnableslice_t *slice;
};

enum sw_status sw_store_rocksdb_fail(const struct rocksdb_store *self, const char *what, char *message,
                                     struct sw_error *error)
{
    enum sw_status status = SW_IO_ERROR;
    if (strstr(message, "No space left") || strstr(message, "quota exceeded"))
        status = SW_NO_SPACE;
    else if (strncmp(message, "Corruption", 10) == 0)
        status = SW_DATA_LOSS;
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    sw_error_set(error, status, "%s: %s: %s", self->path, what, message);
    rocksdb_free(message);
    return status;
}

/* ---- reading ---- */

static void value_release(void *release_data)
{
    struct held_value *held = release_data;
    struct rocksdb_store *self = held->store;
    rocksdb_pinnableslice_destroy(held->slice);
    free(held);
    atomic_fetch_sub(&self->values_held, 1); /* last: close waits for it */
}

/* A small value's own copy, so that holding it does not hold the block of 4 KiB and more that it lies in. */
static enum sw_status copy_value(rocksdb_pinnableslice_t *slice, struct sw_store_value *value, struct sw_error *error)
{
    size_t bytes_count;
    const char *bytes = rocksdb_pinnableslice_value(slice, &bytes_count);
    uint8_t *copy = malloc(bytes_count + 1);
    if (copy) {
        memcpy(copy, bytes, bytes_count);
        *value =
            (struct sw_store_value){.bytes = copy, .bytes_count = bytes_count, .release = free, .release_data = copy};
    }
    rocksdb_pinnableslice_destroy(slice);
    return copy ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory to read a value");
}

static enum sw_status store_get(struct sw_store *store, const struct sw_key *key, const struct sw_store_reader *reader,
                                struct sw_store_value *value, struct sw_error *error)
{
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    (void)reader; /* a read of the disk cannot be given up */
    memset(value, 0, sizeof(*value));
    char *message = NULL;
    rocksdb_pinnableslice_t *slice =
        rocksdb_get_pinned(self->db, self->read, (const char *)key->bytes, SW_KEY_BYTES, &message);
    if (!slice)
        return message ? sw_store_rocksdb_fail(self, "read", message, error) : SW_OK;
    size_t bytes_count;
    const char *bytes = rocksdb_pinnableslice_value(slice, &bytes_count);
    if (bytes_count < BLOB_BYTES_MIN)
        return copy_value(slice, value, error);
    struct held_value *held = malloc(sizeof(*held));
    if (!held) {
        rocksdb_pinnableslice_destroy(slice);
        return sw_error_set(error, SW_NO_MEMORY, "no memory to read a value");
    }
    *held = (struct held_value){.store = self, .slice = slice};
    atomic_fetch_add(&self->values_held, 1);
    *value = (struct sw_store_value){
        .bytes = (const uint8_t *)bytes, .bytes_count = bytes_count, .release = value_release, .release_data = held};
    return SW_OK;
}

static enum sw_status store_contains(struct sw_store *store, const struct sw_key *key, bool *held,
                                     struct sw_error *error)
{
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    /*
     * RocksDB has no lookup that leaves a blob unread. But one that must not touch the disk stops with a message of its
     * own where it has found the key and would now read its blob. Any other such stop says nothing: then read it all.
     */
    char *message = NULL;
    rocksdb_pinnableslice_t *slice =
        rocksdb_get_pinned(self->db, self->read_cached, (const char *)key->bytes, SW_KEY_BYTES, &message);
    if (message && strstr(message, "Cannot read blob")) {
        rocksdb_free(message);
        *held = true;
        return SW_OK;
    }
    if (message) {
        rocksdb_free(message);
        message = NULL;
        slice = rocksdb_get_pinned(self->db, self->read, (const char *)key->bytes, SW_KEY_BYTES, &message);
        if (message)
            return sw_store_rocksdb_fail(self, "look up", message, error);
    }
    *held = slice != NULL;
    if (slice)
        rocksdb_pinnableslice_destroy(slice);
    return SW_OK;
}

/* ---- writing ---- */

/* Looks at the store's file system. Whether it has too little left to write; *left, and *floor, are in bytes. */
static bool is_full(struct rocksdb_store *self, uint64_t *left, uint64_t *floor)
{
    struct statvfs fs;
    *left = UINT64_MAX;
    *floor = atomic_load(&self->free_bytes_min);
    if (statvfs(self->path, &fs) != 0)
        return false; /* the write itself will tell */
    *left = (uint64_t)fs.f_bavail * fs.f_frsize;
    const uint64_t part = (uint64_t)fs.f_blocks * fs.f_frsize / 100 * atomic_load(&self->free_percent_min);
    if (part > *floor)
        *floor = part;
    if (*left < *floor)
        atomic_store(&self->full, true);
    else if (*left >= *floor + *floor / 20)
        atomic_store(&self->full, false);
    return atomic_load(&self->full);
}

static void store_set_floor(struct sw_store *store, uint64_t free_bytes_min, uint32_t free_percent_min)
{
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    atomic_store(&self->free_bytes_min, free_bytes_min);
    atomic_store(&self->free_percent_min, free_percent_min);
}

/*
 * All writes to the log come by here, so that a sync knows of one that failed before it begins: see sync_log. A write
 * that began before another failed proves nothing of the log by its success.
 */
enum sw_status sw_store_rocksdb_write(struct rocksdb_store *self, rocksdb_writebatch_t *batch, const char *what,
                                      struct sw_error *error)
{
    char *message = NULL;
    pthread_rwlock_rdlock(&self->log_lock);
    pthread_mutex_lock(&self->log_state_lock);
    const uint64_t failures = self->log_failures;
    pthread_mutex_unlock(&self->log_state_lock);
    rocksdb_write(self->db, self->write, batch, &message);
    pthread_mutex_lock(&self->log_state_lock);
    self->log_failures += message != NULL;
    if (message || self->log_failures == failures)
        self->log_failed = message != NULL;
    pthread_mutex_unlock(&self->log_state_lock);
    pthread_rwlock_unlock(&self->log_lock);
    rocksdb_writebatch_destroy(batch);
    if (!message)
        return SW_OK;
    atomic_store(&self->failed_at_us, sw_clock_us());
    return sw_store_rocksdb_fail(self, what, message, error);
}

static enum sw_status store_put_batch(struct sw_store *store, const struct sw_key *keys, const uint8_t *const *values,
                                      const size_t *values_bytes, size_t count, struct sw_error *error)
{
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    uint64_t left, floor;
    if (is_full(self, &left, &floor))
        return sw_error_set(error, SW_NO_SPACE, "%s: disk full: %llu MiB are free and %llu MiB are kept in reserve",
                            self->path, (unsigned long long)(left >> 20), (unsigned long long)(floor >> 20));
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (size_t i = 0; i < count; i++)
        rocksdb_writebatch_put(batch, (const char *)keys[i].bytes, SW_KEY_BYTES, (const char *)values[i],
                               values_bytes[i]);
    return sw_store_rocksdb_write(self, batch, "write", error);
}

/* Whether the last that is known of the log is that a write to it failed. Waits for the writes that are under way. */
static bool log_has_failed(struct rocksdb_store *self)
{
    pthread_rwlock_wrlock(&self->log_lock);
    pthread_mutex_lock(&self->log_state_lock);
    const bool failed = self->log_failed;
    pthread_mutex_unlock(&self->log_state_lock);
    pthread_rwlock_unlock(&self->log_lock);
    return failed;
}

/*
 * Syncs the log, every file of it: RocksDB's SyncWAL covers those of memtables that are not flushed yet. After one that
 * failed RocksDB fails all that follow, and has to: the kernel drops what it could not write and says so only once. A
 * log that failed to be written must not even be tried: Debian's RocksDB has its assertions in, and one of them ends
 * the process then. Until a write succeeds, which RocksDB lets happen with a new log only, nothing is durable; an empty
 * one is tried here, so that whoever only syncs learns that the log is well again.
 *
 * A sync waits for the writes that are under way; writes are not held up while the disk syncs. One that fails between
 * the look at the log and RocksDB's own, a few microseconds later, still ends the process: nothing that was
 * acknowledged is lost by it.
 */
static enum sw_status sync_log(struct rocksdb_store *self, struct sw_error *error)
{
    char *message = NULL;
    if (log_has_failed(self) && sw_store_rocksdb_write(self, rocksdb_writebatch_create(), "write", NULL) != SW_OK)
        return sw_error_set(error, SW_IO_ERROR, "cannot sync the log of %s: a write to it has failed", self->path);
    rocksdb_flush_wal(self->db, 1, &message);
    if (!message)
        return SW_OK;
    atomic_store(&self->failed_at_us, sw_clock_us());
    return sw_store_rocksdb_fail(self, "sync the log", message, error);
}

static enum sw_status store_sync(struct sw_store *store, struct sw_error *error)
{
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    struct sync_waiter me = {.done = false};
    pthread_mutex_lock(&self->sync_lock);
    me.next = self->sync_waiters;
    self->sync_waiters = &me;
    while (!me.done) {
        if (self->syncing) {
            pthread_cond_wait(&self->sync_done, &self->sync_lock);
            continue;
        }
        /* Sync for all who wait now; who comes later may have written later, and waits for the next one. */
        struct sync_waiter *waiter = self->sync_waiters;
        self->sync_waiters = NULL;
        self->syncing = true;
        pthread_mutex_unlock(&self->sync_lock);
        struct sw_error sync_error = {0};
        enum sw_status status = sync_log(self, &sync_error);
        pthread_mutex_lock(&self->sync_lock);
        for (struct sync_waiter *next; waiter; waiter = next) {
            next = waiter->next; /* a waiter that is done goes away */
            waiter->status = status;
            waiter->error = sync_error;
            waiter->done = true;
        }
        self->syncing = false;
        pthread_cond_broadcast(&self->sync_done);
    }
    pthread_mutex_unlock(&self->sync_lock);
    if (me.status != SW_OK && error)
        *error = me.error;
    return me.status;
}

/* ---- the whole ---- */

uint64_t sw_store_rocksdb_property(const struct rocksdb_store *self, const char *name)
{
    uint64_t value = 0;
    return rocksdb_property_int(self->db, name, &value) == 0 ? value : 0;
}

static enum sw_status store_info(struct sw_store *store, struct sw_store_info *info, struct sw_error *error)
{
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    (void)error;
    info->symbol_count = sw_store_rocksdb_property(self, "rocksdb.estimate-num-keys");
    /* What is in a memtable is on disk in the log. */
    info->stored_bytes = sw_store_rocksdb_property(self, "rocksdb.total-sst-files-size") +
                         sw_store_rocksdb_property(self, "rocksdb.total-blob-file-size") +
                         sw_store_rocksdb_property(self, "rocksdb.cur-size-all-mem-tables");
    uint64_t failed_at_us = atomic_load(&self->failed_at_us);
    uint64_t floor;
    info->writable = !is_full(self, &info->free_bytes, &floor) &&
                     (failed_at_us == 0 || sw_clock_us() - failed_at_us > FAILURE_MEMORY_US);
    return SW_OK;
}

enum sw_status sw_store_rocksdb_sync_parent(const char *path, struct sw_error *error)
{
    char *copy = strdup(path);
    if (!copy)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to open %s", path);
    const char *parent = dirname(copy);
    enum sw_status status = SW_OK;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL) /* EINVAL: a file system that syncs no folders */
        status = sw_error_set(error, SW_IO_ERROR, "cannot sync the folder %s: %s", parent, strerror(errno));
    if (fd >= 0)
        close(fd); /* one that may not be read was made by someone else, who owns its durability */
    free(copy);
    return status;
}

/* Frees what open has made so far. */
static void store_free(struct rocksdb_store *self)
{
    if (self->db)
        rocksdb_close(self->db);
    if (self->options)
        rocksdb_options_destroy(self->options);
    if (self->read)
        rocksdb_readoptions_destroy(self->read);
    if (self->read_cached)
        rocksdb_readoptions_destroy(self->read_cached);
    if (self->write)
        rocksdb_writeoptions_destroy(self->write);
    pthread_cond_destroy(&self->sync_done);
    pthread_rwlock_destroy(&self->log_lock);
    pthread_mutex_destroy(&self->log_state_lock);
    pthread_mutex_destroy(&self->compact_lock);
    pthread_mutex_destroy(&self->sync_lock);
    free(self->path);
    free(self);
}

static void store_close(struct sw_store *store)
{
    struct rocksdb_store *self = (struct rocksdb_store *)store;
    uint64_t give_up_us = sw_clock_us() + CLOSE_WAIT_US;
    while (atomic_load(&self->values_held) > 0) {
        /* A value may pin a block of the cache. Rather than pull it from under its holder, leave all open: the log has
         * what was acknowledged. */
        if (sw_clock_us() >= give_up_us)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    store_free(self);
}

/* ---- opening ---- */

static void set_table_options(rocksdb_options_t *options)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(BLOCK_CACHE_BYTES);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_whole_key_filtering(table, 1);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table); /* the options have copies */
    rocksdb_cache_destroy(cache);
}

/* Half of the descriptors that the process may have. */
static int open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 2 < OPEN_FILES_MIN)
        return OPEN_FILES_MIN;
    return limit.rlim_cur / 2 > OPEN_FILES_MAX ? OPEN_FILES_MAX : (int)(limit.rlim_cur / 2);
}

static rocksdb_options_t *make_options(void)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_compression(options, rocksdb_no_compression); /* encoding symbols look random */
    rocksdb_options_set_write_buffer_size(options, MEMTABLE_BYTES);
    rocksdb_options_set_max_write_buffer_number(options, MEMTABLES_MAX);
    rocksdb_options_set_max_total_wal_size(options, WAL_BYTES_MAX);
    /*
     * Each symbol stands by itself. What is damaged in the log must not take with it all that came later, which the
     * default, rocksdb_point_in_time_recovery, does, and deletes it.
     */
    rocksdb_options_set_wal_recovery_mode(options, rocksdb_skip_any_corrupted_records_recovery);
    rocksdb_options_set_max_background_jobs(options, 3);
    rocksdb_options_set_max_open_files(options, open_files());
    /* So that neither a flush nor a sync of the log ends in one long fsync. */
    rocksdb_options_set_bytes_per_sync(options, 4 << 20);
    rocksdb_options_set_wal_bytes_per_sync(options, 4 << 20);
    rocksdb_options_set_info_log_level(options, 2); /* warnings */
    rocksdb_options_set_keep_log_file_num(options, 4);
    rocksdb_options_set_max_log_file_size(options, 4 << 20);
    /*
     * Blob garbage collection stays off: it rewrites the oldest quarter of all values as their keys are compacted,
     * while garbage comes only from the same key put twice at one time. A blob file with nothing alive goes in any
     * case.
     */
    rocksdb_options_set_enable_blob_files(options, 1);
    rocksdb_options_set_min_blob_size(options, BLOB_BYTES_MIN);
    rocksdb_options_set_blob_compression_type(options, rocksdb_no_compression);
    set_table_options(options);
    return options;
}

/* Makes the folder where it is missing, and says plainly what is wrong with one that cannot be used. */
static enum sw_status prepare_folder(const char *path, struct sw_error *error)
{
    struct stat st;
    if (mkdir(path, 0750) != 0 && errno != EEXIST) {
        int saved = errno;
        return sw_error_set(error, saved == ENOSPC || saved == EDQUOT ? SW_NO_SPACE : SW_IO_ERROR,
                            "cannot make the data folder %s: %s", path, strerror(saved));
    }
    if (stat(path, &st) != 0)
        return sw_error_set(error, SW_IO_ERROR, "cannot use the data folder %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return sw_error_set(error, SW_IO_ERROR, "the data folder %s is a file; name a folder", path);
    if (access(path, R_OK | W_OK | X_OK) != 0)
        return sw_error_set(error, SW_IO_ERROR, "cannot write to the data folder %s: %s", path, strerror(errno));
    return sw_store_rocksdb_sync_parent(path, error);
}

static enum sw_status check_mark(const char *path, struct sw_error *error)
{
    char *mark = sw_text_new("%s/" SW_STORE_RESTORING, path);
    if (!mark)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to open %s", path);
    const bool is_half = access(mark, F_OK) == 0;
    sw_free(mark);
    return is_half ? sw_error_set(error, SW_IO_ERROR,
                                  "a backup was not restored into %s to the end; run \"symwaved restore\" again", path)
                   : SW_OK;
}

/* The process that has locked a folder's LOCK file, 0 where that cannot be told. */
static pid_t lock_holder(const char *path)
{
    char *lock_path = sw_text_new("%s/LOCK", path);
    if (!lock_path)
        return 0;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(lock_path, O_RDWR | O_CLOEXEC);
    sw_free(lock_path);
    if (fd < 0)
        return 0;
    bool locked = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return locked ? lock.l_pid : 0;
}

static enum sw_status open_failed(const struct rocksdb_store *self, char *message, struct sw_error *error)
{
    if (strstr(message, "LOCK") && strstr(message, "current process")) {
        rocksdb_free(message);
        return sw_error_set(error, SW_IO_ERROR, "the data folder %s is open in this process already", self->path);
    }
    /* Closing the file would give up a lock of this very process, hence only where it is another's. */
    pid_t holder = strstr(message, "LOCK") ? lock_holder(self->path) : 0;
    if (!holder)
        return sw_store_rocksdb_fail(self, "cannot open the store", message, error);
    rocksdb_free(message);
    return sw_error_set(error, SW_IO_ERROR,
                        "the data folder %s is in use by process %ld; stop it, or name another folder", self->path,
                        (long)holder);
}

enum sw_status sw_store_rocksdb_open(const char *path, struct sw_store **store, struct sw_error *error)
{
    *store = NULL;
    enum sw_status status = prepare_folder(path, error);
    if (status == SW_OK)
        status = check_mark(path, error);
    return status == SW_OK ? sw_store_rocksdb_open_marked(path, store, error) : status;
}

enum sw_status sw_store_rocksdb_open_marked(const char *path, struct sw_store **store, struct sw_error *error)
{
    enum sw_status status = SW_OK;
    *store = NULL;
    struct rocksdb_store *self = calloc(1, sizeof(*self));
    if (!self)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to open %s", path);
    pthread_rwlockattr_t writers_first; /* writes come without a pause where there are many callers */
    pthread_rwlockattr_init(&writers_first);
    pthread_rwlockattr_setkind_np(&writers_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&self->log_lock, &writers_first);
    pthread_rwlockattr_destroy(&writers_first);
    pthread_mutex_init(&self->log_state_lock, NULL);
    pthread_mutex_init(&self->compact_lock, NULL);
    pthread_mutex_init(&self->sync_lock, NULL);
    pthread_cond_init(&self->sync_done, NULL);
    self->path = strdup(path);
    if (!self->path) {
        store_free(self);
        return sw_error_set(error, SW_NO_MEMORY, "no memory to open %s", path);
    }
    atomic_init(&self->free_bytes_min, FREE_BYTES_MIN);
    self->options = make_options();
    self->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(self->read, 0);
    self->read_cached = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(self->read_cached, 0);
    rocksdb_readoptions_set_read_tier(self->read_cached, READ_TIER_CACHE);
    self->write = rocksdb_writeoptions_create();

    char *message = NULL;
    self->db = rocksdb_open(self->options, path, &message);
    if (message) {
        status = open_failed(self, message, error);
        store_free(self);
        return status;
    }
    self->store = (struct sw_store){
        .size = sizeof(struct sw_store),
        .get = store_get,
        .contains = store_contains,
        .put_batch = store_put_batch,
        .sync = store_sync,
        .info = store_info,
        .set_floor = store_set_floor,
        .delete_batch = sw_store_rocksdb_delete_batch,
        .backup = sw_store_rocksdb_backup,
        .scan = sw_store_rocksdb_scan,
        .compact = sw_store_rocksdb_compact,
        .statistics = sw_store_rocksdb_statistics,
        .close = store_close,
    };
    *store = &self->store;
    return SW_OK;
}
