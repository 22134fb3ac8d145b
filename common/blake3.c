/*
 * BLAKE3's tree: values are cut into chunks of 1024 bytes, chunks are the leaves of a binary tree whose left subtrees
 * are complete, and the root gives the hash. How blocks are compressed is the kernels' business.
 */
#include "common/blake3_impl.h"
#include <assert.h>
#include <string.h>

#define WIDTH_BYTES ((size_t)SW_BLAKE3_WIDTH * SW_BLAKE3_CHUNK_BYTES)

static void chaining_start(uint8_t cv[SW_BLAKE3_BYTES])
{
#define WORD(x) (uint8_t)(x), (uint8_t)((x) >> 8), (uint8_t)((x) >> 16), (uint8_t)((x) >> 24)
    static const uint8_t iv[SW_BLAKE3_BYTES] = {WORD(SW_BLAKE3_IV0), WORD(SW_BLAKE3_IV1), WORD(SW_BLAKE3_IV2),
                                                WORD(SW_BLAKE3_IV3), WORD(SW_BLAKE3_IV4), WORD(SW_BLAKE3_IV5),
                                                WORD(SW_BLAKE3_IV6), WORD(SW_BLAKE3_IV7)};
#undef WORD
    memcpy(cv, iv, sizeof(iv));
}

void sw_blake3_chunk(const struct sw_blake3_kernel *kernel, const uint8_t *input, size_t bytes, uint64_t counter,
                     uint32_t last_flags, uint8_t cv[SW_BLAKE3_BYTES])
{
    uint8_t block[SW_BLAKE3_BLOCK_BYTES] = {0};
    uint32_t flags = SW_BLAKE3_CHUNK_START;

    chaining_start(cv);
    for (; bytes > SW_BLAKE3_BLOCK_BYTES; bytes -= SW_BLAKE3_BLOCK_BYTES) {
        kernel->compress(cv, input, SW_BLAKE3_BLOCK_BYTES, counter, flags);
        input += SW_BLAKE3_BLOCK_BYTES;
        flags = 0;
    }
    if (bytes > 0)
        memcpy(block, input, bytes);
    kernel->compress(cv, block, (uint32_t)bytes, counter, flags | SW_BLAKE3_CHUNK_END | last_flags);
}

void sw_blake3_parent(const struct sw_blake3_kernel *kernel, const uint8_t children[SW_BLAKE3_BLOCK_BYTES],
                      uint32_t flags, uint8_t cv[SW_BLAKE3_BYTES])
{
    uint8_t block[SW_BLAKE3_BLOCK_BYTES];

    memcpy(block, children, sizeof(block));
    chaining_start(cv);
    kernel->compress(cv, block, SW_BLAKE3_BLOCK_BYTES, 0, flags | SW_BLAKE3_PARENT);
}

void sw_blake3_lanes_of_chunks(struct sw_blake3_lanes *lanes, const uint8_t *input, size_t bytes, uint64_t counter)
{
    const size_t whole = bytes / SW_BLAKE3_CHUNK_BYTES, rest = bytes % SW_BLAKE3_CHUNK_BYTES;

    lanes->count = whole + (rest > 0);
    lanes->blocks = SW_BLAKE3_CHUNK_BYTES / SW_BLAKE3_BLOCK_BYTES;
    lanes->counter = counter;
    lanes->counter_step = 1;
    lanes->flags = 0;
    lanes->flags_first = SW_BLAKE3_CHUNK_START;
    lanes->flags_last = SW_BLAKE3_CHUNK_END;
    lanes->short_blocks = (rest + SW_BLAKE3_BLOCK_BYTES - 1) / SW_BLAKE3_BLOCK_BYTES;
    lanes->short_last_bytes = 0;
    for (size_t i = 0; i < whole; i++)
        lanes->in[i] = input + i * SW_BLAKE3_CHUNK_BYTES;
    if (rest > 0) {
        lanes->short_last_bytes = (uint32_t)((rest - 1) % SW_BLAKE3_BLOCK_BYTES + 1);
        memcpy(lanes->padded, input + bytes - rest, rest);
        memset(lanes->padded + rest, 0, sizeof(lanes->padded) - rest);
        lanes->in[whole] = lanes->padded;
    }
    for (size_t i = lanes->count; i < SW_BLAKE3_WIDTH; i++)
        lanes->in[i] = lanes->in[i - 1];
}

