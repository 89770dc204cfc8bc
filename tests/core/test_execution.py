"""target - position - working - in doubt = orders: sized, sliced, priced, and never more than was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import execution, exposure, target
from bot.core.commands import PlaceOrder
from bot.core.events import FillKind
from bot.core.limits import Limit
from bot.core.order import OrderState
from bot.core.records import FundingState, Ledger
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId
from tests.core.market_words import market
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import (
    accepted,
    after,
    collateral,
    confirmed,
    decision_due,
    ended,
    evenly,
    fill,
    filled,
    outcome_unknown,
    refused,
    venue_acts,
)
from tests.core.story import T0, Story, listed, margin_report

D = Decimal
ETH = Asset("ETH")


def orders_of(story: Story, ledger: Ledger | None = None) -> dict[str, Decimal]:
    """What would be sent for ETH now."""
    ledger = ledger or story.ledger
    (plan,) = target.plan_book(ledger, story.policy, story.now)
    return {c.instrument: c.quantity for c in execution.place_orders(ledger, story.policy, plan, story.now).commands}


def rates(**annual: str) -> dict[InstrumentId, FundingState]:
    """Annual funding of ETH by venue; what is below zero has flipped."""
    return {
        InstrumentId(f"{venue}:ETH"): FundingState(rate=ZERO, interval_ms=1, annual=D(rate), observed_at=T0, flipped=D(rate) < 0)
        for venue, rate in annual.items()
    }


def test_an_order_is_in_the_ledger_before_its_command_is_given() -> None:
    story = hedged("30") >> evenly("33")
    (plan,) = target.plan_book(story.ledger, story.policy, story.now)
    placement = execution.place_orders(story.ledger, story.policy, plan, story.now)
    for command in placement.commands:
        order = placement.ledger.orders[command.client_order_id]
        assert (order.quantity, order.price, order.state.value) == (command.quantity, command.price, "pending_new")
        assert "net delta +3" in order.reason
    assert placement.ledger.order_number == story.ledger.order_number + 3


def test_nothing_is_planned_on_what_is_not_known() -> None:
    story = hedged("30")
    unknown = replace(story.ledger, sources_confirmed_at={})
    (plan,) = target.plan_book(unknown, story.policy, story.now)
    assert (plan.net, plan.allocation, [b.limit for b in plan.blocked]) == (None, None, [Limit.NET_DELTA])
    assert execution.place_orders(unknown, story.policy, plan, story.now).commands == ()


@pytest.mark.parametrize(
    ("off", "strays_ms", "traded"),
    [
        ("0.015", 60_000, False),
        ("0.016", 1_999, False),  # flow may still cancel it
        ("0.016", 2_000, True),
        ("0.075", 0, False),
        ("0.076", 0, True),  # beyond the hard edge: at once
        ("-0.014", 60_000, False),
        ("-0.016", 2_000, True),
        ("-0.076", 0, True),
    ],
)
def test_inside_the_band_nothing_is_traded_and_beyond_it_back_to_zero(off: str, strays_ms: int, traded: bool) -> None:
    story = hedged("30") >> collateral("ETH", str(30 + D(off)))
    sent = sum(orders_of(story, replace(story.ledger, strayed_at={ETH: story.now - strays_ms})).values(), ZERO)
    assert abs(sent + D(off)) <= D("0.001") if traded else sent == 0


@settings(deadline=None)  # a whole decision each, on a machine that may be busy
@given(st.decimals(min_value=0, max_value=80, places=3))
def test_s30_what_is_sent_is_never_more_than_the_gap_and_misses_less_than_two_lots(total: Decimal) -> None:
    story = hedged("30") >> after(500)  # an order like the last within half a second would be a duplicate
    story >> collateral("ETH", f"{total:f}")
    sent = sum(orders_of(story, replace(story.ledger, strayed_at={ETH: story.now - 2_000})).values(), ZERO)
    gap = total - 30
    if abs(gap) > max(total * story.policy.rebalance_band, D(25) / 3_000):
        assert ZERO <= -sent * (1 if gap > 0 else -1) <= abs(gap)
        assert abs(gap + sent) < D("0.02")  # what the coarsest lot left may wait for the next decision
    else:
        assert sent == 0


def turned(story: Story, *, away_from: str = OKX) -> Ledger:
    """The book after funding flipped at one instrument for good."""
    return replace(story.ledger, funding=rates(**{"binance": "0", "bybit": "0", "okx": "0"} | {away_from.split(":", maxsplit=1)[0]: "-1"}))


def test_a_change_of_venue_sends_its_increasing_leg_only() -> None:
    story = hedged("30")
    ledger = turned(story)
    assert orders_of(story, ledger) == {BYBIT: D(-2), BINANCE: D(-8)}
    full = {"USDT": margin_report("10000")}  # leverage 3: exactly what is there
    record = replace(ledger.venues["bybit"], margins=full)  # type: ignore[index]  # a plain string is the venue's id
    capped = replace(ledger, venues={**ledger.venues, "bybit": record})
    assert orders_of(story, capped) == {BINANCE: D(-8)}  # the share of 60 % binds at 18
    unread = replace(ledger.venues["binance"], reconciled=False)  # type: ignore[index]  # a plain string is the venue's id
    nowhere = replace(capped, venues={**capped.venues, "binance": unread})
    assert orders_of(story, nowhere) == {}


@settings(deadline=None)
@given(st.decimals(min_value=0, max_value=10, places=3), st.decimals(min_value=0, max_value=10, places=2))
def test_s7_the_reducing_leg_is_what_certain_fills_over_hedge_and_no_more(first: Decimal, second: Decimal) -> None:
    story = hedged("30")
    ledger = turned(story)
    for instrument, more in ((BINANCE, first / 2), (BYBIT, second / 2)):
        grown = replace(ledger.positions[InstrumentId(instrument)], quantity=D(-10) - more)
        ledger = replace(ledger, positions={**ledger.positions, InstrumentId(instrument): grown})
    over = (first + second) / 2
    sent = orders_of(story, ledger)
    bought = sum((q for q in sent.values() if q > ZERO), ZERO)
    assert bought <= over
    assert over - bought < D("0.02")
    sold = -sum((q for q in sent.values() if q < ZERO), ZERO)
    hard = 30 * story.policy.rebalance_band_hard
    assert over <= hard or sold == ZERO  # beyond the hard band first things first


def test_a_move_is_sliced_so_that_the_book_is_over_hedged_by_one_slice_at_most() -> None:
    story = hedged("30")
    story.policy = replace(story.policy, order_notional_max=D(6_000))
    assert sum(orders_of(story, turned(story)).values()) == D(-2)
    story.policy = replace(story.policy, rebalance_band_hard=D("0.05"))
    small = replace(story.policy, order_notional_max=D(3_000))
    story.policy = small
    assert orders_of(story, turned(story)) == {BYBIT: D("-0.5"), BINANCE: D(-1)}  # 5 % of 30: within the hard band both at once


def test_moves_worth_less_than_their_fees_are_left() -> None:
    story = hedged("30", venue_move_notional_min=D(30_001))
    assert orders_of(story, turned(story)) == {}
    worth = replace(story.policy, venue_move_notional_min=D(30_000))
    story.policy = worth
    assert set(orders_of(story, turned(story))) == {BINANCE, BYBIT}
    doubted = replace(turned(story), journal_doubt="not on disk")
    assert orders_of(story, doubted) == {}, "nor while the book is not active"


def test_a_leg_that_the_last_gate_refuses_is_carried_by_the_next_within_its_room() -> None:
    story = hedged("30") >> market(BYBIT, "110") >> collateral("ETH", "33")
    far = replace(story.quotes()[1], bid=D(3_100), ask=D(3_101))  # Bybit's book is beyond the collar from its mark
    quotes = {q.instrument: q for q in story.quotes()} | {BYBIT: far}
    ledger = replace(story.ledger, quotes=quotes, funding=rates(binance="0", bybit="1", okx="0"))
    (plan,) = target.plan_book(ledger, story.policy, story.now)
    placement = execution.place_orders(ledger, story.policy, plan, story.now)
    assert [b.limit for b in placement.refused] == [Limit.PRICE_COLLAR]
    assert {c.instrument: c.quantity for c in placement.commands} == {BINANCE: D(-3)}


def test_s15_a_buy_back_beyond_what_is_held_goes_to_the_others_and_never_flips() -> None:
    story = hedged("30") >> after(10) >> confirmed() >> venue_acts(OKX, "9", kind=FillKind.TRADE.value) >> collateral("ETH", "0")
    sent = orders_of(story)
    assert sent == {BYBIT: D(10), BINANCE: D(10), OKX: D(1)}


def test_orders_are_sliced_by_value_and_by_what_a_venue_takes_at_once() -> None:
    story = hedged("30") >> evenly("60")
    story.policy = replace(story.policy, order_notional_max=D(6_500))
    assert orders_of(story) == {BYBIT: D("-2.16"), BINANCE: D("-2.166"), OKX: D("-2.166")}
    few = listed("okx", "ETH", contracts_max=D("15.005"))  # contracts of 0.1
    ledger = replace(story.ledger, instruments={**story.ledger.instruments, OKX: few})
    assert orders_of(story, ledger)[OKX] == D("-1.5")


@pytest.mark.parametrize(("changes", "sent"), [({}, {OKX: D("0.075")}), ({"rebalance_band_hard": D("0.01")}, {OKX: D("0.3")})])
def test_where_only_the_reduction_makes_room_a_slice_of_it_goes_first_inside_the_hard_band(
    changes: dict[str, Any], sent: dict[str, Decimal]
) -> None:
    story = hedged("30", **changes)
    ledger = turned(story)
    (plan,) = target.plan_book(ledger, story.policy, story.now)
    full = replace(story.policy, gross_notional_max=D(90_000))  # 30 at 3,000: nothing more until something has left
    placement = execution.place_orders(ledger, full, plan, story.now)
    assert {b.limit for b in placement.refused} == {Limit.GROSS_NOTIONAL}
    assert {c.instrument: c.quantity for c in placement.commands} == sent
    assert all(c.reduce_only and c.post_only for c in placement.commands)
    other = replace(story.policy, price_collar=D("0.00001"))  # refused for what no reduction ends
    assert execution.place_orders(ledger, other, plan, story.now).commands == ()
    open_one = execution.place_orders(ledger, story.policy, plan, story.now).ledger  # and never while the other leg is under way
    assert all(not c.reduce_only for c in execution.place_orders(open_one, full, plan, story.now).commands)


def test_a_venues_share_is_not_freed_by_what_leaves_another_and_what_a_move_cannot_place_goes_nowhere_else() -> None:
    """Leaving OKX for Bybit, which is full: the slice that only Bybit's own reductions could make room for does not leave first."""
    story = hedged("30")
    ledger = turned(story)
    (plan,) = target.plan_book(ledger, story.policy, story.now)
    moved = {s.instrument: s.short for s in plan.allocation.shares} | {BYBIT: D(20), BINANCE: D(10), OKX: D(0)}
    shares = tuple(replace(s, short=moved[s.instrument]) for s in plan.allocation.shares)
    plan = replace(plan, allocation=replace(plan.allocation, shares=shares), moves=frozenset({BYBIT, OKX}))
    full = replace(story.policy, venue_share_max=D("0.34"))
    placement = execution.place_orders(ledger, full, plan, story.now)
    assert {(b.limit, b.subject) for b in placement.refused} == {(Limit.VENUE_SHARE, "bybit")}
    assert placement.commands == ()


