#!/usr/bin/env bash
# kill -9 of a node in the middle of stores, at random moments, again and again on the same data: 10 times, or
# SYMWAVE_CRASHES. After each restart every symbol that any client was told is stored is there, and whole. Needs
# SYMWAVE_BIN, the folder of the programs.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
crashes=${SYMWAVE_CRASHES:-10}
seed=${SYMWAVE_SEED:-$RANDOM}
RANDOM=$seed
echo "seed $seed, $crashes crashes (SYMWAVE_SEED, SYMWAVE_CRASHES)"

make_work_folder
cd -- "$work_folder"
: >keys
start_node node-1 127.0.0.1:0
slowest=0
for ((crash = 0; crash < crashes; crash++)); do
    printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml
    for client in 1 2 3; do
        "$bin/crash_stores" nodes.yaml "$((seed * 1000003 + crash * 10 + client))" "keys-$client" &
        clients[client]=$!
        children+=("$!")
    done
    # Most crashes soon, in the first writes; some after the first flush of a memtable.
    milliseconds=$((crash % 5 == 0 ? RANDOM % 3000 : RANDOM % 400))
    sleep "$(printf '%d.%03d' $((milliseconds / 1000)) $((milliseconds % 1000)))"
    kill_node "$node_pid"
    for client in 1 2 3; do
        wait "${clients[client]}" || true
        forget_child "${clients[client]}"
    done
    before=$(date +%s%N)
    start_node node-1 127.0.0.1:0
    took=$((($(date +%s%N) - before) / 1000000))
    slowest=$((took > slowest ? took : slowest))
    printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml
    # Those of the last round; all of them at the end.
    cat keys-1 keys-2 keys-3 2>/dev/null >>keys || true
    cat keys-1 keys-2 keys-3 2>/dev/null >latest || true
    rm -f keys-1 keys-2 keys-3
    if [[ -s latest ]]; then
        symwave --nodes nodes.yaml fetch --task t --keys latest --out fetched
        equal "crash $((crash + 1)), after $milliseconds ms: all of $(wc -l <latest) symbols are there" "0 $(sort -u latest | wc -l)" \
            "$status $(find fetched -type f | wc -l)"
        rm -rf fetched
    fi
done
[[ $(wc -l <keys) -gt 0 ]] && pass "symbols were stored: $(wc -l <keys)" || fail "symbols were stored"
symwave --nodes nodes.yaml --json fetch --task t --keys keys --out all
equal "all of all rounds are there" "0 $(sort -u keys | wc -l)" "$status $(find all -type f | wc -l)"
reports "none of them is damaged" 0 '[.nodes[].corrupt] | add'
echo "the slowest restart took $slowest ms"
end_checks
