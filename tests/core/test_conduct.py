"""Each sentence that must be true of a decision, broken on purpose."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core.commands import PlaceOrder, ReadVenue
from bot.core.conduct import broken
from bot.core.engine import step
from bot.core.events import DecisionDue, VenueLink
from bot.core.limits import Limit
from bot.core.policy import Policy
from bot.core.records import Dispute, Ledger, TradingState
from bot.core.trading import enter
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from tests.core import playbook
from tests.core.openings import hedged
from tests.core.playbook import collateral, decision_due, evenly
from tests.core.story import Story

D = Decimal
OKX_ETH = InstrumentId("okx:ETH")


def decided(quantity: str = "60") -> tuple[Story, Ledger, Ledger, list[PlaceOrder]]:
    """A hedged book that is told of a change of its collateral and decides: the story, the ledger before and after, the orders."""
    story = hedged("30") >> playbook.after(500) >> evenly(quantity)
    before = story.ledger
    story >> decision_due()
    orders = [c for c in story.outbox if isinstance(c, PlaceOrder)]
    assert orders
    return story, before, story.ledger, orders


def changed(orders: list[PlaceOrder], **fields: Any) -> list[PlaceOrder]:
    return [replace(orders[0], **fields), *orders[1:]]


def with_venue(ledger: Ledger, venue: str, **fields: Any) -> Ledger:
    return replace(ledger, venues={**ledger.venues, VenueId(venue): replace(ledger.venues[VenueId(venue)], **fields)})


def test_a_sound_decision_breaks_nothing() -> None:
    for quantity in ("60", "6"):
        story, before, after, orders = decided(quantity)
        assert broken(before, after, orders, story.policy, story.now) == ()


def test_a_decision_without_orders_is_not_judged() -> None:
    reading = ReadVenue(venue=VenueId("okx"), fills_since=0, reason="beat")
    assert broken(Ledger(), Ledger(stopping=True), [reading], Policy(), 0) == ()


def test_i11_an_order_while_the_instance_before_may_still_be_heard() -> None:
    story, before, after, orders = decided()
    since = story.now - before.started_at
    silent = replace(before, silent_ms=since + 1)
    assert broken(silent, after, orders, story.policy, story.now) == ("3 orders leave while the instance before may still be heard",)
    assert broken(replace(before, silent_ms=since), after, orders, story.policy, story.now) == ()


def test_i01_an_order_sent_twice_or_again_or_not_entered() -> None:
    story, before, after, orders = decided()
    twice = broken(before, after, [orders[0], *orders], story.policy, story.now)
    assert twice == (f"order {orders[0].client_order_id} is sent 2 times",)
    again = broken(after, after, orders, story.policy, story.now)
    assert f"order {orders[0].client_order_id} is sent again" in again
    wrong = broken(before, after, changed(orders, price=D(1)), story.policy, story.now)
    assert wrong == (f"order {orders[0].client_order_id} is not in the ledger as it is sent",)
    foreign = broken(before, after, changed(orders, client_order_id=ClientOrderId("zz1")), story.policy, story.now)
    assert foreign == (f"order zz1 is not of the epoch {after.epoch}", "order zz1 is not in the ledger as it is sent")


@pytest.mark.parametrize("fields", [{"stopping": True}, {"invariants_broken": ("two and two are five",)}])
def test_i10_a_halted_book_sends_nothing(fields: dict[str, Any]) -> None:
    story, before, after, orders = decided()
    assert broken(replace(before, **fields), after, orders, story.policy, story.now) == (
        f"{len(orders)} orders leave a book that is halted",
    )


def test_i09_the_orders_of_a_window_are_counted() -> None:
    story, before, after, orders = decided()
    venue = orders[0].instrument.partition(":")[0]
    narrow = replace(story.policy, order_rate_max=0)
    sent = sum(1 for o in after.orders.values() if o.instrument.startswith(venue) and story.now - o.placed_at < 10_000)
    assert f"{sent} orders to {venue} within 10000 ms, 0 are allowed" in broken(before, after, orders, narrow, story.now)


def test_i03_nothing_increases_where_nothing_is_certain() -> None:
    story, before, after, orders = decided()
    order = orders[0]
    venue, order_id = order.instrument.partition(":")[0], order.client_order_id
    unheard = f"order {order_id} increases at {venue}, which is not heard or not reconciled"
    for fields in ({"link": VenueLink.STALE}, {"reconciled": False}):
        assert broken(with_venue(before, venue, **fields), after, orders, story.policy, story.now) == (unheard,)
    position = replace(before.positions[order.instrument], dispute=Dispute(observed=D(1), readings=1, since=0))
    disputed = replace(before, positions={**before.positions, order.instrument: position})
    uncertain = f"order {order_id} increases a position of {order.instrument} that is not known for certain"
    assert broken(disputed, after, orders, story.policy, story.now) == (uncertain,)
    other = replace(after.orders[order_id], client_order_id=ClientOrderId("e0"))
    busy = replace(before, orders={**before.orders, other.client_order_id: other})
    assert broken(busy, after, orders, story.policy, story.now) == (
        f"order {order_id} increases {order.instrument}, which has an open order",
    )


def test_i05_a_reducing_order_reduces_and_says_so() -> None:
    story, before, after, orders = decided("6")
    order = orders[0]
    silent = replace(after, orders={**after.orders, order.client_order_id: replace(after.orders[order.client_order_id], reduce_only=False)})
    held = before.positions[order.instrument].quantity
    told = broken(before, silent, changed(orders, reduce_only=False), story.policy, story.now)
    assert told[0] == f"order {order.client_order_id} of {order.quantity:f} reduces {held:f} and does not say so"
    flat = replace(before, positions={**before.positions, order.instrument: replace(before.positions[order.instrument], quantity=D(0))})
    told = broken(flat, after, orders, story.policy, story.now)
    assert told == (f"order {order.client_order_id} of {order.quantity:f} does not reduce 0",)


def test_i04_an_increase_exceeds_no_cap() -> None:
    story, before, after, orders = decided()
    small = replace(story.policy, gross_notional_max=D(1_000))
    assert any("takes the gross notional to" in s for s in broken(before, after, orders, small, story.now))
    narrow = replace(story.policy, venue_share_max=D("0.05"))
    venue = orders[0].instrument.partition(":")[0]
    assert any(s.startswith(f"an increase takes {venue} to") for s in broken(before, after, orders, narrow, story.now))
    unknown = replace(after, sources_confirmed_at={})
    assert any(s.endswith("None are allowed") for s in broken(before, unknown, orders, story.policy, story.now))


def test_a_decision_that_breaks_one_sends_nothing_enters_nothing_and_halts_the_book() -> None:
    story = hedged("30") >> collateral("ETH", "60")
    repeating = replace(story.ledger, order_number=0)  # a mistake of ours: the next ids are those of orders that were sent before
    result = step(repeating, DecisionDue(at=story.now, quotes=story.quotes()), story.policy)
    assert result.commands == ()
    assert result.ledger.orders == repeating.orders
    assert result.ledger.invariants_broken[0].endswith("is sent again")
    assert result.ledger.notes[-1].sentence.startswith("HALTED: order ")


@pytest.mark.parametrize(
    ("venue", "state", "reduce_only", "words"),
    [
        (None, "halted", True, "leaves for okx, which is halted"),
        ("okx", "halted", True, "leaves for okx, which is halted"),
        ("okx", "reducing", False, "increases at okx, which is reducing"),
        ("okx", "reducing", True, None),
        (None, "reducing", False, None),
        ("bybit", "halted", False, None),
    ],
)
def test_i10_i03_a_state_holds_orders_back(venue: str | None, state: str, reduce_only: bool, words: str | None) -> None:
    story, before, after, orders = decided("6" if reduce_only else "60")
    order = next(o for o in orders if o.instrument == OKX_ETH)
    place = None if venue is None else VenueId(venue)
    held = enter(after, Limit.OPERATOR, story.now, "drill", venue=place, by="alice", state=TradingState(state))
    found = broken(before, held, [order], story.policy, story.now)
    assert found == (() if words is None else (f"order {order.client_order_id} {words}",))
