"""The venues in real time: one loopback port for all of them, told apart by the Host header.

A client keeps its production URLs and only its session knows this port, so the Host header says which venue is meant; a host that no venue
lists is answered by HTTP 421. Requests of one venue are dealt with one at a time, in the order in which they get past its door.
Faults of the plan happen here, around the dialect: the engine never knows. Nothing of the simulator's own trouble reaches the wire.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from aiohttp import WSMsgType, web

from bot.core.units import Millis
from bot.simulator.control import CONTROL_HOST, Control
from bot.simulator.custodian import Custodian
from bot.simulator.desk import Desk, Line, wall_ms
from bot.simulator.dialects.dialect import Answer, HttpReply, HttpRequest, Sharing
from bot.simulator.faults import Fault, FaultKind, FaultPlan
from bot.simulator.lasting import Lasting
from bot.simulator.model import OrderReport

BEAT_SECONDS = 0.1
FAREWELL_SECONDS = 0.2
TOLD_MS: Millis = 1_000
"""For how long a single refusal tells the client to stay away, where it tells that."""

_log = logging.getLogger(__name__)


class SimulatorServer:
    """Serves desks until stopped. `start` and `stop` run on one event loop; it may be started again after a stop."""

    def __init__(self, desks: Sequence[Desk], *, plan: FaultPlan | None = None, custodian: Custodian | None = None) -> None:
        """`custodian`: one that mirrors what it holds at these venues. Raises ValueError when two of all these list the same host."""
        self.desks: Mapping[str, Desk] = MappingProxyType({desk.name: desk for desk in desks})
        self.plan = plan or FaultPlan()
        self._by_host: dict[str, Desk] = {}
        self._sharing: dict[str, list[Desk]] = {}
        for desk in desks:
            desk.wired(self.plan)
            for host in desk.dialect.hosts:
                if self._by_host.setdefault(host, desk) is not desk:
                    raise ValueError(f"{host} is listed by two venues")
        for desk in desks:
            for host in desk.dialect.shared_hosts if isinstance(desk.dialect, Sharing) else ():
                self._by_host.setdefault(host, desk)
                self._sharing.setdefault(host, []).append(desk)
        self.custodian = custodian
        if custodian is not None and custodian.terms.host in (*self._by_host, CONTROL_HOST):
            raise ValueError(f"{custodian.terms.host} is listed by a venue and by the custodian")
        self.lasting = Lasting(self.desks, self.plan)
        self._control = Control(self.desks, self.plan, self.lasting)
        self._runner: web.ServerRunner | None = None
        self._beats: asyncio.Task[None] | None = None
        self._port = 0

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every production host that is served here, the control endpoint's not among them."""
        return (*self._by_host, *(() if self.custodian is None else (self.custodian.terms.host,)))

    @property
    def port(self) -> int:
        """The port that is served; 0 when nothing is."""
        return self._port

    @property
    def url(self) -> str:
        """Where the hosts are to be routed to."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def failures(self) -> tuple[str, ...]:
        """The simulator's own failures so far: there should be none."""
        return tuple(failure for desk in self.desks.values() for failure in desk.failures)

    async def start(self, port: int = 0) -> None:
        """Binds the port on loopback (a free one for 0). Raises OSError when it is taken."""
        if self._runner is not None:
            raise RuntimeError("the server is running already")
        runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=FAREWELL_SECONDS)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
        except BaseException:
            await runner.cleanup()
            raise
        self._port = runner.addresses[0][1]
        self._runner = runner
        self._beats = asyncio.create_task(self._beat(), name="simulator beat")

    async def stop(self) -> None:
        """Cuts every connection and lets the port go. Safe to call twice."""
        runner, beats = self._runner, self._beats
        self._runner = self._beats = None
        self._port = 0
        if beats is not None:
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)
        self.lasting.lift_all(wall_ms())
        for desk in self.desks.values():
            desk.hang_up()
            desk.restore(self.plan)
        if runner is not None:
            await runner.cleanup()

    def silence(self, venue: str, *, http: bool = True, sockets: bool = True, label: str = "") -> None:
        """A venue falls silent: requests wait unseen, sockets stay open and say nothing."""
        self.desks[venue].silence(self.plan, http=http, sockets=sockets, label=label)

    def restore(self, venue: str) -> None:
        """A silent venue speaks again."""
        self.desks[venue].restore(self.plan)

    def close_sockets(self, venue: str, *, label: str = "") -> int:
        """Cuts a venue's sockets; returns how many."""
        return self.desks[venue].close_sockets(self.plan, label=label)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.lasting.beat(wall_ms())
            for desk in self.desks.values():
                desk.beat()
            if self.custodian is not None:
                self.custodian.beat()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except ConnectionError:
            return _cut(request)
        except Exception:
            _log.exception("simulator failure while serving %s", request.host)
            return web.Response(status=500, text="Internal Server Error")

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        host = request.host.partition(":")[0].lower()
        path, _, query_string = request.raw_path.partition("?")
        asked = HttpRequest(
            method=request.method,
            host=host,
            path=path,
            query_string=query_string,
            headers=request.headers,
            body=await request.read(),
        )
        if host == CONTROL_HOST:
            return _response(self._control.handle(asked))
        if self.custodian is not None and host == self.custodian.terms.host:
            return _response(self.custodian.handle(asked))
        desk = self._at(asked)
        if desk is None:
            return web.Response(status=421, text=f"no venue lists the host {host}")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(desk, asked, request)
        return await self._serve(desk, asked, request)

    def _at(self, asked: HttpRequest) -> Desk | None:
        """Whose host it is; of a shared one, who knows the request's key."""
        owner, sharing = self._by_host.get(asked.host), self._sharing.get(asked.host)
        if owner is None or sharing is None:
            return owner
        knowing = (desk for desk in (owner, *sharing) if isinstance(desk.dialect, Sharing) and desk.dialect.knows(asked))
        return next(knowing, owner)

    async def _serve(self, desk: Desk, asked: HttpRequest, request: web.BaseRequest) -> web.StreamResponse:
        operation, what = desk.operation(asked), f"{asked.method} {asked.path}"
        await desk.answering()
        if (turned_away := desk.at_door(asked, operation)) is not None:
            return _response(turned_away)
        fault = self.plan.before(desk.name, operation, what, desk.clock())
        if fault is not None:
            match fault.kind:
                case FaultKind.REFUSE:
                    return (
                        _page(fault) if fault.trouble is None else _response(desk.dialect.troubles.replies[fault.trouble].lasting(TOLD_MS))
                    )
                case FaultKind.DISCONNECT:
                    return _cut(request)
                case FaultKind.SWALLOW:
                    return await _say_nothing(request)
                case _:
                    await asyncio.sleep(fault.delay_ms / 1000)
        if self._runner is None:
            return _cut(request)
        answer = desk.handle(asked)
        accepted = any(isinstance(report, OrderReport) for report in answer.reports)
        spoiled = self.plan.after(desk.name, operation, what, desk.clock(), accepted=accepted)
        if spoiled is not None:
            return await _spoil(spoiled, answer, request)
        return _response(answer.reply)

    async def _serve_socket(self, desk: Desk, asked: HttpRequest, request: web.BaseRequest) -> web.StreamResponse:
        await desk.talking()
        if (turned_away := desk.at_door(asked, None)) is not None:
            return _response(turned_away)
        opened = desk.dialect.open_socket(asked.host, asked.path, asked.query_string, desk.now())
        if isinstance(opened, HttpReply):
            return _response(opened)
        if self._runner is None:
            return _cut(request)
        stream = web.WebSocketResponse(autoping=False, compress=False)
        await stream.prepare(request)
        line = desk.connect(opened, lambda: _abort(request))
        writing = asyncio.create_task(_write(stream, line), name=f"simulator socket {asked.host}")
        try:
            await _read(desk, stream, line)
        finally:
            desk.disconnect(line)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        return stream


