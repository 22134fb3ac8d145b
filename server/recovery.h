/*
 * What RocksDB could not read of its log when a store was opened. It goes on without that, and says so in its own log
 * file alone.
 */
#ifndef SW_SERVER_RECOVERY_H
#define SW_SERVER_RECOVERY_H

#include "common/log.h"

/* Logs what was damaged, and is left out, of the store in a data folder that has just been opened. */
void sw_recovery_tell(const char *data, const struct sw_logger *logger);

#endif
