"""One queue, one consumer: fold what came in, decide when it is due, journal, and only then dispatch.

    events -> step -> [DecisionDue -> step] -> journal (durable when orders are to leave) -> dispatch

Nothing here waits between reading the queue and dispatching, so a fact and the orders that follow from it are one turn of the loop.
Quotes do not queue: only the newest of each instrument is kept, and a decision takes them all along.

What was done is told to telemetry afterwards, in order: the lines of one turn cost as much time as an order needs to leave.

An order whose entry did not become durable is not sent, and is answered as such, unless a person asked for it and it is kept on this host
(see `intents`); nor is an increase whose entry became durable only where
the journal, since this very entry, is not to be trusted. A cancel or a question needs no durable entry: both go
while the journal is unavailable. The journal keeps what it could not write, in order, and says when it has given up: then the run ends.

What of all this is worth writing is told by `recording`.

The queue is bounded, and no fact in it is ever dropped. From QUEUE_HIGH on the bot lags behind the world: the book goes REDUCING, by a fact
like any other, until it has kept up for a quiet period. What comes beyond QUEUE_MAX cannot be taken: the run ends with the reason, and
recovery starts from the journal and the venues.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from bot.core.commands import Command, PlaceOrder
from bot.core.engine import step
from bot.core.events import BacklogObserved, DecisionDue, Event, JournalJudged, OperatorActed, Quote, SessionStarted
from bot.core.overriding import in_force
from bot.core.policy import Policy
from bot.core.records import Ledger, Note
from bot.core.statement import BookStatement, statement_of
from bot.core.units import InstrumentId
from bot.operating import Intents
from bot.ports import Clock, DecisionMade, Journal, JournalUnavailable, Telemetry
from bot.shell.dispatch import not_sent
from bot.shell.intents import Keeper
from bot.shell.recording import Recorder
from bot.shell.recovery import Course, policy_from

log = structlog.get_logger(__name__)

QUEUE_MAX = 20_000
QUEUE_HIGH = 5_000
"""Facts that wait at once, from which on nothing increases: a fifth of a second behind, and more comes than goes."""
BACKLOG_TOLD_EVERY_S = 1.0
"""How often a backlog is entered while it lasts."""
SNAPSHOT_EVERY = 5_000
"""Events after which a snapshot is kept: a start folds hardly more than so many."""
FOLDED_MUCH = 500
"""Events since the newest snapshot, from which on a run keeps one soon after it began: a start after a crash does not fold them again."""
SNAPSHOT_AFTER_S = 10.0
"""How soon: not in the turns in which a run that takes over, or protects, has the store's connection made."""
TELL_AFTER_S = 0.002
"""How long a turn that sends orders waits with telemetry, so that their requests are on the wire by then."""
RETRY_S = 5.0
"""How often the store is tried again while something is kept beside it, though nothing asks for a durable entry: a try may take a while."""


class LoopOverrun(Exception):
    """More came in than the loop could ever take: the run ends rather than drop a fact."""


