# For run.sh: programs that are killed, and machines that lose power, at each thing in turn that they do to their files. How
# that is done is in fault_library.c. What is fast takes some of them, what is slow takes all.
# shellcheck shell=bash
# shellcheck disable=SC2154

# crash AT WHAT COMMAND...: runs it until it is killed at its operation AT below the folder "files". Nothing is printed.
crash() {
    local at=$1 what=$2
    shift 2
    rm -rf kept
    mkdir kept
    rm -f operations
    capture faulty "$PWD/files" "$what" AT="$at" LOG="$PWD/operations" KEEP="$PWD/kept" -- "$@"
}

# operations COMMAND...: how many it does in all, in $total.
operations() {
    crash 0 kill "$@"
    equal "without a crash it ends well" 0 "$status"
    total=$(wc -l <operations)
    rm -rf files
    mkdir files
}

# crash_get STEP WHAT: a get is killed at every STEP-th operation. After each, the next get brings the right file, and fetches
# no more than 1 % of the symbols that the first one had written down again; after a loss of power, as many as were lost.
crash_get() {
    local step=$1 what=$2 at journaled again most=0 crashes=0
    file_node
    mkdir files
    get=("$bin/symwave" --nodes nodes.yaml --json get layout.json --out files/got)
    operations "${get[@]}"
    for ((at = 1; at <= total; at += step)); do
        rm -rf files
        mkdir files
        crash "$at" "$what" "${get[@]}"
        ((status == 137)) || { fail "operation $at of $total: it is killed" "$status $err"; continue; }
        crashes=$((crashes + 1))
        [[ ! -e files/got ]] || cmp -s files/got file || fail "operation $at: a file under its name is right"
        # The head of the journal is written first. At the end it goes.
        journaled=$(grep -c 'write /got.part.journal' operations || true)
        journaled=$((journaled > 2 ? journaled - 3 : 0))
        capture "${get[@]}"
        ((status == 0)) || { fail "operation $at: the next get ends well" "$err"; continue; }
        cmp -s files/got file || fail "operation $at: its file is right"
        [[ $(ls -A files) == got ]] || fail "operation $at: nothing is beside it" "$(ls -A files)"
        again=$((journaled - $(report 'if .already_there then .source_symbols else .kept end')))
        most=$((again > most ? again : most))
        case $what in
        kill | torn) ((again * 100 <= $(report .source_symbols))) || fail "operation $at: under 1 % is fetched again" "$again of $journaled" ;;
        esac
    done
    [[ $crashes -gt 0 ]] && pass "$crashes crashes" || fail "it crashed"
    seen "$what: $crashes crashes at $total operations, each time the right file; at most $most of 199 symbols fetched again"
}

scenario crashing_gets fast "a get is killed at every 40th operation on its files, some torn, and loses power at others" \
    "the next get brings the right file, and fetches under 1 % again where there was power"
crashing_gets() {
    local what
    for what in kill torn power power-bytes; do
        crash_get 40 "$what"
        stop_node
        rm -rf files file-1
    done
}

scenario all_crashing_gets slow "a get is killed at every operation on its files, and at all of them torn" \
    "the next get brings the right file, and fetches under 1 % again"
all_crashing_gets() {
    crash_get 1 kill
    stop_node
    rm -rf files file-1
    crash_get 3 torn
}

scenario all_power_losses_of_gets slow "power is lost at every second operation of a get on its files" "the next get brings the right file"
all_power_losses_of_gets() {
    crash_get 2 power
    stop_node
    rm -rf files file-1
    crash_get 2 power-bytes
}

