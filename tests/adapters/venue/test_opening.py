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

from bot.adapters.venue import ccxt_venue
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.settings import Environment
from bot.core.events import OrderReported, VenueReported
from bot.ports import VenueNotReady
from bot.simulator.dialects.dialect import Answer, HttpRequest, Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.venue_stand import STANDS, Stand, settings_of, standing

LISTINGS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "binanceusdm": ("/fapi/v1/exchangeInfo", ("symbols",), "symbol"),
    "binancecoinm": ("/dapi/v1/exchangeInfo", ("symbols",), "symbol"),
    "bybit": ("/v5/market/instruments-info", ("result", "list"), "symbol"),
    "deribit": ("/api/v2/public/get_instruments", ("result",), "instrument_name"),
    "okx": ("/api/v5/public/instruments", ("data",), "instId"),
    "hyperliquid": ("/info", (), "name"),
}
"""Where each venue lists its instruments: the path, where the rows stand, and what names one."""
SUSPENDED: dict[str, dict[str, Any]] = {
    "binanceusdm": {"status": "SETTLING"},
    "binancecoinm": {"contractStatus": "SETTLING"},
    "bybit": {"status": "Closed"},
    "deribit": {"is_active": False},
    "okx": {"state": "suspend"},
    "hyperliquid": {"isDelisted": True},
}
REFUSALS = {
    "binanceusdm": '{"code":%s,"msg":"Words."}',
    "binancecoinm": '{"code":%s,"msg":"Words."}',
    "bybit": '{"retCode":%s,"retMsg":"words","result":{},"retExtInfo":{},"time":1}',
    "deribit": '{"jsonrpc":"2.0","error":{"message":"words","code":%s}}',
    "okx": '{"code":"%s","msg":"words","data":[]}',
    "hyperliquid": '{"status":"err","response":"Words %s"}',
}


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        yield one


def _listing(stand: Stand, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """From here on the venue lists each row changed or not at all."""
    path, at, _ = LISTINGS[stand.name]
    original = stand.desk.handle

    def handle(asked: HttpRequest) -> Answer:
        answer = original(asked)
        if asked.path != path:
            return answer
        body = holder = orjson.loads(answer.reply.body)
        if not at:  # Hyperliquid: what an asset is and how it stands, in two lists of the same order
            if b"metaAndAssetCtxs" not in asked.body:
                return answer
            kept = [(changed, told) for row, told in zip(body[0]["universe"], body[1], strict=True) if (changed := change(row)) is not None]
            body[0]["universe"], body[1] = [row for row, _ in kept], [told for _, told in kept]
        else:
            for step in at[:-1]:
                holder = holder[step]
            holder[at[-1]] = [changed for row in holder[at[-1]] if (changed := change(row)) is not None]
        return dataclasses.replace(answer, reply=dataclasses.replace(answer.reply, body=orjson.dumps(body)))

    stand.desk.handle = handle


def _only(stand: Stand, base: str, changed: dict[str, str] | None) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    symbol = next(each.venue_symbol for each in stand.instruments.values() if each.base == base)
    name = LISTINGS[stand.name][2]
    return lambda row: row if row[name] != symbol else None if changed is None else row | changed


@pytest.mark.parametrize("suspended", [True, False], ids=["suspended", "not listed"])
async def test_an_instrument_that_is_not_traded_is_left_out_and_the_others_are_used(stand, suspended):
    _listing(stand, _only(stand, "ETH", SUSPENDED[stand.name] if suspended else None))
    assert {each.base for each in await stand.venue.open()} == {"BTC"}
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)


async def test_none_left_is_not_ready_in_one_sentence(stand):
    _listing(stand, lambda row: row | SUSPENDED[stand.name])
    with pytest.raises(VenueNotReady, match="lists and trades no perpetual"):
        await stand.venue.open()


async def test_a_suspended_instrument_that_is_held_stays_in_use(stand):
    """Left out, its position would be read by nobody and hedged a second time elsewhere."""
    await stand.venue.place(stand.order("-0.05"))
    _listing(stand, _only(stand, "BTC", SUSPENDED[stand.name]))
    assert {each.base for each in await stand.venue.open()} == {"BTC", "ETH"}
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported)
    assert {each.instrument: each.quantity for each in report.positions}[stand.btc.id] == stand.units("-0.05")


