/*
 * The SDK's side of the fetch row: a file's pieces as symbols on nodes, and back into one file.
 *
 *     bench_fetch PIECE load NODES FILE KEYS [FOLDER]
 *     bench_fetch PIECE plan NODES KEYS TASK
 *     bench_fetch PIECE fetch NODES KEYS TASK OUT
 *
 * "load" stores FILE in pieces of PIECE bytes and writes down their keys; with FOLDER also each piece as a file that
 * its key names. "plan" prints "ADDRESS<TAB>INDEX<TAB>KEY (hex)", each key with its primary. "fetch" retrieves all of
 * them into OUT, checked, each piece in its place, and prints what that took: "NAME=NUMBER" for each figure. OUT's room
 * is reserved first, as bench_raw does.
 */
#include "symwave/symwave.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static size_t piece_bytes;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_fetch: %s: %s\n", what, why);
    exit(1);
}

static int open_or_die(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0644);
    if (fd < 0)
        die(path, strerror(errno));
    return fd;
}

static struct sw_client *open_client(const char *nodes_path)
{
    struct sw_node_list *nodes;
    struct sw_client *client = NULL;
    struct sw_error error;
    if (sw_node_list_load(nodes_path, &nodes, &error) != SW_OK || sw_client_open(NULL, nodes, &client, &error) != SW_OK)
        die(nodes_path, error.message);
    sw_node_list_free(nodes);
    return client;
}

/* ---- load ---- */

struct loading {
    int fd, folder;
    const char *path;
    uint64_t offset;
};

static void free_piece(const void *bytes, void *release_data)
{
    (void)release_data;
    free((void *)bytes);
}

static void write_piece(int folder, const void *bytes, size_t count)
{
    struct sw_key key = sw_key_of_value(bytes, count);
    char name[SW_KEY_BASE58_SIZE];
    sw_key_to_base58(&key, name);
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, bytes, count) != (ssize_t)count || close(fd) != 0)
        die(name, strerror(errno));
}

static enum sw_status next_piece(struct sw_value *value, struct sw_error *error, void *user_data)
{
    struct loading *loading = user_data;
    void *bytes = malloc(piece_bytes);
    (void)error;
    ssize_t count = bytes ? pread(loading->fd, bytes, piece_bytes, (off_t)loading->offset) : -1;
    if (count < 0)
        die(loading->path, strerror(errno));
    if (count == 0) {
        free(bytes);
        return SW_OK;
    }
    loading->offset += (size_t)count;
    if (loading->folder >= 0)
        write_piece(loading->folder, bytes, (size_t)count);
    *value = (struct sw_value){.bytes = bytes, .bytes_count = (size_t)count, .release = free_piece};
    return SW_OK;
}

static void write_key(uint64_t index, const struct sw_key *key, uint32_t replicas, uint32_t wanted, void *user_data)
{
    char text[SW_KEY_BASE58_SIZE];
    (void)index;
    (void)replicas;
    (void)wanted;
    sw_key_to_base58(key, text);
    fprintf(user_data, "%s\n", text);
}

static void load(const char *nodes_path, const char *path, const char *keys_path, const char *folder)
{
    struct loading loading = {.fd = open_or_die(path, O_RDONLY),
                              .folder = folder ? open_or_die(folder, O_RDONLY | O_DIRECTORY) : -1,
                              .path = path};
    FILE *keys = fopen(keys_path, "w");
    if (!keys)
        die(keys_path, strerror(errno));
    struct sw_client *client = open_client(nodes_path);
    const struct sw_store_options options = {
        .size = sizeof(options), .replicas_percent_min = 100, .stored = write_key, .stored_data = keys};
    struct sw_store_report *report;
    struct sw_error error;
    if (sw_store_stream(client, next_piece, &loading, &options, &report, &error) != SW_OK)
        die("store", error.message);
    fprintf(stderr, "%llu symbols stored, %llu replicas, in %.1f s\n", (unsigned long long)report->symbols,
            (unsigned long long)report->replicas_placed, (double)report->elapsed_us / 1e6);
    sw_store_report_free(report);
    sw_client_close(client);
    if (fclose(keys) != 0)
        die(keys_path, strerror(errno));
}

