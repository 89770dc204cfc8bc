"""The no-trade band: how far the net delta may stray before correcting it is worth its cost, and how far to correct it.

A stray x (quote units) diffuses with variance s2 per year, costs (l / 2) v^2 x^2 a year (l: aversion to risk per quote unit, v:
annual volatility of the asset, a fraction), and correcting it costs k per quote unit traded and K per order.

    only k:   trigger = aim = (3 k s2 / (2 l v^2))^(1/3)          trade to the edge
    only K:   trigger = (12 K s2 / (l v^2))^(1/4), aim = 0        trade to the centre
    both:     at the trigger H trade back to b, both from minimising
              cost(H, b) = l v^2 (H^2 + b^2) / 12 + s2 (K + k (H - b)) / (H^2 - b^2)

The first is Whalley and Wilmott's band with s2 = (gamma v S)^2, width proportional to cost^(1/3) (also R. Martin, "Optimal trading
under proportional transaction costs", arXiv 1204.6488). The last line is the long-run mean cost of a diffusion restarted at b
whenever it leaves (-H, H); with d = H - b its minimum solves K d^8 + k d^9 = (s2 / a)^2 K^3, H + b = s2 K / (a d^3), a = l v^2 / 12.
A linear hedge of coin has no gamma: s2 is the observed variance of collateral flow, see `flow.py`.

Two edges are acted on. Beyond `soft` a stray may wait one netting window for flow that cancels it; beyond `hard`, the soft edge
plus the flow that window is expected to bring, it is corrected at once. Results carry 40 digits, roots to one part in 10^37.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.precision import precisely, root
from bot.core.units import YEAR_MS, ZERO, Millis, sign

_NEWTON_STEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayCost:
    """What straying and correcting cost. Raises ValueError unless variance, aversion and volatility > 0 and costs >= 0.

    `flow_variance`: quote units squared per year. `aversion`: per quote unit. `volatility`: annual fraction. `cost_rate`: fraction of
    what is traded. `cost_fixed`: quote units per order.
    """

    flow_variance: Decimal
    aversion: Decimal
    volatility: Decimal
    cost_rate: Decimal
    cost_fixed: Decimal

    def __post_init__(self) -> None:
        if min(self.flow_variance, self.aversion, self.volatility) <= ZERO or min(self.cost_rate, self.cost_fixed) < ZERO:
            raise ValueError(f"variance, aversion and volatility must be positive and costs not negative, got {self}")

    @property
    def curvature(self) -> Decimal:
        """l v^2, the second derivative of the yearly cost of a stray."""
        return self.aversion * self.volatility * self.volatility


@dataclass(frozen=True, slots=True)
class Band:
    """Beyond `trigger` (quote units of |net delta|) trade back to `aim`. Raises ValueError unless 0 <= aim <= trigger."""

    trigger: Decimal
    aim: Decimal

    def __post_init__(self) -> None:
        if not ZERO <= self.aim <= self.trigger:
            raise ValueError(f"a band needs 0 <= aim <= trigger, got {self.aim} and {self.trigger}")


@precisely
def best_band(cost: StrayCost) -> Band:
    """The band of least long-run cost; without any cost of correcting it has no width."""
    if cost.cost_fixed == ZERO:
        edge = root(3 * cost.cost_rate * cost.flow_variance / (2 * cost.curvature), 3)
        return Band(edge, edge)
    if cost.cost_rate == ZERO:
        return Band(root(12 * cost.cost_fixed * cost.flow_variance / cost.curvature, 4), ZERO)
    ratio = 12 * cost.flow_variance / cost.curvature
    apart = _apart(cost.cost_fixed, cost.cost_rate, ratio * ratio * cost.cost_fixed**3)
    together = ratio * cost.cost_fixed / apart**3
    return Band((together + apart) / 2, (together - apart) / 2)


def _apart(fixed: Decimal, rate: Decimal, level: Decimal) -> Decimal:
    """The positive root of fixed x d^8 + rate x d^9 = level: Newton from above, which on a convex rising curve never overshoots.

    The start is at most 9 % too high, so that each step about squares the relative error: 8 steps would do.
    """
    d = min(root(level / fixed, 8), root(level / rate, 9))
    for _ in range(_NEWTON_STEPS):
        d -= (fixed * d**8 + rate * d**9 - level) / (8 * fixed * d**7 + 9 * rate * d**8)
    return d


@precisely
def mean_cost(cost: StrayCost, band: Band) -> Decimal:
    """Quote units per year that a band costs in the long run: straying plus correcting. Raises ValueError for a band without width.

    With aim = trigger this is the limit of correcting ever smaller overshoots, and a fixed cost per order would be endless: it
    raises ValueError too.
    """
    if band.trigger == ZERO or (band.trigger == band.aim and cost.cost_fixed > ZERO):
        raise ValueError(f"no finite cost for {band} with {cost.cost_fixed} per order")
    outer, inner = band.trigger, band.aim
    straying = cost.curvature * (outer * outer + inner * inner) / 12
    if outer == inner:
        return straying + cost.flow_variance * cost.cost_rate / (2 * outer)
    per_order = cost.cost_fixed + cost.cost_rate * (outer - inner)
    return straying + cost.flow_variance * per_order / (outer * outer - inner * inner)


class Urgency(StrEnum):
    """How a stray is to be treated."""

    NONE = "none"
    NETTING = "netting"
    DUE = "due"
    AT_ONCE = "at_once"


@dataclass(frozen=True, slots=True)
class Edges:
    """Where to act, in quote units of |net delta|: 0 <= aim <= soft <= hard, else ValueError."""

    aim: Decimal
    soft: Decimal
    hard: Decimal

    def __post_init__(self) -> None:
        if not ZERO <= self.aim <= self.soft <= self.hard:
            raise ValueError(f"edges need 0 <= aim <= soft <= hard, got {self.aim}, {self.soft}, {self.hard}")

    def urgency(self, net_delta: Decimal, beyond_soft_ms: Millis, netting_ms: Millis) -> Urgency:
        """What a net delta (quote units, signed) calls for after `beyond_soft_ms` without a break outside the soft edge."""
        stray = net_delta.copy_abs()
        if stray <= self.soft:
            return Urgency.NONE
        if stray > self.hard:
            return Urgency.AT_ONCE
        return Urgency.DUE if beyond_soft_ms >= netting_ms else Urgency.NETTING

    def correction(self, net_delta: Decimal) -> Decimal:
        """Signed quote units to trade, back to the aim and never across it; 0 inside the soft edge."""
        stray = net_delta.copy_abs()
        return ZERO if stray <= self.soft else -sign(net_delta) * (stray - self.aim)


@precisely
def edges(
    band: Band, flow_variance: Decimal | None, netting_ms: Millis, *, soft_max: Decimal, hard_max: Decimal, deviations: Decimal
) -> Edges | None:
    """The band's edges inside the operator's limits; None while the flow's variance is unknown.

    hard = trigger + deviations x sqrt(variance x netting window), at most `hard_max`; soft = trigger, at most `soft_max`. Raises
    ValueError unless 0 <= soft_max <= hard_max and window, variance and deviations are not negative.
    """
    if not ZERO <= soft_max <= hard_max or netting_ms < 0 or deviations < ZERO:
        raise ValueError(f"need 0 <= soft <= hard, window and deviations >= 0, got {soft_max}, {hard_max}, {netting_ms}, {deviations}")
    if flow_variance is None:
        return None
    expected = deviations * root(flow_variance * netting_ms / YEAR_MS, 2)
    soft = min(band.trigger, soft_max)
    return Edges(min(band.aim, soft), soft, min(soft + expected, hard_max))
