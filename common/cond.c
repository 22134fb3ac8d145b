/* Condition variables on the monotonic clock. */
#include "common/cond.h"
#include "common/clock.h"
#include <errno.h>

void sw_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool sw_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_us)
{
    if (until_us == SW_CLOCK_NEVER) {
        pthread_cond_wait(cond, lock);
        return true;
    }
    uint64_t machine_us = sw_clock_machine_us(until_us);
    struct timespec until = {.tv_sec = (time_t)(machine_us / 1000000), .tv_nsec = (long)(machine_us % 1000000) * 1000};
    return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT || sw_clock_us() < until_us;
}
