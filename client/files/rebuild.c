#include "client/files/rebuild.h"
#include "client/files/block_decoder.h"
#include "client/files/file_io.h"
#include "common/blake3.h"
#include "common/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_BYTES ((size_t)1 << 20) /* read and hashed at once */
/* How often a file may turn out wrong, and its bad symbols be fetched again, before this machine is to blame. */
#define TRIES 3

/* ---- for a fetch ---- */

enum sw_status sw_rebuild_missing(struct sw_rebuild *rebuild, uint32_t *missing, struct sw_error *error)
{
    enum sw_status status = sw_raptorq_decoder_check(rebuild->decoder, missing);

    if (status == SW_NO_MEMORY)
        return sw_error_set(error, status, "no memory to plan the decoding of %s", rebuild->out_path);
    return SW_OK;
}

uint32_t *sw_rebuild_wanted(const struct sw_rebuild *rebuild, size_t *count)
{
    const struct sw_layout_block block = sw_layout_block_at(rebuild->layout, rebuild->sbn);
    const uint32_t all = block.k + block.repair;
    bool *held = sw_calloc(all, sizeof(*held));
    uint32_t *wanted = sw_malloc(all * sizeof(*wanted));

    *count = 0;
    if (!held || !wanted) {
        sw_free(held);
        sw_free(wanted);
        return NULL;
    }
    for (uint32_t i = 0; i < rebuild->row_count; i++)
        held[rebuild->rows[i].esi] = true;
    for (uint32_t esi = 0; esi < all; esi++) {
        if (!held[esi])
            wanted[(*count)++] = esi;
    }
    sw_free(held);
    return wanted;
}

/* Tells the decoder of a symbol in the workspace; one that it has no use for is left there. */
static enum sw_status add_row(struct sw_rebuild *rebuild, const struct sw_held *held, struct sw_error *error)
{
    bool added = false;
    enum sw_status status = sw_raptorq_decoder_add(rebuild->decoder, held->esi, &added);

    if (status != SW_OK)
        return sw_error_set(error, status, "no memory for the list of symbols of %s", rebuild->out_path);
    if (added)
        rebuild->rows[rebuild->row_count++] = *held;
    return SW_OK;
}

enum sw_status sw_rebuild_take(struct sw_rebuild *rebuild, uint32_t esi, const void *value, size_t value_bytes,
                               struct sw_error *error)
{
    const uint8_t *bytes = value;
    const size_t expected = SW_RAPTORQ_PAYLOAD_ID_BYTES + (size_t)rebuild->layout->params.symbol_bytes;
    uint8_t sbn = 0;
    uint32_t named = 0;

    char key[SW_KEY_BASE58_SIZE];
    sw_key_to_base58(&sw_layout_block_at(rebuild->layout, rebuild->sbn).keys[esi], key);
    if (value_bytes != expected)
        return sw_error_set(error, SW_DATA_LOSS,
                            "symbol %s has %zu bytes: the layout is at fault, whose symbols have %zu", key, value_bytes,
                            expected);
    sw_raptorq_payload_id_read(bytes, &sbn, &named);
    if (sbn != rebuild->sbn || named != esi)
        return sw_error_set(error, SW_DATA_LOSS,
                            "symbol %s is number %u of block %u: the layout is at fault, which says number %u of "
                            "block %u",
                            key, named, sbn, esi, rebuild->sbn);
    enum sw_status status =
        sw_workspace_add(rebuild->workspace, rebuild->sbn, esi, bytes + SW_RAPTORQ_PAYLOAD_ID_BYTES, error);
    if (status != SW_OK)
        return status;
    const struct sw_held_block *block = &rebuild->workspace->blocks[rebuild->sbn];
    rebuild->report.taken++;
    return add_row(rebuild, &block->symbols[block->count - 1], error);
}

/* ---- block by block ---- */

static enum sw_status begin_block(struct sw_rebuild *rebuild, uint32_t sbn, struct sw_error *error)
{
    const struct sw_layout_block block = sw_layout_block_at(rebuild->layout, sbn);
    const struct sw_held_block *held = &rebuild->workspace->blocks[sbn];
    enum sw_status status = sw_raptorq_decoder_new(block.k, &rebuild->decoder);

    rebuild->sbn = sbn;
    rebuild->row_count = 0;
    /* A decoder that has enough takes no more, so that it never has more than there are. */
    rebuild->rows = sw_malloc((size_t)(block.k + block.repair) * sizeof(*rebuild->rows));
    if (status != SW_OK || !rebuild->rows)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to rebuild %s", rebuild->out_path);
    for (uint32_t i = 0; i < held->count && status == SW_OK; i++)
        status = add_row(rebuild, &held->symbols[i], error);
    return status;
}

