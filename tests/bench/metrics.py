"""/metrics of 100,000 instances: its size, its time, and what ten scrapes a second cost the daemon.

    metrics.py [--instances 100000] [--seconds 20] [--per-second 10]

CRSBACKUPD names the binary; a release build, please. What is printed are figures, never a verdict.
"""

import argparse
import os
import statistics
import sys
import threading
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:1] = [TESTS, os.path.join(TESTS, "integration")]

from daemon import Daemon  # noqa: E402
from scrape import Metrics, connect, free_port, read_all  # noqa: E402

KEYS = ("AKIDbenchbenchbench", "benchbenchbenchbench")


def fetch(port):
    """(seconds, bytes) of one scrape."""
    begin = time.monotonic()
    with connect(port) as link:
        link.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        size = len(read_all(link))
    return time.monotonic() - begin, size


def scrape(port, seconds, per_second):
    """Times of scrapes that begin per_second times a second, whether those before have ended or not."""
    times, threads = [], []
    begin = time.monotonic()
    for number in range(seconds * per_second):
        time.sleep(max(0.0, begin + number / per_second - time.monotonic()))
        threads.append(threading.Thread(target=lambda: times.append(fetch(port)[0])))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return times, time.monotonic() - begin


def cpu_and_memory(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(status["VmRSS"].split()[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--instances", type=int, default=100000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--per-second", type=int, default=10)
    options = parser.parse_args()
    port = free_port()
    names = "\n".join(f"      - crs-{number:08d}" for number in range(options.instances))
    config = ("region: ap-guangzhou\nendpoint: http://127.0.0.1:9\nlog: {target: stderr}\n"
              f"metrics: {{listen: 127.0.0.1:{port}}}\n"
              f'schedules:\n  nightly:\n    cron: "0 0 29 2 *"\n    instances:\n{names}\n')
    with Daemon(config, KEYS) as daemon:
        daemon.wait_for("ready", timeout=60)
        pid = daemon.process.pid
        time.sleep(1)
        before = Metrics(port)("crsbackupd_loop_longest_turn_seconds")
        times = [fetch(port)[0] for _ in range(20)]
        size = fetch(port)[1]
        print(f"{options.instances} instances: {size / 1e6:.1f} MB, one scrape {1000 * statistics.median(times):.0f} ms (median of 20)")
        cpu, memory = cpu_and_memory(pid)
        times, took = scrape(port, options.seconds, options.per_second)
        cpu_after, memory_after = cpu_and_memory(pid)
        times.sort()
        print(f"{options.per_second} a second for {options.seconds} s: median {1000 * statistics.median(times):.0f} ms, 99 % "
              f"{1000 * times[len(times) * 99 // 100]:.0f} ms, worst {1000 * times[-1]:.0f} ms; "
              f"{100 * (cpu_after - cpu) / took:.0f} % of a processor; resident {memory} -> {memory_after} kB")
        longest = Metrics(port)("crsbackupd_loop_longest_turn_seconds")
        print(f"longest turn of the loop: {1000 * longest:.2f} ms, before the first scrape {1000 * before:.2f} ms")
        daemon.stop()


main()
