/* The folder sink: whole files under their keys' names, whatever else is there; and the folder as a local store. */
#include "symwave/sink.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define VALUE_BYTES 65536

static char base[64]; /* a folder of each test's own */

static int setup(void **state)
{
    (void)state;
    strcpy(base, "/tmp/symwave-dir-sink-XXXXXX");
    return mkdtemp(base) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", base);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    return path;
}

static struct sw_dir_sink *open_sink(const char *path)
{
    struct sw_dir_sink *sink = NULL;
    struct sw_error error = {0};
    if (sw_dir_sink_open(path, &sink, &error) != SW_OK)
        fail_msg("%s", error.message);
    return sink;
}

static void fill(uint8_t *value, unsigned number)
{
    for (size_t i = 0; i < VALUE_BYTES; i++)
        value[i] = (uint8_t)(i * 31 + number * 7 + (i >> 8));
}

/* Gives a value to a sink under its key, which the caller may want to know. */
static enum sw_status give(struct sw_dir_sink *dir, const void *value, size_t bytes, const char *node_id,
                           struct sw_key *key, struct sw_error *error)
{
    struct sw_sink sink = sw_dir_sink_as_sink(dir);
    struct sw_key made = sw_key_of_value(value, bytes);
    struct sw_symbol symbol = {.key = &made, .value = value, .value_bytes = bytes, .node_id = node_id};
    if (key)
        *key = made;
    return sink.take(&symbol, error, sink.user_data);
}

static const char *name_of(const struct sw_key *key)
{
    static char text[SW_KEY_BASE58_SIZE];
    sw_key_to_base58(key, text);
    return text;
}

static void write_file(const char *path, const void *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
}

static void assert_file(const char *path, const void *bytes, size_t count)
{
    uint8_t *read_back = malloc(count + 1);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, read_back, count + 1), count);
    assert_memory_equal(read_back, bytes, count);
    close(fd);
    free(read_back);
}

static int count_files(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static void test_opening_makes_the_folder_and_leaves_nothing_in_it(void **state)
{
    (void)state;
    struct sw_dir_sink *sink = open_sink(path_of("new"));
    assert_int_equal(count_files(path_of("new")), 0);
    sw_dir_sink_close(sink);
    sink = open_sink(path_of("new"));
    sw_dir_sink_close(sink);
    sw_dir_sink_close(NULL);
}

static void test_a_symbol_becomes_a_file_named_by_its_key(void **state)
{
    struct sw_dir_sink *sink = open_sink(base);
    struct sw_error error;
    struct sw_key key, zeros;
    uint8_t value[VALUE_BYTES];

    (void)state;
    fill(value, 1);
    assert_int_equal(give(sink, value, sizeof(value), "n", &key, &error), SW_OK);
    assert_file(path_of(name_of(&key)), value, sizeof(value));
    /* printf abc | b3sum, in base58 by Python's integers */
    assert_int_equal(give(sink, "abc", 3, "n", &zeros, &error), SW_OK);
    assert_file(path_of("7kD2uF9CWmE7MSpR6K8kwRC2YNsHDSvAgbiQzy4Tqny2"), "abc", 3);
    assert_int_equal(count_files(base), 2);
    sw_dir_sink_close(sink);
}

struct found {
    size_t count;
    size_t stop_at;
    size_t last_index;
    bool good;
    const uint8_t *expected;
    size_t expected_bytes;
};

static bool on_found(size_t index, const void *value, size_t value_bytes, void *found_data)
{
    struct found *found = found_data;
    found->last_index = index;
    found->good = value_bytes == found->expected_bytes && memcmp(value, found->expected, value_bytes) == 0;
    return ++found->count != found->stop_at;
}

static void test_the_folder_gives_back_what_it_has_and_skips_what_it_lacks(void **state)
{
    struct sw_dir_sink *sink = open_sink(base);
    struct sw_local_store store = sw_dir_sink_as_local_store(sink);
    struct sw_error error;
    struct sw_key keys[5];
    uint8_t value[VALUE_BYTES];
    struct found found = {.expected = value, .expected_bytes = sizeof(value)};

    (void)state;
    memset(keys, 7, sizeof(keys));
    fill(value, 1);
    assert_int_equal(give(sink, value, sizeof(value), "n", &keys[2], &error), SW_OK);
    /* What is no file that could be a symbol: empty, a pipe that nobody writes, a folder, too large. */
    keys[0].bytes[0] = 1;
    write_file(path_of(name_of(&keys[0])), "", 0);
    keys[1].bytes[0] = 2;
    assert_int_equal(mkfifo(path_of(name_of(&keys[1])), 0666), 0);
    keys[3].bytes[0] = 3;
    assert_int_equal(mkdir(path_of(name_of(&keys[3])), 0777), 0);
    keys[4].bytes[0] = 4;
    write_file(path_of(name_of(&keys[4])), "x", 1);
    assert_int_equal(truncate(path_of(name_of(&keys[4])), (64 << 20) + 1), 0);
    assert_int_equal(store.get_batch(keys, 5, on_found, &found, &error, store.user_data), SW_OK);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.last_index, 2);
    assert_true(found.good);
    sw_dir_sink_close(sink);
}

