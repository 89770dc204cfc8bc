"""The door before the control endpoint over TCP: each request, reading too, needs the token, and none may come from a browser's page.

401 for a missing or wrong token, 403 for a request with an `Origin` (a page in a browser sends one) or to a host name that is not ours (a
name that was made to lead here). Neither tells more. The token is compared in constant time, as bytes.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


@dataclass(frozen=True, slots=True)
class Door:
    """Where the endpoint listens (`host`, `port`), where it is asked (`asked_at`), its token, and further names that lead to it."""

    host: str
    port: int
    token: str = field(repr=False)
    asked_at: str = "127.0.0.1"
    names: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"[{self.asked_at}]:{self.port}" if ":" in self.asked_at else f"{self.asked_at}:{self.port}"

    @property
    def header(self) -> dict[str, str]:
        """What a request has to carry."""
        return {"Authorization": f"Bearer {self.token}"}

    def is_for_us(self, host: str | None) -> bool:
        """Whether a `Host` header names this endpoint. Where every address is listened on, any address will do: unlike a name, nobody can
        make it lead here.
        """
        try:
            name = urlsplit(f"//{host}").hostname if host else None
        except ValueError:
            return False
        if name is None:
            return False
        if name in {self.host.lower(), self.asked_at.lower(), *self.names}:
            return True
        listened = _address(self.host)
        if name == "localhost":
            return self.host == name or (listened is not None and (listened.is_loopback or listened.is_unspecified))
        return listened is not None and listened.is_unspecified and _address(name) is not None

    def opens(self, offered: list[str]) -> bool:
        """Whether the `Authorization` headers of a request are exactly one, and it is our token."""
        if len(offered) != 1:
            return False
        scheme, _, token = offered[0].partition(" ")
        same = hmac.compare_digest(token.strip().encode("utf-8", "surrogateescape"), self.token.encode())
        return same and scheme.lower() == "bearer"


def guarded_by(door: Door) -> Middleware:
    """Lets through what the door lets through, before anything of the request but its head is read."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "Origin" in request.headers or len(request.headers.getall("Host", [])) != 1 or not door.is_for_us(request.headers["Host"]):
            return web.Response(status=403)
        if not door.opens(request.headers.getall("Authorization", [])):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return guard


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
