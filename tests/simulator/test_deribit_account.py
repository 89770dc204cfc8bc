"""Deribit's margins, positions, daily settlement and transaction log: coins of an inverse perpetual, USDC of a linear one."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.units import DAY_MS
from tests.simulator.deribit_floor import BTC_USDC, ETH, NOW, Floor, tick

HOUR_MS = 3_600_000
SETTLEMENT = 1_700_035_200_000
"""2023-11-15T08:00:00Z, the first after NOW."""


@pytest.fixture
def floor() -> Floor:
    return Floor()


def summary(floor: Floor, currency: str = "BTC") -> dict[str, Any]:
    row: dict[str, Any] = floor.read("private/get_account_summary", {"currency": currency})
    return row


def log(floor: Floor, currency: str = "BTC", **params: Any) -> list[dict[str, Any]]:
    given = {"currency": currency, "start_timestamp": NOW - 1, "end_timestamp": floor.now + 1, **params}
    return list(floor.read("private/get_transaction_log", given)["logs"])


def test_a_position_is_signed_in_dollars_and_told_in_coins_too(floor: Floor) -> None:
    floor.sell(amount="20000")
    floor.exchange.on_tick(tick(fair="40000"), floor.now)
    (position,) = floor.read("private/get_positions", {"currency": "BTC"})
    assert (position["size"], position["direction"], position["size_currency"], position["delta"]) == (-20_000, "sell", -0.5, -0.5)
    assert (position["average_price"], position["mark_price"], position["kind"]) == (49_999, 40_000, "future")
    assert position["floating_profit_loss"] == pytest.approx(0.5 - 20_000 / 49_999, abs=1e-6)
    assert position["maintenance_margin"] == pytest.approx(0.5 * 0.01005)
    assert position["estimated_liquidation_price"] is None, "more coins than the short is worth: no price liquidates it"
    assert "contractSize" not in position


def test_a_linear_position_is_signed_in_base_units(floor: Floor) -> None:
    floor.sell(instrument_name=BTC_USDC, amount="0.5")
    (position,) = floor.read("private/get_positions", {"currency": "USDC", "kind": "future"})
    assert (position["size"], position["size_currency"], position["direction"]) == (-0.5, -0.5, "sell")
    assert position["estimated_liquidation_price"] > 1_000_000
    assert floor.read("private/get_positions", {"currency": "BTC"}) == []
    assert [row["instrument_name"] for row in floor.read("private/get_positions")] == [BTC_USDC]
    assert floor.read("private/get_positions", {"currency": "any", "kind": "option"}) == []


def test_a_flat_position_has_no_direction_and_one_that_never_was_is_told_too(floor: Floor) -> None:
    floor.sell(amount="100")
    floor.read("private/buy", floor.order(amount="100", price="50010"))
    (flat,) = floor.read("private/get_positions", {"currency": "BTC"})
    assert (flat["size"], flat["direction"], flat["average_price"]) == (0, "zero", 0)
    never = floor.read("private/get_position", {"instrument_name": ETH})
    assert (never["size"], never["direction"], never["instrument_name"]) == (0, "zero", ETH)
    assert floor.refused("private/get_position", {"instrument_name": "ETH-NOPE"}) == (400, 13020, "not_found")


def test_each_currency_has_a_margin_of_its_own(floor: Floor) -> None:
    floor.sell(amount="50000")
    told = floor.read("private/get_account_summaries", {"extended": "true"})
    assert told["username"] == "simulated"
    rows = {row["currency"]: row for row in told["summaries"]}
    assert set(rows) == {"BTC", "ETH", "USDC"}
    assert (rows["ETH"]["equity"], rows["USDC"]["equity"]) == (100, 500_000)
    assert rows["BTC"]["maintenance_margin"] == pytest.approx(1.0 * 0.01005)
    assert rows["BTC"]["initial_margin"] == pytest.approx(0.1)
    assert rows["ETH"]["maintenance_margin"] == 0
    assert rows["BTC"]["delta_total"] == pytest.approx(-1.0)
    assert (rows["BTC"]["margin_model"], rows["BTC"]["cross_collateral_enabled"]) == ("segregated_sm", False)
    assert floor.refused("private/get_account_summary", {"currency": "DOGE"})[1] == -32602


def test_a_fee_leaves_the_cash_balance_at_once_and_profit_only_the_equity(floor: Floor) -> None:
    fee = floor.sell(amount="20000")["trades"][0]["fee"]
    floor.exchange.on_tick(tick(fair="40000"), floor.now)
    row = summary(floor)
    profit = 20_000 / 40_000 - 20_000 / 49_999
    assert row["balance"] == pytest.approx(10 - fee, abs=1e-8)
    assert row["equity"] == pytest.approx(10 - fee + profit, abs=1e-6)
    assert (row["session_rpl"], row["session_upl"]) == (0, pytest.approx(profit, abs=1e-6))


def test_funding_enters_the_sessions_profit_when_it_accrues_and_the_log_when_it_is_booked(floor: Floor) -> None:
    floor.sell(amount="40000")
    floor.fund()
    accrued = 40_000 / 50_000 * 0.0001
    (position,) = floor.read("private/get_positions", {"currency": "BTC"})
    assert position["realized_funding"] == pytest.approx(accrued)
    row = summary(floor)
    assert row["session_rpl"] == pytest.approx(accrued)
    assert row["equity"] - row["balance"] == pytest.approx(accrued + row["session_upl"])
    assert [each["interest_pl"] for each in log(floor)] == [0], "not booked yet: the log tells nothing of it"
    floor.now += 1
    floor.sell(amount="10")
    newest, oldest = log(floor)
    assert (newest["type"], newest["side"], newest["position"]) == ("trade", "open sell", -40_010)
    assert newest["interest_pl"] == pytest.approx(accrued), "booked by the trade that changed the position; received is positive"
    assert (oldest["interest_pl"], oldest["change"]) == (0, -oldest["commission"])


def test_at_eight_in_the_morning_the_session_is_booked(floor: Floor) -> None:
    floor.sell(amount="40000")
    floor.exchange.on_tick(tick(fair="49000"), floor.now)
    floor.fund(times=2)
    equity = summary(floor)["equity"]
    floor.now = SETTLEMENT - 1
    floor.dialect.elapsed(floor.now)
    assert summary(floor)["balance"] < 10
    floor.now = SETTLEMENT
    floor.dialect.elapsed(floor.now)
    row = summary(floor)
    assert (row["balance"], row["equity"]) == (pytest.approx(equity), pytest.approx(equity))
    assert (row["session_rpl"], row["session_upl"]) == (0, 0)
    settled, trade = log(floor)
    assert (settled["type"], settled["side"], settled["position"]) == ("settlement", "short", -40_000)
    assert settled["timestamp"] == SETTLEMENT
    accrued = 2 * 40_000 / 49_000 * 0.0001
    assert settled["interest_pl"] == settled["total_interest_pl"] == pytest.approx(accrued, abs=1e-8)
    assert settled["change"] == pytest.approx(equity - 10 + trade["commission"], abs=1e-8)
    floor.dialect.elapsed(floor.now + 1)
    assert len(log(floor)) == 2, "once a day"


def test_funding_after_a_settlement_belongs_to_the_next_session(floor: Floor) -> None:
    floor.sell(amount="50000")
    floor.fund()
    floor.now = SETTLEMENT
    floor.dialect.elapsed(floor.now)
    floor.fund(times=3)
    assert summary(floor)["session_rpl"] == pytest.approx(0.0003)
    floor.now = SETTLEMENT + DAY_MS
    floor.dialect.elapsed(floor.now)
    booked = [row["interest_pl"] for row in log(floor, query="settlement")]
    assert booked == [pytest.approx(0.0003), pytest.approx(0.0001)]


def test_faster_time_settles_after_as_many_intervals_as_a_day_has(floor: Floor) -> None:
    floor.sell(instrument_name=BTC_USDC, amount="1")
    for turn in range(24):
        floor.dialect.heard(floor.exchange.settle_funding(BTC_USDC, NOW + 1_000 * (turn + 1)), NOW)
        floor.dialect.elapsed(NOW + 1_000 * (turn + 1))
    floor.now = NOW + 25_000
    (settled, _) = log(floor, "USDC")
    assert (settled["type"], settled["currency"]) == ("settlement", "USDC")
    assert settled["interest_pl"] == pytest.approx(24 * 50_000 * 0.0001)


def test_the_log_is_read_in_pages_by_currency(floor: Floor) -> None:
    for number in range(5):
        floor.now = NOW + number
        floor.sell()
    span = {"currency": "BTC", "start_timestamp": NOW, "end_timestamp": NOW + 9}
    seen, continuation = [], None
    while True:
        page = floor.read("private/get_transaction_log", {**span, "count": 2, **({"continuation": continuation} if continuation else {})})
        seen += [row["timestamp"] - NOW for row in page["logs"]]
        continuation = page["continuation"]
        if continuation is None:
            break
    assert seen == [4, 3, 2, 1, 0]
    assert floor.read("private/get_transaction_log", {**span, "currency": "ETH"})["logs"] == []
    assert floor.read("private/get_transaction_log", {**span, "query": "settlement"})["logs"] == []
    assert floor.refused("private/get_transaction_log", {"currency": "BTC"})[1] == -32602
    assert floor.refused("private/get_transaction_log", {**span, "end_timestamp": NOW - 1})[1] == -32602
