#!/usr/bin/env bash
# A full disk, on a file system of 400 MiB of its own: below its floor, and again until RocksDB itself finds no space, the
# node takes no symbols, says so everywhere, and goes on to serve; with space again it takes them by itself, and nothing that
# was acknowledged is lost, kill -9 included. Needs SYMWAVE_BIN, the folder of the programs; is skipped (77) where a file
# system may not be mounted, or there is no grpcurl or curl.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
grpcurl=$(find_tool grpcurl) || { echo "there is no grpcurl: integration/install.sh --tests builds one"; exit 77; }
command -v curl >/dev/null || { echo "there is no curl"; exit 77; }

make_work_folder
cd -- "$work_folder"
mkdir node-1
mount -t tmpfs -o size=400m symwave-test node-1 2>/dev/null || { echo "a file system may not be mounted here"; exit 77; }
# The script's own clean-up, with the file system unmounted once the nodes are gone.
unmount() {
    local status=$? child
    trap - EXIT
    for child in "${children[@]}"; do
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    cd /
    umount "$work_folder/node-1"
    rm -rf -- "$work_folder"
    exit "$status"
}
trap unmount EXIT

start_small_node() {
    start_node node-1 127.0.0.1:0 --http-listen 127.0.0.1:0 "$@"
    http=127.0.0.1:$(sed -n 's/.*msg="HTTP for metrics".* port=\([0-9]*\).*/\1/p' node-1.log)
    printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml
}

health() {
    "$grpcurl" -plaintext -max-time 20 -d "{\"service\": \"$1\"}" "$node_address" grpc.health.v1.Health/Check |
        jq -r .status
}

writable() {
    "$grpcurl" -plaintext -max-time 20 -d '{}' "$node_address" symwave.v1.SymbolStore/GetNodeInfo | jq -r '.writable // false'
}

# becomes STATUS TEXT: waits until storing has a health.
becomes() {
    local tries=1200 # of 50 ms
    until [[ $(health symwave.v1.SymbolStore/write) == "$1" ]]; do
        if ((tries-- == 0)); then
            fail "$2" "$(<node-1.log)"
            return
        fi
        sleep 0.05
    done
    pass "$2"
}

# store_pieces PREFIX: 20 MiB of new symbols; the keys of those that are stored go to "keys".
store_pieces() {
    head -c 20971520 /dev/urandom | split -b 65536 -a 3 - "$1-"
    symwave --nodes nodes.yaml store "$1"-*
    cut -f 1 <<<"$out" | sed '/^$/d' >>keys
}

# all_are_there TEXT
all_are_there() {
    rm -rf fetched
    symwave --nodes nodes.yaml fetch --task t --keys keys --out fetched
    equal "$1" "0 $(sort -u keys | wc -l)" "$status $(find fetched -type f 2>/dev/null | wc -l)"
}

# ---- the floor ----

start_small_node --disk-free-bytes-min 100M
store_pieces first
equal "there is room at first" 0 "$status"
head -c 251658240 /dev/zero >node-1/filler
becomes NOT_SERVING "below the floor, storing is not served"
equal "the node itself is" SERVING "$(health "")"
equal "GetNodeInfo says so" false "$(writable)"
equal "the metrics say so" 0 "$(curl -sf "http://$http/metrics" | awk '$1 == "symwave_store_writable" { print $2 }')"
contains "the log says so" "the node takes no symbols: its disk is full or failing" "$(<node-1.log)"
store_pieces refused
equal "a store falls short" 1 "$status"
contains "... and says why" "RESOURCE_EXHAUSTED: the node's disk is full" "$err"
all_are_there "what was stored is served"
rm node-1/filler
becomes SERVING "with space again, storing is served"
contains "the log says so too" "the node takes symbols again" "$(<node-1.log)"
store_pieces second
equal "a store works again" 0 "$status"
kill -TERM "$node_pid"
wait "$node_pid" || fail "the node stops in order"
forget_child "$node_pid"

# ---- no space at all ----

start_small_node --disk-free-bytes-min 0 --disk-free-percent-min 0
free=$(df --output=avail -B 1 node-1 | tail -n 1)
head -c "$((free - 41943040))" /dev/zero >node-1/filler
for round in 1 2 3 4 5 6; do
    store_pieces "full-$round"
    ((status == 0)) || break
done
equal "at last a store finds no space" 1 "$status"
contains "RocksDB found none" "No space left on device" "$(<node-1.log)"
becomes NOT_SERVING "then storing is not served"
all_are_there "what was acknowledged is served"
rm node-1/filler
becomes SERVING "with space again, storing is served by itself"
tries=60
until store_pieces "again-$tries" && ((status == 0)); do
    ((tries-- > 0)) || break
    sleep 1
done
equal "a store works again, without a restart" 0 "$status"
kill_node "$node_pid"
start_small_node
all_are_there "after kill -9 all that was acknowledged is there"
end_checks
