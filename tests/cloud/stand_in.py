"""For tests: a stand-in in a process of its own.

    with StandIn("--any-instance", "--latency", "150ms") as cloud:
        ...point a client at https://127.0.0.1:{cloud.https_port}, trusting cloud.ca_file...
        assert cloud.stats()["worst_window"] <= 20
"""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from urllib.parse import urlencode

from . import report, tc3

SECRET_ID = "AKIDstandinstandinstandinstandin0001"
SECRET_KEY = "standinstandinstandinstandin0001"
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class StandIn:
    """A running stand-in; a context manager. `arguments` are its command line, the ports excepted.

    directory     where its files go (a temporary one, removed at the end, where absent)
    tls_dir       a directory of certificates to share with other stand-ins
    token         the session token of its key
    """

    def __init__(self, *arguments, directory=None, tls_dir=None, secret_id=SECRET_ID, secret_key=SECRET_KEY, token=None,
                 http_port=0, https_port=0):
        self._arguments = [str(argument) for argument in arguments]
        self._scratch = None if directory else tempfile.TemporaryDirectory(prefix="cloud-")
        self.directory = str(directory or self._scratch.name)
        self._tls_dir = str(tls_dir or os.path.join(self.directory, "tls"))
        self._wanted = (http_port, https_port)
        self.secret_id, self.secret_key, self.token = secret_id, secret_key, token
        self.truth_file = os.path.join(self.directory, "truth.jsonl")
        self.http_port = self.https_port = self.control_port = self.ca_file = self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(self, *_error):
        try:
            self.stop()
        finally:
            self._clean_up()

    def _clean_up(self):
        if self._scratch:
            self._scratch.cleanup()

    # ---- life ------------------------------------------------------------------------------------------------------

    def start(self, timeout=15):
        """Start the process and wait until it listens."""
        ready = os.path.join(self.directory, "ready.json")
        if os.path.exists(ready):
            os.unlink(ready)
        self._complaints = open(os.path.join(self.directory, "stderr.txt"), "w+", encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": TESTS, "CLOUD_SECRET_ID": self.secret_id, "CLOUD_SECRET_KEY": self.secret_key,
                       "CLOUD_TOKEN": self.token or ""}
        command = [sys.executable, "-m", "cloud", "--http", self._wanted[0], "--https", self._wanted[1], "--control", 0,
                   "--ready-file", ready, "--truth", self.truth_file, "--tls-dir", self._tls_dir, *self._arguments]
        self.process = subprocess.Popen([str(part) for part in command], env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self._complaints)
        deadline = time.monotonic() + timeout
        while not os.path.exists(ready):
            if self.process.poll() is not None:
                status, self.process = self.process.returncode, None
                raise RuntimeError(f"the stand-in ended with {status}: {self._complaint()}")
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the stand-in did not get ready in time")
            time.sleep(0.01)
        with open(ready, encoding="utf-8") as file:
            told = json.load(file)
        self.http_port, self.https_port, self.control_port = told["http"], told["https"], told["control"]
        self.ca_file = told["ca_file"]

    def stop(self, timeout=5):
        """End it in order; returns its exit status. The truth file is complete then. RuntimeError where it complained."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process = None
        complaint = self._complaint()
        if complaint:
            raise RuntimeError(f"the stand-in complained: {complaint}")
        return status

    def _complaint(self):
        """What it wrote to stderr."""
        with self._complaints:
            self._complaints.seek(0)
            return self._complaints.read().strip()

    # ---- what it saw -----------------------------------------------------------------------------------------------

    def truth(self):
        """All records since the last reset: from the process while it runs, from its file afterwards."""
        if self.process is not None:
            return report.load(self._control("GET", "truth").splitlines())
        with open(self.truth_file, "rb") as file:
            return report.load(file)

    def arrivals(self, action="ManualBackupInstance"):
        """The API calls of an action (None: of all), in the order of their arrival."""
        found = (r for r in self.truth() if r["kind"] == "arrival" and (action is None or r["action"] == action))
        return sorted(found, key=lambda record: record["seq"])

    def stats(self, action="ManualBackupInstance", since=None, limit=20):
        """The figures of report.measure; `since` in nanoseconds of the wall clock."""
        return report.measure(self.truth(), action, since, limit)

    def set_faults(self, *rules):
        """Replace the fault rules; times in them count from now."""
        self._control("POST", "faults", json.dumps(rules))

    def reset(self):
        """Forget tasks, backups, counts and truth."""
        self._control("POST", "reset", "")

    def _control(self, method, what, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=10)
        try:
            link.request(method, f"/_cloud/{what}", body)
            reply = link.getresponse()
            data = reply.read()
        finally:
            link.close()
        if reply.status != 200:
            raise ValueError(data.decode("utf-8", "replace"))
        return data

    # ---- a client of its own ---------------------------------------------------------------------------------------

    def connect(self, tls=True, timeout=5):
        """A connection to it (http.client)."""
        if not tls:
            return http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection("127.0.0.1", self.https_port, timeout=timeout, context=context)

    def signed(self, action, parameters, tls=True, method="POST", region="ap-guangzhou", at=None, **changed):
        """(method, target, body, headers) of a signed call. `changed` replaces headers before signing, with _ for -;
        None leaves one out."""
        body = json.dumps(parameters, ensure_ascii=False).encode() if method == "POST" else b""
        query = urlencode(parameters).replace("+", "%20") if method == "GET" else ""
        at = int(time.time()) if at is None else at
        headers = {
            "Host": f"127.0.0.1:{self.https_port if tls else self.http_port}",
            "Content-Type": "application/json" if method == "POST" else "application/x-www-form-urlencoded",
            "X-TC-Action": action, "X-TC-Version": "2018-04-12", "X-TC-Timestamp": str(at), "X-TC-Region": region,
            "X-TC-Token": self.token,
        }
        headers.update({name.replace("_", "-"): value for name, value in changed.items()})
        headers = {name: value for name, value in headers.items() if value is not None}
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        canonical = tc3.canonical_request(method, query, pairs, ["content-type", "host"], body)
        signature = tc3.sign(self.secret_key, at, "redis", canonical)
        headers["Authorization"] = tc3.authorization(self.secret_id, at, "redis", ["content-type", "host"], signature)
        return method, "/?" + query if query else "/", body, headers

    def call(self, action, parameters, link=None, **more):
        """Make one signed call and return the `Response` object of its answer; `link` reuses a connection."""
        own = link is None
        link = self.connect(more.get("tls", True)) if own else link
        try:
            method, target, body, headers = self.signed(action, parameters, **more)
            link.request(method, target, body if method == "POST" else None, headers)
            return json.loads(link.getresponse().read())["Response"]
        finally:
            if own:
                link.close()
