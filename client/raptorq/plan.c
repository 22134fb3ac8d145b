/*
 * Plans, see symwave/raptorq.h.
 *
 * RFC 6330's third phase makes the inactive part of the solved rows sparse again by undoing what the first did to them.
 * Here the first phase is never carried out on it: the solved columns are worked out twice, each time by the sparse
 * rows of the constraint matrix. The first time without the inactive columns, which gives what the left rows and the
 * HDPC rows say about those; the second time for good.
 */
#include "client/raptorq/dense.h"
#include "client/raptorq/plan_internal.h"
#include "common/memory.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_BITS_MAX 6 /* larger tables would drive other slots out of the cache */

static void append(struct sw_raptorq_program *program, uint32_t word)
{
    if (program->count == program->capacity && !program->out_of_memory) {
        const size_t capacity = program->capacity == 0 ? 1024 : program->capacity * 2;
        uint32_t *ops = sw_realloc(program->ops, capacity * sizeof(*ops));

        program->out_of_memory = ops == NULL;
        if (ops != NULL) {
            program->ops = ops;
            program->capacity = capacity;
        }
    }
    if (!program->out_of_memory)
        program->ops[program->count++] = word;
}

void sw_raptorq_program_open(struct sw_raptorq_program *program, uint32_t dst)
{
    append(program, dst);
    program->open = program->count;
    append(program, 0);
}

void sw_raptorq_program_add(struct sw_raptorq_program *program, uint32_t src)
{
    append(program, src);
    program->operands++;
    if (!program->out_of_memory)
        program->ops[program->open]++;
}

void sw_raptorq_program_add_product(struct sw_raptorq_program *program, uint32_t src, uint8_t factor)
{
    if (factor != 0) {
        sw_raptorq_program_add(program, src);
        append(program, factor);
    }
}

/* Sums must have something to sum. Tells whether they had nothing and the result is zero. */
static bool close_sum(struct sw_raptorq_program *program, uint32_t zero_slot)
{
    if (program->out_of_memory || program->ops[program->open] > 0)
        return false;
    sw_raptorq_program_add(program, zero_slot);
    return true;
}

/* Appends the sources of a row that are known in the first pass: its symbol, and solved columns other than zero. */
static void add_known(struct sw_raptorq_plan *plan, const struct sw_raptorq_peel *peel, uint32_t row, uint32_t except,
                      const bool *is_zero)
{
    if (row >= peel->zero_rows)
        sw_raptorq_program_add(&plan->forward, plan->input_slot + row - peel->zero_rows);
    for (uint32_t i = peel->row_start[row]; i < peel->row_lt_end[row]; i++) {
        const uint32_t column = peel->columns[i];

        if (peel->column_row[column] != SW_RAPTORQ_NONE && column != except && !is_zero[column])
            sw_raptorq_program_add(&plan->forward, column);
    }
}

static enum sw_status write_forward(struct sw_raptorq_plan *plan, const struct sw_raptorq_peel *peel,
                                    const struct sw_raptorq_dense *dense)
{
    const uint32_t hdpc_count = plan->code.k_extended + plan->code.s;
    bool *is_zero = sw_calloc(plan->code.w, sizeof(bool));

    if (is_zero == NULL)
        return SW_NO_MEMORY;
    for (uint32_t i = 0; i < peel->pivot_count; i++) {
        const uint32_t column = peel->pivots[i];

        sw_raptorq_program_open(&plan->forward, column);
        add_known(plan, peel, peel->column_row[column], column, is_zero);
        is_zero[column] = close_sum(&plan->forward, plan->zero_slot);
    }
    for (uint32_t i = 0; i < dense->rank; i++) {
        sw_raptorq_program_open(&plan->forward, plan->left_slot + i);
        add_known(plan, peel, dense->left[dense->used[i]], SW_RAPTORQ_NONE, is_zero);
        close_sum(&plan->forward, plan->zero_slot);
    }
    if (dense->free_count > 0) {
        plan->hdpc_count = hdpc_count;
        plan->hdpc = sw_calloc(hdpc_count, sizeof(*plan->hdpc));
        for (uint32_t j = 0; plan->hdpc != NULL && j < hdpc_count; j++) {
            struct sw_gf256_hdpc_step *step = &plan->hdpc[j];

            step->slot = j < plan->code.w && peel->column_row[j] != SW_RAPTORQ_NONE ? j : plan->zero_slot;
            if (j < hdpc_count - 1)
                sw_raptorq_hdpc_rows(&plan->code, j, &step->first, &step->second);
        }
    }
    sw_free(is_zero);
    return dense->free_count > 0 && plan->hdpc == NULL ? SW_NO_MEMORY : SW_OK;
}

