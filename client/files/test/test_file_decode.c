/*
 * sw_decode_file: whatever set of symbols determines a file gives it back, for the parameters of put and for those of
 * others, which may have many source blocks, many sub-blocks, or none and so wide symbols that they are worked out in
 * part after part.
 */
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

#define ALL UINT32_MAX

static uint32_t total_k(const struct object *object)
{
    uint32_t k = 0;

    for (uint32_t sbn = 0; sbn < object->params.blocks; sbn++)
        k += sw_layout_block_at(object->layout, sbn).k;
    return k;
}

static uint32_t source_symbols_there(const struct object *object)
{
    uint32_t count = 0;

    for (uint32_t sbn = 0; sbn < object->params.blocks; sbn++)
        for (uint32_t esi = 0; esi < sw_layout_block_at(object->layout, sbn).k; esi++)
            count += exists(object_path(object, sbn, esi));
    return count;
}

/* Whether the symbols that are there determine a block, by the codec's own word, which is checked elsewhere. */
static bool is_determined(const struct object *object, uint32_t sbn)
{
    struct sw_raptorq_decoder *decoder;

    assert_int_equal(sw_raptorq_decoder_new(sw_layout_block_at(object->layout, sbn).k, &decoder), SW_OK);
    for (uint32_t esi = 0; esi < object->made[sbn]; esi++)
        if (exists(object_path(object, sbn, esi)))
            assert_int_equal(sw_raptorq_decoder_add(decoder, esi, NULL), SW_OK);
    const bool determined = sw_raptorq_decoder_check(decoder, NULL) == SW_OK;
    sw_raptorq_decoder_free(decoder);
    return determined;
}

/*
 * Gives each block random symbols, extra more than its source symbols: with lost_max, 1 to as many of these are lost,
 * without it as many as there are others for. Once in a hundred blocks they are not enough without extra ones; then
 * that is said, and with some more it is gone on.
 */
static void check_random(const struct object *object, uint32_t extra, uint32_t lost_max)
{
    struct sw_get_report report = {.taken = 0};
    bool determined = true;

    begin_again();
    for (uint32_t sbn = 0; sbn < object->params.blocks; sbn++) {
        const uint32_t k = sw_layout_block_at(object->layout, sbn).k, made = object->made[sbn];
        uint32_t lost = made - k - extra < k ? made - k - extra : k;
        if (lost_max > 0)
            lost = 1 + (uint32_t)rand() % (lost_max < lost ? lost_max : lost);
        give_random(object, sbn, 0, k, k - lost);
        give_random(object, sbn, k, made, lost + extra);
        determined = is_determined(object, sbn) && determined;
    }
    if (!determined) {
        report = decode(object->layout, NULL, SW_SHORT, "has too few symbols of this file");
        assert_true(report.missing > 0);
        assert_false(exists(path_of("out")));
    }
    for (uint32_t sbn = 0; sbn < object->params.blocks; sbn++)
        while (!is_determined(object, sbn))
            give_random(object, sbn, 0, object->made[sbn], 1);
    const uint64_t before = report.taken;
    report = decode(object->layout, NULL, SW_OK, NULL);
    assert_done(object);
    const uint64_t given = count_files(path_of("symbols"));
    assert_int_equal(report.bytes, object->params.bytes);
    assert_int_equal(report.source_symbols, total_k(object));
    assert_int_equal(report.decoded, total_k(object) - source_symbols_there(object));
    assert_int_equal(report.kept, before);
    assert_true(before + report.taken >= total_k(object) && before + report.taken <= given);
    assert_int_equal(report.missing, 0);
    assert_int_equal(report.bad, 0);
    assert_int_equal(report.dropped, 0);
    assert_false(report.already_there);
}

/* All source symbols, and some others that are not looked at. */
static void check_source_only(const struct object *object)
{
    begin_again();
    for (uint32_t sbn = 0; sbn < object->params.blocks; sbn++)
        give_range(object, sbn, 0, sw_layout_block_at(object->layout, sbn).k + 2);
    const struct sw_get_report report = decode(object->layout, NULL, SW_OK, NULL);
    assert_done(object);
    assert_int_equal(report.taken, total_k(object));
    assert_int_equal(report.decoded, 0);
    assert_int_equal(report.kept, 0);
}

