/*
 * BLAKE3 for x86-64, the part that AVX2 and AVX-512 have in common: one block at a time in four 128-bit rows, and eight
 * inputs at a time in 256-bit vectors. Included by each path's file, which is compiled for its instructions, so that
 * AVX-512 gets the same with its rotations and its 32 registers.
 */
#ifndef SW_BLAKE3_X86_H
#define SW_BLAKE3_X86_H

#include "common/blake3_impl.h"
#include <immintrin.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512VL__)
#define ROTATE128(x, bits) _mm_ror_epi32(x, bits)
#define ROTATE256(x, bits) _mm256_ror_epi32(x, bits)
#else
#define ROTATE128(x, bits)                                                                                             \
    ((bits) == 16  ? _mm_shuffle_epi8(x, _mm_setr_epi8(ROTATE16_BYTES))                                                \
     : (bits) == 8 ? _mm_shuffle_epi8(x, _mm_setr_epi8(ROTATE8_BYTES))                                                 \
                   : _mm_or_si128(_mm_srli_epi32(x, bits), _mm_slli_epi32(x, 32 - (bits))))
#define ROTATE256(x, bits)                                                                                             \
    ((bits) == 16  ? _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(_mm_setr_epi8(ROTATE16_BYTES)))                \
     : (bits) == 8 ? _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(_mm_setr_epi8(ROTATE8_BYTES)))                 \
                   : _mm256_or_si256(_mm256_srli_epi32(x, bits), _mm256_slli_epi32(x, 32 - (bits))))
#define ROTATE16_BYTES 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
#define ROTATE8_BYTES  1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12
#endif

/* One half of a round: four mixings side by side, of columns or of diagonals. */
ALWAYS_INLINE void mix_rows(__m128i row[4], __m128i x, __m128i y)
{
    row[0] = _mm_add_epi32(_mm_add_epi32(row[0], x), row[1]);
    row[3] = ROTATE128(_mm_xor_si128(row[3], row[0]), 16);
    row[2] = _mm_add_epi32(row[2], row[3]);
    row[1] = ROTATE128(_mm_xor_si128(row[1], row[2]), 12);
    row[0] = _mm_add_epi32(_mm_add_epi32(row[0], y), row[1]);
    row[3] = ROTATE128(_mm_xor_si128(row[3], row[0]), 8);
    row[2] = _mm_add_epi32(row[2], row[3]);
    row[1] = ROTATE128(_mm_xor_si128(row[1], row[2]), 7);
}

/* Eight words of the message, chosen from its two halves, as two rows. */
#define CHOOSE(i0, i1, i2, i3, i4, i5, i6, i7)                                                                         \
    _mm256_blend_epi32(_mm256_permutevar8x32_epi32(low, _mm256_setr_epi32(i0, i1, i2, i3, i4, i5, i6, i7)),            \
                       _mm256_permutevar8x32_epi32(high, _mm256_setr_epi32(i0, i1, i2, i3, i4, i5, i6, i7)),           \
                       (i0 >> 3) | (i1 >> 3) << 1 | (i2 >> 3) << 2 | (i3 >> 3) << 3 | (i4 >> 3) << 4 |                 \
                           (i5 >> 3) << 5 | (i6 >> 3) << 6 | (i7 >> 3) << 7)

/*
 * Diagonals are brought below each other by turning the rows 0, 2 and 3: row 1 is what each half round finishes last,
 * and leaving it in place keeps the shuffles off the longest chain. So the mixing of v3, v4, v9 and v14 comes first.
 */
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)                                    \
    pair = CHOOSE(s0, s2, s4, s6, s1, s3, s5, s7);                                                                     \
    mix_rows(row, _mm256_castsi256_si128(pair), _mm256_extracti128_si256(pair, 1));                                    \
    row[0] = _mm_shuffle_epi32(row[0], _MM_SHUFFLE(2, 1, 0, 3));                                                       \
    row[2] = _mm_shuffle_epi32(row[2], _MM_SHUFFLE(0, 3, 2, 1));                                                       \
    row[3] = _mm_shuffle_epi32(row[3], _MM_SHUFFLE(1, 0, 3, 2));                                                       \
    pair = CHOOSE(s14, s8, s10, s12, s15, s9, s11, s13);                                                               \
    mix_rows(row, _mm256_castsi256_si128(pair), _mm256_extracti128_si256(pair, 1));                                    \
    row[0] = _mm_shuffle_epi32(row[0], _MM_SHUFFLE(0, 3, 2, 1));                                                       \
    row[2] = _mm_shuffle_epi32(row[2], _MM_SHUFFLE(2, 1, 0, 3));                                                       \
    row[3] = _mm_shuffle_epi32(row[3], _MM_SHUFFLE(1, 0, 3, 2));

