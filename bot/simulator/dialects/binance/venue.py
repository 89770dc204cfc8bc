"""The dialects themselves: route a request to its endpoint, answer errors as the venue does, open sockets."""

from __future__ import annotations

from collections.abc import Sequence

from bot.core.units import Millis
from bot.simulator.dialects.binance import coin_m, usd_m
from bot.simulator.dialects.binance.access import Budget, Gate
from bot.simulator.dialects.binance.day import DayFigures
from bot.simulator.dialects.binance.errors import ApiError, of_refusal
from bot.simulator.dialects.binance.face import Face, Limits
from bot.simulator.dialects.binance.routes import SPOT_HOST, Route, Routes, Security
from bot.simulator.dialects.binance.state import Call, State
from bot.simulator.dialects.binance.streams import open_socket
from bot.simulator.dialects.binance.troubles import COIN_M, USD_M
from bot.simulator.dialects.binance.wire import Parameters
from bot.simulator.dialects.dialect import (
    Answer,
    Credential,
    HttpReply,
    HttpRequest,
    KeyRights,
    Operation,
    Socket,
    as_json,
)
from bot.simulator.dialects.trouble import Troubles
from bot.simulator.exchange import Exchange
from bot.simulator.model import Refused, Report

_NOT_FOUND = HttpReply(status=404, body=b"<html>\n<body>\n<h2>404 Not found</h2>\n</body>\n</html>\n", content_type="text/html")


class _Binance:
    """One of Binance's futures venues, REST and WebSocket, over one matching engine. Keys are told of at the spot host, for both."""

    shared_hosts: tuple[str, ...] = (SPOT_HOST,)

    def __init__(self, face: Face, routes: Routes, exchange: Exchange, credentials: Sequence[Credential], limits: Limits | None) -> None:
        self.hosts = face.hosts
        self._face = face
        self._routes = routes
        self._state = State(face, exchange, Budget(limits or face.limits), DayFigures(exchange.contracts))
        self._gate = Gate(credentials)

    def operation(self, request: HttpRequest) -> Operation:
        """What a request is about."""
        route = self._route(request)
        return Operation.UNKNOWN if route is None else route.operation

    def handle(self, request: HttpRequest, now: Millis) -> Answer:
        """Answers one request."""
        route = self._route(request)
        if route is None:
            return Answer(_NOT_FOUND)
        account: str | None = None
        rights = KeyRights()
        try:
            parameters = Parameters.of(request)
            self._state.budget.spend(route.cost(parameters), now)
            caller = self._caller(route, request, parameters, now)
            if caller is not None:
                account, rights = caller.account, caller.rights
            outcome = route.endpoint(Call(self._state, account or "", parameters, now, rights))
        except Refused as refused:
            return self._error(of_refusal(refused, self._face), route, account, now)
        except ApiError as error:
            return self._error(error, route, account, now)
        return Answer(HttpReply(status=200, body=as_json(outcome.value), headers=self._headers(route, account, now)), outcome.reports)

    def open_socket(self, host: str, path: str, query_string: str, now: Millis) -> Socket | HttpReply:
        """A market stream or an account's private stream."""
        return open_socket(self._state, host, path, query_string, now)

    def heard(self, reports: Sequence[Report], now: Millis) -> None:
        """Keeps the figures of the last day."""
        self._state.day.heard(reports, now)

    def end_keys(self, now: Millis) -> None:
        """Ends every listen key."""
        self._state.end_listen_keys(now)

    def elapsed(self, now: Millis) -> Sequence[Report]:
        """Fires dead-man countdowns."""
        return self._state.fire_countdowns(now)

    def _route(self, request: HttpRequest) -> Route | None:
        return self._routes.get((request.host, request.method, request.path))

    def knows(self, request: HttpRequest) -> bool:
        """Whether the request names one of this venue's keys."""
        return self._gate.knows(request)

    def _caller(self, route: Route, request: HttpRequest, parameters: Parameters, now: Millis) -> Credential | None:
        match route.security:
            case Security.SIGNED:
                return self._gate.signed(request, parameters, now)
            case Security.KEY:
                return self._gate.keyed(request)
            case Security.NONE:
                return None

    def _error(self, error: ApiError, route: Route, account: str | None, now: Millis) -> Answer:
        headers = self._headers(route, account, now)
        if error.status == 429:
            headers["Retry-After"] = str((60_000 - now % 60_000) // 1_000 + 1)
        body = as_json({"code": error.code, "msg": error.msg})
        return Answer(HttpReply(status=error.status, body=body, headers=headers), error.reports)

    def _headers(self, route: Route, account: str | None, now: Millis) -> dict[str, str]:
        return self._state.budget.headers(account if route.operation is Operation.PLACE else None, now)


class BinanceUsdm(_Binance):
    """Binance USD-M futures: linear, quoted and settled in USDT."""

    troubles: Troubles = USD_M

    def __init__(self, exchange: Exchange, credentials: Sequence[Credential], *, limits: Limits | None = None) -> None:
        super().__init__(usd_m.FACE, usd_m.ROUTES, exchange, credentials, limits)


class BinanceCoinm(_Binance):
    """Binance COIN-M futures: inverse, quoted in USD and settled in the coin."""

    troubles: Troubles = COIN_M

    def __init__(self, exchange: Exchange, credentials: Sequence[Credential], *, limits: Limits | None = None) -> None:
        super().__init__(coin_m.FACE, coin_m.ROUTES, exchange, credentials, limits)
