"""What the Binance dialect refuses, in the error classes that the real ccxt.pro client raises in production."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.binance import BinanceUsdm
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import KEY, client_of, desk_of, soon

BTC = "BTC/USDT:USDT"


@pytest.fixture
def desk() -> Desk:
    return desk_of("binanceusdm", BinanceUsdm)


async def sell(client: Any, **params: Any) -> Any:
    return await client.create_order(BTC, "limit", "sell", 0.05, 59_990, {"timeInForce": "IOC"} | params)


REFUSED = [
    ({"quantity": "0.001", "price": "60000"}, ccxt.pro.InvalidOrder, -4164),
    ({"quantity": "0.0005"}, ccxt.pro.BadRequest, -1111),
    ({"quantity": "0"}, ccxt.pro.BadRequest, -4003),
    ({"quantity": "5000"}, ccxt.pro.BadRequest, -4005),
    ({"price": "60000.05"}, ccxt.pro.BadRequest, -4014),
    ({"price": "60000.001"}, ccxt.pro.BadRequest, -1111),
    ({"price": "50000"}, ccxt.pro.BadRequest, -4024),
    ({"side": "BUY", "price": "70000"}, ccxt.pro.BadRequest, -4016),
    ({"side": "BUY", "reduceOnly": "true"}, ccxt.pro.InvalidOrder, -2022),
    ({"quantity": "500", "price": "60000"}, ccxt.pro.InsufficientFunds, -2019),
    ({"symbol": "DOGEUSDT"}, ccxt.pro.BadSymbol, -1121),
    ({"timeInForce": "GTX", "price": "59990"}, ccxt.pro.OrderNotFillable, -5022),
    ({"timeInForce": "FOK", "quantity": "3", "price": "59999.9"}, ccxt.pro.OrderNotFillable, -5021),
    ({"timeInForce": "GTD"}, ccxt.pro.BadRequest, -1115),
    ({"positionSide": "SHORT"}, ccxt.pro.OperationRejected, -4061),
    ({"type": "STOP"}, ccxt.pro.InvalidOrder, -4120),
    ({"type": "PEGGED"}, ccxt.pro.BadRequest, -1116),
    ({"side": "HOLD"}, ccxt.pro.BadRequest, -1117),
    ({"quantity": "five"}, ccxt.pro.BadRequest, -1100),
    ({"price": ""}, ccxt.pro.BadRequest, -1102),
    ({"newClientOrderId": "no spaces please"}, ccxt.pro.BadRequest, -4015),
    ({"newOrderRespType": "FULL"}, ccxt.pro.BadRequest, -1136),
]


@pytest.mark.parametrize(("changed", "error", "code"), REFUSED, ids=lambda value: str(value) if isinstance(value, int) else None)
async def test_refusals_are_the_production_classes(client: Any, desk: Desk, changed: Any, error: Any, code: int) -> None:
    good = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.05", "price": "61000"}
    with pytest.raises(error, match=f'"code":{code},') as raised:
        await client.fapiPrivatePostOrder(good | changed)
    assert type(raised.value) is error
    assert desk.exchange.open_orders(KEY.account) == ()
    assert desk.exchange.fills(KEY.account) == ()


async def test_a_client_order_id_is_unique_among_open_orders_only(client: Any) -> None:
    await client.create_order(BTC, "limit", "sell", 0.05, 61_000, {"clientOrderId": "twice"})
    with pytest.raises(ccxt.pro.InvalidOrder, match="-4116"):
        await client.create_order(BTC, "limit", "sell", 0.05, 61_000, {"clientOrderId": "twice"})
    await client.cancel_order(None, BTC, {"clientOrderId": "twice"})
    again = await client.create_order(BTC, "limit", "sell", 0.05, 61_000, {"clientOrderId": "twice"})
    assert again["status"] == "open"


async def test_orders_refused_in_the_answer_leave_no_trace(client: Any) -> None:
    waiting = asyncio.ensure_future(client.watch_orders(BTC))
    await asyncio.sleep(0.3)
    with pytest.raises(ccxt.pro.OrderNotFillable):
        await client.create_order(BTC, "limit", "sell", 0.05, 59_990, {"clientOrderId": "maker1", "postOnly": True})
    with pytest.raises(ccxt.pro.OrderNotFound, match="-2013"):
        await client.fetch_order(None, BTC, {"clientOrderId": "maker1"})
    assert await client.fetch_orders(BTC) == []
    await sell(client, clientOrderId="after1")
    assert {order["clientOrderId"] for order in await soon(waiting)} == {"after1"}


async def test_wrong_keys_signatures_and_clocks(server: SimulatorServer) -> None:
    async with client_of(server, "binanceusdm", apiKey="nobody") as stranger:
        await stranger.load_markets()
        with pytest.raises(ccxt.pro.AuthenticationError, match="-2015"):
            await stranger.fetch_balance()
    async with client_of(server, "binanceusdm", secret="wrong") as forger:
        await forger.load_markets()
        with pytest.raises(ccxt.pro.AuthenticationError, match="-1022"):
            await sell(forger)
    async with client_of(server, "binanceusdm") as early:
        await early.load_markets()
        early.nonce = lambda: wall_ms() + 5_000
        with pytest.raises(ccxt.pro.InvalidNonce, match="1000ms ahead"):
            await early.fetch_balance()
        early.nonce = lambda: wall_ms() - 6_000
        with pytest.raises(ccxt.pro.InvalidNonce, match="outside of the recvWindow"):
            await sell(early, recvWindow=5_000)
