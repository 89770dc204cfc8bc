"""The OKX dialect as the real ccxt.pro client sees it: production URLs, signing and error tables, over real HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.okx import OkxDialect
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import KEY, client_of, desk_of, soon, tick_of

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
BTC_ID = "BTC-USDT-SWAP"
D = Decimal


@pytest.fixture
def desk() -> Desk:
    return desk_of("okx", OkxDialect)


@pytest.fixture
async def client(server: SimulatorServer) -> AsyncIterator[Any]:
    async with client_of(server, "okx", options={"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"}) as connected:
        await connected.load_markets()
        yield connected


async def sell(client: Any, contracts: float = 5, price: float = 59_990, **params: Any) -> dict[str, Any]:
    order: dict[str, Any] = await client.create_order(BTC, "limit", "sell", contracts, price, {"timeInForce": "IOC"} | params)
    return order


async def watching(*waits: Any) -> list[asyncio.Task[Any]]:
    """Starts watchers and gives them time to log in and subscribe."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.sleep(0.3)
    return tasks


async def test_markets_are_swaps_counted_in_contracts(client: Any) -> None:
    in_usdc, in_coins = {"BTC/USDC:USDC", "ETH/USDC:USDC"}, {"BTC/USD:BTC", "ETH/USD:ETH"}
    assert set(client.symbols) == {BTC, ETH, "SOL/USDT:USDT"} | in_usdc | in_coins
    market = client.market(BTC)
    assert (market["id"], market["swap"], market["linear"], market["active"]) == (BTC_ID, True, True, True)
    assert (market["contractSize"], market["precision"]["amount"], market["precision"]["price"]) == (0.01, 0.01, 0.1)
    inverse = client.market("BTC/USD:BTC")
    assert (inverse["id"], inverse["inverse"], inverse["settle"], inverse["contractSize"]) == ("BTC-USD-SWAP", True, "BTC", 100)


async def test_a_client_with_default_options_loads_markets_too(server: SimulatorServer) -> None:
    async with client_of(server, "okx", options={"fetchCurrencies": True}) as client:
        assert BTC in await client.load_markets()
        assert "USDT" in client.currencies


async def test_time_book_and_tickers(client: Any) -> None:
    assert abs(await client.fetch_time() - wall_ms()) < 1_000
    book = await client.fetch_order_book(BTC, 5)
    assert (book["bids"][0][:2], book["asks"][0][:2], len(book["bids"])) == ([59_999.9, 200], [60_000.1, 200], 5)
    ticker = await client.fetch_ticker(BTC)
    assert (ticker["last"], ticker["bid"], ticker["ask"]) == (60_000, 59_999.9, 60_000.1)
    assert set(await client.fetch_tickers([BTC, ETH])) == {BTC, ETH}
    assert (await client.fetch_mark_price(BTC))["markPrice"] == 60_000


async def test_funding_open_interest_and_tiers(client: Any, desk: Desk) -> None:
    rate = await client.fetch_funding_rate(BTC)
    assert (rate["fundingRate"], rate["interval"]) == (0.0001, "8h")
    assert rate["fundingTimestamp"] == desk.exchange.market(BTC_ID).next_funding_at
    assert len(await client.fetch_funding_rates()) == len(desk.exchange.contracts)
    desk.settle_funding(BTC_ID)
    (settled,) = await client.fetch_funding_rate_history(BTC)
    assert settled["fundingRate"] == 0.0001
    interest = await client.fetch_open_interest(BTC)
    assert (interest["openInterestAmount"], interest["openInterestValue"]) == (5_000_000, 3_000_000_000), "in contracts of 0.01 BTC"
    assert (await client.fetch_market_leverage_tiers(BTC))[0]["maxLeverage"] == 100


