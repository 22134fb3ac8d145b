/*
 * The journal: what was added comes back, in order, as far as it was written whole, and never anything else, whatever
 * became of the file.
 */
#include "client/files/journal.h"
#include "client/files/test/fixture.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define HEADER_BYTES 64
#define RECORD_BYTES 12
#define COUNT        20

/* What a journal has told. */
struct told {
    struct sw_journal_record records[2 * COUNT];
    size_t count;
    size_t refuse_at; /* the record that is not taken, from 1; 0: none */
};

static bool take(const struct sw_journal_record *record, void *user_data)
{
    struct told *told = user_data;

    if (told->count + 1 == told->refuse_at)
        return false;
    assert_true(told->count < 2 * COUNT);
    told->records[told->count++] = *record;
    return true;
}

static struct sw_key id_of(unsigned number)
{
    return sw_key_of_value(&number, sizeof(number));
}

/* Record number i of every journal here. */
static struct sw_journal_record record_of(uint32_t i)
{
    return (struct sw_journal_record){.symbol = i << 24 | i * i, .slot = i % 3 == 0 ? SW_JOURNAL_NO_SLOT : i};
}

static void assert_told(const struct told *told, size_t count)
{
    assert_int_equal(told->count, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct sw_journal_record record = record_of(i);
        assert_int_equal(told->records[i].symbol, record.symbol);
        assert_int_equal(told->records[i].slot, record.slot);
    }
}

/* Opens the test's journal, which has the first count records, or, where count is negative, is none. */
static struct sw_journal *open_journal(const struct sw_key *id, bool fresh, int count)
{
    struct sw_journal *journal;
    struct sw_error error;
    struct told told = {.count = 0};
    bool kept;

