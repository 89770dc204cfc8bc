"""What the watcher asks an endpoint for: a few questions of JSON-RPC, each with an answer or a failure in words that hold no secret."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from bot.adapters.collateral.evm.chain import Header
from bot.adapters.collateral.evm.logs import RawLog
from bot.adapters.collateral.evm.ranges import Blocks
from bot.adapters.collateral.evm.terms import Address

T = TypeVar("T")


class NodeFailed(Exception):
    """The endpoint did not answer, or not with what was asked for: one sentence, without its URL."""


class NodeRefused(NodeFailed):
    """The endpoint answered that it will not do this."""


class Node(Protocol):
    """One endpoint. Every method but `close` and `watch` raises NodeFailed."""

    name: str
    """For people; no secret in it."""

    async def chain_id(self) -> int:
        """Which chain it is on."""

    async def header(self, number: int | None) -> Header:
        """The block with this number on the branch that the endpoint takes for the chain; None: the newest."""

    async def call(self, to: Address, data: bytes, block: int) -> bytes:
        """What the contract at `to` answers to `data`, with the state after `block`."""

    async def coin_balance(self, of: Address, block: int) -> int:
        """The chain's own coin at an address after `block`, smallest units."""

    async def logs(self, blocks: Blocks, addresses: Sequence[Address], topics: Sequence[str]) -> list[RawLog]:
        """The logs of these contracts whose first topic is one of `topics`. Raises NodeRefused, when it may be asked for less."""

    async def watch(self, news: asyncio.Event) -> None:
        """Sets `news` when there may be a new block, until cancelled. Never raises for what the endpoint does."""

    async def close(self) -> None:
        """Ends every connection. Safe to call twice; the next question makes a new one."""


async def all_of(questions: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Every answer, in order. Raises what the first of the failed ones raised, when all have ended: none is left half-asked."""
    told = await asyncio.gather(*questions, return_exceptions=True)
    answers: list[T] = []
    for each in told:
        if isinstance(each, BaseException):
            raise each
        answers.append(each)
    return answers
