#!/usr/bin/env bash
# --trace of fetch and get against real nodes, one of them dead and one slow: the trace has what the report has. Needs
# SYMWAVE_BIN, the folder of the programs; is skipped (77) where there is no jq.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
command -v jq >/dev/null || { echo "there is no jq"; exit 77; }

# agrees TEXT TRACE REPORT: a trace's requests, nodes and counts are those of a retrieval's report, and its slices lie on
# lanes on which none overlaps another.
agrees() {
    local text=$1 trace=$2 report=$3
    equal "$text: one slice a request" "$(jq .requests <<<"$report")" \
        "$(jq '[.traceEvents[] | select(.ph == "X")] | length' "$trace")"
    equal "$text: each node of the report has a track, and no other" "$(jq -r '[.nodes[].id] | sort | join(" ")' <<<"$report")" \
        "$(jq -r '[.traceEvents[] | select(.name == "process_name") | .args.name] | sort | join(" ")' "$trace")"
    equal "$text: each slice is on a track" true \
        "$(jq '[.traceEvents[] | select(.name == "process_name") | .pid] as $pids
            | .traceEvents | all(.ph != "X" or (.pid | IN($pids[])))' "$trace")"
    equal "$text: each node has its requests" "$(jq -c '[.nodes[] | {id, requests}] | sort' <<<"$report")" \
        "$(jq -c '([.traceEvents[] | select(.name == "process_name") | {"\(.pid)": .args.name}] | add) as $names
            | [.traceEvents[] | select(.ph == "X")] | group_by(.pid)
            | map({id: $names["\(.[0].pid)"], requests: length}) | sort' "$trace")"
    equal "$text: no two slices of a lane overlap" true \
        "$(jq '[.traceEvents[] | select(.ph == "X")] | group_by([.pid, .tid]) | all(sort_by(.ts, .dur) as $lane
            | [range(1; $lane | length)] | all($lane[. - 1].ts + $lane[. - 1].dur <= $lane[.].ts))' "$trace")"
    equal "$text: what was found adds up" "$(jq "[.nodes[].found] | add" <<<"$report")" \
        "$(jq '[.traceEvents[] | select(.ph == "X") | .args.found] | add' "$trace")"
    equal "$text: ids are distinct" true \
        "$(jq '[.traceEvents[] | select(.ph == "X") | .args.id] | length == (unique | length)' "$trace")"
    equal "$text: no slice ends after the whole" true \
        "$(jq --argjson us "$4" '.traceEvents | all(.ph != "X" or .ts + .dur <= $us)' "$trace")"
}

make_work_folder
cd -- "$work_folder"
pids=()
echo "nodes:" >nodes.yaml
for ((i = 0; i < 4; i++)); do
    start_node "node-000$i" 127.0.0.1:0
    pids[i]=$node_pid
    printf -- '- id: node-000%d\n  address: %s\n' "$i" "$node_address" >>nodes.yaml
done
mkdir pieces
head -c $((300 * 20000)) /dev/urandom >input
split -b 20000 -a 3 -d input pieces/
"$bin/symwave" --nodes nodes.yaml store pieces/* >keys.tsv 2>store.err
"$bin/symwave" --nodes nodes.yaml put input --layout input.json >put.out
kill_node "${pids[3]}"
kill_node "${pids[1]}"
start_node node-0001 "$(sed -n '/node-0001/{n;s/.*: //p}' nodes.yaml)" --store-fault delay=30

# ---- fetch ----

symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out fetched --json --trace fetch.trace
equal "fetch --trace ends with 0" 0 "$status"
agrees "fetch" fetch.trace "$out" "$(jq .elapsed_us <<<"$out")"
equal "the dead node's requests failed, and it says why" true \
    "$(jq '[.traceEvents[] | select(.name == "process_name" and .args.name == "node-0003") | .pid] as $dead
        | [.traceEvents[] | select(.ph == "X" and (.pid | IN($dead[])))]
        | length > 0 and all(.args.found == 0 and .args.end != "answered") and any(.args.error)' fetch.trace)"
equal "nothing but the trace is left beside it" fetch.trace "$(printf '%s\n' fetch.trace*)"
equal "the last symbols add up, by node and by wave" true \
    "$(jq '.tail_symbols == ([.nodes[].tail_symbols] | add) and .tail_symbols == ([.waves[].tail_symbols] | add)' <<<"$out")"
symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out again
contains "the summary tells of the last symbols" "  slowest 5 %   " "$out"
symwave --nodes nodes.yaml fetch --task t --keys keys.tsv --out fetched --json --trace fetch.trace
equal "a trace of a fetch that asks nobody is empty, and replaces the old" "0 0" \
    "$status $(jq '.traceEvents | length' fetch.trace)"
{ cut -f 1 keys.tsv && echo 11111111111111111111111111111111; } >one-more
symwave --nodes nodes.yaml fetch --task t --keys one-more --out short --json --trace short.trace
equal "a fetch that falls short" 1 "$status"
agrees "a fetch that falls short" short.trace "$out" "$(jq .elapsed_us <<<"$out")"

# ---- get ----

symwave --nodes nodes.yaml get --task t input.json --out got --json --trace get.trace
equal "get --trace ends with 0" 0 "$status"
equal "the file is right" "" "$(cmp input got 2>&1)"
agrees "get" get.trace "$(jq .retrieval <<<"$out")" "$(jq .elapsed_us <<<"$out")"

# ---- what goes wrong ----

symwave --nodes nodes.yaml fetch --keys keys.tsv --out none --trace no-folder/trace
one_line "a trace in no folder" 3 "no-folder/trace"
symwave --nodes nodes.yaml fetch --keys keys.tsv --out none --trace /dev/null
one_line "a trace that would replace a device" 3 "/dev/null is no regular file"
symwave --nodes nodes.yaml fetch --keys keys.tsv --out none --trace ./nodes.yaml
one_line "a trace that would replace the node list" 2 "nodes.yaml is the node list"
symwave --nodes nodes.yaml fetch --keys keys.tsv --out none --trace keys.tsv
one_line "a trace that would replace the keys" 2 "keys.tsv is the list of keys"
symwave --nodes nodes.yaml get input.json --out other --trace input.json
one_line "a trace that would replace the layout" 2 "input.json is the layout"
symwave --nodes nodes.yaml get input.json --out other --trace other
one_line "a trace that would replace the output" 2 "other is where the file goes"
end_checks
