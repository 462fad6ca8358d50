"""The facts of tests/data/cron-cases.jsonl through the real crsbackupctl next --cron.

A process a fact, with the zones that were kept with them (tests/data/README.md). test_cron_rows.c
holds the same rows against the functions below; this holds the program's arguments, output and exit codes.
"""

import concurrent.futures
import datetime
import json
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
CTL = os.environ.get("CRSBACKUPCTL", str(TOP / "build" / "src" / "ctl" / "crsbackupctl"))
DATA = TOP / "tests" / "data"
ROWS = [json.loads(line) for line in (DATA / "cron-cases.jsonl").read_text(encoding="utf-8").splitlines()]
# Looking for leaks at each exit costs three times what the work does; test_ctl_next.py does that.
ENVIRONMENT = {**os.environ, "TZDIR": str(DATA / "zoneinfo"), "ASAN_OPTIONS": "detect_leaks=0"}


def instant(text):
    return datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)


def ask(row):
    """The program's exit code, instants and complaint for a row."""
    start, count = row.get("from", "2026-01-01T00:00:00+00:00"), 1
    if row["kind"] in ("next", "window"):
        count = len(row["expected"]) + (row["kind"] == "window")
    elif row["kind"] == "nomatch":
        start = (instant(row["not_expected"][0]) - datetime.timedelta(seconds=1)).isoformat()
    arguments = ["--cron", row["expr"], "--timezone", row["tz"], "--count", str(count), f"--from={start}"]
    done = subprocess.run(
        [CTL, "next", *arguments], capture_output=True, text=True, timeout=60, env=ENVIRONMENT, close_fds=False
    )
    return done.returncode, [instant(line) for line in done.stdout.splitlines()], done.stderr


def holds(row, code, slots, complaint):
    if row["kind"] == "invalid":
        return code == 65 and not slots and complaint.count("\n") == 1 and len(complaint) < 300
    if row["kind"] == "never":
        return code == 0 and not slots and "never fires" in complaint
    if code != 0 or complaint:
        return False
    if row["kind"] == "nomatch":
        return instant(row["not_expected"][0]) not in slots
    expected = [instant(text) for text in row["expected"]]
    if row["kind"] == "window":
        return [slot for slot in slots if slot <= instant(row["until"])] == expected
    return slots == expected[: len(slots)] and (row["kind"] == "match" or len(slots) == len(expected))


def test_every_fact_holds_for_the_program():
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        answers = list(pool.map(ask, ROWS))
    wrong = [(row["id"], row["expr"], row["tz"], *answer) for row, answer in zip(ROWS, answers) if not holds(row, *answer)]
    assert wrong == []
    kinds = [row["kind"] for row in ROWS]
    assert len(ROWS) == 615
    assert all(kinds.count(kind) > 0 for kind in ("next", "window", "never", "invalid"))


def test_the_offset_shown_is_the_zones():
    """The text of a line, not only its instant."""
    rows = [row for row in ROWS if row["kind"] == "next" and row["tz"] == "America/New_York"][:5]
    assert rows
    for row in rows:
        for slot in ask(row)[1]:
            assert slot.utcoffset() == datetime.timedelta(0)
        start = row["from"]
        done = subprocess.run(
            [CTL, "next", "--cron", row["expr"], "--timezone", row["tz"], "--from", start, "--count", "3"],
            capture_output=True, text=True, timeout=60, env=ENVIRONMENT,
        )  # fmt: skip
        assert all(line[19:] in ("-05:00", "-04:00") for line in done.stdout.splitlines())
