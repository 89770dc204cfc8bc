"""What an answer to a write proves, code by code. Bodies as the venues send them, exceptions as ccxt 4.5.90 raises them."""

from __future__ import annotations

import aiohttp
import ccxt
import pytest
from aiohttp.client_reqrep import ConnectionKey

from bot.adapters.venue.outcomes import PROVEN, SOURCES, Refused, Unproven, VenueSaid, classify, said_in, venue_said
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.routing import EgressRefused


def binance(code: int, words: str = "Words.") -> str:
    return f'binanceusdm {{"code":{code},"msg":"{words}"}}'


def bybit(code: int, words: str = "words") -> str:
    return f'bybit {{"retCode":{code},"retMsg":"{words}","result":{{}},"retExtInfo":{{}},"time":1763800000000}}'


def okx(code: str, words: str = "words") -> str:
    inner = f'{{"clOrdId":"a1","ordId":"","sCode":"{code}","sMsg":"{words}","tag":"","ts":"1763800000000"}}'
    return f'okx {{"code":"1","data":[{inner}],"inTime":"1","msg":"All operations failed","outTime":"2"}}'


def okx_envelope(code: str, words: str = "words") -> str:
    return f'okx {{"msg":"{words}","code":"{code}","data":[]}}'


REFUSED = [
    ("binanceusdm", ccxt.InsufficientFunds(binance(-2019, "Margin is insufficient.")), "-2019"),
    ("binanceusdm", ccxt.InvalidNonce(binance(-1021)), "-1021"),
    ("binanceusdm", ccxt.InvalidOrder(binance(-2022, "ReduceOnly Order is rejected.")), "-2022"),
    ("binanceusdm", ccxt.DDoSProtection(binance(-1003, "Too many requests.")), "-1003"),
    ("binanceusdm", ccxt.BadRequest(binance(-5028)), "-5028"),
    ("bybit", ccxt.InsufficientFunds(bybit(110007, "ab not enough for new order")), "110007"),
    ("bybit", ccxt.InvalidNonce(bybit(10002)), "10002"),
    ("bybit", ccxt.InvalidOrder(bybit(110017)), "110017"),
    ("bybit", ccxt.RateLimitExceeded(bybit(10006)), "10006"),
    ("okx", ccxt.InsufficientFunds(okx("51008")), "51008"),
    ("okx", ccxt.ExchangeError(okx("51169")), "51169"),
    ("okx", ccxt.ExchangeError(okx_envelope("50036")), "50036"),
    ("okx", ccxt.RateLimitExceeded(okx_envelope("50011")), "50011"),
]


@pytest.mark.parametrize(("venue", "error", "code"), REFUSED)
def test_a_listed_code_proves_refusal_whatever_its_class(venue, error, code):
    outcome = classify(venue, error, sent=True)
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == code
    assert outcome.reason


UNPROVEN = [
    # Codes that leave the outcome open.
    ("binanceusdm", ccxt.RequestTimeout(binance(-1007))),
    ("binanceusdm", ccxt.OperationFailed(binance(-1000))),
    ("binanceusdm", ccxt.OperationFailed(binance(-1001))),
    ("binanceusdm", ccxt.OperationFailed(binance(-1006))),
    ("binanceusdm", ccxt.OperationFailed(binance(-1008))),
    ("bybit", ccxt.ExchangeError(bybit(10000))),
    ("bybit", ccxt.ExchangeError(bybit(10016))),
    ("bybit", ccxt.RequestTimeout(bybit(170007))),
    ("bybit", ccxt.InvalidOrder(bybit(170146))),
    ("okx", ccxt.OnMaintenance(okx_envelope("50001"))),
    ("okx", ccxt.RequestTimeout(okx_envelope("50004"))),
    ("okx", ccxt.ExchangeNotAvailable(okx_envelope("50013"))),
    ("okx", ccxt.ExchangeNotAvailable(okx_envelope("50026"))),
    ("okx", ccxt.ExchangeError(okx("51149"))),
    # A duplicate id proves that the first one exists.
    ("binanceusdm", ccxt.InvalidOrder(binance(-4116, "ClientOrderId is duplicated."))),
    ("binanceusdm", ccxt.InvalidOrder(binance(-2010, "Duplicate order sent."))),
    ("bybit", ccxt.InvalidOrder(bybit(110072, "OrderLinkedID is duplicate"))),
    ("bybit", ccxt.BadRequest(bybit(10001, "params error: duplicated orderLinkId"))),
    ("okx", ccxt.InvalidOrder(okx("51016", "Client order ID already exists."))),
    # Codes that nobody listed, and codes of another venue.
    ("binanceusdm", ccxt.InvalidOrder(binance(-9999))),
    ("bybit", ccxt.InsufficientFunds(bybit(51008))),
    ("okx", ccxt.InsufficientFunds(okx("110007"))),
    # No readable answer at all.
    ("binanceusdm", ccxt.RequestTimeout("binanceusdm POST https://fapi.binance.com/fapi/v1/order")),
    ("binanceusdm", ccxt.ExchangeNotAvailable("binanceusdm POST https://fapi.binance.com/fapi/v1/order 502 Bad Gateway <html></html>")),
    ("bybit", ccxt.ExchangeError("bybit POST https://api.bybit.com/v5/order/create")),
    ("okx", ccxt.ExchangeError('okx {"code":"1","da')),
    ("okx", TypeError("'NoneType' object is not subscriptable")),
    ("bybit", TimeoutError()),
    ("bybit", KeyError("orderId")),
]


