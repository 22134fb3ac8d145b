/*
 * What follows from RFC 6330's tables and rules: tuples, the numbers of a code, transport parameters, blocks. The
 * values were worked out by a Python script written from the standard's text, and some by hand.
 */
#include "client/raptorq/code.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

static void test_tuples_are_the_standards(void **state)
{
    static const struct {
        uint32_t k, isi;
        struct sw_raptorq_tuple tuple;
    } cases[] = {
        {1, 0, {2, 4, 9, 2, 5, 1}},
        {1, 9, {6, 3, 16, 2, 6, 4}},
        {10, 10, {2, 15, 15, 2, 10, 7}},
        {11, 3, {4, 13, 13, 2, 3, 8}},
        {101, 17, {3, 72, 41, 2, 10, 10}},
        {1000, 123456, {9, 820, 657, 2, 1, 40}},
        {4096, 65535, {2, 3486, 2325, 3, 94, 8}},
        {56403, 0, {2, 50588, 9917, 2, 55, 128}},
        {56403, 56402, {3, 19983, 39482, 2, 248, 298}},
        {56403, 16777215, {13, 15158, 38447, 2, 168, 69}},
        {10000, 9999, {2, 8625, 2478, 2, 152, 53}},
        {26, 5, {2, 5, 31, 2, 3, 4}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sw_raptorq_code code = sw_raptorq_code(cases[i].k);
        const struct sw_raptorq_tuple tuple = sw_raptorq_tuple(&code, cases[i].isi);

        assert_memory_equal(&tuple, &cases[i].tuple, sizeof(tuple));
    }
}

static void test_codes_are_the_standards(void **state)
{
    static const struct {
        uint32_t k, k_extended, j, s, h, w, l, p, p1;
    } cases[] = {
        {1, 10, 254, 7, 10, 17, 27, 10, 11},
        {10, 10, 254, 7, 10, 17, 27, 10, 11},
        {11, 12, 630, 7, 10, 19, 29, 10, 11},
        {100, 101, 562, 17, 10, 113, 128, 15, 17},
        {1000, 1002, 299, 59, 10, 1021, 1071, 50, 53},
        {10000, 10017, 396, 241, 11, 10111, 10269, 158, 163},
        {56402, 56403, 471, 907, 16, 56951, 57326, 375, 379},
        {56403, 56403, 471, 907, 16, 56951, 57326, 375, 379},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sw_raptorq_code code = sw_raptorq_code(cases[i].k);

        assert_int_equal(code.k_extended, cases[i].k_extended);
        assert_int_equal(code.j, cases[i].j);
        assert_int_equal(code.s, cases[i].s);
        assert_int_equal(code.h, cases[i].h);
        assert_int_equal(code.w, cases[i].w);
        assert_int_equal(code.l, cases[i].l);
        assert_int_equal(code.p, cases[i].p);
        assert_int_equal(code.p1, cases[i].p1);
    }
}

static void test_degrees_change_where_table_1_says(void **state)
{
    (void)state;
    assert_int_equal(sw_raptorq_degree(0, 1000), 1);
    assert_int_equal(sw_raptorq_degree(5242, 1000), 1);
    assert_int_equal(sw_raptorq_degree(5243, 1000), 2);
    assert_int_equal(sw_raptorq_degree(529530, 1000), 2);
    assert_int_equal(sw_raptorq_degree(529531, 1000), 3);
    assert_int_equal(sw_raptorq_degree(1017661, 1000), 29);
    assert_int_equal(sw_raptorq_degree(1017662, 1000), 30);
    assert_int_equal(sw_raptorq_degree(1048575, 1000), 30);
    assert_int_equal(sw_raptorq_degree(1048575, 17), 15);
}

static void test_the_columns_of_a_symbol_are_all_different(void **state)
{
    static const uint32_t ks[] = {1, 11, 100, 1000, 56403};

    (void)state;
    for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
        const struct sw_raptorq_code code = sw_raptorq_code(ks[i]);

        for (uint32_t isi = 0; isi < 2000; isi++) {
            uint32_t columns[SW_RAPTORQ_COLUMNS_MAX];
            size_t lt_count;
            const size_t count = sw_raptorq_columns(&code, isi, columns, &lt_count);

            assert_in_range(count, 3, SW_RAPTORQ_COLUMNS_MAX);
            for (size_t a = 0; a < count; a++) {
                assert_true(a < lt_count ? columns[a] < code.w : columns[a] >= code.w && columns[a] < code.l);
                for (size_t b = 0; b < a; b++)
                    assert_int_not_equal(columns[a], columns[b]);
            }
        }
    }
}

