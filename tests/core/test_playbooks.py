"""Stories: what happens to a book, told fact by fact, and what the bot makes of it. The language is in `playbook`.

Names like S1 or F03 are the scenarios and faults of the reference notes on peers and reliability.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from bot.core import events as ev
from bot.core.commands import PlaceOrder, ReadVenue
from bot.core.events import VenueOrderStatus
from bot.core.order import OrderState
from bot.core.records import BreakCause
from bot.core.units import ClientOrderId, InstrumentId
from tests.core.playbook import (
    Story,
    Unexpected,
    accepted,
    after,
    book,
    breach,
    cancel,
    cancel_unconfirmed,
    collateral,
    confirmed,
    decision_due,
    ended,
    fill,
    fill_report,
    filled,
    funding,
    holds,
    link,
    look_up_failed,
    net_delta,
    not_found,
    nothing,
    order_is,
    order_report,
    outcome_unknown,
    place,
    policy_for,
    query,
    read,
    reading,
    refused,
    rejected,
    reported_filled,
    says,
    source_unreadable,
    started,
    stop_requested,
    unreadable,
    venue_acts,
)

ETH = policy_for("ETH")
BINANCE, BYBIT, OKX = "binance:ETH", "bybit:ETH", "okx:ETH"


def hedged(quantity: str = "30", **changes: object) -> Story:
    """A book with so much ETH, hedged in three equal parts."""
    story = book(policy_for("ETH", **changes)) >> collateral("ETH", quantity) >> decision_due()
    third = f"{-Decimal(quantity) / 3:f}"
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, third)
    return story >> filled(BYBIT, BINANCE, OKX) >> decision_due() << nothing() << net_delta("ETH", "0")


def test_the_first_deposit_is_spread_over_three_venues() -> None:
    (
        book(ETH)
        >> collateral("ETH", "3.141")
        >> decision_due()
        << place(BYBIT, "-1.04")  # the coarsest lot first; the finer ones take what it leaves
        << place(BINANCE, "-1.054")
        << place(OKX, "-1.047")
        << net_delta("ETH", "0", "3.141")
        >> filled(BYBIT, BINANCE, OKX)
        << net_delta("ETH", "0")
        >> decision_due()
        << nothing()
    ).close()


def test_nothing_is_placed_twice_while_orders_are_on_their_way() -> None:
    story = book(ETH) >> collateral("ETH", "3") >> decision_due() << place(BYBIT, "-1") << place(BINANCE, "-1") << place(OKX, "-1")
    for _ in range(5):
        story >> after(100) >> confirmed() >> decision_due() << nothing()
    (story >> filled(BYBIT) >> decision_due() << nothing() >> filled(OKX, BINANCE) >> decision_due() << nothing()).close()


def test_a_deposit_that_is_told_again_is_hedged_once() -> None:
    story = hedged("30")
    (story >> collateral("ETH", "30") >> decision_due() << nothing() >> collateral("ETH", "30") >> decision_due() << nothing()).close()


def test_a_redemption_is_bought_back_with_reducing_orders() -> None:
    (
        hedged("30")
        >> collateral("ETH", "15")
        >> decision_due()
        << place(BYBIT, "5", reduce_only=True)
        << place(BINANCE, "5", reduce_only=True)
        << place(OKX, "5", reduce_only=True)
        >> filled(BYBIT, BINANCE, OKX)
        << net_delta("ETH", "0")
        >> collateral("ETH", "0")
        >> decision_due()
        << place(BYBIT, "5", reduce_only=True)
        << place(BINANCE, "5", reduce_only=True)
        << place(OKX, "5", reduce_only=True)
        >> filled(BYBIT, BINANCE, OKX)
        >> decision_due()
        << nothing()
        << holds(OKX, "0")
    ).close()


def test_a_staked_token_is_hedged_at_its_redemption_rate() -> None:
    (
        book(ETH)
        >> collateral("wstETH", "10", rate="1.2")
        >> decision_due()
        << place(BYBIT, "-4")
        << place(BINANCE, "-4")
        << place(OKX, "-4")
        >> filled(BYBIT, BINANCE, OKX)
        >> collateral("wstETH", "10", rate="1.23")
        >> decision_due()
        << place(BYBIT, "-0.1")
        << place(BINANCE, "-0.1")
        << place(OKX, "-0.1")
        >> filled(BYBIT, BINANCE, OKX)
        >> collateral("wstETH", "10", rate=None)  # an untold rate keeps the one that was told
        >> decision_due()
        << nothing()
        << net_delta("ETH", "0")
    ).close()


def test_s1_a_lost_answer_is_asked_about_and_never_repeated() -> None:
    story = (
        book(ETH)
        >> collateral("ETH", "30")
        >> decision_due()
        << place(BYBIT, "-10")
        << place(BINANCE, "-10")
        << place(OKX, "-10")
        >> filled(BYBIT, BINANCE)
        >> outcome_unknown(OKX)
        << net_delta("ETH", "0", "10")
        >> decision_due()
        << query(OKX)
        << breach("in_doubt", OKX)
    )
    story >> look_up_failed(OKX) >> after(500) >> decision_due() << nothing()  # not asked again within the interval
    (
        story
        >> after(500)
        >> decision_due()
        << query(OKX)
        >> reported_filled(OKX)
        << order_is(OKX, OrderState.FILLED)
        << net_delta("ETH", "0")
        << says("found: filled")
        >> fill(OKX, "-10")  # the execution itself, told later: it is the same one
        << net_delta("ETH", "0")
        >> decision_due()
        << nothing()
    ).close()


def test_what_is_certain_is_hedged_elsewhere_while_an_order_is_in_doubt() -> None:
    (
        hedged("30")
        >> collateral("ETH", "60")
        >> decision_due()
        << place(BYBIT, "-10")
        << place(BINANCE, "-10")
        << place(OKX, "-10")
        >> filled(BYBIT, BINANCE)
        >> outcome_unknown(OKX)
        >> collateral("ETH", "66")
        >> decision_due()
        << query(OKX)
        << place(BYBIT, "-3")  # the six that are certain; not the ten that may be filled
        << place(BINANCE, "-3")
        >> filled(BYBIT, BINANCE)
        << net_delta("ETH", "0", "10")
        >> reported_filled(OKX)
        >> decision_due()
        << nothing()
        << net_delta("ETH", "0")
    ).close()


def in_doubt_at_okx() -> Story:
    """A hedge of which the leg at OKX went unanswered."""
    return (
        book(ETH)
        >> collateral("ETH", "30")
        >> decision_due()
        << place(BYBIT, "-10")
        << place(BINANCE, "-10")
        << place(OKX, "-10")
        >> filled(BYBIT, BINANCE)
        >> outcome_unknown(OKX)
        >> decision_due()
        << query(OKX)
    )


def test_f02_absence_is_proven_only_after_expiry_and_a_reading_that_agrees() -> None:
    story = in_doubt_at_okx()
    story >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)  # it may still arrive
    story >> after(5_500) >> confirmed() >> decision_due() << query(OKX)
    story >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)  # the venue's clock is not past expiry and margin
    story >> after(2_000) >> confirmed() >> decision_due() << query(OKX) << read("okx")
    story >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)  # no reading yet from after that
    story >> reading("okx") >> after(1_000) >> decision_due() << query(OKX)
    story >> not_found(OKX) << order_is(OKX, OrderState.ABSENT) << says("proven absent") << net_delta("ETH", "10")
    (story >> after(1_000) >> confirmed() >> decision_due() << place(OKX, "-10") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_f03_an_order_that_arrives_late_is_counted_and_not_doubled() -> None:
    story = in_doubt_at_okx() >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)
    story >> after(4_000) >> fill(OKX, "-4") << net_delta("ETH", "0", "6") >> decision_due() << query(OKX)
    story >> not_found(OKX)  # a look-up that does not know what has filled proves nothing
    story >> after(4_000) >> confirmed() >> decision_due() << query(OKX) >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)
    story >> ended(OKX, filled="-4") << order_is(OKX, OrderState.CANCELED) << net_delta("ETH", "6")
    (story >> reading("okx") >> decision_due() << place(OKX, "-6") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_an_order_proven_absent_that_fills_after_all_still_counts() -> None:
    story = in_doubt_at_okx() >> after(8_000) >> confirmed() >> decision_due() << query(OKX) << read("okx")
    story >> reading("okx") >> after(1_000) >> not_found(OKX) << order_is(OKX, OrderState.ABSENT)
    story >> fill(OKX, "-4") << order_is(OKX, OrderState.IN_DOUBT) << holds(OKX, "-4") << net_delta("ETH", "0", "6")
    (story >> fill(OKX, "-6") << order_is(OKX, OrderState.FILLED) << net_delta("ETH", "0")).close()


def test_absence_is_not_proven_while_the_position_says_otherwise() -> None:
    """The answer was lost, look-ups lag and find nothing, but the venue's position moved: that is no absence."""
    story = in_doubt_at_okx() >> after(8_000) >> confirmed() >> decision_due() << query(OKX) << read("okx")
    story >> reading("okx", ETH="-10") >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)
    story >> after(1_000) >> confirmed() >> decision_due() << query(OKX) << read("okx")  # and nothing is sold anywhere else for it
    story >> reading("okx", ETH="-10") << holds(OKX, "-10") << net_delta("ETH", "-10", "0")
    story >> not_found(OKX) << order_is(OKX, OrderState.ABSENT) << net_delta("ETH", "0")
    (story >> fill(OKX, "-10") << holds(OKX, "-10") << net_delta("ETH", "0")).close()  # the adopted figure contained it


