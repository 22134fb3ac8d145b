"""Mixed load on many nodes with random faults, for long: what soak.sh runs.

soak.py BIN FOLDER SECONDS NODES SEED

Clients put files, get them back, fetch symbols, and are killed now and then. Nodes are killed, stopped for some seconds, and
cut off; never more than two of six candidates' worth at once, so that all that was stored can be had. Every file that comes
is compared. Samples of all nodes go to FOLDER/nodes.tsv every 5 s, of clients to FOLDER/clients.tsv; a summary is printed,
and the exit status is 1 where anything was lost, wrong, or too late.
"""
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

BIN, FOLDER, SECONDS, NODES, SEED = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
HERE = os.path.dirname(os.path.abspath(__file__))
FAULTY_AT_ONCE = 2
CLIENTS = 4
FILE_BYTES = 200000
LARGE_BYTES = 8000000
DEADLINE = 60
SAMPLE_SECONDS = 5

begin = time.monotonic()
lock = threading.Lock()
over = threading.Event()
counts = {"puts": 0, "gets": 0, "fetches": 0, "clients_killed": 0, "nodes_killed": 0, "nodes_stopped": 0, "nodes_cut_off": 0,
          "puts_short": 0, "wrong": 0, "failed": 0, "late": 0, "crashed": 0}
problems = []
files = []  # (path of the file, path of its layout) of puts that ended well


def now():
    return time.monotonic() - begin


def path(*names):
    return os.path.join(FOLDER, *names)


def count(what, problem=None):
    with lock:
        counts[what] += 1
        if problem:
            problems.append("%.0f s: %s: %s" % (now(), what, problem))


class Node:
    def __init__(self, index):
        self.name = "node-%d" % index
        self.address = "127.0.0.1:0"
        self.faulty = False
        self.start()
        gate = path(self.name + ".closed")
        self.gate = gate
        self.proxy = subprocess.Popen([sys.executable, os.path.join(HERE, "fault_proxy.py"), self.address, "gate", gate],
                                      stdout=subprocess.PIPE, text=True)
        self.reached_at = self.proxy.stdout.readline().strip()

    def start(self):
        log = open(path(self.name + ".log"), "a", encoding="utf-8")
        at = log.tell()
        self.process = subprocess.Popen(
            [BIN + "/symwaved", "--data", path(self.name), "--node-id", self.name, "--listen", self.address], stderr=log)
        log.close()
        for _ in range(1200):
            with open(path(self.name + ".log"), encoding="utf-8") as text:
                text.seek(at)
                for line in text:
                    if 'msg="node started"' in line:
                        self.address = line.split(" address=")[1].split(" ")[0]
                        return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        count("crashed", "%s did not start" % self.name)

    def sample(self):
        """Memory in KiB, descriptors, threads."""
        if self.faulty:
            return None
        try:
            with open("/proc/%d/status" % self.process.pid, encoding="utf-8") as text:
                facts = dict(line.split(":", 1) for line in text)
            descriptors = len(os.listdir("/proc/%d/fd" % self.process.pid))
            return int(facts["VmRSS"].split()[0]), descriptors, int(facts["Threads"])
        except (OSError, KeyError):
            return None


