#!/bin/sh
# How fast one thread hashes, beside b3sum: builds bench_hash and runs it.
#
#     integration/bench/hash.sh [--rounds N] [--json FILE]
#
# BUILD names a build folder other than build/release. b3sum is Debian's package b3sum; without it there are no ratios.
set -eu

source=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$source/build/release}

if [ ! -f "$build/CMakeCache.txt" ]; then
    cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
fi
cmake --build "$build" --target bench_hash >/dev/null
exec "$build/bin/bench_hash" "$@"
