/*
 * Decoding where it must not go on: an output that is right already or no file, a layout at fault, somebody else at
 * work, no room, a cancel, a deadline. Nothing that was there before is lost by any of them.
 */
#include "client/files/file_io.h"
#include "client/files/test/fixture.h"
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define K 10

static struct object object;

static int setup(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    const struct sw_raptorq_params params = put_params(K * 65528 - 100);
    object_make(&object, &params, UINT32_MAX);
    return 0;
}

static int teardown(void **state)
{
    object_clear(&object);
    return fixture_teardown(state);
}

/* ---- the output ---- */

static void test_a_file_that_is_right_already_is_left_alone(void **state)
{
    struct stat before, after;

    (void)state;
    write_file(path_of("out"), object.bytes, object.params.bytes);
    assert_int_equal(stat(path_of("out"), &before), 0);
    const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
    assert_true(report.already_there);
    assert_int_equal(report.bytes, object.params.bytes);
    assert_int_equal(report.taken, 0);
    assert_int_equal(report.decoded, 0);
    assert_int_equal(stat(path_of("out"), &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    assert_done(&object);
}

static void test_a_file_that_is_another_is_replaced_in_the_end_only(void **state)
{
    (void)state;
    write_file(path_of("out"), object.bytes, object.params.bytes);
    flip_byte(path_of("out"), object.params.bytes - 1);
    int fd = open(path_of("out"), O_RDONLY);
    give_range(&object, 0, K, 2 * K - 1);
    assert_false(decode(object.layout, NULL, SW_SHORT, NULL).already_there);
    assert_true(exists(path_of("out")));
    give(&object, 0, 0);
    assert_false(decode(object.layout, NULL, SW_OK, NULL).already_there);
    assert_done(&object);
    /* Whoever had it open has the old one, whole. */
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, (off_t)object.params.bytes - 1), 1);
    assert_int_equal(byte, object.bytes[object.params.bytes - 1] ^ 0x10);
    close(fd);
    /* One of another size. */
    write_file(path_of("out"), "short", 5);
    decode(object.layout, NULL, SW_OK, NULL);
    assert_done(&object);
}

static void test_an_output_that_is_no_file_is_refused(void **state)
{
    (void)state;
    give_range(&object, 0, 0, K);
    assert_int_equal(mkdir(path_of("out"), 0777), 0);
    decode(object.layout, NULL, SW_INVALID_ARGUMENT, "no regular file");
    assert_int_equal(rmdir(path_of("out")), 0);
    assert_int_equal(mkfifo(path_of("out"), 0666), 0);
    decode(object.layout, NULL, SW_INVALID_ARGUMENT, "no regular file");
    assert_int_equal(unlink(path_of("out")), 0);
    assert_false(exists(path_of("out.part")));
    /* Nor may the workspace be. */
    assert_int_equal(mkdir(path_of("out.part"), 0777), 0);
    decode(object.layout, NULL, SW_IO_ERROR, path_of("out.part"));
    assert_int_equal(rmdir(path_of("out.part")), 0);
    assert_int_equal(mkfifo(path_of("out.part"), 0666), 0);
    decode(object.layout, NULL, SW_INVALID_ARGUMENT, "out.part is no regular file");
    assert_int_equal(unlink(path_of("out.part")), 0);
}

static void test_folders_that_are_not_there_are_named(void **state)
{
    struct sw_error error;

    (void)state;
    assert_int_equal(sw_decode_file(object.layout, path_of("symbols"), path_of("none/out"), NULL, NULL, &error),
                     SW_NOT_FOUND);
    assert_non_null(strstr(error.message, "its folder does not exist"));
    assert_int_equal(sw_decode_file(object.layout, path_of("none"), path_of("out"), NULL, NULL, &error), SW_NOT_FOUND);
    assert_non_null(strstr(error.message, path_of("none")));
    assert_int_equal(sw_decode_file(object.layout, path_of("input"), path_of("out"), NULL, NULL, &error), SW_IO_ERROR);
    assert_int_equal(sw_decode_file(NULL, path_of("symbols"), path_of("out"), NULL, NULL, NULL), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_decode_file(object.layout, NULL, path_of("out"), NULL, NULL, NULL), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_decode_file(object.layout, path_of("symbols"), NULL, NULL, NULL, NULL), SW_INVALID_ARGUMENT);
    assert_false(exists(path_of("out.part")));
}