def test_s7_a_refused_order_rests_and_others_take_over() -> None:
    story = (
        book(ETH)
        >> collateral("ETH", "30")
        >> decision_due()
        << place(BYBIT, "-10")
        << place(BINANCE, "-10")
        << place(OKX, "-10")
        >> filled(BYBIT, BINANCE)
        >> refused(OKX)
        << order_is(OKX, OrderState.REFUSED)
        << says("-2019")
        >> decision_due()
        << place(BYBIT, "-5")
        << place(BINANCE, "-5")
        << breach("repeated_order", OKX)
        >> filled(BYBIT, BINANCE)
        << net_delta("ETH", "0")
    )
    (story >> after(2_000) >> confirmed() >> decision_due() << nothing()).close()


def test_f19_an_instrument_that_keeps_refusing_rests_longer_each_time() -> None:
    story = book(policy_for("ETH", venues=("okx",), venue_share_max=Decimal(1))) >> collateral("ETH", "10")
    attempts = []
    for _ in range(600):
        story >> after(100) >> confirmed() >> decision_due()
        if any(isinstance(c, PlaceOrder) for c in story.outbox):
            story << place(OKX, "-10") >> refused(OKX)
            attempts.append(story.now)
        elif any(isinstance(c, ReadVenue) for c in story.outbox):
            story >> reading("okx")
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000]
    story.close()


