"""Only listed hosts are reached, at the listed place, once."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bot.adapters.venue.doors import AllowList, Asked, Doors, EgressRefused, Opening
from bot.adapters.venue.routing import RoutingSession, counting_attempts
from bot.adapters.venue.throttle import StayAway
from tests.adapters.venue.loopback import Seen, json_reply, loopback

HOST = "fapi.binance.com"


def opened(base: str, *openings: Opening) -> Doors:
    """These openings, all of them leading to one place."""
    return Doors(AllowList(openings), {opening.host: base for opening in openings})


async def test_authority_is_rewritten_and_nothing_else():
    async with loopback(lambda _: json_reply("{}")) as venue:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}))
        async with session.post(f"https://{HOST}/fapi/v1/order?a=1%2C2&b=x", data=b"q=1", headers={"X-MBX-APIKEY": "k"}) as answer:
            assert await answer.text() == "{}"
        await session.close()
    (request,) = venue.seen
    assert (request.method, request.target, request.body) == ("POST", "/fapi/v1/order?a=1%2C2&b=x", b"q=1")
    assert request.headers["host"] == HOST
    assert request.headers["x-mbx-apikey"] == "k"


@pytest.mark.parametrize("verb", ["get", "post", "put", "delete", "patch"])
async def test_unlisted_host_is_refused_before_anything_leaves(verb):
    async with loopback(lambda _: json_reply("{}")) as venue:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}))
        with pytest.raises(EgressRefused, match="not listed"):
            getattr(session, verb)("https://api.binance.com/sapi/v1/x")
        with pytest.raises(EgressRefused, match="not listed"):
            session.ws_connect("wss://stream.binance.com/ws")
        with pytest.raises(EgressRefused, match="not listed"):
            session.get(f"{venue.base}/straight-to-the-place")
        await session.close()
    assert venue.connections == 0


@pytest.mark.parametrize("verb", ["get", "post", "put", "delete"])
async def test_one_call_is_one_wire_attempt_also_on_a_reused_connection(verb):
    """Pitfall 1: aiohttp re-sends GET, PUT and DELETE once when a reused keep-alive connection drops."""

    def answer(request: Seen) -> bytes | None:
        return json_reply("{}") if request.target == "/warm" else None

    async with loopback(answer) as venue:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}))
        assert session.one_wire_attempt
        async with session.get(f"https://{HOST}/warm") as warm:
            await warm.read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            async with getattr(session, verb)(f"https://{HOST}/order"):
                pass
        await session.close()
    orders = [request for request in venue.seen if request.target == "/order"]
    assert len(orders) == 1
    assert orders[0].connection == 1, "the drop must have hit the reused connection, else this test shows nothing"


async def test_stock_aiohttp_would_send_twice():
    """Keeps the test above honest: without the switch the same server sees the order twice."""
    async with loopback(lambda request: json_reply("{}") if request.target == "/warm" else None) as venue:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{venue.base}/warm") as warm:
                await warm.read()
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await session.get(f"{venue.base}/order")
    assert sum(request.target == "/order" for request in venue.seen) == 2


async def test_required_header_guards_a_host_shared_with_production():
    door_headers = {"x-simulated-trading": "1"}
    async with loopback(lambda _: json_reply("{}")) as venue:
        session = RoutingSession(opened(venue.base, Opening(host="www.okx.com", paths=("/api/",), private=True, headers=door_headers)))
        for wrong in ({}, {"x-simulated-trading": "0"}, None):
            with pytest.raises(EgressRefused, match="x-simulated-trading"):
                session.post("https://www.okx.com/api/v5/trade/batch-orders", headers=wrong)
        async with session.post("https://www.okx.com/api/v5/trade/batch-orders", headers={"X-Simulated-Trading": "1"}) as answer:
            await answer.read()
        await session.close()
    assert len(venue.seen) == 1


async def test_paths_outside_of_a_shared_hosts_opening_are_refused():
    async with loopback(lambda _: json_reply("{}")) as venue:
        session = RoutingSession(opened(venue.base, Opening(host="stream.bybit.com", paths=("/v5/public/",))))
        with pytest.raises(EgressRefused, match="outside"):
            session.get("https://stream.bybit.com/v5/private")
        await session.close()
    assert venue.connections == 0


async def test_redirects_are_not_followed():
    async with (
        loopback(lambda _: json_reply("{}")) as elsewhere,
        loopback(lambda _: json_reply("", 302, Location=f"{elsewhere.base}/away")) as venue,
    ):
        session = RoutingSession(Doors.wide_open({HOST: venue.base}))
        async with session.get(f"https://{HOST}/x") as answer:
            assert answer.status == 302
        # aiohttp itself follows a redirect while it opens a WebSocket; the last look refuses it.
        with pytest.raises(EgressRefused):
            async with session.ws_connect(f"wss://{HOST}/ws"):
                pass
        await session.close()
    assert elsewhere.connections == 0


async def test_a_socket_is_not_sent_on_to_another_path_of_its_own_host():
    async with loopback(lambda request: json_reply("", 302, Location="/elsewhere")) as venue:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}))
        with pytest.raises(EgressRefused, match="another path"):
            async with session.ws_connect(f"wss://{HOST}/ws"):
                pass
        await session.close()
    assert [request.target for request in venue.seen] == ["/ws"]


@pytest.mark.parametrize("verb", ["get", "post", "put", "delete", "patch", "ws_connect"])
async def test_a_proxy_is_refused(verb):
    """It would be the proxy that decides where the request goes."""
    async with loopback(lambda _: json_reply("{}")) as proxy:
        session = RoutingSession(Doors.wide_open({HOST: proxy.base}))
        with pytest.raises(EgressRefused, match="proxy"):
            getattr(session, verb)(f"https://{HOST}/x", proxy=proxy.base)
        await session.close()
    assert proxy.connections == 0


async def test_a_body_that_cannot_be_looked_into_does_not_leave():
    async with loopback(lambda _: json_reply("{}")) as venue:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}))
        with pytest.raises(EgressRefused, match="looked into"):
            session.post(f"https://{HOST}/x", data=aiohttp.FormData({"a": "b"}))
        await session.close()
    assert venue.connections == 0


async def test_a_listed_host_needs_a_place():
    with pytest.raises(ValueError, match=r"no route for fapi\.binance\.com"):
        RoutingSession(Doors(AllowList((Opening(host=HOST, paths=("/",)),)), {}))


async def test_websocket_lives_where_its_host_lives():
    hosts = []

    async def echo(request: web.Request) -> web.WebSocketResponse:
        hosts.append((request.host, request.path_qs))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/ws/v5/public", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    session = RoutingSession(Doors.wide_open({"ws.okx.com": f"http://127.0.0.1:{port}"}))
    async with session.ws_connect("wss://ws.okx.com:8443/ws/v5/public?brokerId=9999") as socket:
        await socket.send_str("hello")
        assert (await socket.receive()).data == "hello"
    await session.close()
    await runner.cleanup()
    assert hosts == [("ws.okx.com:8443", "/ws/v5/public?brokerId=9999")]


async def test_a_host_that_lives_at_itself_keeps_its_port_and_its_tls():
    session = RoutingSession(Doors.wide_open({"wspap.okx.com": "https://wspap.okx.com"}))
    target, headers = session._route(Asked(url=URL("wss://wspap.okx.com:8443/ws/v5/public"), socket=True))
    assert str(target) == "https://wspap.okx.com:8443/ws/v5/public"
    assert headers["Host"] == "wspap.okx.com:8443"
    await session.close()
    assert session.closed


@pytest.mark.parametrize(
    "base", ["ftp://127.0.0.1", "127.0.0.1:80", "http://127.0.0.1/fapi", "http://u:p@127.0.0.1", "http://127.0.0.1?x=1"]
)
async def test_a_route_is_scheme_and_authority(base):
    with pytest.raises(ValueError, match="route"):
        RoutingSession(Doors.wide_open({HOST: base}))


async def test_response_headers_are_told():
    told = []
    async with loopback(lambda _: json_reply("{}", X_MBX_USED_WEIGHT_1M="17")) as venue:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}), headers_seen=lambda *seen: told.append(seen))
        async with session.get(f"https://{HOST}/x") as answer:
            await answer.read()
        await session.close()
    ((path, status, headers),) = told
    assert (path, status, headers["X-MBX-USED-WEIGHT-1M"]) == ("/x", 200, "17")


async def test_while_the_venue_wants_to_be_left_alone_neither_a_request_nor_a_socket_leaves():
    left = 30.0
    async with loopback(lambda _: json_reply("{}")) as venue:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}), stay_away=lambda: left)
        with counting_attempts() as attempts:
            with pytest.raises(StayAway, match="another 30"):
                await session.get(f"https://{HOST}/x")
            with pytest.raises(StayAway):
                await session.ws_connect(f"wss://{HOST}/ws")
        assert (attempts.count, venue.connections) == (0, 0)
        left = 0.0
        async with session.get(f"https://{HOST}/x") as answer:
            assert answer.status == 200
        await session.close()
