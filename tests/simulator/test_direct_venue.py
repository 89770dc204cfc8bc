"""The port straight on the engine tells what the dialects tell: post-only orders rest, fill as makers, are cancelled, and never take."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

from bot.core.commands import CancelOrder, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import (
    Event,
    FillReported,
    HoldingsReported,
    OrderRefused,
    OrderReported,
    Quote,
    VenueOrderStatus,
    VenueReported,
    VenueUnreadable,
)
from bot.core.instrument import Instrument
from bot.core.units import ClientOrderId, VenueId
from bot.simulator.direct_venue import DirectVenue
from bot.simulator.direct_words import quote_of
from bot.simulator.model import Level
from bot.simulator.virtual_time import VirtualClock, run_virtually
from bot.simulator.world import ACCOUNT, SimulatedWorld
from tests.core.story import inverse

D = Decimal
BYBIT = VenueId("bybit")
ID = ClientOrderId("h1")


class Box:
    """An inbox that keeps everything."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def put(self, event: Event) -> None:
        self.events.append(event)

    def put_quote(self, quote: Quote) -> None:
        del quote


class Stand:
    """One venue of a world on virtual time, opened."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.world = SimulatedWorld(self.clock, seed=1)
        self.venue: DirectVenue = self.world.venues()[BYBIT]
        self.btc: Instrument = next(i for i in self.world.instruments.values() if i.venue == BYBIT and i.base == "BTC")

    @property
    def touch(self) -> tuple[Decimal, Decimal]:
        book = self.world.exchanges[BYBIT].book(self.btc.venue_symbol, 1)
        return book.bids[0].price, book.asks[0].price

    def order(self, quantity: str, price: Decimal) -> PlaceOrder:
        return PlaceOrder(
            client_order_id=ID,
            instrument=self.btc.id,
            quantity=D(quantity),
            contracts=abs(D(quantity)) / self.btc.contract_size,
            price=price,
            reduce_only=False,
            post_only=True,
            expires_at=self.clock.now() + 5_000,
        )

    async def cancel(self) -> object:
        return await self.venue.cancel(CancelOrder(client_order_id=ID, instrument=self.btc.id, venue_order_id=None))

    async def state(self) -> tuple[VenueOrderStatus, Decimal | None]:
        asked = LookUpOrder(client_order_id=ID, instrument=self.btc.id, venue_order_id=None, placed_at=0)
        found = await self.venue.look_up(asked)
        assert isinstance(found, OrderReported)
        return found.report.status, found.report.filled_quantity


def test_a_post_only_order_rests_fills_as_maker_and_is_cancelled():
    async def story() -> None:
        stand, box = Stand(), Box()
        await stand.venue.open()
        task = asyncio.create_task(stand.venue.listen(box))
        price = stand.touch[1] + 5 * stand.btc.tick
        answer = await stand.venue.place(stand.order("-100", price))
        assert isinstance(answer, OrderReported)
        assert (answer.report.status, answer.report.filled_quantity) == (VenueOrderStatus.ACCEPTED, D(0))
        stand.world.fair["BTC"] += 10
        stand.world.tick()
        await stand.clock.sleep(1)
        status, filled = await stand.state()
        assert status is VenueOrderStatus.ACCEPTED
        assert filled is not None
        assert -100 < filled < 0
        fills = [e.fill for e in box.events if isinstance(e, FillReported)]
        assert sum(fill.quantity for fill in fills) == filled
        assert all(fill.fee == -fill.quantity * price * stand.btc.maker_fee for fill in fills if stand.btc.maker_fee)
        assert isinstance(await stand.cancel(), OrderReported)
        assert await stand.state() == (VenueOrderStatus.CANCELED, filled)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtually(story())


def test_a_reading_tells_the_place_in_the_deleveraging_queue_of_what_is_held():
    async def story() -> None:
        stand = Stand()
        await stand.venue.open()
        exchange = stand.world.exchanges[BYBIT]
        await stand.venue.place(replace(stand.order("-1", stand.touch[0]), post_only=False))
        exchange.rank(ACCOUNT, stand.btc.venue_symbol, D("0.7"))
        reading = await stand.venue.read(ReadVenue(venue=BYBIT, fills_since=0, reason="test"))
        assert isinstance(reading, VenueReported)
        assert {p.instrument: p.deleveraging_rank for p in reading.positions if p.quantity} == {stand.btc.id: D("0.7")}
        assert {p.deleveraging_rank for p in reading.positions if not p.quantity} == {None}

    run_virtually(story())


def test_one_that_would_take_is_refused_and_trades_nothing():
    async def story() -> None:
        stand = Stand()
        await stand.venue.open()
        answer = await stand.venue.place(stand.order("-1", stand.touch[0]))
        assert isinstance(answer, OrderRefused)
        assert answer.code == "post_only"
        assert stand.world.position(stand.btc.id) == 0
        assert stand.world.exchanges[BYBIT].open_orders(ACCOUNT) == ()

    run_virtually(story())


def test_the_touch_of_an_inverse_perpetual_is_told_in_coins() -> None:
    """300 contracts of 10 USD at 3,000 are one coin."""

    async def told() -> Quote | None:
        stand = Stand()
        exchange, symbol = stand.world.exchanges[BYBIT], stand.btc.venue_symbol
        book = replace(exchange.book(symbol, 1), bids=(Level(D(3_000), D(300)),), asks=(Level(D(4_000), D(400)),))
        return quote_of(inverse("bybit", "ETH"), book, exchange.market(symbol), 1)

    quote = run_virtually(told())
    assert quote is not None
    assert (quote.bid_quantity, quote.ask_quantity) == (1, 1)


def test_a_venue_that_tells_no_past_tells_the_present_twice_until_it_was_read_in_full():
    async def story() -> None:
        stand, box = Stand(), Box()
        await stand.venue.open()
        task = asyncio.create_task(stand.venue.listen(box))
        await stand.venue.place(replace(stand.order("-100", stand.touch[0]), post_only=False))
        held = stand.world.position(stand.btc.id)
        stand.venue.tells_no_past = True
        assert isinstance(await stand.venue.read(ReadVenue(venue=BYBIT, fills_since=0, reason="a test")), VenueUnreadable)
        told = [e for e in box.events if isinstance(e, HoldingsReported)]
        assert [{p.instrument: p.quantity for p in e.positions}[stand.btc.id] for e in told] == [held, held]
        assert told[0].asked_at < told[1].asked_at
        stand.venue.tells_no_past = False
        assert isinstance(await stand.venue.read(ReadVenue(venue=BYBIT, fills_since=0, reason="a test")), VenueReported)
        stand.venue.tells_no_past = True
        assert isinstance(await stand.venue.read(ReadVenue(venue=BYBIT, fills_since=0, reason="a test")), VenueUnreadable)
        assert sum(isinstance(e, HoldingsReported) for e in box.events) == 2
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtually(story())
