/* The rows of the constraint matrix and the first phase: see peel.h. */
#include "client/raptorq/peel.h"
#include "common/memory.h"
#include <assert.h>
#include <string.h>

#define NONE SW_RAPTORQ_NONE

static uint32_t *numbers(size_t count)
{
    return sw_calloc(count + 1, sizeof(uint32_t));
}

/* Section 5.3.3.3: the LT columns of LDPC row r are those i < B that it meets on one of three places, and its own. */
static uint32_t count_ldpc(const struct sw_raptorq_code *code, uint32_t *counts)
{
    for (uint32_t i = 0; i < code->b; i++) {
        const uint32_t step = 1 + i / code->s, row = i % code->s;

        counts[row]++;
        counts[(row + step) % code->s]++;
        counts[(row + 2 * step) % code->s]++;
    }
    return 3 * code->b + 3 * code->s;
}

static void fill_ldpc(struct sw_raptorq_peel *peel)
{
    const struct sw_raptorq_code *code = &peel->code;

    for (uint32_t i = 0; i < code->b; i++) {
        const uint32_t step = 1 + i / code->s, row = i % code->s;

        peel->columns[peel->row_lt_end[row]++] = i;
        peel->columns[peel->row_lt_end[(row + step) % code->s]++] = i;
        peel->columns[peel->row_lt_end[(row + 2 * step) % code->s]++] = i;
    }
    for (uint32_t row = 0; row < code->s; row++) {
        peel->columns[peel->row_lt_end[row]++] = code->b + row;
        peel->columns[peel->row_lt_end[row]] = code->w + row % code->p;
        peel->columns[peel->row_lt_end[row] + 1] = code->w + (row + 1) % code->p;
    }
}

static enum sw_status build_rows(struct sw_raptorq_peel *peel, const uint32_t *esis, uint32_t count)
{
    const struct sw_raptorq_code *code = &peel->code;
    const uint32_t padding = code->k_extended - code->k;
    size_t entries;
    uint32_t at;

    peel->zero_rows = code->s + padding;
    peel->rows = peel->zero_rows + count;
    peel->row_start = numbers(peel->rows + 1);
    peel->row_lt_end = numbers(peel->rows);
    if (peel->row_start == NULL || peel->row_lt_end == NULL)
        return SW_NO_MEMORY;
    entries = count_ldpc(code, peel->row_lt_end) + (size_t)(padding + count) * SW_RAPTORQ_COLUMNS_MAX;
    peel->columns = numbers(entries);
    if (peel->columns == NULL)
        return SW_NO_MEMORY;
    at = 0;
    for (uint32_t row = 0; row < code->s; row++) {
        const uint32_t lt_count = peel->row_lt_end[row] + 1;

        peel->row_start[row] = peel->row_lt_end[row] = at;
        at += lt_count + 2;
    }
    fill_ldpc(peel);
    for (uint32_t i = 0; i < padding + count; i++) {
        const uint32_t row = code->s + i;
        const uint32_t isi = i < padding ? code->k + i : sw_raptorq_isi(code, esis[i - padding]);
        size_t lt_count;

        peel->row_start[row] = at;
        at += (uint32_t)sw_raptorq_columns(code, isi, peel->columns + at, &lt_count);
        peel->row_lt_end[row] = peel->row_start[row] + (uint32_t)lt_count;
    }
    peel->row_start[peel->rows] = at;
    return SW_OK;
}

static enum sw_status build_columns(struct sw_raptorq_peel *peel)
{
    const uint32_t w = peel->code.w;

    peel->column_start = numbers(w + 2);
    if (peel->column_start == NULL)
        return SW_NO_MEMORY;
    for (uint32_t row = 0; row < peel->rows; row++) {
        for (uint32_t i = peel->row_start[row]; i < peel->row_lt_end[row]; i++)
            peel->column_start[peel->columns[i] + 2]++;
    }
    for (uint32_t column = 0; column < w; column++)
        peel->column_start[column + 2] += peel->column_start[column + 1];
    peel->column_rows = numbers(peel->column_start[w + 1]);
    if (peel->column_rows == NULL)
        return SW_NO_MEMORY;
    for (uint32_t row = 0; row < peel->rows; row++) {
        for (uint32_t i = peel->row_start[row]; i < peel->row_lt_end[row]; i++)
            peel->column_rows[peel->column_start[peel->columns[i] + 1]++] = row;
    }
    return SW_OK;
}

