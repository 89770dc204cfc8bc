"""Deribit's orders over HTTP: amounts in US dollars, labels that may repeat, answers with trades, and what every refusal is called."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bot.simulator.dialects.deribit.budget import MATCHING
from bot.simulator.dialects.dialect import HttpRequest, Operation
from bot.simulator.model import OrderReport
from tests.simulator.deribit_floor import BTC, BTC_USDC, ETH, NOW, OTHER, D, Floor

MINUTE = 60_000


@pytest.fixture
def floor() -> Floor:
    return Floor()


def test_an_order_is_answered_with_itself_after_matching_and_its_trades(floor: Floor) -> None:
    result = floor.sell(amount="60000", label="short1", price="49990")
    order = result["order"]
    assert (order["order_state"], order["direction"], order["label"]) == ("filled", "sell", "short1")
    assert (order["amount"], order["filled_amount"], order["contracts"]) == (60_000, 60_000, 6_000)
    assert (order["price"], order["average_price"], order["time_in_force"]) == (49_990, 49_998.8332, "immediate_or_cancel")
    first, second = result["trades"]
    assert (first["amount"], first["price"], second["amount"], second["price"]) == (49_990, 49_999, 10_010, 49_998)
    assert (first["fee_currency"], first["liquidity"], first["label"]) == ("BTC", "T", "short1")
    assert first["fee"] == pytest.approx(49_990 / 49_999 * 0.0005, abs=1e-8)
    assert {first["order_id"], second["order_id"]} == {order["order_id"]}
    assert order["order_id"].isdigit()
    assert all(isinstance(order[name], int | float) for name in ("amount", "price", "average_price", "creation_timestamp"))


def test_linear_perpetuals_count_base_units_and_settle_in_usdc(floor: Floor) -> None:
    result = floor.sell(instrument_name=BTC_USDC, amount="0.25")
    assert (result["order"]["filled_amount"], result["order"]["contracts"]) == (0.25, 2_500)
    assert result["order"]["order_id"].startswith("USDC-")
    assert result["trades"][0]["trade_id"].startswith("USDC-")
    assert result["trades"][0]["fee_currency"] == "USDC"
    assert floor.exchange.positions("hedger")[0].contracts == D("-0.25")


def test_what_an_immediate_order_leaves_is_cancelled(floor: Floor) -> None:
    order = floor.sell(amount="300000", price="49998")["order"]
    assert (order["order_state"], order["filled_amount"]) == ("cancelled", 99_980)
    assert "cancel_reason" not in order


def test_a_market_order_has_no_price(floor: Floor) -> None:
    order = floor.sell(type="market", price=None, time_in_force=None)["order"]
    assert (order["order_state"], order["price"], order["order_type"]) == ("filled", "market_price", "market")


def test_contracts_may_stand_for_the_amount(floor: Floor) -> None:
    assert floor.sell(amount=None, contracts="3")["order"]["amount"] == 30
    assert floor.refused("private/sell", floor.order(amount="10", contracts="3"))[1] == -32602


def test_labels_may_repeat_and_all_their_orders_are_found(floor: Floor) -> None:
    floor.sell(label="twin")
    floor.rest("twin")
    floor.sell(label="twin", instrument_name=ETH, price="2490", amount="1")
    found = floor.read("private/get_order_state_by_label", {"currency": "BTC", "label": "twin"})
    assert [order["order_state"] for order in found] == ["filled", "open"]
    assert floor.read("private/get_order_state_by_label", {"currency": "BTC", "label": "nobody"}) == []
    assert floor.read("private/get_order_state_by_label", {"currency": "BTC", "label": "twin"}, key=OTHER) == []


def test_the_state_of_an_order_is_told_after_its_end(floor: Floor) -> None:
    resting = floor.rest("rest1")
    assert resting["order_state"] == "open"
    assert floor.read("private/cancel_by_label", {"label": "rest1", "currency": "BTC"}) == 1
    (state,) = floor.read("private/get_order_state_by_label", {"currency": "BTC", "label": "rest1"})
    assert (state["order_state"], state["cancel_reason"], state["filled_amount"]) == ("cancelled", "user_request", 0)
    assert floor.read("private/get_order_state", {"order_id": resting["order_id"]})["order_state"] == "cancelled"


def test_cancelling(floor: Floor) -> None:
    resting, filled = floor.rest("rest1"), floor.sell(label="done")["order"]
    assert floor.read("private/cancel", {"order_id": resting["order_id"]})["order_state"] == "cancelled"
    assert any(isinstance(report, OrderReport) for report in floor.reports)
    assert floor.refused("private/cancel", {"order_id": resting["order_id"]}) == (400, 11044, "not_open_order")
    assert floor.refused("private/cancel", {"order_id": filled["order_id"]}) == (400, 11044, "not_open_order")
    assert floor.refused("private/cancel", {"order_id": "999"}) == (400, 10004, "order_not_found")
    assert floor.refused("private/cancel", {"order_id": "None"}) == (400, 10004, "order_not_found")
    assert floor.read("private/cancel_by_label", {"label": "rest1", "currency": "BTC"}) == 0, "no error where nothing is open"
    for label in ("a", "b"):
        floor.rest(label)
    assert floor.read("private/cancel_all_by_instrument", {"instrument_name": ETH}) == 0
    assert floor.read("private/cancel_all_by_currency", {"currency": "USDC"}) == 0
    assert floor.read("private/cancel_all", {}) == 2


def test_a_request_is_not_processed_after_its_valid_until(floor: Floor) -> None:
    assert floor.refused("private/sell", floor.order(label="late", valid_until=str(NOW))) == (400, 13888, "timed_out")
    assert floor.read("private/get_order_state_by_label", {"currency": "BTC", "label": "late"}) == []
    floor.sell(label="in time", valid_until=str(NOW + 1))
    assert floor.exchange.positions("hedger")[0].contracts == -10


def test_post_only_never_takes(floor: Floor) -> None:
    crossing = {"price": "49990", "time_in_force": None, "post_only": "true", "label": "maker"}
    assert floor.refused("private/sell", floor.order(**crossing, reject_post_only="true")) == (400, 11054, "post_only_reject")
    assert floor.read("private/get_order_state_by_label", {"currency": "BTC", "label": "maker"}) == [], "refused, not an order"
    moved = floor.sell(**crossing)["order"]
    assert (moved["order_state"], moved["price"], moved["post_only"]) == ("open", 49_999.5, True)
    away = floor.sell(**(crossing | {"price": "50100", "reject_post_only": "true"}))["order"]
    assert (away["order_state"], away["price"]) == ("open", 50_100)


REFUSALS: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    ("sell", {"amount": "15"}, (-32602, "Invalid params amount must be a multiple of the minimum order size")),
    ("sell", {"amount": "5"}, (10002, "qty_too_low")),
    ("sell", {"amount": "200000000"}, (10021, "invalid_amount")),
    ("sell", {"price": "49990.3"}, (-32602, "Invalid params price must conform to tick size")),
    ("sell", {"price": "49000"}, (10005, "price_too_low 49250")),
    ("buy", {"price": "51000"}, (10007, "price_too_high 50750")),
    ("sell", {"price": None}, (-32602, "Invalid params price value required")),
    ("sell", {"amount": None}, (-32602, "Invalid params amount value required")),
    ("sell", {"amount": "many"}, (-32602, "Invalid params amount must be a number")),
    ("sell", {"amount": "-10"}, (-32602, "Invalid params amount must be a positive number")),
    ("sell", {"amount": "9000000"}, (10009, "not_enough_funds")),
    ("buy", {"reduce_only": "true", "price": "50010"}, (11030, "other_reject reduce_only order does not reduce the position")),
    ("sell", {"instrument_name": "BTC-NOPE"}, (13020, "not_found")),
    ("sell", {"label": "l" * 65}, (-32602, "Invalid params label must be at most 64 characters long")),
    ("sell", {"type": "stop_market"}, (-32602, "Invalid params type wrong format")),
    ("sell", {"post_only": "perhaps", "time_in_force": None}, (-32602, "Invalid params post_only must be a boolean")),
    ("sell", {"post_only": "true"}, (-32602, "Invalid params post_only not allowed with this time_in_force")),
]


@pytest.mark.parametrize(("side", "changes", "said"), REFUSALS, ids=[f"{case[1]}" for case in REFUSALS])
def test_refusals_have_their_codes_and_leave_no_order(floor: Floor, side: str, changes: dict[str, Any], said: tuple[int, str]) -> None:
    assert floor.refused(f"private/{side}", floor.order(**changes)) == (400, *said)
    assert floor.exchange.closed_orders("hedger") == ()
    assert floor.exchange.open_orders("hedger") == ()
    assert floor.reports == ()


def test_reduce_only_is_cut_to_the_position(floor: Floor) -> None:
    floor.sell(amount="100")
    order = floor.read("private/buy", floor.order(amount="500", price="50010", reduce_only="true"))["order"]
    assert (order["filled_amount"], order["reduce_only"]) == (100, True)
    assert floor.exchange.positions("hedger")[0].contracts == 0


def test_open_orders_by_everything(floor: Floor) -> None:
    floor.rest("a")
    floor.rest("b", price="2510", instrument_name=ETH, amount="5")
    labels = {
        "private/get_open_orders": ({}, ["b", "a"]),
        "private/get_open_orders_by_currency": ({"currency": "BTC"}, ["a"]),
        "private/get_open_orders_by_instrument": ({"instrument_name": ETH}, ["b"]),
        "private/get_open_orders_by_label": ({"currency": "BTC", "label": "b"}, []),
    }
    for method, (params, wanted) in labels.items():
        assert [order["label"] for order in floor.read(method, params)] == wanted, method
    assert floor.refused("private/get_open_orders_by_currency", {"currency": "DOGE"})[1] == -32602


def test_order_history_leaves_out_what_filled_nothing_unless_asked(floor: Floor) -> None:
    floor.sell(label="filled")
    floor.sell(label="missed", price="50600")
    plain = floor.read("private/get_order_history_by_currency", {"currency": "BTC"})
    assert [order["label"] for order in plain] == ["filled"]
    whole = floor.read("private/get_order_history_by_instrument", {"instrument_name": BTC, "include_unfilled": "true"})
    assert [order["label"] for order in whole] == ["missed", "filled"]


def test_user_trades_in_pages(floor: Floor) -> None:
    for number in range(4):
        floor.now = NOW + number
        floor.sell(label=f"t{number}")
    newest = floor.read("private/get_user_trades_by_currency", {"currency": "BTC", "count": "2"})
    assert ([trade["label"] for trade in newest["trades"]], newest["has_more"]) == (["t3", "t2"], True)
    rising = floor.read("private/get_user_trades_by_currency_and_time", {"currency": "BTC", "start_timestamp": NOW + 1, "count": "2"})
    assert ([trade["label"] for trade in rising["trades"]], rising["has_more"]) == (["t1", "t2"], True)
    last = floor.read(
        "private/get_user_trades_by_instrument_and_time", {"instrument_name": BTC, "start_timestamp": NOW + 3, "end_timestamp": NOW + 9}
    )
    assert ([trade["label"] for trade in last["trades"]], last["has_more"]) == (["t3"], False)
    order_id = last["trades"][0]["order_id"]
    assert [trade["label"] for trade in floor.read("private/get_user_trades_by_order", {"order_id": order_id})] == ["t3"]
    assert floor.read("private/get_user_trades_by_currency", {"currency": "ETH"}) == {"trades": [], "has_more": False}


def test_what_has_ended_answers_to_plain_questions_for_a_while_and_to_historical_ones_after_a_minute(floor: Floor) -> None:
    order_id = floor.sell(label="old")["order"]["order_id"]
    by_label, by_id = {"currency": "BTC", "label": "old"}, {"order_id": order_id}

    def told(**more: str) -> tuple[int, int, int]:
        orders = floor.read("private/get_order_history_by_currency", {"currency": "BTC", **more})
        trades = floor.read("private/get_user_trades_by_currency_and_time", {"currency": "BTC", "start_timestamp": NOW, **more})["trades"]
        return len(orders), len(trades), len(floor.read("private/get_user_trades_by_order", {**by_id, **more}))

    assert (told(), told(historical="true")) == ((1, 1, 1), (0, 0, 0)), "not indexed yet"
    floor.now = NOW + 30 * MINUTE
    assert (told(), told(historical="true")) == ((1, 1, 1), (1, 1, 1))
    assert len(floor.read("private/get_order_state_by_label", by_label)) == 1
    floor.now += 1
    assert floor.read("private/get_order_state_by_label", by_label) == []
    assert floor.refused("private/get_order_state", by_id)[1] == 10004
    assert told() == (0, 1, 1)
    floor.now = NOW + 24 * 60 * MINUTE + 1
    assert (told(), told(historical="true")) == ((0, 0, 0), (1, 1, 1))


def test_an_order_that_rests_is_told_however_old_it_is(floor: Floor) -> None:
    order_id = floor.sell(label="rests", price="60000", time_in_force="good_til_cancelled")["order"]["order_id"]
    floor.now = NOW + 24 * 60 * MINUTE
    assert floor.read("private/get_order_state", {"order_id": order_id})["label"] == "rests"
    assert len(floor.read("private/get_order_state_by_label", {"currency": "BTC", "label": "rests"})) == 1


def test_what_the_venue_closes_itself_is_a_trade_of_type_liquidation_without_a_label(floor: Floor) -> None:
    floor.sell(amount="100", label="mine")
    floor.exchange.deleverage("hedger", BTC, D(40), floor.now)
    newest = floor.read("private/get_user_trades_by_instrument", {"instrument_name": BTC, "count": "1"})["trades"][0]
    assert (newest["order_type"], newest["label"], newest["liquidation"], newest["direction"]) == ("liquidation", "", "T", "buy")
    assert newest["amount"] == 40


def test_the_matching_engine_takes_twenty_at_once_and_five_a_second(floor: Floor) -> None:
    for _ in range(MATCHING.most):
        floor.sell(price="50600")
    assert floor.refused("private/sell", floor.order()) == (429, 10028, "too_many_requests")
    assert floor.exchange.positions("hedger") == ()
    assert floor.read("private/get_positions") == [], "other requests have credits of their own"
    assert floor.read("private/sell", floor.order(), key=OTHER)["order"]["order_state"] == "filled", "and other accounts"
    floor.now += 200
    floor.sell()
    assert floor.refused("private/sell", floor.order())[1] == 10028


def test_a_client_that_is_measured_is_never_refused_for_its_speed() -> None:
    floor = Floor(limits_enforced=False)
    for _ in range(60):
        floor.sell(price="50600")


def test_the_same_over_post_with_a_json_body(floor: Floor) -> None:
    token = floor.read(
        "public/auth", {"grant_type": "client_credentials", "client_id": "key-hedger", "client_secret": "secret-hedger"}, key=None
    )["access_token"]
    body = {
        "jsonrpc": "2.0",
        "id": 42,
        "method": "private/sell",
        "params": {**floor.order(), "amount": 10, "price": 49990, "label": "posted"},
    }
    request = HttpRequest(
        method="POST",
        host="www.deribit.com",
        path="/api/v2",
        query_string="",
        headers={"Authorization": f"Bearer {token}"},
        body=orjson.dumps(body),
    )
    assert floor.dialect.operation(request) is Operation.PLACE
    answer = orjson.loads(floor.dialect.handle(request, floor.now).reply.body)
    assert (answer["id"], answer["result"]["order"]["label"]) == (42, "posted")
