"""The control socket of the real daemon: what it answers, and what hostile clients can do to it."""

import concurrent.futures
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest

from control import Client, ask, path_of, refusal
from daemon import BINARY, Daemon, configuration, soon

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
BUSY = 64


def quiet(schedules=None, **more):
    """A configuration that sends nothing while a test runs."""
    never = {"yearly": {"cron": "0 0 29 2 *", "instances": ["crs-a", "crs-b"]}}
    return {"region": "ap-guangzhou", "log": {"target": "stderr"}, "endpoint": "http://127.0.0.1:9", **more,
            "schedules": never if schedules is None else schedules}


@pytest.fixture
def daemon():
    with Daemon(quiet(), KEYS) as running:
        running.wait_for("ready")
        yield running


def test_status_and_health(daemon):
    rows, end = ask(daemon, "status")
    assert [(row["name"], row["instances"], row["paused"]) for row in rows] == [("yearly", 2, False)]
    assert (end["pid"], end["ready"], end["draining"]) == (daemon.process.pid, True, False)
    assert end["config"]["file"] == daemon.config_file and end["config"]["schedules"] == 1
    assert end["credentials"] == {"provider": "env"} and end["ledger"] == {"ok": True}
    assert ask(daemon, "health") == ([], {"healthy": True, "reasons": []})


def test_reload_says_what_is_wrong(daemon):
    assert ask(daemon, "reload") == ([], {"ok": True})
    daemon.write(quiet(regoin="x"))
    code, text = refusal(daemon, "reload")
    assert code == "refused" and "did you mean region?" in text
    assert ask(daemon, "status")[1]["config"]["last_reload"]["ok"] is False
    assert len(daemon.wait_for("operator", 2)) == 2


def test_requests_that_are_no_good(daemon):
    """Each is refused with its code, and the connection goes on."""
    assert refusal(daemon, "list", instance=["crs-a"] * 3000) == ("usage", "a request has at most 2048 values")
    with Client(path_of(daemon)) as client:
        for line in (b"x", b"{", b"[]", b"{}", b"\x00\xff\xfe", b'"status"', b'{"verb":1}', b'{"verb":"statu"}',
                     b'{"verb":"status","verb":"status"}', b'{"verb":"status","more":1}', b"[" * 1000,
                     b'{"verb":' + b"[" * 60000 + b"]" * 60000 + b"}", b"[" + b"1," * 70000 + b"1]",
                     b'{"verb":"' + b"a" * 5000 + b'"}'):
            client.send(line + b"\n")
            rows, last = client.answer()
            assert rows == [] and last["error"]["code"] == "usage", line[:40]
        client.send(b"\n\r\n\n" + b'{"verb":"health"}\r\n')
        assert client.answer()[1]["end"]["healthy"]


def test_requests_follow_one_another(daemon):
    """Many in one piece, in small pieces, and half-closed: all are answered in order."""
    with Client(path_of(daemon)) as client:
        client.send(b'{"verb":"health"}\n{"verb":"status"}\n' * 200)
        for _ in range(200):
            assert "healthy" in client.answer()[1]["end"]
            assert "version" in client.answer()[1]["end"]
        for byte in b'{"verb":"health"}\n':
            client.send(bytes([byte]))
        assert client.answer()[1]["end"]["healthy"]
        client.send(b'{"verb":"health"}\n{"verb":"hea')
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer()[1]["end"]["healthy"]
        assert client.line() == b""


def test_a_request_that_is_too_large(daemon):
    """The largest that is allowed is read; one byte more ends the connection, with a word."""
    largest = b'{"verb":"health"' + b" " * (262144 - 17) + b"}"
    with Client(path_of(daemon)) as client:
        client.send(largest + b"\n")
        assert client.answer()[1]["end"]["healthy"]
        try:
            client.send(largest + b" \n")
            client.send(b"x" * 1000000)
        except BrokenPipeError:
            pass
        assert client.answer()[1]["error"]["code"] == "too_large"
        assert client.line() == b""


def test_thousands_of_connections(daemon):
    """64 are served; more are told so and closed; when one leaves, another may come."""
    clients = [Client(path_of(daemon)) for _ in range(BUSY)]
    for client in clients:
        assert client.ask("health")[1]["end"]["healthy"]
    for _ in range(2000):
        with Client(path_of(daemon)) as more:
            assert more.answer()[1]["error"]["code"] == "busy"
    for client in clients:
        assert client.ask("health")[1]["end"]["healthy"]
        client.socket.close()
    assert ask(daemon, "health")[1]["healthy"]
    assert daemon.stop() == 0


