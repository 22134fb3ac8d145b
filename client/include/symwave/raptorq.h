/*
 * RaptorQ, RFC 6330: the codec by itself, for programs that keep or send symbols in ways of their own. It does no
 * input or output and starts no thread. (Files as symbols on nodes are symwave/file.h.)
 *
 * An object is cut into source blocks of K source symbols of T bytes each; any symbol of a block is made from its
 * source symbols, and slightly more than K different symbols of any kind give them back. A block may be cut across
 * into sub-blocks, byte columns that are coded each by itself.
 *
 * Plan once, run often: a plan says which rows to add to which and follows from the symbols' numbers alone. It is made
 * once a block and run for each of its sub-blocks, or for any other columns of its symbols.
 *
 *     encode: sw_raptorq_plan_new_encoder -> sw_raptorq_targets_new(the ESIs to make) -> sw_raptorq_run
 *     decode: sw_raptorq_decoder_add, sw_raptorq_decoder_check until SW_OK
 *             -> sw_raptorq_decoder_plan -> sw_raptorq_targets_new(the source ESIs that are lost) -> sw_raptorq_run
 *
 * Names follow RFC 6330: SBN, the source block number; ESI, the encoding symbol ID, below K for source symbols and from
 * K on for repair symbols; OTI, the object transmission information. Unless it says otherwise, a function here may be
 * called from any thread, does not block, and needs one thread at a time for each object that it changes.
 */
#ifndef SYMWAVE_RAPTORQ_H
#define SYMWAVE_RAPTORQ_H

#include "symwave/status.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SW_RAPTORQ_K_MAX            56403        /* source symbols of a block */
#define SW_RAPTORQ_ESI_MAX          0xffffff     /* the last encoding symbol ID */
#define SW_RAPTORQ_BYTES_MAX        946270874880 /* of an object */
#define SW_RAPTORQ_OTI_BYTES        12
#define SW_RAPTORQ_PAYLOAD_ID_BYTES 4
#define SW_RAPTORQ_COLUMNS_MAX      33 /* intermediate symbols that make one symbol: 30 LT and 3 PI */

/* ---- parameters: section 4.3, 4.4.1.2, 3.3 ---- */

/* What an object is cut into. */
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

/*
 * Derives the parameters for an object of bytes, as section 4.3 does; limits NULL: Symwave's own, which give symbols of
 * 65,528 bytes and sub-blocks of at most 10 MiB. SW_INVALID_ARGUMENT: no bytes, or too many for the limits.
 */
SW_PUBLIC enum sw_status sw_raptorq_params_derive(uint64_t bytes, const struct sw_raptorq_limits *limits,
                                                  struct sw_raptorq_params *params, struct sw_error *error);

/* Whether parameters are such as RFC 6330 allows: SW_OK, or SW_INVALID_ARGUMENT with what is wrong. */
SW_PUBLIC enum sw_status sw_raptorq_params_check(const struct sw_raptorq_params *params, struct sw_error *error);

/*
 * To and from the 12 bytes of section 3.3. Writing takes parameters that pass the check; reading gives no others:
 * SW_INVALID_ARGUMENT.
 */
SW_PUBLIC void sw_raptorq_oti_write(const struct sw_raptorq_params *params, uint8_t oti[SW_RAPTORQ_OTI_BYTES]);
SW_PUBLIC enum sw_status sw_raptorq_oti_read(const uint8_t oti[SW_RAPTORQ_OTI_BYTES], struct sw_raptorq_params *params,
                                             struct sw_error *error);

/* The FEC payload ID that goes before a symbol (section 3.2): source block number, encoding symbol ID. */
SW_PUBLIC void sw_raptorq_payload_id_write(uint8_t sbn, uint32_t esi, uint8_t id[SW_RAPTORQ_PAYLOAD_ID_BYTES]);
SW_PUBLIC void sw_raptorq_payload_id_read(const uint8_t id[SW_RAPTORQ_PAYLOAD_ID_BYTES], uint8_t *sbn, uint32_t *esi);

