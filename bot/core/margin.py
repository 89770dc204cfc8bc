"""Margin of one venue's account: how far from liquidation, and how levered, now and after an order.

    margin_ratio = maintenance margin / margin balance       0 safe, 1 liquidation
    leverage     = venue notional / margin balance

Computed by us from the parts, because venues' own ratios run in both directions. An absent part makes the figure absent.

After an order the maintenance margin is what was told, plus what the added notional asks for at the rate at which the present positions
are charged. Figures of a whole account that a venue tells with each settle asset count once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.core.events import MarginReport
from bot.core.policy import Breach, Limit, Policy
from bot.core.records import Ledger, VenueRecord
from bot.core.units import ONE, ZERO, Asset, VenueId

MAINTENANCE_RATE_ASSUMED = Decimal("0.05")
"""Maintenance margin over notional while the account carries nothing by which it could be measured: many times the first tier of the
coins that are hedged (0.4 to 1 % at all three venues), so that a first order is judged too strictly rather than too kindly."""


def margin_balance(ledger: Ledger, venue: VenueId) -> Decimal | None:
    """Equity in settle units (a quote stablecoin, taken for one dollar), unrealised PnL included; None when not told."""
    parts = [(m.margin_balance, m.is_account_wide) for m in _reports(ledger.venues.get(venue))]
    wide = [balance for balance, is_wide in parts if is_wide and balance is not None]
    own = [balance for balance, is_wide in parts if not is_wide and balance is not None]
    if not parts or len(wide) + len(own) < len(parts):
        return None
    return sum(own, min(wide, default=ZERO))  # told at different instants the copies may differ: the worse one counts


def maintenance_margin(ledger: Ledger, venue: VenueId) -> Decimal | None:
    """What the venue requires for the positions as they are, in settle units; None when not told."""
    parts = [(m.maintenance_margin, m.is_account_wide) for m in _reports(ledger.venues.get(venue))]
    wide = [needed for needed, is_wide in parts if is_wide and needed is not None]
    own = [needed for needed, is_wide in parts if not is_wide and needed is not None]
    if not parts or len(wide) + len(own) < len(parts):
        return None
    return sum(own, max(wide, default=ZERO))


def _reports(record: VenueRecord | None) -> Sequence[MarginReport]:
    return () if record is None else tuple(record.margins.values())


def margin_ratio(ledger: Ledger, venue: VenueId) -> Decimal | None:
    """Maintenance margin over margin balance; 1 when the balance is gone; None while a part is unknown."""
    balance, needed = margin_balance(ledger, venue), maintenance_margin(ledger, venue)
    if balance is None or needed is None:
        return None
    return _ratio(needed, balance)


def _ratio(needed: Decimal, balance: Decimal) -> Decimal:
    if needed == ZERO:
        return ZERO
    return ONE if balance <= ZERO else needed / balance


def notional_max(ledger: Ledger, policy: Policy, venue: VenueId, notional_told: Decimal | None) -> Decimal | None:
    """USD of notional at which the margin ratio reaches its limit; None while a part is unknown.

    `notional_told` is the USD of the positions for which the margin was told (None: not known, taken for none).
    """
    balance, needed = margin_balance(ledger, venue), maintenance_margin(ledger, venue)
    if balance is None or needed is None:
        return None
    spare = policy.margin_ratio_max * max(balance, ZERO) - needed
    return (notional_told or ZERO) + spare / maintenance_rate(needed, notional_told)


def maintenance_rate(needed: Decimal, notional_told: Decimal | None) -> Decimal:
    """What one more USD of notional asks for: as much as the present ones do, at most all of it; assumed while there are none."""
    if not notional_told or needed <= ZERO:
        return MAINTENANCE_RATE_ASSUMED
    return min(ONE, needed / notional_told)


def increase_breach(
    ledger: Ledger, policy: Policy, venue: VenueId, notional_after: Decimal | None, notional_told: Decimal | None
) -> Breach | None:
    """Why a venue's account may not carry `notional_after` USD, or None when it may. `notional_told`: see `notional_max`."""
    balance, needed = margin_balance(ledger, venue), maintenance_margin(ledger, venue)
    if balance is None or needed is None or notional_after is None:
        return Breach(Limit.MARGIN_UNKNOWN, venue, None, None, "the venue has not told its margin")
    ratio = _ratio(needed, balance)
    if ratio > policy.margin_ratio_max:
        return Breach(Limit.MARGIN_RATIO, venue, ratio, policy.margin_ratio_max)
    allowed = policy.leverage_max * max(balance, ZERO)
    if notional_after > allowed:
        return Breach(Limit.LEVERAGE, venue, notional_after, allowed)
    added = max(ZERO, notional_after - (notional_told or ZERO))
    after = _ratio(needed + added * maintenance_rate(needed, notional_told), balance)
    if after > policy.margin_ratio_max:
        return Breach(Limit.MARGIN_RATIO, venue, after, policy.margin_ratio_max, "after the order")
    return None


def settle_exposure(ledger: Ledger) -> Mapping[Asset, Decimal]:
    """How long the book is of each settle asset: what venues hold of it for us, unrealised PnL included, where told.

    Of an account that is told as a whole with each of several assets, each asset's own wallet counts; where a wallet is not told, the
    account counts once, under the first asset by name.
    """
    total: dict[Asset, Decimal] = {}
    for record in ledger.venues.values():
        reports = sorted(record.margins.values(), key=lambda m: m.asset)
        wide = [m for m in reports if m.is_account_wide]
        parts = [(m.asset, m.margin_balance) for m in reports if not m.is_account_wide]
        if len(wide) > 1 and all(m.wallet_balance is not None for m in wide):
            parts += [(m.asset, m.wallet_balance) for m in wide]
        else:
            parts += [(m.asset, m.margin_balance) for m in wide[:1]]
        for asset, held in parts:
            if held is not None:
                total[asset] = total.get(asset, ZERO) + held
    return total
