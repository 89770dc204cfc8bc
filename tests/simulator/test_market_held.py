"""A market that is held stands still: nothing more is settled, and the next settlement never comes nearer."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from bot.drivers.simulated import SimulatedAccount, SimulatedVenues
from bot.simulator.dialects.dialect import Credential
from bot.simulator.generator import GeneratedPath

HOUR_MS = 3_600_000
TICK_S = 0.005


async def test_nothing_is_settled_in_a_market_that_is_held() -> None:
    path = GeneratedPath(7, 0, ("hyperliquid",), ("BTC",), {("hyperliquid", "BTC"): HOUR_MS})
    key = Credential(api_key="0x" + "1" * 40, secret="0x" + "1" * 64, account="hedge")
    venues = SimulatedVenues(
        {"hyperliquid": SimulatedAccount(credential=key, balances={"USDC": Decimal(1)})}, path, Decimal(60_000), tick_s=TICK_S
    )
    exchange = venues.server.desks["hyperliquid"].exchange
    await venues.start()
    playing = asyncio.create_task(venues.play())
    try:
        async with asyncio.timeout(10):
            while len(exchange.funding_rates("BTC")) < 5:  # noqa: ASYNC110  the exchange is pure: it has no event to wait for
                await asyncio.sleep(TICK_S)
        venues.hold()
        await asyncio.sleep(4 * TICK_S)  # what came due before it was held is settled
        held, settled, due = venues.market_ms, len(exchange.funding_rates("BTC")), exchange.market("BTC").next_funding_at
        await asyncio.sleep(0.4)
        assert (venues.market_ms, len(exchange.funding_rates("BTC"))) == (held, settled)
        assert exchange.market("BTC").next_funding_at > due
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await venues.stop()
