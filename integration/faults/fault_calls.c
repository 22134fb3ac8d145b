/*
 * What a program does to the SDK and to nodes that a command cannot: fault_calls NODES KEYS WHAT [NUMBER]
 *
 *     cancels SECONDS    begins retrievals and cancels them, 10,000 times a second or as often as goes, from 16 threads
 *     many COUNT         COUNT retrievals of all keys at once, on one client
 *     blocked MS         the sink of one retrieval stands still for MS while others and a store go on; then it goes on
 *     exact REQUIRED     one retrieval, which must come to an end with so many symbols and not one more
 *
 * Each symbol that comes is compared with its key here once more. Prints what came of it as "name: value" lines; exits
 * with 1 where a promise was broken.
 */
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <symwave/symwave.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define THREADS     16
#define KEY_COUNT   8192
#define CANCEL_KEYS 20

static struct sw_key keys[KEY_COUNT];
static size_t key_count;
static struct sw_client *client;

static void check(bool holds, const char *what)
{
    if (!holds) {
        printf("broken: %s\n", what);
        exit(1);
    }
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void sleep_us(uint64_t us)
{
    const struct timespec pause = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void read_keys(const char *path)
{
    char line[256];
    FILE *file = fopen(path, "r");
    check(file, "the key file can be read");
    while (key_count < KEY_COUNT && fgets(line, sizeof(line), file))
        check(sw_key_parse(line, strcspn(line, "\t\n"), &keys[key_count++], NULL) == SW_OK, "a line is a key");
    fclose(file);
}

/* Counts, and compares. */
static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    atomic_uint_least64_t *taken = user_data;
    struct sw_key key = sw_key_of_value(symbol->value, symbol->value_bytes);
    (void)error;
    check(memcmp(&key, symbol->key, sizeof(key)) == 0, "a symbol's bytes are its own");
    atomic_fetch_add(taken, 1);
    return SW_OK;
}

static enum sw_status retrieve(uint64_t required, uint32_t deadline_ms, uint64_t *came)
{
    atomic_uint_least64_t taken = 0;
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    const struct sw_sink sink = {.take = take, .user_data = &taken};
    struct sw_error error = {0};
    options.required = required;
    options.deadline_ms = deadline_ms;
    enum sw_status status = sw_retrieve_stream(client, keys, key_count, &options, &sink, NULL, &error);
    if (status != SW_OK)
        fprintf(stderr, "%s\n", error.message);
    *came = taken;
    return status;
}

/* ---- cancels ---- */

static atomic_uint_least64_t begun, cancelled, ended;
static atomic_bool over;

static void *cancel_again_and_again(void *user_data)
{
    atomic_uint_least64_t taken = 0;
    const struct sw_sink sink = {.take = take, .user_data = &taken};
    unsigned seed = *(unsigned *)user_data;
    while (!over) {
        const uint64_t began = now_us();
        struct sw_call *call;
        size_t first = (size_t)rand_r(&seed) % (key_count - CANCEL_KEYS);
        check(sw_retrieve_start(client, keys + first, CANCEL_KEYS, NULL, &sink, NULL, &call, NULL) == SW_OK,
              "a retrieval begins");
        begun++;
        sleep_us((uint64_t)rand_r(&seed) % 300);
        sw_call_cancel(call);
        enum sw_status status = sw_retrieve_end(call, NULL, NULL);
        check(status == SW_OK || status == SW_CANCELLED, "a retrieval ends well or cancelled");
        (*(status == SW_OK ? &ended : &cancelled))++;
        /* 16 threads of 625 a second each. */
        uint64_t took = now_us() - began;
        if (took < 1600)
            sleep_us(1600 - took);
    }
    return NULL;
}

static void cancels(uint64_t seconds)
{
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    uint64_t came;
    check(key_count > CANCEL_KEYS, "there are keys enough");
    check(retrieve(0, 60000, &came) == SW_OK, "all is there before");
    long memory = resident_kib();
    int before = descriptors();
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i + 1;
        check(pthread_create(&threads[i], NULL, cancel_again_and_again, &seeds[i]) == 0, "a thread begins");
    }
    sleep_us(seconds * 1000000);
    over = true;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check(retrieve(0, 60000, &came) == SW_OK, "all is there after");
    printf("retrievals a second: %" PRIu64 "\ncancelled: %" PRIu64 "\nended before: %" PRIu64 "\nafter it: %" PRIu64
           "\nmemory before and after: %ld %ld KiB\n",
           begun / seconds, cancelled, ended, came, memory, resident_kib());
    check(descriptors() <= before + 1, "descriptors are back");
    check(cancelled > 0, "some were cancelled");
}

