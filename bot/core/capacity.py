"""How much short an instrument can carry, and what carrying more does to its funding.

    capacity      = least of: share_max x open interest, depth / depth_multiple, margin balance / margin_buffer
    funding rate  = unburdened rate - k x notional / open interest

Notional, open interest, depth and margin balance are quote units. Sources: the 10 % of a venue's open interest per asset, and depth
of two to three times the position, in Ethena's governance proposals (venue onboarding, eligible assets); the impact line is a
first-order fit, k from the book's own history.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.precision import precisely
from bot.core.units import ONE, ZERO


class CapacityBound(StrEnum):
    """What limits an instrument's capacity."""

    OPEN_INTEREST = "open_interest"
    DEPTH = "depth"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True)
class Capacity:
    """Quote notional, and the rule that holds it there."""

    notional: Decimal
    bound: CapacityBound


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityRules:
    """`open_interest_share` in (0, 1]; position at most depth / `depth_multiple`; margin balance at least `margin_buffer` x notional.

    Raises ValueError for a share outside or a divisor that is not positive.
    """

    open_interest_share: Decimal
    depth_multiple: Decimal
    margin_buffer: Decimal

    def __post_init__(self) -> None:
        if not ZERO < self.open_interest_share <= ONE or min(self.depth_multiple, self.margin_buffer) <= ZERO:
            raise ValueError(f"a share lies in (0, 1] and divisors are positive, got {self}")


@precisely
def capacity(open_interest: Decimal | None, depth: Decimal | None, margin_balance: Decimal | None, rules: CapacityRules) -> Capacity | None:
    """The capacity of one instrument, None while a figure is unknown; a negative figure carries nothing.

    Of equal bounds the first in the rule's order is named.
    """
    if open_interest is None or depth is None or margin_balance is None:
        return None
    bounds = (
        Capacity(max(ZERO, rules.open_interest_share * open_interest), CapacityBound.OPEN_INTEREST),
        Capacity(max(ZERO, depth / rules.depth_multiple), CapacityBound.DEPTH),
        Capacity(max(ZERO, margin_balance / rules.margin_buffer), CapacityBound.MARGIN),
    )
    return min(bounds, key=lambda bound: bound.notional)


@precisely
def capacity_of_all(capacities: Iterable[Capacity | None]) -> Decimal | None:
    """The sum over instruments; None while one of them is unknown."""
    total = ZERO
    for known in capacities:
        if known is None:
            return None
        total += known.notional
    return total


@precisely
def funding_under(notional: Decimal, unburdened_rate: Decimal, impact: Decimal, open_interest: Decimal) -> Decimal:
    """Funding rate with our notional in it, on the time base of the unburdened one. Raises ValueError unless open interest > 0."""
    if open_interest <= ZERO:
        raise ValueError(f"open interest must be positive, got {open_interest}")
    return unburdened_rate - impact * notional / open_interest


@precisely
def notional_down_to(rate_floor: Decimal, unburdened_rate: Decimal, impact: Decimal, open_interest: Decimal) -> Decimal | None:
    """The notional at which our own weight presses funding down to a floor; 0 when it is there already, None when it never gets there.

    Raises ValueError for a negative open interest.
    """
    if open_interest < ZERO:
        raise ValueError(f"open interest is not negative, got {open_interest}")
    if unburdened_rate <= rate_floor:
        return ZERO
    return None if impact <= ZERO else (unburdened_rate - rate_floor) * open_interest / impact


@precisely
def fitted_impact(observations: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """k from pairs of (our share of open interest, fall of the rate against the unburdened one): least squares through the origin.

    None without an observation that has a share. May be negative where shares and falls disagree; then there is no impact to use.
    """
    across = squares = ZERO
    for share, fall in observations:
        across += share * fall
        squares += share * share
    return None if squares == ZERO else across / squares
