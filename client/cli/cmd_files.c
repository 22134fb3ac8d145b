/* `symwave put`, `get`, `encode` and `decode`: files as symbols, on nodes or in a folder. */
#include "client/cli/cli.h"
#include "client/cli/dry_run.h"
#include "client/cli/interrupt.h"
#include "client/cli/json_output.h"
#include "client/cli/progress.h"
#include "client/cli/summary.h"
#include "client/cli/trace_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which of the options below a command takes. */
enum takes {
    TAKES_LAYOUT = 1,
    TAKES_OUT = 2,
    TAKES_SYMBOLS = 4,
    TAKES_NODES = 8,
};

struct file_options {
    unsigned takes;
    const char *input; /* the file, or the layout */
    const char *layout_path;
    const char *out_path;
    const char *symbols_path;
    const char *task_id;
    uint32_t deadline_ms;
    uint64_t budget_bytes;
    const char *trace_path;
    bool dry_run;
};

static const char put_doc[] =
    "Cuts a file into RaptorQ symbols, stores each on its nearest nodes, and writes the layout, by which `symwave get' "
    "finds the file again. A node is asked what it holds before it is sent anything: the same command again completes "
    "what is missing and sends nothing twice."
    "\vThe layout appears only when the file is safe: no symbol is without a node, and three quarters of the replicas "
    "are placed. While it works, it keeps a nameless file beside the layout, as large as the file, but at most 3.7 "
    "GB.\n"
    "\n"
    "Example:\n"
    "  symwave --nodes nodes.yaml put --task t1 film.mkv --layout film.json";

static const char get_doc[] =
    "Gets a file back by its layout: fetches symbols from the nodes until they determine the file and no longer, "
    "rebuilds it, and checks its hash. The file appears whole or not at all."
    "\vWhat comes is kept in FILE.part, with a journal in FILE.part.journal: the same command again goes on from "
    "there. "
    "Where FILE is there and right, nobody is asked.\n"
    "\n"
    "Example:\n"
    "  symwave --nodes nodes.yaml get --task t1 film.json --out film.mkv";

static const char encode_doc[] =
    "Cuts a file into RaptorQ symbols and writes its layout, as `symwave put' does, but asks no nodes: symbols go into "
    "a "
    "folder, one file a symbol, named by its key, about six times the file in all; without a folder, nowhere."
    "\vExample:\n"
    "  symwave encode film.mkv --layout film.json --symbols parts";

static const char decode_doc[] =
    "Rebuilds a file from its layout and a folder of symbols, one file a symbol, named by its key, as `symwave encode' "
    "and `symwave fetch' write them. As many different symbols as the file has source symbols are enough, nearly "
    "always; which ones does not matter."
    "\vExample:\n"
    "  symwave decode film.json --symbols parts --out film.mkv";

#define OPTION_LAYOUT                                                                                                  \
    {                                                                                                                  \
        "layout", 'l', "FILE", 0, "Where the layout goes", 0                                                           \
    }
#define OPTION_OUT                                                                                                     \
    {                                                                                                                  \
        "out", 'o', "FILE", 0, "Where the file goes", 0                                                                \
    }
#define OPTION_DEADLINE                                                                                                \
    {                                                                                                                  \
        "deadline", 'd', "SECONDS", 0, "Give up after this long; default never", 0                                     \
    }

static const struct argp_option put_options[] = {
    OPTION_LAYOUT,
    {"task", 't', "ID", 0, "The task that the file belongs to; storing does not depend on it", 0},
    OPTION_DEADLINE,
    {"budget", 'b', "BYTES", 0, "Bytes of symbols made and not yet stored, as 8M, from 1M to 16G; default 32M", 0},
    {"dry-run", KEY_DRY_RUN, NULL, 0,
     "Say which nodes would get how many symbols; ask nobody, and write nothing that stays: $TMPDIR has what put has "
     "beside its layout",
     0},
    {0},
};

