"""How much room is left under the bounds of an allocation when lots, dropped moves and old targets have bent it: nothing may break one.

The rule: what is carried and what is lowered counts first; then each increase, in the order given, takes at most what every bound on it
still leaves. A bound that is exceeded already leaves nothing, and takes nothing away. That all together are no more than is needed is not
looked after here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.allocation_terms import Bound, Candidate, Problem
from bot.core.units import ONE, ZERO, InstrumentId, down_to_step

Row = tuple[str, str]
"""What is limited: its kind and its name."""
UNLIMITED = Decimal(10) ** 12
"""USD of room where nothing limits."""
GRAIN = Decimal("1E-12")
"""Base units to which USD of hedge are brought back, toward zero: far below every lot."""
NOISE = Decimal("1E-17")
"""Base units by which a product and its quotient may miss where they began: else a whole lot would be rounded away."""


def in_base(usd: Decimal, price: Decimal) -> Decimal:
    """USD of hedge (>= 0) in base units at the asset's one price."""
    quantity = usd / price
    nearest = quantity.quantize(GRAIN)
    return nearest if abs(nearest - quantity) < NOISE else down_to_step(quantity, GRAIN)


@dataclass(frozen=True, slots=True)
class Left:
    """USD of hedge that still fit, and the limit that binds first (None: none)."""

    usd: Decimal
    limit: str | None


class Room:
    """Bounds and what is used of them, in USD."""

    def __init__(self, problem: Problem, shorts: Mapping[InstrumentId, Decimal]) -> None:
        """`shorts`: USD of hedge by candidate, from which to count on."""
        self._most: dict[Row, Bound] = {}
        self._used: dict[Row, Decimal] = {}
        self._uses: dict[InstrumentId, list[tuple[Row, Decimal]]] = {c.instrument: [] for c in problem.candidates}
        by_asset = {r.asset: r.bounds for r in problem.requirements}
        for c in problem.candidates:
            self._set(("instrument", c.instrument), c.bounds, [(c, ONE)])
            self._set(("asset", c.asset), by_asset.get(c.asset, ()), [(c, ONE)])
            self._set(("book", ""), problem.gross, [(c, c.notional_weight)])
        for number, room in enumerate(problem.venues):
            here = [c for c in problem.candidates if c.venue == room.venue and (not room.instruments or c.instrument in room.instruments)]
            self._set(("notional", str(number)), room.notional, [(c, c.notional_weight) for c in here])
            self._set(("margin", str(number)), room.margin, [(c, c.margin_use) for c in here])
        for instrument, short in shorts.items():
            self.take(instrument, short)

    def _set(self, row: Row, bounds: Sequence[Bound], members: Sequence[tuple[Candidate, Decimal]]) -> None:
        if bounds:
            self._most[row] = bounds[0] if len(bounds) == 1 else min(bounds, key=lambda b: max(b.most, ZERO))
            for candidate, use in members:
                if use > ZERO:
                    self._uses[candidate.instrument].append((row, use))

    def left(self, instrument: InstrumentId) -> Left:
        """USD of hedge that still fit at an instrument, and the limit that keeps it from more; below zero: carried beyond that limit."""
        least: Decimal = UNLIMITED
        limit: str | None = None
        for number, (row, use) in enumerate(self._uses[instrument]):
            most = self._most[row]
            fits = (max(most.most, ZERO) - self._used.get(row, ZERO)) / use
            if number == 0 or fits < least:
                least, limit = fits, most.limit
        return Left(least, limit)

    def take(self, instrument: InstrumentId, short: Decimal) -> None:
        """Counts so many USD of hedge (either sign) at an instrument."""
        for row, use in self._uses[instrument]:
            self._used[row] = self._used.get(row, ZERO) + short * use
