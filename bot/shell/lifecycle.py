"""Start order, supervision, signals, drain, stop.

Start: recover the journal, enter SessionStarted (a new epoch, nothing reconciled), then everything at once: sources, venues, the loop.
Stop (SIGTERM, SIGINT): StopRequested enters the ledger, so nothing increases; working orders are cancelled and doubts asked about while
there is time; the journal is closed; exit 0. Hedges stay: closing them would be a decision about the book, and a restart is not one.
A second signal ends all waiting: what is known is written, the journal is closed, and the next start is that after a crash.
A background task that dies, returns or is cancelled from within ends the run in the same order, and then non-zero, with the reason.

Where a lease is needed (see `mandate`): a run that lost it breaks off. It places, drains and writes nothing any more, and only sends one
cancel for each order of its own that rests. An orderly stop keeps the lease until the journal is closed, and then gives it back.

The whole stop takes at most 10 s, whatever hangs: the limits below add up to less.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from bot.core.commands import CancelOrder
from bot.core.events import Event, SessionStarted, StopRequested
from bot.core.policy import Policy
from bot.core.units import Millis, VenueId
from bot.operating import HaltSwitch, Intents, Reload
from bot.ports import (
    JOURNAL_CLOSE_S,
    Clock,
    CollateralSource,
    Journal,
    JournalFenced,
    JournalUnavailable,
    LeaseLost,
    Snapshot,
    Telemetry,
    Venue,
)
from bot.shell.control import Control
from bot.shell.dispatch import CUT_S, Dispatcher
from bot.shell.feeds import FundingPolls, Openings, feed_source, feed_venue
from bot.shell.heard import Heard
from bot.shell.intents import entered, resumes_kept
from bot.shell.left_out import refuse_left_out
from bot.shell.loop import Loop
from bot.shell.mandate import Mandate
from bot.shell.recovery import Course, recovered
from bot.supervision import cause_of

log = structlog.get_logger(__name__)

DRAIN_S = 4.5
"""Longest time for cancels and look-ups after a stop was asked for."""
FEEDS_END_S = 0.75
SETTLE_S = 0.5
CONSUMER_END_S = 0.5
DISARM_S = 0.5
CLOSE_S = 0.75
LEASE_END_S = 0.5
"""Longest wait for the store to take the lease back."""
HURRIED_S = 0.1
"""How long each of these takes at most once the run was told to hurry; what is known is written to the journal all the same."""
STOP_S = DRAIN_S + FEEDS_END_S + SETTLE_S + CUT_S + CONSUMER_END_S + DISARM_S + CLOSE_S + JOURNAL_CLOSE_S + LEASE_END_S
"""Longest stop: GONE_S leaves room for what the process itself needs."""
GONE_S = 9.5
"""After a signal the process is gone within this, whatever else hangs in it."""
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
    halt: HaltSwitch | None = None
    intents: Intents | None = None
    reload: Reload | None = None
    observing: bool = False
    """Whether the venues are only watched: what is decided is recorded, and they send nothing."""
    contradiction: Callable[[Policy], str | None] = lambda _: None
    """Why a policy that a person wants cannot be, in one sentence."""
    heard: Heard = field(default_factory=Heard)
    """What people said to the instance before this one."""
    mandate: Mandate | None = None
    """Where only one of several instances may send: its right to."""
    watched: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)
    """What else must live as long as the run, by name."""


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


def recovery_of(journal: Journal, policy: Policy) -> tuple[Snapshot, Course]:
    """What a journal folds to. `policy` counts only until the first run's own is read. Raises JournalRefused."""
    start, after = journal.resume()
    course = Course(start)
    return recovered(after, policy, start, course), course