async def test_a_refused_leverage_is_a_warning_only_beside_a_position(stand, monkeypatch):
    async def refused(self: Any, *_: Any) -> None:
        raise ccxt.ExchangeError(f"{self.id} {REFUSALS[self.id] % 51999}")

    if stand.venue._profile.setup is None:
        pytest.skip(f"{stand.name} has no leverage to set")
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
    ("binancecoinm", "-2015", True),
    ("binancecoinm", "-1003", False),
    ("binancecoinm", "-4188", False),
    ("bybit", "10003", True),
    ("bybit", "10010", True),
    ("bybit", "10009", False),
    ("bybit", "10006", False),
    ("bybit", "10016", False),
    ("deribit", "13004", True),
    ("deribit", "10028", False),
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
        stand.venue._gate._closed_until = 0.0  # whatever ban there was has ended
        assert len(await stand.venue.open()) == 2


@pytest.mark.parametrize(
    ("name", "symbol", "changed"),
    [
        ("okx", "BTC-EUR-SWAP", {"uly": "BTC-EUR", "instFamily": "BTC-EUR", "settleCcy": "EUR"}),
        ("okx", "BTC-EUR-SWAP", {"uly": "BTC-EUR", "instFamily": "BTC-EUR", "ctType": "inverse", "settleCcy": "BTC", "ctValCcy": "EUR"}),
        ("okx", "XBT-USD-SWAP", {"uly": "BTC-USD", "instFamily": "BTC-USD", "ctType": "inverse", "settleCcy": "ETH", "ctValCcy": "USD"}),
        ("binanceusdm", "ETHBTC", {"pair": "ETHBTC", "baseAsset": "ETH", "quoteAsset": "BTC", "marginAsset": "BTC"}),
    ],
    ids=["linear in euros", "inverse in euros", "inverse in another coin", "linear in a coin"],
)
async def test_what_is_neither_linear_in_a_stablecoin_nor_inverse_in_its_coin_is_not_ready(name, symbol, changed):
    changed = {"okx": {"instId": symbol}, "binanceusdm": {"symbol": symbol}}[name] | changed
    async with standing(name) as stand:
        _listing(stand, _only(stand, "ETH", changed))
        venue = CcxtVenue(settings_of(name, stand.server, venue_symbols=(stand.btc.venue_symbol, symbol)), stand.clock)
        with pytest.raises(VenueNotReady, match=f"{symbol} is no perpetual that can be used"):
            await venue.open()


async def test_describing_again_tells_what_the_venue_changed_and_rounds_by_it(stand):
    assert {each.venue_symbol: each for each in await stand.venue.describe()} == stand.instruments
    contracts = stand.desk.exchange.contracts
    known = contracts[stand.btc.venue_symbol]
    change = {
        "binanceusdm": {"filters": None},
        "binancecoinm": {"filters": None},
        "bybit": {"priceFilter": {"tickSize": "5"}},
        "deribit": {"tick_size": 5},
        "okx": {"tickSz": "5"},
        "hyperliquid": {"szDecimals": 3},  # its ticks follow from the price
    }[stand.name]

    def coarser(row: dict[str, Any]) -> dict[str, Any]:
        if stand.name.startswith("binance"):
            filters = [each | {"tickSize": "5"} if each["filterType"] == "PRICE_FILTER" else each for each in row["filters"]]
            return row | {"filters": filters}
        return row | change

    btc_only = _only(stand, "BTC", {})
    name = LISTINGS[stand.name][2]
    _listing(stand, lambda row: coarser(row) if row[name] == known.symbol else btc_only(row))
    described = {each.base: each for each in await stand.venue.describe()}
    new = {"lot": Decimal("0.001"), "contracts_min": Decimal("0.001")} if stand.name == "hyperliquid" else {"tick": Decimal(5)}
    assert described["BTC"] == dataclasses.replace(stand.btc, **new)
    assert described["ETH"] == next(each for each in stand.instruments.values() if each.base == "ETH")
    client = stand.venue._up.client
    name = stand.venue._up.opened.ccxt_symbols[known.symbol]
    if stand.name == "hyperliquid":
        assert client.amount_to_precision(name, "0.0504") == "0.05"
    else:
        assert client.price_to_precision(name, "59998") == "60000"
    command = stand.order("-0.05", Decimal("59995"))
    assert isinstance(await stand.venue.place(command), OrderReported)
    assert stand.held() == stand.units("-0.05")


