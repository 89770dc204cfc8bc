"""The streams behind a subscription: each turns reports and the clock into the venue's messages.

Periods: depth 100, 250 or 500 ms (250 when none is named), mark price 1 or 3 s, tickers 2 s, book ticker, trades and liquidations at
once. A tick of the market that moved the touch several times shows in the book ticker once, with the last state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from bot.core.units import Millis
from bot.simulator.dialects.binance.face import Row, average_price
from bot.simulator.dialects.binance.market import levels
from bot.simulator.dialects.binance.state import State
from bot.simulator.dialects.binance.wire import text
from bot.simulator.exchange import Exchange
from bot.simulator.model import BookReport, Fill, FillKind, FillReport, Level, MarketView, PublicTradeReport, Refused, Report, Side

TICKER_MS: Millis = 2_000


@dataclass(frozen=True, slots=True)
class Feed:
    """What a stream's name says: the contracts it covers and the other parts of the name."""

    state: State
    symbols: tuple[str, ...]
    parts: Mapping[str, str | None]


class Channel(Protocol):
    """One subscribed stream."""

    def published(self, reports: Sequence[Report], now: Millis) -> Iterable[Row | list[Row]]:
        """Messages that follow from reports."""

    def beat(self, now: Millis) -> Iterable[Row | list[Row]]:
        """Messages that the clock calls for."""


class Depth:
    """`<symbol>@depth`: diffs of the book."""

    def __init__(self, feed: Feed, now: Millis) -> None:
        self._symbol = feed.symbols[0]
        self._pair = feed.state.face.streamed_pair(self._symbol)
        self._period = _period(feed)
        self._due = now
        self._first: int | None = None
        self._last = 0
        self._at: Millis = now
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}

    def published(self, reports: Sequence[Report], now: Millis) -> Iterable[Row | list[Row]]:
        """Collects the changes."""
        del now
        for report in reports:
            if isinstance(report, BookReport) and report.symbol == self._symbol:
                self._first = report.first_sequence if self._first is None else self._first
                self._last = report.last_sequence
                self._at = report.at
                self._bids.update((level.price, level.contracts) for level in report.bids)
                self._asks.update((level.price, level.contracts) for level in report.asks)
        return ()

    def beat(self, now: Millis) -> Iterable[Row | list[Row]]:
        """Pushes what was collected, once per period."""
        if now < self._due or self._first is None:
            return ()
        self._due = now + self._period
        message: Row = {
            "e": "depthUpdate",
            "E": now,
            "T": self._at,
            "s": self._symbol,
            "U": self._first,
            "u": self._last,
            "pu": self._first - 1,
            "b": [[text(price), text(contracts)] for price, contracts in self._bids.items()],
            "a": [[text(price), text(contracts)] for price, contracts in self._asks.items()],
        }
        self._first = None
        self._bids.clear()
        self._asks.clear()
        return (message | self._pair,)


class PartialDepth:
    """`<symbol>@depth5`, `10` or `20`: the top of the book, whole."""

    def __init__(self, feed: Feed, now: Millis) -> None:
        self._exchange = feed.state.exchange
        self._symbol = feed.symbols[0]
        self._pair = feed.state.face.streamed_pair(self._symbol)
        self._depth = int(feed.parts["levels"] or 5)
        self._period = _period(feed)
        self._due = now
        self._sent = -1

    def published(self, reports: Sequence[Report], now: Millis) -> Iterable[Row | list[Row]]:
        """Nothing at once."""
        del reports, now
        return ()

    def beat(self, now: Millis) -> Iterable[Row | list[Row]]:
        """Pushes the top of a changed book, once per period."""
        book = self._exchange.book(self._symbol, self._depth)
        if now < self._due or book.sequence == self._sent:
            return ()
        self._due = now + self._period
        before, self._sent = self._sent, book.sequence
        ids = {"U": book.sequence, "u": book.sequence, "pu": max(before, 0)}
        sides = {"b": levels(book.bids), "a": levels(book.asks)}
        return ({"e": "depthUpdate", "E": now, "T": book.at, "s": self._symbol} | self._pair | ids | sides,)


