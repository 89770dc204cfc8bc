"""Everything that outlives a run of the bot, on virtual time: venues with their engines and wires, a market that moves, collateral, a disk.

The unchanged shell runs in it: `venues()` gives one run its ports. The world keeps the truth: what the engines hold, and the client order
ids that were ever sent. Prices are drawn from one seed: one walk per asset, with a small difference per venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random

from bot.core.instrument import Instrument
from bot.core.units import ZERO, ClientOrderId, InstrumentId, VenueId, down_to_step
from bot.ports import Clock
from bot.simulator.direct_venue import DirectVenue
from bot.simulator.direct_words import instrument_of
from bot.simulator.exchange import Exchange
from bot.simulator.listings import exchange_of
from bot.simulator.memory import MemoryCollateral, MemoryStore
from bot.simulator.model import Contract, MarketTick
from bot.simulator.wire import Wire

VENUES = ("binanceusdm", "bybit", "okx")
FAIR = {"BTC": Decimal(60_000), "ETH": Decimal(3_000), "SOL": Decimal(150)}
ACCOUNT = "hedge"
STEP_BPS = 1.0
"""Standard deviation of one step of the walk."""


class SimulatedWorld:
    """Venues and what lies around them. Not safe for use from several threads."""

    def __init__(
        self,
        clock: Clock,
        seed: int,
        *,
        assets: Sequence[str] = ("BTC", "ETH"),
        deposit: Decimal = Decimal(5_000_000),
        tick_s: float = 0.5,
        step_bps: float = STEP_BPS,
        accounts: Mapping[str, Mapping[str, Decimal]] | None = None,
    ) -> None:
        """The market moves every `tick_s` seconds while `play` runs, by `step_bps` (one standard deviation).

        `accounts` are our deposits by venue and asset: the perpetuals that settle in one of these are in use. None: `deposit` USDT at each
        of three venues.
        """
        deposits = accounts or {venue: {"USDT": deposit} for venue in VENUES}
        self.clock = clock
        self.random = Random(seed)
        self.tick_s = tick_s
        self.step_bps = step_bps
        self.still = False
        """Whether the market stands still, also while `play` runs."""
        self.store = MemoryStore()
        self.collateral = MemoryCollateral("custody", clock)
        self.exchanges = {VenueId(v): exchange_of(v, now=clock.now()) for v in deposits}
        self.wires = {v: Wire(venue=v) for v in self.exchanges}
        self.fair = {a: FAIR[a] for a in assets}
        self.funding = {v: dict.fromkeys(assets, Decimal("0.0001")) for v in self.exchanges}
        self.depth: dict[str, tuple[Decimal, ...]] = {a: (Decimal(500_000) / FAIR[a],) * 5 for a in assets}
        self.instruments: dict[InstrumentId, Instrument] = {}
        self._contracts: dict[InstrumentId, tuple[Exchange, Contract]] = {}
        for venue, exchange in self.exchanges.items():
            exchange.open_account(ACCOUNT, deposits[venue])
            for contract in exchange.contracts.values():
                if contract.base in self.fair and contract.settle in deposits[venue]:
                    listed = instrument_of(venue, contract)
                    self.instruments[listed.id] = listed
                    self._contracts[listed.id] = (exchange, contract)
        self.tick()

    def venues(self) -> Mapping[VenueId, DirectVenue]:
        """Fresh adapters for one run."""
        return {v: DirectVenue(v, e, ACCOUNT, self.clock, self.wires[v], self.symbols(v)) for v, e in self.exchanges.items()}

    def symbols(self, venue: VenueId) -> Sequence[str]:
        """The contracts in use at a venue, by the venue's names."""
        return [i.venue_symbol for i in self.instruments.values() if i.venue == venue]

    @property
    def placed(self) -> list[ClientOrderId]:
        """The client order id of every order that any run ever tried to send, venue by venue."""
        return [order for wire in self.wires.values() for order in wire.placed]

    async def play(self) -> None:
        """Moves the market until cancelled."""
        while True:
            await self.clock.sleep(self.tick_s)
            if self.still:
                continue
            for asset, fair in self.fair.items():
                step = Decimal(str(round(self.random.gauss(0.0, self.step_bps), 3)))
                self.fair[asset] = down_to_step(fair * (1 + step / 10_000), Decimal("0.01"))
            self.tick()

    def tick(self) -> None:
        """Tells every venue the market as it is now."""
        for number, (instrument, (exchange, contract)) in enumerate(self._contracts.items()):
            reports = exchange.on_tick(self.tick_of(instrument, exchange.contracts[contract.symbol], number), self._now())
            self.wires[VenueId(exchange.name)].tell(reports)

    def tick_of(self, instrument: InstrumentId, contract: Contract, number: int) -> MarketTick:
        """The market of one contract as it is now; `number` is its place among all."""
        fair = self.fair[contract.base] * (1 + Decimal(number % 3 - 1) / 20_000)
        return MarketTick(
            symbol=contract.symbol,
            fair=fair,
            mark=down_to_step(fair, contract.tick),
            index=down_to_step(self.fair[contract.base], contract.tick),
            funding_rate=self.funding[self.instruments[instrument].venue][contract.base],
            half_spread=contract.tick,
            depth=self.depth[contract.base],
            open_interest=Decimal(100_000),
        )

    def deleverage(self, instrument: InstrumentId, fraction: Decimal) -> Decimal:
        """Takes a fraction of the position, rounded down to the lot; returns the contract units taken (0: there was less than a lot)."""
        exchange, contract = self._contracts[instrument]
        lot = exchange.market(contract.symbol).contract.lot  # it may have changed since it was listed
        contracts = down_to_step(abs(self.position(instrument)) / contract.contract_size * fraction, lot)
        if contracts > ZERO:
            reports = exchange.deleverage(ACCOUNT, contract.symbol, contracts, self._now())
            self.wires[VenueId(exchange.name)].tell(reports)
        return contracts * contract.contract_size

    def settle_funding(self) -> None:
        """One funding settlement of every contract."""
        for exchange, contract in self._contracts.values():
            self.wires[VenueId(exchange.name)].tell(exchange.settle_funding(contract.symbol, self._now()))

    def position(self, instrument: InstrumentId) -> Decimal:
        """What the venue really holds for us: signed contract units (base if linear, quote if inverse)."""
        exchange, contract = self._contracts[instrument]
        held = (p.contracts for p in exchange.positions(ACCOUNT) if p.symbol == contract.symbol)
        return next(held, ZERO) * contract.contract_size

    def short(self, asset: str) -> Decimal:
        """Base units that we are really short of an asset, over all venues; inverse ones at their mark."""
        return -sum((self.delta(i) for i, listed in self.instruments.items() if listed.base == asset), ZERO)

    def delta(self, instrument: InstrumentId) -> Decimal:
        """The same position in base units at its venue's mark."""
        exchange, contract = self._contracts[instrument]
        return self.instruments[instrument].base_of(self.position(instrument), exchange.market(contract.symbol).mark)

    def contract(self, instrument: InstrumentId) -> tuple[Exchange, Contract]:
        """Where an instrument is traded, and its terms there as they are now."""
        exchange, listed = self._contracts[instrument]
        return exchange, exchange.contracts[listed.symbol]

    def tasks(self) -> set[asyncio.Task[None]]:
        """What travels on the wires: part of the world, not of a run."""
        return {task for wire in self.wires.values() for task in wire.under_way}

    def _now(self) -> int:
        return self.clock.now()
