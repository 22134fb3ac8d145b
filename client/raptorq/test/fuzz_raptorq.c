/*
 * Fuzz target: 12 bytes of parameters, which must be refused or survive being written and read again and cut into
 * blocks that cover the object; then a small source block and any symbol numbers. Where the decoder says that these are
 * enough, they must give the source back; and what it says is missing must not be more than it turns out to take.
 */
#include "symwave/raptorq.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES 9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static void try_params(const uint8_t oti[SW_RAPTORQ_OTI_BYTES])
{
    struct sw_raptorq_params params;
    struct sw_raptorq_block block;
    struct sw_raptorq_sub_block sub;
    uint8_t again[SW_RAPTORQ_OTI_BYTES];
    uint64_t bytes = 0;

    if (sw_raptorq_oti_read(oti, &params, NULL) != SW_OK)
        return;
    sw_raptorq_oti_write(&params, again);
    must(memcmp(oti, again, sizeof(again)) == 0, "parameters change by being read and written");
    for (uint32_t i = 0; i < params.blocks; i++) {
        block = sw_raptorq_block_at(&params, i);
        must(block.k >= 1 && block.k <= SW_RAPTORQ_K_MAX && block.offset == bytes && block.bytes > 0, "a wrong block");
        bytes += block.bytes;
    }
    must(bytes == params.bytes, "the blocks are not the object");
    sub = sw_raptorq_sub_block_at(&params, 0, params.sub_blocks - 1);
    must(sub.bytes > 0 && sub.symbol_offset + sub.bytes == params.symbol_bytes, "the sub-blocks are not the symbol");
}

/* The rows that a plan gives for esis from inputs side by side, for the caller to free. */
static uint8_t *run(const struct sw_raptorq_plan *plan, const uint8_t *in, const uint32_t *esis, uint32_t count)
{
    const uint32_t input_count = sw_raptorq_plan_inputs(plan);
    uint8_t *out = malloc(count * (size_t)BYTES + 1), *work = malloc(sw_raptorq_run_bytes(plan, BYTES));
    const uint8_t **inputs = malloc(input_count * sizeof(*inputs));
    uint8_t **outputs = malloc((count + 1) * sizeof(*outputs));
    struct sw_raptorq_targets *targets;

    must(out != NULL && work != NULL && inputs != NULL && outputs != NULL, "no memory");
    for (uint32_t i = 0; i < input_count; i++)
        inputs[i] = in + i * (size_t)BYTES;
    for (uint32_t i = 0; i < count; i++)
        outputs[i] = out + i * (size_t)BYTES;
    must(sw_raptorq_targets_new(plan, esis, count, &targets) == SW_OK, "no targets");
    sw_raptorq_run(plan, targets, BYTES, inputs, outputs, work);
    sw_raptorq_targets_free(targets);
    free(outputs);
    free(inputs);
    free(work);
    return out;
}

static void try_decode(const struct sw_raptorq_decoder *decoder, uint32_t k)
{
    uint8_t *source = malloc(k * (size_t)BYTES), *received, *recovered;
    uint32_t *lost = malloc(k * sizeof(*lost)), count, lost_count;
    const uint32_t *esis = sw_raptorq_decoder_esis(decoder, &count);
    struct sw_raptorq_plan *encoder;

    must(source != NULL && lost != NULL, "no memory");
    for (size_t i = 0; i < k * (size_t)BYTES; i++)
        source[i] = (uint8_t)(i * i * 31 + i / 7);
    lost_count = sw_raptorq_decoder_lost(decoder, lost);
    must(sw_raptorq_plan_new_encoder(k, &encoder) == SW_OK, "no encoder");
    if (sw_raptorq_decoder_plan(decoder) != NULL) {
        received = run(encoder, source, esis, count);
        recovered = run(sw_raptorq_decoder_plan(decoder), received, lost, lost_count);
        for (uint32_t i = 0; i < lost_count; i++)
            must(memcmp(recovered + i * (size_t)BYTES, source + lost[i] * (size_t)BYTES, BYTES) == 0, "wrong symbols");
        free(received);
        free(recovered);
    }
    must(sw_raptorq_decoder_plan(decoder) != NULL || lost_count == 0, "no plan for lost symbols");
    sw_raptorq_plan_free(encoder);
    free(source);
    free(lost);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_raptorq_decoder *decoder;
    uint32_t k, esi = 0, least = 0, missing, count;

    if (size < SW_RAPTORQ_OTI_BYTES + 1)
        return 0;
    try_params(data);
    k = 1 + data[SW_RAPTORQ_OTI_BYTES];
    must(sw_raptorq_decoder_new(k, &decoder) == SW_OK, "no decoder");
    for (size_t i = SW_RAPTORQ_OTI_BYTES + 1; i < size; i++) {
        enum sw_status status;

        /* Mostly steps of a few numbers, but also jumps to anywhere, and back to what has been. */
        esi = data[i] < 0xc0 ? esi + (data[i] & 7) : (esi * 2654435761u ^ data[i]) & SW_RAPTORQ_ESI_MAX;
        if (sw_raptorq_decoder_add(decoder, esi, NULL) != SW_OK)
            continue;
        status = sw_raptorq_decoder_check(decoder, &missing);
        sw_raptorq_decoder_esis(decoder, &count);
        if (status == SW_OK) {
            must(count >= least, "fewer symbols are enough than was said");
            try_decode(decoder, k);
            break;
        }
        must(status == SW_SHORT && missing > 0, "short of nothing");
        least = count + missing > least ? count + missing : least;
    }
    sw_raptorq_decoder_free(decoder);
    return 0;
}
