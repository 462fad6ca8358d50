"""A plain client of the control socket, for tests of the daemon's side: no limits, no manners."""

import json
import socket
import time


def path_of(daemon):
    return f"{daemon.directory}/control.sock"


class Client:
    """One connection; a context manager."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)  # it waits for a place in the queue, which one with a time-out does not
        self.socket.settimeout(timeout)
        self._rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.socket.close()

    def send(self, request):
        """A request as an object, or bytes as they stand."""
        self.socket.sendall(request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n")

    def line(self):
        """The next line without its line feed; b"" at the end."""
        while b"\n" not in self._rest:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:  # it was closed while bytes of ours stood unread
                more = b""
            if not more:
                line, self._rest = self._rest, b""
                return line
            self._rest += more
        line, self._rest = self._rest.split(b"\n", 1)
        return line

    def answer(self):
        """(rows, the last line as an object); None for the latter where the connection ended."""
        rows = []
        while line := self.line():
            part = json.loads(line)
            if "rows" not in part:
                return rows, part
            rows += part["rows"]
        return rows, None

    def ask(self, verb, **arguments):
        self.send({"verb": verb, **arguments})
        return self.answer()


def ask(daemon, verb, timeout=30, **arguments):
    """(rows, end) of one request on a connection of its own; "busy" is waited out, a refusal an AssertionError."""
    deadline = time.monotonic() + timeout
    while True:
        with Client(path_of(daemon)) as client:
            try:
                rows, last = client.ask(verb, **arguments)
            except BrokenPipeError:  # it was closed before the request was sent: busy
                continue
        if last is None or last.get("error", {}).get("code") != "busy" or time.monotonic() > deadline:
            break
    assert last is not None and "end" in last, last
    return rows, last["end"]


def refusal(daemon, verb, **arguments):
    """(code, text) of a request that is refused."""
    with Client(path_of(daemon)) as client:
        _rows, last = client.ask(verb, **arguments)
    assert last is not None and "error" in last, last
    return last["error"]["code"], last["error"]["text"]
