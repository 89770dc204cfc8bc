"""Public WebSocket channels: when each one speaks, and what it says.

Books are exact: a snapshot, then every change, merged over 100 ms, with `prevSeqId` naming the message before. `bbo-tbt` speaks at
once when the touch changes. The other channels speak when their figures changed and their shortest pause is over, and in any case
after their longest; `funding-rate` keeps OKX's longest pause but not its shortest, because a demonstration compresses market time.
`checksum` is always 0: OKX has retired it in favour of `seqId` and `prevSeqId`.
Source: OKX v5 documentation, "Order book channel" and the channels of "Public Data / WebSocket".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Protocol

from bot.core.units import Millis
from bot.simulator.dialects.okx import market_rows
from bot.simulator.dialects.okx.wire import Row, family
from bot.simulator.exchange import Exchange
from bot.simulator.model import BookReport, Level, PublicTradeReport, Refused, Report

Arg = dict[str, Any]
"""The argument of a subscription; every push echoes it."""

MERGE_MS: Millis = 100
BOOK_SILENCE_MS: Millis = 60_000


class Channel(Protocol):
    """One subscription of one connection. Every method returns the pushes it calls for, in order."""

    def opened(self, now: Millis) -> list[Row]:
        """Right after the subscription was confirmed."""

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """Something happened at the venue."""

    def beat(self, now: Millis) -> list[Row]:
        """Time has passed."""


class Figures:
    """A channel that shows the newest figures of one instrument, no more often than it may and no less than it must (ms)."""

    def __init__(self, arg: Arg, row: Callable[[], Row | None], pause_min: Millis, pause_max: Millis) -> None:
        self._arg, self._row = arg, row
        self._pause_min, self._pause_max = pause_min, pause_max
        self._said: Row | None = None
        self._said_at: Millis = 0

    def opened(self, now: Millis) -> list[Row]:
        """The figures as they are, if there are any yet."""
        return self.beat(now)

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """Nothing: the beat compares figures."""
        del reports, now
        return []

    def beat(self, now: Millis) -> list[Row]:
        """The figures, when they changed or when it is time."""
        if self._said is not None and now - self._said_at < self._pause_min:
            return []
        row = self._row()
        if row is None:
            return []
        said = {name: value for name, value in row.items() if name != "ts"}
        if said == self._said and now - self._said_at < self._pause_max:
            return []
        self._said, self._said_at = said, now
        return [{"arg": self._arg, "data": [row]}]


class Touch:
    """`bbo-tbt` (one level, at once) and `books5` (five levels, every 100 ms): snapshots, whenever they differ from the last one."""

    def __init__(self, arg: Arg, exchange: Exchange, depth: int, *, at_once: bool) -> None:
        self._arg, self._exchange, self._depth, self._at_once = arg, exchange, depth, at_once
        self._said: tuple[tuple[Level, ...], tuple[Level, ...]] | None = None
        self._said_at: Millis = 0

    def opened(self, now: Millis) -> list[Row]:
        """The levels as they are."""
        return self._speak(now)

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """The levels, if this channel speaks at once and they changed."""
        touched = any(isinstance(report, BookReport) and report.symbol == self._arg["instId"] for report in reports)
        return self._speak(now) if self._at_once and touched else []

    def beat(self, now: Millis) -> list[Row]:
        """The levels, if they changed, or as a sign of life after a minute."""
        if now - self._said_at >= BOOK_SILENCE_MS:
            self._said = None
        return self._speak(now) if now - self._said_at >= MERGE_MS else []

    def _speak(self, now: Millis) -> list[Row]:
        view = self._exchange.book(self._arg["instId"], self._depth)
        if (view.bids, view.asks) == self._said:
            return []
        self._said, self._said_at = (view.bids, view.asks), now
        row = {**market_rows.book_row(view, self._depth), "instId": self._arg["instId"]}
        return [{"arg": self._arg, "data": [row]}]


class Book:
    """`books`: a snapshot of 400 levels, then increments; absolute contracts per price, zero where a level went away."""

    def __init__(self, arg: Arg, exchange: Exchange) -> None:
        self._arg, self._exchange = arg, exchange
        self._sequence = self._pending = -1
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._changed_at: Millis = 0
        self._said_at: Millis = 0

    def opened(self, now: Millis) -> list[Row]:
        """The whole book, with `prevSeqId` -1."""
        view = self._exchange.book(self._arg["instId"], market_rows.BOOK_DEPTH)
        self._pending = view.sequence
        return self._push("snapshot", view.bids, view.asks, view.at, now, previous=-1)

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """Nothing yet: changes are merged until the beat. Those that the snapshot already had are left out."""
        del now
        for report in reports:
            if isinstance(report, BookReport) and report.symbol == self._arg["instId"] and report.last_sequence > self._pending:
                self._merge(report)
        return []

    def beat(self, now: Millis) -> list[Row]:
        """What changed since the last message; after a minute without change, an empty message as a sign of life."""
        if now - self._said_at < MERGE_MS:
            return []
        if self._pending == self._sequence and now - self._said_at < BOOK_SILENCE_MS:
            return []
        bids = tuple(Level(price, self._bids[price]) for price in sorted(self._bids, reverse=True))
        asks = tuple(Level(price, self._asks[price]) for price in sorted(self._asks))
        self._bids.clear()
        self._asks.clear()
        return self._push("update", bids, asks, self._changed_at or now, now, previous=self._sequence)

    def _merge(self, report: BookReport) -> None:
        """Changes that this connection was never told of (a silent venue) show as a `prevSeqId` that the client does not know."""
        if report.first_sequence > self._pending + 1:
            self._bids.clear()
            self._asks.clear()
            self._sequence = report.first_sequence - 1
        self._bids.update((level.price, level.contracts) for level in report.bids)
        self._asks.update((level.price, level.contracts) for level in report.asks)
        self._pending, self._changed_at = report.last_sequence, report.at

    def _push(self, action: str, bids: tuple[Level, ...], asks: tuple[Level, ...], at: Millis, now: Millis, *, previous: int) -> list[Row]:
        self._sequence, self._said_at = self._pending, now
        row = {
            "asks": market_rows.levels(asks),
            "bids": market_rows.levels(bids),
            "ts": str(at),
            "checksum": 0,
            "prevSeqId": previous,
            "seqId": self._sequence,
        }
        return [{"arg": self._arg, "action": action, "data": [row]}]


class Trades:
    """`trades`: every public trade, at once."""

    def __init__(self, arg: Arg) -> None:
        self._arg = arg

    def opened(self, now: Millis) -> list[Row]:
        """Nothing: there is no history here."""
        del now
        return []

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """One push per trade."""
        del now
        trades = (report for report in reports if isinstance(report, PublicTradeReport) and report.symbol == self._arg["instId"])
        return [{"arg": self._arg, "data": [market_rows.trade_row(trade)]} for trade in trades]

    def beat(self, now: Millis) -> list[Row]:
        """Nothing."""
        del now
        return []


def public_channel(arg: Arg, exchange: Exchange) -> Channel | None:
    """The channel that an argument asks for on `/ws/v5/public`, None when there is no such channel or instrument."""
    name, symbol = arg.get("channel"), str(arg.get("instId", ""))
    if name == "index-tickers":
        symbol = next((listed for listed, contract in exchange.contracts.items() if family(contract) == symbol), "")
    if symbol not in exchange.contracts:
        return None
    match name:
        case "books":
            return Book(arg, exchange)
        case "books5":
            return Touch(arg, exchange, 5, at_once=False)
        case "bbo-tbt":
            return Touch(arg, exchange, 1, at_once=True)
        case "trades":
            return Trades(arg)
        case str() if name in _PAUSES:
            return Figures(arg, _figures(name, symbol, exchange), *_PAUSES[name])
        case _:
            return None


_PAUSES: dict[str, tuple[Millis, Millis]] = {
    "tickers": (100, 60_000),
    "mark-price": (200, 10_000),
    "index-tickers": (100, 60_000),
    "funding-rate": (1_000, 60_000),
    "open-interest": (3_000, 60_000),
}


def _figures(name: str, symbol: str, exchange: Exchange) -> Callable[[], Row | None]:
    def row() -> Row | None:
        try:
            view = exchange.market(symbol)
        except Refused:
            return None
        match name:
            case "tickers":
                return market_rows.ticker_row(view, exchange.book(symbol, 1))
            case "mark-price":
                return market_rows.mark_row(view)
            case "index-tickers":
                return market_rows.index_row(view)
            case "open-interest":
                return market_rows.open_interest_row(view)
            case _:
                settled = exchange.funding_rates(symbol)
                return market_rows.funding_row(view, settled[-1][1] if settled else None)

    return row
