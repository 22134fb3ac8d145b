#!/usr/bin/env bash
# The commands of symwaved for who runs a node: stats, scrub, backup, restore, export, import, delete and compact, with a node
# that runs and without one; and the scrubs that a node makes by itself. Needs SYMWAVE_BIN, the folder of the programs; is
# skipped (77) where there is no python3.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
command -v python3 >/dev/null || { echo "there is no python3"; exit 77; }

# command_of NAME OPTION...: symwaved's, into $out, $err and $status.
command_of() {
    capture "$bin/symwaved" "$@"
}
value() {
    jq -r "$1" <<<"$out"
}
# flip FOLDER PIECE: a bit of it, on the node's disk.
flip() {
    equal "a bit of $2 is flipped in $1" flipped "$(python3 flip.py "$1" "$2")"
}

make_work_folder
cd -- "$work_folder"
cat >flip.py <<'PYTHON'
# flip.py FOLDER FILE: flips a bit in the middle of a file's bytes, wherever they lie in a node's files.
import glob, sys
value = open(sys.argv[2], "rb").read()
for path in glob.glob(sys.argv[1] + "/*.blob") + glob.glob(sys.argv[1] + "/*.log"):
    with open(path, "r+b") as file:
        # What lies in a log is cut into pieces there: a part of it is enough.
        at = file.read().find(value[len(value) // 2:len(value) // 2 + 64])
        if at >= 0:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 4]))
            print("flipped")
            break
PYTHON
head -c 20971520 /dev/urandom | split -b 65536 -a 3 - piece-
start_node node-1 127.0.0.1:0
list_of node-1 >nodes.yaml
symwave --nodes nodes.yaml store piece-*
equal "stored" 0 "$status"
cut -f 1 <<<"$out" >keys
declare -A key_of # by file
mkdir expected
while IFS=$'\t' read -r key file; do
    key_of[$file]=$key
    cp "$file" "expected/$key"
done <<<"$out"

# ---- a node that runs ----

command_of stats --data node-1 --json
equal "stats" "0 true node-1 320 true 0" \
    "$status $(value '[.running, .node_id, .symbols_estimated, .writable, .damaged_files] | join(" ")')"
equal "what its store counts" 320 "$(value .statistics.rocksdb_estimate_num_keys)"
command_of stats --data node-1
contains "... for people" "symbols estimated 320" "$out"
command_of scrub --data node-1 --json
equal "a scrub" "0 320 20971520 0" "$status $(value '[.symbols, .bytes, .damaged] | join(" ")')"
command_of stats --data node-1 --json
equal "stats tell of it" "320 0" "$(value '[.scrub.symbols, .scrub.damaged] | join(" ")')"
command_of scrub --data node-1 --bytes-per-second 10M
equal "a scrub is no faster than it may be: two seconds" 0 "$status"
command_of backup --data node-1 backup
equal "a backup, in a folder named from here" "0 yes" "$status $([[ -e backup/CURRENT ]] && echo yes)"
command_of backup --data node-1 backup
equal "not over another" 3 "$status"
contains "... and it says so" "backup exists; name a new folder" "$err"
command_of export --data node-1 exported --json
equal "an export" "0 320 0 0" "$status $(value '[.symbols, .there_already, .damaged] | join(" ")')"
equal "each file is what its name says" "" "$(diff -r expected exported)"
rm "exported/$(sed -n 1p keys)"
truncate -s 100 "exported/$(sed -n 2p keys)"
truncate -s 65535 "exported/$(sed -n 3p keys)"
truncate -s 65536 "exported/$(sed -n 3p keys)"
command_of export --data node-1 exported --json
equal "again: what is whole is left, the rest comes" "0 320 317" "$status $(value '[.symbols, .there_already] | join(" ")')"
equal "... and all is whole" "" "$(diff -r expected exported)"
command_of delete --data node-1 $(sed -n '1,100p' keys) --json
equal "deleting" "0 100 100" "$status $(value '[.keys, .deleted] | join(" ")')"
command_of delete --data node-1 "$(sed -n 101p keys)" not-a-key
equal "not with a word that is no key" 2 "$status"
contains "... which it names" "not-a-key: " "$err"
command_of compact --data node-1 --json
equal "a compaction gives back what they took" "0 true" "$status $(value '.before_bytes - .after_bytes > 6000000')"
command_of import --data node-1 exported --json
equal "an import" "0 100 220 0" "$status $(value '[.stored, .there_already, .refused] | join(" ")')"
symwave --nodes nodes.yaml fetch --task t --keys keys --out fetched
equal "the node has them all again" "0 320" "$status $(find fetched -type f | wc -l)"

