"""The Deribit dialect as the real ccxt.pro client sees it: production URLs, signing and error tables, over real HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.deribit import Deribit
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import KEY, client_of, desk_of, soon

BTC, ETH, BTC_USDC = "BTC/USD:BTC", "ETH/USD:ETH", "BTC/USDC:USDC"
BTC_ID = "BTC-PERPETUAL"


@pytest.fixture
def desk() -> Desk:
    return desk_of("deribit", Deribit)


async def sell(client: Any, amount: float = 3_000, price: float = 59_990, symbol: str = BTC, **params: Any) -> dict[str, Any]:
    order: dict[str, Any] = await client.create_order(symbol, "limit", "sell", amount, price, {"timeInForce": "IOC"} | params)
    return order


async def watching(*waits: Any) -> list[asyncio.Task[Any]]:
    """Starts watchers and gives them time to log in and subscribe."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.sleep(0.3)
    return tasks


async def test_markets(client: Any) -> None:
    assert set(client.symbols) == {BTC, ETH, BTC_USDC, "ETH/USDC:USDC"}
    inverse, linear = client.market(BTC), client.market(BTC_USDC)
    assert (inverse["id"], inverse["inverse"], inverse["linear"], inverse["settle"]) == (BTC_ID, True, False, "BTC")
    assert (inverse["contractSize"], inverse["precision"]["amount"], inverse["precision"]["price"]) == (10, 10, 0.5)
    assert (linear["inverse"], linear["linear"], linear["settle"], linear["active"]) == (False, True, "USDC", True)
    assert (inverse["taker"], inverse["maker"]) == (0.0005, 0)


async def test_a_client_with_default_options_loads_markets_too(server: SimulatorServer) -> None:
    async with client_of(server, "deribit", options={"fetchCurrencies": True}) as client:
        assert BTC in await client.load_markets()
        assert "USDC" in client.currencies


async def test_public_reads(client: Any, desk: Desk) -> None:
    assert abs(await client.fetch_time() - wall_ms()) < 1_000
    book = await client.fetch_order_book(BTC, 5)
    assert (book["bids"][0][0], book["asks"][0][0], len(book["bids"])) == (59_999.5, 60_000.5, 5)
    ticker = await client.fetch_ticker(BTC)
    assert (ticker["last"], ticker["bid"], ticker["ask"], ticker["markPrice"]) == (60_000, 59_999.5, 60_000.5, 60_000)
    assert set(await client.fetch_tickers([BTC], {"code": "BTC"})) == {BTC}
    assert (await client.fetch_status())["status"] == "ok"
    desk.settle_funding(BTC_ID)
    assert (await client.fetch_funding_rate(BTC))["fundingRate"] == 0.0001
    (settled,) = await client.fetch_funding_rate_history(BTC)
    assert (settled["fundingRate"], settled["info"]["interest_1h"]) == (0.0001, 0.0001)
    assert (await client.fetch_open_interest(BTC))["openInterestValue"] == 50_000 * 60_000


async def test_an_order_and_everything_that_tells_of_it(client: Any) -> None:
    order = await sell(client, label="short1")
    assert (order["status"], order["filled"], order["average"], order["info"]["label"]) == ("closed", 3_000, 59_999.5, "short1")
    assert order["clientOrderId"] is None
    assert len(order["trades"]) == 1
    assert (await client.fetch_order(order["id"]))["status"] == "closed"
    (fill,) = await client.fetch_my_trades(BTC)
    assert (fill["amount"], fill["price"], fill["fee"]["currency"], fill["order"]) == (3_000, 59_999.5, "BTC", order["id"])
    (found,) = (await client.privateGetGetOrderStateByLabel({"currency": "BTC", "label": "short1"}))["result"]
    assert found["order_id"] == order["id"]
    assert (await client.fetch_closed_orders(BTC))[0]["id"] == order["id"]


async def test_pitfall_15_ccxt_tells_dollars_as_contracts_beside_a_contract_size_of_ten(client: Any) -> None:
    """contracts x contractSize is ten times the position: amounts and positions are in US dollars."""
    await sell(client, 3_000)
    (position,) = await client.fetch_positions([BTC])
    assert position["contracts"] == -3_000, "signed, and dollars"
    assert position["side"] == "short"
    assert position["contracts"] * position["contractSize"] == -30_000, "ten times what is held"
    assert position["notional"] == pytest.approx(3_000 / 60_000)
    assert position["timestamp"] is None


async def test_linear_orders(client: Any) -> None:
    order = await sell(client, 0.25, symbol=BTC_USDC, label="linear1")
    assert (order["status"], order["filled"]) == ("closed", 0.25)
    (position,) = await client.fetch_positions([BTC_USDC])
    assert (position["contracts"], position["side"], position["notional"]) == (-0.25, "short", 0.25)


async def test_balances(client: Any) -> None:
    balance = await client.fetch_balance()
    assert balance["BTC"]["total"] == 20
    assert balance["USDC"]["total"] == 1_000_000
    assert (await client.fetch_balance({"code": "ETH"}))["ETH"]["total"] == 400


