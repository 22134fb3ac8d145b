#!/usr/bin/env bash
# grpcurl against a real node: reflection, health, the four RPCs, bad input, and the stop. Keys come from b3sum. Needs
# SYMWAVE_BIN, the folder of the programs; is skipped (77) where there is no grpcurl.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
grpcurl=$(find_tool grpcurl) || { echo "there is no grpcurl: integration/install.sh --tests builds one"; exit 77; }
for tool in b3sum jq; do
    command -v "$tool" >/dev/null || { echo "there is no $tool"; exit 77; }
done

store=symwave.v1.SymbolStore
health=grpc.health.v1.Health
keys_max=8 value_bytes_max=70000 message_bytes_max=524288 store_symbols_max=4 store_bytes_max=200000

# ask METHOD [REQUEST...]: the answer in $out, and what went wrong in $err and $status. Requests go in as a stream.
ask() {
    local method=$1
    shift
    printf '%s\n' "$@" >"$work_folder/request"
    capture "$grpcurl" -plaintext -max-time 20 -d @ "$address" "$method" <"$work_folder/request"
}

# answers TEXT EXPECTED FILTER: what jq's filter makes of the last answer.
answers() {
    if ((status != 0)); then
        fail "$1" "$err"
    else
        equal "$1" "$2" "$(jq -r -s "$3" <<<"$out")"
    fi
}

# refuses TEXT CODE PART: the last answer is a status of this code whose message has this part.
refuses() {
    local code message
    code=$(sed -n 's/^ *Code: //p' <<<"$err")
    message=$(sed -n 's/^ *Message: //p' <<<"$err")
    equal "$1: the code" "$2" "$code"
    contains "$1: the message" "$3" "$message"
}

base64_of() {
    base64 -w 0 "$1"
}

key_of() {
    b3sum --raw "$1" | base64 -w 0
}

list_of_keys() {
    jq -n -c '{keys: $ARGS.positional}' --args "$@"
}

make_work_folder
cd -- "$work_folder"
start_node node-1 127.0.0.1:0 --keys-max $keys_max --value-bytes-max $value_bytes_max \
    --message-bytes-max $message_bytes_max --store-symbols-max $store_symbols_max --store-bytes-max $store_bytes_max
address=$node_address first_node=$node_pid

printf 'one' >one
printf 'two and more' >two
head -c 65536 /dev/urandom >large
printf 'never stored' >absent
one=$(key_of one) two=$(key_of two) large=$(key_of large) absent=$(key_of absent)
short=$(head -c 31 /dev/zero | base64 -w 0)

# ---- reflection ----

capture "$grpcurl" -plaintext "$address" list
equal "list names every service" \
    "$(printf '%s\n' $health grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection symwave.v1.Admin $store)" "$out"
capture "$grpcurl" -plaintext "$address" list $store
equal "list names the RPCs" "$(printf "$store.%s\n" BatchGetValues DeleteBatch FindNode GetNodeInfo RetrieveBatch StoreBatch)" "$out"
capture "$grpcurl" -plaintext "$address" describe $store
contains "describe shows a server-streaming RPC" \
    "rpc RetrieveBatch ( .symwave.v1.RetrieveBatchRequest ) returns ( stream .symwave.v1.RetrieveBatchResponse );" "$out"
contains "describe shows a client-streaming RPC" \
    "rpc StoreBatch ( stream .symwave.v1.StoreBatchRequest ) returns ( .symwave.v1.StoreBatchResponse );" "$out"
capture "$grpcurl" -plaintext "$address" describe symwave.v1.RetrieveBatchRequest
contains "describe shows a message" "uint64 max_bytes = 2;" "$out"
capture "$grpcurl" -plaintext "$address" describe symwave.v1.Nothing
contains "describe of what is not there says so" "not found" "$err"
for version in v1 v1alpha; do
    reflection=grpc.reflection.$version.ServerReflection
    ask $reflection/ServerReflectionInfo '{"list_services": ""}'
    answers "reflection $version lists the services" "5" '.[0].listServicesResponse.service | length'
    ask $reflection/ServerReflectionInfo '{"file_containing_symbol": "symwave.v1.Symbol"}' \
        '{"file_containing_symbol": "symwave.v1.Nothing"}'
    answers "reflection $version has the file of a message" "1" '.[0].fileDescriptorResponse.fileDescriptorProto | length'
    answers "reflection $version answers what is not there with NOT_FOUND, and goes on" "5" '.[1].errorResponse.errorCode'
done

# ---- health ----

ask $health/Check '{}'
answers "health Check of the node" SERVING '.[0].status'
ask $health/Check "{\"service\": \"$store\"}"
answers "health Check of the service" SERVING '.[0].status'
ask $health/Check '{"service": "no.such.Service"}'
refuses "health Check of an unknown service" NotFound "service"

# ---- the four RPCs ----

