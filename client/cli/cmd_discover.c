/* `symwave discover`: the node list of a network, from a few of its nodes. */
#include "client/cli/cli.h"
#include "client/cli/json_output.h"
#include <ctype.h>
#include <stdio.h>

struct discover_options {
    bool serving, writable;
    uint32_t deadline_ms;
};

/* Options that have no letter. */
enum {
    KEY_SERVING = 256,
    KEY_WRITABLE
};

static const char doc[] =
    "Asks some of the nodes of the list whom they know, and those are all nodes of a network where each has its node "
    "list (\"nodes: FILE\" in its configuration). Prints them as a node list."
    "\vExample:\n"
    "  symwave --nodes seeds.yaml discover >nodes.yaml";

static const struct argp_option options[] = {
    {"serving", KEY_SERVING, NULL, 0, "Only nodes that serve now", 0},
    {"writable", KEY_WRITABLE, NULL, 0, "Only nodes that take symbols now", 0},
    {"deadline", 'd', "SECONDS", 0, "Time for all of it; default 30", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct command_input *input = state->input;
    struct discover_options *own = input->own;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = input->common;
        return 0;
    case KEY_SERVING:
        own->serving = true;
        return 0;
    case KEY_WRITABLE:
        own->writable = true;
        return 0;
    case 'd':
        own->deadline_ms = option_deadline(input->common, arg);
        return 0;
    case ARGP_KEY_ARG:
        usage_error(input->common, "\"%s\" is one argument too many", arg);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool is_eligible(const struct sw_node_status *status, void *user_data)
{
    const struct discover_options *own = user_data;
    return status->reached && (!own->serving || status->serving) && (!own->writable || status->writable);
}

/* As YAML has it: plain where that is what it looks like, else in quotes. */
static void print_scalar(const char *text)
{
    bool plain = isalpha((unsigned char)*text) || isdigit((unsigned char)*text);
    for (const char *at = text; plain && *at; at++)
        plain = isalnum((unsigned char)*at) || *at == '.' || *at == '-' || *at == '_' || *at == '/' ||
                (*at == ':' && at[1]);
    if (plain) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (const char *at = text; *at; at++) {
        if (*at == '"' || *at == '\\')
            putchar('\\');
        putchar(*at);
    }
    putchar('"');
}

static void print_list(const struct sw_node_list *list)
{
    puts("nodes:");
    for (size_t i = 0; i < sw_node_list_count(list); i++) {
        const struct sw_node *node = sw_node_list_at(list, i);
        fputs("- id: ", stdout);
        print_scalar(node->id);
        fputs("\n  address: ", stdout);
        print_scalar(node->address);
        putchar('\n');
    }
}

enum exit_status cmd_discover(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {.options = options, .parser = parse, .doc = doc, .children = common_options_child};
    struct discover_options own = {0};
    struct command_input input = {.common = common, .own = &own};
    struct sw_client_options client_options = SW_CLIENT_OPTIONS_INIT;
    struct sw_discover_options discover = SW_DISCOVER_OPTIONS_INIT;
    struct sw_node_list *found;
    struct session session;
    struct sw_error error;

    command_parse(&argp, argc, argv, &input);
    enum exit_status result = session_open(common, &client_options, true, &session);
    if (result != EXIT_DONE)
        return result;
    discover.timeout_ms = own.deadline_ms;
    discover.cancel = session.cancel;
    if (own.serving || own.writable) {
        discover.eligible = is_eligible;
        discover.eligible_data = &own;
    }
    enum sw_status status = sw_client_discover(session.client, &discover, &found, &error);
    if (status != SW_OK)
        print_error("%s", error.message);
    else if (common->json)
        json_print_node_list(found);
    else
        print_list(found);
    sw_node_list_free(found);
    session_close(&session);
    return exit_status_of(status);
}
