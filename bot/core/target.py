"""How much short each instrument should carry, and why.

The rule, for one asset: what is already short stays where it is as far as limits allow (a change of venue costs), what is missing is
spread so that the smallest legs grow first, what is too much is taken from the largest legs first. An instrument's grade tells how
willingly it is used:

    PREFERRED  keeps what it has and takes more
    HOLD       keeps what it has, takes more only when the preferred are full (just deleveraged)
    AVOID      is emptied into the preferred as far as they have room (funding flipped), takes more only as the very last resort

Delta neutrality comes before carry: an avoided instrument with room is used before delta is left unhedged. What fits nowhere is
told, with the name of each limit that stood in the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from bot.core.policy import Limit
from bot.core.units import ZERO, InstrumentId


class Grade(IntEnum):
    """How willingly an instrument is used; smaller is more willing."""

    PREFERRED = 0
    HOLD = 1
    AVOID = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What one instrument carries and may carry, as base units of SHORT (>= 0 when short). `binding` names what sets `most`."""

    instrument: InstrumentId
    short: Decimal
    most: Decimal
    grade: Grade
    binding: Limit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one instrument should carry (base units of short), and the limit that keeps it from more, if one does."""

    instrument: InstrumentId
    short: Decimal
    binding: Limit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """The shares of one asset. `unplaced` is the part of the needed short (>= 0) that fits under no limit."""

    shares: tuple[Share, ...]
    unplaced: Decimal


def allocate(needed: Decimal, slots: Sequence[Slot]) -> Allocation:
    """Spreads `needed` base units of short over the slots. Deterministic; equal slots rank by instrument id.

    A slot is never given more than `max(most, 0)`, and never less than nothing: hedges are short or flat. Of what a slot carries
    beyond its `most`, the excess moves away.
    """
    needed = max(needed, ZERO)
    ordered = sorted(slots, key=lambda s: s.instrument)
    given = {s.instrument: ZERO if s.grade is Grade.AVOID else _kept(s) for s in ordered}
    if sum(given.values(), ZERO) > needed:
        _lower(given, needed)
    else:
        _raise(given, ordered, needed)
    unplaced = needed - sum(given.values(), ZERO)
    shares = tuple(
        Share(
            instrument=s.instrument,
            short=given[s.instrument],
            binding=s.binding if given[s.instrument] >= s.most else None,
        )
        for s in ordered
    )
    return Allocation(shares=shares, unplaced=max(unplaced, ZERO))


def _kept(slot: Slot) -> Decimal:
    return max(ZERO, min(slot.short, slot.most))


def _raise(given: dict[InstrumentId, Decimal], slots: Sequence[Slot], needed: Decimal) -> None:
    """Adds what is missing, the more willing first: preferred to the brim, avoided ones what they have, held, avoided to the brim."""
    stages = (
        {s.instrument: s.most for s in slots if s.grade is Grade.PREFERRED},
        {s.instrument: _kept(s) for s in slots if s.grade is Grade.AVOID},
        {s.instrument: s.most for s in slots if s.grade is Grade.HOLD},
        {s.instrument: s.most for s in slots if s.grade is Grade.AVOID},
    )
    for ceilings in stages:
        missing = needed - sum(given.values(), ZERO)
        if missing > ZERO:
            _fill_lowest(given, ceilings, missing)


def _fill_lowest(given: dict[InstrumentId, Decimal], ceilings: dict[InstrumentId, Decimal], missing: Decimal) -> None:
    """Raises the lowest legs together until `missing` is placed or every ceiling is reached.

    A leg is set to the very level that it reaches: adding the difference could miss it by a rounding, and never arrive.
    """
    while missing > ZERO:
        open_ids = [i for i, ceiling in ceilings.items() if given[i] < ceiling]
        if not open_ids:
            return
        level = min(given[i] for i in open_ids)
        lowest = [i for i in open_ids if given[i] == level]
        reached = min([ceilings[i] for i in lowest] + [given[i] for i in open_ids if given[i] > level])
        placed = (reached - level) * len(lowest)
        if placed >= missing:
            _spread(given, lowest, missing)
            return
        for i in lowest:
            given[i] = reached
        missing -= placed


def _lower(given: dict[InstrumentId, Decimal], needed: Decimal) -> None:
    """Takes what is too much from the highest legs, together, until the sum is `needed`; set to their level as in `_fill_lowest`."""
    surplus = sum(given.values(), ZERO) - needed
    while surplus > ZERO:
        level = max(given.values())
        highest = [i for i, g in given.items() if g == level]
        below = [g for g in given.values() if g < level]
        reached = max(below) if below else ZERO
        taken = (level - reached) * len(highest)
        if taken >= surplus:
            _spread(given, highest, -surplus)
            return
        for i in highest:
            given[i] = reached
        if not below:
            return  # all are flat: what is left of the surplus is the rounding of its own sum
        surplus -= taken


def _spread(given: dict[InstrumentId, Decimal], ids: Sequence[InstrumentId], quantity: Decimal) -> None:
    """Adds `quantity` (either sign) in equal parts; the last takes what division left over, so that the sum is exact."""
    part = quantity / len(ids)
    for i in ids[:-1]:
        given[i] += part
    given[ids[-1]] += quantity - part * (len(ids) - 1)
