/* The wave engine and nodes that fail, stall, or cannot be trusted. */
#include "client/core/test/story.h"
#include "client/core/wave_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)

static void test_the_keys_of_a_failed_request_move_at_once(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    uint32_t asked = 0;
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_ended(&story, request.id, SW_UNAVAILABLE);
    while (asked < 2) {
        struct story_request next = story_expect_send(&story);
        for (uint32_t i = 0; i < next.key_count; i++)
            assert_int_equal(next.node, story_provider(&story, next.keys[i], 1));
        asked += next.key_count;
    }
    assert_int_equal(sw_wave_stats(story.engine)->waves[0].failed, 2);
    assert_int_equal(sw_wave_stats(story.engine)->nodes[0].requests_failed, 1);
    story_end(&story);
}

static void test_a_node_without_room_is_asked_again_but_not_for_ever(void **state)
{
    struct story story = story_of_node_0(1, 1, 1);
    (void)state;

    story_start(&story);
    for (uint32_t tries = 0; tries <= 8; tries++) {
        struct story_request request = story_expect_send(&story);
        assert_int_equal(request.node, 0);
        story_ended(&story, request.id, SW_RESOURCE_EXHAUSTED);
    }
    story_expect_done(&story, SW_SHORT);
    assert_int_equal(sw_wave_stats(story.engine)->waves[0].failed, 9);
    story_end(&story);
}

/* With nobody else to ask: what it did not answer is asked of it again, until it breaks off without an answer. */
static void test_a_node_that_breaks_off_amid_its_answers_is_asked_again(void **state)
{
    static const enum sw_status passing[] = {SW_UNAVAILABLE, SW_DEADLINE_EXCEEDED};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        struct story story = story_of_node_0(1, 3, 3);
        story_start(&story);
        struct story_request request = story_expect_send(&story);
        assert_int_equal(request.key_count, 3);
        story_deliver(&story, request.id, request.keys[0]);
        story_ended(&story, request.id, passing[i]);
        request = story_expect_send(&story);
        assert_int_equal(request.key_count, 2);
        story_ended(&story, request.id, passing[i]);
        story_expect_done(&story, SW_SHORT);
        story_end(&story);
    }
}

static void test_keys_that_wait_for_a_failed_node_go_elsewhere_too(void **state)
{
    struct story story = story_of_node_0(8, 40, 40);
    uint32_t asked = 0;
    (void)state;

    story.options.node_requests_max = 1;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 16);
    story_ended(&story, request.id, SW_UNAVAILABLE);
    while (story.expected < story.actions.count) {
        struct story_request next = story_expect_send(&story);
        assert_int_not_equal(next.node, 0);
        asked += next.key_count;
    }
    assert_true(asked > 24);
    assert_int_equal(story.health[0].down_until_us, story.now_us + SECOND);
    story_end(&story);
}

static void test_a_node_is_passed_over_until_its_time_comes(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story.health[0].down_until_us = story.now_us + SECOND;
    story.options.window_keys_max = 1;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.node, story_provider(&story, 0, 1));
    story.now_us += SECOND;
    story_symbol(&story, request.id, 0);
    story_expect_deliver(&story, 0);
    struct story_request next = story_expect_send(&story);
    assert_int_equal(next.keys[0], 1);
    assert_int_equal(next.node, 0);
    story_end(&story);
}

static void test_the_backoff_doubles_with_each_failure_and_ends_with_an_answer(void **state)
{
    struct story story = story_of_node_0(1, 9, 9);
    uint64_t backoff_us = SECOND;
    (void)state;

    story.options.request_bytes_aim = STORY_SYMBOL_BYTES;
    story.options.request_keys_max = 1;
    story.options.node_requests_max = 1;
    story_start(&story);
    for (int failures = 1; failures <= 8; failures++) {
        struct story_request request = story_expect_send(&story);
        story_ended(&story, request.id, SW_UNAVAILABLE);
        assert_int_equal(story.health[0].failures, failures);
        assert_int_equal(story.health[0].down_until_us, story.now_us + backoff_us);
        backoff_us = backoff_us < 32 * SECOND ? backoff_us * 2 : backoff_us;
    }
    struct story_request request = story_expect_send(&story);
    story_symbol(&story, request.id, request.keys[0]);
    story_expect_deliver(&story, request.keys[0]);
    assert_int_equal(story.health[0].failures, 0);
    assert_int_equal(story.health[0].down_until_us, 0);
    story_end(&story);
}

