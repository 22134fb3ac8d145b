#!/usr/bin/env bash
# The README's example of the SDK is the file that is built, and it and the other work against a real node. Needs
# SYMWAVE_BIN.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}

make_work_folder
cd -- "$work_folder"
sed -n '/^```c$/,/^```$/{/^```/!p}' "$root/README.md" >readme.c
equal "the README's C code is example/fetch_some.c" "$(<"$root/integration/example/fetch_some.c")" "$(<readme.c)"

start_node node-1 127.0.0.1:0
printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml
for i in 1 2 3 4 5; do
    echo "symbol $i" >"piece-$i"
done
"$bin/symwave" --nodes nodes.yaml store piece-* >keys.tsv
mapfile -t keys < <(cut -f 1 keys.tsv)
capture "$bin/example_fetch_some" nodes.yaml out "${keys[@]}"
equal "the example ends with 0" 0 "$status"
equal "it says what it fetched" "3 symbols in out" "$out"
equal "it fetched 3 of 5" 3 "$(find out -type f | wc -l)"
for file in out/*; do
    equal "${file##*/} is right" "$(<"$(grep -F -- "${file##*/}" keys.tsv | cut -f 2)")" "$(<"$file")"
done
capture "$bin/example_fetch_some" nodes.yaml out no-key
equal "a bad key: exit status" 1 "$status"
contains "what is wrong with it is said" "wrong character" "$err"

capture "$bin/example_poll_fetch" nodes.yaml "${keys[@]}"
equal "a program with a loop of its own" "0 45 bytes of 5 symbols" "$status $out"
capture "$bin/example_poll_fetch" nodes.yaml "${keys[@]}" "${keys[0]/?/2}"
equal "a key that no node has: exit status" 1 "$status"

capture "$bin/example_own_cache" nodes.yaml "${keys[@]}"
equal "a cache of the program's own" "0 5 from nodes, 0 from the cache 0 from nodes, 5 from the cache" \
    "$status ${out//$'\n'/ }"

: >gateway.log
"$bin/example_symbol_gateway" nodes.yaml gateway.sock 2>gateway.log &
gateway=$!
logged "listens at gateway.sock" gateway.log
# ask KEY: what the daemon answers.
ask() {
    python3 -c '
import socket, sys
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect("gateway.sock")
    peer.sendall(sys.argv[1].encode() + b"\n")
    while part := peer.recv(65536):
        sys.stdout.buffer.write(part)' "$1"
}
for i in 0 1 2; do
    equal "the daemon has symbol $((i + 1))" "symbol $((i + 1))" "$(ask "${keys[i]}")"
done
equal "a key that no node has" "" "$(ask "${keys[0]/?/2}")"
equal "no key" "" "$(ask no-key)"
printf -- '- id: node-2\n  address: 127.0.0.1:1\n' >>nodes.yaml
logged "symbol_gateway: 2 nodes" gateway.log
kill "$gateway"
wait "$gateway" && result=0 || result=$?
equal "the daemon ends with 0 on SIGTERM" 0 "$result"
printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml

head -c 100000 /dev/urandom >file
capture "$bin/example_put_get" nodes.yaml file layout.json copy
equal "put and get end with 0" 0 "$status"
equal "they say what they took" "10 replicas placed, 2 symbols taken" "$out"
equal "the copy is the file" "" "$(cmp file copy 2>&1)"
capture "$bin/example_put_get" nodes.yaml none layout.json copy
equal "no file: exit status" 1 "$status"
contains "no file: it is said" "none: No such file" "$err"
end_checks
