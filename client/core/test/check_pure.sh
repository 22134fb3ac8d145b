#!/bin/sh
# Checks that the pure folders are pure: their sources include nothing but themselves and the harmless part of the C
# library, and the libraries made of them call nothing that could reach the system, a thread or a clock.
#
#     check_pure.sh SOURCE_DIR NM LIBRARY...
set -eu
export LC_ALL=C

source_dir=$1 nm=$2
shift 2
failed=0

# The tests beside them may include more.
includes='"client/core/[a-z0-9_]+\.h"|"client/raptorq/[a-z0-9_]+\.h"|"common/memory\.h"|"symwave/(key|raptorq|status)\.h"'
includes="$includes|<(assert|immintrin|limits|stdatomic|stdbool|stddef|stdint|stdlib|string)\.h>"
for folder in client/core client/raptorq; do
    for file in "$source_dir/$folder"/*.[ch]; do
        [ -e "$file" ] || continue
        foreign=$(grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" |
            grep -vE "^[0-9]+:[[:space:]]*#[[:space:]]*include[[:space:]]+($includes)" || true)
        if [ -n "$foreign" ]; then
            echo "$file: not a pure include:" "$foreign" >&2
            failed=1
        fi
    done
done

# What the compiler itself asks for is allowed: which instructions there are, stack protector, assertions, sanitizers,
# coverage, fuzzing.
symbols='bcmp|qsort|__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_'
symbols="$symbols|(__)?(mem|str)[a-z]+(_chk)?|sw_[a-z0-9_]+|__cpu_(model|features2|indicator_init)"
symbols="$symbols|__(asan|ubsan|tsan|lsan|msan|sanitizer|sancov|gcov|llvm)_[a-z0-9_]+|__(start|stop)___sancov_[a-z0-9_]+"
for library in "$@"; do
    undefined=$("$nm" --undefined-only --format=posix "$library")
    foreign=$(echo "$undefined" | awk 'NF >= 2 {print $1}' | sort -u | grep -vxE "$symbols" || true)
    if [ -n "$foreign" ]; then
        echo "$library: not a pure call:" $foreign >&2
        failed=1
    fi
done
exit $failed
