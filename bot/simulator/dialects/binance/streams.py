"""Market streams: SUBSCRIBE frames in, depth, book ticker, mark price, ticker and trades out.

Paths on USD-M: `/public/ws` carries books and trades, `/market/ws` everything else, `/private/ws?listenKey=` the account; the older
`/ws` and `/stream` without a prefix carry all of them, and are all that COIN-M has: there the account is `/ws/<listenKey>`. `/…/stream`
wraps each message with its stream's name. A stream that a path does not carry is acknowledged and stays silent, as any unknown stream does.
Depth is diffs: what changed since the last push, absolute quantities, zero where a level went away, `pu` = the last id before. A client
whose book does not end at `pu` has missed something and starts again from a REST snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import parse_qs, unquote

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.binance.channels import CHANNELS, Channel, Feed
from bot.simulator.dialects.binance.face import Row
from bot.simulator.dialects.binance.state import State
from bot.simulator.dialects.binance.user_stream import UserSocket
from bot.simulator.dialects.dialect import HttpReply, Socket, SocketAnswer, as_json
from bot.simulator.model import Report


def open_socket(state: State, host: str, path: str, query_string: str, now: Millis) -> Socket | HttpReply:
    """The socket that a path names, or the refusal of the upgrade: 404 for a path that the venue does not have."""
    matched = state.face.socket_path.fullmatch(path) if host == state.face.stream_host else None
    if matched is None:
        return HttpReply(status=404, body=b"", content_type="text/plain")
    parts = matched.groupdict()
    category, tail = parts.get("category"), unquote(parts["tail"] or "")
    query = parse_qs(query_string)
    key = query.get("listenKey", [tail])[0]
    account = state.account_of_listen_key(key, now)
    if category == "private" or (category is None and account is not None):
        if account is None:
            return HttpReply(status=400, body=as_json({"code": -1125, "msg": "This listenKey does not exist."}))
        return UserSocket(state, account, key)
    streams = query["streams"][0].split("/") if "streams" in query else [tail] if tail else []
    socket = MarketSocket(state, category, combined=parts["mode"] == "stream")
    socket.subscribe(streams, now)
    return socket


class MarketSocket:
    """One connection to the market streams."""

    def __init__(self, state: State, category: str | None, *, combined: bool) -> None:
        self._state = state
        self._category = category
        self._combined = combined
        self._channels: dict[str, Channel | None] = {}

    def opened(self, now: Millis) -> Sequence[str]:
        """The venue says nothing on connect."""
        del now
        return ()

    def received(self, text: str, now: Millis) -> SocketAnswer:
        """SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS; anything else is answered by an error."""
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return _answer({"error": {"code": 3, "msg": f"Invalid JSON: {error}"}})
        if not isinstance(frame, dict):
            return _answer({"error": {"code": 2, "msg": "Invalid request: request must be an object"}})
        number = frame.get("id")
        named = frame.get("params", [])
        if not (isinstance(named, list) and all(isinstance(name, str) for name in named)):
            return _answer({"error": {"code": 2, "msg": "Invalid request: params must be an array of strings"}, "id": number})
        match frame.get("method"):
            case "SUBSCRIBE":
                self.subscribe(named, now)
            case "UNSUBSCRIBE":
                for name in named:
                    self._channels.pop(name, None)
            case "LIST_SUBSCRIPTIONS":
                return _answer({"result": list(self._channels), "id": number})
            case method:
                return _answer({"error": {"code": 2, "msg": f"Invalid request: unknown variant `{method}`"}, "id": number})
        return _answer({"result": None, "id": number})

    def subscribe(self, names: Iterable[str], now: Millis) -> None:
        """Adds streams; a second subscription to the same one changes nothing."""
        for name in names:
            if name not in self._channels:
                self._channels[name] = self._channel(name, now)

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        """What the subscribed streams push at once."""
        return self._collect(lambda channel: channel.published(reports, now))

    def beat(self, now: Millis) -> Sequence[str]:
        """What the subscribed streams push by the clock."""
        return self._collect(lambda channel: channel.beat(now))

    def _channel(self, name: str, now: Millis) -> Channel | None:
        for pattern, category, make in CHANNELS:
            matched = pattern.fullmatch(name)
            if matched is None or self._category not in (None, category):
                continue
            symbol = (matched.groupdict().get("symbol") or "").upper()
            if symbol and symbol not in self._state.exchange.contracts:
                return None
            symbols = (symbol,) if symbol else tuple(self._state.exchange.contracts)
            return make(Feed(self._state, symbols, matched.groupdict()), now)
        return None

    def _collect(self, ask: Callable[[Channel], Iterable[Row | list[Row]]]) -> list[str]:
        messages = []
        for name, channel in self._channels.items():
            if channel is None:
                continue
            for message in ask(channel):
                wrapped = {"stream": name, "data": message} if self._combined else message
                messages.append(as_json(wrapped).decode())
        return messages


def _answer(frame: Row) -> SocketAnswer:
    return SocketAnswer(messages=(as_json(frame).decode(),))
