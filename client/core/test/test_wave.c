/* The wave engine's keys: where they are asked, how they move, when they count, and how it ends. */
#include "client/core/test/story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_wave_asks_only_the_primary_first(void **state)
{
    const uint32_t primaries[] = {3, 1, 3, 0, 7, 1, 3};
    struct story story = story_of(8, primaries, 7, 7);
    uint32_t asked = 0;
    (void)state;

    story_start(&story);
    for (int nodes = 0; nodes < 4; nodes++) {
        struct story_request request = story_expect_send(&story);
        for (uint32_t i = 0; i < request.key_count; i++)
            assert_int_equal(primaries[request.keys[i]], request.node);
        assert_false(request.verify);
        asked += request.key_count;
    }
    assert_int_equal(asked, 7);
    story_end(&story);
}

static void test_a_missing_key_moves_alone(void **state)
{
    struct story story = story_of_node_0(8, 3, 3);
    (void)state;

    story_start(&story);
    struct story_request first = story_expect_send(&story);
    assert_int_equal(first.key_count, 3);
    story_missing(&story, first.id, 1);
    struct story_request second = story_expect_send(&story);
    assert_int_equal(second.key_count, 1);
    assert_int_equal(second.keys[0], 1);
    assert_int_equal(second.node, story_provider(&story, 1, 1));
    story_deliver(&story, first.id, 0);
    story_deliver(&story, second.id, 1);
    story_deliver(&story, first.id, 2);
    story_expect(&story, SW_WAVE_ABORT);
    story_expect(&story, SW_WAVE_ABORT);
    story_expect_done(&story, SW_OK);
    story_end(&story);
}

static void test_a_key_is_asked_of_each_candidate_in_turn_and_then_lost(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    for (uint32_t wave = 0; wave < 6; wave++) {
        assert_int_equal(request.node, story_provider(&story, 0, wave));
        assert_false(sw_wave_key_is_lost(story.engine, 0));
        story_missing(&story, request.id, 0);
        if (wave < 5) {
            struct story_request next = story_expect_send(&story);
            story_ended(&story, request.id, SW_OK);
            request = next;
        }
    }
    story_expect(&story, SW_WAVE_ABORT);
    story_expect_done(&story, SW_SHORT);
    assert_true(sw_wave_key_is_lost(story.engine, 0));
    assert_int_equal(sw_wave_stats(story.engine)->wave_count, 6);
    assert_int_equal(sw_wave_stats(story.engine)->waves[5].missing, 1);
    story_end(&story);
}

static void test_no_more_keys_are_asked_than_are_still_required(void **state)
{
    struct story story = story_of_node_0(8, 10, 3);
    (void)state;

    story_start(&story);
    struct story_request first = story_expect_send(&story);
    assert_int_equal(first.key_count, 3);
    story_symbol(&story, first.id, 0);
    story_expect_deliver(&story, 0);
    assert_int_equal(sw_wave_stats(story.engine)->keys_outstanding, 3);
    story_taken(&story, 0);
    story_expect_nothing(&story);
    story_missing(&story, first.id, 1);
    assert_int_equal(story_expect_send(&story).key_count, 1);
    story_end(&story);
}

static void test_the_required_number_ends_it_and_aborts_what_is_in_flight(void **state)
{
    const uint32_t primaries[] = {0, 1, 0, 1};
    struct story story = story_of(8, primaries, 4, 2);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 2);
    story_deliver(&story, request.id, request.keys[0]);
    story_symbol(&story, request.id, request.keys[1]);
    story_expect_deliver(&story, request.keys[1]);
    assert_false(sw_wave_is_done(story.engine));
    story_taken(&story, request.keys[1]);
    assert_int_equal(story_expect(&story, SW_WAVE_ABORT).request, request.id);
    story_expect_done(&story, SW_OK);
    story_ended(&story, request.id, SW_CANCELLED);
    assert_int_equal(story.budget.reserved_bytes, 0);
    story_end(&story);
}

