"""Orders at a venue that are not ours, in a few words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.core import events as ev
from bot.core.acts import Adopted
from bot.core.foreign_order import ForeignOrder
from bot.core.operation import unadopted
from bot.core.units import InstrumentId
from tests.core.openings import OKX
from tests.core.story import Feed, Story

D = Decimal


def foreign(name: str, instrument: str = OKX, **changes: Any) -> ForeignOrder:
    """What the record keeps of one."""
    return replace(ForeignOrder(name=name, instrument=InstrumentId(instrument), venue_order_id=name, client_order_id=None), **changes)


def theirs(quantity: str | None, filled: str = "0", venue_order_id: str | None = "9", **changes: Any) -> ev.OrderReport:
    """What a venue tells of one at OKX that works."""
    plain = ev.OrderReport(
        instrument=InstrumentId(OKX),
        client_order_id=None,
        venue_order_id=venue_order_id,
        status=ev.VenueOrderStatus.ACCEPTED,
        filled_quantity=D(filled),
        average_price=None,
        venue_at=None,
        quantity=None if quantity is None else D(quantity),
        price=D(3_100),
        reduce_only=False,
    )
    return replace(plain, **changes)


def fill_of_theirs(quantity: str, **changes: Any) -> Feed:
    """One execution of order 9 at OKX."""

    def executes(story: Story) -> list[ev.Event]:
        story.fill_number += 1
        fill = ev.FillReport(
            instrument=InstrumentId(OKX),
            fill_id=f"f{story.fill_number}",
            client_order_id=None,
            venue_order_id="9",
            quantity=D(quantity),
            price=D(3_100),
            fee=None,
            fee_asset=None,
            kind=ev.FillKind.TRADE,
            venue_at=story.now,
        )
        return [ev.FillReported(at=story.now, fill=replace(fill, **changes))]

    return Feed("fill of theirs", executes)


def adopts(by: str, *shown: Adopted, venue: str | None = None) -> Feed:
    """A named person takes over what they were shown; without `shown`, what there is to be seen now."""

    def acts(story: Story) -> list[ev.Event]:
        seen = shown or tuple(u.shown for u in unadopted(story.ledger, venue))  # type: ignore[arg-type]  # a venue by its name
        return [ev.OperatorActed(at=story.now, action=ev.OperatorAction.ADOPT, by=by, why="looked", adopting=seen)]

    return Feed(f"adopted by {by}", acts)
