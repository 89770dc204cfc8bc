"""How large each market is, on every dialect over the real client: contracts become base units, and what is not told is not zero."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from bot.adapters.venue.ccxt_mapping import Unreadable, base_units
from bot.adapters.venue.shapes import paths
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.payloads import INVERSE, OURS
from tests.adapters.venue.venue_stand import SYMBOLS, Stand, standing

D = Decimal
OPEN_INTEREST = D(50_000)
"""Of every contract of the stand, in base units."""

ROWS: dict[str, dict[str, Any]] = {
    "binanceusdm": {"symbol": "BTCUSDT", "openInterest": "10659.509", "time": 1589437530011, "volume": "8913.30"},
    "binancecoinm": {
        "symbol": "BTCUSD_PERP",
        "openInterest": "6395700",
        "time": 1589437530011,
        "volume": "5347980",
        "lastPrice": "60000",
    },
    "bybit": {"symbol": "BTCUSDT", "openInterest": "10659.509", "volume24h": "8913.30"},
    "deribit": {"instrument_name": "BTC_USDC-PERPETUAL", "open_interest": 10659.509, "volume": 8913.3, "mark_price": 60000},
    "okx": {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "oi": "1065950.9", "oiCcy": "10659.509", "vol24h": "891330"},
    "hyperliquid": {"openInterest": "10659.509", "dayBaseVlm": "8913.30", "markPx": "60000.0"},
}

INTEREST = dict.fromkeys(ROWS, D("10659.509")) | {"binancecoinm": D("10659.5")}
"""What the rows tell in base units: a contract of COIN-M is 100 USD, at 60,000."""


@pytest.fixture(params=list(SYMBOLS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        one.without_limits()
        yield one


def body(name: str, row: dict[str, Any]) -> str:
    envelopes = {
        "binanceusdm": row,
        "binancecoinm": [row],
        "bybit": {"retCode": 0, "result": {"list": [row]}},
        "deribit": {"jsonrpc": "2.0", "result": [row]},
        "okx": {"code": "0", "data": [row]},
        "hyperliquid": [{"universe": [{"name": "BTC"}]}, [row]],
    }
    return orjson.dumps(envelopes[name]).decode()


async def told_of(stand: Stand, row: dict[str, Any]) -> list[tuple[Decimal | None, Decimal | None]]:
    """What is told while every question about a market is answered with one row."""
    for number in stand.server.plan.armed:
        stand.server.plan.disarm(number)
    stand.arm(FaultKind.REFUSE, Operation.MARKET_DATA, status=200, body=body(stand.name, row), times=99)
    told = await stand.venue.markets()
    assert {each.instrument for each in told} <= {stand.btc.id}, "the row is about BTC alone"
    return [(each.open_interest, each.volume_24h) for each in told]


async def test_open_interest_and_volume_are_base_units(stand):
    await stand.venue.place(stand.order("-0.05"))
    observed = {each.instrument: each for each in await stand.venue.markets()}
    assert set(observed) == {each.id for each in stand.instruments.values()}
    assert {round(each.open_interest) for each in observed.values()} == {OPEN_INTEREST}, "an inverse contract's at the last price"
    assert abs(observed[stand.btc.id].at - stand.clock.now()) < 5_000
    if stand.name == "okx":
        assert observed[stand.btc.id].volume_24h is None, "the simulated OKX keeps no volume"
    else:
        assert round(observed[stand.btc.id].volume_24h, 6) == D("0.05")


async def test_the_venues_own_rows(stand):
    assert await told_of(stand, ROWS[stand.name]) == [(INTEREST[stand.name], D("8913.3"))]


async def test_what_is_not_told_is_not_zero(stand):
    row = ROWS[stand.name]
    binance = ("openInterest", "volume")
    interest, volume = {
        "binanceusdm": binance,
        "binancecoinm": binance,
        "bybit": ("openInterest", "volume24h"),
        "deribit": ("open_interest", "volume"),
        "okx": ("oi", "vol24h"),
        "hyperliquid": ("openInterest", "dayBaseVlm"),
    }[stand.name]
    for nothing in ("", None, "-1", "many"):
        assert await told_of(stand, row | {volume: nothing}) == [(INTEREST[stand.name], None)]
        assert await told_of(stand, row | {interest: nothing}) == []
    assert await told_of(stand, row | {interest: "0"}) == [(D(0), D("8913.3"))]


@pytest.mark.parametrize("answer", ["", "{}", "[]", "<html></html>"])
async def test_an_answer_that_is_none_tells_nothing(stand, answer):
    stand.arm(FaultKind.REFUSE, Operation.MARKET_DATA, status=200, body=answer, times=9)
    assert list(await stand.venue.markets()) == []


async def test_a_venue_that_is_not_open_or_not_there_tells_nothing(stand):
    await stand.server.stop()
    assert list(await stand.venue.markets()) == []
    await stand.venue.close()
    assert list(await stand.venue.markets()) == []


def test_contracts_of_an_inverse_instrument_need_a_price():
    with pytest.raises(Unreadable, match="without a price"):
        base_units({"oi": "5"}, paths("oi"), INVERSE["BTCUSD"])
    assert base_units({"oi": "5"}, paths("oi"), OURS["okx"]["BTC-USDT-SWAP"]) == D("0.05")
