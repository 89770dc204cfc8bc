"""Hyperliquid's socket: subscriptions, what each says at first and later, pings, and posted requests."""

from __future__ import annotations

from typing import Any

import orjson

from bot.simulator.dialects.dialect import HttpReply
from tests.simulator.hyperliquid_floor import CLOID, HOST, NOW, OWNER, D, Floor, frame, happened, order, orders, said, tick

USER = OWNER.api_key.lower()


def placed(floor: Floor, **changes: Any) -> Any:
    """The reports of one order."""
    return floor.post("/exchange", floor.signed(orders(order(**changes)))).reports


def test_ping_is_answered_on_its_channel() -> None:
    assert said(Floor().socket().received('{"method":"ping"}', NOW).messages) == [{"channel": "pong"}]


def test_only_one_path_has_a_socket() -> None:
    opened = Floor().dialect.open_socket(HOST, "/elsewhere", "", NOW)
    assert isinstance(opened, HttpReply)
    assert opened.status == 404


def test_subscribing_twice_is_an_error_and_unsubscribing_ends_it() -> None:
    floor = Floor()
    socket, first = floor.subscribed("l2Book", coin="BTC")
    assert first[0]["channel"] == "l2Book"
    wanted = {"type": "l2Book", "coin": "BTC"}
    (again,) = said(socket.received(frame("subscribe", wanted), NOW).messages)
    assert again["channel"] == "error"
    assert again["data"].startswith("Already subscribed")
    (ended,) = said(socket.received(frame("unsubscribe", wanted), NOW).messages)
    assert ended == {"channel": "subscriptionResponse", "data": {"method": "unsubscribe", "subscription": wanted}}
    assert socket.beat(NOW + 60_000) == []


def test_what_is_no_frame_or_no_subscription_is_an_error() -> None:
    socket = Floor().socket()
    for text in ("", "[]", '{"method":"dance"}', '{"method":"subscribe","subscription":1}', '{"method":"post","id":1}'):
        (told,) = said(socket.received(text, NOW).messages)
        assert told["channel"] == "error", text
    for wanted in ({"type": "l2Book", "coin": "DOGE"}, {"type": "userFills", "user": "me"}, {"type": "dance", "coin": "BTC"}):
        (told,) = said(socket.received(frame("subscribe", wanted), NOW).messages)
        assert told["data"].startswith("Invalid subscription")


def test_a_book_is_whole_and_at_most_every_half_second() -> None:
    floor = Floor()
    socket, (first,) = floor.subscribed("l2Book", coin="BTC")
    assert first["data"]["levels"][0][0]["px"] == "59999.0"
    floor.exchange.on_tick(tick(fair="60010"), NOW + 100)
    assert said(socket.beat(NOW + 499)) == []
    (later,) = said(socket.beat(NOW + 500))
    assert (later["data"]["coin"], later["data"]["levels"][0][0]["px"]) == ("BTC", "60009.0")
    assert said(socket.beat(NOW + 1_000)) == [], "nothing changed"
    assert len(said(socket.beat(NOW + 1_500))) == 1, "a sign of life"


def test_the_touch_is_told_at_once() -> None:
    floor = Floor()
    socket, (first,) = floor.subscribed("bbo", coin="BTC")
    assert [side["px"] for side in first["data"]["bbo"]] == ["59999.0", "60001.0"]
    reports = floor.exchange.on_tick(tick(fair="60010"), NOW + 5)
    (told,) = happened(socket, reports, NOW + 5)
    assert [side["px"] for side in told["data"]["bbo"]] == ["60009.0", "60011.0"]
    assert happened(socket, floor.exchange.on_tick(tick("ETH", "3001"), NOW + 6), NOW + 6) == []


def test_a_context_tells_mark_oracle_and_funding() -> None:
    floor = Floor()
    socket, (first,) = floor.subscribed("activeAssetCtx", coin="BTC")
    ctx = first["data"]["ctx"]
    assert (first["data"]["coin"], ctx["markPx"], ctx["oraclePx"], ctx["funding"]) == ("BTC", "60000.0", "59999.0", "0.0000125")
    floor.exchange.on_tick(tick(mark=D(60_020)), NOW + 50)
    (later,) = said(socket.beat(NOW + 100))
    assert later["data"]["ctx"]["markPx"] == "60020.0"


def test_all_mids() -> None:
    _, (first,) = Floor().subscribed("allMids")
    assert first == {"channel": "allMids", "data": {"mids": {"BTC": "60000.0", "ETH": "3000.0", "SOL": "150.0"}}}


