"""What the real daemon answers from its ledger: long histories in parts, wrong names, clients that go, a file that cannot be read."""

import os
import sqlite3
import time

import pytest

from control import Client, ask, path_of, refusal
from daemon import Daemon

KEYS = ("AKIDcontrolcontrol", "controlcontrolcontrol")
SLOTS, MEMBERS = 300, 100  # 30,000 runs
FIRST = 1795564800
QUIET = {"region": "ap-guangzhou", "log": {"target": "stderr"}, "endpoint": "http://127.0.0.1:9",
         "schedules": {"nightly": {"cron": "0 0 29 2 *", "instances": [f"crs-{i:08d}" for i in range(MEMBERS)]},
                       "other": {"cron": "0 0 29 2 *", "instances": ["crs-00000000"]}}}  # fmt: skip


def fill(file):
    """Every tenth run failed; the last slot is half done."""
    def run(slot, member):
        last = slot == SLOTS - 1
        at = (FIRST + slot * 60) * 10**6
        state = (1, "again", None) if last and member % 2 else (1, "failed", None) if member % 10 == 0 else (1, "submitted", "succeeded")
        return ("nightly", at, f"crs-{member:08d}", "ap-guangzhou", state[0], 1, at, at, at + 10**6 if state[0] else None, state[1],
                6954227 + member, "text" * 10 if state[1] == "failed" else None, state[2], at + 9 * 10**6 if state[2] else None)

    with sqlite3.connect(file) as db:
        db.executemany("INSERT INTO runs(schedule, slot, instance, region, state, attempt, first_at, started_at, ended_at, result,"
                       " task_id, message, finish, finished_at) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                       (run(slot, member) for slot in range(SLOTS) for member in range(MEMBERS)))
        db.execute("INSERT INTO runs(schedule, slot, instance, state, attempt, ended_at, result, finish) VALUES"
                   "('gone', ?, 'crs-gone0001', 1, 1, ?, 'submitted', 'succeeded')", (FIRST * 10**6 - 1, FIRST * 10**6))
    db.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A state directory with a history."""
    directory = str(tmp_path_factory.mktemp("filled"))
    with Daemon(QUIET, KEYS, directory=directory) as daemon:
        daemon.wait_for("ready")
        assert daemon.stop() == 0
    fill(f"{directory}/ledger.db")
    return directory


@pytest.fixture
def daemon(filled):
    with Daemon(QUIET, KEYS, directory=filled) as running:
        running.wait_for("ready")
        yield running
        assert running.stop() == 0


def test_a_long_history_in_parts(daemon):
    with Client(path_of(daemon)) as client:
        client.send({"verb": "history", "limit": 100000, "schedule": "nightly"})
        parts = []
        while (line := client.line()).startswith(b'{"rows":['):
            assert len(line) < 65536
            parts.append(line)
        assert line == b'{"end":{"truncated":false}}' and len(parts) > 50
        client.send({"verb": "history", "limit": 10})  # the connection goes on
        rows, last = client.answer()
        assert len(rows) == 10 and last == {"end": {"truncated": True}}
    rows, _ = ask(daemon, "history", schedule="nightly", limit=100000)
    assert len(rows) == SLOTS * MEMBERS
    slots = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(FIRST + slot * 60)) for slot in reversed(range(SLOTS))]
    assert [(row["slot"], row["instance"]) for row in rows] == [
        (slot, f"crs-{member:08d}") for slot in slots for member in range(MEMBERS)]
    failed, _ = ask(daemon, "history", failed=True, limit=100000)
    assert len(failed) == SLOTS * MEMBERS // 10 and {row["outcome"] for row in failed} == {"failed"}
    assert failed[0]["text"] == "text" * 10 and "code" not in failed[0] and "finished" not in failed[0]


def test_filters(daemon):
    slot = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(FIRST + 60))
    rows, end = ask(daemon, "history", instance=["crs-00000007", "crs-00000003"], until=slot)
    assert [row["instance"] for row in rows] == ["crs-00000003", "crs-00000007"] and not end["truncated"]
    assert len(ask(daemon, "history", since=slot, until=slot)[0]) == 0
    assert len(ask(daemon, "history", schedule="other")[0]) == 0
    assert ask(daemon, "history", schedule="gone")[0][0]["outcome"] == "succeeded"  # no longer in the file
    assert len(ask(daemon, "history", instance=["crs-gone0001"])[0]) == 1


def test_slots_as_a_whole_of_an_instance(filled):
    """Among its own runs stand the slots that were passed over, of schedules that have it and of one that had it."""
    file = f"{filled}/ledger.db"
    at = [(FIRST + second) * 10**6 for second in (30, 60, 90, -1, 5)]
    with sqlite3.connect(file) as db:
        db.executemany("INSERT INTO runs(schedule, slot, instance, state, attempt, ended_at, result, message)"
                       " VALUES(?, ?, '*', 1, 0, ?, ?, ?)", [
                           ("nightly", at[0], at[2], "missed", "passed"), ("nightly", at[1], at[2], "missed", "closed"),
                           ("other", at[2], at[2], "skipped", "paused"), ("gone", at[4], at[2], "missed", "passed")])  # fmt: skip
    db.close()
    try:
        with Daemon(QUIET, KEYS, directory=filled) as running:
            running.wait_for("ready")

            def of(*names, **others):
                until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(FIRST + 100))
                rows = ask(running, "history", instance=list(names), until=until, **others)[0]
                return [(row["schedule"], row["instance"], row["outcome"], row.get("whole_slot", False)) for row in rows]

            own = ("nightly", "crs-00000001", "succeeded", False)
            assert of("crs-00000001") == [own, ("nightly", "*", "missed", True), own]
            assert of("crs-00000001", failed=True) == [("nightly", "*", "missed", True)]
            assert of("crs-gone0001") == [("gone", "*", "missed", True), ("gone", "crs-gone0001", "succeeded", False)]
            assert of("crs-00000000", schedule="other") == [("other", "*", "skipped", True)]
            assert [row["whole_slot"] for row in ask(running, "why", instance="crs-gone0001")[0] if row["event"] == "backup_missed"] == [
                True]
            assert running.stop() == 0
    finally:
        with sqlite3.connect(file) as db:
            db.execute("DELETE FROM runs WHERE instance = '*'")
        db.close()


def test_runs_of_a_slot(daemon):
    slot = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(FIRST + (SLOTS - 1) * 60))
    _, end = ask(daemon, "runs", slot=slot)
    assert (end["open"], end["succeeded"], end["failed"], end["other"], end["running"]) == (50, 40, 10, 0, 0)
    assert end["slots_open"] == 0 and len(end["failures"]) == 10 and end["failures"][0] == {
        "schedule": "nightly", "instance": "crs-00000000", "outcome": "failed", "text": "text" * 10}  # fmt: skip
    assert ask(daemon, "runs", slot=slot, schedule="other")[1]["open"] == 0


def test_why(daemon):
    rows, end = ask(daemon, "why", instance="crs-00000000")
    assert len(rows) == 50 and rows[0]["event"] == "backup_failed" and rows[0]["text"].startswith("given up after attempt 1")
    assert [(row["name"], row["state"]) for row in end["schedules"]] == [("nightly", "idle"), ("other", "idle")]
    assert len(ask(daemon, "why", instance="crs-gone0001")[0]) == 1
    assert refusal(daemon, "why", instance="crs-nobody00")[0] == "not_found"


def test_a_downtime(tmp_path):
    """What has passed is not in the log alone: a month of nights, told once, of a schedule that runs and one that is paused."""
    hour = time.gmtime(time.time() + 12 * 3600).tm_hour  # no slot is young enough to be caught up
    rule = {"cron": f"0 {hour} * * *", "timezone": "UTC", "start_within": "1h"}
    config = {**QUIET, "schedules": {"nightly": {**rule, "instances": ["crs-00000001", "crs-00000002"]},
                                     "resting": {**rule, "paused": True, "instances": ["crs-00000001"]}}}  # fmt: skip
    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        daemon.wait_for("ready")
        assert daemon.stop() == 0
    with sqlite3.connect(f"{tmp_path}/ledger.db") as db:
        db.execute("UPDATE horizons SET slot = slot - 30 * 86400 * 1000000")
    db.close()
    limit = time.monotonic() + 30
    for life in range(2):
        with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
            daemon.wait_for("ready")
            if life == 0:
                missed, skipped = daemon.wait_for("backup_missed", 12), daemon.wait_for("backup_skipped", 12)
            for schedule, outcome, lines in (("nightly", "missed", missed), ("resting", "skipped", skipped)):
                while len(rows := ask(daemon, "history", schedule=schedule)[0]) < 12:  # not written yet
                    assert life == 0 and time.monotonic() < limit
                assert [(row["slot"], row["instance"], row["outcome"], row["attempts"]) for row in reversed(rows)] == [
                    (line["slot"], "*", outcome, 0) for line in lines]
                assert [row["text"] for row in reversed(rows)] == [line["reason"] for line in lines[:10]] + [
                    f"{lines[10]['reason']}, with all others before {lines[11]['slot']}", lines[11]["reason"]]
                assert "before" in lines[10] and lines[10]["slots"] == "19"
            wholes, end = ask(daemon, "history", instance=["crs-00000001"])
            assert sorted((row["schedule"], row["slot"], row["instance"], row["whole_slot"]) for row in wholes) == sorted(
                (name, line["slot"], "*", True) for name, lines in (("nightly", missed), ("resting", skipped)) for line in lines)
            assert [row["slot"] for row in wholes] == sorted((row["slot"] for row in wholes), reverse=True) and not end["truncated"]
            some, end = ask(daemon, "history", instance=["crs-00000001"], schedule="nightly", limit=5, failed=True)
            assert some == [row for row in wholes if row["schedule"] == "nightly"][:5] and end["truncated"]
            assert refusal(daemon, "history", instance=["crs-00000002"], schedule="resting")[0] == "not_found"
            told = [(row["schedule"], row["event"], row["slot"]) for row in ask(daemon, "why", instance="crs-00000001")[0]]
            assert sorted(told) == sorted([("nightly", "backup_missed", line["slot"]) for line in missed]
                                          + [("resting", "backup_skipped", line["slot"]) for line in skipped])
            rows, end = ask(daemon, "why", instance="crs-00000002")
            assert len(rows) == 12 and "the slot as a whole: nothing was sent: the slot was found later" in rows[0]["text"]
            assert all(row["whole_slot"] for row in rows)
            assert end["schedules"][0]["text"].endswith(f"; its last slot, {missed[-1]['slot']}, was missed as a whole")
            assert daemon.stop() == 0
    assert not daemon.events("backup_missed") + daemon.events("backup_skipped")  # of the second life


@pytest.mark.parametrize(
    "verb, arguments, code, text",
    [
        ("history", {"schedule": "nigthly"}, "not_found", "did you mean nightly?"),
        ("history", {"instance": ["crs-00000001", "crs-nobody00"], "until": "@1"}, "not_found", "crs-nobody00"),
        ("history", {"instance": [f"crs-{i:08d}" for i in range(257)]}, "too_large", "256"),
        ("history", {"limit": 100001}, "usage", "limit"),
        ("history", {"limit": 0}, "usage", "limit"),
        ("history", {"since": "yesterday"}, "usage", "since"),
        ("history", {"failed": "yes"}, "usage", "failed"),
        ("history", {"schedule": "x" * 65}, "usage", "schedule"),
        ("history", {"when": 1}, "usage", "when"),
        ("runs", {}, "usage", "slot"),
        ("why", {}, "usage", "instance"),
        ("why", {"instance": 7}, "usage", "instance"),
    ],
)
def test_wrong_questions(daemon, verb, arguments, code, text):
    got, said = refusal(daemon, verb, **arguments)
    assert got == code and text in said


def test_clients_that_go(daemon):
    """Those that stay get their answers, whoever leaves in the middle of his own."""
    staying = []
    try:
        for number in range(40):
            client = Client(path_of(daemon))
            client.send({"verb": "history", "limit": 3000})
            if number % 2:
                client.socket.close()
            else:
                staying.append(client)
        assert ask(daemon, "health")[1]["healthy"]
        for number, client in enumerate(staying):
            if number % 3 == 0:
                client.line()
                client.socket.close()
        for number, client in enumerate(staying):
            if number % 3:
                rows, last = client.answer()
                assert len(rows) == 3000 and last == {"end": {"truncated": True}}
    finally:
        for client in staying:
            client.socket.close()


def test_a_stop_in_the_middle(filled):
    """An answer is broken off; the daemon's end is in order."""
    with Daemon(QUIET, KEYS, directory=filled) as running:
        running.wait_for("ready")
        clients = [Client(path_of(running)) for _ in range(8)]
        for client in clients:
            client.send({"verb": "history", "limit": 100000})
        clients[0].line()
        assert running.stop() == 0
        for client in clients:
            client.socket.close()


def test_a_ledger_that_cannot_be_read(filled):
    with Daemon(QUIET, KEYS, directory=filled) as running:
        running.wait_for("ready")
        file = f"{filled}/ledger.db"
        os.rename(file, file + ".away")
        try:
            code, text = refusal(running, "history")
            assert code == "unavailable" and file in text
            assert refusal(running, "runs", slot="@1")[0] == "unavailable"
            assert refusal(running, "why", instance="crs-00000000")[0] == "unavailable"
        finally:
            os.rename(file + ".away", file)
        assert len(ask(running, "history", limit=5)[0]) == 5
        assert running.stop() == 0
