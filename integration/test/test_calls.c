/*
 * Calls that do not block, on real nodes: their three ways to an end, callbacks on the thread that asks for them, and
 * many at once on one client, cancelled at any moment. SYMWAVE_CALLS is how many of the last; 600, or fewer under a
 * sanitizer.
 */
#include "cluster.h"
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES   6
#define SYMBOLS 400
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CALLS 200
#else
#define CALLS 600
#endif
#define THREADS          16
#define CALLS_AT_ONCE    4 /* of each thread: 64 in all */
#define CALL_SYMBOLS     100
#define FILE_BYTES       3000001
#define MEMORY_SLACK_KIB 65536

static struct cluster *cluster;
static struct sw_client *client;
static struct sw_key *keys;

static int start_all(void **state)
{
    (void)state;
    cluster = cluster_start(NODES);
    client = cluster_client(cluster, NULL);
    keys = values_store(client, SYMBOLS, VALUE_BYTES);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    free(keys);
    sw_client_close(client);
    cluster_stop(cluster);
    return 0;
}

static const char *path(const char *name)
{
    return cluster_path(cluster, name);
}

/* ---- by waiting, by a descriptor, by a function ---- */

static void test_a_retrieve_is_waited_for(void **state)
{
    struct value_sink values;
    struct sw_call *call;
    struct sw_report *report;
    struct sw_error error = {0};
    (void)state;
    value_sink_init(&values, SYMBOLS, VALUE_BYTES);
    /* What is passed need not outlive the start. */
    struct sw_key *copy = malloc(SYMBOLS * sizeof(*copy));
    memcpy(copy, keys, SYMBOLS * sizeof(*copy));
    char task[] = "task";
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    options.task_id = task;
    struct sw_sink sink = value_sink_as_sink(&values);
    assert_int_equal(sw_retrieve_start(client, copy, SYMBOLS, &options, &sink, NULL, &call, &error), SW_OK);
    memset(copy, 0, SYMBOLS * sizeof(*copy));
    memset(task, 'x', sizeof(task) - 1);
    memset(&options, 0, sizeof(options));
    memset(&sink, 0, sizeof(sink));
    free(copy);
    assert_true(sw_call_wait(call, 60000));
    assert_int_equal(values.received, SYMBOLS);
    assert_int_equal(sw_retrieve_end(call, &report, &error), SW_OK);
    assert_int_equal(report->found_network, SYMBOLS);
    sw_report_free(report);
    value_sink_clear(&values);
}

/* Polls until a call is over, dispatching; how often it was readable before. */
static unsigned poll_until_over(struct sw_call *call)
{
    unsigned turns = 0;
    for (;;) {
        struct pollfd fd = {.fd = sw_call_fd(call), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 60000), 1);
        turns++;
        if (sw_call_dispatch(call))
            return turns;
    }
}

static void test_a_descriptor_becomes_readable(void **state)
{
    struct value_sink values;
    struct sw_call *call;
    struct sw_error error = {0};
    (void)state;
    value_sink_init(&values, SYMBOLS, VALUE_BYTES);
    const struct sw_sink sink = value_sink_as_sink(&values);
    assert_int_equal(sw_retrieve_start(client, keys, SYMBOLS, NULL, &sink, NULL, &call, &error), SW_OK);
    assert_int_equal(poll_until_over(call), 1); /* the end, and nothing before it */
    struct pollfd fd = {.fd = sw_call_fd(call), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 0), 1); /* it stays so */
    assert_true(sw_call_wait(call, 0));
    assert_int_equal(sw_retrieve_end(call, NULL, NULL), SW_OK);
    assert_int_equal(values.received, SYMBOLS);
    value_sink_clear(&values);
}

struct ending {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;
    enum sw_status status;
};

static void end_in_done(struct sw_call *call, void *user_data)
{
    struct ending *ending = user_data;
    enum sw_status status = sw_retrieve_end(call, NULL, NULL);
    pthread_mutex_lock(&ending->lock);
    ending->status = status;
    ending->ended = true;
    pthread_cond_signal(&ending->changed);
    pthread_mutex_unlock(&ending->lock);
}

