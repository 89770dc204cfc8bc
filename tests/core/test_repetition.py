"""C13: executions again and again without a change of the target halt the venue until a named person resumes it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core import trading
from bot.core.limits import Limit
from bot.core.order import Order, OrderState
from bot.core.records import Executions
from bot.core.repetition import executed, moved_otherwise, repetition_breach, retargeted
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import after, confirmed, decision_due, evenly, filled, holds, place, reading, says, venue_acts
from tests.core.story import Story

D = Decimal


def an_order() -> Order:
    return hedged("30").order(OKX)


def fresh(needed: str) -> Executions:
    return Executions(target=D(-10), needed=D(needed))


def run(record: Executions | None, *quantities: str) -> Executions:
    order = replace(an_order(), reported_filled=D(0), fills_filled=D(0))
    for quantity in quantities:
        record = executed(record, order, D(quantity))
    assert record is not None
    return record


def test_slices_of_one_change_are_not_repeated_however_many_they_are() -> None:
    assert run(fresh("10"), *["-1"] * 10).count == 0


def test_what_executes_after_the_target_is_reached_is_repeated() -> None:
    assert run(fresh("10"), "-10", "-1", "-1").count == 2
    assert run(None, "-1").count == 1  # nobody ever wanted it


def test_a_change_of_side_is_repeated() -> None:
    assert run(fresh("10"), "-2", "2", "-2", "2").count == 3


def test_one_order_is_one_execution_in_however_many_fills() -> None:
    partly = replace(an_order(), reported_filled=D(-1), fills_filled=D(0))
    assert executed(executed(fresh("0"), replace(partly, reported_filled=D(0), fills_filled=D(0)), D(-1)), partly, D(-1)).count == 1


def test_a_real_change_of_target_begins_anew_and_a_small_one_does_not() -> None:
    before = run(fresh("1"), "-1", "-1")
    assert before.count == 1
    assert retargeted(before, D("-10.009"), D("-0.009"), D("0.01")) is before
    assert retargeted(before, D("-10.01"), D("-0.01"), D("0.01")) == Executions(target=D("-10.01"), needed=D("0.01"))
    assert retargeted(None, D(-3), D(-3), D(1)) == Executions(target=D(-3), needed=D(3))


def test_c13_repeated_executions_halt_the_venue_until_a_named_person_resumes_it() -> None:
    story = hedged("30", repeated_executions_max=2)
    for _ in range(2):
        story.feed(ev.FillReported(at=story.now, fill=_ours(story)))
    assert trading.state_of(story.ledger, VenueId("okx")).value == "halted"
    story << says("repeated_execution")
    assert repetition_breach(story.ledger, story.policy, InstrumentId(OKX)) is None  # the venue's state says it now
    story >> after(60_000 * 60) >> confirmed() >> decision_due()
    assert trading.state_of(story.ledger, VenueId("okx")).value == "halted"
    story.outbox.clear()
    story.feed(ev.OperatorActed(at=story.now, action=ev.OperatorAction.RESUME, by="alice", why="looked at it", venue=VenueId("okx")))
    assert trading.state_of(story.ledger, VenueId("okx")).value == "active"


def resumed(story: Story, venue: str | None) -> Story:
    place_of = None if venue is None else VenueId(venue)
    story.feed(ev.OperatorActed(at=story.now, action=ev.OperatorAction.RESUME, by="alice", why="looked at it", venue=place_of))
    return story


@pytest.mark.parametrize("venue", ["okx", None])
def test_c13_a_resume_by_name_begins_the_count_anew(venue: str | None) -> None:
    story = hedged("30", repeated_executions_max=2)
    story.feed(ev.FillReported(at=story.now, fill=_ours(story)))
    assert story.ledger.executions[InstrumentId(OKX)].count == 1
    others = dict(story.ledger.executions)
    resumed(story, venue)
    assert InstrumentId(OKX) not in story.ledger.executions
    assert (InstrumentId(BYBIT) in story.ledger.executions) is (venue is not None), "a venue's counts end with its own name, or the book's"
    story >> decision_due()
    assert story.ledger.executions[InstrumentId(OKX)].count == 0
    assert story.ledger.executions.keys() == others.keys()


def test_c13_resume_of_another_venue_leaves_the_count() -> None:
    story = hedged("30", repeated_executions_max=2)
    story.feed(ev.FillReported(at=story.now, fill=_ours(story)))
    assert resumed(story, "bybit").ledger.executions[InstrumentId(OKX)].count == 1


def test_what_others_took_may_be_executed_again_without_counting() -> None:
    assert run(moved_otherwise(run(fresh("10"), "-10"), D(6)), "-3", "-3").count == 0
    assert run(moved_otherwise(run(fresh("10"), "-10"), D(6)), "-3", "-3", "-1").count == 1
    assert moved_otherwise(None, D(6)) is None


@pytest.mark.parametrize("is_told", [True, False])
def test_a_deleveraged_hedge_is_built_again_in_slices_and_halts_nothing(is_told: bool) -> None:
    """The target stays, so the slices that lead back to it are needed: they are no loop, and a halt would keep the hedge away."""
    story = hedged("30", repeated_executions_max=2)
    if is_told:
        story >> venue_acts(OKX, "8")
    else:
        story >> after(60_000) >> reading("okx", ETH="-2") >> after(10_000) >> reading("okx", ETH="-2")
    story << holds(OKX, "-2")
    for _ in range(4):
        story.feed(ev.FillReported(at=story.now, fill=_ours(story, "-2")))
    story << holds(OKX, "-10")
    assert Limit.REPEATED_EXECUTION not in {r.cause for r in story.ledger.states}


def _ours(story: Story, quantity: str | None = None) -> ev.FillReport:
    """A fill of a new order of ours that nobody needed: the loop that C13 stops."""
    number = len(story.ledger.orders)
    order = replace(
        story.order(OKX), client_order_id=ClientOrderId(f"e1x{number}"), reported_filled=D(0), fills_filled=D(0), venue_order_id=None
    )
    if quantity is not None:
        fresh_at = {"placed_at": story.now, "expires_at": story.now + 5_000, "closed_at": None, "state": OrderState.WORKING}
        order = replace(order, quantity=D(quantity), **fresh_at)
    story.ledger = replace(story.ledger, orders={**story.ledger.orders, order.client_order_id: order})
    return ev.FillReport(
        instrument=order.instrument,
        fill_id=f"r{number}",
        client_order_id=order.client_order_id,
        venue_order_id=None,
        quantity=order.quantity,
        price=D(3_000),
        fee=None,
        fee_asset=None,
        kind=ev.FillKind.TRADE,
        venue_at=story.now,
    )


def test_c13_a_hedge_counts_no_repetition_while_its_target_moves() -> None:
    story = hedged("30", repeated_executions_max=2)
    for quantity in ("33", "36", "39", "42"):
        story >> after(1_000) >> confirmed() >> evenly(quantity) >> decision_due()
        for instrument in (OKX, BYBIT, BINANCE):
            story << place(instrument, "-1")
        story >> filled(OKX, BYBIT, BINANCE)
    assert {r.count for r in story.ledger.executions.values()} == {0}
    assert Limit.REPEATED_EXECUTION not in {r.cause for r in story.ledger.states}
