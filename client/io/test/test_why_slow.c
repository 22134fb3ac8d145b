/*
 * What the SDK says of a retrieval that was slow or was lied to: traces, proofs, hedges, waste, the last symbols. And
 * that a node which asks to be left alone is.
 */
#include "client/io/test/scripted_nodes.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TOLD_MAX 4096

/* All that was told of one retrieval. */
struct told {
    pthread_t thread;
    uint32_t traces, proofs;
    uint32_t ends[SW_TRACE_FAILED + 1];
    uint64_t found, missing, corrupt, bytes;
    uint32_t node_failed[NODES], node_requests[NODES];
    uint64_t last_us;
    uint64_t ids[TOLD_MAX];
    struct sw_corrupt_proof proof[TOLD_MAX];
    char text[SW_ERROR_MESSAGE_SIZE]; /* of the last error */
};

static uint32_t number_of(const char *node_id, const char *address)
{
    assert_true(node_id[0] == 'n' && node_id[1] >= '0' && node_id[1] < '0' + NODES && node_id[2] == '\0');
    assert_int_equal(strncmp(address, "127.0.0.1:", 10), 0);
    return (uint32_t)(node_id[1] - '0');
}

static void trace(const struct sw_trace_request *request, void *user_data)
{
    struct told *told = user_data;
    uint32_t node = number_of(request->node_id, request->address);
    assert_true(pthread_equal(told->thread, pthread_self()));
    assert_true(told->traces < TOLD_MAX);
    for (uint32_t i = 0; i < told->traces; i++)
        assert_true(told->ids[i] != request->id);
    told->ids[told->traces++] = request->id;
    told->ends[request->end]++;
    told->found += request->found;
    told->missing += request->missing;
    told->corrupt += request->corrupt;
    told->bytes += request->bytes;
    told->node_requests[node]++;
    told->node_failed[node] += request->end == SW_TRACE_FAILED || request->end == SW_TRACE_SLOW;
    assert_true(request->id > 0 && request->keys > 0 && request->keys <= VALUES && request->wave < NODES);
    assert_true(request->found <= request->keys);
    assert_true(request->started_us <= request->ended_us);
    if (request->first_answer_us > 0)
        assert_true(request->started_us <= request->first_answer_us && request->first_answer_us <= request->ended_us);
    else
        assert_true(request->found + request->missing + request->corrupt + request->bytes == 0);
    assert_int_equal(request->error != NULL, request->end == SW_TRACE_FAILED);
    if (request->error)
        snprintf(told->text, sizeof(told->text), "%s", request->error);
    if (request->ended_us > told->last_us)
        told->last_us = request->ended_us;
}

static void corrupt(const struct sw_corrupt_proof *proof, void *user_data)
{
    struct told *told = user_data;
    assert_true(pthread_equal(told->thread, pthread_self()));
    assert_true(told->proofs < TOLD_MAX);
    number_of(proof->node_id, proof->address);
    told->proof[told->proofs++] = *proof;
}

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    (void)symbol;
    (void)error;
    (void)user_data;
    return SW_OK;
}

static struct sw_report *retrieve(struct world *world, uint32_t deadline_ms, struct told *told, enum sw_status *status)
{
    memset(told, 0, sizeof(*told));
    told->thread = pthread_self();
    const struct sw_sink sink = {.take = take};
    const struct sw_retrieve_options options = {.size = sizeof(options),
                                                .deadline_ms = deadline_ms,
                                                .corrupt = corrupt,
                                                .corrupt_data = told,
                                                .trace = trace,
                                                .trace_data = told};
    struct sw_report *report;
    *status = sw_retrieve_stream(world->client, keys, VALUES, &options, &sink, &report, NULL);
    assert_non_null(report);
    return report;
}

static const struct sw_report_node *node_of(const struct sw_report *report, uint32_t number)
{
    for (uint64_t i = 0; i < report->node_count; i++)
        if (number_of(report->nodes[i]->id, report->nodes[i]->address) == number)
            return report->nodes[i];
    return NULL;
}

