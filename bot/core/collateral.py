"""What sources tell of collateral, each place once; announcements count as `claims` tells.

Each asset at each location has one source that is believed. Where the configuration names none and several tell of it, the least counts
for certain and the most for possible.

Collateral of an asset is unknown (None) while nothing is known of a source that may tell of it (`staleness`), and while a holding lacks
a redemption rate, unless that is dust: what is not worth a rebalance at any rate that a token could have may be there, and nothing of it
is certain. What was told too long ago, or to an earlier run, stays, and is known as a range; of both as much may have gone as others
closed of its hedges, or come as they opened (`remembered`). Only what configured sources told counts: a source that was taken out of
the configuration, or renamed, will never take back what it said last. A holding at a venue whose account tells that coin is the account's,
not collateral.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from bot.core import staleness
from bot.core.claim_reach import NOTHING_ADDED
from bot.core.claim_terms import place
from bot.core.claims import place_records
from bot.core.copying import replace
from bot.core.lasting import lasting
from bot.core.marks import dollars, hedged_assets, mark_of_asset, valuation_mark, venues_in_book
from bot.core.policy import Policy
from bot.core.records import Holding, Ledger
from bot.core.redemption import rate_of, rated_by, redemption_rate
from bot.core.units import ONE, ZERO, Asset, Range, VenueId

RATE_PLAUSIBLE_MAX = Decimal(10)
"""Base units that one token of any kind might redeem for, where nobody told: far more than the tokens in use."""


@lasting
def counted_holdings(ledger: Ledger, policy: Policy) -> tuple[Holding, ...]:
    """What is certain of assets that are hedged, each place once, without the coins that an account at a venue tells of itself."""
    told = (_least(holdings) for holdings in _told_of_places(ledger, policy).values())
    return tuple(h for h in told if h.asset in policy.collateral_assets)


@lasting
def stable_holdings(ledger: Ledger, policy: Policy) -> Mapping[Asset, Decimal]:
    """What is certain of each stablecoin held as collateral, each place once: no delta, but a part of the stable sleeve.

    What a custodian mirrors at venues as margin counts here whether the policy names it or not, because the accounts add the rest alone.
    """
    return _stables(ledger, policy, min)


@lasting
def stable_holdings_at_most(ledger: Ledger, policy: Policy) -> Mapping[Asset, Decimal]:
    """The same at the most that may be there: of a place that was told only half, or by several sources, the larger figure."""
    return _stables(ledger, policy, max)


def _stables(ledger: Ledger, policy: Policy, of_place: Callable[[Iterable[Decimal]], Decimal]) -> Mapping[Asset, Decimal]:
    total: dict[Asset, Decimal] = {}
    mirrored = {(source, asset) for source, _, asset in ledger.mirrored if asset in dollars(ledger, policy)}
    for (asset, _), told in _told_of_places(ledger, policy).items():
        if asset in policy.stables or any((h.source, asset) in mirrored for h in told):
            total[asset] = total.get(asset, ZERO) + of_place(h.quantity for h in told)
    return total


def most_of_place(ledger: Ledger, policy: Policy, holding: Holding) -> Decimal:
    """The most that was told of the place of a holding that counts, in its own units."""
    return max(h.quantity for h in _told_of_places(ledger, policy)[holding.asset, holding.location])


@lasting
def certain_holdings(ledger: Ledger, policy: Policy) -> tuple[Holding, ...]:
    """What is certain of every asset that counts as collateral, stablecoins included, each place once."""
    told = (_least(holdings) for holdings in _told_of_places(ledger, policy).values())
    return tuple(h for h in told if h.asset in policy.collateral_assets or h.asset in policy.stables)


@lasting
def confirmed_totals(ledger: Ledger, policy: Policy) -> Mapping[Asset, Decimal]:
    """What is certain of each asset that counts as collateral, stablecoins included, in its own units, all places together."""
    total = dict(stable_holdings(ledger, policy))
    for holding in counted_holdings(ledger, policy):
        total[holding.asset] = total.get(holding.asset, ZERO) + holding.quantity
    return total


@lasting
def _told_of_places(ledger: Ledger, policy: Policy) -> Mapping[tuple[Asset, str], tuple[Holding, ...]]:
    """What configured sources told of each place: the source that is believed alone, where the configuration names one.

    Of one that fell silent before it had told everything, also what it had told before it began (`remembered`).
    """
    found: dict[tuple[Asset, str], tuple[Holding, ...]] = {}
    partly = staleness.partly_told(ledger, policy)
    for holding in ledger.holdings.values():
        where = place(holding.asset, holding.location)
        named = policy.claims.authorities.get(where)
        counts = holding.source in policy.collateral_sources and named in (None, holding.source)
        if counts and not _is_in_account(ledger, policy, holding):
            before = partly.get(holding.source, {}).get(where)
            words = (holding,) if before is None else (holding, replace(holding, quantity=before))
            found[holding.asset, holding.location] = (*found.get((holding.asset, holding.location), ()), *words)
    return found


def _least(told: Iterable[Holding]) -> Holding:
    """Of several words on one place the least, whoever tells the rate (`redemption.rate_of`); of equal ones one that tells it itself."""
    return min(told, key=lambda h: (h.quantity, h.redemption_rate is None))


def _is_in_account(ledger: Ledger, policy: Policy, holding: Holding) -> bool:
    """Whether an account that counts tells the coin itself."""
    venue = VenueId(holding.location)
    return venue in accounts(ledger, policy) and holding.asset in ledger.venues[venue].equity_told


def waits_for(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[str, ...]:
    """The sources that may tell of what is hedged as an asset, and of which nothing is known; sorted."""
    unknown = staleness.unknown_sources(ledger, policy)
    return tuple(sorted(source for source in unknown if staleness.may_tell_of(policy, source, asset)))


def unheard_of(ledger: Ledger, policy: Policy, coin: Asset) -> tuple[str, ...]:
    """The sources that may tell of a stablecoin that counts as collateral, and of which nothing is known; sorted."""
    unknown = staleness.unknown_sources(ledger, policy) if coin in policy.stables else ()
    return tuple(sorted(source for source in unknown if coin in policy.source_assets.get(source, policy.stables)))


@lasting
def unrated(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[Holding, ...]:
    """What is held and hedged as an asset, and what no redemption rate was told of: each place once, at the most that was told there."""
    found = []
    for holding in counted_holdings(ledger, policy):
        most = max(_told_of_places(ledger, policy)[holding.asset, holding.location], key=lambda h: h.quantity)
        if policy.collateral_assets[holding.asset] == asset and most.quantity != ZERO and rate_of(ledger, policy, holding) is None:
            found.append(most)
    return tuple(found)


@lasting
def dust_without_rate(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Base units that all of `unrated` may be at most, where that is worth no rebalance (`rebalance_notional_min`); else None."""
    held = sum((h.quantity for h in unrated(ledger, policy, asset)), ZERO)
    return held * RATE_PLAUSIBLE_MAX if is_dust(ledger, policy, asset, held) else None


