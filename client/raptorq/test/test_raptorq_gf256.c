/*
 * GF(256): the tables against the rules of RFC 6330 section 5.7, and every path that the processor has against
 * arithmetic octet by octet, on all lengths around its vectors' and all alignments.
 */
#include "client/raptorq/gf256.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define ROW 400

/* Polynomials over GF(2) modulo x^8 + x^4 + x^3 + x^2 + 1. */
static uint8_t product(uint8_t a, uint8_t b)
{
    unsigned sum = 0;

    for (int bit = 0; bit < 8; bit++)
        sum ^= (b >> bit & 1) * ((unsigned)a << bit);
    for (int bit = 14; bit >= 8; bit--)
        sum ^= (sum >> bit & 1) * (0x11du << (bit - 8));
    return (uint8_t)sum;
}

static void test_tables_follow_the_rules(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++)
            assert_int_equal(sw_gf256_mul((uint8_t)a, (uint8_t)b), product((uint8_t)a, (uint8_t)b));
        if (a > 0)
            assert_int_equal(product((uint8_t)a, sw_gf256_inverse((uint8_t)a)), 1);
    }
    /* As the standard prints them. */
    assert_int_equal(sw_gf256_exp[0], 1);
    assert_int_equal(sw_gf256_exp[8], 29);
    assert_int_equal(sw_gf256_exp[254], 142);
    assert_int_equal(sw_gf256_log[2], 1);
    assert_int_equal(sw_gf256_log[3], 25);
    assert_int_equal(sw_gf256_log[255], 175);
}

static void fill(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)rand();
}

static void for_each_path(void (*check)(const struct sw_gf256_kernel *kernel))
{
    const enum sw_gf256_path before = sw_gf256_path_current();

    for (int path = 0; path < SW_GF256_PATHS; path++) {
        if (!sw_gf256_path_supported((enum sw_gf256_path)path)) {
            print_message("%s: not on this processor\n", sw_gf256_path_name((enum sw_gf256_path)path));
            continue;
        }
        sw_gf256_path_force((enum sw_gf256_path)path);
        assert_int_equal(sw_gf256_path_current(), path);
        print_message("%s\n", sw_gf256_path_name((enum sw_gf256_path)path));
        check(sw_gf256_kernel_current());
    }
    sw_gf256_path_force(before);
}

static void check_rows(const struct sw_gf256_kernel *kernel)
{
    uint8_t src[ROW], dst[ROW], before[ROW];

    for (size_t bytes = 0; bytes <= 270; bytes++) {
        for (size_t offset = 0; offset < 64; offset += bytes % 2 == 0 ? 1 : 7) {
            const uint8_t a = (uint8_t)rand();
            uint8_t *d = dst + (offset * 3) % 64;

            fill(src, ROW);
            fill(before, ROW);
            memcpy(dst, before, ROW);
            kernel->add(d, src + offset, bytes);
            kernel->mul_add(d, src + offset, a, bytes);
            kernel->scale(d, (uint8_t)(a + 1), bytes);
            for (size_t i = 0; i < ROW; i++) {
                const size_t at = i - (size_t)(d - dst);
                uint8_t expected = before[i];

                if (dst + i >= d && at < bytes)
                    expected = product(before[i] ^ src[offset + at] ^ product(src[offset + at], a), (uint8_t)(a + 1));
                assert_int_equal(dst[i], expected);
            }
        }
    }
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned i = 0; i < 256; i++)
            src[i] = (uint8_t)i;
        memset(dst, 0, 256);
        kernel->mul_add(dst, src, (uint8_t)a, 256);
        for (unsigned i = 0; i < 256; i++)
            assert_int_equal(dst[i], product((uint8_t)a, (uint8_t)i));
    }
}

static void test_rows_are_added_and_multiplied_octet_by_octet(void **state)
{
    (void)state;
    for_each_path(check_rows);
}

enum {
    SLOTS = 12
};

static void check_programs_of(const struct sw_gf256_kernel *kernel, size_t width)
{
    static const uint32_t sums[] = {0, 1, 5, 1, 5, 1, 6, 7, 8, 9, 2, 2, 4, 5};
    static const uint32_t products[] = {3, 3, 4, 1, 5, 2, 6, 0x8e};
    static const struct sw_gf256_hdpc_step steps[] = {{4, 0, 1}, {5, 1, 2}, {6, 2, 0}, {7, 0, 0}};
    uint8_t *memory = malloc(SLOTS * width + SW_GF256_ALIGN);
    uint8_t *slots = memory + (SW_GF256_ALIGN - (uintptr_t)memory % SW_GF256_ALIGN);
    uint8_t *old = malloc(SLOTS * width);

    assert_non_null(memory);
    assert_non_null(old);
    fill(slots, SLOTS * width);
    memcpy(old, slots, SLOTS * width);
#define OLD(slot) old[(slot)*width + i]
#define NEW(slot) slots[(slot)*width + i]
    kernel->sums(slots, width, sums, sums + sizeof(sums) / sizeof(sums[0]));
    kernel->products(slots, width, products, products + 8);
    for (size_t i = 0; i < width; i++) {
        assert_int_equal(NEW(0), OLD(5));
        assert_int_equal(NEW(1), OLD(1) ^ OLD(6) ^ OLD(7) ^ OLD(8) ^ OLD(9));
        assert_int_equal(NEW(2), OLD(4) ^ OLD(5));
        assert_int_equal(NEW(3), OLD(4) ^ product(OLD(5), 2) ^ product(OLD(6), 0x8e));
    }
    kernel->hdpc(slots, width, steps, 4, 0, 11);
    for (size_t i = 0; i < width; i++) {
        const uint8_t z0 = OLD(4), z1 = product(z0, 2) ^ OLD(5), z2 = product(z1, 2) ^ OLD(6);

        assert_int_equal(NEW(0), z0 ^ z2);
        assert_int_equal(NEW(1), z0 ^ z1);
        assert_int_equal(NEW(2), z1 ^ z2);
        assert_int_equal(NEW(11), product(z2, 2) ^ OLD(7));
        for (size_t slot = 4; slot < 11; slot++)
            assert_int_equal(NEW(slot), OLD(slot));
    }
#undef OLD
#undef NEW
    free(old);
    free(memory);
}

static void check_programs(const struct sw_gf256_kernel *kernel)
{
    for (size_t width = SW_GF256_ALIGN; width <= 1088; width += SW_GF256_ALIGN)
        check_programs_of(kernel, width);
}

static void test_programs_give_what_they_say_in_slots_of_any_width(void **state)
{
    (void)state;
    for_each_path(check_programs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_follow_the_rules),
        cmocka_unit_test(test_rows_are_added_and_multiplied_octet_by_octet),
        cmocka_unit_test(test_programs_give_what_they_say_in_slots_of_any_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
