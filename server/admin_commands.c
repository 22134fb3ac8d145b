/* Commands that are one call: stats, scrub, backup, delete, compact. */
#include "server/admin_commands.h"
#include "common/protobuf.h"
#include "symwave/key.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Keys of one DeleteBatch: every node takes as many. */
#define DELETE_KEYS_MAX 256

static struct sw_rpc_message *message_of(const void *bytes, size_t count)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    if (message)
        sw_rpc_message_add_copy(message, bytes, count);
    return message;
}

static bool keep_message(void *user_data, struct sw_rpc_message *message)
{
    struct sw_rpc_message **answer = user_data;
    sw_rpc_message_free(*answer);
    *answer = message;
    return true;
}

enum sw_status sw_admin_ask(struct sw_admin_node *node, const char *method, const void *request, size_t request_bytes,
                            struct sw_rpc_message **answer, struct sw_error *error)
{
    *answer = NULL;
    struct sw_rpc_message *message = message_of(request, request_bytes);
    if (!message)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a request");
    enum sw_status status = sw_admin_node_call(
        node,
        &(struct sw_admin_call){.method = method, .request = message, .message = keep_message, .user_data = answer},
        error);
    if (status == SW_OK && !*answer)
        status = sw_error_set(error, SW_PROTOCOL_ERROR, "the node answered %s with nothing", method);
    if (status != SW_OK) {
        sw_rpc_message_free(*answer);
        *answer = NULL;
    }
    return status;
}

static int no_answer(struct sw_rpc_message *answer, struct sw_error *error)
{
    sw_rpc_message_free(answer);
    sw_error_set(error, SW_PROTOCOL_ERROR, "the node's answer cannot be read: is it of another version?");
    return SW_ADMIN_FAILED;
}

/* ---- stats ---- */

Symwave__V1__GetStatsResponse *sw_admin_ask_stats(struct sw_admin_node *node, struct sw_error *error)
{
    struct sw_rpc_message *answer;
    if (sw_admin_ask(node, "Admin/GetStats", "", 0, &answer, error) != SW_OK)
        return NULL;
    Symwave__V1__GetStatsResponse *stats =
        sw_protobuf_unpack(&symwave__v1__get_stats_response__descriptor, answer, SIZE_MAX);
    if (!stats)
        no_answer(answer, error);
    else
        sw_rpc_message_free(answer);
    return stats;
}

int sw_admin_stats(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                   struct sw_error *error)
{
    Symwave__V1__GetStatsResponse *stats = sw_admin_ask_stats(node, error);
    (void)options;
    if (!stats)
        return SW_ADMIN_FAILED;
    const bool runs = sw_admin_node_runs(node);
    sw_admin_report_flag(report, "running", runs);
    if (runs) {
        sw_admin_report_text(report, "node_id", stats->node_id);
        sw_admin_report_text(report, "version", stats->version);
    }
    sw_admin_report_count(report, "symbols_estimated", stats->symbol_count);
    sw_admin_report_count(report, "stored_bytes", stats->stored_bytes);
    sw_admin_report_count(report, "free_bytes", stats->free_bytes);
    sw_admin_report_flag(report, "writable", stats->writable);
    sw_admin_report_count(report, "damaged_files", stats->damaged_files);
    if (stats->scrub) {
        sw_admin_report_section(report, "scrub");
        sw_admin_report_time(report, "started", stats->scrub->started_at);
        if (stats->scrub->finished_at)
            sw_admin_report_time(report, "finished", stats->scrub->finished_at);
        sw_admin_report_count(report, "symbols", stats->scrub->symbols);
        sw_admin_report_count(report, "bytes", stats->scrub->bytes);
        sw_admin_report_count(report, "damaged", stats->scrub->damaged);
    }
    sw_admin_report_section(report, "statistics");
    for (size_t i = 0; i < stats->n_statistics; i++)
        sw_admin_report_number(report, stats->statistics[i]->name, stats->statistics[i]->value);
    symwave__v1__get_stats_response__free_unpacked(stats, &sw_protobuf_allocator);
    return SW_ADMIN_WHOLE;
}

/* ---- scrub ---- */

