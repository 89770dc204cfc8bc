"""Deribit's WebSocket: logins, subscriptions, heartbeats, orders over the socket, and what is canceled when it is gone."""

from __future__ import annotations

from typing import Any

import pytest

from bot.simulator.dialects.deribit.socket import DeribitSocket
from tests.simulator.deribit_floor import BTC, BTC_USDC, ETH, KEY, D, Floor, said, tick, told


@pytest.fixture
def floor() -> Floor:
    return Floor()


def pushed(floor: Floor, socket: DeribitSocket) -> list[tuple[str, Any]]:
    """What the last request of the floor brings to a socket."""
    return told(socket.published(floor.reports, floor.now))


def moved(floor: Floor, socket: DeribitSocket, **changes: Any) -> list[tuple[str, Any]]:
    reports = floor.exchange.on_tick(tick(**changes), floor.now)
    return told(socket.published(reports, floor.now))


def test_private_channels_need_a_login(floor: Floor) -> None:
    socket = floor.socket()
    (refused,) = floor.say(socket, "private/subscribe", {"channels": ["user.orders.any.any.raw"]}, 7)
    assert (refused["id"], refused["error"]["code"]) == (7, 13009)
    (taken,) = floor.say(socket, "public/subscribe", {"channels": ["user.orders.any.any.raw", f"ticker.{BTC}.raw"]})
    assert taken["result"] == [], "what a caller may not have is missing from the list"
    assert floor.login(socket)["result"]["token_type"] == "bearer"
    (taken,) = floor.say(socket, "private/subscribe", {"channels": ["user.orders.any.any.raw", "user.nothing.any.any.raw"]})
    assert taken["result"] == ["user.orders.any.any.raw"]


def test_a_login_may_also_use_the_secret_or_a_token(floor: Floor) -> None:
    given = {"grant_type": "client_credentials", "client_id": KEY.api_key, "client_secret": KEY.secret}
    (granted,) = floor.say(floor.socket(), "public/auth", given)
    (held,) = floor.say(floor.socket(), "private/get_positions", {"access_token": granted["result"]["access_token"]})
    assert held["result"] == []
    (wrong,) = floor.say(floor.socket(), "public/auth", {**given, "client_secret": "x"})
    assert wrong["error"]["code"] == 13004


@pytest.mark.parametrize(
    ("text", "code"), [("{", -32700), ("[]", -32600), ('{"id":1,"params":[]}', -32600), ('{"id":1,"method":"public/no"}', -32601)]
)
def test_frames_that_are_no_requests(floor: Floor, text: str, code: int) -> None:
    (answer,) = said(floor.socket().received(text, floor.now).messages)
    assert answer["error"]["code"] == code


def test_an_order_is_told_in_every_state_and_its_trades_beside(floor: Floor) -> None:
    socket = floor.known("user.orders.any.any.raw", "user.trades.any.any.raw")
    floor.sell(amount="60000", label="short1")
    heard = pushed(floor, socket)
    orders = [data for channel, data in heard if channel == "user.orders.any.any.raw"]
    assert [(order["order_state"], order["filled_amount"]) for order in orders] == [("open", 0), ("open", 49_990), ("filled", 60_000)]
    (trades,) = [data for channel, data in heard if channel == "user.trades.any.any.raw"]
    assert [(trade["amount"], trade["label"]) for trade in trades] == [(49_990, "short1"), (10_010, "short1")]


def test_channels_cover_what_they_name(floor: Floor) -> None:
    names = [f"user.orders.{ETH}.raw", "user.trades.future.USDC.100ms", "user.orders.option.any.raw", "user.trades.any.BTC.raw"]
    socket = floor.known(*names)
    floor.sell()
    assert [channel for channel, _ in pushed(floor, socket)] == ["user.trades.any.BTC.raw"]
    floor.sell(instrument_name=BTC_USDC, amount="0.1")
    assert [channel for channel, _ in pushed(floor, socket)] == ["user.trades.future.USDC.100ms"]
    floor.sell(instrument_name=ETH, price="2490")
    assert {channel for channel, _ in pushed(floor, socket)} == {f"user.orders.{ETH}.raw"}


def test_nobody_hears_of_another_account(floor: Floor) -> None:
    from tests.simulator.deribit_floor import OTHER

    socket = floor.known("user.orders.any.any.raw", "user.changes.any.any.raw", key=OTHER)
    floor.sell()
    assert pushed(floor, socket) == []


