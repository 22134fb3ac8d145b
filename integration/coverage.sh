#!/usr/bin/env bash
# How much of the code the tests run, by gcov: builds with counters in build/coverage, runs the unit tests and the integration
# tests ("unit" as an argument: only those), and prints lines and branches of client/core, client/raptorq, common and server.
# Branches of assertions do not count: they are taken only by our own mistakes. Run by nobody else; nothing fails here.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

cd -- "$root"
export SYMWAVE_EVERY=1 # no step is left out
labels=(unit integration)
((${#@} == 0)) || labels=("$@")
run cmake -S . -B build/coverage -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS="--coverage -fprofile-update=atomic -O1"
run cmake --build build/coverage -j "$(job_count)"
find build/coverage -name '*.gcda' -delete
for label in "${labels[@]}"; do
    jobs=1
    [[ $label != unit ]] || jobs=$(job_count)
    run ctest --test-dir build/coverage -L "^$label\$" -j "$jobs" || true
done
python3 - <<'PYTHON'
import collections
import json
import os
import subprocess

FOLDERS = ("client/core", "client/raptorq", "common", "server")
lines = collections.defaultdict(dict)  # of a file: how often each line ran
branches = collections.defaultdict(dict)  # of a file and line: how often each branch was taken
root = os.getcwd()
for folder, _, names in os.walk("build/coverage"):
    for name in names:
        if not name.endswith(".gcda") or "/test/" in folder:
            continue
        out = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", os.path.join(folder, name)],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        for part in out.splitlines():
            for file in json.loads(part)["files"]:
                path = os.path.relpath(os.path.join(root, file["file"]), root)
                if not path.startswith(FOLDERS) or "/test/" in path or not os.path.exists(path):
                    continue
                for line in file["lines"]:
                    number = line["line_number"]
                    lines[path][number] = lines[path].get(number, 0) + line["count"]
                    taken = [branch["count"] for branch in line["branches"]]
                    before = branches[path].get(number, [0] * len(taken))
                    # The same line in several objects may have other branches: then the more of them count.
                    branches[path][number] = [a + b for a, b in zip(before, taken)] if len(before) == len(taken) else max(
                        before, taken, key=len)
sources = {path: open(path, encoding="utf-8").read().splitlines() for path in lines}
for path in lines:
    for number in list(branches[path]):
        if "assert(" in sources[path][number - 1]:
            del branches[path][number]


def share(of):
    of = list(of)
    return "%5.1f %% of %5d" % (100 * sum(one > 0 for one in of) / max(1, len(of)), len(of))


print("%-40s %-18s %s" % ("", "lines", "branches"))
for folder in FOLDERS:
    inside = sorted(path for path in lines if path.startswith(folder + "/"))
    print("%-40s %-18s %s" % (folder, share(n for path in inside for n in lines[path].values()),
                              share(n for path in inside for taken in branches[path].values() for n in taken)))
    for path in inside:
        print("    %-36s %-18s %s" % (path[len(folder) + 1:], share(lines[path].values()),
                                      share(n for taken in branches[path].values() for n in taken)))
PYTHON
