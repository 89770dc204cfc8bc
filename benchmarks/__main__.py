"""`make bench`: measures the hot path beside its floors, prints tables, and writes JSON when asked."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import orjson
import typer
import uvloop
from rich.console import Console

from benchmarks.course import Pace, run_course
from benchmarks.decision import measure_decisions
from benchmarks.disk import folder_on_disk
from benchmarks.figures import BenchmarkFailed, Figure, Progress
from benchmarks.folding import measure_folds
from benchmarks.growth import measure_growth
from benchmarks.holdings import measure_holdings
from benchmarks.report import Report
from bot.adapters.telemetry.logs import configure_logging

SECONDS_MAX = 58.0
ROUNDS_MAX = 150
"""Twice as many hedges, paced and hot, stay below what the adapter lets through to the venue in ten seconds and in a minute."""
DECISIONS_PER_ROUND = 2
HOLDINGS_ROUNDS = 25
FOLD_REPETITIONS = 7
GROWTH_SECONDS = 1.0
"""Time given to one lane of the wide books; with fewer rounds than `ROUNDS_FULL` each is measured as often as it must be."""
ROUNDS_FULL = 40
WIDTH = 110


def main(
    rounds: Annotated[int, typer.Option(min=1, max=ROUNDS_MAX, help="Hedges measured at each pace, each with all its floors.")] = 120,
    pause: Annotated[int, typer.Option(min=0, max=200, help="Milliseconds of rest before each measurement of the paced rounds.")] = 25,
    folder: Annotated[
        Path | None, typer.Option(help="A folder on the disk to be measured. Default: a temporary one.", show_default=False)
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures to this file.", show_default=False)
    ] = None,
) -> None:
    """Measure how long a change of collateral takes to become an order on the wire, beside what it cannot be faster than.

    Everything happens on this machine: a simulated venue in a process of its own on loopback, the bot as it runs live, and in turn with it
    the bare ccxt call, the bare HTTP request and the bare durable append. It takes about a minute.
    """
    console, aside = Console(highlight=False), Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    try:
        where = folder_on_disk(folder)
        with tempfile.TemporaryDirectory(prefix="hedgebot-bench-", dir=where) as made:
            report = _measured(Path(made), rounds, pause / 1_000, lambda text: aside.print(f"[bench] {text}"))
    except BenchmarkFailed as error:
        aside.print(f"bench: {error}")
        raise typer.Exit(1) from None
    report.show(console)
    if json is not None:
        json.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))


def _measured(folder: Path, rounds: int, pause_s: float, progress: Progress) -> Report:
    paces = [Pace("paced", rounds, pause_s), Pace("hot", rounds, 0.0)]
    with (folder / "bench.log").open("w", encoding="utf-8") as log:
        configure_logging("info", "json", stream=log)  # what the bot logs on the path is part of the path
        progress("decisions alone: three assets on three venues")
        beside: dict[str, Figure] = measure_decisions(rounds * DECISIONS_PER_ROUND).figures()
        progress("facts of a recorded journal")
        folds = measure_folds(FOLD_REPETITIONS)
        progress("books of up to 50 assets on 20 venues")
        growth = measure_growth(GROWTH_SECONDS if rounds >= ROUNDS_FULL else 0.0)
        try:
            beside |= uvloop.run(_on_the_loop(folder, paces, min(rounds, HOLDINGS_ROUNDS), progress))
        except TimeoutError:
            raise BenchmarkFailed(f"it took longer than {SECONDS_MAX:.0f} s; measure fewer rounds") from None
    return Report(paces, beside, folds, growth)


async def _on_the_loop(folder: Path, paces: list[Pace], holdings_rounds: int, progress: Progress) -> dict[str, Figure]:
    async with asyncio.timeout(SECONDS_MAX):
        progress("a watched file")
        beside = (await measure_holdings(folder, holdings_rounds)).figures()
        await run_course(folder, paces, progress)
    return beside


if __name__ == "__main__":
    typer.run(main)
