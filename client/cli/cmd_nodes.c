/* `symwave nodes`: asks every node of the list how it is. */
#include "client/cli/cli.h"
#include "client/cli/format.h"
#include "client/cli/json_output.h"
#include "client/cli/parse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char doc[] =
    "Asks every node of the list how it is, and prints a table: id, address, whether it is serving, how many symbols "
    "and bytes it holds, how long an answer takes, its version, and what is wrong. Exit status 1 where a node was not "
    "reached."
    "\vExample:\n"
    "  symwave --nodes nodes.yaml nodes";

static const struct argp_option options[] = {
    {"timeout", 't', "SECONDS", 0, "How long to wait for answers; default 5", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct command_input *input = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = input->common;
        return 0;
    case 't':
        if (!parse_seconds(arg, input->own))
            usage_error(input->common, "--timeout %s: it must be a number of seconds above 0", arg);
        return 0;
    case ARGP_KEY_ARG:
        usage_error(input->common, "nodes takes no argument such as %s", arg);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

enum {
    COLUMNS = 7
};
typedef char cells[COLUMNS][256];

static void cells_of(const struct sw_node_status *node, cells row)
{
    printable(node->id, strlen(node->id), row[0], sizeof(row[0]));
    printable(node->address, strlen(node->address), row[1], sizeof(row[1]));
    snprintf(row[2], sizeof(row[2]), "%s", !node->serving ? "no" : node->writable || !node->reached ? "yes" : "reads");
    if (node->reached) {
        snprintf(row[3], sizeof(row[3]), "%llu", (unsigned long long)node->symbol_count);
        format_bytes(node->stored_bytes, row[4]);
        format_time(node->latency_us, row[5]);
        printable(node->version, strlen(node->version), row[6], sizeof(row[6]));
    } else {
        for (int i = 3; i < COLUMNS; i++)
            strcpy(row[i], "-");
    }
}

static void print_row(const cells row, const int widths[COLUMNS], const char *note)
{
    for (int i = 0; i < COLUMNS - 1; i++)
        printf(i >= 3 && i <= 5 ? "%*s  " : "%-*s  ", widths[i], row[i]);
    if (note[0] != '\0')
        printf("%-*s  %s\n", widths[COLUMNS - 1], row[COLUMNS - 1], note);
    else
        printf("%s\n", row[COLUMNS - 1]);
}

static const char *note_of(const struct sw_node_status *node, char *out, size_t out_bytes)
{
    char other[SW_NODE_ID_BYTES_MAX + 1];

    out[0] = '\0';
    if (!node->reached)
        printable(node->error, strlen(node->error), out, out_bytes);
    else if (strcmp(node->id, node->reported_id) != 0)
        snprintf(out, out_bytes, "calls itself %s: the node list is wrong",
                 printable(node->reported_id, strlen(node->reported_id), other, sizeof(other)));
    return out;
}

static void print_table(const struct sw_node_status *nodes, size_t count)
{
    static const cells head = {"ID", "ADDRESS", "SERVING", "SYMBOLS", "BYTES", "LATENCY", "VERSION"};
    int widths[COLUMNS];
    char note[SW_ERROR_MESSAGE_SIZE];
    cells row;

    for (int i = 0; i < COLUMNS; i++)
        widths[i] = (int)strlen(head[i]);
    for (size_t n = 0; n < count; n++) {
        cells_of(&nodes[n], row);
        for (int i = 0; i < COLUMNS; i++)
            if ((int)strlen(row[i]) > widths[i])
                widths[i] = (int)strlen(row[i]);
    }
    print_row(head, widths, "NOTE");
    for (size_t n = 0; n < count; n++) {
        cells_of(&nodes[n], row);
        print_row(row, widths, note_of(&nodes[n], note, sizeof(note)));
    }
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct sw_node_status *)a)->id, ((const struct sw_node_status *)b)->id);
}

/* The statuses in the order of the node list, which is how people know their nodes. NULL without memory. */
static struct sw_node_status *in_list_order(struct sw_node_status *nodes, size_t count, const struct sw_node_list *list)
{
    struct sw_node_status *ordered = malloc((count ? count : 1) * sizeof(*ordered));

    qsort(nodes, count, sizeof(*nodes), compare_ids);
    for (size_t i = 0; ordered && i < count; i++) {
        struct sw_node_status wanted = {.id = sw_node_list_at(list, i)->id};
        ordered[i] = *(struct sw_node_status *)bsearch(&wanted, nodes, count, sizeof(*nodes), compare_ids);
    }
    return ordered;
}

enum exit_status cmd_nodes(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {.options = options, .parser = parse, .doc = doc, .children = common_options_child};
    uint32_t timeout_ms = 5000;
    struct command_input input = {.common = common, .own = &timeout_ms};
    struct sw_client_options client_options = SW_CLIENT_OPTIONS_INIT;
    struct session session;
    struct sw_node_status *nodes = NULL, *ordered = NULL;
    size_t count = 0, unreached = 0;
    struct sw_error error;

    command_parse(&argp, argc, argv, &input);
    enum exit_status result = session_open(common, &client_options, false, &session);
    if (result != EXIT_DONE)
        return result;
    enum sw_status status = sw_client_node_statuses(session.client, timeout_ms, &nodes, &count, &error);
    if (status == SW_OK && !(ordered = in_list_order(nodes, count, session.nodes)))
        status = sw_error_set(&error, SW_NO_MEMORY, "no memory for a table of %zu nodes", count);
    if (status != SW_OK) {
        print_error("%s", error.message);
        result = exit_status_of(status);
        goto out;
    }
    if (common->json)
        json_print_nodes(ordered, count);
    else
        print_table(ordered, count);
    for (size_t i = 0; i < count; i++)
        unreached += !nodes[i].reached;
    if (unreached > 0) {
        fflush(stdout);
        print_error(
            "%zu of %zu nodes could not be reached; see that they run and that the node list has their addresses",
            unreached, count);
        result = EXIT_SHORT;
    }
out:
    free(ordered);
    free(nodes);
    session_close(&session);
    return result;
}
