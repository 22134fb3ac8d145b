/*
 * Which symbols of one source block have come, and whether they determine it: the decodability check from symbol
 * numbers alone. It holds no symbol; once the block is decodable it has the plan that rebuilds it.
 *
 * The check is exact and cheap enough to ask after every symbol: nothing is worked out before K symbols have come, and
 * after a failure not before as many more have come as it takes at least.
 */
#ifndef SW_RAPTORQ_DECODE_H
#define SW_RAPTORQ_DECODE_H

#include "client/raptorq/plan.h"

struct sw_raptorq_decoder;

/* A decoder of a source block of k symbols, 1 to SW_RAPTORQ_K_MAX. SW_OK or SW_NO_MEMORY. */
enum sw_status sw_raptorq_decoder_new(uint32_t k, struct sw_raptorq_decoder **decoder);
void sw_raptorq_decoder_free(struct sw_raptorq_decoder *decoder);

/*
 * Takes note of a symbol. added, where not NULL, says whether it was of use: not if it was known already or the block
 * is known to be decodable without it. SW_OK, SW_NO_MEMORY, or SW_INVALID_ARGUMENT for an esi above SW_RAPTORQ_ESI_MAX.
 */
enum sw_status sw_raptorq_decoder_add(struct sw_raptorq_decoder *decoder, uint32_t esi, bool *added);

/*
 * Whether the symbols noted determine the block: SW_OK; SW_SHORT, with how many more it takes at least in missing where
 * that is not NULL; SW_NO_MEMORY.
 */
enum sw_status sw_raptorq_decoder_check(struct sw_raptorq_decoder *decoder, uint32_t *missing);

/* The symbols noted, in the order in which they came: that of the plan's inputs. Valid until the next is added. */
const uint32_t *sw_raptorq_decoder_esis(const struct sw_raptorq_decoder *decoder, uint32_t *count);

/*
 * After a check that gave SW_OK: the plan, or NULL where all source symbols have come and there is nothing to solve.
 * The decoder keeps it.
 */
const struct sw_raptorq_plan *sw_raptorq_decoder_plan(const struct sw_raptorq_decoder *decoder);

/* The source symbols that have not come, ascending: at most k of them. Returns how many. */
uint32_t sw_raptorq_decoder_lost(const struct sw_raptorq_decoder *decoder, uint32_t *esis);

#endif