@pytest.mark.parametrize(("venue", "error"), UNPROVEN)
def test_everything_else_is_unknown_whatever_its_class(venue, error):
    outcome = classify(venue, error, sent=True)
    assert isinstance(outcome, Unproven), outcome
    assert outcome.reason


def test_nothing_handed_to_the_wire_is_proof():
    for error in (
        ccxt.InvalidOrder("binanceusdm amount must be greater"),
        EgressRefused("host 'x' is not listed"),
        ccxt.ArgumentsRequired("x"),
    ):
        assert classify("binanceusdm", error, sent=False) == Refused("not_sent", classify("binanceusdm", error, sent=False).reason)
    assert isinstance(classify("okx", EgressRefused("no"), sent=True), Refused)


def _raised(cause: BaseException) -> ccxt.BaseError:
    error = ccxt.ExchangeNotAvailable("okx POST https://www.okx.com/api/v5/trade/batch-orders")
    error.__cause__ = cause
    return error


def test_a_connection_that_could_not_be_opened_carried_nothing():
    key = ConnectionKey("www.okx.com", 443, True, True, None, None, None)
    for cause in (aiohttp.ClientConnectorError(key, OSError(111, "refused")), aiohttp.ConnectionTimeoutError("connecting")):
        outcome = classify("okx", _raised(cause), sent=True)
        assert isinstance(outcome, Refused)
        assert outcome.code == "not_sent"


@pytest.mark.parametrize(
    "cause",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "reset"),
        aiohttp.ClientPayloadError("cut"),
        TimeoutError(),
        aiohttp.SocketTimeoutError("reading"),
    ],
)
def test_a_connection_that_broke_later_proves_nothing(cause):
    assert isinstance(classify("okx", _raised(cause), sent=True), Unproven)


def test_the_orders_own_code_goes_before_the_envelopes():
    assert venue_said(ccxt.ExchangeError(okx("51008", "no money"))) == VenueSaid("51008", "no money")
    assert said_in({"code": "1", "msg": "All operations failed", "data": []}) == VenueSaid("1", "All operations failed")
    assert said_in({"code": "0", "data": [{"sCode": "0", "sMsg": ""}]}) == VenueSaid("0", "")
    assert said_in(["no", "body"]) is None
    assert venue_said(ValueError("{not json}")) is None


def test_every_venue_has_a_list_with_a_source_and_no_open_outcome_on_it():
    assert PROVEN.keys() == SOURCES.keys() == PROFILES.keys()
    assert not {"-1000", "-1001", "-1006", "-1007", "-1008", "-2010", "-2013", "-4116"} & PROVEN["binanceusdm"].keys()
    assert not {"10000", "10014", "10016", "110001", "110030", "110072", "170007", "170146"} & PROVEN["bybit"].keys()
    assert not {"1", "2", "50001", "50004", "50013", "50026", "51016", "51054", "51149", "51603"} & PROVEN["okx"].keys()
    assert all(source.startswith("https://") for source in SOURCES.values())
    assert all(words for codes in PROVEN.values() for words in codes.values())
