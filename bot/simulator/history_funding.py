"""Recorded funding as a path: which settlements a venue's record holds, what is predicted between them, what is synthesised.

A record serves a window when no two of its settlements that touch the window lie farther apart than their own interval; the interval
column alone proves nothing, because it runs on across gaps. Between two settlements the predicted rate runs in a line from the last
settled rate to the next one, because venues' predictions end where they settle. A venue without a complete record gets another's
settlements with a small seeded difference, and says so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from random import Random

from bot.core.units import DAY_MS, Millis
from bot.simulator.history_files import FUNDING_FILE, FundingRow, HistoryFiles, WindowUnserved, recorded_symbol, recorded_venue
from bot.simulator.market import utc

_RATE_STEP = Decimal("1e-8")
_DIFFERENCE = 0.00001
_NOTES = {"okx": "; its time labels are unverified and may be 8 to 16 h late"}


class Funding:
    """One venue's settlements of one asset, with a day on either side of the window for the predictions at its ends."""

    def __init__(self, rows: Sequence[FundingRow], rates: Sequence[Decimal], says: str) -> None:
        self.rows, self.rates, self.says = rows, rates, says
        self._instants = [row.at for row in rows]

    def predicted(self, at: Millis) -> Decimal:
        """The rate (fraction per interval) that the venue would show for the next settlement, to eight decimals."""
        after = bisect_right(self._instants, at)
        if after in (0, len(self.rates)):
            return self.rates[min(after, len(self.rates) - 1)]
        last, following = self.rates[after - 1], self.rates[after]
        run = Decimal(at - self._instants[after - 1]) / (self._instants[after] - self._instants[after - 1])
        return (last + (following - last) * run).quantize(_RATE_STEP)

    def settled(self, after_ms: Millis, until_ms: Millis) -> Iterator[tuple[Millis, Decimal]]:
        """Instants and rates of the settlements with after_ms < at <= until_ms."""
        for at in range(bisect_right(self._instants, after_ms), bisect_right(self._instants, until_ms)):
            yield self._instants[at], self.rates[at]

    def interval_ms(self, start: Millis) -> Millis:
        """The interval of the first settlement after the start; a venue in turmoil may change it, and settles when it did."""
        return self.rows[min(bisect_right(self._instants, start), len(self.rows) - 1)].interval_ms


def funding_of(
    files: HistoryFiles, venues: Sequence[str], sources: Sequence[str], asset: str, window: tuple[Millis, Millis], key: str
) -> dict[str, Funding]:
    """The funding of one asset at every one of `venues` over the window, from the records of `sources` (venues too).

    `key` seeds what is synthesised. Raises WindowUnserved, naming the gaps, when no source has a complete record.
    """
    found = {venue: _record(files, recorded_venue(venue), recorded_symbol(asset), window) for venue in sources}
    source = next((venue for venue, (_, gap) in found.items() if gap is None), None)
    if source is None:
        reasons = "; ".join(f"{venue}: {gap}" for venue, (_, gap) in found.items())
        raise WindowUnserved(files.directory / FUNDING_FILE, f"no venue has all funding of {asset} in the window ({reasons})")
    return {
        venue: _recorded(venue, asset, found[venue][0], window)
        if found[venue][1] is None
        else _synthesised(found[source][0], f"{key}/{venue}/{asset}/funding", f"from {source} {asset}", f"{found[venue][1]}")
        for venue in venues
    }


def _recorded(venue: str, asset: str, rows: Sequence[FundingRow], window: tuple[Millis, Millis]) -> Funding:
    count = sum(window[0] <= row.at <= window[1] for row in rows)
    says = f"funding {FUNDING_FILE} ({recorded_venue(venue)} {recorded_symbol(asset)}, {count} settlements)"
    return Funding(rows, [_exact(row.rate) for row in rows], says + _NOTES.get(venue, ""))


def _synthesised(rows: Sequence[FundingRow], key: str, source: str, why: str) -> Funding:
    return Funding(rows, [_beside(row, key) for row in rows], f"funding synthesised {source} with a seeded difference ({why})")


def _record(files: HistoryFiles, name: str, symbol: str, window: tuple[Millis, Millis]) -> tuple[tuple[FundingRow, ...], str | None]:
    """The rows of the window and a day around it, and the first gap that touches the window, None when there is none."""
    start, end = window
    rows = files.funding(name, symbol, start - DAY_MS, end + DAY_MS)
    if not rows:
        return rows, f"no funding of {name} {symbol}"
    for first, last in _gaps(rows, start, end):
        if first < end and last > start:
            return rows, f"no settlement of {name} {symbol} between {utc(first)} and {utc(last)}"
    return rows, None


def _gaps(rows: Sequence[FundingRow], start: Millis, end: Millis) -> Iterator[tuple[Millis, Millis]]:
    if rows[0].at > start + rows[0].interval_ms:
        yield start, rows[0].at
    for one, following in pairwise(rows):
        if following.at - one.at > max(one.interval_ms, following.interval_ms):
            yield one.at, following.at
    if rows[-1].at + rows[-1].interval_ms < end:  # a settlement at the very end belongs to what comes after
        yield rows[-1].at, end


def _exact(rate: float) -> Decimal:
    """The recorded rate to ten decimals: all that any venue publishes, less the float's noise."""
    return Decimal(f"{rate:.10f}").normalize()


def _beside(row: FundingRow, key: str) -> Decimal:
    return Decimal(f"{row.rate + Random(f'{key}/{row.at}').gauss(0.0, _DIFFERENCE):.8f}")
