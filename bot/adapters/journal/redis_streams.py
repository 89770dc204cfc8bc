"""The journal on a Redis server: one stream, written by one thread, for runs that are to survive the loss of their host.

The rules of `sqlite` hold here too; what is particular to Redis:
- A durable append returns when the server proved it (`redis_store`), or raises JournalUnavailable after a bounded wait; then the entry
  stays accepted and is written when the server is back (`redis_writer`).
- What the server acknowledges is only as good as its settings: `doubt` says why it is not to be trusted.
- A second bot with the same folder is refused at the start. One elsewhere is refused by the server: entries bear their number as their
  id, and a `Fence` lets nothing in once the lease is another's.
- What Redis loses by a failover, a restored backup or a deleted key is not visible in Redis. A mark beside the bot tells it (`mark`):
  the journal is then fresh, and says what is missing through `quarantined`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bot.adapters.journal import snapshots
from bot.adapters.journal.archive import Archive
from bot.adapters.journal.chain import Chain, DamageInside, Verification
from bot.adapters.journal.codec import Entry, EntryUnreadable, decode, encode, first_link
from bot.adapters.journal.mark import Mark, MarkFile
from bot.adapters.journal.quarantine import Quarantined, set_aside
from bot.adapters.journal.redis_archiver import RedisArchiver
from bot.adapters.journal.redis_entries import rows_after, seq_of
from bot.adapters.journal.redis_link import RedisLink, RedisServer, StoreDenies, StoreFailed
from bot.adapters.journal.redis_store import Facts, Fence, Fenced, NotOurs, RedisStore
from bot.adapters.journal.redis_writer import Writer
from bot.adapters.journal.store_file import beside, hold
from bot.core.commands import Command
from bot.core.events import Event
from bot.ports import JOURNAL_CLOSE_S, JournalFenced, JournalRefused, JournalUnavailable, Position, Snapshot

ARCHIVE_FOLDER = "journal-archive"
PATIENCE_S = 0.25
"""Longest wait of a durable append."""
OPEN_PATIENCE_S = 5.0
"""How long a start waits for a server that cannot be reached or is still reading its data back."""
_RETRY_S = 0.1
_log = logging.getLogger("bot.journal")


class RedisJournal:
    """The Journal port on Redis Streams. Raises JournalRefused with one sentence when the journal there is not ours to use."""

    def __init__(
        self,
        server: RedisServer,
        name: str,
        identity: str,
        folder: Path,
        *,
        fence: Fence | None = None,
        min_replicas: int = 0,
        patience_s: float = PATIENCE_S,
        open_patience_s: float = OPEN_PATIENCE_S,
        archive_dir: Path | None = None,
        archives: bool = True,
        on_append_seconds: Callable[[float], None] | None = None,
    ) -> None:
        """Opens or creates the journal `name` for `identity`. `folder` keeps the lock, the mark, and what is put aside.

        `archives`: whether entries that no start needs are moved into `archive_dir` (None: `journal-archive` in `folder`); those that were
        moved before are read there in any case. `min_replicas`: how many replicas must have an entry too before it counts as durable.
        `on_append_seconds` is told how long each durable append took.
        """
        self.path = folder / f"journal-{name}"
        self.quarantined: list[Quarantined] = []
        self._patience_s, self._on_append_seconds = patience_s, on_append_seconds
        self._writer: Writer | None = None
        self._closed = self._is_fresh = False

        def store() -> RedisStore:
            return RedisStore(RedisLink(server), name, identity, fence=fence, min_replicas=min_replicas)

        self._store, self._writes = store(), store()
        self._archive = Archive(archive_dir or folder / ARCHIVE_FOLDER, identity)
        self._archiver = RedisArchiver(store(), self._archive) if archives else None
        self._lock = hold(self.path)
        try:
            self._mark_file = MarkFile(beside(self.path, ".mark"), identity)
            self._mark = self._mark_file.read() or Mark(0, first_link(identity), 0)
        except OSError as error:
            os.close(self._lock)
            raise JournalRefused(f"{beside(self.path, '.mark')}: the journal's mark cannot be used: {error.strerror}") from None
        try:
            self._facts = self._opened(open_patience_s)
        except JournalRefused:
            self._let_go()
            raise

    def _opened(self, patience_s: float) -> Facts:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return self._store.open()
            except StoreFailed as error:
                self._store.let_go()
                if isinstance(error, StoreDenies) or time.monotonic() >= deadline:
                    raise JournalRefused(f"{error}; the journal cannot be opened") from None
                time.sleep(_RETRY_S)

    # Reading

    @property
    def doubt(self) -> str | None:
        """Why what is entered is not durable, or why what the server acknowledges cannot be trusted; None: it can.

        It may change when the server falls silent, when another one takes over, and when somebody changes its settings.
        """
        behind = None if self._writer is None else self._writer.doubt
        return behind or (self._writes.doubt if self._writes.is_judged else self._store.doubt)

    @property
    def is_fresh(self) -> bool:
        """Whether it held nothing when it was opened, lost entries, or had a tail cut off. Verifies the chain. Raises JournalRefused."""
        self._verify()
        return self._is_fresh or bool(self.quarantined)

    @property
    def position(self) -> Position:
        """The newest entry. Verifies the chain first. Raises JournalRefused."""
        return Position(*self._verify().last)

    def recover(self) -> Iterator[tuple[Event, tuple[Command, ...]]]:
        """Every event so far, in order, with its commands. Verifies the whole chain first. Raises JournalRefused with one sentence."""
        self._verify()
        return (step for _, entry in self.entries() for step in entry.steps())

    def resume(self) -> tuple[Snapshot | None, Iterator[tuple[Event, tuple[Command, ...]]]]:
        """The newest snapshot that can be trusted, and what came after it. Verifies the whole chain first. Raises JournalRefused."""
        self._verify()
        seq, snapshot = self._snapshot or (0, None)
        return snapshot, (step for _, entry in self.entries(after=seq) for step in entry.steps())

    def entries(self, after: int = 0) -> Iterator[tuple[int, Entry]]:
        """Every written entry beyond `after` with its sequence number, in order. Raises JournalRefused when one cannot be read."""
        try:
            for row in rows_after(self._store, self._archive, after):
                yield row.seq, decode(row.payload)
        except EntryUnreadable as error:
            raise JournalRefused(f"{self._store.where}: {error}") from None
        except StoreFailed as error:
            raise JournalRefused(f"{error}; the journal could not be read") from None

    def _verify(self) -> Writer:
        if self._writer is not None:
            return self._writer
        try:
            return self._verified()
        except DamageInside as error:
            raise JournalRefused(f"{self._store.where}: {error}; nothing was changed in it: restore it from a backup") from None
        except StoreFailed as error:
            raise JournalRefused(f"{error}; the journal could not be read") from None

    def _verified(self) -> Writer:
        snapshots.prepare()
        stored = [snapshots.from_blob(int(seq), blob) for seq, blob in self._store.snapshots().items() if seq.isdigit()]
        wanted = {self._mark.seq, *(one.seq for one in stored)}
        base = self._facts.base_seq
        found, chain = Verification(base, self._facts.base_link), Chain(base, self._facts.base_link)
        links: dict[int, bytes] = {base: self._facts.base_link}
        bad: list[tuple[bytes, bytes, bytes]] = []
        for entry_id, link, payload in self._store.rows():
            row = found.take(seq_of(entry_id), link, payload)
            if row is None:
                bad.append((entry_id, link or b"", payload or b""))
                continue
            chain.add_known(row)
            if row.seq in wanted:
                links[row.seq] = row.link
        epoch = max(self._facts.epoch, self._mark.epoch)
        self._compare_with_mark(found.seq, links)
        if bad:
            if self._mark.seq <= found.seq:
                self._remember(found.seq + 1, bytes(len(found.link)), epoch)  # once it is cut off nothing else tells of it
            self._cut_tail(bad, keep=found.seq)
        self._is_fresh = found.seq == 0
        newest_first = sorted(stored, key=lambda one: -one.seq)
        self._snapshot = next(snapshots.believed(newest_first, links.get), None)
        if not self.quarantined:  # else the mark tells of it until an entry is durable: this start may end before anybody has heard of it
            self._remember(found.seq, found.link, epoch)
        self._writer = Writer(self._writes, chain, epoch=epoch, acknowledged=self._remember, snapshot_kept=self._shorten)
        return self._writer

    def _cut_tail(self, bad: Sequence[tuple[bytes, bytes, bytes]], keep: int) -> None:
        told = ((entry_id.decode(errors="replace"), link, payload) for entry_id, link, payload in bad)
        copy = set_aside(self.path, keep + 1, told)
        self._store.cut(bad[-1][0], keep)
        self._report(Quarantined(copy, keep + 1, f"{len(bad)} entries behind entry {keep} do not fit the chain and were cut off"))

    def _compare_with_mark(self, last: int, links: dict[int, bytes]) -> None:
        mark = self._mark
        if mark.seq > last:
            reason = f"entries {last + 1} to {mark.seq} had been acknowledged by the server and are not there any more"
            self._report(Quarantined(None, last + 1, reason))
        elif mark.seq > self._facts.base_seq and links.get(mark.seq) != mark.link:
            self._report(Quarantined(None, mark.seq, f"entry {mark.seq} is not the one that had been acknowledged by the server"))

    def _report(self, found: Quarantined) -> None:
        self.quarantined.append(found)
        _log.error("%s: %s%s", self._store.where, found.reason, "" if found.copy is None else f"; copied to {found.copy}")

    # Writing

    def append(self, events: Sequence[Event], commands: Sequence[Command], *, durable: bool) -> None:
        """Records one entry. With `durable`, returns only when the server proved that it and all before it are on disk.

        Raises JournalUnavailable when it could not be made durable; the entry stays accepted, see the rules above.
        """
        started = time.perf_counter()
        writer = self._verify()
        if events or commands:
            writer.add(encode(events, commands))
        if durable:
            writer.wait(self._patience_s)
            if self._on_append_seconds is not None:
                self._on_append_seconds(time.perf_counter() - started)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Keeps what everything accepted so far folds to; it is stored behind the entries, without being waited for. Raises
        JournalUnavailable when the entries are not durable, and EntryUnwritable; no entry is lost by either.
        """
        writer = self._verify()
        seq, link = writer.last
        if seq == 0:
            return
        made = snapshots.to_blob(snapshots.sealed(seq, link, snapshot))
        writer.keep(seq, made)
        writer.wait(self._patience_s)

    def next_epoch(self) -> int:
        """A counter that grew, durably here and at the server: it does not repeat when either is lost. Raises JournalUnavailable."""
        writer = self._verify()
        try:
            epoch = self._epoch_after(writer.epoch)
            writer.epoch = epoch
            self._mark_file.write(Mark(self._mark.seq, self._mark.link, epoch), sync=True)
        except (StoreFailed, OSError) as error:
            self._store.let_go()
            raise (JournalFenced if isinstance(error, Fenced) else JournalUnavailable)(str(error)) from None
        return epoch

    def _epoch_after(self, known: int) -> int:
        try:
            return self._store.next_epoch(known)
        except NotOurs:
            raise
        except StoreFailed:  # the connection may have ended while nobody used it; an epoch that nobody got to know is left out
            self._store.let_go()
            return self._store.next_epoch(known)

    def close(self) -> None:
        """Writes what waits and lets go. Safe to call twice. Raises JournalUnavailable when the last entries could not be written."""
        if self._closed:
            return
        self._closed = True
        until = time.monotonic() + JOURNAL_CLOSE_S
        try:
            if self._writer is not None:
                self._writer.close(JOURNAL_CLOSE_S)
        finally:
            if self._archiver is not None:
                self._archiver.end(max(0.0, until - time.monotonic()))
            self._let_go()

    def _let_go(self) -> None:
        self._store.let_go()
        self._mark_file.close()
        os.close(self._lock)

    @property
    def newest(self) -> int:
        """The number of the newest entry that was accepted; 0: there is none."""
        return 0 if self._writer is None else self._writer.last[0]

    @property
    def pending(self) -> int:
        """Entries that are not known to be durable."""
        return 0 if self._writer is None else self._writer.pending

    @property
    def rewritten(self) -> int:
        """Entries that the server had acknowledged and lost, and was given again."""
        return 0 if self._writer is None else self._writer.rewritten

    def _remember(self, seq: int, link: bytes, epoch: int | None = None) -> None:
        """On the writer's thread: how far the server has come."""
        if epoch is None:
            epoch = self._mark.epoch if self._writer is None else self._writer.epoch
        self._mark = Mark(seq, link, epoch)
        try:
            self._mark_file.write(self._mark)
        except OSError as error:  # a full disk here must not stop a journal that is elsewhere
            _log.debug("the journal's mark could not be written: %s", error)

    def _shorten(self) -> None:
        """On the writer's thread: a snapshot has been stored, and what came before the one before it need not be kept there."""
        if self._archiver is not None:
            self._archiver.begin()
