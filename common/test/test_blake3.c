/*
 * BLAKE3 against b3sum: a committed table, all block edges up to 200,000 bytes, and b3sum itself where it is installed;
 * on every instruction-set path that the machine has, whole and in pieces.
 */
#include "common/blake3.h"
#include "common/test/blake3_vectors.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define PATTERN_BYTES 3000001
#define HEX_SIZE      (2 * SW_BLAKE3_BYTES + 1)

static uint8_t *pattern;
static uint64_t seed;

/* splitmix64 */
static uint64_t random64(void)
{
    uint64_t z = (seed += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void to_hex(const uint8_t hash[SW_BLAKE3_BYTES], char hex[HEX_SIZE])
{
    for (size_t i = 0; i < SW_BLAKE3_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
}

static void assert_hash(const uint8_t hash[SW_BLAKE3_BYTES], const char *expected, size_t bytes)
{
    char hex[HEX_SIZE];

    to_hex(hash, hex);
    if (strcmp(hex, expected) != 0)
        fail_msg("%s, %zu bytes: %s instead of %s", sw_blake3_path_name(sw_blake3_path_current()), bytes, hex,
                 expected);
}

static void hash_in_pieces(const uint8_t *data, size_t bytes, size_t piece_max, uint8_t hash[SW_BLAKE3_BYTES])
{
    struct sw_blake3_state state;

    sw_blake3_init(&state);
    while (bytes > 0) {
        size_t n = random64() % (piece_max + 1);
        if (n > bytes)
            n = bytes;
        sw_blake3_update(&state, data, n);
        data += n;
        bytes -= n;
    }
    sw_blake3_final(&state, hash);
}

/* The next path that the machine has, from this one on. */
static int path_from(int path)
{
    while (path < SW_BLAKE3_PATHS && !sw_blake3_path_supported((enum sw_blake3_path)path))
        path++;
    if (path < SW_BLAKE3_PATHS)
        sw_blake3_path_force((enum sw_blake3_path)path);
    return path;
}

#define FOR_EACH_PATH for (int path = path_from(0); path < SW_BLAKE3_PATHS; path = path_from(path + 1))

static void *hash_first(void *hash)
{
    sw_blake3(pattern, 65532, hash);
    return NULL;
}

/* Runs first: nobody has chosen a path yet. */
static void test_threads_that_hash_first_together_agree(void **state)
{
    pthread_t thread[8];
    uint8_t hash[8][SW_BLAKE3_BYTES], expected[SW_BLAKE3_BYTES];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hash_first, hash[i]), 0);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    sw_blake3_path_force(SW_BLAKE3_PORTABLE);
    sw_blake3(pattern, 65532, expected);
    for (size_t i = 0; i < 8; i++)
        assert_memory_equal(hash[i], expected, SW_BLAKE3_BYTES);
}

static void test_every_path_agrees_with_the_table_of_b3sum(void **state)
{
    uint8_t hash[SW_BLAKE3_BYTES];

    (void)state;
    FOR_EACH_PATH
    {
        print_message("path %s\n", sw_blake3_path_name((enum sw_blake3_path)path));
        for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
            assert_true(vectors[i].bytes <= PATTERN_BYTES);
            sw_blake3(pattern, vectors[i].bytes, hash);
            assert_hash(hash, vectors[i].hash, vectors[i].bytes);
        }
    }
}

static void test_pieces_of_any_size_give_the_hash_of_the_whole(void **state)
{
    static const size_t piece_max[] = {1, 63, 1024, 5000, 16384, 40000, 1000000, PATTERN_BYTES};
    uint8_t hash[SW_BLAKE3_BYTES];

    (void)state;
    FOR_EACH_PATH
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        for (size_t p = 0; p < sizeof(piece_max) / sizeof(piece_max[0]); p++) {
            if (vectors[i].bytes > 300 * piece_max[p])
                continue;
            hash_in_pieces(pattern, vectors[i].bytes, piece_max[p], hash);
            assert_hash(hash, vectors[i].hash, vectors[i].bytes);
        }
}

static void test_every_block_edge_to_200000_bytes_agrees_with_b3sum(void **state)
{
    uint8_t hash[SW_BLAKE3_BYTES];

    (void)state;
    FOR_EACH_PATH
    {
        struct sw_blake3_state all;
        size_t count = 0;
        sw_blake3_init(&all);
        for (size_t bytes = 0; bytes <= EDGES_BYTES_MAX; bytes += bytes % 64 == 1 ? 62 : 1, count++) {
            sw_blake3(pattern, bytes, hash);
            sw_blake3_update(&all, hash, sizeof(hash));
        }
        assert_int_equal(count, EDGES_COUNT);
        sw_blake3_final(&all, hash);
        assert_hash(hash, edges_hash, EDGES_BYTES_MAX);
    }
}

