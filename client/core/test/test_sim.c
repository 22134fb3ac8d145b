/*
 * The engine in a simulated network: whatever nodes do, its promises hold. The simulation checks after every step what
 * must always hold; the tests here say what each kind of world must come to. Times are virtual.
 */
#include "client/core/test/sim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)

static uint64_t first_seed;

static void test_local_store_with_enough_asks_no_node(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 5; i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.local_per_mille = 800;
        options.required = 5000;
        options.wave.local_keys_max = 5000;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_int_equal(result.stats.found_local, 5000);
        assert_int_equal(result.stats.requests, 0);
        assert_int_equal(result.keys_sent, 0);
    }
}

static void test_nodes_give_what_the_local_store_lacks(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 5; i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.local_per_mille = 500;
        options.wave.local_keys_max = 5000;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_true(result.stats.found_local > 4000 && result.stats.found_local < 5000);
        assert_int_equal(result.keys_sent, 10000 - result.stats.found_local);
    }
}

static void test_17_per_cent_fetches_not_one_key_too_many(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SIM_WORLDS(10); i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.required = 1700;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_int_equal(result.keys_sent, 1700);
        assert_int_equal(result.keys_hedged, 0);
        assert_int_equal(result.stats.symbols_wasted, 0);
    }
}

static void test_no_key_is_asked_twice_when_all_is_well(void **state)
{
    struct sim_options options = sim_defaults(first_seed);
    (void)state;

    struct sim_result result = sim_run(&options);
    assert_int_equal(result.status, SW_OK);
    assert_int_equal(result.keys_sent, 10000);
    assert_int_equal(result.stats.symbols_wasted, 0);
}

static void test_keys_beyond_a_request_go_into_a_next_one(void **state)
{
    struct sim_options options = sim_defaults(first_seed);
    (void)state;

    options.node_count = 3;
    options.budget_bytes = 1 << 20;
    options.wave.request_bytes_aim = 1 << 20;
    struct sim_result result = sim_run(&options);
    assert_int_equal(result.status, SW_OK);
    assert_true(result.keys_per_request_max <= 600);
    assert_true(result.keys_sent >= 10000 && result.keys_sent <= 10000 + 500);
}

/* One in five nodes is of one kind; what the others and the primary waves give is complete. */
static void check_kind(enum sim_kind kind, uint64_t seed)
{
    struct sim_options options = sim_defaults(seed);

    options.key_count = options.required = 4000;
    options.fault_per_cent = 20;
    options.fault_count = 1;
    options.faults[0] = kind;
    struct sim_result result = sim_run(&options);
    assert_true(result.kinds_met & 1u << kind);
    assert_true(result.delivered >= result.obtainable);
    assert_true(result.status == SW_OK || result.obtainable < options.required);
    if (result.end_us > 60 * SECOND)
        fail_msg("%s: %llu s, seed %llu", sim_kind_name(kind), (unsigned long long)(result.end_us / SECOND),
                 (unsigned long long)seed);
}

static void test_a_fifth_of_the_nodes_of_any_kind_costs_no_obtainable_key(void **state)
{
    (void)state;
    for (int kind = SIM_HONEST + 1; kind < SIM_KINDS; kind++)
        for (uint64_t i = 0; i < 3; i++)
            check_kind((enum sim_kind)kind, first_seed + i);
}

static void test_a_fifth_of_the_nodes_of_all_kinds_costs_no_obtainable_key(void **state)
{
    uint32_t kinds_met = 0;
    (void)state;

    for (uint64_t i = 0; i < 20; i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.fault_per_cent = 20;
        struct sim_result result = sim_run(&options);
        assert_true(result.delivered >= result.obtainable);
        assert_true(result.status == SW_OK || result.obtainable < options.required);
        kinds_met |= result.kinds_met;
    }
    assert_int_equal(kinds_met, (1u << SIM_KINDS) - 1);
}

static void test_17_per_cent_of_a_bad_network_is_had_soon(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SIM_WORLDS(10); i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.fault_per_cent = 20;
        options.required = 1700;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_true(result.end_us < 30 * SECOND);
    }
}

static void test_most_nodes_bad_still_gives_what_the_others_hold(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SIM_WORLDS(10); i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.key_count = options.required = 2000;
        options.fault_per_cent = 80;
        options.held_per_mille = 700;
        struct sim_result result = sim_run(&options);
        assert_true(result.delivered >= result.obtainable);
    }
}

static void test_too_few_symbols_end_after_every_candidate_was_asked_once(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 5; i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.exist_per_mille = 300;
        options.required = 5000;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_SHORT);
        assert_int_equal(result.delivered, result.obtainable);
        assert_int_equal(result.lost, options.key_count - result.obtainable);
        /* All hold what exists, so it is found at once, and the rest costs six questions a key. */
        assert_int_equal(result.keys_sent, result.delivered + 6 * result.lost);
        assert_true(result.end_us < 10 * SECOND);
    }
}