# crash_put STEP WHAT
crash_put() {
    local step=$1 what=$2 at crashes=0
    mkdir files
    [[ -d file-1 ]] || cp -r "$world/file-1" "$world/file" "$world/layout.json" .
    head -c 3000000 "$world/file" >small
    start_node file-1 127.0.0.1:0
    list_of file-1 >nodes.yaml
    put=("$bin/symwave" --nodes nodes.yaml --json put small --layout files/layout.json)
    capture "$bin/symwave" encode small --layout right.json
    operations "${put[@]}"
    for ((at = 1; at <= total; at += step)); do
        rm -rf files
        mkdir files
        crash "$at" "$what" "${put[@]}"
        ((status == 137)) || { fail "operation $at of $total: it is killed" "$status $err"; continue; }
        crashes=$((crashes + 1))
        [[ ! -e files/layout.json ]] || cmp -s files/layout.json right.json || fail "operation $at: a layout under its name is right"
        capture "${put[@]}"
        ((status == 0)) && cmp -s files/layout.json right.json || fail "operation $at: the next put ends well, with the right layout" "$err"
        [[ $(ls -A files) == layout.json ]] || fail "operation $at: nothing is beside it" "$(ls -A files)"
    done
    capture "$bin/symwave" --nodes nodes.yaml get files/layout.json --out got
    equal "the file can be got" "0" "$status"
    equal "it is right" "" "$(cmp got small 2>&1)"
    rm got
    seen "$what: $crashes crashes at $total operations, each time no layout or the right one"
}

scenario crashing_puts fast "a put is killed, and loses power, at every 7th operation on its files" \
    "there is no layout, or the right one; the next put ends well"
crashing_puts() {
    local what
    for what in kill power power-bytes; do
        crash_put 7 "$what"
        stop_node
        rm -rf files
    done
}

scenario all_crashing_puts slow "a put is killed, and loses power, at every operation on its files" \
    "there is no layout, or the right one; the next put ends well"
all_crashing_puts() {
    local what
    for what in kill torn power power-bytes; do
        crash_put 1 "$what"
        stop_node
        rm -rf files
    done
}

scenario power_lost_after_success fast "power is lost as soon as a get, a put and an encode have ended well" \
    "what they have made is there, and right"
power_lost_after_success() {
    local what
    file_node
    head -c 3000000 file >small
    for what in power power-bytes; do
        rm -rf files
        mkdir files
        crash end "$what" "$bin/symwave" --nodes nodes.yaml get layout.json --out files/got
        equal "$what: the get ends well" 0 "$status"
        equal "... and its file is there, and right" "" "$(cmp files/got file 2>&1)"
        crash end "$what" "$bin/symwave" --nodes nodes.yaml put small --layout files/put.json
        equal "$what: the put ends well" 0 "$status"
        crash end "$what" "$bin/symwave" encode small --layout files/encoded.json --symbols files/symbols
        equal "$what: the encode ends well" 0 "$status"
        equal "... and both have the same layout" "" "$(cmp files/put.json files/encoded.json 2>&1)"
        capture "$bin/symwave" decode files/encoded.json --symbols files/symbols --out files/decoded
        equal "... and the symbols give the file" "0 " "$status $(cmp files/decoded small 2>&1)"
    done
    # That the loss is one: what nobody has synced is gone.
    crash end power "$bin/symwave" --nodes nodes.yaml fetch "$(jq -r '.blocks[0].symbols[0]' layout.json)" --out files/fetched
    equal "what is not synced is lost" "" "$(find files/fetched -type f 2>/dev/null)"
}

# crash_fetch STEP WHAT
crash_fetch() {
    local step=$1 what=$2 at crashes=0 had again most=0
    mkdir files
    fetch=("$bin/symwave" --nodes nodes.yaml --json fetch --keys keys --out files/out)
    operations "${fetch[@]}"
    for ((at = 1; at <= total; at += step)); do
        rm -rf files
        mkdir files
        crash "$at" "$what" "${fetch[@]}"
        ((status == 137)) || { fail "operation $at of $total: it is killed" "$status $err"; continue; }
        crashes=$((crashes + 1))
        had=$(find files -type f -size +0 ! -name '.*' | wc -l)
        capture "${fetch[@]}"
        ((status == 0)) || { fail "operation $at: the next fetch ends well" "$err"; continue; }
        # A hidden temporary file may be left, as of anything that is killed.
        diff -rq -x '.*.tmp-*' files/out values >/dev/null || fail "operation $at: every symbol is there, and right"
        again=$((had - $(report .found_local)))
        most=$((again > most ? again : most))
    done
    equal "no file that was there is fetched again" 0 "$most"
    seen "$what: $crashes crashes at $total operations, each time all symbols are right afterwards"
}

scenario crashing_fetches fast "a fetch is killed, and loses power, at every 80th operation on its files" \
    "the next fetch has every symbol right, and fetches none again that was there"
