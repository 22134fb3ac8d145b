/* Faults over a real RocksDB store: each does what its name says, to the same keys each time, and nothing else. */
#include "common/clock.h"
#include "server/store_fault.h"
#include "server/test/temp_folder.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define VALUES      400
#define VALUE_BYTES 5000

struct fixture {
    char *path;
    struct sw_store *rocksdb;
    struct sw_store *store; /* with faults, over rocksdb */
};

static uint8_t values[VALUES][VALUE_BYTES];
static struct sw_key keys[VALUES];

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct sw_error error = {0};
    fixture->path = temp_folder_make();
    if (sw_store_rocksdb_open(fixture->path, &fixture->rocksdb, &error) != SW_OK)
        fail_msg("%s", error.message);
    for (uint32_t i = 0; i < VALUES; i++) {
        uint64_t x = i + 1;
        for (size_t at = 0; at < VALUE_BYTES; at++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            values[i][at] = (uint8_t)(x >> 56);
        }
        keys[i] = sw_key_of_value(values[i], VALUE_BYTES);
        const uint8_t *value = values[i];
        const size_t bytes = VALUE_BYTES;
        assert_int_equal(fixture->rocksdb->put_batch(fixture->rocksdb, &keys[i], &value, &bytes, 1, &error), SW_OK);
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    struct sw_store *top = fixture->store ? fixture->store : fixture->rocksdb;
    top->close(top);
    temp_folder_remove(fixture->path);
    free(fixture);
    return 0;
}

