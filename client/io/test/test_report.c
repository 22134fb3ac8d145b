/* Reports as JSON: every field is there, under its own name, and nothing else. */
#include "common/memory.h"
#include "symwave/report.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses what a function made, and frees the text. */
static json_t *parsed(char *text)
{
    json_error_t fault;

    assert_non_null(text);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &fault);
    if (!json)
        fail_msg("%s in %s", fault.text, text);
    sw_free(text);
    return json;
}

static void assert_number(const json_t *object, const char *name, long long value)
{
    const json_t *member = json_object_get(object, name);
    if (!json_is_integer(member) || json_integer_value(member) != value)
        fail_msg("%s is %lld, not %lld", name, (long long)json_integer_value(member), value);
}

static void assert_text(const json_t *object, const char *name, const char *value)
{
    const json_t *member = json_object_get(object, name);
    assert_true(json_is_string(member));
    assert_string_equal(json_string_value(member), value);
}

static const struct sw_report_wave *const *two_waves(void)
{
    struct sw_report_wave **waves = sw_table_new(2, sizeof(**waves));
    *waves[0] = (struct sw_report_wave){21, 22, 23, 24, 25, 251, 252};
    *waves[1] = (struct sw_report_wave){26, 27, 28, 29, 30, 301, 302};
    return (const struct sw_report_wave *const *)waves;
}

static const struct sw_report_node *const *one_node(void)
{
    struct sw_report_node **nodes = sw_table_new(1, sizeof(**nodes)), *node = nodes[0];
    *node = (struct sw_report_node){.id = strdup("node-1"),
                                    .address = strdup("127.0.0.1:4000"),
                                    .requests = 31,
                                    .requests_failed = 32,
                                    .keys_asked = 33,
                                    .found = 34,
                                    .missing = 35,
                                    .corrupt = 36,
                                    .bytes = 37,
                                    .tail_symbols = 38,
                                    .tail_wait_us = 39,
                                    .rate_bytes_per_second = 40,
                                    .first_symbol_us = 41};
    strcpy(node->last_error, "it said \"no\"\n\xff.");
    return (const struct sw_report_node *const *)nodes;
}

static void assert_one_node(const json_t *object)
{
    const json_t *nodes = json_object_get(object, "nodes");
    const json_t *node = json_array_get(nodes, 0);

    assert_number(object, "node_count", 1);
    assert_int_equal(json_array_size(nodes), 1);
    assert_text(node, "id", "node-1");
    assert_text(node, "address", "127.0.0.1:4000");
    assert_number(node, "requests", 31);
    assert_number(node, "requests_failed", 32);
    assert_number(node, "keys_asked", 33);
    assert_number(node, "found", 34);
    assert_number(node, "missing", 35);
    assert_number(node, "corrupt", 36);
    assert_number(node, "bytes", 37);
    assert_text(node, "last_error", "it said \"no\"\n?.");
    assert_number(node, "tail_symbols", 38);
    assert_number(node, "tail_wait_us", 39);
    assert_number(node, "rate_bytes_per_second", 40);
    assert_number(node, "first_symbol_us", 41);
    assert_int_equal(json_object_size(node), 14);
}

static const struct sw_corrupt_proof *const *one_proof(void)
{
    struct sw_corrupt_proof **proofs = sw_table_new(1, sizeof(**proofs)), *proof = proofs[0];
    proof->node_id = strdup("node-2");
    proof->address = strdup("127.0.0.1:4001");
    proof->key.bytes[31] = 1;
    proof->digest.bytes[31] = 57;
    proof->bytes = 64;
    return (const struct sw_corrupt_proof *const *)proofs;
}

