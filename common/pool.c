/* The pool: a queue of tasks, a list of timers in order of time, and threads that wait for either. */
#include "common/pool.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/memory.h"
#include "common/thread.h"
#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

struct sw_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* under lock */
    struct sw_task *first;
    struct sw_task **last;
    struct sw_timer *timers; /* soonest first */
    uint32_t waiting;        /* threads in a wait */
    bool waking;             /* one of them has been woken for a task and has not come yet */
    bool stopping;
    /* constant */
    uint32_t thread_count;
    pthread_t threads[];
};

static void enqueue(struct sw_pool *pool, struct sw_task *task)
{
    if (task->queued)
        return;
    task->queued = true;
    task->next = NULL;
    *pool->last = task;
    pool->last = &task->next;
}

static void enqueue_due_timers(struct sw_pool *pool)
{
    if (!pool->timers)
        return;
    uint64_t now = sw_clock_us();
    while (pool->timers && pool->timers->at_us <= now) {
        struct sw_timer *timer = pool->timers;
        pool->timers = timer->next;
        timer->armed = false;
        enqueue(pool, &timer->task);
    }
}

static void wait_for_work(struct sw_pool *pool)
{
    pool->waiting++;
    sw_cond_wait_until(&pool->wake, &pool->lock, pool->timers ? pool->timers->at_us : SW_CLOCK_NEVER);
    pool->waiting--;
    pool->waking = false;
}

/*
 * Wakes a thread for a task that is queued, one at a time: the one that comes wakes the next if it leaves a task
 * behind. Many small tasks so find one or two threads that stay awake, where each would else wake a thread of its own.
 */
static void wake_for_task(struct sw_pool *pool)
{
    if (pool->waiting == 0 || pool->waking)
        return;
    pool->waking = true;
    pthread_cond_signal(&pool->wake);
}

static void *run(void *arg)
{
    struct sw_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        enqueue_due_timers(pool);
        struct sw_task *task = pool->first;
        if (!task) {
            if (pool->stopping)
                break;
            wait_for_work(pool);
            continue;
        }
        pool->first = task->next;
        task->queued = false;
        if (!pool->first)
            pool->last = &pool->first;
        else
            wake_for_task(pool);
        pthread_mutex_unlock(&pool->lock);
        task->run(task);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void stop_and_join(struct sw_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    sw_free(pool);
}

enum sw_status sw_pool_new(uint32_t threads, const char *name, struct sw_pool **out, struct sw_error *error)
{
    *out = NULL;
    struct sw_pool *pool = sw_calloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));
    if (!pool)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a pool of %u threads", threads);
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    sw_cond_init(&pool->wake);
    for (uint32_t i = 0; i < threads; i++) {
        int failed = sw_thread_start(&pool->threads[i], name, run, pool);
        if (failed) {
            stop_and_join(pool);
            return sw_error_set(error, SW_IO_ERROR, "cannot start thread %u of %u: %s", i + 1, threads,
                                strerror(failed));
        }
        pool->thread_count++;
    }
    *out = pool;
    return SW_OK;
}

void sw_pool_free(struct sw_pool *pool)
{
    if (pool)
        stop_and_join(pool);
}

void sw_pool_submit(struct sw_pool *pool, struct sw_task *task)
{
    pthread_mutex_lock(&pool->lock);
    enqueue(pool, task);
    wake_for_task(pool);
    pthread_mutex_unlock(&pool->lock);
}

static bool unlink_timer(struct sw_pool *pool, struct sw_timer *timer)
{
    if (!timer->armed)
        return false;
    struct sw_timer **at = &pool->timers;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    timer->armed = false;
    return true;
}

void sw_pool_timer_set(struct sw_pool *pool, struct sw_timer *timer, uint64_t at_us)
{
    pthread_mutex_lock(&pool->lock);
    unlink_timer(pool, timer);
    if (at_us != SW_CLOCK_NEVER) {
        struct sw_timer **at = &pool->timers;
        while (*at && (*at)->at_us <= at_us)
            at = &(*at)->next;
        timer->at_us = at_us;
        timer->next = *at;
        timer->armed = true;
        *at = timer;
        if (pool->timers == timer && pool->waiting > 0)
            pthread_cond_signal(&pool->wake); /* someone waits for a later one, or for none */
    }
    pthread_mutex_unlock(&pool->lock);
}

bool sw_pool_timer_stop(struct sw_pool *pool, struct sw_timer *timer)
{
    pthread_mutex_lock(&pool->lock);
    bool was_armed = unlink_timer(pool, timer);
    pthread_mutex_unlock(&pool->lock);
    return was_armed;
}
