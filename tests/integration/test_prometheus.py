"""A real Prometheus: its parser on /metrics, its server scraping the daemon, its verdict on the alert rules."""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from daemon import Daemon, configuration, soon
from scrape import Metrics, free_port

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNPACKED = os.path.join(TOP, "build-prometheus", "usr", "bin")  # by tests/run
RULES = os.path.join(TOP, "conf", "crsbackupd.rules.yml")


def program(name):
    return shutil.which(name, path=UNPACKED + os.pathsep + os.environ["PATH"])


pytestmark = pytest.mark.skipif(not (program("promtool") and program("prometheus")),
                                reason="Debian's package prometheus could not be had")


def promtool(*arguments, text="", directory=None):
    return subprocess.run([program("promtool"), *arguments], input=text, capture_output=True, text=True, timeout=60, cwd=directory,
                          check=False)


class Server:
    """A Prometheus server that scrapes one daemon every second and evaluates the rules as often."""

    def __init__(self, directory, target):
        self.port = free_port()
        scrape = {"job_name": "crsbackupd", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        file = directory / "prometheus.yml"
        file.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                                        "rule_files": [RULES], "scrape_configs": [scrape]}), encoding="utf-8")
        self._command = [program("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}",
                         f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"]
        self._log = directory / "prometheus.log"

    def __enter__(self):
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(self, *_error):
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=10) as reply:
            return json.load(reply)["data"]

    def query(self, expression):
        """[(labels, value)]"""
        result = self._get("query?" + urllib.parse.urlencode({"query": expression}))["result"]
        return [(row["metric"], float(row["value"][1])) for row in result]

    def targets(self):
        return self._get("targets")["activeTargets"]

    def wait_for(self, condition, timeout=60):
        """Waits until `condition` gives something that is true, and returns that."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                found = condition()
            except (urllib.error.URLError, ConnectionError):
                found = None
            if found:
                return found
            assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text(encoding="utf-8")
            time.sleep(0.2)


def test_the_alert_rules(tmp_path):
    """Each fires when it should and not otherwise."""
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for name in (RULES, os.path.join(TOP, "tests", "integration", "crsbackupd.rules.test.yml")):
        shutil.copy(name, tmp_path)
    tested = promtool("test", "rules", "crsbackupd.rules.test.yml", directory=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_server_scrapes_the_daemon(stand_in, tmp_path):
    cloud = stand_in("--any-instance", "--task-time", "300ms")
    port = free_port()
    period, due = soon(30, 2)
    names = ["crs-scra0001", "crs-scra0002"]
    schedules = {"often": {"every": f"{period}s", "instances": names}, "yearly": {"cron": "0 0 29 2 *", "instances": names[:1]}}
    config = configuration(cloud, schedules, metrics={"listen": f"127.0.0.1:{port}"})
    with Daemon(config, KEYS) as daemon, Server(tmp_path, port) as server:
        daemon.wait_for("backup_succeeded", len(names))
        page = Metrics(port)
        checked = promtool("check", "metrics", text=page.text)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
        found = server.wait_for(lambda: server.query('crsbackupd_backups_total{outcome="succeeded",schedule="often"} == 2'))
        assert found[0][0]["instance"] == f"127.0.0.1:{port}"
        assert server.query('up{job="crsbackupd"}')[0][1] == 1
        target = server.targets()[0]
        assert (target["health"], target["lastError"]) == ("up", "")
        # No label of ours is one of the server's own, which it would have renamed.
        assert not server.query('{__name__=~".+",job="crsbackupd",exported_instance!=""}')
        assert not server.query('{__name__=~".+",job="crsbackupd",exported_job!=""}')
        times = {labels["instance_id"]: value
                 for labels, value in server.query('crsbackupd_last_success_timestamp_seconds{schedule="often"}')}
        assert times.keys() == set(names) and all(due <= value <= time.time() for value in times.values())
        assert server.query('crsbackupd_last_success_timestamp_seconds{schedule="yearly"}')[0][1] == 0
        # Everything that the page has, the server has.
        kept = {labels["__name__"] for labels, _ in server.query('{__name__=~"crsbackupd_.*|process_.*"}')}
        assert kept == page.names()
        quantile = "histogram_quantile(0.9, crsbackupd_api_request_duration_seconds_bucket)"
        assert any(0 < value < 60 for _, value in server.query(quantile))
        # A refused reload raises its alert, a good one ends it.
        assert not server.query('ALERTS{alertname="CrsbackupdReloadFailed"}')
        daemon.write({**config, "regoin": "x"})
        daemon.reload()
        server.wait_for(lambda: server.query('ALERTS{alertname="CrsbackupdReloadFailed",alertstate="pending"}'))
        daemon.write(config)
        daemon.reload()
        server.wait_for(lambda: not server.query('ALERTS{alertname="CrsbackupdReloadFailed"}'))
        assert daemon.stop() == 0
