#!/usr/bin/env bash
# The SDK's pages are true: the guide's programs build against the headers and the shared library with nothing else, and
# do what it says; every status is on the page of errors, and every member of a report on that of reports. Needs
# SYMWAVE_BIN, and SYMWAVE_CC, a C compiler.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
pages=$root/client/doc

make_work_folder
cd -- "$work_folder"
start_node node-1 127.0.0.1:0
printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml

# program NAME [OPTION]: the guide's program whose first line names it, built.
program() {
    awk -v name="/* $1" '/^```c$/ {inside = 1; getline; mine = index($0, name) == 1}
        /^```$/ {inside = 0}
        inside && mine' "$pages/guide.md" >"$1.c"
    "${SYMWAVE_CC:?}" -Wall -Wextra -Werror -I "$root/client/include" -o "$1" "$1.c" \
        -L "$bin/../lib" -Wl,-rpath,"$bin/../lib" "${@:2}" -lsymwave
}

# As the guide waits for the node.
equal "the guide waits for its node" 1 \
    "$(grep -cxF '    until symwave --nodes nodes.yaml nodes >/dev/null 2>&1; do sleep 1; done' "$pages/guide.md")"
capture "$bin/symwave" --nodes nodes.yaml nodes
equal "which ends once the node serves" 0 "$status"
printf 'nodes:\n- id: node-1\n  address: 127.0.0.1:1\n' >down.yaml
capture "$bin/symwave" --nodes down.yaml nodes
equal "and not before" 1 "$((status > 0))"

for option in $(sed -n 's/^    symwaved //p' "$pages/guide.md" | grep -oE -- '--[a-z-]+'); do
    equal "symwaved has the guide's $option" 1 "$("$bin/symwaved" --help | grep -cE -- "^ .* $option=")"
done

program first
capture ./first nodes.yaml hello
line=$(grep -A 1 -F './first nodes.yaml hello' "$pages/guide.md" | tail -n 1)
equal "the first program prints what the guide says" "0 ${line#    }" "$status $out"
key=${out%%:*}
equal "the key is BLAKE3's" "$(printf hello | b3sum --no-names)" "$("$bin/symwave" key "$key" | sed -n 's/^hex *//p')"
capture ./first none.yaml hello
equal "without a node list it ends with 1" 1 "$status"
contains "and says why" "none.yaml" "$err"

program total
capture ./total nodes.yaml "$key"
equal "the second program counts" "0 5 bytes, 0 symbols missing" "$status $out"
capture ./total nodes.yaml "$key" "${key/?/2}"
equal "and says what is missing" "1 5 bytes, 1 symbols missing" "$status $out"

seq 20000 >numbers
program pieces
capture ./pieces nodes.yaml numbers
equal "the program with a source prints what the guide says" \
    "0 $(grep -A 3 -F '$ ./pieces' "$pages/guide.md" | tail -n 3 | sed 's/^    //')" "$status $out"
capture ./pieces nodes.yaml none
equal "without a file it ends with 1" 1 "$status"

program liars -lsymwave-testing
capture ./liars
equal "the test with liars prints what the guide says" \
    "0 $(grep -A 2 -F '$ ./liars' "$pages/guide.md" | tail -n 2 | sed 's/^    //')" "$status $out"

for name in $(grep -oE '\bSW_[A-Z_]+ = [0-9]+' "$root/client/include/symwave/status.h" | cut -d ' ' -f 1); do
    contains "errors.md has $name" "| \`$name\` |" "$(<"$pages/errors.md")"
done

# members FILE: the names of all members of a report, but those that depend on the name of a symbol's file.
members() {
    jq -r '[paths | map(strings)[-1] // empty] | unique[]' "$1"
}
head -c 200000 /dev/urandom >file
capture "$bin/symwave" --nodes nodes.yaml --json put file --layout layout.json
cp .out put.json
capture "$bin/symwave" --nodes nodes.yaml --json get layout.json --out copy
cp .out get.json
capture "$bin/symwave" --nodes nodes.yaml --json fetch --out out "$key" "${key/?/2}"
cp .out fetch.json
for report in put get fetch; do
    missing=
    for member in $(members "$report.json"); do
        grep -qF "\`$member\`" "$pages/reports.md" || missing+=" $member"
    done
    equal "reports.md has what $report prints" "" "$missing"
done
end_checks
