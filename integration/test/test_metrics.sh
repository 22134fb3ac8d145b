#!/usr/bin/env bash
# A real node's metrics, readiness and access log: the format, strictly; counters that move by what was done and no more;
# a Grafana dashboard that asks only for what there is; and HTTP clients that misbehave. Needs SYMWAVE_BIN, the folder of
# the programs; is skipped (77) where there is no curl, python3 or jq.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
grpcurl=$(find_tool grpcurl) || { echo "there is no grpcurl: integration/install.sh --tests builds one"; exit 77; }
for tool in curl python3 jq; do
    command -v "$tool" >/dev/null || { echo "there is no $tool"; exit 77; }
done

# Starts node-1 with HTTP, whose address goes into $http.
start_watched_node() {
    start_node node-1 127.0.0.1:0 --http-listen 127.0.0.1:0 "$@"
    http=127.0.0.1:$(sed -n 's/.*msg="HTTP for metrics".* port=\([0-9]*\).*/\1/p' node-1.log)
    printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml
}

# value SERIES: its value now; 0 where it is not there.
value() {
    curl -sf "http://$http/metrics" | awk -v series="$1" '{ at = match($0, / [^ ]*$/) }
        substr($0, 1, at - 1) == series { print substr($0, at + 1); found = 1 } END { if (!found) print 0 }'
}

status_of() {
    curl -s -o answer -w '%{http_code}' "$@"
}

make_work_folder
cd -- "$work_folder"
start_watched_node --access-log
method='grpc_type="server_stream",grpc_service="symwave.v1.SymbolStore",grpc_method="RetrieveBatch"'

# ---- the format ----

curl -sf "http://$http/metrics" >text
equal "the format is right" "" "$(python3 "$root/integration/test/check_metrics.py" <text)"
printf 'a 1\n' >wrong
python3 "$root/integration/test/check_metrics.py" <wrong >/dev/null && fail "the check finds mistakes" ||
    pass "the check finds mistakes"
contains "the content type" "text/plain; version=0.0.4" "$(curl -s -o /dev/null -D - "http://$http/metrics")"
equal "the node says who it is" 1 "$(value 'symwave_node_info{node_id="node-1",version="0.1.0"}')"

# ---- the figures ----

for i in 1 2 3; do
    head -c 65536 /dev/urandom >"piece-$i"
done
printf 'small' >piece-4
symwave --nodes nodes.yaml store piece-*
cut -f 1 <<<"$out" >keys
equal "symbols stored" 4 "$(value symwave_symbols_stored_total)"
equal "their bytes" 196613 "$(value symwave_symbol_stored_bytes_total)"
symwave --nodes nodes.yaml store piece-1
equal "symbols that were there" 1 "$(value symwave_symbols_already_stored_total)"
symwave key absent
head -n 1 <<<"$out" | cut -f 2 >>keys
awk 'NR <= 4' keys >held
symwave --nodes nodes.yaml fetch --task t --keys held --out fetched
equal "the fetch" 0 "$status"
equal "symbols sent" 4 "$(value symwave_symbols_sent_total)"
equal "their bytes" 196613 "$(value symwave_symbol_sent_bytes_total)"
started=$(value "grpc_server_started_total{$method}")
equal "calls that began and calls that ended well" "$started" "$(value "grpc_server_handled_total{$method,grpc_code=\"OK\"}")"
equal "the histogram has them all" "$started" "$(value "grpc_server_handling_seconds_count{$method}")"
[[ $started -gt 0 ]] && pass "there were some" || fail "there were some" "$started"
equal "no memory is reserved when nothing is under way" 0 "$(value symwave_calls_bytes)"
equal "the store takes symbols" 1 "$(value symwave_store_writable)"
equal "the process has descriptors, memory and a start" 1 \
    "$(($(value process_open_fds) > 5 && $(value process_resident_memory_bytes) > 1000000 &&
        $(value process_start_time_seconds | cut -d . -f 1) > 1600000000))"
contains "the access log has the calls" 'msg=call method=/symwave.v1.SymbolStore/StoreBatch peer=ipv4:127.0.0.1:' "$(<node-1.log)"
contains "... with how they ended" " code=OK ms=" "$(<node-1.log)"

# ---- the dashboard ----

