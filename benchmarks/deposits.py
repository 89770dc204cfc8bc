"""`make bench`, its fourth part: collateral told on a Redis stream until its order is on the wire, and ten thousand deposits in a burst.

The bot is the one of `hedge`, its source the stream of a redis-server of our own on loopback, synced every second. A total is written with
XADD, and what is measured begins before that call. In the burst each deposit is announced and followed by the total that confirms it.
Without a redis-server on this machine nothing is measured, and it is said.
"""

from __future__ import annotations

import asyncio
import io
import resource
import shutil
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import orjson
import typer
import uvloop
from rich.console import Console

from benchmarks.disk import folder_on_disk
from benchmarks.figures import BenchmarkFailed, Figure, Samples
from benchmarks.hedge import HELD, SOURCE, Hedge, hedging
from benchmarks.journals import redis_server
from benchmarks.venue import ASSETS, venue_process
from benchmarks.wire import Wire
from bot.adapters.collateral.announcements import ClaimMessage, TotalMessage, written
from bot.adapters.collateral.redis_stream import RedisStreamSource, StreamPlace
from bot.adapters.journal.redis_link import RedisLink, RedisServer
from bot.adapters.telemetry.logs import configure_logging
from bot.core.claim_records import ClaimState
from bot.core.claim_terms import AssetLimits, ClaimTerms
from bot.core.units import Asset
from bot.shell.clock import SystemClock

LANE = "total written to Redis -> order left"
EACH = Decimal("0.001")
BURST_SECONDS = 60.0
KEY = b"a key of the benchmark"
WIDTH = 110
LIMITS = AssetLimits(claim_max=Decimal(1), deposits_max=Decimal(1_000_000), redemptions_max=Decimal(1))
TERMS = ClaimTerms(
    authorities={f"{asset}@vault": SOURCE for asset in ASSETS},
    depositors=frozenset({"bench"}),
    limits={Asset(asset): LIMITS for asset in ASSETS},
)


class Backend:
    """The issuer's backend: signed messages on one stream."""

    def __init__(self, server: RedisServer) -> None:
        self.place = StreamPlace(server=server, stream="bench", group="bench", consumer="bench", key=KEY)
        self._link = RedisLink(server)
        self._at = 0

    def hold(self, asset: str, quantity: Decimal) -> None:
        """Tells a total."""
        self._send(self._total(asset, quantity))

    def deposit(self, number: int, held: Decimal) -> None:
        """Announces one deposit of EACH and tells the total that it makes."""
        told = {"type": "deposit", "claim": f"d{number}", "asset": "BTC", "quantity": f"{EACH:f}", "location": "vault"}
        self._send(ClaimMessage.model_validate(told | {"depositor": "bench", "at": self._next_at()}))
        self._send(self._total("BTC", held))

    def _total(self, asset: str, quantity: Decimal) -> TotalMessage:
        told = {"type": "total", "asset": asset, "location": "vault", "quantity": f"{quantity:f}", "at": self._next_at()}
        return TotalMessage.model_validate(told)

    def _send(self, message: ClaimMessage | TotalMessage) -> None:
        self._link.call("XADD", self.place.stream, "*", *(word for pair in written(message, KEY).items() for word in pair))

    def _next_at(self) -> int:
        self._at = max(self._at + 1, time.time_ns() // 1_000_000)
        return self._at


def main(
    rounds: Annotated[int, typer.Option(min=1, max=150, help="Hedges measured.")] = 120,
    deposits: Annotated[int, typer.Option(min=1, max=40_000, help="Deposits in the burst.")] = 10_000,
    folder: Annotated[Path | None, typer.Option(help="A folder on the disk. Default: a temporary one.", show_default=False)] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures there.", show_default=False)] = None,
) -> None:
    """Measure how long collateral that is told on a Redis stream takes to become an order, and what a burst of deposits comes to."""
    console, aside = Console(highlight=False), Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    if shutil.which("redis-server") is None:
        aside.print("[bench] redis-server is not installed here: deposits on a stream are not measured")
        return
    configure_logging("error", "json", stream=io.StringIO())
    try:
        with tempfile.TemporaryDirectory(prefix="hedgebot-bench-", dir=folder_on_disk(folder)) as made:
            figure, burst = uvloop.run(_measured(Path(made), rounds, deposits))
    except BenchmarkFailed as error:
        aside.print(f"bench: {error}")
        raise typer.Exit(1) from None
    console.print(f"{LANE}: p50 {figure.p50_us / 1000:.2f} ms, p99 {figure.p99_us / 1000:.2f} ms ({figure.count} hedges)")
    console.print(
        f"{deposits} deposits, each announced and confirmed: hedged after {burst['seconds']:.1f} s in {burst['orders']:.0f} orders,"
        f" {burst['confirmed']:.0f} claims confirmed, {burst['grown_mb']:.0f} MB more memory at the most"
    )
    if json is not None:
        json.write_bytes(orjson.dumps({LANE: figure.as_json(), "burst": burst}, option=orjson.OPT_INDENT_2))


async def _measured(folder: Path, rounds: int, deposits: int) -> tuple[Figure, dict[str, float]]:
    wire, samples = Wire(), Samples()
    with wire.watched(), redis_server(folder / "redis", fsync="everysec") as server:
        backend = Backend(server)
        source = RedisStreamSource(SOURCE, backend.place, SystemClock(), hedged_as={Asset(a): Asset(a) for a in ASSETS})
        async with venue_process() as venue, hedging(venue, folder, wire, (source, backend), TERMS) as hedge:
            await hedge.ready()
            for _ in range(rounds + rounds % 2):  # ends where it began
                sample = await hedge.sample()
                samples.add(LANE, sample.sent.left - sample.observed)
                await asyncio.sleep(0.025)
            return samples.figures()[LANE], await _burst(hedge, backend, deposits)


async def _burst(hedge: Hedge, backend: Backend, deposits: int) -> dict[str, float]:
    orders, began, memory = hedge.ledger.order_number, time.perf_counter(), _peak_mb()
    await asyncio.to_thread(_deposit_all, backend, deposits)
    await hedge.follows(EACH * deposits, BURST_SECONDS)
    seconds = time.perf_counter() - began
    confirmed = sum(claim.told is ClaimState.CONFIRMED for claim in hedge.ledger.claims.values())
    if confirmed != deposits:
        raise BenchmarkFailed(f"of {deposits} deposits {confirmed} are confirmed")
    return {
        "seconds": seconds,
        "orders": hedge.ledger.order_number - orders,
        "confirmed": confirmed,
        "grown_mb": _peak_mb() - memory,
    }


def _deposit_all(backend: Backend, deposits: int) -> None:
    for number in range(deposits):
        backend.deposit(number, HELD["BTC"] + EACH * (number + 1))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    typer.run(main)
