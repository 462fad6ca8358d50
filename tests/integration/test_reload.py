"""A reload is read beside the loop: who is answered with what, what comes meanwhile, and a stop in the middle of it."""

import concurrent.futures
import signal
import time

import pytest

import control
from daemon import Daemon
from service_manager import ServiceManager

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
MANY = 20000  # read in some tenths of a second by a build with sanitizers, which is what these tests need
HEAD = "region: ap-guangzhou\nendpoint: http://127.0.0.1:9\nlog: {target: stderr}\n"


def text(name, extra=""):
    """A configuration that sends nothing, as text: a dumper takes long."""
    members = "".join(f"      - crs-{number:08d}\n" for number in range(MANY))
    return f'{HEAD}{extra}schedules:\n  {name}:\n    cron: "0 0 29 2 *"\n    instances:\n{members}'


@pytest.fixture
def daemon():
    with Daemon(text("first"), KEYS) as running:
        running.wait_for("ready", timeout=60)
        yield running


def schedules(daemon):
    return [row["name"] for row in control.ask(daemon, "status")[0]]


def outcomes(daemon):
    """Readings that have come to an end."""
    return len(daemon.events("reloaded")) + len(daemon.events("reload_failed"))


def test_each_is_answered_from_a_file_as_new_as_the_question(daemon):
    """Whatever is being read when he asks, what he wrote before he asked is what his answer is about."""
    for number in range(4):
        daemon.write(text("good" + str(number)))
        with control.Client(control.path_of(daemon)) as early, control.Client(control.path_of(daemon)) as late:
            early.send({"verb": "reload"})
            daemon.wait_for("operator", 3 * number + 1)
            daemon.write(text("bad", "regoin: x\n"))
            late.send({"verb": "reload"})
            assert "did you mean region?" in late.answer()[1]["error"]["text"]
            # Of the early one either is true: his file was replaced when he had asked.
            assert early.answer()[1] is not None
        daemon.write(text("last" + str(number)))
        assert control.ask(daemon, "reload") == ([], {"ok": True})
        assert schedules(daemon) == ["last" + str(number)]
    assert daemon.stop() == 0


def test_wishes_that_come_together_are_one(daemon):
    """A crowd that asks, by signal and by socket, is answered, and the file is not read for each."""
    def ask(_number):
        daemon.reload()
        return control.ask(daemon, "reload")

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        daemon.write(text("second"))
        first = pool.submit(ask, 0)
        daemon.wait_for("operator")
        answers = list(pool.map(ask, range(19)))
        assert first.result() == ([], {"ok": True}) and answers == 19 * [([], {"ok": True})]
    assert schedules(daemon) == ["second"]
    assert 1 <= outcomes(daemon) < 20
    assert control.ask(daemon, "status")[1]["config"]["last_reload"]["ok"]
    assert daemon.stop() == 0


def is_told(manager, text):
    """Whether the manager has been told of this meanwhile."""
    try:
        manager.wait_for(text, timeout=0.001)
    except TimeoutError:
        return False
    return True


def test_others_are_answered_meanwhile():
    """The manager is told of the beginning and of the end, and between them the loop turns, again and again."""
    with ServiceManager() as manager, Daemon(text("first"), KEYS, environment=manager.environment) as daemon:
        manager.wait_for("READY=1", timeout=60)
        most = 0
        for _ in range(20):
            daemon.reload()
            manager.wait_for("RELOADING=1")
            answered = 0
            while not is_told(manager, "READY=1"):
                assert control.ask(daemon, "health")[1]["healthy"]
                answered += 1
            most = max(most, answered)
            if most >= 5:
                break
        assert most >= 5
        assert daemon.stop() == 0


@pytest.mark.parametrize("delay", [0, 0.02, 0.1])
def test_a_stop_while_it_is_read(daemon, delay):
    """Who waits is told, nothing of the file is taken or leaked, and the process ends in order."""
    daemon.write(text("second"))
    with control.Client(control.path_of(daemon)) as client:
        client.send({"verb": "reload"})
        daemon.wait_for("operator")
        time.sleep(delay)
        daemon.signal(signal.SIGTERM)
        answer = client.answer()[1]
        assert daemon.end() == 0
    if not daemon.events("reloaded"):
        assert answer["error"]["text"] == "the daemon is stopping"
    assert not daemon.events("reload_failed")
    assert daemon.events()[-1]["event"] == "stopped"