static void test_in_order_a_later_key_is_asked_only_when_an_earlier_one_is_lost(void **state)
{
    /* Two nodes, so that a key has two candidates; node 1 would otherwise be asked for keys 2 and 3 at once. */
    const uint32_t primaries[] = {0, 0, 1, 1};
    struct story story = story_of(2, primaries, 4, 2);
    (void)state;

    story.options.in_order = true;
    story_start(&story);
    struct story_request first = story_expect_send(&story);
    assert_int_equal(first.node, 0);
    assert_int_equal(first.key_count, 2);
    story_expect_nothing(&story);
    story_missing(&story, first.id, 1);
    struct story_request second = story_expect_send(&story);
    assert_int_equal(second.node, 1);
    assert_int_equal(second.keys[0], 1);
    story_missing(&story, second.id, 1);
    struct story_request third = story_expect_send(&story);
    assert_int_equal(third.key_count, 1);
    assert_int_equal(third.keys[0], 2);
    story_end(&story);
}

static void test_more_may_be_required_before_the_last_is_taken(void **state)
{
    struct story story = story_of_node_0(8, 4, 2);
    (void)state;

    story_start(&story);
    struct story_request first = story_expect_send(&story);
    story_deliver(&story, first.id, 0);
    story_symbol(&story, first.id, 1);
    story_expect_deliver(&story, 1);
    sw_wave_require_more(story.engine, 1);
    story_taken(&story, 1);
    struct story_request second = story_expect_send(&story);
    assert_int_equal(second.key_count, 1);
    story_symbol(&story, second.id, 2);
    story_expect_deliver(&story, 2);
    sw_wave_require_more(story.engine, 2); /* one more than there are keys left */
    story_taken(&story, 2);
    struct story_request third = story_expect_send(&story);
    assert_int_equal(third.keys[0], 3);
    story_deliver(&story, third.id, 3);
    for (int requests = 0; requests < 3; requests++)
        story_expect(&story, SW_WAVE_ABORT);
    story_expect_done(&story, SW_SHORT);
    assert_int_equal(sw_wave_stats(story.engine)->required, 5);
    story_end(&story);
}

static void test_after_the_end_there_is_nothing_but_drops(void **state)
{
    struct story story = story_of_node_0(8, 3, 3);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_event(&story, (struct sw_wave_event){.type = SW_WAVE_CANCEL, .status = SW_DEADLINE_EXCEEDED});
    story_expect(&story, SW_WAVE_ABORT);
    story_expect_done(&story, SW_DEADLINE_EXCEEDED);
    story_symbol(&story, request.id, 0);
    story_expect_drop(&story, SW_WAVE_DROP_LATE);
    story_missing(&story, request.id, 1);
    story_left_out(&story, request.id, 2, 0);
    story_activity(&story, request.id, false);
    story_wait(&story, 100000000);
    story_event(&story, (struct sw_wave_event){.type = SW_WAVE_CANCEL, .status = SW_CANCELLED});
    story_event(&story, (struct sw_wave_event){.type = SW_WAVE_START});
    story_ended(&story, request.id, SW_CANCELLED);
    story_expect_nothing(&story);
    assert_true(sw_wave_deadline(story.engine) == UINT64_MAX);
    story_end(&story);
}

static void test_what_the_sink_takes_after_a_cancel_counts(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_symbol(&story, request.id, 0);
    story_expect_deliver(&story, 0);
    story_event(&story, (struct sw_wave_event){.type = SW_WAVE_CANCEL, .status = SW_CANCELLED});
    story_expect(&story, SW_WAVE_ABORT);
    story_expect_done(&story, SW_CANCELLED);
    story_taken(&story, 0);
    assert_int_equal(sw_wave_stats(story.engine)->delivered, 1);
    assert_true(sw_wave_key_is_delivered(story.engine, 0));
    story_ended(&story, request.id, SW_CANCELLED);
    assert_int_equal(story.budget.reserved_bytes, 0);
    story_end(&story);
}