# ---- what is not as it should be ----

mkdir bad
cp "exported/$(sed -n 1p keys)" "bad/$(sed -n 2p keys)"
cp "exported/$(sed -n 3p keys)" "bad/$(sed -n 3p keys)"
cp piece-aaa bad/piece-aaa
head -c 300000 /dev/zero >"bad/$(sed -n 4p keys)"
: >"bad/$(sed -n 5p keys)"
ln -s ../piece-aab bad/link
mkfifo bad/fifo
command_of import --data node-1 bad --json
equal "an import of what is not right" "1 0 1 6" "$status $(value '[.stored, .there_already, .refused] | join(" ")')"
for reason in "its bytes do not hash to its name" "its name is not a key" "a symbol has 1 to 262144" "it has 0 bytes" "it is no file"; do
    contains "... $reason" "$reason" "$out"
done
stop_node
flip node-1 piece-amh
damaged=${key_of[piece-amh]}
command_of export --data node-1 partly --json
equal "an export leaves out what is damaged" "1 319 $damaged" "$status $(value '[.symbols, .damaged_keys[]] | join(" ")')"
command_of scrub --data node-1 --json
equal "a scrub without a node finds it" "1 320 1 $damaged" "$status $(value '[.symbols, .damaged, .damaged_keys[]] | join(" ")')"
equal "... and sets it aside" 65536 "$(stat -c %s "node-1/damaged/$damaged")"
command_of stats --data node-1 --json
equal "stats without a node" "0 false 1 1" "$status $(value '[.running, .damaged_files, .scrub.damaged] | join(" ")')"
command_of import --data node-1 "exported/$damaged" --json
equal "it is imported again" "0 1" "$status $(value .stored)"
flip node-1 piece-amg
start_node node-1 127.0.0.1:0
list_of node-1 >nodes.yaml
if grpcurl=$(find_tool grpcurl); then
    damaged=${key_of[piece-amg]}
    request=$("$bin/symwave" key --json "$damaged" | jq -s -c '{keys: [.. | .base64? // empty]}')
    capture "$grpcurl" -plaintext -d "$request" "$node_address" symwave.v1.SymbolStore/BatchGetValues
    contains "BatchGetValues says that its bytes are lost" "Code: DataLoss" "$err"
    contains "... of which key" "keys[0]: the node cannot read the value of $damaged" "$err"
    capture "$grpcurl" -plaintext -d "$request" "$node_address" symwave.v1.SymbolStore/BatchGetValues
    equal "... and it is set aside" "0 null" "$status $(jq -r '.values[0].found' <<<"$out")"
fi
stop_node

# ---- from the backup ----

command_of restore --data node-2 backup --json
equal "a backup is restored" "0 320" "$status $(value .symbols)"
command_of restore --data node-2 backup
equal "not over what is there" 3 "$status"
contains "... and it says so" "node-2 is not empty" "$err"
command_of restore --data node-4 node-1
contains "what is no backup but a node's folder" "make a backup of it" "$err"
command_of restore --data node-4 exported
contains "what is neither" "exported is no backup" "$err"
command_of scrub --data node-2 --json
equal "all of it is whole" "0 320 0" "$status $(value '[.symbols, .damaged] | join(" ")')"
start_node node-2 127.0.0.1:0
list_of node-2 >restored.yaml
symwave --nodes restored.yaml fetch --task t --keys keys --out restored
equal "a node on it serves all" "0 320" "$status $(find restored -type f | wc -l)"
stop_node
# One that is killed at some moment: the node does not start on what there is of it, and it is made whole by the next.
halves=0
for pause in 0.002 0.004 0.006 0.008 0.010 0.012 0.014 0.016 0.018 0.020; do
    rm -rf node-3
    "$bin/symwaved" restore --data node-3 backup >/dev/null 2>&1 &
    restoring=$!
    sleep "$pause"
    kill -KILL "$restoring" 2>/dev/null || true
    wait "$restoring" 2>/dev/null || true
    if [[ -e node-3/RESTORING ]]; then
        halves=$((halves + 1))
        capture timeout 10 "$bin/symwaved" --data node-3 --node-id node-3 --listen 127.0.0.1:0
        [[ $status == 3 && $err == *"not restored into node-3 to the end"* ]] || fail "a node on half a backup" "$status $err"
    fi
    [[ -e node-3/RESTORING || ! -e node-3/CURRENT ]] || rm -rf node-3
    command_of restore --data node-3 backup --json
    [[ $status == 0 && $(value .symbols) == 320 ]] || fail "a restore after one that was killed" "$status $out $err"
