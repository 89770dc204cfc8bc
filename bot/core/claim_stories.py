"""Stories of how the changes of one place's total came about (`claim_matching`): what is left of its claims, and what nothing explains."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.core.units import ZERO, Millis


@dataclass(frozen=True, slots=True)
class Spare:
    """What a total rose (> 0) or fell (< 0) by at an instant, and no claim explains. What a redemption that was not priced took in its
    order is not explained either: it is no whole claim, and nothing was counted off for it. `most`: with all that claims took in order.
    """

    at: Millis
    quantity: Decimal
    most: Decimal


@dataclass(frozen=True, slots=True)
class Shown:
    """What one change of a total took for claims: `moved` signed units of it, and of each claim (by id) so many units > 0.
    `is_whole`: these are whole claims, and all of the change. `change`: its number at its place: two may be of one instant."""

    at: Millis
    moved: Decimal
    units: tuple[tuple[str, Decimal], ...]
    is_whole: bool
    change: int


@dataclass(frozen=True, slots=True)
class Matching:
    """What is left of each claim (id -> units > 0; a claim that is not among them is confirmed), once for each story that may be true.

    The first story is the one that is told. `doubts` names for each story the claims that may be over though it awaits them: a change came
    while they were awaited that no whole claims explain, so that it may have hidden them. `taken`: units of redemptions that took from such
    a change in their order. `spare`: of each change the most that any of the stories leaves unexplained. `is_wide`: there are too many to
    tell them apart. `strange`: how much of what was told and shown the stories do not explain. `shown`: what changes confirmed, by any
    story.
    """

    stories: tuple[Mapping[str, Decimal], ...]
    doubts: tuple[frozenset[str], ...]
    taken: Decimal = ZERO
    spare: tuple[Spare, ...] = ()
    is_wide: bool = False
    strange: int = 0
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """What changes confirmed, the latest first: stories that are copies of one share what they have in common."""

    shown: Shown
    before: Chain | None


@dataclass(slots=True)
class Story:
    """One way in which it may have come about: what is left of each claim by its number, oldest first, and what nothing explains."""

    awaited: dict[int, OrderedDict[int, Decimal]] = field(default_factory=lambda: {1: OrderedDict(), -1: OrderedDict()})
    given_up: dict[int, Decimal] = field(default_factory=dict)
    spare: list[Spare] = field(default_factory=list)
    strange: int = 0
    doubts: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    """Deposits that a fall may hide, though it took all redemptions: it may have been none of them. What was told settled ends that."""
    taken: Decimal = ZERO
    shown: Chain | None = None
    otherwise: tuple[Chain, ...] = ()
    """What the changes were in other stories that came to the same."""

    def also(self, other: Story) -> None:
        """What is the same from here on may have come about as in the other one, too."""
        self.doubts |= other.doubts
        self.hidden |= other.hidden
        chains = (*self.otherwise, *other.otherwise, *((other.shown,) if other.shown else ()))
        self.otherwise = tuple({id(chain): chain for chain in chains}.values())

    def copy(self) -> Story:
        """Another one that is the same so far."""
        return self.without(())

    def without(self, group: Iterable[int]) -> Story:
        """The same story, in which these claims came about as well."""
        gone = frozenset(group)
        awaited = {sign: OrderedDict((n, q) for n, q in its.items() if n not in gone) for sign, its in self.awaited.items()}
        given_up = {n: q for n, q in self.given_up.items() if n not in gone}
        doubts, hidden = self.doubts - gone, self.hidden - gone
        return Story(awaited, given_up, list(self.spare), self.strange, doubts, hidden, self.taken, self.shown, self.otherwise)

    def key(self) -> tuple[tuple[int, Decimal], ...]:
        return (*self.awaited[1].items(), *self.awaited[-1].items(), *self.given_up.items())

    def size(self) -> int:
        return len(self.awaited[1]) + len(self.awaited[-1]) + len(self.given_up)


def most_spare(stories: Iterable[Story]) -> tuple[Spare, ...]:
    """Of each change, by its instant and sign, the most that any of the stories leaves unexplained; the oldest first."""
    found: dict[tuple[Millis, bool], Spare] = {}
    for story in stories:
        its: dict[tuple[Millis, bool], Spare] = {}
        for each in story.spare:
            key = each.at, each.most > ZERO
            known = its.get(key, Spare(each.at, ZERO, ZERO))
            its[key] = Spare(each.at, known.quantity + each.quantity, known.most + each.most)
        for key, sums in its.items():
            known = found.get(key, sums)
            found[key] = Spare(sums.at, max(known.quantity, sums.quantity, key=abs), max(known.most, sums.most, key=abs))
    return tuple(found[key] for key in sorted(found))


def all_shown(stories: Iterable[Story]) -> tuple[Shown, ...]:
    """What changes confirmed, by any of the stories: what they have in common is looked at once."""
    found, seen = dict[Shown, None](), set[int]()
    for link in (each for story in stories for each in (story.shown, *story.otherwise)):
        while link is not None and id(link) not in seen:
            seen.add(id(link))
            found[link.shown] = None
            link = link.before
    return tuple(found)
