"""The journal of another instance, read as it grows, by one that stands by. Only the mark beside the bot is ever written.

Rules: every entry is held against the link before it, as at a start. One that does not fit, or a last entry that is not the one that was
read, means that the store went back or somebody else's journal took its place: then everything is read anew, from the newest snapshot. The
mark keeps the furthest entry that was ever read here, so that a start after it notices what the store has lost (see `mark`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from bot.adapters.journal import snapshots
from bot.adapters.journal.chain import Verification
from bot.adapters.journal.codec import EntryUnreadable, decode, first_link
from bot.adapters.journal.mark import Mark, MarkFile
from bot.adapters.journal.redis_entries import seq_of
from bot.adapters.journal.redis_link import RedisLink, RedisServer, StoreDenies, StoreFailed
from bot.adapters.journal.redis_store import RedisStore
from bot.adapters.journal.store_file import beside
from bot.ports import JournalRefused, JournalUnavailable, Newer, Position, Recorded, Snapshot

AT_ONCE = 500
"""Entries that are read at once."""

_log = logging.getLogger("bot.journal")


class RedisFollower:
    """`ports.JournalFollower` on the journal `name`, which must be `identity`'s. `folder` is the one that `RedisJournal` will be given."""

    def __init__(self, server: RedisServer, name: str, identity: str, folder: Path) -> None:
        """Raises JournalRefused when the mark cannot be kept in `folder`. Nothing is read yet."""
        self._identity = identity
        self._store = RedisStore(RedisLink(server), name, identity)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="follow")
        self._at: Verification | None = None
        self._closed = False
        path = beside(folder / f"journal-{name}", ".mark")
        try:
            self._mark_file = MarkFile(path, identity)
            self._mark = self._mark_file.read() or Mark(0, first_link(identity), 0)
        except OSError as error:
            raise JournalRefused(f"{path}: the journal's mark cannot be used: {error.strerror}") from None

    @property
    def position(self) -> Position | None:
        """See the port."""
        return None if self._at is None else Position(self._at.seq, self._at.link)

    async def newer(self) -> Newer:
        """See the port."""
        return await self._in_thread(self._newer)

    async def close(self) -> None:
        """See the port."""
        if not self._closed:
            self._closed = True
            self._thread.submit(self._store.let_go)
            self._thread.shutdown(wait=False)
            self._mark_file.close()

    async def _in_thread(self, call: Callable[[], Newer]) -> Newer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    # In the thread

    def _newer(self) -> Newer:
        try:
            if self._at is not None and not self._goes_on(self._at):
                _log.error("%s: it does not go on from entry %s, which was read here; it is read anew", self._store.where, self._at.seq)
                self._at = None
            if self._at is not None:
                return self._page(self._at, None, begins_anew=False)
            return self._begun_anew()
        except StoreFailed as error:
            self._store.let_go()
            if isinstance(error, StoreDenies):
                raise JournalRefused(f"{error}; the journal cannot be followed") from None
            raise JournalUnavailable(str(error)) from None

    def _goes_on(self, at: Verification) -> bool:
        """Whether the entry that was read last is still there, and nothing before it was written anew."""
        if at.seq == 0:
            return True
        link = self._link_of(at.seq)
        return link == at.link or (link is None and self._is_base(at))

    def _is_base(self, at: Verification) -> bool:
        """Whether it is the last of those that were moved out of the store."""
        facts = self._store.facts()
        return facts is not None and (facts.base_seq, facts.base_link) == (at.seq, at.link)

    def _link_of(self, seq: int) -> bytes | None:
        for entry_id, link, _ in self._store.rows(seq - 1):
            return link if seq_of(entry_id) == seq else None
        return None

    def _begun_anew(self) -> Newer:
        facts = self._store.facts()
        if facts is None:
            return Newer()
        stored = [snapshots.from_blob(int(seq), blob) for seq, blob in self._store.snapshots().items() if seq.isdigit()]
        found = next(snapshots.believed(sorted(stored, key=lambda one: -one.seq), self._link_of), None)
        if found is None and facts.base_seq:
            raise JournalRefused(
                f"{self._store.where}: no snapshot there can be trusted by this hedgebot, and entries up to {facts.base_seq} are in an"
                " archive; start it once alone where the archive is"
            )
        if found is None:
            return self._page(Verification(facts.base_seq, facts.base_link), None, begins_anew=True)
        seq, snapshot = found
        return self._page(Verification(seq, self._link_of(seq) or b""), snapshot, begins_anew=True)

    def _page(self, at: Verification, start: Snapshot | None, *, begins_anew: bool) -> Newer:
        told: list[Recorded] = []
        rows = tuple(islice(self._store.rows(at.seq), AT_ONCE))
        for entry_id, link, payload in rows:
            row = at.take(seq_of(entry_id), link, payload)
            if row is None:
                self._at = None
                raise JournalUnavailable(f"{self._store.where}: entry {at.seq + 1} does not fit the chain; it is read anew")
            try:
                entry = decode(row.payload)
            except EntryUnreadable as error:
                self._at = None
                raise JournalRefused(f"{self._store.where}: entry {row.seq}: {error}") from None
            told.append(Recorded(row.seq, entry.events, entry.commands))
        self._at = at
        self._remember(at)
        return Newer(entries=tuple(told), begins_anew=begins_anew, start=start, more=len(rows) == AT_ONCE)

    def _remember(self, at: Verification) -> None:
        if at.seq <= self._mark.seq:
            return
        self._mark = Mark(at.seq, at.link, self._mark.epoch)
        try:
            self._mark_file.write(self._mark)
        except OSError as error:
            _log.debug("the journal's mark could not be written: %s", error)
