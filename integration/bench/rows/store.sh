#!/usr/bin/env bash
# The row "store": values of 64 KiB from memory to durable on nodes, through the SDK, beside the database's own bulk
# write with the same sync policy and beside a copy to disk with fsync.
#
# BYTES, 4 GiB, are what is written in each case, by all nodes together: on one node a value has one replica, on 8 and
# on 50 it has six.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../bench_lib.sh"

bytes=${BYTES:-4294967296}
value_bytes=65536

make_work_folder

# Symwave's figures are printed by the program.
store_on() {
    TMPDIR=$work_folder "$bin/bench_store" "$1" "$bytes" >>"$samples"
}

# As server/store_rocksdb.c sets the database up.
db_bench_options=(
    --benchmarks=fillrandom --key_size=32 --value_size=$value_bytes --num=$((bytes / value_bytes))
    --batch_size=64 --sync=1
    --compression_type=none --enable_blob_files=1 --min_blob_size=4096 --blob_compression_type=none
    --write_buffer_size=67108864 --max_write_buffer_number=3 --max_total_wal_size=268435456
    --max_background_jobs=3 --bytes_per_sync=4194304 --wal_bytes_per_sync=4194304 --cache_size=67108864
    --cache_index_and_filter_blocks=1 --bloom_bits=10
)

# Its line says: fillrandom : MICROS micros/op OPS ops/sec SECONDS seconds OPERATIONS operations; MB_PER_S MB/s.
write_database() {
    local cpu_before cpu_after seconds
    cpu_before=$(children_cpu)
    db_bench "${db_bench_options[@]}" --db="$work_folder/database" >"$work_folder/db_bench.txt" 2>&1
    cpu_after=$(children_cpu)
    rm -rf -- "$work_folder/database"
    seconds=$(sed -n 's/^fillrandom .* \([0-9.]*\) seconds .*/\1/p' "$work_folder/db_bench.txt")
    [[ -n $seconds ]] || die "db_bench did not say how long it took"
    sample store database db_bench "mb_per_s=$(jq -n "$bytes / 1e6 / $seconds")" \
        "cpu_s_per_gb=$(jq -n "($cpu_after - $cpu_before) / ($bytes / 1e9)")"
}

copy_to_disk() {
    local start end
    start=$(date +%s.%N)
    dd if=/dev/zero of="$work_folder/copy" bs=1M count=$((bytes / 1048576)) conv=fsync status=none
    end=$(date +%s.%N)
    rm -f -- "$work_folder/copy"
    sample store file dd "mb_per_s=$(jq -n "$bytes / 1e6 / ($end - $start)")"
}

# CPU seconds of this script's children that have ended.
children_cpu() {
    sed 's/.*) //' "/proc/$$/stat" | awk -v hz="$(getconf CLK_TCK)" '{ printf "%.2f", ($14 + $15) / hz }'
}

command_line store symwave "bench_store NODES $bytes: sw_store_stream of values of 64 KiB in memory; mb_per_s counts what all nodes write"
command_line store db_bench "db_bench ${db_bench_options[*]}"
command_line store dd "dd if=/dev/zero bs=1M conv=fsync, as many bytes"
for ((round = 0; round < rounds; round++)); do
    for nodes in 1 8 50; do
        sync
        store_on "$nodes"
    done
    sync
    write_database
    sync
    copy_to_disk
done
for nodes in "1 node" "8 nodes" "50 nodes"; do
    beside store "$nodes" symwave mb_per_s database db_bench ">= 0.7"
    beside store "$nodes" symwave mb_per_s file dd
done
