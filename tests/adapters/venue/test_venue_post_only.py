"""Post-only orders on every dialect over the real client: they rest, fill as makers, are cancelled, and never take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bot.core.commands import CancelOrder, PlaceOrder
from bot.core.events import (
    CancelUnconfirmed,
    FillReported,
    OrderAbsent,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderReported,
    VenueOrderStatus,
    VenueReported,
)
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from bot.simulator.margin import cash
from bot.simulator.model import TimeInForce
from tests.adapters.venue.venue_stand import BTC, STANDS, Stand, standing, until
from tests.simulator.stand import KEY, tick_of

D = Decimal
REFUSALS = {
    "binanceusdm": "-5022",
    "deribit": "11054",
    "hyperliquid": "Post only order would have immediately matched, bbo was",
}
"""The venues that say so at once; the others take the order and cancel it."""


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        yield one


@pytest.fixture(params=list(STANDS))
async def lively(request) -> AsyncIterator[Stand]:
    """Whose streams have something to tell, so that they count as heard; the touch moves by one tick."""
    async with standing(request.param, moving=True) as one:
        yield one


def asked(stand: Stand) -> Decimal:
    """Four ticks above the touch."""
    return BTC + 5 * stand.btc.tick


def crossed(stand: Stand) -> Decimal:
    """The fair price at which the market's makers bid just what is `asked`, for two coins."""
    return BTC + 6 * stand.btc.tick


def move(stand: Stand, fair: Decimal) -> None:
    stand.desk.tick(tick_of(stand.desk.exchange.contracts[stand.btc.venue_symbol], fair))


def cancel_of(placed: PlaceOrder) -> CancelOrder:
    return CancelOrder(client_order_id=placed.client_order_id, instrument=placed.instrument, venue_order_id=None)


async def state_of(stand: Stand, placed: PlaceOrder) -> tuple[VenueOrderStatus, Decimal | None]:
    found = await stand.venue.look_up(stand.asked(placed))
    assert isinstance(found, OrderReported), found
    return found.report.status, found.report.filled_quantity


async def test_it_rests_and_is_read_and_cancelled(stand):
    command = stand.order("-0.05", asked(stand), post_only=True)
    answer = await stand.venue.place(command)
    assert isinstance(answer, OrderReported), answer
    assert answer.report.status is VenueOrderStatus.ACCEPTED
    (resting,) = stand.desk.exchange.open_orders(KEY.account)
    assert resting.request.time_in_force is TimeInForce.POST_ONLY
    assert (resting.request.price, resting.filled) == (asked(stand), 0)
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported)
    assert [(each.client_order_id, each.status, each.filled_quantity) for each in reading.orders] == [
        (command.client_order_id, VenueOrderStatus.ACCEPTED, D(0))
    ]
    cancelled = await stand.venue.cancel(cancel_of(command))
    assert isinstance(cancelled, OrderReported), cancelled
    assert (cancelled.report.status, cancelled.report.filled_quantity) == (VenueOrderStatus.CANCELED, D(0))
    assert stand.desk.exchange.open_orders(KEY.account) == ()


async def test_it_rests_beyond_its_requests_own_expiry(stand):
    """The expiry is the request's: a venue refuses what arrives after it, and keeps what rests."""
    command = stand.order("-0.05", asked(stand), post_only=True, expires_in=500)
    await stand.venue.place(command)
    await stand.clock.sleep(0.6)
    assert await state_of(stand, command) == (VenueOrderStatus.ACCEPTED, D(0))


@pytest.mark.parametrize(("quantity", "price"), [("-0.05", "bid"), ("0.05", "ask"), ("-0.05", "59990")])
async def test_one_that_would_take_never_trades_and_is_never_in_doubt(stand, quantity, price):
    command = stand.order(quantity, {"bid": stand.bid, "ask": stand.ask}.get(price) or D(price), post_only=True)
    answer = await stand.venue.place(command)
    if (code := REFUSALS.get(stand.name)) is not None:
        assert isinstance(answer, OrderRefused), answer
        assert answer.code == code
    else:
        assert isinstance(answer, OrderReported), answer
        assert await state_of(stand, command) == (VenueOrderStatus.CANCELED, D(0))
    assert stand.held() == 0
    assert stand.desk.exchange.open_orders(KEY.account) == ()


async def test_the_streams_tell_that_one_would_have_taken(lively):
    stand = lively
    if stand.name in REFUSALS:
        pytest.skip("refused in the answer")
    async with stand.listening() as box:
        command = stand.order("-0.05", D("59990"), post_only=True)
        await stand.venue.place(command)
        await until(lambda: any(each.report.status is VenueOrderStatus.CANCELED for each in box.of(OrderReported)))
        told = [(each.report.client_order_id, each.report.status, each.report.filled_quantity) for each in box.of(OrderReported)]
        assert told[-1] == (command.client_order_id, VenueOrderStatus.CANCELED, D(0))
        assert box.of(FillReported) == []


