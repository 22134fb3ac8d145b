#!/usr/bin/env bash
# The symwave command against real nodes: store, fetch, route, nodes, and what goes wrong with them. Needs SYMWAVE_BIN,
# the folder of the programs; is skipped (77) where there is no jq.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
command -v jq >/dev/null || { echo "there is no jq"; exit 77; }

# whole FOLDER: how many files the folder has; fails where one is not the piece of its key.
whole() {
    local file piece
    for file in "$1"/* "$1"/.[!.]*; do
        [[ -e $file ]] || continue
        piece=$(grep -F -- "${file##*/}" keys.tsv | cut -f 2)
        cmp -s -- "$file" "${piece:-/dev/null}" || return 1
    done
    find "$1" -type f | wc -l
}

make_work_folder
cd -- "$work_folder"
node_count=4
piece_count=101
ids=() addresses=() pids=()
echo "nodes:" >nodes.yaml
for ((i = 0; i < node_count; i++)); do
    ids[i]=node-000$i
    start_node "${ids[i]}" 127.0.0.1:0
    addresses[i]=$node_address pids[i]=$node_pid
    printf -- '- id: %s\n  address: %s\n' "${ids[i]}" "$node_address" >>nodes.yaml
done
mkdir pieces
head -c $(((piece_count - 1) * 61440 + 17)) /dev/urandom >input
split -b 61440 -a 3 -d input pieces/

# ---- store ----

