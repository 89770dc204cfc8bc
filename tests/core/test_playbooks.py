"""Stories: what happens to a book, told fact by fact, and what the bot makes of it. The language is in `playbook`.

Names like S1 or F03 are the scenarios and faults of the reference notes on peers and reliability.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from bot.core import events as ev
from bot.core.commands import PlaceOrder, ReadVenue
from bot.core.order import OrderState
from tests.core.answer_words import cancel_unconfirmed, look_up_failed
from tests.core.market_words import narrow, wide
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, hedged, in_doubt_at_okx
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
    fill,
    fill_report,
    filled,
    holds,
    net_delta,
    not_found,
    nothing,
    order_is,
    outcome_unknown,
    place,
    query,
    read,
    reading,
    refused,
    rejected,
    reported_filled,
    says,
)
from tests.core.story import policy_for


def test_the_first_deposit_fills_one_venue_to_its_cap_and_goes_on_to_the_next() -> None:
    (
        book(ETH)
        >> collateral("ETH", "3.141")
        >> decision_due()
        << place(BINANCE, "-1.884")  # 60 % of it, in whole lots
        << place(BYBIT, "-1.25")
        << net_delta("ETH", "0.007", "3.141")
        >> filled(BYBIT, BINANCE)
        << net_delta("ETH", "0.007")  # less than the band leaves alone
        >> decision_due()
        << nothing()
    ).close()


def test_nothing_is_placed_twice_while_orders_are_on_their_way() -> None:
    story = book(ETH) >> evenly("3") >> decision_due() << place(BYBIT, "-1") << place(BINANCE, "-1") << place(OKX, "-1")
    for _ in range(5):
        story >> after(100) >> confirmed() >> decision_due() << nothing()
    (story >> filled(BYBIT) >> decision_due() << nothing() >> filled(OKX, BINANCE) >> decision_due() << nothing()).close()


def test_a_deposit_that_is_told_again_is_hedged_once() -> None:
    story = hedged("30")
    (story >> evenly("30") >> decision_due() << nothing() >> evenly("30") >> decision_due() << nothing()).close()


def test_a_redemption_is_bought_back_with_reducing_orders() -> None:
    (
        hedged("30")
        >> evenly("15")
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
        >> narrow("12")
        >> collateral("wstETH", "10", rate="1.2")
        >> decision_due()
        << place(BYBIT, "-4")
        << place(BINANCE, "-4")
        << place(OKX, "-4")
        >> filled(BYBIT, BINANCE, OKX)
        >> narrow("12.3")
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
        >> evenly("30")
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
        >> after(500)  # the same orders again within half a second would be duplicates
        >> evenly("60")
        >> decision_due()
        << place(BYBIT, "-10")
        << place(BINANCE, "-10")
        << place(OKX, "-10")
        >> filled(BYBIT, BINANCE)
        >> outcome_unknown(OKX)
        >> narrow("69")
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


def test_f02_absence_is_proven_only_after_expiry_and_a_reading_that_agrees() -> None:
    story = in_doubt_at_okx()
    story >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)  # it may still arrive
    story >> after(5_500) >> confirmed() >> decision_due() << query(OKX)
    story >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)  # the venue's clock is not past expiry and margin
    story >> after(2_000) >> confirmed() >> decision_due() << query(OKX) << read("okx")
    story >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)  # no reading yet from after that
    story >> reading("okx") >> after(1_000) >> decision_due() << query(OKX)
    story >> not_found(OKX) << order_is(OKX, OrderState.ABSENT) << says("proven absent") << net_delta("ETH", "10")
    story >> after(1_000) >> confirmed() >> decision_due() << place(BINANCE, "-8") << place(BYBIT, "-2")
    (story >> filled(BINANCE, BYBIT) << net_delta("ETH", "0")).close()


def test_f03_an_order_that_arrives_late_is_counted_and_not_doubled() -> None:
    story = in_doubt_at_okx() >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)
    story >> after(4_000) >> fill(OKX, "-4") << net_delta("ETH", "0", "6") >> decision_due() << query(OKX)
    story >> not_found(OKX)  # a look-up that does not know what has filled proves nothing
    story >> after(4_000) >> confirmed() >> decision_due() << query(OKX) >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)
    story >> ended(OKX, filled="-4") << order_is(OKX, OrderState.CANCELED) << net_delta("ETH", "6")
    (story >> reading("okx") >> decision_due() << place(BINANCE, "-6") >> filled(BINANCE) << net_delta("ETH", "0")).close()


def test_a_doubt_about_an_order_that_filled_in_part_and_is_unknown_by_its_id_ends_with_those_fills() -> None:
    story = in_doubt_at_okx() >> fill(OKX, "-4") >> after(5_500) >> confirmed() >> decision_due() << query(OKX)
    story >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)  # more of it may execute yet
    story >> after(2_000) >> confirmed() >> decision_due() << query(OKX) << read("okx")
    story >> after(600) >> not_found(OKX) << order_is(OKX, OrderState.IN_DOUBT)  # no reading yet from after that
    story >> reading("okx") >> after(1_000) >> decision_due() << query(OKX)
    story >> not_found(OKX) << order_is(OKX, OrderState.CANCELED) << says("-4 filled: the venue knows no more") << net_delta("ETH", "6")
    assert story.statement().orders_by_outcome["partially_filled"] == 1
    (story >> confirmed() >> decision_due() << place(BINANCE, "-6") >> filled(BINANCE) << net_delta("ETH", "0")).close()


def test_fills_that_only_the_look_up_found_count_before_the_doubt_ends() -> None:
    story = in_doubt_at_okx() >> after(1_000)
    story >> not_found(OKX, "-4") << order_is(OKX, OrderState.IN_DOUBT) << holds(OKX, "-4") << net_delta("ETH", "0", "6")
    assert not any("proven" in n.sentence or "knows no more" in n.sentence for n in story.ledger.notes)
    story >> after(7_000) >> confirmed() >> decision_due() << query(OKX) << read("okx") >> reading("okx") >> after(100)
    story >> not_found(OKX, "-4") << order_is(OKX, OrderState.CANCELED) << net_delta("ETH", "6")
    other = in_doubt_at_okx() >> not_found(OKX, "-10") << order_is(OKX, OrderState.FILLED) << net_delta("ETH", "0")
    other.close()
    story.close()


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
        >> evenly("30")
        >> decision_due()
        << place(BYBIT, "-10")
        << place(BINANCE, "-10")
        << place(OKX, "-10")
        >> filled(BYBIT, BINANCE)
        >> refused(OKX)
        << order_is(OKX, OrderState.REFUSED)
        << says("-2019")
        >> wide()
        >> decision_due()
        << place(BINANCE, "-8")  # to its cap
        << place(BYBIT, "-2")
        << breach("repeated_order", OKX)
        >> filled(BYBIT, BINANCE)
        << net_delta("ETH", "0")
    )
    (story >> after(2_000) >> confirmed() >> decision_due() << nothing()).close()


def test_f19_an_instrument_that_keeps_refusing_rests_longer_each_time() -> None:
    story = book(policy_for("ETH", venues=("okx",), venue_share_max=Decimal(1))) >> evenly("10")
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
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    once = fill_report(story, OKX, "-10")
    story.feed(ev.FillReported(at=story.now, fill=once))
    story << order_is(OKX, OrderState.FILLED) << holds(OKX, "-10")
    story.feed(ev.FillReported(at=story.now, fill=once))
    story << holds(OKX, "-10") >> accepted(OKX) << order_is(OKX, OrderState.FILLED)
    (story >> reported_filled(OKX) << holds(OKX, "-10") >> filled(BYBIT, BINANCE) >> decision_due() << nothing()).close()


def test_f14_a_partial_fill_and_then_a_cancel_leaves_the_rest_to_the_next_decision() -> None:
    (
        book(ETH)
        >> evenly("30")
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
        << place(OKX, "-7")  # the others carry what they can
        >> filled(OKX)
        >> decision_due()
        << nothing()
    ).close()


def test_a_cancel_that_does_not_tell_how_much_was_filled_leaves_a_doubt() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> ended(OKX, filled=None) << order_is(OKX, OrderState.IN_DOUBT) << net_delta("ETH", "0", "10")
    (story >> decision_due() << query(OKX) >> ended(OKX, filled="-10") << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_f13_an_order_acknowledged_and_then_rejected_leaves_no_position() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BINANCE, OKX) >> accepted(BYBIT) >> rejected(BYBIT) << order_is(BYBIT, OrderState.REFUSED)
    (story >> wide() >> decision_due() << place(BINANCE, "-8") << place(OKX, "-2") >> filled(BINANCE, OKX) << net_delta("ETH", "0")).close()


def test_f15_a_cancel_of_an_order_that_had_ended_finds_its_end_and_does_not_repeat_for_ever() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> accepted(OKX)
    story >> after(1_000) >> decision_due() << query(OKX) >> look_up_failed(OKX)
    story >> after(4_500) >> decision_due() << cancel(OKX) >> cancel_unconfirmed(OKX) << order_is(OKX, OrderState.IN_DOUBT)
    story >> after(1_000) >> confirmed() >> decision_due() << query(OKX) >> ended(OKX, filled="-4") << net_delta("ETH", "6")
    (story >> decision_due() << place(OKX, "-6") >> filled(OKX) << net_delta("ETH", "0")).close()
