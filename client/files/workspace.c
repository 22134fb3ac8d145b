#include "client/files/workspace.h"
#include "client/files/file_io.h"
#include "client/files/journal.h"
#include "common/memory.h"
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What must be free beside the file, for the repair symbols among its symbols and everything else: a fraction of it. */
#define SPARE_DIVISOR 50

/* Adds to the list; false without memory. */
static bool hold(struct sw_workspace *workspace, uint32_t sbn, uint32_t esi, uint32_t slot)
{
    struct sw_held_block *block = &workspace->blocks[sbn];

    if (block->count == block->capacity) {
        uint32_t capacity = block->capacity ? block->capacity * 2 : 64;
        struct sw_held *symbols = sw_realloc(block->symbols, capacity * sizeof(*symbols));
        if (!symbols)
            return false;
        block->symbols = symbols;
        block->capacity = capacity;
    }
    block->symbols[block->count++] = (struct sw_held){esi, slot};
    if (slot != SW_JOURNAL_NO_SLOT && slot >= workspace->slots)
        workspace->slots = slot + 1;
    return true;
}

static bool take_record(const struct sw_journal_record *record, void *user_data)
{
    struct sw_workspace *workspace = user_data;
    const uint32_t sbn = record->symbol >> 24, esi = record->symbol & SW_RAPTORQ_ESI_MAX;

    if (sbn >= workspace->layout->params.blocks)
        return false;
    const struct sw_layout_block block = sw_layout_block_at(workspace->layout, sbn);
    if (esi >= block.k + block.repair || (esi < block.k) != (record->slot == SW_JOURNAL_NO_SLOT))
        return false;
    /* Slots are taken one after the other; one that the file does not reach was lost with the machine's power. */
    if (esi >= block.k && (record->slot != workspace->slots ||
                           sw_workspace_slot_offset(workspace, record->slot + 1) > workspace->found_bytes))
        return false;
    return hold(workspace, sbn, esi, record->slot);
}

static void forget(struct sw_workspace *workspace)
{
    for (uint32_t sbn = 0; sbn < SW_LAYOUT_BLOCKS_MAX; sbn++)
        workspace->blocks[sbn].count = 0;
    workspace->slots = 0;
}

/* Fails now rather than after most of the file has come. */
static enum sw_status check_space(const struct sw_workspace *workspace, const struct stat *facts,
                                  struct sw_error *error)
{
    struct statvfs fs;

    if (fstatvfs(workspace->fd, &fs) != 0)
        return SW_OK; /* the writes will tell */
    const uint64_t wanted = workspace->repair_start + workspace->repair_start / SPARE_DIVISOR;
    const uint64_t there = (uint64_t)facts->st_blocks * 512, left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (wanted <= there || wanted - there <= left)
        return SW_OK;
    return sw_error_set(error, SW_NO_SPACE,
                        "%s needs %.1f MB and its disk has %.1f MB free; free some space, or choose another disk",
                        workspace->path, (double)(wanted - there) / 1e6, (double)left / 1e6);
}

static enum sw_status open_journal(struct sw_workspace *workspace, struct sw_error *error)
{
    const struct sw_key id = sw_layout_id(workspace->layout);
    char *path = sw_file_name(workspace->path, ".journal");
    bool kept = false;

    if (!path)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to open %s", workspace->path);
    /* A file that somebody else has left under our names is not ours to destroy. */
    const bool there = access(path, F_OK) == 0, is_ours = there && sw_journal_is_one(path);
    if (!is_ours && (there || workspace->found_bytes > 0)) {
        enum sw_status status = sw_error_set(
            error, SW_INVALID_ARGUMENT, "%s is there, and %s; remove it, or move it out of the way",
            there ? path : workspace->path,
            there ? "is no journal of a get or a decode" : "the journal of a get or a decode is not beside it");
        sw_free(path);
        return status;
    }
    /* A workspace shorter than the file holds nothing, whatever a journal says. It is never cut further than that. */
    const bool fresh = workspace->found_bytes < workspace->layout->params.bytes;
    enum sw_status status =
        sw_journal_open(path, &id, fresh, take_record, workspace, &workspace->journal, &kept, error);
    sw_free(path);
    if (status == SW_OK && !kept) {
        forget(workspace);
        /* What another layout has left goes before the file is as long as one that was begun. */
        if (workspace->found_bytes > 0 && ftruncate(workspace->fd, 0) != 0)
            status = sw_file_error(error, "write", workspace->path, errno);
    }
    if (status == SW_OK && (!kept || workspace->found_bytes < workspace->repair_start))
        status = sw_file_extend(workspace->fd, workspace->path, workspace->repair_start, error);
    for (uint32_t sbn = 0; sbn < workspace->layout->params.blocks; sbn++)
        workspace->kept += workspace->blocks[sbn].count;
    return status;
}

