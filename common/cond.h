/* Condition variables on the monotonic clock, so that a wait until a time of sw_clock_us means what it says. */
#ifndef SW_COND_H
#define SW_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Makes one whose timed waits are on the monotonic clock. pthread_cond_destroy ends it. */
void sw_cond_init(pthread_cond_t *cond);

/* Waits until woken or until a time; SW_CLOCK_NEVER waits without one. Returns false when the time has come. */
bool sw_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_us);

#endif
