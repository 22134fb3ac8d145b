#!/usr/bin/env bash
# TLS, mutual TLS, tokens and roles between real nodes, the command and grpcurl; certificates that are expired, of the
# wrong name or of another CA; and their renewal while a retrieval runs. Certificates are made here. Needs SYMWAVE_BIN,
# the folder of the programs; is skipped (77) where there is no openssl or grpcurl.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
grpcurl=$(find_tool grpcurl) || { echo "there is no grpcurl: integration/install.sh --tests builds one"; exit 77; }
for tool in openssl curl; do
    command -v "$tool" >/dev/null || { echo "there is no $tool"; exit 77; }
done
store=symwave.v1.SymbolStore

# ---- certificates ----

make_ca() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.pem" \
        -subj "/CN=$1" -days 30 2>/dev/null
}

# make_certificate NAME CA SUBJECT_ALT_NAME DAYS: a DAYS below zero has expired.
make_certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" \
        -subj "/CN=$1" 2>/dev/null
    printf 'subjectAltName=%s\n' "$3" >"$1.extensions"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -out "$1.pem" -days "$4" \
        -extfile "$1.extensions" 2>/dev/null
}

serial_of() {
    openssl x509 -in "$1" -noout -serial
}

# The serial number of the certificate that a node shows now.
serial_shown() {
    openssl s_client -connect "$node_address" -cert reader.pem -key reader.key </dev/null 2>/dev/null |
        openssl x509 -noout -serial
}

# use NODE_CERTIFICATE: what the node finds at its next start or SIGHUP.
use() {
    cp "$1.pem" current.pem
    cp "$1.key" current.key
}

# ---- nodes and clients ----

# start_tls_node [OPTION...]: node-1 with TLS, in nodes.yaml.
start_tls_node() {
    start_node node-1 127.0.0.1:0 --tls-certificate current.pem --tls-key current.key "$@"
    printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml
}

# ask OPTION...: the node's info, over the command.
ask() {
    symwave --nodes nodes.yaml "$@" nodes
}

# reached TEXT: by the last ask. not_reached TEXT PART: it was not, for a reason that has this part.
reached() {
    equal "$1" "0 yes" "$status $(awk 'NR == 2 { print $3 }' <<<"$out")"
}
not_reached() {
    equal "$1: exit status" 1 "$status"
    contains "$1: why" "$2" "$out"
}

# What the node logged since the last hang_up.
log_lines() {
    tr -d '\0' <node-1.log
}

hang_up() {
    : >node-1.log
    kill -HUP "$node_pid"
    logged 'msg="configuration read again"'
}

make_work_folder
cd -- "$work_folder"
names="DNS:localhost,IP:127.0.0.1"
make_ca ca
make_ca other
make_certificate node ca "$names" 30
make_certificate renewed ca "$names" 30
make_certificate expired ca "$names" -1
make_certificate elsewhere ca "DNS:elsewhere.example" 30
make_certificate foreign other "$names" 30
make_certificate reader ca "URI:spiffe://example/reader" 30
make_certificate writer ca "DNS:writer.example" 30
make_certificate reader-expired ca "URI:spiffe://example/reader" -1
make_certificate reader-foreign other "URI:spiffe://example/reader" 30
reader=(--tls-certificate reader.pem --tls-key reader.key)
writer=(--tls-certificate writer.pem --tls-key writer.key)
printf 'a symbol' >symbol

# ---- the node's certificate ----

