"""The Binance dialect's streams at exact instants: listen keys, private events, depth, tickers, frames."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from bot.simulator.dialects.dialect import HttpReply, HttpRequest
from bot.simulator.model import OrderReport
from tests.simulator.binance_bench import HOUR, NOW, Bench, body, frames, market_buy
from tests.simulator.stand import KEY


@pytest.fixture
def bench() -> Bench:
    return Bench()


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


def test_partial_depth_and_mini_ticker(bench: Bench) -> None:
    depth = bench.socket("/public/ws/ethusdt@depth5@100ms")
    (top,) = frames(depth.beat(NOW))
    assert (len(top["b"]), top["s"]) == (5, "ETHUSDT")
    assert depth.beat(NOW + 100) == []
    mini = bench.socket("/market/ws/!miniTicker@arr")
    (rows,) = frames(mini.beat(NOW))
    assert {row["e"] for row in rows} == {"24hrMiniTicker"}
    assert mini.beat(NOW + 1_999) == []
