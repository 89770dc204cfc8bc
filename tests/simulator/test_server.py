"""The server over real HTTP and WebSocket: dispatch, order, faults, silence, slow clients, control, starting and stopping."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import aiohttp
import ccxt.pro
import pytest

from bot.core.units import Millis
from bot.simulator.desk import LINE_MAX, Desk
from bot.simulator.dialects.binance import BinanceUsdm
from bot.simulator.dialects.dialect import Answer, Credential, HttpReply, HttpRequest, Operation, Socket, SocketAnswer
from bot.simulator.exchange import Exchange
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.model import Report
from bot.simulator.server import SimulatorServer
from tests.simulator.raw_calls import REST, ask, place
from tests.simulator.stand import KEY, client_of, desk_of, soon, tick_of

STREAMS = "fstream.binance.com"
VENUE = "binanceusdm"
BTC = "BTC/USDT:USDT"


@pytest.fixture
def desk() -> Desk:
    return desk_of(VENUE, BinanceUsdm)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        session._retry_connection = False
        yield session


async def test_hosts_are_told_apart_and_strangers_are_misdirected(http: aiohttp.ClientSession, server: SimulatorServer) -> None:
    assert (await ask(http, server, "/fapi/v1/time"))[0] == 200
    assert (await ask(http, server, "/fapi/v1/time", host=f"{REST}:443"))[0] == 200
    assert (await ask(http, server, "/fapi/v1/time", host="example.org"))[0] == 421
    assert (await ask(http, server, "/fapi/v1/teapot"))[0] == 404


async def test_two_venues_may_not_list_one_host(desk: Desk) -> None:
    with pytest.raises(ValueError, match="listed by two venues"):
        SimulatorServer([desk, desk_of("bybit", BinanceUsdm)])


async def test_it_listens_on_loopback_only_and_says_when_a_port_is_taken(server: SimulatorServer, desk: Desk) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}"
    second = SimulatorServer([desk])
    with pytest.raises(OSError, match="address already in use"):
        await second.start(server.port)
    await second.start()
    await second.stop()
    await second.start()
    assert second.port > 0
    await second.stop()
    await second.stop()


LOST = [
    (FaultKind.DROP_REPLY, aiohttp.ServerDisconnectedError),
    (FaultKind.TRUNCATE_BODY, aiohttp.ClientPayloadError),
]


@pytest.mark.parametrize(("kind", "error"), LOST)
async def test_a_lost_answer_is_an_accepted_order(
    http: aiohttp.ClientSession, server: SimulatorServer, desk: Desk, kind: FaultKind, error: type[Exception]
) -> None:
    server.plan.arm(Fault(venue=VENUE, kind=kind, operation=Operation.PLACE, label="lost"))
    assert (await place(http, server, price="59990.05"))[0] == 400
    assert len(server.plan.armed) == 1
    with pytest.raises(error):
        await place(http, server, newClientOrderId="lost1")
    order = desk.exchange.order(KEY.account, "BTCUSDT", client_order_id="lost1")
    assert order is not None
    assert order.filled == Decimal("0.05")
    (incident,) = server.plan.incidents
    assert (incident.label, incident.detail) == ("lost", "POST /fapi/v1/order")
    assert (await place(http, server))[0] == 200


async def test_answers_replaced_after_the_order_was_accepted(http: aiohttp.ClientSession, server: SimulatorServer, desk: Desk) -> None:
    for kind in (FaultKind.BAD_GATEWAY, FaultKind.EMPTY_BODY):
        server.plan.arm(Fault(venue=VENUE, kind=kind, operation=Operation.PLACE))
    status, text = await place(http, server)
    assert status == 502
    assert text.startswith("<html>")
    assert await place(http, server) == (200, "")
    assert len(desk.exchange.fills(KEY.account)) == 2


async def test_requests_stopped_at_the_door_do_nothing(http: aiohttp.ClientSession, server: SimulatorServer, desk: Desk) -> None:
    server.plan.arm(Fault(venue=VENUE, kind=FaultKind.REFUSE, operation=Operation.PLACE, status=503, body='{"code":-1008,"msg":"busy"}'))
    server.plan.arm(Fault(venue=VENUE, kind=FaultKind.DISCONNECT, operation=Operation.PLACE))
    assert await place(http, server) == (503, '{"code":-1008,"msg":"busy"}')
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await place(http, server)
    assert desk.exchange.fills(KEY.account) == ()
    assert desk.exchange.closed_orders(KEY.account) == ()


async def test_a_held_order_is_judged_when_it_arrives(http: aiohttp.ClientSession, server: SimulatorServer, desk: Desk) -> None:
    server.plan.arm(Fault(venue=VENUE, kind=FaultKind.HOLD_REQUEST, operation=Operation.PLACE, delay_ms=300))
    status, text = await place(http, server, recvWindow=200)
    assert (status, json.loads(text)["code"]) == (400, -1021)
    assert desk.exchange.closed_orders(KEY.account) == ()


async def test_a_delayed_answer_is_an_order_at_once(http: aiohttp.ClientSession, server: SimulatorServer, desk: Desk) -> None:
    server.plan.arm(Fault(venue=VENUE, kind=FaultKind.DELAY_REPLY, operation=Operation.PLACE, delay_ms=300))
    started = time.monotonic()
    waiting = asyncio.ensure_future(place(http, server))
    await asyncio.sleep(0.1)
    assert len(desk.exchange.fills(KEY.account)) == 1
    assert (await waiting)[0] == 200
    assert time.monotonic() - started >= 0.3


async def test_faults_look_to_ccxt_as_they_do_in_production(server: SimulatorServer) -> None:
    expected = [
        (FaultKind.DROP_REPLY, ccxt.pro.ExchangeNotAvailable),
        (FaultKind.BAD_GATEWAY, ccxt.pro.ExchangeNotAvailable),
        (FaultKind.TRUNCATE_BODY, ccxt.pro.ExchangeError),
    ]
    async with client_of(server, VENUE) as client:
        await client.load_markets()
        for kind, error in expected:
            server.plan.arm(Fault(venue=VENUE, kind=kind, operation=Operation.PLACE))
            with pytest.raises(error) as raised:
                await client.create_order(BTC, "limit", "sell", 0.05, 59_990, {"timeInForce": "IOC"})
            assert type(raised.value) is error
        server.plan.arm(Fault(venue=VENUE, kind=FaultKind.EMPTY_BODY, operation=Operation.PLACE))
        assert (await client.create_order(BTC, "limit", "sell", 0.05, 59_990, {"timeInForce": "IOC"}))["id"] is None


async def test_a_silent_venue_answers_nobody_and_deals_with_what_waited(
    http: aiohttp.ClientSession, server: SimulatorServer, desk: Desk
) -> None:
    async with http.ws_connect(server.url + "/public/ws/btcusdt@bookTicker", headers={"Host": STREAMS}, autoping=False) as socket:
        await asyncio.sleep(0.05)
        server.silence(VENUE, label="story")
        server.silence(VENUE)
        stale = asyncio.ensure_future(place(http, server, recvWindow=100))
        good = asyncio.ensure_future(place(http, server))
        desk.tick(tick_of(desk.exchange.contracts["BTCUSDT"], Decimal(60_001)))
        await socket.ping()
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(timeout=0.3)
        assert not stale.done()
        assert not good.done()
        assert desk.exchange.closed_orders(KEY.account) == ()
        server.restore(VENUE)
        assert json.loads((await soon(stale))[1])["code"] == -1021
        assert (await soon(good))[0] == 200
        heard = [await socket.receive(timeout=2) for _ in range(2)]
        assert {message.type for message in heard} == {aiohttp.WSMsgType.PONG, aiohttp.WSMsgType.TEXT}
    (incident,) = server.plan.incidents
    assert (incident.kind, incident.label, incident.detail) == ("silence", "story", "http+sockets")
    assert incident.ended_at is not None
    assert incident.ended_at - incident.began_at >= 300


async def test_sockets_alone_may_fall_silent(http: aiohttp.ClientSession, server: SimulatorServer) -> None:
    server.silence(VENUE, http=False)
    assert (await ask(http, server, "/fapi/v1/time"))[0] == 200
    server.restore(VENUE)


async def test_stopping_does_not_wait_for_what_a_silent_venue_holds(desk: Desk, http: aiohttp.ClientSession) -> None:
    server = SimulatorServer([desk])
    await server.start()
    socket = await http.ws_connect(server.url + "/public/ws", headers={"Host": STREAMS})
    server.silence(VENUE)
    held = asyncio.ensure_future(place(http, server))
    slow = asyncio.ensure_future(ask(http, server, "/fapi/v1/time"))
    await asyncio.sleep(0.1)
    started = time.monotonic()
    await server.stop()
    assert time.monotonic() - started < 2
    for waiting in (held, slow):
        with pytest.raises(aiohttp.ClientError):
            await soon(waiting)
    assert desk.exchange.closed_orders(KEY.account) == ()
    assert (await socket.receive(timeout=2)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)
    await socket.close()
    assert desk.sockets_open == 0
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("simulator")] == []


async def test_pings_are_answered_and_sockets_can_be_cut(http: aiohttp.ClientSession, server: SimulatorServer, desk: Desk) -> None:
    async with http.ws_connect(server.url + "/public/ws", headers={"Host": STREAMS}, autoping=False) as socket:
        await socket.ping(b"here")
        answer = await socket.receive(timeout=2)
        assert (answer.type, bytes(answer.data)) == (aiohttp.WSMsgType.PONG, b"here")
        assert desk.sockets_open == 1
        assert server.close_sockets(VENUE, label="cut") == 1
        assert (await socket.receive(timeout=2)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    for _ in range(200):
        if not desk.sockets_open:
            break
        await asyncio.sleep(0.01)
    assert desk.sockets_open == 0
    assert server.plan.incidents[0].detail == "1 sockets"


async def test_an_upgrade_that_the_venue_refuses_is_an_http_answer(http: aiohttp.ClientSession, server: SimulatorServer) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
        await http.ws_connect(server.url + "/private/ws?listenKey=none", headers={"Host": STREAMS})


class Talkative:
    """A dialect that answers every request with a flood of numbered messages, and fails where it is told to."""

    hosts: tuple[str, ...] = ("talkative.example",)

    def __init__(self, exchange: Exchange, credentials: Sequence[Credential]) -> None:
        del credentials
        self._exchange = exchange
        self.beats = 0

    def operation(self, request: HttpRequest) -> Operation:
        return Operation.UNKNOWN

    def handle(self, request: HttpRequest, now: Millis) -> Answer:
        if request.path == "/fail":
            raise RuntimeError("a secret detail")
        report = Report()
        return Answer(HttpReply(status=200, body=b"{}"), [report] * int(request.query_string))

    def open_socket(self, host: str, path: str, query_string: str, now: Millis) -> Socket:
        return Flood()

    def elapsed(self, now: Millis) -> Sequence[Report]:
        self.beats += 1
        if self.beats == 2:
            raise RuntimeError("a secret detail")
        return ()

    def heard(self, reports: Sequence[Report], now: Millis) -> None:
        if len(reports) == 7:
            raise RuntimeError("a secret detail")


class Flood:
    """A socket that numbers its messages; each is large, so that a client that does not read fills every buffer soon."""

    def __init__(self) -> None:
        self._said = 0

    def opened(self, now: Millis) -> Sequence[str]:
        return ["welcome"]

    def received(self, text: str, now: Millis) -> SocketAnswer:
        if text == "fail":
            raise RuntimeError("a secret detail")
        return SocketAnswer(messages=[f"echo {text}"], close=text == "bye")

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        first = self._said
        self._said += len(reports)
        return [f"{number}:" + "x" * 10_000 for number in range(first, self._said)]

    def beat(self, now: Millis) -> Sequence[str]:
        return ()


async def test_messages_keep_their_order_and_a_client_that_does_not_read_is_cut(http: aiohttp.ClientSession) -> None:
    desk = desk_of(VENUE, Talkative)
    server = SimulatorServer([desk])
    await server.start()
    try:
        headers = {"Host": "talkative.example"}
        async with http.ws_connect(server.url + "/", headers=headers) as reader:
            assert await reader.receive_str() == "welcome"
            for _ in range(20):
                await ask(http, server, "/?10", host="talkative.example")
            numbers = [int((await reader.receive_str(timeout=2)).partition(":")[0]) for _ in range(200)]
            assert numbers == list(range(200))
        sleeper = await asyncio.open_connection("127.0.0.1", server.port)
        sleeper[1].write(
            b"GET / HTTP/1.1\r\nHost: talkative.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await sleeper[0].readuntil(b"\r\n\r\n")
        async with asyncio.timeout(10):
            while desk.sockets_open:
                await ask(http, server, f"/?{LINE_MAX // 4}", host="talkative.example")
        sleeper[1].close()
    finally:
        await server.stop()


async def test_the_simulators_own_trouble_stays_off_the_wire_and_is_kept(http: aiohttp.ClientSession) -> None:
    desk = desk_of(VENUE, Talkative)
    server = SimulatorServer([desk])
    await server.start()
    status, text = await ask(http, server, "/fail?1", host="talkative.example")
    assert (status, text) == (500, "Internal Server Error")
    async with http.ws_connect(server.url + "/", headers={"Host": "talkative.example"}) as socket:
        await socket.receive_str()
        await socket.send_str("fail")
        assert (await socket.receive(timeout=2)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    await ask(http, server, "/?7", host="talkative.example")
    await asyncio.sleep(0.35)
    await server.stop()
    assert [failure.partition(": ")[0] for failure in server.failures] == [
        f"{VENUE}, GET /fail",
        f"{VENUE}, a socket's frame",
        f"{VENUE}, the dialect's own figures",
        f"{VENUE}, the dialect's own timers",
    ]
    assert isinstance(desk.dialect, Talkative)
    assert desk.dialect.beats > 2
    assert all("a secret detail" in failure for failure in server.failures)


async def test_a_dialect_may_end_a_conversation(http: aiohttp.ClientSession) -> None:
    server = SimulatorServer([desk_of(VENUE, Talkative)])
    await server.start()
    async with http.ws_connect(server.url + "/", headers={"Host": "talkative.example"}) as socket:
        await socket.receive_str()
        await socket.send_str("bye")
        assert await socket.receive_str(timeout=2) == "echo bye"
        assert (await socket.receive(timeout=2)).type is aiohttp.WSMsgType.CLOSE
    await server.stop()
