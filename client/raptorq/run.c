/* Running plans over sub-blocks, stripe by stripe, and the symbols that are wanted of them: see symwave/raptorq.h. */
#include "client/raptorq/plan_internal.h"
#include "common/memory.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN SW_GF256_ALIGN
/*
 * A stripe is as wide as lets most of what it works on stay in the cache next to the processor (1 MiB in Zen 4 and
 * Skylake), but not narrower than keeps the programs' own cost small, unless even the next cache would be outgrown.
 */
#define STRIPE_BYTES_MAX     1024
#define STRIPE_BYTES_USUAL   128
#define WORKING_SET_BYTES    (1280 << 10)
#define WORKING_SET_OUTGROWN (8 << 20)

/* A target that is among the inputs is copied; the others are made from the intermediate symbols. */
enum sw_status sw_raptorq_targets_new(const struct sw_raptorq_plan *plan, const uint32_t *esis, uint32_t count,
                                      struct sw_raptorq_targets **out)
{
    struct sw_raptorq_targets *targets = sw_calloc(1, sizeof(*targets));
    uint32_t *source_input = sw_calloc(plan->code.k, sizeof(*source_input)); /* plus 1; by source symbol */
    enum sw_status status = SW_NO_MEMORY;

    *out = NULL;
    if (targets == NULL || source_input == NULL)
        goto out;
    for (uint32_t i = 0; i < plan->input_count; i++) {
        if (plan->esis[i] < plan->code.k)
            source_input[plan->esis[i]] = i + 1;
    }
    targets->count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t columns[SW_RAPTORQ_COLUMNS_MAX];
        size_t column_count;

        assert(esis[i] <= SW_RAPTORQ_ESI_MAX);
        sw_raptorq_program_open(&targets->program, plan->slot_count);
        if (esis[i] < plan->code.k && source_input[esis[i]] != 0) {
            sw_raptorq_program_add(&targets->program, plan->input_slot + source_input[esis[i]] - 1);
            continue;
        }
        column_count = sw_raptorq_columns(&plan->code, sw_raptorq_isi(&plan->code, esis[i]), columns, NULL);
        for (size_t c = 0; c < column_count; c++)
            sw_raptorq_program_add(&targets->program, columns[c]);
    }
    if (!targets->program.out_of_memory)
        status = SW_OK;
out:
    sw_free(source_input);
    if (status == SW_OK)
        *out = targets;
    else
        sw_raptorq_targets_free(targets);
    return status;
}

void sw_raptorq_targets_free(struct sw_raptorq_targets *targets)
{
    if (targets == NULL)
        return;
    sw_free(targets->program.ops);
    sw_free(targets);
}

/* How much of each row to work on at once. */
static size_t stripe_bytes(const struct sw_raptorq_plan *plan, size_t bytes)
{
    const size_t rows = plan->code.l + plan->input_count;
    size_t stripe = STRIPE_BYTES_MAX;

    while (stripe > STRIPE_BYTES_USUAL && stripe * rows > WORKING_SET_BYTES)
        stripe /= 2;
    if (stripe * rows > WORKING_SET_OUTGROWN)
        stripe = ALIGN;
    while (stripe > ALIGN && stripe / 2 >= bytes)
        stripe /= 2;
    return stripe;
}

/* The slots, one more for targets, and what aligning them takes. */
size_t sw_raptorq_run_bytes(const struct sw_raptorq_plan *plan, size_t bytes)
{
    return (plan->slot_count + (size_t)1) * stripe_bytes(plan, bytes) + ALIGN - 1;
}

static void load_inputs(const struct sw_raptorq_plan *plan, const uint8_t *const *inputs, size_t at, size_t bytes,
                        uint8_t *slots, size_t width)
{
    for (uint32_t i = 0; i < plan->input_count; i++) {
        uint8_t *slot = slots + (plan->input_slot + i) * width;

        memcpy(slot, inputs[i] + at, bytes);
        if (bytes < width)
            memset(slot + bytes, 0, width - bytes);
    }
}

static void store_outputs(const struct sw_gf256_kernel *kernel, const struct sw_raptorq_targets *targets,
                          uint8_t *const *outputs, size_t at, size_t bytes, uint8_t *slots, size_t width)
{
    const uint32_t *op = targets->program.ops;

    for (uint32_t i = 0; i < targets->count; i++) {
        const uint32_t *end = op + 2 + op[1];

        kernel->sums(slots, width, op, end);
        memcpy(outputs[i] + at, slots + op[0] * width, bytes);
        op = end;
    }
}

static void sums(const struct sw_gf256_kernel *kernel, uint8_t *slots, size_t width,
                 const struct sw_raptorq_program *program)
{
    if (program->count > 0)
        kernel->sums(slots, width, program->ops, program->ops + program->count);
}

void sw_raptorq_run(const struct sw_raptorq_plan *plan, const struct sw_raptorq_targets *targets, size_t bytes,
                    const uint8_t *const *inputs, uint8_t *const *outputs, void *work)
{
    const struct sw_gf256_kernel *kernel = sw_gf256_kernel_current();
    uint8_t *slots = (uint8_t *)work + (ALIGN - (uintptr_t)work % ALIGN) % ALIGN;
    const size_t stripe = stripe_bytes(plan, bytes);

    for (size_t at = 0; at < bytes; at += stripe) {
        const size_t part = bytes - at < stripe ? bytes - at : stripe;
        const size_t width = (part + ALIGN - 1) / ALIGN * ALIGN;

        memset(slots + plan->zero_slot * width, 0, width);
        load_inputs(plan, inputs, at, part, slots, width);
        sums(kernel, slots, width, &plan->forward);
        if (plan->hdpc_count > 0)
            kernel->hdpc(slots, width, plan->hdpc, plan->hdpc_count, plan->hdpc_slot, plan->z_slot);
        sums(kernel, slots, width, &plan->left);
        if (plan->free.count > 0)
            kernel->products(slots, width, plan->free.ops, plan->free.ops + plan->free.count);
        sums(kernel, slots, width, &plan->backward);
        store_outputs(kernel, targets, outputs, at, part, slots, width);
    }
}