static uint32_t first_active(const struct sw_raptorq_peel *peel, uint32_t row)
{
    uint32_t i = peel->row_start[row];

    while (!peel->active[peel->columns[i]])
        i++;
    return peel->columns[i];
}

/* A row of degree 2 keeps its columns until it is unlinked: one of them is noted, and the other follows from their sum.
 */
static void link_row(struct sw_raptorq_peel *peel, uint32_t row)
{
    uint32_t *first = &peel->first[peel->degree[row]];

    peel->previous[row] = NONE;
    peel->next[row] = *first;
    if (*first != NONE)
        peel->previous[*first] = row;
    *first = row;
    if (peel->degree[row] == 2)
        peel->pair[row] = first_active(peel, row);
}

static void unlink_row(struct sw_raptorq_peel *peel, uint32_t row)
{
    const uint32_t next = peel->next[row], previous = peel->previous[row];

    if (next != NONE)
        peel->previous[next] = previous;
    if (previous != NONE)
        peel->next[previous] = next;
    else
        peel->first[peel->degree[row]] = next;
}

static enum sw_status begin(struct sw_raptorq_peel *peel)
{
    const uint32_t w = peel->code.w, rows = peel->rows;

    peel->degree = numbers(rows), peel->sum = numbers(rows), peel->pair = numbers(rows);
    peel->next = numbers(rows), peel->previous = numbers(rows);
    peel->row_used = sw_calloc(rows, sizeof(bool)), peel->active = sw_calloc(w, sizeof(bool));
    peel->column_row = numbers(w), peel->pivots = numbers(w), peel->inactive = numbers(peel->code.l);
    peel->parent = numbers(w), peel->size = numbers(w), peel->stamp = numbers(w);
    if (peel->degree == NULL || peel->sum == NULL || peel->pair == NULL || peel->next == NULL ||
        peel->previous == NULL || peel->row_used == NULL || peel->active == NULL || peel->column_row == NULL ||
        peel->pivots == NULL || peel->inactive == NULL || peel->parent == NULL || peel->size == NULL ||
        peel->stamp == NULL)
        return SW_NO_MEMORY;
    for (uint32_t row = 0; row < rows; row++) {
        peel->degree[row] = peel->row_lt_end[row] - peel->row_start[row];
        peel->degree_max = peel->degree[row] > peel->degree_max ? peel->degree[row] : peel->degree_max;
        for (uint32_t i = peel->row_start[row]; i < peel->row_lt_end[row]; i++)
            peel->sum[row] ^= peel->columns[i];
    }
    peel->first = numbers(peel->degree_max + 1);
    if (peel->first == NULL)
        return SW_NO_MEMORY;
    memset(peel->first, 0xff, (peel->degree_max + 1) * sizeof(uint32_t));
    for (uint32_t column = 0; column < w; column++) {
        peel->active[column] = true;
        peel->column_row[column] = NONE;
    }
    for (uint32_t row = 0; row < rows; row++)
        link_row(peel, row);
    for (uint32_t i = 0; i < peel->code.p; i++)
        peel->inactive[peel->inactive_count++] = w + i;
    return SW_OK;
}

/* Takes a column out of the rows that are still to be used. */
static void retire(struct sw_raptorq_peel *peel, uint32_t column)
{
    assert(peel->active[column]);
    peel->active[column] = false;
    for (uint32_t i = peel->column_start[column]; i < peel->column_start[column + 1]; i++) {
        const uint32_t row = peel->column_rows[i];

        if (peel->row_used[row])
            continue;
        unlink_row(peel, row);
        peel->degree[row]--;
        peel->sum[row] ^= column;
        link_row(peel, row);
    }
}

static void inactivate(struct sw_raptorq_peel *peel, uint32_t column)
{
    retire(peel, column);
    peel->inactive[peel->inactive_count++] = column;
}

static void solve(struct sw_raptorq_peel *peel, uint32_t row, uint32_t column)
{
    unlink_row(peel, row);
    peel->row_used[row] = true;
    retire(peel, column);
    peel->column_row[column] = row;
    peel->pivots[peel->pivot_count++] = column;
}

static uint32_t column_weight(const struct sw_raptorq_peel *peel, uint32_t column)
{
    return peel->column_start[column + 1] - peel->column_start[column];
}

static uint32_t component(struct sw_raptorq_peel *peel, uint32_t column)
{
    if (peel->stamp[column] != peel->round) {
        peel->stamp[column] = peel->round;
        peel->parent[column] = column;
        peel->size[column] = 1;
    }
    while (peel->parent[column] != column) {
        peel->parent[column] = peel->parent[peel->parent[column]];
        column = peel->parent[column];
    }
    return column;
}

