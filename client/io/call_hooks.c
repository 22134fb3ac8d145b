/* Callbacks of a call that run elsewhere than on its thread. */
#include "client/io/call.h"

struct getting {
    struct sw_call_hooks *hooks;
    const struct sw_key *keys;
    size_t key_count;
    bool (*found)(size_t index, const void *value, size_t value_bytes, void *found_data);
    void *found_data;
    struct sw_error *error;
    enum sw_status status;
};

static void run_get_batch(void *data)
{
    struct getting *getting = data;
    const struct sw_local_store *local = &getting->hooks->callers_local;
    getting->status = local->get_batch(getting->keys, getting->key_count, getting->found, getting->found_data,
                                       getting->error, local->user_data);
}

static enum sw_status get_batch(const struct sw_key *keys, size_t key_count,
                                bool (*found)(size_t index, const void *value, size_t value_bytes, void *found_data),
                                void *found_data, struct sw_error *error, void *user_data)
{
    struct getting getting = {.hooks = user_data,
                              .keys = keys,
                              .key_count = key_count,
                              .found = found,
                              .found_data = found_data,
                              .error = error};
    sw_call_run(getting.hooks->call, run_get_batch, &getting);
    return getting.status;
}

struct telling {
    struct sw_call_hooks *hooks;
    const void *what;
};

static void run_corrupt(void *data)
{
    const struct telling *telling = data;
    telling->hooks->corrupt(telling->what, telling->hooks->corrupt_data);
}

static void corrupt(const struct sw_corrupt_proof *proof, void *user_data)
{
    struct telling telling = {.hooks = user_data, .what = proof};
    sw_call_run(telling.hooks->call, run_corrupt, &telling);
}

static void run_trace(void *data)
{
    const struct telling *telling = data;
    telling->hooks->trace(telling->what, telling->hooks->trace_data);
}

static void trace(const struct sw_trace_request *request, void *user_data)
{
    struct telling telling = {.hooks = user_data, .what = request};
    sw_call_run(telling.hooks->call, run_trace, &telling);
}

void sw_call_take_hooks(struct sw_call *call, struct sw_call_hooks *hooks, const struct sw_local_store **local,
                        sw_corrupt_fn *callers_corrupt, void **corrupt_data, sw_trace_fn *callers_trace,
                        void **trace_data)
{
    const bool elsewhere = call->options.dispatch;
    *hooks = (struct sw_call_hooks){.call = call,
                                    .corrupt = *callers_corrupt,
                                    .corrupt_data = *corrupt_data,
                                    .trace = *callers_trace,
                                    .trace_data = *trace_data};
    if (*local) {
        hooks->local = hooks->callers_local = **local;
        if (elsewhere)
            hooks->local = (struct sw_local_store){.get_batch = get_batch, .user_data = hooks};
        *local = &hooks->local;
    }
    if (elsewhere && hooks->corrupt) {
        *callers_corrupt = corrupt;
        *corrupt_data = hooks;
    }
    if (elsewhere && hooks->trace) {
        *callers_trace = trace;
        *trace_data = hooks;
    }
}
