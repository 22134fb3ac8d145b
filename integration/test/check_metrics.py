"""Checks a text in Prometheus' exposition format 0.0.4, strictly, on standard input; prints what is wrong, and exits with 1.

Every sample belongs to a family whose HELP and TYPE stand right before; names and labels are well formed; no series comes
twice; counters end with _total; histograms are cumulative, end with +Inf, and have a sum and the same count.
"""
import re
import sys

SAMPLE = re.compile(
    r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


def check(text):
    problems, types, helps, seen, series = [], {}, set(), set(), {}
    family = None
    if not text.endswith("\n"):
        problems.append("the last line has no end")
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            if family in helps:
                problems.append(f"line {number}: a second HELP of {family}")
            helps.add(family)
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name != family or name in types:
                problems.append(f"line {number}: TYPE of {name} does not follow its HELP")
            if kind not in ("counter", "gauge", "histogram"):
                problems.append(f"line {number}: {kind} is no type")
            if kind == "counter" and not name.endswith("_total"):
                problems.append(f"line {number}: the counter {name} does not end with _total")
            types[name] = kind
            continue
        match = SAMPLE.match(line)
        if not match:
            problems.append(f"line {number}: no sample: {line}")
            continue
        name, labels, value = match.group(1), dict(LABEL.findall(match.group(3) or "")), float(match.group(4))
        if family is None:
            problems.append(f"line {number}: {name} has no HELP")
            continue
        kind = types.get(family)
        ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        if not any(name == family + end for end in ends):
            problems.append(f"line {number}: {name} is not of the family {family}")
        key = (name, tuple(sorted(labels.items())))
        if key in seen:
            problems.append(f"line {number}: {name} a second time with the same labels")
        seen.add(key)
        if kind == "histogram":
            bound = labels.pop("le", None)
            one = series.setdefault((family, tuple(sorted(labels.items()))), {"buckets": []})
            if name.endswith("_bucket"):
                one["buckets"].append((float(bound), value))
            else:
                one[name[len(family):]] = value
    for (name, labels), one in series.items():
        buckets = one["buckets"]
        if buckets != sorted(buckets) or [b[1] for b in buckets] != sorted(b[1] for b in buckets):
            problems.append(f"{name} {labels}: its buckets are not cumulative")
        if not buckets or buckets[-1][0] != float("inf") or buckets[-1][1] != one.get("_count") or "_sum" not in one:
            problems.append(f"{name} {labels}: +Inf, count and sum do not fit")
    return problems


if __name__ == "__main__":
    found = check(sys.stdin.read())
    print("\n".join(found))
    sys.exit(1 if found else 0)