async def test_an_immediate_order_answers_with_an_id_and_is_found_by_the_clients(client: Any) -> None:
    order = await sell(client, clientOrderId="h1epoch1n1")
    assert order["id"].isdigit()
    assert (order["clientOrderId"], order["status"], order["filled"]) == ("h1epoch1n1", None, None), "ids only, as at the real OKX"
    found = await client.fetch_order(None, BTC, {"clientOrderId": "h1epoch1n1"})
    assert (found["id"], found["status"], found["filled"], found["average"]) == (order["id"], "closed", 5, 59_999.9)
    assert found["fee"] == {"cost": 1.4999975, "currency": "USDT"}
    (trade,) = await client.fetch_my_trades(BTC)
    assert (trade["order"], trade["amount"], trade["takerOrMaker"], trade["fee"]["cost"]) == (order["id"], 5, "taker", 1.4999975)
    assert [row["id"] for row in await client.fetch_closed_orders(BTC)] == [order["id"]]


async def test_the_streams_of_an_account(client: Any) -> None:
    orders, trades, positions, balance = await watching(
        client.watch_orders(BTC), client.watch_my_trades(BTC), client.watch_positions([BTC]), client.watch_balance({"type": "swap"})
    )
    assert await soon(positions) == [], "the snapshot of an account without positions"
    assert (await soon(balance))["USDT"]["total"] == 1_000_000
    (positions, balance) = await watching(client.watch_positions([BTC]), client.watch_balance({"type": "swap"}))
    placed = await sell(client, clientOrderId="streamed1")
    assert (await soon(orders))[-1]["clientOrderId"] == "streamed1"
    (trade,) = await soon(trades)
    assert (trade["order"], trade["amount"], trade["price"], trade["takerOrMaker"]) == (placed["id"], 5, 59_999.9, "taker")
    (position,) = await soon(positions)
    assert (position["contracts"], position["side"], position["contractSize"]) == (5, "short", 0.01)
    assert (await soon(balance))["USDT"]["total"] < 1_000_000
    assert client.orders.hashmap[BTC][placed["id"]]["status"] == "closed"


async def test_watchers_without_a_symbol_wake_too(client: Any) -> None:
    orders, trades, positions = await watching(client.watch_orders(), client.watch_my_trades(), client.watch_positions())
    await soon(positions)
    (positions,) = await watching(client.watch_positions())
    await sell(client)
    assert (await soon(orders))[-1]["symbol"] == BTC
    assert (await soon(trades))[-1]["amount"] == 5
    assert (await soon(positions))[-1]["contracts"] == 5


async def test_the_streams_of_the_market(client: Any, desk: Desk) -> None:
    book = await soon(client.watch_order_book(BTC))
    assert book["bids"][0] == [59_999.9, 200]
    touch = await soon(client.watch_bids_asks([BTC]))
    assert touch[BTC]["bid"] == 59_999.9
    assert (await soon(client.watch_mark_price(BTC)))["markPrice"] == 60_000
    assert (await soon(client.watch_funding_rate(BTC)))["fundingRate"] == 0.0001
    assert (await soon(client.watch_ticker(BTC)))["last"] == 60_000
    next_book, next_touch, next_mark = await watching(
        client.watch_order_book(BTC), client.watch_bids_asks([BTC]), client.watch_mark_price(BTC)
    )
    desk.tick(tick_of(desk.exchange.contracts[BTC_ID], D(60_100)))
    assert (await soon(next_touch))[BTC]["bid"] == 60_099.9
    assert (await soon(next_book))["bids"][0] == [60_099.9, 200]
    assert (await soon(next_mark))["markPrice"] == 60_100


async def test_a_watched_book_stays_the_engines_book(client: Any, desk: Desk) -> None:
    contract = desk.exchange.contracts[BTC_ID]
    book = await soon(client.watch_order_book(BTC))
    for step in range(12):
        desk.tick(tick_of(contract, D(60_000 + step * 7 % 5)))
        await sell(client, 1, 59_000)
        book = await soon(client.watch_order_book(BTC))
    await asyncio.sleep(0.3)
    view = desk.exchange.book(BTC_ID, 400)
    assert [level[:2] for level in book["bids"]] == [[float(level.price), float(level.contracts)] for level in view.bids]
    assert [level[:2] for level in book["asks"]] == [[float(level.price), float(level.contracts)] for level in view.asks]
    assert book["nonce"] == view.sequence


