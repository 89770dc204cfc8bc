"""What went wrong elsewhere and is the adapter's to keep from happening, at every venue: scenarios by their numbers."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bot.adapters.venue.profiles import PROFILES
from bot.core.commands import PlaceOrder
from bot.core.events import OrderRefused, OrderReported, VenueOrderStatus, VenueReported
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.venue_stand import STANDS, Stand, standing
from tests.simulator.stand import KEY

BUY, SELL = Decimal("60010"), Decimal("59990")
"""Prices that take, wherever the market flickers to."""

HOUR_MS = 3_600_000


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


def in_contracts(stand: Stand, signed: Decimal, **more: bool) -> PlaceOrder:
    """An order that takes, for so many contracts."""
    command = stand.order("-0.05", BUY if signed > 0 else SELL, **more)
    return dataclasses.replace(command, quantity=signed * stand.btc.contract_size, contracts=abs(signed))


def change(stand: Stand, **terms: object) -> None:
    """The venue changes the terms of our instrument while we trade it."""
    exchange = stand.desk.exchange
    exchange.amend(dataclasses.replace(exchange.contracts[stand.btc.venue_symbol], **terms))


async def test_s3_an_order_that_filled_at_once_is_in_no_list_of_open_ones_and_is_found_all_the_same(stand):
    command = stand.order("-0.05", SELL)
    stand.arm(FaultKind.DROP_REPLY, Operation.PLACE)
    await stand.venue.place(command)
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported)
    assert report.orders == (), "it is not among the open ones"
    found = await stand.venue.look_up(stand.asked(command))
    assert isinstance(found, OrderReported)
    assert (found.report.status, found.report.filled_quantity) == (VenueOrderStatus.FILLED, stand.units("-0.05"))


async def test_s8_payments_read_twice_are_the_same_payments(stand):
    since = stand.clock.now() - 1_000
    await stand.venue.place(stand.order("-0.05", SELL))
    for _ in range(1 if stand.name == "hyperliquid" else 2):  # an hour lies between two there, and their times tell them apart
        stand.desk.settle_funding(stand.btc.venue_symbol)
    if stand.name == "deribit":  # books funding when the position changes
        await stand.venue.place(stand.order("-0.01"))
        await asyncio.sleep(0.005)  # no venue books two in one instant
    first, again = [await stand.venue.funding_payments(since) for _ in range(2)]
    assert first.payments == again.payments
    assert len({payment.payment_id for payment in first.payments}) == len(first.payments)
    assert sum(payment.quantity for payment in first.payments) == sum(
        record.amount for record in stand.desk.exchange.funding_payments(KEY.account)
    )


async def test_s15_a_close_beyond_what_is_held_never_opens_the_other_side(stand):
    await stand.venue.place(stand.order("-0.05", SELL))
    for _ in range(3):
        await stand.venue.place(stand.order("0.05", BUY, reduce_only=True))
    assert stand.held() == 0


async def test_s22_a_position_that_shrank_without_an_order_of_ours_is_read_as_it_is(stand):
    await stand.venue.place(stand.order("-0.05", SELL))
    stand.desk.deleverage(KEY.account, stand.btc.venue_symbol, stand.contracts("0.02"))
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported)
    (held,) = (position.quantity for position in report.positions if position.instrument == stand.btc.id and position.quantity)
    assert held == stand.held() == stand.units("-0.03")
    assert sum(fill.quantity for fill in report.fills) == stand.units("-0.03")


@pytest.mark.parametrize("ahead_ms", [-10_000, 10_000])
@pytest.mark.parametrize("name", list(STANDS))
async def test_s23_a_clock_ten_seconds_off_either_way_signs_right_and_is_told(name, ahead_ms):
    async with standing(name, ahead_ms=ahead_ms) as stand:
        command = stand.order("-0.05", SELL)
        assert isinstance(await stand.venue.place(command), OrderReported)
        assert stand.held() == stand.units("-0.05")
        report = await stand.venue.read(stand.reading())
        assert abs(report.clock_offset_ms + ahead_ms) < 1_000


async def test_s9_an_interval_that_the_venue_changes_is_read_anew_while_a_position_is_open(stand):
    if PROFILES[stand.name].funding.interval_ms is not None:
        pytest.skip(f"{stand.name} has one interval for all")
    stand.without_limits()
    await stand.venue.place(stand.order("-0.05", SELL))
    for hours in (4, 1):
        change(stand, funding_interval_ms=hours * HOUR_MS)
        described = {each.id: each for each in await stand.venue.describe()}
        told = {each.instrument: each.interval_ms for each in await stand.venue.funding_rates()}
        assert {described[stand.btc.id].funding_interval_ms, told[stand.btc.id]} - {None} == {hours * HOUR_MS}


async def test_s14_the_last_lot_of_a_position_can_be_closed_whatever_the_smallest_order_is_worth(stand):
    lot = stand.btc.lot
    worth = stand.contracts((stand.btc.notional_min or 0) / SELL)
    await stand.venue.place(in_contracts(stand, -max(3 * lot, 3 * stand.btc.contracts_min, (worth // lot + 1) * lot)))
    held = stand.held()
    assert held < 0
    change(stand, notional_min=Decimal(1_000_000))
    opening = await stand.venue.place(in_contracts(stand, -lot))
    assert isinstance(opening, OrderRefused), "the smallest value is meant, else this shows nothing"
    assert stand.held() == held
    await stand.venue.place(in_contracts(stand, -held / stand.btc.contract_size, reduce_only=True))
    assert stand.held() == 0


async def test_s24_what_the_old_step_made_is_refused_and_the_next_order_has_the_new_one(stand):
    coarser = stand.btc.lot * 10
    change(stand, lot=coarser, contracts_min=coarser)
    off = await stand.venue.place(in_contracts(stand, -stand.btc.lot * 17))
    assert isinstance(off, OrderRefused)
    assert stand.held() == 0
    described = {each.id: each for each in await stand.venue.describe()}
    assert (described[stand.btc.id].lot, described[stand.btc.id].contracts_min) == (coarser, coarser)
    await stand.venue.place(in_contracts(stand, -coarser * 2))
    assert stand.held() == -coarser * 2 * stand.btc.contract_size
