"""What a running bot answers: /metrics, /healthz and /readyz over TCP, and /status and acts on a unix socket of its owner.

Where a `Door` is given, /status and acts are also answered over TCP, to who has its token.

- /metrics carries no account ids. It is rendered in a thread, so that a scrape does not hold up a decision.
- /healthz says that the event loop turns and nothing more: it never depends on a venue or a store, or a restart would be the answer to
  somebody else's outage.
- /readyz is 200 when everything configured has been heard, else 503 with the reason.
- /status has the whole book and is therefore reachable by the bot's own user only (socket mode 0600); there too a person reduces, halts,
  resumes and resolves (see `control`).

Connections are bounded in number and in time (see `connections`). The endpoints are given callables and know nothing of the loop that they
look into.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import orjson
from aiohttp import web

from bot.adapters.telemetry.codec import answer_from_json, from_json, request_to_json, to_json
from bot.adapters.telemetry.connections import Connections, beginning
from bot.adapters.telemetry.control import Act, acts
from bot.adapters.telemetry.door import Door, guarded_by
from bot.adapters.telemetry.prometheus import CONTENT_TYPE, Metrics
from bot.core.statement import BookStatement
from bot.operating import OperatorAnswer, OperatorRequest

HEARTBEAT_SECONDS = 0.5
_STALLED_SECONDS = 10.0
_SOCKET_PATH_BYTES_MAX = 107  # sun_path holds 108 bytes, the last of them zero
_CONNECT_SECONDS = 4.0
_FETCH_SECONDS = 5.0
_ACT_SECONDS = 8.0  # a halt reports after five at most


class EndpointUnavailable(Exception):
    """An address or socket cannot be listened on, or a running bot cannot be reached on it: one sentence."""


class NoAnswer(EndpointUnavailable):
    """What was asked for was sent, and no answer came: whether it is carried out is not known."""


class Endpoints:
    """Serves until stopped. `statement` returns the newest statement (None: not yet), `unready` the reason why not ready, or None."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        control: Path | None,
        metrics: Metrics,
        statement: Callable[[], BookStatement | None],
        unready: Callable[[], str | None],
        act: Act | None = None,
        door: Door | None = None,
    ) -> None:
        """`port` 0 takes any free one; `control` is the path of the unix socket, None for none; `act` carries out what
        people ask there, None: nothing is; `door`: the same over TCP. Nothing is opened before `start`.
        """
        self._host, self._wanted_port, self._control = host, port, control
        self._metrics, self._statement, self._unready = metrics, statement, unready
        self._act, self._door = act, door
        self._runners: list[web.AppRunner] = []
        self._listening: list[asyncio.AbstractServer] = []
        self._heart: asyncio.Task[None] | None = None
        self._beat_at = 0.0
        self.port = port
        self.control_port = 0 if door is None else door.port

    async def start(self) -> None:
        """Begins to listen. Raises EndpointUnavailable with one sentence, and then listens on nothing."""
        loop = asyncio.get_running_loop()
        self._beat_at = loop.time()
        try:
            self.port = await self._serve(self._public(), _tcp_socket("listen", self._host, self._wanted_port))
            if self._control is not None:
                await self._serve(self._private(), _unix_socket(self._control))
            if self._door is not None:
                listener = _tcp_socket("control.listen", self._door.host, self._door.port)
                self.control_port = await self._serve(self._private(self._door), listener)
        except BaseException:
            await self.stop()
            raise
        self._heart = loop.create_task(self._beat(), name="endpoints-heartbeat")

    async def watch(self) -> None:
        """Until `stop`; raises what ended the beat that /healthz and the lag gauge go by, should anything."""
        heart = self._heart
        if heart is not None:
            await asyncio.wait({heart})
            if not heart.cancelled():
                heart.result()

    async def stop(self) -> None:
        """Ends listening and removes the socket. Safe to call twice."""
        if self._heart is not None:
            self._heart.cancel()
            with suppress(asyncio.CancelledError):
                await self._heart
            self._heart = None
        control_was_ours = len(self._listening) > 1
        for server in self._listening:
            server.close()
        self._listening.clear()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if control_was_ours and self._control is not None:
            self._control.unlink(missing_ok=True)

    def _public(self) -> web.Application:
        app = web.Application(middlewares=[beginning])
        app.router.add_get("/metrics", self._answer_metrics)
        app.router.add_get("/healthz", self._answer_health)
        app.router.add_get("/readyz", self._answer_ready)
        return app

    def _private(self, door: Door | None = None) -> web.Application:
        app = web.Application(middlewares=[beginning] if door is None else [beginning, guarded_by(door)])
        app.router.add_get("/status", self._answer_status)
        if self._act is not None:
            app.router.add_routes(acts(self._act))
        return app

    async def _serve(self, app: web.Application, listener: socket.socket) -> int:
        """The port listened on; 0 for a unix socket."""
        port = 0 if listener.family == socket.AF_UNIX else int(listener.getsockname()[1])
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        if runner.server is None:
            raise RuntimeError("a runner that was set up has a server")
        self._listening.append(await Connections().listen(runner.server, listener))
        return port

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + HEARTBEAT_SECONDS
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self._beat_at = loop.time()
            self._metrics.loop_lag_seconds.set(max(0.0, self._beat_at - due))
            self._metrics.loop_tasks.set(len(asyncio.all_tasks()))

    async def _answer_metrics(self, _request: web.Request) -> web.Response:
        statement = self._statement()
        if statement is not None:
            self._metrics.show(statement)
        body = await asyncio.to_thread(self._metrics.render)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _answer_health(self, _request: web.Request) -> web.Response:
        since = asyncio.get_running_loop().time() - self._beat_at
        if since > _STALLED_SECONDS:
            return web.json_response({"status": "stalled", "seconds_since_heartbeat": round(since, 3)}, status=503)
        return web.json_response({"status": "alive", "seconds_since_heartbeat": round(since, 3)})

    async def _answer_ready(self, _request: web.Request) -> web.Response:
        reason = self._unready()
        if reason is not None:
            return web.json_response({"status": "not ready", "reason": reason}, status=503)
        return web.json_response({"status": "ready"})

    async def _answer_status(self, _request: web.Request) -> web.Response:
        statement = self._statement()
        if statement is None:
            return web.json_response({"status": "not ready", "reason": self._unready() or "no decision has been made yet"}, status=503)
        return web.Response(body=to_json(statement), content_type="application/json")


