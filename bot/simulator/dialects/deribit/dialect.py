"""The dialect as the server sees it: hosts, HTTP requests, connections, and what time alone brings about.

`GET /api/v2/private/buy?instrument_name=..` and `POST /api/v2` with a JSON-RPC body say the same. ccxt sends everything, orders too,
as GET. Source: docs.deribit.com, "JSON-RPC over HTTP".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.day import Days
from bot.simulator.dialects.deribit.auth import Keys
from bot.simulator.dialects.deribit.budget import OTHER, Credits
from bot.simulator.dialects.deribit.connections import Connections
from bot.simulator.dialects.deribit.errors import RpcError, unknown_method
from bot.simulator.dialects.deribit.methods import METHODS
from bot.simulator.dialects.deribit.params import Params
from bot.simulator.dialects.deribit.rpc import NOBODY, answered, failed, run
from bot.simulator.dialects.deribit.session import Sessions
from bot.simulator.dialects.deribit.socket import DeribitSocket
from bot.simulator.dialects.deribit.troubles import TROUBLES
from bot.simulator.dialects.deribit.venue import Result, Venue
from bot.simulator.dialects.deribit.wire import Row
from bot.simulator.dialects.dialect import Answer, Credential, HttpReply, HttpRequest, Operation, Socket, as_json
from bot.simulator.dialects.trouble import Troubles
from bot.simulator.exchange import Exchange
from bot.simulator.model import Report

ROOT = "/api/v2"
SOCKET_PATH = "/ws/api/v2"


class Deribit:
    """Deribit v2, perpetuals. See `bot.simulator.dialects.dialect.Dialect`."""

    hosts: tuple[str, ...] = ("www.deribit.com",)
    """REST and WebSocket live on one host."""

    troubles: Troubles = TROUBLES

    def __init__(self, exchange: Exchange, credentials: Sequence[Credential], *, limits_enforced: bool = True) -> None:
        """`limits_enforced=False` never refuses a request for its number, for measuring clients."""
        keys = Keys(credentials)
        self._venue = Venue(exchange, keys, Credits(enforced=limits_enforced), Days(), Sessions(exchange, keys.accounts), Connections())

    def operation(self, request: HttpRequest) -> Operation:
        """What a request is about."""
        if _is_login(request):
            return Operation.SETTINGS
        found = METHODS.get(_method(request))
        return Operation.UNKNOWN if found is None else found.operation

    def handle(self, request: HttpRequest, now: Millis) -> Answer:
        """Answers one HTTP request. Never raises for a bad one."""
        if request.method not in ("GET", "POST") or not request.path.startswith(ROOT):
            return Answer(HttpReply(status=404, body=b"Not Found", content_type="text/plain"))
        overdue = self.elapsed(now)
        request_id: Any = None
        try:
            request_id, given = _given(request)
            result = self._result(request, _method(request), given, now)
        except RpcError as error:
            return Answer(_reply(failed(error, now, request_id), error.status), overdue)
        return Answer(_reply(answered(result.value, now, request_id), 200), (*overdue, *result.reports))

    def open_socket(self, host: str, path: str, query_string: str, now: Millis) -> Socket | HttpReply:
        """A new connection; HTTP 404 for any other path."""
        del host, query_string
        if path.rstrip("/") != SOCKET_PATH:
            return HttpReply(status=404, body=b"Not Found", content_type="text/plain")
        return DeribitSocket(self._venue, now)

    def elapsed(self, now: Millis) -> Sequence[Report]:
        """The daily settlement, and orders of guarded connections that are gone."""
        self._venue.sessions.elapsed(now)
        return self._venue.connections.elapsed(self._venue.exchange, now)

    def heard(self, reports: Sequence[Report], now: Millis) -> None:
        """Keeps the figures of the last 24 hours; reports carry their own times."""
        del now
        self._venue.days.heard(reports)

    def _result(self, request: HttpRequest, method: str, given: Mapping[str, Any], now: Millis) -> Result:
        if method == "public/auth":
            self._venue.credits.spend(NOBODY, OTHER, now)
            return Result(self._venue.keys.login(Params(given), now)[1])
        if method not in METHODS:
            raise unknown_method()
        account = None
        if method.startswith("private/"):
            uri = request.path + (f"?{request.query_string}" if request.query_string else "")
            account = self._venue.keys.account_of(request, uri, now)
        return run(self._venue, method, given, account, now)


def _method(request: HttpRequest) -> str:
    """The method that a path names, or a body where the path is the bare root."""
    named = request.path.removeprefix(ROOT).strip("/")
    if named or not request.body:
        return named
    body = _body(request)
    return str(body.get("method", "")) if isinstance(body, dict) else ""


def _is_login(request: HttpRequest) -> bool:
    return _method(request) == "public/auth"


def _given(request: HttpRequest) -> tuple[Any, Mapping[str, Any]]:
    """The request's id (None over GET) and its arguments. Raises RpcError -32700 or -32600."""
    if request.method == "GET":
        return None, dict(parse_qsl(request.query_string, keep_blank_values=True))
    body = _body(request)
    if body is None:
        raise RpcError(-32700, "Parse error")
    if not isinstance(body, dict) or not isinstance(body.get("params", {}), dict):
        raise RpcError(-32600, "Invalid Request")
    return body.get("id"), body.get("params", {})


def _body(request: HttpRequest) -> Any:
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return None


def _reply(row: Row, status: int) -> HttpReply:
    return HttpReply(status=status, body=as_json(row))
