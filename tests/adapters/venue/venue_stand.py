"""The adapter in front of the simulated venues: real ccxt.pro over real HTTP and WebSocket on loopback, a market that moves a little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.core.commands import LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import Event, Quote, VenueLink, VenueLinkChanged
from bot.core.instrument import Instrument
from bot.core.units import ClientOrderId, VenueId
from bot.simulator.dialects.binanceusdm import BinanceUsdm
from bot.simulator.dialects.bybit import Bybit
from bot.simulator.dialects.dialect import DialectFactory
from bot.simulator.dialects.okx import OkxDialect
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import FAIR, KEY, desk_of, serving, tick_of

DIALECTS: dict[str, DialectFactory] = {"binanceusdm": BinanceUsdm, "bybit": Bybit, "okx": OkxDialect}
SYMBOLS = {
    "binanceusdm": ("BTCUSDT", "ETHUSDT"),
    "bybit": ("BTCUSDT", "ETHUSDT"),
    "okx": ("BTC-USDT-SWAP", "ETH-USDT-SWAP"),
}
BEST_BID, BEST_ASK = Decimal("59999.9"), Decimal("60000.1")
_ids = count(1)


class WallClock:
    """The machine's clock, as the shell's; `ahead_ms` makes ours wrong on purpose."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self.ahead_ms = ahead_ms

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def steady(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Box:
    """An inbox that keeps everything."""

    events: list[Event] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)

    def put(self, event: Event) -> None:
        self.events.append(event)

    def put_quote(self, quote: Quote) -> None:
        self.quotes.append(quote)

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def link(self) -> VenueLink | None:
        links = self.of(VenueLinkChanged)
        return links[-1].link if links else None


async def until(true: Callable[[], object], seconds: float = 8.0) -> None:
    """Waits for something to become true; fails the test when it does not."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.02)


@dataclass
class Stand:
    """One venue, its adapter, and its books."""

    name: str
    server: SimulatorServer
    venue: CcxtVenue
    instruments: dict[str, Instrument]
    clock: WallClock

    @property
    def desk(self):
        return self.server.desks[self.name]

    @property
    def btc(self) -> Instrument:
        return next(each for each in self.instruments.values() if each.base == "BTC")

    def held(self) -> Decimal:
        """The BTC position in base units, from the venue's own books."""
        positions = self.desk.exchange.positions(KEY.account)
        return sum((each.contracts * self.btc.contract_size for each in positions if each.symbol == self.btc.venue_symbol), Decimal(0))

    def arm(self, kind: FaultKind, operation, **more) -> None:
        self.server.plan.arm(Fault(venue=self.name, kind=kind, operation=operation, **more))

    def order(
        self, quantity: str, price: Decimal = BEST_BID, *, reduce_only: bool = False, expires_in: int = 3_000, ours: str = ""
    ) -> PlaceOrder:
        signed = Decimal(quantity)
        return PlaceOrder(
            client_order_id=ClientOrderId(ours or f"t{next(_ids)}x{self.clock.now()}"),
            instrument=self.btc.id,
            quantity=signed,
            contracts=abs(signed) / self.btc.contract_size,
            price=price,
            reduce_only=reduce_only,
            expires_at=self.clock.now() + expires_in,
        )

    def asked(self, placed: PlaceOrder, placed_at: int | None = None) -> LookUpOrder:
        at = self.clock.now() - 1_000 if placed_at is None else placed_at
        return LookUpOrder(client_order_id=placed.client_order_id, instrument=placed.instrument, venue_order_id=None, placed_at=at)

    def reading(self, back_ms: int = 60_000) -> ReadVenue:
        return ReadVenue(venue=VenueId(self.name), fills_since=self.clock.now() - back_ms, reason="test")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Box]:
        """Streams into a box, once the link is up."""
        async with self.listening_anyhow() as box:
            await until(lambda: box.link is VenueLink.UP)
            yield box

    @asynccontextmanager
    async def listening_anyhow(self) -> AsyncIterator[Box]:
        """Streams into a box, whatever the link."""
        box = Box()
        task = asyncio.create_task(self.venue.listen(box))
        try:
            yield box
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def settings_of(name: str, server: SimulatorServer, **changed) -> VenueSettings:
    given = {
        "venue": VenueId(name),
        "environment": Environment.SIMULATION,
        "api_key": KEY.api_key,
        "secret": KEY.secret,
        "passphrase": KEY.passphrase,
        "venue_symbols": SYMBOLS[name],
        "routes": dict.fromkeys(server.hosts, server.url),
    }
    return VenueSettings(**(given | changed))


async def _flicker(server: SimulatorServer) -> None:
    """The market moves ten times a second, by nothing but the depth far from the touch and the mark's last digit."""
    for turn in count():
        await asyncio.sleep(0.1)
        for desk in server.desks.values():
            for contract in desk.exchange.contracts.values():
                shift = contract.tick if turn % 2 else Decimal(0)
                desk.tick(tick_of(contract, FAIR[contract.base] + shift))


@asynccontextmanager
async def standing(name: str, *, moving: bool = False, ahead_ms: int = 0) -> AsyncIterator[Stand]:
    """An opened adapter before its running venue; the server must not have failed by the end."""
    clock = WallClock(ahead_ms)
    async with serving(desk_of(name, DIALECTS[name])) as server:
        venue = CcxtVenue(settings_of(name, server), clock)
        listed = await venue.open()
        flicker = asyncio.create_task(_flicker(server)) if moving else None
        try:
            yield Stand(name, server, venue, {each.venue_symbol: each for each in listed}, clock)
        finally:
            if flicker is not None:
                flicker.cancel()
            await venue.close()
