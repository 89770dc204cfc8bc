"""The lease on a real Redis: who gets it, who keeps it, and what a store that crashed, forgot or was cut off does to it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.adapters.lease import redis_lease
from bot.adapters.lease.redis_lease import LeaseKeys, RedisLease
from bot.ports import LeaseEnd, LeaseGranted, LeaseHeldByOther, LeaseLost, LeaseUnavailable
from bot.shell.clock import SystemClock
from tests.adapters.journal.redis_process import RedisProcess, needs_redis

KEYS = LeaseKeys("test:")
TTL_MS = 600


pytestmark = needs_redis


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path_factory.mktemp("lease")).start()
    yield process
    process.kill()


class Instances:
    """Leases of several processes, each with a clock that can be put forward."""

    def __init__(self, server: RedisProcess) -> None:
        self.server = server
        self.skipped = 0.0
        self._made: list[RedisLease] = []

    def steady(self) -> float:
        return SystemClock().steady() + self.skipped

    def lease(self, name: str, ttl_ms: int = TTL_MS) -> RedisLease:
        made = RedisLease(self.server.server, KEYS, name=name, ttl_ms=ttl_ms, steady=self.steady)
        self._made.append(made)
        return made

    async def close(self) -> None:
        for made in self._made:
            await made.close()


@pytest.fixture
async def instances(store: RedisProcess) -> AsyncIterator[Instances]:
    with closing(store.client) as client:
        client.flushall()
    made = Instances(store)
    yield made
    await made.close()


async def granted(lease: RedisLease) -> LeaseGranted:
    told = await lease.acquire()
    assert isinstance(told, LeaseGranted)
    return told


async def after(lease: RedisLease, seconds: float) -> LeaseGranted:
    await asyncio.sleep(seconds)
    return await granted(lease)


async def test_the_first_gets_it_and_the_second_is_told_who_has_it_and_for_how_long(instances: Instances) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    assert await granted(left) == LeaseGranted(claim=left.claim, epoch=1, before=None)
    assert 0.4 < left.held_for() <= 0.5
    told = await right.acquire()
    assert isinstance(told, LeaseHeldByOther)
    assert (told.claim, told.name) == (left.claim, "left")
    assert 0 < told.seconds_left <= 0.6
    assert (right.held_for(), right.epoch) == (0.0, 0)


async def test_it_ends_by_itself_and_the_next_holder_has_a_later_epoch(instances: Instances) -> None:
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


async def test_renewed_it_stays_and_given_back_it_is_free_at_once(instances: Instances) -> None:
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


async def test_who_lost_it_gives_nothing_back(instances: Instances) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    await granted(left)
    await after(right, 0.65)
    await left.release()
    assert isinstance(await left.acquire(), LeaseHeldByOther)


async def test_it_may_be_closed_twice(instances: Instances) -> None:
    left = instances.lease("left")
    await granted(left)
    for _ in range(2):
        await left.close()
        assert left.held_for() == 0.0


async def test_a_grant_whose_answer_was_lost_is_recognised(instances: Instances) -> None:
    left = instances.lease("left")
    first = await granted(left)
    again = await granted(left)
    assert (again.claim, again.epoch) == (first.claim, 1)
    assert again.before is None  # what was before it is not known any more: the longest silence


async def test_a_process_that_slept_wakes_up_without_it_before_it_asks_anybody(instances: Instances) -> None:
    left = instances.lease("left")
    await granted(left)
    assert left.held_for() > 0
    instances.skipped = 0.6  # the clock counts suspension
    assert left.held_for() == 0.0


async def test_a_store_that_forgot_everything_grants_it_twice_and_says_so_to_the_first(instances: Instances) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    await granted(left)
    assert isinstance(await right.acquire(), LeaseHeldByOther)
    with closing(instances.server.client) as client:
        client.flushall()
    found = await granted(right)
    assert found == LeaseGranted(claim=right.claim, epoch=2, before=None)  # it had seen 1, so its own is later all the same
    assert left.held_for() > 0  # for as long as it does not ask: this is why the next holder waits
    with pytest.raises(LeaseLost, match="granted again, in epoch 2"):
        await left.renew()
    assert left.held_for() == 0.0


async def test_a_store_that_does_not_answer_leaves_it_held_until_it_ends(instances: Instances) -> None:
    left = instances.lease("left")
    await granted(left)
    instances.server.send(signal.SIGSTOP)
    try:
        with pytest.raises(LeaseUnavailable, match="did not answer in time"):
            await left.renew()
        assert left.held_for() > 0
        instances.skipped = 0.6
        assert left.held_for() == 0.0
    finally:
        instances.server.send(signal.SIGCONT)


async def test_a_store_that_crashed_and_came_back_still_knows_it(instances: Instances) -> None:
    left, right = instances.lease("left", ttl_ms=3_000), instances.lease("right", ttl_ms=3_000)
    await granted(left)
    instances.server.kill()
    with pytest.raises(LeaseUnavailable, match="cannot be reached"):
        await left.renew()
    instances.server.start()
    assert isinstance(await right.acquire(), LeaseHeldByOther)
    await left.renew()
    assert left.held_for() > 2.5


async def test_a_store_set_back_to_an_earlier_state_cannot_repeat_a_claim(instances: Instances, tmp_path: Path) -> None:
    """An old copy of its files is put back: the counter repeats, the token does not, and who held it is told that it is gone."""
    left = instances.lease("left", ttl_ms=3_000)
    instances.server.kill()
    copied = {file: file.read_bytes() for file in instances.server.data()}
    instances.server.start()
    first = await granted(left)
    instances.server.kill()
    for file, content in copied.items():
        file.write_bytes(content)
    instances.server.start()
    with pytest.raises(LeaseUnavailable):  # the connection from before the crash
        await left.renew()
    with pytest.raises(LeaseLost, match="does not know our claim 1 any more"):
        await left.renew()
    second = await granted(instances.lease("right"))
    assert second.epoch == first.epoch
    assert second.claim != first.claim


# In the event loop's stead


async def test_a_loop_that_is_late_does_not_lose_what_the_store_would_have_extended(instances: Instances) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    await granted(left)
    left.stand_in(True)
    time.sleep(3 * TTL_MS / 1_000)  # noqa: ASYNC251  nothing on the loop has a turn: that is what is tried
    assert left.held_for() > 0, "by its own clock, and without having been asked"
    assert isinstance(await right.acquire(), LeaseHeldByOther)
    await left.renew()
    assert left.epoch == 1


async def test_without_a_stand_in_a_late_loop_loses_it(instances: Instances) -> None:
    left = instances.lease("left")
    await granted(left)
    time.sleep(3 * TTL_MS / 1_000)  # noqa: ASYNC251  as above
    assert left.held_for() == 0


async def test_a_loop_that_stays_blocked_holds_nobody_up(instances: Instances, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_lease, "STANDS_IN_TERMS", 2)
    left, right = instances.lease("left"), instances.lease("right")
    await granted(left)
    left.stand_in(True)
    time.sleep(5 * TTL_MS / 1_000)  # noqa: ASYNC251  as above
    assert left.held_for() == 0
    assert (await granted(right)).epoch == 2
    with pytest.raises(LeaseLost):
        await left.renew()


@pytest.mark.parametrize("end", ["stand_in", "release", "close"])
async def test_nobody_stands_in_for_a_loop_that_has_ended_it(instances: Instances, end: str) -> None:
    left, right = instances.lease("left"), instances.lease("right")
    await granted(left)
    left.stand_in(True)
    if end == "stand_in":
        left.stand_in(False)
    else:
        await getattr(left, end)()
        assert left.held_for() == 0
    await asyncio.sleep(2 * TTL_MS / 1_000)
    assert left.held_for() == 0
    assert (await granted(right)).epoch == 2


async def test_what_another_was_granted_meanwhile_is_not_renewed(instances: Instances) -> None:
    left = instances.lease("left")
    await granted(left)
    left.stand_in(True)
    with closing(instances.server.client) as client:
        client.set(KEYS.lease, "7:other", px=60_000)
    time.sleep(2 * TTL_MS / 1_000)  # noqa: ASYNC251  as above
    assert left.held_for() == 0
    with closing(instances.server.client) as client:
        assert client.get(KEYS.lease) == b"7:other"
