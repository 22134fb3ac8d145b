/* `symwave nodes`: asks every node of the list how it is. */
#include "client/cli/cli.h"
#include "client/cli/interrupt.h"
#include "client/cli/json_output.h"
#include "client/cli/parse.h"
#include "common/format.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char doc[] =
    "Asks every node of the list how it is, and prints a table: id, address, whether it is serving, how many symbols "
    "and bytes it holds, how long an answer takes, its version, and what is wrong. Exit status 1 where a node was not "
    "reached."
    "\vExamples:\n"
    "  symwave --nodes nodes.yaml nodes\n"
    "  symwave --nodes nodes.yaml nodes --watch        again every 2 seconds, in place, until Ctrl-C";

#define WATCH_DEFAULT_MS 2000
/* The reason of this lives in the table's last column. */
#define NOTE_SIZE (SW_ERROR_MESSAGE_SIZE + 64)

struct nodes_options {
    uint32_t timeout_ms;
    uint32_t watch_ms; /* 0: once */
};

static const struct argp_option options[] = {
    {"timeout", 't', "SECONDS", 0, "How long to wait for answers; default 5", 0},
    {"watch", 'w', "SECONDS", OPTION_ARG_OPTIONAL,
     "Ask again every so many seconds, default 2, until Ctrl-C; on a terminal in place, with what has changed", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct command_input *input = state->input;
    struct nodes_options *own = input->own;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = input->common;
        return 0;
    case 't':
        if (!parse_seconds(arg, &own->timeout_ms))
            usage_error(input->common, "--timeout %s: it must be a number of seconds above 0", arg);
        return 0;
    case 'w':
        own->watch_ms = WATCH_DEFAULT_MS;
        if (arg && !parse_seconds(arg, &own->watch_ms))
            usage_error(input->common, "--watch=%s: it must be a number of seconds above 0", arg);
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

/* before, where not NULL, is how the node was when it was asked last. */
static const char *note_of(const struct sw_node_status *node, const struct sw_node_status *before, char out[NOTE_SIZE])
{
    char other[SW_NODE_ID_BYTES_MAX + 1];

    out[0] = '\0';
    if (!node->reached)
        printable(node->error, strlen(node->error), out, NOTE_SIZE);
    else if (strcmp(node->id, node->reported_id) != 0)
        snprintf(out, NOTE_SIZE, "calls itself %s: the node list is wrong",
                 printable(node->reported_id, strlen(node->reported_id), other, sizeof(other)));
    else if (before && before->reached && node->symbol_count != before->symbol_count)
        snprintf(out, NOTE_SIZE, "%+lld symbols", (long long)(node->symbol_count - before->symbol_count));
    return out;
}

/* before may be NULL; in_colour: nodes that do not serve stand out. */
static void print_table(struct sw_node_status *const *nodes, struct sw_node_status *const *before, size_t count,
                        bool in_colour)
{
    static const cells head = {"ID", "ADDRESS", "SERVING", "SYMBOLS", "BYTES", "LATENCY", "VERSION"};
    int widths[COLUMNS];
    char note[NOTE_SIZE];
    cells row;

    for (int i = 0; i < COLUMNS; i++)
        widths[i] = (int)strlen(head[i]);
    for (size_t n = 0; n < count; n++) {
        cells_of(nodes[n], row);
        for (int i = 0; i < COLUMNS; i++)
            if ((int)strlen(row[i]) > widths[i])
                widths[i] = (int)strlen(row[i]);
    }
    print_row(head, widths, "NOTE");
    for (size_t n = 0; n < count; n++) {
        const bool stands_out = in_colour && (!nodes[n]->serving || !nodes[n]->writable);
        cells_of(nodes[n], row);
        if (stands_out)
            fputs("\033[31m", stdout);
        print_row(row, widths, note_of(nodes[n], before ? before[n] : NULL, note));
        if (stands_out)
            fputs("\033[0m", stdout);
    }
}

/* Puts the statuses into the order of the node list, which is how people know their nodes. False without memory. */
static bool put_in_list_order(struct sw_node_status **nodes, size_t count, const struct sw_node_list *list)
{
    const size_t bytes = count * sizeof(struct sw_node_status *);
    struct sw_node_status **unordered = malloc(bytes);
    size_t at;

    if (!unordered)
        return false;
    memcpy(unordered, nodes, bytes);
    for (size_t i = 0; i < count; i++)
        if (sw_node_list_find(list, unordered[i]->id, &at))
            nodes[at] = unordered[i];
    free(unordered);
    return true;
}

/* Asks once. *nodes is set on success, in the order of the list, for the caller to free with sw_free. */
static enum exit_status ask(const struct session *session, uint32_t timeout_ms, struct sw_node_status ***nodes,
                            size_t *count)
{
    struct sw_error error;

    *nodes = NULL;
    enum sw_status status = sw_client_node_statuses(session->client, timeout_ms, nodes, count, &error);
    if (status == SW_OK && !put_in_list_order(*nodes, *count, session->nodes))
        status = sw_error_set(&error, SW_NO_MEMORY, "no memory for a table of %zu nodes", *count);
    if (status == SW_OK)
        return EXIT_DONE;
    sw_free(*nodes);
    *nodes = NULL;
    print_error("%s", error.message);
    return exit_status_of(status);
}

static size_t count_unreached(struct sw_node_status *const *nodes, size_t count)
{
    size_t unreached = 0;

    for (size_t i = 0; i < count; i++)
        unreached += !nodes[i]->reached;
    return unreached;
}

/* Waits, but no longer than until Ctrl-C. */
static void pause_for(uint32_t ms)
{
    const struct timespec step = {.tv_nsec = 50000000};

    for (uint32_t waited = 0; waited < ms && !interrupted(); waited += 50)
        nanosleep(&step, NULL);
}

/* Again and again, until Ctrl-C, which is its end and no failure. */
static enum exit_status watch(const struct session *session, const struct common_options *common,
                              const struct nodes_options *own)
{
    const bool in_place = isatty(STDOUT_FILENO) && !common->json;
    const char *no_colour = getenv("NO_COLOR");
    struct sw_node_status **nodes, **before = NULL;
    enum exit_status result = EXIT_DONE;
    size_t count;

    while (!interrupted() && result == EXIT_DONE) {
        result = ask(session, own->timeout_ms, &nodes, &count);
        if (result != EXIT_DONE)
            break;
        if (common->json)
            json_print_nodes(nodes, count);
        else if (in_place)
            printf("\033[H\033[J%zu nodes, %zu reached, every %.3g s; Ctrl-C ends\n\n", count,
                   count - count_unreached(nodes, count), own->watch_ms / 1000.0);
        else if (before)
            putchar('\n');
        if (!common->json)
            print_table(nodes, before, count, in_place && (!no_colour || !*no_colour));
        fflush(stdout);
        sw_free(before);
        before = nodes;
        pause_for(own->watch_ms);
    }
    sw_free(before);
    return result;
}

enum exit_status cmd_nodes(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {.options = options, .parser = parse, .doc = doc, .children = common_options_child};
    struct nodes_options own = {.timeout_ms = 5000};
    struct command_input input = {.common = common, .own = &own};
    struct sw_client_options client_options = SW_CLIENT_OPTIONS_INIT;
    struct session session;
    struct sw_node_status **nodes = NULL;
    size_t count = 0;

    command_parse(&argp, argc, argv, &input);
    enum exit_status result = session_open(common, &client_options, own.watch_ms > 0, &session);
    if (result != EXIT_DONE)
        return result;
    if (own.watch_ms > 0) {
        result = watch(&session, common, &own);
        session_close(&session);
        return result;
    }
    result = ask(&session, own.timeout_ms, &nodes, &count);
    if (result != EXIT_DONE)
        goto out;
    if (common->json)
        json_print_nodes(nodes, count);
    else
        print_table(nodes, NULL, count, false);
    const size_t unreached = count_unreached(nodes, count);
    if (unreached > 0) {
        fflush(stdout);
        print_error(
            "%zu of %zu nodes could not be reached; see that they run and that the node list has their addresses",
            unreached, count);
        result = EXIT_SHORT;
    }
out:
    sw_free(nodes);
    session_close(&session);
    return result;
}