async def _read(desk: Desk, stream: web.WebSocketResponse, line: Line) -> None:
    """Takes what the client says, in order; a silent venue takes nothing, not even a ping."""
    async for message in stream:
        await desk.talking()
        if message.type is WSMsgType.TEXT:
            desk.heard(line, message.data)
        elif message.type is WSMsgType.PING:
            await stream.pong(message.data)


async def _write(stream: web.WebSocketResponse, line: Line) -> None:
    """Sends what is in the line, in order, until it is finished or the client has gone."""
    try:
        while (message := await line.take()) is not None:
            await stream.send_str(message)
        await stream.close()
    except ConnectionError:
        return


async def _spoil(fault: Fault, answer: Answer, request: web.BaseRequest) -> web.StreamResponse:
    """What the client gets instead of the answer."""
    match fault.kind:
        case FaultKind.DELAY_REPLY:
            await asyncio.sleep(fault.delay_ms / 1000)
            return _response(answer.reply)
        case FaultKind.BAD_GATEWAY:
            return _page(fault)
        case FaultKind.EMPTY_BODY | FaultKind.EMPTY_OBJECT:
            body = b"" if fault.kind is FaultKind.EMPTY_BODY else b"{}"
            return web.Response(status=200, body=body, content_type=answer.reply.content_type)
        case FaultKind.TRUNCATE_BODY:
            return await _truncated(answer.reply, request)
        case FaultKind.NO_REPLY:
            return await _say_nothing(request)
        case FaultKind.RESET_REPLY:
            return _reset(request)
        case _:
            return _cut(request)


async def _truncated(reply: HttpReply, request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type})
    response.content_length = len(reply.body)
    await response.prepare(request)
    await response.write(reply.body[: max(1, len(reply.body) // 2)])
    _close(request)
    return response


def _response(reply: HttpReply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers={**reply.headers, "Content-Type": reply.content_type})


def _page(fault: Fault) -> web.Response:
    status, body = fault.page
    kind = "text/html" if body.startswith("<") else "application/json" if body.startswith("{") else "text/plain"
    return web.Response(status=status, text=body, content_type=kind)


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    """Closes the connection; the response that is returned finds no way out any more."""
    _close(request)
    return web.Response(status=500)


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    """Resets the connection: closing a socket that may not linger sends RST."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _abort(request)
    return web.Response(status=500)


async def _say_nothing(request: web.BaseRequest) -> web.StreamResponse:
    """Keeps the connection open and silent until the client has gone."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  aiohttp has no event for it
        await asyncio.sleep(BEAT_SECONDS)
    return web.Response(status=500)


def _close(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