class BookTicker:
    """`<symbol>@bookTicker` and `!bookTicker`: the touch, whenever it changed."""

    def __init__(self, feed: Feed, now: Millis) -> None:
        del now
        self._face = feed.state.face
        self._exchange = feed.state.exchange
        self._symbols = frozenset(feed.symbols)
        self._touch: dict[str, tuple[Level | None, Level | None]] = {}

    def published(self, reports: Sequence[Report], now: Millis) -> Iterable[Row | list[Row]]:
        """One message per contract whose touch moved."""
        changed = dict.fromkeys(report.symbol for report in reports if isinstance(report, BookReport) and report.symbol in self._symbols)
        for symbol in changed:
            book = self._exchange.book(symbol, 1)
            touch = (next(iter(book.bids), None), next(iter(book.asks), None))
            bid, ask = touch
            if touch == self._touch.get(symbol) or bid is None or ask is None:
                continue
            self._touch[symbol] = touch
            yield {
                "e": "bookTicker",
                "u": book.sequence,
                "E": now,
                "T": book.at,
                "s": symbol,
                "b": text(bid.price),
                "B": text(bid.contracts),
                "a": text(ask.price),
                "A": text(ask.contracts),
            } | self._face.streamed_pair(symbol)

    def beat(self, now: Millis) -> Iterable[Row | list[Row]]:
        """Nothing by the clock."""
        del now
        return ()


class MarkPrice:
    """`<symbol>@markPrice` and `!markPrice@arr`, every 3 s, or every second with `@1s`."""

    def __init__(self, feed: Feed, now: Millis) -> None:
        self._exchange = feed.state.exchange
        self._symbols = feed.symbols
        self._whole = "symbol" not in feed.parts
        self._period = 1_000 if feed.parts.get("speed") else 3_000
        self._due = now

    def published(self, reports: Sequence[Report], now: Millis) -> Iterable[Row | list[Row]]:
        """Nothing at once."""
        del reports, now
        return ()

    def beat(self, now: Millis) -> Iterable[Row | list[Row]]:
        """Pushes mark, index and funding when the period is over."""
        if now < self._due:
            return ()
        self._due = now + self._period
        rows = [_mark_row(market, now) for market in _trading(self._exchange, self._symbols)]
        return (rows,) if self._whole else rows


def _mark_row(market: MarketView, now: Millis) -> Row:
    return {
        "e": "markPriceUpdate",
        "E": now,
        "s": market.contract.symbol,
        "p": text(market.mark),
        "ap": text(market.mark),
        "P": text(market.index),
        "i": text(market.index),
        "r": text(market.funding_rate),
        "T": market.next_funding_at,
    }


class Ticker:
    """`<symbol>@ticker`, `@miniTicker` and their `!…@arr` forms: the last day, every 2 s."""

    def __init__(self, feed: Feed, now: Millis) -> None:
        self._state = feed.state
        self._symbols = feed.symbols
        self._whole = "symbol" not in feed.parts
        self._mini = bool(feed.parts.get("mini"))
        self._due = now

    def published(self, reports: Sequence[Report], now: Millis) -> Iterable[Row | list[Row]]:
        """Nothing at once."""
        del reports, now
        return ()

    def beat(self, now: Millis) -> Iterable[Row | list[Row]]:
        """Pushes the figures when the period is over."""
        if now < self._due:
            return ()
        self._due = now + TICKER_MS
        rows = [self._row(market, now) for market in _trading(self._state.exchange, self._symbols)]
        return (rows,) if self._whole else rows

    def _row(self, market: MarketView, now: Millis) -> Row:
        symbol = market.contract.symbol
        day = self._state.day.of(symbol, market.last, now)
        row = self._state.face.streamed_pair(symbol) | {
            "e": "24hrMiniTicker" if self._mini else "24hrTicker",
            "E": now,
            "s": symbol,
            "c": text(day.last),
            "o": text(day.first),
            "h": text(day.high),
            "l": text(day.low),
            "v": text(day.volume),
            "q": text(day.value),
        }
        if self._mini:
            return row
        change = day.last - day.first
        return row | {
            "p": text(change),
            "P": text((change / day.first * 100).quantize(Decimal("0.001"))),
            "w": text(average_price(market.contract, day.volume, day.value) or day.last),
            "Q": text(day.last_contracts),
            "O": day.started_at,
            "C": now,
            "F": day.first_trade,
            "L": day.last_trade,
            "n": day.trades,
        }