def test_changes_tell_orders_trades_and_position_together(floor: Floor) -> None:
    socket = floor.known("user.changes.any.any.raw", "user.orders.future.any.100ms")
    floor.sell(amount="50")
    heard = dict(pushed(floor, socket))
    changes = heard["user.changes.any.any.raw"]
    assert (changes["instrument_name"], len(changes["trades"])) == (BTC, 1)
    assert [position["size"] for position in changes["positions"]] == [-50]
    assert [order["order_state"] for order in heard["user.orders.future.any.100ms"]] == ["open", "filled"], "a list where not raw"


def test_a_portfolio_starts_with_the_margin_and_goes_on_once_a_second(floor: Floor) -> None:
    socket = floor.known()
    answer, first = floor.say(socket, "private/subscribe", {"channels": ["user.portfolio.BTC", "user.portfolio.DOGE"]})
    assert answer["result"] == ["user.portfolio.btc"]
    assert (first["params"]["channel"], first["params"]["data"]["equity"]) == ("user.portfolio.btc", 10)
    floor.sell(amount="5000")
    assert pushed(floor, socket) == []
    assert told(socket.beat(floor.now + 999)) == []
    ((channel, row),) = told(socket.beat(floor.now + 1_000))
    assert (channel, row["currency"], row["delta_total"]) == ("user.portfolio.btc", "BTC", -0.1)
    assert told(socket.beat(floor.now + 5_000)) == [], "nothing changed"


def test_a_quote_is_told_when_the_touch_moves(floor: Floor) -> None:
    socket = floor.socket()
    answer, first = floor.say(socket, "public/subscribe", {"channels": [f"quote.{BTC}", "quote.NOPE"]})
    assert answer["result"] == [f"quote.{BTC}"]
    row = first["params"]["data"]
    assert (row["best_bid_price"], row["best_bid_amount"], row["best_ask_amount"]) == (49_999, 49_990, 50_000)
    assert moved(floor, socket, mark=D(50_001)) == []
    ((channel, row),) = moved(floor, socket, fair="50010")
    assert (channel, row["best_bid_price"], row["instrument_name"]) == (f"quote.{BTC}", 50_009, BTC)


def test_a_ticker_is_told_at_most_ten_times_a_second_and_raw_at_once(floor: Floor) -> None:
    slow, fast = floor.socket(), floor.known()
    _, first = floor.say(slow, "public/subscribe", {"channels": [f"ticker.{BTC}.100ms", f"perpetual.{BTC}.100ms"]})[:2]
    assert first["params"]["data"]["mark_price"] == 50_000
    floor.say(fast, "public/subscribe", {"channels": [f"ticker.{BTC}.raw"]})
    assert moved(floor, slow, mark=D(50_005)) == []
    ((_, row),) = moved(floor, fast, mark=D(50_006))
    assert row["mark_price"] == 50_006
    assert told(slow.beat(floor.now + 99)) == []
    heard = dict(told(slow.beat(floor.now + 100)))
    assert heard[f"ticker.{BTC}.100ms"]["mark_price"] == 50_006
    assert heard[f"perpetual.{BTC}.100ms"]["interest"] == 0.0008
    assert told(slow.beat(floor.now + 300)) == []


def test_a_book_is_a_snapshot_and_then_changes_that_name_what_they_follow(floor: Floor) -> None:
    socket = floor.socket()
    _, first = floor.say(socket, "public/subscribe", {"channels": [f"book.{BTC}.100ms"]})
    data = first["params"]["data"]
    assert (data["type"], data["bids"][0], len(data["asks"])) == ("snapshot", ["new", 49_999, 49_990], 3)
    assert "prev_change_id" not in data
    floor.sell(amount="49990")
    assert pushed(floor, socket) == []
    ((_, change),) = told(socket.beat(floor.now + 100))
    assert (change["type"], change["prev_change_id"]) == ("change", data["change_id"])
    assert (change["bids"], change["asks"]) == ([["delete", 49_999, 0]], [])
    floor.rest("mine", price="50002")
    ((_, change),) = told(socket.beat(floor.now + 200))
    assert change["asks"] == [["change", 50_002, 50_010]]


