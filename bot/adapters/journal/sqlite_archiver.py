"""Moves entries that no start needs any more out of the embedded journal into the archive, when it is asked to.

The rule is `redis_archiver`'s. What was moved is told in the facts first and deleted after that, in small parts, so that no append waits
long; a crash in between leaves entries in both places, and the next move deletes them here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from bot.adapters.journal import snapshots
from bot.adapters.journal.archive import Archive, ArchiveUnsound
from bot.adapters.journal.archiver import Archiver
from bot.adapters.journal.chain import DamageInside, Row, Verification
from bot.adapters.journal.store_file import base_of
from bot.ports import JournalRefused

_ROWS_AT_ONCE = 500
_BUSY_S = 5.0


class SqliteArchiver(Archiver):
    """Of the file, on a connection of its own."""

    def __init__(self, path: Path, archive: Archive) -> None:
        super().__init__()
        self._path, self._archive = path, archive
        self._ends = False

    def end(self, patience_s: float) -> None:
        """As for every one; then it stops after the part that it is at."""
        super().end(patience_s)
        self._ends = True

    def _move(self) -> None:
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None, timeout=_BUSY_S)) as db:
                db.execute("PRAGMA synchronous = FULL")
                self._move_out(db)
        except (sqlite3.Error, JournalRefused, ArchiveUnsound, DamageInside, OSError, ValueError) as error:
            self._failed(error)

    def _move_out(self, db: sqlite3.Connection) -> None:
        base = base_of(db)
        trusted = [seq for seq, _ in islice(snapshots.trusted(db), 2)]
        if base is None or len(trusted) < 2:
            return
        until = trusted[1] - 1
        if until > base[0]:
            found = Verification(*base)
            self._archive.write(_verified(db, found, until))
            if found.seq != until:
                raise JournalRefused(f"{self._path}: entry {found.seq + 1} does not fit the chain")
            self._take_out(db, found.seq, found.link)
        else:
            self._delete(db, base[0])

    def _take_out(self, db: sqlite3.Connection, seq: int, link: bytes) -> None:
        db.execute("BEGIN IMMEDIATE")
        facts = [(str(seq), "base_seq"), (link.hex(), "base_link")]
        db.executemany("UPDATE facts SET value = ? WHERE name = ?", facts)
        db.execute("COMMIT")
        self._delete(db, seq)

    def _delete(self, db: sqlite3.Connection, until: int) -> None:
        while not self._ends and self._deleted_some(db, until):
            pass

    def _deleted_some(self, db: sqlite3.Connection, until: int) -> bool:
        query = "DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE seq <= ? ORDER BY seq LIMIT ?)"
        return db.execute(query, (until, _ROWS_AT_ONCE)).rowcount > 0


def _verified(db: sqlite3.Connection, found: Verification, until: int) -> Iterator[Row]:
    while found.seq < until:
        after = found.seq
        query = "SELECT seq, link, payload FROM entries WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        for each in db.execute(query, (after, until, _ROWS_AT_ONCE)).fetchall():
            row = found.take(*each)
            if row is None:
                return
            yield row
        if found.seq == after:
            return
