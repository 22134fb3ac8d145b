/*
 * Nodes that misbehave, for the fault matrix: rogue_nodes MANNER COUNT KEYS VALUES
 *
 * Starts COUNT of the SDK's test nodes, which hold the symbols of the file KEYS, found in the folder VALUES under their
 * keys, and which do to each what MANNER says; prints them as lines of a node list and serves until standard input
 * ends. Then it prints how many keys each was asked for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <symwave/symwave.h>
#include <symwave/testing.h>

static const struct {
    const char *name;
    enum sw_test_manner manner;
} manners[] = {
    {"honest", SW_TEST_HONEST},         {"bad-bytes", SW_TEST_BAD_BYTES}, {"wrong-key", SW_TEST_WRONG_KEY},
    {"empty", SW_TEST_EMPTY},           {"truncated", SW_TEST_TRUNCATED}, {"oversized", SW_TEST_OVERSIZED},
    {"duplicates", SW_TEST_DUPLICATES}, {"unasked", SW_TEST_UNASKED},     {"garbage", SW_TEST_GARBAGE},
    {"corrupt", SW_TEST_CORRUPT},       {"silent", SW_TEST_SILENT},       {"ends", SW_TEST_ENDS},
    {"fails", SW_TEST_FAILS},
};

static int give_up(const char *what)
{
    fprintf(stderr, "rogue_nodes: %s\n", what);
    return 2;
}

int main(int argc, char **argv)
{
    struct sw_test_nodes *nodes;
    struct sw_error error;
    char line[256], path[4096];
    static char value[1 << 20];
    size_t manner = 0;

    if (argc != 5)
        return give_up("usage: rogue_nodes MANNER COUNT KEYS VALUES");
    while (manner < sizeof(manners) / sizeof(*manners) && strcmp(argv[1], manners[manner].name) != 0)
        manner++;
    if (manner == sizeof(manners) / sizeof(*manners))
        return give_up("there is no such manner");
    const uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10);
    const struct sw_test_script script = {.size = sizeof(script), .manner = manners[manner].manner};
    if (sw_test_nodes_start(count, &nodes, &error) != SW_OK ||
        sw_test_nodes_script(nodes, SW_TEST_EVERY_NODE, &script, &error) != SW_OK)
        return give_up(error.message);
    FILE *keys = fopen(argv[3], "r");
    while (keys && fgets(line, sizeof(line), keys)) {
        line[strcspn(line, "\t\n")] = '\0';
        snprintf(path, sizeof(path), "%s/%s", argv[4], line);
        FILE *file = fopen(path, "rb");
        if (!file)
            return give_up(path);
        size_t bytes = fread(value, 1, sizeof(value), file);
        fclose(file);
        if (sw_test_nodes_add(nodes, SW_TEST_EVERY_NODE, value, bytes, NULL, &error) != SW_OK)
            return give_up(error.message);
    }
    if (!keys)
        return give_up(argv[3]);
    fclose(keys);
    struct sw_node_list *list = sw_test_nodes_list(nodes);
    for (uint32_t i = 0; i < count; i++)
        printf("- id: rogue-%" PRIu32 "\n  address: %s\n", i, sw_node_list_at(list, i)->address);
    printf("# ready\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    for (uint32_t i = 0; i < count; i++) {
        struct sw_test_counts counts;
        sw_test_nodes_counts(nodes, i, &counts, sizeof(counts));
        printf("# rogue-%" PRIu32 " was asked for %" PRIu64 " keys\n", i, counts.keys_asked);
    }
    sw_node_list_free(list);
    sw_test_nodes_stop(nodes);
    return 0;
}
