/*
 * The wave engine and how fast nodes are: how much is asked of whom, what an idle node takes from others, what happens
 * towards the end, and what one retrieval tells the next.
 */
#include "client/core/test/story.h"
#include "client/core/wave_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS     UINT64_C(1000)
#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)

/* ---- nodes that answer ---- */

/* What a node was asked for and has not sent. */
struct work {
    sw_wave_request request;
    uint32_t key;
    uint64_t asked_us;
    bool last; /* of its request */
};

struct node {
    uint64_t round_trip_us, gap_us;
    struct work work[4 * STORY_KEYS_MAX];
    uint32_t first, count;
    uint64_t free_us; /* it has sent what it sent last */
    uint32_t request_keys_max;
};

/* Passes on what the engine does: requests to their nodes; what lost is forgotten. */
static void act(struct story *story, struct node *nodes)
{
    while (story->expected < story->actions.count) {
        struct sw_wave_action action = story->actions.items[story->expected];
        if (action.type != SW_WAVE_SEND) {
            story->expected++;
            continue;
        }
        struct story_request request = story_expect_send(story);
        struct node *node = &nodes[request.node];
        if (request.key_count > node->request_keys_max)
            node->request_keys_max = request.key_count;
        for (uint32_t i = 0; i < request.key_count; i++)
            node->work[node->count++] =
                (struct work){request.id, request.keys[i], story->now_us, i + 1 == request.key_count};
    }
}

static uint64_t due_us(const struct node *node)
{
    if (node->first == node->count)
        return UINT64_MAX;
    uint64_t reached_us = node->work[node->first].asked_us + node->round_trip_us;
    return (reached_us > node->free_us ? reached_us : node->free_us) + node->gap_us;
}

/* The next symbol comes. False when it is over. */
static bool go_on(struct story *story, struct node *nodes)
{
    struct node *next = &nodes[0];

    for (uint32_t n = 1; n < story->node_count; n++)
        if (due_us(&nodes[n]) < due_us(next))
            next = &nodes[n];
    uint64_t deadline_us = sw_wave_deadline(story->engine);
    assert_true(due_us(next) != UINT64_MAX || deadline_us != UINT64_MAX);
    if (deadline_us < due_us(next)) {
        story->now_us = deadline_us > story->now_us ? deadline_us : story->now_us;
        story_tick(story);
        act(story, nodes);
        return !sw_wave_is_done(story->engine);
    }
    story->now_us = next->free_us = due_us(next);
    struct work work = next->work[next->first++];
    story_symbol(story, work.request, work.key);
    bool delivered = false;
    for (size_t i = 0; i < story->actions.count; i++)
        delivered |= story->actions.items[i].type == SW_WAVE_DELIVER;
    act(story, nodes);
    if (delivered)
        story_taken(story, work.key);
    act(story, nodes);
    if (work.last && !sw_wave_is_done(story->engine))
        story_ended(story, work.request, SW_OK);
    act(story, nodes);
    return !sw_wave_is_done(story->engine);
}

static struct story with_leases(uint32_t node_count, uint32_t key_count, uint32_t required)
{
    uint32_t primaries[STORY_KEYS_MAX];

    for (uint32_t i = 0; i < key_count; i++)
        primaries[i] = i % node_count;
    struct story story = story_of(node_count, primaries, key_count, required);
    story.options.lease_us_min = 50 * MS;
    story.options.lapse_us_min = SECOND;
    story.options.first_keys_max = 4;
    story.options.queue_us = 20 * MS;
    return story;
}

static void run(struct story *story, struct node *nodes)
{
    story_start(story);
    act(story, nodes);
    while (go_on(story, nodes))
        continue;
}

