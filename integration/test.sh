#!/usr/bin/env bash
# Installs what is missing, builds Symwave and runs all its tests. With presets as arguments, just those:
#
#   release   gcc: unit and integration tests
#   clang     clang's warnings; unit tests
#   asan      address, leak and undefined-behaviour sanitizers: unit and integration tests
#   tsan      thread sanitizer: the same
#   fuzz      each fuzz target for some seconds; "fuzz-minute", which only runs when named, for a minute
#   package   Debian packages in a fresh Debian root; as root only
#
# The last line says "N passed, N failed"; the exit status is 0 only where nothing failed.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

presets=("$@")
if ((${#presets[@]} == 0)); then
    presets=(release clang asan tsan fuzz package)
fi
for preset in "${presets[@]}"; do
    case $preset in
    release | clang | asan | tsan | fuzz | fuzz-minute | package) ;;
    *) die "there is no preset \"$preset\": release, clang, asan, tsan, fuzz, fuzz-minute, package" ;;
    esac
done

cd -- "$root"
"$root/integration/install.sh" --tests
PATH=$PATH:$tools
jobs=$(job_count)
passed=0 failed=0 skipped=0

# Reads an attribute of the first <testsuite> of ctest's report.
attribute() {
    sed -n "s/.*\b$1=\"\([0-9]*\)\".*/\1/p;/<testcase/q" "$2" | head -n 1
}

# run_tests PRESET LABEL JOBS: adds to the counts.
run_tests() {
    local report=$root/build/$1/tests-$2.xml all bad left_out prefix=()
    # gcc 12's thread sanitizer cannot run where the kernel spreads mappings wider than it knows.
    if [[ $1 == tsan ]] && setarch -R true 2>/dev/null; then
        prefix=(setarch -R)
    fi
    rm -f -- "$report"
    run "${prefix[@]}" ctest --preset "$1" -L "^$2\$" -j "$3" --output-junit "$report" || true
    if [[ ! -s $report ]]; then
        failed=$((failed + 1))
        return
    fi
    all=$(attribute tests "$report") bad=$(attribute failures "$report") left_out=$(attribute skipped "$report")
    left_out=$((left_out + $(attribute disabled "$report")))
    passed=$((passed + all - bad - left_out))
    failed=$((failed + bad))
    skipped=$((skipped + left_out))
}

# Counts the packages' test, which is one.
run_package_test() {
    local status=0
    run "$root/integration/package_test.sh" || status=$?
    case $status in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
    esac
}

for preset in "${presets[@]}"; do
    printf '\n== %s ==\n' "$preset"
    label=$preset
    [[ $preset != fuzz-minute ]] || preset=fuzz
    if [[ $preset == package ]]; then
        run_package_test
        continue
    fi
    if ! run cmake --preset "$preset" || ! run cmake --build --preset "$preset" -j "$jobs"; then
        echo "preset $preset does not build"
        failed=$((failed + 1))
        continue
    fi
    case $preset in
    clang) run_tests clang unit "$jobs" ;;
    fuzz) run_tests fuzz "$label" "$jobs" ;;
    *)
        run_tests "$preset" unit "$jobs"
        run_tests "$preset" integration "$jobs"
        ;;
    esac
done

printf '\n'
if ((skipped > 0)); then
    echo "$skipped skipped: what they need is not here"
fi
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
