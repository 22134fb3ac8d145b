/* The service Admin: GetStats, Backup and Compact. They may take long, and have threads of their own. */
#include "common/memory.h"
#include "common/protobuf.h"
#include "server/scrub_schedule.h"
#include "server/unary.h"
#include "symwave/v1/admin.pb-c.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request is a path. */
#define REQUEST_BYTES_MAX 8192

static void *start(struct sw_rpc_server_call *call, void *service)
{
    return sw_unary_start(call, service, 0);
}

/* Logs how it went, and tells the caller, who may see paths of the node. */
static void finish(struct sw_unary *self, const char *what, struct sw_rpc_message *answer, enum sw_status status,
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

/* ---- GetStats ---- */

/* More than the store has of them. */
#define STATISTICS_MAX 64

struct statistics {
    Symwave__V1__Statistic items[STATISTICS_MAX], *pointers[STATISTICS_MAX];
    char names[STATISTICS_MAX][64];
    size_t count;
};

static void add_statistic(const char *name, const char *type, const char *help, double value, void *visit_data)
{
    struct statistics *all = visit_data;
    (void)type;
    (void)help;
    if (all->count == STATISTICS_MAX)
        return;
    Symwave__V1__Statistic *item = &all->items[all->count];
    symwave__v1__statistic__init(item);
    snprintf(all->names[all->count], sizeof(all->names[0]), "%s", name);
    item->name = all->names[all->count];
    item->value = value;
    all->pointers[all->count++] = item;
}

/* Files that were set aside; none where there is no folder for them. */
static enum sw_status count_damaged(const struct sw_service *service, uint64_t *count, struct sw_error *error)
{
    char *path = sw_text_new("%s/damaged", service->data);
    *count = 0;
    if (!path)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for an answer");
    DIR *folder = opendir(path);
    enum sw_status status = folder || errno == ENOENT
                                ? SW_OK
                                : sw_error_set(error, SW_IO_ERROR, "cannot read %.300s: %s", path, strerror(errno));
    sw_free(path);
    for (const struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
        *count += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return status;
}

static void run_stats(struct sw_task *task)
{
    struct sw_unary *self = (struct sw_unary *)task;
    struct sw_service *service = self->service;
    Symwave__V1__GetStatsResponse response = SYMWAVE__V1__GET_STATS_RESPONSE__INIT;
    Symwave__V1__ScrubState scrub = SYMWAVE__V1__SCRUB_STATE__INIT;
    struct sw_store_info info = {0};
    struct sw_error error = {0};
    struct statistics *statistics = calloc(1, sizeof(*statistics));
    struct sw_rpc_message *answer = sw_rpc_message_new();
    const struct sw_scrub_record record = sw_scrub_schedule_record(service->scrub_schedule);
    enum sw_status status = statistics && answer ? service->store->info(service->store, &info, &error)
                                                 : sw_error_set(&error, SW_NO_MEMORY, "no memory for an answer");
    if (status == SW_OK)
        status = count_damaged(service, &response.damaged_files, &error);
    if (status == SW_OK) {
        if (service->store->statistics)
            service->store->statistics(service->store, add_statistic, statistics);
        response.node_id = (char *)service->node_id;
        response.version = (char *)SYMWAVE_VERSION;
        response.symbol_count = info.symbol_count;
        response.stored_bytes = info.stored_bytes;
        response.free_bytes = info.free_bytes;
        response.writable = info.writable;
        scrub.started_at = record.started_at;
        scrub.finished_at = record.finished_at;
        scrub.symbols = record.state.symbols;
        scrub.bytes = record.state.bytes;
        scrub.damaged = record.state.damaged;
        response.scrub = record.started_at ? &scrub : NULL;
        response.statistics = statistics->pointers;
        response.n_statistics = statistics->count;
        uint8_t *packed = malloc(symwave__v1__get_stats_response__get_packed_size(&response));
        if (packed)
            sw_rpc_message_add_copy(answer, packed, symwave__v1__get_stats_response__pack(&response, packed));
        else
            status = sw_error_set(&error, SW_NO_MEMORY, "no memory for an answer");
        free(packed);
    }
    free(statistics);
    if (status != SW_OK) {
        sw_rpc_message_free(answer);
        answer = NULL;
    }
    sw_service_finish(self->call, answer, status, &error);
}

static void stats_message(void *state, struct sw_rpc_message *request)
{
    struct sw_unary *self = state;
    sw_unary_submit(self, request, self->service->info_pool, run_stats);
}

/* ---- Backup ---- */

static enum sw_status backup(struct sw_unary *self, struct sw_error *error)
{
    struct sw_store *store = self->service->store;
    Symwave__V1__BackupRequest *request =
        sw_protobuf_unpack(&symwave__v1__backup_request__descriptor, self->request, REQUEST_BYTES_MAX);
    if (!request)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the request is not a BackupRequest");
    enum sw_status status =
        request->path[0] != '/'
            ? sw_error_set(error, SW_INVALID_ARGUMENT, "path: \"%.200s\" is not an absolute path", request->path)
            : store->backup(store, request->path, error);
    symwave__v1__backup_request__free_unpacked(request, &sw_protobuf_allocator);
    return status;
}

static void run_backup(struct sw_task *task)
{
    struct sw_unary *self = (struct sw_unary *)task;
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
    struct sw_unary *self = state;
    sw_unary_submit(self, request, self->service->admin_pool, run_backup);
}

/* ---- Compact ---- */

static void run_compact(struct sw_task *task)
{
    struct sw_unary *self = (struct sw_unary *)task;
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
    struct sw_unary *self = state;
    sw_unary_submit(self, request, self->service->admin_pool, run_compact);
}

const struct sw_rpc_server_handler sw_get_stats_handler = {
    .start = start, .message = stats_message, .end = sw_unary_end};
const struct sw_rpc_server_handler sw_backup_handler = {.start = start, .message = backup_message, .end = sw_unary_end};
const struct sw_rpc_server_handler sw_compact_handler = {
    .start = start, .message = compact_message, .end = sw_unary_end};
