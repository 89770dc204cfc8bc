"""Orders at a venue that our record did not place: what is known of them, who takes them over, and how they end."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.acts import Adopted
from bot.core.commands import CancelOrder
from bot.core.exposure import position_units
from bot.core.ledger import is_unjournaled
from bot.core.operation import unadopted, why_not_adopted
from bot.core.risk import spent_breach
from bot.core.units import ClientOrderId, InstrumentId, Range, VenueId
from tests.core.foreign import adopts, fill_of_theirs, foreign, theirs
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.operators import flattens, state_is
from tests.core.playbook import (
    after,
    cancel,
    collateral,
    confirmed,
    decision_due,
    filled,
    holds,
    net_delta,
    not_found,
    nothing,
    place,
    query,
    reading,
    says,
    started,
    unreadable,
)
from tests.core.story import Story
from tests.core.test_playbooks_history import holdings, reduction_in_doubt, without_its_past

D = Decimal
HERE = InstrumentId(OKX)
VENUE = VenueId("okx")


def shown(quantity: str | None, order: str | None = "9") -> Adopted:
    return Adopted(instrument=HERE, quantity=None if quantity is None else D(quantity), order=order)


def beside_theirs(quantity: str | None = "-3") -> Story:
    return hedged("30") >> reading("okx", orders=(theirs(quantity),)) << state_is("reducing", "okx")


def test_an_order_of_others_is_shown_with_what_it_leaves_at_what_price_and_counts_nowhere() -> None:
    story = hedged("30") >> reading("okx", orders=(theirs("-3", "-1"),)) << net_delta("ETH", "0")
    (told,) = story.statement().unadopted
    assert (told.shown, told.price, told.reduce_only, told.cause) == (shown("-2"), D(3_100), False, "foreign_order")
    story >> fill_of_theirs("-1.5") << holds(OKX, "-11.5") << says("foreign_fill: -1.5 at 3100, not by an order of ours")
    assert story.statement().unadopted[0].shown == shown("-0.5")


def test_an_adopted_order_counts_at_its_worst_and_is_withdrawn_until_a_reading_does_not_tell_it() -> None:
    story = beside_theirs() >> adopts("alice") << state_is("active", "okx") << net_delta("ETH", "-3", "0")
    story << says("adopted by alice: order 9 on okx:ETH, which leaves -3; it is withdrawn")
    assert story.statement().unadopted == ()
    assert [v.orders_working for v in story.statement().venues if v.venue == VENUE] == [1]
    story >> decision_due()
    command = story.take(type(story.outbox[0]), OKX)
    assert (command.venue_order_id, command.by_venue_id) == ("9", True)
    story >> after(4_999) >> decision_due() << nothing() >> after(1) >> decision_due() << cancel(OKX)
    story >> fill_of_theirs("-1") << holds(OKX, "-11") << net_delta("ETH", "-3", "-1") << says("by an order that alice has taken over")
    assert "foreign_fill" not in story.ledger.tallies.breaks_by_cause
    story.feed(ev.OrderReported(at=story.now, report=theirs("-3", "-1", status=ev.VenueOrderStatus.CANCELED)))
    assert not story.ledger.venues[VENUE].reconciled, "its last fills may be on their way: the venue is read at once"
    story << net_delta("ETH", "-3", "-1")
    story >> reading("okx") << net_delta("ETH", "-1") << says("order 9, taken over by alice, works no more") << state_is("active", "okx")


@pytest.mark.parametrize(("observing", "name", "reconciled"), [(False, "9", False), (True, "9", True), (False, "8", True)])
def test_a_cancel_of_which_nothing_is_told_has_the_venue_read_where_it_was_sent(*, observing: bool, name: str, reconciled: bool) -> None:
    story = beside_theirs() >> adopts("alice")
    story.ledger = replace(story.ledger, observing=observing)
    story.feed(ev.CancelUnconfirmed(at=story.now, client_order_id=ClientOrderId(name), reason="asked for"))
    assert story.ledger.venues[VENUE].reconciled is reconciled
    assert [o.name for o in story.ledger.venues[VENUE].taken_orders] == ["9"]


def test_an_order_without_an_id_of_the_venues_cannot_be_taken_over() -> None:
    nameless = theirs("-3", venue_order_id=None, client_order_id=ClientOrderId("web"))
    story = hedged("30") >> reading("okx", orders=(nameless,)) >> adopts("alice") << state_is("reducing", "okx")
    story << says("not adopted: order web on okx:ETH has no id by which it could be withdrawn: withdraw it at the venue")


def test_an_order_whose_size_was_not_told_is_adopted_by_whoever_was_told_so() -> None:
    story = beside_theirs(None) >> adopts("alice", shown("-3")) << says("not adopted: order 9 on okx:ETH leaves ?, not -3")
    assert story.statement().unadopted[0].shown == shown(None)


def test_nothing_else_is_placed_beside_an_order_that_is_being_withdrawn() -> None:
    story = beside_theirs() >> adopts("alice") >> after(1) >> collateral("ETH", "36") >> decision_due() << cancel(OKX)
    assert {getattr(c, "instrument", None) for c in story.outbox} <= {BYBIT, BINANCE, None}
    assert story.outbox
    story.outbox.clear()


def test_a_position_is_closed_when_the_adopted_order_beside_it_is_gone() -> None:
    story = beside_theirs() >> adopts("alice") >> flattens("bob", "okx") >> decision_due() << cancel(OKX)
    story.outbox.clear()
    story >> reading("okx") >> decision_due() << place(OKX, "10", reduce_only=True)


def test_the_present_told_without_fills_ends_no_adopted_order() -> None:
    story = beside_theirs() >> adopts("alice")
    record = story.ledger.venues[VENUE]
    story.ledger = replace(story.ledger, venues={**story.ledger.venues, VENUE: replace(record, reported_at=None)})
    told = ev.HoldingsReported(at=story.now, venue=VENUE, asked_at=story.now, clock_offset_ms=0, orders=(), positions=(), margins=())
    story.feed(told)
    assert [o.name for o in story.ledger.venues[VENUE].taken_orders] == ["9"]


def told_without_fills(story: Story, *orders: ev.OrderReport, asked_ms_ago: int = 0) -> Story:
    """OKX tells its open orders and the position of before, and its fills cannot be read."""
    return story >> holdings("okx", "-10", *orders, asked_ms_ago=asked_ms_ago) >> unreadable("okx")


@pytest.mark.parametrize(("quantity", "closes"), [("-3", "10"), ("3", "7")])
def test_a_position_is_closed_beside_an_adopted_order_that_works_no_more_though_no_fill_can_be_read(quantity: str, closes: str) -> None:
    story = beside_theirs(quantity) >> adopts("alice") >> flattens("bob", "okx") >> decision_due() << cancel(OKX)
    told_without_fills(story, asked_ms_ago=0) >> decision_due() << nothing()  # asked no later than the cancel
    told_without_fills(story >> after(1_000), theirs(quantity)) >> decision_due() << nothing()
    told_without_fills(story) >> decision_due() << place(OKX, closes, reduce_only=True)
    low, high = sorted((D(-10), D(-10) + D(quantity)))
    assert position_units(story.ledger, HERE) == Range(low=low, high=high + D(closes))
    story >> filled(OKX) >> reading("okx", ETH=str(D(closes) - 10)) << says("order 9, taken over by alice, works no more")


def test_beside_an_adopted_order_that_is_spent_nothing_increases_until_a_reading_ends_it() -> None:
    story = beside_theirs() >> adopts("alice") >> decision_due() << cancel(OKX) >> after(1) >> collateral("ETH", "36")
    story.feed(ev.OrderReported(at=story.now, report=theirs("-3", status=ev.VenueOrderStatus.CANCELED)))
    assert [o.is_spent for o in story.ledger.taken_orders(HERE)] == [True]
    story << net_delta("ETH", "3", "6")
    breach = spent_breach(story.ledger, HERE)
    assert breach is not None
    assert breach.detail == "order 9 works no more, and what it did may be untold"
    told_without_fills(story) >> decision_due()
    assert OKX not in {getattr(c, "instrument", None) for c in story.outbox}
    story.outbox.clear()


def test_beside_a_spent_adopted_order_what_is_short_for_certain_is_reduced() -> None:
    story = beside_theirs("3") >> adopts("alice") >> decision_due() << cancel(OKX) >> after(1) >> collateral("ETH", "0")
    story.feed(ev.OrderReported(at=story.now, report=theirs("3", status=ev.VenueOrderStatus.CANCELED)))
    story >> decision_due() << place(BINANCE, "10", reduce_only=True) << place(BYBIT, "10", reduce_only=True)
    story << place(OKX, "7", reduce_only=True)
    story.outbox.clear()


def test_a_flatten_that_waits_for_what_a_spent_order_did_says_so() -> None:
    story = beside_theirs("12") >> adopts("alice") >> flattens("bob", "okx") >> decision_due() << cancel(OKX)
    told_without_fills(story >> after(1)) >> decision_due() << nothing()
    story << says("not closed: order 9 may have closed it, and what it did is not told yet; tried again at each decision")
    story = reduction_in_doubt("20") >> collateral("ETH", "20")
    without_its_past(without_its_past(story, 100) << query(OKX), 8_000) << query(OKX) >> not_found(OKX)
    doubted = story.order(OKX)
    assert doubted.is_spent
    without_its_past(story >> flattens("bob", "okx"), 1_000)
    story << says(f"not closed: order {doubted.client_order_id} may have closed it, and what it did is not told yet")
    story.outbox.clear()


def test_an_order_that_is_told_again_is_spent_no_more() -> None:
    story = beside_theirs() >> adopts("alice") >> decision_due() << cancel(OKX)
    told_without_fills(story >> after(1))
    assert story.ledger.live_taken_orders(HERE) == ()
    told_without_fills(story, theirs("-3"))
    assert [o.name for o in story.ledger.live_taken_orders(HERE)] == ["9"]


@pytest.mark.parametrize(("quantity", "low"), [("-3", "-13"), ("-5", "-15"), (None, "-13")])
def test_a_spent_adopted_order_that_the_stream_says_works_is_spent_no_more(quantity: str | None, low: str) -> None:
    story = beside_theirs() >> adopts("alice") >> decision_due() << cancel(OKX)
    told_without_fills(story >> after(1))
    assert story.ledger.live_taken_orders(HERE) == ()
    story.feed(ev.OrderReported(at=story.now, report=theirs(quantity)))
    assert [o.name for o in story.ledger.live_taken_orders(HERE)] == ["9"]
    assert position_units(story.ledger, HERE) == Range(low=D(low), high=D(-10))
    assert not story.ledger.venues[VENUE].reconciled, "it is read at once"


def test_an_adopted_order_of_unknown_size_leaves_the_position_unknown_until_it_is_gone() -> None:
    story = beside_theirs(None) >> adopts("alice", shown(None))
    assert position_units(story.ledger, HERE) is None
    story >> decision_due() << cancel(OKX) >> reading("okx")
    assert position_units(story.ledger, HERE) == Range.exactly(D(-10))


CHANGED = {
    "another size": (shown("-2"), "not adopted: order 9 on okx:ETH leaves -3, not -2"),
    "another order": (shown("-3", "8"), "not adopted: order 8 on okx:ETH works no more, or is taken over already"),
    "no position of others": (shown("-10", None), "not adopted: okx:ETH holds nothing that our orders did not bring"),
}


@pytest.mark.parametrize(("what", "words"), CHANGED.values(), ids=CHANGED)
def test_what_is_not_as_it_was_shown_is_not_adopted(what: Adopted, words: str) -> None:
    story = beside_theirs() >> adopts("alice", what) << says(words) << state_is("reducing", "okx") << net_delta("ETH", "0")
    assert story.ledger.venues[VENUE].foreign_orders == (foreign("9", leaves=D(-3), quantity=D(-3), price=D(3_100), reduce_only=False),)


def test_of_two_orders_one_that_is_adopted_does_not_excuse_the_other() -> None:
    both = (theirs("-3"), theirs("-1", venue_order_id="7"))
    story = hedged("30") >> reading("okx", orders=both) >> adopts("alice", shown("-3")) << state_is("reducing", "okx")
    story >> reading("okx", orders=both)
    record = story.ledger.venues[VENUE]
    assert ([o.name for o in record.foreign_orders], [o.name for o in record.taken_orders]) == (["7"], ["9"])


GRID = (theirs("-3", client_order_id=ClientOrderId("grid")), theirs("-1", venue_order_id="7", client_order_id=ClientOrderId("grid")))


def names(story: Story) -> list[str]:
    record = story.ledger.venues[VENUE]
    return [o.name for o in (*record.foreign_orders, *record.taken_orders)]


def test_two_orders_of_one_label_are_called_by_the_venues_ids_and_both_can_be_adopted() -> None:
    story = hedged("30") >> reading("okx", orders=GRID)
    assert names(story) == ["7", "9"]
    assert [why_not_adopted(story.ledger, u.shown) for u in unadopted(story.ledger)] == [None, None]
    story >> adopts("alice") << net_delta("ETH", "-4", "0") << state_is("active", "okx")
    assert story.ledger.tallies.breaks_by_cause == {"foreign_order": 2}


def test_an_order_is_called_as_before_and_one_that_comes_under_its_label_is_told() -> None:
    story = hedged("30") >> reading("okx", orders=GRID[:1])
    assert names(story) == ["grid"]
    story >> reading("okx", orders=GRID) << says("order 7 is not ours")
    assert names(story) == ["7", "grid"]
    story >> adopts("alice", shown("-3", "grid")) >> reading("okx", orders=GRID)
    assert names(story) == ["7", "grid"]
    story = hedged("30") >> reading("okx", orders=GRID[:1]) >> reading("okx", orders=GRID[1:]) << says("order 7 is not ours")
    assert story.ledger.tallies.breaks_by_cause == {"foreign_order": 2}


def test_fills_of_another_stranger_keep_their_venue_reducing_when_the_order_is_adopted() -> None:
    story = beside_theirs() >> after(1_000) >> fill_of_theirs("-5", venue_order_id="77") >> after(1_000) >> adopts("alice")
    story << state_is("reducing", "okx") << says("foreign_orders stays for a quiet period: what others did there is 1000 ms old")
    story = beside_theirs() >> fill_of_theirs("-5", venue_order_id="77") >> after(story.policy.quiet_period_ms) >> adopts("alice")
    story << state_is("active", "okx")


def test_an_adopted_order_that_a_reading_told_as_filled_is_counted_once_when_its_fill_comes() -> None:
    story = beside_theirs() >> adopts("alice") >> after(1_000) >> reading("okx", orders=(theirs("-3", "-2"),))
    assert position_units(story.ledger, HERE) == Range(low=D(-13), high=D(-10)), "two may not have been told"
    story >> fill_of_theirs("-2") << holds(OKX, "-12")
    assert position_units(story.ledger, HERE) == Range(low=D(-13), high=D(-12))
    story >> fill_of_theirs("-1") >> reading("okx", orders=(theirs("-3", "-3"),))
    assert position_units(story.ledger, HERE) == Range.exactly(D(-13))


def test_an_adopted_order_of_which_a_fill_is_told_late_still_counts_at_all_that_works() -> None:
    """The reading before the adoption showed two of three as filled; their fill comes after it, and the third still works."""
    story = hedged("30") >> reading("okx", orders=(theirs("-3", "-2"),)) >> adopts("alice")
    assert position_units(story.ledger, HERE) == Range(low=D(-13), high=D(-10))
    story >> fill_of_theirs("-2") >> reading("okx", orders=(theirs("-3", "-2"),), ETH="-12")
    assert position_units(story.ledger, HERE) == Range(low=D(-13), high=D(-12))
    story >> fill_of_theirs("-1") << holds(OKX, "-13") << net_delta("ETH", "-3")


def test_of_an_adopted_order_no_less_counts_than_its_venue_says_that_it_leaves() -> None:
    story = beside_theirs() >> adopts("alice") >> fill_of_theirs("-3") >> reading("okx", orders=(theirs("-3", "-1"),))
    assert position_units(story.ledger, HERE) == Range(low=D(-15), high=D(-13))


@pytest.mark.parametrize(("amended", "low"), [("-5", "-15"), ("-1", "-11"), (None, None)])
def test_an_adopted_order_whose_quantity_is_amended_counts_with_it(amended: str | None, low: str | None) -> None:
    story = beside_theirs() >> adopts("alice") >> fill_of_theirs("-1") >> reading("okx", orders=(theirs(amended, "-1"),), ETH="-11")
    expected = None if low is None else Range(low=D(low), high=D(-11))
    assert position_units(story.ledger, HERE) == expected


def test_of_an_order_of_ours_that_is_found_late_all_may_still_be_told() -> None:
    story, order_id = after_a_takeover()
    story >> reading("okx", orders=(theirs("4", "3", client_order_id=order_id),)) << net_delta("ETH", "0", "4")
    story >> fill_of_theirs("3", client_order_id=order_id) << net_delta("ETH", "3", "4")


def test_an_adopted_order_stays_adopted_over_a_restart() -> None:
    story = beside_theirs() >> adopts("alice") >> after(1_000) >> started() >> collateral("ETH", "30")
    story >> reading("okx", orders=(theirs("-3"),))
    assert [o.taken_by for o in story.ledger.venues[VENUE].taken_orders] == ["alice"]
    story << net_delta("ETH", "-3", "0")


# Orders of an earlier run of ours that the journal does not have.


def after_a_takeover() -> tuple[Story, ClientOrderId]:
    """A run on the journal of another one, and the id of an order that one sent and could not write."""
    story = hedged("30")
    unwritten = ClientOrderId(f"{story.ledger.epoch}{story.ledger.order_number + 1:06d}")
    return story >> after(30_000) >> started() >> collateral("ETH", "30") >> after(1), unwritten


@pytest.mark.parametrize(
    ("order_id", "is_one"),
    [("e1000009", True), ("e1000001", False), ("e2000009", False), ("e9000009", False), ("bot-e1", False), ("", False), (None, False)],
)
def test_an_id_of_an_earlier_run_beyond_its_last_order_is_ours_and_not_journaled(order_id: str | None, *, is_one: bool) -> None:
    story, _ = after_a_takeover()
    assert story.ledger.epochs == {"e1": 3}
    assert is_unjournaled(story.ledger, None if order_id is None else ClientOrderId(order_id)) is is_one


def test_a_fill_of_an_order_that_the_journal_does_not_have_is_counted_under_a_cause_of_its_own() -> None:
    story, order_id = after_a_takeover()
    story >> fill_of_theirs("4", client_order_id=order_id) << holds(OKX, "-6") << state_is("reducing", "okx")
    story << says(f"unjournaled: +4 at 3100, by order {order_id} of an earlier run of ours, which the journal does not have")
    assert story.ledger.tallies.breaks_by_cause == {"unjournaled": 1}
    assert story.statement().unadopted == ()


def test_an_order_that_the_journal_does_not_have_counts_and_is_withdrawn() -> None:
    story, order_id = after_a_takeover()
    works = theirs("4", client_order_id=order_id, reduce_only=True)
    story >> reading("okx", orders=(works,)) << net_delta("ETH", "0", "4") << state_is("reducing", "okx")
    story << says(f"unjournaled: order {order_id} of an earlier run of ours works, and the journal does not have it: it is withdrawn")
    story >> confirmed() >> decision_due() << cancel(OKX)
    story.outbox.clear()
    story >> reading("okx", orders=(works,))
    assert story.ledger.tallies.breaks_by_cause == {"unjournaled": 1}, "told once"
    assert "foreign_order" not in story.ledger.tallies.breaks_by_cause
    story >> reading("okx") << net_delta("ETH", "0")


def test_an_order_of_ours_without_the_venues_id_is_withdrawn_by_ours() -> None:
    story, order_id = after_a_takeover()
    story >> reading("okx", orders=(theirs("4", venue_order_id=None, client_order_id=order_id),)) >> confirmed() >> decision_due()
    (command,) = (c for c in story.outbox if isinstance(c, CancelOrder))
    assert (command.client_order_id, command.venue_order_id, command.by_venue_id) == (order_id, None, False)
    story.outbox.clear()
    told_without_fills(story >> after(1)) << says("works, and the journal does not have it: it is withdrawn")
    assert story.ledger.live_taken_orders(HERE) == ()


def test_the_epochs_of_earlier_runs_are_bounded() -> None:
    story = hedged("30")
    for _ in range(120):
        story >> after(1) >> started()
    assert len(story.ledger.epochs) == 100
    assert story.epoch not in story.ledger.epochs
