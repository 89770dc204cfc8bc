"""What happened in a seed, line by line: hashed as it is told (I16), and the newest lines kept for people."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable

from bot.core.units import Millis

KEPT = 120
"""Lines that a failing seed shows."""


class Story:
    """Lines of one seed. `now` is the world's clock."""

    def __init__(self, now: Callable[[], Millis]) -> None:
        self._now, self._began = now, now()
        self._hash = hashlib.sha256()
        self._last: deque[str] = deque(maxlen=KEPT)
        self.lines = 0

    def tell(self, who: str, what: str) -> None:
        """Somebody did something."""
        line = f"{(self._now() - self._began) / 1000:10.3f} {who:<12} {what}"
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        self._last.append(line)
        self.lines += 1

    def digest(self) -> str:
        """The hash of every line so far."""
        return self._hash.hexdigest()

    def last(self) -> tuple[str, ...]:
        """The newest lines, oldest first."""
        return tuple(self._last)
