"""What announced collateral comes to: which claims are believed, which the totals have confirmed, and what the rest does to the hedge.

The rule, worked out anew from the whole set of claims, so that their order never matters:

    held        not believed: unknown asset, place or depositor, disputed terms, beyond the limit of a claim or of an interval; what
                falls within an interval is told by when it was first heard, or announced if that is later: what is dated back finds no
                room in the past, and displaces nothing. Of a backlog that comes at once as much is believed as of any other interval;
                totals tell the rest
    confirmed   at each place, claims take in the order in which they were announced from what the total rose (deposits) or fell
                (redemptions) within their own time, each unit once; a claim that has all of its quantity is confirmed
    deposits    what is not confirmed yet counts with `hedge_share` for certain, and up to all of it for possible; with a share of zero
                nothing counts, so that what was merely announced stands in the way of nothing
    redemptions what is still there of a priced one counts no more, where policy ends its delta with the price, until it is overdue

Where the source of a place is silent, nothing of this is certain (`holdings.announced`). Totals alone say what is there. What is held
back is hedged all the same once a total shows it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.claim_records import MOVEMENT_MS, Claim, ClaimState, Place
from bot.core.claim_terms import ClaimTerms, RedemptionEnd, place
from bot.core.lasting import lasting
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import ZERO, Asset, Millis

FOREVER: Millis = 1 << 62
KEPT_TIMES = 15
"""How many times `remembered_ms` after its announcement a claim is given up at the latest, whatever is said of it, and how long it is
known at the most what moved: room stays bounded, and nothing that left is taken off twice."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim, where it stands, how much of it no total has shown yet (asset units), and why it is held back ("" unless it is)."""

    claim: Claim
    state: ClaimState
    left: Decimal
    why: str = ""
    until: Millis = FOREVER
    """The instant beyond which time alone makes this another answer."""


@dataclass(frozen=True, slots=True)
class PlaceRecord:
    """One asset at one location, in its own units: what its source confirmed, what is on the way and what is leaving, and held back.

    `counted` = confirmed + the certain part of what is pending - leaving: what is hedged of it. `source` is believed of it.
    """

    asset: Asset
    location: str
    confirmed: Decimal
    pending: Decimal
    leaving: Decimal
    held_back: Decimal
    counted: Decimal
    source: str = ""


def why_held(policy: Policy, claim: Claim) -> str:
    """Why a claim is not believed, as far as it can be told of it alone; "" when nothing speaks against it."""
    terms, limit = policy.claims, policy.claims.limits_of(claim.asset).claim_max
    if claim.is_disputed:
        return "it was told with different terms"
    if claim.asset not in policy.collateral_assets and claim.asset not in policy.stables:
        return f"{claim.asset} is no collateral here"
    if place(claim.asset, claim.location) not in terms.authorities:
        return f"no source is named for {claim.asset} at {claim.location}"
    if claim.depositor not in terms.depositors:
        return f"{claim.depositor} is not among the depositors"
    if claim.quantity > limit:
        return f"{claim.quantity:f} is more than one claim may be ({limit:f})"
    return ""


def judged(ledger: Ledger, policy: Policy) -> tuple[Judged, ...]:
    """Every claim and where it stands, as of the newest decision, in the order in which they were announced."""
    if not ledger.claims:
        return ()
    now = ledger.started_at if ledger.decided_at is None else ledger.decided_at
    kept = ledger.__dict__.get("_claims_judged")
    if kept is not None and kept[0] is policy and kept[1] <= now <= kept[2]:
        known: tuple[Judged, ...] = kept[3]
        return known
    found = _judged(ledger, policy, now)
    ledger.__dict__["_claims_judged"] = (policy, now, min(j.until for j in found), found)
    return found


def _judged(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Judged, ...]:
    ordered = sorted(ledger.claims.values(), key=lambda c: (c.announced_at, c.id))
    why = _beyond_interval(policy, ordered)
    left = _unconfirmed(ledger, policy.claims, [c for c in ordered if not why[c.id] and c.stage is not ClaimStage.CANCELED])
    return tuple(_standing(policy.claims, claim, left.get(claim.id, claim.quantity), why[claim.id], now) for claim in ordered)


def _came_at(claim: Claim) -> Millis:
    """When a claim takes its part of an interval. The announcer's clock alone could name any."""
    return max(claim.announced_at, claim.heard_at)


