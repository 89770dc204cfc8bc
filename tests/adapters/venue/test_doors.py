"""What may leave, per venue and environment: tried with everything that the real ccxt client asks for, and with what it must never ask for.

Each try goes through a real session whose every listed host leads to one loopback server: what is refused has not reached it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bot.adapters.venue.ccxt_client import doors, make_client
from bot.adapters.venue.doors import AllowList, Asked, EgressRefused, Opening, PrivateMarks
from bot.adapters.venue.profile import Profile
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.rehearsal import Rehearsal, Rehearsed, rehearse
from bot.adapters.venue.routing import RoutingSession
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.core.units import VenueId
from tests.adapters.venue.loopback import Loopback, json_reply, loopback
from tests.adapters.venue.test_environments import SECRETS, settings
from tests.adapters.venue.venue_stand import WallClock

WORLDS = [pytest.param(venue, environment, id=f"{venue}-{environment}") for venue in PROFILES for environment in PROFILES[venue].hosts]
FOR_TRYING_OUT = [world for world in WORLDS if world.values[1] is not Environment.MAINNET]
SHARING = [world for world in WORLDS if PROFILES[world.values[0]].hosts[world.values[1]].shared]
ALL_HOSTS = {host for profile in PROFILES.values() for hosts in profile.hosts.values() for host in hosts.names}
NOWHERE_NEAR = ("api.binance.com", "withdrawals.example.com", "127.0.0.1")
MONEY_MOVERS = (
    "/sapi/v1/capital/withdraw/apply",
    "/v5/asset/withdraw/create",
    "/v5/asset/transfer/inter-transfer",
    "/api/v5/asset/withdrawal",
    "/api/v5/asset/transfer",
    "/api/v2/private/withdraw",
    "/api/v2/private/submit_transfer_to_user",
)
in_every_world = pytest.mark.parametrize(("venue", "environment"), WORLDS)
_REHEARSED: dict[tuple[str, Environment], Rehearsal] = {}


def chosen(venue: str, environment: Environment) -> VenueSettings:
    return settings(venue, environment, routes={})


async def rehearsed(venue: str, environment: Environment) -> Rehearsal:
    """What ccxt asks for there; worked out once."""
    key = (venue, environment)
    if key not in _REHEARSED:
        _REHEARSED[key] = await rehearse(PROFILES[VenueId(venue)], chosen(venue, environment), WallClock())
    return _REHEARSED[key]


async def privates(venue: str, environment: Environment) -> list[Rehearsed]:
    found = [each for each in (await rehearsed(venue, environment)).requests if each.private]
    assert any(not each.asked.socket for each in found)
    assert any(each.asked.socket for each in found)
    return found


@asynccontextmanager
async def session_of(venue: str, environment: Environment, base: str) -> AsyncIterator[RoutingSession]:
    opened = doors(PROFILES[VenueId(venue)], chosen(venue, environment))
    session = RoutingSession(dataclasses.replace(opened, bases=dict.fromkeys(opened.bases, base)))
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def world(venue: str, environment: Environment) -> AsyncIterator[tuple[RoutingSession, Loopback]]:
    async with loopback(lambda _: json_reply("{}")) as server, session_of(venue, environment, server.base) as session:
        yield session, server


async def refused(session: RoutingSession, asked: Asked, **changed: Any) -> str | None:
    """Why a request did not leave; None when it arrived."""
    asked = dataclasses.replace(asked, **changed)
    try:
        if asked.socket:
            async with session.ws_connect(asked.url, headers=asked.headers):
                pass
        else:
            async with session.post(asked.url, headers=asked.headers, data=asked.body.encode()) as answer:
                await answer.read()
    except EgressRefused as refusal:
        return str(refusal)
    except aiohttp.WSServerHandshakeError:
        return None  # it arrived, at a server that speaks no WebSocket
    return None


@in_every_world
async def test_everything_that_ccxt_asks_for_fits_its_environment(venue, environment):
    told = await rehearsed(venue, environment)
    assert told.faults == ()
    hosts = PROFILES[venue].hosts[environment]
    assert {each.host for each in told.requests} == set(hosts.names), "no host is open that nothing needs"
    async with world(venue, environment) as (session, server):
        for each in told.requests:
            assert await refused(session, each.asked) is None, each.call
        assert len(server.seen) == len(told.requests)


@in_every_world
async def test_every_private_call_is_seen_to_be_private_and_no_public_one_is(venue, environment):
    for each in (await rehearsed(venue, environment)).requests:
        if "rivate" in each.call:
            assert each.private, each.call
        if "ublic" in each.call:
            assert not each.private, each.call


@in_every_world
async def test_a_private_request_to_another_host_cannot_leave(venue, environment):
    """Mainnet's hosts among them, where the world is another."""
    wrong = sorted({*ALL_HOSTS, *NOWHERE_NEAR} - set(PROFILES[venue].hosts[environment].names))
    assert len(wrong) > 5
    async with world(venue, environment) as (session, server):
        for each in await privates(venue, environment):
            for host in wrong:
                why = await refused(session, each.asked, url=each.asked.url.with_host(host))
                assert why is not None, (each.call, host)
                assert "is not listed" in why
        assert server.connections == 0


