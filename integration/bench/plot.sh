#!/usr/bin/env bash
# Draws what the row "scaling" measured: plot.sh [JSON [SVG]], build/bench.json and build/bench.svg where nothing is
# said. Two plots side by side: throughput by number of nodes, and by size of symbols.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

json=$(realpath -- "${1:-$root/build/bench.json}")
svg=$(realpath -- "${2:-$root/build/bench.svg}")
make_work_folder

# points WHAT EXPRESSION: the cases of a thing that an expression of jq keeps, by its result, with range.
points() {
    jq -r --arg what "$1" '.measured[] | select(.row == "scaling" and .what == $what)
        | (.case | capture("(?<nodes>[0-9]+) nodes, (?<kib>[0-9]+) KiB") | map_values(tonumber)) as $at
        | .figures.mb_per_s as $rate | '"$2"' | [., $rate.median, $rate.min, $rate.max] | @tsv' "$json" | sort -n
}

for what in symwave "raw TCP"; do
    points "$what" '$at | select(.kib == 64) | .nodes' >"$work_folder/$what.nodes"
    points "$what" '$at | select(.nodes == 8) | .kib' >"$work_folder/$what.kib"
done
[[ -s $work_folder/symwave.nodes ]] || die "$json has no row \"scaling\": integration/bench/run.sh scaling measures it"

cd -- "$work_folder"
gnuplot <<SCRIPT
set terminal svg size 960,400 font "sans-serif,13" background "#ffffff"
set output "$svg"
set multiplot layout 1,2
set logscale x 2
set yrange [0:*]
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set key bottom right
set ylabel "MB/s, verified, to disk"
set style line 1 lc rgb "#0b6e99" lw 2 pt 7 ps 0.7
set style line 2 lc rgb "#999999" lw 2 pt 5 ps 0.6
set title "64 KiB symbols"
set xlabel "nodes"
set xtics (1, 2, 4, 8, 16, 32, 50)
plot "symwave.nodes" with yerrorlines ls 1 title "symwave", "raw TCP.nodes" with yerrorlines ls 2 title "raw TCP, unchecked"
set title "8 nodes"
set xlabel "symbol, KiB"
set xtics (1, 4, 16, 64, 256)
plot "symwave.kib" with yerrorlines ls 1 title "symwave", "raw TCP.kib" with yerrorlines ls 2 title "raw TCP, unchecked"
unset multiplot
SCRIPT
echo "$svg"
