#!/usr/bin/env bash
# A network from a few of its nodes: FindNode, and the node list that a client makes of it, with nodes that know all, some or
# nobody, that are down, and whose list changes. Needs SYMWAVE_BIN, the folder of the programs; is skipped (77) where there
# is no python3.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
command -v python3 >/dev/null || { echo "there is no python3"; exit 77; }

# ids: of a node list on standard input, sorted, in one line.
ids() {
    sed -n 's/^- id: //p' | sort | tr '\n' ' '
}
# start_knowing ID FILE: a node with a node list.
start_knowing() {
    start_node "$1" 127.0.0.1:0 --nodes "$2" --config "$work_folder/empty.yaml"
}

make_work_folder
cd -- "$work_folder"
echo "log-level: info" >empty.yaml

# A list of a real node and 3,000 that nobody runs.
start_node node-0 127.0.0.1:0
first=$node_pid
{
    printf 'nodes:\n- id: node-0\n  address: %s\n' "$node_address"
    for ((i = 1; i <= 3000; i++)); do
        printf -- '- id: far-%d\n  address: 127.0.0.1:1\n' "$i"
    done
} >many.yaml
printf 'nodes:\n- id: node-0\n  address: %s\n' "$node_address" >one.yaml
one_address=$node_address

# ---- FindNode ----

start_knowing node-1 many.yaml
knowing=$node_pid
printf 'nodes:\n- id: a-name\n  address: %s\n' "$node_address" >seed.yaml
if grpcurl=$(find_tool grpcurl); then
    find_node() {
        capture "$grpcurl" -plaintext -d "$1" "$node_address" symwave.v1.SymbolStore/FindNode
    }
    # The BLAKE3-256 of "far-17", whose nearest node that is.
    target=$("$bin/symwave" --nodes many.yaml --json key "$(printf 'far-17' | b3sum --no-names 2>/dev/null || true)" 2>/dev/null | jq -r .base64 || true)
    if [[ -n $target ]]; then
        find_node "{\"target\": \"$target\", \"count\": 3}"
        equal "FindNode: the nearest first" "far-17 127.0.0.1:1 3" "$(jq -r '[.nodes[0].id, .nodes[0].address, (.nodes | length)] | join(" ")' <<<"$out")"
        key=$("$bin/symwave" --json key "$target" | jq -r .base58)
        find_node "{\"target\": \"$target\", \"count\": 6}"
        equal "... the same as a key's route" \
            "$("$bin/symwave" --nodes many.yaml --json route "$key" | jq -r '[.routes[0].candidates[].id] | join(" ")')" \
            "$(jq -r '[.nodes[].id] | join(" ")' <<<"$out")"
    fi
    find_node '{"target": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}'
    equal "without a count, 16" 16 "$(jq '.nodes | length' <<<"$out")"
    find_node '{"target": "YQ=="}'
    contains "a target that is none" "target: it has 32 bytes, got 1" "$err"
    find_node '{"target": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "count": 17}'
    contains "too many" "count: it may be at most 16, got 17" "$err"
fi

# ---- discovering ----

symwave --nodes seed.yaml discover
equal "one seed is enough" "0 3001" "$status $(grep -c '^- id: ' <<<"$out")"
equal "all nodes of its list are found, and no other" "$(ids <many.yaml)" "$(ids <<<"$out")"
printf '%s\n' "$out" >found.yaml
symwave --nodes found.yaml route AsYuNN2njx3YHMjnGt7AGtKbZ9wF2qp8VsaG9Uu6xcuh
equal "what is printed is a node list" 0 "$status"
symwave --nodes seed.yaml --json discover
printf '%s\n' "$out" >found.json
symwave --nodes found.json discover --deadline 0.001
equal "... as JSON too; and in no time there is no list" 1 "$status"
symwave --nodes one.yaml discover
one_line "a node that knows nobody" 1 "give nodes a node list"
printf 'nodes:\n- id: down\n  address: 127.0.0.1:1\n' >down.yaml
symwave --nodes down.yaml discover
one_line "a seed that is down" 1 "node down at 127.0.0.1:1"
{
    cat down.yaml
    sed -n '2,$p' one.yaml
    sed -n '2,$p' seed.yaml
} >mixed.yaml
symwave --nodes mixed.yaml discover
equal "of seeds that are down, know nobody, and know all" "0 3001" "$status $(grep -c '^- id: ' <<<"$out")"

# ---- a list that changes ----

{
    cat one.yaml
    printf -- '- id: "a:b"\n  address: "[::1]:7"\n- id: new\n  address: 127.0.0.1:2\n'
} >many.yaml.new
mv many.yaml.new many.yaml
kill -HUP "$knowing"
logged 'node list read again" nodes_before=3001 nodes=3' node-1.log "SIGHUP: the list is read again"
symwave --nodes seed.yaml discover
equal "the new list" "0 a:b new node-0 " "$status $(ids <<<"$out")"
printf '%s\n' "$out" >found.yaml
symwave --nodes found.yaml route AsYuNN2njx3YHMjnGt7AGtKbZ9wF2qp8VsaG9Uu6xcuh
equal "what needs quotes has them" 0 "$status"
symwave --nodes seed.yaml discover --serving
equal "of those that serve, one" "0 node-0 " "$status $(ids <<<"$out")"
echo "nodes: 7" >many.yaml
kill -HUP "$knowing"
logged 'node list not taken' node-1.log "a list that is none is not taken"
symwave --nodes seed.yaml discover
equal "... and that of before stays" "0 3" "$status $(grep -c '^- id: ' <<<"$out")"
capture "$bin/symwaved" --data x --node-id x --listen 127.0.0.1:0 --nodes many.yaml --check-config
equal "--check-config reads it too" 3 "$status"
contains "... and says where it is wrong" "many.yaml:1:" "$err"
kill_node "$first"
symwave --nodes seed.yaml discover --serving
one_line "nobody serves" 1 "none of 3 nodes is eligible"
end_checks
