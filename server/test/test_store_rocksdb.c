/* The RocksDB store, on a real disk: what is put is got, what was acknowledged survives a kill, errors are clear. */
#include "server/store.h"
#include "server/test/temp_folder.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SYMBOL_BYTES 65536

/* Enough for more than one memtable of 64 MiB, so that a sync has to cover more than one log file. */
#define CHILD_GROUPS        80
#define CHILD_GROUP_SYMBOLS 16

struct fixture {
    char *path;
    struct sw_store *store;
};

static void reopen(struct fixture *fixture)
{
    struct sw_error error = {0};
    if (fixture->store)
        fixture->store->close(fixture->store);
    if (sw_store_rocksdb_open(fixture->path, &fixture->store, &error) != SW_OK)
        fail_msg("%s", error.message);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->path = temp_folder_make();
    reopen(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->close(fixture->store);
    temp_folder_remove(fixture->path);
    free(fixture);
    return 0;
}

/* ---- a disk that fails, and one that is watched: RocksDB's calls come here, since a program's symbols go first ----
 */

static atomic_bool fail_log_sync;  /* the next sync of a log file fails, as a bad disk makes it: once */
static atomic_ulong watched_inode; /* of a folder */
static atomic_bool watched_synced; /* it has been synced */

SW_PUBLIC int fdatasync(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path));
    bool is_log = length > 4 && memcmp(path + length - 4, ".log", 4) == 0;
    if (is_log && atomic_exchange(&fail_log_sync, false)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

SW_PUBLIC int fsync(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_ino == atomic_load(&watched_inode))
        atomic_store(&watched_synced, true);
    return (int)syscall(SYS_fsync, fd);
}

/* The store does not care that a key is a hash: here it is a number. */
static struct sw_key key_of(uint32_t number)
{
    struct sw_key key;
    memset(key.bytes, 0x5a, sizeof(key.bytes));
    memcpy(key.bytes, &number, sizeof(number));
    return key;
}

/* A value that is different for each number and does not repeat. */
static void fill(uint8_t *value, size_t bytes, uint32_t number)
{
    uint64_t x = number * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < bytes; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        value[i] = (uint8_t)(x >> 56);
    }
}

static void put(struct sw_store *store, uint32_t number, size_t bytes)
{
    struct sw_error error = {0};
    struct sw_key key = key_of(number);
    uint8_t *value = malloc(bytes);
    fill(value, bytes, number);
    if (store->put_batch(store, &key, (const uint8_t *const *)&value, &bytes, 1, &error) != SW_OK)
        fail_msg("%s", error.message);
    free(value);
}

static void assert_holds(struct sw_store *store, uint32_t number, size_t bytes)
{
    struct sw_error error = {0};
    struct sw_key key = key_of(number);
    struct sw_store_value value;
    bool held = false;
    assert_int_equal(store->contains(store, &key, &held, &error), SW_OK);
    assert_true(held);
    assert_int_equal(store->get(store, &key, NULL, &value, &error), SW_OK);
    assert_non_null(value.bytes);
    assert_int_equal(value.bytes_count, bytes);
    uint8_t *expected = malloc(bytes);
    fill(expected, bytes, number);
    assert_memory_equal(value.bytes, expected, bytes);
    free(expected);
    value.release(value.release_data);
}

static void assert_lacks(struct sw_store *store, uint32_t number)
{
    struct sw_error error = {0};
    struct sw_key key = key_of(number);
    struct sw_store_value value;
    bool held = true;
    assert_int_equal(store->contains(store, &key, &held, &error), SW_OK);
    assert_false(held);
    assert_int_equal(store->get(store, &key, NULL, &value, &error), SW_OK);
    assert_null(value.bytes);
}

