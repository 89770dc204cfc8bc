"""What Deribit publishes: instruments, tickers, books, funding for eight hours, open interest in amounts; and who may ask for what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.simulator.dialects.dialect import HttpReply, HttpRequest, Operation
from tests.simulator.deribit_floor import BTC, BTC_USDC, ETH, ETH_USDC, KEY, NOW, D, Floor, tick


@pytest.fixture
def floor() -> Floor:
    return Floor()


def public(floor: Floor, method: str, **params: Any) -> Any:
    return floor.read(f"public/{method}", params, key=None)


def test_instruments(floor: Floor) -> None:
    rows = {row["instrument_name"]: row for row in public(floor, "get_instruments", currency="any", kind="future")}
    assert set(rows) == {BTC, ETH, BTC_USDC, ETH_USDC}
    inverse, linear = rows[BTC], rows[BTC_USDC]
    assert (inverse["contract_size"], inverse["min_trade_amount"], inverse["tick_size"]) == (10, 10, 0.5)
    assert (inverse["counter_currency"], inverse["settlement_currency"], inverse["instrument_type"]) == ("USD", "BTC", "reversed")
    assert (linear["counter_currency"], linear["settlement_currency"], linear["instrument_type"]) == ("USDC", "USDC", "linear")
    assert (linear["contract_size"], linear["min_trade_amount"]) == (0.0001, 0.0001)
    assert (inverse["maker_commission"], inverse["taker_commission"], inverse["settlement_period"]) == (0, 0.0005, "perpetual")
    assert {row["is_active"] for row in rows.values()} == {True}
    assert [row["instrument_name"] for row in public(floor, "get_instruments", currency="ETH")] == [ETH]
    assert public(floor, "get_instruments", currency="BTC", kind="option") == []
    assert public(floor, "get_instrument", instrument_name=ETH) == rows[ETH]


def test_the_clock_and_the_rest(floor: Floor) -> None:
    assert public(floor, "get_time") == NOW
    assert public(floor, "test")["version"]
    assert public(floor, "status")["locked"] == "false"
    assert [row["currency"] for row in public(floor, "get_currencies")] == ["BTC", "ETH", "USDC"]
    assert public(floor, "get_index_price", index_name="btc_usdc")["index_price"] == 50_000
    assert floor.refused("public/get_index_price", {"index_name": "x"}, key=None)[1] == -32602


def test_a_ticker(floor: Floor) -> None:
    floor.sell(amount="20000")
    row = public(floor, "ticker", instrument_name=BTC)
    assert (row["best_bid_price"], row["best_bid_amount"], row["best_ask_price"]) == (49_999, 29_990, 50_001)
    assert (row["mark_price"], row["index_price"], row["last_price"]) == (50_000, 50_000, 49_999)
    assert (row["min_price"], row["max_price"], row["state"]) == (49_250, 50_750, "open")
    assert (row["current_funding"], row["funding_8h"]) == (0.0008, 0), "an hourly rate of 0.0001, told for eight hours"
    assert row["open_interest"] == 8_000 * 50_000, "dollars"
    assert public(floor, "ticker", instrument_name=BTC_USDC)["open_interest"] == 8_000, "base units"
    assert (row["stats"]["volume"], row["stats"]["volume_usd"]) == (pytest.approx(20_000 / 49_999), 20_000)
    assert (row["stats"]["high"], row["stats"]["low"]) == (50_000, 49_999)


def test_a_book(floor: Floor) -> None:
    row = public(floor, "get_order_book", instrument_name=BTC, depth=2)
    assert row["bids"] == [[49_999, 49_990], [49_998, 49_990]]
    assert row["asks"] == [[50_001, 50_000], [50_002, 50_000]]
    assert row["change_id"] == floor.exchange.book(BTC).sequence


def test_summaries(floor: Floor) -> None:
    (row,) = public(floor, "get_book_summary_by_instrument", instrument_name=BTC)
    assert (row["open_interest"], row["mid_price"], row["quote_currency"]) == (400_000_000, 50_000, "USD")
    assert [row["instrument_name"] for row in public(floor, "get_book_summary_by_currency", currency="USDC")] == [BTC_USDC, ETH_USDC]


def test_funding_is_told_for_an_hour_and_for_eight(floor: Floor) -> None:
    for hour in range(1, 11):
        floor.exchange.on_tick(tick(funding_rate=D("0.00001") * hour), floor.now)
        floor.fund()
    rows = public(floor, "get_funding_rate_history", instrument_name=BTC, start_timestamp=NOW, end_timestamp=floor.now)
    assert [row["interest_1h"] for row in rows[:2]] == [0.00001, 0.00002]
    assert rows[-1]["interest_8h"] == pytest.approx(0.00001 * sum(range(3, 11)))
    assert public(floor, "ticker", instrument_name=BTC)["funding_8h"] == rows[-1]["interest_8h"]
    span = {"instrument_name": BTC, "start_timestamp": rows[0]["timestamp"], "end_timestamp": rows[2]["timestamp"]}
    assert public(floor, "get_funding_rate_value", **span) == pytest.approx(0.00006)
    assert floor.refused("public/get_funding_rate_value", {**span, "end_timestamp": 1}, key=None)[1] == -32602


def test_a_perpetual_that_has_not_opened_is_listed_and_closed(floor: Floor) -> None:
    from bot.simulator.dialects.deribit import Deribit
    from bot.simulator.listings import exchange_of

    floor.exchange = exchange_of("deribit", now=NOW)
    floor.exchange.open_account(KEY.account, {"BTC": D(1)})
    floor.dialect = Deribit(floor.exchange, (KEY,))
    assert {row["is_active"] for row in public(floor, "get_instruments")} == {False}
    assert floor.refused("public/ticker", {"instrument_name": BTC}, key=None) == (400, 10012, "book_closed")
    assert floor.refused("private/sell", floor.order()) == (400, 10012, "book_closed")


SIGNED_WRONG = [
    ({"api_key": "nobody"}, 0, (400, 13004, "invalid_credentials")),
    ({"secret": "another"}, 0, (400, 13004, "invalid_credentials")),
    ({}, -60_001, (400, 13009, "unauthorized invalid timestamp")),
    ({}, 60_001, (400, 13009, "unauthorized invalid timestamp")),
]


@pytest.mark.parametrize(("changed", "shift", "said"), SIGNED_WRONG, ids=["unknown key", "wrong secret", "old", "from the future"])
def test_signatures(floor: Floor, changed: dict[str, str], shift: int, said: tuple[int, int, str]) -> None:
    assert floor.refused("private/get_positions", key=replace(KEY, **changed), signed_at=NOW + shift) == said
    assert floor.read("private/get_positions", signed_at=NOW + shift // 2) == []


def test_a_signature_covers_the_query(floor: Floor) -> None:
    request = floor.request("private/sell", floor.order(amount="10"))
    forged = replace(request, query_string=request.query_string.replace("amount=10", "amount=90"))
    assert b"13004" in floor.dialect.handle(forged, NOW).reply.body
    assert floor.exchange.positions("hedger") == ()


def test_a_private_method_without_a_name_is_refused(floor: Floor) -> None:
    request = replace(floor.request("private/get_positions"), headers={})
    reply = floor.dialect.handle(request, NOW).reply
    assert (reply.status, b"13009" in reply.body) == (400, True)


def test_tokens(floor: Floor) -> None:
    given = {"grant_type": "client_credentials", "client_id": KEY.api_key, "client_secret": KEY.secret}
    granted = public(floor, "auth", **given)
    request = replace(floor.request("private/get_positions"), headers={"authorization": f"bearer {granted['access_token']}"})
    assert floor.dialect.handle(request, NOW).reply.status == 200
    assert floor.dialect.handle(replace(request, headers={"authorization": "Bearer nonsense"}), NOW).reply.status == 400
    renewed = public(floor, "auth", grant_type="refresh_token", refresh_token=granted["refresh_token"])
    assert renewed["access_token"] != granted["access_token"]
    again = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
    assert floor.refused("public/auth", again, key=None) == (400, 13004, "invalid_credentials")
    assert floor.refused("public/auth", {**given, "client_secret": "x"}, key=None)[1] == 13004
    assert floor.refused("public/auth", {**given, "grant_type": "password"}, key=None)[1] == -32602


def test_paths_that_do_not_exist(floor: Floor) -> None:
    assert floor.refused("public/nothing", key=None) == (404, -32601, "Method not found")
    assert floor.refused("private/nothing") == (404, -32601, "Method not found")
    request = HttpRequest(method="GET", host="www.deribit.com", path="/elsewhere", query_string="", headers={}, body=b"")
    assert floor.dialect.handle(request, NOW).reply.status == 404
    assert floor.dialect.operation(request) is Operation.UNKNOWN
    assert isinstance(floor.dialect.open_socket("www.deribit.com", "/ws/other", "", NOW), HttpReply)
    for body, code in ((b"{", b"-32700"), (b"[]", b"-32600")):
        posted = replace(request, method="POST", path="/api/v2", body=body)
        assert code in floor.dialect.handle(posted, NOW).reply.body


def test_what_a_request_is_about(floor: Floor) -> None:
    about = {
        "private/buy": Operation.PLACE,
        "private/cancel_by_label": Operation.CANCEL,
        "private/get_order_state_by_label": Operation.ORDER,
        "private/get_transaction_log": Operation.FUNDING_PAID,
        "public/auth": Operation.SETTINGS,
        "public/ticker": Operation.MARKET_DATA,
    }
    for method, operation in about.items():
        assert floor.dialect.operation(floor.request(method)) is operation