static struct sw_store *with_faults(struct fixture *fixture, const char *spec)
{
    struct sw_store_faults faults;
    struct sw_error error = {0};
    if (sw_store_faults_parse(spec, &faults, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_int_equal(sw_store_fault_open(fixture->rocksdb, &faults, &fixture->store, &error), SW_OK);
    return fixture->store;
}

/* Gets a value that must be there; returns how many of its bits are wrong. */
static unsigned wrong_bits(struct sw_store *store, uint32_t index)
{
    struct sw_store_value value;
    struct sw_error error = {0};
    unsigned wrong = 0;
    if (store->get(store, &keys[index], NULL, &value, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_non_null(value.bytes);
    assert_int_equal(value.bytes_count, VALUE_BYTES);
    for (size_t i = 0; i < VALUE_BYTES; i++)
        wrong += (unsigned)__builtin_popcount(value.bytes[i] ^ values[index][i]);
    value.release(value.release_data);
    return wrong;
}

/* ---- the text ---- */

static void test_text_is_read(void **state)
{
    struct sw_store_faults faults;
    (void)state;
    assert_int_equal(sw_store_faults_parse("stall_after=0,error=1,rate=2000000,corrupt=100,delay=20", &faults, NULL),
                     SW_OK);
    assert_int_equal(faults.rate_bytes, 2000000);
    assert_int_equal(faults.delay_ms, 20);
    assert_int_equal(faults.corrupt_percent, 100);
    assert_int_equal(faults.error_percent, 1);
    assert_true(faults.stalls);
    assert_int_equal(faults.stall_after, 0);
    assert_int_equal(sw_store_faults_parse("delay=3600000", &faults, NULL), SW_OK);
    assert_int_equal(faults.delay_ms, 3600000);
    assert_int_equal(faults.rate_bytes + faults.corrupt_percent + faults.error_percent, 0);
    assert_false(faults.stalls);
}

static void assert_refused(const char *text, const char *part)
{
    struct sw_store_faults faults;
    struct sw_error error = {0};
    assert_int_equal(sw_store_faults_parse(text, &faults, &error), SW_INVALID_ARGUMENT);
    if (!strstr(error.message, part))
        fail_msg("\"%s\" is refused with \"%s\", not with \"%s\"", text, error.message, part);
}

static void test_text_that_is_wrong_is_refused_and_says_why(void **state)
{
    (void)state;
    assert_refused("", "\"\" is no fault; there are rate=BYTES_PER_SECOND, delay=MS, corrupt=PERCENT");
    assert_refused("slow", "\"slow\" is no fault");
    assert_refused("rates=1", "\"rates=1\" is no fault");
    assert_refused("rat=1", "\"rat=1\" is no fault");
    assert_refused("Rate=1", "is no fault");
    assert_refused(" rate=1", "is no fault");
    assert_refused("rate=1,", "\"\" is no fault");
    assert_refused("rate=1,,delay=1", "\"\" is no fault");
    assert_refused("rate=1;delay=1", "rate takes a number");
    assert_refused("rate", "\"rate\": rate takes a number from 1 to 1099511627776");
    assert_refused("rate=", "\"rate=\": rate takes a number");
    assert_refused("rate=0", "rate takes a number");
    assert_refused("rate=1M", "rate takes a number");
    assert_refused("rate=-1", "rate takes a number");
    assert_refused("rate=1099511627777", "rate takes a number");
    assert_refused("rate=99999999999999999999999999", "rate takes a number");
    assert_refused("delay=3600001", "delay takes a number from 1 to 3600000");
    assert_refused("corrupt=101", "corrupt takes a number from 1 to 100");
    assert_refused("error=0", "error takes a number from 1 to 100");
    assert_refused("error=50%", "error takes a number");
    assert_refused("stall_after=x", "stall_after takes a number from 0 to");
    assert_refused("delay=1,rate=2,delay=3", "delay is given twice");
}

/* ---- faults ---- */

static void test_what_has_no_fault_is_as_below(void **state)
{
    struct fixture *fixture = *state;
    struct sw_store *store = with_faults(fixture, "rate=1000000000");
    struct sw_store_value value;
    struct sw_store_info info;
    struct sw_key key = sw_key_of_value("new", 3), absent = sw_key_of_value("absent", 6);
    const uint8_t *bytes = (const uint8_t *)"new";
    const size_t count = 3;
    bool held = false;
    assert_int_equal(store->put_batch(store, &key, &bytes, &count, 1, NULL), SW_OK);
    assert_int_equal(store->sync(store, NULL), SW_OK);
    assert_int_equal(store->contains(store, &key, &held, NULL), SW_OK);
    assert_true(held);
    assert_int_equal(store->get(store, &key, NULL, &value, NULL), SW_OK);
    assert_int_equal(value.bytes_count, 3);
    assert_memory_equal(value.bytes, "new", 3);
    value.release(value.release_data);
    assert_int_equal(store->get(store, &absent, NULL, &value, NULL), SW_OK);
    assert_null(value.bytes);
    assert_int_equal(store->info(store, &info, NULL), SW_OK);
    assert_int_equal(info.symbol_count, VALUES + 1);
    for (uint32_t i = 0; i < VALUES; i++)
        assert_int_equal(wrong_bits(store, i), 0);
}

static void test_corrupt_flips_one_bit_of_every_value(void **state)
{
    struct fixture *fixture = *state;
    struct sw_store *store = with_faults(fixture, "corrupt=100");
    for (uint32_t i = 0; i < VALUES; i++)
        assert_int_equal(wrong_bits(store, i), 1);
    for (uint32_t i = 0; i < VALUES; i++)
        assert_int_equal(wrong_bits(fixture->rocksdb, i), 0); /* in a copy */
}

static void test_corrupt_meets_its_share_of_keys_and_always_the_same(void **state)
{
    struct sw_store *store = with_faults(*state, "corrupt=25");
    unsigned first[VALUES], wrong = 0;
    for (uint32_t i = 0; i < VALUES; i++)
        wrong += first[i] = wrong_bits(store, i);
    for (uint32_t i = 0; i < VALUES; i++)
        assert_int_equal(wrong_bits(store, i), first[i]);
    assert_in_range(wrong, VALUES * 15 / 100, VALUES * 35 / 100);
}

static void test_error_meets_its_share_of_keys_and_always_the_same(void **state)
{
    struct sw_store *store = with_faults(*state, "error=25");
    unsigned failed = 0;
    for (uint32_t i = 0; i < VALUES; i++) {
        struct sw_store_value value;
        struct sw_error error = {0};
        bool held;
        enum sw_status status = store->contains(store, &keys[i], &held, &error);
        assert_int_equal(store->get(store, &keys[i], NULL, &value, &error), status);
        if (status == SW_OK)
            value.release(value.release_data);
        else
            assert_int_equal(status, SW_IO_ERROR);
        failed += status != SW_OK;
    }
    assert_in_range(failed, VALUES * 15 / 100, VALUES * 35 / 100);
}

static void *get_ten(void *arg)
{
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(wrong_bits(arg, i), 0);
    return NULL;
}

static void test_rate_holds_for_all_readers_together(void **state)
{
    /* 30 values of 5,000 bytes, of which one comes at once: at 500,000 bytes a second the others take 290 ms. */
    struct sw_store *store = with_faults(*state, "rate=500000");
    pthread_t threads[3];
    uint64_t begin_us = sw_clock_us();
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_ten, store), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_true(sw_clock_us() - begin_us >= 290000);
}

static void test_rate_saves_nothing_up_for_later(void **state)
{
    struct sw_store *store = with_faults(*state, "rate=500000");
    assert_int_equal(wrong_bits(store, 0), 0);
    usleep(100000); /* ten values' time */
    uint64_t begin_us = sw_clock_us();
    get_ten(store);
    assert_true(sw_clock_us() - begin_us >= 90000);
}

static void test_delay_comes_before_each_get_and_look_up(void **state)
{
    struct sw_store *store = with_faults(*state, "delay=30");
    struct sw_key absent = sw_key_of_value("absent", 6);
    struct sw_store_value value;
    bool held = true;
    uint64_t begin_us = sw_clock_us();
    assert_int_equal(wrong_bits(store, 0), 0);
    assert_int_equal(store->get(store, &absent, NULL, &value, NULL), SW_OK);
    assert_int_equal(store->contains(store, &absent, &held, NULL), SW_OK);
    assert_false(held);
    assert_true(sw_clock_us() - begin_us >= 90000);
}

struct getting {
    struct sw_store *store;
    atomic_bool gone;
    atomic_bool over;
    enum sw_status status;
    struct sw_store_value value;
};

static bool is_gone(const void *user_data)
{
    const struct getting *getting = user_data;
    return atomic_load(&getting->gone);
}

static void *get_one(void *arg)
{
    struct getting *getting = arg;
    const struct sw_store_reader reader = {.is_gone = is_gone, .user_data = getting};
    getting->status = getting->store->get(getting->store, &keys[0], &reader, &getting->value, NULL);
    atomic_store(&getting->over, true);
    return NULL;
}

static void test_stall_holds_every_get_until_waits_are_ended(void **state)
{
    struct sw_store *store = with_faults(*state, "stall_after=2");
    struct getting gettings[3] = {{.store = store}, {.store = store}, {.store = store}};
    pthread_t threads[3];
    bool held = false;
    assert_int_equal(wrong_bits(store, 0), 0);
    assert_int_equal(wrong_bits(store, 1), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_one, &gettings[i]), 0);
    assert_int_equal(store->contains(store, &keys[0], &held, NULL), SW_OK); /* is not held up */
    assert_true(held);
    usleep(200000);
    for (int i = 0; i < 3; i++)
        assert_false(atomic_load(&gettings[i].over));
    sw_store_fault_end_waits(store);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(gettings[i].status, SW_OK);
        assert_memory_equal(gettings[i].value.bytes, values[0], VALUE_BYTES);
        gettings[i].value.release(gettings[i].value.release_data);
    }
    assert_int_equal(wrong_bits(store, 2), 0); /* and no get waits from then on */
}

/* Gets a value that does not come, until the reader goes. */
static void assert_wait_ends_with_the_reader(struct sw_store *store)
{
    struct getting getting = {.store = store};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, get_one, &getting), 0);
    usleep(50000);
    assert_false(atomic_load(&getting.over));
    atomic_store(&getting.gone, true);
    pthread_join(thread, NULL);
    assert_int_equal(getting.status, SW_CANCELLED);
    assert_null(getting.value.bytes);
}