ask $store/StoreBatch \
    "{\"symbols\": [{\"value\": \"$(base64_of one)\"}, {\"value\": \"$(base64_of two)\", \"key\": \"$two\"}]}" \
    "{\"symbols\": [{\"value\": \"$(base64_of large)\"}]}" \
    "{\"symbols\": [{\"value\": \"$(base64_of one)\"}]}"
answers "StoreBatch tells each symbol's outcome, in order" "STORED STORED STORED ALREADY_STORED" \
    '[.[0].results[].outcome] | join(" ")'
answers "StoreBatch tells the keys that b3sum tells" "$one $two $large $one" '[.[0].results[].key] | join(" ")'

ask $store/BatchGetValues "$(list_of_keys "$two" "$absent" "$one")"
answers "BatchGetValues answers in the order of the request" "$two $absent $one" '[.[0].values[].key] | join(" ")'
answers "BatchGetValues says what is found" "true false true" '[.[0].values[] | .found // false | tostring] | join(" ")'
answers "BatchGetValues has the values" "$(base64_of two) - $(base64_of one)" '.[0].values | map(.value // "-") | join(" ")'

ask $store/RetrieveBatch "$(list_of_keys "$large" "$absent" "$one" "$two")"
answers "RetrieveBatch answers each key once" "$(printf '%s\n' "$large" "$one" "$two" "$absent" | sort)" \
    '[.[] | (.symbols // [])[].key, (.missing // [])[]] | sort | .[]'
answers "RetrieveBatch says what is missing" "$absent" '[.[].missing // [] | .[]] | join(" ")'
answers "RetrieveBatch has the values" "$(base64_of large)" ".[].symbols // [] | .[] | select(.key == \"$large\").value"

ask $store/RetrieveBatch "{\"keys\": [\"$one\", \"$large\", \"$two\"], \"max_bytes\": 1000}"
answers "RetrieveBatch with max_bytes sends what fits" "$one" '[.[].symbols // [] | .[].key] | join(" ")'
answers "RetrieveBatch with max_bytes names what it left out" "$large $two" '[.[].leftOut // [] | .[]] | join(" ")'
answers "RetrieveBatch with max_bytes tells the size that did not fit" "65536" '[.[].leftOutBytes // empty] | join(" ")'

ask $store/RetrieveBatch "{\"keys\": [\"$one\", \"$absent\"], \"verify\": true}"
answers "RetrieveBatch with verify sends what is whole" "$one" '[.[].symbols // [] | .[].key] | join(" ")'
answers "RetrieveBatch with verify finds nothing corrupt" "0" '[.[].corrupt // [] | .[]] | length'

ask $store/RetrieveBatch "{\"keys\": [\"$large\", \"$absent\", \"$one\"], \"keys_only\": true}"
answers "RetrieveBatch with keys_only says what is held and what is missing, and sends no value" \
    "[{\"missing\":[\"$absent\"],\"held\":[\"$large\",\"$one\"]}]" 'tojson'

ask $store/GetNodeInfo '{}'
answers "GetNodeInfo tells id, version and the limits that were given" \
    "node-1 0.1.0 $keys_max $value_bytes_max $message_bytes_max $store_symbols_max $store_bytes_max true" \
    '.[0] | [.nodeId, .version, .limits.keysMax, .limits.valueBytesMax, .limits.messageBytesMax,
        .limits.storeSymbolsMax, .limits.storeBytesMax, .writable] | map(tostring) | join(" ")'
answers "GetNodeInfo counts symbols" "3" '.[0].symbolCount'

# ---- bad input ----

for method in BatchGetValues RetrieveBatch; do
    ask $store/$method "$(list_of_keys "$one" "$short")"
    refuses "$method of a 31-byte key" InvalidArgument "keys[1]: a key is 32 bytes, got 31"
    ask $store/$method '{}'
    refuses "$method of no keys" InvalidArgument "keys: the list is empty"
    ask $store/$method "$(list_of_keys "$one" "$one" "$one" "$one" "$one" "$one" "$one" "$one" "$one")"
    refuses "$method of too many keys" InvalidArgument "keys"
    contains "$method of too many keys: the message names the limit" "$keys_max" "$err"
done

