"""What we hold and what we are short, as ranges: the one place where delta is computed.

    net_delta = sum of collateral units x redemption rate + sum of linear positions + inverse positions at mark

Collateral of an asset is unknown (None) until every configured source has spoken in this run, and while a holding lacks a
redemption rate. Only what configured sources told counts: a source that was taken out of the configuration, or renamed, will never take
back what it said last. Positions are the other way round: one at an instrument that the configuration no longer names is still ours,
and counts as long as it is there (`instruments_in_book`).

A position is a range: our record, widened by the venue's figure under dispute, by every order that may still fill (pending, working, in
doubt) counted at nothing and at all of it. A position that no venue has ever told is unknown.

What is held is valued at fresh marks as long as there is one: a venue that fell silent is worth what the others say. While all are
silent the last marks count, because limits on a guess are better than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache

from bot.core.events import Quote
from bot.core.policy import Policy
from bot.core.records import Holding, Ledger
from bot.core.units import ZERO, Asset, InstrumentId, Range, VenueId, is_recent

VALUATION_AGE_FACTOR = 5
"""How many times `quote_age_max_ms` a mark may be old and still count as fresh where it only values: nothing is priced on it."""


def hedged_assets(policy: Policy) -> tuple[Asset, ...]:
    """The assets whose delta is hedged, sorted by name."""
    return tuple(sorted(set(policy.collateral_assets.values())))


def instruments_of(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[InstrumentId, ...]:
    """The listed instruments that hedge an asset or may, sorted by id; those among them that are only carried."""
    named = (i for i in instruments_in_book(ledger, policy) if i in ledger.instruments)
    return tuple(i for i in named if ledger.instruments[i].base == asset)


def instruments_in_book(ledger: Ledger, policy: Policy) -> tuple[InstrumentId, ...]:
    """Every instrument that counts: those of the policy, and those that carry a position or an open order; sorted by id."""
    named = policy.instruments
    return _sorted(named if ledger.occupied <= named else named | ledger.occupied)


@lru_cache(maxsize=16)
def _sorted(instruments: frozenset[InstrumentId]) -> tuple[InstrumentId, ...]:
    """A decision asks hundreds of times for the same few sets."""
    return tuple(sorted(instruments))


def venues_in_book(ledger: Ledger, policy: Policy) -> tuple[VenueId, ...]:
    """The venues of every instrument that counts, sorted."""
    return tuple(sorted({ledger.venue_of(i) for i in instruments_in_book(ledger, policy)}))


def assets_in_book(ledger: Ledger, policy: Policy) -> tuple[Asset, ...]:
    """The hedged assets, and those without configured collateral of which there is a position all the same; sorted."""
    bases = {ledger.instruments[i].base for i in ledger.occupied if i in ledger.instruments}
    return tuple(sorted(bases.union(hedged_assets(policy))))


def counted_holdings(ledger: Ledger, policy: Policy) -> tuple[Holding, ...]:
    """What configured sources told of assets that are hedged."""
    told = (h for h in ledger.holdings.values() if h.source in policy.collateral_sources)
    return tuple(h for h in told if h.asset in policy.collateral_assets)


def collateral(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """Base units of an asset held as collateral, every location and every form of it; None while unknown."""
    if not _all_sources_spoke(ledger, policy):
        return None
    total = ZERO
    for holding in counted_holdings(ledger, policy):
        if policy.collateral_assets[holding.asset] != asset or holding.quantity == ZERO:
            continue  # nothing of it is nothing at any rate
        if holding.redemption_rate is None:
            return None
        total += holding.quantity * holding.redemption_rate
    return Range.exactly(total)


def _all_sources_spoke(ledger: Ledger, policy: Policy) -> bool:
    return policy.collateral_sources <= ledger.sources_confirmed_at.keys()


def position(ledger: Ledger, instrument: InstrumentId, *, reduced: bool = False) -> Range | None:
    """Signed base quantity of one instrument with everything that is in flight or in doubt; None before any reading.

    `reduced`: reducing orders count as done, which is what is expected of them.
    """
    record = ledger.positions.get(instrument)
    if record is None:
        return None
    known = Range.exactly(record.quantity)
    if record.dispute is not None:
        known = Range.spanning(record.quantity, record.dispute.observed)
    for order in ledger.open_orders(instrument):
        known = known + (Range.exactly(order.leaves) if reduced and order.reduce_only else order.may_fill)
    return known


def position_of_asset(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """All positions of an asset together; None while one of its instruments is unlisted or its position was never told."""
    total = Range.exactly(ZERO)
    for instrument in instruments_in_book(ledger, policy):
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
    """The median of the venues' fresh marks of an asset, of their last ones while none is fresh; None while no venue has told one."""
    quotes = [q for i in instruments_of(ledger, policy, asset) if (q := ledger.quotes.get(i)) is not None and q.mark is not None]
    fresh = [q for q in quotes if _values_now(ledger, policy, q)]
    return median([q.mark for q in fresh or quotes if q.mark is not None])


