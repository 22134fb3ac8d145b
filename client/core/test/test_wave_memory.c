/*
 * Memory: each allocation of the route table and the engine fails once, and nothing is left behind; and a step,
 * whatever it does, allocates nothing. The linker puts the functions below before malloc and calloc.
 */
#include "client/core/test/story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static unsigned allocations, failing; /* failing: the allocation that fails, from 1; 0: none */

void *__wrap_malloc(size_t size)
{
    return ++allocations == failing ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return ++allocations == failing ? NULL : __real_calloc(count, size);
}

static void test_a_route_table_needs_all_of_its_memory(void **state)
{
    struct sw_key places[3] = {{{1}}, {{2}}, {{3}}};
    struct sw_route_table *table = NULL;
    unsigned failures = 0;
    (void)state;

    while (!table) {
        allocations = 0;
        failing = failures + 1;
        table = sw_route_table_new(places, 3);
        failures += !table;
    }
    failing = 0;
    assert_true(failures >= 5);
    sw_route_table_free(table);
}

static void test_an_engine_needs_all_of_its_memory(void **state)
{
    struct story story = story_of_node_0(3, 4, 4);
    struct sw_wave_engine *engine = NULL;
    unsigned failures = 0;
    (void)state;

    story.options.requests_max = 3;
    while (!engine) {
        allocations = 0;
        failing = failures + 1;
        engine = sw_wave_engine_new(&story.options, story.keys, 4, 4, "task", story.table, NULL, &story.budget);
        failures += !engine;
    }
    failing = 0;
    assert_true(failures >= 5 + 2 * 3);
    assert_int_equal(story.budget.reserved_bytes, 0);
    sw_wave_engine_free(engine);
    sw_wave_engine_free(NULL);
    sw_route_table_free(story.table);
}

static void test_no_step_allocates(void **state)
{
    struct story story = story_of_node_0(3, 40, 40);
    (void)state;

    story_start(&story);
    allocations = 0;
    struct story_request first = story_expect_send(&story), second = story_expect_send(&story);
    story.expected = story.actions.count;
    story_missing(&story, first.id, first.keys[1]);
    story.expected = story.actions.count;
    story_bad_symbol(&story, first.id, first.keys[2]);
    story.expected = story.actions.count;
    story_left_out(&story, first.id, first.keys[3], 5000);
    story_ended(&story, second.id, SW_UNAVAILABLE);
    story.expected = story.actions.count;
    story_wait(&story, 10 * story.options.stall_timeout_us);
    story.expected = story.actions.count;
    story_event(&story, (struct sw_wave_event){.type = SW_WAVE_CANCEL, .status = SW_CANCELLED});
    story.expected = story.actions.count;
    assert_int_equal(allocations, 0);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_route_table_needs_all_of_its_memory),
        cmocka_unit_test(test_an_engine_needs_all_of_its_memory),
        cmocka_unit_test(test_no_step_allocates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
