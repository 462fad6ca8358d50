"""The promises under load: a hundred thousand instances, each of them due, and everybody asks at once.

The real daemon, in the release build that its users have, sends a slot of all its instances at 20 requests a second and is
asked for its status a hundred times a second and for its metrics ten times, by clients with manners; others send it
what is too large, half, slow or no request at all, to both sockets, and come in crowds; and its file is replaced in the
middle of it, by a good one and by a bad one.

None of it may show in what the cloud sees, nor hold the loop for 20 ms. A turn is not measured by the clock: where two
processors run all of this, a turn that was interrupted says nothing of the daemon. What is looked at is
longest_work_ms, the processor time of the loop's thread in a turn, which is the same on a busy machine. Of the answers to
status the median of some hundreds is looked at, which a few that came late do not move.
"""

import os
import socket
import statistics
import threading
import time

import pytest
import yaml

import control
from daemon import Daemon, configuration, soon
from scrape import connect, free_port
from test_metrics import GARBAGE, send

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
RELEASE = os.environ.get("CRSBACKUPD_RELEASE", "")
MANY = 100000
SENT = 130  # in six and a half seconds
LONGEST_MS = 20


def everything(cloud, port, period, first=0, extra=""):
    """All are due at once; text, since a dumper takes long."""
    config = configuration(cloud, {}, metrics={"listen": f"127.0.0.1:{port}"})
    del config["schedules"]
    members = "".join(f"      - crs-{number:08d}\n" for number in range(first, first + MANY))
    return (f"{yaml.safe_dump(config)}{extra}schedules:\n"
            f"  nightly:\n    every: {period}s\n    start_within: 8h\n    instances:\n{members}")


class Crowd:
    """Threads that do their part again and again, `per_second` times where they can, until they are told to end."""

    def __init__(self):
        self._over = threading.Event()
        self._threads = []
        self._trouble = []

    def add(self, part, per_second):
        def run():
            due = time.monotonic()
            try:
                while not self._over.is_set():
                    part()
                    due = max(due + 1 / per_second, time.monotonic() - 1)
                    self._over.wait(max(0.0, due - time.monotonic()))
            except Exception as error:  # a thread's own end would be nobody's
                self._trouble.append(error)

        self._threads.append(threading.Thread(target=run))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._trouble:
            raise self._trouble[0]


def statuses(daemon, took, last):
    """Asks on a connection of its own, which is kept."""
    client = control.Client(control.path_of(daemon))

    def ask():
        begun = time.monotonic()
        _rows, answer = client.ask("status")
        took.append(time.monotonic() - begun)
        last[:] = [answer["end"]]

    return ask


def scrapes(port, sizes):
    buffer = bytearray(1 << 20)

    def scrape():
        with connect(port) as link:
            link.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            size = 0
            while piece := link.recv_into(buffer):
                size += piece
        sizes.append(size)

    return scrape


REQUESTS = (
    b'{"verb":"' + b"x" * 300000,  # larger than is read
    b"[" + b"1," * 65000 + b"1]\n",
    b'{"verb":' + b"[" * 60000 + b"]" * 60000 + b"}\n",
    b'{"verb":"list"}\n' * 3,  # all members, and nobody reads them
    b'{"verb":"check-age"}\n{"verb":"history"}\n',
    b'{"verb":"sta',
    b"\x00\xff" * 5000 + b"\n",
)


def rude(daemon):
    """One request after the other that is no good, or whose answer is not read; half-closed, and left."""
    turn = [0]

    def ask():
        turn[0] += 1
        with control.Client(control.path_of(daemon)) as client:
            client.socket.settimeout(0.2)
            try:
                client.send(REQUESTS[turn[0] % len(REQUESTS)])
                client.socket.shutdown(socket.SHUT_WR)
                client.socket.recv(4096)
            except OSError:
                pass

    return ask


def slow(daemon):
    """A byte of a request at a time; a new one where it was closed."""
    held = [control.Client(control.path_of(daemon))]

    def drip():
        try:
            held[0].send(b" ")
        except OSError:
            held[0].socket.close()
            held[0] = control.Client(control.path_of(daemon))

    return drip


def crowds(daemon, port):
    """Connections that say nothing, to both sockets, more of them than are served."""
    def come_and_go():
        links = [connect(port) for _ in range(40)]
        clients = [control.Client(control.path_of(daemon)) for _ in range(80)]
        for link in links:
            link.close()
        for client in clients:
            client.socket.close()

    return come_and_go


def garbage(port):
    turn = [0]

    def ask():
        turn[0] += 1
        send(GARBAGE[turn[0] % len(GARBAGE)], port).close()

    return ask


def reload_in_the_middle(daemon, cloud, port, period):
    """A hundred instances leave, and others come; then a file that is refused; (ok, what it says)."""
    daemon.write(everything(cloud, port, period, first=100))
    taken = control.ask(daemon, "reload")[1]["ok"]
    daemon.write(everything(cloud, port, period, extra="regoin: x\n"))
    return taken, control.refusal(daemon, "reload")[1]


@pytest.mark.alone
@pytest.mark.skipif(not RELEASE, reason="needs the release build: CRSBACKUPD_RELEASE names its crsbackupd")
def test_nothing_of_it_shows(stand_in):
    cloud = stand_in("--any-instance", "--latency", "150ms")
    port = free_port()
    period, due = soon(9 * 3600, 6)  # on a busy machine the start takes its time
    took, sizes, last = [], [], []
    with Daemon(everything(cloud, port, period), KEYS, binary=RELEASE) as daemon:
        daemon.wait_for("ready", timeout=60)
        crowd = Crowd()
        crowd.add(statuses(daemon, took, last), 100)
        crowd.add(scrapes(port, sizes), 10)
        crowd.add(rude(daemon), 20)
        crowd.add(slow(daemon), 10)
        crowd.add(crowds(daemon, port), 2)
        crowd.add(garbage(port), 10)
        with crowd:
            daemon.wait_for("backup_submitted", SENT // 3, timeout=60)
            taken, refused = reload_in_the_middle(daemon, cloud, port, period)
            daemon.wait_for("backup_submitted", SENT, timeout=60)
        assert daemon.stop() == 0
    stats = cloud.stats(since=due * 10**9)
    took.sort()
    whole = [size for size in sizes if size > 50 * MANY]  # the first ones come while the ledger is being read
    figures = (f"{len(took)} times status: median {1000 * statistics.median(took):.1f} ms, 99 % {1000 * took[len(took) * 99 // 100]:.1f} ms; "
               f"{len(sizes)} scrapes, {len(whole)} of {sizes[-1] / 1e6:.1f} MB; the loop: {last[0]['loop']}; {stats['rate_since_per_s']} a second, "
               f"worst window {stats['worst_window']}")
    print(figures)
    assert taken and "did you mean region?" in refused
    assert len(took) > 400 and len(whole) >= 10, figures  # there was a load
    assert last[0]["loop"]["longest_work_ms"] < LONGEST_MS, figures
    assert statistics.median(took) < LONGEST_MS / 1000, figures
    assert stats["worst_window"] <= 20 and not stats["duplicates"], figures
    assert set(stats["signatures"]) == {"valid"}, figures
