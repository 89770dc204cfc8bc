"""An OKX account: balances, positions, bills, leverage, and what the venue itself does to it."""

from __future__ import annotations

import pytest

from bot.simulator.model import Side
from tests.simulator.okx_floor import BTC, ETH, NOW, OTHER, D, Floor, tick


def test_a_short_in_contracts_with_its_margin() -> None:
    floor = Floor()
    floor.ask("POST", "account/set-leverage", {"instId": BTC, "lever": 5, "mgnMode": "cross"})
    floor.place(sz="100", px="49998")
    floor.exchange.on_tick(tick(BTC, "50500"), NOW)
    (position,) = floor.read("account/positions", {"instType": "SWAP"})
    assert (position["pos"], position["posSide"], position["mgnMode"], position["lever"]) == ("-100", "net", "cross", "5")
    assert (position["avgPx"], position["markPx"], position["upl"]) == ("49999", "50500", "-501")
    assert position["notionalUsd"] == "50500", "100 contracts of 0.01 BTC at mark"
    assert position["imr"] == "10100"
    assert position["mmr"] == "202", "0.4 % of the notional"
    assert (position["fee"], position["realizedPnl"]) == ("-24.9995", "-24.9995")
    (detail,) = floor.read("account/balance")[0]["details"]
    assert (detail["cashBal"], detail["upl"], detail["eq"]) == ("99975.0005", "-501", "99474.0005")
    assert (detail["imr"], detail["mmr"], detail["availEq"]) == ("10100", "202", "89374.0005")
    assert D(detail["mgnRatio"]) == (D("99474.0005") / 202).quantize(D("1e-16"))


def test_account_totals_belong_to_other_modes_and_are_empty() -> None:
    (row,) = Floor().read("account/balance", {"ccy": "USDT,BTC"})
    assert (row["totalEq"], row["adjEq"], row["mgnRatio"]) == ("100000", "", "")
    assert row["details"][0]["mgnRatio"] == "", "no position, no ratio"


def test_a_flat_position_shows_only_when_asked_for() -> None:
    floor = Floor()
    assert floor.read("account/positions", {"instId": BTC}) == []
    floor.place()
    floor.place(side="buy", px="50010", reduceOnly=True)
    assert floor.read("account/positions") == []
    (flat,) = floor.read("account/positions", {"instId": f"{BTC},{ETH}"})
    assert (flat["pos"], flat["avgPx"], flat["liqPx"]) == ("0", "", "")
    assert floor.read("account/positions", {"instType": "FUTURES"}) == []


@pytest.mark.parametrize(("rate", "sub_type", "change"), [("0.0001", "174", "4.9999"), ("-0.0002", "173", "-9.9998")])
def test_funding_of_a_short_is_a_bill_of_type_eight(rate: str, sub_type: str, change: str) -> None:
    floor = Floor()
    floor.place(sz="100", px="49998")
    floor.exchange.on_tick(tick(BTC, "49999", funding_rate=D(rate)), NOW)
    floor.now += 1
    floor.exchange.settle_funding(BTC, floor.now)
    (bill,) = floor.read("account/bills-archive", {"type": "8", "instType": "SWAP", "ctType": "linear", "ccy": "USDT"})
    assert (bill["subType"], bill["balChg"], bill["pnl"], bill["sz"]) == (sub_type, change, change, "100")
    assert (bill["px"], bill["ts"], bill["instId"]) == ("49999", str(floor.now), BTC)
    assert floor.read("account/positions")[0]["fundingFee"] == change
    assert floor.read("public/funding-rate-history", {"instId": BTC}, key=None)[0]["realizedRate"] == rate
    every = floor.read("account/bills")
    assert [row["type"] for row in every] == ["8", "2"], "newest first, the trade with its fee below"
    assert every[1]["balChg"] == "-24.9995"
    assert floor.read("account/bills", {"after": every[0]["billId"]}) == every[1:]


