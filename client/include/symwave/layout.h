/*
 * Layouts: which symbols a file consists of, as `put` writes them and `get` reads them.
 *
 * A layout is JSON:
 *
 *     {"blocks": [{"block_id": 0, "encoder_parameters": [12 numbers], "original_offset": 0, "size": N,
 *                  "symbols": ["base58 key", ...], "hash": "base58 BLAKE3 of the file"}]}
 *
 * encoder_parameters is RFC 6330's object transmission information (section 3.3). A symbol is a FEC payload ID of 4
 * bytes (section 3.2) and the T bytes of an encoding symbol; its key is BLAKE3-256 of all of it. symbols has, source
 * block by source block, the K source symbols and then the repair symbols, each by its number.
 */
#ifndef SYMWAVE_LAYOUT_H
#define SYMWAVE_LAYOUT_H

#include "symwave/key.h"
#include "symwave/raptorq.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A larger file is a mistake: a layout has 48 bytes for each symbol, which is a file of 230 GB here. */
#define SW_LAYOUT_FILE_BYTES_MAX (1u << 30)

/* A layout, checked. Never changed: read-only use from any thread. */
struct sw_layout;

/*
 * Reads a layout file. Strict: it must be of the form above and no other, its numbers must fit together, and every key
 * must be one. Takes some 150 bytes of memory a symbol while it reads, and 32 after. On success *layout is the caller's
 * to free; on failure it is NULL and the error names the file and the place in it. SW_NOT_FOUND, SW_IO_ERROR,
 * SW_INVALID_ARGUMENT, SW_NO_MEMORY. Blocks on the file.
 */
SW_PUBLIC enum sw_status sw_layout_load(const char *path, struct sw_layout **layout, struct sw_error *error);

/* The same from memory; name stands for the file's in errors. */
SW_PUBLIC enum sw_status sw_layout_parse(const char *text, size_t text_bytes, const char *name,
                                         struct sw_layout **layout, struct sw_error *error);
SW_PUBLIC void sw_layout_free(struct sw_layout *layout); /* NULL is allowed */

/* What the file is cut into, and its BLAKE3-256; both live as long as the layout. */
SW_PUBLIC const struct sw_raptorq_params *sw_layout_params(const struct sw_layout *layout);
SW_PUBLIC const struct sw_key *sw_layout_hash(const struct sw_layout *layout);

/* The symbols of one source block. */
struct sw_layout_block {
    uint32_t k;                /* source symbols */
    uint32_t repair;           /* repair symbols */
    const struct sw_key *keys; /* by ESI, k + repair of them; valid as long as the layout */
};
/* Block number sbn, below the params' blocks. */
SW_PUBLIC struct sw_layout_block sw_layout_block_at(const struct sw_layout *layout, uint32_t sbn);

/*
 * How many repair symbols a source block has in a layout: 6 where it has at most 65,535 bytes of the file, else
 * ceil(bytes * 5 / 65,535), about five times its source symbols.
 */
SW_PUBLIC uint32_t sw_layout_repair_count(const struct sw_raptorq_params *params, uint32_t sbn);

#ifdef __cplusplus
}
#endif

#endif
