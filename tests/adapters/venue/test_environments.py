"""What requests carry, how long they count, and that no secret gets out: per venue, on the real ccxt client."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from bot.adapters.venue.ccxt_client import doors, expiring_at, make_client
from bot.adapters.venue.ccxt_markets import instrument_of
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.outcomes import NOT_SENT, OutOfTime, Refused, classify
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.questions import Ask
from bot.adapters.venue.rehearsal import queries_of
from bot.adapters.venue.routing import RoutingSession
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.core.units import VenueId
from bot.ports import VenueNotReady
from tests.adapters.venue.loopback import Loopback, Seen, json_reply, loopback
from tests.adapters.venue.venue_stand import WallClock

VENUES = list(PROFILES)
SECRETS = ("THE-KEY-0123456789", "0x" + "5ec2e70123456789" * 4, "THE-PHRASE-0123456789")
"""The second one is also a private key, for the venue that signs with one."""


def settings(venue: str, environment: Environment = Environment.SIMULATION, **changed: Any) -> VenueSettings:
    given = {
        "venue": VenueId(venue),
        "environment": environment,
        "api_key": SECRETS[0],
        "secret": SECRETS[1],
        "passphrase": SECRETS[2],
        "venue_symbols": ("BTC",),
    }
    return VenueSettings(**(given | changed))


class StoppableClock(WallClock):
    """The machine's clock until it is stopped."""

    stopped_at: int | None = None

    def now(self) -> int:
        return super().now() if self.stopped_at is None else self.stopped_at

    def stop(self) -> None:
        self.stopped_at = self.now()


class Client:
    """A ccxt client of one venue whose every host leads to one loopback server (or, without one, nowhere)."""

    def __init__(self, venue: str, environment: Environment, server: Loopback | None = None) -> None:
        self.profile = PROFILES[VenueId(venue)]
        hosts = self.profile.hosts_in(environment).names
        routes = dict.fromkeys(hosts, server.base if server else "http://127.0.0.1:9")
        chosen = settings(venue, environment, routes=routes)
        opened = doors(self.profile, chosen)
        self.session = RoutingSession(dataclasses.replace(opened, bases=routes) if server is not None else opened)
        self.clock = StoppableClock()
        self.ccxt = make_client(self.profile, chosen, self.session, self.clock)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ccxt.timeout_on_exit = 0
        await self.ccxt.close()
        await self.session.close()


def test_settings_never_show_a_secret():
    shown = repr(settings("okx"))
    assert not any(secret in shown for secret in SECRETS)


def test_reasons_are_redacted():
    chosen = settings("okx")
    signed = "GET https://fapi.binance.com/fapi/v1/order?symbol=BTCUSDT&timestamp=1&signature=abcdef0123&recvWindow=5"
    assert chosen.redact(signed).count("***") == 1
    assert "abcdef0123" not in chosen.redact(signed)
    for text in (
        *SECRETS,
        f"'OK-ACCESS-PASSPHRASE': '{SECRETS[2]}'",
        "X-MBX-APIKEY: somebodyelses",
        '{"listenKey":"pqia91ma19a5s61cv6a8"}',
    ):
        assert not any(secret in chosen.redact(text) for secret in (*SECRETS, "somebodyelses", "pqia91ma19a5s61cv6a8"))
    assert len(chosen.redact("x" * 10_000)) <= 300


@pytest.mark.parametrize("venue", VENUES)
async def test_ccxt_logs_nothing_and_raises_nothing_with_a_secret_in_it(venue, caplog):
    """Reliability finding 6: at level DEBUG ccxt logs headers, keys and passphrase included."""
    caplog.set_level(logging.DEBUG)
    async with loopback(lambda _: None) as server, Client(venue, Environment.SIMULATION, server) as client:
        with pytest.raises(Exception) as raised:  # noqa: PT011  # whatever class: its text is what matters
            await getattr(client.ccxt, client.profile.reads.positions.call)({})
        assert server.seen
        assert not any(secret in str(raised.value) + caplog.text for secret in (SECRETS[1], SECRETS[2]))
        assert not any("ccxt" in record.name for record in caplog.records)


@pytest.mark.parametrize("venue", VENUES)
async def test_the_client_never_repeats_and_never_waits_by_itself(venue):
    """Pitfall 2, and the limiter of ours in place of ccxt's."""
    async with Client(venue, Environment.SIMULATION) as client:
        assert client.ccxt.options["maxRetriesOnFailure"] == 0
        assert client.ccxt.enableRateLimit is False
        assert client.session.one_wire_attempt
        assert client.ccxt.streaming["keepAlive"] * 2 < 15_000


