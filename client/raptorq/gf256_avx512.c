/* GF(256) with AVX-512: a product is two look-ups in tables of 16, one for each half of an octet. */
#include "client/raptorq/gf256.h"
#include <immintrin.h>

#define VECTOR      __m512i
#define LOAD(p)     _mm512_loadu_si512((const void *)(p))
#define STORE(p, x) _mm512_storeu_si512((void *)(p), x)
#define ADD(x, y)   _mm512_xor_si512(x, y)

struct factor {
    VECTOR low, high;
};

static inline struct factor factor(uint8_t a)
{
    const __m128i low = _mm_xor_si128(_mm_loadu_si128((const void *)sw_gf256_low[0][a & 15]),
                                      _mm_loadu_si128((const void *)sw_gf256_low[1][a >> 4]));
    const __m128i high = _mm_xor_si128(_mm_loadu_si128((const void *)sw_gf256_high[0][a & 15]),
                                       _mm_loadu_si128((const void *)sw_gf256_high[1][a >> 4]));

    return (struct factor){_mm512_broadcast_i32x4(low), _mm512_broadcast_i32x4(high)};
}

static inline VECTOR multiply(VECTOR x, struct factor f)
{
    const VECTOR half = _mm512_set1_epi8(15);

    return ADD(_mm512_shuffle_epi8(f.low, _mm512_and_si512(x, half)),
               _mm512_shuffle_epi8(f.high, _mm512_and_si512(_mm512_srli_epi64(x, 4), half)));
}

static inline VECTOR twice(VECTOR x)
{
    return ADD(_mm512_add_epi8(x, x), _mm512_maskz_set1_epi8(_mm512_movepi8_mask(x), 0x1d));
}

#define DOUBLE(x)      twice(x)
#define FACTOR         struct factor
#define MULTIPLY(x, f) multiply(x, f)
#define KERNEL         sw_gf256_kernel_avx512
#include "client/raptorq/gf256_kernel.h"
