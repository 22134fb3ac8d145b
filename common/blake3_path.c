/* Which of BLAKE3's instruction-set paths the processor has, and which one is used. */
#include "common/blake3_impl.h"
#include <assert.h>
#include <stdatomic.h>

static const struct {
    const char *name;
    const struct sw_blake3_kernel *kernel;
} paths[SW_BLAKE3_PATHS] = {
    [SW_BLAKE3_PORTABLE] = {"portable", &sw_blake3_kernel_portable},
#if defined(__x86_64__)
    [SW_BLAKE3_AVX2] = {"avx2", &sw_blake3_kernel_avx2},
    [SW_BLAKE3_AVX512] = {"avx512", &sw_blake3_kernel_avx512},
#else
    [SW_BLAKE3_AVX2] = {"avx2", NULL},
    [SW_BLAKE3_AVX512] = {"avx512", NULL},
#endif
};

/* The path in use, or -1 before the first hash. Threads that come first together all find the same answer. */
static _Atomic int current = -1;

const char *sw_blake3_path_name(enum sw_blake3_path path)
{
    assert((unsigned)path < SW_BLAKE3_PATHS);
    return paths[path].name;
}

/* __builtin_cpu_supports asks the processor for the instructions and the system for the saving of their registers. */
bool sw_blake3_path_supported(enum sw_blake3_path path)
{
    switch (path) {
    case SW_BLAKE3_PORTABLE:
        return true;
#if defined(__x86_64__)
    case SW_BLAKE3_AVX2:
        return __builtin_cpu_supports("avx2");
    case SW_BLAKE3_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
#endif
    default:
        return false;
    }
}

void sw_blake3_path_force(enum sw_blake3_path path)
{
    assert(sw_blake3_path_supported(path));
    atomic_store_explicit(&current, (int)path, memory_order_relaxed);
}

enum sw_blake3_path sw_blake3_path_current(void)
{
    int path = atomic_load_explicit(&current, memory_order_relaxed);

    if (path < 0) {
        for (path = SW_BLAKE3_PATHS - 1; !sw_blake3_path_supported((enum sw_blake3_path)path);)
            path--;
        atomic_store_explicit(&current, path, memory_order_relaxed);
    }
    return (enum sw_blake3_path)path;
}

const struct sw_blake3_kernel *sw_blake3_kernel_current(void)
{
    return paths[sw_blake3_path_current()].kernel;
}
