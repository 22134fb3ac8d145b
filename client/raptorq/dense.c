/* The dense part of solving: see dense.h. */
#include "client/raptorq/dense.h"
#include "client/raptorq/gf256.h"
#include "common/memory.h"
#include <assert.h>
#include <string.h>

static void flip(uint64_t *bits, uint32_t i)
{
    bits[i / 64] ^= (uint64_t)1 << (i % 64);
}

static void add_words(uint64_t *dst, const uint64_t *src, size_t words)
{
    for (size_t i = 0; i < words; i++)
        dst[i] ^= src[i];
}

/* The inactive columns in a row of the constraint matrix once all its solved columns but one are put in. */
static void add_row(const struct sw_raptorq_dense *dense, const struct sw_raptorq_peel *peel, uint32_t row,
                    uint32_t except, uint64_t *bits)
{
    for (uint32_t i = peel->row_start[row]; i < peel->row_start[row + 1]; i++) {
        const uint32_t column = peel->columns[i];

        if (column >= peel->code.w || peel->column_row[column] == SW_RAPTORQ_NONE)
            flip(bits, dense->order[column]);
        else if (column != except)
            add_words(bits, dense->bits + (size_t)dense->order[column] * dense->words, dense->words);
    }
}

static enum sw_status begin(struct sw_raptorq_dense *dense, const struct sw_raptorq_peel *peel)
{
    const uint32_t u = peel->inactive_count;
    size_t row_words;

    dense->inactive_count = u;
    dense->words = (u + 63) / 64;
    dense->left_count = peel->rows - peel->pivot_count;
    dense->left_words = (dense->left_count + 63) / 64;
    row_words = dense->words + dense->left_words;
    dense->order = sw_calloc(peel->code.l, sizeof(uint32_t));
    dense->bits = sw_calloc((size_t)peel->pivot_count * dense->words + 1, sizeof(uint64_t));
    dense->left = sw_calloc(dense->left_count + 1, sizeof(uint32_t));
    dense->used = sw_calloc(dense->left_count + 1, sizeof(uint32_t));
    dense->matrix = sw_calloc(dense->left_count * row_words + 1, sizeof(uint64_t));
    dense->solved_columns = sw_calloc(u, sizeof(uint32_t));
    dense->free_columns = sw_calloc(u, sizeof(uint32_t));
    if (dense->order == NULL || dense->bits == NULL || dense->left == NULL || dense->used == NULL ||
        dense->matrix == NULL || dense->solved_columns == NULL || dense->free_columns == NULL)
        return SW_NO_MEMORY;
    for (uint32_t i = 0; i < u; i++)
        dense->order[peel->inactive[i]] = i;
    for (uint32_t i = 0; i < peel->pivot_count; i++) {
        const uint32_t column = peel->pivots[i];

        dense->order[column] = i;
        add_row(dense, peel, peel->column_row[column], column, dense->bits + (size_t)i * dense->words);
    }
    for (uint32_t row = 0, i = 0; row < peel->rows; row++) {
        if (peel->row_used[row])
            continue;
        dense->left[i] = row;
        add_row(dense, peel, row, SW_RAPTORQ_NONE, dense->matrix + i * row_words);
        flip(dense->matrix + i * row_words + dense->words, i);
        i++;
    }
    return SW_OK;
}

static void swap_rows(uint64_t *a, uint64_t *b, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        const uint64_t swap = a[i];

        a[i] = b[i];
        b[i] = swap;
    }
}

/* Gauss-Jordan over GF(2). Rows that turn out to depend on others stay below the rank, and nothing is made of them. */
static enum sw_status reduce(struct sw_raptorq_dense *dense)
{
    const size_t words = dense->words + dense->left_words;
    uint32_t *index = sw_calloc(dense->left_count + 1, sizeof(uint32_t));

