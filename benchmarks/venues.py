"""`make bench`, its second half: each venue's adapter beside bare ccxt, and what starting costs; tables, and JSON when asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.dialects import ADAPTER, BEHIND_POLLS, CCXT, HTTP, IDLE, MEASURED, Measured, measure, venue_process
from benchmarks.figures import BenchmarkFailed
from bot.adapters.telemetry.logs import configure_logging

WIDTH = 110
START_SECONDS = 60.0
BARE = "import ccxt.pro"


@dataclass(frozen=True, slots=True)
class Start:
    """One process: seconds from its start until it said that it was ready, and its resident memory then."""

    seconds: float
    resident_mb: float


def main(
    venue: Annotated[list[str] | None, typer.Option(help="A venue; may be given several times. Default: all.", show_default=False)] = None,
    rounds: Annotated[int, typer.Option(min=1, max=200, help="Orders and cancels measured in each lane.")] = 30,
    seconds: Annotated[float, typer.Option(min=0.2, max=30, help="Length of each lane of market data.")] = 3.0,
    written: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures to this file.", show_default=False)
    ] = None,
) -> None:
    """Measure at each simulated venue, in a process of its own on loopback: an order through the adapter beside the same by ccxt alone
    and the same request by aiohttp alone; market data that one core can hear, beside ccxt's order books; a cancel with two hundred polls
    queued, beside an idle one; and what starting costs, beside a bare import.
    """
    console, aside = Console(highlight=False), Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    venues = venue or list(MEASURED)
    unknown = [each for each in venues if each not in MEASURED]
    if unknown:
        aside.print(f"bench: no venue is called {unknown[0]}; known are {', '.join(MEASURED)}")
        raise typer.Exit(2)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        configure_logging("error", "json", stream=nowhere)
        try:
            found = {}
            for each in venues:
                aside.print(f"[bench] {each}")
                found[each] = uvloop.run(measure(each, rounds, seconds))
            aside.print("[bench] starting")
            starts = asyncio.run(_starts(venues))
        except BenchmarkFailed as error:
            aside.print(f"bench: {error}")
            raise typer.Exit(1) from None
    _show(console, found, starts)
    if written is not None:
        written.write_bytes(orjson.dumps(_as_json(found, starts), option=orjson.OPT_INDENT_2))


async def _starts(venues: Sequence[str]) -> dict[str, Start]:
    """A bare import, each venue alone, and all of them together."""
    found = {BARE: await _start([], {})}
    async with contextlib.AsyncExitStack() as stack:
        routes: dict[str, str] = {}
        for venue in venues:
            routes |= (await stack.enter_async_context(venue_process(venue))).routes
        for venue in venues:
            found[venue] = await _start([venue], routes)
        if len(venues) > 1:
            found["all of them"] = await _start(list(venues), routes)
    return found


async def _start(venues: list[str], routes: Mapping[str, str]) -> Start:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.startup",
        *venues,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "ROUTES": json.dumps(dict(routes))},
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        seconds = time.monotonic() - began
        await asyncio.wait_for(process.wait(), START_SECONDS)
    except TimeoutError:
        raise BenchmarkFailed(f"{' '.join(venues) or BARE}: the process was not ready within {START_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not line.startswith(b"{"):
        raise BenchmarkFailed(f"{' '.join(venues) or BARE}: the process was not ready")
    return Start(seconds, json.loads(line)["resident_mb"])


def _show(console: Console, found: Mapping[str, Measured], starts: Mapping[str, Start]) -> None:
    ratios = Table("p50", f"{ADAPTER} / {CCXT}", f"{ADAPTER} / {HTTP}", f"{BEHIND_POLLS} / idle", "quotes / ccxt's order book, per core")
    figures = Table("microseconds, p50 / p99", ADAPTER, CCXT, HTTP, IDLE, BEHIND_POLLS)
    messages = Table("messages per second of one core", "adapter, touch and mark", "ccxt watch_order_book")
    for venue, one in found.items():
        ratios.add_row(venue, *(f"{each:.2f}" for each in _ratios(one).values()))
        lanes = {**one.latency, **one.cancels}
        figures.add_row(
            venue, *(f"{lanes[lane].p50_us:,.0f} / {lanes[lane].p99_us:,.0f}" for lane in (ADAPTER, CCXT, HTTP, IDLE, BEHIND_POLLS))
        )
        messages.add_row(venue, f"{one.adapter_messages:,.0f}", f"{one.ccxt_messages:,.0f}")
    starting = Table("start to ready", "seconds", "resident MB", f"over {BARE}, MB")
    for name, start in starts.items():
        more = start.resident_mb - starts[BARE].resident_mb
        starting.add_row(name, f"{start.seconds:.2f}", f"{start.resident_mb:.0f}", f"{more:+.0f}" if name != BARE else "")
    for table in (ratios, figures, messages, starting):
        console.print(table)


def _ratios(one: Measured) -> dict[str, float]:
    adapter = one.latency[ADAPTER].p50_us
    return {
        "order_over_ccxt": adapter / one.latency[CCXT].p50_us,
        "order_over_http": adapter / one.latency[HTTP].p50_us,
        "cancel_behind_polls_over_idle": one.cancels[BEHIND_POLLS].p50_us / one.cancels[IDLE].p50_us,
        "messages_over_ccxt": one.adapter_messages / one.ccxt_messages,
    }


def _as_json(found: Mapping[str, Measured], starts: Mapping[str, Start]) -> dict[str, Any]:
    """Times in microseconds, messages per second of CPU, ratios without a unit."""
    return {
        "venues": {
            venue: {
                "lanes": {lane: figure.as_json() for lane, figure in {**one.latency, **one.cancels}.items()},
                "messages_per_cpu_second": {"adapter": round(one.adapter_messages), "ccxt": round(one.ccxt_messages)},
                "ratios": {name: round(value, 2) for name, value in _ratios(one).items()},
            }
            for venue, one in found.items()
        },
        "starts": {name: {"seconds": round(start.seconds, 3), "resident_mb": start.resident_mb} for name, start in starts.items()},
    }


if __name__ == "__main__":
    typer.run(main)