static void test_a_slow_node_gets_fewer_keys_and_idle_ones_take_those_that_wait_for_it(void **state)
{
    struct story story = with_leases(2, 64, 64);
    struct node nodes[STORY_NODES_MAX] = {{.round_trip_us = 10 * MS, .gap_us = 40 * MS},
                                          {.round_trip_us = 10 * MS, .gap_us = 4 * MS}};
    (void)state;

    run(&story, nodes);
    const struct sw_wave_stats *stats = sw_wave_stats(story.engine);
    /* By their rates one in eleven would be node 0's; each is the primary of half of them. */
    assert_true(stats->nodes[0].found >= 4 && stats->nodes[0].found <= 16);
    assert_true(stats->nodes[1].found >= 48);
    assert_int_equal(stats->delivered, 64);
    story_end(&story);
}

static void test_what_is_open_at_a_node_follows_its_rate_and_round_trip(void **state)
{
    struct story story = with_leases(1, 64, 64);
    struct node nodes[STORY_NODES_MAX] = {{.round_trip_us = 100 * MS, .gap_us = 10 * MS}};
    uint32_t open_min = UINT32_MAX, open_max = 0, flights_max = 0;
    (void)state;

    story.options.lease_us_min = SECOND;
    story_start(&story);
    act(&story, nodes);
    assert_int_equal(nodes[0].count, 4);
    while (go_on(&story, nodes)) {
        uint32_t open = nodes[0].count - nodes[0].first, flights = sw_wave_stats(story.engine)->requests_in_flight;
        open_max = open > open_max ? open : open_max;
        flights_max = flights > flights_max ? flights : flights_max;
        if (nodes[0].first >= 24 && nodes[0].first <= 44)
            open_min = open < open_min ? open : open_min;
    }
    /* A round trip of 100 ms and 20 ms beyond it, at 10 ms a symbol, and 2; refilled when half of it is left. */
    assert_true(open_min >= 6);
    assert_true(open_max <= 14 + 7);
    assert_true(flights_max >= 2);
    assert_true(nodes[0].request_keys_max <= 10);
    story_end(&story);
}

/* ---- health ---- */

/* As if of a node known for a second's work. */
static struct sw_wave_node_health known(const struct story *story, uint64_t round_trip_us, uint64_t gap_us)
{
    return (struct sw_wave_node_health){.measured_us = story->now_us,
                                        .work_bytes = STORY_SYMBOL_BYTES * SECOND / gap_us,
                                        .work_us = SECOND,
                                        .first_us = round_trip_us + gap_us};
}

static void test_towards_the_end_a_node_that_would_come_too_late_is_not_asked(void **state)
{
    struct story story = with_leases(2, 40, 10);
    (void)state;

    story.options.queue_us = 0;
    story.health[0] = known(&story, 10 * MS, 300 * MS);
    story.health[1] = known(&story, 10 * MS, MS);
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.node, 1);
    assert_true(request.key_count < 10);
    while (story.expected < story.actions.count)
        assert_int_equal(story_expect_send(&story).node, 1);
    assert_int_equal(sw_wave_stats(story.engine)->nodes[0].keys_asked, 0);
    story_end(&story);
}

static void test_a_node_that_is_to_be_left_alone_takes_no_keys_however_quick_it_is(void **state)
{
    struct story story = with_leases(2, 40, 40);
    (void)state;

    story.health[0] = known(&story, 10 * MS, 300 * MS);
    story.health[1] = known(&story, 10 * MS, MS);
    story.health[1].down_until_us = story.health[1].pushed_back_until_us = story.now_us + SECOND;
    story_start(&story);
    while (story.expected < story.actions.count)
        assert_int_equal(story_expect_send(&story).node, 0);
    assert_int_equal(sw_wave_stats(story.engine)->nodes[1].keys_asked, 0);
    story_end(&story);
}

