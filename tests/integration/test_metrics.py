"""Monitoring over HTTP: what the real daemon answers, and what hostile clients can do to it."""

import calendar
import errno
import os
import re
import signal
import socket
import threading
import time

import pytest
import yaml

import control
from daemon import Daemon, configuration, soon
from scrape import Metrics, ask, connect, free_port, read_all, split

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Whoever waited for a silent client would hold the loop for five seconds. The promise is 20 ms, on a machine that is
# not busy with other tests: tests/bench/metrics.py has the figures.
LONGEST_TURN = 4


def quiet(port, **more):
    """A configuration that sends nothing while a test runs."""
    never = {"yearly": {"cron": "0 0 29 2 *", "instances": ["crs-a", "crs-b"]}}
    listen = {"metrics": {"listen": f"127.0.0.1:{port}"}} if port else {}
    return {"region": "ap-guangzhou", "log": {"target": "stderr"}, "endpoint": "http://127.0.0.1:9",
            **listen, **more, "schedules": never}


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def daemon(port):
    with Daemon(quiet(port), KEYS) as running:
        running.wait_for("ready")
        yield running


def eventually(condition, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def known(port):
    """The metrics as soon as the ledger was read: what it had is not known before."""
    eventually(lambda: "crsbackupd_last_success_timestamp_seconds" in Metrics(port).names())
    return Metrics(port)


# ---- pages ----


def test_the_pages(daemon, port):
    for path in ("/healthz", "/readyz"):
        status, headers, body = ask(port, path)
        assert (status, body) == (200, b"ok\n") and headers["connection"] == "close"
    status, headers, body = ask(port, "/metrics?collect=all")
    assert status == 200 and headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert body.endswith(b"\n")
    status, _, body = ask(port, "/metrics", "HEAD")
    assert (status, body) == (200, b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
        status, headers, _ = ask(port, "/metrics", method, b"x=1")
        assert status == 405 and headers["allow"] == "GET, HEAD"
    for path in ("/", "/metrics/", "/Metrics", "/../metrics", "//metrics", "/healthz/x"):
        assert ask(port, path)[0] == 404
    assert daemon.stop() == 0


def documented():
    """The metrics that docs/metrics.md names."""
    with open(os.path.join(TOP, "docs", "metrics.md"), encoding="utf-8") as file:
        return set(re.findall(r"^\| `((?:crsbackupd|process)_\w+)", file.read(), re.MULTILINE))


def test_every_counter_is_there_from_the_start(daemon, port):
    metrics = known(port)
    actions = ("ManualBackupInstance", "DescribeTaskInfo", "DescribeTaskList", "DescribeInstanceBackups")
    for action in actions:
        for code in ("OK", "RequestLimitExceeded", "Client.Lost", "other"):
            assert metrics("crsbackupd_api_requests_total", action=action, code=code) == 0
        assert metrics("crsbackupd_api_request_duration_seconds_bucket", action=action, le="+Inf") == 0
        assert metrics("crsbackupd_limiter_wait_seconds_count", action=action) == 0
        assert metrics("crsbackupd_limiter_queue_length", host="127.0.0.1:9", action=action) == 0
    for action in ("AssumeRole", "AssumeRoleWithWebIdentity", "Metadata"):
        for code in ("OK", "AuthFailure", "HTTP.404", "Client.Lost", "other"):
            assert metrics("crsbackupd_api_requests_total", action=action, code=code) == 0
        assert metrics("crsbackupd_api_request_duration_seconds_count", action=action) == 0
        assert metrics("crsbackupd_api_throttled_total", action=action) == 0
    for outcome in ("submitted", "succeeded", "failed", "unknown", "missed", "skipped"):
        assert metrics("crsbackupd_backups_total", schedule="yearly", outcome=outcome) == 0
    assert metrics("crsbackupd_missed_slots_total", schedule="yearly") == 0
    assert metrics("crsbackupd_config_last_reload_successful") == 1
    assert metrics("crsbackupd_credentials_available") == 1
    assert metrics("crsbackupd_endpoint_up", host="127.0.0.1:9") == 1
    assert metrics("crsbackupd_limiter_requests_per_second", host="127.0.0.1:9", action="ManualBackupInstance") == 20
    # The question's own may be gone already, and a connection before it still be there.
    eventually(lambda: abs(Metrics(port)("process_open_fds") - len(os.listdir(f"/proc/{daemon.process.pid}/fd"))) <= 1)
    now = time.time()
    assert now - 60 < metrics("process_start_time_seconds") <= now
    assert now - 60 < metrics("crsbackupd_config_last_reload_success_timestamp_seconds") <= now
    with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    assert abs(metrics("process_resident_memory_bytes") - resident) < resident / 2
    # The end of keys is told where they have one.
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics.names()}
    assert families == documented() - {"crsbackupd_credentials_expiry_timestamp_seconds"}


def test_it_counts_what_the_cloud_saw(stand_in, port):
    """Some throttled, some lost, some refused: the counters and the stand-in's own record agree."""
    cloud = stand_in("--any-instance", "--latency", "30ms", "--task-time", "300ms")
    backup = "ManualBackupInstance"
    cloud.set_faults({"match": {"action": backup, "nth": [2, 5]}, "do": {"fault": "error", "code": "RequestLimitExceeded"}},
                     {"match": {"action": backup, "nth": 7}, "do": {"fault": "error", "code": "ResourceInUse"}})
    period, _due = soon(30, 2)
    names = [f"crs-count{number:03d}" for number in range(12)]
    schedules = {"often": {"every": f"{period}s", "instances": names}, "rare": {"cron": "0 0 29 2 *", "instances": names[:1]}}
    with Daemon(configuration(cloud, schedules, metrics={"listen": f"127.0.0.1:{port}"}), KEYS) as daemon:
        daemon.wait_for("backup_succeeded", len(names), timeout=60)
        metrics = Metrics(port)
        assert metrics("crsbackupd_backups_total", schedule="often", outcome="submitted") == len(names)
        assert metrics("crsbackupd_backups_total", schedule="often", outcome="succeeded") == len(names)
        assert metrics.sum("crsbackupd_backups_total", schedule="rare") == 0
        retries = len(daemon.events("backup_retry"))
        assert retries == 3 == metrics("crsbackupd_backup_retries_total", schedule="often")
        assert metrics("crsbackupd_backup_attempts_total", schedule="often") == len(names) + retries
        assert metrics("crsbackupd_api_throttled_total", action="ManualBackupInstance") == 2
        for action in ("ManualBackupInstance", "DescribeTaskInfo"):
            seen = [arrival["code"] for arrival in cloud.arrivals(action)]
            for code in set(seen):
                assert metrics("crsbackupd_api_requests_total", action=action, code=code) == seen.count(code)
            count = metrics("crsbackupd_api_request_duration_seconds_count", action=action)
            assert count == metrics.sum("crsbackupd_api_requests_total", action=action) == len(seen)
            took = metrics("crsbackupd_api_request_duration_seconds_sum", action=action)
            assert took >= 0.03 * count
            assert metrics("crsbackupd_limiter_wait_seconds_count", action=action) == count
            buckets = [value for (name, labels), value in metrics.samples.items()
                       if name == "crsbackupd_api_request_duration_seconds_bucket" and ("action", action) in labels]
            assert buckets == sorted(buckets) and buckets[-1] == count
        assert metrics("crsbackupd_in_flight_requests") == 0 and metrics("crsbackupd_watched_backups") == 0
        # The loop was measured while all of this went on.
        assert 0 < metrics("crsbackupd_loop_longest_turn_seconds") < LONGEST_TURN
        assert daemon.stop() == 0


# ---- life ----


def test_readiness_ends_with_the_drain_and_health_does_not(stand_in, port):
    cloud = stand_in("--any-instance", "--latency", "3s")
    period, _due = soon(30, 2)
    schedules = {"often": {"every": f"{period}s", "instances": ["crs-slow"]}}
    with Daemon(configuration(cloud, schedules, metrics={"listen": f"127.0.0.1:{port}"}), KEYS) as daemon:
        daemon.wait_for("ready")
        assert ask(port, "/readyz")[0] == 200
        eventually(lambda: Metrics(port)("crsbackupd_in_flight_requests") == 1)
        daemon.signal(signal.SIGTERM)
        daemon.wait_for("stopping")
        assert ask(port, "/readyz")[0::2] == (503, b"stopping\n")
        assert ask(port, "/healthz")[0] == 200
        assert Metrics(port)("crsbackupd_draining") == 1
        assert daemon.end() == 0
    with pytest.raises(ConnectionRefusedError):
        connect(port)


def test_reloads(daemon, port):
    """A pause shows, a bad reload shows, a good one moves the address, and one without metrics ends them."""
    assert Metrics(port)("crsbackupd_schedule_paused", schedule="yearly") == 0
    control.ask(daemon, "pause", schedule="yearly")
    assert Metrics(port)("crsbackupd_schedule_paused", schedule="yearly") == 1
    before = Metrics(port)("crsbackupd_config_last_reload_success_timestamp_seconds")
    daemon.write(quiet(port, regoin="x"))
    daemon.reload()
    daemon.wait_for("reload_failed")
    metrics = Metrics(port)
    assert metrics("crsbackupd_config_last_reload_successful") == 0
    assert metrics("crsbackupd_config_last_reload_success_timestamp_seconds") == before
    daemon.write(quiet(port))
    daemon.reload()
    daemon.wait_for("reloaded")
    metrics = Metrics(port)
    assert metrics("crsbackupd_config_last_reload_successful") == 1
    assert metrics("crsbackupd_config_last_reload_success_timestamp_seconds") > before
    other = free_port()
    daemon.write(quiet(other))
    daemon.reload()
    daemon.wait_for("reloaded", 2)
    assert ask(other, "/healthz")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        connect(port)
    daemon.write(quiet(None))
    daemon.reload()
    daemon.wait_for("reloaded", 3)
    with pytest.raises(ConnectionRefusedError):
        connect(other)
    daemon.write(quiet(port))
    daemon.reload()
    daemon.wait_for("reloaded", 4)
    assert ask(port, "/readyz")[0] == 200
    assert daemon.stop() == 0


def test_an_address_that_is_taken(daemon, port):
    """It refuses a start, and a reload as a whole."""
    with Daemon(quiet(port), KEYS) as second:
        assert second.end() == 1
        assert f"metrics.listen 127.0.0.1:{port}: Address already in use" in second.events("start_failed")[0]["message"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        daemon.write(quiet(other.getsockname()[1]))
        daemon.reload()
        assert "Address already in use" in daemon.wait_for("reload_failed")[0]["message"]
    assert Metrics(port)("crsbackupd_config_last_reload_successful") == 0
    assert daemon.stop() == 0


def test_an_address_that_others_reach_is_warned_of(port):
    with Daemon(quiet(port, metrics={"listen": f"0.0.0.0:{port}"}), KEYS) as daemon:
        daemon.wait_for("ready")
        assert any("can be reached from other hosts" in line for line in daemon.lines)
        assert ask(port, "/healthz")[0] == 200
        assert daemon.stop() == 0


def test_the_newest_good_backup_is_known_after_a_restart(stand_in, port, tmp_path):
    cloud = stand_in("--any-instance", "--task-time", "300ms")
    period, due = soon(60, 2)
    names = ["crs-kept0001", "crs-kept0002"]
    schedules = {"often": {"every": f"{period}s", "instances": names, "spread": "1s", "start_within": "20s"},
                 "yearly": {"cron": "0 0 29 2 *", "instances": [*names, "crs-new"], "paused": True}}
    config = configuration(cloud, schedules, metrics={"listen": f"127.0.0.1:{port}"})

    def good():
        metrics = Metrics(port)
        return {(dict(labels)["schedule"], dict(labels)["instance_id"]): value for (name, labels), value in metrics.samples.items()
                if name == "crsbackupd_last_success_timestamp_seconds"}

    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        daemon.wait_for("backup_succeeded", len(names))
        before = good()
        assert all(due <= before["often", name] <= time.time() for name in names)
        assert all(before["yearly", name] == 0 for name in [*names, "crs-new"])
        metrics = Metrics(port)
        assert metrics("crsbackupd_max_age_seconds", schedule="often") == period + 1 + 20 + 3600
        assert metrics("crsbackupd_schedule_paused", schedule="yearly") == 1
        assert metrics("crsbackupd_overdue_instances", schedule="often") == 0
        assert metrics("crsbackupd_never_backed_up_instances", schedule="yearly") == 0
        assert daemon.stop() == 0
    with Daemon(config, KEYS, directory=str(tmp_path)) as daemon:
        daemon.wait_for("ready")
        eventually(good)  # the ledger is being read
        assert good() == before
        assert Metrics(port)("crsbackupd_backups_total", schedule="often", outcome="succeeded") == 0
        assert daemon.stop() == 0


def test_the_end_of_a_roles_keys(stand_in, port):
    """It is what the log says of them; while a renewal fails they are there till then, and not after it."""
    cloud = stand_in("--any-instance", "--role", "backup", "--role-life", "8s")
    credentials = {"provider": "cvm-role", "metadata_url": f"http://127.0.0.1:{cloud.http_port}"}
    with Daemon(quiet(port, credentials=credentials)) as daemon:
        expires = daemon.wait_for("credentials_refreshed")[0]["expires"]
        cloud.set_faults({"match": {"action": "Metadata"}, "do": {"fault": "http", "status": 502}})
        metrics = Metrics(port)
        end = calendar.timegm(time.strptime(expires[:19], "%Y-%m-%dT%H:%M:%S"))
        assert 0 <= metrics("crsbackupd_credentials_expiry_timestamp_seconds") - end < 1
        assert metrics("crsbackupd_credentials_available") == 1
        asked = {"action": "Metadata", "code": "OK"}
        assert metrics("crsbackupd_api_requests_total", **asked) >= 2  # the role's name, and its keys
        assert metrics("crsbackupd_api_request_duration_seconds_count", action="Metadata") >= 2
        eventually(lambda: Metrics(port)("crsbackupd_credentials_available") == 0)
        assert Metrics(port)("crsbackupd_api_requests_total", action="Metadata", code="HTTP.502") >= 1
        assert time.time() >= end
        healthy, (reason,) = control.ask(daemon, "health")[1].values()
        assert not healthy and reason.startswith("the keys have ended: the metadata service answers HTTP 502")
        assert ask(port, "/healthz")[0] == 200
        cloud.set_faults()
        eventually(lambda: Metrics(port)("crsbackupd_credentials_available") == 1)
        assert daemon.stop() == 0


# ---- many instances ----

MANY = 100000
PACED = 100


def many(cloud, port, period):
    """A hundred thousand instances that are never due beside a hundred that are; text, since a dumper takes long."""
    config = configuration(cloud, {}, metrics={"listen": f"127.0.0.1:{port}"})
    del config["schedules"]
    lines = [yaml.safe_dump(config), "schedules:", '  yearly:\n    cron: "0 0 29 2 *"\n    instances:']
    lines += [f"      - crs-{number:08d}" for number in range(MANY)]
    lines += [f"  paced:\n    every: {period}s\n    start_within: 19s\n    instances:"]
    lines += [f"      - crs-pace{number:04d}" for number in range(PACED)]
    return "\n".join(lines) + "\n"


@pytest.mark.alone
def test_the_pace_holds_under_ten_scrapes_a_second(stand_in, port):
    """No window over 20, the backlog at 19.7 a second, while pages of 100,000 instances are being made."""
    cloud = stand_in("--any-instance", "--latency", "150ms")
    period, due = soon(20, 6)
    over, sizes = threading.Event(), []

    def scrape():
        while not over.wait(0.1):
            with connect(port) as link:
                link.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                sizes.append(len(read_all(link)))

    with Daemon(many(cloud, port, period), KEYS) as daemon:
        daemon.wait_for("ready")
        scraper = threading.Thread(target=scrape)
        scraper.start()
        daemon.wait_for("backup_submitted", PACED, timeout=40)
        over.set()
        scraper.join()
        metrics = Metrics(port)
        assert daemon.stop() == 0
    assert len([1 for size in sizes if size > 50 * MANY]) >= 20  # it did have work
    assert len([1 for name, _ in metrics.samples if name == "crsbackupd_last_success_timestamp_seconds"]) == MANY + PACED
    stats = cloud.stats(since=due * 10**9)
    assert len(cloud.arrivals()) == PACED
    assert stats["worst_window"] <= 20
    assert stats["rate_since_per_s"] >= 19.7


# ---- hostile clients ----

GARBAGE = (
    b"\x00" * 1000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 400,  # TLS
    b"GET\r\n\r\n",
    b"GET /metrics\r\n\r\n",
    b"GET /metrics HTTP/9.9\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZZ\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 200000 + b"\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
    b"GET http://[::1 HTTP/1.1\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 300000,
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    bytes(range(256)) * 100,
)


def send(piece, port):
    """A connection on which all of it was sent, or as much as the other side took."""
    link = connect(port)
    try:
        link.sendall(piece)
        link.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass
    except OSError as error:
        assert error.errno == errno.ENOTCONN
    return link


def test_garbage(daemon, port):
    """Each gets an error or the end of the connection; others are served meanwhile."""
    links = []
    for piece in GARBAGE:
        links.append(send(piece, port))
        assert ask(port, "/healthz")[0] == 200, piece[:40]
    for piece, link in zip(GARBAGE, links):
        with link:
            answer = read_all(link)
        if answer:  # 200: the head was whole, and the body of a GET is nobody's business
            status = split(answer)[0]
            assert 400 <= status < 600 or (status == 200 and b"chunked" in piece), piece[:40]
    assert Metrics(port)("crsbackupd_loop_longest_turn_seconds") < LONGEST_TURN
    assert daemon.stop() == 0


def test_half_closed_and_byte_by_byte(daemon, port):
    with connect(port) as link:
        link.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        link.shutdown(socket.SHUT_WR)
        status, _, body = split(read_all(link))
        assert status == 200 and b"process_start_time_seconds" in body
    with connect(port) as link:
        for byte in b"GET /healthz HTTP/1.0\r\n\r\n":
            link.sendall(bytes([byte]))
        assert split(read_all(link))[::2] == (200, b"ok\n")
    for _ in range(200):  # gone before their answer
        with connect(port) as link:
            link.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ask(port, "/healthz")[0] == 200
    eventually(lambda: Metrics(port)("process_open_fds") < 40)
    assert daemon.stop() == 0


def test_clients_that_say_nothing_are_closed(daemon, port):
    """Also one that sends a byte now and then: it has its time in all."""
    began = time.monotonic()
    silent, slow = connect(port), connect(port)
    with silent, slow:
        stop = threading.Event()

        def drip():
            try:
                while not stop.wait(0.3):
                    slow.sendall(b"X-A: b\r\n")
            except OSError:
                pass

        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        dripper = threading.Thread(target=drip)
        dripper.start()
        assert read_all(silent) == b""
        assert time.monotonic() - began > 4
        read_all(slow)
        stop.set()
        dripper.join()
    assert ask(port, "/healthz")[0] == 200
    assert daemon.stop() == 0


def test_thousands_of_connections(daemon, port):
    """However many are open and silent, one that asks is served at once; those that came first make room."""
    crowd = [connect(port) for _ in range(300)]
    for _ in range(20):
        assert ask(port, "/healthz", timeout=10)[0] == 200
        crowd += [connect(port) for _ in range(50)]
    assert Metrics(port)("process_open_fds") < 120
    for link in crowd:
        link.close()
    for _ in range(1000):
        connect(port).close()
    assert ask(port, "/healthz")[0] == 200
    assert Metrics(port)("crsbackupd_loop_longest_turn_seconds") < LONGEST_TURN
    assert daemon.stop() == 0
