/* Works out the source symbols of a block that did not come, sub-block by sub-block, within the workspace. */
#ifndef SW_FILE_BLOCK_DECODER_H
#define SW_FILE_BLOCK_DECODER_H

#include "client/files/rebuild.h"

/* Writes the lost source symbols of the block at work, which must be decodable, to their places. */
enum sw_status sw_block_decode(struct sw_rebuild *rebuild, struct sw_error *error);

#endif
