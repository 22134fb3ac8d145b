#!/usr/bin/env bash
# Measures Symwave beside what the machine can do, and beside what people would use instead:
#
#     integration/bench/run.sh [NAME...]
#
# NAME is routing, engine, server, store, fetch or scaling; all of them where nothing is said. Each compares things that are
# measured in turn, ROUNDS times (5), and prints medians, ranges and ratios; the same goes as JSON to OUT
# (build/bench.json). It installs what it measures beside: nginx, aria2, the Python client's packages, db_bench, ghz.
# A machine that does anything else meanwhile measures that too. BYTES (4 GiB) is what fetch and store move; the disk
# under $TMPDIR, or /tmp, must have eight times as much to spare.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/bench_lib.sh"

names=("$@")
if ((${#names[@]} == 0)); then
    names=(routing engine server store fetch scaling)
fi
for name in "${names[@]}"; do
    [[ -f $bench/rows/$name.sh ]] || die "there is no row \"$name\": routing, engine, server, store, fetch, scaling"
done
cd -- "$root"
"$root/integration/install.sh" --bench
cmake --preset release >/dev/null
cmake --build --preset release -j "$(job_count)" >/dev/null
PATH=$PATH:$tools
out=${OUT:-$root/build/bench.json}
lines=$out.lines
: >"$lines"
for name in "${names[@]}"; do
    printf '== %s ==\n' "$name" >&2
    BENCH_SAMPLES=$lines "$bench/rows/$name.sh"
done

machine="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors, $(awk '/^MemTotal:/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), $(uname -sr), $(stat -f -c %T "${TMPDIR:-/tmp}")"
versions="$("$bin/symwaved" --version), gRPC core $(version_of libgrpc-dev), RocksDB $(version_of librocksdb-dev), nginx $(version_of nginx-light), aria2 $(version_of aria2), curl $(version_of curl), grpcio $(version_of python3-grpcio)"
jq -n --arg machine "$machine" --arg versions "$versions" --arg date "$(date -u +%F)" \
    --arg command "integration/bench/run.sh ${names[*]}" -f "$bench/report.jq" "$lines" >"$out"
jq -r -f "$bench/table.jq" "$out"
printf '\n%s has the same as JSON\n' "${out#"$root/"}"
