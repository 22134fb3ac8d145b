/*
 * What RocksDB has to say, in the node's log.
 *
 * Left to itself RocksDB writes to a file LOG in the data folder; and Debian's, which has its assertions in, ends the
 * process when that file cannot be written, as on a disk that is full or failing, and something more is to be said. So
 * its function for that is replaced by one here, in the way of rocksdb_crc32c.h. The file is still made, and is empty.
 */
#ifndef SW_SERVER_ROCKSDB_LOG_H
#define SW_SERVER_ROCKSDB_LOG_H

#include "common/log.h"

/* Where warnings and errors go from now on; NULL: nowhere. The logger is borrowed until there is another. Any thread.
 */
void sw_rocksdb_log_to(const struct sw_logger *logger);

/* Logs what was damaged of the log of a store that has just been opened, and is left out; nothing where all was read.
 */
void sw_rocksdb_log_left_out(const char *data, const struct sw_logger *logger);

#endif
