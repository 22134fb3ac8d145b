/* GF(256) with SSSE3: a product is two look-ups in tables of 16, one for each half of an octet. */
#include "client/raptorq/gf256.h"
#include <immintrin.h>

#define VECTOR      __m128i
#define LOAD(p)     _mm_loadu_si128((const void *)(p))
#define STORE(p, x) _mm_storeu_si128((void *)(p), x)
#define ADD(x, y)   _mm_xor_si128(x, y)

struct factor {
    VECTOR low, high;
};

static inline struct factor factor(uint8_t a)
{
    const __m128i low = _mm_xor_si128(_mm_loadu_si128((const void *)sw_gf256_low[0][a & 15]),
                                      _mm_loadu_si128((const void *)sw_gf256_low[1][a >> 4]));
    const __m128i high = _mm_xor_si128(_mm_loadu_si128((const void *)sw_gf256_high[0][a & 15]),
                                       _mm_loadu_si128((const void *)sw_gf256_high[1][a >> 4]));

    return (struct factor){(low), (high)};
}

static inline VECTOR multiply(VECTOR x, struct factor f)
{
    const VECTOR half = _mm_set1_epi8(15);

    return ADD(_mm_shuffle_epi8(f.low, _mm_and_si128(x, half)),
               _mm_shuffle_epi8(f.high, _mm_and_si128(_mm_srli_epi64(x, 4), half)));
}

static inline VECTOR twice(VECTOR x)
{
    const VECTOR out = _mm_cmpgt_epi8(_mm_setzero_si128(), x);

    return ADD(_mm_add_epi8(x, x), _mm_and_si128(out, _mm_set1_epi8(0x1d)));
}

#define DOUBLE(x)      twice(x)
#define FACTOR         struct factor
#define MULTIPLY(x, f) multiply(x, f)
#define KERNEL         sw_gf256_kernel_ssse3
#include "client/raptorq/gf256_kernel.h"
