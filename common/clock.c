#include "common/clock.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* What a test has made of time: it stands still at stopped_us, unless that is 0, or is ahead by so much. */
static _Atomic uint64_t stopped_us, ahead_us;

static uint64_t machine_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t sw_clock_us(void)
{
    uint64_t stopped = atomic_load_explicit(&stopped_us, memory_order_acquire);
    return stopped ? stopped : machine_us() + atomic_load_explicit(&ahead_us, memory_order_relaxed);
}

uint64_t sw_clock_machine_us(uint64_t at_us)
{
    if (at_us == SW_CLOCK_NEVER)
        return at_us;
    if (atomic_load_explicit(&stopped_us, memory_order_acquire))
        return machine_us() + SW_CLOCK_LOOK_US;
    uint64_t ahead = atomic_load_explicit(&ahead_us, memory_order_relaxed);
    return at_us > ahead ? at_us - ahead : 0;
}

void sw_clock_stop(uint64_t at_us)
{
    atomic_store(&stopped_us, at_us);
}

void sw_clock_run(void)
{
    uint64_t stopped = atomic_load(&stopped_us), now = machine_us();
    if (!stopped)
        return;
    atomic_store(&ahead_us, stopped > now ? stopped - now : 0);
    atomic_store(&stopped_us, 0);
}
