"""An endpoint over HTTP or WebSocket, through web3.

Rules: one attempt for each question, with a deadline; nothing is tried again, for a late answer is of no use to a watcher that asks again
at the next block. The library's middleware is left out: it refuses headers of some chains and turns amounts into other types; what an
answer must look like is checked here. Failures are told in words of ours: the library's hold the URL, and with it a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientHttpProxyError, ClientResponseError
from eth_utils.address import to_checksum_address
from web3 import AsyncWeb3
from web3.exceptions import BadResponseFormat, Web3RPCError
from web3.types import RPCEndpoint

from bot.adapters.collateral.evm.chain import Header
from bot.adapters.collateral.evm.links import HttpLink, SocketLink
from bot.adapters.collateral.evm.logs import RawLog
from bot.adapters.collateral.evm.node import NodeFailed, NodeRefused
from bot.adapters.collateral.evm.ranges import Blocks
from bot.adapters.collateral.evm.terms import Address
from bot.ports import Clock

ANSWER_S = 10.0
"""Longest time for an answer, the making of a connection included."""
_AGAIN_S = 1.0
_HOUR_S = 3_600.0
_TOO_MUCH = frozenset({400, 413})
"""HTTP statuses with which gateways refuse a question that is too large."""
_WORDS_MAX = 160


class Web3Node:
    """One endpoint by its URL, which is never repeated."""

    def __init__(self, name: str, url: str, clock: Clock, proxy: str | None = None) -> None:
        """`name` is said in every failure, with the host of `url`: an http, https, ws or wss address. `proxy` is on the way to it."""
        self.name = f"{name} ({urlsplit(url).hostname})"
        self._url, self._clock, self._proxy = url, clock, proxy
        self._streams = url.startswith("ws")
        self._link: AsyncWeb3[Any] | None = None
        self._news: asyncio.Event | None = None
        self._making = asyncio.Lock()

    async def chain_id(self) -> int:
        """Which chain it is on. Raises NodeFailed."""
        return self._number(await self._ask("eth_chainId"))

    async def header(self, number: int | None) -> Header:
        """The block with this number, None: the newest. Raises NodeFailed."""
        told = await self._ask("eth_getBlockByNumber", "latest" if number is None else hex(number), False)
        if told is None:
            raise NodeFailed(f"the {self.name} does not know block {number}")
        try:
            header = Header(self._number(told["number"]), self._hash(told["hash"]), self._number(told["timestamp"]))
        except (KeyError, TypeError):
            raise NodeFailed(f"the {self.name} answered with a block that cannot be read") from None
        if number is not None and header.number != number:
            raise NodeFailed(f"the {self.name} answered with block {header.number} when asked for {number}")
        return header

    async def call(self, to: Address, data: bytes, block: int) -> bytes:
        """What the contract at `to` answers to `data`, with the state after `block`. Raises NodeFailed."""
        return self._bytes(await self._ask("eth_call", {"to": to, "data": "0x" + data.hex()}, hex(block)))

    async def coin_balance(self, of: Address, block: int) -> int:
        """The chain's own coin at an address after `block`, smallest units. Raises NodeFailed."""
        return self._number(await self._ask("eth_getBalance", of, hex(block)))

    async def logs(self, blocks: Blocks, addresses: Sequence[Address], topics: Sequence[str]) -> list[RawLog]:
        """The logs of these contracts whose first topic is one of `topics`. Raises NodeFailed, NodeRefused."""
        wanted = {"fromBlock": hex(blocks.first), "toBlock": hex(blocks.last), "address": list(addresses), "topics": [list(topics)]}
        told = await self._ask("eth_getLogs", wanted)
        if not isinstance(told, list):
            raise NodeFailed(f"the {self.name} answered with something that is no list of logs")
        return [self._log(each, blocks) for each in told]

    async def watch(self, news: asyncio.Event) -> None:
        """Sets `news` at each new block; over HTTP nobody tells, and it only waits."""
        while not self._streams:
            await self._clock.sleep(_HOUR_S)
        self._news = news
        while True:
            with suppress(NodeFailed):  # why it fails is told by the questions that the same endpoint is asked
                await self._ask("eth_subscribe", "newHeads")
                if self._link is not None and isinstance(self._link.provider, SocketLink):
                    await self._link.provider.ended.wait()
            await self._clock.sleep(_AGAIN_S)

    def _news_came(self) -> None:
        if self._news is not None:
            self._news.set()

    async def close(self) -> None:
        """Ends every connection. Safe to call twice; the next question makes a new one."""
        if self._link is not None:
            await self._drop(self._link)

    async def _drop(self, link: AsyncWeb3[Any]) -> None:
        if self._link is link:
            self._link = None
        with suppress(Exception):  # it is gone, which is what was wanted
            await link.provider.disconnect()

    async def _ask(self, method: str, *words: Any) -> Any:
        link: AsyncWeb3[Any] | None = None
        try:
            async with asyncio.timeout(ANSWER_S):
                link = await self._connected()
                return await link.manager.coro_request(RPCEndpoint(method), list(words))
        except Web3RPCError as refusal:
            answer = refusal.rpc_response or {}
            raise NodeRefused(f"the {self.name} refuses {method}: {self._words(answer.get('error'))}") from None
        except BadResponseFormat:
            raise NodeFailed(f"the {self.name} answered {method} with something that is not JSON-RPC") from None
        except ClientHttpProxyError as error:  # one of the next kind, of which the endpoint knows nothing
            raise NodeFailed(f"the proxy opens no way to the {self.name} (HTTP status {error.status})") from None
        except ClientResponseError as error:
            kind = NodeRefused if error.status in _TOO_MUCH else NodeFailed
            raise kind(f"the {self.name} answered {method} with HTTP status {error.status}") from None
        except Exception as error:  # libraries let out what they meet, of many kinds; whatever it is, there is no answer
            if link is not None and self._streams:
                await self._drop(link)
            why = f"within {ANSWER_S:g} s" if isinstance(error, TimeoutError) else f"({type(error).__name__})"
            raise NodeFailed(f"the {self.name} did not answer {method} {why}") from None

    async def _connected(self) -> AsyncWeb3[Any]:
        async with self._making:
            if self._link is None:
                if self._streams:
                    socket = SocketLink(self._url, self._news_came, self._proxy)
                    try:
                        await socket.open(ANSWER_S)
                    except BaseException:
                        await socket.disconnect()
                        raise
                    self._link = AsyncWeb3(socket, middleware=[])
                else:
                    self._link = AsyncWeb3(HttpLink(self._url, ANSWER_S, self._proxy), middleware=[])
            return self._link

    def _words(self, error: Any) -> str:
        """What an endpoint says of its refusal, short, on one line, and without our URL."""
        message = error.get("message") if isinstance(error, dict) else error
        text = "".join(letter if letter.isprintable() else " " for letter in str(message))
        parts = urlsplit(self._url)
        for secret in (self._url, parts.path.strip("/"), parts.query, parts.password or ""):
            text = text.replace(secret, "...") if secret else text
        return text[:_WORDS_MAX]

    def _log(self, told: Any, blocks: Blocks) -> RawLog:
        try:
            log = RawLog(
                address=to_checksum_address(told["address"]),
                topics=tuple(self._bytes(topic) for topic in told["topics"]),
                data=self._bytes(told["data"]),
                block=self._number(told["blockNumber"]),
                block_hash=self._hash(told["blockHash"]),
                transaction=self._hash(told["transactionHash"]),
                index=self._number(told["logIndex"]),
            )
        except (KeyError, TypeError, ValueError):
            raise NodeFailed(f"the {self.name} told a log that cannot be read") from None
        if not blocks.first <= log.block <= blocks.last or told.get("removed"):
            raise NodeFailed(f"the {self.name} told a log of block {log.block} when asked for {blocks.first} to {blocks.last}")
        return log

    def _number(self, told: Any) -> int:
        return int.from_bytes(self._bytes(told, whole=False))

    def _hash(self, told: Any) -> str:
        if len(self._bytes(told)) != 32:
            raise NodeFailed(f"the {self.name} answered with a hash that is none")
        return str(told).lower()

    def _bytes(self, told: Any, *, whole: bool = True) -> bytes:
        """Hexadecimal with `0x`. `whole`: two digits for each byte, else a number without leading zeros."""
        try:
            if isinstance(told, str) and told.startswith("0x") and (whole or len(told) > 2):
                digits = told[2:]
                return bytes.fromhex(digits if whole or len(digits) % 2 == 0 else f"0{digits}")
        except ValueError:
            pass
        raise NodeFailed(f"the {self.name} answered with something that is not hexadecimal")
