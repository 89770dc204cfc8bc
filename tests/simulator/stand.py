"""One venue on its server, with a market that does not move by itself, and the real ccxt.pro client in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import ccxt.pro

from bot.adapters.venue.routing import RoutingSession
from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.dialect import Credential, DialectFactory
from bot.simulator.listings import exchange_of
from bot.simulator.model import Contract, MarketTick
from bot.simulator.server import SimulatorServer

KEY = Credential(api_key="test-key", secret="test-secret", account="desk", passphrase="test-phrase")
FAIR = {"BTC": Decimal("60000"), "ETH": Decimal("3000"), "SOL": Decimal("150")}
DEPOSIT = Decimal("1000000")
T = TypeVar("T")


def tick_of(contract: Contract, fair: Decimal | None = None, rate: str = "0.0001") -> MarketTick:
    """A calm market: ten levels of two base units times the price of BTC over this one, one tick apart."""
    price = FAIR[contract.base] if fair is None else fair
    deep = Decimal(120_000) / FAIR[contract.base]
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


def desk_of(venue: str, dialect: DialectFactory) -> Desk:
    """A venue with its real listings, one funded account, and a first tick everywhere."""
    exchange = exchange_of(venue, now=wall_ms())
    exchange.open_account(KEY.account, {"USDT": DEPOSIT})
    desk = Desk(venue, exchange, dialect, [KEY])
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
    session = RoutingSession(dict.fromkeys(server.hosts, server.url))
    options = {"fetchCurrencies": False, "fetchMargins": False, **config.pop("options", {})}
    credentials = {"apiKey": KEY.api_key, "secret": KEY.secret, "password": KEY.passphrase}
    client = getattr(ccxt.pro, venue)(credentials | {"enableRateLimit": False, "session": session, "options": options} | config)
    try:
        yield client
    finally:
        await client.close()
        await session.close()


async def soon(waited: Awaitable[T], seconds: float = 5.0) -> T:
    """What must come within a few seconds."""
    return await asyncio.wait_for(waited, seconds)
