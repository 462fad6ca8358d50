"""The main job, end to end: a slot of 200 instances over TLS, paced, and its task IDs in a real syslog."""

import re
import time

import pytest

import syslogd
from daemon import Daemon, configuration, soon
from service_manager import ServiceManager

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
COUNT = 200
PERIOD = 20  # at least
SUBMITTED = re.compile(
    r"event=backup_submitted schedule=nightly instance=(crs-[a-z0-9]+) region=ap-guangzhou slot=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) "
    r"attempt=1 task_id=(\d+) request_id=([0-9a-f-]{36})$")


def on_dev_log(test):
    """There is one /dev/log: those who need it run one after the other."""
    return pytest.mark.xdist_group("dev-log")(pytest.mark.skipif(syslogd.why_not() is not None, reason=str(syslogd.why_not()))(test))


def instances(count=COUNT):
    return [f"crs-burs{number:04d}" for number in range(count)]


def burst(cloud, **more):
    """A configuration whose slot is due in a few seconds, and that instant."""
    period, due = soon(PERIOD, 4)
    config = configuration(cloud, {"nightly": {"every": f"{period}s", "start_within": "19s", "instances": instances()}}, **more)
    return config, due


def check_truth(cloud, due):
    """What the cloud saw: each instance accepted once, no window over 20, the whole backlog at 19.7 a second."""
    arrivals = cloud.arrivals()
    assert len(arrivals) == COUNT
    assert {arrival["instance"] for arrival in arrivals} == set(instances())
    assert all(arrival["code"] == "OK" and arrival["acted"] for arrival in arrivals)
    stats = cloud.stats(since=due * 10**9)
    assert stats["worst_window"] <= 20
    assert stats["rate_since_per_s"] >= 19.7
    assert all(arrival["wall_ns"] >= due * 10**9 for arrival in arrivals)
    return stats


@pytest.mark.alone
def test_a_burst_is_paced_and_complete(stand_in):
    cloud = stand_in("--any-instance", "--latency", "150ms")
    config, due = burst(cloud)
    with Daemon(config, KEYS) as daemon:
        submitted = daemon.wait_for("backup_submitted", COUNT, timeout=30)
        assert daemon.stop() == 0
    assert len(submitted) == COUNT
    tasks = {arrival["instance"]: str(arrival["task_id"]) for arrival in cloud.arrivals()}
    assert {event["instance"]: event["task_id"] for event in submitted} == tasks
    check_truth(cloud, due)
    assert not daemon.events("backup_retry") and not daemon.events("throttled")


@pytest.mark.alone
@on_dev_log
def test_task_ids_stand_in_a_real_syslog(stand_in):
    cloud = stand_in("--any-instance", "--latency", "150ms")
    with syslogd.Syslogd() as syslog:
        config, due = burst(cloud, log={"target": "syslog"})
        with Daemon(config, KEYS) as daemon:
            lines = syslog.wait_for("event=backup_submitted", COUNT, timeout=30)
            assert daemon.stop() == 0
        stopped = syslog.wait_for("event=stopped", 1)
    check_truth(cloud, due)
    assert len(lines) == COUNT
    tasks = {}
    for line in lines:
        found = SUBMITTED.search(line)
        assert found, line
        assert line.startswith("daemon.notice crsbackupd["), line
        tasks[found.group(1)] = found.group(3)
    assert tasks == {arrival["instance"]: str(arrival["task_id"]) for arrival in cloud.arrivals()}
    assert f"submitted={COUNT} failed=0" in stopped[0]


QUIET_NAMES = instances(20)


def quiet_between(cloud, period, **log):
    """A configuration whose slots last a second or so, with seconds between them in which nothing is logged."""
    schedules = {"nightly": {"every": f"{period}s", "start_within": "5s", "instances": QUIET_NAMES}}
    return configuration(cloud, schedules, log=log)


