"""One venue on its server, with a market that does not move by itself, and the real ccxt.pro client in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import ccxt.pro

from bot.adapters.venue.doors import Doors
from bot.adapters.venue.routing import RoutingSession
from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.dialect import Credential, DialectFactory
from bot.simulator.exchange import Exchange
from bot.simulator.listings import exchange_of
from bot.simulator.model import Contract, MarketTick
from bot.simulator.server import SimulatorServer

KEY = Credential(api_key="test-key", secret="test-secret", account="desk", passphrase="test-phrase")
WALLET = Credential(
    api_key="0x14791697260e4c9a71f18484c9f997b308e59325",
    secret="0x0123456789012345678901234567890123456789012345678901234567890123",
    account=KEY.account,
)
"""Where an account's key is its address, and the secret the private key that signs for it."""
FAIR = {"BTC": Decimal("60000"), "ETH": Decimal("3000"), "SOL": Decimal("150")}
DEPOSIT = Decimal("1000000")
COINS = {"BTC": Decimal(20), "ETH": Decimal(400), "SOL": Decimal(8_000)}
T = TypeVar("T")


def tick_of(contract: Contract, fair: Decimal | None = None, rate: str = "0.0001") -> MarketTick:
    """A calm market: ten levels of two base units times the price of BTC over this one, one tick apart.

    Of an inverse contract every level holds at least the same number of whole contracts, 120,000 quote units' worth.
    """
    price = FAIR[contract.base] if fair is None else fair
    deep = Decimal(120_000) / FAIR[contract.base]
    if contract.inverse:
        deep *= FAIR[contract.base] / (price - 11 * contract.tick)
    return MarketTick(
        symbol=contract.symbol,
        fair=price,
        mark=price,
        index=price - contract.tick,
        funding_rate=Decimal(rate),
        half_spread=contract.tick,
        spread_step=contract.tick,
        depth=(deep,) * 10,
        open_interest=Decimal(50_000),
    )


def wallets_of(exchange: Exchange) -> dict[str, Decimal]:
    """Plenty of each asset that the venue's contracts settle in, about a million dollars' worth."""
    return {contract.settle: COINS.get(contract.settle, DEPOSIT) for contract in exchange.contracts.values()}


def key_of(venue: str) -> Credential:
    """The key of the one account at a venue, in the form of that venue."""
    return WALLET if venue == "hyperliquid" else KEY


def desk_of(venue: str, dialect: DialectFactory) -> Desk:
    """A venue with its real listings, an account with a million dollars in everything they settle in, and a first tick everywhere."""
    exchange = exchange_of(venue, now=wall_ms())
    exchange.open_account(KEY.account, wallets_of(exchange))
    desk = Desk(venue, exchange, dialect, [key_of(venue)])
    for contract in exchange.contracts.values():
        desk.tick(tick_of(contract))
    return desk


@asynccontextmanager
async def serving(*desks: Desk) -> AsyncIterator[SimulatorServer]:
    """A running server that must not have failed by the end."""
    server = SimulatorServer(desks)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
    assert server.failures == ()


@asynccontextmanager
async def client_of(server: SimulatorServer, venue: str, **config: Any) -> AsyncIterator[Any]:
    """The unmodified ccxt.pro client, its hosts routed to the server and nowhere else."""
    session = RoutingSession(Doors.wide_open(dict.fromkeys(server.hosts, server.url)))
    options = {"fetchCurrencies": False, "fetchMargins": False, **config.pop("options", {})}
    key = key_of(venue)
    credentials = {"apiKey": key.api_key, "secret": key.secret, "password": key.passphrase}
    credentials |= {"walletAddress": WALLET.api_key, "privateKey": WALLET.secret}
    client = getattr(ccxt.pro, venue)(credentials | {"enableRateLimit": False, "session": session, "options": options} | config)
    try:
        yield client
    finally:
        await client.close()
        await session.close()


async def watching(*waits: Any) -> list[asyncio.Task[Any]]:
    """Starts watchers and gives them time to connect."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.sleep(0.3)
    return tasks


def makers_near(symbol: str, price: Decimal, **changes: Any) -> MarketTick:
    """Makers one, two and three dollars away with one contract unit each; mark and index at the price."""
    figures: dict[str, Any] = {
        "fair": price,
        "mark": price,
        "index": price,
        "funding_rate": Decimal("0.0001"),
        "half_spread": Decimal(1),
        "depth": (Decimal(1),) * 3,
        "open_interest": Decimal(8_000),
        "spread_step": Decimal(1),
    }
    return MarketTick(symbol=symbol, **(figures | changes))


async def soon(waited: Awaitable[T], seconds: float = 5.0) -> T:
    """What must come within a few seconds."""
    return await asyncio.wait_for(waited, seconds)
