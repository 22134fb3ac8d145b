/*
 * For benchmark programs that print samples: this thread's processor time, and what the program allocates itself. A
 * program that counts allocations is linked with the wraps that symwave_meter brings; what libc allocates inside of its
 * own functions is not seen.
 */
#ifndef SW_BENCH_METER_H
#define SW_BENCH_METER_H

#include "symwave/key.h"
#include <stddef.h>
#include <stdint.h>

struct meter_memory {
    uint64_t allocations; /* calls that asked for memory, so far */
    size_t bytes;         /* in use */
    size_t peak_bytes;    /* in use at most, since meter_reset_peak */
};

/* Of this thread, in the program and in the kernel. */
double meter_seconds(void);

struct meter_memory meter_memory(void);
void meter_reset_peak(void);

/* The next of a sequence of random numbers, which begins anew with each seed. */
void meter_seed(uint64_t seed);
uint64_t meter_random(void);
struct sw_key meter_random_key(void);

/* Ends the program: it ran out of memory, or something that it relies on does not hold. */
_Noreturn void meter_die(const char *what);

#endif
