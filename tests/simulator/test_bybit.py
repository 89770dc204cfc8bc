"""The Bybit dialect over REST through the unmodified ccxt.pro client: real HTTP, production URLs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.bybit import Bybit
from bot.simulator.server import SimulatorServer
from tests.simulator.bybit_stand import BTC, ETH, IOC, LINEAR_ONLY, D, order_with, short
from tests.simulator.stand import DEPOSIT, KEY, client_of, desk_of, serving, tick_of


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


async def test_markets_carry_the_filters_of_the_listings(client: Any, desk: Desk) -> None:
    await client.load_markets()
    assert sorted(client.symbols) == ["BTC/USDC:USDC", BTC, "ETH/USDC:USDC", ETH, "SOL/USDT:USDT"]
    listed = desk.exchange.contracts["BTCUSDT"]
    market = client.market(BTC)
    assert market["swap"]
    assert market["linear"]
    assert market["active"]
    assert market["contractSize"] == 1
    assert D(str(market["precision"]["price"])) == listed.tick
    assert D(str(market["precision"]["amount"])) == listed.lot
    assert D(str(market["limits"]["amount"]["min"])) == listed.contracts_min
    assert D(str(market["limits"]["amount"]["max"])) == listed.contracts_max
    assert D(str(market["limits"]["cost"]["min"])) == listed.notional_min
    assert D(str(market["limits"]["leverage"]["max"])) == listed.tiers[0].leverage_max
    assert market["info"]["fundingInterval"] * 60_000 == listed.funding_interval_ms


async def test_a_client_with_default_options_loads_everything_there_is(server: SimulatorServer) -> None:
    async with client_of(server, "bybit", options={"fetchCurrencies": True}) as client:
        markets = await client.load_markets()
    assert {market["type"] for market in markets.values()} == {"swap"}
    assert {"BTC", "ETH", "SOL", "USDT"} <= set(client.currencies)


async def test_market_data_is_the_engines(client: Any, desk: Desk) -> None:
    await client.load_markets()
    view = desk.exchange.market("BTCUSDT")
    ticker = await client.fetch_ticker(BTC)
    assert D(str(ticker["markPrice"])) == view.mark
    assert D(str(ticker["indexPrice"])) == view.index
    assert (ticker["bid"], ticker["ask"]) == (59_999.9, 60_000.1)
    assert ticker["high"] == ticker["low"] == 60_000
    book = await client.fetch_order_book(BTC, 5)
    best = desk.exchange.book("BTCUSDT", 5)
    assert [(D(str(price)), D(str(quantity))) for price, quantity in book["bids"]] == [(at.price, at.contracts) for at in best.bids]
    rate = await client.fetch_funding_rate(BTC)
    assert rate["fundingRate"] == 0.0001
    assert rate["interval"] == "8h"
    assert rate["fundingTimestamp"] == view.next_funding_at
    interest = await client.fetch_open_interest(BTC)
    assert interest["openInterestAmount"] == 50_000
    assert abs(await client.fetch_time() - wall_ms()) < 1_000
    tiers = await client.fetch_leverage_tiers([BTC])
    listed = desk.exchange.contracts["BTCUSDT"].tiers
    assert [tier["maintenanceMarginRate"] for tier in tiers[BTC]] == [float(tier.rate) for tier in listed]
    fees = await client.fetch_trading_fee(BTC)
    assert (fees["maker"], fees["taker"]) == (0.0002, 0.00055)


async def test_an_order_is_answered_with_ids_only_and_found_by_its_client_id(client: Any) -> None:
    answer = await short(client)
    assert set(answer["info"]) == {"orderId", "orderLinkId"}
    assert answer["status"] is None
    assert answer["filled"] is None
    assert answer["clientOrderId"] == "short1"
    order = await order_with(client, "short1")
    assert (order["status"], order["filled"], order["average"], order["id"]) == ("closed", 0.05, 59_999.9, answer["id"])
    assert order["fee"] == {"cost": pytest.approx(0.05 * 59_999.9 * 0.00055), "currency": "USDT"}
    assert order["info"]["rejectReason"] == "EC_NoError"
    assert order["info"]["tpslMode"] == ""
    fills = await client.fetch_my_trades(BTC)
    assert [(fill["order"], fill["amount"], fill["takerOrMaker"]) for fill in fills] == [(answer["id"], 0.05, "taker")]
    assert (await client.fetch_closed_order(answer["id"], BTC))["id"] == answer["id"]
    assert await client.fetch_open_orders(BTC) == []


async def test_what_an_ioc_order_did_not_find_is_cancelled_with_its_reason(client: Any) -> None:
    await client.create_order(BTC, "limit", "sell", 5, 59_999.8, {**IOC, "clientOrderId": "large"})
    order = await order_with(client, "large")
    assert (order["status"], order["filled"], order["remaining"]) == ("canceled", 4, 0)
    assert order["info"]["orderStatus"] == "Cancelled"
    assert order["info"]["leavesQty"] == "0"
    assert order["info"]["rejectReason"] == "EC_NoImmediateQtyToFill"


async def test_post_only_and_fill_or_kill_are_accepted_and_refused_later(client: Any) -> None:
    await client.create_order(BTC, "limit", "sell", 0.01, 59_990, {"postOnly": True, "clientOrderId": "maker"})
    await client.create_order(BTC, "limit", "sell", 100, 59_990, {"timeInForce": "FOK", "clientOrderId": "kill"})
    for link, reason in (("maker", "EC_PostOnlyWillTakeLiquidity"), ("kill", "EC_NoEnoughQtyToFill")):
        order = await order_with(client, link)
        assert (order["status"], order["filled"], order["info"]["rejectReason"]) == ("canceled", 0, reason)


async def test_open_orders_are_found_and_cancelled_by_either_id(client: Any) -> None:
    for link, price in (("rest1", 60_500), ("rest2", 60_600), ("rest3", 60_700)):
        await client.create_order(BTC, "limit", "sell", 0.01, price, {"clientOrderId": link})
    found = await client.fetch_open_orders(BTC, params={"orderLinkId": "rest2"})
    assert [(order["clientOrderId"], order["status"], order["remaining"]) for order in found] == [("rest2", "open", 0.01)]
    assert {order["clientOrderId"] for order in await client.fetch_open_orders(None)} == {"rest1", "rest2", "rest3"}
    await client.cancel_order(None, BTC, {"orderLinkId": "rest1"})
    await client.cancel_order(found[0]["id"], BTC)
    assert [order["clientOrderId"] for order in await client.fetch_open_orders(BTC)] == ["rest3"]
    cancelled = await client.cancel_all_orders(BTC)
    assert [order["clientOrderId"] for order in cancelled] == ["rest3"]
    for link in ("rest1", "rest2", "rest3"):
        assert (await order_with(client, link))["info"]["cancelType"] == "CancelByUser"
    with pytest.raises(ccxt.pro.OrderNotFound):
        await client.cancel_order(None, BTC, {"orderLinkId": "rest1"})
    with pytest.raises(ccxt.pro.OrderNotFound):
        await client.cancel_order("no-such-order", BTC)


async def test_a_realtime_look_up_by_id_also_finds_what_is_over(client: Any) -> None:
    await short(client)
    found = await client.fetch_open_orders(BTC, params={"orderLinkId": "short1"})
    assert [order["status"] for order in found] == ["closed"]
    assert await client.fetch_open_orders(BTC, params={"orderLinkId": "never-sent"}) == []
    assert await client.fetch_canceled_and_closed_orders(BTC, params={"orderLinkId": "never-sent"}) == []


async def test_positions_and_wallet_after_a_short(client: Any, desk: Desk) -> None:
    await short(client)
    (position,) = await client.fetch_positions()
    truth = desk.exchange.positions(KEY.account)[0]
    assert (position["symbol"], position["side"], position["contracts"]) == (BTC, "short", 0.05)
    assert D(position["info"]["unrealisedPnl"]) == truth.unrealised_pnl
    assert D(position["info"]["positionMM"]) == truth.maintenance_margin
    assert D(position["info"]["positionIM"]) == truth.initial_margin
    assert position["entryPrice"] == 59_999.9
    assert position["leverage"] == 10
    assert position["hedged"] is False
    assert position["liquidationPrice"] == pytest.approx(float(truth.liquidation_price or 0), abs=0.001)
    flat = await client.fetch_position(ETH)
    assert (flat["contracts"], flat["side"], flat["info"]["side"]) == (0, None, "")
    balance = await client.fetch_balance()
    held = desk.exchange.balances(KEY.account)[0]
    assert balance["total"]["USDT"] == pytest.approx(float(held.wallet))
    assert balance["used"]["USDT"] == pytest.approx(float(held.initial_margin))
    account = balance["info"]["result"]["list"][0]
    others = sum(D(coin["usdValue"]) for coin in account["coin"] if coin["coin"] != "USDT")
    total = held.margin_balance + others
    assert D(account["totalMarginBalance"]) == pytest.approx(total)
    assert D(account["totalMaintenanceMargin"]) == held.maintenance_margin
    assert float(account["accountMMRate"]) == pytest.approx(float(held.maintenance_margin / total), abs=1e-6)


async def test_reduce_only_closes_and_never_turns(client: Any) -> None:
    await short(client)
    with pytest.raises(ccxt.pro.InvalidOrder, match="110017"):
        await client.create_order(BTC, "limit", "sell", 0.01, 59_990, {**IOC, "reduceOnly": True})
    await client.create_order(BTC, "limit", "buy", 1, 60_010, {**IOC, "reduceOnly": True, "clientOrderId": "close"})
    assert await client.fetch_positions() == []
    order = await order_with(client, "close")
    assert (order["filled"], order["reduceOnly"]) == (0.05, True)
    ledger = await client.fetch_ledger("USDT")
    assert {entry["type"] for entry in ledger} == {"trade"}
    newest = (await client.privateGetV5AccountTransactionLog({"currency": "USDT"}))["result"]["list"]
    balance = await client.fetch_balance()
    assert float(newest[0]["cashBalance"]) == pytest.approx(balance["total"]["USDT"])
    before_all = D(newest[-1]["cashBalance"]) - D(newest[-1]["change"])
    assert before_all == DEPOSIT


async def test_funding_is_paid_with_the_venues_signs(client: Any, desk: Desk) -> None:
    await short(client)
    desk.settle_funding("BTCUSDT")
    desk.tick(tick_of(desk.exchange.contracts["BTCUSDT"], rate="-0.0002"))
    desk.settle_funding("BTCUSDT")
    received, paid = desk.exchange.funding_payments(KEY.account)
    assert received.amount > 0 > paid.amount
    history = await client.fetch_funding_history(BTC)
    by_id = sorted(history, key=lambda payment: payment["id"])
    assert [payment["amount"] for payment in by_id] == [float(-received.amount), float(-paid.amount)]
    assert [D(payment["info"]["feeRate"]) for payment in by_id] == [D("-0.0001"), D("0.0002")]
    assert all(D(row["info"]["execFee"]) == D(row["info"]["execValue"]) * D(row["info"]["feeRate"]) for row in by_id)
    log = (await client.privateGetV5AccountTransactionLog({"type": "SETTLEMENT"}))["result"]["list"]
    assert [D(row["funding"]) for row in reversed(log)] == [received.amount, paid.amount]
    rates = await client.fetch_funding_rate_history(BTC, limit=10)
    assert sorted(rate["fundingRate"] for rate in rates) == [-0.0002, 0.0001]
    assert [fill["info"]["execType"] for fill in await client.fetch_my_trades(BTC)] == ["Trade"]


async def test_leverage_and_account_switches(client: Any) -> None:
    await client.set_leverage(5, BTC)
    assert (await client.fetch_leverage(BTC))["longLeverage"] == 5
    with pytest.raises(ccxt.pro.BadRequest, match="110043"):
        await client.set_leverage(5, BTC)
    with pytest.raises(ccxt.pro.BadRequest, match="110013"):
        await client.set_leverage(101, BTC)
    with pytest.raises(ccxt.pro.NoChange):
        await client.set_position_mode(False, BTC)
    with pytest.raises(ccxt.pro.BadRequest, match="110029"):
        await client.set_position_mode(True, BTC)
    assert (await client.set_margin_mode("cross"))["retCode"] in (0, "0")
    with pytest.raises(ccxt.pro.ExchangeError, match="3400045"):
        await client.set_margin_mode("isolated")
    assert (await client.fetch_margin_mode(BTC))["marginMode"] == "cross"
    assert (await client.cancel_all_orders_after(60_000))["retCode"] in (0, "0")