    if (index == NULL)
        return SW_NO_MEMORY;
    for (uint32_t i = 0; i < dense->left_count; i++)
        index[i] = i;
    for (uint32_t column = 0; column < dense->inactive_count; column++) {
        uint64_t *pivot = dense->matrix + dense->rank * words;
        const size_t from = column / 64;
        uint32_t row = dense->rank, swap;

        while (row < dense->left_count && !sw_raptorq_bit(dense->matrix + row * words, column))
            row++;
        if (row == dense->left_count) {
            dense->free_columns[dense->free_count++] = column;
            continue;
        }
        if (row != dense->rank)
            swap_rows(pivot, dense->matrix + row * words, words);
        swap = index[row];
        index[row] = index[dense->rank];
        index[dense->rank] = swap;
        for (row = 0; row < dense->left_count; row++) {
            uint64_t *other = dense->matrix + row * words;

            /* To the left of its column, the pivot's row has zeros only: of solved columns and of free ones. */
            if (row != dense->rank && sw_raptorq_bit(other, column))
                add_words(other + from, pivot + from, words - from);
        }
        dense->used[dense->rank] = swap;
        dense->solved_columns[dense->rank++] = column;
    }
    sw_free(index);
    return SW_OK;
}

/* Adds bits to octets of 0 or 1, eight at a time by a table of them. */
static void add_bits(uint8_t *octets, const uint64_t *bits, uint32_t count, const uint8_t spread[256][8])
{
    for (uint32_t i = 0; i < count; i += 8) {
        uint64_t eight, sum;

        memcpy(&eight, spread[bits[i / 64] >> (i % 64) & 255], sizeof(eight));
        memcpy(&sum, octets + i, sizeof(sum));
        sum ^= eight;
        memcpy(octets + i, &sum, sizeof(sum));
    }
}

/*
 * The HDPC rows, one octet for each inactive column, by the recurrence that MT and GAMMA of section 5.3.3.3 come down
 * to: z = 2z + the next column, added to two rows after each.
 */
static uint8_t *hdpc_rows(const struct sw_raptorq_dense *dense, const struct sw_raptorq_peel *peel, size_t stride)
{
    const struct sw_raptorq_code *code = &peel->code;
    const struct sw_gf256_kernel *kernel = sw_gf256_kernel_current();
    const uint32_t count = code->k_extended + code->s;
    uint8_t *rows = sw_calloc(code->h + 1, stride), *z, spread[256][8];

    if (rows == NULL)
        return NULL;
    for (uint32_t i = 0; i < 256 * 8; i++)
        spread[i / 8][i % 8] = i / 8 >> i % 8 & 1;
    z = rows + code->h * stride;
    for (uint32_t j = 0; j < count; j++) {
        uint16_t first, second;

        kernel->scale(z, 2, stride);
        if (j >= code->w || peel->column_row[j] == SW_RAPTORQ_NONE)
            z[dense->order[j]] ^= 1;
        else
            add_bits(z, dense->bits + (size_t)dense->order[j] * dense->words, dense->inactive_count, spread);
        if (j == count - 1)
            break;
        sw_raptorq_hdpc_rows(code, j, &first, &second);
        kernel->add(rows + first * stride, z, stride);
        kernel->add(rows + second * stride, z, stride);
    }
    for (uint32_t i = 0; i < code->h; i++) {
        kernel->mul_add(rows + i * stride, z, sw_gf256_exp[i], stride);
        rows[i * stride + dense->order[count + i]] ^= 1;
    }
    return rows;
}

/* Gauss-Jordan over GF(256) of h rows: free_count columns, and then what was added up. Returns the rank. */
static uint32_t reduce_octets(uint8_t *matrix, uint32_t h, uint32_t free_count)
{
    const struct sw_gf256_kernel *kernel = sw_gf256_kernel_current();
    const size_t width = free_count + h;
    uint32_t rank = 0;

    for (uint32_t column = 0; column < free_count; column++) {
        uint8_t *pivot = matrix + rank * width;
        uint32_t row = rank;

        while (row < h && matrix[row * width + column] == 0)
            row++;
        if (row == h)
            continue;
        for (size_t i = 0; row != rank && i < width; i++) {
            const uint8_t swap = pivot[i];

            pivot[i] = matrix[row * width + i];
            matrix[row * width + i] = swap;
        }
        kernel->scale(pivot, sw_gf256_inverse(pivot[column]), width);
        for (row = 0; row < h; row++) {
            if (row != rank && matrix[row * width + column] != 0)
                kernel->mul_add(matrix + row * width, pivot, matrix[row * width + column], width);
        }
        rank++;
    }
    return rank;
}

