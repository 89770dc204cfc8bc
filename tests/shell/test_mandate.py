"""The right to send: when a new holder may begin, how it is kept, and what a run does that loses it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from bot.core.commands import CancelOrder, PlaceOrder
from bot.core.events import OrderRefused, OrderReported, SessionStarted
from bot.ports import JournalFenced, JournalUnavailable, LeaseEnd, LeaseGranted, LeaseHeldByOther, LeaseLost
from bot.shell.dispatch import NO_MANDATE, Dispatcher
from bot.shell.mandate import SEND_LEAST_S, Mandate, Watched, is_explained, silence_s
from bot.simulator.memory_lease import MemoryLease, MemoryLeaseStore
from bot.simulator.virtual_time import VirtualClock
from bot.simulator.wire import WireFault
from bot.simulator.world import SimulatedWorld
from tests.shell.bench import Bench, virtual
from tests.shell.test_dispatch import CANCEL, OKX, PLACE, READ, OddVenue, nothing_odd
from tests.shell.test_stop_resting import disarmed, working

D = Decimal
TTL_MS = 3_000
SEEN = Watched(claim="4:a", ends_at=100.0)


def end(claim: str = "4:a", *, released: bool = False, ttl_s: float = 3.0) -> LeaseEnd:
    return LeaseEnd(claim=claim, released=released, ttl_s=ttl_s)


@pytest.mark.parametrize(
    ("before", "at", "watched", "seconds"),
    [
        (end(released=True), 99.0, SEEN, 0.0),  # given back by whom we watched
        (end(), 100.0, SEEN, 3.0),  # ran out under our eyes: its requests are valid for one more lease at most
        (end(), 99.9, SEEN, 6.0),  # gone before its time: the store forgot a renewal
        (end(claim="5:b"), 101.0, SEEN, 6.0),  # somebody held it in between
        (end(claim="5:b", released=True), 101.0, SEEN, 6.0),  # and gave it back: what is remembered may be old
        (end(released=True), 101.0, None, 6.0),  # we saw nobody
        (None, 101.0, SEEN, 6.0),  # a store that remembers nothing
        (None, 101.0, None, 6.0),
        (end(ttl_s=10.0), 100.0, SEEN, 10.0),  # the holder before was told another length
        (end(claim="5:b", ttl_s=10.0), 100.0, SEEN, 20.0),
    ],
)
def test_how_long_the_holder_before_is_waited_for(before: LeaseEnd | None, at: float, watched: Watched | None, seconds: float) -> None:
    granted = LeaseGranted(claim="6:c", epoch=6, before=before)
    assert silence_s(granted, at, watched, 3.0) == seconds


@pytest.mark.parametrize(
    ("before", "at", "watched", "explained"),
    [
        (end(released=True), 99.0, SEEN, True),  # given back by whom we watched
        (end(), 100.0, SEEN, True),  # ran out under our eyes
        (end(), 99.9, SEEN, False),  # gone before its time: the store forgot a renewal, and perhaps entries
        (end(claim="5:b"), 101.0, SEEN, True),  # granted to somebody else after it had run out
        (end(claim="5:b"), 99.0, SEEN, False),  # granted to somebody else while it lasted
        (end(claim="5:b", released=True), 99.0, SEEN, False),
        (None, 101.0, SEEN, False),  # a store that remembers nothing of whom we watched
        (end(), 101.0, None, True),  # we saw nobody, and the store remembers: its journal is as old
        (None, 101.0, None, True),  # the first of all; a journal that held more says so itself
    ],
)
def test_whether_the_end_of_the_holder_before_is_explained(before: LeaseEnd | None, at: float, watched: Watched | None, explained: bool):
    assert is_explained(LeaseGranted(claim="6:c", epoch=6, before=before), at, watched) is explained


@pytest.mark.parametrize("explained", [True, False])
@virtual
async def test_a_takeover_that_nothing_explains_is_told_as_one_on_a_journal_that_may_have_lost_its_end(explained: bool):
    bench = Bench()
    for asset, quantity in (("BTC", "10"), ("ETH", "100")):
        bench.hold(asset, quantity)
    bench.start()
    await bench.until(bench.converged, 20)
    await bench.stop()
    lease = MemoryLease(MemoryLeaseStore(bench.clock), "left", ttl_ms=TTL_MS)
    await lease.acquire()
    bench.mandate = Mandate(lease, bench.clock, silent_s=0.0, explained=explained)
    bench.mandate.begin()
    bench.start()
    bench.hold("ETH", "120")
    await bench.until(bench.converged, 60)
    await bench.stop()
    started = [e for e, _ in bench.world.store.steps() if isinstance(e, SessionStarted)]
    assert [e.is_fresh for e in started] == [True, not explained]


def test_the_end_of_anothers_lease_is_counted_from_the_answer() -> None:
    assert Watched.seen(LeaseHeldByOther(claim="4:a", name="left", seconds_left=2.5), 10.0) == Watched(claim="4:a", ends_at=12.5)


async def held(clock: VirtualClock, silent_s: float = 0.0) -> tuple[MemoryLeaseStore, Mandate]:
    store = MemoryLeaseStore(clock)
    lease = MemoryLease(store, "left", ttl_ms=TTL_MS)
    await lease.acquire()
    return store, Mandate(lease, clock, silent_s=silent_s)


@virtual
async def test_nothing_may_be_sent_before_the_silence_is_over_nor_close_to_the_end():
    clock = VirtualClock()
    _, mandate = await held(clock, silent_s=1.0)
    assert (mandate.seconds(), mandate.held_for()) == (0.0, 2.85)
    assert 1_000 < mandate.silent_ms < 1_100
    await clock.sleep(1.0)
    assert (mandate.seconds(), mandate.silent_ms) == (pytest.approx(1.85), 0)
    await clock.sleep(1.34)
    assert mandate.seconds() == pytest.approx(0.51)
    await clock.sleep(0.02)
    assert 0 < mandate.held_for() < SEND_LEAST_S
    assert mandate.seconds() == 0.0


@virtual
async def test_it_is_kept_over_an_outage_shorter_than_itself(logged: list[Any]):
    clock = VirtualClock()
    store, mandate = await held(clock)
    mandate.begin()
    await clock.sleep(10.1)
    store.taking = False
    await clock.sleep(2.6)
    assert mandate.held_for() > 0
    store.taking = True
    await clock.sleep(0.3)
    assert mandate.seconds() > 2
    assert [e["event"] for e in logged] == ["lease_not_renewed", "lease_renewed_again"]  # each once, not for every try
    await mandate.end()
    assert mandate.seconds() == 0.0
    assert store.last == end(claim="1:token1")  # it runs out


@virtual
async def test_it_runs_out_in_an_outage_longer_than_itself():
    clock = VirtualClock()
    store, mandate = await held(clock)
    mandate.begin()
    await clock.sleep(9.99)
    store.taking = False
    began = clock.steady()
    with pytest.raises(LeaseLost, match="ran out before the store answered"):
        await mandate.until_lost()
    assert clock.steady() - began < TTL_MS / 1_000
    store.taking = True
    assert (mandate.seconds(), mandate.held_for()) == (0.0, 0.0)


@virtual
async def test_renewals_whose_answers_are_lost_do_not_extend_it():
    clock = VirtualClock()
    store, mandate = await held(clock)
    store.losing_answers = True
    mandate.begin()
    with pytest.raises(LeaseLost):
        await mandate.until_lost()
    assert store.held() is not None  # the store thinks that we hold it: we do not


@virtual
async def test_a_store_that_forgot_it_ends_it_at_the_next_renewal():
    clock = VirtualClock()
    store, mandate = await held(clock)
    mandate.begin()
    await clock.sleep(0.5)
    store.forget()
    with pytest.raises(LeaseLost, match="does not know our claim"):
        await mandate.until_lost()
    assert clock.steady() <= 1.01
    assert mandate.seconds() == 0.0


@virtual
async def test_a_stopped_process_has_no_right_when_it_goes_on():
    """The clock counts suspension, and the loop does not turn: nothing was renewed, and nobody need be asked."""
    clock = VirtualClock()
    _, mandate = await held(clock)
    mandate.begin()
    await clock.sleep(5.5)
    assert mandate.seconds() > 0
    assert mandate._keeping is not None
    mandate._keeping.cancel()  # as SIGSTOP: no task takes a step
    await clock.sleep(60)
    assert mandate.seconds() == 0.0


# At the dispatcher.


@virtual
async def test_an_order_goes_only_under_a_mandate_and_is_valid_no_longer_than_it():
    clock, answers = VirtualClock(), list[Any]()
    world = SimulatedWorld(clock, 1)
    venue = OddVenue(OKX, world.exchanges[OKX], "hedge", clock, world.wires[OKX])
    sent: list[PlaceOrder] = []
    venue.oddity = nothing_odd
    place = venue.place

    async def seen(command: PlaceOrder) -> Any:
        sent.append(command)
        return await place(command)

    venue.place = seen  # type: ignore[method-assign]  # what reaches the connector
    await venue.open()
    left, began = 1.5, clock.now()
    calls = Dispatcher({OKX: venue}, clock, answers.append, lambda: left)
    calls.carry_out(PLACE)
    await asyncio.sleep(1)
    assert [c.expires_at - began for c in sent] == [1_500]  # five seconds were asked for
    left = 0.0
    for command in (PLACE, CANCEL, READ):
        calls.carry_out(command)
    await asyncio.sleep(1)
    assert len(sent) == 1
    refused = [a for a in answers if isinstance(a, OrderRefused)]
    assert [(a.code, a.reason) for a in refused] == [("not_sent", NO_MANDATE)]
    assert len(answers) == 4  # the cancel and the question went, and were answered
    assert isinstance(answers[0], OrderReported)


# A whole run.


async def mandated_bench(silent_s: float = 0.0, **more: Any) -> tuple[Bench, MemoryLeaseStore]:
    """A run under a lease that has hedged its collateral."""
    bench = Bench(1, still=True, **more)
    store, bench.mandate = await held(bench.clock, silent_s)  # type: ignore[arg-type]  # the bench's clock is virtual
    bench.mandate.begin()
    for asset, quantity in (("BTC", "10"), ("ETH", "100")):
        bench.hold(asset, quantity)
    bench.start()
    return bench, store


@virtual
async def test_a_run_that_took_over_reads_at_once_and_hedges_when_the_silence_is_over():
    bench, _ = await mandated_bench(silent_s=6.0)
    await bench.until(lambda: all(v.reconciled for v in bench.ledger.venues.values()) and len(bench.ledger.venues) == 3, 3)
    await bench.passes(5.9 - bench.clock.steady())
    assert bench.world.placed == []
    await bench.until(bench.converged, 3)
    started = [e for e, _ in bench.world.store.steps() if isinstance(e, SessionStarted)]
    assert 6_000 < started[0].silent_ms < 6_100
    assert not any(isinstance(e, OrderRefused) for e in bench.life.telemetry.events)  # nothing was decided that the fence had to stop
    await bench.stop()


@virtual
async def test_a_run_that_loses_its_lease_ends_at_once_and_sends_no_order_any_more(logged: list[Any]):
    bench, store = await mandated_bench()
    await bench.until(bench.converged, 20)
    store.taking = False
    sent = len(bench.world.placed)
    written = len(bench.world.store.entries)
    await bench.passes(2.7)
    bench.hold("ETH", "150")  # something to do, all the time
    with pytest.raises(LeaseLost):
        await bench.passes(1)
    late = [c for c in bench.life.telemetry.commands if isinstance(c, PlaceOrder)][sent:]
    assert late, "the test must give it something to send"
    assert len(bench.world.placed) == sent
    assert [e["event"] for e in logged if e["log_level"] == "error"][:1] == ["lease_lost"]
    assert disarmed(bench) == set()
    with pytest.raises(JournalUnavailable):
        bench.life.journal.append((), (), durable=True)
    assert len(bench.world.store.entries) >= written


@virtual
async def test_what_rests_is_withdrawn_by_id_when_the_lease_is_lost():
    bench, store = await mandated_bench(rebalance_band_hard=D("0.05"))
    await bench.until(bench.converged, 20)
    bench.hold("ETH", "100.2")
    await bench.until(lambda: any(o.is_resting for o in bench.ledger.open_orders()), 5)
    resting = [o.client_order_id for o in bench.ledger.open_orders()]
    asked = len(bench.life.telemetry.commands)
    store.forget()
    with pytest.raises(LeaseLost):
        await bench.passes(5)
    assert working(bench) == 0
    assert {c.client_order_id for c in bench.life.telemetry.commands[asked:] if isinstance(c, CancelOrder)} <= set(resting)


@virtual
async def test_an_orderly_stop_gives_the_lease_back_when_everything_is_written():
    bench, store = await mandated_bench()
    await bench.until(bench.converged, 20)
    journal = bench.life.journal
    closed, close = list[str | None](), journal.close
    journal.close = lambda: (closed.append(store.held()), close())[-1]  # type: ignore[method-assign]  # notes who holds it then
    await bench.stop()
    assert closed[:1] == ["1:token1"]
    assert store.held() is None
    assert store.last == end(claim="1:token1", released=True)
    assert disarmed(bench) == set(bench.world.exchanges)


@virtual
async def test_a_stop_that_leaves_an_order_unanswered_lets_the_lease_run_out():
    """Its request may still be accepted: whoever comes next has to wait for it."""
    bench, store = await mandated_bench()
    await bench.until(bench.converged, 20)
    for wire in bench.world.wires.values():
        wire.stream_s, wire.next_fault = 60.0, lambda _: WireFault.REPLY_LOST
    bench.hold("ETH", "150")
    await bench.until(lambda: bool(bench.ledger.open_orders()), 1)
    bench.life.run.stop("enough")
    bench.life.run.hurry("at once")
    await bench.life.task
    assert bench.ledger.open_orders()
    assert store.last == end(claim="1:token1")
    assert store.held() is not None


@virtual
async def test_a_run_that_dies_gives_nothing_back():
    bench, store = await mandated_bench()
    await bench.until(bench.converged, 20)
    bench.world.store.taking = False
    bench.hold("ETH", "150")
    bench.life.journal._waiting.extend([None] * 20_000)  # type: ignore[attr-defined]  # the journal gives up
    with pytest.raises(JournalUnavailable):
        await bench.passes(30)
    assert store.last is not None
    assert not store.last.released


@virtual
async def test_a_run_that_slept_says_that_it_lost_the_lease_whatever_died_of_it_first():
    """On waking its journal is closed to it before the next renewal is due: that is not what ended it."""
    bench, _ = await mandated_bench()
    await bench.until(bench.converged, 20)
    assert bench.mandate is not None
    assert bench.mandate._keeping is not None
    lease = bench.mandate._lease
    lease._tenure = lease._tenure.lost()  # type: ignore[attr-defined]  # as time does that passes while nothing turns
    bench.life.journal._let_go = True  # type: ignore[attr-defined]  # it takes nothing of this run any more
    bench.hold("ETH", "150")
    with pytest.raises(LeaseLost, match="it ran out"):
        await bench.passes(0.5)


@virtual
async def test_a_store_that_lets_it_write_no_more_has_taken_the_lease_whatever_its_own_clock_says():
    """It was emptied, or somebody deleted the lease: the journal finds that out before the next renewal is due."""
    bench, store = await mandated_bench()
    await bench.until(bench.converged, 20)

    def fenced(*_: object, **__: object) -> None:
        raise JournalFenced("the lease is not ours any more")

    bench.life.journal.append = fenced  # type: ignore[method-assign]  # as Redis answers whose lease is another's
    bench.hold("ETH", "150")
    began = bench.world.clock.steady()
    with pytest.raises(LeaseLost, match="the lease is not ours any more"):
        await bench.passes(0.9)
    assert bench.world.clock.steady() - began < 0.9
    assert store.last is not None
    assert not store.last.released