static void test_a_function_is_called_and_may_end_the_call(void **state)
{
    struct ending ending = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct value_sink values;
    struct sw_call *call;
    struct sw_error error = {0};
    struct sw_call_options options = SW_CALL_OPTIONS_INIT;
    (void)state;
    options.done = end_in_done;
    options.done_data = &ending;
    value_sink_init(&values, SYMBOLS, VALUE_BYTES);
    const struct sw_sink sink = value_sink_as_sink(&values);
    for (int i = 0; i < 20; i++) {
        ending.ended = false;
        memset(values.seen, 0, SYMBOLS);
        /* With one key it is over before start has returned, or nearly so. */
        assert_int_equal(sw_retrieve_start(client, keys, i ? 1 : SYMBOLS, NULL, &sink, &options, &call, &error), SW_OK);
        pthread_mutex_lock(&ending.lock);
        while (!ending.ended)
            pthread_cond_wait(&ending.changed, &ending.lock);
        pthread_mutex_unlock(&ending.lock);
        assert_int_equal(ending.status, SW_OK);
    }
    assert_int_equal(values.received, SYMBOLS + 19);
    assert_int_equal(values.wrong, 0);
    value_sink_clear(&values);
}

/* ---- callbacks on the thread that asks for them ---- */

struct host {
    pthread_t thread;
    struct value_sink values;
    unsigned elsewhere; /* callbacks that ran on another thread */
    unsigned progress, traced, asked, more, sourced, stored;
};

static void here(struct host *host)
{
    host->elsewhere += !pthread_equal(pthread_self(), host->thread);
}

static enum sw_status take_here(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct host *host = user_data;
    const struct sw_sink sink = value_sink_as_sink(&host->values);
    here(host);
    return sink.take(symbol, error, sink.user_data);
}

static void progress_here(const struct sw_progress *progress, void *user_data)
{
    struct host *host = user_data;
    (void)progress;
    here(host);
    host->progress++;
}

static void trace_here(const struct sw_trace_request *request, void *user_data)
{
    struct host *host = user_data;
    (void)request;
    here(host);
    host->traced++;
}

static uint32_t more_here(void *user_data)
{
    struct host *host = user_data;
    here(host);
    return host->more++ == 0 ? 10 : 0;
}

static enum sw_status ask_here(const struct sw_key *asked, size_t count,
                               bool (*found)(size_t index, const void *value, size_t value_bytes, void *found_data),
                               void *found_data, struct sw_error *error, void *user_data)
{
    struct host *host = user_data;
    uint8_t *value = malloc(VALUE_BYTES);
    (void)error;
    here(host);
    host->asked += (unsigned)count;
    /* It has the first. */
    value_fill(value, VALUE_BYTES, 0);
    for (size_t i = 0; i < count; i++)
        if (memcmp(&asked[i], &keys[0], sizeof(keys[0])) == 0)
            found(i, value, VALUE_BYTES, found_data);
    free(value);
    return SW_OK;
}

static void test_callbacks_run_where_they_are_dispatched(void **state)
{
    struct host host = {.thread = pthread_self()};
    struct sw_call *call;
    struct sw_report *report;
    struct sw_error error = {0};
    const struct sw_sink sink = {.take = take_here, .user_data = &host};
    const struct sw_local_store local = {.get_batch = ask_here, .user_data = &host};
    struct sw_call_options call_options = SW_CALL_OPTIONS_INIT;
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    (void)state;
    call_options.dispatch = true;
    options.required = SYMBOLS - 50;
    options.progress_interval_ms = 1;
    options.progress = progress_here;
    options.progress_data = &host;
    options.trace = trace_here;
    options.trace_data = &host;
    options.more = more_here;
    options.more_data = &host;
    options.local = &local;
    value_sink_init(&host.values, SYMBOLS, VALUE_BYTES);
    assert_int_equal(sw_retrieve_start(client, keys, SYMBOLS, &options, &sink, &call_options, &call, &error), SW_OK);
    assert_true(poll_until_over(call) > 1);
    assert_int_equal(sw_retrieve_end(call, &report, &error), SW_OK);
    assert_int_equal(host.elsewhere, 0);
    assert_int_equal(host.values.wrong, 0);
    assert_int_equal(host.values.received, SYMBOLS - 40);
    assert_int_equal(host.more, 2);
    assert_true(host.traced > 0 && host.asked >= SYMBOLS - 50);
    assert_int_equal(report->found_local, 1);
    sw_report_free(report);
    value_sink_clear(&host.values);
    /* The same, waited for: the callbacks run in the wait, or in the end. */
    for (int i = 0; i < 2; i++) {
        value_sink_init(&host.values, SYMBOLS, VALUE_BYTES);
        options.more = NULL;
        assert_int_equal(sw_retrieve_start(client, keys, SYMBOLS, &options, &sink, &call_options, &call, &error),
                         SW_OK);
        if (i == 0)
            assert_true(sw_call_wait(call, 60000));
        assert_int_equal(sw_retrieve_end(call, NULL, NULL), SW_OK);
        assert_int_equal(host.values.received, SYMBOLS - 50);
        value_sink_clear(&host.values);
    }
    assert_int_equal(host.elsewhere, 0);
}

