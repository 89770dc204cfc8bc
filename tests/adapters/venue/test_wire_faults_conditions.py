"""Conditions that last until they are lifted, at every dialect: what the adapter tells of each, and how it heals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bot.core.commands import CancelOrder, PlaceOrder
from bot.core.events import (
    FillReported,
    OrderAbsent,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderReported,
    VenueLink,
    VenueLinkChanged,
    VenueOrderStatus,
    VenueReported,
    VenueUnreadable,
)
from bot.ports import VenueNotReady
from bot.simulator.conditions import Condition, ConditionKind
from bot.simulator.dialects.dialect import Keyed, Operation
from bot.simulator.dialects.trouble import BANNED, POSITION_MODE, RATE_LIMITED, MarginModes
from bot.simulator.faults import FaultKind
from bot.simulator.model import Side
from tests.adapters.venue.venue_stand import OF_NO_KIND, STANDS, Box, Stand, standing, until
from tests.simulator.stand import KEY

FAR = Decimal("59990")
MINUTE_MS = 60_000
WORDS_INSTEAD_OF_CODES = frozenset({"hyperliquid"})
TICK_BY_RULE = frozenset({"hyperliquid"})
"""The tick follows from significant digits and is not told."""
ISOLATED = {"binanceusdm": "ISOLATED", "binancecoinm": "isolated", "bybit": "ISOLATED_MARGIN", "hyperliquid": "isolated"}
"""The venues' words for isolated margin, where something can be put into it."""
TOLD_WITH_POSITIONS = frozenset({"hyperliquid"})
"""Venues that name the margin mode of what is held alone."""


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


def begin(stand: Stand, kind: ConditionKind, **figures) -> int:
    return stand.server.lasting.arm(Condition(venue=stand.name, kind=kind, **figures), stand.clock.now())


def lift(stand: Stand, number: int) -> None:
    assert stand.server.lasting.disarm(number, stand.clock.now())


def links(box: Box) -> list[VenueLink]:
    """Every change since the link was first up."""
    changes = [event.link for event in box.of(VenueLinkChanged)]
    return changes[changes.index(VenueLink.UP) :]


async def held(stand: Stand) -> Decimal:
    """The BTC position as the adapter reads it."""
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    return next(each.quantity for each in reading.positions if each.instrument == stand.btc.id)


async def order_passes(stand: Stand) -> None:
    command = stand.order("-0.01", FAR)
    answer = await stand.venue.place(command)
    assert isinstance(answer, OrderReported), answer


async def not_taken(stand: Stand, command: PlaceOrder, answer: object) -> None:
    """Refused; or, where the venue's words for it are on no list that proves that, in doubt and absent."""
    if isinstance(answer, OrderOutcomeUnknown):
        assert stand.name in WORDS_INSTEAD_OF_CODES, answer
        assert isinstance(await stand.venue.look_up(stand.asked(command)), OrderAbsent)
    else:
        assert isinstance(answer, OrderRefused), answer


def contracts(stand: Stand, quantity: str) -> Decimal:
    return stand.contracts(quantity)


async def test_stale_positions_are_reported_as_told_beside_the_fills_that_contradict_them(stand):
    """The reading claims what the venue said, no more; that known fills do not explain it is the core's to dispute."""
    await stand.venue.place(stand.order("-0.05", FAR))
    assert await held(stand) == stand.units("-0.05")
    number = begin(stand, ConditionKind.STALE_POSITIONS)
    assert await held(stand) == stand.units("-0.05")
    await stand.venue.place(stand.order("-0.02", FAR))
    reading = await stand.venue.read(stand.reading())
    if isinstance(reading, VenueReported):
        assert next(each.quantity for each in reading.positions if each.instrument == stand.btc.id) == stand.units("-0.05")
        assert sum(fill.quantity for fill in reading.fills) == stand.held() == stand.units("-0.07")
    else:
        assert isinstance(reading, VenueUnreadable)
    lift(stand, number)
    assert await held(stand) == stand.units("-0.07")


async def test_empty_positions_are_never_flat_while_something_is_held(stand):
    await stand.venue.place(stand.order("-0.05", FAR))
    assert await held(stand) == stand.units("-0.05")
    number = begin(stand, ConditionKind.EMPTY_POSITIONS)
    assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
    lift(stand, number)
    assert await held(stand) == stand.units("-0.05")


