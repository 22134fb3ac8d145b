/*
 * The memory that reading a layout takes: nothing of the size that its numbers speak of before they fit the keys that
 * are there; and each allocation fails once, which is said, and nothing is left behind. The linker puts the functions
 * below before malloc, calloc and realloc of our own code; the JSON
 * library is given its own by name.
 */
#include "symwave/layout.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define KEYS                                                                                                           \
    "[\"4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPE\", \"DFGqMHrY97bhWzG45unVydwTXeJ4jwP7qUPcK7vi4qUU\", "            \
    "\"BrhciefwVk5xZytg9EdkMXtjnbAqyyCA5fukuC4EbeUg\", \"FRxUKsVv93J7mmx9ELFRFMaMRLJwAuok9vGSi4kDV4XX\", "             \
    "\"xPmqbNMwrDkihPEz6Ly5yYNRiAxVSup5aRSJJY7QfKC\", \"4xyF67AYRfXwm4y5TiHJ8DapCXhT7eutgtqeZBAoKK2a\", "              \
    "\"A4jh1UuXgSi1QVUCyiiDteC8vYem7W7jr85Bv72VD3Tj\"]"
#define HASH "\"9kUjQ3Cx9q3QvnPgC9S63EkygBwZKAwaBdwo8fuUmYxt\""

static const char good[] = "{\"blocks\": [{\"block_id\": 0, \"encoder_parameters\": [0, 0, 0, 0, 1, 0, 255, 248, 1, 0, "
                           "1, 8], \"original_offset\": 0, \"size\": 1, \"symbols\": " KEYS ", \"hash\": " HASH "}]}";

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

/* Ours and the JSON library's: how many there were, and the one that fails, from 1; 0: none. */
struct allocations {
    unsigned count, failing;
};
static struct allocations ours, theirs;
static size_t asked; /* by us, in all */

static bool grant(struct allocations *allocations)
{
    return ++allocations->count != allocations->failing;
}

void *__wrap_malloc(size_t size)
{
    asked += size;
    return grant(&ours) ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    asked += count * size;
    return grant(&ours) ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
    asked += size;
    return grant(&ours) ? __real_realloc(memory, size) : NULL;
}

static void *json_malloc(size_t size)
{
    return grant(&theirs) ? __real_malloc(size) : NULL;
}

/* Reads the layout with one allocation after the other failing, until all are granted. Returns how many failed. */
static unsigned check_failures(struct allocations *allocations, bool (*allowed)(enum sw_status status))
{
    struct sw_layout *layout = NULL;

    for (unsigned failing = 1;; failing++) {
        struct sw_error error = {0};
        *allocations = (struct allocations){.failing = failing};
        enum sw_status status = sw_layout_parse(good, sizeof(good) - 1, "layout.json", &layout, &error);
        allocations->failing = 0;
        if (allocations->count < failing) {
            assert_int_equal(status, SW_OK);
            assert_int_equal(sw_layout_block_at(layout, 0).k, 1);
            sw_layout_free(layout);
            return failing - 1;
        }
        if (!allowed(status))
            fail_msg("allocation %u fails, and what is said is \"%s\"", failing, error.message);
        assert_null(layout);
        assert_int_equal(error.status, status);
    }
}

static bool is_no_memory(enum sw_status status)
{
    return status == SW_NO_MEMORY;
}

/* The library does not tell one from the other in most places. */
static bool is_no_memory_or_bad_json(enum sw_status status)
{
    return status == SW_NO_MEMORY || status == SW_INVALID_ARGUMENT;
}

static void test_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(check_failures(&ours, is_no_memory) >= 4);
    assert_true(check_failures(&theirs, is_no_memory_or_bad_json) >= 20);
}

static void test_an_absurd_size_with_few_keys_takes_no_memory(void **state)
{
    /* 56,403 * 65,535 * 255 bytes, of 56,403 * 255 source symbols and five times as many repair symbols */
    static const char text[] =
        "{\"blocks\": [{\"block_id\": 0, \"encoder_parameters\": [219, 117, 209, 137, 83, 0, 255, 255, 255, 0, 1, 1], "
        "\"original_offset\": 0, \"size\": 942574504275, \"symbols\": " KEYS ", \"hash\": " HASH "}]}";
    struct sw_layout *layout;
    struct sw_error error;

    (void)state;
    asked = 0;
    assert_int_equal(sw_layout_parse(text, sizeof(text) - 1, "layout.json", &layout, &error), SW_INVALID_ARGUMENT);
    assert_string_equal(error.message, "layout.json: blocks[0].symbols: there are 7 of them, and 86296590 in a file of "
                                       "942574504275 bytes with these parameters");
    assert_true(asked < 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_may_fail),
        cmocka_unit_test(test_an_absurd_size_with_few_keys_takes_no_memory),
    };

    json_set_alloc_funcs(json_malloc, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
