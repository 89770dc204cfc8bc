"""Every dialect on one server and one port: the same story through each venue's real ccxt.pro client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import KEY, client_of, desk_of, serving, soon, tick_of


@dataclass(frozen=True, slots=True)
class Play:
    """The story on one venue: ccxt's symbol, about 0.05 BTC as contract units (base, or USD of an inverse contract), funding for it.

    `step` is half of the spread, one of the venue's ticks; `client_id` is how a word becomes a client order id there.
    `counted`: how many units one of ccxt's quantities is, where it is not ccxt's own contract size.
    """

    symbol: str
    units: Decimal
    funding: float
    options: dict[str, Any]
    step: float = 0.1
    client_id: Callable[[str], str] = str
    counted: float | None = None

    def of(self, client: Any) -> float:
        """Units of one of ccxt's quantities."""
        return self.counted or float(client.market(self.symbol)["contractSize"])


PLAYS = {
    "binanceusdm": Play("BTC/USDT:USDT", Decimal("0.05"), 0.3, {}),
    "binancecoinm": Play("BTC/USD:BTC", Decimal(3_000), 0.000005, {}),
    "bybit": Play("BTC/USDT:USDT", Decimal("0.05"), 0.3, {"fetchMarkets": {"types": ["linear"]}}),
    "deribit": Play("BTC/USDC:USDC", Decimal("0.05"), 0.3, {}, counted=1.0),
    "okx": Play("BTC/USDT:USDT", Decimal("0.05"), 0.3, {"fetchMarkets": {"types": ["swap"]}}),
    "hyperliquid": Play(
        "BTC/USDC:USDC",
        Decimal("0.05"),
        0.3,
        {"fetchMarkets": {"types": ["swap"]}},
        step=1,
        client_id=lambda word: f"0x{int(word, 36):032x}",
    ),
}

venues = pytest.mark.parametrize("venue", list(PLAYS))


def test_every_dialect_plays() -> None:
    assert PLAYS.keys() == DIALECTS.keys()


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    async with serving(*(desk_of(venue, dialect) for venue, dialect in DIALECTS.items())) as running:
        yield running


async def sell(client: Any, play: Play, client_order_id: str) -> Any:
    """0.05 BTC, whatever a contract is there."""
    contracts = float(play.units) / play.of(client)
    params = {"timeInForce": "IOC", "clientOrderId": play.client_id(client_order_id)}
    return await client.create_order(play.symbol, "limit", "sell", contracts, 59_990, params)


async def funding_paid(client: Any, play: Play) -> float:
    """The one payment, from ccxt's history of them, or from Deribit's log: there the trade that changes the position books it."""
    if client.has["fetchFundingHistory"]:
        (paid,) = await client.fetch_funding_history(play.symbol)
        return float(paid["amount"])
    span = {"currency": client.market(play.symbol)["settleId"], "start_timestamp": 1, "end_timestamp": 1 << 43}
    return sum(float(row["interest_pl"]) for row in (await client.privateGetGetTransactionLog(span))["result"]["logs"])


def held(server: SimulatorServer, venue: str) -> Decimal:
    """The position in contract units, from the venue's own books."""
    exchange = server.desks[venue].exchange
    return sum(
        (position.contracts * exchange.contracts[position.symbol].contract_size for position in exchange.positions(KEY.account)), Decimal(0)
    )


@venues
async def test_trade_and_streams(server: SimulatorServer, venue: str) -> None:
    play = PLAYS[venue]
    async with client_of(server, venue, options=play.options) as client:
        await client.load_markets()
        book = await soon(client.watch_order_book(play.symbol))
        assert (book["bids"][0][0], book["asks"][0][0]) == (60_000 - play.step, 60_000 + play.step)
        waiting = asyncio.ensure_future(client.watch_my_trades(play.symbol))
        await asyncio.sleep(0.5)
        await sell(client, play, "story1")
        fill = (await soon(waiting))[-1]
        assert (fill["side"], fill["price"]) == ("sell", 60_000 - play.step)
        (position,) = await client.fetch_positions([play.symbol])
        assert (position["side"], abs(position["contracts"]) * play.of(client)) == ("short", pytest.approx(float(play.units)))
    assert {name: held(server, name) for name in DIALECTS if held(server, name)} == {venue: -play.units}


@venues
async def test_a_lost_answer(server: SimulatorServer, venue: str) -> None:
    play = PLAYS[venue]
    async with client_of(server, venue, options=play.options) as client:
        await client.load_markets()
        await sell(client, play, "warm1")
        server.plan.arm(Fault(venue=venue, kind=FaultKind.DROP_REPLY, operation=Operation.PLACE))
        with pytest.raises(ccxt.pro.ExchangeNotAvailable):
            await sell(client, play, "lost1")
        assert held(server, venue) == -2 * play.units
        assert len(server.plan.incidents) == 1


@venues
async def test_silence_and_after(server: SimulatorServer, venue: str) -> None:
    play = PLAYS[venue]
    async with client_of(server, venue, options=play.options) as client:
        await client.load_markets()
        await soon(client.watch_order_book(play.symbol))
        server.silence(venue)
        waiting = asyncio.ensure_future(client.fetch_positions([play.symbol]))
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
    play = PLAYS[venue]
    async with client_of(server, venue, options=play.options) as client:
        await client.load_markets()
        await sell(client, play, "short1")
        desk.settle_funding(contract.symbol)
        desk.deleverage(KEY.account, contract.symbol, play.units * 2 / 5 / contract.contract_size)
        assert abs(await funding_paid(client, play)) == pytest.approx(play.funding)
        (position,) = await client.fetch_positions([play.symbol])
        assert abs(position["contracts"]) * play.of(client) == pytest.approx(float(play.units) * 3 / 5)