static enum sw_status source_here(struct sw_value *value, struct sw_error *error, void *user_data)
{
    static const char *const texts[] = {"one", "two", "three", "four"};
    struct host *host = user_data;
    (void)error;
    here(host);
    if (host->sourced == 4)
        return SW_OK;
    *value = (struct sw_value){.bytes = texts[host->sourced], .bytes_count = strlen(texts[host->sourced])};
    host->sourced++;
    return SW_OK;
}

static void stored_here(uint64_t index, const struct sw_key *key, uint32_t replicas, uint32_t wanted, void *user_data)
{
    struct host *host = user_data;
    (void)index;
    (void)key;
    here(host);
    host->stored += replicas == wanted;
}

static void test_a_store_asks_its_source_where_it_is_dispatched(void **state)
{
    struct host host = {.thread = pthread_self()};
    struct sw_call *call;
    struct sw_store_report *report;
    struct sw_error error = {0};
    struct sw_call_options call_options = SW_CALL_OPTIONS_INIT;
    struct sw_store_options options = SW_STORE_OPTIONS_INIT;
    (void)state;
    call_options.dispatch = true;
    options.stored = stored_here;
    options.stored_data = &host;
    assert_int_equal(sw_store_start(client, source_here, &host, &options, &call_options, &call, &error), SW_OK);
    poll_until_over(call);
    assert_int_equal(sw_store_end(call, &report, &error), SW_OK);
    assert_int_equal(report->symbols, 4);
    assert_int_equal(host.stored, 4);
    assert_int_equal(host.elsewhere, 0);
    sw_store_report_free(report);
}

/* ---- files ---- */

static void test_a_file_is_put_and_got(void **state)
{
    struct sw_call *call;
    struct sw_put_report *put;
    struct sw_get_report *get;
    struct sw_layout *layout;
    struct sw_error error = {0};
    char command[600];
    uint8_t *bytes = malloc(FILE_BYTES);
    FILE *file = fopen(path("file"), "w");
    (void)state;
    value_fill(bytes, FILE_BYTES, 7);
    assert_int_equal(fwrite(bytes, 1, FILE_BYTES, file), FILE_BYTES);
    assert_int_equal(fclose(file), 0);
    free(bytes);
    assert_int_equal(sw_put_start(client, path("file"), path("layout"), NULL, NULL, &call, &error), SW_OK);
    /* An end of another kind is refused, and ends nothing. */
    assert_int_equal(sw_get_end(call, &get, &error), SW_INVALID_ARGUMENT);
    assert_null(get);
    assert_int_equal(sw_put_end(call, &put, &error), SW_OK);
    assert_int_equal(put->bytes, FILE_BYTES);
    sw_put_report_free(put);
    assert_int_equal(sw_layout_load(path("layout"), &layout, &error), SW_OK);
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;
    struct sw_progress progress;
    options.progress_interval_ms = 1;
    assert_int_equal(sw_get_start(client, layout, path("again"), &options, NULL, &call, &error), SW_OK);
    assert_true(sw_call_wait(call, 60000));
    sw_call_progress(call, &progress, sizeof(progress));
    assert_true(progress.elapsed_us > 0);
    assert_int_equal(sw_get_end(call, &get, &error), SW_OK);
    assert_int_equal(get->bytes, FILE_BYTES);
    sw_get_report_free(get);
    sw_layout_free(layout);
    snprintf(command, sizeof(command), "cmp '%s' '%s'", path("file"), path("again"));
    assert_int_equal(system(command), 0);
}