static void test_what_comes_later_than_an_idle_node_would_answer_is_asked_of_that_one_too(void **state)
{
    const uint32_t primaries[] = {0, 0, 0, 1};
    struct story story = story_of(2, primaries, 4, 4);
    (void)state;

    story.options.lease_us_min = story.options.lapse_us_min = story.options.stall_timeout_us = 100 * SECOND;
    story_start(&story);
    struct story_request slow = story_expect_send(&story), quick = story_expect_send(&story);
    assert_int_equal(slow.node, 0);
    story_wait(&story, 10 * MS);
    story_deliver(&story, quick.id, 3);
    story_ended(&story, quick.id, SW_OK);
    story_wait(&story, 389 * MS);
    story_expect_nothing(&story);
    story_wait(&story, MS);
    /* 400 ms for the first: the others would take as long. */
    story_symbol(&story, slow.id, 0);
    story_expect_deliver(&story, 0);
    struct story_request hedge = story_expect_send(&story);
    assert_int_equal(hedge.node, 1);
    assert_int_equal(hedge.key_count, 2);
    assert_int_equal(sw_wave_stats(story.engine)->hedges_sent, 2);
    story_end(&story);
}

static void test_a_retrieval_tells_the_next_which_node_is_slow(void **state)
{
    struct story first = with_leases(2, 64, 64), second = with_leases(2, 64, 64);
    struct node nodes[STORY_NODES_MAX] = {{.round_trip_us = 10 * MS, .gap_us = 40 * MS},
                                          {.round_trip_us = 10 * MS, .gap_us = 4 * MS}};
    uint32_t asked[2] = {0};
    (void)state;

    run(&first, nodes);
    second.now_us = first.now_us + 10 * MS;
    second.health[0] = first.health[0];
    second.health[1] = first.health[1];
    second.options.first_keys_max = 128; /* what is known counts from the first request on */
    story_start(&second);
    while (second.expected < second.actions.count) {
        struct story_request request = story_expect_send(&second);
        asked[request.node] += request.key_count;
    }
    assert_true(asked[0] <= 3);
    assert_true(asked[1] >= 2 * asked[0]);
    story_end(&first);
    story_end(&second);
}

static void test_what_is_known_of_a_node_fades_by_half_in_a_minute(void **state)
{
    struct story story = with_leases(2, 2, 2);
    (void)state;

    story.health[0] = story.health[1] = known(&story, 10 * MS, 10 * MS);
    story.health[0].bad = 4096;
    story.now_us += MINUTE;
    story_start(&story);
    story.expected = story.actions.count;
    assert_int_equal(story.health[0].work_us, SECOND / 2);
    assert_int_equal(story.health[0].work_bytes, 50 * STORY_SYMBOL_BYTES);
    assert_int_equal(story.health[0].bad, 2048);
    assert_int_equal(story.health[0].first_us, 20 * MS); /* a distance does not fade */
    story_end(&story);
}

/* In which wave another retrieval, so long after, asks first for a key of which node 0 is the primary. */
static uint32_t first_wave(const struct story *before, uint64_t after_us)
{
    struct story story = story_of_node_0(8, 1, 1);

    story.now_us = before->now_us + after_us;
    story.health[0] = before->health[0];
    story_start(&story);
    uint32_t node = story_expect_send(&story).node;
    uint32_t wave = 0;
    while (story_provider(&story, 0, wave) != node)
        wave++;
    story_end(&story);
    return wave;
}

static void test_a_corrupt_node_is_passed_over_by_the_next_retrieval_and_not_for_ever(void **state)
{
    struct story story = story_of_node_0(8, 12, 12);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.key_count, 12);
    for (uint32_t i = 0; i < 12; i++) {
        story_bad_symbol(&story, request.id, request.keys[i]);
        story.expected = story.actions.count;
    }
    assert_int_equal(first_wave(&story, SECOND), 1);
    assert_int_equal(first_wave(&story, MINUTE), 1);
    assert_int_equal(first_wave(&story, 3 * MINUTE), 0);
    story_end(&story);
}

/* ---- pushback ---- */

