"""Intents kept on this host while the journal's store takes nothing: a file of lines, each a checksum and one entry in the journal's form.

Each line is on disk before what it tells leaves. A line that a crash tore, and whatever stands behind it, never left, and is left out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
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

    def keep(self, events: Sequence[Event], orders: Sequence[PlaceOrder]) -> None:
        """Adds a line, durably. Raises OSError, and `codec.EntryUnwritable` for our own mistake."""
        payload = encode(events, orders)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            line = _checksum(payload) + b" " + payload + b"\n"
            if os.write(descriptor, line) != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._sync_folder()  # else a new file's name may be gone after a loss of power

    def left(self) -> Sequence[tuple[tuple[Event, ...], tuple[PlaceOrder, ...]]]:
        """What is kept, in order. Raises OSError."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return ()
        found = []
        for number, line in enumerate(lines, 1):
            checksum, _, payload = line.partition(b" ")
            if checksum != _checksum(payload):
                log.warning("intents_torn", path=str(self._path), line=number, of=len(lines))
                break
            try:
                entry = decode(payload)
            except EntryUnreadable as error:
                log.error("intents_unreadable", path=str(self._path), line=number, reason=str(error))
                break
            found.append((entry.events, tuple(c for c in entry.commands if isinstance(c, PlaceOrder))))
        return tuple(found)

    def clear(self) -> None:
        """Removes the file. Raises OSError when it is there and cannot be removed."""
        self._path.unlink(missing_ok=True)
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
