/*
 * BLAKE3-256, the plain hash (no key, no derivation).
 *
 * The compression of many chunks at once is chosen at run time: AVX-512, AVX2, or portable C.
 * Source: O'Connor, Aumasson, Neves, Wilcox-O'Hearn, BLAKE3, 2021.
 */
#ifndef SW_BLAKE3_H
#define SW_BLAKE3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SW_BLAKE3_BYTES       32
#define SW_BLAKE3_CHUNK_BYTES 1024

/* The hash of a whole value. Any thread. */
void sw_blake3(const void *data, size_t bytes, uint8_t hash[SW_BLAKE3_BYTES]);

/* A hash over data that comes in pieces of any size; lives on the stack, owns nothing. */
struct sw_blake3_state {
    uint8_t stack[55][SW_BLAKE3_BYTES]; /* chaining values of complete subtrees, largest first */
    size_t stack_count;
    uint64_t chunks_done;
    uint8_t pending[SW_BLAKE3_CHUNK_BYTES * 16]; /* input not yet compressed; never empty after the first byte */
    size_t pending_bytes;
};
void sw_blake3_init(struct sw_blake3_state *state);
void sw_blake3_update(struct sw_blake3_state *state, const void *data, size_t bytes);
void sw_blake3_final(const struct sw_blake3_state *state, uint8_t hash[SW_BLAKE3_BYTES]);

/* Instruction-set paths, for tests and benchmarks. */
enum sw_blake3_path {
    SW_BLAKE3_PORTABLE,
    SW_BLAKE3_AVX2,
    SW_BLAKE3_AVX512,
    SW_BLAKE3_PATHS
};
const char *sw_blake3_path_name(enum sw_blake3_path path);
bool sw_blake3_path_supported(enum sw_blake3_path path);
/* Makes all later hashing use a supported path; not while another thread hashes. */
void sw_blake3_path_force(enum sw_blake3_path path);
/* The path in use. */
enum sw_blake3_path sw_blake3_path_current(void);

#endif
