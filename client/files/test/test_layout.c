/*
 * Layouts are read strictly: the reference layouts, which an independent implementation wrote, give what they say, and
 * whatever departs from their form is refused by place and reason.
 */
#include "client/files/test/fixture.h"
#include "client/raptorq/test/aes_ctr.h"
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define TEXT_BYTES_MAX 8192

/* The counts by hand: ceil(bytes / 65,528), and 6 or ceil(bytes * 5 / 65,535). */
static const struct reference {
    size_t bytes;
    uint32_t k, repair, sub_blocks;
} references[] = {{1, 1, 6, 1},         {65528, 1, 6, 1},        {65529, 2, 6, 1},
                  {1000000, 16, 77, 1}, {10000000, 153, 763, 1}, {40000000, 611, 3052, 4}};

static const char *reference_path(size_t bytes)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/client/raptorq/test/data/layout-%zu.json", SYMWAVE_SOURCE_DIR, bytes);
    return path;
}

static void check_keys(const char *path, const struct sw_layout_block *block)
{
    json_t *json = json_load_file(path, 0, NULL);
    const json_t *symbols = json_object_get(json_array_get(json_object_get(json, "blocks"), 0), "symbols");
    char text[SW_KEY_BASE58_SIZE];

    assert_int_equal(json_array_size(symbols), block->k + block->repair);
    for (uint32_t i = 0; i < block->k + block->repair; i++) {
        sw_key_to_base58(&block->keys[i], text);
        assert_string_equal(text, json_string_value(json_array_get(symbols, i)));
    }
    json_decref(json);
}

static void test_the_reference_layouts_are_read_as_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
        const struct reference *reference = &references[i];
        const char *path = reference_path(reference->bytes);
        uint8_t *bytes = malloc(reference->bytes);
        struct sw_layout *layout;

        assert_non_null(bytes);
        aes_ctr_fill(bytes, reference->bytes);
        const struct sw_key hash = sw_key_of_value(bytes, reference->bytes);
        assert_int_equal(sw_layout_load(path, &layout, NULL), SW_OK);
        const struct sw_raptorq_params *params = sw_layout_params(layout);
        assert_int_equal(params->bytes, reference->bytes);
        assert_int_equal(params->symbol_bytes, 65528);
        assert_int_equal(params->blocks, 1);
        assert_int_equal(params->sub_blocks, reference->sub_blocks);
        assert_int_equal(params->alignment, 8);
        assert_memory_equal(sw_layout_hash(layout), &hash, sizeof(hash));
        const struct sw_layout_block block = sw_layout_block_at(layout, 0);
        assert_int_equal(block.k, reference->k);
        assert_int_equal(block.repair, reference->repair);
        check_keys(path, &block);
        sw_layout_free(layout);
        free(bytes);
    }
    sw_layout_free(NULL);
}