enum sw_status sw_workspace_open(const struct sw_layout *layout, const char *out_path, struct sw_workspace **out,
                                 struct sw_error *error)
{
    struct sw_workspace *workspace = sw_calloc(1, sizeof(*workspace));
    enum sw_status status = SW_OK;

    *out = NULL;
    if (workspace) {
        workspace->fd = -1;
        workspace->layout = layout;
        workspace->path = sw_file_name(out_path, ".part");
        for (uint32_t sbn = 0; sbn < layout->params.blocks; sbn++)
            workspace->repair_start +=
                (uint64_t)sw_raptorq_block_at(&layout->params, sbn).k * layout->params.symbol_bytes;
    }
    if (!workspace || !workspace->path)
        status = sw_error_set(error, SW_NO_MEMORY, "no memory to write %s", out_path);
    if (status == SW_OK) {
        status = sw_file_open_work(workspace->path, "another get or decode", &workspace->fd, error);
        if (status != SW_OK)
            workspace->fd = -1;
    }
    struct stat facts;
    if (status == SW_OK && fstat(workspace->fd, &facts) != 0)
        status = sw_file_error(error, "look at", workspace->path, errno);
    if (status == SW_OK) {
        workspace->found_bytes = (uint64_t)facts.st_size;
        status = check_space(workspace, &facts, error);
        if (status == SW_OK)
            status = open_journal(workspace, error);
        if (status != SW_OK && facts.st_size == 0)
            unlink(workspace->path);
    }
    if (status == SW_OK)
        *out = workspace;
    else
        sw_workspace_close(workspace);
    return status;
}

uint64_t sw_workspace_slot_offset(const struct sw_workspace *workspace, uint32_t slot)
{
    return workspace->repair_start + (uint64_t)slot * workspace->layout->params.symbol_bytes;
}

/* Reads or writes the sub-symbols of a source symbol at their places in the file. */
static enum sw_status each_sub_symbol(struct sw_workspace *workspace, uint32_t sbn, uint32_t esi, uint8_t *to,
                                      const uint8_t *from, struct sw_error *error)
{
    const struct sw_raptorq_params *params = &workspace->layout->params;
    const uint64_t start = sw_raptorq_block_at(params, sbn).offset;
    enum sw_status status = SW_OK;

    for (uint32_t index = 0; index < params->sub_blocks && status == SW_OK; index++) {
        const struct sw_raptorq_sub_block sub = sw_raptorq_sub_block_at(params, sbn, index);
        const uint64_t offset = start + sub.block_offset + (uint64_t)esi * sub.bytes;
        if (from)
            status = sw_file_write(workspace->fd, workspace->path, from + sub.symbol_offset, sub.bytes, offset, error);
        else
            status = sw_file_read(workspace->fd, workspace->path, to + sub.symbol_offset, sub.bytes, offset, error);
    }
    return status;
}

enum sw_status sw_workspace_add(struct sw_workspace *workspace, uint32_t sbn, uint32_t esi, const uint8_t *bytes,
                                struct sw_error *error)
{
    struct sw_journal_record record = {.symbol = sbn << 24 | esi, .slot = SW_JOURNAL_NO_SLOT};
    enum sw_status status;

    if (esi < sw_layout_block_at(workspace->layout, sbn).k) {
        status = each_sub_symbol(workspace, sbn, esi, NULL, bytes, error);
    } else {
        record.slot = workspace->slots;
        status = sw_file_write(workspace->fd, workspace->path, bytes, workspace->layout->params.symbol_bytes,
                               sw_workspace_slot_offset(workspace, record.slot), error);
    }
    if (status == SW_OK)
        status = sw_journal_add(workspace->journal, &record, error);
    if (status == SW_OK && !hold(workspace, sbn, esi, record.slot))
        status = sw_error_set(error, SW_NO_MEMORY, "no memory for the list of symbols in %s", workspace->path);
    return status;
}