curl -sf "http://$http/metrics" | sed -n 's/^# TYPE \([^ ]*\) histogram/\1_bucket\n\1_sum\n\1_count/p; s/^# TYPE \([^ ]*\) .*/\1/p' |
    sort -u >there
jq -r '.. | .expr? // empty' "$root/integration/grafana/symwave.json" |
    grep -oE '\b(grpc_server|symwave|rocksdb|process)_[a-z_]+' | sort -u >asked
[[ -s asked ]] && pass "the dashboard asks for something" || fail "the dashboard asks for something"
equal "the dashboard asks for what there is" "" "$(comm -13 there asked)"

# ---- HTTP ----

equal "/livez" 200 "$(status_of "http://$http/livez")"
equal "/readyz" 200 "$(status_of "http://$http/readyz")"
equal "/" 200 "$(status_of "http://$http/")"
equal "a page that is not there" 404 "$(status_of "http://$http/nothing")"
equal "a POST" 405 "$(status_of -d x "http://$http/metrics")"
equal "/channelz" 200 "$(status_of "http://$http/channelz")"
server=$(jq -r '.server[0].ref.serverId' answer)
equal "/channelz/server" 200 "$(status_of "http://$http/channelz/server/$server")"
[[ $(jq -r '.server.data.callsStarted' answer) -gt 0 ]] && pass "channelz counts calls" || fail "channelz counts calls" "$(<answer)"
equal "/channelz of what is not there" 404 "$(status_of "http://$http/channelz/server/99999")"
head -c 100000 /dev/zero | tr '\0' a >long
[[ $(status_of -H @<(printf 'X: '; cat long) "http://$http/metrics") =~ ^(4|000|5) ]] &&
    pass "a header that is too long is refused" || fail "a header that is too long is refused"
python3 - "$http" <<'PYTHON'
import socket, sys
host, port = sys.argv[1].rsplit(":", 1)
open_ones = []
for i in range(200):
    try:
        one = socket.create_connection((host, int(port)), 5)
        one.settimeout(5)
        one.sendall(b"GET /metrics HTTP/1.1\r\nX:" if i % 2 else b"\x00\xff" * 50)
        open_ones.append(one)
    except OSError:
        pass
PYTHON
equal "after 200 clients that misbehave it answers" 200 "$(status_of --retry 20 --retry-connrefused --retry-delay 1 "http://$http/livez")"
symwave --nodes nodes.yaml nodes
equal "... and serves" 0 "$status"
# One address that holds all connections that it gets, and another that asks.
cat >hold.py <<'PYTHON'
import contextlib, signal, socket, sys
host, port = sys.argv[1].rsplit(":", 1)
held = []
for i in range(80):
    with contextlib.suppress(OSError):
        held.append(socket.create_connection((host, int(port)), 5))
        held[-1].sendall(b"GET /livez HTTP/1.1\r\n")
print("held", flush=True)
signal.pause()
PYTHON
python3 hold.py "$http" >held.log &
holder=$!
children+=("$holder")
logged held held.log "one address holds all connections that it gets"
equal "... and another one is answered" 200 "$(status_of --interface 127.0.0.2 --max-time 5 "http://$http/livez")"
kill_node "$holder"

# ---- the stop ----

kill -TERM "$node_pid"
wait "$node_pid" || fail "the node stops in order"
forget_child "$node_pid"
start_watched_node --grace-ms 600000
hold_call -plaintext
until [[ $(value symwave_calls_bytes) != 0 ]]; do
    sleep 0.05
done
kill -TERM "$node_pid"
until [[ $(status_of "http://$http/readyz") != 200 ]]; do
    sleep 0.05
done
equal "a node that stops is not ready" "503 stopping" "$(status_of "http://$http/readyz") $(<answer)"
equal "... but lives" 200 "$(status_of "http://$http/livez")"
kill -TERM "$node_pid"
wait "$node_pid" || true
forget_child "$node_pid"
capture "$bin/symwaved" --data other --node-id n --listen 127.0.0.1:0 --http-listen 192.0.2.1:1
equal "an address that is not this machine's: exit status" 3 "$status"
contains "an address that is not this machine's: what it says" "cannot listen on 192.0.2.1:1 for HTTP" "$err"
end_checks
