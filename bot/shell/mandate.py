"""The right to send, where two instances share one book: held under a lease, kept by renewing it, and asked before every send.

    lease granted -> silence -> may send, renewed three times within its length -> given back | lost | run out

Rules:
- No order leaves unless the lease is ours by our own clock for another `SEND_LEAST_S`, and none is signed to be valid for longer than that
  (`seconds`). Whoever sends asks twice: when a command is carried out, and in the instant of signing, for it may have queued in between.
- Renewals belong to the event loop, which proves by them that it turns. A lease may renew itself in the loop's stead for a little while
  (`RedisLease` does), so that a machine that has no time for the loop does not take a lease that its store would have extended.
- Once it is lost nothing is sent any more, and the run ends: a restart stands by. It is lost when the store says so, and when it ran out
  before the store answered; which of the two came first makes no difference, `seconds` is 0 from the lease's end on.
- Before the first order the holder before is waited for (`silence_s`): the lease that it may still believe in, and then the longest that
  a request of its can be valid, which is one lease again.

What a lease cannot promise. A store that fails over with writes lost, or is wiped, grants it to a second instance at once. The silence then
outlasts what the first one can still believe; where the first one goes on renewing at a store of its own (a split brain), both send. What
then holds is at the venues: each request's expiry, ids that never repeat, reduce-only reductions, and that an order of a stranger
makes a venue REDUCING.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from bot.core.tenure import RENEWALS_PER_TERM
from bot.core.units import Millis
from bot.ports import Clock, Lease, LeaseGranted, LeaseHeldByOther, LeaseLost, LeaseUnavailable

log = structlog.get_logger(__name__)

SEND_LEAST_S = 0.5
"""A request that would be valid for less than this is not sent: it would mostly arrive too late."""
SILENCE_SLACK_MS: Millis = 20
RETRIES_PER_TERM = 12
"""How often a renewal that was not answered is tried again, within one lease's length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Somebody else's lease when we last looked: under which claim, and when (steady clock) it would end unless renewed."""

    claim: str
    ends_at: float

    @classmethod
    def seen(cls, held: LeaseHeldByOther, at: float) -> Watched:
        """What was answered at `at` (steady clock): the latest instant at which it can end is counted from the answer."""
        return cls(claim=held.claim, ends_at=at + held.seconds_left)


def silence_s(granted: LeaseGranted, at: float, watched: Watched | None, ttl_s: float) -> float:
    """Seconds to wait, from the grant at `at` (steady clock) on, until no request of an earlier holder can be accepted any more.

    - Whom we watched holding it gave it back: nothing to wait for, its last request was answered before that.
    - Whom we watched holding it let it run out: its lease is over, its last requests may be valid for one more length of it.
    - Anything else (never seen, a claim that we did not know of, gone before its time, a store that remembers nothing): somebody may have
      been granted it a moment ago, so one whole lease more.
    """
    before = granted.before
    term = ttl_s if before is None else max(ttl_s, before.ttl_s)
    if before is None or watched is None or before.claim != watched.claim:
        return 2 * term
    if before.released:
        return 0.0
    return term if at >= watched.ends_at else 2 * term


def is_explained(granted: LeaseGranted, at: float, watched: Watched | None) -> bool:
    """Whether the store's word agrees with what we saw of the holder before: given back, run out, or seen by nobody.

    A lease that is gone before its time, or of which the store remembers nothing, was lost by the store; so may be the journal's last
    entries, and what they sent.
    """
    if watched is None:
        return True
    if granted.before is None:
        return False
    is_given_back = granted.before.claim == watched.claim and granted.before.released
    return is_given_back or at >= watched.ends_at


class Mandate:
    """One granted lease, and the silence that goes before its first use."""

    def __init__(self, lease: Lease, clock: Clock, *, silent_s: float, explained: bool = True) -> None:
        """`silent_s`: seconds from now on in which nothing is sent. `explained`: see `is_explained`."""
        self.explained = explained
        self._lease = lease
        self._clock = clock
        self._sends_from = clock.steady() + silent_s
        self._lost = False
        self._keeping: asyncio.Task[None] | None = None

    @property
    def epoch(self) -> int:
        """The lease's epoch."""
        return self._lease.epoch

    @property
    def silent_ms(self) -> Millis:
        """What is left of the silence, and a little more: nothing is decided that `seconds` would then refuse."""
        left = self._sends_from - self._clock.steady()
        return int(left * 1_000) + SILENCE_SLACK_MS if left > 0 else 0

    def held_for(self) -> float:
        """Seconds for which the lease is ours for certain, whether or not anything may be sent yet; 0 once it was lost."""
        return 0.0 if self._lost else self._lease.held_for()

    def seconds(self) -> float:
        """For how long a request that leaves now may be valid; 0: nothing may leave."""
        left = self.held_for()
        return left if left >= SEND_LEAST_S and self._clock.steady() >= self._sends_from else 0.0

    def begin(self) -> None:
        """Renews it from now on, in a task of its own; soon after the grant, for what comes next may take longer than the lease."""
        self._lease.stand_in(True)
        self._keeping = asyncio.create_task(self._keep(), name="lease")

    async def until_lost(self) -> None:
        """Waits until it is lost. Raises LeaseLost, or what else ended the renewals; never returns. Cancelling it ends nothing."""
        if self._keeping is None:
            raise RuntimeError("nobody renews this lease")
        await asyncio.shield(self._keeping)

    async def _keep(self) -> None:
        try:
            await self._renew_for_ever()
        finally:
            self._lost = True
            self._lease.stand_in(False)

    async def _renew_for_ever(self) -> None:
        lease, pause, failing = self._lease, self._lease.ttl_s / RENEWALS_PER_TERM, False
        while True:
            await self._clock.sleep(pause)
            try:
                await lease.renew()
            except LeaseUnavailable as error:
                if not failing:
                    log.warning("lease_not_renewed", reason=str(error), seconds_left=round(lease.held_for(), 3))
                failing, pause = True, lease.ttl_s / RETRIES_PER_TERM
            else:
                if failing:
                    log.info("lease_renewed_again", seconds_left=round(lease.held_for(), 3))
                failing, pause = False, lease.ttl_s / RENEWALS_PER_TERM
            if lease.held_for() <= 0:
                raise LeaseLost("it ran out before the store answered")

    async def give_back(self) -> None:
        """The last act of an orderly stop. A store that does not take it lets it run out."""
        await self.end()
        try:
            await self._lease.release()
        except LeaseUnavailable as error:
            log.warning("lease_not_given_back", reason=str(error))

    async def end(self) -> None:
        """Ends the renewals and gives nothing back: it runs out. Safe to call twice."""
        self._lost = True
        self._lease.stand_in(False)
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            if not self._keeping.cancelled():
                self._keeping.exception()  # it was told to whoever waited for it
