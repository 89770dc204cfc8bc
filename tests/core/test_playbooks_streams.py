"""Stories of venues that are heard badly, answer badly, or limit us: silence, bans, clocks, slow starts. The language is in `playbook`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.commands import PlaceOrder, ReadVenue
from bot.core.order import OrderState
from tests.core.answer_words import look_up_failed
from tests.core.market_words import narrow
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, hedged, in_doubt_at_okx
from tests.core.operators import state_is
from tests.core.playbook import (
    accepted,
    after,
    book,
    breach,
    cancel,
    collateral,
    confirmed,
    decision_due,
    ended,
    evenly,
    fill_report,
    filled,
    first_readings,
    holds,
    link,
    net_delta,
    nothing,
    order_is,
    order_report,
    outcome_unknown,
    place,
    query,
    read,
    reading,
    refused,
    reported_filled,
    started,
    unreadable,
)
from tests.core.story import Feed, Story, policy_for

D = Decimal
ALONE = {"venues": ("okx",), "venue_share_max": D(1)}
VENUES = ("binance", "bybit", "okx")


def frozen(story: Story, *instruments: str) -> Story:
    """From here on these books repeat what they last said."""
    for instrument in instruments:
        story.quotes_at[instrument] = story.now
    return story


def moving(story: Story, *instruments: str) -> Story:
    """These books move again."""
    for instrument in instruments:
        del story.quotes_at[instrument]
    return story


def reading_at_offset(venue: str, offset_ms: int) -> Feed:
    """A complete reading of a venue whose clock is off by so much."""

    def answers(story: Story) -> list[ev.Event]:
        told = reading(venue).events(story)
        return [replace(e, clock_offset_ms=offset_ms) if isinstance(e, ev.VenueReported) else e for e in told]

    return Feed(f"reading of {venue} at an offset", answers)


def placed(story: Story) -> list[PlaceOrder]:
    return [c for c in story.outbox if isinstance(c, PlaceOrder)]


def test_s11_f20_a_socket_that_repeats_the_same_stale_book_takes_no_order_and_its_short_still_counts() -> None:
    """The link is up by all that the shell knows; only the book's own instant stands still."""
    story = frozen(hedged("30"), OKX) >> after(3_001) >> narrow("39") >> collateral("ETH", "36") >> decision_due()
    story << place(BYBIT, "-3") << place(BINANCE, "-3") << breach("quote_age", OKX) >> filled(BYBIT, BINANCE) << net_delta("ETH", "0")
    story = moving(story, OKX) >> decision_due() << nothing()  # back: nothing is hedged twice
    (story >> after(500) >> collateral("ETH", "38") >> decision_due() << place(OKX, "-2") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_s11_all_streams_stop_together_and_readings_and_questions_go_on() -> None:
    story = hedged("30") >> evenly("36") >> decision_due() << place(BYBIT, "-2") << place(BINANCE, "-2") << place(OKX, "-2")
    story >> filled(BYBIT, BINANCE) >> outcome_unknown(OKX)
    frozen(story, BYBIT, BINANCE, OKX) >> after(10_000) >> evenly("60") >> decision_due()
    story << query(OKX) << read("okx") << read("bybit") << read("binance") >> look_up_failed(OKX)
    story << breach("quote_age", BYBIT) << breach("quote_age", BINANCE) << breach("in_doubt", OKX)
    story << breach("net_delta", "ETH")  # un-neutral, and it says so
    story >> reading("okx") >> reported_filled(OKX) << net_delta("ETH", "24") >> decision_due() << nothing()
    for venue in VENUES:
        story >> reading(venue)
    moving(story, BYBIT, BINANCE, OKX) >> confirmed() >> decision_due()
    assert sum(c.quantity for c in placed(story)) == -24
    story.outbox.clear()
    story.close()


def test_s11_a_silent_stream_stops_no_reduction_at_the_other_venues() -> None:
    story = frozen(hedged("30"), OKX) >> after(3_001) >> collateral("ETH", "20") >> decision_due()
    story << place(BYBIT, "10", reduce_only=True) >> filled(BYBIT)
    (story << net_delta("ETH", "0") << holds(OKX, "-10")).close()


def test_s12_fills_that_a_dead_private_stream_never_told_are_found_and_a_reading_comes_before_the_next_increase() -> None:
    """The listen key expired an hour ago: quotes go on, fills and reports do not."""
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> accepted(OKX) >> after(1_000) >> confirmed() >> decision_due() << query(OKX)
    story >> link("okx", "stale") >> look_up_failed(OKX) << net_delta("ETH", "0", "10") >> decision_due() << nothing()
    story >> unreadable("okx")
    story >> after(1_000) >> link("okx", "up") >> narrow("34.5") >> collateral("ETH", "33") >> decision_due()
    story << query(OKX) << read("okx") << breach("unreconciled", "okx")
    story << place(BYBIT, "-1.5") << place(BINANCE, "-1.5")  # what is certain; okx only after its reading
    story >> filled(BYBIT, BINANCE) >> reading("okx", ETH="-10", fills=(fill_report(story, OKX, "-10"),))
    story << order_is(OKX, OrderState.FILLED) << net_delta("ETH", "0") >> decision_due() << nothing()
    (story >> reading("okx") >> after(500) >> collateral("ETH", "34") >> decision_due() << place(OKX, "-1")).close()


def test_s13_f41_a_ban_rests_its_venue_and_others_take_over_without_a_storm() -> None:
    """429 with a wait, again and again: refused with proof by the connector, which closed its gate."""
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> refused(OKX) >> narrow("45") >> decision_due()
    story << place(BYBIT, "-5") << place(BINANCE, "-5")
    story >> filled(BYBIT, BINANCE) << net_delta("ETH", "0")
    attempts = 0
    for _ in range(60):
        story >> after(1_000) >> confirmed() >> decision_due()
        attempts += len(placed(story))
        for command in list(placed(story)):
            assert command.instrument == OKX
        for venue in {c.venue for c in story.outbox if isinstance(c, ReadVenue)}:
            story >> (unreadable(venue) if venue == "okx" else reading(venue))
        story.outbox.clear()
    assert attempts == 0  # hedged: nothing to send there, and readings alone are asked for
    story << net_delta("ETH", "0")
    story.close()


def test_s13_a_budget_used_up_by_increases_leaves_room_for_reductions_and_questions() -> None:
    """Eight orders in ten seconds: six may be increases. Then only what takes risk off leaves, and questions always do."""
    story = book(policy_for("ETH", **ALONE, order_rate_max=8))
    total = 10
    for _ in range(6):
        story >> after(600) >> collateral("ETH", str(total)) >> decision_due() << place(OKX, "-10") >> filled(OKX)
        total += 10
    story >> after(600) >> collateral("ETH", str(total)) >> decision_due() << nothing() << net_delta("ETH", "10")
    assert any("order_rate" in n.sentence for n in story.ledger.notes)
    story >> evenly("50") >> decision_due() << place(OKX, "10", reduce_only=True) >> outcome_unknown(OKX)
    story >> decision_due() << query(OKX)
    (story >> reported_filled(OKX) >> after(10_000) >> evenly("60") >> decision_due() << read("okx") << place(OKX, "-10")).close()


@pytest.mark.parametrize("offset_ms", [-10_000, 10_000, 501, -501])
def test_s23_f46_a_skewed_clock_blocks_increases_at_its_venue_and_never_reductions(offset_ms: int) -> None:
    story = hedged("30") >> after(10_000) >> confirmed() >> decision_due() << read("okx") >> reading_at_offset("okx", offset_ms)
    story >> reading("bybit") >> reading("binance") << breach("clock_offset", "okx")
    (
        story
        >> narrow("39")
        >> collateral("ETH", "36")
        >> decision_due()
        << place(BYBIT, "-3")
        << place(BINANCE, "-3")
        >> filled(BYBIT, BINANCE)
    )
    story >> after(500) >> evenly("15") >> decision_due()
    assert sum(c.quantity for c in placed(story)) == 21
    assert {c.instrument for c in placed(story) if c.reduce_only} == {OKX, BYBIT, BINANCE}
    story.outbox.clear()
    story.close()


@pytest.mark.parametrize("offset_ms", [-10_000, 10_000])
def test_s23_absence_is_proven_later_when_clocks_differ(offset_ms: int) -> None:
    """Expiry was written by our clock and is enforced by theirs: the wider of both offsets is waited for."""
    story = in_doubt_at_okx() >> after(8_000) >> confirmed() >> decision_due() << query(OKX) << read("okx")
    story >> reading_at_offset("okx", offset_ms)
    absent = ev.OrderAbsent(
        at=story.now, client_order_id=story.order(OKX).client_order_id, venue_clock_at=story.order(OKX).expires_at + 10_999
    )
    story.feed(absent)
    story << order_is(OKX, OrderState.IN_DOUBT)
    story.feed(replace(absent, venue_clock_at=story.order(OKX).expires_at + 11_001))
    story << order_is(OKX, OrderState.ABSENT)
    story.close()


def test_s26_protection_waits_for_no_history_and_what_adds_risk_does() -> None:
    """No funding rate and no open interest was ever told. Positions from before are too large: they shrink in the first decision."""
    story = Story(ETH) >> started()
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
    for venue in VENUES:
        story >> link(venue, "up") >> first_readings(venue, ETH="-10")
    story >> collateral("ETH", "12") >> decision_due()
    for instrument, quantity in ((BINANCE, "2.8"), (BYBIT, "5.2"), (OKX, "10")):  # of what is left no venue carries more than 60 %
        story << place(instrument, quantity, reduce_only=True)
    story >> filled(BINANCE, BYBIT, OKX) << net_delta("ETH", "0") >> after(500) >> collateral("ETH", "30") >> decision_due() << nothing()
    (story << breach("eligibility", OKX) << breach("net_delta", "ETH")).close()


def test_s26_after_a_restart_one_confirmed_total_is_enough_to_take_risk_off() -> None:
    """Before any venue was read in this run: what the journal knows is enough to reduce by, and the venue clamps what it has not."""
    story = hedged("30") >> after(1_000) >> started() >> decision_due() << nothing() >> evenly("15") >> decision_due()
    for instrument in (BINANCE, BYBIT, OKX):
        story << place(instrument, "5", reduce_only=True)
    story >> filled(BINANCE, BYBIT, OKX) << net_delta("ETH", "0") >> after(500) >> evenly("30") >> decision_due() << nothing()
    (story << breach("venue_link", "okx")).close()


def test_f37_a_venue_that_answers_questions_and_fails_every_order_is_rested_and_the_rest_is_hedged() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> outcome_unknown(OKX)
    for _ in range(8):
        story >> after(1_000) >> confirmed() >> decision_due() << query(OKX)
        if any(isinstance(c, ReadVenue) and c.venue == "okx" for c in story.outbox):
            story >> reading("okx")
        order = story.order(OKX)
        story.feed(ev.OrderAbsent(at=story.now, client_order_id=order.client_order_id, venue_clock_at=story.now))
        if story.order(OKX).state is OrderState.ABSENT:
            break
    story << order_is(OKX, OrderState.ABSENT) << net_delta("ETH", "10") >> narrow("45") >> decision_due()
    # It rests after an order that came to nothing: the ten go where orders work.
    assert sum(c.quantity for c in placed(story)) == -10
    assert OKX not in {c.instrument for c in placed(story)}
    story.outbox.clear()
    story >> filled(BYBIT, BINANCE) << net_delta("ETH", "0")
    story.close()


def test_f38_a_venue_that_takes_orders_and_answers_no_question_gets_no_more_increases() -> None:
    story = hedged("30")
    for _ in range(25):
        story >> after(3_000) >> confirmed() >> decision_due()
        for venue in {c.venue for c in story.outbox if isinstance(c, ReadVenue)}:
            story >> (unreadable(venue) if venue == "okx" else reading(venue))
    story << breach("unreconciled", "okx") << holds(OKX, "-10") >> narrow("39") >> collateral("ETH", "36") >> decision_due()
    story << place(BYBIT, "-3") << place(BINANCE, "-3") >> filled(BYBIT, BINANCE) << net_delta("ETH", "0")
    story >> after(500) >> evenly("6") >> decision_due()
    assert {c.instrument for c in placed(story) if c.reduce_only} >= {OKX}  # reductions are answered by the order itself
    story.outbox.clear()
    story.close()


def test_f45_orders_that_a_dead_mans_switch_took_are_found_gone_and_their_gap_is_hedged_once() -> None:
    """All working orders vanish in a blip. No stream tells; each is asked about, and what had filled of it stays filled."""
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    for instrument in (BYBIT, BINANCE, OKX):
        story >> accepted(instrument)
    story >> after(1_000) >> confirmed() >> decision_due() << query(BYBIT) << query(BINANCE) << query(OKX)
    story >> ended(BYBIT, filled="-2") >> ended(BINANCE, filled=None) >> ended(OKX, filled="-1")
    story << order_is(BYBIT, OrderState.CANCELED) << order_is(BINANCE, OrderState.IN_DOUBT) << net_delta("ETH", "17", "27")
    story >> decision_due()
    assert sum(c.quantity for c in placed(story)) == -17  # what is certain
    assert BINANCE not in {c.instrument for c in placed(story)}
    again = [c.instrument for c in placed(story)]
    story.outbox.clear()
    story >> filled(*again) << net_delta("ETH", "0", "10") >> after(1_000) >> confirmed() >> decision_due() << query(BINANCE)
    story >> ended(BINANCE, filled="-10") << net_delta("ETH", "0") >> decision_due() << nothing()
    story.close()


def test_f63_an_order_whose_expiry_has_passed_while_it_works_is_cancelled_and_once_only_per_interval() -> None:
    story = book(policy_for("ETH", **ALONE)) >> evenly("10") >> decision_due() << place(OKX, "-10") >> accepted(OKX)
    story >> after(30_000) >> confirmed() >> decision_due() << cancel(OKX) >> after(500) >> decision_due() << nothing()
    story >> after(500) >> decision_due() << cancel(OKX)
    assert story.order(OKX).state is OrderState.WORKING
    story.feed(ev.OrderReported(at=story.now, report=order_report(story, OKX, "canceled", "-4")))
    (story << holds(OKX, "-4") << net_delta("ETH", "6")).close()


def test_s5_f26_nothing_is_taken_for_flat_while_a_venue_is_halted_or_unread() -> None:
    story = hedged("30") >> link("okx", "down") >> after(20_000) >> confirmed()
    story >> reading("bybit") >> reading("binance") >> unreadable("okx") >> decision_due() << nothing()
    story << holds(OKX, "-10") << net_delta("ETH", "0") << state_is("active", "okx")
    story.close()
