#!/usr/bin/env bash
# How long a file takes to be put on nodes of this machine and to be got back: files.sh [MIB] [NODES], 256 and 50 where
# nothing is said. Each figure stands beside what the machine does without Symwave's codec or without Symwave: put
# beside dd, which writes as many bytes durably; get beside a fetch of the same source symbols, which rebuilds nothing.
# A put writes 36 times the file, twice over for a while: 1 GiB takes 80 GB of disk under $TMPDIR, or /tmp.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

mib=${1:-256} node_count=${2:-50}
bin=${SYMWAVE_BIN:-$root/build/release/bin}
rounds=3

# measure NAME ARGUMENT...: runs the client; its report goes into NAME.json, the most memory that it had into NAME.kib.
measure() {
    local name=$1
    shift
    /usr/bin/time -q -f %M -o "$name.kib" "$bin/symwave" --nodes nodes.yaml "$@" --json >"$name.json" ||
        die "$* failed: $(jq -r .error "$name.json")"
}

# row WHAT BYTES MICROSECONDS [KIB]: a line of the table.
row() {
    awk -v what="$1" -v bytes="$2" -v us="$3" -v kib="${4:-}" 'BEGIN {
        printf "%-52s %8.2f %8.0f %9s\n", what, us / 1e6, bytes / us, kib == "" ? "-" : sprintf("%.1f", kib / 1024) }'
}

# median FILTER FILE...
median() {
    local filter=$1
    shift
    jq "$filter" "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}

[[ -x $bin/symwave && -x $bin/symwaved ]] || die "$bin has no symwave: build the release preset first"
make_work_folder
cd -- "$work_folder"
echo "nodes:" >nodes.yaml
pids=()
for ((i = 0; i < node_count; i++)); do
    id=node-$(printf %04d "$i")
    start_node "$id" 127.0.0.1:0
    pids+=("$node_pid")
    printf -- '- id: %s\n  address: %s\n' "$id" "$node_address" >>nodes.yaml
done
head -c "${mib}M" /dev/urandom >file
bytes=$((mib << 20))

measure put put file --layout layout.json
sent=$(jq .store.bytes_sent put.json)
dd_bytes=$((256 << 20)) # a part of as much is enough for a rate
dd_us=$(({ time -p dd if=/dev/zero of=dd bs=1M count=256 conv=fsync status=none; } 2>&1) |
    awk '/^real/ { print int($2 * 1e6) }')
rm dd
measure again put file --layout same.json
cmp layout.json same.json
jq -r --argjson k "$(jq .source_symbols put.json)" '.blocks[0].symbols[:$k][]' layout.json >source-keys
for ((round = 0; round < rounds; round++)); do
    measure "get-$round" get --task "t$round" layout.json --out out
    cmp file out
    rm out
    measure "fetch-$round" fetch --task "t$round" --keys source-keys --out fetched
    rm -r fetched
done
lost=$((node_count / 10))
for ((i = 0; i < lost; i++)); do
    kill_node "${pids[i]}"
done
measure lost get --task lost layout.json --out out
cmp file out

printf '\n%-10s %s, %s processors\n' machine "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)"
printf '%-10s %s\n' symwave "$("$bin/symwave" --version)"
printf '%-10s %s\n\n' command "integration/bench/files.sh $mib $node_count"
printf '%-52s %8s %8s %9s\n' "" seconds MB/s "peak MiB"
row "put: replicas sent, each synced to disk" "$sent" "$(jq .elapsed_us put.json)" "$(<put.kib)"
row "  beside: dd, one file, synced once" "$dd_bytes" "$dd_us"
row "put again: nothing to send" "$bytes" "$(jq .elapsed_us again.json)" "$(<again.kib)"
get_us=$(median .elapsed_us get-*.json) fetch_us=$(median .elapsed_us fetch-*.json)
row "get, median of $rounds" "$bytes" "$get_us" "$(sort -n get-*.kib | tail -n 1)"
row "  beside: fetch of the source symbols" "$bytes" "$fetch_us" "$(sort -n fetch-*.kib | tail -n 1)"
row "get with $lost of $node_count nodes dead" "$bytes" "$(jq .elapsed_us lost.json)" "$(<lost.kib)"
echo
echo "put again / put, time:      $(ratio "$(jq .elapsed_us again.json)" "$(jq .elapsed_us put.json)")"
echo "get / fetch, time:          $(ratio "$get_us" "$fetch_us")"
echo "over-fetch of a get, symbols: $(jq -s '[.[].retrieval.symbols_wasted] | max' get-*.json lost.json) of $(jq .source_symbols put.json)"
