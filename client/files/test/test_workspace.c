/*
 * The workspace by itself: symbols read back as they were written, in this run and the next, also where some were
 * dropped and the others moved together; and of a journal nothing is believed that cannot be.
 */
#include "client/files/journal.h"
#include "client/files/test/fixture.h"
#include "client/files/workspace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

/* 3 blocks of 4, 4 and 3 symbols of 40 bytes in sub-symbols of 16, 12 and 12, the last symbol 9 bytes short. */
#define BLOCKS       3
#define SYMBOL_BYTES 40
#define FILE_BYTES   (11 * SYMBOL_BYTES - 9)
#define REPAIR       6

static struct object object;
static const uint32_t ks[BLOCKS] = {4, 4, 3};

static int setup(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    object_make(&object, &(struct sw_raptorq_params){FILE_BYTES, SYMBOL_BYTES, BLOCKS, 3, 4}, UINT32_MAX);
    return 0;
}

static int teardown(void **state)
{
    object_clear(&object);
    return fixture_teardown(state);
}

static struct sw_workspace *open_workspace(void)
{
    struct sw_workspace *workspace;
    struct sw_error error;

    if (sw_workspace_open(object.layout, path_of("out"), &workspace, &error) != SW_OK)
        fail_msg("%s", error.message);
    return workspace;
}

static void add(struct sw_workspace *workspace, uint32_t sbn, uint32_t esi)
{
    assert_int_equal(
        sw_workspace_add(workspace, sbn, esi, object_symbol(&object, sbn, esi) + SW_RAPTORQ_PAYLOAD_ID_BYTES, NULL),
        SW_OK);
}

static bool holds(const struct sw_workspace *workspace, uint32_t sbn, uint32_t esi)
{
    for (uint32_t i = 0; i < workspace->blocks[sbn].count; i++)
        if (workspace->blocks[sbn].symbols[i].esi == esi)
            return true;
    return false;
}

/* Checks that what is held is read as it was written; returns how many symbols that are. */
static uint32_t check_symbols(struct sw_workspace *workspace)
{
    uint8_t bytes[SYMBOL_BYTES];
    uint32_t count = 0;

    for (uint32_t sbn = 0; sbn < BLOCKS; sbn++) {
        const struct sw_held_block *block = &workspace->blocks[sbn];
        for (uint32_t i = 0; i < block->count; i++, count++) {
            const struct sw_held *held = &block->symbols[i];
            assert_true(held->slot == SW_JOURNAL_NO_SLOT ? held->esi < ks[sbn] : held->esi >= ks[sbn]);
            assert_int_equal(sw_workspace_read(workspace, sbn, held, bytes, NULL), SW_OK);
            assert_memory_equal(bytes, object_symbol(&object, sbn, held->esi) + SW_RAPTORQ_PAYLOAD_ID_BYTES,
                                SYMBOL_BYTES);
        }
    }
    return count;
}

/* Closes it, opens it again, and checks that it has the same. */
static struct sw_workspace *open_again(struct sw_workspace *workspace)
{
    const uint32_t count = check_symbols(workspace);
    struct sw_workspace *again;
    uint32_t counts[BLOCKS];

    for (uint32_t sbn = 0; sbn < BLOCKS; sbn++)
        counts[sbn] = workspace->blocks[sbn].count;
    sw_workspace_close(workspace);
    again = open_workspace();
    assert_int_equal(again->kept, count);
    for (uint32_t sbn = 0; sbn < BLOCKS; sbn++)
        assert_int_equal(again->blocks[sbn].count, counts[sbn]);
    assert_int_equal(check_symbols(again), count);
    return again;
}

static void test_source_symbols_are_the_file_when_the_last_is_there(void **state)
{
    struct sw_workspace *workspace = open_workspace();
    size_t count;

    (void)state;
    assert_int_equal(workspace->kept, 0);
    for (uint32_t sbn = BLOCKS; sbn-- > 0;)
        for (uint32_t esi = ks[sbn]; esi-- > 0;)
            add(workspace, sbn, esi);
    workspace = open_again(workspace);
    uint8_t *bytes = read_file(path_of("out.part"), &count);
    assert_int_equal(count, 11 * SYMBOL_BYTES);
    assert_memory_equal(bytes, object.bytes, FILE_BYTES);
    free(bytes);
    assert_int_equal(sw_workspace_finish(workspace, path_of("out"), NULL), SW_OK);
    sw_workspace_close(workspace);
    assert_done(&object);
    sw_workspace_close(NULL);
}

