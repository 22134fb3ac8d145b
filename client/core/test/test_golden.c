/*
 * A dozen retrievals told from beginning to end, kept in golden/ for people who want to see what the engine does, and
 * compared word for word. After a change that is meant, SYMWAVE_GOLDEN=write writes them again; read the difference.
 */
#include "client/core/test/sim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES    4
#define KEYS_MAX 40
#define MB       UINT64_C(1000000)
/* What a node is where a story does not say otherwise: a symbol takes 33 ms. */
#define USUAL                                                                                                          \
    {                                                                                                                  \
        SIM_FINE, 2 * MB, 20000                                                                                        \
    }

struct story {
    const char *name, *text;
    struct sim_node_script nodes[NODES];
    uint32_t key_count, required;
    uint32_t primaries; /* key i's primary is node i mod primaries */
    uint64_t budget_bytes;
    uint64_t cut_off_from_us, cut_off_to_us;
    uint32_t corrupt_per_mille;
};

static const struct story stories[] = {
    {"all_well",
     "Four nodes, twelve keys, eight required. Each key is asked of its primary, no more keys than are required are\n"
     "ever asked, and it is over with the eighth symbol.",
     .nodes = {USUAL, USUAL, USUAL, USUAL}, .key_count = 12, .required = 8, .primaries = 4},
    {"missing_key_moves",
     "Node 1 has lost its disk and says of each key that it is missing. Each moves by itself to its next candidate,\n"
     "which is node 3 for both: it is asked for one at once, and for the other when it has answered some of what it\n"
     "has to do. Nothing else waits for them. At last an idle node, which would answer sooner, is asked for it too.",
     .nodes = {USUAL, {SIM_DENYING, 2 * MB, 20000}, USUAL, USUAL}, .key_count = 8, .required = 8, .primaries = 4},
    {"silent_node",
     "Node 0 takes its request and never says a word. Its lease runs out: the keys are asked elsewhere while the\n"
     "first request runs on. The others answer first, and the request that lost is aborted, not punished.",
     .nodes = {{SIM_MUTE, 2 * MB, 20000}, USUAL, USUAL, USUAL}, .key_count = 8, .required = 8, .primaries = 4},
    {"stalled_node",
     "Node 0 sends one symbol and stalls in the middle of the next. What it has sent counts; what it was asked\n"
     "beyond that is had elsewhere.",
     .nodes = {{SIM_STALLS, 2 * MB, 20000}, USUAL, USUAL, USUAL}, .key_count = 12, .required = 12, .primaries = 4},
    {"dead_node",
     "Node 2 is down and its connection is refused. Its keys go elsewhere at once, and it is passed over for a while.",
     .nodes = {USUAL, USUAL, {SIM_REFUSING, 2 * MB, 20000}, USUAL}, .key_count = 8, .required = 8, .primaries = 4},
    {"corrupt_copies",
     "Some copies have rotted on their nodes' disks. Each is dropped when it comes, for its hash is not its key, and\n"
     "asked of the next candidate, which is told to verify its own copy before it sends it.",
     .nodes = {USUAL, USUAL, USUAL, USUAL}, .key_count = 8, .required = 8, .primaries = 4, .corrupt_per_mille = 150},
    {"liar",
     "Whatever node 3 sends is wrong. Each bad symbol is dropped and asked of another node, which is told to verify\n"
     "what it holds. After three node 3 is asked for nothing that anybody else can give.",
     .nodes = {USUAL, USUAL, USUAL, {SIM_LYING, 2 * MB, 20000}}, .key_count = 24, .required = 24, .primaries = 4},
    {"slow_node",
     "Node 1 is ten times slower than the others, which nobody knows beforehand. Its lease runs out before its first\n"
     "symbol is there. From then on it is asked for nothing, and what waits for it goes elsewhere. When nothing is\n"
     "left that nobody was asked for, the others are asked for what is open at it too.",
     .nodes = {USUAL, {SIM_TEN_TIMES_SLOWER, 2 * MB, 20000}, USUAL, USUAL}, .key_count = 24, .required = 24,
     .primaries = 4},
    {"stealing",
     "Node 0 is half as fast as the others, which is fast enough for its lease. When they are through with their own\n"
     "keys they take some of those that wait for it, and it is asked for no more than it can send meanwhile.",
     .nodes = {{SIM_FINE, MB, 20000}, USUAL, USUAL, USUAL}, .key_count = 40, .required = 40, .primaries = 4},
    {"end_game",
     "Half of the keys are required, and all of that is asked for at once. Node 2 is quick and soon has little to do,\n"
     "while node 1 is ten times slower and silent. What is late or would come later than from node 2 may now be\n"
     "replaced: since there are more keys than required, by others, so that nothing comes twice. Node 1 is asked for\n"
     "nothing more; it is over long before it could have sent one symbol.",
     .nodes = {USUAL, {SIM_TEN_TIMES_SLOWER, 2 * MB, 20000}, {SIM_FINE, 4 * MB, 10000}, USUAL}, .key_count = 32,
     .required = 16, .primaries = 4},
    {"pushback",
     "Node 2 has no room, says so and asks to be left alone for 300 ms, twice. It is, which is no failure of it; its\n"
     "keys are had elsewhere. When the time is over it is asked again, and refuses once more.",
     .nodes = {USUAL, USUAL, {SIM_PUSHES_BACK, 2 * MB, 20000}, USUAL}, .key_count = 40, .required = 40, .primaries = 4},
    {"budget_full",
     "There is room for four symbols, of which a retrieval leaves one to others. No more is ever asked for than there "
     "is\n"
     "room; as one symbol is taken, the next is asked for.",
     .nodes = {USUAL, USUAL, USUAL, USUAL}, .key_count = 10, .required = 10, .primaries = 4, .budget_bytes = 4 * 65536},
    {"partition_heals",
     "Node 0 cannot be reached from 50 to 400 ms. What waits for it goes elsewhere. Its first request runs on, and\n"
     "others are asked for its keys too when they have nothing else to do. When node 0 is back, what it sent is taken\n"
     "where it comes first; what comes second is dropped, which is held against nobody.",
     .nodes = {{SIM_CUT_OFF, 2 * MB, 20000}, USUAL, USUAL, USUAL}, .key_count = 40, .required = 40, .primaries = 4,
     .cut_off_from_us = 50000, .cut_off_to_us = 400000},
};

