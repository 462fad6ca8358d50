"""The figures of a restart after kill -9 with many runs open, against the stand-in.

    restart.py [--runs 10000] [--lives 5]

Three ledgers: `members` of a slot that was opened, none of them begun; `started` attempts whose answers were
lost; `watched` backups that are not known to have ended. Each is left by a daemon that was killed, and each
life after it is killed too. From the start of the process: to ready, to the first line about a run, and to
the first request that reaches the stand-in, which comes a second after ready at the earliest, since an
earlier life may have used the second's tokens. At the end the instances that were backed up twice.

CRSBACKUPD names the binary; a release build, please. What is printed are figures, never a verdict.
"""

import argparse
import collections
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:1] = [TESTS, os.path.join(TESTS, "integration")]

from cloud.stand_in import SECRET_ID, SECRET_KEY, StandIn  # noqa: E402
from daemon import Daemon, configuration  # noqa: E402

KEYS = (SECRET_ID, SECRET_KEY)
STATES = {
    "members": "",
    "started": "INSERT INTO runs(schedule, slot, instance, region, state, attempt, first_at, started_at)"
               " SELECT 'nightly', {slot}, printf('crs-open%05d', i), 'ap-guangzhou', 0, 1, {slot}, {slot} FROM n",
    "watched": "INSERT INTO runs(schedule, slot, instance, region, state, attempt, first_at, started_at, ended_at, result, task_id, finish)"
               " SELECT 'nightly', {slot}, printf('crs-open%05d', i), 'ap-guangzhou', 1, 1, {slot}, {slot}, {slot}, 'submitted', 1000 + i, 'open'"
               " FROM n",
}
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {runs}) "


def leave_open(directory, config, what, runs):
    """A slot of `runs` members in this state, as a killed daemon leaves it."""
    with Daemon(config, KEYS, directory=directory) as daemon:
        daemon.wait_for("ready", timeout=60)
        daemon.process.kill()
        daemon.end()
    slot = int(time.time()) * 1_000_000
    with sqlite3.connect(os.path.join(directory, "ledger.db")) as connection:
        connection.execute("INSERT INTO runs(schedule, slot, instance, state, attempt) VALUES('nightly', ?, '*', 0, 0)", (slot,))
        if STATES[what]:
            connection.execute((NUMBERS + STATES[what]).format(runs=runs, slot=slot))
    connection.close()


def one_life(cloud, config, directory):
    """Milliseconds to ready, to the first line about a run, to the first arrival."""
    seen = len(cloud.arrivals(None))
    begun_wall, begun = time.time_ns(), time.monotonic()
    with Daemon(config, KEYS, directory=directory) as daemon:
        ready = first = None
        while time.monotonic() - begun < 20 and (ready is None or first is None):
            lines = list(daemon.lines)
            now = (time.monotonic() - begun) * 1000
            if ready is None and any(line.startswith("event=ready") for line in lines):
                ready = now
            if first is None and any(line.startswith(("event=backup_", "event=slot_resumed")) for line in lines):
                first = now
            time.sleep(0.002)
        deadline = time.monotonic() + 10
        while len(cloud.arrivals(None)) == seen and time.monotonic() < deadline:
            time.sleep(0.1)
        resident = open(f"/proc/{daemon.process.pid}/status", encoding="ascii").read().split("VmHWM:")[1].split()[0]
        daemon.process.kill()
        daemon.end()
    arrivals = cloud.arrivals(None)[seen:]
    return ready, first, (arrivals[0]["wall_ns"] - begun_wall) / 1e6 if arrivals else None, int(resident) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10000)
    parser.add_argument("--lives", type=int, default=5)
    options = parser.parse_args()
    names = [f"crs-open{number:05d}" for number in range(1, options.runs + 1)]
    print("open runs          ready ms (max)   first line ms (max)   first request ms (max)   most resident MB  doubled")
    for what in STATES:
        directory = tempfile.mkdtemp(prefix="restart-")
        try:
            with StandIn("--any-instance") as cloud:
                nightly = {"every": "366d", "start_within": "8h", "instances": names}
                config = configuration(cloud, {"nightly": nightly}, tls=False)
                leave_open(directory, config, what, options.runs)
                lives = [one_life(cloud, config, directory) for _ in range(options.lives)]
                backups = collections.Counter(arrival["instance"] for arrival in cloud.arrivals() if arrival["acted"])
        finally:
            shutil.rmtree(directory)
        columns = [[value for value in column if value is not None] for column in zip(*lives)]
        texts = [f"{statistics.median(column):.0f} ({max(column):.0f})" if column else "none" for column in columns]
        print(f"{options.runs:6} {what:10} {texts[0]:>15} {texts[1]:>21} {texts[2]:>24} {texts[3]:>18}"
              f" {sum(count > 1 for count in backups.values()):8}", flush=True)


if __name__ == "__main__":
    main()