head -c 70001 /dev/zero >oversized
: >empty
ask $store/StoreBatch "{\"symbols\": [{\"value\": \"$(base64_of oversized)\"}, {\"value\": \"\"},
    {\"value\": \"$(base64_of absent)\", \"key\": \"$one\"}, {\"value\": \"$(base64_of absent)\", \"key\": \"$short\"}]}"
answers "StoreBatch refuses what is oversized, empty, of another key, of a short key" \
    "REFUSED REFUSED REFUSED REFUSED" '[.[0].results[].outcome] | join(" ")'
reasons=$(jq -r '.results[].reason' <<<"$out")
contains "an oversized value's reason names size and limit" "70001 bytes, the limit is 70000" "$reasons"
contains "an empty value's reason says so" "value: it is empty" "$reasons"
contains "a wrong key's reason says so" "key: the value does not hash to it" "$reasons"
contains "a short key's reason says so" "key: a key is 32 bytes, got 31" "$reasons"
ask $store/BatchGetValues "$(list_of_keys "$(key_of oversized)" "$absent")"
answers "what was refused is not stored" "0" '[.[0].values[] | select(.found)] | length'

ask $store/StoreBatch '{}'
refuses "StoreBatch of no symbols" InvalidArgument "symbols"
ask $store/StoreBatch '{"symbols": [{"value": "AQ=="}, {"value": "Ag=="}, {"value": "Aw=="}]}' \
    '{"symbols": [{"value": "BA=="}, {"value": "BQ=="}]}'
refuses "StoreBatch of too many symbols" ResourceExhausted "more than $store_symbols_max symbols"
half="{\"symbols\": [{\"value\": \"$(base64_of large)\"}]}"
ask $store/StoreBatch "$half" "$half" "$half" "$half"
refuses "StoreBatch of too many bytes" ResourceExhausted "more than $store_bytes_max bytes"
head -c 600000 /dev/zero >message
ask $store/StoreBatch "{\"symbols\": [{\"value\": \"$(base64_of message)\"}]}"
refuses "a message beyond the limit" ResourceExhausted "larger than max"
contains "a message beyond the limit: the message names the limit" "$message_bytes_max" "$err"

# grpcurl knows no method that reflection does not show, so it is given a file that has one.
mkdir symwave
sed 's/^service SymbolStore {/&\n  rpc Forget(GetNodeInfoRequest) returns (GetNodeInfoResponse);/' \
    "$root/proto/symwave/v1/symbol_store.proto" >symwave/symbol_store.proto
capture "$grpcurl" -plaintext -import-path symwave -proto symbol_store.proto "$address" $store/Forget
refuses "an unknown method" Unimplemented "/$store/Forget"

# ---- pushback: one StoreBatch may use all the memory for calls, so whoever comes while it is open is to come again ----

start_node node-2 127.0.0.1:0 --message-bytes-max 512K --calls-bytes-max 1M
busy=("$grpcurl" -v -plaintext -max-time 20 -import-path "$root/proto" -proto symwave/v1/symbol_store.proto)
mkfifo symbols
"${busy[@]}" -d @ "$node_address" $store/StoreBatch <symbols >/dev/null 2>&1 &
storing=$!
children+=("$storing")
exec 9>symbols
tries=200
until capture "${busy[@]}" -d "$(list_of_keys "$one")" "$node_address" $store/RetrieveBatch &&
    [[ $err == *ResourceExhausted* ]] || ((tries-- == 0)); do
    sleep 0.05
done
refuses "a call without room" ResourceExhausted "the node is busy"
contains "a call without room is told when to come again" "grpc-retry-pushback-ms: 200" "$out"
exec 9>&-
wait "$storing" || true
forget_child "$storing"
capture "${busy[@]}" -d "$(list_of_keys "$short")" "$node_address" $store/RetrieveBatch
refuses "a mistake of the caller" InvalidArgument "keys[0]"
equal "a mistake of the caller is not to be repeated" "" "$(grep pushback <<<"$out$err" || true)"

ask $health/Check '{}'
answers "after all that the node still serves" SERVING '.[0].status'

# ---- the stop ----

"$grpcurl" -plaintext -max-time 60 -d '{}' "$address" $health/Watch >watch 2>watch.err &
watch=$!
children+=("$watch")
"$grpcurl" -v -plaintext -max-time 60 -d '{}' "$address" $health/Watch >trailers 2>&1 &
trailers=$!
children+=("$trailers")
tries=200
until { grep -q SERVING watch && grep -q SERVING trailers; } || ((tries-- == 0)); do
    sleep 0.05
done
equal "health Watch tells the state at once" SERVING "$(jq -r .status watch)"
kill -TERM "$first_node"
exit_status=0
wait "$first_node" || exit_status=$?
forget_child "$first_node"
equal "SIGTERM ends the node with status 0" 0 "$exit_status"
wait "$watch" || true
forget_child "$watch"
wait "$trailers" || true
forget_child "$trailers"
contains "health Watch is told when to come back" "grpc-retry-pushback-ms: 1000" "$(<trailers)"
equal "health Watch is told NOT_SERVING when the node stops" "SERVING NOT_SERVING" \
    "$(jq -r -s 'map(.status) | join(" ")' watch)"
contains "the log tells of the stop" 'msg="node stopped"' "$(<node-1.log)"

start_node node-1 127.0.0.1:0
address=$node_address
ask $store/BatchGetValues "$(list_of_keys "$one" "$two" "$large")"
answers "what was stored is there after a restart" "true true true" '[.[0].values[].found | tostring] | join(" ")'
end_checks
