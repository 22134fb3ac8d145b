/*
 * Decoding in several runs: what an interrupted one has left is gone on with as far as it is good, and whatever became
 * of it, a file that comes out is the right one. Most tests here are of a file of 10 source symbols in one sub-block,
 * so that source symbol number i is at i * 65,528 in the workspace, and repair symbols follow the ten.
 */
#include "client/files/rebuild.h"
#include "client/files/test/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define K            10
#define SYMBOL_BYTES 65528
#define JOURNAL      64 /* bytes before the first record */
#define RECORD       12

static struct object object;

static int setup(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    const struct sw_raptorq_params params = put_params(K * SYMBOL_BYTES - 100);
    object_make(&object, &params, UINT32_MAX);
    return 0;
}

static int teardown(void **state)
{
    object_clear(&object);
    return fixture_teardown(state);
}

static struct sw_get_report decode_short(uint32_t missing)
{
    const struct sw_get_report report = decode(object.layout, NULL, SW_SHORT, "has too few symbols of this file");

    assert_int_equal(report.missing, missing);
    assert_false(exists(path_of("out")));
    return report;
}

/* Leaves a workspace that has 5 source symbols, 0 to 4, and 4 repair symbols, 10 to 13; one is missing. */
static void interrupt(void)
{
    give_range(&object, 0, 0, 5);
    give_range(&object, 0, K, K + 4);
    const struct sw_get_report report = decode_short(1);
    assert_int_equal(report.taken, 9);
}

/* ---- going on ---- */

static void test_too_few_symbols_are_said_and_kept(void **state)
{
    struct sw_get_report report;

    (void)state;
    report = decode_short(K);
    assert_int_equal(report.taken, 0);
    give_range(&object, 0, 0, K - 3);
    report = decode_short(3);
    assert_int_equal(report.kept, 0);
    assert_int_equal(report.taken, K - 3);
    /* With nothing new, and then one more. */
    report = decode_short(3);
    assert_int_equal(report.kept, K - 3);
    assert_int_equal(report.taken, 0);
    give(&object, 0, K + 5);
    report = decode_short(2);
    assert_int_equal(report.kept, K - 3);
    assert_int_equal(report.taken, 1);
    /* What is kept needs no file any more. */
    for (uint32_t esi = 0; esi < K - 3; esi++)
        assert_int_equal(unlink(object_path(&object, 0, esi)), 0);
    give_range(&object, 0, K - 2, K);
    report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, K - 2);
    assert_int_equal(report.taken, 2);
    assert_int_equal(report.decoded, 1);
    assert_int_equal(report.dropped, 0);
    assert_done(&object);
}

static void test_a_file_comes_together_symbol_by_symbol(void **state)
{
    struct sw_get_report report = {.status = SW_SHORT};
    uint32_t runs = 0;

    (void)state;
    while (report.status != SW_OK) {
        const uint64_t before = report.kept + report.taken;
        empty_symbols();
        give_random(&object, 0, 0, object.made[0], 1);
        report = decode(object.layout, NULL, ANY_STATUS, NULL);
        assert_true(report.status == SW_OK || report.status == SW_SHORT);
        assert_int_equal(report.kept, before);
        assert_true(report.taken <= 1);
        assert_true(++runs < 200);
    }
    assert_true(report.kept + report.taken >= K);
    assert_done(&object);
}

static void test_blocks_are_gone_on_with_where_they_were_left(void **state)
{
    struct object blocks;
    struct sw_get_report report;

    (void)state;
    assert_int_equal(rmdir(path_of("symbols")), 0);
    object_make(&blocks, &(struct sw_raptorq_params){6363, 64, 3, 4, 4}, UINT32_MAX);
    for (uint32_t sbn = 0; sbn < 3; sbn++) {
        give_range(&blocks, sbn, 3, 34 - (sbn > 0));
        give_range(&blocks, sbn, 34 - (sbn > 0), 36 - (sbn > 0));
    }
    /* The first block comes first, and where it is short no other is looked at. */
    report = decode(blocks.layout, NULL, SW_SHORT, NULL);
    assert_int_equal(report.missing, 1);
    assert_int_equal(report.taken, 33);
    give(&blocks, 0, 0);
    report = decode(blocks.layout, NULL, SW_SHORT, NULL);
    assert_int_equal(report.missing, 1);
    assert_int_equal(report.kept, 33);
    assert_int_equal(report.taken, 1 + 32);
    give(&blocks, 1, 0);
    give(&blocks, 2, 0);
    report = decode(blocks.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, 34 + 32);
    assert_int_equal(report.taken, 1 + 33);
    assert_int_equal(report.decoded, 2 + 2 + 2);
    assert_done(&blocks);
    object_clear(&blocks);
}

