"""The WebSocket connections for reading: /v5/public/{linear,inverse} and /v5/private (source: v5 documentation, WebSocket Stream).

Operations are JSON objects with `op`: ping, auth (private), subscribe, unsubscribe. A repeated subscription is not an error; on a public
topic it brings a fresh snapshot. Subscribing to several topics in one operation succeeds for all or, when one is unknown, for none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.bybit.account import wallet
from bot.simulator.dialects.bybit.account_rows import position_row
from bot.simulator.dialects.bybit.codes import ApiError
from bot.simulator.dialects.bybit.dcp import TOPIC as DCP_TOPIC
from bot.simulator.dialects.bybit.order_rows import execution_row, funding_row, order_row
from bot.simulator.dialects.bybit.topics import DEPTHS, BookTopic, TickerTopic, trades
from bot.simulator.dialects.bybit.venue import Venue
from bot.simulator.dialects.bybit.wire import INVERSE, LINEAR, Json, frame
from bot.simulator.dialects.dialect import SocketAnswer
from bot.simulator.model import (
    BalanceReport,
    BookReport,
    FillReport,
    FundingReport,
    OrderReport,
    PositionReport,
    PublicTradeReport,
    Report,
)

_TOPIC = re.compile(r"(?:orderbook\.(?P<depth>\d+)|(?P<kind>tickers|publicTrade))\.(?P<symbol>\w+)")
CATEGORIES = (LINEAR, INVERSE)
PRIVATE_TOPICS = frozenset({"order", "execution", "position", "wallet"})


def operation_of(text: str) -> Json:
    """The JSON object of a frame, empty when it is none."""
    try:
        message: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}


class PublicSocket:
    """One connection to /v5/public/{category}: it knows the contracts of that category and no others."""

    def __init__(self, venue: Venue, category: str) -> None:
        self._venue = venue
        self._category = category
        self._id = venue.connection()
        self._books: dict[str, BookTopic] = {}
        self._tickers: dict[str, TickerTopic] = {}
        self._trades: set[str] = set()

    def opened(self, now: Millis) -> Sequence[str]:
        """The venue says nothing on connect."""
        del now
        return ()

    def received(self, text: str, now: Millis) -> SocketAnswer:
        """Answers ping, subscribe and unsubscribe; a subscription is followed by its snapshot."""
        message = operation_of(text)
        op, args = message.get("op"), message.get("args")
        if op == "ping":
            return SocketAnswer([self._reply(message, True, "pong")])
        if op not in {"subscribe", "unsubscribe"} or not isinstance(args, list) or not args:
            return SocketAnswer([self._reply(message, False, "error:invalid op")])
        unknown = [topic for topic in args if not self._exists(topic)]
        if unknown:
            return SocketAnswer([self._reply(message, False, f"error:handler not found,topic:{unknown[0]}")])
        snapshots: list[str] = []
        for topic in args:
            if op == "subscribe":
                snapshots += self._subscribe(topic, now)
            else:
                self._books.pop(topic, None)
                self._tickers.pop(topic, None)
                self._trades.discard(topic)
        return SocketAnswer([self._reply(message, True, ""), *snapshots])

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        """Trades, then what the books became. Several changes of one book in one go are one delta."""
        messages: list[str] = []
        traded: dict[str, list[PublicTradeReport]] = {}
        touched: set[str] = set()
        for report in reports:
            if isinstance(report, PublicTradeReport):
                traded.setdefault(report.symbol, []).append(report)
            elif isinstance(report, BookReport):
                touched.add(report.symbol)
        messages += [trades(symbol, done, now) for symbol, done in traded.items() if f"publicTrade.{symbol}" in self._trades]
        for topic, book in self._books.items():
            if topic.rsplit(".", 1)[1] in touched:
                messages += book.changed(now)
        return messages

    def beat(self, now: Millis) -> Sequence[str]:
        """Ticker changes, and quiet books once more."""
        moving: list[TickerTopic | BookTopic] = [*self._tickers.values(), *self._books.values()]
        return [text for topic in moving for text in topic.beat(now)]

    def _exists(self, topic: Any) -> bool:
        found = _TOPIC.fullmatch(topic) if isinstance(topic, str) else None
        if found is None or self._venue.contract(found["symbol"], self._category) is None:
            return False
        return found["depth"] is None or int(found["depth"]) in DEPTHS

    def _subscribe(self, topic: str, now: Millis) -> list[str]:
        parts = topic.split(".")
        if parts[0] == "orderbook":
            return self._books.setdefault(topic, BookTopic(self._venue, parts[2], int(parts[1]))).snapshot(now)
        if parts[0] == "tickers":
            return self._tickers.setdefault(topic, TickerTopic(self._venue, parts[1])).snapshot(now)
        self._trades.add(topic)
        return []

    def _reply(self, message: Json, success: bool, sentence: str) -> str:
        reply = {"success": success, "ret_msg": sentence, "conn_id": self._id, "req_id": message.get("req_id", "")}
        return frame({**reply, "op": message.get("op", "")})


class PrivateSocket:
    """One connection to /v5/private: silent about an account until it has logged in, and only about that one."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._id = venue.connection()
        self._account: str | None = None
        self._topics: set[str] = set()
        self._sent = 0

    def opened(self, now: Millis) -> Sequence[str]:
        """The venue says nothing on connect."""
        del now
        return ()

    def received(self, text: str, now: Millis) -> SocketAnswer:
        """Answers ping, auth, subscribe and unsubscribe. A failed login ends the connection."""
        message = operation_of(text)
        op, args = message.get("op"), message.get("args")
        if op == "ping":
            pong = {"req_id": message.get("req_id", ""), "op": "pong", "args": [str(now)], "conn_id": self._id}
            return SocketAnswer([frame(pong)])
        if op == "auth":
            try:
                self._account = self._venue.keys.socket(args, now).account
            except ApiError as error:
                return SocketAnswer([self._reply(message, False, error.sentence)], close=True)
            return SocketAnswer([self._reply(message, True, "")])
        if op not in {"subscribe", "unsubscribe"} or not isinstance(args, list) or not args:
            return SocketAnswer([self._reply(message, False, "error:invalid op")])
        if self._account is None:
            return SocketAnswer([self._reply(message, False, "Request not authorized")])
        unknown = [topic for topic in args if not _is_private(topic)]
        if unknown:
            return SocketAnswer([self._reply(message, False, f"error:handler not found,topic:{unknown[0]}")])
        if op == "subscribe":
            self._topics.update(args)
        else:
            self._topics.difference_update(args)
            if DCP_TOPIC in args:
                self._venue.protection.stood_down(self._account)
        return SocketAnswer([self._reply(message, True, "")])

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        """What happened to the account, in order; neighbours of one topic share a message."""
        account = self._account
        if account is None or not self._topics:
            return ()
        runs: list[tuple[str, list[Json]]] = []
        for report in reports:
            found = _row(self._venue, account, report)
            if found is None:
                continue
            topic, row = found
            if runs and runs[-1][0] == topic and topic != "wallet":
                runs[-1][1].append(row)
            else:
                runs.append((topic, [row]))
        echoes = _unmoved(self._venue, account, reports)
        if echoes:
            runs.append(("position", echoes))
        return [text for topic, rows in runs for text in self._messages(topic, rows, now)]

    def beat(self, now: Millis) -> Sequence[str]:
        """Sends nothing; tells the protection against disconnection that its connection is there."""
        if self._account is not None and DCP_TOPIC in self._topics:
            self._venue.protection.alive(self._account, now)
        return ()

    def _messages(self, topic: str, rows: list[Json], now: Millis) -> list[str]:
        messages = []
        for name in (topic, *(f"{topic}.{category}" for category in CATEGORIES)):
            told = rows if name == topic else [row for row in rows if row.get("category") == name.rsplit(".", 1)[1]]
            if name in self._topics and told:
                self._sent += 1
                message_id = f"{self._id}_{topic}_{self._sent}"
                messages.append(frame({"id": message_id, "topic": name, "creationTime": now, "data": told}))
        return messages

    def _reply(self, message: Json, success: bool, sentence: str) -> str:
        reply: Json = {"success": success, "ret_msg": sentence, "op": message.get("op", ""), "conn_id": self._id}
        if "req_id" in message:
            reply["req_id"] = message["req_id"]
        return frame(reply)


