"""The journal on a Redis server with its archive, only read: of a bot that runs or of one that ended. Nothing is written or cut off.

What is there when it is opened is what is read. The whole chain is followed from the first entry, archived ones included; one that does not
fit is refused with its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.adapters.journal import snapshots
from bot.adapters.journal.archive import Archive
from bot.adapters.journal.codec import EntryUnreadable, decode, first_link, link
from bot.adapters.journal.redis_entries import rows_after
from bot.adapters.journal.redis_link import RedisLink, RedisServer, StoreFailed
from bot.adapters.journal.redis_store import RedisStore
from bot.ports import JournalRefused, Recorded, Snapshot


class RedisReader:
    """`ports.JournalReader` on the journal `name` of `identity`. Raises JournalRefused with one sentence when it cannot be read as one."""

    def __init__(self, server: RedisServer, name: str, identity: str, archive: Archive) -> None:
        self._store = RedisStore(RedisLink(server), name, identity)
        self._archive = archive
        self.name = self._store.where
        try:
            if self._store.facts() is None:
                raise JournalRefused(f"{self.name}: there is no journal")
            self.length = self._verified(first_link(identity))
            self._snapshots = self._trusted()
        except StoreFailed as error:
            raise JournalRefused(f"{error}; the journal could not be read") from None

    def entries(self, after: int = 0) -> Iterator[Recorded]:
        """Every entry beyond `after`, in order. Raises JournalRefused when one cannot be read."""
        return self._read(after, b"")

    def mentioning(self, word: str, after: int = 0) -> Iterator[Recorded]:
        """Of these the ones in whose text `word` stands. Raises JournalRefused when one cannot be read."""
        return self._read(after, word.encode())

    def snapshots(self) -> Mapping[int, Snapshot]:
        """Those that can be trusted, by the entry they stand for."""
        return self._snapshots

    def close(self) -> None:
        """Lets go."""
        self._store.let_go()

    def _verified(self, expected: bytes) -> int:
        """The number of the last entry, once the chain has been followed from the first."""
        seq = 0
        for row in rows_after(self._store, self._archive, 0):
            expected = link(expected, row.payload)
            if row.link != expected:
                raise JournalRefused(f"{self.name}: entry {row.seq} is corrupt; what comes after it proves nothing")
            seq = row.seq
        return seq

    def _trusted(self) -> Mapping[int, Snapshot]:
        stored = [snapshots.from_blob(int(seq), blob) for seq, blob in self._store.snapshots().items() if seq.isdigit()]
        newest_first = sorted(stored, key=lambda one: -one.seq)
        return {seq: found for seq, found in snapshots.believed(newest_first, self._store.link_of) if seq <= self.length}

    def _read(self, after: int, word: bytes) -> Iterator[Recorded]:
        try:
            for row in rows_after(self._store, self._archive, after):
                if row.seq > self.length:
                    return
                if word in row.payload:
                    entry = decode(row.payload)
                    yield Recorded(row.seq, entry.events, entry.commands)
        except EntryUnreadable as error:
            raise JournalRefused(f"{self.name}: {error}") from None
        except StoreFailed as error:
            raise JournalRefused(f"{error}; the journal could not be read") from None
