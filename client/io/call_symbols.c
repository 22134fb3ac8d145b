/* Retrieves and stores as calls. */
#include "client/io/call.h"
#include "common/memory.h"
#include <string.h>

/* ---- retrieve ---- */

struct retrieve_call {
    struct sw_call call;
    struct sw_client *client;
    struct sw_key *keys;
    size_t key_count;
    char *task_id;
    struct sw_retrieve_options options, callers; /* what the retrieval is given, and what the caller gave */
    struct sw_sink sink, callers_sink;
    struct sw_call_hooks hooks;
};

struct taking {
    struct retrieve_call *self;
    const struct sw_symbol *symbol;
    struct sw_error *error;
    enum sw_status status;
};

static void run_take(void *data)
{
    struct taking *taking = data;
    const struct sw_sink *sink = &taking->self->callers_sink;
    taking->status = sink->take(taking->symbol, taking->error, sink->user_data);
}

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct taking taking = {.self = user_data, .symbol = symbol, .error = error};
    sw_call_run(&taking.self->call, run_take, &taking);
    return taking.status;
}

struct asking {
    struct retrieve_call *self;
    uint32_t answer;
};

static void run_more(void *data)
{
    struct asking *asking = data;
    asking->answer = asking->self->callers.more(asking->self->callers.more_data);
}

static uint32_t more(void *user_data)
{
    struct asking asking = {.self = user_data};
    sw_call_run(&asking.self->call, run_more, &asking);
    return asking.answer;
}

static enum sw_status retrieve(struct sw_call *call, struct sw_error *error)
{
    struct retrieve_call *self = (struct retrieve_call *)call;
    struct sw_report *report = NULL;
    enum sw_status status =
        sw_retrieve_stream(self->client, self->keys, self->key_count, &self->options, &self->sink, &report, error);
    call->report = report;
    return status;
}

static void release_retrieve(struct sw_call *call)
{
    struct retrieve_call *self = (struct retrieve_call *)call;
    sw_free(self->keys);
    sw_free(self->task_id);
}

enum sw_status sw_retrieve_start(struct sw_client *client, const struct sw_key *keys, size_t key_count,
                                 const struct sw_retrieve_options *options, const struct sw_sink *sink,
                                 const struct sw_call_options *call_options, struct sw_call **out,
                                 struct sw_error *error)
{
    *out = NULL;
    if (!client || (!keys && key_count > 0) || !sink || !sink->take || key_count > SIZE_MAX / sizeof(*keys))
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a retrieve needs a client, keys and a sink");
    struct retrieve_call *self = sw_calloc(1, sizeof(*self));
    if (!self)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a call");
    SW_OPTIONS_COPY(&self->callers, options);
    self->options = self->callers;
    self->options.size = sizeof(self->options);
    enum sw_status status = sw_call_init(&self->call, SW_CALL_RETRIEVE, call_options, &self->options.cancel,
                                         &self->options.progress, &self->options.progress_data, error);
    if (status != SW_OK) {
        sw_free(self);
        return status;
    }
    self->call.work = retrieve;
    self->call.release = release_retrieve;
    self->client = client;
    self->keys = sw_malloc(key_count * sizeof(*keys) + 1);
    self->key_count = key_count;
    if (self->callers.task_id)
        self->options.task_id = self->task_id = sw_strdup(self->callers.task_id);
    if (!self->keys || (self->callers.task_id && !self->task_id)) {
        sw_call_discard(&self->call);
        return sw_error_set(error, SW_NO_MEMORY, "no memory for the keys of a call");
    }
    if (key_count > 0)
        memcpy(self->keys, keys, key_count * sizeof(*keys));
    self->sink = self->callers_sink = *sink;
    sw_call_take_hooks(&self->call, &self->hooks, &self->options.local, &self->options.corrupt,
                       &self->options.corrupt_data, &self->options.trace, &self->options.trace_data);
    if (self->call.options.dispatch) {
        self->sink = (struct sw_sink){.take = take, .user_data = self};
        if (self->callers.more) {
            self->options.more = more;
            self->options.more_data = self;
        }
    }
    return sw_call_start(&self->call, out, error);
}

