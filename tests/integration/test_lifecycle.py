"""Start, reload, drain and stop of the real binary: signals, exit codes, the service manager's socket, secrets."""

import glob
import os
import re
import signal
import subprocess
import time

import pytest

from daemon import BINARY, Daemon, configuration, soon
from service_manager import ServiceManager

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
ONE = {"nightly": {"every": "2s", "start_within": "1s", "instances": ["crs-aaaa0001"]}}


def run(*arguments, environment=None):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=20, check=False,
                          env={"PATH": "/usr/bin:/bin", **(environment or {})})


@pytest.mark.parametrize("arguments, status, text", [
    (["--version"], 0, "crsbackupd "),
    (["--help"], 0, "Usage: crsbackupd"),
    (["--chek"], 2, "did you mean --check?"),
    (["-c"], 2, "needs a FILE"),
    (["extra"], 2, "not expected"),
    (["-c", "/nonexistent.yaml"], 78, "/nonexistent.yaml:"),
    (["-c", "/nonexistent.yaml", "--check"], 78, "/nonexistent.yaml:"),
])
def test_exit_codes_and_what_is_said(arguments, status, text):
    done = run(*arguments)
    assert done.returncode == status
    assert text in (done.stdout if status == 0 else done.stderr)


def test_without_keys_it_does_not_start(stand_in):
    with Daemon(configuration(stand_in("--any-instance"), ONE), environment={"HOME": "/nonexistent"}) as daemon:
        assert daemon.end() == 78
    assert any("credentials" in line and "TENCENTCLOUD_SECRET_ID" in line for line in daemon.lines), daemon.lines


def test_events_of_a_life(stand_in):
    with Daemon(configuration(stand_in("--any-instance"), ONE), KEYS) as daemon:
        daemon.wait_for("backup_submitted")
        assert daemon.stop() == 0
    names = [event["event"] for event in daemon.events()]
    for first, then in [("started", "ready"), ("ready", "backup_submitted"), ("backup_submitted", "stopping"), ("stopping", "stopped")]:
        assert names.index(first) < names.index(then)
    assert daemon.events("ready")[0]["instances"] == "1"
    assert names[-1] == "stopped"


def test_a_reload_takes_what_is_new(stand_in):
    cloud = stand_in("--any-instance")
    with Daemon(configuration(cloud, ONE), KEYS) as daemon:
        daemon.wait_for("ready")
        daemon.write(configuration(cloud, {"other": {"every": "1s", "instances": ["crs-bbbb0002"]}}))
        daemon.reload()
        daemon.wait_for("reloaded")
        before = len(daemon.events("backup_submitted"))
        new = daemon.wait_for("backup_submitted", before + 2)[before:]
        assert daemon.stop() == 0
    assert {event["instance"] for event in new} == {"crs-bbbb0002"}


def test_a_bad_reload_changes_nothing(stand_in):
    cloud = stand_in("--any-instance", "--task-time", "0")
    with Daemon(configuration(cloud, ONE), KEYS) as daemon:
        daemon.wait_for("backup_submitted")
        daemon.write("schedules: {nightly: {cron: '61 * * * *'\n")
        daemon.reload()
        failed = daemon.wait_for("reload_failed")
        assert daemon.config_file in failed[0]["message"]
        before = len(daemon.events("backup_submitted"))
        daemon.wait_for("backup_submitted", before + 1)
        daemon.write(configuration(cloud, ONE))
        daemon.reload()
        daemon.wait_for("reloaded")
        assert daemon.stop() == 0


def burst_in_progress(cloud, tmp_path, arrivals):
    """A daemon in the middle of a slot of 100 instances, and their names."""
    names = [f"crs-drai{number:04d}" for number in range(100)]
    period, _due = soon(20, 4)
    config = configuration(cloud, {"nightly": {"every": f"{period}s", "start_within": "19s", "instances": names}})
    daemon = Daemon(config, KEYS, directory=str(tmp_path))
    daemon.__enter__()
    deadline = time.monotonic() + 30
    while len(cloud.arrivals()) < arrivals and time.monotonic() < deadline:
        time.sleep(0.02)
    return daemon, config, names


