"""Entries that were moved out of a journal, so that it stays small: files of compressed JSON lines that anybody can read.

    journal-00000001-00005000.jsonl.gz      zcat shows, one a line: {"seq":1,"link":"<hex>","payload":"<the entry>"}

Rules: a file is whole and on disk before anything is taken out of the journal. It is read back first, and its chain is followed like the
journal's, so a replay over archive and journal finds a missing or changed entry as it would in the journal itself. Files may overlap: a
crash between writing one and taking its entries out leaves them in both places.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from bot.adapters.journal.chain import Row
from bot.adapters.journal.codec import first_link, link
from bot.adapters.journal.store_file import sync_folder
from bot.ports import JournalRefused

ROWS_MAX = 20_000
"""Entries in one file."""

_NAME = re.compile(r"journal-(\d+)-(\d+)\.jsonl\.gz")


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

    def rows(self, after: int, until: int) -> Iterator[Row]:
        """The entries beyond `after` up to `until`, in order, the chain followed from the first file on. Raises JournalRefused."""
        seq, expected = 0, self._first_link
        for first, path in self._files():
            if seq >= until:
                return
            if first > seq + 1:
                break
            try:
                for row in _read(path):
                    if row.seq <= seq:
                        continue
                    if row.seq != seq + 1 or row.link != link(expected, row.payload):
                        raise ArchiveUnsound(f"entry {seq + 1} is corrupt or missing")
                    seq, expected = row.seq, row.link
                    if after < seq <= until:
                        yield row
            except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, ArchiveUnsound) as error:
                raise JournalRefused(f"{path}: this file of the journal's archive cannot be read: {error}") from None
        if seq < until:
            raise JournalRefused(
                f"{self.folder}: entries {seq + 1} to {until} were moved out of the journal and are not in its archive there; bring the"
                " files from where they were written, or name their folder as journal.archive_dir"
            )

    def _files(self) -> list[tuple[int, Path]]:
        try:
            found = [(_NAME.fullmatch(path.name), path) for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalRefused(f"{self.folder}: the journal's archive cannot be read: {error.strerror}") from None
        return sorted((int(match[1]), path) for match, path in found if match is not None)

    def _write_file(self, rows: list[Row]) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_folder(self.folder)  # else a power cut may take the folder with all that was moved into it
        path = self.folder / f"journal-{rows[0].seq:08d}-{rows[-1].seq:08d}.jsonl.gz"
        draft = path.with_suffix(".draft")
        lines = (orjson.dumps({"seq": r.seq, "link": r.link.hex(), "payload": r.payload.decode()}) + b"\n" for r in rows)
        with draft.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(gzip.compress(b"".join(lines), compresslevel=6, mtime=0))
            file.flush()
            os.fsync(file.fileno())
        if list(_read(draft)) != rows:
            draft.unlink()
            raise ArchiveUnsound(f"{path}: what was written does not read back")
        draft.replace(path)
        sync_folder(path)


class ArchiveUnsound(Exception):
    """What is in a file of the archive is not what was written: one sentence."""


def _read(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rb") as file:
        for line in file:
            told = orjson.loads(line)
            yield Row(told["seq"], bytes.fromhex(told["link"]), told["payload"].encode())
