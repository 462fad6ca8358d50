"""crsbackupctl check: the load that a file will put on the hosts, against a computation of its own.

The computation moves request by request: slots from Python's zoneinfo, delays from hashlib, a queue a
host in which the oldest request goes first.
"""

import datetime
import hashlib
import heapq
import json
import os
import pathlib
import re
import subprocess
import time
import zoneinfo
from collections import Counter
from fractions import Fraction

import pytest

from terminal import on_a_terminal

TOP = pathlib.Path(__file__).resolve().parents[2]
CTL = os.environ.get("CRSBACKUPCTL", str(TOP / "build" / "src" / "ctl" / "crsbackupctl"))
DAEMON = os.environ.get("CRSBACKUPD", str(TOP / "build" / "src" / "daemon" / "crsbackupd"))
FROM = "2026-11-23T18:30:00Z"
BEGIN = 1795458600
ROW = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d) +(\d+) ([! ])(?: (\S+))?$")
ESCAPE = re.compile("\x1b\\[[0-9;]*m")
FSI = "redis.ap-shanghai-fsi.tencentcloudapi.com"
NEAREST = "redis.tencentcloudapi.com"


def check(file, *arguments, program=(CTL, "check")):
    return subprocess.run(
        [*program, "-c", str(file), *arguments], capture_output=True, text=True, timeout=120
    )  # fmt: skip


