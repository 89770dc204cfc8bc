"""Stories of one order whose end is told wrongly, late or twice, and of orders that are somebody else's. The language is in `playbook`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.commands import PlaceOrder
from bot.core.order import OrderState
from bot.core.units import ClientOrderId, InstrumentId
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
    fill,
    fill_report,
    filled,
    first_readings,
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
    refused,
    reported_filled,
    says,
    started,
)
from tests.core.story import Story, listed, policy_for

D = Decimal
ALONE = {"venues": ("okx",), "venue_share_max": D(1)}


def sent(story: Story, instrument: str) -> int:
    """How many orders ever left for an instrument."""
    return sum(1 for c in story.commands if isinstance(c, PlaceOrder) and c.instrument == instrument)


@pytest.mark.parametrize("answer", [outcome_unknown, refused])
def test_s2_f10_a_duplicate_id_told_after_the_acceptance_never_makes_a_live_order_refused(answer: object) -> None:
    """Timed out, accepted by stream, and then "duplicate id", which a connector may tell as a doubt or, wrongly, as a refusal."""
    story = in_doubt_at_okx() >> accepted(OKX) << order_is(OKX, OrderState.WORKING)
    story >> answer(OKX)  # type: ignore[operator]  # one of the two words
    assert story.order(OKX).state in (OrderState.WORKING, OrderState.IN_DOUBT)
    story << net_delta("ETH", "0", "10") >> after(1_000) >> confirmed() >> decision_due() << query(OKX)
    story >> reported_filled(OKX) << order_is(OKX, OrderState.FILLED) << net_delta("ETH", "0") >> decision_due() << nothing()
    assert sent(story, OKX) == 1
    story.close()


def test_s2_f10_a_refusal_told_of_an_order_in_doubt_proves_nothing() -> None:
    story = in_doubt_at_okx() >> refused(OKX) << order_is(OKX, OrderState.IN_DOUBT) << net_delta("ETH", "0", "10")
    story >> after(1_000) >> confirmed() >> decision_due() << query(OKX)
    (story >> reported_filled(OKX) << net_delta("ETH", "0") >> decision_due() << nothing()).close()


@pytest.mark.parametrize("acknowledged", [True, False])
def test_s3_an_order_that_filled_at_once_and_is_in_no_list_is_not_taken_for_refused(acknowledged: bool) -> None:
    """It filled within 200 ms: open orders do not have it, the look-up by id lags, and so do fills and position."""
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> (accepted(OKX) if acknowledged else outcome_unknown(OKX))
    story >> after(1_000) >> confirmed() >> decision_due() << query(OKX)
    story >> not_found(OKX) >> reading("okx")
    assert story.order(OKX).state.is_open
    for _ in range(3):
        story << net_delta("ETH", "0", "10") >> after(1_000) >> confirmed() >> decision_due() << query(OKX) >> not_found(OKX)
    execution = fill_report(story, OKX, "-10")
    story >> reading("okx", ETH="-10", fills=(execution,)) << order_is(OKX, OrderState.FILLED) << net_delta("ETH", "0")
    assert sent(story, OKX) == 1
    (story >> reading("okx") >> decision_due() << nothing()).close()


def test_s28_f16_a_fill_crosses_its_own_cancel_and_is_not_hedged_again() -> None:
    """The cancel is told first, with less than was filled; the rest has been sold again by then, and is bought back."""
    story = book(policy_for("ETH", **ALONE)) >> evenly("10") >> decision_due() << place(OKX, "-10") >> accepted(OKX)
    story >> after(1_000) >> confirmed() >> decision_due() << query(OKX) >> after(4_500) >> confirmed() >> decision_due() << cancel(OKX)
    story >> ended(OKX, filled="-4") << net_delta("ETH", "6")
    late = fill_report(story, OKX, "-10")
    story >> after(1_000) >> confirmed() >> decision_due() << place(OKX, "-6")
    story.feed(ev.FillReported(at=story.now, fill=late))
    story << holds(OKX, "-10") << net_delta("ETH", "-6", "0") >> decision_due() << nothing()  # nothing more while it may still fill
    story >> filled(OKX) << net_delta("ETH", "-6") >> reading("okx") >> after(500) >> confirmed() >> decision_due()
    (story << place(OKX, "6", reduce_only=True) >> filled(OKX) << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_f17_a_reduction_refused_because_nothing_is_left_is_read_and_not_repeated() -> None:
    """The venue had deleveraged us to nothing, and nobody told: each buy back is refused until the venue was read twice."""
    story = book(policy_for("ETH", **ALONE)) >> evenly("10") >> decision_due() << place(OKX, "-10") >> filled(OKX)
    story >> after(40_000) >> evenly("5") >> decision_due() << place(OKX, "5", reduce_only=True) >> refused(OKX)
    story << holds(OKX, "-10") >> decision_due() << nothing()
    told = 0
    for _ in range(40):
        story >> after(500) >> confirmed() >> decision_due()
        if any(isinstance(c, PlaceOrder) for c in story.outbox):
            story << place(OKX, "5", reduce_only=True) >> refused(OKX)
            told += 1
        story.outbox.clear()
        if "okx" in story.asked:
            story >> reading("okx", ETH="0")
        if story.position(OKX) == 0:
            break
    assert told <= 2
    story << net_delta("ETH", "5") << says("auto_deleveraging") << state_is("reducing", "okx")
    (story >> after(1_000) >> confirmed() >> decision_due() << nothing()).close()  # nothing left to reduce


def test_s24_f18_a_lot_that_changes_while_running_rounds_the_next_order() -> None:
    story = book(policy_for("ETH", **ALONE)) >> evenly("10.123") >> decision_due() << place(OKX, "-10.123") >> filled(OKX)
    story >> after(1_000) >> evenly("20.246") >> decision_due() << place(OKX, "-10.123")
    story >> refused(OKX)  # by the new filter, of which we do not know yet
    coarser = listed("okx", "ETH", lot=D("0.5"), tick=D("0.05"))
    story.feed(ev.InstrumentListed(at=story.now, instrument=coarser))
    story >> after(1_000) >> confirmed() >> decision_due() << place(OKX, "-10.1")  # half a contract of 0.1 is 0.05
    assert story.order(OKX).price % D("0.05") == 0
    story >> filled(OKX) << net_delta("ETH", "0.023") >> decision_due() << nothing()
    # What is held was bought in finer lots than there are now: it is taken back down to what no order can carry.
    story >> after(1_000) >> collateral("ETH", "0") >> decision_due() << place(OKX, "20.20", reduce_only=True) >> filled(OKX)
    (story << holds(OKX, "-0.023") >> after(1_000) >> confirmed() >> decision_due() << nothing()).close()


def test_s24_a_contract_size_that_changes_leaves_positions_in_base_units_as_they_are() -> None:
    story = hedged("30")
    for size in ("0.001", "1", "1000"):
        changed = listed("okx", "ETH", contract_size=D(size), lot=D("0.01") / D(size), contracts_min=D("0.01") / D(size))
        story.feed(ev.InstrumentListed(at=story.now, instrument=changed))
        story << holds(OKX, "-10") << net_delta("ETH", "0") >> decision_due() << nothing()
    story.close()


@pytest.mark.parametrize("size", ["0.001", "0.01", "0.1", "1", "10", "1000", "1000000"])
def test_s17_orders_are_in_base_units_whatever_a_contract_is(size: str) -> None:
    """A lot is always 0.01 ETH here; at the venue that is 10 contracts or a hundred-millionth of one."""
    contract, lot = D(size), D("0.01") / D(size)
    instruments = (listed("okx", "ETH", contract_size=contract, lot=lot, contracts_min=lot, contracts_max=None),)
    story = book(policy_for("ETH", **ALONE), instruments=instruments) >> evenly("12") >> decision_due() << place(OKX, "-12")
    assert instruments[0].contracts_of_units(D("-12")) * contract == D("-12")
    story >> filled(OKX) << net_delta("ETH", "0") >> evenly("9.999") >> decision_due()
    (story << place(OKX, "2.00", reduce_only=True) >> filled(OKX) << holds(OKX, "-10") >> decision_due() << nothing()).close()


def test_s21_two_instances_on_one_account_see_each_others_orders_as_foreign_and_add_no_more() -> None:
    """Every run has an epoch of its own, so that ids of another run that is not in our journal are never ours."""
    story = hedged("30") >> after(10_000) >> confirmed() >> decision_due() << read("okx") << read("bybit") << read("binance")
    for instrument, venue in ((OKX, "okx"), (BYBIT, "bybit"), (BINANCE, "binance")):
        theirs = replace(order_report(story, instrument, "accepted", "0"), client_order_id=ClientOrderId("x9000001"))
        story >> reading(venue, orders=(theirs,)) << state_is("reducing", venue) << breach("foreign_orders", venue)
    story >> evenly("60") >> decision_due() << nothing()
    # Theirs hedges the deposit, and one more: the positions count as they are, at once, and what is too much is bought back.
    execution = fill_report(story, OKX, "-31", client_order_id=ClientOrderId("x9000001"), venue_order_id="x")
    story.feed(ev.FillReported(at=story.now, fill=execution))
    story << net_delta("ETH", "-1") << says("foreign_fill") >> decision_due()
    orders = [c for c in story.outbox if isinstance(c, PlaceOrder)]
    assert all(c.reduce_only for c in orders)
    assert sum(c.quantity for c in orders) == 1
    story.outbox.clear()
    story.close()


def test_s21_a_second_instance_on_a_new_journal_adopts_what_is_there_and_repeats_nothing() -> None:
    first = hedged("30")
    second = Story(ETH, epoch="e9")
    second >> started(is_fresh=True)
    for instrument in second.instruments:
        second.feed(ev.InstrumentListed(at=second.now, instrument=instrument))
    for venue in ("binance", "bybit", "okx"):
        held = {"ETH": f"{first.position(InstrumentId(f'{venue}:ETH'))}"}
        second >> link(venue, "up") >> first_readings(venue, **held)
    second >> evenly("30") << net_delta("ETH", "0") >> decision_due() << nothing()
    assert not set(first.ledger.orders) & set(second.ledger.orders)
    second.close()


def test_s1_every_call_times_out_and_the_positions_are_one_hedge_all_the_same() -> None:
    """All three answers are lost, all three orders were executed, and each is told of once by another way."""
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    for instrument in (BYBIT, BINANCE, OKX):
        story >> outcome_unknown(instrument)
    story << net_delta("ETH", "0", "30") >> decision_due() << query(BYBIT) << query(BINANCE) << query(OKX)
    story >> fill(BYBIT, "-10") >> reported_filled(BINANCE) >> reading("okx", ETH="-10", fills=(fill_report(story, OKX, "-10"),))
    for instrument in (BYBIT, BINANCE, OKX):
        story << holds(instrument, "-10") << order_is(instrument, OrderState.FILLED)
        assert sent(story, instrument) == 1
    (story << net_delta("ETH", "0") >> decision_due() << nothing()).close()


@pytest.mark.parametrize("first", ["v1", "v2"])
def test_s29_a_second_order_of_the_venue_under_one_id_of_ours_is_foreign_however_ours_ended(first: str) -> None:
    """One client id, two orders at the venue: ours is the one told first. What the other holds must not hide behind our id."""
    story = in_doubt_at_okx()
    told = [order_report(story, OKX, "accepted", "0", venue_order_id=v) for v in ("v1", "v2")]
    story.feed(ev.OrderReported(at=story.now, report=told[first == "v2"]))
    story >> fill(OKX, "-10", venue_order_id=first) << order_is(OKX, OrderState.FILLED) << net_delta("ETH", "0")
    story >> after(1_000) >> confirmed() >> reading("okx", orders=(told[first == "v1"],))
    second = "v2" if first == "v1" else "v1"
    story << breach("foreign_orders", "okx") << state_is("reducing", "okx") << says(f"order {second} is not ours")
    for _ in range(3):
        story >> after(10_000) >> confirmed() >> reading("okx", orders=(told[first == "v1"],)) << state_is("reducing", "okx")
    assert story.ledger.tallies.breaks_by_cause == {"foreign_order": 1}  # told once, and as long as it works
    story >> reading("bybit") >> reading("binance") >> narrow("39") >> collateral("ETH", "36") >> decision_due()
    (story << place(BYBIT, "-3") << place(BINANCE, "-3") >> filled(BYBIT, BINANCE) << net_delta("ETH", "0")).close()


def test_s29_both_orders_in_the_first_reading_after_a_lost_answer() -> None:
    story = in_doubt_at_okx()
    told = tuple(order_report(story, OKX, "accepted", "0", venue_order_id=v) for v in ("v1", "v2"))
    story >> reading("okx", orders=told) << breach("foreign_orders", "okx") << says("order v2 is not ours")
    assert story.order(OKX).venue_order_id == "v1"
    story.close()
