"""crsbackupctl's side of the control socket: what it sends, what it shows, and what a bad server can do to it."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from ctl_server import CTL, Server, call, end, error, rows
from terminal import on_a_terminal

VERBS = {
    "status": [], "list": [], "history": [], "why": ["crs-a"], "run": ["--instance", "crs-a"],
    "pause": ["nightly"], "resume": ["nightly"], "reload": [], "health": [], "check-age": [],
}  # fmt: skip
ESCAPE = "\x1b"


# ---- where nobody answers ----


@pytest.mark.parametrize("verb", VERBS)
def test_no_daemon(tmp_path, verb):
    path = str(tmp_path / "nobody.sock")
    code, out, err = call(verb, *VERBS[verb], "--socket", path)
    if verb == "check-age":
        assert (code, err) == (3, "") and out.startswith("CRSBACKUP UNKNOWN - ") and path in out
    else:
        assert (code, out) == (69, "")
        assert path in err and "systemctl status crsbackupd" in err and len(err.splitlines()) == 1


def test_options_before_the_verb(tmp_path):
    """Where the daemon is may be said first; what is wrong with it is said as behind the verb."""
    there = tmp_path / "there.sock"
    for early in (["--socket", str(there)], [f"--socket={there}"], ["--json", "--timeout", "5s", "--socket", str(there)]):
        code, out, err = call(*early, "why", "crs-good0001")
        assert (code, out) == (69, "") and str(there) in err
    code, _, err = call("--socket", str(there), "status", "--socket", str(there))
    assert code == 2 and "--socket is given twice" in err
    code, _, err = call("--socket", str(there), "explain", "InternalError")
    assert code == 2 and "unknown option '--socket'" in err
    assert call("--socket")[0] == 2
    assert call("--socket", str(there))[0] == 2


def test_a_socket_that_was_left(tmp_path):
    with Server(tmp_path) as server:
        pass
    code, _, err = server.call("status")
    assert code == 69 and "refused" in err


def test_permission_denied():
    """Told as what it is: the daemon may well live."""
    with tempfile.TemporaryDirectory(prefix="ctl-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)  # the other user gets as far as the socket
        program = str(directory / "ctl")
        shutil.copy(CTL, program)
        other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        with Server(directory) as server:
            os.chmod(server.path, 0o600 if other else 0)
            done = subprocess.run([program, "status", "--socket", server.path], capture_output=True, text=True,
                                  check=False, cwd="/", timeout=30, **other)
    assert done.returncode == 69
    assert "permission denied" in done.stderr and "sudo" in done.stderr and "group" in done.stderr


@pytest.mark.parametrize("where", [["--socket", ""], ["--socket", "/x" * 60], ["-c", "/nowhere.yaml"], ["--timeout", "soon"],
                                   ["--timeout", "0"]])  # fmt: skip
def test_wrong_places(where):
    code, out, err = call("status", *where)
    assert (code, out) == (65, "") and len(err.splitlines()) == 1


def test_the_file_names_the_place(tmp_path):
    file = tmp_path / "crsbackupd.yaml"
    with Server(tmp_path, health=end(healthy=True, reasons=[])) as server:
        file.write_text(f"region: ap-guangzhou\ncontrol: {{socket: {server.path}}}\n"
                        "schedules: {n: {every: 1h, instances: [crs-a]}}\n", encoding="utf-8")
        assert call("health", "-c", str(file)) == (0, "healthy\n", "")
        file.write_text("regoin: x\n", encoding="utf-8")
        code, _, err = call("health", "-c", str(file))
        assert code == 65 and f"{file}:1:1: " in err and "--socket" in err


def test_the_runtime_directory_is_the_default(tmp_path):
    with Server(tmp_path, health=end(healthy=True, reasons=[])) as server:
        os.rename(server.path, tmp_path / "control.sock")
        assert call("health", env={"RUNTIME_DIRECTORY": f"{tmp_path}:/elsewhere"})[0] == 0


# ---- who answers otherwise ----


def flood(connection):
    while True:
        connection.sendall(b"x" * 65536)


def rows_without_end(connection):
    part = rows(*({"name": f"s{i}", "text": "x" * 100} for i in range(300)))
    while True:
        connection.sendall(part)


def trickle(connection):
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def silence(connection):
    connection.recv(1)


@pytest.mark.parametrize(
    "answer, told",
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not crsbackupd"),
        (b"\n", "not crsbackupd"),
        (b"\0\xff\xfe\n", "not UTF-8"),
        (b"[]\n", "none of the protocol"),
        (b'{"rows":{}}\n', "none of the protocol"),
        (b'{"end":7}\n', "none of the protocol"),
        (b'{"end":{},"end":{}}\n', "none of the protocol"),
        (b'{"error":{"code":7}}\n', "refusal has no text"),
        (b"[" * 100 + b"\n", "nested"),
        (b'{"rows":[' + b"1," * 50000 + b"1]}\n", "went away"),
        (rows({"name": "a"}) + b"{", "went away"),
        (b"", "went away"),
        (lambda connection: None, "went away"),
        (flood, "line does not end"),
        (silence, "no answer within 100ms"),
        (trickle, "answer within 100ms"),
    ],
    ids=range(16),
)
@pytest.mark.parametrize("json_too", [False, True])
def test_strange_servers(tmp_path, answer, told, json_too):
    """No hang, no crash, no memory without end: one line of what is wrong, and the exit code of no daemon."""
    close = answer if callable(answer) else lambda connection: connection.sendall(answer)
    with Server(tmp_path, status=close) as server:
        code, _, err = server.call("status", "--timeout", "100ms" if answer in (silence, trickle) else "20s",
                                   *(["--json"] if json_too else []), timeout=60)
    assert code == 69 and told in err and len(err.splitlines()) == 1, err


def test_an_answer_without_end(tmp_path):
    """Its rows are taken as they come, but not for ever."""
    with Server(tmp_path, status=rows_without_end) as server:
        code, _, err = server.call("status", "--json", "--timeout", "50ms", timeout=120)
    assert code == 69 and "answer within 50ms" in err


def test_what_was_said_before_it_closed(tmp_path):
    """A daemon that is full speaks before it reads, and closes."""
    def full(connection):
        connection.sendall(error("busy", "too many connections"))

    directory = tmp_path / "full"
    directory.mkdir()
    with Server(directory) as server:
        server._serve = lambda connection: (full(connection), connection.close())
        code, out, err = server.call("status")
    assert (code, out, err) == (1, "", "crsbackupctl: too many connections\n")


@pytest.mark.parametrize("code, expected", [("usage", 2), ("denied", 1), ("busy", 1), ("not_found", 65), ("refused", 1),
                                            ("too_large", 65), ("unavailable", 1), ("internal", 1), ("new", 1)])  # fmt: skip
def test_refusals(tmp_path, code, expected):
    with Server(tmp_path, reload=error(code, "line 3: no\n\x1b[2Jgood"), check_age=error(code, "why | not")) as server:
        assert server.call("reload") == (expected, "", "crsbackupctl: line 3: no  [2Jgood\n")
        assert server.call("check-age") == (3, "CRSBACKUP UNKNOWN - why / not\n", "")


HOSTILE = "a\x1b[31m\r\n\tb\x7f\u009b2J\u2028\u202ec\u200b"


def test_nothing_drives_the_terminal(tmp_path):
    """Neither from the cloud nor from the file nor from who pretends to be the daemon."""
    row = {"schedule": HOSTILE, "instance": HOSTILE, "slot": "2026-11-23T19:00:00Z", "kind": HOSTILE, "region": HOSTILE,
           "outcome": HOSTILE, "code": HOSTILE, "text": HOSTILE, "name": HOSTILE, "event": HOSTILE, "state": HOSTILE,
           "last_outcome": HOSTILE, "at": "2026-11-23T19:00:00Z",
           "oldest_good": {"instance": HOSTILE, "at": "2026-11-23T19:00:00Z"}}  # fmt: skip
    last = end(version=HOSTILE, config={"file": HOSTILE, "last_reload": {"ok": False, "text": HOSTILE}}, instance=HOSTILE,
               credentials={"provider": HOSTILE, "failing": HOSTILE}, ledger={"ok": False, "text": HOSTILE},
               limiter=[{"host": HOSTILE, "action": HOSTILE}], reasons=[HOSTILE],
               schedules=[row], schedule=HOSTILE, paused=True, accepted=0, slot=HOSTILE, refused=[row], state=HOSTILE,
               oldest=row, worst=[row])  # fmt: skip
    with_rows = {verb: rows(row) + last for verb in ("status", "list", "history", "why")}
    plain = {verb: last for verb in ("run", "pause", "resume", "reload", "health", "check_age")}
    colour = re.compile(r"\x1b\[[0-9;]*m")
    with Server(tmp_path, **with_rows, **plain) as server:
        for verb, arguments in VERBS.items():
            _, out, err = server.call(verb, *arguments)
            _, lines = on_a_terminal([CTL, verb, *arguments, "--socket", server.path], columns=200)
            _, as_json, _ = server.call(verb, *arguments, "--json")
            text = out + err + colour.sub("", "\n".join(lines))
            assert not set(text) & set("\x1b\r\x7f\u009b\u2028\u202e\u200b"), verb
            assert not set(as_json) & set("\x1b\r\x7f\u009b"), verb  # the rest belongs to JSON
            assert verb in ("run", "check-age") or json.loads(as_json), verb  # nothing was broken by it


# ---- what is asked and shown ----


def test_requests(tmp_path):
    """The arguments as the protocol has them."""
    answers = {verb.replace("-", "_"): end() for verb in VERBS}
    with Server(tmp_path, **answers) as server:
        def asked(*arguments):
            server.requests.clear()
            server.call(*arguments)
            return server.requests

        assert asked("status") == [{"verb": "status"}]
        assert asked("list", "--schedule", "n", "--instance", "crs-a", "--instance=crs-b") == [
            {"verb": "list", "schedule": "n", "instance": ["crs-a", "crs-b"]}]
        assert asked("history", "--since", "2026-11-23T19:00+08:00", "--until", "@1795460400.5", "--failed",
                     "--limit", "7") == [
            {"verb": "history", "since": "2026-11-23T11:00:00Z", "until": "2026-11-23T19:00:00.500000Z", "failed": True,
             "limit": 7}] or asked("history", "--until", "@1795460400") == [
            {"verb": "history", "until": "2026-11-23T19:00:00Z", "limit": 1000}]
        (request,) = asked("history", "--since", "1d")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", request["since"])
        assert asked("why", "crs-a") == [{"verb": "why", "instance": "crs-a"}]
        assert asked("run", "--instance", 'cr"s') == [{"verb": "run", "instance": ['cr"s']}]
        assert asked("pause", "n", "--until", "2036-11-23T19:00:00Z") == [
            {"verb": "pause", "schedule": "n", "until": "2036-11-23T19:00:00Z"}]
        assert asked("resume", "n") == [{"verb": "resume", "schedule": "n"}]
        assert asked("check-age", "--max", "26h", "--schedule", "n") == [
            {"verb": "check-age", "max_age_seconds": 93600, "schedule": "n"}]


@pytest.mark.parametrize(
    "arguments, code",
    [
        (["history", "--since", "yesterday"], 65), (["history", "--limit", "0"], 65), (["why"], 2), (["run"], 2),
        (["pause"], 2), (["pause", "n", "--until", "@1"], 65), (["status", "x"], 2), (["history", "--faild"], 2),
        (["check-age", "--max", "old"], 3), (["check-age", "--frob"], 3), (["statsu"], 2),
        (["run", *["--instance=crs-a"] * 257], 2),
    ],
)  # fmt: skip
def test_wrong_usage(tmp_path, arguments, code):
    with Server(tmp_path) as server:
        verb, *rest = arguments
        assert server.call(verb, *rest)[0] == code
        assert server.requests == []


RUNS = [
    {"schedule": "nightly", "instance": "crs-5a4py64p", "slot": "2026-11-23T19:00:00Z", "kind": "schedule",
     "outcome": "failed", "attempts": 3, "task_id": 9007199254740993, "code": "ResourceUnavailable.InstanceUnableToBackup",
     "text": "实例正在备份中，请稍后再试"},
    {"schedule": "nightly", "instance": "crs-9xkq2m7d", "slot": "2026-11-23T19:00:00Z", "kind": "operator",
     "outcome": "succeeded", "attempts": 1},
]  # fmt: skip


def test_history_for_programs(tmp_path):
    with Server(tmp_path, history=rows(*RUNS) + end(truncated=True)) as server:
        code, out, err = server.call("history")
        assert code == 0 and "--limit" in err
        assert [line.split("\t") for line in out.splitlines()] == [
            ["2026-11-23T19:00:00Z", "nightly", "crs-5a4py64p", "schedule", "failed", "3", "9007199254740993",
             "ResourceUnavailable.InstanceUnableToBackup: 实例正在备份中，请稍后再试"],
            ["2026-11-23T19:00:00Z", "nightly", "crs-9xkq2m7d", "operator", "succeeded", "1", "", ""]]  # fmt: skip
        code, out, err = server.call("--json", "history")
        assert (code, err, out.count("\n")) == (0, "", 1)
        assert json.loads(out) == {"runs": RUNS, "truncated": True}


def test_a_slot_as_a_whole_is_marked(tmp_path):
    row = {**RUNS[1], "instance": "*", "whole_slot": True, "outcome": "missed", "attempts": 0, "text": "passed"}
    with Server(tmp_path, history=rows(row) + end(truncated=False)) as server:
        assert server.call("history", "--instance", "crs-a")[1].split("\t")[2] == "*"
        assert json.loads(server.call("history", "--json")[1])["runs"] == [row]
        lines = on_a_terminal([CTL, "history", "--socket", server.path], env={"NO_COLOR": "1"}, columns=200)[1]
    assert "* (whole slot)" in lines[1] and "missed" in lines[1]


def test_parts_are_one_list(tmp_path):
    with Server(tmp_path, history=rows(RUNS[0]) + rows() + rows(RUNS[1]) + end()) as server:
        assert json.loads(server.call("history", "--json")[1]) == {"runs": RUNS}

def wide(line):
    """Columns that a terminal draws: the Chinese of these tests is wide."""
    return sum(2 if ord(c) > 0x2E80 else 1 for c in line)


@pytest.mark.parametrize("columns", [62, 80, 120, 200])
def test_a_table_fits_the_terminal(tmp_path, columns):
    with Server(tmp_path, history=rows(*RUNS) + end()) as server:
        command = [CTL, "history", "--socket", server.path]
        code, lines = on_a_terminal(command, columns=columns)
        plain = on_a_terminal(command, columns=columns, env={"NO_COLOR": "1"})[1]
    assert code == 0 and f"{ESCAPE}[1;31mfailed{ESCAPE}[0m" in lines[1]
    assert ESCAPE not in "".join(plain)
    assert plain[0].startswith("SLOT") and "crs-5a4py64p" in plain[1] and "failed" in plain[1]
    assert all(wide(line) <= columns for line in plain), plain
    if columns == 200:
        assert plain[0].rstrip().endswith("REASON") and plain[1].endswith("稍后再试")
    else:  # the reason has a line of its own, where there is one
        assert "REASON" not in plain[0] and plain.pop(2).startswith("  ResourceUnavailable.InstanceUnableToBackup")
        assert any(line.endswith("稍后再试" if columns > 62 else "…") for line in lines)
    assert len(plain) == 3 and plain[1].index("failed") == plain[2].index("succeeded") == plain[0].index("RESULT")


def test_nothing_found(tmp_path):
    with Server(tmp_path, history=end(truncated=False)) as server:
        code, out, err = server.call("history", "--failed", "--since", "1d")
    assert (code, out) == (0, "") and err == "crsbackupctl: no run that failed is in the history of that time\n"


def schedule(name, **more):
    return {"name": name, "paused": False, "instances": 2, "next": "2036-01-01T00:00:00Z",
            "last_slot": "2026-11-23T19:00:00Z", "last": {"succeeded": 2}, "never_good": 0, "overdue": 0,
            "oldest_good": {"instance": "crs-a", "at": "2026-11-23T19:00:30Z"}, **more}  # fmt: skip


STATUS = {
    "version": "9.9", "pid": 42, "started": "2026-11-20T00:00:00Z", "now": "2026-11-24T04:00:00Z", "ready": True,
    "draining": False, "config": {"file": "/etc/x.yaml", "loaded": "2026-11-20T00:00:00Z", "schedules": 3, "instances": 6},
    "in_flight": 1, "waiting": 2, "watching": 3, "looking_up": 4, "ledger": {"ok": True}, "log": {"lost": 0},
    "credentials": {"provider": "cvm-role", "until": "2036-01-01T00:00:00Z"},
    "limiter": [{"host": "h:1", "action": "ManualBackupInstance", "per_second": 19.5, "requests_last_minute": 1170, "queued": 5},
                {"host": "h:1", "action": "DescribeTaskInfo", "per_second": 20, "requests_last_minute": 3, "queued": 0}],
}  # fmt: skip


def test_status_is_one_screen(tmp_path):
    """Trouble first, and no more lines than there are."""
    quiet = [schedule(f"quiet-{i:03}") for i in range(200)]
    bad = schedule("bad", last={"succeeded": 1, "failed": 1}, overdue=1)
    paused = schedule("rests", paused=True, paused_until="2036-01-01T00:00:00Z")
    with Server(tmp_path, status=rows(*quiet[:100]) + rows(paused, bad, *quiet[100:]) + end(**STATUS)) as server:
        code, lines = on_a_terminal([CTL, "status", "--socket", server.path], columns=120, env={"NO_COLOR": "1"})
        _, out, _ = server.call("status")
    assert code == 0 and len(lines) <= 50
    assert "crsbackupd 9.9, pid 42" in lines[0] and "ready" in lines[0]
    (head,) = [i for i, line in enumerate(lines) if line.startswith("SCHEDULE")]
    assert lines[head + 1].startswith("bad ") and "1 failed, 1 ok" in lines[head + 1] and "1 overdue" in lines[head + 1]
    assert re.search(r"^and \d+ more", lines[-1])
    table = [line for line in out.splitlines() if "\t" in line]
    assert len(table) == 202 and table[0].startswith("bad\t") and table[-1].startswith("rests\t")
    assert "limiter     h:1: 19.5/s, 1170 in the last minute, 5 queued\n" in out and "DescribeTaskInfo" not in out
    assert "keys        cvm-role, end in " in out


def test_a_narrow_status_has_the_failures(tmp_path):
    """At 80 columns, beside a long name and a schedule that rests for a while."""
    bad = schedule("nightly-production-redis", last={"succeeded": 2, "failed": 3, "open": 2}, never_good=5)
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6 * 3600))
    rests = schedule("rests", paused=True, paused_until=later)
    with Server(tmp_path, status=rows(bad, rests) + end(**STATUS)) as server:
        code, lines = on_a_terminal([CTL, "status", "--socket", server.path], env={"NO_COLOR": "1"})
    assert code == 0 and all(len(line) <= 80 for line in lines), lines
    assert "3 failed, 2 to " in "\n".join(lines) and re.search(r"rests +paused, [56]h( \d+m)? left ", lines[-1])


def test_status_in_trouble(tmp_path):
    trouble = {**STATUS, "draining": True, "clock_held": True, "ledger": {"ok": False, "text": "No space left"}, "log": {"lost": 12},
               "restoring": True, "limiter": [
                   {"host": "h:1", "action": "ManualBackupInstance", "per_second": 20, "queued": 0, "down": True},
                   {"host": "h:1", "action": "DescribeTaskInfo", "per_second": 20, "queued": 7, "down": True}],
               "credentials": {"provider": "file", "until": "2020-01-01T00:00:00Z", "failing": "no such file", "refused": "AuthFailure.X"},
               "config": {**STATUS["config"], "last_reload": {"at": "2026-11-24T03:00:00Z", "ok": False, "text": "x:1:1: bad"}}}
    with Server(tmp_path, status=end(**trouble)) as server:
        code, out, _ = server.call("status")
    assert code == 0
    for words in ("stopping", "clock       cannot be believed", "cannot record, so nothing is sent: No space left", "12 lines could not be written",
                  "h:1: 20/s, 0 in the last minute, 0 queued; the host gives no sign of life", "h:1 DescribeTaskInfo: 20/s, ", "still being read", "ended", "no such file", "the cloud refuses them: AuthFailure.X", "x:1:1: bad"):
        assert words in out, words


def test_list(tmp_path):
    found = [{"schedule": "nightly", "instance": "crs-a", "region": "ap-guangzhou", "next": "2036-01-01T00:00:00Z",
              "state": "idle", "last_slot": "2026-11-23T19:00:00Z", "last_outcome": "failed",
              "last_good": "2026-11-20T19:00:30Z", "overdue": True}]  # fmt: skip
    with Server(tmp_path, list=rows(*found) + end()) as server:
        assert server.call("list") == (
            0, "crs-a\tnightly\tap-guangzhou\tidle\t2036-01-01T00:00:00Z\tfailed\t2026-11-20T19:00:30Z\toverdue\n", "")
        assert json.loads(server.call("list", "--json")[1]) == {"instances": found}
        assert "overdue" in on_a_terminal([CTL, "list", "--socket", server.path])[1][1]


def test_why(tmp_path):
    decisions = [{"at": "2026-11-23T19:00:05.5Z", "schedule": "nightly", "slot": "2026-11-23T19:00:00Z",
                  "event": "backup_failed", "code": "UnauthorizedOperation.NoCAMAuthed", "text": "given up: no right",
                  "attempt": 1}]  # fmt: skip
    last = {"instance": "crs-a", "schedules": [{"name": "nightly", "state": "idle", "next": "2036-01-01T00:00:00Z",
                                                "text": "waits for its slot"}]}  # fmt: skip
    with Server(tmp_path, why=rows(*decisions) + end(**last)) as server:
        code, out, _ = server.call("why", "crs-a")
        assert code == 0 and out.split("\t") == [
            "2026-11-23T19:00:05.500000Z", "nightly", "2026-11-23T19:00:00Z", "backup_failed",
            "UnauthorizedOperation.NoCAMAuthed", "given up: no right\n"]  # fmt: skip
        assert json.loads(server.call("why", "crs-a", "--json")[1]) == {"decisions": decisions, **last}
        shown = "\n".join(on_a_terminal([CTL, "why", "crs-a", "--socket", server.path], env={"NO_COLOR": "1"})[1])
        assert "in nightly: idle, next slot in" in shown and "waits for its slot" in shown
        assert "UnauthorizedOperation.NoCAMAuthed: given up: no right" in shown and "to do: " in shown
        command = [CTL, "why", "crs-a", "--socket", server.path]
        narrow = on_a_terminal(command, columns=40, env={"NO_COLOR": "1"})[1]  # broken between words, never inside one
        assert [word for line in narrow for word in line.split()] == shown.split() and len(narrow) > shown.count("\n") + 1
        assert all(len(line) <= 40 for line in narrow[6:]), narrow


@pytest.mark.parametrize("state, word, expected", [("ok", "OK", 0), ("warning", "WARNING", 1), ("critical", "CRITICAL", 2),
                                                   ("unknown", "UNKNOWN", 3), ("odd", "UNKNOWN", 3)])  # fmt: skip
def test_check_age(tmp_path, state, word, expected):
    answer = {"state": state, "checked": 120, "overdue": 1, "never": 2,
              "oldest": {"schedule": "n", "instance": "crs-a", "at": "2026-11-23T19:00:30Z", "age_seconds": 18720},
              "worst": [{"schedule": "n", "instance": "crs-a", "age_seconds": 18720},
                        {"schedule": "n", "instance": "crs-b", "never": True, "age_seconds": 7}]}
    with Server(tmp_path, check_age=end(**answer)) as server:
        assert server.call("check-age") == (
            expected,
            f"CRSBACKUP {word} - 120 instances, 1 overdue, 2 without a good backup so far, oldest backup 5h 12m (crs-a): "
            "crs-a in n 5h 12m, crs-b in n never | overdue=1;;0 never=2 oldest=18720s\n", "")
        code, out, _ = server.call("check-age", "--json")
        assert code == expected and json.loads(out) == answer


def test_health(tmp_path):
    with Server(tmp_path, health=[end(healthy=True, reasons=[]), end(healthy=False, reasons=["stopping", "no keys"])]) as server:
        assert server.call("health") == (0, "healthy\n", "")
        assert server.call("health") == (1, "unhealthy\nstopping\nno keys\n", "")


def test_pause_and_resume(tmp_path):
    with Server(tmp_path, pause=[end(schedule="n", paused=True, until="2036-01-01T00:00:00Z"), end(schedule="n", paused=True)],
                resume=end(schedule="n", paused=False)) as server:
        assert server.call("pause", "n", "--until", "1d") == (0, "n is paused until 2036-01-01T00:00:00Z\n", "")
        assert server.call("pause", "n") == (0, "n is paused\n", "")
        assert server.call("resume", "n") == (0, "n is resumed\n", "")


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, -1, 1e300, 0.5])
def test_numbers_beyond_reason(tmp_path, number):
    """Nothing overflows, whoever counts so: the build of these tests would tell."""
    when = {"at": "9999-12-31T23:59:59Z", "instance": "crs-a", "schedule": "n", "age_seconds": number}
    row = schedule("n", instances=number, never_good=number, overdue=number, last=dict.fromkeys(
        ("succeeded", "failed", "missed", "open", "submitted", "stuck"), number), oldest_good=when, next="0001-01-01T00:00:00Z")
    every = dict.fromkeys(("pid", "in_flight", "waiting", "watching", "looking_up", "checked", "overdue", "never", "paused",
                           "accepted", "open", "submitted", "running", "succeeded", "failed", "other", "slots_open"), number)
    last = end(**{**STATUS, **every, "started": "0001-01-01T00:00:00Z", "state": "ok", "oldest": when, "worst": [when],
                  "limiter": [{"host": "h", "action": "ManualBackupInstance", "per_second": number, "requests_last_minute": number, "queued": number}]})
    answers = {"status": rows(row) + last, "history": rows({**RUNS[0], "attempts": number, "task_id": number}) + last,
               "why": rows({**RUNS[0], **when, "event": "x", "attempt": number}) + last}
    with Server(tmp_path, **answers, check_age=last, run=last, list=rows(when) + last) as server:
        for verb in ("status", "history", "why", "check-age", "run", "list"):
            assert server.call(verb, *VERBS[verb])[0] == 0, verb
            assert on_a_terminal([CTL, verb, *VERBS[verb], "--socket", server.path], columns=1)[0] == 0, verb


# ---- run ----

ORDER = {"accepted": 2, "slot": "2026-11-24T04:00:00.123456Z", "runs": [], "refused": []}


def counts(**more):
    return end(**{"open": 0, "submitted": 0, "running": 0, "succeeded": 0, "failed": 0, "other": 0, "failures": [], **more})


def test_run_without_waiting(tmp_path):
    refused = {**ORDER, "refused": [{"schedule": "n", "instance": "crs-c", "text": "its backup is running"}]}
    with Server(tmp_path, run=[end(**ORDER), end(**refused), end(**ORDER)]) as server:
        assert server.call("run", "--schedule", "n") == (0, "2 accepted, slot 2026-11-24T04:00:00.123456Z\n", "")
        assert server.call("run", "--schedule", "n") == (
            1, "2 accepted, slot 2026-11-24T04:00:00.123456Z\n",
            "crsbackupctl: crs-c in n is refused: its backup is running\n")
        assert json.loads(server.call("run", "--schedule", "n", "--json")[1]) == ORDER


def test_run_and_wait(tmp_path):
    steps = [counts(open=2), counts(running=1, submitted=1), counts(succeeded=1, running=1), counts(succeeded=2)]
    with Server(tmp_path, run=end(**ORDER), runs=[*steps]) as server:
        code, lines = on_a_terminal([CTL, "run", "--schedule", "n", "--wait", "--socket", server.path])
        assert code == 0
        assert server.requests[1:] == [{"verb": "runs", "slot": ORDER["slot"], "schedule": "n"}] * 4
    shown = "\n".join(lines)
    assert "0/2 done, 2 waiting" in shown and "1/2 done, 1 running, " in shown and "█" in shown
    assert lines[-1].endswith("2 of 2 succeeded")


def test_run_and_wait_in_vain(tmp_path):
    failed = {"schedule": "n", "instance": "crs-a", "outcome": "failed", "code": "FailedOperation.X", "text": "no"}
    skipped = {"schedule": "n", "instance": "crs-b", "outcome": "skipped", "text": "overlap"}
    last = counts(other=1, failed=1, failures=[failed, skipped])
    with Server(tmp_path, run=end(**ORDER), runs=last) as server:
        assert server.call("run", "--schedule", "n", "--wait") == (
            1, "crs-a\tfailed\tFailedOperation.X: no\ncrs-b\tskipped\toverlap\n0 of 2 succeeded\n", "")
        command = [CTL, "run", "--schedule", "n", "--wait", "--socket", server.path]
        shown = on_a_terminal(command, env={"NO_COLOR": "1"})[1]
        assert shown[-4].endswith("INSTANCE  RESULT   REASON")
        assert shown[-3:] == [
            "crs-a     failed   FailedOperation.X: no",
            "crs-b     skipped  its previous backup has not ended, and overlap is forbidden", "0 of 2 succeeded"]
        code, out, _ = server.call("run", "--schedule", "n", "--wait", "--json")
        assert code == 1 and json.loads(out) == {"order": ORDER, "result": json.loads(last)["end"]}


def test_run_and_wait_for_what_does_not_come(tmp_path):
    """Taken out of the file meanwhile, say: nothing is under way any more, and nothing waits for its turn."""
    waits = [counts(slots_open=1)] * 6  # longer than nothing under way is believed
    with Server(tmp_path, run=end(**ORDER), runs=[*waits, counts(succeeded=1)]) as server:
        assert server.call("run", "--schedule", "n", "--wait") == (1, "1 of 2 succeeded\n", "")


def test_a_restart_while_waiting(tmp_path):
    gone = lambda connection: None  # noqa: E731
    with Server(tmp_path, run=end(**ORDER), runs=[counts(open=2), gone, gone, counts(succeeded=2)]) as server:
        assert server.call("run", "--schedule", "n", "--wait") == (0, "2 of 2 succeeded\n", "")


def test_a_closed_pipe(tmp_path):
    """What cannot be written is a failure, also of a long answer."""
    with Server(tmp_path, history=rows(*RUNS) * 5000 + end()) as server, open("/dev/full", "wb") as full:
        done = subprocess.run([CTL, "history", "--socket", server.path], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
    assert done.returncode == 1 and "cannot write" in done.stderr
