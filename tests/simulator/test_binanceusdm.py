"""The Binance dialect as the real ccxt.pro client sees it: production URLs, signing and error tables, over real HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.binance import BinanceUsdm
from bot.simulator.dialects.dialect import Credential
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import KEY, client_of, desk_of, serving, soon, tick_of, watching

BTC = "BTC/USDT:USDT"
ETH = "ETH/USDT:USDT"


@pytest.fixture
def desk() -> Desk:
    return desk_of("binanceusdm", BinanceUsdm)


async def sell(client: Any, contracts: float = 0.05, price: float = 59_990, **params: Any) -> Any:
    return await client.create_order(BTC, "limit", "sell", contracts, price, {"timeInForce": "IOC"} | params)


async def test_markets_carry_the_contracts_filters(client: Any) -> None:
    assert set(client.symbols) == {BTC, ETH, "SOL/USDT:USDT"}
    market = client.market(BTC)
    assert (market["id"], market["swap"], market["linear"], market["active"]) == ("BTCUSDT", True, True, True)
    assert market["precision"]["amount"] == 0.001
    assert market["precision"]["price"] == 0.1
    assert market["limits"]["cost"]["min"] == 100
    assert market["contractSize"] == 1


async def test_a_client_with_default_options_loads_markets_too(server: SimulatorServer) -> None:
    async with client_of(server, "binanceusdm", options={"fetchCurrencies": True, "fetchMargins": True}) as client:
        assert BTC in await client.load_markets()
        assert "USDT" in client.currencies


async def test_time_is_the_venues(client: Any) -> None:
    assert abs(await client.fetch_time() - wall_ms()) < 1_000


async def test_order_book_and_tickers_over_rest(client: Any) -> None:
    book = await client.fetch_order_book(BTC, 5)
    assert book["bids"][0] == [59_999.9, 2.0]
    assert book["asks"][0] == [60_000.1, 2.0]
    assert len(book["bids"]) == 5
    ticker = await client.fetch_ticker(BTC)
    assert ticker["last"] == 60_000
    touch = (await client.fetch_bids_asks([BTC]))[BTC]
    assert (touch["bid"], touch["ask"]) == (59_999.9, 60_000.1)
    assert (await client.fetch_open_interest(BTC))["openInterestAmount"] == 50_000


async def test_a_depth_limit_that_the_venue_does_not_offer_is_refused(client: Any) -> None:
    with pytest.raises(ccxt.pro.BadRequest, match="-4021"):
        await client.fapiPublicGetDepth({"symbol": "BTCUSDT", "limit": 7})


async def test_watched_order_book_follows_the_engine(client: Any, desk: Desk) -> None:
    book = await soon(client.watch_order_book(BTC))
    assert book["asks"][0][0] == 60_000.1
    contract = desk.exchange.contracts["BTCUSDT"]
    for fair in ("60010", "59950", "60033.3"):
        desk.tick(tick_of(contract, Decimal(fair)))
        view = desk.exchange.book("BTCUSDT")
        async with asyncio.timeout(5):
            while book["nonce"] != view.sequence:
                book = await client.watch_order_book(BTC)
        assert book["bids"][:10] == [[float(level.price), float(level.contracts)] for level in view.bids[:10]]
        assert book["asks"][:10] == [[float(level.price), float(level.contracts)] for level in view.asks[:10]]


async def test_a_missed_depth_message_is_noticed_by_the_client(client: Any, desk: Desk, server: SimulatorServer) -> None:
    await soon(client.watch_order_book(BTC))
    contract = desk.exchange.contracts["BTCUSDT"]
    server.silence("binanceusdm", http=False)
    desk.tick(tick_of(contract, Decimal(60_100)))
    await asyncio.sleep(0.25)
    server.restore("binanceusdm")
    waiting = asyncio.ensure_future(client.watch_order_book(BTC))
    await asyncio.sleep(0)
    desk.tick(tick_of(contract, Decimal(60_200)))
    with pytest.raises(ccxt.pro.ChecksumError):
        await soon(waiting)
    assert (await soon(client.watch_order_book(BTC)))["bids"][0][0] == 60_199.9


async def test_book_ticker_wakes_when_the_touch_moves(client: Any, desk: Desk) -> None:
    (waiting,) = await watching(client.watch_bids_asks([BTC]))
    desk.tick(tick_of(desk.exchange.contracts["BTCUSDT"], Decimal(60_500)))
    touch = (await soon(waiting))[BTC]
    assert (touch["bid"], touch["ask"]) == (60_499.9, 60_500.1)
    assert abs(touch["timestamp"] - wall_ms()) < 2_000


async def test_mark_price_and_ticker_come_by_the_clock(client: Any) -> None:
    mark = await soon(client.watch_mark_price(BTC))
    assert mark["markPrice"] == 60_000
    assert mark["indexPrice"] == 59_999.9
    assert (await soon(client.watch_ticker(ETH)))["last"] == 3_000


async def test_trades_are_watched(client: Any) -> None:
    (waiting,) = await watching(client.watch_trades(BTC))
    await sell(client)
    (trade,) = await soon(waiting)
    assert (trade["side"], trade["amount"], trade["price"]) == ("sell", 0.05, 59_999.9)


async def test_immediate_order_fills_and_is_found_by_its_client_id(client: Any, desk: Desk) -> None:
    order = await sell(client, clientOrderId="hedge1")
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.05, 59_999.9)
    assert order["clientOrderId"] == "hedge1"
    found = await client.fetch_order(None, BTC, {"clientOrderId": "hedge1"})
    assert found["id"] == order["id"]
    assert found["info"]["executedQty"] == "0.050"
    held = desk.exchange.positions(KEY.account)
    assert [position.contracts for position in held] == [Decimal("-0.050")]
    (fill,) = await client.fetch_my_trades(BTC)
    assert (fill["order"], fill["takerOrMaker"], fill["side"]) == (order["id"], "taker", "sell")
    assert fill["fee"] == {"cost": 1.4999975, "currency": "USDT"}


async def test_unfilled_rest_of_an_immediate_order_expires(client: Any) -> None:
    order = await sell(client, 3, 59_999.9)
    assert (order["status"], order["filled"], order["remaining"]) == ("expired", 2, 1)
    assert order["info"]["status"] == "EXPIRED"


async def test_acknowledgement_says_nothing_about_fills(client: Any) -> None:
    order = await sell(client, newOrderRespType="ACK")
    assert order["info"]["status"] == "NEW"
    assert order["info"]["executedQty"] == "0"
    assert (await client.fetch_order(order["id"], BTC))["status"] == "closed"


async def test_resting_order_is_listed_canceled_and_kept(client: Any) -> None:
    order = await client.create_order(BTC, "limit", "sell", 0.05, 61_000, {"clientOrderId": "rest1", "postOnly": True})
    assert order["status"] == "open"
    assert [row["id"] for row in await client.fetch_open_orders(BTC)] == [order["id"]]
    assert (await client.fetch_order(order["id"], BTC))["timeInForce"] == "PO"
    canceled = await client.cancel_order(None, BTC, {"clientOrderId": "rest1"})
    assert canceled["status"] == "canceled"
    assert await client.fetch_open_orders(BTC) == []
    assert [row["id"] for row in await client.fetch_orders(BTC)] == [order["id"]]
    with pytest.raises(ccxt.pro.OrderNotFound, match="-2011"):
        await client.cancel_order(order["id"], BTC)


async def test_all_open_orders_are_canceled_at_once(client: Any) -> None:
    for price in (61_000, 61_001):
        await client.create_order(BTC, "limit", "sell", 0.05, price)
    await client.cancel_all_orders(BTC)
    assert await client.fetch_open_orders(BTC) == []


async def test_batches_answer_each_order_on_its_own(client: Any) -> None:
    wanted = {"symbol": BTC, "type": "limit", "side": "sell", "amount": 0.05, "price": 61_000}
    # ccxt sorts what it returns by time, so the refused one comes first
    bad, good = await client.create_orders([wanted, wanted | {"price": 50_000}])
    assert good["status"] == "open"
    assert (bad["id"], bad["info"]["code"]) == (None, -4024)
    rows = await client.cancel_orders([good["id"]], BTC)
    assert rows[0]["status"] == "canceled"


async def test_private_streams_wake_in_order(client: Any) -> None:
    client.newUpdates = True
    await soon(client.watch_positions([BTC]))
    tasks = await watching(client.watch_orders(BTC), client.watch_my_trades(BTC), client.watch_positions([BTC]), client.watch_balance())
    order = await sell(client, clientOrderId="stream1")
    orders, fills, positions, balance = [await soon(task) for task in tasks]
    assert orders[-1]["id"] == order["id"]
    assert (orders[-1]["status"], orders[-1]["filled"], orders[-1]["clientOrderId"]) == ("closed", 0.05, "stream1")
    assert (fills[0]["order"], fills[0]["amount"], fills[0]["fee"]["cost"]) == (order["id"], 0.05, 1.4999975)
    assert (positions[0]["side"], positions[0]["contracts"], positions[0]["entryPrice"]) == ("short", 0.05, 59_999.9)
    assert balance["USDT"]["total"] == 999_998.5000025


async def test_positions_and_balance_over_rest(client: Any) -> None:
    assert await client.fetch_positions([BTC]) == []
    await sell(client)
    (position,) = await client.fetch_positions([BTC])
    assert (position["side"], position["contracts"], position["markPrice"]) == ("short", 0.05, 60_000)
    assert position["maintenanceMargin"] == 12
    assert position["info"]["positionAmt"] == "-0.050"
    balance = await client.fetch_balance()
    assert balance["USDT"]["total"] == pytest.approx(1_000_000 - 1.4999975 - 0.005)
    assert balance["info"]["totalMaintMargin"] == "12.000000"
    older = await client.fapiPrivateV2GetPositionRisk()
    assert {row["symbol"]: row["marginType"] for row in older} == {"BTCUSDT": "cross"}
    rows = await client.fapiPrivateV2GetBalance()
    assert [(row["asset"], row["balance"]) for row in rows] == [("USDT", "999998.50000250")]
    assert (await client.fapiPrivateV2GetAccount())["canTrade"] is True


async def test_funding_rate_history_and_payments(client: Any, desk: Desk) -> None:
    rate = await client.fetch_funding_rate(BTC)
    assert rate["fundingRate"] == 0.0001
    assert rate["fundingTimestamp"] > wall_ms()
    assert (await client.fetch_funding_intervals())[BTC]["interval"] == "8h"
    await sell(client)
    desk.settle_funding("BTCUSDT")
    (settled,) = await client.fetch_funding_rate_history(BTC)
    assert settled["fundingRate"] == 0.0001
    (paid,) = await client.fetch_funding_history(BTC)
    assert (paid["amount"], paid["code"]) == (0.3, "USDT")
    ledger = await client.fapiPrivateGetIncome({"symbol": "BTCUSDT"})
    assert sorted(row["incomeType"] for row in ledger) == ["COMMISSION", "FUNDING_FEE"]


async def test_funding_is_told_as_a_balance_only(client: Any, desk: Desk) -> None:
    await sell(client)
    (waiting,) = await watching(client.watch_balance())
    desk.settle_funding("BTCUSDT")
    balance = await soon(waiting)
    told = balance["info"]["a"]
    assert (told["m"], told["P"], told["B"][0]["bc"]) == ("FUNDING_FEE", [], "0.30000000")


async def test_a_deposit_wakes_the_balance(client: Any, desk: Desk) -> None:
    (waiting,) = await watching(client.watch_balance())
    desk.deposit(KEY.account, "USDT", Decimal(500))
    balance = await soon(waiting)
    assert balance["USDT"]["total"] == 1_000_500
    assert balance["info"]["a"]["m"] == "DEPOSIT"


async def test_settings(client: Any) -> None:
    assert (await client.set_leverage(5, BTC))["leverage"] == 5
    assert (await client.fetch_leverage(BTC))["longLeverage"] == 5
    with pytest.raises(ccxt.pro.MarginModeAlreadySet):
        await client.fapiPrivatePostMarginType({"symbol": "BTCUSDT", "marginType": "CROSSED"})
    with pytest.raises(ccxt.pro.PermissionDenied, match="-4402"):
        await client.set_margin_mode("isolated", BTC)
    with pytest.raises(ccxt.pro.OperationRejected, match="-4059"):
        await client.set_position_mode(False)
    with pytest.raises(ccxt.pro.PermissionDenied, match="-4402"):
        await client.set_position_mode(True)
    with pytest.raises(ccxt.pro.BadRequest, match="-4028"):
        await client.fapiPrivatePostLeverage({"symbol": "BTCUSDT", "leverage": 126})
    assert (await client.fetch_position_mode())["hedged"] is False
    assert (await client.fetch_trading_fee(BTC))["taker"] == 0.0005
    tiers = (await client.fetch_leverage_tiers([BTC]))[BTC]
    assert (tiers[0]["maxLeverage"], tiers[0]["maintenanceMarginRate"], tiers[1]["minNotional"]) == (125, 0.004, 300_000)


async def test_deleveraging_comes_as_the_venues_own_order(client: Any, desk: Desk) -> None:
    await sell(client)
    resting = await client.create_order(BTC, "limit", "sell", 0.05, 61_000)
    (waiting,) = await watching(client.watch_orders(BTC))
    desk.deleverage(KEY.account, "BTCUSDT", Decimal("0.02"))
    await soon(waiting)
    await asyncio.sleep(0.1)
    forced = [order for order in client.orders if order["clientOrderId"] == "adl_autoclose"][-1]
    assert (forced["info"]["x"], forced["status"], forced["side"], forced["filled"]) == ("CALCULATED", "closed", "buy", 0.02)
    (position,) = await client.fetch_positions([BTC])
    assert position["contracts"] == 0.03
    assert (await client.fetch_order(resting["id"], BTC))["status"] == "canceled"
    fill = (await client.fetch_my_trades(BTC))[-1]
    assert (fill["order"], fill["amount"], fill["price"], fill["fee"]["cost"]) == (forced["id"], 0.02, 60_000, 0)
    assert (await client.fetch_order(forced["id"], BTC))["clientOrderId"] == "adl_autoclose"
    assert "adl_autoclose" in {order["clientOrderId"] for order in await client.fetch_orders(BTC)}


async def test_reduce_only_order_closes_and_never_flips(client: Any) -> None:
    await sell(client)
    order = await client.create_order(BTC, "limit", "buy", 0.08, 60_010, {"timeInForce": "IOC", "reduceOnly": True})
    assert order["filled"] == 0.05
    assert await client.fetch_positions([BTC]) == []


async def test_dead_man_countdown_cancels(client: Any, desk: Desk) -> None:
    await client.create_order(BTC, "limit", "sell", 0.05, 61_000)
    await client.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 200})
    assert len(desk.exchange.open_orders(KEY.account)) == 1
    await asyncio.sleep(0.5)
    assert desk.exchange.open_orders(KEY.account) == ()


async def test_usage_headers_count_weight_and_orders(client: Any) -> None:
    await sell(client)
    first = client.last_response_headers
    assert first["X-MBX-ORDER-COUNT-10S"] == "1"
    assert first["X-MBX-ORDER-COUNT-1M"] == "1"
    await client.fetch_balance()
    used = int(client.last_response_headers["X-MBX-USED-WEIGHT-1M"]) - int(first["X-MBX-USED-WEIGHT-1M"])
    assert used == 5 or used < 0  # the minute may have turned in between


async def test_listen_key_endpoints(client: Any) -> None:
    with pytest.raises(ccxt.pro.AuthenticationError, match="-1125"):
        await client.fapiPrivatePutListenKey()
    key = (await client.fapiPrivatePostListenKey())["listenKey"]
    assert (await client.fapiPrivatePostListenKey())["listenKey"] == key
    assert (await client.fapiPrivatePutListenKey())["listenKey"] == key
    await client.fapiPrivateDeleteListenKey()
    assert (await client.fapiPrivatePostListenKey())["listenKey"] != key


async def test_accounts_do_not_see_each_other(server: SimulatorServer) -> None:
    other = Credential(api_key="other", secret="other", account="other")
    desk = desk_of("binanceusdm", lambda exchange, keys: BinanceUsdm(exchange, [*keys, other]))
    desk.exchange.open_account("other", {"USDT": Decimal(10)})
    async with (
        serving(desk) as shared,
        client_of(shared, "binanceusdm") as mine,
        client_of(shared, "binanceusdm", apiKey="other", secret="other") as theirs,
    ):
        await mine.load_markets()
        await theirs.load_markets()
        (waiting,) = await watching(theirs.watch_balance())
        await sell(mine)
        await asyncio.sleep(0.2)
        assert not waiting.done()
        assert await theirs.fetch_positions([BTC]) == []
        waiting.cancel()
