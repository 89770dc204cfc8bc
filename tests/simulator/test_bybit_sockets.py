"""The connections of the Bybit dialect without a wire: what they say, to whom, and when they say no."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.simulator.dialects.bybit import Bybit
from bot.simulator.dialects.bybit.wire import text
from bot.simulator.dialects.dialect import Listening, Timed
from bot.simulator.listings import exchange_of
from bot.simulator.model import OrderReport
from tests.simulator.bybit_stand import DESK, NOW, ORDER, OTHER, D, Floor, heard, login, say
from tests.simulator.stand import tick_of


@pytest.fixture
def floor() -> Floor:
    return Floor()


def test_accounts_do_not_see_each_other(floor: Floor) -> None:
    mine = floor.place(orderLinkId="mine")
    topics = ("order", "execution", "position", "wallet")
    stream, other = floor.private(DESK, *topics), floor.private(OTHER, *topics)
    assert [frame["topic"] for frame in heard(stream.published(floor.reports, NOW))] == ["order"]
    assert list(other.published(floor.reports, NOW)) == []
    floor.place(price="59990", timeInForce="IOC")
    happened = [*floor.reports, *floor.exchange.settle_funding("BTCUSDT", NOW)]
    assert {frame["topic"] for frame in heard(stream.published(happened, NOW))} == set(topics)
    assert list(other.published(happened, NOW)) == []
    asked = {"category": "linear", "symbol": "BTCUSDT", "orderId": mine}
    assert floor.call("GET", "/v5/order/realtime", asked, by=OTHER)["result"]["list"] == []
    assert floor.call("POST", "/v5/order/cancel", asked, by=OTHER)["retCode"] == 110001
    floor.place(orderLinkId="shared-name")
    taken = floor.call("POST", "/v5/order/create", ORDER | {"orderLinkId": "shared-name"}, by=OTHER)
    assert taken["retCode"] == 0


def test_leaves_and_values_of_partial_fills_agree_between_rest_and_stream(floor: Floor) -> None:
    stream = floor.private(DESK, "execution", "order", "position", "wallet")
    floor.place(price="59999.7", qty="5", timeInForce="IOC", orderLinkId="deep")
    frames = heard(stream.published(floor.reports, NOW))
    pushed = [row for frame in frames if frame["topic"] == "execution" for row in frame["data"]]
    assert [row["leavesQty"] for row in pushed] == ["3", "1", "0"]
    asked = floor.call("GET", "/v5/execution/list", {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "deep"})["result"]["list"]
    assert asked == [row | {"markPrice": ""} for row in reversed(pushed)], "a past mark price is not kept"
    assert {row["markPrice"] for row in pushed} == {"60000"}
    order = floor.call("GET", "/v5/order/history", {"category": "linear", "orderLinkId": "deep"})["result"]["list"][0]
    assert D(order["cumExecFee"]) == sum(D(row["execFee"]) for row in pushed)
    assert D(order["cumExecValue"]) == sum(D(row["execValue"]) for row in pushed)
    assert order == [row for frame in frames if frame["topic"] == "order" for row in frame["data"]][-1]


def test_the_position_is_told_with_every_order_of_a_held_contract(floor: Floor) -> None:
    stream = floor.private(DESK, "position.linear")
    floor.place(orderLinkId="before-any-position")
    assert list(stream.published(floor.reports, NOW)) == []
    floor.place(price="59990", timeInForce="IOC")
    floor.place(orderLinkId="moves-nothing")
    (frame,) = heard(stream.published(floor.reports, NOW))
    assert frame["topic"] == "position.linear"
    assert [(row["symbol"], row["side"], row["size"]) for row in frame["data"]] == [("BTCUSDT", "Sell", "0.01")]


def test_connections_say_no_in_the_venues_way(floor: Floor) -> None:
    private = floor.socket("/v5/private")
    assert say(private, {"op": "subscribe", "args": ["order"]})[0]["ret_msg"] == "Request not authorized"
    assert say(private, {"op": "ping", "req_id": "7"})[0] | {"conn_id": ""} == {
        "req_id": "7",
        "op": "pong",
        "args": [str(NOW)],
        "conn_id": "",
    }
    for wrong in (login(DESK, NOW), {"op": "auth", "args": ["key-1"]}, {"op": "auth", "args": ["who", str(NOW + 1), "x"]}):
        answer = private.received(orjson.dumps(wrong).decode(), NOW)
        assert answer.close
        assert orjson.loads(answer.messages[0])["success"] is False
    public = floor.socket("/v5/public/linear")
    for topics in (["orderbook.7.BTCUSDT"], ["tickers.NOUSDT"], ["publicTrade.BTCUSDT", "nonsense"], ["order"], [3]):
        assert say(public, {"op": "subscribe", "args": topics, "req_id": "1"})[0]["success"] is False
    assert say(public, "not json")[0]["success"] is False
    assert say(public, {"op": "ping"})[0]["ret_msg"] == "pong"
    assert say(private, login(DESK))[0]["success"] is True
    assert say(private, {"op": "subscribe", "args": ["kline"]})[0]["success"] is False


def test_unsubscribed_topics_fall_silent(floor: Floor) -> None:
    public = floor.socket("/v5/public/linear")
    topics = ["orderbook.50.BTCUSDT", "tickers.BTCUSDT", "publicTrade.BTCUSDT"]
    said = say(public, {"op": "subscribe", "args": topics, "req_id": "1"})
    assert [message.get("type") for message in said] == [None, "snapshot", "snapshot"]
    floor.place(price="59990", timeInForce="IOC")
    floor.dialect.heard(floor.reports, NOW)
    assert [message["topic"] for message in heard(public.published(floor.reports, NOW))] == [topics[2], topics[0]]
    assert [message["topic"] for message in heard(public.beat(NOW))] == [topics[1]]
    assert len(say(public, {"op": "unsubscribe", "args": topics, "req_id": "2"})) == 1
    floor.place(price="59990", timeInForce="IOC")
    assert list(public.published(floor.reports, NOW)) == []
    assert list(public.beat(NOW)) == []
    private = floor.private(DESK, "order")
    say(private, {"op": "unsubscribe", "args": ["order"]})
    assert list(private.published(floor.reports, NOW)) == []


def test_a_quiet_top_of_book_is_repeated_with_the_same_number(floor: Floor) -> None:
    public = floor.socket("/v5/public/linear")
    _, first = say(public, {"op": "subscribe", "args": ["orderbook.1.BTCUSDT"], "req_id": "1"})
    assert list(public.beat(NOW + 2_999)) == []
    (again,) = heard(public.beat(NOW + 3_000))
    assert (again["type"], again["data"]) == ("snapshot", first["data"])
    assert list(public.beat(NOW + 3_100)) == []


def test_trade_socket_rules(floor: Floor) -> None:
    trade = floor.socket("/v5/trade")
    sent = {"op": "order.create", "reqId": "1", "header": {"X-BAPI-TIMESTAMP": str(NOW)}, "args": [ORDER]}
    assert say(trade, sent)[0]["retCode"] == 10003
    assert say(trade, login(DESK))[0]["retCode"] == 0
    assert say(trade, login(DESK))[0]["retCode"] == 20001
    late = sent | {"header": {"X-BAPI-TIMESTAMP": str(NOW - 5_001)}}
    for message, code in (
        (late, 10002),
        (sent | {"args": [ORDER, ORDER]}, 10001),
        (sent | {"op": "order.amend"}, 10404),
        (sent, 0),
        (sent, 20006),
        (sent | {"reqId": "2", "args": [ORDER | {"qty": "0"}]}, 10001),
    ):
        assert say(trade, message)[0]["retCode"] == code
    assert len(floor.exchange.open_orders("desk")) == 1
    assert say(trade, {"op": "ping"})[0]["op"] == "pong"


def test_orders_are_protected_only_while_someone_listens_for_it(floor: Floor) -> None:
    assert isinstance(floor.dialect, Timed)
    assert isinstance(floor.dialect, Listening)
    floor.place()
    said = floor.call("POST", "/v5/order/disconnected-cancel-all", {"product": "DERIVATIVES", "timeWindow": 10})
    assert said["retCode"] == 0
    assert floor.call("GET", "/v5/account/info")["result"]["timeWindow"] == 10
    assert list(floor.dialect.elapsed(NOW + 3_600_000)) == []
    guarded = floor.private(DESK, "dcp.future")
    guarded.beat(NOW)
    assert list(floor.dialect.elapsed(NOW + 10_000)) == []
    ended = [report for report in floor.dialect.elapsed(NOW + 10_001) if isinstance(report, OrderReport)]
    assert len(ended) == 1
    assert floor.exchange.open_orders("desk") == ()
    assert list(floor.dialect.elapsed(NOW + 20_000)) == []
    assert floor.call("POST", "/v5/order/disconnected-cancel-all", {"timeWindow": 2})["retCode"] == 10001


def test_before_the_first_tick_there_is_nothing_to_show() -> None:
    exchange = exchange_of("bybit", now=NOW)
    exchange.open_account("desk", {"USDT": D(1)})
    floor = Floor()
    floor.exchange, floor.dialect = exchange, Bybit(exchange, [DESK])
    assert floor.call("GET", "/v5/market/tickers", {"category": "linear"})["result"]["list"] == []
    assert floor.call("POST", "/v5/order/create", ORDER)["retCode"] == 110066
    flat = floor.call("GET", "/v5/position/list", {"category": "linear", "symbol": "BTCUSDT"})["result"]["list"][0]
    assert (flat["size"], flat["side"]) == ("0", "")
    public = floor.socket("/v5/public/linear")
    assert len(say(public, {"op": "subscribe", "args": ["orderbook.50.BTCUSDT", "tickers.BTCUSDT"], "req_id": "1"})) == 1
    reports = exchange.on_tick(tick_of(exchange.contracts["BTCUSDT"]), NOW)
    assert [frame["type"] for frame in heard(public.published(reports, NOW))] == ["snapshot"]
    assert [frame["type"] for frame in heard(public.beat(NOW))] == ["snapshot"]


@given(st.lists(st.integers(min_value=-15, max_value=15), max_size=12), st.sampled_from([1, 50, 200]))
def test_snapshot_and_deltas_always_add_up_to_the_book(moves: list[int], depth: int) -> None:
    floor = Floor()
    public = floor.socket("/v5/public/linear")
    _, snapshot = say(public, {"op": "subscribe", "args": [f"orderbook.{depth}.BTCUSDT"], "req_id": "1"})
    sides = {side: dict(snapshot["data"][side]) for side in "ab"}
    number, fair = snapshot["data"]["u"], D(60_000)
    for move in moves:
        fair += move * D("0.1")
        reports = floor.exchange.on_tick(tick_of(floor.exchange.contracts["BTCUSDT"], fair), NOW)
        for frame in heard(public.published(reports, NOW)):
            number += 1
            assert (frame["type"], frame["data"]["u"]) == ("delta", number)
            for side in "ab":
                for price, quantity in frame["data"][side]:
                    if quantity == "0":
                        del sides[side][price]
                    else:
                        sides[side][price] = quantity
        book = floor.exchange.book("BTCUSDT", depth)
        for side, levels in (("b", book.bids), ("a", book.asks)):
            assert sides[side] == {text(level.price): text(level.contracts) for level in levels}


def test_a_liquidation_is_told_as_the_venues_own_order(floor: Floor) -> None:
    stream = floor.private(DESK, "execution", "position")
    floor.place(price="59990", qty="10", timeInForce="IOC", orderLinkId="too-much")
    ruin = floor.exchange.on_tick(tick_of(floor.exchange.contracts["BTCUSDT"], D(72_000)), NOW)
    frames = heard(stream.published(ruin, NOW))
    taken = [row for frame in frames if frame["topic"] == "execution" for row in frame["data"]]
    assert {(row["execType"], row["side"], row["orderLinkId"], row["createType"]) for row in taken} == {
        ("BustTrade", "Buy", "", "CreateByLiq")
    }
    held = [row for frame in frames if frame["topic"] == "position" for row in frame["data"]][-1]
    assert (held["size"], held["side"]) == ("0", "")
    log = floor.call("GET", "/v5/account/transaction-log", {"type": "LIQUIDATION"})["result"]["list"]
    assert sum(D(row["qty"]) for row in log) == 10
