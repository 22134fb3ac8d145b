/*
 * What symwaved_no_memory and its test share: symwaved whose own allocations fail when the test says so. It is the
 * program itself, linked so that what it calls to allocate goes through no_memory.c first; the allocations of libraries
 * are their own.
 */
#ifndef SW_TEST_NO_MEMORY_H
#define SW_TEST_NO_MEMORY_H

#include <stdatomic.h>

/* Names the file that both map; without it nothing fails. */
#define NO_MEMORY_FILE "SYMWAVE_NO_MEMORY"

struct no_memory {
    atomic_long until_failure; /* allocations until one fails; below 0: none does any more */
};

#endif
