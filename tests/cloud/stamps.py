"""The instant of an arrival.

Linux notes when a segment reached a TCP socket (SO_TIMESTAMPNS) and tells it with the bytes. That is the arrival: it does
not depend on when a busy machine lets this process read. Where the kernel tells none (the first segments of its first
stamped socket, say), the instant of reading is taken. A stamp covers all bytes of one read and is that of the last segment.
"""

import socket
import struct
import time
from dataclasses import dataclass

SO_TIMESTAMPNS = 35              # the number of the option and of its control message on Linux
_TIMESPEC = struct.Struct("@ll")
_SPACE = socket.CMSG_SPACE(_TIMESPEC.size)
_OLDEST_NS = 10**10              # an age beyond this means that the wall clock was set in between


@dataclass(frozen=True)
class Stamp:
    """One instant on the monotonic and on the wall clock; `read_ns` is when it was read, on the monotonic one."""

    mono_ns: int
    wall_ns: int
    read_ns: int = None


def now():
    mono_ns = time.monotonic_ns()
    return Stamp(mono_ns, time.time_ns(), mono_ns)


class StampedSocket(socket.socket):
    """A TCP socket whose `recv` leaves the arrival of what it returned in `arrival`. A listening one accepts such ones."""

    _accepted = {}               # file number -> socket, between accept and `of`

    arrival = None

    def stamp_arrivals(self):
        try:
            self.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            pass

    def accept(self):
        plain, address = super().accept()
        stamped = StampedSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
        stamped.stamp_arrivals()
        self._accepted[stamped.fileno()] = stamped
        return stamped, address

    @classmethod
    def of(cls, transport):
        """The socket below a transport that was just made."""
        return cls._accepted.pop(transport.get_extra_info("socket").fileno())

    def recv(self, size, flags=0):
        data, told, _, _ = self.recvmsg(size, _SPACE, flags)
        stamp = now()
        for level, kind, value in told:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) == _TIMESPEC.size:
                seconds, rest = _TIMESPEC.unpack(value)
                age_ns = stamp.wall_ns - (seconds * 10**9 + rest)
                if 0 <= age_ns < _OLDEST_NS:
                    stamp = Stamp(stamp.mono_ns - age_ns, stamp.wall_ns - age_ns, stamp.mono_ns)
        self.arrival = stamp
        return data
