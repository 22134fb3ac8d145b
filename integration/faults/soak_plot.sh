#!/usr/bin/env bash
# Plots what soak.sh has measured: soak_plot.sh FOLDER PLOT.svg. FOLDER has nodes.tsv (second, node, KiB, descriptors) and
# clients.tsv (second, what, seconds that it took).
set -euo pipefail
folder=$1 plot=$2
cd -- "$folder"

# Of each minute: the least, the mean and the most of all nodes.
awk -F '\t' '
    { minute = int($1 / 60); n[minute]++; memory[minute] += $3; descriptors[minute] += $4
      if (!(minute in least) || $3 < least[minute]) least[minute] = $3
      if ($3 > most[minute]) most[minute] = $3
      if (!(minute in fewest) || $4 < fewest[minute]) fewest[minute] = $4
      if ($4 > greatest[minute]) greatest[minute] = $4 }
    END { for (m in n) print m, least[m] / 1024, memory[m] / n[m] / 1024, most[m] / 1024, fewest[m], descriptors[m] / n[m], greatest[m] }' \
    nodes.tsv | sort -n >nodes.minutes
# Of every five minutes: the median and the 99th percentile of each kind.
sort -t $'\t' -k 3,3g clients.tsv | awk -F '\t' '
    { bin = int($1 / 300) * 5 "\t" $2; v[bin, ++n[bin]] = $3 }
    END { for (b in n) print b "\t" v[b, int((n[b] + 1) / 2)] "\t" v[b, int(n[b] * 0.99 + 0.5)] }' | sort -n >clients.minutes

gnuplot <<GNUPLOT
set terminal svg size 900,900 font "sans,12" background "white"
set output "$plot"
set multiplot layout 3,1
set xlabel "minutes"
set xrange [0:*]
set yrange [0:*]
set key outside right
set ylabel "memory of a node, MiB"
plot "nodes.minutes" using 1:4 with lines title "most of 12", "" using 1:3 with lines title "mean", "" using 1:2 with lines title "least"
set ylabel "descriptors of a node"
plot "nodes.minutes" using 1:7 with lines title "most of 12", "" using 1:6 with lines title "mean", "" using 1:5 with lines title "least"
set ylabel "seconds: median, and 99 % dashed"
set logscale y
set yrange [0.01:100]
set datafile separator "\t"
kinds = "'fetch of 20 keys' 'get of 200 kB' 'get of 8000 kB' 'put'"
plot for [i=1:4] "<grep \"".word(kinds, i)."\" clients.minutes" using 1:3 with lines lc i title word(kinds, i), \
    for [i=1:4] "<grep \"".word(kinds, i)."\" clients.minutes" using 1:4 with lines lc i dashtype 2 notitle
GNUPLOT
echo "plotted: $plot"
