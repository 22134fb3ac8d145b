# For run.sh: two processes on one thing, and programs of different ages.
# shellcheck shell=bash
# shellcheck disable=SC2154

scenario two_gets fast "two commands get the same file to the same place at once" \
    "one brings it, the other says that the file is in use; the file is right"
two_gets() {
    file_node --store-fault rate=20000000
    "$bin/symwave" --nodes nodes.yaml get layout.json --out got >first 2>&1 &
    local first=$! first_status=0
    children+=("$first")
    capture "$bin/symwave" --nodes nodes.yaml get layout.json --out got
    wait "$first" || first_status=$?
    forget_child "$first"
    equal "one ends well" 1 "$( ((status == 0)) && echo 1 || { ((first_status == 0)) && echo 1; })"
    contains "the other says why not" "in use" "$err $(<first)"
    equal "the file is right" "" "$(cmp got file 2>&1)"
    equal "nothing is beside it" "got" "$(echo got*)"
    seen "$err$(grep 'in use' first || true)"
}

scenario two_nodes fast "a second node is started on the data of the first" "it ends with an error that says so; the first serves on"
two_nodes() {
    cluster
    capture timeout 30 "$bin/symwaved" --data node-1 --node-id node-1 --listen 127.0.0.1:0
    equal "the second ends" 3 "$status"
    contains "it says why" "node-1" "$err"
    fetch_all
    all_came
    seen "$(grep -o 'msg=.*' <<<"$err" | tail -n 1)"
}

# between NEWER|OLDER: nodes 1 and 2 are reached through a server of another age.
between() {
    local grpc_python index
    grpc_python=$(find_python grpc) || skip "there is no Python with grpc"
    cluster
    for index in 1 2; do
        "$grpc_python" "$root/integration/faults/other_age.py" "${addresses[index]}" "$1" >"age-$index" 2>"age-$index.log" &
        children+=("$!")
    done
    for index in 1 2; do
        wait_for_line "age-$index" : "the server of another age listens"
        reached_at[index]=$(<"age-$index")
    done
    write_nodes
    fetch_all
    all_came
    equal "they gave some" true "$(report '[.nodes[] | select(.id == "node-1" or .id == "node-2") | .found] | add > 0')"
}

scenario newer_server fast "two nodes send fields that this client does not know" "all symbols, from them too"
newer_server() { between newer; }

scenario older_server fast "two nodes know nothing but RetrieveBatch, its keys and its symbols" "all symbols, from them too"
older_server() { between older; }

scenario other_clients fast "a client sends fields that the node does not know, another one nothing but keys" "both get their symbol"
other_clients() {
    local grpc_python
    grpc_python=$(find_python grpc) || skip "there is no Python with grpc"
    cluster
    capture "$grpc_python" - "${addresses[1]}" "$(head -n 1 keys)" <<'PYTHON'
import sys
import grpc

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
number = 0
for letter in sys.argv[2]:
    number = number * 58 + ALPHABET.index(letter)
key = b"\x0a\x20" + number.to_bytes(32, "big")
# Fields 1000 (bytes), 1001 (varint) and 1002 (64 bits) are nobody's.
unknown = b"\xc2\x3e\x05hello" + b"\xc8\x3e\x2a" + b"\xd1\x3e" + bytes(8)
channel = grpc.insecure_channel(sys.argv[1])
for request in (key, key + unknown, unknown + key):
    answers = channel.unary_stream("/symwave.v1.SymbolStore/RetrieveBatch")(request, timeout=20)
    print(sum(map(len, answers)) > 60000)
PYTHON
    equal "each gets its symbol" "True True True" "${out//$'\n'/ }"
    [[ -z $err ]] || printf '%s\n' "$err"
}

scenario certificates slow "certificates are expired, of another name or CA, and are renewed in the middle of a retrieval" \
    "clear errors; the retrieval goes on"
certificates() {
    SYMWAVE_BIN=$bin "$root/integration/test/test_tls.sh" >log 2>&1 || status=$?
    [[ ${status:-0} != 77 ]] || skip "$(<log)"
    equal "it holds" "0" "${status:-0}"
    ((${status:-0} == 0)) || cat log
    seen "$(tail -n 1 log)"
}
