/* What a layout says: see symwave/layout.h. */
#include "client/files/layout.h"
#include "common/blake3.h"
#include "common/memory.h"
#include <assert.h>

/* The network's own rule: a redundancy of five times the file, and the least that one symbol gets. */
#define REPAIR_SMALL_BYTES 65535
#define REPAIR_SMALL       6
#define REPAIR_FACTOR      5

uint32_t sw_layout_repair_count(const struct sw_raptorq_params *params, uint32_t sbn)
{
    const uint64_t bytes = sw_raptorq_block_at(params, sbn).bytes;

    if (bytes <= REPAIR_SMALL_BYTES)
        return REPAIR_SMALL;
    return (uint32_t)((bytes * REPAIR_FACTOR + REPAIR_SMALL_BYTES - 1) / REPAIR_SMALL_BYTES);
}

void sw_layout_count(struct sw_layout *layout)
{
    const struct sw_raptorq_params *params = &layout->params;

    layout->first[0] = 0;
    for (uint32_t sbn = 0; sbn < params->blocks; sbn++)
        layout->first[sbn + 1] =
            layout->first[sbn] + sw_raptorq_block_at(params, sbn).k + sw_layout_repair_count(params, sbn);
}

uint64_t sw_layout_symbol_count(const struct sw_layout *layout)
{
    return layout->first[layout->params.blocks];
}

struct sw_key sw_layout_id(const struct sw_layout *layout)
{
    uint8_t oti[SW_RAPTORQ_OTI_BYTES];
    struct sw_blake3_state state;
    struct sw_key id;

    sw_raptorq_oti_write(&layout->params, oti);
    sw_blake3_init(&state);
    sw_blake3_update(&state, oti, sizeof(oti));
    sw_blake3_update(&state, layout->hash.bytes, sizeof(layout->hash.bytes));
    sw_blake3_update(&state, layout->keys, sw_layout_symbol_count(layout) * sizeof(*layout->keys));
    sw_blake3_final(&state, id.bytes);
    return id;
}

void sw_layout_free(struct sw_layout *layout)
{
    if (!layout)
        return;
    sw_free(layout->keys);
    sw_free(layout);
}

const struct sw_raptorq_params *sw_layout_params(const struct sw_layout *layout)
{
    return &layout->params;
}

const struct sw_key *sw_layout_hash(const struct sw_layout *layout)
{
    return &layout->hash;
}

struct sw_layout_block sw_layout_block_at(const struct sw_layout *layout, uint32_t sbn)
{
    assert(sbn < layout->params.blocks);
    struct sw_layout_block block = {.k = sw_raptorq_block_at(&layout->params, sbn).k};
    block.repair = (uint32_t)(layout->first[sbn + 1] - layout->first[sbn]) - block.k;
    block.keys = layout->keys + layout->first[sbn];
    return block;
}
