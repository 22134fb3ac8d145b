/*
 * Decoding on random data and random sets of symbols: what comes out is what went in, failures are as rare as the
 * standard's design promises, a failure says how many more symbols it takes, and large source blocks work like small
 * ones.
 */
#include "client/raptorq/code.h"
#include "client/raptorq/gf256.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define ESIS_MAX 70000

static uint64_t random_state;

/* splitmix64 */
static uint32_t random_below(uint32_t bound)
{
    uint64_t x = random_state += 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return (uint32_t)((x ^ x >> 31) % bound);
}

/* Source symbols of random bytes, and any symbols made of them. */
struct block {
    uint32_t k;
    size_t bytes;
    uint8_t *source;
    struct sw_raptorq_plan *plan;
};

static void *room(size_t bytes)
{
    void *memory = calloc(1, bytes + 1);

    assert_non_null(memory);
    return memory;
}

static struct block begin(uint32_t k, size_t bytes)
{
    struct block block = {.k = k, .bytes = bytes, .source = room(k * bytes)};

    for (size_t i = 0; i < k * bytes; i++)
        block.source[i] = (uint8_t)random_below(256);
    assert_int_equal(sw_raptorq_plan_new_encoder(k, &block.plan), SW_OK);
    return block;
}

static void end(struct block *block)
{
    free(block->source);
    sw_raptorq_plan_free(block->plan);
}

/* The rows that a plan gives for esis from inputs side by side. */
static uint8_t *run(const struct sw_raptorq_plan *plan, const uint8_t *in, size_t bytes, const uint32_t *esis,
                    uint32_t count)
{
    uint8_t *out = room(count * bytes), *work = room(sw_raptorq_run_bytes(plan, bytes));
    const uint8_t **inputs = room(sw_raptorq_plan_inputs(plan) * sizeof(*inputs));
    uint8_t **outputs = room(count * sizeof(*outputs));
    struct sw_raptorq_targets *targets;

    for (uint32_t i = 0; i < sw_raptorq_plan_inputs(plan); i++)
        inputs[i] = in + i * bytes;
    for (uint32_t i = 0; i < count; i++)
        outputs[i] = out + i * bytes;
    assert_int_equal(sw_raptorq_targets_new(plan, esis, count, &targets), SW_OK);
    sw_raptorq_run(plan, targets, bytes, inputs, outputs, work);
    sw_raptorq_targets_free(targets);
    free(outputs);
    free(inputs);
    free(work);
    return out;
}

/* count different numbers below bound and not below from, in random order. */
static void choose(uint32_t *esis, uint32_t count, uint32_t from, uint32_t bound)
{
    for (uint32_t i = 0; i < count;) {
        const uint32_t esi = from + random_below(bound - from);
        uint32_t j = 0;

        while (j < i && esis[j] != esi)
            j++;
        if (j == i)
            esis[i++] = esi;
    }
}

/* Notes symbols until they are enough; encodes them, decodes them, and compares. */
static void check_round_trip(const struct block *block, const uint32_t *esis, uint32_t count, uint32_t extra)
{
    struct sw_raptorq_decoder *decoder;
    uint32_t taken = 0, lost_count;
    uint32_t *lost = room(block->k * sizeof(*lost));
    uint8_t *received, *recovered;

    assert_int_equal(sw_raptorq_decoder_new(block->k, &decoder), SW_OK);
    while (taken < block->k + extra || sw_raptorq_decoder_check(decoder, NULL) != SW_OK) {
        bool added;

        assert_true(taken < count);
        assert_int_equal(sw_raptorq_decoder_add(decoder, esis[taken++], &added), SW_OK);
        assert_true(added);
    }
    assert_int_equal(sw_raptorq_decoder_check(decoder, NULL), SW_OK);
    lost_count = sw_raptorq_decoder_lost(decoder, lost);
    if (sw_raptorq_decoder_plan(decoder) == NULL) {
        assert_int_equal(lost_count, 0);
    } else {
        received = run(block->plan, block->source, block->bytes, esis, taken);
        recovered = run(sw_raptorq_decoder_plan(decoder), received, block->bytes, lost, lost_count);
        for (uint32_t i = 0; i < lost_count; i++)
            assert_memory_equal(recovered + i * block->bytes, block->source + lost[i] * block->bytes, block->bytes);
        free(received);
        free(recovered);
    }
    sw_raptorq_decoder_free(decoder);
    free(lost);
}

