/* export: each symbol into a file that is named by its key. A folder that has some of them already gets the rest. */
#include "common/wire.h"
#include "server/admin_commands.h"
#include "symwave/v1/admin.pb-c.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct exporting {
    struct sw_admin_report *report;
    int folder;
    const char *path;
    struct sw_key last;
    bool has_last;
    uint64_t symbols, bytes, there_already, damaged, total;
    size_t page; /* symbols of the page that is being read */
    enum sw_status status;
    struct sw_error *error;
};

static enum sw_status failed(const struct exporting *self, const char *what, const char *name)
{
    const int saved = errno;
    return sw_error_set(self->error, saved == ENOSPC || saved == EDQUOT ? SW_NO_SPACE : SW_IO_ERROR,
                        "cannot %s %s/%s: %s", what, self->path, name, strerror(saved));
}

/* Whether the file is there with the right bytes: what a power cut left of one is not. */
static bool is_there(const struct exporting *self, const char *name, const uint8_t *value, size_t bytes,
                     uint8_t *scratch)
{
    struct stat facts;
    const int fd = openat(self->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const bool there = fd >= 0 && fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size == (off_t)bytes &&
                       read(fd, scratch, bytes) == (ssize_t)bytes && memcmp(scratch, value, bytes) == 0;
    if (fd >= 0)
        close(fd);
    return there;
}

static enum sw_status write_file(const struct exporting *self, const char *name, const uint8_t *value, size_t bytes)
{
    char part[SW_KEY_BASE58_SIZE + 8];
    snprintf(part, sizeof(part), ".%s.part", name);
    const int fd = openat(self->folder, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return failed(self, "make", part);
    ssize_t written = write(fd, value, bytes);
    if (written >= 0 && written < (ssize_t)bytes) {
        written = -1;
        errno = ENOSPC;
    }
    enum sw_status status = written < 0 ? failed(self, "write", part) : SW_OK;
    if (close(fd) != 0 && status == SW_OK)
        status = failed(self, "close", part);
    if (status == SW_OK && renameat(self->folder, part, self->folder, name) != 0)
        status = failed(self, "name", name);
    if (status != SW_OK)
        unlinkat(self->folder, part, 0);
    return status;
}

static bool take_symbol(void *user_data, const struct sw_key *key, const struct sw_wire_value *value)
{
    struct exporting *self = user_data;
    char name[SW_KEY_BASE58_SIZE];
    self->page++;
    self->last = *key;
    self->has_last = true;
    sw_key_to_base58(key, name);
    uint8_t *scratch = malloc(2 * value->bytes + 1);
    if (!scratch) {
        self->status = sw_error_set(self->error, SW_NO_MEMORY, "no memory for a symbol");
        return false;
    }
    const uint8_t *bytes = sw_wire_value_flatten(value, scratch);
    const struct sw_key hash = sw_key_of_value(bytes, value->bytes);
    if (memcmp(&hash, key, sizeof(hash)) != 0) {
        self->damaged++;
        sw_admin_report_item(self->report, "damaged_keys", name);
    } else {
        self->symbols++;
        self->bytes += value->bytes;
        if (is_there(self, name, bytes, value->bytes, scratch + value->bytes))
            self->there_already++;
        else
            self->status = write_file(self, name, bytes, value->bytes);
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
    if (self->has_last)
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

static enum sw_status count_symbols(struct sw_admin_node *node, uint64_t *count, struct sw_error *error)
{
    struct sw_rpc_message *answer;
    enum sw_status status = sw_admin_ask(node, "Admin/GetStats", "", 0, &answer, error);
    if (status != SW_OK)
        return status;
    Symwave__V1__GetStatsResponse *stats =
        symwave__v1__get_stats_response__unpack(NULL, sw_rpc_message_bytes(answer), sw_rpc_message_flatten(answer));
    if (stats) {
        *count = stats->symbol_count;
        symwave__v1__get_stats_response__free_unpacked(stats, NULL);
    }
    sw_rpc_message_free(answer);
    return SW_OK;
}

int sw_admin_export(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                    struct sw_error *error)
{
    struct exporting self = {.report = report, .path = options->args[0], .error = error};
    if (mkdir(self.path, 0755) != 0 && errno != EEXIST) {
        sw_error_set(error, SW_IO_ERROR, "cannot make the folder %s: %s", self.path, strerror(errno));
        return SW_ADMIN_FAILED;
    }
    self.folder = open(self.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self.folder < 0) {
        sw_error_set(error, SW_IO_ERROR, "cannot open the folder %s: %s", self.path, strerror(errno));
        return SW_ADMIN_FAILED;
    }
    enum sw_status status = count_symbols(node, &self.total, error);
    do {
        if (status == SW_OK)
            status = export_page(node, &self);
        sw_admin_progress("exported", self.symbols, self.total, self.bytes);
    } while (status == SW_OK && self.page > 0);
    sw_admin_progress_end();
    /* One sync of the file system for all files. */
    if (status == SW_OK && syncfs(self.folder) != 0)
        status = failed(&self, "sync", ".");
    close(self.folder);
    sw_admin_report_count(report, "symbols", self.symbols);
    sw_admin_report_count(report, "bytes", self.bytes);
    sw_admin_report_count(report, "there_already", self.there_already);
    sw_admin_report_count(report, "damaged", self.damaged);
    return status != SW_OK ? SW_ADMIN_FAILED : self.damaged > 0 ? SW_ADMIN_DAMAGED : SW_ADMIN_WHOLE;
}
