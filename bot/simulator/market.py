"""Market paths: what the outside world does at every venue, at any instant of market time, without a clock.

A path is pure: the same path asked for the same instant says the same. It says where a venue's makers quote (`fair`), the mark and
index price, how wide and deep the makers are, and the funding rate of the running interval; and which settlements lie between two
instants. Paths are generated (`generator.py`) or replayed (`history.py`); whatever is not the venue's own record says
"synthesised" in `provenance`. Units: prices are quote per base, `half_spread` quote per base, depth and open interest base units,
rates fractions per funding interval (> 0: longs pay shorts), instants ms of MARKET time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from math import log, sqrt
from types import MappingProxyType
from typing import Protocol

from bot.core.units import DAY_MS, YEAR_MS, Millis, down_to_step, up_to_step
from bot.simulator.model import Contract, MarketTick

CALM_MS: Millis = 300_000
"""How far back a quote looks to judge how restless the market is."""

NORMAL_VOLATILITY = 0.60
"""Annualised volatility that counts as restless degree 1; between the long-run figures of BTC and ETH."""

LEVELS = 12
"""How many levels the makers of a venue fill on each side."""

LEVEL_STEP = Decimal("0.00005")
"""How far the levels stand apart, as a fraction of the price: twelve of them reach six basis points from the touch."""

_LEVEL_GROWTH = 1.25
_RESTLESS_MAX = 12.0
_TOP_NOTIONAL = {"BTC": 150_000.0, "ETH": 100_000.0, "SOL": 50_000.0}
_TOP_NOTIONAL_ELSE = 15_000.0
_HALF_SPREAD = {"BTC": 0.00001, "ETH": 0.000015, "SOL": 0.00004}
_HALF_SPREAD_ELSE = 0.0001
_INTEREST = {"BTC": 8.0e9, "ETH": 5.0e9, "SOL": 1.5e9}
_INTEREST_ELSE = 1.0e8
_VENUE_WEIGHT = {"binanceusdm": 1.0, "binancecoinm": 0.5, "bybit": 0.7, "okx": 0.6, "hyperliquid": 0.4}
_VENUE_WEIGHT_ELSE = 0.3

REDEMPTION_LABEL = "wstETH redemption rate: synthesised, 3 % a year from 1.18 on 2024-10-01, one step a day at 12:00 UTC"
"""What must be told wherever the rate of `redemption_rate` is shown: no history directory holds one."""

_REDEMPTION_BASE = 1.18
_REDEMPTION_GROWTH = 1.03
_REDEMPTION_FROM: Millis = 1_727_784_000_000  # 2024-10-01T12:00Z; the protocol's oracle reports once a day around noon


@dataclass(frozen=True, slots=True, kw_only=True)
class PathPoint:
    """One perpetual at one venue at one instant. Units as in the module; `depth` is per level, best first, the same on both sides."""

    venue: str
    asset: str
    at: Millis
    fair: Decimal
    mark: Decimal
    index: Decimal
    half_spread: Decimal
    depth: tuple[Decimal, ...]
    funding_rate: Decimal
    open_interest: Decimal


@dataclass(frozen=True, slots=True)
class Settlement:
    """A venue settles funding of an asset `at` an instant of market time, at `rate` for the interval that ends there."""

    venue: str
    asset: str
    at: Millis
    rate: Decimal


class MarketPath(Protocol):
    """A world of prices and funding over [start_ms, end_ms] of market time."""

    @property
    def label(self) -> str:
        """The path in a few words, for people."""

    @property
    def start_ms(self) -> Millis:
        """The first instant that may be sampled."""

    @property
    def end_ms(self) -> Millis:
        """The last instant that may be sampled."""

    @property
    def provenance(self) -> Mapping[tuple[str, str], str]:
        """For each (venue, asset) that is served: which file and rows, or "synthesised from ..."."""

    def funding_interval_ms(self, venue: str, asset: str) -> Millis:
        """The venue's own interval between settlements. Raises KeyError for what is not served."""

    def sample(self, market_ms: Millis) -> tuple[PathPoint, ...]:
        """One point per (venue, asset) served, venues first. Raises ValueError outside [start_ms, end_ms]."""

    def settlements(self, after_ms: Millis, until_ms: Millis) -> tuple[Settlement, ...]:
        """The settlements with after_ms < at <= until_ms inside the path, in order of time."""


def to_ticks(points: Iterable[PathPoint], contracts: Sequence[Contract]) -> tuple[MarketTick, ...]:
    """One venue's points as ticks of its contracts, in the contracts' order: a point serves every contract on its asset.

    Fair, mark and index are rounded to the nearest tick (at least one), the half spread up to a multiple of half a tick, the distance
    of the levels up to whole ticks, depth down to what whole lots of the contract come to in base units. A contract without a point
    gets no tick: its market stays as it was.
    Raises ValueError when two points speak of one asset, because then they are not one venue's.
    """
    by_asset: dict[str, PathPoint] = {}
    for point in points:
        if point.asset in by_asset:
            raise ValueError(f"two points for {point.asset}: {by_asset[point.asset].venue} and {point.venue}; give one venue's points")
        by_asset[point.asset] = point
    return tuple(_tick(by_asset[contract.base], contract) for contract in contracts if contract.base in by_asset)