static void compress(uint8_t cv[SW_BLAKE3_BYTES], const uint8_t block[SW_BLAKE3_BLOCK_BYTES], uint32_t block_bytes,
                     uint64_t counter, uint32_t flags)
{
    const __m256i low = _mm256_loadu_si256((const void *)block);
    const __m256i high = _mm256_loadu_si256((const void *)(block + 32));
    __m256i pair;
    __m128i row[4] = {
        _mm_loadu_si128((const void *)cv), _mm_loadu_si128((const void *)(cv + 16)),
        _mm_setr_epi32((int)SW_BLAKE3_IV0, (int)SW_BLAKE3_IV1, (int)SW_BLAKE3_IV2, (int)SW_BLAKE3_IV3),
        _mm_setr_epi32((int)(uint32_t)counter, (int)(uint32_t)(counter >> 32), (int)block_bytes, (int)flags)};

    SW_BLAKE3_ROUNDS(ROUND)
    _mm_storeu_si128((void *)cv, _mm_xor_si128(row[0], row[2]));
    _mm_storeu_si128((void *)(cv + 16), _mm_xor_si128(row[1], row[3]));
}

#undef ROUND
#undef CHOOSE

/* Transposes the 4x4 words in each 128-bit half. */
ALWAYS_INLINE void transpose4_x8(__m256i r[4])
{
    const __m256i a = _mm256_unpacklo_epi32(r[0], r[1]), b = _mm256_unpackhi_epi32(r[0], r[1]);
    const __m256i c = _mm256_unpacklo_epi32(r[2], r[3]), d = _mm256_unpackhi_epi32(r[2], r[3]);

    r[0] = _mm256_unpacklo_epi64(a, c);
    r[1] = _mm256_unpackhi_epi64(a, c);
    r[2] = _mm256_unpacklo_epi64(b, d);
    r[3] = _mm256_unpackhi_epi64(b, d);
}

ALWAYS_INLINE __m256i halves(const uint8_t *const *in, size_t offset)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)(in[0] + offset))),
                                   _mm_loadu_si128((const void *)(in[4] + offset)), 1);
}

ALWAYS_INLINE void load4_x8(const uint8_t *const in[SW_BLAKE3_WIDTH], size_t offset, __m256i m[4])
{
    m[0] = halves(in, offset);
    m[1] = halves(in + 1, offset);
    m[2] = halves(in + 2, offset);
    m[3] = halves(in + 3, offset);
    transpose4_x8(m);
}

/* Word w of every lane's block goes to m[w]. */
ALWAYS_INLINE void load_x8(const uint8_t *const in[SW_BLAKE3_WIDTH], size_t offset, __m256i m[16])
{
    load4_x8(in, offset, m);
    load4_x8(in, offset + 16, m + 4);
    load4_x8(in, offset + 32, m + 8);
    load4_x8(in, offset + 48, m + 12);
}

ALWAYS_INLINE void store2_x8(__m256i near, __m256i far, uint8_t *cv)
{
    _mm256_storeu_si256((void *)cv, _mm256_permute2x128_si256(near, far, 0x20));
    _mm256_storeu_si256((void *)(cv + 4 * SW_BLAKE3_BYTES), _mm256_permute2x128_si256(near, far, 0x31));
}

ALWAYS_INLINE void store_x8(__m256i h[8], uint8_t *cvs)
{
    transpose4_x8(h);
    transpose4_x8(h + 4);
    store2_x8(h[0], h[4], cvs);
    store2_x8(h[1], h[5], cvs + SW_BLAKE3_BYTES);
    store2_x8(h[2], h[6], cvs + 2 * SW_BLAKE3_BYTES);
    store2_x8(h[3], h[7], cvs + 3 * SW_BLAKE3_BYTES);
}

#define LANES           8
#define VECTOR          __m256i
#define ADD(a, b)       _mm256_add_epi32(a, b)
#define XOR(a, b)       _mm256_xor_si256(a, b)
#define ROTATE(x, bits) ROTATE256(x, bits)
#define ALL(word)       _mm256_set1_epi32((int)(word))
#define LOAD(words)     _mm256_loadu_si256((const void *)(words))
#define LOAD_BLOCKS     load_x8
#define STORE_CVS       store_x8
#define HASH_LANES      hash_x8
#define PREFETCH_BLOCKS prefetch_x8
#include "common/blake3_lanes.h"

#endif
