#include "server/admin.h"
#include "server/admin_commands.h"
#include "server/config_keys.h"
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sw_admin_command commands[] = {
    {.name = "stats",
     .args = "",
     .doc = "Say what a node holds, what its last scrub found, and what its store counts.",
     .run = sw_admin_stats},
    {.name = "scrub",
     .args = "",
     .doc = "Read every symbol and compare it with its key. One that fails is set aside: it goes to the folder "
            "\"damaged\" of the data, and can be stored again.",
     .has_rate = true,
     .run = sw_admin_scrub},
    {.name = "backup",
     .args = "TO",
     .args_min = 1,
     .args_max = 1,
     .doc = "Make a copy of the store as it is, in a new folder. On the same file system it costs little space: files "
            "are linked.",
     .run = sw_admin_backup},
    {.name = "restore",
     .args = "FROM",
     .args_min = 1,
     .args_max = 1,
     .doc = "Make an empty data folder out of a backup, for a node that is started on it then.",
     .needs_no_node = true,
     .run = sw_admin_restore},
    {.name = "export",
     .args = "TO",
     .args_min = 1,
     .args_max = 1,
     .doc = "Write each symbol to a file of its own, named by its key. What is in the folder already is not written "
            "again.",
     .run = sw_admin_export},
    {.name = "import",
     .args = "PATH...",
     .args_min = 1,
     .args_max = SIZE_MAX,
     .doc = "Store files that are named by their keys, also those in folders. A file whose bytes do not hash to its "
            "name is left out.",
     .creates = true,
     .run = sw_admin_import},
    {.name = "delete",
     .args = "KEY...",
     .args_min = 1,
     .args_max = SIZE_MAX,
     .doc = "Take symbols out of the store. Disk space comes back with \"compact\".",
     .run = sw_admin_delete},
    {.name = "compact",
     .args = "",
     .doc = "Give back the disk space of what was deleted, by writing anew what is left.",
     .run = sw_admin_compact},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct sw_admin_command *find(const char *word)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, word) == 0)
            return &commands[i];
    return NULL;
}

bool sw_admin_is_command(const char *word)
{
    return find(word) != NULL;
}

/* ---- the command line ---- */

enum {
    OPTION_DATA = 'd',
    OPTION_CONFIG = 'c',
    OPTION_JSON = 'j',
    OPTION_RATE = 256
};

struct parsing {
    const struct sw_admin_command *command;
    struct sw_admin_options options;
};

static error_t parse_option(int option, char *text, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct sw_admin_options *options = &parsing->options;
    const struct sw_admin_command *command = parsing->command;
    struct sw_error error = {0};
    switch (option) {
    case OPTION_DATA:
        options->data = text;
        return 0;
    case OPTION_CONFIG:
        options->config = text;
        return 0;
    case OPTION_JSON:
        options->json = true;
        return 0;
    case OPTION_RATE:
        if (sw_config_parse_number(sw_config_key("scrub-bytes-per-second"), text, &options->bytes_per_second, &error) !=
            SW_OK)
            argp_error(state, "--bytes-per-second: %s", error.message);
        return 0;
    case ARGP_KEY_ARGS:
        options->args = state->argv + state->next;
        options->arg_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        if (options->arg_count < command->args_min)
            argp_error(state, "%s is missing", command->args);
        if (options->arg_count > command->args_max)
            argp_error(state, "\"%s\" is one argument too many", options->args[command->args_max]);
        if (!options->data && !options->config)
            argp_error(state, "name the data folder with --data, or a configuration that does with --config");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void parse(struct parsing *parsing, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {.name = "bytes-per-second",
         .key = OPTION_RATE,
         .arg = "SIZE",
         .doc = "How fast it reads; otherwise as the node is configured, or, where none runs, as fast as it can"},
        {.name = "data", .key = OPTION_DATA, .arg = "DIR", .doc = "The node's folder"},
        {.name = "config", .key = OPTION_CONFIG, .arg = "FILE", .doc = "The node's configuration, which names it"},
        {.name = "json", .key = OPTION_JSON, .doc = "Print the result as JSON"},
        {0}};
    char doc[600], name[40];
    snprintf(doc, sizeof(doc),
             "%s\v%sExit status: 0 done, 1 symbols are not what they should be, 2 wrong usage, 3 it failed.",
             parsing->command->doc,
             parsing->command->needs_no_node
                 ? ""
                 : "A node that runs on the folder does it, and goes on to serve; where none runs, this does it "
                   "itself.\n\n");
    snprintf(name, sizeof(name), "symwaved %s", parsing->command->name);
    const struct argp parser = {.options = parsing->command->has_rate ? options : options + 1,
                                .parser = parse_option,
                                .args_doc = parsing->command->args,
                                .doc = doc};
    argp_program_version = "symwaved " SYMWAVE_VERSION;
    argp_err_exit_status = SW_ADMIN_USAGE;
    argv[0] = name;
    if (argp_parse(&parser, argc, argv, 0, NULL, parsing) != 0)
        exit(SW_ADMIN_FAILED);
}

/* ---- running ---- */

static int run(const struct parsing *parsing, const struct sw_config *config, struct sw_admin_report *report,
               struct sw_error *error)
{
    const struct sw_admin_command *command = parsing->command;
    struct sw_admin_options options = parsing->options;
    struct sw_admin_node *node = NULL;
    options.data = config->data;
    if (!command->needs_no_node && sw_admin_node_open(config, !command->creates, &node, error) != SW_OK)
        return SW_ADMIN_FAILED;
    const int status = command->run(node, &options, report, error);
    sw_admin_node_close(node);
    return status;
}

int sw_admin_main(int argc, char **argv)
{
    struct parsing parsing = {.command = find(argv[1])};
    struct sw_config config;
    struct sw_error error = {0};
    int status = SW_ADMIN_FAILED;
    parse(&parsing, argc - 1, argv + 1);
    signal(SIGPIPE, SIG_IGN);
    struct sw_admin_report *report = sw_admin_report_new();
    if (!report) {
        fprintf(stderr, "symwaved %s: no memory for a report\n", parsing.command->name);
        return SW_ADMIN_FAILED;
    }
    if (sw_config_local(&config, parsing.options.config, parsing.options.data, &error) == SW_OK) {
        status = run(&parsing, &config, report, &error);
        sw_config_clear(&config);
    }
    if (error.message[0] && status != SW_ADMIN_WHOLE) {
        fprintf(stderr, "symwaved %s: %s\n", parsing.command->name, error.message);
        if (parsing.options.json)
            sw_admin_report_text(report, "error", error.message);
    }
    if ((status == SW_ADMIN_WHOLE || status == SW_ADMIN_DAMAGED || parsing.options.json) &&
        !sw_admin_report_print(report, parsing.options.json)) {
        fprintf(stderr, "symwaved %s: cannot write the result\n", parsing.command->name);
        status = SW_ADMIN_FAILED;
    }
    sw_admin_report_free(report);
    return status;
}
