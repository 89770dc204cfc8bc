"""How far all marks of an account may rise together until it is liquidated: what protects a book of shorts, which move together.

Everything in the account is followed in one variable t, 1 now:

    margined in quote units   t = mark / mark now     balance(t) = balance + slope x (t - 1)    slope = delta of what moves, at the marks
    margined in coin          t = mark now / mark     the same, in coin                         slope = notional of the shorts, in coin
    liquidated where balance(t) <= maintenance(t),    maintenance(t) = maintenance + sum over positions of [charge(t) - charge(1)]

A charge is what the tiers ask for a position (see `tiers`). Each is a piecewise straight line in t, bent where the notional enters a
tier, and never concave; so what is safe is one interval of t, and the first crossing is the answer, exact to 40 digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.precision import INFINITE, precisely
from bot.core.tiers import TierTable
from bot.core.units import ONE, ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one position's maintenance margin follows: its notional now, in the unit of its tiers (coin for an inverse perpetual).

    `coin_price`: the mark now of an inverse position in an account that is margined in quote units, None for all others.
    """

    tiers: TierTable
    notional: Decimal
    coin_price: Decimal | None = None

    def at(self, t: Decimal) -> Decimal:
        """Maintenance margin at t >= 0, in the unit of the account; t > 0 where there is a coin price."""
        if self.coin_price is None:
            return self.tiers.maintenance(self.notional * t)
        return self.tiers.maintenance(self.notional / t) * self.coin_price * t

    def bends(self) -> tuple[Decimal, ...]:
        """The t at which the notional enters another tier."""
        floors = [tier.row.floor for tier in self.tiers.tiers[1:]]
        if self.notional == ZERO:
            return ()
        return tuple(floor / self.notional if self.coin_price is None else self.notional / floor for floor in floors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """An account as it moves. `slope` is the change of its balance per unit of t; figures are in the account's unit, at t = 1.

    `in_coin`: t is one over the price factor, and a rise is a fall of t.
    """

    margin_balance: Decimal
    maintenance_margin: Decimal
    slope: Decimal
    charges: Sequence[Charge]
    in_coin: bool = False

    @precisely
    def gap(self, t: Decimal) -> Decimal:
        """Balance less maintenance at t."""
        return self._gap(t)

    def _gap(self, t: Decimal) -> Decimal:
        grown = sum((charge.at(t) - charge.at(ONE) for charge in self.charges), ZERO)
        return self.margin_balance + self.slope * (t - ONE) - self.maintenance_margin - grown

    @precisely
    def distance(self) -> Decimal:
        """The fraction by which all marks rise until liquidation: 0 when there already, infinite when no rise gets there."""
        t, gap = ONE, self._gap(ONE)
        if gap <= ZERO:
            return ZERO
        for ahead in self._corners(bend for charge in self.charges for bend in charge.bends()):
            gap_ahead = self._gap(ahead)
            if gap_ahead <= ZERO:
                return self._rise(t + (ahead - t) * gap / (gap - gap_ahead))
            t, gap = ahead, gap_ahead
        if self.in_coin:
            return INFINITE  # at no price is anything left to maintain
        fall = gap - self._gap(t + ONE)
        return INFINITE if fall <= ZERO else self._rise(t + gap / fall)

    def _corners(self, bends: Iterable[Decimal]) -> list[Decimal]:
        if not self.in_coin:
            return sorted({bend for bend in bends if bend > ONE})
        return [*sorted({bend for bend in bends if ZERO < bend < ONE}, reverse=True), ZERO]

    def _rise(self, t: Decimal) -> Decimal:
        if not self.in_coin:
            return t - ONE
        return INFINITE if t == ZERO else ONE / t - ONE