@pytest.mark.parametrize("by_ms", [MINUTE_MS, -MINUTE_MS], ids=["ahead", "behind"])
async def test_a_venues_clock_that_jumps_refuses_or_takes_and_is_measured_by_the_next_reading(stand, by_ms):
    number = begin(stand, ConditionKind.CLOCK_SHIFTED, by_ms=by_ms)
    answer = await stand.venue.place(stand.order("-0.01", FAR))
    if by_ms > 0:
        assert isinstance(answer, OrderRefused | OrderOutcomeUnknown), "its time is over by the venue's clock"
        assert stand.held() == 0
    else:
        assert isinstance(answer, OrderRefused | OrderReported), answer
    reading = await stand.venue.read(stand.reading())
    if not isinstance(reading, VenueReported):  # its other questions were signed before the clock was measured
        reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    assert abs(reading.clock_offset_ms - by_ms) < 2_000
    await order_passes(stand)
    lift(stand, number)
    await stand.venue.read(stand.reading())
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    assert abs(reading.clock_offset_ms) < 2_000
    await order_passes(stand)


@OF_NO_KIND
async def test_expired_stream_keys_are_down_until_new_ones_stand(stand):
    if not isinstance(stand.desk.dialect, Keyed):
        pytest.skip(f"streams of {stand.name} need no key")
    async with stand.listening() as box:
        begin(stand, ConditionKind.KEYS_EXPIRED)
        await until(lambda: box.link is VenueLink.DOWN)
        await until(lambda: box.link is VenueLink.UP)
        await order_passes(stand)
        await until(lambda: box.of(FillReported))


@pytest.mark.parametrize("leverage", [Decimal(3), Decimal(7)], ids=["lower", "higher"])
async def test_leverage_changed_from_outside_is_told_stops_nothing_and_is_set_back_when_described_again(stand, leverage):
    symbol = stand.btc.venue_symbol
    if stand.desk.exchange.leverage(KEY.account, symbol) != 5:
        pytest.skip(f"leverage is nothing that is set at {stand.name}")
    begin(stand, ConditionKind.LEVERAGE_CHANGED, symbol=symbol, leverage=leverage)
    await order_passes(stand)
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    assert (reading.remarks, reading.unfit) == ((f"{symbol} is at leverage {leverage}, not 5",), ())
    assert stand.desk.exchange.leverage(KEY.account, symbol) == leverage, "a reading changes nothing"
    assert len(await stand.venue.describe()) == len(stand.instruments)
    assert stand.desk.exchange.leverage(KEY.account, symbol) == 5
    assert (await stand.venue.read(stand.reading())).remarks == ()


async def test_a_leverage_that_cannot_be_set_back_is_told_on_and_describing_goes_on(stand):
    symbol = stand.btc.venue_symbol
    if stand.desk.exchange.leverage(KEY.account, symbol) != 5:
        pytest.skip(f"leverage is nothing that is set at {stand.name}")
    await order_passes(stand)
    begin(stand, ConditionKind.LEVERAGE_CHANGED, symbol=symbol, leverage=Decimal(3))
    await stand.venue.read(stand.reading())
    stand.arm(FaultKind.REFUSE, Operation.SETTINGS, status=503, body="busy")
    assert len(await stand.venue.describe()) == len(stand.instruments)
    assert (await stand.venue.read(stand.reading())).remarks == (f"{symbol} is at leverage 3, not 5",)
    await stand.venue.open()
    assert stand.desk.exchange.leverage(KEY.account, symbol) == 5, "nor does it outlive the next opening"


async def test_isolated_margin_set_from_outside_is_told_reductions_go_and_the_next_opening_puts_it_back(stand):
    """The reading is whole and says so: by it the core takes no increase there (`test_an_account_that_is_set_otherwise_...`)."""
    modes = stand.desk.dialect.troubles.margin_modes
    if modes is MarginModes.NOTHING:
        pytest.skip(f"nothing at {stand.name} is put into a margin mode")
    symbol = stand.btc.venue_symbol
    begin(stand, ConditionKind.ISOLATED_MARGIN, **({"symbol": symbol} if modes is MarginModes.CONTRACT else {}))
    opened = stand.order("-0.05", FAR)
    assert isinstance(await stand.venue.place(opened), OrderReported), "the venue itself takes it"
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    subject = symbol if modes is MarginModes.CONTRACT else "the account"
    assert list(reading.unfit) == [f"{subject} is in margin mode {ISOLATED[stand.name]}, not in cross margin"]
    assert await held(stand) == stand.held() == opened.quantity
    kept = await stand.venue.open()
    assert stand.btc.id in {each.id for each in kept}, "with a position in the way it stays in use, as it is"
    reduction = stand.order("0.05", Decimal(60_010), reduce_only=True)
    assert isinstance(await stand.venue.place(reduction), OrderReported)
    assert stand.held() == 0
    await stand.venue.open()
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    assert reading.unfit == ()
    await order_passes(stand)


