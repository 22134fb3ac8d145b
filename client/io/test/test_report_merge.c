/* Sums of reports: what adds up, what is the longest, and whose names are whose. */
#include "client/io/report_merge.h"
#include "common/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sw_report *report_of(const char *node_id, uint64_t unit, uint32_t proofs)
{
    struct sw_report *report = calloc(1, sizeof(*report));
    struct sw_report_wave **waves = sw_table_new(1, sizeof(**waves));
    struct sw_report_node **nodes = sw_table_new(1, sizeof(**nodes));
    struct sw_corrupt_proof **proof = sw_table_new(proofs, sizeof(**proof));
    *waves[0] = (struct sw_report_wave){.tail_symbols = unit, .tail_wait_us = 100 * unit};
    *nodes[0] = (struct sw_report_node){.id = strdup(node_id),
                                        .address = strdup("127.0.0.1:1"),
                                        .tail_symbols = unit,
                                        .tail_wait_us = 100 * unit,
                                        .rate_bytes_per_second = 1000 * unit,
                                        .first_symbol_us = 10 * unit};
    *report = (struct sw_report){.node_count = 1,
                                 .nodes = (const struct sw_report_node *const *)nodes,
                                 .wave_count = 1,
                                 .waves = (const struct sw_report_wave *const *)waves,
                                 .proof_count = proofs,
                                 .proof_sample_count = proofs,
                                 .proofs = (const struct sw_corrupt_proof *const *)proof,
                                 .wasted_corrupt_bytes = unit,
                                 .wasted_unasked_bytes = 2 * unit,
                                 .wasted_duplicate_bytes = 3 * unit,
                                 .wasted_late_bytes = 4 * unit,
                                 .wasted_hedge_bytes = 5 * unit,
                                 .hedges_sent = 6 * unit,
                                 .hedges_won = 2 * unit,
                                 .hedges_lost = 4 * unit,
                                 .late_found = 7 * unit,
                                 .leases_out = 9 * unit,
                                 .leases_lapsed = 8 * unit,
                                 .tail_symbols = unit,
                                 .tail_us = 50 * unit};
    for (uint32_t i = 0; i < proofs; i++)
        *proof[i] =
            (struct sw_corrupt_proof){.node_id = strdup(node_id), .address = strdup("127.0.0.1:1"), .bytes = i + 1};
    return report;
}

static void test_reasons_add_up(void **state)
{
    (void)state;
    struct sw_report *sum = sw_report_merge(report_of("a", 3, 0), report_of("a", 1, 0));
    assert_int_equal(sum->wasted_corrupt_bytes, 4);
    assert_int_equal(sum->wasted_unasked_bytes, 8);
    assert_int_equal(sum->wasted_duplicate_bytes, 12);
    assert_int_equal(sum->wasted_late_bytes, 16);
    assert_int_equal(sum->wasted_hedge_bytes, 20);
    assert_int_equal(sum->hedges_sent, 24);
    assert_int_equal(sum->hedges_won, 8);
    assert_int_equal(sum->hedges_lost, 16);
    assert_int_equal(sum->late_found, 28);
    assert_int_equal(sum->leases_out, 36);
    assert_int_equal(sum->leases_lapsed, 32);
    assert_int_equal(sum->tail_symbols, 4);
    assert_int_equal(sum->tail_us, 200);
    sw_report_free(sum);
}

static void test_a_nodes_and_a_waves_wait_is_the_longest_of_all(void **state)
{
    (void)state;
    struct sw_report *sum = sw_report_merge(report_of("a", 3, 0), report_of("a", 1, 0));
    assert_int_equal(sum->node_count, 1);
    assert_int_equal(sum->nodes[0]->tail_symbols, 4);
    assert_int_equal(sum->nodes[0]->tail_wait_us, 300);
    assert_int_equal(sum->nodes[0]->rate_bytes_per_second, 1000); /* what was measured last */
    assert_int_equal(sum->nodes[0]->first_symbol_us, 10);
    assert_int_equal(sum->waves[0]->tail_symbols, 4);
    assert_int_equal(sum->waves[0]->tail_wait_us, 300);
    sw_report_free(sum);
}

static void test_proofs_of_all_are_counted_and_the_first_are_kept(void **state)
{
    (void)state;
    struct sw_report *sum = sw_report_merge(report_of("a", 1, 0), report_of("b", 1, 5));
    assert_int_equal(sum->proof_sample_count, 5);
    sum = sw_report_merge(sum, report_of("c", 1, 62));
    sum = sw_report_merge(sum, report_of("d", 1, 3));
    assert_int_equal(sum->proof_count, 70);
    assert_int_equal(sum->proof_sample_count, SW_REPORT_PROOF_SAMPLE_MAX);
    assert_string_equal(sum->proofs[0]->node_id, "b");
    assert_string_equal(sum->proofs[5]->node_id, "c");
    assert_string_equal(sum->proofs[63]->node_id, "c");
    assert_int_equal(sum->proofs[63]->bytes, 59);
    sw_report_free(sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons_add_up),
        cmocka_unit_test(test_a_nodes_and_a_waves_wait_is_the_longest_of_all),
        cmocka_unit_test(test_proofs_of_all_are_counted_and_the_first_are_kept),
    };
    return cmocka_run_group_tests_name("report merge", tests, NULL, NULL);
}
