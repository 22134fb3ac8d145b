/* `symwave fetch`: symbols into a folder, one file a symbol. What the folder has already is not asked for again. */
#include "client/cli/cli.h"
#include "client/cli/json_output.h"
#include "client/cli/key_list.h"
#include "client/cli/parse.h"
#include "client/cli/progress.h"
#include "client/cli/summary.h"
#include "client/cli/trace_file.h"
#include <stdio.h>
#include <stdlib.h>

struct fetch_options {
    struct key_list keys;
    const char *keys_path;
    const char *task_id;
    const char *folder;
    struct amount required;
    uint32_t deadline_ms;
    uint64_t budget_bytes;
    const char *trace_path;
};

static const char doc[] =
    "Fetches symbols into a folder, one file a symbol, named by its key. Every symbol is checked against its key. What "
    "the folder has already counts, so the same command again goes on where the last one ended. Stops as soon as the "
    "required number is there."
    "\vA key file has one key a line, in base58, hex or base64; what `store' prints will do. Blank lines and lines "
    "that "
    "begin with # are passed over.\n"
    "\n"
    "Examples:\n"
    "  symwave --nodes nodes.yaml fetch --task t1 --keys keys.tsv --out symbols\n"
    "  symwave -n nodes.yaml fetch -t t1 -k keys.tsv -o some --required 17%";

static const struct argp_option options[] = {
    {"keys", 'k', "FILE", 0, "The keys, one a line; - is standard input", 0},
    {"out", 'o', "DIR", 0, "The folder; it is made if its parent exists", 0},
    {"task", 't', "ID", 0, "The task that the symbols belong to; it decides which node is asked first; default none",
     0},
    {"required", 'r', "N|P%", 0, "Stop at so many symbols, or at this share of the keys; default all", 0},
    {"deadline", 'd', "SECONDS", 0, "Give up after this long; default never", 0},
    {"budget", 'b', "BYTES", 0, "Bytes asked for and not yet written, as 8M, from 1M to 16G; default 32M", 0},
    {"trace", KEY_TRACE, "FILE", 0, "Write down every request, for chrome://tracing or ui.perfetto.dev", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct command_input *input = state->input;
    struct fetch_options *own = input->own;
    struct sw_error error;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = input->common;
        return 0;
    case 'k':
        own->keys_path = arg;
        return 0;
    case 'o':
        own->folder = arg;
        return 0;
    case 't':
        own->task_id = arg;
        return 0;
    case 'r':
        if (!parse_amount(arg, &own->required))
            usage_error(input->common, "--required %s: it must be a count of at least 1, or above 0%% and up to 100%%",
                        arg);
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
    case ARGP_KEY_ARG:
        if (key_list_add(&own->keys, arg, &error) != SW_OK)
            usage_error(input->common, "%s", error.message);
        return 0;
    case ARGP_KEY_END:
        if (!own->keys_path && own->keys.count == 0)
            usage_error(input->common, "which symbols? Give their keys with --keys FILE");
        if (!own->folder)
            usage_error(input->common, "where to? Give a folder with --out DIR");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Reads the key file, if there is one. */
static enum exit_status read_keys(struct fetch_options *own)
{
    struct sw_error error;
    enum sw_status status = own->keys_path ? key_list_read(&own->keys, own->keys_path, &error) : SW_OK;

    if (status == SW_OK && own->keys.count == 0)
        status = sw_error_set(&error, SW_INVALID_ARGUMENT, "%s has no keys", own->keys_path);
    if (status == SW_OK)
        return EXIT_DONE;
    print_error("%s", error.message);
    return status == SW_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_LOCAL;
}

/* Refuses to write the trace over what is read. */
static void check_trace(const struct fetch_options *own, const struct common_options *common)
{
    const char *path = own->trace_path;

    if (path && common->nodes_path && are_one_file(path, common->nodes_path))
        usage_error(common, "%s is the node list: give the trace another name", path);
    if (path && own->keys_path && are_one_file(path, own->keys_path))
        usage_error(common, "%s is the list of keys: give the trace another name", path);
}

static enum exit_status fetch(const struct fetch_options *own, const struct common_options *common,
                              const struct session *session, struct sw_dir_sink *folder, struct trace_file *trace)
{
    struct sw_sink sink = sw_dir_sink_as_sink(folder);
    struct sw_local_store local = sw_dir_sink_as_local_store(folder);
    struct sw_retrieve_options retrieve = SW_RETRIEVE_OPTIONS_INIT;
    struct sw_report *report = NULL;
    struct sw_error error = {.message = ""};

    retrieve.task_id = own->task_id;
    retrieve.deadline_ms = own->deadline_ms;
    retrieve.local = &local;
    retrieve.cancel = session->cancel;
    retrieve.progress = progress_show;
    retrieve.trace = trace ? trace_file_add : NULL;
    retrieve.trace_data = trace;
    if (own->required.count > 0 || own->required.percent_times_e4 > 0)
        retrieve.required = amount_of(&own->required, key_list_distinct(&own->keys));
    progress_begin("fetched", 0);
    enum sw_status status =
        sw_retrieve_stream(session->client, own->keys.keys, own->keys.count, &retrieve, &sink, &report, &error);
    progress_end();
    if (common->json)
        json_print_report(report ? sw_report_to_json(report) : NULL, status, status == SW_OK ? "" : error.message);
    else if (report)
        print_fetch_summary(stdout, report, own->folder);
    fflush(stdout);
    if (status != SW_OK)
        print_fetch_failure(report, status, error.message, own->folder);
    sw_report_free(report);
    return exit_status_of(status);
}

enum exit_status cmd_fetch(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "[KEY...]", .doc = doc, .children = common_options_child};
    struct fetch_options own = {.task_id = ""};
    struct command_input input = {.common = common, .own = &own};
    struct sw_client_options client_options = SW_CLIENT_OPTIONS_INIT;
    struct sw_dir_sink *folder = NULL;
    struct trace_file *trace = NULL;
    struct session session;
    struct sw_error error;

    command_parse(&argp, argc, argv, &input);
    check_trace(&own, common);
    enum exit_status result = read_keys(&own);
    if (result != EXIT_DONE)
        goto out;
    client_options.budget_bytes = own.budget_bytes;
    result = session_open(common, &client_options, true, &session);
    if (result != EXIT_DONE)
        goto out;
    if (sw_dir_sink_open(own.folder, &folder, &error) != SW_OK ||
        (own.trace_path && trace_file_open(own.trace_path, &trace, &error) != SW_OK)) {
        print_error("%s", error.message);
        result = EXIT_LOCAL;
    } else {
        result = fetch(&own, common, &session, folder, trace);
        result = trace_end(trace, result);
    }
    sw_dir_sink_close(folder);
    session_close(&session);
out:
    key_list_clear(&own.keys);
    return result;
}
