"""What we hold and what we are short, as ranges: the one place where delta is computed.

    net_delta = collateral + coin equity at venues (both: see `holdings`) + positions, linear ones as they are, inverse ones at mark

Delta is base units, whatever the record counts in: a position's contract units (see `instrument`) become base units here, at the mark
that values them (`marks`). Positions count wherever there is one, also at an instrument that the configuration no longer names.

A position is a range: our record, widened by the venue's figure under dispute, by every order that may still fill (pending, working, in
doubt) counted at nothing and at all of it. A position that no venue has ever told is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from bot.core.collateral import accounts, announced, collateral, counted_holdings, in_usd, nothing_is_told, told_at_least, unknown_assets
from bot.core.holdings import coin_equity, coin_equity_at, held, net_asset_value, settle_exposure
from bot.core.lasting import VALUATION_AGE_FACTOR, lasting
from bot.core.marks import (
    assets_in_book,
    hedged_assets,
    instruments_at,
    instruments_in_book,
    instruments_of,
    mark_of,
    mark_of_asset,
    median,
    once,
    valuation_mark,
    venues_in_book,
)
from bot.core.no_trade import edges_of
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.redemption import newest_rated, rate_of
from bot.core.units import ZERO, Asset, InstrumentId, Range

__all__ = [
    "VALUATION_AGE_FACTOR",
    "assets_in_book",
    "coin_equity",
    "collateral",
    "counted_holdings",
    "dust",
    "gross_notional",
    "hard_threshold",
    "hedge_ratio",
    "hedged_assets",
    "held",
    "instruments_in_book",
    "instruments_of",
    "mark_of",
    "mark_of_asset",
    "median",
    "net_asset_value",
    "net_delta",
    "newest_rated",
    "notional",
    "once",
    "position",
    "position_of_asset",
    "position_units",
    "rate_of",
    "rebalance_threshold",
    "recorded",
    "required_notional",
    "settle_exposure",
    "share_base",
    "unknown_assets",
    "venue_notional",
    "venues_in_book",
]


def position_units(ledger: Ledger, instrument: InstrumentId, *, reduced: bool = False) -> Range | None:
    """Signed contract units of one instrument with everything that is in flight or in doubt; None before any reading.

    None as well while somebody has taken over an order of which the venue does not tell how much it leaves.

    `reduced`: reducing orders count as done, which is what is expected of them.
    """
    record = ledger.positions.get(instrument)
    if record is None:
        return None
    dispute = record.dispute
    known = Range.exactly(record.quantity) if dispute is None else Range.spanning(record.quantity, dispute.observed)
    if not ledger.is_worked(instrument):
        return known
    for order in ledger.open_orders(instrument):
        known = known + (Range.exactly(order.leaves) if reduced and order.reduce_only else order.may_fill)
    for taken in ledger.taken_orders(instrument):
        if taken.may_fill is None:
            return None
        known = known + taken.may_fill
    return known


def position(ledger: Ledger, instrument: InstrumentId, *, reduced: bool = False, mark: Decimal | None = None) -> Range | None:
    """The same in signed base units, an inverse one at `mark` or, without it, at the venue's newest; None while one is unknown."""
    known = position_units(ledger, instrument, reduced=reduced)
    listed = ledger.instruments.get(instrument)
    if known is None or listed is None or not listed.is_inverse or known.low == known.high == ZERO:
        return known
    price = mark if mark is not None else mark_of(ledger, instrument)
    return None if price is None else Range(listed.base_of(known.low, price), listed.base_of(known.high, price))


def recorded(ledger: Ledger, instrument: InstrumentId) -> Decimal | None:
    """Signed base units of our record of one position, nothing in flight counted, at the venue's newest mark; None while unknown."""
    record = ledger.positions.get(instrument)
    listed = ledger.instruments.get(instrument)
    if record is None or listed is None or not listed.is_inverse or record.quantity == ZERO:
        return None if record is None else record.quantity
    mark = mark_of(ledger, instrument)
    return None if mark is None else listed.base_of(record.quantity, mark)


