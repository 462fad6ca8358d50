"""A small strict HTTP/1.1 request parser.

Bytes go in with the instant at which they came; whole requests come out, each with the instant of its first byte and of
its last one. CRLF line ends, no folding, no chunked bodies, one Host, one Content-Length. What is not HTTP/1.1 as a
careful client writes it ends in a `failure`, after which the connection is of no more use.
"""

import re
from dataclasses import dataclass

from .stamps import Stamp

HEAD_LIMIT = 96 * 1024           # a GET may carry 32 KB of query, and a token has up to 4 KB
BODY_LIMIT = 10 * 1024 * 1024    # the API's own limit for a POST; a longer body is read, dropped and marked
DISCARD_LIMIT = 64 * 1024 * 1024

_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) ([\x21-\x7e]+) (HTTP/[0-9]\.[0-9])")
_FIELD_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_SINGLE = frozenset((b"host", b"content-length", b"content-type", b"authorization"))


class Malformed(Exception):
    """The bytes are no acceptable request: the status to answer with and why."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass
class Request:
    """One whole request. `headers` are (lower-case name, value) pairs of bytes, in the order of the wire."""

    method: str
    target: str
    headers: list
    first: Stamp
    complete: Stamp = None
    body: bytes = b""
    oversize: bool = False
    keep_alive: bool = True

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def query(self):
        return self.target.partition("?")[2]

    def header(self, name):
        """The value of a header as text, without surrounding blanks; None where it is absent."""
        wanted = name.lower().encode("ascii")
        for key, value in self.headers:
            if key == wanted:
                return value.strip(b" \t").decode("latin-1")
        return None


class RequestParser:
    """Turns the bytes of one connection into requests."""

    def __init__(self):
        self._buffer = bytearray()
        self._first = None       # the instant of the first byte of the request under way
        self._request = None     # its head, once that is read
        self._missing = 0        # bytes of its body still to come
        self._body = None
        self.wants_continue = False
        self.failure = None      # the Malformed that ended it

    @property
    def partial_since(self):
        """The instant of the first byte of a request that is not complete, or None."""
        return self._first

    @property
    def partial_head(self):
        """The request whose head was read and whose body is not complete, or None."""
        return self._request

    def feed(self, data, stamp):
        """Take bytes that came at `stamp`; return the requests they complete. Sets `failure` where they are none."""
        done = []
        if self._first is None and data:
            self._first = stamp
        self._buffer += data
        try:
            self._take(done, stamp)
        except Malformed as error:
            self.failure = error
        return done

    def _take(self, done, stamp):
        while self._buffer or (self._request is not None and self._missing == 0):
            if self._request is None and not self._take_head():
                break
            if not self._take_body():
                break
            request = self._request
            request.body = bytes(self._body)
            request.complete = stamp
            done.append(request)
            self._request = None
            # What is left came with these very bytes, since the last ones of `request` did.
            self._first = stamp if self._buffer else None

    def _take_head(self):
        end = self._buffer.find(b"\r\n\r\n", 0, HEAD_LIMIT)
        if end < 0:
            if len(self._buffer) >= HEAD_LIMIT:
                raise Malformed(431, "the head is too long")
            if self._buffer[:1] and not 0x41 <= self._buffer[0] <= 0x5A:
                raise Malformed(400, "a request does not begin with a method")
            return False
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        self._request = self._read_head(lines)
        return True

    def _read_head(self, lines):
        match = _REQUEST_LINE.fullmatch(lines[0])
        if not match:
            raise Malformed(400, "the request line is not well formed")
        method, target, version = (part.decode("ascii") for part in match.groups())
        if version != "HTTP/1.1":
            raise Malformed(505, "only HTTP/1.1 is spoken here")
        if not target.startswith("/") and target != "*":
            raise Malformed(400, "the target must be a path")
        headers = [self._read_field(line) for line in lines[1:]]
        names = [name for name, _ in headers]
        for name in set(names):
            if names.count(name) > 1 and (name in _SINGLE or name.startswith(b"x-tc-")):
                raise Malformed(400, f"header {name.decode('ascii')} is given more than once")
        if b"host" not in names:
            raise Malformed(400, "the Host header is missing")
        request = Request(method, target, headers, self._first)
        self._frame_body(request)
        options = (request.header("connection") or "").lower().split(",")
        request.keep_alive = "close" not in [option.strip() for option in options]
        return request

    @staticmethod
    def _read_field(line):
        name, colon, value = line.partition(b":")
        if not colon or not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            raise Malformed(400, "a header field is not well formed")
        return name.lower(), value

    def _frame_body(self, request):
        length = request.header("content-length")
        if request.header("transfer-encoding") is not None:
            raise Malformed(411, "a body needs a Content-Length; chunks are not read here")
        if length is None and request.method in ("POST", "PUT", "PATCH"):
            raise Malformed(411, "a body needs a Content-Length")
        if length is not None and not re.fullmatch(r"[0-9]{1,12}", length):
            raise Malformed(400, "Content-Length is not a number")
        self._missing = int(length or 0)
        if request.method == "GET" and self._missing:
            raise Malformed(400, "a GET has no body")
        if self._missing > DISCARD_LIMIT:
            raise Malformed(413, "the body is too long")
        request.oversize = self._missing > BODY_LIMIT
        self._body = bytearray()
        expect = (request.header("expect") or "").lower()
        if expect and expect != "100-continue":
            raise Malformed(417, "only 100-continue can be expected")
        self.wants_continue = bool(expect) and self._missing > len(self._buffer)

    def _take_body(self):
        taken = min(self._missing, len(self._buffer))
        if taken:
            if not self._request.oversize:
                self._body += self._buffer[:taken]
            del self._buffer[:taken]
            self._missing -= taken
        return self._missing == 0