static void test_values_of_all_sizes_come_back_also_after_reopening(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {1, 2, 4095, 4096, 4097, 65532, 65536, 262144};
    const uint32_t count = sizeof(sizes) / sizeof(sizes[0]);
    for (uint32_t i = 0; i < count; i++)
        put(fixture->store, i, sizes[i]);
    for (int round = 0; round < 2; round++) { /* from the memtable, then from files */
        for (uint32_t i = 0; i < count; i++)
            assert_holds(fixture->store, i, sizes[i]);
        assert_lacks(fixture->store, count);
        reopen(fixture);
    }
}

static void test_batch_is_one_and_a_key_may_be_put_again(void **state)
{
    struct fixture *fixture = *state;
    struct sw_error error;
    uint8_t a[8], b[8];
    fill(a, sizeof(a), 1);
    fill(b, sizeof(b), 2);
    const struct sw_key keys[] = {key_of(1), key_of(2), key_of(1)};
    const uint8_t *const values[] = {b, b, a};
    const size_t sizes[] = {8, 8, 8};
    assert_int_equal(fixture->store->put_batch(fixture->store, keys, values, sizes, 3, &error), SW_OK);
    assert_holds(fixture->store, 1, 8);
    assert_holds(fixture->store, 2, 8);
}

static void test_pinned_value_outlives_later_puts_and_flushes(void **state)
{
    struct fixture *fixture = *state;
    struct sw_store *store = fixture->store;
    struct sw_error error;
    struct sw_key small_key = key_of(1), large_key = key_of(2);
    struct sw_store_value small, large;
    put(store, 1, 100);
    put(store, 2, SYMBOL_BYTES);
    assert_int_equal(store->get(store, &small_key, NULL, &small, &error), SW_OK);
    assert_int_equal(store->get(store, &large_key, NULL, &large, &error), SW_OK);
    uint8_t *expected = malloc(SYMBOL_BYTES);

    const uint8_t *other = calloc(1, SYMBOL_BYTES);
    const size_t bytes = SYMBOL_BYTES;
    const struct sw_key *keys[] = {&small_key, &large_key};
    for (int i = 0; i < 2; i++)
        assert_int_equal(store->put_batch(store, keys[i], &other, &bytes, 1, &error), SW_OK);
    for (uint32_t i = 0; i < 1100; i++) /* past one memtable */
        put(store, 100 + i, SYMBOL_BYTES);

    fill(expected, 100, 1);
    assert_int_equal(small.bytes_count, 100);
    assert_memory_equal(small.bytes, expected, 100);
    fill(expected, SYMBOL_BYTES, 2);
    assert_memory_equal(large.bytes, expected, SYMBOL_BYTES);
    small.release(small.release_data);
    large.release(large.release_data);
    assert_holds(store, 100, SYMBOL_BYTES);
    assert_holds(store, 1199, SYMBOL_BYTES);
    free((void *)other);
    free(expected);
}

static void test_small_values_hold_nothing_of_the_store(void **state)
{
    struct fixture *fixture = *state;
    struct sw_error error;
    struct sw_store_value value;
    const struct sw_key key = key_of(1);
    uint8_t expected[500];
    fill(expected, sizeof(expected), 1);
    put(fixture->store, 1, sizeof(expected));
    reopen(fixture); /* into a block of a table */
    assert_int_equal(fixture->store->get(fixture->store, &key, NULL, &value, &error), SW_OK);
    reopen(fixture); /* fails where the value keeps the store from closing */
    assert_int_equal(value.bytes_count, sizeof(expected));
    assert_memory_equal(value.bytes, expected, sizeof(expected));
    value.release(value.release_data);
}

static void test_contains_is_right_for_values_in_files(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t i = 0; i < 64; i++)
        put(fixture->store, i * 2, i % 2 ? 64 : SYMBOL_BYTES);
    reopen(fixture); /* nothing is cached, everything is in files */
    for (uint32_t i = 0; i < 64; i++) {
        struct sw_error error;
        bool held = false;
        struct sw_key key = key_of(i * 2), missing = key_of(i * 2 + 1);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(fixture->store->contains(fixture->store, &key, &held, &error), SW_OK);
            assert_true(held);
            assert_int_equal(fixture->store->contains(fixture->store, &missing, &held, &error), SW_OK);
            assert_false(held);
        }
    }
}

