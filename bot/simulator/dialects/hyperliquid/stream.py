"""One WebSocket connection to `/ws`: subscriptions, pings, and requests posted over it.

A subscription is confirmed with the words that asked for it, then told what is so: books, figures and the clearinghouse at once; fills and
funding as a snapshot that says so (`isSnapshot`); orders never. A second one of the same is an error, which the real clients let pass.
`{"method": "ping"}` is answered on the channel `pong`. Anything that `/info` and `/exchange` take may be posted.
Source: Hyperliquid docs, "Websocket": "Subscriptions", "Post requests", "Timeouts and heartbeats".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.dialect import SocketAnswer, as_json
from bot.simulator.dialects.hyperliquid.channels import Channel, Venue, channel_of
from bot.simulator.dialects.hyperliquid.wire import Misshapen, Row
from bot.simulator.model import Report

Post = Callable[[Mapping[str, Any], Millis], tuple[Any, tuple[Report, ...]]]
"""Does a posted action. Raises Misshapen."""


class HyperliquidSocket:
    """See `bot.simulator.dialects.dialect.Socket`."""

    def __init__(self, venue: Venue, post: Post) -> None:
        self._venue, self._post = venue, post
        self._channels: dict[bytes, Channel] = {}

    def opened(self, now: Millis) -> Sequence[str]:
        """Nothing is said on connect."""
        del now
        return ()

    def received(self, text: str, now: Millis) -> SocketAnswer:
        """A frame from the client. Never raises for a bad one."""
        overdue = self._venue.desk.due(now)
        try:
            frame = orjson.loads(text)
            if not isinstance(frame, dict):
                raise Misshapen("no object")
            answer = self._act(frame, now)
        except (orjson.JSONDecodeError, Misshapen):
            return SocketAnswer((_error(f"Error parsing JSON into valid websocket request: {text}"),), overdue)
        return SocketAnswer(answer.messages, (*overdue, *answer.reports))

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        """What this connection's subscriptions have to say about it."""
        return [_text(push) for channel in self._channels.values() for push in channel.published(reports, now)]

    def beat(self, now: Millis) -> Sequence[str]:
        """Periodic pushes."""
        return [_text(push) for channel in self._channels.values() for push in channel.beat(now)]

    def _act(self, frame: Mapping[str, Any], now: Millis) -> SocketAnswer:
        match frame.get("method"):
            case "ping":
                return SocketAnswer((_text({"channel": "pong"}),))
            case "subscribe":
                return SocketAnswer(self._subscribe(frame.get("subscription"), now))
            case "unsubscribe":
                return SocketAnswer(self._unsubscribe(frame.get("subscription")))
            case "post":
                return self._posted(frame, now)
            case _:
                raise Misshapen("no such method")

    def _subscribe(self, wanted: Any, now: Millis) -> list[str]:
        key = _key(wanted)
        if key in self._channels:
            return [_error(f"Already subscribed: {as_json(wanted).decode()}")]
        channel = channel_of(wanted, self._venue)
        if channel is None:
            return [_error(f"Invalid subscription {as_json(wanted).decode()}")]
        self._channels[key] = channel
        return [_confirmed("subscribe", wanted), *(_text(push) for push in channel.opened(now))]

    def _unsubscribe(self, wanted: Any) -> list[str]:
        if self._channels.pop(_key(wanted), None) is None:
            return [_error(f"Already unsubscribed: {as_json(wanted).decode()}")]
        return [_confirmed("unsubscribe", wanted)]

    def _posted(self, frame: Mapping[str, Any], now: Millis) -> SocketAnswer:
        asked = frame.get("request")
        if not isinstance(asked, dict) or not isinstance(asked.get("payload"), dict):
            raise Misshapen("nothing posted")
        kind = asked.get("type")
        if kind == "action":
            payload, reports = self._post(asked["payload"], now)
        elif kind == "info":
            question = asked["payload"]
            payload, reports = {"type": question.get("type"), "data": self._venue.answer(question, now)}, ()
        else:
            raise Misshapen("no such request")
        response: Row = {"id": frame.get("id"), "response": {"type": kind, "payload": payload}}
        return SocketAnswer((_text({"channel": "post", "data": response}),), reports)


def _key(wanted: Any) -> bytes:
    if not isinstance(wanted, dict):
        raise Misshapen("no subscription")
    return orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS)


def _confirmed(method: str, wanted: Any) -> str:
    return _text({"channel": "subscriptionResponse", "data": {"method": method, "subscription": wanted}})


def _error(words: str) -> str:
    return _text({"channel": "error", "data": words})


def _text(message: Row) -> str:
    return as_json(message).decode()
