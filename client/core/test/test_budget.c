/* The byte budget keeps to its limit and to what was given back. */
#include "client/core/budget.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_reserves_up_to_the_limit_and_no_further(void **state)
{
    struct sw_budget budget = {.limit_bytes = 100};
    (void)state;

    assert_true(sw_budget_reserve(&budget, 60));
    assert_int_equal(sw_budget_available(&budget), 40);
    assert_false(sw_budget_reserve(&budget, 41));
    assert_int_equal(budget.reserved_bytes, 60);
    assert_true(sw_budget_reserve(&budget, 40));
    assert_int_equal(sw_budget_available(&budget), 0);
    assert_false(sw_budget_reserve(&budget, 1));
    assert_true(sw_budget_reserve(&budget, 0));
}

static void test_what_is_given_back_can_be_reserved_again(void **state)
{
    struct sw_budget budget = {.limit_bytes = 10};
    (void)state;

    assert_true(sw_budget_reserve(&budget, 10));
    sw_budget_release(&budget, 4);
    assert_int_equal(sw_budget_available(&budget), 4);
    assert_true(sw_budget_reserve(&budget, 4));
    sw_budget_release(&budget, 10);
    assert_int_equal(budget.reserved_bytes, 0);
}

static void test_high_water_is_the_most_that_was_reserved_at_once(void **state)
{
    struct sw_budget budget = {.limit_bytes = 10};
    (void)state;

    assert_true(sw_budget_reserve(&budget, 3));
    assert_true(sw_budget_reserve(&budget, 4));
    sw_budget_release(&budget, 5);
    assert_true(sw_budget_reserve(&budget, 2));
    assert_int_equal(budget.high_water_bytes, 7);
}

static void test_no_size_wraps_around(void **state)
{
    struct sw_budget budget = {.limit_bytes = UINT64_MAX};
    (void)state;

    assert_true(sw_budget_reserve(&budget, UINT64_MAX - 1));
    assert_false(sw_budget_reserve(&budget, UINT64_MAX));
    assert_false(sw_budget_reserve(&budget, 2));
    assert_true(sw_budget_reserve(&budget, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserves_up_to_the_limit_and_no_further),
        cmocka_unit_test(test_what_is_given_back_can_be_reserved_again),
        cmocka_unit_test(test_high_water_is_the_most_that_was_reserved_at_once),
        cmocka_unit_test(test_no_size_wraps_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
