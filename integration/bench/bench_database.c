/*
 * Reads a node's database with nothing in between: what RocksDB itself can do, in a process without a network, with the
 * options that the node has left in the database's own files and with malloc as the node has it. The node must not be
 * running.
 *
 *     bench_database multi-get|get-pinned|get-to-socket FOLDER KEYS VALUE_BYTES THREADS CASE
 *
 * Reads all keys of the file KEYS in random order, 16 a call or one by one, and prints a line of the row "server". With
 * get-to-socket each thread writes what it reads to a TCP connection on loopback, of which another thread drops it: no
 * node on this machine can serve faster, whatever its protocol.
 */
#include "symwave/client.h"
#include <netinet/in.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEY_BYTES   32
#define CALL_KEYS   16
#define THREADS_MAX 16
/* As in server/store_rocksdb.c; the one option that the database's files do not have. */
#define BLOCK_CACHE_BYTES ((size_t)64 << 20)

struct database {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family;
    rocksdb_readoptions_t *read;
    char (*keys)[KEY_BYTES];
    size_t key_count;
    bool by_sixteen;
    bool to_socket;
};

/* A thread's part of the keys. */
struct part {
    pthread_t thread, reader;
    int written_to, read_from; /* with to_socket */
    struct database *database;
    size_t first, end;
    uint64_t bytes;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_database: %s: %s\n", what, why);
    exit(1);
}

static void check(const char *what, const char *message)
{
    if (message)
        die(what, message);
}

static double seconds_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void open_database(struct database *self, const char *folder)
{
    char *message = NULL, **names;
    size_t count;
    rocksdb_options_t *options, **family_options;
    rocksdb_env_t *env = rocksdb_create_default_env();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(BLOCK_CACHE_BYTES);
    rocksdb_load_latest_options(folder, env, false, cache, &options, &count, &names, &family_options, &message);
    check(folder, message);
    if (count != 1)
        die(folder, "has more than one column family");
    const char *const name = names[0];
    self->db = rocksdb_open_column_families(options, folder, 1, &name, (const rocksdb_options_t *const *)family_options,
                                            &self->family, &message);
    check(folder, message);
    self->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(self->read, 0);
    rocksdb_load_latest_options_destroy(options, names, family_options, count);
    rocksdb_cache_destroy(cache);
    rocksdb_env_destroy(env);
}

static void read_keys(struct database *self, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        die(path, "cannot be read");
    self->key_count = (size_t)ftell(file) / KEY_BYTES;
    rewind(file);
    self->keys = malloc(self->key_count * KEY_BYTES);
    if (!self->keys || fread(self->keys, KEY_BYTES, self->key_count, file) != self->key_count)
        die(path, "cannot be read");
    fclose(file);
    srand48((long)time(NULL));
    for (size_t i = self->key_count; i > 1; i--) {
        char key[KEY_BYTES];
        size_t other = (size_t)(drand48() * (double)i);
        memcpy(key, self->keys[i - 1], KEY_BYTES);
        memcpy(self->keys[i - 1], self->keys[other], KEY_BYTES);
        memcpy(self->keys[other], key, KEY_BYTES);
    }
}

static uint64_t drop_value(rocksdb_pinnableslice_t *value)
{
    size_t bytes = 0;
    if (!value || !rocksdb_pinnableslice_value(value, &bytes))
        die("key", "is not in the database");
    rocksdb_pinnableslice_destroy(value);
    return bytes;
}

/* ---- sockets ---- */

static void connect_part(struct part *part)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    part->read_from = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, bytes) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &bytes) != 0 ||
        connect(part->read_from, (struct sockaddr *)&address, bytes) != 0 ||
        (part->written_to = accept(listener, NULL, NULL)) < 0)
        die("socket", "cannot be connected");
    close(listener);
}

static void *drop_received(void *arg)
{
    const struct part *part = arg;
    char bytes[65536];
    while (read(part->read_from, bytes, sizeof(bytes)) > 0)
        ;
    return NULL;
}

static void write_value(const struct part *part, rocksdb_pinnableslice_t *value)
{
    size_t count = 0;
    const char *bytes = value ? rocksdb_pinnableslice_value(value, &count) : NULL;
    for (size_t at = 0; at < count;) {
        ssize_t written = write(part->written_to, bytes + at, count - at);
        if (written <= 0)
            die("socket", "cannot be written to");
        at += (size_t)written;
    }
}