def test_clients_that_vanish(daemon):
    for _ in range(300):
        with Client(path_of(daemon)) as client:
            client.send(b'{"verb":"status"}\n' * 20)
    assert ask(daemon, "health")[1]["healthy"]
    assert daemon.stop() == 0


def test_the_file(daemon):
    """Mode 0660, gone after the end; what a killed daemon left is replaced."""
    path = path_of(daemon)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    daemon.signal(signal.SIGKILL)
    daemon.end()
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    with daemon:
        daemon.wait_for("ready", 2)
        assert ask(daemon, "health")[1]["healthy"]
        assert daemon.stop() == 0
        assert not os.path.exists(path) and not os.path.exists(path + ".lock")


def start_beside(tmp_path, socket_path, **more):
    """Another daemon with a state of its own; (exit status, what it says), or None while it runs."""
    file = tmp_path / "other.yaml"
    file.write_text(str(quiet(control={"socket": socket_path}, **more)), encoding="utf-8")
    environment = {"PATH": "/usr/bin:/bin", "STATE_DIRECTORY": str(tmp_path), "TENCENTCLOUD_SECRET_ID": KEYS[0],
                   "TENCENTCLOUD_SECRET_KEY": KEYS[1]}
    done = subprocess.run([BINARY, "-c", str(file)], env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_a_live_daemons_socket_is_not_taken(daemon, tmp_path):
    code, said = start_beside(tmp_path, path_of(daemon))
    assert code == 1 and "control.socket: " in said and "in use by another crsbackupd" in said
    assert ask(daemon, "health")[1]["healthy"]


def test_what_is_no_socket_of_ours_is_left_alone(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("keep", encoding="utf-8")
    code, said = start_beside(tmp_path, str(plain))
    assert code == 1 and "no socket" in said and plain.read_text(encoding="utf-8") == "keep"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        code, said = start_beside(tmp_path, str(tmp_path / "other"))
    assert code == 1 and "in use by another program" in said
    code, said = start_beside(tmp_path, str(tmp_path / "none" / "s"))
    assert code == 78 and "No such file" in said


def test_a_default_that_cannot_be_had_is_a_warning(tmp_path):
    with Daemon(quiet(), KEYS, environment={"RUNTIME_DIRECTORY": str(tmp_path / "none")}) as running:
        running.wait_for("ready")
        assert "no control socket" in running.events("configuration_warning")[0]["message"]
        assert running.stop() == 0


def until(condition, timeout=30):
    """Waits for a condition and returns what it gave."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_socket_elsewhere_is_found_after_a_mistake(tmp_path):
    runtime = tmp_path / "run"
    runtime.mkdir()
    (runtime / "control.sock").symlink_to("nowhere")  # of an earlier life
    environment = {"RUNTIME_DIRECTORY": str(runtime)}
    with Daemon(quiet(control={"socket": str(tmp_path / "own.sock")}), KEYS, environment=environment) as running:
        running.wait_for("ready")
        assert os.readlink(runtime / "control.sock") == str(tmp_path / "own.sock")
        with open(running.config_file, "a", encoding="utf-8") as file:
            file.write("evry: 3s\n")
        done = subprocess.run([os.environ["CRSBACKUPCTL"], "reload"], capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, **environment})
        assert done.returncode == 1 and "evry" in done.stderr
        assert "evry" in running.wait_for("reload_failed")[0]["message"]
        assert running.stop() == 0
    assert os.listdir(runtime) == []


def test_what_became_of_the_last_slot(stand_in):
    """Counted while it happens, and known again after a kill."""
    cloud = stand_in("--any-instance", "--task-time", "100ms")
    period, due = soon(60, 3)
    schedules = {"often": {"every": f"{period}s", "instances": ["crs-aaaa0001", "crs-bbbb0002"]},
                 "yearly": {"cron": "0 0 29 2 *", "instances": ["crs-aaaa0001"]}}
    with Daemon(configuration(cloud, schedules), KEYS) as daemon:
        daemon.wait_for("backup_succeeded", 2)
        rows, end = ask(daemon, "status")
        slot = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(due))
        often, yearly = rows
        assert often["last_slot"] == slot and often["last"]["succeeded"] == 2 and often["last"]["open"] == 0
        assert often["never_good"] == 0 and often["overdue"] == 0
        assert often["max_age_seconds"] == 3 * period // 2 + 3600
        assert yearly["never_good"] == 1 and "last_slot" not in yearly and "oldest_good" not in yearly
        limiter = {row["action"]: row for row in end["limiter"]}
        for action, row in limiter.items():
            assert row["requests_last_minute"] == len(cloud.arrivals(action)) and row["queued"] == 0
        assert limiter["ManualBackupInstance"]["requests_last_minute"] == 2
        members, _end = ask(daemon, "list")
        assert [(m["schedule"], m["instance"]) for m in members] == [
            ("often", "crs-aaaa0001"), ("often", "crs-bbbb0002"), ("yearly", "crs-aaaa0001")]
        assert [m.get("last_outcome") for m in members] == ["succeeded", "succeeded", None]
        assert members[0]["last_slot"] == slot and members[0]["state"] == "idle" and not members[0]["overdue"]
        age = ask(daemon, "check-age", schedule="often")[1]
        assert (age["state"], age["checked"], age["overdue"], age["never"]) == ("ok", 2, 0, 0)
        assert age["oldest"]["at"] == often["oldest_good"]["at"]
        assert ask(daemon, "check-age")[1]["state"] == "warning"
        until(lambda: ask(daemon, "check-age", schedule="often", max_age_seconds=1)[1]["state"] == "critical")
        daemon.signal(signal.SIGKILL)
        daemon.end()
        with daemon:
            daemon.wait_for("ready", 2)
            until(lambda: "restoring" not in ask(daemon, "status")[1])
            again, _end = ask(daemon, "status")
            assert again[0]["last"] == often["last"] and again[0]["oldest_good"]["at"] == often["oldest_good"]["at"]
            assert again[0]["last_slot"] == slot and daemon.stop() == 0


def test_many_members(tmp_path):
    """A list of thousands comes in parts, whole and in order; a client that reads slowly holds nobody up."""
    schedules = {f"s{i}": {"cron": "0 0 29 2 *", "instances": [f"crs-{i}x{j}" for j in range(5000)]} for i in range(4)}
    with Daemon(quiet(schedules), KEYS) as daemon:
        daemon.wait_for("ready")
        with Client(path_of(daemon)) as slow:
            slow.send(b'{"verb":"list"}\n' * 4)
            members, _end = ask(daemon, "list")
            assert [m["instance"] for m in members] == [i for s in schedules.values() for i in s["instances"]]
            for _ in range(4):
                rows, last = slow.answer()
                assert len(rows) == 20000 and "end" in last
        members, _end = ask(daemon, "list", instance=["crs-3x4999", "crs-0x0", "crs-0x0"])
        assert [m["instance"] for m in members] == ["crs-0x0", "crs-3x4999"]
        assert len(ask(daemon, "list", schedule="s2", instance=["crs-2x1"])[0]) == 1
        assert refusal(daemon, "list", schedule="s2", instance=["crs-3x1"])[0] == "not_found"
        assert refusal(daemon, "list", schedule="s22") == ("not_found", "there is no schedule s22; did you mean s2?")
        assert refusal(daemon, "list", instance="crs-a")[0] == "usage"
        assert refusal(daemon, "list", instance=["CRS"])[0] == "usage"
        assert refusal(daemon, "list", instance=[f"crs-{i}" for i in range(1001)])[0] == "too_large"
        assert refusal(daemon, "check-age", max_age_seconds=0)[0] == "usage"
        with Client(path_of(daemon)) as client:  # a reload in the middle of a list ends it
            client.send({"verb": "list"})
            daemon.write(quiet())
            ask(daemon, "reload")
            _rows, last = client.answer()
            assert "end" in last or last["error"]["code"] == "refused"
        assert daemon.stop() == 0


def test_an_operators_run(stand_in):
    """It goes at once, also where the schedule is paused; the slots of a pause are skipped."""
    cloud = stand_in("--any-instance", "--task-time", "100ms")
    schedules = {"a": {"cron": "0 0 29 2 *", "spread": "1h", "instances": ["crs-aaaa0001", "crs-aaaa0002"]},
                 "b": {"cron": "0 0 29 2 *", "instances": ["crs-aaaa0002", "crs-bbbb0003"]}}
    with Daemon(configuration(cloud, schedules), KEYS) as daemon:
        daemon.wait_for("ready")
        assert refusal(daemon, "run")[0] == "usage"
        code, text = refusal(daemon, "run", instance=["crs-aaaa0001", "crs-aaaa0002"])
        assert code == "usage" and "in the schedules a and b" in text
        assert refusal(daemon, "run", schedule="a", instance=["crs-bbbb0003"])[0] == "not_found"
        assert refusal(daemon, "run", schedule="c")[0] == "not_found"
        assert not daemon.events("backup_submitted")
        ask(daemon, "pause", schedule="a")
        end = ask(daemon, "run", instance=["crs-bbbb0003", "crs-aaaa0001"])[1]
        assert end["accepted"] == 2 and [r["schedule"] for r in end["runs"]] == ["a", "b"]
        events = daemon.wait_for("backup_succeeded", 2)
        assert sorted(e["instance"] for e in events) == ["crs-aaaa0001", "crs-bbbb0003"]
        assert {e["slot"] for e in daemon.events("backup_submitted")} == {end["slot"]}
        assert ask(daemon, "run", schedule="a")[1]["accepted"] == 2
        assert len(daemon.wait_for("backup_succeeded", 4)) == 4
        rows, _end = ask(daemon, "status")
        assert [row["never_good"] for row in rows] == [0, 1] and "last_slot" not in rows[0]
        assert daemon.events("operator")[-1]["verb"] == "run" and daemon.events("operator")[-1]["instances"] == "2"


def check_list(daemon, cloud, named, slot):
    """Of an order that is under way: who was named and has had no turn yet is at it, the others are idle."""
    members = {member["instance"]: member for member in ask(daemon, "list")[0]}
    had_turn = {arrival["params"]["InstanceId"] for arrival in cloud.arrivals()}
    for name in set(named) - had_turn:
        assert members[name]["state"] != "idle" and members[name]["slot"] == slot, members[name]
    for name in members.keys() - set(named):
        assert members[name]["state"] == "idle" and "slot" not in members[name], members[name]
    assert "waiting" in {member["state"] for member in members.values()}


def test_an_order_outlives_a_kill(stand_in):
    """What was accepted is run after a restart: those that were named and nobody else, each once; list shows them."""
    cloud = stand_in("--any-instance", "--task-time", "100ms")
    many = [f"crs-aaaa{i:04}" for i in range(40)]
    schedules = {"a": {"cron": "0 0 29 2 *", "instances": many}}
    config = configuration(cloud, schedules, rate_limit={"per_second": 5}, requests={"settle": "1s"})
    with Daemon(config, KEYS) as daemon:
        daemon.wait_for("ready")
        order = ask(daemon, "run", instance=many[10:30])[1]
        assert order["accepted"] == 20
        check_list(daemon, cloud, many[10:30], order["slot"])
        daemon.signal(signal.SIGKILL)
        daemon.end()
        with daemon:
            daemon.wait_for("ready", 2)
            until(lambda: "restoring" not in ask(daemon, "status")[1])
            check_list(daemon, cloud, many[10:30], order["slot"])
            daemon.wait_for("backup_succeeded", 20, timeout=60)
            assert daemon.stop() == 0
        assert sorted({e["instance"] for e in daemon.events("backup_succeeded")}) == many[10:30]
        assert len(daemon.events("backup_succeeded")) == 20


def test_a_pause(stand_in):
    """Kept over a restart and a reload, ended by resume or by its time; asked twice, it is done."""
    cloud = stand_in("--any-instance")
    schedules = {"often": {"every": "1s", "instances": ["crs-aaaa0001"]}, "off": {"every": "1h", "paused": True, "instances": ["crs-aaaa0002"]}}
    with Daemon(configuration(cloud, schedules), KEYS) as daemon:
        daemon.wait_for("ready")
        for _ in range(2):
            assert ask(daemon, "pause", schedule="often")[1] == {"schedule": "often", "paused": True}
        daemon.wait_for("backup_skipped", 2)
        ask(daemon, "reload")
        assert [row["paused"] for row in ask(daemon, "status")[0]] == [True, True]
        daemon.signal(signal.SIGKILL)
        daemon.end()
        skipped, sent = len(daemon.events("backup_skipped")), len(daemon.events("backup_submitted"))
        with daemon:
            daemon.wait_for("backup_skipped", skipped + 2)
            assert len(daemon.events("backup_submitted")) == sent
            assert daemon.events("backup_skipped")[-1]["reason"] == "paused"
            assert ask(daemon, "resume", schedule="often")[1] == {"schedule": "often", "paused": False}
            daemon.wait_for("backup_submitted", sent + 1)
            until_ = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
            end = ask(daemon, "pause", schedule="often", until=until_)[1]
            assert end == {"schedule": "often", "paused": True, "until": until_}
            assert ask(daemon, "status")[0][0]["paused_until"] == until_
            until(lambda: not ask(daemon, "status")[0][0]["paused"])
            daemon.wait_for("backup_submitted", len(daemon.events("backup_submitted")) + 1)
            assert refusal(daemon, "pause", schedule="often", until="2020-01-01T00:00:00Z")[0] == "usage"
            assert refusal(daemon, "pause")[0] == "usage"
            assert refusal(daemon, "resume", schedule="off")[0] == "refused"


ASKS = """
import os, socket, sys
os.setgroups([int(g) for g in sys.argv[2].split(",") if g])
os.setgid(int(sys.argv[3]))
os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
for verb in ("status", "reload"):
    s.sendall(b'{"verb":"%s"}\\n' % verb.encode())
    said = b""
    while not said.endswith(b"}}\\n"):
        said += s.recv(65536)
    print(said.splitlines()[-1].decode())
"""


def asked_by(path, groups, group=65534):
    """(status, reload) as another user is answered, or None where he is not let in."""
    done = subprocess.run([sys.executable, "-c", ASKS, path, ",".join(map(str, groups)), str(group)], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        assert "PermissionError" in done.stderr, done.stderr
        return None
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_other_users(daemon):
    """The file's mode decides who may ask; who is in its group may change something, by any of his groups."""
    path = path_of(daemon)
    os.chmod(daemon.directory, 0o755)
    own = os.stat(path).st_gid
    assert asked_by(path, []) is None
    for answer in (asked_by(path, [12345, own]), asked_by(path, [], group=own)):
        assert "end" in answer[0] and answer[1] == {"end": {"ok": True}}
    os.chmod(path, 0o666)
    answer = asked_by(path, [12345])
    assert "end" in answer[0] and answer[1]["error"]["code"] == "denied"
    assert len(daemon.events("reloaded")) == 2
    others = [event for event in daemon.events("operator") if event["uid"] == "65534"]
    assert len(others) == 2


def test_clients_that_are_slow(daemon):
    """One who does not finish his request, and one who does not read his answer, are closed in time; others are not."""
    with Client(path_of(daemon)) as begun, Client(path_of(daemon)) as deaf, Client(path_of(daemon)) as patient:
        begun.send(b'{"verb":')
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.socket.setblocking(False)
        try:
            while True:  # till neither side takes any more
                deaf.socket.send(b'{"verb":"status"}\\n' * 100)
        except BlockingIOError:
            pass
        deaf.socket.setblocking(True)
        began = time.monotonic()
        assert begun.line() == b"" and time.monotonic() - began > 5
        until(lambda: ask(daemon, "status")[1] and closed(deaf.socket))
        assert patient.ask("health")[1]["end"]["healthy"]


def closed(connection):
    """Whether the other side has closed it: what it sent before is left unread."""
    poll = select.poll()
    poll.register(connection, 0)
    return any(event & select.POLLHUP for _fd, event in poll.poll(0))


def answers(daemon, requests):
    """Sends requests and reads their answers."""
    with Client(path_of(daemon)) as client:
        client.send(requests)
        for _ in range(requests.count(b"\n")):
            assert client.answer()[1] is not None


def test_the_loop_stays_quick(tmp_path):
    """Nothing that a client does holds the loop: its own work, in a build with sanitizers, which take ten times as long."""
    schedules = {f"s{i}": {"cron": "0 0 29 2 *", "instances": [f"crs-{i}x{j}" for j in range(1000)]} for i in range(20)}
    with Daemon(quiet(schedules), KEYS) as daemon:
        daemon.wait_for("ready")
        until(lambda: "restoring" not in ask(daemon, "status")[1])
        requests = [b'{"verb":"list"}\n', b'{"verb":"check-age"}\n', b'{"verb":"status"}\n' * 20,
                    b"[" + b"1," * 65000 + b"1]\n"]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda i: answers(daemon, requests[i % 4]), range(24)))
        assert ask(daemon, "status")[1]["loop"]["longest_work_ms"] < 200
        assert daemon.stop() == 0
