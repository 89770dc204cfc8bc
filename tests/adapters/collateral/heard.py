"""What tests of collateral sources listen with: an inbox that keeps what it hears, a real clock, and patience."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

from bot.core.events import CollateralObserved, Event, Quote
from bot.ports import CollateralSource

SLACK_SECONDS = 20.0


class RealClock:
    """The time of this machine."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def steady(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class HastyClock(RealClock):
    """Real time, a hundred times as fast where it is waited; what was waited for is kept."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        await asyncio.sleep(seconds / 100)


class Heard:
    """An inbox that keeps what it hears, and when. What is awaited is journaled while `journals`, one turn of the loop later."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.times: list[float] = []
        self.journals = True

    def put(self, event: Event) -> None:
        self.events.append(event)
        self.times.append(time.perf_counter())

    def put_awaited(self, event: Event) -> asyncio.Future[bool]:
        self.put(event)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        journaled = self.journals  # a test that changes it now means what comes from now on
        asyncio.get_running_loop().call_soon(lambda: done.done() or done.set_result(journaled))
        return done

    def put_quote(self, quote: Quote) -> None:
        raise AssertionError(f"a collateral source quoted {quote}")

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def totals(self) -> dict[str, Decimal]:
        return {event.asset: event.quantity for event in self.of(CollateralObserved)}


async def until(condition: Callable[[], object], seconds: float = SLACK_SECONDS) -> None:
    """Waits for a condition, and fails when it never comes true."""
    deadline = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < deadline, "it never happened"
        await asyncio.sleep(0.002)


@asynccontextmanager
async def heard_from(source: CollateralSource, heard: Heard | None = None) -> AsyncIterator[Heard]:
    """A source that is listened to; it must not end by itself."""
    heard = heard or Heard()
    task = asyncio.create_task(source.listen(heard))
    try:
        yield heard
        assert not task.done(), task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
