"""The course of measurement: rounds in which every lane has one turn, the hedge first, its floors after it in an order that rotates.

Paced rounds pause before each turn, because a hedge is a cold event: caches and the event loop have been elsewhere. Hot rounds do not.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import BenchmarkFailed, Progress, Samples
from benchmarks.floors import BareCcxt, BareDisk, BareHttp, bare_ccxt, bare_http
from benchmarks.hedge import Hedge, Sample, hedging
from benchmarks.venue import Venue, venue_process
from benchmarks.wire import Sent, Wire

WARM_UP_ROUNDS = 5
PROGRESS_ROUNDS = 40

HEDGE = "hedge: collateral observed -> order left"
FOLD = "  wake, fold, decide"
APPEND = "  durable append"
SEND = "  dispatch, adapter, ccxt, aiohttp -> left"
OFF_DISK = "  all but the append"
CCXT = "ccxt create_order -> left"
HTTP = "aiohttp signed POST -> left"
JOURNAL = "SqliteJournal.append(durable=True)"
SQLITE = "SQLite insert, WAL, synchronous=FULL"
FILE = "file write + fdatasync"
READ = " -> read by the venue's process"
ANSWERED = " -> answered"


def until_read(lane: str) -> str:
    """The lane that ends later than this one: when the venue's process had read the request."""
    return f"{lane.removesuffix(' -> left').removesuffix(' -> order left')}{READ}"


@dataclass(slots=True)
class Pace:
    """One way of pacing: its rounds, the pause before each turn (seconds), and its samples."""

    name: str
    rounds: int
    pause_s: float
    samples: Samples = field(default_factory=Samples)
    unread: list[tuple[str, int, str]] = field(default_factory=list)

    def add_sent(self, lane: str, began: int, sent: Sent) -> None:
        """An order request that left; when the venue read it becomes known at the end."""
        self.samples.add(lane, sent.left - began)
        self.unread.append((until_read(lane), began, sent.client_order_id))


async def run_course(folder: Path, paces: list[Pace], progress: Progress) -> None:
    """Fills the paces' samples. Raises BenchmarkFailed."""
    wire, disk = Wire(), BareDisk(folder)
    try:
        async with AsyncExitStack() as stack:
            stack.enter_context(wire.watched())
            progress("starting the venue in a process of its own")
            venue = await stack.enter_async_context(venue_process())
            progress(f"venue on {venue.url}; starting the bot and hedging what it holds at first")
            hedge = await stack.enter_async_context(hedging(venue, folder, wire))
            await hedge.ready()
            by_ccxt = await stack.enter_async_context(bare_ccxt(venue, wire))
            by_http = await stack.enter_async_context(bare_http(venue, wire))
            turns = _Turns(hedge, by_ccxt, by_http, disk)
            gc.collect()
            gc.freeze()  # as `hedgebot run` does once it has started
            await turns.run(Pace("warm-up", WARM_UP_ROUNDS, 0.0), progress)
            for pace in paces:
                progress(f"{pace.name}: {pace.rounds} rounds")
                await turns.run(pace, progress)
            hedge.check_budgets()
    finally:
        disk.close()
        gc.unfreeze()
    for pace in paces:
        _add_read(pace, venue)


def _add_read(pace: Pace, venue: Venue) -> None:
    for lane, began, order_id in pace.unread:
        if order_id not in venue.read_at:
            raise BenchmarkFailed(f"the venue never read the order {order_id}, which left")
        pace.samples.add(lane, venue.read_at[order_id] - began)


class _Turns:
    def __init__(self, hedge: Hedge, by_ccxt: BareCcxt, by_http: BareHttp, disk: BareDisk) -> None:
        self._hedge = hedge
        self._ccxt = by_ccxt
        self._http = by_http
        self._disk = disk

    async def run(self, pace: Pace, progress: Progress) -> None:
        floors: list[Callable[[Pace, Sample], Awaitable[None]]] = [self._orders, self._append, self._insert, self._write]
        for number in range(pace.rounds):
            if number and number % PROGRESS_ROUNDS == 0:
                progress(f"{pace.name}: {number} of {pace.rounds} rounds done")
            await asyncio.sleep(pace.pause_s)
            sample = await self._hedge.sample()
            self._keep(pace, sample)
            shift = number % len(floors)
            for floor in floors[shift:] + floors[:shift]:
                await asyncio.sleep(pace.pause_s)
                await floor(pace, sample)

    @staticmethod
    def _keep(pace: Pace, sample: Sample) -> None:
        pace.add_sent(HEDGE, sample.observed, sample.sent)
        pace.samples.add(FOLD, sample.append_began - sample.observed)
        pace.samples.add(APPEND, sample.append_ended - sample.append_began)
        pace.samples.add(SEND, sample.sent.left - sample.append_ended)
        pace.samples.add(OFF_DISK, sample.sent.left - sample.append_ended + sample.append_began - sample.observed)

    async def _orders(self, pace: Pace, sample: Sample) -> None:
        """ccxt, then aiohttp with the bytes that ccxt has just sent."""
        placed = await self._ccxt.place(sample.order)
        pace.add_sent(CCXT, placed.began, placed.sent)
        pace.samples.add(CCXT.removesuffix(" -> left") + ANSWERED, placed.answered - placed.began)
        await asyncio.sleep(pace.pause_s)
        placed = await self._http.place(sample.order, self._ccxt.request)
        pace.add_sent(HTTP, placed.began, placed.sent)
        pace.samples.add(HTTP.removesuffix(" -> left") + ANSWERED, placed.answered - placed.began)

    async def _append(self, pace: Pace, sample: Sample) -> None:
        pace.samples.add(JOURNAL, self._disk.journal(sample))

    async def _insert(self, pace: Pace, sample: Sample) -> None:
        pace.samples.add(SQLITE, self._disk.sqlite(sample))

    async def _write(self, pace: Pace, sample: Sample) -> None:
        pace.samples.add(FILE, self._disk.file(sample))
