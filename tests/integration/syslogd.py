"""A real rsyslogd that listens on /dev/log and writes one file."""

import os
import socket
import subprocess
import tempfile
import time

SOCKET = "/dev/log"
CONFIGURATION = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{socket}" CreatePath="off" RateLimit.Interval="0")
template(name="whole" type="string" string="%syslogfacility-text%.%syslogseverity-text% %syslogtag%%msg%\\n")
*.* action(type="omfile" file="{file}" template="whole" flushOnTXEnd="on")
"""


def why_not():
    """Why no rsyslogd of ours can run here, or None."""
    if os.geteuid() != 0:
        return "only root can listen on /dev/log"
    if not os.access("/usr/sbin/rsyslogd", os.X_OK):
        return "rsyslogd is not installed"
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        probe.connect(SOCKET)
    except OSError:
        return None
    finally:
        probe.close()
    return "another daemon listens on /dev/log"


class Syslogd:
    """A context manager; start() and stop() take it away and bring it back."""

    def __init__(self):
        self._scratch = tempfile.TemporaryDirectory(prefix="syslogd-")
        self.file = os.path.join(self._scratch.name, "syslog")
        self._configuration = os.path.join(self._scratch.name, "rsyslog.conf")
        self._pid_file = os.path.join(self._scratch.name, "pid")
        with open(self._configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(socket=SOCKET, file=self.file))
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_error):
        self.stop()
        self._scratch.cleanup()

    def start(self):
        command = ["/usr/sbin/rsyslogd", "-n", "-f", self._configuration, "-i", self._pid_file]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 10
        while not (os.path.exists(SOCKET) and os.path.exists(self._pid_file)):
            assert self._process.poll() is None, self._process.stderr.read().decode()
            assert time.monotonic() < deadline, "rsyslogd does not listen"
            time.sleep(0.02)

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process.stderr.close()
            self._process = None
        for left in (SOCKET, self._pid_file):
            if os.path.exists(left):
                os.unlink(left)

    def lines(self):
        if not os.path.exists(self.file):
            return []
        with open(self.file, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()

    def wait_for(self, text, count, timeout=20):
        """Waits until `count` lines hold the text, and returns them."""
        deadline = time.monotonic() + timeout
        while True:
            found = [line for line in self.lines() if text in line]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.05)