/* How many left rows to tabulate together ("four Russians"): what takes the fewest sums. */
static uint32_t choose_table_bits(uint32_t rank)
{
    uint64_t best_sums = UINT64_MAX;
    uint32_t best = 1;

    for (uint32_t bits = 1; bits <= TABLE_BITS_MAX; bits++) {
        const uint64_t groups = (rank + bits - 1) / bits, entries = (uint64_t)1 << bits;
        const uint64_t sums = groups * 2 * (entries - bits - 1) + rank * groups * (entries - 1) / entries;

        if (sums < best_sums) {
            best_sums = sums;
            best = bits;
        }
    }
    return best;
}

/* The slot of the sum of those left rows of a group that index has a bit for. */
static uint32_t table_entry(const struct sw_raptorq_plan *plan, uint32_t bits, uint32_t group, uint32_t index)
{
    uint32_t bit = 0;

    if ((index & (index - 1)) != 0)
        return plan->table_slot + (group << bits) + index;
    while (index >> bit != 1)
        bit++;
    return plan->left_slot + group * bits + bit;
}

/* The inactive columns that the left rows solve, the free columns aside: sums of left rows, by tables. */
static void write_left(struct sw_raptorq_plan *plan, const struct sw_raptorq_peel *peel,
                       const struct sw_raptorq_dense *dense, uint32_t bits)
{
    const uint32_t groups = (dense->rank + bits - 1) / bits;

    for (uint32_t group = 0; group < groups; group++) {
        const uint32_t size = dense->rank - group * bits < bits ? dense->rank - group * bits : bits;

        for (uint32_t index = 3; index < (uint32_t)1 << size; index++) {
            if ((index & (index - 1)) == 0)
                continue;
            sw_raptorq_program_open(&plan->left, table_entry(plan, bits, group, index));
            sw_raptorq_program_add(&plan->left, table_entry(plan, bits, group, index & (index - 1)));
            sw_raptorq_program_add(&plan->left, table_entry(plan, bits, group, index & (0 - index)));
        }
    }
    for (uint32_t i = 0; i < dense->rank; i++) {
        const uint64_t *sum = sw_raptorq_dense_row(dense, i) + dense->words;

        sw_raptorq_program_open(&plan->left, peel->inactive[dense->solved_columns[i]]);
        for (uint32_t group = 0; group < groups; group++) {
            uint32_t index = 0;

            for (uint32_t bit = 0; bit < bits && group * bits + bit < dense->rank; bit++)
                index |= (uint32_t)sw_raptorq_bit(sum, dense->used[group * bits + bit]) << bit;
            if (index != 0)
                sw_raptorq_program_add(&plan->left, table_entry(plan, bits, group, index));
        }
        close_sum(&plan->left, plan->zero_slot);
    }
}

static void write_free(struct sw_raptorq_plan *plan, const struct sw_raptorq_peel *peel,
                       const struct sw_raptorq_dense *dense)
{
    const uint32_t h = plan->code.h;

    for (uint32_t f = 0; f < dense->free_count; f++) {
        sw_raptorq_program_open(&plan->free, peel->inactive[dense->free_columns[f]]);
        for (uint32_t i = 0; i < h; i++)
            sw_raptorq_program_add_product(&plan->free, plan->hdpc_slot + i, dense->hdpc_factors[f * h + i]);
        sw_raptorq_program_add_product(&plan->free, plan->z_slot, dense->z_factors[f]);
        for (uint32_t i = 0; i < dense->rank; i++)
            sw_raptorq_program_add_product(&plan->free, peel->inactive[dense->solved_columns[i]],
                                           dense->solved_factors[f * dense->rank + i]);
    }
}

static void write_backward(struct sw_raptorq_plan *plan, const struct sw_raptorq_peel *peel,
                           const struct sw_raptorq_dense *dense)
{
    struct sw_raptorq_program *program = &plan->backward;

    for (uint32_t i = 0; i < dense->rank && dense->free_count > 0; i++) {
        const uint32_t column = peel->inactive[dense->solved_columns[i]];

        sw_raptorq_program_open(program, column);
        sw_raptorq_program_add(program, column);
        for (uint32_t f = 0; f < dense->free_count; f++) {
            if (sw_raptorq_bit(sw_raptorq_dense_row(dense, i), dense->free_columns[f]))
                sw_raptorq_program_add(program, peel->inactive[dense->free_columns[f]]);
        }
    }
    for (uint32_t i = 0; i < peel->pivot_count; i++) {
        const uint32_t column = peel->pivots[i], row = peel->column_row[column];

        sw_raptorq_program_open(program, column);
        if (row >= peel->zero_rows)
            sw_raptorq_program_add(program, plan->input_slot + row - peel->zero_rows);
        for (uint32_t c = peel->row_start[row]; c < peel->row_start[row + 1]; c++) {
            if (peel->columns[c] != column)
                sw_raptorq_program_add(program, peel->columns[c]);
        }
        close_sum(program, plan->zero_slot);
    }
}

