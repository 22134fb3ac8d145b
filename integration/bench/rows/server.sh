#!/usr/bin/env bash
# The row "server": what one node serves, beside what its database reads in a process without a network.
#
# For values of 1 to 256 KiB, in the page cache and out of it, in turn in each round: RetrieveBatch and BatchGetValues
# by a client that drops what it gets, RocksDB's multi-get and pinned get on the same data folder once the node has
# stopped. Then ghz, a load generator, on the node; and the node's memory under readers that do not read.
# SERVER_BYTES, 1 GiB, is what each size has of values, but no more than 262,144 of them. SERVER_KIB are the sizes.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../bench_lib.sh"

bytes=${SERVER_BYTES:-1073741824}
values_max=262144
cold_values_max=16384 # random reads of a disk take their time
connections=2
requests=8
request_bytes=1048576
streams=64

make_work_folder
data=$work_folder/node-1
keys=$work_folder/keys

start_node_1() {
    start_node node-1 127.0.0.1:0
}

stop_node() {
    kill -TERM "$node_pid"
    wait "$node_pid" || die "the node did not end well"
    forget_child "$node_pid"
}

# Asks the page cache to forget the data folder; what is not on disk yet it would keep.
forget_pages() {
    sync
    local file
    for file in "$data"/*; do
        dd if="$file" iflag=nocache count=0 status=none
    done
}

# load retrieve|values KEYS CASE: asks the node for all keys, 1 MiB a request, and no more keys than the SDK does.
load() {
    local each=$((request_bytes / value_bytes))
    "$bin/bench_server" "$1" "$node_address" "$2" "$value_bytes" "$node_pid" "$connections" "$requests" \
        "$((each > 600 ? 600 : each))" "$3" >>"$samples"
}

# read_database multi-get|get-pinned|get-to-socket THREADS KEYS CASE
read_database() {
    "$bin/bench_database" "$1" "$data" "$3" "$value_bytes" "$2" "$4" >>"$samples"
}

cached_round() {
    start_node_1
    load retrieve "$keys" "$1"
    load values "$keys" "$1"
    stop_node
    read_database multi-get 1 "$keys" "$1"
    read_database multi-get 2 "$keys" "$1"
    read_database get-pinned 1 "$keys" "$1"
    read_database get-to-socket 2 "$keys" "$1"
}

cold_round() {
    local method
    for method in retrieve values; do
        forget_pages
        start_node_1
        load "$method" "$keys.cold" "$1"
        stop_node
    done
    forget_pages
    read_database multi-get 1 "$keys.cold" "$1"
    forget_pages
    read_database multi-get 2 "$keys.cold" "$1"
    forget_pages
    read_database get-pinned 1 "$keys.cold" "$1"
}

# fill VALUE_BYTES: a node with such values, stopped so that all are in its files.
fill() {
    value_bytes=$1
    local count=$((bytes / value_bytes))
    ((count <= values_max)) || count=$values_max
    rm -rf -- "$data"
    start_node_1
    "$bin/bench_server" fill "$node_address" "$keys" "$value_bytes" "$count"
    stop_node
    start_node_1 # moves what was only in the log to where it is read from
    stop_node
    head -c $((cold_values_max * 32)) "$keys" >"$keys.cold"
}

# The node by itself, as ghz sees it: a client in Go that decodes every message.
ghz_round() {
    "$tools/ghz" --insecure --call symwave.v1.SymbolStore.RetrieveBatch --data-file "$work_folder/requests.json" \
        --connections "$connections" --concurrency "$requests" --total 1024 --format json \
        "$node_address" >"$work_folder/ghz.json"
    [[ $(jq '.statusCodeDistribution | keys == ["OK"]' "$work_folder/ghz.json") == true ]] || die "ghz had errors: $(jq -c .statusCodeDistribution "$work_folder/ghz.json")"
    sample server "64 KiB cached" ghz \
        "mb_per_s=$(jq ".rps * 16 * $value_bytes / 1e6" "$work_folder/ghz.json")" \
        "symbols_per_s=$(jq '.rps * 16' "$work_folder/ghz.json")"
}

measure_ghz() {
    local round
    python3 - "$keys" >"$work_folder/requests.json" <<'PYTHON'
import base64, json, sys
keys = open(sys.argv[1], "rb").read(32 * 16 * 256)
texts = [base64.b64encode(keys[i:i + 32]).decode() for i in range(0, len(keys), 32)]
json.dump([{"keys": texts[i:i + 16]} for i in range(0, len(texts), 16)], sys.stdout)
PYTHON
    start_node_1
    for ((round = 0; round < rounds; round++)); do
        ghz_round
    done
    stop_node
}

# What streams cost whose readers have stopped, on a node that has served nothing before.
memory_round() {
    start_node_1
    local baseline reader state tries=600
    baseline=$(peak_of "$node_pid")
    "$bin/bench_server" slow "$node_address" "$keys" "$streams" &
    reader=$!
    children+=("$reader")
    until state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$reader/status") && [[ $state == T ]]; do
        ((tries-- > 0)) || die "the slow readers did not begin"
        sleep 0.05
    done
    sleep 1 # the node fills what windows and sockets take, and then waits
    local peak
    peak=$(peak_of "$node_pid")
    kill_node "$reader"
    stop_node
    sample server "$streams slow readers" RetrieveBatch "baseline_mib=$baseline" "peak_mib=$peak" \
        "kib_a_stream=$(jq -n "($peak - $baseline) * 1024 / $streams")"
}

command_line server RetrieveBatch "bench_server retrieve: $requests requests of 1 MiB, at most 600 keys, in flight on $connections connections; one thread, which drops what comes; the node's and its own CPU are apart"
command_line server BatchGetValues "bench_server values: the same"
command_line server "multi-get, 1 thread" "bench_database multi-get: rocksdb_batched_multi_get_cf of 16 random keys a call, checksums off, with the node's options and malloc settings"
command_line server "get pinned, 1 thread" "bench_database get-pinned: rocksdb_get_pinned, as the node does"
command_line server "get to raw TCP, 2 threads" "bench_database get-to-socket: the same, written to two TCP connections on loopback, dropped by two more threads of the process: as fast as any node could be here"
command_line server ghz "ghz --concurrency $requests --connections $connections --total 1024, 16 keys a request: a Go client on the same processors, whose own decoding bounds it"
command_line server "slow readers" "bench_server slow: $streams connections, each with a RetrieveBatch of 600 keys of 64 KiB, whose client is then stopped"

for kib in ${SERVER_KIB:-1 4 16 64 256}; do
    fill $((kib * 1024))
    cat -- "$data"/* >/dev/null # into the page cache
    for ((round = 0; round < rounds; round++)); do
        cached_round "$kib KiB cached"
    done
    if ((kib == 64)); then
        measure_ghz
        for ((round = 0; round < rounds; round++)); do
            memory_round
        done
    fi
    for ((round = 0; round < rounds; round++)); do
        cold_round "$kib KiB cold"
    done
    for state in cached cold; do
        for what in RetrieveBatch BatchGetValues; do
            wanted=
            [[ $kib$state$what != 64cachedRetrieveBatch ]] || wanted=">= 0.7"
            beside server "$kib KiB $state" "$what" mb_per_s "$kib KiB $state" "multi-get, 1 thread" "$wanted"
            beside server "$kib KiB $state" "$what" mb_per_s "$kib KiB $state" "get to raw TCP, 2 threads"
        done
    done
done
bound server "$streams slow readers" RetrieveBatch kib_a_stream "<= 256"
