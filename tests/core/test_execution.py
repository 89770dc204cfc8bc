"""target - position - working - in doubt = orders: sized, sliced, priced, and never more than was decided."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import execution
from bot.core.commands import PlaceOrder
from bot.core.events import FillKind
from bot.core.policy import Limit
from bot.core.records import FundingState, Ledger
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import after, book, collateral, confirmed, decision_due, filled, place, venue_acts
from tests.core.story import Story, listed, margin_report, policy_for

D = Decimal
ETH = Asset("ETH")


def orders_of(story: Story, ledger: Ledger | None = None) -> dict[str, Decimal]:
    """What would be sent for ETH now."""
    ledger = ledger or story.ledger
    plan = execution.plan_asset(ledger, story.policy, ETH, story.now)
    return {c.instrument: c.quantity for c in execution.place_orders(ledger, story.policy, plan, story.now).commands}


def test_ids_are_the_epoch_and_a_number_in_order_and_end() -> None:
    assert execution.client_order_id("e7", 1) == "e7000001"
    assert execution.client_order_id("e7", 36**6 - 1) == "e7zzzzzz"
    with pytest.raises(ValueError, match="start a new epoch"):
        execution.client_order_id("e7", 36**6)


def test_an_order_is_in_the_ledger_before_its_command_is_given() -> None:
    story = hedged("30") >> collateral("ETH", "33")
    plan = execution.plan_asset(story.ledger, story.policy, ETH, story.now)
    placement = execution.place_orders(story.ledger, story.policy, plan, story.now)
    for command in placement.commands:
        order = placement.ledger.orders[command.client_order_id]
        assert (order.quantity, order.price, order.state.value) == (command.quantity, command.price, "pending_new")
        assert "net delta +3" in order.reason
    assert placement.ledger.order_number == story.ledger.order_number + 3


def test_nothing_is_planned_on_what_is_not_known() -> None:
    story = hedged("30")
    unknown = replace(story.ledger, sources_confirmed_at={})
    plan = execution.plan_asset(unknown, story.policy, ETH, story.now)
    assert (plan.net, plan.allocation, [b.limit for b in plan.blocked]) == (None, None, [Limit.NET_DELTA])
    assert execution.place_orders(unknown, story.policy, plan, story.now).commands == ()
    assert execution.shortfalls(plan) == ()
    assert execution.targets_of((plan,)) == {}
    known = execution.plan_asset(story.ledger, story.policy, ETH, story.now)
    assert execution.targets_of((known,)) == {BINANCE: D(-10), BYBIT: D(-10), OKX: D(-10)}


@pytest.mark.parametrize(("off", "traded"), [("0.015", False), ("0.016", True), ("-0.014", False), ("-0.016", True)])
def test_inside_the_band_nothing_is_traded_and_beyond_it_back_to_zero(off: str, traded: bool) -> None:
    story = hedged("30") >> collateral("ETH", str(30 + D(off)))
    sent = sum(orders_of(story).values(), ZERO)
    assert abs(sent + D(off)) <= D("0.001") if traded else sent == 0


@given(st.decimals(min_value=0, max_value=80, places=3))
def test_s30_what_is_sent_is_never_more_than_the_gap_and_misses_less_than_two_lots(total: Decimal) -> None:
    story = hedged("30")
    story >> collateral("ETH", f"{total:f}")
    sent = sum(orders_of(story).values(), ZERO)
    gap = total - 30
    if abs(gap) > max(total * story.policy.rebalance_band, D(25) / 3_000):
        assert ZERO <= -sent * (1 if gap > 0 else -1) <= abs(gap)
        assert abs(gap + sent) < D("0.02")  # what the coarsest lot left may wait for the next decision
    else:
        assert sent == 0


def test_a_change_of_venue_has_two_legs_and_the_reducing_one_is_never_larger() -> None:
    story = hedged("30")
    flipped = FundingState(rate=ZERO, interval_ms=1, annual=D("-1"), observed_at=0, flipped=True)
    turned = replace(story.ledger, funding={OKX: flipped})
    assert orders_of(story, turned) == {BYBIT: D(-5), BINANCE: D(-5), OKX: D(10)}
    full = {"USDT": margin_report("10000")}  # leverage 3: exactly what is there
    record = replace(turned.venues["bybit"], margins=full)  # type: ignore[index]  # a plain string is the venue's id
    capped = replace(turned, venues={**turned.venues, "bybit": record})
    assert orders_of(story, capped) == {BINANCE: D(-8), OKX: D(8)}  # the share of 60 % binds at 18
    unread = replace(turned.venues["binance"], reconciled=False)  # type: ignore[index]  # a plain string is the venue's id
    nowhere = replace(capped, venues={**capped.venues, "binance": unread})
    assert orders_of(story, nowhere) == {}


def test_moves_worth_less_than_their_fees_are_left() -> None:
    story = hedged("30", venue_move_notional_min=D(30_001))
    flipped = FundingState(rate=ZERO, interval_ms=1, annual=D("-1"), observed_at=0, flipped=True)
    turned = replace(story.ledger, funding={OKX: flipped})
    assert orders_of(story, turned) == {}
    worth = replace(story.policy, venue_move_notional_min=D(30_000))
    story.policy = worth
    assert set(orders_of(story, turned)) == {BINANCE, BYBIT, OKX}


def test_a_leg_that_the_last_gate_refuses_is_carried_by_the_next_within_its_room() -> None:
    story = hedged("30") >> collateral("ETH", "33")
    far = replace(story.quotes()[1], bid=D(3_100), ask=D(3_101))  # Bybit's book is beyond the collar from its mark
    ledger = replace(story.ledger, quotes={q.instrument: q for q in story.quotes()} | {BYBIT: far})
    plan = execution.plan_asset(ledger, story.policy, ETH, story.now)
    placement = execution.place_orders(ledger, story.policy, plan, story.now)
    assert [b.limit for b in placement.refused] == [Limit.PRICE_COLLAR]
    assert {c.instrument: c.quantity for c in placement.commands} == {BINANCE: D(-2), OKX: D(-1)}


def test_s15_a_buy_back_beyond_what_is_held_goes_to_the_others_and_never_flips() -> None:
    story = hedged("30") >> after(10) >> confirmed() >> venue_acts(OKX, "9", kind=FillKind.TRADE.value) >> collateral("ETH", "0")
    sent = orders_of(story)
    assert sent == {BYBIT: D(10), BINANCE: D(10), OKX: D(1)}


def test_orders_are_sliced_by_value_and_by_what_a_venue_takes_at_once() -> None:
    story = hedged("30") >> collateral("ETH", "60")
    story.policy = replace(story.policy, order_notional_max=D(6_500))
    assert orders_of(story) == {BYBIT: D("-2.16"), BINANCE: D("-2.166"), OKX: D("-2.166")}
    few = listed("okx", "ETH", contracts_max=D("15.005"))  # contracts of 0.1
    ledger = replace(story.ledger, instruments={**story.ledger.instruments, OKX: few})
    assert orders_of(story, ledger)[OKX] == D("-1.5")


def test_without_a_price_nothing_is_drafted() -> None:
    story = hedged("30")
    bare = replace(story.ledger, quotes={})
    assert execution.draft(bare, story.policy, InstrumentId(OKX), D(-1), story.now, "") == (None, None)


@pytest.mark.parametrize(
    ("quantity", "notional_min", "sent", "reduces"),
    [
        ("-0.0009", "1", None, False),
        ("-0.0016", "5", None, False),
        ("-0.0016", "2.9", "-0.001", False),
        ("0.001", "5", "0.001", True),
        ("0.0009", "5", None, True),
    ],
)
def test_s14_dust_is_not_drafted_and_a_reduction_needs_no_notional(
    quantity: str, notional_min: str, sent: str | None, reduces: bool
) -> None:
    story = hedged("30")
    small = listed("okx", "ETH", notional_min=D(notional_min))
    ledger = replace(story.ledger, instruments={**story.ledger.instruments, OKX: small})
    order, command = execution.draft(ledger, story.policy, InstrumentId(OKX), D(quantity), story.now, "")
    if sent is None:
        assert (order, command) == (None, None)
    else:
        assert order is not None
        assert (order.quantity, order.reduce_only) == (D(sent), reduces)
        assert command == PlaceOrder(
            client_order_id=order.client_order_id,
            instrument=order.instrument,
            quantity=D(sent),
            contracts=abs(D(sent)) * 10,
            price=order.price,
            reduce_only=reduces,
            expires_at=story.now + story.policy.order_expiry_ms,
        )


PRICES = st.decimals(min_value=100, max_value=100_000, places=2)
OFF = st.decimals(min_value=D("-0.008"), max_value=D("0.008"), places=5)


@given(PRICES, OFF, st.booleans())
def test_c08_a_price_reaches_through_the_touch_and_never_beyond_the_collar(mark: Decimal, off: Decimal, selling: bool) -> None:
    story_policy = policy_for("ETH")
    instrument = listed("okx", "ETH")
    bid, ask = mark * (1 + off), mark * (1 + off) + D("0.01")
    price = execution.limit_price(instrument, story_policy, bid, ask, mark, selling=selling)
    assert price % instrument.tick == 0
    if selling:
        assert price >= mark * (1 - story_policy.price_collar)
        assert price >= bid * (1 - story_policy.slippage_max)
    else:
        assert price <= mark * (1 + story_policy.price_collar)
        assert price <= ask * (1 + story_policy.slippage_max)


def test_shortfalls_name_each_limit_once_with_what_fits_nowhere() -> None:
    story = book(policy_for("ETH", venue_share_max=D("0.2"))) >> collateral("ETH", "10") >> decision_due()
    story << place(BYBIT, "-2") << place(BINANCE, "-2") << place(OKX, "-2") >> filled(BYBIT, BINANCE, OKX) >> decision_due()
    plan = execution.plan_asset(story.ledger, story.policy, ETH, story.now)
    assert [(b.limit, b.subject, b.observed) for b in execution.shortfalls(plan)] == [(Limit.VENUE_SHARE, "ETH", D(4))]


def test_orders_of_a_journal_are_entered_as_they_were() -> None:
    story = hedged("30")
    command = PlaceOrder(
        client_order_id=ClientOrderId("e1" + "00000z"),
        instrument=InstrumentId(OKX),
        quantity=D(-1),
        contracts=D(10),
        price=D(2_990),
        reduce_only=False,
        expires_at=story.now + 5_000,
    )
    ledger = execution.entered_as_recorded(story.ledger, [command], story.now)
    order = ledger.orders[command.client_order_id]
    assert (order.quantity, order.price, order.placed_at, order.arrival_mid) == (D(-1), D(2_990), story.now, None)
    assert ledger.order_number == 35
    assert execution.entered_as_recorded(ledger, [], story.now).order_number == 35
