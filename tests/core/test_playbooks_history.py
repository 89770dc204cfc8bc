"""Stories of venues whose past cannot be read on a journal that knows nothing of them: what they tell of the present protects.

The language is in `playbook`.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.commands import PlaceOrder
from bot.core.units import ZERO, InstrumentId, VenueId
from bot.core.unread import in_the_way_of
from tests.core.answer_words import strangers_order
from tests.core.market_words import market, wide
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, hedged
from tests.core.operators import resumes
from tests.core.playbook import (
    accepted,
    after,
    breach,
    collateral,
    confirmed,
    decision_due,
    fill,
    fill_report,
    filled,
    first_readings,
    holds,
    link,
    net_delta,
    not_found,
    nothing,
    order_report,
    outcome_unknown,
    place,
    position_report,
    query,
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
    story = unread("60") >> decision_due() >> first_readings("binance", ETH="-10") >> first_readings("bybit", ETH="-10")
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


@pytest.mark.parametrize("wrong", ["-5", "0"])
def test_f25_a_first_reading_that_is_wrong_hedges_nothing_a_second_time(wrong: str) -> None:
    """A run on a journal that was rolled back remembers no position: a short told by half, or not at all, is not made good."""
    story = unread("30") >> first_readings("binance", ETH="-10") >> first_readings("bybit", ETH="-10") >> reading("okx", ETH=wrong)
    for _ in range(12):  # longer than a start waits for a venue
        story >> after(9_000) >> wide() >> collateral("ETH", "30") >> decision_due() >> reading("binance") >> reading("bybit")
    assert sent(story) == []
    stands = [b.detail for b in in_the_way_of(story.ledger, story.policy, InstrumentId(BINANCE)) if b.subject == "okx"]
    assert [detail.partition(":")[0] for detail in stands] == ["positions told once, and not confirmed; holds ETH"]
    assert stands[0] in [b.detail for b in story.statement().breaches]
    story >> reading("okx", ETH="-10") >> after(500) >> reading("okx", ETH="-10") << holds(OKX, "-10") << net_delta("ETH", "0")
    story >> after(500) >> wide() >> collateral("ETH", "30") >> decision_due()
    assert sent(story) == []


def test_what_was_told_once_is_reduced_at_once_where_it_is_too_much() -> None:
    story = unread("6")
    for venue in VENUES:
        story >> reading(venue, ETH="-10")
    story >> confirmed() >> decision_due()
    assert sum(o.quantity for o in sent(story)) == 24
    assert all(o.reduce_only for o in sent(story))


def test_a_venue_that_told_once_and_never_again_blocks_its_asset_until_a_named_person_resumes_the_book() -> None:
    story = unread("60") >> first_readings("binance", ETH="-10") >> first_readings("bybit", ETH="-10") >> reading("okx", ETH="-10")
    for _ in range(12):
        story >> after(9_000) >> wide() >> collateral("ETH", "60") >> decision_due()
        story >> reading("binance") >> reading("bybit") >> unreadable("okx")
    assert sent(story) == []
    story >> resumes("ann") >> after(500) >> collateral("ETH", "60") >> wide() >> decision_due()
    assert sent(story)
    assert OKX not in {o.instrument for o in sent(story)}


@pytest.mark.parametrize("held", ["-10", "-3"])
def test_a_venue_that_was_read_in_full_learns_nothing_from_it(held: str) -> None:
    story = unread("30") >> decision_due() >> first_readings("okx", ETH="-10") >> after(500)
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
    story = unread("6") >> holdings("okx", "-10", strangers_order(OKX)) << breach("foreign_orders", "okx")
    assert [o.name for o in story.ledger.venues[VenueId("okx")].foreign_orders] == ["theirs"]


def test_what_was_reduced_is_in_the_record_that_the_late_readings_agree_with() -> None:
    story = twice(unread("6"), binance="-10", bybit="-10", okx="-10")
    where = {str(o.instrument) for o in sent(story)}
    story.outbox = [c for c in story.outbox if not isinstance(c, PlaceOrder)]
    story >> filled(*sorted(where & {BINANCE, BYBIT, OKX})) >> after(1_000)
    for venue in VENUES:
        story >> reading(venue)
    assert all(r.reconciled for r in story.ledger.venues.values())


# Orders in doubt whose end only the past could tell


def reduction_in_doubt(held: str = "24") -> Story:
    """A hedge of 30 of which a reduction at OKX went unanswered, and a run that is started on its journal while no past is told."""
    story = hedged("30") >> after(500) >> collateral("ETH", held) >> decision_due()
    story << place(OKX, f"{30 - int(held)}", reduce_only=True) >> outcome_unknown(OKX) >> started()
    for venue in VENUES:
        story >> link(venue, "up")
    return story


def without_its_past(story: Story, ms: int) -> Story:
    """No reading comes through, time passes, the source is heard, and it is time to decide."""
    for venue in VENUES:
        story >> unreadable(venue)
    return story >> after(ms) >> confirmed() >> decision_due()


def test_c22_beside_an_order_in_doubt_that_is_over_what_is_certain_is_reduced_without_its_past() -> None:
    story = reduction_in_doubt() >> collateral("ETH", "0")
    without_its_past(story, 100) << query(OKX) << place(BINANCE, "10", reduce_only=True) << place(BYBIT, "10", reduce_only=True)
    story >> filled(BINANCE, BYBIT) << net_delta("ETH", "-10", "-4")
    without_its_past(story >> not_found(OKX), 600) << nothing()  # it may still come
    without_its_past(story, 8_000) << query(OKX) >> not_found(OKX)
    without_its_past(story, 100) << place(OKX, "4", reduce_only=True) >> filled(OKX) << holds(OKX, "-6") << net_delta("ETH", "-6", "0")
    without_its_past(story, 1_000) << query(OKX)  # of the rest nobody knows whether it is there


def test_what_was_reduced_beside_a_spent_order_is_right_whatever_became_of_it() -> None:
    for told in ("0", "6"):
        story = reduction_in_doubt() >> collateral("ETH", "0")
        without_its_past(story, 100) << query(OKX) << place(BINANCE, "10", reduce_only=True) << place(BYBIT, "10", reduce_only=True)
        doubted = story.order(OKX)
        story >> filled(BINANCE, BYBIT)
        without_its_past(story, 8_000) << query(OKX) >> not_found(OKX)
        without_its_past(story, 100) << place(OKX, "4", reduce_only=True) >> filled(OKX) >> after(600)
        gone = replace(fill_report(story, OKX, "6"), client_order_id=doubted.client_order_id, venue_order_id="v-doubted")
        story >> reading("okx", fills=(gone,) if told == "6" else (), ETH=f"{int(told) - 6}")
        story.feed(ev.OrderAbsent(at=story.now, client_order_id=doubted.client_order_id, venue_clock_at=story.now))
        assert not story.ledger.orders[doubted.client_order_id].state.is_open
        story << net_delta("ETH", f"{int(told) - 6}") >> confirmed() >> decision_due()
        assert [c.quantity for c in sent(story)] == ([] if told == "6" else [6])


def test_beside_a_spent_order_nothing_increases() -> None:
    story = without_its_past(reduction_in_doubt() >> collateral("ETH", "24"), 8_000) << query(OKX) >> not_found(OKX)
    for venue in ("binance", "bybit"):
        story >> reading(venue)
    story >> wide() >> collateral("ETH", "60")
    for _ in range(5):
        without_its_past(story, 1_000)
        assert not [c for c in sent(story) if c.instrument == OKX and c.quantity < ZERO]
        story.outbox.clear()
    story << breach("in_doubt", OKX)


def test_a_spent_order_that_its_venue_knows_after_all_is_live_again() -> None:
    story = without_its_past(reduction_in_doubt() >> collateral("ETH", "24"), 8_000) << query(OKX) >> not_found(OKX)
    assert story.order(OKX).is_spent
    story >> accepted(OKX) >> collateral("ETH", "0")
    assert not story.order(OKX).is_spent
    assert not [c for c in sent(without_its_past(story, 100)) if c.instrument == OKX]


def test_a_spent_reduction_that_its_venue_names_as_working_is_live_again_and_goes_no_second_time() -> None:
    story = without_its_past(reduction_in_doubt() >> collateral("ETH", "24"), 8_000) << query(OKX) >> not_found(OKX)
    assert story.order(OKX).is_spent
    works = order_report(story, OKX, "accepted", "0")
    story >> after(40_000) >> holdings("okx", "-10", works) >> holdings("okx", "-10", works)
    assert not story.order(OKX).is_spent
    assert story.order(OKX).shown_filled is None
    assert not [c for c in sent(without_its_past(story << net_delta("ETH", "-6", "0"), 100)) if c.instrument == OKX]


def test_open_orders_that_are_told_without_fills_tell_which_in_doubt_are_spent() -> None:
    story = reduction_in_doubt() >> after(1_000) >> holdings("okx", "-10")
    assert not story.order(OKX).is_spent
    story >> after(8_000) >> holdings("okx", "-10", order_report(story, OKX, "accepted", "0"))
    assert not story.order(OKX).is_spent
    story >> holdings("okx", "-10")
    assert story.order(OKX).is_spent
    assert story.ledger.positions[InstrumentId(OKX)].quantity == -10


@pytest.mark.parametrize(("shown", "more"), [("-10", "6"), ("-7", "3"), ("-4", None), ("-11", None), ("-3", None)])
def test_c22_a_position_told_twice_shows_how_much_of_a_reduction_filled_at_the_most(shown: str, more: str | None) -> None:
    """A hedge of 30 where 24 are needed, a reduction of 6 in doubt, and no past: all that is too much may be in that order."""
    story = without_its_past(reduction_in_doubt() >> collateral("ETH", "24"), 8_000) << query(OKX) >> not_found(OKX)
    story >> holdings("okx", shown) >> holdings("okx", shown)
    without_its_past(story, 100) << nothing() << net_delta("ETH", "-6", "0")  # positions may be late
    without_its_past(story >> after(31_000) >> holdings("okx", shown), 100) << query(OKX)
    if more is None:
        (story << nothing() << net_delta("ETH", "-6", "0")).close()
        return
    story << place(OKX, more, reduce_only=True) >> filled(OKX) << net_delta("ETH", f"{int(more) - 6}", "0")


def test_what_a_position_shows_of_an_order_in_doubt_lets_nothing_increase() -> None:
    story = without_its_past(reduction_in_doubt() >> collateral("ETH", "24"), 40_000) << query(OKX) >> not_found(OKX)
    story >> holdings("okx", "-10") >> holdings("okx", "-10") >> wide() >> collateral("ETH", "60")
    for _ in range(3):
        without_its_past(story, 1_000)
        assert not [c for c in sent(story) if c.quantity < ZERO and c.instrument == OKX]
        story.outbox.clear()


def test_fills_that_are_told_after_all_count_once_beside_what_the_position_showed() -> None:
    story = without_its_past(reduction_in_doubt() >> collateral("ETH", "24"), 40_000) << query(OKX) >> not_found(OKX)
    story >> holdings("okx", "-8") << net_delta("ETH", "-6", "0") >> holdings("okx", "-8") << net_delta("ETH", "-6", "-4")
    story >> fill(OKX, "2") << holds(OKX, "-8") << net_delta("ETH", "-4")
