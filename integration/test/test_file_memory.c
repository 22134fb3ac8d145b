/*
 * Memory of files: put, and get with a node lost and so with decoding, each stay under 128 MiB with a file of twice
 * that, or of SYMWAVE_FILE_MIB where the environment says so.
 *
 * Each is a process of its own, so the peak that the kernel kept for it is its alone. Sanitizers keep memory of their
 * own: this test is built without them only.
 */
#include "cluster.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES    8
#define PEAK_KIB (128 * 1024)
#define MIB      ((size_t)1 << 20)

static struct cluster *cluster;
static char file[160], layout_path[160], out_path[160];

/* One replica of each symbol, so that the test writes six times the file and not 36 times. */
static const struct sw_client_options client_options = {.size = sizeof(client_options), .candidates = 1};

static size_t file_mib(void)
{
    const char *text = getenv("SYMWAVE_FILE_MIB");
    return text ? (size_t)strtoul(text, NULL, 10) : 256;
}

static int start_all(void **state)
{
    (void)state;
    cluster = cluster_start(NODES);
    snprintf(file, sizeof(file), "%s/file", cluster->folder);
    snprintf(layout_path, sizeof(layout_path), "%s/file.json", cluster->folder);
    snprintf(out_path, sizeof(out_path), "%s/out", cluster->folder);
    FILE *out = fopen(file, "w");
    uint8_t *bytes = malloc(MIB);
    assert_true(out && bytes);
    for (size_t i = 0; i < file_mib(); i++) {
        value_fill(bytes, MIB, i);
        assert_int_equal(fwrite(bytes, 1, MIB, out), MIB);
    }
    assert_int_equal(fclose(out), 0);
    free(bytes);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    unlink(file);
    unlink(layout_path);
    unlink(out_path);
    cluster_stop(cluster);
    return 0;
}

/* Tells what a job took, and ends the child where that is too much. */
static void check(const char *what, enum sw_status status, uint64_t elapsed_us, uint64_t buffers_bytes,
                  const char *message)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    fprintf(stderr, "%s of %zu MiB: %.2f s, peak %ld KiB, buffers %llu KiB %s\n", what, file_mib(),
            (double)elapsed_us / 1e6, usage.ru_maxrss, (unsigned long long)buffers_bytes / 1024, message);
    if (status != SW_OK || usage.ru_maxrss > PEAK_KIB)
        _exit(1);
}

static void put_file(void)
{
    sw_process_tune();
    struct sw_client *client = cluster_client(cluster, &client_options);
    struct sw_put_report *report;
    struct sw_error error = {.message = ""};
    enum sw_status status = sw_put_file(client, file, layout_path, NULL, &report, &error);
    check("put", status, report->elapsed_us, report->buffers_bytes, error.message);
    sw_put_report_free(report);
    sw_client_close(client);
}

static void get_file(void)
{
    sw_process_tune();
    struct sw_client *client = cluster_client(cluster, &client_options);
    struct sw_layout *layout;
    struct sw_get_report *report;
    struct sw_error error = {.message = ""};
    if (sw_layout_load(layout_path, &layout, &error) != SW_OK)
        _exit(2);
    enum sw_status status = sw_get_file(client, layout, out_path, NULL, &report, &error);
    check("get", status, report->elapsed_us, report->buffers_bytes, error.message);
    if (report->decoded == 0)
        _exit(3);
    sw_get_report_free(report);
    sw_layout_free(layout);
    sw_client_close(client);
}

static void test_put_stays_below_128_mib(void **state)
{
    (void)state;
    assert_true(cluster_in_child(put_file));
}

static void test_get_with_an_eighth_to_decode_stays_below_128_mib(void **state)
{
    char command[400];
    (void)state;
    cluster_signal(cluster, 0, SIGKILL);
    assert_true(cluster_in_child(get_file));
    snprintf(command, sizeof(command), "cmp '%s' '%s'", file, out_path);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_stays_below_128_mib),
        cmocka_unit_test(test_get_with_an_eighth_to_decode_stays_below_128_mib),
    };
    return cmocka_run_group_tests_name("file memory", tests, start_all, stop_all);
}
