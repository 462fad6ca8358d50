"""The transport: sockets, TLS, and the life of connections.

One thread, one asyncio loop. TLS runs over memory buffers inside the connection, so that an arrival has its stamp (see
stamps.py) before anything is decrypted, and a reset can be a real one. Requests are judged in a second step, after everything
that was ready has been read: a burst does not delay its own stamps. Garbage collection is frozen and done by
hand in quiet moments. Listening ports are kept bound by sockets that never listen: a port survives while it is refused.
"""

import asyncio
import collections
import gc
import socket
import ssl
import struct
import time

from .gateway import html, response
from .http1 import Malformed, RequestParser
from .stamps import StampedSocket, now

TICK = 0.2                       # seconds between flushes of the truth and looks at idle connections
GARBAGE_MANY = 50_000            # young objects after which collection no longer waits for a quiet moment


class Connection(asyncio.Protocol):
    """One client connection, with TLS where `context` is given. Answers leave in the order of the requests."""

    def __init__(self, server, context):
        self._server = server
        self._context = context
        self._tls = self._incoming = self._outgoing = None
        self._parser = RequestParser()
        self._queue = collections.deque()    # [delivery, ready] in order of arrival
        self._transport = self._socket = None
        self._stalled = False                # a fault: read and never answer
        self._closing = False
        self.handshaken = False
        self.bytes_seen = 0
        self.requests_seen = 0
        self.id = None
        self.opened = None
        self.last_active_ns = 0

    # ---- life ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport):
        self.opened = now()
        self.last_active_ns = self.opened.mono_ns
        self._transport = transport
        self._socket = StampedSocket.of(transport)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.id = self._server.enter(self)
        if self._context:
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        fault = self._server.gateway.faults.on_connect(self.opened.mono_ns)
        self._server.note_connection(self, "open", self.opened, peer=str(transport.get_extra_info("peername")[1]),
                                     tls=bool(self._context), fault=fault)
        if fault == "reset":
            self.reset()
        elif fault == "not-tls":
            transport.write(response(400, html(400), "text/html", self.opened.wall_ns / 1e9, False))
            self._closing = True
            transport.close()
        self._stalled = fault == "stall"

    def connection_lost(self, _error):
        at = now()
        self.abandon("client-gone")
        if self._parser.partial_since and not self._parser.failure:
            self._note_partial(at)
        self._server.leave(self)
        self._server.note_connection(self, "close", at, handshake=self.handshaken if self._context else None, bytes=self.bytes_seen,
                                     requests=self.requests_seen)
        self._transport = self._socket = self._tls = self._parser = None

    def abandon(self, why):
        """Give up every answer that is still owed."""
        for delivery, _ in self._queue:
            if delivery.record and delivery.end != "silence":
                delivery.record["reply"] = why
                self._server.truth.write(delivery.record)
        self._queue.clear()

    def _note_partial(self, at):
        head, first = self._parser.partial_head, self._parser.partial_since
        self._server.truth.write({
            "kind": "partial", "conn": self.id, "mono_ns": first.mono_ns, "wall_ns": first.wall_ns, "end_mono_ns": at.mono_ns,
            "method": head.method if head else None, "action": head.header("x-tc-action") if head else None,
        })

    @property
    def waits(self):
        """True while an answer is owed."""
        return bool(self._queue)

    def close(self):
        """End in order, after what was written."""
        if self._closing or self._transport is None:
            return
        self._closing = True
        if self._tls is not None and self.handshaken:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass
            self._flush_tls()
        self._transport.close()

    def reset(self):
        """End with a TCP reset; what was not sent is lost."""
        if self._transport is None:
            return
        self._closing = True
        self.abandon("reset")
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self._transport.abort()

    # ---- bytes in --------------------------------------------------------------------------------------------------

    def data_received(self, data):
        stamp = self._socket.arrival
        self.last_active_ns = stamp.mono_ns
        if self._closing or self._stalled:
            return
        ended = False
        if self._tls is not None:
            data, ended = self._decrypt(data, stamp)
        if data and not self._closing:
            self.bytes_seen += len(data)
            self._feed(data, stamp)
        if ended:
            self._server.loop.call_soon(self.close)

    def eof_received(self):
        return False

    def _feed(self, data, stamp):
        requests = self._parser.feed(data, stamp)
        self.requests_seen += len(requests)
        if self._parser.wants_continue:
            self._parser.wants_continue = False
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        failure = self._parser.failure
        if failure:
            self._stalled = True
        if requests or failure:
            self._server.loop.call_soon(self._respond, requests, failure, self._parser.partial_since or stamp)

    def _respond(self, requests, failure, stamp):
        for request in requests:
            if self._closing:
                return
            self._answer(self._server.respond(request, self), request.first)
        if failure and not self._closing:
            self._answer(self._server.gateway.malformed(failure, stamp, self.id), stamp)
        if self._transport is None:
            self.abandon("client-gone")

    def _decrypt(self, data, stamp):
        """(plain bytes, whether the client said that it ends)."""
        self._incoming.write(data)
        plain, ended = [], False
        try:
            if not self.handshaken:
                self._tls.do_handshake()
                self.handshaken = True
                self._server.note_connection(self, "handshake", stamp, version=self._tls.version())
            while True:
                piece = self._tls.read(262144)
                if not piece:
                    ended = True
                    break
                plain.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            ended = True
        except ssl.SSLError as error:
            self._server.note_connection(self, "tls-error", stamp, reason=error.reason)
            ended = True
        self._flush_tls()
        return b"".join(plain), ended

    # ---- bytes out -------------------------------------------------------------------------------------------------

    def _flush_tls(self):
        if self._outgoing.pending and self._transport is not None:
            self._transport.write(self._outgoing.read())

    def _write(self, data):
        if self._tls is None:
            self._transport.write(data)
            return
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view):]
        self._flush_tls()

    def _answer(self, delivery, arrival):
        """Queue a delivery; it becomes ready its delay after the arrival."""
        entry = [delivery, False]
        self._queue.append(entry)
        if delivery.end == "silence":
            delivery.record["reply"] = "none"
            self._server.truth.write(delivery.record)
            return
        if delivery.record:
            self._server.truth.hold(delivery.record)
        if delivery.delay_ns <= 0:
            self._ready(entry)
        else:
            self._server.loop.call_at((arrival.mono_ns + delivery.delay_ns) / 1e9, self._ready, entry)

    def _ready(self, entry):
        entry[1] = True
        while self._queue and self._queue[0][1] and self._transport is not None:
            self._carry_out(self._queue.popleft()[0])

    def _carry_out(self, delivery):
        if delivery.data and not self._closing:
            self._write(delivery.data)
        at = now()
        self.last_active_ns = at.mono_ns
        record = delivery.record
        if record:
            record["reply"] = "reset" if delivery.end == "reset" else "sent" if delivery.data else "closed"
            record["reply_mono_ns"], record["reply_wall_ns"] = at.mono_ns, at.wall_ns
            self._server.truth.write(record)
        if delivery.end == "reset":
            self.reset()
        elif delivery.end == "close":
            self.close()


