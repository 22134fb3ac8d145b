/* RFC 6330's code for one source block: see code.h. */
#include "client/raptorq/code.h"
#include <assert.h>

static bool is_prime(uint32_t n)
{
    for (uint32_t i = 2; i * i <= n; i++) {
        if (n % i == 0)
            return false;
    }
    return n >= 2;
}

struct sw_raptorq_code sw_raptorq_code(uint32_t k)
{
    size_t low = 0, high = SW_RAPTORQ_ROWS - 1;
    const struct sw_raptorq_row *row;
    struct sw_raptorq_code code;

    assert(k >= 1 && k <= SW_RAPTORQ_K_MAX);
    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (sw_raptorq_table[middle].k_extended < k)
            low = middle + 1;
        else
            high = middle;
    }
    row = &sw_raptorq_table[low];
    code = (struct sw_raptorq_code){
        .k = k, .k_extended = row->k_extended, .j = row->j, .s = row->s, .h = row->h, .w = row->w};
    code.l = code.k_extended + code.s + code.h;
    code.p = code.l - code.w;
    for (code.p1 = code.p; !is_prime(code.p1);)
        code.p1++;
    code.b = code.w - code.s;
    return code;
}

uint32_t sw_raptorq_rand(uint32_t y, uint32_t i, uint32_t m)
{
    return (sw_raptorq_v[0][(y + i) & 255] ^ sw_raptorq_v[1][((y >> 8) + i) & 255] ^
            sw_raptorq_v[2][((y >> 16) + i) & 255] ^ sw_raptorq_v[3][((y >> 24) + i) & 255]) %
           m;
}

/* Table 1. */
uint32_t sw_raptorq_degree(uint32_t v, uint32_t w)
{
    static const uint32_t f[] = {5243,    529531,  704294,  791675,  844104,  879057,  904023,  922747,
                                 937311,  948962,  958494,  966438,  973160,  978921,  983914,  988283,
                                 992138,  995565,  998631,  1001391, 1003887, 1006157, 1008229, 1010129,
                                 1011876, 1013490, 1014983, 1016370, 1017662, 1048576};
    uint32_t d = 1;

    assert(v < 1048576);
    while (v >= f[d - 1])
        d++;
    return d < w - 2 ? d : w - 2;
}

struct sw_raptorq_tuple sw_raptorq_tuple(const struct sw_raptorq_code *code, uint32_t isi)
{
    const uint32_t a = (53591 + code->j * 997) | 1, y = 10267 * (code->j + 1) + isi * a;
    struct sw_raptorq_tuple tuple;

    tuple.d = sw_raptorq_degree(sw_raptorq_rand(y, 0, 1048576), code->w);
    tuple.a = 1 + sw_raptorq_rand(y, 1, code->w - 1);
    tuple.b = sw_raptorq_rand(y, 2, code->w);
    tuple.d1 = tuple.d < 4 ? 2 + sw_raptorq_rand(isi, 3, 2) : 2;
    tuple.a1 = 1 + sw_raptorq_rand(isi, 4, code->p1 - 1);
    tuple.b1 = sw_raptorq_rand(isi, 5, code->p1);
    return tuple;
}

/* Section 5.3.5.3. W and P1 are primes, and steps smaller than a prime do not come back to where they were. */
size_t sw_raptorq_columns(const struct sw_raptorq_code *code, uint32_t isi, uint32_t columns[SW_RAPTORQ_COLUMNS_MAX],
                          size_t *lt_count)
{
    struct sw_raptorq_tuple t = sw_raptorq_tuple(code, isi);
    size_t count = 0;

    for (uint32_t i = 0; i < t.d; i++) {
        columns[count++] = t.b;
        t.b = (t.b + t.a) % code->w;
    }
    if (lt_count != NULL)
        *lt_count = count;
    for (uint32_t i = 0; i < t.d1; i++) {
        while (t.b1 >= code->p)
            t.b1 = (t.b1 + t.a1) % code->p1;
        columns[count++] = code->w + t.b1;
        t.b1 = (t.b1 + t.a1) % code->p1;
    }
    return count;
}

void sw_raptorq_hdpc_rows(const struct sw_raptorq_code *code, uint32_t j, uint16_t *first, uint16_t *second)
{
    *first = (uint16_t)sw_raptorq_rand(j + 1, 6, code->h);
    *second = (uint16_t)((*first + sw_raptorq_rand(j + 1, 7, code->h - 1) + 1) % code->h);
}
