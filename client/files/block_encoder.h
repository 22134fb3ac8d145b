/*
 * Makes the symbols of a file, source block by source block. A block's intermediate symbols are worked out once, while
 * the file is read from its start to its end, and kept in a nameless file; from there any symbol is made with a few
 * reads. So a file is read once, however it changes meanwhile, and memory does not grow with it.
 */
#ifndef SW_FILE_BLOCK_ENCODER_H
#define SW_FILE_BLOCK_ENCODER_H

#include "client/files/job.h"

struct sw_block_encoder;

/*
 * An encoder for the file of a descriptor, which is borrowed; path is for errors, and the nameless file is made in the
 * folder of beside. The caller closes it. As file_io.h has it, and SW_NO_MEMORY.
 */
enum sw_status sw_block_encoder_open(int fd, const char *path, const char *beside,
                                     const struct sw_raptorq_params *params, struct sw_block_encoder **encoder,
                                     struct sw_error *error);
void sw_block_encoder_close(struct sw_block_encoder *encoder); /* NULL is allowed */

/* Makes the next block ready, whose symbols are made from then on. After the last, the file's hash is known. */
enum sw_status sw_block_encoder_next(struct sw_block_encoder *encoder, struct sw_job *job, struct sw_error *error);
struct sw_key sw_block_encoder_hash(const struct sw_block_encoder *encoder);

/* What a symbol has: the payload ID and T bytes. */
size_t sw_block_encoder_symbol_bytes(const struct sw_block_encoder *encoder);

/* Writes symbol esi of the block that is ready. */
enum sw_status sw_block_encoder_make(struct sw_block_encoder *encoder, uint32_t esi, uint8_t *symbol,
                                     struct sw_error *error);

#endif
