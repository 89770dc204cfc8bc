"""How large one slice of an order may be, what its other leg risks meanwhile, and what the entry itself earns.

    slice     = least of: the remainder, the order limit, depth_share x depth, participation x expected volume, the leg-risk budget
    leg risk  = |unhedged| x volatility x sqrt(latency / year) x 2.33          one-sided 99 % of a normal move
    basis     = (perpetual - spot) / spot, earned over the holding time when a short is opened above spot

Notionals are quote units and never negative, volatility is an annual fraction, depth is what rests within the price collar on the
side we take. Deploying stables opens two legs: the one in the thinner book first and passively, the other as IOC on each fill, so
that what is unhedged at any moment is one slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.precision import precisely, root
from bot.core.units import ONE, YEAR_MS, ZERO, Millis

NORMAL_99 = Decimal("2.33")


class SliceBound(StrEnum):
    """What held a slice at its size."""

    REMAINDER = "remainder"
    ORDER_NOTIONAL = "order_notional"
    DEPTH = "depth"
    PARTICIPATION = "participation"
    LEG_RISK = "leg_risk"


@dataclass(frozen=True, slots=True)
class Slice:
    """Quote notional of the next child order, and why it is not more."""

    notional: Decimal
    bound: SliceBound


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceLimits:
    """Shares are fractions in (0, 1], `leg_notional_max` is None where no second leg waits. Raises ValueError otherwise."""

    order_notional_max: Decimal
    depth_share: Decimal
    participation: Decimal
    leg_notional_max: Decimal | None

    def __post_init__(self) -> None:
        if not ZERO < self.depth_share <= ONE or not ZERO < self.participation <= ONE:
            raise ValueError(f"shares must lie in (0, 1], got {self.depth_share} and {self.participation}")
        if self.order_notional_max < ZERO or (self.leg_notional_max is not None and self.leg_notional_max < ZERO):
            raise ValueError(f"notionals are not negative, got {self.order_notional_max} and {self.leg_notional_max}")


@precisely
def next_slice(remainder: Decimal, depth: Decimal | None, volume: Decimal | None, limits: SliceLimits) -> Slice:
    """The next slice of a remainder, given resting depth and the volume expected while it works; one that is unknown bounds nothing.

    Of equal bounds the first in the rule's order is named. Raises ValueError for a negative figure.
    """
    if min(remainder, depth or ZERO, volume or ZERO) < ZERO:
        raise ValueError(f"notionals are not negative, got {remainder}, {depth}, {volume}")
    allowed = [Slice(remainder, SliceBound.REMAINDER), Slice(limits.order_notional_max, SliceBound.ORDER_NOTIONAL)]
    if depth is not None:
        allowed.append(Slice(limits.depth_share * depth, SliceBound.DEPTH))
    if volume is not None:
        allowed.append(Slice(limits.participation * volume, SliceBound.PARTICIPATION))
    if limits.leg_notional_max is not None:
        allowed.append(Slice(limits.leg_notional_max, SliceBound.LEG_RISK))
    return min(allowed, key=lambda candidate: candidate.notional)


@precisely
def _move(volatility: Decimal, latency_ms: Millis) -> Decimal:
    if volatility <= ZERO or latency_ms <= 0:
        raise ValueError(f"volatility and latency must be positive, got {volatility} and {latency_ms} ms")
    return volatility * root(Decimal(latency_ms) / YEAR_MS, 2) * NORMAL_99


@precisely
def leg_risk(unhedged: Decimal, volatility: Decimal, latency_ms: Millis) -> Decimal:
    """Quote units that an unhedged notional (either sign) may lose, 99 times in 100, until the other leg is there.

    Raises ValueError unless volatility and latency are positive.
    """
    return abs(unhedged) * _move(volatility, latency_ms)


@precisely
def unhedged_max(leg_risk_max: Decimal, volatility: Decimal, latency_ms: Millis) -> Decimal:
    """The unhedged notional whose leg risk is just the budget. Raises ValueError as `leg_risk` does, or for a negative budget."""
    if leg_risk_max < ZERO:
        raise ValueError(f"a budget is not negative, got {leg_risk_max}")
    return leg_risk_max / _move(volatility, latency_ms)


@precisely
def basis_annual(perpetual_price: Decimal, spot_price: Decimal, holding_ms: Millis) -> Decimal:
    """The entry basis as a simple annual rate over the holding time, > 0 when the short is opened above spot.

    Raises ValueError unless prices and time are positive.
    """
    if min(perpetual_price, spot_price) <= ZERO or holding_ms <= 0:
        raise ValueError(f"prices and time must be positive, got {perpetual_price}, {spot_price}, {holding_ms} ms")
    return (perpetual_price - spot_price) / spot_price * YEAR_MS / holding_ms