static void test_repair_symbols_stand_behind_the_file_in_the_order_of_coming(void **state)
{
    struct sw_workspace *workspace = open_workspace();
    size_t count;

    (void)state;
    add(workspace, 1, 9);
    add(workspace, 1, 0);
    add(workspace, 0, 5);
    workspace = open_again(workspace);
    add(workspace, 1, 4);
    sw_workspace_close(open_again(workspace));
    uint8_t *bytes = read_file(path_of("out.part"), &count);
    assert_int_equal(count, (11 + 3) * SYMBOL_BYTES);
    assert_memory_equal(bytes + 11 * SYMBOL_BYTES, object_symbol(&object, 1, 9) + 4, SYMBOL_BYTES);
    assert_memory_equal(bytes + 12 * SYMBOL_BYTES, object_symbol(&object, 0, 5) + 4, SYMBOL_BYTES);
    assert_memory_equal(bytes + 13 * SYMBOL_BYTES, object_symbol(&object, 1, 4) + 4, SYMBOL_BYTES);
    free(bytes);
}

/* Slots 0 and 2 are the first block's, 1 and 3 the second's: the first's move onto what is in slot 1. */
static void test_a_symbol_that_another_was_moved_onto_is_dropped(void **state)
{
    struct sw_workspace *workspace = open_workspace();

    (void)state;
    add(workspace, 0, 4);
    add(workspace, 1, 4);
    add(workspace, 0, 5);
    add(workspace, 1, 5);
    assert_int_equal(sw_workspace_rewrite_journal(workspace, NULL), SW_OK);
    workspace = open_again(workspace);
    assert_true(holds(workspace, 0, 4) && holds(workspace, 0, 5) && holds(workspace, 1, 5));
    assert_false(holds(workspace, 1, 4));
    add(workspace, 1, 4);
    sw_workspace_close(open_again(workspace));
}

static void drop_random(struct sw_workspace *workspace)
{
    for (uint32_t sbn = 0; sbn < BLOCKS; sbn++) {
        struct sw_held_block *block = &workspace->blocks[sbn];
        uint32_t kept = 0;
        for (uint32_t i = 0; i < block->count; i++)
            if (rand() % 3 > 0)
                block->symbols[kept++] = block->symbols[i];
        block->count = kept;
    }
}

static void test_whatever_is_dropped_the_rest_stays_what_it_was(void **state)
{
    struct sw_workspace *workspace = open_workspace();

    (void)state;
    for (int round = 0; round < 500; round++) {
        for (int tries = rand() % 8; tries > 0; tries--) {
            const uint32_t sbn = (uint32_t)rand() % BLOCKS, esi = (uint32_t)rand() % (ks[sbn] + REPAIR);
            if (!holds(workspace, sbn, esi))
                add(workspace, sbn, esi);
        }
        workspace = open_again(workspace);
        drop_random(workspace);
        assert_int_equal(sw_workspace_rewrite_journal(workspace, NULL), SW_OK);
        workspace = open_again(workspace);
    }
    sw_workspace_close(workspace);
}

/* ---- journals of things that cannot be ---- */

static bool take_none(const struct sw_journal_record *record, void *user_data)
{
    (void)record;
    (void)user_data;
    return true;
}

