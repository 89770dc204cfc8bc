"""The benchmark's side of the venue process: its accounts, its start and its stop."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import BenchmarkFailed
from bot.simulator.dialects.dialect import Credential

VENUE = "binanceusdm"
HOST = "fapi.binance.com"
ASSETS = ("BTC", "ETH", "SOL")
MARGIN = 100_000_000
START_SECONDS = 20.0
STOP_SECONDS = 5.0

HEDGE, BARE_CCXT, BARE_HTTP = (Credential(api_key=f"{who}-key", secret=f"{who}-secret", account=who) for who in ("hedge", "ccxt", "http"))
CREDENTIALS = (HEDGE, BARE_CCXT, BARE_HTTP)

_CLIENT_ID = re.compile(r"newClientOrderId=([^&]+)")


@dataclass(slots=True)
class Venue:
    """Where the venue is. `read_at` is filled when it has been stopped: client order id -> when the venue had read the request (ns)."""

    port: int
    hosts: tuple[str, ...]
    read_at: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Scheme and authority."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def routes(self) -> Mapping[str, str]:
        """Every production host's place on this machine."""
        return dict.fromkeys(self.hosts, self.url)


@asynccontextmanager
async def venue_process() -> AsyncIterator[Venue]:
    """The venue, running meanwhile. Raises BenchmarkFailed when it does not start, or failed itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.venue_process", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26
    )
    try:
        told = await _line(process, START_SECONDS, "did not start")
        venue = Venue(told["port"], tuple(told["hosts"]))
        yield venue
        if process.stdin is not None:
            process.stdin.close()
        said = await _line(process, STOP_SECONDS, "did not stop")
        if said["failures"]:
            raise BenchmarkFailed(f"the simulated venue failed: {said['failures'][0]}")
        venue.read_at = {found[1]: at for body, at in said["read"] if (found := _CLIENT_ID.search(body))}
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _line(process: asyncio.subprocess.Process, seconds: float, failing: str) -> dict[str, Any]:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), seconds)
    except TimeoutError:
        line = b""
    if not line:
        raise BenchmarkFailed(f"the simulated venue {failing} within {seconds:.0f} s; what it said is above")
    told: dict[str, Any] = json.loads(line)
    return told
