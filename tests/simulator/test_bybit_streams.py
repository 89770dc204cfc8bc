"""The Bybit dialect over WebSockets through the unmodified ccxt.pro client: public, private and trade connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.desk import Desk
from bot.simulator.dialects.bybit import Bybit
from bot.simulator.server import SimulatorServer
from tests.simulator.bybit_stand import BTC, ETH, LINEAR_ONLY, D, order_with, short
from tests.simulator.stand import KEY, client_of, desk_of, serving, soon, tick_of


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


async def test_the_book_stream_follows_the_engine_to_the_level(client: Any, desk: Desk) -> None:
    book = await soon(client.watch_order_book(BTC))
    assert (book["bids"][0], book["asks"][0]) == ([59_999.9, 2], [60_000.1, 2])
    contract = desk.exchange.contracts["BTCUSDT"]
    for fair in ("60010", "59980", "60000.5"):
        waiting = asyncio.ensure_future(client.watch_order_book(BTC))
        await asyncio.sleep(0.05)
        desk.tick(tick_of(contract, D(fair)))
        book = await soon(waiting)
        view = desk.exchange.book("BTCUSDT", 50)
        for side, levels in (("bids", view.bids), ("asks", view.asks)):
            assert [(D(str(price)), D(str(quantity))) for price, quantity in book[side]] == [(at.price, at.contracts) for at in levels]


async def test_tickers_and_top_of_book_stream(client: Any, desk: Desk) -> None:
    tickers = await soon(client.watch_tickers([BTC, ETH]))
    first = tickers[next(iter(tickers))]
    assert first["info"]["fundingIntervalHour"] == "8"
    assert first["info"]["nextFundingTime"].isdigit()
    waiting = asyncio.ensure_future(client.watch_ticker(BTC))
    await asyncio.sleep(0.05)
    desk.tick(tick_of(desk.exchange.contracts["BTCUSDT"], D(61_000), rate="0.0003"))
    ticker = await soon(waiting)
    assert (ticker["markPrice"], ticker["info"]["fundingRate"]) == (61_000, "0.0003")
    assert ticker["info"]["symbol"] == "BTCUSDT"
    assert ticker["info"]["fundingCap"] == "0.005"
    top = await soon(client.watch_bids_asks([BTC]))
    assert (top[BTC]["bid"], top[BTC]["ask"]) == (60_999.9, 61_000.1)


async def test_public_trades_stream(client: Any) -> None:
    await client.load_markets()
    waiting = asyncio.ensure_future(client.watch_trades(BTC))
    await asyncio.sleep(0.2)
    await short(client)
    (trade,) = await soon(waiting)
    assert (trade["side"], trade["price"], trade["amount"]) == ("sell", 59_999.9, 0.05)
    assert (await client.fetch_ticker(BTC))["baseVolume"] == 0.05


async def test_private_streams_tell_order_fill_position_and_wallet(client: Any, desk: Desk) -> None:
    client.options["watchPositions"] = {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}
    streams = ("watch_orders", "watch_my_trades", "watch_positions", "watch_balance")
    await client.load_markets()
    waiting = {name: asyncio.ensure_future(getattr(client, name)()) for name in streams}
    await asyncio.sleep(0.3)
    answer = await short(client)
    heard = {name: await soon(task) for name, task in waiting.items()}
    (order,) = heard["watch_orders"]
    assert (order["id"], order["clientOrderId"], order["symbol"]) == (answer["id"], "short1", BTC)
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.05, 59_999.9)
    (fill,) = heard["watch_my_trades"]
    assert (fill["order"], fill["amount"], fill["price"], fill["fee"]["currency"]) == (answer["id"], 0.05, 59_999.9, "USDT")
    assert fill["info"]["category"] == "linear"
    assert fill["info"]["leavesQty"] == "0"
    assert (heard["watch_positions"][0]["side"], heard["watch_positions"][0]["contracts"]) == ("short", 0.05)
    held = next(balance for balance in desk.exchange.balances(KEY.account) if balance.asset == "USDT")
    assert heard["watch_balance"]["USDT"]["total"] == pytest.approx(float(held.margin_balance))


async def test_the_position_snapshot_of_the_stream(client: Any) -> None:
    await short(client)
    positions = await soon(client.watch_positions())
    assert [(position["symbol"], position["side"]) for position in positions] == [(BTC, "short")]


async def test_deleveraging_is_told_as_the_venues_own_order(client: Any, desk: Desk) -> None:
    await short(client)
    await client.create_order(BTC, "limit", "sell", 0.01, 60_500, {"clientOrderId": "resting"})
    waiting = asyncio.ensure_future(client.watch_my_trades(BTC))
    await asyncio.sleep(0.3)
    desk.deleverage(KEY.account, "BTCUSDT", D("0.02"))
    (fill,) = await soon(waiting)
    assert (fill["info"]["execType"], fill["side"], fill["amount"], fill["fee"]["cost"]) == ("AdlTrade", "buy", 0.02, 0)
    assert fill["info"]["orderLinkId"] == ""
    assert fill["order"]
    assert (await client.fetch_positions())[0]["contracts"] == 0.03
    assert (await order_with(client, "resting"))["info"]["cancelType"] == "CancelAllBeforeAdl"
    assert len(await client.fetch_my_trades(BTC)) == 1, "ccxt asks for execType=Trade"
    assert len(await client.fetch_my_trades(BTC, params={"execType": "AdlTrade"})) == 1


async def test_orders_over_the_trade_socket(client: Any) -> None:
    await client.load_markets()
    order = await soon(client.create_order_ws(BTC, "limit", "sell", 0.01, 60_500, {"clientOrderId": "ws1"}))
    assert order["clientOrderId"] == "ws1"
    cancelled = await soon(client.cancel_order_ws(order["id"], BTC))
    assert cancelled["id"] == order["id"]
    assert (await order_with(client, "ws1"))["status"] == "canceled"
    with pytest.raises(ccxt.pro.InvalidOrder, match="110072"):
        await soon(client.create_order_ws(BTC, "limit", "sell", 0.01, 60_500, {"clientOrderId": "ws1"}))
    with pytest.raises(ccxt.pro.OrderNotFound):
        await soon(client.cancel_order_ws(order["id"], BTC))


async def test_unsubscribing_ends_a_stream(client: Any, desk: Desk) -> None:
    await client.load_markets()
    await soon(client.watch_tickers([BTC]))
    await soon(client.un_watch_tickers([BTC]))
    desk.tick(tick_of(desk.exchange.contracts["BTCUSDT"], D(61_000)))
    await asyncio.sleep(0.3)
    assert client.tickers.get(BTC) is None
