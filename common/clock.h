/* Time: one monotonic clock, in microseconds. Wall-clock time is used in log lines only. */
#ifndef SW_CLOCK_H
#define SW_CLOCK_H

#include <stdint.h>

/* No deadline. */
#define SW_CLOCK_NEVER UINT64_MAX

/* Microseconds since an arbitrary start; never goes back. Any thread. */
uint64_t sw_clock_us(void);

#endif