/* ---- symbols that are none ---- */

static void test_files_that_are_not_their_symbols_are_counted_and_passed_over(void **state)
{
    const char *empty = object_path(&object, 0, 1), *longer = object_path(&object, 0, 2);
    uint8_t byte = 7;

    (void)state;
    give_range(&object, 0, 0, K + 7);
    flip_byte(object_path(&object, 0, 0), 1000);
    write_file(empty, "", 0);
    FILE *file = fopen(longer, "a");
    assert_int_equal(fwrite(&byte, 1, 1, file), 1);
    fclose(file);
    assert_int_equal(truncate(object_path(&object, 0, 3), SYMBOL_BYTES), 0);
    assert_int_equal(unlink(object_path(&object, 0, 4)), 0);
    assert_int_equal(mkdir(object_path(&object, 0, 4), 0777), 0);
    assert_int_equal(unlink(object_path(&object, 0, 5)), 0);
    assert_int_equal(mkfifo(object_path(&object, 0, 5), 0666), 0);
    assert_int_equal(unlink(object_path(&object, 0, 6)), 0);
    assert_int_equal(symlink(object_path(&object, 0, 6), object_path(&object, 0, 6)), 0);
    write_file(object_path(&object, 0, 7), object_symbol(&object, 0, 8), object.symbol_bytes);
    const struct sw_get_report report = decode(object.layout, NULL, SW_SHORT, NULL);
    assert_int_equal(report.bad, 8);
    assert_int_equal(report.taken, 9);
    /* What is not looked at is not counted. */
    give(&object, 0, 0);
    assert_int_equal(decode(object.layout, NULL, SW_OK, NULL).bad, 0);
    assert_done(&object);
}

/* ---- damage to the workspace ---- */

static void test_damage_to_a_source_symbol_is_found_and_it_is_read_again(void **state)
{
    (void)state;
    interrupt();
    flip_byte(path_of("out.part"), 3 * SYMBOL_BYTES + 17);
    give(&object, 0, 9);
    const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, 9);
    assert_int_equal(report.dropped, 1);
    assert_int_equal(report.taken, 2);
    assert_int_equal(report.decoded, 4);
    assert_done(&object);
}

static void test_damage_to_a_repair_symbol_is_found_and_it_is_read_again(void **state)
{
    (void)state;
    interrupt();
    flip_byte(path_of("out.part"), (K + 2) * SYMBOL_BYTES + SYMBOL_BYTES - 1);
    give(&object, 0, 9);
    const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, 9);
    assert_int_equal(report.dropped, 1);
    assert_int_equal(report.taken, 2);
    assert_int_equal(report.decoded, 4);
    assert_done(&object);
}

static void test_damage_to_all_symbols_is_found(void **state)
{
    (void)state;
    interrupt();
    for (uint64_t place = 0; place < K + 4; place++)
        flip_byte(path_of("out.part"), place * SYMBOL_BYTES);
    give(&object, 0, 9);
    const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.dropped, 9);
    assert_int_equal(report.taken, 10);
    assert_done(&object);
}

/* A file whose source symbols are all there is not worked out, but checked all the same. */
static void test_damage_is_found_where_nothing_had_to_be_decoded(void **state)
{
    (void)state;
    give_range(&object, 0, 0, K - 1);
    decode_short(1);
    flip_byte(path_of("out.part"), 0);
    give(&object, 0, K - 1);
    const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.dropped, 1);
    assert_int_equal(report.decoded, 0);
    assert_done(&object);
}

static void test_a_damaged_symbol_that_cannot_be_had_again_is_missing(void **state)
{
    struct sw_get_report report;

    (void)state;
    interrupt();
    flip_byte(path_of("out.part"), (K + 1) * SYMBOL_BYTES);
    assert_int_equal(unlink(object_path(&object, 0, K + 1)), 0);
    give(&object, 0, 9);
    report = decode_short(1);
    assert_int_equal(report.kept, 9);
    assert_int_equal(report.taken, 1);
    assert_int_equal(report.dropped, 1);
    /* The others have moved together, and are good. */
    empty_symbols();
    report = decode_short(1);
    assert_int_equal(report.kept, 9);
    assert_int_equal(report.dropped, 0);
    give(&object, 0, 30);
    report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, 9);
    assert_int_equal(report.taken, 1);
    assert_done(&object);
}