def _beyond_interval(policy: Policy, ordered: Iterable[Claim]) -> Mapping[str, str]:
    """Why each claim is held back: for itself, or because those before it within the interval took what is allowed."""
    found: dict[str, str] = {}
    recent: dict[tuple[Asset, ClaimKind], deque[Claim]] = {}
    sums: dict[tuple[Asset, ClaimKind], Decimal] = {}
    for claim in sorted(ordered, key=_came_at):
        found[claim.id] = why = why_held(policy, claim)
        if why or claim.stage is ClaimStage.CANCELED:
            continue
        limits, key = policy.claims.limits_of(claim.asset), (claim.asset, claim.kind)
        most = limits.deposits_max if claim.kind is ClaimKind.DEPOSIT else limits.redemptions_max
        taken = recent.setdefault(key, deque())
        while taken and _came_at(claim) - _came_at(taken[0]) >= policy.claims.interval_ms:
            sums[key] -= taken.popleft().quantity
        if sums.get(key, ZERO) + claim.quantity > most:
            found[claim.id] = f"{claim.kind.value}s of {claim.asset} pass {most:f} within {policy.claims.interval_ms} ms"
        else:
            taken.append(claim)
            sums[key] = sums.get(key, ZERO) + claim.quantity
    return found


def _unconfirmed(ledger: Ledger, terms: ClaimTerms, believed: Sequence[Claim]) -> Mapping[str, Decimal]:
    """How much of each believed claim no movement of its place's total accounts for."""
    found: dict[str, Decimal] = {}
    queues: dict[tuple[str, ClaimKind], list[Claim]] = {}
    for claim in believed:
        queues.setdefault((place(claim.asset, claim.location), claim.kind), []).append(claim)
    for (where, kind), queue in queues.items():
        there = ledger.places.get(where)
        moved = _moved(there, kind)
        first = 0
        for claim in queue:
            needed, begins, ends = claim.quantity, claim.announced_at - terms.lead_ms - MOVEMENT_MS, deadline(terms, claim)
            while first < len(moved) and (moved[first][0] < begins or moved[first][1] == ZERO):
                first += 1
            at = first
            while needed > ZERO and at < len(moved) and moved[at][0] <= ends:
                taken = min(needed, moved[at][1])
                moved[at] = (moved[at][0], moved[at][1] - taken)
                needed -= taken
                at += 1
            found[claim.id] = needed
    return found


def _moved(there: Place | None, kind: ClaimKind) -> list[tuple[Millis, Decimal]]:
    """When a place's total rose, or fell, and by how much."""
    return [] if there is None else [(m.at, m.arrived if kind is ClaimKind.DEPOSIT else m.left) for m in there.changes()]


def deadline(terms: ClaimTerms, claim: Claim) -> Millis:
    """When an unconfirmed claim is given up: a deposit is no longer awaited, a priced redemption counts again."""
    if claim.kind is ClaimKind.DEPOSIT:
        return claim.announced_at + terms.pending_max_ms
    return min(claim.stage_at + terms.settle_max_ms, claim.announced_at + KEPT_TIMES * terms.remembered_ms)


def _standing(terms: ClaimTerms, claim: Claim, left: Decimal, why: str, now: Millis) -> Judged:
    if claim.stage is ClaimStage.CANCELED:
        return Judged(claim, ClaimState.CANCELED, ZERO)
    if why:
        return Judged(claim, ClaimState.HELD, left, why)
    if left == ZERO:
        return Judged(claim, ClaimState.CONFIRMED, ZERO)
    ends = deadline(terms, claim)
    if now > ends:
        return Judged(claim, ClaimState.EXPIRED if claim.kind is ClaimKind.DEPOSIT else ClaimState.OVERDUE, left)
    is_leaving = claim.kind is ClaimKind.REDEMPTION and claim.stage is not ClaimStage.ANNOUNCED
    if is_leaving and terms.redemption_ends is RedemptionEnd.PRICED:
        return Judged(claim, ClaimState.LEAVING, left, until=ends)
    return Judged(claim, ClaimState.PENDING, left, until=ends)


@lasting
def place_records(ledger: Ledger, policy: Policy) -> tuple[PlaceRecord, ...]:
    """The record of collateral per asset and location, sorted: every place that a total or a believed claim names."""
    pending: dict[str, Decimal] = {}
    leaving: dict[str, Decimal] = {}
    held: dict[str, Decimal] = {}
    names = {key: (p.asset, p.location) for key, p in ledger.places.items() if key in policy.claims.authorities}
    for each in judged(ledger, policy):
        claim, key = each.claim, place(each.claim.asset, each.claim.location)
        if key not in policy.claims.authorities:
            continue
        names[key] = (claim.asset, claim.location)
        if each.state is ClaimState.HELD:
            held[key] = held.get(key, ZERO) + each.left
        elif each.state is ClaimState.LEAVING:
            leaving[key] = leaving.get(key, ZERO) + each.left
        elif each.state is ClaimState.PENDING and claim.kind is ClaimKind.DEPOSIT:
            pending[key] = pending.get(key, ZERO) + each.left
    found = []
    for key, (asset, location) in sorted(names.items()):
        there = ledger.places.get(key)
        confirmed = ZERO if there is None or there.source != policy.claims.authorities[key] else there.total
        coming, going = pending.get(key, ZERO), min(leaving.get(key, ZERO), confirmed)
        counted = confirmed + coming * policy.claims.hedge_share - going
        source = policy.claims.authorities[key]
        found.append(PlaceRecord(asset, location, confirmed, coming, going, held.get(key, ZERO), counted, source))
    return tuple(found)
