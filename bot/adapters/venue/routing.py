"""Which hosts may be reached, and where they are.

The rule: ccxt keeps its production URLs (and with them its signing and its error tables, which it selects by URL); only this session
decides where a host lives. What `doors` does not list is refused before a byte leaves, whatever asked for it, redirects included.
While the venue wants to be left alone (`stay_away`) nothing leaves either, also what ccxt asks for of itself or was let through before.
A forward proxy of the configuration carries what has passed, and decides nothing: over TLS it sees the name of a host and no more. One
that ccxt or the environment names is not used.
One call is one wire attempt: aiohttp's silent second sending of idempotent verbs is off, because at some venues an order is a GET.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import MappingProxyType
from typing import Any

import aiohttp
import certifi
from yarl import URL

from bot.adapters.venue.doors import Asked, Doors, EgressRefused
from bot.adapters.venue.throttle import StayAway

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 30.0
DNS_CACHE_SECONDS = 60
SOCKET_CLOSE_SECONDS = 1.0

HeadersSeen = Callable[[str, int, Mapping[str, str]], None]
"""Called with path, HTTP status and headers of every response: venues tell the budget used in headers."""


class Attempts:
    """How many requests were handed to the wire while it was counting, also by tasks started meanwhile."""

    def __init__(self) -> None:
        self.count = 0


_COUNTING: ContextVar[Attempts | None] = ContextVar("wire_attempts", default=None)
_OPENING: ContextVar[str | None] = ContextVar("socket_opening", default=None)
"""The path of the socket that is being opened: aiohttp follows redirects there, whatever it is told."""


@contextmanager
def counting_attempts() -> Iterator[Attempts]:
    """Counts the wire attempts made inside: zero proves that whatever failed there never left this machine."""
    attempts = Attempts()
    token = _COUNTING.set(attempts)
    try:
        yield attempts
    finally:
        _COUNTING.reset(token)


class _Socket(aiohttp.ClientWebSocketResponse):
    """A WebSocket that shows each frame to its guard before it leaves. Without a guard nothing leaves."""

    guard: Callable[[str], str | None] | None = None

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Raises EgressRefused."""
        self._look_at(data)
        await super().send_str(data, compress)

    async def send_bytes(self, data: bytes, compress: int | None = None) -> None:
        """Raises EgressRefused."""
        self._look_at(bytes(data).decode(errors="replace"))
        await super().send_bytes(data, compress)

    async def send_frame(self, message: bytes, opcode: aiohttp.WSMsgType, compress: int | None = None) -> None:
        """Raises EgressRefused."""
        self._look_at(bytes(message).decode(errors="replace"))
        await super().send_frame(message, opcode, compress)

    def _look_at(self, frame: str) -> None:
        why = self.guard(frame) if self.guard is not None else "a frame that nobody looked at"
        if why is not None:
            raise EgressRefused(why)


class _Opening:
    """What `ws_connect` gives: to be awaited, or entered with `async with`."""

    def __init__(self, opened: Coroutine[Any, Any, _Socket]) -> None:
        self._opened = opened
        self._socket: _Socket | None = None

    def __await__(self) -> Generator[Any, None, _Socket]:
        return self._opened.__await__()

    async def __aenter__(self) -> _Socket:
        self._socket = await self._opened
        return self._socket

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            await self._socket.close()


