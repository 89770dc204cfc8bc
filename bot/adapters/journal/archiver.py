"""What moves entries into the archive, of either store: a thread of its own, so that no append waits for it."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

_log = logging.getLogger("bot.journal")


class Archiver(ABC):
    """One move at a time; one that fails is told and tried again after the next snapshot, for nothing is lost by it."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Moves what may go, unless that is being done already. Returns at once."""
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._move, name="journal archiver", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # no more threads
                self._failed(error)
                return
            self._thread = thread

    def end(self, patience_s: float) -> None:
        """Waits for a move that is under way, no longer than that."""
        if self._thread is not None:
            self._thread.join(patience_s)

    @abstractmethod
    def _move(self) -> None:
        """The move itself, in the thread: what it fails with is told by `_failed`."""

    @staticmethod
    def _failed(error: Exception) -> None:
        _log.error("entries could not be moved into the journal's archive: %s", error)