def test_a_drain_waits_and_the_next_start_goes_on(stand_in, tmp_path):
    cloud = stand_in("--any-instance", "--latency", "1500ms")
    daemon, config, names = burst_in_progress(cloud, tmp_path, 10)
    assert daemon.stop() == 0
    first = daemon.events("backup_submitted")
    interrupted = daemon.events("slot_interrupted")
    daemon.__exit__()
    assert {event["instance"]: event["task_id"] for event in first} == {
        arrival["instance"]: str(arrival["task_id"]) for arrival in cloud.arrivals()}
    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        resumed = daemon.wait_for("slot_resumed")
        second = daemon.wait_for("backup_submitted", len(names) - len(first), timeout=30)
        assert daemon.stop() == 0
    assert interrupted[0]["slot"] == resumed[0]["slot"]
    assert int(resumed[0]["instances"]) == len(names) - len(first)
    assert sorted(event["instance"] for event in first + second) == names
    assert sorted(arrival["instance"] for arrival in cloud.arrivals()) == names
    assert cloud.stats()["worst_window"] <= 20


def test_a_kill_loses_nothing_and_doubles_nothing(stand_in, tmp_path):
    cloud = stand_in("--any-instance", "--latency", "400ms")
    daemon, config, names = burst_in_progress(cloud, tmp_path, 25)
    daemon.process.kill()
    daemon.end()
    first = daemon.events("backup_submitted")
    daemon.__exit__()
    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        daemon.wait_for("slot_resumed")
        daemon.wait_for("ready")
        unknown = daemon.events("backup_unknown")
        # An answer of the last moment may stand in the log and not be durable: its run is unknown as well.
        decided = {event["instance"] for event in first + unknown}
        second = daemon.wait_for("backup_submitted", len(names) - len(decided), timeout=30)
        assert daemon.stop() == 0
    assert not decided & {event["instance"] for event in second}
    assert decided | {event["instance"] for event in second} == set(names)
    # What was in flight, and the few that were recorded while they waited for a token.
    assert len(unknown) < 25
    arrived = [arrival["instance"] for arrival in cloud.arrivals()]
    assert len(arrived) == len(set(arrived)), "sent twice"
    assert {event["instance"] for event in first + second} <= set(arrived)


def test_one_daemon_at_a_time(stand_in, tmp_path):
    cloud = stand_in("--any-instance")
    with Daemon(configuration(cloud, ONE), KEYS, directory=str(tmp_path)) as daemon:
        daemon.wait_for("ready")
        with Daemon(configuration(cloud, ONE), KEYS, directory=str(tmp_path)) as other:
            assert other.end() == 1
        assert str(daemon.process.pid) in other.events("start_failed")[0]["message"]
        daemon.wait_for("backup_submitted")
        assert daemon.stop() == 0


