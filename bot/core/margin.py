"""Margin of one venue's account: how far from liquidation, and how levered, now and after an order.

    margin_ratio = maintenance margin / margin balance       0 safe, 1 liquidation
    leverage     = venue notional / margin balance

Computed by us from the parts, because venues' own ratios run in both directions. An absent part makes the figure absent.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.policy import Breach, Limit, Policy
from bot.core.records import Ledger
from bot.core.units import ONE, ZERO, VenueId


def margin_balance(ledger: Ledger, venue: VenueId) -> Decimal | None:
    """Equity in settle units (a quote stablecoin, taken for one dollar), unrealised PnL included; None when not told."""
    record = ledger.venues.get(venue)
    if record is None or not record.margins:
        return None
    parts = [m.margin_balance for m in record.margins.values()]
    return None if any(p is None for p in parts) else sum((p for p in parts if p is not None), ZERO)


def margin_ratio(ledger: Ledger, venue: VenueId) -> Decimal | None:
    """Maintenance margin over margin balance; 1 when the balance is gone; None while a part is unknown."""
    balance = margin_balance(ledger, venue)
    if balance is None:
        return None
    needed = ZERO
    for report in ledger.venues[venue].margins.values():
        if report.maintenance_margin is None:
            return None
        needed += report.maintenance_margin
    if needed == ZERO:
        return ZERO
    return ONE if balance <= ZERO else needed / balance


def increase_breach(ledger: Ledger, policy: Policy, venue: VenueId, notional_after: Decimal | None) -> Breach | None:
    """Why a venue's account may not carry `notional_after` USD, or None when it may."""
    balance = margin_balance(ledger, venue)
    ratio = margin_ratio(ledger, venue)
    if balance is None or ratio is None or notional_after is None:
        return Breach(Limit.MARGIN_UNKNOWN, venue, None, None, "the venue has not told its margin")
    if ratio > policy.margin_ratio_max:
        return Breach(Limit.MARGIN_RATIO, venue, ratio, policy.margin_ratio_max)
    allowed = policy.leverage_max * max(balance, ZERO)
    if notional_after > allowed:
        return Breach(Limit.LEVERAGE, venue, notional_after, allowed)
    return None
