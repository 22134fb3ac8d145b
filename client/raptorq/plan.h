/*
 * Plans: how the intermediate symbols of one source block follow from a set of its encoding symbols, worked out from
 * the symbols' numbers alone. A plan is made once and run for each sub-block (RFC 6330 section 4.4.1.2), on column
 * stripes so narrow that what is being worked on stays in the cache. It is never changed by a run: any number of
 * threads may run the same one.
 */
#ifndef SW_RAPTORQ_PLAN_H
#define SW_RAPTORQ_PLAN_H

#include "client/raptorq/code.h"
#include "symwave/status.h"

struct sw_raptorq_plan;

/*
 * Makes a plan for a source block of k symbols (1 to SW_RAPTORQ_K_MAX) from the symbols with the count numbers esis
 * (each at most SW_RAPTORQ_ESI_MAX, all different). SW_OK; SW_NO_MEMORY; or SW_SHORT where they do not determine the
 * block: then missing, where not NULL, is how many more symbols it takes at least. Any thread; takes milliseconds per
 * thousand symbols.
 */
enum sw_status sw_raptorq_plan_new(uint32_t k, const uint32_t *esis, uint32_t count, struct sw_raptorq_plan **plan,
                                   uint32_t *missing);
/* The plan for encoding: from the source symbols 0 to k - 1, in this order. SW_OK or SW_NO_MEMORY. */
enum sw_status sw_raptorq_plan_new_encoder(uint32_t k, struct sw_raptorq_plan **plan);
void sw_raptorq_plan_free(struct sw_raptorq_plan *plan);

/* What it was made for. */
uint32_t sw_raptorq_plan_k(const struct sw_raptorq_plan *plan);
uint32_t sw_raptorq_plan_inputs(const struct sw_raptorq_plan *plan);

/* Sums over symbol-sized rows that a run carries out for each byte of a symbol, for tests and benchmarks. */
uint64_t sw_raptorq_plan_sums(const struct sw_raptorq_plan *plan);

/* The symbols that a run is to give, by their numbers; it belongs to its plan, which must outlive it. */
struct sw_raptorq_targets;
enum sw_status sw_raptorq_targets_new(const struct sw_raptorq_plan *plan, const uint32_t *esis, uint32_t count,
                                      struct sw_raptorq_targets **targets);
void sw_raptorq_targets_free(struct sw_raptorq_targets *targets);

/* The working memory that a run over rows of bytes asks for: about 1 MiB, and 8 MiB for the largest blocks. */
size_t sw_raptorq_run_bytes(const struct sw_raptorq_plan *plan, size_t bytes);

/*
 * Runs a plan over one sub-block, whose sub-symbols have bytes each, at least 1: inputs are those of the symbols that
 * the plan was made from, in that order; outputs are those of the targets, none of which may overlap anything else.
 * work is sw_raptorq_run_bytes() of memory, aligned in any way. Any thread; a work at a time.
 */
void sw_raptorq_run(const struct sw_raptorq_plan *plan, const struct sw_raptorq_targets *targets, size_t bytes,
                    const uint8_t *const *inputs, uint8_t *const *outputs, void *work);

#endif
