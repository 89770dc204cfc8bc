"""How much the announcements of one place add to its confirmed total, at the least and at the most.

Several stories may be true (`claim_matching`), several announcers may tell of the same (`claim_announcers`), and what was announced at one
place may have come to, or gone from, another. Of all that the least counts for certain and the most for possible: nothing is hedged on what
lies between, and nothing inside it is undone. So no coin is hedged twice, and none that a total shows is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.claim_announcers import Told, told_differently, told_once
from bot.core.claim_matching import FOREVER, matched, shown_at, shown_from
from bot.core.claim_moves import Doubtful, doubtful
from bot.core.claim_records import Claim, ClaimState, Place
from bot.core.claim_standing import Judged, deadline, standing
from bot.core.claim_stories import Matching, Spare
from bot.core.claim_terms import ClaimTerms
from bot.core.copying import replace
from bot.core.reports import ClaimKind
from bot.core.units import ONE, ZERO, Millis

_AWAITED = frozenset({ClaimState.PENDING, ClaimState.LEAVING})


@dataclass(frozen=True, slots=True)
class Reach:
    """Units that the claims of one place add to its confirmed total (< 0: they end), at the least and at the most.

    `unheard_low` and `unheard_high`: the same while the source that would confirm them is silent. Both what may come and what may have
    left is then possible and nothing is certain, also of what ended since the source was heard: what was hedged before stays.
    """

    low: Decimal = ZERO
    high: Decimal = ZERO
    unheard_low: Decimal = ZERO
    unheard_high: Decimal = ZERO


NOTHING_ADDED = Reach()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one story leaves, in units: deposits that may still come, redemptions whose delta has ended, and all that may still go."""

    coming: Decimal
    leaving: Decimal
    awaited: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Standing:
    """What the claims of one place come to: what is left of each by the story under which the least counts, all outcomes, and until when.

    `told` is how the claims were taken, those that several announcers tell of together. `spare`: of each change of the total the most that
    any story leaves unexplained, so that it may be what was announced at another place. `doubtful`: what may be halves of moves.
    """

    told: Sequence[Told]
    left: Mapping[str, Decimal]
    outcomes: tuple[Outcome, ...]
    spare: tuple[Spare, ...]
    doubtful: Sequence[Doubtful]
    until: Millis
    until_read: Millis


