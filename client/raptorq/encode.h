/*
 * Encoding symbol by symbol from intermediate symbols that are kept: for many symbols, or when they are not known yet
 * when the plan is run. The intermediate symbols are little more than the source block (sw_raptorq_intermediate_count()
 * rows of a symbol's size); kept in a file, they let any symbol of a block of any size be made with a few reads.
 */
#ifndef SW_RAPTORQ_ENCODE_H
#define SW_RAPTORQ_ENCODE_H

#include "client/raptorq/plan.h"

/* How many intermediate symbols a source block of k symbols has: L. */
uint32_t sw_raptorq_intermediate_count(uint32_t k);

/* Targets for a run that gives all intermediate symbols, in order. SW_OK or SW_NO_MEMORY. */
enum sw_status sw_raptorq_targets_new_intermediate(const struct sw_raptorq_plan *plan,
                                                   struct sw_raptorq_targets **targets);

/*
 * The intermediate symbols whose sum is symbol esi (at most SW_RAPTORQ_ESI_MAX) of a source block of k, all different.
 * Returns their number, which is at least 3.
 */
size_t sw_raptorq_encode_rows(uint32_t k, uint32_t esi, uint32_t rows[SW_RAPTORQ_COLUMNS_MAX]);

/* Writes the sum of count rows of bytes each, at least one; the sum overlaps none of them. */
void sw_raptorq_encode_sum(const uint8_t *const *rows, size_t count, size_t bytes, uint8_t *sum);

#endif
