/* The command's pure parts: numbers on the command line and for people, records, and key files. */
#include "client/cli/key_list.h"
#include "client/cli/parse.h"
#include "client/cli/records.h"
#include "common/format.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_bytes_are_read_with_their_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"512K", 524288},
        {"32M", 33554432},
        {"32m", 33554432},
        {"2G", 2147483648},
        {"1T", 1099511627776},
        {"32MiB", 33554432},
        {"1KB", 1024},
        {"18446744073709551614", 18446744073709551614u},
    };
    static const char *const bad[] = {"",   "M",   "-1",  " 1",   "1 M",          "1.5M",
                                      "1X", "1MM", "1Mi", "0x10", "99999999999T", "99999999999999999999"};
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(parse_bytes(good[i].text, &bytes));
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parse_bytes(bad[i], &bytes))
            fail_msg("\"%s\" was taken", bad[i]);
}

static void test_seconds_may_have_a_fraction(void **state)
{
    static const char *const bad[] = {"", "0", "0.000", "-1", "1s", "1.2345", ".", "1,5", "4294968", "1e3"};
    uint32_t milliseconds;

    (void)state;
    assert_true(parse_seconds("2", &milliseconds) && milliseconds == 2000);
    assert_true(parse_seconds("0.5", &milliseconds) && milliseconds == 500);
    assert_true(parse_seconds("1.025", &milliseconds) && milliseconds == 1025);
    assert_true(parse_seconds(".001", &milliseconds) && milliseconds == 1);
    assert_true(parse_seconds("4294967", &milliseconds) && milliseconds == 4294967000u);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parse_seconds(bad[i], &milliseconds))
            fail_msg("\"%s\" was taken", bad[i]);
}

static void test_a_share_is_rounded_up_and_a_count_is_itself(void **state)
{
    static const struct {
        const char *text;
        uint64_t total;
        uint64_t amount;
    } good[] = {
        {"1", 100, 1},
        {"300", 100, 300},
        {"17%", 489, 84}, /* 83.13 */
        {"100%", 489, 489},
        {"50%", 3, 2},
        {"12.5%", 8, 1},
        {"0.0001%", 10, 1},
        {"0.0001%", 3000000, 3},
        {"33.3333%", 3, 1},
        {"100%", 5000000000000, 5000000000000},
        {"17%", 0, 0},
    };
    static const char *const bad[] = {"",    "0",   "0%",  "101%",     "100.0001%",           "-5", "%", "5 %",
                                      "5%%", "1.5", "all", "0.00001%", "99999999999999999999"};
    struct amount amount;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(parse_amount(good[i].text, &amount));
        assert_true(amount_of(&amount, good[i].total) == good[i].amount);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parse_amount(bad[i], &amount))
            fail_msg("\"%s\" was taken", bad[i]);
}

static void test_numbers_for_people_are_short(void **state)
{
    char out[NUMBER_SIZE];

    (void)state;
    assert_string_equal(format_bytes(0, out), "0 B");
    assert_string_equal(format_bytes(999, out), "999 B");
    assert_string_equal(format_bytes(1000, out), "1.0 kB");
    assert_string_equal(format_bytes(65536, out), "65.5 kB");
    assert_string_equal(format_bytes(999999, out), "1.0 MB");
    assert_string_equal(format_bytes(123456789, out), "123 MB");
    assert_string_equal(format_bytes(UINT64_MAX, out), "18.4 EB");
    assert_string_equal(format_rate(30000000, 500000, out), "60.0 MB/s");
    assert_string_equal(format_rate(30000000, 0, out), "0 B/s");
    assert_string_equal(format_time(820, out), "820 us");
    assert_string_equal(format_time(12345, out), "12 ms");
    assert_string_equal(format_time(1234567, out), "1.23 s");
    assert_string_equal(format_time(125000000, out), "2 min 5 s");
}

static void test_foreign_text_stays_on_its_line(void **state)
{
    char out[10];

    (void)state;
    assert_string_equal(printable("a\n\x1b[b", 5, out, sizeof(out)), "a??[b");
    assert_string_equal(printable("\xc3\xa9", 2, out, sizeof(out)), "\xc3\xa9");
    assert_string_equal(printable("123456789", 9, out, sizeof(out)), "123456789");
    assert_string_equal(printable("1234567890", 10, out, sizeof(out)), "123456...");
}

/* ---- records and key files ---- */

static char path[64];

