"""What was measured, as tables for people and as one JSON document: ratios first, because absolute times belong to one machine and hour."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import course
from benchmarks.course import Pace
from benchmarks.figures import Figure, Ratio, ratio
from benchmarks.folding import FLOOR, Folds
from benchmarks.growth import ALLOCATE, QUIET, Growth

FLOORS = (course.CCXT, course.JOURNAL)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one run found. `beside` are lanes outside the course: they have no floors."""

    paces: Sequence[Pace]
    beside: Mapping[str, Figure]
    folds: Folds
    growth: Growth

    def as_json(self) -> dict[str, Any]:
        """Times in microseconds, ratios without a unit."""
        return {
            "machine": machine(),
            "paces": {
                pace.name: {
                    "pause_ms": round(pace.pause_s * 1_000, 1),
                    "ratios": [r.as_json() for r in ratios(pace.samples.figures())],
                    "lanes": {lane.strip(): figure.as_json() for lane, figure in pace.samples.figures().items()},
                }
                for pace in self.paces
            },
            "beside": {lane: figure.as_json() for lane, figure in self.beside.items()},
            "core": {
                "facts_per_second": round(self.folds.per_second),
                "fact_over_floor": round(self.folds.over_floor, 2),
                "growth_over_n_log_n": {QUIET: self.growth.over_n_log_n(QUIET), ALLOCATE: self.growth.over_n_log_n(ALLOCATE)},
                "bytes_per_instrument": self.growth.per_instrument_bytes,
                "lanes": {lane: figure.as_json() for lane, figure in self._core().items()},
            },
        }

    def show(self, console: Console) -> None:
        """Prints the tables."""
        for pace in self.paces:
            pause = f"a pause of {pace.pause_s * 1_000:.0f} ms before each" if pace.pause_s else "no pauses"
            _show_ratios(console, f"{pace.name}: {pace.rounds} rounds, {pause}", ratios(pace.samples.figures()))
            _show_figures(console, f"{pace.name}, microseconds", pace.samples.figures())
        _show_figures(console, "beside, microseconds", self.beside)
        _show_core(console, self.folds, self.growth)
        _show_figures(console, "the core alone, microseconds", self._core())
        console.print(", ".join(f"{name} {value}" for name, value in machine().items()), style="dim")

    def _core(self) -> Mapping[str, Figure]:
        return {**self.folds.figures(), **self.growth.figures()}


def ratios(figures: Mapping[str, Figure]) -> tuple[Ratio, ...]:
    """The hedge over its floors, first; then where it stands against them piece by piece."""
    read = course.until_read(course.HEDGE)
    floors_read = (course.until_read(course.CCXT), course.JOURNAL)
    return (
        ratio("hedge / (ccxt create_order + durable append), until the bytes left", figures, course.HEDGE, FLOORS),
        ratio("the same, until the venue's process had read them", figures, read, floors_read),
        ratio("hedge without its append / ccxt create_order: what no disk can flatter", figures, course.OFF_DISK, (course.CCXT,)),
        ratio("hedge / (aiohttp POST + write and fdatasync)", figures, course.HEDGE, (course.HTTP, course.FILE)),
        ratio("after the append / ccxt create_order", figures, course.SEND, (course.CCXT,)),
        ratio("append on the path / append alone", figures, course.APPEND, (course.JOURNAL,)),
        ratio("SqliteJournal.append / SQLite insert", figures, course.JOURNAL, (course.SQLITE,)),
        ratio("ccxt create_order / aiohttp POST", figures, course.CCXT, (course.HTTP,)),
    )


def machine() -> dict[str, str]:
    """Where and with what it was measured."""
    return {
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("uvloop", "aiohttp", "ccxt")},
    }


def _show_ratios(console: Console, title: str, found: Sequence[Ratio]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("ratio")
    for heading in ("p50", "p99"):
        table.add_column(heading, justify="right")
    for number, each in enumerate(found):
        table.add_row(each.name, f"{each.p50:.2f}", f"{each.p99:.2f}", style="bold" if number == 0 else "")
    console.print(table)


def _show_core(console: Console, folds: Folds, growth: Growth) -> None:
    table = Table(title=f"the core alone: {folds.facts:,} recorded facts, and books of 9, 100 and 1,000 instruments", title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_row("facts folded per second", f"{folds.per_second:,.0f}", style="bold")
    table.add_row(f"one fact / {FLOOR}", f"{folds.over_floor:.2f}")
    for what in (QUIET, ALLOCATE):
        for widths, over in growth.over_n_log_n(what).items():
            table.add_row(f"{what}: growth over n log n, {widths}", f"{over:.2f}")
    table.add_row("bytes of ledger per instrument, 10 x 10", f"{growth.per_instrument_bytes:,}")
    console.print(table)


def _show_figures(console: Console, title: str, figures: Mapping[str, Figure]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for heading in ("count", "p50", "p99"):
        table.add_column(heading, justify="right")
    for lane, figure in figures.items():
        table.add_row(lane, str(figure.count), f"{figure.p50_us:,.0f}", f"{figure.p99_us:,.0f}")
    console.print(table)