/* The node that key 1 is asked of when key 0 has come so long after node 0 asked to be left alone for 300 ms. */
static uint32_t asked_after_pushback(uint64_t after_us)
{
    struct story story = story_of_node_0(8, 2, 2);

    story.options.hedge_keys_min = story.options.hedge_per_cent = 0;
    story.options.window_keys_max = 1;
    story_start(&story);
    struct story_request request = story_expect_send(&story);
    assert_int_equal(request.node, 0);
    story_event(&story, (struct sw_wave_event){.type = SW_WAVE_ENDED,
                                               .request = request.id,
                                               .status = SW_RESOURCE_EXHAUSTED,
                                               .pushback_us = 300 * MS});
    request = story_expect_send(&story); /* at once */
    assert_int_equal(request.node, story_provider(&story, 0, 1));
    assert_int_equal(story.health[0].failures, 0);
    assert_int_equal(sw_wave_stats(story.engine)->requests_failed, 0);
    story.now_us += after_us;
    story_symbol(&story, request.id, 0);
    story_expect_deliver(&story, 0);
    uint32_t node = story_expect_send(&story).node;
    assert_true(node == 0 || node == story_provider(&story, 1, 1));
    story_end(&story);
    return node;
}

static void test_a_node_that_pushes_back_is_left_alone_for_the_time_and_then_asked_as_any_other(void **state)
{
    (void)state;
    assert_int_not_equal(asked_after_pushback(299 * MS), 0);
    assert_int_equal(asked_after_pushback(300 * MS), 0);
}

static void test_who_asked_to_be_left_alone_is_not_asked_though_nobody_else_is_left(void **state)
{
    struct story story = story_of_node_0(2, 1, 1);
    (void)state;

    story_start(&story);
    struct story_request first = story_expect_send(&story);
    story_event(&story, (struct sw_wave_event){.type = SW_WAVE_ENDED,
                                               .request = first.id,
                                               .status = SW_RESOURCE_EXHAUSTED,
                                               .pushback_us = 300 * MS});
    struct story_request second = story_expect_send(&story);
    story_missing(&story, second.id, 0);
    story_ended(&story, second.id, SW_OK);
    story_expect_nothing(&story);
    assert_int_equal(sw_wave_deadline(story.engine), story.now_us + 300 * MS);
    story_wait(&story, 300 * MS);
    assert_int_equal(story_expect_send(&story).node, 0);
    story_end(&story);
}

static void test_an_idle_node_that_is_nobodys_primary_is_asked_when_a_lease_is_out(void **state)
{
    struct story story = story_of_node_0(8, 1, 1);
    (void)state;

    story.options.lease_us_min = 200 * MS;
    story.options.lapse_us_min = SECOND;
    story_start(&story);
    assert_int_equal(story_expect_send(&story).node, 0);
    story_wait(&story, 200 * MS);
    struct story_request hedge = story_expect_send(&story);
    assert_int_not_equal(hedge.node, 0);
    assert_int_equal(sw_wave_stats(story.engine)->hedges_sent, 1);
    story_end(&story);
}

static void test_the_sleep_of_a_machine_is_no_work_of_a_node(void **state)
{
    struct story story = story_of_node_0(2, 4, 4);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    for (uint32_t key = 0; key < 3; key++) {
        story.now_us += key == 2 ? 600 * SECOND : MS;
        story_symbol(&story, request.id, key);
        story.expected = story.actions.count;
    }
    assert_true(story.health[0].work_us <= MS + story.options.stall_timeout_us);
    story_end(&story);
}

static void test_some_bad_symbols_among_good_ones_cost_a_node_nothing(void **state)
{
    struct story story = story_of_node_0(8, 9, 9);
    (void)state;

    story_start(&story);
    struct story_request request = story_expect_send(&story);
    for (uint32_t key = 0; key < 9; key++) {
        if (key % 3 == 1)
            story_bad_symbol(&story, request.id, key);
        else
            story_symbol(&story, request.id, key);
        story.expected = story.actions.count;
    }
    assert_int_equal(story.health[0].corrupt, 3);
    assert_false(sw_wave_health_is_corrupt(&story.health[0]));
    story_end(&story);
}

