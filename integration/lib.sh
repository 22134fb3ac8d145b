# For the scripts of this folder, which source it: where things are, what is printed, and what ends with the script.
# shellcheck shell=bash

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/build/tools/bin
export LC_ALL=C.UTF-8

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Prints a command as one would type it, and runs it.
run() {
    printf '+'
    printf ' %q' "$@"
    printf '\n'
    "$@"
}

# The compilers' share of the machine: a job a processor, and no more than memory has room for.
job_count() {
    local processors memory_gib
    processors=$(nproc)
    memory_gib=$(awk '/^MemAvailable:/ { printf "%d", $2 / 1048576 + 1 }' /proc/meminfo)
    echo $((processors < memory_gib ? processors : memory_gib))
}

# A tool that is there: the one on the path or the one that install.sh made. Fails where there is none.
find_tool() {
    command -v "$1" || { [[ -x $tools/$1 ]] && echo "$tools/$1"; }
}

# find_python MODULE...: prints a Python that has them. Fails where there is none: the first on the path may be another one
# than Debian's, which has what Debian's packages bring.
find_python() {
    local python imports
    imports=$(IFS=,; echo "$*")
    for python in python3 /usr/bin/python3; do
        "$python" -c "import $imports" 2>/dev/null && echo "$python" && return
    done
    return 1
}

# ---- processes and a folder that end with the script ----

work_folder=
children=()

# Ends every process that start_node started and that still runs, and removes the work folder.
clean_up() {
    local status=$? child
    trap - EXIT
    for child in "${children[@]}"; do
        kill -CONT "$child" 2>/dev/null || true
        kill -TERM "$child" 2>/dev/null || true
    done
    for child in "${children[@]}"; do
        wait "$child" 2>/dev/null || true
    done
    if [[ -n $work_folder ]]; then
        rm -rf -- "$work_folder"
    fi
    exit "$status"
}

# Makes the work folder; from here on clean_up runs at the end, however it comes.
make_work_folder() {
    work_folder=$(mktemp -d "${TMPDIR:-/tmp}/symwave-XXXXXX")
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# Forgets a child that has ended and was waited for.
forget_child() {
    local kept=() child
    for child in "${children[@]}"; do
        [[ $child == "$1" ]] || kept+=("$child")
    done
    children=("${kept[@]}")
}

# ---- nodes ----

# start_node ID ADDRESS [OPTION...]: a symwaved of $bin with data and log in the work folder. Its process id is left in
# $node_pid, the address that it serves on in $node_address.
start_node() {
    local id=$1 address=$2 log=$work_folder/$1.log
    shift 2
    : >"$log"
    "$bin/symwaved" --data "$work_folder/$id" --node-id "$id" --listen "$address" "$@" 2>"$log" &
    node_pid=$!
    children+=("$node_pid")
    node_address=
    local tries=600 # of 50 ms
    until node_address=$(sed -n 's/.*msg="node started".* address=\([^ ]*\).*/\1/p' "$log") && [[ -n $node_address ]]; do
        if ! kill -0 "$node_pid" 2>/dev/null || ((tries-- == 0)); then
            cat "$log" >&2
            die "node $id did not start"
        fi
        sleep 0.05
    done
}

# For grpcurl, where it is not to ask the node's reflection.
store_proto=(-import-path "$root/proto" -proto symwave/v1/symbol_store.proto)

# hold_call OPTION...: grpcurl begins a StoreBatch at $node_address and sends nothing, until the script ends. Its process
# id is left in $holder_pid.
hold_call() {
    [[ -p $work_folder/.held ]] || mkfifo "$work_folder/.held"
    "$grpcurl" "$@" "${store_proto[@]}" -d @ "$node_address" symwave.v1.SymbolStore/StoreBatch <"$work_folder/.held" >/dev/null 2>&1 &
    holder_pid=$!
    children+=("$holder_pid")
    exec {held}>"$work_folder/.held"
}

# kill_node PID: SIGKILL, and waits until the process is gone.
kill_node() {
    kill -KILL "$1"
    wait "$1" 2>/dev/null || true
    forget_child "$1"
}

# stop_node: SIGTERM to the last one, which must end in order.
stop_node() {
    kill -TERM "$node_pid"
    wait "$node_pid" || fail "the node stops in order"
    forget_child "$node_pid"
}

# list_of ID: the last node as a node list.
list_of() {
    printf 'nodes:\n- id: %s\n  address: %s\n' "$1" "$node_address"
}

# ---- checks of the tests ----

checks=0
failures=0

# fail TEXT [DETAIL]: counts a check that failed.
fail() {
    checks=$((checks + 1))
    failures=$((failures + 1))
    printf 'not ok - %s\n' "$1"
    if (($# > 1)); then
        printf '%s\n' "$2" | sed 's/^/    /'
    fi
}

pass() {
    checks=$((checks + 1))
    printf 'ok - %s\n' "$1"
}

# equal TEXT EXPECTED ACTUAL
equal() {
    if [[ $2 == "$3" ]]; then
        pass "$1"
    else
        fail "$1" "expected: $2"$'\n'"came:     $3"
    fi
}

# contains TEXT PART ACTUAL
contains() {
    if [[ $3 == *"$2"* ]]; then
        pass "$1"
    else
        fail "$1" "expected in it: $2"$'\n'"came: $3"
    fi
}

# capture COMMAND...: its standard output in $out, its standard error in $err, its exit status in $status.
capture() {
    status=0
    "$@" >"$work_folder/.out" 2>"$work_folder/.err" || status=$?
    out=$(tr -d '\0' <"$work_folder/.out")
    err=$(<"$work_folder/.err")
}

# logged PATTERN [FILE [TEXT]]: waits until a log, node-1.log where none is named, has such a line.
logged() {
    local tries=1200 log=${2:-node-1.log} text=${3:-the log has a line \"$1\"} # of 50 ms
    until grep -q -- "$1" "$log"; do
        if ((tries-- == 0)); then
            fail "$text" "$(<"$log")"
            return
        fi
        sleep 0.05
    done
    pass "$text"
}

# ---- the symwave command of $bin ----

symwave() {
    capture "$bin/symwave" "$@"
}

# reports TEXT EXPECTED FILTER: what jq's filter makes of the last command's JSON.
reports() {
    equal "$1" "$2" "$(jq -r "$3" <<<"$out" 2>&1)"
}

# one_line TEXT STATUS PART: the last command ended with this status and one line on standard error that has this part.
one_line() {
    equal "$1: exit status" "$2" "$status"
    equal "$1: one line" 1 "$(wc -l <<<"$err")"
    contains "$1: what it says" "$3" "$err"
}

end_checks() {
    printf '%d checks, %d failed\n' "$checks" "$failures"
    ((failures == 0))
}
