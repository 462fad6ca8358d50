"""The service manager's end of NOTIFY_SOCKET."""

import os
import socket
import tempfile


class ServiceManager:
    """A context manager; `environment` is for the daemon."""

    def __init__(self, abstract=False):
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

    def wait_for(self, text, timeout=20):
        """The next message that holds the text; those before it are dropped."""
        self._socket.settimeout(timeout)
        while True:
            message = self._socket.recv(4096).decode()
            if text in message:
                return message
