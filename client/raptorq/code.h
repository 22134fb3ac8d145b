/*
 * RFC 6330's code for one source block: the numbers that follow from K (section 5.3.3.3), the generators (5.3.5) and
 * the rows of the constraint matrix (5.3.3.4.2). Says which intermediate symbols make which symbol; touches no symbol.
 *
 * Columns are the intermediate symbols C[0] to C[L-1]: B LT symbols, S LDPC symbols (together W), then P PI symbols,
 * the last H of them the HDPC symbols.
 */
#ifndef SW_RAPTORQ_CODE_H
#define SW_RAPTORQ_CODE_H

#include "symwave/raptorq.h"

#define SW_RAPTORQ_ROWS  477 /* of table 2 */
#define SW_RAPTORQ_H_MAX 16

struct sw_raptorq_row {
    uint16_t k_extended, j, s, h, w;
};
extern const struct sw_raptorq_row sw_raptorq_table[SW_RAPTORQ_ROWS]; /* by k_extended, ascending */
extern const uint32_t sw_raptorq_v[4][256];

struct sw_raptorq_code {
    uint32_t k;          /* source symbols */
    uint32_t k_extended; /* K': and padding symbols */
    uint32_t j, s, h, w; /* table 2's */
    uint32_t l;          /* intermediate symbols */
    uint32_t p, p1;      /* PI symbols, and the least prime not below */
    uint32_t b;
};

struct sw_raptorq_tuple {
    uint32_t d, a, b, d1, a1, b1;
};

/* The code for k source symbols, 1 to SW_RAPTORQ_K_MAX. */
struct sw_raptorq_code sw_raptorq_code(uint32_t k);

/* The generators of section 5.3.5; isi is an internal symbol ID. */
uint32_t sw_raptorq_rand(uint32_t y, uint32_t i, uint32_t m);
uint32_t sw_raptorq_degree(uint32_t v, uint32_t w);
struct sw_raptorq_tuple sw_raptorq_tuple(const struct sw_raptorq_code *code, uint32_t isi);

/* The internal symbol ID of an encoding symbol ID: padding stands between source and repair symbols. */
static inline uint32_t sw_raptorq_isi(const struct sw_raptorq_code *code, uint32_t esi)
{
    return esi < code->k ? esi : esi + code->k_extended - code->k;
}

/*
 * The columns whose sum is the symbol of an internal symbol ID, all different: LT symbols first. Returns their number
 * and, where lt_count is not NULL, how many of them are LT symbols.
 */
size_t sw_raptorq_columns(const struct sw_raptorq_code *code, uint32_t isi, uint32_t columns[SW_RAPTORQ_COLUMNS_MAX],
                          size_t *lt_count);

/* The two HDPC rows that have a one in column j of the matrix MT, for j below K' + S - 1. */
void sw_raptorq_hdpc_rows(const struct sw_raptorq_code *code, uint32_t j, uint16_t *first, uint16_t *second);

#endif
