"""The life of an order: the whole table by hand, and every order in which news can come."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.events import VenueOrderStatus
from bot.core.order import (
    OVER_AFTER_MS,
    Order,
    OrderState,
    Trigger,
    absence_is_proven,
    advance,
    is_of,
    spent,
    trigger_of,
    with_fill,
    with_report,
)
from bot.core.units import ClientOrderId, InstrumentId, Range

D = Decimal
STATUS = VenueOrderStatus
EXPECTED = """
             accepted  completed ended     ended_untold rejected refused  unanswered cancel_unconfirmed restarted proven_absent
pending_new  working   filled    canceled  in_doubt     refused  refused  in_doubt   pending_new        in_doubt  in_doubt
working      working   filled    canceled  in_doubt     refused  in_doubt working    in_doubt           in_doubt  in_doubt
in_doubt     working   filled    canceled  in_doubt     refused  in_doubt in_doubt   in_doubt           in_doubt  absent
filled       filled    filled    filled    filled       in_doubt in_doubt filled     filled             filled    in_doubt
canceled     canceled  filled    canceled  canceled     in_doubt in_doubt canceled   canceled           canceled  in_doubt
refused      in_doubt  filled    refused   in_doubt     refused  refused  refused    refused            refused   in_doubt
absent       in_doubt  filled    in_doubt  in_doubt     in_doubt in_doubt absent     absent             absent    absent
"""
ROWS = [line.split() for line in EXPECTED.strip().splitlines()]
CASES = [(row[0], trigger, state) for row in ROWS[1:] for trigger, state in zip(ROWS[0], row[1:], strict=True)]


def order(state: OrderState = OrderState.PENDING_NEW, quantity: str = "-10", **changes: object) -> Order:
    closed_at = None if state.is_open else 500
    plain = Order(
        client_order_id=ClientOrderId("e1000001"),
        instrument=InstrumentId("okx:ETH"),
        quantity=D(quantity),
        price=D(3000),
        reduce_only=False,
        placed_at=0,
        expires_at=5_000,
        arrival_mid=D(3000),
        reason="test",
        state=state,
        closed_at=closed_at,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def test_the_table_speaks_of_every_pair() -> None:
    assert {(s, t) for s, t, _ in CASES} == {(s.value, t.value) for s in OrderState for t in Trigger}


@pytest.mark.parametrize(("state", "trigger", "expected"), CASES)
def test_every_state_meets_every_trigger(state: str, trigger: str, expected: str) -> None:
    after = advance(order(OrderState(state)), Trigger(trigger), 900)
    assert after.state.value == expected
    if after.state.is_open:
        assert after.closed_at == order(OrderState(state)).closed_at  # a reopened one keeps its first end
    else:
        assert after.closed_at == (500 if not OrderState(state).is_open else 900)
    if after.state is OrderState.IN_DOUBT and state != "in_doubt":
        assert after.doubted_at == 900


def test_a_doubt_keeps_the_instant_it_began() -> None:
    doubted = advance(order(), Trigger.UNANSWERED, 100)
    assert advance(doubted, Trigger.RESTARTED, 900) is doubted
    assert advance(doubted, Trigger.ACCEPTED, 900).doubted_at is None


@pytest.mark.parametrize(
    ("status", "told", "complete", "trigger"),
    [
        (STATUS.ACCEPTED, True, False, Trigger.ACCEPTED),
        (STATUS.ACCEPTED, True, True, Trigger.COMPLETED),
        (STATUS.FILLED, False, False, Trigger.COMPLETED),
        (STATUS.CANCELED, True, False, Trigger.ENDED),
        (STATUS.CANCELED, False, False, Trigger.ENDED_UNTOLD),
        (STATUS.CANCELED, True, True, Trigger.COMPLETED),
        (STATUS.REJECTED, False, False, Trigger.REJECTED),
    ],
)
def test_what_a_status_means(status: VenueOrderStatus, told: bool, complete: bool, trigger: Trigger) -> None:
    assert trigger_of(status, told_filled=told, complete=complete) is trigger


def test_what_it_may_still_fill() -> None:
    selling = with_fill(order(OrderState.WORKING), D(-4), None, 100)
    assert (selling.filled, selling.leaves, selling.may_fill) == (D(-4), D(-6), Range(D(-6), D(0)))
    buying = order(OrderState.IN_DOUBT, quantity="3")
    assert buying.may_fill == Range(D(0), D(3))
    assert order(OrderState.CANCELED).may_fill == Range.exactly(D(0))


def test_reports_and_fills_are_two_accounts_of_one_thing() -> None:
    told = with_report(order(), STATUS.ACCEPTED, D(-7), "v1", 100)
    assert (told.filled, told.venue_order_id) == (D(-7), "v1")
    assert with_fill(told, D(-4), None, 100).filled == D(-7)
    assert with_report(told, STATUS.ACCEPTED, D(-3), None, 100).filled == D(-7)  # an older report shrinks nothing
    assert with_report(told, STATUS.ACCEPTED, D(-3), None, 100).venue_order_id == "v1"
    assert with_report(order(), STATUS.FILLED, None, None, 100).filled == D(-10)


def test_a_refused_order_that_filled_is_a_contradiction() -> None:
    partly = with_fill(order(), D(-4), None, 100)
    assert advance(partly, Trigger.REFUSED, 200).state is OrderState.IN_DOUBT
    for state in (OrderState.REFUSED, OrderState.ABSENT):
        late = with_fill(order(state), D(-4), None, 700)
        assert (late.state, late.closed_at, late.doubted_at) == (OrderState.IN_DOUBT, 500, 700)
        assert with_fill(late, D(-6), None, 800).state is OrderState.FILLED
    assert with_fill(order(OrderState.CANCELED), D(-4), None, 700).state is OrderState.CANCELED


NEWS = {
    "ack": lambda o: with_report(o, STATUS.ACCEPTED, D(0), "v1", 100),
    "fill": lambda o: with_fill(o, D(-4), "v1", 100),
    "cancel-ack": lambda o: with_report(o, STATUS.CANCELED, D(-4), "v1", 100),
    "cancel-reject": lambda o: advance(o, Trigger.CANCEL_UNCONFIRMED, 100),
    "report": lambda o: with_report(o, STATUS.ACCEPTED, D(-4), "v1", 100),
    "unanswered": lambda o: advance(o, Trigger.UNANSWERED, 100),
}


def test_s28_f16_f24_in_whatever_order_news_comes_the_end_is_the_same() -> None:
    for sequence in permutations(NEWS):
        last = order()
        for name in sequence:
            before = last.filled
            last = NEWS[name](last)
            assert abs(last.filled) >= abs(before), sequence
        assert (last.state, last.filled, last.leaves) == (OrderState.CANCELED, D(-4), D(0)), sequence


@given(st.permutations(["fill -4", "fill -6", "filled", "ack", "partial", "filled"]))
def test_s28_a_full_execution_is_filled_in_whatever_order_it_is_told(sequence: list[str]) -> None:
    last = order()
    for name in sequence:
        if name.startswith("fill "):
            last = with_fill(last, D(name.removeprefix("fill ")), "v1", 100)
        elif name == "filled":
            last = with_report(last, STATUS.FILLED, D(-10), "v1", 100)
        else:
            last = with_report(last, STATUS.ACCEPTED, D(0) if name == "ack" else D(-4), "v1", 100)
    assert (last.state, last.filled) == (OrderState.FILLED, D(-10))


@given(st.lists(st.sampled_from(list(Trigger)), max_size=6))
def test_no_sequence_of_triggers_raises_or_moves_what_is_filled(triggers: list[Trigger]) -> None:
    last = with_fill(order(), D(-4), None, 1)
    for trigger in triggers:
        last = advance(last, trigger, 100)
        assert last.filled == D(-4)


@pytest.mark.parametrize(
    ("clock", "offset", "filled", "proven"),
    [
        (6_001, 0, 0, True),
        (6_000, 0, 0, False),
        (6_100, -100, 0, False),
        (6_101, -100, 0, True),
        (8_000, 0, -1, False),
        (8_001, 0, -1, True),
    ],
)
def test_f02_f03_absence_needs_the_venues_own_clock_past_expiry_offset_and_margin(
    clock: int, offset: int, filled: int, proven: bool
) -> None:
    doubted = order(OrderState.IN_DOUBT, fills_filled=D(filled))
    assert absence_is_proven(doubted, clock, offset, 1_000) is proven


@pytest.mark.parametrize(("clock", "proven"), [(6_400, False), (6_401, True)])
@pytest.mark.parametrize(("at_placing", "now"), [(-400, 0), (400, 0), (-400, 30), (10, -400)])
def test_the_widest_offset_measured_counts_not_the_newest(at_placing: int, now: int, clock: int, proven: bool) -> None:
    doubted = order(OrderState.IN_DOUBT, clock_offset_ms=at_placing)
    assert absence_is_proven(doubted, clock, now, 1_000) is proven


def test_an_order_in_doubt_is_spent_once_its_venue_does_not_find_it_after_its_time() -> None:
    doubted = order(OrderState.IN_DOUBT, doubted_at=100)
    assert spent(doubted, 6_000, 0, 1_000, 6_050) is doubted
    over = spent(doubted, 6_001, 0, 1_000, 6_050)
    assert (over.is_spent, over.spent_at, over.may_fill) == (True, 6_050, Range(D(-10), D(0)))  # how much of it filled nobody knows
    assert spent(over, 9_000, 0, 1_000, 9_050) is over
    assert not any(spent(order(s), 10**9, 0, 1_000, 10**9).is_spent for s in OrderState if s is not OrderState.IN_DOUBT)


def test_a_spent_order_stays_so_until_its_venue_says_otherwise() -> None:
    over = spent(order(OrderState.IN_DOUBT, doubted_at=100), 6_001, 0, 1_000, 6_050)
    assert advance(over, Trigger.RESTARTED, 7_000).is_spent
    assert with_fill(over, D(-3), None, 7_000).is_spent
    ended = advance(over, Trigger.PROVEN_ABSENT, 7_000)
    assert (ended.is_spent, ended.spent_at, ended.closed_at) == (False, None, 7_000)
    works = advance(over, Trigger.ACCEPTED, 7_000)
    assert (works.state, works.spent_at, works.closed_at) == (OrderState.WORKING, None, 6_050)  # the venue reopened it
    assert not advance(works, Trigger.RESTARTED, 8_000).is_spent


def test_when_it_must_be_over() -> None:
    assert order().over_at == 5_000 + OVER_AFTER_MS


@pytest.mark.parametrize(("ours", "theirs", "same"), [("1", "1", True), ("1", "2", False), (None, "2", True), ("1", None, True)])
def test_s29_a_second_order_of_the_venue_under_our_id_is_not_ours(ours: str | None, theirs: str | None, same: bool) -> None:
    one = order(venue_order_id=ours)
    assert is_of(one, theirs) is same
    told = with_report(one, VenueOrderStatus.ACCEPTED, None, theirs, 1)
    assert told.venue_order_id == with_fill(one, D(-1), theirs, 1).venue_order_id == (ours or theirs)  # the first stays


def test_an_order_that_rests_is_over_when_its_end_was_told_or_nobody_knows_it_any_more() -> None:
    rests = order(OrderState.WORKING, post_only=True)
    assert rests.is_resting
    assert not order(OrderState.WORKING).is_resting
    for state in (OrderState.PENDING_NEW, OrderState.WORKING):
        assert order(state, post_only=True).over_at is None
        assert not order(state, post_only=True).is_over_by(10**9)
    doubted = advance(rests, Trigger.CANCEL_UNCONFIRMED, 60_000)
    assert (doubted.state, doubted.is_resting, doubted.over_at) == (OrderState.IN_DOUBT, False, 60_000 + OVER_AFTER_MS)
    assert (doubted.is_over_by(61_999), doubted.is_over_by(62_000)) == (False, True)
    early = advance(order(post_only=True), Trigger.UNANSWERED, 100)
    assert early.over_at == order().over_at  # it may arrive until its request expires
    assert order(OrderState.CANCELED, post_only=True).over_at == 500
    assert replace(doubted, doubted_at=None).over_at == order().over_at


def test_absence_of_an_order_that_rested_needs_the_venues_clock_past_the_doubt() -> None:
    doubted = advance(order(OrderState.WORKING, post_only=True), Trigger.CANCEL_UNCONFIRMED, 60_000)
    assert not absence_is_proven(doubted, 63_000, 0, 1_000)
    assert absence_is_proven(doubted, 63_001, 0, 1_000)
    assert not absence_is_proven(order(OrderState.WORKING, post_only=True), 10**9, 0, 1_000)
