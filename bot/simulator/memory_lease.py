"""A lease in memory: a real implementation of `ports.Lease` for virtual time, and the store that several instances ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot.core.tenure import Tenure, epoch_of, whose_now
from bot.core.units import Millis
from bot.ports import Clock, LeaseEnd, LeaseGranted, LeaseHeldByOther, LeaseLost, LeaseUnavailable


@dataclass(slots=True)
class MemoryLeaseStore:
    """What the store holds. `taking` False: it answers nobody. `losing_answers`: it does what it is asked, and nobody hears of it.

    `answer_s`: how long each answer takes. `ends_at` is on the clock's steady milliseconds. `forget` is what a deleted store does.
    `promised`: until when each claim was ever told that it holds the lease, also where the store has forgotten it since;
    0: it gave it back.
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
    promised: dict[str, Millis] = field(default_factory=dict)
    _before: tuple[int, LeaseEnd | None] = (0, None)

    def now(self) -> Millis:
        """The store's clock."""
        return int(self.clock.steady() * 1_000)

    def held(self) -> str | None:
        """The claim that holds it now."""
        return self.claim if self.claim is not None and self.now() < self.ends_at else None

    def grant(self, token: str, name: str, epoch_seen: int, ttl_ms: Millis) -> None:
        """Another holder, in an epoch after every one that the store or this instance knows of."""
        self._before = (self.epoch, self.last)
        self.epoch = max(self.epoch, epoch_seen) + 1
        self.claim, self.name = f"{self.epoch}:{token}", name
        self.last = LeaseEnd(claim=self.claim, released=False, ttl_s=ttl_ms / 1_000)

    def extend(self, ttl_ms: Millis) -> None:
        """The holder has it for so long from now on."""
        self.ends_at = self.now() + ttl_ms
        self.promised[str(self.claim)] = self.ends_at

    def forget(self) -> None:
        """Everything is gone, as in a store that was deleted."""
        self.claim, self.last, self.epoch = None, None, 0

    def roll_back(self) -> None:
        """A copy from before the newest grant takes its place: that claim, and its epoch, it has never heard of."""
        self.claim, (self.epoch, self.last) = None, self._before

    def copy(self) -> MemoryLeaseStore:
        """Another server with the same in it; both count what they promise together."""
        return replace(self)


class MemoryLease:
    """One instance's hold of a store. Raises ValueError for a length that cannot be relied on."""

    def __init__(
        self,
        store: MemoryLeaseStore,
        name: str,
        *,
        ttl_ms: Millis,
        steady: Callable[[], float] | None = None,
        reaches: Callable[[], bool] = lambda: True,
    ) -> None:
        """`steady`: this host's own clock, in seconds, None: it runs as the store's. `reaches`: whether its way to the store is open."""
        self._store = store
        self._name = name
        self._steady = steady or store.clock.steady
        self._reaches = reaches
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

    def go_to(self, store: MemoryLeaseStore) -> None:
        """The server that answers from now on is another one."""
        self._store = store

    def held_for(self) -> float:
        """Seconds for which it is ours for certain."""
        return self._tenure.left_ms(self._now()) / 1_000

    def _now(self) -> Millis:
        return int(self._steady() * 1_000)

    async def acquire(self) -> LeaseGranted | LeaseHeldByOther:
        """See the port."""
        store, asked_at = self._asked(), self._now()
        held = store.held()
        if held is not None and not held.endswith(f":{self._token}"):
            told = LeaseHeldByOther(claim=held, name=store.name, seconds_left=(store.ends_at - store.now()) / 1_000)
            await self._heard()
            self._epoch_seen = max(self._epoch_seen, epoch_of(held))
            return told
        before = store.last if held is None else None
        if held is None:
            store.grant(self._token, self._name, self._epoch_seen, self._tenure.ttl_ms)
        store.extend(self._tenure.ttl_ms)
        claim = str(store.claim)
        await self._heard()
        self._claim, self._epoch = claim, epoch_of(claim)
        self._epoch_seen = max(self._epoch_seen, self._epoch)
        self._tenure = self._tenure.granted(asked_at)
        return LeaseGranted(claim=self._claim, epoch=self._epoch, before=before)

    async def renew(self) -> None:
        """See the port."""
        if not self._claim:
            raise LeaseLost("the lease is not ours")
        store, asked_at = self._asked(), self._now()
        held, ours = store.held() or "", self._claim
        if held == ours:
            store.extend(self._tenure.ttl_ms)
        await self._heard()
        if held != ours:
            self._claim, self._tenure = "", self._tenure.lost()
            raise LeaseLost(whose_now(held, ours))
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
            store.promised[self._claim] = 0
        await self._heard()

    async def close(self) -> None:
        """See the port."""
        self._tenure = self._tenure.lost()

    def _asked(self) -> MemoryLeaseStore:
        if not (self._store.taking and self._reaches()):
            raise LeaseUnavailable("the store does not answer")
        return self._store

    async def _heard(self) -> None:
        if self._store.answer_s:
            await self._store.clock.sleep(self._store.answer_s)
        if self._store.losing_answers:
            raise LeaseUnavailable("the answer was lost")
