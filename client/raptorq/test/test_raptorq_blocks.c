/*
 * Objects of several source blocks and sub-blocks, the way from a file to symbols and back: sub-block by sub-block
 * gives the same symbols as whole symbols at once do, and what is cut is put together again.
 */
#include "symwave/raptorq.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define REPAIR 12

static void *room(size_t bytes)
{
    void *memory = calloc(1, bytes + 1);

    assert_non_null(memory);
    return memory;
}

/* Runs a plan over rows: input i at in[i], output i at out[i], from the same byte on in each. */
static void run(const struct sw_raptorq_plan *plan, const uint32_t *esis, uint32_t count, size_t bytes,
                const uint8_t *const *in, uint8_t *const *out)
{
    struct sw_raptorq_targets *targets;
    void *work = room(sw_raptorq_run_bytes(plan, bytes));

    assert_int_equal(sw_raptorq_targets_new(plan, esis, count, &targets), SW_OK);
    sw_raptorq_run(plan, targets, bytes, in, out, work);
    sw_raptorq_targets_free(targets);
    free(work);
}

struct block {
    const struct sw_raptorq_params *params;
    uint32_t sbn, k, count;
    uint8_t *symbols; /* the source symbols and REPAIR more */
    uint32_t *esis;
    const uint8_t **in;
    uint8_t **out;
};

/* Encodes a block sub-block by sub-block from an object that is padded to whole symbols. */
static struct block encode(const struct sw_raptorq_params *params, uint32_t sbn, const uint8_t *object)
{
    const struct sw_raptorq_block part = sw_raptorq_block_at(params, sbn);
    struct block block = {.params = params, .sbn = sbn, .k = part.k, .count = part.k + REPAIR};
    struct sw_raptorq_plan *plan;

    block.symbols = room(block.count * (size_t)params->symbol_bytes);
    block.esis = room(block.count * sizeof(*block.esis));
    block.in = room(block.count * sizeof(*block.in));
    block.out = room(block.count * sizeof(*block.out));
    assert_int_equal(sw_raptorq_plan_new_encoder(block.k, &plan), SW_OK);
    for (uint32_t i = 0; i < params->sub_blocks; i++) {
        const struct sw_raptorq_sub_block sub = sw_raptorq_sub_block_at(params, sbn, i);

        for (uint32_t esi = 0; esi < block.count; esi++) {
            block.esis[esi] = esi;
            block.out[esi] = block.symbols + esi * (size_t)params->symbol_bytes + sub.symbol_offset;
            if (esi < block.k)
                block.in[esi] = object + part.offset + sub.block_offset + esi * (size_t)sub.bytes;
        }
        run(plan, block.esis, block.count, sub.bytes, block.in, block.out);
    }
    sw_raptorq_plan_free(plan);
    return block;
}

static void end(struct block *block)
{
    free(block->symbols);
    free(block->esis);
    free(block->in);
    free(block->out);
}

/* The repair symbols do not depend on where a symbol is cut into sub-symbols. */
static void check_whole_symbols(struct block *block)
{
    const size_t bytes = block->params->symbol_bytes;
    uint8_t *again = room(block->count * bytes);
    struct sw_raptorq_plan *plan;

    assert_int_equal(sw_raptorq_plan_new_encoder(block->k, &plan), SW_OK);
    for (uint32_t esi = 0; esi < block->count; esi++) {
        block->in[esi] = block->symbols + esi * bytes;
        block->out[esi] = again + esi * bytes;
    }
    run(plan, block->esis, block->count, bytes, block->in, block->out);
    assert_memory_equal(again, block->symbols, block->count * bytes);
    sw_raptorq_plan_free(plan);
    free(again);
}

/* Loses some symbols and puts the object's bytes of this block back, sub-block by sub-block. */
static void decode(struct block *block, uint8_t *object)
{
    const struct sw_raptorq_params *params = block->params;
    const struct sw_raptorq_block part = sw_raptorq_block_at(params, block->sbn);
    const uint32_t first = (uint32_t)rand() % 5; /* symbols are lost from here on */
    uint32_t *esis = room(block->count * sizeof(*esis)), count = 0;
    struct sw_raptorq_plan *plan = NULL;

    for (uint32_t esi = 0; plan == NULL; esi++) {
        assert_in_range(esi, 0, block->count - 1);
        if (esi < first || esi % 4 != first % 4 || esi > 4 * REPAIR - 20)
            esis[count++] = esi;
        if (count >= block->k)
            sw_raptorq_plan_new(block->k, esis, count, &plan, NULL);
    }
    for (uint32_t i = 0; i < params->sub_blocks; i++) {
        const struct sw_raptorq_sub_block sub = sw_raptorq_sub_block_at(params, block->sbn, i);

        for (uint32_t input = 0; input < count; input++)
            block->in[input] = block->symbols + esis[input] * (size_t)params->symbol_bytes + sub.symbol_offset;
        for (uint32_t esi = 0; esi < block->k; esi++)
            block->out[esi] = object + part.offset + sub.block_offset + esi * (size_t)sub.bytes;
        run(plan, block->esis, block->k, sub.bytes, block->in, block->out);
    }
    sw_raptorq_plan_free(plan);
    free(esis);
}

static void check_object(const struct sw_raptorq_params *params)
{
    const size_t padded = (params->bytes / params->symbol_bytes + 1) * params->symbol_bytes;
    uint8_t *object = room(padded), *again = room(padded);

    assert_int_equal(sw_raptorq_params_check(params, NULL), SW_OK);
    for (size_t i = 0; i < params->bytes; i++)
        object[i] = (uint8_t)rand();
    for (uint32_t sbn = 0; sbn < params->blocks; sbn++) {
        struct block block = encode(params, sbn, object);

        check_whole_symbols(&block);
        decode(&block, again);
        end(&block);
    }
    assert_memory_equal(again, object, padded);
    free(object);
    free(again);
}

static void test_blocks_and_sub_blocks_of_unequal_sizes(void **state)
{
    const struct sw_raptorq_params params = {
        .bytes = 61 * 200 - 7, .symbol_bytes = 200, .blocks = 3, .sub_blocks = 6, .alignment = 4};

    (void)state;
    check_object(&params);
}

static void test_sub_symbols_of_one_unit(void **state)
{
    const struct sw_raptorq_params params = {
        .bytes = 2000, .symbol_bytes = 40, .blocks = 2, .sub_blocks = 5, .alignment = 8};

    (void)state;
    check_object(&params);
}

static void test_parameters_that_are_derived(void **state)
{
    const struct sw_raptorq_limits limits = {
        .packet_bytes_max = 1280, .alignment = 8, .sub_symbol_min = 8, .memory_bytes = 16 << 10};
    struct sw_raptorq_params params;

    (void)state;
    assert_int_equal(sw_raptorq_params_derive(1000001, &limits, &params, NULL), SW_OK);
    assert_true(params.blocks > 1 && params.sub_blocks > 1);
    check_object(&params);
}

int main(void)
{
    const char *text = getenv("SYMWAVE_SEED");
    const unsigned seed = text != NULL ? (unsigned)strtoul(text, NULL, 0) : 20110801;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_and_sub_blocks_of_unequal_sizes),
        cmocka_unit_test(test_sub_symbols_of_one_unit),
        cmocka_unit_test(test_parameters_that_are_derived),
    };

    printf("SYMWAVE_SEED=%u\n", seed);
    srand(seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
