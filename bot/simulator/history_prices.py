"""Which recorded bars make a venue's price, mark and index of an asset, and what stands in where there are none.

A gap of at most BRIDGED_MS inside the window is crossed on a straight line and told; a longer one disqualifies the file for this
window, and the next coarser one is tried. A venue without usable bars is synthesised from the one with the finest, and says so.
Price: perpetual bars. Mark: mark bars of at most an hour, else the price itself; one knot in eight hours, taken in a crash, would hold the
mark a per cent or two from the price until the next, where no real venue's mark stays.
Index: the venue's own spot bars, else Binance's, else the mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.units import Millis
from bot.simulator.bar_paths import Beside, Knots, Price, Ridden, path_along, path_of
from bot.simulator.history_files import (
    HOUR_MS,
    Bars,
    HistoryFiles,
    Kind,
    WindowUnserved,
    recorded_symbol,
    recorded_venue,
    unreliable_note,
)
from bot.simulator.market import utc
from bot.simulator.noise import Reverting

BRIDGED_MS: Millis = 15 * 60_000
"""The longest gap between bars that is crossed on a straight line."""

_ALIGNED_MS: Millis = 8 * HOUR_MS  # bars are read to these bounds around the window, so that coarse bars at its ends keep their shape
_INDEX_VENUE = "binanceusdm"
_BASIS = 0.00015


@dataclass(frozen=True, slots=True)
class Prices:
    """One venue's prices of one asset and, for people, where they come from."""

    fair: Price
    mark: Price
    index: Price
    says: str


@dataclass(frozen=True, slots=True)
class _Choice:
    """The finest usable bars of one series, None when there are none, and what must be told of the choice."""

    bars: Bars | None
    notes: tuple[str, ...]


def prices_of(
    files: HistoryFiles, venues: Sequence[str], sources: Sequence[str], asset: str, window: tuple[Millis, Millis], key: str
) -> dict[str, Prices]:
    """The prices of one asset at every one of `venues`, from bars of `sources` (venues too, some of which may not be asked for).

    `key` seeds what is synthesised. Raises WindowUnserved, naming the gaps, when no source has usable bars.
    """
    choices = {venue: _choose(files, "perp", venue, asset, window) for venue in sources}
    usable = {venue: choice.bars for venue, choice in choices.items() if choice.bars is not None}
    if not usable:
        reasons = "; ".join(f"{venue}: {', '.join(choice.notes)}" for venue, choice in choices.items())
        raise WindowUnserved(files.directory, f"{asset} cannot be replayed over {utc(window[0])}..{utc(window[1])} ({reasons})")
    source = min(usable, key=lambda venue: usable[venue].interval_ms)  # the first named where several are as fine
    reference = path_of(usable[source])
    prices: dict[str, Prices] = {}
    for venue in dict.fromkeys((source, *venues)):
        notes = choices[venue].notes
        if venue in usable:
            fair = reference if venue == source else path_along(usable[venue], reference)
            says = ", ".join((f"price {_told(usable[venue], window)}", *notes))
            prices[venue] = _recorded(files, venue, asset, window, fair, says)
        else:
            basis = Reverting(f"{key}/{venue}/{asset}", deviation=_BASIS, half_life_ms=HOUR_MS // 2, step_ms=60_000)
            prices[venue] = _synthesised(prices[source], basis, window[0], f"synthesised from {source} {asset}", ", ".join(notes))
    return {venue: prices[venue] for venue in venues}


def _recorded(files: HistoryFiles, venue: str, asset: str, window: tuple[Millis, Millis], fair: Knots, says: str) -> Prices:
    marks = _choose(files, "mark", venue, asset, window).bars
    if marks is None:
        mark: Price = fair
        says += "; mark = price"
    elif marks.interval_ms > HOUR_MS:
        mark = fair
        says += f"; mark = price ({marks.source} is too coarse)"
    else:
        mark = Ridden(marks, fair)
        says += f"; mark {_told(marks, window)}"
    for spot_venue in (venue, _INDEX_VENUE):
        spot = _choose(files, "spot", spot_venue, asset, window).bars
        if spot is not None:
            return Prices(fair, mark, Ridden(spot, fair), f"{says}; index {_told(spot, window)}")
    return Prices(fair, mark, mark, f"{says}; index = mark")


def _synthesised(source: Prices, basis: Reverting, start: Millis, label: str, why: str) -> Prices:
    fair, mark = (Beside(price, basis, start) for price in (source.fair, source.mark))
    return Prices(fair, mark, source.index, f"{label}: its price and mark with a seeded basis, its index ({why})")


def _choose(files: HistoryFiles, kind: Kind, venue: str, asset: str, window: tuple[Millis, Millis]) -> _Choice:
    start, end = window
    name, symbol = recorded_venue(venue), recorded_symbol(asset)
    first, last = start // _ALIGNED_MS * _ALIGNED_MS, -(-end // _ALIGNED_MS) * _ALIGNED_MS
    believed, refused = files.bars(kind, name, symbol, first, last)
    notes = [*refused]
    if kind == "perp" and (note := unreliable_note(name, start, end)):
        notes.append(note)
    for bars in believed:
        gaps = list(bars.gaps(start, end))
        if long := [gap for gap in gaps if gap[1] - gap[0] > BRIDGED_MS]:
            notes.append(f"{bars.source} lacks {utc(long[0][0])}..{utc(long[0][1])}")
            continue
        notes += [f"bridged {utc(gap[0])}..{utc(gap[1])}" for gap in gaps]
        return _Choice(bars, tuple(notes))
    return _Choice(None, tuple(notes) or (f"no {kind} bars of {name} {symbol} in the window",))


def _told(bars: Bars, window: tuple[Millis, Millis]) -> str:
    return f"{bars.source} ({bars.count(*window)} bars of {bars.interval_ms // 60_000} min)"
