"""What is really so, and what the bot says: sampled side by side.

Truth comes from the venues' own books and the treasury's holdings; the bot is asked for its statement over its control socket,
as any program of its user may. True net delta is measured on truth alone, in basis points of collateral, weighted by time.
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
from bot.drivers.demo.stage import ASSETS, VENUES, Stage, now_ms, true_short

SAMPLE_S = 0.05
STATUS_EVERY = 3
"""One statement for so many samples of the truth."""
BAND = Decimal("0.0008")
NOTIONAL_MIN = Decimal(25)


@dataclass(frozen=True, slots=True)
class Truth:
    """The venues' and the treasury's word at one instant. Base units; `marks` are the first venue's."""

    at: Millis
    shorts: Mapping[tuple[str, str], Decimal]
    collateral: Mapping[str, Decimal]
    marks: Mapping[str, Decimal]

    def net(self, asset: str) -> Decimal:
        """True net delta of an asset in base units."""
        return self.collateral[asset] + sum((self.shorts[v, asset] for v in VENUES), ZERO)

    @property
    def collateral_usd(self) -> Decimal:
        """What is to be hedged, in USD at mark."""
        return sum((self.collateral[a] * self.marks[a] for a in ASSETS), ZERO)

    @property
    def delta_bps(self) -> Decimal:
        """Sum over assets of |net delta| in USD, in basis points of collateral; of one dollar's worth while there is none."""
        gross = sum((abs(self.net(a)) * self.marks[a] for a in ASSETS), ZERO)
        return gross / max(self.collateral_usd, ONE) / BPS

    @property
    def in_band(self) -> bool:
        """Whether every asset's true net delta is inside the rebalance band."""
        return all(abs(self.net(a)) <= max(self.collateral[a] * BAND, NOTIONAL_MIN / self.marks[a]) for a in ASSETS)


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
        if truth.collateral_usd > ZERO:
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
        desk = self._stage.venues.server.desks[VENUES[0]]
        marks = {c.base: desk.exchange.market(c.symbol).mark for c in desk.exchange.contracts.values() if c.base in ASSETS}
        return Truth(
            at=now_ms(),
            shorts={(v, a): true_short(self._stage, v, a) for v in VENUES for a in ASSETS},
            collateral={a: self._stage.collateral(a) for a in ASSETS},
            marks=marks,
        )

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
