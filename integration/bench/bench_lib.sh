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

# Bytes of a file system's cache that are not on disk yet disturb what comes next.
settle() {
    sync
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
