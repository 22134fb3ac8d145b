/* export: each symbol into a file that is named by its key. A folder that has some of them already gets the rest. */
#include "common/protobuf.h"
#include "common/wire.h"
#include "server/admin_commands.h"
#include "symwave/sink.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct exporting {
    struct sw_admin_report *report;
    struct sw_sink sink;         /* the folder, */
    struct sw_local_store there; /* ... and what it has already */
    struct sw_key last;
    uint64_t symbols, bytes, there_already, damaged;
    size_t page; /* symbols of the page that is being read */
    enum sw_status status;
    struct sw_error *error;
};

/* What the folder has under a key, beside what it should have. */
struct comparison {
    const uint8_t *value;
    size_t bytes;
    bool same;
};

static bool compare(size_t index, const void *value, size_t bytes, void *found_data)
{
    struct comparison *comparison = found_data;
    (void)index;
    comparison->same = bytes == comparison->bytes && memcmp(value, comparison->value, bytes) == 0;
    return true;
}

/* Puts a whole symbol into the folder, unless it is there with the right bytes: what a power cut left of one is not. */
static enum sw_status put(struct exporting *self, const struct sw_key *key, const uint8_t *value, size_t bytes)
{
    struct comparison comparison = {.value = value, .bytes = bytes};
    const struct sw_symbol symbol = {.key = key, .value = value, .value_bytes = bytes, .node_id = ""};
    struct sw_error unreadable; /* what is there and cannot be read is replaced */
    self->symbols++;
    self->bytes += bytes;
    self->there.get_batch(key, 1, compare, &comparison, &unreadable, self->there.user_data);
    self->there_already += comparison.same;
    return comparison.same ? SW_OK : self->sink.take(&symbol, self->error, self->sink.user_data);
}

static bool take_symbol(void *user_data, const struct sw_key *key, const struct sw_wire_value *value)
{
    struct exporting *self = user_data;
    char name[SW_KEY_BASE58_SIZE];
    self->page++;
    self->last = *key;
    uint8_t *scratch = malloc(value->bytes + 1);
    if (!scratch) {
        self->status = sw_error_set(self->error, SW_NO_MEMORY, "no memory for a symbol");
        return false;
    }
    const uint8_t *bytes = sw_wire_value_flatten(value, scratch);
    const struct sw_key hash = sw_key_of_value(bytes, value->bytes);
    if (sw_key_compare(&hash, key) == 0) {
        self->status = put(self, key, bytes, value->bytes);
    } else {
        self->damaged++;
        sw_key_to_base58(key, name);
        sw_admin_report_item(self->report, "damaged_keys", name);
    }
    free(scratch);
    return self->status == SW_OK;
}

/* Reads the page after the last key, and writes its files. */
static enum sw_status export_page(struct sw_admin_node *node, struct exporting *self)
{
    static const struct sw_wire_response_handler handler = {.symbol = take_symbol};
    Symwave__V1__ListSymbolsRequest request = SYMWAVE__V1__LIST_SYMBOLS_REQUEST__INIT;
    struct sw_rpc_message *answer;
    uint8_t packed[64];
    if (self->page > 0)
        request.after = (ProtobufCBinaryData){.len = SW_KEY_BYTES, .data = self->last.bytes};
    self->page = 0;
    enum sw_status status =
        sw_admin_ask(node, "Admin/ListSymbols", packed, symwave__v1__list_symbols_request__pack(&request, packed),
                     &answer, self->error);
    if (status != SW_OK)
        return status;
    /* Its symbols are those of a RetrieveBatchResponse. */
    status = sw_wire_read_response(answer, &handler, self, self->error);
    sw_rpc_message_free(answer);
    return self->status != SW_OK ? self->status : status;
}

/* One sync of the file system for all files. */
static enum sw_status sync_all(const char *path, struct sw_error *error)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum sw_status status =
        fd >= 0 && syncfs(fd) == 0
            ? SW_OK
            : sw_error_set(error, SW_IO_ERROR, "cannot sync the folder %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

int sw_admin_export(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                    struct sw_error *error)
{
    const char *path = options->args[0];
    struct exporting self = {.report = report, .error = error};
    struct sw_dir_sink *folder;
    uint64_t total = 0;
    if (sw_dir_sink_open(path, &folder, error) != SW_OK)
        return SW_ADMIN_FAILED;
    self.sink = sw_dir_sink_as_sink(folder);
    self.there = sw_dir_sink_as_local_store(folder);
    Symwave__V1__GetStatsResponse *stats = sw_admin_ask_stats(node, error);
    enum sw_status status = stats ? SW_OK : error->status;
    if (stats) {
        total = stats->symbol_count;
        symwave__v1__get_stats_response__free_unpacked(stats, &sw_protobuf_allocator);
    }
    do {
        if (status == SW_OK)
            status = export_page(node, &self);
        sw_admin_progress("exported", self.symbols, total, self.bytes);
    } while (status == SW_OK && self.page > 0);
    sw_admin_progress_end();
    sw_dir_sink_close(folder);
    if (status == SW_OK)
        status = sync_all(path, error);
    sw_admin_report_count(report, "symbols", self.symbols);
    sw_admin_report_count(report, "bytes", self.bytes);
    sw_admin_report_count(report, "there_already", self.there_already);
    sw_admin_report_count(report, "damaged", self.damaged);
    return status != SW_OK ? SW_ADMIN_FAILED : self.damaged > 0 ? SW_ADMIN_DAMAGED : SW_ADMIN_WHOLE;
}