/* The parts of a report add up, and the traces to the report. */
static void assert_adds_up(const struct sw_report *report, const struct told *told, enum manner manner)
{
    uint64_t tail_nodes = 0, tail_waves = 0;
    for (uint32_t i = 0; i < report->wave_count; i++)
        tail_waves += report->waves[i]->tail_symbols;
    for (uint32_t i = 0; i < NODES; i++) {
        const struct sw_report_node *node = node_of(report, i);
        assert_int_equal(told->node_requests[i], node ? node->requests : 0);
        /* A node that leaves everything out, and so fails, has said that it was through. */
        if (manner != LEFT_OUT && manner != NO_ANSWERS)
            assert_int_equal(told->node_failed[i], node ? node->requests_failed : 0);
        if (!node)
            continue;
        tail_nodes += node->tail_symbols;
        assert_true(node->tail_wait_us <= report->elapsed_us);
        if (node->found > 0)
            assert_true(node->rate_bytes_per_second > 0 || node->first_symbol_us > 0);
    }
    assert_int_equal(tail_nodes, report->tail_symbols);
    assert_int_equal(tail_waves, report->tail_symbols);
    assert_true(report->tail_us <= report->elapsed_us && told->last_us <= report->elapsed_us);
    assert_int_equal(told->traces, report->requests);
    assert_int_equal(told->found, report->found_network);
    assert_int_equal(told->bytes, report->bytes_received);
    assert_int_equal(report->wasted_corrupt_bytes + report->wasted_unasked_bytes + report->wasted_duplicate_bytes +
                         report->wasted_late_bytes + report->wasted_hedge_bytes,
                     report->bytes_wasted);
    assert_int_equal(report->hedges_won + report->hedges_lost, report->hedges_sent);
    assert_int_equal(report->proof_sample_count, report->proof_count < 64 ? report->proof_count : 64);
    assert_true(told->proofs <= report->proof_count);
    for (uint64_t i = 0; i < report->proof_sample_count; i++)
        number_of(report->proofs[i]->node_id, report->proofs[i]->address);
}

static void test_traces_and_reports_add_up_whatever_nodes_do(void **state)
{
    (void)state;
    static struct told told;
    for (enum manner manner = GOOD; manner < MANNERS; manner++) {
        struct world world = {.client = NULL};
        enum sw_status status;
        world_start(&world, manner, 2);
        struct sw_report *report = retrieve(&world, 60000, &told, &status);
        print_message("%s: %u requests, %u answered, %u cancelled, %u beaten, %u slow, %u failed; tail %llu\n",
                      manner_names[manner], told.traces, told.ends[SW_TRACE_ANSWERED], told.ends[SW_TRACE_CANCELLED],
                      told.ends[SW_TRACE_BEATEN], told.ends[SW_TRACE_SLOW], told.ends[SW_TRACE_FAILED],
                      (unsigned long long)report->tail_symbols);
        assert_int_equal(status, SW_OK);
        assert_adds_up(report, &told, manner);
        assert_true(report->tail_symbols >= VALUES / 20 && report->tail_symbols <= VALUES / 20 + 1);
        if (manner == GARBAGE || manner == FAILS || manner == BUSY)
            assert_true(told.ends[SW_TRACE_FAILED] > 0);
        if (manner == SILENT) /* keys asked of them must have been asked elsewhere, which takes a lease that is out */
            assert_true(told.ends[SW_TRACE_BEATEN] + told.ends[SW_TRACE_SLOW] > 0 && report->leases_out > 0);
        if (manner == ALL_MISSING)
            assert_true(told.missing > 0);
        if (manner == DUPLICATES)
            assert_true(report->wasted_duplicate_bytes > 0);
        sw_report_free(report);
        world_stop(&world);
    }
}

static void test_a_failed_request_is_traced_with_the_nodes_own_words(void **state)
{
    (void)state;
    static struct told told;
    struct world world = {.client = NULL};
    enum sw_status status;
    world_start(&world, FAILS, NODES);
    sw_report_free(retrieve(&world, 60000, &told, &status));
    assert_string_equal(told.text, "INTERNAL: half is enough");
    world_stop(&world);
}

static void test_requests_that_nobody_answers_are_traced_as_too_slow(void **state)
{
    (void)state;
    static struct told told;
    struct world world = {.client = NULL};
    enum sw_status status;
    world_start(&world, SILENT, NODES);
    struct sw_report *report = retrieve(&world, 0, &told, &status);
    assert_int_equal(status, SW_SHORT);
    assert_adds_up(report, &told, SILENT);
    assert_int_equal(told.ends[SW_TRACE_SLOW], told.traces);
    assert_int_equal(report->tail_symbols, 0);
    sw_report_free(report);
    world_stop(&world);
}

static void test_requests_in_flight_at_a_deadline_are_traced_as_cancelled(void **state)
{
    (void)state;
    static struct told told;
    struct world world = {.options = {.stall_timeout_ms = 60000}};
    enum sw_status status;
    world_start(&world, SILENT, NODES);
    /* Before any lease can have lapsed: the engine looks at the deadline first. */
    struct sw_report *report = retrieve(&world, 100, &told, &status);
    assert_int_equal(status, SW_DEADLINE_EXCEEDED);
    assert_adds_up(report, &told, SILENT);
    assert_true(told.traces > 0);
    assert_int_equal(told.ends[SW_TRACE_CANCELLED], told.traces);
    sw_report_free(report);
    world_stop(&world);
}

