#!/usr/bin/env bash
# Two hours, or SECONDS, of mixed load on 12 nodes with random faults: soak.sh [SECONDS [PLOT.svg]]. What was put can be got at
# all times and at the end, nothing comes wrong, nothing hangs; memory, descriptors and latencies are plotted where there is
# gnuplot. SYMWAVE_SEED is what all that is random comes from. Needs a build of the preset "release", or SYMWAVE_BIN.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:-$root/build/release/bin}
seconds=${1:-7200} plot=${2:-$root/build/soak.svg}
seed=${SYMWAVE_SEED:-$(date +%s)}
[[ -x $bin/symwaved ]] || die "there are no programs in $bin"
command -v b3sum >/dev/null || die "there is no b3sum: integration/install.sh --faults installs it"
make_work_folder
echo "seed $seed, $seconds s on 12 nodes; $(nproc) processors, $(uname -sr)"
status=0
python3 "$root/integration/faults/soak.py" "$bin" "$work_folder" "$seconds" 12 "$seed" || status=$?

# Each node's memory and descriptors in the second quarter and in the last one: what grows shows.
awk -F '\t' -v seconds="$seconds" '
    { quarter = int($1 * 4 / seconds); if (quarter > 3) quarter = 3; memory[quarter] += $3; descriptors[quarter] += $4; n[quarter]++ }
    $3 > most { most = $3 }
    END {
        for (q = 0; q < 4; q++)
            if (n[q]) printf "quarter %d: a node has %.1f MiB and %.1f descriptors on average\n", q + 1, memory[q] / n[q] / 1024, descriptors[q] / n[q]
        printf "a node has %.1f MiB at most\n", most / 1024
    }' "$work_folder/nodes.tsv"
awk -F '\t' '{ print $3 > FOLDER "/" $2 ".latency" }' FOLDER="$work_folder" "$work_folder/clients.tsv"
for file in "$work_folder"/*.latency; do
    sort -g "$file" | awk -v name="$(basename "$file" .latency)" '
        { v[NR] = $1 }
        END { printf "%s: %d times, median %.0f ms, 99 %% %.0f ms, at most %.0f ms\n", name, NR, v[int((NR + 1) / 2)] * 1000, v[int(NR * 0.99 + 0.5)] * 1000, v[NR] * 1000 }'
done
if command -v gnuplot >/dev/null; then
    "$root/integration/faults/soak_plot.sh" "$work_folder" "$(realpath -- "$plot")"
fi
exit "$status"