/*
 * Of the rows with two active columns, one in the largest component of the graph that they make: when one column of a
 * component is inactive, all its others can be solved. Within it, the row whose heavier column is heaviest, since that
 * column, made inactive, brings most other rows nearer to being solved.
 */
static uint32_t choose_pair(struct sw_raptorq_peel *peel)
{
    uint32_t best = NONE, best_row = NONE, best_weight = 0;

    peel->round++;
    for (uint32_t row = peel->first[2]; row != NONE; row = peel->next[row]) {
        const uint32_t column = peel->pair[row];
        uint32_t a = component(peel, column), b = component(peel, peel->sum[row] ^ column);

        if (a == b)
            continue;
        if (peel->size[a] < peel->size[b]) {
            const uint32_t swap = a;

            a = b;
            b = swap;
        }
        peel->parent[b] = a;
        peel->size[a] += peel->size[b];
        if (best == NONE || peel->size[a] > peel->size[best])
            best = a;
    }
    if (best == NONE)
        return peel->first[2];
    best = component(peel, best);
    for (uint32_t row = peel->first[2]; row != NONE; row = peel->next[row]) {
        const uint32_t column = peel->pair[row], other = peel->sum[row] ^ column;
        const uint32_t weight = column_weight(peel, column) > column_weight(peel, other) ? column_weight(peel, column)
                                                                                         : column_weight(peel, other);

        if (weight > best_weight && component(peel, column) == best) {
            best_weight = weight;
            best_row = row;
        }
    }
    return best_row;
}

/* Solves the row's lightest active column and makes its others inactive. */
static void use_row(struct sw_raptorq_peel *peel, uint32_t row)
{
    uint32_t lightest = first_active(peel, row);

    for (uint32_t i = peel->row_start[row]; i < peel->row_lt_end[row]; i++) {
        const uint32_t column = peel->columns[i];

        if (peel->active[column] && column_weight(peel, column) < column_weight(peel, lightest))
            lightest = column;
    }
    for (uint32_t i = peel->row_start[row]; i < peel->row_lt_end[row]; i++) {
        if (peel->active[peel->columns[i]] && peel->columns[i] != lightest)
            inactivate(peel, peel->columns[i]);
    }
    solve(peel, row, lightest);
}

enum sw_status sw_raptorq_peel(struct sw_raptorq_peel *peel, uint32_t k, const uint32_t *esis, uint32_t count)
{
    const uint32_t inactive_max = SW_RAPTORQ_INACTIVE_MAX;
    enum sw_status status;

    memset(peel, 0, sizeof(*peel));
    peel->code = sw_raptorq_code(k);
    assert(count >= k);
    status = build_rows(peel, esis, count);
    if (status == SW_OK)
        status = build_columns(peel);
    if (status == SW_OK)
        status = begin(peel);
    while (status == SW_OK && peel->pivot_count + peel->inactive_count < peel->code.l) {
        uint32_t degree = 1;

        while (degree <= peel->degree_max && peel->first[degree] == NONE)
            degree++;
        if (degree == 1) {
            solve(peel, peel->first[1], peel->sum[peel->first[1]]);
        } else if (degree <= peel->degree_max) {
            use_row(peel, degree == 2 ? choose_pair(peel) : peel->first[degree]);
        } else {
            for (uint32_t column = 0; column < peel->code.w; column++) {
                if (peel->active[column])
                    inactivate(peel, column);
            }
        }
        if (peel->inactive_count > inactive_max)
            status = SW_SHORT;
    }
    return status;
}

void sw_raptorq_peel_clear(struct sw_raptorq_peel *peel)
{
    sw_free(peel->row_start);
    sw_free(peel->row_lt_end);
    sw_free(peel->columns);
    sw_free(peel->column_start);
    sw_free(peel->column_rows);
    sw_free(peel->column_row);
    sw_free(peel->row_used);
    sw_free(peel->pivots);
    sw_free(peel->inactive);
    sw_free(peel->degree);
    sw_free(peel->sum);
    sw_free(peel->pair);
    sw_free(peel->next);
    sw_free(peel->previous);
    sw_free(peel->first);
    sw_free(peel->active);
    sw_free(peel->parent);
    sw_free(peel->size);
    sw_free(peel->stamp);
    memset(peel, 0, sizeof(*peel));
}