static void test_what_cannot_be_started_says_so(void **state)
{
    struct sw_call *call = (struct sw_call *)1;
    struct sw_error error = {0};
    (void)state;
    assert_int_equal(sw_retrieve_start(client, keys, 1, NULL, NULL, NULL, &call, &error), SW_INVALID_ARGUMENT);
    assert_null(call);
    assert_int_equal(sw_store_start(client, NULL, NULL, NULL, NULL, &call, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_put_start(client, NULL, "x", NULL, NULL, &call, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_get_start(client, NULL, "x", NULL, NULL, &call, &error), SW_INVALID_ARGUMENT);
    /* What is wrong with the work itself comes with its result. */
    assert_int_equal(sw_put_start(client, "/nowhere/file", path("l"), NULL, NULL, &call, &error), SW_OK);
    assert_int_equal(sw_put_end(call, NULL, &error), SW_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nowhere/file"));
}

/* ---- cancelling ---- */

static void stand_still(struct value_sink *sink)
{
    atomic_store((atomic_bool *)sink->each_data, true);
    usleep(1000);
}

static void test_a_call_is_cancelled_by_itself_and_by_the_callers_cancel(void **state)
{
    (void)state;
    for (int by_callers = 0; by_callers < 2; by_callers++) {
        struct value_sink values;
        struct sw_call *call;
        struct sw_error error = {0};
        atomic_bool began = false;
        struct sw_cancel *cancel = sw_cancel_new();
        struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
        options.cancel = cancel;
        value_sink_init(&values, SYMBOLS, VALUE_BYTES);
        values.each = stand_still;
        values.each_data = &began;
        const struct sw_sink sink = value_sink_as_sink(&values);
        assert_int_equal(sw_retrieve_start(client, keys, SYMBOLS, &options, &sink, NULL, &call, &error), SW_OK);
        while (!atomic_load(&began))
            usleep(100);
        if (by_callers)
            sw_cancel_fire(cancel);
        else
            sw_call_cancel(call);
        assert_int_equal(sw_retrieve_end(call, NULL, &error), SW_CANCELLED);
        assert_true(values.received < SYMBOLS);
        sw_cancel_free(cancel);
        value_sink_clear(&values);
    }
}

/* ---- the host's own affairs ---- */

static atomic_uint signals_elsewhere;
static pthread_t main_thread;

static void on_signal(int signal_number)
{
    (void)signal_number;
    if (!pthread_equal(pthread_self(), main_thread))
        atomic_fetch_add(&signals_elsewhere, 1);
}

static void test_signals_stay_with_the_host(void **state)
{
    struct sw_call *calls[8];
    struct value_sink values[8];
    struct sw_error error = {0};
    sigset_t usr1, before;
    (void)state;
    main_thread = pthread_self();
    assert_int_not_equal((intptr_t)signal(SIGUSR1, on_signal), (intptr_t)SIG_ERR);
    for (int i = 0; i < 8; i++) {
        value_sink_init(&values[i], SYMBOLS, VALUE_BYTES);
        const struct sw_sink sink = value_sink_as_sink(&values[i]);
        assert_int_equal(sw_retrieve_start(client, keys, SYMBOLS, NULL, &sink, NULL, &calls[i], &error), SW_OK);
    }
    /* While this thread does not take them, no thread of the SDK may. */
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    for (int i = 0; i < 100; i++) {
        kill(getpid(), SIGUSR1);
        usleep(100);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(sw_retrieve_end(calls[i], NULL, NULL), SW_OK);
        value_sink_clear(&values[i]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(atomic_load(&signals_elsewhere), 0);
    signal(SIGUSR1, SIG_DFL);
}

/* ---- many at once, cancelled at random ---- */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *open_ones = opendir("/proc/self/fd");
    while (readdir(open_ones))
        count++;
    closedir(open_ones);
    return count;
}

static long memory_kib(void)
{
    char text[200];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(text, sizeof(text), file))
        if (sscanf(text, "VmRSS: %ld", &kib) == 1)
            break;
    fclose(file);
    return kib;
}

/* One call of the storm, and what its callbacks have seen. */
struct one {
    struct sw_call *call;
    size_t first; /* of its keys */
    atomic_bool over;
    atomic_uint inside;   /* callbacks at work: never two */
    atomic_uint breaches; /* of what callbacks are promised */
    uint8_t seen[CALL_SYMBOLS];
    unsigned received;
};

static void enter(struct one *one)
{
    if (atomic_fetch_add(&one->inside, 1) != 0 || atomic_load(&one->over))
        atomic_fetch_add(&one->breaches, 1);
}

static enum sw_status take_one(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct one *one = user_data;
    (void)error;
    enter(one);
    const bool is_right = symbol->key_index < CALL_SYMBOLS && !one->seen[symbol->key_index] &&
                          sw_key_compare(symbol->key, &keys[one->first + symbol->key_index]) == 0;
    if (is_right)
        one->seen[symbol->key_index] = 1;
    else
        atomic_fetch_add(&one->breaches, 1);
    one->received++;
    atomic_fetch_sub(&one->inside, 1);
    return SW_OK;
}

static void progress_one(const struct sw_progress *progress, void *user_data)
{
    struct one *one = user_data;
    (void)progress;
    enter(one);
    atomic_fetch_sub(&one->inside, 1);
}

static void done_one(struct sw_call *call, void *user_data)
{
    struct one *one = user_data;
    (void)call;
    atomic_store(&one->over, true);
}

static atomic_int calls_left; /* groups of them; below 0 once the threads end */
static atomic_uint calls_done, calls_cancelled, calls_wrong;

static void *storm(void *user_data)
{
    uint64_t seed = 88172645463325252ull + (uintptr_t)user_data * 2654435761u;
    struct one ones[CALLS_AT_ONCE];
    while (atomic_fetch_sub(&calls_left, 1) > 0) {
        for (int i = 0; i < CALLS_AT_ONCE; i++) {
            struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
            struct sw_call_options call_options = SW_CALL_OPTIONS_INIT;
            const struct sw_sink sink = {.take = take_one, .user_data = &ones[i]};
            struct sw_error error = {0};
            memset(&ones[i], 0, sizeof(ones[i]));
            ones[i].first = next_random(&seed) % (SYMBOLS - CALL_SYMBOLS + 1);
            options.progress = progress_one;
            options.progress_data = &ones[i];
            options.progress_interval_ms = 1;
            call_options.done = done_one;
            call_options.done_data = &ones[i];
            call_options.dispatch = next_random(&seed) % 2;
            if (sw_retrieve_start(client, keys + ones[i].first, CALL_SYMBOLS, &options, &sink, &call_options,
                                  &ones[i].call, &error) != SW_OK)
                atomic_fetch_add(&calls_wrong, 1);
        }
        for (int i = 0; i < CALLS_AT_ONCE; i++) {
            if (!ones[i].call)
                continue;
            const bool cancels = next_random(&seed) % 2;
            if (cancels) {
                sw_call_wait(ones[i].call, (uint32_t)(next_random(&seed) % 4));
                usleep((useconds_t)(next_random(&seed) % 1000));
                sw_call_cancel(ones[i].call);
            }
            struct sw_report *report;
            enum sw_status status = sw_retrieve_end(ones[i].call, &report, NULL);
            const bool is_right =
                status == SW_OK ? ones[i].received == CALL_SYMBOLS : status == SW_CANCELLED && cancels;
            if (!is_right || !report || atomic_load(&ones[i].breaches) > 0)
                atomic_fetch_add(&calls_wrong, 1);
            atomic_fetch_add(status == SW_OK ? &calls_done : &calls_cancelled, 1);
            sw_report_free(report);
        }
    }
    return NULL;
}

static void run_storm(unsigned calls)
{
    pthread_t threads[THREADS];
    atomic_store(&calls_left, (int)(calls / CALLS_AT_ONCE));
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, storm, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_many_at_once_cancelled_at_random(void **state)
{
    const char *wanted = getenv("SYMWAVE_CALLS");
    const unsigned calls = wanted ? (unsigned)atoi(wanted) : CALLS;
    (void)state;
    run_storm(THREADS * CALLS_AT_ONCE); /* whatever is made once is made now */
    const unsigned descriptors_before = descriptors();
    const long memory_before = memory_kib();
    atomic_store(&calls_done, 0);
    atomic_store(&calls_cancelled, 0);
    run_storm(calls);
    printf("%u calls came to an end, %u were cancelled; %ld KiB before, %ld after; %u descriptors before, %u after\n",
           atomic_load(&calls_done), atomic_load(&calls_cancelled), memory_before, memory_kib(), descriptors_before,
           descriptors());
    assert_int_equal(atomic_load(&calls_wrong), 0);
    assert_true(atomic_load(&calls_done) > 0 && atomic_load(&calls_cancelled) > 0);
    assert_true(descriptors() <= descriptors_before);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    assert_true(memory_kib() < memory_before + MEMORY_SLACK_KIB);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_retrieve_is_waited_for),
        cmocka_unit_test(test_a_descriptor_becomes_readable),
        cmocka_unit_test(test_a_function_is_called_and_may_end_the_call),
        cmocka_unit_test(test_callbacks_run_where_they_are_dispatched),
        cmocka_unit_test(test_a_store_asks_its_source_where_it_is_dispatched),
        cmocka_unit_test(test_a_file_is_put_and_got),
        cmocka_unit_test(test_what_cannot_be_started_says_so),
        cmocka_unit_test(test_a_call_is_cancelled_by_itself_and_by_the_callers_cancel),
        cmocka_unit_test(test_signals_stay_with_the_host),
        cmocka_unit_test(test_many_at_once_cancelled_at_random),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
