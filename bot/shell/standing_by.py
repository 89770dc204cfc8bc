"""What an instance does that may not send: it asks for the lease, and follows the journal of whoever holds it.

    stand by -> the lease is granted -> what the journal still holds is folded -> the ordinary start, silent at first (see `mandate`)

Rules:
- It sends nothing, opens no venue and writes no entry. Whoever scrapes it hears that it stands by.
- What it followed is its memory of a store that forgets: an entry that it has folded and the journal has lost is told at the start, and
  what people said in such entries counts on (see `heard`).
- It asks only while it could take over: not while the journal is another's or newer than it, or its configuration leaves out what the book
  carries. Else it would take the lease, end, and keep it from one that can.
- Nothing here waits for the store for longer than it takes to ask again: a stop ends it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.ports import Clock, JournalFollower, JournalRefused, JournalUnavailable, Lease, LeaseGranted, LeaseUnavailable, Position, Snapshot
from bot.shell.heard import Heard
from bot.shell.left_out import LeftOut, refuse_left_out
from bot.shell.mandate import Mandate, Watched, is_explained, silence_s
from bot.shell.recovery import Course, Folding

log = structlog.get_logger(__name__)

ASKS_PER_TERM = 12
"""How often the lease is asked for within its length."""
FOLDED_AT_ONCE = 50
"""Entries that are folded before others have their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What another instance's journal folds to, up to and including one entry."""

    position: Position
    snapshot: Snapshot
    course: Course


class Standby:
    """One instance that waits for its turn. `holder` and `entries` are for people; `entries` counts what was folded in this wait. `heard`
    is what people said meanwhile, also where the journal has lost it.
    """

    def __init__(
        self,
        lease: Lease,
        follower: JournalFollower,
        clock: Clock,
        policy: Policy,
        *,
        entries_folded: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`policy` counts only until the first run's own is read; `entries_folded` is told of each part of the journal that was folded."""
        self._lease = lease
        self._follower = follower
        self._clock = clock
        self._policy = policy
        self._entries_folded = entries_folded
        self._folding: Folding | None = None
        self.heard = Heard()
        self._judged: Ledger | None = None
        self._stopped = asyncio.Event()
        self._pausing: asyncio.Timeout | None = None
        self._watched: Watched | None = None
        self._obstacle: str | None = None
        self._told: dict[str, str] = {}
        self.stop_reason: str | None = None
        self.holder = ""
        self.entries = 0

    def stop(self, reason: str) -> None:
        """Ends the wait; asking again changes nothing."""
        if self.stop_reason is None:
            log.info("stopping", reason=reason)
            self.stop_reason = reason
            self._stopped.set()
            if self._pausing is not None:
                self._pausing.reschedule(asyncio.get_running_loop().time())

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._stopped.is_set()

    @property
    def waits_for(self) -> str:
        """What keeps this instance from sending, for people: what is wrong with it first, for then it does not know who holds the lease."""
        if self._obstacle is not None:
            return f"it cannot take over as it is ({self._obstacle})"
        return f"{self.holder} holds the lease" if self.holder else "the lease is not granted yet"

    def hurry(self, reason: str) -> None:
        """As `stop`: nothing here takes time."""
        self.stop(reason)

    async def until_granted(self) -> Mandate | None:
        """Waits for the lease, and holds it; None: it was stopped before that. The renewals have begun when it returns.

        Raises JournalRefused or LeftOut when it could not take over as it was started. What comes up later keeps it from asking.
        """
        await self._look(at_start=True)
        while not self._stopped.is_set():
            if self._obstacle is None and (mandate := await self._asked()) is not None:
                return mandate
            await self._pause()
            await self._look()
        return None

    async def _pause(self) -> None:
        """Until it is time to ask again, or to stop."""
        if self._stopped.is_set():
            return
        try:
            async with asyncio.timeout(None) as self._pausing:
                await self._clock.sleep(self._lease.ttl_s / ASKS_PER_TERM)
        except TimeoutError:
            return  # it is to stop
        finally:
            self._pausing = None

    async def followed(self) -> Followed | None:
        """What the journal folds to now, None when it could not be followed; after the wait."""
        try:
            await self._catch_up()
        except (JournalRefused, JournalUnavailable) as error:
            log.warning("journal_not_followed", reason=str(error))
            return None
        folding = self._folding
        if folding is None or self._follower.position is None:
            return None
        return Followed(position=self._follower.position, snapshot=folding.snapshot(), course=folding.course)

    async def _asked(self) -> Mandate | None:
        """Asks for the lease once."""
        try:
            told = await self._lease.acquire()
        except LeaseUnavailable as error:
            self._tell_once("lease_not_answered", str(error))
            return None
        self._tell_once("lease_not_answered", "")
        if isinstance(told, LeaseGranted):
            return self._granted(told)
        self._watched = Watched.seen(told, self._clock.steady())
        if told.name != self.holder:
            self.holder = told.name
            log.info("standing_by", holder=told.name, seconds_left=told.seconds_left)
        return None

    def _granted(self, granted: LeaseGranted) -> Mandate:
        at = self._clock.steady()
        silent_s, explained = silence_s(granted, at, self._watched, self._lease.ttl_s), is_explained(granted, at, self._watched)
        mandate = Mandate(self._lease, self._clock, silent_s=silent_s, explained=explained)
        mandate.begin()
        log.info("lease_granted", epoch=granted.epoch, holder_before=self.holder, silent_s=silent_s, explained=explained)
        return mandate

    async def _look(self, *, at_start: bool = False) -> None:
        """Folds what is new, and finds out what keeps this instance from taking over, if anything does."""
        try:
            await self._catch_up()
            if self._folding is not None and self._folding.ledger is not self._judged:
                refuse_left_out(self._folding.ledger, self._policy)
                self._judged = self._folding.ledger
            self._obstacle = None
        except JournalUnavailable as error:
            self._tell_once("journal_not_followed", str(error))
            return
        except (JournalRefused, LeftOut) as error:
            if at_start:
                raise
            self._obstacle = str(error)
        self._tell_once("journal_not_followed", "")
        self._tell_once("cannot_take_over", self._obstacle or "")

    def _tell_once(self, event: str, reason: str) -> None:
        """Logs what is wrong when it becomes so, not each time that it is, in whatever words; nothing for an empty reason."""
        if reason and not self._told.get(event):
            log.warning(event, reason=reason)
        self._told[event] = reason

    async def _catch_up(self) -> None:
        """Folds what was written since. One that does not go on from there is followed anew, from its newest snapshot."""
        while True:
            followed = await self._follower.newer()
            if begins := followed.begins_anew or self._folding is None:
                self.heard.begins_anew()
                self._folding = Folding(self._policy, followed.start)
            for number, entry in enumerate(followed.entries, 1):  # all of them, whatever happens: the follower has counted them
                for event, commands in entry.steps():
                    self._folding.take(event, commands)
                    self.heard.took(event)
                self.entries += 1
                if number % FOLDED_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if begins or followed.entries:
                self.heard.folded(self._folding.ledger)
            self._entries_folded(len(followed.entries))
            if not followed.more:
                return
