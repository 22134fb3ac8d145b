/* RocksDB's CRC-32C by the processor's instruction. */
#ifndef SW_SERVER_ROCKSDB_CRC32C_H
#define SW_SERVER_ROCKSDB_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The name in librocksdb of rocksdb::crc32c::Extend(uint32_t, const char *, size_t). */
#define SW_ROCKSDB_CRC32C_SYMBOL "_ZN7rocksdb6crc32c6ExtendEjPKcm"

/*
 * The CRC-32C of what crc is that of, and then count more bytes. It bears RocksDB's name for it, so that RocksDB calls
 * it where the two are linked into one program. Any thread.
 */
uint32_t sw_rocksdb_crc32c_extend(uint32_t crc, const char *bytes, size_t count) __asm__(SW_ROCKSDB_CRC32C_SYMBOL);

#endif
