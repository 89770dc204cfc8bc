"""The pools of margin of one venue's account, from what it told last.

An account consists of pools: one per settle asset, or one for the whole account where the venue tells its margin for all of it. Positions
count at the worse end of their range. What counts as a dollar says `marks.dollars`; what is neither that nor a coin has no value.

Coins that stand in a whole account beside linear positions count after the venue's collateral ratios (F7); without ratios none of their
rise counts. Where the venue tells its own adjusted equity, that is the balance; else it is the sum of what counts of each asset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.core import exposure
from bot.core.holdings import worth
from bot.core.lasting import lasting
from bot.core.margin_pool import Leg, Pool, as_before
from bot.core.marks import dollars, instruments_at, valuation_mark
from bot.core.policy import Policy
from bot.core.records import Ledger, VenueRecord
from bot.core.reports import MarginReport
from bot.core.units import ONE, ZERO, Asset, InstrumentId, VenueId


@lasting
def pools(ledger: Ledger, policy: Policy, venue: VenueId) -> tuple[Pool, ...]:
    """The pools of a venue: the whole account first, then by settle asset; none when it has told nothing and nothing is there."""
    record = ledger.venues.get(venue) or VenueRecord()
    legs, unknown = _legs(ledger, policy, venue, record)
    own = {m.asset: m for m in record.margins.values() if not m.is_account_wide}
    wide = tuple(m for m in record.margins.values() if m.is_account_wide)
    by_asset: dict[Asset | None, dict[InstrumentId, Leg]] = {asset: {} for asset in own}
    if wide:
        by_asset[None] = {}
    for instrument, leg in legs.items():
        settle = leg.listed.settle
        by_asset.setdefault(None if wide and settle not in own else settle, {})[instrument] = leg
    found = []
    for asset, here in sorted(by_asset.items(), key=lambda item: item[0] or ""):
        known = None if unknown else here
        if asset is not None and asset not in own and all(leg.units == ZERO for leg in here.values()):
            continue  # nothing was told, and nothing is there
        if asset is None:
            found.append(_whole_account(ledger, policy, venue, wide, known))
        else:
            found.append(_of_asset(ledger, policy, venue, asset, own.get(asset), known))
    return tuple(map(as_before, found))


def pool_of(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Pool | None:
    """The pool behind one instrument; None before the venue has described it."""
    venue = ledger.venue_of(instrument)
    return next((p for p in pools(ledger, policy, venue) if p.legs is not None and instrument in p.legs), None)


def _legs(ledger: Ledger, policy: Policy, venue: VenueId, record: VenueRecord) -> tuple[dict[InstrumentId, Leg], bool]:
    """The listed instruments of a venue, and whether something there cannot be counted: a position never told, or of we know not what."""
    legs, unknown = {}, False
    for instrument in instruments_at(ledger, policy, venue):
        listed, known = ledger.instruments.get(instrument), exposure.position_units(ledger, instrument)
        if listed is None or known is None:
            unknown = unknown or instrument in ledger.occupied or listed is not None
            continue
        mark = valuation_mark(ledger, policy, instrument)
        legs[instrument] = Leg(
            listed=listed,
            units=known.worst,
            mark=None if mark is None or mark <= ZERO else mark,
            told_units=record.margin_positions.get(instrument, ZERO),
            told_mark=record.margin_marks.get(instrument),
        )
    return legs, unknown


def _of_asset(
    ledger: Ledger, policy: Policy, venue: VenueId, asset: Asset, told: MarginReport | None, legs: Mapping[InstrumentId, Leg] | None
) -> Pool:
    return Pool(
        venue=venue,
        asset=asset,
        in_coin=asset not in dollars(ledger, policy),
        usd=worth(ledger, policy, asset, ONE),
        balance_told=None if told is None else told.margin_balance,
        maintenance_told=None if told is None else told.maintenance_margin,
        legs=legs,
        counted={},
        equity={},
    )


def _whole_account(
    ledger: Ledger, policy: Policy, venue: VenueId, told: Sequence[MarginReport], legs: Mapping[InstrumentId, Leg] | None
) -> Pool:
    """Of the copies told with each asset the worse counts: told at different instants they may differ."""
    coins = [m for m in told if m.equity is not None and m.equity != ZERO and m.asset not in dollars(ledger, policy)]
    balances = [m.margin_balance for m in told if m.margin_balance is not None]
    needs = [m.maintenance_margin for m in told if m.maintenance_margin is not None]
    balance = min(balances) if len(balances) == len(told) else None
    if not balances:
        balance = _adjusted_equity(ledger, policy, told)
    return Pool(
        venue=venue,
        asset=None,
        in_coin=False,
        usd=ONE,
        balance_told=balance,
        maintenance_told=max(needs) if len(needs) == len(told) else None,
        legs=legs,
        counted={m.asset: c for m in coins if (c := _counted(m)) is not None},
        equity={m.asset: m.equity for m in coins if m.equity is not None},
    )


def _counted(told: MarginReport) -> Decimal | None:
    """Coins that the venue counts of an asset's equity; None while equity or ratios are not told. A debt counts in full."""
    if told.equity is None or (told.collateral_ratios is None and told.equity > ZERO):
        return None
    return told.equity if told.collateral_ratios is None else told.collateral_ratios.counted(told.equity)


def _adjusted_equity(ledger: Ledger, policy: Policy, told: Sequence[MarginReport]) -> Decimal | None:
    """USD of what counts of every asset, where the venue does not tell the sum; None while a part of it is unknown."""
    total = ZERO
    for report in told:
        is_dollar = report.asset in dollars(ledger, policy)
        counted = report.equity if is_dollar and report.collateral_ratios is None else _counted(report)
        value = None if counted is None else worth(ledger, policy, report.asset, counted)
        if value is None:
            return None
        total += value
    return total