async def test_a_resting_order_is_listed_and_canceled_by_client_id(client: Any) -> None:
    await client.create_order(BTC, "limit", "sell", 5, 61_000, {"clientOrderId": "rests1"})
    (open_order,) = await client.fetch_open_orders(BTC)
    assert (open_order["clientOrderId"], open_order["status"], open_order["remaining"]) == ("rests1", "open", 5)
    await client.cancel_order(None, BTC, {"clientOrderId": "rests1"})
    assert await client.fetch_open_orders(BTC) == []
    assert (await client.fetch_order(None, BTC, {"clientOrderId": "rests1"}))["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound, match="51400"):
        await client.cancel_order(None, BTC, {"clientOrderId": "rests1"})
    (canceled,) = await client.fetch_canceled_orders(BTC)
    assert canceled["clientOrderId"] == "rests1"


async def test_several_orders_are_canceled_at_once(client: Any) -> None:
    ids = [(await client.create_order(BTC, "limit", "sell", 1, 61_000 + step))["id"] for step in range(3)]
    await client.cancel_orders(ids, BTC)
    assert await client.fetch_open_orders() == []
    assert (await client.cancel_all_orders_after(10_000))["code"] == "0"


async def test_positions_balance_leverage_and_modes(client: Any) -> None:
    await client.set_leverage(4, BTC, {"mgnMode": "cross"})
    assert (await client.fetch_leverage(BTC, {"mgnMode": "cross"}))["shortLeverage"] == 4
    await client.set_position_mode(False)
    assert (await client.fetch_position_mode(BTC))["hedged"] is False
    await sell(client, 100)
    for (position,) in (await client.fetch_positions([BTC]), await client.fetch_positions()):
        assert (position["contracts"], position["side"], position["marginMode"], position["leverage"]) == (100, "short", "cross", 4)
        assert (position["entryPrice"], position["markPrice"], position["notional"]) == (59_999.9, 60_000, 60_000)
        assert position["maintenanceMargin"] == 240
    usdt = (await client.fetch_balance())["USDT"]
    assert usdt["used"] == pytest.approx(15_000)
    assert (await client.fetch_trading_fee(BTC))["taker"] == 0.0005


async def test_funding_paid_and_received(client: Any, desk: Desk) -> None:
    await sell(client, 100)
    desk.settle_funding(BTC_ID)
    (received,) = await client.fetch_funding_history(BTC)
    assert (received["amount"], received["code"], received["symbol"]) == (6, "USDT", BTC), "a short receives when the rate is positive"
    desk.tick(tick_of(desk.exchange.contracts[BTC_ID], rate="-0.0002"))
    await asyncio.sleep(0.01)
    desk.settle_funding(BTC_ID)
    assert [payment["amount"] for payment in await client.fetch_funding_history(BTC)] == [6, -12]


async def test_deleveraging_reaches_the_watchers(client: Any, desk: Desk) -> None:
    await sell(client, 100)
    orders, trades, positions = await watching(client.watch_orders(BTC), client.watch_my_trades(BTC), client.watch_positions([BTC]))
    await soon(positions)
    (positions,) = await watching(client.watch_positions([BTC]))
    desk.deleverage(KEY.account, BTC_ID, D(40))
    told = (await soon(orders))[-1]
    assert (told["info"]["category"], told["side"], told["filled"], told["status"]) == ("adl", "buy", 40, "closed")
    streamed = (await soon(trades))[-1]
    assert (streamed["amount"], streamed["price"], streamed["fee"]["cost"]) == (40, 60_000, 0)
    assert (await soon(positions))[0]["contracts"] == 60
    asked = {trade["id"]: trade for trade in await client.fetch_my_trades(BTC)}
    assert asked[streamed["id"]]["order"] == streamed["order"], "stream and REST name the same fill"


@pytest.mark.parametrize(
    ("contracts", "price", "params", "error", "code"),
    [
        (100_000, 60_010, {"timeInForce": "GTC"}, ccxt.InsufficientFunds, "51008"),
        (5, 50_000, {}, ccxt.InvalidOrder, "51006"),
        (5, 59_990, {"reduceOnly": True}, ccxt.ExchangeError, "51169"),
        (5, 59_990, {"clientOrderId": "with-dash"}, ccxt.BadRequest, "51000"),
        (5, 59_990, {"posSide": "long"}, ccxt.BadRequest, "51000"),
    ],
)
async def test_refusals_raise_what_production_would(
    client: Any, contracts: float, price: float, params: dict[str, Any], error: type[Exception], code: str
) -> None:
    with pytest.raises(error, match=code):
        await sell(client, contracts, price, **params)
    assert await client.fetch_positions() == []


@pytest.mark.parametrize(("size", "code"), [("0.001", "51020"), ("1.005", "51121")])
async def test_sizes_that_ccxt_would_have_rounded(client: Any, size: str, code: str) -> None:
    order = {"instId": BTC_ID, "tdMode": "cross", "side": "sell", "ordType": "ioc", "sz": size, "px": "59990"}
    with pytest.raises(ccxt.InvalidOrder, match=code):
        await client.privatePostTradeOrder(order)


async def test_a_client_id_is_not_taken_twice(client: Any) -> None:
    await client.create_order(BTC, "limit", "sell", 1, 61_000, {"clientOrderId": "once"})
    with pytest.raises(ccxt.InvalidOrder, match="51016"):
        await client.create_order(BTC, "limit", "sell", 1, 61_000, {"clientOrderId": "once"})


async def test_an_unknown_order_and_an_unknown_instrument(client: Any) -> None:
    with pytest.raises(ccxt.OrderNotFound, match="51603"):
        await client.fetch_order("999", BTC)
    with pytest.raises(ccxt.BadSymbol, match="51001"):
        await client.publicGetMarketTicker({"instId": "DOGE-USDT-SWAP"})


async def test_bad_credentials_and_clocks(server: SimulatorServer) -> None:
    cases: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
        ({"secret": "wrong"}, ccxt.AuthenticationError, "50113"),
        ({"apiKey": "wrong"}, ccxt.AuthenticationError, "50111"),
        ({"password": "wrong"}, ccxt.AuthenticationError, "50105"),
        ({"options": {"timeDifference": 31_000}}, ccxt.InvalidNonce, "50102"),
    )
    for config, error, code in cases:
        options = {"fetchMarkets": {"types": ["swap"]}} | config.pop("options", {})
        async with client_of(server, "okx", options=options, **config) as client:
            with pytest.raises(error, match=code):
                await client.fetch_balance()