static void test_parameters_are_derived_as_in_section_4_3(void **state)
{
    static const struct {
        uint64_t bytes;
        struct sw_raptorq_limits limits;
        uint8_t oti[SW_RAPTORQ_OTI_BYTES];
    } cases[] = {
        {1, {65535, 8, 8, 10 << 20}, {0, 0, 0, 0, 1, 0, 255, 248, 1, 0, 1, 8}},
        {65529, {65535, 8, 8, 10 << 20}, {0, 0, 0, 255, 249, 0, 255, 248, 1, 0, 1, 8}},
        {40000000, {65535, 8, 8, 10 << 20}, {0, 2, 98, 90, 0, 0, 255, 248, 1, 0, 4, 8}},
        {1 << 30, {65535, 8, 8, 10 << 20}, {0, 64, 0, 0, 0, 0, 255, 248, 1, 0, 104, 8}},
        {10000000000, {65535, 8, 8, 10 << 20}, {2, 84, 11, 228, 0, 0, 255, 248, 3, 1, 72, 8}},
        {107374182400, {65535, 8, 8, 10 << 20}, {25, 0, 0, 0, 0, 0, 255, 248, 30, 1, 101, 8}},
        {5000000, {1280, 4, 8, 256 << 10}, {0, 0, 76, 75, 64, 0, 5, 0, 1, 0, 20, 4}},
        {100000000, {1400, 4, 8, 1 << 20}, {0, 5, 245, 225, 0, 0, 5, 120, 3, 0, 35, 4}},
        {1000000, {64, 1, 1, 16384}, {0, 0, 15, 66, 64, 0, 0, 64, 1, 0, 64, 1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sw_raptorq_params params, again;
        uint8_t oti[SW_RAPTORQ_OTI_BYTES];

        assert_int_equal(sw_raptorq_params_derive(cases[i].bytes, &cases[i].limits, &params, NULL), SW_OK);
        sw_raptorq_oti_write(&params, oti);
        assert_memory_equal(oti, cases[i].oti, sizeof(oti));
        assert_int_equal(sw_raptorq_oti_read(oti, &again, NULL), SW_OK);
        assert_memory_equal(&again, &params, sizeof(params));
    }
}

static void test_objects_that_cannot_be_cut_are_refused(void **state)
{
    struct sw_raptorq_limits limits = {
        .packet_bytes_max = 65535, .alignment = 8, .sub_symbol_min = 8, .memory_bytes = 10485760};
    struct sw_raptorq_params params;

    (void)state;
    assert_int_equal(sw_raptorq_params_derive(0, &limits, &params, NULL), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_raptorq_params_derive(946270874880, &limits, &params, NULL),
                     SW_INVALID_ARGUMENT); /* 257 blocks */
    assert_int_equal(sw_raptorq_params_derive(UINT64_MAX, &limits, &params, NULL), SW_INVALID_ARGUMENT);
    limits.packet_bytes_max = 7;
    assert_int_equal(sw_raptorq_params_derive(1, &limits, &params, NULL), SW_INVALID_ARGUMENT);
    limits.packet_bytes_max = 56;
    assert_int_equal(sw_raptorq_params_derive(1, &limits, &params, NULL), SW_INVALID_ARGUMENT);
    limits.packet_bytes_max = 65535;
    limits.memory_bytes = 100;
    assert_int_equal(sw_raptorq_params_derive(1, &limits, &params, NULL), SW_INVALID_ARGUMENT);
    limits = (struct sw_raptorq_limits){65536, 8, 8, 1 << 20};
    assert_int_equal(sw_raptorq_params_derive(1, &limits, &params, NULL), SW_INVALID_ARGUMENT);
    limits = (struct sw_raptorq_limits){65535, 0, 8, 1 << 20};
    assert_int_equal(sw_raptorq_params_derive(1, &limits, &params, NULL), SW_INVALID_ARGUMENT);
    limits = (struct sw_raptorq_limits){65535, 8, 0, 1 << 20};
    assert_int_equal(sw_raptorq_params_derive(1, &limits, &params, NULL), SW_INVALID_ARGUMENT);
}

static void test_twelve_bytes_that_no_encoder_writes_are_refused(void **state)
{
    static const uint8_t wrong[][SW_RAPTORQ_OTI_BYTES] = {
        {0, 0, 0, 0, 0, 0, 255, 248, 1, 0, 1, 8},           /* no bytes */
        {255, 255, 255, 255, 255, 0, 255, 248, 1, 0, 1, 8}, /* too many */
        {0, 0, 0, 0, 1, 1, 255, 248, 1, 0, 1, 8},           /* the reserved byte */
        {0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 8},               /* symbols of no bytes */
        {0, 0, 0, 0, 1, 0, 255, 249, 1, 0, 1, 8},           /* not aligned */
        {0, 0, 0, 0, 1, 0, 255, 248, 0, 0, 1, 8},           /* no blocks */
        {0, 0, 0, 0, 1, 0, 255, 248, 2, 0, 1, 8},           /* a block without symbols */
        {0, 0, 0, 0, 1, 0, 255, 248, 1, 0, 0, 8},           /* no sub-blocks */
        {0, 0, 0, 0, 1, 0, 255, 248, 1, 32, 0, 8},          /* 8,192 sub-blocks of 8,191 units */
        {0, 0, 0, 0, 1, 0, 255, 248, 1, 0, 1, 0},           /* no alignment */
        {0, 0, 0, 220, 84, 0, 0, 1, 1, 0, 1, 1},            /* 56,404 symbols in a block */
    };
    static const uint8_t right[][SW_RAPTORQ_OTI_BYTES] = {
        {0, 0, 0, 0, 1, 0, 255, 248, 1, 31, 255, 8}, /* 8,191 sub-blocks of 8 bytes */
        {0, 0, 0, 220, 83, 0, 0, 1, 1, 0, 1, 1},     /* 56,403 symbols */
        {0, 0, 0, 220, 84, 0, 0, 1, 2, 0, 1, 1},
    };
    struct sw_raptorq_params params;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sw_raptorq_oti_read(wrong[i], &params, NULL), SW_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        assert_int_equal(sw_raptorq_oti_read(right[i], &params, NULL), SW_OK);
}

static void test_blocks_and_sub_blocks_cover_the_object_once(void **state)
{
    /* By hand: 11 symbols of 24 bytes in 3 blocks are 4 + 4 + 3; 6 units of 4 bytes in 4 sub-blocks are 2 + 2 + 1 + 1.
     */
    const struct sw_raptorq_params params = {
        .bytes = 250, .symbol_bytes = 24, .blocks = 3, .sub_blocks = 4, .alignment = 4};
    static const struct sw_raptorq_block blocks[] = {{4, 0, 96}, {4, 96, 96}, {3, 192, 58}};
    static const struct sw_raptorq_sub_block first[] = {{0, 8, 0}, {8, 8, 32}, {16, 4, 64}, {20, 4, 80}};
    static const struct sw_raptorq_sub_block last[] = {{0, 8, 0}, {8, 8, 24}, {16, 4, 48}, {20, 4, 60}};

    (void)state;
    assert_int_equal(sw_raptorq_params_check(&params, NULL), SW_OK);
    for (uint32_t i = 0; i < 3; i++) {
        const struct sw_raptorq_block block = sw_raptorq_block_at(&params, i);

        assert_int_equal(block.k, blocks[i].k);
        assert_int_equal(block.offset, blocks[i].offset);
        assert_int_equal(block.bytes, blocks[i].bytes);
    }
    for (uint32_t i = 0; i < 4; i++) {
        const struct sw_raptorq_sub_block a = sw_raptorq_sub_block_at(&params, 0, i),
                                          b = sw_raptorq_sub_block_at(&params, 2, i);

        assert_memory_equal(&a, &first[i], sizeof(a));
        assert_memory_equal(&b, &last[i], sizeof(b));
    }
}

static void test_payload_ids_are_one_and_three_bytes(void **state)
{
    uint8_t id[SW_RAPTORQ_PAYLOAD_ID_BYTES], sbn;
    uint32_t esi;

    (void)state;
    sw_raptorq_payload_id_write(7, 0x123456, id);
    assert_memory_equal(id, "\x07\x12\x34\x56", 4);
    sw_raptorq_payload_id_read(id, &sbn, &esi);
    assert_int_equal(sbn, 7);
    assert_int_equal(esi, 0x123456);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tuples_are_the_standards),
        cmocka_unit_test(test_codes_are_the_standards),
        cmocka_unit_test(test_degrees_change_where_table_1_says),
        cmocka_unit_test(test_the_columns_of_a_symbol_are_all_different),
        cmocka_unit_test(test_parameters_are_derived_as_in_section_4_3),
        cmocka_unit_test(test_objects_that_cannot_be_cut_are_refused),
        cmocka_unit_test(test_twelve_bytes_that_no_encoder_writes_are_refused),
        cmocka_unit_test(test_blocks_and_sub_blocks_cover_the_object_once),
        cmocka_unit_test(test_payload_ids_are_one_and_three_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