def test_a_raw_and_a_grouped_book(floor: Floor) -> None:
    socket = floor.known()
    names = [f"book.{BTC}.raw", f"book.{BTC}.none.1.100ms", f"book.{BTC}.none.7.100ms"]
    assert floor.say(socket, "public/subscribe", {"channels": names})[0]["result"] == names[:2]
    floor.sell(amount="49990")
    heard = dict(pushed(floor, socket))
    assert heard[names[0]]["bids"] == [["delete", 49_999, 0]]
    assert heard[names[1]]["bids"] == [[49_998, 49_990]]


def test_public_trades(floor: Floor) -> None:
    socket = floor.socket()
    floor.say(socket, "public/subscribe", {"channels": [f"trades.{BTC}.100ms"]})
    floor.sell(amount="20")
    ((_, (trade,)),) = pushed(floor, socket)
    assert (trade["direction"], trade["amount"], trade["contracts"], trade["price"]) == ("sell", 20, 2, 49_999)


def test_unsubscribing(floor: Floor) -> None:
    socket = floor.known("user.orders.any.any.raw")
    floor.say(socket, "public/subscribe", {"channels": [f"quote.{BTC}"]})
    (left,) = floor.say(socket, "public/unsubscribe", {"channels": [f"quote.{BTC}", "quote.NOPE"]})
    assert left["result"] == [f"quote.{BTC}"]
    assert moved(floor, socket, fair="50010") == []
    assert floor.say(socket, "private/unsubscribe_all")[0]["result"] == "ok"
    floor.sell()
    assert pushed(floor, socket) == []


def test_heartbeats(floor: Floor) -> None:
    socket = floor.socket()
    assert floor.say(socket, "public/set_heartbeat", {"interval": 5})[0]["error"]["code"] == -32602
    assert floor.say(socket, "public/set_heartbeat", {"interval": 10})[0]["result"] == "ok"
    assert socket.beat(floor.now + 9_999) == []
    (beat,) = said(socket.beat(floor.now + 10_000))
    assert (beat["method"], beat["params"]) == ("heartbeat", {"type": "test_request"})
    assert "version" in floor.say(socket, "public/test")[0]["result"]
    assert floor.say(socket, "public/disable_heartbeat")[0]["result"] == "ok"
    assert socket.beat(floor.now + 60_000) == []


def test_requests_over_the_socket_do_what_they_do_over_http(floor: Floor) -> None:
    socket = floor.known()
    order = {"instrument_name": BTC, "amount": 10, "type": "limit", "price": 50100, "label": "over the socket"}
    (placed,) = floor.say(socket, "private/sell", order, 12)
    assert (placed["id"], placed["result"]["order"]["order_state"]) == (12, "open")
    assert floor.reports, "and everybody is told"
    (refused,) = floor.say(socket, "private/cancel", {"order_id": "1"})
    assert refused["error"]["code"] == 10004


@pytest.mark.parametrize("scope", ["connection", "account"])
def test_orders_of_a_guarded_connection_are_canceled_when_it_is_gone(floor: Floor, scope: str) -> None:
    socket = floor.known()
    assert floor.say(socket, "private/enable_cancel_on_disconnect", {"scope": scope})[0]["result"] == "ok"
    assert floor.say(socket, "private/get_cancel_on_disconnect", {"scope": scope})[0]["result"] == {"scope": scope, "enabled": True}
    if scope == "account":
        socket = floor.known()
    floor.rest("over http")
    floor.say(socket, "private/sell", {"instrument_name": BTC, "amount": 10, "price": 50100, "label": "guarded"})
    socket.beat(floor.now)
    assert floor.dialect.elapsed(floor.now + 1_000) == []
    assert floor.dialect.elapsed(floor.now + 1_001) != []
    (gone,) = floor.read("private/get_order_state_by_label", {"currency": "BTC", "label": "guarded"})
    assert (gone["order_state"], gone["cancel_reason"]) == ("cancelled", "cancel_on_disconnect")
    (kept,) = floor.read("private/get_order_state_by_label", {"currency": "BTC", "label": "over http"})
    assert kept["order_state"] == "open", "orders over HTTP belong to no connection: no dead-man switch for them"


def test_an_unguarded_connection_leaves_its_orders(floor: Floor) -> None:
    socket = floor.known()
    floor.say(socket, "private/enable_cancel_on_disconnect")
    floor.say(socket, "private/disable_cancel_on_disconnect")
    floor.say(socket, "private/sell", {"instrument_name": BTC, "amount": 10, "price": 50100, "label": "left"})
    assert floor.dialect.elapsed(floor.now + 60_000) == []
    assert len(floor.exchange.open_orders(KEY.account)) == 1
