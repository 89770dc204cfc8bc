"""The Hyperliquid dialect as the real ccxt.pro client sees it: production URLs, signing and error tables, over real HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.desk import Desk
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.hyperliquid import HyperliquidDialect
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import WALLET, client_of, desk_of, soon, tick_of

BTC, ETH = "BTC/USDC:USDC", "ETH/USDC:USDC"
CLOID = "0x0000000000000000000000000000ab01"
D = Decimal


@pytest.fixture
def desk() -> Desk:
    return desk_of("hyperliquid", HyperliquidDialect)


@pytest.fixture
async def client(server: SimulatorServer) -> AsyncIterator[Any]:
    async with client_of(server, "hyperliquid", options={"fetchMarkets": {"types": ["swap"]}}) as connected:
        await connected.load_markets()
        yield connected


async def sell(client: Any, size: float = 0.05, price: float = 59_990, **params: Any) -> dict[str, Any]:
    order: dict[str, Any] = await client.create_order(BTC, "limit", "sell", size, price, {"timeInForce": "IOC"} | params)
    return order


async def watching(*waits: Any) -> list[asyncio.Task[Any]]:
    """Starts watchers and gives them time to subscribe."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.sleep(0.3)
    return tasks


async def test_markets_are_called_by_index_and_counted_in_coins(client: Any) -> None:
    assert set(client.symbols) == {BTC, ETH, "SOL/USDC:USDC"}
    market = client.market(BTC)
    assert (market["id"], market["baseName"], market["swap"], market["linear"], market["settle"]) == ("0", "BTC", True, True, "USDC")
    assert (market["contractSize"], market["precision"]["amount"], market["precision"]["price"]) == (1, 0.00001, 1)
    assert market["limits"]["cost"]["min"] == 10


async def test_an_order_its_look_up_and_its_fill(client: Any) -> None:
    order = await sell(client, clientOrderId=CLOID)
    assert (order["filled"], order["average"], order["clientOrderId"]) == (0.05, 59_999, CLOID)
    found = await client.fetch_order("", BTC, {"clientOrderId": CLOID})
    assert (found["id"], found["status"], found["side"], found["filled"], found["symbol"]) == (order["id"], "closed", "sell", 0.05, BTC)
    (trade,) = await client.fetch_my_trades(BTC)
    assert (trade["price"], trade["amount"], trade["fee"]["currency"], trade["takerOrMaker"]) == (59_999, 0.05, "USDC", "taker")
    assert trade["fee"]["cost"] == pytest.approx(0.05 * 59_999 * 0.00045)
    with pytest.raises(ccxt.pro.OrderNotFound):
        await client.fetch_order("1", BTC)


async def test_market_orders_are_limit_orders_with_slippage(client: Any, desk: Desk) -> None:
    await client.create_order(BTC, "market", "sell", 0.05, 60_000)
    (order,) = desk.exchange.closed_orders(WALLET.account)
    assert order.request.price == 57_000


async def test_ccxt_s_own_builder_and_referrer_do_not_get_in_the_way(client: Any) -> None:
    await sell(client)
    assert client.options["builderFee"] is False


async def test_the_account(client: Any, desk: Desk) -> None:
    await sell(client)
    (position,) = await client.fetch_positions([BTC])
    assert (position["side"], position["contracts"], position["entryPrice"], position["markPrice"]) == ("short", 0.05, 59_999, 60_000)
    assert position["marginMode"] == "cross"
    balance = await client.fetch_balance()
    (held,) = desk.exchange.balances(WALLET.account)
    assert balance["USDC"]["total"] == pytest.approx(float(held.margin_balance))
    fee = await client.fetch_trading_fee(BTC)
    assert (fee["maker"], fee["taker"]) == (0.00015, 0.00045)
    assert abs(await client.fetch_time() - desk.clock()) < 2_000


async def test_open_orders_and_cancels(client: Any) -> None:
    resting = await client.create_order(BTC, "limit", "sell", 0.05, 60_100, {"clientOrderId": CLOID, "postOnly": True})
    (listed,) = await client.fetch_open_orders(BTC)
    assert (listed["id"], listed["clientOrderId"], listed["status"], listed["remaining"], listed["postOnly"]) == (
        resting["id"],
        CLOID,
        "open",
        0.05,
        True,
    )
    await client.cancel_order("", BTC, {"clientOrderId": CLOID})
    assert await client.fetch_open_orders(BTC) == []
    with pytest.raises(ccxt.pro.OrderNotFound):
        await client.cancel_order(resting["id"], BTC)
    assert [order["status"] for order in await client.fetch_orders(BTC)] == ["canceled"]


