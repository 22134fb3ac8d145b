/* BLAKE3's compression in plain C: the path of any processor, and the one that the others are held against. */
#include "common/blake3_impl.h"
#include <string.h>

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
    p[2] = (uint8_t)(x >> 16);
    p[3] = (uint8_t)(x >> 24);
}

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x >> bits | x << (32 - bits);
}

static inline __attribute__((always_inline)) void mix(uint32_t v[16], int a, int b, int c, int d, uint32_t x,
                                                      uint32_t y)
{
    v[a] += v[b] + x;
    v[d] = rotate(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = rotate(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 7);
}

#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)                                    \
    mix(v, 0, 4, 8, 12, m[s0], m[s1]);                                                                                 \
    mix(v, 1, 5, 9, 13, m[s2], m[s3]);                                                                                 \
    mix(v, 2, 6, 10, 14, m[s4], m[s5]);                                                                                \
    mix(v, 3, 7, 11, 15, m[s6], m[s7]);                                                                                \
    mix(v, 0, 5, 10, 15, m[s8], m[s9]);                                                                                \
    mix(v, 1, 6, 11, 12, m[s10], m[s11]);                                                                              \
    mix(v, 2, 7, 8, 13, m[s12], m[s13]);                                                                               \
    mix(v, 3, 4, 9, 14, m[s14], m[s15]);

static void compress(uint8_t cv[SW_BLAKE3_BYTES], const uint8_t block[SW_BLAKE3_BLOCK_BYTES], uint32_t block_bytes,
                     uint64_t counter, uint32_t flags)
{
    uint32_t m[16], v[16];

    for (int i = 0; i < 16; i++)
        m[i] = load32(block + 4 * i);
    for (int i = 0; i < 8; i++)
        v[i] = load32(cv + 4 * i);
    v[8] = SW_BLAKE3_IV0;
    v[9] = SW_BLAKE3_IV1;
    v[10] = SW_BLAKE3_IV2;
    v[11] = SW_BLAKE3_IV3;
    v[12] = (uint32_t)counter;
    v[13] = (uint32_t)(counter >> 32);
    v[14] = block_bytes;
    v[15] = flags;
    SW_BLAKE3_ROUNDS(ROUND)
    for (int i = 0; i < 8; i++)
        store32(cv + 4 * i, v[i] ^ v[i + 8]);
}

static void chunks(const uint8_t *input, size_t bytes, uint64_t counter, uint8_t *cvs)
{
    while (bytes > 0) {
        size_t n = bytes < SW_BLAKE3_CHUNK_BYTES ? bytes : SW_BLAKE3_CHUNK_BYTES;
        sw_blake3_chunk(&sw_blake3_kernel_portable, input, n, counter++, 0, cvs);
        input += n;
        bytes -= n;
        cvs += SW_BLAKE3_BYTES;
    }
}

static void parents(const uint8_t *children, size_t count, uint8_t *cvs)
{
    for (size_t i = 0; i < count; i++)
        sw_blake3_parent(&sw_blake3_kernel_portable, children + i * SW_BLAKE3_BLOCK_BYTES, 0,
                         cvs + i * SW_BLAKE3_BYTES);
}

const struct sw_blake3_kernel sw_blake3_kernel_portable = {compress, chunks, parents};
