"""What a venue's failure would cost, and how long a reserve lasts when funding turns against the book.

    unsettled        = equity - delegated                                  what a venue owes beyond what a custodian mirrors there
    exposure at risk = 2.326 x notional x volatility x sqrt(time / year)   how far unsettled profit may grow until a settlement, 99 %
    reserve need     = sum over instruments of notional x (|q| x unwind time / year + slippage)
    runway           = reserve x 365 d / (notional x |f|)

q is a low quantile (0.1 %) of the instrument's annual funding rate, f the annual rate paid now; both are negative when shorts pay,
and a rate that pays shorts needs no reserve. Money is quote units, volatility and slippage are fractions. Sources: the reserve
methods of Ethena's risk committee (LlamaRisk: 24 h unwind, funding loss plus tail slippage; Blockworks: worst 0.1 % funding per
asset and venue plus slippage).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from bot.core.precision import INFINITE, precisely, root
from bot.core.units import DAY_MS, YEAR_MS, ZERO, Millis

NORMAL_99 = Decimal("2.326")


@precisely
def unsettled(equity: Decimal | None, delegated: Decimal | None) -> Decimal | None:
    """What a venue owes us (> 0) or we owe it, in the coin mirrored there; None while a part is unknown."""
    return None if equity is None or delegated is None else equity - delegated


@precisely
def loss_if_venue_fails(unsettled_profit: Decimal, venue_collateral: Decimal) -> Decimal:
    """Unsettled profit beyond the collateral that the venue posted with the custodian; never negative."""
    return max(ZERO, max(ZERO, unsettled_profit) - max(ZERO, venue_collateral))


@precisely
def exposure_at_risk(notional: Decimal, volatility: Decimal, until_settlement_ms: Millis, deviations: Decimal = NORMAL_99) -> Decimal:
    """How much unsettled profit may build up until the next settlement, at most, 99 times in 100. Raises ValueError if negative."""
    if min(notional, volatility, deviations) < ZERO or until_settlement_ms < 0:
        raise ValueError(f"none may be negative: {notional}, {volatility}, {until_settlement_ms} ms, {deviations}")
    return deviations * notional * volatility * root(Decimal(until_settlement_ms) / YEAR_MS, 2)


@dataclass(frozen=True, slots=True)
class ReserveLine:
    """One instrument's short: its notional, a low quantile of its annual funding rate, and the slippage of closing it in haste.

    Raises ValueError for a negative notional or slippage.
    """

    notional: Decimal
    funding_quantile: Decimal
    slippage: Decimal

    def __post_init__(self) -> None:
        if self.notional < ZERO or self.slippage < ZERO:
            raise ValueError(f"notional and slippage are not negative, got {self.notional} and {self.slippage}")


@precisely
def reserve_need(lines: Iterable[ReserveLine], unwind_ms: Millis = DAY_MS) -> Decimal:
    """Quote units that a full unwind over `unwind_ms` may cost. Raises ValueError for a negative time."""
    if unwind_ms < 0:
        raise ValueError(f"time does not run backwards, got {unwind_ms} ms")
    years = Decimal(unwind_ms) / YEAR_MS
    return sum((line.notional * (max(ZERO, -line.funding_quantile) * years + line.slippage) for line in lines), ZERO)


@precisely
def coverage(reserve: Decimal | None, need: Decimal | None) -> Decimal | None:
    """Reserve over need: page somebody below about 1.2; infinite when nothing is needed, None while a part is unknown."""
    if reserve is None or need is None:
        return None
    return INFINITE if need <= ZERO else reserve / need


@precisely
def runway_ms(reserve: Decimal, notional: Decimal, funding_annual: Decimal) -> Millis | None:
    """How long the reserve pays the funding of a notional, rounded down; None when it is for ever, as shorts pay nothing.

    Raises ValueError for a negative notional.
    """
    if notional < ZERO:
        raise ValueError(f"a notional is not negative, got {notional}")
    burnt = notional * -funding_annual
    if burnt <= ZERO:
        return None
    return int((max(ZERO, reserve) * YEAR_MS / burnt).to_integral_value(rounding=ROUND_FLOOR))