ORDER_TAKEN = '{"code":"0","retCode":0,"result":{"orderId":"1"},"data":[{"ordId":"1","sCode":"0"}],"orderId":1}'
VENUE_AHEAD_MS = 7_000


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(("left_ms", "taken_ms"), [(1_234, 1_234), (5_000, 5_000), (9_000, 5_000), (1, 1)])
async def test_a_venue_accepts_an_order_until_its_instant_whatever_came_before_signing(venue, left_ms, taken_ms):
    """The instant is ours and absolute: what is left of it is told in the moment of signing, by the venue's clock, exactly."""
    async with loopback(lambda _: json_reply(ORDER_TAKEN)) as server, Client(venue, Environment.SIMULATION, server) as client:
        client.ccxt.options["timeDifference"] = -VENUE_AHEAD_MS
        client.clock.stop()
        with expiring_at(client.clock.now() + left_ms):
            await _a_write(venue, client.ccxt)
        (request,) = server.seen
        assert _accepted_until(venue, request) == client.clock.now() + VENUE_AHEAD_MS + taken_ms


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("over_by_ms", [0, 1, 4_000])
async def test_an_order_whose_time_is_over_when_it_is_signed_is_proven_unsent(venue, over_by_ms):
    async with loopback(lambda _: json_reply(ORDER_TAKEN)) as server, Client(venue, Environment.SIMULATION, server) as client:
        client.clock.stop()
        with expiring_at(client.clock.now() - over_by_ms), pytest.raises(OutOfTime) as over:
            await _a_write(venue, client.ccxt)
        assert server.seen == []
        # Also when ccxt had asked something else before: that was not the order.
        assert classify(venue, over.value, sent=True) == Refused(NOT_SENT, "its time was over before it was sent")


@pytest.mark.parametrize("venue", VENUES)
async def test_where_the_right_to_send_is_shared_it_is_asked_in_the_moment_of_signing(venue):
    """An order may have queued since it was allowed: what is left of the lease now bounds it, and without one it is proven unsent."""
    async with loopback(lambda _: json_reply(ORDER_TAKEN)) as server, Client(venue, Environment.SIMULATION, server) as client:
        client.clock.stop()
        now = client.clock.now()
        for right_s in (0.75, 3.0):
            with expiring_at(now + 2_000, lambda: right_s):  # noqa: B023  called within the turn of the loop
                await _a_write(venue, client.ccxt)
        offset = int(client.ccxt.options["timeDifference"])
        assert [_accepted_until(venue, request) - now + offset for request in server.seen] == [750, 2_000]
        with expiring_at(now + 2_000, lambda: 0.0), pytest.raises(OutOfTime) as over:
            await _a_write(venue, client.ccxt)
        assert len(server.seen) == 2
        assert classify(venue, over.value, sent=True) == Refused(NOT_SENT, "the right to send was over before it was sent")


@pytest.mark.parametrize("venue", VENUES)
async def test_requests_that_are_no_orders_carry_the_usual_window(venue):
    async with loopback(lambda _: json_reply(ORDER_TAKEN)) as server, Client(venue, Environment.SIMULATION, server) as client:
        usual = client.ccxt.milliseconds
        with expiring_at(client.clock.now() + 1_234):
            await _a_write(venue, client.ccxt)
        await _a_write(venue, client.ccxt)
        plain = server.seen[1]
        if venue == "bybit":
            assert plain.headers["x-bapi-recv-window"] == "5000"
        if venue == "okx":
            assert "exptime" not in plain.headers
        if venue == "deribit":
            assert "valid_until" not in plain.target
        if venue == "hyperliquid":
            assert "expiresAfter" not in orjson.loads(plain.body)
        if venue.startswith("binance"):
            assert parse_qs(plain.body.decode())["recvWindow"] == ["10000"]
        assert client.ccxt.milliseconds == usual, "time goes on after signing"


def _accepted_until(venue: str, request: Seen) -> int:
    """The last instant, by the venue's clock, at which it may take this order."""
    if venue == "okx":
        return int(request.headers["exptime"])
    if venue == "bybit":
        return int(request.headers["x-bapi-timestamp"]) + int(request.headers["x-bapi-recv-window"])
    if venue == "deribit":
        return int(parse_qs(urlsplit(request.target).query)["valid_until"][0])
    if venue == "hyperliquid":
        return int(orjson.loads(request.body)["expiresAfter"])
    body = parse_qs(request.body.decode())
    return int(body["timestamp"][0]) + int(body["recvWindow"][0])