@in_every_world
async def test_a_private_request_to_an_unlisted_path_cannot_leave(venue, environment):
    """Nothing that moves money is listed anywhere, whatever the key may do."""
    async with world(venue, environment) as (session, server):
        for each in await privates(venue, environment):
            listed = each.asked.url.raw_path
            for path in ("/", *MONEY_MOVERS, f"/unlisted{listed}", f"{listed}/../../withdraw", f"/{listed}", f"{listed}%2e%2e/withdraw"):
                there = URL(f"https://{each.host}{path}?{each.asked.url.raw_query_string}", encoded=True)
                assert await refused(session, each.asked, url=there) is not None, (each.call, path)
        assert server.connections == 0


@in_every_world
async def test_a_rest_path_is_no_socket_and_a_socket_is_no_rest_path(venue, environment):
    async with world(venue, environment) as (session, server):
        for each in (await rehearsed(venue, environment)).requests:
            assert await refused(session, each.asked, socket=not each.asked.socket) is not None, each.call
        assert server.connections == 0


@in_every_world
async def test_without_the_header_that_tells_a_shared_host_apart_nothing_leaves(venue, environment):
    demanding = {opening.host: opening.headers for opening in PROFILES[venue].hosts[environment].openings if opening.headers}
    async with world(venue, environment) as (session, server):
        for each in (await rehearsed(venue, environment)).requests:
            for name, value in demanding.get(each.host, {}).items():
                without = {key: told for key, told in each.asked.headers.items() if key.lower() != name.lower()}
                for headers in (without, {**without, name: ""}, {**without, name: f"{value}0"}):
                    why = await refused(session, each.asked, headers=headers)
                    assert why is not None, each.call
                    assert name in why
        assert server.connections == 0
    assert bool(demanding) == (venue == "okx" and environment is not Environment.MAINNET)


@pytest.mark.parametrize(("venue", "environment"), FOR_TRYING_OUT)
async def test_what_a_mainnet_client_asks_for_in_private_cannot_leave_another_environment(venue, environment):
    """As if ccxt had not been switched: not one signed request and not one private socket gets out."""
    async with world(venue, environment) as (session, server):
        for each in await privates(venue, Environment.MAINNET):
            assert await refused(session, each.asked) is not None, each.call
        assert server.connections == 0


@pytest.mark.parametrize(("venue", "environment"), FOR_TRYING_OUT)
async def test_a_mainnet_ccxt_client_places_nothing_in_another_environment(venue, environment):
    """The same with the client itself: its order never becomes a connection."""
    profile: Profile = PROFILES[venue]
    async with world(venue, environment) as (session, server):
        client = make_client(profile, chosen(venue, Environment.MAINNET), session, WallClock())
        client.timeout_on_exit = 0
        with pytest.raises(EgressRefused):
            await getattr(client, profile.reads.positions.call)({})
        await client.close()
        assert server.connections == 0


@pytest.mark.parametrize(("venue", "environment"), FOR_TRYING_OUT)
def test_hosts_that_are_mainnets_too_are_listed_by_name_and_guarded(venue, environment):
    hosts, mainnet = PROFILES[venue].hosts[environment], set(PROFILES[venue].hosts[Environment.MAINNET].names)
    assert set(hosts.names) & mainnet == set(hosts.shared)
    assert all(opening.headers for opening in hosts.openings if opening.private and opening.host in mainnet)