class Loop:
    """The one consumer. It is also the `Inbox` of every adapter; all its methods belong to the event loop's thread."""

    def __init__(
        self,
        *,
        policy: Policy,
        ledger: Ledger,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        carry_out: Callable[[Command], None],
        course: Course | None = None,
        intents: Intents | None = None,
        config_hash: str = "",
    ) -> None:
        """`course` is what recovery told of the journal, None: nothing is in it. `intents`: see there. `policy` is of `config_hash`."""
        self._policy = policy
        self.config_hash = config_hash
        """Of the configuration that counts, as of the last event."""
        self._ledger = ledger
        self._journal = journal
        self._clock = clock
        self._telemetry = telemetry
        self._carry_out = carry_out
        self._queue: deque[Event] = deque()
        self._quotes: dict[InstrumentId, Quote] = {}
        self._course = course or Course()
        self._early_at = clock.steady() + SNAPSHOT_AFTER_S
        self._recorder = Recorder()
        self._keeper = Keeper(intents)
        self._retry_at = float("-inf")
        self._unwritten: list[Event] = []
        self._untold: list[Callable[[], None]] = []
        self._awaited: list[asyncio.Future[bool]] = []
        self._is_durable = True
        self._wake = asyncio.Event()
        self._overrun = False
        self._ended = False
        self._decide_at = clock.steady()
        self._decided_at = float("-inf")
        self._journal_doubt: str | None = None
        self._beat_at = clock.steady()
        self._backlog_at = float("-inf")

    @property
    def ledger(self) -> Ledger:
        """The record as of the last event."""
        return self._ledger

    @property
    def seconds_since_beat(self) -> float:
        """How long ago the loop last turned: small unless it is stuck."""
        return self._clock.steady() - self._beat_at

    def statement(self) -> BookStatement:
        """The statement of the book now. Safe from any thread: the ledger is never changed in place."""
        return statement_of(self._ledger, self._policy, self._clock.now())

    @property
    def keeps(self) -> bool:
        """Whether what the journal could not write yet is kept beside it."""
        return self._keeper.keeps

    @property
    def policy(self) -> Policy:
        """The policy as configured, or as loaded since."""
        return self._policy

    def put(self, event: Event) -> None:
        """A fact for the core, in the order in which it was heard."""
        if len(self._queue) >= QUEUE_MAX:
            self._overrun = True
        else:
            self._queue.append(event)
        self._wake.set()

    def put_awaited(self, event: Event) -> asyncio.Future[bool]:
        """As `put`; the future is done when the event was taken, and tells whether the journal has it durably.

        What finds no room is not taken, and the future says so at once: False.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.put(event)
        if self._overrun:
            done.set_result(False)
        else:
            self._awaited.append(done)
        return done

    def put_quote(self, quote: Quote) -> None:
        """Newest market view of one instrument; older ones are overwritten unseen."""
        self._quotes[quote.instrument] = quote

    def end(self) -> None:
        """Lets `run` return after what is queued has been taken and written; nothing is decided any more."""
        self._ended = True
        self._wake.set()

    async def run(self) -> None:
        """Consumes until `end`. Raises LoopOverrun when facts came faster than they could be taken, JournalUnavailable when the journal
        has given up.
        """
        try:
            while True:
                if not self._queue and not self._ended:
                    await self._sleep_until_due()
                self._turn()
                if self._overrun:
                    raise LoopOverrun(f"more than {QUEUE_MAX} events were waiting")
                if self._ended and not self._queue:
                    self._unwritten.extend(self._recorder.rest())
                    if self._write((), durable=True):
                        self._snapshot()
                    return
                if not self._queue:
                    self._snapshot_if_due()
        finally:
            self._tell()

    async def _sleep_until_due(self) -> None:
        self._wake.clear()
        pause = self._decide_at - self._clock.steady()
        if pause <= 0:
            return
        timer = asyncio.get_running_loop().call_later(pause, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    def _turn(self) -> None:
        """Takes everything that is queued, decides if it is due, writes, dispatches."""
        self._beat_at = self._clock.steady()
        self._notice_backlog()
        if (doubt := self._journal.doubt) != self._journal_doubt:
            self._journal_doubt = doubt
            self._queue.append(JournalJudged(at=self._clock.now(), doubt=doubt))
        awaited, self._awaited = self._awaited, []
        for _ in range(len(self._queue)):
            self._take(self._queue.popleft())
        commands: tuple[Command, ...] = ()
        began = None
        if self._clock.steady() >= self._decide_at and not self._ended:
            began = self._clock.steady()
            commands = self._decide()
        wanted, is_recorded = len(commands), bool(self._unwritten) and isinstance(self._unwritten[-1], DecisionDue)
        if self._unwritten or commands or (awaited and not self._is_durable):
            commands = self._written(commands, is_awaited=bool(awaited))
        if self._keeper.keeps and self._clock.steady() >= self._retry_at:
            self._retry_at = self._clock.steady() + RETRY_S
            self._write((), durable=True)
        for done in awaited:
            if not done.done():  # whoever waited may have given up
                done.set_result(self._is_durable)
        entry = self._journal.newest if is_recorded else None
        if began is not None:
            told = DecisionMade(
                at=self._ledger.decided_at or 0,
                seconds=self._decided_at - began,
                entry=entry,
                commands=commands,
                withheld=wanted - len(commands),
            )
            self._untold.append(partial(self._telemetry.decided, told))
        for command in commands:
            self._untold.append(partial(self._telemetry.command_dispatched, command, entry))
            self._carry_out(command)
        if any(isinstance(command, PlaceOrder) for command in commands):
            asyncio.get_running_loop().call_later(TELL_AFTER_S, self._tell)
        else:
            self._tell()

    def _notice_backlog(self) -> None:
        """Before anything of it is taken, and so before anything is decided on it."""
        waiting, now = len(self._queue), self._clock.steady()
        if waiting >= QUEUE_HIGH and now - self._backlog_at >= BACKLOG_TOLD_EVERY_S:
            self._backlog_at = now
            log.warning("backlog", waiting=waiting, most=QUEUE_HIGH)
            self._take(BacklogObserved(at=self._clock.now(), waiting=waiting, most=QUEUE_HIGH))

    def _tell(self) -> None:
        """Telemetry hears what happened since it last did."""
        untold, self._untold = self._untold, []
        for tell in untold:
            tell()

    def _take(self, event: Event) -> None:
        before = self._ledger
        if (policy := policy_from(event)) is not None and isinstance(event, SessionStarted | OperatorActed):
            self._policy, self.config_hash = policy, event.config_hash
        taken = step(before, event, self._policy)
        self._ledger = taken.ledger
        is_news = taken.ledger is not before
        self._untold.append(partial(self._telemetry.event_folded, event, is_news=is_news))
        self._untold.extend(partial(self._telemetry.noted, note) for note in new_notes(before, taken.ledger))
        self._unwritten.extend(self._recorder.fact(before, event, taken.ledger))
        if taken.decide_soon:
            soon = self._decided_at + in_force(self._ledger, self._policy).decision_interval_ms / 1000
            self._decide_at = min(self._decide_at, soon)

    def _decide(self) -> tuple[Command, ...]:
        before = self._ledger
        event = DecisionDue(at=self._clock.now(), quotes=tuple(self._quotes.values()))
        decided = step(before, event, self._policy)
        self._ledger = decided.ledger
        self._decided_at = self._clock.steady()
        self._untold.append(partial(self._telemetry.event_folded, event, is_news=bool(decided.commands)))
        self._untold.extend(partial(self._telemetry.noted, note) for note in new_notes(before, decided.ledger))
        self._decide_at = self._decided_at + in_force(decided.ledger, self._policy).decision_beat_ms / 1000
        self._unwritten.extend(self._recorder.decision(before, event, decided.ledger, decided.commands))
        return decided.commands

    def _written(self, commands: tuple[Command, ...], *, is_awaited: bool) -> tuple[Command, ...]:
        """The commands that may go now: all of them once written; without a durable entry, everything but the orders."""
        places = [c for c in commands if isinstance(c, PlaceOrder)]
        is_recorded = bool(self._unwritten) and isinstance(self._unwritten[-1], DecisionDue)
        if not self._unwritten and (self._is_durable or not is_awaited):
            return commands
        durable = is_awaited or bool(places) or any(isinstance(event, OperatorActed) for event in self._unwritten)
        withheld, why = places, "its journal entry did not become durable"
        if self._write(commands if is_recorded else (), durable=durable):
            if self._journal.doubt in (None, self._journal_doubt):
                return commands
            # Another server took the entry over, and the decision knew nothing of that: the next one does.
            withheld, why = [p for p in places if not p.reduce_only], "its journal entry is where it is not to be trusted"
        now = self._clock.now()
        kept = self._keeper.orders(self._ledger, withheld, now) if not self._is_durable else ()
        withheld = [p for p in withheld if p not in kept]
        for place in withheld:
            self.put(not_sent(place, now, why))
        return tuple(c for c in commands if c not in withheld)

    def _write(self, commands: Sequence[Command], *, durable: bool) -> bool:
        """Whether it was written as asked. Raises JournalUnavailable when the journal takes nothing at all any more."""
        events, self._unwritten = self._unwritten, []
        for event in events:
            self._course.went_on(event)
        try:
            self._journal.append(events, commands, durable=durable)
        except JournalUnavailable as error:
            log.error("journal_unavailable", reason=str(error), events=len(events))
            self._is_durable = False
            if not durable:
                raise
            self._keeper.words(events)
            return False
        if durable:
            self._is_durable = True
            self._keeper.durable()
        return True

    def _snapshot_if_due(self) -> None:
        is_early = self._clock.steady() >= self._early_at
        if is_early:
            self._early_at = float("inf")
        if self._course.events >= (FOLDED_MUCH if is_early else SNAPSHOT_EVERY):
            self._unwritten.extend(self._recorder.rest())
            if self._write((), durable=True):
                self._snapshot()

    def _snapshot(self) -> None:
        """Keeps where the next start may begin. One that cannot be kept costs that start time, and nothing else."""
        self._course.events = 0
        try:
            self._journal.snapshot(self._course.snapshot(self._ledger, self._policy))
        except (JournalUnavailable, ValueError) as error:
            log.error("snapshot_not_kept", reason=str(error))


def new_notes(before: Ledger, after: Ledger) -> Sequence[Note]:
    """What the core had to say between two ledgers, oldest first."""
    if after.notes is before.notes:
        return ()
    newest_known = before.notes[-1] if before.notes else None
    found: list[Note] = []
    for note in reversed(after.notes):
        if note is newest_known:
            break
        found.append(note)
    return tuple(reversed(found))