struct scrubbing {
    struct sw_admin_report *report;
    uint64_t symbols, bytes, damaged;
    bool done, unreadable;
};

static bool take_progress(void *user_data, struct sw_rpc_message *message)
{
    struct scrubbing *self = user_data;
    char key[SW_KEY_BASE58_SIZE];
    Symwave__V1__ScrubProgress *progress =
        sw_protobuf_unpack(&symwave__v1__scrub_progress__descriptor, message, SIZE_MAX);
    self->unreadable = self->unreadable || !progress;
    for (size_t i = 0; progress && i < progress->n_damaged; i++)
        if (progress->damaged[i].len == SW_KEY_BYTES) {
            sw_key_to_base58((const struct sw_key *)progress->damaged[i].data, key);
            sw_admin_report_item(self->report, "damaged_keys", key);
        }
    if (progress) {
        self->symbols = progress->symbols;
        self->bytes = progress->bytes;
        self->damaged = progress->damaged_total;
        self->done = progress->done;
        sw_admin_progress("checked", progress->symbols, progress->symbols_total, progress->bytes);
        symwave__v1__scrub_progress__free_unpacked(progress, &sw_protobuf_allocator);
    }
    sw_rpc_message_free(message);
    return true;
}

int sw_admin_scrub(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                   struct sw_error *error)
{
    Symwave__V1__ScrubRequest request = SYMWAVE__V1__SCRUB_REQUEST__INIT;
    struct scrubbing self = {.report = report};
    uint8_t packed[32];
    /* Nobody waits for a node that does not run: it need not be spared. */
    request.bytes_per_second =
        options->bytes_per_second || sw_admin_node_runs(node) ? options->bytes_per_second : UINT64_MAX;
    struct sw_rpc_message *message = message_of(packed, symwave__v1__scrub_request__pack(&request, packed));
    if (!message) {
        sw_error_set(error, SW_NO_MEMORY, "no memory for a request");
        return SW_ADMIN_FAILED;
    }
    enum sw_status status = sw_admin_node_call(
        node,
        &(struct sw_admin_call){
            .method = "Admin/Scrub", .request = message, .message = take_progress, .user_data = &self},
        error);
    sw_admin_progress_end();
    sw_admin_report_count(report, "symbols", self.symbols);
    sw_admin_report_count(report, "bytes", self.bytes);
    sw_admin_report_count(report, "damaged", self.damaged);
    if (status == SW_OK && (!self.done || self.unreadable))
        status = sw_error_set(error, SW_PROTOCOL_ERROR, "the node ended the scrub before it was done");
    return status != SW_OK ? SW_ADMIN_FAILED : self.damaged > 0 ? SW_ADMIN_DAMAGED : SW_ADMIN_WHOLE;
}

/* ---- backup ---- */

int sw_admin_backup(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                    struct sw_error *error)
{
    Symwave__V1__BackupRequest request = SYMWAVE__V1__BACKUP_REQUEST__INIT;
    struct sw_rpc_message *answer;
    char folder[PATH_MAX] = "", path[PATH_MAX];
    /* The node has another working folder. */
    if (options->args[0][0] != '/' && !getcwd(folder, sizeof(folder))) {
        sw_error_set(error, SW_IO_ERROR, "cannot tell the current folder: %s", strerror(errno));
        return SW_ADMIN_FAILED;
    }
    if (snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", options->args[0]) >= (int)sizeof(path)) {
        sw_error_set(error, SW_INVALID_ARGUMENT, "%.200s...: the path is too long", options->args[0]);
        return SW_ADMIN_USAGE;
    }
    request.path = path;
    uint8_t *packed = malloc(symwave__v1__backup_request__get_packed_size(&request));
    enum sw_status status = packed ? sw_admin_ask(node, "Admin/Backup", packed,
                                                  symwave__v1__backup_request__pack(&request, packed), &answer, error)
                                   : sw_error_set(error, SW_NO_MEMORY, "no memory for a request");
    free(packed);
    if (status != SW_OK)
        return SW_ADMIN_FAILED;
    Symwave__V1__BackupResponse *response =
        sw_protobuf_unpack(&symwave__v1__backup_response__descriptor, answer, SIZE_MAX);
    if (!response)
        return no_answer(answer, error);
    sw_admin_report_text(report, "backup", path);
    sw_admin_report_count(report, "symbols", response->symbol_count);
    sw_admin_report_count(report, "stored_bytes", response->stored_bytes);
    symwave__v1__backup_response__free_unpacked(response, &sw_protobuf_allocator);
    sw_rpc_message_free(answer);
    return SW_ADMIN_WHOLE;
}

