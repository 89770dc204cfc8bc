"""A small file that remembers, over restarts, until when a venue wants to be left alone: an instant of our wall clock.

It is replaced whole and not synced: it survives the process. After a loss of power it may be gone, and the venue says it again.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from bot.core.units import Millis

log = structlog.get_logger(__name__)


class BanFile:
    """The file at one path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def until(self) -> Millis | None:
        """The instant that was kept; None when there is none that can be read."""
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        return int(text) if text.isdecimal() else None

    def keep(self, until: Millis) -> None:
        """Replaces the instant. A file that cannot be written is a warning: this run knows the ban all the same."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.write_text(f"{until}\n", encoding="ascii")
            fresh.replace(self._path)
        except OSError as error:
            log.warning("ban_not_kept", file=self._path.name, reason=error.strerror)
