# For run.sh, which sources it: a cluster that holds symbols, networks that misbehave in front of its nodes, and what is
# checked of each retrieval.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154

cluster_nodes=6
stored_symbols=200
stored_bytes=65532
file_bytes=13000000
world=${SYMWAVE_FAULTS_FOLDER:-}/world
python=$(find_python asyncio) || python=
seed=${SYMWAVE_SEED:-1}

# seen TEXT: a line for the report.
seen() {
    printf '%s\n' "$*" >>"${SYMWAVE_SEEN:-/dev/stderr}"
}

# skip TEXT: the scenario cannot be tried here.
skip() {
    echo "$*"
    exit 77
}

# Made once: $world/values, the values, each named by its key; $world/keys; and node-1 to node-6, which all hold all. Beside
# them $world/file with its layout.json, and file-1, a node that has it.
make_stored_cluster() {
    local work_folder=$world children=() index
    mkdir -p "$world/values"
    (
        # Ends with the subshell, so that nothing of it is left running.
        trap clean_up_nodes EXIT
        cd -- "$world"
        for ((index = 1; index <= cluster_nodes; index++)); do
            start_node "node-$index" 127.0.0.1:0
            list_entry "node-$index" "$node_address"
        done >entries
        { echo nodes:; cat entries; } >nodes.yaml
        head -c $((stored_symbols * stored_bytes)) /dev/urandom | split -b "$stored_bytes" -a 3 - piece-
        "$bin/symwave" --nodes nodes.yaml store piece-* >stored || die "the symbols cannot be stored"
        cut -f 1 stored >keys
        while IFS=$'\t' read -r key file; do
            mv "$file" "values/$key"
        done <stored
        start_node file-1 127.0.0.1:0
        list_of file-1 >nodes.yaml
        head -c "$file_bytes" /dev/urandom >file
        "$bin/symwave" --nodes nodes.yaml put file --layout layout.json >put || die "the file cannot be stored"
        for index in "${children[@]}"; do
            kill -TERM "$index"
            wait "$index"
        done
        children=()
    ) || die "no cluster can be made"
}

clean_up_nodes() {
    kill -KILL "${children[@]}" 2>/dev/null || true
}

list_entry() {
    printf -- '- id: %s\n  address: %s\n' "$1" "$2"
}

# file_node [OPTION...]: file-1 in nodes.yaml, and its file and layout.json.
file_node() {
    [[ -d file-1 ]] || cp -r "$world/file-1" "$world/file" "$world/layout.json" .
    start_node file-1 127.0.0.1:0 "$@"
    list_of file-1 >nodes.yaml
}

# get_file [COMMAND...]: gets it, as "got"; by a command that runs the rest.
get_file() {
    capture "$@" "$bin/symwave" --nodes nodes.yaml --json get layout.json --out got
}

# got_file [TEXT]: it came, and is right, and nothing is beside it.
got_file() {
    equal "${1:-the get ends well}" 0 "$status"
    ((status == 0)) || printf '%s\n' "$err"
    equal "the file is right" "" "$(cmp got file 2>&1)"
    equal "nothing is beside it" "got" "$(echo got*)"
}

