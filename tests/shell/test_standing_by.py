"""An instance that waits for its turn: it asks, follows, and begins where the other one ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.ports import JournalRefused, LeaseGranted, LeaseHeldByOther
from bot.shell.left_out import LeftOut
from bot.shell.mandate import Mandate
from bot.shell.recovery import as_recorded, recovered
from bot.shell.standing_by import Standby
from bot.simulator.memory import MemoryJournal
from bot.simulator.memory_follower import MemoryFollower
from bot.simulator.memory_lease import MemoryLease, MemoryLeaseStore
from tests.shell.bench import Bench, hedged_bench, virtual

TTL_MS = 3_000


class AskedLease(MemoryLease):
    """One that tells whether it waits for an answer."""

    is_asked = False

    async def acquire(self) -> LeaseGranted | LeaseHeldByOther:
        self.is_asked = True
        try:
            return await super().acquire()
        finally:
            self.is_asked = False


class Pair:
    """A bench whose run holds the lease, and a second instance."""

    def __init__(self, bench: Bench, store: MemoryLeaseStore) -> None:
        self.bench, self.store = bench, store
        self.lease = AskedLease(store, "right", ttl_ms=TTL_MS)
        self.standby = Standby(self.lease, MemoryFollower(bench.world.store, at_once=10), bench.clock, bench.policy)
        self.waiting = asyncio.create_task(self.standby.until_granted())
        self.began = bench.clock.steady()

    async def granted(self) -> tuple[Mandate, float]:
        """The mandate, and how many virtual seconds it took."""
        mandate = await self.waiting
        assert mandate is not None
        return mandate, self.bench.clock.steady() - self.began


async def paired() -> Pair:
    bench = Bench(1, still=True)
    store = MemoryLeaseStore(bench.clock)
    left = MemoryLease(store, "left", ttl_ms=TTL_MS)
    await left.acquire()
    bench.mandate = Mandate(left, bench.clock, silent_s=0)
    bench.mandate.begin()
    for asset, quantity in (("BTC", "10"), ("ETH", "100")):
        bench.hold(asset, quantity)
    bench.start()
    await bench.until(bench.converged, 20)
    pair = Pair(bench, store)
    await bench.passes(5)
    assert not pair.waiting.done()
    assert pair.standby.holder == "left"
    return pair


async def die(bench: Bench) -> None:
    """The run is gone, and the lease runs out."""
    assert bench.mandate is not None
    await bench.mandate.end()
    bench.life.task.cancel()
    await asyncio.wait([bench.life.task])


@virtual
async def test_a_stop_while_the_lease_is_asked_for_ends_the_wait_with_the_answer():
    pair = await paired()
    pair.store.answer_s = 0.2
    while not pair.lease.is_asked:
        await pair.bench.passes(0.01)
    at = pair.bench.clock.steady()
    pair.standby.stop("the test")
    assert await pair.waiting is None
    assert pair.bench.clock.steady() - at <= 0.2


@virtual
async def test_it_follows_what_the_other_one_writes_and_sends_nothing():
    pair = await paired()
    sent = len(pair.bench.world.placed)
    before = pair.standby.entries
    assert before > 0
    pair.bench.hold("ETH", "150")
    await pair.bench.until(pair.bench.converged, 20)
    await pair.bench.passes(1)
    assert pair.standby.entries > before
    followed = await pair.standby.followed()
    assert followed is not None
    assert followed.position.seq == len(pair.bench.world.store.entries)
    assert as_recorded(followed.snapshot.ledger) == as_recorded(recovered(pair.bench.world.store.steps(), pair.bench.policy).ledger)
    assert followed.course.began_at is not None
    assert len(pair.bench.world.placed) > sent  # by the other one: this one has no venue
    pair.standby.stop("the test is over")
    assert await pair.waiting is None


@virtual
async def test_when_the_holder_dies_it_waits_for_the_lease_and_for_the_longest_that_a_request_is_valid():
    pair = await paired()
    await die(pair.bench)
    pair.began = pair.bench.clock.steady()
    mandate, seconds = await pair.granted()
    assert 1.9 < seconds < 3.3
    assert 3_000 <= mandate.silent_ms <= 3_050
    assert mandate.held_for() > 0
    await asyncio.sleep(10)
    assert mandate.seconds() > 0  # it is renewed from the grant on
    await mandate.end()


@virtual
async def test_when_it_is_given_back_there_is_nothing_to_wait_for():
    pair = await paired()
    pair.began = pair.bench.clock.steady()
    stop = await pair.bench.stop()
    mandate, seconds = await pair.granted()
    assert seconds < stop + 0.3
    assert mandate.silent_ms == 0
    assert mandate.seconds() > 0
    await mandate.end()


@virtual
async def test_a_store_that_forgets_makes_it_wait_for_longer_than_the_other_one_can_believe():
    pair = await paired()
    pair.store.forget()
    mandate, _ = await pair.granted()
    assert pair.bench.mandate is not None
    believed = pair.bench.mandate.held_for()
    assert believed > 0  # both hold it now, each for itself
    assert mandate.seconds() == 0.0
    assert mandate.silent_ms > 1_000 * believed + 3_000
    assert pair.lease.epoch == 2
    await mandate.end()


@virtual
async def test_a_store_that_does_not_answer_is_said_once_and_asked_again(logged: list[Any]):
    bench = await hedged_bench(still=True)
    store = MemoryLeaseStore(bench.clock, taking=False)
    pair = Pair(bench, store)
    await bench.passes(5)
    assert [e["event"] for e in logged].count("lease_not_answered") == 1
    store.taking = True
    mandate, _ = await pair.granted()
    assert mandate.silent_ms > 5_900  # nobody knows who held it before
    await mandate.end()


@virtual
async def test_the_next_run_begins_where_the_followed_journal_ended():
    pair = await paired()
    await die(pair.bench)
    mandate, _ = await pair.granted()
    followed = await pair.standby.followed()
    assert followed is not None
    bench = pair.bench
    bench.mandate = mandate
    bench.recovery = (followed.snapshot, followed.course)
    journal = MemoryJournal(bench.world.store)
    bench.journal_of = lambda: journal

    def never() -> Any:
        raise AssertionError("it was read a second time")

    journal.resume = never  # type: ignore[method-assign]  # a start that was handed over reads nothing
    sent = len(bench.world.placed)
    bench.hold("ETH", "150")
    bench.start()
    took = await bench.until(bench.converged, 10)
    assert mandate.silent_ms == 0
    assert took < 4.5
    assert len(bench.world.placed) > sent
    bench.check()
    await bench.stop()
    assert pair.store.last is not None
    assert pair.store.last.released


@virtual
async def test_one_that_could_not_take_over_is_refused_at_its_start_and_asks_for_nothing():
    bench = await hedged_bench(still=True)
    store = MemoryLeaseStore(bench.clock)
    lease = MemoryLease(store, "right", ttl_ms=TTL_MS)
    less = replace(bench.policy, collateral_sources=frozenset())
    with pytest.raises(LeftOut, match="does not name"):
        await Standby(lease, MemoryFollower(bench.world.store), bench.clock, less).until_granted()
    assert store.claim is None


@virtual
async def test_one_that_can_no_longer_take_over_stops_asking_until_it_can(logged: list[Any]):
    pair = await paired()
    follower = pair.standby._follower
    newer = follower.newer

    async def refuses() -> Any:
        raise JournalRefused("this is of a newer hedgebot")

    follower.newer = refuses  # type: ignore[method-assign]  # what the store says from now on
    await asyncio.sleep(1)
    await die(pair.bench)
    await asyncio.sleep(10)
    assert not pair.waiting.done()
    assert [e["reason"] for e in logged if e["event"] == "cannot_take_over"] == ["this is of a newer hedgebot"]
    assert pair.standby.waits_for == "it cannot take over as it is (this is of a newer hedgebot)", "not that the dead one holds the lease"
    follower.newer = newer  # type: ignore[method-assign]  # and again as before
    await pair.granted()
    await pair.standby._lease.close()
