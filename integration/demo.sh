#!/usr/bin/env bash
# Symwave at work on this machine, with nothing to prepare: installs what is missing, builds, starts 8 nodes, puts a file
# of 64 MiB on them and stores 256 MiB in symbols of its own making, kills two nodes, gets the file back and fetches all
# symbols, compares both byte for byte, looks at what a killed node still has, and fetches a share. Ends what it started
# and removes what it wrote, except the build in build/release.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

file_bytes=$((64 << 20))
input_bytes=$((256 << 20))
piece_bytes=$((60 << 10))
node_count=8
required=17%
disk_mib=9000 # inputs, their pieces, 6 replicas of all symbols with RocksDB's log, and what comes back
bin=$root/build/release/bin

heading() {
    printf '\n== %s\n' "$*"
}

# measure NAME ARGUMENT...: runs the client; its report goes into NAME.report, the most memory that it had into NAME.kib.
measure() {
    local name=$1
    shift
    set -- "$bin/symwave" --nodes nodes.yaml "$@" --json
    printf '+ %s >%s.report\n' "$*" "$name"
    /usr/bin/time -q -f %M -o "$name.kib" "$@" >"$name.report" || die "the client failed"
}

# row NAME STEP: the table's line of a measured step. A store's replicas come and go once each: no over-fetch. A put and
# a get have the report of their store or retrieval within their own.
row() {
    jq -r --arg step "$2" --argjson kib "$(tail -n 1 "$1.kib")" '(.store // .retrieval // {}) + . | [
        $step, .elapsed_us / 1e6, .bytes / .elapsed_us, .requests,
        if has("bytes_wasted") then "\(100 * .bytes_wasted / .bytes * 100 | round / 100) %" else "-" end, $kib / 1024
    ] | @tsv' "$1.report" |
        awk -F '\t' '{ printf "%-36s %8.2f %8.0f %9d %11s %8.1f\n", $1, $2, $3, $4, $5, $6 }'
}

# Node number $1 down, without a warning; its place in $pids is empty from here on.
kill_one() {
    echo "SIGKILL to ${ids[$1]}"
    kill_node "${pids[$1]}"
    pids[$1]=
}

# same_bytes FOLDER KEYS: whether each key's file in the folder is the piece of its line in KEYS ("KEY<TAB>PIECE").
same_bytes() {
    local key piece
    while IFS=$'\t' read -r key piece; do
        cmp -- "$1/$key" "$piece" || return 1
    done <"$2"
}

"$root/integration/install.sh"

heading "Build"
cd -- "$root"
run cmake --preset release
run cmake --build --preset release -j "$(job_count)" --target symwaved symwave_cli

heading "Input: a file of $((file_bytes >> 20)) MiB, and $((input_bytes >> 20)) MiB in pieces of $((piece_bytes >> 10)) KiB, random bytes"
make_work_folder
cd -- "$work_folder"
available_mib=$(($(df --output=avail -k . | tail -n 1) / 1024))
((available_mib >= disk_mib)) ||
    die "$work_folder has $available_mib MiB free, $disk_mib are needed; set TMPDIR to a folder with more room"
head -c $file_bytes /dev/urandom >file
head -c $input_bytes /dev/urandom >input
mkdir pieces
split -b $piece_bytes -a 4 -d input pieces/
piece_count=$(find pieces -type f | wc -l)
echo "$piece_count pieces"

heading "$node_count nodes"
ids=() addresses=() pids=()
echo "nodes:" >nodes.yaml
for ((i = 0; i < node_count; i++)); do
    ids[i]=node-000$i
    start_node "${ids[i]}" 127.0.0.1:0
    addresses[i]=$node_address pids[i]=$node_pid
    printf -- '- id: %s\n  address: %s\n' "${ids[i]}" "$node_address" >>nodes.yaml
done
cat nodes.yaml

heading "Put the file: RaptorQ symbols, each on its 6 nearest nodes"
measure put put --task demo file --layout file.json
jq -r '"\(.source_symbols) source and \(.repair_symbols) repair symbols, \(.store.replicas_placed) of \(.store.replicas_wanted) replicas durable"' put.report
measure again put --task demo file --layout again.json
jq -r '"put again: \(.store.replicas_present) replicas are there already, \(.store.bytes_sent) bytes sent"' again.report
cmp file.json again.json

heading "Store each piece on its 6 nearest nodes"
find pieces -type f | sort >files
measure store store - <files
jq -r '.stored[] | [.key, .file] | @tsv' store.report >keys.tsv
jq -r '"\(.symbols) symbols stored, \(.replicas_placed) of \(.replicas_wanted) replicas durable"' store.report
run "$bin/symwave" --nodes nodes.yaml nodes

heading "Two nodes die"
kill_one 2
kill_one 5

heading "Get the file"
measure get get --task demo file.json --out file.got
cmp file file.got
jq -r '"all \(.bytes) bytes are the file'"'"'s, from \(.taken) symbols, \(.decoded) of the source symbols worked out"' get.report
rm file.got

heading "Fetch everything"
measure fetch fetch --task demo --keys keys.tsv --out fetched
jq -r '"\(.found_network) of \(.required) symbols, \(.requests_failed) of \(.requests) requests failed"' fetch.report
cut -f 1 keys.tsv | (cd fetched && xargs cat) | cmp - input
echo "all $input_bytes bytes are the input's"
rm -r fetched

heading "A killed node comes back"
start_node "${ids[2]}" "${addresses[2]}"
pids[2]=$node_pid
printf 'nodes:\n- id: %s\n  address: %s\n' "${ids[2]}" "${addresses[2]}" >one-node.yaml
# What it has acknowledged: every symbol among whose 6 nearest nodes it is.
"$bin/symwave" --nodes nodes.yaml route --keys keys.tsv | grep -w -- "${ids[2]}" | cut -f 1 >its-keys
grep -F -f its-keys keys.tsv >its-keys.tsv
run "$bin/symwave" --nodes one-node.yaml fetch --keys its-keys --out from-one
same_bytes from-one its-keys.tsv
echo "${ids[2]} has all $(wc -l <its-keys) symbols that it had acknowledged"
rm -r from-one

heading "Fetch $required of them, with one node still dead"
measure share fetch --task demo --keys keys.tsv --required $required --out share
fetched=$(find share -type f | wc -l)
((fetched == $(jq .required share.report))) || die "$fetched files are not what was required"
find share -type f -printf '%f\n' | grep -F -f - keys.tsv >share.tsv
same_bytes share share.tsv
jq -r '"stopped at \(.found_network) of \(.keys) symbols; \(.symbols_wasted) came beyond that"' share.report

heading "What it took"
printf '%-36s %8s %8s %9s %11s %8s\n' step seconds MB/s requests over-fetch "peak MiB"
row put "put $((file_bytes >> 20)) MiB as $(jq '.source_symbols + .repair_symbols' put.report) symbols"
row again "put it again: nothing to send"
row get "get it back, 2 nodes dead"
row store "store $piece_count symbols, 6 replicas each"
row fetch "fetch $piece_count symbols, 2 nodes dead"
row share "fetch $fetched symbols ($required), 1 dead"
