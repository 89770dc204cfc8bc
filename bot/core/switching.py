"""Whether moving a hedge to another instrument pays: what it costs, what it gains, and after how long the one exceeds the other.

    cost   = fee_close + fee_open + (spread_close + spread_open) / 2 + impact + funding_lost + settlement_wait
    lasting gap:             gain(H) = gap x H                              break-even T = cost / gap
    gap that halves in time: gain(H) = gap x (1 - e^(-k H)) / k             break-even T = -ln(1 - cost k / gap) / k
                             k = ln 2 / half-life; never pays when gap <= cost x k

Costs and gains are fractions of the moved notional; the gap is the difference of two annual funding rates (> 0: the other one pays
shorts more). Funding gaps between venues do revert: being on yesterday's best venue earns little, so a change needs the second
form. Times are milliseconds, rounded up: a break-even is never reported too early. The formulas follow from integrating the gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from bot.core.precision import precisely
from bot.core.units import ONE, YEAR_MS, ZERO, Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCost:
    """Each part as a fraction of the moved notional; spreads are whole spreads, of which a taker pays half at each end.

    Fees may be negative (maker rebates). `funding_lost` is what settlements pass by while a leg is not there, `settlement_wait`
    what waiting for a custodian's settlement costs.
    """

    fee_close: Decimal
    fee_open: Decimal
    spread_close: Decimal
    spread_open: Decimal
    impact: Decimal
    funding_lost: Decimal
    settlement_wait: Decimal

    @property
    def total(self) -> Decimal:
        """Fraction of the notional that the change costs."""
        traded = self.fee_close + self.fee_open + (self.spread_close + self.spread_open) / 2 + self.impact
        return traded + self.funding_lost + self.settlement_wait


def _decay(half_life_ms: Millis) -> Decimal:
    """k per year. Raises ValueError for a half-life that is not positive."""
    if half_life_ms <= 0:
        raise ValueError(f"a half-life must be positive, got {half_life_ms} ms")
    return Decimal(2).ln() * YEAR_MS / half_life_ms


@precisely
def gap_never_paying(cost: Decimal, half_life_ms: Millis) -> Decimal:
    """The annual gap at or below which a change of this cost never pays, when gaps halve in `half_life_ms`."""
    return cost * _decay(half_life_ms)


@precisely
def gain(gap_annual: Decimal, horizon_ms: Millis, half_life_ms: Millis | None = None) -> Decimal:
    """Fraction of the notional that a gap brings within a horizon; without a half-life the gap lasts.

    Raises ValueError for a negative horizon or a half-life that is not positive.
    """
    if horizon_ms < 0:
        raise ValueError(f"a horizon is not negative, got {horizon_ms} ms")
    years = Decimal(horizon_ms) / YEAR_MS
    if half_life_ms is None:
        return gap_annual * years
    decay = _decay(half_life_ms)
    return gap_annual * (ONE - (-decay * years).exp()) / decay


@precisely
def break_even_ms(cost: Decimal, gap_annual: Decimal, half_life_ms: Millis | None = None) -> Millis | None:
    """After how long a change has paid for itself; None when it never does. Without a half-life the gap lasts.

    A change that costs nothing pays at once, unless there is no gap to gain. Raises ValueError for a half-life that is not positive.
    """
    decay = None if half_life_ms is None else _decay(half_life_ms)
    if gap_annual <= ZERO:
        return None
    if cost <= ZERO:
        return 0
    needed = cost * YEAR_MS / gap_annual
    if decay is not None:
        used_up = cost * decay / gap_annual
        if used_up >= ONE:
            return None
        needed = -(ONE - used_up).ln() * YEAR_MS / decay
    return int(needed.to_integral_value(rounding=ROUND_CEILING))


def pays_back(cost: Decimal, gap_annual: Decimal, within_ms: Millis, half_life_ms: Millis | None = None) -> bool:
    """Whether a change has paid for itself within the given time. Raises ValueError for a half-life that is not positive."""
    needed = break_even_ms(cost, gap_annual, half_life_ms)
    return needed is not None and needed <= within_ms
