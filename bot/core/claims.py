"""What announced collateral comes to: which claims are believed, which the totals have confirmed, and what the rest does to the hedge.

The rule, worked out anew from the whole set of claims, so that their order never matters:

    held        not believed: unknown asset, place or depositor, disputed terms, beyond the limit of a claim or of an interval; what
                falls within an interval is told by when it was first heard, or announced if that is later: what is dated back finds no
                room in the past, and displaces nothing. Of a backlog that comes at once as much is believed as of any other interval;
                totals tell the rest
    confirmed   at each place, what the total rose or fell within the time of a claim accounts for it, each unit once (`claim_matching`); a
                claim that has all of its quantity is confirmed. Where a deposit and a redemption may have netted out between two
                readings, and may not, what the place counts is a range: nothing is hedged on it, and nothing inside it is undone
    once        what several announcers tell of, or what came to another place than it was announced at, counts once (`claim_announcers`,
                `claim_reach`); what looks like a claim may have been a move between our own places (`claim_moves`)
    deposits    what is not confirmed yet counts with `hedge_share` for certain, and up to all of it for possible; with a share of zero
                nothing counts, so that what was merely announced stands in the way of nothing
    redemptions what is still there of a priced one counts no more, where policy ends its delta with the price, until it is overdue
    deadlines   end a claim for certain with the first reading after them: until then it may have come about before, unseen

Where the source of a place is silent, nothing of this is certain (`collateral.announced`). Totals alone say what is there. What is held
back is hedged all the same once a total shows it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core import staleness
from bot.core.claim_announcers import told_once
from bot.core.claim_matching import FOREVER, matched
from bot.core.claim_moves import all_changes, awaited_still
from bot.core.claim_reach import NOTHING_ADDED, Grounds, Outcome, Reach, Standing, elsewhere, reach, with_awaited
from bot.core.claim_records import Claim, ClaimState
from bot.core.claim_standing import Judged, deadline, standing
from bot.core.claim_stories import Spare
from bot.core.claim_terms import place
from bot.core.copying import replace
from bot.core.lasting import lasting
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import ZERO, Asset, Millis


@dataclass(frozen=True, slots=True)
class PlaceRecord:
    """One asset at one location, in its own units: what its source confirmed, what is on the way and what is leaving, and held back.

    `counted` = confirmed + `reach.low`: what is hedged of it, with the certain part of what is pending and without what is leaving.
    `pending` and `leaving` are of the story under which the least counts. `source` is believed of it.
    """

    asset: Asset
    location: str
    confirmed: Decimal
    pending: Decimal
    leaving: Decimal
    held_back: Decimal
    counted: Decimal
    source: str = ""
    reach: Reach = NOTHING_ADDED


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
    """Every claim and where it stands, as of the newest decision, in the order in which they were announced.

    Where several stories may be true, that of a place's first one (see `claim_matching`).
    """
    return _book(ledger, policy).claims if ledger.claims else ()


@dataclass(frozen=True, slots=True)
class _Book:
    """Every claim, and by place all that its claims may come to. `until`: as in `Judged`; `until_read`: the same of readings, by place."""

    claims: tuple[Judged, ...]
    reaches: Mapping[str, Reach]
    until: Millis
    read: Mapping[str, Millis]
    until_read: Mapping[str, Millis]

    def is_as_of(self, now: Mapping[str, Millis]) -> bool:
        """Whether nothing has been read since that would change it."""
        return all(at <= now[key] < self.until_read[key] for key, at in self.read.items())


def _book(ledger: Ledger, policy: Policy) -> _Book:
    now = ledger.started_at if ledger.decided_at is None else ledger.decided_at
    kept = ledger.__dict__.get("_claims_judged")
    if kept is not None and kept[0] is policy and kept[1] <= now <= kept[2].until:
        known: _Book = kept[2]
        if known.is_as_of({key: read_at(ledger, policy, key) for key in known.read}):
            return known
    found = _worked_out(ledger, policy, now)
    ledger.__dict__["_claims_judged"] = (policy, now, found)
    return found


def read_at(ledger: Ledger, policy: Policy, where: str) -> Millis:
    """The newest instant at which a place's total is known: its source told it, or that it has told everything, in this run or before it,
    by the source's own clock where it says of which instant; before all time where none did."""
    there = ledger.places.get(where)
    source = policy.claims.authorities.get(where, "" if there is None else there.source)
    there = None if there is None or there.source != source else there
    told = there.tellings[-1].at if there is not None and there.tellings else -FOREVER
    heard = staleness.heard_at(ledger, source)
    if heard is None:
        return told
    return min(heard, ledger.sources_as_of[source]) if source in ledger.sources_as_of else max(told, heard)


