/*
 * Memory: each allocation of a plan, of targets and of a decoder fails once, which is said, and nothing is left behind;
 * and running a plan allocates nothing. The linker puts the functions below before malloc, calloc and realloc.
 */
#include "symwave/raptorq.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define K 40

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static unsigned allocations, failing; /* failing: the allocation that fails, from 1; 0: none */

void *__wrap_malloc(size_t size)
{
    return ++allocations == failing ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return ++allocations == failing ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return ++allocations == failing ? NULL : __real_realloc(memory, size);
}

static void test_a_plan_needs_all_of_its_memory(void **state)
{
    struct sw_raptorq_plan *plan = NULL;
    unsigned failures = 0;

    (void)state;
    for (;;) {
        enum sw_status status;

        allocations = 0;
        failing = failures + 1;
        status = sw_raptorq_plan_new_encoder(K, &plan);
        failing = 0;
        if (status == SW_OK)
            break;
        assert_int_equal(status, SW_NO_MEMORY);
        assert_null(plan);
        failures++;
    }
    assert_true(failures >= 30);
    sw_raptorq_plan_free(plan);
}

static void test_targets_need_all_of_their_memory(void **state)
{
    static const uint32_t esis[] = {0, K, K + 1};
    struct sw_raptorq_plan *plan;
    struct sw_raptorq_targets *targets = NULL;
    unsigned failures = 0;

    (void)state;
    assert_int_equal(sw_raptorq_plan_new_encoder(K, &plan), SW_OK);
    for (;;) {
        enum sw_status status;

        allocations = 0;
        failing = failures + 1;
        status = sw_raptorq_targets_new(plan, esis, 3, &targets);
        failing = 0;
        if (status == SW_OK)
            break;
        assert_int_equal(status, SW_NO_MEMORY);
        assert_null(targets);
        failures++;
    }
    assert_int_equal(failures, 3);
    sw_raptorq_targets_free(targets);
    sw_raptorq_plan_free(plan);
}

/* What could not be noted is noted when it comes again, and a check that lacked memory can be asked again. */
static void test_a_decoder_goes_on_after_memory_was_short(void **state)
{
    struct sw_raptorq_decoder *decoder;
    unsigned failures = 0;

    (void)state;
    failing = 1, allocations = 0;
    assert_int_equal(sw_raptorq_decoder_new(K, &decoder), SW_NO_MEMORY);
    assert_null(decoder);
    failing = 0;
    assert_int_equal(sw_raptorq_decoder_new(K, &decoder), SW_OK);
    for (uint32_t esi = K; esi < 2 * K + 5; esi++) {
        bool added;

        for (unsigned at = 1;; at++) {
            enum sw_status status;

            allocations = 0;
            failing = at;
            status = sw_raptorq_decoder_add(decoder, esi, &added);
            failing = 0;
            assert_int_equal(added, status == SW_OK);
            if (status == SW_OK)
                break;
            assert_int_equal(status, SW_NO_MEMORY);
            failures++;
        }
    }
    assert_true(failures >= 2);
    for (failures = 0;; failures++) {
        enum sw_status status;

        allocations = 0;
        failing = failures + 1;
        status = sw_raptorq_decoder_check(decoder, NULL);
        failing = 0;
        if (status == SW_OK)
            break;
        assert_int_equal(status, SW_NO_MEMORY);
    }
    assert_true(failures >= 30);
    assert_non_null(sw_raptorq_decoder_plan(decoder));
    sw_raptorq_decoder_free(decoder);
}

static void test_a_run_allocates_nothing(void **state)
{
    static const uint32_t esi = K;
    static uint8_t source[K][100], repair[100];
    const uint8_t *inputs[K];
    uint8_t *outputs[1] = {repair};
    struct sw_raptorq_plan *plan;
    struct sw_raptorq_targets *targets;
    void *work;

    (void)state;
    for (uint32_t i = 0; i < K; i++)
        inputs[i] = source[i];
    assert_int_equal(sw_raptorq_plan_new_encoder(K, &plan), SW_OK);
    assert_int_equal(sw_raptorq_targets_new(plan, &esi, 1, &targets), SW_OK);
    work = malloc(sw_raptorq_run_bytes(plan, 100));
    assert_non_null(work);
    allocations = 0;
    sw_raptorq_run(plan, targets, 100, inputs, outputs, work);
    assert_int_equal(allocations, 0);
    free(work);
    sw_raptorq_targets_free(targets);
    sw_raptorq_plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plan_needs_all_of_its_memory),
        cmocka_unit_test(test_targets_need_all_of_their_memory),
        cmocka_unit_test(test_a_decoder_goes_on_after_memory_was_short),
        cmocka_unit_test(test_a_run_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
