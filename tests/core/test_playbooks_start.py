"""Stories of a start: until every venue has agreed, or was left out, nothing is increased anywhere; reductions wait for nobody.

The language is in `playbook`.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import risk, working
from bot.core.band import Urgency
from bot.core.limits import Limit
from bot.core.order import OrderState
from bot.core.units import InstrumentId, VenueId
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.operators import quarantines
from tests.core.playbook import after, collateral, confirmed, decision_due, holds, link, nothing, reading, started
from tests.core.story import Story


def restarted(*read: str) -> Story:
    """A hedged book of 30 ETH after a restart in which only some venues were read."""
    story = hedged("30") >> started()
    for venue in read:
        story >> link(venue, "up")
    story >> decision_due()
    for venue in read:
        story >> reading(venue)
    return story


def placed(story: Story) -> dict[str, Decimal]:
    """What was ordered since the last look."""
    orders = {str(c.instrument): c.quantity for c in story.outbox if type(c).__name__ == "PlaceOrder"}
    story.outbox.clear()
    return orders


def test_nothing_is_increased_at_any_venue_before_every_venue_was_read() -> None:
    story = restarted("binance", "bybit") >> after(1_000) >> collateral("ETH", "33") >> decision_due() << nothing()
    (found,) = [b for b in risk.increase_breaches(story.ledger, story.policy, InstrumentId(BINANCE), story.now) if b.subject == "book"]
    assert found in story.statement().breaches
    assert found.limit is Limit.UNRECONCILED
    assert found.allowed == risk.AGREES_WITHIN_MS
    assert "okx" in str(found.detail)
    assert not story.statement().ready

    (
        story >> link("okx", "up") >> reading("okx", ETH="-13") >> after(500) >> reading("okx", ETH="-13") >> after(1_000) >> decision_due()
    )  # it was there already
    assert placed(story) == {}


@pytest.mark.parametrize(("reduce_only", "why"), [(False, "a start waits for every venue"), (True, None)])
def test_what_rests_at_another_venue_is_withdrawn_only_where_it_increases(reduce_only: bool, why: str | None) -> None:
    story = restarted("binance", "bybit")
    assert risk.venue_breaches(story.ledger, story.policy, VenueId("binance"), story.now) == ()
    left = next(o for o in story.ledger.orders.values() if o.instrument == BINANCE)
    quantity = Decimal(1 if reduce_only else -1)
    offered = replace(left, quantity=quantity, reduce_only=reduce_only, post_only=True, state=OrderState.WORKING)
    order = replace(offered, fills_filled=Decimal(0), reported_filled=Decimal(0), closed_at=None)
    course = working.Course(urgency=Urgency.DUE, is_gap=False, work={})
    assert working.reason_to_withdraw(story.ledger, story.policy, order, quantity, course, story.now) == why


def test_it_goes_on_as_soon_as_the_last_venue_agrees() -> None:
    story = restarted("binance", "bybit") >> after(1_000) >> collateral("ETH", "33") >> decision_due() << nothing()
    story >> link("okx", "up") >> reading("okx") >> after(500) >> reading("okx") >> confirmed() >> decision_due()
    assert story.statement().ready
    assert sum(placed(story).values()) == -3


def test_what_is_too_much_is_reduced_at_once() -> None:
    story = restarted("binance", "bybit") >> after(1_000) >> collateral("ETH", "21") >> decision_due()
    orders = placed(story)
    assert orders
    assert all(quantity > 0 for quantity in orders.values())


def test_a_venue_in_quarantine_is_not_waited_for() -> None:
    story = hedged("30") >> quarantines("ann", "okx") >> started()
    for venue in ("binance", "bybit"):
        story >> link(venue, "up")
    story >> decision_due()
    for venue in ("binance", "bybit"):
        story >> reading(venue)
    story >> after(1_000) >> collateral("ETH", "33") >> decision_due()
    assert sum(placed(story).values()) == -3
    assert story.statement().ready


def test_one_that_stays_silent_is_left_out_after_a_minute_and_the_others_hedge() -> None:
    story = restarted("binance", "bybit") >> collateral("ETH", "33")
    for _ in range(12):
        story >> after(4_900) >> reading("binance") >> reading("bybit") >> collateral("ETH", "33") >> decision_due() << nothing()
    story >> after(2_000) >> reading("binance") >> reading("bybit") >> collateral("ETH", "33") >> decision_due()
    orders = placed(story)
    assert sum(orders.values()) == -3
    assert OKX not in orders
    assert not story.statement().ready  # it is still missed


def test_later_on_a_venue_that_falls_silent_stops_nobody_else() -> None:
    story = restarted("binance", "bybit", "okx") << nothing()
    story >> link("okx", "down") >> collateral("ETH", "33") >> decision_due()
    assert set(placed(story)) <= {BINANCE, BYBIT}
    story << holds(OKX, "-10")
