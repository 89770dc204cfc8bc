"""What is really so, and what the bot says: sampled side by side.

Truth comes from the venues' own books and the treasury's holdings; the bot is asked for its statement over its control socket,
as any program of its user may. True net delta is measured on truth alone, in basis points of what is held, weighted by time. What is held
is collateral and the coins in accounts at venues, unrealised profit included; inverse positions count at their own venue's mark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import orjson

from bot.core.units import BPS, ONE, ZERO, Millis
from bot.drivers.demo.cast import ASSETS
from bot.drivers.demo.stage import Stage, now_ms
from bot.simulator.model import Contract

SAMPLE_S = 0.05
STATUS_EVERY = 3
"""One statement for so many samples of the truth."""
BAND = Decimal("0.0008")
NOTIONAL_MIN = Decimal(25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The venues' and the treasury's word at one instant. `marks` are the first venue's; the rest is in base units, but for `units`.

    `units` are signed contract units by (venue, the venue's symbol), `shorts` the same in base units by (venue, asset), `coins` the coin
    equity of each account by (venue, asset).
    """

    at: Millis
    units: Mapping[tuple[str, str], Decimal]
    shorts: Mapping[tuple[str, str], Decimal]
    coins: Mapping[tuple[str, str], Decimal]
    collateral: Mapping[str, Decimal]
    marks: Mapping[str, Decimal]

    def held(self, asset: str) -> Decimal:
        """What is to be hedged of an asset."""
        return self.collateral[asset] + sum((coins for (_, a), coins in self.coins.items() if a == asset), ZERO)

    def net(self, asset: str) -> Decimal:
        """True net delta of an asset."""
        return self.held(asset) + sum((short for (_, a), short in self.shorts.items() if a == asset), ZERO)

    def carried_usd(self, venue: str) -> Decimal:
        """What a venue's shorts are worth, in USD, >= 0."""
        return sum((abs(self.shorts[venue, a]) * self.marks[a] for a in ASSETS), ZERO)

    @property
    def held_usd(self) -> Decimal:
        """What is to be hedged, in USD at mark."""
        return sum((self.held(a) * self.marks[a] for a in ASSETS), ZERO)

    @property
    def delta_bps(self) -> Decimal:
        """Sum over assets of |net delta| in USD, in basis points of what is held; of one dollar's worth while there is none."""
        gross = sum((abs(self.net(a)) * self.marks[a] for a in ASSETS), ZERO)
        return gross / max(self.held_usd, ONE) / BPS

    @property
    def in_band(self) -> bool:
        """Whether every asset's true net delta is inside the rebalance band."""
        return all(abs(self.net(a)) <= max(self.held(a) * BAND, NOTIONAL_MIN / self.marks[a]) for a in ASSETS)


class DeltaMeter:
    """Largest and time-weighted |net delta|, over all and outside grace, and seconds out of band."""

    def __init__(self) -> None:
        self.largest_bps = ZERO
        self.largest_outside_grace_bps = ZERO
        self.seconds_out_of_band = ZERO
        self.seconds_out_of_band_outside_grace = ZERO
        self._weighted = ZERO
        self._weighted_outside = ZERO
        self._seconds = ZERO
        self._seconds_outside = ZERO
        self._last: Truth | None = None

    def take(self, truth: Truth, *, in_grace: bool) -> None:
        """Counts the time since the last sample at the last sample's figure."""
        last, self._last = self._last, truth
        if truth.held_usd > ZERO:
            self.largest_bps = max(self.largest_bps, truth.delta_bps)
            if not in_grace:
                self.largest_outside_grace_bps = max(self.largest_outside_grace_bps, truth.delta_bps)
        if last is None:
            return
        seconds = Decimal(truth.at - last.at) / 1000
        bps = last.delta_bps
        self._seconds += seconds
        self._weighted += seconds * bps
        out = seconds if not last.in_band else ZERO
        self.seconds_out_of_band += out
        if not in_grace:
            self._seconds_outside += seconds
            self._weighted_outside += seconds * bps
            self.seconds_out_of_band_outside_grace += out

    @property
    def mean_bps(self) -> Decimal:
        """Time-weighted over all."""
        return self._weighted / self._seconds if self._seconds else ZERO

    @property
    def mean_outside_grace_bps(self) -> Decimal:
        """Time-weighted outside grace."""
        return self._weighted_outside / self._seconds_outside if self._seconds_outside else ZERO


class Observer:
    """Samples until cancelled. `status` is the bot's newest statement as JSON, None while the bot cannot be asked."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.meter = DeltaMeter()
        self.status: dict[str, Any] | None = None
        self.truth = self.look()
        self.in_grace: Callable[[Millis], bool] = lambda _: True
        self._session: aiohttp.ClientSession | None = None

    def look(self) -> Truth:
        """The truth now."""
        units: dict[tuple[str, str], Decimal] = {}
        shorts = {(venue, asset): ZERO for venue in self._stage.cast for asset in ASSETS}
        coins: dict[tuple[str, str], Decimal] = {}
        for venue, part in self._stage.cast.items():
            exchange = self._stage.venues.server.desks[venue].exchange
            account = self._stage.venues.accounts[venue].credential.account
            units |= {(venue, symbol): ZERO for symbol in part.instruments}
            for position in exchange.positions(account):
                contract = exchange.contracts[position.symbol]
                units[venue, position.symbol] = position.contracts * contract.contract_size
                shorts[venue, contract.base] += base_units(contract, position.contracts, exchange.market(position.symbol).mark)
            coins |= {(venue, b.asset): b.margin_balance for b in exchange.balances(account) if b.asset in ASSETS}
        return Truth(
            at=now_ms(),
            units=units,
            shorts=shorts,
            coins=coins,
            collateral={a: self._stage.collateral(a) for a in ASSETS},
            marks=self._marks(),
        )

    def _marks(self) -> dict[str, Decimal]:
        """By the first venue of the cast."""
        exchange = self._stage.venues.server.desks[next(iter(self._stage.cast))].exchange
        return {c.base: exchange.market(c.symbol).mark for c in exchange.contracts.values() if c.base in ASSETS}

    async def watch(self) -> None:
        """Samples truth many times a second and the bot's statement a few times."""
        count = 0
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._stage.status_socket))) as session:
            while True:
                self.truth = self.look()
                self.meter.take(self.truth, in_grace=self.in_grace(self.truth.at))
                if count % STATUS_EVERY == 0:
                    self.status = await ask(session)
                count += 1
                await asyncio.sleep(SAMPLE_S)

    async def ask_again(self) -> dict[str, Any] | None:
        """A fresh statement, outside the rhythm."""
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._stage.status_socket))) as session:
            self.status = await ask(session)
        return self.status


def base_units(contract: Contract, contracts: Decimal, mark: Decimal) -> Decimal:
    """Signed contracts in base units; an inverse contract's at a mark."""
    units = contracts * contract.contract_size
    return units / mark if contract.inverse else units


async def ask(session: aiohttp.ClientSession) -> dict[str, Any] | None:
    """The bot's statement as JSON; None when nobody answers."""
    try:
        async with session.get("http://bot/status", timeout=aiohttp.ClientTimeout(total=2)) as reply:
            if reply.status != 200:
                return None
            told: dict[str, Any] = orjson.loads(await reply.read())
            return told
    except (aiohttp.ClientError, OSError, TimeoutError, orjson.JSONDecodeError):
        return None
