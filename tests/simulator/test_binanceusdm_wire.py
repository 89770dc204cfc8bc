"""The Binance dialect without sockets: signatures, windows, limits, expiry and stream frames at exact instants."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from bot.core.units import Millis
from bot.simulator.dialects.binanceusdm import BinanceUsdm
from bot.simulator.dialects.dialect import Dialect, HttpReply, HttpRequest, Listening, Operation, Socket, Timed
from bot.simulator.exchange import Exchange
from bot.simulator.listings import exchange_of
from bot.simulator.model import OrderKind, OrderReport, OrderRequest, Report, Side, TimeInForce
from tests.simulator.stand import KEY, tick_of

NOW: Millis = 1_760_000_000_123
HOUR: Millis = 3_600_000


class Bench:
    """A dialect at hand, its clock in the test's hand."""

    def __init__(self) -> None:
        self.exchange: Exchange = exchange_of("binanceusdm", now=NOW)
        self.exchange.open_account(KEY.account, {"USDT": Decimal(1_000_000)})
        self.dialect = BinanceUsdm(self.exchange, [KEY])
        for contract in self.exchange.contracts.values():
            self.exchange.on_tick(tick_of(contract), NOW)

    def call(
        self,
        method: str,
        path: str,
        *,
        now: Millis = NOW,
        sent_at: Millis | None = None,
        key: str | None = KEY.api_key,
        secret: str = KEY.secret,
        signed: bool = True,
        **parameters: str,
    ) -> HttpReply:
        query = urlencode(parameters)
        if signed:
            query = "&".join(part for part in (query, f"timestamp={now if sent_at is None else sent_at}") if part)
            query += "&signature=" + hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        in_body = method in ("POST", "PUT")
        return self.dialect.handle(
            HttpRequest(
                method=method,
                host="fapi.binance.com",
                path=path,
                query_string="" if in_body else query,
                headers={} if key is None else {"x-mbx-apikey": key},
                body=query.encode() if in_body else b"",
            ),
            now,
        ).reply

    def place(self, now: Millis = NOW, **changed: str) -> HttpReply:
        order: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.05",
            "price": "61000",
        }
        return self.call("POST", "/fapi/v1/order", now=now, **(order | changed))

    def socket(self, path: str, query: str = "", now: Millis = NOW) -> Socket:
        opened = self.dialect.open_socket("fstream.binance.com", path, query, now)
        assert not isinstance(opened, HttpReply)
        return opened

    def move(self, fair: str, now: Millis = NOW) -> Sequence[Report]:
        return self.exchange.on_tick(tick_of(self.exchange.contracts["BTCUSDT"], Decimal(fair)), now)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def body(reply: HttpReply) -> Any:
    return orjson.loads(reply.body)


def market_buy(contracts: str) -> OrderRequest:
    return OrderRequest(
        account=KEY.account,
        symbol="BTCUSDT",
        side=Side.BUY,
        kind=OrderKind.MARKET,
        time_in_force=TimeInForce.IOC,
        contracts=Decimal(contracts),
    )


def frames(texts: Sequence[str]) -> list[Any]:
    return [orjson.loads(text) for text in texts]


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


def test_listen_key_expires_after_an_hour_without_extension(bench: Bench) -> None:
    key = body(bench.call("POST", "/fapi/v1/listenKey", signed=False))["listenKey"]
    socket = bench.socket("/private/ws", f"listenKey={key}")
    bench.call("PUT", "/fapi/v1/listenKey", signed=False, now=NOW + HOUR - 1)
    assert socket.beat(NOW + HOUR + 1) == ()
    expired = frames(socket.beat(NOW + 2 * HOUR))
    assert [(event["e"], event["listenKey"]) for event in expired] == [("listenKeyExpired", key)]
    assert socket.beat(NOW + 2 * HOUR + 100) == ()
    _, reports = bench.exchange.place(market_buy("0.02"), NOW + 2 * HOUR)
    assert socket.published(reports, NOW + 2 * HOUR) == ()
    refused = bench.dialect.open_socket("fstream.binance.com", "/private/ws", f"listenKey={key}", NOW + 2 * HOUR)
    assert isinstance(refused, HttpReply)
    assert refused.status == 400


