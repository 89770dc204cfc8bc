"""The custodian's source, over real HTTP: against the simulated custodian, and against answers that no custodian should give."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from bot.adapters.collateral.custodian import CustodianSource, Endpoint
from bot.adapters.collateral.custody_wire import ReportUnreadable, parse
from bot.core import exposure
from bot.core.engine import step
from bot.core.events import CollateralUnreadable, CustodyReported, MarginReport, SettlementState
from bot.core.policy import Policy
from bot.core.records import Ledger, VenueRecord
from bot.core.units import Asset, InstrumentId, Range, VenueId
from bot.simulator.custodian import Custodian, CustodianTerms
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.server import SimulatorServer
from tests.adapters.collateral.heard import HastyClock, Heard, heard_from, until
from tests.simulator.stand import KEY as DESK_KEY
from tests.simulator.stand import desk_of

D = Decimal
HOST, KEY = "api.custodian.example", "custody-key-canary"
URL = f"https://{HOST}/v1/custody"
VENUE = "binancecoinm"
KEY_OF_DESK = DESK_KEY.account


class Reports(Heard):
    """What a custodian's source says."""

    @property
    def reports(self) -> list[CustodyReported]:
        return [event for event in self.events if isinstance(event, CustodyReported)]

    @property
    def reasons(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, CollateralUnreadable)]


@asynccontextmanager
async def listening(base: str, clock: HastyClock | None = None, *, key: str = KEY, **changes: Any) -> AsyncIterator[Reports]:
    heard = Reports()
    told: dict[str, Any] = {"poll_s": 1.0, "age_max": 60_000, "venues": {VENUE}, "hedged_as": {Asset("BTC"): Asset("BTC")}}
    endpoint = Endpoint(url=URL, api_key=key, base=base)
    source = CustodianSource("prime", "vault", endpoint, clock or HastyClock(), **(told | changes))
    async with heard_from(source, heard):
        yield heard


@asynccontextmanager
async def custodian(**changes: Any) -> AsyncIterator[tuple[Custodian, str]]:
    terms: dict[str, Any] = {"host": HOST, "api_key": KEY, "totals": {"BTC": D(30)}, "delegations": {VENUE: {"BTC": D(10)}}}
    desk = desk_of(VENUE, DIALECTS[VENUE])
    made = Custodian({VENUE: desk}, CustodianTerms(**(terms | changes)))
    server = SimulatorServer([desk], custodian=made)
    await server.start()
    try:
        yield made, server.url
    finally:
        await server.stop()
    assert server.failures == ()


@asynccontextmanager
async def answering(answer: Callable[[web.BaseRequest], web.StreamResponse]) -> AsyncIterator[tuple[str, list[web.BaseRequest]]]:
    """A server that says whatever the test wants."""
    asked: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request)
        return answer(request)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