static void test_any_symbols_give_the_source_back(void **state)
{
    static const uint32_t ks[] = {1, 2, 9, 10, 11, 26, 50, 101, 257, 1000, 1281};
    static const size_t sizes[] = {1, 8, 63, 64, 65, 200, 1280};
    uint32_t esis[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
        const uint32_t k = ks[i], count = k + 20;
        struct block block = begin(k, sizes[random_below(sizeof(sizes) / sizeof(sizes[0]))]);

        for (uint32_t extra = 0; extra <= 2; extra++) {
            choose(esis, count, k, SW_RAPTORQ_ESI_MAX + 1); /* repair only */
            check_round_trip(&block, esis, count, extra);
            choose(esis, count, 0, k * 2 + 40); /* mixed */
            check_round_trip(&block, esis, count, extra);
        }
        /* So many that the sparse rows are enough, and the HDPC rows are not asked. */
        choose(esis, k + 60, 0, 3 * k + 200);
        check_round_trip(&block, esis, k + 60, 20);
        check_round_trip(&block, esis, k + 60, 60);
        choose(esis, k, 0, k); /* source only */
        check_round_trip(&block, esis, k, 0);
        end(&block);
    }
}

static void test_symbols_of_any_size_and_path_agree(void **state)
{
    const enum sw_gf256_path before = sw_gf256_path_current();
    uint32_t esis[200];

    (void)state;
    for (int path = 0; path < SW_GF256_PATHS; path++) {
        if (!sw_gf256_path_supported((enum sw_gf256_path)path))
            continue;
        sw_gf256_path_force((enum sw_gf256_path)path);
        for (size_t bytes = 1; bytes < 2500; bytes += 1 + bytes / 3) {
            struct block block = begin(60, bytes);

            choose(esis, 90, 30, 200);
            check_round_trip(&block, esis, 90, 0);
            end(&block);
        }
    }
    sw_gf256_path_force(before);
}

/* Any symbol from the intermediate symbols, is what a run gives. */
static void test_symbols_can_be_made_from_kept_intermediate_symbols(void **state)
{
    static const uint32_t ks[] = {1, 10, 77, 600};
    uint32_t esis[700];

    (void)state;
    for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
        const size_t bytes = i % 2 == 0 ? 5000 : 77;
        const uint32_t k = ks[i], row_count = sw_raptorq_intermediate_count(k);
        struct block block = begin(k, bytes);
        uint8_t *expected, *all = room(row_count * bytes), *work = room(sw_raptorq_run_bytes(block.plan, bytes));
        const uint8_t **inputs = room(k * sizeof(*inputs));
        uint8_t **outputs = room(row_count * sizeof(*outputs)), *sum = room(bytes);
        struct sw_raptorq_targets *targets;

        choose(esis, k + 50, 0, 2 * k + 100);
        expected = run(block.plan, block.source, bytes, esis, k + 50);
        for (uint32_t row = 0; row < row_count; row++)
            outputs[row] = all + row * bytes;
        for (uint32_t row = 0; row < k; row++)
            inputs[row] = block.source + row * bytes;
        assert_int_equal(sw_raptorq_targets_new_intermediate(block.plan, &targets), SW_OK);
        sw_raptorq_run(block.plan, targets, bytes, inputs, outputs, work);
        for (uint32_t s = 0; s < k + 50; s++) {
            uint32_t rows[SW_RAPTORQ_COLUMNS_MAX];
            const uint8_t *from[SW_RAPTORQ_COLUMNS_MAX];
            const size_t count = sw_raptorq_encode_rows(k, esis[s], rows);

            for (size_t row = 0; row < count; row++)
                from[row] = outputs[rows[row]];
            sw_raptorq_encode_sum(from, count, bytes, sum);
            assert_memory_equal(sum, expected + s * bytes, bytes);
        }
        sw_raptorq_targets_free(targets);
        free(sum);
        free(outputs);
        free(inputs);
        free(work);
        free(all);
        free(expected);
        end(&block);
    }
}