async def test_margin_that_is_isolated_shows_before_anything_is_held_where_the_venue_tells_it(stand):
    modes = stand.desk.dialect.troubles.margin_modes
    if modes is MarginModes.NOTHING or stand.name in TOLD_WITH_POSITIONS:
        pytest.skip(f"{stand.name} tells no margin mode of what is flat")
    assert (await stand.venue.read(stand.reading())).unfit == ()
    begin(stand, ConditionKind.ISOLATED_MARGIN, **({"symbol": stand.btc.venue_symbol} if modes is MarginModes.CONTRACT else {}))
    assert (await stand.venue.read(stand.reading())).unfit


async def test_another_position_mode_refuses_orders_until_it_is_put_back(stand):
    if POSITION_MODE not in stand.desk.dialect.troubles.replies:
        pytest.skip(f"{stand.name} has no position modes")
    if stand.btc.settle not in (stand.venue._profile.setup.position_mode_settles or {stand.btc.settle}):
        begin(stand, ConditionKind.HEDGE_MODE)
        await order_passes(stand)
        return
    begin(stand, ConditionKind.HEDGE_MODE)
    answer = await stand.venue.place(stand.order("-0.01", FAR))
    assert isinstance(answer, OrderRefused), answer
    assert answer.code == stand.desk.dialect.troubles.replies[POSITION_MODE].code
    await stand.venue.open()
    await order_passes(stand)


async def test_a_foreign_order_is_told_by_stream_and_reading_as_nobodys_of_ours(stand):
    async with stand.listening() as box:
        figures = {"symbol": stand.btc.venue_symbol, "side": Side.SELL, "contracts": contracts(stand, "0.05"), "price": Decimal(60_100)}
        number = begin(stand, ConditionKind.FOREIGN_ORDER, **figures)
        await until(lambda: box.of(OrderReported))
        told = box.of(OrderReported)[-1].report
        assert told.status is VenueOrderStatus.ACCEPTED
        reading = await stand.venue.read(stand.reading())
        assert isinstance(reading, VenueReported)
        assert [order.venue_order_id for order in reading.orders] == [told.venue_order_id]
        lift(stand, number)
        await until(lambda: box.of(OrderReported)[-1].report.status is VenueOrderStatus.CANCELED)


async def test_a_foreign_fill_is_a_fill_of_none_of_our_orders(stand):
    async with stand.listening() as box:
        ours = stand.order("-0.01", FAR)
        await stand.venue.place(ours)
        figures = {"symbol": stand.btc.venue_symbol, "side": Side.SELL, "contracts": contracts(stand, "0.05"), "price": FAR}
        begin(stand, ConditionKind.FOREIGN_ORDER, **figures)
        await until(lambda: sum(each.fill.quantity for each in box.of(FillReported)) == stand.units("-0.06"))
        foreign = [each.fill for each in box.of(FillReported) if each.fill.client_order_id != ours.client_order_id]
        assert sum(fill.quantity for fill in foreign) == stand.units("-0.05")
        reading = await stand.venue.read(stand.reading())
        assert isinstance(reading, VenueReported)
        assert {fill.fill_id for fill in foreign} <= {fill.fill_id for fill in reading.fills}
        assert await held(stand) == stand.units("-0.06")


@OF_NO_KIND
async def test_maintenance_is_down_and_in_doubt_and_passes(stand):
    async with stand.listening() as box:
        number = begin(stand, ConditionKind.MAINTENANCE)
        await until(lambda: box.link is VenueLink.DOWN)
        answer = await stand.venue.place(stand.order("-0.01", FAR))
        expected = OrderRefused if stand.desk.dialect.troubles.replies["maintenance"].not_done else OrderOutcomeUnknown
        assert isinstance(answer, expected), answer
        assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
        assert stand.held() == 0
        lift(stand, number)
        stand.venue._gate._closed_until = 0.0  # some venues' word for it is also one for "stay away"
        await until(lambda: box.link is VenueLink.UP, 15)
        assert isinstance(await stand.venue.read(stand.reading()), VenueReported)
        await order_passes(stand)
        await until(lambda: box.of(FillReported))


@OF_NO_KIND
@pytest.mark.parametrize(("kind", "name"), [(ConditionKind.RATE_LIMITED, RATE_LIMITED), (ConditionKind.BANNED, BANNED)])
async def test_a_ban_that_lasts_lets_no_order_through_and_ends(stand, kind, name):
    number = begin(stand, kind)
    trouble = stand.desk.dialect.troubles.replies[name]
    answer = await stand.venue.place(stand.order("-0.01", FAR))
    assert isinstance(answer, OrderRefused if trouble.not_done else OrderOutcomeUnknown), answer
    again = await stand.venue.place(stand.order("-0.01", FAR, expires_in=600))
    assert isinstance(again, OrderRefused | OrderOutcomeUnknown), again
    assert stand.held() == 0
    lift(stand, number)
    stand.venue._gate._closed_until = 0.0  # a venue may have asked for minutes
    await order_passes(stand)


