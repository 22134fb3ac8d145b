/*
 * Files into symbols: sw_put_file, to nodes, and sw_encode_file, to a folder. Symbols are made one by one, in the order
 * of the layout, as whoever stores them asks for the next.
 */
#include "client/files/block_encoder.h"
#include "client/files/file_io.h"
#include "client/files/layout.h"
#include "common/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where none of so many symbols is on any node, nobody is there to store on. */
#define HOPELESS_SYMBOLS 256

struct putting {
    struct sw_job job;
    const char *path;
    int fd;
    struct stat facts; /* of the file, before it is read */
    struct sw_raptorq_params params;
    struct sw_block_encoder *encoder;
    struct sw_layout_writer *layout;
    uint8_t *symbol;
    uint32_t sbn, esi;   /* of the next symbol */
    uint32_t esi_end;    /* 0 before the first block is ready */
    uint64_t symbols_in; /* whose fate is known: in the layout */
    uint64_t placed;     /* of these, on a node at least */
    enum sw_status status;
    struct sw_error error; /* of a callback that cannot return one */
    struct sw_put_report report;
};

/* ---- the symbols, one after the other ---- */

/* Whether the file is still what it was. One that was written to in place tells by its times alone. */
static enum sw_status check_unchanged(const struct putting *putting, struct sw_error *error)
{
    struct stat facts;

    if (fstat(putting->fd, &facts) == 0 && facts.st_size == putting->facts.st_size &&
        facts.st_mtim.tv_sec == putting->facts.st_mtim.tv_sec &&
        facts.st_mtim.tv_nsec == putting->facts.st_mtim.tv_nsec)
        return SW_OK;
    return sw_error_set(error, SW_INVALID_ARGUMENT, "%s changed while it was read; run this again when it is at rest",
                        putting->path);
}

static enum sw_status next_block(struct putting *putting, struct sw_error *error)
{
    const uint64_t started = sw_clock_us();
    const struct sw_progress progress = putting->job.progress;

    if (putting->esi_end > 0)
        putting->sbn++;
    if (putting->sbn == putting->params.blocks)
        return SW_OK;
    sw_job_stage(&putting->job, SW_STAGE_ENCODE, 0, sw_raptorq_block_at(&putting->params, putting->sbn).bytes);
    enum sw_status status = sw_block_encoder_next(putting->encoder, &putting->job, error);
    putting->job.progress = progress;
    putting->report.encode_us += sw_clock_us() - started;
    /* A file that ends too soon has shrunk. */
    if (status == SW_IO_ERROR && check_unchanged(putting, error) != SW_OK)
        status = SW_INVALID_ARGUMENT;
    putting->esi = 0;
    putting->esi_end =
        sw_raptorq_block_at(&putting->params, putting->sbn).k + sw_layout_repair_count(&putting->params, putting->sbn);
    if (status == SW_OK && putting->sbn + 1 == putting->params.blocks) {
        putting->report.hash = sw_block_encoder_hash(putting->encoder);
        status = check_unchanged(putting, error);
    }
    return status;
}

/* Makes the next symbol; *made is false at the end. */
static enum sw_status next_symbol(struct putting *putting, bool *made, struct sw_error *error)
{
    enum sw_status status = SW_OK;

    *made = false;
    if (putting->esi == putting->esi_end)
        status = next_block(putting, error);
    if (status != SW_OK || putting->sbn == putting->params.blocks)
        return status;
    status = sw_block_encoder_make(putting->encoder, putting->esi, putting->symbol, error);
    if (status != SW_OK)
        return status;
    putting->esi++;
    putting->report.symbols_made++;
    *made = true;
    return SW_OK;
}

/* ---- to nodes ---- */

static enum sw_status source(struct sw_value *value, struct sw_error *error, void *user_data)
{
    struct putting *putting = user_data;
    bool made;

    if (putting->status != SW_OK)
        return sw_error_set(error, putting->status, "%s", putting->error.message);
    enum sw_status status = next_symbol(putting, &made, error);
    if (status == SW_OK && made) {
        value->bytes = putting->symbol; /* copied before the next is asked for */
        value->bytes_count = sw_block_encoder_symbol_bytes(putting->encoder);
    }
    return status;
}

static void stored(uint64_t index, const struct sw_key *key, uint32_t replicas, uint32_t replicas_wanted,
                   void *user_data)
{
    struct putting *putting = user_data;

    (void)index;
    (void)replicas_wanted;
    putting->symbols_in++;
    putting->placed += replicas > 0;
    if (replicas == 0 && putting->report.unplaced++ < SW_FILE_SAMPLE_MAX)
        putting->report.unplaced_sample[putting->report.unplaced_sample_count++] = *key;
    if (putting->status != SW_OK)
        return;
    putting->status = sw_layout_writer_add(putting->layout, key, &putting->error);
    if (putting->status == SW_OK && putting->placed == 0 && putting->symbols_in >= HOPELESS_SYMBOLS)
        putting->status = sw_error_set(&putting->error, SW_UNAVAILABLE,
                                       "no node took any of the first %d symbols; see that the nodes run, that they "
                                       "accept writes, and that the node list has their addresses",
                                       HOPELESS_SYMBOLS);
}

