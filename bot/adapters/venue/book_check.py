"""Whether the touch that a stream tells is the venue's touch: asked over REST on a beat, by the client without a key.

The rule: a stream is believed until the venue's own answer has differed from all that the stream told between the question and half a
second after the answer, by more than a little, `STRIKES` times in a row. Then no quote of that instrument goes out, its subscription is
made anew, and it is believed again when an answer agrees. One that is as bad is made anew once more, after a pause that doubles each
time: others' books come by the same socket. Only best-bid/ask streams are used: ccxt's incremental books are never read.

Where a stream tells nothing of an instrument since it was subscribed, while it tells of others, the venue's own touch is held against
itself: one that moved should have been told.

This finds what nothing else does: a topic of one instrument that was lost on a living socket, and a lost change of a book that no sequence
number tells of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

import structlog

from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_mapping import Instruments, Unreadable, price, told
from bot.adapters.venue.profile import Touch
from bot.adapters.venue.throttle import Lane
from bot.core.events import Quote
from bot.core.units import InstrumentId
from bot.ports import Clock

log = structlog.get_logger(__name__)

CHECK_SECONDS = 10.0
"""How often each instrument is asked for."""
SETTLE_SECONDS = 0.5
STRIKES = 3
STRIKE_PAUSE_SECONDS = 1.0
ANEW_AGAIN_SECONDS = 60.0
"""How long a subscription that was made anew is left alone though it is not believed; doubled each time, up to ANEW_AGAIN_SECONDS_MAX."""
ANEW_AGAIN_SECONDS_MAX = 1_800.0
TOLERANCE = Decimal("0.0005")
"""Part of the price by which an answer may lie outside of what the stream told: answers come from caches."""

Doubted = Callable[[str, str], None]
"""Called with the venue's symbol and a sentence when a stream is not believed any more."""


@dataclass(slots=True)
class _Range:
    """Lowest and highest bid and ask told while a question was open."""

    bids: tuple[Decimal, Decimal]
    asks: tuple[Decimal, Decimal]

    def widen(self, bid: Decimal, ask: Decimal) -> None:
        self.bids = min(self.bids[0], bid), max(self.bids[1], bid)
        self.asks = min(self.asks[0], ask), max(self.asks[1], ask)

    def holds(self, bid: Decimal, ask: Decimal) -> bool:
        return _within(bid, self.bids) and _within(ask, self.asks)


class BookCheck:
    """Compares one venue's streams with its answers. `doubtful` are the instruments whose quotes must not be used."""

    def __init__(
        self, asker: Asker, touch: Touch, instruments: Instruments, clock: Clock, doubted: Doubted, others_told: Callable[[str], bool]
    ) -> None:
        """`others_told`: whether books are heard where an instrument's would be (the venue's symbol)."""
        self._asker = asker
        self._touch = touch
        self._instruments = instruments
        self._clock = clock
        self._doubted = doubted
        self._others_told = others_told
        self._untold: dict[InstrumentId, tuple[Decimal, Decimal]] = {}
        self._newest: dict[InstrumentId, tuple[Decimal, Decimal]] = {}
        self._open: dict[InstrumentId, _Range] = {}
        self._made_anew: dict[InstrumentId, tuple[int, float]] = {}
        self.doubtful: set[InstrumentId] = set()

    def heard(self, quote: Quote) -> None:
        """What the stream tells now."""
        self._newest[quote.instrument] = quote.bid, quote.ask
        if quote.instrument in self._open:
            self._open[quote.instrument].widen(quote.bid, quote.ask)

    def forget(self, instrument: InstrumentId) -> None:
        """Its subscription is made anew: nothing is told of it."""
        self._newest.pop(instrument, None)
        self._open.pop(instrument, None)
        self._untold.pop(instrument, None)

    async def run(self) -> NoReturn:
        """Asks for one instrument after the other until cancelled."""
        while True:
            symbols = tuple(self._instruments)
            for symbol in symbols:
                await self._clock.sleep(CHECK_SECONDS / len(symbols))
                await self.check(symbol)

    async def check(self, symbol: str) -> None:
        """One instrument, as often as it takes to be sure."""
        instrument, difference = self._instruments[symbol].id, ""
        for strike in range(STRIKES):
            if strike:
                await self._clock.sleep(STRIKE_PAUSE_SECONDS)
            found = await self._difference(symbol, instrument)
            if found is None:
                return
            if not found:
                if instrument in self.doubtful:
                    log.info("book_believed_again", instrument=instrument)
                self.doubtful.discard(instrument)
                self._made_anew.pop(instrument, None)
                return
            difference = found
        times, last_at = self._made_anew.get(instrument, (0, 0.0))
        pause = min(ANEW_AGAIN_SECONDS * 2 ** min(times - 1, 10), ANEW_AGAIN_SECONDS_MAX) if times else 0.0
        if instrument not in self.doubtful or self._clock.steady() - last_at >= pause:
            self.doubtful.add(instrument)
            self._made_anew[instrument] = times + 1, self._clock.steady()
            log.error("book_doubted", instrument=instrument, difference=difference, made_anew=times + 1)
            self._doubted(symbol, difference)

    async def _difference(self, symbol: str, instrument: InstrumentId) -> str | None:
        """How stream and answer differ in a sentence, an empty one when they agree; None when there is nothing to compare."""
        newest = self._newest.get(instrument)
        if newest is None:
            return await self._moved_untold(symbol, instrument)
        asked = self._open[instrument] = _Range((newest[0], newest[0]), (newest[1], newest[1]))
        try:
            touch = await self._answer(symbol)
            await self._clock.sleep(SETTLE_SECONDS)
        except (NotAnswered, Unreadable):
            return None
        finally:
            still_open = self._open.pop(instrument, None)
        bid, ask = touch
        if bid is None or ask is None or still_open is not asked:
            return None
        if asked.holds(bid, ask):
            return ""
        newest = self._newest.get(instrument, newest)
        return f"the stream's touch is {newest[0]} / {newest[1]}, the venue's own answer {bid} / {ask}"

    async def _answer(self, symbol: str) -> tuple[Decimal | None, Decimal | None]:
        """The venue's own best bid and ask. Raises NotAnswered or Unreadable."""
        rows = await self._asker.rows(self._touch.query, Lane.MARKET_DATA, symbols=[symbol])
        row = next((row for row in rows if told(row, self._touch.shape.symbol) == symbol), None)
        return (None, None) if row is None else (price(row, self._touch.shape.bid), price(row, self._touch.shape.ask))

    async def _moved_untold(self, symbol: str, instrument: InstrumentId) -> str | None:
        """How the venue's touch moved while the stream, which tells of others, has told nothing of it; None while that is not known."""
        try:
            bid, ask = await self._answer(symbol) if self._others_told(symbol) else (None, None)
        except (NotAnswered, Unreadable):
            return None
        if bid is None or ask is None or instrument in self._newest:
            return None
        before = self._untold.setdefault(instrument, (bid, ask))
        if before == (bid, ask):
            return None
        return f"the stream tells nothing, the venue's own touch went from {before[0]} / {before[1]} to {bid} / {ask}"


def _within(answer: Decimal, told_of: tuple[Decimal, Decimal]) -> bool:
    low, high = told_of
    return low * (1 - TOLERANCE) <= answer <= high * (1 + TOLERANCE)
