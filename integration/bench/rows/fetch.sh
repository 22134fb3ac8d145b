#!/usr/bin/env bash
# fetch: 64 KiB symbols from 1, 8 and 50 nodes to disk, beside the same bytes over as many raw TCP connections, beside
# nginx with aria2c and with curl, and beside a client of grpcio. Everything that is read is in the page cache, as far as
# the machine keeps it there. They all move the same symbols, but for aria2c: at its rate an eighth has to do.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../bench_lib.sh"

bytes=${BYTES:-4294967296}
read -ra node_counts <<<"${NODES:-1 8 50}"
row=fetch
piece_bytes=65536
aria2_bytes=$((bytes / 8 / piece_bytes * piece_bytes))
task=bench

make_work_folder
cd -- "$work_folder"
head -c "$bytes" /dev/urandom >file
mkdir pieces python
protoc --python_out=python --proto_path="$root/proto/symwave/v1" symbol_store.proto

# start_nginx PORTS: all pieces on each of so many ports of 127.0.0.1, from 18000 on.
start_nginx() {
    local i
    {
        echo "daemon off; pid nginx.pid; error_log nginx.log; worker_processes auto;"
        # Without root's rights the user directive is ignored, with them the workers must be let into the folder.
        echo "user $(id -un); events { worker_connections 2048; }"
        echo "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;"
        for i in client_body proxy fastcgi uwsgi scgi; do
            echo "${i}_temp_path temporary;"
        done
        for ((i = 0; i < $1; i++)); do
            echo "server { listen 127.0.0.1:$((18000 + i)); root $work_folder/pieces; }"
        done
        echo "}"
    } >nginx.conf
    nginx -p "$work_folder" -e nginx.log -c nginx.conf &
    nginx_pid=$!
    children+=("$nginx_pid")
    until curl -sf -o /dev/null "http://127.0.0.1:18000/$(head -n 1 keys)"; do
        kill -0 "$nginx_pid" || { cat nginx.log >&2; die "nginx did not start"; }
        sleep 0.1
    done
}

# timed BYTES NAME COMMAND...: runs it; its figures go into $figures.
timed() {
    local bytes=$1 log=$2.log
    shift 2
    /usr/bin/time -q -f "%e %U %S %M" -o time "$@" >"$log" 2>&1 || { tail -n 5 "$log" >&2; die "$1 failed"; }
    figures=$(awk -v bytes="$bytes" '{ printf "mb_per_s=%.1f client_cpu_s_per_gb=%.3f client_peak_mib=%.1f",
        bytes / $1 / 1e6, ($2 + $3) / bytes * 1e9, $4 / 1024 }' time)
}

fetch_to_files() {
    timed "$bytes" symwave "$bin/symwave" --nodes nodes.yaml fetch --task "$task" --keys keys --out fetched
    echo "$figures"
}

# A round of what has to do with gRPC and raw TCP.
measure_files() {
    fetch "symwave, one file" fetch_to_file
    rm out
    note "raw TCP, one file" "$(raw_to_file)"
    rm out
}

# Makes room for the next folder. The files stay, empty: ext4 makes new ones slowly, by the number of those that were
# deleted in the minutes before.
old=0
put_aside() {
    old=$((old + 1))
    mv fetched "old-$old"
    find "old-$old" -type f -exec truncate -s 0 {} +
}

# A round of what writes a file for each piece.
measure_folders() {
    fetch "symwave, a file each" fetch_to_files
    put_aside
    make_ready "$aria2_bytes"
    timed "$aria2_bytes" aria2c \
        aria2c -q -i aria2.urls -d fetched -j "$parallel" --file-allocation=none --summary-interval=0
    note "nginx and aria2c, a file each" "$figures"
    put_aside
    mkdir fetched
    make_ready "$bytes"
    timed "$bytes" curl curl -s --output-dir fetched --parallel --parallel-max "$parallel" -K curl.urls
    note "nginx and curl, a file each" "$figures"
    put_aside
}

measure_python() {
    make_ready "$bytes"
    note "grpcio client, one file, unchecked" \
        "$(PYTHONPATH=python /usr/bin/python3 "$bench/fetch_client.py" plan out "$piece_bytes")"
    compare_out
}

prepare() {
    if [[ -n $(ls pieces) ]]; then
        load_nodes "$count" file
    else
        load_nodes "$count" file pieces
    fi
    "$bin/bench_fetch" "$piece_bytes" plan nodes.yaml keys "$task" >plan
    awk -v n="$count" '{ printf "http://127.0.0.1:%d/%s\n", 18000 + NR % n, $1 }' keys >urls
    head -n "$((aria2_bytes / piece_bytes))" urls >aria2.urls
    awk '{ name = $1; sub(".*/", "", name); printf "url = \"%s\"\noutput = \"%s\"\n", $1, name }' urls >curl.urls
}

for count in "${node_counts[@]}"; do
    case="$count nodes"
    parallel=$((count < 16 ? 16 : count))
    prepare
    choose_raw
    start_nginx "$count"
    fetch_to_file >/dev/null # so that what it reads is in memory
    compare_out
    for ((round = 0; round < rounds; round++)); do
        measure_files
        measure_folders
        measure_python
    done
    kill "$nginx_pid"
    wait "$nginx_pid" || true
    forget_child "$nginx_pid"
    stop_nodes
    rm -rf node-*
done
command_line fetch symwave "bench_fetch $piece_bytes fetch nodes.yaml keys $task out"
command_line fetch "symwave, a file each" "symwave --nodes nodes.yaml fetch --task $task --keys keys --out fetched"
command_line fetch aria2c "aria2c -q -i urls -d fetched -j N --file-allocation=none, N: the nodes, at least 16"
command_line fetch curl "curl -s --output-dir fetched --parallel --parallel-max N -K urls"
command_line fetch "grpcio client" "fetch_client.py plan out $piece_bytes"

for count in "${node_counts[@]}"; do
    case="$count nodes"
    wanted=
    ((count == 8)) && wanted=">= 0.7"
    ((count == 50)) && wanted=">= 0.6"
    beside fetch "$case" "symwave, one file" mb_per_s "$case" "raw TCP, one file" "$wanted"
    for other in "nginx and aria2c, a file each" "nginx and curl, a file each"; do
        beside fetch "$case" "symwave, one file" mb_per_s "$case" "$other" ">= 3"
        beside fetch "$case" "symwave, a file each" mb_per_s "$case" "$other"
    done
    beside fetch "$case" "symwave, one file" mb_per_s "$case" "grpcio client, one file, unchecked" ">= 10"
    bound fetch "$case" "symwave, one file" client_cpu_s_per_gb "<= 0.7"
    bound fetch "$case" "symwave, one file" client_peak_mib "<= 64"
    bound fetch "$case" "symwave, a file each" client_peak_mib "<= 64"
done
beside fetch "50 nodes" "symwave, one file" mb_per_s "8 nodes" "symwave, one file" ">= 0.8"
