"""An order that works at a venue and that our record did not place: what is known of it, and who has taken it over.

Nobody's such order counts in no position; it keeps its venue REDUCING. One that was taken over counts at all that it may still fill, and is
withdrawn until a complete reading does not tell it any more (see `strangers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.core.reports import FillReport, OrderReport
from bot.core.units import ZERO, ClientOrderId, InstrumentId, Millis, Range

OURS = "an earlier run of ours"
"""Who has taken over an order that left under one of our own ids, and that our journal does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignOrder:
    """`leaves`: signed contract units (see `instrument`) that may still fill, None: not told. `name`: the venue's word for it, for people.

    Of one that was taken over `leaves` is what may still be added to our position: its `quantity` (all, signed) as it was then (nobody
    knows which of its fills have been counted), less the fills told since, and with what it was amended by.
    `taken_by`: whoever took it over; None: nobody. `cancel_asked_at` is our clock, as is `spent_at`: since when it is known of one that was
    taken over that nothing of it can execute any more, though what it did may not have been told yet.
    """

    name: str
    instrument: InstrumentId
    venue_order_id: str | None
    client_order_id: ClientOrderId | None
    leaves: Decimal | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    reduce_only: bool | None = None
    taken_by: str | None = None
    cancel_asked_at: Millis | None = None
    spent_at: Millis | None = None

    @property
    def is_spent(self) -> bool:
        """Whether nothing of it can execute any more, though how much did is not known."""
        return self.spent_at is not None

    def is_of(self, told: FillReport | OrderReport | ForeignOrder) -> bool:
        """Whether a venue speaks of this order: by its own id, else by its client's."""
        if self.instrument != told.instrument:
            return False
        if self.venue_order_id is not None and told.venue_order_id is not None:
            return self.venue_order_id == told.venue_order_id
        return self.client_order_id is not None and self.client_order_id == told.client_order_id

    @property
    def may_fill(self) -> Range | None:
        """What it may still add to the position, signed contract units; None: nobody knows."""
        return None if self.leaves is None else Range.spanning(ZERO, self.leaves)


def left_after(fill: FillReport, leaves: Decimal | None) -> Decimal | None:
    """What an order leaves after one more fill of it; nothing less than nothing, also where it was told late."""
    return None if leaves is None else _left(leaves, leaves - fill.quantity)


def left_of_taken(before: ForeignOrder, told: ForeignOrder) -> Decimal | None:
    """What may still be added to our position by an order that was taken over, now that it is told again.

    Never less than the venue says that it leaves, nor than what was left before; all of it where that was not known.
    """
    if before.leaves is None or before.quantity is None or told.quantity is None:
        return told.quantity
    left = _left(told.quantity, before.leaves + told.quantity - before.quantity)
    return left if told.leaves is None or abs(left) >= abs(told.leaves) else told.leaves


def _left(of: Decimal, left: Decimal) -> Decimal:
    return left if left * of > ZERO else ZERO
