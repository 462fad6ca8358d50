"""Lives of the real crsbackupd that end before their time, with faults.c preloaded, and the lives after them."""

import dataclasses
import os
import shutil
import subprocess
import tempfile
import time

from agreement import complaints_of, is_settled, is_sound, of_life, read_ledger, slot_text, tell_stories
from integration.daemon import BINARY, Daemon, configuration

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
FAULTS = os.environ.get("CRASH_FAULTS", "")
SETTLE = "2s"  # the stand-in lists a backup at once
BLOCKS = ".blocks"  # beside the trace: what was not given back
NIGHTLY = os.environ.get("CRSBACKUPD_NIGHTLY") == "1"


def one_slot(ahead, shortest=90, longest=400):
    """(slot, period), whole seconds: the first slot comes in `ahead` seconds or little more, the next one not before the test's end."""
    due = int(time.time() + ahead) + 1
    while True:
        for period in range(shortest, longest):
            if due % period == 0:
                return due, period
        due += 1


def orders(kind, what, nth, count=1, trace=None):
    """The environment of a life with a fault."""
    found = {"LD_PRELOAD": FAULTS, "CRASH_FAULT": f"{kind}:{what}:{nth}:{count}"}
    if trace:
        found |= {"CRASH_TRACE": trace, "CRASH_BLOCKS": trace + BLOCKS}
    return found


def patiently(condition, timeout, pause=0.2):
    """Waits until the condition holds; whether it does."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


@dataclasses.dataclass
class Tale:
    """What became of one slot over a life with a fault and the lives after it."""

    number: int
    names: list
    slot: str = ""
    period: int = 0
    status: int = None       # how the first life ended
    reloaded: bool = False
    met: str = ""            # what faults.c told of the fault
    left: str = ""           # and of memory that was not given back
    stderr: list = dataclasses.field(default_factory=list)  # of the first life
    events: list = dataclasses.field(default_factory=list)
    rows: list = dataclasses.field(default_factory=list)
    trouble: list = dataclasses.field(default_factory=list)

    def judge(self, arrivals):
        """The complaints, once the stand-in's truth is known."""
        stories = tell_stories([self.slot], self.names, self.rows, self.events, arrivals)
        return [f"life {self.number} ({self.met}): {text}" for text in self.trouble + complaints_of(stories)]


def read_trace(file):
    try:
        with open(file, encoding="utf-8") as text:
            return text.read().strip()
    except FileNotFoundError:
        return ""


def live_with_fault(tale, config, directory, environment, names, reload):
    """The first life: till its end, or till its slot has ended, then it is drained."""
    with Daemon(config, KEYS, directory=directory, environment=environment) as daemon:
        def is_over():
            if reload and not tale.reloaded and daemon.events("backup_submitted"):
                tale.reloaded = True
                daemon.reload()
            # Of one that there was no memory to follow the next life sees the end.
            unseen = {event["instance"] for event in daemon.events("watch_failed") if event["code"] == "Client.Memory"}
            return daemon.process.poll() is not None or is_settled(read_ledger(directory), tale.slot, set(names) - unseen)

        if not patiently(is_over, 60):
            tale.trouble.append(f"the first life came to no end: {daemon.lines[-5:]}")
        try:
            tale.status = daemon.stop() if daemon.process.poll() is None else daemon.end()
        except subprocess.TimeoutExpired:
            tale.trouble.append(f"the first life could not be stopped: {daemon.lines[-5:]}")
    tale.events += of_life(1, daemon.events())
    tale.stderr = daemon.lines


def live_on(tale, config, directory, names):
    """The life after it, without faults: till the slot has ended, then it is drained."""
    with Daemon(config, KEYS, directory=directory) as daemon:
        daemon.wait_for("ready", timeout=30)
        # A schedule that never got ready begins here, and catches nothing up: was this in time?
        was_ready = any(event["event"] == "ready" for event in tale.events)
        first_slot = daemon.events("ready")[0]["next_slot"]
        if not was_ready and first_slot > tale.slot and not read_ledger(directory):
            tale.slot = ""
        elif not patiently(lambda: is_settled(read_ledger(directory), tale.slot, names), 60):
            tale.trouble.append("the life after it did not settle the slot")
        status = daemon.stop()
        if status != 0:
            tale.trouble.append(f"the life after it ended with {status}: {daemon.lines[-5:]}")
    tale.events += of_life(2, daemon.events())


def tell(cloud, number, count, fault, ahead=1.2, tls=False, reload=False):
    """One slot of `count` instances of their own, with a fault in its first life: fault(trace) is its environment."""
    names = [f"crs-{number:05d}{member:03d}" for member in range(count)]
    directory = tempfile.mkdtemp(prefix="crash-")
    try:
        while True:
            tale = Tale(number, names)
            due, tale.period = one_slot(ahead)
            tale.slot = slot_text(due)
            nightly = {"every": f"{tale.period}s", "start_within": f"{tale.period - 2}s", "instances": names}
            config = configuration(cloud, {"nightly": nightly}, tls=tls, requests={"settle": SETTLE})
            trace = os.path.join(directory, "trace")
            live_with_fault(tale, config, directory, fault(trace), names, reload)
            tale.met, tale.left = read_trace(trace), read_trace(trace + BLOCKS)
            live_on(tale, config, directory, names)
            if tale.slot:
                break
            # Too busy a machine: the slot passed between two lives that did not know it yet. Once more.
            shutil.rmtree(directory)
            os.mkdir(directory)
            ahead += 1
        tale.rows = read_ledger(directory)
        if not is_sound(directory):
            tale.trouble.append("the ledger is damaged")
        return tale
    finally:
        shutil.rmtree(directory, ignore_errors=True)


__all__ = ["BINARY", "FAULTS", "KEYS", "NIGHTLY", "Tale", "one_slot", "orders", "patiently", "tell"]
