"""The embedded journal: one SQLite file in WAL mode, every durable append one synced transaction.

Rules:
- Order is kept. An entry that may wait (`durable=False`) is held in memory and written with the next durable one, by a short timer
  of the running event loop, or on close; nothing written later can overtake it.
- A refused write loses nothing by itself. When an append raises JournalUnavailable the entry IS accepted: it stays in order in memory
  and is written with the next append that succeeds, so that facts can be journaled late. Do not append it again, and send nothing
  that increases. Memory is bounded: beyond `PENDING_BYTES_MAX` the journal gives up until a restart.
- After a failed sync nobody knows what the disk holds, so the journal stays unavailable until a restart reads it back. After any failed
  write the last entry there is compared: another than ours is somebody else's writing, and the journal gives up.
- A torn or corrupt tail is copied aside, cut off and reported through `quarantined` and the log. Damage with sound entries behind it is
  not a tail: the journal is refused as a whole.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bot.adapters.journal import snapshots
from bot.adapters.journal.archive import Archive
from bot.adapters.journal.chain import DamageInside, Row, Verification
from bot.adapters.journal.codec import Entry, EntryUnreadable, decode, encode, first_link, link
from bot.adapters.journal.quarantine import Quarantined, free_name, set_aside
from bot.adapters.journal.sqlite_archiver import SqliteArchiver
from bot.adapters.journal.sqlite_entries import payloads_after
from bot.adapters.journal.store_file import base_of, beside, damage, forget_loss, hold, open_file, tell_loss, tells_loss
from bot.adapters.journal.wal_tail import frames_written
from bot.core.commands import Command
from bot.core.events import Event
from bot.ports import JOURNAL_CLOSE_S, JournalRefused, JournalUnavailable, Snapshot

ARCHIVE_FOLDER = "journal-archive"
PENDING_BYTES_MAX = 64 * 1024 * 1024
"""How much may wait in memory for a store that takes nothing."""

_FLUSH_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_IDLE_SECONDS = 0.25
_CHECKPOINT_ENTRIES = 64
_LOG_PAGES_MAX = 8192  # 32 MiB: SQLite then checkpoints by itself, should the journal never be idle
_UNTRUSTED = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_log = logging.getLogger("bot.journal")


class SqliteJournal:
    """The Journal port on one file. Raises JournalRefused with one sentence when the file is not ours to use."""

    def __init__(
        self,
        path: Path,
        identity: str,
        *,
        on_append_seconds: Callable[[float], None] | None = None,
        archive_dir: Path | None = None,
        archives: bool = False,
    ) -> None:
        """Opens or creates the journal at `path` for `identity`; `on_append_seconds` is told how long each durable append took.

        `archives`: whether entries that no start needs are moved into `archive_dir` (None: `journal-archive` beside the file); those
        that were moved before are read there in any case.
        """
        self.path = path
        self.quarantined: list[Quarantined] = []
        self._on_append_seconds = on_append_seconds
        self._pending: deque[Row] = deque()
        self._pending_bytes = 0
        self._archive = Archive(archive_dir or path.parent / ARCHIVE_FOLDER, identity)
        self._archiver = SqliteArchiver(path, self._archive) if archives else None
        self._verified = self._unsure = self._closed = self._was_empty = self._lost_before = False
        self._tells_loss = False
        self._given_up: str | None = None
        self._failing: str | None = None
        self._since_checkpoint = 0
        self._appended_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = hold(path)
        try:
            written = frames_written(beside(path, "-wal"))
            self._db = open_file(path, identity)
            self._seq, self._link = self._written = self._moved_out(identity)
            self._report_dropped_frames(written)
        except sqlite3.Error as error:
            os.close(self._lock)
            raise JournalRefused(f"{path}: {damage(error)}") from None
        except BaseException:
            os.close(self._lock)
            raise

    # Reading

    @property
    def is_fresh(self) -> bool:
        """Whether it held nothing when it was opened, or a tail was cut off and nothing entered since. Verifies the chain first.

        Raises JournalRefused.
        """
        self._verify()
        return self._was_empty or self._lost_before or bool(self.quarantined)

    @property
    def doubt(self) -> str | None:
        """Why nothing entered now is durable: the newest write failed, or the journal has given up. A write that succeeds ends the first.

        Without a failed write there is none: a commit that did not reach the disk fails.
        """
        if self._given_up is not None:
            return f"{self.path}: {self._given_up}"
        return None if self._failing is None else f"{self.path}: the newest entries could not be written ({self._failing})"

    def recover(self) -> Iterator[tuple[Event, tuple[Command, ...]]]:
        """Every event so far, in order, with its commands. Verifies the whole chain first. Raises JournalRefused with one sentence."""
        self._verify()
        return (step for _, entry in self.entries() for step in entry.steps())

    def resume(self) -> tuple[Snapshot | None, Iterator[tuple[Event, tuple[Command, ...]]]]:
        """The newest snapshot that can be trusted, and what came after it. Verifies the whole chain first. Raises JournalRefused."""
        self._verify()
        snapshots.prepare()
        try:
            found = snapshots.newest(self._db)
        except sqlite3.Error as error:
            raise JournalRefused(f"{self.path}: {damage(error)}") from None
        seq, snapshot = found or (0, None)
        return snapshot, (step for _, entry in self.entries(after=seq) for step in entry.steps())

    def entries(self, after: int = 0) -> Iterator[tuple[int, Entry]]:
        """Every written entry beyond `after` with its sequence number, in order. Raises JournalRefused when one cannot be read."""
        try:
            for seq, payload in payloads_after(self._db, self._archive, after):
                yield seq, decode(payload)
        except EntryUnreadable as error:
            raise JournalRefused(f"{self.path}: {error}") from None
        except (sqlite3.Error, ValueError) as error:
            raise JournalRefused(f"{self.path}: {damage(error)}") from None

    def _moved_out(self, identity: str) -> tuple[int, bytes]:
        """Number and link of the last entry that was moved into the archive; 0 and the link before the first: none was."""
        try:
            return base_of(self._db) or (0, first_link(identity))
        except (ValueError, sqlite3.Error) as error:
            raise JournalRefused(f"{self.path}: its facts cannot be read ({error}); restore it from a backup") from None

    def _verify(self) -> None:
        if self._verified:
            return
        found = Verification(self._seq, self._link)
        try:
            for row in self._db.execute("SELECT seq, link, payload FROM entries WHERE seq > ? ORDER BY seq", (self._seq,)):
                found.take(*row)
            if found.first_bad is not None:
                self._cut_tail(found.first_bad)
            self._lost_before = self._tells_loss = tells_loss(self._db)
        except DamageInside as error:
            raise JournalRefused(
                f"{self.path}: {error}; nothing was changed in it: restore the journal from a backup, or move it aside and start anew"
            ) from None
        except sqlite3.Error as error:
            raise JournalRefused(f"{self.path}: {damage(error)}") from None
        self._seq, self._link = found.seq, found.link
        self._written = found.seq, found.link
        self._verified, self._was_empty = True, self._seq == 0

    def _cut_tail(self, first: int) -> None:
        rows = self._db.execute("SELECT seq, CAST(link AS BLOB), CAST(payload AS BLOB) FROM entries WHERE seq >= ? ORDER BY seq", (first,))
        told = rows.fetchall()
        copy = set_aside(self.path, first, told)
        self._db.execute("BEGIN IMMEDIATE")
        tell_loss(self._db)
        self._db.execute("DELETE FROM entries WHERE seq >= ?", (first,))
        self._db.execute("COMMIT")
        self._report(Quarantined(copy, first, f"{len(told)} entries from {first} on do not fit the chain and were cut off"))

    def _report_dropped_frames(self, written: int) -> None:
        log = beside(self.path, "-wal")
        _, taken, _ = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if written > max(taken, 0):
            copy = free_name(self.path, ".quarantined-wal")
            shutil.copyfile(log, copy)
            tell_loss(self._db)
            reason = f"{written - max(taken, 0)} pages at the end of the write-ahead log are torn; what they held was dropped"
            self._report(Quarantined(copy, None, reason))
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES_MAX}")

    def _report(self, found: Quarantined) -> None:
        self.quarantined.append(found)
        _log.error("journal %s: %s; copied to %s", self.path.name, found.reason, found.copy)

    # Writing

    @property
    def newest(self) -> int:
        """The number of the newest entry that was accepted; 0: there is none."""
        return self._seq

    def append(self, events: Sequence[Event], commands: Sequence[Command], *, durable: bool) -> None:
        """Records one entry. With `durable`, returns only when a power cut cannot undo it and all before it.

        Raises JournalUnavailable when it could not be made durable; the entry stays accepted, see the rules above.
        """
        started = time.perf_counter()
        self._verify()
        self._appended_at = started
        if events or commands:
            self._accept(encode(events, commands))
        try:
            if durable:
                self._flush()
        finally:
            self._wake_later()
        if durable and self._on_append_seconds is not None:
            self._on_append_seconds(time.perf_counter() - started)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Keeps what everything accepted so far folds to. Raises JournalUnavailable, and EntryUnwritable; no entry is lost by either."""
        self._verify()
        self._flush()
        if self._seq == 0:
            return
        try:
            snapshots.keep(self._db, self._seq, self._link, snapshot)
        except sqlite3.Error as error:
            raise self._refused(error) from None
        if self._archiver is not None:
            self._archiver.begin()

    def next_epoch(self) -> int:
        """A counter that grew by one, durably. Raises JournalUnavailable when it could not be stored."""
        self._verify()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("UPDATE facts SET value = CAST(value AS INTEGER) + 1 WHERE name = 'epoch'")
            (value,) = self._db.execute("SELECT value FROM facts WHERE name = 'epoch'").fetchone()
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._refused(error) from None
        return int(value)

    def close(self) -> None:
        """Writes what waits and lets go. Safe to call twice. Raises JournalUnavailable when the last entries could not be written."""
        if self._closed:
            return
        self._closed = True
        until = time.monotonic() + JOURNAL_CLOSE_S
        self._stop_timer()
        try:
            if self._pending:
                self._flush()
        finally:
            if self._archiver is not None:
                self._archiver.end(max(0.0, until - time.monotonic()))
            self._db.close()
            os.close(self._lock)

    @property
    def pending(self) -> int:
        """Entries that wait to be written."""
        return len(self._pending)

    @property
    def rewritten(self) -> int:
        """None: what a disk lost is found by the next start."""
        return 0

    def _accept(self, payload: bytes) -> None:
        if self._pending_bytes + len(payload) > PENDING_BYTES_MAX:
            self._given_up = "too much waits to be written; the journal gave up and needs a restart"
        if self._given_up is not None:
            raise JournalUnavailable(f"{self.path}: {self._given_up}")
        self._seq, self._link = self._seq + 1, link(self._link, payload)
        self._pending.append(Row(self._seq, self._link, payload))
        self._pending_bytes += len(payload)

    def _flush(self) -> None:
        if self._given_up is not None:
            raise JournalUnavailable(f"{self.path}: {self._given_up}")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if self._unsure:
                self._drop_what_was_written()
            rows = [(entry.seq, entry.link, entry.payload) for entry in self._pending]
            self._db.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
            if self._tells_loss and rows:
                forget_loss(self._db)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._failing = self._failing or str(error)
            raise self._refused(error) from None
        if rows:  # a commit of nothing proves nothing
            self._failing = None
        self._tells_loss = self._tells_loss and not rows
        self._since_checkpoint += len(rows)
        self._written = self._seq, self._link
        self._pending.clear()
        self._pending_bytes = 0
        self._unsure = False

    def _drop_what_was_written(self) -> None:
        """A commit that reported failure may still have happened: what is there under our own link is not written twice. Raises
        JournalUnavailable, and gives up, when what is there last is neither what was written last here nor one that waits.
        """
        last = self._db.execute("SELECT seq, link FROM entries ORDER BY seq DESC LIMIT 1").fetchone() or self._written
        if last == self._written:
            return
        if last not in ((entry.seq, entry.link) for entry in self._pending):
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            self._given_up = (
                f"entry {last[0]} is the last one there, and neither the last that was written here nor one that waits: somebody else"
                " writes to it; the journal gave up, and a restart reads what it holds"
            )
            _log.error("the journal: %s", self._given_up)
            raise JournalUnavailable(f"{self.path}: {self._given_up}")
        while self._pending and self._pending[0].seq <= last[0]:
            self._pending_bytes -= len(self._pending.popleft().payload)
        self._written = last

    def _refused(self, error: sqlite3.Error) -> JournalUnavailable:
        with suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")
        self._unsure = True
        if getattr(error, "sqlite_errorcode", None) in _UNTRUSTED:
            self._given_up = f"the disk can no longer be trusted ({error}); a restart reads back what it holds"
        return JournalUnavailable(f"{self.path}: {error}")

    # Waiting entries and idle checkpoints

    def _wake_later(self) -> None:
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            if self._loop is not loop:
                self._stop_timer()
                self._loop = loop
            waits = bool(self._pending) and self._given_up is None
            if self._timer is None and (waits or self._since_checkpoint >= _CHECKPOINT_ENTRIES):
                pause = _IDLE_SECONDS if not waits else _RETRY_SECONDS if self._unsure else _FLUSH_SECONDS
                self._timer = loop.call_later(pause, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._pending and self._given_up is None:
            first_failure = not self._unsure
            try:
                self._flush()
            except JournalUnavailable as error:
                _log.log(logging.ERROR if first_failure else logging.DEBUG, "waiting entries could not be written: %s", error)
        elif time.perf_counter() - self._appended_at >= _IDLE_SECONDS:
            with suppress(sqlite3.Error):  # a checkpoint that fails is tried again; the log holds everything meanwhile
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._since_checkpoint = 0
        self._wake_later()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
