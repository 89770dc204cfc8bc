"""Which instruments count, and what a unit of each asset is worth: the ground on which `holdings` and `exposure` stand.

An instrument that the configuration no longer names still counts as long as it carries a position or an open order.

What is held is valued at fresh marks as long as there is one: a venue that fell silent is worth what the others say. While all are
silent the last marks count, because limits on a guess are better than none. What an asset is worth, a venue in quarantine is asked only
where nobody else says anything; what is held there keeps its own mark, by which that venue's margin goes.

A decision asks the same questions hundreds of times. What is `once` is worked out once per ledger and policy; both are frozen. What knows
no clock is `lasting`: it also outlives a ledger (see there).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import update_wrapper
from typing import Concatenate, ParamSpec, TypeVar

from bot.core.lasting import lasting, values_now
from bot.core.lookups import of_policy, venue_of
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Asset, InstrumentId, VenueId

P = ParamSpec("P")
R = TypeVar("R")


def once(question: Callable[Concatenate[Ledger, Policy, P], R]) -> Callable[Concatenate[Ledger, Policy, P], R]:
    """The same function, worked out once for each ledger, policy (the very objects) and further arguments, which must be hashable."""

    def remembered(ledger: Ledger, policy: Policy, /, *args: P.args, **kwargs: P.kwargs) -> R:
        memo = ledger.memo(policy)
        key = (question, args, *kwargs.items()) if kwargs else (question, args)
        known: R
        try:
            known = memo[key]
        except KeyError:
            known = memo[key] = question(ledger, policy, *args, **kwargs)
        return known

    return update_wrapper(remembered, question)


@of_policy
def hedged_assets(policy: Policy) -> tuple[Asset, ...]:
    """The assets whose delta is hedged, sorted by name."""
    return tuple(sorted(set(policy.collateral_assets.values())))


@of_policy
def venues_named(policy: Policy) -> tuple[VenueId, ...]:
    """The venues of the instruments that may be used as hedges, sorted."""
    return tuple(sorted({venue_of(instrument) for instrument in policy.instruments}))


def hedged_as(policy: Policy, asset: Asset) -> Asset:
    """What an asset is hedged as: what the policy says of it, else itself."""
    return policy.collateral_assets.get(asset, asset)


@lasting
def instruments_in_book(ledger: Ledger, policy: Policy) -> tuple[InstrumentId, ...]:
    """Every instrument that counts: those of the policy, and those that carry a position or an open order; sorted by id."""
    return tuple(sorted(policy.instruments | ledger.occupied))


@lasting
def _by_asset(ledger: Ledger, policy: Policy) -> Mapping[Asset, tuple[InstrumentId, ...]]:
    found: dict[Asset, list[InstrumentId]] = {}
    for instrument in instruments_in_book(ledger, policy):
        listed = ledger.instruments.get(instrument)
        if listed is not None:
            found.setdefault(listed.base, []).append(instrument)
    return {asset: tuple(its) for asset, its in found.items()}


@lasting
def _by_venue(ledger: Ledger, policy: Policy) -> Mapping[VenueId, tuple[InstrumentId, ...]]:
    found: dict[VenueId, list[InstrumentId]] = {}
    for instrument in instruments_in_book(ledger, policy):
        found.setdefault(venue_of(instrument), []).append(instrument)
    return {venue: tuple(its) for venue, its in found.items()}


def instruments_of(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[InstrumentId, ...]:
    """The listed instruments that hedge an asset or may, sorted by id; those among them that are only carried."""
    return _by_asset(ledger, policy).get(asset, ())


def instruments_at(ledger: Ledger, policy: Policy, venue: str) -> tuple[InstrumentId, ...]:
    """The instruments of a venue that count, sorted by id."""
    return _by_venue(ledger, policy).get(VenueId(venue), ())


def venues_in_book(ledger: Ledger, policy: Policy) -> tuple[VenueId, ...]:
    """The venues of every instrument that counts, sorted."""
    return tuple(sorted(_by_venue(ledger, policy)))


def assets_in_book(ledger: Ledger, policy: Policy) -> tuple[Asset, ...]:
    """The hedged assets, and those without configured collateral of which there is a position all the same; sorted."""
    bases = {ledger.instruments[i].base for i in ledger.occupied if i in ledger.instruments}
    return tuple(sorted(bases.union(hedged_assets(policy))))


def mark_of(ledger: Ledger, instrument: InstrumentId) -> Decimal | None:
    """The venue's newest mark of an instrument, None before any."""
    quote = ledger.quotes.get(instrument)
    return quote.mark if quote else None


@lasting
def mark_of_asset(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """The median of the venues' fresh marks of an asset, of their last ones while none is fresh; None while no venue has told one.

    A venue in quarantine is not asked while another one has told a mark.
    """
    told = [q for i in instruments_of(ledger, policy, asset) if (q := ledger.quotes.get(i)) is not None and q.mark is not None]
    quotes = [q for q in told if ledger.venue_of(q.instrument) not in ledger.quarantined] or told
    fresh = [q for q in quotes if values_now(ledger, policy, q)]
    return median([q.mark for q in fresh or quotes if q.mark is not None])


def median(values: Sequence[Decimal]) -> Decimal | None:
    """The middle value, of an even number the mean of the two in the middle; None of none."""
    if not values:
        return None
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


@lasting
def valuation_mark(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Decimal | None:
    """The instrument's own mark while it is fresh, else the asset's; of an instrument that nobody quotes any more, its entry price."""
    quote = ledger.quotes.get(instrument)
    if quote is not None and quote.mark is not None and values_now(ledger, policy, quote):
        return quote.mark
    listed = ledger.instruments.get(instrument)
    mark = mark_of_asset(ledger, policy, listed.base) if listed is not None else None
    if mark is None and instrument not in policy.instruments and instrument in ledger.positions:
        return ledger.positions[instrument].entry_price
    return mark


@lasting
def dollars(ledger: Ledger, policy: Policy) -> frozenset[Asset]:
    """The assets that are taken for one dollar: the stablecoins that the policy names, and what a listed linear perpetual is quoted and
    settled in, unless it is a coin itself.

    What is neither among these nor hedged has no value here: it is unknown, and not a dollar.
    """
    settled = {i.settle for i in ledger.instruments.values() if not i.is_inverse and i.settle == i.quote}
    coins = {i.base for i in ledger.instruments.values()}.union(policy.collateral_assets, policy.collateral_assets.values())
    return frozenset(settled | policy.stables) - coins