done
pass "10 restores that were killed, $halves of them midway"
: >node-3/RESTORING
command_of stats --data node-3
equal "half a backup is no node's folder" 3 "$status"
contains "... and what to do about it" 'run "symwaved restore" again' "$err"

# ---- a new node from files ----

"$bin/symwaved" import --data node-5 exported >/dev/null 2>&1 &
importing=$!
sleep 0.1
kill -KILL "$importing" 2>/dev/null || true
wait "$importing" 2>/dev/null || true
command_of import --data node-5 exported --json
equal "an import that was killed, and again" "0 320" "$status $(value '.stored + .there_already')"
command_of scrub --data node-5 --json
equal "... brings all" "0 320 0" "$status $(value '[.symbols, .damaged] | join(" ")')"

# ---- wrong usage ----

command_of scrub
equal "without a folder" 2 "$status"
contains "... which it asks for" "name the data folder with --data" "$err"
command_of export --data node-5
equal "without an argument" 2 "$status"
command_of stats --data node-5 more
equal "with one too many" 2 "$status"
command_of scrub --data node-5 --bytes-per-second 0
equal "a rate of nothing" 2 "$status"
command_of stats --data nowhere
equal "a folder that is not there" 3 "$status"
contains "... is named" "nowhere is no data folder" "$err"
command_of stats --data nowhere --json
contains "... in JSON too" "nowhere is no data folder" "$(value .error)"
printf 'data: node-5\nnode-id: node-5\nlisten: 127.0.0.1:0\n' >node-5.yaml
command_of stats --config node-5.yaml --json
equal "the folder from the node's configuration" "0 320" "$status $(value .symbols_estimated)"
printf 'data: node-5\nnode-di: node-5\n' >wrong.yaml
command_of stats --config wrong.yaml
equal "a configuration that is wrong" 3 "$status"
contains "... says where" "wrong.yaml:2:1" "$err"
command_of export --data node-5 /proc/exported
equal "a folder that cannot be made" 3 "$status"
long=$(printf '%0150d' 0)
command_of stats --data "$long"
contains "a path too long for a socket" "too long for a socket" "$err"
if [[ $(id -u) == 0 ]]; then
    cp -r node-5 node-6
    chown -R 65534:65534 node-6
    command_of scrub --data node-6
    equal "root makes no files for another's node" 3 "$status"
    contains "... and says how" "setpriv --reuid 65534" "$err"
fi

# ---- the node's own scrubs ----

flip node-5 piece-aac
damaged=${key_of[piece-aac]}
echo "symwave-scrub 1 started=1000 finished=2000 symbols=7 bytes=7 damaged=0 last=-" >node-5/scrub.state
start_node node-5 127.0.0.1:0 --scrub-bytes-per-second 1G
logged 'msg="scrub done" symbols=320 damaged=1' node-5.log "a node that was last scrubbed long ago scrubs"
contains "the damaged symbol is set aside" "key=$damaged file=written" "$(<node-5.log)"
command_of stats --data node-5 --json
equal "stats tell of it" "320 1" "$(value '[.scrub.symbols, .scrub.damaged] | join(" ")')"
stop_node
contains "its record is kept" "symbols=320" "$(<node-5/scrub.state)"
middle=$(for key in $(<keys); do "$bin/symwave" key --json "$key"; done | jq -s -r 'flatten | sort_by(.hex) | .[160].base58')
echo "symwave-scrub 1 started=1000 finished=0 symbols=161 bytes=10000000 damaged=3 last=$middle" >node-5/scrub.state
start_node node-5 127.0.0.1:0 --scrub-bytes-per-second 1G
logged 'msg="scrub done" symbols=3\(19\|20\) damaged=3' node-5.log "a scrub that a stop interrupted goes on where it was"
stop_node
echo "what is no record" >node-5/scrub.state
printf 'data: node-5\nnode-id: node-5\nlisten: 127.0.0.1:0\nscrub-interval-hours: 0\n' >node-5.yaml
"$bin/symwaved" --config node-5.yaml 2>node-5.log &
node_pid=$!
children+=("$node_pid")
logged 'msg="node started"' node-5.log "a record that cannot be read does no harm"
stop_node
equal "there was no scrub" 0 "$(grep -c scrub node-5.log || true)"
end_checks