class Trades:
    """`<symbol>@trade` and `@aggTrade`: every public trade; `m` says whether the buyer was the maker."""

    def __init__(self, feed: Feed, now: Millis) -> None:
        del now
        self._symbol = feed.symbols[0]
        self._aggregated = bool(feed.parts.get("agg"))

    def published(self, reports: Sequence[Report], now: Millis) -> Iterable[Row | list[Row]]:
        """One message per trade."""
        for report in reports:
            if not (isinstance(report, PublicTradeReport) and report.symbol == self._symbol):
                continue
            number = report.trade_id
            ids: Row = {"a": number, "f": number, "l": number} if self._aggregated else {"t": number, "X": "MARKET"}
            row: Row = {"e": "aggTrade" if self._aggregated else "trade", "E": now, "T": report.at, "s": self._symbol}
            yield row | ids | {"p": text(report.price), "q": text(report.contracts), "m": report.side is Side.SELL}

    def beat(self, now: Millis) -> Iterable[Row | list[Row]]:
        """Nothing by the clock."""
        del now
        return ()


class ForceOrders:
    """`<symbol>@forceOrder` and `!forceOrder@arr`: positions that the venue liquidates, whoever's they are."""

    def __init__(self, feed: Feed, now: Millis) -> None:
        del now
        self._face = feed.state.face
        self._symbols = frozenset(feed.symbols)

    def published(self, reports: Sequence[Report], now: Millis) -> Iterable[Row | list[Row]]:
        """One message per liquidated fill."""
        for report in reports:
            if isinstance(report, FillReport) and report.fill.kind is FillKind.LIQUIDATION and report.fill.symbol in self._symbols:
                yield {"e": "forceOrder", "E": now, "o": self._row(report.fill)}

    def beat(self, now: Millis) -> Iterable[Row | list[Row]]:
        """Nothing by the clock."""
        del now
        return ()

    def _row(self, fill: Fill) -> Row:
        quantity, price = text(fill.contracts), text(fill.price)
        sizes = {"q": quantity, "p": price, "ap": price, "X": "FILLED", "l": quantity, "z": quantity}
        named = {"s": fill.symbol} | self._face.streamed_pair(fill.symbol)
        return named | {"S": fill.side.value.upper(), "o": "LIMIT", "f": "IOC", "T": fill.at} | sizes


def _trading(exchange: Exchange, symbols: Iterable[str]) -> Iterator[MarketView]:
    """The markets that have a price already."""
    for symbol in symbols:
        with suppress(Refused):
            yield exchange.market(symbol)


def _period(feed: Feed) -> Millis:
    return int(feed.parts.get("speed") or 250)


_SYMBOL = r"(?P<symbol>[a-z0-9_]+)"

CHANNELS: tuple[tuple[re.Pattern[str], str, Callable[[Feed, Millis], Channel]], ...] = (
    (re.compile(_SYMBOL + r"@depth(?:@(?P<speed>100|500)ms)?"), "public", Depth),
    (re.compile(_SYMBOL + r"@depth(?P<levels>5|10|20)(?:@(?P<speed>100|500)ms)?"), "public", PartialDepth),
    (re.compile(_SYMBOL + r"@bookTicker"), "public", BookTicker),
    (re.compile(r"!bookTicker"), "public", BookTicker),
    (re.compile(_SYMBOL + r"@(?P<agg>)trade"), "public", Trades),
    (re.compile(_SYMBOL + r"@(?P<agg>agg)Trade"), "market", Trades),
    (re.compile(_SYMBOL + r"@markPrice(?:@(?P<speed>1s))?"), "market", MarkPrice),
    (re.compile(r"!markPrice@arr(?:@(?P<speed>1s))?"), "market", MarkPrice),
    (re.compile(_SYMBOL + r"@forceOrder"), "market", ForceOrders),
    (re.compile(r"!forceOrder@arr"), "market", ForceOrders),
    (re.compile(_SYMBOL + r"@(?P<mini>)ticker"), "market", Ticker),
    (re.compile(_SYMBOL + r"@(?P<mini>mini)Ticker"), "market", Ticker),
    (re.compile(r"!(?P<mini>)ticker@arr"), "market", Ticker),
    (re.compile(r"!(?P<mini>mini)Ticker@arr"), "market", Ticker),
)
"""Stream names, the path that carries them, and what they are."""