/* A source block: k symbols from offset on; bytes of them in the object, the rest, of the last block only, zeros. */
struct sw_raptorq_block {
    uint32_t k;
    uint64_t offset, bytes;
};
/* Block number sbn, below params->blocks, of parameters that pass the check. */
SW_PUBLIC struct sw_raptorq_block sw_raptorq_block_at(const struct sw_raptorq_params *params, uint32_t sbn);

/*
 * A sub-block: bytes [symbol_offset, symbol_offset + bytes) of every symbol of its source block. In the object, they
 * are k times bytes in one piece, sub-symbol after sub-symbol, from the block's offset + block_offset on.
 */
struct sw_raptorq_sub_block {
    uint32_t symbol_offset, bytes;
    uint64_t block_offset;
};
/* Sub-block number index, below params->sub_blocks, of block sbn. */
SW_PUBLIC struct sw_raptorq_sub_block sw_raptorq_sub_block_at(const struct sw_raptorq_params *params, uint32_t sbn,
                                                              uint32_t index);

/* ---- plans ---- */

/*
 * How the intermediate symbols of one source block follow from a set of its encoding symbols (section 5.4). Never
 * changed by a run: any number of threads may run the same one.
 */
struct sw_raptorq_plan;

/*
 * Makes a plan for a source block of k symbols (1 to SW_RAPTORQ_K_MAX) from the symbols with the count numbers esis
 * (each at most SW_RAPTORQ_ESI_MAX, all different). SW_OK; SW_NO_MEMORY; or SW_SHORT where they do not determine the
 * block: then missing, where not NULL, is how many more symbols it takes at least. Takes milliseconds per thousand
 * symbols, and some 600 bytes of memory a symbol. The caller frees *plan.
 */
SW_PUBLIC enum sw_status sw_raptorq_plan_new(uint32_t k, const uint32_t *esis, uint32_t count,
                                             struct sw_raptorq_plan **plan, uint32_t *missing);
/* The plan for encoding: from the source symbols 0 to k - 1, in this order. SW_OK or SW_NO_MEMORY. */
SW_PUBLIC enum sw_status sw_raptorq_plan_new_encoder(uint32_t k, struct sw_raptorq_plan **plan);
SW_PUBLIC void sw_raptorq_plan_free(struct sw_raptorq_plan *plan); /* NULL is allowed */

/* What it was made for. */
SW_PUBLIC uint32_t sw_raptorq_plan_k(const struct sw_raptorq_plan *plan);
SW_PUBLIC uint32_t sw_raptorq_plan_inputs(const struct sw_raptorq_plan *plan);

/* The memory that it holds. */
SW_PUBLIC size_t sw_raptorq_plan_bytes(const struct sw_raptorq_plan *plan);

/* Sums over symbol-sized rows that a run carries out for each byte of a symbol, for tests and benchmarks. */
SW_PUBLIC uint64_t sw_raptorq_plan_sums(const struct sw_raptorq_plan *plan);

/* The symbols that a run is to give, by their numbers; they belong to their plan, which must outlive them. */
struct sw_raptorq_targets;
SW_PUBLIC enum sw_status sw_raptorq_targets_new(const struct sw_raptorq_plan *plan, const uint32_t *esis,
                                                uint32_t count, struct sw_raptorq_targets **targets);
SW_PUBLIC void sw_raptorq_targets_free(struct sw_raptorq_targets *targets); /* NULL is allowed */

/* The working memory that a run over rows of bytes asks for: about 1 MiB, and 8 MiB for the largest blocks. */
SW_PUBLIC size_t sw_raptorq_run_bytes(const struct sw_raptorq_plan *plan, size_t bytes);

/*
 * Runs a plan over one sub-block, whose sub-symbols have bytes each, at least 1: inputs are those of the symbols that
 * the plan was made from, in that order; outputs are those of the targets, none of which may overlap anything else.
 * work is sw_raptorq_run_bytes() of memory, aligned in any way, a thread's own.
 */