static void end_block(struct sw_rebuild *rebuild)
{
    sw_raptorq_decoder_free(rebuild->decoder);
    rebuild->decoder = NULL;
    sw_free(rebuild->rows);
    rebuild->rows = NULL;
}

static enum sw_status rebuild_block(struct sw_rebuild *rebuild, uint32_t sbn, sw_fetch_fn fetch, void *user_data,
                                    struct sw_error *error)
{
    uint64_t started = sw_clock_us();
    uint32_t missing = 0;

    enum sw_status status = begin_block(rebuild, sbn, error);
    if (status == SW_OK)
        status = sw_rebuild_missing(rebuild, &missing, error);
    if (status == SW_OK && missing > 0) {
        sw_job_stage(&rebuild->job, SW_STAGE_TRANSFER, rebuild->report.source_symbols, 0);
        status = fetch(rebuild, user_data, error);
        struct sw_error ignored;
        sw_rebuild_missing(rebuild, &missing, &ignored);
        rebuild->report.missing = missing;
    }
    rebuild->report.fetch_us += sw_clock_us() - started;
    started = sw_clock_us();
    if (status == SW_OK) {
        sw_job_stage(&rebuild->job, SW_STAGE_DECODE, 0,
                     (uint64_t)sw_layout_block_at(rebuild->layout, sbn).k * rebuild->layout->params.symbol_bytes);
        status = sw_block_decode(rebuild, error);
        rebuild->report.decode_us += sw_clock_us() - started;
    }
    rebuild->symbols_before += sw_layout_block_at(rebuild->layout, sbn).k;
    end_block(rebuild);
    return status;
}

/* ---- the check of the whole ---- */

/* Whether the first bytes of a file, as many as the layout's file has, hash to its hash. */
static enum sw_status check_hash(struct sw_rebuild *rebuild, int fd, const char *path, bool *right,
                                 struct sw_error *error)
{
    const uint64_t started = sw_clock_us(), count = rebuild->layout->params.bytes;
    struct sw_blake3_state *state = sw_malloc(sizeof(*state));
    uint8_t *bytes = sw_malloc(HASH_BYTES);
    struct sw_key hash = {{0}};
    enum sw_status status = SW_OK;

    if (!state || !bytes)
        status = sw_error_set(error, SW_NO_MEMORY, "no memory to check %s", path);
    else
        sw_blake3_init(state);
    sw_job_stage(&rebuild->job, SW_STAGE_CHECK, 0, count);
    for (uint64_t at = 0; at < count && status == SW_OK; at += HASH_BYTES) {
        const size_t part = count - at < HASH_BYTES ? count - at : HASH_BYTES;
        status = sw_file_read(fd, path, bytes, part, at, error);
        if (status == SW_OK) {
            sw_blake3_update(state, bytes, part);
            status = sw_job_bytes(&rebuild->job, part, error);
        }
    }
    if (status == SW_OK)
        sw_blake3_final(state, hash.bytes);
    *right = status == SW_OK && sw_key_compare(&hash, &rebuild->layout->hash) == 0;
    sw_free(state);
    sw_free(bytes);
    rebuild->report.check_us += sw_clock_us() - started;
    return status;
}

/* Hashes every symbol in the workspace again, and drops those that are not what they were. */
static enum sw_status drop_bad_symbols(struct sw_rebuild *rebuild, uint64_t *dropped, struct sw_error *error)
{
    struct sw_workspace *workspace = rebuild->workspace;
    const size_t symbol_bytes = rebuild->layout->params.symbol_bytes;
    uint8_t *bytes = sw_malloc(SW_RAPTORQ_PAYLOAD_ID_BYTES + symbol_bytes);
    enum sw_status status = SW_OK;

    *dropped = 0;
    if (!bytes)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to check %s", workspace->path);
    sw_job_stage(&rebuild->job, SW_STAGE_CHECK, 0, 0);
    for (uint32_t sbn = 0; sbn < rebuild->layout->params.blocks && status == SW_OK; sbn++) {
        struct sw_held_block *block = &workspace->blocks[sbn];
        const struct sw_key *keys = sw_layout_block_at(rebuild->layout, sbn).keys;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < block->count && status == SW_OK; i++) {
            const struct sw_held held = block->symbols[i];
            sw_raptorq_payload_id_write((uint8_t)sbn, held.esi, bytes);
            status = sw_workspace_read(workspace, sbn, &held, bytes + SW_RAPTORQ_PAYLOAD_ID_BYTES, error);
            const struct sw_key key = sw_key_of_value(bytes, SW_RAPTORQ_PAYLOAD_ID_BYTES + symbol_bytes);
            if (status == SW_OK && sw_key_compare(&key, &keys[held.esi]) == 0)
                block->symbols[kept++] = held;
            if (status == SW_OK)
                status = sw_job_bytes(&rebuild->job, symbol_bytes, error);
        }
        if (status == SW_OK) {
            *dropped += block->count - kept;
            block->count = kept;
        }
    }
    sw_free(bytes);
    if (status == SW_OK && *dropped > 0)
        status = sw_workspace_rewrite_journal(workspace, error);
    return status;
}