/* Opens a workspace of 14 symbols' length and a journal of this record, behind one good one of a repair symbol. */
static bool is_believed(uint32_t symbol, uint32_t slot)
{
    const struct sw_key id = sw_layout_id(object.layout);
    const struct sw_journal_record good = {4, 0}, record = {symbol, slot};
    struct sw_workspace *workspace = open_workspace();
    struct sw_journal *journal;
    bool kept;

    sw_workspace_close(workspace);
    assert_int_equal(truncate(path_of("out.part"), 14 * SYMBOL_BYTES), 0);
    assert_int_equal(sw_journal_open(path_of("out.part.journal"), &id, true, take_none, NULL, &journal, &kept, NULL),
                     SW_OK);
    assert_int_equal(sw_journal_add(journal, &good, NULL), SW_OK);
    assert_int_equal(sw_journal_add(journal, &record, NULL), SW_OK);
    sw_journal_close(journal, false);
    workspace = open_workspace();
    const uint64_t count = workspace->kept;
    sw_workspace_close(workspace);
    assert_true(count == 1 || count == 2);
    return count == 2;
}

static void test_records_that_cannot_be_are_not_believed(void **state)
{
    (void)state;
    assert_true(is_believed(3, SW_JOURNAL_NO_SLOT));
    assert_true(is_believed(2 << 24 | 8, 1));
    assert_false(is_believed(2 << 24 | 9, 1));              /* a number behind the last */
    assert_false(is_believed(3 << 24, SW_JOURNAL_NO_SLOT)); /* a block behind the last */
    assert_false(is_believed(UINT32_MAX, SW_JOURNAL_NO_SLOT));
    assert_false(is_believed(3, 1));                  /* a source symbol in a slot */
    assert_false(is_believed(5, SW_JOURNAL_NO_SLOT)); /* a repair symbol in none */
    assert_false(is_believed(5, 0));                  /* a slot that is taken */
    assert_false(is_believed(5, 2));                  /* one that is not the next */
    assert_false(is_believed(5, UINT32_MAX - 1));
}

static void test_a_slot_that_the_file_does_not_reach_is_not_believed(void **state)
{
    struct sw_workspace *workspace = open_workspace();

    (void)state;
    add(workspace, 0, 4);
    add(workspace, 0, 5);
    add(workspace, 0, 6);
    sw_workspace_close(workspace);
    assert_int_equal(truncate(path_of("out.part"), 13 * SYMBOL_BYTES - 1), 0);
    workspace = open_workspace();
    assert_int_equal(workspace->kept, 1);
    assert_int_equal(check_symbols(workspace), 1);
    add(workspace, 0, 6);
    sw_workspace_close(open_again(workspace));
}

/* ---- what is beside the output ---- */

static void test_a_journal_left_of_an_output_that_is_complete_goes(void **state)
{
    struct sw_workspace *workspace = open_workspace();

    (void)state;
    sw_workspace_close(workspace);
    /* Beside a workspace it stays; without one, and being a journal, it goes. */
    sw_workspace_tidy(path_of("out"));
    assert_true(exists(path_of("out.part")) && exists(path_of("out.part.journal")));
    assert_int_equal(unlink(path_of("out.part")), 0);
    sw_workspace_tidy(path_of("out"));
    assert_false(exists(path_of("out.part.journal")));
    write_file(path_of("out.part.journal"), "dear diary", 10);
    sw_workspace_tidy(path_of("out"));
    assert_true(exists(path_of("out.part.journal")));
}

static void test_one_at_a_time_has_the_workspace(void **state)
{
    struct sw_workspace *workspace = open_workspace(), *other = workspace;
    struct sw_error error;

    (void)state;
    add(workspace, 0, 4);
    assert_int_equal(sw_workspace_open(object.layout, path_of("out"), &other, &error), SW_INVALID_ARGUMENT);
    assert_null(other);
    assert_non_null(strstr(error.message, "another get or decode is at work on it"));
    sw_workspace_close(open_again(workspace));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_source_symbols_are_the_file_when_the_last_is_there),
        TEST(test_repair_symbols_stand_behind_the_file_in_the_order_of_coming),
        TEST(test_a_symbol_that_another_was_moved_onto_is_dropped),
        TEST(test_whatever_is_dropped_the_rest_stays_what_it_was),
        TEST(test_records_that_cannot_be_are_not_believed),
        TEST(test_a_slot_that_the_file_does_not_reach_is_not_believed),
        TEST(test_a_journal_left_of_an_output_that_is_complete_goes),
        TEST(test_one_at_a_time_has_the_workspace),
    };

    seed_from_environment(6330);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