static void test_too_few_symbols_and_dead_nodes_end_promptly_too(void **state)
{
    static const enum sim_kind kinds[] = {SIM_DEAD, SIM_STALLED};
    (void)state;

    for (uint64_t i = 0; i < 6; i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.exist_per_mille = 300;
        options.required = 5000;
        options.fault_per_cent = 20;
        options.fault_count = 1;
        options.faults[0] = kinds[i % 2];
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_SHORT);
        assert_int_equal(result.delivered, result.obtainable);
        assert_int_equal(result.lost, options.key_count - result.obtainable);
        /* Each of the stalled nodes may be waited for now and then, but many keys at a time. */
        assert_true(result.end_us < (i % 2 ? 40 : 10) * SECOND);
    }
}

static void test_a_stalled_node_holds_up_nothing_until_it_counts_as_stalled(void **state)
{
    static const uint32_t required[] = {1700, 10000};
    (void)state;

    for (uint64_t i = 0; i < SIM_WORLDS(10); i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.required = required[i % 2];
        options.fault_per_cent = 2;
        options.fault_count = 1;
        options.faults[0] = SIM_STALLED;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_true(result.end_us < options.wave.stall_timeout_us / 2);
    }
}

static void test_one_and_three_nodes_are_enough(void **state)
{
    static const uint32_t counts[] = {1, 3};
    (void)state;

    for (int i = 0; i < 2; i++) {
        struct sim_options options = sim_defaults(first_seed);
        options.node_count = counts[i];
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_int_equal(result.keys_sent, 10000);
        options.exist_per_mille = 500;
        result = sim_run(&options);
        assert_int_equal(result.status, SW_SHORT);
        assert_int_equal(result.keys_sent, result.delivered + counts[i] * result.lost);
    }
}

static void test_a_slow_sink_keeps_to_the_budget(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.key_count = options.required = 3000;
        options.sink_us_max = 50000;
        options.budget_bytes = 4096;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_int_equal(result.keys_sent, 3000);
    }
}

static void test_a_cancel_ends_it_at_once(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SIM_WORLDS(40); i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.key_count = options.required = 2000;
        options.fault_per_cent = 20;
        options.local_per_mille = 100;
        options.wave.local_keys_max = 500;
        options.sink_us_max = 2000;
        struct sim_result result = sim_run(&options);
        options.cancel_at_us = 1 + (first_seed + i) * 7919 % (result.end_us - 1);
        result = sim_run(&options);
        assert_int_equal(result.status, SW_CANCELLED);
        assert_int_equal(result.end_us, options.cancel_at_us);
    }
}

/* In no more than the longest lease after what was asked last; the sink and what waits on our side are quick here. */
static void test_a_close_lets_what_is_asked_come_in_and_ends_it(void **state)
{
    unsigned all = 0, part = 0;
    (void)state;
    for (uint64_t i = 0; i < SIM_WORLDS(60); i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.key_count = options.required = 2000;
        options.fault_per_cent = 20;
        options.local_per_mille = 100;
        options.wave.local_keys_max = 500;
        options.sink_us_max = 100;
        options.hold_us_max = 0;
        options.check_every = 16;
        struct sim_result result = sim_run(&options);
        options.close_at_us = 1 + (first_seed + i) * 7919 % (result.end_us - 1);
        result = sim_run(&options);
        assert_true(result.status == SW_CANCELLED || result.status == SW_OK);
        assert_true(result.end_us >= options.close_at_us || result.status == SW_OK);
        assert_true(result.end_us <= options.close_at_us + 4 * options.wave.stall_timeout_us);
        all += result.status == SW_OK;
        part += result.status == SW_CANCELLED && result.delivered > 0;
    }
    assert_true(part > 0);
    printf("60 closes: %u with all, %u with some\n", all, part);
}

static void test_a_failing_sink_ends_it_with_its_status(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SIM_WORLDS(20); i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.key_count = options.required = 1000;
        options.local_per_mille = 200;
        options.wave.local_keys_max = 300;
        options.sink_fails_at = 1 + (uint32_t)((first_seed + i) * 7919 % 1000);
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_NO_SPACE);
        /* Those that were with the sink already may still be taken. */
        assert_true(result.delivered >= options.sink_fails_at - 1);
    }
}

static void test_others_on_the_same_budget_and_health_do_no_harm(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SIM_WORLDS(10); i++) {
        struct sim_options options = sim_defaults(first_seed + i);
        options.key_count = options.required = 3000;
        options.fault_per_cent = 20;
        options.rival = true;
        options.health_noise = true;
        options.hold_us_max = 10000;
        struct sim_result result = sim_run(&options);
        assert_true(result.delivered >= result.obtainable);
    }
}

