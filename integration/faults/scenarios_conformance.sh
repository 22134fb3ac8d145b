# For run.sh: the protocol as others understand it.
# shellcheck shell=bash
# shellcheck disable=SC2154

# h2spec_of ADDRESS FILE: the cases that fail, sorted, in FILE; what it counts in FILE.log.
h2spec_of() {
    "$h2spec" --strict --timeout 1 --host "${1%:*}" --port "${1##*:}" >"$2.log" 2>&1 || true
    # Each case by the section that it is of and its text.
    sed 's/\x1b\[[0-9;]*[A-Za-z]//g; s/\r/\n/g' "$2.log" |
        awk '/^ *[0-9.]+\. / { section = $1 } /× [0-9]+: / { sub(/.*× [0-9]+: /, ""); print section " " $0 }' | sort -u >"$2"
}

scenario http2_conformance slow "h2spec, strict, against a node, and against a plain server of Debian's gRPC" \
    "the node fails in nothing in which gRPC does not, and serves afterwards"
http2_conformance() {
    local h2spec
    h2spec=$(find_tool h2spec) || skip "there is no h2spec: integration/install.sh --faults builds one where Go is new enough"
    /usr/bin/python3 -c 'import grpc' 2>/dev/null || skip "there is no python3-grpcio"
    cluster
    /usr/bin/python3 -c '
import grpc
from concurrent import futures
server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_concurrent_streams", 1024)]) # as the node
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print("127.0.0.1:%d" % port, grpc.__version__, flush=True)
server.wait_for_termination()' >plain 2>plain.log &
    children+=("$!")
    wait_for_line plain : "the plain server listens"
    h2spec_of "$(cut -d ' ' -f 1 plain)" failed-plain &
    local beside=$!
    children+=("$beside")
    h2spec_of "${addresses[1]}" failed-node
    wait "$beside"
    forget_child "$beside"
    contains "it came to its end" "tests, " "$(<failed-node.log)"
    equal "the node fails in nothing in which gRPC $(cut -d ' ' -f 2 plain) does not" "" "$(comm -23 failed-node failed-plain)"
    nodes_serve
    fetch_all
    all_came
    seen "the node: $(grep -o '[0-9]* tests, .*' failed-node.log); plain gRPC: $(grep -o '[0-9]* tests, .*' failed-plain.log)"
}

scenario loaded_by_ghz slow "ghz, by reflection, 50 at once: 20,000 GetNodeInfo, 2,000 RetrieveBatch of 20 keys each" "every call is OK"
loaded_by_ghz() {
    local tool keys_json
    tool=$(find_tool ghz) || skip "there is no ghz: integration/install.sh --faults builds one"
    cluster
    "$tool" --insecure --call symwave.v1.SymbolStore/GetNodeInfo -d '{}' -n 20000 -c 50 -O json "${addresses[1]}" >info.json 2>ghz.err
    equal "GetNodeInfo" '{"OK":20000}' "$(jq -c .statusCodeDistribution info.json)"
    keys_json=$(head -n 20 keys | while read -r key; do "$bin/symwave" --json key "$key" | jq .base64; done | jq -sc '{keys: .}')
    "$tool" --insecure --call symwave.v1.SymbolStore/RetrieveBatch -d "$keys_json" -n 2000 -c 50 -O json "${addresses[1]}" >retrieve.json 2>>ghz.err
    equal "RetrieveBatch" '{"OK":2000}' "$(jq -c .statusCodeDistribution retrieve.json)"
    nodes_serve
    seen "$(jq -r '"GetNodeInfo \(.rps | floor) a second"' info.json), $(jq -r '"RetrieveBatch \(.rps | floor) a second"' retrieve.json)"
}