@pytest.mark.parametrize("body", ["", "{}", "<html></html>", '{"symbols":[{}],"result":{"list":[{}]},"data":[{}],"code":"0","retCode":0}'])
async def test_describing_again_what_cannot_be_read_is_empty_and_changes_nothing(stand, body):
    stand.arm(FaultKind.REFUSE, Operation.MARKETS, status=200, body=body)
    assert list(await stand.venue.describe()) == []
    assert {each.venue_symbol: each for each in await stand.venue.describe()} == stand.instruments
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_an_answer_without_a_single_perpetual_is_no_listing(stand):
    _listing(stand, lambda _: None)
    with pytest.raises(ConnectionError, match="perpetual"):
        await stand.venue.open()


async def test_an_instrument_that_is_no_longer_listed_stays_as_it_was_known(stand):
    _listing(stand, _only(stand, "BTC", None))
    assert {each.venue_symbol: each for each in await stand.venue.describe()} == stand.instruments
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_describing_a_venue_that_is_not_open_or_not_there_is_empty(stand):
    await stand.server.stop()
    assert list(await stand.venue.describe()) == []
    await stand.venue.close()
    assert list(await stand.venue.describe()) == []


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Openings and what sets again take the venue on this machine for a test network's."""

    def there(call: Any) -> Any:
        return lambda asker, profile, settings, *more: call(
            asker, profile, dataclasses.replace(settings, environment=Environment.TESTNET), *more
        )

    monkeypatch.setattr(ccxt_venue.CcxtVenue, "_open_account", staticmethod(there(ccxt_venue.open_account)))
    monkeypatch.setattr(ccxt_venue, "settle_account", there(ccxt_venue.settle_account))


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_setting_that_nobody_knows_stops_increases_elsewhere_than_in_a_simulation_until_it_is_set(stand, monkeypatch, status):
    async def unknown(self: Any, *_: Any) -> None:
        raise ccxt.ExchangeNotAvailable(f"{self.id} POST https://{self.hostname or 'host'}/leverage {status} Not Found <html></html>")

    if stand.venue._profile.setup is None:
        pytest.skip(f"{stand.name} has no leverage to set")
    client, sets = getattr(ccxt.pro, stand.name), getattr(ccxt.pro, stand.name).set_leverage
    monkeypatch.setattr(client, "set_leverage", unknown)
    assert len(await stand.venue.open()) == 2
    assert (await stand.venue.read(stand.reading())).unfit == (), "a stand-in without settings"
    elsewhere(monkeypatch)
    assert len(await stand.venue.open()) == 2
    stand.without_limits()
    sentence = "leverage could not be verified: whoever answers knows no such setting"
    assert (await stand.venue.read(stand.reading())).unfit == (sentence,)
    await stand.venue.describe()
    assert (await stand.venue.read(stand.reading())).unfit == (sentence,), "nothing has changed"
    monkeypatch.setattr(client, "set_leverage", sets)
    assert len(await stand.venue.describe()) == 2
    assert (await stand.venue.read(stand.reading())).unfit == ()


async def test_an_account_whose_kind_nobody_tells_takes_no_increase_elsewhere_than_in_a_simulation(monkeypatch):
    async with standing("hyperliquid") as stand:
        original = stand.desk.handle

        def handle(asked: HttpRequest) -> Answer:
            answer = original(asked)
            if b"userAbstraction" not in asked.body:
                return answer
            return dataclasses.replace(answer, reply=dataclasses.replace(answer.reply, status=404, body=b"<html></html>"))

        stand.desk.handle = handle
        elsewhere(monkeypatch)
        await stand.venue.open()
        assert (await stand.venue.read(stand.reading())).unfit == (
            "the account's kind could not be verified: whoever answers knows no such setting",
        )
        stand.desk.handle = original
        await stand.venue.describe()
        assert (await stand.venue.read(stand.reading())).unfit == ()
