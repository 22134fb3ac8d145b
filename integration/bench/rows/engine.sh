#!/usr/bin/env bash
# What the wave engine costs a symbol, of 10,000 and of 1,000,000 keys, all and 17 % of them required, and as fast as on
# loopback, where nobody waits. Flat: what a symbol costs must not grow with the number of keys. Beyond the window, of
# 12,000 keys, nodes that are through take keys from others all the time, which 10,000 keys know only at the end: so all
# of 1,000,000 stand beside 100,000 too.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../bench_lib.sh"

command_line engine "all" "bench_engine $rounds"
"$bin/bench_engine" "$rounds" >>"$samples"

for kind in "all" "17 %" "loopback"; do
    for keys in 10000 1000000; do
        bound engine "$keys keys, $kind" engine ns_per_symbol "<= 2000"
        bound engine "$keys keys, $kind" engine allocations_per_symbol "<= 0"
        beside engine "$keys keys, $kind" engine ns_per_symbol "a symbol of 65536 bytes" sw_blake3
    done
    beside engine "1000000 keys, $kind" engine ns_per_symbol "10000 keys, $kind" engine "<= 1.25"
done
beside engine "1000000 keys, all" engine ns_per_symbol "100000 keys, all" engine "<= 1.25"
