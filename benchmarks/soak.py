"""`make soak`: the bot as it runs live, for minutes at many times the usual message rate, and what of it grows.

Two processes of the product, `hedgebot simulate` and `hedgebot run`, and a treasury that changes what it holds all the while, so that
orders, fills, fees and readings flow too. Between the two this process tells the market many times as often as the simulator does
(`benchmarks.relay`). Once a second the bot's resident memory, open descriptors and CPU time (from /proc) and event loop tasks (from its
/metrics) are noted. What a start leaves to settle is over by half time: the second half's slope is what would go on for months.

The rate is counted at both ends: what the bot's connection has taken from the relay, and what the bot says of the books it has taken in.

Not everything that grows leaks: the ledger remembers 500 closed orders and 2,000 fill ids per instrument, ccxt as many rows in its caches,
and until these are full memory rises. So the verdict allows what they can hold, and nothing of descriptors and tasks.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import orjson
import typer
import uvloop
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.disk import folder_on_disk
from benchmarks.figures import BenchmarkFailed
from benchmarks.relay import USUAL_PER_S, Relay
from bot.adapters.collateral.holdings import Row, write_holdings
from bot.core.units import Asset

CONFIG = Path(__file__).resolve().parents[1] / "config" / "simulation.yaml"
INSTRUMENTS = 2
"""How many the configuration names at this venue."""
BOOK = "bookTicker"
HOLDINGS_EVERY_S = 3.0
SAMPLE_EVERY_S = 1.0
READY_S = 90.0
STOP_S = 15.0
REACHED_MIN = 0.9
"""Fraction of the asked rate below which the report warns: a smaller load was soaked than was asked for."""
MEMORY_GROWTH_MAX = 0.03
"""Fraction of the resident memory that may be gained over the second half: what bounded histories and caches still take in."""
COUNT_GROWTH_MAX = 2.0
"""The same for descriptors and tasks, in pieces."""
_METRIC = re.compile(rb"^hedgebot_(loop_tasks|loop_lag_seconds|stream_delay_seconds_(?:count|sum))(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_EVENTS = re.compile(rb'^hedgebot_(events|commands)_total\{kind="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """The bot at one instant: seconds since the measurement began, resident MiB, open descriptors, event loop tasks, loop lag in ms.

    Since it started: books that its connection has taken from the relay, books that it has taken in, by how many seconds these were late
    altogether, and its CPU seconds.
    """

    at_s: float
    rss_mib: float
    descriptors: int
    tasks: int
    lag_ms: float
    told: int = 0
    taken: int = 0
    late_s: float = 0.0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Grown:
    """One figure over the second half: its mean, its slope by least squares (per hour), and what the slope makes over that half."""

    name: str
    mean: float
    per_hour: float
    over_half: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        """Whether it grew by no more than is allowed; that it shrank is no fault."""
        return self.over_half <= self.allowed


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line of least squares through these points; 0 for fewer than two instants."""
    count = len(points)
    if count < 2:
        return 0.0
    middle_x, middle_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


def grown(samples: Sequence[Sample]) -> tuple[Grown, ...]:
    """What grew over the second half of these samples."""
    half = [s for s in samples if s.at_s >= samples[-1].at_s / 2]
    length = half[-1].at_s - half[0].at_s
    found = []
    for name, of in (("resident memory, MiB", "rss_mib"), ("descriptors", "descriptors"), ("event loop tasks", "tasks")):
        points = [(s.at_s, float(getattr(s, of))) for s in half]
        mean, per_second = sum(y for _, y in points) / len(points), slope(points)
        allowed = mean * MEMORY_GROWTH_MAX if of == "rss_mib" else COUNT_GROWTH_MAX
        found.append(Grown(name, mean, per_second * 3_600, per_second * length, allowed))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Load:
    """The load between two samples: books a second and instrument (asked, told by the relay, taken in by the bot), CPU seconds a second."""

    asked: float
    told: float
    taken: float
    late_ms: float
    cpu: float

    @property
    def shortfall(self) -> str | None:
        """What is to be said where the asked rate was not reached."""
        reached = min(self.told, self.taken)
        if reached >= REACHED_MIN * self.asked:
            return None
        who = "the relay told" if self.told <= self.taken else "the bot took in"
        share = reached / self.asked
        return f"{who} {reached:.0f} of the {self.asked:.0f} books a second and instrument that were asked for ({share:.0%})"