static void test_requests_that_fail_together_are_one_failure(void **state)
{
    struct story story = story_of_node_0(8, 60, 60);
    struct story_request requests[4];
    (void)state;

    story_start(&story);
    for (int i = 0; i < 4; i++)
        requests[i] = story_expect_send(&story);
    for (int i = 0; i < 4; i++) {
        story_ended(&story, requests[i].id, SW_UNAVAILABLE);
        story.expected = story.actions.count;
    }
    assert_int_equal(story.health[0].failures, 1);
    assert_int_equal(story.health[0].down_until_us, story.now_us + SECOND);
    story_end(&story);
}

static void test_a_node_passed_over_is_asked_for_what_nobody_else_has(void **state)
{
    struct story story = story_of_node_0(2, 1, 1);
    (void)state;

    story.health[0].down_until_us = UINT64_MAX;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.node, 1);
    story_missing(&story, request.id, 0);
    assert_int_equal(story_expect_send(&story).node, 0);
    story_end(&story);
}

static void test_a_node_passed_over_gets_many_keys_and_room_for_few(void **state)
{
    struct story story = story_of_node_0(1, 60, 60);
    (void)state;

    story.health[0].down_until_us = UINT64_MAX;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 60);
    assert_int_equal(request.max_bytes, 16 * STORY_SYMBOL_BYTES);
    story_ended(&story, request.id, SW_UNAVAILABLE);
    story_expect_done(&story, SW_SHORT);
    story_end(&story);
}

static void test_a_node_that_answers_after_all_is_asked_as_any_other(void **state)
{
    struct story story = story_of_node_0(1, 40, 40);
    (void)state;

    story.health[0].failures = 1;
    story.health[0].down_until_us = story.now_us + SECOND;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_deliver(&story, request.id, 0);
    for (uint32_t key = 1; key < 40; key++)
        story_left_out(&story, request.id, key, 0);
    story_ended(&story, request.id, SW_OK);
    for (int i = 0; i < 3; i++) {
        request = story_expect_send(&story);
        assert_int_equal(request.keys[0], 1 + i * 16);
    }
    story_end(&story);
}

static void test_a_request_without_an_answer_is_given_up_and_its_keys_move(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(sw_wave_deadline(story.engine), story.now_us + 2 * SECOND);
    story_wait(&story, 2 * SECOND - 1);
    story_expect_nothing(&story);
    story_wait(&story, 1);
    assert_int_equal(story_expect(&story, SW_WAVE_ABORT).request, request.id);
    struct story_request next = story_expect_send(&story);
    assert_int_equal(next.node, story_provider(&story, 0, 1));
    story_symbol(&story, request.id, 0);
    story_expect_drop(&story, SW_WAVE_DROP_LATE);
    assert_int_equal(sw_wave_stats(story.engine)->requests_in_flight, 2);
    story_ended(&story, request.id, SW_CANCELLED);
    assert_int_equal(sw_wave_stats(story.engine)->requests_in_flight, 1);
    story_end(&story);
}

static void test_each_answer_gives_a_request_more_time(void **state)
{
    struct story story = story_of_node_0(8, 3, 3);
    (void)state;

    story.options.hedge_keys_min = story.options.hedge_per_cent = 0;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_wait(&story, 3 * SECOND / 2);
    story_deliver(&story, request.id, 0);
    story_wait(&story, 3 * SECOND / 2);
    story_deliver(&story, request.id, 1);
    story_wait(&story, 3 * SECOND / 2);
    story_activity(&story, request.id, false); /* bytes that are no answer */
    story_expect_nothing(&story);
    story_wait(&story, SECOND / 2);
    story_expect(&story, SW_WAVE_ABORT);
    story.expected = story.actions.count;
    story_end(&story);
}

static void test_junk_gives_a_request_no_time(void **state)
{
    const uint32_t primaries[] = {0, 1};
    struct story story = story_of(8, primaries, 2, 2);
    (void)state;

    story_start(&story);
    struct story_request a = story_expect_send(&story), b = story_expect_send(&story);
    story.now_us += 3 * SECOND / 2;
    story_symbol(&story, a.id, b.keys[0]);
    story_expect_drop(&story, SW_WAVE_DROP_UNASKED);
    story_activity(&story, b.id, true);
    story_wait(&story, SECOND / 2);
    assert_int_equal(story_expect(&story, SW_WAVE_ABORT).request, a.id);
    story_expect_send(&story);
    story_end(&story);
}