class RoutingSession:
    """The aiohttp session that ccxt is given as `session`. Create it on a running event loop; whoever created it closes it.

    `doors` says what may leave, and maps production host names to base URLs (`http://127.0.0.1:9001`, or `https://<the same host>`).
    `stay_away` says for how many seconds nothing may leave: requests raise StayAway meanwhile. Frames on open sockets pass.
    `answered` is told the seconds from each request on the wire to the head of its answer; sockets that open are none.
    Raises ValueError when a host has no base URL, or one with a path, or one that is neither http nor https.
    """

    def __init__(
        self,
        doors: Doors,
        *,
        headers_seen: HeadersSeen | None = None,
        stay_away: Callable[[], float] | None = None,
        answered: Callable[[float], None] | None = None,
    ) -> None:
        if missing := [host for host in doors.allowed.hosts if host not in doors.bases]:
            raise ValueError(f"no route for {', '.join(missing)}")
        self._allowed = doors.allowed
        self._bases = {host: _base_url(doors.bases[host]) for host in doors.allowed.hosts}
        self._origins = {base.origin() for base in self._bases.values()}
        self._hosts_kept = {host for host, base in self._bases.items() if base.host == host}
        self._headers_seen = headers_seen
        self._stay_away = stay_away
        self._answered = answered
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=_trusted_authorities() if any(base.scheme == "https" for base in self._bases.values()) else True,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                ttl_dns_cache=DNS_CACHE_SECONDS,
            ),
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS),
            trust_env=False,
            proxy=doors.proxy,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(self._last_look,),
            ws_response_class=_Socket,
        )
        # aiohttp has no public switch for this; `tests/adapters/venue/test_routing.py` counts the wire attempts.
        self._session._retry_connection = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Session-wide headers: none. ccxt merges these into its own."""
        return MappingProxyType({})

    @property
    def closed(self) -> bool:
        """Whether every connection was let go."""
        return self._session.closed

    @property
    def cookie_jar(self) -> aiohttp.abc.AbstractCookieJar:
        """A jar that keeps nothing."""
        return self._session.cookie_jar

    @property
    def one_wire_attempt(self) -> bool:
        """Whether aiohttp's silent second sending is off in this session."""
        return not self._session._retry_connection

    def reaches(self, host: str) -> bool:
        """Whether a production host is listed."""
        return host in self._bases

    def get(self, url: URL | str, **options: Any) -> Any:
        """An aiohttp request context. Like all verbs here: raises EgressRefused before anything leaves."""
        return self._rest("GET", url, options)

    def post(self, url: URL | str, **options: Any) -> Any:
        """See `get`."""
        return self._rest("POST", url, options)

    def put(self, url: URL | str, **options: Any) -> Any:
        """See `get`."""
        return self._rest("PUT", url, options)

    def delete(self, url: URL | str, **options: Any) -> Any:
        """See `get`."""
        return self._rest("DELETE", url, options)

    def patch(self, url: URL | str, **options: Any) -> Any:
        """See `get`."""
        return self._rest("PATCH", url, options)

    def ws_connect(self, url: URL | str, **options: Any) -> Any:
        """A WebSocket context: `ws` where the host lives on http, `wss` where it lives on https. Raises EgressRefused."""
        if options.get("proxy") is not None:
            raise EgressRefused("a proxy would decide where the request goes")
        asked = Asked(url=_url(url), headers=dict(options.pop("headers", None) or {}), socket=True)
        target, headers = self._route(asked)
        target = target.with_scheme("wss" if target.scheme == "https" else "ws")
        options.setdefault("timeout", aiohttp.ClientWSTimeout(ws_close=SOCKET_CLOSE_SECONDS))
        return _Opening(self._open(asked.url, target, headers, options))

    async def close(self) -> None:
        """Lets every connection go. Safe to call twice."""
        await self._session.close()

    async def _open(self, url: URL, target: URL, headers: dict[str, str], options: dict[str, Any]) -> _Socket:
        token = _OPENING.set(target.raw_path)
        try:
            socket = await self._session.ws_connect(target, headers=headers, **options)
        finally:
            _OPENING.reset(token)
        assert isinstance(socket, _Socket)  # noqa: S101  the class that the session was told to make
        socket.guard = partial(self._allowed.frame_refusal, url)
        return socket

    def _rest(self, method: str, url: URL | str, options: dict[str, Any]) -> Any:
        if options.get("proxy") is not None:
            raise EgressRefused("a proxy would decide where the request goes")
        asked = Asked(url=_url(url), headers=dict(options.pop("headers", None) or {}), body=_text(options.get("data")), verb=method)
        target, headers = self._route(asked)
        options["allow_redirects"] = False
        return self._session.request(method, target, headers=headers, **options)

    def _route(self, asked: Asked) -> tuple[URL, dict[str, str]]:
        """The URL with scheme and authority replaced, and the headers with the production Host. Raises EgressRefused."""
        if (why := self._allowed.refusal(asked)) is not None:
            raise EgressRefused(why)
        url, host = asked.url, asked.url.host or ""
        base = self._bases[host]
        if host in self._hosts_kept and url.explicit_port is not None and base.explicit_port is None:
            base = base.with_port(url.explicit_port)
        sent = {**asked.headers, "Host": url.authority if url.explicit_port is not None else host}
        return URL(f"{base.scheme}://{base.authority}{url.raw_path_qs}", encoded=True), sent

    async def _last_look(self, request: aiohttp.ClientRequest, go_on: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Every connection passes here, also one that a redirect asked for: the authority must be one of ours."""
        url = request.url
        plain = url.with_scheme({"wss": "https", "ws": "http"}.get(url.scheme, url.scheme))
        if plain.origin() not in self._origins and not (plain.scheme == "https" and plain.host in self._hosts_kept):
            raise EgressRefused(f"host {url.host!r} is not listed for this environment")
        if (path := _OPENING.get()) is not None and url.raw_path != path:
            raise EgressRefused(f"{url.host} sent a socket on to another path")
        if self._stay_away is not None and (seconds := self._stay_away()) > 0:
            raise StayAway(f"the venue told us to stay away for another {seconds:.1f} s")
        if (attempts := _COUNTING.get()) is not None:
            attempts.count += 1
        now = asyncio.get_running_loop().time
        began = now()
        response = await go_on(request)
        if self._answered is not None and path is None:
            self._answered(now() - began)
        if self._headers_seen is not None:
            self._headers_seen(url.path, response.status, response.headers)
        return response


def _url(url: URL | str) -> URL:
    return url if isinstance(url, URL) else URL(url, encoded=True)


def _text(data: Any) -> str:
    """A body as text. What is neither text nor bytes cannot be looked into, and does not leave."""
    if data is None:
        return ""
    if isinstance(data, bytes):
        return data.decode(errors="replace")
    if isinstance(data, str):
        return data
    raise EgressRefused("a body that cannot be looked into")


def _base_url(base: str) -> URL:
    url = URL(base)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"a route must be an http or https base URL, got {base!r}")
    if url.path not in {"", "/"} or url.query_string or url.fragment or url.user:
        raise ValueError(f"a route is scheme and authority only, got {base!r}")
    return url


def _trusted_authorities() -> ssl.SSLContext:
    """The certificate authorities that ccxt itself trusts: the same on every machine, also in an image without a system store."""
    return ssl.create_default_context(cafile=certifi.where())
