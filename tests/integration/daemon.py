"""The real crsbackupd as a fixture: a configuration, a process, its log, its end."""

import os
import re
import signal
import subprocess
import tempfile
import threading
import time

import yaml

BINARY = os.environ.get("CRSBACKUPD", "")
FIELD = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ ]*)')


def fields_of(line):
    """The key=value fields of one log line, quotes taken off."""
    found = {}
    for key, value in FIELD.findall(line[line.index("event="):]):
        if value.startswith('"'):
            value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        found[key] = value
    return found


def configuration(cloud, schedules, tls=True, **more):
    """A configuration that points at a stand-in."""
    if tls:
        endpoint = {"endpoint": f"https://127.0.0.1:{cloud.https_port}", "tls": {"ca_file": cloud.ca_file}}
    else:
        endpoint = {"endpoint": f"http://127.0.0.1:{cloud.http_port}"}
    return {"region": "ap-guangzhou", "log": {"target": "stderr"}, **endpoint, **more, "schedules": schedules}


def soon(least, ahead):
    """(period, due): a whole period from `least` to twice `least` seconds, and a multiple of it at least `ahead` seconds away.

    So a slot of `every: PERIODs` comes soon whatever the time is, and the next one not before `least` seconds later.
    """
    now = time.time()
    due = int(now + ahead) + 1
    while True:
        for period in range(least, 2 * least + 1):
            if due % period == 0:
                time.sleep(max(0.0, due - ahead - 1 - now))
                return period, due
        due += 1


class Daemon:
    """A running crsbackupd; a context manager that kills what is left.

    config        a dictionary, or text as it stands
    keys          (id, key) for the environment; None leaves them out
    environment   more variables
    binary        another than the one of the suite
    """

    def __init__(self, config, keys=None, environment=None, arguments=(), directory=None, binary=BINARY):
        self._scratch = tempfile.TemporaryDirectory(prefix="crsbackupd-")
        self.directory = directory or self._scratch.name
        self.config_file = os.path.join(self.directory, "crsbackupd.yaml")
        self.write(config)
        self._environment = {"PATH": "/usr/bin:/bin", "STATE_DIRECTORY": self.directory, "RUNTIME_DIRECTORY": self.directory,
                             **(environment or {})}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self._environment.setdefault(name, os.environ[name])
        if keys:
            self._environment["TENCENTCLOUD_SECRET_ID"], self._environment["TENCENTCLOUD_SECRET_KEY"] = keys
        self._arguments = [*arguments]
        self._binary = binary
        self.lines = []
        self._changed = threading.Condition()
        self.process = None

    def write(self, config):
        """Replaces the configuration file as an editor does: a new file in its place."""
        text = config if isinstance(config, (str, bytes)) else yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        fresh = self.config_file + ".new"
        with open(fresh, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.replace(fresh, self.config_file)

    def __enter__(self):
        command = [self._binary, "-c", self.config_file, *self._arguments]
        self.process = subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self.process.stderr.close()
        self._scratch.cleanup()

    def _read(self):
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def events(self, name=None):
        """The fields of each event that stands in the log so far."""
        with self._changed:
            lines = [line for line in self.lines if line.startswith("event=")]
        events = [fields_of(line) for line in lines]
        return [event for event in events if name is None or event["event"] == name]

    def wait_for(self, name, count=1, timeout=20):
        """Waits until `count` events of that name stand in the log and returns them."""
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                seen = len(self.lines)
            found = self.events(name)
            if len(found) >= count:
                return found
            with self._changed:
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"{len(found)} of {count} {name}; the log:\n" + "\n".join(self.lines[-40:]))
                if len(self.lines) == seen:
                    self._changed.wait(min(left, 0.2))

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self):
        self.signal(signal.SIGHUP)

    def stop(self, timeout=40):
        """SIGTERM; the exit status. The log is complete then."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.end(timeout)

    def end(self, timeout=40):
        """Waits for the end; the exit status."""
        status = self.process.wait(timeout)
        self._reader.join()
        return status
