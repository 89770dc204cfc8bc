"""A seeded world: correlated prices, venue premiums that revert, and the funding rates that follow from those premiums.

Index of asset a:   S_a(t) = S_a(0) exp(v_a (c_a M(t) + sqrt(1 - c_a^2) W_a(t)) - v_a^2 t / 2 + k_a J(t)), where M is one market walk for
all assets, W_a an own walk, J rare common jumps, v_a the annual volatility and c_a the loading on the market.
Premium at venue v:  P_va(t) = level + mood_a(t) + slow_va(t) + fast_va(t), each reverting; fair = S (1 + P), mark = S (1 + P smoothed).
Funding of an interval of h hours: (mean premium + clamp(0.01 % - mean premium, +-0.05 %)) h / 8, the shape that Binance, Bybit and OKX
publish. The mean runs from the start of the interval to now, so a prediction becomes the settled rate. Levels are drawn around
-2.5 bps, where real perpetuals trade most of the time: the rate then is 0.01 % often, lower at times, negative seldom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import exp, sqrt
from random import Random
from types import MappingProxyType

from bot.core.units import DAY_MS, YEAR_MS, Millis
from bot.simulator.market import CALM_MS, PathPoint, Settlement, open_interest, quoted, restlessness, to_decimal
from bot.simulator.noise import Jumps, Reverting, Walk

HOUR_MS: Millis = 3_600_000
FUNDING_INTERVAL_MS: Millis = 8 * HOUR_MS
"""The interval of every (venue, asset) for which the caller names no other."""

DURATION_MS: Millis = 366 * DAY_MS
"""How much market time a generated path covers."""

INTEREST = 0.0001
INTEREST_CLAMP = 0.0005
"""Interest component per 8 h and how far it may pull the rate, as fractions (Binance, Bybit and OKX alike)."""

_MINUTE_MS: Millis = 60_000


@dataclass(frozen=True, slots=True)
class _Nature:
    """An asset's opening price, annual volatility, loading on the market walk and scale of the common jumps."""

    price: float
    volatility: float
    loading: float
    jump: float


NATURES: Mapping[str, _Nature] = MappingProxyType(
    {"BTC": _Nature(98_000, 0.50, 0.92, 1.0), "ETH": _Nature(2_750, 0.65, 0.85, 1.3), "SOL": _Nature(175, 0.78, 0.80, 1.6)}
)
"""The assets that can be generated."""


class _Price:
    """An asset's index price; the market walk and the jumps are shared by all assets."""

    def __init__(self, key: str, nature: _Nature, market: Walk, jumps: Jumps) -> None:
        self._nature = nature
        self._market = market
        self._jumps = jumps
        self._own = Walk(f"{key}/own")
        self._opening = nature.price * (0.95 + 0.10 * Random(f"{key}/opening").random())
        self._rest = sqrt(1 - nature.loading * nature.loading)

    def at(self, offset: Millis) -> float:
        nature = self._nature
        walk = nature.loading * self._market.at(offset) + self._rest * self._own.at(offset)
        drift = -nature.volatility * nature.volatility / 2 * offset / YEAR_MS
        return self._opening * exp(nature.volatility * walk + drift + nature.jump * self._jumps.at(offset))


class _Premium:
    """How far a venue's perpetual stands from the index, as a fraction."""

    def __init__(self, key: str, mood: Reverting) -> None:
        self._level = -0.00025 + 0.0003 * (Random(f"{key}/level").random() - 0.5)
        self._mood = mood
        self._slow = Reverting(f"{key}/slow", deviation=0.0001, half_life_ms=8 * HOUR_MS, step_ms=10 * _MINUTE_MS)
        self._fast = Reverting(f"{key}/fast", deviation=0.00007, half_life_ms=10 * _MINUTE_MS, step_ms=_MINUTE_MS)

    def at(self, offset: Millis) -> float:
        return self._level + self._mood.at(offset) + self._slow.at(offset) + self._fast.at(offset)

    def calmed(self, offset: Millis) -> float:
        """The premium with its fast part averaged over five minutes, as venues smooth their mark price."""
        return self._level + self._mood.at(offset) + self._slow.at(offset) + self._fast.mean(max(0, offset - CALM_MS), offset)

    def mean(self, after: Millis, until: Millis) -> float:
        return self._level + self._mood.mean(after, until) + self._slow.mean(after, until) + self._fast.mean(after, until)


def funding_rate(premium: float, interval_ms: Millis) -> Decimal:
    """The rate of one interval (fraction, > 0: longs pay) that a mean premium gives, to eight decimals as venues publish it."""
    eight_hourly = premium + max(-INTEREST_CLAMP, min(INTEREST_CLAMP, INTEREST - premium))
    return Decimal(f"{eight_hourly * interval_ms / FUNDING_INTERVAL_MS:.8f}")


