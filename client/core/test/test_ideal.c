/* The ideal, on worlds small enough to be worked out by hand. Times in ns, but for the result. */
#include "client/core/test/sim_ideal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS   UINT64_C(1000000)
#define NONE SIM_IDEAL_NONE

static void test_one_node_sends_one_symbol_after_the_other(void **state)
{
    const struct sim_ideal_node node = {
        .round_trip_ns = 10 * MS, .first_ns = 5 * MS, .next_ns = 5 * MS, .symbols_max = 100};
    const uint32_t candidates[] = {0, 0, 0};
    (void)state;
    struct sim_ideal ideal = {.nodes = &node,
                              .node_count = 1,
                              .candidates = candidates,
                              .key_count = 3,
                              .candidate_count = 1,
                              .required = 3,
                              .downlink_ns = MS};
    /* 10 + 3 x 5, and the last one's time on the downlink. */
    assert_int_equal(sim_ideal_us(&ideal), 26000);
    ideal.required = 1;
    assert_int_equal(sim_ideal_us(&ideal), 16000);
}

static void test_two_nodes_share_by_their_speed(void **state)
{
    const struct sim_ideal_node nodes[] = {
        {.round_trip_ns = 0, .first_ns = 1 * MS, .next_ns = 1 * MS, .symbols_max = 100},
        {.round_trip_ns = 0, .first_ns = 3 * MS, .next_ns = 3 * MS, .symbols_max = 100},
    };
    const uint32_t candidates[] = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
    (void)state;
    struct sim_ideal ideal = {.nodes = nodes,
                              .node_count = 2,
                              .candidates = candidates,
                              .key_count = 8,
                              .candidate_count = 2,
                              .required = 8,
                              .downlink_ns = 0};
    /* In 6 ms the one sends 6, the other 2. */
    assert_int_equal(sim_ideal_us(&ideal), 6000);
    ideal.required = 7; /* 5 and 1 are 6 in 5 ms; 6 and 2 are the next there is */
    assert_int_equal(sim_ideal_us(&ideal), 6000);
    ideal.required = 6;
    assert_int_equal(sim_ideal_us(&ideal), 5000);
}

static void test_a_key_comes_only_from_where_it_is(void **state)
{
    const struct sim_ideal_node nodes[] = {
        {.round_trip_ns = 0, .first_ns = 1 * MS, .next_ns = 1 * MS, .symbols_max = 100},
        {.round_trip_ns = 0, .first_ns = 10 * MS, .next_ns = 10 * MS, .symbols_max = 100},
    };
    const uint32_t candidates[] = {0, 1, 1, NONE, 1, NONE};
    (void)state;
    struct sim_ideal ideal = {.nodes = nodes,
                              .node_count = 2,
                              .candidates = candidates,
                              .key_count = 3,
                              .candidate_count = 2,
                              .required = 1,
                              .downlink_ns = 0};
    assert_int_equal(sim_ideal_us(&ideal), 1000);
    ideal.required = 2;
    assert_int_equal(sim_ideal_us(&ideal), 10000);
    ideal.required = 3;
    assert_int_equal(sim_ideal_us(&ideal), 20000);
}

/* The greedy choice for the first key, node 0, has to be taken back for the others. */
static void test_a_flow_is_rerouted_where_that_is_better(void **state)
{
    const struct sim_ideal_node nodes[] = {
        {.round_trip_ns = 0, .first_ns = 4 * MS, .next_ns = 4 * MS, .symbols_max = 1},
        {.round_trip_ns = 0, .first_ns = 4 * MS, .next_ns = 4 * MS, .symbols_max = 1},
        {.round_trip_ns = 0, .first_ns = 4 * MS, .next_ns = 4 * MS, .symbols_max = 1},
    };
    const uint32_t candidates[] = {0, 1, NONE, 0, NONE, NONE, 1, 2, NONE};
    (void)state;
    struct sim_ideal ideal = {.nodes = nodes,
                              .node_count = 3,
                              .candidates = candidates,
                              .key_count = 3,
                              .candidate_count = 3,
                              .required = 3,
                              .downlink_ns = 0};
    assert_int_equal(sim_ideal_us(&ideal), 4000);
}

static void test_the_downlink_is_never_passed(void **state)
{
    struct sim_ideal_node nodes[4];
    uint32_t candidates[20];
    (void)state;
    for (int i = 0; i < 4; i++)
        nodes[i] =
            (struct sim_ideal_node){.round_trip_ns = 7 * MS, .first_ns = 2 * MS, .next_ns = 2 * MS, .symbols_max = 100};
    for (uint32_t i = 0; i < 20; i++)
        candidates[i] = i % 4;
    struct sim_ideal ideal = {.nodes = nodes,
                              .node_count = 4,
                              .candidates = candidates,
                              .key_count = 20,
                              .candidate_count = 1,
                              .required = 20,
                              .downlink_ns = 3 * MS};
    /* The first is there after 9 ms; then 20 x 3. Without the downlink it would be 7 + 5 x 2. */
    assert_int_equal(sim_ideal_us(&ideal), 69000);
    ideal.downlink_ns = 0;
    assert_int_equal(sim_ideal_us(&ideal), 17000);
}

static void test_stalling_trickling_and_useless_nodes_give_what_they_can(void **state)
{
    const struct sim_ideal_node nodes[] = {
        {.round_trip_ns = 2 * MS, .first_ns = 1 * MS, .next_ns = 1 * MS, .symbols_max = 1},
        {.round_trip_ns = 2 * MS, .first_ns = 1 * MS, .next_ns = 1000 * MS, .symbols_max = 100},
        {.round_trip_ns = 2 * MS, .first_ns = 1 * MS, .next_ns = 1 * MS, .symbols_max = 0},
    };
    const uint32_t candidates[] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
    (void)state;
    struct sim_ideal ideal = {.nodes = nodes,
                              .node_count = 3,
                              .candidates = candidates,
                              .key_count = 4,
                              .candidate_count = 3,
                              .required = 2,
                              .downlink_ns = 0};
    assert_int_equal(sim_ideal_us(&ideal), 3000);
    ideal.required = 3;
    assert_int_equal(sim_ideal_us(&ideal), 1003000);
    ideal.required = 4;
    assert_int_equal(sim_ideal_us(&ideal), 2003000);
}

static void test_what_nobody_can_give_never_comes(void **state)
{
    const struct sim_ideal_node node = {.round_trip_ns = MS, .first_ns = MS, .next_ns = MS, .symbols_max = 2};
    const uint32_t candidates[] = {0, 0, 0, NONE};
    (void)state;
    struct sim_ideal ideal = {.nodes = &node,
                              .node_count = 1,
                              .candidates = candidates,
                              .key_count = 4,
                              .candidate_count = 1,
                              .required = 3,
                              .downlink_ns = 0};
    assert_true(sim_ideal_us(&ideal) == UINT64_MAX);
    ideal.required = 2;
    assert_int_equal(sim_ideal_us(&ideal), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_node_sends_one_symbol_after_the_other),
        cmocka_unit_test(test_two_nodes_share_by_their_speed),
        cmocka_unit_test(test_a_key_comes_only_from_where_it_is),
        cmocka_unit_test(test_a_flow_is_rerouted_where_that_is_better),
        cmocka_unit_test(test_the_downlink_is_never_passed),
        cmocka_unit_test(test_stalling_trickling_and_useless_nodes_give_what_they_can),
        cmocka_unit_test(test_what_nobody_can_give_never_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
