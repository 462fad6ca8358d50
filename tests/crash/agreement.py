"""Do the ledger, the log and the stand-in's truth tell the same story?

A run is a slot of an instance. What each of the three says of it is laid side by side, and every way in
which they differ, and every run that was lost or doubled, is a complaint, a line of text.
"""

import collections
import datetime
import os
import re
import sqlite3

WHOLE_SLOT = "*"
TAG = re.compile(r"crsbackupd:(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z:[0-9a-f]{16}")

# An engine that looks up runs whose answer was lost leaves none of them unknown while the cloud answers.
UNKNOWN_IS_AN_END = True

# What the log calls the end of a run, by the ledger's word for it.
ENDS = {
    "submitted": {"backup_submitted"},
    "failed": {"backup_failed"},
    "unknown": {"backup_unknown", "backup_failed"},
    "missed": {"backup_missed"},
    "skipped": {"backup_skipped"},
}

Row = collections.namedtuple("Row", "schedule slot instance state attempt result task_id")


def slot_text(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_ledger(directory):
    """The rows, those of whole slots included; none where there is no ledger (yet)."""
    file = os.path.join(directory, "ledger.db")
    if not os.path.exists(file):
        return []
    with_slots = "SELECT schedule, slot, instance, state, attempt, result, task_id FROM runs"
    try:
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)
        try:
            rows = connection.execute(with_slots).fetchall()
        finally:
            connection.close()
    except sqlite3.OperationalError:  # not made yet, or being opened
        return []
    return [Row(schedule, slot_text(slot // 1_000_000), *rest) for schedule, slot, *rest in rows]


def is_sound(directory):
    connection = sqlite3.connect(f"file:{os.path.join(directory, 'ledger.db')}?mode=ro", uri=True, timeout=5)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


def is_settled(rows, slot, names):
    """Has the slot ended in the ledger, with all its instances?"""
    ended = {row.instance for row in rows if row.slot == slot and row.state == 1 and row.result != "again"}
    return {WHOLE_SLOT, *names} <= ended


def slot_of(arrival, period):
    """The slot that a request is for: as its remark says, else by its time, no run being later than a period."""
    match = TAG.search(arrival["params"].get("Remark") or "")
    if match:
        year, month, day, hour, minute, second = match.groups()
        return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"
    return slot_text(int(arrival["wall_ns"] // 10**9) // period * period)


class Story:
    """All that is known of one run."""

    def __init__(self):
        self.row = None
        self.events = []  # of this instance in this slot
        self.whole = []   # of the slot as a whole: missed, skipped
        self.tasks = []   # of the backups that the stand-in began
        self.arrivals = 0

    def names(self):
        return {event["event"] for event in self.events}

    def complaints(self):
        if len(self.tasks) > 1:
            yield f"doubled: tasks {self.tasks}"
        said = {event["task_id"] for event in self.events if event["event"] == "backup_submitted"}
        if not said - {""} <= {str(task) for task in self.tasks}:
            yield f"the log says tasks {sorted(said)}, the stand-in {self.tasks}"
        if self.row is None:
            yield from self._without_row()
        elif self.row.state != 1 or self.row.result == "again":
            yield f"not ended in the ledger: {self.row}"
        else:
            yield from self._ended()

    def _without_row(self):
        if self.arrivals:
            yield "sent, and not in the ledger"
        if not any(event.get("reason") for event in self.whole):
            yield "lost: no row, and no line that says why"

    def _ended(self):
        result = self.row.result
        if not self.names() & ENDS[result] and not (result in ("missed", "skipped") and self.whole):
            yield f"the ledger says {result}, the log {sorted(self.names())}"
        if result == "submitted":
            if len(self.tasks) != 1:
                yield f"the ledger says submitted, the stand-in began {len(self.tasks)}"
            elif self.row.task_id not in (0, None, self.tasks[0]):
                yield f"the ledger says task {self.row.task_id}, the stand-in {self.tasks[0]}"
        elif result == "unknown":
            if not UNKNOWN_IS_AN_END:
                yield "left unknown"
        elif self.tasks:
            yield f"the ledger says {result}, the stand-in began {self.tasks}"
        if result in ("failed", "missed", "skipped") and not self._has_reason():
            yield f"{result} without a reason in the log"

    def _has_reason(self):
        return any(event.get("reason") for event in self.events + self.whole)


def tell_stories(slots, names, period, rows, events, arrivals):
    """(slot, instance) -> Story for every run that there ought to be and every other one that somebody tells of."""
    stories = {(slot, name): Story() for slot in slots for name in names}
    mine = set(names)

    def story(slot, name):
        return stories.setdefault((slot, name), Story())

    for row in rows:
        if row.instance in mine:
            story(row.slot, row.instance).row = row
    for event in events:
        if "slot" not in event or not event["event"].startswith("backup_"):
            continue
        if event.get("instance") in mine:
            story(event["slot"], event["instance"]).events.append(event)
        elif "instances" in event:
            end = event.get("before")
            for slot, name in list(stories):
                if slot == event["slot"] or (end and event["slot"] <= slot < end):
                    stories[slot, name].whole.append(event)
    for arrival in arrivals:
        if arrival["instance"] in mine:
            one = story(slot_of(arrival, period), arrival["instance"])
            one.arrivals += 1
            if arrival["acted"]:
                one.tasks.append(arrival["task_id"])
    return stories


def complaints_of(stories):
    return [f"{slot} {name}: {text}" for (slot, name), one in sorted(stories.items()) for text in one.complaints()]
