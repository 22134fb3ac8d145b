# For run.sh and its rows: how figures are written down, and what stands above a table.
# shellcheck shell=bash
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

bench=$root/integration/bench
bin=${SYMWAVE_BIN:-$root/build/release/bin}
rounds=${ROUNDS:-5}
samples=${BENCH_SAMPLES:-/dev/stdout}

# sample ROW CASE WHAT FIGURE=NUMBER...: one measurement of one of the things that a row compares. A figure's name ends
# with its unit. Programs print such lines themselves:
#
#   {"row":"fetch","case":"8 nodes","what":"symwave","figures":{"mb_per_s":1234.5}}
sample() {
    local row=$1 case=$2 what=$3
    shift 3
    jq -cn --arg row "$row" --arg case "$case" --arg what "$what" \
        '{row: $row, case: $case, what: $what,
          figures: ($ARGS.positional | map(split("=") | {(.[0]): (.[1] | tonumber)}) | add)}' --args "$@" >>"$samples"
}

# beside ROW CASE WHAT FIGURE CASE WHAT [BOUND]: what a figure's median is divided by: the same figure of another thing
# that was measured in the same run. BOUND, as ">= 0.7", is where the ratio should end.
beside() {
    jq -cn --arg row "$1" --arg case "$2" --arg what "$3" --arg figure "$4" --arg case2 "$5" --arg what2 "$6" \
        --arg bound "${7:-}" '{row: $row, case: $case, what: $what, figure: $figure,
          beside: {case: $case2, what: $what2}, bound: $bound}' >>"$samples"
}

# bound ROW CASE WHAT FIGURE BOUND: where a figure's median itself should end, as "<= 64".
bound() {
    jq -cn --arg row "$1" --arg case "$2" --arg what "$3" --arg figure "$4" --arg bound "$5" \
        '{row: $row, case: $case, what: $what, figure: $figure, bound: $bound}' >>"$samples"
}

# command_line ROW WHAT TEXT: how that was run.
command_line() {
    jq -cn --arg row "$1" --arg what "$2" --arg text "$3" '{row: $row, what: $what, command: $text}' >>"$samples"
}

version_of() {
    dpkg-query -W -f='${Version}' "$1" 2>/dev/null || echo none
}

# CPU seconds, user and system, of processes that run: cpu_of PID...
cpu_of() {
    local pid ticks=0
    for pid in "$@"; do
        ticks=$((ticks + $(sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }')))
    done
    awk -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f", ticks / hz }'
}

# The most memory that any of some processes has had, MiB: peak_of PID...
peak_of() {
    local pid
    for pid in "$@"; do
        awk '/^VmHWM:/ { print $2 / 1024 }' "/proc/$pid/status"
    done | sort -g | tail -n 1
}

# Forgets those peaks.
reset_peaks() {
    local pid
    for pid in "$@"; do
        echo 5 >"/proc/$pid/clear_refs"
    done
}

# ---- nodes and what is fetched from them; for the rows that have a work folder ----

# start_nodes COUNT: nodes in nodes.yaml, on the data that there is of them; their process ids go into $pids.
start_nodes() {
    local i id address
    pids=()
    for ((i = 0; i < $1; i++)); do
        id=node-$(printf %04d "$i")
        address=$(sed -n "s/^  address: //p" nodes.yaml | sed -n "$((i + 1))p")
        start_node "$id" "${address:-127.0.0.1:0}"
        pids+=("$node_pid")
        [[ -n $address ]] || printf -- '- id: %s\n  address: %s\n' "$id" "$node_address" >>nodes.yaml
    done
}

stop_nodes() {
    local pid
    kill "${pids[@]}"
    for pid in "${pids[@]}"; do
        wait "$pid"
        forget_child "$pid"
    done
}

# load_nodes COUNT FILE [FOLDER]: COUNT nodes with the pieces of a file; started anew, so that none reads from memory what
# another reads from its files.
load_nodes() {
    local count=$1
    shift
    echo "nodes:" >nodes.yaml
    start_nodes "$count"
    "$bin/bench_fetch" "$piece_bytes" load nodes.yaml "$1" keys "${@:2}"
    stop_nodes
    start_nodes "$count"
    sync
}

# make_ready BYTES, before everything that writes so many: it finds pages that are there, whatever was before it.
make_ready() {
    "$bin/bench_memory" "$(($1 + $1 / 8))"
}

# note WHAT FIGURES: a sample of the case that is measured.
note() {
    local list
    read -ra list <<<"$2"
    ((${#list[@]} > 0)) || die "$case, $1: no figures"
    printf '%s, %s: %s\n' "$case" "$1" "$2" >&2
    sample "$row" "$case" "$1" "${list[@]}"
}

# Symwave's figures and its nodes' CPU and memory.
fetch() {
    local before after what=$1 list
    shift
    make_ready "$bytes"
    before=$(cpu_of "${pids[@]}")
    reset_peaks "${pids[@]}"
    list=$("$@")
    after=$(cpu_of "${pids[@]}")
    note "$what" "$list $(awk -v a="$after" -v b="$before" -v bytes="$bytes" \
        'BEGIN { printf "server_cpu_s_per_gb=%.3f", (a - b) / bytes * 1e9 }') server_peak_mib=$(peak_of "${pids[@]}")"
}

fetch_to_file() {
    "$bin/bench_fetch" "$piece_bytes" fetch nodes.yaml keys "$task" out
}

compare_out() {
    cmp file out || die "what came is not what was stored"
    rm out
}

raw_to_file() {
    make_ready "$bytes"
    "$bin/bench_raw" file out "$count" "$raw_threads" "$raw_way"
}

# Raw TCP in the way that is the fastest here: it is measured first.
choose_raw() {
    local way threads speed best=0
    for way in pwrite splice; do
        for threads in 1 2; do
            ((threads <= count)) || continue
            make_ready "$bytes"
            speed=$("$bin/bench_raw" file out "$count" "$threads" "$way" | sed 's/mb_per_s=\([0-9]*\).*/\1/')
            printf '%s, raw TCP by %s, %s threads: %s MB/s\n' "$case" "$way" "$threads" "$speed" >&2
            if ((speed > best)); then
                best=$speed raw_way=$way raw_threads=$threads
            fi
        done
    done
    compare_out
    command_line "$row" "$case, raw TCP" "bench_raw file out $count $raw_threads $raw_way"
}
