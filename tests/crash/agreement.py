"""Do the ledger, the log and the stand-in's truth tell the same story?

A run is a slot of an instance. What each of the three says of it is laid side by side, and every way in
which they differ, and every run that was lost or doubled, is a complaint, a line of text. A line of the log
may come twice where a kill fell between it and the ledger's entry, but not twice in one life. While the
cloud answers, no run may end as unknown.
"""

import collections
import datetime
import os
import re
import sqlite3

WHOLE_SLOT = "*"
TAG = re.compile(r"crsbackupd:(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z:[0-9a-f]{16}")

# What the log calls the end of a run, by the ledger's word for it.
ENDS = {
    "submitted": "backup_submitted",
    "failed": "backup_failed",
    "missed": "backup_missed",
    "skipped": "backup_skipped",
}

# And the end of its task: the event, and its reason.
FINISHES = {
    "succeeded": ("backup_succeeded", None),
    "failed": ("backup_failed", "task_failed"),
}

Row = collections.namedtuple("Row", "schedule slot instance state attempt result task_id finish")
Task = collections.namedtuple("Task", "id ends_well")


def slot_text(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_ledger(directory):
    """The rows, those of whole slots included; none where there is no ledger (yet)."""
    file = os.path.join(directory, "ledger.db")
    if not os.path.exists(file):
        return []
    with_slots = "SELECT schedule, slot, instance, state, attempt, result, task_id, finish FROM runs"
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


def is_over(row):
    """Has the run ended, and its backup too?"""
    return row.state == 1 and row.result != "again" and row.finish != "open"


def is_settled(rows, slot, names):
    """Is the slot over in the ledger, with all its instances?"""
    return {WHOLE_SLOT, *names} <= {row.instance for row in rows if row.slot == slot and is_over(row)}


def slot_of(arrival):
    """The slot that a request is for, as the tag in its remark says."""
    match = TAG.search(arrival["params"].get("Remark") or "")
    if not match:
        return "none"
    year, month, day, hour, minute, second = match.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"


class Story:
    """All that is known of one run."""

    def __init__(self):
        self.row = None
        self.events = []  # of this instance in this slot, in the order of the log
        self.whole = []   # of the slot as a whole: missed, skipped
        self.whole_rows = []  # the ledger's for the slots that those name
        self.tasks = []   # that the stand-in began
        self.arrivals = 0

    def complaints(self):
        if any(task.ends_well for task in self.tasks[:-1]):
            yield f"doubled: {self.tasks}"
        yield from self._lines()
        if self.row is None:
            yield from self._without_row()
        elif self.row.result == "unknown":
            yield "left unknown, and the cloud could have told"
        elif not is_over(self.row):
            yield f"not over in the ledger: {self.row}"
        else:
            yield from self._ended()
            yield from self._finished()

    def _lines(self):
        """What the lines alone show."""
        known = {str(task.id) for task in self.tasks}
        for event in self.events:
            if event["event"] in ("backup_submitted", "backup_succeeded") and event["task_id"] not in known:
                yield f"the log names task {event['task_id']}, the stand-in {self.tasks}"
        told = collections.Counter((one["life"], one["event"], one["attempt"]) for one in self.events
                                   if one["event"] in ("backup_submitted", "backup_succeeded"))
        for (life, name, _), count in told.items():
            if count > 1:
                yield f"{count} lines of {name} for one attempt in life {life}"

    def _without_row(self):
        if self.arrivals:
            yield "sent, and not in the ledger"
        if not any(event.get("reason") for event in self.whole):
            yield "lost: no row, and no line that says why"
        elif not any(row.state == 1 and ENDS[row.result] == event["event"]
                     for row, event in zip(self.whole_rows, self.whole) if row):
            yield f"passed over in the log {self.whole}, and not in the ledger {self.whole_rows}"

    def _ended(self):
        """The run's end, in the ledger, as the last line of an end, and by the stand-in's count."""
        row = self.row
        lines = [event for event in self.events if event["event"] in ENDS.values() and not is_of_task(event)]
        if row.result in ("missed", "skipped") and not lines:
            lines = self.whole
        if not lines or lines[-1]["event"] != ENDS[row.result]:
            yield f"the ledger says {row.result}, the log {[event['event'] for event in self.events]}"
        elif row.result != "submitted" and not lines[-1].get("reason"):
            yield f"{row.result} without a reason in the log"
        elif row.result == "submitted" and lines[-1]["task_id"] != str(row.task_id):
            yield f"the ledger says task {row.task_id}, the log {lines[-1]['task_id']}"
        if row.result != "submitted":
            if any(task.ends_well for task in self.tasks):
                yield f"the ledger says {row.result}, the stand-in began {self.tasks}"
        elif not self.tasks or self.tasks[-1].id != row.task_id:
            yield f"the ledger says task {row.task_id}, the stand-in began {self.tasks}"

    def _finished(self):
        """The end of its task."""
        lines = [(event["event"], event.get("reason")) for event in self.events
                 if event["event"] == "backup_succeeded" or is_of_task(event)]
        if self.row.result != "submitted":
            if ("backup_succeeded", None) in lines:
                yield f"the ledger says {self.row.result}, the log that it succeeded"
            return
        finish = self.row.finish
        if finish not in FINISHES:
            yield f"its task ended as {finish}"
        elif not lines or lines[-1] != FINISHES[finish]:
            yield f"the ledger says that the task {finish}, the log {lines}"
        elif self.tasks and self.tasks[-1].ends_well != (finish == "succeeded"):
            yield f"the ledger says that the task {finish}, the stand-in began {self.tasks}"


def is_of_task(event):
    return event.get("reason") in ("task_failed", "stuck")


def ends_well(arrival):
    """Whether the task that a request began comes to a good end."""
    return not any(word in (arrival["fault"] or "") for word in ("task fail", "task error"))


def tell_stories(slots, names, rows, events, arrivals):
    """(slot, instance) -> Story for every run that there ought to be and every other one that somebody tells of."""
    stories = {(slot, name): Story() for slot in slots for name in names}
    mine = set(names)
    wholes = {row.slot: row for row in rows if row.instance == WHOLE_SLOT}

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
                    stories[slot, name].whole_rows.append(wholes.get(event["slot"]))
    for arrival in arrivals:
        if arrival["instance"] in mine and arrival["action"] == "ManualBackupInstance":
            one = story(slot_of(arrival), arrival["instance"])
            one.arrivals += 1
            if arrival["acted"]:
                one.tasks.append(Task(arrival["task_id"], ends_well(arrival)))
    return stories


def complaints_of(stories):
    return [f"{slot} {name}: {text}" for (slot, name), one in sorted(stories.items()) for text in one.complaints()]


def of_life(number, events):
    """The events of a life, marked as its."""
    return [{**event, "life": number} for event in events]