class Listener:
    """One listening port on one address; it can be closed for a while and opened again."""

    def __init__(self, address, port, context=None, protocol=Connection):
        self.address = address
        self._context = context
        self._protocol = protocol
        self._holder = self._bind(address, port)
        self.port = self._holder.getsockname()[1]
        self._server = None

    @staticmethod
    def _bind(address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        handle = StampedSocket(family, socket.SOCK_STREAM)
        handle.stamp_arrivals()
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            handle.bind((address, port))
        except OSError:
            handle.close()
            raise
        return handle

    async def open(self, server):
        if self._server is None:
            handle = self._bind(self.address, self.port)
            self._server = await server.loop.create_server(lambda: self._protocol(server, self._context), sock=handle, backlog=1024)

    def refuse(self):
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self):
        self.refuse()
        self._holder.close()


class Server:
    """Listeners, connections, and the tick."""

    def __init__(self, gateway, truth, idle_timeout_ns):
        self.gateway = gateway
        self.truth = truth
        self.loop = None
        self._idle_timeout_ns = idle_timeout_ns
        self._listeners = []
        self._control = None
        self._connections = set()
        self._next_id = 0
        self._accepting_again = None         # the timer that ends a refusal
        self._timers = []

    async def start(self, listeners, control=None):
        """Listen; `control`, the listener of the control port, stays open whatever the faults say."""
        self.loop = asyncio.get_running_loop()
        self._listeners, self._control = listeners, control
        for listener in listeners + ([control] if control else []):
            await listener.open(self)
        self._arm_refusals()
        gc.collect()
        gc.freeze()
        gc.disable()
        self.loop.call_later(TICK, self._tick)

    async def stop(self):
        """Close everything; what is owed is recorded as unfinished."""
        for listener in self._listeners + ([self._control] if self._control else []):
            listener.close()
        for connection in list(self._connections):
            connection.abandon("unfinished")
            connection.close()
        await asyncio.sleep(0.02)            # let the ends of connections leave, and be recorded
        at = now()
        self.truth.write({"kind": "stop", "mono_ns": at.mono_ns, "wall_ns": at.wall_ns})
        self.truth.close()

    def enter(self, connection):
        self._connections.add(connection)
        self._next_id += 1
        return self._next_id

    def leave(self, connection):
        self._connections.discard(connection)

    def note_connection(self, connection, event, stamp, **more):
        self.truth.write({"kind": "connection", "event": event, "conn": connection.id, "mono_ns": stamp.mono_ns,
                          "wall_ns": stamp.wall_ns, **{key: value for key, value in more.items() if value is not None}})

    def _tick(self):
        self.truth.flush()
        limit = time.monotonic_ns() - self._idle_timeout_ns
        quiet = True
        for connection in list(self._connections):
            if connection.waits:
                quiet = False
            elif connection.last_active_ns < limit:
                connection.close()
        if quiet or gc.get_count()[0] > GARBAGE_MANY:
            gc.collect(0)
        self.loop.call_later(TICK, self._tick)

    # ---- requests --------------------------------------------------------------------------------------------------

    def respond(self, request, connection):
        """What is to be done about a request, whatever it is."""
        if self.gateway.is_probe(request):
            return self.gateway.probe(request, connection.id)
        if self.gateway.is_metadata(request):
            return self.gateway.metadata(request, connection.id)
        if request.method not in ("GET", "POST"):
            return self.gateway.malformed(Malformed(405, f"method {request.method}"), request.first, connection.id)
        if request.path != "/":
            return self.gateway.malformed(Malformed(404, "the path is not /"), request.first, connection.id)
        delivery = self.gateway.call(request, connection.id)
        if delivery.refuse is not None:
            self.loop.call_soon(self.refuse, delivery.refuse)
        return delivery

    # ---- refusing connections --------------------------------------------------------------------------------------

    def _arm_refusals(self):
        for timer in self._timers:
            timer.cancel()
        since = self.gateway.faults.since
        self._timers = [self.loop.call_at((since + delay_ns) / 1e9, self.refuse, do)
                        for delay_ns, do in self.gateway.faults.timed_refusals()]

    def refuse(self, do):
        """Close the listening sockets for a while."""
        at, lasts_ns = now(), do.get("for", 2 * 10**9)
        for listener in self._listeners:
            listener.refuse()
        self.truth.write({"kind": "refuse", "event": "begin", "mono_ns": at.mono_ns, "wall_ns": at.wall_ns, "for_ns": lasts_ns})
        if do.get("drop", True):
            for connection in list(self._connections):
                connection.reset()
        ends = self.loop.time() + lasts_ns / 1e9
        if self._accepting_again is not None:
            ends = max(ends, self._accepting_again.when())
            self._accepting_again.cancel()
        self._accepting_again = self.loop.call_at(ends, lambda: self.loop.create_task(self._accept_again()))

    async def _accept_again(self):
        if self._accepting_again is None:
            return
        self._accepting_again.cancel()
        self._accepting_again = None
        for listener in self._listeners:
            await listener.open(self)
        at = now()
        self.truth.write({"kind": "refuse", "event": "end", "mono_ns": at.mono_ns, "wall_ns": at.wall_ns})

    # ---- what the control port may change --------------------------------------------------------------------------

    async def reset(self):
        """Forget tasks, counts and truth; listen again."""
        self.gateway.reset(now())
        self._arm_refusals()
        await self._accept_again()

    def set_faults(self, rules):
        """Put other fault rules in force; BadScript, and nothing changed, where they are wrong."""
        at = now()
        self.gateway.faults.replace(rules, at.mono_ns)
        self._arm_refusals()
        self.truth.write({"kind": "faults", "mono_ns": at.mono_ns, "wall_ns": at.wall_ns, "rules": len(rules)})
