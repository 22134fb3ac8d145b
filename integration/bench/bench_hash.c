/*
 * How fast BLAKE3 is on one thread: every instruction-set path over values of several sizes, beside b3sum on a file, in
 * the same run. Prints a table; --json FILE writes it for machines as well.
 *
 * Each round measures everything once, so that what disturbs the machine disturbs all alike; a ratio is taken within
 * its round. Medians and ranges are over the rounds.
 */
#include "common/blake3.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MIN   5
#define ROUNDS_MAX   101
#define FILE_BYTES   ((size_t)256 << 20)
#define SAMPLE_BYTES ((size_t)32 << 20) /* hashed for one sample of one size */
#define ROWS_MAX     40

/* A row of the table: what, how many bytes at a time, and GB/s in each round. */
struct row {
    char what[80];
    const char *path;
    size_t value_bytes;
    double rate[ROUNDS_MAX];
};

struct bench {
    int rounds;
    int file;            /* unlinked already: gone with this process */
    const uint8_t *data; /* the file, mapped and touched */
    bool has_b3sum;
    char b3sum_version[64];
    struct row row[ROWS_MAX];
    size_t rows;
};

static const size_t value_sizes[] = {1024, 4096, 16384, 65532, 65536, 1048576};

/* This thread's processor time, in the program and in the kernel. */
static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_hash: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void open_input(struct bench *bench)
{
    const char *folder = getenv("TMPDIR");
    char name[4096];
    uint8_t *data;

    snprintf(name, sizeof(name), "%s/symwave-bench-hash-XXXXXX", folder && *folder ? folder : "/tmp");
    bench->file = mkstemp(name);
    if (bench->file < 0)
        die(name);
    unlink(name);
    if (ftruncate(bench->file, (off_t)FILE_BYTES) != 0)
        die("ftruncate");
    data = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, bench->file, 0);
    if (data == MAP_FAILED)
        die("mmap");
    for (size_t i = 0; i < FILE_BYTES; i++)
        data[i] = (uint8_t)(i % 251);
    bench->data = data;
}

/* b3sum over the file, through a name of this process, as the file has none any more. Takes the seconds; -1 on failure.
 */
static double run_b3sum(const struct bench *bench)
{
    char name[64];
    char *arguments[] = {"b3sum", "--num-threads", "1", name, NULL};
    posix_spawn_file_actions_t actions;
    struct rusage used;
    int status = -1;
    pid_t child;

    snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)getpid(), bench->file);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&child, "b3sum", &actions, NULL, arguments, environ) == 0)
        wait4(child, &status, 0, &used);
    posix_spawn_file_actions_destroy(&actions);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return -1;
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void find_b3sum(struct bench *bench)
{
    FILE *version = popen("b3sum --version 2>/dev/null", "r");

    if (version && fgets(bench->b3sum_version, sizeof(bench->b3sum_version), version)) {
        bench->b3sum_version[strcspn(bench->b3sum_version, "\n")] = '\0';
        bench->has_b3sum = true;
    }
    if (version)
        pclose(version);
}

static double hash_file_mapped_anew(const struct bench *bench)
{
    const double start = seconds();
    uint8_t hash[SW_BLAKE3_BYTES];
    void *data = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, bench->file, 0);

    if (data == MAP_FAILED)
        die("mmap");
    sw_blake3(data, FILE_BYTES, hash);
    munmap(data, FILE_BYTES);
    return seconds() - start;
}

/* Values one after the other over so many bytes, again and again: few enough stay in the cache, many come from memory.
 */
static double hash_values(const struct bench *bench, size_t value_bytes, size_t over_bytes, size_t sample_bytes)
{
    const double start = seconds();
    uint8_t hash[SW_BLAKE3_BYTES];

    for (size_t done = 0, at = 0; done + value_bytes <= sample_bytes; done += value_bytes) {
        sw_blake3(bench->data + at, value_bytes, hash);
        at = at + 2 * value_bytes <= over_bytes ? at + value_bytes : 0;
    }
    return seconds() - start;
}

static struct row *row_at(struct bench *bench, size_t index, const char *path, size_t value_bytes, const char *what)
{
    struct row *row = &bench->row[index];

    snprintf(row->what, sizeof(row->what), "%s", what);
    row->path = path;
    row->value_bytes = value_bytes;
    if (index >= bench->rows)
        bench->rows = index + 1;
    return row;
}

