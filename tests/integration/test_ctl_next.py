"""crsbackupctl next, as an operator calls it: of an expression, of a schedule, of a whole file."""

import datetime
import hashlib
import json
import os
import pathlib
import resource
import subprocess
import time
import zoneinfo

import pytest

from terminal import on_a_terminal

TOP = pathlib.Path(__file__).resolve().parents[2]
CTL = os.environ.get("CRSBACKUPCTL", str(TOP / "build" / "src" / "ctl" / "crsbackupctl"))
FROM = "2026-11-23T19:00:00Z"

FILE = """\
region: ap-guangzhou
timezone: Asia/Shanghai
schedules:
  nightly: {cron: "0 3 * * *", instances: [crs-a]}
  sessions: {every: 6h, instances: [crs-a]}
  resting: {every: 1h, paused: true, instances: [crs-a]}
  never: {cron: "0 0 30 2 *", instances: [crs-a]}
"""


def next_slots(*arguments, env=None):
    return subprocess.run(
        [CTL, "next", *arguments], capture_output=True, text=True, timeout=30, env={**os.environ, **(env or {})}
    )


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "crsbackupd.yaml"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "arguments, lines",
    [
        (["--cron", "0 3 * * *", "--timezone", "Asia/Shanghai", "--count", "2"],
         ["2026-11-25T03:00:00+08:00", "2026-11-26T03:00:00+08:00"]),
        (["--cron", "0 19 * * *", "--count", "1"], ["2026-11-24T19:00:00+00:00"]),
        (["--cron", "@hourly", "--count", "1", "--timezone", "UTC"], ["2026-11-23T20:00:00+00:00"]),
        (["--cron", "30 12 * * *", "--timezone", "Asia/Kolkata", "--count", "1"], ["2026-11-24T12:30:00+05:30"]),
        (["--cron", "0 0 1 jan *", "--timezone", "America/New_York", "--count", "2"],
         ["2027-01-01T00:00:00-05:00", "2028-01-01T00:00:00-05:00"]),
    ],
)  # fmt: skip
def test_slots_of_an_expression(arguments, lines):
    done = next_slots("--from", FROM, *arguments)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, lines, "")


def test_from_is_exclusive_and_takes_every_spelling():
    for start in (FROM, "2026-11-24T03:00:00+08:00", "@1795460400", "2026-11-24 03:00+0800"):
        done = next_slots("--cron", "0 19 * * *", "--from", start, "--count", "1")
        assert done.stdout == "2026-11-24T19:00:00+00:00\n", start
    done = next_slots("--cron", "0 19 * * *", "--from", "2026-11-23T18:59:59.999999Z", "--count", "1")
    assert done.stdout == "2026-11-23T19:00:00+00:00\n"


def test_now_is_the_default_and_five_slots():
    before = datetime.datetime.now(datetime.timezone.utc)
    done = next_slots("--cron", "* * * * *")
    times = [datetime.datetime.fromisoformat(line) for line in done.stdout.splitlines()]
    assert len(times) == 5
    assert before < times[0] <= before + datetime.timedelta(seconds=90)
    assert all(b - a == datetime.timedelta(minutes=1) for a, b in zip(times, times[1:]))


def test_what_never_fires_prints_nothing_and_says_so():
    done = next_slots("--cron", "0 0 30 2 *")
    assert (done.returncode, done.stdout) == (0, "")
    assert "never fires" in done.stderr
    done = next_slots("--cron", "0 0 30 2 *", "--json")
    assert json.loads(done.stdout) == {"slots": []}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("start", ["0001-01-01T00:00:00Z", "1582-10-04T12:00Z", "1969-12-31T23:59:59Z", "9999-12-30T00:00Z"])
def test_years_far_off_are_shown_as_they_are(zone, start):
    done = next_slots("--cron", "0 0 * * *", "--timezone", zone, "--from", start, "--count", "3")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert 1 <= len(lines) <= 3 and (len(lines) == 3 or start[0] == "9")
    place = zoneinfo.ZoneInfo(zone)
    begin = datetime.datetime.fromisoformat(start.replace("Z", "+00:00"))
    for line in lines:
        time = datetime.datetime.fromisoformat(line)
        assert (time.hour, time.minute, time.second) == (0, 0, 0)
        assert time > begin
        if time.year not in (1, 9999):  # Python's own range ends there
            assert time.astimezone(place).utcoffset() == time.utcoffset()


def test_a_clock_before_the_year_1_is_passed_over():
    done = next_slots("--cron", "* * * * *", "--timezone", "America/New_York", "--from", "@-62135596800", "--count", "1")
    assert done.stdout == "0001-01-01T00:00:00-04:56:02\n"


def test_nothing_left_before_the_year_10000_is_told_from_never():
    done = next_slots("--cron", "@yearly", "--from", "9999-12-31T23:59:59Z")
    assert (done.returncode, done.stdout) == (0, "")
    assert "before the year 10000" in done.stderr and "never" not in done.stderr


