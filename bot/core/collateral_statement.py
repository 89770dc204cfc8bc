"""The record of collateral for people: what lies where and in which state, what was announced, what custodians mirror, the stable sleeve.

Nothing here decides. Every figure is in the asset's own units unless a name says `_usd`, and what is not known is None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.core import allowances, collateral, holdings, obstacles
from bot.core.claim_records import ClaimState
from bot.core.claim_standing import Judged
from bot.core.claim_terms import place
from bot.core.claims import judged, place_records
from bot.core.policy import Policy
from bot.core.records import Delegation, Ledger
from bot.core.reports import SettlementState
from bot.core.units import ZERO, Asset, Millis, VenueId

CLAIMS_SHOWN = 50
"""Open claims that a statement lists, the newest; all of them are counted."""
_OVER = frozenset({ClaimState.CONFIRMED, ClaimState.CANCELED, ClaimState.EXPIRED})
_SETTLING = frozenset({SettlementState.FROZEN, SettlementState.CALCULATING, SettlementState.SETTLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceStatement:
    """One asset at one location, as the source that is believed of it told it.

    `confirmed`: there, by its newest total; `leaving` is the part of it whose delta has ended. `pending`: announced and not there yet.
    `held_back`: announced and not believed. `counted` = confirmed - leaving + what of `pending` is hedged before it comes: what counts for
    certain. `possible` >= counted: the most that may count, with what may come, and with what may be there still or again because a deposit
    and a redemption may have netted out unseen.
    `arrived` - `left` = confirmed, over the life of the journal; None where nothing was entered of it.
    """

    asset: Asset
    location: str
    source: str
    confirmed: Decimal
    pending: Decimal
    leaving: Decimal
    held_back: Decimal
    counted: Decimal
    arrived: Decimal | None = None
    left: Decimal | None = None
    possible: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimStatement:
    """One announced deposit or redemption that is not over: where it stands, how much of it no total shows yet, and why it is held back.

    `told_by`: the claim of another announcer that counts for both, "" where it counts itself.
    """

    claim: str
    kind: str
    state: str
    stage: str
    asset: Asset
    location: str
    depositor: str
    quantity: Decimal
    left: Decimal
    announced_at: Millis
    why: str
    told_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationStatement:
    """What one custodian mirrors of an asset at a venue, and how far their settlement is; instants by the custodian's clock."""

    custodian: str
    venue: VenueId
    asset: Asset
    delegated: Decimal
    settled: Decimal
    due: Decimal | None
    posted: Decimal | None
    cycle: int
    state: str
    is_frozen: bool
    is_disputed: bool
    next_settlement_at: Millis | None
    frozen_from: Millis | None
    frozen_until: Millis | None
    told_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedStatement:
    """What a venue owes us beyond what was delegated to it, and what it may come to owe until the next settlement (F8), USD."""

    venue: VenueId
    unsettled_usd: Decimal | None
    exposure_at_risk_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SleeveStatement:
    """One stablecoin: who issued it (itself where nobody is named), what is held of it as collateral, and all that the book owns of it."""

    asset: Asset
    issuer: str
    held_usd: Decimal
    exposure_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralRecord:
    """All of it. `claims_by_state` counts every claim that is remembered; of `claims` only the newest that are not over are listed."""

    places: tuple[PlaceStatement, ...] = ()
    claims: tuple[ClaimStatement, ...] = ()
    claims_by_state: Mapping[str, int] = field(default_factory=dict)
    delegations: tuple[DelegationStatement, ...] = ()
    owed: tuple[OwedStatement, ...] = ()
    sleeve: tuple[SleeveStatement, ...] = ()


def record_of(ledger: Ledger, policy: Policy, now: Millis) -> CollateralRecord:
    """The record of collateral as it stands."""
    found = judged(ledger, policy)
    states = Counter(each.state.value for each in found)
    still = [each for each in found if each.state not in _OVER]
    mirrored = [(source, d) for (source, *_), d in sorted(ledger.mirrored.items()) if source in policy.collateral_sources]
    return CollateralRecord(
        places=_places(ledger, policy),
        claims=tuple(_claim(each) for each in still[-CLAIMS_SHOWN:]),
        claims_by_state={state.value: states[state.value] for state in ClaimState},
        delegations=tuple(_delegation(source, delegation, now) for source, delegation in mirrored),
        owed=tuple(
            OwedStatement(
                venue=venue,
                unsettled_usd=obstacles.unsettled_usd(ledger, policy, venue),
                exposure_at_risk_usd=obstacles.exposure_at_risk_usd(ledger, policy, venue, now),
            )
            for venue in collateral.accounts(ledger, policy)
        ),
        sleeve=_sleeve(ledger, policy),
    )


def _places(ledger: Ledger, policy: Policy) -> tuple[PlaceStatement, ...]:
    """Every place that a total or a believed announcement names; one of which no source is believed counts as the least that was told."""
    rows: dict[str, PlaceStatement] = {}
    for record in place_records(ledger, policy):
        there = ledger.places.get(place(record.asset, record.location))
        is_its = there is not None and there.source == record.source
        rows[place(record.asset, record.location)] = PlaceStatement(
            asset=record.asset,
            location=record.location,
            source=record.source,
            confirmed=record.confirmed,
            pending=record.pending,
            leaving=record.leaving,
            held_back=record.held_back,
            counted=record.counted,
            arrived=there.arrived if there is not None and is_its else None,
            left=there.left if there is not None and is_its else None,
            possible=record.confirmed + record.reach.high,
        )
    for held in collateral.certain_holdings(ledger, policy):
        key = place(held.asset, held.location)
        if key not in rows:
            plain = PlaceStatement(
                asset=held.asset, location=held.location, source=held.source, confirmed=held.quantity, pending=ZERO, leaving=ZERO,
                held_back=ZERO, counted=held.quantity,
            )  # fmt: skip
            rows[key] = plain
    return tuple(rows[key] for key in sorted(rows))


def _claim(each: Judged) -> ClaimStatement:
    claim = each.claim
    return ClaimStatement(
        claim=claim.id,
        kind=claim.kind.value,
        state=each.state.value,
        stage=claim.stage.value,
        asset=claim.asset,
        location=claim.location,
        depositor=claim.depositor,
        quantity=claim.quantity,
        left=each.left,
        announced_at=claim.announced_at,
        why=each.why,
        told_by=each.told_by,
    )


def _delegation(custodian: str, delegation: Delegation, now: Millis) -> DelegationStatement:
    told = delegation.told
    begins, ends = told.frozen_from, told.frozen_until
    is_within = begins is not None and ends is not None and begins <= now < ends
    return DelegationStatement(
        custodian=custodian,
        venue=told.venue,
        asset=told.asset,
        delegated=told.delegated,
        settled=told.settled,
        due=told.due,
        posted=told.posted,
        cycle=told.cycle,
        state=told.state.value,
        is_frozen=told.state in _SETTLING or is_within,
        is_disputed=delegation.is_disputed,
        next_settlement_at=told.next_settlement_at,
        frozen_from=begins,
        frozen_until=ends,
        told_at=delegation.observed_at,
    )


def _sleeve(ledger: Ledger, policy: Policy) -> tuple[SleeveStatement, ...]:
    held, exposed = collateral.stable_holdings(ledger, policy), holdings.settle_exposure(ledger, policy)
    return tuple(
        SleeveStatement(
            asset=coin,
            issuer=allowances.issuer_of(policy, coin) or coin,
            held_usd=held.get(coin, ZERO),
            exposure_usd=exposed.get(coin, ZERO),
        )
        for coin in sorted({*held, *exposed, *policy.stables})
    )
