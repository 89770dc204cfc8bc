"""Mints and redemptions of the watched contracts, followed from the first block that has one until it is certain or gone.

Each round reads the logs of the blocks above the last confirmed one from both endpoints and compares them with what was known. After a
gap the confirmed part is read in pieces first (`RangePlan`). A last confirmed block that is not on the chain any more is a reorg deeper
than the confirmations: we go back to the newest checkpoint that still is, and what was confirmed since must be seen again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from bot.adapters.collateral.evm.chain import Change, Checkpoints, Header, LogBook, Standing, agreed
from bot.adapters.collateral.evm.logs import LogMalformed, MintKind, MintLog, decoded, topics_of
from bot.adapters.collateral.evm.node import Node, NodeFailed, NodeRefused, all_of
from bot.adapters.collateral.evm.ranges import Blocks, RangePlan
from bot.adapters.collateral.evm.terms import Address, ChainTerms
from bot.core.units import Asset

REMEMBERED_BLOCKS = 1024
"""How far back a reorg below the confirmations is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A mint or redemption, as certain as it is now. Told again whenever that changes; the same `id` is the same one."""

    id: str
    """Chain, transaction and place in it: the same after a reorg that moves the transaction, and after a restart."""
    source: str
    kind: MintKind
    standing: Standing
    asset: Asset | None
    """None: a token that is not configured."""
    token: Address
    quantity: Decimal | None
    """Collateral in whole tokens, unsigned; None: its decimals are not known."""
    location: str
    """Where the contract's collateral is kept, as configured."""
    benefactor: Address
    block: int


class Announcer(Protocol):
    """Who is told of announcements. Both calls return at once and never raise."""

    def announced(self, announcement: Announcement) -> None:
        """One is new, or stands otherwise than before."""

    def unheard(self, source: str, reason: str) -> None:
        """They cannot be read now, or what had been confirmed was replaced: one sentence. Totals are not concerned."""


class Announcements:
    """The announcements of one chain. `tell` is called with each change, in order."""

    def __init__(self, terms: ChainTerms, tell: Callable[[Change], None]) -> None:
        self._terms, self._tell = terms, tell
        self._book, self._checkpoints = LogBook(), Checkpoints(REMEMBERED_BLOCKS)
        self._plan = RangePlan(terms.range_blocks_max)
        self._layouts = {address: mint.layout for address, mint in terms.mints.items()}
        self._topics = topics_of(set(self._layouts.values()))

    async def follow(self, nodes: Sequence[Node], confirmed: Header, head: int) -> bool:
        """Reads up to `head` and tells what changed; whether a confirmed block had been replaced. Raises NodeFailed, EndpointsDisagree.

        What was read before a failure is kept, and the next round goes on from there.
        """
        was_deep = await self._go_back(nodes)
        await self._catch_up(nodes, confirmed.number)
        logs: list[MintLog] = []
        start = self._first(confirmed.number)
        while (wanted := self._plan.next(start, head)) is not None:
            some, piece = await self._read(nodes, wanted, confirmed.number)
            logs += some
            start = piece.last + 1
        if not await self._stands(nodes, confirmed):
            raise NodeFailed(f"block {confirmed.number} was replaced while the logs up to {head} were read")
        self._told(self._book.settle(logs, confirmed.number))
        self._checkpoints.add(confirmed)
        self._book.prune(confirmed.number - REMEMBERED_BLOCKS)
        return was_deep

    async def _catch_up(self, nodes: Sequence[Node], confirmed: int) -> None:
        """Reads confirmed blocks until what is left fits into one piece."""
        while confirmed - (first := self._first(confirmed)) >= self._plan.size:
            wanted = self._plan.next(first, confirmed)
            if wanted is None:
                return
            logs, piece = await self._read(nodes, wanted, confirmed)
            end, _ = await all_of(node.header(piece.last) for node in nodes)
            self._told(self._book.confirm(logs))
            self._checkpoints.add(end)

    def _first(self, confirmed: int) -> int:
        newest = self._checkpoints.newest
        return max(0, confirmed + 1 - self._terms.backfill_blocks) if newest is None else newest.number + 1

    def _told(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._tell(change)

    async def _go_back(self, nodes: Sequence[Node]) -> bool:
        """To the newest checkpoint that is still on the chain; whether that was not the newest of all."""
        newest, oldest = self._checkpoints.newest, self._checkpoints.oldest_number
        was_deep = False
        while newest is not None and not await self._stands(nodes, newest):
            was_deep = True
            newest = self._checkpoints.back()
        if was_deep:
            self._book.doubt_above((oldest or 0) - 1 if newest is None else newest.number)
        return was_deep

    @staticmethod
    async def _stands(nodes: Sequence[Node], header: Header) -> bool:
        return all(now.hash == header.hash for now in await all_of(node.header(header.number) for node in nodes))

    async def _read(self, nodes: Sequence[Node], piece: Blocks, confirmed: int) -> tuple[list[MintLog], Blocks]:
        """The logs that the endpoints agree on, of as much of `piece` as both accept."""
        while True:
            try:
                first, second = await all_of(self._of(node, piece) for node in nodes)
            except NodeFailed as failed:
                is_smaller = self._plan.refused(piece)
                if not is_smaller or not isinstance(failed, NodeRefused):
                    raise
                piece = Blocks(piece.first, piece.first + self._plan.size - 1)
            else:
                self._plan.accepted(piece)
                return agreed(first, second, confirmed), piece

    async def _of(self, node: Node, piece: Blocks) -> list[MintLog]:
        try:
            return decoded(await node.logs(piece, sorted(self._layouts), self._topics), self._layouts)
        except LogMalformed as error:
            raise NodeFailed(f"the {node.name} told a log that makes no sense: {error}") from None
