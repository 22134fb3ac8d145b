#!/usr/bin/env bash
# 64 clients fetch and store at one node, half of them are killed at random moments, and new ones come in their place: for
# 10 seconds, or SYMWAVE_VANISH_SECONDS. Before and after, the node has as many descriptors and connections, and about as
# much memory: within 32 MiB, which is what RocksDB's memtables may take more, or a quarter. Needs SYMWAVE_BIN, the folder
# of the programs; is skipped (77) where there is no python3 or curl.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
bin=${SYMWAVE_BIN:?}
for tool in curl python3; do
    command -v "$tool" >/dev/null || { echo "there is no $tool"; exit 77; }
done
seconds=${SYMWAVE_VANISH_SECONDS:-10}
seed=${SYMWAVE_SEED:-$RANDOM}
echo "seed $seed, $seconds seconds (SYMWAVE_SEED, SYMWAVE_VANISH_SECONDS)"

value() {
    curl -sf "http://$http/metrics" | awk -v name="$1" '$1 == name { print $2 }'
}

# Waits until no call and no connection is left.
settle() {
    local tries=1200 # of 50 ms
    until [[ $(value symwave_calls_bytes) == 0 && $(value symwave_connections) == 0 ]]; do
        if ((tries-- == 0)); then
            fail "all calls and connections end" "$(value symwave_calls_bytes) bytes, $(value symwave_connections) connections"
            return
        fi
        sleep 0.05
    done
    pass "all calls and connections end"
}

# clients SECONDS SEED
clients() {
    python3 - "$bin/symwave" "$1" "$2" <<'PYTHON'
import os, random, signal, subprocess, sys, time
command, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
until = time.monotonic() + seconds
clients, killed_at, ended, killed, failed = {}, {}, 0, 0, []
null = subprocess.DEVNULL


def start(index):
    if index % 2:
        line = [command, "--nodes", "nodes.yaml", "fetch", "--task", f"t{index}", "--keys", "keys", "--out", f"out-{index}"]
    else:
        path = f"value-{index}-{random.random()}"
        with open(path, "wb") as file:
            file.write(os.urandom(200000))
        line = [command, "--nodes", "nodes.yaml", "store", path]
    if random.random() < 0.5:
        killed_at[index] = time.monotonic() + random.random() * 0.3
    return subprocess.Popen(line, stdout=null, stderr=subprocess.PIPE)


while time.monotonic() < until:
    for index in range(64):
        process = clients.get(index)
        if process is None or process.poll() is not None:
            killed_at.pop(index, None)
            if process is not None:
                ended += 1
                if process.returncode not in (0, -signal.SIGKILL):
                    failed.append((index, process.returncode, process.stderr.read().decode()[-300:]))
                process.stderr.close()
                subprocess.run(["rm", "-rf", f"out-{index}"])
            clients[index] = start(index)
        for victim, when in list(killed_at.items()):
            if time.monotonic() >= when and clients[victim].poll() is None:
                clients[victim].kill()
                killed += 1
                del killed_at[victim]
for process in clients.values():
    process.kill()
    process.wait()
print(f"{ended} clients came to an end, {killed} were killed")
for one in failed[:5]:
    print("failed:", one)
sys.exit(1 if failed or killed == 0 else 0)
PYTHON
}

make_work_folder
cd -- "$work_folder"
start_node node-1 127.0.0.1:0 --http-listen 127.0.0.1:0
http=127.0.0.1:$(sed -n 's/.*msg="HTTP for metrics".* port=\([0-9]*\).*/\1/p' node-1.log)
printf 'nodes:\n- id: node-1\n  address: %s\n' "$node_address" >nodes.yaml
head -c 26214400 /dev/urandom | split -b 65536 -a 3 - piece-
symwave --nodes nodes.yaml store piece-*
cut -f 1 <<<"$out" >keys

clients 3 "$seed" >first.log || true # so that what is made once is there
settle
memory=$(value process_resident_memory_bytes) descriptors=$(value process_open_fds)
capture clients "$seconds" "$((seed + 1))"
equal "nobody failed who was not killed" 0 "$status"
echo "$out"
settle
later_memory=$(value process_resident_memory_bytes) later_descriptors=$(value process_open_fds)
echo "memory $memory, then $later_memory bytes; descriptors $descriptors, then $later_descriptors"
allowed=$((memory / 4 > 33554432 ? memory / 4 : 33554432))
[[ $(printf '%.0f' "$later_memory") -le $(($(printf '%.0f' "$memory") + allowed)) ]] && pass "memory is back" || fail "memory is back"
# Tables and blob files that were made meanwhile stay open.
files=$(find node-1 -name '*.sst' -o -name '*.blob' -o -name '*.log' | wc -l)
[[ $later_descriptors -le $((descriptors + files)) ]] && pass "descriptors are back" || fail "descriptors are back" "$files files"
symwave --nodes nodes.yaml fetch --task last --keys keys --out last
equal "the node serves" 0 "$status"
equal "... all there is" 400 "$(find last -type f | wc -l)"
end_checks
