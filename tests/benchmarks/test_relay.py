"""The relay of the soak: market data at many times its rate, evenly and with rising ids; all else as it came."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from yarl import URL

from benchmarks import relay
from benchmarks.relay import Relay

BOOK = {"e": "bookTicker", "u": 7, "E": 1, "T": 1, "s": "BTCUSDT", "b": "60000.1", "B": "1.5", "a": "60000.2", "A": "2"}
MARK = {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT", "p": "60000.15", "i": "60000.3", "r": "0.0001", "T": 9}
PATH = "/public/ws/a%2Fb?x=%20y&signature=0f"
HEADERS = {"Host": "fstream.binance.com"}


def frame(row: dict[str, Any]) -> str:
    return orjson.dumps(row).decode()


@dataclass
class Venue:
    """What a venue behind the relay saw, and what it says on each socket."""

    says: list[str] = field(default_factory=list)
    heard: list[aiohttp.WSMessage] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    socket: web.WebSocketResponse | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=418, body=b"\x00{}", headers={"X-Used-Weight": "7", "Content-Type": "application/json"})
        if "nobody" in request.path:
            return web.Response(status=404)
        self.socket = web.WebSocketResponse(autoping=False)
        await self.socket.prepare(request)
        for said in self.says:
            await self.socket.send_str(said)
        async for message in self.socket:
            self.heard.append(message)
            if message.type is aiohttp.WSMsgType.PING:
                await self.socket.pong(message.data)
        self.ended.set()
        return self.socket


@asynccontextmanager
async def relayed(venue: Venue, rate: int = 1) -> AsyncIterator[tuple[Relay, aiohttp.ClientSession, str]]:
    """A relay before the venue, a client and the relay's authority."""
    runner = web.ServerRunner(web.Server(venue.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    between = Relay(f"http://127.0.0.1:{runner.addresses[0][1]}", rate)
    await between.start()
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            yield between, client, f"127.0.0.1:{between.port}"
    finally:
        await between.stop()
        await runner.cleanup()


@asynccontextmanager
async def listening(venue: Venue, rate: int) -> AsyncIterator[tuple[Relay, aiohttp.ClientWebSocketResponse]]:
    async with relayed(venue, rate) as (between, client, at), client.ws_connect(f"ws://{at}/public/ws", headers=HEADERS) as hears:
        yield between, hears


async def heard_for(hears: aiohttp.ClientWebSocketResponse, seconds: float) -> list[tuple[float, str]]:
    """What is told meanwhile, each with the second at which it came."""
    found: list[tuple[float, str]] = []
    began = time.monotonic()
    while (left := began + seconds - time.monotonic()) > 0:
        try:
            said = await hears.receive_str(timeout=left)
        except TimeoutError:
            break
        found.append((time.monotonic() - began, said))
    return found


async def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become so"
        await asyncio.sleep(0.01)


def run(works: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await works()

    asyncio.run(whole())


def test_a_book_is_told_many_times_with_rising_ids_times_that_pass_and_other_quantities() -> None:
    async def works() -> None:
        async with listening(Venue(says=[frame(BOOK)]), rate=20) as (_, hears):
            began = time.time() * 1_000
            rows = [orjson.loads(said) for _, said in await heard_for(hears, 1.0)]
        assert len(rows) > 50
        ids = [row["u"] for row in rows]
        assert ids == sorted(set(ids)), "strictly rising"
        assert ids[0] >= BOOK["u"]  # type: ignore[operator]  # it is a number
        times = [row["E"] for row in rows]
        assert times == sorted(times)
        assert began - 100 < times[0] <= times[-1] <= time.time() * 1_000
        assert all(row["T"] == row["E"] for row in rows)
        assert {(row["b"], row["a"]) for row in rows} == {("60000.1", "60000.2")}, "prices are the venue's"
        assert all(one["B"] != other["B"] for one, other in pairwise(rows))
        assert all(abs(Decimal(row["B"]) / Decimal("1.5") - 1) < Decimal("0.02") for row in rows)
        assert all(row.keys() == BOOK.keys() for row in rows)

    run(works)


def test_ids_rise_also_where_the_venue_s_own_come_in_between() -> None:
    async def works() -> None:
        venue = Venue(says=[frame(BOOK)])
        async with listening(venue, rate=20) as (_, hears):
            before = await heard_for(hears, 0.3)
            assert venue.socket is not None
            await venue.socket.send_str(frame(BOOK | {"u": 8, "b": "60000.0"}))
            between = await heard_for(hears, 0.3)
            await venue.socket.send_str(frame(BOOK | {"u": 100_000}))
            after = await heard_for(hears, 0.3)
        rows = [orjson.loads(said) for _, said in before + between + after]
        ids = [row["u"] for row in rows]
        assert ids == sorted(set(ids))
        assert ids[-1] >= 100_000
        assert orjson.loads(between[-1][1])["b"] == "60000.0", "the newest touch is told"

    run(works)


def test_the_asked_rate_is_reached_evenly_and_never_passed() -> None:
    async def works() -> None:
        both = [frame(BOOK), frame(BOOK | {"s": "ETHUSDT", "u": 3}), frame(MARK)]
        async with listening(Venue(says=both), rate=20) as (between, hears):
            heard = await heard_for(hears, 2.0)
            told = dict(between.told)
        rows = [(at, orjson.loads(said)) for at, said in heard]
        for symbol in ("BTCUSDT", "ETHUSDT"):
            came = [at for at, row in rows if row["e"] == "bookTicker" and row["s"] == symbol]
            assert 0.75 * 400 <= len(came) <= 400 + 200 * relay.ARREARS_S
            fifths = [sum(fifth * 0.4 <= at < (fifth + 1) * 0.4 for at in came) for fifth in range(5)]
            assert min(fifths) >= 30, f"a burst, not a stream: {fifths}"
        marks = [row for _, row in rows if row["e"] == "markPriceUpdate"]
        assert 30 <= len(marks) <= 41 + 20 * relay.ARREARS_S
        assert all({**row, "E": 1} == MARK for row in marks)
        assert told["markPriceUpdate"] >= len(marks)
        assert told["bookTicker"] >= len(rows) - len(marks)

    run(works)


def test_other_frames_pass_once_and_as_they_came() -> None:
    others = [
        '{"result": null,"id":1}',
        '{"e":"ORDER_TRADE_UPDATE","o":{"s":"BTCUSDT"}}',
        '{"e":"bookTicker" broken',
        "[1]",
        '{"e":"aggTrade"}',
    ]

    async def works() -> None:
        venue = Venue(says=others)
        async with listening(venue, rate=100) as (between, hears):
            assert [said for _, said in await heard_for(hears, 0.3)] == others
            await hears.send_str('{"method" : "SUBSCRIBE"}')
            await hears.send_bytes(b"\x00\x01")
            await hears.ping(b"now")
            await until(lambda: len(venue.heard) == 3)
            assert [message.data for message in venue.heard] == ['{"method" : "SUBSCRIBE"}', b"\x00\x01", b"now"]
            assert not between.told

    run(works)


def test_a_ping_is_answered_by_the_venue_and_nobody_else() -> None:
    async def works() -> None:
        venue = Venue()
        async with relayed(venue) as (_, client, at), client.ws_connect(f"ws://{at}/private/ws", headers=HEADERS, autoping=False) as hears:
            await hears.ping(b"one")
            answer = await hears.receive(timeout=5)
            assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"one")
            assert venue.socket is not None
            await venue.socket.ping(b"two")
            asked = await hears.receive(timeout=5)
            assert (asked.type, asked.data) == (aiohttp.WSMsgType.PING, b"two")

    run(works)


def test_requests_and_answers_pass_as_they_are() -> None:
    async def works() -> None:
        venue = Venue()
        async with relayed(venue) as (_, client, at):
            url = URL(f"http://{at}{PATH}", encoded=True)
            async with client.post(url, data=b"a=1&signature=%41", headers=HEADERS | {"X-MBX-APIKEY": "key"}) as answer:
                assert (answer.status, await answer.read()) == (418, b"\x00{}")
                assert answer.headers["X-Used-Weight"] == "7"
                assert answer.headers["Content-Type"] == "application/json"
            async with client.delete(url, headers=HEADERS) as answer:
                assert answer.status == 418
        (method, path, headers, body), (other, *_) = venue.requests
        assert (method, path, body) == ("POST", PATH, b"a=1&signature=%41")
        assert headers["Host"] == "fstream.binance.com"
        assert headers["X-MBX-APIKEY"] == "key"
        assert other == "DELETE"

    run(works)


def test_a_socket_that_the_venue_refuses_is_refused() -> None:
    async def works() -> None:
        async with relayed(Venue()) as (_, client, at):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect(f"ws://{at}/nobody/ws", headers=HEADERS)
            assert refused.value.status == 404

    run(works)


def test_either_end_ends_the_other() -> None:
    async def works() -> None:
        venue = Venue(says=[frame(BOOK)])
        async with listening(venue, rate=5) as (_, hears):
            await hears.receive_str(timeout=5)
            assert venue.socket is not None
            await venue.socket.close()
            async with asyncio.timeout(5):
                while (await hears.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
        gone = Venue(says=[frame(BOOK)])
        async with listening(gone, rate=5) as (between, hears):
            await hears.receive_str(timeout=5)
            await hears.close()
            await asyncio.wait_for(gone.ended.wait(), 5)
            told = between.told["bookTicker"]
            await asyncio.sleep(0.2)
            assert between.told["bookTicker"] == told

    run(works)


def test_what_the_venue_no_longer_tells_is_not_told_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "SILENT_S", 0.3)

    async def works() -> None:
        async with listening(Venue(says=[frame(BOOK)]), rate=5) as (_, hears):
            heard = await heard_for(hears, 1.0)
        assert heard
        assert heard[-1][0] < 0.7

    run(works)


def test_a_bot_that_does_not_read_is_waited_for_and_shows_in_the_count() -> None:
    """Nothing is counted that the connection has not taken, and what is late is let go, not made up for at once."""

    async def works() -> None:
        loop = asyncio.get_running_loop()
        async with relayed(Venue(says=[frame(BOOK)]), rate=1_000) as (between, _, _at):
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            slow.setblocking(False)
            await loop.sock_connect(slow, ("127.0.0.1", between.port))
            asked = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            await loop.sock_sendall(slow, f"{asked}Sec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode())
            await until(lambda: between.told["bookTicker"] > 0)
            await asyncio.sleep(1.0)
            stuck = between.told["bookTicker"]
            await asyncio.sleep(0.5)
            assert between.told["bookTicker"] == stuck < 5_000
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            began = loop.time()
            while (reads_for := loop.time() - began) < 0.5:
                await loop.sock_recv(slow, 65_536)
            assert stuck < between.told["bookTicker"] <= stuck + 10_000 * (reads_for + relay.ARREARS_S) + 100
            slow.close()

    run(works)