/* ---- keys ---- */

static struct sw_key *read_keys(const char *path, size_t *count)
{
    FILE *file = fopen(path, "r");
    size_t capacity = 0;
    struct sw_key *keys = NULL;
    struct sw_error error;
    char line[256];
    if (!file)
        die(path, strerror(errno));
    for (*count = 0; fgets(line, sizeof(line), file); (*count)++) {
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 4096;
            keys = realloc(keys, capacity * sizeof(*keys));
            if (!keys)
                die(path, "no memory");
        }
        if (sw_key_from_base58(line, strcspn(line, "\n"), &keys[*count], &error) != SW_OK)
            die(path, error.message);
    }
    fclose(file);
    return keys;
}

static void plan(const char *nodes_path, const char *keys_path, const char *task)
{
    size_t count;
    struct sw_key *keys = read_keys(keys_path, &count);
    struct sw_client *client = open_client(nodes_path);
    for (size_t i = 0; i < count; i++) {
        struct sw_route route;
        struct sw_error error;
        char hex[SW_KEY_HEX_SIZE];
        if (sw_client_route(client, &keys[i], task, &route, &error) != SW_OK)
            die("route", error.message);
        sw_key_to_hex(&keys[i], hex);
        printf("%s\t%zu\t%s\n", route.candidates[route.base].address, i, hex);
    }
    sw_client_close(client);
    free(keys);
}

/* ---- fetch ---- */

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    const int *fd = user_data;
    off_t offset = (off_t)(symbol->key_index * piece_bytes);
    if (pwrite(*fd, symbol->value, symbol->value_bytes, offset) == (ssize_t)symbol->value_bytes)
        return SW_OK;
    return sw_error_set(error, SW_IO_ERROR, "cannot write: %s", strerror(errno));
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void fetch(const char *nodes_path, const char *keys_path, const char *task, const char *out)
{
    size_t count;
    struct sw_key *keys = read_keys(keys_path, &count);
    double start = now();
    int fd = open_or_die(out, O_WRONLY | O_CREAT | O_TRUNC);
    if (posix_fallocate(fd, 0, (off_t)(count * piece_bytes)) != 0)
        die(out, "no room");
    struct sw_client *client = open_client(nodes_path);
    const struct sw_sink sink = {.take = take, .user_data = &fd};
    const struct sw_retrieve_options options = {.size = sizeof(options), .task_id = task};
    struct sw_report *report;
    struct sw_error error;
    if (sw_retrieve_stream(client, keys, count, &options, &sink, &report, &error) != SW_OK)
        die("retrieve", error.message);
    sw_client_close(client);
    if (close(fd) != 0)
        die(out, strerror(errno));
    double seconds = now() - start, bytes = (double)report->bytes;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("mb_per_s=%.1f client_cpu_s_per_gb=%.3f client_peak_mib=%.1f budget_mib=%.1f over_fetch_percent=%.2f "
           "requests=%llu\n",
           bytes / seconds / 1e6, cpu / bytes * 1e9, (double)usage.ru_maxrss / 1024,
           (double)report->budget_high_water_bytes / 1048576, 100 * ((double)report->bytes_received - bytes) / bytes,
           (unsigned long long)report->requests);
    sw_report_free(report);
    free(keys);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[2] : "";
    sw_process_tune();
    piece_bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    if (piece_bytes > 0 && argc >= 6 && strcmp(what, "load") == 0)
        load(argv[3], argv[4], argv[5], argc > 6 ? argv[6] : NULL);
    else if (piece_bytes > 0 && argc == 6 && strcmp(what, "plan") == 0)
        plan(argv[3], argv[4], argv[5]);
    else if (piece_bytes > 0 && argc == 7 && strcmp(what, "fetch") == 0)
        fetch(argv[3], argv[4], argv[5], argv[6]);
    else
        die("usage", "bench_fetch PIECE load NODES FILE KEYS [FOLDER] | PIECE plan NODES KEYS TASK | "
                     "PIECE fetch NODES KEYS TASK OUT");
    return 0;
}
