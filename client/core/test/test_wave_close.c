/* An engine that is told to come to an end asks nothing more, and ends when nothing that it waits for is in time. */
#include "client/core/test/story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void story_close(struct story *story)
{
    story_event(story, (struct sw_wave_event){.type = SW_WAVE_CLOSE});
}

static void test_what_is_asked_comes_in_and_nothing_more_is_asked(void **state)
{
    struct story story = story_of_node_0(8, 40, 40);
    (void)state;

    story.options.requests_max = 2;
    story_start(&story);
    struct story_request first = story_expect_send(&story), second = story_expect_send(&story);
    story_close(&story);
    story_expect_nothing(&story);
    for (uint32_t i = 0; i < first.key_count; i++)
        story_deliver(&story, first.id, first.keys[i]);
    story_ended(&story, first.id, SW_OK);
    story_expect_nothing(&story);
    for (uint32_t i = 0; i + 1 < second.key_count; i++)
        story_deliver(&story, second.id, second.keys[i]);
    uint32_t last = second.keys[second.key_count - 1];
    story_symbol(&story, second.id, last);
    story_expect_deliver(&story, last);
    story_expect_nothing(&story); /* until the sink has it */
    story_taken(&story, last);
    assert_int_equal(story_expect(&story, SW_WAVE_ABORT).request, second.id); /* all of it has come */
    story_expect_done(&story, SW_CANCELLED);
    story_end(&story);
}

static void test_it_ends_at_once_where_nothing_is_asked(void **state)
{
    struct story story = story_of_node_0(8, 4, 4);
    (void)state;

    assert_true(sw_budget_reserve(&story.budget, story.budget.limit_bytes));
    story_start(&story);
    story_expect_nothing(&story);
    story_close(&story);
    story_expect_done(&story, SW_CANCELLED);
    sw_budget_release(&story.budget, story.budget.limit_bytes);
    story_end(&story);
}

static void test_what_is_late_is_not_waited_for(void **state)
{
    struct story story = story_of_node_0(8, 4, 4);
    (void)state;

    story.options.lease_us_min = 50000;
    story.options.lapse_us_min = 250000;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_close(&story);
    story_expect_nothing(&story);
    for (int ticks = 0; ticks < 1000 && !sw_wave_is_done(story.engine); ticks++) {
        uint64_t at_us = sw_wave_deadline(story.engine);
        assert_true(at_us > story.now_us && at_us < UINT64_MAX);
        story_wait(&story, at_us - story.now_us);
    }
    assert_true(story.now_us < story.options.stall_timeout_us);
    assert_int_equal(story_expect(&story, SW_WAVE_ABORT).request, request.id);
    story_expect_done(&story, SW_CANCELLED);
    story_end(&story);
}

static void test_a_request_that_fails_is_not_asked_again(void **state)
{
    struct story story = story_of_node_0(8, 4, 4);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_close(&story);
    story_deliver(&story, request.id, request.keys[0]);
    story_ended(&story, request.id, SW_UNAVAILABLE);
    story_expect_done(&story, SW_CANCELLED);
    assert_true(sw_wave_key_is_delivered(story.engine, request.keys[0]));
    assert_false(sw_wave_key_is_delivered(story.engine, request.keys[1]));
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_asked_comes_in_and_nothing_more_is_asked),
        cmocka_unit_test(test_it_ends_at_once_where_nothing_is_asked),
        cmocka_unit_test(test_what_is_late_is_not_waited_for),
        cmocka_unit_test(test_a_request_that_fails_is_not_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