def test_a_million_slots_come_as_a_stream():
    def little_memory():
        if "/build-release" in CTL:
            resource.setrlimit(resource.RLIMIT_AS, (64 * 1024 * 1024,) * 2)

    begun = time.monotonic()
    with subprocess.Popen(
        [CTL, "next", "--cron", "* * * * *", "--count", "1000000", "--from", FROM],
        stdout=subprocess.PIPE, preexec_fn=little_memory,
    ) as ctl:  # fmt: skip
        last, count = b"", 0
        for line in ctl.stdout:
            last, count = line, count + 1
    end = datetime.datetime.fromisoformat("2026-11-23T19:00:00+00:00") + datetime.timedelta(minutes=1000000)
    assert (ctl.returncode, count, last.decode()) == (0, 1000000, f"{end.isoformat()}\n")
    assert time.monotonic() - begun < 20


def test_a_full_disk_ends_it_at_once():
    begun = time.monotonic()
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [CTL, "next", "--cron", "* * * * *", "--count", "1000000"], stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert (done.returncode, b"cannot write" in done.stderr) == (1, True)
    assert time.monotonic() - begun < 2


# ---- what else is known of a slot ----

GAP = ["--cron", "30 2 * * *", "--timezone", "America/New_York", "--from", "2027-03-13T12:00Z", "--count", "2"]
GAP_SLOTS = ["2027-03-14T03:00:00-04:00", "2027-03-15T02:30:00-04:00"]


def test_a_pipe_gets_bare_instants():
    done = next_slots(*GAP)
    assert (done.stdout.splitlines(), done.stderr) == (GAP_SLOTS, "")


def test_a_terminal_is_told_of_a_slot_that_was_moved():
    code, lines = on_a_terminal([CTL, "next", *GAP])
    assert (code, lines) == (
        0,
        [f"{GAP_SLOTS[0]}  (moved by a clock change, from 02:00:00 to 03:00:00)", GAP_SLOTS[1]],
    )


def test_json_tells_of_a_slot_that_was_moved():
    slots = json.loads(next_slots("--json", *GAP).stdout)["slots"]
    assert slots[0] == {
        "at": GAP_SLOTS[0], "utc": "2027-03-14T07:00:00Z", "moved": True,
        "skipped": {"from": "02:00:00", "to": "03:00:00"},
    }  # fmt: skip
    assert slots[1] == {"at": GAP_SLOTS[1], "utc": "2027-03-15T06:30:00Z", "moved": False}


def delay_ms(schedule, instance, spread_ms):
    """The rule of an instance's delay, written once more."""
    digest = hashlib.sha256(schedule.encode() + b"\0" + instance.encode()).digest()
    return int.from_bytes(digest[:8], "big") % spread_ms


def test_the_ends_of_the_spread(tmp_path):
    ids = [f"crs-s{i}" for i in range(40)]
    entries = ", ".join(f"{{id: {name}, region: {'ap-b-fsi' if i % 3 else 'ap-a'}}}" for i, name in enumerate(ids))
    file = tmp_path / "spread.yaml"
    file.write_text(
        "region: ap-a\nschedules:\n"
        f'  wide: {{cron: "0 3 * * *", timezone: Asia/Shanghai, spread: 30m, instances: [{entries}]}}\n',
        encoding="utf-8",
    )
    delays = {name: delay_ms("wide", name, 1800000) for name in ids}
    slot = datetime.datetime.fromisoformat("2026-11-25T03:00:00+08:00")
    ends = [min(ids, key=delays.get), max(ids, key=delays.get)]
    for schedule in ([], ["wide"]):
        done = next_slots("--json", "-c", str(file), *schedule, "--from", FROM, "--count", "1")
        found = json.loads(done.stdout)["slots"][0]
        for key, name in zip(("first", "last"), ends):
            at = datetime.datetime.fromisoformat(found[key]["at"])
            assert found[key]["instance"] == name
            assert at - slot == datetime.timedelta(milliseconds=delays[name])
            assert found[key]["at"].endswith("+08:00")
    bare = next_slots("-c", str(file), "wide", "--from", FROM, "--count", "1")
    assert bare.stdout == "2026-11-25T03:00:00+08:00\n"
    code, lines = on_a_terminal([CTL, "next", "-c", str(file), "wide", "--from", FROM, "--count", "1"])
    assert code == 0 and f"({ends[0]} after " in lines[0] and f", {ends[1]} after " in lines[0]


