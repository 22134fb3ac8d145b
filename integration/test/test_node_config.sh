#!/usr/bin/env bash
# The configuration of a real node: from a file, under the command line, printed, checked, and read again at SIGHUP while
# the node serves. Needs SYMWAVE_BIN, the folder of the programs; is skipped (77) where there is no grpcurl.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
grpcurl=$(find_tool grpcurl) || { echo "there is no grpcurl: integration/install.sh --tests builds one"; exit 77; }

# limit NAME: a limit as the node tells it.
limit() {
    "$grpcurl" -plaintext -max-time 20 -d '{}' "$node_address" symwave.v1.SymbolStore/GetNodeInfo |
        jq -r ".limits.$1"
}

make_work_folder
cd -- "$work_folder"
printf 'keys-max: 7\nstore-symbols-max: 100\nworkers: 2\nlog-level: info\n' >node.yaml

# ---- before it runs ----

capture "$bin/symwaved" --config node.yaml --data d --node-id n --listen 127.0.0.1:0 --check-config
equal "a right configuration: exit status" 0 "$status"
equal "a right configuration: what it says" "node.yaml: the configuration is right" "$out"
capture "$bin/symwaved" --config node.yaml --check-config
equal "a configuration without a folder: exit status" 2 "$status"
contains "a configuration without a folder: what it says" "--data DIR is missing" "$err"
printf 'keys-max: 7\nkeys-min: 1\n' >wrong.yaml
capture "$bin/symwaved" --config wrong.yaml --data d --node-id n --listen 127.0.0.1:0
equal "a mistyped key: exit status" 3 "$status"
contains "a mistyped key: where and what was meant" \
    'wrong.yaml:2:1: there is no key "keys-min"; did you mean "keys-max"?' "$err"
[[ ! -e d ]] && pass "a wrong configuration touches no folder" || fail "a wrong configuration touches no folder"
capture "$bin/symwaved" --config node.yaml --data d --node-id n --listen 127.0.0.1:0 --print-config
printf '%s\n' "$out" >printed.yaml
capture "$bin/symwaved" --config printed.yaml --print-config
equal "what is printed prints itself" "$(<printed.yaml)" "$out"
contains "what is printed says what a key is" "# Keys in one request, 1 to 8192 (5000)" "$out"
capture "$bin/symwaved" --data d --node-id n --listen 0.0.0.0:0
equal "beyond loopback without TLS: exit status" 2 "$status"
contains "beyond loopback without TLS: what to do" "give --tls-certificate and --tls-key, or say --insecure" "$err"

# ---- while it runs ----

start_node node-1 127.0.0.1:0 --config node.yaml --store-symbols-max 50
equal "the file's value" 7 "$(limit keysMax)"
equal "the command line's value over the file's" 50 "$(limit storeSymbolsMax)"
printf 'keys-max: 9\nstore-symbols-max: 200\nworkers: 3\nlog-level: debug\n' >node.yaml
kill -HUP "$node_pid"
logged 'msg="configuration read again" changes=3'
logged 'level=info msg="configuration changed" key=keys-max from=7 to=9'
logged 'level=warn msg="configuration changed, but this takes a restart" key=workers from=2 to=3'
equal "the file's new value" 9 "$(limit keysMax)"
equal "the command line's value is as it was" 50 "$(limit storeSymbolsMax)"

printf 'keys-max: 0\n' >node.yaml
kill -HUP "$node_pid"
logged 'level=error msg="configuration not taken, all stays as it is" error=.*node.yaml:1:11: keys-max: 0 is out of bounds'
equal "a wrong file changes nothing" 9 "$(limit keysMax)"
rm node.yaml
kill -HUP "$node_pid"
logged 'msg="configuration not taken, all stays as it is" error=.*cannot open the configuration node.yaml'
equal "a missing file changes nothing" 9 "$(limit keysMax)"

kill -TERM "$node_pid"
status=0
wait "$node_pid" || status=$?
forget_child "$node_pid"
equal "the node stops in order" 0 "$status"
end_checks
