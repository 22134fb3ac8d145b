/* Distinct keys of a list that may hold some twice. */
#ifndef SW_KEY_SET_H
#define SW_KEY_SET_H

#include "symwave/key.h"

/*
 * Finds the distinct keys of a list, in order. Where all are distinct, *copy and *index are NULL and the list itself
 * serves; else *copy holds the distinct keys and *index where in the list each stands first, both for the caller to
 * free. SW_NO_MEMORY.
 */
enum sw_status sw_keys_distinct(const struct sw_key *keys, size_t key_count, struct sw_key **copy, uint32_t **index,
                                size_t *distinct, struct sw_error *error);

#endif
