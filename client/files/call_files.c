/* Puts and gets as calls. */
#include "client/io/call.h"
#include "common/memory.h"
#include <string.h>

struct file_call {
    struct sw_call call;
    struct sw_client *client;
    struct sw_file_options options;
    struct sw_call_hooks hooks;
    const struct sw_layout *layout; /* of a get */
    char *path, *layout_path, *task_id;
};

static enum sw_status put(struct sw_call *call, struct sw_error *error)
{
    struct file_call *self = (struct file_call *)call;
    struct sw_put_report *report = NULL;
    enum sw_status status = sw_put_file(self->client, self->path, self->layout_path, &self->options, &report, error);
    call->report = report;
    return status;
}

static enum sw_status get(struct sw_call *call, struct sw_error *error)
{
    struct file_call *self = (struct file_call *)call;
    struct sw_get_report *report = NULL;
    enum sw_status status = sw_get_file(self->client, self->layout, self->path, &self->options, &report, error);
    call->report = report;
    return status;
}

static void release(struct sw_call *call)
{
    struct file_call *self = (struct file_call *)call;
    sw_free(self->path);
    sw_free(self->layout_path);
    sw_free(self->task_id);
}

/* Copies a string, which may be NULL; false without memory. */
static bool copy(const char *text, char **out)
{
    *out = text ? sw_strdup(text) : NULL;
    return !text || *out;
}

static enum sw_status start(enum sw_call_kind kind, struct sw_client *client, const struct sw_layout *layout,
                            const char *path, const char *layout_path, const struct sw_file_options *options,
                            const struct sw_call_options *call_options, struct sw_call **out, struct sw_error *error)
{
    struct file_call *self = sw_calloc(1, sizeof(*self));
    if (!self)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a call");
    SW_OPTIONS_COPY(&self->options, options);
    self->options.size = sizeof(self->options);
    enum sw_status status = sw_call_init(&self->call, kind, call_options, &self->options.cancel,
                                         &self->options.progress, &self->options.progress_data, error);
    if (status != SW_OK) {
        sw_free(self);
        return status;
    }
    self->call.work = kind == SW_CALL_PUT ? put : get;
    self->call.release = release;
    self->client = client;
    self->layout = layout;
    if (!copy(path, &self->path) || !copy(layout_path, &self->layout_path) ||
        !copy(self->options.task_id, &self->task_id)) {
        sw_call_discard(&self->call);
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a call");
    }
    self->options.task_id = self->task_id;
    sw_call_take_hooks(&self->call, &self->hooks, &self->options.local, &self->options.corrupt,
                       &self->options.corrupt_data, &self->options.trace, &self->options.trace_data);
    return sw_call_start(&self->call, out, error);
}

enum sw_status sw_put_start(struct sw_client *client, const char *path, const char *layout_path,
                            const struct sw_file_options *options, const struct sw_call_options *call_options,
                            struct sw_call **out, struct sw_error *error)
{
    *out = NULL;
    if (!client || !path || !layout_path)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a put needs a client, a path and a path for the layout");
    return start(SW_CALL_PUT, client, NULL, path, layout_path, options, call_options, out, error);
}

enum sw_status sw_get_start(struct sw_client *client, const struct sw_layout *layout, const char *out_path,
                            const struct sw_file_options *options, const struct sw_call_options *call_options,
                            struct sw_call **out, struct sw_error *error)
{
    *out = NULL;
    if (!client || !layout || !out_path)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a get needs a client, a layout and a path");
    return start(SW_CALL_GET, client, layout, out_path, NULL, options, call_options, out, error);
}

enum sw_status sw_put_end(struct sw_call *call, struct sw_put_report **report, struct sw_error *error)
{
    void *result = NULL;
    enum sw_status status = sw_call_end(call, SW_CALL_PUT, &result, error);
    if (report)
        *report = result;
    else
        sw_put_report_free(result);
    return status;
}

enum sw_status sw_get_end(struct sw_call *call, struct sw_get_report **report, struct sw_error *error)
{
    void *result = NULL;
    enum sw_status status = sw_call_end(call, SW_CALL_GET, &result, error);
    if (report)
        *report = result;
    else
        sw_get_report_free(result);
    return status;
}