@pytest.mark.parametrize(("venue", "environment"), SHARING)
async def test_a_shared_public_host_takes_nothing_private(venue, environment):
    hosts = PROFILES[venue].hosts[environment]
    public_only = set(hosts.shared) - {opening.host for opening in hosts.openings if opening.private}
    told = await rehearsed(venue, environment)
    signed = next(each.asked for each in told.requests if each.private and not each.asked.socket)
    async with world(venue, environment) as (session, server):
        for each in told.requests:
            if each.host in public_only:
                for headers, query in (
                    (signed.headers, ""),
                    ({}, f"key={SECRETS[0]}"),
                    ({"anything": SECRETS[0]}, ""),
                    ({"anything": SECRETS[2]}, ""),
                ):
                    why = await refused(session, each.asked, headers=headers, url=each.asked.url.with_query(query or None))
                    assert why is not None, each.call
                    assert "private" in why
        assert server.connections == 0


@in_every_world
async def test_the_secret_itself_leaves_nowhere(venue, environment):
    secret = SECRETS[1]
    async with world(venue, environment) as (session, server):
        for each in (await rehearsed(venue, environment)).requests:
            assert not any(secret in text for text in (str(each.asked.url), each.asked.body, *each.asked.headers.values()))
            for changed in (
                {"url": each.asked.url.with_query({"q": secret.lower()})},
                {"body": f'{{"secret":"{secret}"}}', "socket": False},
                {"headers": {**each.asked.headers, "X-Secret": secret}},
            ):
                why = await refused(session, each.asked, **changed)
                assert why is not None
                assert "secret" in why
        assert server.connections == 0


@in_every_world
async def test_the_session_of_the_client_without_a_key_takes_public_requests_only(venue, environment):
    opened = doors(PROFILES[VenueId(venue)], chosen(venue, environment))
    async with loopback(lambda _: json_reply("{}")) as server:
        session = RoutingSession(dataclasses.replace(opened, bases=dict.fromkeys(opened.bases, server.base)).public())
        public = 0
        for each in (await rehearsed(venue, environment)).requests:
            # A private socket says so in its frames, which are looked at one by one.
            told = await refused(session, each.asked) if not (each.private and each.asked.socket) else "private"
            assert (told is not None) == each.private, each.call
            public += not each.private
        await session.close()
        assert len(server.seen) == public > 5


