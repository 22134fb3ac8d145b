/*
 * GF(256), the field of octets of RFC 6330 section 5.7, over rows of bytes.
 *
 * Two kinds of operation: on any rows, for planning; and programs over slots, for carrying out a plan. The paths for
 * the processor's instruction sets are chosen at run time, and all give the same bytes.
 */
#ifndef SW_GF256_H
#define SW_GF256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* See gf256_tables.c. */
extern const uint8_t sw_gf256_exp[255], sw_gf256_log[256];
extern const uint8_t sw_gf256_low[2][16][16], sw_gf256_high[2][16][16];
extern const uint64_t sw_gf256_matrix[2][16];

/* The product of two octets. Any thread. */
static inline uint8_t sw_gf256_mul(uint8_t a, uint8_t b)
{
    return a == 0 || b == 0 ? 0 : sw_gf256_exp[(sw_gf256_log[a] + sw_gf256_log[b]) % 255];
}

/* 1 / a, for a other than 0. Any thread. */
static inline uint8_t sw_gf256_inverse(uint8_t a)
{
    return sw_gf256_exp[(255 - sw_gf256_log[a]) % 255];
}

/*
 * Slots are rows of width bytes each, side by side, the first on a boundary of SW_GF256_ALIGN bytes; width is a
 * multiple of SW_GF256_ALIGN. Programs name them by number.
 */
#define SW_GF256_ALIGN 64

/* One column of the HDPC rows: its slot, and the two HDPC rows that the running sum goes to; to none if they are equal.
 */
struct sw_gf256_hdpc_step {
    uint32_t slot;
    uint16_t first, second;
};

struct sw_gf256_kernel {
    /* dst += src, dst += a * src, dst *= a: rows of any length anywhere, not overlapping. */
    void (*add)(uint8_t *dst, const uint8_t *src, size_t bytes);
    void (*mul_add)(uint8_t *dst, const uint8_t *src, uint8_t a, size_t bytes);
    void (*scale)(uint8_t *dst, uint8_t a, size_t bytes);
    /* Sums: op after op "dst, count, count times src", count at least 1; dst may be among its own sources. */
    void (*sums)(uint8_t *slots, size_t width, const uint32_t *op, const uint32_t *end);
    /* The same with factors: "dst, count, count times (src, factor)"; dst is none of its own sources. */
    void (*products)(uint8_t *slots, size_t width, const uint32_t *op, const uint32_t *end);
    /*
     * The HDPC rows' sums by the recurrence of section 5.3.3.3: z = 2z + the step's slot, and z is added to the slots
     * sums + first and sums + second. These start from zero and so does z, whose last value goes to the slot z.
     */
    void (*hdpc)(uint8_t *slots, size_t width, const struct sw_gf256_hdpc_step *steps, size_t count, uint32_t sums,
                 uint32_t z);
};

enum sw_gf256_path {
    SW_GF256_PORTABLE,
    SW_GF256_SSSE3,
    SW_GF256_AVX2,
    SW_GF256_AVX512,
    SW_GF256_GFNI, /* with AVX-512 */
    SW_GF256_PATHS
};

const char *sw_gf256_path_name(enum sw_gf256_path path);
bool sw_gf256_path_supported(enum sw_gf256_path path);
/* Makes all later arithmetic use a supported path; for tests and benchmarks. Any thread. */
void sw_gf256_path_force(enum sw_gf256_path path);
/* The path in use; the first call looks at the processor. Any thread. */
enum sw_gf256_path sw_gf256_path_current(void);
const struct sw_gf256_kernel *sw_gf256_kernel_current(void);

extern const struct sw_gf256_kernel sw_gf256_kernel_portable;
#if defined(__x86_64__)
extern const struct sw_gf256_kernel sw_gf256_kernel_ssse3, sw_gf256_kernel_avx2, sw_gf256_kernel_avx512,
    sw_gf256_kernel_gfni;
#endif

#endif
