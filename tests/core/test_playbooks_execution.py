"""Stories of how orders are worked: legs of a move one after the other, orders that rest, are withdrawn, placed anew and taken at last.

The language is in `playbook`; names like S7 are the scenarios of the reference notes on peers.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from bot.core import events as ev
from bot.core.commands import CancelOrder, PlaceOrder
from bot.core.order import OrderState
from bot.core.units import InstrumentId
from tests.core.answer_words import cancel_unconfirmed, look_up_failed
from tests.core.market_words import narrow
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import (
    accepted,
    after,
    book,
    cancel,
    collateral,
    confirmed,
    decision_due,
    ended,
    evenly,
    fill,
    fill_report,
    filled,
    first_readings,
    funding,
    holds,
    link,
    market,
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
    says,
    started,
    stop_requested,
)
from tests.core.story import Story, policy_for

D = Decimal


def waited(story: Story, ms: int) -> Story:
    """Time passes, the source of collateral is heard, and it is time to decide."""
    return story >> after(ms) >> confirmed() >> decision_due()


def flipped_at_okx(**changes: Any) -> Story:
    """A hedge of 30 in three parts, whose part at OKX is to go to the two others."""
    story = hedged("30", funding_dwell_ms=1_000, funding_half_life_ms=1_000, **changes) >> funding(OKX, "-0.0005")
    story >> narrow("45") >> funding(BYBIT, "0.0001") >> funding(BINANCE, "0.0001") >> after(1_500)
    story >> confirmed() >> funding(OKX, "-0.0005") >> decision_due()
    return story << place(BYBIT, "-5", post_only=True) << place(BINANCE, "-5", post_only=True) >> accepted(BYBIT) >> accepted(BINANCE)


def small_gap(**changes: Any) -> Story:
    """A hedge of 30 with 0.06 more to sell, which may wait: a third of it rests at each venue."""
    story = hedged("30", rebalance_band_hard=D("0.05"), netting_window_ms=0, **changes) >> after(100) >> evenly("30.06") >> decision_due()
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, "-0.02", post_only=True)
    return story >> accepted(BYBIT) >> accepted(BINANCE) >> accepted(OKX)


# A gap too small for where it should go


@pytest.mark.parametrize(("wanted", "other"), [(BINANCE, OKX), (OKX, BYBIT)])
def test_i17_a_gap_that_its_own_venue_takes_no_order_for_rests_at_another_until_its_deadline(wanted: str, other: str) -> None:
    """0.06 ETH are less than the venue that should carry them trades at all; elsewhere they may be offered, and are not withdrawn again."""
    venues = (wanted.partition(":")[0], other.partition(":")[0])
    policy = policy_for("ETH", venues=venues, venue_share_max=D(1), rebalance_band_hard=D("0.05"), netting_window_ms=0)
    story = book(policy) >> funding(wanted, "0.0005") >> funding(other, "0.0004") >> collateral("ETH", "30") >> decision_due()
    story << place(wanted, "-30") >> filled(wanted) >> decision_due() << nothing()
    dearer = replace(story.ledger.instruments[InstrumentId(wanted)], notional_min=D(500))
    story.feed(ev.InstrumentListed(at=story.now, instrument=dearer))
    story >> after(100) >> collateral("ETH", "30.06") >> decision_due() << place(other, "-0.06", post_only=True) >> accepted(other)
    for _ in range(9):
        waited(story, 1_000)
        assert not any(isinstance(c, PlaceOrder | CancelOrder) for c in story.outbox)
        story.outbox.clear()
    waited(story, 2_000) << query(other) << cancel(other) >> ended(other)
    (waited(story, 100) << place(other, "-0.06") >> filled(other) << net_delta("ETH", "0")).close()


# S7: the legs of a move


def test_s7_a_first_leg_that_fills_nothing_opens_no_delta() -> None:
    story = flipped_at_okx()
    waited(story, 1_000) << nothing() << net_delta("ETH", "-10", "0")
    (story >> ended(BYBIT) >> ended(BINANCE) << net_delta("ETH", "0") >> decision_due() << nothing()).close()  # placed anew not before time


def test_s7_a_first_leg_that_fills_in_part_is_followed_by_as_much_and_no_more() -> None:
    story = flipped_at_okx() >> fill(BYBIT, "-2") << net_delta("ETH", "-10", "-2") >> decision_due()
    story << cancel(BYBIT) << cancel(BINANCE) << place(OKX, "2", reduce_only=True)  # the hard band is passed: what is certain goes at once
    (story >> filled(OKX) >> ended(BYBIT, filled="-2") >> ended(BINANCE) << net_delta("ETH", "0")).close()


def test_s7_a_second_leg_that_fills_nothing_is_made_good_elsewhere_at_once() -> None:
    story = flipped_at_okx() >> filled(BYBIT, BINANCE) >> decision_due() << place(OKX, "10", reduce_only=True) >> ended(OKX)
    story << net_delta("ETH", "-10") >> decision_due()  # OKX rests a moment: another gives back as much
    story << place(BYBIT, "10", reduce_only=True) >> filled(BYBIT)
    (story << net_delta("ETH", "0")).close()


def test_s7_a_second_leg_that_is_refused_or_fills_in_part_leaves_the_rest_to_the_next_decision() -> None:
    story = flipped_at_okx() >> filled(BYBIT, BINANCE) >> decision_due() << place(OKX, "10", reduce_only=True) >> fill(OKX, "4")
    story >> decision_due() << nothing() >> ended(OKX, filled="4") >> decision_due() << place(OKX, "6", reduce_only=True) >> refused(OKX)
    story << net_delta("ETH", "-6") >> decision_due()
    (story << place(BYBIT, "6", reduce_only=True)).close()


def test_s7_a_second_leg_in_doubt_is_not_repeated_elsewhere() -> None:
    story = flipped_at_okx() >> filled(BYBIT, BINANCE) >> decision_due() << place(OKX, "10", reduce_only=True) >> outcome_unknown(OKX)
    story << net_delta("ETH", "-10", "0") >> decision_due() << query(OKX)
    waited(story, 500) << nothing()
    (story >> reported_filled(OKX) << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_a_move_goes_in_slices_each_followed_by_its_reduction() -> None:
    policy = policy_for("ETH", order_notional_max=D(9_000), funding_dwell_ms=1_000, funding_half_life_ms=1_000)
    story = book(policy) >> evenly("30") >> decision_due()
    while placed := [c for c in story.outbox if isinstance(c, PlaceOrder)]:
        story.outbox.clear()
        story >> filled(*(c.instrument for c in placed)) >> after(600) >> confirmed() >> decision_due()
    story >> narrow("45") >> funding(BYBIT, "0.0001") >> funding(BINANCE, "0.0001")
    story >> funding(OKX, "-0.0005") >> after(1_500) >> confirmed() >> funding(OKX, "-0.0005") >> decision_due()
    for turn in range(3):
        placed = [c for c in story.outbox if isinstance(c, PlaceOrder)]
        assert sum(c.quantity for c in placed) == -3, turn
        story.outbox.clear()
        story >> filled(*(c.instrument for c in placed)) << net_delta("ETH", "-3") >> decision_due()
        story << place(OKX, "3", reduce_only=True) >> filled(OKX) << net_delta("ETH", "0") >> decision_due()
    story.outbox.clear()
    story.close()


def moving_beside_an_order_at_binance() -> Story:
    """A hedge of 30 in three parts, three more on their way at Binance, and funding by which what is at OKX is to go to the others."""
    story = hedged("30", funding_dwell_ms=1_000, funding_half_life_ms=1_000, passive_deadline_ms=0) >> narrow("60")
    story >> after(500) >> collateral("ETH", "33") >> decision_due() << place(BINANCE, "-3")
    for instrument, rate in ((OKX, "-0.0005"), (BYBIT, "0.0001"), (BINANCE, "0.0001")):
        story >> funding(instrument, rate)
    return story >> after(1_500) >> confirmed() >> funding(OKX, "-0.0005")


@pytest.mark.parametrize("is_told", [True, False])
def test_a_move_for_funding_does_not_begin_beside_an_order_of_which_nobody_knows_what_became(is_told: bool) -> None:
    """Chaos, seed 7 with 24 hours: an order in doubt came late, and the first leg of a move stood beside it: far too much was short."""
    story = moving_beside_an_order_at_binance()
    story = story >> outcome_unknown(BINANCE) >> decision_due() << query(BINANCE) if is_told else story >> decision_due()
    story << nothing() << net_delta("ETH", "0", "3") >> filled(BINANCE) << net_delta("ETH", "0") >> decision_due()
    first = [c for c in story.outbox if isinstance(c, PlaceOrder)]
    story.outbox.clear()
    moved = -sum(c.quantity for c in first)
    assert moved > 9
    story >> filled(*(c.instrument for c in first)) >> decision_due() << place(OKX, f"{moved:f}", reduce_only=True)


def test_a_gap_is_hedged_beside_such_an_order_as_far_as_it_is_certain_and_no_farther() -> None:
    story = moving_beside_an_order_at_binance() >> outcome_unknown(BINANCE) >> collateral("ETH", "35") >> decision_due()
    story << query(BINANCE) << place(BYBIT, "-2") >> filled(BYBIT) << net_delta("ETH", "0", "3")


# Orders that rest


def test_a_gap_that_may_wait_is_offered_and_not_taken() -> None:
    story = small_gap() << net_delta("ETH", "0", "0.06")
    assert story.order(OKX).price == story.marks[OKX] + D("0.1")  # at the ask
    assert "passive: attempt 1 of 5" in story.order(OKX).reason
    waited(story, 1_000) << nothing()
    (story >> filled(OKX, BYBIT, BINANCE) << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_an_offer_does_not_take_away_the_stray_that_it_is_for() -> None:
    """Its own range would hold net delta inside the band: the wait for flow began anew, and the offer was withdrawn as soon as it stood."""
    story = hedged("30", rebalance_band_hard=D("0.05")) >> after(100) >> evenly("30.06") >> decision_due() << nothing()
    waited(story, 1_000) << nothing()
    waited(story, 1_000)
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, "-0.02", post_only=True)
    story >> after(50) >> decision_due() << nothing() >> accepted(BYBIT) >> accepted(BINANCE) >> accepted(OKX)
    waited(story, 50) << nothing()
    (waited(story, 1_000) << nothing() >> filled(OKX, BYBIT, BINANCE) << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_a_resting_order_follows_the_touch_under_a_new_id_and_in_the_end_takes() -> None:
    story = small_gap(passive_attempts_max=2) >> filled(BYBIT, BINANCE)
    first = story.order(OKX)
    waited(story, 2_000) << nothing()  # still the best offer: it may stay
    story.marks = {i: mark - 1 for i, mark in story.marks.items()}
    story >> decision_due() << cancel(OKX) >> cancel_unconfirmed(OKX) << order_is(OKX, OrderState.IN_DOUBT) >> decision_due() << query(OKX)
    story >> accepted(OKX) << order_is(OKX, OrderState.WORKING) >> decision_due() << nothing()  # one cancel per interval
    waited(story, 1_000) << cancel(OKX) >> ended(OKX) >> decision_due() << place(OKX, "-0.02", post_only=True) >> accepted(OKX)
    assert story.order(OKX).client_order_id != first.client_order_id
    story.marks = {i: mark - 1 for i, mark in story.marks.items()}
    waited(story, 2_000) << cancel(OKX) >> ended(OKX) >> decision_due() << place(OKX, "-0.02")
    assert "take: attempts used up" in story.order(OKX).reason
    (story >> filled(OKX) << net_delta("ETH", "0")).close()


def test_at_the_deadline_what_is_left_is_taken_and_after_an_ioc_that_left_a_part_too() -> None:
    story = small_gap() >> filled(BYBIT, BINANCE) >> fill(OKX, "-0.002")
    for _ in range(9):
        waited(story, 1_000)
        story.outbox.clear()  # looked up now and then
    waited(story, 1_000) << query(OKX) << cancel(OKX)
    story >> ended(OKX, filled="-0.002") >> decision_due() << place(OKX, "-0.018")
    assert "take: deadline" in story.order(OKX).reason
    story >> ended(OKX, filled="-0.001") >> decision_due() << place(OKX, "-0.017")
    (story >> filled(OKX) << net_delta("ETH", "0")).close()


def test_after_the_deadline_slice_after_slice_is_taken_without_a_deadline_of_its_own() -> None:
    story = small_gap() >> filled(BYBIT, BINANCE)
    story.policy = replace(story.policy, slice_depth_multiple=D("0.00004"))  # of a touch of 100: slices of 0.004
    for _ in range(10):
        waited(story, 1_000)
        story.outbox.clear()  # looked up now and then, and cancelled at last
    story >> ended(OKX) >> decision_due() << place(OKX, "-0.004") >> filled(OKX)
    story.marks[OKX] += 1
    story >> after(100) >> decision_due() << place(OKX, "-0.004")


def test_a_post_only_order_that_would_take_is_tried_again_after_a_pause_and_gives_the_instrument_no_bad_name() -> None:
    story = small_gap() >> filled(BYBIT, BINANCE) >> ended(OKX)
    for attempt in (2, 3, 4, 5):
        story >> decision_due() << nothing()
        waited(story, 2_000) << place(OKX, "-0.02", post_only=True)
        assert f"attempt {attempt} of 5" in story.order(OKX).reason
        story >> (refused(OKX) if attempt % 2 else ended(OKX))
    story >> decision_due() << place(OKX, "-0.02") >> filled(OKX)
    (story << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_a_gap_that_becomes_urgent_withdraws_what_rests_and_is_taken() -> None:
    story = small_gap() >> evenly("33") >> decision_due()
    story << cancel(OKX) << cancel(BYBIT) << cancel(BINANCE) >> ended(OKX) >> ended(BYBIT) >> fill(BINANCE, "-0.02") >> decision_due()
    (story << place(BYBIT, "-1.00") << place(OKX, "-1.000") << place(BINANCE, "-0.980")).close()


def test_what_is_not_wanted_any_more_is_withdrawn_and_nothing_is_bought_for_it() -> None:
    story = small_gap() >> evenly("30.001") >> decision_due() << cancel(OKX) << cancel(BYBIT) << cancel(BINANCE)
    (story >> ended(OKX) >> ended(BYBIT) >> ended(BINANCE) >> decision_due() << nothing() << net_delta("ETH", "0.001")).close()


def test_a_resting_order_of_which_less_is_wanted_is_withdrawn_and_a_little_less_is_left() -> None:
    story = small_gap() >> collateral("ETH", "30.059") >> decision_due() << nothing()
    (story >> evenly("30.04") >> decision_due() << cancel(OKX) << cancel(BYBIT) << cancel(BINANCE)).close()


def test_the_fill_wins_over_the_cancel_that_crossed_it() -> None:
    story = small_gap() >> evenly("30") >> decision_due() << cancel(OKX) << cancel(BYBIT) << cancel(BINANCE)
    story >> filled(OKX) >> cancel_unconfirmed(OKX) << order_is(OKX, OrderState.FILLED) << holds(OKX, "-10.02")
    story >> ended(BYBIT) >> ended(BINANCE) << net_delta("ETH", "-0.02") >> decision_due()
    (story << place(OKX, "0.02", reduce_only=True, post_only=True)).close()


def test_s28_in_whatever_order_ack_fill_cancel_and_its_refusal_are_told_the_end_is_the_same() -> None:
    for sequence in permutations(range(4)):
        story = small_gap() >> filled(BYBIT, BINANCE) >> evenly("30.04") >> decision_due() << cancel(OKX)
        made = story.order(OKX)
        news = (
            ev.OrderReported(at=story.now, report=order_report(story, OKX, "accepted", "0")),
            ev.FillReported(at=story.now, fill=fill_report(story, OKX, "-0.01")),
            ev.OrderReported(at=story.now, report=order_report(story, OKX, "canceled", "-0.01")),
            ev.CancelUnconfirmed(at=story.now, client_order_id=made.client_order_id, reason="unknown order"),
        )
        for number in sequence:
            story.feed(news[number])
        story << order_is(OKX, OrderState.CANCELED) << holds(OKX, "-10.01")
        story.close()


def test_a_venue_that_falls_silent_has_its_resting_orders_withdrawn() -> None:
    story = small_gap() >> link("okx", "stale") >> decision_due() << cancel(OKX) >> cancel_unconfirmed(OKX)
    (story >> decision_due() << query(OKX) >> look_up_failed(OKX)).close()


def test_a_difference_while_an_order_rests_is_judged_only_after_its_end() -> None:
    story = small_gap() >> after(11_000) >> confirmed() >> decision_due()
    for instrument in (OKX, BYBIT, BINANCE):
        story << query(instrument) << cancel(instrument)  # the deadline
    story << read("okx") >> reading("okx", ETH="-10.01")
    assert story.ledger.positions[story.instruments[2].id].dispute is None
    story >> ended(OKX, filled="-0.01") >> ended(BYBIT) >> ended(BINANCE) << holds(OKX, "-10.01")
    story.outbox.clear()
    story >> after(600) >> reading("okx") << holds(OKX, "-10.01")
    assert not story.ledger.tallies.breaks_by_cause
    story.close()


def test_s20_a_stop_cancels_what_rests_and_places_nothing() -> None:
    story = small_gap() >> stop_requested() >> decision_due() << cancel(OKX) << cancel(BYBIT) << cancel(BINANCE)
    (story >> ended(OKX) >> ended(BYBIT) >> ended(BINANCE) >> decision_due() << nothing()).close()


def test_a_restart_looks_up_what_rested_and_withdraws_it() -> None:
    story = small_gap() >> filled(BYBIT, BINANCE) >> started() << order_is(OKX, OrderState.IN_DOUBT)
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
    story >> confirmed() >> decision_due() << query(OKX) >> accepted(OKX) << order_is(OKX, OrderState.WORKING)
    story >> decision_due() << cancel(OKX) >> ended(OKX) << net_delta("ETH", "0.02")  # no link is up yet
    story.close()


def test_an_end_that_was_told_and_lost_is_found_by_asking() -> None:
    story = small_gap() >> filled(BYBIT, BINANCE)
    waited(story, 5_000) << query(OKX) >> reported_filled(OKX) << holds(OKX, "-10.02") << net_delta("ETH", "0")
    (story >> decision_due() << nothing()).close()


def test_s15_a_resting_reduction_is_withdrawn_before_another_is_sent() -> None:
    story = (
        hedged("30", rebalance_band_hard=D("0.05"), netting_window_ms=0, venue_share_drift=D(0))
        >> after(100)
        >> evenly("29.94")
        >> decision_due()
    )
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, "0.02", reduce_only=True, post_only=True)
    story >> accepted(BYBIT) >> accepted(BINANCE) >> accepted(OKX)
    story >> collateral("ETH", "0") >> decision_due() << cancel(BYBIT) << cancel(BINANCE) << cancel(OKX)  # and nothing beside them
    story >> fill(OKX, "0.01") >> ended(OKX, filled="0.01") >> ended(BYBIT) >> decision_due()
    story << place(OKX, "9.99", reduce_only=True) << place(BYBIT, "10", reduce_only=True)
    story >> filled(OKX, BYBIT) >> filled(BINANCE) >> decision_due() << place(BINANCE, "9.98", reduce_only=True)
    (story >> filled(BINANCE) << net_delta("ETH", "0")).close()


def test_a_doubt_about_an_order_that_rested_ends_only_with_a_reading_from_after_the_doubt() -> None:
    story = small_gap() >> filled(BYBIT, BINANCE)
    waited(story, 9_000) << query(OKX) >> look_up_failed(OKX)
    story.marks[OKX] -= 1
    story >> decision_due() << cancel(OKX) >> cancel_unconfirmed(OKX) << order_is(OKX, OrderState.IN_DOUBT)
    made = story.order(OKX)
    over_at = made.over_at
    assert over_at is not None
    assert over_at > story.now, "a reading from before now says nothing of it"
    assert not made.is_over_by(story.now)
    story.close()


def test_an_asset_of_which_nothing_is_known_has_nothing_resting() -> None:
    story = small_gap() >> started()
    story.outbox.clear()
    for instrument in (OKX, BYBIT, BINANCE):
        story >> accepted(instrument)
    (story >> decision_due() << cancel(OKX) << cancel(BYBIT) << cancel(BINANCE)).close()


@pytest.mark.parametrize("part", ["0.4", "0.05"])
def test_slices_are_a_multiple_of_what_the_touch_shows(part: str) -> None:
    policy = policy_for("ETH", venues=("okx",), venue_share_max=D(1), slice_depth_multiple=D(part) / 100)
    story = book(policy) >> evenly("1") >> decision_due() << place(OKX, f"{-D(part)}")  # the book shows 100
    (story << says("take: at once")).close()
    assert not any(isinstance(c, CancelOrder) for c in story.commands)


def test_s29_what_a_second_order_under_our_id_fills_counts_beside_ours_and_not_as_ours() -> None:
    story = small_gap() >> filled(BYBIT, BINANCE, OKX) << net_delta("ETH", "0")
    story.feed(ev.FillReported(at=story.now, fill=fill_report(story, OKX, "-0.02", venue_order_id="other")))
    story.feed(ev.OrderReported(at=story.now, report=order_report(story, OKX, "filled", "-0.02", venue_order_id="other")))
    story << order_is(OKX, OrderState.FILLED) << holds(OKX, "-10.04") << net_delta("ETH", "-0.02")
    assert story.ledger.tallies.breaks_by_cause == {"foreign_fill": 1}
    story.close()


def test_a_long_position_that_was_there_before_us_is_sold_in_slices_that_reduce_and_halts_nothing() -> None:
    story = Story(policy_for("ETH", order_notional_max=D(6_000))) >> started()
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
        story >> market(instrument.id) >> link(instrument.venue, "up")
    story >> confirmed() >> decision_due() >> first_readings("binance") >> first_readings("bybit")
    story >> first_readings("okx", ETH="5") << holds(OKX, "5")
    story >> after(1_000) >> confirmed() >> collateral("ETH", "30") >> decision_due()
    assert story.ledger.invariants_broken == ()
    story << place(OKX, "-2", reduce_only=True)
