"""The public topics: order books and tickers as a snapshot and then what changed, trades as they happen.

A book topic of depth N always shows the best N levels: a delta removes (quantity "0") what left them and adds what came in, also when a
level only moved across the edge. `u` grows by one with each delta of the connection's topic, `seq` compares with REST. When a book of
depth 1 has not changed for three seconds, its snapshot is sent again with the same `u`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.core.units import Millis
from bot.simulator.dialects.bybit.market_rows import ticker
from bot.simulator.dialects.bybit.venue import Venue
from bot.simulator.dialects.bybit.wire import SIDES, Json, frame, text
from bot.simulator.model import BookView, Level, PublicTradeReport

REPEAT_MS: Millis = 3_000
DEPTHS = frozenset({1, 50, 200, 1000})


class BookTopic:
    """`orderbook.{depth}.{symbol}` on one connection."""

    def __init__(self, venue: Venue, symbol: str, depth: int) -> None:
        self._venue = venue
        self._symbol = symbol
        self._depth = depth
        self._shown: BookView | None = None
        self._number = 0
        self._sent_at: Millis = 0

    def snapshot(self, now: Millis) -> list[str]:
        """The whole view; nothing before the market's first tick."""
        book = self._venue.exchange.book(self._symbol, self._depth)
        if not book.bids and not book.asks:
            return []
        if self._shown is None:
            self._number = book.sequence + 1
        self._shown = book
        return [self._frame("snapshot", _pairs(book.bids), _pairs(book.asks), book, now)]

    def changed(self, now: Millis) -> list[str]:
        """What changed since the last message, nothing if nothing did."""
        if self._shown is None:
            return self.snapshot(now)
        book = self._venue.exchange.book(self._symbol, self._depth)
        bids, asks = _difference(self._shown.bids, book.bids), _difference(self._shown.asks, book.asks)
        if not bids and not asks:
            return []
        self._shown = book
        self._number += 1
        return [self._frame("delta", bids, asks, book, now)]

    def beat(self, now: Millis) -> list[str]:
        """The repeated snapshot of a quiet top of book."""
        if self._depth == 1 and self._shown is not None and now - self._sent_at >= REPEAT_MS:
            book = self._shown
            return [self._frame("snapshot", _pairs(book.bids), _pairs(book.asks), book, now)]
        return []

    def _frame(self, kind: str, bids: list[list[str]], asks: list[list[str]], book: BookView, now: Millis) -> str:
        self._sent_at = now
        data: Json = {"s": self._symbol, "b": bids, "a": asks, "u": self._number, "seq": book.sequence}
        return frame({"topic": f"orderbook.{self._depth}.{self._symbol}", "type": kind, "ts": now, "data": data, "cts": book.at})


class TickerTopic:
    """`tickers.{symbol}` on one connection: deltas at most every 100 ms, with the changed fields only."""

    def __init__(self, venue: Venue, symbol: str) -> None:
        self._venue = venue
        self._symbol = symbol
        self._shown: Json | None = None
        self._number = 0

    def snapshot(self, now: Millis) -> list[str]:
        """The whole row; nothing before the market's first tick."""
        row = self._row(now)
        if row is None:
            return []
        self._shown = row
        return [self._frame("snapshot", row, now)]

    def beat(self, now: Millis) -> list[str]:
        """What changed since the last message."""
        if self._shown is None:
            return self.snapshot(now)
        row = self._row(now)
        changes = {name: value for name, value in (row or {}).items() if self._shown.get(name) != value}
        if row is None or not changes:
            return []
        self._shown = row
        return [self._frame("delta", {"symbol": self._symbol, **changes}, now)]

    def _row(self, now: Millis) -> Json | None:
        views = self._venue.trading([self._symbol])
        if not views:
            return None
        return ticker(views[0], self._venue.exchange.book(self._symbol, 1), self._venue.days.view(self._symbol, now))

    def _frame(self, kind: str, data: Json, now: Millis) -> str:
        self._number += 1
        return frame({"topic": f"tickers.{self._symbol}", "type": kind, "data": data, "cs": self._number, "ts": now})


def trades(symbol: str, reports: Sequence[PublicTradeReport], now: Millis) -> str:
    """One message of `publicTrade.{symbol}`; `S` is the taker's side."""
    data = [
        {
            "T": trade.at,
            "s": symbol,
            "S": SIDES[trade.side],
            "v": text(trade.contracts),
            "p": text(trade.price),
            "L": "ZeroPlusTick",
            "i": str(trade.trade_id),
            "BT": False,
            "RPI": False,
            "seq": trade.trade_id,
        }
        for trade in reports
    ]
    return frame({"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": now, "data": data})


def _pairs(levels: Sequence[Level]) -> list[list[str]]:
    return [[text(level.price), text(level.contracts)] for level in levels]


def _difference(before: Sequence[Level], after: Sequence[Level]) -> list[list[str]]:
    """Pairs that turn one side into another; a quantity of "0" removes the price."""
    old = {level.price: level.contracts for level in before}
    new = {level.price: level.contracts for level in after}
    gone: list[tuple[Decimal, str]] = [(price, "0") for price in old if price not in new]
    set_: list[tuple[Decimal, str]] = [(price, text(contracts)) for price, contracts in new.items() if old.get(price) != contracts]
    return [[text(price), contracts] for price, contracts in (*gone, *set_)]
