#!/usr/bin/env bash
# A node as a service: what it tells the service manager, in which order; its unit; and that manual pages and completion know
# every option that the programs know, and no other. Needs SYMWAVE_BIN, the folder of the programs; is skipped (77) where
# there is no python3.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
command -v python3 >/dev/null || { echo "there is no python3"; exit 77; }
package=$root/integration/package
make_work_folder
cd -- "$work_folder"

# ---- the service manager ----

capture python3 - "$bin/symwaved" <<'PYTHON'
import os, signal, socket, subprocess, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind("manager")
manager.settimeout(60)
node = subprocess.Popen([sys.argv[1], "--data", "data", "--node-id", "n", "--listen", "127.0.0.1:0"],
                        env={**os.environ, "NOTIFY_SOCKET": os.path.abspath("manager")}, stderr=subprocess.DEVNULL)


def told():
    """The next message that is not just a sign of life."""
    while True:
        text = manager.recv(4096).decode()
        if text != "WATCHDOG=1":
            return text


ready = told()
node.send_signal(signal.SIGHUP)
reloading, again = told(), told()
while manager.recv(4096).decode() != "WATCHDOG=1":
    pass
node.send_signal(signal.SIGTERM)
stopping = told()
print(ready.split("\n")[0], ready.split("STATUS=")[1].split(":")[0], reloading.split("\n")[0],
      reloading.split("\n")[1].split("=")[0], again.split("\n")[0], stopping.split("\n")[0], node.wait(60))
PYTHON
equal "ready, reloading, ready again, alive, stopping" \
    "READY=1 serving on 127.0.0.1 RELOADING=1 MONOTONIC_USEC READY=1 STOPPING=1 0" "$out"
if command -v systemd-analyze >/dev/null; then
    # The program is where the package puts it, not here: the unit is looked at with one that is.
    sed "s|/usr/bin/symwaved|$bin/symwaved|; /^Documentation/d" "$package/symwaved.service" >symwaved.service
    capture systemd-analyze verify ./symwaved.service
    equal "systemd finds nothing wrong with the unit" "" "$err$out"
    level=$(systemd-analyze security --offline=true ./symwaved.service 2>/dev/null |
        sed -n 's/.*exposure level[^:]*: \([0-9.]*\).*/\1/p')
    awk -v level="$level" 'BEGIN { exit !(level != "" && level < 2.5) }' && pass "its exposure is $level" ||
        fail "its exposure is below 2.5" "$level"
fi

# ---- manual pages ----

# long_options COMMAND...: as --help has them.
long_options() {
    "$@" --help | grep -oE -- '(^|[ ,])--[a-z][a-z-]*' | tr -d ' ,' | sort -u
}
# in_page FILE: long options that a page has in its list of options.
in_page() {
    sed 's/\\-/-/g; s/\\f.//g' "$1" | grep -A 1 '^\.TP' | grep -oE -- '--[a-z][a-z-]*' | sort -u
}

{
    long_options "$bin/symwave"
    for command in put get encode decode store fetch route nodes discover key; do
        long_options "$bin/symwave" "$command"
    done
} | sort -u >told
in_page "$package/man/symwave.1" >written
equal "symwave(1) lacks no option" "" "$(comm -23 told written | tr '\n' ' ')"
equal "symwave(1) has no other" "" "$(comm -13 told written | tr '\n' ' ')"
"$package/man/keys.sh" "$bin/symwaved" "$package/man/symwaved.yaml.5.in" >symwaved.yaml.5
sed 's/\\-/-/g' symwaved.yaml.5 | sed -n 's/^\.B \([a-z][a-z-]*\)$/--\1/p' | sort -u >keys
{
    cat keys
    in_page "$package/man/symwaved.8"
} | sort -u >written
{
    long_options "$bin/symwaved"
    for command in stats scrub backup restore export import delete compact; do
        long_options "$bin/symwaved" "$command"
    done
} | sort -u >told
equal "symwaved(8) and symwaved.yaml(5) lack no option" "" "$(comm -23 told written | tr '\n' ' ')"
equal "symwaved(8) and symwaved.yaml(5) have no other" "" "$(comm -13 told written | tr '\n' ' ')"
if command -v groff >/dev/null; then
    for page in "$package"/man/*.[158] symwaved.yaml.5; do
        equal "${page##*/}: groff finds nothing wrong" "" "$(groff -ww -z -man "$page" 2>&1)"
    done
fi

# ---- completion ----

# completes WORD...: what Tab would offer after these words, the last of which is being typed.
completes() {
    PATH=$bin:$PATH bash -c '
        compopt() { :; }
        source "$1"
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _"${1/symwave/symwave}"
        printf "%s\n" "${COMPREPLY[@]}"' _ "$package/symwave.bash" "$@" | tr '\n' ' '
}

: >nodes.yaml
equal "a command" "fetch " "$(completes symwave fe)"
equal "an option of all commands" "--token-file= " "$(completes symwave --to)"
equal "an option of one" "--required= " "$(completes symwave fetch --req)"
equal "a file" "nodes.yaml " "$(completes symwave --nodes nod)"
equal "an option of the node" "--keys-max= " "$(completes symwaved --keys)"
equal "a value of one" "debug " "$(completes symwaved --log-level = d)"
equal "a command of the node" "restore " "$(completes symwaved re)"
equal "an option of it" "--bytes-per-second= " "$(completes symwaved scrub --by)"
end_checks
