/* import: files that are named by their keys become symbols. What is not what its name says is left out, and told. */
#include "common/protobuf.h"
#include "common/wire.h"
#include "server/admin_commands.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One StoreBatch, which ends with one sync. */
#define BATCH_BYTES   ((size_t)32 << 20)
#define BATCH_SYMBOLS 1024

struct value {
    uint8_t *bytes;
    size_t count;
    char *path;
};

struct importing {
    struct sw_admin_node *node;
    struct sw_admin_report *report;
    struct sw_error *error;
    /* of the node */
    uint64_t value_bytes_max;
    size_t batch_symbols, batch_bytes;
    /* the batch: each goes out in a message of its own */
    struct value *values;
    size_t count, next, bytes;
    struct sw_rpc_message *answer;
    uint64_t stored, there_already, refused, bytes_total;
};

/* ---- what is not imported ---- */

static void refuse(struct importing *self, const char *path, const char *why)
{
    char text[700];
    self->refused++;
    snprintf(text, sizeof(text), "%.400s: %.280s", path, why);
    sw_admin_report_item(self->report, "refused_files", text);
}

/* ---- the node ---- */

static enum sw_status ask_limits(struct importing *self)
{
    struct sw_rpc_message *answer;
    enum sw_status status = sw_admin_ask(self->node, "SymbolStore/GetNodeInfo", "", 0, &answer, self->error);
    if (status != SW_OK)
        return status;
    Symwave__V1__GetNodeInfoResponse *info =
        sw_protobuf_unpack(&symwave__v1__get_node_info_response__descriptor, answer, SIZE_MAX);
    if (info && info->limits) {
        const Symwave__V1__Limits *limits = info->limits;
        self->value_bytes_max = limits->value_bytes_max;
        self->batch_symbols = limits->store_symbols_max < BATCH_SYMBOLS ? limits->store_symbols_max : BATCH_SYMBOLS;
        self->batch_bytes = limits->store_bytes_max < BATCH_BYTES ? limits->store_bytes_max : BATCH_BYTES;
    } else {
        status = sw_error_set(self->error, SW_PROTOCOL_ERROR, "the node's answer cannot be read");
    }
    if (info)
        symwave__v1__get_node_info_response__free_unpacked(info, &sw_protobuf_allocator);
    sw_rpc_message_free(answer);
    return status;
}

static struct sw_rpc_message *next_message(void *user_data)
{
    struct importing *self = user_data;
    struct sw_rpc_message *message = self->next < self->count ? sw_rpc_message_new() : NULL;
    if (!message)
        return NULL;
    struct value *value = &self->values[self->next++];
    sw_wire_add_store_value(message, value->bytes, value->count, free, value->bytes);
    value->bytes = NULL; /* the message's */
    return message;
}

static bool keep_answer(void *user_data, struct sw_rpc_message *message)
{
    struct importing *self = user_data;
    sw_rpc_message_free(self->answer);
    self->answer = message;
    return true;
}

/* Counts what the node says of each. */
static enum sw_status read_answer(struct importing *self)
{
    Symwave__V1__StoreBatchResponse *response = NULL;
    if (self->answer)
        response = sw_protobuf_unpack(&symwave__v1__store_batch_response__descriptor, self->answer, SIZE_MAX);
    enum sw_status status = response && response->n_results == self->count
                                ? SW_OK
                                : sw_error_set(self->error, SW_PROTOCOL_ERROR, "the node's answer cannot be read");
    for (size_t i = 0; status == SW_OK && i < self->count; i++) {
        const Symwave__V1__StoreResult *result = response->results[i];
        if (result->outcome == SYMWAVE__V1__STORE_RESULT__OUTCOME__STORED)
            self->stored++;
        else if (result->outcome == SYMWAVE__V1__STORE_RESULT__OUTCOME__ALREADY_STORED)
            self->there_already++;
        else
            refuse(self, self->values[i].path, result->reason);
    }
    if (response)
        symwave__v1__store_batch_response__free_unpacked(response, &sw_protobuf_allocator);
    return status;
}

/* Stores the batch and empties it. */
static enum sw_status store_batch(struct importing *self)
{
    enum sw_status status = SW_OK;
    if (self->count > 0)
        status = sw_admin_node_call(
            self->node,
            &(struct sw_admin_call){
                .method = "SymbolStore/StoreBatch", .next = next_message, .message = keep_answer, .user_data = self},
            self->error);
    if (status == SW_OK && self->count > 0)
        status = read_answer(self);
    for (size_t i = 0; i < self->count; i++) {
        free(self->values[i].bytes);
        free(self->values[i].path);
    }
    sw_rpc_message_free(self->answer);
    self->answer = NULL;
    self->count = self->next = self->bytes = 0;
    sw_admin_progress("imported", self->stored + self->there_already, 0, self->bytes_total);
    return status;
}

