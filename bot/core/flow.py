"""How much collateral comes and goes: the variance of its flow per year, as an exponentially weighted mean.

    each observation  x over a time dt :  weight w = 1 - 2^(-dt / half-life),  estimate = sum of w x^2 / dt, faded, over sum of w, faded

The second moment about zero is taken, not about the mean: a steady stream also moves the net delta. x is the change of what must
be hedged, in quote units (deposits and withdrawals, rebases, auto-deleveraging), netted over dt. Dividing by the weights seen so far
makes the estimate right from the first observation on instead of starting at a zero nobody has observed. Changes told at one
instant enter with the limit w / dt -> ln 2 / half-life.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from bot.core.precision import HALF, precisely
from bot.core.units import ONE, YEAR_MS, ZERO, Millis


@dataclass(frozen=True, slots=True)
class FlowVariance:
    """A frozen estimate; `observe` returns the next one. Raises ValueError for a half-life that is not positive."""

    half_life_ms: Millis
    squares: Decimal = ZERO
    weight: Decimal = ZERO

    def __post_init__(self) -> None:
        if self.half_life_ms <= 0:
            raise ValueError(f"a half-life must be positive, got {self.half_life_ms} ms")

    @precisely
    def observe(self, flow: Decimal, elapsed_ms: Millis) -> FlowVariance:
        """The estimate after a flow (quote units, either sign; 0 is news too) over `elapsed_ms`; a clock set back counts as 0 ms."""
        elapsed = max(0, elapsed_ms)
        kept = HALF ** (Decimal(elapsed) / self.half_life_ms)
        density = (ONE - kept) / elapsed if elapsed else Decimal(2).ln() / self.half_life_ms
        return replace(self, squares=self.squares * kept + flow * flow * density, weight=self.weight * kept + (ONE - kept))

    @property
    def per_year(self) -> Decimal | None:
        """Quote units squared per year; None before any time has been observed."""
        return None if self.weight == ZERO else self._per_year()

    @precisely
    def _per_year(self) -> Decimal:
        return self.squares * YEAR_MS / self.weight
