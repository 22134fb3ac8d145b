#include "server/rocksdb_log.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct sw_logger *to; /* under lock */
static atomic_uint_fast64_t left_out_bytes;

void sw_rocksdb_log_to(const struct sw_logger *logger)
{
    pthread_mutex_lock(&lock);
    to = logger;
    pthread_mutex_unlock(&lock);
}

void sw_rocksdb_log_left_out(const char *data, const struct sw_logger *logger)
{
    char quoted[1100];
    const uint64_t bytes = atomic_exchange(&left_out_bytes, 0);
    if (bytes > 0)
        sw_log(logger, SW_LOG_ERROR,
               "the store's log is damaged: symbols in so many bytes of it are lost here; see to the disk",
               "data=%s bytes=%" PRIu64, sw_log_quote(data, quoted, sizeof(quoted)), bytes);
}

/* "[WARN] [db/db_impl/db_impl_open.cc:982] DATA/000029.log: dropping 32768 bytes; Corruption: checksum mismatch" */
static void count_left_out(const char *line)
{
    static const char words[] = ".log: dropping ";
    const char *found = strstr(line, words);
    if (found)
        atomic_fetch_add(&left_out_bytes, strtoull(found + sizeof(words) - 1, NULL, 10));
}

/* rocksdb::EnvLogger::Logv(const char *, va_list); a level that is worth a word is in front of the format. */
__attribute__((format(printf, 2, 0))) void sw_rocksdb_log_line(
    void *self, const char *format, va_list arguments) __asm__("_ZN7rocksdb9EnvLogger4LogvEPKcP13__va_list_tag");

__attribute__((visibility("default"))) void sw_rocksdb_log_line(void *self, const char *format, va_list arguments)
{
    char line[1024], quoted[2100];
    (void)self;
    const bool is_error = strncmp(format, "[ERROR]", 7) == 0 || strncmp(format, "[FATAL]", 7) == 0;
    if (!is_error && strncmp(format, "[WARN]", 6) != 0)
        return;
    vsnprintf(line, sizeof(line), format, arguments);
    count_left_out(line);
    pthread_mutex_lock(&lock);
    if (to)
        sw_log(to, SW_LOG_WARN, "RocksDB has something to say", "text=%s", sw_log_quote(line, quoted, sizeof(quoted)));
    pthread_mutex_unlock(&lock);
}