def _unmoved(venue: Venue, account: str, reports: Sequence[Report]) -> list[Json]:
    """The venue tells the position with every order that comes or goes, moved or not; a position that moved has its own report."""
    ordered = {report.order.request.symbol for report in reports if isinstance(report, OrderReport) and _of(report, account)}
    moved = {report.position.symbol for report in reports if isinstance(report, PositionReport) and report.position.account == account}
    contracts = venue.exchange.contracts
    held = venue.exchange.positions(account) if ordered - moved else ()
    return [position_row(position, contracts[position.symbol]) for position in held if position.symbol in ordered - moved]


def _of(report: OrderReport, account: str) -> bool:
    return report.order.request.account == account


def _is_private(topic: Any) -> bool:
    if not isinstance(topic, str):
        return False
    name, dot, category = topic.partition(".")
    return topic == DCP_TOPIC or (name in PRIVATE_TOPICS and (not dot or (name != "wallet" and category in CATEGORIES)))


def _row(venue: Venue, account: str, report: Report) -> tuple[str, Json] | None:
    """The topic and row of a report about an account, None for what does not concern it. Fills are told by `execution`, and the order
    that they leave behind by its own report.
    """
    contracts = venue.exchange.contracts
    match report:
        case OrderReport(order) if _of(report, account):
            return "order", order_row(order, contracts[order.request.symbol])
        case FillReport(fill, order) if fill.account == account:
            leaves = ZERO if order is None else order.leaves
            market = venue.exchange.market(fill.symbol)
            return "execution", execution_row(fill, order, leaves, market.contract, market.mark)
        case FundingReport(record) if record.account == account:
            return "execution", funding_row(record, contracts[record.symbol])
        case PositionReport(position) if position.account == account:
            return "position", position_row(position, contracts[position.symbol])
        case BalanceReport(balance) if balance.account == account:
            return "wallet", wallet(venue, account)
        case _:
            return None
