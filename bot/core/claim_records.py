"""The record of collateral that was announced, and of how the totals moved by which it is confirmed.

A claim is the meeting of every word on it: the same words in any order, any number of times, make the same claim. A place is one asset
at one location; what moved its total stands in its movements, and arrived - left is the total.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.copying import replace
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import ZERO, Asset, Millis

RANKS = {stage: rank for rank, stage in enumerate(ClaimStage)}
"""How far a claim has come."""
MOVEMENT_MS: Millis = 60_000
"""Older movements of a place within one such span are kept as one: totals told at any rate take bounded room."""
TELLINGS_KEPT = 256
"""The latest totals of a place that are kept one by one."""


class ClaimState(StrEnum):
    """Where a claim stands. PENDING: awaited. CONFIRMED: a total shows it. LEAVING: its delta has ended, and the total still holds it.

    EXPIRED: a deposit that never came. OVERDUE: a redemption that never settled, and counts again. HELD: not believed.
    """

    PENDING = "pending"
    CONFIRMED = "confirmed"
    LEAVING = "leaving"
    EXPIRED = "expired"
    OVERDUE = "overdue"
    HELD = "held"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Said:
    """The newest instants, by its own clock, at which one announcer said of a claim that it goes on, and that it is called off."""

    source: str
    on_at: Millis | None = None
    off_at: Millis | None = None

    @property
    def is_off(self) -> bool:
        """Whether its newest word is that it is called off."""
        return self.off_at is not None and (self.on_at is None or self.on_at <= self.off_at)

    def met(self, other: Said) -> Said:
        """Both words of one announcer together."""
        return Said(self.source, _newest(self.on_at, other.on_at), _newest(self.off_at, other.off_at))


def _newest(one: Millis | None, other: Millis | None) -> Millis | None:
    return max((at for at in (one, other) if at is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One announced deposit or redemption: `quantity` > 0 in the asset's own units, instants by the announcer's clock.

    `announced_at` is of the earliest word, `stage_at` of the earliest that told the stage, `newest_at` of the latest of all. It is CANCELED
    while the newest word of any announcer is that; one that says later that it goes on takes its own cancel back, and no other's.
    `furthest` is the stage that it had or would have, `said` every announcer's newest words (empty in a record of a former version).
    `heard_at` is when its first word reached us, by our clock. `is_disputed`: it was told with different terms. `told` is the state of
    which people were told last.
    """

    id: str
    source: str
    kind: ClaimKind
    asset: Asset
    location: str
    quantity: Decimal
    depositor: str
    announced_at: Millis
    stage: ClaimStage
    stage_at: Millis
    newest_at: Millis
    heard_at: Millis = 0
    is_disputed: bool = False
    told: ClaimState | None = None
    furthest: ClaimStage | None = None
    furthest_at: Millis = 0
    said: tuple[Said, ...] = ()

    def met(self, other: Claim) -> Claim:
        """Both words on one claim together. Where their terms differ neither is believed, and the same one of them stands."""
        first = min(self, other, key=_terms)
        said = dict(self._said())
        said |= {name: word.met(said.get(name, word)) for name, word in other._said().items()}
        reached = (c._reached() for c in (self, other))
        furthest, furthest_at = max((f for f in reached if f is not None), key=lambda f: (RANKS[f[0]], -f[1]), default=(None, 0))
        off = [word.off_at for word in said.values() if word.off_at is not None and (word.is_off or furthest is None)]
        stage, stage_at = (ClaimStage.CANCELED, min(off)) if off or furthest is None else (furthest, furthest_at)
        return replace(
            first,
            source=min(self.source, other.source),
            announced_at=min(self.announced_at, other.announced_at),
            stage=stage,
            stage_at=stage_at,
            newest_at=max(self.newest_at, other.newest_at),
            heard_at=min(self.heard_at, other.heard_at),
            is_disputed=self.is_disputed or other.is_disputed or _terms(self) != _terms(other),
            told=self.told,
            furthest=furthest,
            furthest_at=furthest_at,
            said=tuple(said[name] for name in sorted(said)),
        )

    @property
    def announcers(self) -> frozenset[str]:
        """Everybody who told of it: `source` is only the first of them by name."""
        return frozenset({self.source, *(word.source for word in self.said)})

    def _said(self) -> dict[str, Said]:
        is_off = self.stage is ClaimStage.CANCELED
        plain = Said(self.source, None if is_off else self.newest_at, self.stage_at if is_off else None)
        return {word.source: word for word in self.said or (plain,)}

    def _reached(self) -> tuple[ClaimStage, Millis] | None:
        """The furthest stage beside CANCELED that was told, and the earliest instant of it."""
        if self.furthest is not None:
            return self.furthest, self.furthest_at
        return None if self.stage is ClaimStage.CANCELED else (self.stage, self.stage_at)