static void test_what_waits_on_our_side_is_not_overdue(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story.options.hedge_keys_min = story.options.hedge_per_cent = 0;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_activity(&story, request.id, true);
    story_wait(&story, 1000 * SECOND);
    story_expect_nothing(&story);
    story_deliver(&story, request.id, 0);
    story_activity(&story, request.id, false);
    story_wait(&story, SECOND);
    story_expect_nothing(&story);
    story_wait(&story, SECOND);
    story_expect(&story, SW_WAVE_ABORT);
    story_expect_send(&story);
    story_end(&story);
}

static void test_no_trickle_holds_keys_for_long(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    uint64_t started_us = story.now_us;
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    while (story.actions.count == story.expected && story.now_us < started_us + 100 * SECOND) {
        story.now_us += SECOND / 10;
        story_activity(&story, request.id, false);
        story_expect_nothing(&story);
        story_tick(&story);
    }
    story_expect(&story, SW_WAVE_ABORT);
    story_expect_send(&story);
    assert_int_equal(story.now_us - started_us, 2 * SECOND);
    story_end(&story);
}

static void test_no_answers_however_many_hold_keys_for_long(void **state)
{
    struct story story = story_of_node_0(8, 40, 40);
    uint64_t started_us = story.now_us;
    (void)state;

    story.options.node_requests_max = 1;
    story.options.request_bytes_aim = 40 * STORY_SYMBOL_BYTES;
    story.options.hedge_keys_min = story.options.hedge_per_cent = 0;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    for (uint32_t key = 0; story.actions.count == story.expected; key++) {
        story.now_us += SECOND;
        story_symbol(&story, request.id, key);
        story_expect_deliver(&story, key);
        story_expect_nothing(&story);
        story_tick(&story);
    }
    story_expect(&story, SW_WAVE_ABORT);
    story.expected = story.actions.count;
    /* Four stall timeouts and what 40,000 bytes take at 64 KiB/s, looked at once a second. */
    assert_int_equal(story.now_us - started_us, 9 * SECOND);
    story_end(&story);
}

static void test_three_strikes_and_a_node_is_asked_only_for_what_nobody_else_has(void **state)
{
    struct story story = story_of_node_0(2, 40, 40);
    uint32_t asked_of[2] = {0};
    (void)state;

    story.options.node_requests_max = 1;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    for (uint32_t i = 0; i < 3; i++) {
        story_bad_symbol(&story, request.id, request.keys[i]);
        story_expect_drop(&story, SW_WAVE_DROP_CORRUPT);
        while (story.expected < story.actions.count) {
            struct story_request next = story_expect_send(&story);
            asked_of[next.node]++;
        }
    }
    assert_int_equal(asked_of[0], 0);
    assert_int_equal(asked_of[1], 1);
    story_ended(&story, request.id, SW_UNAVAILABLE);
    story_expect_nothing(&story);
    story_end(&story);
}

static void test_silence_counts_as_missing_and_against_the_node(void **state)
{
    struct story story = story_of_node_0(8, 5, 5);
    struct story_request request = {0};
    (void)state;

    story.options.request_keys_max = 1;
    story.options.node_requests_max = 1;
    story_start(&story);
    request = story_expect_send(&story);
    for (int silences = 1; silences <= 3; silences++) {
        bool asked_again = false;
        assert_int_equal(request.node, 0);
        story_ended(&story, request.id, SW_OK);
        while (story.expected < story.actions.count) {
            struct story_request next = story_expect_send(&story);
            asked_again |= next.node == 0;
            request = next.node == 0 ? next : request;
        }
        assert_int_equal(asked_again, silences < 3); /* though two more keys waited for it */
    }
    assert_int_equal(sw_wave_stats(story.engine)->waves[0].missing, 3);
    assert_int_equal(sw_wave_stats(story.engine)->waves[0].failed, 0);
    assert_int_equal(sw_wave_stats(story.engine)->requests_failed, 0);
    story_end(&story);
}

static void test_answers_about_keys_not_asked_change_nothing(void **state)
{
    const uint32_t primaries[] = {0, 1};
    struct story story = story_of(8, primaries, 2, 2);
    (void)state;

    story_start(&story);
    struct story_request a = story_expect_send(&story), b = story_expect_send(&story);
    story_missing(&story, a.id, b.keys[0]);
    story_left_out(&story, a.id, b.keys[0], 0);
    story_expect_nothing(&story);
    assert_int_equal(story.health[a.node].corrupt, 2);
    assert_int_equal(sw_wave_stats(story.engine)->keys_outstanding, 2);
    story_end(&story);
}