/*
 * The standard's design: one failure in 10^2, 10^4, 10^6 for K, K+1, K+2 symbols. The bounds leave room for chance: of
 * 2,000 trials 20 failures are expected and 50 would be seen once in 10^8 runs.
 */
static void test_failures_are_rare_and_say_what_is_missing(void **state)
{
    static const uint32_t ks[] = {10, 16, 42, 101};
    uint32_t esis[200], failures[3] = {0}, trials = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
        for (int trial = 0; trial < 500; trial++) {
            const uint32_t k = ks[i];

            trials++;
            choose(esis, k + 3, trial % 2 == 0 ? k : 0, trial % 2 == 0 ? SW_RAPTORQ_ESI_MAX + 1 : 3 * k + 10);
            for (uint32_t extra = 0; extra <= 2; extra++) {
                struct sw_raptorq_plan *plan;
                uint32_t missing;
                const enum sw_status status = sw_raptorq_plan_new(k, esis, k + extra, &plan, &missing);

                sw_raptorq_plan_free(plan);
                if (status == SW_OK)
                    break;
                assert_int_equal(status, SW_SHORT);
                assert_null(plan);
                assert_in_range(missing, 1, 10);
                failures[extra]++;
            }
        }
    }
    print_message("%u trials: %u failed with K symbols, %u with K + 1, %u with K + 2\n", trials, failures[0],
                  failures[1], failures[2]);
    assert_in_range(failures[0], 0, 50);
    assert_in_range(failures[1], 0, 4);
    assert_in_range(failures[2], 0, 1);
}

static bool determine(uint32_t k, const uint32_t *esis, uint32_t count)
{
    struct sw_raptorq_plan *plan;
    const enum sw_status status = sw_raptorq_plan_new(k, esis, count, &plan, NULL);

    sw_raptorq_plan_free(plan);
    return status == SW_OK;
}

static void test_what_is_missing_is_never_more_than_it_takes(void **state)
{
    struct sw_raptorq_decoder *decoder;
    uint32_t esis[40], missing;
    bool added;

    (void)state;
    for (int trial = 0; trial < 300; trial++) {
        uint32_t enough = 12;

        choose(esis, 40, 0, 1000);
        while (!determine(12, esis, enough))
            enough++;
        assert_int_equal(sw_raptorq_decoder_new(12, &decoder), SW_OK);
        for (uint32_t i = 0; i < enough; i++) {
            assert_int_equal(sw_raptorq_decoder_check(decoder, &missing), SW_SHORT);
            assert_in_range(missing, 1, enough - i);
            assert_int_equal(sw_raptorq_decoder_add(decoder, esis[i], &added), SW_OK);
            assert_true(added);
            assert_int_equal(sw_raptorq_decoder_add(decoder, esis[i], &added), SW_OK);
            assert_false(added);
        }
        assert_int_equal(sw_raptorq_decoder_check(decoder, &missing), SW_OK);
        assert_int_equal(missing, 0);
        assert_int_equal(sw_raptorq_decoder_add(decoder, 5000, &added), SW_OK);
        assert_false(added);
        sw_raptorq_decoder_free(decoder);
    }
    assert_int_equal(sw_raptorq_decoder_new(12, &decoder), SW_OK);
    assert_int_equal(sw_raptorq_decoder_add(decoder, SW_RAPTORQ_ESI_MAX + 1, &added), SW_INVALID_ARGUMENT);
    sw_raptorq_decoder_free(decoder);
}

/* Whoever picks the symbols can pick such as say the same again and again. That is found out, in bounded time and
 * memory. */
