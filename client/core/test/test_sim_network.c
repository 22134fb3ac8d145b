/*
 * The engine in a network with bandwidths and round trips, whose nodes restart, are cut off, lose, push back, or whose
 * client stands still for a while. What it comes to, not how fast: that is test_tail.c's. Times are virtual.
 */
#include "client/core/test/sim.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)

static uint64_t first_seed;

/* 50 nodes, 10,000 keys, all of them required: several seconds' work. */
static struct sim_options long_retrieval(uint64_t seed)
{
    struct sim_options options = sim_network_defaults(seed);
    options.required = options.key_count;
    options.network.all_obtainable = true;
    return options;
}

static double bytes_of_needed(const struct sim_options *options, const struct sim_result *result)
{
    return (double)result->wire_bytes / options->network.symbol_bytes / options->required;
}

static void test_a_healthy_network_gives_what_is_required(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SIM_WORLDS(10); i++) {
        struct sim_options options = sim_network_defaults(first_seed + i);
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_int_equal(result.stats.requests_failed, 0);
    }
}

static void test_the_same_seed_gives_the_same_retrieval(void **state)
{
    struct sim_options options = long_retrieval(first_seed);
    (void)state;

    options.network.per_cent[SIM_RESTARTS] = 20;
    options.network.lost_per_mille = 20;
    struct sim_result one = sim_run(&options), other = sim_run(&options);
    assert_int_equal(one.end_us, other.end_us);
    assert_int_equal(one.steps, other.steps);
    assert_int_equal(one.wire_bytes, other.wire_bytes);
}

static void test_nodes_that_restart_are_asked_again(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        struct sim_options options = long_retrieval(first_seed + i);
        options.network.per_cent[SIM_RESTARTS] = 20;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_true(result.stats.requests_failed > 0);
        assert_true(result.recovered_symbols > 0);
        assert_true(bytes_of_needed(&options, &result) < 1.15);
    }
}

static void test_a_partition_that_heals_costs_no_key(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        struct sim_options options = long_retrieval(first_seed + i);
        options.network.per_cent[SIM_CUT_OFF] = 20;
        options.network.cut_off_from_us = SECOND / 2;
        options.network.cut_off_to_us = 3 * SECOND / 2;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_true(result.recovered_symbols > 0);
        assert_true(bytes_of_needed(&options, &result) < 1.25);
    }
}

static void test_a_partition_of_all_nodes_is_waited_out(void **state)
{
    struct sim_options options = sim_network_defaults(first_seed);
    (void)state;

    options.network.per_cent[SIM_CUT_OFF] = 100;
    options.network.cut_off_from_us = SECOND / 4;
    options.network.cut_off_to_us = SECOND;
    struct sim_result result = sim_run(&options);
    assert_int_equal(result.status, SW_OK);
}

static void test_lost_packets_cost_few_bytes(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        struct sim_options options = long_retrieval(first_seed + i);
        options.network.lost_per_mille = 10;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_true(bytes_of_needed(&options, &result) < 1.15);
    }
}

static void test_a_node_that_pushes_back_is_left_alone_and_then_asked_again(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        struct sim_options options = long_retrieval(first_seed + i);
        options.network.per_cent[SIM_PUSHES_BACK] = 20;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_true(result.pushed_back > 0);
        assert_int_equal(result.pushback_ignored, 0);
        assert_true(result.recovered_symbols > 0);
    }
}

static void test_a_process_that_stood_still_goes_on(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 5; i++) {
        struct sim_options options = long_retrieval(first_seed + i);
        options.network.jump_at_us = SECOND + i * SECOND / 3;
        options.network.jump_us = 10 * SECOND;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_true(bytes_of_needed(&options, &result) < 1.25);
    }
}

static void test_answers_told_late_are_not_the_nodes_fault(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        struct sim_options options = long_retrieval(first_seed + i);
        options.network.lag_us_max = 20000;
        struct sim_result result = sim_run(&options);
        assert_int_equal(result.status, SW_OK);
        assert_int_equal(result.stats.requests_failed, 0);
        assert_true(bytes_of_needed(&options, &result) < 1.05);
    }
}

