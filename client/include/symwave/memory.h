/*
 * Memory: where the SDK takes it from, and how what it gives is freed.
 *
 * How much memory each call takes is said where it is declared; all of it is bounded by options.
 */
#ifndef SYMWAVE_MEMORY_H
#define SYMWAVE_MEMORY_H

#include "symwave/status.h"
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A program's own allocator. The functions are called from many threads at once. A block is aligned for any object, as
 * malloc's are; NULL means that there is no memory, which ends a call with SW_NO_MEMORY and loses nothing.
 */
struct sw_allocator {
    void *(*allocate)(size_t bytes, void *user_data);            /* bytes is never 0 */
    void *(*resize)(void *block, size_t bytes, void *user_data); /* block is never NULL, bytes never 0; as realloc */
    void (*release)(void *block, void *user_data);               /* block is never NULL */
    void *user_data;
};

/*
 * Has all memory of the SDK, of the whole process, come from an allocator, which is copied; NULL: from malloc again.
 * Before any other function of the SDK but sw_process_tune, or when all that they gave has been closed and freed: what
 * one allocator gave the other must not get. Not what libraries below take by themselves: gRPC and OpenSSL for
 * connections and the messages that are being received, Jansson and libyaml for a file while it is read, the C library.
 * SW_INVALID_ARGUMENT: one of the functions is NULL. Any one thread.
 */
SW_PUBLIC enum sw_status sw_allocator_set(const struct sw_allocator *allocator, struct sw_error *error);

/* Frees what the SDK gave and whose description says so; NULL is allowed. Any thread; does not block. */
SW_PUBLIC void sw_free(void *block);

#ifdef __cplusplus
}
#endif

#endif
