"""A lease in memory: a real implementation of `ports.Lease` for virtual time, and the store that several instances ask."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.core.tenure import Tenure
from bot.core.units import Millis
from bot.ports import Clock, LeaseEnd, LeaseGranted, LeaseHeldByOther, LeaseLost, LeaseUnavailable


@dataclass(slots=True)
class MemoryLeaseStore:
    """What the store holds. `taking` False: it answers nobody. `losing_answers`: it does what it is asked, and nobody hears of it.

    `answer_s`: how long each answer takes. `ends_at` is on the clock's steady milliseconds. `forget` is what a deleted store does.
    """

    clock: Clock
    claim: str | None = None
    name: str = ""
    ends_at: Millis = 0
    epoch: int = 0
    last: LeaseEnd | None = None
    taking: bool = True
    losing_answers: bool = False
    answer_s: float = 0.0
    tokens: int = field(default=0)

    def now(self) -> Millis:
        """The store's clock."""
        return int(self.clock.steady() * 1_000)

    def held(self) -> str | None:
        """The claim that holds it now."""
        return self.claim if self.claim is not None and self.now() < self.ends_at else None

    def forget(self) -> None:
        """Everything is gone, as in a store that was deleted."""
        self.claim, self.last, self.epoch = None, None, 0


class MemoryLease:
    """One instance's hold of a store. Raises ValueError for a length that cannot be relied on."""

    def __init__(self, store: MemoryLeaseStore, name: str, *, ttl_ms: Millis) -> None:
        self._store = store
        self._name = name
        self._tenure = Tenure(ttl_ms=ttl_ms)
        self.ttl_s = ttl_ms / 1_000
        store.tokens += 1
        self._token = f"token{store.tokens}"
        self._claim = ""
        self._epoch = 0
        self._epoch_seen = 0

    @property
    def epoch(self) -> int:
        """Of our newest grant; 0 before the first."""
        return self._epoch

    @property
    def claim(self) -> str:
        """What the store holds while it is ours; empty before the first grant and after a loss."""
        return self._claim

    def held_for(self) -> float:
        """Seconds for which it is ours for certain."""
        return self._tenure.left_ms(self._store.now()) / 1_000

    async def acquire(self) -> LeaseGranted | LeaseHeldByOther:
        """See the port."""
        store, asked_at = self._asked(), self._store.now()
        held = store.held()
        if held is not None and not held.endswith(f":{self._token}"):
            told = LeaseHeldByOther(claim=held, name=store.name, seconds_left=(store.ends_at - asked_at) / 1_000)
            await self._heard()
            self._epoch_seen = max(self._epoch_seen, int(held.partition(":")[0]))
            return told
        before = store.last if held is None else None
        if held is None:
            store.epoch = max(store.epoch, self._epoch_seen) + 1
            store.claim, store.name = f"{store.epoch}:{self._token}", self._name
            store.last = LeaseEnd(claim=store.claim, released=False, ttl_s=self.ttl_s)
        store.ends_at, claim = asked_at + self._tenure.ttl_ms, str(store.claim)
        await self._heard()
        self._claim, self._epoch = claim, int(claim.partition(":")[0])
        self._tenure = self._tenure.granted(asked_at)
        return LeaseGranted(claim=self._claim, epoch=self._epoch, before=before)

    async def renew(self) -> None:
        """See the port."""
        store, asked_at = self._asked(), self._store.now()
        ours = bool(self._claim) and store.held() == self._claim
        if ours:
            store.ends_at = asked_at + self._tenure.ttl_ms
        await self._heard()
        if not ours:
            self._claim, self._tenure = "", self._tenure.lost()
            raise LeaseLost("the store does not know our claim any more")
        self._tenure = self._tenure.granted(asked_at)

    def stand_in(self, wanted: bool) -> None:
        """See the port: nothing here renews by itself."""

    async def release(self) -> None:
        """See the port. One that is not ours any more is left alone."""
        self._tenure = self._tenure.lost()
        store = self._asked()
        if self._claim and store.held() == self._claim:
            store.claim = None
            store.last = LeaseEnd(claim=self._claim, released=True, ttl_s=self.ttl_s)
        await self._heard()

    async def close(self) -> None:
        """See the port."""
        self._tenure = self._tenure.lost()

    def _asked(self) -> MemoryLeaseStore:
        if not self._store.taking:
            raise LeaseUnavailable("the store does not answer")
        return self._store

    async def _heard(self) -> None:
        if self._store.answer_s:
            await self._store.clock.sleep(self._store.answer_s)
        if self._store.losing_answers:
            raise LeaseUnavailable("the answer was lost")