class Schedule:
    """A schedule of the file and of the computation: (hour, minute) on a clock, or a period in seconds."""

    def __init__(self, name, when, within, counts, zone="UTC", spread=0):
        self.name, self.when, self.within, self.zone, self.spread = name, when, within, zone, spread
        self.instances = [
            (f"crs-{name}{host}x{i}", host) for host, count in enumerate(counts) for i in range(count)
        ]  # fmt: skip

    def text(self):
        hour_and_minute = isinstance(self.when, tuple)
        when = f'cron: "{self.when[1]} {self.when[0]} * * *"' if hour_and_minute else f"every: {self.when}s"
        spread = f", spread: {self.spread}s" if self.spread else ""
        ids = ", ".join(
            f"{{id: {name}, region: ap-shanghai-fsi}}" if host else name for name, host in self.instances
        )
        return (
            f"  {self.name}: {{{when}, timezone: {self.zone}, start_within: {self.within}s{spread}, "
            f"instances: [{ids}]}}\n"
        )

    def slots(self, begin, end):
        if not isinstance(self.when, tuple):
            return range(-(-begin // self.when) * self.when, end + 1, self.when)
        zone = zoneinfo.ZoneInfo(self.zone)
        day = datetime.datetime.fromtimestamp(begin, zone).date() - datetime.timedelta(days=1)
        days = [day + datetime.timedelta(days=i) for i in range((end - begin) // 86400 + 4)]
        local = [datetime.datetime.combine(d, datetime.time(*self.when), zone) for d in days]
        return [int(at.timestamp()) for at in local if begin <= at.timestamp() <= end]

    def delay_ms(self, instance):
        digest = hashlib.sha256(self.name.encode() + b"\0" + instance.encode()).digest()
        return int.from_bytes(digest[:8], "big") % (self.spread * 1000) if self.spread else 0

    def due(self, host, begin, end):
        """Milliseconds at which its requests to that host are due, in (begin, end]."""
        delays = sorted(self.delay_ms(name) for name, where in self.instances if where == host)
        for slot in self.slots(begin - self.spread, end):
            for delay in delays:
                if begin * 1000 < slot * 1000 + delay <= end * 1000:
                    yield slot * 1000 + delay


FEW = [
    Schedule("nightly", (3, 0), 1800, (4000, 500), zone="Asia/Shanghai"),
    Schedule("morning", (9, 15), 60, (1190, 0), zone="Europe/Berlin"),
    Schedule("wide", 6 * 3600, 3600, (700, 900), spread=1800),
    Schedule("dense", 60, 30, (3, 1)),
]


def file_of(schedules, tmp_path, head=""):
    file = tmp_path / "crsbackupd.yaml"
    text = "".join(schedule.text() for schedule in schedules)
    file.write_text(f"region: ap-guangzhou\n{head}schedules:\n{text}", encoding="utf-8")
    return file


def compute(schedules, host, begin, end, per_second=20):
    """Requests and missed ones a minute, missed ones a schedule, and when the queue is empty in the end."""
    arrivals = []
    for number, schedule in enumerate(schedules):
        turns = Counter()
        for at in schedule.due(host, begin, end):
            arrivals.append((at, turns[at], number))  # of one instant, schedules take turns
            turns[at] += 1
    heapq.heapify(arrivals)
    free = Fraction(0)
    due, missed, by_name = Counter(), Counter(), Counter()
    while arrivals:
        at, _, number = heapq.heappop(arrivals)
        minute = at // 60000 * 60
        due[minute] += 1
        start = max(free, Fraction(at, 1000))
        if start >= Fraction(at, 1000) + schedules[number].within:
            missed[minute] += 1
            by_name[schedules[number].name] += 1
        else:
            free = start + Fraction(1, per_second)
    return due, missed, by_name, free


def seconds(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


# ---- the numbers ----


def test_the_load_is_that_of_an_independent_computation(tmp_path):
    file = file_of(FEW, tmp_path)
    done = check(file, "--json", "--from", FROM, "--hours", "30")
    assert (done.returncode, done.stderr) == (0, "")
    load = json.loads(done.stdout)["load"]
    assert (load["from"], load["until"], load["per_second"]) == (FROM, "2026-11-25T00:30:00Z", 20)
    assert [host["host"] for host in load["hosts"]] == [NEAREST, FSI]
    for number, host in enumerate(load["hosts"]):
        due, missed, by_name, free = compute(FEW, number, BEGIN, BEGIN + 30 * 3600)
        assert {seconds(minute["at"]): minute["due"] for minute in host["minutes"]} == dict(due)
        assert {seconds(m["at"]): m["missed"] for m in host["minutes"] if m["missed"]} == dict(missed)
        assert (host["due"], host["missed"]) == (sum(due.values()), sum(missed.values()))
        assert {s["schedule"]: s["missed"] for s in host["schedules"] if s["missed"]} == dict(by_name)
        assert host["complete"] is True and host["until"] == load["until"]
        last = host["minutes"][-1]["drained"].removesuffix("Z").partition(".")
        assert Fraction(seconds(last[0] + "Z")) + Fraction(f"0.{last[2] or 0}") - free < Fraction(1, 10**6)
    assert load["hosts"][0]["missed"] > 0


def test_a_slot_of_fifty_thousand_takes_41_minutes_40_seconds(tmp_path):
    file = file_of([Schedule("all", (3, 0), 1800, (50000, 0), zone="Asia/Shanghai")], tmp_path)
    done = check(file, "--from", FROM)
    assert done.returncode == 0
    assert done.stderr == (
        f"{file}: warning: schedule all: the 50000 requests of one slot take 41 minutes 40 seconds at 20 a second "
        f"at {NEAREST}, and start_within is 30 minutes: 14000 of them are missed\n"
    )
    host = json.loads(check(file, "--json", "--from", FROM).stdout)["load"]["hosts"][0]
    assert host["schedules"][0]["slot_drain_seconds"] == 2500
    assert host["warnings"] == [{"text": done.stderr.removeprefix(f"{file}: warning: ").rstrip("\n")}]


def test_enough_time_is_no_warning(tmp_path):
    file = file_of([Schedule("all", (3, 0), 2500, (50000, 0), zone="Asia/Shanghai")], tmp_path)
    done = check(file, "--from", FROM)
    assert (done.returncode, done.stderr) == (0, "")
    minute = "minute 2026-11-24T03:00:00+08:00: 50000 requests, drained in 41 minutes 40 seconds"
    assert f"  {minute}, at 2026-11-24T03:41:40+08:00\n" in done.stdout


def test_schedules_that_pile_up_are_named(tmp_path):
    schedules = [Schedule("big", (3, 0), 14400, (3000, 0)), Schedule("small", (3, 1), 60, (10, 0))]
    done = check(file_of(schedules, tmp_path), "--from", FROM)
    assert "warning: schedule small: 10 of 10 requests wait" in done.stderr
    assert done.stderr.endswith("2026-11-24T03:01:00+00:00, behind schedule big\n")
    assert "schedule big:" not in done.stderr


def test_paused_schedules_are_no_load(tmp_path):
    file = tmp_path / "paused.yaml"
    file.write_text("region: ap-x\nschedules:\n  a: {every: 1h, paused: true, instances: [crs-a]}\n", encoding="utf-8")
    load = json.loads(check(file, "--json").stdout)["load"]
    assert [(host["due"], host["minutes"]) for host in load["hosts"]] == [(0, [])]


def test_the_next_slots_and_the_ends_of_their_spread(tmp_path):
    answer = json.loads(check(file_of(FEW, tmp_path), "--json", "--from", FROM).stdout)
    assert (answer["schedules"], answer["instances"], answer["hosts"]) == (4, 7294, 2)
    slots = {slot["schedule"]: slot for slot in answer["slots"]}
    assert slots["nightly"] == {
        "schedule": "nightly", "paused": False, "at": "2026-11-24T03:00:00+08:00",
        "utc": "2026-11-23T19:00:00Z", "moved": False,
    }  # fmt: skip
    wide = FEW[2]
    first = min((wide.delay_ms(name), name) for name, _ in wide.instances)
    assert slots["wide"]["first"]["instance"] == first[1]
    assert f"spread 30m (from {first[1]} after " in check(tmp_path / "crsbackupd.yaml", "--from", FROM).stdout


def test_a_slot_moved_by_a_clock_change_is_marked(tmp_path):
    file = file_of([Schedule("early", (2, 30), 3600, (1, 0), zone="America/New_York")], tmp_path)
    done = check(file, "--from", "2027-03-14T00:00:00-05:00")
    assert "next 2027-03-14T03:00:00-04:00 (2027-03-14T07:00:00Z), moved by a clock change, from 02:00:00 to" in done.stdout
    answer = json.loads(check(file, "--json", "--from", "2027-03-14T00:00:00-05:00").stdout)
    assert answer["slots"][0]["moved"] is True


def test_the_daemon_says_the_same(tmp_path):
    file = file_of([Schedule("all", 3600, 60, (1300, 0))], tmp_path)
    done = check(file, program=(DAEMON, "--check"))
    assert done.returncode == 0
    assert f"{file}: warning: schedule all: the 1300 requests of one slot take 1 minute 5 seconds" in done.stderr
    assert f"load of {NEAREST} until " in done.stdout


# ---- bounds ----


def test_a_hundred_thousand_schedules_of_every_second_are_quick(tmp_path):
    file = tmp_path / "many.yaml"
    lines = [f"  s{i}: {{every: 1s, instances: [crs-a{i}]}}" for i in range(100000)]
    file.write_text("region: ap-x\nschedules:\n" + "\n".join(lines) + "\n", encoding="utf-8")
    begun = time.monotonic()
    done = check(file, "--hours", "168")
    assert time.monotonic() - begun < 60  # sanitizers, and a busy machine
    assert done.returncode == 0
    assert "the load is computed until 2" in done.stderr
    assert "and 99880 more schedules whose requests are missed" in done.stderr
    assert done.stderr.count("\n") < 110


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--hours", "0"], "from 1 to 168"),
        (["--hours", "169"], "from 1 to 168"),
        (["--hours", "1h"], "from 1 to 168"),
        (["--hours", "18446744073709551617"], "from 1 to 168"),
        (["--hours", ""], "from 1 to 168"),
        (["--from", "10000-01-01T00:00Z"], "outside the years 0001 to 9999"),
        (["--from", "yesterday"], "--from"),
    ],
)
def test_bad_data_is_65(tmp_path, arguments, words):
    done = check(file_of(FEW[3:], tmp_path), *arguments)
    assert (done.returncode, done.stdout) == (65, "")
    assert words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:00:00Z"])
def test_years_far_off(tmp_path, start):
    done = check(file_of(FEW, tmp_path), "--json", "--from", start, "--hours", "2")
    assert done.returncode == 0
    dense = json.loads(done.stdout)["load"]["hosts"][0]["schedules"][3]
    assert dense["due"] == (59 if start[0] == "9" else 120) * 3


# ---- the chart ----


def rows_of(lines):
    found = [ROW.match(ESCAPE.sub("", line)) for line in lines]
    return [match.groups() for match in found if match]


def eighths(bar):
    return sum(8 - (ord(block) - 0x2588) for block in bar or "")


@pytest.mark.parametrize("hours, length", [(1, 5), (24, 60), (30, 180), (168, 360)])
def test_the_chart_adds_up(tmp_path, hours, length):
    file = file_of(FEW, tmp_path)
    code, lines = on_a_terminal([CTL, "check", "-c", str(file), "--from", FROM, "--hours", str(hours)], columns=100)
    assert code == 0
    heads = [i for i, line in enumerate(lines) if line.startswith("requests due every ")]
    assert [lines[i].partition(" at ")[2].partition(",")[0] for i in heads] == [NEAREST, FSI]
    for number, (first, last) in enumerate(zip(heads, [*heads[1:], len(lines)])):
        rows = rows_of(lines[first:last])
        due, missed, _, _ = compute(FEW, number, BEGIN, BEGIN + hours * 3600)
        assert sum(int(row[1]) for row in rows) == sum(due.values())
        most = max(int(row[1]) for row in rows)
        for label, count, mark, bar in rows:
            begin = seconds(label.replace(" ", "T") + ":00Z")
            stretch = range(begin, begin + 60 * length, 60)
            assert int(count) == sum(due[minute] for minute in stretch)
            assert (mark == "!") == any(missed[minute] for minute in stretch)
            assert eighths(bar) == max(int(int(count) * (100 - 30) * 8 / most), int(count) > 0)


@pytest.mark.parametrize("columns", [20, 40, 80, 132, 1000])
def test_the_chart_is_as_wide_as_the_terminal(tmp_path, columns):
    file = file_of(FEW, tmp_path)
    _, lines = on_a_terminal([CTL, "check", "-c", str(file), "--from", FROM], columns=columns)
    plain = [ESCAPE.sub("", line) for line in lines]
    widths = [len(line) for line in plain if ROW.match(line)]
    assert len(widths) == 50
    if columns >= 40:
        assert max(widths) == min(columns, 400) - 1 or max(widths) == min(columns, 400)


def test_colour_is_for_terminals_that_want_it(tmp_path):
    file = file_of(FEW, tmp_path)
    command = [CTL, "check", "-c", str(file), "--from", FROM]
    coloured = "\n".join(on_a_terminal(command)[1])
    assert "\x1b[31m\u2588" in coloured and "\x1b[36m" in coloured and "\x1b[0m" in coloured
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        environment = {"TERM": "xterm", **env}
        plain = "\n".join(on_a_terminal(["env", *(f"{k}={v}" for k, v in environment.items()), *command])[1])
        assert "\x1b" not in plain and "\u2588" in plain and " ! " in plain
    assert "\x1b[36m" in "\n".join(on_a_terminal(["env", "NO_COLOR=", *command])[1])


def test_a_pipe_gets_no_chart_and_no_colour(tmp_path):
    done = check(file_of(FEW, tmp_path), "--from", FROM)
    assert "\x1b" not in done.stdout + done.stderr
    assert "\u2588" not in done.stdout and "requests due every" not in done.stdout


def test_the_chart_shows_the_zone_of_the_file(tmp_path):
    file = file_of([Schedule("a", (3, 0), 3600, (2, 0), zone="Asia/Kolkata")], tmp_path)
    _, lines = on_a_terminal([CTL, "check", "-c", str(file), "--from", FROM])
    assert f"requests due every 1 hour at {NEAREST}, Asia/Kolkata time" in lines
    assert [row[0] for row in rows_of(lines) if row[1] != "0"] == ["2026-11-24 03:00"]