def test_deleveraging_is_an_order_of_the_venues_own() -> None:
    floor = Floor()
    floor.place(sz="50", px="49998")
    floor.place(ordType="limit", px="51000", clOrdId="waits")
    floor.exchange.deleverage("hedger", BTC, D(20), NOW)
    fill = floor.read("trade/fills")[0]
    assert (fill["subType"], fill["side"], fill["fillSz"], fill["fee"], fill["execType"], fill["clOrdId"]) == (
        "127",
        "buy",
        "20",
        "0",
        "",
        "",
    )
    assert int(fill["tradeId"]) < 0
    own = floor.read("trade/order", {"instId": BTC, "ordId": fill["ordId"]})[0]
    assert (own["category"], own["state"], own["accFillSz"], own["clOrdId"]) == ("adl", "filled", "20", "")
    listed = floor.read("trade/orders-history", {"instType": "SWAP", "category": "adl"})
    assert [row["ordId"] for row in listed] == [own["ordId"]]
    swept = floor.read("trade/order", {"instId": BTC, "clOrdId": "waits"})[0]
    assert (swept["state"], swept["cancelSource"]) == ("canceled", "6")
    assert [row["type"] for row in floor.read("account/bills")] == ["9", "2"]
    assert floor.read("account/positions")[0]["pos"] == "-30"


def test_a_liquidation_is_full_when_nothing_is_left() -> None:
    floor = Floor(deposit="1000")
    floor.place(sz="15", px="49998")
    floor.exchange.on_tick(tick(BTC, "56600", depth=(D("0.05"),) * 3), NOW)
    floor.exchange.on_tick(tick(BTC, "56600"), NOW + 1)
    kinds = [
        (row["category"], row["side"]) for row in floor.read("trade/orders-history", {"instType": "SWAP"}) if row["category"] != "normal"
    ]
    assert kinds
    assert {side for _, side in kinds} == {"buy"}
    flat = floor.read("account/positions", {"instId": BTC})[0]["pos"] == "0"
    assert (kinds[0][0] == "full_liquidation") is flat
    assert all(category == "partial_liquidation" for category, _ in kinds[1:])


def test_leverage_is_read_and_written_and_bounded() -> None:
    floor = Floor()
    assert floor.read("account/leverage-info", {"instId": f"{BTC},{ETH}", "mgnMode": "cross"})[1]["lever"] == "10"
    body, _ = floor.ask("POST", "account/set-leverage", {"instId": BTC, "lever": "3", "mgnMode": "cross"})
    assert body["data"] == [{"ccy": "", "instId": BTC, "lever": "3", "mgnMode": "cross", "posSide": "net"}]
    assert floor.read("account/leverage-info", {"instId": BTC, "mgnMode": "cross"})[0]["lever"] == "3"
    assert floor.read("account/leverage-info", {"instId": BTC, "mgnMode": "cross"}, key=OTHER)[0]["lever"] == "10"
    for changes, expected in (
        ({"lever": "126"}, "59102"),
        ({"lever": "0"}, "51000"),
        ({"lever": "NaN"}, "51000"),
        ({"mgnMode": "isolated"}, "51010"),
        ({"instId": "DOGE-USDT-SWAP"}, "51001"),
        ({"lever": ""}, "50014"),
    ):
        asked = {"instId": BTC, "lever": "3", "mgnMode": "cross"} | changes
        assert floor.ask("POST", "account/set-leverage", asked)[0]["code"] == expected


def test_fees_and_configuration() -> None:
    floor = Floor()
    (fee,) = floor.read("account/trade-fee", {"instType": "SWAP", "instFamily": "BTC-USDT"})
    assert (fee["makerU"], fee["takerU"]) == ("-0.0002", "-0.0005")
    (config,) = floor.read("account/config")
    assert (config["acctLv"], config["posMode"]) == ("2", "net_mode")
    assert floor.read("asset/currencies", {"ccy": "USDT"})[0]["ccy"] == "USDT"


def test_what_another_account_does_is_not_ours() -> None:
    floor = Floor()
    floor.rest("other", Side.BUY, "2", "49999.5")
    floor.place(sz="2")
    assert floor.read("account/positions")[0]["pos"] == "-2"
    assert floor.read("account/positions", key=OTHER)[0]["pos"] == "2"
    assert len(floor.read("trade/fills")) == 1
