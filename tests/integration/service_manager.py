"""The service manager's end of NOTIFY_SOCKET."""

import os
import socket
import tempfile
import time


class ServiceManager:
    """A context manager; `environment` is for the daemon."""

    def __init__(self, abstract=False):
        self.seen = []
        self._scratch = tempfile.TemporaryDirectory(prefix="notify-")
        name = os.path.join(self._scratch.name, "notify")
        self.environment = {"NOTIFY_SOCKET": "@" + name if abstract else name}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name if abstract else name)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._socket.close()
        self._scratch.cleanup()

    def wait_for(self, *texts, timeout=20):
        """The next message that holds all the texts; `seen` has those before it too."""
        deadline = time.monotonic() + timeout
        while True:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            self.seen.append(self._socket.recv(4096).decode())
            if all(text in self.seen[-1] for text in texts):
                return self.seen[-1]
