"""Slot after slot while the cloud fails in every way it knows and the daemon is killed every few seconds.

The normal run has 20 instances by 6 slots (45 s), the nightly one 50 by 20 (4 minutes).
"""

import collections
import random
import time

from agreement import WHOLE_SLOT, complaints_of, is_sound, read_ledger, slot_text, tell_stories
from integration.daemon import Daemon, configuration
from lives import KEYS, NIGHTLY, patiently

SEED = 20261124
INSTANCES, SLOTS, PERIOD = (50, 20, 12) if NIGHTLY else (20, 6, 6)
FAULTS = ("lost=0.2,reset-before=0.05,reset-after=0.05,http-502=0.05,http-500-after=0.05,garbage=0.1,"
          "error:RequestLimitExceeded=0.1,error:ResourceUnavailable.InstanceLockedError=0.1,"
          "error:InternalError.InternalError=0.05")


def schedule_of(names):
    """A run ends at least a second before the next slot, so that a request's time tells its slot."""
    return {"storm": {"every": f"{PERIOD}s", "start_within": f"{PERIOD - 3}s", "instances": names}}


def live_through(config, directory, until, chance):
    """Lives with a kill every few seconds until the last slot has begun and had its time; the log of all."""
    events, lives = [], 0
    while time.time() < until:
        with Daemon(config, KEYS, directory=directory) as daemon:
            lives += 1
            patiently(lambda: daemon.process.poll() is not None or time.time() >= until, chance.uniform(0.3, 3.5), 0.02)
            assert daemon.process.poll() is None, f"it ended by itself: {daemon.lines[-5:]}"
            daemon.process.kill()
            daemon.end()
        events += daemon.events()
    return events, lives


def calm_down(config, directory, last):
    """A last life without kills, till all slots up to the last have ended in the ledger."""
    def is_quiet():
        rows = [row for row in read_ledger(directory) if row.slot <= last]
        return all(row.state == 1 for row in rows) and any(row.slot == last and row.instance == WHOLE_SLOT for row in rows)

    with Daemon(config, KEYS, directory=directory) as daemon:
        daemon.wait_for("ready", timeout=30)
        assert patiently(is_quiet, 60), [row for row in read_ledger(directory) if row.state == 0]
        assert daemon.stop() == 0
    return daemon.events()


def test_faults_and_kills(stand_in, tmp_path):
    cloud = stand_in("--any-instance", "--task-time", "1s", "--latency", "50ms", "--chance", FAULTS, "--seed", SEED,
                     "--chance-action", "ManualBackupInstance")
    names = [f"crs-stor{number:04d}" for number in range(INSTANCES)]
    directory = str(tmp_path)
    config = configuration(cloud, schedule_of(names), tls=False, requests={"connect_timeout": "1s", "timeout": "1s"})
    first = (int(time.time() + 2.5) // PERIOD + 1) * PERIOD
    last = first + (SLOTS - 1) * PERIOD
    time.sleep(max(0.0, first - 2.5 - time.time()))
    chance = random.Random(SEED)
    events, lives = live_through(config, directory, last + 2, chance)
    events += calm_down(config, directory, slot_text(last))

    slots = [slot_text(first + number * PERIOD) for number in range(SLOTS)]
    rows = read_ledger(directory)
    assert is_sound(directory)
    stories = tell_stories(slots, names, PERIOD, rows, events, cloud.arrivals())
    asked = {key: story for key, story in stories.items() if key[0] in slots}
    ends = collections.Counter(story.row.result if story.row else "passed" for story in asked.values())
    print(f"{len(asked)} runs, {lives} lives: {dict(ends)}; {sum(len(one.tasks) for one in asked.values())} backups, "
          f"{sum(one.arrivals for one in asked.values())} requests")
    complaints = complaints_of(asked)
    assert not complaints, "\n".join(complaints)
    assert len(asked) == INSTANCES * SLOTS
    assert lives > SLOTS * PERIOD / 6
