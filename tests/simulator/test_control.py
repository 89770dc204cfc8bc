"""The control endpoint over real HTTP: truth, the world's levers, faults, and what it says to nonsense."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from bot.simulator.control import CONTROL_HOST
from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.binance import BinanceUsdm
from bot.simulator.server import SimulatorServer
from tests.simulator.raw_calls import ask, place
from tests.simulator.stand import KEY, desk_of

VENUE = "binanceusdm"


@pytest.fixture
def desk() -> Desk:
    return desk_of(VENUE, BinanceUsdm)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def control(http: aiohttp.ClientSession, server: SimulatorServer, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    status, text = await ask(http, server, path, host=CONTROL_HOST, method=method, body=body)
    return status, json.loads(text)


async def test_truth_is_the_engines_own(http: aiohttp.ClientSession, server: SimulatorServer, desk: Desk) -> None:
    await place(http, server, newClientOrderId="true1")
    status, truth = await control(http, server, "GET", f"/truth?venue={VENUE}")
    books = truth["accounts"][KEY.account]
    assert status == 200
    assert [(row["symbol"], row["contracts"]) for row in books["positions"]] == [("BTCUSDT", "-0.050")]
    assert [(row["client_order_id"], row["state"]) for row in books["closed_orders"]] == [("true1", "filled")]
    assert [row["contracts"] for row in books["fills"]] == ["0.050"]
    assert Decimal(books["balances"][0]["wallet"]) == desk.exchange.balances(KEY.account)[0].wallet
    assert (await control(http, server, "GET", f"/truth?venue={VENUE}&account=nobody"))[0] == 400


async def test_control_steers_the_world(http: aiohttp.ClientSession, server: SimulatorServer, desk: Desk) -> None:
    await place(http, server)
    at = {"venue": VENUE, "account": KEY.account}
    assert (await control(http, server, "POST", "/adl", at | {"symbol": "BTCUSDT", "contracts": "0.02"}))[0] == 200
    assert desk.exchange.positions(KEY.account)[0].contracts == Decimal("-0.03")
    assert (await control(http, server, "POST", "/adl/rank", at | {"symbol": "BTCUSDT", "rank": "0.8"}))[0] == 200
    assert desk.exchange.positions(KEY.account)[0].deleveraging_rank == Decimal("0.8")
    for unfit in ({"symbol": "BTCUSDT", "rank": "1.1"}, {"symbol": "ETHUSDT", "rank": "1"}):
        assert (await control(http, server, "POST", "/adl/rank", at | unfit))[0] == 400
    assert (await control(http, server, "POST", "/funding", {"venue": VENUE, "symbol": "BTCUSDT"}))[0] == 200
    assert len(desk.exchange.funding_payments(KEY.account)) == 1
    before = desk.exchange.balances(KEY.account)[0].wallet
    assert (await control(http, server, "POST", "/deposit", at | {"asset": "USDT", "quantity": "-10.5"}))[0] == 200
    assert desk.exchange.balances(KEY.account)[0].wallet == before - Decimal("10.5")
    status, answer = await control(http, server, "POST", "/adl", at | {"symbol": "BTCUSDT", "contracts": "5"})
    assert (status, "reduce_only" in answer["error"]) == (400, True)
    stranger = {"venue": VENUE, "account": "nobody", "asset": "USDT", "quantity": "1"}
    assert (await control(http, server, "POST", "/deposit", stranger))[0] == 400


async def test_control_arms_faults_and_tells_incidents(http: aiohttp.ClientSession, server: SimulatorServer) -> None:
    wanted = {"venue": VENUE, "kind": "bad_gateway", "operation": "clock", "status": 504, "body": "gone", "label": "one"}
    _, armed = await control(http, server, "POST", "/faults", wanted)
    assert await ask(http, server, "/fapi/v1/time") == (504, "gone")
    _, spare = await control(http, server, "POST", "/faults", {"venue": VENUE, "kind": "disconnect"})
    _, told = await control(http, server, "GET", "/faults")
    assert [fault["number"] for fault in told["armed"]] == [spare["number"]]
    assert armed["number"] < spare["number"]
    assert [(row["kind"], row["operation"], row["label"]) for row in told["incidents"]] == [("bad_gateway", "clock", "one")]
    assert abs(told["incidents"][0]["began_at"] - wall_ms()) < 5_000
    assert (await control(http, server, "DELETE", f"/faults/{spare['number']}"))[1] == {"disarmed": True}
    await control(http, server, "POST", "/silence", {"venue": VENUE, "http": False, "label": "quiet"})
    assert server.desks[VENUE].is_talking is False
    await control(http, server, "POST", "/restore", {"venue": VENUE})
    assert server.desks[VENUE].is_talking is True
    assert (await control(http, server, "POST", "/sockets/close", {"venue": VENUE}))[1] == {"closed": 0}


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("/faults", {"venue": "mars", "kind": "refuse"}, "venue: 'mars' is not allowed: expected one of binanceusdm"),
        ("/faults", {"venue": VENUE, "kind": "gremlin"}, "gremlin"),
        ("/faults", {"venue": VENUE, "kind": "refuse", "tims": 2}, "tims: unknown key, did you mean 'times'?"),
        ("/faults", {"venue": VENUE, "kind": "refuse", "times": "2"}, "times: '2' is not allowed: a whole number is needed"),
        ("/faults", {"venue": VENUE, "kind": "delay_reply"}, "delay_ms"),
        ("/silence", {"venue": VENUE, "http": "no"}, "http must be true or false"),
        ("/adl", {"venue": VENUE, "account": "desk", "symbol": "BTCUSDT", "contracts": 1}, "contracts must be text"),
        ("/deposit", {"venue": VENUE, "account": "desk", "asset": "USDT", "quantity": "1e999999999"}, "quantity must be of ordinary size"),
        ("/adl", {"venue": VENUE, "account": "desk", "symbol": "BTCUSDT", "contracts": "NaN"}, "contracts must be finite"),
        ("/funding", {"venue": VENUE, "symbol": "DOGE"}, "unknown_symbol"),
        ("/nowhere", {}, "there is no POST /nowhere"),
        ("/funding", [], "not a JSON object"),
    ],
)
async def test_control_says_what_is_wrong(http: aiohttp.ClientSession, server: SimulatorServer, path: str, body: Any, why: str) -> None:
    status, answer = await control(http, server, "POST", path, body)
    assert status == 400
    assert why in answer["error"]
