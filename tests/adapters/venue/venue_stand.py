"""The adapter in front of the simulated venues: real ccxt.pro over real HTTP and WebSocket on loopback, a market that moves a little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

import pytest

from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.adapters.venue.throttle import Gate, RequestLimit
from bot.core.commands import LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import Event, Quote, VenueLink, VenueLinkChanged
from bot.core.instrument import Instrument
from bot.core.units import ClientOrderId, VenueId
from bot.simulator.dialects import registry
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.margin import cash
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import FAIR, KEY, desk_of, key_of, serving, tick_of

SYMBOLS = {
    "binanceusdm": ("BTCUSDT", "ETHUSDT"),
    "binancecoinm": ("BTCUSD_PERP", "ETHUSD_PERP"),
    "bybit": ("BTCUSDT", "ETHUSDT"),
    "deribit": ("BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL"),
    "okx": ("BTC-USDT-SWAP", "ETH-USDT-SWAP"),
    "hyperliquid": ("BTC", "ETH"),
}
"""The linear perpetuals that the account of a venue's first stand trades."""
STANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    **{venue: (venue, symbols) for venue, symbols in SYMBOLS.items()},
    "bybit inverse": ("bybit", ("BTCUSD", "ETHUSD")),
    "okx inverse": ("okx", ("BTC-USD-SWAP", "ETH-USD-SWAP")),
    "deribit inverse": ("deribit", ("BTC-PERPETUAL", "ETH-PERPETUAL")),
}
"""Every stand by its name: the venue, and which of its perpetuals the account trades. Contract suite and faults run on all of them."""
DIALECTS = {name: registry.DIALECTS[name] for name in SYMBOLS}
"""The simulated venues that the adapter has a profile for."""
BOTH_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "bybit both kinds": ("bybit", ("BTCUSDT", "ETHUSDT", "BTCPERP", "BTCUSD", "ETHUSD")),
    "okx both kinds": ("okx", ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USDC-SWAP", "BTC-USD-SWAP", "ETH-USD-SWAP")),
}
"""Stands whose account trades linear perpetuals in two stablecoins and inverse ones at once."""
OF_NO_KIND = pytest.mark.parametrize("stand", list(DIALECTS), indirect=True)
"""For what cannot know which kind of contract is traded: once at each venue. All other faults are tried on every stand."""
BTC = FAIR["BTC"]
BEST_BID, BEST_ASK = Decimal("59999.9"), Decimal("60000.1")
"""The touch of the linear BTC perpetuals."""
LATE_IN_DOUBT = frozenset({"deribit", "hyperliquid"})
"""Venues whose answer to a request that came after its expiry is no proof that nothing of it was begun."""
IDS_REPEAT = frozenset({"deribit"})
"""Venues that take a second order with a client order id that was used before."""
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

    def sockets(self, *, private: bool) -> set:
        """Connected sockets of one kind; where one socket carries both kinds, that one."""
        streams = self.venue._profile.streams
        connected = {each for each in self.venue._up.client.clients.values() if each.isConnected}
        return connected if streams.one_socket else {each for each in connected if streams.is_private(each.url) is private}

    @property
    def bid(self) -> Decimal:
        return BTC - self.btc.tick

    @property
    def ask(self) -> Decimal:
        return BTC + self.btc.tick

    def units(self, base: str | Decimal) -> Decimal:
        """A signed quantity of BTC as the record counts it: base units, or dollars at the fair price of an inverse contract."""
        return self.btc.units_of_contracts(self.btc.contracts_of_units(self.btc.units_of(Decimal(base), BTC)))

    def first_level(self) -> Decimal:
        """What there is at the best bid, as the record counts it."""
        return self.btc.units_of_contracts(self.desk.exchange.book(self.btc.venue_symbol, 1).bids[0].contracts)

    def worth(self, units: Decimal, price: Decimal) -> Decimal:
        """What a quantity is worth at a price in what the contract settles in, unsigned."""
        return abs(units) / price if self.btc.is_inverse else abs(units) * price

    def contracts(self, base: str | Decimal) -> Decimal:
        """A number of BTC in contracts."""
        return self.units(base) / self.btc.contract_size

    def fee(self, units: Decimal, price: Decimal, rate: Decimal | None) -> Decimal:
        """What a fill costs, in what the contract settles in: booked to eight decimals."""
        assert rate is not None
        return cash(self.worth(units, price) * rate)

    def held(self) -> Decimal:
        """The BTC position as the record counts it, from the venue's own books."""
        positions = self.desk.exchange.positions(KEY.account)
        return sum((each.contracts * self.btc.contract_size for each in positions if each.symbol == self.btc.venue_symbol), Decimal(0))

    def says(self, trouble: str) -> str:
        """What the venue answers on one of its bad days."""
        return self.desk.dialect.troubles.replies[trouble].reply.body.decode()

    def hears_of_silence_after(self, ms: int) -> None:
        """From its next listening on, books that are not told for this long are silent: seconds sooner than at the venue itself."""
        profile = self.venue._profile
        self.venue._profile = replace(profile, streams=replace(profile.streams, quote_silence_ms=ms))

    def without_limits(self) -> None:
        """From now on limits are another test's business: polls of a test follow each other faster than they may."""
        self.venue._up.asker.gate = Gate([RequestLimit(each.name, 10_000, each.period_s, 1) for each in self.venue._profile.limits])

    def arm(self, kind: FaultKind, operation, **more) -> None:
        self.server.plan.arm(Fault(venue=self.name, kind=kind, operation=operation, **more))

    def order(
        self,
        base: str,
        price: Decimal | None = None,
        *,
        reduce_only: bool = False,
        post_only: bool = False,
        expires_in: int = 3_000,
        ours: str = "",
    ) -> PlaceOrder:
        """An order for a signed quantity of BTC, at the best bid unless told otherwise."""
        signed = self.units(base)
        return PlaceOrder(
            client_order_id=ClientOrderId(ours or f"t{next(_ids)}x{self.clock.now()}"),
            instrument=self.btc.id,
            quantity=signed,
            contracts=abs(signed) / self.btc.contract_size,
            price=self.bid if price is None else price,
            reduce_only=reduce_only,
            post_only=post_only,
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
    venue, symbols = (STANDS | BOTH_KINDS)[name]
    key = key_of(venue)
    given = {
        "venue": VenueId(venue),
        "environment": Environment.SIMULATION,
        "api_key": key.api_key,
        "secret": key.secret,
        "passphrase": key.passphrase,
        "venue_symbols": symbols,
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
async def standing(name: str, *, moving: bool = False, ahead_ms: int = 0, **changed) -> AsyncIterator[Stand]:
    """An opened adapter before its running venue, its settings `changed`; the server must not have failed by the end."""
    clock, (named, _) = WallClock(ahead_ms), (STANDS | BOTH_KINDS)[name]
    async with serving(desk_of(named, DIALECTS[named])) as server:
        venue = CcxtVenue(settings_of(name, server, **changed), clock)
        listed = await venue.open()
        flicker = asyncio.create_task(_flicker(server)) if moving else None
        try:
            yield Stand(named, server, venue, {each.venue_symbol: each for each in listed}, clock)
        finally:
            if flicker is not None:
                flicker.cancel()
            await venue.close()
