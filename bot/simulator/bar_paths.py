"""How bars become a price at every instant. Deterministic, and true to the bars: open, high, low and close are all touched.

A bar of its own: a line from the open (at its start) over the nearer of high and low (after a third) and the farther one (after two
thirds) to the close (in its last millisecond). Nearer first, because a market seldom runs to the far side and back before it has
looked at the near one.

A coarser bar beside a finer reference of the same asset at another venue: it follows the reference's shape, scaled so that it starts
at its own open and ends at its own close, kept inside its own range, and at the reference's highest and lowest instants it
touches its own high and low. Otherwise two venues would turn at different times inside a bar and drift percents apart, which
never happened.

Mark and index ride: they are the perpetual's path plus their own distance from it, known at the ends of their bars and interpolated in
between, kept inside their own bar's range.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Protocol

from bot.core.units import Millis
from bot.simulator.history_files import Bars
from bot.simulator.noise import Reverting


class Price(Protocol):
    """A price at every instant of market time."""

    def at(self, market_ms: Millis) -> float:
        """Quote per base."""


class Knots:
    """A line through instants and values in order; constant before the first and after the last. Gaps are crossed on a straight line."""

    def __init__(self, instants: Sequence[Millis], values: Sequence[float]) -> None:
        self.instants = array("q", instants)
        self.values = array("d", values)

    def at(self, market_ms: Millis) -> float:
        """The value on the line."""
        after = bisect_right(self.instants, market_ms)
        if after == 0:
            return self.values[0]
        if after == len(self.instants):
            return self.values[-1]
        first, here = self.instants[after - 1], self.values[after - 1]
        return here + (self.values[after] - here) * (market_ms - first) / (self.instants[after] - first)


class Ridden:
    """A mark or index price that rides on a perpetual's path (see the module). Beyond its bars it keeps its last known distance."""

    def __init__(self, bars: Bars, reference: Knots) -> None:
        self._bars = bars
        self._reference = reference
        first, last = reference.instants[0], reference.instants[-1]
        instants: list[Millis] = []
        distances: list[float] = []
        for start, opened, closed in zip(bars.starts, bars.opens, bars.closes, strict=True):
            for at, price in ((start, opened), (start + bars.interval_ms - 1, closed)):
                if first <= at <= last:
                    instants.append(at)
                    distances.append(price / reference.at(at) - 1)
        self._distance = Knots(instants or [first], distances or [0.0])

    def at(self, market_ms: Millis) -> float:
        """Quote per base."""
        price = self._reference.at(market_ms) * (1 + self._distance.at(market_ms))
        bars = self._bars
        bar = bisect_right(bars.starts, market_ms) - 1
        if bar < 0 or market_ms >= bars.starts[bar] + bars.interval_ms:
            return price
        return min(bars.highs[bar], max(bars.lows[bar], price))


class Beside:
    """A synthesised price: another venue's path times one plus a small seeded basis that reverts to nothing."""

    def __init__(self, source: Price, basis: Reverting, start: Millis) -> None:
        self._source = source
        self._basis = basis
        self._start = start

    def at(self, market_ms: Millis) -> float:
        """Quote per base."""
        return self._source.at(market_ms) * (1 + self._basis.at(market_ms - self._start))


def path_of(bars: Bars) -> Knots:
    """The path of bars that stand alone: the rule's first paragraph."""
    instants: list[Millis] = []
    values: list[float] = []
    for bar in range(len(bars.starts)):
        _append_alone(bars, bar, instants, values)
    return Knots(instants, values)


def path_along(bars: Bars, reference: Knots) -> Knots:
    """The path of bars beside a reference that is as fine or finer: the rule's second paragraph, the first where it has a gap."""
    instants: list[Millis] = []
    values: list[float] = []
    for bar, start in enumerate(bars.starts):
        first = bisect_left(reference.instants, start)
        after = bisect_left(reference.instants, start + bars.interval_ms)
        inside = reference.instants[first:after]
        if len(inside) >= 4 and inside[0] == start and inside[-1] == start + bars.interval_ms - 1:
            instants.extend(inside)
            values.extend(_shaped(bars, bar, inside, reference.values[first:after]))
        else:
            _append_alone(bars, bar, instants, values)
    return Knots(instants, values)


def _append_alone(bars: Bars, bar: int, instants: list[Millis], values: list[float]) -> None:
    start, third = bars.starts[bar], bars.interval_ms // 3
    opened, high, low = bars.opens[bar], bars.highs[bar], bars.lows[bar]
    turns = (low, high) if opened - low <= high - opened else (high, low)
    instants.extend((start, start + third, start + 2 * third, start + bars.interval_ms - 1))
    values.extend((opened, *turns, bars.closes[bar]))


def _shaped(bars: Bars, bar: int, instants: Sequence[Millis], shape: Sequence[float]) -> list[float]:
    high, low = bars.highs[bar], bars.lows[bar]
    at_open, at_close = bars.opens[bar] / shape[0], bars.closes[bar] / shape[-1]
    length = instants[-1] - instants[0]
    scaled = [
        value * (at_open + (at_close - at_open) * (instant - instants[0]) / length) for instant, value in zip(instants, shape, strict=True)
    ]
    values = [min(high, max(low, value)) for value in scaled]
    inner = range(1, len(values) - 1)
    lowest = min(inner, key=scaled.__getitem__)
    highest = max((knot for knot in inner if knot != lowest), key=scaled.__getitem__)
    values[0], values[-1] = bars.opens[bar], bars.closes[bar]
    values[lowest], values[highest] = low, high
    return values
