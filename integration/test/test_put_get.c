/*
 * Files on 50 real nodes: put and got back, through interrupted jobs, lost nodes and lost symbols.
 *
 * The tests go on from each other, in their order: what one has put, the next gets.
 */
#include "cluster.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The thread sanitizer watches every byte being hashed. */
#if defined(__SANITIZE_THREAD__)
#define NODES      20
#define FILE_BYTES ((size_t)3000001)
#else
#define NODES      50
#define FILE_BYTES ((size_t)20000001)
#endif
#define K          ((FILE_BYTES + 65527) / 65528)
#define LOST_NODES (NODES / 10)

/* Of a job that is killed: in small steps, so that the end does not come between two looks. */
#define KILLED_BUDGET_BYTES (2u << 20)

static struct cluster *cluster;

static const char *path(const char *name)
{
    return cluster_path(cluster, name);
}

static bool exists(const char *name)
{
    struct stat facts;
    return stat(path(name), &facts) == 0;
}

static void write_file(const char *name, uint64_t seed)
{
    uint8_t *bytes = malloc(FILE_BYTES);
    FILE *file = fopen(path(name), "w");
    assert_true(bytes && file);
    value_fill(bytes, FILE_BYTES, seed);
    assert_int_equal(fwrite(bytes, 1, FILE_BYTES, file), FILE_BYTES);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static void assert_same(const char *a, const char *b)
{
    char command[600];
    snprintf(command, sizeof(command), "cmp '%s' '%s'", path(a), path(b));
    assert_int_equal(system(command), 0);
}

static int start_all(void **state)
{
    (void)state;
    cluster = cluster_start(NODES);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    cluster_stop(cluster);
    return 0;
}

/* ---- jobs, each with a client of its own ---- */

/* NULL as the last argument of a job: all goes well. */
struct expected {
    enum sw_status status;
    const char *message; /* a part of it */
};

static void check_end(enum sw_status status, const struct sw_error *error, const struct expected *expected)
{
    if (status != (expected ? expected->status : SW_OK))
        fail_msg("it ended with %s: %s", sw_status_name(status), error->message);
    if (expected)
        assert_non_null(strstr(error->message, expected->message));
}

static struct sw_put_report *put(const char *name, const char *layout, const struct sw_client_options *options,
                                 const struct expected *expected)
{
    struct sw_client *client = cluster_client(cluster, options);
    struct sw_put_report *report;
    struct sw_error error = {.message = ""};
    enum sw_status status = sw_put_file(client, path(name), path(layout), NULL, &report, &error);
    check_end(status, &error, expected);
    assert_non_null(report);
    assert_int_equal(report->status, status);
    sw_client_close(client);
    return report;
}

static struct sw_get_report *get(const char *layout, const char *name, const struct sw_client_options *options,
                                 const struct expected *expected)
{
    struct sw_client *client = cluster_client(cluster, options);
    struct sw_layout *read;
    struct sw_get_report *report;
    struct sw_error error = {.message = ""};
    struct sw_file_options file_options = SW_FILE_OPTIONS_INIT;
    file_options.task_id = "t";
    if (sw_layout_load(path(layout), &read, &error) != SW_OK)
        fail_msg("%s", error.message);
    enum sw_status status = sw_get_file(client, read, path(name), &file_options, &report, &error);
    check_end(status, &error, expected);
    assert_non_null(report);
    sw_layout_free(read);
    sw_client_close(client);
    return report;
}

/* Kills its own process once so many symbols are done. */
static void kill_at(const struct sw_progress *progress, void *user_data)
{
    if (progress->stage == SW_STAGE_TRANSFER && progress->symbols >= *(const uint64_t *)user_data)
        raise(SIGKILL);
}

/* A put or a get in a child, killed when so many symbols are done: nothing of it gets a chance to tidy up. */
static void killed(bool is_put, const char *from, const char *to, uint64_t symbols)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sw_client_options options = SW_CLIENT_OPTIONS_INIT;
        struct sw_file_options file_options = SW_FILE_OPTIONS_INIT;
        struct sw_layout *layout = NULL;
        options.budget_bytes = KILLED_BUDGET_BYTES;
        struct sw_client *client = cluster_client(cluster, &options);
        file_options.progress = kill_at;
        file_options.progress_data = &symbols;
        file_options.progress_interval_ms = 1;
        if (is_put)
            sw_put_file(client, path(from), path(to), &file_options, NULL, NULL);
        else if (sw_layout_load(path(from), &layout, NULL) == SW_OK)
            sw_get_file(client, layout, path(to), &file_options, NULL, NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- the tests ---- */

static void test_a_killed_put_leaves_no_layout_and_the_next_sends_only_what_is_missing(void **state)
{
    (void)state;
    write_file("a", 1);
    killed(true, "a", "a.json", K);
    assert_false(exists("a.json"));
    struct sw_put_report *report = put("a", "a.json", NULL, NULL);
    const struct sw_store_report *store = report->store;
    assert_int_equal(report->source_symbols, K);
    assert_int_equal(store->replicas_wanted, 6 * (report->source_symbols + report->repair_symbols));
    assert_int_equal(store->replicas_placed + store->replicas_present, store->replicas_wanted);
    assert_true(store->replicas_present >= 6 * K);
    /* What the killed one had sent last, up to its budget, nodes may still have been storing when they were asked. */
    assert_in_range(store->bytes_sent, store->replicas_placed * (65528 + 4),
                    store->replicas_placed * (65528 + 4) + KILLED_BUDGET_BYTES);
    assert_int_equal(report->unplaced, 0);
    assert_true(exists("a.json"));
    assert_false(exists("a.json.part"));
    sw_put_report_free(report);
}

static void test_the_same_put_again_sends_nothing_and_gives_the_same_layout(void **state)
{
    (void)state;
    struct sw_put_report *report = put("a", "a2.json", NULL, NULL);
    assert_int_equal(report->store->replicas_placed, 0);
    assert_int_equal(report->store->bytes_sent, 0);
    assert_int_equal(report->store->replicas_present, report->store->replicas_wanted);
    sw_put_report_free(report);
    assert_same("a.json", "a2.json");
}

static void test_get_takes_the_source_symbols(void **state)
{
    (void)state;
    struct sw_get_report *report = get("a.json", "a.out", NULL, NULL);
    assert_same("a", "a.out");
    assert_int_equal(report->taken, K);
    assert_true(report->decoded <= K / 10);
    assert_int_equal(report->retrieval->found_network, K);
    assert_true(report->retrieval->symbols_wasted <= K / 10);
    assert_true(report->retrieval->waves[0]->found > K / 4);
    sw_get_report_free(report);

    report = get("a.json", "a.out", NULL, NULL);
    assert_true(report->already_there);
    assert_null(report->retrieval);
    sw_get_report_free(report);
    assert_false(exists("a.out.part"));
    assert_false(exists("a.out.part.journal"));
}

static void test_a_killed_get_goes_on_and_fetches_nothing_twice(void **state)
{
    (void)state;
    killed(false, "a.json", "b.out", K / 2);
    assert_false(exists("b.out"));
    struct sw_get_report *report = get("a.json", "b.out", NULL, NULL);
    assert_true(report->kept >= K / 2);
    assert_int_equal(report->kept + report->taken, K);
    assert_int_equal(report->retrieval->found_network, K - report->kept);
    assert_same("a", "b.out");
    sw_get_report_free(report);
}

static void cancel_in_the_middle(const struct sw_progress *now, void *user_data)
{
    if (now->stage == SW_STAGE_TRANSFER && now->symbols > 0)
        sw_cancel_fire(user_data);
}

static void test_a_cancelled_get_says_what_is_still_missing_and_the_next_goes_on(void **state)
{
    (void)state;
    struct sw_client_options slow = SW_CLIENT_OPTIONS_INIT;
    slow.budget_bytes = 1u << 20;
    struct sw_client *client = cluster_client(cluster, &slow);
    struct sw_layout *layout = NULL;
    struct sw_get_report *report;
    struct sw_error error;
    assert_int_equal(sw_layout_load(path("a.json"), &layout, &error), SW_OK);
    uint64_t kept = 0;
    for (int i = 0; i < 2; i++) {
        struct sw_file_options options = SW_FILE_OPTIONS_INIT;
        options.cancel = sw_cancel_new();
        options.progress = cancel_in_the_middle;
        options.progress_data = options.cancel;
        options.progress_interval_ms = 1;
        assert_int_equal(sw_get_file(client, layout, path("a.part-out"), &options, &report, &error), SW_CANCELLED);
        assert_int_equal(report->kept, kept);
        assert_int_equal(report->kept + report->taken + report->missing, K);
        kept += report->taken;
        sw_get_report_free(report);
        sw_cancel_free(options.cancel);
    }
    assert_true(kept > 0);
    assert_int_equal(sw_get_file(client, layout, path("a.part-out"), NULL, &report, &error), SW_OK);
    assert_int_equal(report->kept, kept);
    assert_int_equal(report->missing, 0);
    assert_same("a", "a.part-out");
    sw_get_report_free(report);
    sw_layout_free(layout);
    sw_client_close(client);
}

static void test_get_asks_a_local_store_before_the_nodes(void **state)
{
    struct sw_client *client = cluster_client(cluster, NULL);
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;
    struct sw_dir_sink *symbols;
    struct sw_layout *layout;
    struct sw_get_report *report;
    struct sw_error error = {.message = ""};
    char key[SW_KEY_BASE58_SIZE], lost[64];
    (void)state;
    assert_int_equal(sw_encode_file(path("a"), path("local.json"), path("symbols"), NULL, NULL, &error), SW_OK);
    assert_same("a.json", "local.json");
    assert_int_equal(sw_layout_load(path("local.json"), &layout, &error), SW_OK);
    assert_int_equal(sw_dir_sink_open(path("symbols"), &symbols, &error), SW_OK);
    const struct sw_local_store local = sw_dir_sink_as_local_store(symbols);
    /* Without its repair symbols and without one source symbol the folder has all but one of those that are needed. */
    const struct sw_layout_block block = sw_layout_block_at(layout, 0);
    for (uint32_t esi = 7; esi < block.k + block.repair; esi = esi == 7 ? block.k : esi + 1) {
        sw_key_to_base58(&block.keys[esi], key);
        snprintf(lost, sizeof(lost), "symbols/%s", key);
        assert_int_equal(unlink(path(lost)), 0);
    }
    options.local = &local;
    if (sw_get_file(client, layout, path("local.out"), &options, &report, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_same("a", "local.out");
    assert_int_equal(report->retrieval->found_local, K - 1);
    assert_int_equal(report->retrieval->found_network, 1);
    assert_true(report->decoded <= K / 10);
    sw_get_report_free(report);
    sw_dir_sink_close(symbols);
    sw_layout_free(layout);
    sw_client_close(client);
}

/* Empties nodes first to last - 1, which then serve again. */
static void lose(uint32_t first, uint32_t last)
{
    char command[300];
    for (uint32_t i = first; i < last; i++) {
        cluster_signal(cluster, i, SIGKILL);
        snprintf(command, sizeof(command), "rm -rf '%s'", cluster->nodes[i].data);
        assert_int_equal(system(command), 0);
        cluster_restart(cluster, i);
    }
}

static void test_with_a_tenth_of_the_nodes_emptied_repair_symbols_give_the_file(void **state)
{
    /* One replica of each symbol, so that what those nodes had nobody has. */
    struct sw_client_options one = SW_CLIENT_OPTIONS_INIT;
    (void)state;
    one.candidates = 1;
    write_file("c", 2);
    struct sw_put_report *stored = put("c", "c.json", &one, NULL);
    assert_int_equal(stored->store->replicas_wanted, stored->source_symbols + stored->repair_symbols);
    sw_put_report_free(stored);
    lose(0, LOST_NODES);
    struct sw_get_report *report = get("c.json", "c.out", &one, NULL);
    assert_same("c", "c.out");
    assert_true(report->decoded > 0);
    /* K symbols are nearly always enough; one or two more say that these were not independent. */
    assert_in_range(report->taken, K, K + 2);
    assert_true(report->retrieval->bytes_wasted * 100 <= (uint64_t)K * 65532);
    /* A node that was just started may be late, too, and its symbols not be needed any more when it answers. */
    const struct sw_report_wave *first = report->retrieval->waves[0];
    assert_true(first->missing + first->failed > 0);
    print_message("%llu of %zu source symbols worked out\n", (unsigned long long)report->decoded, K);
    sw_get_report_free(report);
}

static void test_put_completes_what_emptied_nodes_have_lost(void **state)
{
    (void)state;
    struct sw_put_report *report = put("a", "a3.json", NULL, NULL);
    const struct sw_store_report *store = report->store;
    assert_true(store->replicas_placed > 0);
    assert_true(store->replicas_present > store->replicas_placed);
    assert_int_equal(store->replicas_placed + store->replicas_present, store->replicas_wanted);
    assert_int_equal(store->bytes_sent, store->replicas_placed * (65528 + 4));
    sw_put_report_free(report);
    assert_same("a.json", "a3.json");
}

static void test_put_fails_below_three_quarters_and_succeeds_when_the_nodes_are_back(void **state)
{
    static const struct expected few = {SW_SHORT, "75 % are required"};
    const uint32_t dead = NODES * 2 / 5;
    (void)state;
    write_file("d", 3);
    for (uint32_t i = 0; i < dead; i++)
        cluster_signal(cluster, i, SIGKILL);
    struct sw_put_report *report = put("d", "d.json", NULL, &few);
    assert_true(report->store->replicas_failed > report->store->replicas_wanted / 4);
    assert_false(exists("d.json"));
    assert_false(exists("d.json.part"));
    sw_put_report_free(report);
    for (uint32_t i = 0; i < dead; i++)
        cluster_restart(cluster, i);
    report = put("d", "d.json", NULL, NULL);
    assert_true(report->store->replicas_present > report->store->replicas_wanted / 2);
    assert_int_equal(report->store->bytes_sent, report->store->replicas_placed * (65528 + 4));
    sw_put_report_free(report);
    struct sw_get_report *got = get("d.json", "d.out", NULL, NULL);
    assert_same("d", "d.out");
    sw_get_report_free(got);
}

static void test_with_no_node_put_gives_up_early_and_get_says_what_is_missing(void **state)
{
    static const struct expected nobody = {SW_UNAVAILABLE, "no node took any"};
    static const struct expected nothing = {SW_SHORT, "required symbols"};
    (void)state;
    for (uint32_t i = 0; i < NODES; i++)
        cluster_signal(cluster, i, SIGKILL);
    struct sw_put_report *stored = put("d", "e.json", NULL, &nobody);
    assert_true(stored->unplaced >= 256);
    assert_true(stored->symbols_made < 2000);
    assert_int_equal(stored->unplaced_sample_count, SW_FILE_SAMPLE_MAX);
    assert_false(exists("e.json"));
    sw_put_report_free(stored);
    struct sw_get_report *report = get("d.json", "e.out", NULL, &nothing);
    assert_int_equal(report->missing, K);
    assert_false(exists("e.out"));
    sw_get_report_free(report);
    for (uint32_t i = 0; i < NODES; i++)
        cluster_restart(cluster, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_killed_put_leaves_no_layout_and_the_next_sends_only_what_is_missing),
        cmocka_unit_test(test_the_same_put_again_sends_nothing_and_gives_the_same_layout),
        cmocka_unit_test(test_get_takes_the_source_symbols),
        cmocka_unit_test(test_a_killed_get_goes_on_and_fetches_nothing_twice),
        cmocka_unit_test(test_a_cancelled_get_says_what_is_still_missing_and_the_next_goes_on),
        cmocka_unit_test(test_get_asks_a_local_store_before_the_nodes),
        cmocka_unit_test(test_with_a_tenth_of_the_nodes_emptied_repair_symbols_give_the_file),
        cmocka_unit_test(test_put_completes_what_emptied_nodes_have_lost),
        cmocka_unit_test(test_put_fails_below_three_quarters_and_succeeds_when_the_nodes_are_back),
        cmocka_unit_test(test_with_no_node_put_gives_up_early_and_get_says_what_is_missing),
    };
    return cmocka_run_group_tests_name("files", tests, start_all, stop_all);
}
