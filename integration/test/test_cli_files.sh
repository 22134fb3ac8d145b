#!/usr/bin/env bash
# The symwave command's put, get, encode and decode against real nodes and in folders: what they print, how they end, and
# what goes wrong with them. Needs SYMWAVE_BIN, the folder of the programs; is skipped (77) where there is no jq.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
command -v jq >/dev/null || { echo "there is no jq"; exit 77; }

same() {
    equal "$1" "" "$(cmp -- "$2" "$3" 2>&1)"
}

make_work_folder
cd -- "$work_folder"
ids=() addresses=() pids=()
echo "nodes:" >nodes.yaml
for i in 0 1 2 3; do
    ids[i]=node-000$i
    start_node "${ids[i]}" 127.0.0.1:0
    addresses[i]=$node_address pids[i]=$node_pid
    printf -- '- id: %s\n  address: %s\n' "${ids[i]}" "$node_address" >>nodes.yaml
done
head -c 3000001 /dev/urandom >input # 46 source symbols and 229 repair symbols

# ---- encode and decode ----

symwave encode input --layout encoded.json --symbols symbols
equal "encode ends with 0" 0 "$status"
contains "encode tells how many symbols there are" "46 source and 229 repair symbols, layout in encoded.json" "$out"
equal "encode is quiet on standard error in a pipe" "" "$err"
equal "each symbol is a file" 275 "$(find symbols -type f | wc -l)"
if command -v b3sum >/dev/null; then
    equal "the layout's hash is what b3sum tells" "$(b3sum --no-names input)" \
        "$(jq -r '.blocks[0].hash' encoded.json | xargs "$bin/symwave" key | awk '$1 == "hex" { print $2 }')"
fi
symwave encode input --layout alone.json --json
reports "encode --json without a folder" "ok 46 229" \
    '[.status, .source_symbols, .repair_symbols] | map(tostring) | join(" ")'
same "a layout does not depend on where the symbols go" encoded.json alone.json

symwave decode encoded.json --symbols symbols --out decoded
equal "decode ends with 0" 0 "$status"
same "decode gives the file" input decoded
symwave decode encoded.json --symbols symbols --out decoded
contains "decode again does nothing" "nothing was fetched" "$out"

mkdir few
jq -r '.blocks[0].symbols[46:]' encoded.json | jq -r '.[:40][]' | while read -r key; do cp "symbols/$key" few/; done
symwave decode encoded.json --symbols few --out from-few
one_line "decode with too few symbols" 1 "40 symbols are there, at least 6 more are needed"
jq -r '.blocks[0].symbols[100:110][]' encoded.json | while read -r key; do cp "symbols/$key" few/; done
symwave decode encoded.json --symbols few --out from-few --json
reports "decode with enough goes on from there" "ok 40 46" '[.status, .kept, .decoded] | map(tostring) | join(" ")'
same "repair symbols alone give the file" input from-few

# ---- put and get ----

symwave --nodes nodes.yaml put --task t input --layout layout.json
equal "put ends with 0" 0 "$status"
contains "put tells replicas" "1100 wanted: 1100 stored, 0 there already, 0 refused, 0 failed" "$out"
same "put and encode give the same layout" encoded.json layout.json
symwave --nodes nodes.yaml put --task t input --layout layout.json --json
reports "put again sends nothing" "ok 0 1100 0" \
    '[.status, .store.replicas_placed, .store.replicas_present, .store.bytes_sent] | map(tostring) | join(" ")'

# A dry run says what route says of each key, and touches nothing.
symwave --nodes nodes.yaml get --task t layout.json --dry-run --json
jq -r '.blocks[0].symbols[:46][]' layout.json >source.txt
expected=$("$bin/symwave" --nodes nodes.yaml route --task t --keys source.txt --json |
    jq -r '.routes[] | .candidates[.base].id' | sort | uniq -c | awk '{ print $2 "=" $1 }')
reports "get --dry-run counts the primaries" "$expected" '.nodes[] | "\(.id)=\(.symbols)"'
reports "get --dry-run has the file's numbers" "3000001 46 275" '[.bytes, .source_symbols, .symbols] | map(tostring) | join(" ")'
mkdir temporary
TMPDIR=$PWD/temporary symwave --nodes nodes.yaml put input --dry-run --json
reports "put --dry-run counts the replicas" "275 275 275 275" '[.nodes[].symbols] | map(tostring) | join(" ")'
equal "put --dry-run leaves nothing" "" "$(ls temporary)"
symwave --nodes nodes.yaml put input --dry-run
contains "put --dry-run as a table" "46 source and 229 repair symbols" "$out"
equal "it has a line a node" 4 "$(grep -c ' 275 ' <<<"$out")"
symwave --nodes nodes.yaml put no-such-file --dry-run
one_line "put --dry-run of a missing file" 3 "no-such-file: No such file"
symwave --nodes nodes.yaml get layout.json --dry-run --trace t.json
one_line "a trace of a dry run" 2 "nothing to trace"

symwave --nodes nodes.yaml get --task t layout.json --out got
equal "get ends with 0" 0 "$status"
equal "get is quiet on standard error in a pipe" "" "$err"
contains "get says that the hash is right" "got got: its hash is right" "$out"
same "get gives the file" input got
equal "get leaves nothing beside it" "got" "$(ls -d got*)"
symwave --nodes nodes.yaml get --task t layout.json --out got --json
reports "get of what is there asks nobody" "ok true null" '[.status, .already_there, .retrieval] | map(tostring) | join(" ")'

echo longer >>got
symwave --nodes nodes.yaml get --task t layout.json --out got --json
reports "get replaces a file that is not the right one" "ok false 46" \
    '[.status, .already_there, .taken] | map(tostring) | join(" ")'
same "and then it is right" input got

