"""The venue of the benchmark, in a process of its own: the simulated Binance USD-M with its request limits off and a calm market.

It says its port in one JSON line, serves until its standard input ends (which it does by itself when the benchmark dies), and says at the
end when each order request had reached it, on the monotonic clock that all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from decimal import Decimal

from benchmarks.venue import ASSETS, CREDENTIALS, MARGIN, VENUE
from bot.core.units import Millis
from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.binance import BinanceUsdm, Limits
from bot.simulator.dialects.dialect import Answer, Credential, HttpRequest, Operation
from bot.simulator.exchange import Exchange
from bot.simulator.generator import GeneratedPath
from bot.simulator.listings import exchange_of
from bot.simulator.market import to_ticks
from bot.simulator.server import SimulatorServer

WITHOUT_LIMITS = Limits(weight_per_minute=10**9, orders_per_10s=10**9, orders_per_minute=10**9)
TICK_SECONDS = 0.1


class Noting(BinanceUsdm):
    """The dialect, noting when each order request had been read whole: (body, nanoseconds)."""

    def __init__(self, exchange: Exchange, credentials: Sequence[Credential]) -> None:
        super().__init__(exchange, credentials, limits=WITHOUT_LIMITS)
        self.read: list[tuple[bytes, int]] = []

    def handle(self, request: HttpRequest, now: Millis) -> Answer:
        """As the dialect answers."""
        if self.operation(request) is Operation.PLACE:
            self.read.append((request.body, time.perf_counter_ns()))
        return super().handle(request, now)


async def serve() -> None:
    """Serves until standard input ends."""
    path = GeneratedPath(7, wall_ms(), (VENUE,), ASSETS)
    exchange = exchange_of(VENUE, now=wall_ms())
    for credential in CREDENTIALS:
        exchange.open_account(credential.account, {"USDT": Decimal(MARGIN)})
    desk = Desk(VENUE, exchange, Noting, CREDENTIALS)
    server = SimulatorServer([desk])
    contracts = tuple(exchange.contracts.values())

    def tick() -> None:
        for each in to_ticks(path.sample(max(path.start_ms, wall_ms())), contracts):
            desk.tick(each)

    async def play() -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            tick()

    tick()
    await server.start()
    playing = asyncio.create_task(play())
    _say({"port": server.port, "hosts": server.hosts})
    await asyncio.to_thread(sys.stdin.read)
    playing.cancel()
    await server.stop()
    dialect = desk.dialect
    assert isinstance(dialect, Noting)
    _say({"read": [[body.decode(), at] for body, at in dialect.read], "failures": server.failures})


def _say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve())
