#!/usr/bin/env bash
# What those who run a node do with it: delete symbols and get their disk back, back up while the node serves and stores, and
# start from the backup; and that nobody else may. Needs SYMWAVE_BIN, the folder of the programs; is skipped (77) where
# there is no grpcurl.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
command -v python3 >/dev/null || { echo "there is no python3"; exit 77; }
grpcurl=$(find_tool grpcurl) || { echo "there is no grpcurl: integration/install.sh --tests builds one"; exit 77; }

# admin METHOD REQUEST: over the node's own socket.
admin() {
    capture "$grpcurl" -unix -plaintext -max-time 120 -d "$2" "$work_folder/node-1/admin.sock" "symwave.v1.$1"
}

# in_base64 FILE: the keys of a list as a request.
in_base64() {
    local keys
    mapfile -t keys <"$1"
    "$bin/symwave" key --json "${keys[@]}" | jq -s -c '{keys: [.. | .base64? // empty]}'
}

make_work_folder
cd -- "$work_folder"
start_node node-1 127.0.0.1:0
list_of node-1 >nodes.yaml
head -c 20971520 /dev/urandom | split -b 65536 -a 3 - piece-
symwave --nodes nodes.yaml store piece-*
equal "stored" 0 "$status"
cut -f 1 <<<"$out" >keys
sed -n '1,160p' keys >deleted
sed -n '161,$p' keys >kept

# ---- who may ---

for method in SymbolStore/DeleteBatch Admin/Backup Admin/Compact; do
    capture "$grpcurl" -plaintext -d '{}' "$node_address" "symwave.v1.$method"
    contains "$method over the network" "Unauthenticated" "$err"
done

# ---- a backup, while the node stores ----

(
    while [[ ! -e stop ]]; do
        head -c 65536 /dev/urandom >more
        "$bin/symwave" --nodes nodes.yaml store more >>more.keys 2>/dev/null
    done
) &
storing=$!
admin Admin/Backup "{\"path\": \"$work_folder/backup\"}"
equal "a backup" 0 "$status"
[[ $(jq -r '.storedBytes | tonumber' <<<"$out") -gt 20000000 ]] && pass "it says how much is there" ||
    fail "it says how much is there" "$out"
touch stop
wait "$storing"
equal "the node stored meanwhile" 0 "$(cut -f 1 more.keys >last && symwave --nodes nodes.yaml fetch --task t --keys last --out more-fetched; echo "$status")"
admin Admin/Backup "{\"path\": \"$work_folder/backup\"}"
contains "a folder that exists" "exists; name a new folder" "$err"
admin Admin/Backup '{"path": "relative"}'
contains "a path that is not absolute" 'path: "relative" is not an absolute path' "$err"
admin Admin/Backup '{"path": "/nonexistent-folder/backup"}'
equal "a folder whose parent does not exist" 1 "$([[ $status != 0 ]] && echo 1)"

# ---- deleting ----

admin SymbolStore/DeleteBatch "$(in_base64 deleted)"
equal "all that is deleted was there" 160 "$(jq '[.deleted[] | select(.)] | length' <<<"$out")"
admin SymbolStore/DeleteBatch "$(in_base64 deleted)"
equal "a second time nothing is" 0 "$(jq '[.deleted[] | select(.)] | length' <<<"$out")"
admin SymbolStore/DeleteBatch '{"keys": ["YQ=="]}'
contains "what is no key" "keys[0]" "$err"
symwave --nodes nodes.yaml fetch --task t --keys deleted --out gone --json
reports "what is deleted is gone" 0 .found_network
kill_node "$node_pid"
start_node node-1 127.0.0.1:0
list_of node-1 >nodes.yaml
symwave --nodes nodes.yaml fetch --task t --keys deleted --out gone --json
reports "after kill -9 too" 0 .found_network
symwave --nodes nodes.yaml fetch --task t --keys kept --out kept-fetched
equal "what is not is there" 0 "$status"
before=$(du -sk node-1 | cut -f 1)
admin Admin/Compact '{}'
equal "a compaction" 0 "$status"
bytes_before=$(jq -r '.storedBytesBefore | tonumber' <<<"$out") bytes_after=$(jq -r '.storedBytesAfter | tonumber' <<<"$out")
[[ $((bytes_before - bytes_after)) -gt 9000000 ]] && pass "it gives back what was deleted" ||
    fail "it gives back what was deleted" "$bytes_before bytes before, $bytes_after after"