static const char *file_with(const void *bytes, size_t count)
{
    strcpy(path, "/tmp/symwave-cli-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
    return path;
}

static int remove_file(void **state)
{
    (void)state;
    if (path[0] != '\0')
        unlink(path);
    path[0] = '\0';
    return 0;
}

static void test_records_of_any_length_up_to_the_bound_come_one_by_one(void **state)
{
    static char bytes[3 * RECORD_BYTES_MAX];
    static struct records records;
    size_t used = 0, count, number = 0;
    char *record;

    (void)state;
    /* Lengths 0, 1, 2, 4 ... and the bound itself less one, the last without a delimiter. */
    for (size_t length = 1; length <= RECORD_BYTES_MAX; length *= 2) {
        memset(bytes + used, 'a' + (int)(number++ % 26), length - 1);
        used += length;
        bytes[used - 1] = '\0';
    }
    assert_int_equal(records_open(&records, file_with(bytes, used - 1), '\0', NULL), SW_OK);
    for (size_t length = 1; length <= RECORD_BYTES_MAX; length *= 2) {
        assert_int_equal(records_next(&records, &record, &count, NULL), SW_OK);
        assert_non_null(record);
        assert_int_equal(count, length - 1);
        assert_int_equal(strlen(record), length - 1);
    }
    assert_int_equal(records.number, number);
    assert_int_equal(records_next(&records, &record, &count, NULL), SW_OK);
    assert_null(record);
    records_close(&records);
}

static void test_a_record_beyond_the_bound_is_refused(void **state)
{
    static char bytes[RECORD_BYTES_MAX + 10];
    static struct records records;
    struct sw_error error;
    size_t count;
    char *record;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    bytes[1] = '\n';
    assert_int_equal(records_open(&records, file_with(bytes, sizeof(bytes)), '\n', &error), SW_OK);
    assert_int_equal(records_next(&records, &record, &count, &error), SW_OK);
    assert_int_equal(records_next(&records, &record, &count, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, ":2: longer than 65536 bytes"));
    records_close(&records);
}

/* BLAKE3-256 of "abc" by b3sum, its base64 by base64(1), its base58 by arithmetic on the number. */
#define ABC_HEX    "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
#define ABC_BASE64 "ZDezrDhGUTP/tjt1JzqNtUjFWEZdedsD/TWcbNW9nYU="
#define ABC_BASE58 "7kD2uF9CWmE7MSpR6K8kwRC2YNsHDSvAgbiQzy4Tqny2"

static void test_a_key_file_may_have_all_forms_fields_comments_and_crlf(void **state)
{
    static const char text[] = "\xef\xbb\xbf# keys\r\n" ABC_HEX "\n\n   \t\n" ABC_BASE64 "\r\n  " ABC_BASE58
                               "\tparts/a file\n#" ABC_HEX "\n" ABC_BASE58;
    struct key_list list = {NULL, 0, 0};
    struct sw_key expected = sw_key_of_value("abc", 3);
    struct sw_error error;

    (void)state;
    assert_int_equal(key_list_read(&list, file_with(text, sizeof(text) - 1), &error), SW_OK);
    assert_int_equal(list.count, 4);
    for (size_t i = 0; i < list.count; i++)
        assert_memory_equal(&list.keys[i], &expected, sizeof(expected));
    assert_int_equal(key_list_distinct(&list), 1);
    assert_int_equal(key_list_add(&list, "11111111111111111111111111111112", &error), SW_OK);
    assert_int_equal(list.count, 5);
    assert_int_equal(key_list_distinct(&list), 2);
    key_list_clear(&list);
    assert_int_equal(key_list_distinct(&list), 0);
}

static void test_a_bad_key_is_told_with_file_line_and_reason(void **state)
{
    static const char text[] = ABC_BASE58 "\n# fine so far\n7kD2uF9CWmE7MSpR6K8kwRC2YNsHDSvAgbiQzy4Tqn0\x1b\n";
    struct key_list list = {NULL, 0, 0};
    struct sw_error error;
    char place[128];

    (void)state;
    assert_int_equal(key_list_read(&list, file_with(text, sizeof(text) - 1), &error), SW_INVALID_ARGUMENT);
    snprintf(place, sizeof(place), "%s:3: bad key \"7kD2uF9CWmE7MSpR6K8kwRC2YNsHDSvAgbiQzy4Tqn0?\": ", path);
    assert_memory_equal(error.message, place, strlen(place));
    assert_null(strchr(error.message, '\x1b'));
    assert_int_equal(key_list_read(&list, "/nonexistent/keys", &error), SW_NOT_FOUND);
    assert_int_equal(key_list_read(&list, "/", &error), SW_IO_ERROR);
    assert_int_equal(key_list_add(&list, "nonsense", &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "nonsense"));
    key_list_clear(&list);
}

static void test_a_million_keys_are_read(void **state)
{
    struct key_list list = {NULL, 0, 0};
    struct sw_error error;
    char hex[66];

    (void)state;
    FILE *file = fopen(file_with("", 0), "w");
    assert_non_null(file);
    memset(hex, '0', 64);
    for (unsigned i = 0; i < 1000000; i++) {
        snprintf(hex + 56, sizeof(hex) - 56, "%08x", i / 2);
        fprintf(file, "%s\n", hex);
    }
    fclose(file);
    assert_int_equal(key_list_read(&list, path, &error), SW_OK);
    assert_int_equal(list.count, 1000000);
    assert_int_equal(key_list_distinct(&list), 500000);
    key_list_clear(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_read_with_their_unit),
        cmocka_unit_test(test_seconds_may_have_a_fraction),
        cmocka_unit_test(test_a_share_is_rounded_up_and_a_count_is_itself),
        cmocka_unit_test(test_numbers_for_people_are_short),
        cmocka_unit_test(test_foreign_text_stays_on_its_line),
        cmocka_unit_test_teardown(test_records_of_any_length_up_to_the_bound_come_one_by_one, remove_file),
        cmocka_unit_test_teardown(test_a_record_beyond_the_bound_is_refused, remove_file),
        cmocka_unit_test_teardown(test_a_key_file_may_have_all_forms_fields_comments_and_crlf, remove_file),
        cmocka_unit_test_teardown(test_a_bad_key_is_told_with_file_line_and_reason, remove_file),
        cmocka_unit_test_teardown(test_a_million_keys_are_read, remove_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