    if (sw_journal_open(path_of("journal"), id, fresh, take, &told, &journal, &kept, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_int_equal(kept, count >= 0);
    assert_told(&told, count > 0 ? (size_t)count : 0);
    return journal;
}

static void add(struct sw_journal *journal, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i < last; i++) {
        const struct sw_journal_record record = record_of(i);
        assert_int_equal(sw_journal_add(journal, &record, NULL), SW_OK);
    }
}

/* The text of a journal of COUNT records, for the caller to free. */
static uint8_t *make_text(const struct sw_key *id, size_t *count)
{
    struct sw_journal *journal = open_journal(id, true, -1);

    add(journal, 0, COUNT);
    sw_journal_close(journal, false);
    uint8_t *text = read_file(path_of("journal"), count);
    assert_int_equal(*count, HEADER_BYTES + COUNT * RECORD_BYTES);
    return text;
}

/* How much of a text is good: exactly count records. */
static void check_parse(const uint8_t *text, size_t text_bytes, const struct sw_key *id, size_t good, size_t count)
{
    struct told told = {.count = 0};
    uint8_t *copy = malloc(text_bytes + 1); /* of its own, so that a byte too many shows */

    assert_non_null(copy);
    copy = realloc(memcpy(copy, text, text_bytes), text_bytes ? text_bytes : 1);
    assert_int_equal(sw_journal_parse(copy, text_bytes, id, take, &told), good);
    assert_told(&told, count);
    free(copy);
}

static void test_what_was_added_comes_back_in_order(void **state)
{
    const struct sw_key id = id_of(1);
    struct sw_journal *journal = open_journal(&id, false, -1);

    (void)state;
    add(journal, 0, 3);
    sw_journal_close(journal, false);
    journal = open_journal(&id, false, 3);
    add(journal, 3, COUNT);
    sw_journal_close(journal, false);
    sw_journal_close(open_journal(&id, false, COUNT), false);
    sw_journal_close(NULL, true);
}

/* The checksums are FNV-1a over the id, the place in 8 bytes and the fields, by Python's integers. */
static void test_a_journal_is_written_as_its_header_says(void **state)
{
    static const uint8_t expected[] = {
        's',  'y',  'm',  'w',  'a',  'v',  'e',  ' ',  'w',  'o',  'r',  'k',  's',  'p',  'a',  'c',  'e',  ' ',
        'j',  'o',  'u',  'r',  'n',  'a',  'l',  ' ',  '1',  '\n', 0,    0,    0,    0,    0,    1,    2,    3,
        4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,   16,   17,   18,   19,   20,   21,
        22,   23,   24,   25,   26,   27,   28,   29,   30,   31,   0x05, 0x00, 0x00, 0x02, 0xff, 0xff, 0xff, 0xff,
        0x22, 0x85, 0x1b, 0xb0, 0x23, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x32, 0x3a, 0x89, 0x03};
    const struct sw_journal_record records[] = {{2 << 24 | 5, SW_JOURNAL_NO_SLOT}, {2 << 24 | 0x123, 0}};
    struct sw_journal *journal;
    struct sw_key id;

    (void)state;
    for (uint8_t i = 0; i < sizeof(id); i++)
        id.bytes[i] = i;
    journal = open_journal(&id, true, -1);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(sw_journal_add(journal, &records[i], NULL), SW_OK);
    sw_journal_close(journal, false);
    assert_file(path_of("journal"), expected, sizeof(expected));
}

static void test_every_cut_leaves_what_was_written_whole_before_it(void **state)
{
    const struct sw_key id = id_of(1);
    size_t count;
    uint8_t *text = make_text(&id, &count);

    (void)state;
    for (size_t cut = 0; cut <= count; cut++) {
        const size_t whole = cut < HEADER_BYTES ? 0 : (cut - HEADER_BYTES) / RECORD_BYTES;
        const size_t good = cut < HEADER_BYTES ? 0 : HEADER_BYTES + whole * RECORD_BYTES;
        check_parse(text, cut, &id, good, whole);
    }
    free(text);
}

static void test_a_journal_that_was_cut_is_gone_on_with(void **state)
{
    const struct sw_key id = id_of(1);
    size_t count, whole_bytes;
    uint8_t *text = make_text(&id, &count), *whole = read_file(path_of("journal"), &whole_bytes);

    (void)state;
    for (size_t cut = 0; cut <= count; cut++) {
        const int records = cut < HEADER_BYTES ? -1 : (int)((cut - HEADER_BYTES) / RECORD_BYTES);
        write_file(path_of("journal"), text, cut);
        struct sw_journal *journal = open_journal(&id, false, records);
        add(journal, records > 0 ? (uint32_t)records : 0, COUNT);
        sw_journal_close(journal, false);
        assert_file(path_of("journal"), whole, whole_bytes);
    }
    free(text);
    free(whole);
}

static void test_a_bit_that_turned_ends_the_list_before_it(void **state)
{
    const struct sw_key id = id_of(1);
    size_t count;
    uint8_t *text = make_text(&id, &count);

    (void)state;
    for (size_t bit = 0; bit < count * 8; bit++) {
        const size_t whole = bit / 8 < HEADER_BYTES ? 0 : (bit / 8 - HEADER_BYTES) / RECORD_BYTES;
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
        check_parse(text, count, &id, bit / 8 < HEADER_BYTES ? 0 : HEADER_BYTES + whole * RECORD_BYTES, whole);
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(text);
}

static void test_records_that_changed_places_are_not_believed(void **state)
{
    const struct sw_key id = id_of(1);
    size_t count;
    uint8_t *text = make_text(&id, &count), record[RECORD_BYTES];
    uint8_t *fifth = text + HEADER_BYTES + 5 * RECORD_BYTES;

    (void)state;
    memcpy(record, fifth, RECORD_BYTES);
    memcpy(fifth, fifth + RECORD_BYTES, RECORD_BYTES);
    check_parse(text, count, &id, HEADER_BYTES + 5 * RECORD_BYTES, 5);
    memcpy(fifth, record, RECORD_BYTES);
    memcpy(fifth + RECORD_BYTES, record, RECORD_BYTES);
    check_parse(text, count, &id, HEADER_BYTES + 6 * RECORD_BYTES, 6);
    memset(fifth, 0, RECORD_BYTES);
    check_parse(text, count, &id, HEADER_BYTES + 5 * RECORD_BYTES, 5);
    free(text);
}

static void test_a_record_that_is_not_taken_is_cut_off_with_all_behind_it(void **state)
{
    const struct sw_key id = id_of(1);
    struct told told = {.refuse_at = 8};
    struct sw_journal *journal;
    bool kept;
    size_t count;

    (void)state;
    free(make_text(&id, &count));
    assert_int_equal(sw_journal_open(path_of("journal"), &id, false, take, &told, &journal, &kept, NULL), SW_OK);
    assert_true(kept);
    assert_told(&told, 7);
    sw_journal_close(journal, false);
    sw_journal_close(open_journal(&id, false, 7), false);
    /* The first, too. */
    told = (struct told){.refuse_at = 1};
    assert_int_equal(sw_journal_open(path_of("journal"), &id, false, take, &told, &journal, &kept, NULL), SW_OK);
    assert_true(kept);
    sw_journal_close(journal, false);
    sw_journal_close(open_journal(&id, false, 0), false);
}

static void test_the_journal_of_another_id_is_begun_anew(void **state)
{
    const struct sw_key id = id_of(1), other = id_of(2);
    struct sw_journal *journal;
    size_t count;

    (void)state;
    free(make_text(&id, &count));
    journal = open_journal(&other, false, -1);
    add(journal, 0, 2);
    sw_journal_close(journal, false);
    sw_journal_close(open_journal(&other, false, 2), false);
    sw_journal_close(open_journal(&id, false, -1), false);
}

static void test_records_copied_from_another_id_are_not_believed(void **state)
{
    const struct sw_key id = id_of(1), other = id_of(2);
    size_t count;
    uint8_t *text = make_text(&id, &count);

    (void)state;
    memcpy(text + 32, other.bytes, sizeof(other.bytes));
    check_parse(text, count, &other, HEADER_BYTES, 0);
    free(text);
}

static void test_a_journal_asked_to_be_fresh_forgets(void **state)
{
    const struct sw_key id = id_of(1);
    struct sw_journal *journal;
    size_t count;

    (void)state;
    free(make_text(&id, &count));
    journal = open_journal(&id, true, -1);
    add(journal, 0, 1);
    sw_journal_close(journal, false);
    sw_journal_close(open_journal(&id, false, 1), false);
}

static void test_a_cleared_journal_goes_on_from_nothing(void **state)
{
    const struct sw_key id = id_of(1);
    struct sw_journal *journal = open_journal(&id, false, -1);
    struct stat facts;

    (void)state;
    add(journal, 0, 9);
    assert_int_equal(sw_journal_clear(journal, NULL), SW_OK);
    assert_int_equal(stat(path_of("journal"), &facts), 0);
    assert_int_equal(facts.st_size, HEADER_BYTES);
    add(journal, 0, 4);
    sw_journal_close(journal, false);
    sw_journal_close(open_journal(&id, false, 4), true);
    assert_false(exists(path_of("journal")));
}

/* What stands in its place and is no journal is written over; what cannot be is said, and nobody waits. */
static void test_what_is_no_journal_is_begun_anew_or_named(void **state)
{
    const struct sw_key id = id_of(1);
    struct sw_journal *journal = (struct sw_journal *)&id;
    struct told told = {.count = 0};
    struct sw_error error = {0};
    bool kept = true;

    (void)state;
    write_file(path_of("journal"), "", 0);
    sw_journal_close(open_journal(&id, false, -1), false);
    write_file(path_of("journal"), "Dear diary, this is longer than any header of any journal that I know.", 70);
    sw_journal_close(open_journal(&id, false, -1), true);
    /* Larger than any: not read. */
    write_file(path_of("journal"), "symwave workspace journal 1\n\0\0\0", 32);
    assert_int_equal(truncate(path_of("journal"), (1LL << 30) + 1), 0);
    sw_journal_close(open_journal(&id, false, -1), true);
    assert_int_equal(mkdir(path_of("journal"), 0777), 0);
    assert_int_equal(sw_journal_open(path_of("journal"), &id, false, take, &told, &journal, &kept, &error),
                     SW_IO_ERROR);
    assert_null(journal);
    assert_false(kept);
    assert_non_null(strstr(error.message, path_of("journal")));
    assert_int_equal(rmdir(path_of("journal")), 0);
    assert_int_equal(mkfifo(path_of("journal"), 0666), 0);
    assert_int_equal(sw_journal_open(path_of("journal"), &id, false, take, &told, &journal, &kept, &error),
                     SW_IO_ERROR);
    assert_int_equal(sw_journal_open(path_of("none/journal"), &id, false, take, &told, &journal, &kept, &error),
                     SW_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_added_comes_back_in_order),
        TEST(test_a_journal_is_written_as_its_header_says),
        TEST(test_every_cut_leaves_what_was_written_whole_before_it),
        TEST(test_a_journal_that_was_cut_is_gone_on_with),
        TEST(test_a_bit_that_turned_ends_the_list_before_it),
        TEST(test_records_that_changed_places_are_not_believed),
        TEST(test_a_record_that_is_not_taken_is_cut_off_with_all_behind_it),
        TEST(test_the_journal_of_another_id_is_begun_anew),
        TEST(test_records_copied_from_another_id_are_not_believed),
        TEST(test_a_journal_asked_to_be_fresh_forgets),
        TEST(test_a_cleared_journal_goes_on_from_nothing),
        TEST(test_what_is_no_journal_is_begun_anew_or_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
