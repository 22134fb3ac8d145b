/*
 * sw_encode_file: the reference layouts come out byte for byte, with exactly their symbols in the folder; and whatever
 * goes wrong leaves no layout behind, whole or in part.
 */
#include "client/files/test/fixture.h"
#include "client/raptorq/test/aes_ctr.h"
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

/* Encodes "input" to "layout.json" and, where symbols is a name, that folder. *report is zeros where there is none. */
static void encode(const char *symbols, const struct sw_file_options *options, enum sw_status expected,
                   const char *said, struct sw_put_report *out)
{
    struct sw_put_report *report = NULL;
    struct sw_error error = {0};

    enum sw_status status = sw_encode_file(path_of("input"), path_of("layout.json"), symbols ? path_of(symbols) : NULL,
                                           options, &report, &error);
    if (status != expected)
        fail_msg("expected \"%s\", got \"%s\": %s", sw_status_name(expected), sw_status_name(status), error.message);
    assert_int_equal(error.status, status);
    if (status != SW_OK && said && !strstr(error.message, said))
        fail_msg("expected \"%s\" in the message, got \"%s\"", said, error.message);
    assert_non_null(report);
    assert_int_equal(report->status, status);
    assert_null(report->store);
    if (out)
        *out = *report;
    sw_put_report_free(report);
    assert_false(exists(path_of("layout.json.part")));
}

/* Makes "input" of so many bytes of the reference's. */
static void make_input(size_t bytes)
{
    uint8_t *input = malloc(bytes + 1);

    assert_non_null(input);
    aes_ctr_fill(input, bytes);
    write_file(path_of("input"), input, bytes);
    free(input);
}

/* ---- what comes out ---- */

/* That the folder has a file for each key, which hashes to its name, and no other. */
static void check_symbols(const struct sw_layout *layout, const char *folder)
{
    uint64_t count = 0;
    char name[128];

    for (uint32_t sbn = 0; sbn < sw_layout_params(layout)->blocks; sbn++) {
        const struct sw_layout_block block = sw_layout_block_at(layout, sbn);
        for (uint32_t i = 0; i < block.k + block.repair; i++, count++) {
            size_t bytes;
            snprintf(name, sizeof(name), "%s/", folder);
            sw_key_to_base58(&block.keys[i], name + strlen(name));
            uint8_t *symbol = read_file(path_of(name), &bytes);
            const struct sw_key key = sw_key_of_value(symbol, bytes);
            assert_int_equal(bytes, 4 + sw_layout_params(layout)->symbol_bytes);
            assert_memory_equal(&key, &block.keys[i], sizeof(key));
            free(symbol);
        }
    }
    assert_int_equal(count_files(path_of(folder)), count);
}

static void check_reference(size_t bytes, uint32_t k, uint32_t repair, bool with_symbols)
{
    char reference[512];
    struct sw_put_report report;
    struct sw_layout *layout;
    size_t count;

    make_input(bytes);
    encode(with_symbols ? "parts" : NULL, NULL, SW_OK, NULL, &report);
    snprintf(reference, sizeof(reference), "%s/client/raptorq/test/data/layout-%zu.json", SYMWAVE_SOURCE_DIR, bytes);
    uint8_t *text = read_file(reference, &count);
    assert_file(path_of("layout.json"), text, count);
    free(text);
    assert_int_equal(sw_layout_load(path_of("layout.json"), &layout, NULL), SW_OK);
    if (with_symbols)
        check_symbols(layout, "parts");
    assert_int_equal(report.bytes, bytes);
    assert_memory_equal(&report.hash, sw_layout_hash(layout), sizeof(report.hash));
    assert_int_equal(report.blocks, 1);
    assert_int_equal(report.source_symbols, k);
    assert_int_equal(report.repair_symbols, repair);
    assert_int_equal(report.symbols_made, k + repair);
    assert_int_equal(report.unplaced, 0);
    /* What the public header promises. */
    assert_true(report.buffers_bytes > 0 && report.buffers_bytes <= 55 << 20);
    sw_layout_free(layout);
    assert_int_equal(count_files(path_of("")), with_symbols ? 3 : 2);
}

static void test_the_reference_layout_of_1_byte_comes_out(void **state)
{
    (void)state;
    check_reference(1, 1, 6, true);
}

static void test_the_reference_layout_of_65528_bytes_comes_out(void **state)
{
    (void)state;
    check_reference(65528, 1, 6, true);
}

static void test_the_reference_layout_of_65529_bytes_comes_out(void **state)
{
    (void)state;
    check_reference(65529, 2, 6, true);
}

