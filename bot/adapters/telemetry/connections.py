"""How many connections an endpoint holds, and for how long: strangers who connect and say nothing must not use up the descriptors.

At most `CONNECTIONS_MAX` are held. For one more, the oldest on which nothing is being answered is dropped. So is one that has not brought a
whole head in time, and one on which an answer takes too long, or the next request. A head that is none is answered by 400 and fixed words.
What was dropped or refused so is logged once a minute at the most, with how much it was.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.adapters.telemetry.logs import logger

CONNECTIONS_MAX = 64
"""Connections that one endpoint holds."""
HEAD_SECONDS = 5.0
"""How long the first head of a connection may take."""
KEPT_SECONDS = 30.0
"""How long an answer may take, with the reading of it, and how long a connection is kept for its next request."""
TOLD_EVERY_SECONDS = 60.0


class Connections:
    """Those of one endpoint, the oldest first."""

    def __init__(self) -> None:
        self._held: dict[_Connection, None] = {}
        self._dropped, self._malformed = 0, 0
        self._told_at: float | None = None

    async def listen(self, server: web.Server, listener: socket.socket) -> asyncio.AbstractServer:
        """Accepts on a bound socket, which it then owns, for the server."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Connection(self, server, loop), sock=listener)

    def take(self, new: _Connection) -> None:
        """Holds one more; the oldest that is not being answered goes for it, the new one where all are."""
        self._held[new] = None
        if len(self._held) > CONNECTIONS_MAX:
            self.drop(next(held for held in self._held if held is new or not held.answering))

    def drop(self, unwanted: _Connection) -> None:
        """Ends one at once, and counts it."""
        unwanted.abort()
        self._dropped += 1
        self._tell()

    def lost(self, gone: _Connection) -> None:
        """One has ended, by whomever."""
        self._held.pop(gone, None)

    def malformed(self) -> None:
        """Counts a head that is none."""
        self._malformed += 1
        self._tell()

    def _tell(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._told_at is None or now >= self._told_at + TOLD_EVERY_SECONDS:
            self._told_at = now
            logger("bot.endpoints").warning("connections_refused", dropped=self._dropped, malformed=self._malformed)
            self._dropped, self._malformed = 0, 0


class _Connection(web.RequestHandler):
    """One connection of an endpoint, which never has longer than its deadline."""

    def __init__(self, connections: Connections, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, access_log=None)  # type: ignore[arg-type]  # None is taken, and writes no log
        self._connections = connections
        self._deadline: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None
        self.answering = self._asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = self.transport  # kept: the library forgets it before what is still to be written has gone
        self._within(HEAD_SECONDS)
        self._connections.take(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.abort()
        super().connection_lost(exc)

    def abort(self) -> None:
        """Ends it at once, with what is still to be written."""
        self._connections.lost(self)
        if self._deadline is not None:
            self._deadline.cancel()
        if self._wire is not None:
            self._wire.abort()
            self._wire = None

    def begin(self) -> None:
        """A whole head is there."""
        self.answering = self._asked = True
        self._within(KEPT_SECONDS)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.answering = False
            self._within(KEPT_SECONDS)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if status != 400:
            return super().handle_error(request, status, exc, message)
        self._connections.malformed()
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        answer = web.Response(status=400, text="this is not a request\n")
        answer.force_close()
        return answer

    def _within(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._wire is not None:
            self._deadline = asyncio.get_running_loop().call_later(seconds, self._late)

    def _late(self) -> None:
        if self._asked and not self.answering:
            self.abort()  # a client kept it and had nothing more to ask
        else:
            self._connections.drop(self)


@web.middleware
async def beginning(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Notes on a connection that its head is whole, before anything is answered."""
    if isinstance(request.protocol, _Connection):
        request.protocol.begin()
    return await handler(request)


def allow_descriptors() -> None:
    """Lets this process open as many files and connections as it may: its soft limit becomes the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # where the system refuses, as many as before
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
