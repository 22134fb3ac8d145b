/*
 * A distribution builds RocksDB for the oldest processors that it supports. Debian's computes the checksums of its log
 * and of its blob files by table, which takes half of the CPU time of a node that takes symbols in; the instruction
 * that processors have for just this is six times as fast.
 *
 * A program's own functions come before those of a shared library, even for the library's own calls. So the function
 * here, by its name, takes the place of RocksDB's; it calls that one where the processor lacks the instruction. With a
 * RocksDB that has no function of this name, nobody calls this one.
 */
#include "server/rocksdb_crc32c.h"
#include <dlfcn.h>
#include <nmmintrin.h>
#include <stdlib.h>
#include <string.h>

__attribute__((target("sse4.2"))) static uint32_t extend(uint32_t crc, const char *bytes, size_t count)
{
    uint64_t state = ~crc;
    for (; count >= sizeof(uint64_t); count -= sizeof(uint64_t), bytes += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        state = _mm_crc32_u64(state, word);
    }
    for (; count > 0; count--)
        state = _mm_crc32_u8((uint32_t)state, (uint8_t)*bytes++);
    return ~(uint32_t)state;
}

static uint32_t extend_by_rocksdb(uint32_t crc, const char *bytes, size_t count)
{
    union {
        void *symbol;
        uint32_t (*extend)(uint32_t crc, const char *bytes, size_t count);
    } theirs = {.symbol = dlsym(RTLD_NEXT, SW_ROCKSDB_CRC32C_SYMBOL)};
    if (!theirs.symbol)
        abort(); /* then RocksDB was not there to call this function either */
    return theirs.extend(crc, bytes, count);
}

__attribute__((visibility("default"))) uint32_t sw_rocksdb_crc32c_extend(uint32_t crc, const char *bytes, size_t count)
{
    return __builtin_cpu_supports("sse4.2") ? extend(crc, bytes, count) : extend_by_rocksdb(crc, bytes, count);
}
