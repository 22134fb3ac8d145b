/*
 * GF(256) with GFNI and AVX-512: a product is one multiplication by a matrix over GF(2). GFNI's own product is that of
 * another polynomial than RFC 6330's.
 */
#include "client/raptorq/gf256.h"
#include <immintrin.h>

static inline __m512i factor(uint8_t a)
{
    return _mm512_set1_epi64((long long)(sw_gf256_matrix[0][a & 15] ^ sw_gf256_matrix[1][a >> 4]));
}

#define VECTOR         __m512i
#define LOAD(p)        _mm512_loadu_si512((const void *)(p))
#define STORE(p, x)    _mm512_storeu_si512((void *)(p), x)
#define ADD(x, y)      _mm512_xor_si512(x, y)
#define DOUBLE(x)      _mm512_gf2p8affine_epi64_epi8(x, factor(2), 0)
#define FACTOR         __m512i
#define MULTIPLY(x, f) _mm512_gf2p8affine_epi64_epi8(x, f, 0)
#define KERNEL         sw_gf256_kernel_gfni
#include "client/raptorq/gf256_kernel.h"