/* Brings all symbols from memory, then damages the first of them in the workspace. */
static enum sw_status fetch_and_damage(struct sw_rebuild *rebuild, void *user_data, struct sw_error *error)
{
    uint32_t missing = 1;
    size_t count;
    uint32_t *wanted = sw_rebuild_wanted(rebuild, &count);
    enum sw_status status = SW_OK;

    (void)user_data;
    assert_non_null(wanted);
    for (size_t i = 0; i < count && status == SW_OK && missing > 0; i++) {
        status = sw_rebuild_take(rebuild, wanted[i], object_symbol(&object, 0, wanted[i]), object.symbol_bytes, error);
        assert_int_equal(sw_rebuild_missing(rebuild, &missing, error), SW_OK);
    }
    flip_byte(path_of("out.part"), 5);
    free(wanted);
    return status;
}

static void test_a_disk_that_damages_each_time_is_given_up(void **state)
{
    struct sw_get_report *report;
    struct sw_error error;

    (void)state;
    assert_int_equal(sw_rebuild_file(object.layout, path_of("out"), NULL, fetch_and_damage, NULL, &report, &error),
                     SW_DATA_LOSS);
    assert_non_null(strstr(error.message, "see to this machine's memory and disk"));
    assert_int_equal(report->dropped, 3);
    assert_false(exists(path_of("out")));
    sw_get_report_free(report);
}

/* ---- journals ---- */

static void test_a_file_in_the_workspaces_place_without_a_journal_stays(void **state)
{
    (void)state;
    give_range(&object, 0, 0, K);
    write_file(path_of("out.part"), "of my own", 9);
    decode(object.layout, NULL, SW_INVALID_ARGUMENT, "the journal of a get or a decode is not beside it");
    write_file(path_of("out.part.journal"), "dear diary", 10);
    decode(object.layout, NULL, SW_INVALID_ARGUMENT, "is no journal of a get or a decode");
    assert_file(path_of("out.part"), "of my own", 9);
    assert_file(path_of("out.part.journal"), "dear diary", 10);
    assert_false(exists(path_of("out")));
}

static void test_a_journal_without_its_workspace_is_not_believed(void **state)
{
    (void)state;
    interrupt();
    assert_int_equal(unlink(path_of("out.part")), 0);
    assert_int_equal(decode_short(1).kept, 0);
    /* Nor is it beside one that is shorter than the file. */
    assert_int_equal(truncate(path_of("out.part"), (off_t)object.params.bytes - 1), 0);
    give(&object, 0, 9);
    const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, 0);
    assert_int_equal(report.dropped, 0);
    assert_done(&object);
}

/* As a loss of power leaves it: of the repair symbols, 10 to 13, only the first two are there. */
static void test_a_journal_ahead_of_its_workspace_is_believed_as_far_as_that_goes(void **state)
{
    (void)state;
    interrupt();
    assert_int_equal(truncate(path_of("out.part"), (K + 3) * SYMBOL_BYTES - 1), 0);
    give(&object, 0, 9);
    const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, 7);
    assert_int_equal(report.taken, 3);
    assert_int_equal(report.dropped, 0);
    assert_done(&object);
}

static void test_a_journal_that_is_cut_keeps_what_it_still_says(void **state)
{
    (void)state;
    interrupt();
    assert_int_equal(truncate(path_of("out.part.journal"), JOURNAL + 7 * RECORD - 1), 0);
    assert_int_equal(decode_short(1).kept, 6);
    flip_byte(path_of("out.part.journal"), JOURNAL + 2 * RECORD + 5);
    assert_int_equal(decode_short(1).kept, 2);
    /* A loss of power may leave less than its beginning, or nothing. */
    assert_int_equal(truncate(path_of("out.part.journal"), JOURNAL - 1), 0);
    assert_int_equal(decode_short(1).kept, 0);
    assert_int_equal(truncate(path_of("out.part.journal"), 0), 0);
    give(&object, 0, 9);
    const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, 0);
    assert_int_equal(report.taken, 10);
    assert_int_equal(report.dropped, 0);
    assert_done(&object);
}