/* The store's progress, of what the layout has in all. */
static void store_progress(const struct sw_progress *progress, void *user_data)
{
    struct putting *putting = user_data;
    struct sw_progress told = *progress;

    told.symbols_total = putting->report.source_symbols + putting->report.repair_symbols;
    putting->job.options.progress(&told, putting->job.options.progress_data);
}

static enum sw_status store(struct putting *putting, struct sw_client *client, struct sw_error *error)
{
    struct sw_store_options options = SW_STORE_OPTIONS_INIT;
    struct sw_store_report *report = NULL;

    options.deadline_ms = sw_job_left_ms(&putting->job);
    options.progress_interval_ms = putting->job.options.progress_interval_ms;
    options.cancel = putting->job.options.cancel;
    options.progress = putting->job.options.progress ? store_progress : NULL;
    options.progress_data = putting;
    options.stored = stored;
    options.stored_data = putting;
    options.ask_first = true;
    enum sw_status status = sw_store_stream(client, source, putting, &options, &report, error);
    putting->report.store = report;
    if (status == SW_OK && putting->status != SW_OK)
        status = sw_error_set(error, putting->status, "%s", putting->error.message);
    return status;
}

/* Says of a put that fell short which symbols are on no node. */
static void explain(const struct putting *putting, struct sw_error *error)
{
    const struct sw_store_report *report = putting->report.store;
    char text[SW_KEY_BASE58_SIZE];

    if (putting->report.unplaced == 0 || !report)
        return;
    sw_key_to_base58(&putting->report.unplaced_sample[0], text);
    sw_error_set(error, SW_SHORT, "%llu of %llu symbols are on no node, the first is %s; first failure: %.250s",
                 (unsigned long long)putting->report.unplaced, (unsigned long long)putting->symbols_in, text,
                 report->first_failure);
}

/* ---- to a folder ---- */

static enum sw_status fill_folder(struct putting *putting, struct sw_dir_sink *folder, struct sw_error *error)
{
    const struct sw_sink sink = folder ? sw_dir_sink_as_sink(folder) : (struct sw_sink){.take = NULL};
    const size_t bytes = sw_block_encoder_symbol_bytes(putting->encoder);
    enum sw_status status;
    bool made;

    sw_job_stage(&putting->job, SW_STAGE_TRANSFER, putting->report.source_symbols + putting->report.repair_symbols, 0);
    while ((status = next_symbol(putting, &made, error)) == SW_OK && made) {
        const struct sw_key key = sw_key_of_value(putting->symbol, bytes);
        const struct sw_symbol symbol = {.key = &key, .value = putting->symbol, .value_bytes = bytes};
        /* Without a node's name the folder looks first whether it has the symbol. */
        status = folder ? sink.take(&symbol, error, sink.user_data) : SW_OK;
        if (status == SW_OK)
            status = sw_layout_writer_add(putting->layout, &key, error);
        putting->job.progress.symbols++;
        if (status == SW_OK)
            status = sw_job_bytes(&putting->job, bytes, error);
        if (status != SW_OK)
            break;
    }
    return status;
}

/* Makes the folder's files durable, in one call for all of them: the layout, which is synced, must not outlive them. */
static enum sw_status sync_folder(const char *path, struct sw_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum sw_status status = SW_OK;

    if (fd < 0 || syncfs(fd) != 0)
        status = sw_file_error(error, "sync the folder", path, errno);
    if (fd >= 0)
        close(fd);
    return status;
}

/* ---- both ---- */

/* The layout goes to a name, and to another before; neither may be the file's own. */
static enum sw_status check_names(const struct putting *putting, const char *layout_path, struct sw_error *error)
{
    char *part = sw_file_name(layout_path, ".part");
    const char *names[] = {layout_path, part};
    enum sw_status status = part ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory to encode %s", putting->path);
    struct stat facts;

    if (status == SW_OK && stat(layout_path, &facts) == 0 && !S_ISREG(facts.st_mode))
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "%s is %s and no regular file; name a file for the layout",
                              layout_path, S_ISDIR(facts.st_mode) ? "a folder" : "a pipe or a device");
    for (size_t i = 0; i < 2 && status == SW_OK; i++) {
        if (stat(names[i], &facts) == 0 && facts.st_dev == putting->facts.st_dev &&
            facts.st_ino == putting->facts.st_ino)
            status = sw_error_set(error, SW_INVALID_ARGUMENT,
                                  "the layout would replace %s itself; give the layout another name", putting->path);
    }
    sw_free(part);
    return status;
}

static enum sw_status begin(struct putting *putting, const char *layout_path, struct sw_error *error)
{
    uint64_t bytes;