/* Each input is a block of the heap of exactly its size, so that a sanitizer sees any read past either end. */
static void test_paths_agree_on_random_input_at_any_address(void **state)
{
    (void)state;
    for (int round = 0; round < 400; round++) {
        const size_t bytes = random64() % (round % 2 ? 20000 : 140000), shift = random64() % 64;
        uint8_t expected[SW_BLAKE3_BYTES], hash[SW_BLAKE3_BYTES];
        uint8_t *block = malloc(shift + bytes + (shift + bytes == 0));
        assert_non_null(block);
        for (size_t i = 0; i < bytes; i++)
            block[shift + i] = (uint8_t)random64();
        sw_blake3_path_force(SW_BLAKE3_PORTABLE);
        sw_blake3(block + shift, bytes, expected);
        FOR_EACH_PATH
        {
            sw_blake3(block + shift, bytes, hash);
            assert_memory_equal(hash, expected, SW_BLAKE3_BYTES);
            hash_in_pieces(block + shift, bytes, 1 + random64() % 70000, hash);
            assert_memory_equal(hash, expected, SW_BLAKE3_BYTES);
        }
        free(block);
    }
}

static void test_a_state_can_go_on_after_it_was_asked(void **state)
{
    struct sw_blake3_state hashing;
    uint8_t hash[SW_BLAKE3_BYTES];
    size_t done = 0;

    (void)state;
    sw_blake3_init(&hashing);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        sw_blake3_update(&hashing, pattern + done, vectors[i].bytes - done);
        done = vectors[i].bytes;
        sw_blake3_final(&hashing, hash);
        assert_hash(hash, vectors[i].hash, done);
    }
}

#define LIVE_FILES 200

static void write_file(const char *name, const uint8_t *data, size_t bytes)
{
    FILE *file = fopen(name, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void test_b3sum_itself_agrees_on_random_lengths(void **state)
{
    char folder[] = "/tmp/symwave-test-blake3-XXXXXX", name[sizeof(folder) + 8], command[128], line[128];
    size_t offset[LIVE_FILES], bytes[LIVE_FILES];
    char hex[LIVE_FILES][HEX_SIZE];
    FILE *sums;

    (void)state;
    if (system("command -v b3sum >/dev/null 2>&1") != 0) {
        print_message("b3sum is not installed: not compared with it\n");
        skip();
    }
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < LIVE_FILES; i++) {
        bytes[i] = random64() % 200001;
        offset[i] = random64() % 251;
        snprintf(name, sizeof(name), "%s/%03zu", folder, i);
        write_file(name, pattern + offset[i], bytes[i]);
    }
    snprintf(command, sizeof(command), "b3sum --no-names --num-threads 1 %s/???", folder);
    sums = popen(command, "r");
    assert_non_null(sums);
    for (size_t i = 0; i < LIVE_FILES; i++) {
        assert_non_null(fgets(line, sizeof(line), sums));
        snprintf(hex[i], HEX_SIZE, "%.64s", line);
    }
    assert_int_equal(pclose(sums), 0);
    for (size_t i = 0; i < LIVE_FILES; i++) {
        snprintf(name, sizeof(name), "%s/%03zu", folder, i);
        unlink(name);
    }
    rmdir(folder);
    FOR_EACH_PATH
    for (size_t i = 0; i < LIVE_FILES; i++) {
        uint8_t hash[SW_BLAKE3_BYTES];
        sw_blake3(pattern + offset[i], bytes[i], hash);
        assert_hash(hash, hex[i], bytes[i]);
        hash_in_pieces(pattern + offset[i], bytes[i], 30000, hash);
        assert_hash(hash, hex[i], bytes[i]);
    }
}

static void test_the_path_in_use_is_the_one_forced(void **state)
{
    (void)state;
    assert_true(sw_blake3_path_supported(SW_BLAKE3_PORTABLE));
    assert_string_equal(sw_blake3_path_name(SW_BLAKE3_PORTABLE), "portable");
    assert_string_equal(sw_blake3_path_name(SW_BLAKE3_AVX2), "avx2");
    assert_string_equal(sw_blake3_path_name(SW_BLAKE3_AVX512), "avx512");
    FOR_EACH_PATH
    assert_int_equal(sw_blake3_path_current(), path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_that_hash_first_together_agree),
        cmocka_unit_test(test_every_path_agrees_with_the_table_of_b3sum),
        cmocka_unit_test(test_pieces_of_any_size_give_the_hash_of_the_whole),
        cmocka_unit_test(test_every_block_edge_to_200000_bytes_agrees_with_b3sum),
        cmocka_unit_test(test_paths_agree_on_random_input_at_any_address),
        cmocka_unit_test(test_a_state_can_go_on_after_it_was_asked),
        cmocka_unit_test(test_b3sum_itself_agrees_on_random_lengths),
        cmocka_unit_test(test_the_path_in_use_is_the_one_forced),
    };
    const char *given = getenv("SYMWAVE_SEED");
    int failed;

    seed = given ? strtoull(given, NULL, 0) : (uint64_t)getpid();
    printf("SYMWAVE_SEED=%llu\n", (unsigned long long)seed);
    pattern = malloc(PATTERN_BYTES);
    if (!pattern)
        return 1;
    for (size_t i = 0; i < PATTERN_BYTES; i++)
        pattern[i] = (uint8_t)(i % 251);
#ifdef __SANITIZE_THREAD__
    failed = _cmocka_run_group_tests("tests", tests, 1, NULL, NULL); /* the others have no threads, and take long */
#else
    failed = cmocka_run_group_tests(tests, NULL, NULL);
#endif
    free(pattern);
    return failed;
}
