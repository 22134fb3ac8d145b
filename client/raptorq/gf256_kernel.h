/*
 * The arithmetic over GF(256), written once over vectors. Each path's file says what its vectors can do and includes
 * this:
 *
 *     VECTOR, LOAD(p), STORE(p, x), ADD(x, y), DOUBLE(x)
 *     FACTOR, factor(a), MULTIPLY(x, f)    a factor made ready, and the product with it
 *     KERNEL                               the name of the kernel that comes out
 */
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define VECTOR_BYTES  sizeof(VECTOR)

static void add(uint8_t *dst, const uint8_t *src, size_t bytes)
{
    size_t i = 0;

    for (; i + VECTOR_BYTES <= bytes; i += VECTOR_BYTES)
        STORE(dst + i, ADD(LOAD(dst + i), LOAD(src + i)));
    for (; i < bytes; i++)
        dst[i] ^= src[i];
}

static void mul_add(uint8_t *dst, const uint8_t *src, uint8_t a, size_t bytes)
{
    const FACTOR f = factor(a);
    size_t i = 0;

    for (; i + VECTOR_BYTES <= bytes; i += VECTOR_BYTES)
        STORE(dst + i, ADD(LOAD(dst + i), MULTIPLY(LOAD(src + i), f)));
    for (; i < bytes; i++)
        dst[i] ^= sw_gf256_mul(a, src[i]);
}

static void scale(uint8_t *dst, uint8_t a, size_t bytes)
{
    const FACTOR f = factor(a);
    size_t i = 0;

    for (; i + VECTOR_BYTES <= bytes; i += VECTOR_BYTES)
        STORE(dst + i, MULTIPLY(LOAD(dst + i), f));
    for (; i < bytes; i++)
        dst[i] = sw_gf256_mul(a, dst[i]);
}

/* Each program goes over its slots in chunks of n vectors, which it keeps in registers; n is known when compiling. */
ALWAYS_INLINE void sums_n(uint8_t *slots, size_t width, const uint32_t *op, const uint32_t *end, const size_t n)
{
    while (op < end) {
        uint8_t *dst = slots + op[0] * width;
        const uint32_t *src = op + 2, *last = src + op[1];

        for (size_t at = 0; at < width; at += n * VECTOR_BYTES) {
            const uint8_t *from = slots + src[0] * width + at;
            VECTOR sum[8];

            for (size_t v = 0; v < n; v++)
                sum[v] = LOAD(from + v * VECTOR_BYTES);
            for (const uint32_t *s = src + 1; s < last; s++) {
                from = slots + *s * width + at;
                for (size_t v = 0; v < n; v++)
                    sum[v] = ADD(sum[v], LOAD(from + v * VECTOR_BYTES));
            }
            for (size_t v = 0; v < n; v++)
                STORE(dst + at + v * VECTOR_BYTES, sum[v]);
        }
        op = last;
    }
}

ALWAYS_INLINE void products_n(uint8_t *slots, size_t width, const uint32_t *op, const uint32_t *end, const size_t n)
{
    while (op < end) {
        uint8_t *dst = slots + op[0] * width;
        const uint32_t *src = op + 2, *last = src + 2 * (size_t)op[1];

        memset(dst, 0, width);
        for (size_t at = 0; at < width; at += n * VECTOR_BYTES) {
            VECTOR sum[8];

            for (size_t v = 0; v < n; v++)
                sum[v] = LOAD(dst + at + v * VECTOR_BYTES);
            for (const uint32_t *s = src; s < last; s += 2) {
                const uint8_t *from = slots + s[0] * width + at;
                const FACTOR f = factor((uint8_t)s[1]);

                for (size_t v = 0; v < n; v++)
                    sum[v] = ADD(sum[v], MULTIPLY(LOAD(from + v * VECTOR_BYTES), f));
            }
            for (size_t v = 0; v < n; v++)
                STORE(dst + at + v * VECTOR_BYTES, sum[v]);
        }
        op = last;
    }
}

ALWAYS_INLINE void hdpc_n(uint8_t *slots, size_t width, const struct sw_gf256_hdpc_step *steps, size_t count,
                          uint8_t *rows, uint8_t *last, const size_t n)
{
    for (size_t at = 0; at < width; at += n * VECTOR_BYTES) {
        VECTOR z[8];

        for (size_t v = 0; v < n; v++)
            z[v] = LOAD(last + at + v * VECTOR_BYTES);
        for (const struct sw_gf256_hdpc_step *s = steps; s < steps + count; s++) {
            const uint8_t *from = slots + s->slot * width + at;
            uint8_t *first = rows + s->first * width + at, *second = rows + s->second * width + at;

            for (size_t v = 0; v < n; v++) {
                const size_t i = v * VECTOR_BYTES;

                z[v] = ADD(DOUBLE(z[v]), LOAD(from + i));
                STORE(first + i, ADD(LOAD(first + i), z[v]));
                STORE(second + i, ADD(LOAD(second + i), z[v]));
            }
        }
        for (size_t v = 0; v < n; v++)
            STORE(last + at + v * VECTOR_BYTES, z[v]);
    }
}

/* The most vectors that divide a slot, up to the 8 that leave registers for the rest. */
#define BY_WIDTH(call, ...)                                                                                            \
    do {                                                                                                               \
        if (width % (8 * VECTOR_BYTES) == 0)                                                                           \
            call(__VA_ARGS__, 8);                                                                                      \
        else if (width % (4 * VECTOR_BYTES) == 0)                                                                      \
            call(__VA_ARGS__, 4);                                                                                      \
        else if (width % (2 * VECTOR_BYTES) == 0)                                                                      \
            call(__VA_ARGS__, 2);                                                                                      \
        else                                                                                                           \
            call(__VA_ARGS__, 1);                                                                                      \
    } while (0)

static void sums(uint8_t *slots, size_t width, const uint32_t *op, const uint32_t *end)
{
    BY_WIDTH(sums_n, slots, width, op, end);
}

static void products(uint8_t *slots, size_t width, const uint32_t *op, const uint32_t *end)
{
    BY_WIDTH(products_n, slots, width, op, end);
}

static void hdpc(uint8_t *slots, size_t width, const struct sw_gf256_hdpc_step *steps, size_t count, uint32_t rows,
                 uint32_t z)
{
    uint32_t rows_count = 0;

    for (size_t i = 0; i < count; i++) {
        rows_count = steps[i].first >= rows_count ? steps[i].first + 1u : rows_count;
        rows_count = steps[i].second >= rows_count ? steps[i].second + 1u : rows_count;
    }
    memset(slots + rows * width, 0, rows_count * width);
    memset(slots + z * width, 0, width);
    BY_WIDTH(hdpc_n, slots, width, steps, count, slots + rows * width, slots + z * width);
}

const struct sw_gf256_kernel KERNEL = {
    .add = add, .mul_add = mul_add, .scale = scale, .sums = sums, .products = products, .hdpc = hdpc};
