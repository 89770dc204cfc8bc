"""OKX's doors: who may ask, how fresh a request must be, and when an order is too late."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Any

import orjson
import pytest

from bot.simulator.dialects.dialect import HttpRequest, Operation
from tests.simulator.okx_floor import KEY, NOW, OTHER, Floor, frame, said


def code(floor: Floor, **options: Any) -> tuple[int, str]:
    body, answer = floor.ask("GET", "account/balance", {"ccy": "USDT"}, **options)
    return answer.reply.status, body["code"]


def test_what_ccxt_signs_is_let_in() -> None:
    floor = Floor()
    assert floor.read("account/balance", {"ccy": "USDT"})[0]["details"][0]["cashBal"] == "100000"
    assert floor.read("account/config")[0]["uid"] != floor.read("account/config", key=OTHER)[0]["uid"]


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("OK-ACCESS-KEY", "", "50103"),
        ("OK-ACCESS-PASSPHRASE", "", "50104"),
        ("OK-ACCESS-SIGN", "", "50106"),
        ("OK-ACCESS-TIMESTAMP", "", "50107"),
        ("OK-ACCESS-KEY", "nobody", "50111"),
        ("OK-ACCESS-TIMESTAMP", "yesterday", "50112"),
        ("OK-ACCESS-TIMESTAMP", "2023-13-45T25:61:00.000Z", "50112"),
        ("OK-ACCESS-PASSPHRASE", "wrong", "50105"),
        ("OK-ACCESS-SIGN", "d3Jvbmc=", "50113"),
    ],
)
def test_each_wrong_header_has_its_code(header: str, value: str, expected: str) -> None:
    body, answer = Floor().ask("GET", "account/balance", headers={header: value})
    assert (answer.reply.status, body["code"]) == (401, expected)
    assert "data" not in body, "OKX leaves data out when the credentials are at fault"


@pytest.mark.parametrize(("age_ms", "expected"), [(0, "0"), (30_000, "0"), (30_001, "50102"), (-30_000, "0"), (-30_001, "50102")])
def test_a_request_lives_thirty_seconds(age_ms: int, expected: str) -> None:
    assert code(Floor(), signed_at=NOW - age_ms)[1] == expected


def test_the_signature_covers_method_path_query_and_body() -> None:
    floor = Floor()
    signed = floor.request("GET", "account/balance", {"ccy": "USDT"})
    posted = floor.request("POST", "trade/batch-orders", [floor.order()])
    for forged in (
        replace(signed, query_string="ccy=BTC"),
        replace(signed, path="/api/v5/account/positions"),
        replace(posted, body=posted.body.replace(b'"sz":"1"', b'"sz":"9"')),
        replace(posted, path="/api/v5/trade/order"),
    ):
        assert forged not in (signed, posted)
        assert orjson.loads(floor.dialect.handle(forged, NOW).reply.body)["code"] == "50113"
    assert not floor.exchange.fills("hedger")


@pytest.mark.parametrize(("expiry", "expected"), [("-1", "51000"), ("soon", "51000"), (str(NOW - 1), "50036"), (str(NOW), "0"), ("", "0")])
@pytest.mark.parametrize("path", ["trade/order", "trade/batch-orders"])
def test_an_order_after_its_expiry_is_not_processed(path: str, expiry: str, expected: str) -> None:
    floor = Floor()
    order = floor.order()
    body, answer = floor.ask("POST", path, [order] if "batch" in path else order, headers={"expTime": expiry})
    assert body["code"] == expected
    assert bool(floor.exchange.fills("hedger")) is (expected == "0")
    assert bool(answer.reports) is (expected == "0")


def test_reads_and_cancels_have_no_expiry() -> None:
    floor = Floor()
    row, _ = floor.place(ordType="limit", px="51000")
    for verb, path, params in (
        ("GET", "account/balance", {}),
        ("POST", "trade/cancel-order", {"instId": "BTC-USDT-SWAP", "ordId": row["ordId"]}),
    ):
        assert floor.ask(verb, path, params, headers={"expTime": "1"})[0]["code"] == "0"


def test_an_unknown_path_and_a_wrong_verb() -> None:
    floor = Floor()
    body, answer = floor.ask("GET", "trade/nonsense")
    assert (answer.reply.status, body["code"]) == (404, 404), "the one place where code is a number"
    body, answer = floor.ask("GET", "trade/batch-orders")
    assert (answer.reply.status, body["code"]) == (405, "50115")
    assert floor.dialect.operation(floor.request("GET", "trade/nonsense")) is Operation.UNKNOWN


@pytest.mark.parametrize(("body", "expected"), [(b"", "50000"), (b"{nonsense", "50002"), (b'"text"', "50002"), (b"[]", "51111")])
def test_a_body_that_is_no_order_list(body: bytes, expected: str) -> None:
    floor = Floor()
    text = body.decode()
    client_request = floor.request("POST", "trade/batch-orders", [])
    resigned = _signed_again(replace(client_request, body=body), text)
    assert orjson.loads(floor.dialect.handle(resigned, NOW).reply.body)["code"] == expected


def _signed_again(request: HttpRequest, text: str) -> HttpRequest:
    stamp = request.headers["OK-ACCESS-TIMESTAMP"]
    digest = hmac.new(KEY.secret.encode(), f"{stamp}POST{request.path}{text}".encode(), hashlib.sha256).digest()
    return replace(request, headers={**request.headers, "OK-ACCESS-SIGN": base64.b64encode(digest).decode()})


def test_demo_trading_requests_are_counted() -> None:
    floor = Floor()
    floor.ask("GET", "account/balance")
    floor.ask("GET", "account/balance", headers={"x-simulated-trading": "1"})
    assert floor.dialect.simulated_trading_requests == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"apiKey": "nobody"}, "60005"),
        ({"timestamp": "soon"}, "60004"),
        ({"timestamp": str(NOW // 1000 - 31)}, "60006"),
        ({"passphrase": "wrong"}, "60024"),
        ({"sign": "d3Jvbmc="}, "60007"),
    ],
)
def test_a_wrong_login_is_told_and_cut_off(changes: dict[str, Any], expected: str) -> None:
    floor = Floor()
    answer = floor.socket("private").received(floor.login(**changes), NOW)
    assert answer.close
    assert said(answer.messages)[0] | {"msg": ""} == {"event": "error", "code": expected, "msg": "", "connId": "00000001"}


def test_private_channels_want_a_login_and_only_one() -> None:
    floor = Floor()
    socket = floor.socket("private")
    orders = {"channel": "orders", "instType": "ANY"}
    assert said(socket.received(frame("subscribe", orders), NOW).messages)[0]["code"] == "60011"
    assert said(socket.received(floor.login(), NOW).messages)[0]["code"] == "0"
    again = socket.received(floor.login(), NOW)
    assert said(again.messages)[0]["code"] == "60031"
    assert not again.close
    assert said(socket.received(frame("subscribe", orders), NOW).messages)[0]["event"] == "subscribe"
