/* The wave engine's leases: when a key is asked a second time, who wins, and what that costs whom. */
#include "client/core/test/story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS     UINT64_C(1000)
#define SECOND UINT64_C(1000000)
/* Longer than anything is expected to take here, so that all leases are this long. */
#define LEASE (200 * MS)
#define LAPSE SECOND

static struct story leased(uint32_t node_count, const uint32_t *primaries, uint32_t key_count, uint32_t required)
{
    struct story story = story_of(node_count, primaries, key_count, required);
    story.options.lease_us_min = LEASE;
    story.options.lapse_us_min = LAPSE;
    return story;
}

/* Starts, and has every node but node 0 answer all that it is asked 10 ms later. Returns the request to node 0. */
static struct story_request start_with_node_0_silent(struct story *story)
{
    struct story_request silent = {0}, others[STORY_NODES_MAX];
    uint32_t count = 0;

    story_start(story);
    while (story->expected < story->actions.count) {
        struct story_request request = story_expect_send(story);
        if (request.node == 0)
            silent = request;
        else
            others[count++] = request;
    }
    assert_int_not_equal(silent.id, 0);
    story->now_us += 10 * MS;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t at = 0; at < others[i].key_count; at++)
            story_deliver(story, others[i].id, others[i].keys[at]);
        story_ended(story, others[i].id, SW_OK);
    }
    return silent;
}

static struct story_request expect_hedge(struct story *story)
{
    assert_true(story->expected < story->actions.count);
    assert_true(story->actions.items[story->expected].hedge);
    return story_expect_send(story);
}

static void expect_abort(struct story *story, sw_wave_request request, enum sw_status status)
{
    struct sw_wave_action action = story_expect(story, SW_WAVE_ABORT);
    assert_int_equal(action.request, request);
    assert_int_equal(action.status, status);
}

/* It is over, and what is still in flight, though answered, is not needed any more. */
static void expect_success(struct story *story)
{
    while (story->expected < story->actions.count && story->actions.items[story->expected].type == SW_WAVE_ABORT)
        assert_int_equal(story->actions.items[story->expected++].status, SW_CANCELLED);
    story_expect_done(story, SW_OK);
}

static void expect_unpunished(const struct story *story, uint32_t node)
{
    assert_int_equal(story->health[node].failures, 0);
    assert_int_equal(story->health[node].corrupt, 0);
    assert_int_equal(story->health[node].down_until_us, 0);
    assert_int_equal(sw_wave_stats(story->engine)->nodes[node].requests_failed, 0);
}

static const uint32_t one_each[] = {0, 1, 2, 3, 4, 5, 6, 7};

static void test_a_key_whose_lease_is_out_is_asked_elsewhere_while_its_request_runs_on(void **state)
{
    struct story story = leased(8, one_each, 8, 8);
    (void)state;

    struct story_request silent = start_with_node_0_silent(&story);
    story_wait(&story, LEASE - 10 * MS - 1);
    story_expect_nothing(&story);
    assert_int_equal(sw_wave_deadline(story.engine), story.now_us + 1);
    story_wait(&story, 1);
    struct story_request hedge = expect_hedge(&story);
    assert_int_equal(hedge.key_count, 1);
    assert_int_equal(hedge.keys[0], 0);
    assert_int_not_equal(hedge.node, 0);
    story_expect_nothing(&story);
    const struct sw_wave_stats *stats = sw_wave_stats(story.engine);
    assert_int_equal(stats->leases_out, 1);
    assert_int_equal(stats->hedges_sent, 1);
    assert_int_equal(stats->requests_in_flight, 2);
    /* The first may answer after all, and wins. */
    story_symbol(&story, silent.id, 0);
    expect_abort(&story, hedge.id, SW_CANCELLED);
    story_expect_deliver(&story, 0);
    story_taken(&story, 0);
    expect_success(&story);
    assert_int_equal(stats->hedges_won, 0);
    assert_int_equal(stats->late_found, 1);
    expect_unpunished(&story, 0);
    expect_unpunished(&story, hedge.node);
    story_end(&story);
}

