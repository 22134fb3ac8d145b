# For run.sh: disks that are full, fail, or have changed what was written.
# shellcheck shell=bash
# shellcheck disable=SC2154

# small_disk FOLDER SIZE: a file system of its own, which goes with the scenario.
small_disk() {
    mkdir "$1"
    mount -t tmpfs -o "size=$2" symwave-faults "$1" 2>/dev/null || skip "a file system may not be mounted here"
    mounted+=("$PWD/$1")
    trap unmount_disks EXIT
}
mounted=()
unmount_disks() {
    local status=$? disk child
    for child in "${children[@]}"; do
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    cd /
    for disk in "${mounted[@]}"; do
        umount "$disk" || true
    done
    (exit "$status")
    clean_up
}

scenario flipped_in_blobs fast "40 bits are flipped in the blob files of two of six nodes" \
    "all symbols, each right; the nodes say which are damaged"
flipped_in_blobs() {
    local index at file bytes corrupt
    cluster
    for index in 1 2; do
        kill -TERM "${pids[index]}"
        wait "${pids[index]}" || true
        forget_child "${pids[index]}"
        "$bin/symwaved" compact --data "node-$index" >compacted 2>&1 || { cat compacted; fail "the node is compacted"; }
        file=$(ls -S "node-$index"/*.blob | head -n 1)
        bytes=$(stat -c %s "$file")
        for ((at = 1; at <= 40; at++)); do
            flip "$file" $((bytes * at / 41))
        done
        start_cluster_node "$index" 127.0.0.1:0
    done
    write_nodes
    fetch_all
    all_came
    corrupt=$(report '[.nodes[].corrupt, .nodes[].missing] | add')
    for index in 1 2; do
        "$bin/symwaved" scrub --data "node-$index" --json >scrubbed 2>scrub.err || true
        equal "node-$index finds what is damaged" true "$(jq '.damaged >= 30' scrubbed 2>/dev/null || cat scrub.err)"
        seen "node-$index: $(jq -r .damaged scrubbed) damaged"
    done
    rm -rf out
    fetch_all
    all_came "after the scrub, a fetch ends well"
    seen "$corrupt keys were not to be had at their first node"
}

scenario flipped_in_log fast "a bit is flipped in the middle of a node's log (WAL), and it is started" \
    "it loses what the bit is in and nothing else, and says so; what it gives is right"
flipped_in_log() {
    local file
    cp -r "$world/values" "$world/keys" .
    start_node node-1 127.0.0.1:0
    list_of node-1 >nodes.yaml
    symwave --nodes nodes.yaml store values/*
    equal "all is stored" 0 "$status"
    kill_node "$node_pid"
    file=$(ls -S node-1/*.log | head -n 1)
    flip "$file" $(($(stat -c %s "$file") / 2))
    start_node node-1 127.0.0.1:0
    list_of node-1 >nodes.yaml
    contains "it says so" "the store's log is damaged" "$(<node-1.log)"
    fetch_all
    no_wrong_bytes
    [[ $(find out -type f | wc -l) -ge $((stored_symbols * 9 / 10)) ]] && pass "what came later is still there" ||
        fail "what came later is still there" "$(find out -type f | wc -l) of $stored_symbols"
    seen "$(find out -type f | wc -l) of $stored_symbols are still there; $(grep -o ' bytes=[0-9]*' node-1.log | head -n 1) left out"
}

# half_got: a get that was killed in the middle.
half_got() {
    file_node --store-fault rate=10000000
    "$bin/symwave" --nodes nodes.yaml get layout.json --out got >.out 2>.err &
    fetch_pid=$!
    children+=("$fetch_pid")
    wait_for_journal 40
    kill_node "$fetch_pid"
}

# Waits until the journal has that many symbols; each takes some bytes.
wait_for_journal() {
    local tries=1200
    until (($(stat -c %s got.part.journal 2>/dev/null || echo 0) >= $1 * 40)); do
        ((tries-- > 0)) || die "the journal does not grow"
        sleep 0.02
    done
}

scenario flipped_in_journal fast "a get is killed, and bits of its journal are flipped" "the next get brings the right file"
flipped_in_journal() {
    local at bytes
    half_got
    bytes=$(stat -c %s got.part.journal)
    for at in 3 5 7; do
        flip got.part.journal $((bytes * at / 10))
    done
    get_file
    got_file
    seen "of $(report .source_symbols) symbols $(report .kept) were kept, $(report .taken) came"
}

scenario flipped_in_partial_output fast "a get is killed, and bits of its partial output are flipped" \
    "the next get fetches those again, and brings the right file"
flipped_in_partial_output() {
    local at
    half_got
    for at in $(seq 1 40); do
        flip got.part $((file_bytes * at / 41))
    done
    get_file
    got_file
    seen "of $(report .source_symbols) symbols $(report .kept) were kept, $(report .dropped) found damaged, $(report .taken) came"
}

scenario client_disk_full fast "the disk is full in the middle of a fetch, and of a get; then there is space" \
    "exit status 3 and an error that says so; then the rest comes"
client_disk_full() {
    cluster
    file_node
    small_disk disk 6m
    write_nodes
    symwave --nodes nodes.yaml --json fetch --task faults --keys keys --out disk/out --deadline 60
    one_line "the fetch fails" 3 "No space left on device"
    mv nodes.yaml cluster.yaml
    list_of file-1 >nodes.yaml
    rm -rf disk/out
    capture "$bin/symwave" --nodes nodes.yaml --json get layout.json --out disk/got
    one_line "the get fails" 3 "free some space"
    equal "no file is there" "" "$(ls disk/got 2>/dev/null || true)"
    seen "$err"
    mount -o remount,size=64m disk
    capture "$bin/symwave" --nodes nodes.yaml --json get layout.json --out disk/got
    equal "with space the get ends well" 0 "$status"
    equal "the file is right" "" "$(cmp disk/got file 2>&1)"
    mv cluster.yaml nodes.yaml
    mkdir out
    fetch_all
    all_came
}

scenario client_read_only fast "the disk is read-only" "exit status 3 and an error that names the file, before anything is fetched"
client_read_only() {
    file_node
    small_disk disk 64m
    mount -o remount,ro disk
    capture "$bin/symwave" --nodes nodes.yaml --json get layout.json --out disk/got
    one_line "the get fails" 3 "Read-only file system"
    seen "$err"
}

scenario client_disk_fails fast "writing, syncing or renaming fails (EIO), at each of 40 moments of a get" \
    "exit status 3 and an error that says so, each time; no file under its name; the next get brings it"
client_disk_fails() {
    local at total step errors=0 text
    file_node
    faulty "$PWD" kill AT=0 LOG="$PWD/.log" -- "$bin/symwave" --nodes nodes.yaml get layout.json --out got >/dev/null
    total=$(($(wc -l <.log) - 1)) # the last one takes the journal away, when all is done
    rm got
    step=$(((total + 39) / 40))
    for ((at = 1; at <= total; at += step)); do
        rm -f got got.part*
        capture faulty "$PWD" eio AT="$at" -- "$bin/symwave" --nodes nodes.yaml get layout.json --out got
        if ((status != 3)) || [[ $err != *"Input/output error"* || -e got ]]; then
            fail "operation $at of $total: exit status 3 and an error" "$status $err"
        else
            errors=$((errors + 1)) text=$err
        fi
    done
    get_file
    got_file
    seen "$errors errors of $(((total + step - 1) / step)) tries, such as: $text"
}

scenario server_disk_full slow "a node's disk is full while clients store; then there is space" \
    "stores are refused with the reason, reads go on, nothing acknowledged is lost, kill -9 included"
server_disk_full() {
    SYMWAVE_BIN=$bin "$root/integration/test/test_disk_full.sh" >log 2>&1 || status=$?
    [[ ${status:-0} != 77 ]] || skip "$(<log)"
    equal "it holds" "0" "${status:-0}"
    ((${status:-0} == 0)) || cat log
    seen "$(tail -n 1 log)"
}

scenario server_disk_fails fast "writing and syncing fail (EIO) at a node while clients store, at 5 moments, and it is killed" \
    "stores fail with the reason; after each restart what was acknowledged is there"
server_disk_fails() {
    local at
    mkdir node-1
    : >keys
    for at in 30 60 120 240 480; do
        SYMWAVE_FAULT_UNDER=$PWD/node-1 SYMWAVE_FAULT_DO=eio SYMWAVE_FAULT_ON=write,sync SYMWAVE_FAULT_AT=$at \
            LD_PRELOAD=$fault_library start_node node-1 127.0.0.1:0
        list_of node-1 >nodes.yaml
        timeout 60 "$bin/crash_stores" nodes.yaml "$((seed + at))" keys || fail "the client ends by itself" "$?"
        kill -0 "$node_pid" 2>/dev/null && pass "the node runs on" || fail "the node runs on" "$(tail node-1.log)"
        kill_node "$node_pid"
        start_node node-1 127.0.0.1:0
        list_of node-1 >nodes.yaml
        rm -rf out
        if [[ -s keys ]]; then
            symwave --nodes nodes.yaml --json fetch --keys keys --out out
            equal "after failures from operation $at on, all that was acknowledged is there" \
                "0 $(sort -u keys | wc -l)" "$status $(find out -type f | wc -l)"
        fi
        kill_node "$node_pid"
    done
    [[ -s keys ]] && pass "something was acknowledged" || fail "something was acknowledged"
    seen "$(sort -u keys | wc -l) symbols acknowledged, all there"
}

# deletes_until_one_fails WHAT TIMES: at a node that holds piece-*, whose keys and names are in keys and names; its disk then
# fails in this way, so many times. Into $deleted, how many were, and $why; in left are the keys that must be there, and in
# left_names their files.
deletes_until_one_fails() {
    rm -rf node-1 .log
    mkdir node-1
    start_node node-1 127.0.0.1:0
    list_of node-1 >nodes.yaml
    symwave --nodes nodes.yaml store piece-*
    equal "all are stored" 0 "$status"
    cut -f 1 <<<"$out" >keys
    cut -f 2 <<<"$out" >names
    kill_node "$node_pid"
    # What a start writes, which must succeed.
    SYMWAVE_FAULT_UNDER=$PWD/node-1 SYMWAVE_FAULT_ON=write SYMWAVE_FAULT_LOG=$PWD/.log SYMWAVE_FAULT_DO=kill SYMWAVE_FAULT_AT=0 \
        LD_PRELOAD=$fault_library start_node node-1 127.0.0.1:0
    kill_node "$node_pid"
    SYMWAVE_FAULT_UNDER=$PWD/node-1 SYMWAVE_FAULT_ON=write SYMWAVE_FAULT_DO=$1 SYMWAVE_FAULT_TIMES=$2 \
        SYMWAVE_FAULT_AT=$(($(wc -l <.log) + 10)) LD_PRELOAD=$fault_library start_node node-1 127.0.0.1:0
    list_of node-1 >nodes.yaml
    deleted=0
    while ((deleted < 50)) && capture "$bin/symwaved" delete --data node-1 "$(sed -n "$((deleted + 1))p" keys)" && ((status == 0)); do
        deleted=$((deleted + 1))
    done
    why=$err
    tail -n +$((deleted + 2)) keys >left
    tail -n +$((deleted + 2)) names >left_names
}

scenario server_deletes_fail fast "writing fails (EIO; ENOSPC once) at a node as symbols are deleted, and then it is to vouch for others" \
    "the deletion and the store fail with the reason, the node runs on and serves, and stores when there is space again"
server_deletes_fail() {
    local deleted why tries=0
    head -c 2000000 /dev/urandom | split -b 20000 - piece-
    deletes_until_one_fails eio 1000000
    contains "a deletion fails with the reason" "input/output error" "$why"
    # Nothing is written for these, only synced.
    symwave --nodes nodes.yaml store $(<left_names)
    equal "the node does not vouch for what it cannot sync" 1 "$status"
    symwave --nodes nodes.yaml store piece-*
    equal "... and takes nothing" 1 "$status"
    kill -0 "$node_pid" 2>/dev/null && pass "the node runs on" || fail "the node runs on" "$(tail node-1.log)"
    symwave --nodes nodes.yaml fetch --keys left --out out
    equal "... and serves what it has" "0 $(wc -l <left)" "$status $(find out -type f | wc -l)"
    kill_node "$node_pid"
    start_node node-1 127.0.0.1:0
    list_of node-1 >nodes.yaml
    symwave --nodes nodes.yaml fetch --keys left --out again
    equal "after a restart too" "0 $(wc -l <left)" "$status $(find again -type f | wc -l)"
    kill_node "$node_pid"
    seen "$deleted deleted, the next: $why"

    deletes_until_one_fails enospc 1
    contains "a deletion fails for want of space" "no space" "$why"
    until symwave --nodes nodes.yaml store $(<left_names) && ((status == 0)); do
        ((++tries < 60)) || break
        sleep 1
    done
    equal "the node vouches again for what it has" 0 "$status"
    contains "... of which it wrote nothing" "$(wc -l <left) there already" "$err"
    kill_node "$node_pid"
}

scenario server_reads_fail fast "reading fails (EIO) at two of six nodes" "all symbols, from the others"
server_reads_fail() {
    local index
    cluster
    for index in 1 2; do
        kill -TERM "${pids[index]}"
        wait "${pids[index]}" || true
        forget_child "${pids[index]}"
        # The first reads are those of its start.
        SYMWAVE_FAULT_UNDER=$PWD/node-$index SYMWAVE_FAULT_DO=eio SYMWAVE_FAULT_ON=read SYMWAVE_FAULT_AT=200 \
            LD_PRELOAD=$fault_library start_cluster_node "$index" 127.0.0.1:0
    done
    write_nodes
    fetch_all
    all_came
    nodes_serve
}

# damaged_command STEPS FOLDER WHAT KINDS COMMAND...: a command of symwaved without a node, at each of some STEPS operations
# of which the disk of FOLDER does WHAT. prepare and check are the scenario's: before each run, and after it.
damaged_command() {
    local steps=$1 under=$2 what=$3 kinds=$4 total at tried=0 failed=0 text=
    shift 4
    prepare
    rm -f .log
    faulty "$under" kill AT=0 ON="$kinds" LOG="$PWD/.log" -- "$bin/symwaved" "$@" >/dev/null 2>.err ||
        fail "$1 without a fault" "$(<.err)"
    total=$(wc -l <.log)
    for ((at = 1; at <= total; at += (total + steps - 1) / steps)); do
        prepare
        capture faulty "$under" "$what" AT="$at" ON="$kinds" -- "$bin/symwaved" "$@"
        tried=$((tried + 1))
        if [[ $what != eio ]]; then
            ((status == 137 || status == 0)) || fail "$1 is killed at operation $at of $total" "$status $err"
        elif ((status == 0)); then
            check "$1 that ended well in spite of operation $at of $total"
            continue
        elif ((status > 3)) || [[ -z $err$out ]]; then
            fail "$1 at operation $at of $total: an error" "$status $out $err"
        fi
        failed=$((failed + 1)) text=${err:-$out}
        # What was killed after its last step is done.
        "$bin/symwaved" "$@" >.out 2>.err || [[ $what != eio && $(<.err) == *"work is not empty"* ]] ||
            fail "$1 again, after operation $at of $total" "$(<.err)"
        check "$1 again, after operation $at of $total"
    done
    [[ $what == eio ]] || text=
    seen "$1, $what: $tried of $total operations, $failed failed${text:+, the last: ${text%%$'\n'*}}"
}

# holds FOLDER: how many symbols a data folder has, all whole.
holds() {
    "$bin/symwaved" scrub --data "$1" --json 2>&1 | jq -r 'if .damaged == 0 then .symbols else "damaged" end'
}

scenario admin_disk_fails fast "the disk fails (EIO) in the middle of restore, export, import, delete and compact" \
    "an error each time, or all is there; done again it ends well"
admin_disk_fails() {
    make_admin_folders
    every_admin_command 6 eio write,size,sync,name,read
}

scenario admin_killed slow "restore, export, import, delete and compact are killed, and the power goes, at many moments" \
    "done again each ends well, and all symbols are there"
admin_killed() {
    make_admin_folders
    every_admin_command 20 kill write,size,sync,name
    every_admin_command 20 power-bytes write,size,sync,name
}

# full, a data folder with all symbols; backup, of it; exported, its symbols as files; without, the folder without 50 of them.
make_admin_folders() {
    cp -r "$world/node-1" full
    cp "$world/keys" .
    "$bin/symwaved" backup --data full "$PWD/backup" >/dev/null
    "$bin/symwaved" export --data full exported >/dev/null
    cp -r full without
    mapfile -t some < <(head -n 50 keys)
    "$bin/symwaved" delete --data without "${some[@]}" >/dev/null
}

every_admin_command() {
    prepare() { rm -rf work; }
    check() { equal "$1: all symbols" "$stored_symbols" "$(holds work)"; }
    damaged_command "$1" "$PWD" "$2" "$3" restore --data work backup
    prepare() { rm -rf work && mkdir work; }
    check() { equal "$1: all files" "" "$(diff -r exported work 2>&1)"; }
    damaged_command "$1" "$PWD/work" "$2" "$3" export --data full work
    prepare() { rm -rf work && cp -r without work; }
    check() { equal "$1: all symbols" "$stored_symbols" "$(holds work)"; }
    damaged_command "$1" "$PWD/work" "$2" "$3" import --data work exported
    prepare() { rm -rf work && cp -r full work; }
    check() { equal "$1: the others" $((stored_symbols - 50)) "$(holds work)"; }
    damaged_command "$1" "$PWD/work" "$2" "$3" delete --data work "${some[@]}"
    prepare() { rm -rf work && cp -r without work; }
    damaged_command "$1" "$PWD/work" "$2" "$3" compact --data work
}