@lasting
def position_of_asset(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """All positions of an asset together; None while one of its instruments is unlisted or its position was never told."""
    if not _is_described(ledger, policy):
        return None  # what one is a perpetual of is not known yet
    total = Range.exactly(ZERO)
    for instrument in instruments_of(ledger, policy, asset):
        known = position(ledger, instrument, mark=valuation_mark(ledger, policy, instrument))
        if known is None:
            return None
        total = total + known
    return total


@lasting
def _is_described(ledger: Ledger, policy: Policy) -> bool:
    return all(i in ledger.instruments for i in instruments_in_book(ledger, policy))


@lasting
def net_delta(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """Signed base units by which the book is long (> 0) or short an asset; None while a part of it is unknown."""
    long = held(ledger, policy, asset)
    short = position_of_asset(ledger, policy, asset)
    return None if long is None or short is None else long + short


def hedge_ratio(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Short over what is held (collateral and coin equity), both at the middle of their ranges; None while unknown or nothing is held."""
    long, short = held(ledger, policy, asset), position_of_asset(ledger, policy, asset)
    return None if long is None or short is None or long.middle <= ZERO else -short.middle / long.middle


@lasting
def notional(ledger: Ledger, policy: Policy, instrument: InstrumentId, *, reduced: bool = False) -> Decimal | None:
    """USD of one instrument at the worse end of its range; None while position or mark is unknown. A flat one is worth nothing."""
    known = position_units(ledger, instrument, reduced=reduced)
    return None if known is None else _value(ledger, policy, instrument, known.worst)


def _value(ledger: Ledger, policy: Policy, instrument: InstrumentId, units: Decimal) -> Decimal | None:
    if units == ZERO:
        return ZERO
    listed = ledger.instruments.get(instrument)
    if listed is not None and listed.is_inverse:
        return abs(units)
    mark = valuation_mark(ledger, policy, instrument)
    return None if mark is None else abs(units) * mark


@lasting
def venue_notional(ledger: Ledger, policy: Policy, venue: str, *, reduced: bool = False) -> Decimal | None:
    """USD of all positions and orders at a venue, each at its worse end; None while one is unknown."""
    here = instruments_at(ledger, policy, venue)
    return _sum_known(notional(ledger, policy, i, reduced=reduced) for i in here)


@lasting
def gross_notional(ledger: Ledger, policy: Policy) -> Decimal | None:
    """USD of all positions and orders, each at its worse end; None while one is unknown."""
    return _sum_known(notional(ledger, policy, i) for i in instruments_in_book(ledger, policy))


def _sum_known(values: Iterable[Decimal | None]) -> Decimal | None:
    total = ZERO
    for value in values:
        if value is None:
            return None
        total += value
    return total


@lasting
def required_notional(ledger: Ledger, policy: Policy) -> Decimal | None:
    """USD of the whole hedge that all we hold asks for, over all assets; None while a part of it is unknown (see `share_base`)."""
    long = (held(ledger, policy, asset) for asset in hedged_assets(policy))
    values = ((asset, known) for asset, known in zip(hedged_assets(policy), long, strict=True))
    return _sum_known(None if known is None else in_usd(ledger, policy, asset, abs(known.worst)) for asset, known in values)


@lasting
def share_base(ledger: Ledger, policy: Policy) -> Decimal | None:
    """USD of hedge that what we hold asks for at least: what venue shares are held against; None while every asset waits for a source.

    What no source told, a holding without a redemption rate or a mark, and an account whose equity is unknown, adds nothing, which only
    tightens the caps: one coin that cannot be valued does not keep the others from being hedged.
    """
    if nothing_is_told(ledger, policy):
        return None
    total = ZERO
    for asset in hedged_assets(policy):
        outside = told_at_least(ledger, policy, asset) + announced(ledger, policy, asset)[0]
        total += in_usd(ledger, policy, asset, outside) or ZERO
        coins = (coin_equity_at(ledger, policy, venue, asset) or ZERO for venue in accounts(ledger, policy))
        total += in_usd(ledger, policy, asset, sum(coins, ZERO)) or ZERO
    return max(total, ZERO)


@lasting
def rebalance_threshold(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Base units of net delta that are left alone: the soft edge of the no-trade band. None while what is held is unknown."""
    edges, mark = edges_of(ledger, policy, asset), mark_of_asset(ledger, policy, asset)
    return None if edges is None or mark is None else edges.soft / mark


@lasting
def hard_threshold(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Base units of net delta beyond which it is corrected at once: the hard edge of the band. None while what is held is unknown."""
    edges, mark = edges_of(ledger, policy, asset), mark_of_asset(ledger, policy, asset)
    return None if edges is None or mark is None else edges.hard / mark


@lasting
def dust(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Signed base units of certain net delta beyond the band that are less than any order can carry: told and left alone.

    What is short is reduced in whole lots, also below a minimum notional. Zero: none. None while delta or every mark is unknown.
    """
    net, band = net_delta(ledger, policy, asset), rebalance_threshold(ledger, policy, asset)
    if net is None or band is None:
        return None
    certain = net.nearest_zero
    least = _least_orders(ledger, policy, asset, reduces=certain < ZERO)
    return certain if abs(certain) > band and least and abs(certain) < min(least) else ZERO


def _least_orders(ledger: Ledger, policy: Policy, asset: Asset, *, reduces: bool) -> list[Decimal]:
    """Base units of the least order at each instrument that has a mark; reducing, at those that are short."""
    found = []
    for instrument in instruments_of(ledger, policy, asset):
        listed, mark = ledger.instruments[instrument], mark_of(ledger, instrument)
        short = instrument in ledger.positions and ledger.positions[instrument].quantity < ZERO
        if mark is not None and (short if reduces else instrument in policy.instruments):
            found.append(listed.to_base(listed.tradable_contracts_min(mark, reduces=reduces), mark))
    return found