def eight_from_okx(story: Story, most: Mapping[InstrumentId, Decimal]) -> target.Plan:
    """The plan of a book with a gap of three, by which eight are to come from OKX beside it, all to Bybit; `most` that each may carry."""
    (plan,) = target.plan_book(story.ledger, story.policy, story.now)
    moved = {InstrumentId(BYBIT): D(21), InstrumentId(BINANCE): D(10), InstrumentId(OKX): D(2)}
    assert plan.allocation is not None
    shares = tuple(replace(s, short=moved[s.instrument]) for s in plan.allocation.shares)
    slots = tuple(replace(s, most=most.get(s.instrument, moved[s.instrument])) for s in plan.slots)
    return replace(plan, allocation=replace(plan.allocation, shares=shares), slots=slots, moves=frozenset({InstrumentId(OKX)}))


def test_a_gap_does_not_wait_for_room_that_a_move_would_free() -> None:
    """Three are to be hedged and eight to come from OKX, all at Bybit, which has room for five."""
    story = hedged("30") >> collateral("ETH", "33")
    plan = eight_from_okx(story, {})
    tight = replace(story.policy, instrument_notional_max=D(45_000))
    placement = execution.place_orders(story.ledger, tight, plan, story.now)
    assert {b.limit for b in placement.refused} <= {Limit.INSTRUMENT_NOTIONAL}
    assert {c.instrument: c.quantity for c in placement.commands} == {BYBIT: D(-3)}
    roomy = execution.place_orders(story.ledger, replace(story.policy, venue_share_max=D("0.7")), plan, story.now)
    assert {c.instrument: c.quantity for c in roomy.commands} == {BYBIT: D(-11)}