/* The story's text as comments, then what happens. The caller frees it. */
static char *tell(const struct story *story)
{
    struct sim_options options = sim_network_defaults(1);
    uint32_t primaries[KEYS_MAX];
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    for (uint32_t i = 0; i < story->key_count; i++)
        primaries[i] = i % story->primaries;
    options.node_count = NODES;
    options.key_count = story->key_count;
    options.required = story->required;
    options.sink_us_max = 0;
    options.check_every = 1;
    if (story->budget_bytes > 0)
        options.budget_bytes = story->budget_bytes;
    options.network.jitter_per_cent = 0;
    options.network.all_obtainable = true;
    options.network.script = story->nodes;
    options.network.primaries = primaries;
    options.network.corrupt_per_mille = story->corrupt_per_mille;
    options.network.cut_off_from_us = story->cut_off_from_us;
    options.network.cut_off_to_us = story->cut_off_to_us;
    options.trace = out;
    fputs("# ", out);
    for (const char *c = story->text; *c; c++)
        fputs(*c == '\n' ? "\n# " : (char[]){*c, 0}, out);
    fputs("\n\n", out);
    struct sim_result result = sim_run(&options);
    fprintf(out, "\nkeys asked: %llu; symbols wasted: %llu\n", (unsigned long long)result.keys_sent,
            (unsigned long long)result.stats.symbols_wasted);
    fclose(out);
    return text;
}

/* The file's bytes, ended by a 0; empty where there is none. The caller frees it. */
static char *read_file(const char *path)
{
    char *text = calloc(1, 1 << 20);
    FILE *in = fopen(path, "r");

    assert_non_null(text);
    if (in) {
        size_t bytes = fread(text, 1, (1 << 20) - 1, in);
        text[bytes] = 0;
        fclose(in);
    }
    return text;
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

/* The first line that differs is told. */
static void expect_same(const char *path, const char *expected, const char *told)
{
    unsigned line = 1;
    const char *a = expected, *b = told;

    for (; *a && *a == *b; a++, b++)
        line += *a == '\n';
    if (*a == *b)
        return;
    while (a > expected && a[-1] != '\n') {
        a--;
        b--;
    }
    fail_msg("%s:%u: \"%.*s\" is kept, \"%.*s\" was told; if that is meant, SYMWAVE_GOLDEN=write keeps it", path, line,
             (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
}

static void test_story_is_told_as_it_is_kept(void **state)
{
    const struct story *story = *state;
    const char *mode = getenv("SYMWAVE_GOLDEN");
    char path[512];

    snprintf(path, sizeof(path), SYMWAVE_SOURCE_DIR "/client/core/test/golden/%s.txt", story->name);
    char *told = tell(story);
    if (mode && strcmp(mode, "write") == 0)
        write_file(path, told);
    char *expected = read_file(path);
    expect_same(path, expected, told);
    free(expected);
    free(told);
}

int main(void)
{
    enum {
        COUNT = sizeof(stories) / sizeof(stories[0])
    };
    struct CMUnitTest tests[COUNT];

    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){.name = stories[i].name,
                                       .test_func = test_story_is_told_as_it_is_kept,
                                       .initial_state = (void *)&stories[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