/* What a node in the manner BAD_BYTES sends in place of a value. */
static struct sw_key flipped_digest(const struct sw_key *key)
{
    static uint8_t bytes[VALUE_BYTES];
    for (size_t i = 0; i < VALUES; i++) {
        if (sw_key_compare(&keys[i], key) != 0)
            continue;
        memcpy(bytes, values[i], VALUE_BYTES);
        bytes[VALUE_BYTES - 1] ^= 0x10;
        return sw_key_of_value(bytes, VALUE_BYTES);
    }
    fail_msg("a proof of a key that was not asked for");
    return (struct sw_key){{0}};
}

static void assert_proof(const struct sw_corrupt_proof *proof)
{
    struct sw_key digest = flipped_digest(&proof->key);
    assert_int_equal(sw_key_compare(&digest, &proof->digest), 0);
    assert_int_equal(proof->bytes, VALUE_BYTES);
}

static void test_each_wrong_value_is_proven(void **state)
{
    (void)state;
    static struct told told;
    struct world world = {.client = NULL};
    enum sw_status status;
    world_start(&world, BAD_BYTES, 2);
    struct sw_report *report = NULL;
    /* On a busy machine the others may be through before a wrong value comes. */
    for (int tries = 0; !report || (report->proof_count == 0 && tries < 10); tries++) {
        sw_report_free(report);
        report = retrieve(&world, 60000, &told, &status);
        assert_int_equal(status, SW_OK);
    }
    assert_true(report->proof_count > 0);
    assert_int_equal(report->proof_count, told.corrupt);
    if (report->proof_count <= 256) /* the room of the queue: then none can have been lost */
        assert_int_equal(told.proofs, report->proof_count);
    for (uint32_t i = 0; i < told.proofs; i++)
        assert_proof(&told.proof[i]);
    for (uint64_t i = 0; i < report->proof_sample_count; i++) {
        assert_proof(report->proofs[i]);
        assert_true(number_of(report->proofs[i]->node_id, report->proofs[i]->address) < 2);
    }
    sw_report_free(report);
    world_stop(&world);
}

static void test_a_report_has_no_more_than_a_sample_of_the_proofs(void **state)
{
    (void)state;
    static struct told told;
    struct world world = {.client = NULL};
    enum sw_status status;
    world_start(&world, BAD_BYTES, NODES);
    struct sw_report *report = retrieve(&world, 60000, &told, &status);
    assert_int_equal(status, SW_SHORT);
    assert_int_equal(report->proof_count, told.corrupt);
    assert_true(report->proof_count > 64); /* each of the keys came wrong from somebody */
    assert_int_equal(report->proof_sample_count, 64);
    for (uint64_t i = 0; i < report->proof_sample_count; i++)
        assert_proof(report->proofs[i]);
    sw_report_free(report);
    world_stop(&world);
}

static void test_a_busy_nodes_pushback_is_kept(void **state)
{
    (void)state;
    static struct told told;
    struct world world = {.nodes = {{.pushback_ms = 600000}}};
    enum sw_status status;
    world_start(&world, BUSY, 1);
    struct sw_report *report = retrieve(&world, 60000, &told, &status);
    assert_int_equal(status, SW_OK);
    assert_int_equal(report->found_network, VALUES);
    assert_int_equal(node_of(report, 0)->found, 0);
    assert_int_equal(node_of(report, 0)->requests_failed, 0); /* to be busy is no failure where it says for how long */
    assert_true(told.ends[SW_TRACE_FAILED] > 0);
    assert_string_equal(told.text, "RESOURCE_EXHAUSTED: come back later");
    sw_report_free(report);
    uint32_t before = world.nodes[0].requests;
    assert_true(before > 0);
    /* Longer than a node is passed over that only fails. */
    usleep(700000);
    report = retrieve(&world, 60000, &told, &status);
    assert_int_equal(status, SW_OK);
    assert_null(node_of(report, 0));
    assert_int_equal(world.nodes[0].requests, before);
    sw_report_free(report);
    world_stop(&world);
}

int main(void)
{
    sw_process_tune();
    scripted_nodes_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces_and_reports_add_up_whatever_nodes_do),
        cmocka_unit_test(test_a_failed_request_is_traced_with_the_nodes_own_words),
        cmocka_unit_test(test_requests_that_nobody_answers_are_traced_as_too_slow),
        cmocka_unit_test(test_requests_in_flight_at_a_deadline_are_traced_as_cancelled),
        cmocka_unit_test(test_each_wrong_value_is_proven),
        cmocka_unit_test(test_a_report_has_no_more_than_a_sample_of_the_proofs),
        cmocka_unit_test(test_a_busy_nodes_pushback_is_kept),
    };
    return cmocka_run_group_tests_name("why slow", tests, NULL, NULL);
}