static void test_the_reference_layout_of_1000000_bytes_comes_out(void **state)
{
    (void)state;
    check_reference(1000000, 16, 77, true);
}

static void test_the_reference_layout_of_10000000_bytes_comes_out(void **state)
{
    (void)state;
    check_reference(10000000, 153, 763, true);
}

static void test_the_reference_layout_of_40000000_bytes_comes_out_without_a_folder(void **state)
{
    (void)state;
    check_reference(40000000, 611, 3052, false);
}

static void test_the_same_file_gives_the_same_layout_again(void **state)
{
    struct sw_layout *layout;
    size_t count;

    (void)state;
    make_input(200000);
    encode("parts", NULL, SW_OK, NULL, NULL);
    uint8_t *text = read_file(path_of("layout.json"), &count);
    /* In place of another layout, beside the rest of one that was never finished, with symbols there and one bad. */
    assert_int_equal(sw_layout_load(path_of("layout.json"), &layout, NULL), SW_OK);
    char name[64] = "parts/";
    sw_key_to_base58(&sw_layout_block_at(layout, 0).keys[2], name + strlen(name));
    flip_byte(path_of(name), 4);
    write_file(path_of("layout.json"), "{}", 2);
    write_file(path_of("layout.json.part"), text, count - 1);
    encode("parts", NULL, SW_OK, NULL, NULL);
    assert_file(path_of("layout.json"), text, count);
    check_symbols(layout, "parts");
    sw_layout_free(layout);
    free(text);
}

static void test_the_report_is_json_with_its_numbers(void **state)
{
    struct sw_put_report *report;
    char hash[SW_KEY_BASE58_SIZE];

    (void)state;
    make_input(200000);
    assert_int_equal(sw_encode_file(path_of("input"), path_of("layout.json"), NULL, NULL, &report, NULL), SW_OK);
    char *text = sw_put_report_to_json(report);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "status")), "ok");
    sw_key_to_base58(&report->hash, hash);
    assert_string_equal(json_string_value(json_object_get(json, "hash")), hash);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"bytes", 200000},
                   {"blocks", 1},
                   {"source_symbols", 4},
                   {"repair_symbols", 16},
                   {"symbols_made", 20},
                   {"unplaced", 0},
                   {"unplaced_sample_count", 0},
                   {"encode_us", report->encode_us},
                   {"buffers_bytes", report->buffers_bytes},
                   {"elapsed_us", report->elapsed_us}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_true(json_is_integer(json_object_get(json, numbers[i].name)));
        assert_int_equal(json_integer_value(json_object_get(json, numbers[i].name)), numbers[i].value);
    }
    assert_int_equal(json_array_size(json_object_get(json, "unplaced_sample")), 0);
    assert_true(json_is_array(json_object_get(json, "unplaced_sample")));
    assert_null(json_object_get(json, "store"));
    json_decref(json);
    free(text);
    sw_put_report_free(report);
    sw_put_report_free(NULL);
}

/* ---- what goes wrong ---- */

static void test_what_is_no_file_with_bytes_is_refused(void **state)
{
    struct sw_put_report report;

    (void)state;
    encode("parts", NULL, SW_NOT_FOUND, path_of("input"), &report);
    assert_int_equal(report.bytes, 0);
    write_file(path_of("input"), "", 0);
    encode("parts", NULL, SW_INVALID_ARGUMENT, "is empty", NULL);
    unlink(path_of("input"));
    assert_int_equal(mkdir(path_of("input"), 0777), 0);
    encode("parts", NULL, SW_INVALID_ARGUMENT, "is a folder", NULL);
    rmdir(path_of("input"));
    assert_int_equal(mkfifo(path_of("input"), 0666), 0);
    encode("parts", NULL, SW_INVALID_ARGUMENT, "is a pipe", NULL);
    unlink(path_of("input"));
    assert_int_equal(symlink("input", path_of("input")), 0);
    encode("parts", NULL, SW_IO_ERROR, path_of("input"), NULL);
    unlink(path_of("input"));
    assert_int_equal(count_files(path_of("")), 0);
    assert_int_equal(sw_encode_file(NULL, "layout.json", NULL, NULL, NULL, NULL), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_encode_file("input", NULL, NULL, NULL, NULL, NULL), SW_INVALID_ARGUMENT);
}

/* A file of holes takes no disk. 946,270,874,880 bytes are the limit of RFC 6330, and the symbols' size sets another.
 */
