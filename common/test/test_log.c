/* Logging: levels, quoting, and lines that nothing in a field can break. */
#include "common/log.h"
#include "common/utf8.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* What a writer writes for one event; cut at its newline, which must be the only one. */
static const char *line_of(enum sw_log_format format, const char *message, const char *fields)
{
    static char line[8192];
    struct sw_log_writer writer = {.fd = memfd_create("log", MFD_CLOEXEC), .format = format};

    assert_true(writer.fd >= 0);
    sw_log_writer_write(SW_LOG_INFO, message, fields, &writer);
    ssize_t bytes = pread(writer.fd, line, sizeof(line) - 1, 0);
    close(writer.fd);
    assert_true(bytes > 0 && bytes <= 4096);
    line[bytes] = '\0';
    assert_int_equal(strlen(line), bytes);
    assert_ptr_equal(strchr(line, '\n'), line + bytes - 1);
    line[bytes - 1] = '\0';
    return line;
}

/* The line after its time, the form of which is checked. */
static const char *logfmt_after_time(const char *message, const char *fields)
{
    const char *line = line_of(SW_LOG_LOGFMT, message, fields);
    const char *form = "ts=dddd-dd-ddTdd:dd:dd.dddZ ";

    for (size_t i = 0; form[i] != '\0'; i++)
        assert_true(form[i] == 'd' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]);
    return line + strlen(form);
}

static void test_a_line_has_time_level_message_and_fields(void **state)
{
    (void)state;
    assert_string_equal(logfmt_after_time("node started", "node=a port=4000"),
                        "level=info msg=\"node started\" node=a port=4000");
    assert_string_equal(logfmt_after_time("ready", ""), "level=info msg=ready");
    assert_string_equal(logfmt_after_time("ready", NULL), "level=info msg=ready");
}

static void test_json_has_every_field_as_a_string(void **state)
{
    (void)state;
    json_t *line =
        json_loads(line_of(SW_LOG_JSON, "a \"b\"",
                           "n=12 text=\"x \\\"y\\\" \\n z\" bare=a\"b\\c key empty= e=\"\" utf=\"\xc3\xa9 \""),
                   JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(line, "msg")), "a \"b\"");
    assert_string_equal(json_string_value(json_object_get(line, "n")), "12");
    assert_string_equal(json_string_value(json_object_get(line, "text")), "x \"y\" \n z");
    assert_string_equal(json_string_value(json_object_get(line, "bare")), "a\"b\\c");
    assert_string_equal(json_string_value(json_object_get(line, "key")), "true");
    assert_string_equal(json_string_value(json_object_get(line, "empty")), "");
    assert_string_equal(json_string_value(json_object_get(line, "e")), "");
    assert_string_equal(json_string_value(json_object_get(line, "utf")), "\xc3\xa9 ");
    json_decref(line);
}

static void test_control_characters_never_reach_a_line(void **state)
{
    (void)state;
    assert_string_equal(logfmt_after_time("x", "a=1\nlevel=error b=\x1b[31m c=\"t\x07\""),
                        "level=info msg=x a=\"1\\nlevel=error\" b=\"\\u001b[31m\" c=\"t\\u0007\"");
    /* U+009B opens a terminal's escape sequence as ESC [ does; a byte that is not UTF-8 is replaced. */
    assert_string_equal(logfmt_after_time("x", "a=\xc2\x9b b=\xff"), "level=info msg=x a=\"\\u009b\" b=\"\\ufffd\"");
}

