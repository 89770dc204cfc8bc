"""A stream of announcements that is only watched (`hedgebot run --observe`): all of it is read, and nothing written.

The rule: from its first entry on, with no group, no acknowledgement, and nothing put aside. A message that one consumer of a group has read
is given to no other one, so a watcher in the group of a run that trades would take deposits from it. What was not journaled is read again;
so is everything by the next run, and a message that comes again changes nothing. Of those that can never be taken each is counted once,
and none that was there when the watch began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.adapters.collateral.redis_stream import BATCH, BLOCK_MS, NEW, Entry, RedisStreamSource, entries_in

FIRST = b"0-0"


class WatchedStream(RedisStreamSource):
    """One stream as a source, read past whoever takes its messages."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """As `RedisStreamSource`."""
        super().__init__(*given, **named)
        self._seen = FIRST
        self._counted: tuple[int, int] | None = None

    async def _begin(self) -> None:
        """There is no group to join; once, what is there already is noted."""
        if self._counted is None:
            newest = entries_in(await self._call("XREVRANGE", self._place.stream, "+", "-", "COUNT", 1))
            self._counted = _number(newest[0][0] if newest else FIRST)

    async def _read(self, after: bytes) -> list[Entry]:
        """The next messages after those that were taken; nothing is ever left with us, as there is no group."""
        if after != NEW:
            return []
        told = await self._call("XREAD", "COUNT", BATCH, "BLOCK", BLOCK_MS, "STREAMS", self._place.stream, self._seen)
        return entries_in(told[0][1]) if told else []

    async def _take(self, inbox: Any, entries: Sequence[Entry]) -> bool:
        is_kept = await super()._take(inbox, entries)
        if is_kept:
            self._seen = entries[-1][0]
        return is_kept

    async def _take_over(self, inbox: Any) -> bool:
        """Nobody left us anything."""
        del inbox
        return True

    async def _acknowledge(self, kept: Sequence[bytes]) -> None:
        """Not ours to acknowledge."""

    async def _bury(self, entry_id: bytes, fields: Mapping[bytes, bytes], reason: str) -> None:
        """Not ours to put aside: the log tells of it."""
        del fields, reason
        self._counted = max(self._counted or _number(FIRST), _number(entry_id))

    def _is_old(self, entry_id: bytes) -> bool:
        return self._counted is not None and _number(entry_id) <= self._counted


def _number(entry_id: bytes) -> tuple[int, int]:
    """A message's id, in the order of the stream: milliseconds, and its number in them."""
    at, _, number = entry_id.partition(b"-")
    return int(at), int(number)
