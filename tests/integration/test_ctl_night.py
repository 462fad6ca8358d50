"""crsbackupctl and the real daemon, as an operator meets them at 4 a.m.: what failed and why, a backup now, a pause."""

import json
import os
import pathlib
import re
import subprocess
import time

import pytest

from ctl_server import CTL, call
from daemon import Daemon, configuration, soon
from terminal import on_a_terminal

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
GOOD, BAD, DEAD = "crs-good0001", "crs-badd0001", "crs-dead0001"
TOP = pathlib.Path(__file__).resolve().parents[2]
README, SHAPES = TOP / "README.md", TOP / "docs" / "crsbackupctl-json.md"
NEVER = {"cron": "0 0 29 2 *"}  # not while a test runs


class Operator:
    """crsbackupctl for one daemon."""

    def __init__(self, daemon):
        self.where = ["--socket", f"{daemon.directory}/control.sock"]

    def call(self, *arguments):
        """(exit code, stdout, stderr)"""
        return call(*arguments, *self.where)

    def rows(self, *arguments):
        """The lines of an output for programs, as lists of fields."""
        code, out, err = self.call(*arguments)
        assert code == 0, err
        return [line.split("\t") for line in out.splitlines()]

    def json(self, *arguments):
        code, out, err = self.call(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    def screen(self, *arguments, columns=120, env=None):
        """(exit code, the lines on a terminal)"""
        return on_a_terminal([CTL, *arguments, *self.where], columns=columns, env=env or {"NO_COLOR": "1"})


def keys_of(value):
    """All the names in an answer."""
    if isinstance(value, dict):
        return set(value) | {name for each in value.values() for name in keys_of(each)}
    return {name for each in value for name in keys_of(each)} if isinstance(value, list) else set()


def fates(cloud):
    """One instance whose requests the cloud refuses for good, one whose backup fails."""
    cloud.set_faults(
        {"match": {"action": "ManualBackupInstance", "instance": BAD},
         "do": {"fault": "error", "code": "UnauthorizedOperation.NoCAMAuthed", "message": "no\x1b[2J right"}},
        {"match": {"action": "ManualBackupInstance", "instance": DEAD}, "do": {"task": "fail", "task_message": "磁盘已满"}})


@pytest.fixture
def cloud(stand_in):
    cloud = stand_in("--any-instance", "--task-time", "1s")
    fates(cloud)
    return cloud


def test_a_night_that_went_wrong(cloud):
    """One command finds the failures, another says why, and the probe is red."""
    period, due = soon(300, 4)
    config = configuration(cloud, {"nightly": {"every": f"{period}s", "instances": [GOOD, BAD, DEAD]}})
    slot = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(due))
    with Daemon(config, KEYS) as daemon:
        operator = Operator(daemon)
        daemon.wait_for("ready")
        assert operator.call("history")[:2] == (0, "")  # and it says so on stderr
        daemon.wait_for("backup_failed", 2)
        daemon.wait_for("backup_succeeded")
        time.sleep(1)  # both tasks' ends become durable

        failed = operator.rows("history", "--failed", "--since", "1d")
        assert [row[:5] for row in failed] == [[slot, "nightly", name, "schedule", "failed"] for name in (BAD, DEAD)]
        assert "UnauthorizedOperation.NoCAMAuthed: no [2J right" in failed[0][-1] and "磁盘已满" in failed[1][-1]
        assert [row[2] for row in operator.rows("history", "--instance", GOOD)] == [GOOD]
        assert operator.rows("history", "--until", slot) == []
        (run,) = operator.json("history", "--instance", GOOD)["runs"]
        assert (run["outcome"], run["attempts"], run["kind"]) == ("succeeded", 1, "schedule") and run["task_id"] > 0 and "code" not in run

        code, lines = operator.screen("history", "--failed", env={"NO_COLOR": ""})
        assert code == 0 and "\x1b[1;31mfailed\x1b[0m" in lines[1] and len(lines) == 5
        assert lines[2].startswith("  UnauthorizedOperation.NoCAMAuthed: ") and lines[4].endswith("磁盘已满")

        code, lines = operator.screen("why", BAD)
        shown = "\n".join(lines)
        assert code == 0 and shown.startswith(BAD) and "in nightly: idle" in shown
        assert "backup_failed" in shown and "UnauthorizedOperation.NoCAMAuthed" in shown and "to do: " in shown
        assert [row[3] for row in operator.rows("why", DEAD)] == ["backup_failed", "backup_submitted"]

        code, lines = operator.screen("status")
        assert "2 failed, 1 ok" in "\n".join(lines) and "2 never" in "\n".join(lines)
        (listed,) = operator.rows("list", "--instance", BAD)
        assert listed[:4] == [BAD, "nightly", "ap-guangzhou", "idle"] and listed[5] == "failed" and listed[6] == ""

        code, out, _ = operator.call("check-age")
        assert code == 1 and out.startswith("CRSBACKUP WARNING - 3 instances, 2 without a good backup so far")
        code, out, _ = operator.call("check-age", "--max", "1s")
        assert code == 2 and out.startswith("CRSBACKUP CRITICAL - 3 instances") and BAD in out and " | overdue=" in out
        assert operator.call("check-age", "--instance", GOOD, "--max", "1h")[0] == 0
        assert operator.call("health")[:2] == (0, "healthy\n")