static void test_stall_ends_with_its_reader(void **state)
{
    assert_wait_ends_with_the_reader(with_faults(*state, "stall_after=0"));
}

static void test_delay_ends_with_its_reader(void **state)
{
    assert_wait_ends_with_the_reader(with_faults(*state, "delay=3600000"));
}

static void test_wait_for_the_rate_ends_with_its_reader(void **state)
{
    struct sw_store *store = with_faults(*state, "rate=1");
    assert_int_equal(wrong_bits(store, 1), 0); /* the one that comes at once */
    assert_wait_ends_with_the_reader(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_read),
        cmocka_unit_test(test_text_that_is_wrong_is_refused_and_says_why),
        TEST(test_what_has_no_fault_is_as_below),
        TEST(test_corrupt_flips_one_bit_of_every_value),
        TEST(test_corrupt_meets_its_share_of_keys_and_always_the_same),
        TEST(test_error_meets_its_share_of_keys_and_always_the_same),
        TEST(test_rate_holds_for_all_readers_together),
        TEST(test_rate_saves_nothing_up_for_later),
        TEST(test_delay_comes_before_each_get_and_look_up),
        TEST(test_stall_holds_every_get_until_waits_are_ended),
        TEST(test_stall_ends_with_its_reader),
        TEST(test_delay_ends_with_its_reader),
        TEST(test_wait_for_the_rate_ends_with_its_reader),
    };
    return cmocka_run_group_tests_name("store fault", tests, NULL, NULL);
}
