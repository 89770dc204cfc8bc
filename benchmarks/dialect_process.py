"""One simulated venue in a process of its own, for measuring clients: `python -m benchmarks.dialect_process VENUE`.

It says its port in one JSON line. Each line on its standard input is how many seconds lie between two moves of the market from then on;
each move changes every touch. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from decimal import Decimal

from bot.config.sections import VENUES_WITH_WALLET
from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.dialect import Credential
from bot.simulator.dialects.hyperliquid.signing import address_of
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.listings import exchange_of
from bot.simulator.model import Contract, MarketTick
from bot.simulator.server import SimulatorServer

_KEY = Credential(api_key="bench-key", secret="bench-secret", account="bench", passphrase="bench-phrase")
_PRIVATE_KEY = "42" * 32
FAIR = {"BTC": Decimal(60_000), "ETH": Decimal(3_000)}
FAIR_ELSE = Decimal(150)
MARGIN = {"USDT": Decimal(10_000_000), "USDC": Decimal(10_000_000)}
MARGIN_ELSE = Decimal(1_000)
CALM_SECONDS = 0.25


def key_of(venue: str) -> Credential:
    """The benchmark's key at a venue, in that venue's form."""
    if venue in VENUES_WITH_WALLET:
        return Credential(api_key=address_of(_PRIVATE_KEY), secret=_PRIVATE_KEY, account=_KEY.account)
    return _KEY


def tick_of(contract: Contract, shift: int) -> MarketTick:
    """The market around a round price, moved by so many ticks."""
    price = FAIR.get(contract.base, FAIR_ELSE) + shift * contract.tick
    deep = Decimal(120_000) / FAIR.get(contract.base, FAIR_ELSE)
    return MarketTick(
        symbol=contract.symbol,
        fair=price,
        mark=price,
        index=price,
        funding_rate=Decimal("0.0001"),
        half_spread=contract.tick,
        spread_step=contract.tick,
        depth=(deep,) * 10,
        open_interest=Decimal(50_000),
    )


async def serve(venue: str) -> None:
    """Serves until standard input ends."""
    exchange = exchange_of(venue, now=wall_ms())
    settles = {contract.settle for contract in exchange.contracts.values()}
    key = key_of(venue)
    exchange.open_account(key.account, {asset: MARGIN.get(asset, MARGIN_ELSE) for asset in settles})
    desk = Desk(venue, exchange, DIALECTS[venue], [key])
    server = SimulatorServer([desk])
    pause = [CALM_SECONDS]

    async def play() -> None:
        shift = 0
        while True:
            for contract in exchange.contracts.values():
                desk.tick(tick_of(contract, shift))
            shift = 1 - shift
            await asyncio.sleep(pause[0])

    playing = asyncio.create_task(play())
    await asyncio.sleep(0)
    await server.start()
    _say({"port": server.port, "hosts": server.hosts})
    while line := await asyncio.to_thread(sys.stdin.readline):
        pause[0] = float(line)
    playing.cancel()
    await server.stop()
    _say({"failures": server.failures})


def _say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