    enum sw_status status = sw_file_open(putting->path, &putting->fd, &bytes, error);
    if (status != SW_OK) {
        putting->fd = -1;
        return status;
    }
    if (fstat(putting->fd, &putting->facts) != 0)
        return sw_file_error(error, "look at", putting->path, errno);
    bytes = (uint64_t)putting->facts.st_size;
    if (bytes == 0)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s is empty: a file has at least one byte", putting->path);
    status = check_names(putting, layout_path, error);
    if (status != SW_OK)
        return status;
    struct sw_error cause;
    if (sw_raptorq_params_derive(bytes, NULL, &putting->params, &cause) != SW_OK)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s: %s", putting->path, cause.message);
    putting->report.bytes = bytes;
    putting->report.blocks = putting->params.blocks;
    for (uint32_t sbn = 0; sbn < putting->params.blocks; sbn++) {
        putting->report.source_symbols += sw_raptorq_block_at(&putting->params, sbn).k;
        putting->report.repair_symbols += sw_layout_repair_count(&putting->params, sbn);
    }
    /* A key and what stands around it; one that could not be read back helps nobody. */
    if ((putting->report.source_symbols + putting->report.repair_symbols) * 48 > SW_LAYOUT_FILE_BYTES_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s: its layout would be larger than %u bytes; cut it in parts",
                            putting->path, SW_LAYOUT_FILE_BYTES_MAX);
    status = sw_layout_writer_open(layout_path, &putting->params, &putting->layout, error);
    if (status == SW_OK)
        status =
            sw_block_encoder_open(putting->fd, putting->path, layout_path, &putting->params, &putting->encoder, error);
    if (status == SW_OK && !(putting->symbol = sw_malloc(sw_block_encoder_symbol_bytes(putting->encoder))))
        status = sw_error_set(error, SW_NO_MEMORY, "no memory to encode %s", putting->path);
    return status;
}

/* Ends the job, and gives its report away. */
static enum sw_status end(struct putting *putting, enum sw_status status, struct sw_put_report **report,
                          struct sw_error *error)
{
    if (status == SW_OK)
        status = sw_layout_writer_finish(putting->layout, &putting->report.hash, error);
    sw_layout_writer_close(putting->layout);
    sw_block_encoder_close(putting->encoder);
    sw_free(putting->symbol);
    if (putting->fd >= 0)
        close(putting->fd);
    putting->report.status = status;
    putting->report.buffers_bytes = putting->job.buffers_bytes;
    putting->report.elapsed_us = sw_clock_us() - putting->job.started_us;
    if (report && (*report = sw_malloc(sizeof(**report))))
        **report = putting->report;
    else
        sw_store_report_free((struct sw_store_report *)putting->report.store);
    return status;
}

static void start(struct putting *putting, const char *path, const struct sw_file_options *options)
{
    memset(putting, 0, sizeof(*putting));
    sw_job_start(&putting->job, options);
    putting->path = path;
}

enum sw_status sw_put_file(struct sw_client *client, const char *path, const char *layout_path,
                           const struct sw_file_options *options, struct sw_put_report **report, struct sw_error *error)
{
    struct putting putting;

    if (report)
        *report = NULL;
    if (!client || !path || !layout_path || layout_path[0] == '\0')
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a put needs a client, a file and where its layout goes");
    start(&putting, path, options);
    enum sw_status status = begin(&putting, layout_path, error);
    if (status == SW_OK) {
        status = store(&putting, client, error);
        if (status == SW_SHORT)
            explain(&putting, error);
        if (status == SW_CANCELLED || status == SW_DEADLINE_EXCEEDED)
            sw_error_set(error, status, "%s with %llu of %llu symbols stored",
                         status == SW_CANCELLED ? "cancelled" : "the deadline passed",
                         (unsigned long long)putting.placed,
                         (unsigned long long)(putting.report.source_symbols + putting.report.repair_symbols));
    }
    return end(&putting, status, report, error);
}

enum sw_status sw_encode_file(const char *path, const char *layout_path, const char *symbols_path,
                              const struct sw_file_options *options, struct sw_put_report **report,
                              struct sw_error *error)
{
    struct sw_dir_sink *folder = NULL;
    struct putting putting;

    if (report)
        *report = NULL;
    if (!path || !layout_path || layout_path[0] == '\0')
        return sw_error_set(error, SW_INVALID_ARGUMENT, "an encode needs a file and where its layout goes");
    start(&putting, path, options);
    enum sw_status status = begin(&putting, layout_path, error);
    if (status == SW_OK && symbols_path)
        status = sw_dir_sink_open(symbols_path, &folder, error);
    if (status == SW_OK)
        status = fill_folder(&putting, folder, error);
    if (status == SW_OK && folder)
        status = sync_folder(symbols_path, error);
    sw_dir_sink_close(folder);
    return end(&putting, status, report, error);
}

void sw_put_report_free(struct sw_put_report *report)
{
    if (!report)
        return;
    sw_store_report_free((struct sw_store_report *)report->store);
    sw_free(report);
}
