"""Every installed zone, read by probe_zone and by Python's zoneinfo: at each transition from 1970 to
2100, and one second before and after it, both show the same offset and abbreviation; and the
changes that the probe lists are all there are.

usage: zone_against_zoneinfo.py PROBE
"""

import os
import subprocess
import sys
import zoneinfo
from datetime import datetime, timezone
from zoneinfo import _zoneinfo  # the pure Python reader, whose table can be looked into

ROOT = "/usr/share/zoneinfo"
FIRST = 0
LAST = int(datetime(2100, 1, 1, tzinfo=timezone.utc).timestamp())


def zone_files():
    seen = set()
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in ("right", "posix"))
        for name in sorted(files):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                content = file.read()
            if content[:4] == b"TZif" and content not in seen:
                seen.add(content)
                yield path


def transitions(path):
    with open(path, "rb") as file:
        zone = _zoneinfo.ZoneInfo.from_file(file)
    times = list(zone._trans_utc)
    rule = zone._tz_after
    if isinstance(rule, _zoneinfo._TZStr):
        begin = times[-1] if times else FIRST
        for year in range(1969, 2101):
            start, end = rule.transitions(year)
            for local, before in ((start, rule.std), (end, rule.dst)):
                instant = int(local - before.utcoff.total_seconds())
                if instant > begin:
                    times.append(instant)
    return sorted(t for t in times if FIRST <= t < LAST)


def main(probe):
    questions, expected, changes, count, points = [], [], 0, 0, 0
    for path in zone_files():
        with open(path, "rb") as file:
            zone = zoneinfo.ZoneInfo.from_file(file)

        def shown(second):
            when = datetime.fromtimestamp(second, zone)
            return int(when.utcoffset().total_seconds()), when.tzname()

        count += 1
        questions.append(f"zone {path}")
        wanted = []
        for t in transitions(path):
            for second in (t - 1, t, t + 1):
                offset, name = shown(second)
                questions.append(f"at {second}")
                expected.append((path, second, f"{offset} {name}"))
                points += 1
            before, after = shown(t - 1)[0], shown(t)[0]
            if before != after and t > FIRST:
                wanted.append((path, t, f"{t} {before} {after}"))
        questions.append(f"changes {FIRST} {LAST}")
        expected += wanted + [(path, "changes", "end")]
        changes += len(wanted)
    run = subprocess.run([probe], input="\n".join(questions) + "\n", capture_output=True, text=True,
                         check=False)
    if run.returncode != 0:
        sys.exit(f"probe failed: {run.stderr}")
    answers = run.stdout.splitlines()
    wrong = [(e, a) for e, a in zip(expected, answers) if e[2] != a]
    for (path, second, text), answer in wrong[:20]:
        print(f"{path} at {second}: {answer}, zoneinfo says {text}")
    print(f"{count} zones, {points} instants, {changes} changes of offset, {len(wrong)} differ")
    if wrong or len(answers) != len(expected) or count < 300:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