class Stoppable(Protocol):
    """What a signal ends."""

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to end."""

    def stop(self, reason: str) -> None:
        """Asks it to end in order; asking again changes nothing."""

    def hurry(self, reason: str) -> None:
        """Asks it to end at once."""


class Run:
    """One run of the bot, from recovery to exit."""

    def __init__(
        self,
        world: World,
        policy: Policy,
        config_hash: str,
        *,
        tag: str | None = None,
        recovery: tuple[Snapshot, Course] | None = None,
    ) -> None:
        """Recovers the journal, unless `recovery` tells what all of it folds to.

        `tag` tells this process from any other in client order ids, four characters of [0-9a-z]; None: drawn.

        Raises JournalRefused, and LeftOut when the book carries what the policy does not name.
        """
        self._world = world
        self._policy = policy
        self._config_hash = config_hash
        self._tag = secrets.token_hex(2) if tag is None else tag
        self._stop = asyncio.Event()
        self._stop_reason = ""
        self._hurried = asyncio.Event()
        self._recovery, course = recovery or recovery_of(world.journal, policy)
        resumes = resumes_kept(world.intents, self._recovery.ledger)
        self._unheard = world.heard.unheard(self._recovery.ledger, policy, world.clock.now(), resumes)
        if world.intents is not None:
            self._recovery = entered(world.intents, world.journal, self._recovery, course)
        refuse_left_out(self._recovery.ledger, policy)
        self._openings = Openings(world.venues)
        may_send = None if world.mandate is None else world.mandate.seconds
        self._dispatcher = Dispatcher(world.venues, world.clock, self._answer, may_send)
        self.loop = Loop(
            policy=policy,
            ledger=self._recovery.ledger,
            journal=world.journal,
            clock=world.clock,
            telemetry=world.telemetry,
            carry_out=self._dispatcher.carry_out,
            course=course,
            intents=world.intents,
            config_hash=config_hash,
        )
        self.control = Control(
            self.loop,
            world.clock,
            sorted(world.venues),
            world.halt,
            world.contradiction,
            world.reload,
            shared=world.mandate is not None,
        )

    def _answer(self, event: Event) -> None:
        self.loop.put(event)

    @property
    def not_ready(self) -> Mapping[VenueId, str]:
        """The venues that cannot be used as configured at present, each with the sentence that says why."""
        return self._openings.not_ready

    @property
    def is_stopping(self) -> bool:
        """Whether the run was asked to end."""
        return self._stop.is_set()

    def stop(self, reason: str) -> None:
        """Asks the run to end in order; asking again changes nothing."""
        if not self._stop.is_set():
            self._stop_reason = reason
            self._stop.set()

    def hurry(self, reason: str) -> None:
        """Asks a run that is to end to do so at once: nothing more is asked or waited for, and the journal is closed.

        What is under way is answered as in doubt; what rests is withdrawn by the venues' dead-man switches, which stay armed. The next
        run begins as after a crash.
        """
        self.stop(reason)
        if not self._hurried.is_set():
            log.warning("stopping_at_once", reason=reason)
            self._hurried.set()

    async def until_stopped(self) -> None:
        """Runs. Returns after an orderly stop; raises what killed a background task, VenueNotReady when no venue can be used as
        configured, JournalUnavailable when the journal's last entries could not be written, or LeaseLost.
        """
        try:
            self._enter_session()
            await self._supervise()
        except BaseException:
            try:
                self._world.journal.close()
            except JournalUnavailable as error:  # what ended the run is the news
                log.error("journal_unavailable", reason=str(error))
            raise
        self._world.journal.close()
        if self._world.mandate is not None:
            await self._let_go(self._world.mandate)

    async def _let_go(self, mandate: Mandate) -> None:
        """Gives the lease back, now that everything is written: from then on another instance may send at once.

        While an order may still be on its way the lease runs out instead, and that one waits for it.
        """
        if self.loop.ledger.open_orders():
            await mandate.end()
        else:
            try:
                async with asyncio.timeout(LEASE_END_S):
                    await mandate.give_back()
            except TimeoutError:
                log.warning("lease_not_given_back", reason=f"the store did not take it within {LEASE_END_S:g} s")

    def _enter_session(self) -> None:
        now = self._world.clock.now()
        epoch = epoch_of(self._world.journal.next_epoch(), now, self._tag)
        mandate, known = self._world.mandate, len(self._recovery.ledger.orders)
        fresh = self._world.journal.is_fresh or (mandate is not None and not mandate.explained)
        silent = 0 if mandate is None else mandate.silent_ms
        log.info("session_started", epoch=epoch, config=self._config_hash, orders_known=known, fresh=fresh, silent_ms=silent)
        policy, hashed = self._policy, self._config_hash
        begun = SessionStarted(at=now, epoch=epoch, config_hash=hashed, policy=policy, is_fresh=fresh, silent_ms=silent)
        self.loop.put(replace(begun, observing=self._world.observing))
        for word in self._unheard:
            self.loop.put(replace(word, at=now))
        self.control.heed_switch()  # before the first decision, as what follows
        self.control.end_contradicting(policy)

    async def _supervise(self) -> None:
        tasks = [asyncio.create_task(c, name=n) for n, c in self._background()]
        consumer = asyncio.create_task(self.loop.run(), name="loop")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        mandated = asyncio.create_task(self._keep_mandate(), name="lease")
        everything = (consumer, *tasks, stopping, mandated)
        try:
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            dead = next((t for t in (mandated, consumer, *tasks) if t.done()), None)
            self._stop.set()  # whoever asks now wants it to end at once
            if self._lost(mandated, consumer) is None:
                await self._drain(consumer, mandated, self._stop_reason if dead is None else f"{dead.get_name()} ended")
            lost = self._lost(mandated, consumer)
            if lost is not None:
                self._break_off(consumer)
            await self._end(tasks, consumer, orderly=dead is None and lost is None)
        finally:  # also when this very task is cancelled: nothing may go on that would be answered by nobody
            for task in everything:
                task.cancel()
            self._dispatcher.cut()
        if lost is not None:  # whatever else died of it
            raise lost
        if dead is None and _failed(consumer):
            dead = consumer
        if dead is not None:
            raise cause_of(dead)

    async def _keep_mandate(self) -> None:
        if self._world.mandate is not None:
            await self._world.mandate.until_lost()
        await asyncio.Event().wait()

    def _lost(self, mandated: asyncio.Task[None], consumer: asyncio.Task[None]) -> BaseException | None:
        """Why nothing may be sent any more, None while it may. The journal may find it closed first: after a sleep, or a lease deleted."""
        if mandated.done():
            return cause_of(mandated)
        if _failed(consumer) and isinstance(fenced := cause_of(consumer), JournalFenced):
            return LeaseLost(str(fenced))
        ran_out = self._world.mandate is not None and self._world.mandate.held_for() <= 0
        return LeaseLost("it ran out") if ran_out else None

    def _break_off(self, consumer: asyncio.Task[None]) -> None:
        """The lease is lost: nothing is decided or written any more."""
        log.error("lease_lost", orders=[o.client_order_id for o in self.loop.ledger.open_orders()])
        consumer.cancel()
        self._withdraw_resting()

    def _background(self) -> Sequence[tuple[str, Coroutine[Any, Any, Any]]]:
        world, since = self._world, self._recovery.began_at
        found: list[tuple[str, Coroutine[Any, Any, Any]]] = [(f"source {s.name}", feed_source(s, self.loop)) for s in world.sources]
        found.append(("halt switch", self.control.watch_switch()))
        found += [(name, work()) for name, work in world.watched.items()]
        payments_from = world.clock.now() if since is None else since
        for venue in world.venues.values():
            newest = self._recovery.newest_payment_at.get(venue.id, payments_from)
            polls = FundingPolls(every_s=world.funding_poll_s, payments_from=payments_from, newest_payment_at=newest)
            found.append((f"venue {venue.id}", feed_venue(venue, self.loop, world.clock, polls, self._openings)))
        return found

    async def _drain(self, consumer: asyncio.Task[None], mandated: asyncio.Task[None], reason: str) -> None:
        """After StopRequested: until no order is open, or time is up. What may rest even then is sent one last cancel."""
        log.info("stopping", reason=reason)
        clock = self._world.clock
        self.loop.put(StopRequested(at=clock.now(), reason=reason))
        deadline = clock.steady() + DRAIN_S
        while clock.steady() < deadline and not consumer.done() and not mandated.done() and not self._hurried.is_set():
            await clock.sleep(0.02)
            if self.loop.ledger.stopping and not self.loop.ledger.open_orders():
                return
        if mandated.done():
            return
        if not self._hurried.is_set():
            self._withdraw_resting()
        log.warning("stopped_with_open_orders", orders=[o.client_order_id for o in self.loop.ledger.open_orders()])

    def _withdraw_resting(self) -> None:
        """One last cancel for each of our orders that may rest."""
        for order in self.loop.ledger.open_orders():
            if order.post_only:  # it may rest: nobody would watch it from now on, and a loop that died has withdrawn nothing
                self._dispatcher.carry_out(
                    CancelOrder(client_order_id=order.client_order_id, instrument=order.instrument, venue_order_id=order.venue_order_id)
                )

    async def _end(self, tasks: Sequence[asyncio.Task[Any]], consumer: asyncio.Task[None], *, orderly: bool) -> None:
        for task in tasks:
            task.cancel()
        await self._within(FEEDS_END_S, tasks)
        for task in tasks:
            if _failed(task):
                log.error("feed_failed", task=task.get_name(), error=str(cause_of(task)))
        await self._dispatcher.settle(0 if self._hurried.is_set() else SETTLE_S)
        self.loop.end()
        await asyncio.wait([consumer], timeout=CONSUMER_END_S)  # also in a hurry: it writes what is known to the journal
        # Where something may still rest, the venues' dead-man switches withdraw it: they are left armed.
        if orderly and not self._hurried.is_set() and not self.loop.ledger.open_orders():
            disarming = [asyncio.create_task(v.disarm(), name=f"disarm {v.id}") for v in self._world.venues.values()]
            await self._within(DISARM_S, disarming)
            for task in disarming:
                task.cancel()
        closing = [asyncio.create_task(v.close(), name=f"close {v.id}") for v in self._world.venues.values()]
        await self._within(CLOSE_S, closing)
        for task in closing:
            task.cancel()
            if _failed(task):
                log.error("venue_not_closed", task=task.get_name(), exc_info=task.exception())

    async def _within(self, seconds: float, tasks: Sequence[asyncio.Task[Any]]) -> None:
        """Waits for all of them, no longer than that, and in a hurry no longer than HURRIED_S."""
        began = self._world.clock.steady()
        while left := [task for task in tasks if not task.done()]:
            most = min(seconds, HURRIED_S) if self._hurried.is_set() else seconds
            pause = began + most - self._world.clock.steady()
            if pause <= 0:
                return
            await asyncio.wait(left, timeout=min(pause, HURRIED_S))


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


def stop_on_signals(run: Stoppable, on_stop: Callable[[], None] = lambda: None) -> None:
    """SIGTERM and SIGINT ask the run to end in order, and `on_stop` is called; a second one, to end at once. More change nothing."""
    running = asyncio.get_running_loop()

    def heard(name: str) -> None:
        on_stop()
        if run.is_stopping:
            run.hurry(f"another {name}")
        else:
            run.stop(f"signal {name}")

    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, heard, signal.Signals(number).name)