def test_the_end_of_time_is_no_error():
    done = next_slots("--cron", "@yearly", "--from", "9997-06-01T00:00Z")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--cron", "22-2 * * * *"], "22-59,0-2"),
        (["--cron", "* * * * * *"], ""),
        (["--cron", ""], ""),
        (["--cron", "@reboot"], ""),
        (["--cron", "@daily", "--timezone", "Asia/Shangai"], "did you mean Asia/Shanghai?"),
        (["--cron", "@daily", "--timezone", "../../etc/passwd"], "zone"),
        (["--cron", "@daily", "--timezone", ""], "zone"),
        (["--cron", "@daily", "--from", "yesterday"], "--from"),
        (["--cron", "@daily", "--from", "2026-11-23T19:00:00"], "--from"),
        (["--cron", "@daily", "--count", "0"], "--count"),
        (["--cron", "@daily", "--count", "1000001"], "from 1 to 1000000"),
        (["--cron", "@daily", "--count", "18446744073709551617"], "--count"),
        (["--cron", "@daily", "--count", "-1"], "--count"),
        (["--cron", "1," * 5120 + "1 * * * *"], "longer than 255"),
        (["--cron", "*/2147483648 * * * *"], "minute field, column 3"),
        (["--cron", "*/18446744073709551616 * * * *"], "minute field, column 3"),
        (["--cron", "@daily", "--timezone", "/etc/localtime"], "not the name of a zone"),
        (["--cron", "@daily", "--timezone", "/usr/share/zoneinfo/UTC"], "not the name of a zone"),
        (["--cron", "@daily", "--timezone", "Asia/../UTC"], "not the name of a zone"),
        (["--cron", "@daily", "--timezone", ".."], "not the name of a zone"),
        (["--cron", "@daily", "--timezone", "a" * 10240], "not the name of a zone"),
        (["--cron", "@daily", "--timezone", "Asia"], "not a zone"),
        (["--cron", "@daily", "--timezone", "tzdata.zi"], "not a zone file"),
        (["--cron", "@daily", "--from", "10000-01-01T00:00Z"], "outside the years 0001 to 9999"),
        (["--cron", "@daily", "--from", "0000-12-31T00:00Z"], "outside the years 0001 to 9999"),
        (["--cron", "@daily", "--from", "-0001-12-31T00:00Z"], "outside the years 0001 to 9999"),
        (["--cron", "@daily", "--from", "@253402300800"], "outside the years 0001 to 9999"),
        (["--cron", "@daily", "--from", "@-62135596801"], "outside the years 0001 to 9999"),
        (["--cron", "@daily", "--from", "@-9223372036854775809"], "--from"),
        (["--cron", "@daily", "--from", "2026-02-29T00:00Z"], "a date that exists"),
        (["--cron", "@daily", "--count", "x"], "--count"),
    ],
)
def test_bad_data_is_65(arguments, words):
    done = next_slots(*arguments)
    assert (done.returncode, done.stdout) == (65, "")
    assert words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cron", "@daily", "-c", "file"],
        ["--cron", "@daily", "nightly"],
        ["--timezone", "UTC"],
        ["--cron"],
        ["--corn", "@daily"],
        ["a", "b"],
    ],
)
def test_usage_is_2(arguments):
    assert next_slots(*arguments).returncode == 2


def test_slots_of_one_schedule(config):
    done = next_slots("-c", config, "nightly", "--from", FROM, "--count", "2")
    assert done.stdout.splitlines() == ["2026-11-25T03:00:00+08:00", "2026-11-26T03:00:00+08:00"]
    done = next_slots("-c", config, "resting", "--from", FROM, "--count", "1")
    assert done.stdout == "2026-11-24T04:00:00+08:00\n"
    assert "paused" in done.stderr
    done = next_slots("-c", config, "never")
    assert (done.returncode, done.stdout) == (0, "")
    assert "never fires" in done.stderr


def test_slots_of_all_schedules_in_order(config):
    done = next_slots("-c", config, "--from", FROM, "--count", "5")
    assert done.stdout.splitlines() == [
        "2026-11-24T08:00:00+08:00 sessions",
        "2026-11-24T14:00:00+08:00 sessions",
        "2026-11-24T20:00:00+08:00 sessions",
        "2026-11-25T02:00:00+08:00 sessions",
        "2026-11-25T03:00:00+08:00 nightly",
    ]
    assert done.stderr == ""


def test_json_of_a_file(config):
    done = next_slots("--json", "-c", config, "--from", FROM, "--count", "1")
    assert json.loads(done.stdout) == {
        "slots": [
            {"at": "2026-11-24T08:00:00+08:00", "utc": "2026-11-24T00:00:00Z", "schedule": "sessions", "moved": False}
        ]
    }


def test_an_unknown_schedule_or_a_bad_file_is_65(config, tmp_path):
    done = next_slots("-c", config, "nigtly")
    assert (done.returncode, done.stdout) == (65, "")
    assert "did you mean nightly?" in done.stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text("region: X\n", encoding="utf-8")
    done = next_slots("-c", str(bad))
    assert (done.returncode, done.stdout) == (65, "")
    assert f"{bad}:1:9: " in done.stderr
    assert next_slots("-c", str(tmp_path / "missing")).returncode == 65


def test_zones_come_from_tzdir(tmp_path):
    done = next_slots("--cron", "@daily", "--timezone", "Asia/Shanghai", env={"TZDIR": str(tmp_path)})
    assert done.returncode == 65
    assert str(tmp_path) in done.stderr or "no such zone" in done.stderr