class Grounds:
    """What the claims of a place are held against: its total as it moved, the terms, and two instants: the decision's, and the newest at
    which the total is known."""

    def __init__(self, terms: ClaimTerms, there: Place | None, confirmed: Decimal, now: Millis, read_at: Millis) -> None:
        self._terms, self._there, self._confirmed, self._now, self._read_at = terms, there, confirmed, now, read_at

    def standing(self, claims: Sequence[Claim]) -> Standing:
        """Of the claims that are believed of the place, in the order in which they were announced.

        What ended after the newest reading may have come about unseen before it did: it is possible both ways until there is a younger one.
        """
        found = self._standing(claims)
        said = [*claims, *(each.claim for each in found.told)]
        if not any(self._read_at <= deadline(self._terms, claim) < self._now for claim in said):
            return found
        unseen = Grounds(self._terms, self._there, self._confirmed, self._read_at, self._read_at)._standing(claims)
        return replace(found, outcomes=tuple(dict.fromkeys((*found.outcomes, *unseen.outcomes))))

    def _standing(self, claims: Sequence[Claim]) -> Standing:
        told, matching, other = self._taken(claims)
        said = [*claims, *(each.claim for each in told)]
        share, claims = self._terms.hedge_share, [each.claim for each in told]
        outcomes = self._outcomes(matching, claims)
        least = min(range(len(outcomes)), key=lambda n: share * outcomes[n].coming - outcomes[n].leaving)
        outcomes = [*self._doubted(matching, claims, outcomes), *other]
        announcers = sorted({source for each in told for source in each.sources})
        if len(announcers) > 1:
            alone = [self._of(source, told) for source in announcers]
            coming, leaving = max(each.coming for each in alone), max(each.leaving for each in alone)
            outcomes += [Outcome(min(coming, each.coming), each.leaving) for each in outcomes]
            outcomes += [Outcome(each.coming, min(leaving, each.leaving)) for each in outcomes]
            outcomes += [Outcome(max(coming, each.coming), each.leaving) for each in self._heard_alone(told, announcers)]
        by_id = {claim.id: claim for claim in claims}
        moved = doubtful(self._terms, matching.shown, by_id, self._read_at)
        return Standing(told, matching.stories[least], tuple(outcomes), matching.spare, moved, self._until(said), self._until_read(said))

    def _until(self, said: Sequence[Claim]) -> Millis:
        """Until when time alone changes nothing, whichever of these claims are awaited."""
        return min((end for claim in said if (end := deadline(self._terms, claim)) >= self._now), default=FOREVER)

    def _until_read(self, said: Sequence[Claim]) -> Millis:
        """The instant of a reading that may make another answer of these claims, though it shows the same total."""
        lead_ms = self._terms.lead_ms
        instants = ((claim.announced_at + 1, shown_at(claim, lead_ms), deadline(self._terms, claim) + 1) for claim in said)
        return min((at for its in instants for at in its if at > self._read_at), default=FOREVER)

    def _taken(self, claims: Sequence[Claim]) -> tuple[Sequence[Told], Matching, Sequence[Outcome]]:
        """How the claims are taken, what accounts for them, and the outcomes if all that several tell of were one after all."""
        together = told_once(claims, self._deadline)
        its = [each.claim for each in together]
        matching = self._matched(its, told_differently(together))
        if len(together) < len(claims) and matching.strange:
            alone = self._matched(claims)
            if alone.strange < matching.strange:
                return [Told(claim, [claim]) for claim in claims], alone, self._doubted(matching, its, self._outcomes(matching, its))
        return together, matching, ()

    def _matched(self, claims: Sequence[Claim], unsure: frozenset[str] = frozenset()) -> Matching:
        return matched(self._there, claims, self._terms, self._deadline, self._read_at, self._now, unsure)

    def _deadline(self, claim: Claim) -> Millis:
        return deadline(self._terms, claim)

    def _of(self, source: str, told: Sequence[Told]) -> Outcome:
        """What may still come and go, at the least, by the words of one announcer alone: others may tell of the same, in quantities that
        differ a little."""
        claims = [claim for each in told for claim in each.members if source in claim.announcers]
        matching = self._matched(claims)
        outcomes = self._doubted(matching, claims, self._outcomes(matching, claims))
        return Outcome(min(each.coming for each in outcomes), min(each.leaving for each in outcomes))

    def _heard_alone(self, told: Sequence[Told], announcers: Sequence[str]) -> list[Outcome]:
        """The outcomes if what two tell of a little differently is what one of them tells: each of them in turn."""
        unsure, found = told_differently(told), []
        for source in announcers if unsure else ():
            its = [each.claim for each in told if source in each.sources or each.claim.id not in unsure]
            matching = self._matched(its)
            found += self._doubted(matching, its, self._outcomes(matching, its))
        return found

    def _doubted(self, matching: Matching, claims: Sequence[Claim], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes of the stories, and those that are possible beside them: what is in doubt may be over, each kind by itself."""
        by_id, found = {claim.id: claim for claim in claims}, list(outcomes)
        for story, doubts, each in zip(matching.stories, matching.doubts, outcomes, strict=True):
            over = {i: q for i, q in story.items() if i in doubts or shown_at(by_id[i], self._terms.lead_ms) <= self._read_at}
            if over:
                sure = self._outcome({i: q for i, q in story.items() if i not in over}, by_id)
                found += [sure, Outcome(each.coming, sure.leaving), Outcome(sure.coming, each.leaving)]
        if matching.is_wide:
            first = outcomes[0]
            netted = min(first.coming, first.awaited)
            spans = ((a, b) for a in (ZERO, netted) for b in (ZERO, netted + matching.taken))
            found += [Outcome(first.coming - a, max(ZERO, first.leaving - b)) for a, b in spans]
            found.append(Outcome(first.coming, min(first.leaving + matching.taken, self._confirmed)))
        return list(dict.fromkeys(found))

    def _outcomes(self, matching: Matching, claims: Sequence[Claim]) -> list[Outcome]:
        by_id = {claim.id: claim for claim in claims}
        return [self._outcome(story, by_id) for story in matching.stories]

    def _outcome(self, story: Mapping[str, Decimal], by_id: Mapping[str, Claim]) -> Outcome:
        coming = leaving = awaited = ZERO
        for claim_id, left in story.items():
            stands = standing(self._terms, by_id[claim_id], left, "", self._now, self._read_at)
            is_deposit = stands.claim.kind is ClaimKind.DEPOSIT
            coming += left if stands.state is ClaimState.PENDING and is_deposit else ZERO
            leaving += left if stands.state is ClaimState.LEAVING else ZERO
            awaited += left if stands.state in _AWAITED and not is_deposit else ZERO
        return Outcome(coming, min(leaving, self._confirmed), awaited)


def with_awaited(outcomes: Sequence[Outcome], coming: Decimal, leaving: Decimal, most: Decimal) -> Sequence[Outcome]:
    """The outcomes, and those in which so many units are awaited beside, each kind by itself. `most`: units that can leave at the most."""
    ways = ((c, left) for c in (ZERO, coming) for left in (ZERO, leaving))
    found = (Outcome(o.coming + c, max(o.leaving, min(o.leaving + left, most))) for c, left in ways for o in outcomes)
    return list(dict.fromkeys(found)) if coming or leaving else outcomes


def reach(share: Decimal, outcomes: Sequence[Outcome], came: Decimal, went: Decimal) -> Reach:
    """All of it together. `came` and `went` are units that may be what is still awaited here, at another place."""
    most = ONE if share else ZERO
    return Reach(
        low=min(share * max(ZERO, each.coming - came) - each.leaving for each in outcomes),
        high=max(most * each.coming - max(ZERO, each.leaving - went) for each in outcomes),
        unheard_low=-max(each.leaving for each in outcomes),
        unheard_high=most * max(each.coming for each in outcomes),
    )


def elsewhere(terms: ClaimTerms, awaited: Sequence[Judged], spare: Sequence[Spare]) -> Decimal:
    """Units of claims that are awaited at one place which unexplained changes at others may be, from when on they may be shown at their own
    place until they are waited for no more, each unit once. Changes and claims are of one sign."""
    rest, found = [abs(each.quantity) for each in spare], ZERO
    for judged in awaited:
        needed = judged.left
        for number, each in enumerate(spare):
            if needed == ZERO:
                break
            if shown_from(judged.claim, terms.lead_ms) <= each.at <= judged.until:
                taken = min(needed, rest[number])
                rest[number], needed, found = rest[number] - taken, needed - taken, found + taken
    return found
