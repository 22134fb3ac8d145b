/*
 * The dense part of solving: the inactive columns that peel.h leaves, by the rows that it did not use and by the HDPC
 * rows.
 *
 * In terms of RFC 6330 section 5.4.2: U_lower is solved over GF(2) as far as its rows go, and the few columns that stay
 * free after that by the HDPC rows, over GF(256). Elimination of U_upper is never carried out on symbols: plan.c goes
 * back to the sparse rows instead.
 */
#ifndef SW_RAPTORQ_DENSE_H
#define SW_RAPTORQ_DENSE_H

#include "client/raptorq/peel.h"

struct sw_raptorq_dense {
    uint32_t inactive_count; /* the columns here: as in peel->inactive, by their index there */
    uint32_t words;          /* of 64 columns each */
    uint32_t *order;         /* by column: its index among peel->pivots or among peel->inactive */
    uint64_t *bits;          /* by pivot: the inactive columns in its solution */

    /* The rows not used by the peeling: reduced, each followed by which of them were added up to it. */
    uint32_t *left; /* which rows they are */
    uint32_t left_count, left_words;
    uint64_t *matrix;

    /* What came of them: column solved_columns[i] = row i's sum of symbols + its free columns. */
    uint32_t rank;
    uint32_t *solved_columns;
    uint32_t *used; /* indices into left of the rows that matter, rank of them */
    uint32_t *free_columns;
    uint32_t free_count; /* at most H */

    /* By free column: the factors of the HDPC rows' sums, of the last running sum, and of the solved columns' sums. */
    uint8_t *hdpc_factors; /* H each */
    uint8_t *z_factors;
    uint8_t *solved_factors; /* rank each */
};

/*
 * Solves for the inactive columns. SW_OK, SW_NO_MEMORY, or SW_SHORT with how many more symbols it takes at least. To be
 * cleared in any case.
 */
enum sw_status sw_raptorq_dense(struct sw_raptorq_dense *dense, const struct sw_raptorq_peel *peel, uint32_t *missing);
void sw_raptorq_dense_clear(struct sw_raptorq_dense *dense);

/* Row i of the solution. */
static inline const uint64_t *sw_raptorq_dense_row(const struct sw_raptorq_dense *dense, uint32_t i)
{
    return dense->matrix + (size_t)i * (dense->words + dense->left_words);
}

static inline bool sw_raptorq_bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

#endif
