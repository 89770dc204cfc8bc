"""Ids, time and Decimal rounding: the words every other module speaks.

Units: quantities are signed base units (short < 0) unless a name says `contracts`; prices are quote per base; fractions are
never percent; time is integer milliseconds since the Unix epoch, UTC. A rounding function names its direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NewType

VenueId = NewType("VenueId", str)
"""An exchange plus our account on it, spelled as the exchange's ccxt id: `binanceusdm`, `bybit`, `okx`, `hyperliquid`."""

Asset = NewType("Asset", str)
"""A coin or token as people write it: `BTC`, `ETH`, `wstETH`, `USDT`."""

InstrumentId = NewType("InstrumentId", str)
"""One perpetual at one venue: `<venue>:<venue_symbol>`, for example `okx:BTC-USDT-SWAP`."""

ClientOrderId = NewType("ClientOrderId", str)
"""Our id of one child order: `[a-z][a-z0-9]{0,31}`, unique for ever, entered in the journal before the wire."""

Millis = int
"""Milliseconds: an instant since the Unix epoch in UTC, or a length where the name ends in `_ms`."""

ZERO = Decimal(0)
ONE = Decimal(1)
BPS = Decimal("0.0001")
CLOCK_STEP_TOLERANCE_MS: Millis = 1_000
"""How far ahead of our clock an instant may lie and still count as now; beyond it our clock has stepped back since."""
DAY_MS: Millis = 86_400_000
YEAR_MS: Millis = 365 * DAY_MS


def toward_zero_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The multiple of `step` nearest to `value` that is not larger in magnitude: rounding never grows an order."""
    return _whole_steps(value, step) * step


def down_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` at or below `value` (toward minus infinity): a buy limit, never above what was allowed."""
    steps = _whole_steps(value, step)
    return (steps - ONE) * step if steps * step > value else steps * step


def up_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` at or above `value` (toward plus infinity): a sell limit, never below what was allowed."""
    steps = _whole_steps(value, step)
    return (steps + ONE) * step if steps * step < value else steps * step


def _whole_steps(value: Decimal, step: Decimal) -> Decimal:
    """How many whole steps fit, toward zero. Integer division: an ordinary quotient may round up to a step that is not there."""
    if step <= ZERO:
        raise ValueError(f"a step must be positive, got {step}")
    return value // step


def is_recent(now: Millis, at: Millis, age_max_ms: Millis) -> bool:
    """Whether `at` is at most `age_max_ms` ago. What lies ahead is not young but of unknown age: our clock stepped back since."""
    return -CLOCK_STEP_TOLERANCE_MS <= now - at <= age_max_ms


def is_ahead(at: Millis, now: Millis) -> bool:
    """Whether an instant of our clock lies ahead of now: our clock stepped back since, and tells nothing of what came before or after."""
    return at > now + CLOCK_STEP_TOLERANCE_MS


def sign(value: Decimal) -> int:
    """-1, 0 or 1."""
    return (value > ZERO) - (value < ZERO)


@dataclass(frozen=True, slots=True)
class Range:
    """A quantity that is known only to lie between `low` and `high`, both included. A known one has low == high.

    Raises ValueError when low > high.
    """

    low: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"a range needs low <= high, got {self.low} > {self.high}")

    @classmethod
    def exactly(cls, value: Decimal) -> Range:
        """The range of a known value."""
        return cls(value, value)

    @classmethod
    def spanning(cls, *values: Decimal) -> Range:
        """The smallest range that holds every one of `values` (at least one)."""
        return cls(min(values), max(values))

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def times(self, factor: Decimal) -> Range:
        """The range scaled by a factor of either sign."""
        return Range.spanning(self.low * factor, self.high * factor)

    @property
    def is_exact(self) -> bool:
        """Whether nothing about it is in doubt."""
        return self.low == self.high

    @property
    def middle(self) -> Decimal:
        """The point half-way between the ends."""
        return (self.low + self.high) / 2

    @property
    def worst(self) -> Decimal:
        """The end that is farther from zero (the high end when both are equally far)."""
        return self.high if abs(self.high) >= abs(self.low) else self.low

    @property
    def nearest_zero(self) -> Decimal:
        """The point of the range nearest to zero: zero itself when the range holds it."""
        if self.low <= ZERO <= self.high:
            return ZERO
        return self.low if self.low > ZERO else self.high