def test_s28_fill_before_acknowledgement_and_twice_and_then_the_report() -> None:
    story = book(ETH) >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    once = fill_report(story, OKX, "-10")
    story.feed(ev.FillReported(at=story.now, fill=once))
    story << order_is(OKX, OrderState.FILLED) << holds(OKX, "-10")
    story.feed(ev.FillReported(at=story.now, fill=once))
    story << holds(OKX, "-10") >> accepted(OKX) << order_is(OKX, OrderState.FILLED)
    (story >> reported_filled(OKX) << holds(OKX, "-10") >> filled(BYBIT, BINANCE) >> decision_due() << nothing()).close()


def test_f14_a_partial_fill_and_then_a_cancel_leaves_the_rest_to_the_next_decision() -> None:
    (
        book(ETH)
        >> collateral("ETH", "30")
        >> decision_due()
        << place(BYBIT, "-10")
        << place(BINANCE, "-10")
        << place(OKX, "-10")
        >> filled(BYBIT, BINANCE)
        >> fill(OKX, "-3")
        << net_delta("ETH", "0", "7")
        >> decision_due()
        << nothing()
        >> ended(OKX, filled="-3")
        << net_delta("ETH", "7")
        >> decision_due()
        << place(OKX, "-7")  # the lowest leg grows first
        >> filled(OKX)
        >> decision_due()
        << nothing()
    ).close()


def test_a_cancel_that_does_not_tell_how_much_was_filled_leaves_a_doubt() -> None:
    story = book(ETH) >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> ended(OKX, filled=None) << order_is(OKX, OrderState.IN_DOUBT) << net_delta("ETH", "0", "10")
    (story >> decision_due() << query(OKX) >> ended(OKX, filled="-10") << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_f13_an_order_acknowledged_and_then_rejected_leaves_no_position() -> None:
    story = book(ETH) >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BINANCE, OKX) >> accepted(BYBIT) >> rejected(BYBIT) << order_is(BYBIT, OrderState.REFUSED)
    (story >> decision_due() << place(BINANCE, "-5") << place(OKX, "-5") >> filled(BINANCE, OKX) << net_delta("ETH", "0")).close()


