"""The record of collateral as it changes: totals move places, announcements make and advance claims, time ends them.

Every change has a cause that is told: a source's total, an announcer's word, or a deadline. A word that is told again, late or in another
order changes nothing (`claim_records.Claim.met`). A claim is remembered until no word on it can come any more: words older than
`remembered_ms` are not taken, so one that was forgotten never comes back. Where its place has not been read since it ended it may have come
about, and is remembered until that is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bot.core import events as ev
from bot.core.claim_records import MOVEMENT_MS, Claim, ClaimState, Place
from bot.core.claim_standing import KEPT_TIMES, deadline
from bot.core.claim_terms import place
from bot.core.claims import judged, read_at, why_held
from bot.core.collateral import confirmed_totals
from bot.core.copying import replace
from bot.core.ledger import noted, put
from bot.core.observations import apply_collateral, is_late
from bot.core.policy import Policy
from bot.core.records import Ledger, Note
from bot.core.reports import ClaimStage
from bot.core.units import ZERO, Asset, Millis

CLAIMS_MAX = 50_000
"""Claims remembered at once; further ones are not taken until some are forgotten."""
AHEAD_MAX_MS: Millis = 60_000
"""How far an announcer's clock may be ahead of ours."""
TOLD = frozenset({ClaimState.HELD, ClaimState.EXPIRED, ClaimState.OVERDUE})
"""States of claims that people must hear of."""


def apply_total(ledger: Ledger, event: ev.CollateralObserved, policy: Policy) -> Ledger:
    """The ledger after a total: its place moved, if its source is the one that is believed of it; a total over its limit is told.

    One that comes late, by the source's clock, changes no holding, and takes its place among the movements by which claims are confirmed.
    """
    after, at = apply_collateral(ledger, event), event.at if event.as_of is None else event.as_of
    key = place(event.asset, event.location)
    before = ledger.places.get(key)
    is_sane = event.quantity.is_finite() and event.quantity >= ZERO
    if is_sane and is_late(ledger, event) and before is not None and before.source == event.source:
        sorted_in = before.told_late(event.quantity, at)
        return ledger if sorted_in is before else replace(ledger, places=put(ledger.places, key, sorted_in))
    if after.holdings is ledger.holdings:
        return after
    if policy.claims.authorities.get(key) == event.source or (before is not None and before.source == event.source):
        there = before or Place(source=event.source, asset=event.asset, location=event.location)
        comes_in_turn = event.as_of is None or event.source in ledger.custody_as_of  # none of theirs is ever taken late
        is_known = before is not None and comes_in_turn and (there.source, there.total) == (event.source, event.quantity)
        moved = there if is_known else there.moved_to(event.quantity, event.source, at)
        if moved != before:
            after = replace(after, places=put(ledger.places, key, moved))
    return _limit_told(ledger, after, policy, event.asset, event.at)


def _limit_told(ledger: Ledger, after: Ledger, policy: Policy, asset: Asset, at: Millis) -> Ledger:
    limit = policy.claims.limits_of(asset).total_max
    if limit is None:
        return after
    was, now = (confirmed_totals(each, policy).get(asset, ZERO) for each in (ledger, after))
    if (was > limit) is (now > limit):
        return after
    beyond = "more than its limit of {:f}: it is {} all the same"
    words = beyond.format(limit, "counted" if asset in policy.stables else "hedged") if now > limit else f"within its limit of {limit:f}"
    sentence = f"{now:f} {asset} is confirmed, {words}"
    return noted(after, Note(at=at, kind="limit", subject=asset, sentence=sentence))


def announce(ledger: Ledger, event: ev.CollateralAnnounced, policy: Policy) -> Ledger:
    """The ledger with one more word on a claim, or with the reason why it is not taken."""
    refusal = _refusal(ledger, event, policy)
    if refusal:
        beside = f", and {event.beside} more like it" if event.beside else ""
        return _told_once(ledger, event, f"not taken: {refusal}{beside}", "quarantine")
    word = Claim(
        id=event.claim,
        source=event.source,
        kind=event.kind,
        asset=event.asset,
        location=event.location,
        quantity=event.quantity,
        depositor=event.depositor,
        announced_at=event.announced_at,
        stage=event.stage,
        stage_at=event.announced_at,
        newest_at=event.announced_at,
        heard_at=event.at,
    )
    before = ledger.claims.get(event.claim)
    claim = (before or word).met(word)
    if claim == before:
        return ledger
    after = replace(ledger, claims=put(ledger.claims, claim.id, claim))
    if before is not None and (before.stage, before.is_disputed) == (claim.stage, claim.is_disputed):
        return after
    why = why_held(policy, claim)
    sentence = f"{claim.kind} of {claim.quantity:f} {claim.asset} at {claim.location} by {claim.depositor}: {claim.stage}"
    return _told_once(after, event, f"{sentence}, held back: {why}", "quarantine") if why else _told_once(after, event, sentence, "claim")