def median(values: Sequence[Decimal]) -> Decimal | None:
    """The middle value, of an even number the mean of the two in the middle; None of none."""
    if not values:
        return None
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _values_now(ledger: Ledger, policy: Policy, quote: Quote) -> bool:
    """Whether a mark may value: judged when the quotes came in, with the latest decision."""
    if ledger.decided_at is None or quote.mark_at is None:
        return False
    return is_recent(ledger.decided_at, quote.mark_at, policy.quote_age_max_ms * VALUATION_AGE_FACTOR)


def _valuation_mark(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Decimal | None:
    """The instrument's own mark while it is fresh, else the asset's; of an instrument that nobody quotes any more, its entry price."""
    quote = ledger.quotes.get(instrument)
    if quote is not None and quote.mark is not None and _values_now(ledger, policy, quote):
        return quote.mark
    listed = ledger.instruments.get(instrument)
    mark = mark_of_asset(ledger, policy, listed.base) if listed is not None else None
    if mark is None and instrument not in policy.instruments and instrument in ledger.positions:
        return ledger.positions[instrument].entry_price
    return mark


def notional(ledger: Ledger, policy: Policy, instrument: InstrumentId, *, reduced: bool = False) -> Decimal | None:
    """USD of one instrument at the worse end of its range; None while position or mark is unknown. A flat one is worth nothing."""
    known = position(ledger, instrument, reduced=reduced)
    return None if known is None else _value(ledger, policy, instrument, known.worst)


def _value(ledger: Ledger, policy: Policy, instrument: InstrumentId, quantity: Decimal) -> Decimal | None:
    if quantity == ZERO:
        return ZERO
    mark = _valuation_mark(ledger, policy, instrument)
    return None if mark is None else abs(quantity) * mark


def venue_notional(ledger: Ledger, policy: Policy, venue: str, *, reduced: bool = False) -> Decimal | None:
    """USD of all positions and orders at a venue, each at its worse end; None while one is unknown."""
    here = (i for i in instruments_in_book(ledger, policy) if ledger.venue_of(i) == venue)
    return _sum_known(notional(ledger, policy, i, reduced=reduced) for i in here)


def gross_notional(ledger: Ledger, policy: Policy) -> Decimal | None:
    """USD of all positions and orders, each at its worse end; None while one is unknown."""
    return _sum_known(notional(ledger, policy, i) for i in instruments_in_book(ledger, policy))


def margin_notional(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """USD of the positions for which a venue told its margin last, at the marks of now; None while one has no mark."""
    record = ledger.venues.get(venue)
    held = {} if record is None else record.margin_positions
    return _sum_known(_value(ledger, policy, i, quantity) for i, quantity in sorted(held.items()))


def _sum_known(values: Iterable[Decimal | None]) -> Decimal | None:
    total = ZERO
    for value in values:
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
    for holding in counted_holdings(ledger, policy):
        if holding.redemption_rate is None:
            continue
        mark = mark_of_asset(ledger, policy, policy.collateral_assets[holding.asset])
        if mark is not None:
            total += holding.quantity * holding.redemption_rate * mark
    return total


def rebalance_threshold(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Base units of net delta that are left alone: the band of the collateral, or the least notional worth trading if larger."""
    held = collateral(ledger, policy, asset)
    mark = mark_of_asset(ledger, policy, asset)
    if held is None or mark is None:
        return None
    return max(abs(held.worst) * policy.rebalance_band, policy.rebalance_notional_min / mark)
