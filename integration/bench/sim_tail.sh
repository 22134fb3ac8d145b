#!/usr/bin/env bash
# How near the engine comes to the ideal in simulated networks with a bad tail: builds test_sim_tail and runs its whole
# table with many seeds. Times are virtual, so that every machine prints the same.
#
#     integration/bench/sim_tail.sh [SEEDS [ROW]]
#
# SEEDS are 200 a row by default; ROW takes only rows whose name has this in it. BUILD names a build folder other than
# build/release. Of each row it prints the median and the 99th percentile of the time, as a multiple of the soonest
# possible, and of the bytes that nodes sent, as a multiple of those needed. It fails where a median is beyond its
# bound.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

build=${BUILD:-$root/build/release}
if [[ ! -f $build/CMakeCache.txt ]]; then
    cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
fi
cmake --build "$build" --target test_sim_tail -j "$(job_count)" >/dev/null

compiler=$(sed -n 's/^CMAKE_C_COMPILER:[^=]*=//p' "$build/CMakeCache.txt")
printf '%-10s %s, %s processors, %s\n' machine "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
    "$(nproc)" "$(uname -sr)"
printf '%-10s %s, revision %s\n' versions "$("$compiler" --version | head -n 1)" \
    "$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
printf '%-10s %s\n' command "integration/bench/sim_tail.sh $*"

export SYMWAVE_SEEDS=${1:-200}
if [[ $# -gt 1 ]]; then
    export SYMWAVE_ROW=$2
fi
# Without what the test runner says of groups that went well.
"$build/bin/test_sim_tail" 2>&1 | sed -u -E '/^\[ *(=+|RUN|OK|PASSED) *\]/d'