static void test_the_request_that_lost_is_cancelled_and_not_punished(void **state)
{
    struct story story = leased(8, one_each, 8, 8);
    (void)state;

    struct story_request silent = start_with_node_0_silent(&story);
    story_wait(&story, LEASE - 10 * MS);
    struct story_request hedge = expect_hedge(&story);
    story_symbol(&story, hedge.id, 0);
    expect_abort(&story, silent.id, SW_CANCELLED);
    story_expect_deliver(&story, 0);
    story_taken(&story, 0);
    expect_success(&story);
    story_ended(&story, silent.id, SW_CANCELLED);
    assert_int_equal(sw_wave_stats(story.engine)->hedges_won, 1);
    assert_int_equal(sw_wave_stats(story.engine)->requests_failed, 0);
    assert_int_equal(sw_wave_stats(story.engine)->bytes_wasted, 0);
    expect_unpunished(&story, 0);
    story_end(&story);
}

static void test_a_loser_with_other_keys_runs_on_and_what_comes_twice_is_nobodys_fault(void **state)
{
    const uint32_t primaries[] = {0, 0, 1};
    struct story story = leased(2, primaries, 3, 3);
    (void)state;

    struct story_request silent = start_with_node_0_silent(&story);
    assert_int_equal(silent.key_count, 2);
    story_wait(&story, LEASE - 10 * MS);
    struct story_request hedge = expect_hedge(&story);
    assert_int_equal(hedge.key_count, 2);
    story_symbol(&story, hedge.id, 0);
    story_expect_deliver(&story, 0);
    story_taken(&story, 0);
    story_expect_nothing(&story);
    uint64_t reserved_bytes = story.budget.reserved_bytes;
    story_symbol(&story, silent.id, 0);
    story_expect_drop(&story, SW_WAVE_DROP_HEDGE);
    assert_int_equal(story.budget.reserved_bytes, reserved_bytes - STORY_SYMBOL_BYTES);
    assert_int_equal(sw_wave_stats(story.engine)->wasted_bytes[SW_WAVE_DROP_HEDGE], STORY_SYMBOL_BYTES);
    expect_unpunished(&story, 0);
    /* Its other key may still win. */
    story_symbol(&story, silent.id, 1);
    expect_abort(&story, hedge.id, SW_CANCELLED);
    story_expect_deliver(&story, 1);
    story_taken(&story, 1);
    expect_success(&story);
    story_end(&story);
}

static void test_a_key_that_nobody_was_asked_for_comes_before_a_second_request(void **state)
{
    const uint32_t primaries[] = {0, 1, 1, 1};
    struct story story = leased(2, primaries, 4, 3);
    (void)state;

    struct story_request silent = start_with_node_0_silent(&story);
    assert_int_equal(silent.keys[0], 0);
    story_wait(&story, LEASE - 10 * MS);
    struct story_request hedge = expect_hedge(&story);
    assert_int_equal(hedge.key_count, 1);
    assert_int_equal(hedge.keys[0], 3);
    story_end(&story);
}

static void test_no_more_is_hedged_than_the_allowance_until_leases_lapse(void **state)
{
    const uint32_t primaries[] = {0, 0, 0, 0, 0, 1};
    struct story story = leased(2, primaries, 6, 6);
    (void)state;

    story.options.hedge_keys_min = 2;
    start_with_node_0_silent(&story);
    story_wait(&story, LEASE - 10 * MS);
    struct story_request hedge = expect_hedge(&story);
    assert_int_equal(hedge.key_count, 2);
    story_deliver(&story, hedge.id, hedge.keys[0]);
    story_deliver(&story, hedge.id, hedge.keys[1]);
    story_ended(&story, hedge.id, SW_OK);
    assert_int_equal(sw_wave_stats(story.engine)->keys_late, 3);
    story_wait(&story, LAPSE - LEASE - 1);
    story_expect_nothing(&story);
    story_wait(&story, 1);
    struct story_request next = story_expect_send(&story);
    assert_int_equal(next.node, 1);
    assert_int_equal(next.key_count, 3);
    assert_int_equal(sw_wave_stats(story.engine)->leases_lapsed, 3);
    story_end(&story);
}

static void test_hedges_go_out_when_silent_requests_hold_all_primary_slots(void **state)
{
    const uint32_t primaries[] = {2, 0, 1};
    struct story story = leased(3, primaries, 3, 3);
    (void)state;

    story.options.requests_max = 2;
    story_start(&story);
    struct story_request first = story_expect_send(&story), silent = story_expect_send(&story);
    assert_int_equal(first.node, 2);
    assert_int_equal(silent.node, 0);
    story_deliver(&story, first.id, 0);
    story_ended(&story, first.id, SW_OK);
    assert_int_equal(story_expect_send(&story).node, 1);
    story_wait(&story, LEASE);
    struct story_request hedge = expect_hedge(&story);
    assert_int_equal(hedge.node, 2);
    assert_int_equal(hedge.key_count, 2);
    assert_int_equal(sw_wave_stats(story.engine)->requests_in_flight, 3);
    story_end(&story);
}