static void test_the_folder_stops_when_it_is_told_to(void **state)
{
    struct sw_dir_sink *sink = open_sink(base);
    struct sw_local_store store = sw_dir_sink_as_local_store(sink);
    struct found found = {.stop_at = 2, .expected = (const uint8_t *)"v", .expected_bytes = 1};
    struct sw_key keys[4];
    struct sw_error error;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(give(sink, "v", 1, "n", &keys[i], &error), SW_OK);
    assert_int_equal(store.get_batch(keys, 4, on_found, &found, &error, store.user_data), SW_OK);
    assert_int_equal(found.count, 2);
    sw_dir_sink_close(sink);
}

static ino_t inode_of(const char *path)
{
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    return facts.st_ino;
}

static void test_what_is_there_is_not_written_again_when_it_came_from_there(void **state)
{
    struct sw_dir_sink *sink = open_sink(base);
    struct sw_error error;
    struct sw_key key;
    uint8_t value[VALUE_BYTES];

    (void)state;
    fill(value, 1);
    assert_int_equal(give(sink, value, sizeof(value), "n", &key, &error), SW_OK);
    ino_t inode = inode_of(path_of(name_of(&key)));
    assert_int_equal(give(sink, value, sizeof(value), NULL, &key, &error), SW_OK);
    assert_int_equal(inode_of(path_of(name_of(&key))), inode);
    /* From a local store that is not this folder: the file here may be bad, or not there at all. */
    write_file(path_of(name_of(&key)), "bad", 3);
    assert_int_equal(give(sink, value, sizeof(value), NULL, &key, &error), SW_OK);
    assert_file(path_of(name_of(&key)), value, sizeof(value));
    unlink(path_of(name_of(&key)));
    assert_int_equal(give(sink, value, sizeof(value), NULL, &key, &error), SW_OK);
    assert_file(path_of(name_of(&key)), value, sizeof(value));
    assert_int_equal(count_files(base), 1);
    sw_dir_sink_close(sink);
}

struct watch {
    char path[256];
    atomic_bool end;
    atomic_int absent;
    atomic_int odd;
    atomic_int seen;
};

/* Reads the file again and again: it must always be there and be one of two sizes. */
static void *watch_file(void *data)
{
    struct watch *watch = data;
    static uint8_t bytes[VALUE_BYTES + 1];
    while (!atomic_load(&watch->end)) {
        int fd = open(watch->path, O_RDONLY);
        if (fd < 0) {
            atomic_fetch_add(&watch->absent, 1);
            continue;
        }
        ssize_t count = read(fd, bytes, sizeof(bytes));
        atomic_fetch_add(&watch->odd, count != 3 && count != VALUE_BYTES);
        atomic_fetch_add(&watch->seen, 1);
        close(fd);
    }
    return NULL;
}

