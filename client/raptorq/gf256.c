/* Which paths of the arithmetic over GF(256) the processor has, and which one is used. */
#include "client/raptorq/gf256.h"
#include <assert.h>
#include <stdatomic.h>

static const struct {
    const char *name;
    const struct sw_gf256_kernel *kernel;
} paths[SW_GF256_PATHS] = {
    [SW_GF256_PORTABLE] = {"portable", &sw_gf256_kernel_portable},
#if defined(__x86_64__)
    [SW_GF256_SSSE3] = {"ssse3", &sw_gf256_kernel_ssse3},          [SW_GF256_AVX2] = {"avx2", &sw_gf256_kernel_avx2},
    [SW_GF256_AVX512] = {"avx512", &sw_gf256_kernel_avx512},       [SW_GF256_GFNI] = {"gfni", &sw_gf256_kernel_gfni},
#else
    [SW_GF256_SSSE3] = {"ssse3", NULL},
    [SW_GF256_AVX2] = {"avx2", NULL},
    [SW_GF256_AVX512] = {"avx512", NULL},
    [SW_GF256_GFNI] = {"gfni", NULL},
#endif
};

/* The path in use, or -1 before the first question. Threads that come first together all find the same answer. */
static _Atomic int current = -1;

const char *sw_gf256_path_name(enum sw_gf256_path path)
{
    assert((unsigned)path < SW_GF256_PATHS);
    return paths[path].name;
}

bool sw_gf256_path_supported(enum sw_gf256_path path)
{
    switch (path) {
    case SW_GF256_PORTABLE:
        return true;
#if defined(__x86_64__)
    case SW_GF256_SSSE3:
        return __builtin_cpu_supports("ssse3");
    case SW_GF256_AVX2:
        return __builtin_cpu_supports("avx2");
    case SW_GF256_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    case SW_GF256_GFNI:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("gfni");
#endif
    default:
        return false;
    }
}

void sw_gf256_path_force(enum sw_gf256_path path)
{
    assert(sw_gf256_path_supported(path));
    atomic_store_explicit(&current, (int)path, memory_order_relaxed);
}

enum sw_gf256_path sw_gf256_path_current(void)
{
    int path = atomic_load_explicit(&current, memory_order_relaxed);

    if (path < 0) {
        for (path = SW_GF256_PATHS - 1; !sw_gf256_path_supported((enum sw_gf256_path)path);)
            path--;
        atomic_store_explicit(&current, path, memory_order_relaxed);
    }
    return (enum sw_gf256_path)path;
}

const struct sw_gf256_kernel *sw_gf256_kernel_current(void)
{
    return paths[sw_gf256_path_current()].kernel;
}