def test_of_a_gap_and_a_move_that_the_last_gate_refuses_only_the_gap_goes_to_the_others() -> None:
    """Eight are to leave OKX for Bybit, beside a gap of three; Bybit's book is beyond the collar, and OKX itself has room for all of it."""
    story = hedged("30") >> collateral("ETH", "33")
    plan = eight_from_okx(story, {InstrumentId(i): D(30) for i in (BINANCE, BYBIT, OKX)})
    far = replace(story.ledger.quotes[InstrumentId(BYBIT)], bid=D(3_100), ask=D(3_101))
    ledger = replace(story.ledger, quotes={**story.ledger.quotes, InstrumentId(BYBIT): far})
    placement = execution.place_orders(ledger, story.policy, plan, story.now)
    assert {b.limit for b in placement.refused} == {Limit.PRICE_COLLAR}
    assert {c.instrument: c.quantity for c in placement.commands} == {BINANCE: D(-3)}


def test_a_move_that_over_hedged_beyond_the_hard_band_is_first_followed_by_its_reduction() -> None:
    story = hedged("30")
    ledger = turned(story)
    grown = replace(ledger.positions[InstrumentId(BINANCE)], quantity=D(-12))
    ledger = replace(ledger, positions={**ledger.positions, InstrumentId(BINANCE): grown})
    assert orders_of(story, ledger) == {OKX: D(2)}
    wide = replace(story.policy, rebalance_band_hard=D("0.05"))
    grown = replace(grown, quantity=D(-11))
    story.policy = wide
    sent = orders_of(story, replace(ledger, positions={**ledger.positions, InstrumentId(BINANCE): grown}))
    assert (sent[OKX], {q < ZERO for i, q in sent.items() if i != OKX}) == (D(1), {True})  # inside it both go on


