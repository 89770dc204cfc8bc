"""Stories of what venues do: deleveraging, silence, funding, foreign orders, restarts. The language is in `playbook`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.commands import ReadVenue
from bot.core.events import VenueOrderStatus
from bot.core.order import OrderState
from bot.core.records import BreakCause
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from tests.core.market_words import narrow
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, hedged
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
    funding,
    holds,
    link,
    net_delta,
    not_found,
    nothing,
    order_is,
    order_report,
    outcome_unknown,
    place,
    query,
    read,
    reading,
    reported_filled,
    says,
    started,
    stop_requested,
    unreadable,
    venue_acts,
)
from tests.core.story import Feed, Unexpected, policy_for


def test_s22_f33_a_partial_deleveraging_is_hedged_again_elsewhere() -> None:
    story = hedged("30") >> venue_acts(OKX, "4") << net_delta("ETH", "4") << says("auto_deleveraging")
    assert story.ledger.tallies.breaks_by_cause == {BreakCause.AUTO_DELEVERAGING.value: 1}
    (
        story
        >> decision_due()
        << read("okx")  # the venue acted by itself: read it before trusting it with more
        << place(BINANCE, "-4")
        >> filled(BINANCE)
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
    (story >> decision_due() << place(BINANCE, "-4")).close()


def test_a_dispute_that_is_over_after_one_reading_changes_nothing() -> None:
    story = hedged("30") >> after(40_000) >> confirmed() >> decision_due() << read("okx")
    story >> reading("okx", ETH="-6") << breach("disputed", OKX) >> after(600) >> decision_due() << read("okx")
    story >> reading("okx", ETH="-7") << breach("disputed", OKX) >> after(1_000) >> decision_due() << read("okx")
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
    (story >> decision_due() << place(BINANCE, "-8") << place(BYBIT, "-2")).close()  # the one to its cap, then the next


def test_s10_a_funding_flip_moves_hedges_and_they_come_back_only_with_hysteresis() -> None:
    story = hedged("30", funding_dwell_ms=2_000, funding_half_life_ms=1_000, reallocation_interval_ms=1_000)
    story >> funding(OKX, "-0.0005") >> decision_due() << nothing()  # one reading is no flip
    story >> funding(BYBIT, "0.0001") >> funding(BINANCE, "0.0001") >> after(2_000) >> confirmed()
    story >> funding(OKX, "-0.0005") << says("flipped") << breach("funding_flip", OKX)
    (
        story
        >> decision_due()
        << place(BYBIT, "-2", post_only=True)
        << place(BINANCE, "-8", post_only=True)
        >> filled(BYBIT, BINANCE)
        >> decision_due()
        << place(OKX, "10", reduce_only=True)  # the second leg, once the first is certain
        >> filled(OKX)
        << net_delta("ETH", "0")
    )
    story >> after(2_000) >> confirmed() >> funding(OKX, "-0.000001") >> collateral("ETH", "32") >> decision_due()
    story << place(BYBIT, "-0.8") << place(BINANCE, "-1.2") >> filled(BYBIT, BINANCE)  # not negative enough is still flipped
    for _ in range(4):
        story >> after(2_000) >> confirmed() >> funding(OKX, "0.0001") >> decision_due() << nothing()
    story << says("recovered")  # and no better than the others: nothing moves for that
    story >> after(2_000) >> confirmed() >> funding(OKX, "0.0005") >> decision_due()
    story << place(OKX, "-19.2", post_only=True) >> filled(OKX) >> decision_due()
    story << place(BYBIT, "12.8", reduce_only=True) << place(BINANCE, "6.4", reduce_only=True)
    (story >> filled(BYBIT, BINANCE) >> decision_due() << nothing() << net_delta("ETH", "0")).close()


def test_when_all_funding_is_negative_what_is_held_is_hedged_all_the_same() -> None:
    story = book(policy_for("ETH", funding_dwell_ms=1_000, funding_half_life_ms=1_000))
    for _ in range(2):
        for instrument in (BYBIT, BINANCE, OKX):
            story >> funding(instrument, "-0.001")
        story >> after(1_500) >> confirmed()
    assert all(state.flipped for state in story.ledger.funding.values())
    story >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    (story >> filled(BYBIT, BINANCE, OKX) << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_c29_one_venue_silent_its_short_still_counts_and_nothing_doubles_when_it_returns() -> None:
    story = hedged("30") >> link("okx", "stale") >> after(4_000) >> confirmed() << net_delta("ETH", "0") >> decision_due() << nothing()
    story >> unreadable("okx") >> narrow("39") >> collateral("ETH", "36") >> decision_due() << place(BYBIT, "-3") << place(BINANCE, "-3")
    story >> filled(BYBIT, BINANCE) << net_delta("ETH", "0") << breach("venue_link", "okx")
    story >> after(3_000) >> confirmed() >> decision_due() << nothing() << read("okx")
    (story >> link("okx", "up") >> narrow("43.5") >> collateral("ETH", "39") >> decision_due())
    story << place(BYBIT, "-1.5") << place(BINANCE, "-1.5")
    story >> filled(BYBIT, BINANCE) >> reading("okx") >> decision_due() << nothing() << net_delta("ETH", "0")
    (story >> collateral("ETH", "41") >> decision_due() << place(OKX, "-2") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_new_hedges_stay_within_the_caps_while_a_venue_is_lost() -> None:
    story = hedged("30", venue_share_max=Decimal("0.4")) >> link("okx", "down") >> after(4_000) >> confirmed()
    story >> collateral("ETH", "45") >> decision_due() << place(BINANCE, "-8") << place(BYBIT, "-7") >> filled(BYBIT, BINANCE)
    story >> after(500) >> collateral("ETH", "60") >> decision_due() << place(BINANCE, "-6") << place(BYBIT, "-7") >> filled(BYBIT, BINANCE)
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
    (story << place(BINANCE, "-3")).close()


def test_restart_in_the_middle_asks_about_everything_and_repeats_nothing() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> accepted(BYBIT) >> filled(BINANCE)
    old = {i: story.order(i).client_order_id for i in (BYBIT, OKX)}
    story >> after(2_000) >> started() << order_is(BYBIT, OrderState.IN_DOUBT) << order_is(OKX, OrderState.IN_DOUBT)
    story >> decision_due() << query(BYBIT) << query(OKX)  # no collateral is known in this run yet: nothing is hedged
    for venue in ("binance", "bybit", "okx"):
        story >> link(venue, "up") >> reading(venue)
    story >> evenly("30") << net_delta("ETH", "0", "20") >> decision_due() << nothing()
    # Fills from the downtime, told as Binance tells them: with the venue's order id only.
    anonymous = fill_report(story, OKX, "-10", client_order_id=None, venue_order_id="v77")
    story >> reading("okx", ETH="-10", fills=(anonymous,)) << holds(OKX, "0")  # whose it is is not known yet
    found = order_report(story, OKX, "filled", "-10", venue_order_id="v77")
    story.feed(ev.OrderReported(at=story.now, report=found))
    story << order_is(OKX, OrderState.FILLED) << holds(OKX, "-10") >> reading("okx", fills=(anonymous,)) << holds(OKX, "-10")
    assert story.ledger.tallies.fills == 2
    story >> ended(BYBIT, filled="0") << net_delta("ETH", "10") >> narrow("45") >> decision_due()
    story << place(BINANCE, "-5") << place(OKX, "-5") >> filled(BINANCE, OKX) << net_delta("ETH", "0")
    assert story.order(OKX).client_order_id not in old.values()
    assert story.order(OKX).client_order_id.startswith("e2")
    story.close()


def test_a_restart_with_an_order_that_never_left_places_it_anew_under_a_new_id() -> None:
    story = book(policy_for("ETH", venues=("okx",), venue_share_max=Decimal(1)))
    story >> evenly("10") >> decision_due() << place(OKX, "-10") >> started()
    (story >> link("okx", "up") >> evenly("10") >> after(8_000) >> confirmed() >> decision_due() << query(OKX) << read("okx"))
    story >> reading("okx") >> not_found(OKX) << order_is(OKX, OrderState.ABSENT) >> after(1_100) >> decision_due()
    (story << place(OKX, "-10") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_f49_an_answer_that_never_comes_back_from_our_own_shell_ends_in_doubt() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> after(10_000) >> confirmed() >> decision_due() << nothing()
    (story >> after(11_000) >> confirmed() >> decision_due() << query(OKX) << order_is(OKX, OrderState.IN_DOUBT)).close()


def test_s20_stop_places_nothing_cancels_what_works_and_asks_about_doubts() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> accepted(BYBIT) >> outcome_unknown(OKX) >> stop_requested() >> evenly("90")
    story >> decision_due() << cancel(BYBIT) << query(OKX)
    story >> ended(BYBIT, filled="-2") >> reported_filled(OKX) >> filled(BINANCE) >> after(2_000) >> decision_due() << nothing()
    assert story.statement().trading_state == "halted"
    story >> stop_requested() << holds(BYBIT, "-2")  # hedges stay
    story.close()


def test_s4_an_unexplained_position_is_adopted_only_after_two_readings_that_agree() -> None:
    story = hedged("30") >> after(40_000) >> confirmed() >> decision_due() << read("okx")
    story >> reading("okx", ETH="-14") << holds(OKX, "-10") << net_delta("ETH", "-4", "0") << breach("disputed", OKX)
    story >> after(600) >> decision_due() << read("okx") >> reading("okx", ETH="-15") << holds(OKX, "-10") << net_delta("ETH", "-5", "0")
    story >> after(1_000) >> decision_due() << read("okx") >> reading("okx", ETH="-15") << holds(OKX, "-15") << says("unexplained")
    story << net_delta("ETH", "-5") << breach("unexplained_position", "okx")
    # It grew, and nobody knows why: nothing is sent there until a person has looked. What is too much is bought back elsewhere.
    story >> decision_due() << place(BYBIT, "5", reduce_only=True)
    story >> filled(BYBIT) << net_delta("ETH", "0") << holds(OKX, "-15")
    assert story.ledger.tallies.breaks_by_cause == {"unexplained": 1}
    story.close()


def test_an_order_may_not_wait_for_a_dispute_that_waits_for_it() -> None:
    """A deleveraging nobody told, while an order is in doubt that the venue has forgotten: both must end."""
    story = hedged("30") >> after(40_000) >> confirmed() >> evenly("33") >> decision_due()
    story << place(BYBIT, "-1") << place(BINANCE, "-1") << place(OKX, "-1") >> filled(BYBIT, BINANCE) >> outcome_unknown(OKX)
    while story.position(OKX) == -10:
        story >> after(1_000) >> confirmed() >> decision_due() << query(OKX) >> not_found(OKX) >> reading("okx", ETH="-6")
        assert story.now < story.order(OKX).over_at + 5_000
    story << holds(OKX, "-6") << net_delta("ETH", "4", "5") >> after(1_000) >> narrow("39") >> decision_due()
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
    story >> narrow("33") >> collateral("ETH", "32") >> decision_due() << place(BYBIT, "-1") << place(BINANCE, "-1")
    story >> filled(BYBIT, BINANCE) >> reading("okx") >> after(299_999) >> confirmed() >> decision_due() << nothing()
    story >> reading("okx") >> reading("bybit") >> reading("binance")
    story >> narrow("34.5") >> collateral("ETH", "33") >> decision_due() << place(BYBIT, "-0.5") << place(BINANCE, "-0.5")
    story >> filled(BYBIT, BINANCE) >> after(1) >> collateral("ETH", "34") >> decision_due() << place(OKX, "-1") >> filled(OKX)
    # And a fill of theirs moves the position, by its own kind of break.
    foreign = fill_report(story, OKX, "2", client_order_id=ClientOrderId("somebody"), venue_order_id="9")
    story.feed(ev.FillReported(at=story.now, fill=foreign))
    (story << breach("foreign_orders", "okx") << holds(OKX, "-9") << says("foreign_fill") << net_delta("ETH", "2")).close()


def set_otherwise(venue: str, *sentences: str, remarks: tuple[str, ...] = ()) -> Feed:
    """A complete reading of a venue that tells what of the account is not set as it was, and what of that stops nothing."""
    return Feed(
        f"{venue} set otherwise", lambda s: [replace(whole, unfit=sentences, remarks=remarks) for whole in reading(venue).events(s)]
    )


def test_an_account_that_is_set_otherwise_takes_no_increase_lets_reductions_go_and_is_told_once() -> None:
    sentence = "ETH is in margin mode isolated, not in cross margin"
    story = hedged("30") >> after(10_000) >> confirmed() >> decision_due() << read("okx")
    story >> set_otherwise("okx", sentence) << breach("account_mode", "okx") << says(f"set otherwise: {sentence}")
    story >> set_otherwise("okx", sentence)
    assert len([note for note in story.ledger.notes if sentence in note.sentence]) == 1
    story >> narrow("33") >> collateral("ETH", "32") >> decision_due() << place(BYBIT, "-1") << place(BINANCE, "-1")
    story >> filled(BYBIT, BINANCE) >> narrow("18") >> collateral("ETH", "18") >> decision_due()
    story << place(OKX, "4", reduce_only=True) << place(BYBIT, "5", reduce_only=True) << place(BINANCE, "5", reduce_only=True)
    story >> filled(OKX, BYBIT, BINANCE) >> after(1_000) >> set_otherwise("okx")
    story >> narrow("21") >> collateral("ETH", "21") >> decision_due() << place(OKX, "-1") << place(BYBIT, "-1") << place(BINANCE, "-1")
    story >> filled(OKX, BYBIT, BINANCE)
    (story << net_delta("ETH", "0")).close()


def test_a_leverage_set_otherwise_is_told_once_and_stops_nothing() -> None:
    """Under cross margin it moves no liquidation. What a lower one leaves no room for, the venue refuses (S16)."""
    sentence = "ETH is at leverage 3, not 5"
    story = hedged("30") >> after(10_000) >> confirmed() >> decision_due() << read("okx")
    story >> set_otherwise("okx", remarks=(sentence,)) << says(f"set otherwise: {sentence}")
    story >> set_otherwise("okx", remarks=(sentence,)) >> set_otherwise("bybit") >> set_otherwise("binance")
    assert len([note for note in story.ledger.notes if sentence in note.sentence]) == 1
    assert story.ledger.venues[VenueId("okx")].remarks == (sentence,)
    story >> narrow("33") >> collateral("ETH", "33") >> decision_due() << place(OKX, "-1") << place(BYBIT, "-1") << place(BINANCE, "-1")
    story >> filled(OKX, BYBIT, BINANCE) >> set_otherwise("okx") << net_delta("ETH", "0")
    assert story.ledger.venues[VenueId("okx")].remarks == ()
    story.close()
