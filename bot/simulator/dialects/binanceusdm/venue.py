"""The dialect itself: routes a request to its endpoint, answers errors as the venue does, opens sockets."""

from __future__ import annotations

from collections.abc import Sequence

from bot.core.units import Millis
from bot.simulator.dialects.binanceusdm.access import Budget, Gate, Limits
from bot.simulator.dialects.binanceusdm.errors import ApiError, of_refusal
from bot.simulator.dialects.binanceusdm.routes import REST_HOST, SPOT_HOST, Route, Security, route_of
from bot.simulator.dialects.binanceusdm.state import Call, State
from bot.simulator.dialects.binanceusdm.streams import STREAM_HOST, open_socket
from bot.simulator.dialects.binanceusdm.wire import Parameters
from bot.simulator.dialects.dialect import (
    Answer,
    Credential,
    HttpReply,
    HttpRequest,
    Operation,
    Socket,
    as_json,
)
from bot.simulator.exchange import Exchange
from bot.simulator.model import Refused, Report

_NOT_FOUND = HttpReply(status=404, body=b"<html>\n<body>\n<h2>404 Not found</h2>\n</body>\n</html>\n", content_type="text/html")


class BinanceUsdm:
    """Binance USD-M futures, REST and WebSocket, over one matching engine."""

    hosts: tuple[str, ...] = (REST_HOST, STREAM_HOST, SPOT_HOST)

    def __init__(self, exchange: Exchange, credentials: Sequence[Credential], *, limits: Limits | None = None) -> None:
        self._state = State(exchange, Budget(limits or Limits()))
        self._gate = Gate(credentials)

    def operation(self, request: HttpRequest) -> Operation:
        """What a request is about."""
        route = route_of(request.host, request.method, request.path)
        return Operation.UNKNOWN if route is None else route.operation

    def handle(self, request: HttpRequest, now: Millis) -> Answer:
        """Answers one request."""
        route = route_of(request.host, request.method, request.path)
        if route is None:
            return Answer(_NOT_FOUND)
        account: str | None = None
        try:
            parameters = Parameters.of(request)
            self._state.budget.spend(route.cost(parameters), now)
            account = self._caller(route, request, parameters, now)
            outcome = route.endpoint(Call(self._state, account or "", parameters, now))
        except Refused as refused:
            return self._error(of_refusal(refused), route, account, now)
        except ApiError as error:
            return self._error(error, route, account, now)
        return Answer(HttpReply(status=200, body=as_json(outcome.value), headers=self._headers(route, account, now)), outcome.reports)

    def open_socket(self, host: str, path: str, query_string: str, now: Millis) -> Socket | HttpReply:
        """A market stream or an account's private stream."""
        return open_socket(self._state, host, path, query_string, now)

    def heard(self, reports: Sequence[Report], now: Millis) -> None:
        """Keeps the figures of the last day."""
        self._state.day.heard(reports, now)

    def elapsed(self, now: Millis) -> Sequence[Report]:
        """Fires dead-man countdowns."""
        return self._state.fire_countdowns(now)

    def _caller(self, route: Route, request: HttpRequest, parameters: Parameters, now: Millis) -> str | None:
        match route.security:
            case Security.SIGNED:
                return self._gate.signed(request, parameters, now).account
            case Security.KEY:
                return self._gate.keyed(request).account
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