static void test_info_counts_symbols_and_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct sw_error error;
    struct sw_store_info info;
    for (uint32_t i = 0; i < 100; i++)
        put(fixture->store, i, SYMBOL_BYTES);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fixture->store->info(fixture->store, &info, &error), SW_OK);
        assert_int_equal(info.symbol_count, 100);
        assert_true(info.stored_bytes >= 100 * SYMBOL_BYTES);
        assert_true(info.stored_bytes < 120 * SYMBOL_BYTES);
        assert_true(info.writable);
        reopen(fixture);
    }
}

struct syncer {
    pthread_t thread;
    struct sw_store *store;
    uint32_t first;
};

static void *put_and_sync(void *arg)
{
    struct syncer *syncer = arg;
    struct sw_error error;
    for (uint32_t i = 0; i < 20; i++) {
        put(syncer->store, syncer->first + i, 5000);
        if (syncer->store->sync(syncer->store, &error) != SW_OK)
            return "sync failed";
    }
    return NULL;
}

static void test_syncs_of_eight_threads_all_return(void **state)
{
    struct fixture *fixture = *state;
    struct syncer syncers[8];
    for (uint32_t i = 0; i < 8; i++) {
        syncers[i] = (struct syncer){.store = fixture->store, .first = i * 1000};
        pthread_create(&syncers[i].thread, NULL, put_and_sync, &syncers[i]);
    }
    for (uint32_t i = 0; i < 8; i++) {
        void *failure;
        pthread_join(syncers[i].thread, &failure);
        assert_null(failure);
        assert_holds(fixture->store, i * 1000 + 19, 5000);
    }
}

/* The child of the next test: tells each group that sync has acknowledged, then dies without a goodbye. */
static int child_main(const char *path)
{
    struct sw_store *store;
    struct sw_error error;
    if (sw_store_rocksdb_open(path, &store, &error) != SW_OK)
        return 1;
    for (uint32_t group = 0; group < CHILD_GROUPS; group++) {
        for (uint32_t i = 0; i < CHILD_GROUP_SYMBOLS; i++)
            put(store, group * CHILD_GROUP_SYMBOLS + i, SYMBOL_BYTES);
        if (store->sync(store, &error) != SW_OK || write(STDOUT_FILENO, &group, sizeof(group)) != sizeof(group))
            return 1;
    }
    kill(getpid(), SIGKILL);
    return 1;
}

