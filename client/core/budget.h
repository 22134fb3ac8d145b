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

/*
 * What of that one user of several may reserve, who holds so much of the budget: at most so many times what would be
 * left for the others. So nobody ever has all of it, whoever comes next finds something, and users who all want more
 * than there is end up with the same. (The dynamic threshold by which switches share their buffers, Choudhury and Hahne
 * 1998.) Who holds nothing may have least_bytes, where there are so many: enough for the smallest thing he can do.
 */
#define SW_BUDGET_TIMES_LEFT 8
uint64_t sw_budget_room(const struct sw_budget *budget, uint64_t held_bytes, uint64_t least_bytes);

#endif
