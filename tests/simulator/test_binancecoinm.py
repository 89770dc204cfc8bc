"""The COIN-M dialect as the real ccxt.pro client sees it: production URLs, signing and error tables, over real HTTP and WebSocket.

What both Binance venues share is tested on USD-M (`test_binanceusdm*`); here is what differs, and that the rest is wired in.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.binance import BinanceCoinm, BinanceUsdm
from tests.simulator.stand import KEY, client_of, desk_of, serving, soon, tick_of, watching

BTC = "BTC/USD:BTC"
ETH = "ETH/USD:ETH"
FILLED_AT = 59_999.9
COINS = 30 * 100 / FILLED_AT
"""What 30 contracts are worth where the touch is."""


@pytest.fixture
def desk() -> Desk:
    return desk_of("binancecoinm", BinanceCoinm)


async def sell(client: Any, contracts: int = 30, price: float = 59_990, **params: Any) -> Any:
    return await client.create_order(BTC, "limit", "sell", contracts, price, {"timeInForce": "IOC"} | params)


async def test_markets_are_inverse_with_their_contract_sizes(client: Any) -> None:
    assert set(client.symbols) == {BTC, ETH, "SOL/USD:SOL"}
    market = client.market(BTC)
    assert (market["id"], market["swap"], market["inverse"], market["active"]) == ("BTCUSD_PERP", True, True, True)
    assert (market["contractSize"], client.market(ETH)["contractSize"]) == (100, 10)
    assert (market["precision"]["amount"], market["precision"]["price"]) == (1, 0.1)
    assert (market["base"], market["quote"], market["settle"]) == ("BTC", "USD", "BTC")
    assert (market["limits"]["amount"]["min"], market["limits"]["cost"]["min"]) == (1, None)


async def test_a_client_with_default_options_loads_markets_where_usd_m_answers_for_the_spot_host() -> None:
    async with (
        serving(desk_of("binancecoinm", BinanceCoinm), desk_of("binanceusdm", BinanceUsdm)) as server,
        client_of(server, "binancecoinm", options={"fetchCurrencies": True, "fetchMargins": True}) as client,
    ):
        assert BTC in await client.load_markets()


async def test_public_market_data(client: Any) -> None:
    assert abs(await client.fetch_time() - wall_ms()) < 1_000
    book = await client.fetch_order_book(BTC, 5)
    assert (book["bids"][0], book["asks"][0]) == ([59_999.9, 1_200], [60_000.1, 1_200])
    ticker = await client.fetch_ticker(BTC)
    assert (ticker["last"], ticker["info"]["pair"]) == (60_000, "BTCUSD")
    touch = (await client.fetch_bids_asks([BTC]))[BTC]
    assert (touch["bid"], touch["ask"]) == (59_999.9, 60_000.1)
    interest = await client.fetch_open_interest(BTC)
    assert interest["openInterestAmount"] == 50_000 * 60_000 / 100
    assert interest["info"]["contractType"] == "PERPETUAL"
    rates = await client.fetch_funding_rates()
    assert {symbol: rates[symbol]["fundingRate"] for symbol in (BTC, ETH)} == {BTC: 0.0001, ETH: 0.0001}
    assert (await client.fetch_funding_rate(BTC))["indexPrice"] == 59_999.9
    assert (await client.fetch_funding_intervals())[BTC]["interval"] == "8h"


async def test_day_figures_count_contracts_and_coins(client: Any) -> None:
    await sell(client)
    ticker = await client.fetch_ticker(BTC)
    assert ticker["info"]["volume"] == "30"
    assert float(ticker["info"]["baseVolume"]) == pytest.approx(COINS)
    assert ticker["vwap"] == pytest.approx(FILLED_AT)


async def test_one_symbol_is_answered_as_a_list_too(client: Any) -> None:
    for ask in (client.dapiPublicGetPremiumIndex, client.dapiPublicGetTicker24hr, client.dapiPublicGetTickerBookTicker):
        (row,) = await ask({"symbol": "BTCUSD_PERP"})
        assert (row["symbol"], row["pair"]) == ("BTCUSD_PERP", "BTCUSD")
        assert [row["symbol"] for row in await ask({"pair": "ETHUSD"})] == ["ETHUSD_PERP"]
    with pytest.raises(ccxt.pro.BadSymbol, match="-4087"):
        await client.dapiPublicGetPremiumIndex({"pair": "DOGEUSD"})


async def test_watched_order_book_follows_the_engine(client: Any, desk: Desk) -> None:
    book = await soon(client.watch_order_book(BTC))
    contract = desk.exchange.contracts["BTCUSD_PERP"]
    for fair in ("60010", "59950", "60033.3"):
        desk.tick(tick_of(contract, Decimal(fair)))
        view = desk.exchange.book("BTCUSD_PERP")
        async with asyncio.timeout(5):
            while book["nonce"] != view.sequence:
                book = await client.watch_order_book(BTC)
        assert book["bids"][:10] == [[float(level.price), float(level.contracts)] for level in view.bids[:10]]
        assert book["asks"][:10] == [[float(level.price), float(level.contracts)] for level in view.asks[:10]]


async def test_touch_mark_ticker_and_trades_are_watched(client: Any, desk: Desk) -> None:
    touch, trades = await watching(client.watch_bids_asks([BTC]), client.watch_trades(BTC))
    desk.tick(tick_of(desk.exchange.contracts["BTCUSD_PERP"], Decimal(60_500)))
    assert (await soon(touch))[BTC]["bid"] == 60_499.9
    desk.tick(tick_of(desk.exchange.contracts["BTCUSD_PERP"]))
    await sell(client)
    (trade,) = await soon(trades)
    assert (trade["side"], trade["amount"], trade["price"]) == ("sell", 30, FILLED_AT)
    mark = await soon(client.watch_mark_price(BTC))
    assert (mark["markPrice"], mark["indexPrice"]) == (60_000, 59_999.9)
    ticker = await soon(client.watch_ticker(BTC))
    assert (ticker["last"], ticker["info"]["ps"]) == (FILLED_AT, "BTCUSD")


async def test_an_order_fills_in_contracts_and_is_worth_coins(client: Any, desk: Desk) -> None:
    order = await sell(client, clientOrderId="hedge1")
    assert (order["status"], order["filled"], order["average"], order["clientOrderId"]) == (
        "closed",
        30,
        pytest.approx(FILLED_AT),
        "hedge1",
    )
    found = await client.fetch_order(None, BTC, {"clientOrderId": "hedge1"})
    assert (found["id"], found["info"]["cumBase"], found["info"]["pair"]) == (order["id"], "0.05000008", "BTCUSD")
    assert [position.contracts for position in desk.exchange.positions(KEY.account)] == [Decimal(-30)]
    (fill,) = await client.fetch_my_trades(BTC)
    assert (fill["order"], fill["takerOrMaker"], fill["amount"]) == (order["id"], "taker", 30)
    assert fill["fee"] == {"cost": pytest.approx(COINS * 0.0005, abs=1e-8), "currency": "BTC"}
    assert fill["info"]["baseQty"] == "0.05000008"


async def test_the_average_of_fills_at_several_prices_is_the_one_that_gives_their_worth(client: Any) -> None:
    order = await sell(client, 2_000)
    assert order["filled"] == 2_000
    coins = Decimal(order["info"]["cumBase"])
    assert Decimal(order["info"]["avgPrice"]) == pytest.approx(Decimal(200_000) / coins, abs=Decimal("0.01"))
    assert 59_999.8 < order["average"] < FILLED_AT


async def test_resting_orders_are_listed_canceled_and_kept(client: Any) -> None:
    order = await client.create_order(BTC, "limit", "sell", 30, 61_000, {"clientOrderId": "rest1", "postOnly": True})
    assert order["status"] == "open"
    assert [row["id"] for row in await client.fetch_open_orders(BTC)] == [order["id"]]
    assert (await client.cancel_order(None, BTC, {"clientOrderId": "rest1"}))["status"] == "canceled"
    assert [row["id"] for row in await client.fetch_orders(BTC)] == [order["id"]]
    with pytest.raises(ccxt.pro.OrderNotFound, match="-2011"):
        await client.cancel_order(order["id"], BTC)
    with pytest.raises(ccxt.pro.OrderNotFound, match="-2013"):
        await client.fetch_order("1", BTC)
    for price in (61_000, 61_001):
        await client.create_order(BTC, "limit", "sell", 30, price)
    await client.cancel_all_orders(BTC)
    assert await client.fetch_open_orders(BTC) == []


async def test_batches_answer_each_order_on_its_own(client: Any) -> None:
    wanted = {"symbol": BTC, "type": "limit", "side": "sell", "amount": 30, "price": 61_000}
    bad, good = await client.create_orders([wanted, wanted | {"price": 50_000}])
    assert good["status"] == "open"
    assert (bad["id"], bad["info"]["code"]) == (None, -4024)


@pytest.mark.parametrize(
    ("params", "contracts"), [({"postOnly": True}, 30), ({"timeInForce": "FOK"}, 2_500)], ids=["post only", "fill or kill"]
)
async def test_what_an_order_may_not_do_expires_and_leaves_a_trace(client: Any, params: dict[str, Any], contracts: int) -> None:
    (waiting,) = await watching(client.watch_orders(BTC))
    price = 59_990 if "postOnly" in params else FILLED_AT
    order = await client.create_order(BTC, "limit", "sell", contracts, price, {"clientOrderId": "maker1"} | params)
    assert (order["status"], order["filled"]) == ("expired", 0)
    assert (await client.fetch_order(None, BTC, {"clientOrderId": "maker1"}))["status"] == "expired"
    assert [row["clientOrderId"] for row in await client.fetch_orders(BTC)] == ["maker1"]
    await soon(waiting)
    async with asyncio.timeout(5):
        while client.orders[-1]["status"] != "expired":
            await client.watch_orders(BTC)


async def test_private_streams_wake_in_order(client: Any) -> None:
    client.newUpdates = True
    await soon(client.watch_positions([BTC]))
    tasks = await watching(client.watch_orders(BTC), client.watch_my_trades(BTC), client.watch_positions([BTC]), client.watch_balance())
    order = await sell(client, clientOrderId="stream1")
    orders, fills, positions, balance = [await soon(task) for task in tasks]
    assert (orders[-1]["id"], orders[-1]["status"], orders[-1]["filled"]) == (order["id"], "closed", 30)
    assert orders[-1]["info"]["ma"] == "BTC"
    assert (fills[0]["order"], fills[0]["amount"], fills[0]["fee"]["currency"]) == (order["id"], 30, "BTC")
    assert (positions[0]["side"], positions[0]["contracts"], positions[0]["entryPrice"]) == ("short", 30, pytest.approx(FILLED_AT))
    assert balance["BTC"]["total"] == pytest.approx(20 - COINS * 0.0005, abs=1e-8)
    assert balance["info"]["i"] == "SgsR"


async def test_positions_and_balance_are_told_in_coins(client: Any) -> None:
    await sell(client)
    (position,) = await client.fetch_positions([BTC])
    assert (position["side"], position["contracts"], position["markPrice"], position["contractSize"]) == ("short", 30, 60_000, 100)
    assert position["leverage"] == 10
    rows = await client.dapiPrivateGetPositionRisk()
    assert [(row["symbol"], row["positionAmt"]) for row in rows] == [("BTCUSD_PERP", "-30"), ("ETHUSD_PERP", "0"), ("SOLUSD_PERP", "0")]
    assert [row["symbol"] for row in await client.dapiPrivateGetPositionRisk({"marginAsset": "ETH"})] == ["ETHUSD_PERP"]
    assert [row["symbol"] for row in await client.dapiPrivateGetPositionRisk({"pair": "BTCUSD"})] == ["BTCUSD_PERP"]
    assert (rows[0]["notionalValue"], rows[0]["marginType"], rows[0]["maxQty"]) == ("-0.05", "cross", "100")
    balance = await client.fetch_balance()
    assert balance["BTC"]["total"] == pytest.approx(20 - COINS * 0.0005, abs=1e-6)
    assert balance["ETH"]["total"] == 400
    (asset,) = [row for row in balance["info"]["assets"] if row["asset"] == "BTC"]
    assert asset["maintMargin"] == "0.00020"
    rows = await client.dapiPrivateGetBalance()
    assert {row["asset"]: row["crossWalletBalance"] for row in rows}["ETH"] == "400"


async def test_funding_is_paid_in_coins(client: Any, desk: Desk) -> None:
    await sell(client)
    (waiting,) = await watching(client.watch_balance())
    desk.settle_funding("BTCUSD_PERP")
    told = (await soon(waiting))["info"]["a"]
    assert (told["m"], told["P"], told["B"][0]["a"], told["B"][0]["bc"]) == ("FUNDING_FEE", [], "BTC", "0.00000500")
    (settled,) = await client.fetch_funding_rate_history(BTC)
    assert settled["fundingRate"] == 0.0001
    (paid,) = await client.fetch_funding_history(BTC)
    assert (paid["amount"], paid["code"]) == (0.000005, "BTC")
    with pytest.raises(ccxt.pro.BadRequest, match="-1102"):
        await client.dapiPublicGetFundingRate()


async def test_settings(client: Any) -> None:
    assert (await client.set_leverage(5, BTC))["maxQty"] == "200"
    with pytest.raises(ccxt.pro.MarginModeAlreadySet):
        await client.dapiPrivatePostMarginType({"symbol": "BTCUSD_PERP", "marginType": "CROSSED"})
    with pytest.raises(ccxt.pro.OperationRejected, match="-4059"):
        await client.set_position_mode(False)
    with pytest.raises(ccxt.pro.BadRequest, match="-4028"):
        await client.dapiPrivatePostLeverage({"symbol": "BTCUSD_PERP", "leverage": 126})
    assert (await client.fetch_position_mode())["hedged"] is False
    fees = await client.fetch_trading_fee(BTC)
    assert (fees["maker"], fees["taker"]) == (0.0001, 0.0005)
    tiers = (await client.fetch_leverage_tiers([BTC]))[BTC]
    assert (tiers[0]["maxLeverage"], tiers[0]["maintenanceMarginRate"], tiers[1]["minNotional"]) == (125, 0.004, 5)


async def test_deleveraging_comes_as_the_venues_own_order(client: Any, desk: Desk) -> None:
    await sell(client)
    (waiting,) = await watching(client.watch_orders(BTC))
    desk.exchange.rank(KEY.account, "BTCUSD_PERP", Decimal("0.9"))
    (ranked,) = await client.dapiPrivateGetAdlQuantile({"symbol": "BTCUSD_PERP"})
    assert ranked["adlQuantile"]["BOTH"] == 4
    desk.deleverage(KEY.account, "BTCUSD_PERP", Decimal(10))
    await soon(waiting)
    await asyncio.sleep(0.1)
    forced = [order for order in client.orders if order["clientOrderId"] == "adl_autoclose"][-1]
    assert (forced["info"]["x"], forced["status"], forced["side"], forced["filled"]) == ("CALCULATED", "closed", "buy", 10)
    (position,) = await client.fetch_positions([BTC])
    assert position["contracts"] == 20
    (row,) = await client.dapiPrivateGetForceOrders({"symbol": "BTCUSD_PERP", "autoCloseType": "ADL"})
    assert (row["clientOrderId"], row["executedQty"], row["cumBase"]) == ("adl_autoclose", "10", "0.01666667")
    assert await client.dapiPrivateGetForceOrders({"autoCloseType": "LIQUIDATION"}) == []


async def test_reduce_only_order_closes_and_never_flips(client: Any) -> None:
    await sell(client)
    order = await client.create_order(BTC, "limit", "buy", 80, 60_010, {"timeInForce": "IOC", "reduceOnly": True})
    assert order["filled"] == 30
    assert await client.fetch_positions([BTC]) == []


async def test_dead_man_countdown_cancels(client: Any, desk: Desk) -> None:
    await client.create_order(BTC, "limit", "sell", 30, 61_000)
    await client.dapiPrivatePostCountdownCancelAll({"symbol": "BTCUSD_PERP", "countdownTime": 200})
    assert len(desk.exchange.open_orders(KEY.account)) == 1
    async with asyncio.timeout(5):
        while desk.exchange.open_orders(KEY.account):  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.05)


async def test_usage_headers_count_orders_by_the_minute_alone(client: Any) -> None:
    await sell(client)
    told = client.last_response_headers
    assert told["X-MBX-ORDER-COUNT-1M"] == "1"
    assert "X-MBX-ORDER-COUNT-10S" not in told
    assert "X-MBX-USED-WEIGHT-1M" in told


async def test_listen_key_endpoints(client: Any) -> None:
    with pytest.raises(ccxt.pro.AuthenticationError, match="-1125"):
        await client.dapiPrivatePutListenKey()
    key = (await client.dapiPrivatePostListenKey())["listenKey"]
    assert (await client.dapiPrivatePostListenKey())["listenKey"] == key
    assert await client.dapiPrivatePutListenKey() == {}
    await client.dapiPrivateDeleteListenKey()
    assert (await client.dapiPrivatePostListenKey())["listenKey"] != key


REFUSED = [
    ({"quantity": "0.5"}, ccxt.pro.BadRequest, -1111),
    ({"quantity": "0"}, ccxt.pro.BadRequest, -4003),
    ({"quantity": "2000000"}, ccxt.pro.BadRequest, -4005),
    ({"price": "60000.05"}, ccxt.pro.BadRequest, -1111),
    ({"price": "50000"}, ccxt.pro.BadRequest, -4024),
    ({"side": "BUY", "price": "70000"}, ccxt.pro.BadRequest, -4016),
    ({"side": "BUY", "reduceOnly": "true"}, ccxt.pro.InvalidOrder, -2022),
    ({"quantity": "200000"}, ccxt.pro.OperationRejected, -2027),
    ({"symbol": "DOGEUSD_PERP"}, ccxt.pro.BadSymbol, -1121),
    ({"timeInForce": "GTD"}, ccxt.pro.BadRequest, -1115),
    ({"newClientOrderId": "no spaces please"}, ccxt.pro.BadRequest, -4015),
]


@pytest.mark.parametrize(("changed", "error", "code"), REFUSED, ids=lambda value: str(value) if isinstance(value, int) else None)
async def test_refusals_are_the_production_classes(client: Any, desk: Desk, changed: Any, error: Any, code: int) -> None:
    good = {"symbol": "BTCUSD_PERP", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "30", "price": "61000"}
    with pytest.raises(error, match=f'"code":{code},') as raised:
        await client.dapiPrivatePostOrder(good | changed)
    assert type(raised.value) is error
    assert desk.exchange.open_orders(KEY.account) == ()


async def test_margin_is_counted_in_coins(client: Any) -> None:
    await client.set_leverage(1, BTC)
    with pytest.raises(ccxt.pro.InsufficientFunds, match="-2019"):
        await client.create_order(BTC, "limit", "sell", 12_100, 60_000)
    assert (await client.create_order(BTC, "limit", "sell", 11_900, 60_000))["status"] == "open"
