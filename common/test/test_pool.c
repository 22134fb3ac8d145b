/* The pool: tasks run once, timers run when due and not when stopped, freeing it runs what is queued. */
#include "common/clock.h"
#include "common/pool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define TASKS 10000

static atomic_int ran;
static struct sw_task tasks[TASKS];
static _Atomic uint64_t ran_at;

static void count(struct sw_task *task)
{
    (void)task;
    atomic_fetch_add(&ran, 1);
}

static void note_time(struct sw_task *task)
{
    (void)task;
    atomic_store(&ran_at, sw_clock_us());
    atomic_fetch_add(&ran, 1);
}

static atomic_bool go;

static void wait_for_go(struct sw_task *task)
{
    (void)task;
    while (!atomic_load(&go))
        usleep(1000);
}

static struct sw_pool *pool_of(uint32_t threads)
{
    struct sw_pool *pool;
    assert_int_equal(sw_pool_new(threads, "test", &pool, NULL), SW_OK);
    atomic_store(&ran, 0);
    atomic_store(&ran_at, 0);
    return pool;
}

static void test_every_task_runs_once_before_free_returns(void **state)
{
    (void)state;
    struct sw_pool *pool = pool_of(3);
    for (int i = 0; i < TASKS; i++) {
        tasks[i].run = count;
        sw_pool_submit(pool, &tasks[i]);
    }
    sw_pool_free(pool);
    assert_int_equal(atomic_load(&ran), TASKS);
}

static void test_timer_runs_not_before_its_time(void **state)
{
    (void)state;
    struct sw_pool *pool = pool_of(2);
    struct sw_timer timer = {.task.run = note_time};
    uint64_t at = sw_clock_us() + 30000;
    sw_pool_timer_set(pool, &timer, at);
    while (atomic_load(&ran) == 0)
        usleep(1000);
    sw_pool_free(pool);
    assert_true(atomic_load(&ran_at) >= at);
}

static void test_timer_set_again_runs_once_at_the_new_time(void **state)
{
    (void)state;
    struct sw_pool *pool = pool_of(1);
    struct sw_timer far = {.task.run = count};
    struct sw_timer near = {.task.run = note_time};
    sw_pool_timer_set(pool, &far, sw_clock_us() + 3600000000);
    sw_pool_timer_set(pool, &near, sw_clock_us() + 3600000000);
    sw_pool_timer_set(pool, &near, sw_clock_us() + 1000);
    while (atomic_load(&ran) == 0)
        usleep(1000);
    assert_true(sw_pool_timer_stop(pool, &far));
    assert_false(sw_pool_timer_stop(pool, &far));
    assert_false(sw_pool_timer_stop(pool, &near));
    sw_pool_free(pool);
    assert_int_equal(atomic_load(&ran), 1);
}

static void test_task_that_is_queued_is_not_queued_twice(void **state)
{
    (void)state;
    struct sw_pool *pool = pool_of(1);
    struct sw_task hold = {.run = wait_for_go};
    struct sw_task task = {.run = count};
    atomic_store(&go, false);
    sw_pool_submit(pool, &hold);
    for (int i = 0; i < 3; i++)
        sw_pool_submit(pool, &task);
    atomic_store(&go, true);
    sw_pool_free(pool);
    assert_int_equal(atomic_load(&ran), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_runs_once_before_free_returns),
        cmocka_unit_test(test_task_that_is_queued_is_not_queued_twice),
        cmocka_unit_test(test_timer_runs_not_before_its_time),
        cmocka_unit_test(test_timer_set_again_runs_once_at_the_new_time),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
