/* The service Admin: Backup and Compact. Both may take long, and run one at a time on a thread of their own. */
#include "server/service.h"
#include "symwave/v1/admin.pb-c.h"
#include <stdlib.h>
#include <string.h>

/* A request is a path. */
#define REQUEST_BYTES_MAX 8192

struct job {
    struct sw_task task;
    struct sw_service *service;
    struct sw_rpc_server_call *call;
    struct sw_rpc_message *request;
};

static void *start(struct sw_rpc_server_call *call, void *user)
{
    struct job *self = calloc(1, sizeof(*self));
    if (!self) {
        sw_service_no_room(call, "no memory for the call");
        return NULL;
    }
    self->service = user;
    self->call = call;
    return self;
}

static void end(void *state)
{
    struct job *self = state;
    sw_rpc_message_free(self->request);
    free(self);
}

/* Logs how it went, and tells the caller, who may see paths of the node. */
static void finish(struct job *self, const char *what, struct sw_rpc_message *answer, enum sw_status status,
                   const struct sw_error *error)
{
    char quoted[SW_ERROR_MESSAGE_SIZE];
    if (status == SW_OK)
        sw_log(self->service->logger, SW_LOG_INFO, what, "result=done");
    else
        sw_log(self->service->logger, SW_LOG_ERROR, what, "error=%s",
               sw_log_quote(error->message, quoted, sizeof(quoted)));
    sw_service_finish(self->call, answer, status, error);
}

static uint64_t stored_bytes(struct sw_store *store, uint64_t *symbol_count)
{
    struct sw_store_info info = {0};
    struct sw_error error;
    store->info(store, &info, &error);
    if (symbol_count)
        *symbol_count = info.symbol_count;
    return info.stored_bytes;
}

/* ---- Backup ---- */

static enum sw_status backup(struct job *self, struct sw_error *error)
{
    struct sw_store *store = self->service->store;
    const size_t bytes = sw_rpc_message_bytes(self->request);
    Symwave__V1__BackupRequest *request = NULL;
    if (bytes <= REQUEST_BYTES_MAX)
        request = symwave__v1__backup_request__unpack(NULL, bytes, sw_rpc_message_flatten(self->request));
    if (!request)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the request is not a BackupRequest");
    enum sw_status status =
        request->path[0] != '/'
            ? sw_error_set(error, SW_INVALID_ARGUMENT, "path: \"%.200s\" is not an absolute path", request->path)
            : store->backup(store, request->path, error);
    symwave__v1__backup_request__free_unpacked(request, NULL);
    return status;
}

static void run_backup(struct sw_task *task)
{
    struct job *self = (struct job *)task;
    Symwave__V1__BackupResponse response = SYMWAVE__V1__BACKUP_RESPONSE__INIT;
    struct sw_error error = {0};
    uint8_t packed[64];
    enum sw_status status = backup(self, &error);
    struct sw_rpc_message *answer = status == SW_OK ? sw_rpc_message_new() : NULL;
    if (answer) {
        response.stored_bytes = stored_bytes(self->service->store, &response.symbol_count);
        sw_rpc_message_add_copy(answer, packed, symwave__v1__backup_response__pack(&response, packed));
    }
    finish(self, "backup", answer, status, &error);
}

static void backup_message(void *state, struct sw_rpc_message *request)
{
    struct job *self = state;
    self->request = request;
    self->task.run = run_backup;
    sw_pool_submit(self->service->admin_pool, &self->task);
}

/* ---- Compact ---- */

static void run_compact(struct sw_task *task)
{
    struct job *self = (struct job *)task;
    struct sw_store *store = self->service->store;
    Symwave__V1__CompactResponse response = SYMWAVE__V1__COMPACT_RESPONSE__INIT;
    struct sw_error error = {0};
    uint8_t packed[64];
    response.stored_bytes_before = stored_bytes(store, NULL);
    enum sw_status status = store->compact(store, &error);
    response.stored_bytes_after = stored_bytes(store, NULL);
    struct sw_rpc_message *answer = status == SW_OK ? sw_rpc_message_new() : NULL;
    if (answer)
        sw_rpc_message_add_copy(answer, packed, symwave__v1__compact_response__pack(&response, packed));
    finish(self, "compaction", answer, status, &error);
}

static void compact_message(void *state, struct sw_rpc_message *request)
{
    struct job *self = state;
    self->request = request;
    self->task.run = run_compact;
    sw_pool_submit(self->service->admin_pool, &self->task);
}

const struct sw_rpc_server_handler sw_backup_handler = {.start = start, .message = backup_message, .end = end};
const struct sw_rpc_server_handler sw_compact_handler = {.start = start, .message = compact_message, .end = end};
