#!/bin/sh
# Compares the symbols that a shared library exports with a committed list; prints the difference.
set -eu
export LC_ALL=C
library=$1
expected=$2
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@@SYMWAVE_0$/, "", $3); print $3 }' | sort >"${TMPDIR:-/tmp}/exports.$$"
trap 'rm -f "${TMPDIR:-/tmp}/exports.$$"' EXIT
# What has another version, or none, keeps its suffix, and so is not in the list.
if grep -v '^sw_' "${TMPDIR:-/tmp}/exports.$$"; then
    echo "exported, but not of the SDK: every name must begin with sw_" >&2
    exit 1
fi
diff -u "$expected" "${TMPDIR:-/tmp}/exports.$$"