/* ---- the whole ---- */

/* Rebuilds, checks, and finds out what was wrong, until the file is right. */
static enum sw_status rebuild_all(struct sw_rebuild *rebuild, sw_fetch_fn fetch, void *user_data,
                                  struct sw_error *error)
{
    struct sw_workspace *workspace = rebuild->workspace;
    enum sw_status status = SW_OK;
    uint64_t dropped = 0;
    bool right = false, sound = false; /* whether all symbols were good the last time */

    for (int try = 0; try < TRIES && status == SW_OK; try++) {
        rebuild->report.decoded = 0;
        rebuild->report.bad = 0;
        rebuild->symbols_before = 0;
        for (uint32_t sbn = 0; sbn < rebuild->layout->params.blocks && status == SW_OK; sbn++)
            status = rebuild_block(rebuild, sbn, fetch, user_data, error);
        if (status == SW_OK)
            status = check_hash(rebuild, workspace->fd, workspace->path, &right, error);
        if (status == SW_OK && right)
            return sw_workspace_finish(workspace, rebuild->out_path, error);
        if (status != SW_OK)
            break;
        status = drop_bad_symbols(rebuild, &dropped, error);
        /* Once more where nothing was found: it may have been in what was decoded from them. */
        if (status == SW_OK && dropped == 0 && sound)
            return sw_error_set(error, SW_DATA_LOSS,
                                "every symbol is the one that the layout names, and yet the file that they give is not "
                                "the layout's: the layout is at fault; remove %s, and use another",
                                workspace->path);
        sound = dropped == 0;
        rebuild->report.dropped += dropped;
    }
    if (status == SW_OK)
        status = sw_error_set(error, SW_DATA_LOSS,
                              "%s was wrong %d times over, with other symbols damaged each time: see to this machine's "
                              "memory and disk",
                              workspace->path, TRIES);
    return status;
}

/* Whether the output is there and right. One that cannot be read is not; a folder in its place is an error. */
static enum sw_status look_at_output(struct sw_rebuild *rebuild, bool *right, struct sw_error *error)
{
    struct stat facts;

    *right = false;
    if (stat(rebuild->out_path, &facts) != 0)
        return SW_OK;
    if (!S_ISREG(facts.st_mode))
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s is no regular file; name a file", rebuild->out_path);
    if ((uint64_t)facts.st_size != rebuild->layout->params.bytes)
        return SW_OK;
    int fd = open(rebuild->out_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return SW_OK;
    enum sw_status status = check_hash(rebuild, fd, rebuild->out_path, right, error);
    close(fd);
    return status == SW_IO_ERROR ? SW_OK : status;
}

enum sw_status sw_rebuild_file(const struct sw_layout *layout, const char *out_path,
                               const struct sw_file_options *options, sw_fetch_fn fetch, void *user_data,
                               struct sw_get_report **report, struct sw_error *error)
{
    struct sw_rebuild rebuild = {.layout = layout, .out_path = out_path};

    sw_job_start(&rebuild.job, options);
    rebuild.report.bytes = layout->params.bytes;
    for (uint32_t sbn = 0; sbn < layout->params.blocks; sbn++)
        rebuild.report.source_symbols += sw_layout_block_at(layout, sbn).k;
    enum sw_status status = look_at_output(&rebuild, &rebuild.report.already_there, error);
    if (status == SW_OK && rebuild.report.already_there)
        sw_workspace_tidy(out_path);
    if (status == SW_OK && !rebuild.report.already_there) {
        status = sw_workspace_open(layout, out_path, &rebuild.workspace, error);
        if (status == SW_OK) {
            rebuild.report.kept = rebuild.workspace->kept;
            status = rebuild_all(&rebuild, fetch, user_data, error);
        }
        sw_workspace_close(rebuild.workspace);
    }
    rebuild.report.status = status;
    rebuild.report.buffers_bytes = rebuild.job.buffers_bytes;
    rebuild.report.elapsed_us = sw_clock_us() - rebuild.job.started_us;
    if (report && (*report = sw_malloc(sizeof(**report))))
        **report = rebuild.report;
    else
        sw_report_free((struct sw_report *)rebuild.report.retrieval);
    return status;
}

void sw_get_report_free(struct sw_get_report *report)
{
    if (!report)
        return;
    sw_report_free((struct sw_report *)report->retrieval);
    sw_free(report);
}
