"""Clocks that step, and a store that is slow: nothing is sent on what is old, nothing waits for ever, nothing is doubled."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.adapters.journal.sqlite import SqliteJournal
from bot.core.commands import Command, PlaceOrder
from bot.core.events import Event, VenueReported
from bot.core.order import OrderState
from bot.core.units import Millis
from bot.shell.clock import SystemClock
from bot.simulator.memory import MemoryJournal
from bot.simulator.virtual_time import VirtualClock
from tests.shell.bench import Bench, hedged_bench, same_but_for_market, virtual


class SteppingClock(VirtualClock):
    """A wall clock that somebody sets: only `now` jumps, as on a machine."""

    step_ms: Millis = 0

    def now(self) -> Millis:
        return super().now() + self.step_ms


@pytest.mark.parametrize("step_s", [2, -2, 60, -60, 3_600, -3_600])
@virtual
async def test_f46_a_step_of_the_wall_clock_doubles_nothing_and_starves_nothing(step_s: int):
    clock = SteppingClock()
    bench = await hedged_bench(clock=clock, world={"assets": ("ETH",), "tick_s": 1.0})
    await bench.passes(2)
    clock.step_ms += step_s * 1_000
    bench.wants["ETH"] = [(0, bench.wanted("ETH"))]
    bench.hold("ETH", "140")  # at the very moment
    took = await bench.until(bench.converged, 60, 0.05)
    assert took < 45
    placed = [c for c in bench.life.telemetry.commands if isinstance(c, PlaceOrder)]
    assert len({c.client_order_id for c in placed}) == len(placed)
    assert bench.overshoot("ETH") <= bench.wanted("ETH") * bench.policy.rebalance_band
    read = sum(isinstance(e, VenueReported) for e in bench.life.telemetry.events)
    await bench.passes(60)
    assert sum(isinstance(e, VenueReported) for e in bench.life.telemetry.events) - read >= 3 * 5, "readings go on on their beat"
    assert bench.converged()
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


class SlowJournal(MemoryJournal):
    """A store that takes its time for each durable write, really: the loop stands still meanwhile, as it does for a slow disk."""

    pause_s = 0.0

    def append(self, events: Sequence[Event], commands: Sequence[Command], *, durable: bool) -> None:
        if durable:
            time.sleep(self.pause_s)
        super().append(events, commands, durable=durable)


@virtual
async def test_f52_a_full_disk_is_told_as_a_doubt_of_the_journal_and_ends_when_it_takes_entries_again(tmp_path: Path):
    bench = Bench(world={"assets": ("ETH",)})
    journal = SqliteJournal(tmp_path / "journal.sqlite", "a test")
    bench.journal_of = lambda: journal
    bench.hold("ETH", "80")
    bench.start()
    await bench.until(bench.converged, 10)
    assert told(bench) == ("active", None, "")
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own limit stands in for a disk that is full
    await bench.until(lambda: told(bench)[0] == "reducing", 120)
    state, cause, why = told(bench)
    assert (state, cause) == ("reducing", "journal_doubt")
    assert "the newest entries could not be written (database or disk is full)" in why
    sent = len(bench.world.placed)
    bench.hold("ETH", "100")
    await bench.passes(20)
    assert len(bench.world.placed) == sent
    journal._db.execute("PRAGMA max_page_count = 1000000")
    await bench.until(lambda: told(bench)[0] == "active", 10)
    await bench.until(bench.converged, 20)
    await bench.stop()
    bench.check()


def told(bench: Bench) -> tuple[str, str | None, str]:
    """The state of the book as `status` tells it, its cause and why."""
    trading = bench.life.run.loop.statement().trading
    return trading.state, trading.cause, trading.why


async def test_f51_an_order_whose_entry_took_longer_than_its_expiry_reaches_no_book():
    bench = Bench(still=True, clock=SystemClock(), order_expiry_ms=500, doubt_margin_ms=500, order_retry_pause_ms=100)
    journal = SlowJournal(bench.world.store)
    bench.journal_of = lambda: journal
    bench.hold("BTC", "0")
    bench.hold("ETH", "10")
    bench.start()
    await until(bench)
    journal.pause_s = 0.7
    bench.hold("ETH", "20")
    before = bench.world.short("ETH")
    await bench.passes(4)
    slow = [o for o in bench.ledger.orders.values() if o.placed_at >= bench.wants["ETH"][-1][0]]
    assert slow
    assert {o.state for o in slow} <= {OrderState.REFUSED, OrderState.PENDING_NEW, OrderState.IN_DOUBT, OrderState.ABSENT}
    assert bench.world.short("ETH") == before, "an order was taken after its expiry"
    journal.pause_s = 0.0
    await until(bench)
    bench.check()
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


async def until(bench: Bench) -> None:
    """Hedged, in real time."""
    await bench.until(bench.converged, 60, 0.05)
