/* CRC-32C: RFC 3720's vectors, RocksDB's own function as the judge, and that RocksDB calls ours. */
#include "server/rocksdb_crc32c.h"
#include "server/store.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

union function {
    void *symbol;
    uint32_t (*extend)(uint32_t crc, const char *bytes, size_t count);
};

/* Named here so that the store is in this program, and RocksDB with it. */
static enum sw_status (*const volatile open_store)(const char *path, struct sw_store **store,
                                                   struct sw_error *error) = sw_store_rocksdb_open;

/* RFC 3720, B.4. */
static void test_crc32c_is_that_of_rfc_3720(void **state)
{
    (void)state;
    char bytes[32];
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(sw_rocksdb_crc32c_extend(0, bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(sw_rocksdb_crc32c_extend(0, bytes, sizeof(bytes)), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (char)i;
    assert_int_equal(sw_rocksdb_crc32c_extend(0, bytes, sizeof(bytes)), 0x46dd794e);
    for (int i = 0; i < 32; i++)
        bytes[i] = (char)(31 - i);
    assert_int_equal(sw_rocksdb_crc32c_extend(0, bytes, sizeof(bytes)), 0x113fdb5c);
}

static void test_crc32c_is_that_of_rocksdb_at_any_length_place_and_start(void **state)
{
    (void)state;
    const union function theirs = {.symbol = dlsym(RTLD_NEXT, SW_ROCKSDB_CRC32C_SYMBOL)};
    char bytes[300];
    assert_non_null(theirs.symbol);
    assert_ptr_not_equal(theirs.extend, sw_rocksdb_crc32c_extend);
    srand(1);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)rand();
    for (size_t offset = 0; offset < 16; offset++)
        for (size_t count = 0; count + offset <= sizeof(bytes); count++) {
            uint32_t crc = (uint32_t)rand();
            assert_int_equal(sw_rocksdb_crc32c_extend(crc, bytes + offset, count),
                             theirs.extend(crc, bytes + offset, count));
        }
}

/* What the dynamic linker gives the library for this name. */
static void test_rocksdb_is_given_this_function(void **state)
{
    (void)state;
    assert_non_null(open_store);
    const union function found = {.symbol = dlsym(RTLD_DEFAULT, SW_ROCKSDB_CRC32C_SYMBOL)};
    assert_ptr_equal(found.extend, sw_rocksdb_crc32c_extend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_is_that_of_rfc_3720),
        cmocka_unit_test(test_crc32c_is_that_of_rocksdb_at_any_length_place_and_start),
        cmocka_unit_test(test_rocksdb_is_given_this_function),
    };
    return cmocka_run_group_tests_name("rocksdb_crc32c", tests, NULL, NULL);
}