async def _a_write(venue: str, client: Any) -> None:
    match venue:
        case "binanceusdm":
            await client.fapiPrivatePostOrder({"symbol": "BTCUSDT"})
        case "binancecoinm":
            await client.dapiPrivatePostOrder({"symbol": "BTCUSD_PERP"})
        case "bybit":
            await client.privatePostV5OrderCreate({"symbol": "BTCUSDT"})
        case "deribit":
            await client.privateGetSell({"instrument_name": "BTC-PERPETUAL"})
        case "hyperliquid":
            nonce, action = client.incrementing_nonce(), {"type": "order", "orders": [], "grouping": "na"}
            await client.privatePostExchange({"action": action, "nonce": nonce, "signature": client.sign_l1_action(action, nonce)})
        case _:
            await client.privatePostTradeBatchOrders([{"instId": "BTC-USDT-SWAP", "clOrdId": "a1"}])


@pytest.mark.parametrize("venue", VENUES)
async def test_a_profile_is_consistent_with_itself_and_with_ccxt(venue):
    async with Client(venue, Environment.SIMULATION) as client:
        profile = client.profile
        limits = {limit.name for limit in profile.limits}
        assert all(owed.keys() <= limits and owed for owed in profile.weights.values())
        for query in queries_of(profile):
            assert query.ask in profile.weights, query.ask
            assert callable(getattr(client.ccxt, query.call)), query.call
        assert {Ask.PLACE, Ask.CANCEL, Ask.SETTINGS, Ask.MARKETS} <= profile.weights.keys()
        assert all(callable(getattr(client.ccxt, pump.watch)) for pump in profile.streams.pumps)
        assert any(pump.private for pump in profile.streams.pumps)
        if profile.streams.listen_key_call is not None:
            assert callable(getattr(client.ccxt, profile.streams.listen_key_call))
            assert Ask.LISTEN_KEY in profile.weights


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [(429, {"Retry-After": "1"}, 1.0), (418, {}, 120.0), (418, {"Retry-After": "90000"}, 90_000.0), (429, {"Retry-After": "soon"}, 1.0)],
)
async def test_a_ban_closes_the_gate_for_everything(status, headers, seconds):
    venue = CcxtVenue(
        settings(
            "binanceusdm",
            routes=dict.fromkeys(PROFILES[VenueId("binanceusdm")].hosts_in(Environment.SIMULATION).names, "http://127.0.0.1:9"),
        ),
        WallClock(),
    )
    venue._headers_seen("/fapi/v1/order", status, headers)
    assert seconds - 0.5 < venue._gate.closed_for <= seconds


def test_settings_that_cannot_work_are_refused_in_one_sentence():
    cases: list[tuple[Callable[[], VenueSettings], str]] = [
        (lambda: settings("nasdaq"), "no venue is called nasdaq"),
        (lambda: settings("okx", passphrase=None), "needs a passphrase"),
        (lambda: settings("bybit"), "no route for api.bybit.com"),
    ]
    for make, words in cases:
        with pytest.raises(VenueNotReady, match=words):
            CcxtVenue(make(), WallClock())


def test_a_market_becomes_an_instrument_exactly():
    market = {
        "id": "BTC-USDT-SWAP",
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "linear": True,
        "contractSize": 0.01,
        "precision": {"amount": 0.01, "price": 0.1},
        "limits": {"amount": {"min": 0.01, "max": None}, "cost": {"min": None}},
    }
    made = instrument_of(VenueId("okx"), market, interval_ms=None, taker_fee=Decimal("0.0005"), maker_fee=None)
    assert (made.contract_size, made.lot, made.tick, made.contracts_min) == (
        Decimal("0.01"),
        Decimal("0.01"),
        Decimal("0.1"),
        Decimal("0.01"),
    )
    assert (made.contracts_max, made.notional_min, made.funding_interval_ms, made.maker_fee) == (None, None, None, None)
    whole = instrument_of(
        VenueId("okx"),
        market | {"contractSize": 100.0, "precision": {"amount": 1e-05, "price": 1.0}},
        interval_ms=1,
        taker_fee=None,
        maker_fee=None,
    )
    assert (str(whole.contract_size), str(whole.lot), str(whole.tick)) == ("100", "0.00001", "1")
