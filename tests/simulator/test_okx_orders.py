"""Orders in OKX's words: ids and sCodes only, every refusal with the venue's own code, cancels, look-ups, the countdown."""

from __future__ import annotations

from typing import Any

import pytest

from bot.simulator.dialects.dialect import Operation
from bot.simulator.model import OrderReport, Side
from tests.simulator.okx_floor import BTC, NOW, OTHER, D, Floor, tick


def test_an_accepted_order_answers_with_ids_and_nothing_of_its_fate() -> None:
    floor = Floor()
    body, answer = floor.ask("POST", "trade/batch-orders", [floor.order(clOrdId="abc1", tag="t")])
    (row,) = body["data"]
    assert body["code"] == "0"
    assert set(row) == {"clOrdId", "ordId", "tag", "ts", "sCode", "sMsg", "subCode"}
    assert (row["clOrdId"], row["sCode"], row["tag"]) == ("abc1", "0", "t")
    assert row["ordId"].isdigit()
    assert answer.reports, "the fill is told to sockets"
    assert floor.exchange.positions("hedger")[0].contracts == D(-1)


def test_a_filled_ioc_is_found_by_both_ids() -> None:
    floor = Floor()
    row, _ = floor.place(clOrdId="abc1")
    by_client = floor.read("trade/order", {"instId": BTC, "clOrdId": "abc1"})
    assert by_client == floor.read("trade/order", {"instId": BTC, "ordId": row["ordId"]})
    order = by_client[0]
    assert (order["state"], order["accFillSz"], order["avgPx"], order["ordType"]) == ("filled", "1", "49999", "ioc")
    assert order["fee"] == "-0.249995", "0.05 % of 0.01 BTC at 49,999, negative because it was paid"
    assert order["cancelSource"] == ""


def test_an_ioc_that_fills_in_part_is_canceled_for_the_rest() -> None:
    floor = Floor()
    floor.place(clOrdId="deep", sz="250", px="49998.5")
    order = floor.read("trade/order", {"instId": BTC, "clOrdId": "deep"})[0]
    assert (order["state"], order["accFillSz"], order["cancelSource"]) == ("canceled", "100", "14")


def test_an_ioc_that_meets_nobody_is_canceled_unfilled() -> None:
    floor = Floor()
    row, _ = floor.place(clOrdId="none1", px="50010")
    assert row["sCode"] == "0"
    order = floor.read("trade/order", {"instId": BTC, "clOrdId": "none1"})[0]
    assert (order["state"], order["accFillSz"], order["avgPx"], order["tradeId"]) == ("canceled", "0", "", "")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"instId": "DOGE-USDT-SWAP"}, "51001"),
        ({"instId": None}, "50014"),
        ({"tdMode": None}, "50014"),
        ({"sz": ""}, "50014"),
        ({"tdMode": "cash"}, "51000"),
        ({"tdMode": "isolated"}, "51010"),
        ({"side": "short"}, "51000"),
        ({"ordType": "trigger"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"reduceOnly": "maybe"}, "51000"),
        ({"sz": "-1"}, "51000"),
        ({"sz": "1e3"}, "51000"),
        ({"sz": "0"}, "51000"),
        ({"px": "abc"}, "51000"),
        ({"clOrdId": "with-dash"}, "51000"),
        ({"clOrdId": "x" * 33}, "51000"),
        ({"tag": "t" * 17, "clOrdId": "a"}, "51000"),
        ({"sz": "0.001"}, "51020"),
        ({"sz": "1.005"}, "51121"),
        ({"sz": "200000000"}, "51101"),
        ({"sz": "200000000", "ordType": "market", "px": None}, "51202"),
        ({"px": None}, "51204"),
        ({"px": "49990.05"}, "51150"),
        ({"px": "47000"}, "51006"),
        ({"side": "buy", "px": "53000"}, "51006"),
        ({"sz": "30000", "ordType": "limit", "px": "50010"}, "51008"),
        ({"reduceOnly": True}, "51169"),
    ],
)
def test_a_refused_order_has_the_venues_code_and_changes_nothing(changes: dict[str, Any], expected: str) -> None:
    floor = Floor()
    row, answer = floor.place(**changes)
    assert (row["sCode"], row["ordId"]) == (expected, "")
    assert row["sMsg"]
    assert not answer.reports
    assert not floor.exchange.open_orders("hedger")
    assert not floor.exchange.closed_orders("hedger")