/* Runs this program again as the child on a folder, and returns the read end of its standard output. */
static int start_child(const char *path, pid_t *child)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    *child = fork();
    if (*child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        execl("/proc/self/exe", "test_store_rocksdb", "--child", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    return ends[0];
}

static void test_what_was_acknowledged_survives_sigkill(void **state)
{
    struct fixture *fixture = *state;
    char *path;
    assert_true(asprintf(&path, "%s/killed", fixture->path) > 0);
    pid_t child;
    int output = start_child(path, &child);
    uint32_t group, acknowledged = 0;
    while (read(output, &group, sizeof(group)) == sizeof(group))
        acknowledged = group + 1;
    close(output);
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(acknowledged, CHILD_GROUPS);

    struct sw_store *store;
    struct sw_error error;
    assert_int_equal(sw_store_rocksdb_open(path, &store, &error), SW_OK);
    for (uint32_t i = 0; i < acknowledged * CHILD_GROUP_SYMBOLS; i++)
        assert_holds(store, i, SYMBOL_BYTES);
    store->close(store);
    free(path);
}

static void assert_open_fails(const char *path, enum sw_status status, const char *text)
{
    struct sw_store *store;
    struct sw_error error = {0};
    assert_int_equal(sw_store_rocksdb_open(path, &store, &error), status);
    assert_null(store);
    if (!strstr(error.message, text) || !strstr(error.message, path) || strchr(error.message, '\n'))
        fail_msg("the message lacks \"%s\" or the path: %s", text, error.message);
}

static void test_second_open_fails_and_says_why(void **state)
{
    struct fixture *fixture = *state;
    assert_open_fails(fixture->path, SW_IO_ERROR, "in this process");
    assert_open_fails(fixture->path, SW_IO_ERROR, "in this process");
    put(fixture->store, 1, 10);
    assert_holds(fixture->store, 1, 10);
}

static void test_after_a_sync_that_failed_nothing_is_called_durable(void **state)
{
    struct fixture *fixture = *state;
    struct sw_error error = {0};
    struct sw_store_info info;
    put(fixture->store, 1, SYMBOL_BYTES);
    atomic_store(&fail_log_sync, true);
    assert_int_equal(fixture->store->sync(fixture->store, &error), SW_IO_ERROR);
    assert_false(atomic_load(&fail_log_sync));
    /* The disk says that all is well again, but what the kernel could not write may be gone. */
    assert_int_equal(fixture->store->sync(fixture->store, &error), SW_IO_ERROR);
    assert_int_equal(fixture->store->info(fixture->store, &info, &error), SW_OK);
    assert_false(info.writable);
    assert_holds(fixture->store, 1, SYMBOL_BYTES);
    reopen(fixture);
    put(fixture->store, 2, SYMBOL_BYTES);
    assert_int_equal(fixture->store->sync(fixture->store, &error), SW_OK);
    assert_holds(fixture->store, 1, SYMBOL_BYTES);
}

static void test_new_folder_is_made_durable_in_its_parent(void **state)
{
    struct fixture *fixture = *state;
    struct sw_store *store;
    struct sw_error error;
    struct stat st;
    char *path;
    assert_true(asprintf(&path, "%s/parent", fixture->path) > 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(stat(path, &st), 0);
    free(path);
    assert_true(asprintf(&path, "%s/parent/new/", fixture->path) > 0);
    atomic_store(&watched_inode, st.st_ino);
    assert_int_equal(sw_store_rocksdb_open(path, &store, &error), SW_OK);
    assert_true(atomic_load(&watched_synced));
    store->close(store);
    free(path);
}

/* The child of the next test: exit status 0 where the folder was refused with this parent's process number. */
static int second_main(const char *path)
{
    struct sw_store *store;
    struct sw_error error;
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "process %ld", (long)getppid());
    return sw_store_rocksdb_open(path, &store, &error) == SW_IO_ERROR && strstr(error.message, wanted) ? 0 : 1;
}

static void test_second_process_is_told_who_has_the_folder(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "test_store_rocksdb", "--second", fixture->path, (char *)NULL);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static void test_unusable_paths_are_refused_with_their_reason(void **state)
{
    struct fixture *fixture = *state;
    char *path;
    assert_true(asprintf(&path, "%s/file", fixture->path) > 0);
    fclose(fopen(path, "w"));
    assert_open_fails(path, SW_IO_ERROR, "is a file");
    free(path);
    assert_true(asprintf(&path, "%s/none/below", fixture->path) > 0);
    assert_open_fails(path, SW_IO_ERROR, "No such file or directory");
    free(path);
    if (geteuid() != 0) { /* root may write everywhere */
        assert_true(asprintf(&path, "%s/sealed", fixture->path) > 0);
        assert_int_equal(mkdir(path, 0500), 0);
        assert_open_fails(path, SW_IO_ERROR, "Permission denied");
        free(path);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--child") == 0)
        return child_main(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--second") == 0)
        return second_main(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_of_all_sizes_come_back_also_after_reopening, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch_is_one_and_a_key_may_be_put_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pinned_value_outlives_later_puts_and_flushes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_values_hold_nothing_of_the_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contains_is_right_for_values_in_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_info_counts_symbols_and_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_syncs_of_eight_threads_all_return, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_acknowledged_survives_sigkill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_after_a_sync_that_failed_nothing_is_called_durable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_new_folder_is_made_durable_in_its_parent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_open_fails_and_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_process_is_told_who_has_the_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unusable_paths_are_refused_with_their_reason, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
