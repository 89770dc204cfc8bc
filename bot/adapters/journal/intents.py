"""Intents kept on this host while the journal's store takes nothing: a file of lines, each a checksum and one entry in the journal's form.

Each line is on disk before what it tells leaves. What was written of a line when that failed is taken back, or nothing more is kept. A line
that a crash tore never left, and is left out; the file that held it is set aside and not removed.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import structlog

from bot.adapters.journal.codec import EntryUnreadable, decode, encode
from bot.core.commands import PlaceOrder
from bot.core.events import Event

log = structlog.get_logger(__name__)


class IntentsFile:
    """The file at one path; it is there only while something is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spoilt = False
        """Whether a part of a line that was refused may still be there."""

    def keep(self, events: Sequence[Event], orders: Sequence[PlaceOrder]) -> None:
        """Adds a line, durably. Raises OSError, and `codec.EntryUnwritable` for our own mistake."""
        if self._spoilt:
            raise OSError(errno.EIO, "a line that was refused could not be taken back", str(self._path))
        payload = encode(events, orders)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._add(descriptor, _checksum(payload) + b" " + payload + b"\n")
        finally:
            os.close(descriptor)
        self._sync_folder()  # else a new file's name may be gone after a loss of power

    def _add(self, descriptor: int, line: bytes) -> None:
        """Adds a line whole, or nothing of it."""
        before = os.fstat(descriptor).st_size
        if before and os.pread(descriptor, 1, before - 1) != b"\n":
            line = b"\n" + line  # a crash tore the line before: this one must not be taken for its end
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, "No space left on device")
            os.fsync(descriptor)
        except OSError:
            try:
                os.ftruncate(descriptor, before)
                os.fsync(descriptor)
            except OSError as error:
                self._spoilt = True
                log.error("intents_spoilt", path=str(self._path), reason=str(error))
            raise

    def left(self) -> Sequence[tuple[tuple[Event, ...], tuple[PlaceOrder, ...]]]:
        """What is kept, in order; lines that cannot be read are told in the log and left out. Raises OSError."""
        return self._read()[0]

    def _read(self) -> tuple[Sequence[tuple[tuple[Event, ...], tuple[PlaceOrder, ...]]], int]:
        """What is kept, and how many lines are none. Raises OSError."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return (), 0
        found, bad = [], 0
        for number, line in enumerate(lines, 1):
            checksum, _, payload = line.partition(b" ")
            try:
                if checksum != _checksum(payload):
                    raise EntryUnreadable("its checksum does not fit")
                entry = decode(payload)
            except EntryUnreadable as error:
                log.error("intents_unreadable", path=str(self._path), line=number, of=len(lines), reason=str(error))
                bad += 1
                continue
            found.append((entry.events, tuple(c for c in entry.commands if isinstance(c, PlaceOrder))))
        return tuple(found), bad

    def clear(self) -> None:
        """Removes the file, or sets it aside when not all of it can be read. Raises OSError when it is there and stays there."""
        try:
            sound = self._read()[1] == 0
        except OSError:
            sound = False
        if sound:
            self._path.unlink(missing_ok=True)
        else:
            free = (self._path.with_name(f"{self._path.name}.set-aside-{number}") for number in count(1))
            aside = next(path for path in free if not path.exists())
            self._path.rename(aside)
            log.error("intents_set_aside", path=str(aside))
        self._spoilt = False
        self._sync_folder()

    def _sync_folder(self) -> None:
        if not self._path.parent.is_dir():
            return
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(payload).hexdigest().encode()
