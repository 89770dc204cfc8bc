"""How many stories begin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.core import events as ev
from bot.core import target
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.reports import PositionReport
from bot.core.target import Slot
from bot.core.units import InstrumentId, VenueId
from tests.core.market_words import wide
from tests.core.playbook import (
    book,
    decision_due,
    evenly,
    filled,
    net_delta,
    nothing,
    outcome_unknown,
    place,
    query,
)
from tests.core.story import Story, margin_report, policy_for

ETH = policy_for("ETH")
BINANCE, BYBIT, OKX = "binance:ETH", "bybit:ETH", "okx:ETH"


def hedged(quantity: str = "30", **changes: Any) -> Story:
    """A book with so much ETH, hedged in three equal parts."""
    story = book(policy_for("ETH", **changes)) >> evenly(quantity) >> decision_due()
    third = f"{-Decimal(quantity) / 3:f}"
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, third)
    return story >> filled(BYBIT, BINANCE, OKX) >> wide() >> decision_due() << nothing() << net_delta("ETH", "0")


def slot_at(ledger: Ledger, policy: Policy, now: int, instrument: str) -> Slot | None:
    """What the plans of this instant say that an instrument may carry; None when it can take no order."""
    return next((s for p in target.plan_book(ledger, policy, now) for s in p.slots if s.instrument == instrument), None)


def in_doubt_at_okx() -> Story:
    """A hedge of which the leg at OKX went unanswered."""
    return (
        book(ETH)
        >> evenly("30")
        >> decision_due()
        << place(BYBIT, "-10")
        << place(BINANCE, "-10")
        << place(OKX, "-10")
        >> filled(BYBIT, BINANCE)
        >> outcome_unknown(OKX)
        >> wide()
        >> decision_due()
        << query(OKX)
    )


def before_us(quantity: str) -> Story:
    """A first reading that tells a position, with an entry."""
    story = book(ETH)
    okx = InstrumentId(OKX)
    story.ledger = replace(story.ledger, positions={i: p for i, p in story.ledger.positions.items() if i != okx})
    told = PositionReport(instrument=okx, quantity=Decimal(quantity), entry_price=Decimal(2900), mark_price=Decimal(3000))
    at, venue = story.now, VenueId("okx")
    reports, margins = (told,), (margin_report(),)
    reading = ev.VenueReported(at=at, venue=venue, asked_at=at, clock_offset_ms=0, orders=(), positions=reports, fills=(), margins=margins)
    for event in (replace(reading, asked_at=at - 1), reading):
        story.feed(event)
    return story
