"""OKX v5 for perpetuals: which path does what, who may ask, and what comes back.

A request is authenticated first, then its order expiry is looked at, then its parameters, then the engine is asked. Nothing of it waits or
reads a clock. OKX sends no rate-limit headers; a client that is too fast would get code 50011, which is a matter for a fault plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.dialect import Answer, Credential, HttpReply, HttpRequest, Operation
from bot.simulator.dialects.okx import errors
from bot.simulator.dialects.okx.auth import Keys, require_unexpired
from bot.simulator.dialects.okx.errors import Turned
from bot.simulator.dialects.okx.orders import OrderDesk, Outcome
from bot.simulator.dialects.okx.rest_private import Call, PrivateRest
from bot.simulator.dialects.okx.rest_public import PublicRest, Query
from bot.simulator.dialects.okx.stream import ENDPOINTS, OkxSocket
from bot.simulator.dialects.okx.troubles import TROUBLES
from bot.simulator.dialects.okx.wire import Row, acknowledgement, envelope
from bot.simulator.dialects.trouble import Troubles
from bot.simulator.exchange import Exchange
from bot.simulator.model import Refused, Report

ROOT = "/api/v5/"

Public = Callable[[Query, Millis], list[Row]]
Private = Callable[[Call], list[Row]]
Write = Callable[[Call], Outcome]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: what it is about, and exactly one of the three kinds of handler. `expires`: it heeds `expTime`."""

    operation: Operation
    public: Public | None = None
    private: Private | None = None
    write: Write | None = None
    expires: bool = False


class OkxDialect:
    """The simulated OKX as a client sees it. See `bot.simulator.dialects.dialect.Dialect`."""

    hosts: tuple[str, ...] = ("www.okx.com", "ws.okx.com", "wspap.okx.com")
    """ccxt's default REST and WebSocket hosts, and the WebSocket host of its sandbox mode (whose REST host is the same)."""

    troubles: Troubles = TROUBLES

    def __init__(self, exchange: Exchange, credentials: Sequence[Credential]) -> None:
        self._exchange = exchange
        self._keys = Keys(credentials)
        self._desk = OrderDesk(exchange)
        self._routes = _routes(PublicRest(exchange), PrivateRest(self._desk), self._desk)
        self._connections = 0
        self.simulated_trading_requests = 0
        """How many requests carried `x-simulated-trading: 1`, OKX's mark of demo trading."""

    def operation(self, request: HttpRequest) -> Operation:
        """What a request is about; UNKNOWN for a path that OKX does not have."""
        route = self._routes.get((request.method, request.path))
        return route.operation if route else Operation.UNKNOWN

    def handle(self, request: HttpRequest, now: Millis) -> Answer:
        """Authenticates, checks, asks the engine and answers as OKX would. Never raises for a bad request."""
        overdue = self.elapsed(now)
        route = self._routes.get((request.method, request.path))
        if route is None:
            known = any(path == request.path for _, path in self._routes)
            return Answer(Turned(errors.METHOD_INVALID).reply() if known else errors.NOT_FOUND, overdue)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.simulated_trading_requests += headers.get("x-simulated-trading") == "1"
        try:
            reply, reports = self._answer(route, request, headers, now)
        except Turned as turned:
            return Answer(turned.reply(), overdue)
        return Answer(reply, (*overdue, *reports))

    def open_socket(self, host: str, path: str, query_string: str, now: Millis) -> OkxSocket | HttpReply:
        """A new connection to `/ws/v5/public`, `/private` or `/business`; any other path is refused."""
        del host, query_string, now
        endpoint = path.rstrip("/").removeprefix("/ws/v5/")
        if endpoint not in ENDPOINTS:
            return errors.NOT_FOUND
        self._connections += 1
        return OkxSocket(endpoint, f"{self._connections:08x}", self._exchange, self._keys, self._desk)

    def elapsed(self, now: Millis) -> tuple[Report, ...]:
        """What time alone brings about: open orders canceled because a Cancel All After countdown has ended."""
        return self._desk.due(now)

    def _answer(self, route: Route, request: HttpRequest, headers: dict[str, str], now: Millis) -> tuple[HttpReply, tuple[Report, ...]]:
        query = dict(parse_qsl(request.query_string, keep_blank_values=True))
        if route.public is not None:
            return envelope(_checked(route.public, query, now)), ()
        account = self._keys.account_of(request, headers, now)
        body = _json(request) if request.method == "POST" else None
        call = Call(account=account, now=now, query=query, body=body, rights=self._keys.rights(headers["ok-access-key"]))
        if route.expires:
            require_unexpired(headers.get("exptime"), now)
        if route.private is not None:
            return envelope(_checked(route.private, call)), ()
        if route.write is None:
            return errors.NOT_FOUND, ()
        outcome = route.write(call)
        return acknowledgement(outcome.rows, now), outcome.reports