async def test_open_orders_and_cancels(client: Any) -> None:
    resting = await client.create_order(BTC, "limit", "sell", 10, 60_300, {"postOnly": True, "label": "rest1"})
    assert resting["status"] == "open"
    assert [order["id"] for order in await client.fetch_open_orders(BTC)] == [resting["id"]]
    assert [order["id"] for order in await client.fetch_open_orders()] == [resting["id"]]
    assert (await client.cancel_order(resting["id"], BTC))["status"] == "canceled"
    await client.create_order(BTC, "limit", "sell", 10, 60_300, {"label": "rest2"})
    await client.cancel_all_orders(BTC)
    assert await client.fetch_open_orders(BTC) == []


@pytest.mark.parametrize(
    ("amount", "price", "params", "expected"),
    [
        (3_000, 50_000, {}, ccxt.pro.InvalidOrder),
        (15_000_000, 59_990, {}, ccxt.pro.InsufficientFunds),
        (10, 59_990, {"reduceOnly": True, "side": "sell"}, ccxt.pro.ExchangeError),
        (10, 59_990, {"valid_until": 1}, ccxt.pro.ExchangeError),
    ],
    ids=["price too low", "not enough funds", "nothing to reduce", "too late"],
)
async def test_refusals_reach_ccxts_classes(client: Any, amount: float, price: float, params: Any, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        await sell(client, amount, price, **params)


async def test_post_only_that_would_take_is_refused(client: Any) -> None:
    with pytest.raises(ccxt.pro.InvalidOrder, match="post_only_reject"):
        await client.create_order(BTC, "limit", "sell", 10, 59_990, {"postOnly": True})


async def test_pitfall_04_not_open_says_nothing_about_fills(client: Any) -> None:
    """Cancelling a filled order is InvalidOrder with 11044, the same as for one that was cancelled unfilled."""
    filled = await sell(client)
    resting = await client.create_order(BTC, "limit", "sell", 10, 60_300)
    await client.cancel_order(resting["id"], BTC)
    for order, contracts in ((filled, 3_000), (resting, 0)):
        with pytest.raises(ccxt.pro.InvalidOrder, match="11044") as raised:
            await client.cancel_order(order["id"], BTC)
        assert not isinstance(raised.value, ccxt.pro.OrderNotFound)
        assert (await client.fetch_order(order["id"]))["filled"] == contracts
    with pytest.raises(ccxt.pro.OrderNotFound):
        await client.cancel_order("999", BTC)


async def test_too_many_orders_are_told_so(client: Any) -> None:
    with pytest.raises(ccxt.pro.DDoSProtection, match="too_many_requests"):
        await asyncio.gather(*(sell(client, 10, 60_200) for _ in range(40)))


async def test_a_wrong_secret(server: SimulatorServer) -> None:
    async with client_of(server, "deribit", secret="wrong") as client:
        await client.load_markets()
        with pytest.raises(ccxt.pro.AuthenticationError, match="13004"):
            await client.fetch_balance()


async def test_streams_of_the_market(client: Any, desk: Desk) -> None:
    quote = await soon(client.watch_bids_asks([BTC]))
    assert (quote[BTC]["bid"], quote[BTC]["ask"], quote[BTC]["bidVolume"]) == (59_999.5, 60_000.5, pytest.approx(120_010, abs=10))
    book = await soon(client.watch_order_book(BTC))
    assert (book["bids"][0][0], len(book["asks"])) == (59_999.5, 10)
    ticker = await soon(client.watch_ticker(BTC))
    assert (ticker["markPrice"], ticker["info"]["current_funding"]) == (60_000, 0.0008)
    trades, changed = await watching(client.watch_trades(BTC), client.watch_order_book(BTC))
    await sell(client)
    assert [(trade["amount"], trade["side"]) for trade in await soon(trades)] == [(3_000, "sell")]
    book = await soon(changed)
    assert book["bids"][0][1] == desk.exchange.book(BTC_ID).bids[0].contracts


async def test_streams_of_the_account(client: Any) -> None:
    balance = await soon(client.watch_balance())
    assert balance["info"]["currency"] in {"BTC", "ETH", "USDC"}
    orders, trades = await watching(client.watch_orders(), client.watch_my_trades())
    await sell(client, label="short1")
    assert {order["info"]["label"] for order in await soon(orders)} == {"short1"}
    assert [(fill["amount"], fill["takerOrMaker"]) for fill in await soon(trades)] == [(3_000, "taker")]


async def test_a_lost_answer_is_one_order(server: SimulatorServer, client: Any) -> None:
    await sell(client, label="warm")
    server.plan.arm(Fault(venue="deribit", kind=FaultKind.DROP_REPLY, operation=Operation.PLACE))
    with pytest.raises(ccxt.pro.ExchangeNotAvailable):
        await sell(client, label="lost")
    found = (await client.privateGetGetOrderStateByLabel({"currency": "BTC", "label": "lost"}))["result"]
    assert [order["order_state"] for order in found] == ["filled"]
    assert server.desks["deribit"].exchange.positions(KEY.account)[0].contracts == -6_000
