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

static void test_who_holds_nothing_may_have_the_least_he_can_use(void **state)
{
    struct sw_budget budget = {.limit_bytes = 90};
    (void)state;

    assert_int_equal(sw_budget_room(&budget, 0, 1), 80);
    assert_int_equal(sw_budget_room(&budget, 0, 90), 90);
    assert_int_equal(sw_budget_room(&budget, 0, 91), 80);
    assert_true(sw_budget_reserve(&budget, 89));
    assert_int_equal(sw_budget_room(&budget, 0, 1), 1);
    assert_int_equal(sw_budget_room(&budget, 89, 1), 0);
}

static void test_nobody_fills_the_budget_alone(void **state)
{
    struct sw_budget budget = {.limit_bytes = 90};
    (void)state;

    assert_true(sw_budget_reserve(&budget, 9));
    assert_int_equal(sw_budget_room(&budget, 9, 1), 72); /* then 81, and 9 are left */
    assert_true(sw_budget_reserve(&budget, 72));
    assert_int_equal(sw_budget_room(&budget, 81, 1), 0);
    assert_int_equal(sw_budget_available(&budget), 9);
}

/* Users who all take what they may, in requests of some size, one of them from before the others came. */
static void test_users_who_want_more_than_there_is_get_the_same(void **state)
{
    (void)state;
    for (int users = 2; users <= 16; users *= 2) {
        struct sw_budget budget = {.limit_bytes = 64 << 20};
        uint64_t held[16] = {0}, request = 64 << 10;

        while (sw_budget_room(&budget, held[0], request) >= request && sw_budget_reserve(&budget, request))
            held[0] += request;
        assert_true(held[0] > budget.limit_bytes * 85 / 100);
        for (int round = 0; round < 100000; round++) {
            int user = round % users;
            if (held[user] > 0 && round / users % 2 == 0) {
                sw_budget_release(&budget, request);
                held[user] -= request;
            }
            while (sw_budget_room(&budget, held[user], request) >= request && sw_budget_reserve(&budget, request))
                held[user] += request;
        }
        for (int user = 0; user < users; user++) {
            assert_true(held[user] >= budget.limit_bytes / (uint64_t)users * 75 / 100);
            assert_true(held[user] <= budget.limit_bytes / (uint64_t)users * 125 / 100);
        }
    }
}

/* The first never gives anything back, and the others come one after the other. */
static void test_who_holds_on_to_his_share_starves_nobody(void **state)
{
    struct sw_budget budget = {.limit_bytes = 64 << 20};
    uint64_t request = 64 << 10;
    (void)state;

    for (int user = 0; user < 3; user++) {
        uint64_t held = 0;
        while (sw_budget_room(&budget, held, request) >= request && sw_budget_reserve(&budget, request))
            held += request;
        assert_true(held >= 10 * request >> user);
    }
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
        cmocka_unit_test(test_who_holds_nothing_may_have_the_least_he_can_use),
        cmocka_unit_test(test_nobody_fills_the_budget_alone),
        cmocka_unit_test(test_users_who_want_more_than_there_is_get_the_same),
        cmocka_unit_test(test_who_holds_on_to_his_share_starves_nobody),
        cmocka_unit_test(test_what_is_given_back_can_be_reserved_again),
        cmocka_unit_test(test_high_water_is_the_most_that_was_reserved_at_once),
        cmocka_unit_test(test_no_size_wraps_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