def test_private_events_of_a_fill_are_new_trade_account(bench: Bench) -> None:
    key = body(bench.call("POST", "/fapi/v1/listenKey", signed=False))["listenKey"]
    socket = bench.socket("/private/ws", f"listenKey={key}")
    query = urlencode(
        {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "IOC", "quantity": "3", "price": "59999.9", "timestamp": NOW}
    )
    signature = hmac.new(KEY.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    answer = bench.dialect.handle(
        HttpRequest(
            method="POST",
            host="fapi.binance.com",
            path="/fapi/v1/order",
            query_string="",
            headers={"X-MBX-APIKEY": KEY.api_key},
            body=f"{query}&signature={signature}".encode(),
        ),
        NOW,
    )
    assert any(isinstance(report, OrderReport) for report in answer.reports)
    events = frames(socket.published(answer.reports, NOW))
    assert [(event["e"], event.get("o", {}).get("x")) for event in events] == [
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("ORDER_TRADE_UPDATE", "TRADE"),
        ("ORDER_TRADE_UPDATE", "EXPIRED"),
        ("ACCOUNT_UPDATE", None),
    ]
    traded, expired, account = events[1]["o"], events[2]["o"], events[3]["a"]
    assert (traded["X"], traded["l"], traded["z"], traded["L"]) == ("PARTIALLY_FILLED", "2.000", "2.000", "59999.90")
    assert (expired["X"], expired["z"], expired["er"]) == ("EXPIRED", "2.000", "2")
    assert (account["m"], account["P"][0]["pa"], account["B"][0]["a"]) == ("ORDER", "-2.000", "USDT")


def test_reduce_only_order_that_is_cut_is_told_as_an_amendment(bench: Bench) -> None:
    key = body(bench.call("POST", "/fapi/v1/listenKey", signed=False))["listenKey"]
    socket = bench.socket("/private/ws", f"listenKey={key}")
    bench.place(timeInForce="IOC", price="59990", quantity="0.05")
    bench.place(side="BUY", price="59000", quantity="0.05", reduceOnly="true")
    order_id = bench.exchange.open_orders(KEY.account)[0].order_id
    _, reports = bench.exchange.place(market_buy("0.02"), NOW)
    told = [event["o"]["x"] for event in frames(socket.published(reports, NOW)) if event.get("o", {}).get("i") == order_id]
    assert told == ["AMENDMENT"]


def test_depth_pushes_collect_changes_and_chain(bench: Bench) -> None:
    socket = bench.socket("/public/ws/0")
    answer = socket.received('{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":7}', NOW)
    assert frames(answer.messages) == [{"result": None, "id": 7}]
    before = bench.exchange.book("BTCUSDT").sequence
    for fair in ("60001", "60002"):
        assert socket.published(bench.move(fair), NOW) == []
    (first,) = frames(socket.beat(NOW + 100))
    assert (first["U"], first["pu"], first["u"]) == (before + 1, before, bench.exchange.book("BTCUSDT").sequence)
    assert socket.beat(NOW + 200) == []
    socket.published(bench.move("60003"), NOW + 200)
    assert socket.beat(NOW + 199) == []
    (second,) = frames(socket.beat(NOW + 200))
    assert second["pu"] == first["u"]


def test_applied_depth_equals_the_book(bench: Bench) -> None:
    socket = bench.socket("/public/stream", "streams=btcusdt@depth@100ms")
    snapshot = body(bench.call("GET", "/fapi/v1/depth", signed=False, symbol="BTCUSDT", limit="1000"))
    sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
    for step, fair in enumerate(("60005", "59990.5", "60100", "60000"), start=1):
        socket.published(bench.move(fair), NOW)
        (message,) = frames(socket.beat(NOW + step * 100))
        assert message["stream"] == "btcusdt@depth@100ms"
        for side, levels in sides.items():
            levels.update(message["data"][side])
    book = bench.exchange.book("BTCUSDT", 1_000)
    for side, held in (("b", book.bids), ("a", book.asks)):
        left = {Decimal(price): Decimal(size) for price, size in sides[side].items() if Decimal(size)}
        assert left == {level.price: level.contracts for level in held}


def test_book_ticker_is_sent_only_when_the_touch_moved(bench: Bench) -> None:
    socket = bench.socket("/public/ws/btcusdt@bookTicker")
    (told,) = frames(socket.published(bench.move("60010"), NOW))
    assert (told["b"], told["B"], told["a"]) == ("60009.90", "2.000", "60010.10")
    assert socket.published(bench.move("60010"), NOW) == []


def test_streams_of_another_path_stay_silent(bench: Bench) -> None:
    public, market, old = (bench.socket(path) for path in ("/public/ws/0", "/market/ws/0", "/ws"))
    frame = '{"method":"SUBSCRIBE","params":["btcusdt@markPrice@1s"],"id":1}'
    for socket in (public, market, old):
        assert frames(socket.received(frame, NOW).messages) == [{"result": None, "id": 1}]
    assert [len(socket.beat(NOW)) for socket in (public, market, old)] == [0, 1, 1]
    assert market.beat(NOW + 999) == []
    assert len(market.beat(NOW + 1_000)) == 1
    market.received('{"method":"UNSUBSCRIBE","params":["btcusdt@markPrice@1s"],"id":2}', NOW)
    assert market.beat(NOW + 5_000) == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [("{", 3), ("[]", 2), ('{"method":"SHOUT","id":1}', 2), ('{"method":"SUBSCRIBE","params":"all","id":1}', 2)],
)
def test_frames_that_mean_nothing_are_answered_by_an_error(bench: Bench, frame: str, code: int) -> None:
    (answer,) = frames(bench.socket("/public/ws").received(frame, NOW).messages)
    assert answer["error"]["code"] == code


def test_subscriptions_are_listed(bench: Bench) -> None:
    socket = bench.socket("/stream", "streams=btcusdt@depth/nonsense@depth")
    (answer,) = frames(socket.received('{"method":"LIST_SUBSCRIPTIONS","id":3}', NOW).messages)
    assert answer == {"result": ["btcusdt@depth", "nonsense@depth"], "id": 3}


def test_a_path_that_is_no_stream_is_refused(bench: Bench) -> None:
    refused = bench.dialect.open_socket("fstream.binance.com", "/teapot", "", NOW)
    assert isinstance(refused, HttpReply)
    assert refused.status == 404
    elsewhere = bench.dialect.open_socket("fapi.binance.com", "/ws", "", NOW)
    assert isinstance(elsewhere, HttpReply)


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


def test_partial_depth_and_mini_ticker(bench: Bench) -> None:
    depth = bench.socket("/public/ws/ethusdt@depth5@100ms")
    (top,) = frames(depth.beat(NOW))
    assert (len(top["b"]), top["s"]) == (5, "ETHUSDT")
    assert depth.beat(NOW + 100) == []
    mini = bench.socket("/market/ws/!miniTicker@arr")
    (rows,) = frames(mini.beat(NOW))
    assert {row["e"] for row in rows} == {"24hrMiniTicker"}
    assert mini.beat(NOW + 1_999) == []


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
