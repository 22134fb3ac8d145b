#!/usr/bin/env bash
# The fault matrix: everything that can go wrong with nodes, networks, disks, clocks and peers, each as a scenario with real
# symwaved processes and the real SDK and command. Prints what each expected, what was seen, and how long it took.
#
#   run.sh                  all scenarios
#   run.sh --fast           those of a few seconds each, as the tests run them
#   run.sh --list           their names, and what each expects
#   run.sh NAME...          just these; a name may have * and ?
#
#   --jobs=N                so many at a time; default: as many as there are processors
#   --seed=N                what is random comes from it; default: the time
#
# Needs a build of the preset "release", or SYMWAVE_BIN, the folder of the programs. Exit status: 0 where all that could be
# tried here held, 77 where nothing could be tried.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
source "$here/../lib.sh"
bin=${SYMWAVE_BIN:-$root/build/release/bin}
[[ -x $bin/symwaved && -x $bin/fault_calls ]] ||
    die "there are no programs in $bin: run cmake --preset release && cmake --build --preset release, or set SYMWAVE_BIN"
export SYMWAVE_BIN=$bin

names=()
declare -A pace title expected
# scenario NAME fast|slow TITLE EXPECTED: registers the function of this name.
scenario() {
    names+=("$1")
    pace[$1]=$2 title[$1]=$3 expected[$1]=$4
}
source "$here/world.sh"
for part in network nodes peers disk crashes processes clock names files conformance; do
    source "$here/scenarios_$part.sh"
done

# ---- one scenario, in a process of its own ----

if [[ ${1:-} == --one ]]; then
    make_work_folder
    cd -- "$work_folder"
    "$2"
    end_checks
    exit
fi

# ---- all ----

jobs=$(nproc) seed=${SYMWAVE_SEED:-$(date +%s)} only_fast= list= wanted=()
for argument in "$@"; do
    case $argument in
    --fast) only_fast=yes ;;
    --list) list=yes ;;
    --jobs=*) jobs=${argument#*=} ;;
    --seed=*) seed=${argument#*=} ;;
    --help | -h) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;;
    -*) die "there is no option $argument: see --help" ;;
    *) wanted+=("$argument") ;;
    esac
done
export SYMWAVE_SEED=$seed

is_wanted() {
    local pattern
    [[ -z $only_fast || ${pace[$1]} == fast ]] || return 1
    ((${#wanted[@]} == 0)) && return
    for pattern in "${wanted[@]}"; do
        # shellcheck disable=SC2053
        [[ $1 == $pattern ]] && return
    done
    return 1
}

run_names=()
for name in "${names[@]}"; do
    is_wanted "$name" && run_names+=("$name")
done
((${#run_names[@]} > 0)) || die "there is no such scenario: see --list"
if [[ -n $list ]]; then
    for name in "${run_names[@]}"; do
        printf '%-26s %-5s %s: %s\n' "$name" "${pace[$name]}" "${title[$name]}" "${expected[$name]}"
    done
    exit
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/symwave-faults-XXXXXX")
trap 'rm -rf -- "$folder"' EXIT
export SYMWAVE_FAULTS_FOLDER=$folder
world=$folder/world
echo "seed $seed (--seed); ${#run_names[@]} scenarios"
make_stored_cluster
# try NAME: its block of the report, in $folder/NAME.told; the exit status is the scenario's.
try() {
    local name=$1 begin status=0 seconds seen
    begin=$(date +%s%N)
    # What is still not over by then hangs, which no scenario may.
    SYMWAVE_SEEN=$folder/$name.seen timeout -k 20 "${SYMWAVE_FAULT_LIMIT:-600}" "$0" --one "$name" >"$folder/$name.log" 2>&1 ||
        status=$?
    seconds=$(awk -v ns="$(($(date +%s%N) - begin))" 'BEGIN { printf "%.1f", ns / 1e9 }')
    seen=$(sed ':a;N;$!ba;s/\n/; /g' "$folder/$name.seen" 2>/dev/null || true)
    ((status != 124)) || echo "it hangs" >>"$folder/$name.log"
    {
        printf '%s\n  what      %s\n  expected  %s\n' "$name" "${title[$name]}" "${expected[$name]}"
        case $status in
        0) printf '  seen      %s\n  seconds   %s\n' "${seen:-all of it}" "$seconds" ;;
        77) printf '  seen      not tried: %s\n' "$(tail -n 1 "$folder/$name.log")" ;;
        *)
            printf '  seen      BROKEN (%s)\n  seconds   %s\n' "${seen:-status $status}" "$seconds"
            sed 's/^/    | /' "$folder/$name.log"
            ;;
        esac
    } >"$folder/$name.told"
    return "$status"
}

held=0 broken=() left_out=()
declare -A running=()
# Waits for one of those that run, and prints what it came to.
end_one() {
    local pid status=0
    wait -n -p pid "${!running[@]}" || status=$?
    cat "$folder/${running[$pid]}.told"
    case $status in
    0) held=$((held + 1)) ;;
    77) left_out+=("${running[$pid]}") ;;
    *) broken+=("${running[$pid]}") ;;
    esac
    unset "running[$pid]"
}
for name in "${run_names[@]}"; do
    ((${#running[@]} < jobs)) || end_one
    try "$name" &
    running[$!]=$name
done
while ((${#running[@]} > 0)); do
    end_one
done
if ((${#left_out[@]} > 0)); then
    echo "not tried here: ${left_out[*]}"
fi
echo "$held scenarios held, ${#broken[@]} broken${broken[*]:+: ${broken[*]}}"
((${#broken[@]} == 0)) || exit 1
((held > 0)) || exit 77
