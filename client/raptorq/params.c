/* Transport parameters, source blocks and sub-blocks: see symwave/raptorq.h. */
#include "client/raptorq/code.h"
#include <assert.h>

#define BLOCKS_MAX       255 /* Z has 8 bits, and is not 0 */
#define SUB_BLOCKS_MAX   65535
#define SYMBOL_BYTES_MAX 65535

/* Symwave's own. */
static const struct sw_raptorq_limits default_limits = {
    .packet_bytes_max = 65535, .alignment = 8, .sub_symbol_min = 8, .memory_bytes = 10 << 20};

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

/* Partition[I, J] of section 4.4.1.2. */
struct partition {
    uint64_t large, small; /* IL, IS */
    uint64_t large_count;  /* JL */
};

static struct partition partition(uint64_t size, uint64_t count)
{
    return (struct partition){divide_up(size, count), size / count, size % count};
}

/* KL(n): the most symbols of table 2 that fit the memory in n sub-blocks; 0 when not even the fewest do. */
static uint32_t symbols_max(uint32_t n, uint32_t symbol_bytes, const struct sw_raptorq_limits *limits)
{
    const uint64_t bytes = limits->alignment * divide_up(symbol_bytes, (uint64_t)limits->alignment * n);
    uint32_t k = 0;

    for (size_t i = 0; i < SW_RAPTORQ_ROWS && sw_raptorq_table[i].k_extended <= limits->memory_bytes / bytes; i++)
        k = sw_raptorq_table[i].k_extended;
    return k;
}

static const char *params_fault(const struct sw_raptorq_params *params)
{
    uint64_t symbols;

    if (params->bytes == 0 || params->bytes > SW_RAPTORQ_BYTES_MAX)
        return "the transfer length is 0 or more than 946270874880";
    if (params->symbol_bytes == 0 || params->symbol_bytes > SYMBOL_BYTES_MAX)
        return "the symbol size is 0 or more than 65535";
    if (params->alignment == 0 || params->alignment > 255 || params->symbol_bytes % params->alignment != 0)
        return "the symbol size is not a multiple of the alignment";
    symbols = divide_up(params->bytes, params->symbol_bytes);
    if (params->blocks == 0 || params->blocks > BLOCKS_MAX || params->blocks > symbols)
        return "the number of source blocks is 0, or more than there are symbols";
    if (divide_up(symbols, params->blocks) > SW_RAPTORQ_K_MAX)
        return "a source block has more than 56403 symbols";
    if (params->sub_blocks == 0 || params->sub_blocks > SUB_BLOCKS_MAX ||
        params->sub_blocks > params->symbol_bytes / params->alignment)
        return "the number of sub-blocks is 0, or a sub-symbol has no bytes";
    return NULL;
}

static const char *derive(uint64_t bytes, const struct sw_raptorq_limits *limits, struct sw_raptorq_params *params)
{
    const uint32_t al = limits->alignment;
    uint64_t symbols, blocks;
    uint32_t n_max, n = 1, k_max;

    if (bytes == 0)
        return "there are no bytes to encode";
    if (al == 0 || al > 255 || limits->sub_symbol_min == 0 || limits->packet_bytes_max < al ||
        limits->packet_bytes_max > SYMBOL_BYTES_MAX)
        return "the limits leave no symbol size";
    *params =
        (struct sw_raptorq_params){.bytes = bytes, .symbol_bytes = limits->packet_bytes_max / al * al, .alignment = al};
    symbols = divide_up(bytes, params->symbol_bytes);
    n_max = params->symbol_bytes / al / limits->sub_symbol_min;
    if (n_max == 0)
        return "the limits leave no sub-symbol size";
    k_max = symbols_max(n_max, params->symbol_bytes, limits);
    if (k_max == 0)
        return "the limits leave no memory for a sub-block";
    blocks = divide_up(symbols, k_max);
    if (bytes > SW_RAPTORQ_BYTES_MAX || blocks > BLOCKS_MAX)
        return "the object is too large for its symbol size";
    params->blocks = (uint32_t)blocks;
    while (n < n_max && divide_up(symbols, blocks) > symbols_max(n, params->symbol_bytes, limits))
        n++;
    params->sub_blocks = n;
    return params_fault(params);
}

