"""What was sent within the window: every order at once, cancels and questions beside them, and a part kept for those."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import gate, traffic
from bot.core.commands import CancelOrder, LookUpOrder, ReadVenue
from bot.core.drafting import draft
from bot.core.limits import Breach, Limit
from bot.core.order import Order, OrderState
from bot.core.records import Ledger, Messages
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from tests.core.openings import BYBIT, OKX, hedged
from tests.core.playbook import after, confirmed, decision_due, evenly, filled, outcome_unknown, place
from tests.core.story import Story

D = Decimal
VENUE = VenueId("okx")


def order_at(story: Story, quantity: str = "-1") -> Order:
    order, _ = draft(story.ledger, story.policy, InstrumentId(OKX), D(quantity), story.now, "test")
    assert order is not None
    return order


def breach(story: Story, quantity: str = "-1", ledger: Ledger | None = None, now: int | None = None) -> Breach | None:
    return gate.order_breach(ledger or story.ledger, story.policy, order_at(story, quantity), now or story.now)


def with_messages(story: Story, count: int, ago_ms: int = 0) -> Ledger:
    record = replace(story.ledger.venues[VENUE], messages=(Messages(at=story.now - ago_ms, count=count),))
    return replace(story.ledger, venues={**story.ledger.venues, VENUE: record})


def test_c12_the_value_of_orders_in_the_window_is_bounded_and_reductions_pass() -> None:
    story = hedged("30", notional_rate_max=D(32_949))  # ten sold at 2,995.41 a moment ago
    found = breach(story)
    assert found is not None
    assert (found.limit, found.subject, found.observed, found.allowed) == (Limit.NOTIONAL_RATE, "okx", 11 * D("2995.41"), D(32_949))
    assert breach(hedged("30", notional_rate_max=11 * D("2995.41"))) is None
    assert breach(story, "1") is None
    assert traffic.notional_in_window(story.ledger, story.policy, VENUE, story.now) == 10 * D("2995.41")
    assert traffic.notional_in_window(story.ledger, story.policy, VENUE, story.now + 10_000) == 0


def test_c15_an_order_counts_before_its_answer_and_whatever_became_of_it() -> None:
    story = hedged("30") >> after(10_000) >> confirmed() >> evenly("60") >> decision_due()
    story << place(OKX, "-10") << place(BYBIT, "-10") << place("binance:ETH", "-10")
    assert traffic.orders_in_window(story.ledger, story.policy, VENUE, story.now) == 1
    story >> outcome_unknown(OKX)
    assert traffic.orders_in_window(story.ledger, story.policy, VENUE, story.now) == 1
    assert traffic.notional_in_window(story.ledger, story.policy, VENUE, story.now) > 0


@pytest.mark.parametrize(("count", "allowed"), [(149, None), (150, D(150))])
def test_c11_i09_increases_stop_before_the_messages_are_used_up(count: int, allowed: Decimal | None) -> None:
    """200 messages, of which increases may fill 150: one was an order, and this one is the next."""
    story = hedged("30")
    ledger = with_messages(story, count - 1)
    found = breach(story, ledger=ledger)
    assert (None if found is None else (found.limit, found.observed, found.allowed)) == (
        None if allowed is None else (Limit.MESSAGE_RATE, allowed + 1, allowed)
    )
    assert breach(story, "1", ledger) is None
    assert breach(story, ledger=with_messages(story, 1_000, ago_ms=10_000)) is None
    assert breach(story, ledger=with_messages(story, 1_000, ago_ms=-9_999)) is not None  # our clock stepped back: it was sent


def test_c11_cancels_questions_and_readings_count_and_always_pass() -> None:
    story = hedged("30")
    order = story.order(OKX)
    asked = LookUpOrder(client_order_id=order.client_order_id, instrument=order.instrument, venue_order_id=None, placed_at=order.placed_at)
    cancel = CancelOrder(client_order_id=order.client_order_id, instrument=order.instrument, venue_order_id=None)
    read = ReadVenue(venue=VENUE, fills_since=0, reason="beat")
    empty = with_messages(story, 0, ago_ms=10_000)
    counted = traffic.counted(empty, story.policy, (asked, cancel, read), story.now)
    assert counted.venues[VENUE].messages == (Messages(at=story.now, count=7),)
    again = traffic.counted(counted, story.policy, (cancel,), story.now + 1)
    assert again.venues[VENUE].messages == (Messages(at=story.now + 1, count=8),)
    later = traffic.counted(again, story.policy, (cancel,), story.now + 5_000)
    assert [m.count for m in later.venues[VENUE].messages] == [8, 1]
    assert traffic.counted(later, story.policy, (), story.now) is later
    assert traffic.messages_in_window(later, story.policy, VENUE, story.now + 5_000) == 10  # and the order
    assert traffic.messages_in_window(later, story.policy, VenueId("nowhere"), story.now) == 0


def test_c11_what_a_decision_asks_is_counted_while_a_doubt_lasts() -> None:
    story = hedged("30") >> after(500) >> evenly("33") >> decision_due()
    story << place(OKX, "-1") << place(BYBIT, "-1") << place("binance:ETH", "-1") >> filled(BYBIT, "binance:ETH") >> outcome_unknown(OKX)
    before = traffic.messages_in_window(story.ledger, story.policy, VENUE, story.now)
    story >> decision_due()
    assert traffic.messages_in_window(story.ledger, story.policy, VENUE, story.now) > before
    story.outbox.clear()


@pytest.mark.parametrize(("ago_ms", "refused"), [(499, True), (500, False)])
def test_c07_the_same_order_again_within_the_window_is_a_duplicate(ago_ms: int, refused: bool) -> None:
    story = hedged("30")
    order = replace(
        order_at(story), client_order_id=ClientOrderId("x1"), state=OrderState.FILLED, closed_at=story.now, reported_filled=D(-1)
    )
    ledger = replace(story.ledger, orders={**story.ledger.orders, order.client_order_id: replace(order, placed_at=story.now - ago_ms)})
    found = breach(story, ledger=ledger)
    assert (found is not None) is refused
    if found is not None:
        assert (found.limit, found.subject, found.observed, found.allowed) == (Limit.DUPLICATE_ORDER, OKX, D(499), D(500))
    other = replace(order, price=order.price + 1)
    assert gate.order_breach(ledger, story.policy, other, story.now) is None
    assert gate.order_breach(ledger, story.policy, replace(order, quantity=D(-2)), story.now) is None


@pytest.mark.parametrize(("ahead_ms", "counts"), [(9_999, True), (10_000, False), (3_600_000, False)])
def test_a_clock_that_stepped_far_back_does_not_use_up_the_orders_for_as_long(ahead_ms: int, counts: bool) -> None:
    story = hedged("30")
    now = story.order(OKX).placed_at - ahead_ms
    assert (traffic.orders_in_window(story.ledger, story.policy, VENUE, now) == 1) is counts
    assert (traffic.notional_in_window(story.ledger, story.policy, VENUE, now) > 0) is counts


@pytest.mark.parametrize(("ahead_ms", "refused"), [(499, True), (500, False)])
def test_c07_a_twin_from_before_the_clock_stepped_far_back_is_no_duplicate(ahead_ms: int, refused: bool) -> None:
    story = hedged("30")
    twin = replace(story.order(OKX), client_order_id=ClientOrderId("x1"))
    found = traffic.duplicate_breach(story.ledger, story.policy, twin, twin.placed_at - ahead_ms)
    assert (found is not None) is refused


def test_a_part_of_a_budget_is_never_nothing() -> None:
    assert [traffic.part_for_increases(n) for n in (1, 2, 4, 60)] == [1, 1, 3, 45]


def test_what_is_not_listed_any_more_is_valued_as_linear() -> None:
    story = hedged("30")
    assert traffic.value_of(replace(story.ledger, instruments={}), story.order(OKX), D(2)) == 20
