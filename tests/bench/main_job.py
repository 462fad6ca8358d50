"""The figures of the main job against the stand-in over TLS: pacing of a burst, lateness of a slot, idling.

    main_job.py burst [--runs 10]      200 instances due at one instant, 150 ms latency
    main_job.py lateness [--slots 30]  the first request of each slot, connections idle for longer than they are kept
    main_job.py idle [--seconds 180]   wake-ups and resident memory without work

CRSBACKUPD names the binary; a release build, please. What is printed are figures, never a verdict.
"""

import argparse
import os
import statistics
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:1] = [TESTS, os.path.join(TESTS, "integration")]

from cloud.stand_in import SECRET_ID, SECRET_KEY, StandIn  # noqa: E402
from daemon import Daemon, configuration, soon  # noqa: E402

KEYS = (SECRET_ID, SECRET_KEY)
COUNT = 200


def burst(runs):
    print("run  accepted  valid  worst window  rate/s  rate since due/s  first after ms")
    for run in range(1, runs + 1):
        with StandIn("--any-instance", "--latency", "150ms") as cloud:
            names = [f"crs-burs{number:04d}" for number in range(COUNT)]
            period, due = soon(20, 4)
            config = configuration(cloud, {"nightly": {"every": f"{period}s", "start_within": "19s", "instances": names}})
            with Daemon(config, KEYS) as daemon:
                daemon.wait_for("backup_submitted", COUNT, timeout=40)
                daemon.stop()
            stats = cloud.stats(since=due * 10**9)
        print(f"{run:3}  {stats['backed_up']:8}  {stats['signatures'].get('valid', 0):5}  {stats['worst_window']:12}  "
              f"{stats['rate_per_s']:6.2f}  {stats['rate_since_per_s']:16.2f}  {stats['first_after_ms']:14.2f}", flush=True)


def lateness(slots, period):
    with StandIn("--any-instance", "--latency", "20ms") as cloud:
        config = configuration(cloud, {"nightly": {"every": f"{period}s", "instances": ["crs-late0001"]}})
        with Daemon(config, KEYS) as daemon:
            daemon.wait_for("backup_submitted", slots, timeout=slots * period + 60)
            daemon.stop()
        late = sorted(arrival["wall_ns"] % (period * 10**9) / 1e6 for arrival in cloud.arrivals())
        connections = cloud.stats()["connections"]
    print(f"{len(late)} slots {period} s apart over {connections} connections: first request after its instant, ms: "
          f"min {late[0]:.2f}  median {statistics.median(late):.2f}  max {late[-1]:.2f}")


def figures(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    return int(status["voluntary_ctxt_switches"]), int(status["VmRSS"].split()[0])


def idle(seconds):
    with StandIn("--any-instance") as cloud:
        config = configuration(cloud, {"nightly": {"cron": "0 3 1 1 *", "instances": ["crs-idle0001"]}})
        with Daemon(config, KEYS) as daemon:
            daemon.wait_for("ready")
            time.sleep(5)
            before, _ = figures(daemon.process.pid)
            time.sleep(seconds)
            after, resident = figures(daemon.process.pid)
            daemon.stop()
    print(f"idle for {seconds} s: {after - before} wake-ups ({(after - before) * 60 / seconds:.2f} a minute), {resident / 1000:.1f} MB resident")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["burst", "lateness", "idle"])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--slots", type=int, default=30)
    parser.add_argument("--period", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=180)
    options = parser.parse_args()
    if options.what == "burst":
        burst(options.runs)
    elif options.what == "lateness":
        lateness(options.slots, options.period)
    else:
        idle(options.seconds)


if __name__ == "__main__":
    main()
