"""Which hosts may be reached, and where they are.

The rule: ccxt keeps its production URLs (and with them its signing and its error tables, which it selects by URL); only this session
decides where a host lives. A host that is not listed is refused before a byte leaves, whatever asked for it, redirects included.
One call is one wire attempt: aiohttp's silent second sending of idempotent verbs is off, because at some venues an order is a GET.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import aiohttp
import certifi
from yarl import URL

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 30.0
DNS_CACHE_SECONDS = 60
SOCKET_CLOSE_SECONDS = 1.0

HeadersSeen = Callable[[str, int, Mapping[str, str]], None]
"""Called with production host, HTTP status and headers of every response: venues tell the budget used in headers."""


class Attempts:
    """How many requests were handed to the wire while it was counting, also by tasks started meanwhile."""

    def __init__(self) -> None:
        self.count = 0


_COUNTING: ContextVar[Attempts | None] = ContextVar("wire_attempts", default=None)


@contextmanager
def counting_attempts() -> Iterator[Attempts]:
    """Counts the wire attempts made inside: zero proves that whatever failed there never left this machine."""
    attempts = Attempts()
    token = _COUNTING.set(attempts)
    try:
        yield attempts
    finally:
        _COUNTING.reset(token)


class EgressRefused(Exception):
    """A request for somewhere that is not listed, or without a header that the place demands. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where one host lives, and what a request must carry to go there.

    `base` is scheme and authority only. `required_headers` must be present with exactly these values; `path_prefixes`, if any,
    are the only paths that may be asked for (hosts that an environment shares with another are opened no wider than needed).
    """

    base: str
    required_headers: Mapping[str, str] = field(default_factory=dict)
    path_prefixes: tuple[str, ...] = ()


class RoutingSession:
    """The aiohttp session that ccxt is given as `session`. Create it on a running event loop; whoever created it closes it.

    `routes` maps production host names to a base URL (`http://127.0.0.1:9001`, or `https://<the same host>`) or to a `Door`.
    Raises ValueError when a base URL has a path, or is neither http nor https.
    """

    def __init__(self, routes: Mapping[str, str | Door], *, headers_seen: HeadersSeen | None = None) -> None:
        self._doors = {host: door if isinstance(door, Door) else Door(door) for host, door in routes.items()}
        self._bases = {host: _base_url(door.base) for host, door in self._doors.items()}
        self._origins = {base.origin() for base in self._bases.values()}
        self._hosts_kept = {host for host, base in self._bases.items() if base.host == host}
        self._headers_seen = headers_seen
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=_trusted_authorities() if any(base.scheme == "https" for base in self._bases.values()) else True,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                ttl_dns_cache=DNS_CACHE_SECONDS,
            ),
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS),
            trust_env=False,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(self._last_look,),
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
        return host in self._doors

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
        target, headers = self._route(url, options.pop("headers", None))
        target = target.with_scheme("wss" if target.scheme == "https" else "ws")
        options.setdefault("timeout", aiohttp.ClientWSTimeout(ws_close=SOCKET_CLOSE_SECONDS))
        return self._session.ws_connect(target, headers=headers, **options)

    async def close(self) -> None:
        """Lets every connection go. Safe to call twice."""
        await self._session.close()

    def _rest(self, method: str, url: URL | str, options: dict[str, Any]) -> Any:
        target, headers = self._route(url, options.pop("headers", None))
        options["allow_redirects"] = False
        return self._session.request(method, target, headers=headers, **options)

    def _route(self, url: URL | str, headers: Mapping[str, str] | None) -> tuple[URL, dict[str, str]]:
        """The URL with scheme and authority replaced, and the headers with the production Host."""
        asked = url if isinstance(url, URL) else URL(url, encoded=True)
        host = asked.host or ""
        door = self._doors.get(host)
        if door is None:
            raise EgressRefused(f"host {host!r} is not listed for this environment")
        if door.path_prefixes and not asked.raw_path.startswith(door.path_prefixes):
            raise EgressRefused(f"a path outside of what is open at {host}")
        sent = dict(headers or {})
        lower = {name.lower(): value for name, value in sent.items()}
        for name, value in door.required_headers.items():
            if lower.get(name.lower()) != value:
                raise EgressRefused(f"{host} is open only to requests with the header {name}: {value}")
        base = self._bases[host]
        if host in self._hosts_kept and asked.explicit_port is not None and base.explicit_port is None:
            base = base.with_port(asked.explicit_port)
        sent["Host"] = asked.authority if asked.explicit_port is not None else host
        tail = asked.raw_path_qs
        return URL(f"{base.scheme}://{base.authority}{tail}", encoded=True), sent

    async def _last_look(self, request: aiohttp.ClientRequest, go_on: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Every connection passes here, also one that a redirect asked for: the authority must be one of ours."""
        url = request.url
        plain = url.with_scheme({"wss": "https", "ws": "http"}.get(url.scheme, url.scheme))
        if plain.origin() not in self._origins and not (plain.scheme == "https" and plain.host in self._hosts_kept):
            raise EgressRefused(f"host {url.host!r} is not listed for this environment")
        if (attempts := _COUNTING.get()) is not None:
            attempts.count += 1
        response = await go_on(request)
        if self._headers_seen is not None:
            self._headers_seen(request.headers.get("Host", ""), response.status, response.headers)
        return response


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
