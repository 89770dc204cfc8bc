"""A small file beside the bot that remembers how far the server's journal had come, and the newest epoch.

A server that lost its newest entries (a failover, a restored backup, a deleted key) looks whole. Only somebody who remembers can tell.
The mark is written after each acknowledged entry and not synced: it survives the process, and after a power cut it is older or gone, which
finds less and never too much. The epoch is synced, so that it does not repeat when the store is lost.
"""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

_LINK_LENGTH = 32
_NUMBER = 8
_LENGTH = 2 * _NUMBER + _LINK_LENGTH


@dataclass(frozen=True, slots=True)
class Mark:
    """The last entry that was acknowledged (0: none), its link, and the newest epoch that was given out."""

    seq: int
    link: bytes
    epoch: int


class MarkFile:
    """Keeps one mark. Raises OSError when the file cannot be used."""

    def __init__(self, path: Path, identity: str) -> None:
        self._salt = identity.encode()
        self._lock = threading.Lock()
        self._closed = False
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self) -> Mark | None:
        """The mark, None when there is none, it is torn, or it is another journal's."""
        content = os.pread(self._file, _LENGTH + hashlib.sha256().digest_size, 0)
        body, digest = content[:_LENGTH], content[_LENGTH:]
        if len(body) < _LENGTH or digest != self._digest(body):
            return None
        seq, epoch = int.from_bytes(body[:_NUMBER], "big"), int.from_bytes(body[_NUMBER : 2 * _NUMBER], "big")
        return Mark(seq, body[2 * _NUMBER :], epoch)

    def write(self, mark: Mark, *, sync: bool = False) -> None:
        """Replaces the mark, from any thread; after `close` nothing happens. Raises OSError."""
        body = mark.seq.to_bytes(_NUMBER, "big") + mark.epoch.to_bytes(_NUMBER, "big") + mark.link
        with self._lock:
            if self._closed:
                return
            os.pwrite(self._file, body + self._digest(body), 0)
            if sync:
                os.fsync(self._file)

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._closed = True
            os.close(self._file)

    def _digest(self, body: bytes) -> bytes:
        return hashlib.sha256(self._salt + body).digest()
