"""The simulated venues with a market that moves: a path of market time, played at a speed of wall time into every venue's engine.

Only market time is compressed. Request expiry, staleness and every timestamp on the wire are wall time; funding intervals keep their
declared length in market time, so that annualised rates stay true. When a path has been played to its end, or is held, the market stands
still: its prices are told on, and the next settlement stays as far ahead as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bot.core.units import Millis
from bot.simulator.custodian import Custodian, CustodianTerms
from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.dialect import Credential
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.listings import exchange_of
from bot.simulator.market import MarketPath, to_ticks
from bot.simulator.model import Contract
from bot.simulator.server import SimulatorServer

TICK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAccount:
    """One venue's account: its key, what its wallet holds at the start, by asset, and what the wallets beside it hold, by wallet."""

    credential: Credential
    balances: Mapping[str, Decimal]
    wallets: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)


class SimulatedVenues:
    """Venues, their server and the market behind them, from `begin_ms` of the path on (None: its start).

    `start` before anything else; `play` runs until cancelled.
    """

    def __init__(
        self,
        accounts: Mapping[str, SimulatedAccount],
        path: MarketPath,
        speed: Decimal,
        *,
        begin_ms: Millis | None = None,
        clock: Callable[[], Millis] = wall_ms,
        tick_s: float = TICK_S,
        custody: CustodianTerms | None = None,
    ) -> None:
        """`tick_s` is how often the market moves, wall seconds; `custody`: with a custodian. Raises ValueError as that does."""
        self._tick_s = tick_s
        self._path = path
        self._speed = speed
        self._clock = clock
        self._began_at: Millis | None = None
        self._held_at: Millis | None = None
        self._begin_ms = path.start_ms if begin_ms is None else begin_ms
        self._played_to = self._begin_ms
        self.accounts = accounts
        desks = [self._desk(venue, account) for venue, account in accounts.items()]
        custodian = None if custody is None else Custodian({desk.name: desk for desk in desks}, custody, clock=clock)
        self.server = SimulatorServer(desks, custodian=custodian)
        self._contracts = {desk.name: tuple(desk.exchange.contracts.values()) for desk in desks}

    def _desk(self, venue: str, account: SimulatedAccount) -> Desk:
        intervals = {asset: self._path.funding_interval_ms(v, asset) for v, asset in self._path.provenance if v == venue}
        exchange = exchange_of(venue, now=self._clock(), intervals=intervals)
        exchange.open_account(account.credential.account, account.balances)
        for wallet, held in account.wallets.items():
            exchange.open_account(f"{account.credential.account}:{wallet}", held)
        return Desk(venue, exchange, DIALECTS[venue], [account.credential], clock=self._clock)

    @property
    def path(self) -> MarketPath:
        """The path that is played."""
        return self._path

    @property
    def market_ms(self) -> Millis:
        """Market time now; the path's end once it has been played, and the moment of `hold` from then on."""
        if self._began_at is None:
            return self._begin_ms
        if self._held_at is not None:
            return self._held_at
        elapsed = int((self._clock() - self._began_at) * self._speed)
        return min(self._begin_ms + elapsed, self._path.end_ms)

    @property
    def has_ended(self) -> bool:
        """Whether the path has been played to its end and the market stands still."""
        return self.market_ms >= self._path.end_ms

    def change(self, change: Callable[[MarketPath, Millis], MarketPath]) -> None:
        """Replaces the path from now on, for example by one with another funding rate."""
        self._path = change(self._path, self.market_ms)

    def hold(self) -> None:
        """From now on the market stands still: nothing more is settled, while orders and questions are answered as before."""
        self._held_at = self.market_ms

    async def start(self, port: int = 0) -> None:
        """Opens the market and binds the port (0: a free one). Raises OSError when it is taken."""
        self._began_at = self._clock()
        self._tick()
        self._schedule()
        await self.server.start(port)

    async def play(self) -> None:
        """Moves the market on a beat until cancelled."""
        while True:
            await asyncio.sleep(self._tick_s)
            self._tick()
            self._settle()

    async def stop(self) -> None:
        """Cuts every connection and lets the port go."""
        await self.server.stop()

    def _tick(self) -> None:
        points = self._path.sample(self.market_ms)
        for venue, desk in self.server.desks.items():
            for tick in to_ticks([p for p in points if p.venue == venue], self._contracts[venue]):
                desk.tick(tick)

    def _settle(self) -> None:
        until = self.market_ms
        for due in self._path.settlements(self._played_to, until):
            desk = self.server.desks.get(due.venue)
            if desk is not None:
                for contract in self._of(due.venue, due.asset):
                    desk.settle_funding(contract.symbol)
        self._played_to = max(self._played_to, until)
        self._schedule()

    def _schedule(self) -> None:
        """Tells each venue when, by its wall clock, it settles next."""
        now, market_now = self._clock(), self.market_ms
        for venue, asset in self._path.provenance:
            if venue not in self.server.desks:
                continue
            interval = self._path.funding_interval_ms(venue, asset)
            until_next = interval - market_now % interval
            for contract in self._of(venue, asset):
                self.server.desks[venue].exchange.schedule_funding(contract.symbol, now + int(until_next / self._speed))

    def _of(self, venue: str, asset: str) -> Sequence[Contract]:
        return [c for c in self._contracts[venue] if c.base == asset]