static enum sw_status write_programs(struct sw_raptorq_plan *plan, const struct sw_raptorq_peel *peel,
                                     const struct sw_raptorq_dense *dense)
{
    const uint32_t bits = choose_table_bits(dense->rank);

    plan->input_slot = plan->code.l;
    plan->zero_slot = plan->input_slot + plan->input_count;
    plan->left_slot = plan->zero_slot + 1;
    plan->hdpc_slot = plan->left_slot + dense->rank;
    plan->z_slot = plan->hdpc_slot + plan->code.h;
    plan->table_slot = plan->z_slot + 1;
    plan->slot_count = plan->table_slot + ((dense->rank + bits - 1) / bits << bits);
    if (write_forward(plan, peel, dense) != SW_OK)
        return SW_NO_MEMORY;
    write_left(plan, peel, dense, bits);
    write_free(plan, peel, dense);
    write_backward(plan, peel, dense);
    if (plan->forward.out_of_memory || plan->left.out_of_memory || plan->free.out_of_memory ||
        plan->backward.out_of_memory)
        return SW_NO_MEMORY;
    return SW_OK;
}

enum sw_status sw_raptorq_plan_new(uint32_t k, const uint32_t *esis, uint32_t count, struct sw_raptorq_plan **out,
                                   uint32_t *missing)
{
    struct sw_raptorq_plan *plan = NULL;
    struct sw_raptorq_peel peel = {0};
    struct sw_raptorq_dense dense = {0};
    enum sw_status status;
    uint32_t ignored;

    assert(k >= 1 && k <= SW_RAPTORQ_K_MAX);
    *out = NULL;
    missing = missing == NULL ? &ignored : missing;
    *missing = count < k ? k - count : 1;
    if (count < k)
        return SW_SHORT;
    status = sw_raptorq_peel(&peel, k, esis, count);
    if (status == SW_OK)
        status = sw_raptorq_dense(&dense, &peel, missing);
    if (status != SW_OK)
        goto out;
    *missing = 0;
    status = SW_NO_MEMORY;
    plan = sw_calloc(1, sizeof(*plan));
    if (plan == NULL)
        goto out;
    plan->code = peel.code;
    plan->input_count = count;
    plan->esis = sw_calloc(count, sizeof(*esis));
    if (plan->esis == NULL)
        goto out;
    memcpy(plan->esis, esis, count * sizeof(*esis));
    status = write_programs(plan, &peel, &dense);
out:
    if (status == SW_OK)
        *out = plan;
    else
        sw_raptorq_plan_free(plan);
    sw_raptorq_dense_clear(&dense);
    sw_raptorq_peel_clear(&peel);
    return status;
}

enum sw_status sw_raptorq_plan_new_encoder(uint32_t k, struct sw_raptorq_plan **plan)
{
    uint32_t *esis = sw_calloc(k, sizeof(*esis));
    enum sw_status status;

    *plan = NULL;
    if (esis == NULL)
        return SW_NO_MEMORY;
    for (uint32_t esi = 0; esi < k; esi++)
        esis[esi] = esi;
    status = sw_raptorq_plan_new(k, esis, k, plan, NULL);
    /* The standard's systematic indices are chosen so that the source symbols always determine the block. */
    assert(status != SW_SHORT);
    sw_free(esis);
    return status;
}

void sw_raptorq_plan_free(struct sw_raptorq_plan *plan)
{
    if (plan == NULL)
        return;
    sw_free(plan->esis);
    sw_free(plan->forward.ops);
    sw_free(plan->hdpc);
    sw_free(plan->left.ops);
    sw_free(plan->free.ops);
    sw_free(plan->backward.ops);
    sw_free(plan);
}

uint32_t sw_raptorq_plan_k(const struct sw_raptorq_plan *plan)
{
    return plan->code.k;
}

uint32_t sw_raptorq_plan_inputs(const struct sw_raptorq_plan *plan)
{
    return plan->input_count;
}

size_t sw_raptorq_plan_bytes(const struct sw_raptorq_plan *plan)
{
    const size_t words = plan->forward.capacity + plan->left.capacity + plan->free.capacity + plan->backward.capacity;

    return sizeof(*plan) + plan->input_count * sizeof(*plan->esis) + words * sizeof(*plan->forward.ops) +
           plan->hdpc_count * sizeof(*plan->hdpc);
}

uint64_t sw_raptorq_plan_sums(const struct sw_raptorq_plan *plan)
{
    return plan->forward.operands + 3 * (uint64_t)plan->hdpc_count + plan->left.operands + plan->free.operands +
           plan->backward.operands;
}