kill_node "${pids[0]}"
kill_node "${pids[1]}"
symwave --nodes nodes.yaml get --task t layout.json --out without --json
reports "get does without two of four nodes" "ok 46" '[.status, .taken] | map(tostring) | join(" ")'
same "and gives the file" input without
head -c 100000 /dev/urandom >other
symwave --nodes nodes.yaml put other --layout other.json
equal "put below three quarters: exit status" 1 "$status"
contains "put below three quarters: what it says" "75 % are required" "$err"
equal "put below three quarters: no layout" "" "$(ls other.json* 2>/dev/null || true)"

# A symbol that every node has lost is no matter, and neither are all source symbols.
jq -r '.blocks[0].symbols[46:][]' encoded.json | sed 's#^#symbols/#' >repair.txt
start_node node-x 127.0.0.1:0
printf 'nodes:\n- id: node-x\n  address: %s\n' "$node_address" >x.yaml
symwave --nodes x.yaml store - <repair.txt
equal "repair symbols are stored alone" 0 "$status"
symwave --nodes x.yaml get layout.json --out from-repair --json
reports "get works out every source symbol" "ok 46" '[.status, .decoded] | map(tostring) | join(" ")'
same "and gives the file" input from-repair

# ---- what goes wrong ----

symwave --nodes nodes.yaml put
one_line "put of nothing" 2 "which file?"
symwave --nodes nodes.yaml put input
one_line "put without a layout" 2 "--layout"
symwave put input --layout l.json
one_line "put without nodes" 2 "--nodes"
symwave --nodes nodes.yaml put input input --layout l.json
one_line "put of two files" 2 "one file at a time"
symwave --nodes nodes.yaml put no-such-file --layout l.json
one_line "put of a missing file" 3 "no-such-file: No such file"
symwave --nodes nodes.yaml put symbols --layout l.json
one_line "put of a folder" 3 "symbols is a folder"
: >empty
symwave encode empty --layout l.json
one_line "encode of an empty file" 3 "empty is empty"
symwave encode input --layout no/such/folder/l.json
one_line "a layout in no folder" 3 "its folder does not exist"
cp input film && cp input film.part
symwave encode film --layout film
one_line "a layout in the place of its file" 3 "the layout would replace film itself"
symwave encode film.part --layout film
one_line "a layout that would be written to its file first" 3 "the layout would replace film.part itself"
same "and the file is untouched" input film
same "and the other" input film.part
symwave encode input --layout film
one_line "a foreign file where a layout is written first" 3 "film.part is there and was not left by a put"
symwave --nodes nodes.yaml get layout.json --out film2.part/x
one_line "an output in no folder" 3 "its folder does not exist"
symwave --nodes nodes.yaml get layout.json --out layout.json
one_line "a file in the place of its layout" 3 "the file would replace its layout"
rm film
symwave --nodes nodes.yaml get layout.json --out film
one_line "a foreign file where the workspace would be" 3 "film.part is there, and the journal of a get or a decode is not beside it"
same "and it is untouched" input film.part
rm film.part
echo mine >film.part.journal
symwave --nodes nodes.yaml get layout.json --out film
one_line "a foreign file where the journal would be" 3 "film.part.journal is there, and is no journal"
equal "and it is untouched, and nothing is beside it" "film.part.journal mine" "$(echo film*) $(cat film.part.journal)"
rm film.part.journal
symwave --nodes nodes.yaml put input --layout nodes.yaml
one_line "a layout in the place of the node list" 2 "nodes.yaml is the node list"
symwave --nodes nodes.yaml get layout.json --out nodes.yaml
one_line "a file in the place of the node list" 2 "nodes.yaml is the node list"
mkfifo pipe
symwave --nodes nodes.yaml put input --layout pipe
one_line "a layout in the place of a pipe" 3 "pipe is a pipe or a device"
symwave --nodes nodes.yaml get layout.json --out ""
equal "an output without a name: exit status" 3 "$status"
symwave --nodes nodes.yaml put input --layout l.json --budget 1K
one_line "a budget that is too small" 2 "from 1M to 16G"
symwave --nodes nodes.yaml get no-such.json --out x --json
reports "a layout that is not there, as JSON" "not found" .status
symwave --nodes nodes.yaml get layout.json
one_line "get without an output" 2 "--out"
symwave --nodes nodes.yaml get input --out x
one_line "get of what is no layout" 3 "input:1:"
sed 's/"size": 3000001/"size": 3000002/' layout.json >wrong.json
symwave --nodes nodes.yaml get wrong.json --out x
one_line "get of a layout with a wrong size" 3 "blocks[0].size: it is 3000002 and must be 3000001"
symwave --nodes nodes.yaml get layout.json --out symbols
one_line "get into a folder's name" 3 "symbols is no regular file"
symwave decode layout.json --out x
one_line "decode without a folder" 2 "--symbols"
symwave decode layout.json --symbols no-such-folder --out x
one_line "decode of a missing folder" 3 "no-such-folder"
hash=$(jq -r '.blocks[0].hash' layout.json)
sed "s/$hash/$("$bin/symwave" key "$(jq -r '.blocks[0].symbols[0]' layout.json)" | awk '$1 == "base58" { print $2 }')/" \
    layout.json >lying.json
symwave decode lying.json --symbols symbols --out x
one_line "a layout with the hash of another file" 1 "the layout is at fault"
equal "and no file" "" "$(ls x 2>/dev/null || true)"

kill_node "${pids[2]}"
kill_node "${pids[3]}"
symwave --nodes nodes.yaml get layout.json --out nobody
one_line "get with no node" 1 "none of the 4 nodes asked could be reached"
symwave decode layout.json --symbols symbols --out late --deadline 0.001
one_line "a deadline that passes" 1 "the deadline passed after"

end_checks
