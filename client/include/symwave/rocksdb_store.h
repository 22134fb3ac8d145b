/*
 * A node's data folder as a local store: a RocksDB directory, read in place, without the node.
 *
 * In a library of its own, libsymwave-rocksdb, which is linked beside libsymwave, so that only who uses it needs
 * RocksDB.
 */
#ifndef SYMWAVE_ROCKSDB_STORE_H
#define SYMWAVE_ROCKSDB_STORE_H

#include "symwave/sink.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The folder that symwaved --data names, opened for reading. Nothing in it is written, locked or renamed, and the node
 * may run or not: what is seen is what it had stored when the folder was opened, or refreshed. May serve several
 * retrievals at once. Memory: 16 MiB of index and filter blocks; what the node's log has that is not in its tables yet,
 * 256 MiB at most; and one value a retrieval at a time.
 */
struct sw_rocksdb_store;

/*
 * Opens one; the caller closes it after the last retrieval that uses it. Blocks while the log is read. SW_NOT_FOUND:
 * there is no such folder, or no store in it. SW_DATA_LOSS, SW_IO_ERROR, SW_NO_MEMORY.
 */
SW_PUBLIC enum sw_status sw_rocksdb_store_open(const char *path, struct sw_rocksdb_store **store,
                                               struct sw_error *error);
SW_PUBLIC void sw_rocksdb_store_close(struct sw_rocksdb_store *store); /* NULL is allowed */

/*
 * Opens it anew, so that what was stored since is seen, and what it holds of files that the node has deleted is given
 * back. Waits for batches that are being read; where it fails, the store is as it was. Any thread; blocks.
 */
SW_PUBLIC enum sw_status sw_rocksdb_store_refresh(struct sw_rocksdb_store *store, struct sw_error *error);

/*
 * It as a local store, which borrows it. A value that cannot be read (the node has deleted its file meanwhile, or the
 * disk is bad) ends the batch with SW_IO_ERROR or SW_DATA_LOSS: the retrieval asks the network.
 */
SW_PUBLIC struct sw_local_store sw_rocksdb_store_as_local_store(struct sw_rocksdb_store *store);

#ifdef __cplusplus
}
#endif

#endif
