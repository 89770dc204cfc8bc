"""The dialect as the server sees it: hosts, requests, connections, and what time alone brings about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bot.core.units import Millis
from bot.simulator.dialects.bybit import rest
from bot.simulator.dialects.bybit.auth import Keys
from bot.simulator.dialects.bybit.dcp import DisconnectProtection
from bot.simulator.dialects.bybit.order_entry import TradeSocket
from bot.simulator.dialects.bybit.sockets import PrivateSocket, PublicSocket
from bot.simulator.dialects.bybit.troubles import TROUBLES
from bot.simulator.dialects.bybit.venue import Venue
from bot.simulator.dialects.bybit.visits import Visits
from bot.simulator.dialects.bybit.wire import INVERSE, LINEAR
from bot.simulator.dialects.day import Days
from bot.simulator.dialects.dialect import Answer, Credential, HttpReply, HttpRequest, Operation, Socket
from bot.simulator.dialects.trouble import Troubles
from bot.simulator.exchange import Exchange
from bot.simulator.model import Report

REST_HOST = "api.bybit.com"
STREAM_HOST = "stream.bybit.com"
_SOCKETS: Mapping[str, Callable[[Venue], Socket]] = {
    "/v5/public/linear": partial(PublicSocket, category=LINEAR),
    "/v5/public/inverse": partial(PublicSocket, category=INVERSE),
    "/v5/private": PrivateSocket,
    "/v5/trade": TradeSocket,
}


class Bybit:
    """Bybit v5, linear and inverse perpetuals, unified trading accounts."""

    hosts: tuple[str, ...] = (REST_HOST, STREAM_HOST)

    troubles: Troubles = TROUBLES

    def __init__(self, exchange: Exchange, credentials: Sequence[Credential], *, limits_enforced: bool = True) -> None:
        """`limits_enforced=False` counts calls without ever refusing one, for measuring clients."""
        self._venue = Venue(exchange, Keys(credentials), Visits(enforced=limits_enforced), Days(), DisconnectProtection())

    def operation(self, request: HttpRequest) -> Operation:
        """What a request is about."""
        return rest.operation(request) if request.host == REST_HOST else Operation.UNKNOWN

    def handle(self, request: HttpRequest, now: Millis) -> Answer:
        """Answers one REST request."""
        if request.host != REST_HOST:
            return Answer(HttpReply(status=404, body=b"404 page not found", content_type="text/plain"))
        return rest.handle(self._venue, request, now)

    def open_socket(self, host: str, path: str, query_string: str, now: Millis) -> Socket | HttpReply:
        """A new connection; HTTP 404 for any other host or path. Options in the query (`max_active_time`) change nothing here."""
        del query_string, now
        kind = _SOCKETS.get(path) if host == STREAM_HOST else None
        if kind is not None:
            return kind(self._venue)
        return HttpReply(status=404, body=b"404 page not found", content_type="text/plain")

    def elapsed(self, now: Millis) -> Sequence[Report]:
        """Cancels the orders of guarded accounts whose connection stayed away."""
        return self._venue.protection.elapsed(self._venue.exchange, now)

    def heard(self, reports: Sequence[Report], now: Millis) -> None:
        """Keeps the figures of the last 24 hours; reports carry their own times."""
        del now
        self._venue.days.heard(reports)