/* From the reduced rows, the factors of all that the free columns are sums of. */
static enum sw_status make_factors(struct sw_raptorq_dense *dense, const uint8_t *matrix, const uint8_t *rows,
                                   size_t stride, uint32_t h)
{
    dense->hdpc_factors = sw_calloc(dense->free_count, h);
    dense->z_factors = sw_calloc(dense->free_count, 1);
    dense->solved_factors = sw_calloc(dense->free_count, dense->rank + 1);
    if (dense->hdpc_factors == NULL || dense->z_factors == NULL || dense->solved_factors == NULL)
        return SW_NO_MEMORY;
    for (uint32_t f = 0; f < dense->free_count; f++) {
        uint8_t *factors = dense->hdpc_factors + f * h;

        memcpy(factors, matrix + f * (dense->free_count + h) + dense->free_count, h);
        for (uint32_t i = 0; i < h; i++) {
            dense->z_factors[f] ^= sw_gf256_mul(factors[i], sw_gf256_exp[i]);
            for (uint32_t p = 0; p < dense->rank; p++)
                dense->solved_factors[f * dense->rank + p] ^=
                    sw_gf256_mul(factors[i], rows[i * stride + dense->solved_columns[p]]);
        }
    }
    return SW_OK;
}

/* Solves for the free columns by the HDPC rows, in which the solved columns are put first. */
static enum sw_status solve_free(struct sw_raptorq_dense *dense, const struct sw_raptorq_peel *peel, uint32_t *missing)
{
    const uint32_t h = peel->code.h, count = dense->free_count;
    const size_t stride = dense->words * (size_t)64, width = count + h;
    uint8_t *rows = NULL, *matrix = NULL;
    enum sw_status status = SW_NO_MEMORY;
    uint32_t rank;

    rows = hdpc_rows(dense, peel, stride);
    matrix = sw_calloc(h, width);
    if (rows == NULL || matrix == NULL)
        goto out;
    for (uint32_t i = 0; i < h; i++) {
        const uint8_t *row = rows + i * stride;

        for (uint32_t f = 0; f < count; f++) {
            uint8_t sum = row[dense->free_columns[f]];

            for (uint32_t p = 0; p < dense->rank; p++) {
                if (sw_raptorq_bit(sw_raptorq_dense_row(dense, p), dense->free_columns[f]))
                    sum ^= row[dense->solved_columns[p]];
            }
            matrix[i * width + f] = sum;
        }
        matrix[i * width + count + i] = 1;
    }
    rank = reduce_octets(matrix, h, count);
    if (rank < count) {
        *missing = count - rank;
        status = SW_SHORT;
        goto out;
    }
    status = make_factors(dense, matrix, rows, stride, h);
out:
    sw_free(matrix);
    sw_free(rows);
    return status;
}

enum sw_status sw_raptorq_dense(struct sw_raptorq_dense *dense, const struct sw_raptorq_peel *peel, uint32_t *missing)
{
    enum sw_status status;

    memset(dense, 0, sizeof(*dense));
    status = begin(dense, peel);
    if (status == SW_OK)
        status = reduce(dense);
    if (status == SW_OK && dense->free_count > 0)
        status = solve_free(dense, peel, missing);
    return status;
}

void sw_raptorq_dense_clear(struct sw_raptorq_dense *dense)
{
    sw_free(dense->order);
    sw_free(dense->bits);
    sw_free(dense->left);
    sw_free(dense->used);
    sw_free(dense->matrix);
    sw_free(dense->solved_columns);
    sw_free(dense->free_columns);
    sw_free(dense->hdpc_factors);
    sw_free(dense->z_factors);
    sw_free(dense->solved_factors);
    memset(dense, 0, sizeof(*dense));
}
