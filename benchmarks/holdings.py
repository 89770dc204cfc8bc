"""From a holdings file that was replaced to the observation in the inbox: what a watched file adds before the hot path begins."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from pathlib import Path

from benchmarks.figures import BenchmarkFailed, Samples
from bot.adapters.collateral.file import FileSource
from bot.adapters.collateral.holdings import Row, write_holdings
from bot.core.events import CollateralObserved, Event, Quote
from bot.core.units import Asset
from bot.shell.clock import SystemClock

LANE = "holdings file replaced -> collateral observed"
SEEN_SECONDS = 3.0
WATCH_STARTS_SECONDS = 0.3


class _Noting:
    """An inbox that notes when a total of collateral came."""

    def __init__(self) -> None:
        self.observed = asyncio.Event()
        self.at = 0
        self.quantity: Decimal | None = None

    def put(self, event: Event) -> None:
        """Notes an observation; anything else is of no interest here."""
        if isinstance(event, CollateralObserved):
            self.at, self.quantity = time.perf_counter_ns(), event.quantity
            self.observed.set()

    async def put_awaited(self, event: Event) -> bool:
        """As `put`; there is no journal here that could fail to have it."""
        self.put(event)
        return True

    def put_quote(self, quote: Quote) -> None:
        """A file tells no quotes."""


async def measure_holdings(folder: Path, rounds: int) -> Samples:
    """Replaces the file as a treasury would, again and again. Raises BenchmarkFailed when a change is not seen."""
    path, inbox, samples = folder / "holdings.yaml", _Noting(), Samples()
    write_holdings(path, [_row(0)])
    listening = asyncio.create_task(FileSource("file", path, SystemClock()).listen(inbox))
    try:
        await _seen(inbox, 0)
        await asyncio.sleep(WATCH_STARTS_SECONDS)  # the first reading does not wait for the watch to stand
        for number in range(1, rounds + 1):
            write_holdings(path, [_row(number)])
            replaced = time.perf_counter_ns()
            await _seen(inbox, number)
            samples.add(LANE, inbox.at - replaced)
            await asyncio.sleep(0.02)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return samples


def _row(number: int) -> Row:
    return Row(asset=Asset("BTC"), location="custody", quantity=Decimal(10) + number, redemption_rate=Decimal(1))


async def _seen(inbox: _Noting, number: int) -> None:
    try:
        async with asyncio.timeout(SEEN_SECONDS):
            await inbox.observed.wait()
    except TimeoutError:
        raise BenchmarkFailed(f"{LANE}: a change was not seen within {SEEN_SECONDS:.0f} s") from None
    inbox.observed.clear()
    if inbox.quantity != Decimal(10) + number:
        raise BenchmarkFailed(f"{LANE}: {inbox.quantity} was seen where {10 + number} was written")
