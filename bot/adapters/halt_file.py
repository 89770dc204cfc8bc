"""A file that halts the book while it is there: `NAME: why` in its first line.

It works while nothing in the process answers, and survives every restart; an empty file, or one that cannot be read, halts as well, and so
does whatever else has its name: a directory, a pipe, a link that leads nowhere. So `touch HALT` beside the journal is enough. Looking at it
never waits for anything. That it cannot be opened is no sign of it: a process without a descriptor left still sees that it is not there.
"""

from __future__ import annotations

import os
from pathlib import Path

from bot.core.units import Millis
from bot.operating import HaltTold

READ_MAX = 500
"""Bytes of the file that are looked at."""


class HaltFile:
    """The halt file at one path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def told(self) -> HaltTold | None:
        """Who halts and why, None when there is no file."""
        try:
            told, at = _beginning(self._path)
        except OSError as error:
            return self._unread(error)
        first = told.decode(errors="replace").partition("\n")[0]
        words = "".join(letter if letter.isprintable() else " " for letter in first)
        by, _, why = words.partition(":")
        return HaltTold(by.strip() or "halt file", why.strip() or "no reason is given", at)

    def _unread(self, why: OSError) -> HaltTold | None:
        """By what an unreadable file halts. Its name is looked at without a descriptor; one that its folder hides counts as there."""
        try:
            os.lstat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as hidden:
            return HaltTold("halt file", f"whether it is there cannot be seen ({hidden.strerror})")
        if isinstance(why, FileNotFoundError):
            return HaltTold("halt file", "it is a link that leads nowhere")
        return HaltTold("halt file", f"it is there and cannot be read ({why.strerror})")

    def write(self, by: str, why: str) -> None:
        """Halts, durably. Raises OSError when the file cannot be written; what is there then may halt all the same (see `told`)."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.open("w", encoding="utf-8") as file:
            file.write(f"{by}: {why}\n")
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # else a new file's name may be gone after a loss of power
        finally:
            os.close(folder)

    def clear(self) -> None:
        """Removes the file. Raises OSError when it is there and cannot be removed."""
        self._path.unlink(missing_ok=True)


def _beginning(path: Path) -> tuple[bytes, Millis]:
    """The first bytes of a file, and when it was written last; of a pipe, what is in it now. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, READ_MAX), os.fstat(descriptor).st_mtime_ns // 1_000_000
    finally:
        os.close(descriptor)
