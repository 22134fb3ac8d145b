/* Time: one monotonic clock, in microseconds. Wall-clock time is used in log lines only. */
#ifndef SW_CLOCK_H
#define SW_CLOCK_H

#include <stdint.h>

/* No deadline. */
#define SW_CLOCK_NEVER UINT64_MAX

/* Microseconds since an arbitrary start; never goes back. Any thread. */
uint64_t sw_clock_us(void);

/*
 * Until when by CLOCK_MONOTONIC to wait for a time of this clock, and then to look again. They are the same, but where
 * a test has stopped the clock, which is then looked at this often, or has it ahead.
 */
#define SW_CLOCK_LOOK_US 1000
uint64_t sw_clock_machine_us(uint64_t at_us);

/* For tests, of the whole process: stands still at a time, not before the present; runs again from there. */
void sw_clock_stop(uint64_t at_us);
void sw_clock_run(void);

#endif