def _worked_out(ledger: Ledger, policy: Policy, now: Millis) -> _Book:
    terms = policy.claims
    ordered = sorted(ledger.claims.values(), key=lambda c: (c.announced_at, c.id))
    why = _beyond_interval(policy, ordered)
    believed: dict[str, list[Claim]] = {}
    for claim in ordered:
        if not why[claim.id] and claim.stage is not ClaimStage.CANCELED:
            believed.setdefault(place(claim.asset, claim.location), []).append(claim)
    read, found = {where: read_at(ledger, policy, where) for where in believed}, {}
    counts: dict[str, tuple[Claim, Decimal, str]] = {}
    for where, its in believed.items():
        grounds = Grounds(terms, ledger.places.get(where), _confirmed(ledger, policy, where), now, read[where])
        found[where] = stands = grounds.standing(its)
        for each in stands.told:
            left = stands.left.get(each.claim.id, ZERO)
            counts |= {c.id: (each.claim, left, "" if c is each.members[0] else each.claim.id) for c in each.members}
    claims = []
    for claim in ordered:
        counted, left, told_by = counts.get(claim.id, (claim, claim.quantity, ""))
        stands_as = standing(terms, counted, left, why[claim.id], now, read.get(place(claim.asset, claim.location), -FOREVER))
        claims.append(stands_as if counted is claim else replace(stands_as, claim=claim, told_by=told_by))
    until = min((stands.until for stands in found.values()), default=FOREVER)
    reaches = _reaches(ledger, policy, found, claims)
    return _Book(tuple(claims), reaches, until, read, {where: stands.until_read for where, stands in found.items()})


def _reaches(ledger: Ledger, policy: Policy, found: Mapping[str, Standing], claims: Iterable[Judged]) -> Mapping[str, Reach]:
    """What each place's claims add. What may be theirs elsewhere is looked for where it would change anything."""
    share = policy.claims.hedge_share
    awaited: dict[tuple[str, ClaimKind], list[Judged]] = {}
    for each in claims:
        if not each.told_by and (each.state is ClaimState.LEAVING or (each.state is ClaimState.PENDING and share)):
            awaited.setdefault((place(each.claim.asset, each.claim.location), each.claim.kind), []).append(each)
    moved: dict[tuple[str, ClaimKind], Decimal] = {}
    for (where, kind), its in awaited.items():
        beside = _spare_beside(ledger, policy, found, where, its[0].claim.asset)
        spare = [s for s in beside if s.quantity and (s.quantity > ZERO) is (kind is ClaimKind.DEPOSIT)]
        if spare:
            moved[where, kind] = elsewhere(policy.claims, its, spare)
    kinds = (ClaimKind.DEPOSIT, ClaimKind.REDEMPTION)
    return {
        where: reach(share, _outcomes(ledger, policy, found, where), *(moved.get((where, kind), ZERO) for kind in kinds)) for where in found
    }


def _outcomes(ledger: Ledger, policy: Policy, found: Mapping[str, Standing], where: str) -> Sequence[Outcome]:
    """What the claims of a place come to, also where what confirmed them may be a half of a move to or from another place."""
    stands = found[where]
    if not stands.doubtful:
        return stands.outcomes
    asset = stands.told[0].claim.asset
    spare = _spare_beside(ledger, policy, found, where, asset)
    moves = [each for key in _beside(ledger, policy, where, asset) for each in all_changes(ledger.places[key])]
    coming, leaving = awaited_still(policy.claims, stands.doubtful, spare, moves)
    held = sum((_confirmed(ledger, policy, key) for key in (where, *_beside(ledger, policy, where, asset))), ZERO)
    return with_awaited(stands.outcomes, coming, leaving, held)


def _spare_beside(ledger: Ledger, policy: Policy, found: Mapping[str, Standing], where: str, asset: Asset) -> list[Spare]:
    """What no claims explain of the changes at all other places of an asset."""
    return [each for key in _beside(ledger, policy, where, asset) for each in _spare(ledger, policy, found, key)]


