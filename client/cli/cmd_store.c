/* `symwave store`: files into the network, each as one symbol. */
#include "client/cli/cli.h"
#include "client/cli/interrupt.h"
#include "client/cli/json_output.h"
#include "client/cli/progress.h"
#include "client/cli/records.h"
#include "client/cli/summary.h"
#include "common/format.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The SDK's default for the largest symbol. A node that takes less refuses, and says so. */
#define VALUE_BYTES_MAX (1u << 20)
#define FILES_SHOWN     8

struct store_options {
    char **files;
    int file_count;
    char delimiter; /* of names from standard input */
    uint32_t deadline_ms;
    uint64_t budget_bytes;
};

static const char doc[] =
    "Stores each file as one symbol on its nearest nodes, and prints \"KEY<TAB>FILE\" on standard output, in the order "
    "of the files, as soon as the symbol is on the disks of its nodes. Storing the same bytes again does no harm."
    "\vThe file - stands for names on standard input, one a line.\n"
    "\n"
    "Examples:\n"
    "  symwave --nodes nodes.yaml store parts/* > keys.tsv\n"
    "  split -b 60k -a 4 INPUT parts/\n"
    "  find parts -type f -print0 | symwave -n nodes.yaml store -0 - > keys.tsv";

static const struct argp_option options[] = {
    {"null", '0', NULL, 0, "Names on standard input end with NUL instead of a newline", 0},
    {"deadline", 'd', "SECONDS", 0, "Give up after this long; default never", 0},
    {"budget", 'b', "BYTES", 0, "Bytes read and not yet stored, as 8M, from 1M to 16G; default 32M", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct command_input *input = state->input;
    struct store_options *own = input->own;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = input->common;
        return 0;
    case '0':
        own->delimiter = '\0';
        return 0;
    case 'd':
        own->deadline_ms = option_deadline(input->common, arg);
        return 0;
    case 'b':
        own->budget_bytes = option_budget(input->common, arg);
        return 0;
    case ARGP_KEY_ARGS:
        own->files = state->argv + state->next;
        own->file_count = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        usage_error(input->common, "which files?");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- where the values come from ---- */

/* A file that was given to the SDK and whose fate is not known yet. */
struct pending {
    struct pending *next;
    char name[];
};

struct store_input {
    const struct store_options *options;
    const struct common_options *common;
    int next_file;
    struct records *names; /* open while names are read from standard input */
    bool failed_here;      /* the source gave up because of a file */
    pthread_mutex_t lock;
    struct pending *oldest; /* under lock, as the next two */
    struct pending **newest;
    uint64_t unsafe;                           /* files that are on no node */
    struct pending *unsafe_first[FILES_SHOWN]; /* the first of them */
};

static enum sw_status file_error(struct sw_error *error, const char *path, const char *why)
{
    char name[200];
    return sw_error_set(error, SW_IO_ERROR, "cannot store %s: %s", printable(path, strlen(path), name, sizeof(name)),
                        why);
}

/* What makes a file no symbol, as far as its facts tell; NULL where nothing does. */
static const char *fault_of(const struct stat *facts)
{
    if (S_ISDIR(facts->st_mode))
        return "it is a folder; name its files";
    if (S_ISREG(facts->st_mode) && facts->st_size == 0)
        return "it is empty, and a symbol has at least one byte";
    if (S_ISREG(facts->st_mode) && facts->st_size > (off_t)VALUE_BYTES_MAX)
        return "it is larger than a symbol may be, 1 MiB; cut it into pieces, as split(1) does";
    return NULL;
}

/* Looks at all files of the command line, so that a mistake is told before anything is sent. */
static enum sw_status check_files(const struct store_options *own, struct sw_error *error)
{
    for (int i = 0; i < own->file_count; i++) {
        struct stat facts;
        if (strcmp(own->files[i], "-") == 0)
            continue;
        const char *fault = stat(own->files[i], &facts) != 0 ? strerror(errno) : fault_of(&facts);
        if (!fault && access(own->files[i], R_OK) != 0)
            fault = strerror(errno);
        if (fault)
            return file_error(error, own->files[i], fault);
    }
    return SW_OK;
}

static void release_value(const void *bytes, void *release_data)
{
    (void)release_data;
    free((void *)bytes);
}

/* Reads a whole file, of which one byte more than the limit is enough to know. */
static enum sw_status read_file(const char *path, struct sw_value *value, struct sw_error *error)
{
    struct stat facts;
    const char *fault = NULL;
    size_t count = 0, room = VALUE_BYTES_MAX + 1;
    char *bytes = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return file_error(error, path, strerror(errno));
    if (fstat(fd, &facts) != 0)
        fault = strerror(errno);
    else
        fault = fault_of(&facts);
    if (!fault && S_ISREG(facts.st_mode))
        room = (size_t)facts.st_size + 1;
    if (!fault && !(bytes = malloc(room)))
        fault = "no memory";
    while (!fault && count < room) {
        ssize_t part = read(fd, bytes + count, room - count);
        if (part < 0 && errno != EINTR)
            fault = strerror(errno);
        if (part == 0)
            break;
        count += part > 0 ? (size_t)part : 0;
    }
    close(fd);
    if (!fault && count == room)
        fault = S_ISREG(facts.st_mode) ? "it is growing" : "it is larger than a symbol may be, 1 MiB";
    if (!fault && count == 0)
        fault = "it is empty, and a symbol has at least one byte";
    if (fault) {
        free(bytes);
        return file_error(error, path, fault);
    }
    *value = (struct sw_value){.bytes = bytes, .bytes_count = count, .release = release_value};
    return SW_OK;
}

/* The next file's name, NULL at the end; valid until the next call. */
static enum sw_status next_name(struct store_input *input, const char **name, struct sw_error *error)
{
    const struct store_options *own = input->options;
    size_t bytes;
    char *record;

    *name = NULL;
    while (input->names || input->next_file < own->file_count) {
        if (input->names) {
            enum sw_status status = records_next(input->names, &record, &bytes, error);
            if (status != SW_OK)
                return status;
            if (record && bytes == 0)
                continue;
            *name = record;
            if (record)
                return SW_OK;
            free(input->names);
            input->names = NULL;
        } else if (strcmp(own->files[input->next_file], "-") == 0) {
            input->next_file++;
            input->names = malloc(sizeof(*input->names));
            if (!input->names)
                return sw_error_set(error, SW_NO_MEMORY, "no memory to read standard input");
            records_open(input->names, "-", own->delimiter, error);
            input->names->stop = interrupted;
        } else {
            *name = own->files[input->next_file++];
            return SW_OK;
        }
    }
    return SW_OK;
}

static enum sw_status source(struct sw_value *value, struct sw_error *error, void *user_data)
{
    struct store_input *input = user_data;
    const char *name;
    enum sw_status status = next_name(input, &name, error);

    if (status != SW_OK) {
        input->failed_here = status != SW_CANCELLED;
        return status;
    }
    value->bytes = NULL;
    if (!name)
        return SW_OK;
    size_t size = strlen(name) + 1;
    struct pending *pending = malloc(sizeof(*pending) + size);
    status = pending ? read_file(name, value, error) : file_error(error, name, "no memory");
    if (status != SW_OK) {
        free(pending);
        input->failed_here = true;
        return status;
    }
    memcpy(pending->name, name, size);
    pending->next = NULL;
    pthread_mutex_lock(&input->lock);
    *input->newest = pending;
    input->newest = &pending->next;
    pthread_mutex_unlock(&input->lock);
    return SW_OK;
}

/* ---- what became of them ---- */

static void print_stored(const struct sw_key *key, const char *name)
{
    char text[SW_KEY_BASE58_SIZE], clean[8192];

    sw_key_to_base58(key, text);
    /* A control character in a name would break the line; that of a newline two. */
    printf("%s\t%s\n", text, printable(name, strlen(name), clean, sizeof(clean)));
    fflush(stdout);
}

static void stored(uint64_t index, const struct sw_key *key, uint32_t replicas, uint32_t replicas_wanted,
                   void *user_data)
{
    struct store_input *input = user_data;

    (void)index;
    pthread_mutex_lock(&input->lock);
    struct pending *pending = input->oldest;
    input->oldest = pending->next;
    if (!input->oldest)
        input->newest = &input->oldest;
    bool keep = replicas == 0 && input->unsafe < FILES_SHOWN;
    if (keep)
        input->unsafe_first[input->unsafe] = pending;
    if (replicas == 0)
        input->unsafe++;
    pthread_mutex_unlock(&input->lock);

    if (input->common->json) {
        json_store_symbol(key, pending->name, replicas, replicas_wanted);
    } else if (replicas > 0) {
        progress_pause();
        print_stored(key, pending->name);
        progress_resume();
    }
    if (!keep)
        free(pending);
}

/* Names the files that are on no node; not where none is on any, which the final line says. */
static void name_unsafe(struct store_input *input, bool all)
{
    char clean[200];
    for (uint64_t i = 0; i < FILES_SHOWN && i < input->unsafe; i++) {
        const char *name = input->unsafe_first[i]->name;
        if (!all)
            print_error("%s is on no node", printable(name, strlen(name), clean, sizeof(clean)));
        free(input->unsafe_first[i]);
    }
    if (!all && input->unsafe > FILES_SHOWN)
        print_error("and %llu more files are on no node", (unsigned long long)(input->unsafe - FILES_SHOWN));
}

static enum exit_status store(struct store_input *input, const struct session *session)
{
    const struct store_options *own = input->options;
    struct sw_store_options store_options = SW_STORE_OPTIONS_INIT;
    struct sw_store_report *report = NULL;
    struct sw_error error = {.message = ""};
    uint64_t total = (uint64_t)own->file_count;

    for (int i = 0; i < own->file_count; i++)
        if (strcmp(own->files[i], "-") == 0)
            total = 0;
    store_options.deadline_ms = own->deadline_ms;
    store_options.cancel = session->cancel;
    store_options.progress = progress_show;
    store_options.stored = stored;
    store_options.stored_data = input;
    if (input->common->json)
        json_store_begin();
    progress_begin("stored", total);
    enum sw_status status = sw_store_stream(session->client, source, input, &store_options, &report, &error);
    progress_end();
    if (input->common->json)
        json_store_end(report ? sw_store_report_to_json(report) : NULL, status, status == SW_OK ? "" : error.message);
    else if (report)
        print_store_summary(stderr, report);
    name_unsafe(input, report && report->symbols_without_replica == report->symbols);
    bool may_help = status == SW_CANCELLED || status == SW_DEADLINE_EXCEEDED ||
                    (status == SW_SHORT && report && report->replicas_failed > 0);
    if (may_help)
        print_error("%s; run this again for the rest, what is stored stays", error.message);
    else if (status != SW_OK)
        print_error("%s", error.message);
    sw_store_report_free(report);
    return input->failed_here ? EXIT_LOCAL : exit_status_of(status);
}

enum exit_status cmd_store(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "FILE...", .doc = doc, .children = common_options_child};
    struct store_options own = {.delimiter = '\n'};
    struct command_input input = {.common = common, .own = &own};
    struct sw_client_options client_options = SW_CLIENT_OPTIONS_INIT;
    struct store_input files = {.options = &own, .common = common, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct session session;
    struct sw_error error;

    command_parse(&argp, argc, argv, &input);
    client_options.budget_bytes = own.budget_bytes;
    client_options.value_bytes_max = VALUE_BYTES_MAX;
    enum exit_status result = session_open(common, &client_options, true, &session);
    if (result != EXIT_DONE)
        return result;
    files.newest = &files.oldest;
    if (check_files(&own, &error) == SW_OK) {
        result = store(&files, &session);
    } else {
        print_error("%s", error.message);
        result = EXIT_LOCAL;
    }
    session_close(&session);
    free(files.names);
    for (struct pending *next; files.oldest; files.oldest = next) {
        next = files.oldest->next;
        free(files.oldest);
    }
    return result;
}
