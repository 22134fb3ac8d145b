/*
 * What a plan consists of: programs over slots, as gf256.h carries them out. Slots 0 to L - 1 are the intermediate
 * symbols, by column.
 */
#ifndef SW_RAPTORQ_PLAN_INTERNAL_H
#define SW_RAPTORQ_PLAN_INTERNAL_H

#include "client/raptorq/code.h"
#include "client/raptorq/gf256.h"

/* A program that is being written; out_of_memory stays set. */
struct sw_raptorq_program {
    uint32_t *ops;
    size_t count, capacity;
    size_t operands; /* for the statistics: sources of all ops */
    size_t open;     /* where the op being written has its count */
    bool out_of_memory;
};

void sw_raptorq_program_open(struct sw_raptorq_program *program, uint32_t dst);
void sw_raptorq_program_add(struct sw_raptorq_program *program, uint32_t src);
void sw_raptorq_program_add_product(struct sw_raptorq_program *program, uint32_t src, uint8_t factor);

struct sw_raptorq_plan {
    struct sw_raptorq_code code;
    uint32_t input_count;
    uint32_t *esis; /* of the inputs */

    uint32_t input_slot; /* the first input's; and so on */
    uint32_t zero_slot;  /* stays zero */
    uint32_t left_slot;  /* rows not used by the peeling */
    uint32_t hdpc_slot;
    uint32_t z_slot;
    uint32_t table_slot; /* sums of a few left rows each */
    uint32_t slot_count;

    /* In the order of a run. */
    struct sw_raptorq_program forward; /* solved columns without inactive ones, and the left rows' sums */
    struct sw_gf256_hdpc_step *hdpc;   /* the HDPC rows' sums, where they are needed */
    uint32_t hdpc_count;
    struct sw_raptorq_program left;     /* inactive columns without free ones */
    struct sw_raptorq_program free;     /* free columns, by products */
    struct sw_raptorq_program backward; /* inactive columns, and solved columns with all that is in their rows */
};

struct sw_raptorq_targets {
    uint32_t count;
    struct sw_raptorq_program program;
};

#endif
