/*
 * Stores values on nodes of its own: the SDK's whole way from memory to "durable on so many nodes".
 *
 *     bench_store NODES BYTES
 *
 * NODES, at most 64, are processes with their data under $TMPDIR, or /tmp. BYTES, in values of 64 KiB, are what all
 * nodes together write: a value goes to six of them, or to the only one. Prints a line of the row "store". The values
 * are one that is random, with a count in its first bytes, so that making them costs nothing.
 */
#include "cluster.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define VALUE_SIZE ((size_t)65536)
#define REPLICAS   6

struct source {
    uint8_t value[VALUE_SIZE];
    uint64_t next, count;
};

static double seconds_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* CPU seconds of all nodes. */
static double nodes_seconds(const struct cluster *cluster)
{
    double seconds = 0;
    for (uint32_t i = 0; i < cluster->count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(cluster->nodes[i].pid, &clock) != 0)
            abort();
        seconds += seconds_of(clock);
    }
    return seconds;
}

static double nodes_peak_mib(const struct cluster *cluster)
{
    long peak_kib = 0;
    for (uint32_t i = 0; i < cluster->count; i++) {
        long kib = cluster_memory_kib(cluster, i, "VmHWM");
        peak_kib = kib > peak_kib ? kib : peak_kib;
    }
    return (double)peak_kib / 1024;
}

static enum sw_status next_value(struct sw_value *value, struct sw_error *error, void *user_data)
{
    struct source *source = user_data;
    (void)error;
    if (source->next == source->count)
        return SW_OK;
    memcpy(source->value, &source->next, sizeof(source->next));
    source->next++;
    *value = (struct sw_value){.bytes = source->value, .bytes_count = VALUE_SIZE};
    return SW_OK;
}

static void measure(struct cluster *cluster, uint64_t bytes)
{
    static struct source source;
    uint32_t replicas = cluster->count < REPLICAS ? cluster->count : REPLICAS;
    const struct sw_client_options options = {.size = sizeof(options), .candidates = replicas};
    struct sw_client *client = cluster_client(cluster, &options);
    struct sw_store_report *report;
    struct sw_error error = {.message = ""};
    struct rusage usage;
    for (size_t i = 0; i < VALUE_SIZE; i++)
        source.value[i] = (uint8_t)lrand48();
    source.count = bytes / VALUE_SIZE / replicas;
    double nodes = nodes_seconds(cluster), own = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    double start = seconds_of(CLOCK_MONOTONIC);
    enum sw_status status = sw_store_stream(client, next_value, &source, NULL, &report, &error);
    double seconds = seconds_of(CLOCK_MONOTONIC) - start;
    nodes = nodes_seconds(cluster) - nodes;
    own = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - own;
    if (status != SW_OK || report->replicas_placed != source.count * replicas) {
        fprintf(stderr, "bench_store: not all replicas were placed: %s\n", error.message);
        exit(1);
    }
    double gb = (double)(source.count * replicas * VALUE_SIZE) / 1e9;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"row\":\"store\",\"case\":\"%u node%s\",\"what\":\"symwave\",\"figures\":{\"mb_per_s\":%.1f,"
           "\"client_cpu_s_per_gb\":%.3f,\"server_cpu_s_per_gb\":%.3f,\"client_peak_mib\":%.1f,"
           "\"server_peak_mib\":%.1f}}\n",
           cluster->count, cluster->count > 1 ? "s" : "", gb * 1e3 / seconds, own / gb, nodes / gb,
           (double)usage.ru_maxrss / 1024, nodes_peak_mib(cluster));
    sw_store_report_free(report);
    sw_client_close(client);
}

int main(int argc, char **argv)
{
    uint64_t nodes = argc == 3 ? strtoull(argv[1], NULL, 10) : 0, bytes = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    if (nodes < 1 || nodes > CLUSTER_NODES_MAX || bytes < REPLICAS * VALUE_SIZE) {
        fprintf(stderr, "usage: bench_store NODES BYTES\n");
        return 2;
    }
    struct cluster *cluster = cluster_start((uint32_t)nodes);
    measure(cluster, bytes);
    cluster_stop(cluster);
    return 0;
}
