"""Words of `playbook` for questions and cancels that come to nothing, and for an order that is not ours."""

from __future__ import annotations

from bot.core import events as ev
from bot.core.units import ZERO, InstrumentId
from tests.core.story import Feed, Story


def look_up_failed(instrument: str) -> Feed:
    """A look-up did not come through."""

    def fails(story: Story) -> list[ev.Event]:
        return [ev.LookUpFailed(at=story.now, client_order_id=story.order(instrument).client_order_id, reason="503")]

    return Feed("look_up_failed", fails)


def cancel_unconfirmed(instrument: str) -> Feed:
    """A cancel was refused or went unanswered."""

    def stays_open(story: Story) -> list[ev.Event]:
        return [ev.CancelUnconfirmed(at=story.now, client_order_id=story.order(instrument).client_order_id, reason="not found")]

    return Feed("cancel_unconfirmed", stays_open)


def strangers_order(instrument: str) -> ev.OrderReport:
    """An order of somebody else that works at an instrument."""
    return ev.OrderReport(
        instrument=InstrumentId(instrument),
        client_order_id=None,
        venue_order_id="theirs",
        status=ev.VenueOrderStatus.ACCEPTED,
        filled_quantity=ZERO,
        average_price=None,
        venue_at=0,
    )