symwave --nodes nodes.yaml store pieces/*
equal "store ends with 0" 0 "$status"
printf '%s\n' "$out" >keys.tsv
equal "store prints each file once, in order" "$(printf '%s\n' pieces/*)" "$(cut -f 2 keys.tsv)"
if command -v b3sum >/dev/null; then
    equal "store's keys are what b3sum tells" "$(b3sum --no-names pieces/*)" \
        "$(cut -f 1 keys.tsv | xargs "$bin/symwave" key | awk '$1 == "hex" { print $2 }')"
fi
symwave --nodes nodes.yaml --json store pieces/*
reports "storing again places nothing new" "$piece_count 0 $((piece_count * node_count)) 0" \
    '[.symbols, .replicas_placed, .replicas_present, .replicas_failed] | map(tostring) | join(" ")'
reports "store --json has key and file of each" "$(<keys.tsv)" '.stored[] | [.key, .file] | @tsv'
printf '%s\n' pieces/* >names
capture "$bin/symwave" --nodes nodes.yaml store - <names
equal "store reads names from standard input" "$(<keys.tsv)" "$out"
symwave --nodes nodes.yaml store pieces/000 no-such-file
one_line "store of a missing file" 3 "no-such-file"

# ---- fetch ----

symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out fetched --json
equal "fetch ends with 0" 0 "$status"
reports "fetch finds all on the network" "ok 0 $piece_count 0" \
    '[.status, .found_local, .found_network, .missing] | map(tostring) | join(" ")'
equal "each file is the piece of its key" "$piece_count" "$(whole fetched)"
cut -f 1 keys.tsv | (cd fetched && xargs cat) >together
equal "the files in order are the input" "" "$(cmp together input 2>&1)"
symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out fetched --json
reports "fetching again asks nobody" "ok $piece_count 0 0" \
    '[.status, .found_local, .found_network, .requests] | map(tostring) | join(" ")'
first=$(head -n 1 keys.tsv | cut -f 1)
printf 'torn' >"fetched/$first"
symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out fetched --json
reports "a torn file is fetched anew, alone" "ok $((piece_count - 1)) 1" \
    '[.status, .found_local, .found_network] | map(tostring) | join(" ")'
equal "the torn file is whole again" "$piece_count" "$(whole fetched)"
symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --required 17% --out share --json
reports "--required 17% stops at 18 of 101, with nothing beyond but what a late node was asked for twice" "18 18 true" \
    '[.required, .found_network, .symbols_wasted <= .hedges_sent] | map(tostring) | join(" ")'
equal "and 18 files are there" 18 "$(whole share)"
"$bin/symwave" --nodes nodes.yaml fetch --task t --keys keys.tsv --out piped 2>piped.err | cat >piped.out
equal "fetch into a pipe says nothing on standard error" "" "$(<piped.err)"
contains "and its summary on standard output" "fetched $piece_count of $piece_count" "$(<piped.out)"

# ---- route ----

# Rows of another implementation: task, key, base, nodes.
for count in 3 50; do
    rows=$root/client/core/test/data/routing-$count-nodes.tsv
    echo "nodes:" >routed.yaml
    for ((i = 0; i < count; i++)); do
        printf -- '- id: node-%04d\n  address: 127.0.0.1:%d\n' "$i" $((i + 1)) >>routed.yaml
    done
    for task in $(grep -v '^#' "$rows" | cut -f 1 | sort -u); do
        grep -P "^$task\t" "$rows" | cut -f 2- >expected
        cut -f 1 expected >routed-keys
        symwave --nodes routed.yaml route --task "$task" --keys routed-keys
        equal "route of $(wc -l <expected) keys of $task among $count nodes" "$(<expected)" "$out"
    done
done
symwave --nodes routed.yaml --json route --task t "$first"
reports "route --json has the key" "$first" '.routes[0].key'

# ---- key ----

symwave --json key "$first"
base64=$(jq -r .base64 <<<"$out")
equal "key's three forms name one key" "$(jq -r .hex <<<"$out")" "$(base64 -d <<<"$base64" | od -An -v -tx1 | tr -d ' \n')"
symwave key "0${first#?}"
equal "a bad key on the command line: exit status" 2 "$status"
contains "a bad key on the command line is named" "\"0${first#?}\"" "$(head -n 1 <<<"$err")"

# ---- nodes ----

"$bin/symwave" --nodes nodes.yaml nodes --watch=0.1 >watched &
watch_pid=$!
until [[ $(grep -c '^ID ' watched) -ge 3 ]]; do
    sleep 0.05
done
kill -INT "$watch_pid"
status=0
wait "$watch_pid" || status=$?
equal "nodes --watch ends with Ctrl-C, and well" 0 "$status"
equal "nodes --watch uses no escapes in a pipe" 0 "$(grep -c $'\033' watched || true)"
equal "nodes --watch asks all nodes each time" 0 "$(($(grep -c '^node-' watched) % ${#ids[@]}))"
symwave --nodes nodes.yaml nodes --json
equal "nodes ends with 0" 0 "$status"
reports "nodes: all serve and hold all" "true true $piece_count" \
    '[(.nodes | all(.serving)), (.nodes | all(.writable)), (.nodes | map(.symbol_count) | unique | join(" "))]
        | map(tostring) | join(" ")'
kill_node "${pids[3]}"
symwave --nodes nodes.yaml nodes
one_line "nodes with one down" 1 "1 of 4 nodes could not be reached"
equal "the table has a line for each node" 5 "$(wc -l <<<"$out")"
contains "the node that is down is not serving" "no" "$(grep node-0003 <<<"$out")"
symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out one-down --json
equal "fetch with one node down ends with 0" 0 "$status"
equal "and has all" "$piece_count" "$(whole one-down)"
symwave --nodes nodes.yaml store pieces/000
equal "store with 1 of 4 nodes down ends with 0: 75 % of the replicas are enough" 0 "$status"
start_node "${ids[3]}" "${addresses[3]}"
pids[3]=$node_pid
printf 'nodes:\n- id: node-0003\n  address: %s\n' "${addresses[3]}" >one-node.yaml
symwave --nodes one-node.yaml fetch --task t --keys keys.tsv --out from-one --json
reports "a node restarted after SIGKILL has all that it acknowledged" "$piece_count" .found_network
equal "and it is right" "$piece_count" "$(whole from-one)"

# ---- what goes wrong ----

symwave --nodes no-such.yaml nodes
one_line "a missing nodes file" 3 "no-such.yaml"
printf 'nodes:\n- id: a\n  address: 127.0.0.1:1\n- id: b\n  adress: 127.0.0.1:2\n' >bad.yaml
symwave --nodes bad.yaml nodes
one_line "bad YAML: file, line and column" 3 "bad.yaml:5:3"
{ head -n 2 keys.tsv && echo "not-a-key"; } >bad-keys
symwave --nodes nodes.yaml fetch --task t --keys bad-keys --out bad
one_line "a bad key in a file: file, line and key" 2 'bad-keys:3: bad key "not-a-key"'
printf 'nodes:\n- id: node-0000\n  address: 127.0.0.1:1\n' >unreachable.yaml
symwave --nodes unreachable.yaml fetch --task t --keys keys.tsv --out nothing
one_line "unreachable nodes" 1 "node-0000 at 127.0.0.1:1"
symwave --nodes unreachable.yaml store pieces/000
equal "store on unreachable nodes: exit status" 1 "$status"
printf '%s\n' "$(head -n 2 keys.tsv | cut -f 1)" 11111111111111111111111111111111 >some-keys
symwave --nodes nodes.yaml fetch --task t --keys some-keys --out short
one_line "a key that nobody has" 1 "1 of 3 required symbols are missing"
contains "the missing key is named" 11111111111111111111111111111111 "$err"
{ cat one-node.yaml && sed 1d unreachable.yaml; } >half-reachable.yaml
symwave --nodes half-reachable.yaml fetch --task t --keys some-keys --out half
one_line "a key that nobody has, but a node failed" 1 "1 of 3 .* 1 of the 2 nodes asked failed (node-0000 at 127.0.0.1:1: "
equal "what there is has been fetched" 2 "$(whole short)"

mkdir unwritable
chmod 0555 unwritable
as_nobody=()
if ((EUID == 0)); then
    as_nobody=(setpriv --bounding-set=-all --inh-caps=-all) # root without the right to write anywhere
fi
capture "${as_nobody[@]}" "$bin/symwave" --nodes nodes.yaml fetch --task t --keys keys.tsv --out unwritable --json
one_line "an unwritable folder" 3 "unwritable: Permission denied"
equal "no request was made for it" "" "$out"

mkdir small
if ((EUID == 0)) && mount -t tmpfs -o size=1m tmpfs small 2>/dev/null; then
    clean_up_small() {
        local ended=$?
        umount small
        (exit $ended) || true
        clean_up
    }
    trap clean_up_small EXIT
    symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out small --json
    one_line "a full folder" 3 "No space left on device"
    reports "it is told at once: no key was asked of a second node" 1 .wave_count
    came=$(whole small) || came=torn
    equal "the files in it are whole" "$(jq -r .found_network <<<"$out")" "$came"
    mount -o remount,size=64m small
    symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out small --json
    reports "with more room the same command goes on" "$came $piece_count" \
        '"\(.found_local) \(.found_local + .found_network)"'
else
    echo "no right to mount here: a full folder is not tried"
fi

# ---- an interrupt ----

# Two stopped nodes hold the fetch up; what the others have arrives meanwhile.
kill -STOP "${pids[0]}" "${pids[1]}"
"$bin/symwave" --nodes nodes.yaml fetch --task t --keys keys.tsv --out interrupted --json >interrupted.json \
    2>interrupted.err &
client=$!
children+=("$client")
tries=400
until [[ -n $(find interrupted -type f 2>/dev/null | head -n 1) ]] || ((tries-- == 0)); do
    sleep 0.02
done
kill -INT "$client"
ended=0
wait "$client" || ended=$?
forget_child "$client"
kill -CONT "${pids[0]}" "${pids[1]}"
equal "SIGINT ends a fetch with 1" 1 "$ended"
contains "and it says so" "cancelled" "$(<interrupted.err)"
came=$(whole interrupted) || came=torn
equal "no half symbol is left" "$(jq -r '.found_network' interrupted.json)" "$came"
symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out interrupted --json
reports "the same command goes on where it ended" "$came $piece_count" '"\(.found_local) \(.found_local + .found_network)"'
equal "and has all" "$piece_count" "$(whole interrupted)"
end_checks