def take_away(syslog, period):
    """Stops the log daemon between two slots and returns how many lines of slots it has.

    What lies in its socket when it ends is lost to everybody, so nothing may be under way: all lines of a
    slot stand in its file, and the next one is far.
    """
    slots = 1
    while True:
        lines = instances_of(syslog.wait_for("event=backup_submitted", slots * len(QUIET_NAMES), timeout=40))
        due = (int(time.time()) // period + 1) * period
        if len(lines) == slots * len(QUIET_NAMES) and due - time.time() > 3:
            syslog.stop()
            assert time.time() < due, "the log daemon took seconds to end"
            return len(lines)
        slots = len(lines) // len(QUIET_NAMES) + 1


def instances_of(lines):
    return [re.search(r'instance(?:=|":")(crs-[a-z0-9]+)', line).group(1) for line in lines if "backup_submitted" in line]


def wait_for_arrivals(cloud, count):
    deadline = time.monotonic() + 40
    while len(cloud.arrivals()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@on_dev_log
@pytest.mark.parametrize(("target", "reloads"), [("syslog", []), ("auto", [{"level": "debug"}, {"format": "json"}, {}])])
def test_a_syslog_that_vanishes_and_returns_loses_nothing(stand_in, target, reloads):
    """Nor with reloads while it is away: another level or format neither moves nor drops what is kept."""
    cloud = stand_in("--any-instance", "--task-time", "0")
    with syslogd.Syslogd() as syslog, ServiceManager() as manager:
        period, _due = soon(6, 3)
        with Daemon(quiet_between(cloud, period, target=target), KEYS, environment=manager.environment) as daemon:
            manager.wait_for("READY=1")
            before = take_away(syslog, period)
            for log in reloads:
                daemon.write(quiet_between(cloud, period, target=target, **log))
                daemon.reload()
                manager.wait_for("READY=1")
            wait_for_arrivals(cloud, before + len(QUIET_NAMES))
            syslog.start()
            assert len(syslog.wait_for("backup_submitted", before + len(QUIET_NAMES))) >= before + len(QUIET_NAMES)
            assert daemon.stop() == 0
        lines = syslog.lines()
    submitted = instances_of(lines)
    assert submitted == (QUIET_NAMES * len(submitted))[:len(submitted)]
    assert len([line for line in lines if re.search(r'event(=|":")reloaded', line)]) == len(reloads)
    assert all(re.match(r"daemon\.\w+ crsbackupd\[\d+\]: ", line) for line in lines if "backup_submitted" in line)
    assert not daemon.lines


@on_dev_log
@pytest.mark.parametrize("reloaded", [False, True])
def test_what_syslog_does_not_take_stands_on_standard_error(stand_in, reloaded):
    """In the end, or with a reload that names it as the target."""
    cloud = stand_in("--any-instance", "--task-time", "0")
    with syslogd.Syslogd() as syslog:
        period, _due = soon(6, 3)
        with Daemon(quiet_between(cloud, period, target="syslog"), KEYS) as daemon:
            before = take_away(syslog, period)
            if reloaded:
                wait_for_arrivals(cloud, before + len(QUIET_NAMES) // 2)
                daemon.write(quiet_between(cloud, period, target="stderr"))
                daemon.reload()
            wait_for_arrivals(cloud, before + len(QUIET_NAMES))
            assert daemon.stop() == 0
        submitted = instances_of(syslog.lines())
    assert len(submitted) == before
    submitted += instances_of(daemon.lines)
    assert len(submitted) >= before + len(QUIET_NAMES)
    assert submitted == (QUIET_NAMES * len(submitted))[:len(submitted)]
    assert daemon.lines[-1].startswith("event=stopped ")
    if reloaded:
        assert not daemon.events("log_undelivered")
    else:
        assert daemon.lines[0] == f"event=log_undelivered target=syslog lines={len(daemon.lines) - 1}"


def test_a_connection_is_opened_before_its_slot(stand_in):
    """Slots further apart than idle connections live: the connection has to be opened ahead."""
    cloud = stand_in("--any-instance", "--latency", "20ms", "--idle-timeout", "5s")
    period, _due = soon(11, 4)
    config = configuration(cloud, {"nightly": {"every": f"{period}s", "instances": ["crs-first001"]}})
    with Daemon(config, KEYS) as daemon:
        daemon.wait_for("backup_submitted", 2, timeout=60)
        assert daemon.stop() == 0
    opened = {line["conn"]: line["wall_ns"] for line in cloud.truth() if line["kind"] == "connection" and line["event"] == "handshake"}
    for arrival in cloud.arrivals():
        due = arrival["wall_ns"] // (period * 10**9) * period * 10**9
        assert opened[arrival["conn"]] < due, "its connection was opened too late"
