"""A disk that fills, or cannot be written, under the real daemon; a ledger that cannot be used; the ways out.

The disk is a small tmpfs, which needs the right to mount: without it those tests are skipped.
"""

import os
import shutil
import sqlite3
import subprocess
import time

import documented
import pytest
from agreement import complaints_of, is_settled, is_sound, of_life, read_ledger, slot_text, tell_stories
from integration.daemon import Daemon, configuration
from lives import KEYS, SETTLE, one_slot, orders, patiently

COUNT = 30


def mount(*arguments):
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a disk of 1 MiB of its own."""
    directory = tmp_path / "disk"
    directory.mkdir(mode=0o700)
    done = mount("-t", "tmpfs", "-o", "size=1m,mode=0700", "none", str(directory))
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield str(directory)
    subprocess.run(["umount", "-l", str(directory)], check=True, timeout=30)


def fill(directory):
    """Leaves no free page."""
    with open(os.path.join(directory, "ballast"), "wb", buffering=0) as file:
        for size in (64 * 1024, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass


def make_room(directory):
    os.unlink(os.path.join(directory, "ballast"))


class Night:
    """A slot of a schedule of its own that comes in `ahead` seconds, and all that is told of it."""

    def __init__(self, cloud, directory, mark, count=COUNT, ahead=1.5, **more):
        self.cloud, self.directory = cloud, directory
        self.names = [f"crs-{mark}{number:03d}" for number in range(count)]
        due, period = one_slot(ahead)
        self.slot = slot_text(due)
        self.events = []
        schedule = {"every": f"{period}s", "start_within": f"{period - 2}s", "instances": self.names}
        self.config = configuration(cloud, {"nightly": schedule}, tls=False, requests={"settle": SETTLE}, **more)
        self.config["state_dir"] = directory

    def life(self, environment=None):
        return Daemon(self.config, KEYS, environment={"STATE_DIRECTORY": self.directory, **(environment or {})})

    def note(self, daemon):
        self.events += of_life(len(self.events), daemon.events())

    def arrivals(self):
        return [arrival for arrival in self.cloud.arrivals() if arrival["instance"] in self.names]

    def begun(self):
        """Those that the ledger knows to have been started."""
        return {row.instance for row in read_ledger(self.directory) if row.instance != "*"}

    def wait_settled(self):
        assert patiently(lambda: is_settled(read_ledger(self.directory), self.slot, self.names), 90), \
            read_ledger(self.directory)

    def complaints(self):
        assert is_sound(self.directory)
        return complaints_of(tell_stories([self.slot], self.names, read_ledger(self.directory), self.events, self.arrivals()))

    def live_on(self):
        """A last life, in which all ends."""
        with self.life() as daemon:
            daemon.wait_for("ready")
            self.wait_settled()
            assert daemon.stop() == 0
        self.note(daemon)


def refused_start(night, *parts):
    """A start that is refused: exit 1 with a message that says all of this; nothing is sent."""
    before = len(night.cloud.arrivals(None))
    with night.life() as daemon:
        assert daemon.end() == 1
    (failure,) = daemon.events("start_failed")
    for part in ("ledger.db", *parts):
        assert part in failure["message"], failure
    assert len(night.cloud.arrivals(None)) == before
    return failure["message"]


# ---- a full disk ----


def cloud_of_these(stand_in):
    return stand_in("--any-instance", "--task-time", "100ms", "--latency", "20ms")


def fill_in_the_middle(night, daemon, directory):
    """The disk is full from the 4th backup on; what could be recorded before is through then."""
    daemon.wait_for("backup_submitted", 4, timeout=30)
    fill(directory)
    failed = daemon.wait_for("ledger_failed", timeout=30)[0]
    assert "No space left on device" in failed["message"] and "ledger.db" in failed["message"]
    assert "No space left on device" in daemon.wait_for("record_failed", timeout=30)[0]["message"]


def test_full_in_the_middle_of_a_slot(stand_in, small_disk):
    night = Night(cloud_of_these(stand_in), small_disk, "full0", rate_limit={"per_second": 8})
    with night.life() as daemon:
        fill_in_the_middle(night, daemon, small_disk)
        time.sleep(2)  # would last for 16 more, were they sent
        arrived, begun = {arrival["instance"] for arrival in night.arrivals()}, night.begun()
        assert 4 <= len(arrived) < COUNT and arrived <= begun
        make_room(small_disk)
        daemon.wait_for("ledger_recovered", timeout=30)
        night.wait_settled()
        assert daemon.stop() == 0
    night.note(daemon)
    assert not night.complaints()
    assert len(daemon.events("backup_succeeded")) == COUNT
    assert len(daemon.events("ledger_failed")) == 1, "one state is told once"


def test_killed_while_full(stand_in, small_disk):
    """What was kept in memory is lost then: the next life looks it up, and waits for room like the first."""
    night = Night(cloud_of_these(stand_in), small_disk, "kill0", rate_limit={"per_second": 8})
    with night.life() as daemon:
        fill_in_the_middle(night, daemon, small_disk)
        daemon.process.kill()
        daemon.end()
    night.note(daemon)
    fill(small_disk)
    with night.life() as daemon:
        daemon.wait_for("ready")
        assert "No space left on device" in daemon.wait_for("ledger_failed", timeout=30)[0]["message"]
        time.sleep(2)
        assert {arrival["instance"] for arrival in night.arrivals()} <= night.begun()
        make_room(small_disk)
        daemon.wait_for("ledger_recovered", timeout=30)
        night.wait_settled()
        assert daemon.stop() == 0
    night.note(daemon)
    assert not night.complaints()


def test_full_at_the_first_start(stand_in, small_disk, tmp_path):
    night = Night(cloud_of_these(stand_in), small_disk, "first", count=3, ahead=4)
    fill(small_disk)
    with night.life() as daemon:
        assert daemon.end() == 1
    assert "No space left on device" in daemon.events("start_failed")[0]["message"]
    make_room(small_disk)
    documented.run("The disk is full, or was made read-only", small_disk, tmp_path)
    night.live_on()
    assert not night.complaints()


# ---- a disk that cannot be written ----


def test_read_only_at_the_start(stand_in, small_disk):
    night = Night(cloud_of_these(stand_in), small_disk, "rdon0", count=3, ahead=4)
    assert mount("-o", "remount,ro", small_disk).returncode == 0
    with night.life() as daemon:
        assert daemon.end() == 1
    assert "Read-only file system" in daemon.events("start_failed")[0]["message"]
    assert mount("-o", "remount,rw", small_disk).returncode == 0
    night.live_on()
    assert not night.complaints()


def test_read_only_in_the_middle(stand_in, tmp_path):
    """As after errors=remount-ro: from one moment on every write fails, for a while."""
    night = Night(cloud_of_these(stand_in), str(tmp_path), "rdmi0", count=12, ahead=1.5)
    with night.life({**orders("fail", "pwrite", 90, 4), "CRASH_ERRNO": "EROFS"}) as daemon:
        failed = daemon.wait_for("ledger_failed", timeout=30)[0]
        assert "ledger.db cannot be written: Read-only file system" in failed["message"]
        daemon.wait_for("ledger_recovered", timeout=60)
        night.wait_settled()
        assert daemon.stop() == 0
    night.note(daemon)
    assert not night.complaints()


# ---- a ledger that cannot be used ----


def bytes_of(directory):
    return {name: open(os.path.join(directory, name), "rb").read()
            for name in os.listdir(directory) if name.startswith("ledger.db")}


def interrupted(stand_in, directory, mark):
    """A night that was killed in its middle, and has members open, under way and done."""
    night = Night(cloud_of_these(stand_in), directory, mark, rate_limit={"per_second": 10})
    with night.life() as daemon:
        daemon.wait_for("backup_succeeded", 3, timeout=30)
        daemon.process.kill()
        daemon.end()
    night.note(daemon)
    assert len(night.arrivals()) < COUNT
    return night


def damage(directory):
    """The root page of an index becomes noise: what the rows say can still be read."""
    file = os.path.join(directory, "ledger.db")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'runs_of_instance'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with open(file, "r+b") as raw:
        raw.seek((root - 1) * size)
        raw.write(b"\xa5" * size)


def sent_once(night):
    """No instance has two backups in the slot."""
    stories = tell_stories([night.slot], night.names, read_ledger(night.directory), night.events, night.arrivals())
    return max(len(story.tasks) for story in stories.values()) == 1


def way_out(night, heading, tmp_path, slots=1):
    """Runs what the document says; the next life is ready, doubles nothing and ends what was under way."""
    documented.run(heading, night.directory, tmp_path)
    with night.life() as daemon:
        daemon.wait_for("ready")
        assert patiently(lambda: all(row.state == 1 and row.finish != "open" for row in read_ledger(night.directory)), 60)
        time.sleep(1)  # of which ten requests would make use
        assert daemon.stop() == 0
    night.note(daemon)
    assert is_sound(night.directory) and sent_once(night)
    assert os.stat(os.path.join(night.directory, "ledger.db")).st_mode & 0o777 == 0o600
    return daemon


def test_damaged(stand_in, tmp_path):
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    night = interrupted(stand_in, str(state_dir), "dama0")
    under_way = {row.instance for row in read_ledger(night.directory) if row.state == 0 and row.instance != "*"}
    damage(night.directory)
    before = bytes_of(night.directory)
    message = refused_start(night, "damaged", "nothing was changed")
    assert "move it" in message and bytes_of(night.directory)["ledger.db"] == before["ledger.db"]
    daemon = way_out(night, "It is damaged", tmp_path)
    assert [event["slot"] for event in daemon.events("backup_missed") if event["reason"] == "closed"] == [night.slot]
    rows = {row.instance: row for row in read_ledger(night.directory)}
    assert len(rows) > 3 and all(rows[name].result != "unknown" for name in under_way)


def test_noise_is_no_ledger(stand_in, tmp_path):
    night = Night(cloud_of_these(stand_in), str(tmp_path / "state"), "nois0", count=2, ahead=30)
    os.mkdir(night.directory)
    with open(os.path.join(night.directory, "ledger.db"), "wb") as file:
        file.write(b"\xa5" * 8192)
    before = bytes_of(night.directory)
    refused_start(night, "damaged or not a ledger", "nothing was changed")
    assert bytes_of(night.directory) == before
    way_out_of_nothing(night, tmp_path)


def way_out_of_nothing(night, tmp_path):
    """Beginning anew: nothing is caught up."""
    before = len(night.cloud.arrivals(None))
    documented.run("Begin anew", night.directory, tmp_path)
    with night.life() as daemon:
        daemon.wait_for("ready")
        time.sleep(1)
        assert daemon.stop() == 0
    assert len(night.cloud.arrivals(None)) == before
    assert read_ledger(night.directory) == []


def test_newer_schema(stand_in, tmp_path):
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    night = interrupted(stand_in, str(state_dir), "newr0")
    file = os.path.join(night.directory, "ledger.db")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = bytes_of(night.directory)["ledger.db"]
    message = refused_start(night, "newer crsbackupd (schema 99", "nothing was changed")
    assert "install that version again" in message and bytes_of(night.directory)["ledger.db"] == before
    way_out_of_nothing(night, tmp_path)
    assert sent_once(night)


def test_older_copy(stand_in, tmp_path):
    """The copy was made in the middle of the slot; the rest was done after it."""
    state_dir, copies = tmp_path / "state", tmp_path / "copies"
    state_dir.mkdir()
    copies.mkdir()
    night = Night(cloud_of_these(stand_in), str(state_dir), "copy0", rate_limit={"per_second": 10})
    with night.life() as daemon:
        daemon.wait_for("backup_submitted", 5, timeout=30)
        documented.run("A copy", night.directory, copies)
        night.wait_settled()
        assert daemon.stop() == 0
    night.note(daemon)
    assert not night.complaints()
    assert os.path.exists(copies / "crsbackupd.db")
    shutil.copy(copies / "crsbackupd.db", tmp_path / "kept.db")
    daemon = way_out(night, "An older copy is brought back", copies)
    assert len(night.arrivals()) == COUNT
    rows = [row for row in read_ledger(night.directory) if row.instance != "*"]
    assert 5 <= len(rows) < COUNT, "it was the older copy"