def is_dust(ledger: Ledger, policy: Policy, asset: Asset, tokens: Decimal) -> bool:
    """Whether tokens that are hedged as an asset are worth no rebalance at any rate that they could have; nothing always is."""
    value = in_usd(ledger, policy, asset, abs(tokens) * RATE_PLAUSIBLE_MAX)
    return value is not None and value <= policy.rebalance_notional_min


@lasting
def collateral(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """Base units of an asset held as collateral, every location and every form of it; None while unknown."""
    dust = dust_without_rate(ledger, policy, asset)
    if dust is None or waits_for(ledger, policy, asset):
        return None
    total, possible, less = ZERO, dust, ZERO
    for holding in counted_holdings(ledger, policy):
        if policy.collateral_assets[holding.asset] != asset:
            continue
        most = most_of_place(ledger, policy, holding)
        if most == ZERO:
            continue  # nothing of it is nothing at any rate
        rate = rate_of(ledger, policy, holding)
        if rate is None:
            continue  # dust
        total += holding.quantity * rate
        possible += (most - holding.quantity) * rate
        doubted = staleness.doubt(ledger, policy, holding, rated_by(ledger, policy, holding))
        if doubted:
            less, possible = less + holding.quantity * rate * doubted, possible + most * rate * doubted
    certain, uncertain = announced(ledger, policy, asset)
    less = min(total, less + gone_unseen(ledger, policy, asset))
    possible += come_unseen(ledger, policy, asset)
    return Range(total + certain - less, total + certain + possible + uncertain)


@lasting
def gone_unseen(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal:
    """Base units of an asset that may have gone with hedges that others closed, of what is only remembered (see `remembered`).

    Of two sources that stand on memory the same hedges may be missing, and neither can have lost more than it told.
    """
    moved = _moved_unseen(ledger, policy, asset)
    told = {source: _told_by(ledger, policy, source, asset) for source in moved}
    most = [told[source] if units is None else max(ZERO, units) for source, units in moved.items()]
    return min(max(most, default=ZERO), sum(map(min, most, told.values()), ZERO))


@lasting
def come_unseen(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal:
    """Base units of an asset that may have come with hedges that others opened, beside what is only remembered (see `remembered`).

    Of two sources that stand on memory either may tell of them, and both of no more. Where that cannot be valued, as much as was told.
    """
    moved = _moved_unseen(ledger, policy, asset)
    most = (_told_by(ledger, policy, source, asset) if units is None else -units for source, units in moved.items())
    return max((ZERO, *most))


def _moved_unseen(ledger: Ledger, policy: Policy, asset: Asset) -> Mapping[str, Decimal | None]:
    """What `moved_by_others` tells since each source was heard that may tell of an asset and is silent or only remembered. Mostly empty."""
    noted = sorted(policy.collateral_sources & ledger.foreign_moves.keys())
    about = (source for source in noted if staleness.may_tell_of(policy, source, asset))
    silent = (source for source in about if staleness.unheard(ledger, policy, source) is not None)
    return {source: moved_by_others(ledger, policy, source, asset) for source in silent}


def _told_by(ledger: Ledger, policy: Policy, source: str, asset: Asset) -> Decimal:
    """Base units of an asset that a source told, the least of each place."""
    told = (h for h in counted_holdings(ledger, policy) if h.source == source and policy.collateral_assets[h.asset] == asset)
    return sum((h.quantity * (rate_of(ledger, policy, h) or ZERO) for h in told), ZERO)


def moved_by_others(ledger: Ledger, policy: Policy, source: str, asset: Asset) -> Decimal | None:
    """Signed base units by which others moved the hedges of an asset since a source was heard: > 0: they closed more than they opened.

    None where that cannot be valued.
    """
    total = ZERO
    for instrument, units in ledger.foreign_moves.get(source, {}).items():
        listed = ledger.instruments.get(instrument)
        if listed is None or listed.base != asset or units == ZERO:
            continue
        mark = valuation_mark(ledger, policy, instrument) if listed.is_inverse else ONE
        if mark is None:
            return None
        total += listed.base_of(units, mark)
    return total


@lasting
def told_at_least(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal:
    """Base units of an asset that sources told, in this run or as it is remembered, and that a rate is known of: the least of each place.

    Also while the asset waits for other sources, which may tell more.
    """
    total, unknown = ZERO, staleness.unknown_sources(ledger, policy)
    for holding in counted_holdings(ledger, policy):
        counts = policy.collateral_assets[holding.asset] == asset and unknown.get(holding.source, True)
        rate = rate_of(ledger, policy, holding) if counts else None
        total += ZERO if rate is None else holding.quantity * rate
    return total


def nothing_is_told(ledger: Ledger, policy: Policy) -> bool:
    """Whether every hedged asset waits for a source."""
    hedged = hedged_assets(policy)
    return bool(hedged) and all(waits_for(ledger, policy, asset) for asset in hedged)


def unknown_assets(ledger: Ledger, policy: Policy) -> tuple[Asset, ...]:
    """The hedged assets of which it is not known how much is held as collateral."""
    return tuple(asset for asset in hedged_assets(policy) if collateral(ledger, policy, asset) is None)


@lasting
def announced(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[Decimal, Decimal]:
    """Base units that announcements add for certain (< 0: they end), and those that they may add beside. Without a rate, nothing.

    Where the source that would confirm them is silent, both what may come and what may have left is possible and nothing is certain: what
    was hedged before it fell silent stays, and nothing is traded on what is announced while it is.
    """
    certain, uncertain = ZERO, ZERO
    if not ledger.claims:
        return certain, uncertain
    for record in place_records(ledger, policy):
        added = record.reach
        is_counted = policy.collateral_assets.get(record.asset) == asset and added != NOTHING_ADDED
        rate = redemption_rate(ledger, policy, record.asset) if is_counted else None
        if rate is None:
            continue
        is_heard = staleness.unheard(ledger, policy, record.source) is None
        low, high = (added.low, added.high) if is_heard else (added.unheard_low, added.unheard_high)
        certain += low * rate
        uncertain += (high - low) * rate
    return certain, uncertain


@lasting
def accounts(ledger: Ledger, policy: Policy) -> tuple[VenueId, ...]:
    """The venues whose word on our account counts, sorted: those that were heard of, and where an instrument counts."""
    return tuple(venue for venue in venues_in_book(ledger, policy) if venue in ledger.venues)


def in_usd(ledger: Ledger, policy: Policy, asset: Asset, quantity: Decimal) -> Decimal | None:
    """USD of base units of an asset at its mark; nothing is worth nothing. None without a mark."""
    if quantity == ZERO:
        return ZERO
    mark = mark_of_asset(ledger, policy, asset)
    return None if mark is None else quantity * mark
