"""One of several instances that share a book, from standing by to its turn: which adapters that takes, and in which order they begin.

    stand by -> lease granted -> journal opened under the lease's fence -> what it folds to -> the ordinary run

Opening and reading a journal may take longer than the lease lasts: that is done in a thread, while the renewals go on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bot.adapters.journal.opening import open_journal
from bot.adapters.journal.redis_follow import RedisFollower
from bot.adapters.journal.redis_store import Fence
from bot.adapters.journal.redis_streams import RedisJournal
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.lease.redis_lease import LeaseKeys, RedisLease
from bot.adapters.telemetry.prometheus import Metrics
from bot.config import Settings
from bot.core.policy import Policy
from bot.drivers.journals import place_of
from bot.operating import OperatorAnswer, OperatorRequest
from bot.ports import Clock, JournalRefused, JournalUnavailable, Snapshot
from bot.shell.heard import Heard
from bot.shell.lifecycle import recovery_of
from bot.shell.mandate import Mandate
from bot.shell.recovery import Course
from bot.shell.standing_by import Followed, Standby

STANDS_BY = "standby"
"""What an instance that may not send tells instead of a trading state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """This instance may send: under what, from which journal, what that folds to, and what people said that it may have lost."""

    mandate: Mandate
    journal: RedisJournal | SqliteJournal
    recovery: tuple[Snapshot, Course]
    heard: Heard


class Member:
    """One instance, and the right to send that its connectors ask for: none before its turn.

    It is closed by whoever made it; a mandate that was not given back runs out.
    """

    def __init__(self, settings: Settings, policy: Policy, clock: Clock, metrics: Metrics) -> None:
        """Raises JournalRefused when nothing can be kept in the state folder. Nothing is sent."""
        told = settings.instance
        assert told is not None  # noqa: S101  `live` makes a member only where `instance` is set
        self._policy, self._metrics, self._place = policy, metrics, place_of(settings)
        place = self._place
        assert place.server is not None  # noqa: S101  `instance` is refused without a journal on Redis
        self.name = told.name
        keys = LeaseKeys(f"{{hedgebot:{place.name}}}:")
        self._lease = RedisLease(place.server, keys, name=told.name, ttl_ms=told.lease_ttl_ms, steady=clock.steady)
        place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._follower = RedisFollower(place.server, place.name, place.identity, place.folder)
        self.standby = Standby(self._lease, self._follower, clock, policy, entries_folded=self._folded)
        self._mandate: Mandate | None = None
        metrics.lease_seconds_left.labels(self.name).set_function(self._lease.held_for)
        metrics.lease_held.labels(self.name).set_function(lambda: float(self._lease.held_for() > 0))
        metrics.lease_epoch.labels(self.name).set_function(lambda: float(self._lease.epoch))

    def _folded(self, entries: int) -> None:
        self._metrics.standby_entries.labels(self.name).inc(entries)

    def held_for(self) -> float:
        """Seconds for which no other instance may act for the accounts; 0 before its turn."""
        return 0.0 if self._mandate is None else self._mandate.held_for()

    def seconds(self) -> float:
        """For how many seconds an order that leaves now may be valid; 0: none may leave."""
        return 0.0 if self._mandate is None else self._mandate.seconds()

    async def turn(self) -> Turn | None:
        """Stands by until the lease is granted; None when it was stopped before that.

        Raises JournalRefused or LeftOut when it could not take over as it was started, JournalUnavailable when that fails at its turn.
        """
        mandate = self._mandate = await self.standby.until_granted()
        if mandate is None:
            return None
        try:
            followed = await self.standby.followed()
            return await asyncio.to_thread(self._opened, mandate, followed)
        except JournalRefused as error:  # it could be followed until now: a restart may do better
            await mandate.end()
            raise JournalUnavailable(str(error)) from None
        except BaseException:
            await mandate.end()
            raise

    def _opened(self, mandate: Mandate, followed: Followed | None) -> Turn:
        fence = Fence(self._lease.keys.lease, self._lease.claim)
        journal = open_journal(self._place, fence=fence, on_append_seconds=self._metrics.journal_append_seconds.observe)
        try:
            if followed is not None and isinstance(journal, RedisJournal) and followed.position == journal.position:
                recovery = (followed.snapshot, followed.course)
            else:
                recovery = recovery_of(journal, self._policy)
            return Turn(mandate=mandate, journal=journal, recovery=recovery, heard=self.standby.heard)
        except BaseException:
            journal.close()
            raise

    async def close(self) -> None:
        """Ends every connection. Safe to call twice."""
        await self._follower.close()
        await self._lease.close()

    def unready(self) -> str:
        """Why it is not ready while it stands by."""
        return f"{self.name} stands by; {self.standby.waits_for}"

    def refuse(self, request: OperatorRequest) -> OperatorAnswer:
        """What a person hears who asks for something while it stands by. A halt file counts when its turn comes."""
        return OperatorAnswer(accepted=False, sentence=f"{self.unready()}; {request.action.value} is its business", trading_state=STANDS_BY)