def test_a_reduce_only_order_on_the_side_of_the_position() -> None:
    floor = Floor()
    floor.place()
    assert floor.place(reduceOnly=True)[0]["sCode"] == "51170"
    assert floor.place(reduceOnly=True, side="buy", px="50010")[0]["sCode"] == "0"


def test_a_position_too_large_for_the_leverage() -> None:
    floor = Floor(deposit="1000000000")
    assert floor.ask("POST", "account/set-leverage", {"instId": BTC, "lever": "100", "mgnMode": "cross"})[0]["code"] == "0"
    row, _ = floor.place(ordType="limit", sz="7000", px="50010")
    assert row["sCode"] == "51004", "3.5 million is above what 100x may hold"
    assert "100" in row["sMsg"]


def test_the_price_band_is_quoted() -> None:
    row, _ = Floor().place(px="47000")
    assert row["sMsg"] == "Order price is not within the price limit (max buy price: 52500 , min sell price: 47500 )"


def test_a_client_id_is_taken_while_its_order_is_open() -> None:
    floor = Floor()
    resting: dict[str, Any] = {"ordType": "limit", "px": "50500", "clOrdId": "same"}
    assert floor.place(**resting)[0]["sCode"] == "0"
    assert floor.place(**resting)[0]["sCode"] == "51016"
    assert floor.place(OTHER, **resting)[0]["sCode"] == "0", "another account may use it"


def test_a_batch_goes_through_in_part() -> None:
    floor = Floor()
    good, bad = floor.order(clOrdId="good"), floor.order(clOrdId="bad", sz="1.005")
    body, _ = floor.ask("POST", "trade/batch-orders", [good, bad])
    assert (body["code"], [row["sCode"] for row in body["data"]]) == ("2", ["0", "51121"])
    body, _ = floor.ask("POST", "trade/batch-orders", [bad])
    assert (body["code"], body["msg"]) == ("1", "All operations failed")
    body, _ = floor.ask("POST", "trade/batch-orders", [floor.order(clOrdId=f"n{number}") for number in range(21)])
    assert body["code"] == "51111"


@pytest.mark.parametrize("single", [True, False])
def test_cancel_by_either_id_and_never_twice(single: bool) -> None:
    floor = Floor()
    path = "trade/cancel-order" if single else "trade/cancel-batch-orders"
    for number, name in enumerate(("ordId", "clOrdId")):
        row, _ = floor.place(ordType="limit", px="50500", clOrdId=f"c{number}")
        asked = {"instId": BTC, name: row[name]}
        body, answer = floor.ask("POST", path, asked if single else [asked])
        assert (body["code"], body["data"][0]["sCode"], body["data"][0]["ordId"]) == ("0", "0", row["ordId"])
        assert any(isinstance(report, OrderReport) for report in answer.reports)
        body, _ = floor.ask("POST", path, asked if single else [asked])
        assert (body["code"], body["data"][0]["sCode"]) == ("1", "51400")
        order = floor.read("trade/order", {"instId": BTC, "ordId": row["ordId"]})[0]
        assert (order["state"], order["cancelSource"]) == ("canceled", "1")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"instId": BTC, "ordId": "999"}, "51400"),
        ({"instId": BTC, "ordId": "not a number"}, "51400"),
        ({"instId": BTC}, "51003"),
        ({"instId": "DOGE-USDT-SWAP", "ordId": "1"}, "51001"),
        ({"ordId": "1"}, "50014"),
    ],
)
def test_a_cancel_of_nothing(asked: dict[str, str], expected: str) -> None:
    body, _ = Floor().ask("POST", "trade/cancel-order", asked)
    assert (body["code"], body["data"][0]["sCode"]) == ("1", expected)


