/* The loopback interface as a meter: all that nodes and clients of this process say to each other. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Moves this process, and those it starts from now on, into a network of its own, in which nobody else's bytes are
 * counted. Before any thread. False where the system does not allow it.
 */
bool loopback_own(void);

/* Bytes that have gone over the loopback interface, with all headers. */
uint64_t loopback_bytes(void);

#endif