def test_nothing_moves_away_from_where_nothing_can_be_bought_back() -> None:
    story = hedged("30")
    made = next(o for o in story.ledger.orders.values() if o.instrument == OKX)
    ended = {
        f"x{n}": replace(
            made, client_order_id=ClientOrderId(f"x{n}"), quantity=D(1), fills_filled=ZERO, reported_filled=ZERO, state=OrderState.CANCELED,
            placed_at=story.now, closed_at=story.now, post_only=passive,
        )
        for n, passive in enumerate((False, False, True))
    }  # fmt: skip
    later = story >> after(30_000) >> confirmed() >> collateral("ETH", "30")
    ledger = turned(later)
    ledger = replace(ledger, orders=dict(ledger.orders) | {o.client_order_id: o for o in ended.values()})
    ledger = replace(ledger, quotes={q.instrument: q for q in later.quotes()})
    assert orders_of(later, ledger) == {}


def test_what_rests_on_instruments_that_nobody_plans_for_is_withdrawn_once() -> None:
    story = hedged("30", rebalance_band_hard=D("0.05"), netting_window_ms=0) >> after(100) >> evenly("30.06") >> decision_due()
    story.outbox.clear()
    story >> accepted(OKX) >> accepted(BYBIT)
    ledger, commands = execution.withdraw_all(story.ledger, story.policy, story.now)
    assert [c.instrument for c in commands] == [BYBIT, OKX]
    assert execution.withdraw_all(ledger, story.policy, story.now) == (ledger, ())
    assert execution.withdraw_all(story.ledger, story.policy, story.now, planned=(ETH,)) == (story.ledger, ())
    unknown = replace(story.ledger, sources_confirmed_at={})
    (plan,) = target.plan_book(unknown, story.policy, story.now)
    after_it, commands = execution.withdraw(unknown, story.policy, plan, story.now)
    assert [c.instrument for c in commands] == [BYBIT, OKX]
    assert execution.withdraw(after_it, story.policy, plan, story.now) == (after_it, ())