def test_f15_a_cancel_of_an_order_that_had_ended_finds_its_end_and_does_not_repeat_for_ever() -> None:
    story = book(ETH) >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> accepted(OKX)
    story >> after(1_000) >> decision_due() << query(OKX) >> look_up_failed(OKX)
    story >> after(4_500) >> decision_due() << cancel(OKX) >> cancel_unconfirmed(OKX) << order_is(OKX, OrderState.IN_DOUBT)
    story >> after(1_000) >> confirmed() >> decision_due() << query(OKX) >> ended(OKX, filled="-4") << net_delta("ETH", "6")
    (story >> decision_due() << place(OKX, "-6") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_s22_f33_a_partial_deleveraging_is_hedged_again_elsewhere() -> None:
    story = hedged("30") >> venue_acts(OKX, "4") << net_delta("ETH", "4") << says("auto_deleveraging")
    assert story.ledger.tallies.breaks_by_cause == {BreakCause.AUTO_DELEVERAGING.value: 1}
    (
        story
        >> decision_due()
        << read("okx")  # the venue acted by itself: read it before trusting it with more
        << place(BYBIT, "-2")
        << place(BINANCE, "-2")
        >> filled(BYBIT, BINANCE)
        << net_delta("ETH", "0")
        >> reading("okx")
        >> after(1_000)
        >> confirmed()
        >> decision_due()
        << nothing()
    ).close()


def test_s22_a_deleveraging_that_nobody_told_is_found_by_two_readings() -> None:
    story = hedged("30") >> after(40_000) >> confirmed() >> decision_due() << read("okx")
    story >> reading("okx", ETH="-6") << net_delta("ETH", "0", "4") << breach("disputed", OKX)
    story >> after(600) >> decision_due() << read("okx")  # what is certain needs no order
    story >> reading("okx", ETH="-6") << holds(OKX, "-6") << net_delta("ETH", "4") << says("auto_deleveraging: record -10")
    (story >> decision_due() << place(BYBIT, "-2") << place(BINANCE, "-2")).close()


def test_a_dispute_that_is_over_after_one_reading_changes_nothing() -> None:
    story = hedged("30") >> after(40_000) >> confirmed() >> decision_due() << read("okx")
    story >> reading("okx", ETH="-6") << breach("disputed", OKX) >> after(600) >> decision_due() << read("okx")
    story >> reading("okx", ETH="-7") << breach("disputed", OKX) >> after(600) >> decision_due() << read("okx")
    (story >> reading("okx") << holds(OKX, "-10") << net_delta("ETH", "0") >> decision_due() << nothing()).close()
    assert story.ledger.tallies.breaks_by_cause == {}


def test_s6_a_position_that_lags_behind_its_fills_is_not_hedged_again() -> None:
    """The fill was told; the position endpoint says flat for 25 s more. Nothing is sold again, anywhere."""
    story = hedged("30")
    for _ in range(25):
        story >> after(1_000) >> confirmed() >> decision_due() << nothing()
        if any(isinstance(c, ReadVenue) and c.venue == "okx" for c in story.outbox):
            story >> reading("okx", ETH="0") << holds(OKX, "-10")
    assert story.ledger.positions[InstrumentId(OKX)].dispute is not None
    (story >> reading("okx") << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_f35_a_liquidation_is_told_as_one() -> None:
    story = hedged("30") >> venue_acts(OKX, "10", kind="liquidation") << says("liquidation") << net_delta("ETH", "10")
    (story >> decision_due() << place(BYBIT, "-5") << place(BINANCE, "-5")).close()


def test_s10_a_funding_flip_moves_hedges_and_they_come_back_only_with_hysteresis() -> None:
    story = hedged("30", funding_dwell_ms=2_000, funding_half_life_ms=1_000)
    story >> funding(OKX, "-0.0005") >> decision_due() << nothing()  # one reading is no flip
    story >> after(2_000) >> confirmed() >> funding(OKX, "-0.0005") << says("flipped") << breach("funding_flip", OKX)
    (
        story
        >> decision_due()
        << place(BYBIT, "-5")
        << place(BINANCE, "-5")
        << place(OKX, "10", reduce_only=True)
        >> filled(BYBIT, BINANCE, OKX)
        << net_delta("ETH", "0")
    )
    story >> after(2_000) >> confirmed() >> funding(OKX, "-0.000001") >> collateral("ETH", "32") >> decision_due()
    story << place(BYBIT, "-1") << place(BINANCE, "-1") >> filled(BYBIT, BINANCE)  # not negative enough is still flipped
    for _ in range(4):
        story >> after(2_000) >> confirmed() >> funding(OKX, "0.0005") >> decision_due() << nothing()
    story << says("recovered") >> collateral("ETH", "38") >> decision_due()
    (story << place(OKX, "-6") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_when_all_funding_is_negative_what_is_held_is_hedged_all_the_same() -> None:
    story = book(policy_for("ETH", funding_dwell_ms=1_000, funding_half_life_ms=1_000))
    for _ in range(2):
        for instrument in (BYBIT, BINANCE, OKX):
            story >> funding(instrument, "-0.001")
        story >> after(1_500) >> confirmed()
    assert all(state.flipped for state in story.ledger.funding.values())
    story >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    (story >> filled(BYBIT, BINANCE, OKX) << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_c29_one_venue_silent_its_short_still_counts_and_nothing_doubles_when_it_returns() -> None:
    story = hedged("30") >> link("okx", "stale") >> after(4_000) >> confirmed() << net_delta("ETH", "0") >> decision_due() << nothing()
    story >> unreadable("okx") >> collateral("ETH", "36") >> decision_due() << place(BYBIT, "-3") << place(BINANCE, "-3")
    story >> filled(BYBIT, BINANCE) << net_delta("ETH", "0") << breach("venue_link", "okx")
    story >> after(3_000) >> confirmed() >> decision_due() << nothing() << read("okx")
    story >> link("okx", "up") >> collateral("ETH", "39") >> decision_due() << place(BYBIT, "-1.5") << place(BINANCE, "-1.5")
    story >> filled(BYBIT, BINANCE) >> reading("okx") >> decision_due() << nothing() << net_delta("ETH", "0")
    (story >> collateral("ETH", "41") >> decision_due() << place(OKX, "-2") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_new_hedges_stay_within_the_caps_while_a_venue_is_lost() -> None:
    story = hedged("30", venue_share_max=Decimal("0.4")) >> link("okx", "down") >> after(4_000) >> confirmed()
    story >> collateral("ETH", "45") >> decision_due() << place(BYBIT, "-7.5") << place(BINANCE, "-7.5") >> filled(BYBIT, BINANCE)
    story >> collateral("ETH", "60") >> decision_due() << place(BYBIT, "-6.5") << place(BINANCE, "-6.5") >> filled(BYBIT, BINANCE)
    story << net_delta("ETH", "2") >> after(1_000) >> confirmed() >> decision_due() << nothing() << breach("net_delta", "ETH")
    (story << breach("venue_share", "ETH") << says("left unhedged by: quote_age, venue_share")).close()


def test_s5_a_failed_reading_is_never_flat() -> None:
    story = hedged("30") >> after(10_000) >> confirmed() >> decision_due() << read("okx")
    story >> unreadable("okx") << holds(OKX, "-10") << net_delta("ETH", "0") >> decision_due() << nothing()
    story >> after(500) >> decision_due() << nothing()
    with pytest.raises(Unexpected):
        story << read("okx")  # not so soon after a failure
    story >> after(1_600) >> decision_due() << read("okx")
    for _ in range(20):
        story >> unreadable("okx") >> after(3_000) >> confirmed() >> reading("bybit") >> reading("binance") >> decision_due()
    story << breach("unreconciled", "okx") << holds(OKX, "-10") >> collateral("ETH", "33") >> decision_due()
    (story << place(BYBIT, "-1.5") << place(BINANCE, "-1.5")).close()


def test_restart_in_the_middle_asks_about_everything_and_repeats_nothing() -> None:
    story = book(ETH) >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> accepted(BYBIT) >> filled(BINANCE)
    old = {i: story.order(i).client_order_id for i in (BYBIT, OKX)}
    story >> after(2_000) >> started() << order_is(BYBIT, OrderState.IN_DOUBT) << order_is(OKX, OrderState.IN_DOUBT)
    story >> decision_due() << query(BYBIT) << query(OKX)  # no collateral is known in this run yet: nothing is hedged
    for venue in ("binance", "bybit", "okx"):
        story >> link(venue, "up") >> reading(venue)
    story >> collateral("ETH", "30") << net_delta("ETH", "0", "20") >> decision_due() << nothing()
    # Fills from the downtime, told as Binance tells them: with the venue's order id only.
    anonymous = fill_report(story, OKX, "-10", client_order_id=None, venue_order_id="v77")
    story >> reading("okx", ETH="-10", fills=(anonymous,)) << holds(OKX, "0")  # whose it is is not known yet
    found = order_report(story, OKX, "filled", "-10", venue_order_id="v77")
    story.feed(ev.OrderReported(at=story.now, report=found))
    story << order_is(OKX, OrderState.FILLED) << holds(OKX, "-10") >> reading("okx", fills=(anonymous,)) << holds(OKX, "-10")
    assert story.ledger.tallies.fills == 2
    story >> ended(BYBIT, filled="0") << net_delta("ETH", "10") >> decision_due()
    story << place(BINANCE, "-5") << place(OKX, "-5") >> filled(BINANCE, OKX) << net_delta("ETH", "0")
    assert story.order(OKX).client_order_id not in old.values()
    assert story.order(OKX).client_order_id.startswith("e2")
    story.close()


def test_a_restart_with_an_order_that_never_left_places_it_anew_under_a_new_id() -> None:
    story = book(policy_for("ETH", venues=("okx",), venue_share_max=Decimal(1)))
    story >> collateral("ETH", "10") >> decision_due() << place(OKX, "-10") >> started()
    story >> link("okx", "up") >> collateral("ETH", "10") >> after(8_000) >> confirmed() >> decision_due() << query(OKX) << read("okx")
    story >> reading("okx") >> not_found(OKX) << order_is(OKX, OrderState.ABSENT) >> after(1_100) >> decision_due()
    (story << place(OKX, "-10") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_f49_an_answer_that_never_comes_back_from_our_own_shell_ends_in_doubt() -> None:
    story = book(ETH) >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> after(10_000) >> confirmed() >> decision_due() << nothing()
    (story >> after(11_000) >> confirmed() >> decision_due() << query(OKX) << order_is(OKX, OrderState.IN_DOUBT)).close()


def test_s20_stop_places_nothing_cancels_what_works_and_asks_about_doubts() -> None:
    story = book(ETH) >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> accepted(BYBIT) >> outcome_unknown(OKX) >> stop_requested() >> collateral("ETH", "90")
    story >> decision_due() << cancel(BYBIT) << query(OKX)
    story >> ended(BYBIT, filled="-2") >> reported_filled(OKX) >> filled(BINANCE) >> after(2_000) >> decision_due() << nothing()
    assert story.statement().trading_state == "halted"
    story >> stop_requested() << holds(BYBIT, "-2")  # hedges stay
    story.close()


def test_s4_an_unexplained_position_is_adopted_only_after_two_readings_that_agree() -> None:
    story = hedged("30") >> after(40_000) >> confirmed() >> decision_due() << read("okx")
    story >> reading("okx", ETH="-14") << holds(OKX, "-10") << net_delta("ETH", "-4", "0") << breach("disputed", OKX)
    story >> after(600) >> decision_due() << read("okx") >> reading("okx", ETH="-15") << holds(OKX, "-10") << net_delta("ETH", "-5", "0")
    story >> after(600) >> decision_due() << read("okx") >> reading("okx", ETH="-15") << holds(OKX, "-15") << says("unexplained")
    story << net_delta("ETH", "-5") >> decision_due() << place(OKX, "5", reduce_only=True) >> filled(OKX) << net_delta("ETH", "0")
    assert story.ledger.tallies.breaks_by_cause == {"unexplained": 1}
    story.close()


def test_an_order_may_not_wait_for_a_dispute_that_waits_for_it() -> None:
    """A deleveraging nobody told, while an order is in doubt that the venue has forgotten: both must end."""
    story = hedged("30") >> after(40_000) >> confirmed() >> collateral("ETH", "33") >> decision_due()
    story << place(BYBIT, "-1") << place(BINANCE, "-1") << place(OKX, "-1") >> filled(BYBIT, BINANCE) >> outcome_unknown(OKX)
    while story.position(OKX) == -10:
        story >> after(1_000) >> confirmed() >> decision_due() << query(OKX) >> not_found(OKX) >> reading("okx", ETH="-6")
        assert story.now < story.order(OKX).over_at + 5_000
    story << holds(OKX, "-6") << net_delta("ETH", "4", "5") >> after(1_000) >> decision_due()
    story << query(OKX) << place(BYBIT, "-2") << place(BINANCE, "-2") >> filled(BYBIT, BINANCE)
    (story >> not_found(OKX) << order_is(OKX, OrderState.ABSENT) << net_delta("ETH", "1")).close()


def test_f43_a_foreign_order_stops_increases_at_its_venue_until_it_is_gone() -> None:
    story = hedged("30") >> after(10_000) >> confirmed() >> decision_due() << read("okx")
    theirs = ev.OrderReport(
        instrument=InstrumentId(OKX),
        client_order_id=ClientOrderId("somebody"),
        venue_order_id="9",
        status=VenueOrderStatus.ACCEPTED,
        filled_quantity=Decimal(0),
        average_price=None,
        venue_at=None,
    )
    story >> reading("okx", orders=(theirs,)) << breach("foreign_orders", "okx") << says("foreign_order: order somebody is not ours")
    story >> reading("okx", orders=(theirs,))
    assert story.ledger.tallies.breaks_by_cause == {"foreign_order": 1}  # told once
    story >> collateral("ETH", "32") >> decision_due() << place(BYBIT, "-1") << place(BINANCE, "-1") >> filled(BYBIT, BINANCE)
    story >> reading("okx") >> collateral("ETH", "33") >> decision_due() << place(OKX, "-1") >> filled(OKX)
    # And a fill of theirs moves the position, by its own kind of break.
    foreign = fill_report(story, OKX, "2", client_order_id=ClientOrderId("somebody"), venue_order_id="9")
    story.feed(ev.FillReported(at=story.now, fill=foreign))
    (story << holds(OKX, "-9") << says("foreign_fill") << net_delta("ETH", "2")).close()


def test_a_collateral_source_that_falls_silent_leaves_only_what_brings_delta_nearer_to_zero() -> None:
    story = hedged("30") >> source_unreadable() >> after(61_000)
    for venue in ("binance", "bybit", "okx"):
        story >> reading(venue)
    story >> decision_due() << nothing() << breach("collateral_age", "custody")
    assert story.statement().trading_state == "reducing"
    story >> venue_acts(OKX, "4") >> decision_due() << place(BYBIT, "-2") << place(BINANCE, "-2") >> filled(BYBIT, BINANCE)
    story >> venue_acts(BYBIT, "-6", kind="trade") << net_delta("ETH", "-6") >> decision_due()
    story << place(BYBIT, "6", reduce_only=True) >> filled(BYBIT) << net_delta("ETH", "0")
    story >> confirmed() << net_delta("ETH", "0")
    assert story.statement().trading_state == "active"
    story.close()


def test_no_move_of_hedges_while_the_book_is_reducing() -> None:
    story = hedged("30", funding_dwell_ms=1_000, funding_half_life_ms=1_000) >> funding(OKX, "-0.0005") >> after(61_000)
    story >> funding(OKX, "-0.0005")
    for venue in ("binance", "bybit", "okx"):
        story >> reading(venue)
    (
        story
        >> decision_due()
        << nothing()
        >> confirmed()
        >> decision_due()
        << place(BYBIT, "-5")
        << place(BINANCE, "-5")
        << place(OKX, "10", reduce_only=True)
    ).close()


def test_an_unknown_source_hedges_nothing_and_unwinds_nothing() -> None:
    policy = policy_for("ETH", collateral_sources=frozenset({"custody", "vault2"}))
    story = book(policy) >> collateral("ETH", "30") >> decision_due() << nothing() << breach("collateral_unknown", "vault2")
    story >> confirmed("vault2") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE, OKX) >> started() >> decision_due()
    for venue in ("binance", "bybit", "okx"):
        story >> link(venue, "up") >> reading(venue)
    (story >> confirmed() >> decision_due() << nothing() >> confirmed("vault2") >> decision_due() << nothing()).close()


def test_a_missing_rate_keeps_its_own_asset_waiting_and_not_the_others() -> None:
    story = book(policy_for("BTC", "ETH")) >> collateral("wstETH", "10", rate=None) >> collateral("BTC", "3") >> decision_due()
    story << place("bybit:BTC", "-1") << place("binance:BTC", "-1") << place("okx:BTC", "-1") << breach("collateral_unknown", "wstETH")
    story >> filled("bybit:BTC", "binance:BTC", "okx:BTC") >> collateral("wstETH", "10", rate="1.2") >> decision_due()
    (story << place(BYBIT, "-4") << place(BINANCE, "-4") << place(OKX, "-4")).close()


@pytest.mark.parametrize(("quantity", "rate"), [("-1", "1"), ("10", "0"), ("10", "-1.2")])
def test_c16_a_senseless_total_is_not_taken(quantity: str, rate: str) -> None:
    story = hedged("30") >> collateral("ETH", quantity, rate=rate) << net_delta("ETH", "0") << says("senseless total of ETH")
    (story >> decision_due() << nothing() >> collateral("ETH", "30") >> decision_due() << nothing()).close()
    assert story.ledger.sources_unreadable == {}


def test_everything_at_its_limits_hedges_what_fits_and_says_which_limit_binds() -> None:
    story = book(policy_for("ETH", venue_share_max=Decimal("0.25"))) >> collateral("ETH", "40") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10") << says("at a limit: venue_share")
    story >> filled(BYBIT, BINANCE, OKX) << net_delta("ETH", "10")
    for _ in range(3):
        story >> after(1_000) >> confirmed() >> decision_due() << nothing()
    story << breach("net_delta", "ETH") << breach("venue_share", "ETH") << says("delta is left unhedged by: venue_share")
    assert sum("left unhedged" in n.sentence for n in story.ledger.notes) == 1  # told once, not once a second
    story.close()


def test_a_large_deposit_goes_in_slices() -> None:
    story = book(policy_for("ETH", venues=("okx",), venue_share_max=Decimal(1), order_notional_max=Decimal(12_000)))
    story >> collateral("ETH", "10") >> decision_due() << place(OKX, "-4") >> filled(OKX) >> decision_due() << place(OKX, "-4")
    (story >> filled(OKX) >> decision_due() << place(OKX, "-2") >> filled(OKX) >> decision_due() << nothing()).close()


def test_s14_dust_is_left_alone_and_never_looped_on() -> None:
    story = book(policy_for("ETH", venues=("bybit",), venue_share_max=Decimal(1), rebalance_notional_min=Decimal(1)))
    story >> collateral("ETH", "0.109") >> decision_due() << place(BYBIT, "-0.10") >> filled(BYBIT) << net_delta("ETH", "0.009")
    for _ in range(5):
        story >> after(1_000) >> confirmed() >> decision_due() << nothing()
    story >> collateral("ETH", "0.101") >> decision_due() << nothing()
    # The rest of a position below the least notional is closed all the same: a reducing order is exempt.
    story >> collateral("ETH", "0.001") >> decision_due() << place(BYBIT, "0.09", reduce_only=True) >> filled(BYBIT)
    (story >> collateral("ETH", "0") >> decision_due() << place(BYBIT, "0.01", reduce_only=True)).close()


def test_s4_a_position_from_before_is_adopted_told_and_used() -> None:
    story = Story(ETH) >> started()
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
    for venue in ("binance", "bybit", "okx"):
        story >> link(venue, "up")
    story >> collateral("ETH", "30") >> decision_due() << nothing()  # no position was told yet: nothing is known, nothing is done
    story >> reading("binance") >> reading("bybit") >> reading("okx", ETH="-12") << says("pre_existing")
    (story >> decision_due() << place(BYBIT, "-9") << place(BINANCE, "-9") >> filled(BYBIT, BINANCE) << net_delta("ETH", "0")).close()


def test_a_long_that_should_not_be_there_is_sold() -> None:
    story = hedged("30") >> venue_acts(OKX, "13", kind="trade") << holds(OKX, "3") << net_delta("ETH", "13") >> reading("okx")
    story >> decision_due() << place(OKX, "-13") >> filled(OKX) << net_delta("ETH", "0")
    story.close()


def test_f28_a_mark_far_from_the_other_venues_takes_no_order() -> None:
    story = book(ETH)
    story.marks[OKX] = Decimal(2_000)
    story >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-15") << place(BINANCE, "-15") << breach("reference_deviation", OKX)
    story.close()


@pytest.mark.parametrize("mark", ["0", "-3000"])
def test_f29_a_mark_that_is_no_price_takes_no_order_and_values_nothing(mark: str) -> None:
    story = book(ETH)
    story.marks[OKX] = Decimal(mark)
    story >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-15") << place(BINANCE, "-15") << breach("quote_age", OKX)
    story.close()


def test_f46_a_clock_that_steps_back_starves_neither_readings_nor_questions() -> None:
    story = in_doubt_at_okx() >> after(-3_600_000) >> confirmed() >> decision_due() << query(OKX) << read("okx") << read("bybit")
    story.close()


def test_a_stale_reading_from_before_a_silence_does_not_end_it() -> None:
    story = hedged("30") >> after(10_000) >> confirmed() >> decision_due() << read("okx")
    story >> after(100) >> link("okx", "stale") >> after(100) >> link("okx", "up") >> reading("okx") << breach("unreconciled", "okx")
    (story >> after(500) >> decision_due() << read("okx") >> reading("okx") >> decision_due() << nothing()).close()
    assert story.ledger.venues["okx"].reconciled  # type: ignore[index]  # a plain string is the venue's id


def test_an_unreadable_report_makes_the_venue_be_read_before_it_takes_more() -> None:
    story = hedged("30") >> after(1_000)
    story.feed(ev.ReportUnreadable(at=story.now, venue=story.instruments[2].venue, what="order without a status"))
    story << says("unreadable: order without a status") >> collateral("ETH", "32") >> decision_due()
    (story << read("okx") << place(BYBIT, "-1") << place(BINANCE, "-1")).close()


def test_moves_to_a_venue_that_fills_nothing_end_after_two_attempts() -> None:
    """Else a hedge is bought back where funding flipped, not sold where it should go, and sold again where it was, over and over."""
    changes = {"funding_dwell_ms": 1_000, "funding_half_life_ms": 1_000, "venue_share_max": Decimal(1)}
    story = book(policy_for("ETH", venues=("bybit", "okx"), **changes)) >> collateral("ETH", "20") >> decision_due()
    story << place(BYBIT, "-10") << place(OKX, "-10") >> filled(BYBIT, OKX)
    bought = 0
    for second in range(120):
        story >> after(1_000) >> confirmed() >> funding(OKX, "-0.001") >> decision_due()
        placed = [c for c in story.outbox if isinstance(c, PlaceOrder)]
        reads = [c.venue for c in story.outbox if isinstance(c, ReadVenue)]
        story.outbox.clear()
        for command in placed:
            story >> (ended(BYBIT) if command.instrument == BYBIT else filled(OKX))
            bought += command.quantity > 0 and second < 60
        for venue in reads:
            story >> reading(venue)
    assert bought <= 2
    story.close()
