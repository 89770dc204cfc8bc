"""Moves entries that no start needs any more out of Redis, whose memory they would fill, into the archive.

Rule: what may go is everything before the entry of the older of the two newest snapshots that can be trusted. So a start always has two
snapshots to begin at and every entry after both. It runs in a thread and on a connection of its own, so that no append waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from bot.adapters.journal import snapshots
from bot.adapters.journal.archive import Archive, ArchiveUnsound
from bot.adapters.journal.archiver import Archiver
from bot.adapters.journal.chain import DamageInside, Row, Verification
from bot.adapters.journal.redis_entries import seq_of
from bot.adapters.journal.redis_link import StoreFailed
from bot.adapters.journal.redis_store import RedisStore
from bot.ports import JournalRefused


class RedisArchiver(Archiver):
    """Of the server, on a connection of its own."""

    def __init__(self, store: RedisStore, archive: Archive) -> None:
        super().__init__()
        self._store, self._archive = store, archive

    def _move(self) -> None:
        try:
            self._move_out()
        except (StoreFailed, JournalRefused, ArchiveUnsound, DamageInside, OSError) as error:
            self._failed(error)
        finally:
            self._store.let_go()

    def _move_out(self) -> None:
        facts = self._store.facts()
        if facts is None:
            return
        until = self._oldest_needed() - 1
        if until <= facts.base_seq:
            return
        found = Verification(facts.base_seq, facts.base_link)
        self._archive.write(self._verified(found, until))
        if found.seq != until:
            raise JournalRefused(f"{self._store.where}: entry {found.seq + 1} does not fit the chain")
        self._store.trim(found.seq, found.link)

    def _oldest_needed(self) -> int:
        """The entry of the older of the two newest snapshots that can be trusted; 0 when there are not two."""
        stored = [snapshots.from_blob(int(seq), blob) for seq, blob in self._store.snapshots().items() if seq.isdigit()]
        newest_first = sorted(stored, key=lambda one: -one.seq)
        trusted = [seq for seq, _ in islice(snapshots.believed(newest_first, self._store.link_of), 2)]
        return trusted[1] if len(trusted) == 2 else 0

    def _verified(self, found: Verification, until: int) -> Iterator[Row]:
        for entry_id, link, payload in self._store.rows(found.seq):
            if found.seq >= until:
                return
            row = found.take(seq_of(entry_id), link, payload)
            if row is None:
                return
            yield row
