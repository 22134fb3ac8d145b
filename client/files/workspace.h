/*
 * A workspace: where a file is put together from its symbols, at OUT.part beside the output, with a journal beside it.
 *
 * Source symbols are written to their places in the file, sub-symbol by sub-symbol, so that a file of which all of them
 * came is there when the last is. Repair symbols stand behind the file, one after the other. In the end the workspace
 * is cut to the file's size and renamed.
 */
#ifndef SW_FILE_WORKSPACE_H
#define SW_FILE_WORKSPACE_H

#include "client/files/layout.h"

/* A symbol that is in the workspace. */
struct sw_held {
    uint32_t esi;
    uint32_t slot; /* SW_JOURNAL_NO_SLOT for a source symbol */
};

/* Those of one source block, in the order in which they came. */
struct sw_held_block {
    struct sw_held *symbols;
    uint32_t count, capacity;
};

struct sw_workspace {
    const struct sw_layout *layout;
    char *path;
    int fd;
    struct sw_journal *journal;
    struct sw_held_block blocks[SW_LAYOUT_BLOCKS_MAX];
    uint32_t slots;        /* that are taken */
    uint64_t repair_start; /* where repair symbols begin: behind the last source symbol */
    uint64_t found_bytes;  /* how long the file was when it was opened */
    uint64_t kept;         /* symbols that were there when it was opened */
};

/*
 * Opens the workspace for an output file; the layout is borrowed. What an interrupted job for the same layout has left
 * is there again; of a job for another layout nothing stays. The caller closes it. SW_INVALID_ARGUMENT: another process
 * is at work on it, or the file is none of ours; SW_NO_SPACE: there is not enough for the whole file. Else as file_io.h
 * has it.
 */
enum sw_status sw_workspace_open(const struct sw_layout *layout, const char *out_path, struct sw_workspace **workspace,
                                 struct sw_error *error);

/* Writes a symbol's T bytes, without its payload ID. It must not be there yet. */
enum sw_status sw_workspace_add(struct sw_workspace *workspace, uint32_t sbn, uint32_t esi, const uint8_t *bytes,
                                struct sw_error *error);

/* Reads a symbol's T bytes again. */
enum sw_status sw_workspace_read(struct sw_workspace *workspace, uint32_t sbn, const struct sw_held *held,
                                 uint8_t *bytes, struct sw_error *error);

/* Where T bytes of a repair symbol begin. */
uint64_t sw_workspace_slot_offset(const struct sw_workspace *workspace, uint32_t slot);

/* Keeps of each block only the symbols that are still in its list, and writes the journal anew. */
enum sw_status sw_workspace_rewrite_journal(struct sw_workspace *workspace, struct sw_error *error);

/* Makes the workspace the output file, durably, and removes the journal. */
enum sw_status sw_workspace_finish(struct sw_workspace *workspace, const char *out_path, struct sw_error *error);

/* Removes the journal that a crash at the very end has left of an output that is complete. */
void sw_workspace_tidy(const char *out_path);

/* Frees it; what it holds stays for the next. NULL is allowed. */
void sw_workspace_close(struct sw_workspace *workspace);

#endif