/* ---- files ---- */

/* Reads a whole file of a known size. NULL where it has changed meanwhile, or cannot be read: errno says why. */
static uint8_t *read_file(const char *path, size_t bytes)
{
    uint8_t *buffer = malloc(bytes + 1);
    const int fd = buffer ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    size_t count = 0;
    ssize_t part = fd < 0 ? -1 : 1;
    while (part > 0 && count <= bytes) {
        part = read(fd, buffer + count, bytes + 1 - count);
        count += part > 0 ? (size_t)part : 0;
    }
    const int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    if (part == 0 && count == bytes)
        return buffer;
    if (part >= 0)
        errno = EAGAIN;
    free(buffer);
    return NULL;
}

static enum sw_status take_file(struct importing *self, const char *path, const char *name, const struct stat *facts)
{
    struct sw_error cause = {0};
    struct sw_key named;
    char why[120];
    if (sw_key_parse(name, strlen(name), &named, &cause) != SW_OK) {
        refuse(self, path, "its name is not a key");
        return SW_OK;
    }
    if (facts->st_size == 0 || (uint64_t)facts->st_size > self->value_bytes_max) {
        snprintf(why, sizeof(why), "it has %lld bytes; a symbol has 1 to %llu", (long long)facts->st_size,
                 (unsigned long long)self->value_bytes_max);
        refuse(self, path, why);
        return SW_OK;
    }
    const size_t bytes = (size_t)facts->st_size;
    if (self->count == self->batch_symbols || (self->count > 0 && self->bytes + bytes > self->batch_bytes)) {
        enum sw_status status = store_batch(self);
        if (status != SW_OK)
            return status;
    }
    uint8_t *value = read_file(path, bytes);
    if (!value) {
        refuse(self, path, errno == EAGAIN ? "it changes while it is read" : strerror(errno));
        return SW_OK;
    }
    const struct sw_key key = sw_key_of_value(value, bytes);
    char *copy = strdup(path);
    if (memcmp(&key, &named, sizeof(key)) != 0 || !copy) {
        free(value);
        free(copy);
        if (copy)
            refuse(self, path, "its bytes do not hash to its name");
        return copy ? SW_OK : sw_error_set(self->error, SW_NO_MEMORY, "no memory for a path");
    }
    self->values[self->count++] = (struct value){.bytes = value, .count = bytes, .path = copy};
    self->bytes += bytes;
    self->bytes_total += bytes;
    return SW_OK;
}

static enum sw_status take_entry(struct importing *self, const FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_F:
        return take_file(self, entry->fts_path, entry->fts_name, entry->fts_statp);
    case FTS_D:
    case FTS_DP:
        return SW_OK;
    case FTS_ERR:
    case FTS_NS:
    case FTS_DNR:
        refuse(self, entry->fts_path, strerror(entry->fts_errno));
        return SW_OK;
    default:
        refuse(self, entry->fts_path, "it is no file");
        return SW_OK;
    }
}

int sw_admin_import(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                    struct sw_error *error)
{
    struct importing self = {.node = node, .report = report, .error = error};
    enum sw_status status = ask_limits(&self);
    FTS *files = NULL;
    if (status == SW_OK) {
        self.values = calloc(self.batch_symbols, sizeof(*self.values));
        files = fts_open(options->args, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, NULL);
        if (!self.values || !files)
            status = sw_error_set(error, SW_NO_MEMORY, "no memory to read files");
    }
    for (const FTSENT *entry; status == SW_OK && (entry = fts_read(files)) != NULL;)
        status = take_entry(&self, entry);
    enum sw_status last = store_batch(&self);
    if (status == SW_OK)
        status = last;
    if (files)
        fts_close(files);
    free(self.values);
    sw_admin_progress_end();
    sw_admin_report_count(report, "stored", self.stored);
    sw_admin_report_count(report, "there_already", self.there_already);
    sw_admin_report_count(report, "bytes", self.bytes_total);
    sw_admin_report_count(report, "refused", self.refused);
    return status != SW_OK ? SW_ADMIN_FAILED : self.refused > 0 ? SW_ADMIN_DAMAGED : SW_ADMIN_WHOLE;
}
