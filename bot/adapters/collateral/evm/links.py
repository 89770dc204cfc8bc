"""The two ways to an endpoint, as providers of web3: JSON-RPC over HTTP, and over one WebSocket.

The library's own providers are not used, for two reasons that were seen: over HTTP a question finds its connection under a lock that all
providers of the process share and that is taken in a thread, so that one cancelled in that moment leaves it taken, and no endpoint is ever
heard again; over WebSocket an error that answers one question is raised for others too, again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, ClientWSTimeout, TCPConnector, WSMsgType
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

_CONNECTIONS_MAX = 8
_FRAME_MAX = 64 * 1024 * 1024
_CLOSE_S = 0.5


class HttpLink(AsyncJSONBaseProvider):
    """Each question is a request of its own."""

    def __init__(self, url: str, answer_s: float, proxy: str | None = None) -> None:
        """`answer_s`: the longest time for an answer; `proxy`: the forward proxy on the way."""
        super().__init__()
        self._url = url
        self._session = ClientSession(connector=TCPConnector(limit=_CONNECTIONS_MAX), timeout=ClientTimeout(total=answer_s), proxy=proxy)

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """What the endpoint answers. Raises what aiohttp raises, and ValueError for what is not JSON."""
        question = self.encode_rpc_request(method, params)
        async with self._session.post(self._url, data=question, headers={"Content-Type": "application/json"}) as response:
            response.raise_for_status()
            return self.decode_rpc_response(await response.read())

    async def disconnect(self) -> None:
        """Ends every connection."""
        await self._session.close()


class SocketLink(AsyncJSONBaseProvider):
    """One connection for all questions, and for what the endpoint says unasked. Once it has ended it is of no use."""

    def __init__(self, url: str, on_word: Callable[[], None], proxy: str | None = None) -> None:
        """`on_word` is called when the endpoint says something that was subscribed to; `proxy`: the forward proxy on the way."""
        super().__init__()
        self._url, self._on_word = url, on_word
        self._session = ClientSession(proxy=proxy)
        self._socket: ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[Any, asyncio.Future[RPCResponse]] = {}
        self.ended = asyncio.Event()

    async def open(self, answer_s: float) -> None:
        """Raises what aiohttp raises. `answer_s`: how often an endpoint that says nothing is asked whether it is there."""
        self._socket = await self._session.ws_connect(
            self._url, heartbeat=answer_s, max_msg_size=_FRAME_MAX, timeout=ClientWSTimeout(ws_close=_CLOSE_S)
        )
        self._reading = asyncio.create_task(self._read(self._socket))

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """What the endpoint answers. Raises ConnectionError when the connection ends first."""
        if self._socket is None or self.ended.is_set():
            raise ConnectionError("the connection has ended")
        question = self.form_request(method, params)
        answer: asyncio.Future[RPCResponse] = asyncio.get_running_loop().create_future()
        self._waiting[question["id"]] = answer
        try:
            await self._socket.send_str(self.encode_rpc_dict(question).decode())
            return await answer
        finally:
            self._waiting.pop(question["id"], None)

    async def disconnect(self) -> None:
        """Ends the connection. Safe to call twice."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        await self._session.close()

    async def _read(self, socket: ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    self._heard(message.data)
        finally:
            self.ended.set()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the connection has ended"))

    def _heard(self, words: Any) -> None:
        """An answer goes to whoever asked; what nobody asked for, or is no JSON-RPC, to nobody."""
        with suppress(ValueError, TypeError, AttributeError):
            said: Any = self.decode_rpc_response(words if isinstance(words, bytes) else words.encode())
            answer = self._waiting.get(said["id"]) if "id" in said else None
            if answer is not None and not answer.done():
                answer.set_result(said)
            elif said.get("method") == "eth_subscription":
                self._on_word()