/* ---- reading ---- */

static uint64_t get_one(const struct part *part, size_t index)
{
    const struct database *self = part->database;
    char *message = NULL;
    rocksdb_pinnableslice_t *value = rocksdb_get_pinned(self->db, self->read, self->keys[index], KEY_BYTES, &message);
    check("get", message);
    if (self->to_socket)
        write_value(part, value);
    return drop_value(value);
}

static uint64_t get_sixteen(const struct database *self, size_t first, size_t count)
{
    const char *keys[CALL_KEYS];
    size_t sizes[CALL_KEYS];
    rocksdb_pinnableslice_t *values[CALL_KEYS];
    char *messages[CALL_KEYS] = {NULL};
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        keys[i] = self->keys[first + i];
        sizes[i] = KEY_BYTES;
    }
    rocksdb_batched_multi_get_cf(self->db, self->read, self->family, count, keys, sizes, values, messages, false);
    for (size_t i = 0; i < count; i++) {
        check("multi-get", messages[i]);
        bytes += drop_value(values[i]);
    }
    return bytes;
}

static void *read_part(void *arg)
{
    struct part *part = arg;
    const struct database *self = part->database;
    for (size_t at = part->first; at < part->end;) {
        size_t count = part->end - at < CALL_KEYS ? part->end - at : CALL_KEYS;
        if (self->by_sixteen) {
            part->bytes += get_sixteen(self, at, count);
            at += count;
        } else {
            part->bytes += get_one(part, at++);
        }
    }
    if (self->to_socket)
        shutdown(part->written_to, SHUT_WR);
    return NULL;
}

static void start(struct part *part)
{
    bool to_socket = part->database->to_socket;
    if (to_socket)
        connect_part(part);
    if ((to_socket && pthread_create(&part->reader, NULL, drop_received, part) != 0) ||
        pthread_create(&part->thread, NULL, read_part, part) != 0)
        die("thread", "cannot be started");
}

static uint64_t join(struct part *part)
{
    pthread_join(part->thread, NULL);
    if (part->database->to_socket) {
        pthread_join(part->reader, NULL);
        close(part->written_to);
        close(part->read_from);
    }
    return part->bytes;
}

int main(int argc, char **argv)
{
    struct database self = {.by_sixteen = argc > 1 && strcmp(argv[1], "multi-get") == 0,
                            .to_socket = argc > 1 && strcmp(argv[1], "get-to-socket") == 0};
    struct part parts[THREADS_MAX] = {0};
    size_t threads = argc == 7 ? strtoul(argv[5], NULL, 10) : 0;
    if (threads < 1 || threads > THREADS_MAX)
        die("usage", "see the top of bench_database.c");
    sw_process_tune();
    open_database(&self, argv[2]);
    read_keys(&self, argv[3]);
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), started = seconds_of(CLOCK_MONOTONIC);
    uint64_t bytes = 0;
    for (size_t i = 0; i < threads; i++) {
        parts[i] = (struct part){
            .database = &self, .first = self.key_count * i / threads, .end = self.key_count * (i + 1) / threads};
        start(&parts[i]);
    }
    for (size_t i = 0; i < threads; i++)
        bytes += join(&parts[i]);
    double seconds = seconds_of(CLOCK_MONOTONIC) - started;
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (bytes != self.key_count * strtoul(argv[4], NULL, 10))
        die(argv[2], "values are not as large as they should be");
    printf("{\"row\":\"server\",\"case\":\"%s\",\"what\":\"%s, %zu thread%s\",\"figures\":{\"mb_per_s\":%.1f,"
           "\"symbols_per_s\":%.0f,\"cpu_s_per_gb\":%.3f}}\n",
           argv[6],
           self.by_sixteen  ? "multi-get"
           : self.to_socket ? "get to raw TCP"
                            : "get pinned",
           threads, threads > 1 ? "s" : "", (double)bytes / 1e6 / seconds, (double)self.key_count / seconds,
           cpu / ((double)bytes / 1e9));
    rocksdb_readoptions_destroy(self.read);
    rocksdb_column_family_handle_destroy(self.family);
    rocksdb_close(self.db);
    free(self.keys);
    return 0;
}
