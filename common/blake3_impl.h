/*
 * What the files of BLAKE3 share: the constants, and the kernel that one instruction-set path provides.
 *
 * The tree is blake3.c's business; a kernel compresses blocks, many independent inputs at a time where it can. Chaining
 * values travel as 32 bytes, little-endian, so that two of them side by side are the block of their parent.
 */
#ifndef SW_BLAKE3_IMPL_H
#define SW_BLAKE3_IMPL_H

#include "common/blake3.h"
#include <stddef.h>
#include <stdint.h>

#define SW_BLAKE3_BLOCK_BYTES 64
/* Most chunks or parents that a kernel is asked for at once: the lanes of the widest. */
#define SW_BLAKE3_WIDTH 16

/* The initial chaining value, which is SHA-256's. */
#define SW_BLAKE3_IV0 0x6a09e667
#define SW_BLAKE3_IV1 0xbb67ae85
#define SW_BLAKE3_IV2 0x3c6ef372
#define SW_BLAKE3_IV3 0xa54ff53a
#define SW_BLAKE3_IV4 0x510e527f
#define SW_BLAKE3_IV5 0x9b05688c
#define SW_BLAKE3_IV6 0x1f83d9ab
#define SW_BLAKE3_IV7 0x5be0cd19

/* The seven rounds: ROUND(words of the message, in the order in which the round's eight mixings take two each). */
#define SW_BLAKE3_ROUNDS(ROUND)                                                                                        \
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)                                                        \
    ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)                                                        \
    ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1)                                                        \
    ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6)                                                        \
    ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4)                                                        \
    ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7)                                                        \
    ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13)

enum sw_blake3_flags {
    SW_BLAKE3_CHUNK_START = 1,
    SW_BLAKE3_CHUNK_END = 2,
    SW_BLAKE3_PARENT = 4,
    SW_BLAKE3_ROOT = 8,
};

struct sw_blake3_kernel {
    /* Replaces a chaining value by that of one block more, of block_bytes bytes and zeros after them. */
    void (*compress)(uint8_t cv[SW_BLAKE3_BYTES], const uint8_t block[SW_BLAKE3_BLOCK_BYTES], uint32_t block_bytes,
                     uint64_t counter, uint32_t flags);
    /*
     * Writes the chaining values of the chunks that the input makes, the first numbered counter and the last perhaps
     * short: 1 to SW_BLAKE3_WIDTH of them, none the root.
     */
    void (*chunks)(const uint8_t *input, size_t bytes, uint64_t counter, uint8_t *cvs);
    /*
     * Writes the chaining values of count parents, each of two children side by side: 1 to SW_BLAKE3_WIDTH, none the
     * root. The parents may overwrite the children, from the first on.
     */
    void (*parents)(const uint8_t *children, size_t count, uint8_t *cvs);
};

extern const struct sw_blake3_kernel sw_blake3_kernel_portable;
#if defined(__x86_64__)
extern const struct sw_blake3_kernel sw_blake3_kernel_avx2, sw_blake3_kernel_avx512;
#endif

/* The kernel in use; the first call looks at the processor. */
const struct sw_blake3_kernel *sw_blake3_kernel_current(void);

/* The chaining value of one chunk of 0 to 1024 bytes, block after block. last_flags is 0 or SW_BLAKE3_ROOT. */
void sw_blake3_chunk(const struct sw_blake3_kernel *kernel, const uint8_t *input, size_t bytes, uint64_t counter,
                     uint32_t last_flags, uint8_t cv[SW_BLAKE3_BYTES]);

/* The chaining value of one parent; cv may be where its children are. flags is 0 or SW_BLAKE3_ROOT. */
void sw_blake3_parent(const struct sw_blake3_kernel *kernel, const uint8_t children[SW_BLAKE3_BLOCK_BYTES],
                      uint32_t flags, uint8_t cv[SW_BLAKE3_BYTES]);

/*
 * What one pass of a many-lane kernel compresses: as many inputs as it has lanes or fewer, of equally many blocks. A
 * chunk that is shorter may take the last lane: passes are not cheaper for having one lane less, and the symbols that
 * RaptorQ makes, of 65,532 bytes, all end in such a chunk.
 */
struct sw_blake3_lanes {
    const uint8_t *in[SW_BLAKE3_WIDTH]; /* each lane's input; idle lanes repeat the last */
    size_t count;                       /* lanes in use */
    size_t blocks;
    uint64_t counter;      /* of lane 0 */
    uint64_t counter_step; /* from lane to lane */
    uint32_t flags, flags_first, flags_last;
    size_t short_blocks;       /* blocks of the last lane's input when it is short, else 0 */
    uint32_t short_last_bytes; /* and bytes of the last of them */
    uint8_t padded[SW_BLAKE3_CHUNK_BYTES];
};

/* Lay out chunks or parents, as the kernel's functions take them, for one pass over up to SW_BLAKE3_WIDTH lanes. */
void sw_blake3_lanes_of_chunks(struct sw_blake3_lanes *lanes, const uint8_t *input, size_t bytes, uint64_t counter);
void sw_blake3_lanes_of_parents(struct sw_blake3_lanes *lanes, const uint8_t *children, size_t count);

#endif
