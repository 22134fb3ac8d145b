/*
 * A fixed pool of threads that run tasks, and tasks at a time: whatever may block or take long runs here and not on the
 * network thread.
 *
 * A task and a timer are embedded in what they belong to; the pool allocates nothing after it is made.
 */
#ifndef SW_POOL_H
#define SW_POOL_H

#include "symwave/status.h"
#include <stdbool.h>
#include <stdint.h>

struct sw_pool;

struct sw_task {
    void (*run)(struct sw_task *task);
    struct sw_task *next; /* the pool's */
    bool queued;          /* the pool's: false in a new task */
};

/* Starts threads; the caller frees *pool. SW_NO_MEMORY, SW_IO_ERROR. */
enum sw_status sw_pool_new(uint32_t threads, const char *name, struct sw_pool **pool, struct sw_error *error);

/* Runs what is queued, then ends and joins the threads. Not from a task. NULL is allowed. */
void sw_pool_free(struct sw_pool *pool);

/*
 * Queues a task, first in, first out. One that is queued already is left in its place; one that is running may be
 * queued again, and may then run on two threads at once. Any thread; does not block.
 */
void sw_pool_submit(struct sw_pool *pool, struct sw_task *task);

/* A task that is run at a time. */
struct sw_timer {
    struct sw_task task;
    uint64_t at_us;        /* the pool's */
    struct sw_timer *next; /* the pool's */
    bool armed;            /* the pool's */
};

/* (Re)sets a timer to run once at sw_clock_us() >= at_us; SW_CLOCK_NEVER disarms it. Any thread; does not block. */
void sw_pool_timer_set(struct sw_pool *pool, struct sw_timer *timer, uint64_t at_us);

/* Disarms a timer. Returns whether it was armed: if not, its task may still be queued or running. Any thread. */
bool sw_pool_timer_stop(struct sw_pool *pool, struct sw_timer *timer);

#endif
