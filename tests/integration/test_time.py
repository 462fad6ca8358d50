"""The days on which clocks change, and clocks that jump: the real binary under libfaketime.

The daemon and the stand-in of the cloud share one fake wall clock, a file with an offset that a test can change
while they run; the monotonic clock is the real one. Expected instants are written by hand from the zones' rules.
"""

import os
import subprocess
import time

import pytest

from cloud.stand_in import StandIn
from daemon import Daemon, configuration
from fake_clock import FakeClock, seconds

ZONES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "zoneinfo")
KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")


@pytest.fixture
def clock(tmp_path):
    return FakeClock(str(tmp_path))


@pytest.fixture
def cloud(clock, tls_dir, monkeypatch):
    clock.set("2026-06-01T00:00:00Z")
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    with StandIn("--any-instance", "--task-time", "0", tls_dir=tls_dir) as stand_in:
        for name in clock.environment:
            monkeypatch.delenv(name)
        yield stand_in


def daemon_of(clock, cloud, directory, cron, zone, zones=ZONES, **more):
    schedule = {"cron": cron, "timezone": zone, "start_within": "4h", "instances": ["crs-time0001"], **more}
    # Zones whose rules are being changed by their governments are kept beside the tests.
    environment = {"TZDIR": zones} if os.path.exists(os.path.join(zones, zone)) else {}
    return Daemon(configuration(cloud, {"s": schedule}, tls=False), KEYS, environment={**clock.environment, **environment},
                  directory=str(directory))


def slots(events):
    return [event["slot"] for event in events]


