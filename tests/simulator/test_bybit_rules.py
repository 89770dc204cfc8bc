"""The Bybit dialect without a wire: signing, windows, pages, limits, spelling, and what time brings about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.simulator.dialects.bybit.codes import refused
from bot.simulator.dialects.bybit.rest import ROUTES
from bot.simulator.dialects.bybit.wire import order_id, order_number, text
from bot.simulator.dialects.dialect import Credential, HttpReply, HttpRequest, Operation
from bot.simulator.model import Refusal, Refused
from tests.simulator.bybit_stand import DESK, NOW, ORDER, OTHER, D, Floor
from tests.simulator.stand import tick_of


@pytest.fixture
def floor() -> Floor:
    return Floor()


@pytest.mark.parametrize(
    ("stamp", "window", "code"),
    [
        (NOW, 5_000, 0),
        (NOW - 5_000, 5_000, 0),
        (NOW - 5_001, 5_000, 10002),
        (NOW + 999, 5_000, 0),
        (NOW + 1_000, 5_000, 10002),
        (NOW - 101, 100, 10002),
    ],
)
def test_a_request_is_in_time_within_its_own_window_and_a_second_ahead(floor: Floor, stamp: int, window: int, code: int) -> None:
    said = floor.call("GET", "/v5/account/info", stamp=str(stamp), window=str(window))
    assert said["retCode"] == code


def test_a_late_order_never_becomes_one(floor: Floor) -> None:
    said = floor.call("POST", "/v5/order/create", ORDER, stamp=str(NOW - 2_000), window="1000")
    assert said["retCode"] == 10002
    assert floor.exchange.open_orders("desk") == ()


def test_every_private_endpoint_wants_a_signature(floor: Floor) -> None:
    for (method, path), route in ROUTES.items():
        private = route.per_second is not None
        assert (floor.call(method, path, {"category": "linear"}, by=None)["retMsg"].endswith("openapi sign params error!")) is private
        forged = Credential(api_key=DESK.api_key, secret="guessed", account="desk")
        if private:
            assert floor.call(method, path, {"category": "linear"}, by=forged)["retCode"] == 10004
            assert "X-Bapi-Limit" not in floor.headers


def test_unknown_paths_methods_and_hosts_are_not_found(floor: Floor) -> None:
    for method, path, host in (
        ("GET", "/v5/order/create", "api.bybit.com"),
        ("POST", "/v5/order/amend", "api.bybit.com"),
        ("GET", "/v5/market/time", "stream.bybit.com"),
    ):
        request = HttpRequest(method=method, host=host, path=path, query_string="", headers={}, body=b"")
        assert floor.dialect.operation(request) is Operation.UNKNOWN
        assert floor.dialect.handle(request, NOW).reply.status == 404
    for host, path in (("api.bybit.com", "/v5/private"), ("stream.bybit.com", "/v5/public/spot")):
        opened = floor.dialect.open_socket(host, path, "", NOW)
        assert isinstance(opened, HttpReply)
        assert opened.status == 404


@pytest.mark.parametrize(
    ("method", "path", "query", "operation"),
    [
        ("POST", "/v5/order/create", "", Operation.PLACE),
        ("GET", "/v5/order/realtime", "category=linear&settleCoin=USDT", Operation.OPEN_ORDERS),
        ("GET", "/v5/order/realtime", "category=linear&symbol=BTCUSDT&orderLinkId=a", Operation.ORDER),
        ("GET", "/v5/execution/list", "category=linear&execType=Trade", Operation.FILLS),
        ("GET", "/v5/execution/list", "category=linear&execType=Funding", Operation.FUNDING_PAID),
        ("GET", "/v5/position/list", "", Operation.POSITIONS),
    ],
)
def test_a_fault_plan_can_aim_by_operation(floor: Floor, method: str, path: str, query: str, operation: Operation) -> None:
    request = HttpRequest(method=method, host="api.bybit.com", path=path, query_string=query, headers={}, body=b"")
    assert floor.dialect.operation(request) is operation


def test_every_refusal_has_a_code() -> None:
    codes = {refusal: refused(Refused(refusal, "")).code for refusal in Refusal}
    assert all(code >= 10001 for code in codes.values())
    assert (codes[Refusal.MARGIN], codes[Refusal.DUPLICATE_CLIENT_ID], codes[Refusal.UNKNOWN_ORDER]) == (110007, 110072, 110001)


def test_limits_count_per_account_and_endpoint_and_free_after_a_second(floor: Floor) -> None:
    asked = {"category": "linear", "symbol": "BTCUSDT"}
    for left in range(9, -1, -1):
        assert floor.call("GET", "/v5/account/fee-rate", asked)["retCode"] == 0
        assert floor.headers["X-Bapi-Limit-Status"] == str(left)
    assert floor.call("GET", "/v5/account/fee-rate", asked, now=NOW + 500)["retCode"] == 10006
    assert floor.headers["X-Bapi-Limit-Reset-Timestamp"] == str(NOW + 1_000)
    assert floor.call("GET", "/v5/account/fee-rate", asked, by=OTHER)["retCode"] == 0
    assert floor.call("GET", "/v5/account/info")["retCode"] == 0
    assert floor.call("GET", "/v5/account/fee-rate", asked, now=NOW + 1_000)["retCode"] == 0
    calm = Floor(limits_enforced=False)
    assert {calm.call("GET", "/v5/account/fee-rate", asked)["retCode"] for _ in range(30)} == {0}


def test_pages_do_not_shift_when_new_orders_come(floor: Floor) -> None:
    ids = [floor.place(orderLinkId=f"n{index}") for index in range(5)]
    asked = {"category": "linear", "settleCoin": "USDT", "limit": "2"}
    first = floor.call("GET", "/v5/order/realtime", asked)["result"]
    floor.place(orderLinkId="late")
    second = floor.call("GET", "/v5/order/realtime", asked | {"cursor": first["nextPageCursor"]})["result"]
    third = floor.call("GET", "/v5/order/realtime", asked | {"cursor": second["nextPageCursor"]})["result"]
    rows = [row["orderId"] for listing in (first, second, third) for row in listing["list"]]
    assert rows == list(reversed(ids))
    after = floor.call("GET", "/v5/order/realtime", asked | {"cursor": third["nextPageCursor"]})["result"]
    assert (after["list"], after["nextPageCursor"]) == ([], "")


def test_history_and_executions_reach_back_seven_days_at_most(floor: Floor) -> None:
    floor.place(price="59990", timeInForce="IOC", orderLinkId="old")
    week = 7 * 86_400_000
    for path in ("/v5/order/history", "/v5/execution/list"):
        asked = {"category": "linear", "symbol": "BTCUSDT"}
        assert len(floor.call("GET", path, asked, now=NOW + week)["result"]["list"]) == 1
        assert floor.call("GET", path, asked, now=NOW + week + 1)["result"]["list"] == []
        started = asked | {"startTime": str(NOW - 10)}
        assert len(floor.call("GET", path, started, now=NOW + 2 * week)["result"]["list"]) == 1
        assert floor.call("GET", path, asked | {"startTime": "1", "endTime": str(week + 2)})["retCode"] == 10001
        found = floor.call("GET", path, asked | {"orderLinkId": "old", **({} if "history" in path else {"startTime": str(NOW)})})
        assert len(found["result"]["list"]) == 1


def test_what_a_listing_needs(floor: Floor) -> None:
    for path, asked in (
        ("/v5/order/realtime", {"category": "linear"}),
        ("/v5/position/list", {"category": "linear"}),
        ("/v5/position/list", {"symbol": "BTCUSDT"}),
        ("/v5/account/wallet-balance", {"accountType": "CONTRACT"}),
        ("/v5/order/history", {"category": "linear", "limit": "51"}),
        ("/v5/order/history", {"category": "linear", "cursor": "x"}),
        ("/v5/market/tickers", {"category": "linear", "symbol": "NOUSDT"}),
        ("/v5/market/open-interest", {"category": "linear", "symbol": "BTCUSDT", "intervalTime": "2h"}),
        ("/v5/market/funding/history", {"category": "linear", "symbol": "BTCUSDT", "startTime": "1"}),
    ):
        assert floor.call("GET", path, asked)["retCode"] == 10001, (path, asked)
    assert floor.call("GET", "/v5/market/instruments-info", {"category": "spot"})["result"]["list"] == []


def test_the_wallet_counts_every_coin_at_its_index(floor: Floor) -> None:
    row = floor.call("GET", "/v5/account/wallet-balance", {"accountType": "UNIFIED"})["result"]["list"][0]
    (btc,) = [coin for coin in row["coin"] if coin["coin"] == "BTC"]
    assert 59_999 < D(btc["usdValue"]) < 60_000
    assert D(row["totalEquity"]) == 100_000 + D(btc["usdValue"])
    assert {coin["coin"]: coin["walletBalance"] for coin in row["coin"]} == {"USDT": "100000", "BTC": "1"}
    only = floor.call("GET", "/v5/account/wallet-balance", {"accountType": "UNIFIED", "coin": "BTC"})["result"]["list"][0]
    assert [coin["coin"] for coin in only["coin"]] == ["BTC"]
    floor.place(price="59990", qty="0.1", timeInForce="IOC")
    floor.place(qty="0.2")
    coin = floor.call("GET", "/v5/account/wallet-balance", {"accountType": "UNIFIED", "coin": "USDT"})["result"]["list"][0]["coin"][0]
    held = next(balance for balance in floor.exchange.balances("desk") if balance.asset == "USDT")
    assert D(coin["totalPositionIM"]) + D(coin["totalOrderIM"]) == held.initial_margin
    assert D(coin["totalOrderIM"]) > 0


def test_a_day_of_prices(floor: Floor) -> None:
    asked = {"category": "linear", "symbol": "BTCUSDT"}
    contract = floor.exchange.contracts["BTCUSDT"]
    hour = 3_600_000
    for at, fair in ((NOW + 2 * hour, "66000"), (NOW + 3 * hour, "54000")):
        floor.dialect.heard(floor.exchange.on_tick(tick_of(contract, D(fair)), at), at)
    row = floor.call("GET", "/v5/market/tickers", asked, now=NOW + 3 * hour)["result"]["list"][0]
    shown = ("prevPrice24h", "prevPrice1h", "highPrice24h", "lowPrice24h", "price24hPcnt", "volume24h")
    assert [row[name] for name in shown] == ["60000", "54000", "66000", "54000", "-0.100000", "0.0000"]
    later = floor.call("GET", "/v5/market/tickers", asked, now=NOW + 26 * hour)["result"]["list"][0]
    assert later["highPrice24h"] == "54000"
    gone = floor.call("GET", "/v5/market/tickers", asked, now=NOW + 28 * hour)["result"]["list"][0]
    assert (gone["highPrice24h"], gone["volume24h"]) == ("", "")


@given(st.integers(min_value=1, max_value=(1 << 63) - 1))
def test_an_order_id_leads_back_to_its_order(number: int) -> None:
    assert order_number(order_id(number)) == number


@pytest.mark.parametrize("wrong", ["", "None", "999", "00001002-aaaa", "6578656375004000-0000-0000-0000-000000000001"])
def test_other_texts_are_no_order_ids(wrong: str) -> None:
    assert order_number(wrong) is None


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("100", "100"),
        ("1E+3", "1000"),
        ("0.0010", "0.001"),
        ("-0.0", "0"),
        ("1E-9", "0.000000001"),
        ("0.3333333333333333", "0.333333333333"),
    ],
)
def test_numbers_are_plain_text(value: str, written: str) -> None:
    assert text(D(value)) == written
