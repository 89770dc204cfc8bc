"""Opening and describing again, on every dialect: what is left out, what is kept, what lasts and what passes."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
import orjson
import pytest

from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.core.events import OrderReported, VenueReported
from bot.ports import VenueNotReady
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.venue_stand import DIALECTS, Stand, settings_of, standing

LISTINGS: dict[str, tuple[str, dict[str, str], tuple[str, ...], str]] = {
    "binanceusdm": ("fapiPublicGetExchangeInfo", {}, ("symbols",), "symbol"),
    "bybit": ("publicGetV5MarketInstrumentsInfo", {"category": "linear"}, ("result", "list"), "symbol"),
    "okx": ("publicGetPublicInstruments", {"instType": "SWAP"}, ("data",), "instId"),
}
SUSPENDED = {"binanceusdm": {"status": "SETTLING"}, "bybit": {"status": "Closed"}, "okx": {"state": "suspend"}}
REFUSALS = {
    "binanceusdm": '{"code":%s,"msg":"Words."}',
    "bybit": '{"retCode":%s,"retMsg":"words","result":{},"retExtInfo":{},"time":1}',
    "okx": '{"code":"%s","msg":"words","data":[]}',
}


@pytest.fixture(params=list(DIALECTS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        yield one


async def _listing(stand: Stand, change: Callable[[dict[str, Any]], dict[str, Any] | None], *, times: int = 1) -> None:
    """The venue's own listing, each row changed or left out, in place of its next answer."""
    call, parameters, at, _ = LISTINGS[stand.name]
    body = await getattr(stand.venue._up.client, call)(parameters)
    holder = body
    for step in at[:-1]:
        holder = holder[step]
    holder[at[-1]] = [changed for row in holder[at[-1]] if (changed := change(row)) is not None]
    stand.arm(FaultKind.REFUSE, Operation.MARKETS, status=200, body=orjson.dumps(body).decode(), times=times)


def _only(stand: Stand, base: str, changed: dict[str, str] | None) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    symbol = next(each.venue_symbol for each in stand.instruments.values() if each.base == base)
    name = LISTINGS[stand.name][3]
    return lambda row: row if row[name] != symbol else None if changed is None else row | changed


@pytest.mark.parametrize("suspended", [True, False], ids=["suspended", "not listed"])
async def test_an_instrument_that_is_not_traded_is_left_out_and_the_others_are_used(stand, suspended):
    await _listing(stand, _only(stand, "ETH", SUSPENDED[stand.name] if suspended else None))
    assert {each.base for each in await stand.venue.open()} == {"BTC"}
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)


async def test_none_left_is_not_ready_in_one_sentence(stand):
    await _listing(stand, lambda row: row | SUSPENDED[stand.name])
    with pytest.raises(VenueNotReady, match="lists and trades no perpetual"):
        await stand.venue.open()


async def test_a_suspended_instrument_that_is_held_stays_in_use(stand):
    """Left out, its position would be read by nobody and hedged a second time elsewhere."""
    await stand.venue.place(stand.order("-0.05"))
    await _listing(stand, _only(stand, "BTC", SUSPENDED[stand.name]))
    assert {each.base for each in await stand.venue.open()} == {"BTC", "ETH"}
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported)
    assert {each.instrument: each.quantity for each in report.positions}[stand.btc.id] == Decimal("-0.05")


async def test_a_refused_leverage_is_a_warning_only_beside_a_position(stand, monkeypatch):
    async def refused(self: Any, *_: Any) -> None:
        raise ccxt.ExchangeError(f"{self.id} {REFUSALS[self.id] % 51999}")

    monkeypatch.setattr(getattr(ccxt.pro, stand.name), "set_leverage", refused)
    with pytest.raises(VenueNotReady, match="leverage"):
        await CcxtVenue(dataclasses.replace(stand.venue._settings), stand.clock).open()
    await stand.venue.place(stand.order("-0.05"))
    held_only = CcxtVenue(settings_of(stand.name, stand.server, venue_symbols=(stand.btc.venue_symbol,)), stand.clock)
    assert [each.base for each in await held_only.open()] == ["BTC"]
    await held_only.close()


CODES = [
    ("binanceusdm", "-2015", True),
    ("binanceusdm", "-1003", False),
    ("binanceusdm", "-1021", False),
    ("bybit", "10003", True),
    ("bybit", "10010", True),
    ("bybit", "10009", False),
    ("bybit", "10006", False),
    ("bybit", "10016", False),
    ("okx", "50110", True),
    ("okx", "50105", True),
    ("okx", "50011", False),
    ("okx", "50001", False),
]


