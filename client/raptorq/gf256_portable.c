/* GF(256) in portable C: eight octets in a word. */
#include "client/raptorq/gf256.h"
#include <string.h>

static inline uint64_t load(const void *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof(x));
    return x;
}

/* Times the octet 2: what a shift pushes out comes back as the polynomial x^4 + x^3 + x^2 + 1. */
static inline uint64_t twice(uint64_t x)
{
    return (x << 1 & 0xfefefefefefefefe) ^ (x >> 7 & 0x0101010101010101) * 0x1d;
}

static inline uint64_t multiply(uint64_t x, uint8_t a)
{
    uint64_t product = 0;

    for (; a != 0; a >>= 1, x = twice(x))
        product ^= x & (0 - (uint64_t)(a & 1));
    return product;
}

static inline uint8_t factor(uint8_t a)
{
    return a;
}

#define VECTOR         uint64_t
#define LOAD(p)        load(p)
#define STORE(p, x)    memcpy(p, &(const uint64_t){x}, sizeof(uint64_t))
#define ADD(x, y)      ((x) ^ (y))
#define DOUBLE(x)      twice(x)
#define FACTOR         uint8_t
#define MULTIPLY(x, f) multiply(x, f)
#define KERNEL         sw_gf256_kernel_portable
#include "client/raptorq/gf256_kernel.h"
