/* The wave engine's limits: the byte budget, requests in flight, the size of one, and fairness among nodes. */
#include "client/core/test/story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_a_request_reserves_what_it_may_bring_before_it_is_sent(void **state)
{
    struct story story = story_of_node_0(8, 3, 3);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.max_bytes, 3 * STORY_SYMBOL_BYTES);
    assert_int_equal(story.budget.reserved_bytes, 3 * STORY_SYMBOL_BYTES);
    story_end(&story);
}

static void test_bytes_stay_reserved_until_the_sink_has_them(void **state)
{
    struct story story = story_of_node_0(8, 3, 3);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_symbol_of(&story, request.id, 0, 400);
    story_expect_deliver(&story, 0);
    assert_int_equal(story.budget.reserved_bytes, 3 * STORY_SYMBOL_BYTES);
    story_ended(&story, request.id, SW_UNAVAILABLE);
    while (story.expected < story.actions.count)
        story_expect_send(&story);
    /* The one delivered, and two asked for elsewhere as large as the largest seen. */
    assert_int_equal(story.budget.reserved_bytes, 400 + 2 * 400);
    story_taken(&story, 0);
    assert_int_equal(story.budget.reserved_bytes, 2 * 400);
    story_end(&story);
}

static void test_no_room_in_the_budget_means_waiting_for_it(void **state)
{
    struct story story = story_of_node_0(1, 4, 4);
    (void)state;

    story.budget.limit_bytes = 3 * STORY_SYMBOL_BYTES; /* one of them is left for others */
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 2);
    assert_true(sw_wave_wants_budget(story.engine));
    story_symbol(&story, request.id, 0);
    story_expect_deliver(&story, 0);
    story_expect_nothing(&story);
    story_taken(&story, 0);
    assert_int_equal(story_expect_send(&story).key_count, 1);
    story_end(&story);
}

static void test_budget_that_another_gives_back_is_used_on_the_next_tick(void **state)
{
    struct story story = story_of_node_0(8, 4, 4);
    (void)state;

    assert_true(sw_budget_reserve(&story.budget, story.budget.limit_bytes));
    story_start(&story);
    story_expect_nothing(&story);
    assert_true(sw_wave_wants_budget(story.engine));
    assert_true(sw_wave_deadline(story.engine) == UINT64_MAX);
    sw_budget_release(&story.budget, story.budget.limit_bytes);
    story_tick(&story);
    assert_int_equal(story_expect_send(&story).key_count, 4);
    assert_false(sw_wave_wants_budget(story.engine));
    story_end(&story);
}

static void test_a_little_room_is_used_only_when_nothing_is_under_way(void **state)
{
    struct story story = story_of_node_0(8, 20, 20);
    (void)state;

    assert_true(sw_budget_reserve(&story.budget, story.budget.limit_bytes - STORY_SYMBOL_BYTES));
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 1);
    sw_budget_release(&story.budget, 2 * STORY_SYMBOL_BYTES);
    story_tick(&story);
    story_expect_nothing(&story);
    sw_budget_release(&story.budget, story.budget.reserved_bytes - STORY_SYMBOL_BYTES);
    story_tick(&story);
    assert_int_equal(story_expect_send(&story).key_count, 16);
    assert_int_equal(story_expect_send(&story).key_count, 3);
    story_end(&story);
}

static void test_freeing_the_engine_gives_back_what_it_reserved(void **state)
{
    struct story story = story_of_node_0(8, 3, 3);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_symbol(&story, request.id, 0);
    story_expect_deliver(&story, 0);
    assert_true(story.budget.reserved_bytes > 0);
    story_end(&story); /* which looks */
}

static void test_a_request_asks_for_about_as_many_bytes_as_it_should(void **state)
{
    struct story story = story_of_node_0(8, 60, 60);
    (void)state;

    story.options.node_requests_max = 1;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 16);
    story_symbol_of(&story, request.id, 0, 2 * STORY_SYMBOL_BYTES);
    story_expect_deliver(&story, 0);
    story_ended(&story, request.id, SW_UNAVAILABLE);
    while (story.expected < story.actions.count) {
        struct story_request next = story_expect_send(&story);
        assert_true(next.key_count <= 8);
        assert_int_equal(next.max_bytes, next.key_count * 2 * STORY_SYMBOL_BYTES);
    }
    story_end(&story);
}