static const struct argp_option get_options[] = {
    OPTION_OUT,
    {"task", 't', "ID", 0, "The task that the file belongs to; it decides which node is asked first; default none", 0},
    OPTION_DEADLINE,
    {"budget", 'b', "BYTES", 0, "Bytes asked for and not yet written, as 8M, from 1M to 16G; default 32M", 0},
    {"trace", KEY_TRACE, "FILE", 0, "Write down every request, for chrome://tracing or ui.perfetto.dev", 0},
    {"dry-run", KEY_DRY_RUN, NULL, 0, "Say which nodes would be asked for how many symbols; ask and write nothing", 0},
    {0},
};

static const struct argp_option encode_options[] = {
    OPTION_LAYOUT,
    {"symbols", 's', "DIR", 0, "Where the symbols go; the folder is made if its parent exists", 0},
    OPTION_DEADLINE,
    {0},
};

static const struct argp_option decode_options[] = {
    OPTION_OUT,
    {"symbols", 's', "DIR", 0, "Where the symbols are", 0},
    OPTION_DEADLINE,
    {0},
};

static void check_complete(const struct command_input *input)
{
    const struct file_options *own = input->own;
    const bool reads_layout = own->takes & TAKES_OUT;

    if (!own->input)
        usage_error(input->common, reads_layout ? "which file? Give its layout" : "which file?");
    if (own->dry_run)
        return; /* nothing is written */
    if (own->takes & TAKES_LAYOUT && !own->layout_path)
        usage_error(input->common, "where does the layout go? Give a file with --layout FILE");
    if (own->takes & TAKES_OUT && !own->out_path)
        usage_error(input->common, "where does the file go? Give a name with --out FILE");
    if (own->takes & TAKES_OUT && own->takes & TAKES_SYMBOLS && !own->symbols_path)
        usage_error(input->common, "where are the symbols? Give a folder with --symbols DIR");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct command_input *input = state->input;
    struct file_options *own = input->own;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = input->common;
        return 0;
    case 'l':
        own->layout_path = arg;
        return 0;
    case 'o':
        own->out_path = arg;
        return 0;
    case 's':
        own->symbols_path = arg;
        return 0;
    case 't':
        own->task_id = arg;
        return 0;
    case 'd':
        own->deadline_ms = option_deadline(input->common, arg);
        return 0;
    case 'b':
        own->budget_bytes = option_budget(input->common, arg);
        return 0;
    case KEY_TRACE:
        own->trace_path = arg;
        return 0;
    case KEY_DRY_RUN:
        own->dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        if (own->input)
            usage_error(input->common, "one file at a time: what is \"%s\"?", arg);
        own->input = arg;
        return 0;
    case ARGP_KEY_END:
        check_complete(input);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* One command at work. */
struct run {
    struct file_options own;
    const struct common_options *common;
    struct session session; /* without a client where it takes no nodes */
    struct sw_file_options options;
    struct trace_file *trace; /* NULL: none is wanted */
};

/* Refuses to write the trace over what is read or made. */
static void check_trace(const struct file_options *own, const struct common_options *common)
{
    const char *path = own->trace_path;

    if (!path)
        return;
    if (common->nodes_path && are_one_file(path, common->nodes_path))
        usage_error(common, "%s is the node list: give the trace another name", path);
    if (are_one_file(path, own->input))
        usage_error(common, "%s is the layout: give the trace another name", path);
    if (own->dry_run)
        usage_error(common, "a dry run asks nobody: there is nothing to trace");
    if (strcmp(path, own->out_path) == 0 || are_one_file(path, own->out_path))
        usage_error(common, "%s is where the file goes: give the trace another name", path);
}

static enum exit_status begin(struct run *run, const struct argp *argp, int argc, char **argv,
                              struct common_options *common)
{
    struct command_input input = {.common = common, .own = &run->own};
    struct sw_client_options client_options = SW_CLIENT_OPTIONS_INIT;
    enum exit_status result = EXIT_DONE;

    command_parse(argp, argc, argv, &input);
    const char *output = run->own.takes & TAKES_OUT ? run->own.out_path : run->own.layout_path;
    if (run->own.takes & TAKES_NODES && output && common->nodes_path && are_one_file(common->nodes_path, output))
        usage_error(common, "%s is the node list: give the output another name", output);
    check_trace(&run->own, common);
    run->common = common;
    client_options.budget_bytes = run->own.budget_bytes;
    if (run->own.takes & TAKES_NODES) {
        result = session_open(common, &client_options, true, &run->session);
    } else if (!(run->session.cancel = sw_cancel_new())) {
        print_error("no memory to begin");
        result = EXIT_LOCAL;
    } else {
        interrupt_start(run->session.cancel);
    }
    run->options = (struct sw_file_options)SW_FILE_OPTIONS_INIT;
    run->options.task_id = run->own.task_id;
    run->options.deadline_ms = run->own.deadline_ms;
    run->options.cancel = run->session.cancel;
    run->options.progress = progress_show;
    return result;
}

/* Files are this machine's: what is wrong with one is no mistake of the command line. */
static enum exit_status exit_status_of_file(enum sw_status status)
{
    return status == SW_INVALID_ARGUMENT || status == SW_NOT_FOUND ? EXIT_LOCAL : exit_status_of(status);
}

static enum exit_status tell_put(struct run *run, enum sw_status status, struct sw_put_report *report,
                                 const struct sw_error *error)
{
    progress_end();
    if (run->common->json)
        json_print_report(report ? sw_put_report_to_json(report) : NULL, status, status == SW_OK ? "" : error->message);
    else if (report && (status == SW_OK || report->symbols_made > 0))
        print_put_summary(stdout, report, run->own.input, run->own.layout_path);
    fflush(stdout);
    if (status != SW_OK)
        print_put_failure(report, status, error->message);
    sw_put_report_free(report);
    session_close(&run->session);
    return exit_status_of_file(status);
}

static enum exit_status tell_get(struct run *run, enum sw_status status, struct sw_get_report *report,
                                 const struct sw_error *error)
{
    progress_end();
    if (run->common->json)
        json_print_report(report ? sw_get_report_to_json(report) : NULL, status, status == SW_OK ? "" : error->message);
    else if (report && (status == SW_OK || report->retrieval || report->taken + report->kept > 0))
        print_get_summary(stdout, report, run->own.out_path);
    fflush(stdout);
    if (status != SW_OK)
        print_get_failure(report, status, error->message, run->own.out_path);
    sw_get_report_free(report);
    session_close(&run->session);
    return trace_end(run->trace, exit_status_of_file(status));
}

/* The end of a dry run; nodes of it are freed. */
static enum exit_status tell_dry_run(struct run *run, enum sw_status status, struct dry_run *found,
                                     const struct sw_error *error)
{
    progress_end();
    if (status == SW_OK)
        dry_run_print(found, run->own.takes & TAKES_LAYOUT, run->own.input, run->common->json);
    else if (run->common->json)
        json_print_report(NULL, status, error->message);
    fflush(stdout);
    if (status != SW_OK)
        print_error("%s", error->message);
    free(found->nodes);
    session_close(&run->session);
    return exit_status_of_file(status);
}

/* A file into symbols, on nodes or in a folder. */
static enum exit_status cut(const struct argp *argp, unsigned takes, int argc, char **argv,
                            struct common_options *common)
{
    struct run run = {.own = {.takes = takes}};
    const struct file_options *own = &run.own;
    struct sw_put_report *report = NULL;
    struct sw_error error = {.message = ""};
    enum sw_status status;

    enum exit_status result = begin(&run, argp, argc, argv, common);
    if (result != EXIT_DONE)
        return result;
    progress_begin(takes & TAKES_NODES ? "stored" : "encoded", 0);
    if (own->dry_run) {
        struct dry_run found = {0};
        status = dry_run_put(&run.session, own->input, &run.options, &found, &error);
        return tell_dry_run(&run, status, &found, &error);
    }
    if (takes & TAKES_NODES)
        status = sw_put_file(run.session.client, own->input, own->layout_path, &run.options, &report, &error);
    else
        status = sw_encode_file(own->input, own->layout_path, own->symbols_path, &run.options, &report, &error);
    return tell_put(&run, status, report, &error);
}

enum exit_status cmd_put(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {
        .options = put_options, .parser = parse, .args_doc = "FILE", .doc = put_doc, .children = common_options_child};

    return cut(&argp, TAKES_LAYOUT | TAKES_NODES, argc, argv, common);
}

enum exit_status cmd_encode(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {.options = encode_options,
                                     .parser = parse,
                                     .args_doc = "FILE",
                                     .doc = encode_doc,
                                     .children = common_options_child};

    return cut(&argp, TAKES_LAYOUT | TAKES_SYMBOLS, argc, argv, common);
}

/* The layout that a get or a decode is about; NULL, with the error told, where there is none. */
static struct sw_layout *load_layout(struct run *run, enum exit_status *result)
{
    struct sw_layout *layout;
    struct sw_error error;

    enum sw_status status = sw_layout_load(run->own.input, &layout, &error);
    if (status == SW_OK && run->own.out_path && are_one_file(run->own.input, run->own.out_path)) {
        sw_layout_free(layout);
        status = sw_error_set(&error, SW_INVALID_ARGUMENT,
                              "the file would replace its layout %s; give the file another name", run->own.input);
    }
    if (status == SW_OK)
        return layout;
    if (run->common->json)
        json_print_report(NULL, status, error.message);
    print_error("%s", error.message);
    session_close(&run->session);
    *result = exit_status_of_file(status);
    return NULL;
}

/* A file from its layout and symbols, from nodes or from a folder. */
static enum exit_status rebuild(const struct argp *argp, unsigned takes, int argc, char **argv,
                                struct common_options *common)
{
    struct run run = {.own = {.takes = takes}};
    const struct file_options *own = &run.own;
    struct sw_get_report *report = NULL;
    struct sw_error error = {.message = ""};
    struct sw_layout *layout = NULL;
    enum sw_status status;

    enum exit_status result = begin(&run, argp, argc, argv, common);
    if (result != EXIT_DONE || !(layout = load_layout(&run, &result)))
        return result;
    if (own->dry_run) {
        struct dry_run found = {0};
        status = dry_run_get(&run.session, layout, own->task_id, &found, &error);
        sw_layout_free(layout);
        return tell_dry_run(&run, status, &found, &error);
    }
    if (own->trace_path && trace_file_open(own->trace_path, &run.trace, &error) != SW_OK) {
        print_error("%s", error.message);
        sw_layout_free(layout);
        session_close(&run.session);
        return EXIT_LOCAL;
    }
    run.options.trace = run.trace ? trace_file_add : NULL;
    run.options.trace_data = run.trace;
    progress_begin(takes & TAKES_NODES ? "fetched" : "read", 0);
    if (takes & TAKES_NODES)
        status = sw_get_file(run.session.client, layout, own->out_path, &run.options, &report, &error);
    else
        status = sw_decode_file(layout, own->symbols_path, own->out_path, &run.options, &report, &error);
    sw_layout_free(layout);
    return tell_get(&run, status, report, &error);
}

enum exit_status cmd_get(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {.options = get_options,
                                     .parser = parse,
                                     .args_doc = "LAYOUT",
                                     .doc = get_doc,
                                     .children = common_options_child};

    return rebuild(&argp, TAKES_OUT | TAKES_NODES, argc, argv, common);
}

enum exit_status cmd_decode(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {.options = decode_options,
                                     .parser = parse,
                                     .args_doc = "LAYOUT",
                                     .doc = decode_doc,
                                     .children = common_options_child};

    return rebuild(&argp, TAKES_OUT | TAKES_SYMBOLS, argc, argv, common);
}