static void test_a_file_that_is_too_large_is_refused_unread(void **state)
{
    (void)state;
    write_file(path_of("input"), "x", 1);
    if (truncate(path_of("input"), (off_t)946270874881) != 0)
        skip();
    encode("parts", NULL, SW_INVALID_ARGUMENT, "too large", NULL);
    assert_int_equal(truncate(path_of("input"), (off_t)300000000000), 0);
    encode("parts", NULL, SW_INVALID_ARGUMENT, "its layout would be larger", NULL);
    assert_int_equal(count_files(path_of("")), 1);
}

static void test_a_layout_that_cannot_be_written_is_said(void **state)
{
    struct sw_error error;

    (void)state;
    make_input(1000);
    assert_int_equal(sw_encode_file(path_of("input"), path_of("none/layout.json"), NULL, NULL, NULL, &error),
                     SW_NOT_FOUND);
    assert_non_null(strstr(error.message, "its folder does not exist"));
    assert_int_equal(sw_encode_file(path_of("input"), path_of("input/layout.json"), NULL, NULL, NULL, &error),
                     SW_IO_ERROR);
    assert_int_equal(mkdir(path_of("layout.json.part"), 0777), 0);
    assert_int_equal(sw_encode_file(path_of("input"), path_of("layout.json"), NULL, NULL, NULL, &error), SW_IO_ERROR);
    assert_int_equal(rmdir(path_of("layout.json.part")), 0);
    assert_int_equal(mkdir(path_of("layout.json"), 0777), 0);
    encode(NULL, NULL, SW_INVALID_ARGUMENT, "layout.json is a folder", NULL);
    assert_int_equal(rmdir(path_of("layout.json")), 0);
    assert_int_equal(mkfifo(path_of("layout.json"), 0666), 0);
    encode(NULL, NULL, SW_INVALID_ARGUMENT, "layout.json is a pipe", NULL);
    assert_int_equal(unlink(path_of("layout.json")), 0);
    assert_int_equal(mkdir(path_of("layout.json"), 0777), 0);
    assert_int_equal(rmdir(path_of("layout.json")), 0);
    /* A folder for the symbols that is none. */
    encode("input", NULL, SW_IO_ERROR, path_of("input"), NULL);
    encode("none/parts", NULL, SW_NOT_FOUND, path_of("none/parts"), NULL);
    assert_int_equal(count_files(path_of("")), 1);
}

static void test_two_encodes_of_one_layout_do_not_mix(void **state)
{
    static const char theirs[] = "{\"blocks\": [{";
    struct sw_error error;

    (void)state;
    make_input(1000);
    int fd = open(path_of("layout.json.part"), O_RDWR | O_CREAT, 0666);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(write(fd, theirs, strlen(theirs)), strlen(theirs));
    assert_int_equal(sw_encode_file(path_of("input"), path_of("layout.json"), NULL, NULL, NULL, &error),
                     SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "another put or encode is at work on it"));
    assert_file(path_of("layout.json.part"), theirs, strlen(theirs));
    assert_false(exists(path_of("layout.json")));
    close(fd);
    /* Whoever it was, is gone, and so is what it had begun. */
    encode(NULL, NULL, SW_OK, NULL, NULL);
}

static void check_in_the_way(const char *input, const char *layout, const char *said)
{
    struct sw_error error;

    assert_int_equal(sw_encode_file(path_of(input), path_of(layout), NULL, NULL, NULL, &error), SW_INVALID_ARGUMENT);
    if (!strstr(error.message, said))
        fail_msg("expected \"%s\" in the message, got \"%s\"", said, error.message);
}

static void test_no_file_is_destroyed_by_a_layout(void **state)
{
    (void)state;
    write_file(path_of("film"), "of my own", 9);
    write_file(path_of("film.part"), "one more", 8);
    assert_int_equal(link(path_of("film"), path_of("hard")), 0);
    assert_int_equal(symlink("film", path_of("soft")), 0);
    check_in_the_way("film", "film", "the layout would replace");
    check_in_the_way("film.part", "film", "the layout would replace");
    check_in_the_way("soft", "film", "the layout would replace");
    check_in_the_way("film", "soft", "the layout would replace");
    check_in_the_way("film", "hard", "the layout would replace");
    check_in_the_way("hard", "film", "the layout would replace");
    /* And one that is neither. */
    assert_int_equal(unlink(path_of("soft")), 0);
    check_in_the_way("hard", "film", "the layout would replace");
    assert_int_equal(unlink(path_of("film")), 0);
    check_in_the_way("hard", "film", "was not left by a put or an encode");
    assert_file(path_of("hard"), "of my own", 9);
    assert_file(path_of("film.part"), "one more", 8);
    assert_int_equal(count_files(path_of("")), 2);
}

/* ---- while it is read ---- */

