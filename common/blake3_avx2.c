/* BLAKE3 with AVX2: eight chunks or parents at a time. Compiled for AVX2; called only where the processor has it. */
#include "common/blake3_x86.h"

static void chunks(const uint8_t *input, size_t bytes, uint64_t counter, uint8_t *cvs)
{
    struct sw_blake3_lanes lanes;
    uint8_t out[8 * SW_BLAKE3_BYTES];

    while (bytes > SW_BLAKE3_CHUNK_BYTES) {
        const size_t n = bytes < 8 * SW_BLAKE3_CHUNK_BYTES ? bytes : 8 * SW_BLAKE3_CHUNK_BYTES;
        sw_blake3_lanes_of_chunks(&lanes, input, n, counter);
        hash_x8(&lanes, out);
        memcpy(cvs, out, lanes.count * SW_BLAKE3_BYTES);
        cvs += lanes.count * SW_BLAKE3_BYTES;
        counter += lanes.count;
        input += n;
        bytes -= n;
    }
    if (bytes > 0)
        sw_blake3_chunk(&sw_blake3_kernel_avx2, input, bytes, counter, 0, cvs);
}

static void parents(const uint8_t *children, size_t count, uint8_t *cvs)
{
    struct sw_blake3_lanes lanes;
    uint8_t out[8 * SW_BLAKE3_BYTES];

    while (count > 1) {
        const size_t n = count < 8 ? count : 8;
        sw_blake3_lanes_of_parents(&lanes, children, n);
        hash_x8(&lanes, out);
        memcpy(cvs, out, n * SW_BLAKE3_BYTES);
        cvs += n * SW_BLAKE3_BYTES;
        children += n * SW_BLAKE3_BLOCK_BYTES;
        count -= n;
    }
    if (count > 0)
        sw_blake3_parent(&sw_blake3_kernel_avx2, children, 0, cvs);
}

const struct sw_blake3_kernel sw_blake3_kernel_avx2 = {compress, chunks, parents};
