/* `symwave`: finds the command and the options before it, and hands over the rest of the line. */
#include "client/cli/cli.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command commands[] = {
    {"put", cmd_put},     {"get", cmd_get},           {"encode", cmd_encode}, {"decode", cmd_decode},
    {"store", cmd_store}, {"fetch", cmd_fetch},       {"route", cmd_route},   {"nodes", cmd_nodes},
    {"key", cmd_key},     {"discover", cmd_discover},
};

static const char doc[] = "Puts files on the nodes of a network, as symbols, and gets them back."
                          "\vCommands:\n"
                          "  put FILE       cut a file into symbols, store them on nodes, write its layout\n"
                          "  get LAYOUT     fetch enough symbols of a file and rebuild it\n"
                          "  encode FILE    cut a file into symbols in a folder, and write its layout\n"
                          "  decode LAYOUT  rebuild a file from symbols in a folder\n"
                          "  store FILE...  store each file as one symbol on its nearest nodes\n"
                          "  fetch          fetch symbols into a folder, one file a symbol\n"
                          "  route KEY...   print which nodes are asked for a key, nearest first\n"
                          "  nodes          print how every node is\n"
                          "  discover       print the node list of a network, from a few of its nodes\n"
                          "  key TEXT...    print a key in base58, hex and base64\n"
                          "\n"
                          "A node list is YAML:\n"
                          "  nodes:\n"
                          "  - id: node-1\n"
                          "    address: 10.0.0.1:4000\n"
                          "\n"
                          "Examples:\n"
                          "  symwave --nodes nodes.yaml put film.mkv --layout film.json\n"
                          "  symwave --nodes nodes.yaml get film.json --out film.mkv\n"
                          "  symwave --nodes nodes.yaml nodes\n"
                          "  symwave --nodes nodes.yaml store parts/* > keys.tsv\n"
                          "  symwave --nodes nodes.yaml fetch --task t1 --keys keys.tsv --out parts.again\n"
                          "\n"
                          "Each command has its own help: symwave fetch --help.\n"
                          "Exit status: 0 done; 1 the result fell short; 2 usage;\n"
                          "3 this machine (disk, files, configuration).";

/* Where the command's name was found. */
struct line {
    struct common_options common;
    const struct command *command;
    int at;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct line *line = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &line->common;
        return 0;
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
            if (strcmp(commands[i].name, arg) == 0)
                line->command = &commands[i];
        if (!line->command)
            usage_error(&line->common, "there is no command \"%s\"", arg);
        line->at = state->next - 1;
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse, .args_doc = "COMMAND ...", .doc = doc, .children = common_options_child};
    struct line line = {.command = NULL};
    static char program[] = "symwave";
    char name[32];

    sw_process_tune();
    argp_program_version = "symwave " SYMWAVE_VERSION;
    argp_err_exit_status = EXIT_USAGE;
    if (argc > 0)
        argv[0] = program; /* whatever the path, errors begin with the name */
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line);
    if (!line.command)
        usage_error(&line.common, "name a command: put, get, encode, decode, store, fetch, route, nodes or key");
    line.common.command = line.command->name;
    snprintf(name, sizeof(name), "symwave %s", line.command->name);
    argv[line.at] = name;
    enum exit_status status = line.command->run(argc - line.at, argv + line.at, &line.common);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        print_error(
            "cannot write to standard output; the command's own work is done, but what it printed is cut short");
        return EXIT_LOCAL;
    }
    return (int)status;
}