/* ---- many at once ---- */

static void many(uint64_t count)
{
    atomic_uint_least64_t taken = 0;
    const struct sw_sink sink = {.take = take, .user_data = &taken};
    struct sw_call **calls = calloc(count, sizeof(struct sw_call *));
    check(calls, "there is memory");
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    options.deadline_ms = 240000;
    for (uint64_t i = 0; i < count; i++)
        check(sw_retrieve_start(client, keys, key_count, &options, &sink, NULL, &calls[i], NULL) == SW_OK,
              "a retrieval begins");
    for (uint64_t i = 0; i < count; i++) {
        struct sw_error error = {0};
        enum sw_status status = sw_retrieve_end(calls[i], NULL, &error);
        if (status != SW_OK)
            printf("failed: %s\n", error.message);
        check(status == SW_OK, "every one of them has all");
    }
    free(calls);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("symbols: %" PRIu64 "\nmemory at most: %ld MiB\n", (uint64_t)taken, usage.ru_maxrss / 1024);
    check(taken == count * key_count, "each came once to each");
}

/* ---- a callback that stands still ---- */

static atomic_bool stands;

static enum sw_status stand_still(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    const uint64_t *us = user_data;
    (void)symbol;
    (void)error;
    if (!atomic_exchange(&stands, true))
        sleep_us(*us);
    return SW_OK;
}

static void blocked(uint64_t ms)
{
    uint64_t us = ms * 1000, came, others = 0;
    const struct sw_sink sink = {.take = stand_still, .user_data = &us};
    struct sw_call *call;
    check(sw_retrieve_start(client, keys, key_count, NULL, &sink, NULL, &call, NULL) == SW_OK, "a retrieval begins");
    while (!stands)
        sleep_us(1000);
    while (!sw_call_wait(call, 0)) {
        check(retrieve(0, 10000, &came) == SW_OK && came == key_count, "another one goes on beside it");
        const struct sw_value value = {.bytes = &others, .bytes_count = sizeof(others)};
        check(sw_store(client, &value, 1, NULL, NULL, NULL) == SW_OK, "and so does a store");
        others++;
    }
    struct sw_report *report;
    check(sw_retrieve_end(call, &report, NULL) == SW_OK && report->found_network == key_count,
          "the one that stood still has all in the end");
    sw_report_free(report);
    printf("others meanwhile: %" PRIu64 "\n", others);
    check(others > 0, "there were others");
}

int main(int argc, char **argv)
{
    struct sw_node_list *nodes;
    struct sw_error error;
    if (argc < 4) {
        fprintf(stderr, "usage: fault_calls NODES KEYS WHAT [NUMBER]\n");
        return 2;
    }
    const uint64_t number = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    sw_process_tune();
    read_keys(argv[2]);
    if (sw_node_list_load(argv[1], &nodes, &error) != SW_OK || sw_client_open(NULL, nodes, &client, &error) != SW_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }
    if (strcmp(argv[3], "cancels") == 0) {
        cancels(number);
    } else if (strcmp(argv[3], "many") == 0) {
        many(number);
    } else if (strcmp(argv[3], "blocked") == 0) {
        blocked(number);
    } else if (strcmp(argv[3], "exact") == 0) {
        uint64_t came;
        check(retrieve(number, 60000, &came) == SW_OK && came == number, "exactly so many come");
    } else {
        return 2;
    }
    sw_client_close(client);
    sw_node_list_free(nodes);
    return 0;
}