def further(claims: Iterable[Claim]) -> Claim:
    """Of claims that are not canceled the one that has come furthest, and there the earliest."""
    return max(claims, key=lambda c: (RANKS[c.stage], -c.stage_at))


def _terms(claim: Claim) -> tuple[str, str, str, str, Decimal]:
    return (claim.kind.value, claim.asset, claim.location, claim.depositor, claim.quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What a total rose (`arrived`) and fell (`left`) within one span, both >= 0; `at` is the last of it, our clock."""

    at: Millis
    arrived: Decimal = ZERO
    left: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Telling:
    """A total as it was told: `at` by the source's clock, by ours where it tells none."""

    at: Millis
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One asset at one location as its source told it: all that ever arrived and left (asset units, >= 0), and what did lately.

    The latest totals are kept one by one, in the order of the source's clock, so that one that comes late or again makes the same place
    as one that came in its turn. Older ones are folded into `movements`; what was told from before `folded_to` is not taken any more.
    `base` is the total before the first of `tellings`.
    """

    source: str
    asset: Asset
    location: str
    arrived: Decimal = ZERO
    left: Decimal = ZERO
    movements: tuple[Movement, ...] = ()
    base: Decimal = ZERO
    tellings: tuple[Telling, ...] = ()
    folded_to: Millis | None = None

    @property
    def total(self) -> Decimal:
        """What is there."""
        return self.arrived - self.left

    def changes(self) -> tuple[Movement, ...]:
        """What arrived and left lately, the oldest first. The first total arrived as a whole."""
        found, before = list(self.movements), self.base
        for told in self.tellings:
            if told.total != before:
                found.append(Movement(at=told.at, arrived=max(told.total - before, ZERO), left=max(before - told.total, ZERO)))
            before = told.total
        return tuple(found)

    def moved_to(self, total: Decimal, source: str, at: Millis) -> Place:
        """The place after its newest total was told: the difference arrived, or left."""
        there = self if source == self.source else replace(self._folded(len(self.tellings)), source=source, folded_to=None)
        last = there.tellings[-1].at if there.tellings else there.folded_to
        return there._with(len(there.tellings), Telling(at if last is None else max(at, last), total))

    def told_late(self, total: Decimal, at: Millis) -> Place:
        """The place after one of its earlier totals was told, or told again: it takes its place among the others."""
        if self.folded_to is not None and at <= self.folded_to:
            return self
        told = Telling(at, total)
        return self if told in self.tellings else self._with(bisect_right([t.at for t in self.tellings], at), told)

    def _with(self, number: int, told: Telling) -> Place:
        """With one more total, before the one at `number`."""
        if number and self.tellings[number - 1] == told:
            return self
        before = self.tellings[number - 1].total if number else self.base
        after = self.tellings[number].total if number < len(self.tellings) else None
        if after is None:
            arrived, left = max(told.total - before, ZERO), max(before - told.total, ZERO)
        else:  # a detour on the way from the one to the other
            arrived = left = max(told.total - max(before, after), min(before, after) - told.total, ZERO)
        tellings = (*self.tellings[:number], told, *self.tellings[number:])
        there = replace(self, arrived=self.arrived + arrived, left=self.left + left, tellings=tellings)
        return there if len(tellings) <= TELLINGS_KEPT else there._folded(len(tellings) - TELLINGS_KEPT // 2)

    def _folded(self, count: int) -> Place:
        """With so many of the oldest totals folded into movements, those within one span together."""
        if not count:
            return self
        kept, before = list(self.movements), self.base
        for told in self.tellings[:count]:
            arrived, left = max(told.total - before, ZERO), max(before - told.total, ZERO)
            before = told.total
            if kept and kept[-1].at // MOVEMENT_MS == told.at // MOVEMENT_MS:
                arrived, left = kept[-1].arrived + arrived, kept.pop().left + left
            if arrived or left:
                kept.append(Movement(at=told.at, arrived=arrived, left=left))
        last = self.tellings[count - 1]
        return replace(self, movements=tuple(kept), base=last.total, tellings=self.tellings[count:], folded_to=last.at)

    def since(self, at: Millis) -> Place:
        """The place with what moved from `at` on; how much moved before stays in its sums."""
        old = sum(told.at < at for told in self.tellings)
        there = self._folded(old)
        kept = tuple(m for m in there.movements if m.at >= at)
        return there if len(kept) == len(there.movements) else replace(there, movements=kept)