def statement(**changes: Any) -> dict[str, Any]:
    row = {"venue": VENUE, "asset": "BTC", "delegated": "10", "settled": "0.5", "cycle": 3, "state": "idle"}
    plain = {"as_of": time.time_ns() // 1_000_000, "totals": [{"asset": "BTC", "quantity": "30"}], "delegations": [row]}
    return plain | changes


async def test_one_answer_is_one_report_of_totals_and_delegations() -> None:
    async with custodian() as (made, url), listening(url) as heard:
        await until(lambda: len(heard.reports) > 1)
        first = heard.reports[0]
        assert (first.source, first.location, first.totals[0].quantity, first.totals[0].redemption_rate) == ("prime", "vault", 30, 1)
        assert [(d.venue, d.asset, d.delegated, d.state) for d in first.delegations] == [(VENUE, "BTC", 10, SettlementState.IDLE)]
        made.delegate(VENUE, "BTC", D(5))
        await until(lambda: heard.reports[-1].delegations[0].delegated == 15)
        assert heard.reasons == []


async def test_a_settlement_arrives_whole_and_adds_up_in_every_report() -> None:
    async with custodian(interval_ms=300, freeze_ms=100, step_ms=50) as (made, url), listening(url, poll_s=0.5) as heard:
        await until(lambda: made.mirrors[VENUE, "BTC"].settled != 0)
        settled = made.mirrors[VENUE, "BTC"].settled
        await until(lambda: heard.reports[-1].delegations[0].settled >= settled)
        for report in heard.reports:
            (row,) = report.delegations
            assert report.totals[0].quantity - row.settled == 30
            assert row.delegated - row.settled == 10


async def test_a_settlement_over_the_wire_moves_profit_into_custody_and_no_delta() -> None:
    """Half a BTC of profit stands at the venue; every report folds into the same delta, and at the end nothing is owed any more."""
    btc, policy = Asset("BTC"), Policy(collateral_assets={Asset("BTC"): Asset("BTC")}, collateral_sources=frozenset({"prime"}))
    policy = replace(policy, instruments=frozenset({InstrumentId(f"{VENUE}:BTCUSD_PERP")}))
    async with custodian(interval_ms=400, freeze_ms=100, step_ms=50) as (made, url):
        desk = made.desks[VENUE]
        stands = next(held.margin_balance for held in desk.exchange.balances(KEY_OF_DESK) if held.asset == "BTC")
        desk.deposit(KEY_OF_DESK, "BTC", D("10.5") - stands)
        told = MarginReport(
            asset=btc, margin_balance=D("10.5"), wallet_balance=D("10.5"), maintenance_margin=D(0), initial_margin=None, equity=D("10.5")
        )
        venue = VenueRecord(margins={btc: told}, equity_told={btc: told}, reported_at=0)
        ledger, deltas = Ledger(venues={VenueId(VENUE): venue}), set()
        async with listening(url, poll_s=0.5) as heard:
            await until(lambda: bool(heard.reports) and heard.reports[-1].delegations[0].settled == D("0.5"))
        for report in heard.reports:
            ledger = step(ledger, report, policy).ledger
            deltas.add(exposure.held(ledger, policy, btc))
        assert deltas == {Range.exactly(D("30.5"))}
        assert (exposure.collateral(ledger, policy, btc), exposure.coin_equity(ledger, policy, btc)) == (Range.exactly(D("30.5")), 0)
        assert next(held.margin_balance for held in desk.exchange.balances(KEY_OF_DESK) if held.asset == "BTC") == D("10.5")


async def test_what_is_stale_keeps_its_last_value_and_says_so_once() -> None:
    async with custodian() as (made, url), listening(url, age_max=300) as heard:
        await until(lambda: bool(heard.reports))
        made.go_stale(quiet=True)
        await until(lambda: bool(heard.reasons))
        count = len(heard.reports)
        await asyncio.sleep(0.2)
        assert (heard.reasons, len(heard.reports)) == (["its report is older than max_age_ms 300 allows"], count)
        made.go_stale(quiet=False)
        await until(lambda: len(heard.reports) > count)


async def test_a_wrong_key_is_told_and_never_shown() -> None:
    async with custodian() as (_, url), listening(url, key="wrong-key-canary") as heard:
        await until(lambda: bool(heard.reasons))
        assert heard.reasons == ["it refuses the key (HTTP 401)"]
    assert KEY not in repr(Endpoint(url=URL, api_key=KEY))


FUTURE = time.time_ns() // 1_000_000 + 3_600_000
BAD: list[tuple[str, Callable[[], web.StreamResponse], str]] = [
    ("error", lambda: web.Response(status=503), "it answers HTTP 503"),
    ("redirect", lambda: web.Response(status=302, headers={"Location": "https://elsewhere.example/"}), "it sends elsewhere (HTTP 302)"),
    ("page", lambda: web.Response(text="<html>"), "what it says is not in the form: Invalid JSON"),
    ("empty", lambda: web.Response(text=""), "what it says is not in the form"),
    ("nothing", lambda: web.Response(text="{}"), "what it says is not in the form: as_of: Field required"),
    ("large", lambda: web.Response(body=b" " * 1_000_001), "it says more than 1000000 bytes"),
    ("float", lambda: web.json_response(statement(totals=[{"asset": "BTC", "quantity": 30.5}])), "not in the form: totals.0.quantity"),
    ("number", lambda: web.json_response(statement(totals=[{"asset": "BTC", "quantity": "1e9"}])), "not in the form: totals.0.quantity"),
    ("no rows", lambda: web.json_response(statement(delegations=None)), "not in the form: delegations"),
    ("old", lambda: web.json_response(statement(as_of=1_000)), "its report is older than max_age_ms 60000 allows"),
    ("future", lambda: web.json_response(statement(as_of=FUTURE)), "its report is from the future"),
]


@pytest.mark.parametrize(("answer", "why"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_what_is_not_in_the_form_is_unreadable_and_no_report(answer: Callable[[], web.StreamResponse], why: str) -> None:
    async with answering(lambda _: answer()) as (url, asked), listening(url) as heard:
        await until(lambda: bool(heard.reasons))
        await until(lambda: len(asked) > 1)
        assert heard.reports == []
        assert why in heard.reasons[0]
        assert len(heard.reasons) == 1
        assert (asked[0].headers["Host"], asked[0].headers["X-API-Key"], asked[0].path) == (HOST, KEY, "/v1/custody")


async def test_an_unknown_state_is_unreadable() -> None:
    row = statement()["delegations"][0]
    with pytest.raises(ReportUnreadable, match=r"delegations\.0\.state"):
        parse(json.dumps(statement(delegations=[row | {"state": "paused"}])).encode())


async def test_after_failures_it_asks_less_and_less_and_heeds_what_it_is_told() -> None:
    clock = HastyClock()
    async with answering(lambda _: web.Response(status=429, headers={"Retry-After": "50"})) as (url, _), listening(url, clock) as heard:
        await until(lambda: len(clock.waited) > 2)
        assert clock.waited[0] == 50
        assert clock.waited[1] == 60
        assert heard.reasons == ["it answers HTTP 429"]
    slow = HastyClock()
    async with answering(lambda _: web.Response(status=500)) as (url, _), listening(url, slow):
        await until(lambda: len(slow.waited) > 3)
        assert slow.waited[:4] == [2, 4, 8, 16]


async def test_nobody_there_is_unreadable_and_found_again() -> None:
    async with answering(lambda _: web.json_response(statement())) as (url, _):
        pass
    async with listening(url) as heard:
        await until(lambda: bool(heard.reasons))
        assert heard.reasons[0].startswith("it cannot be reached")


async def test_a_report_that_goes_back_in_time_is_not_told() -> None:
    instants = iter([2_000, 1_000])
    now = time.time_ns() // 1_000_000

    def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(statement(as_of=now - 10_000 + next(instants, 1_000)))

    async with answering(answer) as (url, _), listening(url) as heard:
        await until(lambda: bool(heard.reasons))
        assert (len(heard.reports), heard.reasons) == (1, ["its report is older than one that it told before"])


async def test_venues_that_are_not_configured_are_left_out() -> None:
    other = statement()["delegations"][0] | {"venue": "elsewhere"}
    rows = [*statement()["delegations"], other]
    async with answering(lambda _: web.json_response(statement(delegations=rows))) as (url, _), listening(url) as heard:
        await until(lambda: bool(heard.reports))
        assert [d.venue for d in heard.reports[0].delegations] == [VENUE]


def test_only_tls_or_a_named_route() -> None:
    with pytest.raises(ValueError, match="over https, or by a route"):
        Endpoint(url=f"http://{HOST}/v1/custody", api_key=KEY).target()
    url, headers = Endpoint(url=URL, api_key=KEY).target()
    assert (str(url), headers["Host"]) == (URL, HOST)
    url, headers = Endpoint(url=URL, api_key=KEY, base="http://127.0.0.1:8700").target()
    assert (str(url), headers["Host"]) == ("http://127.0.0.1:8700/v1/custody", HOST)
