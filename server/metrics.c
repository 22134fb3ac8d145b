#include "server/metrics.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CODES 17

/* Upper bounds of the latency histogram, in microseconds: from what a look-up in memory takes to a long stream. */
static const uint64_t bounds_us[] = {100,    250,    500,    1000,    2500,    5000,    10000,    25000,    50000,
                                     100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};
#define BUCKETS (sizeof(bounds_us) / sizeof(bounds_us[0]))

/* The codes as Prometheus' middlewares for gRPC spell them. */
static const char *const code_names[CODES] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

static const struct {
    const char *name, *help;
} families[SW_METRICS] = {
    [SW_METRIC_SYMBOLS_SENT] = {"symwave_symbols_sent_total", "Symbols sent to clients."},
    [SW_METRIC_SYMBOL_BYTES_SENT] = {"symwave_symbol_sent_bytes_total", "Bytes of the values of symbols sent."},
    [SW_METRIC_KEYS_MISSING] = {"symwave_keys_missing_total", "Keys asked for that the node does not hold."},
    [SW_METRIC_KEYS_HELD] = {"symwave_keys_held_total", "Keys said to be held, without their values."},
    [SW_METRIC_KEYS_LEFT_OUT] = {"symwave_keys_left_out_total",
                                 "Keys left out because a request's bytes were used up."},
    [SW_METRIC_SYMBOLS_CORRUPT] = {"symwave_symbols_corrupt_total",
                                   "Symbols asked for whose stored bytes could not be read back or were damaged."},
    [SW_METRIC_SYMBOLS_SCRUBBED] = {"symwave_symbols_scrubbed_total", "Symbols that a scrub has checked."},
    [SW_METRIC_SYMBOLS_SET_ASIDE] = {"symwave_symbols_set_aside_total", "Damaged symbols that were set aside."},
    [SW_METRIC_SYMBOLS_STORED] = {"symwave_symbols_stored_total", "Symbols stored."},
    [SW_METRIC_SYMBOL_BYTES_STORED] = {"symwave_symbol_stored_bytes_total", "Bytes of the values of symbols stored."},
    [SW_METRIC_SYMBOLS_ALREADY_STORED] = {"symwave_symbols_already_stored_total",
                                          "Symbols sent that were there already."},
    [SW_METRIC_SYMBOLS_REFUSED] = {"symwave_symbols_refused_total", "Symbols sent that were refused."},
    [SW_METRIC_CALLS_BUSY] = {"symwave_calls_refused_busy_total",
                              "Calls refused because all calls hold too much memory."},
    [SW_METRIC_CALLS_PEER_BUSY] = {"symwave_calls_refused_peer_busy_total",
                                   "Calls refused because their peer's calls hold too much memory."},
    [SW_METRIC_CALLS_DENIED] = {"symwave_calls_denied_total", "Calls refused by access rules."},
    [SW_METRIC_CALLS_GIVEN_UP] = {"symwave_calls_given_up_total",
                                  "Calls ended because their clients took or sent nothing."},
    [SW_METRIC_MESSAGE_BYTES_IN] = {"symwave_message_received_bytes_total",
                                    "Bytes of the messages of calls that are over, in."},
    [SW_METRIC_MESSAGE_BYTES_OUT] = {"symwave_message_sent_bytes_total",
                                     "Bytes of the messages of calls that are over, out."},
};

struct method_counts {
    atomic_uint_fast64_t started;
    atomic_uint_fast64_t handled[CODES];
    atomic_uint_fast64_t buckets[BUCKETS + 1];
    atomic_uint_fast64_t us;
};

struct sw_metrics {
    const struct sw_metrics_method *methods;
    size_t method_count;
    atomic_uint_fast64_t counts[SW_METRICS];
    struct method_counts of[]; /* the methods', and one more */
};

struct sw_metrics *sw_metrics_new(const struct sw_metrics_method *methods, size_t method_count)
{
    struct sw_metrics *metrics = calloc(1, sizeof(*metrics) + (method_count + 1) * sizeof(metrics->of[0]));
    if (!metrics)
        return NULL;
    metrics->methods = methods;
    metrics->method_count = method_count;
    return metrics;
}

void sw_metrics_free(struct sw_metrics *metrics)
{
    free(metrics);
}

static void add(atomic_uint_fast64_t *counter, uint64_t count)
{
    atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

static uint64_t read_counter(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void sw_metrics_add(struct sw_metrics *metrics, enum sw_metric metric, uint64_t count)
{
    add(&metrics->counts[metric], count);
}

void sw_metrics_started(struct sw_metrics *metrics, size_t method)
{
    add(&metrics->of[method].started, 1);
}

void sw_metrics_ended(struct sw_metrics *metrics, size_t method, enum sw_rpc_code code, uint64_t us)
{
    struct method_counts *counts = &metrics->of[method];
    size_t bucket = 0;
    while (bucket < BUCKETS && us > bounds_us[bucket])
        bucket++;
    add(&counts->buckets[bucket], 1);
    add(&counts->us, us);
    add(&counts->handled[(size_t)code < CODES ? code : SW_RPC_UNKNOWN], 1);
}

/* ---- the text ---- */

void sw_metrics_write_label(FILE *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n') {
            fputs("\\n", out);
            continue;
        }
        if (*value == '"' || *value == '\\')
            putc('\\', out);
        putc(*value, out);
    }
}

