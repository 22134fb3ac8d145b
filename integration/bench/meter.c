/* What benchmark programs share: the clock, the count of allocations, random numbers. */
#include "integration/bench/meter.h"
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct meter_memory memory;
static uint64_t random_state = 1;

double meter_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

struct meter_memory meter_memory(void)
{
    return memory;
}

void meter_reset_peak(void)
{
    memory.peak_bytes = memory.bytes;
}

void meter_seed(uint64_t seed)
{
    random_state = seed;
}

uint64_t meter_random(void)
{
    /* Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014 (SplitMix64). */
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

struct sw_key meter_random_key(void)
{
    struct sw_key key;

    for (size_t at = 0; at < SW_KEY_BYTES; at += sizeof(uint64_t)) {
        const uint64_t bits = meter_random();
        memcpy(key.bytes + at, &bits, sizeof(bits));
    }
    return key;
}

_Noreturn void meter_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

/* ---- the linker passes the program's calls here ---- */

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *pointer);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_free(void *pointer);

static void *count(void *pointer)
{
    memory.allocations++;
    memory.bytes += malloc_usable_size(pointer);
    if (memory.bytes > memory.peak_bytes)
        memory.peak_bytes = memory.bytes;
    return pointer;
}

void *__wrap_malloc(size_t bytes)
{
    return count(__real_malloc(bytes));
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    return count(__real_calloc(n, bytes));
}

void *__wrap_realloc(void *old, size_t bytes)
{
    size_t before = malloc_usable_size(old);
    void *pointer = __real_realloc(old, bytes);

    if (pointer)
        memory.bytes -= before;
    return count(pointer);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return count(__real_aligned_alloc(alignment, bytes));
}

void __wrap_free(void *pointer)
{
    memory.bytes -= malloc_usable_size(pointer);
    __real_free(pointer);
}
