"""Forged announcements as facts: the first of a while one by one, of a flood the newest and how many it stands for.

Somebody who can write to a stream, and has no key, must not fill the journal: each fact is kept there for ever. Every message of them is
put aside as it is, whatever is told here.
"""

from __future__ import annotations

from dataclasses import replace

from bot.core.events import CollateralAnnounced
from bot.ports import Clock

TOLD_MAX = 20
"""Forged announcements that are told within one interval."""
EVERY_S = 60.0
"""The interval."""


class Forgeries:
    """What is told of forged announcements, and what is only counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = float("-inf")
        self._told = self._withheld = 0
        self._newest: CollateralAnnounced | None = None

    def heard(self, forged: CollateralAnnounced) -> CollateralAnnounced | None:
        """One more: the fact to tell of it, or None while enough were told."""
        self._newest, self._withheld = forged, self._withheld + 1
        return self.due()

    def due(self) -> CollateralAnnounced | None:
        """The newest that was not told yet, which stands for all of those; None while there is none or enough were told."""
        if self._clock.steady() - self._since >= EVERY_S:
            self._since, self._told = self._clock.steady(), 0
        if self._newest is None or self._told >= TOLD_MAX:
            return None
        told = replace(self._newest, at=self._clock.now(), beside=self._withheld - 1)
        self._told, self._withheld, self._newest = self._told + 1, 0, None
        return told
