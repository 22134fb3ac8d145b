# For run.sh: nodes that lie, and clients that mean ill.
# shellcheck shell=bash
# shellcheck disable=SC2154

# rogues MANNER: two nodes of this manner, that hold all symbols too, in nodes.yaml beside the cluster of six.
rogues() {
    local input
    mkfifo rogue-input
    "$bin/rogue_nodes" "$1" 2 keys values <rogue-input >rogues 2>rogues.log &
    children+=("$!")
    rogue_pid=$!
    exec {input}>rogue-input
    rogue_input=$input
    wait_for_line rogues "# ready" "the rogues serve"
    grep -v '^#' rogues >>nodes.yaml
}

# Ends them; how many keys they were asked for is left in $asked.
end_rogues() {
    exec {rogue_input}>&-
    wait "$rogue_pid" || fail "the rogues end"
    forget_child "$rogue_pid"
    asked=$(awk '/ was asked for / { sum += $6 } END { print sum + 0 }' rogues)
}

# rogue MANNER WASTED: the whole scenario; WASTED is what of the report must be above 0, or empty.
rogue() {
    local asked
    cluster
    rogues "$1"
    capture /usr/bin/time -f %M -o memory "$bin/symwave" --nodes nodes.yaml --json fetch --task faults --keys keys --out out --deadline 60
    all_came
    end_rogues
    [[ $asked -gt 0 ]] && pass "the rogues were asked" || fail "the rogues were asked"
    [[ -z $2 ]] || equal "it was noticed" true "$(report "$2 > 0")"
    [[ $(<memory) -lt 262144 ]] && pass "memory is bounded" || fail "memory is bounded" "$(<memory) KiB"
    seen "the two were asked for $asked keys; $(report .proof_count) proofs against them, $(report .requests_failed) requests failed"
}

scenario bad_bytes fast "two of eight nodes flip a bit of each value" "all symbols, proofs against the two"
bad_bytes() { rogue bad-bytes .proof_count; }

scenario wrong_key fast "two nodes send right bytes under a wrong key" "all symbols, proofs against the two"
wrong_key() { rogue wrong-key .proof_count; }

scenario unasked fast "two nodes send symbols that nobody asked for, beside the right ones" "all symbols; the others are dropped and counted"
unasked() { rogue unasked .wasted_unasked_bytes; }

scenario duplicates fast "two nodes send each symbol twice" "all symbols, each delivered once"
duplicates() { rogue duplicates '[.nodes[].corrupt] | add'; }

scenario empty_symbols fast "two nodes send symbols without bytes" "all symbols, proofs against the two"
empty_symbols() { rogue empty .proof_count; }

scenario truncated_symbols fast "two nodes send the first half of each symbol" "all symbols, proofs against the two"
truncated_symbols() { rogue truncated .proof_count; }

scenario oversized_symbols fast "two nodes send 1 MiB for each symbol" "all symbols; no more than a message is held of them"
oversized_symbols() { rogue oversized .requests_failed; }

scenario garbage fast "two nodes send what is no message" "all symbols"
garbage() { rogue garbage .requests_failed; }

scenario ends_early fast "two nodes end each call as if all were well" "all symbols"
ends_early() { rogue ends ''; }

scenario a_million_keys fast "a client asks a node for a million keys, in one message and in one of the right size" \
    "refused with the limit; the node serves on"
a_million_keys() {
    local grpc_python
    grpc_python=$(find_python grpc) || skip "there is no Python with grpc"
    cluster
    capture "$grpc_python" - "${addresses[1]}" <<'PYTHON'
import os
import sys
import grpc

channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.max_send_message_length", -1)])


def ask(count):
    """RetrieveBatch with random keys: field 1, 32 bytes each."""
    request = b"".join(b"\x0a\x20" + os.urandom(32) for _ in range(count))
    call = channel.unary_stream("/symwave.v1.SymbolStore/RetrieveBatch")(request, timeout=60)
    try:
        return "answered %d messages" % sum(1 for _ in call)
    except grpc.RpcError as error:
        return "%s: %s" % (error.code().name, error.details())


print(ask(1000000))
print(ask(100000))
PYTHON
    contains "34 MB are refused" "RESOURCE_EXHAUSTED" "$(sed -n 1p <<<"$out")"
    contains "so are too many keys" "keys" "$(sed -n 2p <<<"$out")"
    printf '%s\n' "$out" "$err"
    seen "$(sed -n 2p <<<"$out")"
    fetch_all
    all_came
}