SW_PUBLIC void sw_raptorq_run(const struct sw_raptorq_plan *plan, const struct sw_raptorq_targets *targets,
                              size_t bytes, const uint8_t *const *inputs, uint8_t *const *outputs, void *work);

/* ---- decoding ---- */

/*
 * Which symbols of one source block have come, and whether they determine it: the decodability check from symbol
 * numbers alone. It holds no symbol; once the block is decodable it has the plan that rebuilds it.
 *
 * The check is exact and cheap enough to ask after every symbol: nothing is worked out before K symbols have come, and
 * after a failure not before as many more have come as it takes at least.
 */
struct sw_raptorq_decoder;

/* A decoder of a source block of k symbols, 1 to SW_RAPTORQ_K_MAX. SW_OK or SW_NO_MEMORY. */
SW_PUBLIC enum sw_status sw_raptorq_decoder_new(uint32_t k, struct sw_raptorq_decoder **decoder);
SW_PUBLIC void sw_raptorq_decoder_free(struct sw_raptorq_decoder *decoder); /* NULL is allowed */

/*
 * Takes note of a symbol. added, where not NULL, says whether it was of use: not if it was known already or the block
 * is known to be decodable without it. SW_OK, SW_NO_MEMORY, or SW_INVALID_ARGUMENT for an esi above SW_RAPTORQ_ESI_MAX.
 */
SW_PUBLIC enum sw_status sw_raptorq_decoder_add(struct sw_raptorq_decoder *decoder, uint32_t esi, bool *added);

/*
 * Whether the symbols noted determine the block: SW_OK; SW_SHORT, with how many more it takes at least in missing where
 * that is not NULL; SW_NO_MEMORY.
 */
SW_PUBLIC enum sw_status sw_raptorq_decoder_check(struct sw_raptorq_decoder *decoder, uint32_t *missing);

/* The symbols noted, in the order in which they came: that of the plan's inputs. Valid until the next is added. */
SW_PUBLIC const uint32_t *sw_raptorq_decoder_esis(const struct sw_raptorq_decoder *decoder, uint32_t *count);

/*
 * After a check that gave SW_OK: the plan, or NULL where all source symbols have come and there is nothing to solve.
 * The decoder keeps it.
 */
SW_PUBLIC const struct sw_raptorq_plan *sw_raptorq_decoder_plan(const struct sw_raptorq_decoder *decoder);

/* The source symbols that have not come, ascending: at most k of them. Returns how many. */
SW_PUBLIC uint32_t sw_raptorq_decoder_lost(const struct sw_raptorq_decoder *decoder, uint32_t *esis);

/* ---- encoding from intermediate symbols that are kept ---- */

/*
 * For many symbols, or when they are not known yet when the plan is run. The intermediate symbols are little more than
 * the source block (sw_raptorq_intermediate_count() rows of a symbol's size); kept in a file, they let any symbol of a
 * block of any size be made with a few reads.
 */

/* How many intermediate symbols a source block of k symbols has: L. */
SW_PUBLIC uint32_t sw_raptorq_intermediate_count(uint32_t k);

/* Targets for a run that gives all intermediate symbols, in order. SW_OK or SW_NO_MEMORY. */
SW_PUBLIC enum sw_status sw_raptorq_targets_new_intermediate(const struct sw_raptorq_plan *plan,
                                                             struct sw_raptorq_targets **targets);

/*
 * The intermediate symbols whose sum is symbol esi (at most SW_RAPTORQ_ESI_MAX) of a source block of k, all different.
 * Returns their number, which is at least 3.
 */
SW_PUBLIC size_t sw_raptorq_encode_rows(uint32_t k, uint32_t esi, uint32_t rows[SW_RAPTORQ_COLUMNS_MAX]);

/* Writes the sum of count rows of bytes each, at least one; the sum overlaps none of them. */
SW_PUBLIC void sw_raptorq_encode_sum(const uint8_t *const *rows, size_t count, size_t bytes, uint8_t *sum);

#ifdef __cplusplus
}
#endif

#endif
