# For run.sh: what nodes do to a retrieval, and clients to a node.
# shellcheck shell=bash
# shellcheck disable=SC2154

# A cluster so slow that something can be done to it in the middle of a retrieval.
slow_cluster() {
    cluster --store-fault rate=600000
}

scenario killed_node fast "two of six nodes are killed in the middle of a message" "all symbols"
killed_node() {
    slow_cluster
    begin_fetch
    came 20
    kill_node "${pids[1]}"
    kill_node "${pids[2]}"
    end_fetch
    all_came
}

scenario stopped_node fast "two of six nodes are stopped (SIGSTOP) in the middle of a message" "all symbols"
stopped_node() {
    slow_cluster
    begin_fetch
    came 20
    kill -STOP "${pids[1]}" "${pids[2]}"
    end_fetch
    kill -CONT "${pids[1]}" "${pids[2]}"
    all_came
}

scenario restarted_nodes fast "every node is killed and started again, one after the other, during a retrieval" "all symbols"
restarted_nodes() {
    local index
    slow_cluster
    begin_fetch
    came 10
    for ((index = 1; index <= cluster_nodes; index++)); do
        kill_node "${pids[index]}"
        start_cluster_node "$index" "${addresses[index]}" --store-fault rate=600000
    done
    end_fetch
    all_came
}

scenario killed_while_storing fast "a node is killed in the middle of a store and started again" \
    "what was called stored is there after it, on that node alone"
killed_while_storing() {
    local round
    start_node node-1 127.0.0.1:0
    for round in 1 2 3; do
        list_of node-1 >nodes.yaml
        "$bin/crash_stores" nodes.yaml "$((seed + round))" keys &
        children+=("$!")
        local client=$!
        sleep "0.$((RANDOM % 9))$((RANDOM % 9))"
        kill_node "$node_pid"
        wait "$client" || true
        forget_child "$client"
        start_node node-1 127.0.0.1:0
    done
    list_of node-1 >nodes.yaml
    touch keys
    symwave --nodes nodes.yaml --json fetch --keys keys --out out
    equal "all that was acknowledged is there" "$(sort -u keys | wc -l) 0" \
        "$(find out -type f 2>/dev/null | wc -l) $( ((status == 0)) || [[ ! -s keys ]] && echo 0 || echo "$err")"
    seen "$(sort -u keys | wc -l) symbols acknowledged, $(find out -type f | wc -l) there after 3 kills"
}

scenario suspended_client fast "the client is stopped for 3 s in the middle, as a laptop's lid does" "all symbols"
suspended_client() {
    slow_cluster
    begin_fetch
    came 20
    kill -STOP "$fetch_pid"
    sleep 3
    kill -CONT "$fetch_pid"
    end_fetch
    all_came
}

scenario suspended_nodes fast "every node is stopped for 3 s in the middle" "all symbols, after they go on"
suspended_nodes() {
    slow_cluster
    begin_fetch
    came 20
    kill -STOP "${pids[@]}"
    sleep 3
    kill -CONT "${pids[@]}"
    end_fetch
    all_came
}

scenario vanishing_clients fast "40 clients are killed in the middle of a retrieval" "no descriptor and no call of theirs is left"
vanishing_clients() {
    local round before after
    cluster
    fetch_all
    before=$(ls "/proc/${pids[1]}/fd" | wc -l)
    for ((round = 0; round < 40; round++)); do
        rm -rf out
        begin_fetch
        sleep "0.0$((RANDOM % 10))"
        kill -KILL "$fetch_pid" 2>/dev/null || true
        wait "$fetch_pid" 2>/dev/null || true
        forget_child "$fetch_pid"
    done
    local tries=200
    until after=$(ls "/proc/${pids[1]}/fd" | wc -l) && ((after <= before)); do
        ((tries-- > 0)) || break
        sleep 0.05
    done
    [[ $after -le $before ]] && pass "descriptors are back" || fail "descriptors are back" "$before before, $after after"
    rm -rf out
    fetch_all
    all_came
    seen "descriptors of a node: $before before, $after after"
}

scenario cancels fast "16 threads begin retrievals of 20 keys and cancel them within 0.3 ms, as many as this machine can, for 5 s" \
    "every one ends; memory and descriptors stay; all is there afterwards"
cancels() {
    cluster
    capture "$bin/fault_calls" nodes.yaml keys cancels 5
    equal "every promise is kept" 0 "$status"
    printf '%s\n%s\n' "$out" "$err"
    seen "$out"
    nodes_serve
}

scenario many_retrievals slow "1,000 retrievals at once on one client, of 200 symbols each" "each gets all, within one budget"
many_retrievals() {
    cluster
    capture "$bin/fault_calls" nodes.yaml keys many 1000
    equal "every promise is kept" 0 "$status"
    printf '%s\n%s\n' "$out" "$err"
    seen "$out"
    nodes_serve
}

scenario some_retrievals fast "50 retrievals at once on one client, of 200 symbols each" "each gets all, within one budget"
some_retrievals() {
    cluster
    capture "$bin/fault_calls" nodes.yaml keys many 50
    equal "every promise is kept" 0 "$status"
    printf '%s\n%s\n' "$out" "$err"
    seen "$out"
    nodes_serve
}

scenario blocked_callback fast "a sink stands still for 2 s" "other retrievals and stores of the client go on, and it gets all in the end"
blocked_callback() {
    cluster
    capture "$bin/fault_calls" nodes.yaml keys blocked 2000
    equal "every promise is kept" 0 "$status"
    printf '%s\n%s\n' "$out" "$err"
    seen "$out"
}
