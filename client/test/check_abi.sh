#!/bin/sh
# Compares what a shared library shows with what programs were built against: check_abi.sh LIBRARY BASELINE SUPPRESSIONS
# HEADERS. What is new is fine, what is gone or has another shape is not. With --write before them it makes the baseline.
# Skipped (77) where abidiff is not installed.
set -eu
command -v abidiff >/dev/null || { echo "there is no abidiff"; exit 77; }

# describe LIBRARY HEADERS: public types and functions alone, with paths as they are in the project.
describe() {
    root=$(cd "$2/../.." && pwd)
    abidw --no-corpus-path --no-comp-dir-path --no-show-locs --exported-interfaces-only --drop-private-types \
        --headers-dir "$2" "$1" | sed "s#'$root/#'#"
}

if [ "$1" = --write ]; then
    describe "$2" "$5" >"$3"
    exit
fi
now=$(mktemp --suffix=.abi)
trap 'rm -f "$now"' EXIT
describe "$1" "$4" >"$now"
abidiff --no-added-syms --suppressions "$3" "$2" "$now"