static void test_what_another_layout_has_left_is_not_taken_for_this_ones(void **state)
{
    const struct sw_raptorq_params params = object.params;
    struct object other;

    (void)state;
    interrupt();
    empty_symbols();
    assert_int_equal(rmdir(path_of("symbols")), 0);
    object_make(&other, &params, UINT32_MAX);
    give_range(&other, 0, 1, K);
    struct sw_get_report report = decode(other.layout, NULL, SW_SHORT, NULL);
    assert_int_equal(report.kept, 0);
    assert_int_equal(report.taken, K - 1);
    give_range(&object, 0, 0, K);
    report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.kept, 0);
    assert_int_equal(report.taken, K);
    assert_int_equal(report.dropped, 0);
    assert_done(&object);
    object_clear(&other);
}

/* ---- anything ---- */

static uint64_t size_of(const char *path)
{
    struct stat facts;

    return stat(path, &facts) == 0 ? (uint64_t)facts.st_size : 0;
}

/* Does something to a file: turns bits of a byte, cuts it, or makes it longer. It keeps its first bytes, least. */
static void harm(const char *path, uint64_t least)
{
    const uint64_t bytes = size_of(path);
    uint8_t garbage[100];

    if (bytes <= least)
        return;
    switch (rand() % 4) {
    case 0:
    case 1:
        flip_byte(path, least + (uint64_t)rand() % (bytes - least));
        break;
    case 2:
        assert_int_equal(truncate(path, (off_t)(least + (uint64_t)rand() % (bytes - least))), 0);
        break;
    default:
        for (size_t i = 0; i < sizeof(garbage); i++)
            garbage[i] = (uint8_t)rand();
        FILE *file = fopen(path, "a");
        assert_non_null(file);
        assert_int_equal(fwrite(garbage, 1, sizeof(garbage), file), sizeof(garbage));
        fclose(file);
    }
}

/* The journal's title stays: without it the workspace is none. */
static void test_whatever_a_run_has_left_the_file_comes_out_right(void **state)
{
    struct sw_get_report report = {.status = SW_SHORT};

    (void)state;
    for (int round = 0; round < 40; round++) {
        begin_again();
        for (int run = rand() % 4; run >= 0; run--) {
            empty_symbols();
            give_random(&object, 0, 0, object.made[0], (uint32_t)rand() % (K - 3));
            report = decode(object.layout, NULL, ANY_STATUS, NULL);
            if (report.status == SW_OK)
                break;
            assert_int_equal(report.status, SW_SHORT);
            for (int harms = rand() % 4; harms > 0; harms--)
                harm(path_of("out.part"), 0);
            if (rand() % 3 == 0)
                harm(path_of("out.part.journal"), 32);
        }
        if (report.status != SW_OK) {
            empty_symbols();
            give_random(&object, 0, 0, object.made[0], 2 * K);
            decode(object.layout, NULL, SW_OK, NULL);
        }
        assert_done(&object);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_too_few_symbols_are_said_and_kept),
        TEST(test_a_file_comes_together_symbol_by_symbol),
        TEST(test_blocks_are_gone_on_with_where_they_were_left),
        TEST(test_files_that_are_not_their_symbols_are_counted_and_passed_over),
        TEST(test_damage_to_a_source_symbol_is_found_and_it_is_read_again),
        TEST(test_damage_to_a_repair_symbol_is_found_and_it_is_read_again),
        TEST(test_damage_to_all_symbols_is_found),
        TEST(test_damage_is_found_where_nothing_had_to_be_decoded),
        TEST(test_a_damaged_symbol_that_cannot_be_had_again_is_missing),
        TEST(test_a_disk_that_damages_each_time_is_given_up),
        TEST(test_a_file_in_the_workspaces_place_without_a_journal_stays),
        TEST(test_a_journal_without_its_workspace_is_not_believed),
        TEST(test_a_journal_ahead_of_its_workspace_is_believed_as_far_as_that_goes),
        TEST(test_whatever_a_run_has_left_the_file_comes_out_right),
        TEST(test_a_journal_that_is_cut_keeps_what_it_still_says),
        TEST(test_what_another_layout_has_left_is_not_taken_for_this_ones),
    };

    seed_from_environment(6330);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
