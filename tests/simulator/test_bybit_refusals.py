"""What the Bybit dialect refuses, seen as the error classes and codes of the unmodified ccxt.pro client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.bybit import Bybit
from bot.simulator.server import SimulatorServer
from tests.simulator.bybit_stand import BTC, LINEAR_ONLY, short
from tests.simulator.stand import client_of, desk_of, serving, soon


@pytest.fixture
def desk() -> Desk:
    return desk_of("bybit", Bybit)


@pytest.fixture
async def server(desk: Desk) -> AsyncIterator[SimulatorServer]:
    async with serving(desk) as server:
        yield server


@pytest.fixture
async def client(server: SimulatorServer) -> AsyncIterator[Any]:
    async with client_of(server, "bybit", options=dict(LINEAR_ONLY)) as client:
        yield client


REFUSED = (
    ("limit", "sell", 0.01, 55_000, {}, ccxt.pro.InvalidOrder, "110003"),
    ("limit", "sell", 300, 60_000, {}, ccxt.pro.InsufficientFunds, "110007"),
    ("limit", "sell", 1_191, 60_000, {}, ccxt.pro.BadRequest, "10001"),
    ("limit", "buy", 0.01, 60_000, {"reduceOnly": True}, ccxt.pro.InvalidOrder, "110017"),
    ("limit", "sell", 0.01, 60_000, {"clientOrderId": "x" * 37}, ccxt.pro.BadRequest, "10001"),
    ("limit", "sell", 0.01, 60_000, {"positionIdx": 2}, ccxt.pro.BadRequest, "10001"),
    ("limit", "sell", 0.01, 60_000, {"timeInForce": "IOC", "triggerPrice": 1, "triggerDirection": 1}, ccxt.pro.BadRequest, "10001"),
)


@pytest.mark.parametrize(("kind", "side", "quantity", "price", "params", "error", "code"), REFUSED)
async def test_refused_orders(
    client: Any, kind: str, side: str, quantity: float, price: float, params: dict[str, Any], error: type[Exception], code: str
) -> None:
    with pytest.raises(error, match=f'"retCode":{code},'):
        await client.create_order(BTC, kind, side, quantity, price, dict(params))
    assert await client.fetch_open_orders(BTC) == []
    assert await client.fetch_positions() == []


async def test_values_below_the_filters_are_refused(client: Any) -> None:
    await client.load_markets()
    body = {"category": "linear", "symbol": "SOLUSDT", "side": "Sell", "orderType": "Limit", "qty": "0.1", "price": "150"}
    for changes, code in (
        ({"qty": "0.1", "price": "30"}, 110003),
        ({"qty": "0.1", "price": "30", "side": "Buy"}, 110094),
        ({"qty": "0.15"}, 10001),
        ({"qty": "0.01"}, 10001),
        ({"price": "150.001"}, 10001),
        ({"qty": "1e1"}, 10001),
        ({"qty": "-1"}, 10001),
        ({"side": "sell"}, 10001),
        ({"symbol": "NOUSDT"}, 10001),
        ({"category": "spot"}, 10001),
    ):
        with pytest.raises(ccxt.pro.ExchangeError, match=f'"retCode":{code},'):
            await client.privatePostV5OrderCreate(body | changes)
    btc = body | {"symbol": "ETHUSDT", "qty": "0.01", "price": "3000"}
    assert (await client.privatePostV5OrderCreate(btc))["retCode"] in (0, "0")


async def test_a_client_id_is_good_for_one_order_ever(client: Any) -> None:
    await short(client, link="once")
    with pytest.raises(ccxt.pro.InvalidOrder, match="110072"):
        await short(client, link="once")
    assert len(await client.fetch_my_trades(BTC)) == 1


async def test_who_cannot_prove_who_they_are_gets_nothing(server: SimulatorServer, client: Any) -> None:
    for wrong in ({"secret": "wrong"}, {"apiKey": "unknown"}):
        async with client_of(server, "bybit", options=dict(LINEAR_ONLY), **wrong) as stranger:
            with pytest.raises(ccxt.pro.AuthenticationError):
                await stranger.fetch_positions()
            # Past the REST calls that a stream begins with, to the login of the stream itself.
            stranger.options.update({"enableUnifiedMargin": False, "enableUnifiedAccount": True})
            stranger.has["fetchCurrencies"] = False
            with pytest.raises(ccxt.pro.ExchangeError, match=r"^bybit (Invalid sign|API key is invalid\.)$"):
                await soon(stranger.watch_orders())
    for late in (-5_001, 1_500):
        client.nonce = lambda late=late: wall_ms() + late
        with pytest.raises(ccxt.pro.InvalidNonce):
            await client.fetch_positions()
    client.nonce = wall_ms
    assert await client.fetch_positions() == []


async def test_too_many_visits_are_refused_and_counted_in_the_headers(client: Any) -> None:
    await client.load_markets()
    body = {"category": "linear", "symbol": "BTCUSDT", "side": "Sell", "orderType": "Limit", "qty": "0.001", "price": "60500"}
    answers = await asyncio.gather(*(client.privatePostV5OrderCreate(dict(body)) for _ in range(24)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ccxt.pro.RateLimitExceeded)]
    assert len(refused) == 4
    headers = {name.lower(): value for name, value in client.last_response_headers.items()}
    assert headers["x-bapi-limit"] == "20"
    assert headers["x-bapi-limit-status"] == "0"
    assert len(await client.fetch_open_orders(BTC, limit=50)) == 20


async def test_a_position_too_large_for_its_leverage_is_refused(client: Any) -> None:
    await client.set_leverage(100, BTC)
    with pytest.raises(ccxt.pro.ExchangeError, match="110090"):
        await client.create_order(BTC, "limit", "sell", 40, 60_000)
