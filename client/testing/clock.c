/* The clock that stands still: this library's own, and the SDK's beside it. */
#include "common/clock.h"
#include "client/io/test_clock.h"
#include "symwave/testing.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t at_us; /* 0: it runs */

/* Both were the same clock before, and are again. */
static void set(uint64_t us)
{
    at_us = us;
    sw_clock_stop(us);
    sw_test_sdk_clock_stop(us);
}

void sw_test_clock_stop(void)
{
    pthread_mutex_lock(&lock);
    if (at_us == 0)
        set(sw_clock_us());
    pthread_mutex_unlock(&lock);
}

void sw_test_clock_advance_ms(uint64_t ms)
{
    pthread_mutex_lock(&lock);
    if (at_us > 0)
        set(at_us + ms * 1000);
    pthread_mutex_unlock(&lock);
}

void sw_test_clock_run(void)
{
    pthread_mutex_lock(&lock);
    at_us = 0;
    sw_clock_run();
    sw_test_sdk_clock_run();
    pthread_mutex_unlock(&lock);
}
