/* The wave engine's local part: the caller's local store comes first. */
#include "client/core/test/story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void local_done(struct story *story)
{
    story_event(story, (struct sw_wave_event){.type = SW_WAVE_LOCAL_DONE});
}

static void expect_ask_local(struct story *story, uint32_t first_key, uint32_t key_count)
{
    struct sw_wave_action action = story_expect(story, SW_WAVE_ASK_LOCAL);
    assert_int_equal(action.first_key, first_key);
    assert_int_equal(action.key_count, key_count);
    story_expect_nothing(story);
}

static void test_the_local_store_is_asked_first_batch_by_batch(void **state)
{
    struct story story = story_of_node_0(8, 5, 5);
    (void)state;

    story.options.local_keys_max = 3;
    story_start(&story);
    expect_ask_local(&story, 0, 3);
    story_deliver(&story, SW_WAVE_LOCAL, 1);
    local_done(&story);
    expect_ask_local(&story, 3, 2);
    local_done(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 4);
    assert_int_equal(sw_wave_stats(story.engine)->found_local, 1);
    assert_int_equal(sw_wave_stats(story.engine)->bytes_delivered, STORY_SYMBOL_BYTES);
    assert_int_equal(sw_wave_stats(story.engine)->bytes_received, 0);
    story_end(&story);
}

static void test_nodes_are_not_asked_when_the_local_store_has_enough(void **state)
{
    struct story story = story_of_node_0(8, 5, 2);
    (void)state;

    story.options.local_keys_max = 3;
    story_start(&story);
    expect_ask_local(&story, 0, 3);
    story_symbol(&story, SW_WAVE_LOCAL, 0);
    story_expect_deliver(&story, 0);
    story_symbol(&story, SW_WAVE_LOCAL, 1);
    story_expect_deliver(&story, 1);
    story_symbol(&story, SW_WAVE_LOCAL, 2);
    story_expect_drop(&story, SW_WAVE_DROP_LATE);
    local_done(&story);
    story_expect_nothing(&story);
    story_taken(&story, 0);
    story_taken(&story, 1);
    story_expect_done(&story, SW_OK);
    assert_int_equal(sw_wave_stats(story.engine)->requests, 0);
    story_end(&story);
}

static void test_nodes_are_asked_only_when_the_sink_has_all_local_symbols(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story.options.local_keys_max = 10;
    story_start(&story);
    expect_ask_local(&story, 0, 2);
    story_symbol(&story, SW_WAVE_LOCAL, 0);
    story_expect_deliver(&story, 0);
    local_done(&story);
    story_expect_nothing(&story);
    story_taken(&story, 0);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 1);
    assert_int_equal(request.keys[0], 1);
    story_end(&story);
}

static void test_bad_local_bytes_are_dropped_and_fetched(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    (void)state;

    story.options.local_keys_max = 10;
    story_start(&story);
    expect_ask_local(&story, 0, 1);
    story_bad_symbol(&story, SW_WAVE_LOCAL, 0);
    story_expect_drop(&story, SW_WAVE_DROP_CORRUPT);
    local_done(&story);
    assert_int_equal(story_expect_send(&story).keys[0], 0);
    story_end(&story);
}

static void test_a_local_symbol_counts_once(void **state)
{
    struct story story = story_of_node_0(8, 3, 3);
    (void)state;

    story.options.local_keys_max = 2;
    story_start(&story);
    expect_ask_local(&story, 0, 2);
    story_deliver(&story, SW_WAVE_LOCAL, 0);
    story_symbol(&story, SW_WAVE_LOCAL, 0);
    story_expect_drop(&story, SW_WAVE_DROP_DUPLICATE);
    story_symbol(&story, SW_WAVE_LOCAL, 2);
    story_expect_drop(&story, SW_WAVE_DROP_UNASKED);
    story_end(&story);
}

static void test_local_bytes_are_not_taken_from_the_budget(void **state)
{
    struct story story = story_of_node_0(8, 2, 2);
    (void)state;

    story.options.local_keys_max = 2;
    story.budget.limit_bytes = 1;
    story_start(&story);
    expect_ask_local(&story, 0, 2);
    story_symbol(&story, SW_WAVE_LOCAL, 0);
    story_expect_deliver(&story, 0);
    assert_int_equal(story.budget.reserved_bytes, 0);
    story_taken(&story, 0);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_local_store_is_asked_first_batch_by_batch),
        cmocka_unit_test(test_nodes_are_not_asked_when_the_local_store_has_enough),
        cmocka_unit_test(test_nodes_are_asked_only_when_the_sink_has_all_local_symbols),
        cmocka_unit_test(test_bad_local_bytes_are_dropped_and_fetched),
        cmocka_unit_test(test_a_local_symbol_counts_once),
        cmocka_unit_test(test_local_bytes_are_not_taken_from_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
