/*
 * What slow, hanging and lying nodes cost a retrieval: 24 real nodes, measured while all are well, then while five are
 * ten times slower, one is stopped and one sends wrong bytes, then well again. Prints tables.
 *
 *     bench_tail [SYMBOLS [ROUNDS]]
 *
 * SYMBOLS, 4,000 where nothing is said, are 64 KiB each and stored on six nodes each. Each round retrieves 17 % of the
 * keys and then all of them, by a client made for that one retrieval and by one that has met the nodes as they are: it
 * has retrieved all keys once before, and is used in every round. Then a retrieval of all keys is cancelled half-way.
 *
 * A slow node's rate is a tenth of what it gave while all were well: its bytes over the time, as the reports of the
 * retrievals of all keys by fresh clients have them, all rounds together.
 */
#include "cluster.h"
#include "loopback.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NODES         24
#define SLOW_NODES    5 /* the first ones */
#define STILL_NODE    5
#define CORRUPT_NODE  6
#define SLOWER        10
#define SYMBOL_BYTES  ((size_t)65536)
#define ROUNDS_MAX    50
#define SYMBOLS_MAX   1000000
#define PART_PERCENT  17
#define WATCH_SECONDS 1.0 /* how long the wire is watched after a cancel */
#define SAMPLE_NS     500000
#define SAMPLES_MAX   4096

enum {
    PART,
    WHOLE,
    AMOUNTS
};
enum {
    FRESH,
    WARM,
    CLIENTS
};
enum {
    HEALTHY,
    DISTURBED,
    HEALTHY_AGAIN,
    STATES
};

static const char *const amount_names[] = {"17 %", "100 %"};
static const char *const client_names[] = {"fresh", "warm"};
static const char *const state_names[] = {"healthy", "disturbed", "healthy again"};

/* One figure of a kind of run, round by round. */
struct figure {
    double values[2 * ROUNDS_MAX];
    int count;
};

struct runs {
    struct figure seconds;
    struct figure received; /* bytes of values, over those needed */
    struct figure wire;     /* bytes over loopback, over those needed */
    struct figure budget_mib;
};

struct cancels {
    struct figure return_ms, quiet_ms, after_mib;
};