static void test_repair_symbols_are_five_times_the_block_and_six_at_least(void **state)
{
    static const struct {
        struct sw_raptorq_params params;
        uint32_t repair[3];
    } cases[] = {
        {{65535, 65528, 1, 1, 8}, {6}},
        {{65536, 65528, 1, 1, 8}, {6}},
        {{78643, 65528, 1, 1, 8}, {7}}, /* 6 * 65,535 / 5 = 78,642 */
        {{78642, 65528, 1, 1, 8}, {6}},
        /* 100 symbols of 8,000 bytes in blocks of 34, 33 and 33; the last has 7,999 bytes less. */
        {{792001, 8000, 3, 1, 8}, {21, 21, 20}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (uint32_t sbn = 0; sbn < cases[i].params.blocks; sbn++)
            assert_int_equal(sw_layout_repair_count(&cases[i].params, sbn), cases[i].repair[sbn]);
}

/* ---- what is refused: the reference layout of one byte, with something in place of something ---- */

#define PARAMETERS "[0, 0, 0, 0, 1, 0, 255, 248, 1, 0, 1, 8]"
#define FIRST_KEY  "\"4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPE\""
#define LAST_KEY   "\"A4jh1UuXgSi1QVUCyiiDteC8vYem7W7jr85Bv72VD3Tj\""
#define HASH       "\"9kUjQ3Cx9q3QvnPgC9S63EkygBwZKAwaBdwo8fuUmYxt\""

struct bad {
    const char *from; /* NULL: all of it */
    const char *to;
    const char *place; /* begins the message, after the name */
    const char *said;
};

static const struct bad bad_forms[] = {
    {NULL, "", ":1:0: ", "no JSON"},
    {NULL, "key\t1\n", ":1:", "no JSON"},
    {NULL, "7", ":1:1: ", "no JSON"},
    {NULL, "\xef\xbb\xbf{}", ":1:", "no JSON"},
    {NULL, "{\"blocks\": [", ":1:12: ", "no JSON"},
    {NULL, "[]", ": the layout: ", "it is no object"},
    {NULL, "{}", ": the layout: ", "no member \"blocks\""},
    {NULL, "{\"blocks\": {}}", ": blocks: ", "an array of one block"},
    {NULL, "{\"blocks\": null}", ": blocks: ", "an array of one block"},
    {NULL, "{\"blocks\": []}", ": blocks: ", "an array of one block"},
    {NULL, "{\"blocks\": [7]}", ": blocks[0]: ", "it is no object"},
    {NULL, "{\"blocks\": [{}]}", ": blocks[0]: ", "no member \"block_id\""},
    {"}]}", "}, {}]}", ": blocks: ", "an array of one block"},
    {"}]}", "}]}}", ":1:", "no JSON: end of file expected"},
    {"}]}", "}]}\n\nx", ":3:1: ", "no JSON: end of file expected"},
    {"}]}", "}], \"more\": 1}", ": the layout: ", "a member \"more\" that no layout has"},
    {"{\"blocks\"", "{\"Blocks\"", ": the layout: ", "no member \"blocks\""},
    {"{\"blocks\"", "{\"blocks\": [], \"blocks\"", ":1:", "no JSON: duplicate object key"},
    {"\"size\"", "\"more\": {}, \"size\"", ": blocks[0]: ", "a member \"more\" that no layout has"},
    {"\"size\"", "\"size\": 1, \"size\"", ":1:", "no JSON: duplicate object key"},
    {"\"block_id\"", "\"block_ID\"", ": blocks[0]: ", "no member \"block_id\""},
    {"\"encoder_parameters\"", "\"parameters\"", ": blocks[0]: ", "no member \"encoder_parameters\""},
    {"\"original_offset\"", "\"offset\"", ": blocks[0]: ", "no member \"original_offset\""},
    {"\"size\"", "\"bytes\"", ": blocks[0]: ", "no member \"size\""},
    {"\"symbols\"", "\"keys\"", ": blocks[0]: ", "no member \"symbols\""},
    {"\"hash\"", "\"b3sum\"", ": blocks[0]: ", "no member \"hash\""},
};

static const struct bad bad_numbers[] = {
    {"\"block_id\": 0", "\"block_id\": 1", ": blocks[0].block_id: ", "it is 1 and must be 0"},
    {"\"block_id\": 0", "\"block_id\": -1", ": blocks[0].block_id: ", "it is -1 and must be 0"},
    {"\"block_id\": 0", "\"block_id\": \"0\"", ": blocks[0].block_id: ", "it must be the number 0"},
    {"\"block_id\": 0", "\"block_id\": 0.0", ": blocks[0].block_id: ", "it must be the number 0"},
    {"\"original_offset\": 0", "\"original_offset\": 1", ": blocks[0].original_offset: ", "it is 1 and must be 0"},
    {"\"original_offset\": 0", "\"original_offset\": [0]", ": blocks[0].original_offset: ", "the number 0"},
    {"\"size\": 1", "\"size\": 2", ": blocks[0].size: ", "it is 2 and must be 1"},
    {"\"size\": 1", "\"size\": true", ": blocks[0].size: ", "it must be the number 1"},
    {"\"size\": 1", "\"size\": -9223372036854775808", ": blocks[0].size: ", "and must be 1"},
    {"\"size\": 1", "\"size\": 18446744073709551617", ":1:", "no JSON: too big integer"},
    {"\"size\": 1", "\"size\": 1e999", ":1:", "no JSON: real number overflow"},
    {"\"size\": 1", "\"size\": 01", ":1:", "no JSON"},
};

static const struct bad bad_parameters[] = {
    {PARAMETERS, "12", ": blocks[0].encoder_parameters: ", "an array of 12 numbers"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 255, 248, 1, 0, 1]", ": blocks[0].encoder_parameters: ", "of 12 numbers"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 255, 248, 1, 0, 1, 8, 0]", ": blocks[0].encoder_parameters: ", "of 12 numbers"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 256, 248, 1, 0, 1, 8]", ": blocks[0].encoder_parameters: ", "0 to 255"},
    {PARAMETERS, "[0, 0, 0, -1, 1, 0, 255, 248, 1, 0, 1, 8]", ": blocks[0].encoder_parameters: ", "0 to 255"},
    {PARAMETERS, "[0, 0, 0, 0, 1.0, 0, 255, 248, 1, 0, 1, 8]", ": blocks[0].encoder_parameters: ", "0 to 255"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 1, 255, 248, 1, 0, 1, 8]", ": blocks[0].encoder_parameters: ", "reserved byte"},
    {PARAMETERS, "[0, 0, 0, 0, 0, 0, 255, 248, 1, 0, 1, 8]", ": blocks[0].encoder_parameters: ", "transfer length"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 8]", ": blocks[0].encoder_parameters: ", "symbol size is 0"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 255, 248, 1, 0, 1, 7]", ": blocks[0].encoder_parameters: ", "the alignment"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 255, 248, 1, 0, 1, 0]", ": blocks[0].encoder_parameters: ", "the alignment"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 255, 248, 0, 0, 1, 8]", ": blocks[0].encoder_parameters: ", "source blocks is 0"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 255, 248, 2, 0, 1, 8]", ": blocks[0].encoder_parameters: ", "more than there are"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 255, 248, 1, 0, 0, 8]", ": blocks[0].encoder_parameters: ", "sub-blocks is 0"},
    {PARAMETERS, "[0, 0, 0, 0, 1, 0, 255, 248, 1, 32, 0, 8]", ": blocks[0].encoder_parameters: ", "has no bytes"},
    /* 946,270,874,880 bytes, the most that RFC 6330 has, and one more */
    {PARAMETERS, "[220, 82, 35, 173, 0, 0, 255, 248, 255, 0, 1, 8]", ": blocks[0].encoder_parameters: ", "56403"},
    {PARAMETERS, "[220, 82, 35, 173, 1, 0, 255, 248, 255, 0, 1, 8]",
     ": blocks[0].encoder_parameters: ", "more than 946270874880"},
};

