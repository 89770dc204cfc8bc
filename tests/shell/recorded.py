"""A run in virtual time whose journal is a real file: what `replay` and `explain` are tried on."""

from __future__ import annotations

from pathlib import Path

from bot.adapters.journal.sqlite import SqliteJournal
from bot.core.commands import PlaceOrder
from bot.core.units import VenueId
from bot.simulator.wire import WireFault
from tests.shell.bench import Bench

ONE_ASSET = {"assets": ("ETH",), "tick_s": 1.0}
OKX = VenueId("okx")


def bench_on(path: Path) -> Bench:
    """A bench whose runs write into the journal at `path`."""
    bench = Bench(world=ONE_ASSET)
    bench.journal_of = lambda: SqliteJournal(path, "a test")
    return bench


async def eventful(path: Path) -> Bench:
    """Two runs: deposits, a lost answer, a deleveraging, an orderly stop, and a start that goes on."""
    bench = bench_on(path)
    bench.hold("ETH", "80")
    bench.start()
    await bench.until(bench.converged, 20)
    wire = bench.world.wires[OKX]
    wire.next_fault, wire.stream_s = (lambda _: WireFault.REPLY_LOST), 60.0  # nor does its stream tell of it
    bench.hold("ETH", "120")
    await bench.until(bench.converged, 40)
    wire.next_fault, wire.stream_s = (lambda _: WireFault.NONE), 0.005
    await bench.stop()
    bench.start()
    bench.hold("ETH", "60")
    await bench.until(bench.converged, 20)
    return bench


def placed(bench: Bench) -> list[PlaceOrder]:
    """Every order that a run of the bench has sent, in order."""
    return [c for life in bench.lives for c in life.telemetry.commands if isinstance(c, PlaceOrder)]
