/*
 * Events are written as they come, one a line, so that memory grows with nodes and lanes only. Requests come in the
 * order of their ends: a lane has room for one when the last on it ended before this one began.
 */
#include "client/cli/trace_file.h"
#include "client/cli/cli.h"
#include "client/cli/json_output.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct node {
    char *id;
    char *address;
    uint64_t *lane_ends; /* when the last request on each ended */
    size_t lane_count;
};

struct trace_file {
    char *path;
    char *path_now; /* until it is closed */
    FILE *out;
    struct node *nodes;
    size_t node_count;
    bool is_first; /* no event is written yet */
    bool no_memory;
    int write_errno; /* of the first write that failed */
};

static void file_free(struct trace_file *file)
{
    for (size_t i = 0; i < file->node_count; i++) {
        free(file->nodes[i].id);
        free(file->nodes[i].address);
        free(file->nodes[i].lane_ends);
    }
    free(file->nodes);
    free(file->path);
    free(file->path_now);
    free(file);
}

static void put(struct trace_file *file, const char *text)
{
    if (file->write_errno == 0 && fputs(text, file->out) == EOF)
        file->write_errno = errno ? errno : EIO;
}

/* Takes the event, which may be NULL. */
static void put_event(struct trace_file *file, json_t *event)
{
    char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;

    json_decref(event);
    if (!text) {
        file->no_memory = true;
        return;
    }
    put(file, file->is_first ? "\n" : ",\n");
    put(file, text);
    file->is_first = false;
    free(text);
}

enum sw_status trace_file_open(const char *path, struct trace_file **out, struct sw_error *error)
{
    struct stat facts;

    *out = NULL;
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode))
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s is no regular file: name a file for the trace", path);
    struct trace_file *file = calloc(1, sizeof(*file));
    if (file) {
        file->is_first = true;
        file->path = strdup(path);
        if (asprintf(&file->path_now, "%s.XXXXXX", path) < 0)
            file->path_now = NULL;
    }
    if (!file || !file->path || !file->path_now) {
        if (file)
            file_free(file);
        return sw_error_set(error, SW_NO_MEMORY, "no memory for the trace %s", path);
    }
    int fd = mkstemp(file->path_now);
    file->out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file->out) {
        sw_error_set(error, SW_IO_ERROR, "cannot write the trace %s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(file->path_now);
        }
        file_free(file);
        return SW_IO_ERROR;
    }
    /* mkstemp's files are their owner's alone; this is to be like any other. */
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    put(file, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    *out = file;
    return SW_OK;
}

/* The node of a request, new ones with their names in the file; NULL without memory. */
static struct node *node_of(struct trace_file *file, const struct sw_trace_request *request)
{
    for (size_t i = 0; i < file->node_count; i++)
        if (strcmp(file->nodes[i].id, request->node_id) == 0 && strcmp(file->nodes[i].address, request->address) == 0)
            return &file->nodes[i];
    struct node *nodes = realloc(file->nodes, (file->node_count + 1) * sizeof(*nodes));
    if (!nodes)
        return NULL;
    file->nodes = nodes;
    struct node *node = &nodes[file->node_count];
    *node = (struct node){.id = strdup(request->node_id), .address = strdup(request->address)};
    if (!node->id || !node->address) {
        free(node->id);
        free(node->address);
        return NULL;
    }
    int pid = (int)++file->node_count;
    put_event(file, json_pack("{s:s,s:s,s:i,s:{s:o}}", "ph", "M", "name", "process_name", "pid", pid, "args", "name",
                              json_of_text(node->id)));
    put_event(file, json_pack("{s:s,s:s,s:i,s:{s:o}}", "ph", "M", "name", "process_labels", "pid", pid, "args",
                              "labels", json_of_text(node->address)));
    return node;
}

/* The lane that is free for the shortest time before the request, or a new one; from 1 on, 0 without memory. */
static size_t lane_of(struct node *node, const struct sw_trace_request *request)
{
    size_t best = 0;

    for (size_t i = 0; i < node->lane_count; i++)
        if (node->lane_ends[i] <= request->started_us && (best == 0 || node->lane_ends[i] > node->lane_ends[best - 1]))
            best = i + 1;
    if (best == 0) {
        uint64_t *ends = realloc(node->lane_ends, (node->lane_count + 1) * sizeof(*ends));
        if (!ends)
            return 0;
        node->lane_ends = ends;
        best = ++node->lane_count;
    }
    node->lane_ends[best - 1] = request->ended_us;
    return best;
}

void trace_file_add(const struct sw_trace_request *request, void *user_data)
{
    struct trace_file *file = user_data;
    struct node *node = node_of(file, request);
    size_t lane = node ? lane_of(node, request) : 0;
    char name[64];

    if (lane == 0) {
        file->no_memory = true;
        return;
    }
    snprintf(name, sizeof(name), "%u of %u keys%s", request->found, request->keys, request->hedge ? ", hedge" : "");
    json_t *args = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:s}", "id", (json_int_t)request->id, "keys",
                             (json_int_t)request->keys, "found", (json_int_t)request->found, "missing",
                             (json_int_t)request->missing, "corrupt", (json_int_t)request->corrupt, "bytes",
                             (json_int_t)request->bytes, "wave", (json_int_t)request->wave, "hedge", request->hedge,
                             "end", sw_trace_end_name(request->end));
    if (args && request->first_answer_us > 0)
        json_object_set_new(args, "first_answer_us", json_integer((json_int_t)request->first_answer_us));
    if (args && request->error)
        json_object_set_new(args, "error", json_of_text(request->error));
    put_event(file, json_pack("{s:s,s:s,s:s,s:i,s:i,s:I,s:I,s:o}", "ph", "X", "name", name, "cat",
                              sw_trace_end_name(request->end), "pid", (int)(node - file->nodes) + 1, "tid", (int)lane,
                              "ts", (json_int_t)request->started_us, "dur",
                              (json_int_t)(request->ended_us - request->started_us), "args", args));
}

enum sw_status trace_file_close(struct trace_file *file, struct sw_error *error)
{
    enum sw_status status = SW_OK;

    if (!file)
        return SW_OK;
    put(file, "\n]}\n");
    if (fclose(file->out) != 0 && file->write_errno == 0)
        file->write_errno = errno;
    if (file->no_memory)
        status = sw_error_set(error, SW_NO_MEMORY, "no memory for the trace %s", file->path);
    else if (file->write_errno == 0 && rename(file->path_now, file->path) != 0)
        file->write_errno = errno;
    if (status == SW_OK && file->write_errno != 0)
        status = sw_error_set(error, file->write_errno == ENOSPC ? SW_NO_SPACE : SW_IO_ERROR,
                              "cannot write the trace %s: %s", file->path, strerror(file->write_errno));
    if (status != SW_OK)
        unlink(file->path_now);
    file_free(file);
    return status;
}

enum exit_status trace_end(struct trace_file *file, enum exit_status result)
{
    struct sw_error error;

    if (trace_file_close(file, &error) == SW_OK)
        return result;
    print_error("%s", error.message);
    return result == EXIT_DONE ? EXIT_LOCAL : result;
}
