"""`ports.JournalFollower` on a store in memory, for virtual time."""

from __future__ import annotations

from collections.abc import Callable

from bot.ports import JournalUnavailable, Newer, Position, Recorded
from bot.simulator.memory import MemoryEntry, MemoryStore


class MemoryFollower:
    """Reads a `MemoryStore` as it grows, at most `at_once` entries at a time. A store that lost entries is read anew.

    `reaches`: whether this host's way to the store is open.
    """

    def __init__(self, store: MemoryStore, *, at_once: int = 100, reaches: Callable[[], bool] = lambda: True) -> None:
        self._store = store
        self._at_once = at_once
        self._reaches = reaches
        self._seq: int | None = None
        self._last: MemoryEntry | None = None

    @property
    def position(self) -> Position | None:
        """The number of the last entry that was told; its link is empty, for the store has none."""
        return None if self._seq is None else Position(self._seq, b"")

    async def newer(self) -> Newer:
        """See the port."""
        if not (self._store.taking and self._reaches()):
            raise JournalUnavailable("the store does not answer")
        entries = self._store.entries
        if self._seq and entries[self._seq - 1 : self._seq] != [self._last]:
            self._seq = None
        begins_anew = self._seq is None
        seq, start = (self._seq, None) if self._seq is not None else self._store.newest_snapshot()
        found = tuple(Recorded(n, e.events, e.commands) for n, e in enumerate(entries[seq : seq + self._at_once], seq + 1))
        self._seq = seq + len(found)
        self._last = entries[self._seq - 1] if self._seq else None
        return Newer(entries=found, begins_anew=begins_anew, start=start, more=self._seq < len(entries))

    async def close(self) -> None:
        """See the port."""