/* Numbers of any size, so that no limit goes unmet. */
static struct sim_options random_options(uint64_t seed)
{
    struct sim_options options = sim_defaults(seed);
    uint64_t dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
#define ROLL(from, to)                                                                                                 \
    ((uint32_t)((from) + (dice = dice * UINT64_C(6364136223846793005) + 1, dice >> 33) % ((to) - (from) + 1)))
    options.node_count = ROLL(1, 12);
    options.key_count = ROLL(1, 200);
    options.required = ROLL(1, options.key_count);
    options.fault_per_cent = ROLL(0, 100);
    options.exist_per_mille = ROLL(0, 1) ? 1000 : ROLL(0, 1000);
    options.held_per_mille = ROLL(0, 1) ? 1000 : ROLL(0, 1000);
    options.local_per_mille = ROLL(0, 300);
    options.hold_us_max = ROLL(0, 3) ? 1000 : 2 * options.wave.stall_timeout_us;
    options.sink_us_max = ROLL(0, 3) ? 100 : ROLL(0, 100000);
    options.budget_bytes = ROLL(64, 8192);
    options.cancel_at_us = ROLL(0, 9) ? 0 : ROLL(1, 3000000);
    options.close_at_us = ROLL(0, 9) ? 0 : ROLL(1, 3000000);
    options.sink_fails_at = ROLL(0, 9) ? 0 : ROLL(1, options.key_count);
    options.rival = ROLL(0, 3) == 0;
    options.health_noise = ROLL(0, 3) == 0;
    options.check_every = 1;
    options.wave.candidates = ROLL(1, 16);
    options.wave.request_keys_max = ROLL(1, 40);
    options.wave.requests_max = ROLL(1, 32);
    options.wave.node_requests_max = ROLL(1, 5);
    options.wave.window_keys_max = ROLL(1, 300);
    options.wave.local_keys_max = ROLL(0, 1) ? 0 : ROLL(1, 300);
    options.wave.down_backoff_us = ROLL(0, 5) ? ROLL(1, 3000000) : 0;
    options.wave.symbol_bytes_guess = ROLL(0, 128);
    options.wave.request_bytes_aim = ROLL(0, 2048);
    options.wave.in_order = ROLL(0, 2) == 0;
#undef ROLL
    return options;
}

static void test_any_world_with_any_limits_keeps_every_promise(void **state)
{
    unsigned ends[3] = {0};
    (void)state;

    for (uint64_t i = 0; i < SIM_WORLDS(1500); i++) {
        struct sim_options options = random_options(first_seed * 1000003 + i);
        struct sim_result result = sim_run(&options);
        bool enough = result.obtainable >= options.required;
        bool ended_early = result.status == SW_CANCELLED || result.status == SW_NO_SPACE;
        assert_true(result.status == SW_OK || ended_early || !enough);
        ends[result.status == SW_OK ? 0 : result.status == SW_SHORT ? 1 : 2]++;
    }
    printf("%d worlds: %u ok, %u short, %u ended early\n", SIM_WORLDS(1500), ends[0], ends[1], ends[2]);
    assert_true(ends[0] > 0 && ends[1] > 0 && ends[2] > 0);
}

static void test_100000_keys_on_1000_nodes_take_steps_in_proportion(void **state)
{
    struct sim_options options = sim_defaults(first_seed);
    (void)state;

    options.node_count = 1000;
    options.key_count = options.required = 100000;
    options.fault_per_cent = 10;
    options.check_every = 20011;
    struct sim_result result = sim_run(&options);
    assert_true(result.delivered >= result.obtainable);
    assert_true(result.steps < 10 * (uint64_t)options.key_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_store_with_enough_asks_no_node),
        cmocka_unit_test(test_nodes_give_what_the_local_store_lacks),
        cmocka_unit_test(test_17_per_cent_fetches_not_one_key_too_many),
        cmocka_unit_test(test_no_key_is_asked_twice_when_all_is_well),
        cmocka_unit_test(test_keys_beyond_a_request_go_into_a_next_one),
        cmocka_unit_test(test_a_fifth_of_the_nodes_of_any_kind_costs_no_obtainable_key),
        cmocka_unit_test(test_a_fifth_of_the_nodes_of_all_kinds_costs_no_obtainable_key),
        cmocka_unit_test(test_17_per_cent_of_a_bad_network_is_had_soon),
        cmocka_unit_test(test_most_nodes_bad_still_gives_what_the_others_hold),
        cmocka_unit_test(test_too_few_symbols_end_after_every_candidate_was_asked_once),
        cmocka_unit_test(test_too_few_symbols_and_dead_nodes_end_promptly_too),
        cmocka_unit_test(test_a_stalled_node_holds_up_nothing_until_it_counts_as_stalled),
        cmocka_unit_test(test_one_and_three_nodes_are_enough),
        cmocka_unit_test(test_a_slow_sink_keeps_to_the_budget),
        cmocka_unit_test(test_a_cancel_ends_it_at_once),
        cmocka_unit_test(test_a_close_lets_what_is_asked_come_in_and_ends_it),
        cmocka_unit_test(test_a_failing_sink_ends_it_with_its_status),
        cmocka_unit_test(test_others_on_the_same_budget_and_health_do_no_harm),
        cmocka_unit_test(test_any_world_with_any_limits_keeps_every_promise),
        cmocka_unit_test(test_100000_keys_on_1000_nodes_take_steps_in_proportion),
    };
    first_seed = sim_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