def test_an_order_of_another_account_is_not_there() -> None:
    floor = Floor()
    row, _ = floor.place(ordType="limit", px="50500")
    asked = {"instId": BTC, "ordId": row["ordId"]}
    assert floor.ask("GET", "trade/order", asked, key=OTHER)[0]["code"] == "51603"
    assert floor.ask("POST", "trade/cancel-order", asked, key=OTHER)[0]["data"][0]["sCode"] == "51400"
    assert len(floor.read("trade/orders-pending")) == 1


@pytest.mark.parametrize(
    ("params", "expected"), [({"instId": BTC}, "51003"), ({"ordId": "1"}, "50014"), ({"instId": BTC, "ordId": "9"}, "51603")]
)
def test_a_look_up_that_finds_nothing(params: dict[str, str], expected: str) -> None:
    assert Floor().ask("GET", "trade/order", params)[0]["code"] == expected


def test_post_only_and_fill_or_kill_are_accepted_and_then_canceled() -> None:
    floor = Floor()
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (("post_only", {}, "31"), ("fok", {"sz": "1000"}, "13"))
    for order_type, changes, source in cases:
        row, _ = floor.place(ordType=order_type, **changes)
        assert row["sCode"] == "0"
        order = floor.read("trade/order", {"instId": BTC, "ordId": row["ordId"]})[0]
        assert (order["ordType"], order["state"], order["cancelSource"], order["accFillSz"]) == (order_type, "canceled", source, "0")


def test_pending_and_history_part_open_from_closed_newest_first_with_pages() -> None:
    floor = Floor()
    ids = []
    for number in range(5):
        floor.now += 1
        ids.append(floor.place(ordType="limit", px=f"{50500 + number}")[0]["ordId"])
    filled = floor.place()[0]["ordId"]
    assert [row["ordId"] for row in floor.read("trade/orders-pending", {"instType": "SWAP"})] == ids[::-1]
    assert [row["ordId"] for row in floor.read("trade/orders-pending", {"limit": "2", "after": ids[3]})] == [ids[2], ids[1]]
    assert [row["ordId"] for row in floor.read("trade/orders-pending", {"before": ids[3]})] == [ids[4]]
    assert [row["ordId"] for row in floor.read("trade/orders-pending", {"begin": str(NOW + 2), "end": str(NOW + 3)})] == ids[2:0:-1]
    assert floor.read("trade/orders-pending", {"instId": "ETH-USDT-SWAP"}) == []
    history = floor.read("trade/orders-history", {"instType": "SWAP", "state": "filled"})
    assert [row["ordId"] for row in history] == [filled]
    assert floor.read("trade/orders-history", {"instType": "SWAP", "state": "canceled"}) == []
    assert floor.ask("GET", "trade/orders-history")[0]["code"] == "50014"
    assert floor.ask("GET", "trade/orders-pending", {"limit": "many"})[0]["code"] == "51000"


def test_fills_carry_their_order_their_fee_and_their_role() -> None:
    floor = Floor()
    floor.rest("other", Side.BUY, "2", "49999.5")
    row, _ = floor.place(clOrdId="taker1", sz="3", tag="tg")
    taken = floor.read("trade/fills", {"ordId": row["ordId"]})
    assert [(f["fillPx"], f["fillSz"], f["execType"], f["clOrdId"], f["tag"]) for f in taken] == [
        ("49999", "1", "T", "taker1", "tg"),
        ("49999.5", "2", "T", "taker1", "tg"),
    ]
    assert taken[0]["fee"] == "-0.249995"
    (made,) = floor.read("trade/fills-history", {"instType": "SWAP"}, key=OTHER)
    assert (made["execType"], made["side"], made["fee"]) == ("M", "buy", "-0.199998")
    assert made["tradeId"] == taken[1]["tradeId"]