void sw_blake3_lanes_of_parents(struct sw_blake3_lanes *lanes, const uint8_t *children, size_t count)
{
    lanes->count = count;
    lanes->blocks = 1;
    lanes->counter = 0;
    lanes->counter_step = 0;
    lanes->flags = SW_BLAKE3_PARENT;
    lanes->flags_first = 0;
    lanes->flags_last = 0;
    lanes->short_blocks = 0;
    for (size_t i = 0; i < SW_BLAKE3_WIDTH; i++)
        lanes->in[i] = children + (i < count ? i : count - 1) * SW_BLAKE3_BLOCK_BYTES;
}

/* One level up: pairs become parents, a chaining value left over goes up as it is. In place; returns how many. */
static size_t level_up(const struct sw_blake3_kernel *kernel, uint8_t *cvs, size_t count)
{
    const size_t pairs = count / 2;

    kernel->parents(cvs, pairs, cvs);
    if (count % 2)
        memmove(cvs + pairs * SW_BLAKE3_BYTES, cvs + (count - 1) * SW_BLAKE3_BYTES, SW_BLAKE3_BYTES);
    return pairs + count % 2;
}

/* The largest power of two of chunks that leaves at least one byte: how far a tree's left subtree reaches. */
static size_t left_bytes(size_t bytes)
{
    const size_t chunks = (bytes - 1) / SW_BLAKE3_CHUNK_BYTES;

    return (size_t)SW_BLAKE3_CHUNK_BYTES << (63 - __builtin_clzll(chunks));
}

/*
 * Writes a row of a subtree's chaining values, 1 to SW_BLAKE3_WIDTH of them, and returns how many. Not going up to the
 * top keeps the kernels' lanes full: each join of two full rows is one full pass.
 */
static size_t subtree_row(const struct sw_blake3_kernel *kernel, const uint8_t *input, size_t bytes, uint64_t counter,
                          uint8_t *cvs)
{
    uint8_t both[2 * SW_BLAKE3_WIDTH * SW_BLAKE3_BYTES];
    size_t left, count;

    if (bytes <= WIDTH_BYTES) {
        kernel->chunks(input, bytes, counter, cvs);
        return (bytes + SW_BLAKE3_CHUNK_BYTES - 1) / SW_BLAKE3_CHUNK_BYTES;
    }
    left = left_bytes(bytes);
    count = subtree_row(kernel, input, left, counter, both);
    assert(count == SW_BLAKE3_WIDTH);
    count += subtree_row(kernel, input + left, bytes - left, counter + left / SW_BLAKE3_CHUNK_BYTES,
                         both + count * SW_BLAKE3_BYTES);
    count = level_up(kernel, both, count);
    memcpy(cvs, both, count * SW_BLAKE3_BYTES);
    return count;
}

/* The last two chaining values under a subtree's top, side by side; the subtree has more than one chunk. */
static void subtree_pair(const struct sw_blake3_kernel *kernel, const uint8_t *input, size_t bytes, uint64_t counter,
                         uint8_t pair[SW_BLAKE3_BLOCK_BYTES])
{
    uint8_t row[SW_BLAKE3_WIDTH * SW_BLAKE3_BYTES];
    size_t count = subtree_row(kernel, input, bytes, counter, row);

    while (count > 2)
        count = level_up(kernel, row, count);
    memcpy(pair, row, SW_BLAKE3_BLOCK_BYTES);
}

