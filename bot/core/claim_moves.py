"""Moves between our own places that look like what was announced: what one of them may have shown is awaited still.

The rule: a change that confirmed claims at one place, and one of the opposite sign at another place of the asset, told about the same
time, may be the halves of one move, unless whole claims explain both. The claims that it confirmed, as far as the halves agree, count as
confirmed or as awaited: until their deadline has been seen to pass, or a reading is `lead_ms` younger than the word that they are settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.claim_matching import shown_at
from bot.core.claim_records import MOVEMENT_MS, Claim, ClaimState, Place
from bot.core.claim_standing import standing
from bot.core.claim_stories import Shown, Spare
from bot.core.claim_terms import ClaimTerms
from bot.core.reports import ClaimKind
from bot.core.units import ZERO, Millis


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Claims that one change may have confirmed, and that would be awaited if it had not: units of deposits and of redemptions that were
    priced, both >= 0. `moved`: signed units of the change that its claims explain; `against`: units of claims of the other sign;
    `is_whole`: they are whole claims, and explain all of it."""

    at: Millis
    moved: Decimal
    coming: Decimal
    leaving: Decimal
    against: Decimal
    is_whole: bool
    change: int

    def of(self, kind: ClaimKind) -> Decimal:
        """Units of its claims of one kind that would be awaited."""
        return self.coming if kind is ClaimKind.DEPOSIT else self.leaving


def doubtful(terms: ClaimTerms, shown: Sequence[Shown], claims: Mapping[str, Claim], read_at: Millis) -> list[Doubtful]:
    """The changes of a place that may be halves of moves, of those that confirmed claims (by id), as of a reading."""
    found = []
    for each in shown:
        coming = leaving = against = ZERO
        for claim_id, units in each.units:
            claim = claims[claim_id]
            is_deposit = claim.kind is ClaimKind.DEPOSIT
            against += units if is_deposit is (each.moved < ZERO) else ZERO
            state = standing(terms, claim, units, "", read_at, read_at).state
            if shown_at(claim, terms.lead_ms) > read_at:
                coming += units if is_deposit and state is ClaimState.PENDING else ZERO
                leaving += units if state is ClaimState.LEAVING else ZERO
        if coming or leaving:
            found.append(Doubtful(each.at, each.moved, coming, leaving, against, each.is_whole, each.change))
    return found


def all_changes(there: Place) -> list[Spare]:
    """All changes of a place, as if no claim explained any."""
    return [Spare(each.at, units, units) for each in there.changes() for units in (each.arrived, -each.left) if units]


def awaited_still(
    terms: ClaimTerms, changes: Sequence[Doubtful], spare: Sequence[Spare], moves: Sequence[Spare]
) -> tuple[Decimal, Decimal]:
    """Units of deposits that may still come, and of redemptions that may still leave, because changes of one place were halves of moves.

    `spare`: changes of all other places of the asset that no whole claims explain, for what whole claims explain here; `moves`: all of
    their changes, for the rest. Each unit of them counts once for each kind, where it leaves the most in doubt.
    """
    coming, leaving = (_most_awaited(terms, changes, spare, moves, kind) for kind in (ClaimKind.DEPOSIT, ClaimKind.REDEMPTION))
    return coming, leaving


def _most_awaited(
    terms: ClaimTerms, changes: Sequence[Doubtful], spare: Sequence[Spare], moves: Sequence[Spare], kind: ClaimKind
) -> Decimal:
    rest = {True: [abs(each.most) for each in spare], False: [abs(each.most) for each in moves]}
    ways: dict[tuple[Millis, bool, int], list[Doubtful]] = {}
    for change in changes:
        if change.of(kind):
            ways.setdefault((change.at, change.moved > ZERO, change.change), []).append(change)
    found = ZERO
    for (at, has_risen, _), its in sorted(ways.items(), key=lambda way: (-max(each.of(kind) / abs(each.moved) for each in way[1]), way[0])):
        moved, needed = ZERO, max(abs(change.moved) for change in its)
        is_whole = all(change.is_whole for change in its)
        for number, each in enumerate(spare if is_whole else moves):
            if (each.most > ZERO) is not has_risen and abs(each.at - at) <= terms.lead_ms + MOVEMENT_MS:
                taken = min(needed - moved, rest[is_whole][number])
                rest[is_whole][number], moved = rest[is_whole][number] - taken, moved + taken
        if moved:
            is_own = has_risen is (kind is ClaimKind.DEPOSIT)
            found += max(min(change.of(kind), moved + change.against) if is_own else change.of(kind) for change in its)
    return found