use node
start_tls_node
ask --tls-ca ca.pem
reached "a node is reached over TLS"
ask
not_reached "without TLS it is not" ""
ask --tls
not_reached "the system's CAs do not vouch for it" "certificate verify failed"
ask --tls-ca other.pem
not_reached "another CA does not either" "certificate verify failed"
capture "$grpcurl" -cacert ca.pem -d '{}' "$node_address" $store/GetNodeInfo
equal "grpcurl reaches it" 0 "$status"
capture "$grpcurl" -unix -plaintext -d '{}' "$work_folder/node-1/admin.sock" $store/GetNodeInfo
equal "the node's own socket takes no TLS" 0 "$status"
equal "the node's own socket is its user's" 600 "$(stat -c %a node-1/admin.sock)"
capture "$bin/symwaved" --data other --node-id n --listen 127.0.0.1:0 --tls-certificate node.pem --tls-key renewed.key
equal "a key of another certificate: exit status" 3 "$status"
contains "a key of another certificate: why" "the key renewed.key is not that of the certificate node.pem" "$err"
capture "$bin/symwaved" --data other --node-id n --listen 127.0.0.1:0 --tls-certificate symbol --tls-key node.key \
    --check-config
equal "a file that is no certificate: exit status" 3 "$status"
contains "a file that is no certificate: why" "the certificate symbol: it holds no certificate in PEM" "$err"
stop_node
for wrong in expired elsewhere foreign; do
    use "$wrong"
    start_tls_node
    ask --tls-ca ca.pem
    not_reached "a certificate that is $wrong is refused" "127.0.0.1"
    if [[ $wrong == elsewhere ]]; then
        ask --tls-ca ca.pem --tls-server-name elsewhere.example
        reached "... unless its name is the one that is expected"
    elif [[ $wrong == expired ]]; then
        logged 'level=warn msg="the certificate has expired: clients will refuse it"'
    fi
    stop_node
done

# ---- the client's certificate, and roles by it ----

use node
start_tls_node --tls-client-ca ca.pem --read-identities spiffe://example/reader,writer.example \
    --store-identities writer.example
ask --tls-ca ca.pem
not_reached "no client certificate: not let in" ""
ask --tls-ca ca.pem --tls-certificate reader-expired.pem --tls-key reader-expired.key
not_reached "an expired one: not let in" ""
ask --tls-ca ca.pem --tls-certificate reader-foreign.pem --tls-key reader-foreign.key
not_reached "one of another CA: not let in" ""
ask --tls-ca ca.pem "${reader[@]}"
reached "the right one: let in"
symwave --nodes nodes.yaml --tls-ca ca.pem "${reader[@]}" store symbol
equal "who may only read does not store: exit status" 1 "$status"
contains "who may only read does not store: why" 'PERMISSION_DENIED: the caller may not do this: it lacks the role "store"' \
    "$err"
symwave --nodes nodes.yaml --tls-ca ca.pem "${writer[@]}" store symbol
equal "who may store stores" 0 "$status"
cut -f 1 <<<"$out" >keys
symwave --nodes nodes.yaml --tls-ca ca.pem "${reader[@]}" fetch --task t --keys keys --out fetched
equal "who may read fetches" 0 "$status"
equal "... what was stored" "a symbol" "$(cat fetched/*)"
capture "$grpcurl" -cacert ca.pem -cert reader.pem -key reader.key "$node_address" list
contains "reflection is for who may read" $store "$out"
stop_node

# ---- tokens ----