static void run_round(struct bench *bench, int round)
{
    const size_t sizes = sizeof(value_sizes) / sizeof(value_sizes[0]);
    size_t n = 0;

    if (bench->has_b3sum) {
        const double t = run_b3sum(bench);
        if (t < 0) {
            fprintf(stderr, "bench_hash: b3sum failed\n");
            exit(1);
        }
        row_at(bench, n++, "b3sum", FILE_BYTES, "b3sum --num-threads 1, a file")->rate[round] =
            (double)FILE_BYTES / t / 1e9;
    }
    for (int p = 0; p < SW_BLAKE3_PATHS; p++) {
        const char *name = sw_blake3_path_name((enum sw_blake3_path)p);
        double t;
        if (!sw_blake3_path_supported((enum sw_blake3_path)p))
            continue;
        sw_blake3_path_force((enum sw_blake3_path)p);
        for (size_t s = 0; s < sizes; s++) {
            const size_t count = SAMPLE_BYTES / value_sizes[s];
            t = hash_values(bench, value_sizes[s], value_sizes[s], count * value_sizes[s]);
            row_at(bench, n++, name, value_sizes[s], "values in cache")->rate[round] =
                (double)(count * value_sizes[s]) / t / 1e9;
        }
        t = hash_values(bench, 65536, FILE_BYTES, FILE_BYTES / 2);
        row_at(bench, n++, name, 65536, "values from memory")->rate[round] = (double)(FILE_BYTES / 2) / t / 1e9;
        t = hash_file_mapped_anew(bench);
        row_at(bench, n++, name, FILE_BYTES, "the same file, mapped anew")->rate[round] = (double)FILE_BYTES / t / 1e9;
    }
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct summary {
    double median, min, max;
};

static struct summary summarise(const double *values, int count)
{
    double sorted[ROUNDS_MAX];

    memcpy(sorted, values, (size_t)count * sizeof(double));
    qsort(sorted, (size_t)count, sizeof(double), compare_doubles);
    return (struct summary){(sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[0], sorted[count - 1]};
}

/* A row's rates over b3sum's, round by round. */
static struct summary ratio_of(const struct bench *bench, const struct row *row)
{
    double ratio[ROUNDS_MAX];

    for (int i = 0; i < bench->rounds; i++)
        ratio[i] = row->rate[i] / bench->row[0].rate[i];
    return summarise(ratio, bench->rounds);
}

static void read_processor(char *name, size_t name_size)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];

    snprintf(name, name_size, "unknown processor");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
            snprintf(name, name_size, "%s", strchr(line, ':') + 2);
            name[strcspn(name, "\n")] = '\0';
            break;
        }
    if (file)
        fclose(file);
}

static json_t *json_of_summary(struct summary s)
{
    return json_pack("{s:f, s:f, s:f}", "median", s.median, "min", s.min, "max", s.max);
}

static void report(const struct bench *bench, const char *command, const char *json_name)
{
    char processor[256];
    struct utsname system;
    json_t *rows = json_array(), *all;

    read_processor(processor, sizeof(processor));
    uname(&system);
    printf("machine   %s, %ld processors, %s %s\n", processor, sysconf(_SC_NPROCESSORS_ONLN), system.sysname,
           system.release);
    printf("versions  symwave %s, compiler %s, %s\n", SYMWAVE_VERSION, __VERSION__,
           bench->has_b3sum ? bench->b3sum_version : "b3sum is not installed: no ratios");
    printf("command   %s\n", command);
    printf("one thread, its processor time, %d rounds, medians (range); the ratio is to b3sum in the same round\n\n",
           bench->rounds);
    printf("%-9s %-30s %10s  %-22s %s\n", "path", "what", "bytes", "GB/s", "ratio");
    for (size_t i = 0; i < bench->rows; i++) {
        const struct row *row = &bench->row[i];
        const struct summary rate = summarise(row->rate, bench->rounds);
        json_t *out = json_pack("{s:s, s:s, s:I, s:o}", "path", row->path, "what", row->what, "bytes",
                                (json_int_t)row->value_bytes, "gigabytes_per_second", json_of_summary(rate));
        printf("%-9s %-30s %10zu  %5.2f (%5.2f to %5.2f)", row->path, row->what, row->value_bytes, rate.median,
               rate.min, rate.max);
        if (bench->has_b3sum) {
            const struct summary ratio = ratio_of(bench, row);
            printf("  %4.2f (%4.2f to %4.2f)", ratio.median, ratio.min, ratio.max);
            json_object_set_new(out, "ratio_to_b3sum", json_of_summary(ratio));
        }
        printf("\n");
        json_array_append_new(rows, out);
    }
    all = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:i, s:o}", "processor", processor, "processors",
                    (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "kernel", system.release, "symwave", SYMWAVE_VERSION,
                    "compiler", __VERSION__, "b3sum", bench->b3sum_version, "command", command, "rounds", bench->rounds,
                    "rows", rows);
    if (json_name && json_dump_file(all, json_name, JSON_INDENT(2)) != 0)
        die(json_name);
    json_decref(all);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.rounds = 7};
    const char *json_name = NULL;
    char command[1024] = "";

    for (int i = 0; i < argc; i++)
        snprintf(command + strlen(command), sizeof(command) - strlen(command), "%s%s", i ? " " : "", argv[i]);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
            json_name = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            bench.rounds = atoi(argv[++i]);
        } else {
            fprintf(stderr, "usage: bench_hash [--rounds N] [--json FILE]\n");
            return 2;
        }
    }
    if (bench.rounds < ROUNDS_MIN || bench.rounds > ROUNDS_MAX) {
        fprintf(stderr, "bench_hash: --rounds takes %d to %d\n", ROUNDS_MIN, ROUNDS_MAX);
        return 2;
    }
    open_input(&bench);
    find_b3sum(&bench);
    for (int i = 0; i < bench.rounds; i++)
        run_round(&bench, i);
    report(&bench, command, json_name);
    return 0;
}