static const struct bad bad_keys[] = {
    {", " LAST_KEY, "", ": blocks[0].symbols: ", "there are 6 of them, and 7"},
    {LAST_KEY, LAST_KEY ", " LAST_KEY, ": blocks[0].symbols: ", "there are 8 of them, and 7"},
    {NULL,
     "{\"blocks\": [{\"block_id\": 0, \"encoder_parameters\": " PARAMETERS ", \"original_offset\": 0, \"size\": 1, "
     "\"symbols\": " FIRST_KEY ", \"hash\": " HASH "}]}",
     ": blocks[0].symbols: ", "it must be an array of keys"},
    {LAST_KEY, "\"A4jh\"", ": blocks[0].symbols[6]: ", "base58 key has 4 characters"},
    {LAST_KEY, "\"\"", ": blocks[0].symbols[6]: ", "base58 key has 0 characters"},
    {LAST_KEY, "\"A4jh1UuXgSi1QVUCyiiDteC8vYem7W7jr85Bv72VD3TjA\"", ": blocks[0].symbols[6]: ", "has 45 characters"},
    {LAST_KEY, "\"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"", ": blocks[0].symbols[6]: ", "base58 key of 44"},
    {LAST_KEY, "\"A4jh1UuXgSi1QVUCyiiDteC8vYem7W7jr85Bv72VD3T0\"",
     ": blocks[0].symbols[6]: ", "wrong character '0' at position 44"},
    {LAST_KEY, "\"A4jh1UuXgSi1QVUCyiiDteC8vYem7W7jr85Bv72VD3T\\n\"",
     ": blocks[0].symbols[6]: ", "wrong byte 0x0a at position 44"},
    {LAST_KEY, "7", ": blocks[0].symbols[6]: ", "it must be a key in base58"},
    {LAST_KEY, "null", ": blocks[0].symbols[6]: ", "it must be a key in base58"},
    {LAST_KEY, "[" LAST_KEY "]", ": blocks[0].symbols[6]: ", "it must be a key in base58"},
    {LAST_KEY, FIRST_KEY, ": blocks[0].symbols[6]: ", "the same key stands before"},
    {LAST_KEY, "\"A4jh\\u0000\"", ":1:", "no JSON: \\u0000 is not allowed"},
    {LAST_KEY, "\"A4jh\xff\"", ":1:", "no JSON: unable to decode byte 0xff"},
    {"\"hash\": " HASH, "\"hash\": null", ": blocks[0].hash: ", "it must be a key in base58"},
    {"\"hash\": " HASH, "\"hash\": \"9kUj\"", ": blocks[0].hash: ", "base58 key has 4 characters"},
    {"\"hash\": " HASH, "\"hash\": 9", ": blocks[0].hash: ", "it must be a key in base58"},
};

/* The layout of one byte with one part replaced. */
static void change(const struct bad *bad, char text[TEXT_BYTES_MAX])
{
    size_t count;
    char *good = (char *)read_file(reference_path(1), &count);

    if (!bad->from) {
        strcpy(text, bad->to);
    } else {
        const char *at = strstr(good, bad->from);
        if (!at)
            fail_msg("the layout has no %s", bad->from);
        snprintf(text, TEXT_BYTES_MAX, "%.*s%s%s", (int)(at - good), good, bad->to, at + strlen(bad->from));
    }
    free(good);
}

static void check_refused(const char *text, size_t text_bytes, const char *place, const char *said)
{
    struct sw_layout *layout = (struct sw_layout *)&references;
    struct sw_error error = {0};
    char start[128];

    snprintf(start, sizeof(start), "layout.json%s", place);
    if (sw_layout_parse(text, text_bytes, "layout.json", &layout, &error) != SW_INVALID_ARGUMENT)
        fail_msg("it is taken, or fails in another way: %.300s", text);
    assert_null(layout);
    assert_int_equal(error.status, SW_INVALID_ARGUMENT);
    if (strncmp(error.message, start, strlen(start)) != 0 || !strstr(error.message, said))
        fail_msg("wanted \"%s ... %s\", got \"%s\"", start, said, error.message);
    assert_null(strchr(error.message, '\n'));
    assert_int_equal(sw_layout_parse(text, text_bytes, "layout.json", &layout, NULL), SW_INVALID_ARGUMENT);
}

static void check_all_refused(const struct bad *cases, size_t count)
{
    char text[TEXT_BYTES_MAX];

    for (size_t i = 0; i < count; i++) {
        change(&cases[i], text);
        check_refused(text, strlen(text), cases[i].place, cases[i].said);
    }
}

static void test_other_forms_are_refused(void **state)
{
    (void)state;
    check_all_refused(bad_forms, sizeof(bad_forms) / sizeof(bad_forms[0]));
}

static void test_numbers_that_are_not_a_layouts_are_refused(void **state)
{
    (void)state;
    check_all_refused(bad_numbers, sizeof(bad_numbers) / sizeof(bad_numbers[0]));
}

static void test_parameters_that_rfc_6330_does_not_allow_are_refused(void **state)
{
    (void)state;
    check_all_refused(bad_parameters, sizeof(bad_parameters) / sizeof(bad_parameters[0]));
}

static void test_keys_that_are_none_or_too_few_or_the_same_are_refused(void **state)
{
    (void)state;
    check_all_refused(bad_keys, sizeof(bad_keys) / sizeof(bad_keys[0]));
}

static void test_the_first_key_that_stands_twice_is_named(void **state)
{
    struct sw_layout *layout;
    struct sw_error error;
    char text[TEXT_BYTES_MAX];

    (void)state;
    change(&(struct bad){.from = "\"DFGqMHrY97bhWzG45unVydwTXeJ4jwP7qUPcK7vi4qUU\"", .to = FIRST_KEY}, text);
    check_refused(text, strlen(text), ": blocks[0].symbols[1]: ", "the same key");
    /* A symbol may have the hash of the file, for all that a reader knows. */
    change(&(struct bad){.from = HASH, .to = FIRST_KEY}, text);
    assert_int_equal(sw_layout_parse(text, strlen(text), "layout.json", &layout, &error), SW_OK);
    sw_layout_free(layout);
}

static void test_white_space_and_order_do_not_matter(void **state)
{
    struct sw_layout *layout;
    char text[TEXT_BYTES_MAX];

    (void)state;
    change(&(struct bad){.from = "\"block_id\": 0, ", .to = "\n\t"}, text);
    strcpy(strstr(text, "}]}"), ",\n\t\"block_id\"\r\n:0 }\n] } \n");
    assert_int_equal(sw_layout_parse(text, strlen(text), "layout.json", &layout, NULL), SW_OK);
    assert_int_equal(sw_layout_params(layout)->bytes, 1);
    sw_layout_free(layout);
}

static void test_bytes_of_nul_are_refused_wherever_they_are(void **state)
{
    size_t count;
    uint8_t *text = read_file(reference_path(1), &count);

    (void)state;
    for (size_t i = 0; i <= count; i++) {
        const uint8_t byte = text[i];
        /* The JSON library passes over one that ends a number: a layout all the same, of other numbers. */
        if (byte >= '0' && byte <= '9' && i < (size_t)(strstr((char *)text, "symbols") - (char *)text))
            continue;
        text[i] = '\0';
        check_refused((char *)text, i < count ? count : count + 1, "", "");
        text[i] = byte;
    }
    free(text);
}

static void test_every_layout_that_is_cut_short_is_refused(void **state)
{
    size_t count;
    uint8_t *text = read_file(reference_path(1), &count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        check_refused((char *)text, i, ":1:", "no JSON");
    free(text);
}

/* Brackets and numbers take a hundred times their size in memory: as many as no layout has are refused before. */
static void test_brackets_and_values_without_end_are_refused(void **state)
{
    const size_t count = 1000000;
    char *text = malloc(count + 1);

    (void)state;
    assert_non_null(text);
    memset(text, '[', count);
    check_refused(text, count, ": ", "it has more brackets or values than a layout");
    memcpy(text, "{\"blocks\":", 10);
    check_refused(text, count, ": ", "it has more brackets or values than a layout");
    for (size_t i = 10; i < count; i++)
        text[i] = i % 2 == 0 ? ',' : '0';
    check_refused(text, count, ": ", "it has more brackets or values than a layout");
    free(text);
}

/* ---- files ---- */

static void check_load(const char *path, enum sw_status expected, const char *said)
{
    struct sw_layout *layout = (struct sw_layout *)&references;
    struct sw_error error = {0};

    assert_int_equal(sw_layout_load(path, &layout, &error), expected);
    assert_null(layout);
    assert_int_equal(error.status, expected);
    if (!strstr(error.message, path) || !strstr(error.message, said))
        fail_msg("wanted \"%s\" and \"%s\", got \"%s\"", path, said, error.message);
}

static void test_what_is_no_file_is_refused_at_once(void **state)
{
    const char *empty = path_of("empty"), *folder = path_of("folder"), *pipe = path_of("pipe");

    (void)state;
    write_file(empty, "", 0);
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(mkfifo(pipe, 0666), 0);
    check_load(path_of("none"), SW_NOT_FOUND, "No such file");
    check_load(path_of("none/layout.json"), SW_NOT_FOUND, "No such file");
    check_load(path_of("empty/layout.json"), SW_IO_ERROR, "Not a directory");
    check_load(folder, SW_INVALID_ARGUMENT, "a folder");
    check_load(pipe, SW_INVALID_ARGUMENT, "a pipe");
    check_load("/dev/zero", SW_INVALID_ARGUMENT, "a device");
    check_load(empty, SW_INVALID_ARGUMENT, "no JSON");
    write_file(empty, "[[[[[[[[[[[[[[[[[[[[", 20);
    check_load(empty, SW_INVALID_ARGUMENT, "no JSON");
    char flood[5000];
    memset(flood, '[', sizeof(flood));
    write_file(empty, flood, sizeof(flood));
    check_load(empty, SW_INVALID_ARGUMENT, "more brackets or values than a layout");
}

static void test_a_file_larger_than_any_layout_is_refused_unread(void **state)
{
    const char *path = path_of("large");

    (void)state;
    write_file(path, "{", 1);
    assert_int_equal(truncate(path, (off_t)SW_LAYOUT_FILE_BYTES_MAX + 1), 0);
    check_load(path, SW_INVALID_ARGUMENT, "no layout has more than 1073741824");
    check_refused("{", (size_t)SW_LAYOUT_FILE_BYTES_MAX + 1, ": ", "no layout has more than 1073741824");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reference_layouts_are_read_as_they_are),
        cmocka_unit_test(test_repair_symbols_are_five_times_the_block_and_six_at_least),
        cmocka_unit_test(test_other_forms_are_refused),
        cmocka_unit_test(test_numbers_that_are_not_a_layouts_are_refused),
        cmocka_unit_test(test_parameters_that_rfc_6330_does_not_allow_are_refused),
        cmocka_unit_test(test_keys_that_are_none_or_too_few_or_the_same_are_refused),
        cmocka_unit_test(test_the_first_key_that_stands_twice_is_named),
        cmocka_unit_test(test_white_space_and_order_do_not_matter),
        cmocka_unit_test(test_bytes_of_nul_are_refused_wherever_they_are),
        cmocka_unit_test(test_every_layout_that_is_cut_short_is_refused),
        cmocka_unit_test(test_brackets_and_values_without_end_are_refused),
        cmocka_unit_test_setup_teardown(test_what_is_no_file_is_refused_at_once, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_file_larger_than_any_layout_is_refused_unread, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
