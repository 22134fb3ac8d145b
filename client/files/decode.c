/* sw_decode_file: symbols from a folder, one file a symbol, named by its key. */
#include "client/files/file_io.h"
#include "client/files/rebuild.h"
#include "common/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    const char *path;
    int fd;
    uint8_t *symbol; /* room for one, and a byte more, so that a longer file shows */
    size_t symbol_bytes;
};

/*
 * Reads the file of a key, if there is one: *bytes is how many it has, 0 where it is not there or not the right one.
 * bad counts those.
 */
static enum sw_status read_symbol(const struct folder *folder, const struct sw_key *key, size_t *bytes, uint64_t *bad,
                                  struct sw_error *error)
{
    char name[SW_KEY_BASE58_SIZE];
    size_t count = 0;
    ssize_t part = 1;

    *bytes = 0;
    sw_key_to_base58(key, name);
    int fd = openat(folder->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return SW_OK;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return sw_file_error(error, "read a symbol in", folder->path, errno);
    while (fd >= 0 && count <= folder->symbol_bytes && part > 0) {
        part = read(fd, folder->symbol + count, folder->symbol_bytes + 1 - count);
        if (part < 0 && errno == EINTR)
            part = 1;
        else if (part > 0)
            count += (size_t)part;
    }
    if (fd >= 0)
        close(fd);
    const struct sw_key found = sw_key_of_value(folder->symbol, count);
    if (part == 0 && sw_key_compare(&found, key) == 0)
        *bytes = count;
    *bad += *bytes == 0;
    return SW_OK;
}

/* Goes through the symbols that are not there yet, in their order, until there are enough. */
static enum sw_status fetch(struct sw_rebuild *rebuild, void *user_data, struct sw_error *error)
{
    const struct folder *folder = user_data;
    const struct sw_key *keys = sw_layout_block_at(rebuild->layout, rebuild->sbn).keys;
    uint32_t missing = 1;
    size_t count;
    uint32_t *wanted = sw_rebuild_wanted(rebuild, &count);
    enum sw_status status =
        wanted ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory for the list of symbols in %s", folder->path);

    rebuild->job.progress.symbols = rebuild->symbols_before + rebuild->row_count;
    for (size_t i = 0; i < count && status == SW_OK && missing > 0; i++) {
        size_t bytes = 0;
        status = read_symbol(folder, &keys[wanted[i]], &bytes, &rebuild->report.bad, error);
        if (status == SW_OK && bytes > 0) {
            status = sw_rebuild_take(rebuild, wanted[i], folder->symbol, bytes, error);
            if (status == SW_OK)
                status = sw_rebuild_missing(rebuild, &missing, error);
            rebuild->job.progress.symbols++;
        }
        if (status == SW_OK)
            status = sw_job_bytes(&rebuild->job, bytes, error);
    }
    sw_free(wanted);
    if (status == SW_OK && missing > 0)
        status = sw_error_set(error, SW_SHORT, "%s has too few symbols of this file", folder->path);
    return status;
}

enum sw_status sw_decode_file(const struct sw_layout *layout, const char *symbols_path, const char *out_path,
                              const struct sw_file_options *options, struct sw_get_report **report,
                              struct sw_error *error)
{
    struct folder folder = {.path = symbols_path};

    if (report)
        *report = NULL;
    if (!layout || !symbols_path || !out_path || out_path[0] == '\0')
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a decode needs a layout, a folder and an output file");
    folder.fd = open(symbols_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder.fd < 0)
        return sw_file_error(error, "open the folder", symbols_path, errno);
    folder.symbol_bytes = SW_RAPTORQ_PAYLOAD_ID_BYTES + (size_t)layout->params.symbol_bytes;
    folder.symbol = sw_malloc(folder.symbol_bytes + 1);
    enum sw_status status = SW_NO_MEMORY;
    if (folder.symbol)
        status = sw_rebuild_file(layout, out_path, options, fetch, &folder, report, error);
    else
        sw_error_set(error, status, "no memory to decode %s", out_path);
    sw_free(folder.symbol);
    close(folder.fd);
    return status;
}
