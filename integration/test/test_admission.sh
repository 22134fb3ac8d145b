#!/usr/bin/env bash
# What a real node lets in and what it does not: connections, memory of one address, readers that do not read, and clients
# that break HTTP/2 or keep to it and do nothing. Needs SYMWAVE_BIN, the folder of the programs; is skipped (77) where there
# is no python3, curl or grpcurl.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
grpcurl=$(find_tool grpcurl) || { echo "there is no grpcurl: integration/install.sh --tests builds one"; exit 77; }
for tool in curl python3; do
    command -v "$tool" >/dev/null || { echo "there is no $tool"; exit 77; }
done
store=symwave.v1.SymbolStore

start_limited_node() {
    start_node node-1 127.0.0.1:0 --http-listen 127.0.0.1:0 "$@"
    http=127.0.0.1:$(sed -n 's/.*msg="HTTP for metrics".* port=\([0-9]*\).*/\1/p' node-1.log)
    printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml
}

value() {
    curl -sf "http://$http/metrics" | awk -v name="$1" '$1 == name { print $2 }'
}

# becomes NAME VALUE TEXT: waits until a metric has a value.
becomes() {
    local tries=1200 # of 50 ms
    until [[ $(value "$1") == "$2" ]]; do
        if ((tries-- == 0)); then
            fail "$3" "$1 is $(value "$1"), not $2"
            return
        fi
        sleep 0.05
    done
    pass "$3"
}

sanitizers=false
make_work_folder
cd -- "$work_folder"

# ---- connections ----

start_limited_node --connections-max 8 --peer-connections-max 5
if [[ $(value symwave_connections_accepted_total) == 0 ]] && symwave --nodes nodes.yaml nodes &&
    [[ $(value symwave_connections_accepted_total) == 0 ]]; then
    echo "this build does not count connections: the sanitizers have an accept4 of their own"
    sanitizers=true
else
    cat >connect.py <<'PYTHON'
# connect.py HOST:PORT SOURCE COUNT: so many connections from an address, kept until standard input ends. Prints how many
# the node keeps.
import socket, sys
host, port = sys.argv[1].rsplit(":", 1)
kept = 0
mine = []
for i in range(int(sys.argv[3])):
    one = socket.create_connection((host, int(port)), 10, (sys.argv[2], 0))
    one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    mine.append(one)
for one in mine:
    one.settimeout(10)
    try:
        kept += len(one.recv(1)) > 0
    except OSError:
        pass
print(kept, flush=True)
sys.stdin.read()
PYTHON
    becomes symwave_connections 0 "no connection at first"
    mkfifo first second
    python3 connect.py "$node_address" 127.0.0.1 7 <first >first.kept &
    children+=($!)
    exec {first}>first
    until [[ -s first.kept ]]; do sleep 0.05; done
    equal "of 7 connections from one address 5 are kept" 5 "$(<first.kept)"
    becomes symwave_connections 5 "as many are counted"
    equal "two are refused" 2 "$(value symwave_connections_refused_total)"
    symwave --nodes nodes.yaml nodes
    equal "one more from there is refused" 1 "$status"
    python3 connect.py "$node_address" 127.0.0.2 5 <second >second.kept &
    children+=($!)
    exec {second}>second
    until [[ -s second.kept ]]; do sleep 0.05; done
    equal "another address gets what is left of all" 3 "$(<second.kept)"
    contains "the log says so" "connections are refused: there are too many" "$(<node-1.log)"
    exec {first}>&- {second}>&-
    becomes symwave_connections 0 "connections that end are counted no more"
    symwave --nodes nodes.yaml nodes
    equal "then there is room again" 0 "$status"
fi
stop_node

# ---- memory of one address ----