# flip FILE OFFSET: flips a bit there.
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\x$(printf %02x $((byte ^ 4)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# faulty FOLDER WHAT [NAME=VALUE...] -- COMMAND...: runs it with the fault library, under FOLDER.
faulty() {
    local variables=("SYMWAVE_FAULT_UNDER=$1" "SYMWAVE_FAULT_DO=$2")
    shift 2
    while [[ $1 != -- ]]; do
        variables+=("SYMWAVE_FAULT_$1")
        shift
    done
    shift
    env "${variables[@]}" LD_PRELOAD="$fault_library" "$@"
}
fault_library=$bin/../lib/libsymwave_faults.so

# cluster [OPTION...]: node-1 to node-6 with the symbols, in nodes.yaml. ${pids[1]} and ${addresses[1]} are node-1's.
pids=() addresses=() reached_at=()
cluster() {
    local index
    cp -r "$world/values" "$world/keys" .
    for ((index = 1; index <= cluster_nodes; index++)); do
        cp -r "$world/node-$index" .
        start_cluster_node "$index" 127.0.0.1:0 "$@"
    done
    write_nodes
}

start_cluster_node() {
    local index=$1 address=$2
    shift 2
    start_node "node-$index" "$address" "$@"
    pids[index]=$node_pid addresses[index]=$node_address reached_at[index]=$node_address
}

write_nodes() {
    local index
    {
        echo nodes:
        for index in "${!reached_at[@]}"; do
            list_entry "node-$index" "${reached_at[index]}"
        done
    } >nodes.yaml
}

every_node() {
    seq "$cluster_nodes"
}

# through FAULT [ARGUMENT...] -- INDEX...: clients reach these nodes through a network with this fault.
through() {
    [[ -n $python ]] || skip "there is no python3"
    local fault=() index
    while [[ $1 != -- ]]; do
        fault+=("$1")
        shift
    done
    shift
    for index in "$@"; do
        : >"proxy-$index"
        "$python" "$root/integration/faults/fault_proxy.py" "${addresses[index]}" "${fault[@]}" >"proxy-$index" 2>"proxy-$index.log" &
        children+=("$!")
    done
    for index in "$@"; do
        wait_for_line "proxy-$index" : "the proxy of node-$index listens"
        reached_at[index]=$(<"proxy-$index")
    done
    write_nodes
}

# wait_for_line FILE PATTERN WHAT
wait_for_line() {
    local tries=600 # of 50 ms
    until grep -q -- "$2" "$1" 2>/dev/null; do
        ((tries-- > 0)) || die "it is not so that $3"
        sleep 0.05
    done
}

# fetch_all [OPTION...]: all symbols, by the command; its report in $out. begin_fetch does not wait, end_fetch does.
fetch_all() {
    symwave --nodes nodes.yaml --json fetch --task faults --keys keys --out out --deadline 60 "$@"
}
begin_fetch() {
    "$bin/symwave" --nodes nodes.yaml --json fetch --task faults --keys keys --out out --deadline 60 "$@" >.out 2>.err &
    fetch_pid=$!
    children+=("$fetch_pid")
}
end_fetch() {
    status=0
    wait "$fetch_pid" || status=$?
    forget_child "$fetch_pid"
    out=$(<.out) err=$(<.err)
}

# came COUNT: that many symbols are in "out".
came() {
    local tries=1200
    until (($(find out -type f 2>/dev/null | wc -l) >= $1)); do
        ((tries-- > 0)) || die "symbols do not come"
        sleep 0.02
    done
}

resident_kib() {
    awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

report() {
    jq -r "$1" <<<"$out"
}

# Every file that was fetched is the value of its key.
no_wrong_bytes() {
    local wrong=0 file
    for file in out/*; do
        [[ -f $file ]] || continue
        cmp -s "$file" "values/${file##*/}" || wrong=$((wrong + 1))
    done
    equal "no wrong bytes were delivered" 0 "$wrong"
}

# all_came [TEXT]: the last fetch has every symbol, and each is right.
all_came() {
    equal "${1:-the fetch ends well}" 0 "$status"
    ((status == 0)) || printf '%s\n' "$err"
    equal "every symbol came" "$stored_symbols" "$(find out -type f | wc -l)"
    no_wrong_bytes
    seen "$stored_symbols of $stored_symbols right in $(report '.elapsed_us / 1000 | floor') ms," \
        "$(report '(.bytes_received + 0) * 100 / (.bytes + 1) | floor') % of their bytes received," \
        "$(report .requests_failed) requests failed"
}

# Every node of the cluster serves, and none has crashed.
nodes_serve() {
    local index
    for index in "${!pids[@]}"; do
        kill -0 "${pids[index]}" 2>/dev/null || fail "node-$index runs" "$(tail -n 20 "node-$index.log")"
    done
    for index in "${!addresses[@]}"; do
        reached_at[index]=${addresses[index]}
    done
    write_nodes
    symwave --nodes nodes.yaml --json nodes
    equal "every node serves" 0 "$status"
}