static void test_a_sink_that_fails_ends_it_with_its_status(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_symbol(&story, request.id, 1);
    story_expect_deliver(&story, 1);
    story_event(&story, (struct sw_wave_event){.type = SW_WAVE_SINK_FAILED, .key_index = 1, .status = SW_NO_SPACE});
    assert_int_equal(story_expect(&story, SW_WAVE_ABORT).request, request.id);
    story_expect_done(&story, SW_NO_SPACE);
    assert_false(sw_wave_key_is_delivered(story.engine, 1));
    const struct sw_wave_stats *stats = sw_wave_stats(story.engine);
    assert_int_equal(stats->symbols_wasted, 1);
    assert_int_equal(stats->bytes_wasted, stats->bytes_received);
    assert_int_equal(stats->wasted_bytes[SW_WAVE_DROP_LATE], stats->bytes_received);
    story_end(&story);
}

static void test_bad_bytes_are_dropped_and_the_key_is_asked_elsewhere_with_verify(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story_start(&story);
    struct story_request first = story_expect_send(&story);
    story_bad_symbol(&story, first.id, 0);
    story_expect_drop(&story, SW_WAVE_DROP_CORRUPT);
    struct story_request second = story_expect_send(&story);
    assert_int_equal(second.node, story_provider(&story, 0, 1));
    assert_true(second.verify);
    assert_int_equal(story.health[0].corrupt, 1);
    story_symbol(&story, first.id, 0);
    story_expect_drop(&story, SW_WAVE_DROP_DUPLICATE);
    story_deliver(&story, second.id, 0);
    assert_int_equal(sw_wave_stats(story.engine)->bytes_wasted, 2 * STORY_SYMBOL_BYTES);
    story_end(&story);
}

static void test_a_symbol_above_the_limit_is_bad(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    (void)state;

    story.options.value_bytes_max = STORY_SYMBOL_BYTES;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_symbol_of(&story, request.id, 0, STORY_SYMBOL_BYTES + 1);
    story_expect_drop(&story, SW_WAVE_DROP_CORRUPT);
    story_expect_send(&story);
    story_end(&story);
}

static void test_more_bytes_than_were_asked_for_are_bad(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.max_bytes, 2 * STORY_SYMBOL_BYTES);
    story_symbol_of(&story, request.id, 0, STORY_SYMBOL_BYTES + 1);
    story_expect_deliver(&story, 0);
    story_symbol(&story, request.id, 1);
    story_expect_drop(&story, SW_WAVE_DROP_CORRUPT);
    assert_int_equal(story_expect_send(&story).keys[0], 1);
    story_taken(&story, 0);
    story_end(&story);
}

static void test_a_symbol_that_nobody_asked_for_marks_nothing_as_seen(void **state)
{
    const uint32_t primaries[] = {0, 1};
    struct story story = story_of(8, primaries, 2, 2);
    (void)state;

    story_start(&story);
    struct story_request a = story_expect_send(&story), b = story_expect_send(&story);
    story_symbol(&story, a.id, b.keys[0]);
    story_expect_drop(&story, SW_WAVE_DROP_UNASKED);
    assert_int_equal(story.health[a.node].corrupt, 1);
    story_deliver(&story, b.id, b.keys[0]);
    story_deliver(&story, a.id, a.keys[0]);
    story_expect(&story, SW_WAVE_ABORT);
    story_expect(&story, SW_WAVE_ABORT);
    story_expect_done(&story, SW_OK);
    story_end(&story);
}

static void test_a_key_is_delivered_once(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_symbol(&story, request.id, 0);
    story_expect_deliver(&story, 0);
    story_symbol(&story, request.id, 0);
    story_expect_drop(&story, SW_WAVE_DROP_DUPLICATE);
    story_taken(&story, 0);
    story_symbol(&story, request.id, 0);
    story_expect_drop(&story, SW_WAVE_DROP_DUPLICATE);
    assert_int_equal(sw_wave_stats(story.engine)->delivered, 1);
    story_end(&story);
}

static void test_an_empty_value_is_a_symbol_as_any_other(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_symbol_of(&story, request.id, 0, 0);
    story_expect_deliver(&story, 0);
    story_taken(&story, 0);
    story_expect(&story, SW_WAVE_ABORT);
    story_expect_done(&story, SW_OK);
    story_end(&story);
}

static void test_a_key_that_its_node_knows_to_be_bad_moves_on(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_event(&story, (struct sw_wave_event){.type = SW_WAVE_CORRUPT, .request = request.id, .key = story.keys[0]});
    assert_int_equal(story_expect_send(&story).node, story_provider(&story, 0, 1));
    assert_int_equal(story.health[0].corrupt, 0);
    story_end(&story);
}