async def test_fills_while_it_rests_are_heard_and_pay_the_makers_fee(lively):
    stand = lively
    async with stand.listening() as box:
        command = stand.order("-3", asked(stand), post_only=True)
        await stand.venue.place(command)
        move(stand, crossed(stand))
        there = abs(stand.held())
        assert abs(stand.btc.base_of(there, asked(stand)) - 2) < D("0.001"), "two coins, in whole contracts"
        await until(lambda: box.of(FillReported) and any(each.report.filled_quantity for each in box.of(OrderReported)))
        (fill,) = [each.fill for each in box.of(FillReported)]
        assert (fill.client_order_id, fill.quantity, fill.price) == (command.client_order_id, -there, asked(stand))
        assert fill.fee == cash(stand.worth(there, asked(stand)) * stand.btc.maker_fee)
        last = box.of(OrderReported)[-1].report
        assert (last.status, last.filled_quantity) == (VenueOrderStatus.ACCEPTED, -there)
        cancelled = await stand.venue.cancel(cancel_of(command))
        assert isinstance(cancelled, OrderReported), cancelled
        assert (cancelled.report.status, cancelled.report.filled_quantity) == (VenueOrderStatus.CANCELED, -there)
        assert await state_of(stand, command) == (VenueOrderStatus.CANCELED, -there)
        assert stand.held() == -there


async def test_a_cancel_that_crosses_the_fill_proves_nothing_and_the_look_up_finds_it(stand):
    command = stand.order("-0.05", asked(stand), post_only=True)
    await stand.venue.place(command)
    move(stand, D("60010"))
    assert stand.held() == stand.units("-0.05")
    answer = await stand.venue.cancel(cancel_of(command))
    if isinstance(answer, OrderReported):  # a cancel of nothing is no error there, and what became of the order is asked for
        assert (answer.report.status, answer.report.filled_quantity) == (VenueOrderStatus.FILLED, stand.units("-0.05"))
    else:
        assert isinstance(answer, CancelUnconfirmed)
    assert await state_of(stand, command) == (VenueOrderStatus.FILLED, stand.units("-0.05"))


async def test_reduce_only_and_post_only_together_only_reduce(stand):
    await stand.venue.place(stand.order("-0.05"))
    command = stand.order("0.05", BTC - 5 * stand.btc.tick, reduce_only=True, post_only=True)
    assert isinstance(await stand.venue.place(command), OrderReported)
    assert await state_of(stand, command) == (VenueOrderStatus.ACCEPTED, D(0))
    move(stand, D("59990"))
    assert await state_of(stand, command) == (VenueOrderStatus.FILLED, stand.units("0.05"))
    assert stand.held() == 0


async def test_a_lost_answer_leaves_it_in_doubt_and_it_is_found_resting(stand):
    stand.arm(FaultKind.DROP_REPLY, Operation.PLACE)
    command = stand.order("-0.05", asked(stand), post_only=True)
    assert isinstance(await stand.venue.place(command), OrderOutcomeUnknown)
    assert await state_of(stand, command) == (VenueOrderStatus.ACCEPTED, D(0))


async def test_a_fill_of_one_that_was_placed_long_before_is_known_as_its_own(stand, monkeypatch):
    """Histories tell orders by when they were placed: one that rested since before the question is not in them (Binance `allOrders`).

    A fill that belonged to nobody would keep the next order of its instrument in doubt for ever.
    """
    monkeypatch.setattr("bot.adapters.venue.reading.CLOCK_SLACK_MS", 0)
    rested = stand.order("-3", asked(stand), post_only=True)
    await stand.venue.place(rested)
    await stand.clock.sleep(0.05)
    since = stand.clock.now()
    await stand.clock.sleep(0.02)
    move(stand, crossed(stand))
    assert stand.held() < 0
    await stand.venue.cancel(cancel_of(rested))
    stand.arm(FaultKind.DISCONNECT, Operation.PLACE)
    lost = stand.order("-0.05")
    assert isinstance(await stand.venue.place(lost), OrderOutcomeUnknown)
    absent = await stand.venue.look_up(stand.asked(lost, placed_at=since))
    assert isinstance(absent, OrderAbsent), absent
    assert absent.filled_quantity == 0
    reading = await stand.venue.read(stand.reading(back_ms=stand.clock.now() - since))
    assert isinstance(reading, VenueReported), reading
    assert {each.client_order_id for each in reading.fills} == {rested.client_order_id}