static void test_a_node_silent_at_first_is_measured_by_its_first_answer(void **state)
{
    const uint32_t primaries[] = {0, 1};
    struct story story = story_of(2, primaries, 2, 2);
    (void)state;

    story.options.lease_us_min = 50 * MS;
    story.options.hedge_keys_min = story.options.hedge_per_cent = 0;
    story_start(&story);
    struct story_request near = story_expect_send(&story), far = story_expect_send(&story);
    story_wait(&story, 2 * MS);
    story_deliver(&story, near.id, near.keys[0]);
    story_wait(&story, 146 * MS);
    assert_true(story.engine->nodes[far.node].late);
    story_wait(&story, 2 * MS);
    story_symbol(&story, far.id, far.keys[0]);
    story_expect_deliver(&story, far.keys[0]);
    assert_int_equal(story.health[far.node].first_us, 150 * MS);
    story_end(&story);
}

/* It says that its symbols are so large that none fits while another retrieval has its share of the budget. */
static void test_nobody_waits_for_room_that_only_one_node_claims_to_need(void **state)
{
    uint32_t primaries[60];
    struct story story;
    (void)state;

    for (uint32_t i = 0; i < 60; i++)
        primaries[i] = i % 2;
    story = story_of(2, primaries, 60, 60);
    story.options.hedge_keys_min = story.options.hedge_per_cent = 0;
    story.options.request_bytes_aim = 4 * STORY_SYMBOL_BYTES;
    story.options.first_keys_max = 4;
    story.options.value_bytes_max = 60 * STORY_SYMBOL_BYTES;
    story.budget.limit_bytes = 100 * STORY_SYMBOL_BYTES;
    story_start(&story);
    struct story_request a = story_expect_send(&story), b = story_expect_send(&story);
    story_wait(&story, 2 * MS);
    story_deliver(&story, a.id, a.keys[0]);
    for (uint32_t i = 1; i < a.key_count; i++) {
        story.expected = story.actions.count;
        story_left_out(&story, a.id, a.keys[i], 60 * STORY_SYMBOL_BYTES);
    }
    story.expected = story.actions.count;
    assert_true(sw_budget_reserve(&story.budget, 45 * STORY_SYMBOL_BYTES));
    story_ended(&story, a.id, SW_OK);
    story.expected = story.actions.count;
    for (uint32_t i = 0; i < b.key_count; i++) {
        story_symbol(&story, b.id, b.keys[i]);
        story.expected = story.actions.count;
        story_taken(&story, b.keys[i]);
        story.expected = story.actions.count;
    }
    story_ended(&story, b.id, SW_OK);
    story.expected = story.actions.count;
    assert_true(story.engine->nodes[b.node].open > 0);
    sw_budget_release(&story.budget, 45 * STORY_SYMBOL_BYTES);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_node_gets_fewer_keys_and_idle_ones_take_those_that_wait_for_it),
        cmocka_unit_test(test_what_is_open_at_a_node_follows_its_rate_and_round_trip),
        cmocka_unit_test(test_towards_the_end_a_node_that_would_come_too_late_is_not_asked),
        cmocka_unit_test(test_a_node_that_is_to_be_left_alone_takes_no_keys_however_quick_it_is),
        cmocka_unit_test(test_what_comes_later_than_an_idle_node_would_answer_is_asked_of_that_one_too),
        cmocka_unit_test(test_a_retrieval_tells_the_next_which_node_is_slow),
        cmocka_unit_test(test_what_is_known_of_a_node_fades_by_half_in_a_minute),
        cmocka_unit_test(test_a_corrupt_node_is_passed_over_by_the_next_retrieval_and_not_for_ever),
        cmocka_unit_test(test_a_node_that_pushes_back_is_left_alone_for_the_time_and_then_asked_as_any_other),
        cmocka_unit_test(test_a_node_silent_at_first_is_measured_by_its_first_answer),
        cmocka_unit_test(test_nobody_waits_for_room_that_only_one_node_claims_to_need),
        cmocka_unit_test(test_who_asked_to_be_left_alone_is_not_asked_though_nobody_else_is_left),
        cmocka_unit_test(test_an_idle_node_that_is_nobodys_primary_is_asked_when_a_lease_is_out),
        cmocka_unit_test(test_the_sleep_of_a_machine_is_no_work_of_a_node),
        cmocka_unit_test(test_some_bad_symbols_among_good_ones_cost_a_node_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