echo "the folder has $before KiB before, $(du -sk node-1 | cut -f 1) KiB after"
rm -rf kept-fetched
symwave --nodes nodes.yaml fetch --task t --keys kept --out kept-fetched
equal "what is left is whole" "0 $(wc -l <kept)" "$status $(find kept-fetched -type f | wc -l)"
symwave --nodes nodes.yaml store piece-aaa
contains "what was deleted can be stored again" "1 stored, 0 there already" "$err"

# ---- damage ----

admin Admin/Scrub '{}'
equal "a scrub checks every symbol, and finds all whole" "0 $(($(wc -l <kept) + 1 + $(sort -u last | wc -l)))" \
    "$(jq -s '.[-1].damagedTotal // "0" | tonumber' <<<"$out") $(jq -s '.[-1].symbols | tonumber' <<<"$out")"
equal "... comes to an end" true "$(jq -s '.[-1].done' <<<"$out")"
damaged=$(head -n 1 kept)
cat >flip.py <<'PYTHON'
# Flips a bit in the middle of a value, wherever it lies in the node's files.
import glob, sys
value = open(sys.argv[1], "rb").read()
for path in glob.glob("node-1/*.blob"):
    with open(path, "r+b") as file:
        at = file.read().find(value)
        if at >= 0:
            file.seek(at + len(value) // 2)
            byte = file.read(1)[0]
            file.seek(at + len(value) // 2)
            file.write(bytes([byte ^ 4]))
            print("flipped")
PYTHON
equal "a bit is flipped on the disk" flipped "$(python3 flip.py "kept-fetched/$damaged" | head -n 1)"
admin Admin/Scrub '{"bytesPerSecond": 1000000000}'
equal "a scrub finds it" "$("$bin/symwave" key --json "$damaged" | jq -r .base64)" "$(jq -s -r '[.[].damaged // [] | .[]] | join(" ")' <<<"$out")"
contains "the log says so" "a damaged symbol is set aside: store it again to have it back\" key=$damaged file=written" "$(<node-1.log)"
cmp -s "node-1/damaged/$damaged" "kept-fetched/$damaged" && fail "its bytes are kept as they are" ||
    equal "its bytes are kept as they are" 65536 "$(stat -c %s "node-1/damaged/$damaged")"
echo "$damaged" >damaged.keys
symwave --nodes nodes.yaml fetch --task t --keys damaged.keys --out lost --json
reports "it is not served any more" "0 1" '[.found_network, (.waves[0].missing // .nodes[0].missing)] | join(" ")'
symwave --nodes nodes.yaml store "kept-fetched/$damaged"
contains "it can be stored again" "1 stored, 0 there already" "$err"
admin Admin/Scrub '{}'
equal "then all is whole" 0 "$(jq -s '.[-1].damagedTotal // "0" | tonumber' <<<"$out")"
equal "a bit is flipped again" flipped "$(python3 flip.py "kept-fetched/$(sed -n 2p kept)" | head -n 1)"
capture "$grpcurl" -plaintext -d "$(sed -n 2p kept >second; in_base64 second | jq -c '. + {verify: true}')" "$node_address" symwave.v1.SymbolStore/RetrieveBatch
equal "a reader who asks for checked symbols is told" 1 "$(jq -s '[.[].corrupt // [] | .[]] | length' <<<"$out")"
capture "$grpcurl" -plaintext -d "$(in_base64 second)" "$node_address" symwave.v1.SymbolStore/RetrieveBatch
equal "... and it is set aside" 1 "$(jq -s '[.[].missing // [] | .[]] | length' <<<"$out")"

# ---- from the backup ----

cp -r backup node-2
start_node node-2 127.0.0.1:0
list_of node-2 >restored.yaml
symwave --nodes restored.yaml fetch --task t --keys keys --out restored
equal "a node from the backup has all that there was" "0 $(wc -l <keys)" "$status $(find restored -type f | wc -l)"
end_checks
