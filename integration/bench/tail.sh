#!/usr/bin/env bash
# What slow, hanging and lying nodes cost a retrieval: builds bench_tail and the node, and runs it.
#
#     integration/bench/tail.sh [SYMBOLS [ROUNDS]]
#
# BUILD names a build folder other than build/release. Symbols are 64 KiB on six of 24 nodes: 4,000, which is the
# default, write 1.5 GiB, twice over for a while, under $TMPDIR, or /tmp.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

build=${BUILD:-$root/build/release}
if [[ ! -f $build/CMakeCache.txt ]]; then
    cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
fi
cmake --build "$build" --target bench_tail symwaved -j "$(job_count)" >/dev/null

version_of() {
    dpkg-query -W -f='${Version}' "$1" 2>/dev/null || echo unknown
}

printf '%-10s %s, %s processors, %s\n' machine "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
    "$(nproc)" "$(uname -sr)"
printf '%-10s %s, gRPC core %s, RocksDB %s\n' versions "$("$build/bin/symwaved" --version)" \
    "$(version_of libgrpc-dev)" "$(version_of librocksdb-dev)"
printf '%-10s %s\n' command "integration/bench/tail.sh $*"
exec "$build/bin/bench_tail" "$@"