def test_the_countdown_cancels_what_is_open_when_it_ends() -> None:
    floor = Floor()
    floor.place(ordType="limit", px="50500", clOrdId="left")
    body, _ = floor.ask("POST", "trade/cancel-all-after", {"timeOut": "10"})
    assert body["data"][0]["triggerTime"] == str((NOW + 10_000) // 1000)
    assert not floor.dialect.elapsed(NOW + 9_999)
    assert floor.dialect.elapsed(NOW + 10_000)
    order = floor.read("trade/order", {"instId": BTC, "clOrdId": "left"})[0]
    assert (order["state"], order["cancelSource"]) == ("canceled", "20")
    assert not floor.dialect.elapsed(NOW + 20_000)


def test_the_countdown_is_put_off_stopped_and_bounded() -> None:
    floor = Floor()
    floor.place(ordType="limit", px="50500")
    floor.ask("POST", "trade/cancel-all-after", {"timeOut": "10"})
    floor.now += 9_000
    floor.ask("POST", "trade/cancel-all-after", {"timeOut": "10"})
    assert not floor.dialect.elapsed(NOW + 10_000)
    assert floor.ask("POST", "trade/cancel-all-after", {"timeOut": "0"})[0]["data"][0]["triggerTime"] == "0"
    assert not floor.dialect.elapsed(NOW + 100_000)
    for wrong in ("9", "121", "-5", "soon"):
        assert floor.ask("POST", "trade/cancel-all-after", {"timeOut": wrong})[0]["code"] == "51000"


def test_a_request_after_the_end_of_a_countdown_brings_its_reports_along() -> None:
    floor = Floor()
    floor.place(ordType="limit", px="50500")
    floor.ask("POST", "trade/cancel-all-after", {"timeOut": "10"})
    floor.now += 10_000
    _, answer = floor.ask("GET", "public/time", key=None)
    assert any(isinstance(report, OrderReport) for report in answer.reports)


def test_long_short_mode_is_kept_but_its_orders_are_not_supported() -> None:
    floor = Floor()
    assert floor.ask("POST", "account/set-position-mode", {"posMode": "long_short_mode"})[0]["code"] == "0"
    assert floor.place()[0]["sCode"] == "51000", "posSide must be given in long/short mode"
    assert floor.place(posSide="short")[0]["sCode"] == "51010"
    assert floor.ask("POST", "account/set-position-mode", {"posMode": "net_mode"})[0]["code"] == "0"
    assert floor.place()[0]["sCode"] == "0"
    assert floor.ask("POST", "account/set-position-mode", {"posMode": "long_short_mode"})[0]["code"] == "59000"


def test_market_orders_are_bounded_by_the_band() -> None:
    floor = Floor()
    assert floor.place(ordType="market", px=None, clOrdId="mkt")[0]["sCode"] == "0"
    assert floor.read("trade/order", {"instId": BTC, "clOrdId": "mkt"})[0]["ordType"] == "market"
    floor.exchange.on_tick(tick(BTC, mark=D(60_000)), NOW)
    assert floor.place(ordType="market", px=None)[0]["sCode"] == "51109"


def test_requests_say_what_they_are_about() -> None:
    floor = Floor()
    for verb, path, about in (
        ("POST", "trade/batch-orders", Operation.PLACE),
        ("POST", "trade/order", Operation.PLACE),
        ("GET", "trade/order", Operation.ORDER),
        ("POST", "trade/cancel-order", Operation.CANCEL),
        ("GET", "trade/orders-pending", Operation.OPEN_ORDERS),
        ("GET", "trade/fills-history", Operation.FILLS),
        ("GET", "account/positions", Operation.POSITIONS),
        ("GET", "account/balance", Operation.BALANCE),
        ("GET", "account/bills-archive", Operation.FUNDING_PAID),
        ("GET", "public/time", Operation.CLOCK),
        ("GET", "public/instruments", Operation.MARKETS),
        ("GET", "market/books", Operation.MARKET_DATA),
    ):
        assert floor.dialect.operation(floor.request(verb, path, [] if path == "trade/batch-orders" else {})) is about
