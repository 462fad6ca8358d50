"""What asks the daemon over HTTP: plain sockets, and a reader of Prometheus' text format."""

import re
import socket

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def free_port():
    """A port of the loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(port, timeout=20, receive_buffer=None):
    link = socket.socket()
    if receive_buffer:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    link.settimeout(timeout)
    link.connect(("127.0.0.1", port))
    return link


def read_all(link):
    """Everything up to the end of the connection, however it ends."""
    pieces = []
    try:
        while piece := link.recv(1 << 18):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def split(answer):
    """(status, headers with small names, body) of a whole answer; chunks put together."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
    if headers.get("transfer-encoding") == "chunked":
        body = unchunk(body)
    return int(lines[0].split()[1]), headers, body


def unchunk(body):
    """ValueError where the last chunk is missing: the answer was broken off."""
    pieces, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        length = int(body[at:end], 16)
        if length == 0:
            return b"".join(pieces)
        pieces.append(body[end + 2:end + 2 + length])
        at = end + 2 + length + 2


def ask(port, path, method="GET", body=b"", timeout=20):
    """One request; (status, headers, body)."""
    with connect(port, timeout) as link:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        link.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n".encode() + body)
        return split(read_all(link))


def parse(text):
    """{(name, ((label, value), ...)): number}; each sample once, each family with its head before it."""
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} has two heads"
            types[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.match(line).groups()
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in types or types.get(base) == "histogram", line
            key = (name, tuple(LABEL.findall(labels or "")))
            assert key not in samples, f"{key} stands twice"
            samples[key] = float(value)
    return samples


class Metrics:
    """The samples of one page."""

    def __init__(self, port):
        status, self.headers, body = ask(port, "/metrics")
        assert status == 200
        self.text = body.decode()
        self.samples = parse(self.text)

    def __call__(self, name, **labels):
        """The value of one sample; KeyError where it is not there."""
        for (found, pairs), value in self.samples.items():
            if found == name and dict(pairs) == labels:
                return value
        raise KeyError(f"{name}{labels}")

    def sum(self, name, **labels):
        """Over all samples of a name that have these labels."""
        return sum(value for (found, pairs), value in self.samples.items()
                   if found == name and labels.items() <= dict(pairs).items())

    def names(self):
        return {name for name, _ in self.samples}
