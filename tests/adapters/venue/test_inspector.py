"""An account looked at over real HTTP, at every venue: good and bad keys, clocks and settings; and that nothing is changed by looking."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from bot.adapters.venue.ccxt_client import doors
from bot.adapters.venue.doors import Asked
from bot.adapters.venue.inspection import Finding, Verdict
from bot.adapters.venue.inspector import inspect_account, reading_doors
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.rehearsal import rehearse
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.core.units import DAY_MS, VenueId
from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.dialect import Credential, HttpReply, HttpRequest, KeyRights, Operation
from bot.simulator.dialects.hyperliquid.signing import address_of
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.listings import exchange_of
from bot.simulator.server import SimulatorServer
from tests.adapters.venue.test_environments import settings as settings_for
from tests.adapters.venue.venue_stand import SYMBOLS, WallClock
from tests.simulator.stand import KEY, serving, tick_of, wallets_of

BOUND = KeyRights(addresses=("192.0.2.1",))
EVERY_VENUE = pytest.mark.parametrize("venue", list(SYMBOLS))
BOTH = pytest.mark.parametrize("environment", [Environment.MAINNET, Environment.SIMULATION])
OWNER_KEY, WALLET_KEY = f"0x{11:064x}", f"0x{12:064x}"


def credential(venue: str, rights: KeyRights) -> Credential:
    """A key with these rights. Hyperliquid: an API wallet, named when it has an end; or the account's own key, which may withdraw."""
    if venue != "hyperliquid":
        return replace(KEY, rights=rights)
    secret = OWNER_KEY if rights.withdraw else WALLET_KEY
    until = rights.ends_at if rights.ends_at is not None else wall_ms() + 90 * DAY_MS
    return Credential(api_key=address_of(OWNER_KEY), secret=secret, account=KEY.account, rights=replace(rights, ends_at=until))


@dataclass
class Looked:
    """A venue, its account, and who asked what of it."""

    server: SimulatorServer
    desk: Desk
    settings: VenueSettings
    asked: list[HttpRequest] = field(default_factory=list)

    async def found(self, *, clock: WallClock | None = None, allowed_ms: int = 60_000, **changed) -> dict[str, Finding]:
        """`allowed_ms`: a machine that is five times slower measures its clock that much worse."""
        settings = replace(self.settings, **changed)
        through = reading_doors(settings)
        if settings.environment is not Environment.SIMULATION:
            through = replace(through, bases=dict.fromkeys(through.bases, self.server.url))
        findings = await inspect_account(settings, clock or WallClock(), clock_offset_max_ms=allowed_ms, through=through)
        told = repr(findings)
        assert settings.secret not in told
        assert settings.api_key not in told
        return {finding.what: finding for finding in findings}

    def _note(self, request: HttpRequest, operation: Operation | None) -> None:
        del operation
        self.asked.append(request)


@asynccontextmanager
async def looked_at(venue: str, environment: Environment = Environment.SIMULATION, rights: KeyRights = BOUND) -> AsyncIterator[Looked]:
    exchange, key = exchange_of(venue, now=wall_ms()), credential(venue, rights)
    exchange.open_account(KEY.account, wallets_of(exchange))
    desk = Desk(venue, exchange, DIALECTS[venue], [key])
    for contract in exchange.contracts.values():
        desk.tick(tick_of(contract))
    for symbol in SYMBOLS[venue]:
        if PROFILES[VenueId(venue)].setup is not None:
            exchange.set_leverage(KEY.account, symbol, Decimal(5))
    async with serving(desk) as server:
        settings = VenueSettings(
            venue=VenueId(venue),
            environment=environment,
            api_key=key.api_key,
            secret=key.secret,
            passphrase=key.passphrase,
            venue_symbols=SYMBOLS[venue],
            routes=dict.fromkeys(server.hosts, server.url) if environment is Environment.SIMULATION else {},
        )
        looked = Looked(server, desk, settings)
        take_down = desk.put_up(looked._note)
        try:
            yield looked
        finally:
            take_down()


