"""Hyperliquid's orders: what each status says, what is refused in which words, cancels, leverage and the dead-man switch."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bot.simulator.model import OrderReport, OrderState
from tests.simulator.hyperliquid_floor import BTC, CLOID, ETH, NOW, OTHER, OWNER, SOL, D, Floor, order, orders


def status(floor: Floor, oid: Any) -> tuple[str, str]:
    """An order's word and what has not filled of it, by either id."""
    told = floor.ask("orderStatus", oid=oid)
    assert told["status"] == "order", told
    return told["order"]["status"], told["order"]["order"]["sz"]


def test_an_order_that_filled_says_what_and_at_which_price() -> None:
    floor = Floor()
    told = floor.place(cloid=CLOID)
    assert told == {"filled": {"totalSz": "0.05", "avgPx": "59999.0", "oid": told["filled"]["oid"], "cloid": CLOID}}
    assert isinstance(told["filled"]["oid"], int)
    assert status(floor, CLOID) == status(floor, told["filled"]["oid"]) == ("filled", "0.0")


def test_an_order_without_a_client_id_is_answered_without_one() -> None:
    floor = Floor()
    assert set(floor.place()["filled"]) == {"totalSz", "avgPx", "oid"}
    assert set(floor.place(tif="Gtc", price="60100")["resting"]) == {"oid"}


def test_what_an_immediate_order_cannot_fill_is_gone() -> None:
    floor = Floor()
    told = floor.place(size="1.5", price="59999", cloid=CLOID)
    assert told["filled"]["totalSz"] == "1.0"
    assert status(floor, CLOID) == ("canceled", "0.5")
    assert floor.ask("openOrders") == []


def test_an_immediate_order_that_meets_nobody_is_an_error_and_yet_known() -> None:
    floor = Floor()
    assert floor.place(price="60001", cloid=CLOID) == {"error": "Order could not immediately match against any resting orders. asset=0"}
    assert status(floor, CLOID) == ("iocCancelRejected", "0.05")


def test_a_post_only_order_that_would_take_quotes_the_touch() -> None:
    floor = Floor()
    told = floor.place(tif="Alo", price="59999", cloid=CLOID)
    assert told == {"error": "Post only order would have immediately matched, bbo was 59999@60001. asset=0"}
    assert status(floor, CLOID) == ("badAloPxRejected", "0.05")
    assert "resting" in floor.place(tif="Alo", price="60000")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"price": "59999.5"}, "Order has invalid price."),
        ({"price": "2999.99", "asset": ETH, "size": "1"}, "Order has invalid price."),
        ({"price": "149.123", "asset": SOL, "size": "1"}, "Order has invalid price."),
        ({"price": "0"}, "Order has invalid price."),
        ({"price": "150.001", "asset": SOL, "size": "1"}, "Order has invalid price."),
        ({"size": "0.000001"}, "Order has invalid size."),
        ({"size": "1.005", "asset": SOL, "price": "149"}, "Order has invalid size."),
        ({"size": "0"}, "Order has zero size."),
        ({"size": "20000"}, "Order has invalid size."),
        ({"size": "0.0001"}, "Order must have minimum value of $10."),
        ({"size": "90"}, "Insufficient margin to place order."),
        ({"reduce": True}, "Reduce only order would increase position."),
        ({"price": "11999"}, "Order price cannot be more than 80% away from the reference price."),
        ({"buy": True, "price": "108001"}, "Order price cannot be more than 80% away from the reference price."),
        ({"asset": 9}, "Unknown asset."),
        ({"builder": 1, "t": {"trigger": {"isMarket": True, "triggerPx": "1", "tpsl": "sl"}}}, "Trigger orders are not simulated."),
    ],
)
def test_each_refusal_has_its_words(changed: dict[str, Any], words: str) -> None:
    floor = Floor()
    asset = changed.get("asset", BTC)
    assert floor.place(**changed) == {"error": f"{words} asset={asset}"}
    assert floor.exchange.positions("hedger") == ()