static void test_a_bad_file_is_replaced_and_never_absent_or_half(void **state)
{
    struct sw_dir_sink *sink = open_sink(base);
    struct sw_error error;
    struct sw_key key;
    uint8_t value[VALUE_BYTES];
    struct watch watch = {.end = false};
    pthread_t thread;

    (void)state;
    fill(value, 1);
    key = sw_key_of_value(value, sizeof(value));
    snprintf(watch.path, sizeof(watch.path), "%s/%s", base, name_of(&key));
    write_file(watch.path, "bad", 3);
    assert_int_equal(pthread_create(&thread, NULL, watch_file, &watch), 0);
    for (int i = 0; i < 500 || atomic_load(&watch.seen) < 100; i++)
        assert_int_equal(give(sink, value, sizeof(value), "n", NULL, &error), SW_OK);
    atomic_store(&watch.end, true);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&watch.absent), 0);
    assert_int_equal(atomic_load(&watch.odd), 0);
    assert_file(watch.path, value, sizeof(value));
    assert_int_equal(count_files(base), 1);
    sw_dir_sink_close(sink);
}

static void *give_many(void *data)
{
    struct sw_dir_sink *sink = data;
    uint8_t *value = malloc(VALUE_BYTES);
    intptr_t failures = 0;
    for (unsigned i = 0; i < 200; i++) {
        fill(value, i);
        failures += give(sink, value, VALUE_BYTES, i % 2 ? "n" : NULL, NULL, NULL) != SW_OK;
    }
    free(value);
    return (void *)failures;
}

static void test_threads_may_write_the_same_symbols_at_once(void **state)
{
    struct sw_dir_sink *sink = open_sink(base);
    pthread_t threads[2];
    uint8_t value[VALUE_BYTES];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, give_many, sink), 0);
    for (int i = 0; i < 2; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        assert_null(failures);
    }
    for (unsigned i = 0; i < 200; i++) {
        fill(value, i);
        struct sw_key key = sw_key_of_value(value, sizeof(value));
        assert_file(path_of(name_of(&key)), value, sizeof(value));
    }
    sw_dir_sink_close(sink);
}

static void test_a_name_that_a_folder_has_is_told(void **state)
{
    struct sw_dir_sink *sink = open_sink(base);
    struct sw_key key = sw_key_of_value("v", 1);
    struct sw_error error;

    (void)state;
    assert_int_equal(mkdir(path_of(name_of(&key)), 0777), 0);
    assert_int_equal(give(sink, "v", 1, "n", &key, &error), SW_IO_ERROR);
    assert_non_null(strstr(error.message, name_of(&key)));
    assert_non_null(strstr(error.message, "directory"));
    assert_int_equal(count_files(base), 1);
    sw_dir_sink_close(sink);
}

static void test_what_cannot_be_opened_is_told_with_its_path(void **state)
{
    struct sw_dir_sink *sink = (struct sw_dir_sink *)base;
    struct sw_error error;

    (void)state;
    assert_int_equal(sw_dir_sink_open(path_of("no/such"), &sink, &error), SW_NOT_FOUND);
    assert_null(sink);
    assert_non_null(strstr(error.message, "no/such"));
    write_file(path_of("file"), "x", 1);
    assert_int_equal(sw_dir_sink_open(path_of("file"), &sink, &error), SW_IO_ERROR);
    assert_non_null(strstr(error.message, "Not a directory"));
    assert_int_equal(sw_dir_sink_open("/proc", &sink, &error), SW_NOT_FOUND);
    assert_int_equal(sw_dir_sink_open("", &sink, &error), SW_NOT_FOUND);
}