enum sw_status sw_workspace_read(struct sw_workspace *workspace, uint32_t sbn, const struct sw_held *held,
                                 uint8_t *bytes, struct sw_error *error)
{
    if (held->slot == SW_JOURNAL_NO_SLOT)
        return each_sub_symbol(workspace, sbn, held->esi, bytes, NULL, error);
    return sw_file_read(workspace->fd, workspace->path, bytes, workspace->layout->params.symbol_bytes,
                        sw_workspace_slot_offset(workspace, held->slot), error);
}

/* Moves a repair symbol to the next slot, which is its own or one before it. */
static enum sw_status move_down(struct sw_workspace *workspace, struct sw_held *held, uint8_t *bytes,
                                struct sw_error *error)
{
    const size_t count = workspace->layout->params.symbol_bytes;
    const uint32_t slot = workspace->slots++;
    enum sw_status status = SW_OK;

    if (slot == held->slot)
        return SW_OK;
    status = sw_file_read(workspace->fd, workspace->path, bytes, count, sw_workspace_slot_offset(workspace, held->slot),
                          error);
    if (status == SW_OK)
        status = sw_file_write(workspace->fd, workspace->path, bytes, count, sw_workspace_slot_offset(workspace, slot),
                               error);
    held->slot = slot;
    return status;
}

/*
 * Slots are numbered in the order of the journal, block by block. Blocks come one after the other, so that is the order
 * in which they were taken, unless an earlier rewrite let a block have more of them later: then a slot might be moved
 * onto one that is still needed. So the journal is forgotten first, and repair symbols that are not in order are
 * dropped: they are few, and are fetched again.
 */
enum sw_status sw_workspace_rewrite_journal(struct sw_workspace *workspace, struct sw_error *error)
{
    uint8_t *bytes = sw_malloc(workspace->layout->params.symbol_bytes);
    enum sw_status status = bytes ? sw_journal_clear(workspace->journal, error)
                                  : sw_error_set(error, SW_NO_MEMORY, "no memory to repair %s", workspace->path);

    workspace->slots = 0;
    for (uint32_t sbn = 0; sbn < workspace->layout->params.blocks && status == SW_OK; sbn++) {
        struct sw_held_block *block = &workspace->blocks[sbn];
        uint32_t kept = 0;
        for (uint32_t i = 0; i < block->count && status == SW_OK; i++) {
            struct sw_held held = block->symbols[i];
            if (held.slot != SW_JOURNAL_NO_SLOT && held.slot < workspace->slots)
                continue;
            if (held.slot != SW_JOURNAL_NO_SLOT)
                status = move_down(workspace, &held, bytes, error);
            const struct sw_journal_record record = {sbn << 24 | held.esi, held.slot};
            if (status == SW_OK)
                status = sw_journal_add(workspace->journal, &record, error);
            block->symbols[kept++] = held;
        }
        if (status == SW_OK)
            block->count = kept;
    }
    sw_free(bytes);
    return status;
}

enum sw_status sw_workspace_finish(struct sw_workspace *workspace, const char *out_path, struct sw_error *error)
{
    /* Synced before it is cut, which takes long: until then a crash leaves all that is in the workspace. */
    if (fsync(workspace->fd) != 0 || ftruncate(workspace->fd, (off_t)workspace->layout->params.bytes) != 0 ||
        fsync(workspace->fd) != 0)
        return sw_file_error(error, "write", workspace->path, errno);
    enum sw_status status = sw_file_rename(workspace->path, out_path, error);
    if (status == SW_OK) {
        sw_journal_close(workspace->journal, true);
        workspace->journal = NULL;
    }
    return status;
}

void sw_workspace_tidy(const char *out_path)
{
    char *part = sw_file_name(out_path, ".part"), *journal = sw_file_name(out_path, ".part.journal");

    if (part && journal && access(part, F_OK) != 0 && errno == ENOENT && sw_journal_is_one(journal))
        unlink(journal);
    sw_free(part);
    sw_free(journal);
}

void sw_workspace_close(struct sw_workspace *workspace)
{
    if (!workspace)
        return;
    for (uint32_t sbn = 0; sbn < SW_LAYOUT_BLOCKS_MAX; sbn++)
        sw_free(workspace->blocks[sbn].symbols);
    sw_journal_close(workspace->journal, false);
    if (workspace->fd >= 0)
        close(workspace->fd);
    sw_free(workspace->path);
    sw_free(workspace);
}