static void test_keys_left_out_are_asked_again_of_the_same_node_in_order(void **state)
{
    struct story story = story_of_node_0(8, 4, 4);
    (void)state;

    story_start(&story);
    struct story_request first = story_expect_send(&story);
    story_deliver(&story, first.id, 0);
    story_left_out(&story, first.id, 1, 4 * STORY_SYMBOL_BYTES);
    story_left_out(&story, first.id, 2, 0);
    story_left_out(&story, first.id, 3, 0);
    story_expect_nothing(&story);
    story_ended(&story, first.id, SW_OK);
    struct story_request second = story_expect_send(&story);
    assert_int_equal(second.node, 0);
    assert_int_equal(second.key_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(second.keys[i], i + 1);
    assert_int_equal(second.max_bytes, 3 * 4 * STORY_SYMBOL_BYTES);
    assert_int_equal(sw_wave_stats(story.engine)->waves[0].keys_asked, 4);
    story_end(&story);
}

static void test_a_key_left_out_for_a_size_beyond_the_limit_moves_on(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_left_out(&story, request.id, 0, 100 * STORY_SYMBOL_BYTES + 1);
    struct story_request next = story_expect_send(&story);
    assert_int_equal(next.node, story_provider(&story, 0, 1));
    assert_int_equal(next.max_bytes, STORY_SYMBOL_BYTES);
    story_end(&story);
}

static void test_no_nodes_at_all_is_short_at_once(void **state)
{
    struct story story = story_of_node_0(0, 3, 2);
    (void)state;

    story_start(&story);
    story_expect_done(&story, SW_SHORT);
    assert_true(sw_wave_key_is_lost(story.engine, 2));
    story_end(&story);
}

static void test_the_window_bounds_how_many_keys_are_handed_out(void **state)
{
    struct story story = story_of_node_0(8, 10, 10);
    (void)state;

    story.options.window_keys_max = 4;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 4);
    story_symbol(&story, request.id, 0);
    story_expect_deliver(&story, 0);
    assert_int_equal(story_expect_send(&story).keys[0], 4);
    story_taken(&story, 0);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wave_asks_only_the_primary_first),
        cmocka_unit_test(test_a_missing_key_moves_alone),
        cmocka_unit_test(test_a_key_is_asked_of_each_candidate_in_turn_and_then_lost),
        cmocka_unit_test(test_no_more_keys_are_asked_than_are_still_required),
        cmocka_unit_test(test_the_required_number_ends_it_and_aborts_what_is_in_flight),
        cmocka_unit_test(test_in_order_a_later_key_is_asked_only_when_an_earlier_one_is_lost),
        cmocka_unit_test(test_more_may_be_required_before_the_last_is_taken),
        cmocka_unit_test(test_after_the_end_there_is_nothing_but_drops),
        cmocka_unit_test(test_what_the_sink_takes_after_a_cancel_counts),
        cmocka_unit_test(test_a_sink_that_fails_ends_it_with_its_status),
        cmocka_unit_test(test_bad_bytes_are_dropped_and_the_key_is_asked_elsewhere_with_verify),
        cmocka_unit_test(test_a_symbol_above_the_limit_is_bad),
        cmocka_unit_test(test_more_bytes_than_were_asked_for_are_bad),
        cmocka_unit_test(test_a_symbol_that_nobody_asked_for_marks_nothing_as_seen),
        cmocka_unit_test(test_a_key_is_delivered_once),
        cmocka_unit_test(test_an_empty_value_is_a_symbol_as_any_other),
        cmocka_unit_test(test_a_key_that_its_node_knows_to_be_bad_moves_on),
        cmocka_unit_test(test_keys_left_out_are_asked_again_of_the_same_node_in_order),
        cmocka_unit_test(test_a_key_left_out_for_a_size_beyond_the_limit_moves_on),
        cmocka_unit_test(test_no_nodes_at_all_is_short_at_once),
        cmocka_unit_test(test_the_window_bounds_how_many_keys_are_handed_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