printf '# readers\n\n0123456789abcdef-reader\n' >read.tokens
printf '0123456789abcdef-writer\n' >store.tokens
printf 'short\n' >short.tokens
printf '0123456789abcdef-nobody\n' >wrong.token
chmod 600 ./*.tokens wrong.token
start_tls_node --read-tokens read.tokens --store-tokens store.tokens
ask --tls-ca ca.pem
not_reached "no token" 'UNAUTHENTICATED: this takes the role "read"'
ask --tls-ca ca.pem --token-file wrong.token
not_reached "a wrong token" "UNAUTHENTICATED: the token is none that this node knows"
ask --tls-ca ca.pem --token-file store.tokens
not_reached "a token of another role" "PERMISSION_DENIED"
ask --tls-ca ca.pem --token-file read.tokens
reached "the right token"
export SYMWAVE_TLS_CA=ca.pem SYMWAVE_TOKEN_FILE=read.tokens
ask
reached "... and the CA from the environment"
unset SYMWAVE_TLS_CA SYMWAVE_TOKEN_FILE
symwave --nodes nodes.yaml --tls-ca ca.pem --token-file store.tokens store symbol
equal "a token stores" 0 "$status"
capture "$grpcurl" -cacert ca.pem -d '{}' "$node_address" grpc.health.v1.Health/Check
contains "reflection wants a token too" "Unauthenticated" "$err"
capture "$grpcurl" -cacert ca.pem -import-path "$root/proto" -proto grpc/health/v1/health.proto -d '{}' \
    "$node_address" grpc.health.v1.Health/Check
contains "health is for all" SERVING "$out"
capture "$grpcurl" -cacert ca.pem -H "authorization: Bearer 0123456789abcdef-reader" "$node_address" list
equal "grpcurl with a token" 0 "$status"
printf '0123456789abcdef-another\n' >read.tokens
hang_up
ask --tls-ca ca.pem --token-file read.tokens
reached "a token that SIGHUP brought"
cp short.tokens read.tokens
: >node-1.log
kill -HUP "$node_pid"
logged 'msg="access rules not taken, those of before stay" error=.*line 1: a token has 16 to 4096 characters'
printf '0123456789abcdef-another\n' >again.token
ask --tls-ca ca.pem --token-file again.token
reached "... and those of before stay"
printf '# none any more\n' >read.tokens
hang_up
ask --tls-ca ca.pem --token-file again.token
not_reached "a file without a token lets nobody in" "UNAUTHENTICATED: the token is none that this node knows"
ask --tls-ca ca.pem
not_reached "... and nobody without one either" 'UNAUTHENTICATED: this takes the role "read"'
stop_node
chmod 644 store.tokens
capture "$bin/symwaved" --data other --node-id n --listen 127.0.0.1:0 --store-tokens store.tokens
equal "tokens that others can read: exit status" 3 "$status"
contains "tokens that others can read: what to do" "others can read them" "$err"
printf 'nodes:\n- id: far\n  address: 192.0.2.1:1\n' >far.yaml
symwave --nodes far.yaml --token-file store.tokens nodes
contains "a token does not go over the network in the clear" "use TLS with it" "$err"

# ---- renewal, in the middle of a retrieval ----

head -c 6553600 /dev/urandom | split -b 65536 - piece-
use node
start_tls_node --tls-client-ca ca.pem --store-fault rate=3000000
symwave --nodes nodes.yaml --tls-ca ca.pem "${reader[@]}" store piece-*
cut -f 1 <<<"$out" >keys
"$bin/symwave" --nodes nodes.yaml --tls-ca ca.pem "${reader[@]}" --json fetch --task t --keys keys --out renewed-fetch \
    >fetch.json 2>fetch.log &
fetch_pid=$!
until [[ $(find renewed-fetch -name '[!.]*' -type f 2>/dev/null | wc -l) -gt 3 ]]; do
    kill -0 "$fetch_pid" 2>/dev/null || break
    sleep 0.02
done
use renewed
hang_up
logged 'msg="certificate in use" subject="/CN=renewed"'
kill -0 "$fetch_pid" 2>/dev/null && pass "the retrieval goes on meanwhile" || fail "the retrieval goes on meanwhile" "$(<fetch.log)"
equal "new connections get the new certificate" "$(serial_of renewed.pem)" "$(serial_shown)"
status=0
wait "$fetch_pid" || status=$?
equal "the retrieval ends well" 0 "$status"
equal "the retrieval loses nothing" 100 "$(find renewed-fetch -type f | wc -l)"
equal "no request failed" 0 "$(jq '[.nodes[].requests_failed] | add' fetch.json)"
cp node.key current.key
: >node-1.log
kill -HUP "$node_pid"
logged 'msg="certificates not taken, those of before stay" error=.*current.key is not that of the certificate'
equal "a bad pair of files changes nothing" "$(serial_of renewed.pem)" "$(serial_shown)"
use renewed
cp other.pem ca-too.pem
cat ca.pem >>ca-too.pem
stop_node
cp ca.pem clients.pem
start_tls_node --tls-client-ca clients.pem
ask --tls-ca ca.pem --tls-certificate reader-foreign.pem --tls-key reader-foreign.key
not_reached "a client of a CA that is not there yet" ""
cp ca-too.pem clients.pem
hang_up
ask --tls-ca ca.pem --tls-certificate reader-foreign.pem --tls-key reader-foreign.key
reached "a client of a CA that SIGHUP brought"
stop_node

# ---- TLS that is switched on or off takes a restart, and says so ----

use node
printf 'tls-certificate: current.pem\ntls-key: current.key\n' >with-tls.yaml
printf 'tls-client-ca: ca.pem\n' | cat with-tls.yaml - >with-ca.yaml
cp with-tls.yaml node.yaml
start_node node-1 127.0.0.1:0 --config node.yaml
list_of node-1 >nodes.yaml
cp with-ca.yaml node.yaml
hang_up
contains "client certificates that are asked for from now on: it says that they are not" \
    'configuration changed, but this takes a restart" key=tls-client-ca' "$(log_lines)"
contains "... and why" "the node listens with TLS and asks no client for certificates; to change that takes a restart" \
    "$(log_lines)"
ask --tls-ca ca.pem
reached "... and serves as before"
stop_node
start_node node-1 127.0.0.1:0 --config node.yaml
list_of node-1 >nodes.yaml
cp with-tls.yaml node.yaml
hang_up
ask --tls-ca ca.pem
not_reached "a CA that is taken away: no client without a certificate yet" ""
ask --tls-ca ca.pem "${reader[@]}"
reached "... and those with one as before"
stop_node
: >node.yaml
start_node node-1 127.0.0.1:0 --config node.yaml
list_of node-1 >nodes.yaml
cp with-tls.yaml node.yaml
hang_up
ask
reached "a certificate at a node without TLS: it serves as before"
contains "... and says so" "the node listens without TLS" "$(log_lines)"
stop_node

# ---- the stop, in the middle of a retrieval ----

use node
start_tls_node --tls-client-ca ca.pem --store-fault rate=3000000
"$bin/symwave" --nodes nodes.yaml --tls-ca ca.pem "${reader[@]}" --json fetch --task t --keys keys --required 30 \
    --out stopped-fetch >fetch.json 2>fetch.log &
fetch_pid=$!
until [[ $(find stopped-fetch -name '[!.]*' -type f 2>/dev/null | wc -l) -gt 3 ]]; do
    kill -0 "$fetch_pid" 2>/dev/null || break
    sleep 0.02
done
kill -TERM "$node_pid"
status=0
wait "$node_pid" || status=$?
forget_child "$node_pid"
equal "a node that is told to stop ends with 0" 0 "$status"
contains "no call had to be cancelled" "calls_cancelled=0" "$(<node-1.log)"
wait "$fetch_pid" || true
equal "what was under way came whole" 0 "$(jq '[.nodes[] | .corrupt] | add' fetch.json)"
start_tls_node --tls-client-ca ca.pem --grace-ms 600000 --http-listen 127.0.0.1:0
http=127.0.0.1:$(sed -n 's/.*msg="HTTP for metrics".* port=\([0-9]*\).*/\1/p' node-1.log)
hold_call -cacert ca.pem -cert reader.pem -key reader.key
until [[ $(curl -s "http://$http/metrics" | awk '$1 == "symwave_calls_bytes" { print $2 }') =~ ^[1-9] ]]; do
    sleep 0.05
done
kill -TERM "$node_pid"
logged 'msg="node stopping"'
kill -TERM "$node_pid"
status=0
wait "$node_pid" || status=$?
forget_child "$node_pid"
equal "a second SIGTERM ends it at once" 143 "$status"
end_checks
