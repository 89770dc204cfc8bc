"""What an instance does that may not send: it asks for the lease, and follows the journal of whoever holds it.

    stand by -> the lease is granted -> what the journal still holds is folded -> the ordinary start, silent at first (see `mandate`)

Rules:
- It sends nothing, opens no venue and writes no entry. Whoever scrapes it hears that it stands by.
- What it followed is its memory of a store that forgets: an entry that it has folded and the journal has lost is told at the start.
- Nothing here waits for the store for longer than it takes to ask again: a stop ends it at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from bot.core.policy import Policy
from bot.ports import Clock, JournalFollower, JournalRefused, JournalUnavailable, Lease, LeaseGranted, LeaseUnavailable, Position, Snapshot
from bot.shell.mandate import Mandate, Watched, silence_s
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
    """One instance that waits for its turn. `holder` and `entries` are for people; `entries` counts what was folded in this wait."""

    def __init__(self, lease: Lease, follower: JournalFollower, clock: Clock, policy: Policy) -> None:
        self._lease = lease
        self._follower = follower
        self._clock = clock
        self._policy = policy
        self._folding: Folding | None = None
        self._stopped = asyncio.Event()
        self._watched: Watched | None = None
        self.holder = ""
        self.entries = 0

    def stop(self) -> None:
        """Ends the wait."""
        self._stopped.set()

    async def until_granted(self) -> Mandate | None:
        """Waits for the lease, and holds it; None: it was stopped before that. The renewals have begun when it returns."""
        following = asyncio.create_task(self._follow(), name="follow")
        try:
            return await self._ask_for_ever()
        finally:
            following.cancel()
            await asyncio.wait([following])

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

    async def _ask_for_ever(self) -> Mandate | None:
        unanswered = False
        while not self._stopped.is_set():
            try:
                told = await self._lease.acquire()
            except LeaseUnavailable as error:
                if not unanswered:
                    log.warning("lease_not_answered", reason=str(error))
                unanswered = True
            else:
                unanswered = False
                if isinstance(told, LeaseGranted):
                    return self._granted(told)
                self._watched = Watched.seen(told, self._clock.steady())
                if told.name != self.holder:
                    self.holder = told.name
                    log.info("standing_by", holder=told.name, seconds_left=told.seconds_left)
            await self._pause(self._lease.ttl_s / ASKS_PER_TERM)
        return None

    def _granted(self, granted: LeaseGranted) -> Mandate:
        silent_s = silence_s(granted, self._clock.steady(), self._watched, self._lease.ttl_s)
        mandate = Mandate(self._lease, self._clock, silent_s=silent_s)
        mandate.begin()
        log.info("lease_granted", epoch=granted.epoch, holder_before=self.holder, silent_s=silent_s)
        return mandate

    async def _pause(self, seconds: float) -> None:
        pausing, stopped = asyncio.create_task(self._clock.sleep(seconds)), asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait((pausing, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pausing.cancel()
            stopped.cancel()

    async def _follow(self) -> None:
        told = ""
        while True:
            try:
                await self._catch_up()
                told = ""
            except (JournalRefused, JournalUnavailable) as error:
                if str(error) != told:
                    log.warning("journal_not_followed", reason=str(error))
                told = str(error)
            await self._clock.sleep(self._lease.ttl_s / ASKS_PER_TERM)

    async def _catch_up(self) -> None:
        """Folds what was written since. One that does not go on from there is followed anew, from its newest snapshot."""
        while True:
            followed = await self._follower.newer()
            if followed.begins_anew or self._folding is None:
                self._folding = Folding(self._policy, followed.start)
            for number, entry in enumerate(followed.entries, 1):
                for event, commands in entry.steps():
                    self._folding.take(event, commands)
                self.entries += 1
                if number % FOLDED_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if not followed.more:
                return
