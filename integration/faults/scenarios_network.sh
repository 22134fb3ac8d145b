# For run.sh: what networks do to a retrieval.
# shellcheck shell=bash
# shellcheck disable=SC2154

# met NODE...: each of these nodes was asked, so that its fault was met.
met() {
    local index
    for index in "$@"; do
        equal "node-$index was asked" true "$(report "[.nodes[] | select(.id == \"node-$index\" and .keys_asked > 0)] | length > 0")"
    done
}

# failed_at NODE...: requests to each of these nodes failed, or were given up.
failed_at() {
    local index
    for index in "$@"; do
        equal "requests to node-$index failed" true \
            "$(report "[.nodes[] | select(.id == \"node-$index\" and (.requests_failed > 0 or .found < .keys_asked))] | length > 0")"
    done
}

scenario stalled_stream fast "streams of two of six nodes stall after 300 kB" "all symbols, from the others"
stalled_stream() {
    cluster
    through stall 300000 -- 1 2
    fetch_all
    all_came
    failed_at 1 2
}

scenario every_stream_stalls fast "the streams of all nodes stall, and the deadline is 3 s" \
    "an error that names the deadline, within it"
every_stream_stalls() {
    cluster
    # shellcheck disable=SC2046
    through stall 300000 -- $(every_node)
    capture timeout 30 "$bin/symwave" --nodes nodes.yaml --json fetch --keys keys --out out --deadline 3
    one_line "the fetch falls short" 1 "deadline"
    no_wrong_bytes
    seen "exit status $status after $(report '.elapsed_us / 1000 | floor') ms: $err"
}

scenario trickle fast "after 300 kB two of six nodes send 1 byte a second" "all symbols, from the others"
trickle() {
    cluster
    through trickle 300000 1 -- 1 2
    fetch_all
    all_came
    failed_at 1 2
}

scenario slow_node fast "a node is a thousand times slower than the others, 100 kB/s" "all symbols; the node is left most of its keys"
slow_node() {
    cluster
    through rate 100000 -- 1
    fetch_all
    all_came
    met 1
}

scenario tcp_reset fast "connections to two nodes are reset after 300 kB, again and again" "all symbols"
tcp_reset() {
    cluster
    through reset 300000 -- 1 2
    fetch_all
    all_came
    failed_at 1 2
}

scenario rst_stream fast "every stream of two nodes is reset after 3 DATA frames (RST_STREAM)" "all symbols"
rst_stream() {
    cluster
    through rst 3 -- 1 2
    fetch_all
    all_came
    failed_at 1 2
}

scenario goaway fast "two nodes say GOAWAY after 5 DATA frames, and close" "all symbols"
goaway() {
    cluster
    through goaway 5 -- 1 2
    fetch_all
    all_came
    failed_at 1 2
}

scenario refused fast "two of six nodes are not there: connections are refused" "all symbols"
refused() {
    cluster
    kill_node "${pids[1]}"
    kill_node "${pids[2]}"
    fetch_all
    all_came
    failed_at 1 2
}

scenario black_hole fast "two of six nodes' connections are not even refused" "all symbols, without waiting for them"
black_hole() {
    cluster
    through black-hole -- 1 2
    fetch_all
    all_came
    failed_at 1 2
}

scenario all_refused fast "no node is there" "an error at once, which says so; nothing is left"
all_refused() {
    local index
    cluster
    for ((index = 1; index <= cluster_nodes; index++)); do
        kill_node "${pids[index]}"
    done
    fetch_all
    one_line "the fetch falls short" 1 "none of the 6 nodes asked could be reached"
    equal "nothing is left" "" "$(ls -A out)"
    seen "exit status $status after $(report '.elapsed_us / 1000 | floor') ms: $err"
}

scenario partition fast "for 2 s nothing passes to or from any node, in the middle; then it heals" "all symbols"
partition() {
    local index
    cluster
    # Slow enough to be cut in the middle.
    for ((index = 1; index <= cluster_nodes; index++)); do
        kill -TERM "${pids[index]}"
        wait "${pids[index]}" || true
        forget_child "${pids[index]}"
        start_cluster_node "$index" 127.0.0.1:0 --store-fault rate=1000000
    done
    # shellcheck disable=SC2046
    through gate closed -- $(every_node)
    begin_fetch
    came 20
    : >closed
    sleep 2
    local before
    before=$(find out -type f | wc -l)
    rm closed
    end_fetch
    [[ $before -lt $stored_symbols ]] && pass "it was cut in the middle" || fail "it was cut in the middle"
    all_came
    seen "cut off with $before symbols"
}

scenario far_and_lossy fast "100 ms round trip to every node, and 1 % of packets are lost once" "all symbols, little is asked twice"
far_and_lossy() {
    cluster
    # shellcheck disable=SC2046
    through delay 50 1 -- $(every_node)
    fetch_all
    all_came
    # A hedge is allowed 5 %, and some tens of keys.
    equal "less than half as much again was received" true "$(report '.bytes_received * 2 < .bytes * 3')"
}

scenario flipped_on_the_wire fast "a bit in each 500 kB that two nodes send is flipped, anywhere" "all symbols, each right"
flipped_on_the_wire() {
    cluster
    through flip 500000 -- 1 2
    fetch_all
    all_came
    met 1 2
}

scenario flipped_in_values fast "a bit in each 200 kB of two nodes' DATA frames is flipped" \
    "all symbols, each right; the nodes are named with proofs"
flipped_in_values() {
    cluster
    through flip-data 200000 -- 1 2
    fetch_all
    all_came
    equal "bytes were found wrong" true "$(report '.proof_count > 0 or .requests_failed > 0')"
    seen "$(report .proof_count) values were proven wrong"
}

scenario length_prefix fast "two nodes' messages are said to have 2^31 bytes" "all symbols; nothing of that size is allocated"
length_prefix() {
    cluster
    through prefix -- 1 2
    capture /usr/bin/time -f %M -o memory "$bin/symwave" --nodes nodes.yaml --json fetch --task faults --keys keys --out out --deadline 60
    all_came
    failed_at 1 2
    [[ $(<memory) -lt 262144 ]] && pass "memory is bounded" || fail "memory is bounded" "$(<memory) KiB"
    seen "$(<memory) KiB at most"
}

scenario simulated fast "the same, where nothing but the engine is real: a tenth of 100 nodes misbehaves, in each of 8 ways, 50 times" \
    "all of 1,000 symbols each time, at most half as much again sent"
simulated() {
    capture "$bin/simulated_faults" 50
    equal "every promise is kept" 0 "$status"
    printf '%s\n%s\n' "$out" "$err"
    seen "$out"
}
