"""After orders that came to nothing an instrument rests; what refused increases is still reduced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import risk, target
from bot.core.limits import Effect, Limit
from bot.core.order import OrderState
from bot.core.standing import breaches
from bot.core.target import Grade
from tests.core.openings import slot_at
from tests.core.test_risk import OKX, D, desk, past_order


@pytest.mark.parametrize(("reduces", "rests"), [(False, False), (True, True)])
def test_s16_refused_increases_rest_increases_and_only_refused_reductions_rest_reductions(reduces: bool, rests: bool) -> None:
    failed = replace(past_order(OrderState.REFUSED, ago_ms=500), reduce_only=reduces)
    one = desk().orders(failed)
    added, taken = one.breach(), replace(one, quantity=D(1)).breach()
    assert added is not None
    assert added.limit is Limit.REPEATED_ORDER
    assert (taken is not None) is rests
    assert taken is None or taken.limit is Limit.REPEATED_ORDER
    slot = slot_at(one.ledger, one.policy, one.now, OKX)
    told = [b for p in target.plan_book(one.ledger, one.policy, one.now) for b in p.blocked if b.subject == OKX]
    assert (slot is None) is rests
    assert slot is None or (slot.grade, slot.most, slot.binding) == (Grade.HOLD, slot.short, Limit.REPEATED_ORDER)
    assert [b.limit for b in told] == [Limit.REPEATED_ORDER]
    assert [b.limit for b in breaches(one.ledger, one.policy, one.now) if b.subject == OKX] == [Limit.REPEATED_ORDER]


def test_an_increase_refused_after_a_reduction_that_filled_rests_no_reduction() -> None:
    one = desk().orders(
        replace(past_order(OrderState.REFUSED, ago_ms=900), reduce_only=True),
        replace(past_order(OrderState.FILLED, ago_ms=800), reduce_only=True, fills_filled=D(1)),
        past_order(OrderState.REFUSED, ago_ms=500),
    )
    assert risk.rest_breach(one.ledger, one.policy, OKX, one.now, reductions=True) is None
    assert risk.rest_breach(one.ledger, one.policy, OKX, one.now) is not None


REST_MS = desk().policy.deleveraging_rest_ms


@pytest.mark.parametrize(("ago_ms", "left"), [(0, REST_MS), (REST_MS - 1, 1), (REST_MS, None)])
def test_where_the_venue_deleveraged_is_told_to_be_a_last_resort_until_it_rested(ago_ms: int, left: int | None) -> None:
    one = desk()
    taken = replace(one.ledger.positions[OKX], deleveraged_at=one.now - ago_ms)
    ledger = replace(one.ledger, positions={**one.ledger.positions, OKX: taken})
    found = risk.last_resort_breach(ledger, one.policy, OKX, one.now)
    told = [b for b in breaches(ledger, one.policy, one.now) if b.limit is Limit.REST]
    assert told == ([] if found is None else [found])
    assert (found.observed if found else None) == left
    assert found is None or (found.effect, found.detail) == (Effect.TELLS, "a last resort: deleveraged, ms left")


@pytest.mark.parametrize(("refused", "is_last"), [(1, False), (2, True)])
def test_an_instrument_whose_orders_come_to_nothing_again_is_told_to_be_a_last_resort(refused: int, is_last: bool) -> None:
    one = desk().orders(*(past_order(OrderState.REFUSED, ago_ms=900 - n) for n in range(refused)))
    found = risk.last_resort_breach(one.ledger, one.policy, OKX, one.now)
    assert risk.keeps_failing(one.ledger, one.policy, OKX, one.now) is is_last
    assert (found is not None) is is_last
    assert found is None or (found.subject, found.effect) == (OKX, Effect.TELLS)
    assert found is None or found.sentence().startswith("rest on okx:ETH: ")