static struct {
    uint64_t symbols;
    int rounds;
    struct cluster *cluster;
    struct sw_key *keys;
    struct runs runs[STATES][AMOUNTS][CLIENTS];
    struct cancels cancels[STATES];
    /* of the retrievals of all keys by fresh clients, while all were well */
    uint64_t node_bytes[NODES];
    double node_seconds;
    /* of the last such retrieval while they were not */
    uint64_t from_slow, wrong, requests, requests_failed;
} bench;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void pause_ns(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* ---- figures ---- */

static void note(struct figure *figure, double value)
{
    figure->values[figure->count++] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value at a place in order of size: 0 is the least, 0.5 the median, 1 the most. */
static double at(const struct figure *figure, double place)
{
    double sorted[2 * ROUNDS_MAX] = {0};
    if (figure->count == 0)
        return 0;
    memcpy(sorted, figure->values, (size_t)figure->count * sizeof(sorted[0]));
    qsort(sorted, (size_t)figure->count, sizeof(sorted[0]), compare);
    double index = place * (figure->count - 1);
    int below = (int)index;
    int above = below + 1 < figure->count ? below + 1 : below;
    return sorted[below] + (sorted[above] - sorted[below]) * (index - below);
}

static double median(const struct figure *figure)
{
    return at(figure, 0.5);
}

/* ---- one retrieval ---- */

/* Waits until nothing to speak of goes over the wire for a while, and returns its count. */
static uint64_t settled_bytes(void)
{
    uint64_t before = loopback_bytes();
    for (int quiet = 0; quiet < 10;) {
        pause_ns(5000000);
        uint64_t after = loopback_bytes();
        quiet = after - before < 4096 ? quiet + 1 : 0;
        before = after;
    }
    return before;
}

static enum sw_status count_symbol(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    uint64_t *count = user_data;
    (void)symbol;
    (void)error;
    (*count)++;
    return SW_OK;
}

/* A task of its own for each retrieval, so that no two ask the same nodes for the same keys. */
static const char *next_task(void)
{
    static char task[32];
    static unsigned number;
    snprintf(task, sizeof(task), "tail-%u", number++);
    return task;
}

static struct sw_report *retrieve(struct sw_client *client, int amount, double *seconds, double *wire)
{
    uint64_t required = amount == PART ? bench.symbols * PART_PERCENT / 100 : bench.symbols;
    uint64_t count = 0;
    const struct sw_sink sink = {.take = count_symbol, .user_data = &count};
    const struct sw_retrieve_options options = {
        .size = sizeof(options), .task_id = next_task(), .required = required, .deadline_ms = 600000};
    struct sw_report *report;
    struct sw_error error = {.message = ""};
    uint64_t bytes = settled_bytes();
    double start = now();
    enum sw_status status = sw_retrieve_stream(client, bench.keys, bench.symbols, &options, &sink, &report, &error);
    *seconds = now() - start;
    *wire = (double)(settled_bytes() - bytes) / (double)(required * SYMBOL_BYTES);
    if (status != SW_OK || count != required) {
        fprintf(stderr, "bench_tail: %llu of %llu symbols came: %s\n", (unsigned long long)count,
                (unsigned long long)required, error.message);
        exit(1);
    }
    return report;
}

static uint32_t node_number(const struct sw_report_node *node)
{
    for (uint32_t i = 0; i < NODES; i++)
        if (strcmp(node->id, bench.cluster->nodes[i].id) == 0)
            return i;
    abort();
}

static void note_nodes(int state, const struct sw_report *report)
{
    if (state == HEALTHY)
        bench.node_seconds += (double)report->elapsed_us / 1e6;
    bench.from_slow = bench.wrong = 0;
    bench.requests = report->requests;
    bench.requests_failed = report->requests_failed;
    for (uint64_t i = 0; i < report->node_count; i++) {
        uint32_t number = node_number(report->nodes[i]);
        if (state == HEALTHY)
            bench.node_bytes[number] += report->nodes[i]->bytes;
        if (number < SLOW_NODES)
            bench.from_slow += report->nodes[i]->found;
        bench.wrong += report->nodes[i]->corrupt;
    }
}

static void measure(int state, int amount, int kind, struct sw_client *client)
{
    struct runs *runs = &bench.runs[state][amount][kind];
    double seconds, wire;
    struct sw_report *report = retrieve(client, amount, &seconds, &wire);
    note(&runs->seconds, seconds);
    note(&runs->wire, wire);
    note(&runs->received, (double)report->bytes_received / (double)report->bytes);
    note(&runs->budget_mib, (double)report->budget_high_water_bytes / 1048576);
    if (state != HEALTHY_AGAIN && amount == WHOLE && kind == FRESH)
        note_nodes(state, report);
    sw_report_free(report);
}

/* ---- cancel ---- */

struct cancelling {
    struct sw_cancel *cancel;
    uint64_t count, half;
    sem_t half_way;
    double fired_at;
    struct {
        double at;
        uint64_t bytes;
    } samples[SAMPLES_MAX];
    int sample_count;
};

static enum sw_status count_to_half(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct cancelling *self = user_data;
    (void)symbol;
    (void)error;
    if (++self->count == self->half)
        sem_post(&self->half_way);
    return SW_OK;
}

/* Fires half-way and then watches the wire. */
static void *fire_and_watch(void *arg)
{
    struct cancelling *self = arg;
    sem_wait(&self->half_way);
    self->fired_at = now();
    sw_cancel_fire(self->cancel);
    while (self->sample_count < SAMPLES_MAX && now() - self->fired_at < WATCH_SECONDS) {
        self->samples[self->sample_count].bytes = loopback_bytes();
        self->samples[self->sample_count++].at = now();
        pause_ns(SAMPLE_NS);
    }
    return NULL;
}

/* Quiet is the wire when less than one symbol is still to come. */
static void note_cancel(const struct cancelling *self, double returned_at, struct cancels *cancels)
{
    uint64_t last = self->samples[self->sample_count - 1].bytes;
    int quiet = 0;
    while (last - self->samples[quiet].bytes >= SYMBOL_BYTES)
        quiet++;
    note(&cancels->return_ms, (returned_at - self->fired_at) * 1e3);
    note(&cancels->quiet_ms, (self->samples[quiet].at - self->fired_at) * 1e3);
    note(&cancels->after_mib, (double)(last - self->samples[0].bytes) / 1048576);
}

static void measure_cancel(int state)
{
    struct cancelling *self = calloc(1, sizeof(*self));
    struct sw_client *client = cluster_client(bench.cluster, NULL);
    struct sw_error error = {.message = ""};
    pthread_t thread;
    self->cancel = sw_cancel_new();
    self->half = bench.symbols / 2;
    sem_init(&self->half_way, 0, 0);
    const struct sw_sink sink = {.take = count_to_half, .user_data = self};
    const struct sw_retrieve_options options = {
        .size = sizeof(options), .task_id = next_task(), .deadline_ms = 600000, .cancel = self->cancel};
    settled_bytes();
    if (pthread_create(&thread, NULL, fire_and_watch, self) != 0)
        abort();
    enum sw_status status = sw_retrieve_stream(client, bench.keys, bench.symbols, &options, &sink, NULL, &error);
    double returned_at = now();
    if (status != SW_CANCELLED && status != SW_OK) {
        fprintf(stderr, "bench_tail: a retrieval that was cancelled ended with %s: %s\n", sw_status_name(status),
                error.message);
        exit(1);
    }
    pthread_join(thread, NULL);
    if (status == SW_CANCELLED)
        note_cancel(self, returned_at, &bench.cancels[state]);
    sw_client_close(client);
    sw_cancel_free(self->cancel);
    sem_destroy(&self->half_way);
    free(self);
}

/* ---- states ---- */

static void measure_all(int state)
{
    struct sw_client *warm = cluster_client(bench.cluster, NULL);
    double ignored;
    sw_report_free(retrieve(warm, WHOLE, &ignored, &ignored));
    for (int round = 0; round < bench.rounds; round++) {
        fprintf(stderr, "%s: round %d of %d\n", state_names[state], round + 1, bench.rounds);
        for (int amount = 0; amount < AMOUNTS; amount++) {
            struct sw_client *fresh = cluster_client(bench.cluster, NULL);
            measure(state, amount, FRESH, fresh);
            sw_client_close(fresh);
            measure(state, amount, WARM, warm);
        }
        measure_cancel(state);
    }
    sw_client_close(warm);
}

static void restart(uint32_t node)
{
    cluster_signal(bench.cluster, node, SIGKILL);
    cluster_restart(bench.cluster, node);
}

static void restart_with_fault(uint32_t node, const char *fault)
{
    const char *const arguments[] = {"--store-fault", fault, NULL};
    cluster_signal(bench.cluster, node, SIGKILL);
    cluster_restart_with(bench.cluster, node, arguments);
}

static double healthy_rate(uint32_t node)
{
    return (double)bench.node_bytes[node] / bench.node_seconds;
}

static void disturb(void)
{
    char fault[64];
    for (uint32_t i = 0; i < SLOW_NODES; i++) {
        snprintf(fault, sizeof(fault), "rate=%.0f", healthy_rate(i) / SLOWER);
        restart_with_fault(i, fault);
    }
    restart_with_fault(CORRUPT_NODE, "corrupt=100");
    cluster_signal(bench.cluster, STILL_NODE, SIGSTOP);
}

static void heal(void)
{
    for (uint32_t i = 0; i < SLOW_NODES; i++)
        restart(i);
    restart(CORRUPT_NODE);
    cluster_signal(bench.cluster, STILL_NODE, SIGCONT);
}

static void set_up(void)
{
    bench.cluster = cluster_start(NODES);
    struct sw_client *client = cluster_client(bench.cluster, NULL);
    double start = now();
    bench.keys = values_store(client, bench.symbols, SYMBOL_BYTES);
    fprintf(stderr, "%llu symbols stored, six replicas each, in %.1f s\n", (unsigned long long)bench.symbols,
            now() - start);
    sw_client_close(client);
    for (uint32_t i = 0; i < NODES; i++) /* so that none reads from memory what another reads from its files */
        restart(i);
}

/* ---- tables ---- */

static void print_runs(void)
{
    printf("%-14s %-6s %-6s %26s %7s %16s %12s %11s\n", "", "keys", "client", "seconds, median (range)", "MB/s",
           "received/needed", "wire/needed", "budget MiB");
    for (int state = 0; state < STATES; state++)
        for (int amount = 0; amount < AMOUNTS; amount++)
            for (int kind = 0; kind < CLIENTS; kind++) {
                const struct runs *runs = &bench.runs[state][amount][kind];
                double symbols = (double)(amount == PART ? bench.symbols * PART_PERCENT / 100 : bench.symbols);
                printf("%-14s %-6s %-6s %8.3f (%6.3f to %6.3f) %7.0f %16.3f %12.3f %11.1f\n", state_names[state],
                       amount_names[amount], client_names[kind], median(&runs->seconds), at(&runs->seconds, 0),
                       at(&runs->seconds, 1), symbols * (double)SYMBOL_BYTES / median(&runs->seconds) / 1e6,
                       median(&runs->received), median(&runs->wire), at(&runs->budget_mib, 1));
            }
}

static void print_ratios(void)
{
    printf("\ntime, median over median:      disturbed / healthy    healthy again / healthy\n");
    for (int amount = 0; amount < AMOUNTS; amount++)
        for (int kind = 0; kind < CLIENTS; kind++) {
            struct figure healthy = bench.runs[HEALTHY][amount][kind].seconds;
            const struct figure *again = &bench.runs[HEALTHY_AGAIN][amount][kind].seconds;
            double drift = median(again) / median(&healthy);
            for (int i = 0; i < again->count; i++) /* both times together are what disturbed is measured by */
                note(&healthy, again->values[i]);
            printf("  %-6s %-6s %32.2f %26.2f\n", amount_names[amount], client_names[kind],
                   median(&bench.runs[DISTURBED][amount][kind].seconds) / median(&healthy), drift);
        }
}

static void print_cancels(void)
{
    printf("\n%-14s %5s %34s %34s %14s\n", "cancel", "times", "ms until the call returned",
           "ms until the wire was quiet", "MiB after it");
    for (int state = 0; state < STATES; state++) {
        const struct cancels *cancels = &bench.cancels[state];
        printf("%-14s %5d %15.2f (%6.2f to %6.2f) %15.2f (%6.2f to %6.2f) %14.2f\n", state_names[state],
               cancels->return_ms.count, median(&cancels->return_ms), at(&cancels->return_ms, 0),
               at(&cancels->return_ms, 1), median(&cancels->quiet_ms), at(&cancels->quiet_ms, 0),
               at(&cancels->quiet_ms, 1), median(&cancels->after_mib));
    }
}

static void print_tables(bool alone)
{
    printf("%d nodes, %llu symbols of %zu bytes on six nodes each, %d rounds\n", NODES,
           (unsigned long long)bench.symbols, SYMBOL_BYTES, bench.rounds);
    printf("disturbed: %s stopped, %s sends wrong bytes, and slow are", bench.cluster->nodes[STILL_NODE].id,
           bench.cluster->nodes[CORRUPT_NODE].id);
    for (uint32_t i = 0; i < SLOW_NODES; i++)
        printf("%s %s at %.2f MB/s", i ? "," : "", bench.cluster->nodes[i].id, healthy_rate(i) / SLOWER / 1e6);
    printf("\nwire: bytes over loopback with all headers%s\n\n",
           alone ? "" : ", OTHER PROGRAMS' INCLUDED: a network of our own was not allowed");
    print_runs();
    printf("\ndisturbed, 100 %%, fresh, the last: %llu symbols from slow nodes, %llu wrong values, %llu of %llu "
           "requests failed\n",
           (unsigned long long)bench.from_slow, (unsigned long long)bench.wrong,
           (unsigned long long)bench.requests_failed, (unsigned long long)bench.requests);
    print_ratios();
    print_cancels();
}

static long number(const char *text, long max)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end || value < 1 || value > max) {
        fprintf(stderr, "bench_tail: \"%s\" is not a number from 1 to %ld\n", text, max);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    if (argc > 3) {
        fprintf(stderr, "usage: bench_tail [SYMBOLS [ROUNDS]]\n");
        return 2;
    }
    bench.symbols = argc > 1 ? (uint64_t)number(argv[1], SYMBOLS_MAX) : 4000;
    bench.rounds = argc > 2 ? (int)number(argv[2], ROUNDS_MAX) : 5;
    bool alone = loopback_own();
    set_up();
    measure_all(HEALTHY);
    disturb();
    measure_all(DISTURBED);
    heal();
    measure_all(HEALTHY_AGAIN);
    print_tables(alone);
    free(bench.keys);
    cluster_stop(bench.cluster);
    return 0;
}
