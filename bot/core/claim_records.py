"""The record of collateral that was announced, and of how the totals moved by which it is confirmed.

A claim is the meeting of every word on it: the same words in any order, any number of times, make the same claim. A place is one asset
at one location; what moved its total stands in its movements, and arrived - left is the total.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.copying import replace
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import ZERO, Asset, Millis

_RANKS = {stage: rank for rank, stage in enumerate(ClaimStage)}
MOVEMENT_MS: Millis = 60_000
"""Movements of a place within one such span are kept as one: totals told at any rate take bounded room."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One announced deposit or redemption: `quantity` > 0 in the asset's own units, instants by the announcer's clock.

    `announced_at` is of the earliest word, `stage_at` of the earliest that told the stage, `newest_at` of the latest of all.
    `is_disputed`: it was told with different terms. `told` is the state of which people were told last.
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
    is_disputed: bool = False
    told: ClaimState | None = None

    def met(self, other: Claim) -> Claim:
        """Both words on one claim together. Where their terms differ neither is believed, and the same one of them stands."""
        first = min(self, other, key=_terms)
        _, _, stage_at, stage = max((_RANKS[c.stage], -c.stage_at, c.stage_at, c.stage) for c in (self, other))
        return replace(
            first,
            source=min(self.source, other.source),
            announced_at=min(self.announced_at, other.announced_at),
            stage=stage,
            stage_at=stage_at,
            newest_at=max(self.newest_at, other.newest_at),
            is_disputed=self.is_disputed or other.is_disputed or _terms(self) != _terms(other),
            told=self.told,
        )


def _terms(claim: Claim) -> tuple[str, str, str, str, Decimal]:
    return (claim.kind.value, claim.asset, claim.location, claim.depositor, claim.quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What a total rose (`arrived`) and fell (`left`) within one span, both >= 0; `at` is the last of it, our clock."""

    at: Millis
    arrived: Decimal = ZERO
    left: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One asset at one location as its source told it: all that ever arrived and left (asset units, >= 0), and what did lately."""

    source: str
    asset: Asset
    location: str
    arrived: Decimal = ZERO
    left: Decimal = ZERO
    movements: tuple[Movement, ...] = ()

    @property
    def total(self) -> Decimal:
        """What is there."""
        return self.arrived - self.left

    def moved_to(self, total: Decimal, source: str, at: Millis) -> Place:
        """The place after its total was told: the difference arrived, or left. Its first total arrived as a whole."""
        change = total - self.total
        if change == ZERO:
            return replace(self, source=source)
        arrived, left = max(change, ZERO), max(-change, ZERO)
        kept, last = self.movements, self.movements[-1] if self.movements else None
        if last is not None and last.at // MOVEMENT_MS == at // MOVEMENT_MS:
            kept, arrived_lately, left_lately = kept[:-1], last.arrived + arrived, last.left + left
        else:
            arrived_lately, left_lately = arrived, left
        newest = Movement(at=at, arrived=arrived_lately, left=left_lately)
        return replace(self, source=source, arrived=self.arrived + arrived, left=self.left + left, movements=(*kept, newest))

    def since(self, at: Millis) -> Place:
        """The place with the movements from `at` on; how much moved before stays in its sums."""
        kept = tuple(m for m in self.movements if m.at >= at)
        return self if len(kept) == len(self.movements) else replace(self, movements=kept)