@pytest.mark.parametrize(("name", "code", "lasting"), CODES)
async def test_what_lasts_is_not_ready_and_what_passes_is_tried_again(name, code, lasting):
    async with standing(name) as stand:
        stand.arm(FaultKind.REFUSE, Operation.BALANCE, status=200 if name == "bybit" else 400, body=REFUSALS[name] % code)
        with pytest.raises(VenueNotReady if lasting else ConnectionError, match=code):
            await stand.venue.open()
        assert len(await stand.venue.open()) == 2


@pytest.mark.parametrize(
    ("name", "symbol"), [("okx", "BTC-USD-SWAP"), ("binanceusdm", "ETHBTC")], ids=["inverse", "quoted in something else"]
)
async def test_what_is_not_linear_in_a_stablecoin_is_not_ready(name, symbol):
    changed = {
        "okx": {"instId": symbol, "uly": "BTC-USD", "instFamily": "BTC-USD", "ctType": "inverse", "settleCcy": "BTC", "ctValCcy": "USD"},
        "binanceusdm": {"symbol": symbol, "pair": symbol, "baseAsset": "ETH", "quoteAsset": "BTC", "marginAsset": "BTC"},
    }[name]
    async with standing(name) as stand:
        await _listing(stand, _only(stand, "ETH", changed))
        venue = CcxtVenue(settings_of(name, stand.server, venue_symbols=(stand.btc.venue_symbol, symbol)), stand.clock)
        with pytest.raises(VenueNotReady, match=f"{symbol} is no linear perpetual"):
            await venue.open()


async def test_describing_again_tells_what_the_venue_changed_and_rounds_by_it(stand):
    assert {each.venue_symbol: each for each in await stand.venue.describe()} == stand.instruments
    contracts = stand.desk.exchange.contracts
    known = contracts[stand.btc.venue_symbol]
    change = {
        "binanceusdm": {"filters": None},
        "bybit": {"priceFilter": {"tickSize": "5"}},
        "okx": {"tickSz": "5"},
    }[stand.name]

    def coarser(row: dict[str, Any]) -> dict[str, Any]:
        if stand.name == "binanceusdm":
            filters = [each | {"tickSize": "5"} if each["filterType"] == "PRICE_FILTER" else each for each in row["filters"]]
            return row | {"filters": filters}
        return row | change

    btc_only = _only(stand, "BTC", {})
    name = LISTINGS[stand.name][3]
    await _listing(stand, lambda row: coarser(row) if row[name] == known.symbol else btc_only(row))
    described = {each.base: each for each in await stand.venue.describe()}
    assert described["BTC"] == dataclasses.replace(stand.btc, tick=Decimal(5))
    assert described["ETH"] == next(each for each in stand.instruments.values() if each.base == "ETH")
    client = stand.venue._up.client
    assert client.price_to_precision("BTC/USDT:USDT", "59998") == "60000"
    command = stand.order("-0.05", Decimal("59995"))
    assert isinstance(await stand.venue.place(command), OrderReported)
    assert stand.held() == Decimal("-0.05")


@pytest.mark.parametrize("body", ["", "{}", "<html></html>", '{"symbols":[{}],"result":{"list":[{}]},"data":[{}],"code":"0","retCode":0}'])
async def test_describing_again_what_cannot_be_read_is_empty_and_changes_nothing(stand, body):
    stand.arm(FaultKind.REFUSE, Operation.MARKETS, status=200, body=body)
    assert list(await stand.venue.describe()) == []
    assert {each.venue_symbol: each for each in await stand.venue.describe()} == stand.instruments
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_an_answer_without_a_single_perpetual_is_no_listing(stand):
    await _listing(stand, lambda _: None)
    with pytest.raises(ConnectionError, match="perpetual"):
        await stand.venue.open()


async def test_an_instrument_that_is_no_longer_listed_stays_as_it_was_known(stand):
    await _listing(stand, _only(stand, "BTC", None))
    assert {each.venue_symbol: each for each in await stand.venue.describe()} == stand.instruments
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_describing_a_venue_that_is_not_open_or_not_there_is_empty(stand):
    await stand.server.stop()
    assert list(await stand.venue.describe()) == []
    await stand.venue.close()
    assert list(await stand.venue.describe()) == []
