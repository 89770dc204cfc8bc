"""Stories of venues whose past cannot be read on a journal that knows nothing of them: what they tell of the present protects.

The language is in `playbook`.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.commands import PlaceOrder
from bot.core.units import ZERO, InstrumentId, VenueId
from tests.core.market_words import market, wide
from tests.core.openings import BINANCE, BYBIT, ETH, OKX
from tests.core.playbook import (
    after,
    breach,
    collateral,
    confirmed,
    decision_due,
    filled,
    holds,
    link,
    net_delta,
    position_report,
    reading,
    started,
    unreadable,
    venue_acts,
)
from tests.core.story import Feed, Story, margin_report

VENUES = ("binance", "bybit", "okx")


def holdings(venue: str, eth: str, *orders: ev.OrderReport, asked_ms_ago: int = 0) -> Feed:
    """A venue tells orders, positions and margin, and no fills."""
    return Feed(
        f"holdings of {venue}",
        lambda s: [
            ev.HoldingsReported(
                at=s.now,
                venue=VenueId(venue),
                asked_at=s.now - asked_ms_ago,
                clock_offset_ms=0,
                orders=orders,
                positions=tuple(position_report(i, Decimal(eth)) for i in s.of_venue(venue)),
                margins=(s.margins.get(venue, margin_report()),),
            )
        ],
    )


def unread(collateral_eth: str) -> Story:
    """A run on a new journal: listed, heard, with collateral, and no venue has been read."""
    story = Story(ETH)
    story >> started(is_fresh=True)
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
        story >> market(instrument.id)
    for venue in VENUES:
        story >> link(venue, "up")
    return story >> wide() >> collateral("ETH", collateral_eth)


def twice(story: Story, **eth: str) -> Story:
    """Each venue tells the same of the present two times."""
    for _ in range(2):
        story >> after(500)
        for venue, quantity in eth.items():
            story >> holdings(venue, quantity)
    return story >> confirmed() >> decision_due()


def sent(story: Story) -> list[PlaceOrder]:
    return [c for c in story.outbox if isinstance(c, PlaceOrder)]


def test_positions_told_twice_without_fills_are_reduced_where_too_much_is_short() -> None:
    story = twice(unread("6"), binance="-10", bybit="-10", okx="-10")
    orders = sent(story)
    assert orders
    assert all(o.reduce_only and o.quantity > ZERO for o in orders)
    assert sum(o.quantity for o in orders) <= 24
    assert not any(r.reconciled or r.reported_at is not None or r.agreed_at is not None for r in story.ledger.venues.values())


def test_nothing_increases_on_positions_told_without_fills_however_much_is_unhedged() -> None:
    story = twice(unread("60"), binance="-10", bybit="-10", okx="-10") << net_delta("ETH", "30")
    for _ in range(20):
        story >> after(5_000) >> confirmed() >> decision_due()
        assert sent(story) == []
    story << breach("unreconciled", "okx")


def test_one_venue_without_its_past_keeps_the_asset_from_growing_at_those_that_were_read() -> None:
    story = unread("60") >> decision_due() >> reading("binance", ETH="-10") >> reading("bybit", ETH="-10")
    twice(story, okx="-10") << net_delta("ETH", "30")
    for _ in range(8):
        story >> after(5_000) >> confirmed() >> decision_due() >> reading("binance") >> reading("bybit") >> unreadable("okx")
        assert sent(story) == []
    story >> reading("okx") >> after(500) >> confirmed() >> decision_due()
    assert any(o.quantity < ZERO and not o.reduce_only for o in sent(story))


def test_a_position_told_once_or_differently_stays_unknown() -> None:
    story = unread("6") >> holdings("okx", "-10") >> after(500)
    assert InstrumentId(OKX) not in story.ledger.positions
    story >> holdings("okx", "-9") >> after(500)
    assert InstrumentId(OKX) not in story.ledger.positions
    story >> holdings("okx", "-9") << holds(OKX, "-9")


def test_a_fill_told_before_its_position_was_known_stands_in_the_way_of_an_older_answer() -> None:
    """It has counted nowhere, and the answer may not contain it."""
    story = unread("6") >> holdings("okx", "-10") >> after(500) >> venue_acts(OKX, "-1", "trade") >> after(100)
    story >> holdings("okx", "-10", asked_ms_ago=200)
    assert InstrumentId(OKX) not in story.ledger.positions
    story >> after(500) >> holdings("okx", "-11") >> after(500) >> holdings("okx", "-11") << holds(OKX, "-11")


def test_a_fill_after_both_tellings_counts_once_by_stream_and_by_the_late_reading() -> None:
    story = twice(unread("30"), binance="-10", bybit="-10", okx="-10") >> after(100) >> venue_acts(OKX, "4")
    story << holds(OKX, "-6") >> after(500) >> reading("okx", ETH="-6") << holds(OKX, "-6")
    assert story.ledger.positions[InstrumentId(OKX)].dispute is None
    assert story.ledger.venues[VenueId("okx")].reconciled


def test_a_late_complete_reading_that_says_otherwise_disputes_what_was_told_without_fills() -> None:
    story = twice(unread("30"), binance="-10", bybit="-10", okx="-10") >> after(500) >> reading("okx", ETH="-7")
    story << net_delta("ETH", "0", "3")
    assert not story.ledger.venues[VenueId("okx")].reconciled


@pytest.mark.parametrize("held", ["-10", "-3"])
def test_a_venue_that_was_read_in_full_learns_nothing_from_it(held: str) -> None:
    story = unread("30") >> decision_due() >> reading("okx", ETH="-10") >> after(500)
    before = story.ledger
    story >> holdings("okx", held) >> holdings("okx", held)
    assert story.ledger == before


def test_no_doubt_about_an_order_ends_by_it() -> None:
    """An order in doubt stays so, though no such order is told of, and a later look-up does not find it."""
    story = twice(unread("6"), binance="-10", bybit="-10", okx="-10")
    doubted = sent(story)[0]
    story.outbox = []
    story.feed(ev.OrderOutcomeUnknown(at=story.now, client_order_id=doubted.client_order_id, reason="timed out"))
    venue = doubted.instrument.partition(":")[0]
    story >> after(60_000) >> holdings(venue, "-10") >> holdings(venue, "-10")
    story.feed(ev.OrderAbsent(at=story.now, client_order_id=doubted.client_order_id, venue_clock_at=story.now))
    assert story.ledger.orders[doubted.client_order_id].state.value == "in_doubt"


def test_orders_that_are_not_ours_are_told_and_the_venue_only_reduces() -> None:
    report = ev.OrderReport(
        instrument=InstrumentId(OKX),
        client_order_id=None,
        venue_order_id="theirs",
        status=ev.VenueOrderStatus.ACCEPTED,
        filled_quantity=ZERO,
        average_price=None,
        venue_at=0,
    )
    story = unread("6") >> holdings("okx", "-10", report) << breach("foreign_orders", "okx")
    assert [o.name for o in story.ledger.venues[VenueId("okx")].foreign_orders] == ["theirs"]


def test_what_was_reduced_is_in_the_record_that_the_late_readings_agree_with() -> None:
    story = twice(unread("6"), binance="-10", bybit="-10", okx="-10")
    where = {str(o.instrument) for o in sent(story)}
    story.outbox = [c for c in story.outbox if not isinstance(c, PlaceOrder)]
    story >> filled(*sorted(where & {BINANCE, BYBIT, OKX})) >> after(1_000)
    for venue in VENUES:
        story >> reading(venue)
    assert all(r.reconciled for r in story.ledger.venues.values())
