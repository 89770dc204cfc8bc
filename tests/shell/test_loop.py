"""The one consumer: when it decides, what it keeps, and that it ends rather than drop a fact."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.commands import Command
from bot.core.events import BacklogObserved, CollateralAnnounced, CollateralObserved, DecisionDue, Event, Quote, ReportUnreadable
from bot.core.limits import Limit
from bot.core.policy import Policy
from bot.core.records import Ledger, TradingState
from bot.core.risk import trading_state
from bot.core.trading import causes
from bot.core.units import Asset, InstrumentId, VenueId
from bot.shell import loop as loop_module
from bot.shell.loop import Loop, LoopOverrun
from bot.simulator.memory import MemoryJournal, MemoryStore, MemoryTelemetry
from bot.simulator.virtual_time import VirtualClock
from tests.core.claim_words import announcement
from tests.shell.bench import Bench, hedged_bench, same_but_for_market, virtual

D = Decimal
ETH = InstrumentId("okx:ETH-USDT-SWAP")


class Alone:
    """A loop with nothing around it."""

    def __init__(self, **policy: int) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore()
        self.telemetry = MemoryTelemetry()
        self.commands: list[Command] = []
        self.policy = replace(Policy(collateral_assets={Asset("ETH"): Asset("ETH")}), **policy)  # type: ignore[arg-type]  # ms fields
        self.loop = Loop(
            policy=self.policy,
            ledger=Ledger(),
            journal=MemoryJournal(self.store),
            clock=self.clock,
            telemetry=self.telemetry,
            carry_out=self.commands.append,
        )
        self.task = asyncio.create_task(self.loop.run())

    def total(self, quantity: int) -> CollateralObserved:
        return CollateralObserved(
            at=self.clock.now(), source="s", location="l", asset=Asset("ETH"), quantity=D(quantity), redemption_rate=D(1)
        )

    def quote(self, bid: int) -> Quote:
        now = self.clock.now()
        return Quote(
            instrument=ETH,
            bid=D(bid),
            ask=D(bid + 1),
            bid_quantity=None,
            ask_quantity=None,
            mark=D(bid),
            index=None,
            book_at=now,
            mark_at=now,
        )

    @property
    def decisions(self) -> list[DecisionDue]:
        return [e for e in self.telemetry.events if isinstance(e, DecisionDue)]

    async def end(self) -> None:
        self.loop.end()
        await self.task


@virtual
async def test_a_burst_of_facts_gives_few_decisions():
    alone = Alone(decision_interval_ms=50)
    await asyncio.sleep(0.4)
    before = len(alone.decisions)
    for number in range(500):  # over 100 ms
        alone.loop.put(alone.total(number))
        await asyncio.sleep(0.0002)
    await asyncio.sleep(0.06)
    assert 2 <= len(alone.decisions) - before <= 4
    assert alone.loop.ledger.holdings["s", "l", Asset("ETH")].quantity == D(499)
    await alone.end()
    assert len([e for e, _ in alone.store.steps() if isinstance(e, CollateralObserved)]) == 500


@virtual
async def test_a_burst_at_one_instant_is_one_turn():
    alone = Alone()
    await asyncio.sleep(0.4)
    before, written = len(alone.decisions), len(alone.store.entries)
    for number in range(500):
        alone.loop.put(alone.total(number + 1))
    await asyncio.sleep(0.0001)
    assert len(alone.decisions) - before == 1
    await alone.end()
    assert len(alone.store.entries) - written <= 3


@virtual
async def test_a_deposit_is_decided_on_at_once_when_the_loop_is_idle():
    bench = await hedged_bench()
    await bench.passes(0.7)
    at, decided_before = bench.clock.now(), bench.ledger.decided_at
    bench.hold("ETH", "150")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert decided_before < at == bench.ledger.decided_at == bench.clock.now()
    assert any(o.state.value == "pending_new" for o in bench.ledger.orders.values())


@virtual
async def test_decisions_keep_their_shortest_and_their_longest_pause():
    alone = Alone(decision_interval_ms=50, decision_beat_ms=1000)
    for number in range(40):
        alone.loop.put(alone.total(number + 1))
        await asyncio.sleep(0.013)
    await asyncio.sleep(5)
    await alone.end()
    gaps = [b.at - a.at for a, b in zip(alone.decisions, alone.decisions[1:], strict=False)]
    assert min(gaps) >= 49  # instants are whole milliseconds
    assert max(gaps) <= 1001
    assert 4 <= sum(gap > 900 for gap in gaps) <= 6


@virtual
async def test_a_decision_takes_the_newest_quote_and_quotes_wake_nobody():
    alone = Alone()
    await asyncio.sleep(0.2)
    before = len(alone.decisions)
    for bid in range(3000, 3100):
        alone.loop.put_quote(alone.quote(bid))
    await asyncio.sleep(0.1)
    assert len(alone.decisions) == before
    alone.loop.put(alone.total(5))
    await asyncio.sleep(0.001)
    assert [q.bid for q in alone.decisions[-1].quotes] == [D(3099)]
    await alone.end()


@virtual
async def test_what_changes_nothing_is_not_recorded():
    alone = Alone()
    alone.loop.put(alone.total(5))
    await asyncio.sleep(3)
    await alone.end()
    recorded = [type(e) for e, _ in alone.store.steps()]
    assert recorded.count(DecisionDue) <= 1
    assert len(alone.decisions) >= 3


@virtual
async def test_a_queue_that_overruns_ends_the_loop_and_not_silently(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "QUEUE_MAX", 100)
    alone = Alone()
    await asyncio.sleep(0.1)
    for number in range(101):
        alone.loop.put(alone.total(number + 1))
    with pytest.raises(LoopOverrun, match="100"):
        await alone.task
    assert alone.loop.ledger.holdings["s", "l", Asset("ETH")].quantity == D(100)


@virtual
async def test_what_found_no_room_is_not_taken_for_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "QUEUE_MAX", 3)
    alone = Alone()
    words = [alone.loop.put_awaited(alone.total(number + 1)) for number in range(4)]
    with pytest.raises(LoopOverrun):
        await alone.task
    assert [await word for word in words] == [True, True, True, False]


@virtual
async def test_a_backlog_drops_no_fact_and_lets_nothing_increase_until_it_was_quiet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "QUEUE_HIGH", 100)
    bench = await hedged_bench(quiet_period_ms=60_000)
    await bench.passes(0.7)
    sent, told = len(bench.world.placed), len(bench.life.telemetry.events)
    for number in range(300):
        bench.life.run.loop.put(ReportUnreadable(at=bench.clock.now(), venue=VenueId("okx"), what=str(number)))
    bench.hold("ETH", "150")
    await asyncio.sleep(0.01)
    assert [c.cause for c in causes(bench.ledger, None)] == [Limit.BACKLOG]
    assert trading_state(bench.ledger, bench.policy) is TradingState.REDUCING
    taken = [e for e in bench.life.telemetry.events[told:] if isinstance(e, ReportUnreadable)]
    assert [e.what for e in taken] == [str(n) for n in range(300)]
    assert type(bench.life.telemetry.events[told]) is BacklogObserved, "before anything of it is taken"
    # What brings net delta nearer to zero goes on, as in every REDUCING book; the state ends by itself.
    await bench.until(bench.converged, 20)
    assert len(bench.world.placed) > sent
    assert bench.ledger.states
    await bench.passes(61)
    assert not bench.ledger.states
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_a_lasting_backlog_is_told_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "QUEUE_HIGH", 10)
    alone = Alone()
    for number in range(100):
        for each in range(10):
            alone.loop.put(alone.total(number * 10 + each + 1))
        await asyncio.sleep(0.05)
    told = [e for e in alone.telemetry.events if isinstance(e, BacklogObserved)]
    assert 4 <= len(told) <= 6
    assert {(e.waiting, e.most) for e in told} == {(10, 10)}
    await alone.end()


@virtual
async def test_an_overrun_ends_the_run_with_its_cause(monkeypatch: pytest.MonkeyPatch):
    bench = await hedged_bench()
    monkeypatch.setattr(loop_module, "QUEUE_MAX", 50)
    for number in range(60):
        bench.life.run.loop.put(ReportUnreadable(at=bench.clock.now(), venue=VenueId("okx"), what=str(number)))
    with pytest.raises(LoopOverrun):
        await bench.passes(60)
    bench.check()


class Unheard(Event):
    """A fact that the core has no rule for: our own mistake."""


@virtual
async def test_a_mistake_of_ours_in_a_step_ends_the_run_and_does_not_poison_the_next():
    bench = await hedged_bench()
    bench.life.run.loop.put(Unheard(at=bench.clock.now()))
    with pytest.raises(TypeError, match="Unheard"):
        await bench.passes(60)
    assert not any(isinstance(e, Unheard) for e, _ in bench.world.store.steps())
    bench.start()
    await bench.until(bench.converged, 10)
    bench.check()


@virtual
async def test_the_beat_tells_how_long_the_loop_has_been_stuck():
    bench = Bench()
    bench.hold("BTC", "0")
    bench.hold("ETH", "0")
    bench.start()
    for _ in range(50):
        await bench.passes(0.1)
        assert bench.life.run.loop.seconds_since_beat <= 1.0


@virtual
async def test_ending_takes_what_is_queued_and_decides_nothing_more():
    alone = Alone()
    await asyncio.sleep(0.3)
    before = len(alone.decisions)
    alone.loop.put(alone.total(7))
    alone.loop.end()
    await alone.task
    assert len(alone.decisions) == before
    assert [e.quantity for e, _ in alone.store.steps() if isinstance(e, CollateralObserved)] == [D(7)]


@virtual
async def test_what_the_core_says_is_told_once_and_in_order():
    bench = await hedged_bench()
    await bench.passes(0.7)
    told = len(bench.life.telemetry.notes)
    bench.hold("ETH", "150")
    await bench.passes(0.3)
    said = bench.life.telemetry.notes[told:]
    assert [n.kind for n in said][:2] == ["collateral", "decision"]
    assert len(said) == len({id(n) for n in said})
    assert said == list(bench.ledger.notes[-len(said) :])


@virtual
async def test_what_is_awaited_is_durable_before_its_sender_is_told_so():
    alone = Alone()
    await asyncio.sleep(0.4)
    assert await alone.loop.put_awaited(alone.total(5)) is True
    assert [e.quantity for e, _ in alone.store.steps() if isinstance(e, CollateralObserved)] == [D(5)]
    assert await alone.loop.put_awaited(alone.total(5)) is True, "what is no news is in the journal already"
    await alone.end()


@virtual
async def test_what_could_not_be_made_durable_is_told_as_such_until_it_is():
    alone = Alone()
    await asyncio.sleep(0.4)
    word = announcement("d1", "5", alone.clock.now())
    alone.store.taking = False
    assert await alone.loop.put_awaited(word) is False
    assert await alone.loop.put_awaited(word) is False, "and not taken for written because it is no news"
    alone.store.taking = True
    assert await alone.loop.put_awaited(word) is True
    assert [e for e, _ in alone.store.steps() if isinstance(e, CollateralAnnounced)] == [word]
    await alone.end()