def verdicts(found: dict[str, Finding]) -> set[Verdict]:
    return {finding.verdict for finding in found.values()}


@BOTH
@EVERY_VENUE
async def test_a_good_account_is_fine_in_every_respect(venue, environment):
    async with looked_at(venue, environment) as looked:
        found = await looked.found()
    assert verdicts(found) <= {Verdict.FINE, Verdict.NOTED}, found
    assert {"reachable", "clock", "key", "may trade", "may withdraw", "address list", "ends"} <= found.keys()
    assert {"position mode", "margin mode", "leverage", "dead-man switch", *SYMBOLS[venue]} <= found.keys()
    for what in ("may trade", "may withdraw", "position mode", "margin mode", "leverage", *SYMBOLS[venue]):
        assert found[what].verdict is Verdict.FINE, found[what]
    assert all("tick" in found[symbol].found for symbol in SYMBOLS[venue])


@EVERY_VENUE
async def test_looking_changes_nothing(venue):
    """Whatever is otherwise than configured: the venue is asked to read, and only that."""
    async with looked_at(venue, rights=KeyRights(withdraw=True)) as looked:
        account = looked.desk.exchange.settings(KEY.account)
        account.hedge_mode = True
        account.isolated.update(SYMBOLS[venue])
        account.leverage.update(dict.fromkeys(SYMBOLS[venue], Decimal(7)))
        before = (dict(account.leverage), account.hedge_mode, set(account.isolated))
        await looked.found()
        assert (dict(account.leverage), account.hedge_mode, set(account.isolated)) == before
        assert len(looked.asked) >= 8
        operations = {looked.desk.operation(request) for request in looked.asked}
        assert not operations & {Operation.PLACE, Operation.CANCEL, Operation.LISTEN_KEY, Operation.UNKNOWN}
        if venue == "hyperliquid":
            assert {request.path for request in looked.asked} == {"/info"}
        else:
            assert {request.method for request in looked.asked} == {"GET"}
        assert not [request.path for request in looked.asked if request.path.rpartition("/")[2] in ("buy", "sell", "cancel_by_label")]
        assert not looked.desk.exchange.closed_orders(KEY.account, None, 0, 10)


@pytest.mark.parametrize("environment", [pytest.param(each, id=each.value) for each in Environment])
@EVERY_VENUE
async def test_no_request_that_a_run_makes_and_that_changes_something_passes_the_door_of_a_check(venue, environment):
    """Orders, cancels, settings, the dead-man switch, listen keys and sockets: all that a run would send is tried on the narrowed list."""
    profile = PROFILES[VenueId(venue)]
    if environment not in profile.hosts and environment is not Environment.SIMULATION:
        return
    told = settings_for(venue, environment, routes=dict.fromkeys(profile.hosts_in(environment).names, "http://127.0.0.1:9"))
    usual, narrow = doors(profile, told).allowed, reading_doors(told).allowed
    requests = (await rehearse(profile, told, WallClock())).requests
    acting = ("create_order", "cancel_order", "set_leverage", "set_margin_mode", "set_position_mode", profile.writes.cancel.call)
    acting += () if profile.writes.cancel_other is None else (profile.writes.cancel_other.call,)
    acting += (profile.streams.listen_key_call,) + (() if profile.dead_man is None else (profile.dead_man.query.call,))
    acted = 0
    for each in requests:
        assert usual.refusal(each.asked) is None
        why = narrow.refusal(each.asked)
        if each.asked.socket or (each.call in acting and _acts(each.asked)):
            assert why is not None, each.call
            acted += 1
        elif each.call not in acting and not each.call.startswith("watch_"):  # which asks for a listen key on its way
            assert why is None, (each.call, why)
    assert acted > len(profile.streams.pumps)