@pytest.mark.parametrize("key, place", [("state_dir", "missing/state"), ("control.socket", "missing/control.sock"), ("state_dir", "file/state")])
def test_a_place_that_is_not_there(stand_in, tmp_path, key, place):
    """Not to be tried again: what the file names is for a person to mend."""
    (tmp_path / "file").touch()
    path = str(tmp_path / place)
    config = configuration(stand_in("--any-instance"), ONE, **({"control": {"socket": path}} if key == "control.socket" else {key: path}))
    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        assert daemon.end() == 78
        (event,) = daemon.events("start_failed")
        assert event["message"].startswith(f"{key}{':' if '.' in key else ''} {path}")


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(stand_in, abstract):
    cloud = stand_in("--any-instance")
    with ServiceManager(abstract) as manager, Daemon(configuration(cloud, ONE), KEYS, environment=manager.environment) as daemon:
        assert "STATUS=Next slot" in manager.wait_for("READY=1")
        daemon.reload()
        reloading = manager.wait_for("RELOADING=1")
        usec = int(reloading.split("MONOTONIC_USEC=")[1].split()[0])
        assert abs(usec - time.monotonic_ns() // 1000) < 10_000_000
        manager.wait_for("READY=1")
        daemon.signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert daemon.end() == 0
        assert not any("WATCHDOG" in message for message in manager.seen)


def test_signs_of_life(stand_in):
    """For the watchdog whatever there is to do, of more time while a stop takes long, and a status that never stays old."""
    cloud = stand_in("--any-instance", "--latency", "1500ms", "--task-time", "0")
    period, _ = soon(8, 3)
    schedules = {"rare": {"every": f"{period}s", "instances": ["crs-aaaaaaaa"]}}
    with ServiceManager() as manager:
        environment = {**manager.environment, "WATCHDOG_USEC": "500000"}
        with Daemon(configuration(cloud, schedules), KEYS, environment=environment) as daemon:
            manager.wait_for("READY=1")
            for _ in range(3):
                manager.wait_for("WATCHDOG=1")
            manager.wait_for("STATUS=Next slot")
            manager.wait_for("1 in flight")
            manager.wait_for("0 in flight", "; 1 submitted")
            manager.wait_for("1 in flight")  # what became of it, which a stop would not wait for
            manager.wait_for("0 in flight")
            manager.wait_for("1 in flight")
            daemon.signal(signal.SIGTERM)
            manager.wait_for("STOPPING=1")
            assert int(manager.wait_for("EXTEND_TIMEOUT_USEC=").split("=")[1]) >= 10_000_000
            manager.wait_for("WATCHDOG=1")
            assert daemon.end() == 0


def test_a_watchdog_that_is_not_ours(stand_in):
    cloud = stand_in("--any-instance", "--task-time", "0")
    with ServiceManager() as manager:
        environment = {**manager.environment, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}
        with Daemon(configuration(cloud, ONE), KEYS, environment=environment) as daemon:
            manager.wait_for("0 in flight", "; 1 submitted")
            daemon.signal(signal.SIGTERM)
            manager.wait_for("STOPPING=1")
            assert daemon.end() == 0
            assert not any("WATCHDOG" in message for message in manager.seen)


def test_keys_are_nowhere_to_be_seen(stand_in):
    """The log, the command line, the environment and the descriptors' names hold no key; it leaves no core."""
    cloud = stand_in("--any-instance")
    cloud.set_faults({"match": {}, "do": {"fault": "error", "code": "AuthFailure.SignatureFailure"}})
    with Daemon(configuration(cloud, ONE), KEYS) as daemon:
        daemon.wait_for("backup_failed")
        seen = b""
        for name in ("environ", "cmdline", "status", "limits"):
            with open(f"/proc/{daemon.process.pid}/{name}", "rb") as file:
                seen += file.read()
        assert b"Max core file size        0 " in seen.replace(b"  0  ", b"  0  ")
        for link in glob.glob(f"/proc/{daemon.process.pid}/fd/*"):
            seen += os.readlink(link).encode()
        assert daemon.stop() == 0
    seen += "\n".join(daemon.lines).encode()
    for key in KEYS:
        assert key.encode() not in seen


def test_a_reload_with_bad_keys_changes_nothing(stand_in, tmp_path):
    cloud = stand_in("--any-instance", "--task-time", "0")
    with Daemon(configuration(cloud, ONE), KEYS) as daemon:
        daemon.wait_for("backup_submitted")
        other = {"other": {"every": "1s", "instances": ["crs-bbbb0002"]}}
        daemon.write(configuration(cloud, other, credentials={"provider": "file", "file": str(tmp_path / "none")}))
        daemon.reload()
        daemon.wait_for("reload_failed")
        before = len(daemon.events("backup_submitted"))
        daemon.wait_for("backup_submitted", before + 2)
        assert daemon.stop() == 0
    assert {event["instance"] for event in daemon.events("backup_submitted")} == {"crs-aaaa0001"}
    assert not daemon.events("reloaded")


def test_a_schedule_that_comes_back_is_not_caught_up(stand_in):
    cloud = stand_in("--any-instance", "--task-time", "0")
    period, due = soon(8, 3)
    both = {**ONE, "minutely": {"every": f"{period}s", "instances": ["crs-bbbb0002"]}}
    with Daemon(configuration(cloud, both), KEYS) as daemon:
        while not [event for event in daemon.events("backup_submitted") if event["schedule"] == "minutely"]:
            time.sleep(0.05)
        daemon.write(configuration(cloud, ONE))
        daemon.reload()
        daemon.wait_for("reloaded")
        time.sleep(max(0.0, due + period + 0.5 - time.time()))
        daemon.write(configuration(cloud, both))
        daemon.reload()
        daemon.wait_for("reloaded", 2)
        time.sleep(2)
        assert len([event for event in daemon.events("backup_submitted") if event["schedule"] == "minutely"]) == 1
        assert daemon.stop() == 0


def test_a_key_file_that_others_can_read_is_refused(stand_in, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"[default]\nsecret_id = {KEYS[0]}\nsecret_key = {KEYS[1]}\n")
    keys.chmod(0o644)
    config = configuration(stand_in("--any-instance"), ONE, credentials={"provider": "file", "file": str(keys)})
    with Daemon(config) as daemon:
        assert daemon.end() == 78
    assert any("chmod" in line for line in daemon.lines), daemon.lines
    assert KEYS[1] not in "\n".join(daemon.lines)
    keys.chmod(0o600)
    with Daemon(config) as daemon:
        daemon.wait_for("backup_submitted")
        assert daemon.stop() == 0


def test_a_key_file_behind_links(stand_in, tmp_path):
    """As a mounted secret: the name is a link into a directory that is a link too."""
    cloud = stand_in("--any-instance", "--task-time", "0")
    version = tmp_path / "..2026"
    version.mkdir()
    keys = version / "keys"
    keys.write_text(f"[default]\nsecret_id = {KEYS[0]}\nsecret_key = {KEYS[1]}\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "keys").symlink_to("..data/keys")
    config = configuration(cloud, ONE, credentials={"provider": "file", "file": str(tmp_path / "keys")})
    keys.chmod(0o644)
    with Daemon(config) as daemon:
        assert daemon.end() == 78
    keys.chmod(0o400)
    with Daemon(config) as daemon:
        daemon.wait_for("backup_submitted")
        assert daemon.stop() == 0


NOT_CERTIFICATES = {
    "missing": None,
    "text": "this is no certificate\n",
    "fake": "-----BEGIN CERTIFICATE-----\nMIIAAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("kind", NOT_CERTIFICATES)
def test_a_ca_file_that_is_not_one(stand_in, tmp_path, kind):
    """Told at its place by --check, by the start and by a reload; no start that systemd would repeat."""
    cloud = stand_in("--any-instance")
    not_a_ca = tmp_path / "ca.pem"
    if NOT_CERTIFICATES[kind]:
        not_a_ca.write_text(NOT_CERTIFICATES[kind])
    bad = {**configuration(cloud, ONE), "tls": {"ca_file": str(not_a_ca)}}
    for arguments in ((), ("--check",)):
        with Daemon(bad, KEYS, arguments=arguments) as daemon:
            assert daemon.end() == 78
        assert len(daemon.lines) == 1, daemon.lines
        assert re.match(rf"{re.escape(daemon.config_file)}:\d+:12: tls\.ca_file: {re.escape(str(not_a_ca))}.*; ", daemon.lines[0])
    with Daemon(configuration(cloud, ONE), KEYS) as daemon:
        daemon.wait_for("ready")
        daemon.write(bad)
        daemon.reload()
        assert str(not_a_ca) in daemon.wait_for("reload_failed")[0]["message"]
        daemon.wait_for("backup_submitted")
        assert daemon.stop() == 0