static void test_symbols_picked_to_be_of_no_use_are_found_out(void **state)
{
    static const uint32_t ks[] = {1000, 16387, SW_RAPTORQ_K_MAX};
    uint32_t *esis = room(ESIS_MAX * sizeof(*esis));

    (void)state;
    for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
        const struct sw_raptorq_code code = sw_raptorq_code(ks[i]);
        struct sw_raptorq_plan *plan;
        uint32_t count = 0, missing, more;

        for (uint32_t esi = ks[i]; count < ks[i]; esi++) {
            if (sw_raptorq_tuple(&code, sw_raptorq_isi(&code, esi)).d == 2)
                esis[count++] = esi;
        }
        assert_int_equal(sw_raptorq_plan_new(ks[i], esis, count, &plan, &missing), SW_SHORT);
        assert_in_range(missing, 1, ks[i]);
        if (ks[i] > 1000)
            continue;
        /* What is said to be missing is missing, and with other symbols it comes. */
        assert_true(missing > 1);
        for (more = 600; more > 0; more--)
            esis[count++] = SW_RAPTORQ_ESI_MAX - more;
        assert_int_equal(sw_raptorq_plan_new(ks[i], esis, ks[i] + missing - 1, &plan, NULL), SW_SHORT);
        assert_int_equal(sw_raptorq_plan_new(ks[i], esis, count, &plan, NULL), SW_OK);
        sw_raptorq_plan_free(plan);
    }
    free(esis);
}

/* The constraint matrix of section 5.3.3.4.2, whole and dense, and its rank by Gauss over GF(256). */
static uint32_t rank_of(const struct sw_raptorq_code *code, const uint32_t *esis, uint32_t count)
{
    static uint8_t a[400][100];
    const uint32_t l = code->l, n = code->k_extended + code->s, rows = l - code->k + count;
    uint32_t columns[SW_RAPTORQ_COLUMNS_MAX], rank = 0;

    assert_true(l <= 100 && rows <= 400);
    memset(a, 0, sizeof(a));
    for (uint32_t i = 0; i < code->b; i++) {
        for (uint32_t step = 0; step < 3; step++)
            a[(i + step * (1 + i / code->s)) % code->s][i] ^= 1;
    }
    for (uint32_t i = 0; i < code->s; i++) {
        a[i][code->b + i] ^= 1;
        a[i][code->w + i % code->p] ^= 1;
        a[i][code->w + (i + 1) % code->p] ^= 1;
    }
    for (uint32_t i = 0; i < code->h; i++) {
        uint8_t *row = a[code->s + i];

        for (uint32_t m = 0; m < n; m++) {
            const uint32_t first = sw_raptorq_rand(m + 1, 6, code->h);
            const uint32_t second = (first + sw_raptorq_rand(m + 1, 7, code->h - 1) + 1) % code->h;
            const uint8_t mt = m == n - 1 ? sw_gf256_exp[i] : i == first || i == second;

            for (uint32_t j = 0; j <= m; j++)
                row[j] ^= sw_gf256_mul(mt, sw_gf256_exp[(m - j) % 255]);
        }
        row[n + i] = 1;
    }
    for (uint32_t i = code->s + code->h; i < rows; i++) {
        const uint32_t at = i - code->s - code->h, padding = code->k_extended - code->k;
        const uint32_t isi = at < padding ? code->k + at : sw_raptorq_isi(code, esis[at - padding]);

        for (size_t c = sw_raptorq_columns(code, isi, columns, NULL); c > 0; c--)
            a[i][columns[c - 1]] = 1;
    }
    for (uint32_t column = 0; column < l; column++) {
        uint32_t row = rank;

        while (row < rows && a[row][column] == 0)
            row++;
        if (row == rows)
            continue;
        for (uint32_t c = 0; c < l; c++) {
            const uint8_t swap = a[rank][c];

            a[rank][c] = a[row][c];
            a[row][c] = swap;
        }
        for (row = rank + 1; row < rows; row++) {
            const uint8_t factor = sw_gf256_mul(a[row][column], sw_gf256_inverse(a[rank][column]));

            for (uint32_t c = 0; c < l; c++)
                a[row][c] ^= sw_gf256_mul(factor, a[rank][c]);
        }
        rank++;
    }
    return rank;
}

