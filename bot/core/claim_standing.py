"""Where one claim stands, by how much of it no total has shown yet, and until when it is waited for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.core.claim_matching import FOREVER, shown_at
from bot.core.claim_records import Claim, ClaimState
from bot.core.claim_terms import ClaimTerms, RedemptionEnd
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import ZERO, Millis

KEPT_TIMES = 15
"""How many times `remembered_ms` after its announcement a claim is given up at the latest, whatever is said of it, and how long it is
known at the most what moved: room stays bounded, and nothing that left is taken off twice."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim, where it stands, how much of it no total has shown yet (asset units), and why it is held back ("" unless it is).

    `told_by`: the claim of another announcer that is the same deposit or redemption and counts for both; "" for one that counts itself.
    """

    claim: Claim
    state: ClaimState
    left: Decimal
    why: str = ""
    until: Millis = FOREVER
    """The instant beyond which time alone makes this another answer."""
    told_by: str = ""


def deadline(terms: ClaimTerms, claim: Claim) -> Millis:
    """When an unconfirmed claim is given up: a deposit is no longer awaited, a priced redemption counts again."""
    if claim.kind is ClaimKind.DEPOSIT:
        return claim.announced_at + terms.pending_max_ms
    return min(claim.stage_at + terms.settle_max_ms, claim.announced_at + KEPT_TIMES * terms.remembered_ms)


def standing(terms: ClaimTerms, claim: Claim, left: Decimal, why: str, now: Millis, read_at: Millis) -> Judged:
    """A claim of which `left` units are not shown by any total, held back because of `why` unless that is empty.

    A redemption that was told settled leaves no more once a reading (`read_at`) shows it: what is still there then counts, by the total.
    """
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
    if is_leaving and shown_at(claim, terms.lead_ms) > read_at and terms.redemption_ends is RedemptionEnd.PRICED:
        return Judged(claim, ClaimState.LEAVING, left, until=ends)
    return Judged(claim, ClaimState.PENDING, left, until=ends)