@pytest.mark.parametrize(
    ("size", "price", "params", "error"),
    [
        (900, 59_990, {}, ccxt.pro.InsufficientFunds),
        (0.0001, 59_990, {}, ccxt.pro.InvalidOrder),
        (0.05, 59_990, {"reduceOnly": True}, ccxt.pro.InvalidOrder),
        (0.05, 60_001, {}, ccxt.pro.InvalidOrder),
        (0.05, 10_000, {}, ccxt.pro.InvalidOrder),
    ],
)
async def test_refusals_come_as_ccxt_maps_their_words(client: Any, size: float, price: float, params: Any, error: Any) -> None:
    with pytest.raises(error):
        await sell(client, size, price, **params)


async def test_leverage_and_the_dead_man_switch(client: Any, desk: Desk) -> None:
    await client.set_leverage(7, BTC, {"marginMode": "cross"})
    assert desk.exchange.leverage(WALLET.account, "BTC") == 7
    with pytest.raises(ccxt.pro.ExchangeError, match="enough volume"):
        await client.cancel_all_orders_after(6_000)
    desk.dialect._wallets.usage[WALLET.account].volume = D(1_000_000)
    await client.create_order(BTC, "limit", "sell", 0.05, 60_100)
    assert (await client.cancel_all_orders_after(6_000))["status"] == "ok"
    assert desk.dialect.elapsed(desk.clock() + 6_001)


async def test_market_data_and_funding(client: Any, desk: Desk) -> None:
    await sell(client)
    desk.settle_funding("BTC")
    rate = await client.fetch_funding_rate(BTC)
    assert (rate["fundingRate"], rate["markPrice"], rate["indexPrice"], rate["interval"]) == (0.0001, 60_000, 59_999, "1h")
    assert (await client.fetch_open_interest(BTC))["openInterestAmount"] == 50_000
    (settled,) = await client.fetch_funding_rate_history(BTC)
    assert settled["fundingRate"] == 0.0001
    (paid,) = await client.fetch_funding_history(BTC)
    assert (paid["amount"], paid["code"], paid["symbol"]) == (pytest.approx(0.3), "USDC", BTC)
    book = await client.fetch_order_book(BTC)
    assert (book["bids"][0][0], book["asks"][0][0]) == (59_999, 60_001)


async def test_streams_tell_books_figures_orders_fills_and_margin(client: Any, desk: Desk) -> None:
    book = await soon(client.watch_order_book(BTC))
    assert (book["bids"][0][0], book["asks"][0][0]) == (59_999, 60_001)
    ticker = await soon(client.watch_ticker(BTC))
    assert ticker["info"]["markPx"] == "60000.0"
    orders, fills, balance = await watching(client.watch_orders(), client.watch_my_trades(), client.watch_balance())
    await sell(client, clientOrderId=CLOID)
    assert [(order["clientOrderId"], order["status"]) for order in await soon(orders)][-1] == (CLOID, "closed")
    (fill,) = await soon(fills)
    assert (fill["amount"], fill["price"], fill["side"]) == (0.05, 59_999, "sell")
    assert (await soon(balance))["USDC"]["total"] == pytest.approx(1_000_000, abs=10)
    (positions,) = await watching(client.watch_positions([BTC]))
    desk.tick(tick_of(desk.exchange.contracts["BTC"], D(60_050)))
    await sell(client, price=60_000)
    assert [each["side"] for each in await soon(positions)] == ["short"]


async def test_orders_over_the_socket(client: Any, desk: Desk) -> None:
    order = await soon(client.create_order_ws(BTC, "limit", "sell", 0.05, 59_990, {"timeInForce": "IOC", "clientOrderId": CLOID}))
    assert order["filled"] == 0.05
    (position,) = desk.exchange.positions(WALLET.account)
    assert position.contracts == D("-0.05")


async def test_a_lost_answer_and_a_fault_aimed_by_what_a_request_is_about(client: Any, server: SimulatorServer, desk: Desk) -> None:
    server.plan.arm(Fault(venue="hyperliquid", kind=FaultKind.DROP_REPLY, operation=Operation.PLACE))
    with pytest.raises(ccxt.pro.ExchangeNotAvailable):
        await sell(client)
    (position,) = desk.exchange.positions(WALLET.account)
    assert position.contracts == D("-0.05"), "it was taken"
    server.plan.arm(Fault(venue="hyperliquid", kind=FaultKind.DROP_REPLY, operation=Operation.POSITIONS))
    await client.fetch_open_orders(BTC)
    with pytest.raises(ccxt.pro.ExchangeNotAvailable):
        await client.fetch_positions([BTC])