static void test_a_late_node_is_asked_for_nothing_until_it_answers(void **state)
{
    const uint32_t primaries[] = {0, 0, 1, 1};
    struct story story = leased(2, primaries, 4, 4);
    (void)state;

    story.options.hedge_keys_min = story.options.hedge_per_cent = 0;
    story_start(&story);
    struct story_request silent = story_expect_send(&story), other = story_expect_send(&story);
    assert_int_equal(silent.node, 0);
    story_wait(&story, LEASE / 2);
    story_deliver(&story, other.id, 2);
    story_wait(&story, LEASE / 2);
    story_missing(&story, other.id, 3); /* node 0 is the only one left that may have it */
    story_expect_nothing(&story);
    story_wait(&story, 10 * MS);
    story_expect_nothing(&story);
    story_symbol(&story, silent.id, 0);
    story_expect_deliver(&story, 0);
    struct story_request next = story_expect_send(&story);
    assert_int_equal(next.node, 0);
    assert_int_equal(next.keys[0], 3);
    story_end(&story);
}

static void test_nobody_is_late_for_a_machine_that_slept(void **state)
{
    struct story story = leased(8, one_each, 8, 8);
    (void)state;

    struct story_request silent = start_with_node_0_silent(&story);
    story_wait(&story, 1000 * SECOND);
    story_expect_nothing(&story);
    story_wait(&story, LEASE - 1);
    story_expect_nothing(&story);
    story_wait(&story, 1);
    assert_int_equal(expect_hedge(&story).keys[0], silent.keys[0]);
    story_end(&story);
}

static void test_what_waits_on_our_side_is_not_late(void **state)
{
    struct story story = leased(8, one_each, 8, 8);
    (void)state;

    struct story_request silent = start_with_node_0_silent(&story);
    story_activity(&story, silent.id, true);
    story_wait(&story, LAPSE - 10 * MS);
    story_expect_nothing(&story);
    story_activity(&story, silent.id, false);
    story_wait(&story, LEASE - 1);
    story_expect_nothing(&story);
    story_wait(&story, 1);
    expect_hedge(&story);
    story_end(&story);
}

/*
 * Nothing goes out but what a request to node 0 holds, which lapses. It is given up, and its key may be asked of the
 * same node again.
 */
static void reclaim(struct story *story)
{
    story_start(story);
    struct story_request first = story_expect_send(story);
    assert_int_equal(first.node, 1);
    story_deliver(story, first.id, 0);
    if (story->expected == story->actions.count)
        story_ended(story, first.id, SW_OK);
    struct story_request silent = story_expect_send(story);
    assert_int_equal(silent.node, 0);
    story_wait(story, LEASE);
    story_wait(story, LAPSE - LEASE - 1);
    story_expect_nothing(story);
    story_wait(story, 1);
    expect_abort(story, silent.id, SW_RESOURCE_EXHAUSTED);
    story_ended(story, silent.id, SW_CANCELLED);
    struct story_request next = story_expect_send(story);
    assert_int_equal(next.node, 1);
    story_missing(story, next.id, 1);
    story_ended(story, next.id, SW_OK);
    assert_int_equal(story_expect_send(story).node, 0);
    story_end(story);
}

static void test_a_lapsed_request_is_given_up_when_its_slot_is_wanted(void **state)
{
    const uint32_t primaries[] = {1, 0};
    struct story story = leased(2, primaries, 2, 2);
    (void)state;

    story.options.requests_max = 1;
    story.options.hedge_requests_max = 0;
    reclaim(&story);
}

static void test_a_lapsed_request_is_given_up_when_its_budget_is_wanted(void **state)
{
    const uint32_t primaries[] = {1, 0};
    struct story story = leased(2, primaries, 2, 2);
    (void)state;

    story.budget.limit_bytes = STORY_SYMBOL_BYTES;
    reclaim(&story);
}

