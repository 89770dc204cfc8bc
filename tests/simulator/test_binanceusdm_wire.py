"""The Binance dialect over REST at exact instants: signatures, windows, limits, pages, timers."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from bot.simulator.dialects.binance import BinanceUsdm, Limits
from bot.simulator.dialects.dialect import Dialect, HttpRequest, Listening, Operation, Timed
from bot.simulator.listings import exchange_of
from tests.simulator.binance_bench import HOUR, NOW, Bench, body, frames
from tests.simulator.stand import KEY, tick_of


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_is_a_dialect(bench: Bench) -> None:
    dialect: Dialect = bench.dialect
    assert isinstance(dialect, Timed)
    assert isinstance(dialect, Listening)


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"key": None}, 401, -2014),
        ({"key": "nobody"}, 401, -2015),
        ({"secret": "wrong"}, 400, -1022),
        ({"signed": False}, 400, -1102),
        ({"sent_at": NOW - 5_000}, 200, None),
        ({"sent_at": NOW - 5_001}, 400, -1021),
        ({"sent_at": NOW - 5_001, "recvWindow": "6000"}, 200, None),
        ({"recvWindow": "60001"}, 400, -1131),
        ({"sent_at": NOW + 999}, 200, None),
        ({"sent_at": NOW + 1_000}, 400, -1021),
        ({"recvWindow": "1e3"}, 400, -1100),
    ],
)
def test_who_may_call_and_when(bench: Bench, options: dict[str, Any], status: int, code: int | None) -> None:
    reply = bench.call("GET", "/fapi/v3/balance", **options)
    assert reply.status == status
    if code is not None:
        assert body(reply)["code"] == code


def test_signature_covers_query_and_body_together(bench: Bench) -> None:
    query, rest = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC", f"quantity=0.05&price=61000&timestamp={NOW}"
    signature = hmac.new(KEY.secret.encode(), (query + rest).encode(), hashlib.sha256).hexdigest()
    for spoiled, status in ((rest, 200), (rest.replace("61000", "61001"), 400)):
        request = HttpRequest(
            method="POST",
            host="fapi.binance.com",
            path="/fapi/v1/order",
            query_string=query,
            headers={"X-MBX-APIKEY": KEY.api_key},
            body=f"{spoiled}&signature={signature}".encode(),
        )
        assert bench.dialect.handle(request, NOW).reply.status == status


def test_late_order_never_reaches_the_engine(bench: Bench) -> None:
    reply = bench.call(
        "POST",
        "/fapi/v1/order",
        now=NOW,
        sent_at=NOW - 3_001,
        recvWindow="3000",
        symbol="BTCUSDT",
        side="SELL",
        type="MARKET",
        quantity="0.05",
    )
    assert body(reply)["code"] == -1021
    assert bench.exchange.fills(KEY.account) == ()


def test_answers_have_the_venues_json_types(bench: Bench) -> None:
    order = body(bench.place(newOrderRespType="RESULT"))
    assert isinstance(order["orderId"], int)
    assert isinstance(order["updateTime"], int)
    assert order["reduceOnly"] is False
    assert (order["price"], order["origQty"], order["executedQty"]) == ("61000.00", "0.050", "0")
    brackets = bench.call("GET", "/fapi/v1/leverageBracket", symbol="BTCUSDT")
    assert b'"maintMarginRatio":0.004' in brackets.body
    assert b'"serverTime":1760000000123' in bench.call("GET", "/fapi/v1/time", signed=False).body


def test_bodies_that_are_no_requests_are_refused_not_raised(bench: Bench) -> None:
    for raw in (b"\xff\xfe", b"quantity=NaN", b"&&&=", b"symbol=BTCUSDT&quantity=1e5"):
        request = HttpRequest(
            method="POST",
            host="fapi.binance.com",
            path="/fapi/v1/order",
            query_string="",
            headers={"X-MBX-APIKEY": KEY.api_key},
            body=raw,
        )
        assert bench.dialect.handle(request, NOW).reply.status == 400


def test_unknown_paths_are_a_page_not_json(bench: Bench) -> None:
    reply = bench.call("GET", "/fapi/v1/teapot")
    assert (reply.status, reply.content_type) == (404, "text/html")
    assert bench.call("PATCH", "/fapi/v1/order").status == 404


def test_operations_name_what_a_fault_plan_aims_at(bench: Bench) -> None:
    named = {
        ("POST", "/fapi/v1/order"): Operation.PLACE,
        ("DELETE", "/fapi/v1/order"): Operation.CANCEL,
        ("GET", "/fapi/v1/order"): Operation.ORDER,
        ("GET", "/fapi/v1/userTrades"): Operation.FILLS,
        ("GET", "/fapi/v3/positionRisk"): Operation.POSITIONS,
        ("GET", "/fapi/v3/account"): Operation.BALANCE,
        ("GET", "/fapi/v1/income"): Operation.FUNDING_PAID,
        ("POST", "/fapi/v1/listenKey"): Operation.LISTEN_KEY,
        ("GET", "/fapi/v1/exchangeInfo"): Operation.MARKETS,
        ("GET", "/fapi/v1/depth"): Operation.MARKET_DATA,
        ("GET", "/fapi/v1/time"): Operation.CLOCK,
        ("GET", "/elsewhere"): Operation.UNKNOWN,
    }
    for (method, path), operation in named.items():
        request = HttpRequest(method=method, host="fapi.binance.com", path=path, query_string="", headers={}, body=b"")
        assert bench.dialect.operation(request) is operation


def test_weight_runs_out_and_comes_back_with_the_minute(bench: Bench) -> None:
    for _ in range(80):
        assert bench.call("GET", "/fapi/v1/income").status == 200
    reply = bench.call("GET", "/fapi/v1/income")
    assert (reply.status, body(reply)["code"], reply.headers["X-MBX-USED-WEIGHT-1M"]) == (429, -1003, "2430")
    wait = int(reply.headers["Retry-After"])
    later = NOW + wait * 1_000
    assert bench.call("GET", "/fapi/v1/income", now=later).headers["X-MBX-USED-WEIGHT-1M"] == "30"


def test_orders_are_limited_per_ten_seconds(bench: Bench) -> None:
    for _ in range(300):
        assert bench.place().status == 200
    reply = bench.place()
    assert (reply.status, body(reply)["code"]) == (429, -1015)
    assert len(bench.exchange.open_orders(KEY.account)) == 300
    assert bench.place(now=NOW + 10_000).status == 200


def test_limits_are_told_as_they_are_enforced() -> None:
    bench = Bench(Limits(orders_per_10s=2))
    told = body(bench.call("GET", "/fapi/v1/exchangeInfo", signed=False))["rateLimits"]
    assert [limit["limit"] for limit in told] == [2_400, 1_200, 2]
    assert [bench.place().status for _ in range(3)] == [200, 200, 429]


def test_order_lists_page_from_either_end(bench: Bench) -> None:
    ids = [body(bench.place(now=NOW + step))["orderId"] for step in range(5)]

    def listed(**parameters: Any) -> list[int]:
        return [row["orderId"] for row in body(bench.call("GET", "/fapi/v1/allOrders", symbol="BTCUSDT", **parameters))]

    assert listed() == ids
    assert listed(limit="2") == ids[-2:]
    assert listed(orderId=str(ids[1]), limit="2") == ids[1:3]
    assert listed(startTime=str(NOW + 3)) == ids[3:]
    assert listed(startTime=str(NOW + 1), endTime=str(NOW + 2)) == ids[1:3]


def test_fills_page_from_either_end(bench: Bench) -> None:
    for step in range(4):
        bench.place(now=NOW + step, type="LIMIT", timeInForce="IOC", price="59990", quantity="0.01")

    def listed(**parameters: Any) -> list[int]:
        return [row["time"] - NOW for row in body(bench.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", **parameters))]

    assert listed() == [0, 1, 2, 3]
    assert listed(limit="2") == [2, 3]
    assert listed(startTime=str(NOW + 1), limit="2") == [1, 2]
    first = body(bench.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT"))[1]["id"]
    assert listed(fromId=str(first), limit="2") == [1, 2]
    reply = bench.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", startTime="2", endTime="1")
    assert body(reply)["code"] == -1023


def test_public_lists_leave_out_contracts_without_a_price() -> None:
    exchange = exchange_of("binanceusdm", now=NOW)
    exchange.on_tick(tick_of(exchange.contracts["ETHUSDT"]), NOW)
    bench = Bench()
    bench.exchange, bench.dialect = exchange, BinanceUsdm(exchange, [KEY])
    rows = body(bench.call("GET", "/fapi/v1/premiumIndex", signed=False))
    assert [row["symbol"] for row in rows] == ["ETHUSDT"]
    assert body(bench.call("GET", "/fapi/v1/premiumIndex", signed=False, symbol="BTCUSDT"))["code"] == -4140
    socket = bench.socket("/market/ws/!markPrice@arr@1s")
    assert [[row["s"] for row in rows] for rows in frames(socket.beat(NOW))] == [["ETHUSDT"]]


def test_day_figures_count_trades_and_forget_after_a_day(bench: Bench) -> None:
    bench.dialect.heard(bench.move("60100"), NOW)
    query: dict[str, Any] = {"symbol": "BTCUSDT"}
    ticker = body(bench.call("GET", "/fapi/v1/ticker/24hr", signed=False, **query))
    assert (ticker["highPrice"], ticker["count"], ticker["volume"]) == ("60100.00", 0, "0")
    bench.dialect.heard(bench.move("59000", NOW + 10 * HOUR), NOW + 10 * HOUR)
    later = body(bench.call("GET", "/fapi/v1/ticker/24hr", signed=False, now=NOW + 20 * HOUR, **query))
    assert (later["highPrice"], later["lowPrice"], later["lastPrice"]) == ("60100.00", "59000.00", "59000.00")
    gone = body(bench.call("GET", "/fapi/v1/ticker/24hr", signed=False, now=NOW + 40 * HOUR, **query))
    assert gone["highPrice"] == "59000.00"


def test_countdown_is_set_again_switched_off_and_fires(bench: Bench) -> None:
    bench.place()
    for length in ("1000", "2000"):
        assert bench.call("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=length).status == 200
    assert bench.dialect.elapsed(NOW + 1_999) == ()
    assert len(bench.exchange.open_orders(KEY.account)) == 1
    bench.call("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime="0")
    assert bench.dialect.elapsed(NOW + 9_000) == ()
    bench.call("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime="500")
    assert len(bench.dialect.elapsed(NOW + 500)) > 0
    assert bench.exchange.open_orders(KEY.account) == ()
