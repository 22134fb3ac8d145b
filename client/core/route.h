/*
 * Routes: which nodes are a key's candidates, and which of them is asked in which wave. Pure.
 */
#ifndef SW_ROUTE_H
#define SW_ROUTE_H

#include "symwave/key.h"

#define SW_ROUTE_CANDIDATES_MAX 16

/*
 * The places of a set of nodes, made for finding the nearest to a key. Immutable after it is made: any thread may read.
 * A node is known by its index in the array that the table was made from.
 */
struct sw_route_table;

/* places is copied. NULL without memory. The caller frees it. */
struct sw_route_table *sw_route_table_new(const struct sw_key *places, uint32_t node_count);
void sw_route_table_free(struct sw_route_table *table); /* NULL is allowed */
uint32_t sw_route_table_count(const struct sw_route_table *table);

/*
 * The k nodes nearest to key by XOR, nearest first; fewer where there are fewer nodes. Returns how many. Allocates
 * nothing; time grows with the logarithm of the number of nodes.
 */
uint32_t sw_route_nearest(const struct sw_route_table *table, const struct sw_key *key, uint32_t k, uint32_t *nodes);

/*
 * h(key's base58 text + task) mod k: the network's 64-bit FNV-1a loop, prime 1099511628211, started from
 * 1469598103934665603 (not FNV's usual offset; it is the network's). k > 0.
 */
uint32_t sw_route_base(const struct sw_key *key, const char *task, uint32_t k);

#define SW_ROUTE_BASES 4

/* The same of SW_ROUTE_BASES keys in one go, in much less time than one after the other. */
void sw_route_bases(const struct sw_key *keys, const char *task, uint32_t k, uint32_t bases[SW_ROUTE_BASES]);

#endif
