# For run.sh: wall clocks that jump.
# shellcheck shell=bash
# shellcheck disable=SC2154

# set_clock SECONDS: by so many every process of the scenario has a wrong wall clock, from now on.
set_clock() {
    "$python" -c 'import struct, sys; open("clock", "r+b").write(struct.pack("<q", int(sys.argv[1])))' "$1"
}

# jumps FIRST SECOND: the wall clock jumps twice in the middle of a retrieval and of a store, everywhere.
jumps() {
    local index jump
    [[ -n $python ]] || skip "there is no python3"
    head -c 8 /dev/zero >clock
    export SYMWAVE_FAULT_CLOCK=$PWD/clock LD_PRELOAD=$fault_library
    cluster --store-fault rate=1000000
    begin_fetch
    came 20
    set_clock "$1"
    came 60
    set_clock "$2"
    end_fetch
    all_came
    head -c 3000000 /dev/urandom >new-file
    set_clock "$1"
    capture "$bin/symwave" --nodes nodes.yaml put new-file --layout new.json
    equal "a put ends well" 0 "$status"
    set_clock "$2"
    capture "$bin/symwave" --nodes nodes.yaml get new.json --out new-got
    equal "a get ends well" 0 "$status"
    equal "its file is right" "" "$(cmp new-file new-got 2>&1)"
    contains "the nodes saw the clock jump" "ts=" "$(<node-1.log)"
    nodes_serve
}

scenario clock_forward fast "the wall clock of all processes jumps an hour ahead in the middle, and back" "all symbols, and nothing is late for it"
clock_forward() { jumps 3600 0; }

scenario clock_back fast "the wall clock of all processes jumps an hour back in the middle, and two ahead" "all symbols, and nothing is late for it"
clock_back() { jumps -3600 3600; }
