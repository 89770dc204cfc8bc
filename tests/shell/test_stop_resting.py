"""A run that ends leaves nothing in a venue's book that it could have withdrawn."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from bot.core.events import ReportUnreadable
from bot.core.units import VenueId
from bot.shell import loop as loop_module
from bot.shell.loop import LoopOverrun
from tests.shell.bench import Bench, hedged_bench, virtual

D = Decimal


def working(bench: Bench) -> int:
    """Orders that stand in the venues' books."""
    return sum(len(a.working) for e in bench.world.exchanges.values() for a in e._state.accounts.values())


async def resting_bench() -> Bench:
    """A run of which an order rests."""
    bench = await hedged_bench(still=True, rebalance_band_hard=D("0.05"))
    bench.hold("ETH", "100.2")
    await bench.until(lambda: any(o.is_resting for o in bench.ledger.open_orders()), 5)
    assert working(bench) > 0
    return bench


@virtual
async def test_a_stop_withdraws_what_rests():
    bench = await resting_bench()
    await bench.stop()
    assert working(bench) == 0


@virtual
async def test_a_run_whose_loop_dies_withdraws_what_rests(monkeypatch: pytest.MonkeyPatch):
    bench = await resting_bench()
    monkeypatch.setattr(loop_module, "QUEUE_MAX", 50)
    for number in range(60):
        bench.life.run.loop.put(ReportUnreadable(at=bench.clock.now(), venue=VenueId("okx"), what=str(number)))
    with pytest.raises(LoopOverrun):
        await bench.passes(60)
    assert working(bench) == 0


def disarmed(bench: Bench) -> set[str]:
    """The venues whose dead-man switches were switched off."""
    return {name for name, venue in bench.ports.venues.items() if venue.was_disarmed}


@virtual
async def test_an_orderly_stop_disarms_the_dead_man_switches_when_nothing_rests_any_more():
    bench = await resting_bench()
    order: list[str] = []
    for name, venue in bench.ports.venues.items():
        original = venue.disarm

        async def disarm(name: str = name, original=original) -> None:
            order.append(f"{name} with {working(bench)} resting")
            await original()

        venue.disarm = disarm
    await bench.stop()
    assert sorted(order) == sorted(f"{name} with 0 resting" for name in bench.ports.venues)
    assert disarmed(bench) == set(bench.ports.venues)


@virtual
async def test_a_run_that_is_forced_to_end_leaves_the_dead_man_switches_armed(monkeypatch: pytest.MonkeyPatch):
    bench = await resting_bench()
    monkeypatch.setattr(loop_module, "QUEUE_MAX", 50)
    for number in range(60):
        bench.life.run.loop.put(ReportUnreadable(at=bench.clock.now(), venue=VenueId("okx"), what=str(number)))
    with pytest.raises(LoopOverrun):
        await bench.passes(60)
    assert disarmed(bench) == set()


@virtual
async def test_a_stop_that_leaves_an_order_open_leaves_the_dead_man_switches_armed():
    bench = await resting_bench()
    for wire in bench.world.wires.values():
        wire.silent = True
    await bench.stop()
    assert bench.ledger.open_orders()
    assert disarmed(bench) == set()


@virtual
async def test_a_switch_that_cannot_be_reached_holds_no_stop_up():
    bench = await hedged_bench()

    async def never() -> None:
        await asyncio.sleep(3_600)

    for venue in bench.ports.venues.values():
        venue.disarm = never
    assert await bench.stop() < 1.5