/* Does something to the input at the first word of progress. */
struct meddling {
    void (*meddle)(void);
    struct sw_cancel *cancel;
    unsigned calls;
};

static void on_progress(const struct sw_progress *progress, void *user_data)
{
    struct meddling *meddling = user_data;

    assert_true(progress->bytes_total == 0 || progress->bytes <= progress->bytes_total);
    assert_true(progress->symbols_total == 0 || progress->symbols <= progress->symbols_total);
    if (meddling->calls++ > 0)
        return;
    if (meddling->meddle)
        meddling->meddle();
    if (meddling->cancel)
        sw_cancel_fire(meddling->cancel);
}

static void grow(void)
{
    int fd = open(path_of("input"), O_WRONLY | O_APPEND);

    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void change(void)
{
    flip_byte(path_of("input"), 0);
}

static void shrink(void)
{
    assert_int_equal(truncate(path_of("input"), 21000000), 0);
}

/* A file of 3 sub-blocks, between which work of many milliseconds lies, during which meddle is called. */
static void check_meddling(void (*meddle)(void), struct sw_cancel *cancel, enum sw_status expected, const char *said)
{
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;
    struct meddling meddling = {.meddle = meddle, .cancel = cancel};

    make_input(22000000);
    /* Long ago, so that a change shows on file systems that count time in coarse steps. */
    assert_int_equal(utimensat(AT_FDCWD, path_of("input"), (struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 1}}, 0), 0);
    options.progress_interval_ms = 1;
    options.progress = on_progress;
    options.progress_data = &meddling;
    options.cancel = cancel;
    encode(NULL, &options, expected, said, NULL);
    assert_true(meddling.calls > 0);
    assert_int_equal(count_files(path_of("")), 1);
}

static void test_a_file_that_grows_meanwhile_is_refused(void **state)
{
    (void)state;
    check_meddling(grow, NULL, SW_INVALID_ARGUMENT, "changed while it was read");
}

static void test_a_file_that_shrinks_meanwhile_is_refused(void **state)
{
    (void)state;
    check_meddling(shrink, NULL, SW_INVALID_ARGUMENT, "changed while it was read");
}

static void test_a_file_that_changes_in_place_meanwhile_is_refused(void **state)
{
    (void)state;
    check_meddling(change, NULL, SW_INVALID_ARGUMENT, "changed while it was read");
}

static void test_a_cancel_ends_it_and_leaves_nothing(void **state)
{
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;
    struct sw_cancel *cancel = sw_cancel_new();
    struct sw_put_report report;

    (void)state;
    assert_non_null(cancel);
    check_meddling(NULL, cancel, SW_CANCELLED, "cancelled");
    /* Before it begins. */
    options.cancel = cancel;
    encode("parts", &options, SW_CANCELLED, "cancelled", &report);
    assert_int_equal(report.symbols_made, 0);
    assert_int_equal(count_files(path_of("parts")), 0);
    assert_int_equal(count_files(path_of("")), 2);
    sw_cancel_free(cancel);
}

static void test_a_deadline_ends_it_and_leaves_nothing(void **state)
{
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;

    (void)state;
    make_input(22000000);
    options.deadline_ms = 1;
    encode(NULL, &options, SW_DEADLINE_EXCEEDED, "the deadline of 1 ms", NULL);
    assert_int_equal(count_files(path_of("")), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_reference_layout_of_1_byte_comes_out),
        TEST(test_the_reference_layout_of_65528_bytes_comes_out),
        TEST(test_the_reference_layout_of_65529_bytes_comes_out),
        TEST(test_the_reference_layout_of_1000000_bytes_comes_out),
        TEST(test_the_reference_layout_of_10000000_bytes_comes_out),
        TEST(test_the_reference_layout_of_40000000_bytes_comes_out_without_a_folder),
        TEST(test_the_same_file_gives_the_same_layout_again),
        TEST(test_the_report_is_json_with_its_numbers),
        TEST(test_what_is_no_file_with_bytes_is_refused),
        TEST(test_a_file_that_is_too_large_is_refused_unread),
        TEST(test_a_layout_that_cannot_be_written_is_said),
        TEST(test_two_encodes_of_one_layout_do_not_mix),
        TEST(test_no_file_is_destroyed_by_a_layout),
        TEST(test_a_file_that_grows_meanwhile_is_refused),
        TEST(test_a_file_that_shrinks_meanwhile_is_refused),
        TEST(test_a_file_that_changes_in_place_meanwhile_is_refused),
        TEST(test_a_cancel_ends_it_and_leaves_nothing),
        TEST(test_a_deadline_ends_it_and_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
