"""The COIN-M dialect at exact instants: its limits, its words in streams and private events, and what both venues tell of margin."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.simulator.dialects.dialect import HttpReply, HttpRequest, Operation
from tests.simulator.binance_bench import HOUR, NOW, Bench, CoinBench, body, frames, market_buy

BTC = "BTCUSD_PERP"
both = pytest.mark.parametrize("make", [Bench, CoinBench], ids=["usd-m", "coin-m"])


@pytest.fixture
def bench() -> CoinBench:
    return CoinBench()


def test_limits_are_told_as_they_are_enforced(bench: CoinBench) -> None:
    told = body(bench.call("GET", "/dapi/v1/exchangeInfo", signed=False))
    assert [(limit["rateLimitType"], limit["interval"], limit["limit"]) for limit in told["rateLimits"]] == [
        ("REQUEST_WEIGHT", "MINUTE", 2_400),
        ("ORDERS", "MINUTE", 1_200),
    ]
    assert {each.status for each in (bench.place(now=NOW + step // 500 * 10_000) for step in range(1_200))} == {200}
    late = bench.place(now=NOW + 30_000)
    assert (late.status, body(late)["code"]) == (429, -1015)


def test_a_listed_contract_has_its_size_and_no_smallest_notional(bench: CoinBench) -> None:
    btc, eth, _ = body(bench.call("GET", "/dapi/v1/exchangeInfo", signed=False))["symbols"]
    assert (btc["contractStatus"], btc["contractSize"], btc["pair"], btc["marginAsset"]) == ("TRADING", 100, "BTCUSD", "BTC")
    assert (eth["contractSize"], eth["pricePrecision"], btc["pricePrecision"], btc["quantityPrecision"]) == (10, 2, 1, 0)
    assert "status" not in btc
    assert "MIN_NOTIONAL" not in {each["filterType"] for each in btc["filters"]}


def test_weights_are_the_venues_own(bench: CoinBench) -> None:
    def weight(path: str, **parameters: str) -> int:
        before = int(bench.call("GET", "/dapi/v1/ping", signed=False).headers["X-MBX-USED-WEIGHT-1M"])
        after = int(bench.call("GET", path, **parameters).headers["X-MBX-USED-WEIGHT-1M"])
        return after - before

    assert weight("/dapi/v1/userTrades", symbol=BTC) == 20
    assert weight("/dapi/v1/userTrades", pair="BTCUSD") == 40
    assert weight("/dapi/v1/positionRisk") == 1
    assert weight("/dapi/v1/premiumIndex", symbol=BTC) == 10
    assert weight("/dapi/v1/income") == 20


def test_pages_are_shorter_and_a_pair_names_them_too(bench: CoinBench) -> None:
    for step in range(60):
        bench.place(now=NOW + step, timeInForce="IOC", price="59990", quantity="1")
    listed = body(bench.call("GET", "/dapi/v1/allOrders", symbol=BTC))
    assert [row["time"] for row in listed] == list(range(NOW + 10, NOW + 60))
    assert len(body(bench.call("GET", "/dapi/v1/allOrders", symbol=BTC, limit="1000"))) == 60
    assert len(body(bench.call("GET", "/dapi/v1/userTrades", pair="BTCUSD"))) == 50
    assert body(bench.call("GET", "/dapi/v1/userTrades"))["code"] == -1102


def test_tiers_are_bounded_by_coins(bench: CoinBench) -> None:
    (listed,) = body(bench.call("GET", "/dapi/v2/leverageBracket", symbol=BTC))
    assert listed["brackets"][1] == {
        "bracket": 2,
        "initialLeverage": 100,
        "qtyCap": 10,
        "qtyFloor": 5,
        "maintMarginRatio": 0.005,
        "cum": 0.005,
    }


def test_operations_name_what_a_fault_plan_aims_at(bench: CoinBench) -> None:
    named = {
        ("POST", "/dapi/v1/order"): Operation.PLACE,
        ("GET", "/dapi/v1/positionRisk"): Operation.POSITIONS,
        ("GET", "/dapi/v1/account"): Operation.BALANCE,
        ("PUT", "/dapi/v1/listenKey"): Operation.LISTEN_KEY,
        ("GET", "/dapi/v2/leverageBracket"): Operation.SETTINGS,
        ("GET", "/fapi/v1/time"): Operation.UNKNOWN,
    }
    for (method, path), operation in named.items():
        request = HttpRequest(method=method, host=bench.rest, path=path, query_string="", headers={}, body=b"")
        assert bench.dialect.operation(request) is operation


def test_streams_have_one_path_and_name_the_pair(bench: CoinBench) -> None:
    assert isinstance(bench.dialect.open_socket(bench.stream, "/public/ws", "", NOW), HttpReply)
    names = ("bookTicker", "depth@100ms", "markPrice@1s", "ticker", "trade")
    socket = bench.socket("/stream", "streams=" + "/".join(f"btcusd_perp@{name}" for name in names))
    told = frames(socket.published(bench.move("60010"), NOW)) + frames(socket.beat(NOW))
    rows = {frame["data"]["e"]: frame["data"] for frame in told}
    assert rows.keys() == {"bookTicker", "depthUpdate", "markPriceUpdate", "24hrTicker"}
    assert {event: row.get("ps") for event, row in rows.items()} == {
        "bookTicker": "BTCUSD",
        "depthUpdate": "BTCUSD",
        "markPriceUpdate": None,
        "24hrTicker": "BTCUSD",
    }
    assert (rows["markPriceUpdate"]["p"], rows["markPriceUpdate"]["i"]) == ("60010", "60009.9")
    assert (rows["bookTicker"]["b"], rows["bookTicker"]["B"]) == ("60009.9", "1200")


def test_private_events_say_whose_they_are_and_in_what_they_settle(bench: CoinBench) -> None:
    socket = bench.socket(f"/ws/{bench.listen_key()}")
    _, reports = bench.exchange.place(market_buy("30", BTC), NOW)
    new, traded, account = frames(socket.published(reports, NOW))
    assert {event["i"] for event in (new, traded, account)} == {"SgsR"}
    assert (new["o"]["x"], traded["o"]["x"], traded["o"]["ma"], traded["o"]["N"]) == ("NEW", "TRADE", "BTC", "BTC")
    assert not {"er", "gtd"} & traded["o"].keys()
    assert (account["a"]["P"][0]["pa"], account["a"]["B"][0]["a"]) == ("30", "BTC")


def test_an_expired_key_is_told_without_its_name(bench: CoinBench) -> None:
    socket = bench.socket(f"/ws/{bench.listen_key()}")
    bench.call("PUT", "/dapi/v1/listenKey", signed=False, now=NOW + HOUR - 1)
    assert socket.beat(NOW + HOUR + 1) == ()
    late = NOW + 2 * HOUR
    assert frames(socket.beat(late)) == [{"e": "listenKeyExpired", "E": late}]
    assert socket.beat(late + 100) == ()
    _, reports = bench.exchange.place(market_buy("30", BTC), late)
    assert socket.published(reports, late) == ()


def test_an_order_that_may_not_take_is_new_and_then_expired(bench: CoinBench) -> None:
    socket = bench.socket(f"/ws/{bench.listen_key()}")
    answer = body(bench.place(timeInForce="GTX", price="59990", newOrderRespType="RESULT"))
    assert (answer["status"], answer["executedQty"], answer["cumBase"]) == ("EXPIRED", "0", "0")
    assert body(bench.call("GET", "/dapi/v1/order", symbol=BTC, orderId=str(answer["orderId"])))["status"] == "EXPIRED"
    assert body(bench.place(timeInForce="GTX", price="59990"))["status"] == "NEW", "an acknowledgement says nothing of it"
    assert socket.published((), NOW) == []


def stretched(make: type[Bench]) -> Bench:
    """An account that holds as much as ten times its margin allows: bought at 60,000."""
    if make is CoinBench:
        bench, contracts = make(wallets={"BTC": Decimal(1)}), "5000"
    else:
        bench, contracts = make(wallets={"USDT": Decimal(50_000)}), "8"
    bench.exchange.place(market_buy(contracts, bench.order["symbol"]), NOW)
    return bench


@both
def test_a_margin_that_runs_out_is_told_once(make: type[Bench]) -> None:
    bench = stretched(make)
    near = "53860" if make is CoinBench else "54050"
    socket = bench.socket("/ws/" + bench.listen_key())
    assert socket.beat(NOW) == ()
    bench.move(near)
    (called,) = frames(socket.beat(NOW + 1_000))
    assert (called["e"], [row["s"] for row in called["p"]]) == ("MARGIN_CALL", [bench.order["symbol"]])
    assert called.get("i") == ("SgsR" if make is CoinBench else None)
    assert socket.beat(NOW + 2_000) == (), "once"
    bench.move("60000")
    assert socket.beat(NOW + 3_000) == ()
    bench.move(near)
    assert len(socket.beat(NOW + 4_000)) == 1, "and again after it was well in between"


@both
def test_liquidations_are_printed_for_everybody(make: type[Bench]) -> None:
    bench = stretched(make)
    symbol = bench.order["symbol"]
    single, all_of_them = bench.socket(f"/ws/{symbol.lower()}@forceOrder"), bench.socket("/ws/!forceOrder@arr")
    reports = bench.move("53000")
    told = frames(single.published(reports, NOW))
    assert {(frame["e"], frame["o"]["s"], frame["o"]["S"]) for frame in told} == {("forceOrder", symbol, "SELL")}
    assert frames(all_of_them.published(reports, NOW)) == told
    listed = body(bench.call("GET", f"{bench.api}/forceOrders", symbol=symbol, autoCloseType="LIQUIDATION"))
    assert sum(Decimal(row["executedQty"]) for row in listed) == sum(Decimal(frame["o"]["q"]) for frame in told)
