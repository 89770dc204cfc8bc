"""How a run ends: in order, in time, whatever hangs; or with the cause of what died."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from decimal import Decimal

import pytest

from bot.core.commands import CancelOrder, Command, LookUpOrder, PlaceOrder
from bot.core.events import Event, OrderOutcomeUnknown, StopRequested
from bot.core.order import OrderState
from bot.core.units import VenueId
from bot.ports import JOURNAL_CLOSE_S, Inbox, JournalUnavailable
from bot.shell.clock import SystemClock
from bot.shell.lifecycle import GONE_S, STOP_S, stop_on_signals
from bot.shell.mandate import Mandate
from bot.simulator.memory import MemoryCollateral, MemoryJournal
from bot.simulator.memory_lease import MemoryLease, MemoryLeaseStore
from bot.simulator.virtual_time import VirtualTimeLoop
from bot.simulator.wire import WireFault
from bot.supervision import Ended
from tests.shell.bench import Bench, hedged_bench, same_but_for_market, virtual

D = Decimal
OKX = VenueId("okx")


def positions(bench: Bench) -> dict[str, Decimal]:
    return {i: bench.world.position(i) for i in bench.world.instruments}


@virtual
async def test_a_quiet_stop_is_quick_and_leaves_the_hedges():
    bench = await hedged_bench()
    held, sent = positions(bench), len(bench.world.placed)
    assert await bench.stop() < 0.5
    assert positions(bench) == held
    assert len(bench.world.placed) == sent
    with pytest.raises(JournalUnavailable):
        bench.life.journal.append((), (), durable=True)  # it was let go
    assert any(isinstance(e, StopRequested) for e, _ in bench.world.store.steps())


@virtual
async def test_nothing_increases_once_a_stop_was_asked_for():
    bench = await hedged_bench()
    bench.life.run.stop("enough")
    bench.life.run.stop("enough, again")
    bench.hold("ETH", "500")
    sent = len(bench.world.placed)
    await bench.life.task
    assert len(bench.world.placed) == sent
    assert bench.ledger.stopping
    reasons = [e.reason for e, _ in bench.world.store.steps() if isinstance(e, StopRequested)]
    assert reasons == ["enough"]


@virtual
async def test_an_order_under_way_at_the_stop_gets_its_answer():
    bench = await hedged_bench()
    for wire in bench.world.wires.values():
        wire.latency_s = 0.3
    bench.hold("ETH", "150")
    await bench.until(lambda: bool(bench.ledger.open_orders()), 1)
    assert await bench.stop() < 2
    assert not bench.ledger.open_orders()
    assert bench.agrees()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_a_doubt_is_asked_about_while_there_is_time():
    bench = await hedged_bench()
    for wire in bench.world.wires.values():
        wire.stream_s, wire.next_fault = 60.0, lambda _: WireFault.REPLY_LOST
    bench.hold("ETH", "150")
    await bench.until(lambda: bool(bench.ledger.open_orders()), 1)
    asked = len(bench.life.telemetry.commands)
    assert 1 < await bench.stop() < 5
    assert any(isinstance(c, LookUpOrder) for c in bench.life.telemetry.commands[asked:])
    assert not bench.ledger.open_orders()
    assert bench.agrees()


@pytest.mark.parametrize("hanging", [False, True])
@virtual
async def test_a_stop_ends_in_time_with_a_venue_silent_for_ever(hanging: bool):
    bench = await hedged_bench()
    wire = bench.world.wires[OKX]
    wire.silent, wire.hanging, wire.timeout_s = True, hanging, 30.0
    bench.hold("ETH", "150")
    await bench.until(lambda: bool(bench.ledger.open_orders()), 1)
    await bench.passes(1)
    held = {i: q for i, q in positions(bench).items() if i.startswith("okx")}
    assert await bench.stop() <= STOP_S <= 10
    left = bench.ledger.open_orders()
    assert [o.state for o in left] == [OrderState.IN_DOUBT]
    assert any(isinstance(e, OrderOutcomeUnknown) for e, _ in bench.world.store.steps())
    assert same_but_for_market(bench.replayed(), bench.ledger)
    assert {i: q for i, q in positions(bench).items() if i.startswith("okx")} == held
    wire.silent, wire.hanging, wire.timeout_s = False, False, 1.0
    bench.start()
    await bench.until(bench.converged, 30)
    bench.check()


@virtual
async def test_a_stop_ends_in_time_when_everything_hangs_and_nothing_lets_itself_be_closed(monkeypatch: pytest.MonkeyPatch):
    bench = await hedged_bench()

    async def never(*_: object) -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if stubborn[0]:
                    continue
                raise

    stubborn = [True]
    for venue in bench.ports.venues.values():
        for call in ("close", "place", "read"):
            monkeypatch.setattr(venue, call, never)
    bench.hold("ETH", "150")
    await bench.passes(2)
    assert bench.ledger.open_orders()
    assert await bench.stop() <= 10
    assert all(o.state is OrderState.IN_DOUBT for o in bench.ledger.open_orders())
    stubborn[0] = False


@virtual
async def test_a_stop_before_the_venues_are_open_ends_at_once():
    bench = Bench()
    for wire in bench.world.wires.values():
        wire.silent = True
    bench.hold("ETH", "10")
    bench.start()
    await bench.passes(3)
    assert await bench.stop() < 3
    assert bench.world.placed == []


class EndingSource(MemoryCollateral):
    """A source whose feed returns, or fails, after a second."""

    failure: Exception | None = None

    async def listen(self, inbox: Inbox) -> None:
        inner = asyncio.create_task(super().listen(inbox))
        await asyncio.sleep(1)
        inner.cancel()
        if self.failure is not None:
            raise self.failure


@pytest.mark.parametrize(("failure", "expected"), [(None, Ended), (OSError("gone"), OSError)])
@virtual
async def test_a_source_that_ends_or_fails_ends_the_run(failure: Exception | None, expected: type[Exception]):
    bench = Bench()
    source = EndingSource("custody", bench.clock)
    source.failure = failure
    bench.world.collateral = source
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    bench.start()
    with pytest.raises(expected):
        await bench.passes(20)
    assert not bench.ledger.open_orders()
    assert bench.ledger.stopping
    with pytest.raises(JournalUnavailable):
        bench.life.journal.append((), (), durable=True)


@pytest.mark.parametrize(("failure", "expected"), [(None, Ended), (ValueError("a bug"), ValueError)])
@virtual
async def test_a_venue_feed_that_ends_or_fails_ends_the_run(
    failure: Exception | None, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
):
    bench = Bench()
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    life = bench.start()
    heard = bench.ports.venues[OKX].listen

    async def listen(inbox: Inbox) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await heard(inbox)
        if failure is not None:
            raise failure

    monkeypatch.setattr(bench.ports.venues[OKX], "listen", listen)
    with pytest.raises(expected):
        await life.task
    assert not bench.ledger.open_orders()


@virtual
async def test_a_run_that_is_cancelled_leaves_nothing_running():
    bench = await hedged_bench()
    bench.hold("ETH", "150")
    await bench.passes(0.002)
    bench.life.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bench.life.task
    await asyncio.sleep(0.05)
    left = asyncio.all_tasks() - bench.outside - bench.world.tasks()
    assert left == set()
    with pytest.raises(JournalUnavailable):
        bench.life.journal.append((), (), durable=True)


async def hedged_in_real_time(bench: Bench) -> None:
    """In real time: signals are the real thing."""
    for _ in range(1_500):
        await asyncio.sleep(0.01)
        if bench.converged():
            return
    raise AssertionError(bench.told())


async def signalled(bench: Bench, *pauses: float) -> None:
    """A signal, and another after each pause, until the run has ended."""
    stop_on_signals(bench.life.run)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        for pause in pauses:
            await asyncio.sleep(pause)
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(bench.life.task, 10)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)


async def test_sigterm_asks_a_run_to_end_in_order():
    bench = Bench(still=True, clock=SystemClock())
    bench.hold("BTC", "0")
    bench.hold("ETH", "10")
    bench.start()
    await hedged_in_real_time(bench)
    await signalled(bench)
    assert [e.reason for e, _ in bench.world.store.steps() if isinstance(e, StopRequested)] == ["signal SIGTERM"]
    assert bench.world.short("ETH") == D(10)


async def test_a_second_sigterm_ends_at_once_with_the_journal_closed_and_the_next_run_recovers():
    bench = Bench(still=True, clock=SystemClock())
    bench.hold("BTC", "0")
    bench.hold("ETH", "10")
    bench.start()
    await hedged_in_real_time(bench)
    for wire in bench.world.wires.values():
        wire.hanging = wire.silent = True
        wire.timeout_s = 30.0
    bench.hold("ETH", "30")
    for _ in range(200):
        await asyncio.sleep(0.01)
        if bench.ledger.open_orders():
            break
    began = bench.clock.steady()
    await signalled(bench, 0.3, 0.05)
    assert 0.3 <= bench.clock.steady() - began < 2, "it waited although it was told not to"
    assert [o.state for o in bench.ledger.open_orders()] == [OrderState.IN_DOUBT] * len(bench.ledger.open_orders())
    assert bench.ledger.open_orders()
    assert same_but_for_market(bench.replayed(), bench.ledger)
    with pytest.raises(JournalUnavailable):
        bench.life.journal.append((), (), durable=True)
    for wire in bench.world.wires.values():
        wire.hanging = wire.silent = False
        wire.timeout_s = 1.0
    bench.start()
    await hedged_in_real_time(bench)
    bench.check()
    bench.life.run.stop("the test is over")
    await bench.life.task


@virtual
async def test_a_stop_that_is_hurried_from_the_start_asks_and_disarms_nothing(monkeypatch: pytest.MonkeyPatch):
    bench = await hedged_bench()
    disarmed: list[str] = []

    async def disarm(*_: object) -> None:
        disarmed.append("a venue")

    for venue in bench.ports.venues.values():
        monkeypatch.setattr(venue, "disarm", disarm)
    bench.hold("ETH", "150")
    await bench.until(lambda: bool(bench.ledger.open_orders()), 1, 0.001)
    asked = len(bench.life.telemetry.commands)
    began = bench.clock.steady()
    bench.life.run.hurry("now")
    await bench.life.task
    assert bench.clock.steady() - began < 1.5
    assert not [c for c in bench.life.telemetry.commands[asked:] if isinstance(c, CancelOrder | LookUpOrder)]
    assert disarmed == []
    bench.start()
    await bench.until(bench.converged, 40)
    bench.check()


@virtual
async def test_a_cancel_goes_out_for_an_order_that_works_at_the_stop():
    bench = await hedged_bench(still=True)
    wire = bench.world.wires[OKX]
    wire.stream_s, wire.latency_s = 60.0, 0.4
    seen: list[PlaceOrder] = []
    wire.next_fault = lambda c: seen.append(c) or WireFault.NONE  # type: ignore[func-returns-value]  # a list remembers
    bench.hold("ETH", "150")
    await bench.until(lambda: bool(seen), 1)
    # The bot hears of the order before the venue matches it, as with a venue that acknowledges first.
    bench.life.run.loop.put(bench.accepted(seen[0]))
    wire.next_fault = lambda _: WireFault.NONE
    asked = len(bench.life.telemetry.commands)
    bench.life.run.stop("now")
    await bench.life.task
    cancels = [c for c in bench.life.telemetry.commands[asked:] if isinstance(c, CancelOrder)]
    assert [c.client_order_id for c in cancels] == [seen[0].client_order_id]
    assert not bench.ledger.open_orders()


class SlowStore(MemoryJournal):
    """A store that takes as long as a journal may for a durable write and for its close; the loop stands still meanwhile."""

    def append(self, events: Sequence[Event], commands: Sequence[Command], *, durable: bool) -> None:
        if durable:
            self.jump(0.25)
        super().append(events, commands, durable=durable)

    def close(self) -> None:
        self.jump(JOURNAL_CLOSE_S)
        super().close()

    def jump(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.jump(seconds)


@pytest.mark.parametrize("silent", [False, True])
@virtual
async def test_a_stop_ends_in_time_with_a_slow_journal_a_slow_lease_and_venues_that_hang(silent: bool, monkeypatch: pytest.MonkeyPatch):
    bench = Bench()
    store = MemoryLeaseStore(bench.clock)
    lease = MemoryLease(store, "one", ttl_ms=60_000)
    await lease.acquire()
    bench.mandate = Mandate(lease, bench.clock, silent_s=0.0)
    bench.mandate.begin()
    bench.journal_of = lambda: SlowStore(bench.world.store)
    for asset, quantity in (("BTC", "10"), ("ETH", "100")):
        bench.hold(asset, quantity)
    bench.start()
    await bench.until(bench.converged, 60)

    async def never() -> None:
        await asyncio.sleep(3600)

    for venue in bench.ports.venues.values():
        monkeypatch.setattr(venue, "disarm", never)
        monkeypatch.setattr(venue, "close", never)
    if silent:
        for wire in bench.world.wires.values():
            wire.silent, wire.hanging, wire.timeout_s = True, True, 30.0
        bench.hold("ETH", "150")
        await bench.until(lambda: bool(bench.ledger.open_orders()), 5)
    store.answer_s = 120.0
    took = await bench.stop()
    assert 2.5 < took <= GONE_S < 10
    assert bool(bench.ledger.open_orders()) == silent
    assert STOP_S <= GONE_S
