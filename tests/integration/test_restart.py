"""What a killed daemon's successor knows of backups that were begun."""

import time

import pytest

from daemon import Daemon, configuration, soon

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
NAME = "crs-aaaa0001"


def nightly(cloud, **more):
    """One slot in a few seconds, with a minute to be begun in."""
    period, _due = soon(120, 3)
    schedules = {"nightly": {"every": f"{period}s", "start_within": "60s", "instances": [NAME], **more}}
    return configuration(cloud, schedules, requests={"settle": "2s"})


def wait_until_acted(cloud, count):
    deadline = time.monotonic() + 40
    while len(acted(cloud)) < count:
        assert time.monotonic() < deadline, cloud.arrivals()
        time.sleep(0.02)


def acted(cloud):
    return [arrival for arrival in cloud.arrivals() if arrival["acted"]]


@pytest.mark.parametrize("leave", ["paused", "removed", "renamed"])
def test_a_backup_of_whom_the_file_no_longer_asks_for_is_found(stand_in, tmp_path, leave):
    """Killed between the request and its answer; then the schedule is paused, its instance another, or its name."""
    cloud = stand_in("--any-instance", "--task-time", "3s")
    cloud.set_faults({"match": {"action": "ManualBackupInstance"}, "do": {"fault": "lost"}})
    config = nightly(cloud)
    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        wait_until_acted(cloud, 1)
        daemon.process.kill()
        daemon.process.wait()
    schedule = config["schedules"]["nightly"]
    if leave == "paused":
        schedule["paused"] = True
    elif leave == "removed":
        schedule["instances"] = ["crs-bbbb0002"]
        cloud.set_faults()
    else:
        config["schedules"] = {"weekly": schedule}
    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        assert daemon.wait_for("backup_unknown")[0]["reason"] == "restart"
        succeeded = daemon.wait_for("backup_succeeded", timeout=40)
        assert daemon.stop() == 0
    found = [event for event in daemon.events("backup_submitted") if event["instance"] == NAME]
    assert len(found) == 1 and found[0]["found"] == "lookup" and found[0]["schedule"] == "nightly"
    assert found[0]["task_id"] == str(acted(cloud)[0]["task_id"]) in {event["task_id"] for event in succeeded}
    assert len([arrival for arrival in acted(cloud) if arrival["instance"] == NAME]) == 1


def test_failed_tasks_are_counted_over_a_kill(stand_in, tmp_path):
    cloud = stand_in("--any-instance", "--task-time", "1s", "--chance", "task-fail=1")
    config = nightly(cloud, retry_failed=1)
    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        assert daemon.wait_for("backup_retry", timeout=40)[0]["code"] == "Task.failed"
        wait_until_acted(cloud, 2)
        daemon.process.kill()
        daemon.process.wait()
    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        assert daemon.wait_for("backup_failed", timeout=40)[0]["reason"] == "task_failed"
        assert daemon.stop() == 0
    assert len(acted(cloud)) == 2
    assert not daemon.events("backup_retry")
