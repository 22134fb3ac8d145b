/* The byte budget. */
#include "client/core/budget.h"
#include <assert.h>

uint64_t sw_budget_available(const struct sw_budget *budget)
{
    return budget->reserved_bytes < budget->limit_bytes ? budget->limit_bytes - budget->reserved_bytes : 0;
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
