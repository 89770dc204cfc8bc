"""Every dialect on one server and one port: the same story through each venue's real ccxt.pro client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.dialects.binanceusdm import BinanceUsdm
from bot.simulator.dialects.bybit import Bybit
from bot.simulator.dialects.dialect import DialectFactory, Operation
from bot.simulator.dialects.okx import OkxDialect
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import KEY, client_of, desk_of, serving, soon, tick_of

DIALECTS: dict[str, DialectFactory] = {"binanceusdm": BinanceUsdm, "bybit": Bybit, "okx": OkxDialect}
OPTIONS: dict[str, dict[str, Any]] = {
    "binanceusdm": {},
    "bybit": {"fetchMarkets": {"types": ["linear"]}},
    "okx": {"fetchMarkets": {"types": ["swap"]}},
}
BTC = "BTC/USDT:USDT"

venues = pytest.mark.parametrize("venue", list(DIALECTS))


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    async with serving(*(desk_of(venue, dialect) for venue, dialect in DIALECTS.items())) as running:
        yield running


async def sell(client: Any, client_order_id: str) -> Any:
    """0.05 BTC, whatever a contract is there."""
    contracts = 0.05 / client.market(BTC)["contractSize"]
    params = {"timeInForce": "IOC", "clientOrderId": client_order_id}
    return await client.create_order(BTC, "limit", "sell", contracts, 59_990, params)


def held(server: SimulatorServer, venue: str) -> Decimal:
    """The position in base units, from the venue's own books."""
    exchange = server.desks[venue].exchange
    return sum(
        (position.contracts * exchange.contracts[position.symbol].contract_size for position in exchange.positions(KEY.account)), Decimal(0)
    )


@venues
async def test_trade_and_streams(server: SimulatorServer, venue: str) -> None:
    async with client_of(server, venue, options=OPTIONS[venue]) as client:
        await client.load_markets()
        book = await soon(client.watch_order_book(BTC))
        assert (book["bids"][0][0], book["asks"][0][0]) == (59_999.9, 60_000.1)
        waiting = asyncio.ensure_future(client.watch_my_trades(BTC))
        await asyncio.sleep(0.5)
        await sell(client, "story1")
        fill = (await soon(waiting))[-1]
        assert (fill["side"], fill["price"]) == ("sell", 59_999.9)
        (position,) = await client.fetch_positions([BTC])
        assert (position["side"], position["contracts"] * position["contractSize"]) == ("short", pytest.approx(0.05))
    assert held(server, venue) == Decimal("-0.05")
    others = [name for name in DIALECTS if name != venue]
    assert [held(server, name) for name in others] == [0, 0]


@venues
async def test_a_lost_answer(server: SimulatorServer, venue: str) -> None:
    async with client_of(server, venue, options=OPTIONS[venue]) as client:
        await client.load_markets()
        await sell(client, "warm1")
        server.plan.arm(Fault(venue=venue, kind=FaultKind.DROP_REPLY, operation=Operation.PLACE))
        with pytest.raises(ccxt.pro.ExchangeNotAvailable):
            await sell(client, "lost1")
        assert held(server, venue) == Decimal("-0.10")
        assert len(server.plan.incidents) == 1


@venues
async def test_silence_and_after(server: SimulatorServer, venue: str) -> None:
    async with client_of(server, venue, options=OPTIONS[venue]) as client:
        await client.load_markets()
        await soon(client.watch_order_book(BTC))
        server.silence(venue)
        waiting = asyncio.ensure_future(client.fetch_positions([BTC]))
        contract = next(each for each in server.desks[venue].exchange.contracts.values() if each.base == "BTC")
        server.desks[venue].tick(tick_of(contract, Decimal(60_010)))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        server.restore(venue)
        assert [position for position in await soon(waiting) if position["contracts"]] == []
        assert abs(await client.fetch_time() - server.desks[venue].clock()) < 2_000


@venues
async def test_deleveraging_and_funding_are_told(server: SimulatorServer, venue: str) -> None:
    desk = server.desks[venue]
    contract = next(each for each in desk.exchange.contracts.values() if each.base == "BTC")
    async with client_of(server, venue, options=OPTIONS[venue]) as client:
        await client.load_markets()
        await sell(client, "short1")
        desk.settle_funding(contract.symbol)
        desk.deleverage(KEY.account, contract.symbol, Decimal("0.02") / contract.contract_size)
        (paid,) = await client.fetch_funding_history(BTC)
        assert abs(paid["amount"]) == pytest.approx(0.3)
        (position,) = await client.fetch_positions([BTC])
        assert position["contracts"] * position["contractSize"] == pytest.approx(0.03)
