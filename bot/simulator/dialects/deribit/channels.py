"""The public channels: `ticker`, `quote`, `book`, `trades`, `perpetual`.

`raw` tells every change and is for connections with an account; `100ms` and `agg2` (a second) collect what changed. A `book` starts with a
snapshot and goes on with changes, each naming the `change_id` that it follows; a grouped one (`book.NAME.none.20.100ms`) is a snapshot of
the best levels each time. `trades` and `quote` come as they happen.
Source: docs.deribit.com, "Subscriptions".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bot.core.units import Millis
from bot.simulator.dialects.deribit import market_rows
from bot.simulator.dialects.deribit.venue import Venue
from bot.simulator.dialects.deribit.wire import Row, contract_size, dollars, named, number
from bot.simulator.model import BookReport, BookView, Contract, Level, MarketReport, PublicTradeReport, Report

INTERVALS: dict[str, Millis] = {"raw": 0, "100ms": 100, "agg2": 1_000}
EVERYTHING = 10_000
DEPTHS = frozenset({"1", "10", "20"})


RowOf = Callable[[Venue, Contract, Millis], Row]


class Channel(Protocol):
    """One subscription of one connection: the data of its messages, in order."""

    name: str

    def opened(self, now: Millis) -> Sequence[Any]:
        """What follows the subscription at once."""

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """What is told about what happened."""

    def beat(self, now: Millis) -> Sequence[Any]:
        """What is told because time passed."""


def public_channel(venue: Venue, name: str, *, is_known: bool) -> Channel | None:
    """The channel of a name, None where there is no such one for a caller without (`is_known` false) or with an account."""
    parts = name.split(".")
    contract = venue.exchange.contracts.get(parts[1]) if len(parts) > 1 else None
    if contract is None or (parts[-1] == "raw" and not is_known):
        return None
    match parts[0], len(parts):
        case "quote", 2:
            return Quotes(venue, contract, name)
        case "ticker", 3 if parts[2] in INTERVALS:
            return Paced(venue, contract, name, INTERVALS[parts[2]], market_rows.ticker_row)
        case "perpetual", 3 if parts[2] in INTERVALS:
            return Paced(venue, contract, name, INTERVALS[parts[2]], market_rows.interest_row)
        case "trades", 3 if parts[2] in INTERVALS:
            return Trades(venue, contract, name)
        case "book", 3 if parts[2] in INTERVALS:
            return Book(venue, contract, name, INTERVALS[parts[2]])
        case "book", 5 if parts[2] == "none" and parts[3] in DEPTHS and parts[4] in INTERVALS:
            return TopOfBook(venue, contract, name, int(parts[3]))
        case _:
            return None


class _Quiet:
    """A channel that has nothing to say."""

    def __init__(self, venue: Venue, contract: Contract, name: str) -> None:
        self.venue, self.contract, self.name = venue, contract, name

    def opened(self, now: Millis) -> Sequence[Any]:
        """Nothing."""
        del now
        return ()

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """Nothing."""
        del reports, now
        return ()

    def beat(self, now: Millis) -> Sequence[Any]:
        """Nothing."""
        del now
        return ()

    def _book_changed(self, reports: Sequence[Report]) -> bool:
        return any(isinstance(report, BookReport) and report.symbol == self.contract.symbol for report in reports)


class Quotes(_Quiet):
    """`quote.NAME`: the touch, whenever it is another one."""

    def __init__(self, venue: Venue, contract: Contract, name: str) -> None:
        super().__init__(venue, contract, name)
        self._shown: tuple[Any, ...] = ()

    def opened(self, now: Millis) -> Sequence[Any]:
        """The touch as it is."""
        del now
        return self._changed()

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """The touch, if it moved."""
        del now
        return self._changed() if self._book_changed(reports) else ()

    def _changed(self) -> Sequence[Any]:
        book = self.venue.exchange.book(self.contract.symbol, 1)
        touch = (book.bids, book.asks)
        if touch == self._shown or not (book.bids or book.asks):
            return ()
        self._shown = touch
        return (market_rows.quote_row(book),)


class Paced(_Quiet):
    """`ticker.NAME.INTERVAL` and `perpetual.NAME.INTERVAL`: a row that is sent whole when it changed, at most once per interval."""

    def __init__(self, venue: Venue, contract: Contract, name: str, interval_ms: Millis, row: RowOf) -> None:
        super().__init__(venue, contract, name)
        self._row = row
        self._interval_ms = interval_ms
        self._changed = False
        self._sent_at: Millis = 0

    def opened(self, now: Millis) -> Sequence[Any]:
        """The row as it is; nothing before the market's first tick."""
        self._changed = True
        return self._sent(now)

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """The row, at once where the channel is raw."""
        mine = any(isinstance(report, MarketReport) and report.view.contract is self.contract for report in reports)
        self._changed = self._changed or mine or self._book_changed(reports)
        return self._sent(now) if self._interval_ms == 0 else ()

    def beat(self, now: Millis) -> Sequence[Any]:
        """The row, if it changed and the interval is over."""
        return self._sent(now) if now - self._sent_at >= self._interval_ms else ()

    def _sent(self, now: Millis) -> Sequence[Any]:
        if not self._changed or market_rows.view_of(self.venue, self.contract) is None:
            return ()
        self._changed, self._sent_at = False, now
        return (self._row(self.venue, self.contract, now),)