/* Any troubles, any limits. */
static struct sim_options random_options(uint64_t seed)
{
    struct sim_options options = sim_network_defaults(seed);
    struct sim_network *network = &options.network;
    uint64_t dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
#define ROLL(from, to)                                                                                                 \
    ((uint32_t)((from) + (dice = dice * UINT64_C(6364136223846793005) + 1, dice >> 33) % ((to) - (from) + 1)))
    options.node_count = ROLL(1, 20);
    options.key_count = ROLL(1, 300);
    options.required = ROLL(1, options.key_count);
    options.held_per_mille = ROLL(0, 1) ? 1000 : ROLL(0, 1000);
    options.budget_bytes = ROLL(1, 64) * UINT64_C(65536);
    options.cancel_at_us = ROLL(0, 9) ? 0 : ROLL(1, 2000000);
    options.rival = ROLL(0, 5) == 0;
    options.health_noise = ROLL(0, 5) == 0;
    options.check_every = 1;
    for (int trouble = SIM_FINE + 1; trouble < SIM_TROUBLES; trouble++)
        network->per_cent[trouble] = ROLL(0, 2) ? 0 : ROLL(1, 40);
    network->corrupt_per_mille = ROLL(0, 2) ? 0 : ROLL(1, 500);
    network->lost_per_mille = ROLL(0, 2) ? 0 : ROLL(1, 100);
    network->round_trip_us_max = ROLL(5000, 300000);
    network->cut_off_from_us = ROLL(0, 1000000);
    network->cut_off_to_us = network->cut_off_from_us + ROLL(0, 4000000);
    network->pushbacks = ROLL(1, 20);
    network->pushback_us = ROLL(1, 3000000);
    network->lag_us_max = ROLL(0, 1) ? 0 : ROLL(1, 50000);
    network->jump_at_us = ROLL(0, 2000000);
    network->jump_us = ROLL(0, 5) ? 0 : ROLL(1, 20000000);
    options.wave.request_keys_max = ROLL(1, 600);
    options.wave.requests_max = ROLL(1, 128);
    options.wave.node_requests_max = ROLL(1, 5);
    options.wave.window_keys_max = ROLL(1, 400);
    options.wave.first_keys_max = ROLL(1, 16);
    options.wave.queue_us = ROLL(0, 100000);
    options.wave.lease_us_min = ROLL(1, 200000);
    options.wave.lapse_us_min = options.wave.lease_us_min + ROLL(0, 1000000);
    options.wave.hedge_requests_max = ROLL(0, 40);
    options.wave.hedge_per_cent = ROLL(0, 100);
    options.wave.hedge_keys_min = ROLL(0, 20);
    options.wave.in_order = ROLL(0, 2) == 0;
#undef ROLL
    return options;
}

static void test_any_network_with_any_limits_keeps_every_promise(void **state)
{
    unsigned ends[3] = {0};
    (void)state;

    for (uint64_t i = 0; i < SIM_WORLDS(600); i++) {
        struct sim_options options = random_options(first_seed * 1000003 + i);
        struct sim_result result = sim_run(&options);
        bool enough = result.obtainable >= options.required;
        assert_true(result.status == SW_OK || result.status == SW_CANCELLED || !enough);
        ends[result.status == SW_OK ? 0 : result.status == SW_SHORT ? 1 : 2]++;
    }
    printf("%d worlds: %u ok, %u short, %u cancelled\n", SIM_WORLDS(600), ends[0], ends[1], ends[2]);
    assert_true(ends[0] > 0 && ends[1] > 0 && ends[2] > 0);
}

static void test_a_million_keys_on_10000_nodes_take_steps_in_proportion(void **state)
{
    struct sim_options options = sim_network_defaults(first_seed);
    (void)state;

    options.node_count = 10000;
    options.key_count = 1000000;
    options.required = 170000;
    options.check_every = 500009;
    options.network.ideal = false;
    options.network.per_cent[SIM_TEN_TIMES_SLOWER] = 10;
    options.network.per_cent[SIM_STALLS] = 10;
    struct sim_result result = sim_run(&options);
    assert_int_equal(result.status, SW_OK);
    assert_true(result.steps < 10 * (uint64_t)options.required);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_healthy_network_gives_what_is_required),
        cmocka_unit_test(test_the_same_seed_gives_the_same_retrieval),
        cmocka_unit_test(test_nodes_that_restart_are_asked_again),
        cmocka_unit_test(test_a_partition_that_heals_costs_no_key),
        cmocka_unit_test(test_a_partition_of_all_nodes_is_waited_out),
        cmocka_unit_test(test_lost_packets_cost_few_bytes),
        cmocka_unit_test(test_a_node_that_pushes_back_is_left_alone_and_then_asked_again),
        cmocka_unit_test(test_a_process_that_stood_still_goes_on),
        cmocka_unit_test(test_answers_told_late_are_not_the_nodes_fault),
        cmocka_unit_test(test_any_network_with_any_limits_keeps_every_promise),
        cmocka_unit_test(test_a_million_keys_on_10000_nodes_take_steps_in_proportion),
    };
    first_seed = sim_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
