/*
 * What the system refuses: each allocation of an encode and of a decode fails once, which is said, and the next run
 * goes on from there; and a file system that knows no nameless files does as well. The linker puts the functions below
 * before malloc, calloc, realloc and open.
 */
#include "client/files/test/fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define BYTES 200000 /* 4 source symbols */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
int __real_open(const char *path, int flags, ...);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
int __wrap_open(const char *path, int flags, ...);

static unsigned allocations, failing; /* failing: the allocation that fails, from 1; 0: none */
static bool knows_nameless = true;
static unsigned refused; /* nameless files */

static bool grant(void)
{
    return ++allocations != failing;
}

void *__wrap_malloc(size_t size)
{
    return grant() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return grant() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
    return grant() ? __real_realloc(memory, size) : NULL;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list list;

    if ((flags & O_TMPFILE) == O_TMPFILE && !knows_nameless) {
        refused++;
        errno = EOPNOTSUPP;
        return -1;
    }
    va_start(list, flags);
    const int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;
    va_end(list);
    return __real_open(path, flags, mode);
}

static struct object object;

static int setup(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    const struct sw_raptorq_params params = put_params(BYTES);
    object_make(&object, &params, UINT32_MAX);
    return 0;
}

static int teardown(void **state)
{
    object_clear(&object);
    return fixture_teardown(state);
}

static enum sw_status encode(struct sw_error *error)
{
    struct sw_put_report *report;
    enum sw_status status =
        sw_encode_file(path_of("input"), path_of("again.json"), path_of("parts"), NULL, &report, error);

    assert_true(report == NULL || report->status == status);
    sw_put_report_free(report);
    return status;
}

static void test_each_allocation_of_an_encode_may_fail(void **state)
{
    struct sw_error error;
    unsigned failures = 0;
    size_t count;
    uint8_t *layout = read_file(path_of("layout.json"), &count);

    (void)state;
    for (;;) {
        allocations = 0;
        failing = failures + 1;
        enum sw_status status = encode(&error);
        failing = 0;
        if (allocations <= failures)
            break;
        /* Where only the report could not be had, or a look at what the folder has, all is well. */
        if (status == SW_OK)
            assert_file(path_of("again.json"), layout, count);
        else if (status != SW_NO_MEMORY)
            fail_msg("allocation %u fails, and what is said is \"%s\"", failures + 1, error.message);
        assert_true(status == SW_OK || !exists(path_of("again.json")));
        assert_false(exists(path_of("again.json.part")));
        unlink(path_of("again.json"));
        failures++;
    }
    assert_true(failures > 30);
    assert_file(path_of("again.json"), layout, count);
    assert_int_equal(count_files(path_of("parts")), 20);
    free(layout);
}

static enum sw_status decode_once(struct sw_error *error)
{
    struct sw_get_report *report;
    enum sw_status status = sw_decode_file(object.layout, path_of("symbols"), path_of("out"), NULL, &report, error);

    assert_true(report == NULL || report->status == status);
    sw_get_report_free(report);
    return status;
}

static void test_each_allocation_of_a_decode_may_fail(void **state)
{
    struct sw_error error;
    unsigned failures = 0;

    (void)state;
    give_range(&object, 0, 1, 8);
    for (;;) {
        allocations = 0;
        failing = failures + 1;
        enum sw_status status = decode_once(&error);
        failing = 0;
        if (allocations <= failures)
            break;
        if (status == SW_OK)
            assert_done(&object);
        else if (status != SW_NO_MEMORY)
            fail_msg("allocation %u fails, and what is said is \"%s\"", failures + 1, error.message);
        assert_true(status == SW_OK || !exists(path_of("out")));
        /* Each from the beginning, so that all of its allocations come to fail. */
        unlink(path_of("out"));
        unlink(path_of("out.part"));
        unlink(path_of("out.part.journal"));
        failures++;
    }
    assert_true(failures > 30);
    assert_done(&object);
}

static void test_a_decode_goes_on_from_where_memory_ended(void **state)
{
    struct sw_error error;

    (void)state;
    give_range(&object, 0, 1, 8);
    for (unsigned failures = 0;; failures++) {
        allocations = 0;
        failing = failures + 1;
        enum sw_status status = decode_once(&error);
        failing = 0;
        if (status == SW_OK)
            break;
        assert_int_equal(status, SW_NO_MEMORY);
    }
    assert_done(&object);
}

static void test_a_damaged_workspace_needs_all_of_its_memory(void **state)
{
    struct sw_error error;

    (void)state;
    for (unsigned failures = 0, reached = 1; reached; failures++) {
        begin_again();
        give_range(&object, 0, 1, 4);
        decode(object.layout, NULL, SW_SHORT, NULL);
        flip_byte(path_of("out.part"), 65528);
        give_range(&object, 0, 4, 8);
        allocations = 0;
        failing = failures + 1;
        enum sw_status status = decode_once(&error);
        failing = 0;
        reached = allocations > failures;
        assert_true(status == SW_NO_MEMORY || status == SW_OK);
        decode(object.layout, NULL, SW_OK, NULL);
        assert_done(&object);
    }
}

static void test_an_encode_works_where_there_are_no_nameless_files(void **state)
{
    struct sw_error error;
    size_t count;
    uint8_t *layout = read_file(path_of("layout.json"), &count);

    (void)state;
    const size_t before = count_files(path_of(""));
    knows_nameless = false;
    assert_int_equal(sw_encode_file(path_of("input"), path_of("again.json"), NULL, NULL, NULL, &error), SW_OK);
    knows_nameless = true;
    assert_int_equal(refused, 1);
    assert_file(path_of("again.json"), layout, count);
    assert_int_equal(count_files(path_of("")), before + 1);
    free(layout);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_allocation_of_an_encode_may_fail),
        TEST(test_each_allocation_of_a_decode_may_fail),
        TEST(test_a_decode_goes_on_from_where_memory_ended),
        TEST(test_a_damaged_workspace_needs_all_of_its_memory),
        TEST(test_an_encode_works_where_there_are_no_nameless_files),
    };

    seed_from_environment(6330);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
