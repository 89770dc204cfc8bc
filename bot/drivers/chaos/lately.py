"""What custody held, or was promised, within what the bot may not have been told yet: the bot is judged against that, not this instant."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from bot.core.units import ZERO, Asset, Millis
from bot.drivers.chaos.custody import ChaosCustody

LATELY_MS: Millis = 30_000
"""How long what is held no more is held for something that the bot may still believe."""


class HeldLately:
    """Remembers it by a clock that stands while custody cannot be read: what was told before a silence is the newest that the bot has,
    until it has been told something after it."""

    def __init__(self, custody: ChaosCustody) -> None:
        self._custody = custody
        self._kept: dict[Asset, deque[tuple[Millis, Decimal]]] = {}

    def observe(self, asset: Asset, units: Decimal) -> None:
        """So many units of an asset are held, or promised, now."""
        self._kept.setdefault(asset, deque()).append((self._custody.speaking_ms(), units))

    def stood_still(self, for_ms: Millis) -> None:
        """The process stood still for so long: whatever happened meanwhile, it could not be told. In a silence the clock stands already."""
        if not self._custody.readable:
            return
        for asset, kept in self._kept.items():
            self._kept[asset] = deque((at + for_ms, units) for at, units in kept)

    def most(self, asset: Asset) -> Decimal:
        """The most that was held lately: units >= 0."""
        kept = self._kept.setdefault(asset, deque())
        while len(kept) > 1 and kept[1][0] < self._custody.speaking_ms() - LATELY_MS:
            kept.popleft()
        return max((units for _, units in kept), default=ZERO)