static void test_a_folder_that_cannot_be_written_is_told_at_once(void **state)
{
    struct sw_dir_sink *sink;
    struct sw_error error;
    bool root = geteuid() == 0;

    (void)state;
    chmod(base, 0755);
    assert_int_equal(mkdir(path_of("locked"), 0555), 0);
    if (root && seteuid(65534) != 0)
        skip();
    enum sw_status status = sw_dir_sink_open(path_of("locked"), &sink, &error);
    enum sw_status status_below = sw_dir_sink_open(path_of("locked/new"), &sink, NULL);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(status, SW_IO_ERROR);
    assert_int_equal(status_below, SW_IO_ERROR);
    assert_non_null(strstr(error.message, "locked: Permission denied"));
}

/* A mount that nobody else sees; only root may. */
static bool mount_tmpfs(const char *path, const char *options)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

static void test_a_full_disk_is_told_and_leaves_no_half_file(void **state)
{
    struct sw_dir_sink *sink;
    struct sw_error error;
    uint8_t value[VALUE_BYTES];
    enum sw_status status = SW_OK;
    unsigned written = 0;

    (void)state;
    assert_int_equal(mkdir(path_of("small"), 0777), 0);
    if (!mount_tmpfs(path_of("small"), "size=512k"))
        skip();
    sink = open_sink(path_of("small"));
    for (; status == SW_OK && written < 100; written++) {
        fill(value, written);
        status = give(sink, value, sizeof(value), "n", NULL, &error);
    }
    assert_int_equal(status, SW_NO_SPACE);
    assert_int_equal(error.status, SW_NO_SPACE);
    assert_non_null(strstr(error.message, "small: No space left on device"));
    assert_int_equal(count_files(path_of("small")), written - 1);
    for (unsigned i = 0; i < written - 1; i++) {
        char path[256];
        fill(value, i);
        struct sw_key key = sw_key_of_value(value, sizeof(value));
        snprintf(path, sizeof(path), "%s/small/%s", base, name_of(&key));
        assert_file(path, value, sizeof(value));
    }
    /* Filled to the last page, it is not even opened. */
    int fd = open(path_of("small/rest"), O_WRONLY | O_CREAT, 0666);
    while (write(fd, value, 4096) > 0)
        ;
    close(fd);
    struct sw_dir_sink *again;
    assert_int_equal(sw_dir_sink_open(path_of("small"), &again, &error), SW_NO_SPACE);
    assert_int_equal(count_files(path_of("small")), written);
    sw_dir_sink_close(sink);
    umount(path_of("small"));
}

/* Without /proc a nameless file gets no name: it all must hold with temporary names as well. */
static void test_temporary_names_do_as_well(void **state)
{
    static void (*const tests[])(void **) = {
        test_opening_makes_the_folder_and_leaves_nothing_in_it,
        test_a_symbol_becomes_a_file_named_by_its_key,
        test_what_is_there_is_not_written_again_when_it_came_from_there,
        test_a_bad_file_is_replaced_and_never_absent_or_half,
        test_threads_may_write_the_same_symbols_at_once,
        test_a_name_that_a_folder_has_is_told,
        test_a_full_disk_is_told_and_leaves_no_half_file,
    };

    if (!mount_tmpfs("/proc", "size=4k"))
        skip();
    assert_int_not_equal(access("/proc/self/fd", F_OK), 0);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        teardown(state);
        setup(state);
        tests[i](state);
    }
    assert_int_equal(umount("/proc"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_opening_makes_the_folder_and_leaves_nothing_in_it),
        TEST(test_a_symbol_becomes_a_file_named_by_its_key),
        TEST(test_the_folder_gives_back_what_it_has_and_skips_what_it_lacks),
        TEST(test_the_folder_stops_when_it_is_told_to),
        TEST(test_what_is_there_is_not_written_again_when_it_came_from_there),
        TEST(test_a_bad_file_is_replaced_and_never_absent_or_half),
        TEST(test_threads_may_write_the_same_symbols_at_once),
        TEST(test_a_name_that_a_folder_has_is_told),
        TEST(test_what_cannot_be_opened_is_told_with_its_path),
        TEST(test_a_folder_that_cannot_be_written_is_told_at_once),
        TEST(test_a_full_disk_is_told_and_leaves_no_half_file),
        TEST(test_temporary_names_do_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
