/*
 * The byte budget: what is asked for, or read, and not yet in its place. Pure; grouped with what guards it (the
 * client's lock).
 */
#ifndef SW_BUDGET_H
#define SW_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct sw_budget {
    uint64_t limit_bytes;
    uint64_t reserved_bytes;
    uint64_t high_water_bytes;
};

/* Reserves bytes; false, and nothing is reserved, where the limit would be passed. */
bool sw_budget_reserve(struct sw_budget *budget, uint64_t bytes);
/* Gives back; more than is reserved is our own mistake. */
void sw_budget_release(struct sw_budget *budget, uint64_t bytes);
/* What can still be reserved. */
uint64_t sw_budget_available(const struct sw_budget *budget);

#endif
