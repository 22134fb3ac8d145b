/*
 * Rebuilding a file: takes symbols into a workspace until they determine the file, works out the source symbols that
 * did not come, and checks the whole. Where symbols come from is somebody else's: get.c's and decode.c's.
 */
#ifndef SW_FILE_REBUILD_H
#define SW_FILE_REBUILD_H

#include "client/files/job.h"
#include "client/files/workspace.h"

struct sw_rebuild {
    struct sw_job job;
    const struct sw_layout *layout;
    const char *out_path;
    struct sw_workspace *workspace;
    struct sw_get_report report;

    /* The source block at work. */
    uint32_t sbn;
    struct sw_raptorq_decoder *decoder;
    struct sw_held *rows; /* the symbols that the decoder has, in its order */
    uint32_t row_count;

    /* How many symbols of the file's K come from blocks that are done. */
    uint64_t symbols_before;
};

/*
 * Brings symbols of the block at work, by sw_rebuild_take, until sw_rebuild_missing says 0 or there are no more: then
 * SW_SHORT. Which ones are wanted: sw_rebuild_wanted.
 */
typedef enum sw_status (*sw_fetch_fn)(struct sw_rebuild *rebuild, void *user_data, struct sw_error *error);

/* Rebuilds a file; *report as symwave/file.h has it, and retrieval, where not NULL, becomes a part of it. */
enum sw_status sw_rebuild_file(const struct sw_layout *layout, const char *out_path,
                               const struct sw_file_options *options, sw_fetch_fn fetch, void *user_data,
                               struct sw_get_report **report, struct sw_error *error);

/* ---- for a fetch ---- */

/* How many more symbols the block needs at least. SW_NO_MEMORY. */
enum sw_status sw_rebuild_missing(struct sw_rebuild *rebuild, uint32_t *missing, struct sw_error *error);

/* The symbols of the block that have not come, by ESI: source symbols first. For the caller to free; NULL: no memory.
 */
uint32_t *sw_rebuild_wanted(const struct sw_rebuild *rebuild, size_t *count);

/*
 * Takes a symbol, whose bytes hash to its key: payload ID and T bytes. SW_DATA_LOSS where it is not what the layout
 * says it is.
 */
enum sw_status sw_rebuild_take(struct sw_rebuild *rebuild, uint32_t esi, const void *value, size_t value_bytes,
                               struct sw_error *error);

#endif