static void check_params(const struct sw_raptorq_params *params, uint32_t lost_max)
{
    struct object object;

    object_make(&object, params, ALL);
    check_source_only(&object);
    for (uint32_t extra = 0; extra <= 2; extra++) {
        check_random(&object, extra, lost_max);
        check_random(&object, extra, 0);
    }
    object_clear(&object);
}

/* The same in fewer ways, of objects that take longer; of each block there are made_max symbols at most. */
static void check_large(const struct sw_raptorq_params *params, uint32_t made_max, uint32_t lost_max)
{
    struct object object;

    object_make(&object, params, made_max);
    check_random(&object, 1, lost_max);
    check_random(&object, 0, 0);
    object_clear(&object);
}

static void test_a_file_of_put_comes_back_from_any_symbols(void **state)
{
    const struct sw_raptorq_params params = put_params(3000001);

    (void)state;
    assert_int_equal(params.sub_blocks, 1);
    /* 46 source symbols, and 229 others: with no bound on those lost, none of the source symbols is there. */
    check_params(&params, 20);
}

static void test_a_file_of_put_in_sub_blocks_comes_back_from_any_symbols(void **state)
{
    const struct sw_raptorq_params params = put_params(12000000);

    (void)state;
    assert_int_equal(params.sub_blocks, 2);
    check_large(&params, 2 * 184 + 10, 100);
}

static void test_the_smallest_files_come_back_from_any_symbol(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= 2; bytes++) {
        const struct sw_raptorq_params params = put_params(bytes);
        struct object object;

        object_make(&object, &params, ALL);
        /* One symbol of any number is enough: with K = 1, all of them are determined by one. */
        for (uint32_t esi = 0; esi < 7; esi++) {
            begin_again();
            give(&object, 0, esi);
            const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
            assert_done(&object);
            assert_int_equal(report.decoded, esi > 0);
        }
        object_clear(&object);
        begin_again();
        assert_int_equal(rmdir(path_of("symbols")), 0);
    }
}

/* 100 symbols of 64 bytes in blocks of 34, 33 and 33, the last of them 37 bytes short. */
static void test_several_blocks_of_several_sub_blocks_come_back(void **state)
{
    (void)state;
    check_params(&(struct sw_raptorq_params){6363, 64, 3, 4, 4}, 2);
}

/* Sub-symbols of 20, 16, 16 and 16 bytes, in blocks of 21 and 20 symbols. */
static void test_sub_blocks_of_different_widths_come_back(void **state)
{
    (void)state;
    check_params(&(struct sw_raptorq_params){68 * 41 - 1, 68, 2, 4, 4}, 2);
}

/* 2 symbols of which the file has 91 bytes: the last of 4 sub-blocks, from byte 96 on, is of zeros only. */
static void test_a_sub_block_behind_the_end_of_the_file_comes_back(void **state)
{
    (void)state;
    check_params(&(struct sw_raptorq_params){91, 64, 1, 4, 4}, 2);
}

static void test_symbols_of_one_byte_come_back(void **state)
{
    (void)state;
    check_params(&(struct sw_raptorq_params){257, 1, 1, 1, 1}, 2);
}

static void test_as_many_blocks_as_there_may_be_come_back(void **state)
{
    (void)state;
    check_large(&(struct sw_raptorq_params){255 * 8 - 3, 4, 255, 1, 4}, ALL, 2);
}

/* 11.1 MB in one sub-block, of which 10 MiB are worked out at once: 61,680 bytes of each symbol, then 3,848. */
static void test_symbols_too_wide_to_be_worked_out_at_once_come_back(void **state)
{
    (void)state;
    check_large(&(struct sw_raptorq_params){170 * 65528 - 5, 65528, 1, 1, 8}, 2 * 170 + 10, 100);
}

/* The same, within each of two sub-blocks of 10.5 MB, whose second begins in the middle of the symbol. */
static void test_sub_symbols_too_wide_to_be_worked_out_at_once_come_back(void **state)
{
    (void)state;
    check_large(&(struct sw_raptorq_params){2 * 330 * 32760 - 11, 65520, 1, 2, 8}, 330 + 60, 40);
}

/*
 * The order of RFC 6330, section 4.4.1.2, by hand: symbol 7 of the second of two blocks (K = 21 and 20) of T = 68 bytes
 * in sub-blocks of 20, 16, 16 and 16 bytes.
 */
