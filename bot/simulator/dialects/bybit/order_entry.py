"""The WebSocket connection for trading: /v5/trade (source: v5 documentation, WebSocket Trade).

`order.create` and `order.cancel` take one order in `args` and answer like their REST endpoints, with the same limits; `header` carries the
timestamp and window that REST has in HTTP headers. `reqId` may be used once on a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.core.units import Millis
from bot.simulator.dialects.bybit import orders
from bot.simulator.dialects.bybit.auth import header_window
from bot.simulator.dialects.bybit.codes import KEY, OP_NOT_FOUND, REPEATED_AUTH, REPEATED_REQUEST_ID, ApiError, parameter, refused
from bot.simulator.dialects.bybit.params import Params
from bot.simulator.dialects.bybit.sockets import operation_of
from bot.simulator.dialects.bybit.venue import Call, Result, Venue
from bot.simulator.dialects.bybit.wire import Json, frame
from bot.simulator.dialects.dialect import SocketAnswer
from bot.simulator.model import Refused, Report

OPERATIONS: dict[str, tuple[Callable[[Call], Result], str, int]] = {
    "order.create": (orders.create, "/v5/order/create", 20),
    "order.cancel": (orders.cancel, "/v5/order/cancel", 20),
}


class TradeSocket:
    """One connection to /v5/trade."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._id = venue.connection()
        self._account: str | None = None
        self._used: set[str] = set()

    def opened(self, now: Millis) -> Sequence[str]:
        """The venue says nothing on connect."""
        del now
        return ()

    def received(self, text: str, now: Millis) -> SocketAnswer:
        """Answers ping, auth and the order operations. A failed login ends the connection."""
        message = operation_of(text)
        op = message.get("op")
        if op == "ping":
            return SocketAnswer([frame({"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(now)], "connId": self._id})])
        header: Json = {"Timenow": str(now)}
        try:
            if op == "auth":
                self._login(message, now)
                return SocketAnswer([self._reply(message, {}, {})])
            result = self._order(message, header, now)
            return SocketAnswer([self._reply(message, result.value, header)], result.reports)
        except Refused as refusal:
            error = refused(refusal)
        except ApiError as raised:
            error = raised
        return SocketAnswer([self._reply(message, {}, header, error)], close=op == "auth" and error.code != REPEATED_AUTH)

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        """This connection only answers."""
        del reports, now
        return ()

    def beat(self, now: Millis) -> Sequence[str]:
        """This connection only answers."""
        del now
        return ()

    def _login(self, message: Json, now: Millis) -> None:
        if self._account is not None:
            raise ApiError(REPEATED_AUTH, "Repeat auth")
        self._account = self._venue.keys.socket(message.get("args"), now).account

    def _order(self, message: Json, header: Json, now: Millis) -> Result:
        known = OPERATIONS.get(str(message.get("op")))
        if known is None:
            raise ApiError(OP_NOT_FOUND, "op type is not found")
        if self._account is None:
            raise ApiError(KEY, "API key is invalid.")
        function, endpoint, limit = known
        args, sent = message.get("args"), message.get("header")
        if not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], dict) or not isinstance(sent, dict):
            raise parameter("params error: one order in args and a header are required")
        header_window(sent, now)
        request_id = message.get("reqId")
        if request_id is not None:
            if str(request_id) in self._used:
                raise ApiError(REPEATED_REQUEST_ID, "reqId is duplicated")
            self._used.add(str(request_id))
        visit = self._venue.visits.count(self._account, endpoint, limit, now)
        header.update(visit.headers)
        visit.admit()
        return function(Call(self._venue, Params(args[0]), self._account, now))

    def _reply(self, message: Json, data: Json, header: Json, error: ApiError | None = None) -> str:
        code, sentence = (0, "OK") if error is None else (error.code, error.sentence)
        reply: Json = {"retCode": code, "retMsg": sentence, "op": message.get("op", ""), "connId": self._id}
        if "reqId" in message:
            reply["reqId"] = message["reqId"]
        if message.get("op") != "auth":
            reply.update({"data": data, "retExtInfo": {}, "header": header})
        return frame(reply)
