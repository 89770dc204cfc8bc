"""What a venue counts of coins posted as collateral: less than they are, and the less the more there are.

    counted(quantity) = sum over steps of ratio x (the part of quantity inside the step)

A step's ratio holds up to its cap; beyond the last cap nothing more counts. A negative balance (borrowed coin) counts in full.
Source: Bybit's documentation of tiered collateral value ratios in the unified account, where for example the first 10 BTC count
0.98 and what is above 50 BTC counts nothing: size matters more than the headline ratio. Quantities are the collateral's own coin;
for a liquid-staking token multiply what is counted by the redemption rate to get base units of the hedged asset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bot.core.precision import precisely
from bot.core.units import ONE, ZERO


@dataclass(frozen=True, slots=True)
class CollateralStep:
    """Up to `cap` coins (None: without end), counted from the step before, `ratio` of each coin is margin (0 to 1)."""

    cap: Decimal | None
    ratio: Decimal


@dataclass(frozen=True, slots=True)
class CollateralRatios:
    """The steps of one coin in ascending order. Raises ValueError for none, caps out of order, or ratios that rise or leave 0..1."""

    steps: tuple[CollateralStep, ...]

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("collateral ratios need at least one step")
        reached: Decimal | None = ZERO
        ratio = ONE
        for number, step in enumerate(self.steps):
            if reached is None or (step.cap is not None and step.cap <= reached):
                raise ValueError(f"step {number} must end above {reached}, got {step.cap}")
            if not ZERO <= step.ratio <= ratio:
                raise ValueError(f"step {number} needs a ratio between 0 and {ratio}, got {step.ratio}")
            reached, ratio = step.cap, step.ratio

    @classmethod
    def of(cls, steps: Iterable[tuple[Decimal | None, Decimal]]) -> CollateralRatios:
        """From (cap, ratio) pairs in ascending order."""
        return cls(tuple(CollateralStep(cap, ratio) for cap, ratio in steps))

    @classmethod
    def flat(cls, ratio: Decimal) -> CollateralRatios:
        """One ratio for any quantity."""
        return cls.of([(None, ratio)])

    @precisely
    def counted(self, quantity: Decimal) -> Decimal:
        """Coins that count as margin out of `quantity`; never more than there are, negative for a debt."""
        if quantity <= ZERO:
            return quantity
        total = start = ZERO
        for step in self.steps:
            end = quantity if step.cap is None else min(quantity, step.cap)
            total += max(ZERO, end - start) * step.ratio
            start = end
        return total


@precisely
def depeg_to_liquidation(leverage: Decimal, maintenance_rate: Decimal, collateral_ratio: Decimal) -> Decimal:
    """Fraction that a liquid-staking collateral may lose against its coin, the coin's price unchanged, before liquidation.

    1 - leverage x maintenance_rate / collateral_ratio, with leverage = |short| / collateral: 0 when there is no room left. Raises
    ValueError unless the ratio is positive and the other two are not negative.
    """
    if collateral_ratio <= ZERO or leverage < ZERO or maintenance_rate < ZERO:
        raise ValueError(f"need ratio > 0, leverage and rate >= 0, got {collateral_ratio}, {leverage}, {maintenance_rate}")
    return max(ZERO, ONE - leverage * maintenance_rate / collateral_ratio)
