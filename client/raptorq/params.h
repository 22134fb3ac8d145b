/*
 * What a file is cut into: RFC 6330's transport parameters (section 4.3), their 12 bytes (3.3.2, 3.3.3), and the source
 * blocks and sub-blocks that follow from them (4.4.1.2).
 */
#ifndef SW_RAPTORQ_PARAMS_H
#define SW_RAPTORQ_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SW_RAPTORQ_OTI_BYTES        12
#define SW_RAPTORQ_PAYLOAD_ID_BYTES 4
#define SW_RAPTORQ_BYTES_MAX        946270874880 /* of an object */

struct sw_raptorq_params {
    uint64_t bytes;        /* F */
    uint32_t symbol_bytes; /* T, a multiple of alignment */
    uint32_t blocks;       /* Z, 1 to 255 */
    uint32_t sub_blocks;   /* N in each source block */
    uint32_t alignment;    /* Al */
};

/* What the parameters are derived from. */
struct sw_raptorq_limits {
    uint32_t packet_bytes_max; /* P', rounded down to a multiple of alignment */
    uint32_t alignment;        /* Al */
    uint32_t sub_symbol_min;   /* SS: the least sub-symbol, in units of alignment */
    uint64_t memory_bytes;     /* WS */
};

/* Symwave's own: symbols of 65,528 bytes, sub-blocks of 10 MiB. */
extern const struct sw_raptorq_limits sw_raptorq_limits_default;

/* Section 4.3. Returns NULL, or what is wrong: an object of no bytes or too large for the limits. */
const char *sw_raptorq_params_derive(uint64_t bytes, const struct sw_raptorq_limits *limits,
                                     struct sw_raptorq_params *params);

/* Returns NULL where the parameters are such as RFC 6330 allows, or else what is wrong with them. */
const char *sw_raptorq_params_check(const struct sw_raptorq_params *params);

/* To and from the 12 bytes. Reading returns NULL, or what is wrong; it takes no parameters that fail the check. */
void sw_raptorq_oti_write(const struct sw_raptorq_params *params, uint8_t oti[SW_RAPTORQ_OTI_BYTES]);
const char *sw_raptorq_oti_read(const uint8_t oti[SW_RAPTORQ_OTI_BYTES], struct sw_raptorq_params *params);

/* The FEC payload ID before each symbol: source block number, encoding symbol ID. */
void sw_raptorq_payload_id_write(uint8_t sbn, uint32_t esi, uint8_t id[SW_RAPTORQ_PAYLOAD_ID_BYTES]);
void sw_raptorq_payload_id_read(const uint8_t id[SW_RAPTORQ_PAYLOAD_ID_BYTES], uint8_t *sbn, uint32_t *esi);

/* A source block: k symbols from offset on; bytes of them in the object, the rest, of the last block only, zeros. */
struct sw_raptorq_block {
    uint32_t k;
    uint64_t offset, bytes;
};
struct sw_raptorq_block sw_raptorq_block(const struct sw_raptorq_params *params, uint32_t sbn);

/*
 * A sub-block: bytes [symbol_offset, symbol_offset + bytes) of every symbol of its source block. In the object, they
 * are k times bytes in one piece, sub-symbol after sub-symbol, from the block's offset + block_offset on.
 */
struct sw_raptorq_sub_block {
    uint32_t symbol_offset, bytes;
    uint64_t block_offset;
};
struct sw_raptorq_sub_block sw_raptorq_sub_block(const struct sw_raptorq_params *params, uint32_t sbn, uint32_t index);

#endif
