"""Every break has a cause: what each looks like, that it is attributed, and how it is healed or escalated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.order import OrderState
from bot.core.records import BreakCause, TradingState
from bot.core.trading import state_of
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import (
    after,
    confirmed,
    decision_due,
    evenly,
    fill_report,
    first_readings,
    link,
    market,
    order_report,
    place,
    read,
    reading,
    started,
)
from tests.core.story import Story, policy_for

D = Decimal
VENUE = VenueId("okx")
S = TradingState


def told_twice(figure: str) -> Callable[[Story], None]:
    """OKX tells, long after any fill, another position, and again."""

    def happens(story: Story) -> None:
        story >> after(40_000) >> confirmed() >> decision_due() << read("okx")
        story >> reading("okx", ETH=figure) >> after(600) >> decision_due() << read("okx")
        story >> reading("okx", ETH=figure)

    return happens


def fill_by(kind: ev.FillKind, quantity: str) -> Callable[[Story], None]:
    """A fill that is not of our orders."""

    def happens(story: Story) -> None:
        story >> after(1_000)
        theirs = fill_report(story, OKX, quantity, client_order_id=ClientOrderId("theirs"), venue_order_id="9", kind=kind)
        story.feed(ev.FillReported(at=story.now, fill=theirs))

    return happens


def late_fill(story: Story) -> None:
    """More filled of an order than its venue had told when it ended."""
    story >> after(1_000) >> evenly("33") >> decision_due()
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, "-1")
    story.feed(ev.OrderReported(at=story.now, report=order_report(story, OKX, "canceled", "0")))
    assert story.order(OKX).state is OrderState.CANCELED
    story >> after(200)
    story.feed(ev.FillReported(at=story.now, fill=fill_report(story, OKX, "-1")))


def late_fill_in_a_report(story: Story) -> None:
    """The same, as the order's own report has it."""
    story >> after(1_000) >> evenly("33") >> decision_due()
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, "-1")
    story.feed(ev.OrderRefused(at=story.now, client_order_id=story.order(OKX).client_order_id, code="1", reason="no"))
    story >> after(200)
    story.feed(ev.OrderReported(at=story.now, report=order_report(story, OKX, "filled", "-1")))


def foreign_order(story: Story) -> None:
    """Somebody else's order works on the account."""
    theirs = ev.OrderReport(
        instrument=InstrumentId(OKX),
        client_order_id=ClientOrderId("somebody"),
        venue_order_id="9",
        status=ev.VenueOrderStatus.ACCEPTED,
        filled_quantity=D(0),
        average_price=None,
        venue_at=None,
    )
    story >> after(10_000) >> confirmed() >> decision_due() << read("okx")
    story >> reading("okx", orders=(theirs,))


def unjournaled(story: Story) -> None:
    """An order that the run before sent after the last one that the journal has of it."""
    order = story.order(OKX).client_order_id
    story.ledger = replace(story.ledger, epoch="e2", epochs={order[:-6]: int(order[-6:], 36)})
    fill = fill_report(story, OKX, "2", client_order_id=ClientOrderId(f"{order[:-6]}zz0000"), venue_order_id="9")
    story >> after(1_000)
    story.feed(ev.FillReported(at=story.now, fill=replace(fill, venue_at=story.now)))


SHRANK, GREW = "-6", "-14"
BREAKS: tuple[tuple[BreakCause, Callable[[Story], None], str, TradingState, bool], ...] = (
    (BreakCause.LATE_FILL, late_fill, "-11", S.ACTIVE, False),
    (BreakCause.LATE_FILL, late_fill_in_a_report, "-11", S.ACTIVE, False),
    (BreakCause.AUTO_DELEVERAGING, told_twice(SHRANK), "-6", S.REDUCING, True),
    (BreakCause.AUTO_DELEVERAGING, fill_by(ev.FillKind.AUTO_DELEVERAGING, "4"), "-6", S.ACTIVE, False),
    (BreakCause.LIQUIDATION, fill_by(ev.FillKind.LIQUIDATION, "4"), "-6", S.REDUCING, False),
    (BreakCause.SETTLEMENT, fill_by(ev.FillKind.SETTLEMENT, "10"), "0", S.ACTIVE, False),
    (BreakCause.FOREIGN_FILL, fill_by(ev.FillKind.TRADE, "2"), "-8", S.REDUCING, False),
    (BreakCause.UNJOURNALED, unjournaled, "-8", S.REDUCING, False),
    (BreakCause.FOREIGN_ORDER, foreign_order, "-10", S.REDUCING, True),
    (BreakCause.UNEXPLAINED, told_twice(GREW), "-14", S.HALTED, True),
)
"""Cause, what happens, the position after it, the venue's state, and whether a complete reading has already agreed with all of it."""


@pytest.mark.parametrize(("cause", "happens", "position", "state", "agreed"), BREAKS)
def test_a_break_is_attributed_counted_told_and_its_venue_read_again(
    cause: BreakCause, happens: Callable[[Story], None], position: str, state: TradingState, agreed: bool
) -> None:
    story = hedged("30")
    assert story.ledger.tallies.breaks_by_cause == {}
    happens(story)
    assert story.ledger.tallies.breaks_by_cause == {cause.value: 1}
    assert story.ledger.positions[InstrumentId(OKX)].quantity == D(position)
    assert any(n.kind == "break" and n.sentence.startswith(f"{cause.value}: ") for n in story.ledger.notes)
    assert state_of(story.ledger, VENUE) is state
    assert story.ledger.venues[VENUE].reconciled is agreed, "until a complete reading agrees nothing increases there"


def test_a_position_from_before_the_first_reading_is_a_break_of_its_own() -> None:
    story = Story(policy_for("ETH")) >> started()
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
        story >> market(instrument.id)
    story >> link("okx", "up") >> confirmed() >> decision_due() << read("okx")
    story >> first_readings("okx", ETH="-3")
    assert story.ledger.tallies.breaks_by_cause == {BreakCause.PRE_EXISTING.value: 1}


def test_every_cause_is_shown() -> None:
    elsewhere = {BreakCause.PRE_EXISTING, BreakCause.FUNDING_RECORD}  # above, and in test_funding_ledger
    assert {cause for cause, *_ in BREAKS} | elsewhere == set(BreakCause)
