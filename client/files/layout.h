/* Layouts inside: see symwave/layout.h. layout_json.c reads them, layout_write.c writes them. */
#ifndef SW_FILE_LAYOUT_H
#define SW_FILE_LAYOUT_H

#include "symwave/layout.h"

#define SW_LAYOUT_BLOCKS_MAX 255

struct sw_layout {
    struct sw_raptorq_params params;
    struct sw_key hash;                       /* of the file */
    uint64_t first[SW_LAYOUT_BLOCKS_MAX + 1]; /* of each block's symbols; behind the last, how many there are */
    struct sw_key *keys;                      /* block by block, by ESI */
};

/* Fills first from params. */
void sw_layout_count(struct sw_layout *layout);

/* How many symbols the layout has. */
uint64_t sw_layout_symbol_count(const struct sw_layout *layout);

/* A hash of all that the layout says, by which what belongs to it is told from what belongs to others. */
struct sw_key sw_layout_id(const struct sw_layout *layout);

/* ---- layout_write.c ---- */

/*
 * A layout that is being written, symbol by symbol, so that it need not be held in memory. It is written to PATH.part
 * and gets its name when it is whole.
 */
struct sw_layout_writer;

/* Begins a layout; the caller ends it. SW_INVALID_ARGUMENT: somebody else is writing it. Else as file_io.h has it. */
enum sw_status sw_layout_writer_open(const char *path, const struct sw_raptorq_params *params,
                                     struct sw_layout_writer **writer, struct sw_error *error);
/* Adds the next key. */
enum sw_status sw_layout_writer_add(struct sw_layout_writer *writer, const struct sw_key *key, struct sw_error *error);
/* Writes the rest, and puts the layout in its place. */
enum sw_status sw_layout_writer_finish(struct sw_layout_writer *writer, const struct sw_key *hash,
                                       struct sw_error *error);
/* Frees it; of a layout that was not finished nothing stays. NULL is allowed. */
void sw_layout_writer_close(struct sw_layout_writer *writer);

#endif
