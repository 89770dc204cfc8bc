"""Nothing is sent that is not durable; what needs no durability goes on; what was recorded folds to the book that was."""

from __future__ import annotations

import pytest

from bot.core.commands import LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import DecisionDue, JournalJudged, OrderRefused, SessionStarted, VenueReported
from bot.core.order import OrderState
from bot.core.records import TradingState
from bot.core.units import VenueId
from bot.ports import JournalUnavailable
from bot.simulator import memory
from bot.simulator.wire import WireFault
from tests.shell.bench import Bench, hedged_bench, same_but_for_market, virtual

OKX = VenueId("okx")


@virtual
async def test_an_order_is_durable_before_it_is_sent():
    bench = Bench()
    bench.hold("BTC", "3")
    bench.hold("ETH", "50")
    seen: list[str] = []

    def durable(command: PlaceOrder) -> WireFault:
        recorded = [c for _, commands in bench.world.store.steps() for c in commands]
        assert command in recorded
        seen.append(command.client_order_id)
        return WireFault.NONE

    for wire in bench.world.wires.values():
        wire.next_fault = durable
    bench.start()
    await bench.until(bench.converged, 10)
    bench.hold("ETH", "20")
    await bench.until(bench.converged, 10)
    assert len(seen) >= 6
    assert seen == [c.client_order_id for c in bench.life.telemetry.commands if isinstance(c, PlaceOrder)]


@virtual
async def test_while_the_journal_takes_nothing_no_order_leaves_and_questions_do():
    bench = await hedged_bench()
    wire = bench.world.wires[OKX]
    wire.next_fault, wire.stream_s = (lambda _: WireFault.NEVER_ARRIVES), 60.0
    bench.hold("ETH", "130")
    await bench.until(lambda: any(o.state is OrderState.IN_DOUBT for o in bench.ledger.open_orders()), 3)
    wire.next_fault, wire.stream_s = (lambda _: WireFault.NONE), 0.005
    bench.world.store.taking = False
    sent, told = len(bench.world.placed), len(bench.life.telemetry.events)
    asked = len(bench.life.telemetry.commands)
    bench.hold("BTC", "14")
    await bench.passes(30)
    assert len(bench.world.placed) == sent
    withheld = [e for e in bench.life.telemetry.events[told:] if isinstance(e, OrderRefused)]
    assert withheld
    assert {e.code for e in withheld} == {"not_sent"}
    assert len(withheld) < 60
    commands = bench.life.telemetry.commands[asked:]
    assert any(isinstance(c, LookUpOrder) for c in commands)
    assert any(isinstance(c, ReadVenue) for c in commands)
    assert not any(isinstance(c, PlaceOrder) for c in commands)
    assert any(isinstance(e, VenueReported) for e in bench.life.telemetry.events[told:])
    bench.world.store.taking = True
    await bench.until(bench.converged, 40)
    bench.check()
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_a_crash_while_the_journal_takes_nothing_loses_only_what_was_never_sent():
    bench = await hedged_bench()
    bench.world.store.taking = False
    bench.hold("ETH", "150")
    await bench.passes(3)
    durable = len(bench.world.store.entries)
    await bench.crash()
    assert len(bench.world.store.entries) == durable
    bench.world.store.taking = True
    bench.start()
    await bench.until(bench.converged, 10)
    bench.check()


@virtual
async def test_a_journal_that_has_given_up_ends_the_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "WAITING_MAX", 50)
    bench = await hedged_bench()
    bench.world.store.taking = False
    with pytest.raises(JournalUnavailable, match="gave up"):
        await bench.passes(3600)
    bench.check()


@virtual
async def test_a_run_whose_journal_cannot_count_an_epoch_does_not_begin():
    bench = Bench()
    bench.world.store.taking = False
    bench.start()
    with pytest.raises(JournalUnavailable):
        await bench.passes(1)
    assert bench.world.placed == []


@virtual
async def test_a_stop_that_cannot_write_the_last_entries_says_so():
    bench = await hedged_bench()
    bench.world.store.taking = False
    bench.hold("ETH", "101")
    await bench.passes(1)
    with pytest.raises(JournalUnavailable):
        await bench.stop()


@virtual
async def test_what_was_recorded_folds_to_the_book_at_any_later_time():
    bench = await hedged_bench()
    for quantity in ("120", "90", "90.001", "0", "60"):
        bench.hold("ETH", quantity)
        await bench.passes(7)
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)
    bench.start()
    assert same_but_for_market(bench.ledger, bench.replayed())
    await bench.until(bench.converged, 10)


@virtual
async def test_a_journal_that_cannot_be_trusted_is_told_to_the_core_before_the_first_decision_and_when_it_changes():
    bench = Bench()
    bench.world.store.doubt = first = "the server does not sync every write"
    bench.hold("ETH", "50")
    bench.start()
    await bench.until(bench.converged, 20)
    assert bench.life.run.loop.statement().trading_state == TradingState.REDUCING.value
    kinds = [type(event) for event, _ in bench.world.store.steps()]
    assert kinds.index(SessionStarted) < kinds.index(JournalJudged) < kinds.index(DecisionDue)
    bench.world.store.doubt = None
    await bench.until(lambda: bench.life.run.loop.statement().trading_state == TradingState.ACTIVE.value, 5)
    bench.world.store.doubt = second = "it keeps no append-only file"
    await bench.until(lambda: bench.ledger.journal_doubt == second, 5)
    await bench.stop()
    judged = [e.doubt for e, _ in bench.world.store.steps() if isinstance(e, JournalJudged)]
    assert judged == [first, None, second]
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_no_increase_leaves_on_an_entry_that_was_written_while_the_journal_ceased_to_be_trusted():
    bench = Bench()
    store = bench.world.store

    def another_server_takes_over() -> None:
        store.doubt = store.doubt or "it keeps no append-only file"

    bench.journal_of = lambda: memory.MemoryJournal(store, appending=another_server_takes_over)
    bench.hold("ETH", "50")
    bench.start()
    await bench.until(lambda: bench.world.placed, 10)
    withheld = [e for e in bench.life.telemetry.events if isinstance(e, OrderRefused)]
    assert withheld, "the first orders were entered in the very moment in which the doubt began"
    assert {(e.code, e.reason) for e in withheld} == {("not_sent", "its journal entry is where it is not to be trusted")}
    kinds = [type(event) for event, _ in store.steps()]
    assert kinds.index(DecisionDue) < kinds.index(JournalJudged)
    await bench.until(bench.converged, 20)  # what brings the net delta nearer to zero goes on
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)