def _beside(ledger: Ledger, policy: Policy, where: str, asset: Asset) -> list[str]:
    """All other places of an asset, sorted: those that a source is believed of and told."""
    return [key for key in sorted(ledger.places) if key != where and _is_of(ledger, policy, key, asset)]


def _is_of(ledger: Ledger, policy: Policy, where: str, asset: Asset) -> bool:
    there = ledger.places[where]
    return there.asset == asset and there.source == policy.claims.authorities.get(where)


def _spare(ledger: Ledger, policy: Policy, found: Mapping[str, Standing], where: str) -> Sequence[Spare]:
    """What the claims of a place do not explain of its changes: all of them where it has none."""
    return found[where].spare if where in found else matched(ledger.places[where], (), policy.claims, lambda _: 0, 0, 0).spare


def _confirmed(ledger: Ledger, policy: Policy, where: str) -> Decimal:
    there = ledger.places.get(where)
    return ZERO if there is None or there.source != policy.claims.authorities.get(where) else there.total


def _came_at(claim: Claim) -> Millis:
    """When a claim takes its part of an interval. The announcer's clock alone could name any."""
    return max(claim.announced_at, claim.heard_at)


def _beyond_interval(policy: Policy, ordered: Iterable[Claim]) -> Mapping[str, str]:
    """Why each claim is held back: for itself, or because those before it within the interval took what is allowed. What several
    announcers tell of takes its part once, as the first of them that came."""
    ordered = list(ordered)
    found: dict[str, str] = {}
    same, verdicts = _told_of(policy, ordered), dict[str, str]()
    recent: dict[tuple[Asset, ClaimKind], deque[Claim]] = {}
    sums: dict[tuple[Asset, ClaimKind], Decimal] = {}
    for claim in sorted(ordered, key=_came_at):
        found[claim.id] = why = why_held(policy, claim)
        if why or claim.stage is ClaimStage.CANCELED:
            continue
        if same[claim.id] in verdicts:
            found[claim.id] = verdicts[same[claim.id]]
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
        verdicts[same[claim.id]] = found[claim.id]
    return found


def _told_of(policy: Policy, ordered: Iterable[Claim]) -> Mapping[str, str]:
    """Of each claim that may be believed, by its id, the first that tells of the same deposit or redemption."""
    by_place: dict[str, list[Claim]] = {}
    for claim in ordered:
        if claim.stage is not ClaimStage.CANCELED and not why_held(policy, claim):
            by_place.setdefault(place(claim.asset, claim.location), []).append(claim)
    told = (each for its in by_place.values() for each in told_once(its, lambda claim: deadline(policy.claims, claim)))
    return {claim.id: each.members[0].id for each in told for claim in each.members}


@lasting
def place_records(ledger: Ledger, policy: Policy) -> tuple[PlaceRecord, ...]:
    """The record of collateral per asset and location, sorted: every place that a total or a believed claim names."""
    pending: dict[str, Decimal] = {}
    leaving: dict[str, Decimal] = {}
    held: dict[str, Decimal] = {}
    names = {key: (p.asset, p.location) for key, p in ledger.places.items() if key in policy.claims.authorities}
    for each in judged(ledger, policy):
        claim, key = each.claim, place(each.claim.asset, each.claim.location)
        if key not in policy.claims.authorities or each.told_by:
            continue
        names[key] = (claim.asset, claim.location)
        if each.state is ClaimState.HELD:
            held[key] = held.get(key, ZERO) + each.left
        elif each.state is ClaimState.LEAVING:
            leaving[key] = leaving.get(key, ZERO) + each.left
        elif each.state is ClaimState.PENDING and claim.kind is ClaimKind.DEPOSIT:
            pending[key] = pending.get(key, ZERO) + each.left
    reaches = _book(ledger, policy).reaches if ledger.claims else {}
    found = []
    for key, (asset, location) in sorted(names.items()):
        confirmed, added = _confirmed(ledger, policy, key), reaches.get(key, NOTHING_ADDED)
        coming, going = pending.get(key, ZERO), min(leaving.get(key, ZERO), confirmed)
        counted, source = confirmed + added.low, policy.claims.authorities[key]
        found.append(PlaceRecord(asset, location, confirmed, coming, going, held.get(key, ZERO), counted, source, added))
    return tuple(found)
