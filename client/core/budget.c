/* The byte budget. */
#include "client/core/budget.h"
#include <assert.h>

uint64_t sw_budget_available(const struct sw_budget *budget)
{
    return budget->reserved_bytes < budget->limit_bytes ? budget->limit_bytes - budget->reserved_bytes : 0;
}

uint64_t sw_budget_room(const struct sw_budget *budget, uint64_t held_bytes, uint64_t least_bytes)
{
    uint64_t left = sw_budget_available(budget), owed = held_bytes / SW_BUDGET_TIMES_LEFT;

    uint64_t spare = left > owed ? left - owed : 0, room = spare - spare / (SW_BUDGET_TIMES_LEFT + 1);

    if (held_bytes == 0 && room < least_bytes && left >= least_bytes)
        return least_bytes;
    return room;
}

bool sw_budget_reserve(struct sw_budget *budget, uint64_t bytes)
{
    if (bytes > sw_budget_available(budget))
        return false;
    budget->reserved_bytes += bytes;
    if (budget->reserved_bytes > budget->high_water_bytes)
        budget->high_water_bytes = budget->reserved_bytes;
    return true;
}

void sw_budget_release(struct sw_budget *budget, uint64_t bytes)
{
    assert(bytes <= budget->reserved_bytes);
    budget->reserved_bytes -= bytes;
}