def run(command, kill_after=None):
    """Exit status, output, errors, seconds; -9 where it was killed on purpose."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=kill_after if kill_after else 3 * DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        if kill_after:
            count("clients_killed")
        else:
            count("late", " ".join(command))
    return process.returncode, out, err, time.monotonic() - started


def same(one, other):
    with open(one, "rb") as a, open(other, "rb") as b:
        return a.read() == b.read()


def put(rng, name):
    size = LARGE_BYTES if rng.random() < 0.02 else rng.randrange(1, FILE_BYTES)
    file, layout = path("files", name), path("files", name + ".json")
    with open(file, "wb") as out:
        out.write(rng.randbytes(size))
    command = [BIN + "/symwave", "--nodes", path("nodes.yaml"), "--json", "put", file, "--layout", layout,
               "--deadline", str(DEADLINE)]
    status, _, err, seconds = run(command, rng.random() * 0.3 if rng.random() < 0.1 else None)
    count("puts")
    if status == 0:
        with lock:
            files.append((file, layout))
        return "put", seconds
    # With nodes away a put may fall short; a killed one has no layout. Both are nothing that is lost.
    if status == 1:
        count("puts_short")
    elif status != -9:
        count("failed", "put: %d %s" % (status, err))
    return None


def get(rng, name):
    with lock:
        file, layout = rng.choice(files) if files else (None, None)
    if not file:
        return None
    out = path("out", name)
    command = [BIN + "/symwave", "--nodes", path("nodes.yaml"), "--json", "get", layout, "--out", out, "--task", name,
               "--deadline", str(DEADLINE)]
    kind = "get of %d kB" % (200 if os.path.getsize(file) < LARGE_BYTES else 8000)
    if rng.random() < 0.1:
        run(command, rng.random() * 0.2)
    status, _, err, seconds = run(command)
    count("gets")
    if status != 0:
        count("failed", "get: %d %s" % (status, err))
    elif not same(file, out):
        count("wrong", "get of %s" % file)
    for left in (out, out + ".part", out + ".part.journal"):
        if os.path.exists(left):
            os.remove(left)
    return kind, seconds


def fetch(rng, name):
    with lock:
        file, layout = rng.choice(files) if files else (None, None)
    if not file:
        return None
    with open(layout, encoding="utf-8") as text:
        keys = [key for block in json.load(text)["blocks"] for key in block["symbols"]]
    keys = rng.sample(keys, min(len(keys), 20))
    out = path("out", name)
    # Half of them are enough: those that a put under faults has not placed may be elsewhere or nowhere.
    command = [BIN + "/symwave", "--nodes", path("nodes.yaml"), "--json", "fetch", "--task", name, "--out", out,
               "--required", "50%", "--deadline", str(DEADLINE)] + keys
    status, _, err, seconds = run(command)
    count("fetches")
    if status != 0:
        count("failed", "fetch: %d %s" % (status, err))
    for key in os.listdir(out) if os.path.isdir(out) else []:
        checked = subprocess.run(["b3sum", "--no-names", os.path.join(out, key)], stdout=subprocess.PIPE, text=True)
        told = subprocess.run([BIN + "/symwave", "--json", "key", key], stdout=subprocess.PIPE, text=True)
        if checked.stdout.strip() != json.loads(told.stdout)["hex"]:
            count("wrong", "fetch of %s" % key)
        os.remove(os.path.join(out, key))
    if os.path.isdir(out):
        os.rmdir(out)
    return "fetch of 20 keys", seconds


def client(index, samples):
    rng = random.Random(SEED * 1000 + index)
    turn = 0
    while not over.is_set():
        turn += 1
        what = rng.choices((put, get, fetch), (2, 5, 3))[0]
        done = what(rng, "c%d-%d" % (index, turn))
        if done:
            with lock:
                samples.write("%.1f\t%s\t%.4f\n" % (now(), done[0], done[1]))
        time.sleep(rng.random() * 0.5)


def trouble(nodes):
    """One fault after the other, with rests; a node that was faulty is well again before another two are."""
    rng = random.Random(SEED)
    faulty = []

    def heal(node, how):
        if how == "kill":
            node.start()
        elif how == "stop":
            node.process.send_signal(signal.SIGCONT)
        else:
            os.remove(node.gate)
        node.faulty = False

    while not over.is_set():
        time.sleep(rng.random() * 3)
        while len(faulty) >= FAULTY_AT_ONCE or (faulty and rng.random() < 0.5):
            heal(*faulty.pop(0))
        node = rng.choice([one for one in nodes if not one.faulty])
        if node.process.poll() is not None:
            count("crashed", "%s ended with %s" % (node.name, node.process.returncode))
            node.start()
            continue
        how = rng.choice(("kill", "stop", "cut"))
        node.faulty = True
        if how == "kill":
            node.process.kill()
            node.process.wait()
            count("nodes_killed")
        elif how == "stop":
            node.process.send_signal(signal.SIGSTOP)
            count("nodes_stopped")
        else:
            open(node.gate, "w", encoding="utf-8").close()
            count("nodes_cut_off")
        faulty.append((node, how))
    for one in faulty:
        heal(*one)


def main():
    for folder in ("files", "out"):
        os.makedirs(path(folder), exist_ok=True)
    nodes = [Node(index) for index in range(1, NODES + 1)]
    with open(path("nodes.yaml"), "w", encoding="utf-8") as text:
        text.write("nodes:\n" + "".join("- id: %s\n  address: %s\n" % (node.name, node.reached_at) for node in nodes))
    client_samples = open(path("clients.tsv"), "w", encoding="utf-8")
    threads = [threading.Thread(target=client, args=(index, client_samples)) for index in range(CLIENTS)]
    threads.append(threading.Thread(target=trouble, args=(nodes,)))
    for thread in threads:
        thread.start()
    next_word = 60
    with open(path("nodes.tsv"), "w", encoding="utf-8") as samples:
        while now() < SECONDS:
            time.sleep(SAMPLE_SECONDS)
            for node in nodes:
                sample = node.sample()
                if sample:
                    samples.write("%.1f\t%s\t%d\t%d\t%d\n" % ((now(), node.name) + sample))
            samples.flush()
            if now() >= next_word:
                next_word += 600
                with lock:
                    print("%5.0f s: %s" % (now(), ", ".join("%s %d" % item for item in counts.items())), flush=True)
    over.set()
    for thread in threads:
        thread.join()
    # At the end, with all nodes well, every file that was ever put can be got.
    lost = 0
    for number, (file, layout) in enumerate(files):
        out = path("out", "last")
        status, _, err, _ = run([BIN + "/symwave", "--nodes", path("nodes.yaml"), "get", layout, "--out", out])
        if status != 0 or not same(file, out):
            lost += 1
            problems.append("at the end: %s: %s" % (file, err))
        if os.path.exists(out):
            os.remove(out)
    client_samples.close()
    for node in nodes:
        node.proxy.kill()
        node.process.terminate()
    for node in nodes:
        if node.process.wait(60) != 0:
            counts["crashed"] += 1
            problems.append("%s ended with %d" % (node.name, node.process.returncode))
    print("after %.0f s: %s; of %d files put, %d are lost" % (
        SECONDS, ", ".join("%s %d" % item for item in counts.items()), len(files), lost))
    for problem in problems[:20]:
        print("  " + problem)
    bad = lost + sum(counts[what] for what in ("wrong", "failed", "late", "crashed"))
    sys.exit(1 if bad or counts["gets"] == 0 else 0)


main()