async def test_a_halted_instrument_refuses_orders_and_keeps_everything_else(stand):
    resting = stand.order("-0.05", Decimal(60_100), post_only=True)
    assert isinstance(await stand.venue.place(resting), OrderReported)
    number = begin(stand, ConditionKind.HALTED, symbol=stand.btc.venue_symbol)
    command = stand.order("-0.01", FAR)
    await not_taken(stand, command, await stand.venue.place(command))
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported)
    assert [order.client_order_id for order in reading.orders] == [resting.client_order_id]
    cancel = CancelOrder(client_order_id=resting.client_order_id, instrument=resting.instrument, venue_order_id=None)
    assert isinstance(await stand.venue.cancel(cancel), OrderReported)
    kept = await stand.venue.open()
    assert {each.base for each in kept} == {"ETH"}, "what is not traded and not held is left out"
    lift(stand, number)
    assert {each.base for each in await stand.venue.open()} == {"BTC", "ETH"}
    await order_passes(stand)


async def test_a_halted_instrument_that_is_held_stays_in_use(stand):
    await stand.venue.place(stand.order("-0.05", FAR))
    begin(stand, ConditionKind.HALTED, symbol=stand.btc.venue_symbol)
    assert {each.base for each in await stand.venue.open()} == {"BTC", "ETH"}
    assert await held(stand) == stand.units("-0.05")


async def test_a_delisted_instrument_refuses_orders_and_is_left_out_of_the_next_opening(stand):
    begin(stand, ConditionKind.DELISTED, symbol=stand.btc.venue_symbol)
    command = stand.order("-0.01", FAR)
    await not_taken(stand, command, await stand.venue.place(command))
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)
    assert {each.base for each in await stand.venue.describe()} == {"BTC", "ETH"}, "what is not told of stays as it was"
    assert {each.base for each in await stand.venue.open()} == {"ETH"}


async def test_a_venue_that_lists_nothing_of_ours_cannot_be_used(stand):
    for instrument in stand.instruments.values():
        begin(stand, ConditionKind.DELISTED, symbol=instrument.venue_symbol)
    with pytest.raises((VenueNotReady, ConnectionError)):
        await stand.venue.open()


async def test_a_resized_instrument_refuses_what_no_longer_fits_and_is_described_anew(stand):
    before = stand.btc
    lot, tick = before.lot * 10, before.tick * (1 if stand.name == "hyperliquid" else 10)  # ticks follow from the price there
    number = begin(stand, ConditionKind.RESIZED, symbol=before.venue_symbol, lot=lot, tick=tick)
    answer = await stand.venue.place(stand.order(str(-before.lot * 15 / stand.contracts(1)), FAR))
    assert isinstance(answer, OrderRefused), answer
    described = {each.id: each for each in await stand.venue.describe()}[before.id]
    assert (described.lot, described.tick) == (lot, before.tick if stand.name in TICK_BY_RULE else tick)
    answer = await stand.venue.place(stand.order(str(-before.lot * 20 / stand.contracts(1)), FAR))
    assert isinstance(answer, OrderReported), answer
    lift(stand, number)
    described = {each.id: each for each in await stand.venue.describe()}[before.id]
    assert (described.lot, described.tick) == (before.lot, before.tick)


@OF_NO_KIND
async def test_a_silent_venue_answers_nothing_and_what_waited_is_found(stand):
    stand.venue._up.client.timeout = 300
    number = begin(stand, ConditionKind.SILENT)
    command = stand.order("-0.05", FAR, expires_in=4_500)
    assert isinstance(await stand.venue.place(command), OrderOutcomeUnknown)
    lift(stand, number)
    stand.venue._up.client.timeout = 4_000
    await until(lambda: stand.held() == command.quantity)
    found = await stand.venue.look_up(stand.asked(command))
    assert isinstance(found, OrderReported), found
    assert found.report.filled_quantity == command.quantity


async def test_a_silent_venue_is_not_up_until_it_speaks(stand):
    stand.hears_of_silence_after(1_500)
    async with stand.listening() as box:
        number = begin(stand, ConditionKind.SILENT)
        await until(lambda: box.link is not VenueLink.UP, 15)
        lift(stand, number)
        await until(lambda: box.link is VenueLink.UP, 15)
        await order_passes(stand)
        await until(lambda: box.of(FillReported))


@OF_NO_KIND
async def test_sockets_that_are_closed_by_a_plan_come_back(stand):
    async with stand.listening() as box:
        begin(stand, ConditionKind.SOCKETS_CLOSED)
        await until(lambda: VenueLink.DOWN in links(box))
        await until(lambda: box.link is VenueLink.UP)
