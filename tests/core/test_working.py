"""How orders are worked: what was done so far, in which manner the next one goes, and what may not rest any longer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import working
from bot.core.band import Urgency
from bot.core.order import Order, OrderState
from bot.core.policy import Policy
from bot.core.records import Dispute, Ledger
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from bot.core.working import Course, Style, Work
from tests.core.openings import BINANCE, OKX, hedged
from tests.core.story import quote_of

D = Decimal
HERE, THERE = InstrumentId(OKX), InstrumentId(BINANCE)
S = OrderState
NOW = 1_000_000


def order(number: int, placed_at: int, state: OrderState = S.CANCELED, **changes: Any) -> Order:
    """A post-only sale of 1 at OKX that ended 100 ms after it was placed, unless told otherwise."""
    plain = Order(
        client_order_id=ClientOrderId(f"e{number}"),
        instrument=HERE,
        quantity=D(-1),
        price=D(3000),
        reduce_only=False,
        placed_at=placed_at,
        expires_at=placed_at + 5_000,
        arrival_mid=None,
        reason="",
        post_only=True,
        state=state,
        closed_at=None if state.is_open else placed_at + 100,
    )
    return replace(plain, **changes)


def course(*orders: Order, policy: Policy | None = None, is_gap: bool = True, urgency: Urgency = Urgency.DUE) -> Course:
    """The course of sales at OKX and Binance after these orders."""
    ledger = Ledger(orders={o.client_order_id: o for o in orders})
    return working.course_of(ledger, policy or Policy(), (HERE, THERE), urgency, NOW, selling=True, is_gap=is_gap)


@pytest.mark.parametrize(
    ("orders", "since", "attempts", "taken"),
    [
        ([], None, 0, False),
        ([order(1, NOW - 3_000)], NOW - 3_000, 1, False),
        ([order(1, NOW - 5_000), order(2, NOW - 3_000, S.REFUSED)], NOW - 5_000, 2, False),
        ([order(1, NOW - 3_000, S.WORKING)], NOW - 3_000, 1, False),
        ([order(1, NOW - 3_000, quantity=D(1))], None, 0, False),  # the other side
        ([order(1, NOW - 3_000, instrument=InstrumentId("bybit:BTC"))], None, 0, False),
        ([order(1, NOW - 12_000), order(2, NOW - 1_000)], NOW - 1_000, 1, False),  # a pause as long as the deadline
        ([order(1, NOW - 11_000)], None, 0, False),
        ([order(1, NOW - 31_000, closed_at=NOW - 1)], None, 0, False),  # too long ago to be looked at
        ([order(1, NOW - 3_000, post_only=False)], NOW - 3_000, 0, True),
        ([order(1, NOW - 3_000, S.FILLED, post_only=False)], None, 0, False),  # an IOC that took all of it ends the work
        ([order(1, NOW - 5_000, post_only=False), order(2, NOW - 3_000)], NOW - 5_000, 1, False),
        ([order(1, NOW - 1_000, S.FILLED, post_only=False)], None, 0, False),  # an urgent gap, closed at once
        (  # slices of a gap whose passive work used up its time
            [
                order(1, NOW - 12_000, closed_at=NOW - 2_000),
                *(order(n, NOW - at, S.FILLED, post_only=False) for n, at in ((2, 1_500), (3, 900))),
            ],
            NOW - 12_000,
            1,
            False,
        ),
        ([order(1, NOW - 90_000, S.WORKING)], NOW - 90_000, 1, False),  # it rests: a stop, or a clock's step, was in between
    ],
)
def test_what_was_done_so_far(orders: list[Order], since: int | None, attempts: int, taken: bool) -> None:
    found = course(*orders)
    assert found.since == since
    assert found.work.get(HERE, Work()) == Work(since=since, attempts=attempts, taken=taken)
    assert course(order(9, NOW - 31_000), *orders).work == found.work


def test_the_time_of_a_gap_runs_until_it_is_closed_and_of_a_move_each_slice_has_its_own() -> None:
    orders = [order(1, NOW - 6_000, S.FILLED), order(2, NOW - 3_000)]
    assert course(*orders).work[HERE] == Work(since=NOW - 6_000, attempts=1)
    assert course(*orders, is_gap=False).work[HERE] == Work(since=NOW - 3_000, attempts=1)


def test_a_slice_of_a_move_that_an_ioc_took_ends_its_work() -> None:
    assert course(order(1, NOW - 1_000, S.FILLED, post_only=False), is_gap=False).work == {}


def test_the_deadline_is_the_assets_and_attempts_are_the_instruments() -> None:
    found = course(order(1, NOW - 9_000), order(2, NOW - 4_000, instrument=THERE))
    assert found.since == NOW - 9_000
    assert {i: w.attempts for i, w in found.work.items()} == {HERE: 1, THERE: 1}
    assert not working.is_past_deadline(Policy(), found, NOW + 999)
    assert working.is_past_deadline(Policy(), found, NOW + 1_000)
    assert working.is_past_deadline(Policy(), found, NOW - 9_001), "a clock that stepped back does not make it wait"
    assert not working.is_past_deadline(Policy(), course(), NOW)


@pytest.mark.parametrize(
    ("orders", "changes", "urgency", "style", "why"),
    [
        ((), {}, Urgency.DUE, Style.PASSIVE, "attempt 1 of 5"),
        ((), {}, Urgency.NONE, Style.PASSIVE, "attempt 1 of 5"),
        ((), {}, Urgency.AT_ONCE, Style.TAKE, "at once"),
        ((), {"passive_deadline_ms": 0}, Urgency.DUE, Style.TAKE, "nothing is worked passively"),
        ((), {"passive_attempts_max": 0}, Urgency.DUE, Style.TAKE, "nothing is worked passively"),
        ((-9_999,), {}, Urgency.DUE, Style.PASSIVE, "attempt 2 of 5"),
        ((-10_000, -500), {}, Urgency.DUE, Style.TAKE, "deadline"),
        ((-2_000, -500), {"passive_attempts_max": 2}, Urgency.DUE, Style.TAKE, "attempts used up"),
    ],
)
@pytest.mark.parametrize("is_gap", [True, False])
def test_the_manner_of_the_next_order(
    orders: tuple[int, ...], changes: dict[str, Any], urgency: Urgency, style: Style, why: str, is_gap: bool
) -> None:
    story = hedged("30")
    policy = replace(story.policy, **changes)
    made = [order(n, story.now + at) for n, at in enumerate(orders)]
    ledger = replace(story.ledger, orders={o.client_order_id: o for o in made})
    found = working.course_of(ledger, policy, (HERE,), urgency, story.now, selling=True, is_gap=is_gap)
    manner = working.manner_of(ledger, policy, found, HERE, story.now)
    assert (manner.style, manner.why) == (style, why)
    assert manner.is_patient is (style is Style.PASSIVE or (not is_gap and urgency is not Urgency.AT_ONCE))


def test_an_ioc_that_left_a_part_is_followed_by_another_and_nothing_rests_where_nothing_increases() -> None:
    story = hedged("30")
    left = Course(urgency=Urgency.DUE, is_gap=True, work={HERE: Work(since=story.now, taken=True)})
    assert working.manner_of(story.ledger, story.policy, left, HERE, story.now).why == "an IOC left a part"
    unread = replace(story.ledger.venues[VenueId("okx")], reconciled=False)
    ledger = replace(story.ledger, venues={**story.ledger.venues, VenueId("okx"): unread})
    assert working.manner_of(ledger, story.policy, left, HERE, story.now).why == "nothing rests at this venue now"


@pytest.mark.parametrize(
    ("last", "waits"),
    [
        (None, False),
        (order(1, NOW - 1_999), True),
        (order(1, NOW - 1_999, S.REFUSED), True),
        (order(1, NOW - 2_000), False),
        (order(1, NOW - 1_999, S.FILLED), False),
        (order(1, NOW - 1_999, post_only=False), False),
        (order(1, NOW - 1_999, quantity=D(1)), False),
        (order(1, NOW - 1_999, instrument=THERE), False),
        (order(1, NOW + 60_000), False),  # the clock stepped back
    ],
)
def test_passive_orders_keep_a_distance(last: Order | None, waits: bool) -> None:
    ledger = Ledger(orders={} if last is None else {last.client_order_id: last})
    assert working.waits(ledger, Policy(), HERE, NOW, selling=True) is waits


def test_what_was_traded_within_a_span_is_what_filled_or_still_may() -> None:
    orders = [
        order(1, NOW - 60_000, S.FILLED, reported_filled=D(-1)),
        order(2, NOW - 59_999, reported_filled=D("-0.25")),
        order(3, NOW - 10, S.WORKING, quantity=D(2), reported_filled=D("0.5")),
        order(4, NOW - 10, S.WORKING, instrument=THERE),
    ]
    ledger = Ledger(orders={o.client_order_id: o for o in orders})
    assert working.traded_within(ledger, HERE, NOW, 60_000) == D("2.25")


def test_what_rests_is_left_out_and_everything_else_stays() -> None:
    rests, elsewhere = order(1, NOW, S.WORKING), order(2, NOW, S.WORKING, instrument=THERE)
    others = [order(3, NOW, S.IN_DOUBT), order(4, NOW, S.PENDING_NEW), order(5, NOW, S.WORKING, post_only=False), order(6, NOW)]
    ledger = Ledger(orders={o.client_order_id: o for o in (rests, elsewhere, *others)})
    assert working.resting(ledger) == (rests, elsewhere)
    left = working.as_if_withdrawn(ledger, (HERE,))
    assert tuple(left.orders.values()) == (elsewhere, *others)
    assert working.as_if_withdrawn(left, (HERE,)) is left


def resting_at_okx(**changes: Any) -> tuple[Ledger, Policy, Order, int]:
    """A book in which one of our sales rests at OKX at the touch."""
    story = hedged("30")
    made = order(1, story.now, S.WORKING, price=D("3000.1"), **changes)
    ledger = replace(story.ledger, orders={made.client_order_id: made}, quotes={q.instrument: q for q in story.quotes()})
    return ledger, story.policy, made, story.now


def reason(
    ledger: Ledger, policy: Policy, made: Order, now: int, wanted: str = "-1", urgency: Urgency = Urgency.DUE, since: int | None = None
) -> str | None:
    """Why the order may not stay."""
    found = Course(urgency=urgency, is_gap=True, work={HERE: Work(since=now if since is None else since)})
    return working.reason_to_withdraw(ledger, policy, made, D(wanted), found, now)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("-1", None),
        ("-7", None),
        ("-0.9", None),
        ("-0.899", "less is wanted"),
        ("0", "not wanted any more"),
        ("1", "not wanted any more"),
    ],
)
def test_an_order_stays_while_it_is_wanted(wanted: str, why: str | None) -> None:
    assert reason(*resting_at_okx(), wanted=wanted) == why


def test_an_order_is_withdrawn_when_the_gap_the_venue_the_position_or_the_quote_changed() -> None:
    ledger, policy, made, now = resting_at_okx()
    assert reason(ledger, policy, made, now, urgency=Urgency.AT_ONCE) == "the gap became urgent"
    assert reason(ledger, policy, made, now, since=now - 10_000) == "deadline"
    unread = replace(ledger.venues[VenueId("okx")], reconciled=False)
    down = replace(ledger, venues={**ledger.venues, VenueId("okx"): unread})
    assert reason(down, policy, made, now) == "its venue takes nothing now"
    disputed = replace(ledger.positions[HERE], dispute=Dispute(observed=D(0), readings=1, since=now))
    assert reason(replace(ledger, positions={**ledger.positions, HERE: disputed}), policy, made, now) == "its position is disputed"
    assert reason(replace(ledger, quotes={}), policy, made, now) == "no quote to hold it against"


@pytest.mark.parametrize(
    ("quantity", "mark", "rested", "why"),
    [
        ("-1", "2999.9", 1_999, None),
        ("-1", "2999.9", 2_000, "the touch moved away"),
        ("-1", "3000", 2_000, None),
        ("-1", "3001", 2_000, None),
        ("1", "3000", 2_000, "the touch moved away"),  # bought at 2999.7 while others bid 2999.9
        ("1", "2999.8", 2_000, None),
    ],
)
def test_an_order_follows_the_touch_once_it_has_rested(quantity: str, mark: str, rested: int, why: str | None) -> None:
    price = D("3000.1") if quantity == "-1" else D("2999.7")
    ledger, policy, made, now = resting_at_okx(quantity=D(quantity))
    made = replace(made, price=price, placed_at=now - rested)
    ledger = replace(ledger, quotes={**ledger.quotes, HERE: quote_of(OKX, D(mark), now)})
    assert reason(ledger, policy, made, now, wanted=quantity) == why


@given(st.lists(st.tuples(st.integers(0, 40_000), st.sampled_from(list(S)), st.booleans(), st.booleans()), max_size=8), st.booleans())
def test_work_is_never_older_than_it_can_be_and_counts_no_more_orders_than_there_are(
    told: list[tuple[int, OrderState, bool, bool]], is_gap: bool
) -> None:
    ages = sorted((age for age, *_ in told), reverse=True)
    orders = [
        order(n, NOW - age, state, post_only=passive, instrument=HERE if here else THERE)
        for n, (age, (_, state, passive, here)) in enumerate(zip(ages, told, strict=True))
    ]
    found = course(*orders, is_gap=is_gap)
    open_since = min((o.placed_at for o in orders if o.state.is_open), default=NOW)
    look_back = NOW - working.LOOK_BACK_DEADLINES * Policy().passive_deadline_ms
    assert found.since is None or found.since >= min(open_since, look_back)
    for instrument, work in found.work.items():
        assert work.attempts <= sum(1 for o in orders if o.instrument == instrument and o.post_only)