crashing_fetches() {
    local what
    cluster
    for what in kill torn power power-bytes; do
        crash_fetch 80 "$what"
        rm -rf files
    done
}

scenario all_crashing_fetches slow "a fetch is killed, and loses power, at every third operation on its files" \
    "the next fetch has every symbol right, and fetches none again that was there"
all_crashing_fetches() {
    local what
    cluster
    for what in kill torn power power-bytes; do
        crash_fetch 3 "$what"
        rm -rf files
    done
}

# crash_node WHAT AT...: a node is killed at each of these operations on its files while three clients store; all of that goes
# on with the same data. After each, what was acknowledged is there.
crash_node() {
    local what=$1 at crashes=0 starts=0 client clients tries
    shift
    : >keys
    for at in "$@"; do
        rm -rf kept
        mkdir -p kept files
        : >node-1.log
        env SYMWAVE_FAULT_UNDER="$PWD/files" SYMWAVE_FAULT_DO="$what" SYMWAVE_FAULT_AT="$at" SYMWAVE_FAULT_KEEP="$PWD/kept" \
            LD_PRELOAD="$fault_library" "$bin/symwaved" --data files/node-1 --node-id node-1 --listen 127.0.0.1:0 2>node-1.log &
        node_pid=$!
        children+=("$node_pid")
        tries=1200
        until grep -q 'msg="node started"' node-1.log || ! kill -0 "$node_pid" 2>/dev/null; do
            ((tries-- > 0)) || die "the node neither starts nor ends"
            sleep 0.01
        done 2>>killed # what the shell says of a child that was killed
        node_address=$(sed -n 's/.*msg="node started".* address=\([^ ]*\).*/\1/p' node-1.log)
        if [[ -n $node_address ]]; then
            list_of node-1 >nodes.yaml
            clients=()
            for client in 1 2 3; do
                timeout 120 "$bin/crash_stores" nodes.yaml "$((seed + at * 10 + client))" "keys-$client" &
                clients+=("$!")
                children+=("$!")
            done
            for client in "${clients[@]}"; do
                wait "$client" || true
                forget_child "$client"
            done 2>>killed
            cat keys-? >>keys
            rm -f keys-?
        else
            starts=$((starts + 1))
        fi
        status=0
        wait "$node_pid" 2>/dev/null || status=$?
        forget_child "$node_pid"
        ((status == 137)) || fail "operation $at: the node is killed" "$status"
        crashes=$((crashes + 1))
        start_crashed_node
        rm -rf out
        if [[ -s keys ]]; then
            symwave --nodes nodes.yaml --json fetch --keys keys --out out
            [[ $status == 0 ]] || fail "operation $at: all that was acknowledged is there" "$err $(<node-1.log)"
        fi
        ! grep -q "log is damaged" node-1.log || [[ $what != kill ]] || fail "operation $at: nothing of the log is lost" "$(<node-1.log)"
        stop_node
        # Half of them begin with nothing, so that the making of a store is crashed too.
        ((at % 2 == 0)) || { rm -rf files; : >keys; }
    done
    seen "$what: $crashes crashes, $starts of them before it served; $stored symbols acknowledged, all there"
}

# The node of the data that a crash has left, without the library.
start_crashed_node() {
    local data=files/node-1
    rm -rf node-1
    ln -s "$PWD/$data" node-1
    mkdir -p "$data"
    start_node node-1 127.0.0.1:0
    list_of node-1 >nodes.yaml
    stored=$((${stored:-0} + $(sort -u keys | wc -l)))
}

scenario crashing_node fast "a node is killed, and loses power, at 40 of its operations on its files while clients store" \
    "after each restart what was acknowledged is there"
crashing_node() {
    local what
    for what in kill torn power power-bytes; do
        stored=0
        # shellcheck disable=SC2046
        crash_node "$what" $(seq 3 14 120) 300
        rm -rf files
    done
}

scenario all_crashes_of_a_node slow "a node is killed, and loses power, at each of its first 120 operations on its files, and at 40 later ones" \
    "after each restart what was acknowledged is there"
all_crashes_of_a_node() {
    local what
    for what in kill power; do
        stored=0
        # shellcheck disable=SC2046
        crash_node "$what" $(seq 1 120) $(seq 150 97 4000)
        rm -rf files
    done
}