# Zone, expression, the instant to start at (a few seconds before), the slots that follow there, and an instant shortly before
# the next regular one, which must come too.
CHANGES = [
    ("forward-new-york", "America/New_York", "30 2 * * *", "2026-03-08T06:59:57Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"),
    ("back-new-york", "America/New_York", "30 1 * * *", "2026-11-01T05:29:57Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"),
    ("forward-santiago", "America/Santiago", "0 0 * * *", "2026-09-06T03:59:57Z", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"),
    ("back-santiago", "America/Santiago", "30 23 * * *", "2026-04-05T02:29:57Z", "2026-04-05T02:30:00Z", "2026-04-06T03:30:00Z"),
    ("forward-cairo", "Africa/Cairo", "15 0 * * *", "2026-04-23T21:59:57Z", "2026-04-23T22:00:00Z", "2026-04-24T21:15:00Z"),
    ("back-cairo", "Africa/Cairo", "30 23 * * *", "2026-10-29T20:29:57Z", "2026-10-29T20:30:00Z", "2026-10-30T21:30:00Z"),
    ("forward-beirut", "Asia/Beirut", "0 0 * * *", "2026-03-28T21:59:57Z", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"),
    ("back-beirut", "Asia/Beirut", "30 23 * * *", "2026-10-24T20:29:57Z", "2026-10-24T20:30:00Z", "2026-10-25T21:30:00Z"),
    ("forward-havana", "America/Havana", "0 0 * * *", "2026-03-08T04:59:57Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
    ("back-havana", "America/Havana", "30 0 * * *", "2026-11-01T04:29:57Z", "2026-11-01T04:30:00Z", "2026-11-02T05:30:00Z"),
    ("leap-day", "Asia/Shanghai", "0 3 29 2 *", "2028-02-28T18:59:57Z", "2028-02-28T19:00:00Z", "2032-02-28T19:00:00Z"),
    ("years-end", "Asia/Shanghai", "0 0 1 1 *", "2026-12-31T15:59:57Z", "2026-12-31T16:00:00Z", "2027-12-31T16:00:00Z"),
]


def run_through_a_change(clock, cloud, directory, row, zones=ZONES):
    zone, cron, start, slot, following = row
    clock.set(start)
    with daemon_of(clock, cloud, directory, cron, zone, zones) as daemon:
        daemon.wait_for("backup_submitted", 1, timeout=15)
        daemon.reload()  # in the middle: nothing changes
        daemon.wait_for("reloaded")
        # To just before the next one; the reload wakes the loop, which looks at the clock.
        clock.set(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds(following) - 3)))
        daemon.reload()
        daemon.wait_for("reloaded", 2)
        submitted = daemon.wait_for("backup_submitted", 2, timeout=15)
        assert daemon.stop() == 0
    assert slots(submitted) == [slot, following]
    assert len(cloud.arrivals()) == 2


@pytest.mark.parametrize("row", [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_a_change_of_the_clock_runs_once(clock, cloud, tmp_path, row):
    run_through_a_change(clock, cloud, tmp_path, row)


# By decree, not by a rule that comes back: the zone's lines for zic, the expression and the rest as above.
DECREES = [
    ("back", "Zone Test/Decree 6:00 - +06 2026 Sep 1\n\t\t\t5:00 - +05\n", "30 23 * * *",
     "2026-08-31T17:29:57Z", "2026-08-31T17:30:00Z", "2026-09-01T18:30:00Z"),
    ("forward", "Zone Test/Decree 5:00 - +05 2026 Sep 1\n\t\t\t6:00 - +06\n", "30 0 * * *",
     "2026-08-31T18:59:57Z", "2026-08-31T19:00:00Z", "2026-09-01T18:30:00Z"),
]


@pytest.mark.parametrize("source, row", [(row[1], ("Test/Decree", *row[2:])) for row in DECREES], ids=[row[0] for row in DECREES])
def test_an_offset_that_changes_by_decree(clock, cloud, tmp_path, source, row):
    (tmp_path / "decree").write_text(source)
    subprocess.run(["/usr/sbin/zic", "-d", str(tmp_path / "zones"), str(tmp_path / "decree")], check=True)
    run_through_a_change(clock, cloud, tmp_path, row, str(tmp_path / "zones"))


def test_downtime_over_many_slots_catches_the_latest_up(clock, cloud, tmp_path):
    clock.set("2026-06-01T02:59:57Z")
    with daemon_of(clock, cloud, tmp_path, "0 * * * *", "UTC") as daemon:
        daemon.wait_for("backup_submitted", 1, timeout=15)
        assert daemon.stop() == 0
    clock.set("2026-06-01T07:20:00Z")
    with daemon_of(clock, cloud, tmp_path, "0 * * * *", "UTC") as daemon:
        daemon.wait_for("ready")
        daemon.reload()
        daemon.wait_for("reloaded")
        daemon.wait_for("backup_submitted", 1, timeout=15)
        daemon.reload()
        daemon.wait_for("reloaded", 2)
        missed = daemon.events("backup_missed")
        assert daemon.stop() == 0
        caught_up = daemon.events("backup_submitted")
    assert slots(caught_up) == ["2026-06-01T07:00:00Z"]
    assert slots(missed) == [f"2026-06-01T0{hour}:00:00Z" for hour in (4, 5, 6)]
    with daemon_of(clock, cloud, tmp_path, "0 * * * *", "UTC") as daemon:
        daemon.wait_for("ready")
        time.sleep(3)
        assert not daemon.events("backup_submitted") and not daemon.events("backup_missed")
        assert daemon.stop() == 0
    assert len(cloud.arrivals()) == 2


@pytest.mark.parametrize("back, expected", [("2026-06-01T03:40:00Z", []), ("2026-06-01T04:10:00Z", ["2026-06-01T04:00:00Z"])],
                         ids=["no-slot", "one-slot"])
def test_downtime_over_no_slot_and_over_one(clock, cloud, tmp_path, back, expected):
    clock.set("2026-06-01T02:59:57Z")
    with daemon_of(clock, cloud, tmp_path, "0 * * * *", "UTC") as daemon:
        daemon.wait_for("backup_submitted", 1, timeout=15)
        assert daemon.stop() == 0
    clock.set(back)
    with daemon_of(clock, cloud, tmp_path, "0 * * * *", "UTC") as daemon:
        daemon.wait_for("ready")
        daemon.reload()
        daemon.wait_for("reloaded")
        if expected:
            daemon.wait_for("backup_submitted", len(expected), timeout=15)
        else:
            time.sleep(3)
        daemon.reload()
        daemon.wait_for("reloaded", 2)
        assert slots(daemon.events("backup_submitted")) == expected
        assert not daemon.events("backup_missed")
        assert daemon.stop() == 0


def test_what_is_too_old_is_missed_and_said_once(clock, cloud, tmp_path):
    clock.set("2026-06-01T02:59:57Z")
    with daemon_of(clock, cloud, tmp_path, "0 3 * * *", "UTC") as daemon:
        daemon.wait_for("backup_submitted", 1, timeout=15)
        assert daemon.stop() == 0
    clock.set("2026-06-04T12:00:00Z")
    with daemon_of(clock, cloud, tmp_path, "0 3 * * *", "UTC") as daemon:
        daemon.wait_for("backup_missed", 3)
        daemon.reload()
        daemon.wait_for("reloaded")
        time.sleep(2)
        assert not daemon.events("backup_submitted")
        assert daemon.stop() == 0
        missed = daemon.events("backup_missed")
    assert slots(missed) == ["2026-06-02T03:00:00Z", "2026-06-03T03:00:00Z", "2026-06-04T03:00:00Z"]


def hours(first, before):
    return [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in range(first, before, 3600)]


def hours_of(event):
    """The hourly slots of a line, which may be of one or of a row of them."""
    found = hours(seconds(event["slot"]), seconds(event["before"])) if "before" in event else [event["slot"]]
    assert len(found) == int(event.get("slots", 1))
    return found


@pytest.mark.parametrize("step", [1, -1, 3600, -3600, 86400, -86400], ids=lambda step: f"{step:+d}s")
def test_a_step_of_the_clock_doubles_nothing(clock, cloud, tmp_path, step):
    """Hourly slots; the step comes right after one, then the clock is brought to just before a slot of its new reading."""
    clock.set("2026-06-02T02:59:57Z")
    with daemon_of(clock, cloud, tmp_path, "0 * * * *", "UTC") as daemon:
        daemon.wait_for("backup_submitted", 1, timeout=15)
        clock.step(step)
        daemon.reload()
        daemon.wait_for("reloaded")
        if abs(step) > 1:
            daemon.wait_for("clock_jumped")
        clock.set("2026-06-03T05:59:57Z")
        daemon.reload()
        daemon.wait_for("reloaded", 2)
        deadline = time.monotonic() + 15
        while "2026-06-03T06:00:00Z" not in slots(daemon.events("backup_submitted")) and time.monotonic() < deadline:
            time.sleep(0.05)
        submitted = slots(daemon.events("backup_submitted"))
        assert daemon.stop() == 0
    assert submitted[0] == "2026-06-02T03:00:00Z"
    assert submitted[-1] == "2026-06-03T06:00:00Z"
    assert len(submitted) == len(set(submitted))
    assert len(cloud.arrivals()) == len(submitted)
    # Every hour in between ran, was caught up, or was said to be missed; none twice, none lost.
    told = [hour for event in daemon.events("backup_missed") for hour in hours_of(event)]
    every = hours(seconds("2026-06-02T03:00:00Z"), seconds("2026-06-03T07:00:00Z"))
    assert sorted(told + submitted) == every


def test_a_suspend_of_three_days(clock, cloud, tmp_path):
    """In a suspend the wall clock goes on and the monotonic one does not: to the daemon, a step."""
    clock.set("2026-06-01T02:59:57Z")
    with daemon_of(clock, cloud, tmp_path, "0 3 * * *", "UTC") as daemon:
        daemon.wait_for("backup_submitted", 1, timeout=15)
        clock.set("2026-06-04T04:00:00Z")
        daemon.reload()
        submitted = daemon.wait_for("backup_submitted", 2, timeout=15)
        missed = daemon.wait_for("backup_missed", 2)
        assert daemon.stop() == 0
    assert slots(submitted) == ["2026-06-01T03:00:00Z", "2026-06-04T03:00:00Z"]
    assert slots(missed) == ["2026-06-02T03:00:00Z", "2026-06-03T03:00:00Z"]


def test_a_zone_file_that_changes_is_taken_up_by_a_reload(cloud, clock, tmp_path):
    zones = tmp_path / "zones"
    (zones / "Test").mkdir(parents=True)

    def write_zone(source):
        fresh = zones / "Test" / "Zone.new"
        fresh.write_bytes(open(f"/usr/share/zoneinfo/{source}", "rb").read())
        fresh.rename(zones / "Test" / "Zone")

    clock.set("2026-06-01T00:00:00Z")
    write_zone("Asia/Shanghai")
    config = configuration(cloud, {"s": {"cron": "0 12 * * *", "timezone": "Test/Zone", "instances": ["crs-time0001"]}}, tls=False)
    with Daemon(config, KEYS, environment={**clock.environment, "TZDIR": str(zones)}, directory=str(tmp_path)) as daemon:
        assert daemon.wait_for("ready")[0]["next_slot"] == "2026-06-01T04:00:00Z"
        write_zone("Europe/Berlin")
        daemon.reload()
        assert daemon.wait_for("reloaded")[0]["next_slot"] == "2026-06-01T10:00:00Z"
        (zones / "Test" / "Zone").write_bytes(b"TZif2 is all that is left of it")
        daemon.reload()
        assert "Test/Zone" in daemon.wait_for("reload_failed")[0]["message"]
        assert daemon.stop() == 0