def _tick(point: PathPoint, contract: Contract) -> MarketTick:
    fair = _nearest(point.fair, contract.tick)
    lot = contract.lot * contract.contract_size  # quote units when inverse
    lot_base = lot / fair if contract.inverse else lot
    return MarketTick(
        symbol=contract.symbol,
        fair=fair,
        mark=_nearest(point.mark, contract.tick),
        index=_nearest(point.index, contract.tick),
        funding_rate=point.funding_rate,
        half_spread=up_to_step(point.half_spread, contract.tick / 2),
        depth=tuple(down_to_step(level, lot_base) for level in point.depth),
        open_interest=point.open_interest,
        spread_step=up_to_step(fair * LEVEL_STEP, contract.tick),
    )


def _nearest(price: Decimal, tick: Decimal) -> Decimal:
    return max(tick, down_to_step(price + tick / 2, tick))


@dataclass(frozen=True, slots=True)
class FundingOverride:
    """A path with another's prices and one venue's funding of one asset replaced from an instant on (see `with_funding`)."""

    path: MarketPath
    venue: str
    asset: str
    rate: Decimal
    from_ms: Millis

    @property
    def label(self) -> str:
        """The path's label and what is overridden."""
        return f"{self.path.label}; {self._says}"

    @property
    def start_ms(self) -> Millis:
        """As in the path."""
        return self.path.start_ms

    @property
    def end_ms(self) -> Millis:
        """As in the path."""
        return self.path.end_ms

    @property
    def provenance(self) -> Mapping[tuple[str, str], str]:
        """The path's, with the override told where it holds."""
        own = dict(self.path.provenance)
        own[self.venue, self.asset] += f"; {self._says}"
        return MappingProxyType(own)

    @property
    def _says(self) -> str:
        return f"funding of {self.asset} at {self.venue} set to {self.rate} from {utc(self.from_ms)}"

    def funding_interval_ms(self, venue: str, asset: str) -> Millis:
        """As in the path."""
        return self.path.funding_interval_ms(venue, asset)

    def sample(self, market_ms: Millis) -> tuple[PathPoint, ...]:
        """The path's points; the overridden rate from `from_ms` on."""
        return tuple(
            replace(point, funding_rate=self.rate) if self._holds(point.venue, point.asset, point.at) else point
            for point in self.path.sample(market_ms)
        )

    def settlements(self, after_ms: Millis, until_ms: Millis) -> tuple[Settlement, ...]:
        """The path's settlements; the overridden rate from `from_ms` on."""
        return tuple(
            replace(settlement, rate=self.rate) if self._holds(settlement.venue, settlement.asset, settlement.at) else settlement
            for settlement in self.path.settlements(after_ms, until_ms)
        )

    def _holds(self, venue: str, asset: str, at: Millis) -> bool:
        return venue == self.venue and asset == self.asset and at >= self.from_ms


def with_funding(path: MarketPath, venue: str, asset: str, rate: Decimal, from_ms: Millis) -> MarketPath:
    """The path with the funding rate (per interval) of one asset at one venue replaced from an instant of market time on.

    Raises KeyError when the path does not serve that asset at that venue: an override that nobody sees would be a story that lies.
    """
    if (venue, asset) not in path.provenance:
        raise KeyError(f"{path.label} does not serve {asset} at {venue}")
    return FundingOverride(path, venue, asset, rate, from_ms)


def redemption_rate(asset: str, market_ms: Millis) -> Decimal | None:
    """Underlying units that one LST unit redeems for at an instant, None for an asset without such a rate (see REDEMPTION_LABEL).

    Synthesised. Like the real one it moves in daily steps, so a compressed day shows the step and not a drift.
    """
    if asset != "wstETH":
        return None
    days = (market_ms - _REDEMPTION_FROM) // DAY_MS
    return Decimal(f"{_REDEMPTION_BASE * _REDEMPTION_GROWTH ** (days / 365):.8f}")


def restlessness(price: float, earlier: float) -> float:
    """How far the price moved in CALM_MS, in standard deviations of a normal day: 0 is calm, capped at 12."""
    return min(_RESTLESS_MAX, abs(log(price / earlier)) / (NORMAL_VOLATILITY * sqrt(CALM_MS / YEAR_MS)))


def quoted(venue: str, asset: str, fair: float, restless: float) -> tuple[Decimal, tuple[Decimal, ...]]:
    """The makers' half spread (quote per base) and depth per level (base units): wide and thin when restless, tight and deep in calm.

    Synthesised for every path, from the order of magnitude of the venues' public books; no replayed record holds books.
    """
    half_spread = fair * _HALF_SPREAD.get(asset, _HALF_SPREAD_ELSE) * (1 + restless)
    top = _TOP_NOTIONAL.get(asset, _TOP_NOTIONAL_ELSE) * _VENUE_WEIGHT.get(venue, _VENUE_WEIGHT_ELSE) / fair / (1 + restless / 2)
    return to_decimal(half_spread), tuple(to_decimal(top * _LEVEL_GROWTH**level) for level in range(LEVELS))


def open_interest(venue: str, asset: str, fair: float) -> float:
    """A plausible open interest in base units, of the size of the real venues' in 2025. Synthesised for every path."""
    return _INTEREST.get(asset, _INTEREST_ELSE) * _VENUE_WEIGHT.get(venue, _VENUE_WEIGHT_ELSE) / fair


def to_decimal(value: float) -> Decimal:
    """A float path's value as a Decimal of eight significant digits: finer than any tick, and free of the float's last bits."""
    exact = Decimal(f"{value:.8g}")
    return exact if value < 1e8 else exact.quantize(Decimal(1))  # no exponent in what a venue prints


def utc(at: Millis) -> str:
    """An instant as people read it, to the minute: `2025-02-21T00:00Z`."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
