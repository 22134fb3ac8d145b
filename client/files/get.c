/* sw_get_file: symbols from nodes, source symbols first, and not one more than it takes. */
#include "client/files/rebuild.h"
#include "client/io/report_merge.h"
#include "common/memory.h"

/* A get's calls, one after the other, are one to its trace. */
struct calls {
    struct sw_client *client;
    uint64_t started_us; /* the call at work, from the start of the get */
    uint64_t ids_before; /* the highest that a call before had */
    uint64_t ids;        /* the highest that any had */
};

struct getting {
    struct sw_rebuild *rebuild;
    struct calls *calls;
    const uint32_t *wanted; /* ESIs, by the index of their keys */
    enum sw_status status;  /* of the callback that cannot return one */
    struct sw_error error;
};

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct getting *getting = user_data;

    return sw_rebuild_take(getting->rebuild, getting->wanted[symbol->key_index], symbol->value, symbol->value_bytes,
                           error);
}

static uint32_t more(void *user_data)
{
    struct getting *getting = user_data;
    uint32_t missing = 0;

    getting->status = sw_rebuild_missing(getting->rebuild, &missing, &getting->error);
    return getting->status == SW_OK ? missing : 0;
}

/* The retrieval's progress, as a part of the whole file's. */
static void progress(const struct sw_progress *part, void *user_data)
{
    const struct getting *getting = user_data;
    const struct sw_rebuild *rebuild = getting->rebuild;
    struct sw_progress told = *part;

    told.symbols = rebuild->symbols_before + rebuild->row_count;
    told.symbols_total = rebuild->report.source_symbols;
    rebuild->job.options.progress(&told, rebuild->job.options.progress_data);
}

/* The same with a request's times and id. */
static void trace(const struct sw_trace_request *part, void *user_data)
{
    const struct getting *getting = user_data;
    const struct sw_file_options *own = &getting->rebuild->job.options;
    struct calls *calls = getting->calls;
    struct sw_trace_request told = *part;

    told.id += calls->ids_before;
    if (told.id > calls->ids)
        calls->ids = told.id;
    told.started_us += calls->started_us;
    told.ended_us += calls->started_us;
    if (told.first_answer_us > 0)
        told.first_answer_us += calls->started_us;
    own->trace(&told, own->trace_data);
}

static enum sw_status retrieve(struct getting *getting, const struct sw_key *keys, size_t count, uint32_t required,
                               struct sw_error *error)
{
    struct sw_rebuild *rebuild = getting->rebuild;
    const struct sw_file_options *own = &rebuild->job.options;
    const struct sw_sink sink = {.take = take, .user_data = getting};
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    struct sw_report *report = NULL;

    options.task_id = own->task_id;
    options.required = required;
    options.deadline_ms = sw_job_left_ms(&rebuild->job);
    options.progress_interval_ms = own->progress_interval_ms;
    options.local = own->local;
    options.cancel = own->cancel;
    options.progress = own->progress ? progress : NULL;
    options.progress_data = getting;
    options.in_order = true;
    options.more = more;
    options.more_data = getting;
    options.corrupt = own->corrupt;
    options.corrupt_data = own->corrupt_data;
    options.trace = own->trace ? trace : NULL;
    options.trace_data = getting;
    getting->calls->started_us = sw_clock_us() - rebuild->job.started_us;
    getting->calls->ids_before = getting->calls->ids;
    enum sw_status status = sw_retrieve_stream(getting->calls->client, keys, count, &options, &sink, &report, error);
    rebuild->report.retrieval = sw_report_merge((struct sw_report *)rebuild->report.retrieval, report);
    if (status == SW_OK && getting->status != SW_OK) {
        status = getting->status;
        if (error)
            *error = getting->error;
    }
    return status;
}

static enum sw_status fetch(struct sw_rebuild *rebuild, void *user_data, struct sw_error *error)
{
    const struct sw_key *all = sw_layout_block_at(rebuild->layout, rebuild->sbn).keys;
    struct getting getting = {.rebuild = rebuild, .calls = user_data};
    uint32_t required = 0;
    size_t count = 0;
    uint32_t *wanted = sw_rebuild_wanted(rebuild, &count);
    struct sw_key *keys = sw_malloc((count + 1) * sizeof(*keys));
    enum sw_status status =
        wanted && keys ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory for the keys of %s", rebuild->out_path);

    if (status == SW_OK)
        status = sw_rebuild_missing(rebuild, &required, error);
    for (size_t i = 0; i < count && status == SW_OK; i++)
        keys[i] = all[wanted[i]];
    getting.wanted = wanted;
    /* Every set of all symbols determines the block, unless the layout is none that was made by encoding. */
    if (status == SW_OK && required > count)
        status =
            sw_error_set(error, SW_SHORT, "block %u needs %u more symbols, and the layout has %zu that are not there",
                         rebuild->sbn, required, count);
    if (status == SW_OK)
        status = retrieve(&getting, keys, count, required, error);
    sw_free(wanted);
    sw_free(keys);
    return status;
}

enum sw_status sw_get_file(struct sw_client *client, const struct sw_layout *layout, const char *out_path,
                           const struct sw_file_options *options, struct sw_get_report **report, struct sw_error *error)
{
    if (report)
        *report = NULL;
    if (!client || !layout || !out_path || out_path[0] == '\0')
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a get needs a client, a layout and an output file");
    struct calls calls = {.client = client};
    return sw_rebuild_file(layout, out_path, options, fetch, &calls, report, error);
}