enum sw_status sw_retrieve_end(struct sw_call *call, struct sw_report **report, struct sw_error *error)
{
    void *result = NULL;
    enum sw_status status = sw_call_end(call, SW_CALL_RETRIEVE, &result, error);
    if (report)
        *report = result;
    else
        sw_report_free(result);
    return status;
}

/* ---- store ---- */

struct store_call {
    struct sw_call call;
    struct sw_client *client;
    struct sw_store_options options, callers;
    sw_source_fn source, callers_source;
    void *source_data, *callers_source_data;
};

struct sourcing {
    struct store_call *self;
    struct sw_value *value;
    struct sw_error *error;
    enum sw_status status;
};

static void run_source(void *data)
{
    struct sourcing *sourcing = data;
    sourcing->status =
        sourcing->self->callers_source(sourcing->value, sourcing->error, sourcing->self->callers_source_data);
}

static enum sw_status source(struct sw_value *value, struct sw_error *error, void *user_data)
{
    struct sourcing sourcing = {.self = user_data, .value = value, .error = error};
    sw_call_run(&sourcing.self->call, run_source, &sourcing);
    return sourcing.status;
}

struct placing {
    struct store_call *self;
    uint64_t index;
    const struct sw_key *key;
    uint32_t replicas, replicas_wanted;
};

static void run_stored(void *data)
{
    const struct placing *placing = data;
    const struct sw_store_options *callers = &placing->self->callers;
    callers->stored(placing->index, placing->key, placing->replicas, placing->replicas_wanted, callers->stored_data);
}

static void stored(uint64_t index, const struct sw_key *key, uint32_t replicas, uint32_t replicas_wanted,
                   void *user_data)
{
    struct placing placing = {
        .self = user_data, .index = index, .key = key, .replicas = replicas, .replicas_wanted = replicas_wanted};
    sw_call_run(&placing.self->call, run_stored, &placing);
}

static enum sw_status store(struct sw_call *call, struct sw_error *error)
{
    struct store_call *self = (struct store_call *)call;
    struct sw_store_report *report = NULL;
    enum sw_status status =
        sw_store_stream(self->client, self->source, self->source_data, &self->options, &report, error);
    call->report = report;
    return status;
}

enum sw_status sw_store_start(struct sw_client *client, sw_source_fn callers_source, void *source_data,
                              const struct sw_store_options *options, const struct sw_call_options *call_options,
                              struct sw_call **out, struct sw_error *error)
{
    *out = NULL;
    if (!client || !callers_source)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a store needs a client and a source");
    struct store_call *self = sw_calloc(1, sizeof(*self));
    if (!self)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a call");
    SW_OPTIONS_COPY(&self->callers, options);
    self->options = self->callers;
    self->options.size = sizeof(self->options);
    enum sw_status status = sw_call_init(&self->call, SW_CALL_STORE, call_options, &self->options.cancel,
                                         &self->options.progress, &self->options.progress_data, error);
    if (status != SW_OK) {
        sw_free(self);
        return status;
    }
    self->call.work = store;
    self->client = client;
    self->source = self->callers_source = callers_source;
    self->source_data = self->callers_source_data = source_data;
    if (self->call.options.dispatch) {
        self->source = source;
        self->source_data = self;
        if (self->callers.stored) {
            self->options.stored = stored;
            self->options.stored_data = self;
        }
    }
    return sw_call_start(&self->call, out, error);
}

enum sw_status sw_store_end(struct sw_call *call, struct sw_store_report **report, struct sw_error *error)
{
    void *result = NULL;
    enum sw_status status = sw_call_end(call, SW_CALL_STORE, &result, error);
    if (report)
        *report = result;
    else
        sw_store_report_free(result);
    return status;
}