static void test_a_node_that_always_leaves_out_is_given_up(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    uint64_t said = STORY_SYMBOL_BYTES;
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    for (int times = 1; times < SW_WAVE_FRUITLESS_MAX; times++) {
        said = request.max_bytes + 1;
        story_left_out(&story, request.id, 0, said);
        story_ended(&story, request.id, SW_OK);
        request = story_expect_send(&story);
        assert_int_equal(request.node, 0);
        assert_true(request.max_bytes >= said);
    }
    assert_int_equal(request.max_bytes, story.options.value_bytes_max);
    story_left_out(&story, request.id, 0, 0);
    story_ended(&story, request.id, SW_OK);
    assert_int_equal(story_expect_send(&story).node, story_provider(&story, 0, 1));
    story_end(&story);
}

static void test_leaving_out_what_would_have_fitted_is_a_failure(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_left_out(&story, request.id, 0, request.max_bytes);
    story_ended(&story, request.id, SW_OK);
    assert_int_equal(story_expect_send(&story).node, story_provider(&story, 0, 1));
    story_end(&story);
}

static void test_a_flood_of_unasked_symbols_is_cut_off(void **state)
{
    const uint32_t primaries[] = {0, 1};
    struct story story = story_of(8, primaries, 2, 2);
    uint32_t symbols = 0;
    (void)state;

    story_start(&story);
    struct story_request a = story_expect_send(&story), b = story_expect_send(&story);
    while (story.expected == story.actions.count && symbols < 1000) {
        story_symbol(&story, a.id, b.keys[0]);
        story_expect_drop(&story, SW_WAVE_DROP_UNASKED);
        symbols++;
    }
    assert_int_equal(story_expect(&story, SW_WAVE_ABORT).request, a.id);
    assert_int_equal(story_expect_send(&story).node, story_provider(&story, a.keys[0], 1));
    assert_true(symbols < 100);
    story_end(&story);
}

static void test_a_node_found_down_by_another_retrieval_is_passed_over(void **state)
{
    struct story story = story_of_node_0(8, 20, 20);
    (void)state;

    story.options.node_requests_max = 1;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 16);
    story.health[0].down_until_us = story.now_us + SECOND;
    story_ended(&story, request.id, SW_OK);
    while (story.expected < story.actions.count)
        assert_int_not_equal(story_expect_send(&story).node, 0);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_keys_of_a_failed_request_move_at_once),
        cmocka_unit_test(test_a_node_without_room_is_asked_again_but_not_for_ever),
        cmocka_unit_test(test_a_node_that_breaks_off_amid_its_answers_is_asked_again),
        cmocka_unit_test(test_keys_that_wait_for_a_failed_node_go_elsewhere_too),
        cmocka_unit_test(test_a_node_is_passed_over_until_its_time_comes),
        cmocka_unit_test(test_the_backoff_doubles_with_each_failure_and_ends_with_an_answer),
        cmocka_unit_test(test_requests_that_fail_together_are_one_failure),
        cmocka_unit_test(test_a_node_passed_over_is_asked_for_what_nobody_else_has),
        cmocka_unit_test(test_a_node_passed_over_gets_many_keys_and_room_for_few),
        cmocka_unit_test(test_a_node_that_answers_after_all_is_asked_as_any_other),
        cmocka_unit_test(test_a_request_without_an_answer_is_given_up_and_its_keys_move),
        cmocka_unit_test(test_each_answer_gives_a_request_more_time),
        cmocka_unit_test(test_junk_gives_a_request_no_time),
        cmocka_unit_test(test_what_waits_on_our_side_is_not_overdue),
        cmocka_unit_test(test_no_trickle_holds_keys_for_long),
        cmocka_unit_test(test_no_answers_however_many_hold_keys_for_long),
        cmocka_unit_test(test_three_strikes_and_a_node_is_asked_only_for_what_nobody_else_has),
        cmocka_unit_test(test_silence_counts_as_missing_and_against_the_node),
        cmocka_unit_test(test_answers_about_keys_not_asked_change_nothing),
        cmocka_unit_test(test_a_node_that_always_leaves_out_is_given_up),
        cmocka_unit_test(test_leaving_out_what_would_have_fitted_is_a_failure),
        cmocka_unit_test(test_a_flood_of_unasked_symbols_is_cut_off),
        cmocka_unit_test(test_a_node_found_down_by_another_retrieval_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
