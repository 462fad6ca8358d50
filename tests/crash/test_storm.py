"""Slot after slot while the cloud fails in every way it knows and the daemon is killed every few seconds.

The normal run has 20 instances by 7 slots, the nightly one 50 by 20. Tasks fail too, and so do look-ups and
questions for tasks, though less. Slots come faster than runs end: the next waits for the one before it. Once
nothing runs while two of them come: the first is passed over as a whole, and must be accounted for all the same.
"""

import collections
import json
import random
import time

from agreement import complaints_of, is_over, is_sound, of_life, read_ledger, slot_text, tell_stories
from integration.daemon import Daemon, configuration
from lives import KEYS, NIGHTLY, patiently

SEED = 20261124
INSTANCES, SLOTS, PERIOD, START_WITHIN, CALM = (50, 20, 12, 60, 300) if NIGHTLY else (20, 7, 4, 12, 90)
OPENED_AHEAD = 2.5  # seconds; the daemon's are two
FAULTS = ("lost=0.2,reset-before=0.05,reset-after=0.05,http-502=0.05,http-500-after=0.05,garbage=0.1,"
          "error:RequestLimitExceeded=0.1,error:ResourceUnavailable.InstanceLockedError=0.1,"
          "error:InternalError.InternalError=0.05,task-fail=0.02")
OF_QUESTIONS = [{"match": {"action": "Describe*", "probability": chance}, "do": do} for chance, do in (
    (0.05, {"fault": "lost"}), (0.05, {"fault": "reset-before"}), (0.05, {"fault": "http", "status": 502}),
    (0.05, {"fault": "garbage"}), (0.05, {"fault": "error", "code": "InternalError.InternalError"}))]


def stay_down():
    """Until a slot that is not opened yet and the one after it have come; which it is that nobody catches up."""
    passed = (int(time.time() + OPENED_AHEAD) // PERIOD + 1) * PERIOD
    time.sleep(max(0.0, passed + PERIOD + 0.3 - time.time()))
    return passed


def live_through(config, directory, first, until, chance):
    """Lives with a kill every few seconds until the last slot has begun and had its time; the log of all, and the slot that passed."""
    events, lives, passed = [], 0, None
    while time.time() < until:
        end = until if passed else first + 2 * PERIOD + 1
        with Daemon(config, KEYS, directory=directory) as daemon:
            lives += 1
            patiently(lambda: daemon.process.poll() is not None or time.time() >= end, chance.uniform(0.3, 5), 0.02)
            assert daemon.process.poll() is None, f"it ended by itself: {daemon.lines[-5:]}"
            daemon.process.kill()
            daemon.end()
        events += of_life(lives, daemon.events())
        if not passed and time.time() >= end:
            passed = stay_down()
    return events, lives, passed


def calm_down(config, directory, last, life):
    """A last life without kills, till all is over in the ledger."""
    def is_quiet():
        rows = read_ledger(directory)
        return all(is_over(row) for row in rows) and any(row.slot == last for row in rows)

    with Daemon(config, KEYS, directory=directory) as daemon:
        daemon.wait_for("ready", timeout=30)
        assert patiently(is_quiet, CALM, 0.5), [row for row in read_ledger(directory) if not is_over(row)]
        assert daemon.stop() == 0
    return of_life(life, daemon.events())


def test_faults_and_kills(stand_in, tmp_path):
    script = tmp_path / "questions.json"
    script.write_text(json.dumps(OF_QUESTIONS), encoding="utf-8")
    cloud = stand_in("--any-instance", "--task-time", "1s", "--latency", "50ms", "--chance", FAULTS, "--seed", SEED,
                     "--chance-action", "ManualBackupInstance", "--faults", script)
    names = [f"crs-stor{number:04d}" for number in range(INSTANCES)]
    storm = {"every": f"{PERIOD}s", "start_within": f"{START_WITHIN}s", "instances": names}
    config = configuration(cloud, {"storm": storm}, tls=False,
                           requests={"connect_timeout": "1s", "timeout": "1s", "settle": "2s"})
    first = (int(time.time() + 2.5) // PERIOD + 1) * PERIOD
    last = first + (SLOTS - 1) * PERIOD
    time.sleep(max(0.0, first - 2.5 - time.time()))
    directory = str(tmp_path)
    events, lives, passed = live_through(config, directory, first, last + 1, random.Random(SEED))
    # Nothing new begins while it calms down: the schedule has another rule now.
    config["schedules"]["storm"]["every"] = "366d"
    events += calm_down(config, directory, slot_text(last), lives + 1)

    slots = [slot_text(first + number * PERIOD) for number in range(SLOTS)]
    stories = tell_stories(slots, names, read_ledger(directory), events, cloud.arrivals())
    assert is_sound(directory)
    asked = {key: story for key, story in stories.items() if key[0] >= slots[0]}
    ends = collections.Counter((story.row.result, story.row.finish) if story.row else "passed" for story in asked.values())
    found = sum(event.get("found") == "lookup" for event in events)
    print(f"{len(asked)} runs, {lives} lives: {dict(ends)}; {sum(len(one.tasks) for one in asked.values())} backups, "
          f"{sum(one.arrivals for one in asked.values())} requests, {found} found by a look-up")
    complaints = complaints_of(asked)
    assert not complaints, "\n".join(complaints)
    assert len(asked) >= INSTANCES * SLOTS
    assert all(stories[slot_text(passed), name].row is None for name in names)  # so that its own row is asked for
    assert lives >= (SLOTS - 2) * PERIOD / 6
    assert found > 0 and ends["submitted", "succeeded"] > len(asked) / 3
