"""What keeps the daemon from its work: who says so, and that it ends. Health, readiness, status, STATUS, metrics."""

import contextlib
import os
import subprocess
import time

import pytest

from control import ask
from ctl_server import call
from daemon import Daemon, configuration, soon
from fake_clock import FakeClock
from scrape import Metrics, free_port
from scrape import ask as get
from service_manager import ServiceManager

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
NEVER = {"nightly": {"cron": "0 0 29 2 *", "instances": ["crs-aaaa0001"]}}  # not while a test runs
STATES = {"clock": "clock_believed", "keys": "credentials_available", "ledger": "ledger_writable"}


def quiet(port, **more):
    return {"region": "ap-guangzhou", "log": {"target": "stderr"}, "endpoint": "http://127.0.0.1:9",
            "metrics": {"listen": f"127.0.0.1:{port}"}, **more, "schedules": NEVER}  # fmt: skip


@pytest.fixture
def port():
    return free_port()


def eventually(condition, timeout=60):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def states(port):
    """What the metrics say of each state: 1 is well."""
    metrics = Metrics(port)
    return {name: metrics("crsbackupd_" + STATES[name]) for name in STATES}


def ctl(daemon, verb):
    """(exit code, stdout)"""
    return call(verb, "--socket", f"{daemon.directory}/control.sock")[:2]


def assert_well(daemon, port):
    assert ctl(daemon, "health") == (0, "healthy\n")
    assert get(port, "/readyz")[0::2] == (200, b"ok\n")
    assert ask(daemon, "status")[1]["ready"] is True
    assert states(port) == dict.fromkeys(STATES, 1)


def assert_unfit(daemon, port, which, reason):
    """It cannot do its work, for this reason alone, and everybody who is asked says so."""
    assert ctl(daemon, "health") == (1, f"unhealthy\n{reason}\n")
    assert get(port, "/readyz")[0::2] == (503, f"{reason}\n".encode())
    assert get(port, "/healthz")[0] == 200
    assert ask(daemon, "status")[1]["ready"] is False
    assert ", not ready\n" in ctl(daemon, "status")[1]
    assert states(port) == {**dict.fromkeys(STATES, 1), which: 0}


def waits_for(daemon, instance="crs-aaaa0001"):
    """What why says that it waits for; "" where it does not wait."""
    (schedule,) = ask(daemon, "why", instance=instance)[1]["schedules"]
    return schedule["text"] if schedule["state"] == "waiting" else ""


def test_a_clock_that_is_not_believed(port, tmp_path):
    clock = FakeClock(str(tmp_path))
    clock.set("2025-12-31T00:00:00Z")  # no build is as old
    reason = "the clock cannot be believed: it is before the making of this program"
    with ServiceManager() as manager, Daemon(quiet(port), KEYS, {**clock.environment, **manager.environment}) as daemon:
        daemon.wait_for("clock_implausible")
        daemon.wait_for("ready")
        assert_unfit(daemon, port, "clock", reason)
        _rows, end = ask(daemon, "status")
        assert (end["clock_held"], end["clock_text"]) == (True, "it is before the making of this program")
        assert "clock       cannot be believed, so nothing is sent: it is before" in ctl(daemon, "status")[1]
        manager.wait_for(f"STATUS=Trouble: {reason}; Next slot")
        (schedule,) = ask(daemon, "why", instance="crs-aaaa0001")[1]["schedules"]
        assert schedule["text"] == "no slot is begun until the clock can be believed: it is before the making of this program"
        clock.set("2026-06-01T00:00:00Z")
        eventually(lambda: get(port, "/readyz")[0] == 200)  # each question is a look at the clock
        assert_well(daemon, port)
        manager.wait_for("STATUS=Next slot")
        assert daemon.stop() == 0


def test_keys_that_the_cloud_refuses(stand_in, port, tmp_path):
    """It is unhealthy, and ready all the same: the cloud's word is not the daemon's state."""
    cloud = stand_in("--any-instance", "--task-time", "0", secret_id="AKIDrotated", secret_key="ROTATED")
    keys, fresh = tmp_path / "keys", tmp_path / "fresh"
    keys.write_text(f"[default]\nsecret_id={KEYS[0]}\nsecret_key={KEYS[1]}\n")
    fresh.write_text("[default]\nsecret_id=AKIDrotated\nsecret_key=ROTATED\n")
    keys.chmod(0o600)
    fresh.chmod(0o600)
    config = configuration(cloud, NEVER, credentials={"provider": "file", "file": str(keys)},
                           metrics={"listen": f"127.0.0.1:{port}"})  # fmt: skip
    with Daemon(config) as daemon:
        daemon.wait_for("ready")
        assert_well(daemon, port)
        ask(daemon, "run", schedule="nightly")
        daemon.wait_for("credentials_failed")
        eventually(lambda: "waits for keys that the cloud takes: AuthFailure.SecretIdNotFound" in waits_for(daemon))
        assert ctl(daemon, "health") == (1, "unhealthy\nthe cloud refuses the keys: AuthFailure.SecretIdNotFound\n")
        assert get(port, "/readyz")[0] == 200
        metrics = Metrics(port)
        assert metrics("crsbackupd_credentials_refused") == metrics("crsbackupd_credentials_failing") == 1
        assert metrics("crsbackupd_credentials_available") == 1
        fresh.replace(keys)
        daemon.wait_for("backup_succeeded", timeout=60)
        assert_well(daemon, port)
        metrics = Metrics(port)
        assert metrics("crsbackupd_credentials_refused") == metrics("crsbackupd_credentials_failing") == 0
        assert daemon.stop() == 0


