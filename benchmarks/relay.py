"""A relay between the bot and a simulated venue, which tells market data many times as often as the venue does.

Each tick of the simulator is a whole step of its markets, so that by itself it tells a book some 40 times a second and no more. Here the
newest touch and mark that it told are told again by a timer, evenly: with a new update id, the time at which they leave, and another
quantity. Everything else (requests, account streams, what the bot says) passes both ways as it is.

What counts is what a connection has taken: each frame is waited for until the connection's buffers had room, which are kept small. A bot
that reads too slowly so lowers `told`, and what became late meanwhile is let go, not made up for in a burst.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import aiohttp
import orjson
from aiohttp import WSMsgType, web
from yarl import URL

USUAL_PER_S: Mapping[str, float] = {"bookTicker": 10.0, "markPriceUpdate": 1.0}
"""How often a second each instrument is told of at Binance USD-M in an ordinary hour, by the message's kind."""
ARREARS_S = 0.25
"""What is later than this is not told any more."""
SILENT_S = 5.0
"""What the venue itself has not told for so long is not told by the relay either."""
LEAST_WAIT_S = 0.001
IDLE_S = 0.05
SEND_BUFFER = 65_536
_LOT = Decimal("0.001")
_OTHER_QUANTITIES = 10
_ONE_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "te", "trailer"})


class _Told:
    """One kind of message about one instrument on one connection: what the venue said last, and when it is due again."""

    def __init__(self, row: dict[str, Any], period_s: float, now: float) -> None:
        self.period_s, self.due = period_s, now
        self.heard(row, now)

    def heard(self, row: dict[str, Any], now: float) -> None:
        """The venue said something newer."""
        self.row, self.heard_at = row, now
        self.quantities = {side: Decimal(row[side]) for side in ("B", "A") if side in row}


class Relay:
    """Serves one loopback port before the venues at `venues` (a base URL). `told`: how many frames its timers have told, by kind."""

    def __init__(self, venues: str, rate: int) -> None:
        """`rate`: times the usual message rate."""
        self.told: Counter[str] = Counter()
        self._venues = URL(venues)
        self._rate = rate
        self._ids: dict[str, int] = {}
        self._runner: web.ServerRunner | None = None
        self._client: aiohttp.ClientSession | None = None

    @property
    def port(self) -> int:
        """The port that is served."""
        assert self._runner is not None
        port: int = self._runner.addresses[0][1]
        return port

    async def start(self, port: int = 0) -> None:
        """Binds the port on loopback (a free one for 0)."""
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()

    async def stop(self) -> None:
        """Cuts every connection and lets the port go."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = URL(f"{self._venues.scheme}://{self._venues.authority}{request.raw_path}", encoded=True)
        headers = _passed(request.headers.items())
        assert self._client is not None
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._socket(request, asked, headers)
            async with self._client.request(
                request.method, asked, headers=headers, data=await request.read() or None, allow_redirects=False
            ) as answer:
                return web.Response(status=answer.status, body=await answer.read(), headers=_passed(answer.headers.items()))
        except aiohttp.WSServerHandshakeError as refused:
            return web.Response(status=refused.status)
        except aiohttp.ClientError:
            return web.Response(status=502)

    async def _socket(self, request: web.BaseRequest, asked: URL, headers: list[tuple[str, str]]) -> web.StreamResponse:
        assert self._client is not None
        kept = [(name, value) for name, value in headers if not name.lower().startswith("sec-websocket-")]
        async with self._client.ws_connect(asked, headers=kept, autoping=False, max_msg_size=0) as venue:
            bot = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=0)
            await bot.prepare(request)
            if request.transport is not None:
                request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            feeds: dict[tuple[str, str], _Told] = {}
            works = [asyncio.ensure_future(work) for work in (self._up(bot, venue), self._down(venue, bot, feeds), self._tell(bot, feeds))]
            try:
                await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for work in works:
                    work.cancel()
                await asyncio.gather(*works, return_exceptions=True)
            return bot

    async def _up(self, bot: web.WebSocketResponse, venue: aiohttp.ClientWebSocketResponse) -> None:
        async for message in bot:
            await _pass(message, venue)

    async def _down(self, venue: aiohttp.ClientWebSocketResponse, bot: web.WebSocketResponse, feeds: dict[tuple[str, str], _Told]) -> None:
        async for message in venue:
            row = _market_row(message)
            if row is None:
                await _pass(message, bot)
                continue
            now, key = time.monotonic(), (row["e"], row["s"])
            if key in feeds:
                feeds[key].heard(row, now)
            else:
                feeds[key] = _Told(row, 1 / (USUAL_PER_S[row["e"]] * self._rate), now)

    async def _tell(self, bot: web.WebSocketResponse, feeds: dict[tuple[str, str], _Told]) -> None:
        """The timer of one connection."""
        while True:
            now = time.monotonic()
            for (kind, _), each in list(feeds.items()):
                while each.due <= now and now - each.heard_at <= SILENT_S:
                    await bot.send_frame(self._next(each), WSMsgType.TEXT)
                    self.told[kind] += 1
                    each.due += each.period_s
            now = time.monotonic()
            for each in feeds.values():
                each.due = max(each.due, now - ARREARS_S)
            nearest = min((each.due for each in feeds.values()), default=now + IDLE_S)
            await asyncio.sleep(max(LEAST_WAIT_S, nearest - now))

    def _next(self, told: _Told) -> bytes:
        """The newest row once more, as the venue would tell it now. Ids rise over all connections, and never lie behind the venue's."""
        row, now = dict(told.row), time.time_ns() // 1_000_000
        row["E"] = now
        if "u" in row:
            number = self._ids[row["s"]] = max(self._ids.get(row["s"], 0) + 1, row["u"])
            row["u"], row["T"] = number, now
            for side, quantity in told.quantities.items():
                row[side] = str(quantity + _LOT * (number % _OTHER_QUANTITIES))
        return orjson.dumps(row)


def _market_row(message: aiohttp.WSMessage) -> dict[str, Any] | None:
    """What a frame of market data says, None for any other frame."""
    if message.type is not WSMsgType.TEXT or not any(kind in message.data for kind in USUAL_PER_S):
        return None
    try:
        row = orjson.loads(message.data)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) and row.get("e") in USUAL_PER_S and "s" in row else None


async def _pass(message: aiohttp.WSMessage, to: web.WebSocketResponse | aiohttp.ClientWebSocketResponse) -> None:
    match message.type:
        case WSMsgType.TEXT:
            await to.send_str(message.data)
        case WSMsgType.BINARY:
            await to.send_bytes(message.data)
        case WSMsgType.PING:
            await to.ping(message.data)
        case WSMsgType.PONG:
            await to.pong(message.data)


def _passed(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that are not about one connection alone."""
    return [(name, value) for name, value in headers if name.lower() not in _ONE_HOP]