class Trades(_Quiet):
    """`trades.NAME.INTERVAL`: trades among everybody, as they happen."""

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """A list of the trades, if there were any."""
        del now
        done = [report for report in reports if isinstance(report, PublicTradeReport) and report.symbol == self.contract.symbol]
        return ([self._row(trade) for trade in done],) if done else ()

    def _row(self, trade: PublicTradeReport) -> Row:
        view = self.venue.exchange.market(self.contract.symbol)
        return {
            "trade_seq": trade.trade_id % 1_000_000_000,
            "trade_id": named(self.contract, trade.trade_id),
            "timestamp": trade.at,
            "tick_direction": 0,
            "price": number(trade.price),
            "mark_price": dollars(view.mark),
            "instrument_name": self.contract.symbol,
            "index_price": dollars(view.index),
            "direction": trade.side.value,
            "amount": number(trade.contracts),
            "contracts": number(trade.contracts / contract_size(self.contract)),
        }


class Book(_Quiet):
    """`book.NAME.INTERVAL`: a snapshot, then changes."""

    def __init__(self, venue: Venue, contract: Contract, name: str, interval_ms: Millis) -> None:
        super().__init__(venue, contract, name)
        self._interval_ms = interval_ms
        self._sent_at: Millis = 0
        self._shown: BookView | None = None

    def opened(self, now: Millis) -> Sequence[Any]:
        """The whole book."""
        book = self._book()
        self._shown, self._sent_at = book, now
        return (self._row("snapshot", book, _changes((), book.bids), _changes((), book.asks)),)

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """The changes, at once where the channel is raw."""
        return self._changed(now) if self._interval_ms == 0 and self._book_changed(reports) else ()

    def beat(self, now: Millis) -> Sequence[Any]:
        """The changes, if the interval is over."""
        return self._changed(now) if now - self._sent_at >= self._interval_ms else ()

    def _changed(self, now: Millis) -> Sequence[Any]:
        book, shown = self._book(), self._shown
        if shown is None or book.sequence == shown.sequence:
            return ()
        row = self._row("change", book, _changes(shown.bids, book.bids), _changes(shown.asks, book.asks))
        self._shown, self._sent_at = book, now
        return (row | {"prev_change_id": shown.sequence},)

    def _book(self) -> BookView:
        return self.venue.exchange.book(self.contract.symbol, EVERYTHING)

    def _row(self, kind: str, book: BookView, bids: list[list[Any]], asks: list[list[Any]]) -> Row:
        told: Row = {"type": kind, "timestamp": book.at, "instrument_name": self.contract.symbol, "change_id": book.sequence}
        return told | {"bids": bids, "asks": asks}


class TopOfBook(_Quiet):
    """`book.NAME.none.DEPTH.INTERVAL`: the best levels, whole, whenever the book changed."""

    def __init__(self, venue: Venue, contract: Contract, name: str, depth: int) -> None:
        super().__init__(venue, contract, name)
        self._depth = depth

    def opened(self, now: Millis) -> Sequence[Any]:
        """The levels as they are."""
        del now
        return (self._row(),)

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """The levels, if the book changed."""
        del now
        return (self._row(),) if self._book_changed(reports) else ()

    def _row(self) -> Row:
        book = self.venue.exchange.book(self.contract.symbol, self._depth)
        told: Row = {"timestamp": book.at, "instrument_name": self.contract.symbol, "change_id": book.sequence}
        bids, asks = ([[number(level.price), number(level.contracts)] for level in side] for side in (book.bids, book.asks))
        return told | {"bids": bids, "asks": asks}


def _changes(before: Sequence[Level], after: Sequence[Level]) -> list[list[Any]]:
    """`[action, price, amount]` for each price that is new, changed or gone (`delete`, amount zero)."""
    old = {level.price: level.contracts for level in before}
    new = {level.price: level.contracts for level in after}
    found: list[list[Any]] = [["delete", number(price), 0] for price in old if price not in new]
    for price, contracts in new.items():
        if price not in old:
            found.append(["new", number(price), number(contracts)])
        elif old[price] != contracts:
            found.append(["change", number(price), number(contracts)])
    return found
