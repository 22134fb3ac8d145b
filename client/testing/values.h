/* What the nodes of a test hold: each value once, with the nodes that hold it. Any thread. */
#ifndef SW_TESTING_VALUES_H
#define SW_TESTING_VALUES_H

#include "symwave/key.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value; what refers to it holds it. */
struct test_value {
    atomic_uint references;
    struct sw_key key;
    size_t count;
    uint8_t bytes[];
};
void sw_test_value_unref(void *value);

struct test_values;
/* NULL without memory. */
struct test_values *sw_test_values_new(void);
void sw_test_values_free(struct test_values *values);

/* Has the nodes of a mask, bit by bit, hold a copy of the bytes. False without memory. */
bool sw_test_values_add(struct test_values *values, uint64_t nodes, const void *bytes, size_t count,
                        struct sw_key *key);
void sw_test_values_remove(struct test_values *values, uint64_t nodes, const struct sw_key *key);
/* The value, if the node holds it, for the caller to give up; NULL otherwise. */
struct test_value *sw_test_values_find(struct test_values *values, uint32_t node, const struct sw_key *key);
/* Any value of another key, for the caller to give up; NULL where there is none. */
struct test_value *sw_test_values_other(struct test_values *values, const struct sw_key *key);
/* How many the node holds, and their bytes. */
void sw_test_values_count(struct test_values *values, uint32_t node, uint64_t *symbols, uint64_t *bytes);

#endif
