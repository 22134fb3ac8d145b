/* Encoding from intermediate symbols: see symwave/raptorq.h. */
#include "client/raptorq/plan_internal.h"
#include "common/memory.h"
#include "symwave/raptorq.h"
#include <assert.h>
#include <string.h>

#define PIECE_BYTES 4096 /* of the sum, which stays in the nearest cache while the rows pass by */

uint32_t sw_raptorq_intermediate_count(uint32_t k)
{
    return sw_raptorq_code(k).l;
}

enum sw_status sw_raptorq_targets_new_intermediate(const struct sw_raptorq_plan *plan, struct sw_raptorq_targets **out)
{
    struct sw_raptorq_targets *targets = sw_calloc(1, sizeof(*targets));

    *out = NULL;
    if (targets == NULL)
        return SW_NO_MEMORY;
    targets->count = plan->code.l;
    for (uint32_t column = 0; column < plan->code.l; column++) {
        sw_raptorq_program_open(&targets->program, plan->slot_count);
        sw_raptorq_program_add(&targets->program, column);
    }
    if (targets->program.out_of_memory) {
        sw_raptorq_targets_free(targets);
        return SW_NO_MEMORY;
    }
    *out = targets;
    return SW_OK;
}

size_t sw_raptorq_encode_rows(uint32_t k, uint32_t esi, uint32_t rows[SW_RAPTORQ_COLUMNS_MAX])
{
    const struct sw_raptorq_code code = sw_raptorq_code(k);

    assert(esi <= SW_RAPTORQ_ESI_MAX);
    return sw_raptorq_columns(&code, sw_raptorq_isi(&code, esi), rows, NULL);
}

void sw_raptorq_encode_sum(const uint8_t *const *rows, size_t count, size_t bytes, uint8_t *sum)
{
    const struct sw_gf256_kernel *kernel = sw_gf256_kernel_current();

    assert(count >= 1);
    for (size_t at = 0; at < bytes; at += PIECE_BYTES) {
        const size_t piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;

        memcpy(sum + at, rows[0] + at, piece);
        for (size_t i = 1; i < count; i++)
            kernel->add(sum + at, rows[i] + at, piece);
    }
}