/* ---- delete ---- */

static enum sw_status delete_some(struct sw_admin_node *node, struct sw_key *keys, size_t count, uint64_t *deleted,
                                  struct sw_error *error)
{
    Symwave__V1__DeleteBatchRequest request = SYMWAVE__V1__DELETE_BATCH_REQUEST__INIT;
    ProtobufCBinaryData items[DELETE_KEYS_MAX];
    uint8_t packed[DELETE_KEYS_MAX * (SW_KEY_BYTES + 2)];
    struct sw_rpc_message *answer;
    for (size_t i = 0; i < count; i++)
        items[i] = (ProtobufCBinaryData){.len = SW_KEY_BYTES, .data = keys[i].bytes};
    request.keys = items;
    request.n_keys = count;
    enum sw_status status = sw_admin_ask(node, "SymbolStore/DeleteBatch", packed,
                                         symwave__v1__delete_batch_request__pack(&request, packed), &answer, error);
    if (status != SW_OK)
        return status;
    Symwave__V1__DeleteBatchResponse *response =
        sw_protobuf_unpack(&symwave__v1__delete_batch_response__descriptor, answer, SIZE_MAX);
    if (!response) {
        no_answer(answer, error);
        return SW_PROTOCOL_ERROR;
    }
    for (size_t i = 0; i < response->n_deleted; i++)
        *deleted += response->deleted[i] != 0;
    symwave__v1__delete_batch_response__free_unpacked(response, &sw_protobuf_allocator);
    sw_rpc_message_free(answer);
    return SW_OK;
}

int sw_admin_delete(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                    struct sw_error *error)
{
    struct sw_key *keys = calloc(options->arg_count, sizeof(*keys));
    enum sw_status status = keys ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory for keys");
    uint64_t deleted = 0;
    /* All are read before the first is deleted. */
    for (size_t i = 0; status == SW_OK && i < options->arg_count; i++) {
        struct sw_error cause = {0};
        if (sw_key_parse(options->args[i], strlen(options->args[i]), &keys[i], &cause) == SW_OK)
            continue;
        sw_error_set(error, SW_INVALID_ARGUMENT, "%.80s: %.400s", options->args[i], cause.message);
        free(keys);
        return SW_ADMIN_USAGE;
    }
    for (size_t at = 0; status == SW_OK && at < options->arg_count; at += DELETE_KEYS_MAX) {
        const size_t left = options->arg_count - at;
        status = delete_some(node, &keys[at], left < DELETE_KEYS_MAX ? left : DELETE_KEYS_MAX, &deleted, error);
    }
    free(keys);
    sw_admin_report_count(report, "keys", options->arg_count);
    sw_admin_report_count(report, "deleted", deleted);
    return status == SW_OK ? SW_ADMIN_WHOLE : SW_ADMIN_FAILED;
}

/* ---- compact ---- */

int sw_admin_compact(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                     struct sw_error *error)
{
    struct sw_rpc_message *answer;
    (void)options;
    if (sw_admin_ask(node, "Admin/Compact", "", 0, &answer, error) != SW_OK)
        return SW_ADMIN_FAILED;
    Symwave__V1__CompactResponse *response =
        sw_protobuf_unpack(&symwave__v1__compact_response__descriptor, answer, SIZE_MAX);
    if (!response)
        return no_answer(answer, error);
    sw_admin_report_count(report, "before_bytes", response->stored_bytes_before);
    sw_admin_report_count(report, "after_bytes", response->stored_bytes_after);
    symwave__v1__compact_response__free_unpacked(response, &sw_protobuf_allocator);
    sw_rpc_message_free(answer);
    return SW_ADMIN_WHOLE;
}