static enum sw_status status_of(const char *fault, struct sw_error *error)
{
    return fault == NULL ? SW_OK : sw_error_set(error, SW_INVALID_ARGUMENT, "%s", fault);
}

enum sw_status sw_raptorq_params_derive(uint64_t bytes, const struct sw_raptorq_limits *limits,
                                        struct sw_raptorq_params *params, struct sw_error *error)
{
    return status_of(derive(bytes, limits == NULL ? &default_limits : limits, params), error);
}

enum sw_status sw_raptorq_params_check(const struct sw_raptorq_params *params, struct sw_error *error)
{
    return status_of(params_fault(params), error);
}

static void write_big_endian(uint8_t *to, uint64_t value, size_t bytes)
{
    while (bytes-- > 0) {
        to[bytes] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t read_big_endian(const uint8_t *from, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

void sw_raptorq_oti_write(const struct sw_raptorq_params *params, uint8_t oti[SW_RAPTORQ_OTI_BYTES])
{
    assert(params_fault(params) == NULL);
    write_big_endian(oti, params->bytes, 5);
    oti[5] = 0;
    write_big_endian(oti + 6, params->symbol_bytes, 2);
    oti[8] = (uint8_t)params->blocks;
    write_big_endian(oti + 9, params->sub_blocks, 2);
    oti[11] = (uint8_t)params->alignment;
}

enum sw_status sw_raptorq_oti_read(const uint8_t oti[SW_RAPTORQ_OTI_BYTES], struct sw_raptorq_params *params,
                                   struct sw_error *error)
{
    *params = (struct sw_raptorq_params){.bytes = read_big_endian(oti, 5),
                                         .symbol_bytes = (uint32_t)read_big_endian(oti + 6, 2),
                                         .blocks = oti[8],
                                         .sub_blocks = (uint32_t)read_big_endian(oti + 9, 2),
                                         .alignment = oti[11]};
    return status_of(oti[5] != 0 ? "the reserved byte is not 0" : params_fault(params), error);
}

void sw_raptorq_payload_id_write(uint8_t sbn, uint32_t esi, uint8_t id[SW_RAPTORQ_PAYLOAD_ID_BYTES])
{
    assert(esi <= SW_RAPTORQ_ESI_MAX);
    id[0] = sbn;
    write_big_endian(id + 1, esi, 3);
}

void sw_raptorq_payload_id_read(const uint8_t id[SW_RAPTORQ_PAYLOAD_ID_BYTES], uint8_t *sbn, uint32_t *esi)
{
    *sbn = id[0];
    *esi = (uint32_t)read_big_endian(id + 1, 3);
}

struct sw_raptorq_block sw_raptorq_block_at(const struct sw_raptorq_params *params, uint32_t sbn)
{
    const struct partition part = partition(divide_up(params->bytes, params->symbol_bytes), params->blocks);
    const uint64_t large_before = sbn < part.large_count ? sbn : part.large_count;
    struct sw_raptorq_block block;

    assert(sbn < params->blocks);
    block.k = (uint32_t)(sbn < part.large_count ? part.large : part.small);
    block.offset = (sbn * part.small + large_before) * params->symbol_bytes;
    block.bytes = (uint64_t)block.k * params->symbol_bytes;
    if (block.bytes > params->bytes - block.offset)
        block.bytes = params->bytes - block.offset;
    return block;
}

struct sw_raptorq_sub_block sw_raptorq_sub_block_at(const struct sw_raptorq_params *params, uint32_t sbn,
                                                    uint32_t index)
{
    const struct partition part = partition(params->symbol_bytes / params->alignment, params->sub_blocks);
    const uint64_t large_before = index < part.large_count ? index : part.large_count;
    struct sw_raptorq_sub_block sub;

    assert(index < params->sub_blocks);
    sub.bytes = (uint32_t)(index < part.large_count ? part.large : part.small) * params->alignment;
    sub.symbol_offset = (uint32_t)(index * part.small + large_before) * params->alignment;
    sub.block_offset = (uint64_t)sw_raptorq_block_at(params, sbn).k * sub.symbol_offset;
    return sub;
}