static void test_a_symbol_larger_than_the_aim_is_asked_for_by_itself(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story.options.symbol_bytes_guess = 50 * STORY_SYMBOL_BYTES;
    story_start(&story);
    for (int i = 0; i < 2; i++) {
        struct story_request request = story_expect_send(&story);
        assert_int_equal(request.key_count, 1);
        assert_int_equal(request.max_bytes, 50 * STORY_SYMBOL_BYTES);
    }
    story_end(&story);
}

static void test_keys_above_the_cap_are_asked_in_a_next_request(void **state)
{
    struct story story = story_of_node_0(8, 10, 10);
    uint32_t asked = 0;
    (void)state;

    story.options.request_keys_max = 3;
    story_start(&story);
    while (story.expected < story.actions.count) {
        struct story_request request = story_expect_send(&story);
        assert_true(request.key_count <= 3);
        asked += request.key_count;
    }
    assert_int_equal(asked, 10);
    story_end(&story);
}

static void test_no_node_gets_more_requests_than_its_share(void **state)
{
    struct story story = story_of_node_0(8, 10, 10);
    (void)state;

    story.options.request_keys_max = 1;
    story.options.node_requests_max = 2;
    story_start(&story);
    story_expect_send(&story);
    struct story_request request = story_expect_send(&story);
    story_expect_nothing(&story);
    story_ended(&story, request.id, SW_OK);
    story_expect_send(&story); /* the silent key, elsewhere, and the next here */
    story_expect_send(&story);
    story_end(&story);
}

static void test_requests_given_up_count_until_they_are_over(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story.options.requests_max = 1;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    story_wait(&story, story.options.stall_timeout_us);
    story_expect(&story, SW_WAVE_ABORT);
    story_expect_nothing(&story);
    story_ended(&story, request.id, SW_CANCELLED);
    story_expect_send(&story);
    story_end(&story);
}

static void test_the_least_busy_node_is_asked_next_and_ties_go_round(void **state)
{
    const uint32_t primaries[] = {0, 0, 0, 1, 1, 1, 2, 2, 2};
    const uint32_t order[] = {0, 1, 2, 0, 1, 2, 0};
    struct story story = story_of(8, primaries, 9, 9);
    (void)state;

    story.options.request_keys_max = 1;
    story.options.requests_max = 7;
    story_start(&story);
    for (int i = 0; i < 7; i++)
        assert_int_equal(story_expect_send(&story).node, order[i]);
    story_end(&story);
}

static void test_the_first_requests_cover_every_node_that_has_keys(void **state)
{
    const uint32_t primaries[] = {0, 0, 0, 0, 0, 0, 4, 5, 6, 7};
    struct story story = story_of(8, primaries, 10, 10);
    uint32_t nodes_asked = 0;
    (void)state;

    story.options.request_keys_max = 1;
    story_start(&story);
    for (int i = 0; i < 5; i++)
        nodes_asked |= 1u << story_expect_send(&story).node;
    assert_int_equal(nodes_asked, 0xf1);
    story.expected = story.actions.count;
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_reserves_what_it_may_bring_before_it_is_sent),
        cmocka_unit_test(test_bytes_stay_reserved_until_the_sink_has_them),
        cmocka_unit_test(test_no_room_in_the_budget_means_waiting_for_it),
        cmocka_unit_test(test_budget_that_another_gives_back_is_used_on_the_next_tick),
        cmocka_unit_test(test_a_little_room_is_used_only_when_nothing_is_under_way),
        cmocka_unit_test(test_freeing_the_engine_gives_back_what_it_reserved),
        cmocka_unit_test(test_a_request_asks_for_about_as_many_bytes_as_it_should),
        cmocka_unit_test(test_a_symbol_larger_than_the_aim_is_asked_for_by_itself),
        cmocka_unit_test(test_keys_above_the_cap_are_asked_in_a_next_request),
        cmocka_unit_test(test_no_node_gets_more_requests_than_its_share),
        cmocka_unit_test(test_requests_given_up_count_until_they_are_over),
        cmocka_unit_test(test_the_least_busy_node_is_asked_next_and_ties_go_round),
        cmocka_unit_test(test_the_first_requests_cover_every_node_that_has_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
