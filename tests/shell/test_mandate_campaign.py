"""Three instances and a store that misbehaves by seed: no two of them ever send, or have a valid request, at the same time.

The store is away, loses answers, is slow, forgets everything; instances are paused, die and come back, stop in order. Not among it is a
store that is two (see `tests/failover/test_split.py`). The same campaign, run with a rule left out, must find that it is left out.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import pytest

from bot.core.policy import Policy
from bot.ports import LeaseLost
from bot.shell import mandate as rules
from bot.shell import standing_by
from bot.shell.mandate import Mandate
from bot.shell.standing_by import Standby
from bot.simulator.memory import MemoryStore
from bot.simulator.memory_follower import MemoryFollower
from bot.simulator.memory_lease import MemoryLease, MemoryLeaseStore
from bot.simulator.virtual_time import VirtualClock, run_virtually

TTL_MS = 3_000
EXPIRY_S = 5.0
"""The validity that each request asks for, before it is cut to the lease."""
SECONDS = 180.0
SEEDS = range(40)
PLANTED_SEEDS = range(10)


@dataclass(frozen=True)
class Sent:
    """One request: by whom, when, and until when a venue may accept it."""

    by: str
    at: float
    until: float


class PausableClock(VirtualClock):
    """Time that goes on while whoever sleeps by it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await self.goes_on.wait()


class Instance:
    """Stands by, sends twenty times a second while it may, and begins anew when it lost the lease."""

    def __init__(self, name: str, store: MemoryLeaseStore, sent: list[Sent]) -> None:
        self.name, self.clock = name, PausableClock()
        self._store, self._sent = store, sent
        self.stops_in_order = asyncio.Event()

    async def live(self) -> None:
        while True:
            lease = MemoryLease(self._store, self.name, ttl_ms=TTL_MS)
            mandate = await Standby(lease, MemoryFollower(MemoryStore()), self.clock, Policy()).until_granted()
            assert mandate is not None
            lost = asyncio.create_task(mandate.until_lost())
            try:
                await self._lead(mandate, lost)
            finally:
                lost.cancel()
                await asyncio.gather(lost, return_exceptions=True)
                await mandate.end()

    async def _lead(self, mandate: Mandate, lost: asyncio.Task[None]) -> None:
        self.stops_in_order.clear()
        while not lost.done():
            await self.clock.sleep(0.05)
            if self.stops_in_order.is_set():
                await asyncio.sleep(EXPIRY_S)  # until its last request was answered, one way or the other
                await mandate.give_back()
                await asyncio.sleep(1.0)
                return
            if (seconds := mandate.seconds()) > 0:
                now = self.clock.steady()
                self._sent.append(Sent(self.name, now, now + min(seconds, EXPIRY_S)))
        assert isinstance(lost.exception(), LeaseLost)


async def trouble(draw: random.Random, store: MemoryLeaseStore, instances: list[Instance]) -> None:
    """One thing after the other goes wrong, and comes right again."""
    while True:
        await asyncio.sleep(draw.uniform(0.5, 8.0))
        one, long = draw.choice(instances), draw.uniform(0.2, 6.0)
        match draw.randrange(6):
            case 0:
                store.taking = False
                await asyncio.sleep(long)
                store.taking = True
            case 1:
                store.losing_answers = True
                await asyncio.sleep(long)
                store.losing_answers = False
            case 2:
                store.answer_s = draw.uniform(0.0, 1.5)
                await asyncio.sleep(long)
                store.answer_s = 0.0
            case 3:
                store.forget()
            case 4:
                one.clock.goes_on.clear()
                await asyncio.sleep(2 * long)
                one.clock.goes_on.set()
            case _:
                one.stops_in_order.set()


async def campaign(seed: int) -> list[Sent]:
    """Everything that was sent, in order."""
    draw, sent = random.Random(seed), list[Sent]()
    store = MemoryLeaseStore(VirtualClock())
    instances = [Instance(name, store, sent) for name in ("left", "right", "third")]
    works = [each.live() for each in instances] + [trouble(draw, store, instances)]
    tasks = [asyncio.create_task(work) for work in works]
    done, _ = await asyncio.wait(tasks, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    return sent


def overlaps(sent: list[Sent]) -> list[tuple[Sent, Sent]]:
    """Each request that left while one of another instance could still be accepted."""
    found, latest = [], dict[str, Sent]()
    for one in sent:
        found += [(other, one) for name, other in latest.items() if name != one.by and other.until > one.at]
        before = latest.get(one.by)
        if before is None or one.until > before.until:
            latest[one.by] = one
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_instances_ever_have_a_valid_request_at_the_same_time(seed: int) -> None:
    sent = run_virtually(campaign(seed))
    assert overlaps(sent) == []
    assert len(sent) > 100, "safety must not be bought by standing still"


def test_over_the_campaign_every_instance_has_its_turns() -> None:
    turns = [one.by for seed in PLANTED_SEEDS for one in run_virtually(campaign(seed))]
    assert set(turns) == {"left", "right", "third"}


def no_silence(*_: object) -> float:
    return 0.0


def only_the_lease(granted: object, at: float, watched: object, ttl_s: float) -> float:
    return ttl_s if watched is None else 0.0


@pytest.mark.parametrize("planted", [no_silence, only_the_lease])
def test_a_silence_that_is_too_short_is_found(planted: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_by, "silence_s", planted)
    assert any(overlaps(run_virtually(campaign(seed))) for seed in PLANTED_SEEDS)


def test_a_late_look_at_the_lease_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends by what the keeper last said, and not by the clock: a process that was paused goes on sending."""
    monkeypatch.setattr(Mandate, "held_for", lambda self: 0.0 if self._lost else 2.85)
    assert any(overlaps(run_virtually(campaign(seed))) for seed in PLANTED_SEEDS)


def test_a_request_that_outlives_the_lease_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = Mandate.seconds
    monkeypatch.setattr(Mandate, "seconds", lambda self: 2 * rules.SEND_LEAST_S + 9.0 if seconds(self) > 0 else 0.0)
    assert any(overlaps(run_virtually(campaign(seed))) for seed in PLANTED_SEEDS)
