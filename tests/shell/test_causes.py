"""What the shell tells names its cause: the number of the journal's entry in which the decision and its commands stand."""

from __future__ import annotations

from bot.core.commands import PlaceOrder
from bot.core.events import DecisionDue
from tests.shell.bench import hedged_bench, virtual


@virtual
async def test_each_command_names_the_entry_that_tells_of_its_decision() -> None:
    bench = await hedged_bench()
    telemetry, entries = bench.life.telemetry, bench.world.store.entries
    assert len(telemetry.causes) == len(telemetry.commands)
    placed = [
        (cause, command) for cause, command in zip(telemetry.causes, telemetry.commands, strict=True) if isinstance(command, PlaceOrder)
    ]
    assert placed
    for cause, command in placed:
        assert cause is not None
        entry = entries[cause - 1]
        assert command in entry.commands
        assert isinstance(entry.events[-1], DecisionDue)
    await bench.stop()


@virtual
async def test_a_decision_is_told_once_with_what_goes_and_its_entry() -> None:
    bench = await hedged_bench()
    telemetry, entries = bench.life.telemetry, bench.world.store.entries
    acting = [decision for decision in telemetry.decisions if any(isinstance(c, PlaceOrder) for c in decision.commands)]
    assert acting
    for decision in acting:
        assert decision.entry is not None
        due = entries[decision.entry - 1].events[-1]
        assert isinstance(due, DecisionDue)
        assert due.at == decision.at
        assert decision.withheld == 0
    assert [command for decision in telemetry.decisions for command in decision.commands] == telemetry.commands
    idle = [decision for decision in telemetry.decisions if not decision.commands]
    assert idle, "what asks for nothing is told too"
    await bench.stop()


@virtual
async def test_what_may_not_go_without_a_durable_entry_is_told_as_withheld() -> None:
    bench = await hedged_bench()
    bench.world.store.taking = False
    bench.hold("BTC", "12")
    telemetry = bench.life.telemetry
    await bench.until(lambda: any(decision.withheld for decision in telemetry.decisions), 20)
    bench.world.store.taking = True
    await bench.until(bench.converged, 60)
    await bench.stop()