def test_the_night_is_remembered(cloud):
    """A restart in the morning changes nothing of what is told."""
    period, _ = soon(300, 4)
    config = configuration(cloud, {"nightly": {"every": f"{period}s", "instances": [GOOD, BAD]}})
    with Daemon(config, KEYS) as daemon:
        daemon.wait_for("backup_failed")
        daemon.wait_for("backup_succeeded")
        assert daemon.stop() == 0
        with Daemon(config, KEYS, directory=daemon.directory) as again:
            operator = Operator(again)
            again.wait_for("ready")
            assert [row[2] for row in operator.rows("history", "--failed")] == [BAD]
            assert operator.rows("why", BAD)[0][3] == "backup_failed"
            assert operator.call("check-age", "--instance", GOOD, "--max", "1h")[0] == 0


def test_a_backup_now(cloud):
    """run --wait ends when the backup has, well or not; the history says that somebody asked for it."""
    config = configuration(cloud, {"nightly": {**NEVER, "instances": [GOOD, "crs-good0002", DEAD, BAD]},
                                   "weekly": {**NEVER, "instances": [GOOD]}})  # fmt: skip
    with Daemon(config, KEYS) as daemon:
        operator = Operator(daemon)
        daemon.wait_for("ready")
        code, lines = operator.screen("run", "--instance", "crs-good0002", "--wait")
        assert code == 0 and lines[-1].endswith("1 of 1 succeeded") and any("0/1 done" in line for line in lines)
        (run,) = operator.json("history", "--instance", "crs-good0002")["runs"]
        assert (run["kind"], run["outcome"]) == ("operator", "succeeded")
        assert cloud.arrivals()[-1]["instance"] == "crs-good0002"

        code, out, _ = operator.call("run", "--schedule", "nightly", "--instance", GOOD, "--instance", DEAD, "--wait")
        assert code == 1 and "1 of 2 succeeded" in out and re.search(rf"^{DEAD}\tfailed\t.*磁盘已满", out, re.MULTILINE)

        code, out, err = operator.call("run", "--instance", GOOD)
        assert (code, out) == (2, "") and "nightly" in err and "weekly" in err
        code, out, err = operator.call("run", "--instance", "crs-good0003")
        assert (code, out) == (65, "")
        assert operator.call("run", "--schedule", "nigthly")[0] == 65
        assert len(daemon.events("operator")) == 2


def test_a_pause_is_kept(cloud):
    """Over a restart, too; its slots are skipped and not caught up, and after it the next one runs."""
    config = configuration(cloud, {"often": {"every": "2s", "instances": [GOOD]}, "other": {**NEVER, "instances": [GOOD]}})
    with Daemon(config, KEYS) as daemon:
        operator = Operator(daemon)
        daemon.wait_for("backup_submitted")
        assert operator.call("pause", "often") == (0, "often is paused\n", "")
        assert operator.call("pause", "often") == (0, "often is paused\n", "")
        daemon.wait_for("backup_skipped")
        assert daemon.stop() == 0
        sent = len(cloud.arrivals())
        with Daemon(config, KEYS, directory=daemon.directory) as again:
            operator = Operator(again)
            again.wait_for("backup_skipped")
            assert "paused" in [row for row in operator.rows("status") if row[0] == "often"][0][2]
            assert operator.rows("list", "--schedule", "often")[0][3] == "paused"
            told = {row["name"]: row["text"] for row in operator.json("why", GOOD)["schedules"]}
            assert told == {"often": "an operator has paused the schedule", "other": "nothing to do till its next slot"}
            assert len(cloud.arrivals()) == sent
            assert operator.call("resume", "often") == (0, "often is resumed\n", "")
            again.wait_for("backup_submitted")
            assert operator.call("pause", "often", "--until", "2s")[1].startswith("often is paused until 2")
            before = len(again.events("backup_submitted"))
            again.wait_for("backup_submitted", before + 1)
            assert operator.call("pause", "oftne")[0] == 65


def test_a_wrong_key(cloud):
    """Status says that the cloud does not take it."""
    config = configuration(cloud, {"nightly": {**NEVER, "instances": [GOOD]}})
    with Daemon(config, (KEYS[0], "w" * 32)) as daemon:
        operator = Operator(daemon)
        daemon.wait_for("ready")
        assert "refused" not in operator.json("status")["credentials"]
        assert operator.call("run", "--schedule", "nightly", "--wait")[0] == 1
        assert operator.json("status")["credentials"]["refused"] == "AuthFailure.SignatureFailure"
        assert "the cloud refuses them: AuthFailure.SignatureFailure\n" in operator.call("status")[1]