def test_order_updates_tell_each_step_once_and_nothing_at_first() -> None:
    floor = Floor()
    socket, first = floor.subscribed("orderUpdates", user=USER)
    assert first == []
    (told,) = happened(socket, placed(floor, tif="Gtc", price="60100", cloid=CLOID))
    (update,) = told["data"]
    assert (told["channel"], update["status"], update["order"]["cloid"], update["order"]["sz"]) == ("orderUpdates", "open", CLOID, "0.05")
    (told,) = happened(socket, placed(floor, size="1.5", price="59999"))
    assert [(each["status"], each["order"]["sz"]) for each in told["data"]] == [("open", "1.5"), ("open", "0.5"), ("canceled", "0.5")]


def test_fills_come_as_a_snapshot_first_and_then_each_once() -> None:
    floor = Floor()
    placed(floor)
    socket, (first,) = floor.subscribed("userFills", user=USER)
    assert (first["data"]["isSnapshot"], first["data"]["user"], len(first["data"]["fills"])) == (True, USER, 1)
    (told,) = happened(socket, placed(floor, size="0.02", cloid=CLOID))
    (fill,) = told["data"]["fills"]
    assert "isSnapshot" not in told["data"]
    assert (fill["sz"], fill["startPosition"], fill["cloid"]) == ("0.02", "-0.05", CLOID)
    other, _ = floor.subscribed("userFills", user="0x" + "a" * 40)
    assert happened(other, placed(floor, size="0.02")) == []


def test_funding_is_told_to_whom_it_concerns() -> None:
    floor = Floor()
    placed(floor)
    socket, (first,) = floor.subscribed("userFundings", user=USER)
    assert first["data"]["fundings"] == []
    (told,) = happened(socket, floor.exchange.settle_funding("BTC", NOW))
    (payment,) = told["data"]["fundings"]
    assert (payment["coin"], payment["usdc"], payment["szi"]) == ("BTC", "0.0375", "-0.05")


def test_user_events_are_fills_funding_and_liquidations() -> None:
    floor = Floor(deposit="700")
    socket, first = floor.subscribed("userEvents", user=USER)
    assert first == []
    (fills,) = happened(socket, placed(floor, size="0.1"))
    assert (fills["channel"], set(fills["data"])) == ("user", {"fills"})
    (funding,) = happened(socket, floor.exchange.settle_funding("BTC", NOW))
    assert set(funding["data"]) == {"funding"}
    told = happened(socket, floor.exchange.on_tick(tick(fair="67000"), NOW))
    assert [set(each["data"]) for each in told] == [{"fills"}, {"liquidation"}]
    assert told[1]["data"]["liquidation"]["liquidated_user"] == USER


def test_the_clearinghouse_is_told_when_a_fill_changed_it_and_every_few_seconds() -> None:
    floor = Floor()
    socket, (first,) = floor.subscribed("clearinghouseState", user=USER)
    assert first["data"]["clearinghouseState"]["assetPositions"] == []
    (told,) = happened(socket, placed(floor), NOW + 1)
    assert told["data"]["clearinghouseState"]["assetPositions"][0]["position"]["szi"] == "-0.05"
    assert said(socket.beat(NOW + 4_000)) == []
    assert len(said(socket.beat(NOW + 5_001))) == 1


def test_public_trades_are_everybodys() -> None:
    floor = Floor()
    socket, first = floor.subscribed("trades", coin="BTC")
    assert first == []
    (told,) = happened(socket, placed(floor))
    (trade,) = told["data"]
    assert (trade["coin"], trade["side"], trade["px"], trade["sz"]) == ("BTC", "A", "59999.0", "0.05")


def test_actions_and_questions_can_be_posted() -> None:
    floor = Floor()
    socket = floor.socket()

    def post(kind: str, payload: Any) -> Any:
        text = orjson.dumps({"method": "post", "id": 7, "request": {"type": kind, "payload": payload}}).decode()
        answer = socket.received(text, NOW)
        (told,) = said(answer.messages)
        assert (told["channel"], told["data"]["id"]) == ("post", 7)
        return told["data"]["response"], answer.reports

    response, reports = post("action", floor.signed(orders(order())))
    assert response["type"] == "action"
    assert "filled" in response["payload"]["response"]["data"]["statuses"][0]
    assert reports
    response, reports = post("info", {"type": "allMids"})
    assert (response["payload"]["type"], response["payload"]["data"]["BTC"]) == ("allMids", "60000.0")
    assert reports == ()