def test_keys_that_have_ended(stand_in, port):
    cloud = stand_in("--any-instance", "--role", "backup", "--role-life", "6s")
    credentials = {"provider": "cvm-role", "metadata_url": f"http://127.0.0.1:{cloud.http_port}"}
    with Daemon(quiet(port, credentials=credentials)) as daemon:
        daemon.wait_for("credentials_refreshed")
        cloud.set_faults({"match": {"action": "Metadata"}, "do": {"fault": "http", "status": 502}})
        eventually(lambda: get(port, "/readyz")[0] == 503)
        why = daemon.events("credentials_failed")[0]["message"]
        assert_unfit(daemon, port, "keys", f"the keys have ended: {why}")
        cloud.set_faults()
        eventually(lambda: get(port, "/readyz")[0] == 200)
        assert_well(daemon, port)
        assert daemon.stop() == 0


@contextlib.contextmanager
def small_disk(directory):
    """A disk of 1 MiB of its own there; skips the test without the right to mount."""
    os.mkdir(directory, 0o700)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", directory],
                          capture_output=True, text=True, timeout=30, check=False)  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True, timeout=30)


def test_a_ledger_that_cannot_record(port, tmp_path):
    with small_disk(str(tmp_path / "disk")) as disk, Daemon(quiet(port), KEYS, {"STATE_DIRECTORY": disk}) as daemon:
        daemon.wait_for("ready")
        assert_well(daemon, port)
        ballast = os.path.join(disk, "ballast")
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        call("pause", "nightly", "--socket", f"{daemon.directory}/control.sock", "--timeout", "2s")  # something to record
        failed = daemon.wait_for("ledger_failed", timeout=40)[0]
        assert_unfit(daemon, port, "ledger", f"the ledger cannot record: {failed['message']}")
        os.unlink(ballast)
        daemon.wait_for("ledger_recovered", timeout=40)
        assert_well(daemon, port)
        assert daemon.stop() == 0


def test_an_earlier_backup_whose_end_cannot_be_learnt(stand_in):
    """Nobody is told that it is the rate limit: not while it waits, not by the log, not afterwards."""
    code = "UnauthorizedOperation.NoCAMAuthed"
    cloud = stand_in("--any-instance", "--task-time", "0")
    cloud.set_faults({"match": {"action": "DescribeTaskInfo"}, "do": {"fault": "error", "code": code}},
                     {"match": {"action": "ManualBackupInstance", "nth": 1}, "do": {"fault": "error", "code": "RequestLimitExceeded"}})
    period, _due = soon(6, 2)
    often = {"every": f"{period}s", "start_within": f"{period - 2}s", "overlap": "forbid", "instances": ["crs-aaaa0001"]}
    with Daemon(configuration(cloud, {"often": often}), KEYS) as daemon:
        submitted = daemon.wait_for("backup_submitted", timeout=40)[0]
        task = submitted["task_id"]
        daemon.wait_for("watch_failed", timeout=40)
        expected = (f"waits for the end of an earlier backup, of slot {submitted['slot']}, task {task}; "
                    f"the last question about it came to {code}")  # fmt: skip
        eventually(lambda: waits_for(daemon) == expected)
        missed = daemon.wait_for("backup_missed", timeout=60)[0]
        assert (missed["reason"], missed["task_id"], missed["code"]) == ("earlier_backup", task, code)
        runs = {}  # the ledger is asked, which has them a little later
        eventually(lambda: runs.update({run["slot"]: run for run in ask(daemon, "history", instance=["crs-aaaa0001"])[0]})
                   or missed["slot"] in runs)  # fmt: skip
        run = runs[missed["slot"]]
        assert (run["outcome"], run["text"], run["code"]) == ("missed", "earlier_backup", code)
        told = {(row["slot"], row["event"]): row["text"] for row in ask(daemon, "why", instance="crs-aaaa0001")[0]}
        assert told[missed["slot"], "backup_missed"] == (
            "nothing was sent: start_within passed while an earlier backup was not known to have ended")
        assert told[submitted["slot"], "backup_submitted"].startswith(
            "the cloud accepted attempt 2; 1 before it came to nothing, the first at 2")
        assert daemon.stop() == 0