static void assert_reasons(const json_t *json)
{
    const json_t *proof = json_array_get(json_object_get(json, "proofs"), 0);

    assert_number(json, "proof_count", 50);
    assert_number(json, "proof_sample_count", 1);
    assert_text(proof, "node_id", "node-2");
    assert_text(proof, "address", "127.0.0.1:4001");
    assert_text(proof, "key", "11111111111111111111111111111112");
    assert_text(proof, "digest", "1111111111111111111111111111111z"); /* base58's 58th digit, 57, is z */
    assert_number(proof, "bytes", 64);
    assert_int_equal(json_object_size(proof), 5);
    assert_number(json, "wasted_corrupt_bytes", 51);
    assert_number(json, "wasted_unasked_bytes", 52);
    assert_number(json, "wasted_duplicate_bytes", 53);
    assert_number(json, "wasted_late_bytes", 54);
    assert_number(json, "wasted_hedge_bytes", 55);
    assert_number(json, "hedges_sent", 56);
    assert_number(json, "hedges_won", 57);
    assert_number(json, "hedges_lost", 58);
    assert_number(json, "late_found", 59);
    assert_number(json, "leases_out", 60);
    assert_number(json, "leases_lapsed", 61);
    assert_number(json, "tail_symbols", 62);
    assert_number(json, "tail_us", 63);
}

static void test_a_retrievals_report_has_every_field(void **state)
{
    struct sw_report *report = calloc(1, sizeof(*report));
    struct sw_key *sample = calloc(2, sizeof(*sample));

    (void)state;
    *report = (struct sw_report){.status = SW_SHORT,
                                 .keys = 1,
                                 .keys_duplicate = 2,
                                 .required = 3,
                                 .found_local = 4,
                                 .found_network = 5,
                                 .missing = 6,
                                 .requests = 7,
                                 .requests_failed = 8,
                                 .bytes = 1ull << 40,
                                 .bytes_received = 10,
                                 .bytes_wasted = 11,
                                 .symbols_wasted = 12,
                                 .budget_bytes = 13,
                                 .budget_high_water_bytes = 14,
                                 .first_symbol_us = 15,
                                 .elapsed_us = UINT64_MAX,
                                 .wave_count = 2,
                                 .waves = two_waves(),
                                 .node_count = 1,
                                 .nodes = one_node(),
                                 .missing_sample_count = 2,
                                 .missing_sample = sample,
                                 .proof_count = 50,
                                 .proof_sample_count = 1,
                                 .proofs = one_proof(),
                                 .wasted_corrupt_bytes = 51,
                                 .wasted_unasked_bytes = 52,
                                 .wasted_duplicate_bytes = 53,
                                 .wasted_late_bytes = 54,
                                 .wasted_hedge_bytes = 55,
                                 .hedges_sent = 56,
                                 .hedges_won = 57,
                                 .hedges_lost = 58,
                                 .late_found = 59,
                                 .leases_out = 60,
                                 .leases_lapsed = 61,
                                 .tail_symbols = 62,
                                 .tail_us = 63};
    memset(&sample[1], 0, sizeof(sample[1]));
    sample[1].bytes[31] = 1;
    json_t *json = parsed(sw_report_to_json(report));
    assert_text(json, "status", "short");
    assert_number(json, "keys", 1);
    assert_number(json, "keys_duplicate", 2);
    assert_number(json, "required", 3);
    assert_number(json, "found_local", 4);
    assert_number(json, "found_network", 5);
    assert_number(json, "missing", 6);
    assert_number(json, "requests", 7);
    assert_number(json, "requests_failed", 8);
    assert_number(json, "bytes", 1099511627776);
    assert_number(json, "bytes_received", 10);
    assert_number(json, "bytes_wasted", 11);
    assert_number(json, "symbols_wasted", 12);
    assert_number(json, "budget_bytes", 13);
    assert_number(json, "budget_high_water_bytes", 14);
    assert_number(json, "first_symbol_us", 15);
    assert_number(json, "elapsed_us", INT64_MAX);
    assert_number(json, "wave_count", 2);
    assert_one_node(json);
    const json_t *waves = json_object_get(json, "waves");
    assert_int_equal(json_array_size(waves), 2);
    assert_number(json_array_get(waves, 0), "keys_asked", 21);
    assert_number(json_array_get(waves, 0), "found", 22);
    assert_number(json_array_get(waves, 0), "missing", 23);
    assert_number(json_array_get(waves, 0), "failed", 24);
    assert_number(json_array_get(waves, 0), "corrupt", 25);
    assert_number(json_array_get(waves, 1), "corrupt", 30);
    assert_number(json_array_get(waves, 0), "tail_symbols", 251);
    assert_number(json_array_get(waves, 1), "tail_wait_us", 302);
    assert_int_equal(json_object_size(json_array_get(waves, 0)), 7);
    /* base58 of 32 zero bytes is a 1 for each; of the number 1 after 31 of them, 31 ones and a 2. */
    const json_t *keys = json_object_get(json, "missing_sample");
    assert_number(json, "missing_sample_count", 2);
    assert_string_equal(json_string_value(json_array_get(keys, 0)), "11111111111111111111111111111111");
    assert_string_equal(json_string_value(json_array_get(keys, 1)), "11111111111111111111111111111112");
    assert_reasons(json);
    assert_int_equal(json_object_size(json), 39);
    json_decref(json);
    sw_report_free(report);
}