static void test_the_tail_tells_of_the_last_twentieth(void **state)
{
    const uint32_t primaries[40] = {0};
    struct story story = leased(1, primaries, 40, 40);
    struct story_request requests[8];
    uint32_t count = 0, taken = 0;
    (void)state;

    story_start(&story);
    uint64_t asked_us = story.now_us;
    while (story.expected < story.actions.count)
        requests[count++] = story_expect_send(&story);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t at = 0; at < requests[i].key_count; at++, taken++) {
            struct sw_wave_event event = {.type = SW_WAVE_SYMBOL,
                                          .request = requests[i].id,
                                          .key = story.keys[requests[i].keys[at]],
                                          .digest = story.keys[requests[i].keys[at]],
                                          .bytes = STORY_SYMBOL_BYTES,
                                          .arrived_us = story.now_us + 5 * MS};
            story.now_us += 6 * MS;
            assert_int_equal(sw_wave_tail_count(story.engine), taken < 3 ? taken : 3);
            story_event(&story, event);
            story_expect_deliver(&story, requests[i].keys[at]);
            story_taken(&story, requests[i].keys[at]);
        }
    assert_int_equal(taken, 40);
    expect_success(&story);
    for (uint32_t i = 0; i < 3; i++) {
        struct sw_wave_tail_symbol symbol = sw_wave_tail_at(story.engine, i);
        assert_int_equal(symbol.key_index, 37 + i);
        assert_int_equal(symbol.node, 0);
        assert_int_equal(symbol.wave, 0);
        assert_false(symbol.hedge);
        assert_int_equal(symbol.asked_us, asked_us);
        assert_int_equal(symbol.arrived_us, asked_us + (37 + i) * 6 * MS + 5 * MS);
    }
    story_end(&story);
}

static void test_waste_is_counted_by_its_cause(void **state)
{
    const uint32_t primaries[] = {0, 0, 1, 1};
    struct story story = leased(2, primaries, 4, 4);
    uint64_t expected[SW_WAVE_DROPS] = {[SW_WAVE_DROP_CORRUPT] = STORY_SYMBOL_BYTES,
                                        [SW_WAVE_DROP_UNASKED] = 10,
                                        [SW_WAVE_DROP_DUPLICATE] = 20,
                                        [SW_WAVE_DROP_LATE] = 30};
    (void)state;

    story_start(&story);
    struct story_request a = story_expect_send(&story), b = story_expect_send(&story);
    story_bad_symbol(&story, a.id, 0);
    story_expect_drop(&story, SW_WAVE_DROP_CORRUPT);
    struct story_request again = story_expect_send(&story);
    assert_true(again.verify);
    story_symbol_of(&story, a.id, 2, 10);
    story_expect_drop(&story, SW_WAVE_DROP_UNASKED);
    story_deliver(&story, a.id, 1);
    story_symbol_of(&story, a.id, 1, 20);
    story_expect_drop(&story, SW_WAVE_DROP_DUPLICATE);
    story_deliver(&story, b.id, 2);
    story_deliver(&story, again.id, 0);
    story_deliver(&story, b.id, 3);
    while (story.expected < story.actions.count)
        if (story.actions.items[story.expected++].type == SW_WAVE_DONE)
            break;
    story_symbol_of(&story, b.id, 3, 30);
    story_expect_drop(&story, SW_WAVE_DROP_LATE);
    assert_memory_equal(sw_wave_stats(story.engine)->wasted_bytes, expected, sizeof(expected));
    assert_int_equal(sw_wave_stats(story.engine)->bytes_wasted, STORY_SYMBOL_BYTES + 60);
    assert_int_equal(sw_wave_stats(story.engine)->symbols_wasted, 4);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_whose_lease_is_out_is_asked_elsewhere_while_its_request_runs_on),
        cmocka_unit_test(test_the_request_that_lost_is_cancelled_and_not_punished),
        cmocka_unit_test(test_a_loser_with_other_keys_runs_on_and_what_comes_twice_is_nobodys_fault),
        cmocka_unit_test(test_a_key_that_nobody_was_asked_for_comes_before_a_second_request),
        cmocka_unit_test(test_no_more_is_hedged_than_the_allowance_until_leases_lapse),
        cmocka_unit_test(test_hedges_go_out_when_silent_requests_hold_all_primary_slots),
        cmocka_unit_test(test_a_late_node_is_asked_for_nothing_until_it_answers),
        cmocka_unit_test(test_nobody_is_late_for_a_machine_that_slept),
        cmocka_unit_test(test_what_waits_on_our_side_is_not_late),
        cmocka_unit_test(test_a_lapsed_request_is_given_up_when_its_slot_is_wanted),
        cmocka_unit_test(test_a_lapsed_request_is_given_up_when_its_budget_is_wanted),
        cmocka_unit_test(test_the_tail_tells_of_the_last_twentieth),
        cmocka_unit_test(test_waste_is_counted_by_its_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
