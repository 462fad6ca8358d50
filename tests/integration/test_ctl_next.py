"""crsbackupctl next, as an operator calls it: of an expression, of a schedule, of a whole file."""

import datetime
import json
import os
import pathlib
import subprocess

import pytest

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
        (["--cron", "@daily", "--count", "10001"], "--count"),
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
