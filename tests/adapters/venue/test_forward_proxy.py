"""All that leaves for a venue goes through the configured proxy, tunnelled, and what may leave is decided before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import certifi
import pytest

from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.doors import Doors, EgressRefused
from bot.adapters.venue.outcomes import NOT_SENT, Refused, classify
from bot.adapters.venue.routing import RoutingSession
from bot.core.events import OrderReported
from bot.core.units import VenueId
from tests.adapters.forward_proxy import ForwardProxy, behind_tls, certificate_for, forward_proxy
from tests.adapters.venue.loopback import json_reply, loopback
from tests.adapters.venue.venue_stand import DIALECTS, Stand, WallClock, _flicker, settings_of, until
from tests.simulator.stand import desk_of, serving

HOST = "fapi.binance.com"
HOSTS = {"binanceusdm": {HOST, "fstream.binance.com"}, "bybit": {"api.bybit.com", "stream.bybit.com"}}


@dataclass
class Walled(Stand):
    """A venue that can be reached through a proxy and by no other way: over TLS, under its own names, which nobody here can look up."""

    proxy: ForwardProxy


@pytest.fixture
def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server's TLS context for every host of the venues, which this process trusts instead of the world's authorities."""
    authority, context = certificate_for({host for hosts in HOSTS.values() for host in hosts}, tmp_path)
    monkeypatch.setattr(certifi, "where", lambda: str(authority))
    return context


@asynccontextmanager
async def walled(name: str, context: Any, *, opens: bool = True) -> AsyncIterator[Walled]:
    async with (
        serving(desk_of(name, DIALECTS[name])) as server,
        behind_tls(server.port, context) as secured,
        forward_proxy(dict.fromkeys(HOSTS[name], secured)) as proxy,
    ):
        itself = {host: f"https://{host}" for host in server.hosts}
        clock = WallClock()
        venue = CcxtVenue(settings_of(name, server, routes=itself, proxy=proxy.url), clock)
        moving = asyncio.create_task(_flicker(server))
        try:
            instruments = {each.id: each for each in await venue.open()} if opens else {}
            yield Walled(name, server, venue, instruments, clock, proxy)
        finally:
            moving.cancel()
            await venue.close()


@pytest.mark.parametrize("name", sorted(HOSTS))
async def test_orders_and_streams_pass_through_the_proxys_tunnels(name: str, trusting: Any) -> None:
    async with walled(name, trusting) as stand, stand.listening() as box:
        await until(lambda: box.quotes)
        assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)
        assert {tunnel.partition(":")[0] for tunnel in stand.proxy.tunnels} == HOSTS[name]
        assert {tunnel.partition(":")[2] for tunnel in stand.proxy.tunnels} == {"443"}
        assert stand.proxy.passed_on == [], "nothing went to the proxy in the open"


async def test_a_venue_to_which_the_proxy_opens_no_way_is_asked_again_later(trusting: Any) -> None:
    async with walled("binanceusdm", trusting, opens=False) as stand:
        stand.proxy.refuses = True
        with pytest.raises(ConnectionError):
            await stand.venue.open()
        stand.proxy.refuses = False
        assert await stand.venue.open()


async def test_what_is_not_listed_does_not_even_reach_the_proxy() -> None:
    async with loopback(lambda _: json_reply("{}")) as venue, forward_proxy({"127.0.0.1": venue.port}) as proxy:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}, proxy.url))
        with pytest.raises(EgressRefused, match="not listed"):
            session.get("https://api.binance.com/sapi/v1/x")
        with pytest.raises(EgressRefused, match="proxy"):
            session.get(f"https://{HOST}/x", proxy=proxy.url)
        await session.close()
    assert (proxy.connections, venue.connections) == (0, 0)


async def test_what_goes_over_http_in_a_simulation_is_passed_on() -> None:
    async with loopback(lambda _: json_reply("{}")) as venue, forward_proxy({"127.0.0.1": venue.port}) as proxy:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}, proxy.url))
        async with session.get(f"https://{HOST}/fapi/v1/time?a=1") as answer:
            assert answer.status == 200
        await session.close()
    assert proxy.passed_on == [f"{venue.base}/fapi/v1/time?a=1"]
    assert venue.seen[0].headers["host"] == HOST


async def test_the_environments_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with loopback(lambda _: json_reply("{}")) as venue, forward_proxy({"127.0.0.1": venue.port}) as proxy:
        for variable in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(variable, proxy.url)
        session = RoutingSession(Doors.wide_open({HOST: venue.base}))
        async with session.get(f"https://{HOST}/x") as answer:
            assert answer.status == 200
        await session.close()
    assert proxy.connections == 0


async def test_a_proxys_refusal_proves_that_nothing_reached_the_venue() -> None:
    async with forward_proxy({}) as proxy:
        session = RoutingSession(Doors.wide_open({HOST: f"https://{HOST}"}, proxy.url))
        with pytest.raises(aiohttp.ClientHttpProxyError) as caught:
            async with session.post(f"https://{HOST}/fapi/v1/order"):
                pass
        await session.close()
    told = RuntimeError("what ccxt makes of it")
    told.__cause__ = caught.value
    assert classify(VenueId("binanceusdm"), told, sent=True) == Refused(NOT_SENT, "no connection could be opened")
