"""Which announced claims the changes of one place's total account for, where deposits and redemptions may net out unseen.

The rule: totals are read now and then, so what one reading shows is the sum of all that came and went since the one before it.

    deposits    where nothing else was announced, they take in the order in which they were announced from what the total rose by within
                their own time, each unit once
    both kinds  a change is explained by whole claims of either sign that sum to it: +3 by a deposit of 10 and a redemption of 7. Where
                nothing sums to it, claims of its own sign take from it in their order. A change that several sets explain makes several
                stories; a story that leaves a change unexplained is dropped while another explains it. So it is with redemptions alone:
                of two the priced one may have gone, or the other. A fall that nothing sums to is a part of the oldest, or of what was
                priced, or of none. Whatever was awaited when a change came that nothing sums to may be over since: the change may hide it
    no change   deposits and redemptions that were announced before the newest reading, were awaited at one time, and sum to nothing may
                have netted out: one story more, and it stays one when their deadlines have passed. A claim that was told settled is over
                in every story that is believed, once a reading is `lead_ms` younger than that
    too many    beyond `CLAIMS_TRIED` open claims of a kind, `STORIES_MAX` stories or `EFFORT_MAX` sums, anything up to the smaller of what
                is still awaited of both kinds may have netted out

Every story is worked out anew from the whole set of claims and changes, so that the order in which they became known never matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from types import MappingProxyType

from bot.core.claim_records import MOVEMENT_MS, RANKS, Claim, Place
from bot.core.claim_stories import Chain, Matching, Shown, Spare, Story, all_shown, most_spare
from bot.core.claim_terms import ClaimTerms
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import ZERO, Millis

CLAIMS_TRIED = 8
"""Open claims of each kind of which sets are tried: those that have come furthest, and there the oldest."""
STORIES_MAX = 32
"""Stories that are followed at once."""
EFFORT_MAX = 40_000
"""Sets of claims that are summed for one place, all changes together."""
FOREVER: Millis = 1 << 62

_SIGNS = {ClaimKind.DEPOSIT: 1, ClaimKind.REDEMPTION: -1}
Deadline = Callable[[Claim], Millis]
Group = tuple[int, ...]
NO_PARTNERS: Mapping[int, Group] = MappingProxyType({})


def matched(
    there: Place | None,
    claims: Sequence[Claim],
    terms: ClaimTerms,
    deadline: Deadline,
    read_at: Millis,
    now: Millis,
    unsure: frozenset[str] = frozenset(),
) -> Matching:
    """How the changes of a place account for its claims, which are in the order in which they were announced; `read_at` is the newest
    instant at which its total is known, `now` that of the decision. `unsure` are ids of claims that may be another one told differently:
    a story that awaits them is no worse for their being told settled. See the rule above."""
    return _Search(claims, terms, deadline, read_at, now, unsure).of(there)


def shown_from(claim: Claim, lead_ms: Millis) -> Millis:
    """From when on what moves may be what a claim tells of: somewhat before the word on it, and movements stand together by spans."""
    return claim.announced_at - lead_ms - MOVEMENT_MS


def shown_at(claim: Claim, lead_ms: Millis) -> Millis:
    """From when on a reading shows a claim that was told settled; never for another."""
    return claim.stage_at + lead_ms if claim.stage is ClaimStage.SETTLED else FOREVER


class _Search:
    def __init__(
        self, claims: Sequence[Claim], terms: ClaimTerms, deadline: Deadline, read_at: Millis, now: Millis, unsure: frozenset[str]
    ) -> None:
        self._claims, self._lead_ms, self._read_at, self._now, self._unsure = claims, terms.lead_ms, read_at, now, unsure
        self._signs = [_SIGNS[c.kind] for c in claims]
        self._ends = [deadline(c) for c in claims]
        self._is_plain = -1 not in self._signs
        self._effort, self._entered = EFFORT_MAX, 0
        self._wide_below = self._change = 0
        """Of claims of a lower number not every set was tried."""

    def of(self, there: Place | None) -> Matching:
        stories = [Story()]
        for movement in () if there is None else there.changes():
            self._enter(stories, moved_at=movement.at)
            for sign, quantity in ((1, movement.arrived), (-1, movement.left)):
                if quantity != ZERO:
                    self._change += 1
                    stories = self._after(stories, movement.at, sign, quantity)
        self._enter(stories, moved_at=FOREVER)
        if not self._is_plain:
            stories = self._netted(stories)
        least = min(self._strange(story) for story in stories)
        kept = [story for story in stories if self._strange(story) == least]
        left = tuple({self._claims[n].id: q for n, q in (*s.awaited[1].items(), *s.awaited[-1].items(), *s.given_up.items())} for s in kept)
        is_wide = any(n < self._wide_below for s in kept for its in s.awaited.values() for n in its)
        doubts = tuple(frozenset(self._claims[n].id for n in story.doubts | story.hidden) for story in kept)
        return Matching(left, doubts, max(s.taken for s in kept), most_spare(kept), is_wide, least, all_shown(kept))

    def _enter(self, stories: Iterable[Story], *, moved_at: Millis) -> None:
        """Claims that what moved then may be are awaited from now on."""
        while self._entered < len(self._claims) and shown_from(self._claims[self._entered], self._lead_ms) <= moved_at:
            number, self._entered = self._entered, self._entered + 1
            for story in stories:
                story.awaited[self._signs[number]][number] = self._claims[number].quantity

    def _widen(self, is_wide: bool) -> None:
        """Not every set of what is awaited was tried: as long as any of it still is, anything may have netted out."""
        self._wide_below = self._entered if is_wide else self._wide_below

    def _after(self, stories: Sequence[Story], at: Millis, sign: int, quantity: Decimal) -> list[Story]:
        """The stories after one change of the total: those that explain it, or all where none does."""
        if self._is_plain:
            self._in_order(stories[0], at, sign, quantity)
            return list(stories)
        found: dict[object, Story] = {}
        if self._effort <= 0:
            self._widen(True)
            stories = stories[:1]
        for story in stories:
            self._give_up(story, at)
            for after in self._explained(story, at, sign, quantity):
                key = after.key()
                same = found.get(key)
                if same is None or after.strange < same.strange:
                    found[key] = after
                elif after is not same and after.strange == same.strange:
                    same.also(after)
        least = min(story.strange for story in found.values())
        return self._bounded([story for story in found.values() if story.strange == least])

    def _give_up(self, story: Story, at: Millis) -> None:
        for its in story.awaited.values():
            for number in [n for n in islice(its, CLAIMS_TRIED) if self._ends[n] < at]:
                story.given_up[number] = its.pop(number)

    def _explained(self, story: Story, at: Millis, sign: int, quantity: Decimal) -> list[Story]:
        groups = self._groups(story, at, sign, quantity) if self._effort > 0 else []
        self._widen(self._effort <= 0)
        if groups:
            self._effort -= len(groups) * story.size()
            return [self._explaining(story, group, at, quantity * sign) for group in groups]
        self._effort -= story.size()
        is_part = sign < 0 and sum(story.awaited[-1].values()) > quantity
        if is_part and self._effort > 0:  # else all of them went and more, or it is wide
            self._effort -= 5 * story.size()
            return self._otherwise(story, at, quantity)
        self._in_order(story, at, sign, quantity)
        return [story]

    def _explaining(self, story: Story, group: Group, at: Millis, moved: Decimal) -> Story:
        """The story in which a change was these whole claims."""
        after = story.without(group)
        units = tuple((self._claims[n].id, self._claims[n].quantity) for n in group)
        after.shown = Chain(Shown(at, moved, units, is_whole=True, change=self._change), after.shown)
        return after

    def _otherwise(self, story: Story, at: Millis, quantity: Decimal) -> list[Story]:
        """Beside that the oldest redemptions took from a fall: those that had come furthest did, in either case the last of them in part
        or others took the rest away, or others took all of it."""
        found, unannounced = [], story.copy()
        self._unexplained(unannounced, Spare(at, -quantity, -quantity))
        oldest = list(story.awaited[-1])
        for order in (self._furthest_first(oldest), oldest):
            for is_whole in (False, True):
                found.append(story.copy())
                self._in_order(found[-1], at, -1, quantity, order, is_whole=is_whole)
        return [*found, unannounced]

    def _furthest_first(self, its: Iterable[int]) -> list[int]:
        return sorted(its, key=lambda n: -RANKS[self._claims[n].stage])

    def _in_order(
        self, story: Story, at: Millis, sign: int, quantity: Decimal, order: Sequence[int] = (), *, is_whole: bool = False
    ) -> None:
        """Claims of the sign of a change take from it, in this order or the oldest first, also parts of themselves unless `is_whole`."""
        its, rest = story.awaited[sign], quantity
        may_hide = any(self._ends[n] >= at for n in story.awaited[-1])
        is_part, uncounted, following, units = False, ZERO, iter(order), list[tuple[str, Decimal]]()
        while its and rest > ZERO:
            number = next(following) if order else next(iter(its))
            needed = its[number]
            if self._ends[number] < at:
                story.given_up[number] = its.pop(number)
                continue
            if needed > rest and is_whole:
                break
            taken, is_part = min(needed, rest), needed > rest
            rest -= taken
            units.append((self._claims[number].id, taken))
            uncounted += taken if sign < 0 and self._claims[number].stage is ClaimStage.ANNOUNCED else ZERO
            if is_part:
                its[number] = needed - taken
            else:
                del its[number]
        story.taken += quantity - rest if sign < 0 else ZERO
        if units:
            is_whole = rest == ZERO and not is_part
            story.shown = Chain(Shown(at, (quantity - rest) * sign, tuple(units), is_whole, self._change), story.shown)
        if rest > ZERO or is_part:
            self._unexplained(story, Spare(at, (rest + uncounted) * sign, quantity * sign), may_hide=may_hide)

    def _unexplained(self, story: Story, spare: Spare, *, may_hide: bool = False) -> None:
        """A change that no whole claims explain, or not all of it: it may hide that what is still awaited of both kinds came about, and
        where it took all redemptions that were awaited (`may_hide`) it may have been none of them, and they netted out with deposits."""
        story.spare.append(spare)
        story.strange += 1
        if story.awaited[-1]:
            story.doubts.update(*story.awaited.values())
        elif may_hide:
            story.hidden.update(story.awaited[1])

    def _groups(self, story: Story, at: Millis, sign: int, quantity: Decimal) -> list[Group]:
        """Sets of whole claims that sum to a change, the fewest of the other sign first; none of them holds another."""
        own, other = (self._sums(story.awaited[s], lambda n: self._ends[n] >= at) for s in (sign, -sign))
        found = [(g, against) for total, some in other.items() for against in some for g in own.get(quantity + total, ())]
        found.sort(key=lambda pair: (len(pair[1]), len(pair[0]), pair))
        least: list[Group] = []
        for g, against in found:
            group = frozenset((*g, *against))
            if not any(group > frozenset(other) for other in least):
                least.append((*g, *against))
        return least

    def _sums(
        self, its: Mapping[int, Decimal], may: Callable[[int], bool], partners: Mapping[int, Group] = NO_PARTNERS
    ) -> Mapping[Decimal, list[Group]]:
        """Every sum of claims of one sign, and the sets that make it. Of claims that differ only in age the oldest come first.

        What came in part is no whole claim any more: its rest takes part in the order of claims alone. `partners`: what else tells
        claims apart.
        """
        self._widen(len(its) > CLAIMS_TRIED)
        alike: dict[tuple[Decimal, ClaimStage, bool, bool, Group], list[int]] = {}
        for number in self._tried(its):
            quantity = its[number]
            if quantity == self._claims[number].quantity and may(number):
                is_over = bool(partners) and self._ends[number] < self._now
                key = (quantity, self._claims[number].stage, self._is_due(number), is_over, partners.get(number, ()))
                alike.setdefault(key, []).append(number)
        sums: dict[Decimal, list[Group]] = {ZERO: [()]}
        for (quantity, *_), numbers in alike.items():
            longer: dict[Decimal, list[Group]] = {}
            for total, some in sums.items():
                for count in range(len(numbers) + 1):
                    longer.setdefault(total + quantity * count, []).extend((*g, *numbers[:count]) for g in some)
                    self._effort -= len(some)
            sums = longer
        return sums

    def _netted(self, stories: Sequence[Story]) -> list[Story]:
        """The stories, and beside each those in which claims that sum to nothing came about between two readings."""
        found: dict[object, Story] = {}
        for story in stories:
            found.setdefault(story.key(), story)
        for story in stories:
            its = {sign: self._unshown(story, sign) for sign in (1, -1)}
            if not (its[1] and its[-1]):
                continue
            if self._effort <= 0:
                self._widen(True)
                break
            partners = self._met(its)
            came, went = (self._sums(its[s], lambda n: self._claims[n].announced_at < self._read_at, partners) for s in (1, -1))
            for total, some in came.items():
                for group in some if total > ZERO else ():
                    for against in went.get(total, ()):
                        if all(n in partners[m] for n in against for m in group):
                            self._effort -= story.size()
                            after = story.without((*group, *against))
                            found.setdefault(after.key(), after)
        return self._bounded(list(found.values()), is_end=True)

    def _unshown(self, story: Story, sign: int) -> Mapping[int, Decimal]:
        """What no total has shown of the claims of one sign: those that are awaited, and those that were given up since."""
        return story.awaited[sign] | {n: q for n, q in story.given_up.items() if self._signs[n] == sign}

    def _tried(self, its: Iterable[int]) -> list[int]:
        """Those of which sets are tried: what has come furthest, and there the oldest."""
        return self._furthest_first(its)[:CLAIMS_TRIED]

    def _met(self, its: Mapping[int, Mapping[int, Decimal]]) -> Mapping[int, Group]:
        """With which claims of the other sign each of those that are tried may have netted out: both were awaited at one time."""
        tried = {sign: self._tried(its[sign]) for sign in its}
        return {n: tuple(m for m in tried[-sign] if self._overlap(n, m)) for sign, numbers in tried.items() for n in numbers}

    def _overlap(self, one: int, other: int) -> bool:
        latest = max(self._claims[one].announced_at, self._claims[other].announced_at)
        return latest <= min(self._ends[one], self._ends[other]) + self._lead_ms

    def _bounded(self, stories: list[Story], *, is_end: bool = False) -> list[Story]:
        """The most likely of them: at the end, those that agree with what was told settled come first."""
        if len(stories) <= STORIES_MAX:
            return stories
        self._widen(True)
        return sorted(stories, key=lambda s: self._strange(s) if is_end else s.strange)[:STORIES_MAX]

    def _strange(self, story: Story) -> int:
        """How many changes a story does not explain, and how many claims it awaits for certain though they were told settled before the
        newest reading."""
        awaited = (n for its in story.awaited.values() for n in its)
        return story.strange + sum(self._is_due(n) and n not in story.doubts and self._claims[n].id not in self._unsure for n in awaited)

    def _is_due(self, number: int) -> bool:
        """Whether the newest reading shows a claim that was told settled."""
        return shown_at(self._claims[number], self._lead_ms) <= self._read_at