def load(samples: Sequence[Sample], rate: int) -> Load:
    """The load of these samples at `rate` times the usual rate; `late_ms` is how late a book came on average."""
    first, last = samples[0], samples[-1]
    seconds, taken = last.at_s - first.at_s, last.taken - first.taken
    told = (last.told - first.told) / seconds / INSTRUMENTS
    late_ms = (last.late_s - first.late_s) / taken * 1_000 if taken else 0.0
    return Load(USUAL_PER_S[BOOK] * rate, told, taken / seconds / INSTRUMENTS, late_ms, (last.cpu_s - first.cpu_s) / seconds)


class Soak:
    """Venues, the relay before them, a treasury and the bot in one folder."""

    def __init__(self, folder: Path, rate: int) -> None:
        self.folder, self.rate = folder, rate
        self.venue_port, self.relay_port, self.bot_port = _free_port(), _free_port(), _free_port()
        self.relay = Relay(f"http://127.0.0.1:{self.venue_port}", rate)
        self.samples: list[Sample] = []
        self.events: dict[str, int] = {}
        self._config = folder / "soak.yaml"
        document = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
        document |= {"state_dir": "state", "listen": f"127.0.0.1:{self.bot_port}", "logging": {"format": "json"}}
        document["venues"] = {"binanceusdm": document["venues"]["binanceusdm"]}
        hosts = ("fapi.binance.com", "fstream.binance.com")
        document["routes"] = dict.fromkeys(hosts, f"http://127.0.0.1:{self.relay_port}")
        document["collateral"]["sources"][0]["path"] = "holdings.yaml"
        document["policy"]["venue_share_max"] = 1
        document["simulator"] |= {"listen": f"127.0.0.1:{self.venue_port}"}
        self._config.write_text(yaml.safe_dump(document), encoding="utf-8")
        self._hold(0)

    async def run(self, seconds: float, say: Any) -> int:
        """Runs it; the bot's exit code. Raises BenchmarkFailed when it does not get going, or ends by itself."""
        await self.relay.start(self.relay_port)
        try:
            async with self._process("simulate") as venues, self._process("run") as bot:
                await self._until_ready(bot, venues)
                say(f"ready; the bot is process {bot.pid}")
                began = time.monotonic()
                while (now := time.monotonic() - began) < seconds:
                    await asyncio.to_thread(self._hold, int(now // HOLDINGS_EVERY_S))
                    self.samples.append(await self._sample(bot.pid, began))
                    if bot.returncode is not None or venues.returncode is not None:
                        raise BenchmarkFailed(f"a process ended by itself; its last words are in {self.folder}")
                    if len(self.samples) % 60 == 0:
                        say(_progress(self.samples[-60:], self.rate))
                    await asyncio.sleep(max(0.0, began + len(self.samples) * SAMPLE_EVERY_S - time.monotonic()))
                bot.send_signal(signal.SIGTERM)
                return await asyncio.wait_for(bot.wait(), STOP_S)
        finally:
            await self.relay.stop()

    @asynccontextmanager
    async def _process(self, command: str) -> AsyncIterator[asyncio.subprocess.Process]:
        with (self.folder / f"{command}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", command, str(self._config), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _hold(self, turn: int) -> None:
        """What the treasury holds swings, so that there is always something to hedge and something to take off."""
        rows = [
            Row(Asset("BTC"), "custody", Decimal("1.5") + Decimal("0.2") * (turn % 3)),
            Row(Asset("ETH"), "custody", Decimal(20) + Decimal(2) * (turn % 5)),
        ]
        write_holdings(self.folder / "holdings.yaml", rows)

    async def _until_ready(self, *processes: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if any(process.returncode is not None for process in processes):
                raise BenchmarkFailed(f"a process did not start; its last words are in {self.folder}")
            try:
                async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.bot_port}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.5)
        raise BenchmarkFailed(f"the bot was not ready within {READY_S:.0f} s; what it said is in {self.folder}")

    async def _sample(self, pid: int, began: float) -> Sample:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.bot_port}/metrics") as answer:
            body = await answer.read()
        said = {name.decode(): float(value) for name, value in _METRIC.findall(body)}
        self.events = {kind.decode(): int(float(value)) for _, kind, value in _EVENTS.findall(body)}
        rss, descriptors, cpu_s = footprint(pid)
        return Sample(
            at_s=time.monotonic() - began,
            rss_mib=rss,
            descriptors=descriptors,
            tasks=int(said["loop_tasks"]),
            lag_ms=said["loop_lag_seconds"] * 1_000,
            told=self.relay.told[BOOK],
            taken=int(said.get("stream_delay_seconds_count", 0)),
            late_s=said.get("stream_delay_seconds_sum", 0.0),
            cpu_s=cpu_s,
        )


def _progress(samples: Sequence[Sample], rate: int) -> str:
    last, now = samples[-1], load(samples, rate)
    return (
        f"{last.at_s:.0f} s: {last.rss_mib:.1f} MiB, {last.descriptors} descriptors, {last.tasks} tasks; books a second and instrument: "
        f"{now.told:.0f} told, {now.taken:.0f} taken in, {now.late_ms:.1f} ms late; {now.cpu:.0%} of a core"
    )


def footprint(pid: int) -> tuple[float, int, float]:
    """A process's resident memory in MiB, how many descriptors it has open, and the CPU seconds that it has used."""
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text(encoding="ascii").split()[1])
    after_name = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    cpu_s = (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, see proc(5)
    return pages * os.sysconf("SC_PAGESIZE") / 2**20, len(list((process / "fd").iterdir())), cpu_s


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def report(soak: Soak, found: Sequence[Grown], exit_code: int) -> Table:
    """The tables, for people."""
    length = soak.samples[-1].at_s
    table = Table(title=f"soak: {length / 60:.1f} min, second half", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", "at the start", "mean", "slope per hour", "gained in the half", "allowed"):
        table.add_column(name, justify="left" if not name else "right")
    first = soak.samples[0]
    starts = (f"{first.rss_mib:.1f}", str(first.descriptors), str(first.tasks))
    for each, start in zip(found, starts, strict=True):
        table.add_row(each.name, start, f"{each.mean:.1f}", f"{each.per_hour:+.1f}", f"{each.over_half:+.2f}", f"{each.allowed:.2f}")
    lags = sorted(s.lag_ms for s in soak.samples)
    table.add_row(
        "loop lag, ms: p50, p99, most", "", f"{lags[len(lags) // 2]:.1f}", f"{lags[len(lags) * 99 // 100]:.1f}", f"{lags[-1]:.1f}", ""
    )
    whole, late = load(soak.samples, soak.rate), load(soak.samples[len(soak.samples) // 2 :], soak.rate)
    table.add_row(
        "books a second and instrument: asked, told, taken in", f"{whole.asked:.0f}", f"{whole.told:.0f}", f"{whole.taken:.0f}", "", ""
    )
    table.add_row("a book late on average, ms: whole, second half", "", f"{whole.late_ms:.1f}", f"{late.late_ms:.1f}", "", "")
    table.add_row("the bot's CPU, cores", "", f"{whole.cpu:.2f}", "", "", "")
    orders, fills = soak.events.get("PlaceOrder", 0), soak.events.get("FillReported", 0)
    table.add_row("orders, fills, readings", str(orders), str(fills), str(soak.events.get("VenueReported", 0)), "", "")
    table.add_row("exit code at SIGTERM", str(exit_code), "", "", "", "")
    return table


def main(
    minutes: Annotated[float, typer.Option(min=0.2, max=10_000, help="How long, after the bot is ready.")] = 10.0,
    rate: Annotated[int, typer.Option(min=1, max=1_000, help="Times the usual message rate of ten books a second and instrument.")] = 100,
    folder: Annotated[Path | None, typer.Option(help="A folder on the disk. Default: a temporary one.", show_default=False)] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write all samples to this file.")] = None,
) -> None:
    """Run the bot for a while at many times the usual message rate and tell what grows: memory, descriptors, tasks.

    Exit code 0: nothing grew in the second half beyond what is allowed, and the bot stopped in order.
    """
    aside = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    where = folder_on_disk(folder)
    with tempfile.TemporaryDirectory(prefix="hedgebot-soak-", dir=where) as made:
        soak = Soak(Path(made), rate)
        try:
            code = uvloop.run(soak.run(minutes * 60, lambda text: aside.print(f"[soak] {text}")))
        except BenchmarkFailed as error:
            aside.print(f"soak: {error}")
            raise typer.Exit(1) from None
    found, reached = grown(soak.samples), load(soak.samples, rate)
    Console(highlight=False, width=130).print(report(soak, found, code))
    if json_file is not None:
        told = {"samples": [asdict(each) for each in soak.samples], "load": asdict(reached), "events": soak.events}
        json_file.write_bytes(orjson.dumps(told))
    if reached.shortfall is not None:
        aside.print(f"soak: WARNING: {reached.shortfall}")
    growing = [each.name for each in found if not each.is_flat]
    verdict = f"GROWS: {', '.join(growing)}" if growing else "FLAT" if code == 0 else f"the bot ended with exit code {code}"
    print(verdict)
    if growing or code != 0:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
