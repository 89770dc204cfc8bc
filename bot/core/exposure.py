"""What we hold and what we are short, as ranges: the one place where delta is computed.

    net_delta = sum of collateral units x redemption rate + sum of linear positions + inverse positions at mark

Collateral of an asset is unknown (None) until every configured source has spoken in this run, and while a holding lacks a
redemption rate. A position is a range: our record, widened by the venue's figure under dispute, by every order that may still fill
(pending, working, in doubt) counted at nothing and at all of it. A position that no venue has ever told is unknown.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Asset, InstrumentId, Range


def hedged_assets(policy: Policy) -> tuple[Asset, ...]:
    """The assets whose delta is hedged, sorted by name."""
    return tuple(sorted(set(policy.collateral_assets.values())))


def instruments_of(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[InstrumentId, ...]:
    """The listed instruments that may hedge an asset, sorted by id."""
    return tuple(sorted(i for i, listed in ledger.instruments.items() if listed.base == asset and i in policy.instruments))


def collateral(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """Base units of an asset held as collateral, every location and every form of it; None while unknown."""
    if not _all_sources_spoke(ledger, policy):
        return None
    total = ZERO
    for holding in ledger.holdings.values():
        if policy.collateral_assets.get(holding.asset) != asset:
            continue
        if holding.redemption_rate is None:
            return None
        total += holding.quantity * holding.redemption_rate
    return Range.exactly(total)


def _all_sources_spoke(ledger: Ledger, policy: Policy) -> bool:
    return policy.collateral_sources <= ledger.sources_confirmed_at.keys()


def position(ledger: Ledger, instrument: InstrumentId) -> Range | None:
    """Signed base quantity of one instrument with everything that is in flight or in doubt; None before any reading."""
    record = ledger.positions.get(instrument)
    if record is None:
        return None
    known = Range.exactly(record.quantity)
    if record.dispute is not None:
        known = Range.spanning(record.quantity, record.dispute.observed)
    for order in ledger.open_orders(instrument):
        known = known + order.may_fill
    return known


def position_of_asset(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """All positions of an asset together; None while one of its instruments is unlisted or its position was never told."""
    total = Range.exactly(ZERO)
    for instrument in policy.instruments:
        listed = ledger.instruments.get(instrument)
        if listed is None:
            return None  # what it is a perpetual of is not known yet
        if listed.base != asset:
            continue
        known = position(ledger, instrument)
        if known is None:
            return None
        total = total + known
    return total


def net_delta(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """Signed base units by which the book is long (> 0) or short an asset; None while a part of it is unknown."""
    held = collateral(ledger, policy, asset)
    short = position_of_asset(ledger, policy, asset)
    return None if held is None or short is None else held + short


def mark_of(ledger: Ledger, instrument: InstrumentId) -> Decimal | None:
    """The venue's newest mark of an instrument, None before any."""
    quote = ledger.quotes.get(instrument)
    return quote.mark if quote else None


def mark_of_asset(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """The median of the venues' marks of an asset; None while no venue tells one."""
    marks = sorted(m for i in instruments_of(ledger, policy, asset) if (m := mark_of(ledger, i)) is not None)
    if not marks:
        return None
    middle = len(marks) // 2
    return marks[middle] if len(marks) % 2 else (marks[middle - 1] + marks[middle]) / 2


def notional(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Decimal | None:
    """USD of one instrument at the worse end of its range; None while position or mark is unknown. A flat one is worth nothing."""
    known = position(ledger, instrument)
    if known is None:
        return None
    if known.worst == ZERO:
        return ZERO
    listed = ledger.instruments.get(instrument)
    mark = mark_of(ledger, instrument)
    if mark is None and listed is not None:
        mark = mark_of_asset(ledger, policy, listed.base)
    return None if mark is None else abs(known.worst) * mark


def venue_notional(ledger: Ledger, policy: Policy, venue: str) -> Decimal | None:
    """USD of all positions and orders at a venue, each at its worse end; None while one is unknown."""
    total = ZERO
    for instrument in sorted(policy.instruments):
        if ledger.venue_of(instrument) != venue:
            continue
        value = notional(ledger, policy, instrument)
        if value is None:
            return None
        total += value
    return total


def required_notional(ledger: Ledger, policy: Policy) -> Decimal | None:
    """USD of the whole hedge that the collateral asks for, over all assets; None while a part of it is unknown (see `share_base`)."""
    total = ZERO
    for asset in hedged_assets(policy):
        held = collateral(ledger, policy, asset)
        if held is None:
            return None
        if held.worst == ZERO:
            continue
        mark = mark_of_asset(ledger, policy, asset)
        if mark is None:
            return None
        total += abs(held.worst) * mark
    return total


def share_base(ledger: Ledger, policy: Policy) -> Decimal | None:
    """USD of hedge that the collateral asks for at least: what venue shares are held against; None until every source has spoken.

    A holding without a redemption rate or a mark adds nothing, which only tightens the caps: one coin that cannot be valued does
    not keep the others from being hedged.
    """
    if not _all_sources_spoke(ledger, policy):
        return None
    total = ZERO
    for holding in ledger.holdings.values():
        asset = policy.collateral_assets.get(holding.asset)
        mark = None if asset is None else mark_of_asset(ledger, policy, asset)
        if mark is not None and holding.redemption_rate is not None:
            total += holding.quantity * holding.redemption_rate * mark
    return total


def rebalance_threshold(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Base units of net delta that are left alone: the band of the collateral, or the least notional worth trading if larger."""
    held = collateral(ledger, policy, asset)
    mark = mark_of_asset(ledger, policy, asset)
    if held is None or mark is None:
        return None
    return max(abs(held.worst) * policy.rebalance_band, policy.rebalance_notional_min / mark)
