# For run.sh: name servers that fail. Each runs in namespaces of its own, with a name server on port 53.
# shellcheck shell=bash
# shellcheck disable=SC2154

# in_own_network SCENARIO
in_own_network() {
    [[ -n $python ]] || skip "there is no python3"
    unshare --net --mount true 2>/dev/null || skip "there are no namespaces here"
    command -v ip >/dev/null || skip "there is no ip"
    unshare --net --mount "$root/integration/faults/run.sh" --one "$1" || fail "$1"
}

# named NAME=ANSWER...: starts the cluster and the name server, calls node-1 and so on node-1.test and so on, and fetches all.
named() {
    local index
    ip link set lo up
    printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:2\n' >resolv.conf
    mount --bind resolv.conf /etc/resolv.conf
    "$python" "$root/integration/faults/name_server.py" "$@" >names 2>names.log &
    children+=("$!")
    wait_for_line names listening "the name server listens"
    cluster
    for ((index = 1; index <= cluster_nodes; index++)); do
        reached_at[index]=node-$index.test:${addresses[index]##*:}
    done
    write_nodes
    fetch_all
    all_came
}

scenario name_unknown fast "the names of two of six nodes do not exist" "all symbols, from the others"
name_unknown() { in_own_network name_unknown_inside; }
name_unknown_inside() {
    named node-1.test=none node-2.test=none "*=127.0.0.1"
}

scenario name_slow fast "the names of two of six nodes are answered after 3 s" "all symbols, without waiting for that"
name_slow() { in_own_network name_slow_inside; }
name_slow_inside() {
    named node-1.test=slow,127.0.0.1 node-2.test=slow,127.0.0.1 "*=127.0.0.1"
}

scenario name_silent fast "the name server says nothing about two of six nodes" "all symbols, without waiting for that"
name_silent() { in_own_network name_silent_inside; }
name_silent_inside() {
    named node-1.test=silent node-2.test=silent "*=127.0.0.1"
}

scenario name_half_dead fast "the names of all nodes have two addresses, of which the first is dead" "all symbols, by the other"
name_half_dead() { in_own_network name_half_dead_inside; }
name_half_dead_inside() {
    named "*=127.0.0.9,127.0.0.1"
}
