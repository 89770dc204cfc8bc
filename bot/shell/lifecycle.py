"""Start order, supervision, signals, drain, stop.

Start: recover the journal, enter SessionStarted (a new epoch, nothing reconciled), then everything at once: sources, venues, the loop.
Stop (SIGTERM, SIGINT): StopRequested enters the ledger, so nothing increases; working orders are cancelled and doubts asked about while
there is time; the journal is closed; exit 0. Hedges stay: closing them would be a decision about the book, and a restart is not one.
A background task that dies ends the run non-zero, with the reason.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.core.events import SessionStarted, StopRequested
from bot.core.policy import Policy
from bot.core.units import Millis, VenueId
from bot.ports import Clock, CollateralSource, Journal, Telemetry, Venue
from bot.shell.dispatch import Dispatcher
from bot.shell.feeds import feed_source, feed_venue
from bot.shell.loop import Loop, recovered

log = structlog.get_logger(__name__)

DRAIN_S = 6.0
"""Longest time for cancels and look-ups after a stop was asked for; the whole stop takes at most 10 s."""
CLOSE_S = 1.5
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that a run talks to."""

    venues: Mapping[VenueId, Venue]
    sources: Sequence[CollateralSource]
    journal: Journal
    clock: Clock
    telemetry: Telemetry
    funding_poll_s: float


def epoch_of(counter: int, started_at: Millis, tag: str) -> str:
    """Where every client order id of a run begins: `h`, the journal's counter, the start instant and a tag, in base 36.

    Unique also when the journal was lost or rolled back: the start instant grows, and the tag tells two hosts apart.
    """
    return f"h{_base36(counter, 4)}{_base36(started_at, 9)}{tag}"


def _base36(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, rest = divmod(number, 36)
        text = DIGITS[rest] + text
    return text


class Run:
    """One run of the bot, from recovery to exit."""

    def __init__(self, world: World, policy: Policy, config_hash: str) -> None:
        self._world = world
        self._policy = policy
        self._config_hash = config_hash
        self._stop = asyncio.Event()
        self._stop_reason = ""
        ledger = recovered(world.journal.recover(), policy)
        self._recovered = ledger
        self._dispatcher = Dispatcher(world.venues, world.clock, self._answer)
        self.loop = Loop(
            policy=policy,
            ledger=ledger,
            journal=world.journal,
            clock=world.clock,
            telemetry=world.telemetry,
            carry_out=self._dispatcher.carry_out,
        )

    def _answer(self, event: Any) -> None:
        self.loop.put(event)

    def stop(self, reason: str) -> None:
        """Asks the run to end in order; asking again changes nothing."""
        if not self._stop.is_set():
            self._stop_reason = reason
            self._stop.set()

    async def until_stopped(self) -> None:
        """Runs. Returns after an orderly stop; raises what killed a background task."""
        self._enter_session()
        tasks = [asyncio.create_task(c, name=n) for n, c in self._background()]
        consumer = asyncio.create_task(self.loop.run(), name="loop")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({*tasks, consumer, stopping}, return_when=asyncio.FIRST_COMPLETED)
            dead = next((t for t in (*tasks, consumer) if t.done()), None)
            if dead is None:
                await self._drain(consumer)
            await self._end(tasks, consumer)
            if dead is not None:
                raise _cause(dead)
        finally:
            stopping.cancel()
            self._world.journal.close()

    def _enter_session(self) -> None:
        now = self._world.clock.now()
        epoch = epoch_of(self._world.journal.next_epoch(), now, secrets.token_hex(2))
        log.info("session_started", epoch=epoch, config=self._config_hash, orders_known=len(self._recovered.orders))
        self.loop.put(SessionStarted(at=now, epoch=epoch, config_hash=self._config_hash, policy=self._policy))

    def _background(self) -> Sequence[tuple[str, Coroutine[Any, Any, Any]]]:
        world = self._world
        since = world.clock.now()
        found: list[tuple[str, Coroutine[Any, Any, Any]]] = [(f"source {s.name}", feed_source(s, self.loop)) for s in world.sources]
        found.extend((f"venue {v.id}", feed_venue(v, self.loop, world.clock, world.funding_poll_s, since)) for v in world.venues.values())
        return found

    async def _drain(self, consumer: asyncio.Task[None]) -> None:
        """After StopRequested: until no order is open, or time is up."""
        log.info("stopping", reason=self._stop_reason)
        clock = self._world.clock
        self.loop.put(StopRequested(at=clock.now(), reason=self._stop_reason))
        deadline = clock.steady() + DRAIN_S
        while clock.steady() < deadline and not consumer.done():
            await clock.sleep(0.02)
            if self.loop.ledger.stopping and not self.loop.ledger.open_orders() and not self._dispatcher.calls_under_way:
                return
        left = [o.client_order_id for o in self.loop.ledger.open_orders()]
        log.warning("stopped_with_open_orders", orders=left)

    async def _end(self, tasks: Sequence[asyncio.Task[Any]], consumer: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLOSE_S)
        await self._dispatcher.settle(CLOSE_S / 2)
        self.loop.end()
        await asyncio.wait({consumer}, timeout=CLOSE_S)
        consumer.cancel()
        await asyncio.gather(consumer, *tasks, return_exceptions=True)
        closing = [asyncio.create_task(v.close()) for v in self._world.venues.values()]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_S)


def _cause(task: asyncio.Task[Any]) -> BaseException:
    """What killed a task, out of the groups that wrapped it."""
    error = None if task.cancelled() else task.exception()
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error or RuntimeError(f"{task.get_name()} ended")


def stop_on_signals(run: Run) -> None:
    """SIGTERM and SIGINT ask the run to end; a second one changes nothing, the stop has its own deadline."""
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, run.stop, f"signal {signal.Signals(number).name}")