/* The top of a subtree of one chunk or more. flags is 0 or SW_BLAKE3_ROOT. */
static void subtree(const struct sw_blake3_kernel *kernel, const uint8_t *input, size_t bytes, uint64_t counter,
                    uint32_t flags, uint8_t cv[SW_BLAKE3_BYTES])
{
    uint8_t pair[SW_BLAKE3_BLOCK_BYTES];

    if (bytes <= SW_BLAKE3_CHUNK_BYTES) {
        sw_blake3_chunk(kernel, input, bytes, counter, flags, cv);
        return;
    }
    subtree_pair(kernel, input, bytes, counter, pair);
    sw_blake3_parent(kernel, pair, flags, cv);
}

void sw_blake3(const void *data, size_t bytes, uint8_t hash[SW_BLAKE3_BYTES])
{
    subtree(sw_blake3_kernel_current(), data, bytes, 0, SW_BLAKE3_ROOT, hash);
}

void sw_blake3_init(struct sw_blake3_state *state)
{
    state->stack_count = 0;
    state->chunks_done = 0;
    state->pending_bytes = 0;
}

/*
 * Takes in a complete subtree of a power of two of chunks that is not the last input, at a place that is a multiple of
 * its size. As more input follows, none of the subtrees that it completes is the root.
 */
static void push(struct sw_blake3_state *state, const struct sw_blake3_kernel *kernel, const uint8_t *input,
                 size_t bytes)
{
    const uint64_t chunks = bytes / SW_BLAKE3_CHUNK_BYTES;
    uint8_t *top = state->stack[state->stack_count];

    subtree(kernel, input, bytes, state->chunks_done, 0, top);
    for (uint64_t size = chunks; state->chunks_done & size; size <<= 1) {
        top -= SW_BLAKE3_BYTES;
        sw_blake3_parent(kernel, top, 0, top);
        state->stack_count--;
    }
    state->stack_count++;
    state->chunks_done += chunks;
}

void sw_blake3_update(struct sw_blake3_state *state, const void *data, size_t bytes)
{
    const struct sw_blake3_kernel *kernel = sw_blake3_kernel_current();
    const uint8_t *input = data;

    while (bytes > 0) {
        size_t n;
        if (state->pending_bytes == WIDTH_BYTES) {
            push(state, kernel, state->pending, WIDTH_BYTES);
            state->pending_bytes = 0;
        }
        if (state->pending_bytes == 0 && bytes > WIDTH_BYTES) {
            /* Straight from the input, in the largest subtree that its place allows and that leaves some input. */
            n = left_bytes(bytes);
            while (state->chunks_done & (n / SW_BLAKE3_CHUNK_BYTES - 1))
                n /= 2;
            push(state, kernel, input, n);
        } else {
            n = WIDTH_BYTES - state->pending_bytes;
            if (n > bytes)
                n = bytes;
            memcpy(state->pending + state->pending_bytes, input, n);
            state->pending_bytes += n;
        }
        input += n;
        bytes -= n;
    }
}

void sw_blake3_final(const struct sw_blake3_state *state, uint8_t hash[SW_BLAKE3_BYTES])
{
    const struct sw_blake3_kernel *kernel = sw_blake3_kernel_current();
    uint8_t pair[SW_BLAKE3_BLOCK_BYTES];
    size_t depth = state->stack_count;

    if (depth == 0) {
        subtree(kernel, state->pending, state->pending_bytes, 0, SW_BLAKE3_ROOT, hash);
        return;
    }
    subtree(kernel, state->pending, state->pending_bytes, state->chunks_done, 0, pair + SW_BLAKE3_BYTES);
    while (depth-- > 0) {
        memcpy(pair, state->stack[depth], SW_BLAKE3_BYTES);
        sw_blake3_parent(kernel, pair, depth == 0 ? SW_BLAKE3_ROOT : 0, pair + SW_BLAKE3_BYTES);
    }
    memcpy(hash, pair + SW_BLAKE3_BYTES, SW_BLAKE3_BYTES);
}