static void write_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void sw_metrics_write_one(FILE *out, const char *name, const char *type, const char *help, double value)
{
    write_head(out, name, type, help);
    fprintf(out, "%s %.17g\n", name, value);
}

/* The labels that say which method, without braces. */
static void write_method(const struct sw_metrics *metrics, size_t index, FILE *out)
{
    const char *path = index < metrics->method_count ? metrics->methods[index].path : "/unknown/unknown";
    const char *type = index < metrics->method_count ? metrics->methods[index].type : "unary";
    const char *slash = strrchr(path, '/');
    fprintf(out, "grpc_type=\"%s\",grpc_service=\"%.*s\",grpc_method=\"%s\"", type, (int)(slash - path - 1), path + 1,
            slash + 1);
}

static void write_calls(const struct sw_metrics *metrics, FILE *out)
{
    write_head(out, "grpc_server_started_total", "counter", "Calls that have come.");
    for (size_t i = 0; i <= metrics->method_count; i++) {
        fputs("grpc_server_started_total{", out);
        write_method(metrics, i, out);
        fprintf(out, "} %" PRIu64 "\n", read_counter(&metrics->of[i].started));
    }
    write_head(out, "grpc_server_handled_total", "counter", "Calls that are over, by how they ended.");
    for (size_t i = 0; i <= metrics->method_count; i++)
        for (size_t code = 0; code < CODES; code++) {
            const uint64_t handled = read_counter(&metrics->of[i].handled[code]);
            if (handled == 0 && code != SW_RPC_OK)
                continue;
            fputs("grpc_server_handled_total{", out);
            write_method(metrics, i, out);
            fprintf(out, ",grpc_code=\"%s\"} %" PRIu64 "\n", code_names[code], handled);
        }
}

static void write_latency(const struct sw_metrics *metrics, FILE *out)
{
    write_head(out, "grpc_server_handling_seconds", "histogram",
               "How long calls took, from their headers to their end.");
    for (size_t i = 0; i <= metrics->method_count; i++) {
        const struct method_counts *counts = &metrics->of[i];
        uint64_t so_far = 0;
        for (size_t bucket = 0; bucket <= BUCKETS; bucket++) {
            so_far += read_counter(&counts->buckets[bucket]);
            fputs("grpc_server_handling_seconds_bucket{", out);
            write_method(metrics, i, out);
            if (bucket < BUCKETS)
                fprintf(out, ",le=\"%g\"} %" PRIu64 "\n", (double)bounds_us[bucket] / 1e6, so_far);
            else
                fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", so_far);
        }
        fputs("grpc_server_handling_seconds_sum{", out);
        write_method(metrics, i, out);
        fprintf(out, "} %.6f\ngrpc_server_handling_seconds_count{", (double)read_counter(&counts->us) / 1e6);
        write_method(metrics, i, out);
        fprintf(out, "} %" PRIu64 "\n", so_far);
    }
}

void sw_metrics_write(const struct sw_metrics *metrics, FILE *out)
{
    write_calls(metrics, out);
    write_latency(metrics, out);
    for (size_t i = 0; i < SW_METRICS; i++)
        sw_metrics_write_one(out, families[i].name, "counter", families[i].help,
                             (double)read_counter(&metrics->counts[i]));
}

/* ---- the process ---- */

/* A number of /proc/self/status, in bytes. */
static double status_bytes(const char *name)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), ": %llu", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return (double)kib * 1024;
}

static double open_descriptors(void)
{
    double count = -3; /* ".", ".." and the folder's own */
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count < 0 ? 0 : count;
}

/* Since 1970, from the clock and the time since the system's start, as /proc has it. */
static double start_time(void)
{
    unsigned long long ticks = 0;
    char text[2048];
    struct timespec now, up;
    FILE *file = fopen("/proc/self/stat", "re");
    size_t count = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[count] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at)
        ticks = strtoull(at, NULL, 10);
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up);
    return (double)(now.tv_sec - up.tv_sec) + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

void sw_metrics_write_process(FILE *out)
{
    struct rusage usage = {0};
    struct rlimit limit = {0};
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    sw_metrics_write_one(out, "process_cpu_seconds_total", "counter", "Processor time, user and system.",
                         (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    sw_metrics_write_one(out, "process_resident_memory_bytes", "gauge", "Memory in use.", status_bytes("VmRSS"));
    sw_metrics_write_one(out, "process_virtual_memory_bytes", "gauge", "Address space in use.", status_bytes("VmSize"));
    sw_metrics_write_one(out, "process_open_fds", "gauge", "Open descriptors.", open_descriptors());
    sw_metrics_write_one(out, "process_max_fds", "gauge", "Descriptors that may be open.", (double)limit.rlim_cur);
    sw_metrics_write_one(out, "process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.",
                         start_time());
}