static void test_an_empty_report_has_empty_arrays(void **state)
{
    struct sw_report *report = calloc(1, sizeof(*report));

    (void)state;
    json_t *json = parsed(sw_report_to_json(report));
    assert_text(json, "status", "ok");
    assert_int_equal(json_array_size(json_object_get(json, "waves")), 0);
    assert_int_equal(json_array_size(json_object_get(json, "nodes")), 0);
    assert_int_equal(json_array_size(json_object_get(json, "missing_sample")), 0);
    assert_int_equal(json_array_size(json_object_get(json, "proofs")), 0);
    assert_int_equal(json_object_size(json), 39);
    json_decref(json);
    sw_report_free(report);
    sw_report_free(NULL);
    sw_store_report_free(NULL);
}

static void test_a_stores_report_has_every_field(void **state)
{
    struct sw_store_report *report = calloc(1, sizeof(*report));

    (void)state;
    *report = (struct sw_store_report){.status = SW_DEADLINE_EXCEEDED,
                                       .symbols = 1,
                                       .bytes = 2,
                                       .replicas_wanted = 3,
                                       .replicas_placed = 4,
                                       .replicas_present = 5,
                                       .replicas_refused = 6,
                                       .replicas_failed = 7,
                                       .symbols_without_replica = 8,
                                       .requests = 9,
                                       .bytes_sent = 10,
                                       .budget_bytes = 11,
                                       .budget_high_water_bytes = 12,
                                       .elapsed_us = 13,
                                       .node_count = 1,
                                       .nodes = one_node()};
    strcpy(report->first_failure, "node-1: unavailable");
    json_t *json = parsed(sw_store_report_to_json(report));
    assert_text(json, "status", "deadline exceeded");
    assert_number(json, "symbols", 1);
    assert_number(json, "bytes", 2);
    assert_number(json, "replicas_wanted", 3);
    assert_number(json, "replicas_placed", 4);
    assert_number(json, "replicas_present", 5);
    assert_number(json, "replicas_refused", 6);
    assert_number(json, "replicas_failed", 7);
    assert_number(json, "symbols_without_replica", 8);
    assert_number(json, "requests", 9);
    assert_number(json, "bytes_sent", 10);
    assert_number(json, "budget_bytes", 11);
    assert_number(json, "budget_high_water_bytes", 12);
    assert_number(json, "elapsed_us", 13);
    assert_one_node(json);
    assert_text(json, "first_failure", "node-1: unavailable");
    assert_int_equal(json_object_size(json), 17);
    json_decref(json);
    sw_store_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_retrievals_report_has_every_field),
        cmocka_unit_test(test_an_empty_report_has_empty_arrays),
        cmocka_unit_test(test_a_stores_report_has_every_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
