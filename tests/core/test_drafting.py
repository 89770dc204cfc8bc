"""One child order: its id, its slice, its price, and what of it is dust."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import drafting
from bot.core.commands import PlaceOrder
from bot.core.limits import Limit
from bot.core.records import Market
from bot.core.units import ClientOrderId, InstrumentId
from bot.core.working import HURRIED, Manner, Style
from tests.core import openings
from tests.core.openings import hedged
from tests.core.story import listed, policy_for

D = Decimal
OKX = InstrumentId(openings.OKX)


def test_ids_are_the_epoch_and_a_number_in_order_and_end() -> None:
    assert drafting.client_order_id("e7", 1) == "e7000001"
    assert drafting.client_order_id("e7", 36**6 - 1) == "e7zzzzzz"
    with pytest.raises(ValueError, match="start a new epoch"):
        drafting.client_order_id("e7", 36**6)


def test_without_a_price_nothing_is_drafted() -> None:
    story = hedged("30")
    bare = replace(story.ledger, quotes={})
    assert drafting.draft(bare, story.policy, OKX, D(-1), story.now, "") == (None, None)


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
    order, command = drafting.draft(ledger, story.policy, OKX, D(quantity), story.now, "")
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
    price = drafting.limit_price(instrument, story_policy, bid, ask, mark, selling=selling)
    assert price % instrument.tick == 0
    if selling:
        assert price >= mark * (1 - story_policy.price_collar)
        assert price >= bid * (1 - story_policy.slippage_max)
    else:
        assert price <= mark * (1 + story_policy.price_collar)
        assert price <= ask * (1 + story_policy.slippage_max)


def test_orders_of_a_journal_are_entered_as_they_were() -> None:
    story = hedged("30")
    command = PlaceOrder(
        client_order_id=ClientOrderId("e1" + "00000z"),
        instrument=OKX,
        quantity=D(-1),
        contracts=D(10),
        price=D(2_990),
        reduce_only=False,
        expires_at=story.now + 5_000,
    )
    ledger = drafting.entered_as_recorded(story.ledger, [command], story.now)
    order = ledger.orders[command.client_order_id]
    assert (order.quantity, order.price, order.placed_at, order.arrival_mid) == (D(-1), D(2_990), story.now, None)
    assert ledger.order_number == 35
    assert drafting.entered_as_recorded(ledger, [], story.now).order_number == 35


PATIENT = Manner(style=Style.PASSIVE, why="", is_patient=True)


@pytest.mark.parametrize(
    ("volume", "multiple", "before", "quantity", "sent"),
    [
        (None, "20", "0", "-50", "-50"),
        (None, "0.2", "0", "-50", "-20"),  # the touch shows 100
        (None, "0.2", "0", "50", "20"),
        ("14400", "20", "0", "-50", "-1"),  # ten a minute, of which a tenth
        ("14400", "20", "-0.4", "-50", "-0.6"),
        ("2399", "20", "0", "-50", "-50"),  # a part worth less than 500 USD is no market
    ],
)
def test_a_patient_slice_is_a_part_of_what_is_shown_and_of_what_others_trade(
    volume: str | None, multiple: str, before: str, quantity: str, sent: str
) -> None:
    story = hedged("150")
    policy = replace(story.policy, slice_depth_multiple=D(multiple), order_notional_max=D(10**6))
    told = {} if volume is None else {OKX: Market(open_interest=None, volume_24h=D(volume), observed_at=story.now)}
    made = next(o for o in story.ledger.orders.values() if o.instrument == OKX)
    made = replace(made, quantity=D(before), reported_filled=D(before), fills_filled=D(before))
    ledger = replace(story.ledger, orders={made.client_order_id: made}, markets=told)
    order, command = drafting.draft(ledger, policy, OKX, D(quantity), story.now, "", PATIENT)
    assert order is not None
    assert command is not None
    assert (order.quantity, order.post_only, command.post_only) == (D(sent), True, True)
    assert order.price == D("3000.1") if D(quantity) < 0 else D("2999.9")
    hurried, _ = drafting.draft(replace(ledger, markets={}), policy, OKX, D(quantity), story.now, "")
    taken, _ = drafting.draft(ledger, policy, OKX, D(quantity), story.now, "")
    assert hurried == taken, "what may not wait is not held by what others trade"


def test_what_holds_a_slice_below_any_order_is_told_with_its_numbers() -> None:
    story = hedged("30")
    policy = replace(story.policy, slice_depth_multiple=D("0.000001"))
    breach = drafting.slice_breach(story.ledger, policy, OKX, D(-1), story.now, HURRIED)
    assert breach is not None
    assert (breach.limit, breach.subject, breach.observed, breach.allowed) == (Limit.NOTIONAL_RATE, OKX, D(3_000), D("0.3"))
    assert drafting.slice_breach(story.ledger, policy, OKX, D("-0.001"), story.now, HURRIED) is None, "dust is dust anyway"
    assert drafting.slice_breach(story.ledger, story.policy, OKX, D(-1), story.now, HURRIED) is None
    assert drafting.slice_breach(replace(story.ledger, quotes={}), policy, OKX, D(-1), story.now, HURRIED) is None


def test_an_order_is_no_larger_than_the_venue_takes_at_once() -> None:
    story = hedged("30")
    few = listed("okx", "ETH", contracts_max=D("15.005"))  # contracts of 0.1
    ledger = replace(story.ledger, instruments={**story.ledger.instruments, OKX: few})
    order, _ = drafting.draft(ledger, story.policy, OKX, D(-2), story.now, "")
    assert order is not None
    assert order.quantity == D("-1.5")


@given(PRICES, OFF)
def test_a_passive_price_never_crosses(mark: Decimal, off: Decimal) -> None:
    instrument = listed("okx", "ETH")
    bid, ask = mark * (1 + off), mark * (1 + off) + D("0.01")
    assert drafting.near_price(instrument, bid, ask, selling=True) >= ask
    assert drafting.near_price(instrument, bid, ask, selling=False) <= bid


def test_a_part_of_the_minute_that_is_less_than_any_order_lets_the_least_one_go() -> None:
    """Else a gap that may wait would wait for ever: no order would leave, and no deadline begin."""
    story = hedged("150")
    coarse = listed("okx", "ETH", contracts_min=D(10))  # contracts of 0.1
    told = {OKX: Market(open_interest=None, volume_24h=D(2_880), observed_at=story.now)}  # a tenth of the minute is 0.2
    ledger = replace(story.ledger, orders={}, markets=told, instruments={**story.ledger.instruments, OKX: coarse})
    order, _ = drafting.draft(ledger, story.policy, OKX, D(-2), story.now, "", PATIENT)
    assert order is not None
    assert order.quantity == D("-1.001"), "the least and a lot more, so that no rounding eats it"
    assert drafting.slice_breach(ledger, story.policy, OKX, D(-2), story.now, PATIENT) is None
    again = replace(ledger, orders={order.client_order_id: order})
    assert drafting.draft(again, story.policy, OKX, D(-2), story.now, "", PATIENT) == (None, None), "one a minute"


@pytest.mark.parametrize(("quantity", "sent", "reduces"), [("-15", "-1", True), ("-0.5", "-0.5", True), ("15", "1", False)])
def test_i05_a_slice_against_what_is_held_and_no_larger_reduces_whatever_is_wanted_after_it(
    quantity: str, sent: str, reduces: bool
) -> None:
    story = hedged("30")
    long = replace(story.ledger.positions[OKX], quantity=D(5))
    ledger = replace(story.ledger, positions={**story.ledger.positions, OKX: long})
    policy = replace(story.policy, order_notional_max=D(3_000))
    order, command = drafting.draft(ledger, policy, OKX, D(quantity), story.now, "")
    assert order is not None
    assert command is not None
    assert (order.quantity, order.reduce_only, command.reduce_only) == (D(sent), reduces, reduces)