def test_a_slice_too_small_for_any_order_is_told_and_others_take_over() -> None:
    story = hedged("30") >> evenly("33")
    thin = replace(story.quotes()[2], bid_quantity=D("0.00001"))  # OKX shows next to nothing
    ledger = replace(story.ledger, quotes={q.instrument: q for q in story.quotes()} | {OKX: thin})
    (plan,) = target.plan_book(ledger, story.policy, story.now)
    placement = execution.place_orders(ledger, story.policy, plan, story.now)
    assert [(b.limit, b.subject, b.detail) for b in placement.refused] == [
        (Limit.NOTIONAL_RATE, OKX, "USD of one order, held by depth"),
    ]
    assert {c.instrument: c.quantity for c in placement.commands} == {BYBIT: D(-1), BINANCE: D(-1)}


ACTS = st.sampled_from(["fill", "part", "end", "accept", "refuse", "doubt", "absent", "wait", "down", "up", "more", "less"])


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=25))
def test_whatever_happens_open_orders_are_never_more_than_the_gap_and_reductions_never_flip(acts: list[str]) -> None:
    """The story itself checks that no order flips, none is sent twice, and that a replay is the same."""
    story = hedged("30", rebalance_band_hard=D("0.01"), rebalance_notional_min=D(10))
    held = D(30)
    for number, act in enumerate(acts):
        held += {"more": D("0.2"), "less": D("-0.25")}.get(act, ZERO)
        story.marks = {i: m + {"up": 1, "down": -1}.get(act, 0) for i, m in story.marks.items()}
        opened = story.ledger.open_orders()
        if act in ("more", "less"):
            story >> collateral("ETH", f"{held:f}")
        elif opened and act != "wait":
            _happens(story, act, opened[number % len(opened)].instrument)
        story >> after(2_500 if act == "wait" else 200) >> confirmed() >> decision_due()
        placed = [c.quantity for c in story.outbox if isinstance(c, PlaceOrder)]
        story.outbox.clear()
        net = exposure.net_delta(story.ledger, story.policy, ETH)
        assert net is not None
        assert net.low >= ZERO or not any(q < ZERO for q in placed), f"{act}: sold {placed} into {net}"
        assert net.high <= ZERO or not any(q > ZERO for q in placed), f"{act}: bought {placed} into {net}"
        for instrument in (OKX, BYBIT, BINANCE):
            assert len(story.ledger.open_orders(InstrumentId(instrument))) <= 1
    story.close()


def _happens(story: Story, act: str, where: str) -> None:
    made = story.order(where)
    if not made.state.is_open:
        return
    half = D(int(made.leaves * 500)) / 1_000
    feeds = {
        "fill": filled(where),
        "part": fill(where, f"{half:f}") if half else None,
        "end": ended(where, filled=f"{made.filled:f}"),
        "accept": accepted(where),
        "refuse": refused(where) if made.filled == ZERO and made.state is OrderState.PENDING_NEW else None,
        "doubt": outcome_unknown(where),
    }
    feed = feeds.get(act)
    if feed is not None:
        story >> feed