static void test_source_symbols_are_pieces_of_the_file_one_from_each_sub_block(void **state)
{
    const size_t block = 21 * 68, widths[] = {20, 16, 16, 16};
    size_t at = block, to = SW_RAPTORQ_PAYLOAD_ID_BYTES;
    struct object object;

    (void)state;
    object_make(&object, &(struct sw_raptorq_params){68 * 41, 68, 2, 4, 4}, ALL);
    const uint8_t *symbol = object_symbol(&object, 1, 7);
    assert_memory_equal(symbol, "\1\0\0\7", 4);
    for (size_t i = 0; i < 4; i++) {
        assert_memory_equal(symbol + to, object.bytes + at + 7 * widths[i], widths[i]);
        to += widths[i];
        at += 20 * widths[i];
    }
    object_clear(&object);
}

static void test_what_encode_writes_decode_reads(void **state)
{
    struct sw_layout *layout;
    uint8_t *bytes = malloc(1000000);
    struct sw_error error;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < 1000000; i++)
        bytes[i] = (uint8_t)(rand() >> 8);
    write_file(path_of("input"), bytes, 1000000);
    if (sw_encode_file(path_of("input"), path_of("layout.json"), path_of("symbols"), NULL, NULL, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_int_equal(sw_layout_load(path_of("layout.json"), &layout, NULL), SW_OK);
    const struct sw_get_report report = decode(layout, NULL, SW_OK, NULL);
    assert_file(path_of("out"), bytes, 1000000);
    assert_int_equal(report.taken, 16);
    sw_layout_free(layout);
    free(bytes);
}

/* ---- what it says ---- */

static void test_memory_stays_within_bounds(void **state)
{
    const struct sw_raptorq_params params = put_params(12000000);
    struct object object;

    (void)state;
    object_make(&object, &params, 2 * 184 + 10);
    give_range(&object, 0, 184, 2 * 184 + 10);
    const struct sw_get_report report = decode(object.layout, NULL, SW_OK, NULL);
    assert_int_equal(report.decoded, 184);
    /* Twice the columns of 10 MiB, the plan, and what a run needs. */
    assert_true(report.buffers_bytes > 10000000 && report.buffers_bytes < 50 << 20);
    object_clear(&object);
}

struct stages {
    bool seen[SW_STAGE_CHECK + 1];
};

static void on_progress(const struct sw_progress *progress, void *user_data)
{
    struct stages *stages = user_data;

    stages->seen[progress->stage] = true;
    assert_true(progress->bytes_total == 0 || progress->bytes <= progress->bytes_total);
    assert_true(progress->symbols_total == 0 || progress->symbols <= progress->symbols_total + 2);
    usleep(1500); /* so that each call is followed by another */
}

static void test_progress_tells_of_the_transfer_and_of_the_decoding(void **state)
{
    const struct sw_raptorq_params params = put_params(12000000);
    struct sw_file_options options = SW_FILE_OPTIONS_INIT;
    struct stages stages = {{false}};
    struct object object;

    (void)state;
    object_make(&object, &params, 2 * 184);
    give_range(&object, 0, 20, 2 * 184);
    options.progress_interval_ms = 1;
    options.progress = on_progress;
    options.progress_data = &stages;
    decode(object.layout, &options, SW_OK, NULL);
    assert_true(stages.seen[SW_STAGE_TRANSFER] && stages.seen[SW_STAGE_DECODE]);
    assert_false(stages.seen[SW_STAGE_ENCODE]);
    object_clear(&object);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_file_of_put_comes_back_from_any_symbols),
        TEST(test_a_file_of_put_in_sub_blocks_comes_back_from_any_symbols),
        TEST(test_the_smallest_files_come_back_from_any_symbol),
        TEST(test_several_blocks_of_several_sub_blocks_come_back),
        TEST(test_sub_blocks_of_different_widths_come_back),
        TEST(test_a_sub_block_behind_the_end_of_the_file_comes_back),
        TEST(test_symbols_of_one_byte_come_back),
        TEST(test_as_many_blocks_as_there_may_be_come_back),
        TEST(test_symbols_too_wide_to_be_worked_out_at_once_come_back),
        TEST(test_sub_symbols_too_wide_to_be_worked_out_at_once_come_back),
        TEST(test_source_symbols_are_pieces_of_the_file_one_from_each_sub_block),
        TEST(test_what_encode_writes_decode_reads),
        TEST(test_memory_stays_within_bounds),
        TEST(test_progress_tells_of_the_transfer_and_of_the_decoding),
    };

    seed_from_environment(6330);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
