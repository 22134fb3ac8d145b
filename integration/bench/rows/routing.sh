#!/usr/bin/env bash
# How long a key's 6 candidates take to find, of 50 to 1,000,000 nodes, beside a scan of all nodes.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../bench_lib.sh"

command_line routing "all" "bench_routing $rounds"
"$bin/bench_routing" "$rounds" >>"$samples"

for nodes in 50 1000 100000 1000000; do
    bound routing "$nodes nodes" sw_route_nearest allocations_per_key "<= 0"
    beside routing "$nodes nodes" scan ns_per_key "$nodes nodes" sw_route_nearest
done
bound routing "1000 nodes" sw_route_nearest ns_per_key "<= 1000"
bound routing "1000000 nodes" sw_route_nearest ns_per_key "<= 3000"
