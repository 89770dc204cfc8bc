"""What can be read on Hyperliquid: the market, the account, fills, funding and fees, in the venue's own types."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.units import DAY_MS
from bot.simulator.dialects.dialect import Credential
from tests.simulator.hyperliquid_floor import CLOID, NOW, OTHER, OWNER, D, Floor, tick

NOBODY = Credential(api_key="0x" + "9" * 40, secret="", account="")
HOUR_MS = 3_600_000


def test_the_universe_names_decimals_leverage_and_the_margin_table() -> None:
    meta = Floor().ask("meta", None)
    assert meta["universe"] == [
        {"szDecimals": 5, "name": "BTC", "maxLeverage": 40, "marginTableId": 51},
        {"szDecimals": 4, "name": "ETH", "maxLeverage": 25, "marginTableId": 52},
        {"szDecimals": 2, "name": "SOL", "maxLeverage": 20, "marginTableId": 53},
    ]
    table = {
        "description": "tiered 40x",
        "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "150000000.0", "maxLeverage": 20}],
    }
    assert meta["marginTables"][0] == [51, table]
    assert Floor().ask("marginTable", None, id=51) == table


def test_each_asset_has_its_context_at_its_index() -> None:
    floor = Floor()
    floor.place()
    meta, contexts = floor.ask("metaAndAssetCtxs", None)
    assert len(meta["universe"]) == len(contexts)
    btc = contexts[0]
    assert (btc["markPx"], btc["oraclePx"], btc["midPx"], btc["impactPxs"]) == ("60000.0", "59999.0", "60000.0", ["59999.0", "60001.0"])
    assert (btc["funding"], btc["openInterest"]) == ("0.0000125", "8000.0")
    assert (btc["dayBaseVlm"], btc["dayNtlVlm"]) == ("0.05", "2999.95")


def test_the_book_has_twenty_levels_a_side_at_most() -> None:
    floor = Floor()
    floor.exchange.on_tick(tick(depth=(D(1),) * 30), NOW)
    book = floor.ask("l2Book", None, coin="BTC")
    bids, asks = book["levels"]
    assert (len(bids), len(asks)) == (20, 20)
    assert bids[0] == {"px": "59999.0", "sz": "1.0", "n": 1}
    assert asks[0]["px"] == "60001.0"
    assert floor.ask("allMids", None) == {"BTC": "60000.0", "ETH": "3000.0", "SOL": "150.0"}
    assert floor.post("/info", {"type": "l2Book", "coin": "DOGE"}).reply.status == 422


def test_funding_is_told_by_the_hour() -> None:
    floor = Floor()
    (_, venues), *_ = floor.ask("predictedFundings", None)
    ((venue, told),) = venues
    assert (venue, told["fundingRate"], told["fundingIntervalHours"]) == ("HlPerp", "0.0000125", 1)
    assert told["nextFundingTime"] % HOUR_MS == 0
    assert NOW < told["nextFundingTime"] <= NOW + HOUR_MS
    floor.exchange.settle_funding("BTC", NOW)
    (row,) = floor.ask("fundingHistory", None, coin="BTC", startTime=NOW - DAY_MS)
    assert (row["coin"], row["fundingRate"], row["time"]) == ("BTC", "0.0000125", NOW)
    assert floor.ask("fundingHistory", None, coin="BTC", startTime=NOW + 1) == []


def test_the_clearinghouse_of_a_short() -> None:
    floor = Floor()
    floor.place()
    state = floor.ask("clearinghouseState")
    ((position),) = [each["position"] for each in state["assetPositions"]]
    assert state["assetPositions"][0]["type"] == "oneWay"
    assert (position["coin"], position["szi"], position["entryPx"], position["positionValue"]) == ("BTC", "-0.05", "59999.0", "3000.0")
    assert position["leverage"] == {"type": "cross", "value": int(floor.exchange.leverage("hedger", "BTC"))}
    assert position["unrealizedPnl"] == "-0.05"
    (held,) = floor.exchange.positions("hedger")
    (balance,) = floor.exchange.balances("hedger")
    summary = state["marginSummary"]
    assert D(summary["accountValue"]) == balance.margin_balance
    assert D(summary["totalMarginUsed"]) == held.initial_margin
    assert D(summary["totalNtlPos"]) == D(3000)
    assert D(summary["totalRawUsd"]) - D(3000) == balance.margin_balance, "what is left when the short's value is paid back"
    assert D(state["crossMaintenanceMarginUsed"]) == balance.maintenance_margin == D(3000) * D("0.0125")
    assert D(state["withdrawable"]) == balance.available
    assert state["time"] == NOW
    assert D(position["liquidationPx"]) > 60_000


def test_an_address_that_nobody_uses_has_nothing() -> None:
    floor = Floor()
    state = floor.ask("clearinghouseState", NOBODY)
    assert state["assetPositions"] == []
    assert {state["marginSummary"][name] for name in state["marginSummary"]} == {"0.0"}
    for kind in ("openOrders", "frontendOpenOrders", "userFills", "historicalOrders"):
        assert floor.ask(kind, NOBODY) == []
    assert floor.ask("userFunding", NOBODY, startTime=1) == []
    assert floor.ask("userRole", NOBODY) == {"role": "missing"}


@pytest.mark.parametrize("body", [{"type": "clearinghouseState"}, {"type": "openOrders", "user": "me"}, {"type": "nothing"}, {}])
def test_a_question_without_its_address_or_type_is_not_read(body: dict[str, Any]) -> None:
    answer = Floor().post("/info", body)
    assert (answer.reply.status, answer.reply.content_type) == (422, "text/plain")


def test_addresses_are_the_same_in_any_case() -> None:
    floor = Floor()
    floor.place()
    lower = Credential(api_key=OWNER.api_key.lower(), secret="", account="")
    assert floor.ask("clearinghouseState", lower) == floor.ask("clearinghouseState", OWNER)


def test_fills_tell_what_they_found_and_did() -> None:
    floor = Floor()
    floor.place(cloid=CLOID)
    floor.now += 10
    floor.place(buy=True, price="60010", size="0.08")
    newest, first = floor.ask("userFills")
    fee = D("0.05") * D(59_999) * D("0.00045")
    assert {name: first[name] for name in ("coin", "px", "sz", "side", "time", "startPosition", "dir", "crossed", "cloid", "feeToken")} == {
        "coin": "BTC",
        "px": "59999.0",
        "sz": "0.05",
        "side": "A",
        "time": NOW,
        "startPosition": "0.0",
        "dir": "Open Short",
        "crossed": True,
        "cloid": CLOID,
        "feeToken": "USDC",
    }
    assert D(first["fee"]) == fee
    assert (newest["dir"], newest["startPosition"], newest["closedPnl"]) == ("Short > Long", "-0.05", "-0.1")
    assert "cloid" not in newest
    assert isinstance(newest["tid"], int)


def test_fills_by_time_come_oldest_first_with_both_ends() -> None:
    floor = Floor()
    for _ in range(3):
        floor.place(size="0.01")
        floor.now += 10
    assert [row["time"] for row in floor.ask("userFillsByTime", startTime=NOW + 10)] == [NOW + 10, NOW + 20]
    assert [row["time"] for row in floor.ask("userFillsByTime", startTime=NOW, endTime=NOW + 10)] == [NOW, NOW + 10]
    assert floor.post("/info", {"type": "userFillsByTime", "user": OWNER.api_key}).reply.status == 422


def test_what_the_venue_itself_closes_says_so() -> None:
    floor = Floor()
    floor.place()
    floor.exchange.deleverage("hedger", "BTC", D("0.02"), NOW)
    assert floor.ask("userFills")[0]["dir"] == "Auto-Deleveraging"
    small = Floor(deposit="700")
    small.place(size="0.1")
    small.exchange.on_tick(tick(fair="67000"), NOW)
    liquidation = small.ask("userFills")[0]
    assert liquidation["dir"] == "Liquidated Cross Short"
    assert liquidation["liquidation"]["liquidatedUser"] == OWNER.api_key.lower()
    assert liquidation["liquidation"]["method"] == "market"


def test_a_short_receives_at_a_positive_rate() -> None:
    floor = Floor()
    floor.place()
    floor.place(key=OTHER, buy=True, price="60010")
    floor.exchange.settle_funding("BTC", NOW + 5)
    floor.now += 10
    (row,) = floor.ask("userFunding", startTime=NOW)
    assert row["delta"] == {
        "type": "funding",
        "coin": "BTC",
        "usdc": "0.0375",
        "szi": "-0.05",
        "fundingRate": "0.0000125",
        "nSamples": None,
    }
    assert row["time"] == NOW + 5
    assert floor.ask("userFunding", OTHER, startTime=NOW)[0]["delta"]["usdc"] == "-0.0375"
    position = floor.ask("clearinghouseState")["assetPositions"][0]["position"]
    assert position["cumFunding"]["sinceOpen"] == "-0.0375", "what was received counts against what was paid"


def test_fees_are_the_lowest_tier_s() -> None:
    fees = Floor().ask("userFees")
    assert (fees["userCrossRate"], fees["userAddRate"]) == ("0.00045", "0.00015")


def test_the_clock_and_the_account_s_kind() -> None:
    floor = Floor()
    assert floor.ask("exchangeStatus", None) == {"time": NOW, "specialStatuses": None}
    assert floor.ask("userAbstraction") == "default"
