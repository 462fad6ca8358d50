"""The control port: plain HTTP for the tests' own use, absent from the truth and never refused.

    GET  /_cloud/truth                              every record, JSON lines
    GET  /_cloud/stats?action=&since=&limit=        the figures of report.measure; action=all for every action
    POST /_cloud/faults                             the body, a list of rules, replaces those in force
    POST /_cloud/reset                              forget tasks, counts, truth and a refusal that lasts
"""

import asyncio
import json
import time
from urllib.parse import parse_qs

from . import report
from .gateway import as_json, response
from .http1 import RequestParser
from .stamps import StampedSocket, now

PATH = "/_cloud/"


class NoSuchControl(Exception):
    """A path or method that is none of the four."""


class ControlConnection(asyncio.Protocol):
    """One connection of a test."""

    def __init__(self, server, _context):
        self._server = server
        self._parser = RequestParser()
        self._transport = None

    def connection_made(self, transport):
        self._transport = transport
        StampedSocket.of(transport)

    def data_received(self, data):
        for request in self._parser.feed(data, now()):
            self._server.loop.create_task(self._respond(request))
        if self._parser.failure:
            self._transport.close()

    async def _respond(self, request):
        status, kind, body = 200, "application/json", b"{}"
        try:
            kind, body = await self._perform(request)
        except NoSuchControl:
            status, body = 404, b'{"error":"no such control"}'
        except ValueError as error:          # a bad script is one, too
            status, body = 400, as_json({"error": str(error)})
        self._transport.write(response(status, body, kind, time.time(), request.keep_alive))
        if not request.keep_alive:
            self._transport.close()

    async def _perform(self, request):
        """(content type, body)."""
        what = (request.method, request.path.removeprefix(PATH))
        if what == ("GET", "truth"):
            return "application/x-ndjson", self._server.truth.dump()
        if what == ("GET", "stats"):
            return "application/json", as_json(self._stats(parse_qs(request.query)))
        if what == ("POST", "faults"):
            self._server.set_faults(json.loads(request.body))
        elif what == ("POST", "reset"):
            await self._server.reset()
        else:
            raise NoSuchControl
        return "application/json", b"{}"

    def _stats(self, asked):
        action = asked.get("action", ["ManualBackupInstance"])[-1]
        since = int(asked["since"][-1]) if "since" in asked else None
        records = report.load(self._server.truth.dump().splitlines())
        return report.measure(records, None if action == "all" else action, since, int(asked.get("limit", ["20"])[-1]))
