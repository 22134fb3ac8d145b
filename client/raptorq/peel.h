/*
 * The sparse part of solving for the intermediate symbols: the rows of the constraint matrix, HDPC rows aside, and the
 * first phase of RFC 6330 section 5.4.2, which finds an order in which most columns follow from columns before them and
 * from few "inactive" ones. The inactive columns are left to dense.c.
 */
#ifndef SW_RAPTORQ_PEEL_H
#define SW_RAPTORQ_PEEL_H

#include "client/raptorq/code.h"
#include "symwave/status.h"

/*
 * The most inactive columns that are put up with. The largest source blocks have about 600; a set of symbols
 * that needs more than this is one that was chosen to, and solving it would take gigabytes.
 */
#define SW_RAPTORQ_INACTIVE_MAX 4096

#define SW_RAPTORQ_NONE UINT32_MAX

struct sw_raptorq_peel {
    struct sw_raptorq_code code;

    /* Rows: S of LDPC, then the padding symbols, which like them have the value zero, then the symbols given. */
    uint32_t rows, zero_rows;
    uint32_t *row_start;  /* into columns; rows + 1 of them */
    uint32_t *row_lt_end; /* where the row's LT columns end and its PI columns begin */
    uint32_t *columns;
    uint32_t *column_start; /* into column_rows, by LT column; W + 1 of them */
    uint32_t *column_rows;

    /* Which row each column was solved by; SW_RAPTORQ_NONE for an inactive one. By LT column. */
    uint32_t *column_row;
    bool *row_used;
    uint32_t *pivots; /* columns in the order in which they are solved */
    uint32_t pivot_count;
    uint32_t *inactive; /* columns: the PI symbols' first */
    uint32_t inactive_count;

    /* While it is at work: rows by the number of columns that are still active in them, in doubly linked lists. */
    uint32_t *degree, *sum; /* of each row: how many, and the exclusive or of their numbers */
    uint32_t *pair;         /* of each row of degree 2: one of its two columns */
    uint32_t *next, *previous;
    uint32_t *first; /* by degree */
    uint32_t degree_max;
    bool *active;                    /* by LT column */
    uint32_t *parent, *size, *stamp; /* components of the graph of the rows of degree 2 */
    uint32_t round;
};

/*
 * Orders the columns for the symbols of the given encoding symbol IDs, all different, at least K of them. SW_OK,
 * SW_NO_MEMORY, or SW_SHORT where more columns than SW_RAPTORQ_INACTIVE_MAX stay inactive. To be cleared in any case.
 */
enum sw_status sw_raptorq_peel(struct sw_raptorq_peel *peel, uint32_t k, const uint32_t *esis, uint32_t count);
void sw_raptorq_peel_clear(struct sw_raptorq_peel *peel);

#endif
