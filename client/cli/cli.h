/*
 * What the commands of `symwave` share: exit statuses, the options that every command takes, one-line errors, and the
 * client on a node list.
 *
 * The command uses the SDK's public headers only: it is their first user, and their example.
 */
#ifndef SW_CLI_H
#define SW_CLI_H

#include "symwave/symwave.h"
#include <argp.h>

enum exit_status {
    EXIT_DONE = 0,
    EXIT_SHORT = 1, /* the result fell short; the report says by how much and why */
    EXIT_USAGE = 2,
    EXIT_LOCAL = 3, /* this machine: disk, files, configuration */
};

/* Options that may stand before the command's name or after it. */
struct common_options {
    const char *command; /* NULL while none was named */
    const char *nodes_path;
    bool json;
    int verbose;
    /* how to talk to nodes: NULL where neither an option nor the environment says so */
    bool tls;
    const char *tls_ca, *tls_certificate, *tls_key, *tls_server_name, *token_file;
};

/* The parser of those; its input is a struct common_options. A command's own parser has it as its only child. */
extern const struct argp_child common_options_child[];

/* Parses a command's line. own is the command's parser, input what both parsers work on; does not return on error. */
struct command_input {
    struct common_options *common;
    void *own;
};
void command_parse(const struct argp *own, int argc, char **argv, struct command_input *input);

/* A command: argv[0] is "symwave NAME". Returns the exit status. */
struct command {
    const char *name;
    enum exit_status (*run)(int argc, char **argv, struct common_options *common);
};
enum exit_status cmd_store(int argc, char **argv, struct common_options *common);
enum exit_status cmd_fetch(int argc, char **argv, struct common_options *common);
enum exit_status cmd_put(int argc, char **argv, struct common_options *common);
enum exit_status cmd_get(int argc, char **argv, struct common_options *common);
enum exit_status cmd_encode(int argc, char **argv, struct common_options *common);
enum exit_status cmd_decode(int argc, char **argv, struct common_options *common);
enum exit_status cmd_route(int argc, char **argv, struct common_options *common);
enum exit_status cmd_nodes(int argc, char **argv, struct common_options *common);
enum exit_status cmd_discover(int argc, char **argv, struct common_options *common);
enum exit_status cmd_key(int argc, char **argv, struct common_options *common);

/* Prints "symwave: ..." as one line on standard error. Any thread. */
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, with a word on where help is, and exits with EXIT_USAGE. */
_Noreturn void usage_error(const struct common_options *common, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The values of --deadline, in milliseconds, and --budget; usage errors where they are none. */
uint32_t option_deadline(const struct common_options *common, const char *text);
uint64_t option_budget(const struct common_options *common, const char *text);

/* Whether two paths are one file that is there. */
bool are_one_file(const char *a, const char *b);

/* The keys of options that have no letter. */
#define KEY_TRACE   256
#define KEY_DRY_RUN 257

/* The exit status for a call that ended with a status. */
enum exit_status exit_status_of(enum sw_status status);

/* A client on the node list of the common options, and what ends its calls on SIGINT. */
struct session {
    struct sw_node_list *nodes;
    struct sw_cancel *cancel; /* NULL where it is not cancellable */
    struct sw_client *client;
};

/*
 * Opens it with client options, whose log is filled in here; prints what fails. After EXIT_DONE the caller closes it.
 * Where it is cancellable, a first SIGINT or SIGTERM from here to the end fires session->cancel, and a second one
 * kills; else the first one kills, as ever.
 */
enum exit_status session_open(const struct common_options *common, struct sw_client_options *options, bool cancellable,
                              struct session *session);
void session_close(struct session *session);

#endif