scenario rude_clients fast "clients that break HTTP/2, send lengths of 2^32, halves of messages, or floods of pings and settings, all at once" \
    "each is cut off; others are served meanwhile"
rude_clients() {
    local kind kinds=(http1 garbage half-message huge-length long-header pings settings-flood half-preface) clients=()
    cluster --handshake-timeout-ms 1000 --idle-timeout-ms 1000 --send-timeout-ms 1000
    for kind in "${kinds[@]}"; do
        "$python" "$root/integration/test/rude_clients.py" "${addresses[1]}" "$kind" 60 >"rude-$kind" 2>&1 &
        clients+=("$!")
        children+=("$!")
    done
    fetch_all
    all_came
    for kind in "${clients[@]}"; do
        wait "$kind" || true
        forget_child "$kind"
    done
    for kind in "${kinds[@]}"; do
        equal "$kind is cut off" closed "$(<"rude-$kind")"
    done
    nodes_serve
}

# node_metric NAME: of node-1, where it has metrics.
node_metric() {
    local http
    http=$(sed -n 's/.*msg="HTTP for metrics".* port=\([0-9]*\).*/\1/p' node-1.log)
    [[ -z $http ]] || curl -sf "http://127.0.0.1:$http/metrics" | awk -v name="$1" '$1 == name { print $2 }'
}

# attack KIND COUNT: COUNT clients of the kind come to node-1 from another address for up to 20 s. Others are served meanwhile,
# and the node's memory stays. What the clients say, in sum, is left in $said, the calls that the node had at the end of
# that in $most_calls, where it has metrics.
attack() {
    local kind=$1 count=$2 one before after clients=()
    fetch_all
    before=$(resident_kib "${pids[1]}")
    for ((one = 1; one <= count; one++)); do
        "$python" "$root/integration/test/rude_clients.py" "${addresses[1]}" "$kind" 20 127.0.0.2 >"said-$one" 2>&1 &
        clients+=("$!")
        children+=("$!")
    done
    sleep 2
    rm -rf out
    fetch_all
    all_came "a fetch goes well meanwhile"
    after=$(resident_kib "${pids[1]}")
    most_calls=$(node_metric symwave_calls)
    local tries=10
    until capture "$bin/symwave" --nodes nodes.yaml nodes && ((status == 0 || tries-- == 0)); do
        sleep 0.5
    done
    equal "every node serves meanwhile" 0 "$status"
    for one in "${clients[@]}"; do
        [[ $kind == rapid-reset ]] || kill "$one" 2>/dev/null || true
        wait "$one" 2>/dev/null || true
        forget_child "$one"
    done
    # How much gathers before they are cut off depends on the machine; a gigabyte would be gRPC's own bound.
    [[ $after -lt $((before + 393216)) ]] && pass "memory stays" || fail "memory stays" "$before KiB before, $after after"
    nodes_serve
    said=$(awk '{ sum += $1 } END { print sum + 0 }' said-*)
    seen "the node: $before KiB before, $after meanwhile"
}

scenario rapid_reset fast "4 clients begin and reset calls, 10,000 a second each, for up to 20 s (CVE-2023-44487)" \
    "their connections are closed; others are served meanwhile, and memory stays"
rapid_reset() {
    cluster
    attack rapid-reset 4
    equal "all four were closed" 4 "$(grep -c 'its client cancels too many calls' node-1.log)"
    seen "$said calls came"
}

scenario open_calls fast "a client has 32,000 calls open that send nothing" \
    "as many as one address may have stay; others are served meanwhile, and memory stays"
open_calls() {
    command -v curl >/dev/null || skip "there is no curl"
    cluster --http-listen 127.0.0.1:0
    attack open-calls 1
    equal "its address had its share" 8192 "$most_calls"
    seen "$most_calls of 32000 calls stayed"
}
