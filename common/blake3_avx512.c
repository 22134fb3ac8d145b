/*
 * BLAKE3 with AVX-512: sixteen chunks or parents at a time, eight where no more are left. Compiled for AVX-512 F and
 * VL; called only where the processor and the system have them.
 */
#include "common/blake3_x86.h"

/* Transposes the 4x4 words in each 128-bit quarter. */
ALWAYS_INLINE void transpose4_x16(__m512i r[4])
{
    const __m512i a = _mm512_unpacklo_epi32(r[0], r[1]), b = _mm512_unpackhi_epi32(r[0], r[1]);
    const __m512i c = _mm512_unpacklo_epi32(r[2], r[3]), d = _mm512_unpackhi_epi32(r[2], r[3]);

    r[0] = _mm512_unpacklo_epi64(a, c);
    r[1] = _mm512_unpackhi_epi64(a, c);
    r[2] = _mm512_unpacklo_epi64(b, d);
    r[3] = _mm512_unpackhi_epi64(b, d);
}

/* Word w of every lane's block goes to m[w]. */
ALWAYS_INLINE __m512i quarters(const uint8_t *const *in, size_t offset)
{
    const __m512i r = _mm512_inserti32x4(_mm512_castsi128_si512(_mm_loadu_si128((const void *)(in[0] + offset))),
                                         _mm_loadu_si128((const void *)(in[4] + offset)), 1);

    return _mm512_inserti32x4(_mm512_inserti32x4(r, _mm_loadu_si128((const void *)(in[8] + offset)), 2),
                              _mm_loadu_si128((const void *)(in[12] + offset)), 3);
}

ALWAYS_INLINE void load4_x16(const uint8_t *const in[SW_BLAKE3_WIDTH], size_t offset, __m512i m[4])
{
    m[0] = quarters(in, offset);
    m[1] = quarters(in + 1, offset);
    m[2] = quarters(in + 2, offset);
    m[3] = quarters(in + 3, offset);
    transpose4_x16(m);
}

/* Word w of every lane's block goes to m[w]. */
ALWAYS_INLINE void load_x16(const uint8_t *const in[SW_BLAKE3_WIDTH], size_t offset, __m512i m[16])
{
    load4_x16(in, offset, m);
    load4_x16(in, offset + 16, m + 4);
    load4_x16(in, offset + 32, m + 8);
    load4_x16(in, offset + 48, m + 12);
}

/* Quarter q of near and of far are the halves of lane 4 * q. */
ALWAYS_INLINE void store4_x16(__m512i near, __m512i far, uint8_t *cv)
{
    _mm_storeu_si128((void *)cv, _mm512_castsi512_si128(near));
    _mm_storeu_si128((void *)(cv + 16), _mm512_castsi512_si128(far));
    _mm_storeu_si128((void *)(cv + 128), _mm512_extracti32x4_epi32(near, 1));
    _mm_storeu_si128((void *)(cv + 144), _mm512_extracti32x4_epi32(far, 1));
    _mm_storeu_si128((void *)(cv + 256), _mm512_extracti32x4_epi32(near, 2));
    _mm_storeu_si128((void *)(cv + 272), _mm512_extracti32x4_epi32(far, 2));
    _mm_storeu_si128((void *)(cv + 384), _mm512_extracti32x4_epi32(near, 3));
    _mm_storeu_si128((void *)(cv + 400), _mm512_extracti32x4_epi32(far, 3));
}

ALWAYS_INLINE void store_x16(__m512i h[8], uint8_t *cvs)
{
    transpose4_x16(h);
    transpose4_x16(h + 4);
    store4_x16(h[0], h[4], cvs);
    store4_x16(h[1], h[5], cvs + SW_BLAKE3_BYTES);
    store4_x16(h[2], h[6], cvs + 2 * SW_BLAKE3_BYTES);
    store4_x16(h[3], h[7], cvs + 3 * SW_BLAKE3_BYTES);
}

#define LANES           16
#define VECTOR          __m512i
#define ADD(a, b)       _mm512_add_epi32(a, b)
#define XOR(a, b)       _mm512_xor_si512(a, b)
#define ROTATE(x, bits) _mm512_ror_epi32(x, bits)
#define ALL(word)       _mm512_set1_epi32((int)(word))
#define LOAD(words)     _mm512_loadu_si512((const void *)(words))
#define LOAD_BLOCKS     load_x16
#define STORE_CVS       store_x16
#define HASH_LANES      hash_x16
#define PREFETCH_BLOCKS prefetch_x16
#include "common/blake3_lanes.h"

static void hash(const struct sw_blake3_lanes *lanes, uint8_t *cvs)
{
    uint8_t out[SW_BLAKE3_WIDTH * SW_BLAKE3_BYTES];

    if (lanes->count > 8)
        hash_x16(lanes, out);
    else
        hash_x8(lanes, out);
    memcpy(cvs, out, lanes->count * SW_BLAKE3_BYTES);
}

static void chunks(const uint8_t *input, size_t bytes, uint64_t counter, uint8_t *cvs)
{
    struct sw_blake3_lanes lanes;

    if (bytes <= SW_BLAKE3_CHUNK_BYTES) {
        sw_blake3_chunk(&sw_blake3_kernel_avx512, input, bytes, counter, 0, cvs);
        return;
    }
    sw_blake3_lanes_of_chunks(&lanes, input, bytes, counter);
    hash(&lanes, cvs);
}

static void parents(const uint8_t *children, size_t count, uint8_t *cvs)
{
    struct sw_blake3_lanes lanes;

    if (count == 1) {
        sw_blake3_parent(&sw_blake3_kernel_avx512, children, 0, cvs);
        return;
    }
    sw_blake3_lanes_of_parents(&lanes, children, count);
    hash(&lanes, cvs);
}

const struct sw_blake3_kernel sw_blake3_kernel_avx512 = {compress, chunks, parents};