def _checked(handler: Callable[..., list[Row]], *arguments: Any) -> list[Row]:
    """The handler's rows. Raises Turned also for what the engine refuses, and for a figure in the query that is no number."""
    try:
        return handler(*arguments)
    except Refused as refused:
        raise errors.turned_by(refused) from None
    except ValueError:
        raise errors.wrong("limit, begin or end") from None


def _json(request: HttpRequest) -> Any:
    if not request.body:
        raise Turned(errors.BODY_EMPTY)
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Turned(errors.JSON_SYNTAX) from None


def _orders(call: Call) -> list[Any]:
    """The orders in a body: a list, or a single object. Anything else is a JSON that OKX does not expect."""
    if isinstance(call.body, list):
        return call.body
    if isinstance(call.body, dict):
        return [call.body]
    raise Turned(errors.JSON_SYNTAX)


def _routes(public: PublicRest, private: PrivateRest, desk: OrderDesk) -> dict[tuple[str, str], Route]:
    """Every endpoint by verb and full path."""
    return {
        **{("GET", ROOT + path): Route(operation, public=handler) for path, (operation, handler) in _public(public).items()},
        **{("GET", ROOT + path): Route(operation, private=handler) for path, (operation, handler) in _reads(private).items()},
        **{("POST", ROOT + path): route for path, route in _writes(private, desk).items()},
    }


def _public(rest: PublicRest) -> dict[str, tuple[Operation, Public]]:
    return {
        "public/time": (Operation.CLOCK, rest.time),
        "public/instruments": (Operation.MARKETS, rest.instruments),
        "public/position-tiers": (Operation.MARKETS, rest.position_tiers),
        "public/mark-price": (Operation.MARKET_DATA, rest.mark_price),
        "public/funding-rate": (Operation.MARKET_DATA, rest.funding_rate),
        "public/funding-rate-history": (Operation.MARKET_DATA, rest.funding_rate_history),
        "public/open-interest": (Operation.MARKET_DATA, rest.open_interest),
        "market/ticker": (Operation.MARKET_DATA, rest.ticker),
        "market/tickers": (Operation.MARKET_DATA, rest.tickers),
        "market/books": (Operation.MARKET_DATA, rest.books),
        "market/index-tickers": (Operation.MARKET_DATA, rest.index_tickers),
    }


def _reads(rest: PrivateRest) -> dict[str, tuple[Operation, Private]]:
    return {
        "trade/order": (Operation.ORDER, rest.order),
        "trade/orders-pending": (Operation.OPEN_ORDERS, rest.orders_pending),
        "trade/orders-history": (Operation.ORDER, rest.orders_history),
        "trade/orders-history-archive": (Operation.ORDER, rest.orders_history),
        "trade/fills": (Operation.FILLS, rest.fills),
        "trade/fills-history": (Operation.FILLS, rest.fills),
        "account/balance": (Operation.BALANCE, rest.balance),
        "account/positions": (Operation.POSITIONS, rest.positions),
        "account/config": (Operation.SETTINGS, rest.config),
        "account/bills": (Operation.FUNDING_PAID, rest.bills),
        "account/bills-archive": (Operation.FUNDING_PAID, rest.bills),
        "account/trade-fee": (Operation.SETTINGS, rest.trade_fee),
        "account/leverage-info": (Operation.SETTINGS, rest.leverage_info),
        "asset/balances": (Operation.BALANCE, rest.funding_balances),
        "asset/currencies": (Operation.MARKETS, rest.currencies),
    }


def _writes(rest: PrivateRest, desk: OrderDesk) -> dict[str, Route]:
    def place(call: Call) -> Outcome:
        return desk.place(call.account, _orders(call), call.now)

    def cancel(call: Call) -> Outcome:
        return desk.cancel(call.account, _orders(call), call.now)

    return {
        "trade/order": Route(Operation.PLACE, write=place, expires=True),
        "trade/batch-orders": Route(Operation.PLACE, write=place, expires=True),
        "trade/cancel-order": Route(Operation.CANCEL, write=cancel),
        "trade/cancel-batch-orders": Route(Operation.CANCEL, write=cancel),
        "trade/cancel-all-after": Route(Operation.SETTINGS, private=rest.cancel_all_after),
        "account/set-leverage": Route(Operation.SETTINGS, private=rest.set_leverage),
        "account/set-position-mode": Route(Operation.SETTINGS, private=rest.set_position_mode),
    }
