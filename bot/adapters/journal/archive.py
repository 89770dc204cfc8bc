"""Entries that were moved out of a journal, so that it stays small: files of compressed JSON lines that anybody can read.

    journal-00000001-00005000.jsonl.gz      zcat shows, one a line: {"seq":1,"link":"<hex>","payload":"<the entry>"}

Rules: a file is whole and on disk before anything is taken out of the journal. It is read back first, and its chain is followed like the
journal's, so a replay over archive and journal finds a missing or changed entry as it would in the journal itself. Files may overlap: a
crash between writing one and taking its entries out leaves them in both places. Nor are they all of one history: after a store was lost,
set aside or put back to a copy, other entries have the same numbers. So the way through the files is found backward, from the link of the
last entry that was moved out, and none is replaced by one of other content: that one is `journal-00000001-00005000.2.jsonl.gz` then.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from bot.adapters.journal.chain import Row
from bot.adapters.journal.codec import first_link, link
from bot.adapters.journal.store_file import sync_folder
from bot.ports import JournalRefused

ROWS_MAX = 20_000
"""Entries in one file."""

_NAME = re.compile(r"journal-(\d+)-(\d+)(?:\.\d+)?\.jsonl\.gz")


@dataclass(frozen=True, slots=True)
class _File:
    """One file, and of which entries it is by its name."""

    first: int
    last: int
    path: Path


class Archive:
    """The files of one journal in one folder."""

    def __init__(self, folder: Path, identity: str) -> None:
        """`folder` is made with the first file."""
        self.folder = folder
        self._first_link = first_link(identity)

    def write(self, rows: Iterable[Row]) -> None:
        """Keeps consecutive entries, durably. Raises OSError, and ArchiveUnsound when they do not read back; nothing is kept then."""
        held: list[Row] = []
        for row in rows:
            held.append(row)
            if len(held) == ROWS_MAX:
                self._write_file(held)
                held = []
        if held:
            self._write_file(held)

    def rows(self, base: tuple[int, bytes], after: int, until: int) -> Iterator[Row]:
        """The entries beyond `after` up to `until`, in order, the chain followed into `base`: number and link of the last entry that was
        moved out. Raises JournalRefused.
        """
        files = self._way_to(base, after)
        seq = files[0].first - 1 if files else base[0]
        expected = self._first_link if seq == 0 else None  # what comes before is not asked for, nor is the first entry then
        for file in files:
            try:
                for row in _read(file.path):
                    if not seq < row.seq <= file.last:
                        continue
                    if row.seq != seq + 1 or (expected is not None and row.link != link(expected, row.payload)):
                        raise ArchiveUnsound(f"entry {seq + 1} is corrupt or missing")
                    seq, expected = row.seq, row.link
                    if after < seq <= until:
                        yield row
                if seq != file.last:
                    raise ArchiveUnsound(f"entry {seq + 1} is corrupt or missing")
            except _UNREADABLE as error:
                raise _unread(file.path, error) from None
            if seq >= until:
                return

    def _way_to(self, base: tuple[int, bytes], after: int) -> Sequence[_File]:
        """The files whose rows lead up to `base`, oldest first, each to be read up to its `last`. They begin at entry 1, or at an entry up
        to `after`: what follows that one proves itself by the links up to `base`.
        """
        seq, fits = base[0], _bearing(base[1])
        if seq <= after:
            return []
        found: list[_File] = []
        there = self._files()
        while seq and (not found or found[0].first > after):
            held = _holding(there, seq, fits)
            if held is None:
                begins = 1 + max((file.last for file in there if file.last < seq), default=0)
                raise JournalRefused(
                    f"{self.folder}: entries {begins} to {seq} were moved out of the journal and are not in its archive there; bring the"
                    " files from where they were written, or name their folder as journal.archive_dir"
                )
            file, first = held
            found.insert(0, file)
            seq, fits = file.first - 1, _before(first)
        return found

    def _files(self) -> Sequence[_File]:
        try:
            found = [(_NAME.fullmatch(path.name), path) for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalRefused(f"{self.folder}: the journal's archive cannot be read: {error.strerror}") from None
        return sorted(
            (_File(int(match[1]), int(match[2]), path) for match, path in found if match is not None), key=lambda one: (one.first, one.path)
        )

    def _write_file(self, rows: list[Row]) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_folder(self.folder)  # else a power cut may take the folder with all that was moved into it
        path = self._place_for(rows)
        draft = path.with_suffix(".draft")
        try:
            _write(draft, rows)
            if list(_read(draft)) != rows:
                raise ArchiveUnsound(f"{path}: what was written does not read back")
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            if path.exists() and not path.stat().st_size:
                path.unlink()
            raise
        sync_folder(path)

    def _place_for(self, rows: Sequence[Row]) -> Path:
        """Where they may be written: at a name that nobody had, taken by an empty file, or over a file that holds just the same."""
        number = 0
        while True:
            number += 1
            again = "" if number == 1 else f".{number}"
            path = self.folder / f"journal-{rows[0].seq:08d}-{rows[-1].seq:08d}{again}.jsonl.gz"
            try:
                path.open("xb").close()
            except FileExistsError:
                if not _holds(path, rows):
                    continue
            return path


class ArchiveUnsound(Exception):
    """What is in a file of the archive is not what was written: one sentence."""


_UNREADABLE = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError, ArchiveUnsound)


def _unread(path: Path, error: Exception) -> JournalRefused:
    return JournalRefused(f"{path}: this file of the journal's archive cannot be read: {error}")


def _bearing(stored: bytes) -> Callable[[Row], bool]:
    return lambda row: row.link == stored


def _before(following: Row) -> Callable[[Row], bool]:
    return lambda row: link(row.link, following.payload) == following.link


def _holding(files: Iterable[_File], seq: int, fits: Callable[[Row], bool]) -> tuple[_File, Row] | None:
    """The file that holds the entry `seq` that fits, as far as to that one, and its first entry; None: there is none. Of two that hold
    it the one that begins first. Raises JournalRefused when none does and one that might cannot be read.
    """
    unread: JournalRefused | None = None
    for file in files:
        if not file.first <= seq <= file.last:
            continue
        try:
            first, last = _rows_at(file.path, file.first, seq)
        except _UNREADABLE as error:
            unread = unread or _unread(file.path, error)
            continue
        if fits(last):
            return _File(file.first, seq, file.path), first
    if unread is not None:
        raise unread
    return None


def _rows_at(path: Path, first: int, seq: int) -> tuple[Row, Row]:
    """The entries `first` and `seq` of a file that begins with `first`. What is between them is not looked at."""
    with gzip.open(path, "rb") as file:
        lines = file.read().splitlines()
    if not first <= seq < first + len(lines):
        raise ArchiveUnsound(f"entry {seq} is corrupt or missing")
    found = _row(lines[0]), _row(lines[seq - first])
    if (found[0].seq, found[1].seq) != (first, seq):
        raise ArchiveUnsound(f"entry {seq} is corrupt or missing")
    return found


def _holds(path: Path, rows: Sequence[Row]) -> bool:
    try:
        return list(_read(path)) == rows
    except _UNREADABLE:
        return False


def _write(path: Path, rows: Iterable[Row]) -> None:
    lines = (orjson.dumps({"seq": r.seq, "link": r.link.hex(), "payload": r.payload.decode()}) + b"\n" for r in rows)
    with path.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(gzip.compress(b"".join(lines), compresslevel=6, mtime=0))
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rb") as file:
        for line in file:
            yield _row(line)


def _row(line: bytes) -> Row:
    told = orjson.loads(line)
    return Row(told["seq"], bytes.fromhex(told["link"]), told["payload"].encode())
