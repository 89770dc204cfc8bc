"""What the simulated OKX publishes, read with ccxt's own parsers."""

from __future__ import annotations

import ccxt
import pytest

from tests.simulator.okx_floor import BTC, ETH, FAIR, NOW, D, Floor, tick

SECTIONS = ["public/mark-price", "market/tickers", "public/open-interest", "public/instruments"]


def test_instruments_become_ccxt_markets_counted_in_contracts() -> None:
    floor = Floor()
    rows = floor.read("public/instruments", {"instType": "SWAP"}, key=None)
    markets = {row["instId"]: ccxt.okx().parse_market(row) for row in rows}
    btc = markets[BTC]
    assert (btc["symbol"], btc["linear"], btc["contractSize"], btc["active"]) == ("BTC/USDT:USDT", True, 0.01, True)
    assert (btc["precision"], btc["limits"]["amount"]["min"]) == ({"amount": 0.01, "price": 0.1}, 0.01)
    assert markets[ETH]["contractSize"] == 0.1
    assert len({row["instIdCode"] for row in rows}) == len(rows)
    assert floor.read("public/instruments", {"instType": "SPOT"}, key=None) == []
    assert [row["instId"] for row in floor.read("public/instruments", {"instType": "SWAP", "uly": "ETH-USDT"}, key=None)] == [ETH]


def test_the_clock_is_the_venues() -> None:
    assert Floor().read("public/time", key=None) == [{"ts": str(NOW)}]


def test_a_book_has_as_many_levels_as_were_asked_for() -> None:
    floor = Floor()
    (one,) = floor.read("market/books", {"instId": BTC}, key=None)
    assert (one["bids"], one["asks"]) == ([["49999", "100", "0", "1"]], [["50001", "100", "0", "1"]])
    (full,) = floor.read("market/books", {"instId": BTC, "sz": "400"}, key=None)
    assert [level[0] for level in full["bids"]] == ["49999", "49998", "49997"]
    assert floor.ask("GET", "market/books", {"instId": BTC, "sz": "0"}, key=None)[0]["code"] == "51000"


def test_tickers_marks_and_indices() -> None:
    floor = Floor()
    floor.exchange.on_tick(tick(BTC, mark=D("50010"), index=D("50020")), NOW)
    (ticker,) = floor.read("market/ticker", {"instId": BTC}, key=None)
    parsed = ccxt.okx().parse_ticker(ticker)
    assert (parsed["bid"], parsed["bidVolume"], parsed["ask"], parsed["last"]) == (49999, 100, 50001, 50000)
    assert parsed["high"] is None, "no statistics of 24 hours are kept, and none are made up"
    assert floor.read("public/mark-price", {"instType": "SWAP", "instId": BTC}, key=None)[0]["markPx"] == "50010"
    assert floor.read("market/index-tickers", {"instId": "BTC-USDT"}, key=None)[0]["idxPx"] == "50020"
    assert len(floor.read("market/index-tickers", {"quoteCcy": "USDT"}, key=None)) == len(FAIR)
    assert len(floor.read("market/tickers", {"instType": "SWAP"}, key=None)) == len(FAIR)


def test_funding_names_the_coming_settlement_and_the_declared_interval() -> None:
    floor = Floor()
    floor.exchange.schedule_funding(BTC, NOW + 7_000)
    (row,) = floor.read("public/funding-rate", {"instId": BTC}, key=None)
    parsed = ccxt.okx().parse_funding_rate(row)
    assert (parsed["fundingRate"], parsed["fundingTimestamp"], parsed["interval"]) == (0.0001, NOW + 7_000, "8h")
    assert row["settFundingRate"] == "", "nothing was settled yet"
    assert len(floor.read("public/funding-rate", {"instId": "ANY"}, key=None)) == len(FAIR)


def test_funding_history_is_newest_first_and_pages_by_time() -> None:
    floor = Floor()
    for number in range(3):
        floor.exchange.on_tick(tick(BTC, funding_rate=D(number) / 10_000), NOW)
        floor.exchange.settle_funding(BTC, NOW + number)
    history = floor.read("public/funding-rate-history", {"instId": BTC}, key=None)
    assert [(row["fundingTime"], row["realizedRate"]) for row in history] == [
        (str(NOW + 2), "0.0002"),
        (str(NOW + 1), "0.0001"),
        (str(NOW), "0"),
    ]
    assert len(floor.read("public/funding-rate-history", {"instId": BTC, "limit": "2"}, key=None)) == 2
    assert [row["fundingTime"] for row in floor.read("public/funding-rate-history", {"instId": BTC, "after": str(NOW + 1)}, key=None)] == [
        str(NOW)
    ]


def test_open_interest_in_contracts_coins_and_dollars() -> None:
    (row,) = Floor().read("public/open-interest", {"instType": "SWAP", "instId": BTC}, key=None)
    assert (row["oi"], row["oiCcy"], row["oiUsd"]) == ("800000", "8000", "400000000")


def test_tiers_follow_each_other_in_contracts() -> None:
    floor = Floor()
    tiers = floor.read("public/position-tiers", {"instType": "SWAP", "tdMode": "cross", "instFamily": "BTC-USDT"}, key=None)
    assert [(row["tier"], row["minSz"], row["maxSz"], row["maxLever"], row["mmr"]) for row in tiers[:2]] == [
        ("1", "0", "6000", "100", "0.004"),
        ("2", "6000.01", "12000", "75", "0.005"),
    ]
    assert floor.ask("GET", "public/position-tiers", {"instType": "SWAP", "tdMode": "cross"}, key=None)[0]["code"] == "50014"


@pytest.mark.parametrize("path", SECTIONS)
def test_the_type_must_be_named_and_the_instrument_must_exist(path: str) -> None:
    floor = Floor()
    assert floor.ask("GET", path, {}, key=None)[0]["code"] == "50014"
    if path != "market/tickers":
        assert floor.ask("GET", path, {"instType": "SWAP", "instId": "DOGE-USDT-SWAP"}, key=None)[0]["code"] == "51001"
