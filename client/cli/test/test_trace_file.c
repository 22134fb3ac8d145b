/* The trace file: JSON whatever nodes say, lanes on which nothing overlaps, whole or not there. And the summary's why.
 */
#include "client/cli/summary.h"
#include "client/cli/trace_file.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/symwave-trace-XXXXXX";

void print_error(const char *format, ...)
{
    (void)format;
}

static int go_to_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void add(struct trace_file *file, const char *node, uint64_t started_us, uint64_t ended_us)
{
    static uint64_t id;
    const struct sw_trace_request request = {.id = ++id,
                                             .node_id = node,
                                             .address = "h:1",
                                             .started_us = started_us,
                                             .ended_us = ended_us,
                                             .keys = 3,
                                             .found = 2,
                                             .missing = 1,
                                             .bytes = 1ull << 40,
                                             .wave = 1,
                                             .hedge = true};
    trace_file_add(&request, file);
}

static json_t *events_of(const char *path, json_t **json)
{
    json_error_t fault;
    *json = json_load_file(path, JSON_REJECT_DUPLICATES, &fault);
    if (!*json)
        fail_msg("%s", fault.text);
    assert_string_equal(json_string_value(json_object_get(*json, "displayTimeUnit")), "ms");
    return json_object_get(*json, "traceEvents");
}

static json_int_t number(const json_t *object, const char *name)
{
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

static void test_requests_that_overlap_lie_on_different_lanes(void **state)
{
    (void)state;
    static const struct {
        const char *node;
        uint64_t started_us, ended_us;
        json_int_t pid, tid;
    } cases[] = {
        {"a", 0, 10, 1, 1},  {"a", 10, 20, 1, 1}, /* one after the other */
        {"a", 5, 25, 1, 2},                       /* beside both */
        {"b", 5, 26, 2, 1},                       /* another node's */
        {"a", 22, 30, 1, 1}, {"a", 0, 40, 1, 3},  {"a", 31, 41, 1, 1},
    };
    struct trace_file *file;
    json_t *json;
    size_t slices = 0, tracks = 0;
    assert_int_equal(trace_file_open("trace.json", &file, NULL), SW_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        add(file, cases[i].node, cases[i].started_us, cases[i].ended_us);
    assert_int_equal(access("trace.json", F_OK), -1); /* not before it is whole */
    assert_int_equal(trace_file_close(file, NULL), SW_OK);
    json_t *events = events_of("trace.json", &json);
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        const char *phase = json_string_value(json_object_get(event, "ph"));
        if (strcmp(phase, "M") == 0) {
            tracks += strcmp(json_string_value(json_object_get(event, "name")), "process_name") == 0;
            continue;
        }
        assert_string_equal(phase, "X");
        assert_int_equal(number(event, "ts"), cases[slices].started_us);
        assert_int_equal(number(event, "dur"), cases[slices].ended_us - cases[slices].started_us);
        assert_int_equal(number(event, "pid"), cases[slices].pid);
        assert_int_equal(number(event, "tid"), cases[slices].tid);
        assert_int_equal(number(json_object_get(event, "args"), "bytes"), 1099511627776);
        assert_true(json_is_true(json_object_get(json_object_get(event, "args"), "hedge")));
        assert_string_equal(json_string_value(json_object_get(json_object_get(event, "args"), "end")), "answered");
        slices++;
    }
    assert_int_equal(slices, 7);
    assert_int_equal(tracks, 2);
    json_decref(json);
    unlink("trace.json");
}

static void test_whatever_a_node_says_it_is_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"},]", "\x01\x1b[31m\n", "\xff\xfe half \xc3", "\\u0000", ""};
    const size_t count = sizeof(texts) / sizeof(texts[0]);
    struct trace_file *file;
    json_t *json;
    assert_int_equal(trace_file_open("trace.json", &file, NULL), SW_OK);
    for (size_t i = 0; i < count; i++) {
        const struct sw_trace_request request = {
            .id = i + 1, .node_id = texts[i], .address = texts[i], .end = SW_TRACE_FAILED, .error = texts[i]};
        trace_file_add(&request, file);
    }
    assert_int_equal(trace_file_close(file, NULL), SW_OK);
    json_t *events = events_of("trace.json", &json);
    assert_int_equal(json_array_size(events), 3 * count);
    const json_t *args = json_object_get(json_array_get(events, 2), "args");
    assert_string_equal(json_string_value(json_object_get(args, "error")), "\"},]");
    json_decref(json);
    unlink("trace.json");
}

