"""Orders that the private stream has yet to speak of. Pure: time is passed in, in seconds of a steady clock.

A private topic may be silent on a socket that answers every ping, and nobody waits for what does not come: an account that does nothing
hears nothing either. But an order that the venue took is always told, so the silence shows by it.
"""

from __future__ import annotations

from bot.core.units import ClientOrderId

SILENT_SECONDS = 10.0
"""How long the stream may say nothing of an order that the venue has taken."""
KEPT_MAX = 256


class Expected:
    """What is waited for. What the stream told before the venue's answer came counts too."""

    def __init__(self) -> None:
        self._since: dict[ClientOrderId, float] = {}
        self._told: dict[ClientOrderId, None] = {}

    def taken(self, ours: ClientOrderId, now: float) -> None:
        """The venue took an order."""
        if ours not in self._told:
            self._since[ours] = now

    def told(self, ours: ClientOrderId | None) -> None:
        """The stream spoke of an order."""
        if ours is None:
            return
        self._since.pop(ours, None)
        self._told[ours] = None
        if len(self._told) > KEPT_MAX:
            del self._told[next(iter(self._told))]

    def overdue(self, now: float) -> ClientOrderId | None:
        """An order of which the stream should have spoken by now."""
        return next((ours for ours, since in self._since.items() if now - since > SILENT_SECONDS), None)

    def forget(self) -> None:
        """Waits for nothing any more: the subscription is made anew, and does not tell again what it missed."""
        self._since.clear()