@pytest.mark.parametrize(
    ("asset", "price", "taken"),
    [
        (BTC, "59999", True),
        (BTC, "59998.5", False),
        (BTC, "123456", True),
        (ETH, "2999.9", True),
        (ETH, "2999.95", False),
        (SOL, "149.99", True),
        (SOL, "149.995", False),
    ],
)
def test_prices_have_five_significant_figures_and_whole_ones_any_number(asset: int, price: str, taken: bool) -> None:
    told = Floor().place(asset=asset, price=price, size="0.5", buy=price == "123456")
    assert told.get("error", "").startswith("Order has invalid price.") is not taken


def test_a_cloid_stays_taken() -> None:
    floor = Floor()
    floor.place(cloid=CLOID)
    assert floor.place(cloid=CLOID)["error"].startswith("Duplicate cloid.")
    assert floor.place(cloid=CLOID, key=OTHER)["filled"], "of one account only"


def test_a_cloid_is_the_same_in_capitals() -> None:
    floor = Floor()
    floor.place(cloid=CLOID.upper().replace("0X", "0x"))
    assert status(floor, CLOID)[0] == "filled"


@pytest.mark.parametrize(
    "wrong",
    [
        {"c": "mine"},
        {"p": 59_990},
        {"p": "1e4"},
        {"s": None},
        {"b": "true"},
        {"a": "0"},
        {"t": {}},
        {"t": {"limit": {"tif": "Fok"}}},
    ],
)
def test_one_misshapen_order_spoils_the_whole_batch(wrong: dict[str, Any]) -> None:
    floor = Floor()
    answer = floor.post("/exchange", floor.signed(orders(order(), order() | wrong)))
    assert answer.reply.status == 422
    assert floor.exchange.positions("hedger") == ()


def test_one_refused_order_does_not_hold_up_the_others() -> None:
    floor = Floor()
    told = floor.act(orders(order(price="59998.5"), order(), order(reduce=True, buy=True, price="60010", size="0.01")))
    first, second, third = told["response"]["data"]["statuses"]
    assert first["error"].startswith("Order has invalid price.")
    assert (second["filled"]["totalSz"], third["filled"]["totalSz"]) == ("0.05", "0.01")
    assert floor.ask("userRateLimit")["nRequestsUsed"] == 3, "each order of a batch counts"


def test_builders_are_not_paid_unless_they_were_approved() -> None:
    floor = Floor()
    action = orders(order()) | {"builder": {"b": OTHER.api_key, "f": 10}}
    assert floor.act(action) == {"status": "err", "response": "Builder fee has not been approved."}
    assert floor.act(orders(order()) | {"builder": {"b": OTHER.api_key, "f": 0}})["status"] == "ok"


def test_unknown_actions_are_not_read() -> None:
    floor = Floor()
    assert floor.post("/exchange", floor.signed({"type": "usdSend"})).reply.status == 422
    assert floor.post("/exchange", floor.signed({"type": "order", "orders": [], "grouping": "na"})).reply.status == 422


def cancel(floor: Floor, by: str, value: Any) -> Any:
    action = (
        {"type": "cancel", "cancels": [{"a": BTC, "o": value}]}
        if by == "o"
        else {"type": "cancelByCloid", "cancels": [{"asset": BTC, "cloid": value}]}
    )
    told = floor.act(action)
    assert told["response"]["type"] == "cancel"
    (one,) = told["response"]["data"]["statuses"]
    return one


@pytest.mark.parametrize("by", ["o", "cloid"])
def test_cancelling_by_either_id(by: str) -> None:
    floor = Floor()
    oid = floor.place(tif="Gtc", price="60100", cloid=CLOID)["resting"]["oid"]
    named = oid if by == "o" else CLOID
    assert cancel(floor, by, named) == "success"
    assert status(floor, oid) == ("canceled", "0.05")
    assert cancel(floor, by, named) == {"error": "Order was never placed, already canceled, or filled. asset=0"}


def test_an_unknown_order_has_no_status() -> None:
    floor = Floor()
    assert floor.ask("orderStatus", oid=1) == floor.ask("orderStatus", oid=CLOID) == {"status": "unknownOid"}
    assert floor.ask("orderStatus", oid=floor.place()["filled"]["oid"], user=OTHER) == {"status": "unknownOid"}
    assert floor.post("/info", {"type": "orderStatus", "user": OWNER.api_key, "oid": "x"}).reply.status == 422


