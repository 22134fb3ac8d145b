/*
 * BLAKE3 over many inputs at once, one in each lane of a vector: the body, written once for all vector widths.
 *
 * A file includes this after defining what a vector is and how it computes: LANES, VECTOR, ADD, XOR, ROTATE (right),
 * ALL (one word to all lanes), LOAD (words, unaligned), LOAD_BLOCKS (64 bytes of each input, transposed), STORE_CVS
 * (transposed back), HASH_LANES and PREFETCH_BLOCKS (the functions' names). All of them are undefined again at the end.
 *
 * Everything is indexed by constants, and no loop runs over the words: so the compiler keeps them in registers. The
 * four mixings of a half round are written one after the other, as that needs fewer registers; the processor overlaps
 * them.
 */

#define AHEAD 6

#define MIX(a, b, c, d, x, y)                                                                                          \
    v[a] = ADD(ADD(v[a], x), v[b]);                                                                                    \
    v[d] = ROTATE(XOR(v[d], v[a]), 16);                                                                                \
    v[c] = ADD(v[c], v[d]);                                                                                            \
    v[b] = ROTATE(XOR(v[b], v[c]), 12);                                                                                \
    v[a] = ADD(ADD(v[a], y), v[b]);                                                                                    \
    v[d] = ROTATE(XOR(v[d], v[a]), 8);                                                                                 \
    v[c] = ADD(v[c], v[d]);                                                                                            \
    v[b] = ROTATE(XOR(v[b], v[c]), 7);

#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)                                    \
    MIX(0, 4, 8, 12, m[s0], m[s1])                                                                                     \
    MIX(1, 5, 9, 13, m[s2], m[s3])                                                                                     \
    MIX(2, 6, 10, 14, m[s4], m[s5])                                                                                    \
    MIX(3, 7, 11, 15, m[s6], m[s7])                                                                                    \
    MIX(0, 5, 10, 15, m[s8], m[s9])                                                                                    \
    MIX(1, 6, 11, 12, m[s10], m[s11])                                                                                  \
    MIX(2, 7, 8, 13, m[s12], m[s13])                                                                                   \
    MIX(3, 4, 9, 14, m[s14], m[s15])

/*
 * Brings each lane's block that comes AHEAD blocks later into the cache; past the end of a chunk, where the next pass
 * is likely to find its own. The processor by itself does not follow so many places at once: without this, values that
 * come from memory are hashed at two thirds of the speed. That no input may be there does not matter to a prefetch.
 */
static inline __attribute__((always_inline)) void PREFETCH_BLOCKS(const struct sw_blake3_lanes *lanes, size_t block)
{
    size_t offset = (block + AHEAD) * SW_BLAKE3_BLOCK_BYTES;

    if (block + AHEAD >= lanes->blocks)
        offset += (LANES - 1) * SW_BLAKE3_CHUNK_BYTES;
    for (size_t i = 0; i < LANES; i++)
        _mm_prefetch((const void *)((uintptr_t)lanes->in[i] + offset), _MM_HINT_T0);
}

/* Writes the chaining values of all lanes, idle ones too: cvs has room for LANES. */
static void HASH_LANES(const struct sw_blake3_lanes *lanes, uint8_t *cvs)
{
    uint32_t low_words[LANES], high_words[LANES], sizes[LANES], marks[LANES];
    uint8_t short_cvs[LANES * SW_BLAKE3_BYTES];
    const size_t last = (lanes->count - 1) * SW_BLAKE3_BYTES;
    const VECTOR iv[4] = {ALL(SW_BLAKE3_IV0), ALL(SW_BLAKE3_IV1), ALL(SW_BLAKE3_IV2), ALL(SW_BLAKE3_IV3)};
    VECTOR h[8] = {iv[0], iv[1], iv[2], iv[3]};
    VECTOR low, high;

    h[4] = ALL(SW_BLAKE3_IV4);
    h[5] = ALL(SW_BLAKE3_IV5);
    h[6] = ALL(SW_BLAKE3_IV6);
    h[7] = ALL(SW_BLAKE3_IV7);
    for (size_t i = 0; i < LANES; i++) {
        const uint64_t counter = lanes->counter + i * lanes->counter_step;
        low_words[i] = (uint32_t)counter;
        high_words[i] = (uint32_t)(counter >> 32);
    }
    low = LOAD(low_words);
    high = LOAD(high_words);
    for (size_t block = 0; block < lanes->blocks; block++) {
        const bool ends_short = block + 1 == lanes->short_blocks;
        const uint32_t flags =
            lanes->flags | (block == 0 ? lanes->flags_first : 0) | (block + 1 == lanes->blocks ? lanes->flags_last : 0);
        VECTOR size = ALL(SW_BLAKE3_BLOCK_BYTES), mark = ALL(flags);

        if (ends_short) {
            for (size_t i = 0; i < LANES; i++) {
                sizes[i] = i + 1 == lanes->count ? lanes->short_last_bytes : SW_BLAKE3_BLOCK_BYTES;
                marks[i] = i + 1 == lanes->count ? flags | lanes->flags_last : flags;
            }
            size = LOAD(sizes);
            mark = LOAD(marks);
        }
        VECTOR v[16] = {h[0],  h[1],  h[2],  h[3],  h[4], h[5], h[6], h[7],
                        iv[0], iv[1], iv[2], iv[3], low,  high, size, mark};
        VECTOR m[16];
        if (lanes->blocks > AHEAD)
            PREFETCH_BLOCKS(lanes, block);
        LOAD_BLOCKS(lanes->in, block * SW_BLAKE3_BLOCK_BYTES, m);
        SW_BLAKE3_ROUNDS(ROUND)
        h[0] = XOR(v[0], v[8]);
        h[1] = XOR(v[1], v[9]);
        h[2] = XOR(v[2], v[10]);
        h[3] = XOR(v[3], v[11]);
        h[4] = XOR(v[4], v[12]);
        h[5] = XOR(v[5], v[13]);
        h[6] = XOR(v[6], v[14]);
        h[7] = XOR(v[7], v[15]);
        if (ends_short) {
            VECTOR copy[8] = {h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]};
            STORE_CVS(copy, short_cvs);
        }
    }
    STORE_CVS(h, cvs);
    if (lanes->short_blocks)
        memcpy(cvs + last, short_cvs + last, SW_BLAKE3_BYTES);
}

#undef AHEAD
#undef ROUND
#undef MIX
#undef LANES
#undef VECTOR
#undef ADD
#undef XOR
#undef ROTATE
#undef ALL
#undef LOAD
#undef LOAD_BLOCKS
#undef STORE_CVS
#undef HASH_LANES
#undef PREFETCH_BLOCKS
