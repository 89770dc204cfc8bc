"""A replay of real market history as a market path: the finest believable bars per venue and asset, and the recorded funding.

What is missing stays visible: gaps that were bridged, files that were not believed and everything synthesised are told in
`provenance` (rules: `history_files.py`, `history_prices.py`, `history_funding.py`, `bar_paths.py`). An asset that no venue can serve over
the window is left out (`absent`), except BTC and ETH: without them the window is refused with the gap named. Spread, depth and
open interest are always synthesised, for no record holds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from bot.core.units import DAY_MS, Millis
from bot.simulator.history_files import HOUR_MS, HistoryFiles, HistoryUnreadable, WindowUnserved, recorded_symbol, recorded_venue
from bot.simulator.history_funding import Funding, funding_of
from bot.simulator.history_prices import Prices, prices_of
from bot.simulator.market import CALM_MS, PathPoint, Settlement, open_interest, quoted, restlessness, to_decimal, utc

WINDOW_MIN_MS: Millis = HOUR_MS
WINDOW_MAX_MS: Millis = 92 * DAY_MS
PREFERRED_DAY: Millis = 1_740_096_000_000
"""2025-02-21 UTC: a falling market, a venue in trouble. The default window where it is held."""

REQUIRED = ("BTC", "ETH")
"""Assets without which a window is not worth replaying (as far as they are asked for)."""

_SOURCES = ("binanceusdm", "bybit")  # may lend their record to venues that have none, even when they are not asked for
_DAYS_TRIED = 20


def parse_window(text: str) -> tuple[Millis, Millis]:
    """`FROM..TO` as instants in ms; each side an ISO date or time, UTC unless it names an offset. Raises HistoryUnreadable."""
    try:
        first, last = text.split("..")
        return _instant(first), _instant(last)
    except ValueError as error:
        raise HistoryUnreadable(repr(text), "is not a window; write FROM..TO, for example 2025-02-21..2025-02-22T12:00") from error


def _instant(text: str) -> Millis:
    at = datetime.fromisoformat(text.strip())
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


class HistoryPath:
    """A MarketPath over recorded history (see the module). `window` is (from, to) in ms, None for a day that the directory holds.

    The default is PREFERRED_DAY, else the newest of the UTC days that hold all bars of the most series. `seed` shapes only what is
    synthesised. Raises HistoryUnreadable (or its WindowUnserved) when the directory, a file, a column, the window or pyarrow is
    missing or wrong, or when an asset of REQUIRED cannot be served over the whole window; ValueError for no venue or no asset.
    """

    def __init__(
        self, directory: Path | str, window: tuple[Millis, Millis] | None, venues: Sequence[str], assets: Sequence[str], *, seed: int = 0
    ) -> None:
        if not venues or not assets:
            raise ValueError("a path needs at least one venue and one asset")
        self._directory, self._venues, self._assets = Path(directory), tuple(venues), tuple(assets)
        self._key = f"hedgebot/history/{seed}"
        self.absent: dict[str, str] = {}
        """Assets asked for that this window does not hold, and why."""
        self._prices: dict[tuple[str, str], Prices] = {}
        self._funding: dict[tuple[str, str], Funding] = {}
        if window is None:
            self._load_default()
        else:
            self._load(*window)
        self.label = f"history {utc(self.start_ms)}..{utc(self.end_ms)} from {directory}"
        self.provenance: Mapping[tuple[str, str], str] = MappingProxyType(
            {
                pair: f"{prices.says}; {self._funding[pair].says}; spread, depth and open interest synthesised"
                for pair, prices in self._prices.items()
            }
        )

    def funding_interval_ms(self, venue: str, asset: str) -> Millis:
        """As recorded at the start of the window. Raises KeyError for what is not served."""
        return self._funding[venue, asset].interval_ms(self.start_ms)

    def sample(self, market_ms: Millis) -> tuple[PathPoint, ...]:
        """One point per (venue, asset) served, venues first. Raises ValueError outside the window."""
        if not self.start_ms <= market_ms <= self.end_ms:
            raise ValueError(f"market time {market_ms} is outside {self.start_ms}..{self.end_ms}")
        earlier = max(self.start_ms, market_ms - CALM_MS)
        return tuple(self._point(venue, asset, market_ms, earlier) for venue, asset in self._prices)

    def _point(self, venue: str, asset: str, at: Millis, earlier: Millis) -> PathPoint:
        prices = self._prices[venue, asset]
        fair = prices.fair.at(at)
        half_spread, depth = quoted(venue, asset, fair, restlessness(fair, prices.fair.at(earlier)))
        return PathPoint(
            venue=venue,
            asset=asset,
            at=at,
            fair=to_decimal(fair),
            mark=to_decimal(prices.mark.at(at)),
            index=to_decimal(prices.index.at(at)),
            half_spread=half_spread,
            depth=depth,
            funding_rate=self._funding[venue, asset].predicted(at),
            open_interest=to_decimal(open_interest(venue, asset, prices.fair.at(self.start_ms))),
        )

    def settlements(self, after_ms: Millis, until_ms: Millis) -> tuple[Settlement, ...]:
        """The recorded settlements with after_ms < at <= until_ms inside the window, in order of time."""
        after, until = max(after_ms, self.start_ms - 1), min(until_ms, self.end_ms)
        found = [
            Settlement(venue, asset, at, rate)
            for (venue, asset), funding in self._funding.items()
            for at, rate in funding.settled(after, until)
        ]
        return tuple(sorted(found, key=lambda settlement: settlement.at))

    def _load_default(self) -> None:
        try:
            return self._load(PREFERRED_DAY, PREFERRED_DAY + DAY_MS)
        except WindowUnserved as refusal:
            days = self._files().full_days()
            for day in sorted(days, key=lambda day: (len(days[day]), day), reverse=True)[:_DAYS_TRIED]:
                try:
                    return self._load(day * DAY_MS, (day + 1) * DAY_MS)
                except WindowUnserved:
                    continue
            why = f"no full UTC day in it can be replayed as a default; name a window; {utc(PREFERRED_DAY)}, for one: {refusal.why}"
            raise WindowUnserved(self._directory, why) from refusal

    def _files(self) -> HistoryFiles:
        """A fresh view of the directory, bounded to the venues and assets in question."""
        names = {recorded_venue(venue) for venue in (*self._venues, *_SOURCES)}
        return HistoryFiles(self._directory, sorted(names), [recorded_symbol(asset) for asset in self._assets])

    def _load(self, start: Millis, end: Millis) -> None:
        if not WINDOW_MIN_MS <= end - start <= WINDOW_MAX_MS:
            allowed = f"a window runs forward and lasts {WINDOW_MIN_MS // HOUR_MS} h to {WINDOW_MAX_MS // DAY_MS} days"
            raise HistoryUnreadable(self._directory, f"cannot be replayed over {utc(start)}..{utc(end)}; {allowed}")
        self.start_ms, self.end_ms = start, end
        self.absent.clear()
        files = self._files()
        sources = tuple(dict.fromkeys((*self._venues, *_SOURCES)))
        prices: dict[str, dict[str, Prices]] = {}
        funding: dict[str, dict[str, Funding]] = {}
        for asset in self._assets:
            try:
                prices[asset] = prices_of(files, self._venues, sources, asset, (start, end), self._key)
                funding[asset] = funding_of(files, self._venues, sources, asset, (start, end), self._key)
            except WindowUnserved as refusal:
                if asset in REQUIRED:
                    raise
                self.absent[asset] = refusal.why
        files.release()
        if not funding:
            raise WindowUnserved(self._directory, "; ".join(self.absent.values()))
        pairs = [(venue, asset) for venue in self._venues for asset in funding]
        self._prices = {(venue, asset): prices[asset][venue] for venue, asset in pairs}
        self._funding = {(venue, asset): funding[asset][venue] for venue, asset in pairs}
