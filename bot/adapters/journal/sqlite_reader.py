"""The embedded journal, only read: of a bot that runs, of one that ended, or of a copy. Nothing is written, locked or cut off.

What is in the file when it is opened is what is read: entries are never changed, so that they can be fetched in parts while a bot goes on
writing, without a transaction that would keep its log from starting over. The whole chain is verified first; one that does not fit is
refused with its place, and a start of the bot would say what becomes of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from bot.adapters.journal import snapshots
from bot.adapters.journal.archive import Archive
from bot.adapters.journal.codec import EntryUnreadable, decode, first_link, link
from bot.adapters.journal.sqlite import ARCHIVE_FOLDER
from bot.adapters.journal.sqlite_entries import payloads_after
from bot.adapters.journal.store_file import APPLICATION_ID, SCHEMA_VERSION, base_of, beside
from bot.ports import JournalRefused, Recorded, Snapshot


class SqliteReader:
    """`ports.JournalReader` on one file. Raises JournalRefused with one sentence when it cannot be read as a journal."""

    def __init__(self, path: Path, archive_dir: Path | None = None) -> None:
        """`archive_dir`: where entries that were moved out of it are, None: in `journal-archive` beside it."""
        self.name = str(path)
        self._path = path
        self._db = self._opened()
        try:
            self._archive = Archive(archive_dir or path.parent / ARCHIVE_FOLDER, self._identity())
            self.length = self._verified()
            self._snapshots = self._trusted()
        except BaseException:
            self._db.close()
            raise

    def entries(self, after: int = 0) -> Iterator[Recorded]:
        """Every entry beyond `after`, in order. Raises JournalRefused when one cannot be read."""
        return self._fetched(after, b"")

    def mentioning(self, word: str, after: int = 0) -> Iterator[Recorded]:
        """Of these the ones in whose text `word` stands. Raises JournalRefused when one cannot be read."""
        return self._fetched(after, word.encode())

    def snapshots(self) -> Mapping[int, Snapshot]:
        """Those that can be trusted, by the entry they stand for."""
        return self._snapshots

    def close(self) -> None:
        """Lets go."""
        self._db.close()

    def _opened(self) -> sqlite3.Connection:
        if not self._path.is_file():
            raise JournalRefused(f"{self._path}: there is no journal")
        alone = not beside(self._path, "-wal").exists()  # nobody has it open, and no log is to be made beside it
        try:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}", uri=True, isolation_level=None
            )
        except sqlite3.Error as error:
            raise JournalRefused(f"{self._path}: the journal cannot be opened: {error}") from None
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            connection.close()
            raise JournalRefused(f"{self._path}: this cannot be read as a hedgebot journal ({error})") from None
        if application != APPLICATION_ID or version > SCHEMA_VERSION:
            connection.close()
            why = "this is not a hedgebot journal" if application != APPLICATION_ID else f"its format {version} is of a newer hedgebot"
            raise JournalRefused(f"{self._path}: {why}")
        return connection

    def _identity(self) -> str:
        try:
            found = self._db.execute("SELECT value FROM facts WHERE name = 'identity'").fetchone()
        except sqlite3.Error as error:
            raise JournalRefused(f"{self._path}: the journal is damaged ({error})") from None
        return found[0] if found else ""

    def _moved_out(self) -> tuple[int, bytes]:
        try:
            return base_of(self._db) or (0, b"")
        except ValueError as error:
            raise JournalRefused(f"{self._path}: the journal is damaged ({error})") from None

    def _verified(self) -> int:
        """The number of the last entry, once the chain has been followed from the first."""
        seq, expected = 0, first_link(self._identity())
        try:
            moved_out = self._moved_out()
            for row in self._archive.rows(moved_out, 0, moved_out[0]):  # it follows the chain itself
                seq, expected = row.seq, row.link
            with closing(self._db.execute("SELECT seq, link, payload FROM entries WHERE seq > ? ORDER BY seq", (seq,))) as rows:
                for number, stored, payload in rows:
                    expected = link(expected, payload) if isinstance(payload, bytes) else b""
                    if number != seq + 1 or stored != expected:
                        raise JournalRefused(f"{self._path}: entry {seq + 1} is corrupt or missing; what comes after it proves nothing")
                    seq = number
        except sqlite3.Error as error:
            raise JournalRefused(f"{self._path}: the journal is damaged ({error})") from None
        return seq

    def _trusted(self) -> Mapping[int, Snapshot]:
        try:
            there = self._db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'snapshots'").fetchone()[0]
            return {seq: snapshot for seq, snapshot in snapshots.trusted(self._db) if seq <= self.length} if there else {}
        except sqlite3.Error as error:
            raise JournalRefused(f"{self._path}: the journal is damaged ({error})") from None

    def _fetched(self, after: int, word: bytes) -> Iterator[Recorded]:
        seq = after
        try:
            for seq, payload in payloads_after(self._db, self._archive, after, self.length):
                if word in payload:
                    entry = decode(payload)
                    yield Recorded(seq, entry.events, entry.commands)
        except EntryUnreadable as error:
            raise JournalRefused(f"{self._path}: entry {seq}: {error}") from None
        except (sqlite3.Error, ValueError) as error:
            raise JournalRefused(f"{self._path}: the journal is damaged ({error})") from None