/* Whether a symbol is of a kind: any; made of few intermediate symbols; made of none of the last third of the LT
 * symbols. */
static bool is_of_kind(const struct sw_raptorq_code *code, uint32_t esi, uint32_t kind)
{
    uint32_t columns[SW_RAPTORQ_COLUMNS_MAX];
    size_t lt_count;

    sw_raptorq_columns(code, sw_raptorq_isi(code, esi), columns, &lt_count);
    for (size_t i = 0; kind == 2 && i < lt_count; i++) {
        if (columns[i] >= code->w * 2 / 3)
            return false;
    }
    return kind != 1 || lt_count <= 2;
}

static void test_what_is_missing_is_what_the_rank_lacks(void **state)
{
    static const uint32_t ks[] = {1, 10, 11, 25, 55};
    uint32_t esis[120], short_ones = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
        const struct sw_raptorq_code code = sw_raptorq_code(ks[i]);

        for (uint32_t trial = 0; trial < 60; trial++) {
            uint32_t count = 0, missing;
            struct sw_raptorq_plan *plan;

            while (count < ks[i] + trial % 3) {
                const uint32_t esi = trial * 1000000 % SW_RAPTORQ_ESI_MAX + random_below(1000) + 1000 * count;

                if (is_of_kind(&code, esi, trial / 3 % 3))
                    esis[count++] = esi;
            }
            short_ones += sw_raptorq_plan_new(ks[i], esis, count, &plan, &missing) == SW_SHORT;
            sw_raptorq_plan_free(plan);
            assert_int_equal(missing, code.l - rank_of(&code, esis, count));
        }
    }
    assert_true(short_ones > 10);
}

/* Every K' of table 2: the standard promises that its source symbols determine the block. */
static void test_every_row_of_the_table_can_be_encoded(void **state)
{
    (void)state;
    for (size_t row = 0; row < SW_RAPTORQ_ROWS; row += row < 330 ? 1 : 21) {
        const uint32_t k = sw_raptorq_table[row].k_extended;
        struct sw_raptorq_plan *plan;

        assert_int_equal(sw_raptorq_plan_new_encoder(k, &plan), SW_OK);
        sw_raptorq_plan_free(plan);
    }
}

static void test_the_largest_source_blocks_work_too(void **state)
{
    static const uint32_t ks[] = {16387, SW_RAPTORQ_K_MAX};
    uint32_t *esis = room(ESIS_MAX * sizeof(*esis));

    (void)state;
    for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
        struct block block = begin(ks[i], 8);
        uint32_t count = 0;

        for (uint32_t esi = 0; count < ks[i] + 5; esi++) {
            if (random_below(10) != 0)
                esis[count++] = esi;
        }
        check_round_trip(&block, esis, count, 0);
        for (uint32_t esi = 0; esi < ks[i] + 5; esi++)
            esis[esi] = ks[i] + esi;
        check_round_trip(&block, esis, ks[i] + 5, 0);
        end(&block);
    }
    free(esis);
}

int main(void)
{
    const char *text = getenv("SYMWAVE_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_symbols_give_the_source_back),
        cmocka_unit_test(test_symbols_of_any_size_and_path_agree),
        cmocka_unit_test(test_symbols_can_be_made_from_kept_intermediate_symbols),
        cmocka_unit_test(test_failures_are_rare_and_say_what_is_missing),
        cmocka_unit_test(test_what_is_missing_is_never_more_than_it_takes),
        cmocka_unit_test(test_symbols_picked_to_be_of_no_use_are_found_out),
        cmocka_unit_test(test_what_is_missing_is_what_the_rank_lacks),
        cmocka_unit_test(test_every_row_of_the_table_can_be_encoded),
        cmocka_unit_test(test_the_largest_source_blocks_work_too),
    };

    random_state = text != NULL ? strtoull(text, NULL, 0) : 20110801;
    printf("SYMWAVE_SEED=%llu\n", (unsigned long long)random_state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