def _tcp_socket(field: str, host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise EndpointUnavailable(f"{field}: {host}:{port} is not an address of this machine ({error.strerror})") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise EndpointUnavailable(
                f"{field}: port {port} on {host} is in use by another program; stop that one or choose another port (0 takes any free one)"
            ) from None
        raise EndpointUnavailable(f"{field}: {host}:{port} cannot be listened on ({error.strerror})") from None
    return listener


def _unix_socket(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = _short(path)
    if _somebody_answers(name):
        raise EndpointUnavailable(f"{path}: a running hedgebot answers on this socket; stop that one first")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # the socket is never reachable by others, not even for the moment before a chmod
    try:
        path.unlink(missing_ok=True)
        listener.bind(name)
        listener.listen(16)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise EndpointUnavailable(f"{path}: the control socket cannot be made ({error.strerror or error})") from None
    finally:
        os.umask(before)
    return listener


def _short(path: Path) -> str:
    """The shorter of the absolute and the relative spelling: the system allows a socket's name 107 bytes."""
    spellings = (str(path.absolute()), os.path.relpath(path))
    name = min(spellings, key=lambda spelling: len(os.fsencode(spelling)))
    if len(os.fsencode(name)) > _SOCKET_PATH_BYTES_MAX:
        raise EndpointUnavailable(
            f"{path}: this is too long for a socket ({_SOCKET_PATH_BYTES_MAX} bytes at most); use a shorter state_dir"
        )
    return name


def _somebody_answers(name: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(name)
        except OSError:
            return False
        return True


async def fetch_statement(control: Path | Door) -> BookStatement:
    """The statement of the bot that listens on the unix socket, or behind the door, `control`.

    Raises EndpointUnavailable with one sentence.
    """
    status, body = await _asked(control, "GET", "/status", b"")
    if status != 200:
        raise EndpointUnavailable(f"{control}: the bot runs and has nothing to show yet ({_reason_in(body)})")
    try:
        return from_json(body)
    except ValueError:
        raise EndpointUnavailable(f"{control}: what answers there is another version of hedgebot") from None


def _reason_in(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["reason"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "no reason is told"


async def ask_to_act(control: Path | Door, request: OperatorRequest) -> OperatorAnswer:
    """What the bot that listens on the unix socket or behind the door `control` says to a person's request.

    Raises EndpointUnavailable (NoAnswer: it may be carried out), and `codec.RequestRefused` for what cannot be asked as it stands, each
    with one sentence.
    """
    _, body = await _asked(control, "POST", f"/{request.action.value}", request_to_json(request))
    try:
        return answer_from_json(body)
    except ValueError:
        raise NoAnswer(f"{control}: what answers there is another version of hedgebot; whether it was taken is not known") from None


async def _asked(control: Path | Door, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    timeout = aiohttp.ClientTimeout(total=_ACT_SECONDS if method == "POST" else _FETCH_SECONDS, sock_connect=_CONNECT_SECONDS)
    host, headers = (str(control), control.header) if isinstance(control, Door) else ("hedgebot", {})
    connector = None if isinstance(control, Door) else aiohttp.UnixConnector(_short(control))
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
            async with session.request(method, f"http://{host}{path}", data=body or None, allow_redirects=False) as answer:
                told = answer.status, await answer.read()
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise EndpointUnavailable(f"{control}: no running hedgebot answers there") from None
    except (aiohttp.ClientError, OSError):
        if method != "POST":
            raise EndpointUnavailable(f"{control}: no running hedgebot answers there") from None
        raise NoAnswer(
            f"{control}: no answer came; whether it was taken is not known, and it may still be carried out:"
            " look at its status before asking again"
        ) from None
    if told[0] in (401, 403):
        raise EndpointUnavailable(f"{control}: what answers there does not take this token (control.token), or not from this address")
    return told
