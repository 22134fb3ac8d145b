/* What cli.h promises: common options, errors, and opening a client on a node list. */
#include "client/cli/cli.h"
#include "client/cli/interrupt.h"
#include "client/cli/parse.h"
#include "client/cli/progress.h"
#include "common/format.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The SDK's bounds, told here with the option's name. */
#define BUDGET_BYTES_MIN ((uint64_t)1 << 20)
#define BUDGET_BYTES_MAX ((uint64_t)16 << 30)
#define LINE_BYTES_MAX   4096

/* Options without a letter. */
enum {
    KEY_TLS = 0x200,
    KEY_TLS_CA,
    KEY_TLS_CERTIFICATE,
    KEY_TLS_KEY,
    KEY_TLS_SERVER_NAME,
    KEY_TOKEN_FILE,
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    struct common_options *common = state->input;

    switch (key) {
    case 'n':
        common->nodes_path = arg;
        return 0;
    case 'j':
        common->json = true;
        return 0;
    case 'v':
        common->verbose++;
        return 0;
    case KEY_TLS:
        common->tls = true;
        return 0;
    case KEY_TLS_CA:
        common->tls_ca = arg;
        return 0;
    case KEY_TLS_CERTIFICATE:
        common->tls_certificate = arg;
        return 0;
    case KEY_TLS_KEY:
        common->tls_key = arg;
        return 0;
    case KEY_TLS_SERVER_NAME:
        common->tls_server_name = arg;
        return 0;
    case KEY_TOKEN_FILE:
        common->token_file = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option common_option_list[] = {
    {"nodes", 'n', "FILE", 0, "The node list, YAML", 0},
    {"json", 'j', NULL, 0, "Print the result as JSON, for machines", 0},
    {"verbose", 'v', NULL, 0, "Show log lines; twice for more of them", 0},
    {"tls", KEY_TLS, NULL, 0, "Talk TLS to nodes; the system's CAs vouch for them", 0},
    {"tls-ca", KEY_TLS_CA, "FILE", 0, "Talk TLS; these CAs vouch for nodes, PEM ($SYMWAVE_TLS_CA)", 0},
    {"tls-certificate", KEY_TLS_CERTIFICATE, "FILE", 0, "Your own certificate, PEM ($SYMWAVE_TLS_CERTIFICATE)", 0},
    {"tls-key", KEY_TLS_KEY, "FILE", 0, "Its key, PEM ($SYMWAVE_TLS_KEY)", 0},
    {"tls-server-name", KEY_TLS_SERVER_NAME, "NAME", 0,
     "Whom nodes' certificates must name, in place of the hosts of their addresses", 0},
    {"token-file", KEY_TOKEN_FILE, "FILE", 0, "File with your token ($SYMWAVE_TOKEN_FILE)", 0},
    {0},
};
static const struct argp common_argp = {.options = common_option_list, .parser = parse_common};
const struct argp_child common_options_child[] = {
    {&common_argp, 0, "Options of every command, before or after its name:", 1},
    {0},
};

void command_parse(const struct argp *own, int argc, char **argv, struct command_input *input)
{
    /* argp prints what is wrong itself and exits, unless a parser fails for a reason of the system. */
    error_t code = argp_parse(own, argc, argv, 0, NULL, input);
    if (code != 0)
        usage_error(input->common, "%s", strerror(code));
}

static SW_PRINTF(1, 0) void print_line(const char *format, va_list args, const char *after)
{
    char text[LINE_BYTES_MAX], clean[LINE_BYTES_MAX];

    /* Names of files and words of nodes are anybody's. */
    vsnprintf(text, sizeof(text), format, args);
    progress_pause();
    fprintf(stderr, "symwave: %s%s\n", printable(text, strlen(text), clean, sizeof(clean)), after);
    progress_resume();
}

void print_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line(format, args, "");
    va_end(args);
}

void usage_error(const struct common_options *common, const char *format, ...)
{
    char after[64];
    va_list args;

    if (common->command)
        snprintf(after, sizeof(after), " (see symwave %s --help)", common->command);
    else
        snprintf(after, sizeof(after), " (see symwave --help)");
    va_start(args, format);
    print_line(format, args, after);
    va_end(args);
    exit(EXIT_USAGE);
}

uint32_t option_deadline(const struct common_options *common, const char *text)
{
    uint32_t milliseconds = 0;

    if (!parse_seconds(text, &milliseconds))
        usage_error(common, "--deadline %s: it must be a number of seconds, 0.001 to 4294967", text);
    return milliseconds;
}

uint64_t option_budget(const struct common_options *common, const char *text)
{
    uint64_t bytes = 0;

    if (!parse_bytes(text, &bytes) || bytes < BUDGET_BYTES_MIN || bytes > BUDGET_BYTES_MAX)
        usage_error(common, "--budget %s: it must be a number of bytes, as 33554432 or 32M, from 1M to 16G", text);
    return bytes;
}

bool are_one_file(const char *a, const char *b)
{
    struct stat facts_a, facts_b;

    return stat(a, &facts_a) == 0 && stat(b, &facts_b) == 0 && facts_a.st_dev == facts_b.st_dev &&
           facts_a.st_ino == facts_b.st_ino;
}

enum exit_status exit_status_of(enum sw_status status)
{
    switch (sw_status_class(status)) {
    case SW_CLASS_OK:
        return EXIT_DONE;
    case SW_CLASS_LOCAL:
    case SW_CLASS_FATAL:
        return EXIT_LOCAL;
    default:
        return status == SW_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_SHORT;
    }
}

static void print_log(enum sw_log_level level, const char *message, const char *fields, void *user_data)
{
    static const char *const names[] = {"", "error", "warning", "info", "debug"};

    (void)user_data;
    progress_pause();
    fprintf(stderr, "symwave: %s: %s%s%s\n", names[level], message, fields[0] ? " " : "", fields);
    progress_resume();
}

/* An option's value, or the environment's; NULL where neither says anything. */
static const char *said(const char *option, const char *variable)
{
    const char *value = option ? option : getenv(variable);
    return value && *value ? value : NULL;
}

static void set_security(const struct common_options *common, struct sw_client_options *options)
{
    options->tls = common->tls;
    options->tls_ca = said(common->tls_ca, "SYMWAVE_TLS_CA");
    options->tls_certificate = said(common->tls_certificate, "SYMWAVE_TLS_CERTIFICATE");
    options->tls_key = said(common->tls_key, "SYMWAVE_TLS_KEY");
    options->tls_server_name = common->tls_server_name;
    options->token_file = said(common->token_file, "SYMWAVE_TOKEN_FILE");
}

enum exit_status session_open(const struct common_options *common, struct sw_client_options *options, bool cancellable,
                              struct session *session)
{
    struct sw_error error;
    enum exit_status result = EXIT_LOCAL;

    *session = (struct session){.client = NULL};
    if (!common->nodes_path)
        usage_error(common, "which nodes? Give their list with --nodes FILE");
    if (sw_node_list_load(common->nodes_path, &session->nodes, &error) != SW_OK) {
        print_error("%s", error.message);
        goto out;
    }
    set_security(common, options);
    if (common->verbose > 0) {
        options->log = print_log;
        options->log_level = common->verbose > 1 ? SW_LOG_DEBUG : SW_LOG_INFO;
    }
    if (cancellable) {
        session->cancel = sw_cancel_new();
        if (!session->cancel) {
            print_error("no memory to begin");
            goto out;
        }
        /* Before the client has threads, so that they leave the signals alone. */
        interrupt_start(session->cancel);
    }
    enum sw_status status = sw_client_open(options, session->nodes, &session->client, &error);
    if (status != SW_OK)
        print_error("%s", error.message);
    result = exit_status_of(status);
out:
    if (result != EXIT_DONE)
        session_close(session);
    return result;
}

void session_close(struct session *session)
{
    sw_client_close(session->client);
    if (session->cancel)
        interrupt_stop();
    sw_cancel_free(session->cancel);
    sw_node_list_free(session->nodes);
}