def _refusal(ledger: Ledger, event: ev.CollateralAnnounced, policy: Policy) -> str:
    """Why a word is not even entered; "" when it is."""
    if not event.is_authentic:
        return "its signature is wrong"
    if not event.quantity.is_finite() or event.quantity <= ZERO:
        return f"a quantity of {event.quantity} makes no sense"
    if event.at - event.announced_at >= policy.claims.remembered_ms:
        return "it is older than anything that is remembered"
    if event.announced_at - event.at > AHEAD_MAX_MS:
        return "it is from the future"
    if len(ledger.claims) >= CLAIMS_MAX and event.claim not in ledger.claims:
        return f"{CLAIMS_MAX} claims are remembered already"
    return ""


def _told_once(ledger: Ledger, event: ev.CollateralAnnounced, words: str, kind: str) -> Ledger:
    """The ledger with a sentence on a claim, unless it was just said: a flood of the same is one line."""
    sentence = f"{event.claim} {words}"
    if ledger.notes and ledger.notes[-1].sentence == sentence:
        return ledger
    return noted(ledger, Note(at=event.at, kind=kind, subject=event.asset, sentence=sentence))


def watched(ledger: Ledger, policy: Policy, now: Millis) -> Ledger:
    """The ledger after a look at its claims: those that time ended are told, those that nothing can be heard of any more forgotten."""
    ledger = _without_old(ledger, policy, now)
    changed: dict[str, Claim] = {}
    for each in judged(ledger, policy):
        claim = each.claim
        if claim.told is each.state:
            continue
        changed[claim.id] = replace(claim, told=each.state)
        if each.state in TOLD and not (each.state is ClaimState.HELD and why_held(policy, claim)):  # that was told when it came
            words = _words(each.state, each.left, each.why)
            sentence = f"{claim.id} {claim.kind} of {claim.quantity:f} {claim.asset} at {claim.location}: {words}"
            ledger = noted(ledger, Note(at=now, kind="quarantine", subject=claim.asset, sentence=sentence))
    return replace(ledger, claims={**ledger.claims, **changed}) if changed else ledger


def _words(state: ClaimState, left: Decimal, why: str) -> str:
    if state is ClaimState.HELD:
        return f"held back, {why}"
    if state is ClaimState.EXPIRED:
        return f"{left:f} of it never came, and is awaited no longer"
    return f"{left:f} of it was not settled in time, and counts again"


def _without_old(ledger: Ledger, policy: Policy, now: Millis) -> Ledger:
    terms = policy.claims
    oldest = now - terms.remembered_ms
    if any(c.newest_at <= oldest for c in ledger.claims.values()):
        kept = {i: c for i, c in ledger.claims.items() if c.newest_at > oldest or _may_be_unseen(ledger, policy, c, now)}
        ledger = ledger if len(kept) == len(ledger.claims) else replace(ledger, claims=kept)
    # What left is known as long as a claim is remembered that it may have settled: else it would be taken off a second time.
    since = min((c.announced_at for c in ledger.claims.values()), default=oldest)
    movements_from = max(min(oldest, since), now - KEPT_TIMES * terms.remembered_ms) - terms.lead_ms - MOVEMENT_MS
    places = {key: there.since(movements_from) for key, there in ledger.places.items()}
    return ledger if _same(places, ledger.places) else replace(ledger, places=places)


def _may_be_unseen(ledger: Ledger, policy: Policy, claim: Claim, now: Millis) -> bool:
    """Whether a claim that could be forgotten may have come about since its place was read last."""
    terms, where = policy.claims, place(claim.asset, claim.location)
    if claim.stage is ClaimStage.CANCELED or why_held(policy, claim) or claim.announced_at <= now - KEPT_TIMES * terms.remembered_ms:
        return False
    seen = read_at(ledger, policy, where)
    return seen <= deadline(terms, claim) and seen < claim.newest_at + terms.remembered_ms


def _same(one: Mapping[str, Place], other: Mapping[str, Place]) -> bool:
    return all(one[key] is other[key] for key in other)