class GeneratedPath:
    """A MarketPath drawn from a seed (see the module). Same arguments, same path, in every process and on every Python >= 3.11.

    `intervals` names funding intervals (ms) per (venue, asset) where they are not 8 h. Raises ValueError for an asset that is not in
    NATURES, for no venue or no asset, and for an interval that is not a whole divisor of a day in hours.
    """

    def __init__(
        self,
        seed: int,
        start_ms: Millis,
        venues: Sequence[str],
        assets: Sequence[str],
        intervals: Mapping[tuple[str, str], Millis] | None = None,
    ) -> None:
        if not venues or not assets:
            raise ValueError("a path needs at least one venue and one asset")
        if unknown := sorted(set(assets) - set(NATURES)):
            raise ValueError(f"cannot generate {', '.join(unknown)}; allowed: {', '.join(NATURES)}")
        self.label = f"generated, seed {seed}"
        self.start_ms = start_ms
        self.end_ms = start_ms + DURATION_MS
        self._pairs = tuple((venue, asset) for venue in venues for asset in assets)
        self._intervals = {pair: _checked((intervals or {}).get(pair, FUNDING_INTERVAL_MS), pair) for pair in self._pairs}
        self._draw(f"hedgebot/{seed}", assets)
        self.provenance: Mapping[tuple[str, str], str] = MappingProxyType(
            dict.fromkeys(self._pairs, f"synthesised by the generator, seed {seed}")
        )

    def _draw(self, key: str, assets: Sequence[str]) -> None:
        market, jumps = Walk(f"{key}/market"), Jumps(f"{key}/jumps", per_day=3.0, deviation=0.0015)
        self._prices = {asset: _Price(f"{key}/{asset}", NATURES[asset], market, jumps) for asset in assets}
        moods = {
            asset: Reverting(f"{key}/{asset}/mood", deviation=0.00015, half_life_ms=2 * DAY_MS, step_ms=10 * _MINUTE_MS) for asset in assets
        }
        self._premiums = {(venue, asset): _Premium(f"{key}/{venue}/{asset}", moods[asset]) for venue, asset in self._pairs}
        self._interests = {
            (venue, asset): Reverting(f"{key}/{venue}/{asset}/interest", deviation=0.04, half_life_ms=DAY_MS, step_ms=10 * _MINUTE_MS)
            for venue, asset in self._pairs
        }

    def funding_interval_ms(self, venue: str, asset: str) -> Millis:
        """Milliseconds between settlements. Raises KeyError for what is not served."""
        return self._intervals[venue, asset]

    def sample(self, market_ms: Millis) -> tuple[PathPoint, ...]:
        """One point per (venue, asset). Raises ValueError outside [start_ms, end_ms]."""
        if not self.start_ms <= market_ms <= self.end_ms:
            raise ValueError(f"market time {market_ms} is outside {self.start_ms}..{self.end_ms}")
        offset = market_ms - self.start_ms
        earlier = max(0, offset - CALM_MS)
        index = {asset: price.at(offset) for asset, price in self._prices.items()}
        restless = {asset: restlessness(index[asset], price.at(earlier)) for asset, price in self._prices.items()}
        return tuple(self._point(venue, asset, market_ms, index[asset], restless[asset]) for venue, asset in self._pairs)

    def _point(self, venue: str, asset: str, market_ms: Millis, index: float, restless: float) -> PathPoint:
        offset = market_ms - self.start_ms
        premium = self._premiums[venue, asset]
        fair = index * (1 + premium.at(offset))
        half_spread, depth = quoted(venue, asset, fair, restless)
        return PathPoint(
            venue=venue,
            asset=asset,
            at=market_ms,
            fair=to_decimal(fair),
            mark=to_decimal(index * (1 + premium.calmed(offset))),
            index=to_decimal(index),
            half_spread=half_spread,
            depth=depth,
            funding_rate=self._rate(venue, asset, market_ms // self._intervals[venue, asset] * self._intervals[venue, asset], market_ms),
            open_interest=to_decimal(open_interest(venue, asset, NATURES[asset].price) * exp(self._interests[venue, asset].at(offset))),
        )

    def settlements(self, after_ms: Millis, until_ms: Millis) -> tuple[Settlement, ...]:
        """The settlements with after_ms < at <= until_ms inside the path, in order of time; each at a multiple of its interval, UTC."""
        after, until = max(after_ms, self.start_ms - 1), min(until_ms, self.end_ms)
        found = [
            Settlement(venue, asset, at, self._rate(venue, asset, at - interval, at))
            for (venue, asset), interval in self._intervals.items()
            for at in range((after // interval + 1) * interval, until + 1, interval)
        ]
        return tuple(sorted(found, key=lambda settlement: settlement.at))

    def _rate(self, venue: str, asset: str, interval_start: Millis, now: Millis) -> Decimal:
        """The rate from the premium since the interval began, or since the path began where that is later."""
        premium = self._premiums[venue, asset].mean(max(0, interval_start - self.start_ms), now - self.start_ms)
        return funding_rate(premium, self._intervals[venue, asset])


def _checked(interval_ms: Millis, pair: tuple[str, str]) -> Millis:
    if interval_ms <= 0 or interval_ms % HOUR_MS or DAY_MS % interval_ms:
        raise ValueError(f"funding interval of {pair[1]} at {pair[0]} is {interval_ms} ms; allowed: whole hours that divide a day")
    return interval_ms
