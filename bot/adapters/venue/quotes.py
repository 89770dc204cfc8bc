"""The newest market view per instrument, merged from the touch and the mark as they come. Pure: time is passed in.

A side of the book that is not told in a whole message is unknown; in a partial one it is unchanged. A quote exists once both sides of
the touch are known. `book_at` and `mark_at` are our clock when the venue last spoke about them: a partial message that leaves a figure
out says that it still stands. Where the venue tells when it spoke, that counts if it is earlier than the arrival: what waited in a
backlogged socket is as old as it is, not as new as its last hop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bot.adapters.venue.ccxt_mapping import Instruments, Unreadable, figure, instant, price, told
from bot.adapters.venue.shapes import Paths, QuoteShape, Row
from bot.core.events import Quote
from bot.core.instrument import Instrument
from bot.core.units import ZERO, InstrumentId, Millis


@dataclass(slots=True)
class _View:
    bid: Decimal | None = None
    bid_quantity: Decimal | None = None
    ask: Decimal | None = None
    ask_quantity: Decimal | None = None
    mark: Decimal | None = None
    index: Decimal | None = None
    book_at: Millis | None = None
    mark_at: Millis | None = None
    sequence: int | None = None
    link: int | None = None


class OutOfOrder(Unreadable):
    """A book message that the venue made before one that was taken already: this subscription cannot be believed any more."""


class QuoteBoard:
    """What the streams told of each instrument so far."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._views = {symbol: _View() for symbol in instruments}

    def forget(self, symbols: Iterable[str] | None = None) -> None:
        """Drops everything about these instruments (None: all): what a broken subscription told is not continued by the next one."""
        for symbol in self._instruments if symbols is None else symbols:
            self._views[symbol] = _View()

    def marks(self) -> dict[InstrumentId, Decimal]:
        """The newest mark of each instrument, of those that were told one."""
        return {self._instruments[symbol].id: view.mark for symbol, view in self._views.items() if view.mark is not None}

    def ours(self, row: Row, shape: QuoteShape) -> str | None:
        """The venue's symbol of the instrument that a row is about; None when it is not ours."""
        symbol = told(row, shape.symbol)
        return symbol if symbol in self._instruments else None

    def book_told(self, row: Row, shape: QuoteShape, at: Millis, offset_ms: Millis = 0, *, partial: bool) -> Quote | None:
        """Takes the touch, arrived at `at`; the quote as it now stands, None while a side is unknown. Raises Unreadable or OutOfOrder.

        `offset_ms` is venue clock minus ours. Where partial messages are numbered and one is missing, the sides that this one does not
        tell are unknown until they are told again: ccxt would go on with them (Bybit).
        """
        symbol, instrument, view = self._of(row, shape)
        if instrument is None or view is None:
            return None
        _check_order(symbol, row, shape, view, partial)
        view.bid, view.bid_quantity = _side(row, shape.bid, shape.bid_contracts, instrument, (view.bid, view.bid_quantity), partial)
        view.ask, view.ask_quantity = _side(row, shape.ask, shape.ask_contracts, instrument, (view.ask, view.ask_quantity), partial)
        view.book_at = _spoken_at(row, shape, at, offset_ms)
        return _quote(symbol, self._instruments, view)

    def mark_told(self, row: Row, shape: QuoteShape, at: Millis, offset_ms: Millis = 0, *, partial: bool) -> Quote | None:
        """Takes mark and index where the row tells them; else like `book_told`. Raises Unreadable."""
        symbol, instrument, view = self._of(row, shape)
        if instrument is None or view is None:
            return None
        mark = price(row, shape.mark)
        if mark is None and not partial:
            raise Unreadable(f"a mark price message on {symbol} without a mark price")
        view.mark = mark or view.mark
        view.index = price(row, shape.index) or view.index
        view.mark_at = _spoken_at(row, shape, at, offset_ms) if view.mark is not None else None
        return _quote(symbol, self._instruments, view)

    def _of(self, row: Row, shape: QuoteShape) -> tuple[str, Instrument | None, _View | None]:
        symbol = told(row, shape.symbol)
        if symbol is None:
            raise Unreadable("a market message without its symbol")
        return symbol, self._instruments.get(symbol), self._views.get(symbol)


def _check_order(symbol: str, row: Row, shape: QuoteShape, view: _View, partial: bool) -> None:
    sequence, link = _number(row, shape.sequence), _number(row, shape.chained)
    if sequence is not None and view.sequence is not None and sequence < view.sequence:
        raise OutOfOrder(f"the book of {symbol} went from {view.sequence} back to {sequence}")
    if partial and link is not None and view.link is not None and link != view.link + 1:
        view.bid = view.bid_quantity = view.ask = view.ask_quantity = None
    view.sequence, view.link = sequence or view.sequence, link or view.link


def _number(row: Row, at: Paths) -> int | None:
    found = figure(row, at) if at else None
    return None if found is None else int(found)


_Side = tuple[Decimal | None, Decimal | None]


def _spoken_at(row: Row, shape: QuoteShape, arrived_at: Millis, offset_ms: Millis) -> Millis:
    at = instant(row, shape.at)
    return arrived_at if at is None else min(arrived_at, at - offset_ms)


def _side(row: Row, at: Paths, contracts_at: Paths, instrument: Instrument, before: _Side, partial: bool) -> _Side:
    touch = price(row, at)
    if touch is None:
        return before if partial else (None, None)
    contracts = figure(row, contracts_at)
    if contracts == ZERO:
        return None, None  # the level was taken away, and the next one is not told
    return touch, None if contracts is None else instrument.to_base(contracts, touch)


def _quote(symbol: str, instruments: Instruments, view: _View) -> Quote | None:
    if view.bid is None or view.ask is None or view.book_at is None:
        return None
    return Quote(
        instrument=instruments[symbol].id,
        bid=view.bid,
        ask=view.ask,
        bid_quantity=view.bid_quantity,
        ask_quantity=view.ask_quantity,
        mark=view.mark,
        index=view.index,
        book_at=view.book_at,
        mark_at=view.mark_at,
    )
