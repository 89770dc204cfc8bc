"""A crash at every point that a run passes: before and after each append, and at each stage of each call.

The next run starts from what was durable and from what the venues say. No id goes out twice, nothing is hedged twice, and the book
converges.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.adapters.journal.sqlite import SqliteJournal
from bot.core.commands import PlaceOrder
from bot.core.units import InstrumentId, VenueId
from bot.simulator.virtual_time import run_virtually
from bot.simulator.wire import WireFault
from tests.shell.bench import Bench, CrashPoint, hedged_bench, same_but_for_market, virtual

ONE_ASSET = {"assets": ("ETH",), "tick_s": 1.0}


OKX = VenueId("okx")
OKX_ETH = InstrumentId("okx:ETH-USDT-SWAP")


def fault_once(bench: Bench, venue: VenueId, fault: WireFault) -> None:
    """The next order at a venue meets a fault."""
    wire = bench.world.wires[venue]

    def next_fault(_: PlaceOrder) -> WireFault:
        wire.next_fault = lambda _: WireFault.NONE
        return fault

    wire.next_fault = next_fault


async def some_seconds_of_trouble(bench: Bench) -> None:
    """What happens to the world, whether or not a bot lives: deposits, redemptions, lost calls, deleveraging, silence."""
    await bench.clock.sleep(0.3)
    bench.hold("ETH", "100")
    await bench.clock.sleep(0.3)
    bench.deleverage(OKX_ETH, "0.5")
    await bench.clock.sleep(0.3)
    bench.hold("ETH", "60")
    await bench.clock.sleep(0.3)
    fault_once(bench, OKX, WireFault.REPLY_LOST)
    bench.hold("ETH", "90")
    await bench.clock.sleep(2.0)
    fault_once(bench, OKX, WireFault.NEVER_ARRIVES)
    fault_once(bench, VenueId("bybit"), WireFault.ARRIVES_LATE)
    bench.hold("ETH", "120")
    await bench.clock.sleep(3.0)
    bench.world.wires[VenueId("binanceusdm")].silent = True
    bench.hold("ETH", "140")
    await bench.clock.sleep(1.5)
    bench.world.wires[VenueId("binanceusdm")].silent = False
    await bench.clock.sleep(2.0)


async def trouble_and_a_crash(number: int) -> list[str]:
    """Kills the run at the given point of the trouble; the next one goes on at once. Returns the points that were passed."""
    bench = Bench(world=ONE_ASSET)
    bench.hold("ETH", "0")
    bench.crash_point = point = CrashPoint(number)
    trouble, dead = asyncio.create_task(some_seconds_of_trouble(bench)), asyncio.create_task(point.crashed.wait())
    bench.outside |= {trouble, dead}
    bench.start()
    await asyncio.wait({trouble, dead}, return_when=asyncio.FIRST_COMPLETED)
    assert point.crashed.is_set() is (number > 0)
    await bench.crash()
    bench.crash_point = None
    bench.start()
    await trouble
    dead.cancel()
    await bench.until(bench.converged, 40, 0.1)
    await bench.passes(2)
    assert bench.converged(), bench.told()
    bench.check()
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)
    return point.passed


@pytest.mark.parametrize("part", range(4))
def test_a_crash_at_any_point_doubles_nothing(part: int) -> None:
    points = run_virtually(trouble_and_a_crash(0))
    assert {"append begins", "append ends", "okx leaving", "bybit arrived", "binanceusdm answered"} <= set(points)
    assert len(points) > 80
    for number in range(1 + part, len(points) + 1, 4):
        try:
            run_virtually(trouble_and_a_crash(number))
        except AssertionError as error:
            raise AssertionError(f"crash point {number} of {len(points)}, {points[number - 1]}: {error}") from error


@pytest.mark.parametrize("after_ms", [0, 1, 5, 12, 20, 25, 40, 1000, 6100])
@virtual
async def test_a_crash_while_a_reply_is_lost_is_found_by_the_next_run(after_ms: int):
    bench = await hedged_bench(world=ONE_ASSET)
    await bench.passes(0.5)  # idle: the deposit is decided on at once
    for wire in bench.world.wires.values():
        wire.stream_s = 60.0
        wire.timeout_s = 0.001  # every reply comes too late
    bench.hold("ETH", "150")
    await bench.passes(0.002 + after_ms / 1000)
    await bench.crash()
    for wire in bench.world.wires.values():
        wire.timeout_s = 1.0
    bench.start()
    await bench.until(bench.converged, 40)
    await bench.passes(61)
    assert bench.converged()
    bench.check()


@virtual
async def test_crash_after_crash_within_one_deposit_converges():
    bench = Bench(world=ONE_ASSET)
    bench.hold("ETH", "0")
    bench.start()
    await bench.until(bench.at_rest, 5)
    bench.hold("ETH", "100")
    for pause in (0.003, 0.05, 0.1, 0.12, 0.3, 0.6, 0.031, 0.011):
        await bench.passes(pause)
        await bench.crash()
        bench.start()
    await bench.until(bench.converged, 30)
    bench.check()
    epochs = {order[: -len("000001")] for order in bench.world.placed}
    assert all(len(order) <= 32 for order in bench.world.placed)
    assert len(epochs) <= len(bench.lives)


@virtual
async def test_the_embedded_journal_on_disk_carries_a_run_over_a_restart(tmp_path: Path):
    bench = Bench(world=ONE_ASSET)
    bench.journal_of = lambda: SqliteJournal(tmp_path / "journal.sqlite", "a test")
    bench.hold("ETH", "80")
    bench.start()
    await bench.until(bench.converged, 10)
    await bench.stop()
    known = set(bench.ledger.orders)
    bench.start()
    await bench.until(bench.converged, 10)
    bench.hold("ETH", "100")
    await bench.until(bench.converged, 10)
    assert known < set(bench.ledger.orders)
    await bench.stop()
    bench.check()
