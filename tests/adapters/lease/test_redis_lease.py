"""The lease on a real Redis: what a store that crashed or was cut off does to it, and who renews it. The rest is the contract's."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal.redis_link import RedisLink
from bot.adapters.lease import redis_lease
from bot.ports import LeaseHeldByOther, LeaseLost, LeaseUnavailable
from tests.adapters.journal.redis_process import RedisProcess, needs_redis
from tests.adapters.lease.instances import KEYS, TTL_MS, Instances, granted

pytestmark = needs_redis


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path_factory.mktemp("lease")).start()
    yield process
    process.kill()


@pytest.fixture
async def instances(store: RedisProcess) -> AsyncIterator[Instances]:
    made = Instances(store)
    made.forget()
    yield made
    await made.close()


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


async def test_who_stands_in_does_not_end_at_an_error_that_nobody_foresaw(
    instances: Instances, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = instances.lease("left", ttl_ms=2 * TTL_MS)
    await granted(left)
    run, refused = RedisLink.run, []

    def fails_once(link: RedisLink, *what: Any) -> Any:
        if not refused:
            refused.append(what)
            raise LookupError("of what nobody foresaw")
        return run(link, *what)

    monkeypatch.setattr(RedisLink, "run", fails_once)
    left.stand_in(True)
    time.sleep(4 * TTL_MS / 1_000)  # noqa: ASYNC251  as above
    assert refused
    assert left.held_for() > 0
    assert "LookupError('of what nobody foresaw')" in caplog.text


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