def _acts(asked: Asked) -> bool:
    """Not a question that ccxt asks on the way to something else."""
    return (asked.verb != "GET" and not asked.url.path.endswith("/info")) or (
        "/private/" in asked.url.path and "/get_" not in asked.url.path
    )


BAD = [
    pytest.param("may withdraw", KeyRights(withdraw=True, addresses=BOUND.addresses), list(SYMBOLS), id="withdraws"),
    pytest.param("address list", KeyRights(), [venue for venue in SYMBOLS if venue != "hyperliquid"], id="anywhere"),
    pytest.param(
        "ends", KeyRights(addresses=BOUND.addresses, ends_at=3), ["binanceusdm", "binancecoinm", "bybit", "hyperliquid"], id="ends"
    ),
]


@BOTH
@pytest.mark.parametrize(("what", "rights", "venues"), BAD)
@EVERY_VENUE
async def test_a_bad_key_is_refused_on_mainnet_and_a_warning_elsewhere(venue, what, rights, venues, environment):
    if venue not in venues:
        assert (venue, what) in {("hyperliquid", "address list"), ("okx", "ends"), ("deribit", "ends")}, "no such thing there"
        return
    days = rights.ends_at
    rights = rights if days is None else replace(rights, ends_at=wall_ms() + days * DAY_MS)
    async with looked_at(venue, environment, rights) as looked:
        found = await looked.found()
    assert found[what].verdict is (Verdict.REFUSED if environment is Environment.MAINNET else Verdict.WARNING)
    assert found[what].why


@pytest.mark.parametrize("venue", ["binanceusdm", "binancecoinm", "bybit", "okx", "deribit"])
async def test_a_key_that_may_not_trade_is_refused_everywhere(venue):
    async with looked_at(venue, rights=replace(BOUND, trade=False)) as looked:
        assert (await looked.found())["may trade"].verdict is Verdict.REFUSED


@EVERY_VENUE
async def test_a_wrong_secret_is_refused_and_nothing_more_is_asked(venue):
    secret = f"0x{99:064x}" if venue == "hyperliquid" else "not-the-secret-of-it"
    async with looked_at(venue) as looked:
        found = await looked.found(secret=secret)
    assert Verdict.REFUSED in verdicts(found)
    last = found["account" if venue == "hyperliquid" else "key"]
    assert last.verdict is Verdict.REFUSED
    assert last.why
    assert "leverage" not in found


@EVERY_VENUE
async def test_a_venue_that_does_not_answer_is_one_finding(venue):
    async with looked_at(venue) as looked:
        routes = dict.fromkeys(looked.server.hosts, "http://127.0.0.1:9")
        found = await looked.found(routes=routes)
    assert [finding.verdict for finding in found.values()] == [Verdict.REFUSED]
    assert "reachable" in found


@pytest.mark.parametrize(("ahead_ms", "verdict"), [(300_000, Verdict.WARNING), (-3_600_000, Verdict.REFUSED)])
@EVERY_VENUE
async def test_a_wrong_clock_is_told_and_everything_else_still_looked_at(venue, ahead_ms, verdict):
    async with looked_at(venue) as looked:
        found = await looked.found(clock=WallClock(ahead_ms), allowed_ms=400_000)
    assert found["clock"].verdict is verdict, found["clock"]
    assert found["key"].verdict is Verdict.FINE
    assert "leverage" in found


@pytest.mark.parametrize("venue", [venue for venue in SYMBOLS if PROFILES[VenueId(venue)].setup is not None])
async def test_settings_that_are_otherwise_are_told(venue):
    async with looked_at(venue) as looked:
        account = looked.desk.exchange.settings(KEY.account)
        account.leverage[SYMBOLS[venue][0]] = Decimal(7)
        account.isolated.add(SYMBOLS[venue][0])
        found = await looked.found()
        assert found["leverage"].verdict is Verdict.NOTED
        assert "7x" in found["leverage"].found
        assert found["margin mode"].verdict is (Verdict.FINE if venue == "okx" else Verdict.WARNING)
    if venue in ("binanceusdm", "binancecoinm", "okx"):  # elsewhere the simulated venue tells no other mode
        async with looked_at(venue) as looked:
            looked.desk.exchange.settings(KEY.account).hedge_mode = True
            assert (await looked.found())["position mode"].verdict is Verdict.WARNING