def test_a_cloud_that_is_down(cloud):
    """Status says it, the members of a run show as waiting, and why says for what."""
    many = [f"crs-many{number:04}" for number in range(40)]
    config = {**configuration(cloud, {"nightly": {**NEVER, "instances": many}}), "endpoint": "http://127.0.0.1:9"}
    with Daemon(config, KEYS) as daemon:
        operator = Operator(daemon)
        daemon.wait_for("ready")
        assert operator.call("run", "--schedule", "nightly")[0] == 0
        daemon.wait_for("endpoint_down")
        assert "queued; the host gives no sign of life" in operator.call("status")[1]
        members = operator.json("list")["instances"]
        states = [member["state"] for member in members]
        assert states.count("waiting") >= len(many) - 1 and set(states) <= {"waiting", "in_flight"}
        first, last = ("\n".join(operator.screen("why", name)[1]) for name in (many[0], many[-1]))
        told = [name for name in many if "attempt 1 was told Client.NotSent; waits until its host gives a sign of life again"
                in "\n".join(operator.screen("why", name)[1])]
        assert told, first
        assert "waits until its host gives a sign of life again" in last


def test_a_reload(cloud):
    config = configuration(cloud, {"nightly": {**NEVER, "instances": [GOOD]}})
    with Daemon(config, KEYS) as daemon:
        operator = Operator(daemon)
        daemon.wait_for("ready")
        assert operator.call("reload") == (0, "reloaded\n", "")
        daemon.write("region: ap-guangzhou\nschedules: {nightly: {cron: '5/15 * * * *'}}\n")
        code, out, err = operator.call("reload")
        assert (code, out) == (1, "") and "crsbackupd.yaml:2:" in err and len(err.splitlines()) == 1
        assert "reload refused" in operator.call("status")[1]


def test_the_daemon_is_killed_while_it_is_waited_for(cloud):
    """run --wait goes on with the next one: the run is in its ledger."""
    cloud.set_faults({"match": {"action": "ManualBackupInstance"}, "do": {"task_time": "3s"}})
    config = configuration(cloud, {"nightly": {**NEVER, "instances": [GOOD]}}, requests={"settle": "1s"})
    with Daemon(config, KEYS) as daemon:
        daemon.wait_for("ready")
        operator = Operator(daemon)
        with subprocess.Popen([CTL, "run", "--schedule", "nightly", "--wait", *operator.where], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as waiting:  # fmt: skip
            daemon.wait_for("backup_submitted")
            daemon.process.kill()
            daemon.process.wait()
            time.sleep(1)
            assert waiting.poll() is None
            with Daemon(config, KEYS, directory=daemon.directory) as again:
                again.wait_for("ready")
                out, err = waiting.communicate(timeout=60)
                assert (waiting.returncode, out, err) == (0, "1 of 1 succeeded\n", "")
                (run,) = operator.json("history")["runs"]
                assert (run["kind"], run["outcome"]) == ("operator", "succeeded")
    assert len(cloud.arrivals()) == 1


def test_every_key_is_documented(cloud):
    """What --json prints is what docs/crsbackupctl-json.md tells of."""
    told = SHAPES.read_text(encoding="utf-8")
    verbs = [["status"], ["list"], ["history"], ["why", DEAD], ["health"], ["check-age", "--max", "1s"], ["pause", "nightly"],
             ["resume", "nightly"], ["reload"], ["run", "--instance", GOOD], ["run", "--instance", DEAD, "--wait"]]  # fmt: skip
    config = configuration(cloud, {"nightly": {**NEVER, "instances": [GOOD, DEAD]}})
    with Daemon(config, KEYS) as daemon:
        operator = Operator(daemon)
        daemon.wait_for("ready")
        operator.call("run", "--schedule", "nightly", "--wait")
        for arguments in verbs:
            answer = json.loads(operator.call(*arguments, "--json")[1])
            assert answer, arguments
            missing = [name for name in sorted(keys_of(answer)) if f'"{name}"' not in told and f"`{name}`" not in told]
            assert not missing, (arguments, missing)


def test_the_readme_as_written(cloud):
    """Each command of the README's that asks a daemon, in its order."""
    commands = re.findall(r"^    (crsbackupctl .*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) >= 7
    config = configuration(cloud, {"nightly": {**NEVER, "instances": ["crs-5a4py64p"]}})
    with Daemon(config, KEYS) as daemon:
        daemon.wait_for("ready")
        environment = {**os.environ, "RUNTIME_DIRECTORY": daemon.directory,
                       "PATH": f"{os.path.dirname(CTL)}:{os.environ['PATH']}"}  # fmt: skip
        for command in commands:
            done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=60,
                                  check=False)
            assert done.returncode == (1 if "check-age" in command and "WARNING" in done.stdout else 0), (command, done)
