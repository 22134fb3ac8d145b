#!/usr/bin/env bash
# How fast one thread of the RaptorQ codec is beside the crate raptorq: builds both, prints a table with their ratios.
#
#     integration/bench/raptorq.sh [ROUNDS]
#
# MB of source a second of a source block of K symbols of T bytes, from the beginning to the end, plans made anew each
# time: "encode" makes a tenth more symbols; "decode" brings back a lost tenth. Each measures itself for 0.3 s a case
# and a round; a case's two follow each other at once, so that what disturbs the machine disturbs both alike. Medians
# are over the rounds, ratios are of medians.
#
# The interfaces differ, and the crate's costs it something: it copies the source into symbols of its own, and returns
# the whole object where ours fills in what was lost.
#
# The crate shows "-" where there is no cargo, and where a case fails, takes more than 100 s or more memory than there
# is. BUILD names a build folder other than build/release.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

ks=(16 101 1000 4096 16384)
symbol_sizes=(65528 1280)
case_seconds=100
memory_gib_max=24
build=${BUILD:-$root/build/release}
rounds=${1:-5}
peer=

[[ $# -le 1 && $rounds =~ ^[1-9][0-9]?$ ]] || die "usage: ${0##*/} [ROUNDS], 1 to 99"

build_both() {
    if [[ ! -f $build/CMakeCache.txt ]]; then
        cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
    fi
    cmake --build "$build" --target bench_raptorq >/dev/null
    peer=$("$root/integration/interop/build_peer.sh") || (($? == 77)) || exit 1
}

# What memory a case may have: what is free, short of a GiB that is left to others.
find_memory() {
    memory_kib=$(awk -v max="$memory_gib_max" '/^MemAvailable:/ { free = $2 - 1048576; max *= 1048576
        printf "%d", free < max ? free : max }' /proc/meminfo)
}

print_head() {
    local compiler rust=none cargo=$PATH:${HOME:-}/.cargo/bin
    compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
    if [[ -n $peer ]]; then
        rust="raptorq $(sed -n 's/^raptorq = "=\(.*\)"/\1/p' "$root/integration/interop/Cargo.toml")"
        rust+=", $(PATH=$cargo rustc --version)"
    fi
    printf 'machine   %s, %s processors\n' \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)"
    printf 'ours      %s, by %s\n' "$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)" \
        "$("$compiler" --version | head -n 1)"
    printf 'crate     %s; at most %d s and %d GiB a case\n' "$rust" "$case_seconds" $((memory_kib / 1048576))
    printf 'command   integration/bench/raptorq.sh %s\n\n' "$rounds"
}

# measure_peer K T: its two figures, or why there are none.
measure_peer() {
    local case_name="K $1, T $2" status=0
    if [[ -z $peer || -n ${dropped[$case_name]:-} ]]; then
        return
    fi
    (ulimit -v "$memory_kib" && exec timeout "$case_seconds" "$peer" bench "$1" "$2") \
        >"$work_folder/figures" 2>"$work_folder/errors" || status=$?
    case $status in
    0) sed "s/^/$1 $2 crate /" "$work_folder/figures" >>"$work_folder/all" ;;
    124) dropped[$case_name]="more than $case_seconds s" ;;
    *) dropped[$case_name]="exit status $status: $(head -n 1 "$work_folder/errors")" ;;
    esac
}

# median K T WHO COLUMN: of what was measured; nothing where that is not there in all rounds.
median() {
    awk -v k="$1" -v t="$2" -v who="$3" -v column="$4" '$1 == k && $2 == t && $3 == who { print $column }' \
        "$work_folder/all" | sort -g | awk -v rounds="$rounds" '{ value[NR] = $1 }
        END { if (NR == rounds) print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}

print_row() {
    local column row=() ours theirs path
    path=$(awk -v k="$1" -v t="$2" '$1 == k && $2 == t && $3 == "ours" { print $6 }' "$work_folder/all" | head -n 1)
    for column in 4 5; do
        ours=$(median "$1" "$2" ours "$column")
        theirs=$(median "$1" "$2" crate "$column")
        row+=("$(printf '%.0f' "$ours")")
        if [[ -n $theirs ]]; then
            row+=("$(printf '%.0f' "$theirs")" "$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.1f", a / b }')")
        else
            row+=(- -)
        fi
    done
    printf '%6d %6d %-9s %8s %8s %6s %10s %8s %6s\n' "$1" "$2" "$path" "${row[@]}"
}

declare -A dropped=()
make_work_folder
build_both
find_memory
print_head
for ((round = 1; round <= rounds; round++)); do
    for t in "${symbol_sizes[@]}"; do
        for k in "${ks[@]}"; do
            "$build/bin/bench_raptorq" "$k" "$t" | sed "s/^/$k $t ours /" >>"$work_folder/all"
            measure_peer "$k" "$t"
        done
    done
done
printf '%6s %6s %-9s %8s %8s %6s %10s %8s %6s\n' K T path encode crate ratio decode crate ratio
for t in "${symbol_sizes[@]}"; do
    for k in "${ks[@]}"; do
        print_row "$k" "$t"
    done
done
for case_name in "${!dropped[@]}"; do
    printf '\nThe crate gave nothing for %s: %s\n' "$case_name" "${dropped[$case_name]}"
done