static void test_two_at_work_on_one_output_do_not_mix(void **state)
{
    size_t count, journal_count;

    (void)state;
    give_range(&object, 0, 0, K - 1);
    decode(object.layout, NULL, SW_SHORT, NULL);
    uint8_t *part = read_file(path_of("out.part"), &count);
    uint8_t *journal = read_file(path_of("out.part.journal"), &journal_count);
    give(&object, 0, K);
    int fd = open(path_of("out.part"), O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    decode(object.layout, NULL, SW_INVALID_ARGUMENT, "another get or decode is at work on it");
    assert_file(path_of("out.part"), part, count);
    assert_file(path_of("out.part.journal"), journal, journal_count);
    assert_false(exists(path_of("out")));
    close(fd);
    assert_int_equal(decode(object.layout, NULL, SW_OK, NULL).kept, K - 1);
    assert_done(&object);
    free(part);
    free(journal);
}

/* ---- layouts at fault ---- */

/* The object's layout with another hash, or with the key of something else for one symbol; for the caller to free. */
static struct sw_layout *other_layout(uint32_t esi, const struct sw_key *key, const struct sw_key *hash)
{
    const struct sw_layout_block block = sw_layout_block_at(object.layout, 0);
    struct sw_layout_writer *writer;
    struct sw_layout *layout;

    assert_int_equal(sw_layout_writer_open(path_of("other.json"), &object.params, &writer, NULL), SW_OK);
    for (uint32_t i = 0; i < block.k + block.repair; i++)
        assert_int_equal(sw_layout_writer_add(writer, key && i == esi ? key : &block.keys[i], NULL), SW_OK);
    assert_int_equal(sw_layout_writer_finish(writer, hash ? hash : sw_layout_hash(object.layout), NULL), SW_OK);
    sw_layout_writer_close(writer);
    assert_int_equal(sw_layout_load(path_of("other.json"), &layout, NULL), SW_OK);
    return layout;
}

static void test_a_layout_with_a_wrong_hash_gives_no_file(void **state)
{
    const struct sw_key hash = {{7}};
    struct sw_layout *layout = other_layout(0, NULL, &hash);

    (void)state;
    give_range(&object, 0, 2, K + 6);
    for (int i = 0; i < 2; i++) {
        const struct sw_get_report report = decode(layout, NULL, SW_DATA_LOSS, "the layout is at fault");
        assert_int_equal(report.dropped, 0);
        assert_int_equal(report.taken, i == 0 ? K : 0);
        assert_false(exists(path_of("out")));
    }
    /* A good layout of the same symbols does not mind. */
    assert_int_equal(decode(object.layout, NULL, SW_OK, NULL).kept, 0);
    assert_done(&object);
    sw_layout_free(layout);
}

/* A value takes the place of symbol 3, its key that of 3's key. */
static void check_wrong_symbol(const uint8_t *value, size_t count, const char *said)
{
    const struct sw_key key = sw_key_of_value(value, count);
    struct sw_layout *layout = other_layout(3, &key, NULL);

    begin_again();
    give_range(&object, 0, 0, K);
    char name[64] = "symbols/";
    sw_key_to_base58(&key, name + strlen(name));
    write_file(path_of(name), value, count);
    const struct sw_get_report report = decode(layout, NULL, SW_DATA_LOSS, said);
    assert_int_equal(report.taken, 3);
    assert_int_equal(report.bad, 0);
    assert_false(exists(path_of("out")));
    sw_layout_free(layout);
}

static void test_a_symbol_that_is_not_what_the_layout_says_is_refused(void **state)
{
    uint8_t *value = malloc(object.symbol_bytes);

    (void)state;
    assert_non_null(value);
    memcpy(value, object_symbol(&object, 0, 3), object.symbol_bytes);
    value[3] = 4;
    check_wrong_symbol(value, object.symbol_bytes, "is number 4 of block 0");
    memcpy(value, "\0\1\0\3", 4);
    check_wrong_symbol(value, object.symbol_bytes, "is number 65539 of block 0");
    memcpy(value, "\1\0\0\3", 4);
    check_wrong_symbol(value, object.symbol_bytes, "is number 3 of block 1");
    check_wrong_symbol((const uint8_t *)"\0\0\0\3", 4, "has 4 bytes: the layout is at fault");
    free(value);
}

/* With the right numbers and wrong bytes it is found in the end. */
static void test_a_symbol_of_another_file_is_found_by_the_hash(void **state)
{
    uint8_t *value = malloc(object.symbol_bytes);
    char name[64] = "symbols/";

    (void)state;
    assert_non_null(value);
    memcpy(value, object_symbol(&object, 0, 3), object.symbol_bytes);
    value[object.symbol_bytes - 1] ^= 1;
    const struct sw_key key = sw_key_of_value(value, object.symbol_bytes);
    struct sw_layout *layout = other_layout(3, &key, NULL);
    sw_key_to_base58(&key, name + strlen(name));
    write_file(path_of(name), value, object.symbol_bytes);
    give_range(&object, 0, 0, K);
    decode(layout, NULL, SW_DATA_LOSS, "the layout is at fault");
    assert_false(exists(path_of("out")));
    sw_layout_free(layout);
    free(value);
}

/* ---- ended early ---- */

struct ending {
    struct sw_cancel *cancel;
    unsigned calls;
};

static void on_progress(const struct sw_progress *progress, void *user_data)
{
    struct ending *ending = user_data;

    assert_true(progress->elapsed_us > 0);
    if (ending->calls++ == 0)
        sw_cancel_fire(ending->cancel);
}

static void test_a_cancel_ends_it_and_keeps_what_came(void **state)
{
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;
    const struct sw_raptorq_params params = put_params(12000000);
    struct ending ending = {.cancel = sw_cancel_new()};
    struct object large;

    (void)state;
    assert_non_null(ending.cancel);
    assert_int_equal(rmdir(path_of("symbols")), 0);
    object_make(&large, &params, 2 * 184);
    give_range(&large, 0, 1, 2 * 184);
    options.cancel = ending.cancel;
    options.progress = on_progress;
    options.progress_data = &ending;
    options.progress_interval_ms = 1;
    const uint64_t before = decode(large.layout, &options, SW_CANCELLED, "cancelled").taken;
    assert_int_equal(ending.calls, 1);
    assert_true(before > 0);
    assert_false(exists(path_of("out")));
    /* One that is fired before ends it at once. */
    struct sw_get_report report = decode(large.layout, &options, SW_CANCELLED, "cancelled");
    assert_int_equal(report.kept, before);
    assert_true(report.taken <= 1);
    const uint64_t kept = before + report.taken;
    report = decode(large.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, kept);
    assert_done(&large);
    decode(large.layout, &options, SW_CANCELLED, "cancelled");
    assert_done(&large);
    object_clear(&large);
    sw_cancel_free(ending.cancel);
}

static void test_a_deadline_ends_it_and_keeps_what_came(void **state)
{
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;
    const struct sw_raptorq_params params = put_params(12000000);
    struct object large;

    (void)state;
    assert_int_equal(rmdir(path_of("symbols")), 0);
    object_make(&large, &params, 184);
    give_range(&large, 0, 0, 184);
    options.deadline_ms = 1;
    const uint64_t before = decode(large.layout, &options, SW_DEADLINE_EXCEEDED, "the deadline of 1 ms passed").taken;
    assert_false(exists(path_of("out")));
    options.deadline_ms = 600000;
    assert_int_equal(decode(large.layout, &options, SW_OK, NULL).kept, before);
    assert_done(&large);
    object_clear(&large);
}

/* A mount that nobody else sees; only root may. */
static bool mount_tmpfs(const char *path, const char *options)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

static void test_a_disk_without_room_is_said_before_anything_is_fetched(void **state)
{
    struct sw_get_report *report;
    struct sw_error error;

    (void)state;
    give_range(&object, 0, 0, K);
    assert_int_equal(mkdir(path_of("small"), 0777), 0);
    if (!mount_tmpfs(path_of("small"), "size=600k"))
        skip();
    enum sw_status status =
        sw_decode_file(object.layout, path_of("symbols"), path_of("small/out"), NULL, &report, &error);
    const size_t left = count_files(path_of("small"));
    const uint64_t taken = report->taken;
    sw_get_report_free(report);
    /* The work file of an encode has no room either; its layout would have. */
    struct sw_error encode_error;
    enum sw_status encode_status =
        sw_encode_file(path_of("input"), path_of("small/layout.json"), NULL, NULL, NULL, &encode_error);
    const size_t encode_left = count_files(path_of("small"));
    assert_int_equal(umount(path_of("small")), 0);
    assert_int_equal(status, SW_NO_SPACE);
    assert_non_null(strstr(error.message, "small/out.part needs 0."));
    assert_int_equal(taken, 0);
    assert_int_equal(left, 0);
    assert_int_equal(encode_status, SW_NO_SPACE);
    assert_non_null(strstr(encode_error.message, "free some space"));
    assert_int_equal(encode_left, 0);
}

/* ---- the report ---- */

static void test_the_report_is_json_with_its_numbers(void **state)
{
    const struct sw_get_report report = {.status = SW_SHORT,
                                         .already_there = true,
                                         .bytes = 1ull << 40,
                                         .source_symbols = 2,
                                         .kept = 3,
                                         .taken = 4,
                                         .decoded = 5,
                                         .missing = 6,
                                         .bad = 7,
                                         .dropped = 8,
                                         .fetch_us = 9,
                                         .decode_us = 10,
                                         .check_us = 11,
                                         .buffers_bytes = 12,
                                         .elapsed_us = 13};
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"bytes", 1ull << 40}, {"source_symbols", 2}, {"kept", 3},      {"taken", 4},
                   {"decoded", 5},        {"missing", 6},        {"bad", 7},       {"dropped", 8},
                   {"fetch_us", 9},       {"decode_us", 10},     {"check_us", 11}, {"buffers_bytes", 12},
                   {"elapsed_us", 13}};
    char *text = sw_get_report_to_json(&report);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    (void)state;
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "status")), sw_status_name(SW_SHORT));
    assert_true(json_is_true(json_object_get(json, "already_there")));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_true(json_is_integer(json_object_get(json, numbers[i].name)));
        assert_int_equal(json_integer_value(json_object_get(json, numbers[i].name)), numbers[i].value);
    }
    assert_null(json_object_get(json, "retrieval"));
    assert_int_equal(json_object_size(json), sizeof(numbers) / sizeof(numbers[0]) + 2);
    json_decref(json);
    free(text);
    sw_get_report_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_file_that_is_right_already_is_left_alone),
        TEST(test_a_file_that_is_another_is_replaced_in_the_end_only),
        TEST(test_an_output_that_is_no_file_is_refused),
        TEST(test_folders_that_are_not_there_are_named),
        TEST(test_two_at_work_on_one_output_do_not_mix),
        TEST(test_a_layout_with_a_wrong_hash_gives_no_file),
        TEST(test_a_symbol_that_is_not_what_the_layout_says_is_refused),
        TEST(test_a_symbol_of_another_file_is_found_by_the_hash),
        TEST(test_a_cancel_ends_it_and_keeps_what_came),
        TEST(test_a_deadline_ends_it_and_keeps_what_came),
        TEST(test_a_disk_without_room_is_said_before_anything_is_fetched),
        cmocka_unit_test(test_the_report_is_json_with_its_numbers),
    };

    seed_from_environment(6330);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
