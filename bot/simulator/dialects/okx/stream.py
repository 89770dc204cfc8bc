"""One WebSocket connection to `/ws/v5/public`, `/ws/v5/private` or `/ws/v5/business`: frames in, frames out.

Text `ping` is answered with text `pong`. `login` comes before anything private; a wrong one is told and the connection is closed. A
subscription is confirmed first, then its first push follows; a second one to the same argument changes nothing. Order operations answer
under the client's `id` and heed `expTime`. Whoever is quiet for 30 s is cut off by the real venue; connections are the server's here.
Source: OKX v5 documentation, "WebSocket": "Login", "Subscribe", "Unsubscribe", "Place order".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.dialect import SocketAnswer
from bot.simulator.dialects.okx import errors
from bot.simulator.dialects.okx.auth import Keys, require_unexpired
from bot.simulator.dialects.okx.channels import Arg, Channel, public_channel
from bot.simulator.dialects.okx.errors import Turned
from bot.simulator.dialects.okx.orders import OrderDesk, Outcome
from bot.simulator.dialects.okx.private_channels import private_channel
from bot.simulator.dialects.okx.wire import Row, gateway_times, verdict
from bot.simulator.exchange import Exchange
from bot.simulator.model import Report

ENDPOINTS = ("public", "private", "business")

PRIVATE_CHANNELS = frozenset({"orders", "positions", "account", "balance_and_position"})
FEE_TIER_CHANNELS = frozenset({"fills", "books-l2-tbt", "books50-l2-tbt"})
"""Channels for accounts of a high fee tier only; the simulated accounts are of the lowest."""


class OkxSocket:
    """See `bot.simulator.dialects.dialect.Socket`."""

    def __init__(self, endpoint: str, connection_id: str, exchange: Exchange, keys: Keys, desk: OrderDesk) -> None:
        self._endpoint, self._connection_id = endpoint, connection_id
        self._exchange, self._keys, self._desk = exchange, keys, desk
        self._account: str | None = None
        self._channels: dict[bytes, Channel] = {}
        self._order_operations: dict[str, Callable[[str, Sequence[Any], Millis], Outcome]] = {
            "order": desk.place,
            "batch-orders": desk.place,
            "cancel-order": desk.cancel,
            "batch-cancel-orders": desk.cancel,
        }

    def opened(self, now: Millis) -> Sequence[str]:
        """OKX says nothing on connect."""
        del now
        return ()

    def received(self, text: str, now: Millis) -> SocketAnswer:
        """A frame from the client. Never raises for a bad one: it is answered with an `error` event."""
        overdue = self._desk.due(now)
        if text == "ping":
            return SocketAnswer(("pong",), overdue)
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            frame = None
        if not isinstance(frame, dict) or not isinstance(frame.get("args"), list):
            return SocketAnswer((self._error(Turned(("60012", 200, f"Invalid request: {text}"))),), overdue)
        answer = self._act(frame, now)
        return SocketAnswer(answer.messages, (*overdue, *answer.reports), answer.close)

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        """What this connection's subscriptions have to say about it."""
        return [_text(push) for channel in self._channels.values() for push in channel.published(reports, now)]

    def beat(self, now: Millis) -> Sequence[str]:
        """Periodic pushes."""
        return [_text(push) for channel in self._channels.values() for push in channel.beat(now)]

    def _act(self, frame: dict[str, Any], now: Millis) -> SocketAnswer:
        op = frame.get("op")
        if op == "login":
            return self._login(frame, now)
        if op in ("subscribe", "unsubscribe"):
            change = self._subscribe if op == "subscribe" else self._unsubscribe
            return SocketAnswer([message for arg in frame["args"] for message in change(arg, frame, now)])
        if op in self._order_operations:
            return self._order(str(op), frame, now)
        return SocketAnswer((self._error(Turned(("60019", 200, f"Invalid op: {op}")), frame),))

    def _login(self, frame: dict[str, Any], now: Millis) -> SocketAnswer:
        try:
            if self._account is not None:
                raise Turned(errors.LOGIN_REPEATED)
            login = frame["args"][0] if frame["args"] else None
            self._account = self._keys.account_of_login(login if isinstance(login, dict) else {}, now)
        except Turned as turned:
            return SocketAnswer((self._error(turned, frame),), close=self._account is None)
        return SocketAnswer((_text({"event": "login", "code": "0", "msg": "", "connId": self._connection_id}),))

    def _subscribe(self, arg: Any, frame: dict[str, Any], now: Millis) -> list[str]:
        try:
            channel = self._channel(arg if isinstance(arg, dict) else {})
        except Turned as turned:
            return [self._error(turned, frame)]
        confirmed = self._event("subscribe", arg, frame)
        if _key(arg) in self._channels:
            return [confirmed]
        self._channels[_key(arg)] = channel
        return [confirmed, *(_text(push) for push in channel.opened(now))]

    def _unsubscribe(self, arg: Any, frame: dict[str, Any], now: Millis) -> list[str]:
        del now
        self._channels.pop(_key(arg), None)
        return [self._event("unsubscribe", arg, frame)]

    def _channel(self, arg: Arg) -> Channel:
        """The channel that an argument asks for. Raises Turned 60011 without a login, 64003, or 60018 for what is not here."""
        name = arg.get("channel")
        if name in FEE_TIER_CHANNELS:
            raise Turned(errors.FEE_TIER_TOO_LOW)
        channel: Channel | None = None
        if name in PRIVATE_CHANNELS and self._endpoint == "private":
            if self._account is None:
                raise Turned(errors.LOGIN_NEEDED)
            channel = private_channel(arg, self._account, self._desk)
        elif self._endpoint == "public":
            channel = public_channel(arg, self._exchange)
        if channel is None:
            asked = ",".join(f"{member}:{value}" for member, value in arg.items())
            raise Turned(
                (
                    "60018",
                    200,
                    f"Wrong URL or {asked} doesn't exist. Please use the correct URL, channel and parameters referring to API document.",
                )
            )
        return channel

    def _order(self, op: str, frame: dict[str, Any], now: Millis) -> SocketAnswer:
        """An order operation: answered under the client's id, also when it is refused as a whole."""
        try:
            if self._endpoint != "private":
                raise Turned(errors.WRONG_SOCKET_FOR_OP)
            if self._account is None:
                raise Turned(errors.LOGIN_NEEDED)
            if "order" in (op, op.removeprefix("batch-").removesuffix("s")):
                require_unexpired(str(frame.get("expTime") or ""), now)
            outcome = self._order_operations[op](self._account, frame["args"], now)
        except Turned as turned:
            refused: Row = {"id": frame.get("id", ""), "op": op, "code": turned.code, "msg": turned.msg, "data": []}
            return SocketAnswer((_text(refused | gateway_times(now)),))
        answered: Row = {"id": frame.get("id", ""), "op": op, "data": outcome.rows}
        return SocketAnswer((_text(answered | verdict(outcome.rows) | gateway_times(now)),), outcome.reports)

    def _event(self, event: str, arg: Any, frame: dict[str, Any]) -> str:
        return _text({**_id(frame), "event": event, "arg": arg, "connId": self._connection_id})

    def _error(self, turned: Turned, frame: dict[str, Any] | None = None) -> str:
        return _text({**_id(frame or {}), "event": "error", "code": turned.code, "msg": turned.msg, "connId": self._connection_id})


def _id(frame: dict[str, Any]) -> Row:
    return {"id": frame["id"]} if "id" in frame else {}


def _key(arg: Any) -> bytes:
    return orjson.dumps(arg, option=orjson.OPT_SORT_KEYS)


def _text(message: Row) -> str:
    return orjson.dumps(message).decode()