async def test_a_login_with_a_wrong_secret_fails_the_watcher(client: Any) -> None:
    client.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError, match="60007"):
        await soon(client.watch_orders(BTC))


async def test_an_order_that_arrives_after_its_expiry_is_discarded(client: Any, server: SimulatorServer) -> None:
    client.headers = {"expTime": str(wall_ms() + 100)}
    server.plan.arm(Fault(venue="okx", kind=FaultKind.HOLD_REQUEST, operation=Operation.PLACE, delay_ms=300))
    with pytest.raises(ccxt.ExchangeError, match="50036"):
        await sell(client)
    client.headers = {}
    assert await client.fetch_positions() == []


async def test_orders_by_websocket(client: Any) -> None:
    order = await soon(client.create_order_ws(BTC, "limit", "sell", 5, 61_000, {"clientOrderId": "ws1"}))
    assert order["clientOrderId"] == "ws1"
    await soon(client.cancel_order_ws(order["id"], BTC))
    assert (await client.fetch_order(order["id"], BTC))["status"] == "canceled"


async def test_sandbox_mode_reaches_the_same_venue_and_says_so(server: SimulatorServer, desk: Desk) -> None:
    async with client_of(server, "okx", options={"fetchMarkets": {"types": ["swap"]}}) as client:
        client.set_sandbox_mode(True)
        await client.fetch_balance()
        assert (await soon(client.watch_bids_asks([BTC])))[BTC]["bid"] == 59_999.9
    assert isinstance(desk.dialect, OkxDialect)
    assert desk.dialect.simulated_trading_requests > 0