@asynccontextmanager
async def hearing(venue: str, environment: Environment) -> AsyncIterator[tuple[RoutingSession, list[str]]]:
    """A session whose every socket leads to a server that writes down the frames it gets."""
    frames: list[str] = []

    async def take(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            frames.append(message.data)
            await socket.send_str("heard")
        return socket

    app = web.Application()
    app.router.add_get("/{tail:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with session_of(venue, environment, f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            yield session, frames
    finally:
        await runner.cleanup()


@in_every_world
async def test_a_private_frame_leaves_over_a_private_socket_only(venue, environment):
    profile: Profile = PROFILES[venue]
    by_socket = {each.asked.url: each.private for each in (await rehearsed(venue, environment)).requests if each.asked.socket}
    private_paths = [opening for opening in profile.hosts[environment].openings if opening.socket and opening.private]
    marked = [f"{{{word}:1" if word.startswith('"') else word for word in profile.private_marks.words]
    private_frames = [f'{{"args": ["{SECRETS[0]}"]}}', f'{{"args": ["{SECRETS[0].lower()}"]}}', *marked]
    async with hearing(venue, environment) as (session, frames):
        for url in by_socket:
            there = [opening for opening in private_paths if opening.host == url.host and opening.leads_to(url.raw_path)]
            listed = "".join(word for opening in there for word in opening.saying[:1])
            async with asyncio.timeout(5), session.ws_connect(url) as socket:
                await socket.send_str('{"op": "subscribe", "args": ["tickers"]}')
                await socket.receive()
                for frame in private_frames:
                    if there:
                        await socket.send_str(frame + listed)
                        await socket.receive()
                        assert frames[-1] == frame + listed
                        continue
                    for send in (socket.send_str(frame), socket.send_bytes(frame.encode()), socket.send_json({"x": frame + SECRETS[0]})):
                        with pytest.raises(EgressRefused, match="private"):
                            await send
                with pytest.raises(EgressRefused, match="secret"):
                    await socket.send_str(SECRETS[1])
        assert len(frames) >= len(by_socket)


ONE_PATH = AllowList(
    (
        Opening(host="api.example.com", paths=("/exchange",), private=True, saying=('"type":"order"', '"type":"cancel"')),
        Opening(host="api.example.com", paths=("/ws",), socket=True, private=True, saying=('"method":"subscribe"',)),
    ),
    PrivateMarks(headers=frozenset(), words=('"signature"',)),
)


@pytest.mark.parametrize(
    ("body", "leaves"),
    [
        ('{"action": {"type": "order"}, "signature": 1}', True),
        ('{"action": {"type": "Cancel"}, "signature": 1}', True),
        ('{"action": {"type": "withdraw"}, "signature": 1}', False),
        ('{"signature": 1}', False),
        ('{"action": {"type": "withdraw"}}', True),  # nobody signed it
    ],
)
def test_where_one_path_serves_many_purposes_what_is_signed_must_say_a_listed_one(body: str, leaves: bool) -> None:
    why = ONE_PATH.refusal(Asked(url=URL("https://api.example.com/exchange"), body=body))
    assert (why is None) is leaves
    assert why is None or "not listed" in why


@pytest.mark.parametrize(
    ("frame", "leaves"),
    [
        ('{"method": "subscribe", "signature": 1}', True),
        ('{"method": "post", "signature": 1}', False),
        ('{"method": "post"}', True),
    ],
)
def test_so_must_a_private_frame(frame: str, leaves: bool) -> None:
    assert (ONE_PATH.frame_refusal(URL("https://api.example.com/ws"), frame) is None) is leaves


@pytest.mark.parametrize("environment", list(PROFILES[VenueId("bybit")].hosts))
async def test_ccxts_order_socket_of_bybit_is_never_opened(environment):
    """ccxt has it at mainnet's host in every environment but the testnet."""
    async with world("bybit", environment) as (session, server):
        for host in ("stream.bybit.com", "stream-demo.bybit.com", "stream-testnet.bybit.com"):
            with pytest.raises(EgressRefused):
                session.ws_connect(f"wss://{host}/v5/trade")
        assert server.connections == 0


@pytest.mark.parametrize("venue", PROFILES)
def test_an_environment_whose_private_requests_could_reach_mainnet_is_refused(venue):
    profile: Profile = PROFILES[venue]
    mixed_up = dataclasses.replace(profile, hosts={**profile.hosts, Environment.TESTNET: profile.hosts[Environment.MAINNET]})
    with pytest.raises(ValueError, match="could reach mainnet"):
        doors(mixed_up, chosen(venue, Environment.TESTNET))


@pytest.mark.parametrize("venue", PROFILES)
def test_an_environment_that_a_venue_does_not_have_is_refused_with_what_it_has(venue):
    profile: Profile = PROFILES[venue]
    without = {name: hosts for name, hosts in profile.hosts.items() if name is not Environment.DEMO}
    with pytest.raises(ValueError, match="there is no demo environment; what there is for trying things out is called testnet"):
        doors(dataclasses.replace(profile, hosts=without), chosen(venue, Environment.DEMO))


@pytest.mark.parametrize(("venue", "environment"), FOR_TRYING_OUT)
async def test_a_client_that_was_not_switched_is_found_out_before_it_asks_for_anything(venue, environment):
    profile: Profile = PROFILES[venue]
    unswitched = dataclasses.replace(profile.hosts[environment], switch=None)
    wrong = dataclasses.replace(profile, hosts={**profile.hosts, environment: unswitched})
    told = await rehearse(wrong, chosen(venue, environment), WallClock())
    assert told.faults
    assert {each.refusal is None for each in told.requests if each.private} == {False}


async def test_a_call_that_asks_for_nothing_is_no_proof():
    """A list that nothing was held against says nothing."""
    profile: Profile = PROFILES[VenueId("binanceusdm")]
    silent = dataclasses.replace(
        profile, reads=dataclasses.replace(profile.reads, clock=dataclasses.replace(profile.reads.clock, call="nonce"))
    )
    told = await rehearse(silent, chosen("binanceusdm", Environment.TESTNET), WallClock())
    assert told.faults == ("nonce could not be tried without sending (TypeError)",)