static void test_a_trace_of_nothing_is_json(void **state)
{
    (void)state;
    struct trace_file *file;
    json_t *json;
    assert_int_equal(trace_file_open("trace.json", &file, NULL), SW_OK);
    assert_int_equal(trace_file_close(file, NULL), SW_OK);
    assert_int_equal(json_array_size(events_of("trace.json", &json)), 0);
    json_decref(json);
    unlink("trace.json");
    assert_int_equal(trace_file_close(NULL, NULL), SW_OK);
}

static void test_what_is_no_file_is_not_replaced(void **state)
{
    (void)state;
    struct trace_file *file;
    struct sw_error error;
    assert_int_equal(trace_file_open("/dev/null", &file, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(trace_file_open(".", &file, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(trace_file_open("no/folder", &file, &error), SW_IO_ERROR);
    assert_non_null(strstr(error.message, "no/folder"));
    /* The folder's removal tells whether something was left. */
    assert_int_equal(trace_file_open("taken", &file, &error), SW_OK);
    assert_int_equal(mkdir("taken", 0700), 0);
    assert_int_equal(trace_file_close(file, &error), SW_IO_ERROR);
    assert_int_equal(rmdir("taken"), 0);
}

static char *reasons_of(const struct sw_report *report)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    print_reasons(out, report);
    fclose(out);
    return text;
}

static void test_a_summary_says_why_it_was_slow(void **state)
{
    (void)state;
    const struct sw_report_node *const nodes[] = {
        &(struct sw_report_node){.id = "n1", .tail_symbols = 2, .tail_wait_us = 900},
        &(struct sw_report_node){.id = "n2"},
        &(struct sw_report_node){.id = "n3", .tail_symbols = 60, .tail_wait_us = 110000},
        &(struct sw_report_node){.id = "n4", .tail_symbols = 3, .tail_wait_us = 5000},
        &(struct sw_report_node){.id = "n5", .tail_symbols = 20, .tail_wait_us = 1500000},
    };
    const struct sw_report_wave *const waves[] = {
        &(struct sw_report_wave){.tail_symbols = 70},
        &(struct sw_report_wave){.tail_symbols = 0},
        &(struct sw_report_wave){.tail_symbols = 15},
    };
    const struct sw_report report = {.wave_count = 3,
                                     .waves = waves,
                                     .node_count = 5,
                                     .nodes = nodes,
                                     .wasted_corrupt_bytes = 64000,
                                     .wasted_hedge_bytes = 131000,
                                     .hedges_sent = 12,
                                     .hedges_won = 10,
                                     .leases_out = 40,
                                     .leases_lapsed = 3,
                                     .late_found = 25,
                                     .tail_symbols = 85,
                                     .tail_us = 120000};
    char *text = reasons_of(&report);
    assert_string_equal(text,
                        "  wasted        64.0 kB corrupt, 131 kB hedge\n"
                        "  overdue       40 answers, 3 of them for long; 25 came all the same\n"
                        "  hedges        12 sent, 10 won\n"
                        "  slowest 5 %   85 symbols in 120 ms: n3 60 (up to 110 ms), n5 20 (up to 1.50 s), n4 3 (up to "
                        "5 ms), 1 more; wave 0 70, wave 2 15\n");
    free(text);
}

static void test_a_summary_says_nothing_where_nothing_was(void **state)
{
    (void)state;
    const struct sw_report_wave *const wave = &(struct sw_report_wave){.tail_symbols = 1};
    const struct sw_report report = {.wave_count = 1, .waves = &wave, .tail_symbols = 1};
    char *text = reasons_of(&report);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_that_overlap_lie_on_different_lanes),
        cmocka_unit_test(test_whatever_a_node_says_it_is_json),
        cmocka_unit_test(test_a_trace_of_nothing_is_json),
        cmocka_unit_test(test_what_is_no_file_is_not_replaced),
        cmocka_unit_test(test_a_summary_says_why_it_was_slow),
        cmocka_unit_test(test_a_summary_says_nothing_where_nothing_was),
    };
    return cmocka_run_group_tests_name("trace file", tests, go_to_folder, remove_folder);
}