@BOTH
@EVERY_VENUE
async def test_a_venue_that_does_not_tell_of_the_key_leaves_it_unknown_and_mainnet_refuses_that(venue, environment):
    paths = {
        "bybit": "/v5/user/query-api",
        "okx": "/api/v5/account/config",
        "deribit": "/api/v2/private/list_api_keys",
    }
    path = paths.get(venue, "/sapi/v1/account/apiRestrictions")

    def door(request: HttpRequest, operation: Operation | None) -> HttpReply | None:
        about_wallets = venue == "hyperliquid" and json.loads(request.body).get("type") == "extraAgents"
        return HttpReply(status=404, body=b"not here", content_type="text/plain") if about_wallets or request.path == path else None

    async with looked_at(venue, environment) as looked:
        looked.desk.put_up(door)
        found = await looked.found()
    expected = Verdict.REFUSED if environment is Environment.MAINNET else Verdict.UNKNOWN
    assert {found[what].verdict for what in ("may trade", "may withdraw", "address list", "ends")} == {expected}
    assert found["may withdraw"].why


@pytest.mark.parametrize("venue", ["binanceusdm", "binancecoinm"])
async def test_a_simulation_without_a_place_for_the_spot_host_says_so(venue):
    async with looked_at(venue) as looked:
        routes = {host: where for host, where in looked.settings.routes.items() if host != "api.binance.com"}
        found = await looked.found(routes=routes)
    assert found["may withdraw"].verdict is Verdict.UNKNOWN
    assert "api.binance.com" in found["may withdraw"].why


async def test_a_switch_that_bybit_has_not_switched_on_is_told():
    async with looked_at("bybit") as looked:
        assert (await looked.found())["dead-man switch"].verdict is Verdict.FINE
        looked.desk.dialect._venue.protection.is_offered = False
        assert (await looked.found())["dead-man switch"].verdict is Verdict.WARNING


@EVERY_VENUE
async def test_an_instrument_that_is_not_there_is_told_and_the_others_are_looked_at(venue):
    async with looked_at(venue) as looked:
        found = await looked.found(venue_symbols=(SYMBOLS[venue][0], "NOTHINGUSDT"))
        assert found["NOTHINGUSDT"].verdict is Verdict.WARNING
        assert found[SYMBOLS[venue][0]].verdict is Verdict.FINE
        nothing = await looked.found(venue_symbols=("NOTHINGUSDT",))
        assert nothing["account"].verdict is Verdict.REFUSED


def test_a_check_goes_through_the_proxy_of_a_run():
    told = replace(settings_for("binanceusdm", Environment.MAINNET, routes={}), proxy="http://127.0.0.1:3128")
    assert reading_doors(told).proxy == doors(PROFILES[VenueId("binanceusdm")], told).proxy == "http://127.0.0.1:3128"


def test_the_spot_host_is_open_to_the_check_alone_and_for_one_path():
    told = settings_for("binanceusdm", Environment.MAINNET, routes={})
    assert "api.binance.com" not in doors(PROFILES[VenueId("binanceusdm")], told).allowed.hosts
    (spot,) = [opening for opening in reading_doors(told).allowed.openings if opening.host == "api.binance.com"]
    assert spot.paths == ("/sapi/v1/account/apiRestrictions",)
    for environment in (Environment.TESTNET, Environment.DEMO):
        assert "api.binance.com" not in reading_doors(replace(told, environment=environment)).allowed.hosts
