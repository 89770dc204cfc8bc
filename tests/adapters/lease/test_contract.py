"""The contract of a lease, on a real Redis and in memory: who gets it, who keeps it, and what a store that forgot does to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.ports import Lease, LeaseEnd, LeaseGranted, LeaseHeldByOther, LeaseLost
from bot.shell.clock import SystemClock
from bot.simulator.memory_lease import MemoryLease, MemoryLeaseStore
from tests.adapters.journal.redis_process import SERVER, RedisProcess
from tests.adapters.lease.instances import TTL_MS, Instances, granted


class InMemory:
    """Leases of several processes at one store in memory, on real time, each with a clock that can be put forward."""

    def __init__(self) -> None:
        self.store = MemoryLeaseStore(SystemClock())
        self.skipped = 0.0

    def lease(self, name: str, ttl_ms: int = TTL_MS) -> MemoryLease:
        return MemoryLease(self.store, name, ttl_ms=ttl_ms, steady=lambda: SystemClock().steady() + self.skipped)

    def forget(self) -> None:
        self.store.forget()


@pytest.fixture(params=["redis", "memory"])
async def instances(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Instances | InMemory]:
    if request.param == "memory":
        yield InMemory()
        return
    if SERVER is None:
        pytest.skip("redis-server is not installed here (Debian: apt-get install redis-server)")
    process = RedisProcess(tmp_path).start()
    made = Instances(process)
    yield made
    await made.close()
    process.kill()


async def after(lease: Lease, seconds: float) -> LeaseGranted:
    await asyncio.sleep(seconds)
    return await granted(lease)


async def test_the_first_gets_it_and_the_second_is_told_who_has_it_and_for_how_long(instances: Instances | InMemory) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    assert await granted(left) == LeaseGranted(claim=left.claim, epoch=1, before=None)
    assert 0.4 < left.held_for() <= 0.5
    told = await right.acquire()
    assert isinstance(told, LeaseHeldByOther)
    assert (told.claim, told.name) == (left.claim, "left")
    assert 0 < told.seconds_left <= 0.6
    assert (right.held_for(), right.epoch) == (0.0, 0)


async def test_it_ends_by_itself_and_the_next_holder_has_a_later_epoch(instances: Instances | InMemory) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    await granted(left)
    found = await after(right, 0.65)
    assert (found.epoch, found.before) == (2, LeaseEnd(claim="1:" + left.claim[2:], released=False, ttl_s=0.6))
    assert left.held_for() == 0.0
    with pytest.raises(LeaseLost, match="granted again, in epoch 2; ours was 1"):
        await left.renew()
    with pytest.raises(LeaseLost, match="not ours"):
        await left.renew()
    assert right.held_for() > 0


async def test_renewed_it_stays_and_given_back_it_is_free_at_once(instances: Instances | InMemory) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    await granted(left)
    for _ in range(5):
        await asyncio.sleep(0.2)
        await left.renew()
    assert isinstance(await right.acquire(), LeaseHeldByOther)
    claim = left.claim
    await left.release()
    assert left.held_for() == 0.0
    assert (await granted(right)).before == LeaseEnd(claim=claim, released=True, ttl_s=0.6)


async def test_who_lost_it_gives_nothing_back(instances: Instances | InMemory) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    await granted(left)
    await after(right, 0.65)
    await left.release()
    assert isinstance(await left.acquire(), LeaseHeldByOther)


async def test_it_may_be_closed_twice(instances: Instances | InMemory) -> None:
    left = instances.lease("left")
    await granted(left)
    for _ in range(2):
        await left.close()
        assert left.held_for() == 0.0


async def test_a_grant_whose_answer_was_lost_is_recognised(instances: Instances | InMemory) -> None:
    left = instances.lease("left")
    first = await granted(left)
    again = await granted(left)
    assert (again.claim, again.epoch) == (first.claim, 1)
    assert again.before is None  # what was before it is not known any more: the longest silence


async def test_a_process_that_slept_wakes_up_without_it_before_it_asks_anybody(instances: Instances | InMemory) -> None:
    left = instances.lease("left")
    await granted(left)
    assert left.held_for() > 0
    instances.skipped = 0.6  # the clock counts suspension
    assert left.held_for() == 0.0


async def test_a_store_that_forgot_everything_grants_it_twice_and_says_so_to_the_first(instances: Instances | InMemory) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    await granted(left)
    assert isinstance(await right.acquire(), LeaseHeldByOther)
    instances.forget()
    found = await granted(right)
    assert found == LeaseGranted(claim=right.claim, epoch=2, before=None)  # it had seen 1, so its own is later all the same
    assert left.held_for() > 0  # for as long as it does not ask: this is why the next holder waits
    with pytest.raises(LeaseLost, match="granted again, in epoch 2"):
        await left.renew()
    assert left.held_for() == 0.0


async def test_who_saw_an_epoch_is_not_granted_it_again_by_a_store_that_forgot_it(instances: Instances | InMemory) -> None:
    left = instances.lease("left")
    first = await granted(left)
    instances.forget()
    with pytest.raises(LeaseLost, match="does not know our claim 1 any more"):
        await left.renew()
    second = await granted(left)
    assert (first.epoch, second.epoch) == (1, 2)