static void test_a_line_is_cut_to_its_bound_and_stays_whole(void **state)
{
    static char fields[20000];

    (void)state;
    for (size_t start = 0; start < 40; start++) {
        /* Two-byte characters and quotes at every offset, so that each kind of cut is met. */
        size_t at = (size_t)snprintf(fields, sizeof(fields), "%.*s=1 v=\"", (int)start + 1,
                                     "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
        while (at < sizeof(fields) - 5)
            at += (size_t)sprintf(fields + at, "\xc3\xa9\\\"");
        const char *text = line_of(SW_LOG_JSON, "m", fields);
        json_t *line = json_loads(text, 0, NULL);
        assert_non_null(line);
        assert_non_null(json_object_get(line, "v"));
        assert_true(strlen(text) > 4080);
        json_decref(line);
        text = line_of(SW_LOG_LOGFMT, "m", fields);
        assert_true(strlen(text) > 4080 && text[strlen(text) - 1] == '"');
    }
    /* Many small fields: none is cut in its name. */
    fields[0] = '\0';
    for (size_t i = 0; i < 2000; i++)
        sprintf(fields + strlen(fields), "f%03zu=1 ", i % 1000);
    json_t *line = json_loads(line_of(SW_LOG_JSON, "m", fields), 0, NULL);
    assert_non_null(line);
    const char *name;
    json_t *value;
    json_object_foreach(line, name, value) assert_true(name[0] != 'f' || strlen(name) == 4);
    json_decref(line);
}

static void test_quote_quotes_only_where_it_has_to(void **state)
{
    char out[64];

    (void)state;
    assert_string_equal(sw_log_quote("plain/1.2:3", out, sizeof(out)), "plain/1.2:3");
    assert_string_equal(sw_log_quote("", out, sizeof(out)), "\"\"");
    assert_string_equal(sw_log_quote(NULL, out, sizeof(out)), "\"\"");
    assert_string_equal(sw_log_quote("two words", out, sizeof(out)), "\"two words\"");
    assert_string_equal(sw_log_quote("a=b", out, sizeof(out)), "\"a=b\"");
    assert_string_equal(sw_log_quote("q\"\\\r\n\t\x01", out, sizeof(out)), "\"q\\\"\\\\\\r\\n\\t\\u0001\"");
    assert_string_equal(sw_log_quote("\xe2\x82\xac", out, sizeof(out)), "\xe2\x82\xac");
}

static void test_quote_is_cut_to_fit_between_characters(void **state)
{
    char out[16];

    (void)state;
    assert_string_equal(sw_log_quote("0123456789", out, 5), "0123");
    assert_string_equal(sw_log_quote("01 3456789", out, 7), "\"01 3\"");
    assert_string_equal(sw_log_quote("a \n", out, 6), "\"a \"");
    assert_string_equal(sw_log_quote("\xe2\x82\xac\xe2\x82\xac", out, 6), "\xe2\x82\xac");
    assert_string_equal(sw_log_quote("a b", out, 2), "");
    assert_string_equal(sw_log_quote("abc", out, 1), "");
    out[0] = 'x';
    sw_log_quote("abc", out, 0);
    assert_int_equal(out[0], 'x');
}

struct seen {
    int count;
    enum sw_log_level level;
    char text[4096];
};

static void note(enum sw_log_level level, const char *message, const char *fields, void *user_data)
{
    struct seen *seen = user_data;
    seen->count++;
    seen->level = level;
    snprintf(seen->text, sizeof(seen->text), "%s|%s", message, fields);
}

static void test_only_levels_asked_for_are_passed_on(void **state)
{
    struct seen seen = {0};
    struct sw_logger logger = {.level = SW_LOG_WARN, .fn = note, .user_data = &seen};
    static char big[10000];

    (void)state;
    sw_log(&logger, SW_LOG_INFO, "no", "%s", "");
    assert_int_equal(seen.count, 0);
    sw_log(&logger, SW_LOG_WARN, "yes", "n=%d", 3);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.level, SW_LOG_WARN);
    assert_string_equal(seen.text, "yes|n=3");
    memset(big, 'x', sizeof(big) - 1);
    sw_log(&logger, SW_LOG_ERROR, "big", "v=%s", big);
    assert_int_equal(seen.count, 2);
    sw_log(NULL, SW_LOG_ERROR, "nobody", "%s", "");
    logger.fn = NULL;
    sw_log(&logger, SW_LOG_ERROR, "nobody", "%s", "");
    assert_int_equal(seen.count, 2);
}

static void test_level_names_go_both_ways(void **state)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    enum sw_log_level level;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_string_equal(sw_log_level_name((enum sw_log_level)(i + 1)), names[i]);
        assert_true(sw_log_level_parse(names[i], &level));
        assert_int_equal(level, i + 1);
    }
    assert_false(sw_log_level_parse("INFO", &level));
    assert_false(sw_log_level_parse("", &level));
    assert_string_equal(sw_log_level_name((enum sw_log_level)9), "unknown");
}

/* Cases of RFC 3629: the first and last of each length, and what it forbids. */
static void test_utf8_is_read_strictly(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        uint32_t code_point;
    } cases[] = {
        {"A", 1, 'A'},
        {"\x7f", 1, 0x7f},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 0, 0},
        {"\xc0\x80", 0, 0},
        {"\xc1\xbf", 0, 0},
        {"\xe0\x9f\xbf", 0, 0},
        {"\xed\xa0\x80", 0, 0},
        {"\xf0\x8f\xbf\xbf", 0, 0},
        {"\xf4\x90\x80\x80", 0, 0},
        {"\xf5\x80\x80\x80", 0, 0},
        {"\xe2\x82", 0, 0},
        {"\xe2\x28\xa1", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t code_point = 0;
        assert_int_equal(sw_utf8_next(cases[i].bytes, strlen(cases[i].bytes), &code_point), cases[i].length);
        assert_int_equal(code_point, cases[i].code_point);
    }
    uint32_t code_point;
    assert_int_equal(sw_utf8_next("", 0, &code_point), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_has_time_level_message_and_fields),
        cmocka_unit_test(test_json_has_every_field_as_a_string),
        cmocka_unit_test(test_control_characters_never_reach_a_line),
        cmocka_unit_test(test_a_line_is_cut_to_its_bound_and_stays_whole),
        cmocka_unit_test(test_quote_quotes_only_where_it_has_to),
        cmocka_unit_test(test_quote_is_cut_to_fit_between_characters),
        cmocka_unit_test(test_only_levels_asked_for_are_passed_on),
        cmocka_unit_test(test_level_names_go_both_ways),
        cmocka_unit_test(test_utf8_is_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
