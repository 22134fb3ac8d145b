#!/usr/bin/env bash
# scaling: how a fetch to one file goes with the number of nodes and with the size of symbols, beside raw TCP. Its
# figures are what plot.sh draws.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../bench_lib.sh"

bytes=${BYTES:-536870912}
row=scaling
task=bench

make_work_folder
cd -- "$work_folder"
head -c "$bytes" /dev/urandom >file

# measure COUNT PIECE_BYTES
measure() {
    local round
    count=$1 piece_bytes=$2
    case="$1 nodes, $(($2 / 1024)) KiB"
    load_nodes "$count" file
    choose_raw
    fetch_to_file >/dev/null # so that what it reads is in memory
    compare_out
    for ((round = 0; round < rounds; round++)); do
        fetch symwave fetch_to_file
        rm out
        note "raw TCP" "$(raw_to_file)"
        rm out
    done
    stop_nodes
    rm -rf node-*
    beside "$row" "$case" symwave mb_per_s "$case" "raw TCP"
}

for count in 1 2 4 8 16 32 50; do
    measure "$count" 65536
done
for kib in 1 4 16 256; do
    measure 8 $((kib * 1024))
done
command_line "$row" symwave "bench_fetch PIECE_BYTES fetch nodes.yaml keys $task out"