start_limited_node --peer-bytes-max 8M
hold_call -plaintext
becomes symwave_calls_bytes 8388608 "a StoreBatch reserves its memory"
capture "$grpcurl" -plaintext "${store_proto[@]}" -d '{"symbols": [{"value": "YQ=="}]}' "$node_address" $store/StoreBatch
contains "a second one of the address is told that it is busy" "ResourceExhausted" "$err"
contains "... and by which limit" "(peer-bytes-max); try again" "$err"
equal "... and it is counted" 1 "$(value symwave_calls_refused_peer_busy_total)"
exec {held}>&-
becomes symwave_calls_bytes 0 "a call that ends gives its memory back"
capture "$grpcurl" -plaintext "${store_proto[@]}" -d '{"symbols": [{"value": "YQ=="}]}' "$node_address" $store/StoreBatch
equal "then there is room again" 0 "$status"
stop_node

# ---- clients that do nothing ----

head -c 13107200 /dev/urandom | split -b 65536 - piece-
start_limited_node --handshake-timeout-ms 1000 --idle-timeout-ms 2000 --send-timeout-ms 1500
symwave --nodes nodes.yaml store piece-*
cut -f 1 <<<"$out" >keys
"$bin/symwave" --nodes nodes.yaml fetch --task t --keys keys --out stopped >/dev/null 2>&1 &
fetch_pid=$!
children+=("$fetch_pid")
until [[ $(find stopped -name '[!.]*' -type f 2>/dev/null | wc -l) -gt 0 ]]; do sleep 0.01; done
kill -STOP "$fetch_pid"
given_up=$(value symwave_calls_given_up_total)
becomes symwave_calls_bytes 0 "a reader that does not read holds no memory for long"
kill -CONT "$fetch_pid"
wait "$fetch_pid" && pass "it gets all of it when it reads again" || fail "it gets all of it when it reads again"
forget_child "$fetch_pid"
hold_call -plaintext
becomes symwave_calls_bytes 8388608 "a store begins"
becomes symwave_calls_bytes 0 "a store that sends nothing is given up"
exec {held}>&-
[[ $(value symwave_calls_given_up_total) -gt $given_up ]] && pass "calls that are given up are counted" ||
    fail "calls that are given up are counted" "$given_up before, $(value symwave_calls_given_up_total) now"

# ---- rude clients ----

kinds=(nothing half-preface http1 tls-hello garbage preface-only settings-only half-headers headers-without-end
    call-without-message half-message huge-length long-header pings settings-flood slowly)
rude=()
for kind in "${kinds[@]}"; do
    python3 "$root/integration/test/rude_clients.py" "$node_address" "$kind" >"rude-$kind" 2>&1 &
    children+=($!)
    rude[${#rude[@]}]=$!
done
symwave --nodes nodes.yaml fetch --task t --keys keys --out meanwhile
# A node has 2 s to answer, which one with sanitizers may miss on a busy machine.
for ((tries = 4; tries > 0; tries--)); do
    [[ $status != 0 && $sanitizers == true ]] || break
    symwave --nodes nodes.yaml fetch --task t --keys keys --out meanwhile
done
equal "others are served meanwhile" 0 "$status"
[[ $status == 0 ]] || echo "    $err"
for pid in "${rude[@]}"; do
    wait "$pid" || true
    forget_child "$pid"
done
for kind in "${kinds[@]}"; do
    equal "a client that is rude by $kind does not stay" closed "$(tail -n 1 "rude-$kind")"
done
becomes symwave_calls_bytes 0 "no memory stays reserved"
becomes symwave_connections 0 "no connection stays"
stop_node

# ---- pings ----

start_limited_node
cat >idle.py <<'PYTHON'
# A client that pings every 1.1 s on an idle connection is not called abusive.
import socket, struct, sys, time
host, port = sys.argv[1].rsplit(":", 1)
one = socket.create_connection((host, int(port)), 10)
one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
for i in range(6):
    one.sendall(b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + bytes(8))
    time.sleep(1.1)
one.settimeout(10)
seen = one.recv(65536)
kinds = []
while len(seen) >= 9:
    kinds.append(seen[3])
    seen = seen[9 + int.from_bytes(seen[:3], "big"):]
print("goaway" if 7 in kinds else f"{kinds.count(6)} answers")
PYTHON
equal "a client may ping once a second" "6 answers" "$(python3 idle.py "$node_address")"
stop_node
end_checks