def test_leverage_is_set_per_coin_and_has_the_tier_s_maximum() -> None:
    floor = Floor()

    def set_to(leverage: Any, *, cross: bool = True) -> Any:
        return floor.act({"type": "updateLeverage", "asset": BTC, "isCross": cross, "leverage": leverage})

    assert set_to(5) == {"status": "ok", "response": {"type": "default"}}
    assert floor.exchange.leverage("hedger", "BTC") == 5
    assert set_to(41) == {"status": "err", "response": "Invalid leverage value"}
    assert set_to(5, cross=False)["status"] == "err"
    assert floor.exchange.leverage("hedger", "BTC") == 5


def test_open_orders_in_both_forms_newest_first() -> None:
    floor = Floor()
    first = floor.place(tif="Gtc", price="60100", cloid=CLOID)["resting"]["oid"]
    floor.now += 1
    second = floor.place(tif="Alo", price="60200", size="0.1")["resting"]["oid"]
    plain = {
        "coin": "BTC",
        "side": "A",
        "limitPx": "60100.0",
        "sz": "0.05",
        "oid": first,
        "timestamp": NOW,
        "origSz": "0.05",
        "cloid": CLOID,
    }
    newer, older = floor.ask("openOrders")
    assert older == plain
    assert (newer["oid"], "cloid" in newer) == (second, False)
    full = floor.ask("frontendOpenOrders")
    assert [(row["tif"], row["cloid"], row["reduceOnly"]) for row in full] == [("Alo", None, False), ("Gtc", CLOID, False)]
    assert {row["orderType"] for row in full} == {"Limit"}


def test_history_has_closed_and_open_orders_newest_first() -> None:
    floor = Floor()
    floor.place()
    floor.now += 1
    floor.place(tif="Gtc", price="60100")
    floor.now += 1
    floor.place(price="60001")
    assert [row["status"] for row in floor.ask("historicalOrders")] == ["iocCancelRejected", "open", "filled"]


def traded_a_million(floor: Floor) -> None:
    floor.dialect._wallets.usage["hedger"].volume = D(1_000_000)


def test_a_scheduled_cancel_cancels_everything_at_its_instant() -> None:
    floor = Floor()
    traded_a_million(floor)
    oid = floor.place(tif="Gtc", price="60100")["resting"]["oid"]
    assert floor.act({"type": "scheduleCancel", "time": NOW + 5_000})["status"] == "ok"
    assert floor.dialect.elapsed(NOW + 4_999) == ()
    (report, *_) = floor.dialect.elapsed(NOW + 5_000)
    assert isinstance(report, OrderReport)
    assert report.order.state is OrderState.CANCELED
    assert status(floor, oid) == ("scheduledCancel", "0.05")
    assert floor.dialect.elapsed(NOW + 60_000) == ()


def test_a_scheduled_cancel_can_be_put_off_and_taken_back() -> None:
    floor = Floor()
    traded_a_million(floor)
    floor.place(tif="Gtc", price="60100")
    floor.act({"type": "scheduleCancel", "time": NOW + 5_000})
    floor.act({"type": "scheduleCancel", "time": NOW + 8_000})
    assert floor.dialect.elapsed(NOW + 7_999) == ()
    floor.act({"type": "scheduleCancel"})
    assert floor.dialect.elapsed(NOW + 9_000) == ()
    assert len(floor.ask("openOrders")) == 1


def test_a_scheduled_cancel_needs_five_seconds_and_a_million_traded() -> None:
    floor = Floor()
    words = "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $0.00."
    assert floor.act({"type": "scheduleCancel", "time": NOW + 5_000}) == {"status": "err", "response": words}
    traded_a_million(floor)
    assert floor.act({"type": "scheduleCancel", "time": NOW + 4_999})["status"] == "err"


def test_an_answer_is_json_with_the_venues_types() -> None:
    floor = Floor()
    body = floor.post("/exchange", floor.signed(orders(order(cloid=CLOID)))).reply.body
    filled = orjson.loads(body)["response"]["data"]["statuses"][0]["filled"]
    assert [type(filled[name]) for name in ("totalSz", "avgPx", "oid", "cloid")] == [str, str, int, str]
